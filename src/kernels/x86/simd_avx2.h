/* kernels/x86/simd_avx2.h — the vector words that the product templates are written in, for AVX2 with FMA and F16C, and
 * with AVX-VNNI where the file is of that level. */
#ifndef QN_KERNELS_X86_SIMD_AVX2_H
#define QN_KERNELS_X86_SIMD_AVX2_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

enum { LANES = 8 };
typedef __m256 vec;              /* 8 floats */
typedef __m256i ivec;            /* 8 × int32, or 32 bytes */

/* Sixteen registers: one or two rows take the whole panel at once, more rows one half after the other. */
#define VECS_OF(rows) ((rows) <= 2 ? 4 : 2)
enum { SLAB_BYTES = 40 * 1024, SLAB_MOST = 44 * 1024 };         /* of a panel, which passes by halves */

QN_INLINE vec vec_zero(void) { return _mm256_setzero_ps(); }
QN_INLINE vec vec_load(const void *p) { return _mm256_loadu_ps(p); }
QN_INLINE vec vec_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
QN_INLINE vec vec_set1(float x) { return _mm256_set1_ps(x); }
QN_INLINE vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
QN_INLINE vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
QN_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
QN_INLINE vec vec_of_ints(__m256i a) { return _mm256_cvtepi32_ps(a); }
QN_INLINE vec vec_of_bits(__m256i a) { return _mm256_castsi256_ps(a); }

QN_INLINE ivec lanes_below(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first n lanes, n >= LANES: all of them; n <= 0: none, the others zero. Touches nothing else. */
QN_INLINE vec vec_load_n(const float *p, int64_t n) {
    if (QN_LIKELY(n >= LANES))
        return _mm256_loadu_ps(p);
    return n > 0 ? _mm256_maskload_ps(p, lanes_below(n)) : vec_zero();
}
QN_INLINE void vec_store_n(float *p, vec a, int64_t n) {
    if (QN_LIKELY(n >= LANES))
        _mm256_storeu_ps(p, a);
    else if (n > 0)
        _mm256_maskstore_ps(p, lanes_below(n), a);
}

QN_INLINE ivec ivec_zero(void) { return _mm256_setzero_si256(); }
QN_INLINE ivec ivec_load(const void *p) { return _mm256_loadu_si256(p); }
QN_INLINE ivec ivec_set1(int32_t x) { return _mm256_set1_epi32(x); }
QN_INLINE ivec ivec_and(ivec a, ivec b) { return _mm256_and_si256(a, b); }
QN_INLINE ivec ivec_xor(ivec a, ivec b) { return _mm256_xor_si256(a, b); }
QN_INLINE ivec ivec_sub(ivec a, ivec b) { return _mm256_sub_epi32(a, b); }
QN_INLINE ivec ivec_add(ivec a, ivec b) { return _mm256_add_epi32(a, b); }
QN_INLINE ivec ivec_madd(ivec a, ivec b) { return _mm256_madd_epi16(a, b); }
/* For codes: bytes, and pairs of 16 bits. */
QN_INLINE ivec ivec_load_i8(const void *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64(p)); }
QN_INLINE ivec ivec_load_16(const void *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128(p)); }
QN_INLINE ivec ivec_lookup(ivec table, ivec code) { return _mm256_shuffle_epi8(table, code); }
QN_INLINE ivec ivec_add8(ivec a, ivec b) { return _mm256_add_epi8(a, b); }
QN_INLINE ivec ivec_abs8(ivec a) { return _mm256_abs_epi8(a); }
QN_INLINE ivec ivec_sign8(ivec a, ivec by) { return _mm256_sign_epi8(a, by); }
QN_INLINE ivec ivec_maddubs(ivec a, ivec b) { return _mm256_maddubs_epi16(a, b); }
QN_INLINE ivec ivec_add16(ivec a, ivec b) { return _mm256_add_epi16(a, b); }
QN_INLINE ivec ivec_mul16(ivec a, ivec b) { return _mm256_mullo_epi16(a, b); }
/* Bytes of exponents, half of 2^(e − 127): qn_e8m0_half. */
QN_INLINE vec vec_load_e8m0(const void *p) {
    const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(p)), two = _mm256_set1_epi32(2);
    const __m256i usual = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    return vec_of_bits(_mm256_blendv_epi8(usual, denormal, _mm256_cmpgt_epi32(two, e)));
}
#define ivec_shl(a, n) _mm256_slli_epi32((a), (n))
#define ivec_shr(a, n) _mm256_srli_epi32((a), (n))

/* Dot products of four bytes, weights unsigned, activations signed. `dots` is what a block's sums are kept in. */
typedef ivec dots;
#if X86_DOTS
enum { SIGNED_WEIGHTS = 0 };
QN_INLINE dots dots_add(dots sum, ivec w, ivec x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
QN_INLINE dots dots_add_nibbles(dots sum, ivec w, ivec x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
QN_INLINE ivec dots_end_nibbles(dots sum) { return sum; }
#else
/* Bytes of 0…255 would overflow the 16-bit pair sums of maddubs: weights are taken as they are signed, and their sign
 * moves to the activation: |w| <= 128, 2·128·127 < 2¹⁵. */
enum { SIGNED_WEIGHTS = 1 };
QN_INLINE dots dots_add(dots sum, ivec w, ivec x) {
    const ivec pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
/* Nibbles: 16 products of a block meet in one 16-bit sum, 16·15·127 < 2¹⁵. */
QN_INLINE dots dots_add_nibbles(dots sum, ivec w, ivec x) { return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x)); }
QN_INLINE ivec dots_end_nibbles(dots sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
#endif

#endif
