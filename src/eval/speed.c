/* eval/speed.c — prefill and decoding, timed. Medians of several runs: the machine may have other work. */
#include "eval/speed.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_REPEATS = 1000 };

typedef struct {
    qn_session *s;
    const qn_speed_options *o;
    int32_t *prompt;        /* [max(prompt, depth, 1)] */
    int32_t *next;          /* [batch] each sequence's next token */
    qn_feed *feeds;         /* [batch] */
    double *rates;          /* [repeat] */
} bench;

/* ---- pieces ---- */

static int greedy(void *arg, int64_t feed, QN_UNUSED int64_t i, const float *logits) {
    bench *b = arg;
    b->next[feed] = (int32_t)qn_session_kernels(b->s)->argmax(logits, qn_session_vocabulary(b->s));
    return 0;
}

static int64_t sequences(const bench *b) { return QN_MAX(b->o->batch, 1); }

/* Everything behind `depth` positions is forgotten. */
static void rewind_all(bench *b) {
    for (int64_t i = 0; i < sequences(b); i++)
        qn_session_truncate(b->s, i, b->o->depth);
}

static int prefill(bench *b) {
    return qn_session_feed(b->s, &(qn_feed){0, b->prompt, b->o->prompt, QN_LOGITS_LAST}, 1, greedy, b);
}

static int decode(bench *b) {
    for (int64_t step = 0; step < b->o->gen; step++) {
        for (int64_t i = 0; i < sequences(b); i++)
            b->feeds[i] = (qn_feed){i, &b->next[i], 1, QN_LOGITS_LAST};
        QN_TRY(qn_session_feed(b->s, b->feeds, sequences(b), greedy, b));
    }
    return 0;
}

/* Each sequence has its own keys: shared pages would come from the cache. */
static int fill_depth(bench *b) {
    for (int64_t i = 0; i < sequences(b) && b->o->depth > 0; i++)
        QN_TRY(qn_session_feed(b->s, &(qn_feed){i, b->prompt, b->o->depth, QN_LOGITS_NONE}, 1, greedy, b));
    return 0;
}

/* ---- timing ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static qn_spread spread_of(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, ascending);
    return (qn_spread){(v[(n - 1) / 2] + v[n / 2]) / 2, v[0], v[n - 1]};
}

static int time_runs(bench *b, int (*run)(bench *b), int64_t tokens, qn_spread *out) {
    for (int i = -1; i < b->o->repeat; i++) {           /* the first one warms up */
        rewind_all(b);
        const double start = qn_now();
        QN_TRY(run(b));
        if (i >= 0)
            b->rates[i] = (double)tokens / (qn_now() - start);
    }
    rewind_all(b);
    *out = spread_of(b->rates, b->o->repeat);
    return 0;
}

static int measure(bench *b, qn_speed_result *r) {
    const double start = qn_now();
    QN_TRY(qn_session_feed(b->s, &(qn_feed){0, b->prompt, 1, QN_LOGITS_LAST}, 1, greedy, b));
    r->first_seconds = qn_now() - start;
    qn_session_settle(b->s, INT64_MAX);
    qn_session_reset(b->s);
    QN_TRY(fill_depth(b));
    if (b->o->prompt > 0)
        QN_TRY(time_runs(b, prefill, b->o->prompt, &r->prefill));
    if (b->o->gen > 0) {
        const int64_t before = qn_mem_calls();
        QN_TRY(time_runs(b, decode, b->o->gen * sequences(b), &r->decode));
        r->decode_allocations = qn_mem_calls() - before;
    }
    return 0;
}

/* ---- life ---- */

static int check(const qn_session *s, const qn_speed_options *o) {
    const int64_t need = o->depth + QN_MAX(QN_MAX(o->prompt, o->gen), 1);
    if (o->prompt < 0 || o->gen < 0 || o->depth < 0 || o->repeat < 1 || o->repeat > MOST_REPEATS)
        return qn_fail(QN_EINVAL, "a speed test needs 1 to %d repeats and no negative numbers", MOST_REPEATS);
    if (need > qn_session_context(s))
        return qn_fail(QN_ECONTEXT, "a speed test of %lld positions does not fit into the context of %lld",
                       (long long)need, (long long)qn_session_context(s));
    return 0;
}

static int init(bench *b, qn_session *s, const qn_speed_options *o) {
    const int64_t V = qn_session_vocabulary(s), n = QN_MAX(QN_MAX(o->prompt, o->depth), 1);
    *b = (bench){.s = s, .o = o};
    QN_TRY(check(s, o));
    b->prompt = qn_alloc(QN_MEM_SESSION, (size_t)n * sizeof *b->prompt);
    b->next = qn_zalloc(QN_MEM_SESSION, (size_t)sequences(b), sizeof *b->next);
    b->feeds = qn_zalloc(QN_MEM_SESSION, (size_t)sequences(b), sizeof *b->feeds);
    b->rates = qn_zalloc(QN_MEM_SESSION, (size_t)o->repeat, sizeof *b->rates);
    if (!b->prompt || !b->next || !b->feeds || !b->rates)
        return QN_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        b->prompt[i] = (int32_t)((i * 7919 + 13) % V);
    for (int64_t i = 0; i < sequences(b); i++)
        b->next[i] = b->prompt[0];
    return 0;
}

static void drop(bench *b) {
    qn_free(b->prompt);
    qn_free(b->next);
    qn_free(b->feeds);
    qn_free(b->rates);
}

int qn_speed_measure(qn_session *s, const qn_speed_options *o, qn_speed_result *r) {
    bench b;
    int rc;
    *r = (qn_speed_result){0};
    QN_TRY_OUT(init(&b, s, o));
    qn_session_reset(s);
    QN_TRY_OUT(measure(&b, r));
out:
    drop(&b);
    return rc;
}

/* Body and head have ops in common. */
static int merge_ops(qn_op_time *t, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const qn_op_time next = t[i];
        int j = 0;
        while (j < kept && (strcmp(t[j].op, next.op) != 0 || t[j].part != next.part))
            j++;
        if (j == kept)
            t[kept++] = (qn_op_time){.op = next.op, .part = next.part};
        t[j].ns += next.ns;
        t[j].calls += next.calls;
        t[j].worker_ns += next.worker_ns;
        t[j].wait_ns += next.wait_ns;
        t[j].bytes += next.bytes;
        t[j].flops += next.flops;
    }
    return kept;
}

int qn_speed_profile(qn_session *s, const qn_speed_options *o, bool decoding, qn_op_time *out, int cap) {
    bench b;
    int rc;
    QN_TRY_OUT(init(&b, s, o));
    qn_session_reset(s);
    QN_TRY_OUT(fill_depth(&b));
    qn_session_profile(s, true);
    rc = decoding ? decode(&b) : prefill(&b);
    if (rc >= 0)
        rc = merge_ops(out, qn_session_times(s, out, cap));
    qn_session_profile(s, false);
out:
    drop(&b);
    return rc;
}
