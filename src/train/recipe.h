/* train/recipe.h — everything that decides what a run computes, but for the model's shape and the data.
 *
 * A recipe is written into the run's manifest before step 0 and read back by a resume: nothing that changes a bit of
 * the result may live elsewhere. `threads` is not in it, because it changes none. */
#ifndef QN_TRAIN_RECIPE_H
#define QN_TRAIN_RECIPE_H

#include "base/json.h"
#include "data/dataset.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/schedule.h"

typedef enum { QN_GUARD_SKIP, QN_GUARD_STOP, QN_GUARD_OFF } qn_guard;
#define QN_GUARD_CHOICES "skip|stop|off"
#define QN_PACKING_CHOICES "best-fit|stream"
#define QN_RECOMPUTE_CHOICES "none|cheap|layers"

enum { QN_TARGETS = 256 };

/* What is trained: rank 0: the model; else an adapter of that rank (model/adapter.h). */
typedef struct {
    int64_t rank;
    double alpha, dropout;
    double plus;                    /* the rate of B over that of A; 0 stands for 1 */
    bool rslora, dora;
    char targets[QN_TARGETS];
} qn_recipe_lora;

typedef struct {
    int compute;                    /* QN_F32 or QN_BF16: how matrices multiply */
    uint64_t seed;
    int64_t context;                /* tokens of a row; of what is judged, tokens of an answer with its prompt */
    int64_t batch;                  /* rows of a step */
    int64_t rows;                   /* rows of a pass: a step is batch/rows passes whose gradients are added */
    int64_t shards;                 /* parts of the batch whose gradients are added in a fixed tree */
    qn_packing packing;
    int recompute;                  /* qn_recompute: what backward computes again rather than keep */
    int64_t steps;
    qn_optimizer_options optimizer;
    qn_schedule schedule;           /* its steps are the run's */
    double init_std;                /* of fresh matrices; 0: by the width (model/params.h) */
    double dropout;                 /* of what enters the residual stream */
    double neftune;                 /* noise on the embedding, times √(tokens · width); 0: none */
    qn_recipe_lora lora;
    double clip;                    /* largest norm of the gradient; 0: any */
    qn_guard guard;                 /* what a step with a NaN or a spike is worth */
    double spike;                   /* a loss so many deviations above the last 128 is a spike; 0: none is */
    int64_t eval_every, eval_rows;  /* steps; rows of the validation split, 0: all */
    int64_t checkpoint_every, keep; /* steps; newest checkpoints that stay beside the best */
    int64_t sample_every;           /* steps; 0: never */
    int64_t patience;               /* evaluations without a better one before the run ends early; 0: never */
    int64_t replay_rows;            /* rows of other text that each step reads again; 0: none (replay.c) */
    double replay_weight;           /* of their mean loss beside that of the batch */
    qn_objective objective;         /* what is learned from: tokens, or answers that are judged */
} qn_recipe;

/* Everything but steps, context, batch and rate, which nobody can know. */
void qn_recipe_init(qn_recipe *r, qn_optimizer_kind kind);
/* Is it learned from answers that are judged? Then rows hold two of them, side by side. */
QN_INLINE bool qn_recipe_judges(const qn_recipe *r) { return r->objective.kind != QN_OBJECTIVE_NLL; }
QN_INLINE int64_t qn_recipe_row(const qn_recipe *r) { return r->context * (qn_recipe_judges(r) ? 2 : 1); }
/* What does not fit together, in a sentence that names the option. QN_EINVAL. */
int qn_recipe_check(const qn_recipe *r);

/* Members of an open object, in a fixed order; and back: members that are unknown are left aside; missing ones, and
 * what does not fit together, are QN_EFORMAT and named with the document. */
void qn_recipe_put(const qn_recipe *r, qn_jw *w);
int qn_recipe_take(qn_recipe *r, qn_json *j);

#endif
