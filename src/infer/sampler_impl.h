/* infer/sampler_impl.h — inside a sampler: sampler.c changes logits, dry.c finds repetitions, sampler_cut.c draws. */
#ifndef QN_INFER_SAMPLER_IMPL_H
#define QN_INFER_SAMPLER_IMPL_H

#include "infer/sampler.h"

typedef struct { float p, key; int32_t id; } qn_candidate;      /* key: what typical sampling sorts by */

struct qn_sampler {
    const qn_kernels *k;
    int64_t V;
    qn_sampler_options o;
    uint64_t drawn;                 /* answers' tokens so far: the counter of the draws */
    float *p;                       /* [V] logits as they are changed, then probabilities */
    qn_candidate *c;                /* [V] */
    int32_t *seen;                  /* tokens of prompt and answer */
    size_t n_seen, cap_seen;
    int32_t *count;                 /* [V] occurrences inside the penalty window; kept as the window moves */
    size_t window_from;             /* seen[window_from … n_seen) is counted */
    double mu, surprise;            /* Mirostat: the most that may surprise, and how the last draw did, in bits */
    int32_t *z;                     /* DRY: [cap_seen] */
    size_t cap_z;
    int32_t *repeat;                /* DRY: [V] 0 between calls */
};

/* Changes s->p by DRY. */
void qn_sampler_dry(qn_sampler *s);
/* The token that draw `number` takes out of the probabilities s->p, the greatest of which is `best`. */
int32_t qn_sampler_draw(qn_sampler *s, uint64_t number, float best);

#endif
