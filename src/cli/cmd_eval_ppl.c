/* cli/cmd_eval_ppl.c — `quern eval ppl`: how well a model predicts a text. */
#include "base/json_fields.h"
#include "cli/open_model.h"
#include "eval/eval.h"

#define WINDOW 512
#define ROWS_TOGETHER 512       /* short windows are fed side by side until a run has this many tokens */

static const qn_opt opts[] = {
    QN_OPT_FILE("f", "file", NULL, "the text to predict, UTF-8 (- for standard input)"),
    QN_OPT_INT("", "ctx", NULL, 3, 16777216, "cut the text into windows of N tokens; without it 512, or the model's"),
    QN_OPT_ENUM("", "protocol", "half", "half|full", "score each window's second half, or all of it"),
    QN_OPT_INT("", "max-bytes", NULL, 1, 1e15, "take only the first N bytes of the text"),
    QN_OPT_INT("", "windows", NULL, 1, 1e15, "score only the first N windows"),
    QN_OPTS_MODEL,
    QN_OPT_ENUM("", "kv", NULL, QN_KV_CHOICES, "store keys and values like this; without it what is fastest here"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern eval ppl model.gguf -f wiki.txt",
    "quern eval ppl model/ -f wiki.txt --ctx 2048 --protocol full --json",
    "quern eval ppl model.gguf -f wiki.txt --max-bytes 102400 --weights f32",
    NULL
};

static const char notes[] =
    "half: windows of N tokens, BOS first where the model adds one, the second half of each window scored: what "
    "llama.cpp's llama-perplexity does.\n"
    "full: every token of a window but its first is scored: what GPTQ and AWQ publish, with --ctx 2048.\n"
    "Compare figures of one protocol, window and tokenizer only. JSON: ppl, stderr (of ppl), tokens (scored), nll "
    "(mean, in nats) and what they were made with.";

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_text text;
    qn_ppl_options o;
    qn_ppl_result r;
    qn_progress bar;
} job;

static int on_windows(void *arg, const qn_ppl_result *r) {
    job *j = arg;
    j->bar.total = r->windows * (r->fed / r->windows_done);
    qn_progress_note(&j->bar, "window %lld of %lld, ppl %.3f", (long long)r->windows_done, (long long)r->windows,
                     r->ppl);
    qn_progress_set(&j->bar, r->fed);
    return qn_cancel_check();
}

/* The first --max-bytes, without half a character at their end. */
static void cut_text(const qn_cli *c, qn_text *t) {
    const int64_t most = qn_cli_given(c, "max-bytes") ? qn_cli_int(c, "max-bytes") : INT64_MAX;
    if ((uint64_t)most < t->n)
        t->n = (size_t)most - qn_utf8_pending(t->s, (size_t)most);
}

static int put_text(job *j) {
    qn_buf model = {0};
    int rc = qn_opened_describe(&j->m, &model);
    if (rc >= 0)
        rc = qn_out_printf(j->c, "perplexity %.4f ± %.4f\n"
                           "%lld tokens scored in %lld windows of %lld (%s) out of %lld tokens of text\n"
                           "%s\n%.1f s, %.0f tokens/s\n",
                           j->r.ppl, j->r.std_error, (long long)j->r.tokens, (long long)j->r.windows_done,
                           (long long)j->o.ctx, qn_ppl_protocol_name(j->o.protocol), (long long)j->r.text_tokens,
                           model.s, j->r.seconds, (double)j->r.fed / j->r.seconds);
    qn_buf_drop(&model);
    return rc;
}

static int put_json(job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    qn_jw_open(w, '{');
    qn_field_f64(w, "ppl", j->r.ppl);
    qn_field_f64(w, "stderr", j->r.std_error);
    qn_field_i64(w, "tokens", j->r.tokens);
    qn_field_f64(w, "nll", j->r.nll / (double)j->r.tokens);
    qn_field_i64(w, "windows", j->r.windows_done);
    qn_field_str(w, "protocol", qn_ppl_protocol_name(j->o.protocol));
    qn_field_i64(w, "ctx", j->o.ctx);
    qn_field_i64(w, "text_tokens", j->r.text_tokens);
    qn_field_i64(w, "text_bytes", (int64_t)j->text.n);
    qn_field_f64(w, "seconds", j->r.seconds);
    qn_field_f64(w, "tokens_per_second", (double)j->r.fed / j->r.seconds);
    qn_field_str(w, "model", j->m.model->identity);
    qn_field_str(w, "file", qn_source_path(j->m.source));
    qn_opened_put_adapters(&j->m, w);
    qn_field_str(w, "weights", qn_cli_str(j->c, "weights"));
    qn_field_str(w, "kv", qn_dtype_get(qn_session_kv_dtype(j->m.session))->name);
    qn_field_str(w, "isa", qn_isa_name(j->m.kernels->isa));
    qn_field_i64(w, "threads", qn_pool_threads(j->m.pool));
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

/* What --ctx says; else 512, or what a model of less was made for. */
static int64_t window(const qn_cli *c, const qn_model *m) {
    if (qn_cli_given(c, "ctx"))
        return qn_cli_int(c, "ctx");
    if (m->cfg.context < WINDOW)
        qn_log(QN_LOG_INFO, "windows of %lld tokens: the model was made for no more", (long long)m->cfg.context);
    return QN_MIN(WINDOW, m->cfg.context);
}

static int run(qn_cli *c) {
    job j = {.c = c};
    int rc;
    if (!qn_cli_str(c, "file"))
        return qn_fail(QN_EUSAGE, "a text is missing: give -f FILE (- for standard input)");
    j.o = (qn_ppl_options){
        .protocol = qn_cli_enum(c, "protocol") == 0 ? QN_PPL_HALF : QN_PPL_FULL,
        .max_windows = qn_cli_int(c, "windows"), .progress = on_windows, .arg = &j,
    };
    QN_TRY_OUT(qn_cli_text(c, 1, &j.text));
    cut_text(c, &j.text);
    QN_TRY_OUT(qn_open_model(c, qn_cli_arg(c, 0), &j.m));
    j.o.ctx = window(c, j.m.model);
    j.o.sequences = QN_MAX(1, ROWS_TOGETHER / j.o.ctx);
    QN_TRY_OUT(qn_open_session_of(c, &j.m, j.o.sequences, j.o.ctx));
    qn_progress_init(&j.bar, c, "scoring", 0, "tokens");
    rc = qn_eval_ppl(j.m.session, j.m.tok, j.text.s, j.text.n, &j.o, &j.r);
    qn_progress_drop(&j.bar);
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
out:
    qn_text_drop(&j.text);
    qn_opened_drop(&j.m);
    return rc;
}

const qn_cmd qn_cmd_eval_ppl = {
    "eval ppl", "MODEL", "perplexity of a model on a text", opts, examples, run, notes
};
