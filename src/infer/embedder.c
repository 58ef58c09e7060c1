/* infer/embedder.c — texts tokenized by all threads, run, and pooled by all threads. */
#include "infer/embedder.h"

#include <math.h>
#include <string.h>

struct qn_embedder {
    qn_encoder *encoder;
    const qn_tok *tok;
    qn_embedding as;
    qn_embed_options o;
    qn_pool *pool;
    int64_t D;
    double *sum;                /* [workers][D] */
};

/* ---- pooling ---- */

/* Each dimension by itself, tokens ascending. */
static void gather(qn_pooling pooling, const float *hidden, int64_t n, int64_t D, double *sum) {
    const int64_t only = pooling == QN_POOL_LAST ? n - 1 : 0;
    const bool one = pooling == QN_POOL_CLS || pooling == QN_POOL_LAST;
    for (int64_t d = 0; d < D; d++)
        sum[d] = one || pooling == QN_POOL_MAX ? (double)hidden[only * D + d] : 0;
    for (int64_t t = 0; t < n && !one; t++) {
        const float *row = hidden + t * D;
        const double weight = pooling == QN_POOL_WEIGHTED ? (double)(t + 1) : 1;
        if (pooling == QN_POOL_MAX)
            for (int64_t d = 0; d < D; d++)
                sum[d] = (double)row[d] > sum[d] ? (double)row[d] : sum[d];
        else
            for (int64_t d = 0; d < D; d++)
                sum[d] += weight * (double)row[d];
    }
}

static double divisor(qn_pooling pooling, int64_t n) {
    switch (pooling) {
    case QN_POOL_MEAN: return (double)n;
    case QN_POOL_SQRT: return sqrt((double)n);
    case QN_POOL_WEIGHTED: return (double)n * (double)(n + 1) / 2;
    default: return 1;
    }
}

void qn_embed_pool(qn_pooling pooling, bool normalize, const float *hidden, int64_t n, int64_t D, double *sum,
                   float *out) {
    const double by = divisor(pooling, n);
    double squares = 0;
    gather(pooling, hidden, n, D, sum);
    for (int64_t d = 0; d < D; d++) {
        sum[d] /= by;
        squares += sum[d] * sum[d];
    }
    const double length = normalize ? fmax(sqrt(squares), 1e-12) : 1;      /* PyTorch's least length */
    for (int64_t d = 0; d < D; d++)
        out[d] = (float)(sum[d] / length);
}

/* ---- life ---- */

static int check_room(const qn_embedder *e) {
    const int64_t around = (int64_t)qn_tok_around(e->tok);
    if (e->as.max_tokens > around)
        return 0;
    return qn_fail(QN_EINVAL, "texts of at most %lld tokens are asked for, and %lld stand around each: none is left",
                   (long long)e->as.max_tokens, (long long)around);
}

static int init(qn_embedder *e, const qn_model *m, const qn_kernels *k) {
    if (e->as.pooling < 0 || e->as.pooling >= QN_POOLINGS)
        return qn_fail(QN_EINVAL, "a %s model was made to write, and its files do not say how its tokens become one "
                       "vector; say it with --pooling mean or last, or choose a model made for this", m->arch->name);
    if (e->as.max_tokens > QN_ENCODER_TOKENS && !qn_arch_is_encoder(m->arch, &m->cfg) && !e->as.said)
        e->as.max_tokens = QN_ENCODER_TOKENS;
    QN_TRY(check_room(e));
    const qn_encoder_options o = {.max_tokens = e->as.max_tokens, .rows = e->o.rows, .kv = e->o.kv,
                                  .cancel = e->o.cancel};
    e->sum = qn_alloc(QN_MEM_SESSION, (size_t)qn_pool_threads(e->pool) * (size_t)e->D * sizeof *e->sum);
    return e->sum ? qn_encoder_new(&e->encoder, m, k, e->pool, &o) : QN_ENOMEM;
}

int qn_embedder_new(qn_embedder **out, const qn_model *m, const qn_tok *tok, const qn_embedding *as,
                    const qn_kernels *k, qn_pool *pool, const qn_embed_options *o) {
    *out = NULL;
    qn_embedder *e = qn_zalloc(QN_MEM_SESSION, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    e->tok = tok;
    e->as = *as;
    e->o = *o;
    e->pool = pool;
    e->D = m->cfg.D;
    const int rc = init(e, m, k);
    if (rc < 0) {
        qn_embedder_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void qn_embedder_free(qn_embedder *e) {
    if (!e)
        return;
    qn_encoder_free(e->encoder);
    qn_free(e->sum);
    qn_free(e);
}

int64_t qn_embedder_width(const qn_embedder *e) { return e->D; }
int64_t qn_embedder_max_tokens(const qn_embedder *e) { return e->as.max_tokens; }

/* ---- ids to vectors ---- */

typedef struct { const qn_embedder *e; const qn_hidden *h; float *out; } pooling;

static void pool_text(void *arg, int64_t i, int worker) {
    const pooling *p = arg;
    const qn_hidden *h = p->h;
    qn_embed_pool(p->e->as.pooling, p->e->as.normalize, h->hidden + h->row[i] * h->D, h->row[i + 1] - h->row[i], h->D,
                  p->e->sum + (int64_t)worker * h->D, p->out + (h->first + i) * h->D);
}

static int pool_run(void *arg, const qn_hidden *h) {
    pooling *p = arg;
    p->h = h;
    qn_parallel(p->e->pool, h->n, pool_text, p);
    return 0;
}

int qn_embed_ids(qn_embedder *e, const qn_token_text *texts, int64_t n, float *out) {
    return qn_encoder_run(e->encoder, texts, n, pool_run, &(pooling){.e = e, .out = out});
}

/* ---- texts to ids ---- */

/* All texts' ids, each thread's behind one another. */
typedef struct {
    const qn_embedder *e;
    const qn_str *texts;
    unsigned flags;
    int64_t most;               /* to which texts are cut; 0: none is */
    qn_ids *ids;                /* [workers] */
    struct place { int worker, rc; size_t at; int64_t n, had; } *place;     /* [texts] */
} tokenizing;

int64_t qn_embedder_cut(const qn_embedder *e, int64_t most, qn_ids *ids, size_t at) {
    size_t behind;
    const int32_t *suffix = qn_tok_suffix(e->tok, &behind);
    const size_t n = ids->n - at, limit = (size_t)most;
    if (n <= limit)
        return (int64_t)n;
    const bool ends = behind > 0 && behind <= limit &&
                      memcmp(ids->v + ids->n - behind, suffix, behind * sizeof *suffix) == 0;
    ids->n = at + limit;
    if (ends)
        memcpy(ids->v + ids->n - behind, suffix, behind * sizeof *suffix);
    return most;
}

static void tokenize(void *arg, int64_t i, int worker) {
    const tokenizing *z = arg;
    qn_ids *ids = &z->ids[worker];
    struct place *p = &z->place[i];
    *p = (struct place){.worker = worker, .at = ids->n};
    p->rc = qn_tok_encode(z->e->tok, z->texts[i].s, z->texts[i].n, z->flags, ids);
    p->had = (int64_t)(ids->n - p->at);
    p->n = z->most > 0 ? qn_embedder_cut(z->e, z->most, ids, p->at) : p->had;
}

int qn_embedder_check(const qn_embedder *e, int64_t n, int64_t number) {
    if (n == 0)
        return qn_fail(QN_EINVAL, "text %lld has no tokens: there is nothing to read", (long long)number);
    if (n <= e->as.max_tokens)
        return 0;
    return qn_fail(QN_ECONTEXT, "text %lld has %lld tokens; this model reads %lld at once. Divide it, or let it be cut "
                   "(%s)", (long long)number, (long long)n, (long long)e->as.max_tokens,
                   e->o.cut_by ? e->o.cut_by : "truncate");
}

/* The message of another thread is gone: said again here. */
static int say(const tokenizing *z, int64_t i, int64_t number) {
    qn_ids ids = {0};
    const struct place *p = &z->place[i];
    const int rc = p->rc < 0 ? qn_tok_encode(z->e->tok, z->texts[i].s, z->texts[i].n, z->flags, &ids) : 0;
    qn_ids_drop(&ids);
    if (p->rc < 0)
        return qn_fail_in(rc < 0 ? rc : p->rc, "text %lld", (long long)(number + i));
    return qn_embedder_check(z->e, p->n, number + i);
}

static int embed(qn_embedder *e, tokenizing *z, int64_t n, int64_t number, float *out, qn_embedded *told) {
    qn_token_text *ids = qn_alloc(QN_MEM_SESSION, (size_t)n * sizeof *ids);
    int rc = ids ? 0 : QN_ENOMEM;
    if (rc >= 0)
        qn_parallel(e->pool, n, tokenize, z);
    for (int64_t i = 0; i < n && rc >= 0; i++) {
        const struct place *p = &z->place[i];
        rc = say(z, i, number);
        ids[i] = (qn_token_text){z->ids[p->worker].v + p->at, p->n};
        if (told)
            told[i] = (qn_embedded){p->n, p->had};
    }
    if (rc >= 0)
        rc = qn_embed_ids(e, ids, n, out);
    qn_free(ids);
    return rc;
}

int qn_embed_cut(qn_embedder *e, const qn_str *texts, int64_t n, int64_t number, int64_t most, float *out,
                 qn_embedded *told) {
    const int workers = qn_pool_threads(e->pool);
    if (n == 0)
        return 0;
    tokenizing z = {.e = e, .texts = texts, .most = most,
                    .flags = QN_TOK_ADD_SPECIAL | (e->o.parse_special ? QN_TOK_PARSE_SPECIAL : 0u)};
    z.ids = qn_zalloc(QN_MEM_SESSION, (size_t)workers, sizeof *z.ids);
    z.place = qn_alloc(QN_MEM_SESSION, (size_t)n * sizeof *z.place);
    const int rc = z.ids && z.place ? embed(e, &z, n, number, out, told) : QN_ENOMEM;
    for (int i = 0; z.ids && i < workers; i++)
        qn_ids_drop(&z.ids[i]);
    qn_free(z.ids);
    qn_free(z.place);
    return rc;
}

int qn_embed(qn_embedder *e, const qn_str *texts, int64_t n, int64_t number, float *out, qn_embedded *told) {
    return qn_embed_cut(e, texts, n, number, e->o.truncate ? e->as.max_tokens : 0, out, told);
}
