/* kernels/attn_common.h — how attention divides its scratch: a group of rows is worked off at once.
 *
 *   scores  [QN_ATTN_GROUP][256]      then their exponentials
 *   weights [QN_ATTN_GROUP][groups][256]   softmax weights for the second product: float, or bf16 in half the space;
 *                                     of Q8_0 once per group of head dims, times its scales, else only the first
 *   query   [QN_ATTN_GROUP][pad(Dh)]  queries widened to float, where they are not
 *   out     [QN_ATTN_GROUP][pad(Dh)]  the chunk's output before it is merged
 * The scalar twin uses the first two differently, within the same size.
 *
 * The gradient's: keys and values of a chunk as floats, then S and dP of a group.
 *
 *   kt, vt [Dh][256]   kr [256][Dh]   p, ds [QN_ATTN_GRAD_GROUP][256]
 *
 * By dots of BF16 the former take half of it, the latter three and a half times as much: attn_grad_avx512bf16.c.
 *
 * And what the rows for Q8_0 share. */
#ifndef QN_KERNELS_ATTN_COMMON_H
#define QN_KERNELS_ATTN_COMMON_H

#include "kernels/kernels.h"

enum { QN_ATTN_GROUP = 6, QN_ATTN_GRAD_GROUP = 24 };

QN_INLINE int64_t qn_attn_pad(int64_t Dh) { return (Dh + 15) & ~(int64_t)15; }
QN_INLINE int64_t qn_kv_groups(int64_t Dh) { return (Dh + QN_KV_GROUP - 1) / QN_KV_GROUP; }
/* Reals of scores and weights, of one row. */
QN_INLINE int64_t qn_attn_row_reals(int64_t Dh) { return (1 + qn_kv_groups(Dh)) * QN_KEY_CHUNK; }

/* The scales of a Q8_0 block: those of group g at [g·64 …]. */
QN_INLINE const uint16_t *qn_kv_scales(const void *block, int64_t Dh) {
    return (const uint16_t *)(const void *)((const char *)block + QN_KEY_BLOCK * Dh);
}
/* The numbers of one group of a key or value into a Q8_0 block: the same bytes at every level. */
void qn_kv_q8_0_put(void *block, bool key, int64_t slot, int64_t group, const float *x, int64_t Dh);

#endif
