/* kernels/x86/rows_avx512.c — row and element kernels, AVX-512. */
#include "kernels/kernels.h"
#include "num/math.h"

#include <math.h>

#include "kernels/x86/v16_avx512.h"
#include "kernels/x86/v16_math.h"

#define X86(name) qn_##name##_avx512
#include "kernels/x86/rows_x86.inc"
#include "kernels/x86/rows_grad_x86.inc"
#include "kernels/x86/update_x86.inc"
