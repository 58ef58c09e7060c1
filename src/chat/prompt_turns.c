/* chat/prompt_turns.c — where the assistant's answers stand in a rendered conversation, and which ids are taught.
 *
 * For the answer in message k three renderings are compared:
 *
 *     upto      messages 0 … k − 1 and the generation prompt      what serving makes for it: its end is where k begins
 *     through   messages 0 … k                                    behind the last byte that is data its words end
 *     out       the whole
 *
 * `upto`, and `through` as far as the words go, must be the beginning of `out`. What the template writes behind the
 * words up to the token that ends the turn belongs to the answer too, be it written with this turn or, as some do, with
 * the next. */
#include <string.h>

#include "base/json.h"
#include "chat/prompt.h"

/* ---- turns ---- */

/* Cuts must ascend; a template of a stranger may do anything. */
static bool begins_with(const qn_buf *whole, const qn_buf *part, size_t n) {
    return n <= part->n && n <= whole->n && memcmp(whole->s ? whole->s : "", part->s ? part->s : "", n) == 0;
}

static size_t common(const qn_buf *a, const qn_buf *b) {
    const size_t most = QN_MIN(a->n, b->n);
    size_t n = 0;
    while (n < most && a->s[n] == b->s[n])
        n++;
    return n;
}

/* Behind the last byte that the template did not write; `least` where there is none behind that. */
static size_t words_end(const qn_chat_output *o, size_t least) {
    for (size_t i = o->spans; i > 0; i--)
        if (!o->span[i - 1].trusted)
            return QN_MAX(o->span[i - 1].end, least);
    return least;
}

/* Renders the first n messages. */
static int beginning(qn_prompter *p, size_t n, bool generation_prompt, qn_chat_output *out) {
    qn_chat_input in = p->in;
    in.first = n;
    in.none = n == 0;
    in.add_generation_prompt = generation_prompt;
    return qn_chat_render(p->tmpl, &in, out);
}

/* {% generation %} may begin behind the prompt's end, or nowhere in this turn. */
static void mark_answer(const qn_prompter *p, qn_answer_place *t) {
    const qn_chat_output *o = &p->out;
    t->taught = t->begin;
    t->silent = o->answers > 0;
    for (size_t i = 0; i < o->answers && t->silent; i++) {
        if (o->answer[i].end <= t->begin || o->answer[i].begin >= QN_MAX(t->end, t->begin + 1))
            continue;
        t->silent = false;
        t->taught = QN_MIN(QN_MAX(t->begin, o->answer[i].begin), t->end);
    }
}

/* 1: the turn is known. 0: the template cannot render this much of the conversation, or renders it otherwise. */
static int find_turn(qn_prompter *p, size_t message, size_t messages, qn_answer_place *t) {
    const bool last = message + 1 == messages && !p->in.add_generation_prompt;
    const qn_chat_output *through = last ? &p->out : &p->through;
    *t = (qn_answer_place){.message = message};
    int rc = beginning(p, message, true, &p->upto);
    if (rc >= 0 && !last)
        rc = beginning(p, message + 1, false, &p->through);
    if (rc == QN_ETEMPLATE)
        return 0;
    QN_TRY(rc);
    t->begin = p->upto.text.n;
    t->end = words_end(through, t->begin);
    t->tail = common(&p->out.text, &through->text);
    t->sure = begins_with(&p->out.text, &p->upto.text, t->begin) && t->tail >= t->end &&
              t->begin <= through->text.n;
    if (t->sure)
        mark_answer(p, t);
    return t->sure;
}

int qn_prompter_turns(qn_prompter *p, size_t messages) {
    size_t before = 0;
    p->turns = 0;
    for (size_t i = 0; i < messages; i++) {
        qn_answer_place t;
        if (!qn_str_is(qn_chat_messages_role(p->in.messages, i), "assistant"))
            continue;
        const int known = find_turn(p, i, messages, &t);
        QN_TRY(known);
        if (!known || t.begin < before)
            continue;
        QN_TRY(QN_GROW(QN_MEM_CHAT, p->turn, p->cap_turns, p->turns + 1));
        p->turn[p->turns++] = t;
        before = t.end;
    }
    return 0;
}

/* ---- what is taught ---- */

static bool ends(const qn_prompter *p, int32_t id) {
    for (int i = 0; i < p->n_end; i++)
        if (p->end[i] == id)
            return true;
    return false;
}

/* How many of the ids behind the words of turn t belong to its answer. */
static int count_tail(qn_prompter *p, const qn_tok *tok, const qn_answer_place *t, const qn_ids *ids, size_t at,
                      size_t *n) {
    const qn_tok_span all = {0, t->tail - t->end};
    size_t special = 0, room = ids->n - at;
    qn_ids_clear(&p->tail);
    QN_TRY(qn_tok_encode_spans(tok, p->out.text.s + t->end, all.end, &all, 1, QN_TOK_PLAIN, &p->tail));
    for (size_t i = 0; i < QN_MIN(p->tail.n, room) && p->tail.v[i] == ids->v[at + i]; i++) {
        if (ends(p, p->tail.v[i])) {
            *n = i + 1;
            return 0;
        }
        if (qn_tok_is_special(tok, p->tail.v[i]))
            special = i + 1;
    }
    const bool by_next = p->tail.n < room && ends(p, ids->v[at + p->tail.n]);
    *n = by_next ? p->tail.n + 1 : special;
    return 0;
}

/* Its tokens become 1 in `taught`; 0 where all are taught but this. */
static int teach_turn(qn_prompter *p, const qn_tok *tok, size_t turn, bool taught_too, qn_ids *ids, char *taught) {
    const qn_answer_place *t = &p->turn[turn];
    const size_t from = p->at[3 * turn + 1], to = p->at[3 * turn + 2];
    size_t tail;
    QN_TRY(count_tail(p, tok, t, ids, to, &tail));
    memset(taught + from, taught_too, to + tail - from);
    return 0;
}

/* EOS behind a last answer, whose words end at `from`, that nothing ends. */
static int end_it(const qn_prompter *p, const qn_tok *tok, size_t from, qn_ids *ids, qn_buf *taught) {
    size_t n = ids->n;
    for (size_t i = from; i < ids->n; i++)
        if (ends(p, ids->v[i]))
            return 0;
    while (n > from && !taught->s[n - 1])
        n--;
    if (n == 0 || !taught->s[n - 1] || qn_tok_eos(tok) < 0)
        return 0;
    ids->n = taught->n = n;         /* what the template wrote behind it would stand between it and its end */
    QN_TRY(qn_ids_push(ids, qn_tok_eos(tok)));
    return qn_buf_putc(taught, 1);
}

static const qn_answer_place *turn_of(const qn_prompter *p, size_t message) {
    for (size_t i = 0; i < p->turns; i++)
        if (p->turn[i].message == message)
            return &p->turn[i];
    return NULL;
}

static bool is_mute(const qn_teach_options *o, size_t message) { return message < o->n_mute && o->mute[message]; }

/* What the prompt for a message ends with and the conversation does not have there; empty where it begins with all of
 * the prompt, or there is none. It stands in p->upto. */
static qn_str added_by_prompt(qn_prompter *p, size_t message) {
    if (beginning(p, message, true, &p->upto) < 0)
        return QN_STR("");
    const size_t n = common(&p->out.text, &p->upto.text);
    return (qn_str){p->upto.text.s + n, p->upto.text.n - n};
}

/* The answer to a message cannot be told from the rest; where the prompt adds to it, what would help. */
static int say_lost(qn_prompter *p, size_t message) {
    enum { SHOWN = 60 };
    const char *name = p->name.s ? p->name.s : "chat template";
    const qn_str added = added_by_prompt(p, message);
    const bool thought = qn_answer_begins_in_thought(&p->form, qn_buf_view(&p->upto.text));
    qn_buf shown = {0};
    if (added.n == 0)
        return qn_fail(QN_ETEMPLATE, "%s: the prompt for message %zu is not how the conversation with its answer "
                       "begins, so its answer cannot be told from the rest", name, message + 1);
    int rc = qn_json_quote(&shown, (qn_str){added.s, QN_MIN(added.n, (size_t)SHOWN)});
    if (rc >= 0)
        rc = qn_fail(QN_ETEMPLATE, "%s: the prompt for message %zu is not how the conversation with its answer begins: "
                     "it ends with %s, which stands nowhere in front of the answer. What helps is %sa template that "
                     "adds nothing there (chat_template.jinja in the model's folder, which `quern convert` makes of a "
                     "GGUF)", name, message + 1, shown.s,
                     thought ? "answers with the thoughts which it opens, where the template keeps them, or " : "");
    qn_buf_drop(&shown);
    return rc;
}

/* Which answers are taught: is each of them known? The last one of them, −1: there is none. */
static int check_answers(qn_prompter *p, const qn_chat_messages *m, const qn_teach_options *o, bool *turnwise,
                         int64_t *last) {
    const size_t n = qn_chat_messages_count(m);
    size_t lost = n;
    *last = -1;
    for (size_t i = o->from; i < n; i++) {
        if (!qn_str_is(qn_chat_messages_role(m, i), "assistant") || is_mute(o, i))
            continue;
        *last = (int64_t)i;
        lost = turn_of(p, i) ? lost : QN_MIN(lost, i);
    }
    if (*last < 0)
        return qn_fail(QN_EINVAL, "there is no message of the assistant to teach");
    const bool wanted = o->teach == QN_TEACH_ANSWERS || (o->teach == QN_TEACH_LAST && !turn_of(p, (size_t)*last));
    if (lost == n || !wanted || o->teach == QN_TEACH_ALL)
        return 0;
    *turnwise = o->teach == QN_TEACH_ANSWERS;
    return say_lost(p, lost);
}

int qn_prompter_teach(qn_prompter *p, const qn_tok *tok, const qn_chat_messages *m, const qn_teach_options *o,
                      qn_ids *ids, qn_buf *taught, bool *turnwise) {
    int64_t last;
    *turnwise = false;
    QN_TRY(qn_prompter_render(p, m, false));
    QN_TRY(qn_prompter_turns(p, qn_chat_messages_count(m)));
    QN_TRY(check_answers(p, m, o, turnwise, &last));
    qn_assert(ids->n == 0 && taught->n == 0);
    QN_TRY(qn_prompter_encode(p, tok, ids));
    QN_TRY(qn_buf_reserve(taught, ids->n + 1));
    memset(taught->s, o->teach == QN_TEACH_ALL, ids->n);
    taught->n = ids->n;
    for (size_t i = 0; i < p->turns; i++) {
        const qn_answer_place *t = &p->turn[i];
        const bool all = o->teach == QN_TEACH_ALL, mute = is_mute(o, t->message);
        const bool meant = o->teach == QN_TEACH_LAST ? t->message == (size_t)last : t->message >= o->from && !mute;
        if (all ? mute : meant && !t->silent)
            QN_TRY(teach_turn(p, tok, i, !all, ids, taught->s));
    }
    const qn_answer_place *t = turn_of(p, (size_t)last);
    if ((size_t)last + 1 != qn_chat_messages_count(m) || (t && t->silent && o->teach != QN_TEACH_ALL))
        return 0;
    return end_it(p, tok, t ? p->at[3 * (t - p->turn) + 2] : ids->n, ids, taught);
}
