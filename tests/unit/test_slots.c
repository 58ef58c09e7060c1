/* tests/unit/test_slots.c — many answers at once: each is what qn_generate says alone, whatever runs beside it;
 * prefixes are taken over; cancelling, queues and failures touch nobody else. */
#include <pthread.h>

#include "desk.h"
#include "serve/scheduler.h"

enum { SLOTS = 4, ROWS = 64, CONTEXT = 300 };

/* A server's half of a desk: the same model, a session of several sequences. */
typedef struct {
    desk d;                             /* answers alone */
    qn_session *s;
    qn_slots *e;
} room;

static void open_room(room *r, int64_t slots, int64_t rows) {
    const qn_session_options o = {.context = CONTEXT, .sequences = slots, .rows = rows, .kv = -1};
    const qn_slots_options eo = {.chunk = 24};
    init(&r->d, CONTEXT, NULL);
    CHECK_OK(qn_session_new(&r->s, r->d.m, qn_kernels_at(qn_test_isa()), NULL, &o));
    CHECK_OK(qn_slots_new(&r->e, r->s, r->d.tok, &eo));
}

static void close_room(room *r) {
    qn_slots_free(r->e);
    qn_session_free(r->s);
    drop(&r->d);
}

/* ---- a job and what came of it ---- */

typedef struct {
    qn_job j;
    qn_ids prompt;
    answer a;
    int rc, ended;
    char message[200];
    int64_t cancel_at;                  /* it cancels itself with this event */
    pthread_mutex_t *lock;              /* with a scheduler: of `left` */
    pthread_cond_t *over;
    int *left;
} asked;

static int heard(qn_job *j, const qn_token_event *e) {
    asked *q = j->arg;
    if (q->cancel_at > 0 && q->a.events + 1 >= q->cancel_at)
        atomic_store(&j->cancel, true);
    return on_token(&q->a, e);
}

static void ended(qn_job *j, int rc, const qn_generate_result *r) {
    asked *q = j->arg;
    q->rc = rc;
    q->ended++;
    q->a.r = *r;
    if (rc < 0)
        snprintf(q->message, sizeof q->message, "%s", qn_error_message());
    if (!q->lock)
        return;
    pthread_mutex_lock(q->lock);
    --*q->left;
    pthread_cond_signal(q->over);
    pthread_mutex_unlock(q->lock);
}

static const qn_job_listener listener = {.token = heard, .done = ended};

/* A prompt of n tokens: the first `same` of them are alike in all that have the same `kind`. */
static void ask(asked *q, int64_t n, int64_t same, uint32_t kind, uint32_t salt, int64_t max_new) {
    *q = (asked){.j = {.to = &listener, .arg = q}};
    for (int64_t i = 0; i < n; i++) {
        const uint64_t bits = qn_rng_u64(i < same ? kind : 1000 + salt, QN_RNG_TEST, 1, (uint64_t)i) >> 8;
        CHECK_OK(qn_ids_push(&q->prompt, (int32_t)(3 + bits % 91)));
    }
    q->j.prompt = &q->prompt;
    q->j.o = options(max_new);
}

static void forget(asked *q) { qn_ids_drop(&q->prompt); }

/* What the desk says alone, with nothing held. */
static void check_alone(room *r, const asked *q, const char *which) {
    answer alone = {0};
    qn_ids held = {0};
    qn_session_truncate(r->d.s, 1, 0);
    CHECK_OK(qn_generate(r->d.s, r->d.tok, 1, &held, &q->prompt, &q->j.o, on_token, &alone, &alone.r));
    CHECK_INT(q->rc, 0, "%s: %s", which, q->message);
    CHECK_INT(q->ended, 1);
    CHECK_INT(q->a.n, alone.n, "%s", which);
    CHECK(memcmp(q->a.id, alone.id, (size_t)alone.n * sizeof *alone.id) == 0, "%s: the same tokens", which);
    CHECK_STR(q->a.text, alone.text, "%s", which);
    CHECK_INT(q->a.r.reason, alone.r.reason, "%s", which);
    CHECK_INT(q->a.r.new_tokens, alone.r.new_tokens, "%s", which);
    for (int i = 0; i < alone.n && q->j.o.logprobs; i++)
        CHECK(memcmp(&q->a.logprob[i], &alone.logprob[i], sizeof(float)) == 0 &&
              q->a.top[i][0].id == alone.top[i][0].id && q->a.top[i][0].logprob == alone.top[i][0].logprob,
              "%s: log-probability of token %d", which, i);
    qn_ids_drop(&held);
}

static void pass_until_idle(room *r) {
    for (int i = 0; i < 2000 && qn_slots_active(r->e) > 0; i++)
        qn_slots_pass(r->e);
    CHECK_INT(qn_slots_active(r->e), 0);
}

/* ---- tests ---- */

/* Jobs of every kind come one after the other while others run: greedy and drawn, with stops, with log-probabilities,
 * with penalties, long and short prompts, some that begin alike. */
TEST(answers_are_those_given_alone) {
    enum { JOBS = 18 };
    static asked q[JOBS];
    const qn_str stop[] = {QN_STR("@@never@@"), QN_STR("e")};
    room r;
    open_room(&r, SLOTS, ROWS);
    for (uint32_t i = 0; i < JOBS; i++) {
        ask(&q[i], 5 + (int64_t)(i * 53) % 170, (int64_t)(i % 3) * 40, i % 2, i, 4 + (int64_t)(i * 7) % 30);
        qn_sampler_options *s = &q[i].j.o.sampler;
        s->temperature = i % 3 ? 0.9 : 0;
        s->top_p = i % 4 == 1 ? 0.8 : 1;
        s->repetition_penalty = i % 5 == 2 ? 1.3 : 1;
        s->seed = i;
        q[i].j.o.logprobs = i % 4 == 2;
        q[i].j.o.n_top = q[i].j.o.logprobs ? 3 : 0;
        q[i].j.o.stop = stop;
        q[i].j.o.n_stop = i % 6 == 5 ? 2 : i % 2;
    }
    for (int at = 0, turn = 0; at < JOBS; turn++) {
        if (qn_slots_active(r.e) < SLOTS && turn % 3 != 1)
            qn_slots_admit(r.e, &q[at++].j);
        qn_slots_pass(r.e);
    }
    pass_until_idle(&r);
    int64_t cached = 0;
    for (int i = 0; i < JOBS; i++) {
        char which[32];
        snprintf(which, sizeof which, "job %d", i);
        check_alone(&r, &q[i], which);
        cached += q[i].a.r.cached_tokens;
    }
    const qn_slots_stats t = qn_slots_stats_get(r.e);
    CHECK(cached > 200 && t.cached_tokens == cached, "%lld tokens were taken over", (long long)cached);
    CHECK_INT(t.answers, JOBS);
    for (int i = 0; i < JOBS; i++)
        forget(&q[i]);
    close_room(&r);
}

/* Of prompts that begin alike and come together, the beginning is read once. */
TEST(what_begins_alike_is_read_once) {
    static asked q[SLOTS];
    room r;
    open_room(&r, SLOTS, ROWS);
    for (uint32_t i = 0; i < SLOTS; i++) {
        ask(&q[i], 120 + i, 110, 7, i, 6);
        qn_slots_admit(r.e, &q[i].j);
    }
    pass_until_idle(&r);
    for (int i = 0; i < SLOTS; i++) {
        check_alone(&r, &q[i], "together");
        CHECK_INT(q[i].a.r.cached_tokens, i == 0 ? 0 : 110, "job %d", i);
    }
    CHECK_INT(qn_slots_stats_get(r.e).prompt_tokens, 120 + 11 + 12 + 13);
    for (int i = 0; i < SLOTS; i++)
        forget(&q[i]);
    close_room(&r);
}

/* A conversation that goes on finds itself in its slot, and others' slots are left alone. */
TEST(a_conversation_goes_on) {
    static asked first, second, other;
    room r;
    open_room(&r, 2, ROWS);
    ask(&first, 50, 50, 1, 0, 10);
    qn_slots_admit(r.e, &first.j);
    pass_until_idle(&r);
    ask(&other, 40, 0, 0, 9, 5);
    qn_slots_admit(r.e, &other.j);
    pass_until_idle(&r);
    ask(&second, 50, 50, 1, 0, 10);
    for (int i = 0; i < first.a.n; i++)
        CHECK_OK(qn_ids_push(&second.prompt, first.a.id[i]));
    CHECK_OK(qn_ids_push(&second.prompt, 40));
    qn_slots_admit(r.e, &second.j);
    pass_until_idle(&r);
    check_alone(&r, &second, "the second turn");
    CHECK_INT(second.a.r.cached_tokens, 59, "all but the last token of the answer, which was never fed");
    CHECK_INT(qn_session_length(r.s, 1), 44, "the other one's");
    forget(&first);
    forget(&second);
    forget(&other);
    close_room(&r);
}

TEST(cancelled_ones_end_and_others_do_not_notice) {
    static asked q[SLOTS], later;
    room r;
    open_room(&r, SLOTS, ROWS);
    for (uint32_t i = 0; i < SLOTS; i++) {
        ask(&q[i], 100, 0, 0, i, 30);
        q[i].cancel_at = i == 1 ? 5 : 0;
        qn_slots_admit(r.e, &q[i].j);
    }
    atomic_store(&q[2].j.cancel, true);                 /* while it reads */
    pass_until_idle(&r);
    CHECK_INT(q[1].rc, QN_ECANCEL);
    CHECK_INT(q[1].a.n, 5);
    CHECK_INT(q[2].rc, QN_ECANCEL);
    CHECK_INT(q[2].a.n, 0);
    check_alone(&r, &q[0], "beside it");
    check_alone(&r, &q[3], "beside it");
    ask(&later, 100, 0, 0, 1, 12);                      /* the same prompt as the one that was cancelled */
    qn_slots_admit(r.e, &later.j);
    pass_until_idle(&r);
    check_alone(&r, &later, "afterwards");
    CHECK_INT(later.a.r.cached_tokens, 99);
    for (int i = 0; i < SLOTS; i++)
        forget(&q[i]);
    forget(&later);
    close_room(&r);
}

TEST(the_context_is_filled_and_no_more) {
    static asked full, just, empty;
    room r;
    open_room(&r, 2, ROWS);
    ask(&full, CONTEXT - 20, 0, 0, 3, -1);
    ask(&just, CONTEXT, 0, 0, 4, -1);
    ask(&empty, 30, 0, 0, 5, 0);
    qn_slots_admit(r.e, &full.j);
    qn_slots_admit(r.e, &just.j);
    pass_until_idle(&r);
    check_alone(&r, &full, "to the end");
    check_alone(&r, &just, "one token");
    CHECK_INT(full.a.r.reason, QN_STOP_CONTEXT);
    CHECK_INT(just.a.r.new_tokens, 1);
    qn_slots_admit(r.e, &empty.j);
    pass_until_idle(&r);
    check_alone(&r, &empty, "no tokens");
    CHECK_OK(qn_ids_push(&just.prompt, 4));
    CHECK_FAIL(qn_slots_check(r.e, &just.j), QN_ECONTEXT, "the prompt has 301 tokens, the context holds 300");
    empty.prompt.v[3] = 1234;
    CHECK_FAIL(qn_slots_check(r.e, &empty.j), QN_EINVAL, "token id 1234");
    empty.prompt.n = 0;
    CHECK_FAIL(qn_slots_check(r.e, &empty.j), QN_EINVAL, "empty");
    forget(&full);
    forget(&just);
    forget(&empty);
    close_room(&r);
}

/* ---- with its thread ---- */

typedef struct { pthread_mutex_t lock; pthread_cond_t over; int left; } waiting;

static void wait_for(waiting *w) {
    pthread_mutex_lock(&w->lock);
    while (w->left > 0)
        pthread_cond_wait(&w->over, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static void listen_to(waiting *w, asked *q) {
    q->lock = &w->lock;
    q->over = &w->over;
    q->left = &w->left;
}

TEST(a_queue_is_bounded_and_in_order) {
    enum { JOBS = 8 };
    static asked q[JOBS + 1];
    waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, JOBS};
    qn_scheduler *s;
    qn_job *all[JOBS];
    room r;
    open_room(&r, 2, ROWS);
    CHECK_OK(qn_scheduler_new(&s, r.e, NULL, 6));
    for (uint32_t i = 0; i < JOBS + 1; i++) {
        ask(&q[i], 60, 0, 0, i, 20);
        listen_to(&w, &q[i]);
        if (i < JOBS)
            all[i] = &q[i].j;
    }
    qn_job *too_many[] = {all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7], &q[JOBS].j};
    CHECK_FAIL(qn_scheduler_submit(s, too_many, JOBS + 1), QN_EINVAL, "9 answers in one request; this server takes 8");
    CHECK_INT(q[0].ended, 0, "all or none");
    pthread_mutex_lock(&w.lock);                            /* nobody can end meanwhile */
    CHECK_OK(qn_scheduler_submit(s, all, JOBS), "two slots and six that wait");
    CHECK_FAIL(qn_scheduler_submit(s, too_many + JOBS, 1), QN_ELIMIT, "the queue holds 6");
    pthread_mutex_unlock(&w.lock);
    CHECK(qn_scheduler_retry_after(s) >= 1);
    wait_for(&w);
    qn_scheduler_close(s);
    CHECK_FAIL(qn_scheduler_submit(s, too_many + JOBS, 1), QN_ECANCEL, "about to end");
    CHECK_FAIL(qn_scheduler_embed(s, &(qn_embed_job){.n = 1}), QN_EUNSUPPORTED, "--pooling");
    qn_scheduler_free(s);
    for (int i = 0; i < JOBS; i++)
        check_alone(&r, &q[i], "queued");
    CHECK_INT(qn_slots_stats_get(r.e).answers, JOBS);
    for (int i = 0; i < JOBS + 1; i++)
        forget(&q[i]);
    close_room(&r);
}

/* It ends while some run and some wait: each is told, once. */
TEST(the_end_is_told_to_everybody) {
    enum { JOBS = 6 };
    static asked q[JOBS];
    waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, JOBS};
    qn_scheduler *s;
    room r;
    open_room(&r, 2, ROWS);
    CHECK_OK(qn_scheduler_new(&s, r.e, NULL, 10));
    for (uint32_t i = 0; i < JOBS; i++) {
        qn_job *one = &q[i].j;
        ask(&q[i], 200, 0, 0, i, 100);
        listen_to(&w, &q[i]);
        CHECK_OK(qn_scheduler_submit(s, &one, 1));
    }
    qn_scheduler_free(s);
    CHECK_INT(w.left, 0);
    for (int i = 0; i < JOBS; i++) {
        CHECK(q[i].ended == 1 && (q[i].rc == QN_ECANCEL || q[i].rc == 0), "job %d: %d", i, q[i].rc);
        forget(&q[i]);
    }
    close_room(&r);
}
