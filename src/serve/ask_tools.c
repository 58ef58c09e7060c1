/* serve/ask_tools.c — the functions that a request offers: read and checked; told to models whose template knows none;
 * as a schema where one of them must be called. */
#include "serve/ask.h"

#include <string.h>

static int read_function(qn_json *j, qn_ask_tool *t) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "name")) {
            qn_buf_clear(&t->name);
            QN_TRY(qn_json_string(j, &t->name));
        } else {
            const bool said = qn_str_is(key, "parameters") && qn_json_peek(j) != 'n';
            QN_TRY(said ? qn_json_raw(j, &t->parameters) : qn_json_skip(j));
        }
    }
    return more;
}

/* What a function takes are named arguments: "type", where parameters say one, is "object". */
static int check_parameters(const qn_ask_tool *t) {
    qn_json j;
    qn_str key, word;
    int more = 0, rc = 0;
    if (!t->parameters.s || t->parameters.s[0] != '{')
        return 0;
    qn_json_init(&j, t->parameters.s, t->parameters.n, "tools");
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        const bool type = qn_str_is(key, "type");
        QN_TRY_OUT(qn_json_raw(&j, &word));
        if (type && word.n > 0 && word.s[0] == '"' && !qn_str_is(word, "\"object\""))
            QN_TRY_OUT(qn_fail(QN_EINVAL, "the parameters of \"%.*s\" are of type %.*s; a function takes an \"object\"",
                               QN_STR_ARG(qn_buf_view(&t->name)), QN_STR_ARG(word)));
    }
    rc = more;
out:
    qn_json_drop(&j);
    return rc;
}

/* {"type": "function", "function": {"name", "description", "parameters"}} */
static int read_tool(qn_json *j, qn_ask *a) {
    qn_str key;
    int more;
    if (a->n_tools == QN_ASK_TOOLS)
        return qn_json_fail(j, QN_ELIMIT, "more than %d tools", QN_ASK_TOOLS);
    QN_TRY(QN_GROW(QN_MEM_SERVE, a->tool_list, a->cap_tools, a->n_tools + 1));
    qn_ask_tool *t = &a->tool_list[a->n_tools++];
    *t = (qn_ask_tool){0};
    if (qn_json_peek(j) != '{')
        return qn_json_fail(j, QN_EFORMAT, "a tool must be an object: {\"type\": \"function\", \"function\": {…}}");
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "function") ? read_function(j, t) : qn_json_skip(j));
    QN_TRY(more);
    return t->name.n > 0 ? check_parameters(t)
                         : qn_json_fail(j, QN_EINVAL, "a tool without \"function\": {\"name\": …}");
}

static int name_them(qn_exchange *x, qn_ask *a) {
    bool found = false;
    a->tool_names = qn_alloc(QN_MEM_SERVE, a->n_tools * sizeof *a->tool_names);
    if (!a->tool_names)
        return QN_ENOMEM;
    for (size_t i = 0; i < a->n_tools; i++) {
        a->tool_names[i] = qn_buf_view(&a->tool_list[i].name);
        found = found || qn_str_eq(a->tool_names[i], qn_buf_view(&a->tool));
    }
    if (a->choice != QN_TOOLS_NAMED || found)
        return 0;
    x->param = "tool_choice";
    return qn_fail(QN_EINVAL, "tool_choice names \"%.*s\", which is none of the tools",
                   QN_STR_ARG(qn_buf_view(&a->tool)));
}

int qn_ask_read_tools(qn_exchange *x, qn_ask *a) {
    qn_json j;
    int more, rc = 0;
    if (!a->tools.s || a->choice == QN_TOOLS_NONE)
        return 0;
    x->param = "tools";
    qn_json_init(&j, a->tools.s, a->tools.n, "tools");
    j.lone = QN_LONE_REPLACE;
    QN_TRY_OUT(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0)
        QN_TRY_OUT(read_tool(&j, a));
    QN_TRY_OUT(more);
    if (a->n_tools == 0 && a->choice >= QN_TOOLS_REQUIRED)
        rc = qn_fail(QN_EINVAL, "tool_choice wants a call, and there are no tools");
    else
        rc = name_them(x, a);
    if (rc >= 0)
        x->param = NULL;
out:
    qn_json_drop(&j);
    return rc;
}

void qn_ask_drop_tools(qn_ask *a) {
    for (size_t i = 0; i < a->n_tools; i++)
        qn_buf_drop(&a->tool_list[i].name);
    qn_free(a->tool_list);
    qn_free(a->tool_names);
}

/* What Hermes-2-Pro and Qwen2.5 are told of tools, for templates that have no words for them. */
int qn_ask_tools_text(const qn_ask *a, qn_buf *out) {
    qn_json j;
    qn_str tool;
    int more, rc;
    qn_json_init(&j, a->tools.s, a->tools.n, "tools");
    j.lone = QN_LONE_REPLACE;
    QN_TRY_OUT(qn_buf_puts(out, "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou "
                           "are provided with function signatures within <tools></tools> XML tags:\n<tools>"));
    QN_TRY_OUT(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0) {
        QN_TRY_OUT(qn_json_raw(&j, &tool));
        QN_TRY_OUT(qn_buf_putc(out, '\n'));
        QN_TRY_OUT(qn_buf_put(out, tool.s, tool.n));
    }
    QN_TRY_OUT(more);
    rc = qn_buf_puts(out, "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
                     "within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, "
                     "\"arguments\": <args-json-object>}\n</tool_call>");
out:
    qn_json_drop(&j);
    return rc;
}

/* A tool's parameters as a schema within another one: with an "$id", so that "#" in it is its own beginning, and errors
 * say whose it is. A tool without parameters takes none. */
static int put_parameters(qn_jw *w, const qn_ask_tool *t) {
    qn_json j;
    qn_str key, value;
    int more = 0, rc = 0;
    bool named = false;
    if (!t->parameters.s || t->parameters.s[0] != '{') {
        const qn_str none = QN_STR("{\"type\": \"object\", \"additionalProperties\": false}");
        qn_jw_raw(w, t->parameters.s ? t->parameters : none);
        return 0;
    }
    qn_json_init(&j, t->parameters.s, t->parameters.n, "tools");
    j.lone = QN_LONE_REPLACE;
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    qn_jw_open(w, '{');
    while ((more = qn_json_key(&j, &key)) > 0) {
        named = named || qn_str_is(key, "$id");
        qn_jw_key_str(w, key);
        QN_TRY_OUT(qn_json_raw(&j, &value));
        qn_jw_raw(w, value);
    }
    if (!named)
        qn_field_text(w, "$id", qn_buf_view(&t->name));
    qn_jw_close(w);
    rc = more;
out:
    qn_json_drop(&j);
    return rc;
}

static int put_call_schema(qn_jw *w, const qn_ask_tool *t, const char *arguments) {
    qn_jw_open(w, '{');
    qn_field_str(w, "type", "object");
    qn_field_open(w, "properties", '{');
    qn_field_open(w, "name", '{');
    qn_field_text(w, "const", qn_buf_view(&t->name));
    qn_jw_close(w);
    qn_jw_key(w, arguments);
    QN_TRY(put_parameters(w, t));
    qn_jw_close(w);
    qn_field_open(w, "required", '[');
    qn_jw_str(w, QN_STR("name"));
    qn_jw_str(w, qn_str_of(arguments));
    qn_jw_close(w);
    qn_field_bool(w, "additionalProperties", false);
    qn_jw_close(w);
    return 0;
}

/* A call of the tool that must be called, or of any. */
static int put_calls_schema(const qn_ask *a, const char *arguments, qn_buf *out) {
    qn_jw w;
    qn_jw_init(&w, out, 0);
    qn_jw_open(&w, '{');
    qn_field_open(&w, "anyOf", '[');
    for (size_t i = 0; i < a->n_tools; i++)
        if (a->choice == QN_TOOLS_REQUIRED || qn_str_eq(a->tool_names[i], qn_buf_view(&a->tool)))
            QN_TRY(put_call_schema(&w, &a->tool_list[i], arguments));
    qn_jw_close(&w);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

/* ---- what an answer is held to ---- */

/* A grammar as one text, by which it is known again: three letters, and what they are of.
 *     c call   b bare call   s schema   g grammar   p pattern     1 one call, + several     . it ends   ! it goes on
 * A call is held to Hermes' form, or to Llama 3's for a model that means it; what other models write around calls are
 * special tokens, which no grammar speaks of. */
enum { HEAD = 3 };

static int read_held(qn_syntax **out, qn_str text) {
    const int64_t most = text.s[1] == '+' ? QN_ASK_CALLS : 1;
    const qn_schema_options calls = {.before = QN_STR("<tool_call>\n"), .after = QN_STR("\n</tool_call>"),
                                     .between = QN_STR("\n"), .least = 1, .most = most};
    const qn_schema_options bare = {.between = QN_STR("; "), .least = 1, .most = most};
    const qn_str of = {text.s + HEAD, text.n - HEAD};
    switch (text.s[0]) {
    case 'c': return qn_syntax_schema(out, of, "tools", &calls);
    case 'b': return qn_syntax_schema(out, of, "tools", &bare);
    case 's': return qn_syntax_schema(out, of, "schema", NULL);
    case 'g': return qn_syntax_gbnf(out, of, "grammar");
    default: return qn_syntax_pattern(out, of, "pattern");
    }
}

/* Nothing where an answer may be anything. */
static int write_held(qn_exchange *x, const qn_ask *a, qn_buf *text) {
    const char end = a->o.ignore_eos ? '!' : '.';
    if (a->n_tools > 0 && a->choice >= QN_TOOLS_REQUIRED) {
        x->param = "tools";
        const bool bare = qn_answer_form_is_bare(&x->server->prompter[0].form);
        const char many = a->parallel && a->choice == QN_TOOLS_REQUIRED ? '+' : '1';
        QN_TRY(qn_buf_printf(text, "%c%c%c", bare ? 'b' : 'c', many, end));
        return put_calls_schema(a, bare ? "parameters" : "arguments", text);
    }
    const qn_str any = QN_STR("{\"type\": \"object\"}"), grammar = qn_buf_view(&a->grammar);
    const qn_str of = a->format == QN_FORMAT_OBJECT ? any : a->format == QN_FORMAT_SCHEMA ? a->schema : grammar;
    static const char kinds[] = {[QN_FORMAT_OBJECT] = 's', [QN_FORMAT_SCHEMA] = 's', [QN_FORMAT_GRAMMAR] = 'g',
                                 [QN_FORMAT_PATTERN] = 'p'};
    if (a->format == QN_FORMAT_TEXT)
        return 0;
    x->param = a->format_by;
    QN_TRY(qn_buf_printf(text, "%c1%c", kinds[a->format], end));
    return qn_buf_put(text, of.s, of.n);
}

int qn_ask_grammar(qn_exchange *x, const qn_ask *a, qn_grammar **out) {
    const qn_config *cfg = &x->server->o.model->cfg;
    const qn_token_trie *trie;
    qn_buf text = {0};
    *out = NULL;
    int rc = write_held(x, a, &text);
    if (rc >= 0 && text.n > 0)
        rc = qn_server_trie(x->server, &trie);
    if (rc >= 0 && text.n > 0) {
        rc = qn_grammars_take(x->server->grammars, qn_buf_view(&text), read_held, trie, cfg->eos,
                              a->o.ignore_eos ? 0 : cfg->n_eos, out);
        if (rc >= 0)
            atomic_fetch_add_explicit(rc > 0 ? &x->server->gauges.grammars_read : &x->server->gauges.grammars_kept, 1,
                                      memory_order_relaxed);
    }
    qn_buf_drop(&text);
    if (rc >= 0)
        x->param = NULL;
    return QN_MIN(rc, 0);
}
