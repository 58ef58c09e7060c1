/* tok/word_cache.h — words that were tokenized before. Prose repeats its words: a direct-mapped cache of fixed entries
 * answers most of them with one probe. One cache per thread and tokenizer; it changes no answer. WordPiece asks it for
 * every word, BPE for those that its own brief entries do not hold. */
#ifndef QN_TOK_WORD_CACHE_H
#define QN_TOK_WORD_CACHE_H

#include "tok/tok_internal.h"

enum { QN_CACHED_BITS = 13, QN_CACHED_WORDS = 1 << QN_CACHED_BITS, QN_CACHED_KEY = 46, QN_CACHED_IDS = 20 };

/* One to two cache lines. n_ids 0: empty. A cache is QN_CACHED_WORDS of them, zeros at first. */
typedef struct { uint8_t n_key, n_ids; char key[QN_CACHED_KEY]; int32_t id[QN_CACHED_IDS]; } qn_cached_word;

QN_INLINE uint64_t qn_cached_load(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Any mixing will do: whole keys are compared. n ≥ 8. */
QN_INLINE uint64_t qn_cached_hash_long(const char *s, size_t n) {
    uint64_t h = n * UINT64_C(0x9E3779B97F4A7C15) ^ qn_cached_load(s + n - 8);
    for (size_t i = 0; i + 8 < n; i += 8)
        h = (h ^ qn_cached_load(s + i)) * UINT64_C(0xD6E8FEB86659FD93);
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

QN_INLINE uint64_t qn_cached_hash(const char *s, size_t n) {
    uint64_t v = 0;
    if (n >= 8)
        return qn_cached_hash_long(s, n);
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (uint8_t)s[i];
    return (n * UINT64_C(0x9E3779B97F4A7C15) ^ v) * UINT64_C(0xD6E8FEB86659FD93);
}

QN_INLINE qn_cached_word *qn_cached_at(qn_cached_word *cache, uint64_t hash) {
    return &cache[hash >> (64 - QN_CACHED_BITS)];
}

QN_INLINE bool qn_cached_is(const qn_cached_word *e, const char *s, size_t n) {
    return e->n_key == n && e->n_ids && memcmp(e->key, s, n) == 0;
}

/* n ≤ QN_CACHED_KEY; more ids than fit are not kept. */
QN_INLINE void qn_cached_put(qn_cached_word *e, const char *s, size_t n, const int32_t *id, size_t n_ids) {
    if (n_ids == 0 || n_ids > QN_CACHED_IDS)
        return;
    e->n_key = (uint8_t)n;
    e->n_ids = (uint8_t)n_ids;
    memcpy(e->key, s, n);
    memcpy(e->id, id, n_ids * sizeof *id);
}

QN_INLINE int qn_ids_append(qn_ids *ids, const int32_t *id, size_t n) {
    if (ids->cap - ids->n < n)
        QN_TRY(QN_GROW(QN_MEM_TOK, ids->v, ids->cap, ids->n + n));
    for (size_t i = 0; i < n; i++)
        ids->v[ids->n + i] = id[i];
    ids->n += n;
    return 0;
}

#endif
