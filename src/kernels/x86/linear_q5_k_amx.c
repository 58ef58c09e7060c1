/* kernels/x86/linear_q5_k_amx.c — Q5_K weights: products of tiles of bytes. */
#define NAME qn_linear_q5_k_amx
#define DOTS qn_linear_q5_k_avx512vnni
#define DTYPE QN_Q5_K
#include "kernels/x86/linear_bytes.inc"
