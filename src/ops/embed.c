/* ops/embed.c — y[t] = W[ids[t]]: a row of the embedding for each token.
 *
 *   ids [T] i32   W [V,D] packed in panels   y [T,D] real
 *
 * W is often tied to the head and then lies in the head's panels: one row is decoded out of them. Ids were checked
 * against V by whoever accepted the tokens; one beyond it gets zeros, in whose place an adapter puts a row of its own
 * (token_rows.c). The gradient of W is a row-major [V,D] of reals: dL/dW[ids[t]] += g[t]. */
#include "ops/ops.h"

#include <string.h>

enum { IDS, W };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *ids = &a->in[IDS], *w = &a->in[W];
    if (ids->rank != 1 || a->dtype[IDS] != QN_I32)
        return qn_fail(QN_ESHAPE, "embed: ids must be [T] i32, got %s %s", qn_shape_text(ids),
                       qn_dtype_get(a->dtype[IDS])->name);
    if (w->rank != 2 || a->layout[W] != QN_LAYOUT_PANELS)
        return qn_fail(QN_ESHAPE, "embed: the table must be [V,D] in panels, got %s", qn_shape_text(w));
    const qn_dtype real = a->dtype[W] == QN_F64 ? QN_F64 : QN_F32;
    out[0] = (qn_op_out){{2, {ids->dim[0], w->dim[1]}}, real, QN_LAYOUT_ROWS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor *w = &c->in[W];
    const qn_span rows = qn_tile_span(c->in[IDS].dim[0], QN_OP_ROWS, tile);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const int64_t id = qn_i32(&c->in[IDS])[t];
        if (id < w->dim[0])
            qn_op_panel_row(c, w, id, qn_row(&c->out[0], t), scratch);
        else
            memset(qn_row(&c->out[0], t), 0, (size_t)w->dim[1] * c->k->real);
    }
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    return backward ? 0 : qn_op_panel_scratch(c, &c->in[W]);
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[W].data ? qn_op_scatter_tiles(c->in[W].dim[0]) : 0; }

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    (void)scratch;
    qn_op_scatter_add(c, &c->din[W], &c->dout[0], qn_i32(&c->in[IDS]), tile);
}

static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{1, {1}}, {2, {1, 1}}}, .below = {1}, .panels = 1 << W},
    {.n_in = 2,
     .in = {{1, {50}}, {2, {70, 5}}},
     .below = {70},
     .panels = 1 << W}, /* three panels; rows often and never */
};

const qn_op qn_op_embed = {
    .name = "embed", .n_in_min = 2, .n_in_max = 2, .takes_packed = true, .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}}, .scratch = scratch_bytes,
    .const_inputs = 1 << IDS, .unread = 1 << W, .by_rows = true, .cheap = true,
    .cases = cases, .n_cases = QN_LEN(cases),
};
