/* kernels/x86/attn_f16_avx2.c — attention over F16 keys and values, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define ATTN_NAME qn_attn_f16_avx2
#define MAX_R 6
#define MAX_C 4
#define TILE_C(R) ((R) == 1 ? 4 : (R) == 2 ? 2 : 1)
#define ATTN_HALF 1
#include "kernels/x86/attn_step_float.h"

#include "kernels/x86/attn_x86.inc"
