/* tests/unit/test_bert.c — the BERT family against transformers: tiny models of tests/fixtures (bert.py says how they
 * were made), each as a directory, as one with "bert." before the names and the spellings of 2018, and as a GGUF file;
 * every level of the machine. Then what modules.json says and what is refused. */
#include "fixture_model.h"

#include "infer/embedder.h"
#include "model/convert.h"

/* ---- as a directory of 2018: a prefix, gamma and beta, buffers and heads that mean nothing ---- */

static void old_name(const char *name, char out[128]) {
    const size_t n = strlen(name);
    const bool norm = strstr(name, "LayerNorm") != NULL, weight = n > 7 && strcmp(name + n - 7, ".weight") == 0;
    const char *end = !norm ? "" : weight ? ".gamma" : ".beta";
    snprintf(out, 128, "bert.%.*s%s", (int)(norm ? n - (weight ? 7 : 5) : n), name, end);
}

static const char *as_old_directory(const fixture *f) {
    static const float numbers[64 * 64];
    test_st st = {0};
    char name[128];
    for (size_t i = 0; i < f->n_params; i++) {
        const parameter *p = &f->param[i];
        float *v = values_of(p);
        old_name(p->name, name);
        test_st_tensor(&st, name, QN_F32, p->rank, p->dim, v);
        qn_free(v);
    }
    test_st_tensor(&st, "bert.embeddings.position_ids", QN_F32, 2, (int64_t[]){1, 64}, numbers);
    test_st_tensor(&st, "bert.pooler.dense.weight", QN_F32, 2, (int64_t[]){64, 64}, numbers);
    test_st_tensor(&st, "bert.pooler.dense.bias", QN_F32, 1, (int64_t[]){64}, numbers);
    test_st_tensor(&st, "cls.predictions.transform.LayerNorm.gamma", QN_F32, 1, (int64_t[]){64}, numbers);
    test_st_tensor(&st, "cls.seq_relationship.weight", QN_F32, 2, (int64_t[]){2, 64}, numbers);
    return write_directory(&st, &f->config);
}

/* ---- as a GGUF file, as llama.cpp's converter lays it out ---- */

static void gguf_name(const char *name, char out[96]) {
    static const struct { const char *hf, *gguf; } parts[] = {
        {"attention.self.query", "attn_q"}, {"attention.self.key", "attn_k"}, {"attention.self.value", "attn_v"},
        {"attention.output.dense", "attn_output"}, {"attention.output.LayerNorm", "attn_output_norm"},
        {"intermediate.dense", "ffn_up"}, {"output.dense", "ffn_down"}, {"output.LayerNorm", "layer_output_norm"},
    };
    static const struct { const char *hf, *gguf; } whole[] = {
        {"embeddings.word_embeddings.weight", "token_embd.weight"},
        {"embeddings.position_embeddings.weight", "position_embd.weight"},
        {"embeddings.token_type_embeddings.weight", "token_types.weight"},
        {"embeddings.LayerNorm.weight", "token_embd_norm.weight"},
        {"embeddings.LayerNorm.bias", "token_embd_norm.bias"},
    };
    int layer, at = 0;
    for (size_t i = 0; i < QN_LEN(whole); i++)
        if (strcmp(name, whole[i].hf) == 0)
            snprintf(out, 96, "%s", whole[i].gguf);
    if (sscanf(name, "encoder.layer.%d.%n", &layer, &at) != 1)
        return;
    const char *rest = name + at, *dot = strrchr(rest, '.');
    for (size_t i = 0; i < QN_LEN(parts); i++)
        if (strlen(parts[i].hf) == (size_t)(dot - rest) && strncmp(rest, parts[i].hf, (size_t)(dot - rest)) == 0)
            snprintf(out, 96, "blk.%d.%s%s", layer, parts[i].gguf, dot);
}

static uint32_t whole_number(const qn_meta *m, const char *key) {
    int64_t v = 0;
    CHECK_INT(qn_meta_get_i64(m, key, &v), 1, "%s", key);
    return (uint32_t)v;
}

static const char *as_gguf(const fixture *f) {
    test_gguf g = {0};
    qn_meta *m;
    double eps = 0;
    CHECK_OK(qn_meta_from_json(&m, f->config.s, f->config.n, "config.json"));
    CHECK_INT(qn_meta_get_f64(m, "layer_norm_eps", &eps), 1);
    test_gguf_str(&g, "general.architecture", "bert");
    test_gguf_u32(&g, "bert.block_count", whole_number(m, "num_hidden_layers"));
    test_gguf_u32(&g, "bert.context_length", whole_number(m, "max_position_embeddings"));
    test_gguf_u32(&g, "bert.embedding_length", whole_number(m, "hidden_size"));
    test_gguf_u32(&g, "bert.feed_forward_length", whole_number(m, "intermediate_size"));
    test_gguf_u32(&g, "bert.attention.head_count", whole_number(m, "num_attention_heads"));
    test_gguf_u32(&g, "bert.vocab_size", whole_number(m, "vocab_size"));
    test_gguf_u32(&g, "tokenizer.ggml.token_type_count", whole_number(m, "type_vocab_size"));
    test_gguf_u32(&g, "bert.pooling_type", 2);
    test_gguf_bool(&g, "bert.attention.causal", false);
    test_gguf_f32(&g, "bert.attention.layer_norm_epsilon", (float)eps);
    for (size_t i = 0; i < f->n_params; i++) {
        char name[96] = "";
        float *v = values_of(&f->param[i]);
        gguf_name(f->param[i].name, name);
        CHECK(name[0], "%s has no name in GGUF", f->param[i].name);
        test_gguf_tensor(&g, name, QN_F32, f->param[i].rank, f->param[i].dim, v);
        qn_free(v);
    }
    qn_buf bytes = test_gguf_bytes(&g);
    const char *path = qn_test_write("model.gguf", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_gguf_drop(&g);
    qn_meta_free(m);
    return path;
}

/* ---- hidden states ---- */

/* All texts come in one run: then rows count as in the fixture. */
static int judge_hidden(void *arg, const qn_hidden *h) {
    judging *g = arg;
    g->V = h->D;
    for (int64_t row = 0; row < h->row[h->n]; row++)
        judge(g, 0, row, h->hidden + row * h->D);
    return 0;
}

static int64_t texts_of(const fixture *f, qn_token_text texts[MAX_DOCUMENTS]) {
    for (int64_t i = 0, at = 0; i < f->n_documents; at += f->length[i++])
        texts[i] = (qn_token_text){f->ids + at, f->length[i]};
    return f->n_documents;
}

static void judge_texts(const fixture *f, const char *path, const char *what, double *worst) {
    qn_model *m = load_model(path, QN_WEIGHTS_AS_IS);
    qn_token_text texts[MAX_DOCUMENTS];
    const int64_t n = texts_of(f, texts);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        qn_encoder *e;
        if (!qn_isa_has((qn_isa)isa))
            continue;
        judging g = {.f = f, .what = what, .tolerance = 4 * f->f32_logits + 1e-6};
        CHECK_OK(qn_encoder_new(&e, m, qn_kernels_at((qn_isa)isa), NULL, &(qn_encoder_options){.kv = -1}));
        CHECK_OK(qn_encoder_run(e, texts, n, judge_hidden, &g), "%s", what);
        CHECK_INT(g.seen, f->n_at, "%s", what);
        *worst = fmax(*worst, g.worst / f->f32_logits);
        qn_encoder_free(e);
    }
    qn_model_free(m);
}

static void judge_case(const char *name) {
    static fixture f;
    const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .force = true};
    qn_convert_result r;
    char file[64], gguf[1024], dir[1024];
    double worst = 0;
    snprintf(file, sizeof file, "bert_%s.json", name);
    read_fixture(file, &f);
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("converted.gguf"));
    snprintf(dir, sizeof dir, "%s", qn_test_temp("converted"));
    judge_texts(&f, as_directory(&f, &f.config), "as a directory", &worst);
    judge_texts(&f, as_old_directory(&f), "as a directory of 2018", &worst);
    judge_texts(&f, as_gguf(&f), "as GGUF", &worst);
    CHECK_OK(qn_convert(as_gguf(&f), dir, &o, &r), "%s", name);
    judge_texts(&f, dir, "GGUF to directory", &worst);
    CHECK_OK(qn_convert(as_old_directory(&f), gguf, &o, &r), "%s", name);
    judge_texts(&f, gguf, "directory to GGUF", &worst);
    print_message("%s: off by at most %.2f times what transformers' float32 is\n", name, worst);
    drop_fixture(&f);
}

TEST(heads_of_sixteen) { judge_case("base"); }

/* ReLU, which a GGUF does not say: that form is left out. */
TEST(odd_widths_three_types_relu) {
    static fixture f;
    const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .force = true};
    qn_convert_result r;
    char gguf[1024];
    double worst = 0;
    read_fixture("bert_odd.json", &f);
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("odd.gguf"));
    CHECK_FAIL(qn_convert(as_directory(&f, &f.config), gguf, &o, &r), QN_EUNSUPPORTED, "not GELU");
    judge_texts(&f, as_directory(&f, &f.config), "odd as a directory", &worst);
    judge_texts(&f, as_old_directory(&f), "odd as a directory of 2018", &worst);
    print_message("odd: off by at most %.2f times what transformers' float32 is\n", worst);
    drop_fixture(&f);
}

/* Positions and types are F32 in a GGUF, which llama.cpp insists on. */
TEST(quantized_files_keep_their_tables) {
    static const qn_dtype dtypes[] = {QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0};
    static fixture f;
    char gguf[1024];
    read_fixture("bert_base.json", &f);
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("quantized.gguf"));
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        const qn_convert_options o = {.dtype = (int)dtypes[i], .force = true};
        qn_convert_result r;
        qn_source *s;
        CHECK_OK(qn_convert(as_directory(&f, &f.config), gguf, &o, &r));
        CHECK_OK(qn_source_open(&s, gguf));
        CHECK_INT(qn_tensor_find(qn_source_tensors(s), "token_types.weight")->dtype, QN_F32);
        CHECK_INT(qn_tensor_find(qn_source_tensors(s), "position_embd.weight")->dtype, QN_F32);
        CHECK_INT(qn_tensor_find(qn_source_tensors(s), "blk.0.ffn_up.weight")->dtype, dtypes[i]);
        qn_source_close(s);
    }
    drop_fixture(&f);
}

/* ---- modules.json and its like ---- */

static void put_file(const char *name, const char *text) {
    char path[128];
    mkdir(qn_test_temp("hf/1_Pooling"), 0700);
    snprintf(path, sizeof path, "hf/%s", name);
    if (text)
        qn_test_write(path, text, strlen(text));
    else
        unlink(qn_test_temp(path));
}

#define MODULE(i, path, type) "{\"idx\": " i ", \"path\": \"" path "\", \"type\": \"sentence_transformers." type "\"}"
#define MODULES(more) "[" MODULE("0", "", "Transformer") ", " MODULE("1", "1_Pooling", "Pooling") more "]"

static int embedding_of(const char *modules, const char *pooling, const char *limit, qn_embedding *e) {
    qn_source *s;
    put_file("modules.json", modules);
    put_file("1_Pooling/config.json", pooling);
    put_file("sentence_bert_config.json", limit);
    CHECK_OK(qn_source_open(&s, qn_test_temp("hf")));
    const int rc = qn_source_embedding(s, e);
    qn_source_close(s);
    return rc;
}

TEST(what_the_files_of_sentence_transformers_say) {
    static const char both[] = "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_max_tokens\": true}";
    static const char cls[] = "{\"word_embedding_dimension\": 64, \"pooling_mode_cls_token\": true, "
                              "\"pooling_mode_mean_tokens\": false}";
    static fixture f;
    qn_embedding e;
    read_fixture("bert_base.json", &f);
    as_directory(&f, &f.config);
    CHECK_OK(embedding_of(NULL, NULL, NULL, &e));
    CHECK(e.pooling == QN_POOL_MEAN && !e.normalize && !e.said && e.max_tokens == 64);
    CHECK_OK(embedding_of(MODULES(", " MODULE("2", "2_Normalize", "Normalize")), cls,
                          "{\"max_seq_length\": 48, \"do_lower_case\": false}", &e));
    CHECK(e.pooling == QN_POOL_CLS && e.normalize && e.said && e.max_tokens == 48);
    CHECK_OK(embedding_of(MODULES(""), "{\"pooling_mode\": \"lasttoken\"}", "{\"max_seq_length\": 4096}", &e));
    CHECK(e.pooling == QN_POOL_LAST && !e.normalize && e.max_tokens == 64);
    CHECK_FAIL(embedding_of(MODULES(""), NULL, NULL, &e), QN_ENOTFOUND, "1_Pooling/config.json is missing");
    CHECK_FAIL(embedding_of(MODULES(""), both, NULL, &e), QN_EUNSUPPORTED, "pooling_mode_max_tokens beside another");
    CHECK_FAIL(embedding_of(MODULES(""), "{}", NULL, &e), QN_EFORMAT, "no pooling mode is switched on");
    CHECK_FAIL(embedding_of(MODULES(""), "{\"pooling_mode\": \"attention\"}", NULL, &e), QN_EUNSUPPORTED, "attention");
    CHECK_FAIL(embedding_of(MODULES(""), "{\"word_embedding_dimension\": 65}", NULL, &e), QN_EFORMAT, "is 65");
    CHECK_FAIL(embedding_of(MODULES(", " MODULE("2", "2_Dense", "Dense")), cls, NULL, &e), QN_EUNSUPPORTED, "Dense");
    CHECK_FAIL(embedding_of("[" MODULE("0", "", "Transformer") "]", cls, NULL, &e), QN_EFORMAT, "names no Pooling");
    CHECK_FAIL(embedding_of(MODULES(""), cls, "{\"max_seq_length\": 0}", &e), QN_EFORMAT, "max_seq_length is 0");
    CHECK_FAIL(embedding_of("[" MODULE("0", "", "Transformer") ", " MODULE("1", "../x", "Pooling") "]", cls, NULL, &e),
               QN_EUNSUPPORTED, "../x");
    drop_fixture(&f);
}

TEST(what_a_gguf_says) {
    static fixture f;
    qn_embedding e;
    qn_source *s;
    read_fixture("bert_base.json", &f);
    CHECK_OK(qn_source_open(&s, as_gguf(&f)));
    CHECK_OK(qn_source_embedding(s, &e));
    CHECK(e.pooling == QN_POOL_CLS && e.normalize && e.said && e.max_tokens == 64);
    qn_source_close(s);
    drop_fixture(&f);
}

/* ---- what does not fit ---- */

static int load_with(const fixture *f, const char *from, const char *to) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS};
    qn_buf config = {0};
    qn_source *s;
    qn_model *m = NULL;
    const char *at = strstr(f->config.s, from);
    CHECK(at != NULL, "%s", from);
    CHECK_OK(qn_buf_printf(&config, "%.*s%s%s", (int)(at - f->config.s), f->config.s, to, at + strlen(from)));
    CHECK_OK(qn_source_open(&s, as_directory(f, &config)));
    const int rc = qn_model_load(&m, s, &o, NULL);
    qn_source_close(s);
    qn_model_free(m);
    qn_buf_drop(&config);
    return rc;
}

TEST(configurations_that_are_refused) {
    static const struct { const char *from, *to; int rc; const char *says; } cases[] = {
        {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"quick_gelu\"", QN_EUNSUPPORTED, "hidden_act \"quick_gelu\""},
        {"\"hidden_act\"", "\"position_embedding_type\": \"relative_key\", \"hidden_act\"", QN_EUNSUPPORTED,
         "position_embedding_type is \"relative_key\"; only \"absolute\""},
        {"\"is_decoder\": false", "\"is_decoder\": true", QN_EUNSUPPORTED, "is_decoder is true"},
        {"\"type_vocab_size\": 2", "\"type_vocab_size\": 0", QN_EFORMAT, "0 token types"},
        {"\"type_vocab_size\": 2", "\"type_vocab_size\": 3", QN_ESHAPE,
         "token_type_embeddings.weight is [2,64]; the configuration asks for [3,64]"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", QN_EFORMAT, "beyond the 1 layers"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", QN_ENOTFOUND, "encoder.layer.2.attention.self.query"},
        {"\"BertModel\"", "\"BertForSequenceClassification\"", QN_EUNSUPPORTED, "BertForSequenceClassification"},
    };
    static fixture f;
    read_fixture("bert_base.json", &f);
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const int rc = load_with(&f, cases[i].from, cases[i].to);
        CHECK_INT(rc, cases[i].rc, "%s", cases[i].to);
        if (rc < 0)
            CHECK_CONTAINS(qn_error_message(), cases[i].says, "%s", cases[i].to);
    }
    drop_fixture(&f);
}

TEST(an_encoder_writes_nothing) {
    static fixture f;
    qn_session *s;
    qn_graph *g;
    qn_loss_refs refs;
    const qn_graph_options o = {.kv = QN_F32, .max_context = 64};
    read_fixture("bert_base.json", &f);
    qn_model *m = load_model(as_directory(&f, &f.config), QN_WEIGHTS_AS_IS);
    CHECK_FAIL(qn_session_new(&s, m, qn_kernels_at(QN_ISA_SCALAR), NULL, &(qn_session_options){.kv = -1}),
               QN_EUNSUPPORTED, "a bert model reads a text whole and continues none");
    CHECK_OK(qn_graph_new(&g));
    CHECK_FAIL(qn_model_loss(m, g, &o, &refs), QN_EUNSUPPORTED, "quern embed");
    qn_graph_free(g);
    qn_model_free(m);
    drop_fixture(&f);
}
