/* report/report_run.c — a run's folder read: manifest, metrics, samples, and what its data were.
 *
 *     RUN/manifest.json    what was asked for: must be there and of this version
 *     RUN/metrics.jsonl    columns, by record/curve.c
 *     RUN/samples.jsonl    a line each
 *     data.json            of the prepared folder that the manifest names, or RUN/data; may be gone
 *
 * Only the manifest is needed. Everything else that is broken is counted, and the page says so. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "report/members.h"
#include "report/report_impl.h"

#define SAMPLES_MAX ((size_t)256 << 20)
#define DATA_MAX ((size_t)64 << 20)
enum { SAMPLES_KEPT = 4096, FACTS_MOST = 400, DEPTH = 3 };

/* ---- texts that the report owns ---------------------------------------------------------------------------------- */

const char *qn_report_keep(qn_report *r, qn_str text) {
    if (QN_GROW(QN_MEM_BASE, r->own, r->own_cap, r->owned + 1) < 0)
        return NULL;
    char *copy = qn_str_dup(QN_MEM_BASE, text);
    if (copy)
        r->own[r->owned++] = copy;
    return copy;
}

int qn_report_take(qn_report *r, const char **out, qn_str value) {
    qn_buf b = {0};
    int rc = qn_str_is(value, "null") ? 0 : qn_value_text(&b, value);
    if (rc >= 0)
        rc = (*out = qn_report_keep(r, qn_buf_view(&b))) ? 0 : QN_ENOMEM;
    qn_buf_drop(&b);
    return rc;
}

int qn_report_remark(qn_report *r, qn_report_run *run, const char *fmt, ...) {
    char text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    QN_TRY(QN_GROW(QN_MEM_BASE, run->remark, run->remark_cap, run->remarks + 1));
    const char *kept = qn_report_keep(r, qn_str_of(text));
    if (!kept)
        return QN_ENOMEM;
    run->remark[run->remarks++] = kept;
    return 0;
}

/* ---- the manifest ------------------------------------------------------------------------------------------------ */

typedef struct { qn_report *r; qn_report_run *run; const char *group; int depth; } flattening;

/* Nested members become "outer.inner"; what lies deeper stands as it is. */
static int take_fact(void *arg, qn_str key, qn_str value) {
    const flattening *f = arg;
    qn_report_run *run = f->run;
    if (run->facts >= FACTS_MOST)
        return 0;
    if (value.n && value.s[0] == '{' && f->depth < DEPTH) {
        flattening inner = *f;
        inner.depth++;
        return qn_members_each(value, take_fact, &inner);
    }
    QN_TRY(QN_GROW(QN_MEM_BASE, run->fact, run->fact_cap, run->facts + 1));
    qn_report_fact *fact = &run->fact[run->facts];
    fact->group = f->group;
    fact->key = qn_report_keep(f->r, key);
    QN_TRY(qn_report_take(f->r, &fact->value, value));
    run->facts += fact->key != NULL && fact->value[0] && !qn_str_is(value, "[]");
    return fact->key ? 0 : QN_ENOMEM;
}

/* A word as a shell takes it. */
static int put_word(void *arg, qn_str key, qn_str value) {
    qn_buf *b = arg, word = {0};
    (void)key;
    int rc = qn_value_text(&word, value);
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+,:@%=-";
    const bool bare = word.n && strspn(word.s, plain) == word.n;
    if (rc >= 0)
        rc = qn_buf_puts(b, bare ? " " : " '");
    for (size_t i = 0; i < word.n && rc >= 0; i++)
        rc = word.s[i] == '\'' ? qn_buf_puts(b, "'\\''") : qn_buf_putc(b, word.s[i]);
    if (rc >= 0 && !bare)
        rc = qn_buf_putc(b, '\'');
    qn_buf_drop(&word);
    return rc;
}

static int take_command(qn_report *r, qn_report_run *run, qn_str manifest) {
    qn_buf b = {0};
    int rc;
    QN_TRY_OUT(qn_buf_puts(&b, "quern"));
    QN_TRY_OUT(qn_members_each(qn_member(manifest, "argv"), put_word, &b));
    run->command = qn_report_keep(r, qn_buf_view(&b));
    rc = run->command ? 0 : QN_ENOMEM;
out:
    qn_buf_drop(&b);
    return rc;
}

static int take_resumed(void *arg, qn_str key, qn_str value) {
    qn_report_run *run = arg;
    (void)key;
    QN_TRY(QN_GROW(QN_MEM_BASE, run->resumed, run->resumed_cap, run->resumes + 1));
    run->resumed[run->resumes++] = qn_member_number(value, "step");
    return 0;
}

static int take_texts(qn_report *r, qn_report_run *run, qn_str m) {
    const struct { const char **to, *path; } text[] = {
        {&run->state, "state"}, {&run->started, "started"}, {&run->changed, "changed"}, {&run->what, "what"},
        {&run->version, "version"}, {&run->isa, "isa"}, {&run->cpu, "machine.cpu"}, {&run->os, "machine.os"},
        {&run->prompt, "prompt"}, {&run->arch, "model.model_type"}, {&run->schedule, "recipe.schedule"},
        {&run->loss_type, "recipe.loss_type"}
    };
    for (size_t i = 0; i < QN_LEN(text); i++)
        QN_TRY(qn_report_take(r, text[i].to, qn_member(m, text[i].path)));
    return take_command(r, run, m);
}

static void take_numbers(qn_report_run *run, qn_str m) {
    const struct { double *to; const char *path; } number[] = {
        {&run->cores, "machine.cores"}, {&run->memory, "machine.memory"}, {&run->threads, "threads"},
        {&run->steps, "steps"}, {&run->parameters, "parameters"}, {&run->memory_planned, "memory_planned"},
        {&run->peak, "peak_flops_per_second"}, {&run->seed, "recipe.seed"}, {&run->clip, "recipe.max_grad_norm"},
        {&run->warmup, "recipe.warmup_steps"}, {&run->layers, "model.num_hidden_layers"},
        {&run->width, "model.hidden_size"}, {&run->heads, "model.num_attention_heads"},
        {&run->context, "recipe.context"}, {&run->vocab, "model.vocab_size"}
    };
    for (size_t i = 0; i < QN_LEN(number); i++)
        *number[i].to = qn_member_number(m, number[i].path);
}

typedef struct { qn_report *r; qn_report_run *run; } asking;

static int take_asked(void *arg, qn_str key, qn_str value) {
    const asking *a = arg;
    qn_report_run *run = a->run;
    const size_t k = run->n_asked;
    qn_buf b = {0};
    (void)key;
    if (k == QN_LEN(run->asked_key))
        return 0;
    QN_TRY(qn_report_take(a->r, &run->asked_name[k], value));
    int rc = qn_buf_printf(&b, "eval_task/%.80s", run->asked_name[k]);
    if (rc >= 0 && !(run->asked_key[k] = qn_report_keep(a->r, qn_buf_view(&b))))
        rc = QN_ENOMEM;
    run->n_asked += rc >= 0;
    qn_buf_drop(&b);
    return rc;
}

static int take_manifest(qn_report *r, qn_report_run *run, qn_str m) {
    asking a = {r, run};
    static const char *const groups[] = {"recipe", "model"};
    QN_TRY(take_texts(r, run, m));
    take_numbers(run, m);
    QN_TRY(qn_members_each(qn_member(m, "resumed"), take_resumed, run));
    QN_TRY(qn_members_each(qn_member(m, "task_names"), take_asked, &a));
    for (size_t i = 0; i < QN_LEN(groups); i++) {
        flattening f = {.r = r, .run = run, .group = groups[i]};
        QN_TRY(qn_members_each(qn_member(m, groups[i]), take_fact, &f));
    }
    return 0;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static int take_sample(qn_report *r, qn_report_run *run, qn_str line) {
    const double step = qn_member_number(line, "step");
    const qn_str text = qn_member(line, "text");
    if (!(step >= 0 && step < 9e15) || !text.n || text.s[0] != '"') {
        run->samples_broken++;
        return 0;
    }
    QN_TRY(QN_GROW(QN_MEM_BASE, run->sample, run->sample_cap, run->samples + 1));
    qn_report_sample *s = &run->sample[run->samples];
    s->step = (int64_t)step;
    QN_TRY(qn_report_take(r, &s->prompt, qn_member(line, "prompt")));
    QN_TRY(qn_report_take(r, &s->text, text));
    run->samples++;
    return 0;
}

static int read_samples(qn_report *r, qn_report_run *run, const char *path) {
    qn_buf text = {0};
    int rc = 0;
    if (!qn_is_file(path))
        return 0;
    QN_TRY_OUT(qn_read_file(&text, path, SAMPLES_MAX));
    for (size_t at = 0; at < text.n && run->samples < SAMPLES_KEPT;) {
        const char *newline = memchr(text.s + at, '\n', text.n - at);
        const size_t end = newline ? (size_t)(newline - text.s) : text.n;
        QN_TRY_OUT(take_sample(r, run, (qn_str){text.s + at, end - at}));
        at = end + 1;
    }
out:
    qn_buf_drop(&text);
    return rc;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

static int put_path(void *arg, qn_str key, qn_str value) {
    qn_buf *b = arg, path = {0};
    (void)key;
    int rc = qn_value_text(&path, value);
    const char *slash = rc >= 0 && path.n ? memrchr(path.s, '/', path.n - 1) : NULL;
    const size_t from = slash ? (size_t)(slash + 1 - path.s) : 0;
    if (rc >= 0 && b->n)
        rc = qn_buf_puts(b, ", ");
    if (rc >= 0)
        rc = qn_buf_put(b, path.s ? path.s + from : "", path.n - from);
    qn_buf_drop(&path);
    return rc;
}

static int take_source(void *arg, qn_str key, qn_str value) {
    const flattening *f = arg;
    qn_report_run *run = f->run;
    qn_buf paths = {0};
    (void)key;
    QN_TRY(QN_GROW(QN_MEM_BASE, run->source, run->source_cap, run->sources + 1));
    qn_report_source *s = &run->source[run->sources];
    *s = (qn_report_source){
        .files = qn_member_number(value, "files"), .documents = qn_member_number(value, "documents"),
        .duplicates = qn_member_number(value, "duplicates"), .empty = qn_member_number(value, "empty"),
        .invalid = qn_member_number(value, "invalid_characters"), .bytes = qn_member_number(value, "bytes"),
        .train_tokens = qn_member_number(value, "train.tokens"),
        .validation_tokens = qn_member_number(value, "validation.tokens")
    };
    int rc = qn_members_each(qn_member(value, "paths"), put_path, &paths);
    if (rc >= 0)
        rc = (s->paths = qn_report_keep(f->r, qn_buf_view(&paths))) ? 0 : QN_ENOMEM;
    qn_buf_drop(&paths);
    run->sources += rc >= 0;
    return rc;
}

static int add_fact(qn_report *r, qn_report_run *run, const char *key, qn_str value) {
    QN_TRY(QN_GROW(QN_MEM_BASE, run->fact, run->fact_cap, run->facts + 1));
    qn_report_fact *fact = &run->fact[run->facts];
    *fact = (qn_report_fact){.group = "data", .key = key, .value = qn_report_keep(r, value)};
    run->facts += fact->value && fact->value[0];
    return fact->value ? 0 : QN_ENOMEM;
}

/* What the data were, so that a difference between runs shows: not where they lay, but what was in them. */
static int add_data_facts(qn_report *r, qn_report_run *run, qn_str manifest, qn_str data) {
    static const char *const keys[] = {"documents", "tokens to train on", "tokens to validate"};
    flattening options = {.r = r, .run = run, .group = "data"};
    double sum[QN_LEN(keys)] = {0};
    qn_buf b = {0};
    int rc = 0;
    for (size_t i = 0; i < run->sources; i++) {
        QN_TRY_OUT(qn_buf_printf(&b, "%s%s", i ? ", " : "", run->source[i].paths));
        sum[0] += run->source[i].documents;
        sum[1] += run->source[i].train_tokens;
        sum[2] += run->source[i].validation_tokens;
    }
    QN_TRY_OUT(add_fact(r, run, "sources", qn_buf_view(&b)));
    for (size_t i = 0; i < QN_LEN(keys); i++) {
        qn_buf_clear(&b);
        QN_TRY_OUT(isfinite(sum[i]) ? qn_buf_printf(&b, "%.0f", sum[i]) : 0);
        QN_TRY_OUT(add_fact(r, run, keys[i], qn_buf_view(&b)));
    }
    QN_TRY_OUT(qn_members_each(qn_member(data, "options"), take_fact, &options));
    qn_buf_clear(&b);
    QN_TRY_OUT(qn_value_text(&b, qn_member(manifest, "data_fingerprint")));
    rc = add_fact(r, run, "fingerprint", qn_buf_view(&b));
out:
    qn_buf_drop(&b);
    return rc;
}

/* The first of the two folders that has a data.json. */
static int read_data(qn_report *r, qn_report_run *run, const char *dir, qn_str manifest) {
    qn_buf path = {0}, named = {0}, text = {0};
    flattening f = {.r = r, .run = run};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, "data/data.json"));
    if (!qn_is_file(path.s)) {
        QN_TRY_OUT(qn_value_text(&named, qn_member(manifest, "data")));
        QN_TRY_OUT(qn_path_join(&path, named.n ? named.s : dir, "data.json"));
    }
    if (!qn_is_file(path.s)) {
        qn_buf_clear(&path);                    /* examples say nothing of where they came from */
        QN_TRY_OUT(qn_path_join(&path, dir, "data/examples.bin"));
        run->data_there = qn_is_file(path.s);
        goto out;
    }
    QN_TRY_OUT(qn_read_file(&text, path.s, DATA_MAX));
    run->data_there = true;
    QN_TRY_OUT(qn_members_each(qn_member(qn_buf_view(&text), "sources"), take_source, &f));
    rc = add_data_facts(r, run, manifest, qn_buf_view(&text));
out:
    qn_buf_drop(&path);
    qn_buf_drop(&named);
    qn_buf_drop(&text);
    return rc;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int remark_all(qn_report *r, qn_report_run *run) {
    const qn_run_table *t = &run->metrics;
    int64_t none = 0, skipped = 0;
    for (size_t i = 0; i < t->n; i++) {
        none += isnan(t->column[QN_LOSS][i]);
        skipped += t->column[QN_SKIPPED][i] > 0;
    }
    if (t->n == 0)
        QN_TRY(qn_report_remark(r, run, "No step is recorded yet."));
    if (t->broken)
        QN_TRY(qn_report_remark(r, run, "%lld unreadable line%s of metrics.jsonl %s passed over.", (long long)t->broken,
                                t->broken == 1 ? "" : "s", t->broken == 1 ? "was" : "were"));
    if (run->samples_broken)
        QN_TRY(qn_report_remark(r, run, "%lld unreadable line%s of samples.jsonl %s passed over.",
                                (long long)run->samples_broken, run->samples_broken == 1 ? "" : "s",
                                run->samples_broken == 1 ? "was" : "were"));
    if (none)
        QN_TRY(qn_report_remark(r, run, "%lld step%s no finite loss: the curves have gaps there.", (long long)none,
                                none == 1 ? " has" : "s have"));
    if (skipped)
        QN_TRY(qn_report_remark(r, run, "The guard left out the update of %lld step%s.", (long long)skipped,
                                skipped == 1 ? "" : "s"));
    if (strcmp(run->state, "interrupted") == 0)
        QN_TRY(qn_report_remark(r, run, "The run was interrupted: `quern train resume` goes on with it."));
    if (strcmp(run->state, "failed") == 0)
        QN_TRY(qn_report_remark(r, run, "The run ended with an error."));
    if (!run->data_there)
        QN_TRY(qn_report_remark(r, run, "The prepared data are no longer where they were: nothing is said of them."));
    return 0;
}

static size_t part_before(const char *path, size_t end) {
    while (end > 0 && path[end - 1] != '/')
        end--;
    return end;
}

/* The last part of the path; a folder that is just called "run" takes its parent's name along. */
static const char *last_part(qn_report *r, const char *dir) {
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    size_t from = part_before(dir, n);
    if (from > 1 && n - from == 3 && memcmp(dir + from, "run", 3) == 0)
        from = part_before(dir, from - 1);
    return qn_report_keep(r, (qn_str){dir + from, n - from});
}

/* "running" of a run whose process is gone is "interrupted": record/list.c knows. */
static int read_manifest(qn_report *r, qn_report_run *run, const char *dir, qn_buf *manifest) {
    qn_run_list l;
    QN_TRY(qn_run_list_one(&l, dir, manifest));
    int rc = take_manifest(r, run, qn_buf_view(manifest));
    if (rc >= 0)
        rc = (run->state = qn_report_keep(r, qn_str_of(l.row[0].state))) ? 0 : QN_ENOMEM;
    qn_run_list_drop(&l);
    return rc;
}

const char *const qn_judged_keys[QN_JUDGED] = {
    "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen_moved",
    "logps/rejected_moved", "lengths/chosen", "lengths/rejected", "kl", "eval_rewards/margins",
    "eval_rewards/accuracies", "eval_logps/chosen_moved",
};

int qn_report_read_run(qn_report *r, qn_report_run *run, const char *dir) {
    static const char *const keys[QN_METRICS] = {"loss", "eval_loss", "eval_bits_per_byte", "learning_rate",
                                                 "grad_norm", "tokens_per_second", "flops_per_second",
                                                 "num_input_tokens_seen", "epoch", "skipped"};
    qn_buf manifest = {0}, path = {0};
    int rc;
    QN_TRY_OUT(read_manifest(r, run, dir, &manifest));
    run->path = qn_report_keep(r, qn_str_of(dir));
    run->name = last_part(r, dir);
    if (!run->path || !run->name) {
        rc = QN_ENOMEM;
        goto out;
    }
    QN_TRY_OUT(qn_run_table_read(&run->metrics, dir, keys, QN_METRICS));
    if (*run->loss_type && strcmp(run->loss_type, "nll") != 0)
        QN_TRY_OUT(qn_run_table_read(&run->judged, dir, qn_judged_keys, QN_JUDGED));
    if (run->n_asked)
        QN_TRY_OUT(qn_run_table_read(&run->asked, dir, run->asked_key, run->n_asked));
    QN_TRY_OUT(qn_path_join(&path, dir, "samples.jsonl"));
    QN_TRY_OUT(read_samples(r, run, path.s));
    QN_TRY_OUT(read_data(r, run, dir, qn_buf_view(&manifest)));
    rc = remark_all(r, run);
out:
    qn_buf_drop(&manifest);
    qn_buf_drop(&path);
    return rc;
}
