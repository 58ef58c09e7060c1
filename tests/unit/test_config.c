/* tests/unit/test_config.c — a model's numbers out of config.json in both spellings and out of GGUF keys, and the
 * rotary frequencies that follow from them, against transformers (tests/fixtures/rope.json). What is malformed is
 * in test_bad_models.c. */
#include "tiny_model.h"

/* ---- RoPE ---- */

typedef struct { qn_buf name, config; double freq[QN_ROPE_PAIRS], attention; int64_t n; } rope_case;

static void read_case(qn_json *j, rope_case *c) {
    qn_str key;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "name"))
            CHECK_OK(qn_json_string(j, &c->name));
        else if (qn_str_is(key, "config"))
            CHECK_OK(qn_json_string(j, &c->config));
        else if (qn_str_is(key, "attention"))
            CHECK_OK(qn_json_f64(j, &c->attention));
        else
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; c->n++)
                CHECK(c->n < QN_ROPE_PAIRS && qn_json_f64(j, &c->freq[c->n]) == 0);
}

/* transformers takes powers and quotients in float32: a few units in its last place, each relative. */
static void check_case(const rope_case *r) {
    double freq[QN_ROPE_PAIRS], factor;
    qn_config c;
    qn_meta *m;
    CHECK_OK(qn_meta_from_json(&m, r->config.s, r->config.n, "config.json"));
    CHECK_OK(qn_config_read(&c, &qn_arch_llama, m, false), "%s", r->name.s);
    qn_meta_free(m);
    CHECK_INT(c.rope.rot, 2 * r->n, "%s", r->name.s);
    qn_rope_frequencies(&c.rope, freq, &factor);
    for (int64_t i = 0; i < r->n; i++)
        CHECK_NEAR(freq[i], r->freq[i], 3e-6 * r->freq[i], "%s, pair %lld", r->name.s, (long long)i);
    CHECK_NEAR(factor, r->attention, 1e-7 * r->attention, "%s", r->name.s);
}

TEST(rope_frequencies_are_those_of_transformers) {
    qn_buf text = {0};
    qn_json j;
    int n = 0;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("rope.json"), 1 << 20));
    qn_json_init(&j, text.s, text.n, "rope.json");
    CHECK_OK(qn_json_enter(&j, '['));
    for (; qn_json_item(&j) > 0; n++) {
        rope_case c = {0};
        read_case(&j, &c);
        check_case(&c);
        qn_buf_drop(&c.name);
        qn_buf_drop(&c.config);
    }
    CHECK_OK(qn_json_end(&j));
    CHECK(n >= 21, "%d cases", n);
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

TEST(divisors_of_a_gguf_file_divide) {
    qn_rope_config r = {.base = 10000, .rot = 8};
    double plain[4], divided[4], factor;
    qn_rope_frequencies(&r, plain, &factor);
    r.divisor[1] = 8;
    r.divisor[3] = 1.5f;
    qn_rope_frequencies(&r, divided, &factor);
    CHECK(divided[0] == plain[0] && divided[2] == plain[2] && factor == 1);
    CHECK_NEAR(divided[1], plain[1] / 8, 1e-16);
    CHECK_NEAR(divided[3], plain[3] / 1.5, 1e-16);
}

/* ---- config.json ---- */

static const char BASE[] =
    "\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":48,\"intermediate_size\":80,\"num_hidden_layers\":3,"
    "\"num_attention_heads\":6,\"vocab_size\":100";

static qn_config config_with(const char *more, const char *generation) {
    char text[1024];
    const qn_arch *arch;
    qn_config c;
    qn_source *s;
    mkdir(qn_test_temp("hf"), 0700);
    snprintf(text, sizeof text, "{%s%s}", BASE, more);
    qn_test_write("hf/config.json", text, strlen(text));
    unlink(qn_test_temp("hf/generation_config.json"));
    if (generation)
        qn_test_write("hf/generation_config.json", generation, strlen(generation));
    CHECK_OK(qn_source_open(&s, qn_test_temp("hf")), "%s", more);
    CHECK(!qn_source_is_gguf(s) && qn_source_tensors(s) == NULL);
    CHECK_OK(qn_source_config(s, &arch, &c), "%s", more);
    CHECK(arch == &qn_arch_llama);
    qn_source_close(s);
    return c;
}

TEST(what_is_not_said_has_transformers_defaults) {
    const qn_config c = config_with("", NULL);
    CHECK(c.V == 100 && c.D == 48 && c.F == 80 && c.layers == 3 && c.heads == 6);
    CHECK_INT(c.kv_heads, 6, "as many as heads");
    CHECK_INT(c.Dh, 8, "hidden size by heads");
    CHECK_INT(c.rope.rot, 8);
    CHECK_INT(c.context, 2048);
    CHECK_INT(c.window, 0);
    CHECK(c.norm_eps == 1e-6 && c.rope.base == 10000 && c.rope.scaling == QN_ROPE_PLAIN);
    CHECK(!c.tied && c.bos == -1 && c.pad == -1 && c.n_eos == 0 && c.act == QN_ACT_SILU);
}

TEST(null_is_as_good_as_absent) {
    const qn_config c = config_with(",\"num_key_value_heads\":null,\"head_dim\":null,\"sliding_window\":null,"
                                    "\"rope_scaling\":null,\"pad_token_id\":null,\"eos_token_id\":null", NULL);
    CHECK(c.kv_heads == 6 && c.Dh == 8 && c.window == 0 && c.pad == -1 && c.n_eos == 0);
    CHECK_INT(c.rope.scaling, QN_ROPE_PLAIN);
}

TEST(both_spellings) {
    static const struct { const char *text; double base;
    } theta[] = {
        {",\"rope_theta\":500000,\"torch_dtype\":\"bfloat16\"", 500000},
        {",\"rope_parameters\":{\"rope_theta\":5e5,\"rope_type\":\"default\"},\"dtype\":\"bfloat16\"", 500000},
        {",\"rope_parameters\":{\"rope_theta\":7e5},\"rope_theta\":1,\"dtype\":\"float32\",\"torch_dtype\":\"float16\"",
         700000},
        {",\"rope_theta\":100000.0,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}", 100000},
    };
    for (size_t i = 0; i < QN_LEN(theta); i++)
        CHECK_NEAR(config_with(theta[i].text, NULL).rope.base, theta[i].base, 0, "%s", theta[i].text);
    const qn_config c = config_with(theta[3].text, NULL);
    CHECK(c.rope.scaling == QN_ROPE_LINEAR && c.rope.factor == 2);
}

TEST(explicit_numbers) {
    const qn_config c =
        config_with(",\"head_dim\":16,\"num_key_value_heads\":2,\"sliding_window\":4096,\"rms_norm_eps\":1e-5,"
                    "\"max_position_embeddings\":8192,\"tie_word_embeddings\":true,\"bos_token_id\":1,"
                    "\"pad_token_id\":2,\"hidden_act\":\"gelu_pytorch_tanh\"",
                    NULL);
    CHECK_INT(c.Dh, 16, "not hidden size by heads");
    CHECK(c.kv_heads == 2 && c.window == 4096 && c.context == 8192 && c.bos == 1 && c.pad == 2 && c.tied);
    CHECK(c.norm_eps == 1e-5 && c.act == QN_ACT_GELU_TANH && c.rope.rot == 16);
    CHECK_INT(config_with(",\"max_position_embeddings\":4e3", NULL).context, 4000, "an integer too");
}

TEST(end_of_sequence_is_a_number_or_a_list) {
    static const struct { const char *config, *generation; int64_t n, first, last; } cases[] = {
        {",\"eos_token_id\":2", NULL, 1, 2, 2},
        {",\"eos_token_id\":[7,8,9]", NULL, 3, 7, 9},
        {",\"eos_token_id\":2", "{\"eos_token_id\":[5,6]}", 2, 5, 6},
        {",\"eos_token_id\":2", "{\"temperature\":0.6}", 1, 2, 2},
        {"", "{\"eos_token_id\":11}", 1, 11, 11},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const qn_config c = config_with(cases[i].config, cases[i].generation);
        CHECK_INT(c.n_eos, cases[i].n, "case %zu", i);
        CHECK_INT(c.eos[0], cases[i].first, "case %zu", i);
        CHECK_INT(c.eos[c.n_eos - 1], cases[i].last, "case %zu", i);
    }
}

TEST(a_family_by_class_or_by_type) {
    static const struct { const char *config; const qn_arch *arch; } cases[] = {
        {"{\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"whatever\"}", &qn_arch_llama},
        {"{\"model_type\":\"llama\"}", &qn_arch_llama}, {"{\"model_type\":\"mistral\"}", &qn_arch_llama},
        {"{\"architectures\":[\"GPT2LMHeadModel\"]}", &qn_arch_gpt2}, {"{\"model_type\":\"gpt2\"}", &qn_arch_gpt2},
        {"{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"}", NULL},
        {"{\"model_type\":\"gpt_neox\"}", NULL},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const qn_arch *arch = NULL;
        qn_config c;
        qn_source *s;
        mkdir(qn_test_temp("hf"), 0700);
        qn_test_write("hf/config.json", cases[i].config, strlen(cases[i].config));
        CHECK_OK(qn_source_open(&s, qn_test_temp("hf")));
        const int rc = qn_source_config(s, &arch, &c);
        CHECK_INT(rc, cases[i].arch ? QN_EFORMAT : QN_EUNSUPPORTED, "%s: %s", cases[i].config, qn_error_message());
        CHECK(arch == cases[i].arch, "%s", cases[i].config);
        qn_source_close(s);
    }
}

TEST(sampling_defaults_of_the_authors) {
    qn_sampling_defaults d;
    qn_source *s;
    config_with("", "{\"temperature\":0.6,\"top_k\":20,\"do_sample\":true,\"top_p\":null}");
    CHECK_OK(qn_source_open(&s, qn_test_temp("hf")));
    CHECK_OK(qn_source_sampling(s, &d));
    CHECK(d.temperature == 0.6 && d.top_k == 20 && isnan(d.top_p) && isnan(d.min_p) && isnan(d.repetition_penalty));
    qn_source_close(s);
}

/* ---- GGUF ---- */

static qn_config gguf_config(const test_gguf *g) {
    const qn_arch *arch;
    qn_config c;
    qn_source *s;
    qn_buf bytes = test_gguf_bytes(g);
    CHECK_OK(qn_source_open(&s, qn_test_write("keys.gguf", bytes.s, bytes.n)));
    CHECK_OK(qn_source_config(s, &arch, &c));
    CHECK(qn_source_is_gguf(s) && arch == &qn_arch_llama);
    qn_source_close(s);
    qn_buf_drop(&bytes);
    return c;
}

TEST(gguf_keys) {
    tiny_spec spec = TINY;
    test_gguf g = {0};
    spec.window = 99;
    spec.rot = 8;
    tiny_keys(&g, &spec);
    qn_config c = gguf_config(&g);
    CHECK(c.V == 96 && c.D == 64 && c.F == 96 && c.layers == 2 && c.heads == 4 && c.kv_heads == 2 && c.Dh == 16);
    CHECK(c.context == 1024 && c.window == 99 && c.rope.rot == 8 && c.rope.base == 10000 && c.bos == -1 &&
          c.n_eos == 0);
    CHECK_NEAR(c.norm_eps, 1e-5, 1e-12);
    test_gguf_u32(&g, "tokenizer.ggml.bos_token_id", 3);
    test_gguf_u32(&g, "tokenizer.ggml.eos_token_id", 4);
    test_gguf_u32(&g, "tokenizer.ggml.eot_token_id", 4);
    test_gguf_u32(&g, "tokenizer.ggml.eom_token_id", 5);
    test_gguf_str(&g, "llama.rope.scaling.type", "linear");
    test_gguf_f32(&g, "llama.rope.scaling.factor", 4);
    c = gguf_config(&g);
    CHECK(c.bos == 3 && c.n_eos == 2 && c.eos[0] == 4 && c.eos[1] == 5, "the same end twice is one");
    CHECK(c.rope.scaling == QN_ROPE_LINEAR && c.rope.factor == 4);
    test_gguf_drop(&g);
}

/* Without vocab_size the tokenizer's list counts. */
TEST(gguf_vocabulary_by_its_tokens) {
    tiny_spec spec = TINY;
    test_gguf g = {0};
    const char *tokens[3] = {"a", "b", "c"};
    spec.V = 0;
    tiny_keys(&g, &spec);
    test_gguf_strs(&g, "tokenizer.ggml.tokens", tokens, 3);
    CHECK_INT(gguf_config(&g).V, 3);
    test_gguf_drop(&g);
}
