/* fuzz/fuzz_hf_config.c — any bytes as each of a model directory's configurations, and every question asked of them. */
#include "format/hf_config.h"

#include <stdint.h>

static void ask(qn_meta *m) {
    qn_hf_config c = {.config = m, .generation = m, .tokenizer = m};
    int64_t ids[4];
    size_t n = 0;
    qn_str text;
    double f;
    bool b;
    qn_assert(qn_hf_eos_ids(&c, ids, QN_LEN(ids), &n) <= 0 || n <= QN_LEN(ids));
    (void)qn_hf_token_text(&c, "bos_token", &text);
    (void)qn_hf_chat_template(&c, NULL, &text);
    (void)qn_hf_chat_template(&c, "tool_use", &text);
    (void)qn_meta_get_f64(m, "rope_parameters.rope_theta", &f);
    (void)qn_meta_get_bool(m, "tie_word_embeddings", &b);
}

static void write_values(const qn_meta *m) {
    qn_buf out = {0};
    qn_jw w;
    qn_jw_init(&w, &out, 0);
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < qn_meta_count(m); i++)
        qn_meta_write(qn_meta_at(m, i), 100, &w);
    qn_jw_close(&w);
    qn_assert(qn_jw_end(&w) == 0);
    qn_buf_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_meta *m;
    if (qn_meta_from_json(&m, (const char *)data, size, "fuzz.json") < 0) {
        qn_assert(!m && *qn_error_message());
        return 0;
    }
    ask(m);
    write_values(m);
    qn_meta_free(m);
    return 0;
}
