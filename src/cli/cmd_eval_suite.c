/* cli/cmd_eval_suite.c — `quern eval suite MODEL`: all tasks of a folder as one table. */
#include "cli/eval_args.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("", "tasks", NULL, "the folder of task files (or one of them)"),
    QN_OPT_FLAG("", "details", "every figure and every group, not only the one that stands for a task"),
    QN_OPTS_EVAL,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern eval suite run/best --tasks world/eval",
    "quern eval suite model.gguf --tasks world/eval --limit 200 --out eval.json",
    "quern eval suite run/best --tasks world/eval --vs other/best --contamination world/corpus",
    "quern eval suite model.gguf --tasks world/eval --vs model.gguf --adapter tuned/best",
    NULL
};

static const char notes[] =
    "One line per task: items, the figure that stands for the task, its 95 % interval (bootstrap over items), what "
    "guessing gives (chance), what always saying the most frequent answer gives (majority). --out writes what "
    "`quern report` reads; docs/EVALUATION.md describes it.\n"
    "--adapter belongs to the model that it stands behind; the same model with and without one is loaded once.";

static int run(qn_cli *c) {
    qn_eval_job j = {.c = c, .detailed = qn_cli_flag(c, "details")};
    if (!qn_cli_str(c, "tasks"))
        return qn_fail(QN_EUSAGE, "tasks are missing: give --tasks FOLDER");
    int rc = qn_tasks_read(&j.tasks, &j.n_tasks, qn_cli_str(c, "tasks"));
    if (rc >= 0)
        rc = qn_eval_job_run(&j, qn_cli_arg(c, 0));
    qn_eval_job_drop(&j);
    return rc;
}

const qn_cmd qn_cmd_eval_suite = {
    "eval suite", "MODEL", "all tasks of a folder, one table", opts, examples, run, notes
};
