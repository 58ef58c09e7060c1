/* cli/data_args.c — the command line as qn_data_options. */
#include "cli/data_args.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/save.h"

/* "0.01" or "1%": 0 … 0.5. */
int qn_data_args_share(const char *text, double *out) {
    qn_str s = qn_str_of(text);
    bool percent = qn_str_ends(s, "%");
    s.n -= percent;
    if (!qn_parse_f64(s, out) || !(*out >= 0) || (*out /= percent ? 100 : 1) > 0.5)
        return qn_fail(QN_EUSAGE, "--validation %s: a share of 0 … 0.5, or as N%%", text);
    return 0;
}

/* "books/=2.5", cut at the last equals sign. */
static int read_source(const char *text, char **path, double *weight) {
    const char *sign = strrchr(text, '=');
    if (!sign || sign == text || !qn_parse_f64(qn_str_of(sign + 1), weight) || !(*weight > 0 && *weight <= 1e9))
        return qn_fail(QN_EUSAGE, "--source %s: PATH=WEIGHT, with a weight above 0", text);
    *path = qn_str_dup(QN_MEM_CLI, (qn_str){text, (size_t)(sign - text)});
    return *path ? 0 : QN_ENOMEM;
}

static bool holds(const char *dir, const char *name) {
    qn_buf path = {0};
    const bool there = qn_path_join(&path, dir, name) >= 0 && qn_is_file(path.s);
    qn_buf_drop(&path);
    return there;
}

bool qn_data_args_is_prepared(const char *dir) { return holds(dir, "data.json"); }

int qn_data_args_texts(const char *const *path, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(path[i], "-") != 0 && access(path[i], F_OK) != 0 && errno == ENOENT)
            return qn_fail(QN_ENOTFOUND, "%s: there is no such file or folder", path[i]);
        if (qn_data_args_is_prepared(path[i]))
            return qn_fail(QN_EUSAGE, "%s: is a prepared folder, not a text; one prepared folder is trained on at a "
                           "time, and to join corpora their texts are prepared together", path[i]);
        if (holds(path[i], "train-00000.tokens"))
            return qn_fail(QN_EUSAGE, "%s: was never prepared to its end: its data.json is missing; `quern data "
                           "prepare` makes it again", path[i]);
        if (holds(path[i], "manifest.json"))
            return qn_fail(QN_EUSAGE, "%s: is the folder of a run, not a text (what was prepared for it is in %s/data)",
                           path[i], path[i]);
    }
    return 0;
}

static int read_sources(qn_cli *c, const char *const *path, size_t n, qn_data_args *a) {
    size_t listed;
    const char *const *list = qn_cli_list(c, "source", &listed);
    if (n + listed == 0)
        return qn_fail(QN_EUSAGE, "no corpus: name files or folders, or --source PATH=WEIGHT");
    QN_TRY(qn_data_args_texts(path, n));
    a->path = qn_zalloc(QN_MEM_CLI, n + 1, sizeof *a->path);
    a->source = qn_zalloc(QN_MEM_CLI, listed + 1, sizeof *a->source);
    a->own = qn_zalloc(QN_MEM_CLI, listed + 1, sizeof *a->own);
    if (!a->path || !a->source || !a->own)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        a->path[i] = path[i];
    if (n)
        a->source[a->n++] = (qn_data_source){.path = a->path, .n_paths = n};
    for (size_t i = 0; i < listed; i++) {
        qn_data_source *s = &a->source[a->n];
        QN_TRY(read_source(list[i], &a->own[a->n], &s->weight));
        s->path = (const char *const *)&a->own[a->n++];
        QN_TRY(qn_data_args_texts(s->path, 1));
        s->n_paths = 1;
    }
    return 0;
}

static int read_tokenizer(const char *path, qn_data_args *a) {
    qn_source *s = NULL;
    int rc;
    if (qn_is_dir(path) && !holds(path, "tokenizer.json") && !holds(path, "config.json"))
        return qn_fail(QN_ENOTFOUND, "%s: no tokenizer.json there; --tokenizer takes that file, a folder with one, or "
                       "a model (`quern train tokenizer` makes one out of text)", path);
    QN_TRY_OUT(qn_source_open(&s, path));
    QN_TRY_OUT(qn_source_tokenizer(s, &a->tok));
    rc = qn_source_tokenizer_files(s, &a->json, &a->config);
out:
    qn_source_close(s);
    return rc;
}

int qn_data_args_read(qn_cli *c, const char *tokenizer, qn_data_args *a) {
    return qn_data_args_read_paths(c, c->arg, qn_cli_args(c), tokenizer, a);
}

int qn_data_args_read_paths(qn_cli *c, const char *const *path, size_t n, const char *tokenizer, qn_data_args *a) {
    QN_TRY(qn_data_args_share(qn_cli_str(c, "validation"), &a->o.validation));
    QN_TRY(qn_cli_size(c, "max-memory", QN_DATA_MIN_MEMORY, &a->o.max_memory));
    QN_TRY(read_sources(c, path, n, a));
    QN_TRY(read_tokenizer(tokenizer, a));
    a->o.source = a->source;
    a->o.n_sources = a->n;
    a->o.field = qn_cli_str(c, "field");
    a->o.separator = qn_cli_str(c, "separator");
    a->o.invalid = (qn_invalid)qn_cli_enum(c, "invalid");
    a->o.skip_bad = qn_cli_enum(c, "bad-lines") == 1;
    a->o.keep_duplicates = qn_cli_enum(c, "dedup") == 1;
    a->o.tokenizer_json = qn_buf_view(&a->json);
    a->o.tokenizer_config_json = qn_buf_view(&a->config);
    return 0;
}

static int progress(void *bar, int64_t bytes) {
    qn_progress_set(bar, bytes);
    return qn_cancel_check();
}

/* Bytes of all sources; 0 where that says little. */
static int sum_sizes(const qn_data_args *a, int64_t *out) {
    *out = 0;
    for (size_t i = 0; i < a->n; i++) {
        qn_corpus *corpus;
        QN_TRY(qn_corpus_open(&corpus, &(qn_corpus_options){.path = a->source[i].path,
                                                            .n_paths = a->source[i].n_paths}));
        int64_t size = qn_corpus_size(corpus);
        qn_corpus_close(corpus);
        if (size == 0) {
            *out = 0;
            return 0;
        }
        *out += size;
    }
    return 0;
}

int qn_data_args_prepare(qn_cli *c, qn_data_args *a, const char *folder, qn_data_result *r) {
    qn_pool *pool;
    qn_progress bar;
    int64_t size;
    QN_TRY(sum_sizes(a, &size));
    QN_TRY(qn_cli_pool(c, &pool));
    qn_progress_init(&bar, c, "preparing", size, "bytes");
    a->o.out = folder;
    a->o.progress = progress;
    a->o.arg = &bar;
    int rc = qn_data_prepare(&a->o, a->tok, pool, r);
    qn_progress_drop(&bar);
    return rc;
}

void qn_data_args_drop(qn_data_args *a) {
    qn_tok_free(a->tok);
    qn_buf_drop(&a->json);
    qn_buf_drop(&a->config);
    for (size_t i = 0; i < a->n; i++)
        qn_free(a->own[i]);
    qn_free(a->own);
    qn_free(a->source);
    qn_free(a->path);
    *a = (qn_data_args){0};
}
