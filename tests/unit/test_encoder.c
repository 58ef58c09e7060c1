/* tests/unit/test_encoder.c — texts read whole: the hidden states of a text do not depend on its neighbours, their
 * order, the runs or the threads, to the bit, over several chunks of 256 keys; every token sees all of its text and
 * nothing of another; pooling; what is refused. */
#include "test.h"

#include "base/pool.h"
#include "infer/embedder.h"
#include "model/params.h"

#include <math.h>

enum { D = 64, V = 96, POSITIONS = 600, TEXTS = 11, TOKENS = 2000 };

static const int64_t lengths[TEXTS] = {30, 1, 2, 63, 64, 65, 256, 257, 600, 31, 33};
static int32_t ids[TOKENS];
static qn_token_text texts[TEXTS];

static qn_model *make(qn_dtype dtype) {
    const qn_config c = {.V = V, .D = D, .F = 96, .layers = 2, .heads = 4, .kv_heads = 4, .Dh = 16,
                         .context = POSITIONS, .types = 2, .norm_eps = 1e-12, .act = QN_ACT_GELU, .bos = -1,
                         .pad = -1, .compute = -1};
    qn_model *m;
    qn_params p;
    int64_t at = 0;
    CHECK_OK(qn_model_blank(&m, &qn_arch_bert, &c, NULL, dtype));
    CHECK_OK(qn_params_init(&p, m));
    CHECK_OK(qn_params_fresh(&p, 7, 0.2, NULL));
    qn_params_drop(&p);
    for (int64_t i = 0; i < TOKENS; i++)
        ids[i] = (int32_t)(qn_rng(3, QN_RNG_INIT, 0, (uint64_t)i).v[0] % V);
    for (int64_t i = 0; i < TEXTS; at += lengths[i++])
        texts[i] = (qn_token_text){ids + at, lengths[i]};
    CHECK(at <= TOKENS);
    return m;
}

static qn_encoder *open_encoder(const qn_model *m, qn_pool *pool, int64_t rows) {
    qn_encoder *e;
    CHECK_OK(qn_encoder_new(&e, m, qn_kernels_at(qn_test_isa()), pool, &(qn_encoder_options){.rows = rows, .kv = -1}));
    return e;
}

/* Hashes of the texts of a call, by their place in `texts`. */
typedef struct { const int64_t *order; uint64_t hash[TEXTS]; int64_t seen; } hashes;

static int keep(void *arg, const qn_hidden *h) {
    hashes *k = arg;
    for (int64_t i = 0; i < h->n; i++) {
        const int64_t which = k->order ? k->order[h->first + i] : h->first + i;
        const size_t bytes = (size_t)((h->row[i + 1] - h->row[i]) * h->D) * sizeof(float);
        CHECK_INT(h->row[i + 1] - h->row[i], lengths[which]);
        k->hash[which] = qn_hash_bytes(h->hidden + h->row[i] * h->D, bytes, 1);
        k->seen++;
    }
    return 0;
}

static void alone(const qn_model *m, hashes *k) {
    qn_encoder *e = open_encoder(m, NULL, 0);
    for (int64_t i = 0; i < TEXTS; i++) {
        k->order = &i;
        CHECK_OK(qn_encoder_run(e, &texts[i], 1, keep, k));
    }
    CHECK_INT(k->seen, TEXTS);
    qn_encoder_free(e);
}

static void together(const qn_model *m, const hashes *want, qn_pool *pool, int64_t rows, bool backwards) {
    int64_t order[TEXTS];
    qn_token_text some[TEXTS];
    hashes got = {.order = order};
    qn_encoder *e = open_encoder(m, pool, rows);
    for (int64_t i = 0; i < TEXTS; i++) {
        order[i] = backwards ? TEXTS - 1 - i : i;
        some[i] = texts[order[i]];
    }
    CHECK_OK(qn_encoder_run(e, some, TEXTS, keep, &got));
    for (int64_t i = 0; i < TEXTS; i++)
        CHECK(got.hash[i] == want->hash[i], "text %lld of %lld tokens, runs of %lld, %d threads", (long long)i,
              (long long)lengths[i], (long long)rows, qn_pool_threads(pool));
    qn_encoder_free(e);
}

static void same_bits(qn_dtype dtype) {
    qn_model *m = make(dtype);
    hashes want = {0};
    alone(m, &want);
    for (int threads = 1; threads <= 3; threads++) {
        qn_pool *pool;
        CHECK_OK(qn_pool_new(&pool, threads));
        together(m, &want, pool, threads == 2 ? 0 : 600, threads == 3);
        qn_pool_free(pool);
    }
    together(m, &want, NULL, 4096, true);
    qn_model_free(m);
}

TEST(f32_neighbours_order_and_threads_change_no_bit) { same_bits(QN_F32); }
TEST(bf16_neighbours_order_and_threads_change_no_bit) { same_bits(QN_BF16); }

/* ---- what a token sees ---- */

typedef struct { float first[2][D]; int n; } firsts;

static int keep_first(void *arg, const qn_hidden *h) {
    firsts *f = arg;
    for (int64_t i = 0; i < h->n; i++, f->n++)
        memcpy(f->first[f->n], h->hidden + h->row[i] * h->D, sizeof f->first[0]);
    return 0;
}

/* The first token hears of the last one, in the same chunk of keys and in another; and of no other text. */
TEST(the_first_token_sees_the_last) {
    static const int64_t ends[] = {4, 32, 33, 256, 600};
    qn_model *m = make(QN_F32);
    qn_encoder *e = open_encoder(m, NULL, 1200);
    int32_t other[POSITIONS];
    for (size_t i = 0; i < QN_LEN(ends); i++) {
        const qn_token_text two[] = {{ids, ends[i]}, {other, ends[i]}}, twice[] = {{ids, ends[i]}, {ids, ends[i]}};
        firsts f = {.n = 0}, g = {.n = 0};
        memcpy(other, ids, sizeof other);
        other[ends[i] - 1] = (ids[ends[i] - 1] + 1) % V;
        CHECK_OK(qn_encoder_run(e, two, 2, keep_first, &f));
        CHECK(memcmp(f.first[0], f.first[1], sizeof f.first[0]) != 0, "%lld tokens", (long long)ends[i]);
        CHECK_OK(qn_encoder_run(e, twice, 2, keep_first, &g));
        CHECK(memcmp(g.first[0], g.first[1], sizeof g.first[0]) == 0 &&
              memcmp(g.first[0], f.first[0], sizeof g.first[0]) == 0, "%lld tokens", (long long)ends[i]);
    }
    qn_encoder_free(e);
    qn_model_free(m);
}

/* ---- pooling ---- */

TEST(poolings) {
    static const float h[] = {1, -2, 3, 0, 5, -4};          /* three tokens of two numbers */
    static const struct { qn_pooling p; double want[2]; } cases[] = {
        {QN_POOL_MEAN, {3, -2}}, {QN_POOL_CLS, {1, -2}}, {QN_POOL_LAST, {5, -4}}, {QN_POOL_MAX, {5, 0}},
        {QN_POOL_SQRT, {5.19615242270663, -3.46410161513775}}, {QN_POOL_WEIGHTED, {22.0 / 6, -14.0 / 6}},
    };
    double sum[2];
    float out[2];
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const double *w = cases[i].want, length = sqrt(w[0] * w[0] + w[1] * w[1]);
        qn_embed_pool(cases[i].p, false, h, 3, 2, sum, out);
        CHECK_NEAR(out[0], w[0], 1e-6, "%s", qn_pooling_name(cases[i].p));
        CHECK_NEAR(out[1], w[1], 1e-6, "%s", qn_pooling_name(cases[i].p));
        qn_embed_pool(cases[i].p, true, h, 3, 2, sum, out);
        CHECK_NEAR(out[0], w[0] / length, 1e-6, "%s, length 1", qn_pooling_name(cases[i].p));
    }
    qn_embed_pool(QN_POOL_MEAN, true, (const float[]){0, 0}, 1, 2, sum, out);
    CHECK(out[0] == 0 && out[1] == 0);                       /* no length: no division by zero */
}

/* ---- what is refused ---- */

static int take_none(QN_UNUSED void *arg, QN_UNUSED const qn_hidden *h) { return 0; }

TEST(what_cannot_be_read) {
    qn_model *m = make(QN_F32);
    qn_encoder *e, *none;
    const int32_t bad[] = {1, V};
    const qn_encoder_options ten = {.max_tokens = 10, .kv = -1};
    CHECK_OK(qn_encoder_new(&e, m, qn_kernels_at(QN_ISA_SCALAR), NULL, &ten));
    CHECK_FAIL(qn_encoder_run(e, (qn_token_text[]){{ids, 3}, {ids, 11}}, 2, take_none, NULL), QN_ECONTEXT,
               "text 1 has 11 tokens; at most 10");
    CHECK_FAIL(qn_encoder_run(e, &(qn_token_text){ids, 0}, 1, take_none, NULL), QN_EINVAL, "text 0 has no tokens");
    CHECK_FAIL(qn_encoder_run(e, &(qn_token_text){bad, 2}, 1, take_none, NULL), QN_EINVAL, "token id 96 is outside");
    CHECK_OK(qn_encoder_run(e, NULL, 0, take_none, NULL));
    qn_encoder_free(e);
    CHECK_FAIL(qn_encoder_new(&none, m, qn_kernels_at(QN_ISA_SCALAR), NULL,
                              &(qn_encoder_options){.max_tokens = 601, .kv = -1}), QN_ECONTEXT, "knows 600 positions");
    CHECK_FAIL(qn_encoder_new(&none, m, qn_kernels_at(QN_ISA_SCALAR), NULL, &(qn_encoder_options){.kv = QN_Q8_0}),
               QN_EUNSUPPORTED, "not q8_0");
    qn_model_free(m);
}
