/* kernels/x86/linear_q5_1_avx2.c — Q5_1 weights: pairs of products by maddubs. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_q5_1_avx2
#define DTYPE QN_Q5_1
#define MOST 4
#include "kernels/x86/linear_codes.inc"
