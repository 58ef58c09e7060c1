/* kernels/x86/stored_bf16_avx512bf16.c — BF16 weights straight from storage, with the dot product of pairs; vectors of
 * eight rows, as on AVX2, whose lanes the instruction treats like those of sixteen. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/stored_rows.h"

#define NAME qn_stored_bf16_avx512bf16
#define DTYPE QN_BF16
enum { STEP = 2 };

QN_INLINE ivec words_of(const uint8_t *w) { return ivec_load(w); }
QN_INLINE vec step(vec sum, ivec w, const uint8_t *x) {
    return _mm256_dpbf16_ps(sum, (__m256bh)w, (__m256bh)ivec_set1(*(const int32_t *)(const void *)x));
}

#include "kernels/x86/stored_numbers.inc"
