/* tok/parallel.c — one long text on many threads.
 *
 *     It was the best of times, it was the worst of times, …
 *     └──────────── part ─────┘└──── part ─────┘              each part ends in front of a blank behind a letter
 *
 * Where the pipeline is one that scan.c knows, such a place is a border between words whatever stands around it, and
 * no added token reaches across. Then the parts' ids, one behind the other, are those of the whole. Parts depend on the
 * text alone. */
#include "tok/tok_internal.h"

#define PART ((size_t)256 << 10)

typedef struct { size_t begin, end; qn_ids ids; int rc; } part;
typedef struct { const qn_tok *t; const char *text; unsigned flags; part *part; size_t n; } job;

/* No part may reach into a token: none holds a blank, none takes one with it. */
bool qn_tok_parts_allowed(const qn_tok *t) {
    bool allowed = t->scan != QN_SCAN_NONE && t->n_norms == 0;
    for (size_t i = 0; i < t->n_added && allowed; i++)
        allowed = !t->added[i].rstrip && !memchr(t->added[i].text.s, ' ', t->added[i].text.n);
    return allowed;
}

size_t qn_tok_cut(const qn_tok *t, const char *text, size_t from, size_t n) {
    return t->cuttable ? qn_scan_cut(text, from, n) : n;
}

static int make_parts(job *j, size_t n) {
    j->part = qn_zalloc(QN_MEM_TOK, n / PART + 1, sizeof *j->part);
    if (!j->part)
        return QN_ENOMEM;
    for (size_t at = 0; at < n; at = j->part[j->n++].end)
        j->part[j->n] = (part){.begin = at, .end = n - at <= PART ? n : qn_tok_cut(j->t, j->text, at + PART, n)};
    return 0;
}

static void encode_part(void *arg, int64_t index, QN_UNUSED int worker) {
    const job *j = arg;
    part *p = &j->part[index];
    const unsigned flags = j->flags & ~(unsigned)QN_TOK_ADD_SPECIAL;
    p->rc = qn_tok_encode(j->t, j->text + p->begin, p->end - p->begin, flags, &p->ids);
}

static int push_all(qn_ids *ids, const int32_t *id, size_t n) {
    QN_TRY(QN_GROW(QN_MEM_TOK, ids->v, ids->cap, ids->n + n));
    if (n)
        memcpy(ids->v + ids->n, id, n * sizeof *id);
    ids->n += n;
    return 0;
}

static int join(const job *j, qn_ids *ids) {
    const bool around = j->flags & QN_TOK_ADD_SPECIAL;
    size_t n = j->t->n_prefix + j->t->n_suffix;
    for (size_t i = 0; i < j->n; i++)
        n += j->part[i].ids.n;
    QN_TRY(QN_GROW(QN_MEM_TOK, ids->v, ids->cap, ids->n + n));
    QN_TRY(push_all(ids, j->t->prefix, around ? j->t->n_prefix : 0));
    for (size_t i = 0; i < j->n; i++)
        QN_TRY(push_all(ids, j->part[i].ids.v, j->part[i].ids.n));
    return push_all(ids, j->t->suffix, around ? j->t->n_suffix : 0);
}

int qn_tok_encode_parallel(const qn_tok *t, qn_pool *pool, const char *text, size_t n, unsigned flags, qn_ids *ids) {
    job j = {.t = t, .text = text, .flags = flags};
    bool whole = true;
    int rc = 0;
    if (!t->cuttable || n < 2 * PART || qn_pool_threads(pool) == 1)
        return qn_tok_encode(t, text, n, flags, ids);
    QN_TRY(make_parts(&j, n));
    qn_parallel(pool, (int64_t)j.n, encode_part, &j);
    for (size_t i = 0; i < j.n; i++)
        whole = whole && j.part[i].rc >= 0;
    rc = whole ? join(&j, ids) : qn_tok_encode(t, text, n, flags, ids);    /* the whole says what is wrong, and where */
    for (size_t i = 0; i < j.n; i++)
        qn_ids_drop(&j.part[i].ids);
    qn_free(j.part);
    return rc;
}
