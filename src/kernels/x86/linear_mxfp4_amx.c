/* kernels/x86/linear_mxfp4_amx.c — MXFP4 weights: products of tiles of bytes. */
#define NAME qn_linear_mxfp4_amx
#define DOTS qn_linear_mxfp4_avx512vnni
#define DTYPE QN_MXFP4
#include "kernels/x86/linear_bytes.inc"
