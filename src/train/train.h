/* train/train.h — storey 6: training runs. Front door.
 *
 *   recipe.h .c       what decides a run's bits: one table, written to the manifest, read back
 *   schedule.h .c     the learning rate of a step
 *   engine.h .c       rows of tokens forward and back: losses, gradients
 *   optimizer.h .c    opt_adamw.c opt_muon.c opt_sgd.c
 *   objective.h .c    losses of preferences, as pure functions
 *   reference.h .c    what preferences are measured from: ln p under the weights at the beginning
 *   replay.c          text that is read again beside what is learned
 *   step.c            one step: passes, shards, clipping, guard, update
 *   preference.c      … where answers are judged: forward, judge, weigh, backward
 *   measure.c         the validation loss, bits per byte
 *   loop.c            steps, evaluations, samples, checkpoints in their order; what is told on the way
 *   checkpoint.h .c   the state of a run on disk          weights.c
 *   held.c            the best model, held until a checkpoint is due
 *   dial.h .c         shape, tokens, batch and rate out of one number
 *
 *     qn_trainer_new(&t, &setup);  qn_trainer_take_up(t, "RUN/last");  qn_trainer_run(t);  qn_trainer_free(t);
 *
 * A run is a pure function of model, data and recipe: stopping it anywhere and taking it up from its last checkpoint
 * gives the bits of a run that never stopped, whatever the threads. */
#ifndef QN_TRAIN_TRAIN_H
#define QN_TRAIN_TRAIN_H

#include <stdatomic.h>

#include "data/examples.h"
#include "record/record.h"
#include "train/checkpoint.h"
#include "train/engine.h"
#include "train/recipe.h"

/* What became of answers that were judged: means over pairs, or over labelled answers. [0]: chosen, or good; [1]:
 * rejected, or not good. A NaN stands for what there is not. */
typedef struct {
    int64_t n;                          /* pairs or answers; 0: nothing was judged */
    double loss, reward[2];             /* of the objective (train/objective.h) */
    double margin, accuracy;            /* reward[0] − reward[1]; share of pairs where that is above 0 */
    double logp[2], tokens[2];          /* Σ ln p of an answer; its length */
    double moved[2];                    /* how far Σ ln p is from the reference's */
    double kl;                          /* KTO's estimate */
} qn_judged;

typedef struct {
    double loss;                        /* mean −ln p of supervised tokens; the objective's where answers are judged */
    double bits_per_byte;               /* of text; special tokens count on neither side. NaN: no text */
    int64_t tokens;
    qn_judged judged;
    double seconds;                     /* that it took, where a run measures */
} qn_measured;

/* What happened at a step, for whoever shows it. */
typedef struct {
    int64_t step, steps;                /* the step just done counts from 1 */
    double loss, rate, grad_norm;
    int64_t tokens;                     /* supervised, of this step */
    double seconds;                     /* of this step */
    int64_t flops;
    bool skipped;                       /* the guard refused it */
    qn_judged judged;
    int64_t read;                       /* tokens of the batch, supervised or not */
    double replay_loss;                 /* of the text that was read again; NaN: none was */
} qn_step_report;

/* Callbacks run between steps on the thread that called qn_trainer_run; <0 ends the run with that error after a
 * checkpoint. Any may be NULL. */
typedef struct {
    int (*step)(void *arg, const qn_step_report *r);
    int (*measured)(void *arg, int64_t step, const qn_measured *m, bool best);
    int (*saved)(void *arg, int64_t step, double seconds);
    int (*metrics)(void *arg, int64_t step, const qn_model *m, qn_jw *w);   /* members of its own in the line of a step
                                                                             * that was evaluated */
    int (*sample)(void *arg, int64_t step, const qn_model *m);     /* the model as it is; nothing of it may be kept */
    int (*reference)(void *arg, int64_t done, int64_t rows);        /* while it is made; <0 ends that */
    void *arg;
    const atomic_bool *cancel;          /* set: the run ends after this step, with a checkpoint */
} qn_train_hooks;

/* Everything is borrowed until qn_trainer_free. */
typedef struct {
    const qn_recipe *recipe;
    qn_params *params;
    const qn_dataset *data;             /* a prepared folder, … */
    const qn_examples *examples;        /* … or, where it is NULL, examples to tune with */
    const qn_dataset *replay;           /* text that is read again where recipe.replay_rows > 0; else NULL */
    const qn_kernels *kernels;
    qn_pool *pool;
    qn_run *run;                        /* NULL: nothing is recorded (tests, measurements) */
    qn_checkpoint_texts texts;
    qn_train_hooks hooks;
} qn_train_setup;

/* Is anything held out to measure by? Of data, or where it is NULL, of the examples. */
bool qn_train_has_validation(const qn_dataset *data, const qn_examples *examples);

typedef enum { QN_RUN_DONE, QN_RUN_STOPPED, QN_RUN_EARLY } qn_run_end;     /* EARLY: patience was at its end */

typedef struct qn_trainer qn_trainer;
/* QN_EINVAL: the data have other ids than the model has rows, no validation rows, …; QN_EFORMAT: a damaged shard (up to
 * 512 MB of them are verified); QN_ENOMEM. */
int qn_trainer_new(qn_trainer **out, const qn_train_setup *s);
void qn_trainer_free(qn_trainer *t);                                    /* NULL is fine */
/* Goes on from a checkpoint directory. */
int qn_trainer_take_up(qn_trainer *t, const char *dir);
/* Where the objective asks for a reference: its sums must be there before the first step. They are taken from a file
 * (1; 0: it does not fit, which is said), or made by the model as it is, which must be the one that the run begins
 * with; path NULL: they are kept nowhere. known: a file of another run, whose sums are not made again, or NULL; it must
 * fit. key: of train/reference.h. */
bool qn_trainer_has_reference(const qn_trainer *t);
int qn_trainer_reference_open(qn_trainer *t, const char *path, const char *key);
int qn_trainer_reference_make(qn_trainer *t, const char *path, const char *known, const char *key);
/* Nothing is left to do: all steps are done, or patience is at its end. */
bool qn_trainer_is_over(const qn_trainer *t);
/* Is the checkpoint at `dir` what was written? It takes the place of what was taken up, so only of a run that is over.
 * Errors as qn_checkpoint_read. */
int qn_trainer_verify(qn_trainer *t, const char *dir);
/* To the end of the recipe, or until cancelled. */
int qn_trainer_run(qn_trainer *t, qn_run_end *end);
/* One step without records, as the loop does it. */
int qn_trainer_step(qn_trainer *t, qn_step_report *r);                  /* QN_EFORMAT: a damaged shard */
int qn_trainer_measure(qn_trainer *t, qn_measured *m);
/* What this machine takes now, in seconds, by some steps that are done in earnest and take about `most` together: the
 * trainer and its parameters are good for nothing else afterwards. */
typedef struct { double step, row; /* a row that is only looked at */ int64_t held_rows; /* of validation */ } qn_trial;
int qn_trainer_time(qn_trainer *t, double most, qn_trial *out);
const qn_train_state *qn_trainer_state(const qn_trainer *t);
int64_t qn_trainer_checkpoint_bytes(const qn_trainer *t);               /* on the disk, but for some headers */
qn_engine *qn_trainer_engine(qn_trainer *t);

#endif
