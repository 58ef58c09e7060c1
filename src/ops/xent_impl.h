/* ops/xent_impl.h — what the head's forward (xent.c) and backward (xent_grad.c) share. */
#ifndef QN_OPS_XENT_IMPL_H
#define QN_OPS_XENT_IMPL_H

#include "ops/ops.h"

enum { X, W, TARGET, WEIGHT, XR, E };

QN_INLINE double real_at(const qn_op_ctx *c, const void *p, int64_t i) {
    return c->k->real == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

QN_INLINE void real_put(const qn_op_ctx *c, void *p, int64_t i, double x) {
    if (c->k->real == sizeof(double))
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

/* Bytes between rows of x. */
QN_INLINE size_t qn_xent_x_bytes(const qn_op_ctx *c) {
    const qn_tensor *x = &c->in[X];
    return x->layout == QN_LAYOUT_ACTS ? qn_act_row_bytes(qn_act_form_of(x->dtype), x->dim[1])
                                       : (size_t)x->stride * c->k->real;
}

/* Tokens with rows of their own, NULL: there are none; and how wide a row of logits is with them. */
QN_INLINE const qn_token_rows_attr *qn_xent_tokens(const qn_op_ctx *c) {
    return c->n_in > XR ? &((const qn_xent_attr *)c->attr)->tokens : NULL;
}
QN_INLINE int64_t qn_xent_width(const qn_op_ctx *c) {
    return c->n_in > XR ? QN_MAX(c->in[W].dim[0], qn_xent_tokens(c)->rows) : c->in[W].dim[0];
}
/* Their logits of row t into its others [width]; z [n] of the caller. */
void qn_xent_token_logits(const qn_op_ctx *c, int64_t t, void *logits, void *z);

/* Leaves the loss of row t, which has a weight, from its logits [width]; logsumexp. */
QN_INLINE double qn_xent_loss(const qn_op_ctx *c, int64_t t, const void *logits) {
    const double lse = c->k->logsumexp(logits, qn_xent_width(c));
    const double target = real_at(c, logits, qn_i32(&c->in[TARGET])[t]);
    real_put(c, c->out[0].data, t, real_at(c, c->in[WEIGHT].data, t) * (lse - target));
    return lse;
}

/* xent_grad.c: phases in their order */
int64_t qn_xent_rounds(const qn_op_ctx *c);
int64_t qn_xent_list_tiles(const qn_op_ctx *c), qn_xent_gather_tiles(const qn_op_ctx *c);
int64_t qn_xent_logits_tiles(const qn_op_ctx *c), qn_xent_soft_tiles(const qn_op_ctx *c);
int64_t qn_xent_group_tiles(const qn_op_ctx *c), qn_xent_sum_tiles(const qn_op_ctx *c);
void qn_xent_list(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_gather(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_logits(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_soft(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_xent_group(const qn_op_ctx *c, int64_t group, void *scratch);
void qn_xent_sum(const qn_op_ctx *c, int64_t tile, void *scratch);
size_t qn_xent_partials(const qn_op_ctx *c, bool backward);
size_t qn_xent_grad_scratch(const qn_op_ctx *c);

#endif
