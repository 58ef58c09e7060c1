/* kernels/x86/attn_grad_avx512.c — attention's gradient, AVX-512. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#define X86(name) qn_##name##_avx512
#define OUTER_R 6
#define OUTER_C 4
#include "kernels/x86/attn_grad_x86.inc"
