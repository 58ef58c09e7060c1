/* kernels/x86/linear_iq4_xs_avx2.c — IQ4_XS weights: pairs of products by maddubs. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_iq4_xs_avx2
#define DTYPE QN_IQ4_XS
#define MOST 4
#include "kernels/x86/linear_codes.inc"
