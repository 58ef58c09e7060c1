/* cli/tuning.h — what `train sft` and `train dpo` have in common: a run that begins with a model and learns from
 * examples.
 *
 *     static const qn_opt opts[] = {QN_OPT_LIST("d", "data", …), QN_OPTS_TUNING("3"), …, QN_OPTS_RUN, QN_OPT_JSON, …};
 *     static int start(qn_training *t) { return qn_tuning_start(t, &(qn_tuning){.recipe = recipe}); }
 *     static int run(qn_cli *c) { return qn_training_command(c, start); } */
#ifndef QN_CLI_TUNING_H
#define QN_CLI_TUNING_H

#include "cli/data_args.h"
#include "cli/example_args.h"
#include "cli/run_args.h"

#define QN_OPTS_LORA                                                                                                   \
    QN_OPT_FLAG("", "lora", "train an adapter beside the model, quantized or not, which stays as it is"),              \
    QN_OPT_FILE("", "adapter", NULL, "--lora: go on with this one (RUN/best, PEFT, GGUF); no fresh one is made"),      \
    QN_OPT_INT("", "rank", "16", 1, 1024, "--lora: rank of its pairs"),                                                \
    QN_OPT_FLOAT("", "alpha", "32", 0, 1e6, "--lora: its scale is alpha/rank"),                                        \
    QN_OPT_STRING("", "targets", "all-linear", "NAMES", "--lora: weights with a pair: q_proj,v_proj or attn_q …"),     \
    QN_OPT_FLOAT("", "lora-dropout", "0", 0, 0.99, "--lora: share of what the pairs read that is dropped"),            \
    QN_OPT_FLAG("", "rslora", "--lora: the scale is alpha/√rank"),                                                     \
    QN_OPT_FLAG("", "dora", "--lora: magnitudes beside the pairs"),                                                    \
    QN_OPT_FLOAT("", "lora-plus", "1", 0.001, 1e4, "--lora: the rate of B is X times that of A; 16 is usual (LoRA+)")

/* epochs: how often each example is seen where nobody says. */
#define QN_OPTS_TUNING(epochs)                                                                                         \
    QN_OPT_FOLDER("o", "out", NULL, "the run's folder, new or empty"),                                                 \
    QN_OPTS_EXAMPLES,                                                                                                  \
    QN_OPT_BAD_LINES,                                                                                                  \
    QN_OPT_STRING("", "validation", QN_EXAMPLES_SHARE, "SHARE",                                                        \
                  "hold this share of the examples out: 0.05, or 5%"),                                                 \
    QN_OPT_FLOAT("", "epochs", epochs, 0.01, 10000, "times that each example is seen; decides the steps where "        \
                 "--steps does not"),                                                                                  \
    QN_OPTS_LORA,                                                                                                      \
    QN_OPT_FOLDER("", "replay", NULL, "a prepared folder: text that each step reads again, against forgetting it"),    \
    QN_OPT_INT("", "replay-rows", NULL, 1, 1048576, "--replay: rows of it a step (half as many as --batch)"),          \
    QN_OPT_FLOAT("", "replay-weight", "1", 0.000001, 1000, "--replay: of its mean loss beside that of the batch"),     \
    QN_OPT_ENUM("", "weights", "as-is", "as-is|f32", "f32: take what quantized weights stand for as numbers"),         \
    QN_OPTS_RUN,                                                                                                       \
    QN_OPT_FLAG("", "dry-run", "print the plan and stop; with --json, on stdout"),                                     \
    QN_OPT_CONFIG,                                                                                                     \
    QN_OPT_JSON

/* What is a command's own. */
typedef struct {
    int (*recipe)(qn_training *t);      /* puts its options into the recipe, before anything is open. QN_EUSAGE */
    int (*examples)(const qn_training *t);      /* can it learn from these? NULL: whatever they are */
    qn_teach teach;
    double rate;                        /* where nobody says; 0: a thirtieth of the dial's. Adapters: ten times that */
} qn_tuning;
int qn_tuning_start(qn_training *t, const qn_tuning *how);

/* Takes the sums of the reference, where the objective asks for one, out of RUN/data; or makes them, with a bar: `from`
 * names the model that the run began with where the parameters are others by now, NULL where they are its own. */
int qn_tuning_reference(qn_training *t, const char *from);

/* "margin 0.132, 85 % right"; "" where nothing is judged, or labels of one side alone. */
const char *qn_judged_text(const qn_judged *j, char out[64]);

#endif
