/* kernels/x86/linear_iq4_xs_amx.c — IQ4_XS weights: products of tiles of bytes. */
#define NAME qn_linear_iq4_xs_amx
#define DOTS qn_linear_iq4_xs_avx512vnni
#define DTYPE QN_IQ4_XS
#include "kernels/x86/linear_bytes.inc"
