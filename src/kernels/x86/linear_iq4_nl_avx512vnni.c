/* kernels/x86/linear_iq4_nl_avx512vnni.c — IQ4_NL weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_iq4_nl_avx512vnni
#define DTYPE QN_IQ4_NL
#define MOST 6
#include "kernels/x86/linear_codes.inc"
