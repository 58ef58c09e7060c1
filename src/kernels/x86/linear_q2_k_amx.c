/* kernels/x86/linear_q2_k_amx.c — Q2_K weights: products of tiles of bytes. */
#define NAME qn_linear_q2_k_amx
#define DOTS qn_linear_q2_k_avx512vnni
#define DTYPE QN_Q2_K
#include "kernels/x86/linear_bytes.inc"
