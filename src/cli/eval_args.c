/* cli/eval_args.c — models as scorers, the run of all tasks, the files that it leaves. */
#include "cli/eval_args.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "eval/contamination.h"

enum { SEQUENCES = 64, POSITIONS = 1 << 18 };       /* fed together; positions of cache that may be reserved for them */

static int render(void *arg, qn_str messages, qn_ids *ids) {
    qn_model_scorer *s = arg;
    return qn_prompter_ask(&s->prompter, s->m.tok, messages, ids);
}

/* What is open as a scorer. */
static int open_scorer(qn_cli *c, qn_model_scorer *s, const char *name) {
    const int64_t asked = qn_cli_given(c, "ctx") ? qn_cli_int(c, "ctx") : s->m.model->cfg.context;
    const int64_t context = QN_MIN(asked, QN_CONTEXT_CAP);
    QN_TRY(qn_open_session(c, &s->m, QN_MAX(8, QN_MIN(SEQUENCES, POSITIONS / QN_MAX(context, 1)))));
    QN_TRY(qn_prompter_open(&s->prompter, qn_opened_words(&s->m), NULL, s->m.tok));
    QN_TRY(qn_session_scorer_init(&s->scorer, name, s->m.session, s->m.tok));
    s->scorer.render = render;
    s->scorer.chat = s;
    return 0;
}

int qn_model_scorer_open(qn_cli *c, qn_model_scorer *s, const char *path, const char *name) {
    QN_TRY(qn_open_model(c, path, &s->m));
    return open_scorer(c, s, name);
}

int qn_model_scorer_open_word(qn_cli *c, qn_model_scorer *s, const qn_model_word *w, const qn_model_scorer *beside,
                              const char *name) {
    QN_TRY(qn_open_word(c, w, qn_cli_weights(c), beside ? &beside->m : NULL, &s->m));
    return open_scorer(c, s, name);
}

void qn_model_scorer_drop(qn_model_scorer *s) {
    qn_session_scorer_drop(&s->scorer);
    qn_prompter_drop(&s->prompter);
    qn_opened_drop(&s->m);
}

/* ---- progress ---- */

static int on_requests(void *arg, int64_t done, int64_t n) {
    qn_eval_job *j = arg;
    return qn_progress_reach(&j->bar, done, n);
}

static int on_items(void *arg, const qn_task *t, const qn_scorer *s, int64_t done, int64_t n) {
    qn_eval_job *j = arg;
    qn_progress_note(&j->bar, "%.*s by %s: %lld of %lld items", QN_STR_ARG(t->name), s->name, (long long)done,
                     (long long)n);
    return qn_cancel_check();
}

/* ---- files ---- */

static int put_items(qn_jw *w, const qn_task_result *r, qn_buf *out) {
    for (int64_t i = 0; i < r->n; i++) {
        qn_jw_init(w, out, 0);
        qn_item_json(w, r, &r->item[i]);
        QN_TRY(qn_jw_end(w));
        QN_TRY(qn_buf_putc(out, '\n'));
    }
    return 0;
}

static int write_items(const qn_eval_job *j, const char *path) {
    qn_buf out = {0};
    qn_jw w;
    int rc = 0;
    for (int64_t t = 0; rc >= 0 && t < j->n_tasks; t++)
        if (!qn_suite_at(&j->suite, t, 0)->left_out)
            rc = put_items(&w, qn_suite_at(&j->suite, t, 0), &out);
    if (rc >= 0)
        rc = qn_write_file(path, out.n ? out.s : "", out.n);
    qn_buf_drop(&out);
    return rc;
}

static int write_result(qn_eval_job *j, const char *path) {
    qn_buf out = {0};
    qn_jw w;
    qn_jw_init(&w, &out, 2);
    int rc = qn_eval_put_json(j, &w);
    if (rc >= 0)
        rc = qn_jw_write(&w, path);
    qn_buf_drop(&out);
    return rc;
}

/* ---- the run ---- */

static int on_bytes(void *arg, int64_t bytes) {
    qn_eval_job *j = arg;
    qn_progress_set(&j->bar, bytes);
    return qn_cancel_check();
}

static int look_for_items(qn_eval_job *j, const char *path) {
    j->contaminated = qn_zalloc(QN_MEM_CLI, (size_t)j->n_tasks, sizeof *j->contaminated);
    if (!j->contaminated)
        return QN_ENOMEM;
    qn_progress_init(&j->bar, j->c, "looking for items", 0, "bytes");
    const int rc = qn_contamination((const qn_task *const *)j->tasks, j->n_tasks, path, j->contaminated, on_bytes, j);
    qn_progress_drop(&j->bar);
    return rc;
}

static int open_scorers(qn_eval_job *j, const char *model) {
    const char *vs = qn_cli_str(j->c, "vs");
    j->word[j->words++].path = model;
    if (vs)
        j->word[j->words++].path = vs;
    QN_TRY(qn_baselines_name(j));
    QN_TRY(qn_share_adapters(j->c, j->word, j->words));
    QN_TRY(qn_model_scorer_open_word(j->c, &j->model, &j->word[0], NULL, "model"));
    j->scorer[j->n_scorers++] = &j->model.scorer;
    qn_session_scorer_progress(&j->model.scorer, on_requests, j);
    if (vs) {
        QN_TRY(qn_model_scorer_open_word(j->c, &j->other, &j->word[1], &j->model, "vs"));
        j->scorer[j->n_scorers++] = &j->other.scorer;
        qn_session_scorer_progress(&j->other.scorer, on_requests, j);
    }
    return qn_baselines_open(j);
}

static int score(qn_eval_job *j) {
    j->o = (qn_eval_options){
        .limit = qn_cli_int(j->c, "limit"), .seed = (uint64_t)qn_cli_int(j->c, "seed"), .progress = on_items, .arg = j};
    qn_progress_init(&j->bar, j->c, "scoring", 0, "requests");
    const int rc = qn_eval_suite((const qn_task *const *)j->tasks, j->n_tasks, j->scorer, j->n_scorers, &j->o,
                                 &j->suite);
    qn_progress_drop(&j->bar);
    return rc;
}

static int show(qn_eval_job *j) {
    if (!qn_cli_json(j->c))
        return qn_eval_show(j);
    QN_TRY(qn_eval_put_json(j, qn_out_json(j->c, 2)));
    return qn_out_json_end(j->c);
}

/* Both files, and what is shown in any case: hours of scoring are not lost to a full disk. The first error counts. */
static int leave(qn_eval_job *j, const char *items, const char *out) {
    qn_buf why = {0};
    int rc = items ? write_items(j, items) : 0;
    if (rc >= 0 && out)
        rc = write_result(j, out);
    if (rc < 0)
        qn_buf_puts(&why, qn_error_message());
    const int shown = show(j);
    if (rc < 0 && why.n)
        qn_fail(rc, "%s", why.s);
    qn_buf_drop(&why);
    return rc < 0 ? rc : shown;
}

int qn_eval_job_run(qn_eval_job *j, const char *model) {
    const char *contamination = qn_cli_str(j->c, "contamination"), *items = qn_cli_str(j->c, "items"),
               *out = qn_cli_str(j->c, "out");
    const bool force = qn_cli_flag(j->c, "force");
    QN_TRY(qn_result_file_check(items, "items of an evaluation", qn_is_items_file, force));
    QN_TRY(qn_result_file_check(out, "a result of an evaluation", qn_is_eval_file, force));
    if (contamination)
        QN_TRY(look_for_items(j, contamination));
    QN_TRY(open_scorers(j, model));
    QN_TRY(score(j));
    return leave(j, items, out);
}

void qn_eval_job_drop(qn_eval_job *j) {
    qn_suite_drop(&j->suite);
    qn_baselines_drop(j);                   /* they may have the model's weights */
    qn_model_scorer_drop(&j->other);
    qn_model_scorer_drop(&j->model);
    for (int64_t t = 0; j->contaminated && t < j->n_tasks; t++)
        qn_contaminated_drop(&j->contaminated[t]);
    qn_free(j->contaminated);
    qn_tasks_free(j->tasks, j->n_tasks);
}
