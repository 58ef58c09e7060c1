/* ops/xent_impl.h — what the head's forward (xent.c) and backward (xent_grad.c) share. */
#ifndef QN_OPS_XENT_IMPL_H
#define QN_OPS_XENT_IMPL_H

#include "ops/ops.h"

enum { X, W, TARGET, WEIGHT };

QN_INLINE double real_at(const qn_op_ctx *c, const void *p, int64_t i) {
    return c->k->real == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

/* Bytes between rows of x. */
QN_INLINE size_t qn_xent_x_bytes(const qn_op_ctx *c) {
    const qn_tensor *x = &c->in[X];
    return x->layout == QN_LAYOUT_ACTS ? qn_act_row_bytes(qn_act_form_of(x->dtype), x->dim[1])
                                       : (size_t)x->stride * c->k->real;
}

/* xent_grad.c */
int64_t qn_xent_list_tiles(const qn_op_ctx *c), qn_xent_gather_tiles(const qn_op_ctx *c);
int64_t qn_xent_group_tiles(const qn_op_ctx *c), qn_xent_sum_tiles(const qn_op_ctx *c);
void qn_xent_list(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_gather(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_group(const qn_op_ctx *c, int64_t group, void *scratch);
void qn_xent_sum(const qn_op_ctx *c, int64_t tile, void *scratch);
size_t qn_xent_partials(const qn_op_ctx *c, bool backward);
size_t qn_xent_grad_scratch(const qn_op_ctx *c);

#endif
