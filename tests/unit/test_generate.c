/* tests/unit/test_generate.c — from a prompt to an answer, on a tiny model with a tiny tokenizer: why it ends, which
 * text is given out and when, reuse of what the sequence holds, log-probabilities, what happens when things fail. */
#include "desk.h"

/* The greedy answer by hand: a fresh sequence, the greatest logit, fed back. */
static int32_t best_of(const float *logits) {
    int32_t best = 0;
    for (int32_t i = 1; i < V; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static int take_best(void *arg, QN_UNUSED int64_t f, QN_UNUSED int64_t i, const float *logits) {
    *(int32_t *)arg = best_of(logits);
    return 0;
}

static void by_hand(desk *d, int32_t *id, int n) {
    int32_t next;
    const qn_feed all = {1, d->prompt.v, (int64_t)d->prompt.n, QN_LOGITS_LAST};
    qn_session_truncate(d->s, 1, 0);
    CHECK_OK(qn_session_feed(d->s, &all, 1, take_best, &next));
    for (int i = 0; i < n; i++) {
        id[i] = next;
        const qn_feed one = {1, &id[i], 1, QN_LOGITS_LAST};
        CHECK_OK(qn_session_feed(d->s, &one, 1, take_best, &next));
    }
}

/* A character that the limit cut is not in the text. */
static void check_text(const desk *d, const answer *a, const int32_t *id, int n, unsigned flags) {
    qn_buf text = {0};
    qn_detok t;
    qn_detok_init(&t, d->tok, flags);
    for (int i = 0; i < n; i++)
        CHECK_OK(qn_detok_push(&t, id[i], &text));
    if (a->r.reason != QN_STOP_LENGTH)
        CHECK_OK(qn_detok_flush(&t, &text));
    CHECK_VIEW(qn_buf_view(&text), a->text);
    qn_buf_drop(&text);
}

/* ---- why an answer ends ---- */

TEST(as_many_tokens_as_asked_for) {
    static const int64_t many[] = {0, 1, 2, 60};
    desk d;
    int32_t want[60];
    init(&d, 200, NULL);
    by_hand(&d, want, 60);
    for (size_t i = 0; i < QN_LEN(many); i++) {
        answer a = {0};
        const qn_generate_options o = options(many[i]);
        CHECK_OK(generate(&d, &o, &a));
        CHECK_INT(a.r.reason, QN_STOP_LENGTH);
        CHECK_INT(a.n, many[i]);
        CHECK_INT(a.r.new_tokens, many[i]);
        CHECK_INT(a.r.prompt_tokens, PROMPT);
        CHECK(memcmp(a.id, want, (size_t)a.n * sizeof *want) == 0, "the greedy answer");
        CHECK_INT(d.held.n, PROMPT + QN_MAX(a.n - 1, 0), "the last token is not fed");
        check_text(&d, &a, a.id, a.n, QN_TOK_SKIP_SPECIAL);
    }
    drop(&d);
}

TEST(end_of_sequence) {
    desk d;
    int32_t want[40];
    int at = 12;
    init(&d, 200, NULL);
    by_hand(&d, want, 40);
    for (int i = 0; i < at; i++)                        /* the first place where that token comes */
        at = want[i] == want[12] ? i : at;
    answer a = {0}, b = {0};
    qn_generate_options o = options(40);
    d.m->cfg.n_eos = 2;
    d.m->cfg.eos[0] = 2;
    d.m->cfg.eos[1] = want[at];
    CHECK_OK(generate(&d, &o, &a));
    CHECK_STR(qn_stop_reason_name(a.r.reason), "eos");
    CHECK_INT(a.n, at, "no event for the end");
    CHECK_INT(a.r.new_tokens, at + 1, "but it is counted");
    CHECK_INT(d.held.n, PROMPT + at);
    check_text(&d, &a, want, at, QN_TOK_SKIP_SPECIAL);
    o.ignore_eos = true;
    CHECK_OK(generate(&d, &o, &b));
    CHECK_STR(qn_stop_reason_name(b.r.reason), "length");
    CHECK(b.n == 40 && memcmp(b.id, want, sizeof want) == 0);
    drop(&d);
}

TEST(stop_strings) {
    desk d;
    answer whole = {0};
    qn_generate_options o = options(60);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &whole));
    CHECK(whole.length > 20);
    for (size_t from = 0; from + 3 < whole.length; from += 5) {
        char needle[4] = "", before[4096];
        answer a = {0};
        memcpy(needle, whole.text + from, 3);
        const qn_str stop[] = {QN_STR("@@never@@"), qn_str_of(needle)};
        const size_t at = (size_t)(strstr(whole.text, needle) - whole.text);
        o.stop = stop;
        o.n_stop = 2;
        CHECK_OK(generate(&d, &o, &a));
        CHECK_INT(a.r.reason, QN_STOP_STRING);
        snprintf(before, sizeof before, "%.*s", (int)at, whole.text);
        CHECK_STR(a.text, before, "stops at \"%s\"", needle);
        CHECK(a.n < whole.n, "the rest is not computed");
    }
    const qn_str tail[] = {QN_STR("@@never@@")};
    answer a = {0};
    o.stop = tail;
    o.n_stop = 1;
    CHECK_OK(generate(&d, &o, &a));
    CHECK_STR(a.text, whole.text, "what was held back comes at the end");
    drop(&d);
}

/* The answer ends in the middle of what might have become a stop string: that is given out after all. */
TEST(an_unfinished_stop_string_is_text) {
    desk d;
    answer whole = {0}, a = {0};
    qn_generate_options o = options(30);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &whole));
    char longer[4096];
    snprintf(longer, sizeof longer, "%s, and more", whole.text + whole.length / 2);
    const qn_str stop[] = {qn_str_of(longer)};
    o.stop = stop;
    o.n_stop = 1;
    CHECK_OK(generate(&d, &o, &a));
    CHECK_INT(a.r.reason, QN_STOP_LENGTH);
    CHECK_STR(a.text, whole.text);
    CHECK_INT(a.events, 31, "30 tokens, then what was held back");
    drop(&d);
}

TEST(the_context_is_never_cut_silently) {
    desk d;
    answer a = {0}, b = {0};
    qn_generate_options o = options(-1);
    init(&d, 40, NULL);
    CHECK_OK(generate(&d, &o, &a));
    CHECK_STR(qn_stop_reason_name(a.r.reason), "context");
    CHECK_INT(a.r.new_tokens, 40 - PROMPT + 1);
    CHECK_INT(qn_session_length(d.s, 0), 40);
    while (d.prompt.n < 40)
        CHECK_OK(qn_ids_push(&d.prompt, 4));
    CHECK_OK(generate(&d, &o, &b), "a prompt that just fits has one token of answer");
    CHECK_INT(b.r.new_tokens, 1);
    CHECK_INT(b.r.reason, QN_STOP_CONTEXT);
    CHECK_OK(qn_ids_push(&d.prompt, 4));
    CHECK_FAIL(generate(&d, &o, &b), QN_ECONTEXT, "the prompt has 41 tokens, the context holds 40");
    CHECK_INT(qn_session_length(d.s, 0), 40, "and nothing has changed");
    drop(&d);
}

TEST(the_callback_may_stop_or_fail) {
    desk d;
    answer a = {.stop_at = 5, .code = 1}, b = {.stop_at = 5, .code = QN_EIO};
    const qn_str stop[] = {QN_STR("@@never@@")};
    qn_generate_options o = options(40);
    o.stop = stop;
    o.n_stop = 1;
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &a));
    CHECK_STR(qn_stop_reason_name(a.r.reason), "cancelled");
    CHECK_INT(a.events, 5, "it is not called again");
    CHECK_INT(a.r.new_tokens, 5);
    CHECK_INT(generate(&d, &o, &b), QN_EIO);
    CHECK_INT(b.events, 5);
    CHECK_OK(qn_generate(d.s, d.tok, 0, &d.held, &d.prompt, &o, NULL, NULL, &a.r), "nobody need listen");
    CHECK_INT(a.r.new_tokens, 40);
    drop(&d);
}

TEST(the_cancel_flag_stops) {
    desk d;
    atomic_bool cancel = false;
    answer a = {.stop_at = 5, .cancel = &cancel}, b = {0}, c = {0};
    const qn_generate_options o = options(40);
    init(&d, 200, &cancel);
    CHECK_OK(generate(&d, &o, &a));
    CHECK_INT(a.r.reason, QN_STOP_CALLER);
    CHECK_INT(a.n, 5);
    qn_session_truncate(d.s, 0, 0);
    qn_ids_clear(&d.held);
    CHECK_FAIL(generate(&d, &o, &b), QN_ECANCEL, "cancelled", "before the first token it is an error");
    CHECK_INT(b.events, 0);
    atomic_store(&cancel, false);
    CHECK_OK(generate(&d, &o, &c));
    CHECK(c.n == 40 && memcmp(a.id, c.id, 5 * sizeof *a.id) == 0);
    drop(&d);
}

/* ---- what the sequence holds already ---- */

TEST(a_held_prefix_changes_speed_only) {
    desk d, fresh;
    const qn_generate_options o = options(25);
    init(&d, 300, NULL);
    init(&fresh, 300, NULL);
    for (int turn = 0; turn < 5; turn++) {
        answer a = {0}, b = {0};
        const int64_t before = (int64_t)d.held.n;
        CHECK_OK(generate(&d, &o, &a));
        qn_session_truncate(fresh.s, 0, 0);
        qn_ids_clear(&fresh.held);
        CHECK_OK(generate(&fresh, &o, &b));
        CHECK_INT(b.r.cached_tokens, 0);
        CHECK_INT(a.r.cached_tokens, turn == 3 ? PROMPT - 1 : turn == 4 ? 10 : before, "turn %d", turn);
        CHECK(a.n == b.n && memcmp(a.id, b.id, (size_t)a.n * sizeof *a.id) == 0, "turn %d", turn);
        CHECK_STR(a.text, b.text);
        for (int i = 0; i < a.n && turn < 2; i++) {             /* the next turn: this answer and something new */
            CHECK_OK(qn_ids_push(&d.prompt, a.id[i]));
            CHECK_OK(qn_ids_push(&fresh.prompt, a.id[i]));
        }
        if (turn < 2) {
            CHECK_OK(qn_ids_push(&d.prompt, 40 + turn));
            CHECK_OK(qn_ids_push(&fresh.prompt, 40 + turn));
        }
        if (turn == 2)                                          /* back to the first prompt: its last token is fed */
            d.prompt.n = fresh.prompt.n = PROMPT;
        if (turn == 3)                                          /* another one after ten tokens */
            d.prompt.v[10] = fresh.prompt.v[10] = 77;
    }
    drop(&d);
    drop(&fresh);
}

TEST(a_reset_behind_its_back_is_noticed) {
    desk d;
    answer a = {0}, b = {0};
    const qn_generate_options o = options(20);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &a));
    qn_session_reset(d.s);                                      /* held still lists 49 tokens */
    CHECK_OK(generate(&d, &o, &b));
    CHECK_INT(b.r.cached_tokens, 0);
    CHECK(memcmp(a.id, b.id, 20 * sizeof *a.id) == 0);
    drop(&d);
}

/* ---- text ---- */

/* A token of the greedy answer is made special: it vanishes from the text, unless asked for. */
TEST(special_tokens_are_not_shown) {
    desk d;
    int32_t want[40];
    init(&d, 200, NULL);
    by_hand(&d, want, 40);
    drop(&d);
    types[want[7]] = QN_TOKEN_CONTROL;
    init(&d, 200, NULL);
    answer a = {0}, b = {0};
    qn_generate_options o = options(40);
    CHECK_OK(generate(&d, &o, &a));
    CHECK(memcmp(a.id, want, sizeof want) == 0);
    check_text(&d, &a, want, 40, QN_TOK_SKIP_SPECIAL);
    o.special = true;
    CHECK_OK(generate(&d, &o, &b));
    check_text(&d, &b, want, 40, 0);
    CHECK(a.length < b.length);
    drop(&d);
}

/* The two bytes of é are two tokens: no event holds half of it; the answer may end between them. */
TEST(characters_come_whole) {
    desk d;
    init(&d, 400, NULL);
    for (uint64_t seed = 0, halves = 0; seed < 40; seed++) {
        answer a = {0};
        qn_generate_options o = options(100);
        o.sampler.temperature = 5;
        o.sampler.seed = seed;
        CHECK_OK(generate(&d, &o, &a));
        check_text(&d, &a, a.id, a.n, QN_TOK_SKIP_SPECIAL);
        for (int i = 0; i < a.n; i++)
            halves += a.id[i] >= V - 2;
        CHECK(seed < 39 || halves > 20, "half characters are among the answers");
    }
    drop(&d);
}

TEST(sampling_repeats_by_seed) {
    desk d;
    answer a = {0}, b = {0}, c = {0};
    qn_generate_options o = options(50);
    init(&d, 200, NULL);
    o.sampler.temperature = 1.5;
    o.sampler.seed = 11;
    CHECK_OK(generate(&d, &o, &a));
    CHECK_OK(generate(&d, &o, &b));
    o.sampler.seed = 12;
    CHECK_OK(generate(&d, &o, &c));
    CHECK(memcmp(a.id, b.id, 50 * sizeof *a.id) == 0);
    CHECK(memcmp(a.id, c.id, 50 * sizeof *a.id) != 0);
    drop(&d);
}

/* ---- log-probabilities ---- */

typedef struct { const desk *d; const answer *a; int seen; } judging;

static int judge(void *arg, QN_UNUSED int64_t f, int64_t pos, const float *logits) {
    judging *g = arg;
    const qn_kernels *k = qn_session_kernels(g->d->s);
    const int i = (int)(pos - (PROMPT - 1));
    qn_logprob top[3];
    if (i < 0 || i >= g->a->n)
        return 0;
    const float want = qn_logprob_of(k, logits, V, g->a->id[i]);
    CHECK(memcmp(&want, &g->a->logprob[i], sizeof want) == 0, "token %d: %.9g, teacher-forced %.9g", i,
          (double)g->a->logprob[i], (double)want);
    qn_logprobs_top(k, logits, V, top, 3);
    for (int j = 0; j < 3; j++)
        CHECK(top[j].id == g->a->top[i][j].id && top[j].logprob == g->a->top[i][j].logprob, "token %d, place %d", i, j);
    g->seen++;
    return 0;
}

TEST(logprobs_are_those_of_a_teacher_forced_feed) {
    desk d;
    answer a = {0}, without = {0};
    qn_generate_options o = options(60);
    init(&d, 200, NULL);
    o.sampler.temperature = 1;
    o.logprobs = true;
    o.n_top = 3;
    CHECK_OK(generate(&d, &o, &a));
    for (int i = 0; i < a.n; i++)
        CHECK_OK(qn_ids_push(&d.prompt, a.id[i]));
    const qn_feed all = {1, d.prompt.v, (int64_t)d.prompt.n, QN_LOGITS_ALL};
    judging g = {&d, &a, 0};
    CHECK_OK(qn_session_feed(d.s, &all, 1, judge, &g));
    CHECK_INT(g.seen, 60);
    d.prompt.n = PROMPT;
    o.logprobs = false;
    CHECK_OK(generate(&d, &o, &without));
    CHECK(memcmp(a.id, without.id, sizeof a.id) == 0, "looking changes nothing");
    CHECK(isnan(without.logprob[0]));
    drop(&d);
}

/* ---- what goes wrong ---- */

TEST(prompts_that_are_refused) {
    desk d;
    answer a = {0};
    qn_generate_options o = options(5);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &a));
    const int64_t length = qn_session_length(d.s, 0);
    qn_ids good = d.prompt;
    d.prompt = (qn_ids){0};
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "the prompt is empty");
    d.prompt = good;
    d.prompt.v[3] = V;
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "token id 96 of the prompt is outside the model's vocabulary of 96");
    d.prompt.v[3] = -1;
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "token id -1");
    d.prompt.v[3] = 4;
    o.n_top = QN_TOP_MAX + 1;
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "65 alternatives");
    o.n_top = 0;
    o.sampler.top_p = 2;
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "top-p");
    CHECK_INT(qn_session_length(d.s, 0), length, "nothing was forgotten or fed");
    drop(&d);
}

static int64_t live(void) {
    int64_t n = 0;
    for (int t = 0; t < QN_MEM_TAGS; t++)
        n += qn_mem_stats_get((qn_mem_tag)t).live_bytes;
    return n;
}

TEST(no_leak_where_memory_ends) {
    desk d;
    answer want = {0};
    const qn_str stop[] = {QN_STR("@@never@@")};
    qn_generate_options o = options(30);
    int64_t n = 0;
    o.stop = stop;
    o.n_stop = 1;
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &want));
    const int64_t before = live();
    for (int rc = -1; rc < 0; n++) {
        answer a = {0};
        qn_mem_fail_after(n);
        rc = generate(&d, &o, &a);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_message());
        CHECK_INT(live(), before, "allocation %lld", (long long)n);
        if (rc == 0)
            CHECK_STR(a.text, want.text);
    }
    CHECK(n > 5, "%lld allocations", (long long)n);
    drop(&d);
}

/* With the lists and buffers grown by a first answer, the second allocates at its start only. */
typedef struct { int events; int64_t calls; } counting;

static int count_calls(void *arg, QN_UNUSED const qn_token_event *e) {
    counting *c = arg;
    if (c->events++ == 20)
        c->calls = qn_mem_calls();
    return 0;
}

TEST(decoding_allocates_nothing) {
    desk d;
    counting c = {0};
    qn_generate_result r;
    qn_generate_options o = options(100);
    init(&d, 400, NULL);
    o.sampler.temperature = 1;
    o.sampler.repetition_penalty = 1.1;
    CHECK_OK(qn_generate(d.s, d.tok, 0, &d.held, &d.prompt, &o, count_calls, &c, &r));
    c = (counting){0};
    CHECK_OK(qn_generate(d.s, d.tok, 0, &d.held, &d.prompt, &o, count_calls, &c, &r));
    CHECK(c.events >= 100);
    CHECK_INT(qn_mem_calls() - c.calls, 0, "in the last 80 tokens");
    drop(&d);
}
