/* tests/unit/test_adapter_tokens.c — rows of tokens beside an adapter's pairs: fresh ones, in sessions, on disk and
 * back, merged; what does not fit. (Their gradients: test_lora_gradients.c; PEFT's logits: test_adapter_peft.c.) */
#include "make_adapter.h"
#include "model/adapter_file.h"
#include "model/merge.h"
#include "tiny_model.h"

enum { N_IDS = 40 };
static const qn_lora_options plain = {.rank = 4, .alpha = 8, .targets = "attn_q", .seed = 3};

static tiny_spec spec_of(qn_dtype t, bool untied) {
    tiny_spec s = TINY;
    s.dtype = t;
    s.untied = untied;
    return s;
}

static qn_adapter *with_tokens(const qn_model *m, const int32_t *id, size_t n) {
    qn_adapter *a = make_adapter(m, &plain, "tokens");
    CHECK_OK(qn_adapter_fresh_tokens(a, m, id, n));
    return a;
}

/* Rows that are told apart. */
static void fill_rows(qn_adapter *a, const char *salt) {
    qn_tensor *const rows[] = {&a->embed, &a->head};
    for (int head = 0; head < 2 && rows[head]->rank; head++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d", salt, head);
        float *v = test_fill_values(name, a->n_tokens * rows[head]->dim[1], 0.5f);
        qn_lora_pack(rows[head], v);
        qn_free(v);
    }
}

static const char *config_of(const char *dir) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    return path;
}

/* ---- fresh ones ---- */

TEST(known_rows_are_as_stored_and_new_ones_the_mean) {
    static const qn_dtype dtypes[] = {QN_F32, QN_Q4_1};
    for (int kind = 0; kind < 4; kind++) {
        const tiny_spec s = spec_of(dtypes[kind / 2], kind % 2);
        qn_model *m = tiny_model(&s, NULL);
        const int32_t id[] = {97, 5, 96};
        qn_adapter *a = with_tokens(m, id, 3);
        CHECK(a->n_tokens == 3 && a->token[0] == 5 && a->token[2] == 97 && a->rows == 98);
        CHECK((a->head.rank == 2) == (kind % 2) && qn_adapter_head(a, m) == (kind % 2 ? &a->head : &a->embed));
        for (int head = 0; head <= kind % 2; head++) {
            const qn_tensor *t = qn_model_param(m, head ? QN_P_HEAD : QN_P_EMBED, -1);
            float *rows = lora_values(head ? &a->head : &a->embed), row[64];
            double mean[64] = {0};
            for (int64_t v = 0; v < 96; v++) {
                qn_unpack_row(row, t->dtype, t->data, v, 64);
                for (int k = 0; k < 64; k++)
                    mean[k] += (double)row[k] / 96;
            }
            qn_unpack_row(row, t->dtype, t->data, 5, 64);
            CHECK(memcmp(row, rows, sizeof row) == 0);
            for (int k = 0; k < 64; k++)
                CHECK_NEAR(rows[64 + k], mean[k], 1e-7);
            CHECK(memcmp(rows + 64, rows + 128, sizeof row) == 0);
            qn_free(rows);
        }
        qn_adapter_free(a);
        qn_model_free(m);
    }
}

TEST(gaps_and_twins_are_refused) {
    const tiny_spec s = spec_of(QN_F32, false), apart = spec_of(QN_F32, true);
    qn_model *m = tiny_model(&s, NULL), *other = tiny_model(&apart, NULL);
    qn_adapter *a = make_adapter(m, &plain, "gap"), *b;
    CHECK_FAIL(qn_adapter_fresh_tokens(a, m, (int32_t[]){96, 98}, 2), QN_ESHAPE, "has a row for token 98, and not for "
               "all between it and the model's 96");
    qn_adapter_free(a);
    a = make_adapter(m, &plain, "twin");
    CHECK_FAIL(qn_adapter_fresh_tokens(a, m, (int32_t[]){96, 96}, 2), QN_EFORMAT, "two rows for token 96");
    qn_adapter_free(a);
    a = make_adapter(m, &plain, "below");
    CHECK_FAIL(qn_adapter_add_tokens(a, (int64_t[]){-1}, 1, 64, false, NULL), QN_EFORMAT, "a row for token -1");
    qn_adapter_free(a);
    a = make_adapter(m, &plain, "wide");
    CHECK_OK(qn_adapter_add_tokens(a, (int64_t[]){96}, 1, 32, false, NULL));
    CHECK_FAIL(qn_adapter_check(a, m), QN_ESHAPE, "32 wide, the model's embedding 64");
    qn_adapter_free(a);
    a = with_tokens(m, (int32_t[]){96}, 1);
    b = with_tokens(other, (int32_t[]){96}, 1);
    CHECK_FAIL(qn_adapter_check(a, other), QN_ESHAPE, "none for the head, which this model has apart");
    CHECK_FAIL(qn_adapter_check(b, m), QN_ESHAPE, "rows for a head of its own; this model's is its embedding");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
    qn_model_free(other);
}

/* ---- in sessions ---- */

typedef struct { float *logits; int64_t V, feed; } keeping;

static int keep(void *arg, int64_t feed, int64_t i, const float *logits) {
    const keeping *k = arg;
    if (feed == k->feed)
        memcpy(k->logits + i * k->V, logits, (size_t)k->V * sizeof *logits);
    return 0;
}

static qn_session *session_of(const qn_model *m, const qn_adapter *const *a, int n, int64_t sequences) {
    const qn_session_options o = {.context = 64, .sequences = sequences, .kv = -1, .adapter = a, .n_adapters = n};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), NULL, &o));
    return s;
}

static float *logits_of(qn_session *s, int64_t seq, const int32_t *ids, int64_t n) {
    const int64_t V = qn_session_vocabulary(s);
    keeping k = {qn_alloc(QN_MEM_TEST, (size_t)(n * V) * sizeof *k.logits), V, 0};
    const qn_feed f = {seq, ids, n, QN_LOGITS_ALL};
    CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
    return k.logits;
}

/* Off the first V logits are the model's to the bit, and the tokens are nobody's; on they are embedded and said as the
 * rows of the adapter. */
TEST(off_they_are_nobody_s_and_on_what_their_rows_say) {
    static const qn_dtype dtypes[] = {QN_F32, QN_BF16, QN_Q8_0, QN_Q4_1};
    for (int kind = 0; kind < 8; kind++) {
        const tiny_spec s = spec_of(dtypes[kind / 2], kind % 2);
        qn_model *m = tiny_model(&s, NULL);
        qn_adapter *a = with_tokens(m, (int32_t[]){5, 96, 97}, 3);
        int32_t ids[N_IDS];
        fill_rows(a, "rows");
        tiny_ids(ids, N_IDS, 96, 3);
        ids[7] = 5;
        qn_session *bare = session_of(m, NULL, 0, 1);
        qn_session *both = session_of(m, (const qn_adapter *const[]){a}, 1, 2);
        CHECK(qn_session_vocabulary(bare) == 96 && qn_session_vocabulary(both) == 98);
        CHECK_OK(qn_session_adapt(both, 1, (float[]){0}));
        float *want = logits_of(bare, 0, ids, N_IDS), *off = logits_of(both, 1, ids, N_IDS);
        for (int i = 0; i < N_IDS; i++)
            CHECK(memcmp(want + i * 96, off + i * 98, 96 * sizeof *want) == 0 && off[i * 98 + 96] == -1e30f, "%d", i);
        ids[9] = 97;
        CHECK_FAIL(qn_session_feed(both, &(qn_feed){1, ids, N_IDS, QN_LOGITS_NONE}, 1, NULL, NULL), QN_EINVAL,
                   "token id 97 is known to an adapter that sequence 1 has switched off");
        CHECK_FAIL(qn_session_feed(both, &(qn_feed){0, (int32_t[]){98}, 1, QN_LOGITS_NONE}, 1, NULL, NULL), QN_EINVAL,
                   "outside the model's vocabulary of 98");
        float *on = logits_of(both, 0, ids, N_IDS);
        CHECK(on[5] != want[5] && on[96] > -100 && memcmp(on + 20 * 98, want + 20 * 96, 5 * sizeof *on) != 0);
        qn_session_reset(both);
        for (int i = 0; i < N_IDS; i++) {       /* one by one, the other sequence beside it: the same bits */
            float *one = qn_alloc(QN_MEM_TEST, 98 * sizeof *one);
            keeping k = {one, 98, 0};
            const qn_feed f[] = {{0, ids + i, 1, QN_LOGITS_LAST}, {1, ids, 1, QN_LOGITS_LAST}};
            CHECK_OK(qn_session_feed(both, f, 2, keep, &k));
            CHECK(memcmp(one, on + i * 98, 98 * sizeof *one) == 0, "%d", i);
            qn_free(one);
        }
        qn_free(want);
        qn_free(off);
        qn_free(on);
        qn_session_free(bare);
        qn_session_free(both);
        qn_adapter_free(a);
        qn_model_free(m);
    }
}

TEST(of_two_with_one_token_one_is_on) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_adapter *a = with_tokens(m, (int32_t[]){96}, 1), *b = with_tokens(m, (int32_t[]){96, 97}, 2);
    const int32_t ids[] = {3, 96, 4};
    fill_rows(a, "a");
    fill_rows(b, "b");
    qn_session *one = session_of(m, (const qn_adapter *const[]){a}, 1, 1);
    qn_session *two = session_of(m, (const qn_adapter *const[]){a, b}, 2, 2);
    CHECK_FAIL(qn_session_adapt(two, 0, (float[]){1, 1}), QN_EINVAL, "adapter 2: has rows for tokens that one before");
    float *want = logits_of(one, 0, ids, 3), *as_begun = logits_of(two, 0, ids, 3);
    CHECK_OK(qn_session_adapt(two, 1, (float[]){0, 0.5f}));
    float *other = logits_of(two, 1, ids, 3);
    for (int i = 0; i < 3; i++)
        CHECK(memcmp(want + i * 97, as_begun + i * 98, 97 * sizeof *want) == 0 && as_begun[i * 98 + 97] == -1e30f);
    CHECK(other[98 + 97] > -100 && other[98 + 96] != want[97 + 96]);
    qn_free(want);
    qn_free(as_begun);
    qn_free(other);
    qn_session_free(one);
    qn_session_free(two);
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}

/* ---- on disk ---- */

static void check_same_rows(const qn_adapter *a, const qn_adapter *b) {
    CHECK(a->n_tokens == b->n_tokens && a->rows == b->rows && a->head.rank == b->head.rank);
    CHECK(memcmp(a->token, b->token, (size_t)a->n_tokens * sizeof *a->token) == 0);
    CHECK(a->token_bytes == b->token_bytes && memcmp(a->token_arena, b->token_arena, a->token_bytes) == 0);
}

TEST(they_come_back_to_the_bit) {
    for (int kind = 0; kind < 3; kind++) {
        tiny_spec s = spec_of(QN_Q8_0, kind == 1);
        s.gpt2 = kind == 2;
        qn_model *m = tiny_model(&s, NULL);
        qn_adapter *a = with_tokens(m, (int32_t[]){11, 96, 97, 98}, 4), *b;
        char dir[1024], print[2][17];
        fill_rows(a, "disk");
        snprintf(dir, sizeof dir, "%s", qn_test_temp("rows"));
        CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
        CHECK_OK(qn_adapter_read(&b, dir, m));
        check_same_rows(a, b);
        fill_rows(b, "other");
        qn_adapter_fingerprint(a, print[0]);
        qn_adapter_fingerprint(b, print[1]);
        CHECK(strcmp(print[0], print[1]) != 0);
        CHECK_OK(qn_adapter_load(b, &m->cfg, dir));
        check_same_rows(a, b);
        CHECK_FAIL(qn_adapter_write_gguf(a, &m->cfg, NULL, qn_test_temp("rows.gguf")), QN_EUNSUPPORTED,
                   "has rows of 4 tokens of its own, which a GGUF adapter has no place for");
        qn_adapter_free(a);
        qn_adapter_free(b);
        qn_model_free(m);
    }
}

/* The list of ids in adapter_config.json in other words: "[96]" for "[\n 96 …]". */
static void say(const char *dir, const char *tokens) {
    qn_buf text = {0}, other = {0};
    CHECK_OK(qn_read_file(&text, config_of(dir), 1 << 20));
    static const char key[] = "\"trainable_token_indices\": ";
    const char *at = strstr(text.s, key) + strlen(key), *end = strchr(at, *at == '{' ? '}' : ']') + 1;
    CHECK_OK(qn_buf_printf(&other, "%.*s%s%s", (int)(at - text.s), text.s, tokens, end));
    CHECK_OK(qn_write_file(config_of(dir), other.s, other.n));
    qn_buf_drop(&text);
    qn_buf_drop(&other);
}

TEST(what_files_may_say_of_them) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_adapter *a = with_tokens(m, (int32_t[]){96, 97}, 2), *b;
    char dir[1024];
    fill_rows(a, "files");
    snprintf(dir, sizeof dir, "%s", qn_test_temp("said"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
    say(dir, "[97, 96]");               /* rows in that order */
    CHECK_OK(qn_adapter_read(&b, dir, m));
    float *x = lora_values(&a->embed), *y = lora_values(&b->embed);
    CHECK(b->token[0] == 96 && memcmp(x, y + 64, 64 * sizeof *x) == 0 && memcmp(x + 64, y, 64 * sizeof *x) == 0);
    qn_free(x);
    qn_free(y);
    qn_adapter_free(b);
    say(dir, "{\"model.embed_tokens\": [96, 97], \"lm_head\": [96, 97]}");      /* tied: the head's are not written */
    CHECK_OK(qn_adapter_read(&b, dir, m));
    check_same_rows(a, b);
    qn_adapter_free(b);
    say(dir, "[96]");
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_ESHAPE, "trainable_tokens_delta is [2,64]; 1 tokens are listed");
    say(dir, "[96, 98]");
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_ESHAPE, "has a row for token 98, and not for all between it");
    say(dir, "[96, 96]");
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_EFORMAT, "two rows for token 96");
    say(dir, "[96, -4]");
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_EFORMAT, "a row for token -4");
    say(dir, "null");
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_EUNSUPPORTED, "trainable_tokens_delta is a whole weight");
    float *nan = lora_values(&a->embed);
    nan[70] = NAN;
    qn_lora_pack(&a->embed, nan);
    qn_free(nan);
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
    CHECK_FAIL(qn_adapter_read(&b, dir, m), QN_EFORMAT, "trainable_tokens_delta, row 1, column 6 is NaN");
    qn_adapter_free(a);
    qn_model_free(m);
}

/* Every allocation may fail: nothing is lost. */
TEST(no_leak_where_memory_ends) {
    const tiny_spec s = spec_of(QN_F32, true);
    qn_model *m = tiny_model(&s, NULL);
    qn_adapter *a = with_tokens(m, (int32_t[]){96, 97}, 2);
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("ends"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
    const int64_t live = qn_mem_stats_get(QN_MEM_MODEL).live_bytes + qn_mem_stats_get(QN_MEM_WEIGHTS).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_adapter *b = NULL;
        qn_mem_fail_after(n);
        rc = qn_adapter_read(&b, dir, m);
        qn_mem_fail_after(-1);
        CHECK((rc == QN_ENOMEM || rc == 0) && n < 1000);
        qn_adapter_free(b);
    }
    CHECK_INT(qn_mem_stats_get(QN_MEM_MODEL).live_bytes + qn_mem_stats_get(QN_MEM_WEIGHTS).live_bytes, live);
    qn_adapter_free(a);
    qn_model_free(m);
}

/* ---- merged ---- */

/* Rows of tokens are the adapter's, as near as the dtype of the table holds them; all others stay to the bit. */
TEST(merged_they_are_rows_like_others) {
    static const qn_dtype dtypes[] = {QN_F32, QN_Q8_0, QN_Q4_1};
    const qn_merge_options o = {.out = {.dtype = QN_DTYPE_KEEP, .force = true}};
    for (int kind = 0; kind < 6; kind++) {
        const tiny_spec s = spec_of(dtypes[kind / 2], kind % 2);
        qn_model *m = tiny_model(&s, NULL), *w;
        qn_adapter *a = with_tokens(m, (int32_t[]){5, 96, 97}, 3), *b = with_tokens(m, (int32_t[]){96}, 1);
        qn_convert_result r;
        qn_source *src;
        char from[1024], to[1024];
        fill_rows(a, "merged");
        snprintf(from, sizeof from, "%s", tiny_file(&s));
        snprintf(to, sizeof to, "%s", qn_test_temp("merged.gguf"));
        CHECK_OK(qn_merge(from, to, &(qn_merge_part){a, 1}, 1, &o, NULL, &r));
        CHECK_OK(qn_source_open(&src, to));
        CHECK_OK(qn_model_load(&w, src, &(qn_model_options){.weights = QN_WEIGHTS_AS_IS}, NULL));
        qn_source_close(src);
        CHECK_INT(w->cfg.V, 98);
        for (int head = 0; head <= kind % 2; head++) {
            const qn_param_id id = head ? QN_P_HEAD : QN_P_EMBED;
            const qn_tensor *x = qn_model_param(m, id, -1), *y = qn_model_param(w, id, -1);
            float *rows = lora_values(head ? &a->head : &a->embed), p[64], q[64];
            for (int64_t v = 0; v < 98; v++) {
                const int own = v == 5 ? 0 : v == 96 ? 1 : v == 97 ? 2 : -1;
                qn_unpack_row(q, y->dtype, y->data, v, 64);
                if (own < 0) {
                    qn_unpack_row(p, x->dtype, x->data, v, 64);
                    CHECK(memcmp(p, q, sizeof p) == 0, "row %lld", (long long)v);
                }
                for (int k = 0; own >= 0 && k < 64; k++)
                    CHECK_NEAR(q[k], rows[own * 64 + k], kind < 2 ? 0 : kind < 4 ? 0.003 : 0.04, "row %lld",
                               (long long)v);
            }
            qn_free(rows);
        }
        CHECK_FAIL(qn_merge(from, to, (qn_merge_part[]){{a, 1}, {b, 1}}, 2, &o, NULL, &r), QN_EUNSUPPORTED,
                   "both have rows of tokens");
        qn_adapter_free(a);
        qn_adapter_free(b);
        qn_model_free(m);
        qn_model_free(w);
    }
}
