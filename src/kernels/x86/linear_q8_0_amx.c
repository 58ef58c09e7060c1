/* kernels/x86/linear_q8_0_amx.c — Q8_0 weights: products of tiles of bytes. */
#define NAME qn_linear_q8_0_amx
#define DOTS qn_linear_q8_0_avx512vnni
#define DTYPE QN_Q8_0
#include "kernels/x86/linear_bytes.inc"
