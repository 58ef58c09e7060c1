/* kernels/x86/linear_iq4_xs_avxvnni.c — IQ4_XS weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_iq4_xs_avxvnni
#define DTYPE QN_IQ4_XS
#define MOST 4
#include "kernels/x86/linear_codes.inc"
