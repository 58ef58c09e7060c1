/* cli/training_metrics.c — what else is asked of a model at each evaluation, and stands in that step's line of
 * metrics.jsonl: bits by kind of a world (--bits), tasks (--task).
 *
 *     {"step": 40, "loss": …, "eval_loss": …, "bits_fact": 1.93, "eval_task/arithmetic": 0.34}
 *
 * Each comes out of a session of its own beside the model as it is, gone before the next step. Nothing of this decides
 * a bit of the run: where a task's file is no longer there, a resume goes on without it, and says so. */
#include "cli/training.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_fields.h"
#include "cli/bits_show.h"

enum { BITS_DOCUMENTS = 100 };

/* ---- what is read before step 1 ---- */

/* Found out then that there is nothing to measure. Of examples there are no documents that could be held out. */
int qn_training_read_bits(qn_training *t) {
    const qn_bits_options o = {.world = t->world, .data = t->data ? t->data_path : NULL,
                               .max_documents = BITS_DOCUMENTS, .tok = t->tok};
    return t->world && t->bits.n == 0 ? qn_bits_set_read(&t->bits, &o) : 0;
}

/* The tasks of one path, behind those that are there. */
static int add_tasks(qn_training_tasks *a, const char *path) {
    char real[PATH_MAX];
    qn_task **task = NULL;
    int64_t n = 0;
    QN_TRY(qn_tasks_read(&task, &n, path));
    int rc = QN_GROW(QN_MEM_CLI, a->task, a->cap, (size_t)(a->n + n));
    if (rc >= 0)
        rc = QN_GROW(QN_MEM_CLI, a->path, a->path_cap, a->paths + 1);
    if (rc >= 0 && !(a->path[a->paths] = qn_str_dup(QN_MEM_CLI, qn_str_of(realpath(path, real) ? real : path))))
        rc = QN_ENOMEM;
    if (rc < 0) {
        qn_tasks_free(task, n);
        return rc;
    }
    a->paths++;
    for (int64_t i = 0; i < n; i++)
        a->task[a->n++] = task[i];
    qn_free(task);
    return 0;
}

int qn_training_ask(qn_training *t, const char *const *path, size_t n, int64_t items, bool again) {
    t->asked.items = items;
    for (size_t i = 0; i < n; i++) {
        const int rc = add_tasks(&t->asked, path[i]);
        if (rc == QN_ENOTFOUND && again)
            qn_log(QN_LOG_WARN, "%s; the run goes on without this task", qn_error_message());
        else
            QN_TRY(rc);
    }
    return 0;
}

void qn_training_tasks_drop(qn_training_tasks *a) {
    for (size_t i = 0; i < a->paths; i++)
        qn_free(a->path[i]);
    qn_free(a->path);
    qn_tasks_free(a->task, a->n);
    *a = (qn_training_tasks){0};
}

/* "tasks   arithmetic, recall: 50 items of each at every evaluation" */
void qn_training_say_tasks(const qn_training *t) {
    qn_buf names = {0};
    for (int64_t i = 0; i < t->asked.n; i++)
        qn_buf_printf(&names, "%s%.*s", i ? ", " : "", QN_STR_ARG(t->asked.task[i]->name));
    if (names.n)
        qn_log(QN_LOG_INFO, "tasks   %s: %lld items%s at every evaluation", names.s, (long long)t->asked.items,
               t->asked.n > 1 ? " of each" : "");
    qn_buf_drop(&names);
}

void qn_training_put_tasks(const qn_training *t, qn_jw *w) {
    if (t->asked.paths == 0)
        return;
    qn_field_open(w, "tasks", '[');
    for (size_t i = 0; i < t->asked.paths; i++)
        qn_jw_str(w, qn_str_of(t->asked.path[i]));
    qn_jw_close(w);
    qn_field_open(w, "task_names", '[');
    for (int64_t i = 0; i < t->asked.n; i++)
        qn_jw_str(w, t->asked.task[i]->name);
    qn_jw_close(w);
    qn_field_i64(w, "task_items", t->asked.items);
}

/* ---- bits by kind ---- */

static int put_bits(qn_training *t, const qn_scorer *scorer, qn_jw *w) {
    qn_bits_result r;
    char key[48];
    QN_TRY(qn_bits_set_score(&t->bits, scorer, NULL, NULL, &r));
    for (int row = 0; row < QN_BITS_ROWS; row++) {
        const qn_bits_sum *sum = qn_bits_row(&r, row);
        if (sum->bytes)
            qn_field_f64(w, qn_bits_row_key(row, key), sum->model / (double)sum->bytes);
    }
    return 0;
}

/* ---- tasks ---- */

static int render(void *arg, qn_str messages, qn_ids *ids) {
    qn_training *t = arg;
    return qn_prompter_ask(&t->chat.prompter, t->tok, messages, ids);
}

/* The figure that stands for it; what the model cannot do, a chat without a template, is left out. */
static int put_task(qn_training *t, const qn_task *task, const qn_scorer *scorer, int64_t step, qn_jw *w) {
    const qn_eval_options o = {.limit = t->asked.items, .seed = 1};
    qn_task_result r;
    char key[96];
    const int rc = qn_eval_task(task, scorer, &o, &r);
    if (rc >= 0 && !r.left_out && r.figures > 0) {
        const qn_figure *f = &r.figure[0];
        snprintf(key, sizeof key, "eval_task/%.*s", (int)QN_MIN(task->name.n, 80), task->name.s);
        qn_field_f64(w, key, f->value);
        qn_log(QN_LOG_INFO, "step %lld: %.*s %s %.3f (95 %%: %.3f – %.3f)", (long long)step, QN_STR_ARG(task->name),
               f->name, f->value, f->in.lo, f->in.hi);
    }
    qn_task_result_drop(&r);
    return rc;
}

static int put_all(qn_training *t, qn_session *s, int64_t step, qn_jw *w) {
    qn_scorer scorer;
    QN_TRY(qn_session_scorer_init(&scorer, "model", s, t->tok));
    if (t->chat.prompter.tmpl) {
        scorer.render = render;
        scorer.chat = t;
    }
    int rc = t->world ? put_bits(t, &scorer, w) : 0;
    for (int64_t i = 0; i < t->asked.n && rc >= 0; i++)
        rc = put_task(t, t->asked.task[i], &scorer, step, w);
    qn_session_scorer_drop(&scorer);
    return rc;
}

int qn_training_metrics(void *arg, int64_t step, const qn_model *m, qn_jw *w) {
    qn_training *t = arg;
    const qn_session_options o = qn_training_session(t, t->recipe.context, QN_TRAINING_BITS_SEQUENCES);
    qn_session *s = NULL;
    if (!t->world && t->asked.n == 0)
        return 0;
    QN_TRY(qn_session_new(&s, m, t->kernels, t->pool, &o));
    const double start = qn_now();
    const int rc = put_all(t, s, step, w);
    qn_session_free(s);
    t->spent.measuring += qn_now() - start;
    return rc;
}
