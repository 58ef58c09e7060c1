/* cli/cmd_tokenize.c — `quern tokenize`: text to tokens, as the model would see it. */
#include <stdlib.h>
#include <string.h>

#include "base/json_fields.h"
#include "cli/cli.h"
#include "model/model.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("f", "file", NULL, "read the text from FILE (- for standard input)"),
    QN_OPT_FLAG("", "ids", "print the ids on one line"),
    QN_OPT_FLAG("", "pieces", "print each token's id and text, quoted; without a choice this is what is printed"),
    QN_OPT_FLAG("", "count", "print how many"),
    QN_OPT_INT("", "time", NULL, 1, 1000, "encode N times, after one that is not counted, and print how fast that is"),
    QN_OPT_FLAG("", "no-special", "neither add nor parse special tokens"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern tokenize model.gguf 'Wie breit ist der Mühlbach?'",
    "quern tokenize model/ -f book.txt --count",
    "quern tokenize model/ -f book.txt --time 5 --threads 1",
    "quern tokenize model.gguf --no-special --ids 'what the user wrote: <|im_end|>'",
    NULL
};

static int put_ids(qn_cli *c, const qn_ids *ids) {
    for (size_t i = 0; i < ids->n; i++)
        QN_TRY(qn_out_printf(c, "%s%d", i ? " " : "", ids->v[i]));
    return qn_out_puts(c, "\n");
}

/* "ü" where the piece is text, "\xc3" where it is part of a character. */
static int put_piece(qn_cli *c, qn_buf *quoted, qn_str piece) {
    qn_buf_clear(quoted);
    if (qn_utf8_check(piece.s, piece.n) == QN_UTF8_OK) {
        QN_TRY(qn_json_quote(quoted, piece));
        return qn_out_put(c, quoted->s, quoted->n);
    }
    QN_TRY(qn_out_puts(c, "\""));
    for (size_t i = 0; i < piece.n; i++)
        QN_TRY(qn_out_printf(c, "\\x%02x", (unsigned char)piece.s[i]));
    return qn_out_puts(c, "\"");
}

static int put_pieces(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    qn_buf quoted = {0};
    int rc = 0;
    for (size_t i = 0; i < ids->n && rc >= 0; i++) {
        rc = qn_out_printf(c, "%7d  ", ids->v[i]);
        if (rc >= 0)
            rc = put_piece(c, &quoted, qn_tok_piece(tok, ids->v[i]));
        if (rc >= 0)
            rc = qn_out_puts(c, "\n");
    }
    qn_buf_drop(&quoted);
    return rc;
}

static int put_json(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    qn_jw *w = qn_out_json(c, 0);
    qn_jw_open(w, '{');
    qn_jw_key(w, "count");
    qn_jw_i64(w, (int64_t)ids->n);
    qn_field_i32s(w, "ids", ids->v, ids->n);
    qn_jw_key(w, "pieces");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < ids->n; i++)
        qn_jw_str(w, qn_tok_piece(tok, ids->v[i]));
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int put(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    if (qn_cli_json(c))
        return put_json(c, tok, ids);
    if (qn_cli_flag(c, "count"))
        return qn_out_printf(c, "%zu\n", ids->n);
    return qn_cli_flag(c, "ids") ? put_ids(c, ids) : put_pieces(c, tok, ids);
}

/* ---- how fast ---- */

/* What is encoded, by whom; seconds: [times], ascending once they are measured. */
typedef struct {
    qn_cli *c;
    qn_tok *tok;
    qn_pool *pool;
    qn_text text;
    unsigned flags;
    qn_ids ids;
    int64_t times;
    double first, *seconds;
} job;

static int encode(job *j, double *seconds) {
    const double start = qn_now();
    qn_ids_clear(&j->ids);
    QN_TRY(qn_tok_encode_parallel(j->tok, j->pool, j->text.s, j->text.n, j->flags, &j->ids));
    *seconds = qn_now() - start;
    return qn_cancel_check();
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure(job *j) {
    j->seconds = qn_zalloc(QN_MEM_CLI, (size_t)j->times, sizeof *j->seconds);
    if (!j->seconds)
        return QN_ENOMEM;
    for (int64_t i = 0; i < j->times; i++)
        QN_TRY(encode(j, &j->seconds[i]));
    qsort(j->seconds, (size_t)j->times, sizeof *j->seconds, by_size);
    return 0;
}

static double rate(const job *j, double seconds) { return (double)j->text.n / 1e6 / QN_MAX(seconds, 1e-9); }
static double median(const job *j) { return (j->seconds[(j->times - 1) / 2] + j->seconds[j->times / 2]) / 2; }

static int put_rate_json(const job *j) {
    qn_jw *w = qn_out_json(j->c, 0);
    qn_jw_open(w, '{');
    qn_field_i64(w, "bytes", (int64_t)j->text.n);
    qn_field_i64(w, "count", (int64_t)j->ids.n);
    qn_field_i64(w, "threads", qn_pool_threads(j->pool));
    qn_field_i64(w, "times", j->times);
    qn_field_f64(w, "mb_per_second", rate(j, median(j)));
    qn_field_f64(w, "least", rate(j, j->seconds[j->times - 1]));
    qn_field_f64(w, "most", rate(j, j->seconds[0]));
    qn_field_f64(w, "first", rate(j, j->first));
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

static int put_rate(job *j) {
    QN_TRY(measure(j));
    if (qn_cli_json(j->c))
        return put_rate_json(j);
    return qn_out_printf(j->c, "%.1f MB/s (%.1f – %.1f), the first time %.1f: %zu tokens of %zu bytes, %d threads\n",
                         rate(j, median(j)), rate(j, j->seconds[j->times - 1]), rate(j, j->seconds[0]),
                         rate(j, j->first), j->ids.n, j->text.n, qn_pool_threads(j->pool));
}

static int check(const qn_cli *c) {
    const int shown = qn_cli_flag(c, "ids") + qn_cli_flag(c, "pieces") + qn_cli_flag(c, "count");
    const bool timed = qn_cli_given(c, "time");
    if (shown + (qn_cli_json(c) && !timed) + timed > 1 || (shown && qn_cli_json(c)))
        return qn_fail(QN_EUSAGE,
                       "--ids, --pieces, --count, --time and --json exclude one another; --time takes --json");
    return 0;
}

static int run(qn_cli *c) {
    job j = {.c = c, .times = qn_cli_int(c, "time")};
    int rc;
    j.flags = qn_cli_flag(c, "no-special") ? QN_TOK_PLAIN : QN_TOK_DEFAULT;
    QN_TRY(check(c));
    QN_TRY_OUT(qn_cli_text(c, 1, &j.text));
    QN_TRY_OUT(qn_model_tokenizer(&j.tok, qn_cli_arg(c, 0)));
    QN_TRY_OUT(qn_cli_pool(c, &j.pool));
    QN_TRY_OUT(encode(&j, &j.first));
    rc = j.times > 0 ? put_rate(&j) : put(c, j.tok, &j.ids);
out:
    qn_free(j.seconds);
    qn_ids_drop(&j.ids);
    qn_text_drop(&j.text);
    qn_tok_free(j.tok);
    return rc;
}

const qn_cmd qn_cmd_tokenize = {
    "tokenize", "MODEL [TEXT]", "text to tokens, as the model would see it", opts, examples, run,
    "Special tokens that the text spells are tokens, and the ones that the model puts around a text are added;\n"
    "--no-special does neither. A MODEL may also be a tokenizer.json.\n"
    "A long text is encoded by all threads, where the tokenizer says for certain where words begin. The first time "
    "every word is new; later ones, as within a long text, find most words in a cache."
};
