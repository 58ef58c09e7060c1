/* tok/word_cache.h — words that were tokenized before. Prose repeats its words: a direct-mapped cache of fixed entries
 * answers most of them with one probe. One cache per thread and tokenizer; it changes no answer. */
#ifndef QN_TOK_WORD_CACHE_H
#define QN_TOK_WORD_CACHE_H

#include "tok/tok_internal.h"

enum { QN_CACHED_BITS = 14, QN_CACHED_KEY = 30, QN_CACHED_IDS = 8 };

/* One cache line. n_ids 0: empty. */
typedef struct { uint8_t n_key, n_ids; char key[QN_CACHED_KEY]; int32_t id[QN_CACHED_IDS]; } qn_cached_word;
typedef struct { qn_cached_word *entry; } qn_word_cache;

#define QN_CACHED_BYTES (sizeof(qn_cached_word) << QN_CACHED_BITS)

/* Zeros, and pages only where a word has been. */
static inline int qn_word_cache_init(qn_word_cache *c) {
    c->entry = qn_arena_map(QN_MEM_TOK, QN_CACHED_BYTES);
    return c->entry ? 0 : QN_ENOMEM;
}

static inline void qn_word_cache_drop(qn_word_cache *c) { qn_arena_unmap(QN_MEM_TOK, c->entry, QN_CACHED_BYTES); }

QN_INLINE uint64_t qn_cached_load(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Any mixing will do here: the cache compares whole keys. n ≤ QN_CACHED_KEY. */
QN_INLINE size_t qn_cached_hash(const char *s, size_t n) {
    uint64_t h = n * UINT64_C(0x9E3779B97F4A7C15);
    if (n >= 8) {
        h ^= qn_cached_load(s + n - 8);
        for (size_t i = 0; i + 8 < n; i += 8)
            h = (h ^ qn_cached_load(s + i)) * UINT64_C(0xD6E8FEB86659FD93);
    } else {
        uint64_t v = 0;
        for (size_t i = 0; i < n; i++)
            v = v << 8 | (uint8_t)s[i];
        h ^= v;
    }
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return (size_t)(h >> (64 - QN_CACHED_BITS));
}

/* Where the word would stand; NULL: it is too long to stand anywhere. */
QN_INLINE qn_cached_word *qn_word_cache_at(const qn_word_cache *c, const char *s, size_t n) {
    return n > QN_CACHED_KEY ? NULL : &c->entry[qn_cached_hash(s, n)];
}

QN_INLINE bool qn_cached_is(const qn_cached_word *e, const char *s, size_t n) {
    return e->n_key == n && e->n_ids && memcmp(e->key, s, n) == 0;
}

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
