/* tok/idmap.c — token texts to ids. Eight bytes a slot (a piece of the hash, the id): the table of a large vocabulary
 * stays in the second-level cache, where base's string map, which keeps its keys' addresses, does not. Loading a
 * byte-pair vocabulary asks three questions per merge, so this is most of the time it takes. */
#include "tok/tok_internal.h"

int qn_idmap_init(qn_idmap *m, const qn_tok_entry *entry, size_t keys) {
    size_t cap = 16;
    while (cap < 2 * keys)
        cap *= 2;
    *m = (qn_idmap){.slot = qn_alloc(QN_MEM_TOK, cap * sizeof *m->slot), .cap = cap, .entry = entry};
    if (!m->slot)
        return QN_ENOMEM;
    for (size_t i = 0; i < cap; i++)
        m->slot[i] = (qn_idmap_slot){0, -1};
    return 0;
}

void qn_idmap_drop(qn_idmap *m) {
    qn_free(m->slot);
}

/* ---- texts of a few bytes: no loop per byte, no call ------------------------------------------------------------- */

QN_INLINE uint64_t load64(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

QN_INLINE uint32_t load32(const char *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* All bytes of a text of at most 8, in two loads that may overlap; of a text of three or less each of its bytes. */
QN_INLINE uint64_t load_short(const char *s, size_t n) {
    if (n == 8)
        return load64(s);
    if (n >= 4)
        return load32(s) | (uint64_t)load32(s + n - 4) << 32;
    if (n == 0)
        return 0;
    return (uint64_t)(uint8_t)s[0] | (uint64_t)(uint8_t)s[n / 2] << 8 | (uint64_t)(uint8_t)s[n - 1] << 16;
}

QN_INLINE uint64_t stir(uint64_t h) {
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ h >> 32;
}

QN_INLINE uint64_t hash_text(qn_str t) {
    uint64_t h = t.n * UINT64_C(0x9E3779B97F4A7C15);
    for (; t.n > 8; t.n -= 8, t.s += 8)
        h = stir(h ^ load64(t.s));
    return stir(stir(h ^ load_short(t.s, t.n)));
}

QN_INLINE bool same_bytes(const char *a, const char *b, size_t n) {
    for (; n > 8; n -= 8, a += 8, b += 8)
        if (load64(a) != load64(b))
            return false;
    return load_short(a, n) == load_short(b, n);
}

QN_INLINE bool same_text(qn_str a, qn_str b) {
    return a.n == b.n && same_bytes(a.s, b.s, a.n);
}

bool qn_text_same(const char *a, const char *b, size_t n) {
    return same_bytes(a, b, n);
}

/* ---- the map ----------------------------------------------------------------------------------------------------- */

/* The slot that holds the text, or the free one where it belongs. */
QN_INLINE qn_idmap_slot *find(const qn_idmap *m, qn_str text, uint64_t hash) {
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        qn_idmap_slot *slot = &m->slot[i];
        if (slot->id < 0 || (slot->tag == tag && same_text(m->entry[slot->id].text, text)))
            return slot;
    }
}

void qn_idmap_put(qn_idmap *m, int32_t id) {
    const uint64_t hash = hash_text(m->entry[id].text);
    *find(m, m->entry[id].text, hash) = (qn_idmap_slot){(uint32_t)(hash >> 32), id};
}

/* Puts id … id − n + 1 in this order, n ≤ QN_IDMAP_MANY; ids without text are left out. All slots are asked for before
 * the first is looked at: a wrong guess of the branch predictor then costs little, where it would wait for memory. */
void qn_idmap_put_down(qn_idmap *m, int32_t id, size_t n) {
    uint64_t hash[QN_IDMAP_MANY];
    for (size_t i = 0; i < n; i++) {
        hash[i] = hash_text(m->entry[id - (int32_t)i].text);
        QN_PREFETCH(&m->slot[(size_t)hash[i] & (m->cap - 1)]);
    }
    for (size_t i = 0; i < n; i++) {
        const qn_tok_entry *e = &m->entry[id - (int32_t)i];
        if (e->type != QN_TOKEN_HOLE && e->text.n)
            *find(m, e->text, hash[i]) = (qn_idmap_slot){(uint32_t)(hash[i] >> 32), id - (int32_t)i};
    }
}

int32_t qn_idmap_get(const qn_idmap *m, qn_str text) {
    return find(m, text, hash_text(text))->id;
}

/* The same for n texts, n ≤ QN_IDMAP_MANY. A look-up waits for memory three times: the slot, the entry, its text. In
 * loops over many, the waits of one kind overlap. */
void qn_idmap_get_many(const qn_idmap *m, const qn_str *text, size_t n, int32_t *id) {
    uint64_t hash[QN_IDMAP_MANY];
    qn_idmap_slot first[QN_IDMAP_MANY];
    qn_str found[QN_IDMAP_MANY];
    for (size_t i = 0; i < n; i++) {
        hash[i] = hash_text(text[i]);
        first[i] = m->slot[(size_t)hash[i] & (m->cap - 1)];
    }
    for (size_t i = 0; i < n; i++) {
        bool likely = first[i].id >= 0 && first[i].tag == (uint32_t)(hash[i] >> 32);
        found[i] = likely ? m->entry[first[i].id].text : (qn_str){NULL, SIZE_MAX};
    }
    for (size_t i = 0; i < n; i++)
        id[i] = same_text(found[i], text[i]) ? first[i].id : find(m, text[i], hash[i])->id;
}
