/* kernels/x86/stored_fold.h — eight vectors of sums, one per row, become one whose lane i is row i's:
 *
 *     row 0   a0 a1 a2 a3 | a4 …        unpack two, add      a0+a2 b0+b2 a1+a3 b1+b3 | …
 *     row 1   b0 b1 b2 b3 | b4 …        unpack those, add    a     b     c     d     | a b c d of the upper halves
 *       ⋮                               exchange, add        a b c d e f g h
 *
 * Words are sums of 32 bits, or pairs of 16 (halves). */
#ifndef QN_KERNELS_X86_STORED_FOLD_H
#define QN_KERNELS_X86_STORED_FOLD_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

QN_INLINE ivec fold_plus(ivec a, ivec b, bool halves) { return halves ? ivec_add16(a, b) : ivec_add(a, b); }
QN_INLINE ivec fold_two(ivec a, ivec b, bool halves) {
    return fold_plus(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b), halves);
}
QN_INLINE ivec fold_four(ivec ab, ivec cd, bool halves) {
    return fold_plus(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd), halves);
}
QN_INLINE ivec fold_eight(ivec abcd, ivec efgh, bool halves) {
    return fold_plus(_mm256_permute2x128_si256(abcd, efgh, 0x20), _mm256_permute2x128_si256(abcd, efgh, 0x31), halves);
}

#endif
