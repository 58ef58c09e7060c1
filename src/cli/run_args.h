/* cli/run_args.h — the options that every training run has, whatever it learns from: steps, batch, rate, optimizer,
 * what is measured and kept on the way. */
#ifndef QN_CLI_RUN_ARGS_H
#define QN_CLI_RUN_ARGS_H

#include "cli/training.h"

#define QN_OPTS_RUN                                                                                                    \
    QN_OPT_COUNT("", "steps", NULL, 1, 1e12, "steps"),                                                                 \
    QN_OPT_INT("", "batch", NULL, 1, 1048576, "rows of a step"),                                                       \
    QN_OPT_INT("", "micro-batch", NULL, 1, 1048576, "rows of a pass: what memory holds at once"),                      \
    QN_OPT_INT("", "shards", "1", 1, 1024, "parts of the batch whose gradients are added as a tree"),                  \
    QN_OPT_INT("", "context", NULL, 2, 1048576, "tokens of a row"),                                                    \
    QN_OPT_ENUM("", "optimizer", "adamw", QN_OPTIMIZER_CHOICES, "rule of the update"),                                 \
    QN_OPT_FLOAT("", "lr", NULL, 0, 1000, "largest learning rate"),                                                    \
    QN_OPT_ENUM("", "schedule", "cosine", QN_LR_CHOICES, "curve of the learning rate"),                                \
    QN_OPT_COUNT("", "warmup", NULL, 0, 1e12, "steps until the largest rate"),                                         \
    QN_OPT_COUNT("", "decay-steps", NULL, 1, 1e12, "wsd: steps at the end while the rate falls (without: a fifth)"),   \
    QN_OPT_FLOAT("", "min-lr-ratio", "0.1", 0, 1, "share of the rate that is left at the end"),                        \
    QN_OPT_FLOAT("", "weight-decay", NULL, 0, 10, "decay of matrices"),                                                \
    QN_OPT_FLOAT("", "beta1", NULL, 0, 1, "decay of the mean of gradients"),                                           \
    QN_OPT_FLOAT("", "beta2", NULL, 0, 1, "decay of the mean of their squares"),                                       \
    QN_OPT_FLOAT("", "epsilon", NULL, 0, 1, "AdamW: added to the root of the mean of squares (default 1e-8)"),         \
    QN_OPT_FLOAT("", "momentum", NULL, 0, 1, "Muon, SGD: decay of the mean of gradients (default 0.95, SGD 0.9)"),     \
    QN_OPT_FLAG("", "nesterov", "SGD: look ahead along the momentum, as Muon does"),                                   \
    QN_OPT_FLOAT("", "dropout", "0", 0, 0.99, "share of what enters the residual stream that is dropped"),             \
    QN_OPT_FLOAT("", "clip", "1", 0, 1e12, "largest norm of the gradient; 0: any"),                                    \
    QN_OPT_ENUM("", "compute", NULL, "f32|bf16", "how matrices multiply (without: bf16 where the CPU has its dots)"),  \
    QN_OPT_ENUM("", "recompute", "cheap", QN_RECOMPUTE_CHOICES, "what backward computes again rather than keep"),      \
    QN_OPT_INT("", "seed", "1", 0, 9e15, "of weights and order"),                                                      \
    QN_OPT_COUNT("", "eval-every", NULL, 0, 1e12, "steps between evaluations; 0: never"),                              \
    QN_OPT_COUNT("", "eval-rows", NULL, 0, 1e12, "rows of an evaluation; 0: the whole validation split"),              \
    QN_OPT_COUNT("", "checkpoint-every", NULL, 0, 1e12, "steps between checkpoints; 0: at the end and the best only"), \
    QN_OPT_INT("", "keep", "2", 1, 1000000, "newest checkpoints that stay"),                                           \
    QN_OPT_COUNT("", "sample-every", NULL, 0, 1e12, "steps between samples; 0: never"),                                \
    QN_OPT_STRING("p", "prompt", NULL, "TEXT", "what samples begin with"),                                             \
    QN_OPT_INT("", "patience", "0", 0, 1000000, "end after N evaluations that were not better; 0: never"),             \
    QN_OPT_ENUM("", "guard", "skip", QN_GUARD_CHOICES, "what a step with a spike in its loss is worth"),               \
    QN_OPT_FLOAT("", "spike", "10", 0, 1e6, "a spike: so many deviations above the last 128 losses; 0: none is"),      \
    QN_OPT_FOLDER("", "bits", NULL, "a world with a sidecar: its bits by kind at each evaluation, for reports"),       \
    QN_OPT_LIST("", "task", "FILE", "a task, or a folder of them, asked at each evaluation; may be repeated"),         \
    QN_OPT_INT("", "task-items", "50", 1, 1e9, "--task: items of each, spread evenly over it")

/* An option that was given and that nothing would come of, in a sentence that says what it needs. QN_EUSAGE. */
int qn_run_args_check(const qn_cli *c);
/* The same of --patience, --bits and --task, once the data are open: is there anything to evaluate by? */
int qn_run_args_evaluates(const qn_training *t);
/* Names of --bits and --prompt, and the tasks of --task, read. */
int qn_run_args_asks(qn_training *t);
/* Everything of the recipe that needs no knowledge of model and data. */
void qn_run_args_recipe(qn_training *t);
/* Intervals that were given stay when the steps change; −1: not given. */
void qn_run_args_intervals(const qn_cli *c, qn_recipe *r);
int64_t qn_run_args_int(const qn_cli *c, const char *name);    /* −1: not given */

#endif
