/* kernels/x86/linear_q8_0_avx2.c — Q8_0 weights: pair products by maddubs. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_q8_0_avx2
#define DTYPE QN_Q8_0
#define MOST 4
#include "kernels/x86/linear_blocks.inc"
