/* format/hf_config.c — the configuration files of a model directory, and the spellings that differ. */
#include "format/hf_config.h"

#include "base/file.h"

#include <stdio.h>

/* Appends the file to b; *there tells whether it exists. */
static int read_optional(qn_buf *b, const char *dir, const char *file, bool *there) {
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, file));
    *there = qn_is_file(path.s);
    if (*there)
        rc = qn_read_file(b, path.s, QN_HF_CONFIG_MAX);
out:
    qn_buf_drop(&path);
    return rc;
}

/* *out stays NULL where the file does not exist. */
static int read_json(qn_meta **out, const char *dir, const char *file) {
    qn_buf text = {0}, path = {0};
    bool there;
    int rc;
    QN_TRY_OUT(read_optional(&text, dir, file, &there));
    if (!there)
        goto out;
    QN_TRY_OUT(qn_path_join(&path, dir, file));
    rc = qn_meta_from_json(out, text.s ? text.s : "", text.n, path.s);
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* What belongs to the tokenizer, and what ends an answer. */
static int read_words(qn_hf_config *c, const char *dir) {
    bool there;
    QN_TRY(read_json(&c->tokenizer, dir, "tokenizer_config.json"));
    QN_TRY(read_json(&c->generation, dir, "generation_config.json"));
    QN_TRY(read_optional(&c->template_file, dir, "chat_template.jinja", &there));
    return there ? qn_buf_put(&c->template_file, "", 0) : 0;    /* an empty file is a template too: s not NULL */
}

int qn_hf_config_open(qn_hf_config *c, const char *dir) {
    int rc;
    *c = (qn_hf_config){0};
    QN_TRY_OUT(read_json(&c->config, dir, "config.json"));
    if (!c->config) {
        rc = qn_fail(QN_ENOTFOUND, "%s: no config.json there; a model directory needs one", dir);
        goto out;
    }
    rc = read_words(c, dir);
out:
    if (rc < 0)
        qn_hf_config_close(c);
    return rc;
}

int qn_hf_config_open_words(qn_hf_config *c, const char *dir) {
    *c = (qn_hf_config){0};
    int rc = read_words(c, dir);
    if (rc < 0)
        qn_hf_config_close(c);
    return rc;
}

void qn_hf_config_close(qn_hf_config *c) {
    qn_meta_free(c->config);
    qn_meta_free(c->generation);
    qn_meta_free(c->tokenizer);
    qn_buf_drop(&c->template_file);
    *c = (qn_hf_config){0};
}

int qn_hf_eos_ids(const qn_hf_config *c, int64_t *ids, size_t cap, size_t *n) {
    if (c->generation) {
        const int found = qn_meta_get_i64s(c->generation, "eos_token_id", ids, cap, n);
        if (found != 0)
            return found;
    }
    if (!c->config)
        return 0;
    const int found = qn_meta_get_i64s(c->config, "eos_token_id", ids, cap, n);
    return found != 0 ? found : qn_meta_get_i64s(c->config, "text_config.eos_token_id", ids, cap, n);
}

int qn_hf_token_text(const qn_hf_config *c, const char *key, qn_str *out) {
    char content[64];
    if (!c->tokenizer)
        return 0;
    const int n = snprintf(content, sizeof content, "%s.content", key);
    qn_assert(n > 0 && (size_t)n < sizeof content);             /* keys are ours */
    const int found = qn_meta_get_str(c->tokenizer, content, out);
    return found != 0 ? found : qn_meta_get_str(c->tokenizer, key, out);
}

/* "chat_template": [{"name": "default", "template": "…"}, {"name": "tool_use", "template": "…"}] */
static int template_in_list(const qn_meta *m, size_t count, const char *name, qn_str *out) {
    for (size_t i = 0; i < count; i++) {
        char key[64];
        qn_str has;
        snprintf(key, sizeof key, "chat_template.%zu.name", i);
        const int found = qn_meta_get_str(m, key, &has);
        QN_TRY(found);
        if (!found || !qn_str_is(has, name))
            continue;
        snprintf(key, sizeof key, "chat_template.%zu.template", i);
        return qn_meta_get_str(m, key, out);
    }
    return 0;
}

int qn_hf_chat_template(const qn_hf_config *c, const char *name, qn_str *out) {
    const bool ordinary = !name || qn_str_is(qn_str_of(name), "default");
    if (ordinary && c->template_file.s) {
        *out = qn_buf_view(&c->template_file);
        return 1;
    }
    const qn_meta_value *v = c->tokenizer ? qn_meta_find(c->tokenizer, "chat_template") : NULL;
    if (!v)
        return 0;
    if (v->kind == QN_META_MIXED)
        return template_in_list(c->tokenizer, v->as.a.count, ordinary ? "default" : name, out);
    return ordinary ? qn_meta_get_str(c->tokenizer, "chat_template", out) : 0;
}
