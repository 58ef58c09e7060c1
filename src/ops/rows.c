/* ops/rows.c — y[s] = x[index[s]]: the rows whose logits are wanted; the head is not computed for the others.
 *
 *   x [T,D]   index [S] i32, each in [0,T)   y [S,D]        dL/dx[index[s]] += g[s] */
#include "ops/ops.h"

#include <string.h>

enum { X, INDEX };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[X], *index = &a->in[INDEX];
    if (x->rank != 2 || index->rank != 1 || a->dtype[INDEX] != QN_I32)
        return qn_fail(QN_ESHAPE, "rows: needs [T,D] and [S] i32, got %s", qn_shape_text(x));
    out[0] = (qn_op_out){{2, {index->dim[0], x->dim[1]}}, a->dtype[X], QN_LAYOUT_ROWS};
    return 0;
}

static int64_t tiles(const qn_op_ctx *c) { return qn_tiles(c->in[INDEX].dim[0], QN_OP_ROWS); }

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[INDEX].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t s = rows.begin; s < rows.end; s++)
        memcpy(qn_row(&c->out[0], s), qn_row(&c->in[X], qn_i32(&c->in[INDEX])[s]),
               (size_t)c->in[X].dim[1] * c->k->real);
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[X].data ? qn_op_scatter_tiles(c->in[X].dim[0]) : 0; }

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    (void)scratch;
    qn_op_born_rows(c, X, qn_op_scatter_span(c->in[X].dim[0], tile));
    qn_op_scatter_add(c, &c->din[X], &c->dout[0], qn_i32(&c->in[INDEX]), tile);
}

static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{2, {1, 3}}, {1, {2}}}, .below = {0, 1}},
    {.n_in = 2, .in = {{2, {40, 5}}, {1, {61}}}, .below = {0, 40}},             /* some rows often, some never */
};

const qn_op qn_op_rows = {
    .name = "rows", .n_in_min = 2, .n_in_max = 2, .shape = shape,
    .forward = {{tiles, forward}}, .backward = {{backward_tiles, backward}},
    .const_inputs = 1 << INDEX, .unread = 1 << X, .writes = 1 << X, .cases = cases, .n_cases = QN_LEN(cases),
};
