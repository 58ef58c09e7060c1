/* kernels/x86/linear_mxfp4_avxvnni.c — MXFP4 weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_mxfp4_avxvnni
#define DTYPE QN_MXFP4
#define MOST 4
#include "kernels/x86/linear_codes.inc"
