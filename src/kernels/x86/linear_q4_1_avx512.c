/* kernels/x86/linear_q4_1_avx512.c — Q4_1 weights: pair products by maddubs. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_q4_1_avx512
#define DTYPE QN_Q4_1
#define MOST 6
#include "kernels/x86/linear_blocks.inc"
