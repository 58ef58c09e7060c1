/* kernels/x86/attn_bf16_avx512.c — attention over BF16 keys and values, AVX-512. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#define ATTN_NAME qn_attn_bf16_avx512
#define MAX_R 6
#define MAX_C 2
#define TILE_C(R) 2
#include "kernels/x86/attn_step_bf16.h"

#include "kernels/x86/attn_x86.inc"
