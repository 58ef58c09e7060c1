/* kernels/x86/linear_iq4_nl_avxvnni.c — IQ4_NL weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_iq4_nl_avxvnni
#define DTYPE QN_IQ4_NL
#define MOST 4
#include "kernels/x86/linear_codes.inc"
