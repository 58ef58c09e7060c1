/* cli/counting.c — n-grams out of a prepared folder. */
#include "cli/counting.h"

#include <string.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "record/record.h"

enum { CHUNK = 1 << 16 };
#define FILE_MAX ((size_t)256 << 20)

typedef struct {
    qn_cli *c;
    qn_dataset *data;
    qn_ngram_counter *counter;
    qn_ngram *g;
    int32_t *ids;                   /* [CHUNK] */
    int64_t most;                   /* tokens; first 0: all, then how many */
    qn_progress bar;
} job;

static int check_memory(const qn_dataset *d, int order, int64_t tokens) {
    const int64_t need = qn_ngram_bytes(order, tokens);
    qn_machine m;
    qn_machine_get(&m);
    if (m.memory <= 0 || need <= m.memory)
        return 0;
    return qn_fail(QN_ENOMEM, "%s: counting %lld tokens takes up to %.1f GB, the machine has %.1f; a lower --order or "
                   "--max-tokens fits", qn_dataset_path(d), (long long)tokens, (double)need / 1e9,
                   (double)m.memory / 1e9);
}

/* A document may be longer than memory for it here: it goes in piece by piece. */
static int add_document(job *j, int64_t from, int64_t n) {
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t part = QN_MIN(n - at, CHUNK);
        QN_TRY(qn_dataset_read(j->data, QN_SPLIT_TRAIN, from + at, part, j->ids));
        QN_TRY(qn_ngram_counter_add(j->counter, j->ids, part));
    }
    qn_ngram_counter_end(j->counter);
    return qn_cancel_check();
}

/* The bar runs over twice the tokens: reading them, then the sort and the walk over them. */
static int on_share(void *arg, double share) {
    job *j = arg;
    qn_progress_set(&j->bar, (int64_t)((0.2 + 0.8 * share) * (double)j->bar.total));
    return qn_cancel_check();
}

static int count(job *j, int order) {
    const qn_split_info train = qn_dataset_info(j->data, QN_SPLIT_TRAIN);
    j->most = j->most > 0 ? QN_MIN(j->most, train.tokens) : train.tokens;
    QN_TRY(check_memory(j->data, order, j->most));
    QN_TRY(qn_ngram_counter_new(&j->counter, order, qn_dataset_vocab(j->data)));
    QN_TRY(qn_ngram_counter_reserve(j->counter, j->most, train.documents));
    j->ids = qn_alloc(QN_MEM_CLI, CHUNK * sizeof *j->ids);
    if (!j->ids)
        return QN_ENOMEM;
    qn_progress_init(&j->bar, j->c, "counting", j->most, "tokens");
    for (int64_t i = 0, from = 0, n = 0; i < train.documents && from + n < j->most; i++) {
        qn_dataset_document(j->data, QN_SPLIT_TRAIN, i, &from, &n);
        QN_TRY(add_document(j, from, QN_MIN(n, j->most - from)));
        qn_progress_set(&j->bar, (int64_t)(0.2 * (double)(from + n)));
    }
    QN_TRY(qn_ngram_build(j->counter, on_share, j, &j->g));
    qn_progress_drop(&j->bar);
    return 0;
}

/* One file of the tokenizer, where the data have it. */
static int copy_beside(const char *from, const char *to, const char *name) {
    qn_buf path = {0}, text = {0};
    int rc = qn_path_join(&path, from, name);
    if (rc >= 0 && qn_is_file(path.s)) {
        rc = qn_read_file(&text, path.s, FILE_MAX);
        if (rc >= 0)
            rc = qn_path_join(&path, to, name);
        if (rc >= 0)
            rc = qn_write_file(path.s, text.s, text.n);
    }
    qn_buf_drop(&text);
    qn_buf_drop(&path);
    return rc;
}

/* The table comes last: where it is, all is. */
static int write_files(job *j, const char *data, const char *out) {
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_dir_make(out));
    QN_TRY_OUT(copy_beside(data, out, "tokenizer.json"));
    QN_TRY_OUT(copy_beside(data, out, "tokenizer_config.json"));
    QN_TRY_OUT(qn_path_join(&path, out, QN_NGRAM_FILE));
    rc = qn_ngram_write(j->g, path.s);
out:
    qn_buf_drop(&path);
    return rc;
}

static int on_held_out(void *arg, int64_t done, int64_t n) {
    job *j = arg;
    return qn_progress_reach(&j->bar, done, n);
}

/* What stands on the disk now, as others will open it. */
static int measure(job *j, const char *out, qn_held_out *held) {
    qn_ngram_model m;
    qn_scorer s = {0};
    int rc;
    if (qn_dataset_info(j->data, QN_SPLIT_VALIDATION).tokens == 0)
        return 0;
    QN_TRY(qn_ngram_model_open(&m, out));
    QN_TRY_OUT(qn_ngram_scorer_init(&s, "n-gram", m.g, m.tok));
    qn_progress_init(&j->bar, j->c, "measuring", 0, "tokens");
    rc = qn_eval_held_out(&s, j->data, QN_SPLIT_VALIDATION, 0, on_held_out, j, held);
    qn_progress_drop(&j->bar);
out:
    qn_ngram_scorer_drop(&s);
    qn_ngram_model_drop(&m);
    return rc;
}

int qn_count_ngrams(qn_cli *c, const char *data, int order, int64_t max_tokens, const char *out, qn_counted *r) {
    job j = {.c = c, .most = max_tokens};
    const double start = qn_now();
    int rc;
    *r = (qn_counted){0};
    QN_TRY_OUT(qn_dataset_open(&j.data, data));
    QN_TRY_OUT(count(&j, order));
    qn_ngram_info_get(j.g, &r->info);
    QN_TRY_OUT(write_files(&j, data, out));
    r->seconds = qn_now() - start;
    rc = measure(&j, out, &r->held);
out:
    qn_free(j.ids);
    qn_ngram_free(j.g);
    qn_ngram_counter_free(j.counter);
    qn_dataset_close(j.data);
    return rc;
}

void qn_counted_put(const qn_counted *r, qn_jw *w) {
    qn_field_i64(w, "order", r->info.order);
    qn_field_i64(w, "vocab", r->info.vocab);
    qn_field_i64(w, "tokens", r->info.tokens);
    qn_field_i64(w, "documents", r->info.documents);
    qn_field_i64(w, "bytes", r->info.bytes);
    qn_field_f64(w, "seconds", r->seconds);
    qn_jw_key(w, "grams");
    qn_jw_open(w, '[');
    for (int n = 0; n < r->info.order; n++)
        qn_jw_i64(w, r->info.grams[n]);
    qn_jw_close(w);
    if (r->held.tokens) {
        qn_field_f64(w, "eval_loss", r->held.loss);
        qn_field_f64(w, "eval_bits_per_byte", r->held.bits_per_byte);
    }
    qn_field_i64(w, "peak_memory_bytes", qn_cli_peak_bytes());
}
