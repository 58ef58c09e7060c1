/* model/tokenizer_files.c — the tokenizer of any source as tokenizer.json and tokenizer_config.json. */
#include <string.h>

#include "base/file.h"
#include "format/tokenizer_json_write.h"
#include "model/save.h"
#include "model/source_impl.h"

#define CONFIG_MAX ((size_t)16 << 20)

void qn_save_drop_padding(qn_tok_spec *s) {
    for (size_t i = 0; i < s->n_vocab; i++) {
        qn_str t = s->vocab[i].text;
        int64_t id;
        if (s->vocab[i].type == QN_TOKEN_UNUSED && qn_str_starts(t, "[PAD") && qn_str_ends(t, "]") &&
            qn_parse_i64((qn_str){t.s + 4, t.n - 5}, &id) && id == (int64_t)i)
            s->vocab[i].type = QN_TOKEN_HOLE;
    }
}

/* tokenizer_config.json beside tokenizer.json, as it stands. 1 found, 0 there is none. */
static int read_config(const qn_source *s, qn_buf *config) {
    qn_buf path = {0};
    int rc = qn_is_dir(s->path) ? qn_path_join(&path, s->path, "tokenizer_config.json") : qn_buf_puts(&path, s->path);
    const char *slash = rc >= 0 ? strrchr(path.s, '/') : NULL;
    if (rc >= 0 && !qn_is_dir(s->path)) {
        path.n = slash ? (size_t)(slash - path.s) + 1 : 0;
        rc = qn_buf_puts(&path, "tokenizer_config.json");
    }
    const bool there = rc >= 0 && s->has_hf && qn_is_file(path.s);
    if (there)
        rc = qn_read_file(config, path.s, CONFIG_MAX);
    qn_buf_drop(&path);
    return rc < 0 ? rc : there;
}

int qn_source_tokenizer_files(const qn_source *s, qn_buf *json, qn_buf *config) {
    const qn_arch *arch;
    qn_config c;
    qn_tok_spec spec;
    qn_str chat_template;
    int rc;
    qn_tok_spec_init(&spec);
    QN_TRY_OUT(qn_source_tokenizer_spec(s, &spec));
    QN_TRY_OUT(qn_source_tokenizer_json(s, json));
    if (rc == 0) {
        qn_save_drop_padding(&spec);
        QN_TRY_OUT(qn_tokenizer_json_write(&spec, json));
    }
    QN_TRY_OUT(read_config(s, config));
    if (rc > 0 || s->kind == QN_SOURCE_TOKENIZER) {
        rc = 0;
        goto out;
    }
    QN_TRY_OUT(qn_source_config(s, &arch, &c));
    QN_TRY_OUT(qn_source_chat_template(s, &chat_template));
    rc = qn_save_tokenizer_config_json(&spec, &c, chat_template, config);
out:
    qn_tok_spec_drop(&spec);
    return rc;
}
