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

/* The slot that holds the text, or the free one where it belongs. */
static qn_idmap_slot *find(const qn_idmap *m, qn_str text, uint32_t *tag) {
    uint64_t hash = qn_hash_bytes(text.s, text.n, 0);
    *tag = (uint32_t)(hash >> 32);
    for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        qn_idmap_slot *slot = &m->slot[i];
        if (slot->id < 0 || (slot->tag == *tag && qn_str_eq(m->entry[slot->id].text, text)))
            return slot;
    }
}

void qn_idmap_put(qn_idmap *m, int32_t id) {
    uint32_t tag;
    qn_idmap_slot *slot = find(m, m->entry[id].text, &tag);
    *slot = (qn_idmap_slot){tag, id};
}

int32_t qn_idmap_get(const qn_idmap *m, qn_str text) {
    uint32_t tag;
    return find(m, text, &tag)->id;
}

/* The same for n texts, n ≤ QN_IDMAP_MANY. A look-up waits for memory three times: the slot, the entry, its text. In
 * loops over many, the waits of one kind overlap. */
void qn_idmap_get_many(const qn_idmap *m, const qn_str *text, size_t n, int32_t *id) {
    uint32_t tag[QN_IDMAP_MANY];
    qn_idmap_slot first[QN_IDMAP_MANY];
    qn_str found[QN_IDMAP_MANY];
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = qn_hash_bytes(text[i].s, text[i].n, 0);
        tag[i] = (uint32_t)(hash >> 32);
        first[i] = m->slot[(size_t)hash & (m->cap - 1)];
    }
    for (size_t i = 0; i < n; i++) {
        bool likely = first[i].id >= 0 && first[i].tag == tag[i];
        found[i] = likely ? m->entry[first[i].id].text : (qn_str){NULL, SIZE_MAX};
    }
    for (size_t i = 0; i < n; i++)
        id[i] = found[i].n == text[i].n && qn_str_eq(found[i], text[i]) ? first[i].id : qn_idmap_get(m, text[i]);
}
