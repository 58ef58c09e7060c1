/* model/chat_model.c — tokens added where ChatML needs them, the template put beside the tokenizer. */
#include "model/chat_model.h"

#include "base/json.h"
#include "format/tokenizer_json_write.h"
#include "model/save.h"

void qn_chat_model_drop(qn_chat_model *c) {
    qn_prompter_drop(&c->prompter);
    qn_tok_free(c->tok);
    qn_buf_drop(&c->json);
    qn_buf_drop(&c->config);
    *c = (qn_chat_model){0};
}

/* ---- tokens ---- */

static int64_t first_free(const qn_tok_spec *spec) {
    int64_t n = (int64_t)spec->n_vocab;
    while (n > 0 && spec->vocab[n - 1].type == QN_TOKEN_HOLE)
        n--;
    for (size_t i = 0; i < spec->n_added; i++)
        n = QN_MAX(n, spec->added[i].id + (int64_t)1);
    return n;
}

static void end_with(qn_chat_model *c, int64_t id) {
    for (int64_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == id)
            return;
    if (id >= 0 && c->n_eos < QN_MAX_EOS)
        c->eos[c->n_eos++] = id;
}

static int add_tokens(qn_chat_model *c, qn_tok_spec *spec) {
    const qn_str names[] = {QN_STR("<|im_start|>"), QN_STR("<|im_end|>")};
    qn_save_drop_padding(spec);
    for (size_t i = 0; i < QN_LEN(names); i++) {
        int64_t id = qn_tok_spec_find(spec, names[i]);
        if (id < 0) {
            id = first_free(spec);
            const qn_tok_added a = {.id = (int32_t)id, .text = names[i], .special = true};
            QN_TRY(qn_tok_spec_token(spec, id, names[i], QN_TOKEN_CONTROL));
            QN_TRY(qn_tok_spec_added(spec, &a));
            c->added[c->n_added++] = (int32_t)id;
        }
        if (i == 1)
            end_with(c, id);
    }
    c->rows = c->rows ? QN_MAX(c->rows, first_free(spec)) : 0;
    return 0;
}

/* ---- files ---- */

static int has_template(const qn_buf *config, bool *has) {
    qn_json j;
    qn_str key;
    int more = 0;
    qn_json_init(&j, config->s ? config->s : "", config->n, "tokenizer_config.json");
    *has = false;
    int rc = qn_json_enter(&j, '{');
    while (rc >= 0 && (more = qn_json_key(&j, &key)) > 0) {
        *has = *has || qn_str_is(key, "chat_template");
        rc = qn_json_skip(&j);
    }
    qn_json_drop(&j);
    return rc < 0 ? rc : more;
}

/* The template as one more member of tokenizer_config.json, all else as it stands. */
static int put_template(qn_buf *config, qn_str template) {
    bool has = false;
    if (config->n == 0)
        QN_TRY(qn_buf_puts(config, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}"));
    QN_TRY(has_template(config, &has));
    if (has)
        return 0;
    while (config->n > 0 && config->s[config->n - 1] != '}')
        config->n--;
    config->n--;
    while (config->n > 0 && (config->s[config->n - 1] == '\n' || config->s[config->n - 1] == ' '))
        config->n--;
    QN_TRY(qn_buf_puts(config, config->s[config->n - 1] == '{' ? "" : ","));
    QN_TRY(qn_buf_puts(config, "\n  \"chat_template\": "));
    QN_TRY(qn_json_quote(config, template));
    return qn_buf_puts(config, "\n}\n");
}

static int write_files(qn_chat_model *c, const qn_source *s, const qn_tok_spec *spec, qn_str template) {
    QN_TRY(qn_source_tokenizer_files(s, &c->json, &c->config));
    if (c->n_added > 0) {
        qn_buf_clear(&c->json);
        QN_TRY(qn_tokenizer_json_write(spec, &c->json));
    }
    return put_template(&c->config, template);
}

/* ---- the whole ---- */

static int open_parts(qn_chat_model *c, const qn_source *s, qn_tok_spec *spec) {
    const qn_arch *arch;
    qn_config cfg;
    int64_t end[QN_MAX_EOS], n = 0;
    qn_str template = {0};
    const int own = qn_source_chat_template(s, &template);
    QN_TRY(own);
    if (qn_source_meta(s)) {
        QN_TRY(qn_source_config(s, &arch, &cfg));
        c->rows = cfg.V;
    }
    QN_TRY(qn_source_ends(s, end, &n));
    for (int64_t i = 0; i < n; i++)
        end_with(c, end[i]);
    QN_TRY(qn_source_tokenizer_spec(s, spec));
    if (!own)
        QN_TRY(add_tokens(c, spec));
    QN_TRY(qn_tok_new(&c->tok, spec));
    QN_TRY(write_files(c, s, spec, own ? template : qn_chat_template_default()));
    QN_TRY(qn_prompter_init(&c->prompter, own ? template : (qn_str){0}, qn_source_path(s), c->tok));
    for (int64_t i = 0; i < c->n_eos; i++)
        qn_prompter_end(&c->prompter, (int32_t)c->eos[i]);
    return 0;
}

int qn_chat_model_open(qn_chat_model *c, const qn_source *s) {
    qn_tok_spec spec;
    *c = (qn_chat_model){0};
    qn_tok_spec_init(&spec);
    const int rc = open_parts(c, s, &spec);
    qn_tok_spec_drop(&spec);
    return rc;
}
