/* tests/unit/test_api.c — quern.h as a stranger uses it: errors in words, options by size, buffers of the caller. */
#include "quern.h"
#include "test.h"
#include "tiny_bert.h"

TEST(a_missing_model_is_an_error_in_words) {
    quern_model *model = NULL;
    CHECK(quern_model_open(&model, "no/such/model.gguf", NULL, NULL) < 0);
    CHECK(model == NULL);
    CHECK_CONTAINS(quern_error(), "no/such/model.gguf");
}

TEST(an_unknown_dtype_names_those_that_are_known) {
    quern_model_options o = quern_model_options_default();
    quern_model *model = NULL;
    o.weights = "q9";
    CHECK_INT(quern_model_open(&model, "x.gguf", NULL, &o), QN_EINVAL);
    CHECK_CONTAINS(quern_error(), "q9");
    CHECK_CONTAINS(quern_error(), "q8_0");
}

TEST(an_option_struct_without_its_size_is_refused) {
    const quern_model_options o = {0, "f32"};
    quern_model *model = NULL;
    CHECK_INT(quern_model_open(&model, "x.gguf", NULL, &o), QN_EINVAL);
    CHECK_CONTAINS(quern_error(), "_options_default");
}

TEST(announced_stop_strings_must_be_there) {
    quern_generate_options o = quern_generate_options_default();
    o.n_stop = 1;
    CHECK_INT(quern_generate(NULL, NULL, NULL, 0, &o, NULL, NULL, NULL), QN_EINVAL);
    CHECK_CONTAINS(quern_error(), "stop strings");
}

TEST(an_unknown_level_names_those_that_are_known) {
    CHECK(quern_init("avx1024") < 0);
    CHECK_CONTAINS(quern_error(), "avx1024");
    CHECK_CONTAINS(quern_error(), "scalar");
    CHECK_INT(quern_init(NULL), 0);
}

/* The tokenizer of the repository's own fixture, through the public functions only. */
TEST(ids_go_into_the_callers_buffer_and_come_back_as_text) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fixtures/tok_bytelevel.json", QN_SOURCE_DIR);
    quern_tokenizer *tok = NULL;
    const char text[] = "Hello, world: 1234 Mühlbach";
    int32_t ids[64], few[2] = {-7, -7};
    char back[64];
    size_t n = 0, need = 0;
    CHECK_OK(quern_tokenizer_open(&tok, path));
    CHECK_OK(quern_tokenize(tok, text, sizeof text - 1, 0, ids, 64, &n));
    CHECK(n > 2 && n < 64);
    CHECK_OK(quern_tokenize(tok, text, sizeof text - 1, 0, few, 2, &need));
    CHECK_INT(need, n);
    CHECK_INT(few[1], ids[1]);
    CHECK_OK(quern_detokenize(tok, ids, n, 0, back, sizeof back, &need));
    CHECK_INT(need, sizeof text - 1);
    CHECK(memcmp(back, text, need) == 0);
    quern_tokenizer_free(tok);
}

/* ---- vectors of texts ---- */

static char *bert_directory(void) {
    static char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_temp("bert"));
    *strrchr(path, '/') = '\0';
    write_bert(path);
    snprintf(path, sizeof path, "%s", qn_test_temp("bert"));
    return path;
}

TEST(texts_become_vectors) {
    static const char *const texts[] = {"hello", "", "Hello, world!"};
    float some[3][BERT_D], one[BERT_D];
    int64_t tokens[3];
    quern_embedder *e;
    CHECK_OK(quern_embedder_open(&e, bert_directory(), NULL, NULL));
    CHECK_INT(quern_embedder_width(e), BERT_D);
    CHECK_INT(quern_embedder_max_tokens(e), 12);
    CHECK_OK(quern_embed(e, texts, NULL, 3, some[0], tokens));
    CHECK(tokens[0] == 3 && tokens[1] == 2 && tokens[2] == 6);
    CHECK_OK(quern_embed(e, &texts[2], (const size_t[]){13}, 1, one, NULL));
    CHECK(memcmp(one, some[2], sizeof one) == 0);            /* alone as among others */
    double length = 0;
    for (int i = 0; i < BERT_D; i++)
        length += (double)one[i] * (double)one[i];
    CHECK_NEAR(length, 1, 1e-6);
    CHECK_OK(quern_embed(e, texts, NULL, 0, NULL, NULL));
    quern_embedder_free(e);
}

TEST(a_long_text_fails_or_is_cut) {
    const char *text = "a b c d e f g h i j k l m n o p";
    quern_embed_options o = quern_embed_options_default();
    float v[BERT_D];
    int64_t tokens = 0;
    quern_embedder *e;
    CHECK_OK(quern_embedder_open(&e, bert_directory(), NULL, NULL));
    CHECK_INT(quern_embed(e, &text, NULL, 1, v, NULL), QN_ECONTEXT);
    CHECK_CONTAINS(quern_error(), "text 1 has 18 tokens; this model reads 12");
    quern_embedder_free(e);
    o.truncate = 1;
    o.pooling = "last";
    CHECK_OK(quern_embedder_open(&e, bert_directory(), NULL, &o));
    CHECK_OK(quern_embed(e, &text, NULL, 1, v, &tokens));
    CHECK_INT(tokens, 18);
    quern_embedder_free(e);
    o.pooling = "middle";
    CHECK_INT(quern_embedder_open(&e, bert_directory(), NULL, &o), QN_EINVAL);
    CHECK_CONTAINS(quern_error(), "\"middle\" is no pooling");
}
