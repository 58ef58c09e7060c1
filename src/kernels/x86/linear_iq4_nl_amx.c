/* kernels/x86/linear_iq4_nl_amx.c — IQ4_NL weights: products of tiles of bytes. */
#define NAME qn_linear_iq4_nl_amx
#define DOTS qn_linear_iq4_nl_avx512vnni
#define DTYPE QN_IQ4_NL
#include "kernels/x86/linear_bytes.inc"
