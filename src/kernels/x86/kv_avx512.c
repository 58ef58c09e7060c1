/* kernels/x86/kv_avx512.c — storing keys and values, merging attention partials, AVX-512. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#define X86(name) qn_##name##_avx512
#include "kernels/x86/kv_x86.inc"
