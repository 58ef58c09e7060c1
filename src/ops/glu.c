/* ops/glu.c — y = act(gate) · up: the gated feed-forward of SwiGLU and its kin (Shazeer 2020, "GLU Variants").
 *
 *   gate, up [T,F]   y [T,F]        dL/dgate += g·up·act′(gate),  dL/dup += g·act(gate) */
#include "ops/ops.h"

enum { GATE, UP };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *g = &a->in[GATE], *u = &a->in[UP];
    if (g->rank != 2 || u->rank != 2 || g->dim[0] != u->dim[0] || g->dim[1] != u->dim[1])
        return qn_fail(QN_ESHAPE, "glu: gate and up must both be [T,F], the gate is %s", qn_shape_text(g));
    out[0] = (qn_op_out){*g, a->dtype[GATE], QN_LAYOUT_ROWS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_glu_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[GATE].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->glu(qn_row(&c->out[0], t), qn_row(&c->in[GATE], t), qn_row(&c->in[UP], t), c->in[GATE].dim[1], at->kind);
}

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_glu_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[GATE].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    qn_op_born_rows(c, GATE, rows);
    qn_op_born_rows(c, UP, rows);
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->glu_grad(c->din[GATE].data ? qn_row(&c->din[GATE], t) : NULL,
                       c->din[UP].data ? qn_row(&c->din[UP], t) : NULL, qn_row(&c->dout[0], t), qn_row(&c->in[GATE], t),
                       qn_row(&c->in[UP], t), c->in[GATE].dim[1], at->kind);
}

static const qn_glu_attr silu = {QN_ACT_SILU}, gelu = {QN_ACT_GELU}, tanh_gelu = {QN_ACT_GELU_TANH},
                         relu2 = {QN_ACT_RELU2};
static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{2, {1, 1}}, {2, {1, 1}}}, .attr = &silu},
    {.n_in = 2, .in = {{2, {19, 37}}, {2, {19, 37}}}, .attr = &silu, .hi = 20},
    {.n_in = 2, .in = {{2, {3, 33}}, {2, {3, 33}}}, .attr = &gelu, .hi = 6},
    {.n_in = 2, .in = {{2, {3, 33}}, {2, {3, 33}}}, .attr = &tanh_gelu, .hi = 6},
    {.n_in = 2, .in = {{2, {3, 33}}, {2, {3, 33}}}, .attr = &relu2, .hi = 6},
};

const qn_op qn_op_glu = {
    .name = "glu", .n_in_min = 2, .n_in_max = 2, .attr_size = sizeof(qn_glu_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{qn_op_row_tiles, backward}},
    .cheap = true, .writes = 1 << GATE | 1 << UP, .cases = cases, .n_cases = QN_LEN(cases),
};
