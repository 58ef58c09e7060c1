/* kernels/x86/linear_q4_1_amx.c — Q4_1 weights: products of tiles of bytes. */
#define NAME qn_linear_q4_1_amx
#define DOTS qn_linear_q4_1_avx512vnni
#define DTYPE QN_Q4_1
#include "kernels/x86/linear_bytes.inc"
