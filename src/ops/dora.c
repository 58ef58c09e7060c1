/* ops/dora.c — y′ = y + (g − 1)⊙(y − b) + g⊙q,  q = s·(u · Bᵀ),  g = m/l: an adapter with magnitudes (Liu et al. 2024).
 *
 *   y [T,N] with its bias b [N], if it has one    u [T,R]    B [N,R] F32 in panels    m, l [N]
 *
 * That is b + g⊙(y − b + q), so written that nothing moves while g is 1: each row of W + s·B·A is brought to the length
 * m. l are the lengths that they have, made behind each step (model/adapter.c), and constants to the gradient as in
 * PEFT (paper, §4.3). A row of zeros has no length to be changed: g is 1 there. As in lora.c, rows that the run
 * switches off are copied.
 *
 *   z = y − b + q      dL/dy += g⊙dy′      dL/dm += Σ_t dy′⊙z/l      dL/dq = g⊙dy′, and from there as in lora.c
 *
 *   phase 1   rows: q anew, dq, dy, Σ of a tile for dm      phase 2, 3   linear's; dm      phase 4   du */
#include "ops/lora_impl.h"

#include "ops/attention.h"
#include "ops/linear_impl.h"

#include <string.h>

enum { IN_Y, IN_U, IN_B, IN_M, IN_L, IN_BIAS };
enum { M_TILE = 256 };                  /* magnitudes of a tile of phase 3 */

static const qn_dora_attr *attr(const qn_op_ctx *c) { return c->attr; }
static int64_t width(const qn_op_ctx *c) { return c->in[IN_Y].dim[1]; }
static int64_t depth(const qn_op_ctx *c) { return c->in[IN_B].dim[1]; }

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *y = &a->in[IN_Y], *u = &a->in[IN_U], *b = &a->in[IN_B];
    const qn_act_form form = qn_act_form_of(a->dtype[IN_B]);
    if (a->layout[IN_B] != QN_LAYOUT_PANELS || form == QN_ACT_BF16 || form == QN_ACT_Q8B32)
        return qn_fail(QN_EINVAL, "dora: B must be numbers that multiply plain rows, in panels");
    if (y->rank != 2 || u->rank != 2 || b->rank != 2 || y->dim[0] != u->dim[0] || y->dim[1] != b->dim[0] ||
        u->dim[1] != b->dim[1])
        return qn_fail(QN_ESHAPE, "dora: products are %s, B is [%lld,%lld]", qn_shape_text(y), (long long)b->dim[0],
                       (long long)b->dim[1]);
    for (int i = IN_M; i < a->n_in; i++)
        if (a->in[i].rank != 1 || a->in[i].dim[0] != y->dim[1])
            return qn_fail(QN_ESHAPE, "dora: magnitudes, lengths and bias of %lld rows are expected, one is %s",
                           (long long)y->dim[1], qn_shape_text(&a->in[i]));
    out[0] = (qn_op_out){*y, a->dtype[IN_Y], QN_LAYOUT_ROWS};
    return 0;
}

static qn_lora_term term(const qn_op_ctx *c) {
    return (qn_lora_term){&c->in[IN_U], &c->in[IN_B], attr(c)->scale, attr(c)->adapter, attr(c)->half};
}

/* Scratch: rows of s·u, then of q, then one of g. */
static char *q_rows(const qn_op_ctx *c, void *scratch) {
    return (char *)scratch + qn_round64(QN_OP_ROWS * (size_t)depth(c) * c->k->real);
}
static char *g_row(const qn_op_ctx *c, void *scratch) {
    return q_rows(c, scratch) + QN_OP_ROWS * (size_t)width(c) * c->k->real;
}

/* ---- rows, for either real: the judge's double and everybody else's float ---- */

#define ROWS(real)                                                                                                \
    static void factors_##real(real *g, const real *m, const real *l, int64_t n) {                                \
        for (int64_t i = 0; i < n; i++)                                                                           \
            g[i] = l[i] != 0 ? m[i] / l[i] : 1;                                                                   \
    }                                                                                                             \
    static void sum_##real(real *out, const real *y, const real *b, const real *q, const real *g, int64_t n) {    \
        for (int64_t i = 0; i < n; i++)                                                                           \
            out[i] = y[i] + ((g[i] - 1) * (b ? y[i] - b[i] : y[i]) + g[i] * q[i]);                                \
    }                                                                                                             \
    static void back_##real(const real *q, real *dm, const real *dout, const real *y, const real *b,              \
                            const real *l, const real *g, real *dq, int64_t n) {                                  \
        for (int64_t i = 0; i < n; i++) {                                                                         \
            const real z = (b ? y[i] - b[i] : y[i]) + q[i];                                                       \
            dm[i] += l[i] != 0 ? dout[i] * z / l[i] : 0;                                                          \
            dq[i] = g[i] * dout[i];                                                                               \
        }                                                                                                         \
    }
ROWS(float)
ROWS(double)
#undef ROWS
#define EITHER(c, name, ...) \
    ((c)->k->real == sizeof(double) ? name##_double(__VA_ARGS__) : name##_float(__VA_ARGS__))

static const void *bias(const qn_op_ctx *c) { return c->n_in > IN_BIAS ? c->in[IN_BIAS].data : NULL; }

/* ---- forward ---- */

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    const qn_lora_term m = term(c);
    const size_t row_bytes = (size_t)width(c) * c->k->real;
    char *q = q_rows(c, scratch), *g = g_row(c, scratch);
    EITHER(c, factors, (void *)g, c->in[IN_M].data, c->in[IN_L].data, width(c));
    for (int64_t t = rows.begin; t < rows.end; t++)
        memcpy(qn_row(&c->out[0], t), qn_row(&c->in[IN_Y], t), row_bytes);
    for (int64_t t = rows.begin, end; t < rows.end; t = end) {
        t = qn_lora_until(c, m.adapter, t, rows.end, false);
        end = qn_lora_until(c, m.adapter, t, rows.end, true);
        if (t < end)
            qn_lora_multiply(c, &m, t, end, q, width(c), false, scratch);
        for (int64_t i = t; i < end; i++) {
            const void *line = q + (size_t)(i - t) * row_bytes;
            EITHER(c, sum, qn_row(&c->out[0], i), qn_row(&c->in[IN_Y], i), bias(c), line, (void *)g, width(c));
        }
    }
}

/* ---- backward ---- */

/* Partials: dq [T,N]; Σ of each tile for dm [tiles,N]; then linear's. */
static size_t dq_bytes(const qn_op_ctx *c) {
    return qn_round64((size_t)(c->in[IN_Y].dim[0] * width(c)) * c->k->real);
}
static size_t dm_bytes(const qn_op_ctx *c) { return qn_round64((size_t)(qn_op_row_tiles(c) * width(c)) * c->k->real); }

static qn_tensor dq_of(const qn_op_ctx *c) {
    qn_tensor t = c->out[0];
    t.data = c->partials;
    t.stride = width(c);
    return t;
}

static char *dm_of(const qn_op_ctx *c, int64_t tile) {
    return c->partials + dq_bytes(c) + (size_t)(tile * width(c)) * c->k->real;
}

static void grad_of(const qn_op_ctx *c, qn_lora_grad *g, const qn_tensor *dq) {
    const qn_lora_term m = term(c);
    const bool known = c->din != NULL;
    qn_lora_grad_init(g, c, &m, c->partials ? c->partials + dq_bytes(c) + dm_bytes(c) : NULL, known ? dq : NULL,
                      known ? &c->din[IN_U] : NULL, known ? &c->din[IN_B] : NULL);
}

/* dy of a row where its gradient is `row`. */
static void add_dy(const qn_op_ctx *c, int64_t t, const void *row) {
    const qn_tensor *dy = &c->din[IN_Y];
    if (dy->data && qn_op_born(c, IN_Y))
        memcpy(qn_row(dy, t), row, (size_t)width(c) * c->k->real);
    else if (dy->data)
        c->k->add(qn_row(dy, t), qn_row(dy, t), row, width(c));
}

static void begin(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    const qn_lora_term m = term(c);
    const qn_tensor dq = dq_of(c);
    const size_t row_bytes = (size_t)width(c) * c->k->real;
    char *q = q_rows(c, scratch), *f = g_row(c, scratch), *dm = dm_of(c, tile);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    EITHER(c, factors, (void *)f, c->in[IN_M].data, c->in[IN_L].data, width(c));
    memset(dm, 0, row_bytes);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const void *dout = qn_row(&c->dout[0], t);
        qn_lora_grad_scale(&g, c, &m, t);
        if (qn_lora_run_scale(c, m.adapter, t) == 0) {
            memset(qn_row(&dq, t), 0, row_bytes);
            add_dy(c, t, dout);
            continue;
        }
        qn_lora_multiply(c, &m, t, t + 1, q, width(c), false, scratch);
        EITHER(c, back, (void *)q, (void *)dm, dout, qn_row(&c->in[IN_Y], t), bias(c), c->in[IN_L].data, (void *)f,
               qn_row(&dq, t), width(c));
        add_dy(c, t, qn_row(&dq, t));
    }
}

static int64_t gather_tiles(const qn_op_ctx *c) {
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    return qn_linear_gather_tiles(&g.c);
}

static void gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    qn_linear_gather(&g.c, tile, scratch);
}

static int64_t m_tiles(const qn_op_ctx *c) { return c->din[IN_M].data ? qn_tiles(width(c), M_TILE) : 0; }

/* Sums of tiles in their order. */
static void add_dm(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_span n = qn_tile_span(width(c), M_TILE, tile);
    const size_t at = (size_t)n.begin * c->k->real;
    char *dm = (char *)c->din[IN_M].data + at;
    for (int64_t i = 0; i < qn_op_row_tiles(c); i++)
        c->k->add(dm, dm, dm_of(c, i) + at, n.end - n.begin);
}

static int64_t product_tiles(const qn_op_ctx *c) {
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    return qn_linear_grad_tiles(&g.c);
}

static void product(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    qn_linear_grad(&g.c, tile, scratch);
}

static int64_t finish_tiles(const qn_op_ctx *c) { return c->din[IN_U].data ? qn_op_row_tiles(c) : 0; }

static void finish(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    const qn_lora_term m = term(c);
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    for (int64_t t = rows.begin; t < rows.end; t++)
        qn_lora_grad_u(&g, c, &m, &c->din[IN_U], qn_op_born(c, IN_U), t, scratch);
}

static size_t partials(const qn_op_ctx *c, bool backward) {
    const qn_tensor dq = dq_of(c);
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    return backward ? dq_bytes(c) + dm_bytes(c) + qn_lora_grad_partials(&g) : 0;
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const qn_tensor dq = dq_of(c);
    const size_t rows = qn_round64(QN_OP_ROWS * (size_t)depth(c) * c->k->real) +
                        (QN_OP_ROWS + 1) * (size_t)width(c) * c->k->real;
    qn_lora_grad g;
    grad_of(c, &g, &dq);
    return QN_MAX(rows, qn_linear_scratch(&g.c, backward));
}

static int64_t flops(const qn_op_ctx *c) { return 2 * c->in[IN_Y].dim[0] * width(c) * depth(c); }

/* ---- cases ---- */

/* The second of three segments is off. */
static void *segments(qn_op_ctx *c) {
    static const float scales[] = {1, 0, 1};
    const int64_t T = c->in[IN_Y].dim[0];
    struct { qn_batch batch; int32_t row_segment[128]; } *b = qn_zalloc(QN_MEM_TEST, 1, sizeof *b);
    qn_assert(b && T <= (int64_t)QN_LEN(b->row_segment));
    for (int64_t t = 0; t < T; t++)
        b->row_segment[t] = (int32_t)(t * 3 / T);
    b->batch = (qn_batch){.row_segment = b->row_segment, .n_segments = 3, .adapter_scale = scales, .n_adapters = 1};
    c->run = &b->batch;
    return b;
}

static const qn_dora_attr half = {.scale = 0.5}, twice = {.scale = 2};
static const qn_op_case cases[] = {
    {.n_in = 5, .in = {{2, {1, 1}}, {2, {1, 1}}, {2, {1, 1}}, {1, {1}}, {1, {1}}}, .attr = &half, .lo = 0.3, .hi = 1,
     .panels = 1 << IN_B},
    {.n_in = 6, .in = {{2, {37, 35}}, {2, {37, 5}}, {2, {35, 5}}, {1, {35}}, {1, {35}}, {1, {35}}}, .attr = &twice,
     .lo = 0.3, .hi = 1, .panels = 1 << IN_B, .prepare = segments},
};

const qn_op qn_op_dora = {
    .name = "dora", .n_in_min = 5, .n_in_max = 6, .attr_size = sizeof(qn_dora_attr), .takes_packed = true,
    .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .backward = {{qn_op_row_tiles, begin}, {gather_tiles, gather}, {product_tiles, product},
                 {m_tiles, add_dm, .beside = true}, {finish_tiles, finish}},
    .partials = partials, .scratch = scratch_bytes, .by_rows = true,
    .const_inputs = 1 << IN_L | 1 << IN_BIAS, .writes = 1 << IN_Y | 1 << IN_U,
    .flops = flops, .cases = cases, .n_cases = QN_LEN(cases),
};
