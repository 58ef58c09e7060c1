/* serve/ask_chat.c — a conversation as clients write it into one as templates read it, and that into a prompt.
 *
 *   developer is system                          content as parts: their texts, a line each; null: empty
 *   arguments of calls: a JSON text of an object becomes that object, as templates expect it */
#include "serve/ask.h"

#include <string.h>

static bool is_known(qn_str role) {
    static const char *const roles[] = {"system", "user", "assistant", "tool", "function", "ipython"};
    for (size_t i = 0; i < QN_LEN(roles); i++)
        if (qn_str_is(role, roles[i]))
            return true;
    return false;
}

static int read_role(qn_json *j, qn_buf *role) {
    qn_buf_clear(role);
    QN_TRY(qn_json_string(j, role));
    const qn_str v = qn_buf_view(role);
    if (is_known(v))
        return 0;
    if (!qn_str_is(v, "developer"))
        return qn_json_fail(j, QN_EINVAL, "role \"%.*s\"; expected system, developer, user, assistant or tool",
                            QN_STR_ARG(v));
    qn_buf_clear(role);
    return qn_buf_puts(role, "system");
}

/* One part: {"type": "text", "text": …}. */
static int read_part(qn_json *j, qn_buf *text) {
    qn_buf type = {0};
    qn_str key;
    int more, rc = 0;
    bool words = false;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "type")) {
            QN_TRY_OUT(qn_json_string(j, &type));
        } else if (qn_str_is(key, "text")) {
            words = true;
            if (text->n > 0)
                QN_TRY_OUT(qn_buf_putc(text, '\n'));
            QN_TRY_OUT(qn_json_string(j, text));
        } else {
            QN_TRY_OUT(qn_json_skip(j));
        }
    }
    QN_TRY_OUT(more);
    if (!words)
        rc = qn_json_fail(j, QN_EUNSUPPORTED, "a part of type \"%.*s\": this model reads text only",
                          QN_STR_ARG(qn_buf_view(&type)));
out:
    qn_buf_drop(&type);
    return rc;
}

static int read_content(qn_json *j, qn_buf *text) {
    const int what = qn_json_peek(j);
    int more;
    qn_buf_clear(text);
    if (what == 'n')
        return qn_json_null(j);
    if (what != '[')
        return qn_json_string(j, text);
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(qn_json_peek(j) == '"' ? qn_json_string(j, text) : read_part(j, text));
    return more;
}

static int put_arguments(qn_json *j, qn_jw *w) {
    qn_buf text = {0};
    int rc = qn_json_string(j, &text);
    const qn_str v = qn_buf_view(&text);
    size_t at = 0;
    while (at < v.n && qn_is_json_space(v.s[at]))
        at++;
    if (rc >= 0 && at < v.n && v.s[at] == '{' && qn_json_is_whole(v))
        qn_jw_raw(w, v);
    else if (rc >= 0)
        qn_jw_str(w, v);
    qn_buf_drop(&text);
    return rc;
}

typedef int put_fn(qn_json *j, qn_jw *w, qn_str key);

static int put_raw(qn_json *j, qn_jw *w) {
    qn_str raw;
    QN_TRY(qn_json_raw(j, &raw));
    qn_jw_raw(w, raw);
    return 0;
}

/* An object copied member by member. */
static int put_object(qn_json *j, qn_jw *w, put_fn *put) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    qn_jw_open(w, '{');
    while ((more = qn_json_key(j, &key)) > 0) {
        qn_jw_key_str(w, key);
        QN_TRY(put(j, w, key));
    }
    qn_jw_close(w);
    return more;
}

static int put_function_member(qn_json *j, qn_jw *w, qn_str key) {
    return qn_str_is(key, "arguments") && qn_json_peek(j) == '"' ? put_arguments(j, w) : put_raw(j, w);
}

static int put_call_member(qn_json *j, qn_jw *w, qn_str key) {
    return qn_str_is(key, "function") && qn_json_peek(j) == '{' ? put_object(j, w, put_function_member) : put_raw(j, w);
}

static int put_calls(qn_json *j, qn_jw *w) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    qn_jw_open(w, '[');
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(put_object(j, w, put_call_member));
    qn_jw_close(w);
    return more;
}

/* ---- for templates that have no words for calls: Hermes', as part of what was said ---- */

static int tell_function(qn_json *j, qn_buf *text) {
    qn_jw w;
    QN_TRY(qn_buf_puts(text, text->n > 0 ? "\n<tool_call>\n" : "<tool_call>\n"));
    qn_jw_init(&w, text, 0);
    QN_TRY(put_object(j, &w, put_function_member));
    QN_TRY(qn_jw_end(&w));
    return qn_buf_puts(text, "\n</tool_call>");
}

static int tell_call(qn_json *j, qn_buf *text) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "function") && qn_json_peek(j) == '{' ? tell_function(j, text) : qn_json_skip(j));
    return more;
}

static int tell_calls(qn_json *j, qn_buf *text) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(tell_call(j, text));
    return more;
}

/* ---- messages ---- */

typedef struct {
    bool calls, tools;              /* the template has words for them */
    qn_buf role, text, told;        /* of one message; told: its calls, where the template has none for them */
} writer;

static int put_member(qn_json *j, qn_jw *w, qn_str key, writer *m) {
    if (qn_str_is(key, "content"))
        return read_content(j, &m->text);
    if (qn_json_peek(j) == 'n')                             /* a client's "tool_calls": null */
        return qn_json_null(j);
    if (qn_str_is(key, "role"))
        return read_role(j, &m->role);
    if (qn_str_is(key, "tool_calls") && !m->calls)
        return tell_calls(j, &m->told);
    qn_jw_key_str(w, key);
    return qn_str_is(key, "tool_calls") ? put_calls(j, w) : put_raw(j, w);
}

/* Tools for a template that has no words for them stand in the system message: in the conversation's own, or in one in
 * front of it. */
static int add_tools(const qn_ask *a, writer *m, qn_jw *w) {
    const bool own = qn_str_is(qn_buf_view(&m->role), "system");
    qn_buf text = {0};
    int rc;
    if (own)
        QN_TRY(qn_buf_puts(&m->text, m->text.n > 0 ? "\n\n" : ""));
    QN_TRY_OUT(qn_ask_tools_text(a, own ? &m->text : &text));
    if (!own) {
        qn_jw_open(w, '{');
        qn_field_str(w, "role", "system");
        qn_field_text(w, "content", qn_buf_view(&text));
        qn_jw_close(w);
    }
out:
    qn_buf_drop(&text);
    return rc;
}

/* The members come in any order: role and content are written last. `others` is a writer of its own, for what the first
 * message may have to stand behind. */
static int put_message(qn_json *j, qn_jw *w, writer *m, const qn_ask *add) {
    qn_buf others = {0};
    qn_jw o;
    qn_str key;
    int more, rc;
    if (qn_json_peek(j) != '{')
        return qn_json_fail(j, QN_EFORMAT, "a message must be an object with \"role\" and \"content\"");
    qn_buf_clear(&m->role);
    qn_buf_clear(&m->text);
    qn_buf_clear(&m->told);
    qn_jw_init(&o, &others, 0);
    qn_jw_open(&o, '{');
    QN_TRY_OUT(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY_OUT(put_member(j, &o, key, m));
    QN_TRY_OUT(more);
    if (m->role.n == 0)
        QN_TRY_OUT(qn_json_fail(j, QN_EINVAL, "a message without a \"role\""));
    if (add)
        QN_TRY_OUT(add_tools(add, m, w));
    if (m->told.n > 0 && m->text.n > 0)
        QN_TRY_OUT(qn_buf_putc(&m->text, '\n'));
    QN_TRY_OUT(qn_buf_put(&m->text, m->told.s, m->told.n));
    qn_field_text(&o, "role", qn_buf_view(&m->role));
    qn_field_text(&o, "content", m->text.n ? qn_buf_view(&m->text) : QN_STR(""));
    qn_jw_close(&o);
    QN_TRY_OUT(qn_jw_end(&o));
    qn_jw_raw(w, qn_buf_view(&others));
out:
    qn_buf_drop(&others);
    return rc;
}

static int put_messages(const qn_ask *a, writer *m, qn_jw *w) {
    const qn_ask *add = a->n_tools > 0 && !m->tools ? a : NULL;
    qn_json j;
    int more, rc = 0;
    size_t n = 0;
    qn_json_init(&j, a->messages.s, a->messages.n, "messages");
    j.lone = QN_LONE_REPLACE;
    QN_TRY_OUT(qn_json_enter(&j, '['));
    qn_field_open(w, "messages", '[');
    for (; (more = qn_json_item(&j)) > 0; n++)
        QN_TRY_OUT(put_message(&j, w, m, n == 0 ? add : NULL));
    QN_TRY_OUT(more);
    qn_jw_close(w);
    if (n == 0)
        rc = qn_fail(QN_EINVAL, "messages is empty; expected at least one");
out:
    qn_json_drop(&j);
    return rc;
}

/* Variables of the template; what is the conversation's own is not theirs. */
static int put_kwargs(const qn_ask *a, qn_jw *w) {
    qn_json j;
    qn_str key;
    int more = 0, rc = 0;
    if (!a->kwargs.s)
        return 0;
    qn_json_init(&j, a->kwargs.s, a->kwargs.n, "chat_template_kwargs");
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        const bool own = qn_str_is(key, "messages") || qn_str_is(key, "tools");
        if (!own)
            qn_jw_key_str(w, key);
        QN_TRY_OUT(own ? qn_json_skip(&j) : put_raw(&j, w));
    }
    rc = more;
out:
    qn_json_drop(&j);
    return rc;
}

static int conversation(const qn_exchange *x, const qn_ask *a, qn_buf *out) {
    const qn_prompter *p = &x->server->prompter[0];         /* all of them are alike */
    writer m = {.calls = p->calls, .tools = p->tools};
    qn_jw w;
    int rc;
    qn_jw_init(&w, out, 0);
    qn_jw_open(&w, '{');
    QN_TRY_OUT(put_messages(a, &m, &w));
    if (a->n_tools > 0 && m.tools) {
        qn_jw_key(&w, "tools");
        qn_jw_raw(&w, a->tools);
    }
    QN_TRY_OUT(put_kwargs(a, &w));
    qn_jw_close(&w);
    rc = qn_jw_end(&w);
out:
    qn_buf_drop(&m.role);
    qn_buf_drop(&m.text);
    qn_buf_drop(&m.told);
    return rc;
}

static int render(qn_exchange *x, const qn_ask *a, const qn_chat_messages *m, qn_ids *ids, qn_buf *text) {
    qn_prompter *p = qn_server_prompter(x->server);
    int rc = qn_prompter_render(p, m, a->generation_prompt);
    if (rc >= 0 && ids)
        rc = qn_prompter_ids(p, x->server->o.tok, ids);
    if (rc >= 0 && text)
        rc = qn_buf_put(text, p->out.text.s, p->out.text.n);
    qn_server_give_back(x->server, p);
    return rc;
}

int qn_ask_prompt(qn_exchange *x, const qn_ask *a, qn_ids *ids, qn_buf *text) {
    qn_chat_messages *m = NULL;
    qn_buf json = {0};
    int rc;
    x->param = "messages";
    if (ids && a->messages.n > x->server->messages_most)
        return qn_fail(QN_ECONTEXT, "the messages take %zu bytes, and the context of %lld tokens holds %zu at most; "
                       "shorten them or ask for a longer context", a->messages.n,
                       (long long)qn_session_context(x->server->o.session), x->server->messages_most);
    QN_TRY_OUT(conversation(x, a, &json));
    QN_TRY_OUT(qn_chat_messages_parse(&m, json.s, json.n, "messages"));
    QN_TRY_OUT(render(x, a, m, ids, text));
    x->param = NULL;
out:
    qn_chat_messages_free(m);
    qn_buf_drop(&json);
    return rc;
}
