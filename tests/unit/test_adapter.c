/* tests/unit/test_adapter.c — adapters beside a model: the list, fresh ones, which fit; in sessions: off, at step 0,
 * stacked, several sequences of one batch with different ones, bit for bit; the lengths of DoRA. */
#include "tiny_model.h"

#include "model/adapter.h"

enum { N_IDS = 90 };
static int32_t ids[N_IDS];

static const qn_lora_options plain = {.rank = 4, .alpha = 8, .seed = 3};

static tiny_spec spec_of(qn_dtype t, bool gpt2) {
    tiny_spec s = TINY;
    s.dtype = t;
    s.gpt2 = gpt2;
    s.kv_heads = gpt2 ? s.heads : s.kv_heads;
    return s;
}

static qn_adapter *fresh(const qn_model *m, const qn_lora_options *o) {
    qn_adapter *a;
    CHECK_OK(qn_adapter_fresh(&a, m, o, NULL));
    return a;
}

/* B is no longer zero; magnitudes are a little off. */
static qn_adapter *trained(const qn_model *m, qn_lora_options o, uint32_t salt) {
    qn_adapter *a = fresh(m, &o);
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        float *b = qn_alloc(QN_MEM_TEST, (size_t)(l->rows * l->rank) * sizeof *b);
        for (int64_t j = 0; j < l->rows * l->rank; j++)
            b[j] = qn_fill_value(salt + (uint32_t)i, (uint64_t)j, 0.3f);
        qn_lora_pack(&l->b, b);
        for (int64_t j = 0; a->dora && j < l->rows; j++)
            l->magnitude[j] *= 1 + qn_fill_value(salt + 7, (uint64_t)j, 0.2f);
        qn_free(b);
    }
    CHECK_OK(qn_adapter_lengths(a, m, NULL));
    return a;
}

/* ---- the list ---- */

TEST(pairs_stand_layer_by_layer_in_the_order_of_the_table) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    static const qn_param_id order[] = {QN_P_Q, QN_P_K, QN_P_V, QN_P_O, QN_P_GATE, QN_P_UP, QN_P_DOWN};
    qn_adapter *a = fresh(m, &plain);
    CHECK_INT(a->n, 14);
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        CHECK(l->p->id == order[i % 7] && l->layer == (int64_t)(i / 7), "%zu", i);
        CHECK(qn_adapter_find(a, l->p->id, l->layer) == l);
        CHECK(l->scale == 2 && l->rank == 4 && l->a.dim[0] == 4 && l->b.dim[1] == 4);
    }
    CHECK(qn_adapter_find(a, QN_P_HEAD, 0) == NULL && qn_adapter_find(a, QN_P_Q, 2) == NULL);
    CHECK(qn_adapter_find(a, QN_P_Q, -1) == NULL);
    qn_adapter_free(a);
    qn_model_free(m);
}

TEST(a_fresh_one_is_small_and_changes_nothing) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_adapter *a = fresh(m, &plain), *again = fresh(m, &plain);
    double sum = 0, square = 0;
    float out[4 * 64], b[64 * 4], other[4 * 64];
    qn_lora_unpack(&a->lora[0].a, out);
    qn_lora_unpack(&again->lora[0].a, other);
    CHECK(memcmp(out, other, sizeof out) == 0);
    qn_lora_unpack(&a->lora[0].b, b);
    for (int i = 0; i < 256; i++) {
        CHECK(fabsf(out[i]) <= 0.125f && b[i] == 0, "%d", i);
        sum += (double)out[i];
        square += (double)out[i] * (double)out[i];
    }
    CHECK_NEAR(sum / 256, 0, 0.02);
    CHECK_NEAR(sqrt(square / 256), 0.125 / sqrt(3), 0.01);
    qn_lora_unpack(&a->lora[7].a, other);
    CHECK(memcmp(out, other, sizeof out) != 0);
    qn_adapter_free(a);
    qn_adapter_free(again);
    qn_model_free(m);
}

static size_t pairs_with(const qn_model *m, const char *targets) {
    qn_lora_options o = plain;
    o.targets = targets;
    qn_adapter *a = fresh(m, &o);
    const size_t n = a->n;
    qn_adapter_free(a);
    return n;
}

TEST(targets_go_by_either_spelling) {
    const tiny_spec s = spec_of(QN_F32, false), g = spec_of(QN_F32, true);
    qn_model *m = tiny_model(&s, NULL), *gpt2 = tiny_model(&g, NULL);
    qn_lora_options o = plain;
    qn_adapter *a;
    CHECK_INT(pairs_with(m, "all-linear"), 14);
    CHECK_INT(pairs_with(m, "q_proj,v_proj"), 4);
    CHECK_INT(pairs_with(m, "attn_q,ffn_down,self_attn.q_proj"), 4);
    CHECK_INT(pairs_with(gpt2, "all-linear"), 12);
    CHECK_INT(pairs_with(gpt2, "c_attn"), 6);
    CHECK_INT(pairs_with(gpt2, "c_proj"), 4);
    CHECK_INT(pairs_with(gpt2, "attn.c_proj"), 2);
    o.targets = "q_proj,proj";
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "\"proj\" is no weight");
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "attn_q (q_proj)");
    o.targets = "lm_head";
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "\"lm_head\"");
    o.targets = "q_proj,";
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "\"\" is no weight");
    qn_model_free(m);
    qn_model_free(gpt2);
}

TEST(what_does_not_fit_is_refused) {
    const tiny_spec s = spec_of(QN_F32, false), g = spec_of(QN_F32, true);
    tiny_spec wide = s, tall = s;
    wide.F = 128;
    tall.layers = 3;
    qn_model *m = tiny_model(&s, NULL), *gpt2 = tiny_model(&g, NULL), *other = tiny_model(&wide, NULL);
    qn_model *deep = tiny_model(&tall, NULL);
    qn_lora_options o = plain;
    qn_adapter *a, *none;
    o.rank = 0;
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "its rank is 0");
    o = plain;
    o.alpha = NAN;
    CHECK_FAIL(qn_adapter_fresh(&a, m, &o, NULL), QN_EINVAL, "alpha is");
    a = fresh(m, &plain);
    CHECK_OK(qn_adapter_check(a, m));
    CHECK_FAIL(qn_adapter_check(a, gpt2), QN_ESHAPE, "the family llama; this one is gpt2");
    CHECK_FAIL(qn_adapter_check(a, other), QN_ESHAPE, "model.layers.0.mlp.gate_proj.weight is [96,4]·[4,64]");
    CHECK_FAIL(qn_adapter_new(&none, m->arch, 2, NULL, 0, false), QN_EINVAL, "no pair");
    const qn_lora twice[] = {a->lora[0], a->lora[0]};
    CHECK_FAIL(qn_adapter_new(&none, m->arch, 2, twice, 2, false), QN_EFORMAT, "two pairs for blk.%d.attn_q");
    qn_adapter_free(a);
    a = fresh(deep, &plain);
    CHECK_FAIL(qn_adapter_check(a, m), QN_ESHAPE, "layer 2; the model has 2 layers");
    const qn_session_options so = {.kv = -1, .adapter = (const qn_adapter *const[]){a}, .n_adapters = 1};
    qn_session *session;
    CHECK_FAIL(qn_session_new(&session, m, qn_kernels_at(qn_test_isa()), NULL, &so), QN_ESHAPE, "layer 2");
    qn_adapter_free(a);
    qn_model_free(m);
    qn_model_free(gpt2);
    qn_model_free(other);
    qn_model_free(deep);
}

/* Whatever the matrices are stored as, an adapter knows the model it was made on; another norm is another model. */
TEST(a_pedigree_outlives_quantization) {
    static const qn_dtype stored[] = {QN_F32, QN_BF16, QN_Q8_0};
    char first[17] = "", print[17], other[17];
    for (size_t i = 0; i < QN_LEN(stored); i++) {
        const tiny_spec s = spec_of(stored[i], false);
        qn_model *m = tiny_model(&s, NULL);
        qn_adapter *a = fresh(m, &plain);
        qn_model_pedigree(m, print);
        CHECK_INT(strlen(print), 16);
        CHECK_STR(a->pedigree, print);
        CHECK(i == 0 || strcmp(first, print) == 0, "%s", qn_dtype_get(stored[i])->name);
        memcpy(first, print, sizeof first);
        ((float *)qn_model_param(m, QN_P_OUT_NORM, -1)->data)[3] += 1;
        qn_model_pedigree(m, other);
        CHECK(strcmp(print, other) != 0);
        qn_adapter_free(a);
        qn_model_free(m);
    }
}

/* Every allocation may fail: nothing is lost. */
TEST(no_leak_where_memory_ends) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3, .dora = true};
    const int64_t live = qn_mem_stats_get(QN_MEM_MODEL).live_bytes + qn_mem_stats_get(QN_MEM_WEIGHTS).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_adapter *a;
        qn_mem_fail_after(n);
        rc = qn_adapter_fresh(&a, m, &o, NULL);
        qn_mem_fail_after(-1);
        CHECK((rc == QN_ENOMEM || rc == 0) && n < 100);
        qn_adapter_free(a);
    }
    CHECK_INT(qn_mem_stats_get(QN_MEM_MODEL).live_bytes + qn_mem_stats_get(QN_MEM_WEIGHTS).live_bytes, live);
    qn_model_free(m);
}

/* ---- lengths ---- */

TEST(lengths_are_those_of_the_sum) {
    static const qn_dtype all[] = {QN_F32, QN_BF16, QN_Q8_0, QN_Q4_1};
    for (size_t t = 0; t < QN_LEN(all); t++) {
        const tiny_spec s = spec_of(all[t], false);
        qn_model *m = tiny_model(&s, NULL);
        qn_adapter *a = trained(m, (qn_lora_options){.rank = 5, .alpha = 3, .dora = true, .rslora = true}, 9);
        for (size_t i = 0; i < a->n; i++) {
            const qn_lora *l = &a->lora[i];
            const qn_tensor *w = qn_model_param(m, l->p->id, l->layer);
            float A[5 * 96], B[96 * 5], row[96];
            qn_lora_unpack(&l->a, A);
            qn_lora_unpack(&l->b, B);
            CHECK_NEAR(l->scale, 3 / sqrt(5), 1e-15);
            for (int64_t n = 0; n < l->rows; n++) {
                double square = 0;
                qn_unpack_row(row, w->dtype, w->data, n, l->cols);
                for (int64_t k = 0; k < l->cols; k++) {
                    double sum = 0;
                    for (int r = 0; r < 5; r++)
                        sum += (double)B[n * 5 + r] * (double)A[r * l->cols + k];
                    square += ((double)row[k] + l->scale * sum) * ((double)row[k] + l->scale * sum);
                }
                CHECK_NEAR((double)l->length[n], sqrt(square), 1e-6 * sqrt(square), "%s, pair %zu, row %lld",
                           qn_dtype_get(all[t])->name, i, (long long)n);
            }
        }
        qn_adapter_free(a);
        qn_model_free(m);
    }
}

/* ---- in sessions ---- */

typedef struct { float *logits; int64_t V, feed; } keeping;       /* of one feed: [N_IDS][V] */

static int keep(void *arg, int64_t feed, int64_t i, const float *logits) {
    const keeping *k = arg;
    if (feed == k->feed)
        memcpy(k->logits + i * k->V, logits, (size_t)k->V * sizeof *logits);
    return 0;
}

static qn_session *session_of(const qn_model *m, const qn_adapter *const *a, int n, int64_t sequences, qn_pool *pool) {
    const qn_session_options o = {.context = 200, .sequences = sequences, .kv = -1, .adapter = a, .n_adapters = n};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), pool, &o));
    return s;
}

/* The logits of all ids, in pieces; scales NULL: as the session begins. */
static float *run_in(const qn_model *m, const qn_adapter *const *a, int n, const float *scales, int64_t piece,
                     qn_pool *pool) {
    qn_session *s = session_of(m, a, n, 1, pool);
    float *all = qn_alloc(QN_MEM_TEST, (size_t)(N_IDS * m->cfg.V) * sizeof *all);
    if (scales)
        CHECK_OK(qn_session_adapt(s, 0, scales));
    for (int64_t at = 0; at < N_IDS; at += piece) {
        const qn_feed f = {0, ids + at, QN_MIN(piece, N_IDS - at), QN_LOGITS_ALL};
        keeping k = {all + at * m->cfg.V, m->cfg.V, 0};
        CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
    }
    qn_session_free(s);
    return all;
}

static bool same(const float *a, const float *b, const qn_model *m) {
    return memcmp(a, b, (size_t)(N_IDS * m->cfg.V) * sizeof *a) == 0;
}

/* Equal numbers: a zero may have lost its sign. */
static bool equal(const float *a, const float *b, const qn_model *m) {
    for (int64_t i = 0; i < N_IDS * m->cfg.V; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static void off_and_fresh(const qn_model *m, bool dora, const char *what) {
    qn_lora_options o = plain;
    o.dora = dora;
    qn_adapter *young = fresh(m, &o), *old = trained(m, o, 5);
    const qn_adapter *list[] = {young, old};
    const float off[] = {0, 0}, second[] = {1, 0};
    float *base = run_in(m, NULL, 0, NULL, 64, NULL), *none = run_in(m, list, 2, off, 64, NULL);
    float *step0 = run_in(m, list, 1, NULL, 64, NULL), *on = run_in(m, list + 1, 1, NULL, 64, NULL);
    float *without = run_in(m, list, 2, second, 64, NULL);
    CHECK(same(base, none, m), "%s: switched off", what);
    CHECK(equal(base, step0, m), "%s: a fresh one", what);
    CHECK(equal(base, without, m), "%s: the second off", what);
    CHECK(!equal(base, on, m), "%s: on", what);
    qn_free(base);
    qn_free(none);
    qn_free(step0);
    qn_free(on);
    qn_free(without);
    qn_adapter_free(young);
    qn_adapter_free(old);
}

static const qn_dtype stored[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};

TEST(off_is_the_model_and_a_fresh_one_is_too) {
    tiny_ids(ids, N_IDS, 96, 1);
    for (size_t t = 0; t < QN_LEN(stored); t++)
        for (int family = 0; family < 2; family++) {
            const tiny_spec s = spec_of(stored[t], family);
            qn_model *m = tiny_model(&s, NULL);
            off_and_fresh(m, false, qn_dtype_get(stored[t])->name);
            off_and_fresh(m, true, qn_dtype_get(stored[t])->name);
            qn_model_free(m);
        }
}

/* Three sequences of one batch: with the first adapter, the second at half, none; each has the bits that it has alone,
 * in pieces, on threads. */
static void batch_of(const qn_model *m, const char *what) {
    qn_adapter *a = trained(m, plain, 5), *b = trained(m, (qn_lora_options){.rank = 7, .alpha = 3, .seed = 9,
                                                                            .targets = "attn_v,ffn_up"}, 50);
    const qn_adapter *list[] = {a, b};
    static const float scales[3][2] = {{1, 0}, {0, 0.5f}, {0, 0}};
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 2));
    qn_session *s = session_of(m, list, 2, 3, pool);
    float *got = qn_alloc(QN_MEM_TEST, (size_t)(N_IDS * m->cfg.V) * sizeof *got);
    for (int64_t i = 0; i < 3; i++)
        CHECK_OK(qn_session_adapt(s, i, scales[i]));
    for (int64_t which = 0; which < 3; which++) {
        float *alone = run_in(m, list, 2, scales[which], 7, NULL);
        for (int64_t i = 0; i < 3; i++)
            qn_session_truncate(s, i, 0);
        for (int64_t at = 0; at < N_IDS; at += 30) {
            const qn_feed f[] = {{0, ids + at, 30, QN_LOGITS_ALL}, {1, ids + at, 30, QN_LOGITS_ALL},
                                 {2, ids + at, 30, QN_LOGITS_ALL}};
            keeping k = {got + at * m->cfg.V, m->cfg.V, which};
            CHECK_OK(qn_session_feed(s, f, 3, keep, &k));
        }
        CHECK(same(alone, got, m), "%s, sequence %lld", what, (long long)which);
        qn_free(alone);
    }
    qn_free(got);
    qn_session_free(s);
    qn_pool_free(pool);
    qn_adapter_free(a);
    qn_adapter_free(b);
}

TEST(sequences_of_a_batch_have_adapters_of_their_own) {
    tiny_ids(ids, N_IDS, 96, 1);
    for (size_t t = 0; t < QN_LEN(stored); t++) {
        const tiny_spec s = spec_of(stored[t], false);
        qn_model *m = tiny_model(&s, NULL);
        batch_of(m, qn_dtype_get(stored[t])->name);
        qn_model_free(m);
    }
}

/* An adapter at scale 2 is the same pairs at twice the scale. */
TEST(the_scale_of_a_run_multiplies_the_pairs_own) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_lora_options twice = plain;
    twice.alpha *= 2;
    qn_adapter *a = trained(m, plain, 5), *b = trained(m, twice, 5);
    const qn_adapter *first[] = {a}, *second[] = {b};
    float *x = run_in(m, first, 1, (const float[]){2}, 64, NULL), *y = run_in(m, second, 1, NULL, 64, NULL);
    CHECK(same(x, y, m));
    qn_free(x);
    qn_free(y);
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}

TEST(what_was_computed_with_other_scales_is_not_mixed) {
    const tiny_spec s = spec_of(QN_F32, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_lora_options o = plain;
    o.dora = true;
    qn_adapter *a = trained(m, plain, 5), *d = trained(m, o, 5);
    const qn_adapter *list[] = {a, d};
    const float off[] = {0, 0}, half[] = {1, 0.5f}, broken[] = {NAN, 1};
    qn_session *session = session_of(m, list, 2, 2, NULL);
    const qn_feed f = {0, ids, 20, QN_LOGITS_NONE};
    CHECK_FAIL(qn_session_adapt(session, 2, off), QN_EINVAL, "sequences 0 to 1");
    CHECK_FAIL(qn_session_adapt(session, 0, half), QN_EINVAL, "DoRA");
    CHECK_FAIL(qn_session_adapt(session, 0, broken), QN_EINVAL, "must be a number");
    CHECK_OK(qn_session_feed(session, &f, 1, NULL, NULL));
    CHECK_FAIL(qn_session_adapt(session, 0, off), QN_EINVAL, "20 positions");
    CHECK_OK(qn_session_share(session, 0, 1, 10));
    qn_session_truncate(session, 1, 0);
    CHECK_OK(qn_session_adapt(session, 1, off));
    CHECK_FAIL(qn_session_share(session, 0, 1, 10), QN_EINVAL, "other scales");
    qn_session_free(session);
    const qn_session_options many = {.kv = -1, .adapter = list, .n_adapters = QN_ADAPTERS + 1};
    CHECK_FAIL(qn_session_new(&session, m, qn_kernels_at(qn_test_isa()), NULL, &many), QN_EINVAL, "9 adapters");
    qn_adapter_free(a);
    qn_adapter_free(d);
    qn_model_free(m);
}

/* A decode step with adapters allocates nothing. */
TEST(feeding_allocates_nothing) {
    const tiny_spec s = spec_of(QN_Q8_0, false);
    qn_model *m = tiny_model(&s, NULL);
    qn_adapter *a = trained(m, plain, 5);
    const qn_adapter *list[] = {a};
    qn_session *session = session_of(m, list, 1, 1, NULL);
    const int64_t before = qn_mem_calls();
    for (int i = 0; i < 5; i++) {
        const qn_feed f = {0, ids + i, 1, QN_LOGITS_NONE};
        CHECK_OK(qn_session_feed(session, &f, 1, NULL, NULL));
    }
    CHECK_INT(qn_mem_calls(), before);
    qn_session_free(session);
    qn_adapter_free(a);
    qn_model_free(m);
}
