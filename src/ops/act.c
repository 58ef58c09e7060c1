/* ops/act.c — y = act(x), one element at a time: the feed-forward of models without a gate.
 *
 *   x [T,F]   y [T,F]        dL/dx += g·act′(x) */
#include "ops/ops.h"

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[0];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "act: rows must be [T,F], got %s", qn_shape_text(x));
    out[0] = (qn_op_out){*x, a->dtype[0], QN_LAYOUT_ROWS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_act_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->act(qn_row(&c->out[0], t), qn_row(&c->in[0], t), c->in[0].dim[1], at->kind);
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[0].data ? qn_op_row_tiles(c) : 0; }

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_act_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    qn_op_born_rows(c, 0, rows);
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->act_grad(qn_row(&c->din[0], t), qn_row(&c->dout[0], t), qn_row(&c->in[0], t), c->in[0].dim[1], at->kind);
}

static const qn_act_attr kinds[] = {{QN_ACT_RELU}, {QN_ACT_GELU}, {QN_ACT_GELU_TANH}, {QN_ACT_SILU},
                                    {QN_ACT_RELU2}, {QN_ACT_TANH}, {QN_ACT_SIGMOID}};
/* Away from zero: ReLU has a corner there. */
static const qn_op_case cases[] = {
    {.n_in = 1, .in = {{2, {1, 1}}}, .attr = &kinds[1]},
    {.n_in = 1, .in = {{2, {19, 37}}}, .attr = &kinds[2], .hi = 6},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[0], .lo = 0.1, .hi = 6},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[1], .hi = 6},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[3], .hi = 6},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[4], .lo = 0.1, .hi = 6},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[5], .hi = 3},
    {.n_in = 1, .in = {{2, {3, 17}}}, .attr = &kinds[6], .hi = 6},
};

const qn_op qn_op_act = {
    .name = "act", .n_in_min = 1, .n_in_max = 1, .attr_size = sizeof(qn_act_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}},
    .cheap = true, .writes = 1, .cases = cases, .n_cases = QN_LEN(cases),
};
