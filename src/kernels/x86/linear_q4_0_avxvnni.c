/* kernels/x86/linear_q4_0_avxvnni.c — Q4_0 weights: dot products of four bytes in one instruction. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_q4_0_avxvnni
#define DTYPE QN_Q4_0
#define MOST 4
#include "kernels/x86/linear_blocks.inc"
