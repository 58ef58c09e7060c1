/* kernels/x86/codes_vnni.h — products of codes by dots of four bytes, unsigned codes with signed activations. Sums of
 * 32 bits begin at −offset·Σ, Σ the row's sum of 16 or 32; small scales multiply them as floats, exactly: all are
 * integers below 2²⁴. Q2_K's multiply the codes instead, 15·3 at most: once for all rows, and a part is one sum. */
#ifndef QN_KERNELS_X86_CODES_VNNI_H
#define QN_KERNELS_X86_CODES_VNNI_H

typedef struct { vec real; ivec bytes; } small;              /* bytes: for codes, in both halves of a word */
typedef vec whole;
typedef int offsets;

enum { SCALED_CODES = DTYPE == QN_Q2_K, SUMS = PARTS == 2 && !SCALED_CODES ? 2 : 1 };       /* SUMS: of a part */
enum { EVERY = 8 / SUMS, SIGNED_CODES = 0, OFFSET = VALUES_OFFSET };

QN_INLINE small small_of(ivec s) { return (small){vec_of_ints(s), ivec_xor(s, ivec_shl(s, 16))}; }
QN_INLINE small small_one(void) { return (small){vec_set1(1), ivec_set1(0x10001)}; }
QN_INLINE ivec code_scaled(ivec code, small s) { return SCALED_CODES ? ivec_mul16(code, s.bytes) : code; }
QN_INLINE offsets offsets_of(QN_UNUSED small a, QN_UNUSED small b) { return 0; }

/* The sum of half h alone, or of both. */
QN_INLINE dots dots_begin(ivec code, ivec x, ivec sums, int h) {
    const int a = EVERY == 8 || h == 0 ? -OFFSET : 0, b = EVERY == 8 || h == 1 ? -OFFSET : 0;
    return dots_add(OFFSET ? ivec_madd(sums, ivec_set1((a & 0xffff) | b * 0x10000)) : ivec_zero(), code, x);
}
QN_INLINE dots dots_go_on(dots sum, ivec code, ivec x) { return dots_add(sum, code, x); }

QN_INLINE whole whole_begin(QN_UNUSED offsets o, QN_UNUSED ivec sums) { return vec_zero(); }
QN_INLINE whole whole_add(whole sum, dots d, small s, bool first) {
    if (PARTS == 0 || SCALED_CODES)
        return vec_of_ints(d);
    return first ? vec_mul(vec_of_ints(d), s.real) : vec_fma(vec_of_ints(d), s.real, sum);
}
QN_INLINE vec whole_end(whole sum) { return sum; }

#endif
