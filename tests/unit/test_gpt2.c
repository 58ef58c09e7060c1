/* tests/unit/test_gpt2.c — the GPT-2 family against transformers: tiny models of tests/fixtures (gpt2.py says how they
 * were made), each as a directory of today, as one of 2019 and as a GGUF file; every level of the machine. */
#include "fixture_model.h"

#include "model/convert.h"

/* ---- as a directory of 2019: no prefix before the names, the causal mask among the tensors ---- */

static const char *as_old_directory(const fixture *f) {
    static const float mask[64 * 64], much[1] = {-10000};
    test_st st = {0};
    put_tensors(f, &st, "transformer.");
    for (int layer = 0; layer < 2; layer++) {
        char name[64];
        snprintf(name, sizeof name, "h.%d.attn.bias", layer);
        test_st_tensor(&st, name, QN_F32, 4, (int64_t[]){1, 1, 64, 64}, mask);
        snprintf(name, sizeof name, "h.%d.attn.masked_bias", layer);
        test_st_tensor(&st, name, QN_F32, 0, NULL, much);
    }
    return write_directory(&st, &f->config_v4);
}

/* ---- as a GGUF file, as llama.cpp's converter lays it out ---- */

static void gguf_name(const char *name, char out[96]) {
    static const struct { const char *hf, *gguf; } parts[] = {
        {"ln_1", "attn_norm"}, {"ln_2", "ffn_norm"}, {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"},
        {"mlp.c_fc", "ffn_up"}, {"mlp.c_proj", "ffn_down"},
    };
    static const struct { const char *hf, *gguf; } whole[] = {
        {"transformer.wte.weight", "token_embd.weight"}, {"transformer.wpe.weight", "position_embd.weight"},
        {"transformer.ln_f.weight", "output_norm.weight"}, {"transformer.ln_f.bias", "output_norm.bias"},
        {"lm_head.weight", "output.weight"},
    };
    int layer, at = 0;
    for (size_t i = 0; i < QN_LEN(whole); i++)
        if (strcmp(name, whole[i].hf) == 0)
            snprintf(out, 96, "%s", whole[i].gguf);
    if (sscanf(name, "transformer.h.%d.%n", &layer, &at) != 1)
        return;
    const char *rest = name + at, *dot = strrchr(rest, '.');
    for (size_t i = 0; i < QN_LEN(parts); i++)
        if (strlen(parts[i].hf) == (size_t)(dot - rest) && strncmp(rest, parts[i].hf, (size_t)(dot - rest)) == 0)
            snprintf(out, 96, "blk.%d.%s%s", layer, parts[i].gguf, dot);
}

static void put_tensor(test_gguf *g, const parameter *p) {
    char name[96] = "";
    float *v = values_of(p), *turned = v;
    int64_t dim[2] = {p->dim[0], p->dim[1]};
    gguf_name(p->name, name);
    CHECK(name[0], "%s has no name in GGUF", p->name);
    if (p->rank == 2 && strstr(p->name, ".c_")) {
        dim[0] = p->dim[1];
        dim[1] = p->dim[0];
        turned = qn_alloc(QN_MEM_TEST, (size_t)(dim[0] * dim[1]) * sizeof *turned);
        for (int64_t i = 0; i < dim[0] * dim[1]; i++)
            turned[i] = v[i % dim[1] * dim[0] + i / dim[1]];
    }
    test_gguf_tensor(g, name, QN_F32, p->rank, dim, turned);
    if (turned != v)
        qn_free(turned);
    qn_free(v);
}

static uint32_t whole(const qn_meta *m, const char *key, int64_t otherwise) {
    CHECK(qn_meta_get_i64(m, key, &otherwise) >= 0);
    return (uint32_t)otherwise;
}

static const char *as_gguf(const fixture *f) {
    test_gguf g = {0};
    qn_meta *m;
    double eps = 0;
    CHECK_OK(qn_meta_from_json(&m, f->config.s, f->config.n, "config.json"));
    CHECK_INT(qn_meta_get_f64(m, "layer_norm_epsilon", &eps), 1);
    test_gguf_str(&g, "general.architecture", "gpt2");
    test_gguf_u32(&g, "gpt2.block_count", whole(m, "n_layer", 0));
    test_gguf_u32(&g, "gpt2.context_length", whole(m, "n_positions", 0));
    test_gguf_u32(&g, "gpt2.embedding_length", whole(m, "n_embd", 0));
    test_gguf_u32(&g, "gpt2.feed_forward_length", whole(m, "n_inner", 4 * (int64_t)whole(m, "n_embd", 0)));
    test_gguf_u32(&g, "gpt2.attention.head_count", whole(m, "n_head", 0));
    test_gguf_u32(&g, "gpt2.vocab_size", whole(m, "vocab_size", 0));
    test_gguf_f32(&g, "gpt2.attention.layer_norm_epsilon", (float)eps);
    for (size_t i = 0; i < f->n_params; i++)
        put_tensor(&g, &f->param[i]);
    qn_buf bytes = test_gguf_bytes(&g);
    const char *path = qn_test_write("model.gguf", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_gguf_drop(&g);
    qn_meta_free(m);
    return path;
}

/* ---- logits ---- */

/* Packed to the same bytes: then everything that follows is the same. */
static void same_weights(const char *a, int as, const char *b, const char *what) {
    qn_model *x = load_model(a, as), *y = load_model(b, QN_WEIGHTS_AS_IS);
    CHECK(x->arena_bytes == y->arena_bytes && memcmp(x->arena, y->arena, x->arena_bytes) == 0, "%s", what);
    qn_model_free(x);
    qn_model_free(y);
}

/* What quern convert makes of each form; and that what was saved is loaded to the bit. */
static void judge_converted(const fixture *f, const char *name, double *worst) {
    const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .force = true};
    qn_convert_result r;
    char gguf[1024], dir[1024], what[64];
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("converted.gguf"));
    snprintf(dir, sizeof dir, "%s", qn_test_temp("converted"));
    CHECK_OK(qn_convert(as_old_directory(f), gguf, &o, &r), "%s", name);
    CHECK_INT(r.rounded, 0);
    snprintf(what, sizeof what, "%s, directory to GGUF", name);
    judge_model(f, gguf, what, worst);
    same_weights(as_old_directory(f), QN_WEIGHTS_AS_IS, gguf, what);
    CHECK_OK(qn_convert(as_gguf(f), dir, &o, &r), "%s", name);
    CHECK_INT(r.rounded, 0);
    snprintf(what, sizeof what, "%s, GGUF to directory", name);
    judge_model(f, dir, what, worst);
    same_weights(gguf, QN_WEIGHTS_AS_IS, dir, what);
}

static void judge_case(const char *name) {
    static fixture f;
    char file[64], what[3][64];
    double worst = 0;
    snprintf(file, sizeof file, "gpt2_%s.json", name);
    read_fixture(file, &f);
    snprintf(what[0], sizeof what[0], "%s as a directory", name);
    snprintf(what[1], sizeof what[1], "%s as a directory of 2019", name);
    snprintf(what[2], sizeof what[2], "%s as GGUF", name);
    judge_model(&f, as_directory(&f, &f.config), what[0], &worst);
    judge_model(&f, as_old_directory(&f), what[1], &worst);
    judge_model(&f, as_gguf(&f), what[2], &worst);
    judge_converted(&f, name, &worst);
    print_message("%s: off by at most %.2f times what transformers' float32 is\n", name, worst);
    drop_fixture(&f);
}

TEST(head_tied_to_the_embedding) { judge_case("tied"); }
TEST(odd_widths_and_a_head_of_its_own) { judge_case("odd"); }

/* Converted while loading or beforehand: one and the same. Q, K and V are cut out of a tensor of blocks then. */
TEST(quantized_parts_of_a_joint_tensor) {
    static const qn_dtype dtypes[] = {QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    static fixture f;
    char gguf[1024];
    read_fixture("gpt2_tied.json", &f);
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("joint.gguf"));
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        const qn_convert_options o = {.dtype = (int)dtypes[i], .force = true};
        qn_convert_result r;
        const char *dir = as_directory(&f, &f.config);
        CHECK_OK(qn_convert(dir, gguf, &o, &r));
        same_weights(dir, (int)dtypes[i], gguf, qn_dtype_get(dtypes[i])->name);
    }
    drop_fixture(&f);
}

/* ---- what does not fit ---- */

TEST(positions_end_where_the_table_does) {
    static fixture f;
    qn_session *s;
    read_fixture("gpt2_odd.json", &f);
    qn_model *m = load_model(as_directory(&f, &f.config), QN_WEIGHTS_AS_IS);
    const qn_session_options longer = {.context = 38, .kv = QN_F32}, all = {.kv = QN_F32};
    CHECK_FAIL(qn_session_new(&s, m, qn_kernels_at(QN_ISA_SCALAR), NULL, &longer), QN_ECONTEXT,
               "38 tokens is asked for; this model knows 37 positions");
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(QN_ISA_SCALAR), NULL, &all));
    CHECK_INT(qn_session_context(s), 37);
    qn_session_free(s);
    qn_model_free(m);
    drop_fixture(&f);
}

/* The fixture's directory with one member of config.json written otherwise. */
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
        {"\"scale_attn_weights\": true", "\"scale_attn_weights\": false", QN_EUNSUPPORTED,
         "scale_attn_weights is false; only true"},
        {"\"scale_attn_by_inverse_layer_idx\": false", "\"scale_attn_by_inverse_layer_idx\": true", QN_EUNSUPPORTED,
         "scale_attn_by_inverse_layer_idx is true; only false"},
        {"\"add_cross_attention\": false", "\"add_cross_attention\": true", QN_EUNSUPPORTED, "add_cross_attention"},
        {"\"reorder_and_upcast_attn\": false", "\"reorder_and_upcast_attn\": true", 0, NULL},
        {"\"n_head\": 4", "\"n_head\": 64", QN_EUNSUPPORTED, "heads are 1 wide"},
        {"\"n_inner\": null", "\"n_inner\": 128", QN_ESHAPE,
         "transformer.h.0.mlp.c_fc.weight is [64,256]; the configuration asks for [64,128]"},
        {"\"n_positions\": 64", "\"n_positions\": 65", QN_ESHAPE,
         "wpe.weight is [64,64]; the configuration asks for [65,64]"},
        {"\"n_layer\": 2", "\"n_layer\": 3", QN_ENOTFOUND, "transformer.h.2.ln_1.weight"},
        {"\"n_layer\": 2", "\"n_layer\": 1", QN_EFORMAT, "beyond the 1 layers"},
        {"\"n_embd\": 64,", "", QN_EFORMAT, "n_embd is missing"},
        {"\"gelu_new\"", "\"quick_gelu\"", QN_EUNSUPPORTED, "activation_function \"quick_gelu\""},
    };
    static fixture f;
    read_fixture("gpt2_tied.json", &f);
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const int rc = load_with(&f, cases[i].from, cases[i].to);
        CHECK_INT(rc, cases[i].rc, "%s", cases[i].to);
        if (rc < 0)
            CHECK_CONTAINS(qn_error_message(), cases[i].says, "%s", cases[i].to);
    }
    drop_fixture(&f);
}
