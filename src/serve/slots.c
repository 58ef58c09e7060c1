/* serve/slots.c — slots, what they take over from one another, and the passes that feed them. */
#include "serve/slots.h"

#include <math.h>
#include <string.h>

/* WORTH_WAITING: tokens that another slot will soon hold, and that need not be read a second time then. */
enum { CHUNK = 256, WORTH_WAITING = 32 };

typedef enum { FREE, NEW, READS, WRITES } state;        /* NEW: has a job, and waits for what another reads */

typedef struct {
    state state;
    int64_t seq;
    qn_job *job;
    qn_ids held;                    /* what the sequence holds, also without a job */
    float *scale;                   /* [adapters] that it was computed with */
    qn_reply answer;
    int64_t feeding;                /* tokens of this pass */
    int32_t token;                  /* that a writer feeds */
    qn_sampled last;                /* sampled in this pass, if `sampled`; rc: or why not */
    bool sampled;
    int rc;
    qn_logprob top[QN_TOP_MAX];
    uint64_t order, used;           /* when its job came; when the last one went */
    double began;
    qn_generate_result r;
} slot;

struct qn_slots {
    qn_session *s;
    const qn_tok *tok;
    int64_t n, chunk;
    int adapters;
    float *base;                    /* [adapters] */
    slot *slot;                     /* [n] */
    slot **reader;                  /* [n] of this pass, the oldest job first */
    qn_feed *feed;                  /* [n], and whose they are */
    slot **fed;
    int64_t feeds;
    uint64_t clock;
    qn_slots_stats stats;
};

/* ---- life ---- */

static int allocate(qn_slots *e, const qn_slots_options *o) {
    const size_t n = (size_t)e->n, adapters = (size_t)e->adapters;
    e->slot = qn_zalloc(QN_MEM_SERVE, n, sizeof *e->slot);
    e->reader = qn_zalloc(QN_MEM_SERVE, n, sizeof *e->reader);
    e->feed = qn_zalloc(QN_MEM_SERVE, n, sizeof *e->feed);
    e->fed = qn_zalloc(QN_MEM_SERVE, n, sizeof *e->fed);
    e->base = qn_zalloc(QN_MEM_SERVE, adapters, sizeof *e->base);
    if (!e->slot || !e->reader || !e->feed || !e->fed || !e->base)
        return QN_ENOMEM;
    for (size_t a = 0; a < adapters; a++)
        e->base[a] = o->scales ? o->scales[a] : 1;
    for (int64_t i = 0; i < e->n; i++) {
        e->slot[i].seq = i;
        e->slot[i].scale = qn_zalloc(QN_MEM_SERVE, adapters, sizeof(float));
        if (!e->slot[i].scale)
            return QN_ENOMEM;
    }
    return 0;
}

int qn_slots_new(qn_slots **out, qn_session *s, const qn_tok *tok, const qn_slots_options *o) {
    *out = NULL;
    qn_slots *e = qn_zalloc(QN_MEM_SERVE, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    e->s = s;
    e->tok = tok;
    e->n = qn_session_sequences(s);
    e->chunk = o->chunk > 0 ? o->chunk : CHUNK;
    e->adapters = qn_session_adapters(s);
    if (allocate(e, o) < 0) {
        qn_slots_free(e);
        return QN_ENOMEM;
    }
    *out = e;
    return 0;
}

/* The answer is over, the slot free; what it holds stays, but for what an error left. */
static void finish(qn_slots *e, slot *s, int rc) {
    qn_job *j = s->job;
    if (rc >= 0)
        rc = qn_reply_end(&s->answer);
    s->r.reason = rc == QN_ECANCEL ? QN_STOP_CALLER : s->answer.reason;
    s->r.new_tokens = s->answer.tokens;
    s->r.decode_seconds = s->state == WRITES ? qn_now() - s->began - s->r.prefill_seconds : 0;
    if (qn_session_length(e->s, s->seq) > (int64_t)s->held.n)
        qn_session_truncate(e->s, s->seq, (int64_t)s->held.n);
    qn_reply_drop(&s->answer);
    s->state = FREE;
    s->job = NULL;
    s->used = ++e->clock;
    e->stats.answers += rc >= 0;
    e->stats.cancelled += rc == QN_ECANCEL;
    e->stats.failed += rc < 0 && rc != QN_ECANCEL;
    j->to->done(j, rc, &s->r);
}

void qn_slots_free(qn_slots *e) {
    if (!e)
        return;
    for (int64_t i = 0; e->slot && i < e->n; i++) {
        if (e->slot[i].job)
            finish(e, &e->slot[i], qn_fail(QN_ECANCEL, "cancelled: the server ends"));
        qn_ids_drop(&e->slot[i].held);
        qn_free(e->slot[i].scale);
    }
    qn_free(e->slot);
    qn_free(e->reader);
    qn_free(e->feed);
    qn_free(e->fed);
    qn_free(e->base);
    qn_free(e);
}

int64_t qn_slots_count(const qn_slots *e) { return e->n; }
qn_slots_stats qn_slots_stats_get(const qn_slots *e) { return e->stats; }
qn_session *qn_slots_session(const qn_slots *e) { return e->s; }

int64_t qn_slots_active(const qn_slots *e) {
    int64_t n = 0;
    for (int64_t i = 0; i < e->n; i++)
        n += e->slot[i].state != FREE;
    return n;
}

void qn_slots_cancel(qn_slots *e) {
    for (int64_t i = 0; i < e->n; i++)
        if (e->slot[i].job)
            atomic_store(&e->slot[i].job->cancel, true);
}

int qn_slots_check(const qn_slots *e, const qn_job *j) {
    QN_TRY(qn_reply_check(e->s, j->prompt, &j->o));
    QN_TRY(qn_sampler_options_check(&j->o.sampler));
    for (int a = 0; a < e->adapters && j->scales; a++)
        if (!isfinite(j->scales[a]))
            return qn_fail(QN_EINVAL, "adapter %d: its scale must be a number", a + 1);
    return 0;
}

/* ---- a job finds its slot ---- */

static const float *scales_of(const qn_slots *e, const qn_job *j) { return j->scales ? j->scales : e->base; }

static size_t common(const qn_ids *a, const qn_ids *b) {
    size_t n = 0;
    while (n < a->n && n < b->n && a->v[n] == b->v[n])
        n++;
    return n;
}

/* How many tokens at the beginning of the job's prompt the slot holds. The last one is always fed. */
static size_t usable(const qn_slots *e, const slot *s, const qn_job *j) {
    if (j->scored || memcmp(s->scale, scales_of(e, j), (size_t)e->adapters * sizeof *s->scale) != 0)
        return 0;
    return QN_MIN(common(&s->held, j->prompt), j->prompt->n - 1);
}

/* A slot whose text the job goes on with, or the one that has been idle for longest: conversations take turns, and the
 * one that was left alone is forgotten first. */
static slot *pick(qn_slots *e, const qn_job *j) {
    slot *oldest = NULL, *same = NULL;
    size_t most = 0;
    for (int64_t i = 0; i < e->n; i++) {
        slot *s = &e->slot[i];
        if (s->state != FREE)
            continue;
        const size_t n = usable(e, s, j);
        if (!oldest || s->used < oldest->used)
            oldest = s;
        if (n > most && 4 * n >= 3 * s->held.n) {
            same = s;
            most = n;
        }
    }
    return same ? same : oldest;
}

static int on_token(void *arg, const qn_token_event *e) {
    qn_job *j = arg;
    return j->to->token(j, e);
}

void qn_slots_admit(qn_slots *e, qn_job *j) {
    slot *s = pick(e, j);
    qn_assert(s);
    s->state = NEW;
    s->job = j;
    s->order = ++e->clock;
    s->began = qn_now();
    s->last.top = s->top;
    s->r = (qn_generate_result){.prompt_tokens = (int64_t)j->prompt->n};
    int rc = j->to->begin ? j->to->begin(j) : 0;
    if (rc >= 0)
        rc = qn_reply_init(&s->answer, e->s, e->tok, &j->o, on_token, j);
    if (rc >= 0)
        rc = qn_reply_prompt(&s->answer, j->prompt);
    if (rc < 0)
        finish(e, s, rc);
}

/* The first n tokens of the prompt become what the slot holds, out of another one or its own. */
static int take_over(qn_slots *e, slot *s, const slot *from, size_t n) {
    const int32_t *prompt = s->job->prompt->v;
    if (from == s && n > 0) {
        qn_session_truncate(e->s, s->seq, (int64_t)n);
        s->held.n = n;
        return 0;
    }
    qn_session_truncate(e->s, s->seq, 0);
    qn_ids_clear(&s->held);
    QN_TRY(qn_session_adapt(e->s, s->seq, scales_of(e, s->job)));
    memcpy(s->scale, scales_of(e, s->job), (size_t)e->adapters * sizeof *s->scale);
    if (n > 0)
        QN_TRY(qn_session_share(e->s, from->seq, s->seq, (int64_t)n));
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_ids_push(&s->held, prompt[i]));
    return 0;
}

/* Begins to read, unless somebody is reading what this one would have to read, too. */
static void begin(qn_slots *e, slot *s) {
    const slot *best = s;
    size_t most = usable(e, s, s->job), coming = 0;
    for (int64_t i = 0; i < e->n; i++) {
        const slot *o = &e->slot[i];
        if (o == s)
            continue;
        const size_t n = usable(e, o, s->job);
        if (n > most) {
            best = o;
            most = n;
        }
        const bool alike = memcmp(o->scale, scales_of(e, s->job), (size_t)e->adapters * sizeof *o->scale) == 0;
        if (o->state == READS && alike && !s->job->scored)
            coming = QN_MAX(coming, QN_MIN(common(o->job->prompt, s->job->prompt), s->job->prompt->n - 1));
    }
    if (coming >= most + WORTH_WAITING)
        return;
    const int rc = take_over(e, s, best, most);
    if (rc < 0) {
        finish(e, s, rc);
        return;
    }
    s->state = READS;
    s->r.cached_tokens = (int64_t)most;
    e->stats.cached_tokens += (int64_t)most;
}

/* ---- a pass ---- */

static void put_feed(qn_slots *e, slot *s, const int32_t *tokens, int64_t n, qn_logits_want want) {
    s->feeding = n;
    s->sampled = false;
    s->rc = 0;
    e->fed[e->feeds] = s;
    e->feed[e->feeds++] = (qn_feed){s->seq, tokens, n, want};
}

/* Who waits for longest is first; each takes half of what is left at the most, so that a long prompt does not keep
 * short ones behind it from being read. */
static void plan_readers(qn_slots *e, int64_t budget) {
    int64_t n = 0;
    for (int64_t i = 0; i < e->n; i++) {
        if (e->slot[i].state != READS)
            continue;
        int64_t at = n++;
        for (; at > 0 && e->reader[at - 1]->order > e->slot[i].order; at--)
            e->reader[at] = e->reader[at - 1];
        e->reader[at] = &e->slot[i];
    }
    for (int64_t i = 0; i < n && budget > 0; i++) {
        slot *s = e->reader[i];
        const qn_ids *prompt = s->job->prompt;
        const int64_t left = (int64_t)(prompt->n - s->held.n), share = i + 1 < n ? (budget + 1) / 2 : budget;
        const int64_t take = QN_MIN(left, share);
        const qn_logits_want want = take == left ? QN_LOGITS_LAST : QN_LOGITS_NONE;
        put_feed(e, s, prompt->v + s->held.n, take, s->job->scored ? QN_LOGITS_ALL : want);
        e->stats.prompt_tokens += take;
        budget -= take;
    }
}

static void plan(qn_slots *e) {
    const int64_t rows = qn_session_rows(e->s);
    e->feeds = 0;
    for (int64_t i = 0; i < e->n; i++)
        if (e->slot[i].state == WRITES) {
            e->slot[i].token = e->slot[i].last.id;
            put_feed(e, &e->slot[i], &e->slot[i].token, 1, QN_LOGITS_LAST);
        }
    const int64_t left = rows - e->feeds;
    plan_readers(e, e->feeds > 0 ? QN_MIN(left, e->chunk) : left);
}

/* How probable a token of the prompt was. */
static int tell_score(const qn_slots *e, slot *s, int32_t id, const float *logits) {
    const qn_kernels *k = qn_session_kernels(e->s);
    const int64_t V = qn_session_vocabulary(e->s), n_top = s->job->o.n_top;
    const qn_token_event told = {.id = id, .logprob = qn_logprob_of(k, logits, V, id), .top = s->top, .n_top = n_top};
    if (n_top > 0)
        qn_logprobs_top(k, logits, V, s->top, n_top);
    return s->job->to->token(s->job, &told);
}

/* Sampling that fails is this answer's failure alone. */
static int on_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    const qn_slots *e = arg;
    slot *s = e->fed[feed];
    const size_t next = s->held.n + (size_t)i + 1;
    if (s->state == READS && next < s->job->prompt->n) {
        const int rc = s->rc >= 0 ? tell_score(e, s, s->job->prompt->v[next], logits) : 0;
        s->rc = QN_MIN(s->rc, rc);
        return 0;
    }
    if (s->state == READS && s->rc < 0)
        return 0;
    s->sampled = true;
    s->rc = qn_reply_sample(&s->answer, logits, &s->last);
    return 0;
}

/* The token that was sampled becomes part of the answer. */
static void take(qn_slots *e, slot *s) {
    if (s->state == READS) {
        s->state = WRITES;
        s->r.prefill_seconds = qn_now() - s->began;
    }
    const int ended = qn_reply_full(&s->answer) ? 1 : qn_reply_take(&s->answer, &s->last);
    e->stats.new_tokens++;
    if (ended) {
        finish(e, s, QN_MIN(ended, 0));
    } else if (qn_session_length(e->s, s->seq) == qn_session_context(e->s)) {
        s->answer.reason = QN_STOP_CONTEXT;
        finish(e, s, 0);
    }
}

static int hold(slot *s) {
    if (s->state == WRITES)
        return qn_ids_push(&s->held, s->token);
    for (int64_t i = 0; i < s->feeding; i++)
        QN_TRY(qn_ids_push(&s->held, s->job->prompt->v[s->held.n]));
    return 0;
}

static void settle(qn_slots *e, slot *s, int rc) {
    if (rc >= 0)
        rc = hold(s);
    if (rc >= 0)
        rc = s->rc;
    if (rc < 0)
        finish(e, s, rc);
    else if (s->sampled)
        take(e, s);
}

void qn_slots_pass(qn_slots *e) {
    const double start = qn_now();
    for (int64_t i = 0; i < e->n; i++)
        if (e->slot[i].job && atomic_load_explicit(&e->slot[i].job->cancel, memory_order_relaxed))
            finish(e, &e->slot[i], qn_fail(QN_ECANCEL, "cancelled"));
    for (int64_t i = 0; i < e->n; i++)
        if (e->slot[i].state == NEW)
            begin(e, &e->slot[i]);
    plan(e);
    if (e->feeds == 0)
        return;
    const int rc = qn_session_feed(e->s, e->feed, e->feeds, on_logits, e);
    for (int64_t i = 0; i < e->feeds; i++)
        settle(e, e->fed[i], rc);
    e->stats.passes++;
    e->stats.busy_seconds += qn_now() - start;
}
