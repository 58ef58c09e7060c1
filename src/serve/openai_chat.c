/* serve/openai_chat.c — POST /v1/chat/completions: the next message of a conversation. */
#include "serve/openai_shapes.h"

#include <string.h>

/* ---- logprobs, choices ---- */

static void put_logprobs(qn_jw *w, qn_choice *c) {
    if (!c->t->ask.o.logprobs) {
        qn_field_null(w, "logprobs");
        return;
    }
    qn_field_open(w, "logprobs", '{');
    qn_field_open(w, "content", '[');
    if (c->logprobs.n > 0)
        qn_jw_raw(w, qn_buf_view(&c->logprobs));
    qn_jw_close(w);
    qn_jw_close(w);
    qn_buf_clear(&c->logprobs);
}

/* A chunk up to its open delta, and from there to its end. */
static int open_chunk(qn_exchange *x, qn_jw *w, const qn_choice *c) {
    QN_TRY(qn_stream_open(x, w));
    qn_put_head(x, w, c->t, "chat.completion.chunk");
    qn_field_open(w, "choices", '[');
    qn_jw_open(w, '{');
    qn_field_i64(w, "index", c->index);
    qn_field_open(w, "delta", '{');
    return 0;
}

static int close_chunk(qn_exchange *x, qn_jw *w, qn_choice *c, const char *finish) {
    qn_jw_close(w);
    put_logprobs(w, c);
    qn_field_or_null(w, "finish_reason", finish);
    qn_jw_close(w);
    qn_jw_close(w);
    if (c->t->ask.usage)
        qn_field_null(w, "usage");
    qn_jw_close(w);
    return qn_stream_close(x, w);
}

static int put_role(qn_exchange *x, qn_choice *c) {
    qn_jw w;
    QN_TRY(open_chunk(x, &w, c));
    qn_field_str(&w, "role", "assistant");
    qn_field_str(&w, "content", "");
    return close_chunk(x, &w, c, NULL);
}

static int put_content(qn_exchange *x, qn_choice *c, qn_str text) {
    qn_jw w;
    QN_TRY(open_chunk(x, &w, c));
    qn_field_text(&w, "content", text);
    return close_chunk(x, &w, c, NULL);
}

/* ---- events ---- */

static int token(qn_exchange *x, qn_choice *c, const qn_event *e) {
    if (c->t->ask.o.logprobs && e->head.id >= 0)
        QN_TRY(qn_add_logprob(x, c, e));
    if (e->text.n == 0)
        return 0;
    return x->stream ? put_content(x, c, e->text) : qn_buf_put(&c->text, e->text.s, e->text.n);
}

static int end(qn_exchange *x, qn_choice *c) {
    qn_jw w;
    if (!x->stream)
        return 0;
    QN_TRY(open_chunk(x, &w, c));
    return close_chunk(x, &w, c, qn_finish_reason(c->r.reason));
}

static int put_usage_chunk(qn_exchange *x, qn_talking *t) {
    qn_jw w;
    QN_TRY(qn_stream_open(x, &w));
    qn_put_head(x, &w, t, "chat.completion.chunk");
    qn_field_open(&w, "choices", '[');
    qn_jw_close(&w);
    qn_put_usage(&w, t);
    qn_put_timings(&w, t);
    qn_jw_close(&w);
    return qn_stream_close(x, &w);
}

static void put_choice(qn_jw *w, qn_choice *c) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "index", c->index);
    qn_field_open(w, "message", '{');
    qn_field_str(w, "role", "assistant");
    qn_field_text(w, "content", c->text.n ? qn_buf_view(&c->text) : QN_STR(""));
    qn_field_null(w, "refusal");
    qn_jw_close(w);
    put_logprobs(w, c);
    qn_field_str(w, "finish_reason", qn_finish_reason(c->r.reason));
    qn_jw_close(w);
}

static int whole(qn_exchange *x, qn_talking *t) {
    qn_jw w;
    if (x->stream) {
        if (t->ask.usage)
            QN_TRY(put_usage_chunk(x, t));
        return qn_stream_done(x);
    }
    qn_exchange_json(x, &w);
    qn_put_head(x, &w, t, "chat.completion");
    qn_field_open(&w, "choices", '[');
    for (int64_t i = 0; i < t->n; i++)
        put_choice(&w, &t->choice[i]);
    qn_jw_close(&w);
    qn_put_usage(&w, t);
    qn_put_timings(&w, t);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

static const qn_wording wording = {token, end, whole, NULL};

/* ---- the route ---- */

static int make_prompt(qn_exchange *x, qn_talking *t) {
    t->prompt = qn_zalloc(QN_MEM_SERVE, 1, sizeof *t->prompt);
    if (!t->prompt)
        return QN_ENOMEM;
    t->prompts = 1;
    return qn_ask_prompt(x, &t->ask, &t->prompt[0], NULL);
}

int qn_route_chat(qn_exchange *x) {
    qn_talking *t;
    if (!x->server->o.session)
        return qn_fail(QN_EUNSUPPORTED, "this model reads texts whole and writes none: it makes embeddings");
    QN_TRY(qn_talking_new(x, &t, &wording, "chatcmpl", true));
    QN_TRY(make_prompt(x, t));
    QN_TRY(qn_talking_start(x, t));
    for (int64_t i = 0; x->pump && x->stream && i < t->n; i++)
        QN_TRY(put_role(x, &t->choice[i]));
    return 0;
}
