/* graph/cost.c — what a step cannot do without: bytes that it reads and writes, once each, and operations.
 *
 * A matrix in panels counts whole, but for an op that says no operations: it looks rows up, one for each that it puts
 * out. Rows count as far as there are rows to put out. What an op reads beside its inputs (keys and values in pages) is
 * not seen here. */
#include "graph/graph_impl.h"

static size_t element(const qn_op_ctx *c, const qn_tensor *t) { return t->dtype == QN_I32 ? 4 : c->k->real; }

static int64_t bytes_of(const qn_op *op, const qn_op_ctx *c, const qn_tensor *t) {
    const int64_t rows = c->n_out ? QN_MIN(t->dim[0], c->out[0].dim[0]) : t->dim[0];
    if (!t->data || t->rank == 0)
        return 0;
    if (t->layout == QN_LAYOUT_PANELS && op->flops)
        return qn_panels(t->dim[0]) * (int64_t)qn_panel_bytes(t->dtype, t->dim[1]);
    if (t->layout == QN_LAYOUT_PANELS)
        return rows * (int64_t)qn_panel_bytes(t->dtype, t->dim[1]) / QN_PANEL;
    if (t->layout == QN_LAYOUT_ACTS)
        return rows * (int64_t)qn_act_row_bytes(qn_act_form_of(t->dtype), t->dim[1]);
    return (t->rank > 1 ? rows : t->dim[0]) * qn_tensor_row(t) * (int64_t)element(c, t);
}

int64_t qn_step_bytes(const qn_op *op, const qn_op_ctx *c) {
    int64_t n = 0;
    for (int j = 0; j < c->n_in; j++)
        n += bytes_of(op, c, &c->in[j]);
    for (int j = 0; j < c->n_out; j++)
        n += bytes_of(op, c, &c->out[j]);
    return n;
}

/* A gradient of the first input, and gradients of the others, cost a product each. */
static int64_t products(const qn_op_ctx *c) {
    bool others = false;
    for (int j = 1; j < c->n_in; j++)
        others = others || c->din[j].data;
    return (c->din[0].data != NULL) + others;
}

int64_t qn_step_flops(const qn_op *op, const qn_op_ctx *c, qn_op_part part) {
    const int64_t once = op->flops ? op->flops(c) : 0;
    return part == QN_PART_BACKWARD ? once * (once ? products(c) : 0) : once;
}
