/* kernels/x86/simd_avx512.h — the vector words that the product templates are written in, for AVX-512. */
#ifndef QN_KERNELS_X86_SIMD_AVX512_H
#define QN_KERNELS_X86_SIMD_AVX512_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

enum { LANES = 16 };
typedef __m512 vec;              /* 16 floats */
typedef __m512i ivec;            /* 16 × int32, or 64 bytes */

#define VECS_OF(rows) 2          /* vectors of columns in one tile: always the whole panel */
enum { SLAB_BYTES = 64 * 1024, SLAB_MOST = 96 * 1024 };         /* of a panel */

QN_INLINE vec vec_zero(void) { return _mm512_setzero_ps(); }
QN_INLINE vec vec_load(const void *p) { return _mm512_loadu_ps(p); }
QN_INLINE vec vec_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
QN_INLINE vec vec_set1(float x) { return _mm512_set1_ps(x); }
QN_INLINE vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
QN_INLINE vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
QN_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
QN_INLINE vec vec_of_ints(ivec a) { return _mm512_cvtepi32_ps(a); }
QN_INLINE vec vec_of_bits(ivec a) { return _mm512_castsi512_ps(a); }

/* The first n lanes, n >= LANES: all of them; n <= 0: none, the others zero. Touches nothing else. */
QN_INLINE vec vec_load_n(const float *p, int64_t n) {
    if (QN_LIKELY(n >= LANES))
        return _mm512_loadu_ps(p);
    return n > 0 ? _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p) : vec_zero();
}
QN_INLINE void vec_store_n(float *p, vec a, int64_t n) {
    if (QN_LIKELY(n >= LANES))
        _mm512_storeu_ps(p, a);
    else if (n > 0)
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}

QN_INLINE ivec ivec_zero(void) { return _mm512_setzero_si512(); }
QN_INLINE ivec ivec_load(const void *p) { return _mm512_loadu_si512(p); }
QN_INLINE ivec ivec_set1(int32_t x) { return _mm512_set1_epi32(x); }
QN_INLINE ivec ivec_and(ivec a, ivec b) { return _mm512_and_si512(a, b); }
QN_INLINE ivec ivec_xor(ivec a, ivec b) { return _mm512_xor_si512(a, b); }
QN_INLINE ivec ivec_sub(ivec a, ivec b) { return _mm512_sub_epi32(a, b); }
QN_INLINE ivec ivec_add(ivec a, ivec b) { return _mm512_add_epi32(a, b); }
QN_INLINE ivec ivec_madd(ivec a, ivec b) { return _mm512_madd_epi16(a, b); }
QN_INLINE ivec ivec_mul16(ivec a, ivec b) { return _mm512_mullo_epi16(a, b); }
/* For codes, which have rows where there are dots of four bytes. */
QN_INLINE ivec ivec_load_i8(const void *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128(p)); }
QN_INLINE ivec ivec_load_16(const void *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128(p)); }
QN_INLINE ivec ivec_lookup(ivec table, ivec code) { return _mm512_shuffle_epi8(table, code); }
QN_INLINE ivec ivec_add8(ivec a, ivec b) { return _mm512_add_epi8(a, b); }
/* Bytes of exponents, half of 2^(e − 127): qn_e8m0_half. */
QN_INLINE vec vec_load_e8m0(const void *p) {
    const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(p));
    const __m512i usual = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i denormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 small_ones = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    return vec_of_bits(_mm512_mask_mov_epi32(usual, small_ones, denormal));
}
#define ivec_shl(a, n) _mm512_slli_epi32((a), (n))
#define ivec_shr(a, n) _mm512_srli_epi32((a), (n))

/* Dot products of four bytes, weights unsigned, activations signed. `dots` is what a block's sums are kept in; it
 * holds any sum of one 32-block. */
typedef ivec dots;
#if X86_DOTS
enum { SIGNED_WEIGHTS = 0 };
QN_INLINE dots dots_add(dots sum, ivec w, ivec x) { return _mm512_dpbusd_epi32(sum, w, x); }
QN_INLINE dots dots_add_nibbles(dots sum, ivec w, ivec x) { return _mm512_dpbusd_epi32(sum, w, x); }
QN_INLINE ivec dots_end_nibbles(dots sum) { return sum; }
#else
/* Bytes of 0…255 would overflow the 16-bit pair sums of maddubs: weights are taken as they are signed, and their sign
 * moves to the activation: |w| <= 128, 2·128·127 < 2¹⁵. */
enum { SIGNED_WEIGHTS = 1 };
QN_INLINE dots dots_add(dots sum, ivec w, ivec x) {
    const ivec moved = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), ivec_zero(), x);
    const ivec pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w), moved);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
/* Nibbles: 16 products of a block meet in one 16-bit sum, 16·15·127 < 2¹⁵. */
QN_INLINE dots dots_add_nibbles(dots sum, ivec w, ivec x) { return _mm512_add_epi16(sum, _mm512_maddubs_epi16(w, x)); }
QN_INLINE ivec dots_end_nibbles(dots sum) { return _mm512_madd_epi16(sum, _mm512_set1_epi16(1)); }
#endif

#endif
