/* train/opt_muon.c — momentum made orthogonal (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
 * networks").
 *
 * A matrix moves along the orthogonal matrix nearest to its momentum, so that no direction of the momentum drowns the
 * others. Five steps of a quintic Newton–Schulz iteration come near enough: they pull every singular value of X into
 * about 0.7 … 1.2 with nothing but products:
 *
 *     m ← m + (1 − μ)(g − m)                        u = Nesterov ? g + μ(m − g) : m       (PyTorch's momentum buffer)
 *     X = u/‖u‖, transposed where u is taller than wide, so that the Gram matrix is the smaller of the two
 *     A = X·Xᵀ        B = b·A + c·A·A        X ← a·X + B·X        a, b, c = 3.4445, −4.7750, 2.0315;   five times
 *     w ← w·(1 − η·λ) − η·f·X
 *
 * f = 0.2·√max(rows, cols) makes an update as large as AdamW's usually are (root of the mean square near 0.2), so that
 * AdamW's rates and decay serve all parameters (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4): the
 * default. f = √max(1, rows/cols) is Jordan's own. Embeddings, heads and vectors are AdamW's.
 *
 * Matrices go one after the other, each in phases shared out over the pool; a phase writes what the next one reads.
 * A and B are symmetric to the bit (each element is one chain of products that commute), so half of them is worked
 * out and mirrored. Everything lies in one arena that was made for the largest matrix. */
#include "train/optimizer_impl.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 96, ITERATIONS = 5 };    /* rows and columns of a tile of a product: three panels */

struct qn_muon {
    char *arena;
    size_t bytes;
    float *u;                           /* [rows,cols] what is made orthogonal; then B·X [R,C] */
    float *x, *x_panels, *xt_panels;    /* [R,C], packed as weights, and its transpose packed */
    float *gram, *gram_panels, *poly;   /* A [R,R], packed; B */
};

/* One matrix at work: X is [R,C], R ≤ C. */
typedef struct {
    const qn_step *s;
    const qn_slot *slot;
    struct qn_muon *m;
    int64_t R, C;
    bool tall;                          /* X is the transpose */
    double inverse;                     /* 1/‖u‖ */
} job;

/* ---- memory ---- */

bool qn_muon_takes(const qn_optimizer *o, const qn_slot *s) {
    return o->o.kind == QN_OPTIMIZER_MUON && s->matrix && !(s->p->flags & QN_EMBEDDING);
}

static size_t panel_numbers(int64_t N, int64_t K) { return (size_t)qn_panels(N) * QN_PANEL * (size_t)K; }

/* Each part has the room that the largest matrix needs of it. */
int qn_muon_init(qn_optimizer *o) {
    struct qn_muon *m = o->muon = qn_zalloc(QN_MEM_SCRATCH, 1, sizeof *m);
    if (!m)
        return QN_ENOMEM;
    float **const part[] = {&m->u, &m->x, &m->x_panels, &m->xt_panels, &m->gram, &m->poly, &m->gram_panels};
    size_t most[QN_LEN(part)] = {0}, at = 0;
    for (size_t i = 0; i < o->p->n; i++) {
        const qn_slot *s = &o->p->slot[i];
        const int64_t R = QN_MIN(s->rows, s->cols), C = QN_MAX(s->rows, s->cols);
        const size_t all = (size_t)(R * C), square = (size_t)(R * R);
        const size_t need[QN_LEN(part)] = {all, all, panel_numbers(R, C), panel_numbers(C, R), square, square,
                                           panel_numbers(R, R)};
        for (size_t k = 0; k < QN_LEN(part) && qn_muon_takes(o, s); k++)
            most[k] = QN_MAX(most[k], need[k]);
    }
    for (size_t k = 0; k < QN_LEN(part); k++)
        m->bytes += qn_round64(most[k] * sizeof(float));
    if (m->bytes == 0)
        return 0;                       /* a model without a matrix for it */
    m->arena = qn_arena_map(QN_MEM_SCRATCH, m->bytes);
    if (!m->arena)
        return QN_ENOMEM;
    for (size_t k = 0; k < QN_LEN(part); k++) {
        *part[k] = (float *)(void *)(m->arena + at);
        at += qn_round64(most[k] * sizeof(float));
    }
    return 0;
}

void qn_muon_drop(qn_optimizer *o) {
    if (o->muon && o->muon->arena)
        qn_arena_unmap(QN_MEM_SCRATCH, o->muon->arena, o->muon->bytes);
    qn_free(o->muon);
}

/* ---- phases: momentum, X ---- */

static void blend_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_optimizer *o = j->s->o;
    const qn_span rows = qn_tile_span(j->slot->rows, QN_SLOT_ROWS, tile);
    const int64_t from = rows.begin * j->slot->cols, n = (rows.end - rows.begin) * j->slot->cols;
    const size_t at = j->slot->at + (size_t)from;
    const qn_blend_args a = {.scale = j->s->scale, .momentum = o->o.momentum, .nesterov = o->o.nesterov};
    o->k->blend(j->m->u + from, o->state[0] + at, j->s->grad + at, n, &a);
    o->partial[tile] = o->k->sum_squares(j->m->u + from, n);
}

/* to[k,i] = from[i,k] for k in `rows` of `to`; i < n; both with their rows as long as they are. */
static void transpose(float *to, int64_t ld_to, const float *from, int64_t ld_from, qn_span rows, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = rows.begin; k < rows.end; k++)
            to[k * ld_to + i] = from[i * ld_from + k];
}

static void start_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_span rows = qn_tile_span(j->R, QN_PANEL, tile);
    float *x = j->m->x + rows.begin * j->C;
    const int64_t n = (rows.end - rows.begin) * j->C;
    if (j->tall)
        transpose(j->m->x, j->C, j->m->u, j->R, rows, j->C);
    j->s->o->k->scale(x, j->tall ? x : j->m->u + rows.begin * j->C, j->inverse, n);
}

/* ---- phases: one iteration ---- */

/* 32 columns of X as one panel of Xᵀ: [R][32], as they lie. */
static void pack_transposed(const job *j, int64_t panel) {
    const qn_span columns = qn_tile_span(j->C, QN_PANEL, panel);
    const size_t n = (size_t)(columns.end - columns.begin);
    float *to = j->m->xt_panels + panel * QN_PANEL * j->R;
    for (int64_t k = 0; k < j->R; k++, to += QN_PANEL) {
        memcpy(to, j->m->x + k * j->C + columns.begin, n * sizeof *to);
        memset(to + n, 0, (QN_PANEL - n) * sizeof *to);
    }
}

static void pack_rows(const float *x, float *panels, int64_t N, int64_t K, int64_t panel) {
    const qn_span rows = qn_tile_span(N, QN_PANEL, panel);
    qn_pack_panels(&(qn_pack_args){.from = QN_F32, .to = QN_F32, .src = x + rows.begin * K, .dst = panels,
                                   .n0 = rows.begin, .rows = rows.end - rows.begin, .K = K});
}

static void pack_x_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    if (tile < qn_panels(j->C))
        pack_transposed(j, tile);
    else
        pack_rows(j->m->x, j->m->x_panels, j->R, j->C, tile - qn_panels(j->C));
}

static void pack_gram_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    pack_rows(j->m->gram, j->m->gram_panels, j->R, j->R, tile);
}

/* Block (rows, columns) of y[·,N] = x[·,K]·Wᵀ. */
static void product(const job *j, float *y, int64_t N, const float *x, int64_t K, const float *panels, qn_span rows,
                    qn_span columns) {
    const qn_linear_args a = {
        .y = y + rows.begin * N + columns.begin, .ldy = N,
        .x = x + rows.begin * K, .ldx = (size_t)K * sizeof *x,
        .w = panels + columns.begin * K,        /* of whole panels */
        .m = rows.end - rows.begin, .n = columns.end - columns.begin, .K = K,
    };
    qn_linear_pick(j->s->o->k, QN_F32, a.m)(&a);
}

/* Block `tile` of those on and above the diagonal: 0 is (0,0), then (0,1), (1,1), (0,2) … */
static void upper_block(int64_t tile, int64_t n, qn_span *rows, qn_span *columns) {
    int64_t column = 0;
    while (tile > column)
        tile -= ++column;
    *rows = qn_tile_span(n, BLOCK, tile);
    *columns = qn_tile_span(n, BLOCK, column);
}

static int64_t upper_blocks(int64_t n) {
    const int64_t blocks = qn_tiles(n, BLOCK);
    return blocks * (blocks + 1) / 2;
}

static void mirror(float *a, int64_t n, qn_span rows, qn_span columns) {
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t k = QN_MAX(columns.begin, i + 1); k < columns.end; k++)
            a[k * n + i] = a[i * n + k];
}

static void gram_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    qn_span rows, columns;
    upper_block(tile, j->R, &rows, &columns);
    product(j, j->m->gram, j->R, j->m->x, j->C, j->m->x_panels, rows, columns);
    mirror(j->m->gram, j->R, rows, columns);
}

static void poly_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    qn_span rows, columns;
    upper_block(tile, j->R, &rows, &columns);
    product(j, j->m->poly, j->R, j->m->gram, j->R, j->m->gram_panels, rows, columns);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const int64_t at = i * j->R + columns.begin;
        j->s->o->k->axpby(j->m->poly + at, j->m->gram + at, -4.7750, 2.0315, columns.end - columns.begin);
    }
    mirror(j->m->poly, j->R, rows, columns);
}

/* X is read through its panels only, so each block may be replaced at once. */
static void next_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const int64_t across = qn_tiles(j->C, BLOCK);
    const qn_span rows = qn_tile_span(j->R, BLOCK, tile / across), columns = qn_tile_span(j->C, BLOCK, tile % across);
    product(j, j->m->u, j->C, j->m->poly, j->R, j->m->xt_panels, rows, columns);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const int64_t at = i * j->C + columns.begin;
        j->s->o->k->axpby(j->m->x + at, j->m->u + at, 1, 3.4445, columns.end - columns.begin);
    }
}

/* ---- phases: the parameter ---- */

static double update_size(const qn_optimizer *o, const qn_slot *s) {
    const double rows = (double)s->rows, cols = (double)s->cols;
    return o->o.muon_match_rms ? 0.2 * sqrt(fmax(rows, cols)) : sqrt(fmax(1, rows / cols));
}

static void apply_tile(void *arg, int64_t tile, int worker) {
    const job *j = arg;
    const qn_optimizer *o = j->s->o;
    const qn_slot *s = j->slot;
    const qn_span rows = qn_tile_span(s->rows, QN_SLOT_ROWS, tile);
    const double rate = j->s->rate * o->o.muon_rate;
    const int64_t from = rows.begin * s->cols;
    const float *x = j->tall ? j->m->u : j->m->x;
    float *w = qn_params_take(o->p, s, rows.begin, o->room + (size_t)worker * (size_t)o->p->widest);
    if (j->tall)
        transpose(j->m->u, s->cols, j->m->x, s->rows, rows, s->cols);
    o->k->axpby(w, x + from, -rate * update_size(o, s), 1 - rate * qn_slot_decay(o, s),
                (rows.end - rows.begin) * s->cols);
    qn_params_put(o->p, s, rows.begin, w);
}

static void step_slot(const qn_step *s, const qn_slot *slot, qn_pool *pool) {
    job j = {.s = s, .slot = slot, .m = s->o->muon, .R = QN_MIN(slot->rows, slot->cols),
             .C = QN_MAX(slot->rows, slot->cols), .tall = slot->rows > slot->cols};
    const int64_t blocks = qn_tiles(j.R, BLOCK) * qn_tiles(j.C, BLOCK);
    double squares = 0;
    qn_parallel(pool, qn_slot_tiles(slot), blend_tile, &j);
    for (int64_t i = 0; i < qn_slot_tiles(slot); i++)
        squares += s->o->partial[i];
    j.inverse = 1 / fmax(sqrt(squares), 1e-7);
    qn_parallel(pool, qn_panels(j.R), start_tile, &j);
    for (int i = 0; i < ITERATIONS; i++) {
        qn_parallel(pool, qn_panels(j.C) + qn_panels(j.R), pack_x_tile, &j);
        qn_parallel(pool, upper_blocks(j.R), gram_tile, &j);
        qn_parallel(pool, qn_panels(j.R), pack_gram_tile, &j);
        qn_parallel(pool, upper_blocks(j.R), poly_tile, &j);
        qn_parallel(pool, blocks, next_tile, &j);
    }
    qn_parallel(pool, qn_slot_tiles(slot), apply_tile, &j);
}

void qn_muon_step(const qn_step *s, qn_pool *pool) {
    for (size_t i = 0; i < s->o->p->n; i++)
        if (qn_muon_takes(s->o, &s->o->p->slot[i]))
            step_slot(s, &s->o->p->slot[i], pool);
}
