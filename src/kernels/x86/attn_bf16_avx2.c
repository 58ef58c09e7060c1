/* kernels/x86/attn_bf16_avx2.c — attention over BF16 keys and values, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define ATTN_NAME qn_attn_bf16_avx2
#define MAX_R 4
#define MAX_C 4
#define TILE_C(R) ((R) == 1 ? 4 : (R) <= 3 ? 2 : 1)
#include "kernels/x86/attn_step_bf16.h"

#include "kernels/x86/attn_x86.inc"
