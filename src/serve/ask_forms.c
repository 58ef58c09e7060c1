/* serve/ask_forms.c — members that say what an answer is held to: a schema, a grammar, a pattern, a choice. */
#include "serve/ask_read.h"

#include <stdio.h>
#include <string.h>

/* The message says which are possible: a client's author reads it where no guide is at hand. */
static int none_of(qn_json *j, qn_str text, const char *const *words, size_t n) {
    qn_buf list = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = qn_buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
    if (rc >= 0)
        rc = qn_json_fail(j, QN_EINVAL, "\"%.*s\"; expected %.*s", QN_STR_ARG(text), QN_STR_ARG(qn_buf_view(&list)));
    qn_buf_drop(&list);
    return rc;
}

int qn_ask_read_word(qn_json *j, const char *const *words, size_t n, int *out) {
    qn_buf text = {0};
    int rc = qn_json_string(j, &text);
    *out = -1;
    for (size_t i = 0; i < n && rc >= 0; i++)
        if (qn_str_is(qn_buf_view(&text), words[i]))
            *out = (int)i;
    if (rc >= 0 && *out < 0)
        rc = none_of(j, qn_buf_view(&text), words, n);
    qn_buf_drop(&text);
    return rc;
}

/* {"name", "strict", "schema"} around it, as OpenAI has it. */
static int read_named_schema(qn_json *j, qn_str *schema) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "schema") ? qn_json_raw(j, schema) : qn_json_skip(j));
    return more;
}

/* The member that is being read says what the answer is held to: one may, and none wins over another silently. */
static int hold(qn_exchange *x, qn_json *j, qn_ask *a, qn_ask_format format) {
    if (a->format != QN_FORMAT_TEXT)
        return qn_json_fail(j, QN_EINVAL, "%s and %s each say what the answer is held to; leave one of them out",
                            a->format_by, x->param);
    a->format = format;
    snprintf(a->format_by, sizeof a->format_by, "%s", x->param);
    return 0;
}

int qn_ask_read_response_format(qn_exchange *x, qn_json *j, qn_ask *a) {
    static const char *const words[] = {"text", "json_object", "json_schema"};
    qn_str key, schema = {0};
    int more, which = -1;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_json_peek(j) == 'n')
            QN_TRY(qn_json_null(j));
        else if (qn_str_is(key, "type"))
            QN_TRY(qn_ask_read_word(j, words, QN_LEN(words), &which));
        else if (qn_str_is(key, "json_schema"))
            QN_TRY(read_named_schema(j, &schema));
        else
            QN_TRY(qn_str_is(key, "schema") ? qn_json_raw(j, &schema) : qn_json_skip(j));
    }
    QN_TRY(more);
    if (which < 0)
        return qn_json_fail(j, QN_EINVAL, "response_format wants a \"type\": text, json_object or json_schema");
    if (which == 2 && !schema.s)
        return qn_json_fail(j, QN_EINVAL, "response_format of type json_schema wants \"json_schema\": {\"schema\": …}");
    if (which == 0)
        return 0;
    QN_TRY(hold(x, j, a, schema.s ? QN_FORMAT_SCHEMA : QN_FORMAT_OBJECT));
    a->schema = schema;
    return 0;
}

/* llama.cpp's and vLLM's: a schema, as JSON or as a text that holds it. */
int qn_ask_read_schema(qn_exchange *x, qn_json *j, qn_ask *a) {
    QN_TRY(hold(x, j, a, QN_FORMAT_SCHEMA));
    if (qn_json_peek(j) != '"')
        return qn_json_raw(j, &a->schema);
    QN_TRY(qn_json_string(j, &a->schema_text));
    a->schema = qn_buf_view(&a->schema_text);
    return 0;
}

/* An empty one is none. */
int qn_ask_read_grammar(qn_exchange *x, qn_json *j, qn_ask *a) {
    qn_buf text = {0};
    int rc;
    QN_TRY_OUT(qn_json_string(j, &text));
    if (text.n > 0) {
        QN_TRY_OUT(hold(x, j, a, QN_FORMAT_GRAMMAR));
        rc = qn_buf_put(&a->grammar, text.s, text.n);
    }
out:
    qn_buf_drop(&text);
    return rc;
}

int qn_ask_read_regex(qn_exchange *x, qn_json *j, qn_ask *a) {
    QN_TRY(hold(x, j, a, QN_FORMAT_PATTERN));
    return qn_json_string(j, &a->grammar);
}

/* ["yes", "no"]: one of these, as a grammar. */
int qn_ask_read_choice(qn_exchange *x, qn_json *j, qn_ask *a) {
    qn_buf text = {0};
    int more, rc = 0;
    QN_TRY_OUT(hold(x, j, a, QN_FORMAT_GRAMMAR));
    QN_TRY_OUT(qn_buf_puts(&a->grammar, "root ::="));
    QN_TRY_OUT(qn_json_enter(j, '['));
    for (const char *or = " \""; (more = qn_json_item(j)) > 0; or = " | \"") {
        qn_buf_clear(&text);
        QN_TRY_OUT(qn_json_string(j, &text));
        QN_TRY_OUT(qn_buf_puts(&a->grammar, or));
        for (size_t i = 0; i < text.n; i++) {
            const unsigned char c = (unsigned char)text.s[i];
            const bool plain = c >= 32 && c != '"' && c != '\\';
            QN_TRY_OUT(plain ? qn_buf_putc(&a->grammar, (char)c) : qn_buf_printf(&a->grammar, "\\x%02x", c));
        }
        QN_TRY_OUT(qn_buf_putc(&a->grammar, '"'));
    }
    QN_TRY_OUT(more);
    if (qn_str_ends(qn_buf_view(&a->grammar), "::="))
        QN_TRY_OUT(qn_json_fail(j, QN_EINVAL, "there is nothing to choose from"));
out:
    qn_buf_drop(&text);
    return rc;
}

/* true as the type of response_format has it; false is off. */
static int read_json_object(qn_exchange *x, qn_json *j, qn_ask *a) {
    bool on;
    QN_TRY(qn_json_bool(j, &on));
    return on ? hold(x, j, a, QN_FORMAT_OBJECT) : 0;
}

/* vLLM's newer spelling. A form that is not known cannot be kept, and an answer must not come as if it had been. */
int qn_ask_read_structured(qn_exchange *x, qn_json *j, qn_ask *a) {
    static const struct { const char *key, *param; qn_ask_read_fn *read; } forms[] = {
        {"json", "structured_outputs.json", qn_ask_read_schema},
        {"regex", "structured_outputs.regex", qn_ask_read_regex},
        {"choice", "structured_outputs.choice", qn_ask_read_choice},
        {"grammar", "structured_outputs.grammar", qn_ask_read_grammar},
        {"json_object", "structured_outputs.json_object", read_json_object},
    };
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        size_t i = 0;
        while (i < QN_LEN(forms) && !qn_str_is(key, forms[i].key))
            i++;
        if (qn_json_peek(j) == 'n') {
            QN_TRY(qn_json_null(j));
            continue;
        }
        if (i == QN_LEN(forms))
            return qn_json_fail(j, QN_EUNSUPPORTED, "structured_outputs has no \"%.*s\" here; known are json, regex, "
                                "choice, grammar and json_object", QN_STR_ARG(key));
        x->param = forms[i].param;
        QN_TRY(forms[i].read(x, j, a));
        x->param = "structured_outputs";
    }
    return more;
}
