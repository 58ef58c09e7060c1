/* eval/result.h — a task run by a scorer: what came of each item, and the figures that sum it up.
 *
 *   run_task.c   items to requests, requests to item results       figures.c   item results to figures with intervals
 *   suite.c      tasks × scorers; two models item by item           result_json.c   all of it as JSON
 *
 *     qn_suite suite;
 *     QN_TRY(qn_eval_suite(tasks, n, scorers, n_scorers, &options, &suite));     // the first scorer is the model
 *     … qn_suite_at(&suite, task, scorer)->figure[0].value …
 *     qn_suite_drop(&suite); */
#ifndef QN_EVAL_RESULT_H
#define QN_EVAL_RESULT_H

#include "base/json.h"
#include "eval/judge.h"
#include "eval/scorer.h"
#include "eval/stats.h"

typedef struct {
    const qn_task_item *item;
    const double *logprob;          /* [choices] Σ ln p of each; NULL otherwise */
    int64_t pick, pick_norm;        /* the likeliest choice: by sum, per byte */
    bool greedy;                    /* the right choice is what the scorer would have written */
    qn_verdict verdict;             /* generate */
    qn_str answer;
    double confidence;              /* generate: mean ln p of the answer's tokens */
    double nats;                    /* text: Σ −ln p */
    int64_t tokens;                 /* scored or written */
    bool cut;                       /* the context was cut at the left */
} qn_item_result;

/* lo, hi: the 95 % interval. n: the items that count for it. */
typedef struct { const char *name; double value; qn_interval in; int64_t n; } qn_figure;
typedef struct { qn_str key, value; qn_figure figure; } qn_group_figure;
enum { QN_FIGURES_MAX = 12 };

typedef struct {
    const qn_task *task;
    const char *scorer;
    bool left_out;                  /* this scorer cannot do the task: no items, no figures */
    qn_item_result *item;           /* [n], in the order of the task */
    int64_t n, cut;
    qn_figure figure[QN_FIGURES_MAX];       /* [figures], the one that stands for the task first */
    int figures;
    qn_group_figure *group;         /* [groups] of figure[0], keys in the order of their first item */
    size_t groups, group_cap;
    double chance, majority;        /* NaN: means nothing here */
    double seconds;
    qn_task *memory;                /* where answers and log-probabilities live */
} qn_task_result;

/* Called as items are done; a negative return ends the evaluation with that error. */
typedef int qn_eval_progress_fn(void *arg, const qn_task *t, const qn_scorer *s, int64_t done, int64_t n);

typedef struct {
    int64_t limit;                  /* items per task, spread evenly over it; 0: all */
    uint64_t seed;                  /* of the draws behind the intervals */
    int64_t draws;                  /* 0: QN_BOOTSTRAP_DRAWS */
    qn_eval_progress_fn *progress;
    void *arg;
} qn_eval_options;

/* The whole of one task by one scorer. Drop the result in any case. An item that cannot be scored is an error with the
 * task's name and the item's. */
int qn_eval_task(const qn_task *t, const qn_scorer *s, const qn_eval_options *o, qn_task_result *r);
void qn_task_result_drop(qn_task_result *r);
/* Which of `all` items is number i of n that are spread evenly over them: even and odd ones by turns, because in many
 * files the two sides of a question take turns, and a step of an even size would meet one side only. */
int64_t qn_spread(int64_t i, int64_t n, int64_t all);

/* ---- figures.c ---- */

int qn_task_figures(qn_task_result *r, const qn_eval_options *o);
/* What item counts for figure[0]: num and den of qn_bootstrap. den 0: it does not. */
void qn_main_series(const qn_task_result *r, const qn_item_result *i, double *num, double *den);
/* The same for any figure of the task, by its name; false: there is none, or the item does not count for it. */
bool qn_item_series(const qn_task_result *r, const char *figure, const qn_item_result *i, double *num, double *den);
bool qn_lower_is_better(const qn_task_result *r);
/* Bytes of a choice without the blank in front, at least 1: what acc_norm divides by. */
int64_t qn_choice_bytes(qn_str choice);

/* Two models on the same items of one task. difference: of figure[0], a − b, paired. better, worse: items. */
typedef struct { double difference; qn_interval in; int64_t better, worse; double p; } qn_comparison;
int qn_compare(const qn_task_result *a, const qn_task_result *b, const qn_eval_options *o, qn_comparison *out);

/* ---- suite.c ---- */

typedef struct { qn_task_result *result; int64_t tasks, scorers; double seconds; } qn_suite;

/* Every task by every scorer; result[task · scorers + scorer]. Callable while a model trains, between two steps: the
 * scorer's session is reset first and sees the weights as they are. Drop the suite in any case. */
int qn_eval_suite(const qn_task *const *tasks, int64_t n, const qn_scorer *const *scorers, int64_t n_scorers,
                  const qn_eval_options *o, qn_suite *out);
const qn_task_result *qn_suite_at(const qn_suite *s, int64_t task, int64_t scorer);
void qn_suite_drop(qn_suite *s);
/* The task files (.jsonl) of a folder, in the order of their names; a path that is a file: that one. The caller frees
 * them (qn_tasks_free). QN_EINVAL: a folder without any. */
int qn_tasks_read(qn_task ***out, int64_t *n, const char *path);
void qn_tasks_free(qn_task **tasks, int64_t n);

/* ---- result_json.c ---- */

/* "tasks": […] as a member of the object that is open (docs/EVALUATION.md). */
void qn_suite_json(qn_jw *w, const qn_suite *s);
void qn_task_result_json(qn_jw *w, const qn_task_result *r);        /* the members of one task's object */
/* One object per item, for a stream of lines. */
void qn_item_json(qn_jw *w, const qn_task_result *r, const qn_item_result *i);

#endif
