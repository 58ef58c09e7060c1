/* ops/xent_grad.c — head and cross entropy, backward. With s_t = dL/dloss_t · weight_t and p = softmax(logits),
 * computed again from logsumexp, the slopes g_tv = s_t (p_tv − [v = target]) enter two products (kernels/kernels.h):
 *
 *   dL/dx_t += Σ_v g_tv · W_v         weights Wᵀ           dL/dW_v += Σ_t g_tv · x_t        rows gᵀ, weights xᵀ
 *
 * The vocabulary is cut into groups, a tile each, and those into slices of 256; rows with a slope lie side by side and
 * pass in blocks of 256. A slice of W, turned, and a block of slopes are all that a worker keeps:
 *
 *              rows 0…255   256…511   …
 *   slice 0    g ────────── g ─────── …       dW of the slice: rows ascending, from what is there
 *   slice 1    g ────────── g ─────── …
 *     ⋮        dx of the group: slices ascending
 *
 *   phase 1   which rows have a slope       phase 2   those rows of x, and the panels of xᵀ
 *   phase 3   groups                        phase 4   dL/dx += dx of the groups, in order
 *
 * g is rounded as the weights ask for: to bf16, or not at all. Through F16 and quantized heads dx alone passes. */
#include "ops/xent_impl.h"

#include <string.h>

enum {
    SLICE = 256, BLOCK_ROWS = 256, GATHER_ROWS = 64,                /* whole panels; even */
    DX_BYTES = 24 << 20, FEW_GROUPS = 4, MOST_GROUPS = 16           /* for the dx of all groups */
};

static int64_t vocabulary(const qn_op_ctx *c) { return c->in[W].dim[0]; }
static int64_t depth_of(const qn_op_ctx *c) { return c->in[W].dim[1]; }
static qn_dtype dtype_of(const qn_op_ctx *c) { return qn_grad_dtype(c->in[W].dtype); }
static qn_act_form form_of(const qn_op_ctx *c) { return qn_act_form_of(dtype_of(c)); }
static bool wants_x(const qn_op_ctx *c) { return !c->din || c->din[X].data; }

static bool wants_w(const qn_op_ctx *c) {
    const bool can = qn_act_form_of(c->in[W].dtype) == form_of(c);
    qn_assert(!c->din || !c->din[W].data || can);
    return c->din ? c->din[W].data != NULL : can;
}

/* Groups have four panels or more where there are so many; their dx fit into DX_BYTES while there are FEW_GROUPS. */
static int64_t most_groups(const qn_op_ctx *c) {
    const int64_t panels = qn_panels(vocabulary(c));
    return QN_MIN(panels, QN_MAX(2, QN_MIN(MOST_GROUPS, panels / 4)));
}

static int64_t groups(const qn_op_ctx *c) {
    const int64_t one = c->in[X].dim[0] * depth_of(c) * (int64_t)sizeof(float);
    return QN_MIN(most_groups(c), QN_MAX(FEW_GROUPS, DX_BYTES / QN_MAX(one, 1)));
}

/* ---- partials ---- */

/* n rows have a slope: list[0 … n) are their numbers. x, ldx bytes apart; xᵀ in panels, block after block; dx [n,K] of
 * each group. */
typedef struct {
    int64_t *n;
    int32_t *list;
    char *x, *panels, *dx;
    size_t ldx, bytes;
} shared;

static shared shared_of(const qn_op_ctx *c) {
    const int64_t T = c->in[X].dim[0], K = depth_of(c);
    const size_t all = (size_t)(T * K) * c->k->real;
    shared s = {.n = (int64_t *)(void *)c->partials, .ldx = qn_act_row_bytes(qn_act_form_of(c->in[W].dtype), K)};
    size_t at = 64;
    s.list = (int32_t *)(void *)(c->partials + at);
    at += qn_round64((size_t)T * sizeof *s.list);
    s.x = c->partials + at;
    at += (size_t)T * s.ldx;
    s.panels = c->partials + at;
    at += wants_w(c) ? (size_t)qn_panels(K) * qn_panel_bytes(dtype_of(c), T) : 0;
    s.dx = c->partials + at;
    /* fewer rows may have more groups: room for whatever any number of rows up to T asks for */
    const size_t most = QN_MAX((size_t)DX_BYTES / sizeof(float) * c->k->real, FEW_GROUPS * all);
    s.bytes = at + (wants_x(c) ? QN_MIN((size_t)most_groups(c) * all, most) : 0);
    return s;
}

size_t qn_xent_partials(const qn_op_ctx *c, bool backward) { return backward ? shared_of(c).bytes : 0; }

/* xᵀ's panel p of the block of rows that begins at t. */
static char *x_panel(const qn_op_ctx *c, const shared *s, int64_t t, int64_t p) {
    const int64_t rows = QN_MIN(BLOCK_ROWS, *s->n - t);
    return s->panels + (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), t) +
           (size_t)p * qn_panel_bytes(dtype_of(c), rows);
}

/* The group's own dx of row i of the list. */
static char *group_dx(const qn_op_ctx *c, const shared *s, int64_t group, int64_t i) {
    return s->dx + (size_t)((group * *s->n + i) * depth_of(c)) * c->k->real;
}

/* ---- phases 1 and 2 ---- */

static double slope_of(const qn_op_ctx *c, int64_t t) {
    return real_at(c, c->in[WEIGHT].data, t) * real_at(c, c->dout[0].data, t);
}

int64_t qn_xent_list_tiles(const qn_op_ctx *c) {
    (void)c;
    return 1;
}

void qn_xent_list(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    (void)tile;
    (void)scratch;
    *s.n = 0;
    for (int64_t t = 0; t < c->in[X].dim[0]; t++)
        if (slope_of(c, t) != 0)
            s.list[(*s.n)++] = (int32_t)t;
}

int64_t qn_xent_gather_tiles(const qn_op_ctx *c) { return qn_tiles(c->in[X].dim[0], GATHER_ROWS); }

void qn_xent_gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    const qn_span rows = qn_tile_span(*s.n, GATHER_ROWS, tile);
    const size_t from = qn_xent_x_bytes(c), bytes = QN_MIN(from, s.ldx), size = qn_dtype_row_bytes(dtype_of(c), 1);
    (void)scratch;
    for (int64_t i = rows.begin; i < rows.end; i++)
        memcpy(s.x + (size_t)i * s.ldx, (const char *)c->in[X].data + (size_t)s.list[i] * from, bytes);
    if (!wants_w(c) || rows.begin >= rows.end)
        return;
    const int64_t block = rows.begin / BLOCK_ROWS * BLOCK_ROWS;
    for (int64_t p = 0; p < qn_panels(depth_of(c)); p++)
        qn_rows_panel(x_panel(c, &s, block, p) + (size_t)((rows.begin - block) * QN_PANEL) * size, form_of(c),
                      s.x + (size_t)rows.begin * s.ldx, s.ldx, rows.end - rows.begin, p * QN_PANEL, depth_of(c));
}

/* ---- phase 3 ---- */

/* A worker's: slopes [BLOCK_ROWS, SLICE] real; the same in the product's form; turned; the slice of Wᵀ. */
typedef struct { char *slopes, *packed, *turned, *w, *room; size_t ldp, bytes; } worker;

static worker worker_of(const qn_op_ctx *c, void *scratch) {
    worker m = {.room = scratch, .ldp = qn_act_row_bytes(form_of(c), SLICE)};
    m.slopes = m.room + qn_round64(qn_turn_room());
    m.packed = m.slopes + BLOCK_ROWS * SLICE * c->k->real;
    m.turned = m.packed + (c->k->act_pack[form_of(c)] ? BLOCK_ROWS * m.ldp : 0);
    m.w = m.turned + SLICE * qn_act_row_bytes(form_of(c), BLOCK_ROWS);
    m.bytes = (size_t)(m.w - m.room) + (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), SLICE);
    return m;
}

size_t qn_xent_grad_scratch(const qn_op_ctx *c) { return worker_of(c, NULL).bytes; }

/* Rows [i, i + m) of the list, columns [n0, n0 + n): logits, and from them the slopes in the product's form. */
static const char *slopes(const qn_op_ctx *c, const shared *s, const worker *w, int64_t i, int64_t m, int64_t n0,
                          int64_t n) {
    const qn_tensor *head = &c->in[W];
    qn_act_pack_fn *pack = c->k->act_pack[form_of(c)];
    const size_t row = SLICE * c->k->real;
    const qn_linear_args a = {
        .y = w->slopes, .ldy = SLICE, .x = s->x + (size_t)i * s->ldx, .ldx = s->ldx,
        .w = (const char *)head->data + (size_t)(n0 / QN_PANEL) * qn_panel_bytes(head->dtype, depth_of(c)),
        .m = m, .n = n, .K = depth_of(c)};
    qn_linear_pick(c->k, head->dtype, m)(&a);
    for (int64_t r = 0; r < m; r++) {
        const int64_t t = s->list[i + r];
        char *g = w->slopes + (size_t)r * row;
        c->k->xent_grad(g, g, n, qn_i32(&c->in[TARGET])[t] - n0, real_at(c, c->saved[0].data, t), slope_of(c, t));
        if (pack)
            pack(w->packed + (size_t)r * w->ldp, g, n);
    }
    return pack ? w->packed : w->slopes;
}

/* One slice against one block of rows. */
static void slice_block(const qn_op_ctx *c, const shared *s, const worker *w, int64_t group, bool first, int64_t n0,
                        int64_t n, int64_t i) {
    const int64_t m = QN_MIN(BLOCK_ROWS, *s->n - i), K = depth_of(c);
    const size_t ldp = c->k->act_pack[form_of(c)] ? w->ldp : SLICE * c->k->real;
    const char *g = slopes(c, s, w, i, m, n0, n);
    if (wants_x(c)) {
        const qn_linear_args a = {.y = group_dx(c, s, group, i), .ldy = K, .x = g, .ldx = ldp, .w = w->w, .m = m,
                                  .n = K, .K = n, .more = !first};
        qn_linear_pick(c->k, dtype_of(c), m)(&a);
    }
    if (wants_w(c)) {
        const qn_linear_args a = {.y = qn_row(&c->din[W], n0), .ldy = c->din[W].stride, .x = w->turned,
                                  .ldx = qn_act_row_bytes(form_of(c), m), .w = x_panel(c, s, i, 0), .m = n, .n = K,
                                  .K = m, .more = true};
        qn_turn_rows(c->k, w->turned, a.ldx, form_of(c), g, ldp, m, 0, n);
        qn_linear_pick(c->k, dtype_of(c), n)(&a);
    }
}

int64_t qn_xent_group_tiles(const qn_op_ctx *c) { return groups(c); }

void qn_xent_group(const qn_op_ctx *c, int64_t group, void *scratch) {
    const shared s = shared_of(c);
    const worker w = worker_of(c, scratch);
    const int64_t panels = qn_panels(vocabulary(c));
    const int64_t begin = panels * group / groups(c) * QN_PANEL;
    const int64_t end = QN_MIN(panels * (group + 1) / groups(c) * QN_PANEL, vocabulary(c));
    for (int64_t n0 = begin; n0 < end; n0 += SLICE) {
        const int64_t n = QN_MIN(SLICE, end - n0);
        for (int64_t p = 0; wants_x(c) && p < qn_panels(depth_of(c)); p++)
            qn_turn_panel(c->k, w.w + (size_t)p * qn_panel_bytes(dtype_of(c), n), c->in[W].dtype, c->in[W].data,
                          depth_of(c), p * QN_PANEL, n0, n, w.room);
        for (int64_t i = 0; i < *s.n; i += BLOCK_ROWS)
            slice_block(c, &s, &w, group, n0 == begin, n0, n, i);
    }
}

/* ---- phase 4 ---- */

int64_t qn_xent_sum_tiles(const qn_op_ctx *c) { return c->din[X].data ? qn_op_row_tiles(c) : 0; }

void qn_xent_sum(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    const qn_span rows = qn_tile_span(*s.n, QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t g = 0; g < groups(c); g++) {
            void *dx = qn_row(&c->din[X], s.list[i]);
            c->k->add(dx, dx, group_dx(c, &s, g, i), depth_of(c));
        }
}
