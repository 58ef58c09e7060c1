/* data/example_turns.c — one message after the other, from any spelling into ours. */
#include "data/example_turns.h"

#include <string.h>

void qn_turns_drop(qn_turns *t) {
    for (size_t i = 0; i < t->n; i++)
        qn_buf_drop(&t->m[i].json);
    qn_free(t->m);
    *t = (qn_turns){0};
}

bool qn_turns_is_blank(qn_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!qn_is_json_space(s.s[i]))
            return false;
    return true;
}

static void fault(qn_turns *t, qn_example_fault f) { t->fault = t->fault ? t->fault : f; }

/* ---- roles ---- */

typedef enum { SYSTEM, USER, ASSISTANT, CALL, TOOL, OTHER } who;

static const struct { const char *name; who who; const char *role; } roles[] = {
    {"system", SYSTEM, "system"}, {"developer", SYSTEM, "developer"}, {"user", USER, "user"}, {"human", USER, "user"},
    {"prompter", USER, "user"}, {"assistant", ASSISTANT, "assistant"}, {"gpt", ASSISTANT, "assistant"},
    {"model", ASSISTANT, "assistant"}, {"bot", ASSISTANT, "assistant"}, {"chatgpt", ASSISTANT, "assistant"},
    {"bing", ASSISTANT, "assistant"}, {"bard", ASSISTANT, "assistant"}, {"function_call", CALL, "assistant"},
    {"tool_call", CALL, "assistant"}, {"observation", TOOL, "tool"}, {"tool", TOOL, "tool"},
    {"function", TOOL, "tool"}, {"function_response", TOOL, "tool"}, {"ipython", TOOL, "ipython"},
};

static who who_is(qn_str name, const char **role) {
    for (size_t i = 0; i < QN_LEN(roles); i++)
        if (qn_str_is(name, roles[i].name)) {
            *role = roles[i].role;
            return roles[i].who;
        }
    return OTHER;
}

/* ---- JSON in small ---- */

/* Rows come from anywhere: half a character in an escape is replaced, not refused. */
static void open_json(qn_json *j, qn_str json, const char *place) {
    qn_json_init(j, json.s, json.n, place);
    j->lone = QN_LONE_REPLACE;
}

int qn_turns_text(qn_str json, const char *place, qn_buf *out) {
    qn_json j;
    open_json(&j, json, place);
    int rc = qn_json_string(&j, out);
    if (rc >= 0)
        rc = qn_json_end(&j);
    qn_json_drop(&j);
    return rc;
}

/* Runs `item` over the elements of an array. */
typedef int item_fn(void *arg, qn_str raw);
static int each(qn_str json, const char *place, item_fn *item, void *arg) {
    qn_json j;
    qn_str raw;
    int rc, more;
    open_json(&j, json, place);
    QN_TRY_OUT(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0) {
        QN_TRY_OUT(qn_json_raw(&j, &raw));
        QN_TRY_OUT(item(arg, raw));
    }
    rc = more;
out:
    qn_json_drop(&j);
    return rc;
}

static bool is_json(qn_str text) {
    qn_json j;
    qn_json_init(&j, text.s, text.n, "");
    const int what = qn_json_peek(&j);
    const bool good = (what == '{' || what == '[') && qn_json_skip(&j) >= 0 && qn_json_end(&j) >= 0;
    qn_json_drop(&j);
    return good;
}

/* ---- calls ---- */

/* {"name", "arguments"} out of either spelling; a string of arguments that is JSON becomes what it says. */
typedef struct { qn_buf name; qn_str arguments; qn_buf unquoted; qn_str id; } call;

static void call_drop(call *c) {
    qn_buf_drop(&c->name);
    qn_buf_drop(&c->unquoted);
}

static int read_call(call *c, qn_json *j) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "function") && qn_json_peek(j) == '{')
            QN_TRY(read_call(c, j));
        else if (qn_str_is(key, "name") && qn_json_peek(j) == '"' && c->name.n == 0)
            QN_TRY(qn_json_string(j, &c->name));
        else if (qn_str_is(key, "arguments") || qn_str_is(key, "parameters"))
            QN_TRY(qn_json_raw(j, &c->arguments));
        else if (qn_str_is(key, "id"))
            QN_TRY(qn_json_raw(j, &c->id));
        else
            QN_TRY(qn_json_skip(j));
    }
    return more;
}

typedef struct { qn_jw *w; qn_buf *text; const char *place; qn_turns *t; } calls;

/* One that nobody could run, for it names no function or its arguments are no JSON, is a fault of its conversation. */
static int parse_call(call *c, qn_str raw, const calls *k) {
    qn_json j;
    open_json(&j, raw, k->place);
    int rc = read_call(c, &j);
    qn_json_drop(&j);
    QN_TRY(rc);
    if (c->arguments.n && c->arguments.s[0] == '"') {
        QN_TRY(qn_turns_text(c->arguments, k->place, &c->unquoted));
        c->arguments = qn_buf_view(&c->unquoted);
    }
    if (qn_turns_is_blank(c->arguments) || qn_str_is(c->arguments, "null"))
        c->arguments = QN_STR("{}");
    if (c->name.n == 0 || !is_json(c->arguments)) {
        fault(k->t, QN_FAULT_CALL);
        c->arguments = QN_STR("{}");
    }
    return 0;
}

/* As an element of tool_calls. */
static int put_call(void *arg, qn_str raw) {
    const calls *k = arg;
    call c = {0};
    int rc;
    QN_TRY_OUT(parse_call(&c, raw, k));
    qn_jw_open(k->w, '{');
    if (c.id.n) {
        qn_jw_key(k->w, "id");
        qn_jw_raw(k->w, c.id);
    }
    qn_jw_key(k->w, "type");
    qn_jw_str(k->w, QN_STR("function"));
    qn_jw_key(k->w, "function");
    qn_jw_open(k->w, '{');
    qn_jw_key(k->w, "name");
    qn_jw_str(k->w, qn_buf_view(&c.name));
    qn_jw_key(k->w, "arguments");
    qn_jw_raw(k->w, c.arguments);
    qn_jw_close(k->w);
    qn_jw_close(k->w);
out:
    call_drop(&c);
    return rc;
}

/* As text, for a template that says nothing of calls. */
static int write_call(void *arg, qn_str raw) {
    const calls *k = arg;
    call c = {0};
    int rc;
    QN_TRY_OUT(parse_call(&c, raw, k));
    QN_TRY_OUT(qn_buf_puts(k->text, k->text->n ? "\n<tool_call>\n{\"name\": " : "<tool_call>\n{\"name\": "));
    QN_TRY_OUT(qn_json_quote(k->text, qn_buf_view(&c.name)));
    QN_TRY_OUT(qn_buf_puts(k->text, ", \"arguments\": "));
    QN_TRY_OUT(qn_buf_put(k->text, c.arguments.s, c.arguments.n));
    rc = qn_buf_puts(k->text, "}\n</tool_call>");
out:
    call_drop(&c);
    return rc;
}

static int each_call(qn_str raw, item_fn *fn, calls *k) {
    return raw.s[0] == '[' ? each(raw, k->place, fn, k) : fn(k, raw);
}

/* ---- a message ---- */

typedef struct {
    qn_buf role, text;
    qn_str content, calls;      /* as they stand; n = 0: not there */
    qn_buf others;              /* members that are the template's business, as they stand, a comma behind each */
    bool mute;
} message;

static void message_drop(message *m) {
    qn_buf_drop(&m->role);
    qn_buf_drop(&m->text);
    qn_buf_drop(&m->others);
}

static bool is_zero(qn_str raw) {
    double v;
    return qn_str_is(raw, "false") || (qn_parse_f64(raw, &v) && v == 0);
}

static int keep_member(message *m, qn_json *j, qn_str key) {
    const bool weight = qn_str_is(key, "weight");
    qn_str raw;
    qn_buf name = {0};
    int rc = qn_json_quote(&name, key);         /* the key is gone when the value was read */
    if (rc >= 0)
        rc = qn_json_raw(j, &raw);
    m->mute = m->mute || (rc >= 0 && weight && is_zero(raw));
    if (rc >= 0)
        rc = qn_buf_printf(&m->others, "%s:", name.s);
    if (rc >= 0)
        rc = qn_buf_put(&m->others, raw.s, raw.n);
    if (rc >= 0)
        rc = qn_buf_putc(&m->others, ',');
    qn_buf_drop(&name);
    return rc;
}

static int read_member(message *m, qn_json *j, qn_str key) {
    if ((qn_str_is(key, "role") || qn_str_is(key, "from")) && m->role.n == 0)
        return qn_json_peek(j) == '"' ? qn_json_string(j, &m->role) : qn_json_skip(j);
    if (qn_str_is(key, "content") || qn_str_is(key, "value"))
        return qn_json_raw(j, &m->content);
    if (qn_str_is(key, "tool_calls"))
        return qn_json_raw(j, &m->calls);
    return keep_member(m, j, key);
}

static int read_message(message *m, qn_str raw, const char *place) {
    qn_json j;
    qn_str key;
    int rc, more;
    open_json(&j, raw, place);
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0)
        QN_TRY_OUT(read_member(m, &j, key));
    rc = more;
    if (rc >= 0 && m->content.n && m->content.s[0] == '"')
        rc = qn_turns_text(m->content, place, &m->text);
out:
    qn_json_drop(&j);
    return rc;
}

static int write_message(qn_turns *t, const message *m, const char *role, bool answer, const char *place) {
    const bool parts = m->content.n && (m->content.s[0] == '[' || m->content.s[0] == '{');
    QN_TRY(QN_GROW(QN_MEM_BASE, t->m, t->cap, t->n + 1));
    qn_turn_text *to = &t->m[t->n++];
    qn_jw w;
    *to = (qn_turn_text){.answer = answer, .mute = m->mute};
    qn_jw_init(&w, &to->json, 0);
    qn_jw_open(&w, '{');
    qn_jw_key(&w, "role");
    qn_jw_str(&w, qn_str_of(role));
    qn_jw_key(&w, "content");
    if (parts)
        qn_jw_raw(&w, m->content);
    else
        qn_jw_str(&w, qn_buf_view(&m->text));
    if (m->calls.n) {
        calls k = {.w = &w, .place = place, .t = t};
        qn_jw_key(&w, "tool_calls");
        qn_jw_open(&w, '[');
        QN_TRY(each_call(m->calls, put_call, &k));
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    QN_TRY(qn_jw_end(&w));
    if (m->others.n == 0)
        return 0;
    to->json.n--;                               /* "…}" becomes "…, others}" */
    QN_TRY(qn_buf_putc(&to->json, ','));
    QN_TRY(qn_buf_put(&to->json, m->others.s, m->others.n - 1));
    return qn_buf_putc(&to->json, '}');
}

/* Is there something to see in a list of parts: a text, or what is none? */
static int look_at_part(void *arg, qn_str raw) {
    bool *seen = arg;
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    int more = 0, rc = 0;
    bool words = false;
    open_json(&j, raw, "");
    if (raw.s[0] == '"')
        rc = qn_turns_text(raw, "", &text);
    else if (raw.s[0] == '{' && (rc = qn_json_enter(&j, '{')) >= 0)
        while (rc >= 0 && (more = qn_json_key(&j, &key)) > 0) {
            const bool here = qn_str_is(key, "text") && qn_json_peek(&j) == '"';
            words = words || here;
            rc = here ? qn_json_string(&j, &text) : qn_json_skip(&j);
        }
    *seen = *seen || (raw.s[0] == '{' && !words) || !qn_turns_is_blank(qn_buf_view(&text));
    qn_json_drop(&j);
    qn_buf_drop(&text);
    return rc < 0 ? rc : more;
}

/* An answer without a visible character, as a text or in parts. */
static int is_empty(const message *m, const char *place, bool *empty) {
    const char kind = m->content.n ? m->content.s[0] : 0;
    bool seen = false;
    *empty = kind == '"' && qn_turns_is_blank(qn_buf_view(&m->text));
    if (kind != '[')
        return 0;
    QN_TRY(each(m->content, place, look_at_part, &seen));
    *empty = !seen;
    return 0;
}

static int add_message(qn_turns *t, message *m, const char *place) {
    const char *role = "";
    const who w = who_is(qn_buf_view(&m->role), &role);
    message out = *m;                           /* a view: nothing of it is dropped */
    int rc = 0;
    if (w == OTHER)
        fault(t, QN_FAULT_ROLE);
    if (w == CALL && m->calls.n == 0 && is_json(qn_buf_view(&m->text)))
        out.calls = qn_buf_view(&m->text);      /* the call stands in the place of the words */
    else if (w == CALL && m->calls.n == 0 && m->text.n && (m->text.s[0] == '{' || m->text.s[0] == '['))
        fault(t, QN_FAULT_CALL);
    if (qn_str_is(m->calls, "null") || qn_str_is(m->calls, "[]"))
        out.calls.n = 0;
    const bool called = out.calls.n > 0, answer = w == ASSISTANT || w == CALL;
    bool empty;
    QN_TRY(is_empty(m, place, &empty));
    t->calls = t->calls || called;
    if (w == CALL && called)
        out.text = (qn_buf){0};
    const char kind = m->content.n ? m->content.s[0] : 0;
    if (!called && kind != '"' && kind != '[' && kind != '{')
        fault(t, QN_FAULT_CONTENT);
    if (answer && !called && empty)
        fault(t, QN_FAULT_EMPTY);
    qn_buf own = {0};
    if (called && t->calls_as_text) {
        calls k = {.text = &own, .place = place, .t = t};
        QN_TRY_OUT(qn_buf_put(&own, out.text.s ? out.text.s : "", out.text.n));
        QN_TRY_OUT(each_call(out.calls, write_call, &k));
        out.text = own;
        out.calls.n = 0;
    }
    rc = write_message(t, &out, w == OTHER ? m->role.s ? m->role.s : "" : role, answer, place);
out:
    qn_buf_drop(&own);
    return rc;
}

static int add_object(qn_turns *t, qn_str raw, const char *place) {
    message m = {0};
    int rc = read_message(&m, raw, place);
    if (rc >= 0)
        rc = add_message(t, &m, place);
    message_drop(&m);
    return rc;
}

static qn_str trimmed(qn_str s) {
    while (s.n && qn_turns_is_blank((qn_str){s.s, 1})) {
        s.s++;
        s.n--;
    }
    while (s.n && qn_turns_is_blank((qn_str){s.s + s.n - 1, 1}))
        s.n--;
    return s;
}

int qn_turns_add_words(qn_turns *t, qn_str words, const char *role, const char *place) {
    message m = {.content = QN_STR("\"\"")};
    int rc = qn_buf_puts(&m.role, role);
    words = t->trim ? trimmed(words) : words;
    if (rc >= 0)
        rc = qn_buf_put(&m.text, words.s, words.n);
    if (rc >= 0 && strcmp(role, "user") == 0 && qn_turns_is_blank(words))
        fault(t, QN_FAULT_CONTENT);
    if (rc >= 0)
        rc = add_message(t, &m, place);
    message_drop(&m);
    return rc;
}

/* ---- lists ---- */

typedef struct { qn_turns *t; const char *role, *place; size_t i; } list;

static int add_item(void *arg, qn_str raw) {
    const list *l = arg;
    if (raw.s[0] != '{')
        return qn_fail(QN_EFORMAT, "%s: a message must be an object, not %.*s", l->place, QN_STR_ARG(raw));
    return add_object(l->t, raw, l->place);
}

int qn_turns_add(qn_turns *t, qn_str json, const char *role, const char *place) {
    list l = {.t = t, .place = place};
    qn_buf text = {0};
    if (json.s[0] == '[')
        return each(json, place, add_item, &l);
    if (json.s[0] == '{')
        return add_object(t, json, place);
    if (json.s[0] != '"')
        return qn_fail(QN_EFORMAT, "%s: a text, a message or a list of messages is expected, not %.*s", place,
                       QN_STR_ARG(json));
    int rc = qn_turns_text(json, place, &text);
    if (rc >= 0)
        rc = qn_turns_add_words(t, qn_buf_view(&text), role, place);
    qn_buf_drop(&text);
    return rc;
}

static int add_side(void *arg, qn_str raw) {
    list *l = arg;
    return qn_turns_add(l->t, raw, l->i++ % 2 ? "assistant" : "user", l->place);
}

static int add_exchange(void *arg, qn_str raw) {
    list *l = arg;
    l->i = 0;
    return each(raw, l->place, add_side, l);
}

int qn_turns_add_history(qn_turns *t, qn_str json, const char *place) {
    list l = {.t = t, .place = place};
    return json.s[0] == '[' ? each(json, place, add_exchange, &l)
                            : qn_fail(QN_EFORMAT, "%s: \"history\" must be a list of pairs", place);
}

/* ---- dialogues ---- */

/* The next of the two headings from `at`; n = 0: none. */
static size_t heading(qn_str text, size_t at, const char **role, size_t *n) {
    static const struct { const char *text, *role; } heads[] = {
        {"\n\nHuman:", "user"}, {"\n\nAssistant:", "assistant"}};
    size_t best = text.n;
    *n = 0;
    for (size_t i = 0; i < QN_LEN(heads); i++) {
        const char *found = memmem(text.s + at, text.n - at, heads[i].text, strlen(heads[i].text));
        if (!found || (size_t)(found - text.s) >= best)
            continue;
        best = (size_t)(found - text.s);
        *n = strlen(heads[i].text);
        *role = heads[i].role;
    }
    return best;
}

int qn_turns_add_dialogue(qn_turns *t, qn_str json, bool open, const char *place) {
    qn_buf text = {0};
    const char *role = NULL, *next_role = NULL;
    size_t n = 0;
    int rc;
    QN_TRY_OUT(qn_turns_text(json, place, &text));
    const qn_str all = qn_buf_view(&text);
    size_t at = heading(all, 0, &role, &n);
    if (n == 0 || !qn_turns_is_blank((qn_str){all.s, at})) {
        rc = qn_fail(QN_EFORMAT, "%s: chosen and rejected without a prompt must be conversations, or texts that begin "
                     "with \"\\n\\nHuman:\"", place);
        goto out;
    }
    while (n > 0) {
        const size_t begin = at + n, end = heading(all, begin, &next_role, &n);
        const qn_str words = trimmed((qn_str){all.s + begin, end - begin});
        if (!(open && n == 0 && words.n == 0 && strcmp(role, "assistant") == 0))
            QN_TRY_OUT(qn_turns_add_words(t, words, role, place));
        role = next_role;
        at = end;
    }
out:
    qn_buf_drop(&text);
    return rc < 0 ? rc : 0;
}

/* ---- looking ---- */

/* HH-RLHF's; white space in front of the first heading is none of it. */
bool qn_turns_is_dialogue(qn_str json) {
    qn_buf text = {0};
    const char *role;
    size_t n = 0, at = 0;
    if (json.n && json.s[0] == '"' && qn_turns_text(json, "", &text) >= 0)
        at = heading(qn_buf_view(&text), 0, &role, &n);
    const bool is = n > 0 && qn_turns_is_blank((qn_str){text.s, at});
    qn_buf_drop(&text);
    return is;
}

static bool is_answer(qn_str raw) {
    message m = {0};
    const char *role;
    who w = OTHER;
    if (raw.s[0] == '{' && read_message(&m, raw, "") >= 0)
        w = who_is(qn_buf_view(&m.role), &role);
    message_drop(&m);
    return w == ASSISTANT || w == CALL;
}

bool qn_turns_begin_with_answer(qn_str json) {
    qn_json j;
    qn_str raw;
    bool answer = false;
    qn_json_init(&j, json.s, json.n, "");
    if (qn_json_enter(&j, '[') >= 0 && qn_json_item(&j) > 0 && qn_json_raw(&j, &raw) >= 0)
        answer = is_answer(raw);
    qn_json_drop(&j);
    return answer;
}

/* ---- tools ---- */

static int put_tool(void *arg, qn_str raw) {
    const calls *k = arg;
    qn_json j;
    qn_str key;
    bool wrapped = false;
    int more = 0;
    qn_json_init(&j, raw.s, raw.n, k->place);
    if (raw.s[0] == '{' && qn_json_enter(&j, '{') >= 0)
        while ((more = qn_json_key(&j, &key)) > 0) {
            wrapped = wrapped || qn_str_is(key, "function");
            if (qn_json_skip(&j) < 0)
                break;
        }
    qn_json_drop(&j);
    if (wrapped || raw.s[0] != '{') {
        qn_jw_raw(k->w, raw);
        return 0;
    }
    qn_jw_open(k->w, '{');
    qn_jw_key(k->w, "type");
    qn_jw_str(k->w, QN_STR("function"));
    qn_jw_key(k->w, "function");
    qn_jw_raw(k->w, raw);
    qn_jw_close(k->w);
    return 0;
}

int qn_turns_tools(qn_str json, const char *place, qn_buf *out) {
    qn_jw w;
    calls k = {.w = &w, .place = place};
    json = trimmed(json);
    if (json.n == 0 || qn_str_is(json, "[]") || json.s[0] != '[')
        return 0;
    qn_jw_init(&w, out, 0);
    qn_jw_open(&w, '[');
    QN_TRY(each(json, place, put_tool, &k));
    qn_jw_close(&w);
    return qn_jw_end(&w);
}
