/* cli/eval_args.h — what `eval TASK` and `eval suite` have in common: options, scorers, showing, writing.
 *
 *     qn_eval_job j = {.c = c};
 *     … fill j.tasks, j.n_tasks …
 *     rc = qn_eval_job_run(&j, MODEL);            opens, scores, prints, writes --items and --out
 *     qn_eval_job_drop(&j); */
#ifndef QN_CLI_EVAL_ARGS_H
#define QN_CLI_EVAL_ARGS_H

#include "cli/open_model.h"
#include "cli/result_file.h"
#include "model/prompter.h"
#include "eval/baselines.h"
#include "eval/result.h"

#define QN_OPTS_EVAL                                                                                               \
    QN_OPT_INT("", "limit", NULL, 1, 1e9, "score only N items of a task, spread evenly over it"),                   \
    QN_OPT_FILE("", "vs", NULL, "compare with another MODEL, item by item"),                                        \
    QN_OPT_LIST("", "baseline", "[NAME=]PATH", "an n-gram folder, prepared data (co-occurrence), a model; repeatable"),\
    QN_OPT_INT("", "seed", "1", 0, QN_NO_LIMIT, "of the draws: intervals, and shots where there are some"),         \
    QN_OPT_FILE("", "items", NULL, "write one line of JSON per item to FILE"),                                      \
    QN_OPT_FILE("", "out", NULL, "write the result as JSON to FILE, for reports"),                                  \
    QN_OPT_REPLACE,                                                                                                 \
    QN_OPT_FILE("", "contamination", NULL, "look for the items in this text (a file or a folder) as well"),         \
    QN_OPTS_MODEL, QN_OPTS_SESSION, QN_OPT_JSON

/* A model on a session as a scorer, with its chat template. {0} may be dropped. */
typedef struct {
    qn_opened m;
    qn_prompter prompter;
    qn_scorer scorer;
} qn_model_scorer;
/* With all of --adapter. name: for tables; borrowed. */
int qn_model_scorer_open(qn_cli *c, qn_model_scorer *s, const char *path, const char *name);
/* One of several (open_model.h): with its own, and perhaps with the weights of one that is open. */
int qn_model_scorer_open_word(qn_cli *c, qn_model_scorer *s, const qn_model_word *w, const qn_model_scorer *beside,
                              const char *name);
void qn_model_scorer_drop(qn_model_scorer *s);

enum { QN_EVAL_SCORERS = 8 };       /* the model, --vs, baselines */

/* What a path of --baseline is: by what stands there. */
typedef enum { QN_BASELINE_MODEL, QN_BASELINE_NGRAM, QN_BASELINE_COUNTS } qn_baseline_kind;
typedef struct {
    qn_baseline_kind kind;
    const char *path;
    char name[32];
    qn_ngram_model ngram;
    qn_dataset *data;
    qn_tok *tok;                    /* of the data */
    qn_model_scorer model;
    qn_scorer own;                  /* of n-grams or counts */
    const qn_scorer *scorer;
} qn_baseline;

typedef struct {
    qn_cli *c;
    qn_task **tasks;
    int64_t n_tasks;
    bool detailed;                  /* show every figure and every group */
    /* filled by the run */
    qn_model_word word[QN_EVAL_SCORERS]; size_t words;      /* those of them that are models, in that order */
    qn_model_scorer model, other;
    const qn_scorer *scorer[QN_EVAL_SCORERS];
    int64_t n_scorers;              /* the model; --vs; baselines */
    qn_baseline baseline[QN_EVAL_SCORERS];
    int64_t n_baselines;
    qn_eval_options o;
    qn_suite suite;
    struct qn_contaminated *contaminated;   /* [n_tasks], or NULL */
    qn_progress bar;
} qn_eval_job;

int qn_eval_job_run(qn_eval_job *j, const char *model);
void qn_eval_job_drop(qn_eval_job *j);

/* ---- eval_baselines.c ---- */
/* Those of --baseline: models among them into j->word; all of them opened, behind the scorers that are there. */
int qn_baselines_name(qn_eval_job *j);
int qn_baselines_open(qn_eval_job *j);
void qn_baselines_drop(qn_eval_job *j);
/* "NAME=PATH" or a path alone, which is then called after its folder; of RUN/last and RUN/best, the run. `what` is for
 * messages. QN_EUSAGE: a name of no or too many bytes. */
int qn_named_path(const char *what, const char *word, char *name, size_t size, const char **path);

/* ---- eval_show.c ---- */
int qn_eval_show(qn_eval_job *j);
int qn_eval_put_json(qn_eval_job *j, qn_jw *w);
/* A text in so many columns of a table: printf counts bytes, and a dash has three. */
int qn_out_cell(qn_cli *c, const char *text, int width, bool left);

#endif
