/* ops/xent_grad.c — head and cross entropy, backward, which leaves the loss as well: where a walk follows, forward need
 * not have run (op.h: whole_backward). With p = softmax(logits) and s_t = dL/dloss_t · weight_t, the slopes
 * g_tv = s_t (p_tv − [v = target]) enter two products (kernels/kernels.h):
 *
 *   dL/dx_t += Σ_v g_tv · W_v         weights Wᵀ           dL/dW_v += Σ_t g_tv · x_t        rows gᵀ, weights xᵀ
 *
 * Rows with a slope lie side by side and pass in chunks, a round each: logits of LOGITS_BYTES or MORE_BYTES, or a block
 * of rows. The vocabulary is cut into groups, a tile each, and those into slices of 256.
 *
 *                 chunk 0              chunk 1 …
 *   slice 0    logits → g ────── logits → g ─────── …       dW of the slice: rows ascending, from what is there
 *   slice 1    logits → g ────── logits → g ─────── …
 *     ⋮           ↓ dx of the group: slices ascending
 *
 *   round 0   which rows have a slope; those rows of x, and the panels of xᵀ
 *   a round   logits of the chunk      loss and slopes, row by row      groups      dL/dx += dx of the groups, in order
 *
 * g is rounded as the weights ask for: to bf16, or not at all. Through F16 and quantized heads dx alone passes; where
 * the graph was asked to, through the latter as a product of BF16.
 *
 * Slopes of tokens with rows of their own are taken out of g, to where W has no part in them, and go as plain numbers:
 *
 *   dL/dxr_t += Σ_j g_tj · E_j     with the sum over groups        dL/dE_j += Σ_t g_tj · xr_t     beside the groups */
#include "ops/xent_impl.h"

#include <string.h>

enum {
    SLICE = 256, BLOCK_ROWS = 256, GATHER_ROWS = 64, SOFT_ROWS = 8,   /* the first three: whole panels; even */
    LOGITS_BYTES = 48 << 20, MORE_BYTES = 72 << 20, MOST_ROWS = 512,         /* of a chunk; where there is dW */
    DX_BYTES = 24 << 20, FEW_GROUPS = 4, MOST_GROUPS = 16           /* for the dx of all groups */
};

static int64_t vocabulary(const qn_op_ctx *c) { return c->in[W].dim[0]; }
static int64_t width(const qn_op_ctx *c) { return qn_xent_width(c); }
static int64_t tokens(const qn_op_ctx *c) { return qn_xent_tokens(c) ? qn_xent_tokens(c)->n : 0; }
static int64_t depth_of(const qn_op_ctx *c) { return c->in[W].dim[1]; }
static bool is_half(const qn_op_ctx *c) {
    return qn_dtype_get(c->in[W].dtype)->block > 1 && ((const qn_xent_attr *)c->attr)->half;
}
static qn_dtype dtype_of(const qn_op_ctx *c) { return is_half(c) ? QN_BF16 : qn_grad_dtype(c->in[W].dtype); }
static qn_act_form form_of(const qn_op_ctx *c) { return qn_act_form_of(dtype_of(c)); }
static bool wants_x(const qn_op_ctx *c) { return !c->din || c->din[X].data; }

static bool wants_w(const qn_op_ctx *c) {
    const bool can = qn_act_form_of(c->in[W].dtype) == form_of(c);
    qn_assert(!c->din || !c->din[W].data || can);
    return c->din ? c->din[W].data != NULL : can;
}

/* Rows of a chunk: whole blocks. dW passes through memory once for each chunk, which has more rows for that. */
static int64_t chunk_rows(const qn_op_ctx *c) {
    const int64_t fit = (wants_w(c) ? MORE_BYTES : LOGITS_BYTES) / (width(c) * (int64_t)sizeof(float));
    return QN_MAX(BLOCK_ROWS, QN_MIN(fit, MOST_ROWS) / BLOCK_ROWS * BLOCK_ROWS);
}

/* Groups have four panels or more where there are so many; their dx fit into DX_BYTES while there are FEW_GROUPS. */
static int64_t most_groups(const qn_op_ctx *c) {
    const int64_t panels = qn_panels(vocabulary(c));
    return QN_MIN(panels, QN_MAX(2, QN_MIN(MOST_GROUPS, panels / 4)));
}

static int64_t groups(const qn_op_ctx *c) {
    const int64_t one = chunk_rows(c) * depth_of(c) * (int64_t)sizeof(float);
    return QN_MIN(most_groups(c), QN_MAX(FEW_GROUPS, DX_BYTES / one));
}

/* ---- partials ---- */

/* Elements between rows of logits. Where V is divisible by a high power of two, a slice of all rows would meet in a few
 * sets of a cache: 17 lines more than a multiple of 32 share it out. */
static int64_t logits_ld(const qn_op_ctx *c) {
    const int64_t lines = qn_tiles(width(c) * (int64_t)c->k->real, 64);
    return (qn_tiles(lines, 32) * 32 + 17) * (64 / (int64_t)c->k->real);
}

/* n rows have a slope: list[0 … n) are their numbers. x, ldx bytes apart; xᵀ in panels, block after block. Of a chunk:
 * logits [rows,V], then the slopes in their place; dx [rows,K] of each group; slopes [rows,n] of tokens with rows. */
typedef struct {
    int64_t *n;
    int32_t *list;
    char *x, *panels, *logits, *dx, *own;
    size_t ldx, bytes;
} shared;

static shared shared_of(const qn_op_ctx *c) {
    const int64_t T = c->in[X].dim[0], K = depth_of(c), rows = QN_MIN(chunk_rows(c), T);
    shared s = {.n = (int64_t *)(void *)c->partials, .ldx = qn_act_row_bytes(qn_act_form_of(c->in[W].dtype), K)};
    size_t at = 64;
    s.list = (int32_t *)(void *)(c->partials + at);
    at += qn_round64((size_t)T * sizeof *s.list);
    s.x = c->partials + at;
    at += (size_t)T * s.ldx;
    s.panels = c->partials + at;
    at += wants_w(c) ? (size_t)qn_panels(K) * qn_panel_bytes(dtype_of(c), T) : 0;
    s.logits = c->partials + at;
    at += qn_round64((size_t)(rows * logits_ld(c)) * c->k->real);
    s.dx = c->partials + at;
    at += wants_x(c) ? (size_t)(groups(c) * rows * K) * c->k->real : 0;
    s.own = c->partials + at;
    s.bytes = at + (size_t)(rows * tokens(c)) * c->k->real;
    return s;
}

size_t qn_xent_partials(const qn_op_ctx *c, bool backward) { return backward ? shared_of(c).bytes : 0; }

/* Rows that this round may be about, and those of the list that it is about: tiles know of shapes only. */
static int64_t most_rows(const qn_op_ctx *c) {
    const qn_span rows = qn_tile_span(c->in[X].dim[0], chunk_rows(c), c->round);
    return rows.end - rows.begin;
}

static qn_span chunk_of(const qn_op_ctx *c, const shared *s) {
    const int64_t begin = QN_MIN(c->round * chunk_rows(c), *s->n);
    return (qn_span){begin, QN_MIN(begin + chunk_rows(c), *s->n)};
}

int64_t qn_xent_rounds(const qn_op_ctx *c) { return qn_tiles(c->in[X].dim[0], chunk_rows(c)); }

/* xᵀ's panel p of the block of rows that begins at t. */
static char *x_panel(const qn_op_ctx *c, const shared *s, int64_t t, int64_t p) {
    const int64_t rows = QN_MIN(BLOCK_ROWS, *s->n - t);
    return s->panels + (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), t) +
           (size_t)p * qn_panel_bytes(dtype_of(c), rows);
}

/* Of a chunk's row r: its logits or slopes from column n0 on; the group's own dx. */
static char *logits_at(const qn_op_ctx *c, const shared *s, int64_t r, int64_t n0) {
    return s->logits + (size_t)(r * logits_ld(c) + n0) * c->k->real;
}

/* The slopes of its tokens with rows of their own. */
static char *own_at(const qn_op_ctx *c, const shared *s, int64_t r) {
    return s->own + (size_t)(r * tokens(c)) * c->k->real;
}

static char *group_dx(const qn_op_ctx *c, const shared *s, int64_t group, int64_t r) {
    const int64_t rows = QN_MIN(chunk_rows(c), c->in[X].dim[0]);
    return s->dx + (size_t)((group * rows + r) * depth_of(c)) * c->k->real;
}

/* ---- round 0: rows ---- */

static double slope_of(const qn_op_ctx *c, int64_t t) {
    return real_at(c, c->in[WEIGHT].data, t) * real_at(c, c->dout[0].data, t);
}

int64_t qn_xent_list_tiles(const qn_op_ctx *c) { return c->round == 0; }

void qn_xent_list(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    (void)tile;
    (void)scratch;
    *s.n = 0;
    for (int64_t t = 0; t < c->in[X].dim[0]; t++)
        if (slope_of(c, t) != 0)
            s.list[(*s.n)++] = (int32_t)t;
        else if (real_at(c, c->in[WEIGHT].data, t) == 0)
            real_put(c, c->out[0].data, t, 0);
}

int64_t qn_xent_gather_tiles(const qn_op_ctx *c) {
    return c->round == 0 ? qn_tiles(c->in[X].dim[0], GATHER_ROWS) : 0;
}

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

/* ---- a round: logits, slopes ---- */

/* Columns of the vocabulary that are a group's. */
static qn_span columns_of(const qn_op_ctx *c, int64_t group) {
    const qn_span panels = qn_part_span(qn_panels(vocabulary(c)), groups(c), group);
    return (qn_span){panels.begin * QN_PANEL, QN_MIN(panels.end * QN_PANEL, vocabulary(c))};
}

int64_t qn_xent_logits_tiles(const qn_op_ctx *c) { return qn_tiles(most_rows(c), BLOCK_ROWS) * groups(c); }

/* A block of rows against the columns of a group. */
void qn_xent_logits(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    const qn_tensor *head = &c->in[W];
    const qn_span rows = chunk_of(c, &s), columns = columns_of(c, tile % groups(c));
    const int64_t r = tile / groups(c) * BLOCK_ROWS, m = QN_MIN(BLOCK_ROWS, rows.end - rows.begin - r);
    (void)scratch;
    for (int64_t n0 = columns.begin; m > 0 && n0 < columns.end; n0 += SLICE) {
        const qn_linear_args a = {
            .y = logits_at(c, &s, r, n0), .ldy = logits_ld(c), .x = s.x + (size_t)(rows.begin + r) * s.ldx,
            .ldx = s.ldx, .m = m, .n = QN_MIN(SLICE, columns.end - n0), .K = depth_of(c),
            .w = (const char *)head->data + (size_t)(n0 / QN_PANEL) * qn_panel_bytes(head->dtype, depth_of(c))};
        qn_linear_pick(c->k, head->dtype, m)(&a);
    }
}

/* The slopes of tokens with rows of their own, which are none of W's. */
static void take_out(const qn_op_ctx *c, void *g, void *own) {
    for (int64_t j = 0; j < tokens(c); j++) {
        const int64_t v = qn_xent_tokens(c)->id[j];
        real_put(c, own, j, real_at(c, g, v));
        real_put(c, g, v, 0);
    }
}

/* A row of logits becomes slopes in the form of the product, from where the row begins: rounded slice by slice, they
 * leave the memory of its other half alone. */
static void row_slopes(const qn_op_ctx *c, char *row, int64_t target, double lse, double slope, char *own) {
    qn_act_pack_fn *pack = c->k->act_pack[form_of(c)];
    const size_t real = c->k->real;
    double part[SLICE], packed[SLICE];                               /* of either size */
    if (!pack || tokens(c)) {
        c->k->xent_grad((void *)row, (void *)row, width(c), target, lse, slope);
        take_out(c, row, own);
    }
    for (int64_t n0 = 0; pack && n0 < vocabulary(c); n0 += SLICE) {
        const int64_t n = QN_MIN(SLICE, vocabulary(c) - n0);
        char *from = row + (size_t)n0 * real;
        if (!tokens(c))
            c->k->xent_grad(part, (void *)from, n, target - n0, lse, slope);
        pack(packed, tokens(c) ? (void *)from : part, n);
        memcpy(row + qn_dtype_row_bytes(dtype_of(c), n0), packed, qn_dtype_row_bytes(dtype_of(c), (n + 1) / 2 * 2));
    }
}

int64_t qn_xent_soft_tiles(const qn_op_ctx *c) { return qn_tiles(most_rows(c), SOFT_ROWS); }

void qn_xent_soft(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    const qn_span chunk = chunk_of(c, &s), rows = qn_tile_span(chunk.end - chunk.begin, SOFT_ROWS, tile);
    (void)scratch;
    for (int64_t r = rows.begin; r < rows.end; r++) {
        const int64_t t = s.list[chunk.begin + r], target = qn_i32(&c->in[TARGET])[t];
        char *g = logits_at(c, &s, r, 0);
        if (tokens(c))
            qn_xent_token_logits(c, t, g, own_at(c, &s, r));
        const double lse = qn_xent_loss(c, t, g);
        row_slopes(c, g, target, lse, slope_of(c, t), own_at(c, &s, r));
    }
}

/* ---- a round: products ---- */

/* A worker's: slopes [BLOCK_ROWS, SLICE], turned; the slice of Wᵀ. */
typedef struct { char *turned, *w, *room; size_t bytes; } worker;

static worker worker_of(const qn_op_ctx *c, void *scratch) {
    worker m = {.room = scratch};
    m.turned = m.room + qn_round64(qn_turn_room());
    m.w = m.turned + SLICE * qn_act_row_bytes(form_of(c), BLOCK_ROWS);
    m.bytes = (size_t)(m.w - m.room) + (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), SLICE);
    return m;
}

/* What qn_xent_sum needs for a row of E: reals, and what the judge widens. */
static size_t row_bytes(const qn_op_ctx *c) {
    return tokens(c) ? qn_round64((size_t)depth_of(c) * c->k->real) + qn_op_panel_scratch(c, &c->in[E]) : 0;
}

size_t qn_xent_grad_scratch(const qn_op_ctx *c) { return QN_MAX(worker_of(c, NULL).bytes, row_bytes(c)); }

/* One slice against the chunk's block of rows that begins at r. */
static void slice_block(const qn_op_ctx *c, const shared *s, const worker *w, int64_t group, bool first, int64_t n0,
                        int64_t n, int64_t r) {
    const qn_span rows = chunk_of(c, s);
    const int64_t m = QN_MIN(BLOCK_ROWS, rows.end - rows.begin - r), K = depth_of(c);
    const char *g = logits_at(c, s, r, 0) + qn_dtype_row_bytes(dtype_of(c), n0);
    const size_t ldg = (size_t)logits_ld(c) * c->k->real;
    if (wants_w(c)) {
        const qn_linear_args a = {.y = qn_row(&c->din[W], n0), .ldy = c->din[W].stride, .x = w->turned,
                                  .ldx = qn_act_row_bytes(form_of(c), m), .w = x_panel(c, s, rows.begin + r, 0),
                                  .m = n, .n = K, .K = m, .more = true};
        qn_turn_rows(c->k, w->turned, a.ldx, form_of(c), g, ldg, m, 0, n);
        qn_linear_pick(c->k, dtype_of(c), n)(&a);
    }
    if (wants_x(c)) {
        const qn_linear_args a = {.y = group_dx(c, s, group, r), .ldy = K, .x = g, .ldx = ldg, .w = w->w, .m = m,
                                  .n = K, .K = n, .more = !first};
        qn_linear_pick(c->k, dtype_of(c), m)(&a);
    }
}

static int64_t own_tiles(const qn_op_ctx *c) {
    return tokens(c) && c->din[E].data ? qn_op_scatter_tiles(tokens(c)) : 0;
}

/* dL/dE of some tokens, over the chunk's rows in their order. */
static void own_rows(const qn_op_ctx *c, const shared *s, int64_t tile) {
    const qn_span chunk = chunk_of(c, s), own = qn_op_scatter_span(tokens(c), tile);
    for (int64_t r = 0; r < chunk.end - chunk.begin; r++)
        for (int64_t j = own.begin; j < own.end; j++)
            c->k->axpby(qn_row(&c->din[E], j), qn_row(&c->in[XR], s->list[chunk.begin + r]),
                        real_at(c, own_at(c, s, r), j), 1, depth_of(c));
}

int64_t qn_xent_group_tiles(const qn_op_ctx *c) { return groups(c) + own_tiles(c); }

void qn_xent_group(const qn_op_ctx *c, int64_t group, void *scratch) {
    const shared s = shared_of(c);
    if (group >= groups(c)) {
        own_rows(c, &s, group - groups(c));
        return;
    }
    const worker w = worker_of(c, scratch);
    const qn_span columns = columns_of(c, group), rows = chunk_of(c, &s);
    for (int64_t n0 = columns.begin; rows.begin < rows.end && n0 < columns.end; n0 += SLICE) {
        const int64_t n = QN_MIN(SLICE, columns.end - n0);
        for (int64_t p = 0; wants_x(c) && p < qn_panels(depth_of(c)); p++)
            (is_half(c) ? qn_turn_panel_half : qn_turn_panel)(
                c->k, w.w + (size_t)p * qn_panel_bytes(dtype_of(c), n), c->in[W].dtype, c->in[W].data, depth_of(c),
                p * QN_PANEL, n0, n, w.room);
        for (int64_t r = 0; r < rows.end - rows.begin; r += BLOCK_ROWS)
            slice_block(c, &s, &w, group, n0 == columns.begin, n0, n, r);
    }
}

static bool wants_xr(const qn_op_ctx *c) { return tokens(c) && c->din[XR].data; }

int64_t qn_xent_sum_tiles(const qn_op_ctx *c) {
    return c->din[X].data || wants_xr(c) ? qn_tiles(most_rows(c), QN_OP_ROWS) : 0;
}

/* What the chunk's row r gets of the tokens with rows of their own. */
static void add_own(const qn_op_ctx *c, const shared *s, int64_t r, int64_t t, char *row) {
    for (int64_t j = 0; j < tokens(c); j++) {
        qn_op_panel_row(c, &c->in[E], j, row, row + qn_round64((size_t)depth_of(c) * c->k->real));
        c->k->axpby(qn_row(&c->din[XR], t), (void *)row, real_at(c, own_at(c, s, r), j), 1, depth_of(c));
    }
}

void qn_xent_sum(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const shared s = shared_of(c);
    const qn_span chunk = chunk_of(c, &s), rows = qn_tile_span(chunk.end - chunk.begin, QN_OP_ROWS, tile);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        const int64_t t = s.list[chunk.begin + r];
        for (int64_t g = 0; c->din[X].data && g < groups(c); g++) {
            void *dx = qn_row(&c->din[X], t);
            c->k->add(dx, dx, group_dx(c, &s, g, r), depth_of(c));
        }
        if (wants_xr(c))
            add_own(c, &s, r, t, scratch);
    }
}
