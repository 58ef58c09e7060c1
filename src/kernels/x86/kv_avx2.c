/* kernels/x86/kv_avx2.c — storing keys and values, merging attention partials, AVX2. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx2.h"

QN_INLINE __m256i whole_away(__m256 x) {
    const __m256i cut = _mm256_cvttps_epi32(x), sign = _mm256_srai_epi32(_mm256_castps_si256(x), 31);
    const __m256 rest = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(x, _mm256_cvtepi32_ps(cut)));
    const __m256i up = _mm256_castps_si256(_mm256_cmp_ps(rest, _mm256_set1_ps(0.5f), _CMP_GE_OQ));
    const __m256i one = _mm256_or_si256(sign, _mm256_set1_epi32(1));            /* 1 or −1 */
    return _mm256_add_epi32(cut, _mm256_and_si256(up, one));
}

QN_INLINE void bytes_away(int8_t *p, v16 x) {
    const __m256i words = _mm256_packs_epi32(whole_away(x.a), whole_away(x.b));  /* 0…3, 8…11, 4…7, 12…15 */
    const __m256i row = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi16(_mm256_castsi256_si128(row),
                                                          _mm256_extracti128_si256(row, 1)));
}

#define X86(name) qn_##name##_avx2
#include "kernels/x86/kv_x86.inc"
