/* cli/cmd_generate.c — `quern generate`: a prompt continued, streamed token by token. */
#include <stdio.h>

#include "base/json_fields.h"
#include "model/prompter.h"
#include "cli/draft_args.h"
#include "cli/sampling.h"

static const qn_opt opts[] = {
    QN_OPT_STRING("p", "prompt", NULL, "TEXT", "continue TEXT (- for standard input)"),
    QN_OPT_FILE("f", "file", NULL, "continue what FILE holds"),
    QN_OPT_INT("n", "tokens", "128", -1, 16777216, "stop after N tokens; -1: when the context is full"),
    QN_OPTS_SAMPLING,
    QN_OPTS_GRAMMAR,
    QN_OPT_FLAG("", "chat", "the prompt is what a user says: apply the chat template"),
    QN_OPT_STRING("", "system", NULL, "TEXT", "with --chat: the system message"),
    QN_OPT_FLAG("", "parse-special", "special tokens spelled in the prompt are tokens, not text"),
    QN_OPT_FLAG("", "echo", "print the prompt first"),
    QN_OPT_INT("", "logprobs", NULL, 0, QN_TOP_MAX, "with --json: log-probabilities, also of the N likeliest"),
    QN_OPTS_MODEL,
    QN_OPTS_SESSION,
    QN_OPTS_DRAFT,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern generate model.gguf -p 'Once upon a time' -n 64",
    "quern generate model.gguf --chat -p 'Why is the sky blue?'",
    "quern generate model/ -f start.txt --temp 0.8 --top-p 0.95 --seed 7 --stop '\n\n'",
    "quern generate model.gguf -p '2 + 2 =' -n 1 --json --logprobs 5",
    "quern generate model.gguf --chat -f file.c --draft ngram",
    NULL
};

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_text prompt;
    qn_sampling sampling;
    qn_draft draft;
    qn_prompter prompter;               /* with --chat */
    qn_ids ids, held;
    qn_buf text;                        /* the answer; without --json only whether it ended a line matters */
    size_t echoed;                      /* of it, the prompt */
    /* for --json */
    qn_ids tokens;
    qn_logprob *logprob;                /* per token its own, then n_top alternatives */
    size_t logprobs, cap;
    qn_generate_result result;
} job;

/* ---- the prompt ---- */

static int chat_ids(job *g) {
    const char *system = qn_cli_str(g->c, "system");
    qn_prompter *p = &g->prompter;
    qn_chat_messages *messages = NULL;
    int rc;
    QN_TRY_OUT(qn_chat_messages_new(&messages));
    if (system)
        QN_TRY_OUT(qn_chat_messages_add(messages, "system", qn_str_of(system)));
    QN_TRY_OUT(qn_chat_messages_add(messages, "user", (qn_str){g->prompt.s, g->prompt.n}));
    QN_TRY_OUT(qn_prompter_open(p, qn_opened_words(&g->m), NULL, g->m.tok));
    QN_TRY_OUT(qn_prompter_render(p, messages, true));
    QN_TRY_OUT(qn_prompter_ids(p, g->m.tok, &g->ids));
    if (!p->own)
        qn_log(QN_LOG_INFO, "the model has no chat template; ChatML is used");
out:
    qn_chat_messages_free(messages);
    return rc;
}

/* A prompt is to be continued: an end that the tokenizer puts behind a text is taken off again. */
static int plain_ids(job *g) {
    const unsigned parse = qn_cli_flag(g->c, "parse-special") ? QN_TOK_PARSE_SPECIAL : 0;
    const int32_t eos = qn_tok_eos(g->m.tok);
    QN_TRY(qn_tok_encode(g->m.tok, g->prompt.s, g->prompt.n, QN_TOK_ADD_SPECIAL | parse, &g->ids));
    if (!parse && g->ids.n > 1 && g->ids.v[g->ids.n - 1] == eos && qn_tok_adds(g->m.tok, eos))
        g->ids.n--;
    return 0;
}

/* ---- the answer ---- */

static int keep_logprobs(job *g, const qn_token_event *e) {
    QN_TRY(QN_GROW(QN_MEM_CLI, g->logprob, g->cap, g->logprobs + 1 + (size_t)e->n_top));
    g->logprob[g->logprobs++] = (qn_logprob){e->id, e->logprob};
    for (int64_t i = 0; i < e->n_top; i++)
        g->logprob[g->logprobs++] = e->top[i];
    return 0;
}

static int on_token(void *arg, const qn_token_event *e) {
    job *g = arg;
    if (qn_cli_json(g->c)) {
        QN_TRY(qn_buf_put(&g->text, e->text.s, e->text.n));
        if (e->id >= 0)
            QN_TRY(qn_ids_push(&g->tokens, e->id));
        return e->id >= 0 && g->sampling.o.logprobs ? keep_logprobs(g, e) : 0;
    }
    if (e->text.n == 0)
        return 0;
    qn_buf_clear(&g->text);
    QN_TRY(qn_buf_put(&g->text, e->text.s, e->text.n));
    QN_TRY(qn_out_put(g->c, e->text.s, e->text.n));
    return qn_out_flush(g->c);
}

static void put_logprob(const job *g, qn_jw *w, const qn_logprob *l) {
    qn_jw_key(w, "id");
    qn_jw_i64(w, l->id);
    qn_jw_key(w, "text");
    qn_jw_str(w, qn_tok_piece(g->m.tok, l->id));
    qn_jw_key(w, "logprob");
    qn_jw_f64(w, (double)l->logprob);
}

static void put_logprobs(const job *g, qn_jw *w) {
    const size_t step = 1 + (size_t)g->sampling.o.n_top;
    qn_jw_key(w, "logprobs");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < g->logprobs; i += step) {
        qn_jw_open(w, '{');
        put_logprob(g, w, &g->logprob[i]);
        qn_jw_key(w, "top");
        qn_jw_open(w, '[');
        for (size_t k = 1; k < step; k++) {
            qn_jw_open(w, '{');
            put_logprob(g, w, &g->logprob[i + k]);
            qn_jw_close(w);
        }
        qn_jw_close(w);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

/* With --chat: the answer taken apart, with the marks that are special tokens, which "text" leaves out. */
static int put_message(job *g, qn_jw *w) {
    qn_answer_options o = {.form = g->prompter.form, .calls = true, .id_seed = g->sampling.o.sampler.seed};
    qn_answer_parts parts = {0};
    qn_buf said = {0};
    int rc = 0;
    qn_answer_expect(&o, qn_buf_view(&g->prompter.out.text), g->sampling.o.sampler.guide != NULL);
    if (g->prompter.spelled && g->result.reason != QN_STOP_STRING)      /* a stop string is in the tokens still */
        QN_TRY_OUT(qn_tok_decode(g->m.tok, g->tokens.v, g->tokens.n, 0, &said));
    else if (g->text.n > g->echoed)
        QN_TRY_OUT(qn_buf_put(&said, g->text.s + g->echoed, g->text.n - g->echoed));
    QN_TRY_OUT(qn_answer_parse(&o, qn_buf_view(&said), &parts));
    qn_jw_key(w, "message");
    qn_jw_open(w, '{');
    qn_answer_parts_write(&parts, w);
    qn_jw_close(w);
out:
    qn_answer_parts_drop(&parts);
    qn_buf_drop(&said);
    return rc;
}

static int put_json(job *g) {
    qn_buf model = {0};
    int rc = qn_opened_describe(&g->m, &model);
    qn_jw *w = qn_out_json(g->c, 2);
    qn_jw_open(w, '{');
    qn_jw_key(w, "text");
    qn_jw_str(w, qn_buf_view(&g->text));
    if (rc >= 0 && qn_cli_flag(g->c, "chat"))
        rc = put_message(g, w);
    qn_field_i32s(w, "tokens", g->tokens.v, g->tokens.n);
    qn_put_result_json(w, &g->m, &g->result);
    qn_draft_put_json(w, &g->draft, &g->result);
    qn_jw_key(w, "seed");
    qn_jw_i64(w, (int64_t)g->sampling.o.sampler.seed);
    qn_jw_key(w, "model");
    qn_jw_str(w, qn_buf_view(&model));
    if (g->sampling.o.logprobs)
        put_logprobs(g, w);
    qn_jw_close(w);
    qn_buf_drop(&model);
    return rc < 0 ? rc : qn_out_json_end(g->c);
}

static int put_stats(const job *g) {
    const qn_generate_result *r = &g->result;
    qn_buf model = {0};
    char rate[32] = "";
    const int rc = qn_opened_describe(&g->m, &model);
    if (r->new_tokens > 1)                              /* the first one comes out of the prefill */
        snprintf(rate, sizeof rate, ", %.1f tokens/s", qn_decode_rate(r));
    if (rc >= 0) {
        qn_log(QN_LOG_INFO, "prompt %lld tokens, %.0f tokens/s; answer %lld tokens%s; stopped by %s",
               (long long)r->prompt_tokens, qn_prefill_rate(r), (long long)r->new_tokens, rate,
               qn_stop_reason_name(r->reason));
        qn_draft_say(&g->draft, r, QN_LOG_INFO);
        qn_log(QN_LOG_INFO, "%s", model.s);
    }
    qn_buf_drop(&model);
    return rc;
}

static int answer(job *g) {
    qn_cli *c = g->c;
    const bool json = qn_cli_json(c);
    if (qn_cli_flag(c, "echo") && json)
        QN_TRY(qn_buf_put(&g->text, g->prompt.s, g->prompt.n));
    else if (qn_cli_flag(c, "echo"))
        QN_TRY(qn_out_put(c, g->prompt.s, g->prompt.n));
    g->echoed = g->text.n;
    QN_TRY(qn_generate(g->m.session, g->m.tok, 0, &g->held, &g->ids, &g->sampling.o, on_token, g, &g->result));
    if (json)
        QN_TRY(put_json(g));
    else if (g->text.n == 0 || g->text.s[g->text.n - 1] != '\n')
        QN_TRY(qn_out_puts(c, "\n"));
    QN_TRY(qn_out_flush(c));
    qn_warn_context(&g->m, &g->result);
    QN_TRY(put_stats(g));
    return qn_cancel_check();
}

static int prepare(job *g) {
    qn_cli *c = g->c;
    const qn_sampler_options greedy = qn_sampler_options_default();
    if (qn_cli_given(c, "logprobs") && !qn_cli_json(c))
        return qn_fail(QN_EUSAGE, "--logprobs is part of the JSON result: add --json");
    if (qn_cli_given(c, "system") && !qn_cli_flag(c, "chat"))
        return qn_fail(QN_EUSAGE, "--system needs --chat");
    if (qn_cli_flag(c, "parse-special") && qn_cli_flag(c, "chat"))
        return qn_fail(QN_EUSAGE, "--parse-special and --chat exclude one another: a user's words stay words");
    QN_TRY(qn_cli_text_opt(c, "prompt", &g->prompt));
    QN_TRY(qn_sampling_get(c, &greedy, NULL, NULL, &g->sampling));
    QN_TRY(qn_sampling_grammar(c, &g->sampling));
    g->sampling.o.max_new = qn_cli_int(c, "tokens");
    g->sampling.o.logprobs = qn_cli_given(c, "logprobs");
    g->sampling.o.n_top = qn_cli_int(c, "logprobs");
    g->m.behind = true;
    QN_TRY(qn_open_model(c, qn_cli_arg(c, 0), &g->m));
    QN_TRY(qn_cli_flag(c, "chat") ? chat_ids(g) : plain_ids(g));
    QN_TRY(qn_open_session(c, &g->m, 1));
    QN_TRY(qn_sampling_bind(c, &g->m, &g->sampling));
    return qn_draft_open(c, &g->m, &g->draft, &g->sampling.o);
}

static int run(qn_cli *c) {
    job g = {.c = c};
    int rc = prepare(&g);
    if (rc >= 0)
        rc = answer(&g);
    qn_draft_drop(&g.draft);
    qn_prompter_drop(&g.prompter);
    qn_opened_drop(&g.m);
    qn_text_drop(&g.prompt);
    qn_sampling_drop(&g.sampling);
    qn_ids_drop(&g.ids);
    qn_ids_drop(&g.held);
    qn_ids_drop(&g.tokens);
    qn_buf_drop(&g.text);
    qn_free(g.logprob);
    return rc;
}

const qn_cmd qn_cmd_generate = {
    "generate", "MODEL", "continue a prompt", opts, examples, run,
    "Without --temp the answer is greedy. The text goes to standard output as it comes, speed and the model's\n"
    "identity to standard error. A prompt that is longer than the context is an error; an answer that fills it is\n"
    "cut, with a warning. Special tokens spelled in the prompt are text unless --parse-special is given.\n\n"
    "--draft makes texts that repeat themselves come sooner, and changes not a token of them: a guess is kept\n"
    "where it is what the model would have said, with any sampling. ngram looks for where the text ended like this\n"
    "before (ngram:N: by N tokens at most, else 8); a smaller MODEL needs the same vocabulary. A file named ngram is\n"
    "./ngram."
};
