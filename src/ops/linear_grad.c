/* ops/linear_grad.c — linear, backward: two products by the rows that forward uses (kernels/kernels.h).
 *
 *   dL/dx   [T,K]   += Σ_i dL/dy_i · W_i        weights Wᵀ: panels turned once, a slab of N at a time
 *   dL/dW_i [N_i,K] += dL/dy_iᵀ · x             weights xᵀ: made once for all weights; rows dyᵀ: a slab of T at a time
 *   dL/db_i [N_i]   += Σ_t dL/dy_i
 *
 *   phase 1   the panels of Wᵀ; those of xᵀ; where products take another form than dy has (BF16), rows of dy in it
 *   phase 2   tiles of dx: rows × a few panels; tiles of dW and db: columns of dy, rows ascending
 *
 * Through weights of any stored dtype: F16 and quantized blocks count as the numbers that they decode to. Each output
 * is one chain that begins at what is there, so the sums over weights, slabs and micro-batches have a fixed order. A
 * quantized weight has no gradient itself: its activations are 8-bit blocks. */
#include "ops/linear_impl.h"

enum {
    GATHER_ROWS = 64,                   /* even: a pair of BF16 lies in one tile */
    T_SLAB = 512, N_SLAB = 384,         /* a panel's slab: 64 KB, 48 KB of floats; even, N_SLAB whole panels */
    DX_ROWS = 512, DX_PANELS = 4,
    DW_FEW = 48, DW_MANY = 96, DW_TILES = 8
};

/* ---- operands ---- */

static const qn_linear_attr *attr(const qn_op_ctx *c) { return c->attr; }
static int64_t rows_of(const qn_op_ctx *c) { return c->in[X].dim[0]; }
static int64_t depth_of(const qn_op_ctx *c) { return c->in[X].dim[1]; }

/* Quantized weights count as F32, and where the graph was asked to both as BF16: kernels.h. */
static bool is_coded(const qn_op_ctx *c) { return qn_dtype_get(c->in[W].dtype)->block > 1; }
static bool is_half(const qn_op_ctx *c) {
    return (attr(c)->bias & QN_LINEAR_HALF) && (is_coded(c) || c->in[W].dtype == QN_F32);
}
static qn_dtype dtype_of(const qn_op_ctx *c) { return is_half(c) ? QN_BF16 : qn_grad_dtype(c->in[W].dtype); }
static qn_act_form form_of(const qn_op_ctx *c) { return qn_act_form_of(dtype_of(c)); }

/* Some weight is trained: always asked the same, from planning on. (Without gradients at hand, as far as one could be:
 * x must be there as numbers.) */
static bool wants_weights(const qn_op_ctx *c) {
    const bool can = !is_coded(c);
    for (int i = 0; c->din && i < attr(c)->n; i++)
        if (c->din[W + i].data) {
            qn_assert(can);
            return true;
        }
    return !c->din && can;
}

typedef struct { const char *data; size_t ld; } act_rows;

/* Rows of x in the product's form: as they came, or packed into `room`. */
static bool packs_x(const qn_op_ctx *c) { return is_half(c) && c->in[X].layout == QN_LAYOUT_ROWS; }

static act_rows x_rows(const qn_op_ctx *c, qn_span rows, char *room) {
    const qn_tensor *x = &c->in[X];
    const bool packed = x->layout == QN_LAYOUT_ACTS;
    const size_t line = qn_act_row_bytes(form_of(c), x->dim[1]), ld = packed ? line : (size_t)x->stride * c->k->real;
    const act_rows whole = {(const char *)x->data + (size_t)rows.begin * ld, ld};
    for (int64_t t = 0; packs_x(c) && t < rows.end - rows.begin; t++)
        c->k->act_pack[form_of(c)](room + (size_t)t * line, whole.data + (size_t)t * ld, x->dim[1]);
    return packs_x(c) ? (act_rows){room, line} : whole;
}

/* Partials: xᵀ's panels, slab by slab; then dy of each weight in the product's form. */
static size_t x_panels_bytes(const qn_op_ctx *c) {
    return wants_weights(c) ? (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), rows_of(c)) : 0;
}

static bool packs_dy(const qn_op_ctx *c) { return c->k->act_pack[form_of(c)] != NULL; }

static size_t packed_dy_at(const qn_op_ctx *c, int i) {
    size_t at = x_panels_bytes(c);
    for (int j = 0; j < i && packs_dy(c); j++)
        at += (size_t)rows_of(c) * qn_act_row_bytes(form_of(c), c->in[W + j].dim[0]);
    return at;
}

static act_rows packed_dy(const qn_op_ctx *c, int i) {
    return (act_rows){c->partials + packed_dy_at(c, i), qn_act_row_bytes(form_of(c), c->in[W + i].dim[0])};
}

static act_rows dy_rows(const qn_op_ctx *c, int i) {
    return packs_dy(c) ? packed_dy(c, i) : (act_rows){c->dout[i].data, (size_t)c->dout[i].stride * c->k->real};
}

/* … then the panels of W_iᵀ, slab by slab. */
static bool wants_x(const qn_op_ctx *c) { return !c->din || c->din[X].data; }

static size_t turned_bytes(const qn_op_ctx *c, int64_t n) {
    return (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), n);
}

static size_t turned_at(const qn_op_ctx *c, int i) {
    size_t at = qn_round64(packed_dy_at(c, attr(c)->n));
    for (int j = 0; j < i && wants_x(c); j++)
        at += turned_bytes(c, c->in[W + j].dim[0]);
    return at;
}

/* Panel p of the slab that begins at row n of W_i. */
static char *turned_panel(const qn_op_ctx *c, int i, int64_t n, int64_t p) {
    return c->partials + turned_at(c, i) + turned_bytes(c, n) +
           (size_t)p * qn_panel_bytes(dtype_of(c), QN_MIN(N_SLAB, c->in[W + i].dim[0] - n));
}

size_t qn_linear_partials(const qn_op_ctx *c, bool backward) { return backward ? turned_at(c, attr(c)->n) : 0; }

static size_t element_bytes(const qn_op_ctx *c) { return qn_dtype_row_bytes(dtype_of(c), 1); }

/* xᵀ's panel p of the slab that row t lies in. */
static char *x_panel(const qn_op_ctx *c, int64_t t, int64_t p) {
    const int64_t slab = t / T_SLAB * T_SLAB, rows = QN_MIN(T_SLAB, rows_of(c) - slab);
    return c->partials + (size_t)qn_panels(depth_of(c)) * qn_panel_bytes(dtype_of(c), slab) +
           (size_t)p * qn_panel_bytes(dtype_of(c), rows);
}

/* ---- phase 1 ---- */

static int64_t turn_tiles(const qn_op_ctx *c) { return wants_x(c) ? attr(c)->n * qn_panels(depth_of(c)) : 0; }

int64_t qn_linear_gather_tiles(const qn_op_ctx *c) {
    return turn_tiles(c) + (packs_dy(c) || wants_weights(c) ? qn_tiles(rows_of(c), GATHER_ROWS) : 0);
}

static void turn(const qn_op_ctx *c, int i, int64_t p, void *scratch) {
    const qn_tensor *w = &c->in[W + i];
    for (int64_t n = 0; n < w->dim[0]; n += N_SLAB)
        (is_half(c) ? qn_turn_panel_half : qn_turn_panel)(c->k, turned_panel(c, i, n, p), w->dtype, w->data, w->dim[1],
                                                          p * QN_PANEL, n, QN_MIN(N_SLAB, w->dim[0] - n), scratch);
}

static void gather_rows(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(rows_of(c), GATHER_ROWS, tile);
    const act_rows x = wants_weights(c) ? x_rows(c, rows, scratch) : (act_rows){0};
    const size_t line = QN_PANEL * element_bytes(c);
    for (int64_t p = 0; wants_weights(c) && p < qn_panels(depth_of(c)); p++)
        qn_rows_panel(x_panel(c, rows.begin, p) + (size_t)(rows.begin % T_SLAB) * line, form_of(c),
                      x.data, x.ld, rows.end - rows.begin, p * QN_PANEL, depth_of(c));
    for (int i = 0; i < attr(c)->n && packs_dy(c); i++) {
        const act_rows dy = packed_dy(c, i);
        for (int64_t t = rows.begin; t < rows.end; t++)
            c->k->act_pack[form_of(c)]((char *)(uintptr_t)dy.data + (size_t)t * dy.ld, qn_row(&c->dout[i], t),
                                       c->in[W + i].dim[0]);
    }
}

void qn_linear_gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    if (tile < turn_tiles(c))
        turn(c, (int)(tile / qn_panels(depth_of(c))), tile % qn_panels(depth_of(c)), scratch);
    else
        gather_rows(c, tile - turn_tiles(c), scratch);
}

/* ---- phase 2: dx ---- */

/* Rows and panels of K per tile: as even as they can be shared out among tiles of DX_ROWS and DX_PANELS at most. */
static int64_t dx_rows(const qn_op_ctx *c) { return qn_tiles(rows_of(c), qn_tiles(rows_of(c), DX_ROWS)); }

static int64_t dx_panels(const qn_op_ctx *c) {
    const int64_t panels = qn_panels(depth_of(c));
    return qn_tiles(panels, qn_tiles(panels, DX_PANELS));
}

static int64_t dx_tiles(const qn_op_ctx *c) {
    return c->din[X].data ? qn_tiles(rows_of(c), dx_rows(c)) * qn_tiles(qn_panels(depth_of(c)), dx_panels(c)) : 0;
}

static void dx_tile(const qn_op_ctx *c, int64_t tile) {
    const int64_t row_tiles = qn_tiles(rows_of(c), dx_rows(c));
    const qn_span rows = qn_tile_span(rows_of(c), dx_rows(c), tile % row_tiles);
    const qn_span panels = qn_tile_span(qn_panels(depth_of(c)), dx_panels(c), tile / row_tiles);
    const int64_t k0 = panels.begin * QN_PANEL;
    for (int i = 0; i < attr(c)->n; i++) {
        const qn_tensor *w = &c->in[W + i];
        const act_rows dy = dy_rows(c, i);
        for (int64_t n = 0; n < w->dim[0]; n += N_SLAB) {
            const int64_t deep = QN_MIN(N_SLAB, w->dim[0] - n);
            const qn_linear_args a = {
                .y = (char *)qn_row(&c->din[X], rows.begin) + (size_t)k0 * c->k->real, .ldy = c->din[X].stride,
                .x = dy.data + (size_t)rows.begin * dy.ld + (size_t)n * element_bytes(c), .ldx = dy.ld,
                .w = turned_panel(c, i, n, panels.begin),
                .m = rows.end - rows.begin, .n = QN_MIN(depth_of(c), panels.end * QN_PANEL) - k0, .K = deep,
                .more = i > 0 || n > 0 || !qn_op_born(c, X),
            };
            qn_linear_pick(c->k, dtype_of(c), a.m)(&a);
        }
    }
}

/* ---- phase 2: dW and db ---- */

static int64_t dw_rows(const qn_op_ctx *c, int i) {
    return c->in[W + i].dim[0] >= DW_MANY * DW_TILES ? DW_MANY : DW_FEW;
}

static void *bias_grad(const qn_op_ctx *c, int i) {
    return has_bias(attr(c), i) ? c->din[bias_input(attr(c), i)].data : NULL;
}

static int64_t dw_tiles(const qn_op_ctx *c, int i) {
    return c->din[W + i].data || bias_grad(c, i) ? qn_tiles(c->in[W + i].dim[0], dw_rows(c, i)) : 0;
}

/* Rows t of dy, columns n: their sum by columns goes to db. */
static void db_add(const qn_op_ctx *c, int i, qn_span t, qn_span n) {
    char *db = bias_grad(c, i);
    if (!db)
        return;
    db += (size_t)n.begin * c->k->real;
    for (int64_t r = t.begin; r < t.end; r++)
        c->k->add(db, db, (char *)qn_row(&c->dout[i], r) + (size_t)n.begin * c->k->real, n.end - n.begin);
}

static void dw_tile(const qn_op_ctx *c, int i, int64_t tile, char *turned) {
    const qn_tensor *dw = &c->din[W + i];
    const qn_span n = qn_tile_span(c->in[W + i].dim[0], dw_rows(c, i), tile);
    const act_rows dy = dy_rows(c, i);
    for (int64_t t = 0; t < rows_of(c); t += T_SLAB) {
        const int64_t deep = QN_MIN(T_SLAB, rows_of(c) - t);
        db_add(c, i, (qn_span){t, t + deep}, n);
        if (!dw->data)
            continue;
        const qn_linear_args a = {
            .y = qn_row(dw, n.begin), .ldy = dw->stride, .x = turned, .ldx = qn_act_row_bytes(form_of(c), deep),
            .w = x_panel(c, t, 0), .m = n.end - n.begin, .n = depth_of(c), .K = deep, .more = true,
        };
        qn_turn_rows(c->k, turned, a.ldx, form_of(c), dy.data + (size_t)t * dy.ld, dy.ld, deep, n.begin, a.m);
        qn_linear_pick(c->k, dtype_of(c), a.m)(&a);
    }
}

/* ---- both ---- */

int64_t qn_linear_grad_tiles(const qn_op_ctx *c) {
    int64_t n = dx_tiles(c);
    for (int i = 0; i < attr(c)->n; i++)
        n += dw_tiles(c, i);
    return n;
}

void qn_linear_grad(const qn_op_ctx *c, int64_t tile, void *scratch) {
    int i = 0;
    if (tile < dx_tiles(c)) {
        dx_tile(c, tile);
        return;
    }
    tile -= dx_tiles(c);
    while (tile >= dw_tiles(c, i))
        tile -= dw_tiles(c, i++);
    dw_tile(c, i, tile, scratch);
}

size_t qn_linear_scratch(const qn_op_ctx *c, bool backward) {
    const size_t dw = DW_MANY * qn_act_row_bytes(form_of(c), T_SLAB);
    const size_t x = packs_x(c) ? GATHER_ROWS * qn_act_row_bytes(form_of(c), depth_of(c)) : 0;
    return backward ? QN_MAX(QN_MAX(qn_round64(qn_turn_room()), dw), x) : 0;
}
