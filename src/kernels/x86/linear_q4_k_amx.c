/* kernels/x86/linear_q4_k_amx.c — Q4_K weights: products of tiles of bytes. */
#define NAME qn_linear_q4_k_amx
#define DOTS qn_linear_q4_k_avx512vnni
#define DTYPE QN_Q4_K
#include "kernels/x86/linear_bytes.inc"
