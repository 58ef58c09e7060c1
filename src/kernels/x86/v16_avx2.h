/* kernels/x86/v16_avx2.h — sixteen floats as one value, AVX2: two registers. Same names and bits as v16_avx512.h. */
#ifndef QN_KERNELS_V16_AVX2_H
#define QN_KERNELS_V16_AVX2_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

typedef struct { __m256 a, b; } v16;        /* lanes 0…7, 8…15 */
typedef struct { __m256 a, b; } m16;        /* all bits of a lane, or none */
typedef __m256i h16;

QN_INLINE m16 m16_first(int64_t n) {
    static const int32_t ones[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const float *p = (const float *)(const void *)(ones + 16 - n);
    return (m16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
QN_INLINE m16 m16_and(m16 x, m16 y) { return (m16){_mm256_and_ps(x.a, y.a), _mm256_and_ps(x.b, y.b)}; }
QN_INLINE bool m16_any(m16 m) { return _mm256_movemask_ps(_mm256_or_ps(m.a, m.b)) != 0; }
QN_INLINE int m16_lowest(m16 m) {                                       /* of a mask that is not empty */
    return __builtin_ctz((unsigned)_mm256_movemask_ps(m.a) | (unsigned)_mm256_movemask_ps(m.b) << 8);
}

QN_INLINE v16 v16_load(const float *p) { return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
QN_INLINE v16 v16_load_n(const float *p, int64_t n) {
    const m16 m = m16_first(n);
    return (v16){_mm256_maskload_ps(p, _mm256_castps_si256(m.a)), _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.b))};
}
QN_INLINE void v16_store(float *p, v16 x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
QN_INLINE void v16_store_n(float *p, v16 x, int64_t n) {
    const m16 m = m16_first(n);
    _mm256_maskstore_ps(p, _mm256_castps_si256(m.a), x.a);
    _mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.b), x.b);
}
QN_INLINE v16 v16_all(float x) { return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QN_INLINE v16 v16_zero(void) { return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QN_INLINE v16 v16_iota(void) {
    return (v16){_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_ps(8, 9, 10, 11, 12, 13, 14, 15)};
}

QN_INLINE v16 v16_add(v16 x, v16 y) { return (v16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
QN_INLINE v16 v16_sub(v16 x, v16 y) { return (v16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
QN_INLINE v16 v16_mul(v16 x, v16 y) { return (v16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
QN_INLINE v16 v16_div(v16 x, v16 y) { return (v16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
QN_INLINE v16 v16_sqrt(v16 x) { return (v16){_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
QN_INLINE v16 v16_fma(v16 x, v16 y, v16 z) {                            /* x·y + z */
    return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
QN_INLINE v16 v16_fnma(v16 x, v16 y, v16 z) {                           /* z − x·y */
    return (v16){_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}
/* y where either is NaN */
QN_INLINE v16 v16_max(v16 x, v16 y) { return (v16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
QN_INLINE v16 v16_min(v16 x, v16 y) { return (v16){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
QN_INLINE v16 v16_abs(v16 x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
/* |x| with the sign of y. */
QN_INLINE v16 v16_sign(v16 x, v16 y) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const v16 abs = v16_abs(x);
    return (v16){_mm256_or_ps(abs.a, _mm256_and_ps(sign, y.a)), _mm256_or_ps(abs.b, _mm256_and_ps(sign, y.b))};
}

QN_INLINE m16 v16_lt(v16 x, v16 y) {
    return (m16){_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
QN_INLINE m16 v16_ge(v16 x, v16 y) {
    return (m16){_mm256_cmp_ps(x.a, y.a, _CMP_GE_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_GE_OQ)};
}
QN_INLINE m16 v16_eq(v16 x, v16 y) {
    return (m16){_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)};
}
QN_INLINE v16 v16_pick(m16 m, v16 yes, v16 no) {
    return (v16){_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)};
}

/* e · 2^n for whole |n| < 250, as e · 2^(n/2) · 2^(n − n/2): only the last product rounds. */
QN_INLINE __m256 scale2_8(__m256 e, __m256 n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    const __m256 f = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const __m256 g = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(e, f), g);
}
QN_INLINE v16 v16_scale2(v16 e, v16 n) { return (v16){scale2_8(e.a, n.a), scale2_8(e.b, n.b)}; }

/* Folds halves onto one another: 8, 4, 2, 1. */
QN_INLINE float v16_sum(v16 x) {
    const __m256 b = _mm256_add_ps(x.a, x.b);
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
QN_INLINE float v16_top(v16 x) {
    const __m256 b = _mm256_max_ps(x.a, x.b);
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

/* v16_sum of sixteen values that lie one after the other. */
QN_INLINE v16 v16_sum_each(const float *p) {
    float sum[16];
    for (int i = 0; i < 16; i++)
        sum[i] = v16_sum(v16_load(p + i * 16));
    return v16_load(sum);
}

QN_INLINE h16 h16_load(const void *p) { return _mm256_loadu_si256(p); }
QN_INLINE h16 h16_load_n(const void *p, int64_t n) {
    uint16_t padded[16] = {0};
    memcpy(padded, p, (size_t)n * sizeof *padded);
    return _mm256_loadu_si256((const void *)padded);
}
QN_INLINE void h16_store(void *p, h16 h) { _mm256_storeu_si256(p, h); }
QN_INLINE v16 v16_from_f16(h16 h) {
    return (v16){_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
}
QN_INLINE h16 v16_to_f16(v16 x) {
    const __m128i a = _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT);
    const __m128i b = _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT);
    return _mm256_set_m128i(b, a);
}
/* Sixteen bytes with a sign. */
QN_INLINE v16 v16_from_i8(const void *p) {
    const __m128i low = _mm_loadl_epi64(p), high = _mm_loadl_epi64((const void *)((const char *)p + 8));
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high))};
}
QN_INLINE __m256 from_bf16_8(__m128i h) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16)); }
QN_INLINE v16 v16_from_bf16(h16 h) {
    return (v16){from_bf16_8(_mm256_castsi256_si128(h)), from_bf16_8(_mm256_extracti128_si256(h, 1))};
}
/* Nearest even in integers, denormals included; a NaN is made quiet and cut (qn_f32_to_bf16). */
QN_INLINE __m256i to_bf16_8(__m256 x) {
    const __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_or_si256(u, _mm256_set1_epi32(0x00400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(up, nan, is_nan), 16);
}
QN_INLINE h16 v16_to_bf16(v16 x) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(to_bf16_8(x.a), to_bf16_8(x.b)), 0xd8);
}
/* The two halves of 16 bf16 pairs, widened. */
QN_INLINE v16 v16_pair_low(v16 x) {
    return (v16){_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x.a), 16)),
                 _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x.b), 16))};
}
QN_INLINE v16 v16_pair_high(v16 x) {
    const __m256 high = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u));
    return (v16){_mm256_and_ps(x.a, high), _mm256_and_ps(x.b, high)};
}

#endif
