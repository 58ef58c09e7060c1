/* serve/ask_refused.c — members that other servers know, which would change the answer, and which are not done here:
 * passed over in silence they would give another answer than the one that was asked for. */
#include "serve/ask_read.h"

#include <string.h>

/* Which values say nothing, beside null. */
typedef enum { NONE, NOT_ABOVE_0, EMPTY, FALSE, AUTO, TEXT } off_kind;
typedef struct { const char *name; off_kind off; const char *instead; } refused;

static const refused table[] = {
    {"functions", EMPTY, "say tools"},
    {"function_call", AUTO, "say tool_choice"},
    {"continue_final_message", FALSE, "ask for a completion of what /apply-template gives"},
    {"chat_template", NONE, "the model's own is used; chat_template_kwargs gives it variables"},
    {"min_tokens", NOT_ABOVE_0, "a logit_bias of -100 on the tokens that end an answer, or ignore_eos, keep it going"},
    {"stop_token_ids", EMPTY, "say stop, with texts"},
    {"bad_words", EMPTY, "say logit_bias, with token ids"},
    {"top_n_sigma", NOT_ABOVE_0, "say min_p"},
    {"dynatemp_range", NOT_ABOVE_0, "say temperature"},
    {"modalities", TEXT, "this model writes text"},
};

static bool is_empty(qn_str list) {
    size_t i = 1;
    while (i < list.n && qn_is_json_space(list.s[i]))
        i++;
    return list.n > 0 && list.s[0] == '[' && i < list.n && list.s[i] == ']';
}

/* "auto" and "none" change nothing where there are no functions. */
static bool is_auto(qn_str word) { return qn_str_is(word, "\"auto\"") || qn_str_is(word, "\"none\""); }

/* ["text"], or nothing in the list. */
static int is_text(qn_json *j, bool *only) {
    qn_buf word = {0};
    int more = 0, rc = 0;
    *only = true;
    QN_TRY_OUT(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        qn_buf_clear(&word);
        QN_TRY_OUT(qn_json_string(j, &word));
        *only = *only && qn_str_is(qn_buf_view(&word), "text");
    }
    rc = more;
out:
    qn_buf_drop(&word);
    return rc;
}

static int is_off(qn_json *j, off_kind off, bool *yes) {
    double v;
    qn_str raw;
    *yes = false;
    switch (off) {
    case NOT_ABOVE_0:
        QN_TRY(qn_json_f64(j, &v));
        *yes = v <= 0;
        return 0;
    case FALSE:
        QN_TRY(qn_json_bool(j, yes));
        *yes = !*yes;
        return 0;
    case TEXT: return is_text(j, yes);
    case EMPTY: case AUTO: case NONE: break;
    }
    QN_TRY(qn_json_raw(j, &raw));
    *yes = off == EMPTY ? is_empty(raw) : off == AUTO && is_auto(raw);
    return 0;
}

int qn_ask_refuse(qn_json *j, qn_str key) {
    bool yes;
    size_t i = 0;
    while (i < QN_LEN(table) && !qn_str_is(key, table[i].name))
        i++;
    if (i == QN_LEN(table))
        return 0;
    QN_TRY(is_off(j, table[i].off, &yes));
    return yes ? 1 : qn_json_fail(j, QN_EUNSUPPORTED, "%s is not supported: %s", table[i].name, table[i].instead);
}
