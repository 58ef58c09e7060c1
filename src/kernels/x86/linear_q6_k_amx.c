/* kernels/x86/linear_q6_k_amx.c — Q6_K weights: products of tiles of bytes. */
#define NAME qn_linear_q6_k_amx
#define DOTS qn_linear_q6_k_avx512vnni
#define DTYPE QN_Q6_K
#include "kernels/x86/linear_bytes.inc"
