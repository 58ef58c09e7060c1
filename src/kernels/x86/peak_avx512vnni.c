/* kernels/x86/peak_avx512vnni.c — peak loops, AVX-512 with byte dot products. */
#include "kernels/peak_loops.h"

#include "kernels/x86/intrinsics.h"

#include "kernels/x86/peak_unroll.h"

#define REG_CLASS PEAK_ZMM

#define PEAK_NAME qn_peak_int8_avx512vnni
#define reg __m512i
#define REG_ZERO _mm512_setzero_si512()
#define CHAINS 24
#define STEP(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#define STEP_OPS (64 * 2)
#include "kernels/x86/peak_chains.inc"
