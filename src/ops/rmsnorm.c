/* ops/rmsnorm.c — y = x · r · w,  r = 1/sqrt(mean(x²) + eps)      (Zhang & Sennrich 2019, eq. 4)
 *
 *   x [T,D]   w [D]   y [T,D]   saved: r [T]
 *
 * Backward, per row, with g = dL/dy:
 *   dL/dw += g · x · r
 *   dL/dx += r · (g·w − x · r² · mean(g·w·x))
 *
 * dw sums over rows: every tile leaves its own partial, then the partials are added in tile order
 * (docs/NUMERICS.md). */
#include "ops/ops.h"

#include <string.h>

enum { X, W };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[X], *w = &a->in[W];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "rmsnorm: rows must be [T,D], got %s", qn_shape_text(x));
    if (w->rank != 1 || w->dim[0] != x->dim[1])
        return qn_fail(QN_ESHAPE, "rmsnorm: rows have %lld elements, the weight is %s", (long long)x->dim[1],
                       qn_shape_text(w));
    out[0] = (qn_op_out){*x, a->dtype[X], QN_LAYOUT_ROWS};
    return 0;
}

static void *saved_at(const qn_op_ctx *c, int64_t row) { return (char *)c->saved[0].data + (size_t)row * c->k->real; }

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_rmsnorm_attr *at = c->attr;
    const int64_t D = c->in[X].dim[1];
    const qn_span rows = qn_tile_span(c->in[X].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const double r = c->k->rmsnorm(qn_row(&c->out[0], t), qn_row(&c->in[X], t), c->in[W].data, D, at->eps);
        if (!c->saved[0].data)
            continue;
        if (c->k->real == sizeof(double))
            *(double *)saved_at(c, t) = r;
        else
            *(float *)saved_at(c, t) = (float)r;
    }
}

static void *partial(const qn_op_ctx *c, int64_t tile) {
    return c->partials + (size_t)(tile * c->in[X].dim[1]) * c->k->real;
}

static void backward_rows(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t D = c->in[X].dim[1];
    const qn_span rows = qn_tile_span(c->in[X].dim[0], QN_OP_ROWS, tile);
    void *dw = partial(c, tile), *unwanted = scratch;
    memset(dw, 0, (size_t)D * c->k->real);
    qn_op_born_rows(c, X, rows);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const double r = c->k->real == sizeof(double) ? *(double *)saved_at(c, t) : (double)*(float *)saved_at(c, t);
        void *dx = c->din[X].data ? qn_row(&c->din[X], t) : unwanted;
        c->k->rmsnorm_grad(dx, dw, qn_row(&c->dout[0], t), qn_row(&c->in[X], t), c->in[W].data, r, D);
    }
}

static int64_t one_tile(const qn_op_ctx *c) { return c->din[W].data != NULL; }

static void backward_sum(const qn_op_ctx *c, int64_t tile, void *scratch) {
    (void)tile;
    (void)scratch;
    for (int64_t i = 0; i < qn_op_row_tiles(c); i++)
        c->k->add(c->din[W].data, c->din[W].data, partial(c, i), c->in[X].dim[1]);
}

static size_t partials(const qn_op_ctx *c, bool backward) {
    return backward ? (size_t)(qn_op_row_tiles(c) * c->in[X].dim[1]) * c->k->real : 0;
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    return backward ? (size_t)c->in[X].dim[1] * c->k->real : 0;
}

static const qn_rmsnorm_attr eps5 = {1e-5}, eps3 = {1e-3};
static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{2, {1, 1}}, {1, {1}}}, .attr = &eps5},
    {.n_in = 2, .in = {{2, {5, 17}}, {1, {17}}}, .attr = &eps5}, /* odd tail */
    {.n_in = 2, .in = {{2, {40, 8}}, {1, {8}}}, .attr = &eps5},  /* three tiles: the order of partials */
    {.n_in = 2, .in = {{2, {3, 64}}, {1, {64}}}, .attr = &eps3, .lo = 1e-3, .hi = 1e-2}, /* small rows: eps matters */
};

const qn_op qn_op_rmsnorm = {
    .name = "rmsnorm", .n_in_min = 2, .n_in_max = 2, .attr_size = sizeof(qn_rmsnorm_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .backward = {{qn_op_row_tiles, backward_rows}, {one_tile, backward_sum}},
    .partials = partials, .scratch = scratch_bytes, .saved_bytes = {1},
    .cheap = true, .writes = 1 << X, .cases = cases, .n_cases = QN_LEN(cases),
};
