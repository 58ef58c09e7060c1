/* ops/adapter_case.h — a batch for the cases of ops that adapters have: three segments of T ≤ 128 rows, and two
 * adapters, the second of which is off in the first segment and on by half in the last. */
#ifndef QN_OPS_ADAPTER_CASE_H
#define QN_OPS_ADAPTER_CASE_H

#include "ops/attention.h"

static inline void *qn_adapter_case(qn_op_ctx *c, int64_t T) {
    static const float scales[] = {3, 0, 7, 1, 5, 0.5f};
    struct { qn_batch batch; int32_t row_segment[128]; } *b = qn_zalloc(QN_MEM_TEST, 1, sizeof *b);
    qn_assert(b && T <= (int64_t)QN_LEN(b->row_segment));
    for (int64_t t = 0; t < T; t++)
        b->row_segment[t] = (int32_t)(t * 3 / T);
    b->batch = (qn_batch){.row_segment = b->row_segment, .n_segments = 3, .adapter_scale = scales, .n_adapters = 2};
    c->run = &b->batch;
    return b;
}

#endif
