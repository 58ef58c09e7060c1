/* base/strmap.c — strings to numbers by open addressing: linear probing in a table of 2^k slots, at most 5/8 full. */
#include "base/str.h"

#include <string.h>

struct qn_strmap_slot {
    const char *s;          /* NULL: free */
    size_t n;
    uint64_t hash;
    int64_t value;
};

static uint64_t load_le(const unsigned char *p, size_t n) {
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)p[i] << 8 * i;
    return w;
}

/* A bijection of 64 bits (Stafford's variant 13 of MurmurHash3's finalizer): nothing is lost on the way. */
static uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t qn_hash_bytes(const void *p, size_t n, uint64_t seed) {
    const unsigned char *u = p;
    uint64_t h = mix(seed ^ (uint64_t)n * 0x9e3779b97f4a7c15u);
    for (; n >= 8; n -= 8, u += 8)
        h = mix(h ^ load_le(u, 8));
    return n ? mix(h ^ load_le(u, n)) : h;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct qn_strmap_slot *find(const qn_strmap *m, qn_str key, uint64_t hash) {
    size_t mask = m->cap - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct qn_strmap_slot *slot = &m->slot[i];
        if (!slot->s || (slot->hash == hash && qn_str_eq((qn_str){slot->s, slot->n}, key)))
            return slot;
    }
}

int qn_strmap_reserve(qn_strmap *m, size_t keys) {
    if (keys > SIZE_MAX / 64)
        return qn_fail(QN_ENOMEM, "out of memory: a map of %zu strings", keys);
    size_t cap = QN_MAX(m->cap, (size_t)16);
    while (cap / 8 * 5 < keys)
        cap *= 2;
    if (cap == m->cap)
        return 0;
    qn_strmap bigger = {qn_zalloc(QN_MEM_BASE, cap, sizeof *m->slot), m->n, cap};
    if (!bigger.slot)
        return QN_ENOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].s)
            *find(&bigger, (qn_str){m->slot[i].s, m->slot[i].n}, m->slot[i].hash) = m->slot[i];
    qn_free(m->slot);
    *m = bigger;
    return 0;
}

int qn_strmap_put(qn_strmap *m, qn_str key, int64_t value) {
    QN_TRY(qn_strmap_reserve(m, m->n + 1));
    uint64_t hash = qn_hash_bytes(key.s, key.n, 0);
    struct qn_strmap_slot *slot = find(m, key, hash);
    if (slot->s) {
        slot->value = value;
        return 0;
    }
    *slot = (struct qn_strmap_slot){key.s ? key.s : "", key.n, hash, value};
    m->n++;
    return 1;
}

bool qn_strmap_get(const qn_strmap *m, qn_str key, int64_t *value) {
    if (m->n == 0)
        return false;
    const struct qn_strmap_slot *slot = find(m, key, qn_hash_bytes(key.s, key.n, 0));
    if (slot->s)
        *value = slot->value;
    return slot->s != NULL;
}

void qn_strmap_drop(qn_strmap *m) {
    qn_free(m->slot);
    *m = (qn_strmap){0};
}
