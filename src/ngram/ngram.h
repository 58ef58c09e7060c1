/* ngram/ngram.h — storey 1: baselines out of counted tokens, for honesty beside trained models. Front door.
 *
 *   ngram.h            interpolated modified Kneser–Ney, of any order up to 8
 *   ngram_count.c      a stream of documents → counts, by one sort of all positions
 *   ngram.c            probabilities
 *   ngram_file.c       one checksummed file, mapped and read where it lies
 *   ngram_impl.h       how the tables lie              token_stream.h     what is counted
 *   cooc.h .c          what stands near what: the baseline of recall without any grammar
 *
 *     qn_ngram_counter *c; QN_TRY(qn_ngram_counter_new(&c, 5, vocab));
 *     for each document:  qn_ngram_counter_add(c, ids, n) …; qn_ngram_counter_end(c);
 *     QN_TRY(qn_ngram_build(c, NULL, NULL, &g));   qn_ngram_write(g, "DIR/model.ngram");
 *     p = qn_ngram_prob(g, ids, at, ids[at]);
 *
 * Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (1998). Of a context h of k
 * tokens and the context h' without its oldest one:
 *
 *     p(w | h) = max(0, c(h w) − D(c(h w))) / Σ c(h ·)  +  (D₁N₁ + D₂N₂ + D₃N₃) / Σ c(h ·) · p(w | h')
 *
 * where c is how often h w occurs if h has order − 1 tokens or begins a document, and else how many different tokens
 * stand before h w; N₁ and N₂ are the words with count 1 and 2, N₃ those with more; below the empty context stands
 * 1/vocabulary. The three discounts of each length come from how many n-grams have the counts 1 … 4:
 *
 *     Y = n₁ / (n₁ + 2n₂)     D₁ = 1 − 2Y·n₂/n₁     D₂ = 2 − 3Y·n₃/n₂     D₃ = 3 − 4Y·n₄/n₃
 *
 * and are ½, 1, 1½ where a corpus is too small or too odd to say (one of n₁ … n₄ is 0, a discount outside [0, i]). The
 * probabilities of all ids sum to 1 in any context, and none is 0. */
#ifndef QN_NGRAM_NGRAM_H
#define QN_NGRAM_NGRAM_H

#include "base/base.h"

enum { QN_NGRAM_MAX_ORDER = 8 };

/* ---- counting ---- */

typedef struct qn_ngram_counter qn_ngram_counter;
/* QN_EINVAL: an order outside 1 … 8, a vocabulary outside 1 … 2²⁴. */
int qn_ngram_counter_new(qn_ngram_counter **out, int order, int64_t vocab);
void qn_ngram_counter_free(qn_ngram_counter *c);                /* NULL is fine */
/* Room for so many tokens and documents at once: without it memory grows by doubling. */
int qn_ngram_counter_reserve(qn_ngram_counter *c, int64_t tokens, int64_t documents);
/* The next tokens of the current document. QN_EINVAL: an id outside the vocabulary; QN_ELIMIT: more than 2³² − 2 tokens
 * and documents; QN_ENOMEM. */
int qn_ngram_counter_add(qn_ngram_counter *c, const int32_t *ids, int64_t n);
void qn_ngram_counter_end(qn_ngram_counter *c);                 /* the document is over */

/* Memory that counting so many tokens of ordinary text takes, in bytes: what a caller holds against the machine's. */
int64_t qn_ngram_bytes(int order, int64_t tokens);

typedef struct qn_ngram qn_ngram;
/* progress (NULL is fine) is called now and then with the share that is done; <0 ends the work. The counter is empty
 * afterwards. One thread; the result depends on nothing but the documents' order. QN_EINVAL: no tokens. */
int qn_ngram_build(qn_ngram_counter *c, int (*progress)(void *arg, double share), void *arg, qn_ngram **out);
void qn_ngram_free(qn_ngram *g);                                /* NULL is fine */

/* ---- a file ---- */

/* As a whole or not at all (base/file.h). docs/FORMATS.md draws it. */
int qn_ngram_write(const qn_ngram *g, const char *path);
/* Maps the file, holds its checksum against its bytes and every index against its table. QN_ENOTFOUND, QN_EFORMAT,
 * QN_ETRUNC. */
int qn_ngram_open(qn_ngram **out, const char *path);
int qn_ngram_parse(qn_ngram **out, const char *bytes, size_t n, const char *name);  /* aligned to 8, borrowed */

/* ---- looking ---- */

typedef struct {
    int order;
    int64_t vocab, tokens, documents;           /* that were counted */
    int64_t grams[QN_NGRAM_MAX_ORDER];          /* different n-grams of 1 … order tokens */
    double discount[QN_NGRAM_MAX_ORDER][3];
    int64_t bytes;                              /* of the tables */
} qn_ngram_info;
void qn_ngram_info_get(const qn_ngram *g, qn_ngram_info *out);

/* p(w | ids[0 … n)), where ids[0] begins a document; only the last order − 1 are looked at. Ids below the vocabulary,
 * the caller's word. Thread-safe, no allocation. */
double qn_ngram_prob(const qn_ngram *g, const int32_t *ids, int64_t n, int32_t w);
/* All of them: p [vocab]. The bits of qn_ngram_prob. */
void qn_ngram_distribution(const qn_ngram *g, const int32_t *ids, int64_t n, double *p);

#endif
