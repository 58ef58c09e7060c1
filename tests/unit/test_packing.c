/* tests/unit/test_packing.c — weights packed behind the first tokens: the bits of logits do not depend on which of them
 * have been, on when, or on who packs beside a run; packed, they are what they are when they are packed at once. */
#include "tiny_model.h"

#include "model/packing.h"

#include <pthread.h>

enum { TOKENS = 24, V_MOST = 2100 };

static int32_t ids[TOKENS];
static uint64_t want[TOKENS], got[TOKENS];              /* of each token's logits */

typedef struct { uint64_t *out; int64_t V; } keeping;

static int keep(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    const keeping *k = arg;
    k->out[i] = qn_hash_bytes(logits, (size_t)k->V * sizeof *logits, 1);
    return 0;
}

/* All ids in pieces, the hashes of their logits to out. */
static void run(const qn_model *m, qn_isa isa, qn_pool *pool, int64_t piece, uint64_t *out) {
    const qn_session_options o = {.context = 64, .kv = -1};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(isa), pool, &o));
    for (int64_t at = 0; at < TOKENS; at += piece) {
        const qn_feed f = {0, ids + at, QN_MIN(piece, TOKENS - at), QN_LOGITS_ALL};
        keeping k = {out + at, m->cfg.V};
        CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
    }
    qn_session_free(s);
}

static qn_model *load_behind(qn_source **source, const char *path, bool keep_pages) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS, .keep_pages = keep_pages, .behind = true};
    qn_model *m;
    CHECK_OK(qn_source_open(source, path));
    CHECK_OK(qn_model_load(&m, *source, &o, NULL));
    return m;
}

static void drop(qn_model *m, qn_source *source) {
    qn_model_free(m);
    qn_source_close(source);
}

/* Of all tiles those that a draw says. */
static void pack_some(qn_model *m, uint64_t seed) {
    for (int64_t i = 0; i < qn_packing_tiles(m->packing); i++)
        if (seed > 0 && qn_rng_u64(seed, QN_RNG_TEST, 1, (uint64_t)i) % 2)
            qn_packing_tile(m->packing, i);
}

static void same(const char *what, uint64_t seed, int64_t piece) {
    for (int t = 0; t < TOKENS; t++)
        CHECK(got[t] == want[t], "%s, draw %d, pieces of %d: token %d", what, (int)seed, (int)piece, t);
    memset(got, 0, sizeof got);
}

/* Nothing packed, then any half of the tiles, one to four rows at a time; packing goes on meanwhile. */
static void any_subset(const tiny_spec *spec, const char *what) {
    const char *path = tiny_file(spec);
    const bool waits = qn_kernels_at(QN_ISA_LEVELS - 1)->stored[spec->dtype] != NULL;       /* BF16 not everywhere */
    qn_model *whole = tiny_load(path, NULL);
    qn_pool *pool;
    tiny_ids(ids, TOKENS, spec->V, 3);
    CHECK_OK(qn_pool_new(&pool, 2));
    run(whole, qn_test_isa(), NULL, TOKENS, want);
    for (uint64_t seed = 0; seed < 4; seed++) {
        const int64_t piece = 1 + (int64_t)seed;
        qn_source *source;
        qn_model *m = load_behind(&source, path, true);
        CHECK_INT(!qn_model_settled(m), waits, "%s: something waits", what);
        if (waits)
            pack_some(m, seed);
        run(m, qn_test_isa(), seed % 2 ? pool : NULL, piece, got);
        same(what, seed, piece);
        drop(m, source);
    }
    qn_pool_free(pool);
    qn_model_free(whole);
}

TEST(any_subset_of_any_dtype) {
    static const qn_dtype waiting[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    for (size_t i = 0; i < QN_LEN(waiting); i++) {
        tiny_spec s = TINY;
        s.dtype = waiting[i];
        s.V = 101;
        any_subset(&s, qn_dtype_get(s.dtype)->name);
    }
}

/* Several tiles of one matrix, its last panel not full. */
TEST(a_matrix_of_several_tiles) {
    tiny_spec s = TINY;
    s.V = V_MOST;
    s.untied = true;
    any_subset(&s, "wide");
}

/* Rows of query and key lie interleaved: a panel has every second one of a head, or of half of it. */
TEST(interleaved_heads) {
    tiny_spec s = TINY;
    s.dtype = QN_Q8_0;
    s.heads = 2;
    s.kv_heads = 1;
    s.Dh = 64;
    any_subset(&s, "heads of 64");
    s.Dh = 128;
    any_subset(&s, "heads of 128");
    s.rot = 64;
    any_subset(&s, "heads of 128, 64 of them rotated");
}

TEST(joint_tensors) {
    tiny_spec s = TINY;
    s.gpt2 = true;
    s.dtype = QN_Q4_0;
    any_subset(&s, "gpt2");
}

TEST(codes) {
    static const qn_dtype waiting[] = {QN_Q5_0, QN_Q5_1, QN_IQ4_NL, QN_MXFP4, QN_Q6_K, QN_Q4_K, QN_Q2_K};
    for (size_t i = 0; i < QN_LEN(waiting); i++) {
        tiny_spec s = TINY;
        s.dtype = waiting[i];
        if (qn_dtype_get(s.dtype)->block > 32) {
            s.V = 64;
            s.D = s.F = 256;
            s.layers = 1;
            s.Dh = 64;
        }
        any_subset(&s, qn_dtype_get(s.dtype)->name);
    }
}

/* Query and key whose heads are narrower than two panels have to be gathered, and do not wait; what is converted does
 * not either. */
TEST(what_cannot_wait_does_not) {
    tiny_spec s = TINY;
    const qn_model_options o = {.weights = QN_Q8_0, .keep_pages = true, .behind = true};
    qn_source *source;
    qn_model *m = load_behind(&source, tiny_file(&s), true);
    CHECK(!qn_model_param(m, QN_P_Q, 0)->unpacked && !qn_model_param(m, QN_P_K, 0)->unpacked);
    CHECK(qn_model_param(m, QN_P_V, 0)->unpacked != NULL);
    drop(m, source);
    CHECK_OK(qn_source_open(&source, tiny_file(&s)));
    CHECK_OK(qn_model_load(&m, source, &o, NULL));
    CHECK(qn_model_settled(m) && !m->packing);
    drop(m, source);
}

TEST(settled_it_is_the_model_that_was_packed_at_once) {
    char one[17], other[17];
    tiny_spec s = TINY;
    s.dtype = QN_Q4_1;
    const char *path = tiny_file(&s);
    qn_model *whole = tiny_load(path, NULL);
    qn_source *source;
    qn_model *m = load_behind(&source, path, true);
    pack_some(m, 5);
    CHECK_OK(qn_model_fingerprint(m, NULL, other));
    CHECK(qn_model_settled(m));
    CHECK_OK(qn_model_fingerprint(whole, NULL, one));
    CHECK_STR(other, one);
    qn_model_free(whole);
    drop(m, source);
}

TEST(many_rows_wait_for_all) {
    tiny_spec s = TINY;
    qn_source *source;
    qn_model *m = load_behind(&source, tiny_file(&s), true);
    tiny_ids(ids, TOKENS, s.V, 3);
    run(m, qn_test_isa(), NULL, TOKENS, got);
    CHECK(qn_model_settled(m));
    drop(m, source);
}

/* Tokens come one by one until all is packed; after the first nothing is allocated. */
TEST(decoding_packs_to_the_end_without_allocating) {
    const qn_session_options o = {.context = 64, .kv = -1};
    tiny_spec spec = TINY;
    qn_source *source;
    qn_session *s;
    qn_model *m = load_behind(&source, tiny_file(&spec), true);
    keeping k = {got, spec.V};
    int64_t calls = 0, tokens = 0;
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), NULL, &o));
    for (; tokens < 60 && (tokens == 0 || !qn_model_settled(m)); tokens++) {
        const qn_feed f = {0, ids, 1, QN_LOGITS_LAST};
        CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
        CHECK(tokens > 0 || !qn_model_settled(m), "the first token waits for nothing");
        calls = tokens == 0 ? qn_mem_calls() : calls;
    }
    CHECK(qn_model_settled(m));
    CHECK_INT(qn_mem_calls(), calls);
    qn_session_free(s);
    drop(m, source);
}

/* ---- beside a run ---- */

static void *pack_all(void *arg) {
    qn_model *m = arg;
    for (int64_t i = 0; i < qn_packing_tiles(m->packing); i++)
        qn_packing_tile(m->packing, i);
    return NULL;
}

typedef struct { const qn_model *m; uint64_t out[TOKENS]; } reader;

static void *read_all(void *arg) {
    reader *r = arg;
    run(r->m, qn_test_isa(), NULL, 1, r->out);
    return NULL;
}

TEST(one_thread_packs_while_two_sessions_run) {
    static reader other;
    tiny_spec s = TINY;
    s.V = V_MOST;
    s.dtype = QN_Q8_0;
    const char *path = tiny_file(&s);
    qn_model *whole = tiny_load(path, NULL);
    qn_source *source;
    qn_model *m = load_behind(&source, path, false);
    pthread_t packer, second;
    tiny_ids(ids, TOKENS, s.V, 3);
    run(whole, qn_test_isa(), NULL, 1, want);
    other.m = m;
    CHECK_INT(pthread_create(&second, NULL, read_all, &other), 0);
    CHECK_INT(pthread_create(&packer, NULL, pack_all, m), 0);
    run(m, qn_test_isa(), NULL, 1, got);
    pthread_join(packer, NULL);
    pthread_join(second, NULL);
    same("beside a packer", 0, 1);
    memcpy(got, other.out, sizeof got);
    same("the other session", 0, 1);
    qn_model_free(whole);
    drop(m, source);
}

/* ---- memory ---- */

/* Kilobytes of a mapped file that are in memory now; −1: the kernel does not say. */
static int64_t resident_kb(const char *path) {
    FILE *f = fopen("/proc/self/smaps", "r");
    const char *name = strrchr(path, '/') ? strrchr(path, '/') : path;
    char line[512];
    int64_t sum = f ? 0 : -1;
    long kb;
    bool ours = false;
    while (f && fgets(line, sizeof line, f)) {
        if (strchr(line, '-') && strchr(line, ':') && !strstr(line, " kB"))
            ours = strstr(line, name) != NULL;
        else if (ours && sscanf(line, "Rss: %ld kB", &kb) == 1)
            sum += kb;
    }
    if (f)
        fclose(f);
    return sum;
}

/* What has been packed is not in memory twice: of a file of megabytes a few pages stay, of the head and of vectors. */
TEST(mapped_pages_of_what_is_packed_are_given_back) {
    tiny_spec s = TINY;
    s.V = 20000;
    s.dtype = QN_F16;
    const char *path = tiny_file(&s);
    qn_source *source;
    qn_model *m = load_behind(&source, path, false);
    tiny_ids(ids, TOKENS, s.V, 3);
    run(m, qn_test_isa(), NULL, 1, got);
    const int64_t before = resident_kb(path);
    if (before < 0)
        SKIP("/proc/self/smaps cannot be read");
    qn_model_settle(m, NULL);
    CHECK(resident_kb(path) <= 128, "%d kB of the file are in memory, %d before", (int)resident_kb(path), (int)before);
    drop(m, source);
}
