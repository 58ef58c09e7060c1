/* kernels/x86/stored_f32_avx2.c — F32 weights straight from storage. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/stored_rows.h"

#define NAME qn_stored_f32_avx2
#define DTYPE QN_F32
enum { STEP = 1 };

QN_INLINE ivec words_of(const uint8_t *w) { return ivec_load(w); }
QN_INLINE vec step(vec sum, ivec w, const uint8_t *x) {
    return vec_fma(vec_of_bits(w), vec_set1(*(const float *)(const void *)x), sum);
}

#include "kernels/x86/stored_numbers.inc"
