/* cli/cmd_score.c — `quern score`: how probable a text is, token by token. */
#include <math.h>
#include <string.h>

#include "base/json_fields.h"
#include "cli/open_model.h"
#include "infer/generate.h"
#include "infer/score.h"
#include "num/math.h"

#define LN2 0.69314718055994530942

static const qn_opt opts[] = {
    QN_OPT_STRING("p", "text", NULL, "TEXT", "score TEXT (- for standard input)"),
    QN_OPT_FILE("f", "file", NULL, "score what FILE holds, as one text"),
    QN_OPT_FLAG("", "lines", "each line of it is a text of its own"),
    QN_OPT_INT("", "top", "0", 0, QN_TOP_MAX, "at each place also the N likeliest tokens"),
    QN_OPT_FLAG("", "totals", "only the figures of each text, not its tokens"),
    QN_OPT_FLAG("", "parse-special", "special tokens spelled in the text are tokens, not text"),
    QN_OPTS_MODEL,
    QN_OPTS_SESSION,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern score model.gguf -p 'The capital of France is Paris.'",
    "quern score model.gguf -f answer.txt --top 3 --json",
    "quern score model.gguf -f sentences.txt --lines --totals",
    NULL
};

enum { TOGETHER = 16, ROWS = 512 };     /* short texts are fed side by side, up to so many and about so many tokens */

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_text input;
    qn_str rest;                        /* what of it is still to come; s NULL: nothing */
    int64_t n_top;
    /* of one batch */
    qn_str text[TOGETHER];
    qn_ids ids[TOGETHER];
    int64_t n, tokens;
    qn_score_text scored[TOGETHER];
    float *logprob;         size_t cap_logprob;
    qn_logprob *top;        size_t cap_top;
} scoring;

/* ---- texts ---- */

/* The next text: a line, or all of it at once. A last line without its end counts, nothing behind the last end does
 * not. */
static bool next_text(scoring *x, qn_str *text) {
    if (!x->rest.s)
        return false;
    if (!qn_cli_flag(x->c, "lines")) {
        *text = x->rest;
        x->rest = (qn_str){0};
        return true;
    }
    return qn_str_take_line(&x->rest, text);
}

/* As a prompt is encoded: what a tokenizer puts in front stays, an end behind it does not. */
static int encode(const scoring *x, qn_str text, qn_ids *ids) {
    const unsigned parse = qn_cli_flag(x->c, "parse-special") ? QN_TOK_PARSE_SPECIAL : 0;
    const int32_t eos = qn_tok_eos(x->m.tok);
    qn_ids_clear(ids);
    QN_TRY(qn_tok_encode(x->m.tok, text.s, text.n, QN_TOK_ADD_SPECIAL | parse, ids));
    if (!parse && ids->n > 1 && ids->v[ids->n - 1] == eos && qn_tok_adds(x->m.tok, eos))
        ids->n--;
    return 0;
}

static int take_batch(scoring *x) {
    x->n = x->tokens = 0;
    while (x->n < TOGETHER && x->tokens < ROWS && next_text(x, &x->text[x->n])) {
        QN_TRY(encode(x, x->text[x->n], &x->ids[x->n]));
        x->tokens += (int64_t)x->ids[x->n++].n;
    }
    return 0;
}

static int score_batch(scoring *x) {
    int64_t at = 0;
    QN_TRY(QN_GROW(QN_MEM_CLI, x->logprob, x->cap_logprob, (size_t)x->tokens + 1));
    QN_TRY(QN_GROW(QN_MEM_CLI, x->top, x->cap_top, (size_t)(x->tokens * x->n_top) + 1));
    for (int64_t i = 0; i < x->n; i++) {
        x->scored[i] = (qn_score_text){x->ids[i].v, (int64_t)x->ids[i].n, x->logprob + at,
                                       x->n_top ? x->top + at * x->n_top : NULL};
        at += (int64_t)x->ids[i].n;
    }
    return qn_score(x->m.session, x->scored, x->n, x->n_top);
}

/* ---- figures ---- */

typedef struct { double total, perplexity, bits_per_byte; int64_t scored, bytes; } figures;

/* Bytes are those of the text but for a first token of it, of which nothing is said. */
static figures sum_up(const scoring *x, int64_t i) {
    const qn_score_text *t = &x->scored[i];
    const bool own = t->n > 0 && !qn_tok_is_special(x->m.tok, t->ids[0]);
    const int64_t first = own ? (int64_t)qn_tok_piece(x->m.tok, t->ids[0]).n : 0;
    figures f = {.scored = QN_MAX(t->n - 1, 0), .bytes = QN_MAX((int64_t)x->text[i].n - first, 0)};
    for (int64_t k = 1; k < t->n; k++)
        f.total += (double)t->logprob[k];
    f.perplexity = f.scored > 0 ? qn_exp(-f.total / (double)f.scored) : NAN;
    f.bits_per_byte = f.bytes > 0 ? -f.total / LN2 / (double)f.bytes : NAN;
    return f;
}

static void put_token(const scoring *x, qn_jw *w, int32_t id, float logprob) {
    qn_field_i64(w, "id", id);
    qn_field_text(w, "text", qn_tok_piece(x->m.tok, id));
    qn_field_f64(w, "logprob", (double)logprob);        /* NaN becomes null */
}

static void put_tokens(const scoring *x, qn_jw *w, const qn_score_text *t) {
    qn_field_open(w, "tokens", '[');
    for (int64_t k = 0; k < t->n; k++) {
        qn_jw_open(w, '{');
        put_token(x, w, t->ids[k], t->logprob[k]);
        if (x->n_top > 0)
            qn_field_open(w, "top", '[');
        for (int64_t j = 0; j < x->n_top && k > 0; j++) {
            qn_jw_open(w, '{');
            put_token(x, w, t->top[k * x->n_top + j].id, t->top[k * x->n_top + j].logprob);
            qn_jw_close(w);
        }
        if (x->n_top > 0)
            qn_jw_close(w);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static int put_json(scoring *x, int64_t i) {
    const figures f = sum_up(x, i);
    qn_jw *w = qn_out_json(x->c, qn_cli_flag(x->c, "lines") ? 0 : 2);
    qn_jw_open(w, '{');
    qn_field_f64(w, "logprob", f.total);
    qn_field_i64(w, "scored", f.scored);
    qn_field_f64(w, "perplexity", f.perplexity);
    qn_field_i64(w, "bytes", f.bytes);
    qn_field_f64(w, "bits_per_byte", f.bits_per_byte);
    if (!qn_cli_flag(x->c, "totals"))
        put_tokens(x, w, &x->scored[i]);
    qn_jw_close(w);
    return qn_out_json_end(x->c);
}

static int put_piece(const scoring *x, int32_t id) {
    qn_buf quoted = {0};
    int rc = qn_json_quote(&quoted, qn_tok_piece(x->m.tok, id));
    if (rc >= 0)
        rc = qn_out_clean(x->c, qn_buf_view(&quoted));
    qn_buf_drop(&quoted);
    return rc;
}

/* "  -2.3179  3247  " Paris"     -0.91 " the"  -2.3 " Paris"" */
static int put_line(const scoring *x, const qn_score_text *t, int64_t k) {
    if (k == 0)
        QN_TRY(qn_out_printf(x->c, "%10s  %6d  ", "", (int)t->ids[k]));
    else
        QN_TRY(qn_out_printf(x->c, "%10.4f  %6d  ", (double)t->logprob[k], (int)t->ids[k]));
    QN_TRY(put_piece(x, t->ids[k]));
    for (int64_t j = 0; j < x->n_top && k > 0; j++) {
        const qn_logprob *l = &t->top[k * x->n_top + j];
        QN_TRY(qn_out_printf(x->c, "%s%.4f ", j ? "  " : "    | ", (double)l->logprob));
        QN_TRY(put_piece(x, l->id));
    }
    return qn_out_puts(x->c, "\n");
}

static int put_text(scoring *x, int64_t i) {
    const qn_score_text *t = &x->scored[i];
    const figures f = sum_up(x, i);
    for (int64_t k = 0; k < t->n && !qn_cli_flag(x->c, "totals"); k++)
        QN_TRY(put_line(x, t, k));
    QN_TRY(qn_out_printf(x->c, "log-probability %.4f of %lld tokens", f.total, (long long)f.scored));
    if (f.scored > 0)
        QN_TRY(qn_out_printf(x->c, ", perplexity %.4f", f.perplexity));
    if (f.bytes > 0)
        QN_TRY(qn_out_printf(x->c, ", %.4f bits per byte (%lld)", f.bits_per_byte, (long long)f.bytes));
    return qn_out_puts(x->c, "\n");
}

/* ---- the command ---- */

static int score_all(scoring *x) {
    int64_t line = 0;
    for (;;) {
        QN_TRY(take_batch(x));
        if (x->n == 0)
            return 0;
        const int rc = score_batch(x);
        if (rc < 0)
            return qn_cli_flag(x->c, "lines") ? qn_fail_in(rc, "lines %lld to %lld", (long long)line + 1,
                                                           (long long)(line + x->n)) : rc;
        for (int64_t i = 0; i < x->n; i++)
            QN_TRY(qn_cli_json(x->c) ? put_json(x, i) : put_text(x, i));
        QN_TRY(qn_out_flush(x->c));
        QN_TRY(qn_cancel_check());
        line += x->n;
    }
}

static int open(scoring *x) {
    qn_cli *c = x->c;
    QN_TRY(qn_cli_text_opt(c, "text", &x->input));
    x->rest = (qn_str){x->input.s, x->input.n};
    x->n_top = qn_cli_int(c, "top");
    QN_TRY(qn_open_model(c, qn_cli_arg(c, 0), &x->m));
    QN_TRY(qn_open_session(c, &x->m, qn_cli_flag(c, "lines") ? TOGETHER : 1));
    if (x->n_top > qn_session_vocabulary(x->m.session))
        return qn_fail(QN_EUSAGE, "--top %lld: the model has %lld tokens", (long long)x->n_top,
                       (long long)qn_session_vocabulary(x->m.session));
    return 0;
}

static int run(qn_cli *c) {
    scoring x = {.c = c};
    int rc = open(&x);
    if (rc >= 0)
        rc = score_all(&x);
    if (rc >= 0)
        rc = qn_opened_log(&x.m, QN_LOG_INFO, NULL);
    for (int i = 0; i < TOGETHER; i++)
        qn_ids_drop(&x.ids[i]);
    qn_free(x.logprob);
    qn_free(x.top);
    qn_text_drop(&x.input);
    qn_opened_drop(&x.m);
    return rc;
}

const qn_cmd qn_cmd_score = {
    "score", "MODEL", "how probable a text is, token by token", opts, examples, run,
    "Natural logarithms, of each token given all before it; what generate --logprobs says of a token that it chose is\n"
    "the same number. Nothing is said of the first token, unless the tokenizer puts one in front. A text that does "
    "not\nfit into the context is an error; for long texts in windows there is eval ppl.\n"
    "JSON: logprob (the sum), scored (tokens), perplexity, bytes, bits_per_byte, tokens: [{id, text, logprob, top}];\n"
    "with --lines one object per line."
};
