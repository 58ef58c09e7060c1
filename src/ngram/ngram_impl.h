/* ngram/ngram_impl.h — how counts lie in memory and on disk. Private to src/ngram.
 *
 * A tree of contexts, each child one token older than its parent. The context "the old" (the newest token first):
 *
 *     level 0    ()                    every context has its words, ascending, with their counts:
 *     level 1    (old)                 …
 *     level 2    (old, the)   ───►     mill 3 │ miller 7 │ stone 1          total 11, n1 1, n2 0
 *
 * Contexts of a level lie in the order of their parents, those of one parent by their token; so children and words of
 * context i are what lies between [i] and [i + 1] of the tables `child` and `gram`. The begin of a document is the
 * token `vocab`; nothing is older than it. */
#ifndef QN_NGRAM_NGRAM_IMPL_H
#define QN_NGRAM_NGRAM_IMPL_H

#include "base/file.h"
#include "ngram/ngram.h"

typedef struct {
    int64_t nodes, grams;
    double discount[3];                             /* of the n-grams one longer than these contexts */
    const uint32_t *token;                          /* [nodes] the oldest one */
    const uint32_t *child, *gram;                   /* [nodes + 1] where they begin: in the next level; in word */
    const uint32_t *total, *n1, *n2;                /* [nodes] Σ of counts; words with count 1, with count 2 */
    const uint32_t *word, *count;                   /* [grams] */
} qn_ngram_level;

struct qn_ngram {
    int order;
    int64_t vocab, tokens, documents;
    qn_ngram_level level[QN_NGRAM_MAX_ORDER];       /* [order] by the context's length */
    uint32_t *own[QN_NGRAM_MAX_ORDER][8];           /* the tables where they were counted here, else NULL */
    qn_map_file file;                               /* {0} where they were not mapped */
};

/* The tables of a level in the order of the file, and how long each is. */
const uint32_t **qn_ngram_table(qn_ngram_level *l, int table);
int64_t qn_ngram_table_length(const qn_ngram_level *l, int table);
enum { QN_NGRAM_TABLES = 8 };

#endif
