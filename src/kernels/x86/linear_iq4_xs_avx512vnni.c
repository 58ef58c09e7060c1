/* kernels/x86/linear_iq4_xs_avx512vnni.c — IQ4_XS weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_iq4_xs_avx512vnni
#define DTYPE QN_IQ4_XS
#define MOST 6
#include "kernels/x86/linear_codes.inc"
