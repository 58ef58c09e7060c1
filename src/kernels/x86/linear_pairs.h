/* kernels/x86/linear_pairs.h — pairs of BF16 without an instruction for them: a 32-bit word is the even element low
 * and the odd element high, and each becomes a float by moving it to the upper half of a word of its own. One fma
 * each, even first. */
#ifndef QN_KERNELS_X86_LINEAR_PAIRS_H
#define QN_KERNELS_X86_LINEAR_PAIRS_H

enum { STEP = 2, STEP_BYTES = QN_PANEL * 4 };

typedef struct { vec even, odd; } pair;
typedef pair weights, values;

QN_INLINE pair pair_split(ivec words) {
    return (pair){vec_of_bits(ivec_shl(words, 16)), vec_of_bits(ivec_and(words, ivec_set1((int32_t)0xffff0000u)))};
}
QN_INLINE weights weights_at(const uint8_t *w, int v) { return pair_split(ivec_load(w + v * LANES * 4)); }
QN_INLINE values values_at(const uint8_t *x) { return pair_split(ivec_set1(*(const int32_t *)(const void *)x)); }
QN_INLINE vec multiply_add(vec sum, weights w, values x) {
    return vec_fma(w.odd, x.odd, vec_fma(w.even, x.even, sum));
}

#endif
