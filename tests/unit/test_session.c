/* tests/unit/test_session.c — sessions: what they refuse and then leave as it was, cancelling, stale weights, memory:
 * KV pages counted and copied on write, no allocation while decoding, and every allocation failing once. */
#include "infer/kv.h"
#include "tiny_model.h"

static const qn_kernels *kernels(void) { return qn_kernels_at(qn_test_isa()); }

static qn_session *open_session(const qn_model *m, int64_t context, int64_t sequences, int64_t rows) {
    const qn_session_options o = {.context = context, .sequences = sequences, .rows = rows, .kv = -1};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, kernels(), NULL, &o));
    return s;
}

static int forget_logits(QN_UNUSED void *arg, QN_UNUSED int64_t f, QN_UNUSED int64_t i,
                         QN_UNUSED const float *l) { return 0; }

static void feed(qn_session *s, int64_t seq, int64_t n, uint32_t salt) {
    static int32_t ids[4096];
    const qn_feed f = {seq, ids, n, QN_LOGITS_NONE};
    tiny_ids(ids, n, qn_session_model(s)->cfg.V, salt);
    CHECK_OK(qn_session_feed(s, &f, 1, NULL, NULL));
}

/* The logits after one more token, as a hash. The token is forgotten again. */
static int hash_logits(void *arg, QN_UNUSED int64_t f, QN_UNUSED int64_t i, const float *logits) {
    *(uint64_t *)arg = qn_hash_bytes(logits, (size_t)TINY.V * sizeof *logits, 1);
    return 0;
}

static uint64_t probe(qn_session *s, int64_t seq) {
    const int32_t id = 5;
    const qn_feed f = {seq, &id, 1, QN_LOGITS_LAST};
    const int64_t length = qn_session_length(s, seq);
    uint64_t hash = 0;
    CHECK_OK(qn_session_feed(s, &f, 1, hash_logits, &hash));
    qn_session_truncate(s, seq, length);
    return hash;
}

static int keep_logits(void *arg, QN_UNUSED int64_t f, QN_UNUSED int64_t i, const float *logits) {
    memcpy(arg, logits, (size_t)TINY.V * sizeof *logits);
    return 0;
}

/* Weights that ask for different forms of the same rows, alternating: each form is made once, and named once. */
TEST(weights_of_mixed_dtypes) {
    tiny_spec spec = TINY;
    static int32_t ids[20];
    float plain[96], mixed[96];
    tiny_ids(ids, 20, spec.V, 1);
    for (int i = 0; i < 2; i++) {
        if (i)
            spec.twist = (tiny_twist){.stored = {"attn_q.weight", "attn_k.weight", "attn_v.weight"},
                                      .as = {QN_BF16, QN_Q8_0, QN_BF16}};
        qn_model *m = tiny_model(&spec, NULL);
        qn_session *s = open_session(m, 64, 1, 16);
        const qn_feed f = {0, ids, 20, QN_LOGITS_LAST};
        CHECK_OK(qn_session_feed(s, &f, 1, keep_logits, i ? mixed : plain));
        qn_session_free(s);
        qn_model_free(m);
    }
    CHECK(memcmp(plain, mixed, sizeof plain) != 0);
    for (int i = 0; i < 96; i++)
        CHECK_NEAR(mixed[i], plain[i], 0.3, "logit %d: only rounded", i);
}

/* ---- what is refused ---- */

TEST(a_full_context_is_reported_with_numbers) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s = open_session(m, 100, 2, 16);
    static int32_t ids[200];
    const qn_feed too_long = {0, ids, 101, QN_LOGITS_NONE}, fits = {1, ids, 10, QN_LOGITS_NONE};
    const qn_feed both[] = {fits, too_long}, halves[] = {{0, ids, 50, QN_LOGITS_NONE}, {0, ids, 51, QN_LOGITS_NONE}};
    CHECK_FAIL(qn_session_feed(s, &too_long, 1, NULL, NULL), QN_ECONTEXT,
               "101 tokens do not fit into the context of 100");
    CHECK_FAIL(qn_session_feed(s, both, 2, NULL, NULL), QN_ECONTEXT, "101 tokens");
    CHECK_FAIL(qn_session_feed(s, halves, 2, NULL, NULL), QN_ECONTEXT, "101 tokens");
    CHECK_INT(qn_session_length(s, 0) + qn_session_length(s, 1), 0, "nothing was fed");
    CHECK_INT(qn_session_memory_get(s).kv_used, 0);
    feed(s, 0, 90, 1);
    const uint64_t before = probe(s, 0);
    const qn_feed more = {0, ids, 11, QN_LOGITS_NONE}, rest = {0, ids, 10, QN_LOGITS_NONE};
    CHECK_FAIL(qn_session_feed(s, &more, 1, NULL, NULL), QN_ECONTEXT, "11 tokens after the 90 before them");
    CHECK_INT(qn_session_length(s, 0), 90);
    CHECK(probe(s, 0) == before, "the sequence is what it was");
    CHECK_OK(qn_session_feed(s, &rest, 1, NULL, NULL));
    CHECK_INT(qn_session_length(s, 0), 100, "the last position is used");
    qn_session_free(s);
    qn_model_free(m);
}

TEST(bad_ids_and_sequences_change_nothing) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s = open_session(m, 64, 2, 16);
    int32_t good[] = {1, 2, 3}, high[] = {1, 96}, low[] = {1, -1};
    const struct { qn_feed f; const char *says; } bad[] = {
        {{1, high, 2, QN_LOGITS_ALL}, "token id 96 is outside the model's vocabulary of 96"},
        {{1, low, 2, QN_LOGITS_ALL}, "token id -1"}, {{2, good, 3, QN_LOGITS_ALL}, "sequence 2"},
        {{-1, good, 3, QN_LOGITS_ALL}, "sequence -1"}, {{1, good, -3, QN_LOGITS_ALL}, "-3 tokens"},
    };
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        const qn_feed feeds[] = {{0, good, 3, QN_LOGITS_ALL}, bad[i].f};
        CHECK_FAIL(qn_session_feed(s, feeds, 2, forget_logits, NULL), QN_EINVAL, bad[i].says);
        CHECK_INT(qn_session_length(s, 0) + qn_session_length(s, 1), 0, "%s", bad[i].says);
    }
    CHECK_OK(qn_session_feed(s, &(qn_feed){0, good, 0, QN_LOGITS_ALL}, 1, NULL, NULL), "no tokens are no work");
    CHECK_OK(qn_session_feed(s, NULL, 0, NULL, NULL));
    feed(s, 0, 10, 1);
    CHECK_FAIL(qn_session_share(s, 0, 1, 11), QN_EINVAL, "11 positions");
    CHECK_FAIL(qn_session_share(s, 0, 0, 1), QN_EINVAL, "sequence 0");
    CHECK_FAIL(qn_session_share(s, 0, 2, 1), QN_EINVAL, "sequence 2");
    CHECK_FAIL(qn_session_share(s, 0, 1, -1), QN_EINVAL, "-1 positions");
    qn_session_free(s);
    qn_model_free(m);
}

TEST(options_out_of_range) {
    const tiny_spec spec = TINY;
    const qn_session_options bad[] = {
        {.context = -1, .kv = -1}, {.context = (int64_t)1 << 40, .kv = -1}, {.sequences = 1 << 20, .kv = -1},
        {.rows = -5, .kv = -1}, {.rows = 1 << 20, .kv = -1},
    };
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s;
    for (size_t i = 0; i < QN_LEN(bad); i++)
        CHECK_FAIL(qn_session_new(&s, m, kernels(), NULL, &bad[i]), QN_EINVAL, "out of range", "%zu", i);
    CHECK_FAIL(qn_session_new(&s, m, kernels(), NULL, &(qn_session_options){.kv = QN_Q4_0}), QN_EUNSUPPORTED,
               "q8_0, not q4_0");
    CHECK_FAIL(qn_session_new(&s, m, kernels(), NULL, &(qn_session_options){.kv = QN_I32}), QN_EUNSUPPORTED,
               "f32, f16");
    CHECK_FAIL(qn_session_new(&s, m, kernels(), NULL, &(qn_session_options){.kv = 99}), QN_EUNSUPPORTED, "f32, f16");
    CHECK(s == NULL);
    CHECK_OK(qn_session_new(&s, m, kernels(), NULL, &(qn_session_options){.kv = -1}));
    CHECK_INT(qn_session_context(s), spec.context, "0 is the model's own");
    CHECK_INT(qn_session_kv_dtype(s), QN_F32);
    qn_session_free(s);
    qn_model_free(m);
}

TEST(default_kv_is_the_attention_product) {
    tiny_spec spec = TINY;
    spec.dtype = QN_Q8_0;
    qn_model *m = tiny_model(&spec, NULL);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        if (qn_isa_has((qn_isa)isa))
            CHECK_INT(qn_default_kv(m, qn_kernels_at((qn_isa)isa)), isa >= QN_ISA_AVX512BF16 ? QN_BF16 : QN_F16);
    qn_model_free(m);
}

/* ---- cancelling, failing callbacks, stale weights ---- */

static int cancel_at_20(void *arg, QN_UNUSED int64_t feed_index, int64_t i, QN_UNUSED const float *logits) {
    if (i == 20)
        atomic_store((atomic_bool *)arg, true);
    return 0;
}

TEST(cancelling_leaves_sequences_where_they_got_to) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    static int32_t ids[100];
    atomic_bool cancel = false;
    const qn_session_options o = {.context = 200, .sequences = 2, .rows = 16, .kv = -1, .cancel = &cancel};
    qn_session *s;
    tiny_ids(ids, 100, spec.V, 1);
    CHECK_OK(qn_session_new(&s, m, kernels(), NULL, &o));
    const qn_feed f[] = {{0, ids, 72, QN_LOGITS_ALL}, {1, ids, 30, QN_LOGITS_NONE}};
    CHECK_FAIL(qn_session_feed(s, f, 2, cancel_at_20, &cancel), QN_ECANCEL, "cancelled");
    CHECK_INT(qn_session_length(s, 0), 32, "two runs of 16 rows were done");
    CHECK_INT(qn_session_length(s, 1), 0);
    CHECK_FAIL(qn_session_feed(s, f, 2, NULL, NULL), QN_ECANCEL, "cancelled", "still set");
    CHECK_INT(qn_session_length(s, 0), 32);
    atomic_store(&cancel, false);
    const qn_feed rest[] = {{0, ids + 32, 40, QN_LOGITS_NONE}, {1, ids, 72, QN_LOGITS_NONE}};
    CHECK_OK(qn_session_feed(s, rest, 2, NULL, NULL));
    CHECK(probe(s, 0) == probe(s, 1), "both hold the same 72 tokens");
    qn_session_free(s);
    qn_model_free(m);
}

/* The segment that begins a run and the one that fills it up are both taken back. */
TEST(cancelling_takes_back_a_run_that_was_not_done) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    static int32_t ids[100];
    atomic_bool cancel = true;
    const qn_session_options o = {.context = 200, .sequences = 2, .rows = 64, .kv = -1, .cancel = &cancel};
    const qn_feed f[] = {{0, ids, 10, QN_LOGITS_NONE}, {1, ids, 80, QN_LOGITS_NONE}};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, kernels(), NULL, &o));
    CHECK_FAIL(qn_session_feed(s, f, 2, NULL, NULL), QN_ECANCEL, NULL);
    CHECK_INT(qn_session_length(s, 0) + qn_session_length(s, 1), 0);
    qn_session_free(s);
    qn_model_free(m);
}

static int refuse(QN_UNUSED void *arg, QN_UNUSED int64_t f, int64_t i, QN_UNUSED const float *logits) {
    return i < 20 ? 0 : qn_fail(QN_EIO, "the consumer is gone");
}

TEST(a_failing_callback_ends_the_feeding) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s = open_session(m, 200, 2, 16);
    static int32_t ids[100];
    const qn_feed f = {0, ids, 100, QN_LOGITS_ALL};
    CHECK_FAIL(qn_session_feed(s, &f, 1, refuse, NULL), QN_EIO, "the consumer is gone");
    CHECK_INT(qn_session_length(s, 0), 32, "the run that it ended is held");
    const qn_feed same = {1, ids, 32, QN_LOGITS_NONE};
    CHECK_OK(qn_session_feed(s, &same, 1, NULL, NULL));
    CHECK(probe(s, 0) == probe(s, 1));
    qn_session_free(s);
    qn_model_free(m);
}

TEST(stale_until_reset) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s = open_session(m, 100, 2, 16);
    const int32_t id = 1;
    const qn_feed f = {0, &id, 1, QN_LOGITS_NONE};
    feed(s, 0, 20, 1);
    feed(s, 1, 70, 2);
    m->epoch++;
    CHECK_FAIL(qn_session_feed(s, &f, 1, NULL, NULL), QN_ESTALE, "reset");
    CHECK_INT(qn_session_length(s, 0), 20);
    qn_session_reset(s);
    CHECK_INT(qn_session_length(s, 0) + qn_session_length(s, 1), 0);
    CHECK_OK(qn_session_feed(s, &f, 1, NULL, NULL));
    qn_session_free(s);
    qn_model_free(m);
}

/* Between two shared steps one barrier: a decoding step has six a layer (queries, keys and values are made; stored;
 * read; then three products), and a few around the layers. */
TEST(decoding_meets_six_times_a_layer) {
    tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    const qn_session_options o = {.context = 64, .sequences = 1, .kv = -1};
    qn_pool *pool;
    qn_session *s;
    CHECK_OK(qn_pool_new(&pool, 2));
    CHECK_OK(qn_session_new(&s, m, kernels(), pool, &o));
    feed(s, 0, 20, 1);
    feed(s, 0, 1, 1);
    CHECK(qn_session_memory_get(s).barriers <= 6 * m->cfg.layers + 8, "%d barriers, %d layers",
          qn_session_memory_get(s).barriers, (int)m->cfg.layers);
    qn_session_free(s);
    qn_pool_free(pool);
    qn_model_free(m);
}

/* ---- memory ---- */

TEST(decoding_allocates_nothing) {
    tiny_spec spec = TINY;
    spec.dtype = QN_Q8_0;
    qn_model *m = tiny_model(&spec, NULL);
    const qn_session_options o = {.context = 600, .sequences = 3, .kv = -1};
    qn_pool *pool;
    qn_session *s;
    CHECK_OK(qn_pool_new(&pool, 2));
    CHECK_OK(qn_session_new(&s, m, kernels(), pool, &o));
    feed(s, 0, 200, 1);
    CHECK_OK(qn_session_share(s, 0, 1, 190));
    const int64_t calls = qn_mem_calls();
    for (int i = 0; i < 150; i++) {                     /* across pages and chunks; copies of shared pages; a prefill */
        const int32_t id = i % 90;
        static int32_t many[200];
        const qn_feed f[] = {{0, &id, 1, QN_LOGITS_LAST}, {1, &id, 1, QN_LOGITS_LAST}, {2, many, 200, QN_LOGITS_LAST}};
        CHECK_OK(qn_session_feed(s, f, i == 50 ? 3 : 2, forget_logits, NULL));
    }
    CHECK_INT(qn_mem_calls() - calls, 0);
    qn_session_free(s);
    qn_pool_free(pool);
    qn_model_free(m);
}

TEST(kv_memory_grows_with_what_is_used) {
    const tiny_spec spec = TINY;
    qn_model *m = tiny_model(&spec, NULL);
    qn_session *s = open_session(m, 1000, 4, 64);
    const size_t page = (size_t)(spec.layers * 2 * spec.kv_heads) * qn_kv_block_bytes(QN_F32, spec.Dh);
    CHECK_INT(qn_session_memory_get(s).kv_used, 0);
    CHECK_INT(qn_session_memory_get(s).kv_reserved, 4 * 16 * page);
    feed(s, 0, 65, 1);
    CHECK_INT(qn_session_memory_get(s).kv_used, 2 * page);
    for (int64_t to = 1; to < 4; to++)
        CHECK_OK(qn_session_share(s, 0, to, 65));
    CHECK_INT(qn_session_memory_get(s).kv_used, 2 * page, "shared pages are counted once");
    feed(s, 1, 1, 1);
    CHECK_INT(qn_session_memory_get(s).kv_used, 3 * page, "the second owner's write made a copy");
    CHECK(qn_session_memory_get(s).weights > 0 && qn_session_memory_get(s).activations > 0);
    qn_session_free(s);
    qn_model_free(m);
}

/* Positions of four sequences hold numbers; a plain copy of each sequence says what they must be. Random steps; after
 * each, every page has as many owners as lists name it, the free ones none, and every position its number. */
enum { SEQUENCES = 4, CONTEXT = 300 };

static int32_t *slot(const qn_kv *kv, int64_t seq, int64_t pos) {
    const int32_t page = kv->seq[seq].page[pos / QN_KEY_BLOCK];
    return (int32_t *)(kv->pool.data + (size_t)page * qn_kv_page_bytes(&kv->pool)) + pos % QN_KEY_BLOCK;
}

static void check_pages(const qn_kv *kv, int32_t want[SEQUENCES][CONTEXT], const int64_t length[SEQUENCES], int step) {
    int32_t owners[64] = {0};
    int64_t used = 0;
    for (int64_t s = 0; s < SEQUENCES; s++) {
        CHECK_INT(kv->seq[s].length, length[s], "step %d", step);
        CHECK_INT(kv->seq[s].pages, (length[s] + QN_KEY_BLOCK - 1) / QN_KEY_BLOCK, "step %d", step);
        for (int64_t i = 0; i < kv->seq[s].pages; i++)
            owners[kv->seq[s].page[i]]++;
        for (int64_t pos = 0; pos < length[s]; pos++)
            CHECK_INT(*slot(kv, s, pos), want[s][pos], "step %d, sequence %lld, position %lld", step, (long long)s,
                      (long long)pos);
    }
    for (int64_t p = 0; p < kv->n_pages; p++) {
        CHECK_INT(kv->owners[p], owners[p], "step %d, page %lld", step, (long long)p);
        used += owners[p] > 0;
    }
    CHECK_INT(kv->n_free, kv->n_pages - used, "step %d", step);
    for (int64_t i = 0; i < kv->n_free; i++)
        CHECK_INT(owners[kv->free_page[i]]++, 0, "step %d: free page %d is in use, or free twice", step,
                  kv->free_page[i]);
}

TEST(pages_come_back_and_are_copied_on_write) {
    static int32_t want[SEQUENCES][CONTEXT];
    int64_t length[SEQUENCES] = {0};
    qn_kv kv;
    CHECK_OK(qn_kv_init(&kv, QN_F32, 1, 1, 2, SEQUENCES, CONTEXT));
    CHECK(kv.n_pages == 20 && kv.n_pages <= 64);
    for (int step = 0; step < 4000; step++) {
        const uint64_t r = qn_rng_u64(3, QN_RNG_TEST, 0, (uint64_t)step);
        const int64_t s = (int64_t)(r & 3), other = (int64_t)(r >> 2 & 3), amount = (int64_t)(r >> 8 & 0xffff);
        if (r >> 4 & 1) {
            const int64_t n = amount % QN_MIN(CONTEXT - length[s] + 1, 90);
            CHECK_OK(qn_kv_reserve(&kv, s, n), "a full set of sequences has room");
            for (int64_t i = 0; i < n; i++)
                *slot(&kv, s, length[s] + i) = want[s][length[s] + i] = step * 1000 + (int32_t)i;
            kv.seq[s].length = length[s] += n;
        } else if (r >> 5 & 1) {
            length[s] = amount % (length[s] + 1);
            qn_kv_truncate(&kv, s, length[s]);
        } else if (s != other) {
            length[other] = amount % (length[s] + 1);
            CHECK_OK(qn_kv_share(&kv, s, other, length[other]));
            memcpy(want[other], want[s], sizeof want[s]);
        }
        check_pages(&kv, want, length, step);
    }
    for (int64_t s = 0; s < SEQUENCES; s++)
        qn_kv_truncate(&kv, s, 0);
    CHECK_INT(kv.n_free, kv.n_pages);
    qn_kv_drop(&kv);
}

/* ---- each allocation fails once ---- */

static int64_t live(void) {
    int64_t n = 0;
    for (int t = 0; t < QN_MEM_TAGS; t++)
        n += qn_mem_stats_get((qn_mem_tag)t).live_bytes;
    return n;
}

static void *made;
static int make_source(void *path) { return qn_source_open((qn_source **)&made, path); }
static void drop_source(void) { qn_source_close(made); }
static int make_model(void *source) {
    return qn_model_load((qn_model **)&made, source, &(qn_model_options){.weights = QN_BF16, .keep_pages = true}, NULL);
}
static void drop_model(void) { qn_model_free(made); }
static int make_session(void *model) {
    return qn_session_new((qn_session **)&made, model, kernels(), NULL, &(qn_session_options){.sequences = 2,
                                                                                              .kv = -1});
}
static void drop_session(void) { qn_session_free(made); }

static void fail_each(int (*make)(void *), void *arg, void (*drop)(void), int64_t at_least, const char *what) {
    const int64_t before = live();
    int64_t n = 0;
    for (;; n++) {
        made = &n;
        qn_mem_fail_after(n);
        const int rc = make(arg);
        qn_mem_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_ENOMEM, "%s, allocation %lld: %s", what, (long long)n, qn_error_message());
        CHECK(made == NULL, "%s, allocation %lld", what, (long long)n);
        CHECK_INT(live(), before, "%s leaks where allocation %lld fails", what, (long long)n);
    }
    CHECK(n >= at_least, "%s makes %lld allocations", what, (long long)n);
    drop();
    CHECK_INT(live(), before, "%s", what);
}

TEST(no_leak_where_memory_ends) {
    tiny_spec spec = TINY;
    spec.untied = true;
    spec.dtype = QN_Q8_0;                               /* activation forms have nodes of their own */
    char path[1024];
    qn_source *source;
    snprintf(path, sizeof path, "%s", tiny_file(&spec));
    qn_model *m = tiny_load(path, NULL);
    CHECK_OK(qn_source_open(&source, path));
    fail_each(make_source, path, drop_source, 5, "qn_source_open");
    fail_each(make_model, source, drop_model, 5, "qn_model_load");
    fail_each(make_session, m, drop_session, 100, "qn_session_new");
    qn_source_close(source);
    qn_model_free(m);
}
