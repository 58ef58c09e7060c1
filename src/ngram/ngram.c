/* ngram/ngram.c — probabilities out of the tables, from the empty context towards longer ones. */
#include "ngram/ngram_impl.h"

const uint32_t **qn_ngram_table(qn_ngram_level *l, int table) {
    const uint32_t **const tables[QN_NGRAM_TABLES] = {&l->token, &l->child, &l->gram, &l->total,
                                                      &l->n1, &l->n2, &l->word, &l->count};
    return tables[table];
}

int64_t qn_ngram_table_length(const qn_ngram_level *l, int table) {
    const int64_t lengths[QN_NGRAM_TABLES] = {l->nodes, l->nodes + 1, l->nodes + 1, l->nodes,
                                              l->nodes, l->nodes, l->grams, l->grams};
    return lengths[table];
}

void qn_ngram_free(qn_ngram *g) {
    if (!g)
        return;
    for (int i = 0; i < QN_NGRAM_MAX_ORDER; i++)
        for (int table = 0; table < QN_NGRAM_TABLES; table++)
            qn_free(g->own[i][table]);
    if (g->file.s)
        qn_map_close(&g->file);
    qn_free(g);
}

void qn_ngram_info_get(const qn_ngram *g, qn_ngram_info *out) {
    *out = (qn_ngram_info){.order = g->order, .vocab = g->vocab, .tokens = g->tokens, .documents = g->documents};
    for (int i = 0; i < g->order; i++) {
        out->grams[i] = g->level[i].grams;
        for (int k = 0; k < 3; k++)
            out->discount[i][k] = g->level[i].discount[k];
        for (int table = 0; table < QN_NGRAM_TABLES; table++)
            out->bytes += 4 * qn_ngram_table_length(&g->level[i], table);
    }
}

/* Where `key` stands in the ascending a[from … to), or −1. */
static int64_t find(const uint32_t *a, int64_t from, int64_t to, uint32_t key) {
    while (from < to) {
        const int64_t middle = from + (to - from) / 2;
        if (a[middle] == key)
            return middle;
        if (a[middle] < key)
            from = middle + 1;
        else
            to = middle;
    }
    return -1;
}

/* The context one token older than node `at` of level d: its place in level d + 1; −1 where it was never seen, or the
 * text has no more tokens. */
static int64_t older(const qn_ngram *g, int d, int64_t at, const int32_t *ids, int64_t n) {
    const qn_ngram_level *l = &g->level[d];
    if (d + 1 >= g->order || d > n)
        return -1;
    const uint32_t token = d < n ? (uint32_t)ids[n - 1 - d] : (uint32_t)g->vocab;
    return find(g->level[d + 1].token, l->child[at], l->child[at + 1], token);
}

static double discounted(const qn_ngram_level *l, uint32_t count) {
    return (double)count - l->discount[QN_MIN(count, 3) - 1];
}

/* The share that a context leaves to the shorter one. */
static double left_over(const qn_ngram_level *l, int64_t at) {
    const double words = (double)(l->gram[at + 1] - l->gram[at]), n1 = l->n1[at], n2 = l->n2[at];
    return (l->discount[0] * n1 + l->discount[1] * n2 + l->discount[2] * (words - n1 - n2)) / (double)l->total[at];
}

double qn_ngram_prob(const qn_ngram *g, const int32_t *ids, int64_t n, int32_t w) {
    double p = 1 / (double)g->vocab;
    int64_t at = 0;
    for (int d = 0; at >= 0; d++) {
        const qn_ngram_level *l = &g->level[d];
        const int64_t found = find(l->word, l->gram[at], l->gram[at + 1], (uint32_t)w);
        p *= left_over(l, at);
        if (found >= 0)
            p += discounted(l, l->count[found]) / (double)l->total[at];
        at = older(g, d, at, ids, n);
    }
    return p;
}

void qn_ngram_distribution(const qn_ngram *g, const int32_t *ids, int64_t n, double *p) {
    int64_t at = 0;
    for (int64_t w = 0; w < g->vocab; w++)
        p[w] = 1 / (double)g->vocab;
    for (int d = 0; at >= 0; d++) {
        const qn_ngram_level *l = &g->level[d];
        const double rest = left_over(l, at);
        for (int64_t w = 0; w < g->vocab; w++)
            p[w] *= rest;
        for (int64_t i = l->gram[at]; i < l->gram[at + 1]; i++)
            p[l->word[i]] += discounted(l, l->count[i]) / (double)l->total[at];
        at = older(g, d, at, ids, n);
    }
}
