/* data/content.c — hashes of documents and the set of them. */
#include "data/content.h"

qn_content qn_content_of(qn_str text) {
    qn_content c = {qn_hash_bytes(text.s, text.n, 0x71756572u), qn_hash_bytes(text.s, text.n, 0x6e2d6461u)};
    c.a += c.a == 0 && c.b == 0;                    /* {0, 0} marks a free slot */
    return c;
}

static qn_content *find(const qn_content_set *s, qn_content c) {
    for (size_t i = (size_t)c.a & (s->cap - 1);; i = (i + 1) & (s->cap - 1)) {
        qn_content *slot = &s->slot[i];
        if ((slot->a == 0 && slot->b == 0) || (slot->a == c.a && slot->b == c.b))
            return slot;
    }
}

static int grow(qn_content_set *s) {
    qn_content_set larger = {.cap = s->cap ? 2 * s->cap : 1024};
    if ((int64_t)((s->cap + larger.cap) * sizeof *s->slot) > s->max_bytes)
        return QN_ELIMIT;
    larger.slot = qn_zalloc(QN_MEM_BASE, larger.cap, sizeof *larger.slot);
    if (!larger.slot)
        return QN_ENOMEM;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i].a || s->slot[i].b)
            *find(&larger, s->slot[i]) = s->slot[i];
    qn_free(s->slot);
    s->slot = larger.slot;
    s->cap = larger.cap;
    return 0;
}

int qn_content_add(qn_content_set *s, qn_content c) {
    if (qn_content_has(s, c))
        return 0;
    if (s->cap / 8 * 5 <= s->n)
        QN_TRY(grow(s));
    *find(s, c) = c;
    s->n++;
    return 1;
}

bool qn_content_has(const qn_content_set *s, qn_content c) {
    if (s->n == 0)
        return false;
    const qn_content *slot = find(s, c);
    return slot->a || slot->b;
}

void qn_content_drop(qn_content_set *s) {
    qn_free(s->slot);
    *s = (qn_content_set){.max_bytes = s->max_bytes};
}
