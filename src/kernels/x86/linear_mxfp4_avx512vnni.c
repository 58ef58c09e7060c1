/* kernels/x86/linear_mxfp4_avx512vnni.c — MXFP4 weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_mxfp4_avx512vnni
#define DTYPE QN_MXFP4
#define MOST 6
#include "kernels/x86/linear_codes.inc"
