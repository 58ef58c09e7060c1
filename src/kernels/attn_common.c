/* kernels/attn_common.c — the sizes that attention's callers need; keys and values as blocks of Q8_0. */
#include "kernels/attn_common.h"

#include <math.h>

size_t qn_attn_scratch(int64_t rows, int64_t Dh) {
    (void)rows;                              /* groups of rows are worked off one after the other in the same scratch */
    return QN_ATTN_GROUP * (size_t)(qn_attn_row_reals(Dh) + 2 * qn_attn_pad(Dh));
}

size_t qn_attn_grad_scratch(int64_t Dh) { return QN_KEY_CHUNK * (3 * (size_t)Dh + 4 * QN_ATTN_GRAD_GROUP); }

size_t qn_kv_block_bytes(qn_dtype t, int64_t Dh) {
    if (t == QN_Q8_0)
        return (size_t)(QN_KEY_BLOCK * (Dh + 2 * qn_kv_groups(Dh)));
    return qn_dtype_row_bytes(t, QN_KEY_BLOCK * Dh);
}

void qn_kv_q8_0_put(void *block, bool key, int64_t slot, int64_t group, const float *x, int64_t Dh) {
    const int64_t from = group * QN_KV_GROUP, n = QN_MIN(QN_KV_GROUP, Dh - from);
    int8_t *q = block;
    uint16_t *scale = (uint16_t *)(void *)((char *)block + QN_KEY_BLOCK * Dh) + group * QN_KEY_BLOCK, d;
    unsigned char coded[2 + QN_KV_GROUP];                   /* num/q8_0.c: the scale, then 32 integers */
    float padded[QN_KV_GROUP] = {0};
    bool finite = true;
    memcpy(padded, x, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(padded[i]);
    qn_q8_0_encode(coded, padded, QN_KV_GROUP);
    memcpy(&d, coded, sizeof d);
    finite = finite && isfinite(qn_f16_to_f32(d));
    scale[slot] = finite ? d : 0x7e00;
    for (int64_t i = 0; i < n; i++)
        q[key ? (from + i) * QN_KEY_BLOCK + slot : slot * Dh + from + i] = finite ? (int8_t)coded[2 + i] : 0;
}
