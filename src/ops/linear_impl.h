/* ops/linear_impl.h — what linear's forward (linear.c) and backward (linear_grad.c) share. */
#ifndef QN_OPS_LINEAR_IMPL_H
#define QN_OPS_LINEAR_IMPL_H

#include "ops/ops.h"

enum { X, W };                          /* W + i: weight i; W + n + j: the j-th bias that exists */

QN_INLINE bool has_bias(const qn_linear_attr *at, int i) { return at->bias >> i & 1; }

QN_INLINE int bias_input(const qn_linear_attr *at, int i) {
    int j = W + at->n;
    for (int k = 0; k < i; k++)
        j += at->bias >> k & 1;
    return j;
}

/* linear_grad.c */
int64_t qn_linear_gather_tiles(const qn_op_ctx *c), qn_linear_grad_tiles(const qn_op_ctx *c);
void qn_linear_gather(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_linear_grad(const qn_op_ctx *c, int64_t tile, void *scratch);
size_t qn_linear_partials(const qn_op_ctx *c, bool backward);
size_t qn_linear_scratch(const qn_op_ctx *c, bool backward);

#endif
