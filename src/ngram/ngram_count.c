/* ngram/ngram_count.c — from a stream of documents to the tables, by one sort.
 *
 * All positions of the stream are sorted by what stands before them, the newest token first, and then by their own:
 *
 *     B the old mill stands     │     … (old, the, B) mill      Positions of one context lie together, at every
 *     B the old miller came     │       (old, the, B) miller    length of context at once; so one walk over them opens
 *     B an old mill stood       │       (old, an, B)  mill      and closes the contexts of all levels, like brackets.
 *
 * A context that nothing is older than (of full length, or at the begin B of a document) counts its words as they come.
 * Any other one, when it is closed, adds up the words of its children, each child once: in how many of them a word
 * stands is the number of different tokens before it, which is what Kneser and Ney count.
 *
 * The sort is by counting, one pass for each key, the least important first: time and memory linear in the tokens. */
#include "ngram/ngram_impl.h"
#include "ngram/token_stream.h"

#include <stdlib.h>
#include <string.h>

#define POSITIONS_MAX ((int64_t)UINT32_MAX - 1)
#define VOCAB_MAX ((int64_t)1 << 24)

struct qn_ngram_counter {
    int order;
    qn_token_stream s;
};

int qn_ngram_counter_new(qn_ngram_counter **out, int order, int64_t vocab) {
    *out = NULL;
    if (order < 1 || order > QN_NGRAM_MAX_ORDER)
        return qn_fail(QN_EINVAL, "n-grams of order %d: 1 … %d are possible", order, QN_NGRAM_MAX_ORDER);
    if (vocab < 1 || vocab > VOCAB_MAX)
        return qn_fail(QN_EINVAL, "a vocabulary of %lld: 1 … %lld are possible", (long long)vocab,
                       (long long)VOCAB_MAX);
    qn_ngram_counter *c = qn_zalloc(QN_MEM_MODEL, 1, sizeof *c);
    if (!c)
        return QN_ENOMEM;
    c->order = order;
    c->s.vocab = vocab;
    *out = c;
    return 0;
}

void qn_ngram_counter_free(qn_ngram_counter *c) {
    if (!c)
        return;
    qn_free(c->s.id);
    qn_free(c);
}

static int make_room(qn_ngram_counter *c, int64_t more) {
    if (more > POSITIONS_MAX || (int64_t)c->s.n > POSITIONS_MAX - more)
        return qn_fail(QN_ELIMIT, "more than %lld tokens and documents: take a part of the text",
                       (long long)POSITIONS_MAX);
    return QN_GROW(QN_MEM_MODEL, c->s.id, c->s.cap, c->s.n + (size_t)more);
}

int qn_ngram_counter_reserve(qn_ngram_counter *c, int64_t tokens, int64_t documents) {
    return make_room(c, tokens + documents);
}

int qn_ngram_counter_add(qn_ngram_counter *c, const int32_t *ids, int64_t n) {
    QN_TRY(make_room(c, n + 1));
    return qn_token_stream_put(&c->s, ids, n);
}

void qn_ngram_counter_end(qn_ngram_counter *c) { c->s.inside = false; }

/* The stream and two arrays of positions; then tables of about 15 bytes for each token and length beyond the first
 * (0.4 million tokens of Shakespeare: 14.4, longer texts less), half as much again while they grow. */
int64_t qn_ngram_bytes(int order, int64_t tokens) { return tokens * (12 + (int64_t)(order - 1) * 22); }

/* ---- the sort ---- */

typedef struct {
    const qn_ngram_counter *c;
    int (*progress)(void *arg, double share);
    void *arg;
    uint32_t *at, *other;               /* positions, [tokens] each */
    int64_t n;
    int64_t *bucket;                    /* [vocab + 2] */
} sorting;

/* The token `back` places before position i; 0 where the document's begin stands between. */
static uint32_t key(const uint32_t *stream, uint32_t vocab, uint32_t i, int back) {
    for (int k = 1; k < back; k++)
        if (stream[i - (uint32_t)k] == vocab)
            return 0;
    return stream[i - (uint32_t)back];
}

/* One stable pass by the token `back` places before. */
static void sort_pass(sorting *s, int back) {
    const uint32_t *stream = s->c->s.id, vocab = (uint32_t)s->c->s.vocab;
    memset(s->bucket, 0, (size_t)(s->c->s.vocab + 2) * sizeof *s->bucket);
    for (int64_t i = 0; i < s->n; i++)
        s->bucket[key(stream, vocab, s->at[i], back) + 1]++;
    for (int64_t b = 1; b <= s->c->s.vocab; b++)
        s->bucket[b] += s->bucket[b - 1];
    for (int64_t i = 0; i < s->n; i++)
        s->other[s->bucket[key(stream, vocab, s->at[i], back)]++] = s->at[i];
    uint32_t *const sorted = s->other;
    s->other = s->at;
    s->at = sorted;
}

static int tell(const sorting *s, double share) { return s->progress ? s->progress(s->arg, share) : 0; }

/* By the token itself, then by those before it from the oldest to the newest: the last pass counts most. */
static int sort_positions(sorting *s) {
    const int order = s->c->order;
    s->n = (int64_t)s->c->s.n - s->c->s.documents;
    s->at = qn_alloc(QN_MEM_MODEL, (size_t)s->n * sizeof *s->at);
    s->other = qn_alloc(QN_MEM_MODEL, (size_t)s->n * sizeof *s->other);
    s->bucket = qn_alloc(QN_MEM_MODEL, (size_t)(s->c->s.vocab + 2) * sizeof *s->bucket);
    if (!s->at || !s->other || !s->bucket)
        return QN_ENOMEM;
    for (size_t i = 0, n = 0; i < s->c->s.n; i++)
        if (s->c->s.id[i] != (uint32_t)s->c->s.vocab)
            s->at[n++] = (uint32_t)i;
    for (int pass = 0; pass < order; pass++) {
        QN_TRY(tell(s, 0.5 * pass / order));
        sort_pass(s, pass == 0 ? 0 : order - pass);
    }
    return 0;
}

/* ---- the walk ---- */

typedef struct {
    uint32_t *table[QN_NGRAM_TABLES];   /* as qn_ngram_level has them */
    size_t cap[QN_NGRAM_TABLES];
    int64_t nodes, grams;
    int64_t of_count[5];                /* grams with count 1 … 4 */
} growing;

enum { TOKEN, CHILD, GRAM, TOTAL, ONE, TWO, WORD, COUNT };

typedef struct {
    const qn_ngram_counter *c;
    growing level[QN_NGRAM_MAX_ORDER];
    int depth;                          /* contexts of levels 0 … depth are open */
    uint32_t *seen;                     /* [vocab] in how many children; zeros between two uses */
    uint32_t *words; size_t cap;        /* those with seen > 0 */
} walk;

static int make_table(growing *g, int table, int64_t n) {
    return QN_GROW(QN_MEM_MODEL, g->table[table], g->cap[table], (size_t)n);
}

static int open_context(walk *w, int d, uint32_t token) {
    growing *g = &w->level[d];
    for (int table = TOKEN; table < WORD; table++)
        QN_TRY(make_table(g, table, g->nodes + 2));
    g->table[TOKEN][g->nodes] = token;
    g->table[CHILD][g->nodes] = d + 1 < w->c->order ? (uint32_t)w->level[d + 1].nodes : 0;
    g->table[GRAM][g->nodes] = (uint32_t)g->grams;
    g->table[TOTAL][g->nodes] = 0;
    g->nodes++;
    w->depth = d;
    return 0;
}

static int put_gram(growing *g, uint32_t word, uint32_t count) {
    QN_TRY(make_table(g, WORD, g->grams + 1));
    QN_TRY(make_table(g, COUNT, g->grams + 1));
    g->table[WORD][g->grams] = word;
    g->table[COUNT][g->grams++] = count;
    return 0;
}

static int by_number(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The words of all children of the open context, ascending in w->words; how many. Few are sorted, many are looked for
 * in the whole vocabulary. */
static int gather(walk *w, const growing *children, int64_t first, int64_t *found) {
    const int64_t vocab = w->c->s.vocab;
    int64_t n = 0;
    for (int64_t i = first; i < children->grams; i++) {
        const uint32_t word = children->table[WORD][i];
        if (w->seen[word]++ == 0) {
            QN_TRY(QN_GROW(QN_MEM_MODEL, w->words, w->cap, (size_t)n + 1));
            w->words[n++] = word;
        }
    }
    if (n * 8 < vocab) {
        qsort(w->words, (size_t)n, sizeof *w->words, by_number);
    } else {
        n = 0;
        for (int64_t word = 0; word < vocab; word++)
            if (w->seen[word])
                w->words[n++] = (uint32_t)word;
    }
    *found = n;
    return 0;
}

static int add_up_children(walk *w, int d) {
    growing *g = &w->level[d];
    const growing *children = &w->level[d + 1];
    int64_t n;
    QN_TRY(gather(w, children, children->table[GRAM][g->table[CHILD][g->nodes - 1]], &n));
    for (int64_t i = 0; i < n; i++) {
        const uint32_t word = w->words[i];
        QN_TRY(put_gram(g, word, w->seen[word]));
        w->seen[word] = 0;
    }
    return 0;
}

/* Closes the open context of level d: its words are complete now. */
static int close_context(walk *w, int d) {
    growing *g = &w->level[d];
    const int64_t node = g->nodes - 1, first = g->table[GRAM][node];
    uint32_t number[3] = {0}, total = 0;
    if (d + 1 < w->c->order && g->table[CHILD][node] < w->level[d + 1].nodes)
        QN_TRY(add_up_children(w, d));
    for (int64_t i = first; i < g->grams; i++) {
        const uint32_t count = g->table[COUNT][i];
        total += count;
        number[QN_MIN(count, 3) - 1]++;
        g->of_count[QN_MIN(count, 5) - 1]++;
    }
    g->table[TOTAL][node] = total;
    g->table[ONE][node] = number[0];
    g->table[TWO][node] = number[1];
    g->table[CHILD][g->nodes] = d + 1 < w->c->order ? (uint32_t)w->level[d + 1].nodes : 0;
    g->table[GRAM][g->nodes] = (uint32_t)g->grams;
    return 0;
}

static int close_down_to(walk *w, int d) {
    for (; w->depth > d; w->depth--)
        QN_TRY(close_context(w, w->depth));
    return 0;
}

/* The context of position i: its tokens, the newest first; how many. */
static int path_of(const walk *w, uint32_t i, uint32_t path[QN_NGRAM_MAX_ORDER]) {
    const uint32_t *stream = w->c->s.id;
    int n = 0;
    while (n + 1 < w->c->order) {
        path[n] = stream[i - 1 - (uint32_t)n];
        if (path[n++] == (uint32_t)w->c->s.vocab)
            break;
    }
    return n;
}

static int take_position(walk *w, uint32_t i, uint32_t path[2][QN_NGRAM_MAX_ORDER], int *which) {
    uint32_t *now = path[!*which], *before = path[*which];
    const int n = path_of(w, i, now);
    const uint32_t word = w->c->s.id[i];
    growing *g = &w->level[n];
    int same = 0;
    while (same < n && same < w->depth && now[same] == before[same])
        same++;
    if (same < n || w->depth > n) {
        QN_TRY(close_down_to(w, same));
        for (int d = same + 1; d <= n; d++)
            QN_TRY(open_context(w, d, now[d - 1]));
    }
    *which = !*which;
    const int64_t first = g->table[GRAM][g->nodes - 1];
    if (g->grams > first && g->table[WORD][g->grams - 1] == word)
        g->table[COUNT][g->grams - 1]++;
    else
        QN_TRY(put_gram(g, word, 1));
    return 0;
}

static int end_empty(growing *g) {
    QN_TRY(make_table(g, CHILD, 1));
    QN_TRY(make_table(g, GRAM, 1));
    g->table[CHILD][0] = g->table[GRAM][0] = 0;
    return 0;
}

static int walk_positions(walk *w, const sorting *s) {
    uint32_t path[2][QN_NGRAM_MAX_ORDER] = {{0}};
    int which = 0;
    w->seen = qn_zalloc(QN_MEM_MODEL, (size_t)w->c->s.vocab, sizeof *w->seen);
    if (!w->seen)
        return QN_ENOMEM;
    QN_TRY(open_context(w, 0, 0));
    for (int64_t i = 0; i < s->n; i++) {
        QN_TRY(take_position(w, s->at[i], path, &which));
        if (i % (1 << 20) == 0)
            QN_TRY(tell(s, 0.5 + 0.5 * (double)i / (double)s->n));
    }
    QN_TRY(close_down_to(w, 0));
    QN_TRY(close_context(w, 0));
    for (int d = 1; d < w->c->order; d++)
        if (w->level[d].nodes == 0)             /* no document was that long: empty tables still have their end */
            QN_TRY(end_empty(&w->level[d]));
    return 0;
}

/* ---- the result ---- */

static void set_discounts(const int64_t of_count[5], double discount[3]) {
    const double n1 = (double)of_count[0], n2 = (double)of_count[1], n3 = (double)of_count[2], n4 = (double)of_count[3];
    const double y = n1 / (n1 + 2 * n2);
    bool usable = n1 > 0 && n2 > 0 && n3 > 0 && n4 > 0;
    if (usable) {
        discount[0] = 1 - 2 * y * n2 / n1;
        discount[1] = 2 - 3 * y * n3 / n2;
        discount[2] = 3 - 4 * y * n4 / n3;
        for (int k = 0; k < 3; k++)
            usable = usable && discount[k] >= 0 && discount[k] <= k + 1;
    }
    for (int k = 0; k < 3 && !usable; k++)
        discount[k] = 0.5 * (k + 1);
}

/* The tables change hands. */
static int take_tables(walk *w, qn_ngram **out) {
    qn_ngram *g = qn_zalloc(QN_MEM_MODEL, 1, sizeof *g);
    if (!g)
        return QN_ENOMEM;
    g->order = w->c->order;
    g->vocab = w->c->s.vocab;
    g->documents = w->c->s.documents;
    g->tokens = (int64_t)w->c->s.n - w->c->s.documents;
    for (int d = 0; d < g->order; d++) {
        growing *from = &w->level[d];
        qn_ngram_level *l = &g->level[d];
        l->nodes = from->nodes;
        l->grams = from->grams;
        set_discounts(from->of_count, l->discount);
        for (int table = 0; table < QN_NGRAM_TABLES; table++) {
            *qn_ngram_table(l, table) = g->own[d][table] = from->table[table];
            from->table[table] = NULL;
        }
    }
    *out = g;
    return 0;
}

int qn_ngram_build(qn_ngram_counter *c, int (*progress)(void *arg, double share), void *arg, qn_ngram **out) {
    sorting s = {.c = c, .progress = progress, .arg = arg};
    walk w = {.c = c};
    int rc;
    *out = NULL;
    if (c->s.n == 0)
        return qn_fail(QN_EINVAL, "there are no tokens to count");
    QN_TRY_OUT(sort_positions(&s));
    qn_free(s.other);
    s.other = NULL;
    QN_TRY_OUT(walk_positions(&w, &s));
    QN_TRY_OUT(take_tables(&w, out));
out:
    qn_free(s.at);
    qn_free(s.other);
    qn_free(s.bucket);
    qn_free(w.seen);
    qn_free(w.words);
    for (int d = 0; d < QN_NGRAM_MAX_ORDER; d++)
        for (int table = 0; table < QN_NGRAM_TABLES; table++)
            qn_free(w.level[d].table[table]);
    qn_free(c->s.id);
    c->s.id = NULL;
    c->s.n = c->s.cap = 0;
    c->s.documents = 0;
    c->s.inside = false;
    return rc;
}
