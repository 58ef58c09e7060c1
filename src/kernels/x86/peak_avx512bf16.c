/* kernels/x86/peak_avx512bf16.c — peak loops, AVX-512 with bf16 dot products. */
#include "kernels/peak_loops.h"

#include "kernels/x86/intrinsics.h"

#include "kernels/x86/peak_unroll.h"

#define REG_CLASS PEAK_ZMM

#define PEAK_NAME qn_peak_bf16_avx512bf16
#define reg __m512
#define REG_ZERO _mm512_setzero_ps()
#define CHAINS 24
#define STEP(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b)
#define STEP_OPS (32 * 2)
#include "kernels/x86/peak_chains.inc"
