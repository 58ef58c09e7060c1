/* kernels/x86/linear_bf16_avx2.c — BF16 weights and activations by two fused multiply-adds per pair. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/linear_pairs.h"

#define NAME qn_linear_bf16_avx2
#define DTYPE QN_BF16
#define MOST 6
#include "kernels/x86/linear_float.inc"
