/* kernels/x86/v16_avx512.h — sixteen floats as one value, AVX-512. v16_avx2.h has the same names with the same
 * meaning, so that the kernels above them are written once and give the same bits on both.
 *
 *   v16    16 floats        h16    16 halves (f16 or bf16 bits)        m16    one truth value per lane
 * `n` in …_n is the number of lanes that exist in memory, 0…16; the others read as zero and are not touched. */
#ifndef QN_KERNELS_V16_AVX512_H
#define QN_KERNELS_V16_AVX512_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

typedef __m512 v16;
typedef __m256i h16;
typedef __mmask16 m16;

QN_INLINE m16 m16_first(int64_t n) { return (m16)_bzhi_u32(0xffffu, (unsigned)n); }
QN_INLINE m16 m16_and(m16 a, m16 b) { return a & b; }
QN_INLINE bool m16_any(m16 m) { return m != 0; }
QN_INLINE int m16_lowest(m16 m) { return __builtin_ctz(m); }            /* of a mask that is not empty */

QN_INLINE v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
QN_INLINE v16 v16_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(m16_first(n), p); }
QN_INLINE void v16_store(float *p, v16 x) { _mm512_storeu_ps(p, x); }
QN_INLINE void v16_store_n(float *p, v16 x, int64_t n) { _mm512_mask_storeu_ps(p, m16_first(n), x); }
QN_INLINE v16 v16_all(float x) { return _mm512_set1_ps(x); }
QN_INLINE v16 v16_zero(void) { return _mm512_setzero_ps(); }
QN_INLINE v16 v16_iota(void) {
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

QN_INLINE v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
QN_INLINE v16 v16_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
QN_INLINE v16 v16_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
QN_INLINE v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
QN_INLINE v16 v16_sqrt(v16 a) { return _mm512_sqrt_ps(a); }
QN_INLINE v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }       /* a·b + c */
QN_INLINE v16 v16_fnma(v16 a, v16 b, v16 c) { return _mm512_fnmadd_ps(a, b, c); }     /* c − a·b */
QN_INLINE v16 v16_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }     /* b where either is NaN */
QN_INLINE v16 v16_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }     /* b where either is NaN */
QN_INLINE v16 v16_abs(v16 a) { return _mm512_abs_ps(a); }
/* |a| with the sign of b. */
QN_INLINE v16 v16_sign(v16 a, v16 b) {
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b),
                                                         _mm512_set1_epi32(INT32_MIN), 0xd8));
}

QN_INLINE m16 v16_lt(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
QN_INLINE m16 v16_ge(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
QN_INLINE m16 v16_eq(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
QN_INLINE v16 v16_pick(m16 m, v16 yes, v16 no) { return _mm512_mask_blend_ps(m, no, yes); }

/* e · 2^n for whole n; overflows to infinity, underflows gradually. */
QN_INLINE v16 v16_scale2(v16 e, v16 n) { return _mm512_scalef_ps(e, n); }

/* Folds halves onto one another: 8, 4, 2, 1. */
QN_INLINE float v16_sum(v16 a) {
    const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
QN_INLINE float v16_top(v16 a) {
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

/* v16_sum of sixteen values that lie one after the other, each folded in the same order, all of them at once. */
QN_INLINE v16 v16_sum_each(const float *p) {
    v16 four[4];
    for (int e = 0; e < 4; e++) {                   /* values e, e + 4, e + 8, e + 12: to quarters of one vector */
        const v16 a = v16_load(p + e * 16), b = v16_load(p + (e + 4) * 16);
        const v16 c = v16_load(p + (e + 8) * 16), d = v16_load(p + (e + 12) * 16);
        const v16 ab = v16_add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
        const v16 cd = v16_add(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
        four[e] = v16_add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    }
    const v16 g = v16_add(_mm512_shuffle_ps(four[0], four[1], 0x44), _mm512_shuffle_ps(four[0], four[1], 0xee));
    const v16 h = v16_add(_mm512_shuffle_ps(four[2], four[3], 0x44), _mm512_shuffle_ps(four[2], four[3], 0xee));
    return v16_add(_mm512_shuffle_ps(g, h, 0x88), _mm512_shuffle_ps(g, h, 0xdd));
}

/* Sixteen bytes with a sign. */
QN_INLINE v16 v16_from_i8(const void *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p))); }
QN_INLINE h16 h16_load(const void *p) { return _mm256_loadu_si256(p); }
QN_INLINE h16 h16_load_n(const void *p, int64_t n) { return _mm256_maskz_loadu_epi16(m16_first(n), p); }
QN_INLINE void h16_store(void *p, h16 h) { _mm256_storeu_si256(p, h); }
QN_INLINE v16 v16_from_f16(h16 h) { return _mm512_cvtph_ps(h); }
QN_INLINE h16 v16_to_f16(v16 a) { return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
QN_INLINE v16 v16_from_bf16(h16 h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
/* Nearest even in integers, denormals included; a NaN is made quiet and cut (qn_f32_to_bf16). */
QN_INLINE h16 v16_to_bf16(v16 a) {
    const __m512i u = _mm512_castps_si512(a), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i nan = _mm512_or_si512(u, _mm512_set1_epi32(0x00400000));
    const m16 is_nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(is_nan, up, nan), 16));
}
/* The two halves of 16 bf16 pairs, widened. */
QN_INLINE v16 v16_pair_low(v16 a) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 16)); }
QN_INLINE v16 v16_pair_high(v16 a) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32((int)0xffff0000u)));
}

#endif
