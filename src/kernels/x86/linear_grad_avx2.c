/* kernels/x86/linear_grad_avx2.c — gradients of products with F32 panels, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define X86(name) qn_##name##_avx2
#define OUTER_R 6
#define OUTER_C 1
#define DX_R 2
#define DX_K 2
#include "kernels/x86/linear_grad_x86.inc"
