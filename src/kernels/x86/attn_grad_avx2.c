/* kernels/x86/attn_grad_avx2.c — attention's gradient, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define X86(name) qn_##name##_avx2
#define OUTER_R 6
#define OUTER_C 1
#include "kernels/x86/attn_grad_x86.inc"
