/* train/opt_muon.c — momentum made orthogonal (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
 * networks").
 *
 * A matrix moves along the orthogonal matrix nearest to its momentum, so that no direction of the momentum drowns the
 * others. Five steps of a quintic Newton–Schulz iteration come near enough: they pull every singular value of X into
 * about 0.7 … 1.2 with nothing but products:
 *
 *     m ← m + (1 − μ)(g − m)                        u = Nesterov ? g + μ(m − g) : m       (PyTorch's momentum buffer)
 *     X = u/‖u‖ [R,C], R ≤ C: the transpose of u where u is taller than wide
 *     A = X·Xᵀ        P = a·I + b·A + c·A·A       X ← P·X         a, b, c = 3.4445, −4.7750, 2.0315;   five times
 *     w ← w·(1 − η·λ) − η·f·X
 *
 * Every P is a polynomial of the first A, so all of them commute, and X need not be touched in between (Zhang, Amsel,
 * Chen, Dao 2026, "Gram Newton-Schulz"): with Q the product of the P so far,
 *
 *     A ← (A·P)·P        Q ← Q·P        five times, [R,R]; then X ← Q·X once
 *
 * All that is [R,R] is symmetric, so half of each product is worked out and mirrored: 17 halves for the whole, where
 * X itself would cost 3·C/R + 1 in each of the five. What rounding adds to A near its smallest singular values grows
 * with the iterations: in f32 to some 10⁻⁴ of X (in half precision it would need care, which the paper is about).
 *
 * f = 0.2·√max(rows, cols) makes an update as large as AdamW's usually are (root of the mean square near 0.2), so that
 * AdamW's rates and decay serve all parameters (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4): the
 * default. f = √max(1, rows/cols) is Jordan's own. Embeddings, heads and vectors are AdamW's.
 *
 * The work is a row of phases, each of which writes what the next one reads. A small matrix goes through them on one
 * worker, many of them side by side; a large one shares each phase out over the pool. The shape alone decides which,
 * and no bit depends on it: an element of a product is one chain wherever its block is cut. */
#include "train/optimizer_impl.h"

#include <math.h>
#include <string.h>

enum { ITERATIONS = 5, SMALL = 256 * 256 };         /* numbers of a small matrix, at most */
/* Rows and columns of a block of a product, whole panels: fine where half a matrix shall be no more than half. */
enum { BLOCK_SMALL = 32, BLOCK_LARGE = 96 };

/* Working memory of one matrix. */
typedef struct {
    float *u, *x;                       /* [rows,cols] X as the parameter lies; [R,C] its transpose where it is tall */
    float *x_panels;                    /* X, packed one way and then the other */
    float *a, *p, *q, *s;               /* [R,R] A; P, then A·P; Q; the next Q */
    float *panels;                      /* A or P, packed */
} room;

enum { PARTS = sizeof(room) / sizeof(float *) };

struct qn_muon {
    char *arena;                        /* rooms of small matrices, one for each worker; or the one of a large matrix */
    size_t bytes, room_bytes;
    size_t small[PARTS], large[PARTS];  /* bytes of each part: what the largest of its kind needs */
    const qn_slot **slot;               /* [n_small] the small ones */
    int64_t n_small;
};

/* One matrix at work. */
typedef struct {
    const qn_step *step;
    const qn_slot *slot;
    qn_pool *pool;                      /* NULL: all of it on this worker */
    int worker;
    room r;
    int64_t R, C, block;
    bool tall;                          /* X is the transpose */
    int round;
    double inverse;                     /* 1/‖u‖ */
} job;

/* ---- memory ---- */

bool qn_muon_takes(const qn_optimizer *o, const qn_slot *s) {
    return o->o.kind == QN_OPTIMIZER_MUON && s->matrix && !(s->flags & QN_EMBEDDING);
}

static bool is_small(const qn_slot *s) { return s->rows * s->cols <= SMALL; }

static size_t panel_numbers(int64_t N, int64_t K) { return (size_t)qn_panels(N) * QN_PANEL * (size_t)K; }

static void widen(size_t most[PARTS], const qn_slot *s) {
    const int64_t R = QN_MIN(s->rows, s->cols), C = QN_MAX(s->rows, s->cols);
    const size_t all = (size_t)(R * C), square = (size_t)(R * R);
    const size_t numbers[PARTS] = {all, s->rows > s->cols ? all : 0, QN_MAX(panel_numbers(R, C), panel_numbers(C, R)),
                                   square, square, square, square, panel_numbers(R, R)};
    for (size_t i = 0; i < PARTS; i++)
        most[i] = QN_MAX(most[i], qn_round64(numbers[i] * sizeof(float)));
}

static size_t total(const size_t part[PARTS]) {
    size_t sum = 0;
    for (size_t i = 0; i < PARTS; i++)
        sum += part[i];
    return sum;
}

static room room_at(char *memory, const size_t part[PARTS]) {
    float *at[PARTS];
    room r;
    for (size_t i = 0; i < PARTS; memory += part[i++])
        at[i] = (float *)(void *)memory;
    memcpy(&r, at, sizeof r);
    return r;
}

int qn_muon_init(qn_optimizer *o) {
    struct qn_muon *m = o->muon = qn_zalloc(QN_MEM_SCRATCH, 1, sizeof *m);
    if (!m || !(m->slot = qn_alloc(QN_MEM_SCRATCH, QN_MAX(o->p->n, 1) * sizeof *m->slot)))
        return QN_ENOMEM;
    for (size_t i = 0; i < o->p->n; i++) {
        const qn_slot *s = &o->p->slot[i];
        if (!qn_muon_takes(o, s))
            continue;
        widen(is_small(s) ? m->small : m->large, s);
        if (is_small(s))
            m->slot[m->n_small++] = s;
    }
    m->room_bytes = total(m->small);
    m->bytes = QN_MAX((size_t)o->workers * m->room_bytes, total(m->large));
    if (m->bytes == 0)
        return 0;                       /* a model without a matrix for it */
    m->arena = qn_arena_map(QN_MEM_SCRATCH, m->bytes);
    return m->arena ? 0 : QN_ENOMEM;
}

void qn_muon_drop(qn_optimizer *o) {
    if (!o->muon)
        return;
    qn_arena_unmap(QN_MEM_SCRATCH, o->muon->arena, o->muon->bytes);
    qn_free(o->muon->slot);
    qn_free(o->muon);
}

/* ---- phases: momentum, X ---- */

static void blend_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_optimizer *o = j->step->o;
    const qn_span rows = qn_tile_span(j->slot->rows, QN_SLOT_ROWS, tile);
    const int64_t from = rows.begin * j->slot->cols, n = (rows.end - rows.begin) * j->slot->cols;
    const size_t at = j->slot->at + (size_t)from;
    const qn_blend_args a = {.scale = j->step->scale, .momentum = o->o.momentum, .nesterov = o->o.nesterov};
    o->k->blend(j->r.u + from, o->state[0] + at, j->step->grad + at, n, &a);
    o->partial[j->slot->tile + tile] = o->k->sum_squares(j->r.u + from, n);
}

static void scale_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_span rows = qn_tile_span(j->slot->rows, QN_SLOT_ROWS, tile);
    float *u = j->r.u + rows.begin * j->slot->cols;
    j->step->o->k->scale(u, u, j->inverse, (rows.end - rows.begin) * j->slot->cols);
}

/* The norm adds up tiles in order. */
static void find_norm(job *j) {
    double squares = 0;
    for (int64_t i = 0; i < qn_slot_tiles(j->slot); i++)
        squares += j->step->o->partial[j->slot->tile + i];
    j->inverse = 1 / fmax(sqrt(squares), 1e-7);
}

/* ---- phases: packing ---- */

/* Panel `panel` of weights whose outputs are the columns of from [K,N]: pieces of its rows, as they lie. */
static void pack_columns(float *panels, const float *from, int64_t N, int64_t K, int64_t panel) {
    const qn_span columns = qn_tile_span(N, QN_PANEL, panel);
    const size_t n = (size_t)(columns.end - columns.begin);
    float *to = panels + panel * QN_PANEL * K;
    for (int64_t k = 0; k < K; k++, to += QN_PANEL) {
        memcpy(to, from + k * N + columns.begin, n * sizeof *to);
        memset(to + n, 0, (QN_PANEL - n) * sizeof *to);
    }
}

static void pack_rows(float *panels, const float *from, int64_t N, int64_t K, int64_t panel) {
    const qn_span rows = qn_tile_span(N, QN_PANEL, panel);
    qn_pack_panels(&(qn_pack_args){.from = QN_F32, .to = QN_F32, .src = from + rows.begin * K, .dst = panels,
                                   .n0 = rows.begin, .rows = rows.end - rows.begin, .K = K});
}

/* For A = X·Xᵀ: the rows of X as weights, and as rows. */
static void pack_x_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_span rows = qn_tile_span(j->R, QN_PANEL, tile);
    if (!j->tall) {
        pack_rows(j->r.x_panels, j->r.u, j->R, j->C, tile);
        return;
    }
    pack_columns(j->r.x_panels, j->r.u, j->R, j->C, tile);
    for (int64_t k = 0; k < j->C; k++)
        for (int64_t i = rows.begin; i < rows.end; i++)
            j->r.x[i * j->C + k] = j->r.u[k * j->R + i];
}

/* What is symmetric has its rows for columns. */
static void pack_a_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    pack_columns(j->r.panels, j->r.a, j->R, j->R, tile);
}

static void pack_p_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    pack_columns(j->r.panels, j->r.p, j->R, j->R, tile);
}

/* For Q·X, as the parameter lies: X's columns as weights; or, of u·Q, Q. */
static void pack_last_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    if (j->tall)
        pack_columns(j->r.panels, j->r.q, j->R, j->R, tile);
    else
        pack_columns(j->r.x_panels, j->r.u, j->C, j->R, tile);
}

/* ---- phases: products ---- */

/* Block (rows, columns) of y[·,N] = x[·,K]·Wᵀ. */
static void product(const job *j, float *y, int64_t N, const float *x, int64_t K, const float *panels, qn_span rows,
                    qn_span columns) {
    const qn_linear_args a = {
        .y = y + rows.begin * N + columns.begin, .ldy = N,
        .x = x + rows.begin * K, .ldx = (size_t)K * sizeof *x,
        .w = panels + columns.begin * K,        /* of whole panels */
        .m = rows.end - rows.begin, .n = columns.end - columns.begin, .K = K,
    };
    qn_linear_pick(j->step->o->k, QN_F32, a.m)(&a);
}

/* Block `tile` of those on and above the diagonal: 0 is (0,0), then (0,1), (1,1), (0,2) … */
static void upper_block(const job *j, int64_t tile, qn_span *rows, qn_span *columns) {
    int64_t column = 0;
    while (tile > column)
        tile -= ++column;
    *rows = qn_tile_span(j->R, j->block, tile);
    *columns = qn_tile_span(j->R, j->block, column);
}

static int64_t upper_blocks(const job *j) {
    const int64_t blocks = qn_tiles(j->R, j->block);
    return blocks * (blocks + 1) / 2;
}

static void mirror(float *a, int64_t n, qn_span rows, qn_span columns) {
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t k = QN_MAX(columns.begin, i + 1); k < columns.end; k++)
            a[k * n + i] = a[i * n + k];
}

/* y [R,R] = x [R,K]·Wᵀ, known to be symmetric. */
static void half_product(const job *j, float *y, const float *x, int64_t K, const float *panels, int64_t tile) {
    qn_span rows, columns;
    upper_block(j, tile, &rows, &columns);
    product(j, y, j->R, x, K, panels, rows, columns);
    mirror(y, j->R, rows, columns);
}

static void gram_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    half_product(j, j->r.a, j->tall ? j->r.x : j->r.u, j->C, j->r.x_panels, tile);
}

static void poly_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    qn_span rows, columns;
    upper_block(j, tile, &rows, &columns);
    product(j, j->r.p, j->R, j->r.a, j->R, j->r.panels, rows, columns);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const int64_t at = i * j->R + columns.begin;
        j->step->o->k->axpby(j->r.p + at, j->r.a + at, -4.7750, 2.0315, columns.end - columns.begin);
        if (i >= columns.begin && i < columns.end)
            j->r.p[i * j->R + i] += 3.4445f;
    }
    mirror(j->r.p, j->R, rows, columns);
}

static bool is_first(const job *j) { return j->round == 0; }
static bool is_last(const job *j) { return j->round == ITERATIONS - 1; }

/* A·P in the place of P, which is read from its panels only (not in the last round); Q·P (not in the first). */
static void times_p_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const int64_t of_a = is_last(j) ? 0 : upper_blocks(j);
    if (tile < of_a)
        half_product(j, j->r.p, j->r.a, j->R, j->r.panels, tile);
    else
        half_product(j, j->r.s, j->r.q, j->R, j->r.panels, tile - of_a);
}

static void next_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    half_product(j, j->r.a, j->r.p, j->R, j->r.panels, tile);
}

/* The new X, as the parameter lies. */
static float *made(const job *j) { return j->tall ? j->r.x : j->r.u; }

static void last_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_slot *s = j->slot;
    const int64_t across = qn_tiles(s->cols, BLOCK_LARGE);
    const qn_span rows = qn_tile_span(s->rows, BLOCK_LARGE, tile / across);
    const qn_span columns = qn_tile_span(s->cols, BLOCK_LARGE, tile % across);
    product(j, made(j), s->cols, j->tall ? j->r.u : j->r.q, j->R, j->tall ? j->r.panels : j->r.x_panels, rows, columns);
}

/* ---- phases: the parameter ---- */

static double update_size(const qn_optimizer *o, const qn_slot *s) {
    const double rows = (double)s->rows, cols = (double)s->cols;
    return o->o.muon_match_rms ? 0.2 * sqrt(fmax(rows, cols)) : sqrt(fmax(1, rows / cols));
}

static void apply_tile(void *arg, int64_t tile, int worker) {
    const job *j = arg;
    const qn_optimizer *o = j->step->o;
    const qn_slot *s = j->slot;
    const qn_span rows = qn_tile_span(s->rows, QN_SLOT_ROWS, tile);
    const double rate = j->step->rate * o->o.muon_rate;
    float *w = qn_params_take(o->p, s, rows.begin, o->room + (size_t)(j->worker + worker) * (size_t)o->p->widest);
    o->k->axpby(w, made(j) + rows.begin * s->cols, -rate * update_size(o, s), 1 - rate * qn_slot_decay(o, s),
                (rows.end - rows.begin) * s->cols);
    qn_params_put(o->p, s, rows.begin, w);
}

/* ---- a matrix ---- */

static void swap(float **x, float **y) {
    float *const t = *x;
    *x = *y;
    *y = t;
}

static void iterate(job *j) {
    const int64_t panels = qn_panels(j->R), blocks = upper_blocks(j);
    qn_parallel(j->pool, panels, pack_a_tile, j);
    qn_parallel(j->pool, blocks, poly_tile, j);
    qn_parallel(j->pool, panels, pack_p_tile, j);
    if (is_first(j))
        swap(&j->r.q, &j->r.p);         /* the first P is Q */
    qn_parallel(j->pool, is_first(j) || is_last(j) ? blocks : 2 * blocks, times_p_tile, j);
    if (!is_first(j))
        swap(&j->r.q, &j->r.s);
    if (!is_last(j))
        qn_parallel(j->pool, blocks, next_tile, j);
}

static void step_slot(job *j) {
    const qn_slot *s = j->slot;
    const int64_t tiles = qn_slot_tiles(s);
    j->R = QN_MIN(s->rows, s->cols);
    j->C = QN_MAX(s->rows, s->cols);
    j->block = is_small(s) ? BLOCK_SMALL : BLOCK_LARGE;
    j->tall = s->rows > s->cols;
    qn_parallel(j->pool, tiles, blend_tile, j);
    find_norm(j);
    qn_parallel(j->pool, tiles, scale_tile, j);
    qn_parallel(j->pool, qn_panels(j->R), pack_x_tile, j);
    qn_parallel(j->pool, upper_blocks(j), gram_tile, j);
    for (j->round = 0; j->round < ITERATIONS; j->round++)
        iterate(j);
    qn_parallel(j->pool, qn_panels(s->cols), pack_last_tile, j);
    qn_parallel(j->pool, qn_tiles(s->rows, BLOCK_LARGE) * qn_tiles(s->cols, BLOCK_LARGE), last_tile, j);
    qn_parallel(j->pool, tiles, apply_tile, j);
}

static void small_tile(void *arg, int64_t tile, int worker) {
    const qn_step *s = arg;
    const struct qn_muon *m = s->o->muon;
    job j = {.step = s, .slot = m->slot[tile], .worker = worker};
    j.r = room_at(m->arena + (size_t)worker * m->room_bytes, m->small);
    step_slot(&j);
}

void qn_muon_step(const qn_step *s, qn_pool *pool) {
    const struct qn_muon *m = s->o->muon;
    qn_step step = *s;
    qn_parallel(pool, m->n_small, small_tile, &step);
    for (size_t i = 0; i < s->o->p->n; i++) {
        const qn_slot *slot = &s->o->p->slot[i];
        if (!qn_muon_takes(s->o, slot) || is_small(slot))
            continue;
        job j = {.step = s, .slot = slot, .pool = pool, .r = room_at(m->arena, m->large)};
        step_slot(&j);
    }
}
