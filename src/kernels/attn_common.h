/* kernels/attn_common.h — how attention divides its scratch: a group of rows is worked off at once.
 *
 *   scores  [QN_ATTN_GROUP][256]      then their exponentials
 *   weights [QN_ATTN_GROUP][256]      softmax weights for the second product: float, or bf16 in half the space
 *   query   [QN_ATTN_GROUP][pad(Dh)]  queries widened to float, where they are not
 *   out     [QN_ATTN_GROUP][pad(Dh)]  the chunk's output before it is merged
 * The scalar twin uses the first two differently, within the same size.
 *
 * The gradient's: keys and values of a chunk as floats, then S and dP of a group.
 *
 *   kt, vt [Dh][256]   kr [256][Dh]   p, ds [QN_ATTN_GRAD_GROUP][256] */
#ifndef QN_KERNELS_ATTN_COMMON_H
#define QN_KERNELS_ATTN_COMMON_H

#include "kernels/kernels.h"

enum { QN_ATTN_GROUP = 6, QN_ATTN_ROW_REALS = 2 * QN_KEY_CHUNK, QN_ATTN_GRAD_GROUP = 24 };

QN_INLINE int64_t qn_attn_pad(int64_t Dh) { return (Dh + 15) & ~(int64_t)15; }

#endif
