/* guide/token_trie.c — tokens sorted by their bytes are the walk of their tree. */
#include "guide/token_trie.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 4096            /* bytes: a longer token is not allowed */
#define FEW 256                 /* tokens that are looked at one by one, where how long they are matters */

typedef struct { qn_str bytes; int32_t id; } entry;

static int by_bytes(const void *a, const void *b) {
    const entry *x = a, *y = b;
    const int order = memcmp(x->bytes.s, y->bytes.s, QN_MIN(x->bytes.n, y->bytes.n));
    if (order != 0)
        return order;
    if (x->bytes.n != y->bytes.n)
        return x->bytes.n < y->bytes.n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* What the detokenizer makes of it, as the first token of a text or behind another one. */
static int put_bytes(const qn_tok *t, int32_t id, bool first, qn_buf *out) {
    const qn_token_type type = qn_tok_type(t, id);
    const size_t before = out->n;
    qn_detok d;
    if (qn_tok_is_special(t, id) || (type != QN_TOKEN_NORMAL && type != QN_TOKEN_USER && type != QN_TOKEN_BYTE))
        return 0;
    qn_detok_init(&d, t, QN_TOK_RAW_BYTES);
    if (!first) {
        d.started = true;
        d.strip = 0;
    }
    QN_TRY(qn_detok_push(&d, id, out));
    if (out->n - before > LONGEST)
        out->n = before;
    return 0;
}

static int spell(qn_trie_side *s, const qn_tok *t, int64_t V, bool first) {
    s->end = qn_alloc(QN_MEM_SESSION, ((size_t)V + 1) * sizeof *s->end);
    s->same = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *s->same);
    if (!s->end || !s->same)
        return QN_ENOMEM;
    s->end[0] = 0;
    QN_TRY(qn_buf_reserve(&s->bytes, 1));
    for (int32_t id = 0; id < V; id++) {
        QN_TRY(put_bytes(t, id, first, &s->bytes));
        if (s->bytes.n > UINT32_MAX)
            return qn_fail(QN_ELIMIT, "the tokens stand for more than 4 GB of text");
        s->end[id + 1] = (uint32_t)s->bytes.n;
        s->same[id] = -1;
        s->longest = QN_MAX(s->longest, (int64_t)(s->end[id + 1] - s->end[id]));
    }
    return 0;
}

/* The nodes of one token behind those of the one before, with which it has `common` bytes in common. open[d] is the
 * node of depth d that the last token goes through; it is closed when the next one does not. */
static int put_token(qn_trie_side *s, const entry *e, size_t common, size_t *open, size_t *depth) {
    for (; *depth > common; --*depth)
        s->node[open[*depth - 1]].skip = (uint32_t)(s->n - open[*depth - 1]);
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->node, s->cap, s->n + e->bytes.n));
    for (; *depth < e->bytes.n; ++*depth) {
        open[*depth] = s->n;
        s->node[s->n++] = (qn_trie_node){.token = -1, .depth = (uint16_t)*depth, .byte = (uint8_t)e->bytes.s[*depth]};
    }
    int32_t *at = &s->node[open[*depth - 1]].token;
    s->same[e->id] = *at;
    *at = e->id;
    return 0;
}

static size_t common_bytes(qn_str a, qn_str b) {
    size_t n = 0;
    while (n < a.n && n < b.n && a.s[n] == b.s[n])
        n++;
    return n;
}

static int build(qn_trie_side *s, int64_t V) {
    size_t n = 0, depth = 0, *open = qn_alloc(QN_MEM_SESSION, ((size_t)s->longest + 1) * sizeof *open);
    entry *e = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *e);
    int rc = QN_ENOMEM;
    if (!open || !e)
        goto out;
    for (int32_t id = 0; id < V; id++)
        if (qn_trie_bytes(s, id).n > 0)
            e[n++] = (entry){qn_trie_bytes(s, id), id};
    qsort(e, n, sizeof *e, by_bytes);
    for (size_t i = 0; i < n; i++)
        QN_TRY_OUT(put_token(s, &e[i], i > 0 ? common_bytes(e[i - 1].bytes, e[i].bytes) : 0, open, &depth));
    for (; depth > 0; depth--)
        s->node[open[depth - 1]].skip = (uint32_t)(s->n - open[depth - 1]);
    rc = s->n < UINT32_MAX ? 0 : qn_fail(QN_ELIMIT, "the tree of the vocabulary has more than 2^32 nodes");
out:
    qn_free(open);
    qn_free(e);
    return rc;
}

/* The longest tokens: runs of blanks and dashes, mostly. */
static int set_apart(qn_trie_side *s, int64_t V) {
    int32_t count[LONGEST + 1] = {0};
    size_t n = 0;
    for (int32_t id = 0; id < V; id++)
        count[qn_trie_bytes(s, id).n]++;
    for (s->reach = s->longest; s->reach > 1 && n + (size_t)count[s->reach] <= FEW; s->reach--)
        n += (size_t)count[s->reach];
    s->beyond = qn_alloc(QN_MEM_SESSION, (n + 1) * sizeof *s->beyond);
    if (!s->beyond)
        return QN_ENOMEM;
    for (int32_t id = 0; id < V; id++)
        if ((int64_t)qn_trie_bytes(s, id).n > s->reach)
            s->beyond[s->n_beyond++] = id;
    return 0;
}

static void drop(qn_trie_side *s) {
    qn_free(s->beyond);
    qn_free(s->node);
    qn_free(s->same);
    qn_free(s->end);
    qn_buf_drop(&s->bytes);
    *s = (qn_trie_side){0};
}

static bool same_side(const qn_trie_side *a, const qn_trie_side *b, int64_t V) {
    return a->bytes.n == b->bytes.n && memcmp(a->end, b->end, ((size_t)V + 1) * sizeof *a->end) == 0 &&
           memcmp(a->bytes.s, b->bytes.s, a->bytes.n) == 0;
}

int qn_token_trie_new(qn_token_trie **out, const qn_tok *t, int64_t V) {
    int rc = QN_ENOMEM;
    *out = NULL;
    qn_assert(V >= 0 && V < INT32_MAX);
    qn_token_trie *trie = qn_zalloc(QN_MEM_SESSION, 1, sizeof *trie);
    if (!trie)
        return rc;
    trie->V = V;
    QN_TRY_OUT(spell(&trie->later, t, V, false));
    QN_TRY_OUT(spell(&trie->first, t, V, true));
    QN_TRY_OUT(build(&trie->later, V));
    QN_TRY_OUT(set_apart(&trie->later, V));
    trie->differ = !same_side(&trie->later, &trie->first, V);
    if (trie->differ)
        QN_TRY_OUT(build(&trie->first, V));
    else
        drop(&trie->first);
    *out = trie;
out:
    if (rc < 0)
        qn_token_trie_free(trie);
    return rc;
}

void qn_token_trie_free(qn_token_trie *t) {
    if (!t)
        return;
    drop(&t->later);
    drop(&t->first);
    qn_free(t);
}
