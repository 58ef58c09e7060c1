/* model/save_embedding.c — how hidden states become one vector, as others read it. */
#include <stdio.h>

#include "base/json_fields.h"
#include "base/log.h"
#include "model/save.h"

static int end(qn_jw *w, qn_buf *out) {
    QN_TRY(qn_jw_end(w));
    return qn_buf_putc(out, '\n');
}

static void put_module(qn_jw *w, int i, const char *path, const char *type) {
    char name[16];
    snprintf(name, sizeof name, "%d", i);
    qn_jw_open(w, '{');
    qn_field_i64(w, "idx", i);
    qn_field_str(w, "name", name);
    qn_field_str(w, "path", path);
    qn_field_str(w, "type", type);
    qn_jw_close(w);
}

int qn_save_modules_json(const qn_embedding *e, qn_buf *out) {
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '[');
    put_module(&w, 0, "", "sentence_transformers.models.Transformer");
    put_module(&w, 1, "1_Pooling", "sentence_transformers.models.Pooling");
    if (e->normalize)
        put_module(&w, 2, "2_Normalize", "sentence_transformers.models.Normalize");
    qn_jw_close(&w);
    return end(&w, out);
}

int qn_save_pooling_json(const qn_embedding *e, int64_t D, qn_buf *out) {
    static const struct { const char *key; qn_pooling p; } modes[] = {
        {"pooling_mode_cls_token", QN_POOL_CLS}, {"pooling_mode_mean_tokens", QN_POOL_MEAN},
        {"pooling_mode_max_tokens", QN_POOL_MAX}, {"pooling_mode_mean_sqrt_len_tokens", QN_POOL_SQRT},
        {"pooling_mode_weightedmean_tokens", QN_POOL_WEIGHTED}, {"pooling_mode_lasttoken", QN_POOL_LAST},
    };
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    qn_field_i64(&w, "word_embedding_dimension", D);
    for (size_t i = 0; i < QN_LEN(modes); i++)
        qn_field_bool(&w, modes[i].key, modes[i].p == e->pooling);
    qn_jw_close(&w);
    return end(&w, out);
}

int qn_save_limit_json(const qn_embedding *e, qn_buf *out) {
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    qn_field_i64(&w, "max_seq_length", e->max_tokens);
    qn_field_bool(&w, "do_lower_case", false);
    qn_jw_close(&w);
    return end(&w, out);
}

int qn_save_embedding_gguf(const qn_embedding *e, const qn_save_model *m, qn_gguf_writer *w) {
    static const uint32_t types[QN_POOLINGS] = {[QN_POOL_MEAN] = 1, [QN_POOL_CLS] = 2, [QN_POOL_LAST] = 3};
    char key[96];
    if (qn_arch_is_encoder(m->arch, m->cfg)) {
        snprintf(key, sizeof key, "%s.attention.causal", m->arch->name);
        QN_TRY(qn_gguf_put_bool(w, key, false));
    }
    if (!e->said)
        return 0;
    snprintf(key, sizeof key, "%s.pooling_type", m->arch->name);
    if (types[e->pooling]) {
        QN_TRY(qn_gguf_put_u32(w, key, types[e->pooling]));
    } else {
        qn_log(QN_LOG_WARN, "llama.cpp has no number for the pooling \"%s\": the file says it to quern only",
               qn_pooling_name(e->pooling));
        QN_TRY(qn_gguf_put_str(w, "quern.embedding.pooling", qn_str_of(qn_pooling_name(e->pooling))));
    }
    QN_TRY(qn_gguf_put_bool(w, "quern.embedding.normalize", e->normalize));
    return qn_gguf_put_u32(w, "quern.embedding.max_tokens", (uint32_t)e->max_tokens);
}
