/* cli/eval_baselines.c — `--baseline [NAME=]PATH`: what stands beside the model's figures.
 *
 * Without a name it is called after what it is: "5-gram", "co-occur", a model's folder. Results are members of a JSON
 * object by these names, so no two may be alike. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/data_args.h"
#include "cli/eval_args.h"

/* The last part of path [n], without slashes at its end. */
static qn_str last_part(const char *path, size_t n) {
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    return (qn_str){path + from, n - from};
}

/* What a model is called: its folder; of RUN/last and RUN/best, the run. */
static void name_of(const char *path, char *out, size_t size) {
    qn_str part = last_part(path, strlen(path));
    if ((qn_str_is(part, "last") || qn_str_is(part, "best")) && part.s > path)
        part = last_part(path, (size_t)(part.s - path));
    snprintf(out, size, "%.*s", (int)QN_MIN(part.n, size - 1), part.s);
}

static int open_ngram(qn_baseline *b, const char *path) {
    qn_ngram_info info;
    QN_TRY(qn_ngram_model_open(&b->ngram, path));
    qn_ngram_info_get(b->ngram.g, &info);
    if (!b->name[0])
        snprintf(b->name, sizeof b->name, "%d-gram", info.order);
    QN_TRY(qn_ngram_scorer_init(&b->own, b->name, b->ngram.g, b->ngram.tok));
    b->scorer = &b->own;
    return 0;
}

static int open_counts(qn_baseline *b, const char *path) {
    qn_buf tokenizer = {0};
    int rc;
    if (!b->name[0])
        snprintf(b->name, sizeof b->name, "co-occur");
    QN_TRY_OUT(qn_path_join(&tokenizer, path, "tokenizer.json"));
    QN_TRY_OUT(qn_model_tokenizer(&b->tok, tokenizer.s));
    QN_TRY_OUT(qn_dataset_open(&b->data, path));
    QN_TRY_OUT(qn_cooc_scorer_init(&b->own, b->name, b->data, b->tok));
    b->scorer = &b->own;
out:
    qn_buf_drop(&tokenizer);
    return rc;
}

static int open_one(qn_eval_job *j, qn_baseline *b, const qn_model_word *w) {
    if (b->kind == QN_BASELINE_NGRAM)
        return open_ngram(b, b->path);
    if (b->kind == QN_BASELINE_COUNTS)
        return open_counts(b, b->path);
    if (!b->name[0])
        name_of(b->path, b->name, sizeof b->name);
    QN_TRY(qn_model_scorer_open_word(j->c, &b->model, w, &j->model, b->name));
    b->scorer = &b->model.scorer;
    return 0;
}

/* The name in front of a path, if there is one; the path behind it. A path that is there as it stands has none. */
static int take_name(const char *what, const char *word, char *name, size_t size, const char **path) {
    const char *equals = strchr(word, '=');
    *path = word;
    if (!equals || memchr(word, '/', (size_t)(equals - word)) || qn_is_file(word) || qn_is_dir(word))
        return 0;
    const size_t n = (size_t)(equals - word);
    if (n == 0 || n >= size || !equals[1])
        return qn_fail(QN_EUSAGE, "%s %s: NAME=PATH has a name of 1 to %zu bytes and a path behind it", what, word,
                       size - 1);
    snprintf(name, size, "%.*s", (int)n, word);
    *path = equals + 1;
    return 0;
}

int qn_named_path(const char *what, const char *word, char *name, size_t size, const char **path) {
    name[0] = '\0';
    QN_TRY(take_name(what, word, name, size, path));
    if (!name[0])
        name_of(*path, name, size);
    return 0;
}

static int check_name(const qn_eval_job *j, const qn_baseline *b, const char *path) {
    for (int64_t i = 0; i < j->n_scorers; i++)
        if (strcmp(j->scorer[i]->name, b->name) == 0)
            return qn_fail(QN_EUSAGE, "--baseline %s: another column is called \"%s\" already; give this one a name, "
                           "as in --baseline other=%s", path, b->name, path);
    return 0;
}

int qn_baselines_name(qn_eval_job *j) {
    size_t n;
    const char *const *word = qn_cli_list(j->c, "baseline", &n);
    if (n > QN_EVAL_SCORERS - 2)
        return qn_fail(QN_EUSAGE, "%zu baselines; at most %d go into a table", n, QN_EVAL_SCORERS - 2);
    for (size_t i = 0; i < n; i++) {
        qn_baseline *b = &j->baseline[j->n_baselines++];
        QN_TRY(take_name("--baseline", word[i], b->name, sizeof b->name, &b->path));
        b->kind = qn_ngram_model_is(b->path)        ? QN_BASELINE_NGRAM
                  : qn_data_args_is_prepared(b->path) ? QN_BASELINE_COUNTS : QN_BASELINE_MODEL;
        if (b->kind == QN_BASELINE_MODEL)
            j->word[j->words++].path = b->path;
    }
    return 0;
}

int qn_baselines_open(qn_eval_job *j) {
    const qn_model_word *w = &j->word[j->n_scorers];
    for (int64_t i = 0; i < j->n_baselines; i++) {
        qn_baseline *b = &j->baseline[i];
        QN_TRY(open_one(j, b, w));
        w += b->kind == QN_BASELINE_MODEL;
        QN_TRY(check_name(j, b, b->path));
        j->scorer[j->n_scorers++] = b->scorer;
    }
    return 0;
}

void qn_baselines_drop(qn_eval_job *j) {
    for (int64_t i = 0; i < j->n_baselines; i++) {
        qn_baseline *b = &j->baseline[i];
        if (b->scorer && b->kind == QN_BASELINE_NGRAM)
            qn_ngram_scorer_drop(&b->own);
        if (b->scorer && b->kind == QN_BASELINE_COUNTS)
            qn_cooc_scorer_drop(&b->own);
        qn_ngram_model_drop(&b->ngram);
        qn_dataset_close(b->data);
        qn_tok_free(b->tok);
        qn_model_scorer_drop(&b->model);
    }
}
