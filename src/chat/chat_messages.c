/* chat/chat_messages.c — conversations: from JSON, or message by message. Everything is data but the usual roles. */
#include "chat/chat_messages.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

int qn_chat_messages_new(qn_chat_messages **out) {
    int rc;
    qn_chat_messages *m = qn_zalloc(QN_MEM_CHAT, 1, sizeof *m);
    *out = NULL;
    if (!m)
        return QN_ENOMEM;
    qn_jarena_init(&m->arena, SIZE_MAX / 2);
    QN_TRY_OUT(qn_jv_list(&m->arena, QN_JLIST, 0, &m->messages));
    QN_TRY_OUT(qn_jv_dict(&m->arena, 0, &m->extra));
    m->messages.data = true;
    m->tools = qn_jv_none();
    *out = m;
    return 0;
out:
    qn_chat_messages_free(m);
    return rc;
}

void qn_chat_messages_free(qn_chat_messages *m) {
    if (!m)
        return;
    qn_jarena_drop(&m->arena);
    qn_free(m);
}

size_t qn_chat_messages_count(const qn_chat_messages *m) {
    return m->messages.u.list->n;
}

void qn_chat_messages_cut(qn_chat_messages *m, size_t count) {
    m->messages.u.list->n = QN_MIN(m->messages.u.list->n, count);
}

qn_str qn_chat_messages_role(const qn_chat_messages *m, size_t i) {
    const qn_jlist *list = m->messages.u.list;
    const qn_jdict *d = i < list->n && list->v[i].kind == QN_JDICT ? list->v[i].u.dict : NULL;
    for (size_t k = 0; d && k < d->n; k++)
        if (d->e[k].key.kind == QN_JSTR && qn_jstr_is(d->e[k].key.u.s, "role") && d->e[k].value.kind == QN_JSTR)
            return qn_jstr_view(d->e[k].value.u.s);
    return (qn_str){"", 0};
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static int data_str(qn_jarena *a, qn_str s, qn_jv *out) {
    char *copy;
    QN_TRY(QN_JNEW(a, copy, s.n + 1));
    if (s.n)
        memcpy(copy, s.s, s.n);
    return qn_jv_str(a, (qn_jstr){copy, s.n, NULL, true}, out);
}

static bool usual_role(const qn_jstr *role) {
    static const char *const roles[] = {"system", "user", "assistant", "tool", "developer", "function", "ipython",
                                        "model", "chatbot", "tool_results", "tool_response", "observation"};
    for (size_t i = 0; i < QN_LEN(roles); i++)
        if (qn_jstr_is(role, roles[i]))
            return true;
    return false;
}

/* The role of a message is one of a few words, none of them a control token: it may become part of one. */
static int trust_role(qn_jarena *a, qn_jv message) {
    qn_jdict *d = message.u.dict;
    for (size_t i = 0; i < d->n; i++)
        if (d->e[i].key.kind == QN_JSTR && qn_jstr_is(d->e[i].key.u.s, "role") && d->e[i].value.kind == QN_JSTR &&
            usual_role(d->e[i].value.u.s))
            return qn_jv_str(a, (qn_jstr){d->e[i].value.u.s->s, d->e[i].value.u.s->n, NULL, false}, &d->e[i].value);
    return 0;
}

int qn_chat_messages_add(qn_chat_messages *m, const char *role, qn_str content) {
    qn_jarena *a = &m->arena;
    qn_jv message, key, value;
    if (qn_utf8_check(content.s, content.n) != QN_UTF8_OK || qn_utf8_check(role, strlen(role)) != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "a chat message must be valid UTF-8");
    QN_TRY(qn_jv_dict(a, 2, &message));
    message.data = true;
    QN_TRY(data_str(a, QN_STR("role"), &key));
    QN_TRY(data_str(a, qn_str_of(role), &value));
    QN_TRY(qn_jdict_put(a, message.u.dict, key, value));
    QN_TRY(data_str(a, QN_STR("content"), &key));
    QN_TRY(data_str(a, content, &value));
    QN_TRY(qn_jdict_put(a, message.u.dict, key, value));
    QN_TRY(trust_role(a, message));
    return qn_jlist_add(a, m->messages.u.list, message);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static int read_value(qn_jarena *a, qn_json *j, qn_jv *out);

static int read_number(qn_jarena *a, qn_json *j, qn_jv *out) {
    qn_str raw;
    int64_t i;
    double f;
    QN_TRY(qn_json_raw(j, &raw));
    bool real = memchr(raw.s, '.', raw.n) || memchr(raw.s, 'e', raw.n) || memchr(raw.s, 'E', raw.n);
    if (real) {
        bool ok = qn_parse_f64(raw, &f);
        *out = qn_jv_float(ok ? f : raw.s[0] == '-' ? -INFINITY : INFINITY);
    } else if (qn_parse_i64(raw, &i)) {
        *out = qn_jv_int(i);
    } else {                                        /* keeps its digits, though nothing can be reckoned with it */
        QN_TRY(data_str(a, raw, out));
        out->kind = QN_JBIG;
    }
    out->data = true;
    return 0;
}

static int read_string(qn_jarena *a, qn_json *j, qn_jv *out) {
    qn_buf b = {0};
    int rc;
    QN_TRY_OUT(qn_json_string(j, &b));
    QN_TRY_OUT(data_str(a, qn_buf_view(&b), out));
out:
    qn_buf_drop(&b);
    return rc;
}

static int read_list(qn_jarena *a, qn_json *j, qn_jv *out) {
    int more;
    QN_TRY(qn_jv_list(a, QN_JLIST, 0, out));
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        qn_jv v;
        QN_TRY(read_value(a, j, &v));
        QN_TRY(qn_jlist_add(a, out->u.list, v));
    }
    return more;
}

static int read_dict(qn_jarena *a, qn_json *j, qn_jv *out) {
    qn_str key;
    int more;
    QN_TRY(qn_jv_dict(a, 0, out));
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        qn_jv k, v;
        QN_TRY(data_str(a, key, &k));
        QN_TRY(read_value(a, j, &v));
        QN_TRY(qn_jdict_put(a, out->u.dict, k, v));
    }
    return more;
}

static int read_value(qn_jarena *a, qn_json *j, qn_jv *out) {
    int what = qn_json_peek(j), rc;
    bool b;
    QN_TRY(what);
    switch (what) {
    case '{': rc = read_dict(a, j, out); break;
    case '[': rc = read_list(a, j, out); break;
    case '"': rc = read_string(a, j, out); break;
    case '0': rc = read_number(a, j, out); break;
    case 'n':
        rc = qn_json_null(j);
        *out = qn_jv_none();
        break;
    default:
        b = false;
        rc = qn_json_bool(j, &b);
        *out = qn_jv_bool(b);
    }
    out->data = true;
    return rc;
}

static int read_messages(qn_chat_messages *m, qn_json *j) {
    int more;
    if (qn_json_peek(j) != '[')
        return qn_json_fail(j, QN_EFORMAT, "messages must be an array");
    m->messages.u.list->n = 0;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        qn_jv v;
        if (qn_json_peek(j) != '{')
            return qn_json_fail(j, QN_EFORMAT, "a message must be an object with \"role\" and \"content\"");
        QN_TRY(read_value(&m->arena, j, &v));
        QN_TRY(trust_role(&m->arena, v));
        QN_TRY(qn_jlist_add(&m->arena, m->messages.u.list, v));
    }
    return more;
}

static int read_object(qn_chat_messages *m, qn_json *j) {
    qn_str key;
    int more;
    bool found = false;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        qn_jv k, v;
        if (qn_str_is(key, "messages")) {
            QN_TRY(read_messages(m, j));
            found = true;
        } else if (qn_str_is(key, "tools")) {
            QN_TRY(read_value(&m->arena, j, &m->tools));
        } else {
            QN_TRY(data_str(&m->arena, key, &k));
            QN_TRY(read_value(&m->arena, j, &v));
            QN_TRY(qn_jdict_put(&m->arena, m->extra.u.dict, k, v));
        }
    }
    QN_TRY(more);
    return found ? 0 : qn_json_fail(j, QN_EFORMAT, "the object has no \"messages\"");
}

int qn_chat_messages_parse(qn_chat_messages **out, const char *json, size_t n, const char *name) {
    qn_chat_messages *m;
    qn_json j;
    int rc;
    *out = NULL;
    QN_TRY(qn_chat_messages_new(&m));
    qn_json_init(&j, json, n, name);
    int what = qn_json_peek(&j);
    QN_TRY_OUT(what);
    if (what == '[')
        QN_TRY_OUT(read_messages(m, &j));
    else if (what == '{')
        QN_TRY_OUT(read_object(m, &j));
    else
        QN_TRY_OUT(qn_json_fail(&j, QN_EFORMAT, "expected an array of messages, or an object with \"messages\""));
    QN_TRY_OUT(qn_json_end(&j));
    *out = m;
    m = NULL;
out:
    qn_json_drop(&j);
    qn_chat_messages_free(m);
    return rc;
}
