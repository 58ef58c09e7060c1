/* infer/encoder.c — texts packed into runs without padding. */
#include "infer/encoder.h"

#include <string.h>

enum {
    RUN_ROWS = 1024,            /* products have rows enough, and what lies between operations stays in the caches */
    RUN_TEXTS = 256             /* most of one run: each takes a page of keys at least */
};

struct qn_encoder {
    const qn_model *m;
    const qn_kernels *k;
    qn_pool *pool;
    const atomic_bool *cancel;
    int64_t max_tokens, rows, pages;
    qn_kv_pool kv;              /* one layer, used anew by each */
    size_t kv_bytes;
    int32_t *page;              /* [pages] their own numbers: a text has some that follow one another */
    qn_graph *graph;
    qn_exec *exec;
    qn_encode_refs refs;
    /* one run; all arrays have room for `rows`, or for RUN_TEXTS */
    qn_batch batch;
    qn_segment segment[RUN_TEXTS];
    int64_t first_row[RUN_TEXTS + 1];
    qn_query_tile *tile;
    int32_t *row_segment, *ids, *positions, *types;
    int64_t T, used_pages, first;
};

/* ---- life ---- */

static int sizes(qn_encoder *e, const qn_encoder_options *o) {
    const qn_config *c = &e->m->cfg;
    if (o->max_tokens < 0 || o->max_tokens > 65536 || o->rows < 0 || o->rows > 65536)
        return qn_fail(QN_EINVAL, "encoder: texts of %lld tokens or runs of %lld rows are out of range",
                       (long long)o->max_tokens, (long long)o->rows);
    e->max_tokens = o->max_tokens > 0 ? o->max_tokens : QN_MIN(c->context, QN_ENCODER_TOKENS);
    e->rows = QN_MAX(e->max_tokens, o->rows > 0 ? o->rows : RUN_ROWS);
    e->pages = RUN_TEXTS + e->rows / QN_KEY_BLOCK;
    return 0;
}

static int allocate(qn_encoder *e, qn_dtype kv) {
    const qn_config *c = &e->m->cfg;
    const size_t rows = (size_t)e->rows;
    e->tile = qn_alloc(QN_MEM_SESSION, rows * sizeof *e->tile);
    e->row_segment = qn_alloc(QN_MEM_SESSION, rows * sizeof *e->row_segment);
    e->ids = qn_alloc(QN_MEM_SESSION, rows * sizeof *e->ids);
    e->positions = qn_alloc(QN_MEM_SESSION, rows * sizeof *e->positions);
    e->types = qn_zalloc(QN_MEM_SESSION, rows, sizeof *e->types);       /* a text by itself is of the first type */
    e->page = qn_alloc(QN_MEM_SESSION, (size_t)e->pages * sizeof *e->page);
    if (!e->tile || !e->row_segment || !e->ids || !e->positions || !e->types || !e->page)
        return QN_ENOMEM;
    for (int64_t i = 0; i < e->pages; i++)
        e->page[i] = (int32_t)i;
    e->kv = (qn_kv_pool){kv, 1, c->kv_heads, c->Dh, qn_kv_block_bytes(kv, c->Dh), NULL};
    e->kv_bytes = (size_t)e->pages * qn_kv_page_bytes(&e->kv);
    e->kv.data = qn_arena_map(QN_MEM_KV, e->kv_bytes);
    e->batch = (qn_batch){.kv = &e->kv, .segment = e->segment, .tile = e->tile, .row_segment = e->row_segment};
    return e->kv.data ? 0 : QN_ENOMEM;
}

static int init(qn_encoder *e, const qn_encoder_options *o) {
    const int kv = o->kv >= 0 ? o->kv : (int)qn_default_kv(e->m, e->k);
    if (kv != QN_F32 && kv != QN_F16 && kv != QN_BF16)
        return qn_fail(QN_EUNSUPPORTED, "encoder: keys and values can be f32, f16 or bf16, not %s",
                       kv < QN_DTYPES ? qn_dtype_get((qn_dtype)kv)->name : "a type that does not exist");
    QN_TRY(sizes(e, o));
    const qn_graph_options graph = {.kv = (qn_dtype)kv, .max_context = e->max_tokens};
    const qn_exec_limits limits = {.max_t = e->rows, .workers = qn_pool_threads(e->pool)};
    e->cancel = o->cancel;
    qn_model_settle(e->m, e->pool);
    QN_TRY(allocate(e, (qn_dtype)kv));
    QN_TRY(qn_graph_new(&e->graph));
    QN_TRY(qn_model_encode(e->m, e->graph, &graph, &e->refs));
    QN_TRY(qn_exec_new(&e->exec, e->graph, e->k, &limits));
    qn_exec_bind(e->exec, e->refs.ids, e->ids);
    qn_exec_bind(e->exec, e->refs.positions, e->positions);
    if (e->refs.types >= 0)
        qn_exec_bind(e->exec, e->refs.types, e->types);
    return 0;
}

int qn_encoder_new(qn_encoder **out, const qn_model *m, const qn_kernels *k, qn_pool *pool,
                   const qn_encoder_options *o) {
    *out = NULL;
    qn_encoder *e = qn_zalloc(QN_MEM_SESSION, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    e->m = m;
    e->k = k;
    e->pool = pool;
    const int rc = init(e, o);
    if (rc < 0) {
        qn_encoder_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void qn_encoder_free(qn_encoder *e) {
    if (!e)
        return;
    qn_exec_free(e->exec);
    qn_graph_free(e->graph);
    qn_arena_unmap(QN_MEM_KV, e->kv.data, e->kv_bytes);
    qn_free(e->tile);
    qn_free(e->row_segment);
    qn_free(e->ids);
    qn_free(e->positions);
    qn_free(e->types);
    qn_free(e->page);
    qn_free(e);
}

int64_t qn_encoder_max_tokens(const qn_encoder *e) { return e->max_tokens; }
const qn_model *qn_encoder_model(const qn_encoder *e) { return e->m; }

/* ---- running ---- */

static int check_text(const qn_encoder *e, const qn_token_text *t, int64_t number) {
    if (t->n < 1)
        return qn_fail(QN_EINVAL, "text %lld has no tokens: there is nothing to read", (long long)number);
    if (t->n > e->max_tokens)
        return qn_fail(QN_ECONTEXT, "text %lld has %lld tokens; at most %lld are read", (long long)number,
                       (long long)t->n, (long long)e->max_tokens);
    for (int64_t i = 0; i < t->n; i++)
        if (t->ids[i] < 0 || t->ids[i] >= e->m->cfg.V)
            return qn_fail(QN_EINVAL, "text %lld: token id %d is outside the model's vocabulary of %lld",
                           (long long)number, t->ids[i], (long long)e->m->cfg.V);
    return 0;
}

static void start_run(qn_encoder *e, int64_t first) {
    e->first = first;
    e->T = e->used_pages = 0;
    e->batch.n_segments = 0;
    e->batch.chunks = 0;
}

static void add_text(qn_encoder *e, const qn_token_text *t) {
    const int64_t s = e->batch.n_segments++;
    e->segment[s] = (qn_segment){.row = e->T, .n = t->n, .pos = 0, .page = e->page + e->used_pages, .seq = s};
    e->first_row[s] = e->T;
    for (int64_t i = 0; i < t->n; i++) {
        e->ids[e->T + i] = t->ids[i];
        e->positions[e->T + i] = (int32_t)i;
        e->row_segment[e->T + i] = (int32_t)s;
    }
    e->T += t->n;
    e->first_row[s + 1] = e->T;
    e->used_pages += qn_tiles(t->n, QN_KEY_BLOCK);
    e->batch.chunks = QN_MAX(e->batch.chunks, qn_tiles(t->n, QN_KEY_CHUNK));
}

static int run(qn_encoder *e, qn_hidden_fn *fn, void *arg) {
    const int64_t group = e->m->cfg.heads / e->m->cfg.kv_heads;
    if (e->cancel && atomic_load_explicit(e->cancel, memory_order_relaxed))
        return qn_fail(QN_ECANCEL, "cancelled");
    e->batch.n_tiles = qn_query_tiles(e->segment, e->batch.n_segments, qn_query_tokens(group), e->tile, e->rows);
    qn_exec_run(e->exec, e->T, 0, e->pool, &e->batch);
    const qn_hidden h = {.first = e->first, .n = e->batch.n_segments, .D = e->m->cfg.D, .row = e->first_row,
                         .hidden = qn_exec_value(e->exec, e->refs.hidden)->data};
    return fn(arg, &h);
}

int qn_encoder_run(qn_encoder *e, const qn_token_text *texts, int64_t n, qn_hidden_fn *fn, void *arg) {
    for (int64_t i = 0; i < n; i++)
        QN_TRY(check_text(e, &texts[i], i));
    start_run(e, 0);
    for (int64_t i = 0; i < n; i++) {
        if (e->T + texts[i].n > e->rows || e->batch.n_segments == RUN_TEXTS) {
            QN_TRY(run(e, fn, arg));
            start_run(e, i);
        }
        add_text(e, &texts[i]);
    }
    return n > 0 ? run(e, fn, arg) : 0;
}
