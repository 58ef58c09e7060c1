/* kernels/x86/linear_q3_k_avxvnni.c — Q3_K weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_q3_k_avxvnni
#define DTYPE QN_Q3_K
#define MOST 4
#include "kernels/x86/linear_codes.inc"
