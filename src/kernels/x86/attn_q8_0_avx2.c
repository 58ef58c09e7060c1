/* kernels/x86/attn_q8_0_avx2.c — attention over Q8_0 keys and values, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define ATTN_NAME qn_attn_q8_0_avx2
#define MAX_R 6
#define MAX_C 4
#define TILE_C(R) ((R) == 1 ? 4 : (R) == 2 ? 2 : 1)
#include "kernels/x86/attn_step_q8_0.h"

#include "kernels/x86/attn_x86.inc"
