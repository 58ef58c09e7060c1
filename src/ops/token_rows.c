/* ops/token_rows.c — y′[t] = E[j] where an adapter has row j for token ids[t], else y[t] (model/adapter.h).
 *
 *   y [T,D] rows of the embedding      ids [T] i32      E [n,D] F32 in panels      y′ [T,D]
 *
 * The embedding stays as it is stored, whatever its dtype; an adapter brings rows for tokens that it does not know, or
 * others for some that it does. They are whole or not there: at the scale 0 of a row's segment (qn_batch) y passes to
 * the bit, at any other E's row does.
 *
 *   dL/dy[t] += g[t] where y passed      dL/dE[j] += g[t] where E[j] did, t ascending
 *
 *   phase 1   dy      phase 2, beside it   dE: each tile owns some rows of it (ops.h: scatter) */
#include "ops/lora_impl.h"

#include "ops/adapter_case.h"
#include "ops/attention.h"

#include <string.h>

enum { Y, IDS, E };

static const qn_token_rows_attr *attr(const qn_op_ctx *c) { return c->attr; }

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_token_rows_attr *at = a->attr;
    const qn_shape *y = &a->in[Y], *ids = &a->in[IDS], *e = &a->in[E];
    if (a->layout[E] != QN_LAYOUT_PANELS || e->rank != 2 || e->dim[0] != at->n)
        return qn_fail(QN_ESHAPE, "token_rows: rows of %lld tokens must be [n,D] in panels, got %s", (long long)at->n,
                       qn_shape_text(e));
    if (y->rank != 2 || y->dim[1] != e->dim[1])
        return qn_fail(QN_ESHAPE, "token_rows: rows are %s, those of an adapter %lld wide", qn_shape_text(y),
                       (long long)e->dim[1]);
    if (ids->rank != 1 || ids->dim[0] != y->dim[0] || a->dtype[IDS] != QN_I32)
        return qn_fail(QN_ESHAPE, "token_rows: needs one i32 id for each row, got %s", qn_shape_text(ids));
    out[0] = (qn_op_out){*y, a->dtype[Y], QN_LAYOUT_ROWS};
    return 0;
}

/* The row of E that stands at t; −1: y passes. */
static int64_t row_of(const qn_op_ctx *c, int64_t t) {
    const int64_t j = qn_token_row(attr(c), qn_i32(&c->in[IDS])[t]);
    return j >= 0 && qn_lora_run_scale(c, attr(c)->adapter, t) != 0 ? j : -1;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[Y].dim[0], QN_OP_ROWS, tile);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const int64_t j = row_of(c, t);
        if (j >= 0)
            qn_op_panel_row(c, &c->in[E], j, qn_row(&c->out[0], t), scratch);
        else
            memcpy(qn_row(&c->out[0], t), qn_row(&c->in[Y], t), (size_t)c->in[Y].dim[1] * c->k->real);
    }
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    return backward ? 0 : qn_op_panel_scratch(c, &c->in[E]);
}

static int64_t pass_tiles(const qn_op_ctx *c) { return c->din[Y].data ? qn_op_row_tiles(c) : 0; }

static void pass(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_span rows = qn_tile_span(c->in[Y].dim[0], QN_OP_ROWS, tile);
    const qn_tensor *dy = &c->din[Y], *g = &c->dout[0];
    qn_op_born_rows(c, Y, rows);
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (row_of(c, t) < 0)
            c->k->add(qn_row(dy, t), qn_row(dy, t), qn_row(g, t), g->dim[1]);
}

static int64_t own_tiles(const qn_op_ctx *c) { return c->din[E].data ? qn_op_scatter_tiles(c->in[E].dim[0]) : 0; }

static void own(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_tensor *de = &c->din[E], *g = &c->dout[0];
    const qn_span rows = qn_op_scatter_span(c->in[E].dim[0], tile);
    for (int64_t t = 0; t < g->dim[0]; t++) {
        const int64_t j = row_of(c, t);
        if (rows.begin <= j && j < rows.end)
            c->k->add(qn_row(de, j), qn_row(de, j), qn_row(g, t), g->dim[1]);
    }
}

/* ---- cases ---- */

static void *segments(qn_op_ctx *c) { return qn_adapter_case(c, c->in[Y].dim[0]); }

static const int32_t few[] = {1, 4, 5}, one[] = {0};
static const qn_token_rows_attr three = {few, 3, 6, 1}, first = {one, 1, 1, 0};
static const qn_op_case cases[] = {
    {.n_in = 3, .in = {{2, {1, 1}}, {1, {1}}, {2, {1, 1}}}, .below = {[IDS] = 1}, .attr = &first, .panels = 1 << E},
    {.n_in = 3, .in = {{2, {70, 33}}, {1, {70}}, {2, {3, 33}}}, .below = {[IDS] = 6}, .attr = &three,
     .panels = 1 << E, .prepare = segments},
};

const qn_op qn_op_token_rows = {
    .name = "token_rows", .n_in_min = 3, .n_in_max = 3, .attr_size = sizeof(qn_token_rows_attr), .takes_packed = true,
    .shape = shape, .forward = {{qn_op_row_tiles, forward}},
    .backward = {{pass_tiles, pass}, {own_tiles, own, .beside = true}}, .scratch = scratch_bytes,
    .const_inputs = 1 << IDS, .unread = 1 << Y | 1 << E, .writes = 1 << Y, .by_rows = true, .cheap = true,
    .cases = cases, .n_cases = QN_LEN(cases),
};
