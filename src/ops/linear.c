/* ops/linear.c — y_i = x · W_iᵀ + b_i, i < n ≤ 3: the only weight product.
 *
 *   x [T,K], in the activation form of the weights   W_i [N_i,K] packed in panels   b_i [N_i] real   y_i [T,N_i] real
 *
 * Weights that read the same x (query, key and value; gate and up) are one node: one pack of x, one barrier. A tile
 * is a block of rows against a few panels; its size depends on shapes alone. Backward: linear_grad.c. */
#include "graph/unpacked.h"
#include "ops/linear_impl.h"

enum { ROW_TILE = 96, TILE_BYTES = 256 * 1024, MIN_TILES = 16 };

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_linear_attr *at = a->attr;
    const qn_shape *x = &a->in[X];
    if (at->n != a->n_out || bias_input(at, at->n) != a->n_in)
        return qn_fail(QN_EINVAL, "linear: %d weights with bias mask %d do not match %d inputs and %d outputs", at->n,
                       at->bias, a->n_in, a->n_out);
    for (int i = 0; i < at->n; i++) {
        const qn_shape *w = &a->in[W + i];
        if (a->layout[W + i] != QN_LAYOUT_PANELS)
            return qn_fail(QN_EINVAL, "linear: weight %d is not packed in panels", i);
        if (x->rank != 2 || w->rank != 2 || w->dim[1] != x->dim[1])
            return qn_fail(QN_ESHAPE, "linear: rows are %s, weight %d is [%lld,%lld]", qn_shape_text(x), i,
                           (long long)w->dim[0], (long long)w->dim[1]);
        if (has_bias(at, i) && (a->in[bias_input(at, i)].rank != 1 || a->in[bias_input(at, i)].dim[0] != w->dim[0]))
            return qn_fail(QN_ESHAPE, "linear: weight %d has %lld rows, its bias %s", i, (long long)w->dim[0],
                           qn_shape_text(&a->in[bias_input(at, i)]));
        const qn_act_form want = qn_act_form_of(a->dtype[W + i]), got = qn_act_form_of(a->dtype[X]);
        if (want != got)
            return qn_fail(QN_EINVAL, "linear: weight %d is %s, its input is in the form for %s", i,
                           qn_dtype_get(a->dtype[W + i])->name, qn_dtype_get(a->dtype[X])->name);
        out[i] = (qn_op_out){{2, {x->dim[0], w->dim[0]}}, want == QN_ACT_F64 ? QN_F64 : QN_F32, QN_LAYOUT_ROWS};
    }
    return 0;
}

/* In so many parts are a matrix's panels shared out, as evenly as can be: 16 where it has as many. */
static int64_t panel_tiles(const qn_tensor *w) {
    const int64_t panels = qn_panels(w->dim[0]);
    const int64_t fit = QN_MAX(1, TILE_BYTES / (int64_t)qn_panel_bytes(w->dtype, w->dim[1]));
    return QN_MAX(qn_tiles(panels, fit), QN_MIN(panels, MIN_TILES));
}

static int64_t weight_tiles(const qn_op_ctx *c, int i) {
    return panel_tiles(&c->in[W + i]) * qn_tiles(c->in[X].dim[0], ROW_TILE);
}

static int64_t tiles(const qn_op_ctx *c) {
    const qn_linear_attr *at = c->attr;
    int64_t n = 0;
    for (int i = 0; i < at->n; i++)
        n += weight_tiles(c, i);
    return n;
}

static void add_bias(const qn_op_ctx *c, qn_linear_args *a, int i, int64_t n0) {
    const char *b = (char *)c->in[bias_input(c->attr, i)].data + (size_t)n0 * c->k->real;
    for (int64_t t = 0; t < a->m; t++) {
        char *y = (char *)a->y + (size_t)(t * a->ldy) * c->k->real;
        c->k->add(y, y, b, a->n);
    }
}

/* The tile's panels one by one, each as it is found: packed, or as rows of the file. */
static void multiply_unpacked(const qn_op_ctx *c, const qn_tensor *w, const qn_linear_args *a, int64_t panel) {
    const struct qn_unpacked *u = w->unpacked;
    for (int64_t n = 0; n < a->n; n += QN_PANEL, panel++) {
        const int64_t columns = QN_MIN(a->n - n, QN_PANEL);
        char *y = (char *)a->y + (size_t)n * c->k->real;
        if (qn_panel_packed(u, panel)) {
            const char *at = (const char *)w->data + (size_t)panel * qn_panel_bytes(w->dtype, a->K);
            qn_linear_pick(c->k, w->dtype, a->m)(
                &(qn_linear_args){y, a->ldy, a->x, a->ldx, at, a->m, columns, a->K, false});
        } else {
            const qn_panel_rows rows = qn_panel_rows_at(u->rows, u->row_bytes, u->Dh, u->rot, panel);
            c->k->stored[w->dtype](
                &(qn_stored_args){y, a->ldy, a->x, a->ldx, rows.first, rows.apart, a->m, columns, a->K});
        }
    }
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_linear_attr *at = c->attr;
    const qn_tensor *x = &c->in[X];
    int i = 0;
    (void)scratch;
    while (tile >= weight_tiles(c, i))
        tile -= weight_tiles(c, i++);
    const qn_tensor *w = &c->in[W + i], *y = &c->out[i];
    const int64_t row_tiles = qn_tiles(x->dim[0], ROW_TILE);
    const qn_span rows = qn_tile_span(x->dim[0], ROW_TILE, tile % row_tiles);
    const qn_span panels = qn_part_span(qn_panels(w->dim[0]), panel_tiles(w), tile / row_tiles);
    const size_t ldx = qn_act_row_bytes(qn_act_form_of(x->dtype), w->dim[1]);
    const size_t row_bytes = x->layout == QN_LAYOUT_ACTS ? ldx : (size_t)x->stride * c->k->real;
    qn_linear_args a = {
        .y = (char *)y->data + (size_t)(rows.begin * y->stride + panels.begin * QN_PANEL) * c->k->real,
        .ldy = y->stride,
        .x = (const char *)x->data + (size_t)rows.begin * row_bytes,
        .ldx = row_bytes,
        .w = (const char *)w->data + (size_t)panels.begin * qn_panel_bytes(w->dtype, w->dim[1]),
        .m = rows.end - rows.begin,
        .n = QN_MIN(panels.end * QN_PANEL, w->dim[0]) - panels.begin * QN_PANEL,
        .K = w->dim[1],
    };
    if (qn_all_packed(w->unpacked))
        qn_linear_pick(c->k, w->dtype, a.m)(&a);
    else
        multiply_unpacked(c, w, &a, panels.begin);
    if (has_bias(at, i))
        add_bias(c, &a, i, panels.begin * QN_PANEL);
}

static int64_t flops(const qn_op_ctx *c) {
    const qn_linear_attr *at = c->attr;
    int64_t n = 0;
    for (int i = 0; i < at->n; i++)
        n += 2 * c->in[X].dim[0] * c->in[W + i].dim[0] * c->in[W + i].dim[1];
    return n;
}

static const qn_linear_attr plain = {1, 0}, biased = {1, 1}, two = {2, 2}, three = {3, 5};
static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{2, {1, 1}}, {2, {1, 1}}}, .attr = &plain, .panels = 2},
    {.n_in = 2, .in = {{2, {3, 5}}, {2, {33, 5}}}, .attr = &plain, .panels = 2}, /* odd tails of K and of a panel */
    {.n_in = 3, .in = {{2, {98, 8}}, {2, {40, 8}}, {1, {40}}}, .attr = &biased, .panels = 2}, /* two row tiles */
    {.n_in = 4,
     .in = {{2, {2, 7}}, {2, {3, 7}}, {2, {70, 7}}, {1, {70}}},
     .attr = &two,
     .panels = 6}, /* only the second has a bias */
    {.n_in = 6,
     .in = {{2, {4, 6}}, {2, {6, 6}}, {2, {2, 6}}, {2, {2, 6}}, {1, {6}}, {1, {2}}},
     .attr = &three,
     .panels = 14},
};

const qn_op qn_op_linear = {
    .name = "linear",
    .n_in_min = 2,
    .n_in_max = 7,
    .attr_size = sizeof(qn_linear_attr),
    .takes_packed = true,
    .writes = 1 << X,
    .for_others = 1 << X,
    .shape = shape,
    .forward = {{tiles, forward}},
    .backward = {{qn_linear_gather_tiles, qn_linear_gather}, {qn_linear_grad_tiles, qn_linear_grad}},
    .partials = qn_linear_partials,
    .scratch = qn_linear_scratch,
    .flops = flops,
    .cases = cases,
    .n_cases = QN_LEN(cases),
};
