/* kernels/x86/kv_avx2.c — storing keys and values, merging attention partials, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

#define X86(name) qn_##name##_avx2
#include "kernels/x86/kv_x86.inc"
