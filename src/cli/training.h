/* cli/training.h — what `train pretrain` and `train resume` have in common: a run from its recipe to its last line.
 *
 *     qn_training t = {.c = c};
 *     … recipe, configuration, data …
 *     QN_TRY_OUT(qn_training_open_data(&t, "RUN/data"));           // dataset, its tokenizer
 *     QN_TRY_OUT(qn_training_open_model(&t, from));                // parameters, fresh or out of a model
 *     QN_TRY_OUT(qn_training_build(&t));                           // engine, optimizer: the memory is known now
 *     QN_TRY_OUT(qn_training_go(&t));                              // to the end, a stop, or an error
 *     out: qn_training_drop(&t); */
#ifndef QN_CLI_TRAINING_H
#define QN_CLI_TRAINING_H

#include "cli/cli.h"
#include "eval/bits.h"
#include "infer/generate.h"
#include "kernels/peak.h"
#include "train/train.h"

typedef struct {
    qn_cli *c;
    qn_pool *pool;
    const qn_kernels *kernels;
    qn_peak peak;
    /* the recipe of the run */
    qn_recipe recipe;
    const qn_arch *arch;
    qn_config cfg;
    bool gated;
    bool compute_free;                  /* nobody said how to multiply: what the model to begin with records counts */
    char *data_path, *from;             /* of the prepared folder; of the model it began with, or NULL */
    /* what is open */
    qn_dataset *data;
    qn_tok *tok;
    qn_buf tokenizer_json, tokenizer_config_json;
    qn_model *model;
    qn_params params;
    qn_trainer *trainer;
    qn_run *run;
    /* on the way */
    qn_progress bar;
    qn_step_report last;                /* the last step */
    qn_measured measured;               /* the last evaluation; tokens 0: none yet */
    double start, saving;               /* seconds */
    double step_seconds;                /* of a step with all that comes with it, as measured before; 0: not */
    double looked;                      /* when peak_bytes was */
    int64_t peak_bytes;
    int64_t began_at;                   /* steps that were done before this process */
    char *prompt;                       /* what samples begin with; NULL: nothing */
    char *world;                        /* whose bits by kind are measured at each evaluation; NULL: nobody's */
    qn_bits_set bits;                   /* of that world; read when it is built */
    qn_ids prompt_ids, held;
    qn_buf sample;
} qn_training;

int qn_training_open_data(qn_training *t, const char *dir);
/* The special ids of a fresh model are its tokenizer's. */
void qn_training_take_ids(qn_training *t);
/* Family and configuration of the model to begin with, and how it multiplies where nobody said; no weights yet. */
int qn_training_look(qn_training *t, const char *from);
/* QN_ENOMEM where the machine has less than configuration and recipe take at the very least. */
int qn_training_fits(const qn_training *t);
/* The model of t->cfg: fresh, or as `from` has it (t->cfg then comes from there too). */
int qn_training_open_model(qn_training *t, const char *from);
/* Engine and optimizer. QN_ENOMEM where the machine has less than they take. */
int qn_training_build(qn_training *t);
/* Lets the engine go, for another recipe. */
void qn_training_unbuild(qn_training *t);
/* Says the plan: model, data, run, memory, time. */
void qn_training_plan(const qn_training *t);
/* Manifest with this state, out of everything above. */
int qn_training_manifest(qn_training *t, const char *state);
/* Says where a run is taken up, and writes so into its manifest. */
int qn_training_resumed(qn_training *t);
int qn_training_go(qn_training *t);
void qn_training_drop(qn_training *t);

#endif
