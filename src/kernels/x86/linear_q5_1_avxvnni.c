/* kernels/x86/linear_q5_1_avxvnni.c — Q5_1 weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_q5_1_avxvnni
#define DTYPE QN_Q5_1
#define MOST 4
#include "kernels/x86/linear_codes.inc"
