/* kernels/x86/act_pack_avx2.c — activation rows, the bits of the scalar twins (linear_ref.inc tells the rules). */
#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

/* Nearest even by integers; a NaN is made quiet and cut. 8 values to the lower halves of 8 words. */
static inline __m256i bf16_of(__m256 x) {
    const __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, half), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}

void qn_act_pack_bf16_avx2(void *dst, const qn_real *src, int64_t K) {
    uint16_t *h = dst;
    const float *x = src;
    int64_t k = 0;
    for (; k + 16 <= K; k += 16) {
        const __m256i lo = bf16_of(_mm256_loadu_ps(x + k)), hi = bf16_of(_mm256_loadu_ps(x + k + 8));
        const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(h + k), both);
    }
    for (; k < K; k++)
        h[k] = qn_f32_to_bf16(x[k]);
    if (K % 2)
        h[K] = 0;
}

static inline uint32_t max_of(__m256i a) {
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1)));
}

static inline int16_t sum_of(__m256i a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return (int16_t)_mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

void qn_act_pack_q8b32_avx2(void *dst, const qn_real *src, int64_t K) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    int8_t *q = dst;
    float *d = (float *)(void *)(q + K);
    int16_t *s = (int16_t *)(void *)(d + K / 32);
    for (int64_t b = 0; b < K / 32; b++, q += 32) {
        const float *x = (const float *)src + b * 32;
        __m256i top = _mm256_setzero_si256(), whole[4];
        for (int i = 0; i < 4; i++)
            top = _mm256_max_epu32(top, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + i * 8)), magnitude));
        const uint32_t amax = max_of(top);
        const bool finite = amax < 0x7f800000u;
        const float scale = qn_f32_from_bits(amax) / 127.0f;
        const bool zero = !finite || scale < 0x1p-126f;
        const __m256i keep = _mm256_set1_epi32(zero ? 0 : -1);
        for (int i = 0; i < 4; i++)
            whole[i] = _mm256_and_si256(
                keep, _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + i * 8), _mm256_set1_ps(scale))));
        const __m256i words0 = _mm256_packs_epi32(whole[0], whole[1]), words1 = _mm256_packs_epi32(whole[2], whole[3]);
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words0, words1), order);
        _mm256_storeu_si256((__m256i *)(void *)q, bytes);
        d[b] = zero ? (finite ? 0.0f : qn_f32_from_bits(0x7fc00000u)) : scale;
        s[2 * b] = sum_of(_mm256_add_epi32(whole[0], whole[1]));
        s[2 * b + 1] = sum_of(_mm256_add_epi32(whole[2], whole[3]));
    }
}
