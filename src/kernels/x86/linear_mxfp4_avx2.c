/* kernels/x86/linear_mxfp4_avx2.c — MXFP4 weights: pairs of products by maddubs. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_mxfp4_avx2
#define DTYPE QN_MXFP4
#define MOST 4
#include "kernels/x86/linear_codes.inc"
