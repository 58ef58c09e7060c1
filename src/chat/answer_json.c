/* chat/answer_json.c — JSON in answers: where an object ends, while it comes; the call that a whole one says.
 *
 *     {"name": "weather", "arguments": {"text": "</tool_call> }"}} …
 *     └ depth 1                        └ 2      └ inside a string ┘└ 0: here it ends
 *
 * A mark or a bracket inside a string is part of the string, so the end is found by reading JSON, never by looking for
 * the mark. */
#include "chat/answer_run.h"

#include <string.h>

/* Characters that stand outside strings: brackets, separators, white space, numbers, true, false, null. */
static bool may_stand(char c) { return c && strchr("{}[],: \t\r\n\"-+.0123456789truefalsnE", c) != NULL; }

static qn_seen step_text(qn_json_scan *s, char c) {
    if ((unsigned char)c < 0x20)
        return QN_SEEN_NOT;
    s->text = s->escape || c != '"';
    s->escape = !s->escape && c == '\\';
    return QN_SEEN_MORE;
}

static qn_seen step_structure(qn_json_scan *s, char c) {
    if (!may_stand(c))
        return QN_SEEN_NOT;
    s->text = c == '"';
    if (c == '{' || c == '[') {
        if (s->depth == QN_JSON_DEPTH)
            return QN_SEEN_NOT;
        s->stack[s->depth++] = c;
    } else if (c == '}' || c == ']') {
        if (s->stack[--s->depth] != (c == '}' ? '{' : '['))
            return QN_SEEN_NOT;
    }
    return s->depth ? QN_SEEN_MORE : QN_SEEN_WHOLE;
}

qn_seen qn_json_scan_object(qn_json_scan *s, qn_str text, size_t from, size_t *end) {
    if (from >= text.n)
        return QN_SEEN_MORE;
    if (text.s[from] != '{')
        return QN_SEEN_NOT;
    if (s->from != from || s->at <= from) {
        *s = (qn_json_scan){.from = from, .at = from + 1, .depth = 1};
        s->stack[0] = '{';
    }
    while (s->at < text.n) {
        const char c = text.s[s->at];
        const qn_seen seen = s->text ? step_text(s, c) : step_structure(s, c);
        if (seen == QN_SEEN_NOT)
            return seen;
        s->at++;
        if (seen == QN_SEEN_WHOLE) {
            *end = s->at;
            s->at = 0;              /* the next look begins anew */
            return seen;
        }
    }
    return QN_SEEN_MORE;
}

int qn_see_json(qn_str text) {
    qn_json j;
    qn_json_init(&j, text.s, text.n, "a call");
    j.lone = QN_LONE_REPLACE;
    int rc = qn_json_skip(&j);
    if (rc >= 0)
        rc = qn_json_end(&j);
    qn_json_drop(&j);
    return rc == QN_ENOMEM ? rc : rc < 0 ? QN_SEEN_NOT : QN_SEEN_WHOLE;
}

/* ---- a call out of a whole object ---- */

static bool is_one_of(qn_str key, const char *a, const char *b, const char *c) {
    return qn_str_is(key, a) || qn_str_is(key, b) || qn_str_is(key, c);
}

/* An object as it stands; a string that holds one, decoded; nothing for null. Else it is no call. */
static int read_arguments(qn_json *j, qn_call_found *call) {
    switch (qn_json_peek(j)) {
    case '{':
        return qn_json_raw(j, &call->arguments);
    case '"':
        qn_buf_clear(&call->arguments_buf);
        QN_TRY(qn_json_string(j, &call->arguments_buf));
        call->arguments = qn_buf_view(&call->arguments_buf);
        if (!qn_str_starts(call->arguments, "{"))
            return QN_EFORMAT;
        const int seen = qn_see_json(call->arguments);
        return seen == QN_SEEN_NOT ? QN_EFORMAT : seen;
    case 'n':
        return qn_json_null(j);
    default:
        return QN_EFORMAT;
    }
}

static int read_text(qn_json *j, qn_buf *to, qn_str *out) {
    qn_buf_clear(to);
    QN_TRY(qn_json_string(j, to));
    *out = qn_buf_view(to);
    return 0;
}

static int read_object(qn_json *j, qn_call_found *call, int depth) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        const int what = qn_json_peek(j);
        const bool text = what == '"';
        if (text && is_one_of(key, "name", "tool_name", "function"))
            QN_TRY(read_text(j, &call->name_buf, &call->name));
        else if (text && is_one_of(key, "id", "tool_call_id", "call_id"))
            QN_TRY(read_text(j, &call->id_buf, &call->id));
        else if (is_one_of(key, "arguments", "parameters", "args"))
            QN_TRY(read_arguments(j, call));
        else if (what == '{' && depth == 0 && qn_str_is(key, "function"))
            QN_TRY(read_object(j, call, 1));
        else
            QN_TRY(qn_json_skip(j));
    }
    return more;
}

int qn_call_from_json(qn_str object, qn_call_found *call) {
    qn_json j;
    call->name = call->id = call->arguments = (qn_str){0};
    qn_json_init(&j, object.s, object.n, "a call");
    j.lone = QN_LONE_REPLACE;
    int rc = read_object(&j, call, 0);
    if (rc >= 0)
        rc = qn_json_end(&j);
    qn_json_drop(&j);
    if (rc == QN_ENOMEM)
        return rc;
    return rc >= 0 && call->name.n && call->name.n <= QN_ANSWER_NAME ? QN_SEEN_WHOLE : QN_SEEN_NOT;
}

void qn_call_found_drop(qn_call_found *call) {
    qn_buf_drop(&call->name_buf);
    qn_buf_drop(&call->id_buf);
    qn_buf_drop(&call->arguments_buf);
}

/* ---- attempts ---- */

int qn_attempt_arguments(qn_attempt *t, size_t at) {
    qn_seen seen = qn_json_scan_object(t->scan, t->text, at, &t->end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    t->call->arguments = (qn_str){t->text.s + at, t->end - at};
    return qn_see_json(t->call->arguments);
}

/* One object, or the first of an array of them. */
int qn_attempt_json(qn_attempt *t) {
    size_t at = qn_skip_white(t->text, t->at);
    if (at < t->text.n && t->text.s[at] == '[') {
        t->bracket = true;
        at = qn_skip_white(t->text, at + 1);
    }
    if (at - t->at > QN_ANSWER_NAME)
        return QN_SEEN_NOT;
    const qn_seen seen = qn_json_scan_object(t->scan, t->text, at, &t->end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    return qn_call_from_json((qn_str){t->text.s + at, t->end - at}, t->call);
}
