/* ops/add.c — y = a + b, the residual connection.      a, b, y [T,D];  dL/da += g, dL/db += g */
#include "ops/ops.h"

#include <string.h>

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[0], *y = &a->in[1];
    bool same = x->rank == y->rank && x->rank >= 1;
    for (int i = 0; same && i < x->rank; i++)
        same = x->dim[i] == y->dim[i];
    if (!same)
        return qn_fail(QN_ESHAPE, "add: the first operand is %s, the second has another shape", qn_shape_text(x));
    out[0] = (qn_op_out){*x, a->dtype[0], QN_LAYOUT_ROWS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->add(qn_row(&c->out[0], t), qn_row(&c->in[0], t), qn_row(&c->in[1], t), qn_tensor_row(&c->in[0]));
}

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t n = qn_tensor_row(&c->in[0]);
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int i = 0; i < 2; i++)
        for (int64_t t = rows.begin; c->din[i].data && t < rows.end; t++)
            if (qn_op_born(c, i))
                memcpy(qn_row(&c->din[i], t), qn_row(&c->dout[0], t), (size_t)n * c->k->real);
            else
                c->k->add(qn_row(&c->din[i], t), qn_row(&c->din[i], t), qn_row(&c->dout[0], t), n);
}

/* None where both gradients are the sum's own (op.h: sum). */
static int64_t backward_tiles(const qn_op_ctx *c) {
    return c->din[0].data || c->din[1].data ? qn_op_row_tiles(c) : 0;
}

static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{2, {1, 1}}, {2, {1, 1}}}},
    {.n_in = 2, .in = {{2, {33, 19}}, {2, {33, 19}}}},
};

const qn_op qn_op_add = {
    .name = "add", .n_in_min = 2, .n_in_max = 2, .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}},
    .sum = true, .unread = 1 << 0 | 1 << 1, .writes = 1 << 0 | 1 << 1,
    .cases = cases, .n_cases = QN_LEN(cases),
};
