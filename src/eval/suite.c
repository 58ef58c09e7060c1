/* eval/suite.c — many tasks by many scorers. */
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "eval/result.h"

int qn_eval_suite(const qn_task *const *tasks, int64_t n, const qn_scorer *const *scorers, int64_t n_scorers,
                  const qn_eval_options *o, qn_suite *out) {
    const double start = qn_now();
    *out = (qn_suite){.scorers = n_scorers};
    out->result = qn_zalloc(QN_MEM_BASE, (size_t)QN_MAX(n * n_scorers, 1), sizeof *out->result);
    if (!out->result)
        return QN_ENOMEM;
    out->tasks = n;
    for (int64_t t = 0; t < n; t++)
        for (int64_t s = 0; s < n_scorers; s++)
            QN_TRY(qn_eval_task(tasks[t], scorers[s], o, &out->result[t * n_scorers + s]));
    out->seconds = qn_now() - start;
    return 0;
}

const qn_task_result *qn_suite_at(const qn_suite *s, int64_t task, int64_t scorer) {
    return &s->result[task * s->scorers + scorer];
}

void qn_suite_drop(qn_suite *s) {
    for (int64_t i = 0; i < s->tasks * s->scorers; i++)
        qn_task_result_drop(&s->result[i]);
    qn_free(s->result);
    *s = (qn_suite){0};
}

/* ---- tasks of a folder ---- */

static int read_all(qn_task **tasks, int64_t *n, const char *dir, const qn_dir_names *names) {
    qn_buf path = {0};
    int rc = 0;
    for (size_t i = 0; i < names->n && rc >= 0; i++) {
        if (!qn_str_ends(qn_str_of(names->name[i]), ".jsonl"))
            continue;
        rc = qn_path_join(&path, dir, names->name[i]);
        if (rc >= 0)
            rc = qn_task_read(&tasks[*n], path.s);
        *n += rc >= 0;
    }
    qn_buf_drop(&path);
    if (rc >= 0 && *n == 0)
        rc = qn_fail(QN_EINVAL, "%s: the folder has no task files (names that end in .jsonl)", dir);
    return rc;
}

int qn_tasks_read(qn_task ***out, int64_t *n, const char *path) {
    qn_dir_names names = {0};
    const bool folder = qn_is_dir(path);
    *n = 0;
    *out = NULL;
    if (folder)
        QN_TRY(qn_dir_list(&names, path));
    *out = qn_zalloc(QN_MEM_BASE, QN_MAX(names.n, 1), sizeof **out);
    int rc = *out ? 0 : QN_ENOMEM;
    if (rc >= 0)
        rc = folder ? read_all(*out, n, path, &names) : qn_task_read(&(*out)[0], path);
    if (rc >= 0 && !folder)
        *n = 1;
    qn_dir_names_drop(&names);
    if (rc < 0) {
        qn_tasks_free(*out, *n);
        *out = NULL;
        *n = 0;
    }
    return rc;
}

void qn_tasks_free(qn_task **tasks, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        qn_task_free(tasks[i]);
    qn_free(tasks);
}
