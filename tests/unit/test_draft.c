/* tests/unit/test_draft.c — guesses change when an answer comes, and nothing else: ids, texts, log-probabilities, ends,
 * what the session holds, for any sampling and any drafter, down to one that says nonsense. */
#include "desk.h"

/* ---- drafters of known quality ---- */

typedef enum { RIGHT, MIXED, WRONG, NONSENSE, KINDS } quality;

typedef struct {
    qn_drafter base;
    const int32_t *truth;                       /* the answer; −1 where it ends */
    quality kind;
    int rc;                                     /* what it returns instead, if negative */
    int64_t calls;
} oracle;

static int foresee(qn_drafter *base, const qn_ids *text, QN_UNUSED qn_sampler *s, int64_t most, int32_t *out) {
    oracle *o = (oracle *)base;
    const int64_t from = (int64_t)text->n - PROMPT, n = o->kind == MIXED ? most - o->calls % 3 % most : most;
    CHECK(most >= 1 && most <= QN_DRAFT_MAX);
    if (o->rc < 0 && o->calls >= 2)
        return o->rc;
    o->calls++;
    for (int64_t i = 0; i < n; i++) {
        const int32_t right = from + i < MAX_ANSWER && o->truth[from + i] >= 0 ? o->truth[from + i] : 5;
        const bool spoil = o->kind == WRONG || (o->kind == MIXED && (from + i) * 7 % 5 == 1);
        out[i] = o->kind == NONSENSE ? (i % 2 ? V + 7 : -3) : spoil ? (right + 1) % V : right;
    }
    return (int)n;
}

/* ---- two answers side by side ---- */

static void start_over(desk *d) {
    qn_session_truncate(d->s, 0, 0);
    qn_ids_clear(&d->held);
}

static void same(const answer *a, const answer *b, const qn_generate_options *o, const char *what) {
    CHECK_INT(a->n, b->n, "%s", what);
    CHECK(memcmp(a->id, b->id, (size_t)a->n * sizeof *a->id) == 0, "%s: ids", what);
    CHECK_STR(a->text, b->text, "%s", what);
    CHECK_INT(a->events, b->events, "%s", what);
    CHECK_INT(a->r.reason, b->r.reason, "%s: %s", what, qn_stop_reason_name(a->r.reason));
    CHECK_INT(a->r.new_tokens, b->r.new_tokens, "%s", what);
    if (!o->logprobs)
        return;
    CHECK(memcmp(a->logprob, b->logprob, (size_t)a->n * sizeof *a->logprob) == 0, "%s: log-probabilities", what);
    CHECK(memcmp(a->top, b->top, (size_t)a->n * sizeof *a->top) == 0, "%s: alternatives", what);
}

/* The plain answer, then the same by each drafter with rows of each length; what is held must be the same as well. */
static void compare(desk *d, qn_generate_options o, const char *what) {
    static const int64_t lengths[] = {1, 2, 5, QN_DRAFT_MAX};
    int32_t truth[MAX_ANSWER];
    answer plain = {.stop_at = 0};
    start_over(d);
    CHECK_OK(generate(d, &o, &plain));
    const int64_t held = (int64_t)d->held.n;
    for (int i = 0; i < MAX_ANSWER; i++)
        truth[i] = i < plain.n ? plain.id[i] : -1;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < QN_LEN(lengths); i++) {
            oracle guesser = {.base = {.guess = foresee}, .truth = truth, .kind = (quality)kind};
            answer a = {.stop_at = 0};
            o.drafter = &guesser.base;
            o.guesses = lengths[i];
            start_over(d);
            CHECK_OK(generate(d, &o, &a));
            same(&a, &plain, &o, what);
            CHECK_INT(d->held.n, held, "%s", what);
            CHECK(a.r.passes <= plain.r.passes && a.r.kept <= a.r.guessed, "%s", what);
            CHECK(kind != NONSENSE || a.r.guessed == 0, "%s: ids outside the vocabulary are not fed", what);
            CHECK(kind != WRONG || a.r.kept == 0, "%s", what);
            CHECK(kind != RIGHT || plain.n < 20 || 3 * a.r.passes < 2 * plain.r.passes, "%s: %lld passes", what,
                  (long long)a.r.passes);
        }
}

static qn_generate_options lively(int64_t n, double temperature, uint64_t seed) {
    qn_generate_options o = options(n);
    o.sampler.temperature = temperature;
    o.sampler.seed = seed;
    return o;
}

TEST(greedy_and_drawn_answers_are_the_same) {
    desk d;
    init(&d, 200, NULL);
    for (int prompt = 0; prompt < 4; prompt++) {
        d.prompt.v[PROMPT - 1] = 10 + prompt;
        compare(&d, options(60), "greedy");
        compare(&d, lively(50, 1, (uint64_t)prompt), "drawn");
        qn_generate_options o = lively(50, 0.8, 7);
        o.sampler.top_k = 12;
        o.sampler.top_p = 0.9;
        o.sampler.min_p = 0.02;
        o.sampler.repetition_penalty = 1.2;
        o.sampler.frequency_penalty = 0.3;
        o.logprobs = true;
        o.n_top = 3;
        compare(&d, o, "drawn with everything");
    }
    drop(&d);
}

TEST(answers_end_where_they_did) {
    desk d;
    answer whole = {.stop_at = 0};
    init(&d, 200, NULL);
    for (int64_t n = 0; n < 12; n++)
        compare(&d, options(n), "so many tokens");
    start_over(&d);
    qn_generate_options o = options(60);
    CHECK_OK(generate(&d, &o, &whole));
    for (size_t from = 3; from + 3 < whole.length && from < 30; from += 4) {
        char needle[4] = "";
        memcpy(needle, whole.text + from, 3);
        const qn_str stop[] = {QN_STR("@@never@@"), qn_str_of(needle)};
        o.stop = stop;
        o.n_stop = 2;
        compare(&d, o, "a stop string");
    }
    o = options(60);
    d.m->cfg.n_eos = 1;
    d.m->cfg.eos[0] = whole.id[17];
    compare(&d, o, "end of sequence");
    o.ignore_eos = true;
    compare(&d, o, "its end ignored");
    drop(&d);
    init(&d, 45, NULL);
    compare(&d, options(-1), "the context is full");
    drop(&d);
}

TEST(the_callback_stops_in_the_middle_of_a_pass) {
    desk d;
    answer plain = {.stop_at = 0};
    qn_generate_options o = options(40);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &plain));
    for (int at = 1; at < 12; at++) {
        oracle guesser = {.base = {.guess = foresee}, .truth = plain.id, .kind = RIGHT};
        answer a = {.stop_at = at, .code = 1}, b = {.stop_at = at, .code = QN_EIO};
        o.drafter = &guesser.base;
        o.guesses = 8;
        start_over(&d);
        CHECK_OK(generate(&d, &o, &a));
        CHECK_INT(a.r.reason, QN_STOP_CALLER);
        CHECK_INT(a.events, at);
        CHECK_INT(d.held.n, PROMPT + at - 1);
        CHECK_INT(generate(&d, &o, &b), QN_EIO);
        CHECK_INT(d.held.n, PROMPT + at - 1);
    }
    drop(&d);
}

/* What was guessed wrong leaves nothing behind: the next turn has the bits of one that was never drafted for. */
TEST(the_next_turn_is_the_same) {
    desk d, p;
    init(&d, 300, NULL);
    init(&p, 300, NULL);
    for (int turn = 0; turn < 4; turn++) {
        answer a = {.stop_at = 0}, b = {.stop_at = 0};
        qn_generate_options o = lively(25, 0.7, (uint64_t)turn);
        o.logprobs = true;
        CHECK_OK(generate(&p, &o, &b));
        oracle guesser = {.base = {.guess = foresee}, .truth = b.id, .kind = MIXED};
        o.drafter = &guesser.base;
        o.guesses = 6;
        CHECK_OK(generate(&d, &o, &a));
        same(&a, &b, &o, "a turn");
        CHECK_INT(a.r.cached_tokens, b.r.cached_tokens);
        CHECK_INT(d.held.n, p.held.n);
        for (int i = 0; i < b.n; i++) {
            CHECK_OK(qn_ids_push(&d.prompt, b.id[i]));
            CHECK_OK(qn_ids_push(&p.prompt, b.id[i]));
        }
        CHECK_OK(qn_ids_push(&d.prompt, 50 + turn));
        CHECK_OK(qn_ids_push(&p.prompt, 50 + turn));
    }
    drop(&d);
    drop(&p);
}

TEST(a_drafter_may_fail) {
    desk d;
    int32_t truth[MAX_ANSWER];
    init(&d, 200, NULL);
    memset(truth, -1, sizeof truth);
    oracle guesser = {.base = {.guess = foresee}, .truth = truth, .kind = WRONG, .rc = QN_EIO};
    qn_generate_options o = options(40);
    answer a = {.stop_at = 0}, b = {.stop_at = 0};
    o.drafter = &guesser.base;
    o.guesses = 4;
    CHECK_INT(generate(&d, &o, &a), QN_EIO);
    CHECK_INT(a.n, 3, "what was there before is given out");
    guesser.rc = QN_ECANCEL;
    guesser.calls = 0;
    start_over(&d);
    CHECK_OK(generate(&d, &o, &b));
    CHECK_INT(b.r.reason, QN_STOP_CALLER);
    for (int64_t bad = 0; bad <= QN_DRAFT_MAX + 1; bad += QN_DRAFT_MAX + 1) {
        o.guesses = bad;
        CHECK_FAIL(generate(&d, &o, &b), QN_EINVAL, "guesses per pass; expected 1 to 31");
    }
    drop(&d);
}

/* The embedding of one token of the answer is damaged, so that its keys are no numbers. Guessed, it spoils the tokens
 * before it in the same pass, too: that is told as ever, if sooner. */
TEST(damaged_weights_are_told) {
    desk d;
    answer plain = {.stop_at = 0}, a = {.stop_at = 0};
    qn_generate_options o = lively(40, 1, 3);
    tiny_spec spec = with_words(TINY);
    spec.untied = true;
    d = (desk){0};
    d.m = tiny_model(&spec, &d.tok);
    d.m->cfg.n_eos = 0;
    CHECK_OK(qn_session_new(&d.s, d.m, qn_kernels_at(qn_test_isa()), NULL,
                            &(qn_session_options){.context = 200, .sequences = 2, .kv = -1}));
    for (int i = 0; i < PROMPT; i++)
        CHECK_OK(qn_ids_push(&d.prompt, 3 + i % 5));
    CHECK_OK(generate(&d, &o, &plain));
    int at = 8;                                         /* a token that neither the prompt nor the answer had before */
    for (bool again = true; again; at += again) {
        again = plain.id[at] < 8;
        for (int i = 0; i < at; i++)
            again = again || plain.id[i] == plain.id[at];
    }
    const qn_tensor *embed = qn_model_param(d.m, QN_P_EMBED, 0);
    const int32_t id = plain.id[at];
    ((float *)embed->data)[id / QN_PANEL * embed->dim[1] * QN_PANEL + id % QN_PANEL] = NAN;
    oracle guesser = {.base = {.guess = foresee}, .truth = plain.id, .kind = RIGHT};
    o.drafter = &guesser.base;
    o.guesses = 20;
    start_over(&d);
    CHECK_FAIL(generate(&d, &o, &a), QN_EFORMAT, "the logits are no numbers");
    CHECK(a.n <= at + 1 && memcmp(a.id, plain.id, (size_t)a.n * sizeof *a.id) == 0, "%d tokens", a.n);
    drop(&d);
}

/* ---- how often: χ² of the token behind a fixed one, guessed right at times, over many seeds ---- */

static int keep_logits(void *arg, QN_UNUSED int64_t f, QN_UNUSED int64_t i, const float *logits) {
    memcpy(arg, logits, V * sizeof *logits);
    return 0;
}

TEST(drawn_as_often_as_the_model_says) {
    enum { SEEDS = 3000 };
    desk d;
    float logits[V];
    double p[V], sum = 0, chi = 0, rest = 0, rest_seen = 0;
    int seen[V] = {0}, n = 0, cells = 0;
    init(&d, 200, NULL);
    answer first = {.stop_at = 0};
    qn_generate_options o = options(1);
    CHECK_OK(generate(&d, &o, &first));
    const qn_feed feeds[] = {{1, d.prompt.v, PROMPT, QN_LOGITS_NONE}, {1, first.id, 1, QN_LOGITS_LAST}};
    CHECK_OK(qn_session_feed(d.s, feeds, 2, keep_logits, logits));
    for (int i = 0; i < V; i++)
        sum += p[i] = exp((double)logits[i] / 3);
    int32_t truth[MAX_ANSWER] = {first.id[0], 0};
    for (int i = 1; i < V; i++)
        truth[1] = p[i] > p[truth[1]] ? i : truth[1];   /* the guess: the likeliest */
    int64_t kept = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        oracle guesser = {.base = {.guess = foresee}, .truth = truth, .kind = RIGHT};
        answer a = {.stop_at = 0};
        o = lively(3, 3, seed);
        o.drafter = &guesser.base;
        o.guesses = 1;
        CHECK_OK(generate(&d, &o, &a));
        if (a.id[0] != first.id[0])
            continue;
        seen[a.id[1]]++;
        kept += a.id[1] == truth[1];
        n++;
    }
    CHECK(n > 100 && kept > 10 && kept < n - 10, "%d of the seeds say the first token, %lld of them the guess", n,
          (long long)kept);
    for (int i = 0; i < V; i++) {
        const double want = n * p[i] / sum;
        if (want < 5) {
            rest += want;
            rest_seen += seen[i];
            continue;
        }
        chi += (seen[i] - want) * (seen[i] - want) / want;
        cells++;
    }
    chi += rest > 0 ? (rest_seen - rest) * (rest_seen - rest) / rest : 0;
    CHECK(cells >= 2 && chi < cells + 5 * sqrt(2.0 * cells), "chi square %.1f of %d cells", chi, cells);
    drop(&d);
}

/* ---- who guesses: suffixes ---- */

static void suffix(int64_t longest, const char *text, const char *want, int64_t most) {
    qn_drafter *d;
    qn_ids ids = {0};
    int32_t out[QN_DRAFT_MAX];
    char got[QN_DRAFT_MAX + 1] = "";
    CHECK_OK(qn_draft_ngram_new(&d, longest));
    for (const char *c = text; *c; c++)
        CHECK_OK(qn_ids_push(&ids, *c));
    const int n = d->guess(d, &ids, NULL, most, out);
    for (int i = 0; i < n; i++)
        got[i] = (char)out[i];
    CHECK_STR(got, want, "\"%s\", %lld in common at most", text, (long long)longest);
    qn_ids_drop(&ids);
    qn_drafter_free(d);
}

TEST(suffixes) {
    suffix(8, "the quick brown fox; the quick", " brown fo", 9);
    suffix(8, "abxcd abycd zab", "ycd z", 5);               /* the latest of equals */
    suffix(8, "abxcd abycd z ab", "ycd z", 5);              /* " ab" beats "ab" */
    suffix(2, "1abX 2abY 1ab", "Y 1", 3);                   /* two in common at most: the latest of equals */
    suffix(3, "1abX 2abY 1ab", "X 2", 3);
    suffix(64, "1abX 2abY 1ab", "X 2", 3);
    suffix(1, "a-b-", "b-b-b-", 6);                         /* into its own end, and on */
    suffix(8, "xyxyxy", "xyxyxyx", 7);
    suffix(8, "a", "", 4);
    suffix(8, "aa", "", 4);                                 /* one token in common says too little … */
    suffix(1, "aa", "aaaa", 4);                             /* … unless that is asked for */
    suffix(8, "aaa", "aaaa", 4);
    suffix(8, "abcdef", "", 4);
    qn_drafter *d;
    CHECK_FAIL(qn_draft_ngram_new(&d, 0), QN_EINVAL, "a suffix of 0 tokens to look for; expected 1 to 64");
    CHECK_FAIL(qn_draft_ngram_new(&d, 65), QN_EINVAL, "a suffix of 65 tokens");
    qn_drafter_free(NULL);
}

TEST(repetition_is_guessed) {
    desk d;
    answer plain = {.stop_at = 0}, a = {.stop_at = 0};
    qn_generate_options o = options(100);
    init(&d, 200, NULL);
    CHECK_OK(generate(&d, &o, &plain));
    CHECK_OK(qn_draft_ngram_new(&o.drafter, 8));
    o.guesses = 8;
    start_over(&d);
    CHECK_OK(generate(&d, &o, &a));
    same(&a, &plain, &o, "suffixes");
    CHECK(a.r.kept > 0, "a tiny model's greedy answer repeats itself");
    qn_drafter_free(o.drafter);
    drop(&d);
}

/* ---- who guesses: a smaller model ---- */

static void with_model(desk *d, tiny_spec spec, int64_t context, qn_generate_options o, bool twin) {
    answer plain = {.stop_at = 0}, a = {.stop_at = 0}, b = {.stop_at = 0};
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), NULL,
                            &(qn_session_options){.context = context, .kv = -1}));
    start_over(d);
    CHECK_OK(generate(d, &o, &plain));
    CHECK_OK(qn_draft_model_new(&o.drafter, s, V));
    o.guesses = 6;
    start_over(d);
    CHECK_OK(generate(d, &o, &a));
    same(&a, &plain, &o, "a smaller model");
    CHECK(context < 100 || spec.V < V || a.r.guessed > 0);
    CHECK(!twin || (a.r.kept == a.r.guessed && a.r.passes < 15), "a model foresees itself, at any temperature");
    start_over(d);
    CHECK_OK(generate(d, &o, &b), "the drafter has another answer's tokens; they go");
    same(&b, &plain, &o, "a smaller model again");
    CHECK_INT(b.r.kept, a.r.kept);
    qn_drafter_free(o.drafter);
    qn_session_free(s);
    qn_model_free(m);
}

TEST(models_guess) {
    desk d;
    tiny_spec same_one = TINY, other = TINY, narrow = TINY, wide = TINY;
    init(&d, 200, NULL);
    other.layers = 1;
    narrow.V = 95;
    wide.V = 128;
    for (int i = 0; i < PROMPT; i++)                        /* ids that all of them know */
        d.prompt.v[i] %= 70;
    for (int hot = 0; hot < 2; hot++) {
        const qn_generate_options o = hot ? lively(60, 1.2, 5) : options(60);
        with_model(&d, same_one, 200, o, true);
        with_model(&d, other, 200, o, false);
        with_model(&d, narrow, 200, o, false);
        with_model(&d, wide, 200, o, false);
        with_model(&d, same_one, 50, o, false);             /* its context ends before the answer does */
        with_model(&d, same_one, 10, o, false);             /* before the prompt does */
    }
    drop(&d);
}

/* ---- memory ---- */

typedef struct { int events; int64_t calls; } counting;

static int count_calls(void *arg, QN_UNUSED const qn_token_event *e) {
    counting *c = arg;
    if (c->events++ == 20)
        c->calls = qn_mem_calls();
    return 0;
}

TEST(checking_guesses_allocates_nothing) {
    desk d;
    counting c = {0};
    qn_generate_result r;
    qn_generate_options o = lively(100, 0.5, 1);
    init(&d, 400, NULL);
    CHECK_OK(qn_draft_ngram_new(&o.drafter, 4));
    o.guesses = 8;
    CHECK_OK(qn_generate(d.s, d.tok, 0, &d.held, &d.prompt, &o, count_calls, &c, &r));
    c = (counting){0};
    CHECK_OK(qn_generate(d.s, d.tok, 0, &d.held, &d.prompt, &o, count_calls, &c, &r));
    CHECK(c.events >= 100);
    CHECK_INT(qn_mem_calls() - c.calls, 0, "in the last 80 tokens");
    qn_drafter_free(o.drafter);
    drop(&d);
}

TEST(no_leak_where_memory_ends) {
    tiny_spec narrow = TINY;
    narrow.V = 80;
    qn_model *m = tiny_model(&narrow, NULL);
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), NULL, &(qn_session_options){.kv = -1}));
    for (int64_t n = 0, rc = -1; rc < 0; n++) {
        qn_drafter *d;
        qn_mem_fail_after(n);
        rc = qn_draft_model_new(&d, s, V);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 ? n == 2 : rc == QN_ENOMEM && d == NULL, "allocation %lld", (long long)n);
        qn_drafter_free(d);
    }
    qn_session_free(s);
    qn_model_free(m);
}
