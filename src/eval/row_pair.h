/* eval/row_pair.h — the logits of two sessions over the same tokens, row beside row.
 *
 *     feed A some tokens ──► its rows wait ──► feed B the same ──► each of its rows beside A's
 *
 * Rows are as long as each model has ids; how much of them is compared is the caller's to say. */
#ifndef QN_EVAL_ROW_PAIR_H
#define QN_EVAL_ROW_PAIR_H

#include "infer/session.h"

/* Two rows side by side, in double. numbers: all of them finite; else nothing but `same` is told.
 * kl = KL(A‖B) = Σ p (a − b) − lse(a) + lse(b), p = softmax(a); exactly 0 where both rows are the same. */
typedef struct {
    bool same, numbers;
    double lse_a, lse_b, kl;
    double delta, max;              /* Σ |a − b|, the greatest of them */
    double sum, squares;            /* of a */
} qn_row_pair;
qn_row_pair qn_row_pair_of(const float *a, const float *b, int64_t n);

/* a [Va], b [Vb] */
typedef int qn_row_pair_fn(void *arg, int64_t position, const float *a, const float *b);

/* Borrows both sessions, of which sequence 0 alone is used. {0} may be dropped. */
typedef struct {
    qn_session *a, *b;
    int64_t Va, Vb;                 /* ids of each */
    int64_t V;                      /* the fewer of these: ids that both have rows for */
    float *rows;                    /* A's, waiting */
    int64_t at, from;
    qn_row_pair_fn *fn;
    void *arg;
    int failed;                     /* 0: A's session gave the error, 1: B's */
} qn_row_pairs;
int qn_row_pairs_init(qn_row_pairs *p, qn_session *a, qn_session *b);
void qn_row_pairs_drop(qn_row_pairs *p);
/* Both from nothing over ids [n]; fn sees the rows of positions from … n − 1. Neither session is reset: what belongs to
 * sequence 0 (an adapter) stays. */
int qn_row_pairs_feed(qn_row_pairs *p, const int32_t *ids, int64_t n, int64_t from, qn_row_pair_fn *fn, void *arg);

#endif
