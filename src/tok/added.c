/* tok/added.c — finds added tokens in a text: the leftmost of them, and of those the longest.
 *
 * A trie over bytes; most bytes of a text begin no token at all, so the root is a table and the walk rarely starts.
 * Token lengths are bounded (QN_TOK_MAX_ADDED), hence the time is linear in the text. */
#include "tok/tok_internal.h"

#define NO_TOKEN SIZE_MAX

typedef struct { uint32_t child, sibling; size_t token; uint8_t byte; } node;   /* links are indices; 0 is none */

enum { NO_BYTE = -1, SEVERAL = 256 };

/* first: the byte that begins all of them */
struct qn_added { node *nodes; size_t n, cap; uint32_t root[256]; int first; };

int qn_added_new(qn_added **out) {
    qn_added *a = qn_zalloc(QN_MEM_TOK, 1, sizeof *a);
    if (!a)
        return QN_ENOMEM;
    if (QN_GROW(QN_MEM_TOK, a->nodes, a->cap, 1) < 0) {
        qn_added_free(a);
        return QN_ENOMEM;
    }
    a->first = NO_BYTE;
    a->n = 1;                                   /* node 0 stands for "none" */
    *out = a;
    return 0;
}

void qn_added_free(qn_added *a) {
    if (!a)
        return;
    qn_free(a->nodes);
    qn_free(a);
}

bool qn_added_empty(const qn_added *a) {
    return a->n <= 1;
}

static int node_add(qn_added *a, uint8_t byte, uint32_t sibling, uint32_t *out) {
    if (a->n > UINT32_MAX)
        return qn_fail(QN_ELIMIT, "tokenizer: too many added tokens");
    QN_TRY(QN_GROW(QN_MEM_TOK, a->nodes, a->cap, a->n + 1));
    a->nodes[a->n] = (node){.byte = byte, .sibling = sibling, .token = NO_TOKEN};
    *out = (uint32_t)a->n++;
    return 0;
}

static uint32_t child_of(const qn_added *a, uint32_t at, uint8_t byte) {
    uint32_t i = a->nodes[at].child;
    while (i && a->nodes[i].byte != byte)
        i = a->nodes[i].sibling;
    return i;
}

int qn_added_insert(qn_added *a, qn_str text, size_t token) {
    if (text.n == 0)
        return 0;
    uint8_t first = (uint8_t)text.s[0];
    if (!a->root[first])
        QN_TRY(node_add(a, first, 0, &a->root[first]));
    a->first = a->first == NO_BYTE || a->first == first ? first : SEVERAL;
    uint32_t at = a->root[first];
    for (size_t i = 1; i < text.n; i++) {
        uint8_t byte = (uint8_t)text.s[i];
        uint32_t next = child_of(a, at, byte);
        if (!next) {
            QN_TRY(node_add(a, byte, a->nodes[at].child, &next));
            a->nodes[at].child = next;
        }
        at = next;
    }
    a->nodes[at].token = token;
    return 0;
}

/* The token that begins at i, if one does. */
static bool match_at(const qn_added *a, const char *s, size_t n, size_t i, qn_added_kind_fn *kind, const void *arg,
                     qn_added_match *m) {
    qn_added_match longest = {.end = 0}, special = {.end = 0};
    uint32_t at = a->root[(uint8_t)s[i]];
    for (size_t j = i + 1; at; j++) {
        if (a->nodes[at].token != NO_TOKEN) {
            longest = (qn_added_match){a->nodes[at].token, i, j, kind(arg, a->nodes[at].token, i, j)};
            special = longest.kind == QN_ADDED_SPECIAL ? longest : special;
        }
        at = j < n ? child_of(a, at, (uint8_t)s[j]) : 0;
    }
    *m = longest.kind == QN_ADDED_FORBIDDEN && special.end ? special : longest;
    return m->end > 0;
}

/* The next place where a token may begin. Mostly all of them begin with '<'. */
static size_t next_root(const qn_added *a, const char *s, size_t n, size_t i) {
    if (a->first != SEVERAL) {
        const char *at = i < n ? memchr(s + i, a->first, n - i) : NULL;
        return at ? (size_t)(at - s) : n;
    }
    while (i < n && !a->root[(uint8_t)s[i]])
        i++;
    return i;
}

bool qn_added_find(const qn_added *a, const char *s, size_t n, size_t from, qn_added_kind_fn *kind, const void *arg,
                   qn_added_match *m) {
    if (qn_added_empty(a))
        return false;
    for (size_t i = from; (i = next_root(a, s, n, i)) < n; i++)
        if (match_at(a, s, n, i, kind, arg, m))
            return true;
    return false;
}
