/* chat/answer_named.c — calls whose name stands before their JSON, and Llama 3's, that need no mark.
 *
 *     [TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Ulm"}           Mistral, since its tokenizer of version 11
 *     [TOOL_CALLS][{"name": "weather", "arguments": {…}, "id": …}, …]      … and before
 *     <｜tool▁call▁begin｜>function<｜tool▁sep｜>weather⏎```json⏎{…}⏎```      DeepSeek R1 and V3
 *     <｜tool▁call▁begin｜>weather<｜tool▁sep｜>{…}                           DeepSeek V3.1
 *     <|python_tag|>brave_search.call(query="Ulm")                          Llama 3.1, its built-in functions
 *     {"name": "weather", "parameters": {…}}; {…}                          Llama 3, functions of the user */
#include "chat/answer_run.h"

#include <string.h>

enum { LLAMA_MAX = 4 << 10 };      /* bytes of a name.call(…), which is read anew whenever more of it comes */

/* ---- Mistral ---- */

int qn_attempt_mistral(qn_attempt *t) {
    size_t at = qn_skip_white(t->text, t->at), end;
    if (at < t->text.n && (t->text.s[at] == '[' || t->text.s[at] == '{'))
        return qn_attempt_json(t);
    qn_seen seen = at - t->at > QN_ANSWER_NAME ? QN_SEEN_NOT : qn_see_name(t->text, at, &end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    t->call->name = (qn_str){t->text.s + at, end - at};
    t->call->id = (qn_str){0};
    seen = qn_see(t->text, end, "[CALL_ID]");
    if (seen == QN_SEEN_WHOLE) {
        at = end + strlen("[CALL_ID]");
        seen = qn_see_name(t->text, at, &end);
        if (seen != QN_SEEN_WHOLE)
            return (int)seen;
        t->call->id = (qn_str){t->text.s + at, end - at};
    }
    const qn_seen args = qn_see(t->text, end, "[ARGS]");
    if (seen == QN_SEEN_MORE || args == QN_SEEN_MORE)
        return QN_SEEN_MORE;
    end += args == QN_SEEN_WHOLE ? strlen("[ARGS]") : 0;
    at = qn_skip_white(t->text, end);
    return at - end > QN_ANSWER_NAME ? QN_SEEN_NOT : qn_attempt_arguments(t, at);
}

/* ---- DeepSeek ---- */

#define CALL_BEGIN "<｜tool▁call▁begin｜>"
#define CALL_SEP "<｜tool▁sep｜>"

/* ⏎```json⏎ between the name and the arguments, if it is there. */
static qn_seen pass_fence(qn_attempt *t, size_t *at) {
    size_t i = qn_skip_white(t->text, *at);
    const qn_seen seen = qn_see(t->text, i, "```");
    if (seen == QN_SEEN_WHOLE) {
        i += 3;
        if (qn_see(t->text, i, "json") == QN_SEEN_MORE)
            return QN_SEEN_MORE;
        i = qn_skip_white(t->text, qn_see(t->text, i, "json") == QN_SEEN_WHOLE ? i + 4 : i);
    }
    *at = i;
    return seen == QN_SEEN_MORE ? seen : QN_SEEN_WHOLE;
}

int qn_attempt_deepseek(qn_attempt *t) {
    size_t at = qn_skip_white(t->text, t->at), end;
    qn_seen seen = at - t->at > QN_ANSWER_NAME ? QN_SEEN_NOT : qn_see(t->text, at, CALL_BEGIN);
    if (seen == QN_SEEN_MORE)
        return (int)seen;
    at += seen == QN_SEEN_WHOLE ? strlen(CALL_BEGIN) : 0;
    for (int i = 0; i < 2; i++) {
        seen = qn_see_name(t->text, at, &end);
        if (seen != QN_SEEN_WHOLE)
            return (int)seen;
        t->call->name = (qn_str){t->text.s + at, end - at};
        t->call->id = (qn_str){0};
        if (i == 0) {
            seen = qn_see(t->text, end, CALL_SEP);
            if (seen != QN_SEEN_WHOLE)
                return (int)seen;
            end += strlen(CALL_SEP);
        }
        at = end;
        if (pass_fence(t, &at) == QN_SEEN_MORE || at == t->text.n)
            return at - end > QN_ANSWER_NAME ? QN_SEEN_NOT : QN_SEEN_MORE;
        if (t->text.s[at] == '{')
            break;
    }
    return at - end > QN_ANSWER_NAME ? QN_SEEN_NOT : qn_attempt_arguments(t, at);
}

/* ---- Llama 3 ---- */

/* Without a mark the object must begin as a call does, or it is an answer in JSON: known by its first key. */
static qn_seen begins_like_call(qn_str text, size_t at) {
    static const char *const keys[] = {"\"name\"", "\"parameters\"", "\"type\"", "\"function\"", "\"arguments\"",
                                       "\"id\""};
    qn_seen best = QN_SEEN_NOT;
    if (at >= text.n)
        return QN_SEEN_MORE;
    if (text.s[at] != '{')
        return QN_SEEN_NOT;
    const size_t key = qn_skip_white(text, at + 1);
    for (size_t i = 0; i < QN_LEN(keys) && key - at < QN_ANSWER_NAME; i++)
        best = QN_MIN(best, qn_see(text, key, keys[i]));
    return best;
}

static bool is_offered(const qn_answer_options *o, qn_str name) {
    for (size_t i = 0; i < o->tools; i++)
        if (qn_str_eq(o->tool[i], name))
            return true;
    return o->tools == 0;
}

/* One value of name.call(key=value, …): a string, a number, true, false, null. */
static int see_value(qn_str text, size_t at, size_t *end) {
    size_t i = at;
    if (i < text.n && text.s[i] == '"') {
        for (i++; i < text.n && text.s[i] != '"'; i++)
            i += text.s[i] == '\\';
        i++;
    } else {
        while (i < text.n && text.s[i] != ',' && text.s[i] != ')' && !qn_is_space(text.s[i]))
            i++;
    }
    *end = i;
    if (i >= text.n)
        return QN_SEEN_MORE;
    return qn_see_json((qn_str){text.s + at, i - at});
}

/* key=value, …) into an object. */
static int read_pairs(qn_attempt *t, size_t at, qn_jw *w) {
    const qn_str text = t->text;
    for (bool first = true;; first = false) {
        size_t end;
        at = qn_skip_white(text, at);
        if (at < text.n && text.s[at] == ')') {
            t->end = at + 1;
            return QN_SEEN_WHOLE;
        }
        if (!first && at < text.n && text.s[at] == ',')
            at = qn_skip_white(text, at + 1);
        qn_seen seen = qn_see_name(text, at, &end);
        if (seen == QN_SEEN_WHOLE && text.s[end] != '=')
            seen = QN_SEEN_NOT;
        if (seen != QN_SEEN_WHOLE)
            return (int)seen;
        qn_jw_key_str(w, (qn_str){text.s + at, end - at});
        at = end + 1;
        const int value = see_value(text, at, &end);
        if (value != QN_SEEN_WHOLE)
            return value;
        qn_jw_raw(w, (qn_str){text.s + at, end - at});
        at = end;
    }
}

/* brave_search.call(query="Ulm") */
static int attempt_dotted(qn_attempt *t, size_t at) {
    static const char tail[] = ".call";
    size_t end;
    qn_jw w;
    const bool cut = t->text.n - at > LLAMA_MAX;
    if (cut)
        t->text.n = at + LLAMA_MAX;
    qn_seen seen = qn_see_name(t->text, at, &end);
    if (seen != QN_SEEN_WHOLE)
        return (int)seen;
    const qn_str name = {t->text.s + at, end - at};
    if (!qn_str_ends(name, tail) || name.n < sizeof tail || t->text.s[end] != '(')
        return QN_SEEN_NOT;
    t->call->name = (qn_str){name.s, name.n - (sizeof tail - 1)};
    t->call->id = (qn_str){0};
    qn_buf_clear(&t->call->arguments_buf);
    qn_jw_init(&w, &t->call->arguments_buf, 0);
    qn_jw_open(&w, '{');
    const int rc = read_pairs(t, end + 1, &w);
    if (rc != QN_SEEN_WHOLE)
        return rc == QN_SEEN_MORE && cut ? QN_SEEN_NOT : rc;
    qn_jw_close(&w);
    QN_TRY(qn_jw_end(&w));
    t->call->arguments = qn_buf_view(&t->call->arguments_buf);
    return rc;
}

int qn_attempt_llama(qn_attempt *t) {
    const size_t at = qn_skip_white(t->text, t->at);
    if (at - t->at > QN_ANSWER_NAME)
        return QN_SEEN_NOT;
    if (!t->bare && at < t->text.n && t->text.s[at] != '{' && t->text.s[at] != '[')
        return attempt_dotted(t, at);
    if (t->bare) {
        const qn_seen seen = begins_like_call(t->text, at);
        if (seen != QN_SEEN_WHOLE)
            return (int)seen;
    }
    const int rc = qn_attempt_json(t);
    if ((rc != QN_SEEN_WHOLE && rc != QN_SEEN_BEGUN) || !t->bare)
        return rc;
    const bool has_arguments = rc == QN_SEEN_BEGUN || t->call->arguments.s;
    return has_arguments && is_offered(t->o, t->call->name) ? rc : QN_SEEN_NOT;
}
