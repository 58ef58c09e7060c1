/* ops/rope.c — rotary position embedding (Su et al. 2021, "RoFormer"), halves paired as in GPT-NeoX and Hugging Face.
 *
 *   rope_table   positions [T] i32 → table [T,rot]: row t = cos(p·f_i)·a for i < rot/2, then sin(p·f_i)·a
 *   rope         x [T,H,Dh], table [T,rot] → y [T,H,Dh]
 *
 * The table is made once per run and serves all layers. Angles are computed in double: at position 100,000 a float
 * angle would be off by 4e-3. Documents of a pack all begin at position 0: a row at a position that an earlier row has
 * is copied from it (phase 1 finds these rows, phase 3 copies; a run of few rows does neither).
 *
 * Backward of rope is the rotation by −angle: dL/dx += rope(dL/dy, cos, −sin). */
#include "num/math.h"
#include "ops/ops.h"

#include <string.h>

enum { X, TABLE };

static void put(const qn_op_ctx *c, void *row, int64_t i, double v) {
    if (c->k->real == sizeof(double))
        ((double *)row)[i] = v;
    else
        ((float *)row)[i] = (float)v;
}

static int table_shape(const qn_op_args *a, qn_op_out *out) {
    const qn_rope_attr *at = a->attr;
    if (a->in[0].rank != 1 || a->dtype[0] != QN_I32)
        return qn_fail(QN_ESHAPE, "rope_table: positions must be [T] i32, got %s", qn_shape_text(&a->in[0]));
    if (at->rot <= 0 || at->rot % 2 || at->rot > QN_ROPE_MAX)
        return qn_fail(QN_EUNSUPPORTED,
                       "rope_table: %lld rotated elements per head; an even number up to %d is supported",
                       (long long)at->rot, QN_ROPE_MAX);
    out[0] = (qn_op_out){{2, {a->in[0].dim[0], at->rot}}, QN_F32, QN_LAYOUT_ROWS};
    return 0;
}

static bool looks_for_copies(const qn_op_ctx *c) { return c->in[0].dim[0] > QN_OP_ROWS; }

/* For each row the first one at its position; behind that the slots that find it, twice as many as rows or more. */
static int32_t *first_at(const qn_op_ctx *c) { return (int32_t *)(void *)c->partials; }

static int64_t slots(const qn_op_ctx *c) {
    int64_t n = 1;
    while (n < 2 * c->in[0].dim[0])
        n *= 2;
    return n;
}

static size_t table_partials(const qn_op_ctx *c, bool backward) {
    return backward ? 0 : (size_t)(c->in[0].dim[0] + slots(c)) * sizeof(int32_t);
}

static int64_t find_tiles(const qn_op_ctx *c) { return looks_for_copies(c); }

static void find_copies(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t T = c->in[0].dim[0], last = slots(c) - 1;
    const int32_t *pos = qn_i32(&c->in[0]);
    int32_t *first = first_at(c), *slot = first + T;
    (void)tile;
    (void)scratch;
    memset(slot, 0xff, (size_t)slots(c) * sizeof *slot);                /* −1: free */
    for (int64_t t = 0; t < T; t++) {
        int64_t i = pos[t] & last;
        while (slot[i] >= 0 && pos[slot[i]] != pos[t])
            i = (i + 1) & last;
        if (slot[i] < 0)
            slot[i] = (int32_t)t;
        first[t] = slot[i];
    }
}

static int64_t copy_tiles(const qn_op_ctx *c) { return looks_for_copies(c) ? qn_op_row_tiles(c) : 0; }

static void copy_rows(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        if (first_at(c)[t] != t)
            memcpy(qn_row(&c->out[0], t), qn_row(&c->out[0], first_at(c)[t]),
                   (size_t)c->out[0].dim[1] * c->k->real);
}

static void table_forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_rope_attr *at = c->attr;
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++) {
        if (looks_for_copies(c) && first_at(c)[t] != t)
            continue;
        const double p = qn_i32(&c->in[0])[t];
        void *row = qn_row(&c->out[0], t);
        for (int64_t i = 0; i < at->rot / 2; i++) {
            put(c, row, i, qn_cos(p * at->freq[i]) * at->factor);
            put(c, row, i + at->rot / 2, qn_sin(p * at->freq[i]) * at->factor);
        }
    }
}

const qn_op qn_op_rope_table = {
    .name = "rope_table", .n_in_min = 1, .n_in_max = 1, .attr_size = sizeof(qn_rope_attr), .shape = table_shape,
    .forward = {{find_tiles, find_copies}, {qn_op_row_tiles, table_forward}, {copy_tiles, copy_rows}},
    .partials = table_partials,
    .no_grad = "positions are integers",
};

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *x = &a->in[X], *t = &a->in[TABLE];
    if (x->rank != 3 || t->rank != 2 || t->dim[0] != x->dim[0] || t->dim[1] > x->dim[2] || t->dim[1] % 2)
        return qn_fail(QN_ESHAPE, "rope: heads are %s, the table has %lld columns", qn_shape_text(x),
                       (long long)t->dim[1]);
    out[0] = (qn_op_out){*x, a->dtype[X], QN_LAYOUT_ROWS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor *x = &c->in[X];
    const qn_span rows = qn_tile_span(x->dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->rope(qn_row(&c->out[0], t), qn_row(x, t), qn_row(&c->in[TABLE], t), x->dim[1], x->dim[2],
                   c->in[TABLE].dim[1]);
}

/* scratch: rot reals (cos, −sin), then one row of heads */
static void backward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_tensor *x = &c->in[X];
    const int64_t rot = c->in[TABLE].dim[1], row = x->dim[1] * x->dim[2];
    const qn_span rows = qn_tile_span(x->dim[0], QN_OP_ROWS, tile);
    char *cs = scratch, *turned = cs + (size_t)rot * c->k->real;
    const size_t half = (size_t)(rot / 2) * c->k->real;
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const char *table = qn_row(&c->in[TABLE], t);
        c->k->scale(cs, table, 1, rot / 2);
        c->k->scale(cs + half, table + half, -1, rot / 2);
        void *dx = qn_row(&c->din[X], t);
        c->k->rope(qn_op_born(c, X) ? dx : turned, qn_row(&c->dout[0], t), cs, x->dim[1], x->dim[2], rot);
        if (!qn_op_born(c, X))
            c->k->add(dx, dx, turned, row);
    }
}

static int64_t backward_tiles(const qn_op_ctx *c) { return c->din[X].data ? qn_op_row_tiles(c) : 0; }

static size_t scratch_bytes(const qn_op_ctx *c, bool is_backward) {
    return is_backward ? (size_t)(c->in[TABLE].dim[1] + qn_tensor_row(&c->in[X])) * c->k->real : 0;
}

static const qn_op_case cases[] = {
    {.n_in = 2, .in = {{3, {1, 1, 2}}, {2, {1, 2}}}},
    {.n_in = 2, .in = {{3, {17, 3, 10}}, {2, {17, 10}}}},               /* two tiles, odd tail */
    {.n_in = 2, .in = {{3, {3, 2, 12}}, {2, {3, 8}}}},                  /* partial rotation: the rest is copied */
};

const qn_op qn_op_rope = {
    .name = "rope", .n_in_min = 2, .n_in_max = 2, .shape = shape,
    .forward = {{qn_op_row_tiles, forward}}, .backward = {{backward_tiles, backward}}, .scratch = scratch_bytes,
    .const_inputs = 1 << TABLE, .unread = 1 << X, .cheap = true, .writes = 1 << X,
    .cases = cases, .n_cases = QN_LEN(cases),
};
