/* chat/prompt.c — chat template, special tokens and tokenizer put together. */
#include "chat/prompt.h"

#include <string.h>

#include "base/file.h"

#define TEMPLATE_MAX ((size_t)4 << 20)

/* What published models end a turn with, where it is a control token of the vocabulary. */
static const char *const usual_ends[] = {
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>",
    "<|end_of_text|>", "<|END_OF_TURN_TOKEN|>", "<|eot|>", "<|end_of_turn|>", "</s>",
};

static qn_str special(const qn_tok *tok, int32_t id) { return id < 0 ? (qn_str){0} : qn_tok_text(tok, id); }

void qn_prompter_end(qn_prompter *p, int32_t id) {
    for (int i = 0; i < p->n_end; i++)
        if (p->end[i] == id)
            return;
    if (id >= 0 && p->n_end < QN_PROMPTER_ENDS)
        p->end[p->n_end++] = id;
}

static void take_tokens(qn_prompter *p, const qn_tok *tok) {
    p->in.bos_token = special(tok, qn_tok_bos(tok));
    p->in.eos_token = special(tok, qn_tok_eos(tok));
    p->in.unk_token = special(tok, qn_tok_unk(tok));
    p->in.pad_token = special(tok, qn_tok_pad(tok));
    qn_prompter_end(p, qn_tok_eos(tok));
    for (size_t i = 0; i < QN_LEN(usual_ends); i++) {
        const int32_t id = qn_tok_id(tok, qn_str_of(usual_ends[i]));
        if (id >= 0 && qn_tok_is_special(tok, id))
            qn_prompter_end(p, id);
    }
}

static bool mentions(qn_str text, const char *word) { return memmem(text.s, text.n, word, strlen(word)) != NULL; }

static int compile(qn_prompter *p, qn_str text, const char *name) {
    p->calls = mentions(text, "tool_calls");
    p->tools = mentions(text, "tools");
    p->form = qn_answer_form_of(text);
    return qn_chat_template_compile(&p->tmpl, text.s, text.n, name);
}

static bool is_spelled(const qn_answer_form *f, const qn_tok *tok) {
    const char *mark;
    for (size_t i = 0; (mark = qn_answer_form_mark(f, i)); i++) {
        const int32_t id = qn_tok_id(tok, qn_str_of(mark));
        if (id >= 0 && qn_tok_is_special(tok, id))
            return true;
    }
    return false;
}

int qn_prompter_init(qn_prompter *p, qn_str text, const char *name, const qn_tok *tok) {
    p->own = text.s != NULL;
    if (!p->own)
        text = qn_chat_template_default();
    QN_TRY(qn_buf_printf(&p->name, "%s: chat template", name));
    if (tok)
        take_tokens(p, tok);
    QN_TRY(compile(p, text, p->name.s));
    p->spelled = tok && is_spelled(&p->form, tok);
    return 0;
}

int qn_prompter_open_file(qn_prompter *p, const char *path) {
    qn_buf text = {0};
    p->own = true;
    int rc = qn_read_file(&text, path, TEMPLATE_MAX);
    if (rc >= 0)
        rc = compile(p, text.n ? qn_buf_view(&text) : QN_STR(""), path);
    qn_buf_drop(&text);
    return rc;
}

void qn_prompter_drop(qn_prompter *p) {
    qn_chat_template_free(p->tmpl);
    qn_chat_output_drop(&p->out);
    qn_chat_output_drop(&p->upto);
    qn_chat_output_drop(&p->through);
    qn_buf_drop(&p->name);
    qn_ids_drop(&p->tail);
    qn_free(p->trusted);
    qn_free(p->turn);
    qn_free(p->cut);
    qn_free(p->at);
    *p = (qn_prompter){0};
}

int qn_prompter_render(qn_prompter *p, const qn_chat_messages *m, bool generation_prompt) {
    p->in.messages = m;
    p->in.first = 0;
    p->in.add_generation_prompt = generation_prompt;
    return qn_chat_render(p->tmpl, &p->in, &p->out);
}

int qn_prompter_encode(qn_prompter *p, const qn_tok *tok, qn_ids *ids) {
    const size_t n_cuts = 3 * p->turns;
    size_t n = 0;
    QN_TRY(QN_GROW(QN_MEM_CHAT, p->trusted, p->cap, p->out.spans + 1));
    QN_TRY(QN_GROW(QN_MEM_CHAT, p->cut, p->cap_cut, n_cuts + 1));
    QN_TRY(QN_GROW(QN_MEM_CHAT, p->at, p->cap_at, n_cuts + 1));
    for (size_t i = 0; i < p->out.spans; i++)
        if (p->out.span[i].trusted)
            p->trusted[n++] = (qn_tok_span){p->out.span[i].begin, p->out.span[i].end};
    for (size_t i = 0; i < p->turns; i++) {
        p->cut[3 * i] = p->turn[i].begin;
        p->cut[3 * i + 1] = p->turn[i].taught;
        p->cut[3 * i + 2] = p->turn[i].end;
    }
    if (!p->own && qn_tok_bos(tok) >= 0 && qn_tok_adds(tok, qn_tok_bos(tok)))
        QN_TRY(qn_ids_push(ids, qn_tok_bos(tok)));
    const qn_str text = qn_buf_view(&p->out.text);
    const qn_tok_cuts cuts = {p->cut, n_cuts, p->at};
    return qn_tok_encode_cuts(tok, text.n ? text.s : "", text.n, p->trusted, n, &cuts, QN_TOK_PLAIN, ids);
}

/* Whether p->out is more than anybody takes, however it is cut; then its ids are there. */
static int beyond(qn_prompter *p, const qn_tok *tok, qn_ids *ids) {
    enum { FEW = 32 };
    const size_t messages = qn_chat_messages_count(p->in.messages), before = ids->n;
    if (p->most == 0 || messages < FEW)
        return 0;
    p->turns = 0;
    QN_TRY(qn_prompter_encode(p, tok, ids));
    if (ids->n - before > p->most + 2 * messages)
        return 1;
    ids->n = before;
    return 0;
}

int qn_prompter_ids(qn_prompter *p, const qn_tok *tok, qn_ids *ids) {
    const int far = beyond(p, tok, ids);
    if (far != 0)
        return QN_MIN(far, 0);
    QN_TRY(qn_prompter_turns(p, qn_chat_messages_count(p->in.messages)));
    return qn_prompter_encode(p, tok, ids);
}

int qn_prompter_ask(qn_prompter *p, const qn_tok *tok, qn_str messages, qn_ids *ids) {
    qn_chat_messages *m;
    QN_TRY(qn_chat_messages_parse(&m, messages.s, messages.n, "messages"));
    int rc = qn_prompter_render(p, m, true);
    if (rc >= 0)
        rc = qn_prompter_ids(p, tok, ids);
    qn_chat_messages_free(m);
    return rc;
}
