/* kernels/x86/codes_pairs.h — products of codes without an instruction for four bytes: pairs of bytes meet in sums of
 * 16 bits (maddubs), as many of them as cannot overflow; then the small scale multiplies them on their way to 32 bits,
 * in the instruction that would otherwise multiply by one.
 *
 *   codes up to 3, 7, 15     8 pairs of sums and more: 2·8·15·127 < 2¹⁵
 *   24 (MXFP4), 31           4 of them: 2·4·31·127 < 2¹⁵                63: 2 of them: 2·2·63·127 < 2¹⁵
 *   IQ4's values             −127…113 as they are: their sign moves to the activation; 1: 2·127·127 < 2¹⁵
 *
 * An offset is taken off first: −offset·(s_0·Σ₀ + s_1·Σ₁), Σ the row's sums of 16, in one instruction: 32·128 < 2¹⁵. */
#ifndef QN_KERNELS_X86_CODES_PAIRS_H
#define QN_KERNELS_X86_CODES_PAIRS_H

typedef ivec small;                      /* a small scale of each column, in both 16-bit halves */
typedef ivec whole;                      /* sums of 32 bits */
typedef ivec offsets;                    /* −offset·s_0 | −offset·s_1 << 16 of each column */

enum {
    EVERY = VALUES_SIGNED ? 1 : DTYPE == QN_Q6_K ? 2 : PARTS == 2 || HIGH == 1 || DTYPE == QN_MXFP4 ? 4 : 8,
    SIGNED_CODES = VALUES_SIGNED, OFFSET = VALUES_SIGNED ? 0 : VALUES_OFFSET
};

QN_INLINE small small_of(ivec s) { return ivec_xor(ivec_and(s, ivec_set1(0xffff)), ivec_shl(s, 16)); }
QN_INLINE small small_one(void) { return ivec_set1(0x10001); }
QN_INLINE ivec code_scaled(ivec code, QN_UNUSED small s) { return code; }
QN_INLINE offsets offsets_of(small a, small b) {
    const ivec both = ivec_xor(ivec_and(a, ivec_set1(0xffff)), ivec_shl(b, 16));
    return ivec_mul16(both, ivec_set1((int32_t)((uint32_t)(-OFFSET & 0xffff) * 0x10001u)));
}

QN_INLINE dots dots_of(ivec code, ivec x) {
    return SIGNED_CODES ? ivec_maddubs(ivec_abs8(code), ivec_sign8(x, code)) : ivec_maddubs(code, x);
}
QN_INLINE dots dots_begin(ivec code, ivec x, QN_UNUSED ivec sums, QN_UNUSED int h) { return dots_of(code, x); }
QN_INLINE dots dots_go_on(dots sum, ivec code, ivec x) { return ivec_add16(sum, dots_of(code, x)); }

/* sums: the row's two sums of 16. */
QN_INLINE whole whole_begin(offsets o, ivec sums) { return OFFSET ? ivec_madd(o, sums) : ivec_zero(); }
QN_INLINE whole whole_add(whole sum, dots d, small s, bool first) {
    return first && !OFFSET ? ivec_madd(d, s) : ivec_add(sum, ivec_madd(d, s));
}
QN_INLINE vec whole_end(whole sum) { return vec_of_ints(sum); }

#endif
