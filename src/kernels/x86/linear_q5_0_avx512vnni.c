/* kernels/x86/linear_q5_0_avx512vnni.c — Q5_0 weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_q5_0_avx512vnni
#define DTYPE QN_Q5_0
#define MOST 6
#include "kernels/x86/linear_codes.inc"
