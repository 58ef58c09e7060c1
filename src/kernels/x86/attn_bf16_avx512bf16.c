/* kernels/x86/attn_bf16_avx512bf16.c — attention over BF16 keys and values, AVX-512 with bf16 dot products. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#define ATTN_NAME qn_attn_bf16_avx512bf16
#define MAX_R 6
#define MAX_C 4
#define TILE_C(R) 4
#include "kernels/x86/attn_step_dot.h"

#include "kernels/x86/attn_x86.inc"
