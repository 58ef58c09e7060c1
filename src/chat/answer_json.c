/* chat/answer_json.c — JSON in answers: where an object ends, while it comes; the call that a whole one says, or one
 * whose arguments begin.
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

void qn_json_scan_begin(qn_json_scan *s, size_t from) {
    *s = (qn_json_scan){.from = from, .at = from + 1, .depth = 1};
    s->stack[0] = '{';
}

qn_seen qn_json_scan_on(qn_json_scan *s, qn_str text, size_t *end) {
    while (s->at < text.n) {
        const char c = text.s[s->at];
        const qn_seen seen = s->text ? step_text(s, c) : step_structure(s, c);
        if (seen == QN_SEEN_NOT)
            return seen;
        s->at++;
        *end = s->at;
        if (seen == QN_SEEN_WHOLE)
            return seen;
    }
    return QN_SEEN_MORE;
}

qn_seen qn_json_scan_object(qn_json_scan *s, qn_str text, size_t from, size_t *end) {
    if (from >= text.n)
        return QN_SEEN_MORE;
    if (text.s[from] != '{')
        return QN_SEEN_NOT;
    if (s->from != from || s->at <= from)
        qn_json_scan_begin(s, from);
    const qn_seen seen = qn_json_scan_on(s, text, end);
    if (seen == QN_SEEN_WHOLE)
        s->at = 0;                  /* the next look begins anew */
    return seen;
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

static bool is_name(qn_str key) {
    return qn_str_is(key, "name") || qn_str_is(key, "tool_name") || qn_str_is(key, "function");
}

static bool is_id(qn_str key) {
    return qn_str_is(key, "id") || qn_str_is(key, "tool_call_id") || qn_str_is(key, "call_id");
}

static bool is_arguments(qn_str key) {
    return qn_str_is(key, "arguments") || qn_str_is(key, "parameters") || qn_str_is(key, "args");
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
        if (text && is_name(key))
            QN_TRY(read_text(j, &call->name_buf, &call->name));
        else if (text && is_id(key))
            QN_TRY(read_text(j, &call->id_buf, &call->id));
        else if (is_arguments(key))
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

/* ---- a call whose arguments begin ---- */

/* The string at text.s[at], as far as its end shows. */
static qn_seen see_string(qn_str text, size_t at, size_t *end) {
    if (at >= text.n)
        return QN_SEEN_MORE;
    if (text.s[at] != '"')
        return QN_SEEN_NOT;
    for (size_t i = at + 1; i < text.n; i++) {
        if ((unsigned char)text.s[i] < 0x20)
            return QN_SEEN_NOT;
        if (text.s[i] == '"') {
            *end = i + 1;
            return QN_SEEN_WHOLE;
        }
        i += text.s[i] == '\\';
    }
    return QN_SEEN_MORE;
}

/* A character of JSON's structure behind white space; *at behind it. */
static qn_seen see_sign(qn_str text, size_t *at, char sign) {
    *at = qn_skip_white(text, *at);
    if (*at >= text.n)
        return QN_SEEN_MORE;
    return text.s[(*at)++] == sign ? QN_SEEN_WHOLE : QN_SEEN_NOT;
}

static int decode(qn_str quoted, qn_buf *to, qn_str *out) {
    qn_json j;
    qn_json_init(&j, quoted.s, quoted.n, "a call");
    j.lone = QN_LONE_REPLACE;
    const int rc = read_text(&j, to, out);
    qn_json_drop(&j);
    return rc == QN_ENOMEM ? rc : rc < 0 ? QN_SEEN_NOT : QN_SEEN_WHOLE;
}

/* A member's key and colon, and its value if that is a text: QN_SEEN_BEGUN where it is the object of the arguments. */
static int see_member(qn_attempt *t, qn_str text, size_t *at) {
    qn_call_found *call = t->call;
    size_t end;
    *at = qn_skip_white(text, *at);
    qn_seen seen = see_string(text, *at, &end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    const qn_str key = {text.s + *at + 1, end - *at - 2};
    *at = end;
    seen = see_sign(text, at, ':');
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    *at = qn_skip_white(text, *at);
    if (*at < text.n && text.s[*at] == '{')
        return is_arguments(key) && call->name.n && call->name.n <= QN_ANSWER_NAME ? QN_SEEN_BEGUN : QN_SEEN_NOT;
    seen = see_string(text, *at, &end);
    if (seen != QN_SEEN_WHOLE || is_arguments(key))
        return seen == QN_SEEN_WHOLE ? QN_SEEN_NOT : (int)seen;
    const qn_str value = {text.s + *at, end - *at};
    *at = end;
    return is_name(key) ? decode(value, &call->name_buf, &call->name)
         : is_id(key) ? decode(value, &call->id_buf, &call->id) : QN_SEEN_WHOLE;
}

/* {"name": "weather", "arguments": {  — and before the arguments texts only. NOT: it has to be read whole, if it is a
 * call at all: the name comes last, or the arguments are a text. */
static int see_head(qn_attempt *t, size_t at) {
    const bool cut = t->text.n > at + QN_ANSWER_HEAD;
    const qn_str text = {t->text.s, cut ? at + QN_ANSWER_HEAD : t->text.n};
    int seen = see_sign(text, &at, '{');
    t->call->name = t->call->id = t->call->arguments = (qn_str){0};
    while (seen == QN_SEEN_WHOLE) {
        seen = see_member(t, text, &at);
        if (seen == QN_SEEN_WHOLE)
            seen = (int)see_sign(text, &at, ',');
    }
    t->end = at;
    t->wrapped = true;
    return seen == QN_SEEN_MORE && cut ? QN_SEEN_NOT : seen;
}

/* ---- attempts ---- */

int qn_attempt_arguments(qn_attempt *t, size_t at) {
    t->end = at;
    return at >= t->text.n ? QN_SEEN_MORE : t->text.s[at] == '{' ? QN_SEEN_BEGUN : QN_SEEN_NOT;
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
    const int head = see_head(t, at);
    if (head != QN_SEEN_NOT)
        return head;
    const qn_seen seen = qn_json_scan_object(t->scan, t->text, at, &t->end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    return qn_call_from_json((qn_str){t->text.s + at, t->end - at}, t->call);
}
