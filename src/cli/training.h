/* cli/training.h — what `train pretrain`, `train sft`, `train dpo` and `train resume` have in common: a run from its
 * recipe to its last line. It learns from a prepared folder, or from examples, which then stand in RUN/data with the
 * tokenizer and the chat template that made them.
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
#include "eval/result.h"
#include "infer/generate.h"
#include "kernels/peak.h"
#include "model/chat_model.h"
#include "train/reference.h"
#include "train/train.h"

#define QN_EXAMPLES_FILE "examples.bin"         /* in RUN/data, beside each other */
#define QN_REFERENCE_FILE "reference.bin"
enum { QN_TRAINING_RECENT = 16 };               /* steps that the speed on the way is the mean of */
enum { QN_TRAINING_SAMPLE = 64 };               /* tokens of a sample */
enum { QN_TRAINING_BITS_SEQUENCES = 2 };        /* that bits by kind and tasks are scored with side by side */

/* Of steps: what lies between is not in it. tokens: those that are taught; read: all; judged: pairs, or labelled
 * answers. */
typedef struct { double seconds, tokens, read, flops, judged; } qn_training_work;

/* Seconds that went into what comes between steps. */
typedef struct { double measuring, sampling, saving; } qn_training_spent;

/* What --task names: asked at each evaluation. {0} is empty. */
typedef struct {
    qn_task **task; int64_t n; size_t cap;
    char **path; size_t paths, path_cap;        /* as they are found from any folder */
    int64_t items;                      /* of each task, at most */
} qn_training_tasks;

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
    qn_dataset *data;                   /* or examples */
    qn_dataset *replay;                 /* text that is read again beside examples; NULL: none is */
    qn_examples *examples;
    qn_chat_model chat;                 /* beside examples; its tokenizer is tok */
    int64_t epoch_rows;                 /* of examples, packed */
    const char *reference_of;           /* a run whose sums of that may serve; NULL: none */
    char reference[QN_REFERENCE_KEY];   /* the key of what preferences are measured from; "": nothing is */
    int64_t rows, eos[QN_MAX_EOS], n_eos;   /* of a model that is tuned: of its embedding; what ends its answers */
    qn_tok *tok;
    qn_buf tokenizer_json, tokenizer_config_json;
    qn_model *model;                    /* that is trained, or that the adapter sits on */
    qn_adapter *adapter;                /* where recipe.lora.rank > 0 */
    qn_adapter *first;                  /* one to go on with, on its way into RUN/data */
    char *begun;                        /* where that is read from; NULL: a fresh one is made */
    char begun_print[17];               /* its fingerprint */
    int32_t added[2]; int n_added;      /* tokens that are new to the model: rows of the adapter, where there is one */
    char base_print[17];                /* fingerprint of the model that it sits on; "" otherwise */
    char *base;                         /* where that lies, from any folder; NULL otherwise */
    qn_params params;
    qn_trainer *trainer;
    qn_run *run;
    /* on the way */
    qn_progress bar;
    qn_step_report last;                /* the last step */
    qn_training_work work, recent[QN_TRAINING_RECENT];      /* all steps of this process; the last of them */
    qn_measured measured;               /* the last evaluation; tokens 0: none yet */
    double start;
    qn_training_spent spent;            /* of this process */
    double step_seconds;                /* of a step with all that comes with it, as measured before; 0: not */
    double looked;                      /* when peak_bytes was */
    int64_t peak_bytes, passing;        /* most memory so far; of what comes and goes, as it was planned */
    double promised;                    /* seconds, where --time asked for so many steps as fit; NaN: it did not */
    double before;                      /* seconds that other processes took; NaN: nobody knows, one was killed */
    int64_t began_at;                   /* steps that were done before this process */
    char *prompt;                       /* what samples begin with; NULL: nothing */
    char *world;                        /* whose bits by kind are measured at each evaluation; NULL: nobody's */
    qn_bits_set bits;                   /* of that world; read when it is built */
    qn_training_tasks asked;
    qn_buf shown;                       /* the beginning of samples, as text */
    qn_ids prompt_ids, held;
    qn_buf sample;
} qn_training;

/* Either kind. */
int qn_training_open_data(qn_training *t, const char *dir);
bool qn_training_has_examples(const char *dir);
/* A prepared folder that is read again; behind the examples. QN_EINVAL: its tokens are not the model's. */
int qn_training_open_replay(qn_training *t, const char *dir);
/* Puts examples, tokenizer and template into a new folder `dir`. */
int qn_training_save_examples(const qn_training *t, const char *dir);
const char *qn_training_fingerprint(const qn_training *t);      /* of its data */
/* The special ids of a fresh model are its tokenizer's. */
void qn_training_take_ids(qn_training *t);
/* How many rows the embedding of a tuned model has, and what ends its answers. */
void qn_training_tuned(qn_training *t, int64_t rows, const int64_t *eos, int64_t n_eos);
/* Family and configuration of the model to begin with, and how it multiplies where nobody said; no weights yet. */
int qn_training_look(qn_training *t, const char *from);
/* QN_ENOMEM where the machine has less than configuration and recipe take at the very least. */
int qn_training_fits(const qn_training *t);
/* The model of t->cfg: fresh, or as `from` has it (t->cfg then comes from there too). */
int qn_training_open_model(qn_training *t, const char *from);
/* The same where the recipe says an adapter: `from` as it is, quantized or not, a fresh one on it. (training_lora.c) */
int qn_training_open_adapter(qn_training *t, const char *from);
/* --adapter: opened, held against the other options, into the recipe. QN_EUSAGE: they say otherwise. */
int qn_training_take_adapter(qn_training *t);
/* The tokenizer that it brings, where it has rows of tokens; NULL: the model's own serves. To be closed. */
int qn_training_adapter_words(const qn_training *t, qn_source **out);
/* Was it trained with the tokens of the model, whose tokenizer is open by now? QN_EINVAL. */
int qn_training_check_words(const qn_training *t);
/* … and into RUN/data/adapter, where a run begins and is taken up without whoever made it. */
int qn_training_keep_adapter(qn_training *t);
#define QN_BEGUN_FOLDER "data/adapter"
/* Says the plan of the adapter; its part of the manifest. */
void qn_training_adapter_plan(const qn_training *t);
/* "`quern chat MODEL --adapter RUN/best`" */
int qn_training_adapter_use(const qn_training *t, const char *best, qn_buf *b);
/* Of a session with the model as it is, its adapter included, that is gone before the next step. */
qn_session_options qn_training_session(const qn_training *t, int64_t context, int64_t sequences);
/* What else is measured at an evaluation (training_metrics.c): bits by kind, read when the run is built; tasks of files
 * and folders, read when they are named (again: those of a run that is taken up; what is no longer there is warned of).
 * Their names in the plan, their part of the manifest, and the hook that puts figures into the line of a step. */
int qn_training_read_bits(qn_training *t);
int qn_training_ask(qn_training *t, const char *const *path, size_t n, int64_t items, bool again);
void qn_training_say_tasks(const qn_training *t);
void qn_training_put_tasks(const qn_training *t, qn_jw *w);
int qn_training_metrics(void *arg, int64_t step, const qn_model *m, qn_jw *w);
void qn_training_tasks_drop(qn_training_tasks *a);
/* Engine and optimizer. QN_ENOMEM where the machine has less than they take. */
int qn_training_build(qn_training *t);
/* Lets engine and model go, for another recipe: both are to be made anew. */
void qn_training_unbuild(qn_training *t);
double qn_training_seconds(qn_training *t);             /* that all steps take: as measured, or a guess */
/* Says the plan: model, data, run, memory, time; or prints it as JSON. */
void qn_training_plan(qn_training *t);
int qn_training_plan_json(qn_training *t);
/* Of this machine, as the recipe multiplies: 1e9 a second. Measured when it is first asked for: what is refused, or
 * over already, does not wait for it. */
double qn_training_peak(qn_training *t);
/* "412 tokens/s"; of examples, which are not taught whole, "412 tokens/s, 97 of them taught". */
const char *qn_training_speed_text(const qn_training *t, const qn_training_work *w, char out[64]);
/* Bytes that a run takes once it is built; `all` is their sum (training_memory.c draws them). */
typedef struct { int64_t reserved, passing, program, data, all; } qn_training_memory;
qn_training_memory qn_training_memory_get(const qn_training *t);
/* QN_ENOMEM where the machine has less, but for pages of the data. Of what was built. */
int qn_training_weigh(qn_training *t);
/* What checkpoints take of the disk (training_disk.c): how many there are at once at the most; QN_EIO where `dir` has
 * not even room for one; a line of the plan, and a warning where not all fit (dir NULL: nobody knows where). */
int64_t qn_training_checkpoints(const qn_training *t);
int qn_training_room(const qn_training *t, const char *dir);
void qn_training_say_disk(const qn_training *t, const char *dir);
int64_t qn_training_prompt_most(const qn_training *t);  /* tokens that the beginning of a sample may have */
#define QN_TRAINING_LESS "a smaller --micro-batch, --context or model would fit"
#define QN_TRAINING_DOES_NOT_FIT "this plan does not fit (" QN_TRAINING_LESS ")"
const char *qn_count_text(double n, char out[32]);      /* "512", from 100000 on "0.10 M" */
/* Manifest with this state, out of everything above. */
int qn_training_manifest(qn_training *t, const char *state);
/* Says where a run is taken up, and writes so into its manifest. */
int qn_training_resumed(qn_training *t);
int qn_training_go(qn_training *t);
/* Writes into the manifest that the run ended with this error, which stays the last message. */
void qn_training_failed(qn_training *t, int rc);
/* Its last lines, or an object of JSON (training_end.c). Seconds of all its processes; NaN: nobody knows. */
int qn_training_tell_end(qn_training *t, qn_run_end end);
double qn_training_taken(const qn_training *t);
void qn_training_drop(qn_training *t);
/* A command that starts a run: what start does, everything dropped, and nothing left of a run that never began. */
int qn_training_command(qn_cli *c, int (*start)(qn_training *t));

#endif
