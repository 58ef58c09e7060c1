/* serve/scheduler.c — a queue, a condition, a thread. */
#include "serve/scheduler.h"

#include <pthread.h>
#include <string.h>

enum { EMBED_STEP = 32 };       /* texts between two passes: nobody who writes waits for longer */

struct qn_scheduler {
    qn_slots *slots;
    qn_embedder *embedder;
    int64_t bound;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;       /* of all below */
    pthread_cond_t more;
    qn_job *first, *last;
    int64_t waiting;
    qn_embed_job *embed_first, *embed_last;
    bool closed, cancelled, ended;
    double each_seconds, busy_before;
    qn_scheduler_stats seen;    /* as of the last pass */
    int64_t refused, left;      /* left: cancelled before they began */
};

/* ---- the thread ---- */

static qn_job *pop(qn_scheduler *s) {
    qn_job *j = s->first;
    s->first = j->next;
    if (!s->first)
        s->last = NULL;
    s->waiting--;
    s->seen.active++;           /* until it is counted again */
    return j;
}

/* What was cancelled before it began leaves the queue: a list of its own, ended without the lock. */
static qn_job *pop_cancelled(qn_scheduler *s) {
    qn_job *gone = NULL, **end = &gone, **at = &s->first;
    s->last = NULL;
    while (*at) {
        qn_job *j = *at;
        if (!s->cancelled && !atomic_load_explicit(&j->cancel, memory_order_relaxed)) {
            s->last = j;
            at = &j->next;
            continue;
        }
        *at = j->next;
        j->next = NULL;
        *end = j;
        end = &j->next;
        s->waiting--;
        s->left++;
    }
    return gone;
}

static void end_all(qn_job *j) {
    while (j) {
        qn_job *next = j->next;
        const qn_generate_result r = {.reason = QN_STOP_CALLER, .prompt_tokens = (int64_t)j->prompt->n};
        j->to->done(j, qn_fail(QN_ECANCEL, "cancelled"), &r);
        j = next;
    }
}

/* Called with the lock, which it gives up for a moment. */
static void fill_slots(qn_scheduler *s) {
    qn_job *gone = pop_cancelled(s);
    pthread_mutex_unlock(&s->lock);
    end_all(gone);
    pthread_mutex_lock(&s->lock);
    while (s->first && qn_slots_active(s->slots) < qn_slots_count(s->slots)) {
        qn_job *j = pop(s);
        pthread_mutex_unlock(&s->lock);
        qn_slots_admit(s->slots, j);
        pthread_mutex_lock(&s->lock);
    }
}

static int embed_some(qn_scheduler *s, qn_embed_job *j) {
    const int64_t n = QN_MIN(j->n - j->at, EMBED_STEP), width = qn_embedder_width(s->embedder);
    float *to = j->vectors + j->at * width;
    if (atomic_load_explicit(&j->cancel, memory_order_relaxed))
        return qn_fail(QN_ECANCEL, "cancelled");
    if (j->texts)
        QN_TRY(qn_embed_cut(s->embedder, j->texts + j->at, n, j->at + 1, j->cut, to, j->told + j->at));
    else
        QN_TRY(qn_embed_ids(s->embedder, j->ids + j->at, n, to));
    j->at += n;
    return 0;
}

/* Some texts of the job in front, which goes to the end of its queue then: none waits for a long list. */
static void embed(qn_scheduler *s) {
    qn_embed_job *j = s->embed_first;
    s->embed_first = j->next;
    if (!s->embed_first)
        s->embed_last = NULL;
    j->next = NULL;
    if (s->cancelled)
        atomic_store(&j->cancel, true);
    pthread_mutex_unlock(&s->lock);
    const int rc = embed_some(s, j);
    const bool ended = rc < 0 || j->at == j->n;
    if (ended)
        j->done(j, QN_MIN(rc, 0));
    pthread_mutex_lock(&s->lock);
    if (ended) {
        s->seen.embedding--;
        return;
    }
    if (s->embed_last)
        s->embed_last->next = j;
    else
        s->embed_first = j;
    s->embed_last = j;
}

/* What others see; and how many seconds of work an answer takes from all, recent ones counting more. */
static void count(qn_scheduler *s) {
    const qn_slots_stats now = qn_slots_stats_get(s->slots);
    const qn_session_memory memory = qn_session_memory_get(qn_slots_session(s->slots));
    const int64_t ended = now.answers + now.failed - s->seen.total.answers - s->seen.total.failed;
    s->seen.total = now;
    s->seen.active = qn_slots_active(s->slots);
    s->seen.kv_used = memory.kv_used;
    s->seen.kv_most = memory.kv_reserved;
    if (ended > 0) {
        const double each = (now.busy_seconds - s->busy_before) / (double)ended;
        s->each_seconds = s->each_seconds > 0 ? 0.9 * s->each_seconds + 0.1 * each : each;
        s->busy_before = now.busy_seconds;
    }
}

static void *work(void *arg) {
    qn_scheduler *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (s->slots)
            fill_slots(s);
        if (s->slots && s->cancelled)
            qn_slots_cancel(s->slots);
        const bool busy = s->slots && qn_slots_active(s->slots) > 0;
        if (s->ended && !busy && !s->first && !s->embed_first)
            break;
        if (busy) {
            pthread_mutex_unlock(&s->lock);
            qn_slots_pass(s->slots);
            pthread_mutex_lock(&s->lock);
        }
        if (s->slots)
            count(s);
        if (s->embed_first)
            embed(s);
        else if (!busy && !s->first)
            pthread_cond_wait(&s->more, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- for the others ---- */

int qn_scheduler_new(qn_scheduler **out, qn_slots *slots, qn_embedder *m, int64_t queue) {
    *out = NULL;
    qn_scheduler *s = qn_zalloc(QN_MEM_SERVE, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->slots = slots;
    s->embedder = m;
    s->bound = queue;
    s->seen.slots = slots ? qn_slots_count(slots) : 0;
    if (slots)
        s->seen.kv_most = qn_session_memory_get(qn_slots_session(slots)).kv_reserved;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    s->started = pthread_create(&s->thread, NULL, work, s) == 0;
    if (!s->started) {
        qn_scheduler_free(s);
        return qn_fail(QN_EIO, "cannot start the thread that runs the model");
    }
    *out = s;
    return 0;
}

void qn_scheduler_free(qn_scheduler *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closed = s->cancelled = s->ended = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    qn_free(s);
}

/* The caller holds the lock. Texts to embed count as a job each. */
static int has_room(qn_scheduler *s, int64_t n) {
    if (s->closed)
        return qn_fail(QN_ECANCEL, "the server is about to end");
    const int64_t places = QN_MAX(s->seen.slots, 1);            /* an encoder has no slots, and embeds all the same */
    if (n > s->bound + places)
        return qn_fail(QN_EINVAL, "%lld answers in one request; this server takes %lld at most, %lld that it writes at "
                       "once and %lld that wait (--parallel, --queue)", (long long)n, (long long)(s->bound + places),
                       (long long)places, (long long)s->bound);
    const int64_t idle = QN_MAX(places - s->seen.active, 0);
    if (s->waiting + s->seen.embedding + n <= s->bound + idle)
        return 0;
    s->refused += n;
    return qn_fail(QN_ELIMIT, "%lld answers are under way and %lld wait, the queue holds %lld; try again later",
                   (long long)s->seen.active, (long long)(s->waiting + s->seen.embedding), (long long)s->bound);
}

int qn_scheduler_submit(qn_scheduler *s, qn_job *const *jobs, int64_t n) {
    if (!s->slots)
        return qn_fail(QN_EUNSUPPORTED, "this model reads texts whole and writes none: it makes embeddings");
    for (int64_t i = 0; i < n; i++)
        QN_TRY(qn_slots_check(s->slots, jobs[i]));
    pthread_mutex_lock(&s->lock);
    const int rc = has_room(s, n);
    for (int64_t i = 0; i < n && rc >= 0; i++) {
        jobs[i]->next = NULL;
        jobs[i]->submitted = qn_now();
        if (s->last)
            s->last->next = jobs[i];
        else
            s->first = jobs[i];
        s->last = jobs[i];
        s->waiting++;
    }
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int qn_scheduler_embed(qn_scheduler *s, qn_embed_job *j) {
    if (!s->embedder)
        return qn_fail(QN_EUNSUPPORTED, "this model writes, and its files do not say how vectors are made of it; start "
                       "the server with --pooling, or with an encoder");
    pthread_mutex_lock(&s->lock);
    const int rc = has_room(s, 1);
    if (rc >= 0) {
        j->next = NULL;
        j->at = 0;
        if (s->embed_last)
            s->embed_last->next = j;
        else
            s->embed_first = j;
        s->embed_last = j;
        s->seen.embedding++;
    }
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void qn_scheduler_close(qn_scheduler *s) {
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_mutex_unlock(&s->lock);
}

void qn_scheduler_cancel(qn_scheduler *s) {
    pthread_mutex_lock(&s->lock);
    s->closed = s->cancelled = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

qn_scheduler_stats qn_scheduler_look(qn_scheduler *s) {
    pthread_mutex_lock(&s->lock);
    qn_scheduler_stats r = s->seen;
    r.waiting = s->waiting;
    r.refused = s->refused;
    r.total.cancelled += s->left;
    pthread_mutex_unlock(&s->lock);
    return r;
}

bool qn_scheduler_is_idle(qn_scheduler *s) {
    const qn_scheduler_stats r = qn_scheduler_look(s);
    return r.waiting == 0 && r.active == 0 && r.embedding == 0;
}

/* Until a quarter of the queue has gone. */
int qn_scheduler_retry_after(qn_scheduler *s) {
    pthread_mutex_lock(&s->lock);
    const double seconds = s->each_seconds * (double)QN_MAX(s->waiting / 4, 1);
    pthread_mutex_unlock(&s->lock);
    return seconds < 1 ? 1 : seconds > 60 ? 60 : (int)(seconds + 0.5);
}
