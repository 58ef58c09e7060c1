/* kernels/x86/stored_f16_avx2.c — F16 weights straight from storage, widened on their way into the registers. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/stored_rows.h"

#define NAME qn_stored_f16_avx2
#define DTYPE QN_F16
enum { STEP = 1 };

QN_INLINE ivec words_of(const uint8_t *w) { return _mm256_castps_si256(vec_load_f16(w)); }
QN_INLINE vec step(vec sum, ivec w, const uint8_t *x) {
    return vec_fma(vec_of_bits(w), vec_set1(*(const float *)(const void *)x), sum);
}

#include "kernels/x86/stored_numbers.inc"
