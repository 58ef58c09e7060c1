/* kernels/x86/stored_blocks_avx2.c — Q8_0, Q4_0 and Q4_1 straight from storage. A block's products are made along its
 * row and folded, exact integers, so that lane i ends up with row i's; then, as packed (linear_blocks.inc): one fma
 * with d_w·d_x, and with a minimum another one. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/stored_fold.h"
#include "kernels/x86/stored_rows.h"

enum { BLOCK = 32 };

QN_INLINE uint32_t word_at(const uint8_t *p) {
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

QN_INLINE ivec ones(void) { return _mm256_set1_epi16(1); }

/* The products of one row's block with the activations x. */
QN_INLINE ivec row_dots(const uint8_t *q, ivec x, bool nibbles) {
    if (nibbles) {          /* byte j: element j low, j + 16 high; the high ones go to the upper half */
        const ivec both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)q));
        const ivec code = _mm256_srlv_epi32(both, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
        return ivec_maddubs(ivec_and(code, ivec_set1(0x0f0f0f0f)), x);
    }
    const ivec w = ivec_load(q);        /* their sign moves to the activation, as in dots_add */
    return ivec_madd(ivec_maddubs(ivec_abs8(w), ivec_sign8(x, w)), ones());
}

/* Sums of 16 bits for nibbles, where eight pairs meet (8·2·15·127 < 2¹⁵), of 32 for bytes. */
QN_INLINE ivec four_rows(const uint8_t *const row[4], size_t at, ivec x, bool nibbles) {
    const ivec ab = fold_two(row_dots(row[0] + at, x, nibbles), row_dots(row[1] + at, x, nibbles), nibbles);
    const ivec cd = fold_two(row_dots(row[2] + at, x, nibbles), row_dots(row[3] + at, x, nibbles), nibbles);
    return fold_four(ab, cd, nibbles);
}

QN_INLINE ivec eight_rows(const uint8_t *const row[LANES], size_t at, ivec x, bool nibbles) {
    const ivec sum = fold_eight(four_rows(row, at, x, nibbles), four_rows(row + 4, at, x, nibbles), nibbles);
    return nibbles ? ivec_madd(sum, ones()) : sum;
}

/* d of the eight rows' blocks, and the two bytes behind each: minima, in Q4_1. */
QN_INLINE void heads_at(vec *d, vec *m, const uint8_t *const row[LANES], size_t at) {
    const ivec words = _mm256_setr_epi32((int)word_at(row[0] + at), (int)word_at(row[1] + at),
                                         (int)word_at(row[2] + at), (int)word_at(row[3] + at),
                                         (int)word_at(row[4] + at), (int)word_at(row[5] + at),
                                         (int)word_at(row[6] + at), (int)word_at(row[7] + at));
    const ivec apart = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const ivec halves = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(words, apart), _MM_SHUFFLE(3, 1, 2, 0));
    *d = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
    *m = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
}

QN_INLINE vec sums_blocks(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead,
                          qn_dtype t) {
    const bool nibbles = t != QN_Q8_0;
    const int head = t == QN_Q4_1 ? 4 : 2, bytes = head + (nibbles ? BLOCK / 2 : BLOCK);
    const uint8_t *dx = x + K, *s = dx + K / BLOCK * 4, *end = dx;
    vec sum = vec_zero();
    for (size_t at = 0; x < end; at += (size_t)bytes, x += BLOCK, dx += 4, s += 4, ahead += LANES * bytes) {
        const vec d_x = vec_set1(*(const float *)(const void *)dx);
        const ivec s_x = ivec_madd(ivec_set1((int32_t)word_at(s)), ivec_set1(0x10001));
        const ivec raw = eight_rows(row, at + (size_t)head, ivec_load(x), nibbles);
        vec d, m;
        prefetch_lines(ahead, LANES * bytes);
        heads_at(&d, &m, row, at);
        sum = vec_fma(vec_of_ints(t == QN_Q4_0 ? ivec_sub(raw, ivec_shl(s_x, 3)) : raw), vec_mul(d, d_x), sum);
        if (t == QN_Q4_1)
            sum = vec_fma(m, vec_mul(d_x, vec_of_ints(s_x)), sum);
    }
    return sum;
}

QN_INLINE vec sums_q8_0(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead) {
    return sums_blocks(row, x, K, ahead, QN_Q8_0);
}
QN_INLINE vec sums_q4_0(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead) {
    return sums_blocks(row, x, K, ahead, QN_Q4_0);
}
QN_INLINE vec sums_q4_1(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead) {
    return sums_blocks(row, x, K, ahead, QN_Q4_1);
}

void qn_stored_q8_0_avx2(const qn_stored_args *a) { walk_rows(a, sums_q8_0); }
void qn_stored_q4_0_avx2(const qn_stored_args *a) { walk_rows(a, sums_q4_0); }
void qn_stored_q4_1_avx2(const qn_stored_args *a) { walk_rows(a, sums_q4_1); }
