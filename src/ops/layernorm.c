/* ops/layernorm.c — y = (x − mean)·rstd · w + b,  rstd = 1/sqrt(var + eps)      (Ba, Kiros & Hinton 2016)
 *
 *   x [T,D]   w [D]   b [D] or none   y [T,D]   saved: (mean, rstd) [T,2]
 *
 * Backward, per row, with g = dL/dy and x̂ = (x − mean)·rstd:
 *   dL/dx += rstd·(g·w − mean(g·w) − x̂·mean(g·w·x̂)),   dL/dw += g·x̂,   dL/db += g
 *
 * dw and db sum over rows: every tile leaves its own partials, which are added in tile order (docs/NUMERICS.md). */
#include "ops/ops.h"

#include <string.h>

enum { X, W, B };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[X];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "layernorm: rows must be [T,D], got %s", qn_shape_text(x));
    for (int i = W; i < a->n_in; i++)
        if (a->in[i].rank != 1 || a->in[i].dim[0] != x->dim[1])
            return qn_fail(QN_ESHAPE, "layernorm: rows have %lld elements, the %s is %s", (long long)x->dim[1],
                           i == W ? "weight" : "bias", qn_shape_text(&a->in[i]));
    out[0] = (qn_op_out){*x, a->dtype[X], QN_LAYOUT_ROWS};
    return 0;
}

static size_t stat_bytes(const qn_op_ctx *c) { return 2 * c->k->real; }
static void *saved_at(const qn_op_ctx *c, int64_t row) {
    return (char *)c->saved[0].data + (size_t)row * stat_bytes(c);
}
static bool has_bias(const qn_op_ctx *c) { return c->n_in > B; }

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_layernorm_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[X].dim[0], QN_OP_ROWS, tile);
    double unwanted[2];
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->layernorm(qn_row(&c->out[0], t), qn_row(&c->in[X], t), c->in[W].data, has_bias(c) ? c->in[B].data : NULL,
                        c->in[X].dim[1], at->eps, c->saved[0].data ? saved_at(c, t) : unwanted);
}

/* Partials: for each tile its dw, then its db. */
static void *partial(const qn_op_ctx *c, int64_t tile, int which) {
    return c->partials + (size_t)((tile * 2 + which) * c->in[X].dim[1]) * c->k->real;
}

static void backward_rows(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t D = c->in[X].dim[1];
    const qn_span rows = qn_tile_span(c->in[X].dim[0], QN_OP_ROWS, tile);
    void *dw = partial(c, tile, 0), *db = partial(c, tile, 1), *unwanted = scratch;
    memset(dw, 0, 2 * (size_t)D * c->k->real);
    qn_op_born_rows(c, X, rows);
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->layernorm_grad(c->din[X].data ? qn_row(&c->din[X], t) : unwanted, dw, has_bias(c) ? db : NULL,
                             qn_row(&c->dout[0], t), qn_row(&c->in[X], t), c->in[W].data, saved_at(c, t), D);
}

/* One tile each for w and b. */
static int64_t sum_tiles(const qn_op_ctx *c) { return has_bias(c) ? 2 : 1; }

static void backward_sum(const qn_op_ctx *c, int64_t tile, void *scratch) {
    void *sum = c->din[W + tile].data;
    (void)scratch;
    for (int64_t i = 0; sum && i < qn_op_row_tiles(c); i++)
        c->k->add(sum, sum, partial(c, i, (int)tile), c->in[X].dim[1]);
}

static size_t partials(const qn_op_ctx *c, bool backward) {
    return backward ? (size_t)(2 * qn_op_row_tiles(c) * c->in[X].dim[1]) * c->k->real : 0;
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    return backward ? (size_t)c->in[X].dim[1] * c->k->real : 0;
}

static const qn_layernorm_attr eps5 = {1e-5}, eps3 = {1e-3};
static const qn_op_case cases[] = {
    {.n_in = 3, .in = {{2, {1, 2}}, {1, {2}}, {1, {2}}}, .attr = &eps3},
    {.n_in = 3, .in = {{2, {5, 17}}, {1, {17}}, {1, {17}}}, .attr = &eps5},                  /* odd tail */
    {.n_in = 2, .in = {{2, {40, 8}}, {1, {8}}}, .attr = &eps5},                    /* three tiles, no bias */
    {.n_in = 3, .in = {{2, {18, 64}}, {1, {64}}, {1, {64}}}, .attr = &eps3, .lo = 1e-3, .hi = 1e-2},   /* eps matters */
};

const qn_op qn_op_layernorm = {
    .name = "layernorm", .n_in_min = 2, .n_in_max = 3, .attr_size = sizeof(qn_layernorm_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .backward = {{qn_op_row_tiles, backward_rows}, {sum_tiles, backward_sum}},
    .partials = partials, .scratch = scratch_bytes, .saved_bytes = {2},
    .cheap = true, .writes = 1 << X, .cases = cases, .n_cases = QN_LEN(cases),
};
