/* kernels/x86/linear_q3_k_amx.c — Q3_K weights: products of tiles of bytes. */
#define NAME qn_linear_q3_k_amx
#define DOTS qn_linear_q3_k_avx512vnni
#define DTYPE QN_Q3_K
#include "kernels/x86/linear_bytes.inc"
