/* chat/answer_parts.c — the parts of an answer, whole: events put together, and as members of a message. */
#include "chat/answer.h"

int qn_answer_collect(void *parts, const qn_answer_event *e) {
    qn_answer_parts *p = parts;
    switch (e->kind) {
    case QN_ANSWER_CONTENT:
        return qn_buf_put(&p->content, e->text.s, e->text.n);
    case QN_ANSWER_REASONING:
        return qn_buf_put(&p->reasoning, e->text.s, e->text.n);
    case QN_ANSWER_CALL:
        QN_TRY(QN_GROW(QN_MEM_CHAT, p->call, p->cap, p->calls + 1));
        p->call[p->calls++] = (qn_answer_call){0};
        QN_TRY(qn_buf_put(&p->call[e->call].name, e->name.s, e->name.n));
        return qn_buf_put(&p->call[e->call].id, e->id.s, e->id.n);
    case QN_ANSWER_ARGUMENTS:
        return qn_buf_put(&p->call[e->call].arguments, e->text.s, e->text.n);
    case QN_ANSWER_CALL_END:
        break;
    }
    return 0;
}

int qn_answer_parse(const qn_answer_options *o, qn_str text, qn_answer_parts *out) {
    qn_answer_options mine = *o;
    qn_answer *a;
    qn_answer_parts_drop(out);
    mine.take = qn_answer_collect;
    mine.to = out;
    QN_TRY(qn_answer_new(&a, &mine));
    int rc = qn_answer_feed(a, text);
    if (rc >= 0)
        rc = qn_answer_end(a);
    qn_answer_free(a);
    return rc;
}

void qn_answer_parts_drop(qn_answer_parts *p) {
    for (size_t i = 0; i < p->calls; i++) {
        qn_buf_drop(&p->call[i].id);
        qn_buf_drop(&p->call[i].name);
        qn_buf_drop(&p->call[i].arguments);
    }
    qn_free(p->call);
    qn_buf_drop(&p->content);
    qn_buf_drop(&p->reasoning);
    *p = (qn_answer_parts){0};
}

static void write_calls(const qn_answer_parts *p, qn_jw *w) {
    qn_jw_key(w, "tool_calls");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < p->calls; i++) {
        qn_jw_open(w, '{');
        qn_jw_key(w, "id");
        qn_jw_str(w, qn_buf_view(&p->call[i].id));
        qn_jw_key(w, "type");
        qn_jw_str(w, QN_STR("function"));
        qn_jw_key(w, "function");
        qn_jw_open(w, '{');
        qn_jw_key(w, "name");
        qn_jw_str(w, qn_buf_view(&p->call[i].name));
        qn_jw_key(w, "arguments");
        qn_jw_str(w, qn_buf_view(&p->call[i].arguments));
        qn_jw_close(w);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

void qn_answer_parts_write(const qn_answer_parts *p, qn_jw *w) {
    qn_jw_key(w, "content");
    if (p->content.n || !p->calls)
        qn_jw_str(w, qn_buf_view(&p->content));
    else
        qn_jw_null(w);
    if (p->reasoning.n) {
        qn_jw_key(w, "reasoning_content");
        qn_jw_str(w, qn_buf_view(&p->reasoning));
    }
    if (p->calls)
        write_calls(p, w);
}
