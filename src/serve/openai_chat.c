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
    qn_put_head(x, w, c->t);
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

static int put_text(qn_exchange *x, qn_choice *c, const char *key, qn_str text) {
    qn_jw w;
    QN_TRY(open_chunk(x, &w, c));
    qn_field_text(&w, key, text);
    return close_chunk(x, &w, c, NULL);
}

/* A call's beginning has its id, type and name, once; then only more of its arguments. */
static int put_call(qn_exchange *x, qn_choice *c, const qn_answer_event *e) {
    const bool begins = e->kind == QN_ANSWER_CALL;
    qn_jw w;
    QN_TRY(open_chunk(x, &w, c));
    qn_field_open(&w, "tool_calls", '[');
    qn_jw_open(&w, '{');
    qn_field_i64(&w, "index", e->call);
    if (begins) {
        qn_field_text(&w, "id", e->id);
        qn_field_str(&w, "type", "function");
    }
    qn_field_open(&w, "function", '{');
    if (begins)
        qn_field_text(&w, "name", e->name);
    qn_field_text(&w, "arguments", begins ? QN_STR("") : e->text);
    qn_jw_close(&w);
    qn_jw_close(&w);
    qn_jw_close(&w);
    return close_chunk(x, &w, c, NULL);
}

/* ---- what a choice says, taken apart ---- */

typedef struct {
    qn_exchange *x;
    qn_choice *c;
    qn_answer *answer;
    qn_answer_parts parts;          /* where it is sent whole */
    bool calls;                     /* it has called something */
} said;

static int on_part(void *to, const qn_answer_event *e) {
    said *p = to;
    p->calls = p->calls || e->kind == QN_ANSWER_CALL;
    if (!p->x->stream)
        return qn_answer_collect(&p->parts, e);
    switch (e->kind) {
    case QN_ANSWER_CONTENT: return put_text(p->x, p->c, "content", e->text);
    case QN_ANSWER_REASONING: return put_text(p->x, p->c, "reasoning_content", e->text);
    case QN_ANSWER_CALL: case QN_ANSWER_ARGUMENTS: return put_call(p->x, p->c, e);
    default: return 0;
    }
}

static void drop_said(qn_choice *c) {
    said *p = c->own;
    if (!p)
        return;
    qn_answer_free(p->answer);
    qn_answer_parts_drop(&p->parts);
    qn_free(p);
}

static int begin(qn_exchange *x, qn_choice *c, const qn_answer_options *how) {
    said *p = qn_zalloc(QN_MEM_SERVE, 1, sizeof *p);
    qn_answer_options o = *how;
    if (!p)
        return QN_ENOMEM;
    c->own = p;
    p->x = x;
    p->c = c;
    o.take = on_part;
    o.to = p;
    o.id_seed = c->t->job[c->index].o.sampler.seed ^ (uint64_t)c->t->prompt[0].n << 32;
    return qn_answer_new(&p->answer, &o);
}

static const char *finish_of(const qn_choice *c) {
    const said *p = c->own;
    return p->calls && c->r.reason != QN_STOP_LENGTH && c->r.reason != QN_STOP_CONTEXT ? "tool_calls" :
           qn_finish_reason(c->r.reason);
}

/* ---- events ---- */

static int token(qn_exchange *x, qn_choice *c, const qn_event *e) {
    said *p = c->own;
    if (c->t->ask.o.logprobs && e->head.id >= 0)
        QN_TRY(qn_add_logprob(x, c, e));
    return e->text.n > 0 ? qn_answer_feed(p->answer, e->text) : 0;
}

static int end(qn_exchange *x, qn_choice *c) {
    said *p = c->own;
    qn_jw w;
    QN_TRY(qn_answer_end(p->answer));
    if (!x->stream)
        return 0;
    QN_TRY(open_chunk(x, &w, c));
    return close_chunk(x, &w, c, finish_of(c));
}

static void put_choice(qn_jw *w, qn_choice *c) {
    const said *p = c->own;
    qn_jw_open(w, '{');
    qn_field_i64(w, "index", c->index);
    qn_field_open(w, "message", '{');
    qn_field_str(w, "role", "assistant");
    if (p->parts.content.n == 0 && p->parts.calls == 0 && p->parts.reasoning.n == 0)
        qn_field_str(w, "content", "");
    else
        qn_answer_parts_write(&p->parts, w);
    qn_field_null(w, "refusal");
    qn_jw_close(w);
    put_logprobs(w, c);
    qn_field_str(w, "finish_reason", finish_of(c));
    qn_jw_close(w);
}

static const qn_wording wording = {"chat.completion", "chat.completion.chunk", token, end, put_choice, drop_said};

/* ---- the route ---- */

/* How calls and thoughts are to be found in the answers. A call that was asked for is held to a form without special
 * tokens: Hermes', if the model's own is none. */
static int how_to_read(qn_exchange *x, qn_talking *t, qn_str prompt, qn_answer_options *o) {
    const qn_ask *a = &t->ask;
    *o = (qn_answer_options){.form = x->server->prompter[0].form, .calls = a->n_tools > 0, .tool = a->tool_names,
                             .tools = a->n_tools};
    const bool called = a->n_tools > 0 && a->choice >= QN_TOOLS_REQUIRED;
    if (called && !qn_answer_form_is_bare(&o->form))
        QN_TRY(qn_answer_form_named(&o->form, "hermes"));
    qn_answer_expect(o, prompt, called || a->format != QN_FORMAT_TEXT);
    t->ask.o.special = a->o.special || x->server->thinks || a->n_tools > 0;
    return 0;
}

static int make_prompt(qn_exchange *x, qn_talking *t, qn_answer_options *o) {
    qn_buf text = {0};
    t->prompt = qn_zalloc(QN_MEM_SERVE, 1, sizeof *t->prompt);
    if (!t->prompt)
        return QN_ENOMEM;
    t->prompts = 1;
    int rc = qn_ask_prompt(x, &t->ask, &t->prompt[0], &text);
    if (rc >= 0)
        rc = how_to_read(x, t, qn_buf_view(&text), o);
    qn_buf_drop(&text);
    return rc;
}

int qn_route_chat(qn_exchange *x) {
    qn_answer_options how;
    qn_talking *t;
    if (!x->server->o.session)
        return qn_fail(QN_EUNSUPPORTED, "this model reads texts whole and holds no conversations");
    QN_TRY(qn_talking_new(x, &t, &wording, "chatcmpl", true));
    QN_TRY(make_prompt(x, t, &how));
    QN_TRY(qn_talking_start(x, t));
    for (int64_t i = 0; x->pump && i < t->n; i++) {
        QN_TRY(begin(x, &t->choice[i], &how));
        if (x->stream)
            QN_TRY(put_role(x, &t->choice[i]));
    }
    return 0;
}
