/* tests/unit/tiny_bert.h — bert/: a sentence encoder of two layers that knows the alphabet and a few words, as
 * sentence-transformers publishes them; its tokenizer.json pads and cuts, as the real ones do. */
#ifndef QN_TESTS_UNIT_TINY_BERT_H
#define QN_TESTS_UNIT_TINY_BERT_H

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "make_model.h"

enum { BERT_D = 32, BERT_F = 64, BERT_POSITIONS = 16, BERT_LAYERS = 2 };

static const char *const bert_words[] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
    "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z", "hello", "world", "##lo", ",", "!", ".", "[", "]",
    "sep",
};

static void bert_file(const char *folder, const char *name, const char *text, size_t n) {
    qn_buf path = {0};
    TEST_MUST(qn_path_join(&path, folder, name));
    TEST_MUST(qn_write_file(path.s, text, n));
    qn_buf_drop(&path);
}

static void bert_vector(test_st *s, const char *name, int64_t n, float offset) {
    float *v = test_fill_values(name, n, 0.1f);
    for (int64_t i = 0; i < n; i++)
        v[i] += offset;
    test_st_tensor(s, name, QN_F32, 1, &n, v);
    qn_free(v);
}

static void bert_matrix(test_st *s, const char *name, int64_t rows, int64_t columns, float scale) {
    const int64_t dims[] = {rows, columns};
    float *v = test_fill_values(name, rows * columns, scale);
    test_st_tensor(s, name, QN_F32, 2, dims, v);
    qn_free(v);
}

static void bert_norm(test_st *s, const char *name) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    bert_vector(s, full, BERT_D, 1);
    snprintf(full, sizeof full, "%s.bias", name);
    bert_vector(s, full, BERT_D, 0);
}

static void bert_product(test_st *s, const char *name, int64_t rows, int64_t columns) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    bert_matrix(s, full, rows, columns, 0.3f);
    snprintf(full, sizeof full, "%s.bias", name);
    bert_vector(s, full, rows, 0);
}

static void bert_weights(const char *folder) {
    static const char *const square[] = {"attention.self.query", "attention.self.key", "attention.self.value",
                                         "attention.output.dense"};
    test_st s = {0};
    char name[96];
    bert_matrix(&s, "embeddings.word_embeddings.weight", (int64_t)QN_LEN(bert_words), BERT_D, 1);
    bert_matrix(&s, "embeddings.position_embeddings.weight", BERT_POSITIONS, BERT_D, 0.25f);
    bert_matrix(&s, "embeddings.token_type_embeddings.weight", 2, BERT_D, 0.25f);
    bert_norm(&s, "embeddings.LayerNorm");
    for (int layer = 0; layer < BERT_LAYERS; layer++) {
        for (size_t i = 0; i < QN_LEN(square); i++) {
            snprintf(name, sizeof name, "encoder.layer.%d.%s", layer, square[i]);
            bert_product(&s, name, BERT_D, BERT_D);
        }
        snprintf(name, sizeof name, "encoder.layer.%d.attention.output.LayerNorm", layer);
        bert_norm(&s, name);
        snprintf(name, sizeof name, "encoder.layer.%d.intermediate.dense", layer);
        bert_product(&s, name, BERT_F, BERT_D);
        snprintf(name, sizeof name, "encoder.layer.%d.output.dense", layer);
        bert_product(&s, name, BERT_D, BERT_F);
        snprintf(name, sizeof name, "encoder.layer.%d.output.LayerNorm", layer);
        bert_norm(&s, name);
    }
    qn_buf bytes = test_st_bytes(&s);
    bert_file(folder, "model.safetensors", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_st_drop(&s);
}

static void bert_tokenizer(const char *folder) {
    qn_buf b = {0};
    TEST_MUST(qn_buf_puts(&b, "{\"truncation\": {\"max_length\": 8, \"strategy\": \"LongestFirst\", \"stride\": 0}, "
                          "\"padding\": {\"strategy\": {\"Fixed\": 8}, \"pad_id\": 0}, \"added_tokens\": ["));
    for (int i = 0; i < 5; i++)
        TEST_MUST(qn_buf_printf(&b, "%s{\"id\": %d, \"content\": \"%s\", \"special\": true}", i ? ", " : "", i,
                                bert_words[i]));
    TEST_MUST(qn_buf_puts(&b, "], \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
                          "\"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true}, "
                          "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
                          "\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": "
                          "[\"[CLS]\", 2]}, \"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", "
                          "\"cleanup\": true}, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
                          "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": {"));
    for (size_t i = 0; i < QN_LEN(bert_words); i++)
        TEST_MUST(qn_buf_printf(&b, "%s\"%s\": %zu", i ? ", " : "", bert_words[i], i));
    TEST_MUST(qn_buf_puts(&b, "}}}"));
    bert_file(folder, "tokenizer.json", b.s, b.n);
    qn_buf_drop(&b);
}

static void write_bert(const char *folder) {
    static const struct { const char *name, *text; } files[] = {
        {"modules.json", "[{\"idx\": 0, \"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}, "
         "{\"idx\": 1, \"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"}, "
         "{\"idx\": 2, \"path\": \"2_Normalize\", \"type\": \"sentence_transformers.models.Normalize\"}]"},
        {"1_Pooling/config.json", "{\"word_embedding_dimension\": 32, \"pooling_mode_mean_tokens\": true}"},
        {"sentence_bert_config.json", "{\"max_seq_length\": 12, \"do_lower_case\": false}"},
    };
    qn_buf dir = {0}, inner = {0}, config = {0};
    TEST_MUST(qn_path_join(&dir, folder, "bert"));
    TEST_MUST(qn_path_join(&inner, dir.s, "1_Pooling"));
    mkdir(dir.s, 0700);
    mkdir(inner.s, 0700);
    TEST_MUST(qn_buf_printf(&config, "{\"architectures\": [\"BertModel\"], \"model_type\": \"bert\", "
                            "\"vocab_size\": %zu, \"hidden_size\": %d, \"intermediate_size\": %d, "
                            "\"num_hidden_layers\": %d, \"num_attention_heads\": 2, "
                            "\"max_position_embeddings\": %d, \"hidden_act\": \"gelu\", \"type_vocab_size\": 2, "
                            "\"layer_norm_eps\": 1e-12, \"pad_token_id\": 0}",
                            QN_LEN(bert_words), BERT_D, BERT_F, BERT_LAYERS, BERT_POSITIONS));
    bert_file(dir.s, "config.json", config.s, config.n);
    for (size_t i = 0; i < QN_LEN(files); i++)
        bert_file(dir.s, files[i].name, files[i].text, strlen(files[i].text));
    bert_weights(dir.s);
    bert_tokenizer(dir.s);
    qn_buf_drop(&dir);
    qn_buf_drop(&inner);
    qn_buf_drop(&config);
}

#endif
