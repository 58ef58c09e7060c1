/* kernels/x86/drop_mask_avx2.c — eight draws of Philox-4x32-10 side by side (base/rng.c has the rounds), four words
 * each, and from each word a factor. The words of the scalar twin. */
#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

enum { DRAWS = 8, WORDS = 4 * DRAWS };

typedef struct { __m256i lo, hi; } product;

/* 32 × 32 → 64 bits in eight lanes: even lanes, then odd ones, then halves sorted. */
static inline product times(__m256i v, uint32_t by) {
    const __m256i m = _mm256_set1_epi32((int)by);
    const __m256i even = _mm256_mul_epu32(v, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), m);
    return (product){_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa),
                     _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
}

/* Words [4][8 draws] of indices index … index + 7. */
static void draw(__m256i v[4], uint64_t seed, uint64_t step, uint64_t index) {
    uint32_t low[DRAWS], high[DRAWS], k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (uint64_t i = 0; i < DRAWS; i++) {
        low[i] = (uint32_t)(index + i);
        high[i] = (uint32_t)((index + i) >> 32);
    }
    v[0] = _mm256_loadu_si256((const __m256i *)(const void *)low);
    v[1] = _mm256_loadu_si256((const __m256i *)(const void *)high);
    v[2] = _mm256_set1_epi32((int)(uint32_t)step);
    v[3] = _mm256_set1_epi32((int)((uint32_t)(step >> 32) ^ (uint32_t)QN_RNG_DROPOUT << 24));
    for (int round = 0; round < 10; round++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
        const product a = times(v[0], 0xd2511f53u), b = times(v[2], 0xcd9e8d57u);
        v[0] = _mm256_xor_si256(_mm256_xor_si256(b.hi, v[1]), _mm256_set1_epi32((int)k0));
        v[2] = _mm256_xor_si256(_mm256_xor_si256(a.hi, v[3]), _mm256_set1_epi32((int)k1));
        v[1] = b.lo;
        v[3] = a.lo;
    }
}

/* Factors of four words of each draw, in the order of the draws. */
static void store(float *f, const __m256i v[4], uint32_t below, float keep) {
    const __m256i sign = _mm256_set1_epi32((int)0x80000000u), bound = _mm256_set1_epi32((int)(below ^ 0x80000000u));
    __m256 w[4];
    for (int i = 0; i < 4; i++) {
        const __m256i dropped = _mm256_cmpgt_epi32(bound, _mm256_xor_si256(v[i], sign));        /* word < below */
        w[i] = _mm256_andnot_ps(_mm256_castsi256_ps(dropped), _mm256_set1_ps(keep));
    }
    const __m256 a = _mm256_unpacklo_ps(w[0], w[1]), b = _mm256_unpackhi_ps(w[0], w[1]);
    const __m256 c = _mm256_unpacklo_ps(w[2], w[3]), d = _mm256_unpackhi_ps(w[2], w[3]);
    const __m256 r[4] = {_mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xee), _mm256_shuffle_ps(b, d, 0x44),
                         _mm256_shuffle_ps(b, d, 0xee)};                /* draws 0 and 4, 1 and 5, 2 and 6, 3 and 7 */
    for (int i = 0; i < 4; i++) {
        _mm_storeu_ps(f + i * 4, _mm256_castps256_ps128(r[i]));
        _mm_storeu_ps(f + i * 4 + WORDS / 2, _mm256_extractf128_ps(r[i], 1));
    }
}

void qn_drop_mask_avx2(qn_real *f_, int64_t n, double p, uint64_t seed, uint64_t step, uint64_t index) {
    const uint32_t below = (uint32_t)(p * 0x1p32);
    const float keep = (float)(1 / (1 - p));
    float *f = f_;
    for (int64_t i = 0; i < n; i += WORDS, index += DRAWS) {
        __m256i v[4];
        float last[WORDS];
        draw(v, seed, step, index);
        store(n - i < WORDS ? last : f + i, v, below, keep);
        if (n - i < WORDS)
            memcpy(f + i, last, (size_t)(n - i) * sizeof *f);
    }
}
