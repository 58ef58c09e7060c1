/* ngram/cooc.c — positions sorted by the tokens that follow them. */
#include "ngram/cooc.h"

#include <stdlib.h>
#include <string.h>

#include "ngram/token_stream.h"

enum { DEPTH = 12 };                    /* tokens that the order goes by; what is longer is compared in the text */
#define POSITIONS_MAX ((int64_t)UINT32_MAX - 1)

struct qn_cooc {
    qn_token_stream s;
    uint32_t *order;                    /* [tokens] positions, after qn_cooc_index */
    int64_t tokens;
    uint32_t *first;                    /* [documents] where they begin */
};

int qn_cooc_new(qn_cooc **out, int64_t vocab) {
    *out = NULL;
    qn_cooc *c = qn_zalloc(QN_MEM_MODEL, 1, sizeof *c);
    if (!c)
        return QN_ENOMEM;
    c->s.vocab = vocab;
    *out = c;
    return 0;
}

void qn_cooc_free(qn_cooc *c) {
    if (!c)
        return;
    qn_free(c->s.id);
    qn_free(c->order);
    qn_free(c->first);
    qn_free(c);
}

void qn_places_drop(qn_places *p) {
    qn_free(p->at);
    *p = (qn_places){0};
}

int qn_cooc_add(qn_cooc *c, const int32_t *ids, int64_t n) {
    if (n > POSITIONS_MAX || (int64_t)c->s.n + 1 > POSITIONS_MAX - n)
        return qn_fail(QN_ELIMIT, "more than %lld tokens and documents: take a part of the text",
                       (long long)POSITIONS_MAX);
    QN_TRY(QN_GROW(QN_MEM_MODEL, c->s.id, c->s.cap, c->s.n + (size_t)n + 1));
    return qn_token_stream_put(&c->s, ids, n);
}

void qn_cooc_end(qn_cooc *c) { c->s.inside = false; }
int64_t qn_cooc_tokens(const qn_cooc *c) { return c->tokens; }

/* ---- the order ---- */

/* The token `ahead` places behind position i; behind the text, and between documents, the token `vocab`. */
static uint32_t token_at(const qn_cooc *c, uint32_t i, int64_t ahead) {
    const size_t at = i + (size_t)ahead;
    return at < c->s.n ? c->s.id[at] : (uint32_t)c->s.vocab;
}

static void sort_pass(const qn_cooc *c, const uint32_t *from, uint32_t *to, int64_t *bucket, int64_t ahead) {
    memset(bucket, 0, (size_t)(c->s.vocab + 2) * sizeof *bucket);
    for (int64_t i = 0; i < c->tokens; i++)
        bucket[token_at(c, from[i], ahead) + 1]++;
    for (int64_t b = 1; b <= c->s.vocab; b++)
        bucket[b] += bucket[b - 1];
    for (int64_t i = 0; i < c->tokens; i++)
        to[bucket[token_at(c, from[i], ahead)]++] = from[i];
}

int qn_cooc_index(qn_cooc *c) {
    uint32_t *other = NULL;
    int64_t *bucket = NULL;
    int64_t tokens = 0, documents = 0;
    int rc = QN_ENOMEM;
    if (c->s.n == 0)
        return qn_fail(QN_EINVAL, "there are no tokens to look into");
    c->tokens = (int64_t)c->s.n - c->s.documents;
    c->order = qn_alloc(QN_MEM_MODEL, (size_t)c->tokens * sizeof *c->order);
    c->first = qn_alloc(QN_MEM_MODEL, (size_t)c->s.documents * sizeof *c->first);
    other = qn_alloc(QN_MEM_MODEL, (size_t)c->tokens * sizeof *other);
    bucket = qn_alloc(QN_MEM_MODEL, (size_t)(c->s.vocab + 2) * sizeof *bucket);
    if (!c->order || !c->first || !other || !bucket)
        goto out;
    for (size_t i = 0; i < c->s.n; i++) {
        if (c->s.id[i] == (uint32_t)c->s.vocab)
            c->first[documents++] = (uint32_t)i;
        else
            c->order[tokens++] = (uint32_t)i;
    }
    for (int64_t ahead = DEPTH - 1; ahead >= 0; ahead--) {
        sort_pass(c, c->order, other, bucket, ahead);
        uint32_t *const sorted = other;
        other = c->order;
        c->order = sorted;
    }
    rc = 0;
out:
    qn_free(other);
    qn_free(bucket);
    return rc;
}

/* ---- finding ---- */

/* < 0, 0, > 0: how the text at position i lies to the first tokens of ids. */
static int compare(const qn_cooc *c, uint32_t i, const int32_t *ids, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        const uint32_t here = token_at(c, i, k), there = (uint32_t)ids[k];
        if (here != there)
            return here < there ? -1 : 1;
    }
    return 0;
}

/* The first place in the order whose text is not below ids, or with `above` such that is above it. */
static int64_t bound(const qn_cooc *c, const int32_t *ids, int64_t n, bool above) {
    int64_t from = 0, to = c->tokens;
    while (from < to) {
        const int64_t middle = from + (to - from) / 2;
        const int order = compare(c, c->order[middle], ids, n);
        if (order < 0 || (above && order == 0))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The range of the order that begins with ids, as far as the order looks. */
static void range_of(const qn_cooc *c, const int32_t *ids, int64_t n, int64_t *from, int64_t *to) {
    const int64_t depth = QN_MIN(n, DEPTH);
    *from = bound(c, ids, depth, false);
    *to = bound(c, ids, depth, true);
}

int64_t qn_cooc_count(const qn_cooc *c, const int32_t *ids, int64_t n) {
    int64_t from, to, found = 0;
    range_of(c, ids, n, &from, &to);
    if (n <= DEPTH)
        return to - from;
    for (int64_t i = from; i < to; i++)
        found += compare(c, c->order[i], ids, n) == 0;
    return found;
}

/* How many documents begin at or before position i. */
static int64_t document_of(const qn_cooc *c, uint32_t i) {
    int64_t from = 0, to = c->s.documents;
    while (from < to) {
        const int64_t middle = from + (to - from) / 2;
        if (c->first[middle] <= i)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int by_place(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int qn_cooc_find(const qn_cooc *c, const int32_t *ids, int64_t n, qn_places *places) {
    int64_t from, to;
    range_of(c, ids, n, &from, &to);
    QN_TRY(QN_GROW(QN_MEM_MODEL, places->at, places->cap, places->n + (size_t)(to - from)));
    for (int64_t i = from; i < to; i++)
        if (n <= DEPTH || compare(c, c->order[i], ids, n) == 0)
            places->at[places->n++] = c->order[i] + document_of(c, c->order[i]) * QN_COOC_APART;
    if (places->n)
        qsort(places->at, places->n, sizeof *places->at, by_place);
    return 0;
}

int64_t qn_places_near(const qn_places *a, const qn_places *b, int64_t window) {
    int64_t found = 0;
    for (size_t i = 0, k = 0; i < a->n; i++) {
        while (k < b->n && b->at[k] < a->at[i] - window)
            k++;
        found += k < b->n && b->at[k] <= a->at[i] + window;
    }
    return found;
}
