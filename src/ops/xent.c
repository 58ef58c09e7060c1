/* ops/xent.c — the head and its cross entropy in one: loss_t = weight_t · (logsumexp_v(x_t · W_v) − x_t · W_target(t)).
 *
 *   x [T,K], in the activation form of W      W [V,K] packed in panels      target [T] i32      weight [T] real
 *   loss [T] real      saved: logsumexp [T]
 *
 * Logits of all rows never exist. Forward takes a few rows at a time against all of W: the same logits and the same
 * logsumexp as the session's, bit for bit. A row of weight 0 is not supervised: its logits are not computed, its target
 * may be anything, its loss is 0.
 *
 * Backward, real panels only: with s_t = dL/dloss_t · weight_t and p = softmax(logits), computed again from logsumexp
 *
 *   dL/dx_t += Σ_v s_t (p_tv − [v = target]) · W_v        dL/dW_v += Σ_t s_t (p_tv − [v = target]) · x_t
 *
 * The vocabulary is cut into groups, a tile each, and those into slices of 256; a slice of W and its gradient stay in
 * the cache while blocks of rows pass by:
 *
 *              rows 0…95   96…191   …
 *   slice 0    p ───────── p ───────── …       dW of the slice: rows ascending
 *   slice 1    p ───────── p ───────── …
 *     ⋮        dx of the group: slices ascending; then the groups are added in order */
#include "ops/ops.h"

#include <string.h>

enum { X, W, TARGET, WEIGHT };
enum { ROOM_BYTES = 8 << 20, FEW_ROWS = 4, MOST_ROWS = 48, GROUPS = 8, SLICE = 256, BLOCK_ROWS = 96 };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[X], *w = &a->in[W], *target = &a->in[TARGET], *weight = &a->in[WEIGHT];
    if (a->layout[W] != QN_LAYOUT_PANELS)
        return qn_fail(QN_EINVAL, "xent: the head is not packed in panels");
    if (x->rank != 2 || w->rank != 2 || w->dim[1] != x->dim[1])
        return qn_fail(QN_ESHAPE, "xent: rows are %s, the head has %lld columns", qn_shape_text(x),
                       (long long)w->dim[1]);
    if (target->rank != 1 || target->dim[0] != x->dim[0] || a->dtype[TARGET] != QN_I32)
        return qn_fail(QN_ESHAPE, "xent: needs one i32 target for each row, got %s", qn_shape_text(target));
    if (weight->rank != 1 || weight->dim[0] != x->dim[0])
        return qn_fail(QN_ESHAPE, "xent: needs one weight for each row, got %s", qn_shape_text(weight));
    const qn_act_form want = qn_act_form_of(a->dtype[W]), got = qn_act_form_of(a->dtype[X]);
    if (want != got)
        return qn_fail(QN_EINVAL, "xent: the head is %s, its input is in the form for %s",
                       qn_dtype_get(a->dtype[W])->name, qn_dtype_get(a->dtype[X])->name);
    out[0] = (qn_op_out){{1, {x->dim[0]}}, a->dtype[WEIGHT], QN_LAYOUT_ROWS};
    return 0;
}

static double real_at(const qn_op_ctx *c, const void *p, int64_t i) {
    return c->k->real == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void real_put(const qn_op_ctx *c, void *p, int64_t i, double x) {
    if (c->k->real == sizeof(double))
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

/* ---- forward ---- */

static int64_t vocabulary(const qn_op_ctx *c) { return c->in[W].dim[0]; }
static size_t logits_bytes(const qn_op_ctx *c) { return (size_t)vocabulary(c) * c->k->real; }

/* Rows whose logits exist at once, per worker. */
static int64_t tile_rows(const qn_op_ctx *c) {
    return QN_MAX(FEW_ROWS, QN_MIN(MOST_ROWS, ROOM_BYTES / (vocabulary(c) * (int64_t)sizeof(float))));
}

static int64_t tiles(const qn_op_ctx *c) { return qn_tiles(c->in[X].dim[0], tile_rows(c)); }

static size_t x_bytes(const qn_op_ctx *c) {
    const qn_tensor *x = &c->in[X];
    return x->layout == QN_LAYOUT_ACTS ? qn_act_row_bytes(qn_act_form_of(x->dtype), x->dim[1])
                                       : (size_t)x->stride * c->k->real;
}

/* Supervised rows side by side, then their logits. */
static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor *x = &c->in[X], *w = &c->in[W];
    const qn_span rows = qn_tile_span(x->dim[0], tile_rows(c), tile);
    const size_t row_bytes = x_bytes(c);
    char *logits = scratch, *side = logits + qn_round64((size_t)tile_rows(c) * logits_bytes(c));
    qn_linear_args a = {.y = logits, .ldy = vocabulary(c), .x = side, .ldx = row_bytes, .w = w->data,
                        .n = vocabulary(c), .K = w->dim[1]};
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (real_at(c, c->in[WEIGHT].data, t) != 0)
            memcpy(side + (size_t)a.m++ * row_bytes, (const char *)x->data + (size_t)t * row_bytes, row_bytes);
    if (a.m > 0)
        qn_linear_pick(c->k, w->dtype, a.m)(&a);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const double weight = real_at(c, c->in[WEIGHT].data, t);
        double lse = 0, loss = 0;
        if (weight != 0) {
            lse = c->k->logsumexp(logits, vocabulary(c));
            loss = weight * (lse - real_at(c, logits, qn_i32(&c->in[TARGET])[t]));
            logits += logits_bytes(c);
        }
        real_put(c, c->out[0].data, t, loss);
        if (c->saved[0].data)
            real_put(c, c->saved[0].data, t, lse);
    }
}

/* ---- backward ---- */

/* Of four panels or more where there are so many; but two at least. */
static int64_t groups(const qn_op_ctx *c) {
    const int64_t panels = qn_panels(vocabulary(c));
    return QN_MIN(panels, QN_MAX(2, QN_MIN(GROUPS, panels / 4)));
}

static double slope_of(const qn_op_ctx *c, int64_t t) {
    return real_at(c, c->in[WEIGHT].data, t) * real_at(c, c->dout[0].data, t);
}

/* The group's own dx, [T,K]. */
static char *group_dx(const qn_op_ctx *c, int64_t group) {
    return c->partials + (size_t)(group * c->in[X].dim[0] * c->in[X].dim[1]) * c->k->real;
}

/* p [rows, n] of columns [n0, n0 + n), scaled, less one at the target; false if all is zero. */
static bool slopes(const qn_op_ctx *c, qn_span rows, int64_t n0, int64_t n, char *p) {
    const qn_tensor *x = &c->in[X], *w = &c->in[W];
    const size_t panel = qn_panel_bytes(w->dtype, w->dim[1]);
    bool any = false;
    for (int64_t t = rows.begin; t < rows.end && !any; t++)
        any = slope_of(c, t) != 0;
    if (!any)
        return false;
    const qn_linear_args a = {.y = p, .ldy = SLICE, .x = qn_row(x, rows.begin), .ldx = x_bytes(c),
                              .w = (const char *)w->data + (size_t)(n0 / QN_PANEL) * panel,
                              .m = rows.end - rows.begin, .n = n, .K = w->dim[1]};
    qn_linear_pick(c->k, w->dtype, a.m)(&a);
    for (int64_t t = rows.begin; t < rows.end; t++, p += SLICE * c->k->real) {
        const double slope = slope_of(c, t);
        if (slope != 0)
            c->k->xent_grad(p, p, n, qn_i32(&c->in[TARGET])[t] - n0, real_at(c, c->saved[0].data, t), slope);
        else
            memset(p, 0, (size_t)n * c->k->real);
    }
    return true;
}

static void backward_group(const qn_op_ctx *c, int64_t group, void *scratch) {
    const qn_tensor *x = &c->in[X], *w = &c->in[W];
    const int64_t panels = qn_panels(vocabulary(c)), K = x->dim[1];
    const int64_t begin = panels * group / groups(c) * QN_PANEL;
    const int64_t end = QN_MIN(panels * (group + 1) / groups(c) * QN_PANEL, vocabulary(c));
    if (c->din[X].data)
        memset(group_dx(c, group), 0, (size_t)(x->dim[0] * K) * c->k->real);
    for (int64_t n0 = begin; n0 < end; n0 += SLICE)
        for (int64_t t = 0; t < x->dim[0]; t += BLOCK_ROWS) {
            const qn_span rows = {t, QN_MIN(t + BLOCK_ROWS, x->dim[0])};
            const int64_t n = QN_MIN(SLICE, end - n0);
            if (!slopes(c, rows, n0, n, scratch))
                continue;
            const qn_linear_grad_args a = {
                .dy = scratch, .lddy = SLICE, .x = qn_row(x, t), .ldx = x->stride,
                .w = (const char *)w->data + (size_t)(n0 / QN_PANEL) * qn_panel_bytes(w->dtype, K),
                .dx = group_dx(c, group) + (size_t)(t * K) * c->k->real, .lddx = K,
                .dw = c->din[W].data ? qn_row(&c->din[W], n0) : NULL, .m = rows.end - t, .n = n, .K = K,
            };
            if (c->din[X].data)
                c->k->linear_dx(&a);
            if (c->din[W].data)
                c->k->linear_dw(&a);
        }
}

static int64_t sum_tiles(const qn_op_ctx *c) { return c->din[X].data ? qn_op_row_tiles(c) : 0; }

static void backward_sum(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t K = c->in[X].dim[1];
    const qn_span rows = qn_tile_span(c->in[X].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        for (int64_t g = 0; g < groups(c); g++) {
            void *dx = qn_row(&c->din[X], t);
            c->k->add(dx, dx, group_dx(c, g) + (size_t)(t * K) * c->k->real, K);
        }
}

/* ---- the op ---- */

static size_t partials(const qn_op_ctx *c, bool backward) {
    return backward ? (size_t)(groups(c) * c->in[X].dim[0] * c->in[X].dim[1]) * c->k->real : 0;
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const size_t rows = (size_t)tile_rows(c);
    return backward ? BLOCK_ROWS * SLICE * c->k->real : qn_round64(rows * logits_bytes(c)) + rows * x_bytes(c);
}

static int64_t flops(const qn_op_ctx *c) { return 2 * c->in[X].dim[0] * vocabulary(c) * c->in[X].dim[1]; }

/* Every third row is not supervised. */
static void *prepare(qn_op_ctx *c) {
    for (int64_t t = 1; t < c->in[X].dim[0]; t += 3) {
        real_put(c, c->in[WEIGHT].data, t, 0);
        ((int32_t *)c->in[TARGET].data)[t] = -1;
    }
    return NULL;
}

static const qn_op_case cases[] = {
    {.n_in = 4, .in = {{2, {1, 1}}, {2, {2, 1}}, {1, {1}}, {1, {1}}}, .below = {[TARGET] = 2}, .panels = 1 << W},
    {.n_in = 4, .in = {{2, {7, 5}}, {2, {70, 5}}, {1, {7}}, {1, {7}}}, .below = {[TARGET] = 70}, .panels = 1 << W,
     .prepare = prepare, .hi = 2},
    {.n_in = 4, .in = {{2, {100, 2}}, {2, {33, 2}}, {1, {100}}, {1, {100}}}, .below = {[TARGET] = 33},
     .panels = 1 << W, .prepare = prepare, .hi = 2},                                    /* two blocks of rows */
    {.n_in = 4, .in = {{2, {2, 1}}, {2, {2090, 1}}, {1, {2}}, {1, {2}}}, .below = {[TARGET] = 2090},
     .panels = 1 << W},                                                                 /* groups of two slices */
};

const qn_op qn_op_xent = {
    .name = "xent", .n_in_min = 4, .n_in_max = 4, .takes_packed = true, .shape = shape,
    .forward = {{tiles, forward}}, .backward = {{groups, backward_group}, {sum_tiles, backward_sum}},
    .partials = partials, .scratch = scratch_bytes, .saved_bytes = {1}, .flops = flops,
    .const_inputs = 1 << TARGET | 1 << WEIGHT, .cases = cases, .n_cases = QN_LEN(cases),
};
