/* tests/unit/test_ngram.c — Kneser–Ney against an independent computation (tests/fixtures/ngram.json says how), sums of
 * probabilities, the file and what is wrong with it. */
#include "test.h"

#include "base/json.h"
#include "ngram/ngram.h"

enum { TOKENS_MAX = 4096 };

/* ---- the fixture ---- */

static int64_t read_ids(qn_json *j, int32_t *ids) {
    int64_t n = 0, id;
    int more;
    CHECK_OK(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        CHECK_OK(qn_json_i64(j, &id));
        CHECK(n < TOKENS_MAX);
        ids[n++] = (int32_t)id;
    }
    CHECK_OK(more);
    return n;
}

static void read_documents(qn_json *j, qn_ngram_counter *c) {
    int32_t ids[TOKENS_MAX];
    CHECK_OK(qn_json_enter(j, '['));
    while (qn_json_item(j) > 0) {
        const int64_t n = read_ids(j, ids);
        CHECK_OK(qn_ngram_counter_add(c, ids, n / 2));              /* in two parts: nothing may hang on that */
        CHECK_OK(qn_ngram_counter_add(c, ids + n / 2, n - n / 2));
        qn_ngram_counter_end(c);
    }
}

static void check_discounts(qn_json *j, const qn_ngram_info *info, const char *name) {
    double d;
    CHECK_OK(qn_json_enter(j, '['));
    for (int n = 0; qn_json_item(j) > 0; n++) {
        CHECK_OK(qn_json_enter(j, '['));
        for (int k = 0; qn_json_item(j) > 0; k++) {
            CHECK_OK(qn_json_f64(j, &d));
            CHECK_NEAR(info->discount[n][k], d, 1e-12, "%s, D%d of length %d", name, k + 1, n + 1);
        }
    }
}

static void check_probes(qn_json *j, const qn_ngram *g, const char *name) {
    int32_t ids[TOKENS_MAX];
    int64_t w;
    double p;
    CHECK_OK(qn_json_enter(j, '['));
    for (int i = 0; qn_json_item(j) > 0; i++) {
        CHECK_OK(qn_json_enter(j, '['));
        CHECK(qn_json_item(j) > 0);
        const int64_t n = read_ids(j, ids);
        CHECK(qn_json_item(j) > 0);
        CHECK_OK(qn_json_i64(j, &w));
        CHECK(qn_json_item(j) > 0);
        CHECK_OK(qn_json_f64(j, &p));
        CHECK_NEAR(qn_ngram_prob(g, ids, n, (int32_t)w), p, 1e-12 * p, "%s, probe %d", name, i);
        CHECK(qn_json_item(j) == 0);
    }
}

static void check_case(qn_json *j) {
    qn_ngram_counter *c = NULL;
    qn_ngram *g = NULL;
    qn_ngram_info info;
    qn_buf name = {0};
    qn_str key;
    int64_t order = 0, vocab, grams;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0) {
        if (qn_str_is(key, "name")) {
            CHECK_OK(qn_json_string(j, &name));
        } else if (qn_str_is(key, "order")) {
            CHECK_OK(qn_json_i64(j, &order));
        } else if (qn_str_is(key, "vocab")) {
            CHECK_OK(qn_json_i64(j, &vocab));
            CHECK_OK(qn_ngram_counter_new(&c, (int)order, vocab));
        } else if (qn_str_is(key, "documents")) {
            read_documents(j, c);
            CHECK_OK(qn_ngram_build(c, NULL, NULL, &g), "%s", name.s);
            qn_ngram_info_get(g, &info);
        } else if (qn_str_is(key, "grams")) {
            CHECK_OK(qn_json_enter(j, '['));
            for (int n = 0; qn_json_item(j) > 0; n++) {
                CHECK_OK(qn_json_i64(j, &grams));
                CHECK_INT(info.grams[n], grams, "%s, length %d", name.s, n + 1);
            }
        } else if (qn_str_is(key, "discounts")) {
            check_discounts(j, &info, name.s);
        } else {
            check_probes(j, g, name.s);
        }
    }
    qn_ngram_free(g);
    qn_ngram_counter_free(c);
    qn_buf_drop(&name);
}

TEST(gives_the_probabilities_of_the_formulas) {
    const int64_t before = qn_mem_stats_get(QN_MEM_MODEL).live_bytes;
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    int cases = 0;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("ngram.json"), 1 << 20));
    qn_json_init(&j, text.s, text.n, "ngram.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    CHECK(qn_json_key(&j, &key) > 0);
    CHECK_OK(qn_json_enter(&j, '['));
    for (; qn_json_item(&j) > 0; cases++)
        check_case(&j);
    CHECK_INT(cases, 4);
    qn_json_drop(&j);
    qn_buf_drop(&text);
    CHECK_NO_LEAK(QN_MEM_MODEL, before);
}

/* ---- streams of our own ---- */

/* Tokens that depend on those before them, so that long contexts repeat; rare ones among them. */
static int32_t draw(uint64_t seed, uint64_t i, int32_t last, int64_t vocab) {
    const double u = qn_rng_uniform(seed, QN_RNG_TEST, i, 0);
    return u < 0.6 ? (int32_t)((last * 7 + 3) % vocab) : (int32_t)((double)vocab * u * u * u);
}

static qn_ngram *counted(int order, int64_t vocab, int documents, int length) {
    qn_ngram_counter *c;
    qn_ngram *g;
    uint64_t i = 0;
    CHECK_OK(qn_ngram_counter_new(&c, order, vocab));
    for (int d = 0; d < documents; d++) {
        int32_t id = (int32_t)(d % vocab);
        for (int k = 0; k < length; k++) {
            id = draw(5, i++, id, vocab);
            CHECK_OK(qn_ngram_counter_add(c, &id, 1));
        }
        qn_ngram_counter_end(c);
    }
    CHECK_OK(qn_ngram_build(c, NULL, NULL, &g));
    qn_ngram_counter_free(c);
    return g;
}

TEST(probabilities_sum_to_one_in_any_context) {
    enum { VOCAB = 301, ORDER = 5 };
    qn_ngram *g = counted(ORDER, VOCAB, 50, 200);
    double p[VOCAB];
    for (uint64_t trial = 0; trial < 300; trial++) {
        int32_t ids[8];
        const int64_t n = (int64_t)(qn_rng_u64(1, QN_RNG_TEST, trial, 0) % 8);
        for (int64_t k = 0; k < n; k++)         /* half of them likely ones, half of them anything */
            ids[k] = trial % 2 ? draw(5, trial + (uint64_t)k, k ? ids[k - 1] : 0, VOCAB)
                               : (int32_t)(qn_rng_u64(2, QN_RNG_TEST, trial, (uint64_t)k) % VOCAB);
        qn_ngram_distribution(g, ids, n, p);
        double sum = 0;
        for (int32_t w = 0; w < VOCAB; w++) {
            CHECK(p[w] > 0, "trial %d, token %d", (int)trial, (int)w);
            CHECK(p[w] == qn_ngram_prob(g, ids, n, w), "trial %d, token %d", (int)trial, (int)w);
            sum += p[w];
        }
        CHECK_NEAR(sum, 1, 1e-12, "trial %d", (int)trial);
    }
    qn_ngram_free(g);
}

TEST(learns_what_follows_what) {
    qn_ngram *g = counted(3, 50, 100, 100);
    const int32_t ids[] = {3, 24};
    double p[50];
    int64_t best = 0;
    qn_ngram_distribution(g, ids, 2, p);
    for (int64_t w = 1; w < 50; w++)
        best = p[w] > p[best] ? w : best;
    CHECK_INT(best, (24 * 7 + 3) % 50);
    CHECK(p[best] > 0.4);
    qn_ngram_free(g);
}

TEST(says_what_cannot_be_counted) {
    qn_ngram_counter *c;
    qn_ngram *g;
    CHECK_FAIL(qn_ngram_counter_new(&c, 9, 10), QN_EINVAL, "order 9: 1 … 8");
    CHECK_FAIL(qn_ngram_counter_new(&c, 0, 10), QN_EINVAL, "order 0");
    CHECK_FAIL(qn_ngram_counter_new(&c, 5, 0), QN_EINVAL, "vocabulary of 0");
    CHECK_OK(qn_ngram_counter_new(&c, 5, 10));
    CHECK_FAIL(qn_ngram_build(c, NULL, NULL, &g), QN_EINVAL, "no tokens");
    CHECK_FAIL(qn_ngram_counter_add(c, &(int32_t){10}, 1), QN_EINVAL, "id 10 is outside the vocabulary of 10");
    CHECK_FAIL(qn_ngram_counter_add(c, &(int32_t){-1}, 1), QN_EINVAL, "id -1");
    qn_ngram_counter_free(c);
}

static int stop(void *arg, double share) {
    (void)arg;
    return share > 0 ? qn_fail(QN_ECANCEL, "enough") : 0;
}

TEST(can_be_ended_and_run_out_of_memory) {
    qn_ngram_counter *c;
    qn_ngram *g;
    const int64_t before = qn_mem_stats_get(QN_MEM_MODEL).live_bytes;
    CHECK_OK(qn_ngram_counter_new(&c, 3, 10));
    for (int32_t i = 0; i < 100; i++)
        CHECK_OK(qn_ngram_counter_add(c, &(int32_t){i % 10}, 1));
    CHECK_FAIL(qn_ngram_build(c, stop, NULL, &g), QN_ECANCEL, "enough");
    for (int64_t n = 0;; n++) {
        for (int32_t i = 0; i < 100; i++)
            CHECK_OK(qn_ngram_counter_add(c, &(int32_t){i * i % 7}, 1));
        qn_mem_fail_after(n);
        const int rc = qn_ngram_build(c, NULL, NULL, &g);
        qn_mem_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_ENOMEM);
    }
    qn_ngram_free(g);
    qn_ngram_counter_free(c);
    CHECK_NO_LEAK(QN_MEM_MODEL, before);
}

/* ---- the file ---- */

TEST(comes_back_from_its_file) {
    enum { VOCAB = 100 };
    qn_ngram *g = counted(4, VOCAB, 20, 50), *again;
    qn_ngram_info a, b;
    char path[1100];
    snprintf(path, sizeof path, "%s", qn_test_temp("model.ngram"));
    CHECK_OK(qn_ngram_write(g, path));
    CHECK_OK(qn_ngram_open(&again, path));
    qn_ngram_info_get(g, &a);
    qn_ngram_info_get(again, &b);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK_INT(a.documents, 20);
    CHECK_INT(a.tokens, 1000);
    double p[VOCAB], q[VOCAB];
    const int32_t ids[] = {1, 10, 73};
    for (int64_t n = 0; n <= 3; n++) {
        qn_ngram_distribution(g, ids, n, p);
        qn_ngram_distribution(again, ids, n, q);
        CHECK(memcmp(p, q, sizeof p) == 0, "after %d tokens", (int)n);
    }
    qn_ngram_free(again);
    qn_file_fail_after(2);
    CHECK_FAIL(qn_ngram_write(g, qn_test_temp("other.ngram")), QN_EIO, NULL);
    qn_file_fail_after(-1);
    CHECK_FAIL(qn_ngram_open(&again, qn_test_temp("other.ngram")), QN_ENOTFOUND, "other.ngram");
    qn_ngram_free(g);
}

/* The file in memory, to be damaged. */
static char *file_of(const qn_ngram *g, size_t *n) {
    qn_buf text = {0};
    char path[1100];
    snprintf(path, sizeof path, "%s", qn_test_temp("damaged.ngram"));
    CHECK_OK(qn_ngram_write(g, path));
    CHECK_OK(qn_read_file(&text, path, 1 << 24));
    *n = text.n;
    return text.s;
}

/* Checksums that fit what stands there now. */
static void seal(char *bytes, size_t n) {
    uint64_t sum = 0;
    for (size_t at = 64; at < n; at += 65536)
        sum = qn_hash_bytes(bytes + at, QN_MIN((size_t)65536, n - at), sum);
    memcpy(bytes + 40, &sum, 8);
    sum = qn_hash_bytes(bytes, 56, 0);
    memcpy(bytes + 56, &sum, 8);
}

TEST(finds_every_damage) {
    qn_ngram *g = counted(3, 40, 10, 30), *again;
    size_t n;
    char *bytes = file_of(g, &n);
    CHECK_FAIL(qn_ngram_parse(&again, bytes, 63, "x"), QN_EFORMAT, "does not begin with");
    CHECK_FAIL(qn_ngram_parse(&again, bytes, n - 4, "x"), QN_ETRUNC, "x: ends inside its tables");
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 4;
        const int rc = qn_ngram_parse(&again, bytes, n, "x");
        CHECK(rc == QN_EFORMAT || rc == QN_ETRUNC, "byte %zu: %d", i, rc);
        bytes[i] ^= 4;
    }
    CHECK_OK(qn_ngram_parse(&again, bytes, n, "x"));
    qn_ngram_free(again);
    qn_free(bytes);
    qn_ngram_free(g);
}

/* A file with the right checksums over wrong tables is refused, or at least leads nowhere outside them. */
TEST(trusts_no_index) {
    enum { VOCAB = 40 };
    qn_ngram *g = counted(3, VOCAB, 10, 30), *again;
    size_t n;
    char *bytes = file_of(g, &n);
    double p[VOCAB];
    const int32_t ids[] = {1, 10};
    int refused = 0;
    for (size_t i = 64; i + 4 <= n; i += 4) {
        uint32_t was;
        memcpy(&was, bytes + i, 4);
        const uint32_t odd[] = {was + 1, was - 1, UINT32_MAX, 0};
        for (size_t k = 0; k < QN_LEN(odd); k++) {
            memcpy(bytes + i, &odd[k], 4);
            seal(bytes, n);
            if (qn_ngram_parse(&again, bytes, n, "x") >= 0) {
                qn_ngram_distribution(again, ids, 2, p);
                qn_ngram_free(again);
            } else {
                refused++;
            }
        }
        memcpy(bytes + i, &was, 4);
    }
    CHECK(refused > (int)(n / 4), "%d refused", refused);
    qn_free(bytes);
    qn_ngram_free(g);
}
