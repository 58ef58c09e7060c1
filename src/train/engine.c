/* train/engine.c — a pass: rows side by side, pieces to segments and pages, supervised tokens to the head.
 *
 *     row        | system prompt chosen | system prompt rejected | system prompt chosen | …
 *     segments   | system prompt chosen | rejected | prompt chosen | …          branches: ops/attention.h */
#include "train/engine.h"

#include <math.h>
#include <string.h>

#include "ops/attention.h"

struct qn_engine {
    qn_params *p;
    const qn_kernels *k;
    qn_pool *pool;
    qn_engine_options o;
    qn_graph *graph;
    qn_exec *exec;
    qn_loss_refs refs;
    float *grad;
    qn_kv_pool kv;
    size_t kv_bytes;
    /* one pass; T tokens, S of them supervised */
    qn_batch batch;
    qn_segment *segment;                /* [rows · max_pieces] */
    qn_query_tile *tile;                /* [most tokens] */
    qn_lent *lent;                      /* [most tokens] */
    int32_t *row_segment, *ids, *positions, *index, *target, *page;
    float *weight;
    qn_engine_piece *piece;             /* [rows · max_pieces] */
    float *off;                         /* [rows · max_pieces] zeros: scales of an adapter that is switched off */
    int64_t *row_id;                    /* [most tokens]: of each token, its place in the batch */
    int64_t first_row;                  /* of the batch: the first of this pass */
    int64_t T, S, pages, listed;        /* pages in use; entries of `page` */
    bool backward;                      /* of the last pass */
    bool slopes;                        /* … the head's is there: the gradient of what it read, as if all weighed 1 */
    qn_tensor slope;
};

enum {
    CLEAR_NUMBERS = 64 * 1024,
    ALIKE_LEAST = 16                    /* tokens that pieces begin with alike, for a branch to be worth while */
};

/* ---- life ---- */

static int64_t most_tokens(const qn_engine *e) { return e->o.rows * e->o.context; }
static int64_t most_segments(const qn_engine *e) { return e->o.rows * e->o.max_pieces; }
/* Each piece may leave its last page almost empty. */
static int64_t most_pages(const qn_engine *e) { return most_tokens(e) / QN_KEY_BLOCK + most_segments(e); }

static int64_t longest(const qn_engine *e) { return e->o.longest > 0 ? e->o.longest : e->o.context; }

static int reserve_pages(qn_engine *e, qn_dtype kv) {
    const qn_config *c = &e->p->m->cfg;
    e->kv = (qn_kv_pool){kv, c->layers, c->kv_heads, c->Dh, qn_kv_block_bytes(kv, c->Dh), NULL};
    e->kv_bytes = (size_t)most_pages(e) * qn_kv_page_bytes(&e->kv);
    e->kv.data = qn_arena_map(QN_MEM_KV, e->kv_bytes);
    return e->kv.data ? 0 : QN_ENOMEM;
}

static int allocate(qn_engine *e) {
    const size_t T = (size_t)most_tokens(e), segments = (size_t)most_segments(e);
    e->segment = qn_alloc(QN_MEM_ACTS, segments * sizeof *e->segment);
    e->tile = qn_alloc(QN_MEM_ACTS, (T + segments) * sizeof *e->tile);
    e->row_segment = qn_alloc(QN_MEM_ACTS, T * sizeof *e->row_segment);
    e->ids = qn_alloc(QN_MEM_ACTS, T * sizeof *e->ids);
    e->positions = qn_alloc(QN_MEM_ACTS, T * sizeof *e->positions);
    e->index = qn_alloc(QN_MEM_ACTS, T * sizeof *e->index);
    e->target = qn_alloc(QN_MEM_ACTS, T * sizeof *e->target);
    e->weight = qn_alloc(QN_MEM_ACTS, T * sizeof *e->weight);
    e->piece = qn_alloc(QN_MEM_ACTS, segments * sizeof *e->piece);
    e->row_id = qn_alloc(QN_MEM_ACTS, T * sizeof *e->row_id);
    e->lent = qn_alloc(QN_MEM_ACTS, T * sizeof *e->lent);
    e->page = qn_alloc(QN_MEM_ACTS, (size_t)most_pages(e) * sizeof *e->page);
    e->off = qn_zalloc(QN_MEM_ACTS, segments, sizeof *e->off);
    if (!e->segment || !e->tile || !e->row_segment || !e->ids || !e->positions || !e->index || !e->target ||
        !e->weight || !e->piece || !e->row_id || !e->page || !e->off || !e->lent)
        return QN_ENOMEM;
    e->batch = (qn_batch){.kv = &e->kv, .segment = e->segment, .tile = e->tile, .row_segment = e->row_segment,
                          .row_id = e->row_id, .seed = e->o.seed, .lent = e->lent};
    return 0;
}

/* Where the reverse walk adds the gradient of each parameter. */
static int mark_trained(qn_engine *e) {
    for (size_t i = 0; i < e->p->n; i++) {
        const qn_slot *s = &e->p->slot[i];
        const qn_ref r = qn_graph_find(e->graph, s->name);
        QN_TRY(r);
        const qn_tensor grad = {.dtype = QN_F32, .layout = QN_LAYOUT_ROWS, .rank = s->matrix ? 2 : 1,
                                .dim = {s->matrix ? s->rows : s->cols, s->matrix ? s->cols : 0},
                                .stride = s->matrix ? s->cols : 1, .data = e->grad + s->at};
        qn_graph_train(e->graph, r, &grad);
    }
    qn_graph_seed(e->graph, e->refs.loss);
    return 0;
}

static int build(qn_engine *e, qn_dtype kv) {
    const qn_adapter *const adapter[] = {e->p->adapter};
    const qn_graph_options o = {.kv = kv, .max_context = longest(e), .dropout = e->o.dropout,
                                .neftune = e->o.neftune, .adapter = adapter, .n_adapters = adapter[0] != NULL,
                                .lora_dropout = e->o.lora_dropout, .half_walk = e->o.half_walk};
    const qn_exec_limits limits = {most_tokens(e), most_tokens(e), qn_pool_threads(e->pool)};
    QN_TRY(qn_graph_new(&e->graph));
    QN_TRY(qn_model_loss(e->p->m, e->graph, &o, &e->refs));
    if (e->o.gradients) {
        e->grad = qn_arena_map(QN_MEM_GRADS, e->p->numbers * sizeof *e->grad);
        if (!e->grad)
            return QN_ENOMEM;
        qn_graph_recompute(e->graph, e->o.recompute);
        QN_TRY(mark_trained(e));
    }
    QN_TRY(qn_exec_new(&e->exec, e->graph, e->k, &limits));
    qn_exec_bind(e->exec, e->refs.ids, e->ids);
    qn_exec_bind(e->exec, e->refs.positions, e->positions);
    qn_exec_bind(e->exec, e->refs.index, e->index);
    qn_exec_bind(e->exec, e->refs.target, e->target);
    qn_exec_bind(e->exec, e->refs.weight, e->weight);
    return 0;
}

static int init(qn_engine *e) {
    const qn_dtype kv = qn_default_kv(e->p->m, e->k);
    if (e->o.context < 1 || e->o.rows < 1 || e->o.max_pieces < 1 || e->o.rows > INT32_MAX / e->o.context)
        return qn_fail(QN_EINVAL, "training: passes of %lld rows of %lld tokens are out of range", (long long)e->o.rows,
                       (long long)e->o.context);
    QN_TRY(allocate(e));
    QN_TRY(reserve_pages(e, kv));
    return build(e, kv);
}

int qn_engine_new(qn_engine **out, qn_params *p, const qn_kernels *k, qn_pool *pool, const qn_engine_options *o) {
    *out = NULL;
    qn_engine *e = qn_zalloc(QN_MEM_ACTS, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    e->p = p;
    e->k = k;
    e->pool = pool;
    e->o = *o;
    const int rc = init(e);
    if (rc < 0) {
        qn_engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void qn_engine_free(qn_engine *e) {
    if (!e)
        return;
    qn_exec_free(e->exec);
    qn_graph_free(e->graph);
    qn_arena_unmap(QN_MEM_GRADS, e->grad, e->p->numbers * sizeof *e->grad);
    qn_arena_unmap(QN_MEM_KV, e->kv.data, e->kv_bytes);
    qn_free(e->segment);
    qn_free(e->tile);
    qn_free(e->row_segment);
    qn_free(e->ids);
    qn_free(e->positions);
    qn_free(e->index);
    qn_free(e->target);
    qn_free(e->weight);
    qn_free(e->piece);
    qn_free(e->row_id);
    qn_free(e->page);
    qn_free(e->off);
    qn_free(e->lent);
    qn_free(e);
}

/* ---- gradients ---- */

float *qn_engine_grad(qn_engine *e) { return e->grad; }

static void clear_tile(void *arg, int64_t tile, int worker) {
    const qn_engine *e = arg;
    const size_t from = (size_t)tile * CLEAR_NUMBERS;
    (void)worker;
    memset(e->grad + from, 0, QN_MIN((size_t)CLEAR_NUMBERS, e->p->numbers - from) * sizeof *e->grad);
}

void qn_engine_clear(qn_engine *e) {
    qn_parallel(e->pool, qn_tiles((int64_t)e->p->numbers, CLEAR_NUMBERS), clear_tile, e);
}

void qn_engine_drops(qn_engine *e, int64_t step, int64_t first_row) {
    e->batch.step = (uint64_t)step;
    e->first_row = first_row;
}

void qn_engine_adapter(qn_engine *e, bool on) {
    qn_assert(on || e->p->adapter->n_tokens == 0);
    e->batch.adapter_scale = on ? NULL : e->off;
    e->batch.n_adapters = 1;
}

/* ---- a pass ---- */

/* How many tokens two pieces of a row begin with alike. The last one of b stays its own. */
static int64_t alike(const qn_row_data *row, const qn_piece *a, const qn_piece *b) {
    const int64_t most = QN_MIN(a->n, b->n - 1);
    int64_t n = 0;
    while (n < most && row->ids[a->start + n] == row->ids[b->start + n])
        n++;
    return n;
}

/* Where a piece of row r becomes a branch: of the first segment of the row that begins like most of it. */
static void find_trunk(const qn_engine *e, const qn_row_data *row, int64_t r, const qn_piece *piece, qn_segment *g) {
    const int64_t here = e->batch.n_segments;
    for (int64_t s = here - 1; s >= 0 && e->piece[s].row == r && piece->n > ALIKE_LEAST; s--) {
        const int64_t n = alike(row, &row->piece[e->piece[s].piece], piece);
        if (n < ALIKE_LEAST || n < g->pos)
            continue;
        g->pos = n;
        g->back = here - s;
    }
}

/* The whole pages of what it is a branch of, then fresh ones. */
static void list_pages(qn_engine *e, qn_segment *g, int64_t n) {
    int32_t *list = e->page + e->listed;
    for (int64_t i = 0; i < qn_tiles(n, QN_KEY_BLOCK); i++)
        list[i] = i < g->pos / QN_KEY_BLOCK ? g[-g->back].page[i] : (int32_t)e->pages++;
    g->page = list;
    e->listed += qn_tiles(n, QN_KEY_BLOCK);
}

static void add_token(qn_engine *e, const qn_row_data *row, int64_t number, int64_t at, int64_t pos) {
    e->ids[e->T] = row->ids[at];
    e->positions[e->T] = (int32_t)pos;
    e->row_segment[e->T] = (int32_t)e->batch.n_segments;
    e->row_id[e->T++] = number * e->o.context + at;
}

/* One piece of a row: a document of its own, from position 0, in fresh pages; or a branch of one. */
static void add_piece(qn_engine *e, const qn_row_data *row, int64_t r, const qn_piece *piece, float weight,
                      bool branches) {
    const int64_t first = e->S;
    qn_segment *g = &e->segment[e->batch.n_segments];
    *g = (qn_segment){.row = e->T, .seq = e->batch.n_segments};
    if (branches)
        find_trunk(e, row, r, piece, g);
    g->n = piece->n - g->pos;
    list_pages(e, g, piece->n);
    for (int64_t i = 0; i < piece->n; i++) {
        const qn_segment *of = qn_segment_of(g, i);
        const int64_t target = row->targets[piece->start + i];
        if (of == g)
            add_token(e, row, e->first_row + r, piece->start + i, i);
        if (target < 0)
            continue;
        e->index[e->S] = (int32_t)(of->row + i - of->pos);
        e->target[e->S] = (int32_t)target;
        e->weight[e->S++] = weight;
    }
    e->batch.n_lent = qn_segment_lend(e->segment, e->batch.n_segments, e->lent, e->batch.n_lent);
    e->piece[e->batch.n_segments] = (qn_engine_piece){r, piece - row->piece, first, e->S - first, 0};
    e->batch.n_segments++;
    e->batch.chunks = QN_MAX(e->batch.chunks, qn_tiles(piece->n, QN_KEY_CHUNK));
}

/* What is dropped, and noise, belongs to a token and not to a text: where there is any, each text is computed whole. */
static bool draws(const qn_engine *e) { return e->batch.dropout > 0 || e->batch.noise; }

static void assemble(qn_engine *e, const qn_row_data *row, int64_t n, double weight) {
    const int64_t group = e->p->m->cfg.heads / e->p->m->cfg.kv_heads;
    e->T = e->S = e->pages = e->listed = 0;
    e->batch.n_segments = e->batch.n_lent = 0;
    e->batch.chunks = 0;
    for (int64_t r = 0; r < n; r++) {
        qn_assert(row[r].pieces <= e->o.max_pieces && row[r].n <= e->o.context);
        for (int64_t i = 0; i < row[r].pieces; i++) {
            qn_assert(row[r].piece[i].n <= longest(e));
            if (row[r].piece[i].n > 0)
                add_piece(e, &row[r], r, &row[r].piece[i], (float)weight, !draws(e));
        }
    }
    e->batch.n_tiles = qn_query_tiles(e->segment, e->batch.n_segments, qn_query_tokens(group), e->tile,
                                      most_tokens(e) + most_segments(e));
}

/* A NaN in a page would outlive its pass: kernels read whole blocks of keys and weigh those behind the last one with 0,
 * which is no help against a NaN. */
static void forget_pages(qn_engine *e) { memset(e->kv.data, 0, (size_t)e->pages * qn_kv_page_bytes(&e->kv)); }

double qn_engine_run(qn_engine *e, const qn_row_data *row, int64_t n, double weight, bool backward) {
    double sum = 0;
    qn_assert(n >= 0 && n <= e->o.rows && (!backward || e->grad));
    e->batch.dropout = backward ? QN_MAX(e->o.dropout, e->o.lora_dropout) : 0;
    e->batch.noise = backward && e->o.neftune > 0;
    assemble(e, row, n, weight);
    if (e->S == 0)                      /* nothing here is supervised: no loss, no gradient */
        return 0;
    (backward ? qn_exec_run_walk : qn_exec_run)(e->exec, e->T, e->S, e->pool, &e->batch);
    const float *loss = qn_exec_value(e->exec, e->refs.loss)->data;
    for (int64_t i = 0; i < e->S; i++)
        sum += (double)loss[i];
    if (!isfinite(sum))
        forget_pages(e);
    e->backward = backward;
    return sum;
}

/* ---- a pass in two halves ---- */

/* The sum of each piece, from what forward left; whether all of them are numbers. */
static bool sum_pieces(qn_engine *e) {
    const float *loss = qn_exec_value(e->exec, e->refs.loss)->data;
    bool finite = true;
    for (int64_t i = 0; i < e->batch.n_segments; i++) {
        qn_engine_piece *p = &e->piece[i];
        for (int64_t k = p->first; k < p->first + p->n; k++)
            p->logp -= (double)loss[k];
        finite = finite && isfinite(p->logp);
    }
    return finite;
}

void qn_engine_forward(qn_engine *e, const qn_row_data *row, int64_t n, bool follows) {
    qn_assert(n >= 0 && n <= e->o.rows);
    e->batch.dropout = 0;
    e->batch.noise = false;
    assemble(e, row, n, 1);
    e->backward = e->slopes = false;
    if (e->S == 0)
        return;
    e->slopes = follows && qn_exec_run_to_seed(e->exec, e->T, e->S, e->pool, &e->batch, &e->slope);
    if (!e->slopes)
        qn_exec_run(e->exec, e->T, e->S, e->pool, &e->batch);
    if (!sum_pieces(e))
        forget_pages(e);
    memset(e->weight, 0, (size_t)e->S * sizeof *e->weight);
}

qn_engine_pieces qn_engine_pieces_get(const qn_engine *e) {
    return (qn_engine_pieces){e->batch.n_segments, e->piece};
}

float *qn_engine_weights(qn_engine *e) { return e->weight; }

void qn_engine_weigh(qn_engine *e, int64_t i, double weight) {
    const qn_engine_piece *p = &e->piece[i];
    qn_assert(i >= 0 && i < e->batch.n_segments);
    for (int64_t k = p->first; k < p->first + p->n; k++)
        e->weight[k] = (float)weight;
}

void qn_engine_backward(qn_engine *e) {
    bool any = false;
    for (int64_t k = 0; k < e->S && !any; k++)
        any = e->weight[k] != 0;
    qn_assert(e->grad);
    e->backward = any;
    if (any && !e->slopes)
        qn_exec_run_backward(e->exec);
    if (!any || !e->slopes)
        return;
    for (int64_t k = 0; k < e->S; k++)
        e->k->scale(qn_row(&e->slope, k), qn_row(&e->slope, k), (double)e->weight[k], e->slope.dim[1]);
    qn_exec_run_from_seed(e->exec);
    e->slopes = false;
}

/* ---- looking ---- */

qn_engine_losses qn_engine_losses_get(const qn_engine *e) {
    const float *loss = e->S && !e->backward ? qn_exec_value(e->exec, e->refs.loss)->data : NULL;
    return (qn_engine_losses){e->S, e->target, loss};
}

void qn_engine_profile(qn_engine *e, bool on) { qn_exec_profile(e->exec, on); }
int qn_engine_times(const qn_engine *e, qn_op_time *out, int cap) { return qn_exec_times(e->exec, out, cap); }

qn_engine_info qn_engine_info_get(const qn_engine *e) {
    const qn_exec_info x = qn_exec_info_get(e->exec);
    const size_t grads = e->grad ? e->p->numbers * sizeof *e->grad : 0;
    return (qn_engine_info){
        .flops = x.flops + (e->backward ? x.flops_back : 0),
        .reserved = x.arena_bytes + x.scratch_bytes + x.partial_bytes + e->kv_bytes + grads,
    };
}
