/* graph/cost.c — what a step cannot do without: bytes that it reads and writes, once each, and operations.
 *
 * A matrix in panels counts whole, but for an op that says no operations: it looks rows up, one for each that it puts
 * out. Rows count as far as there are rows to put out. What an op reads beside its inputs (keys and values in pages) is
 * not seen here. */
#include "graph/graph_impl.h"

static size_t element(const qn_op_ctx *c, const qn_tensor *t) { return t->dtype == QN_I32 ? 4 : c->k->real; }

static int64_t rows_of(const qn_op_ctx *c, const qn_tensor *t) {
    return c->n_out ? QN_MIN(t->dim[0], c->out[0].dim[0]) : t->dim[0];
}

static int64_t bytes_of(const qn_op *op, const qn_op_ctx *c, const qn_tensor *t) {
    const int64_t rows = rows_of(c, t);
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

static int64_t values(const qn_op *op, const qn_op_ctx *c) {
    int64_t n = 0;
    for (int j = 0; j < c->n_in; j++)
        n += bytes_of(op, c, &c->in[j]);
    for (int j = 0; j < c->n_out; j++)
        n += bytes_of(op, c, &c->out[j]);
    return n;
}

/* Of a gradient that a backward step hands on: written once where it is born there, else read and written; of one that
 * gets a row for each row put out, those rows. The gradient of the output itself, passed on, does not move. */
static int64_t grad_elements(const qn_op *op, const qn_op_ctx *c, int j, bool born) {
    const qn_tensor *t = &c->din[j];
    const bool looked_up = t->rank > 1 && !op->flops && !born;
    for (int i = 0; i < c->n_out; i++)
        if (t->data == c->dout[i].data)
            return 0;
    return (born ? 1 : 2) * qn_tensor_row(t) * (looked_up ? rows_of(c, t) : t->dim[0]);
}

/* What a backward step reads and writes, once each: the values that it looks at, the gradients that come and go. */
static int64_t back_bytes(const qn_graph *g, const qn_step *s, const qn_op_ctx *c) {
    const qn_node *n = &g->node[s->node];
    int64_t elements = 0;
    qn_op_ctx seen = *c;
    for (int j = 0; j < c->n_in; j++) {
        if (!qn_grad_reads(g, n, j))
            seen.in[j].data = NULL;
        if (c->din[j].data)
            elements += grad_elements(n->op, c, j, (s->fresh | s->clear_in) >> j & 1);
    }
    if (!elements)
        return 0;
    for (int j = 0; j < c->n_out; j++) {
        if (!n->op->reads_out)
            seen.out[j].data = NULL;
        elements += qn_tensor_numel(&c->dout[j]);
    }
    return elements * (int64_t)c->k->real + values(n->op, &seen);
}

int64_t qn_step_bytes(const qn_graph *g, const qn_step *s, const qn_op_ctx *c) {
    return s->part == QN_PART_BACKWARD ? back_bytes(g, s, c) : values(g->node[s->node].op, c);
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
