/* kernels/x86/linear_q8_0_avx512.c — Q8_0 weights: pair products by maddubs. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_q8_0_avx512
#define DTYPE QN_Q8_0
#define MOST 6
#include "kernels/x86/linear_blocks.inc"
