/* ops/dropout.c — y = x · m / (1 − p), m = 0 with probability p, else 1 (Srivastava et al. 2014, scaled in training).
 *
 *   x, y [T,D]        dL/dx += g · m / (1 − p)
 *
 * No mask is kept: backward draws it again. Four elements share a draw of 4 × 32 bits, which depends on the run's seed
 * and step and on (site, row, place in the row) alone:
 *
 *   index = site·2⁴⁰ + row·⌈D/4⌉ + i/4        word i mod 4;  m = word ≥ p·2³²
 *
 * The row counts within the run, or is what the run says (qn_batch.row_id): then micro-batches of any size drop the
 * same elements of the same tokens. A run that does not ask for dropout passes x on. */
#include "ops/attention.h"
#include "ops/ops.h"

#include <string.h>

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_dropout_attr *at = a->attr;
    const qn_shape *x = &a->in[0];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "dropout: rows must be [T,D], got %s", qn_shape_text(x));
    if (!(at->p >= 0 && at->p < 1))
        return qn_fail(QN_EINVAL, "dropout: p is %g, and must be at least 0 and below 1", at->p);
    if (at->site < 0 || at->site >= 1 << 20)
        return qn_fail(QN_EINVAL, "dropout: site is %lld, and must be in 0…%d", (long long)at->site, (1 << 20) - 1);
    out[0] = (qn_op_out){*x, a->dtype[0], QN_LAYOUT_ROWS};
    return 0;
}

static bool drops(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return b && b->dropout != 0 && ((const qn_dropout_attr *)c->attr)->p > 0;
}

/* What multiplies the elements of row t: 0 or 1/(1 − p), D reals. */
static void factors(const qn_op_ctx *c, int64_t t, void *f) {
    const qn_dropout_attr *at = c->attr;
    const qn_batch *b = c->run;
    const int64_t D = c->in[0].dim[1], row = b->row_id ? b->row_id[t] : t;
    c->k->drop_mask(f, D, at->p, b->seed, b->step, ((uint64_t)at->site << 40) + (uint64_t)(row * qn_tiles(D, 4)));
}

/* y = x·f, or y += x·f */
static void multiply(const qn_op_ctx *c, void *y, const void *x, const void *f, bool more) {
    const int64_t D = c->in[0].dim[1];
    for (int64_t i = 0; i < D && c->k->real == sizeof(double); i++)
        ((double *)y)[i] = (more ? ((double *)y)[i] : 0) + ((const double *)x)[i] * ((const double *)f)[i];
    for (int64_t i = 0; i < D && c->k->real == sizeof(float); i++)
        ((float *)y)[i] = (more ? ((float *)y)[i] : 0) + ((const float *)x)[i] * ((const float *)f)[i];
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (drops(c)) {
            factors(c, t, scratch);
            multiply(c, qn_row(&c->out[0], t), qn_row(&c->in[0], t), scratch, false);
        } else {
            memcpy(qn_row(&c->out[0], t), qn_row(&c->in[0], t), (size_t)c->in[0].dim[1] * c->k->real);
        }
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[0].data ? qn_op_row_tiles(c) : 0; }

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    for (int64_t t = rows.begin; t < rows.end; t++) {
        void *dx = qn_row(&c->din[0], t), *g = qn_row(&c->dout[0], t);
        if (drops(c)) {
            factors(c, t, scratch);
            multiply(c, dx, g, scratch, true);
        } else {
            c->k->add(dx, dx, g, c->in[0].dim[1]);
        }
    }
}

static size_t scratch_bytes(const qn_op_ctx *c, bool back) {
    (void)back;
    return (size_t)c->in[0].dim[1] * c->k->real;
}

static void *prepare(qn_op_ctx *c) {
    qn_batch *b = qn_zalloc(QN_MEM_TEST, 1, sizeof *b);
    qn_assert(b);
    b->seed = 11;
    b->step = 3;
    b->dropout = 1;
    c->run = b;
    return b;
}

static const qn_dropout_attr tenth = {0.1, 0}, half = {0.5, 7};
static const qn_op_case cases[] = {
    {.n_in = 1, .in = {{2, {1, 1}}}, .attr = &half, .prepare = prepare},
    {.n_in = 1, .in = {{2, {33, 19}}}, .attr = &tenth, .prepare = prepare},         /* three tiles, an odd tail */
    {.n_in = 1, .in = {{2, {17, 8}}}, .attr = &half},                               /* a run without dropout */
};

const qn_op qn_op_dropout = {
    .name = "dropout", .n_in_min = 1, .n_in_max = 1, .attr_size = sizeof(qn_dropout_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}}, .scratch = scratch_bytes,
    .unread = 1 << 0, .cases = cases, .n_cases = QN_LEN(cases),
};
