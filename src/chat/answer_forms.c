/* chat/answer_forms.c — how models write calls of functions and thoughts: one row for each way.
 *
 * Where a way is written down:
 *   hermes     NousResearch/Hermes-Function-Calling; Qwen2.5, Qwen3 and SmolLM3 in their chat templates; read the same
 *              by vLLM's hermes_tool_parser.py
 *   llama3     meta-llama/llama-models, prompt_format.md of 3.1 and 3.2; vLLM's llama_tool_parser.py ("; " between
 *              calls, "parameters" or "arguments"); llama.cpp's common/chat-parser.cpp (name.call(…))
 *   mistral    mistral-common, its tokenizers before and since version 11; vLLM's mistral_tool_parser.py (ids are nine
 *              letters and digits)
 *   deepseek   the chat templates of DeepSeek-R1, V3 and V3.1; vLLM's deepseekv3_tool_parser.py; llama.cpp's
 *              common/chat-parser.cpp (spellings of the first mark that the models fall into)
 *   granite    the chat template of Granite 3; vLLM's granite_tool_parser.py
 *   cohere     the chat template of Command R7B */
#include "chat/answer_run.h"

#include <string.h>

static const struct qn_call_form call_forms[] = {
    {.name = "mistral", .signs = {"[TOOL_CALLS]"}, .open = {"[TOOL_CALLS]"}, .next = {"{"},
     .attempt = qn_attempt_mistral, .own_ids = true},
    {.name = "deepseek", .signs = {"<｜tool▁call▁begin｜>", "<｜tool▁calls▁begin｜>"},
     .open = {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁calls｜>", "<｜tool_calls_begin｜>",
              "<｜tool calls begin｜>", "<｜tool\\_calls\\_begin｜>"},
     .next = {"<｜tool▁call▁begin｜>"}, .pass = {"```", "<｜tool▁call▁end｜>"}, .close = "<｜tool▁calls▁end｜>",
     .attempt = qn_attempt_deepseek},
    {.name = "cohere", .signs = {"<|START_ACTION|>"}, .open = {"<|START_ACTION|>"}, .next = {"{"},
     .close = "<|END_ACTION|>", .mute = {"<|START_RESPONSE|>", "<|END_RESPONSE|>"}, .attempt = qn_attempt_json},
    {.name = "granite", .signs = {"<|tool_call|>"}, .open = {"<|tool_call|>"}, .next = {"{"},
     .attempt = qn_attempt_json},
    {.name = "hermes", .signs = {"<tool_call>"}, .open = {"<tool_call>"}, .next = {"{"}, .close = "</tool_call>",
     .attempt = qn_attempt_json},
    {.name = "llama3", .signs = {"<|python_tag|>", "{\"name\": function name, \"parameters\":"},
     .open = {"<|python_tag|>"}, .next = {"{"}, .attempt = qn_attempt_llama, .bare = true},
};

static const struct qn_thought_form thought_forms[] = {
    {"<|START_THINKING|>", "<|START_THINKING|>", "<|END_THINKING|>"},
    {"[THINK]", "[THINK]", "[/THINK]"},
    {"", "<think>", "</think>"},
};

/* The last row's sign is in any text. */
static bool mentions(qn_str text, const char *word) { return memmem(text.s, text.n, word, strlen(word)) != NULL; }

static const struct qn_call_form *form_named(const char *name) {
    for (size_t i = 0; i < QN_LEN(call_forms); i++)
        if (strcmp(call_forms[i].name, name) == 0)
            return &call_forms[i];
    return NULL;
}

static bool is_meant(const struct qn_call_form *f, qn_str text) {
    for (size_t i = 0; i < QN_LEN(f->signs) && f->signs[i]; i++)
        if (mentions(text, f->signs[i]))
            return true;
    return false;
}

qn_answer_form qn_answer_form_of(qn_str text) {
    qn_answer_form f = {NULL, NULL};
    for (size_t i = 0; i < QN_LEN(call_forms) && !f.calls; i++)
        if (is_meant(&call_forms[i], text))
            f.calls = &call_forms[i];
    for (size_t i = 0; i < QN_LEN(thought_forms) && !f.thoughts; i++)
        if (mentions(text, thought_forms[i].sign))
            f.thoughts = &thought_forms[i];
    if (!f.calls)
        f.calls = form_named("hermes");
    return f;
}

int qn_answer_form_named(qn_answer_form *f, const char *name) {
    *f = (qn_answer_form){form_named(name), &thought_forms[QN_LEN(thought_forms) - 1]};
    if (strcmp(name, "none") == 0) {
        f->thoughts = NULL;
        return 0;
    }
    if (!f->calls)
        return qn_fail(QN_EINVAL, "answers are not written in a form '%s'; the forms are %s", name, QN_ANSWER_FORMS);
    if (strcmp(name, "cohere") == 0)
        f->thoughts = &thought_forms[0];
    return 0;
}

const char *qn_answer_form_name(const qn_answer_form *f) { return f->calls ? f->calls->name : "none"; }

bool qn_answer_form_is_bare(const qn_answer_form *f) { return f->calls && f->calls->bare; }

const char *qn_answer_form_mark(const qn_answer_form *f, size_t i) {
    const char *marks[2 * QN_ANSWER_MARKS + 4], *const *more;
    size_t n = 0;
    if (f->thoughts) {
        marks[n++] = f->thoughts->open;
        marks[n++] = f->thoughts->close;
    }
    if (f->calls && f->calls->close)
        marks[n++] = f->calls->close;
    for (more = f->calls ? f->calls->open : NULL; more && more < f->calls->open + QN_ANSWER_MARKS && *more; more++)
        marks[n++] = *more;
    for (more = f->calls ? f->calls->pass : NULL; more && more < f->calls->pass + QN_ANSWER_MARKS && *more; more++)
        marks[n++] = *more;
    return i < n ? marks[i] : NULL;
}

bool qn_answer_begins_in_thought(const qn_answer_form *f, qn_str prompt) {
    while (prompt.n && qn_is_space(prompt.s[prompt.n - 1]))
        prompt.n--;
    return f->thoughts && qn_str_ends(prompt, f->thoughts->open);
}

void qn_answer_expect(qn_answer_options *o, qn_str prompt, bool held) {
    if (held)
        o->form.thoughts = NULL;
    o->in_thought = qn_answer_begins_in_thought(&o->form, prompt);
}

/* ---- looking at text ---- */

size_t qn_skip_white(qn_str text, size_t at) {
    while (at < text.n && qn_is_space(text.s[at]))
        at++;
    return at;
}

qn_seen qn_see(qn_str text, size_t at, const char *mark) {
    const size_t n = strlen(mark), here = QN_MIN(text.n - at, n);
    if (memcmp(text.s + at, mark, here) != 0)
        return QN_SEEN_NOT;
    return here == n ? QN_SEEN_WHOLE : QN_SEEN_MORE;
}

static bool in_name(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("_-.:/", c));
}

qn_seen qn_see_name(qn_str text, size_t at, size_t *end) {
    size_t i = at;
    while (i < text.n && in_name(text.s[i]) && i - at <= QN_ANSWER_NAME)
        i++;
    *end = i;
    if (i - at > QN_ANSWER_NAME || (i == at && i < text.n))
        return QN_SEEN_NOT;
    return i == text.n ? QN_SEEN_MORE : QN_SEEN_WHOLE;
}
