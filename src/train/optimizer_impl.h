/* train/optimizer_impl.h — the insides of an optimizer, shared by optimizer.c (which rule for which tile) and the rules
 * (opt_*.c). */
#ifndef QN_TRAIN_OPTIMIZER_IMPL_H
#define QN_TRAIN_OPTIMIZER_IMPL_H

#include "train/optimizer.h"

struct qn_optimizer {
    qn_params *p;                       /* borrowed */
    const qn_kernels *k;
    qn_optimizer_options o;
    int workers;
    float *state[2];                    /* [p->numbers] each; state[1] NULL where the rule keeps one moment */
    float *room;                        /* [workers][p->widest]: a tile taken out of its panel */
    double *partial;                    /* [p->tiles] Σg² */
    struct qn_muon *muon;               /* its working memory; NULL: another rule */
};

/* A step at work. */
typedef struct {
    qn_optimizer *o;
    const float *grad;                  /* [numbers] */
    double scale, rate;
    int64_t step;
} qn_step;

/* A tile of parameters with what belongs to it: n numbers each, row after row. */
typedef struct { float *w, *state[2]; const float *g; int64_t n; } qn_step_tile;

double qn_slot_decay(const qn_optimizer *o, const qn_slot *s);      /* 0 where it does not decay */

/* The rules: one tile, changed in place. */
void qn_adamw_tile(const qn_step *s, const qn_slot *slot, const qn_step_tile *t);
void qn_sgd_tile(const qn_step *s, const qn_slot *slot, const qn_step_tile *t);

/* Muon needs whole matrices: all of them, before the tiles that it leaves to AdamW. */
int qn_muon_init(qn_optimizer *o);
void qn_muon_drop(qn_optimizer *o);
bool qn_muon_takes(const qn_optimizer *o, const qn_slot *s);
void qn_muon_step(const qn_step *s, qn_pool *pool);

#endif
