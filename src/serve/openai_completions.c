/* serve/openai_completions.c — POST /v1/completions: texts continued. */
#include "serve/openai_shapes.h"

#include <math.h>

/* Characters of a token's bytes: those that begin one. */
static int64_t characters(qn_str s) {
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.s[i] & 0xc0) != 0x80;
    return n;
}

static int comma(qn_buf *b) { return b->n > 0 ? qn_buf_putc(b, ',') : 0; }

static int add_number(qn_buf *b, double v) {
    qn_jw w;
    QN_TRY(comma(b));
    qn_jw_init(&w, b, 0);
    qn_jw_f64(&w, v);
    return qn_jw_end(&w);
}

/* {"token": logprob} of the likeliest. Tokens that are spelled alike (halves of characters) come once. */
static int add_tops(const qn_exchange *x, qn_buf *b, const qn_event *e) {
    qn_jw w;
    QN_TRY(comma(b));
    qn_jw_init(&w, b, 0);
    qn_jw_open(&w, '{');
    for (size_t i = 0; i < e->head.tops; i++) {
        const qn_logprob p = qn_event_top(e, i);
        const qn_str text = qn_server_token(x->server, p.id);
        if (qn_utf8_check(text.s, text.n) != QN_UTF8_OK)
            continue;
        qn_jw_key_str(&w, text);
        qn_jw_f64(&w, (double)p.logprob);
    }
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

static int add_token(const qn_exchange *x, qn_choice *c, int32_t id, double logprob) {
    const qn_str piece = qn_tok_piece(x->server->o.tok, id);
    qn_jw w;
    QN_TRY(comma(&c->tokens));
    qn_jw_init(&w, &c->tokens, 0);
    qn_jw_str(&w, piece);
    QN_TRY(qn_jw_end(&w));
    QN_TRY(add_number(&c->logprobs, logprob));
    QN_TRY(add_number(&c->offsets, (double)c->offset));
    c->offset += characters(piece);
    return 0;
}

static int add_logprobs(const qn_exchange *x, qn_choice *c, const qn_event *e) {
    QN_TRY(add_token(x, c, e->head.id, (double)e->head.logprob));
    return add_tops(x, &c->tops, e);
}

static void put_list(qn_jw *w, const char *key, qn_buf *b) {
    qn_field_open(w, key, '[');
    if (b->n > 0)
        qn_jw_raw(w, qn_buf_view(b));
    qn_jw_close(w);
    qn_buf_clear(b);
}

static void put_choice(qn_jw *w, qn_choice *c, qn_str text, const char *finish) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "index", c->index);
    qn_field_text(w, "text", text.s ? text : QN_STR(""));
    if (c->t->ask.o.logprobs) {
        qn_field_open(w, "logprobs", '{');
        put_list(w, "tokens", &c->tokens);
        put_list(w, "token_logprobs", &c->logprobs);
        put_list(w, "top_logprobs", &c->tops);
        put_list(w, "text_offset", &c->offsets);
        qn_jw_close(w);
    } else {
        qn_field_null(w, "logprobs");
    }
    qn_field_or_null(w, "finish_reason", finish);
    qn_jw_close(w);
}

static int put_chunk(qn_exchange *x, qn_choice *c, qn_str text, const char *finish) {
    qn_jw w;
    QN_TRY(qn_stream_open(x, &w));
    qn_put_head(x, &w, c->t);
    qn_field_open(&w, "choices", '[');
    put_choice(&w, c, text, finish);
    qn_jw_close(&w);
    if (c->t->ask.usage)
        qn_field_null(&w, "usage");
    qn_jw_close(&w);
    return qn_stream_close(x, &w);
}

static int token(qn_exchange *x, qn_choice *c, const qn_event *e) {
    if (c->t->ask.o.logprobs && e->head.id >= 0)
        QN_TRY(add_logprobs(x, c, e));
    if (!x->stream)
        return qn_buf_put(&c->text, e->text.s, e->text.n);
    return e->text.n > 0 ? put_chunk(x, c, e->text, NULL) : 0;
}

static int end(qn_exchange *x, qn_choice *c) {
    return x->stream ? put_chunk(x, c, (qn_str){0}, qn_finish_reason(c->r.reason)) : 0;
}

static void put_whole_choice(qn_jw *w, qn_choice *c) {
    put_choice(w, c, qn_buf_view(&c->text), qn_finish_reason(c->r.reason));
}

static const qn_wording wording = {"text_completion", "text_completion", token, end, put_whole_choice, NULL};

/* The prompt's text in front of each answer. Of its first token nothing can be said; the others come as events. */
static int echo(qn_exchange *x, qn_talking *t) {
    for (int64_t i = 0; i < t->n; i++) {
        qn_choice *c = &t->choice[i];
        const qn_ids *prompt = t->job[i].prompt;
        QN_TRY(qn_tok_decode(x->server->o.tok, prompt->v, prompt->n, QN_TOK_SKIP_SPECIAL, &c->text));
        if (t->ask.o.logprobs) {
            QN_TRY(add_token(x, c, prompt->v[0], (double)NAN));
            QN_TRY(qn_buf_puts(&c->tops, "null"));
        }
        if (x->stream)
            QN_TRY(put_chunk(x, c, qn_buf_view(&c->text), NULL));
    }
    return 0;
}

int qn_route_completions(qn_exchange *x) {
    qn_talking *t;
    QN_TRY(qn_talking_new(x, &t, &wording, "cmpl", false));
    const unsigned flags = QN_TOK_ADD_SPECIAL | (t->ask.parse_special ? QN_TOK_PARSE_SPECIAL : 0);
    x->param = "prompt";
    QN_TRY(qn_ask_prompts(x, t->ask.prompt, flags, QN_ASK_CHOICES, &t->prompt, &t->prompts));
    QN_TRY(qn_talking_start(x, t));
    return x->pump && t->ask.echo ? echo(x, t) : 0;
}
