/* kernels/x86/linear_bf16_avx512.c — BF16 weights and activations where there is no dot product of pairs. */
#include "kernels/x86/simd_avx512.h"
#include "kernels/x86/linear_pairs.h"

#define NAME qn_linear_bf16_avx512
#define DTYPE QN_BF16
#define MOST 12
#include "kernels/x86/linear_float.inc"
