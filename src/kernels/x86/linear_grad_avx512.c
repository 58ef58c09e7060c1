/* kernels/x86/linear_grad_avx512.c — gradients of products with F32 panels, AVX-512. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#define X86(name) qn_##name##_avx512
#define OUTER_R 6
#define OUTER_C 4
#define DX_R 4
#define DX_K 6
#include "kernels/x86/linear_grad_x86.inc"
