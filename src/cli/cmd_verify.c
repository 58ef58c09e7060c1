/* cli/cmd_verify.c — `quern verify A B`: what of one model stayed in another that was made of it. */
#include <string.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "cli/verify_args.h"

enum { ITEMS = 200 };

static const qn_opt opts[] = {
    QN_OPT_ENUM("", "expect", NULL, QN_VERIFY_CHOICES, "how B came out of A; without it, what both look like"),
    QN_OPT_STRING("", "data", NULL, "FILE|TEXT", "feed this text; without it texts that are built in"),
    QN_OPT_FOLDER("", "world", NULL, "compare recall on the tasks of this world as well"),
    QN_OPT_INT("", "limit", "200", 1, 1e9, "items of each of these tasks, spread evenly"),
    QN_OPT_COUNT("", "tokens", "2048", 2, 1e12, "most tokens of text"),
    QN_OPT_INT("", "ctx", NULL, 2, 16777216, "tokens of a sequence; without it 256, or what the models take"),
    QN_OPT_INT("", "seed", "1", 0, QN_NO_LIMIT, "of the ids that are drawn, and of intervals"),
    QN_OPT_FLAG("", "same-bits", "limit: every logit has the same bits"),
    QN_OPT_FLOAT("", "max-delta", NULL, 0, QN_NO_LIMIT, "limit: the greatest difference of a logit"),
    QN_OPT_FLOAT("", "max-kl", NULL, 0, QN_NO_LIMIT, "limit: mean KL(A||B), in nats a token"),
    QN_OPT_FLOAT("", "min-top1", NULL, 0, 100, "limit: positions with the same likeliest token, in %"),
    QN_OPT_FLOAT("", "max-ppl", NULL, 0, QN_NO_LIMIT, "limit: how far B's perplexity is off A's, in %"),
    QN_OPT_FLOAT("", "max-lost", NULL, 0, 100, "limit: what recall may lose on a task, in points"),
    QN_OPT_FLOAT("", "min-kept", NULL, 0, 100, "limit: what B keeps of what A's adapters do, in %"),
    QN_OPTS_MODEL,
    QN_OPT_ENUM("", "kv", NULL, QN_KV_CHOICES, "store keys and values like this; without it what is fastest here"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern verify model/ model.gguf",
    "quern verify model.gguf model-q4.gguf --expect quantize --max-kl 0.1",
    "quern verify run/best tuned/best --expect any --world world --json",
    "quern verify model.gguf model/ --weights f32 --expect exact --data wiki.txt",
    "quern verify model.gguf --adapter tuned/best merged.gguf --weights f32",
    "quern verify model.gguf model.gguf --adapter tuned/best --expect any",
    NULL
};

static const char notes[] =
    "exact asks for the same bits; merge and convert for what another order of sums, or rounding to 16 bits, changes; "
    "quantize for a mean KL of 0.05, 90 % of likeliest tokens, 5 % of perplexity; any for nothing "
    "(docs/EVALUATION.md has the table). A limit on the command line takes the place of the relation's own.\n"
    "--adapter belongs to the model that it stands behind; on A alone it expects merge, on B any. On A alone, what it "
    "does is measured, too: of that B keeps 1 - KL(A||B) / KL(A||A without it), half at least where numbers were "
    "rounded.\n"
    "Beyond a limit the exit code is 13; so it is for tokenizers that differ, whose first difference is named. Where "
    "numbers are the same but are stored otherwise, --weights f32 compares the numbers and not their products.\n"
    "The same two models give the same digits on every run; the fingerprint is that of the tokens that were fed.";

typedef struct {
    qn_verify_job v;
    qn_verify_limits limits;
    qn_buf text;
    qn_task **tasks; int64_t n_tasks;
} job;

/* A name that is no file is a text only if it looks like one. */
static int read_text(qn_cli *c, job *j) {
    const char *data = qn_cli_str(c, "data");
    if (!data)
        return 0;
    if (!qn_is_file(data) && !strpbrk(data, " \n"))
        return qn_fail(QN_ENOTFOUND, "%s: no such file; a text in place of one has more than one word", data);
    QN_TRY(qn_is_file(data) ? qn_read_file(&j->text, data, (size_t)1 << 30) : qn_buf_puts(&j->text, data));
    const size_t bad = qn_utf8_check(j->text.s ? j->text.s : "", j->text.n);
    if (bad != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "%s: byte %zu is no UTF-8", data, bad);
    j->v.o.text = j->text.s ? j->text.s : "";
    j->v.o.n = j->text.n;
    return 0;
}

/* The recall tasks of a world's folder. */
static int read_tasks(qn_cli *c, job *j) {
    const char *world = qn_cli_str(c, "world");
    qn_buf path = {0};
    int64_t kept = 0;
    int rc;
    if (!world)
        return 0;
    QN_TRY_OUT(qn_path_join(&path, world, "eval"));
    if (!qn_is_dir(path.s)) {
        rc = qn_fail(QN_ENOTFOUND, "%s: no world made by `quern data world`: it has no folder eval", world);
        goto out;
    }
    QN_TRY_OUT(qn_tasks_read(&j->tasks, &j->n_tasks, path.s));
    for (int64_t t = 0; t < j->n_tasks; t++) {
        qn_task *task = j->tasks[t];
        if (qn_str_starts(task->name, "recall"))
            j->tasks[kept++] = task;
        else
            qn_task_free(task);
    }
    j->n_tasks = kept;
    if (kept == 0)
        rc = qn_fail(QN_ENOTFOUND, "%s: no task whose name begins with \"recall\"", path.s);
    j->v.o.tasks = (const qn_task *const *)j->tasks;
    j->v.o.n_tasks = kept;
    j->v.o.task_limit = qn_cli_int(c, "limit");
out:
    qn_buf_drop(&path);
    return rc;
}

static void take(const qn_cli *c, const char *name, double scale, double *limit) {
    if (qn_cli_given(c, name))
        *limit = qn_cli_float(c, name) / scale;
}

static void take_limits(const qn_cli *c, qn_verify_limits *l) {
    *l = QN_VERIFY_NO_LIMITS;
    l->same_bits = qn_cli_flag(c, "same-bits");
    take(c, "max-delta", 1, &l->delta);
    take(c, "max-kl", 1, &l->kl);
    take(c, "min-top1", 100, &l->top1);
    take(c, "max-ppl", 100, &l->ppl);
    take(c, "max-lost", 100, &l->facts);
    take(c, "min-kept", 100, &l->kept);
}

static int put_json(qn_cli *c, job *j) {
    const qn_opened *side[2] = {&j->v.a, &j->v.b};
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_verify_json(&j->v.r, w);
    qn_jw_key(w, "models");
    qn_jw_open(w, '[');
    for (int i = 0; i < 2; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "model", side[i]->model->identity);
        qn_opened_put_adapters(side[i], w);
        qn_field_str(w, "kv", qn_dtype_get(qn_session_kv_dtype(side[i]->session))->name);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_field_str(w, "weights", qn_cli_str(c, "weights"));
    qn_field_str(w, "isa", qn_isa_name(j->v.a.kernels->isa));
    qn_jw_close(w);
    return qn_out_json_end(c);
}

/* Adapters on A may stand in B's weights; on B they are a change that nothing limits. */
static qn_verify_relation relation_of(const qn_cli *c, const qn_verify_job *v) {
    if (qn_cli_given(c, "expect"))
        return (qn_verify_relation)qn_cli_enum(c, "expect");
    return v->word[0].n_adapters > 0 && v->word[1].n_adapters == 0 ? QN_VERIFY_MERGE : QN_VERIFY_ANY;
}

static int run(qn_cli *c) {
    const char *kv = qn_cli_str(c, "kv");
    const bool detect = !qn_cli_given(c, "adapter") && !qn_cli_given(c, "expect");
    job j = {.v = {.c = c, .detect = detect, .kv = kv ? qn_dtype_from_name(qn_str_of(kv)) : -1}};
    int rc;
    j.v.weights = qn_cli_weights(c);
    j.v.word[0].path = qn_cli_arg(c, 0);
    j.v.word[1].path = qn_cli_arg(c, 1);
    QN_TRY(qn_share_adapters(c, j.v.word, 2));
    j.v.o = (qn_verify_options){
        .relation = relation_of(c, &j.v),
        .ctx = qn_cli_int(c, "ctx"), .tokens = qn_cli_int(c, "tokens"), .seed = (uint64_t)qn_cli_int(c, "seed"),
        .limits = &j.limits,
    };
    take_limits(c, &j.limits);
    QN_TRY_OUT(read_text(c, &j));
    QN_TRY_OUT(read_tasks(c, &j));
    QN_TRY_OUT(qn_verify_job_run(&j.v, qn_cli_arg(c, 0), qn_cli_arg(c, 1)));
    QN_TRY_OUT(qn_cli_json(c) ? put_json(c, &j) : qn_verify_job_put_text(&j.v));
    rc = qn_verify_verdict(&j.v.r);
out:
    qn_verify_job_drop(&j.v);
    qn_tasks_free(j.tasks, j.n_tasks);
    qn_buf_drop(&j.text);
    return rc;
}

const qn_cmd qn_cmd_verify = {
    "verify", "A B", "what of model A stayed in model B: logits, tokens, facts", opts, examples, run, notes
};
