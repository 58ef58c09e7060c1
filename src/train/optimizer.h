/* train/optimizer.h — AdamW, Muon, SGD with momentum over the flat arrays of a model in training (model/params.h).
 *
 *   optimizer.c   which rule for which parameter, state, the norm of the gradient, one step over all tiles
 *   opt_adamw.c   Loshchilov & Hutter 2019      opt_muon.c   Jordan et al. 2024      opt_sgd.c
 *
 * A step reads gradients, moves parameters through qn_params_take/put (masters and panels in one pass over memory) and
 * its own moments. Tiles of 32 rows are shared out over the pool; no result depends on the number of threads. Only
 * matrices decay, and not those marked QN_NO_DECAY. Nothing is allocated after qn_optimizer_new. */
#ifndef QN_TRAIN_OPTIMIZER_H
#define QN_TRAIN_OPTIMIZER_H

#include "model/params.h"

typedef enum { QN_OPTIMIZER_ADAMW, QN_OPTIMIZER_MUON, QN_OPTIMIZER_SGD } qn_optimizer_kind;
#define QN_OPTIMIZER_CHOICES "adamw|muon|sgd"

typedef struct {
    qn_optimizer_kind kind;
    double beta1, beta2, eps;           /* AdamW, and what Muon leaves to it */
    double weight_decay;
    double momentum;                    /* Muon, SGD */
    bool nesterov;                      /* Muon, SGD */
    double muon_rate;                   /* Muon: its rate is the schedule's times this */
    bool muon_match_rms;                /* Muon: updates as large as AdamW's: one rate for both (opt_muon.c) */
} qn_optimizer_options;
/* AdamW: 0.9, 0.95, 1e-8, decay 0.1. Muon: momentum 0.95, Nesterov, matched, decay 0.1. SGD: momentum 0.9. */
qn_optimizer_options qn_optimizer_options_default(qn_optimizer_kind kind);
int qn_optimizer_options_check(const qn_optimizer_options *o);         /* QN_EINVAL: what is out of range */

/* One flat array of state, for checkpoints, named as PyTorch's: "exp_avg", "exp_avg_sq" of AdamW; "momentum_buffer" of
 * SGD and of Muon, which keeps the two of AdamW in "momentum_buffer" and "exp_avg_sq" for what it leaves to it. */
typedef struct { const char *name; float *data; /* [params.numbers] */ } qn_optimizer_state;

typedef struct qn_optimizer qn_optimizer;
/* Borrows params and kernels. QN_EINVAL for options out of range; QN_ENOMEM. */
int qn_optimizer_new(qn_optimizer **out, qn_params *p, const qn_kernels *k, const qn_optimizer_options *o,
                     int workers);
void qn_optimizer_free(qn_optimizer *o);
int qn_optimizer_states(qn_optimizer *o, qn_optimizer_state out[2]);       /* how many */

/* √Σg² over all slots: fixed tiles in double, added in order. A NaN or an infinity anywhere shows in it. */
double qn_optimizer_grad_norm(qn_optimizer *o, const float *grad, qn_pool *pool);
/* Step `step` counts from 1 (bias correction). Gradients are read times `scale` (clipping). */
void qn_optimizer_step(qn_optimizer *o, const float *grad, double scale, double rate, int64_t step, qn_pool *pool);

#endif
