/* ops/noise.c — y = x + α/√(n·D) · u, u uniform in [−1, 1): noise on what the embedding gives, for tuning (NEFTune:
 * Jain et al. 2023). n is the length of the segment that the row is in: its noise has the same expected length however
 * long it is, and however it is packed.
 *
 *   x, y [T,D]        dL/dx += g
 *
 * Four elements share a draw of 4 × 32 bits, which depends on the run's seed and step and on (row, place in the row)
 * alone, as in ops/dropout.c. A run that does not ask for noise passes x on. */
#include "ops/attention.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_noise_attr *at = a->attr;
    const qn_shape *x = &a->in[0];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "noise: rows must be [T,D], got %s", qn_shape_text(x));
    if (!(at->alpha >= 0 && at->alpha <= 1e6))
        return qn_fail(QN_EINVAL, "noise: alpha is %g, and must be 0 to 1e6", at->alpha);
    out[0] = (qn_op_out){*x, a->dtype[0], QN_LAYOUT_ROWS};
    return 0;
}

static bool is_noisy(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return b && b->noise && ((const qn_noise_attr *)c->attr)->alpha > 0;
}

static double scale_of(const qn_op_ctx *c, int64_t t) {
    const qn_batch *b = c->run;
    const int64_t n = b->row_segment ? b->segment[b->row_segment[t]].n : c->in[0].dim[0];
    return ((const qn_noise_attr *)c->attr)->alpha / sqrt((double)n * (double)c->in[0].dim[1]);
}

static void add_noise(const qn_op_ctx *c, int64_t t) {
    const qn_batch *b = c->run;
    const int64_t D = c->in[0].dim[1], row = b->row_id ? b->row_id[t] : t;
    const double scale = scale_of(c, t);
    const void *x = qn_row(&c->in[0], t);
    void *y = qn_row(&c->out[0], t);
    for (int64_t i = 0; i < D; i += 4) {
        const qn_rng_block u = qn_rng(b->seed, QN_RNG_NOISE, b->step, (uint64_t)(row * qn_tiles(D, 4) + i / 4));
        for (int64_t k = i; k < QN_MIN(D, i + 4); k++) {
            const double noise = scale * ((double)u.v[k - i] * 0x1p-31 - 1);
            if (c->k->real == sizeof(double))
                ((double *)y)[k] = ((const double *)x)[k] + noise;
            else
                ((float *)y)[k] = ((const float *)x)[k] + (float)noise;
        }
    }
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (is_noisy(c))
            add_noise(c, t);
        else
            memcpy(qn_row(&c->out[0], t), qn_row(&c->in[0], t), (size_t)c->in[0].dim[1] * c->k->real);
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[0].data ? qn_op_row_tiles(c) : 0; }

static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->add(qn_row(&c->din[0], t), qn_row(&c->din[0], t), qn_row(&c->dout[0], t), c->in[0].dim[1]);
}

static void *prepare(qn_op_ctx *c) {
    qn_batch *b = qn_zalloc(QN_MEM_TEST, 1, sizeof *b);
    qn_assert(b);
    b->seed = 11;
    b->step = 3;
    b->noise = true;
    c->run = b;
    return b;
}

static const qn_noise_attr five = {5}, none = {0};
static const qn_op_case cases[] = {
    {.n_in = 1, .in = {{2, {1, 1}}}, .attr = &five, .prepare = prepare},
    {.n_in = 1, .in = {{2, {33, 19}}}, .attr = &five, .prepare = prepare},          /* three tiles, an odd tail */
    {.n_in = 1, .in = {{2, {17, 8}}}, .attr = &none, .prepare = prepare},
    {.n_in = 1, .in = {{2, {17, 8}}}, .attr = &five},                               /* a run without noise */
};

const qn_op qn_op_noise = {
    .name = "noise", .n_in_min = 1, .n_in_max = 1, .attr_size = sizeof(qn_noise_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}}, .unread = 1 << 0,
    .cases = cases, .n_cases = QN_LEN(cases),
};
