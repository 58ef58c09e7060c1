/* data/example_row.c — which form a row has, and its members as lists of messages.
 *
 *   members ──► form ──► prompt, chosen, rejected: lists of messages, each as JSON ──► joined: chat, rejected
 *                        example_turns.c */
#include "data/example_row.h"

#include <string.h>
#include <strings.h>

#include "data/example_turns.h"

static const char *const form_names[QN_FORMS] = {
    "no form", "chat messages", "ShareGPT conversations", "Alpaca instructions", "prompts with completions",
    "pairs with a prompt", "pairs that share their beginning", "pairs of dialogues in text", "labelled answers",
    "plain text", "pairs of texts that share their beginning",
};
static const char *const fault_names[QN_FAULTS] = {
    "no fault", "a message without a known role", "a message without content", "an empty answer",
    "no answer of the assistant", "chosen and rejected are equal", "chosen and rejected have no prompt in common",
    "the chat template cannot render it",
    "the prompt is longer than the context", "longer than the context", "no token that is taught",
    "a member that its form needs is missing", "no JSON",
    "a call of a tool without a name, or with arguments that are no JSON", "a malformed row",
    "no form, or another than the rows before",
};

const char *qn_example_form_name(qn_example_form f) { return form_names[f]; }
const char *qn_example_fault_name(qn_example_fault f) { return fault_names[f]; }

bool qn_example_form_is_pair(qn_example_form f) {
    return f == QN_FORM_PAIRS || f == QN_FORM_PAIRS_SHARED || f == QN_FORM_PAIRS_DIALOGUES || f == QN_FORM_PAIRS_TEXTS;
}

/* ---- members ---- */

enum {
    MESSAGES, CONVERSATIONS, INSTRUCTION, INPUT, OUTPUT, SYSTEM, HISTORY, PROMPT, COMPLETION, CHOSEN, REJECTED, LABEL,
    TEXT, TOOLS, MEMBERS
};

static const struct { const char *name; int member; } names[] = {
    {"messages", MESSAGES}, {"conversations", CONVERSATIONS}, {"conversation", CONVERSATIONS},
    {"instruction", INSTRUCTION}, {"input", INPUT}, {"output", OUTPUT}, {"system", SYSTEM}, {"history", HISTORY},
    {"prompt", PROMPT}, {"question", PROMPT}, {"query", PROMPT}, {"completion", COMPLETION}, {"answer", COMPLETION},
    {"response", COMPLETION}, {"chosen", CHOSEN}, {"rejected", REJECTED}, {"label", LABEL}, {"kto_tag", LABEL},
    {"text", TEXT}, {"tools", TOOLS},
};

/* Each member as its bytes in the row; n = 0: not there, or null. */
typedef struct { qn_str v[MEMBERS]; const char *place; bool calls_as_text; } row;

static int read_members(row *m, qn_str json) {
    qn_json j;
    qn_str key, raw;
    int more, rc = 0;
    qn_json_init(&j, json.s, json.n, m->place);
    j.lone = QN_LONE_REPLACE;
    if (qn_json_peek(&j) != '{') {
        rc = qn_fail(QN_EFORMAT, "%s: a row must be an object, not %.*s", m->place, (int)QN_MIN(json.n, (size_t)40),
                     json.s);
        goto out;
    }
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        int member = -1;
        for (size_t i = 0; i < QN_LEN(names); i++)
            if (qn_str_is(key, names[i].name))
                member = names[i].member;
        QN_TRY_OUT(qn_json_raw(&j, &raw));
        if (member >= 0 && m->v[member].n == 0 && !qn_str_is(raw, "null"))
            m->v[member] = raw;
    }
    rc = more < 0 ? more : qn_json_end(&j);
out:
    qn_json_drop(&j);
    return rc;
}

static bool has(const row *m, int member) { return m->v[member].n > 0; }
static char kind(const row *m, int member) { return has(m, member) ? m->v[member].s[0] : 0; }

/* A conversation that does not begin with an answer stands for itself. */
static qn_example_form pair_form(const row *m) {
    const bool prompt = has(m, PROMPT) || has(m, MESSAGES) || has(m, CONVERSATIONS) || has(m, INSTRUCTION);
    if (kind(m, CHOSEN) == '[' && (!prompt || !qn_turns_begin_with_answer(m->v[CHOSEN])))
        return QN_FORM_PAIRS_SHARED;
    if (prompt)
        return QN_FORM_PAIRS;
    if (kind(m, CHOSEN) != '"')
        return QN_FORM_NONE;
    return qn_turns_is_dialogue(m->v[CHOSEN]) ? QN_FORM_PAIRS_DIALOGUES : QN_FORM_PAIRS_TEXTS;
}

typedef enum { NO_LABEL, BAD, GOOD } verdict;

/* Numbers and texts that say it too; other texts are names of classes, and no verdict. */
static verdict verdict_of(qn_str v) {
    static const struct { const char *text; verdict is; } words[] = {
        {"true", GOOD}, {"false", BAD}, {"1", GOOD}, {"0", BAD}, {"1.0", GOOD}, {"0.0", BAD}, {"-1", BAD},
        {"good", GOOD}, {"bad", BAD}, {"desirable", GOOD}, {"undesirable", BAD},
    };
    if (v.n > 1 && v.s[0] == '"')
        v = (qn_str){v.s + 1, v.n - 2};
    for (size_t i = 0; i < QN_LEN(words); i++)
        if (v.n == strlen(words[i].text) && strncasecmp(v.s, words[i].text, v.n) == 0)
            return words[i].is;
    return NO_LABEL;
}

static qn_example_form form_of(const row *m) {
    if (has(m, CHOSEN) && has(m, REJECTED))
        return pair_form(m);
    if (has(m, LABEL) && (kind(m, LABEL) != '"' || verdict_of(m->v[LABEL])) &&
        (has(m, MESSAGES) || has(m, CONVERSATIONS) || (has(m, PROMPT) && has(m, COMPLETION))))
        return QN_FORM_LABELS;
    if (has(m, MESSAGES))
        return QN_FORM_MESSAGES;
    if (has(m, CONVERSATIONS))
        return QN_FORM_SHAREGPT;
    if (has(m, INSTRUCTION) && (has(m, OUTPUT) || has(m, COMPLETION)))
        return QN_FORM_ALPACA;
    if (has(m, PROMPT) && has(m, COMPLETION))
        return QN_FORM_COMPLETION;
    return has(m, TEXT) ? QN_FORM_TEXT : QN_FORM_NONE;
}

/* ---- lists of messages ---- */

/* A member that is a text, a message or a list of them. */
static int add(const row *m, int member, const char *role, qn_turns *t) {
    return has(m, member) ? qn_turns_add(t, m->v[member], role, m->place) : 0;
}

static int add_system(const row *m, qn_turns *t) {
    const bool there = t->n > 0 || !has(m, SYSTEM) || qn_str_is(m->v[SYSTEM], "\"\"");
    return there ? 0 : add(m, SYSTEM, "system", t);
}

/* instruction, an empty line, input. */
static int add_instruction(const row *m, qn_turns *t) {
    qn_buf text = {0}, json = {0};
    int rc;
    QN_TRY_OUT(qn_turns_text(m->v[INSTRUCTION], m->place, &text));
    const size_t n = text.n;
    if (kind(m, INPUT) == '"')
        QN_TRY_OUT(qn_turns_text(m->v[INPUT], m->place, &text));
    if (n > 0 && text.n > n) {
        QN_TRY_OUT(qn_buf_puts(&text, "\n\n"));
        memmove(text.s + n + 2, text.s + n, text.n - n - 2);
        memcpy(text.s + n, "\n\n", 2);
    }
    QN_TRY_OUT(qn_json_quote(&json, qn_buf_view(&text)));
    rc = qn_turns_add(t, qn_buf_view(&json), "user", m->place);
out:
    qn_buf_drop(&text);
    qn_buf_drop(&json);
    return rc;
}

/* A prompt that is a dialogue, up to the heading of its answer. */
static bool is_dialogue(const row *m) { return qn_str_starts(m->v[PROMPT], "\"\\n\\nHuman:"); }

static int add_prompt(const row *m, qn_turns *t) {
    QN_TRY(add_system(m, t));
    QN_TRY(add(m, MESSAGES, "user", t));
    QN_TRY(add(m, CONVERSATIONS, "user", t));
    if (has(m, HISTORY))
        QN_TRY(qn_turns_add_history(t, m->v[HISTORY], m->place));
    if (has(m, INSTRUCTION))
        QN_TRY(add_instruction(m, t));
    return is_dialogue(m) ? qn_turns_add_dialogue(t, m->v[PROMPT], true, m->place) : add(m, PROMPT, "user", t);
}

/* ---- joined ---- */

static int put_tools(const row *m, qn_jw *w) {
    qn_buf own = {0}, tools = {0};
    qn_str raw = m->v[TOOLS];
    int rc = 0;
    if (kind(m, TOOLS) == '"') {                /* JSON in a string */
        QN_TRY_OUT(qn_turns_text(raw, m->place, &own));
        raw = qn_buf_view(&own);
    }
    QN_TRY_OUT(qn_turns_tools(raw, m->place, &tools));
    if (tools.n) {
        qn_jw_key(w, "tools");
        qn_jw_raw(w, qn_buf_view(&tools));
    }
out:
    qn_buf_drop(&own);
    qn_buf_drop(&tools);
    return rc < 0 ? rc : 0;
}

/* Messages [0, n) of `a`, then [from, …) of b. */
static int join(const row *m, const qn_turns *a, size_t n, const qn_turns *b, size_t from, qn_buf *out) {
    qn_jw w;
    qn_buf_clear(out);
    qn_jw_init(&w, out, 0);
    qn_jw_open(&w, '{');
    qn_jw_key(&w, "messages");
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < n; i++)
        qn_jw_raw(&w, qn_buf_view(&a->m[i].json));
    for (size_t i = from; i < b->n; i++)
        qn_jw_raw(&w, qn_buf_view(&b->m[i].json));
    qn_jw_close(&w);
    if (has(m, TOOLS))
        QN_TRY(put_tools(m, &w));
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

static void fault(qn_example_row *r, qn_example_fault f) { r->fault = r->fault ? r->fault : f; }

/* The answers behind the prompt: some there, the last word theirs where an answer is judged. */
static void check_answers(qn_example_row *r, const qn_turns *t, size_t from, bool judged) {
    bool any = false;
    fault(r, t->fault);
    for (size_t i = from; i < t->n; i++)
        any = any || t->m[i].answer;
    if (!any || (judged && !t->m[t->n - 1].answer))
        fault(r, QN_FAULT_NO_ANSWER);
}

static bool same(const qn_turns *a, const qn_turns *b, size_t from) {
    bool equal = a->n == b->n;
    for (size_t i = from; equal && i < a->n; i++)
        equal = qn_str_eq(qn_buf_view(&a->m[i].json), qn_buf_view(&b->m[i].json));
    return equal;
}

/* Which messages say that they are not to be taught: nothing where none does. All of the answers: nothing is left. */
static int put_mute(qn_example_row *r, const qn_turns *prompt, const qn_turns *answer) {
    const qn_turns *const part[] = {prompt, answer};
    bool any = false, left = false;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < part[k]->n; i++) {
            const qn_turn_text *m = &part[k]->m[i];
            any = any || m->mute;
            left = left || (m->answer && !m->mute && r->mute.n >= r->prompt);
            QN_TRY(qn_buf_putc(&r->mute, m->mute));
        }
    if (!left)
        fault(r, QN_FAULT_UNTAUGHT);
    if (!any)
        qn_buf_clear(&r->mute);
    return 0;
}

/* Messages that both begin with, but for the answer that each ends with. */
static size_t shared(const qn_turns *a, const qn_turns *b) {
    size_t n = 0, most = QN_MIN(a->n, b->n);
    while (n + 1 < most && qn_str_eq(qn_buf_view(&a->m[n].json), qn_buf_view(&b->m[n].json)))
        n++;
    while (n > 0 && !(n < a->n && a->m[n].answer))
        n--;
    return n;
}

/* ---- texts that begin alike ---- */

static bool in_word(qn_str s, size_t i) {
    const char c = i < s.n ? s.s[i] : ' ';
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool within_character(qn_str s, size_t i) { return i < s.n && ((unsigned char)s.s[i] & 0xc0) == 0x80; }

/* Bytes that both begin with: whole characters, and whole words where words are of ASCII, for "blue" and "black" answer
 * as words, not as "ue" and "ack". */
static size_t begin_alike(qn_str a, qn_str b) {
    size_t n = 0;
    while (n < a.n && n < b.n && a.s[n] == b.s[n])
        n++;
    while (n > 0 && (within_character(a, n) || within_character(b, n) ||
                     (in_word(a, n - 1) && (in_word(a, n) || in_word(b, n)))))
        n--;
    return n;
}

/* The prompt is what they have in common, as TRL has it; equal texts have no answers. */
static int split_texts(qn_example_row *r, const row *m, qn_turns *prompt, qn_turns *chosen, qn_turns *rejected) {
    qn_buf text[2] = {{0}};
    int rc;
    QN_TRY_OUT(qn_turns_text(m->v[CHOSEN], m->place, &text[0]));
    QN_TRY_OUT(kind(m, REJECTED) == '"' ? qn_turns_text(m->v[REJECTED], m->place, &text[1])
                                        : qn_fail(QN_EFORMAT, "%s: \"rejected\" must be a text, as \"chosen\" is",
                                                  m->place));
    const qn_str a = qn_buf_view(&text[0]), b = qn_buf_view(&text[1]);
    const size_t n = begin_alike(a, b);
    if (qn_str_eq(a, b))
        fault(r, QN_FAULT_SAME);
    else if (qn_turns_is_blank((qn_str){a.s, n}))
        fault(r, QN_FAULT_APART);
    QN_TRY_OUT(qn_turns_add_words(prompt, (qn_str){a.s, n}, "user", m->place));
    QN_TRY_OUT(qn_turns_add_words(chosen, (qn_str){a.s + n, a.n - n}, "assistant", m->place));
    rc = qn_turns_add_words(rejected, (qn_str){b.s + n, b.n - n}, "assistant", m->place);
out:
    qn_buf_drop(&text[0]);
    qn_buf_drop(&text[1]);
    return rc;
}

/* ---- forms ---- */

static int add_pair(qn_example_row *r, const row *m, qn_turns *prompt, qn_turns *chosen, qn_turns *rejected) {
    if (r->form == QN_FORM_PAIRS_TEXTS)
        return split_texts(r, m, prompt, chosen, rejected);
    if (r->form == QN_FORM_PAIRS_DIALOGUES) {
        QN_TRY(qn_turns_add_dialogue(chosen, m->v[CHOSEN], false, m->place));
        return qn_turns_add_dialogue(rejected, m->v[REJECTED], false, m->place);
    }
    QN_TRY(r->form == QN_FORM_PAIRS ? add_prompt(m, prompt) : 0);
    QN_TRY(add(m, CHOSEN, "assistant", chosen));
    return add(m, REJECTED, "assistant", rejected);
}

static int read_pair(qn_example_row *r, const row *m, qn_turns *prompt, qn_turns *chosen, qn_turns *rejected) {
    const bool prompted = r->form == QN_FORM_PAIRS || r->form == QN_FORM_PAIRS_TEXTS;
    size_t from = 0;
    QN_TRY(add_pair(r, m, prompt, chosen, rejected));
    if (prompted) {
        fault(r, prompt->fault);
        if (prompt->n == 0)
            fault(r, QN_FAULT_CONTENT);
    } else {
        from = shared(chosen, rejected);
        if (from == 0)
            fault(r, QN_FAULT_APART);
    }
    check_answers(r, chosen, from, true);
    check_answers(r, rejected, from, true);
    if (same(chosen, rejected, from))
        fault(r, QN_FAULT_SAME);
    r->prompt = prompt->n + from;
    QN_TRY(join(m, prompt, prompt->n, chosen, 0, &r->chat));
    return join(m, prompt, prompt->n, rejected, 0, &r->rejected);
}

static int read_label(qn_example_row *r, const row *m) {
    const qn_str v = m->v[LABEL];
    const verdict is = verdict_of(v);
    r->good = is == GOOD;
    return is ? 0 : qn_fail(QN_EFORMAT, "%s: a label is true or false, not %.*s", m->place, QN_STR_ARG(v));
}

static int read_chat(qn_example_row *r, const row *m, qn_turns *prompt, qn_turns *answer) {
    const bool judged = r->form == QN_FORM_LABELS;
    if (judged)
        QN_TRY(read_label(r, m));
    QN_TRY(add_prompt(m, prompt));
    fault(r, prompt->fault);
    if (has(m, COMPLETION) || r->form == QN_FORM_ALPACA) {
        if (prompt->n == 0)
            fault(r, QN_FAULT_CONTENT);
        QN_TRY(add(m, has(m, OUTPUT) && r->form == QN_FORM_ALPACA ? OUTPUT : COMPLETION, "assistant", answer));
        r->prompt = prompt->n;
        check_answers(r, answer, 0, judged);
    } else {
        r->prompt = judged && prompt->n ? prompt->n - 1 : 0;
        check_answers(r, prompt, r->prompt, judged);
    }
    if (!judged)
        QN_TRY(put_mute(r, prompt, answer));
    return join(m, prompt, prompt->n, answer, 0, &r->chat);
}

static int read_text(qn_example_row *r, const row *m) {
    if (kind(m, TEXT) != '"')
        return qn_fail(QN_EFORMAT, "%s: \"text\" must be a string", m->place);
    QN_TRY(qn_turns_text(m->v[TEXT], m->place, &r->text));
    if (qn_turns_is_blank(qn_buf_view(&r->text)))
        fault(r, QN_FAULT_CONTENT);
    return 0;
}

static int read_form(qn_example_row *r, const row *m) {
    qn_turns t[3] = {{0}};
    int rc;
    for (size_t i = 0; i < QN_LEN(t); i++) {
        t[i].calls_as_text = m->calls_as_text;
        t[i].trim = is_dialogue(m) || r->form == QN_FORM_PAIRS_TEXTS;
    }
    if (r->form == QN_FORM_TEXT)
        rc = read_text(r, m);
    else if (qn_example_form_is_pair(r->form))
        rc = read_pair(r, m, &t[0], &t[1], &t[2]);
    else
        rc = read_chat(r, m, &t[0], &t[1]);
    for (size_t i = 0; i < QN_LEN(t); i++) {
        r->calls = r->calls || t[i].calls;
        qn_turns_drop(&t[i]);
    }
    return rc;
}

int qn_example_row_read(qn_example_row *r, qn_str json, const char *place, bool calls_as_text) {
    row m = {.place = place, .calls_as_text = calls_as_text};
    qn_buf_clear(&r->chat);
    qn_buf_clear(&r->rejected);
    qn_buf_clear(&r->text);
    qn_buf_clear(&r->mute);
    r->fault = QN_FAULT_NONE;
    r->prompt = 0;
    r->good = r->calls = r->whole = false;
    QN_TRY(read_members(&m, json));
    r->whole = true;
    r->form = form_of(&m);
    if (r->form == QN_FORM_NONE)
        return qn_fail(QN_EFORMAT, "%s: none of the forms that are known: messages; conversations; instruction and "
                       "output; prompt and completion; chosen and rejected; a label; text", place);
    return read_form(r, &m);
}

void qn_example_row_drop(qn_example_row *r) {
    qn_buf_drop(&r->chat);
    qn_buf_drop(&r->rejected);
    qn_buf_drop(&r->text);
    qn_buf_drop(&r->mute);
    *r = (qn_example_row){0};
}
