/* cli/prompt.c — chat template, special tokens and tokenizer put together. */
#include "cli/prompt.h"

#include "base/file.h"

#define TEMPLATE_MAX ((size_t)4 << 20)

static qn_str special(const qn_tok *tok, int32_t id) { return id < 0 ? (qn_str){0} : qn_tok_text(tok, id); }

int qn_prompter_open(qn_prompter *p, const qn_source *s, const qn_tok *tok) {
    qn_str text = {0};
    const int found = qn_source_chat_template(s, &text);
    if (found < 0)
        return found;
    p->own = found > 0;
    if (!p->own)
        text = qn_chat_template_default();
    QN_TRY(qn_buf_printf(&p->name, "%s: chat template", qn_source_path(s)));
    if (tok) {
        p->in.bos_token = special(tok, qn_tok_bos(tok));
        p->in.eos_token = special(tok, qn_tok_eos(tok));
        p->in.unk_token = special(tok, qn_tok_unk(tok));
        p->in.pad_token = special(tok, qn_tok_pad(tok));
    }
    return qn_chat_template_compile(&p->tmpl, text.s, text.n, p->name.s);
}

int qn_prompter_open_file(qn_prompter *p, const char *path) {
    qn_buf text = {0};
    p->own = true;
    int rc = qn_read_file(&text, path, TEMPLATE_MAX);
    if (rc >= 0)
        rc = qn_chat_template_compile(&p->tmpl, text.n ? text.s : "", text.n, path);
    qn_buf_drop(&text);
    return rc;
}

void qn_prompter_drop(qn_prompter *p) {
    qn_chat_template_free(p->tmpl);
    qn_chat_output_drop(&p->out);
    qn_buf_drop(&p->name);
    qn_free(p->trusted);
    *p = (qn_prompter){0};
}

int qn_prompter_render(qn_prompter *p, const qn_chat_messages *m, bool generation_prompt) {
    p->in.messages = m;
    p->in.add_generation_prompt = generation_prompt;
    return qn_chat_render(p->tmpl, &p->in, &p->out);
}

int qn_prompter_ids(qn_prompter *p, const qn_tok *tok, qn_ids *ids) {
    size_t n = 0;
    QN_TRY(QN_GROW(QN_MEM_CLI, p->trusted, p->cap, p->out.spans + 1));
    for (size_t i = 0; i < p->out.spans; i++)
        if (p->out.span[i].trusted)
            p->trusted[n++] = (qn_tok_span){p->out.span[i].begin, p->out.span[i].end};
    if (!p->own && qn_tok_bos(tok) >= 0 && qn_tok_adds(tok, qn_tok_bos(tok)))
        QN_TRY(qn_ids_push(ids, qn_tok_bos(tok)));
    const qn_str text = qn_buf_view(&p->out.text);
    return qn_tok_encode_spans(tok, text.n ? text.s : "", text.n, p->trusted, n, QN_TOK_PLAIN, ids);
}
