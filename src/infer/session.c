/* infer/session.c — feeds cut into runs, runs bound to the graph, wanted rows through the head. */
#include "infer/session.h"

#include <math.h>
#include <string.h>

/* STORED_ROWS: runs of more rows wait until all weights are packed: the file's rows would be taken apart for each. */
enum { DEFAULT_ROWS = 512, HEAD_ROWS = 32, STORED_ROWS = 4 };

struct qn_session {
    const qn_model *m;
    const qn_kernels *k;
    qn_pool *pool;
    const atomic_bool *cancel;
    uint64_t epoch;
    int64_t context, rows;
    qn_kv kv;
    qn_graph *body_graph, *head_graph;
    qn_exec *body, *head;
    qn_body_refs body_refs;
    qn_head_refs head_refs;
    bool begun;                 /* a run has been: its tokens are out before packing goes on */
    /* one run; all arrays have room for `rows` */
    qn_batch batch;
    qn_segment *segment;
    qn_query_tile *tile;
    int32_t *row_segment, *ids, *positions, *index;
    struct wanted { int64_t feed, i; } *wanted;       /* of each index */
    int64_t T, S;
    int64_t V;                  /* tokens that logits are of: the model's, and those that adapters bring */
    int n_adapters;
    const qn_adapter *adapter[QN_ADAPTERS];
    float *scale;               /* [sequences][n_adapters] */
    float *run_scale;           /* [rows][n_adapters] of the run's segments */
    int64_t *fed;               /* [sequences] positions that the call's feeds add, for checking */
};

/* ---- life ---- */

static int build_graphs(qn_session *s, int sequences, const qn_session_options *session) {
    const qn_graph_options o = {.kv = s->kv.pool.dtype, .max_context = s->context, .adapter = session->adapter,
                                .n_adapters = session->n_adapters};
    const qn_exec_limits limits = {.max_t = s->rows, .max_s = 0, .workers = qn_pool_threads(s->pool)};
    qn_exec_limits head_limits = limits;
    head_limits.max_s = QN_MIN(s->rows, QN_MAX(HEAD_ROWS, sequences));
    QN_TRY(qn_graph_new(&s->body_graph));
    QN_TRY(qn_graph_new(&s->head_graph));
    QN_TRY(qn_model_body(s->m, s->body_graph, &o, &s->body_refs));
    QN_TRY(qn_model_head(s->m, s->head_graph, &o, &s->head_refs));
    QN_TRY(qn_exec_new(&s->body, s->body_graph, s->k, &limits));
    QN_TRY(qn_exec_new(&s->head, s->head_graph, s->k, &head_limits));
    qn_exec_bind(s->body, s->body_refs.ids, s->ids);
    qn_exec_bind(s->body, s->body_refs.positions, s->positions);
    return 0;
}

static int allocate(qn_session *s, int64_t sequences) {
    const size_t rows = (size_t)s->rows;
    s->segment = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->segment);
    s->tile = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->tile);
    s->row_segment = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->row_segment);
    s->ids = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->ids);
    s->positions = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->positions);
    s->index = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->index);
    s->wanted = qn_alloc(QN_MEM_SESSION, rows * sizeof *s->wanted);
    s->fed = qn_zalloc(QN_MEM_SESSION, (size_t)sequences, sizeof *s->fed);
    if (!s->segment || !s->tile || !s->row_segment || !s->ids || !s->positions || !s->index || !s->wanted || !s->fed)
        return QN_ENOMEM;
    s->batch = (qn_batch){.kv = &s->kv.pool, .segment = s->segment, .tile = s->tile, .row_segment = s->row_segment};
    return 0;
}

static bool has_row(const qn_adapter *a, int64_t id) {
    for (int64_t j = 0; j < a->n_tokens; j++)
        if (a->token[j] == id)
            return true;
    return false;
}

/* Whether adapter a has a row for a token that one before it has too, both of them on (scales NULL: all are). */
static bool disputed(const qn_session *s, int a, const float *scales) {
    for (int b = 0; b < a && (!scales || scales[a] != 0); b++)
        for (int64_t j = 0; j < s->adapter[b]->n_tokens && (!scales || scales[b] != 0); j++)
            if (has_row(s->adapter[a], s->adapter[b]->token[j]))
                return true;
    return false;
}

/* Without any a run says nothing of adapters. */
static int take_adapters(qn_session *s, const qn_session_options *o, int64_t sequences) {
    s->n_adapters = o->n_adapters;
    s->V = s->m->cfg.V;
    if (o->n_adapters < 0 || o->n_adapters > QN_ADAPTERS)
        return qn_fail(QN_EINVAL, "session: %d adapters; at most %d can be loaded side by side", o->n_adapters,
                       QN_ADAPTERS);
    if (o->n_adapters == 0)
        return 0;
    for (int a = 0; a < o->n_adapters; a++) {
        QN_TRY(qn_adapter_check(o->adapter[a], s->m));
        s->adapter[a] = o->adapter[a];
    }
    s->V = qn_adapters_rows(s->m, s->adapter, o->n_adapters);
    const size_t of_all = (size_t)sequences * (size_t)o->n_adapters;
    s->scale = qn_alloc(QN_MEM_SESSION, of_all * sizeof *s->scale);
    s->run_scale = qn_zalloc(QN_MEM_SESSION, (size_t)s->rows * (size_t)o->n_adapters, sizeof *s->run_scale);
    if (!s->scale || !s->run_scale)
        return QN_ENOMEM;
    for (size_t i = 0; i < of_all; i++)
        s->scale[i] = !disputed(s, (int)(i % (size_t)o->n_adapters), NULL);
    s->batch.adapter_scale = s->run_scale;
    s->batch.n_adapters = s->n_adapters;
    return 0;
}

static int init(qn_session *s, const qn_session_options *o) {
    const qn_config *c = &s->m->cfg;
    QN_TRY(qn_arch_continues(s->m->arch, c, NULL));
    const int64_t sequences = o->sequences > 0 ? o->sequences : 1;
    const int kv = o->kv >= 0 ? o->kv : (int)qn_default_kv(s->m, s->k);
    if (o->context < 0 || o->context > INT32_MAX || sequences > 65536 || o->rows < 0 || o->rows > 65536)
        return qn_fail(QN_EINVAL, "session: context %lld, %lld sequences or %lld rows are out of range",
                       (long long)o->context,
                       (long long)sequences, (long long)o->rows);
    if (kv != QN_F32 && kv != QN_F16 && kv != QN_BF16 && kv != QN_Q8_0)
        return qn_fail(QN_EUNSUPPORTED, "session: the KV cache can be f32, f16, bf16 or q8_0, not %s",
                       kv < QN_DTYPES ? qn_dtype_get((qn_dtype)kv)->name : "a type that does not exist");
    s->context = o->context > 0 ? o->context : c->context;
    s->rows = QN_MAX(sequences, QN_MIN(o->rows > 0 ? o->rows : DEFAULT_ROWS, s->context * sequences));
    s->cancel = o->cancel;
    s->epoch = s->m->epoch;
    if (!qn_model_runs_unpacked(s->m, s->k))
        qn_model_settle(s->m, s->pool);
    QN_TRY(allocate(s, sequences));
    QN_TRY(take_adapters(s, o, sequences));
    QN_TRY(qn_kv_init(&s->kv, (qn_dtype)kv, c->layers, c->kv_heads, c->Dh, sequences, s->context));
    return build_graphs(s, (int)sequences, o);
}

int qn_session_new(qn_session **out, const qn_model *m, const qn_kernels *k, qn_pool *pool,
                   const qn_session_options *o) {
    *out = NULL;
    qn_session *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->m = m;
    s->k = k;
    s->pool = pool;
    const int rc = init(s, o);
    if (rc < 0) {
        qn_session_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void qn_session_free(qn_session *s) {
    if (!s)
        return;
    qn_exec_free(s->body);
    qn_exec_free(s->head);
    qn_graph_free(s->body_graph);
    qn_graph_free(s->head_graph);
    qn_kv_drop(&s->kv);
    qn_free(s->segment);
    qn_free(s->tile);
    qn_free(s->row_segment);
    qn_free(s->ids);
    qn_free(s->positions);
    qn_free(s->index);
    qn_free(s->wanted);
    qn_free(s->fed);
    qn_free(s->scale);
    qn_free(s->run_scale);
    qn_free(s);
}

/* ---- feeding ---- */

/* Beyond the model's rows a token is known to adapters alone: one of them must be on. */
static bool is_brought(const qn_session *s, int64_t seq, int32_t id) {
    for (int a = 0; a < s->n_adapters; a++)
        if (s->scale[seq * s->n_adapters + a] != 0 && has_row(s->adapter[a], id))
            return true;
    return false;
}

static int check_tokens(const qn_session *s, const qn_feed *f) {
    for (int64_t i = 0; i < f->n; i++) {
        const int32_t id = f->tokens[i];
        if (id >= 0 && (id < s->m->cfg.V || is_brought(s, f->seq, id)))
            continue;
        if (id >= 0 && id < s->V)
            return qn_fail(QN_EINVAL, "token id %d is known to an adapter that sequence %lld has switched off", id,
                           (long long)f->seq);
        return qn_fail(QN_EINVAL, "token id %d is outside the model's vocabulary of %lld", id, (long long)s->V);
    }
    return 0;
}

static int check_feeds(qn_session *s, const qn_feed *feeds, int64_t n) {
    memset(s->fed, 0, (size_t)s->kv.n_seq * sizeof *s->fed);
    if (s->epoch != s->m->epoch)
        return qn_fail(QN_ESTALE, "the weights have changed since this session's cache was filled; reset it");
    for (int64_t f = 0; f < n; f++) {
        const int64_t seq = feeds[f].seq;
        if (seq < 0 || seq >= s->kv.n_seq || feeds[f].n < 0)
            return qn_fail(QN_EINVAL, "sequence %lld with %lld tokens; the session has sequences 0 to %lld",
                           (long long)seq, (long long)feeds[f].n,
                           (long long)s->kv.n_seq - 1);
        QN_TRY(check_tokens(s, &feeds[f]));
        s->fed[seq] += feeds[f].n;
        const int64_t length = s->kv.seq[seq].length, total = length + s->fed[seq];
        if (total > s->context && length == 0)
            return qn_fail(QN_ECONTEXT, "%lld tokens do not fit into the context of %lld", (long long)total,
                           (long long)s->context);
        if (total > s->context)
            return qn_fail(QN_ECONTEXT, "%lld tokens after the %lld before them do not fit into the context of %lld",
                           (long long)s->fed[seq],
                           (long long)length, (long long)s->context);
    }
    return 0;
}

/* Appends tokens [from, from + n) of a feed to the run under construction as one segment. */
static int add_segment(qn_session *s, const qn_feed *f, int64_t feed, int64_t from, int64_t n) {
    const int64_t pos = s->kv.seq[f->seq].length;
    QN_TRY(qn_kv_reserve(&s->kv, f->seq, n));
    qn_segment *g = &s->segment[s->batch.n_segments];
    *g = (qn_segment){.row = s->T, .n = n, .pos = pos, .page = s->kv.seq[f->seq].page, .seq = f->seq};
    for (int a = 0; a < s->n_adapters; a++)
        s->run_scale[s->batch.n_segments * s->n_adapters + a] = s->scale[f->seq * s->n_adapters + a];
    for (int64_t i = 0; i < n; i++) {
        const int64_t t = s->T + i;
        s->ids[t] = f->tokens[from + i];
        s->positions[t] = (int32_t)(pos + i);
        s->row_segment[t] = (int32_t)s->batch.n_segments;
        if (f->want == QN_LOGITS_ALL || (f->want == QN_LOGITS_LAST && from + i == f->n - 1)) {
            s->index[s->S] = (int32_t)t;
            s->wanted[s->S++] = (struct wanted){feed, from + i};
        }
    }
    s->batch.n_segments++;
    s->batch.chunks = QN_MAX(s->batch.chunks, (pos + n + QN_KEY_CHUNK - 1) / QN_KEY_CHUNK);
    s->kv.seq[f->seq].length += n;
    s->T += n;
    return 0;
}

/* Logits of the wanted rows, a few at a time. */
static int run_head(qn_session *s, qn_logits_fn *fn, void *arg) {
    const int64_t V = s->V, step = QN_MIN(s->rows, QN_MAX(HEAD_ROWS, s->kv.n_seq));
    qn_exec_bind(s->head, s->head_refs.residual, qn_exec_value(s->body, s->body_refs.residual)->data);
    for (int64_t from = 0; from < s->S; from += step) {
        const int64_t n = QN_MIN(step, s->S - from);
        qn_exec_bind(s->head, s->head_refs.index, s->index + from);
        qn_exec_run(s->head, s->T, n, s->pool, &s->batch);
        const float *logits = qn_exec_value(s->head, s->head_refs.logits)->data;
        for (int64_t i = 0; i < n; i++)
            QN_TRY(fn(arg, s->wanted[from + i].feed, s->wanted[from + i].i, logits + i * V));
    }
    return 0;
}

void qn_session_settle(qn_session *s, int64_t rows) {
    if (rows > STORED_ROWS)
        qn_model_settle(s->m, s->pool);
}

/* Weights that are not packed yet (qn_model_settled): the first run begins at once, later ones pack some before they
 * begin, and many rows wait for all. What a row comes to is the same bits. */
static void go_on_packing(qn_session *s) {
    qn_session_settle(s, s->T);
    if (s->begun)
        qn_model_pack_on(s->m, s->pool);
    s->begun = true;
}

static int run(qn_session *s, qn_logits_fn *fn, void *arg) {
    const int64_t group = s->m->cfg.heads / s->m->cfg.kv_heads;
    s->batch.n_tiles = qn_query_tiles(s->segment, s->batch.n_segments, qn_query_tokens(group), s->tile, s->rows);
    go_on_packing(s);
    qn_exec_run(s->body, s->T, 0, s->pool, &s->batch);
    return run_head(s, fn, arg);
}

/* Takes back segments that were added but not run. */
static int abandon_run(qn_session *s, int rc) {
    for (int64_t i = s->batch.n_segments; i-- > 0;)
        qn_kv_truncate(&s->kv, s->segment[i].seq, s->segment[i].pos);
    return rc;
}

static bool cancelled(const qn_session *s) { return s->cancel && atomic_load_explicit(s->cancel,
                                                                                      memory_order_relaxed); }

static void start_run(qn_session *s) {
    s->T = s->S = 0;
    s->batch.n_segments = 0;
    s->batch.chunks = 0;
}

int qn_session_feed(qn_session *s, const qn_feed *feeds, int64_t n, qn_logits_fn *fn, void *arg) {
    QN_TRY(check_feeds(s, feeds, n));
    start_run(s);
    for (int64_t f = 0; f < n; f++)
        for (int64_t from = 0; from < feeds[f].n;) {
            const int64_t piece = QN_MIN(feeds[f].n - from, s->rows - s->T);
            const int rc = add_segment(s, &feeds[f], f, from, piece);
            if (rc < 0 || cancelled(s))
                return abandon_run(s, rc < 0 ? rc : qn_fail(QN_ECANCEL, "cancelled"));
            from += piece;
            if (s->T < s->rows)
                continue;
            QN_TRY(run(s, fn, arg));
            start_run(s);
        }
    return s->T > 0 ? run(s, fn, arg) : 0;
}

/* ---- sequences ---- */

int64_t qn_session_length(const qn_session *s, int64_t seq) { return s->kv.seq[seq].length; }
int64_t qn_session_context(const qn_session *s) { return s->context; }
int64_t qn_session_sequences(const qn_session *s) { return s->kv.n_seq; }
int64_t qn_session_rows(const qn_session *s) { return s->rows; }
int qn_session_adapters(const qn_session *s) { return s->n_adapters; }
int64_t qn_session_vocabulary(const qn_session *s) { return s->V; }
const qn_model *qn_session_model(const qn_session *s) { return s->m; }
const qn_kernels *qn_session_kernels(const qn_session *s) { return s->k; }
qn_dtype qn_session_kv_dtype(const qn_session *s) { return s->kv.pool.dtype; }
void qn_session_truncate(qn_session *s, int64_t seq, int64_t length) { qn_kv_truncate(&s->kv, seq, length); }

int qn_session_adapt(qn_session *s, int64_t seq, const float *scales) {
    if (seq < 0 || seq >= s->kv.n_seq)
        return qn_fail(QN_EINVAL, "sequence %lld; the session has sequences 0 to %lld", (long long)seq,
                       (long long)s->kv.n_seq - 1);
    if (s->n_adapters == 0)
        return 0;
    float *own = s->scale + seq * s->n_adapters;
    for (int a = 0; a < s->n_adapters; a++) {
        if (!isfinite(scales[a]))
            return qn_fail(QN_EINVAL, "adapter %d: its scale must be a number", a + 1);
        if (s->adapter[a]->dora && scales[a] != 0 && scales[a] != 1)
            return qn_fail(QN_EINVAL, "adapter %d: has magnitudes (DoRA), which belong to its own scale: 1 is on, 0 is "
                           "off, %g is neither", a + 1, (double)scales[a]);
        if (disputed(s, a, scales))
            return qn_fail(QN_EINVAL, "adapter %d: has rows for tokens that one before it has too; only one of them "
                           "can be on", a + 1);
    }
    if (s->kv.seq[seq].length > 0 && memcmp(own, scales, (size_t)s->n_adapters * sizeof *own) != 0)
        return qn_fail(QN_EINVAL, "sequence %lld holds %lld positions that were computed with other scales of "
                       "adapters; cut it to 0 first", (long long)seq, (long long)s->kv.seq[seq].length);
    memcpy(own, scales, (size_t)s->n_adapters * sizeof *own);
    return 0;
}

int qn_session_share(qn_session *s, int64_t from, int64_t to, int64_t n) {
    if (from == to || from < 0 || to < 0 || from >= s->kv.n_seq || to >= s->kv.n_seq || n < 0 ||
        n > s->kv.seq[from].length)
        return qn_fail(QN_EINVAL, "cannot share %lld positions of sequence %lld with sequence %lld", (long long)n,
                       (long long)from, (long long)to);
    const size_t scales = (size_t)s->n_adapters;
    if (n > 0 && scales && memcmp(s->scale + from * s->n_adapters, s->scale + to * s->n_adapters,
                                  scales * sizeof *s->scale) != 0)
        return qn_fail(QN_EINVAL, "sequences %lld and %lld have other scales of adapters: keys computed by one are not "
                       "the other's", (long long)from, (long long)to);
    return qn_kv_share(&s->kv, from, to, n);
}

void qn_session_reset(qn_session *s) {
    for (int64_t i = 0; i < s->kv.n_seq; i++)
        qn_kv_truncate(&s->kv, i, 0);
    s->epoch = s->m->epoch;
}

/* ---- looking ---- */

qn_session_memory qn_session_memory_get(const qn_session *s) {
    const qn_exec_info b = qn_exec_info_get(s->body), h = qn_exec_info_get(s->head);
    return (qn_session_memory){
        .weights = s->m->arena_bytes,
        .kv_used = (size_t)s->kv.used_peak * qn_kv_page_bytes(&s->kv.pool),
        .kv_reserved = s->kv.bytes,
        .activations = b.arena_bytes + h.arena_bytes,
        .scratch = b.scratch_bytes + b.partial_bytes + h.scratch_bytes + h.partial_bytes,
        .barriers = b.barriers + h.barriers,
    };
}

void qn_session_profile(qn_session *s, bool on) {
    qn_exec_profile(s->body, on);
    qn_exec_profile(s->head, on);
}

int qn_session_times(const qn_session *s, qn_op_time *out, int cap) {
    int n = qn_exec_times(s->body, out, cap);
    if (n < cap) {
        const int head = qn_exec_times(s->head, out + n, cap - n);
        for (int i = 0; i < head; i++)
            out[n + i].op = strcmp(out[n + i].op, "linear") == 0 ? "head" : out[n + i].op;
        n += head;
    }
    return n;
}
