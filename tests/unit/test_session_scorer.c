/* tests/unit/test_session_scorer.c — a model's scorer against one request at a time by the definition, and against
 * itself with other batches, sequences and threads, bit for bit. */
#include "eval_rig.h"

enum { N = 60, LONGEST = 150 };

typedef struct { int32_t ids[N][LONGEST]; qn_score_request r[N]; qn_score got[N]; } batch;

/* Requests like those of few-shot tasks: a long beginning for most, a shorter one for fives, ends of their own, some
 * twice, in no order. */
static batch *some_requests(void) {
    batch *b = qn_zalloc(QN_MEM_TEST, 1, sizeof *b);
    for (int i = 0; i < N; i++) {
        const int q = (i * 7) % N / 5, begin = q < 9 ? 70 : 0;
        const int64_t n = QN_MIN(begin + 5 + q * 3 + 1 + i % 4, LONGEST);
        tiny_ids(b->ids[i], n, RIG_V, (uint32_t)(1000 + i % 3));
        tiny_ids(b->ids[i], QN_MIN(begin + 5 + q * 3, n - 1), RIG_V, (uint32_t)(100 + q));
        tiny_ids(b->ids[i], QN_MIN(begin, n - 1), RIG_V, 1);
        b->r[i] = (qn_score_request){b->ids[i], n, i % 11 == 0 ? 1 : n - 1 - i % 4};
    }
    return b;
}

typedef struct { const qn_score_request *r; double sum; bool greedy; } expected;

static int take_row(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    expected *e = arg;
    double sum = 0;
    int best = 0;
    if (i + 1 < e->r->from)
        return 0;
    for (int v = 0; v < RIG_V; v++) {
        sum += exp((double)logits[v]);
        best = logits[v] > logits[best] ? v : best;
    }
    e->sum += (double)logits[e->r->ids[i + 1]] - log(sum);
    e->greedy = e->greedy && best == e->r->ids[i + 1];
    return 0;
}

TEST(agrees_with_the_definition) {
    rig r = rig_new(256, 8, false);
    batch *b = some_requests();
    CHECK_OK(r.scorer.score(r.scorer.self, b->r, N, b->got));
    for (int i = 0; i < N; i++) {
        expected e = {.r = &b->r[i], .greedy = true};
        qn_session_reset(r.s);
        CHECK_OK(qn_session_feed(r.s, &(qn_feed){0, b->r[i].ids, b->r[i].n - 1, QN_LOGITS_ALL}, 1, take_row, &e));
        CHECK_NEAR(b->got[i].logprob, e.sum, 1e-4 * (1 + fabs(e.sum)), "request %d", i);
        CHECK(b->got[i].greedy == e.greedy, "request %d", i);
    }
    qn_free(b);
    rig_drop(&r);
}

TEST(neither_batches_nor_threads_change_a_bit) {
    const struct { int64_t sequences, rows; int threads; } how[] = {
        {64, 0, 1}, {2, 0, 1}, {3, 16, 1}, {8, 40, 2}, {64, 512, 2}};
    batch *all = some_requests();
    for (size_t h = 0; h < QN_LEN(how); h++) {
        rig r = rig_of(256, how[h].sequences, false, how[h].threads, how[h].rows);
        batch *b = some_requests();
        CHECK_OK(r.scorer.score(r.scorer.self, b->r, N, h == 0 ? all->got : b->got));
        for (int i = 0; i < N && h > 0; i++)
            CHECK(b->got[i].logprob == all->got[i].logprob && b->got[i].greedy == all->got[i].greedy,
                  "request %d in arrangement %d", i, (int)h);
        for (int i = 0; i < N; i++) {
            qn_score one;
            CHECK_OK(r.scorer.score(r.scorer.self, &b->r[i], 1, &one));
            CHECK(one.logprob == all->got[i].logprob, "request %d alone", i);
        }
        qn_free(b);
        rig_drop(&r);
    }
    qn_free(all);
}

TEST(each_token_adds_up_to_the_whole) {
    rig r = rig_new(64, 2, false);
    int32_t ids[65];
    double each[65], sum = 0;
    qn_score whole;
    tiny_ids(ids, 65, RIG_V, 5);
    CHECK_OK(r.scorer.each(r.scorer.self, ids, 65, each));
    for (int i = 1; i < 65; i++)
        sum += each[i];
    CHECK_OK(r.scorer.score(r.scorer.self, &(qn_score_request){ids, 65, 1}, 1, &whole));
    CHECK(whole.logprob == sum && each[0] == 0 && sum < -100);
    CHECK_OK(r.scorer.each(r.scorer.self, ids, 1, each));
    rig_drop(&r);
}

/* The likeliest token again and again, by a feed of its own each. */
static void write_by_hand(rig *r, const qn_generate_request *q, qn_buf *text, double *logprob, int64_t *tokens) {
    int32_t ids[256];
    memcpy(ids, q->ids, (size_t)q->n * sizeof *ids);
    int64_t n = q->n;
    for (*tokens = 0, *logprob = 0; *tokens < q->max && n <= qn_session_context(r->s);) {
        qn_score s = {0};
        for (ids[n] = 0; ids[n] < RIG_V; ids[n]++) {
            CHECK_OK(r->scorer.score(r->scorer.self, &(qn_score_request){ids, n + 1, n}, 1, &s));
            if (s.greedy)
                break;
        }
        ++*tokens;
        *logprob += s.logprob;
        if (ids[n] == 1)
            return;
        CHECK_OK(qn_tok_decode(r->tok, &ids[n], 1, QN_TOK_SKIP_SPECIAL, text));
        n++;
    }
}

TEST(writes_what_is_likeliest) {
    enum { PROMPTS = 9 };
    int32_t ids[PROMPTS][40];
    qn_generate_request q[PROMPTS];
    qn_generated out[PROMPTS] = {0}, alone = {0};
    rig r = rig_new(48, 4, false);
    for (int i = 0; i < PROMPTS; i++) {
        tiny_ids(ids[i], 40, RIG_V, (uint32_t)(30 + i));
        tiny_ids(ids[i], 20, RIG_V, 30);
        q[i] = (qn_generate_request){.ids = ids[i], .n = 21 + 2 * i, .max = i};
        ids[i][q[i].n] = RIG_V + 1;                         /* what stands behind a prompt is nobody's business */
    }
    CHECK_OK(r.scorer.generate(r.scorer.self, q, PROMPTS, out));
    for (int i = 0; i < PROMPTS; i++) {
        qn_buf text = {0};
        double logprob;
        int64_t tokens;
        write_by_hand(&r, &q[i], &text, &logprob, &tokens);
        CHECK_VIEW(qn_buf_view(&out[i].text), text.n ? text.s : "", "prompt %d", i);
        CHECK_INT(out[i].tokens, tokens, "prompt %d", i);
        CHECK(out[i].logprob == logprob, "prompt %d", i);
        CHECK_OK(r.scorer.generate(r.scorer.self, &q[i], 1, &alone));
        CHECK(qn_str_eq(qn_buf_view(&alone.text), qn_buf_view(&out[i].text)) && alone.logprob == logprob);
        qn_buf_drop(&text);
    }
    /* Nothing behind a prompt is looked at. */
    int32_t *end = qn_alloc(QN_MEM_TEST, 64 * sizeof *end);
    memcpy(end + 43, ids[0], 21 * sizeof *end);
    CHECK_OK(r.scorer.generate(r.scorer.self, &(qn_generate_request){.ids = end + 43, .n = 21, .max = 0}, 1, &alone));
    qn_free(end);
    ids[7][q[7].n] = -1;
    CHECK_OK(r.scorer.generate(r.scorer.self, &q[7], 1, &alone));
    CHECK(alone.logprob == out[7].logprob);
    /* A stop string that the answer contains ends it there. */
    qn_str stop = {out[8].text.s + 2, 2};
    char kept[3] = {stop.s[0], stop.s[1], 0};
    stop.s = kept;
    q[8].stop = &stop;
    q[8].stops = 1;
    CHECK_OK(r.scorer.generate(r.scorer.self, &q[8], 1, &alone));
    CHECK(alone.ended && strstr(alone.text.s, kept) == NULL);
    CHECK(alone.text.n <= 2 && memcmp(alone.text.s, out[8].text.s, alone.text.n) == 0);
    for (int i = 0; i < PROMPTS; i++)
        qn_buf_drop(&out[i].text);
    qn_buf_drop(&alone.text);
    rig_drop(&r);
}

static int stop_at_once(void *arg, int64_t done, QN_UNUSED int64_t n) {
    *(int64_t *)arg = done;
    return qn_fail(QN_ECANCEL, "enough");
}

TEST(says_what_is_wrong) {
    rig r = rig_new(16, 2, false);
    int32_t ids[18] = {0};
    qn_score s[4];
    qn_generated out = {0};
    qn_scorer none;
    int64_t done = 0;
    int (*score)(void *, const qn_score_request *, int64_t, qn_score *) = r.scorer.score;
    CHECK_FAIL(score(r.scorer.self, &(qn_score_request){ids, 18, 1}, 1, s), QN_ECONTEXT, "18 tokens");
    CHECK_FAIL(score(r.scorer.self, &(qn_score_request){ids, 5, 5}, 1, s), QN_EINVAL, "from 5");
    CHECK_FAIL(score(r.scorer.self, &(qn_score_request){ids, 5, 0}, 1, s), QN_EINVAL, "from 0");
    CHECK_FAIL(r.scorer.generate(r.scorer.self, &(qn_generate_request){.ids = ids, .n = 17, .max = 1}, 1, &out),
               QN_ECONTEXT, NULL);
    CHECK_FAIL(r.scorer.generate(r.scorer.self, &(qn_generate_request){.ids = ids, .max = 1}, 1, &out), QN_EINVAL,
               "no tokens");
    ids[3] = RIG_V;
    CHECK_FAIL(score(r.scorer.self, &(qn_score_request){ids, 4, 1}, 1, s), QN_EINVAL, "98");
    qn_session_scorer_progress(&r.scorer, stop_at_once, &done);
    const qn_score_request two[2] = {{ids, 3, 1}, {ids, 2, 1}};
    CHECK_FAIL(score(r.scorer.self, two, 2, s), QN_ECANCEL, "enough");
    CHECK_INT(done, 1);
    rig_drop(&r);
    r = rig_new(16, 2, true);
    CHECK_INT(r.scorer.prefix, 0);
    qn_session *one;
    CHECK_OK(qn_session_new(&one, r.m, qn_kernels_at(qn_test_isa()), NULL, &(qn_session_options){.kv = -1}));
    CHECK_FAIL(qn_session_scorer_init(&none, "x", one, r.tok), QN_EINVAL, "2 sequences");
    qn_session_free(one);
    rig_drop(&r);
}

TEST(gives_all_memory_back) {
    rig r = rig_new(256, 8, false);
    batch *b = some_requests();
    qn_scorer again;
    int rc = QN_ENOMEM;
    const int64_t before = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    for (int64_t k = 0; rc < 0 && k < 100; k++) {
        qn_mem_fail_after(k);
        rc = qn_session_scorer_init(&again, "again", r.s, r.tok);
        if (rc >= 0)
            rc = again.score(again.self, b->r, N, b->got);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM);
        qn_session_scorer_drop(&again);
        CHECK_NO_LEAK(QN_MEM_SESSION, before);
    }
    CHECK_INT(rc, 0);
    qn_free(b);
    rig_drop(&r);
}
