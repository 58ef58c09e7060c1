/* ngram/cooc.h — where a sequence of tokens occurs in a text, and how often near another one.
 *
 * All positions of the text are sorted by the tokens that follow; what begins alike lies together, so a sequence is
 * found by two binary searches, and all its occurrences are a range. Distances are counted in tokens; documents are
 * never near one another.
 *
 *     qn_cooc *c; QN_TRY(qn_cooc_new(&c, vocab));
 *     for each document:  qn_cooc_add(c, ids, n) …; qn_cooc_end(c);
 *     QN_TRY(qn_cooc_index(c));
 *     qn_places a = {0}, b = {0};   qn_cooc_find(c, name, n, &a);   qn_cooc_find(c, value, m, &b);
 *     k = qn_places_near(&a, &b, 32);                          // in how many places of a is b not far */
#ifndef QN_NGRAM_COOC_H
#define QN_NGRAM_COOC_H

#include "base/base.h"

typedef struct qn_cooc qn_cooc;
int qn_cooc_new(qn_cooc **out, int64_t vocab);
void qn_cooc_free(qn_cooc *c);                                  /* NULL is fine */
/* As qn_ngram_counter_add and its like. */
int qn_cooc_add(qn_cooc *c, const int32_t *ids, int64_t n);
void qn_cooc_end(qn_cooc *c);
/* After the last document: sorts. 12 bytes a token; QN_EINVAL: no tokens. */
int qn_cooc_index(qn_cooc *c);
int64_t qn_cooc_tokens(const qn_cooc *c);

/* Places in ascending order; {0} is empty. Documents are QN_COOC_APART farther from one another than they are. */
typedef struct { int64_t *at; size_t n, cap; } qn_places;
enum { QN_COOC_APART = 1 << 12 };                               /* no window is wider */
void qn_places_drop(qn_places *p);
/* How often ids [n], n ≥ 1, occurs. */
int64_t qn_cooc_count(const qn_cooc *c, const int32_t *ids, int64_t n);
/* Where: appended to places, which are then sorted as a whole. */
int qn_cooc_find(const qn_cooc *c, const int32_t *ids, int64_t n, qn_places *places);

/* Of how many places of a is one of b within `window` tokens, before or after? */
int64_t qn_places_near(const qn_places *a, const qn_places *b, int64_t window);

#endif
