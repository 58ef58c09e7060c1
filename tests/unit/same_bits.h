/* tests/unit/same_bits.h — one text in every regime of a session, held to the bits of one piece on one thread.
 *
 * Of each token's logits a hash is kept, so that a real vocabulary fits. Hashes are compared within one level of one
 * run only. */
#ifndef QN_TESTS_UNIT_SAME_BITS_H
#define QN_TESTS_UNIT_SAME_BITS_H

#include "tiny_model.h"

enum { TOKENS = 700, OTHERS = 7 };              /* several chunks of 256 keys; neighbours in a batch */
enum { SINGLY = 24 };                           /* tokens at the end that come one by one: threads meet for each */

static int32_t ids[TOKENS];
static qn_pool *pool[4];                        /* by threads, 1 to 3; the test's own */
static int stored_keys = -1;                    /* qn_dtype of the KV cache, or the model's own */

typedef struct {
    const qn_model *m;
    const qn_kernels *k;
    const char *what;
    bool brief;                                 /* each kind of regime once */
    uint64_t want[TOKENS], got[TOKENS];         /* of each token's logits */
} regime;

typedef struct { regime *r; int64_t ours, from, rows; } keeping;        /* our feed, and its first token */

static int keep(void *arg, int64_t feed, int64_t i, const float *logits) {
    keeping *k = arg;
    if (feed != k->ours)
        return 0;
    k->r->got[k->from + i] = qn_hash_bytes(logits, (size_t)k->r->m->cfg.V * sizeof *logits, 1);
    k->rows++;
    return 0;
}

static qn_session *open_session(const regime *r, int threads, int64_t sequences) {
    const qn_session_options o = {.context = TOKENS + 100, .sequences = sequences, .rows = 512, .kv = stored_keys};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, r->m, r->k, pool[threads], &o));
    return s;
}

/* ids[from … to) of a sequence in pieces. */
static void feed(regime *r, qn_session *s, int64_t seq, int64_t from, int64_t to, int64_t piece) {
    for (int64_t at = from; at < to; at += piece) {
        const qn_feed f = {seq, ids + at, QN_MIN(piece, to - at), QN_LOGITS_ALL};
        keeping k = {r, 0, at, 0};
        CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
        CHECK_INT(k.rows, f.n);
    }
    CHECK_INT(qn_session_length(s, seq), to);
}

static void forget(regime *r) { memset(r->got, 0, sizeof r->got); }

static void same(regime *r, int64_t from, const char *how, int64_t number) {
    for (int64_t t = from; t < TOKENS; t++)
        CHECK(r->got[t] == r->want[t], "%s at %s, %s %lld: token %lld", r->what, qn_isa_name(r->k->isa), how,
              (long long)number, (long long)t);
    forget(r);
}

static void in_pieces(regime *r) {
    static const int64_t pieces[] = {64, 7, 500, 1, 33};
    for (size_t i = 0; i < (r->brief ? 2 : QN_LEN(pieces)); i++) {
        qn_session *s = open_session(r, 1, 1);
        feed(r, s, 0, 0, TOKENS, pieces[i]);
        same(r, 0, "pieces of", pieces[i]);
        qn_session_free(s);
    }
}

/* The last ones token by token, behind several chunks, on several threads. */
static void on_threads(regime *r) {
    for (int threads = 2; threads <= (r->brief ? 2 : 3); threads++) {
        qn_session *s = open_session(r, threads, 1);
        feed(r, s, 0, 0, TOKENS - SINGLY, 512);
        feed(r, s, 0, TOKENS - SINGLY, TOKENS, 1);
        same(r, 0, "threads", threads);
        qn_session_free(s);
    }
}

/* Seven other sequences, all at other positions, go on beside ours, which is fourth in the batch. Ours comes in pieces
 * of 50, then token by token; at every third step it goes alone. */
static void in_a_batch(regime *r, int threads) {
    static int32_t other[OTHERS][TOKENS];
    qn_session *s = open_session(r, threads, OTHERS + 1);
    for (int64_t i = 0; i < OTHERS; i++) {
        const qn_feed f = {i < 3 ? i : i + 1, other[i], 90 * (OTHERS - i) - 89, QN_LOGITS_NONE};
        tiny_ids(other[i], TOKENS, r->m->cfg.V, (uint32_t)(100 + i));
        CHECK_OK(qn_session_feed(s, &f, 1, NULL, NULL));
    }
    for (int64_t at = 0, n; at < TOKENS; at += n) {
        qn_feed f[OTHERS + 1];
        n = at < TOKENS - SINGLY ? QN_MIN(50, TOKENS - SINGLY - at) : 1;
        const qn_feed ours = {3, ids + at, n, QN_LOGITS_ALL};
        for (int64_t i = 0; i <= OTHERS; i++)
            f[i] = (qn_feed){i, other[i % OTHERS] + at % 90, 1, i % 2 ? QN_LOGITS_LAST : QN_LOGITS_NONE};
        f[3] = ours;
        keeping k = {r, at % 3 ? 3 : 0, at, 0};
        CHECK_OK(at % 3 ? qn_session_feed(s, f, OTHERS + 1, keep, &k) : qn_session_feed(s, &ours, 1, keep, &k));
        CHECK_INT(k.rows, n);
    }
    same(r, 0, "in a batch of 8, threads", threads);
    qn_session_free(s);
}

/* A prefix is fed once and shared by three, mostly ending inside a page. Ours goes on, then the others write other
 * tokens at the same positions, then ours goes on again. */
static void with_shared_prefix(regime *r) {
    static const int64_t shared[] = {600, 257, 64, 1};
    for (size_t i = 0; i < (r->brief ? 1 : QN_LEN(shared)); i++) {
        const int64_t n = shared[i];
        qn_session *s = open_session(r, 1, 3);
        feed(r, s, 0, 0, n + 30, 640);
        CHECK_OK(qn_session_share(s, 0, 1, n));
        CHECK_OK(qn_session_share(s, 0, 2, n));
        qn_session_truncate(s, 0, n);
        forget(r);
        feed(r, s, 2, n, n + 20, 512);
        for (int64_t other = 0; other < 2; other++) {
            const qn_feed noise = {other, ids + 3 + other, 40, QN_LOGITS_NONE};
            CHECK_OK(qn_session_feed(s, &noise, 1, NULL, NULL));
        }
        feed(r, s, 2, n + 20, TOKENS, 512);
        same(r, n, "behind a shared prefix of", n);
        qn_session_free(s);
    }
}

static void after_forgetting(regime *r) {
    static const int64_t kept[] = {0, 5, 64, 300, 699};
    qn_session *s = open_session(r, 2, 1);
    feed(r, s, 0, 0, TOKENS, 512);
    for (size_t i = r->brief ? 3 : 0; i < (r->brief ? 4 : QN_LEN(kept)); i++) {
        const qn_feed noise = {0, ids + 7, 90, QN_LOGITS_NONE};
        CHECK_OK(qn_session_feed(s, &noise, 1, NULL, NULL));
        qn_session_truncate(s, 0, kept[i]);
        forget(r);
        feed(r, s, 0, kept[i], TOKENS, 100);
        same(r, kept[i], "after forgetting all but", kept[i]);
    }
    qn_session_free(s);
}

/* Where only the last row's logits are wanted they are what they are among all. */
static void last_rows_only(regime *r) {
    qn_session *s = open_session(r, 1, 1);
    for (int64_t at = 0; at < TOKENS; at += 70) {
        const qn_feed f = {0, ids + at, 70, QN_LOGITS_LAST};
        keeping k = {r, 0, at, 0};
        CHECK_OK(qn_session_feed(s, &f, 1, keep, &k));
        CHECK_INT(k.rows, 1);
        CHECK(r->got[at + 69] == r->want[at + 69], "%s at %s, token %lld", r->what, qn_isa_name(r->k->isa),
              (long long)at + 69);
    }
    qn_session_free(s);
}

static void every_regime(const qn_model *m, qn_isa isa, const char *what, bool brief) {
    static regime r;
    r = (regime){.m = m, .k = qn_kernels_at(isa), .what = what, .brief = brief};
    tiny_ids(ids, TOKENS, m->cfg.V, 1);
    qn_session *s = open_session(&r, 1, 1);
    feed(&r, s, 0, 0, TOKENS, TOKENS);
    memcpy(r.want, r.got, sizeof r.want);
    CHECK(r.want[0] != r.want[1] && r.want[TOKENS - 2] != r.want[TOKENS - 1], "%s: logits say something", what);
    qn_session_free(s);
    in_pieces(&r);
    on_threads(&r);
    in_a_batch(&r, 3);
    if (!brief)
        in_a_batch(&r, 1);
    with_shared_prefix(&r);
    after_forgetting(&r);
    last_rows_only(&r);
}

#endif
