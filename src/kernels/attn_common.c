/* kernels/attn_common.c — the sizes that attention's callers need. */
#include "kernels/attn_common.h"

size_t qn_attn_scratch(int64_t rows, int64_t Dh) {
    (void)rows;                              /* groups of rows are worked off one after the other in the same scratch */
    return QN_ATTN_GROUP * (QN_ATTN_ROW_REALS + 2 * (size_t)qn_attn_pad(Dh));
}

size_t qn_attn_grad_scratch(int64_t Dh) { return QN_KEY_CHUNK * (3 * (size_t)Dh + 2 * QN_ATTN_GRAD_GROUP); }

size_t qn_kv_block_bytes(qn_dtype t, int64_t Dh) { return qn_dtype_row_bytes(t, QN_KEY_BLOCK * Dh); }
