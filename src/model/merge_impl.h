/* model/merge_impl.h — one weight on its way, as adapters (merge.c) and whole models (merge_models.c) both have it:
 * what each part adds to W, a few rows at a time, and how these become one (merge_deltas.c; slerp: merge_slerp.c). */
#ifndef QN_MODEL_MERGE_IMPL_H
#define QN_MODEL_MERGE_IMPL_H

#include "model/merge.h"

enum { QN_MERGE_TILE = 32 };                /* rows */

typedef struct {
    const qn_merge_options *o;
    size_t n;
    double weight[QN_ADAPTERS];             /* [n] w */
    bool has[QN_ADAPTERS];                  /* [n] false: that part leaves this weight alone */
    bool weighed;                           /* TIES: weights count in the election and in the mean (mergekit); else the
                                             * mean is over heads, of what is then weighed (peft) */
    float *w;                               /* [rows,cols] W, then W'; a vector has one column */
    int64_t rows, cols;
    uint64_t number;                        /* the weight's own, for draws */
    /* Rows of Δ_i into d [rows,cols], while w still holds W there; called by several workers at once. */
    void (*delta)(void *arg, size_t i, qn_span rows, int worker, double *d);
    void *arg;
    /* inside */
    float *kept[QN_ADAPTERS];               /* TIES: [rows,cols] */
    double *room;                           /* [workers][2·TILE·cols] */
} qn_merging;

/* QN_ENOMEM. */
int qn_merge_deltas(qn_merging *m, qn_pool *pool);
/* The same for slerp, of one part: W' between W and W + Δ at weight[0]. */
int qn_merge_slerp(qn_merging *m, qn_pool *pool);
/* The angle whose cosine is c, |c| < 0.9999, in double. */
double qn_merge_angle(double c);

/* Method and density, for both. QN_EINVAL. */
int qn_merge_check(const qn_merge_options *o);

#endif
