/* kernels/x86/linear_q5_1_amx.c — Q5_1 weights: products of tiles of bytes. */
#define NAME qn_linear_q5_1_amx
#define DOTS qn_linear_q5_1_avx512vnni
#define DTYPE QN_Q5_1
#include "kernels/x86/linear_bytes.inc"
