/* ops/xent.c — the head and its cross entropy in one: loss_t = weight_t · (logsumexp_v(x_t · W_v) − x_t · W_target(t)).
 *
 *   x [T,K], in the activation form of W      W [V,K] packed in panels      target [T] i32      weight [T] real
 *   loss [T] real
 *
 * Tokens may have rows of an adapter's own (token_rows.c), xr [T,K] the rows of x as reals, E [n,K] F32 in panels: then
 * the logits are those of W, but xr·Eᵀ for these tokens, which may lie beyond W. They are all of the columns beyond V.
 *
 * Logits of all rows never exist. Forward takes a few rows at a time against all of W: the same logits and the same
 * logsumexp as the session's, bit for bit. A row of weight 0 is not supervised: its logits are not computed, its target
 * may be anything, its loss is 0.
 *
 * Backward: xent_grad.c. */
#include "ops/xent_impl.h"

#include <string.h>

enum { ROOM_BYTES = 8 << 20, FEW_ROWS = 4, MOST_ROWS = 48 };

static int check_tokens(const qn_op_args *a) {
    const qn_token_rows_attr *at = &((const qn_xent_attr *)a->attr)->tokens;
    const qn_shape *w = &a->in[W], *xr = &a->in[XR], *e = &a->in[E];
    int64_t beyond = 0;
    if (a->n_in != E + 1 || a->layout[XR] != QN_LAYOUT_ROWS || a->layout[E] != QN_LAYOUT_PANELS || xr->rank != 2 ||
        e->rank != 2 || xr->dim[0] != a->in[X].dim[0] || xr->dim[1] != w->dim[1] || e->dim[0] != at->n ||
        e->dim[1] != w->dim[1])
        return qn_fail(QN_ESHAPE, "xent: rows of %lld tokens must be plain [T,K] and [n,K] in panels, got %s",
                       (long long)at->n, qn_shape_text(e));
    for (int64_t j = 0; j < at->n; j++)
        beyond += at->id[j] >= w->dim[0];
    if (beyond != QN_MAX(0, at->rows - w->dim[0]))
        return qn_fail(QN_EINVAL, "xent: %lld of the tokens up to %lld have no row", (long long)(at->rows -
                       w->dim[0] - beyond), (long long)at->rows - 1);
    return 0;
}

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
    return a->n_in > XR ? check_tokens(a) : 0;
}

/* ---- forward ---- */

void qn_xent_token_logits(const qn_op_ctx *c, int64_t t, void *logits, void *z) {
    const qn_token_rows_attr *at = qn_xent_tokens(c);
    const qn_linear_args a = {.y = z, .ldy = at->n, .x = qn_row(&c->in[XR], t),
                              .ldx = (size_t)c->in[XR].stride * c->k->real, .w = c->in[E].data, .m = 1, .n = at->n,
                              .K = c->in[E].dim[1]};
    qn_linear_pick(c->k, c->in[E].dtype, 1)(&a);
    for (int64_t j = 0; j < at->n; j++)
        memcpy((char *)logits + (size_t)at->id[j] * c->k->real, (char *)z + (size_t)j * c->k->real, c->k->real);
}

static int64_t vocabulary(const qn_op_ctx *c) { return c->in[W].dim[0]; }
static int64_t width(const qn_op_ctx *c) { return qn_xent_width(c); }
static size_t logits_bytes(const qn_op_ctx *c) { return (size_t)width(c) * c->k->real; }
static size_t token_bytes(const qn_op_ctx *c) {
    return qn_xent_tokens(c) ? qn_round64((size_t)qn_xent_tokens(c)->n * c->k->real) : 0;
}

/* Rows whose logits exist at once, per worker. */
static int64_t tile_rows(const qn_op_ctx *c) {
    return QN_MAX(FEW_ROWS, QN_MIN(MOST_ROWS, ROOM_BYTES / (width(c) * (int64_t)sizeof(float))));
}

static int64_t tiles(const qn_op_ctx *c) { return qn_tiles(c->in[X].dim[0], tile_rows(c)); }

/* Supervised rows side by side, then their logits. */
static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor *x = &c->in[X], *w = &c->in[W];
    const qn_span rows = qn_tile_span(x->dim[0], tile_rows(c), tile);
    const size_t row_bytes = qn_xent_x_bytes(c);
    char *z = scratch, *logits = z + token_bytes(c);
    char *side = logits + qn_round64((size_t)tile_rows(c) * logits_bytes(c));
    qn_linear_args a = {.y = logits, .ldy = width(c), .x = side, .ldx = row_bytes, .w = w->data,
                        .n = vocabulary(c), .K = w->dim[1]};
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (real_at(c, c->in[WEIGHT].data, t) != 0)
            memcpy(side + (size_t)a.m++ * row_bytes, (const char *)x->data + (size_t)t * row_bytes, row_bytes);
    if (a.m > 0)
        qn_linear_pick(c->k, w->dtype, a.m)(&a);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        if (real_at(c, c->in[WEIGHT].data, t) == 0) {
            real_put(c, c->out[0].data, t, 0);
            continue;
        }
        if (qn_xent_tokens(c))
            qn_xent_token_logits(c, t, logits, z);
        qn_xent_loss(c, t, logits);
        logits += logits_bytes(c);
    }
}

/* ---- the op ---- */

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const size_t rows = (size_t)tile_rows(c);
    return backward ? qn_xent_grad_scratch(c)
                    : token_bytes(c) + qn_round64(rows * logits_bytes(c)) + rows * qn_xent_x_bytes(c);
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

/* One token in the place of a row of the head, two beyond it. */
static const int32_t own[] = {3, 40, 41};
static const qn_xent_attr three = {{own, 3, 42, 0}, false};

static const qn_op_case cases[] = {
    {.n_in = 4, .in = {{2, {1, 1}}, {2, {2, 1}}, {1, {1}}, {1, {1}}}, .below = {[TARGET] = 2}, .panels = 1 << W},
    {.n_in = 4, .in = {{2, {7, 5}}, {2, {70, 5}}, {1, {7}}, {1, {7}}}, .below = {[TARGET] = 70}, .panels = 1 << W,
     .prepare = prepare, .hi = 2},
    {.n_in = 4, .in = {{2, {100, 2}}, {2, {33, 2}}, {1, {100}}, {1, {100}}}, .below = {[TARGET] = 33},
     .panels = 1 << W, .prepare = prepare, .hi = 2},                                    /* two blocks of rows */
    {.n_in = 4, .in = {{2, {2, 1}}, {2, {2090, 1}}, {1, {2}}, {1, {2}}}, .below = {[TARGET] = 2090},
     .panels = 1 << W},                                                                 /* groups of two slices */
    {.n_in = 6, .in = {{2, {70, 5}}, {2, {40, 5}}, {1, {70}}, {1, {70}}, {2, {70, 5}}, {2, {3, 5}}},
     .below = {[TARGET] = 42}, .panels = 1 << W | 1 << E, .prepare = prepare, .hi = 2, .attr = &three},
};

const qn_op qn_op_xent = {
    .name = "xent", .n_in_min = 4, .n_in_max = 6, .attr_size = sizeof(qn_xent_attr), .takes_packed = true,
    .shape = shape,
    .forward = {{tiles, forward}},
    .backward = {{qn_xent_list_tiles, qn_xent_list}, {qn_xent_gather_tiles, qn_xent_gather},
                 {qn_xent_logits_tiles, qn_xent_logits}, {qn_xent_soft_tiles, qn_xent_soft},
                 {qn_xent_group_tiles, qn_xent_group}, {qn_xent_sum_tiles, qn_xent_sum}},
    .rounds = qn_xent_rounds, .whole_backward = true, .reads_out = true,
    .partials = qn_xent_partials, .scratch = scratch_bytes, .flops = flops,
    .const_inputs = 1 << TARGET | 1 << WEIGHT, .cases = cases, .n_cases = QN_LEN(cases),
};
