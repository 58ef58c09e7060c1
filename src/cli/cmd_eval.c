/* cli/cmd_eval.c — `quern eval TASK MODEL`: one task, all its figures. */
#include <string.h>

#include "base/file.h"
#include "cli/eval_args.h"
#include "eval/benchmark.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("", "data", NULL, "the benchmark's file or folder, as distributed"),
    QN_OPT_INT("", "shots", NULL, 0, 64, "show N examples first; without it what is usual for the benchmark"),
    QN_OPT_FILE("", "shots-from", NULL, "examples out of this file; without it out of the data, never the item itself"),
    QN_OPT_ENUM("", "shots-draw", "once", "once|item", "the same examples for all items, or drawn anew for each"),
    QN_OPTS_EVAL,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern eval world/eval/recall_transfer.jsonl run/best",
    "quern eval hellaswag model.gguf --data hellaswag_val.jsonl --limit 1000",
    "quern eval gsm8k model/ --data test.jsonl --shots-from train.jsonl --items answers.jsonl",
    "quern eval mmlu model.gguf --data mmlu/ --vs other.gguf --json",
    NULL
};

static const char notes[] =
    "TASK is a task file (docs/EVALUATION.md says how to write one), or a benchmark with --data: arc, hellaswag, piqa, "
    "winogrande, mmlu, gsm8k, blimp. Prompts and rules are those of lm-evaluation-harness 0.4.9.\n"
    "Intervals are 95 % by bootstrap over items. --vs adds the paired difference and a sign test (McNemar's).\n"
    "--adapter belongs to the model that it stands behind: MODEL, --vs MODEL2, --baseline MODEL3. The same model with "
    "and without one is loaded once: MODEL --vs MODEL --adapter tuned/best.";

static int read_benchmark(qn_cli *c, const qn_benchmark *b, qn_task **out) {
    const qn_shot_options o = {
        .shots = qn_cli_given(c, "shots") ? qn_cli_int(c, "shots") : -1, .examples = qn_cli_str(c, "shots-from"),
        .seed = (uint64_t)qn_cli_int(c, "seed"), .each = qn_cli_enum(c, "shots-draw") == 1,
    };
    if (!qn_cli_str(c, "data"))
        return qn_fail(QN_EUSAGE, "%s needs --data: %s", b->name, b->form);
    return qn_benchmark_read(out, b, qn_cli_str(c, "data"), &o);
}

static int read_file(qn_cli *c, const char *path, qn_task **out) {
    const char *from = qn_cli_str(c, "shots-from");
    qn_task *pool = NULL;
    if (qn_cli_given(c, "data"))
        return qn_fail(QN_EUSAGE, "--data belongs to a benchmark, and \"%s\" is none", path);
    QN_TRY(qn_task_read(out, path));
    if (qn_cli_int(c, "shots") == 0)
        return 0;
    if (from)
        QN_TRY(qn_task_read(&pool, from));
    return qn_task_draw_shots(*out, pool, qn_cli_int(c, "shots"), (uint64_t)qn_cli_int(c, "seed"),
                              qn_cli_enum(c, "shots-draw") == 1);
}

static int read_task(qn_cli *c, const char *name, qn_task **out) {
    const qn_benchmark *b = qn_benchmark_find(name);
    if (b)
        return read_benchmark(c, b, out);
    if (!qn_is_file(name) && !strchr(name, '/') && !strchr(name, '.') && strcmp(name, "-") != 0)
        return qn_fail(QN_EUSAGE, "\"%s\" is no task file and no benchmark; benchmarks are arc, hellaswag, piqa, "
                       "winogrande, mmlu, gsm8k, blimp", name);
    return read_file(c, name, out);
}

static int run(qn_cli *c) {
    qn_eval_job j = {.c = c, .detailed = true};
    j.tasks = qn_zalloc(QN_MEM_BASE, 1, sizeof *j.tasks);
    if (!j.tasks)
        return QN_ENOMEM;
    j.n_tasks = 1;
    int rc = read_task(c, qn_cli_arg(c, 0), &j.tasks[0]);
    if (rc >= 0)
        rc = qn_eval_job_run(&j, qn_cli_arg(c, 1));
    qn_eval_job_drop(&j);
    return rc;
}

const qn_cmd qn_cmd_eval = {
    "eval", "TASK MODEL", "how well a model does a task", opts, examples, run, notes
};
