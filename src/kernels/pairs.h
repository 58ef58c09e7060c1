/* kernels/pairs.h — pairs of BF16, the first low: what dot products take, woven of two lines. Plain loops, which each
 * includer's instructions make vectors of. */
#ifndef QN_KERNELS_PAIRS_H
#define QN_KERNELS_PAIRS_H

#include "base/base.h"

/* Two lines of n numbers to one of pairs; b NULL: there is no second one, and zero stands for it. */
QN_INLINE void qn_pairs_weave(uint32_t *to, const uint16_t *a, const uint16_t *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] = a[i] | (b ? (uint32_t)b[i] << 16 : 0);
}

/* A line of n pairs to the two lines that it is woven of. */
QN_INLINE void qn_pairs_unweave(uint16_t *a, uint16_t *b, const uint32_t *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        a[i] = (uint16_t)from[i];
        b[i] = (uint16_t)(from[i] >> 16);
    }
}

#endif
