/* kernels/x86/peak_avxvnni.c — peak loops, byte dot products of 256 bits. */
#include "kernels/peak_loops.h"

#include "kernels/x86/intrinsics.h"

#include "kernels/x86/peak_unroll.h"

#define REG_CLASS "x"

#define PEAK_NAME qn_peak_int8_avxvnni
#define reg __m256i
#define REG_ZERO _mm256_setzero_si256()
#define CHAINS 12
#define STEP(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#define STEP_OPS (32 * 2)
#include "kernels/x86/peak_chains.inc"
