/* tests/unit/test_llama.c — the llama family against transformers: five tiny models of tests/fixtures (llama.py says
 * how they were made), each as a safetensors directory in both spellings of config.json and as a GGUF file with the
 * rows of Q and K interleaved; and what qn_convert makes of either. Weights F32, KV F32, every level of the machine. */
#include "fixture_model.h"

#include "model/convert.h"

/* ---- as a GGUF file, as llama.cpp's converter lays it out ---- */

static void gguf_name(const char *name, char out[96]) {
    static const struct { const char *hf, *gguf; } parts[] = {
        {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"}, {"self_attn.q_proj", "attn_q"},
        {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
        {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"},
    };
    static const struct { const char *hf, *gguf; } whole[] = {
        {"model.embed_tokens.weight", "token_embd.weight"}, {"model.norm.weight", "output_norm.weight"},
        {"lm_head.weight", "output.weight"},
    };
    int layer, at = 0;
    for (size_t i = 0; i < QN_LEN(whole); i++)
        if (strcmp(name, whole[i].hf) == 0)
            snprintf(out, 96, "%s", whole[i].gguf);
    if (sscanf(name, "model.layers.%d.%n", &layer, &at) != 1)
        return;
    const char *rest = name + at, *dot = strrchr(rest, '.');
    for (size_t i = 0; i < QN_LEN(parts); i++)
        if (strlen(parts[i].hf) == (size_t)(dot - rest) && strncmp(rest, parts[i].hf, (size_t)(dot - rest)) == 0)
            snprintf(out, 96, "blk.%d.%s%s", layer, parts[i].gguf, dot);
}

/* Stored row 2i + j of a head is row i + j·Dh/2: the halves interleaved. */
static float *interleaved(float *v, const parameter *p, int64_t Dh) {
    const int64_t K = p->rank == 2 ? p->dim[1] : 1;
    float *out = qn_alloc(QN_MEM_TEST, (size_t)(p->dim[0] * K) * sizeof *out);
    for (int64_t r = 0; r < p->dim[0]; r++) {
        const int64_t in_head = r % Dh, to = r - in_head + 2 * (in_head % (Dh / 2)) + in_head / (Dh / 2);
        memcpy(out + to * K, v + r * K, (size_t)K * sizeof *out);
    }
    qn_free(v);
    return out;
}

static int64_t whole(const qn_meta *m, const char *key, int64_t otherwise) {
    CHECK(qn_meta_get_i64(m, key, &otherwise) >= 0);
    return otherwise;
}

static double real(const qn_meta *m, const char *key) {
    double v = NAN;
    CHECK_INT(qn_meta_get_f64(m, key, &v), 1, "%s", key);
    return v;
}

/* llama3's scaling as GGUF carries it: what the frequency of each pair is divided by. */
static void put_divisors(test_gguf *g, const qn_meta *m, int64_t Dh) {
    float divisor[64];
    const double factor = real(m, "rope_parameters.factor");
    const double old = real(m, "rope_parameters.original_max_position_embeddings");
    const double low = real(m, "rope_parameters.low_freq_factor"), high = real(m, "rope_parameters.high_freq_factor");
    for (int64_t i = 0; i < Dh / 2; i++) {
        const double wave = 2 * M_PI * pow(real(m, "rope_parameters.rope_theta"), 2.0 * (double)i / (double)Dh);
        const double smooth = (old / wave - low) / (high - low);
        divisor[i] = (float)(wave < old / high ? 1 : wave > old / low ? factor : 1 / ((1 - smooth) / factor + smooth));
    }
    test_gguf_tensor(g, "rope_freqs.weight", QN_F32, 1, (int64_t[]){Dh / 2}, divisor);
}

static void put_rope(test_gguf *g, const qn_meta *m, int64_t Dh) {
    qn_str type;
    test_gguf_u32(g, "llama.rope.dimension_count", (uint32_t)Dh);
    test_gguf_f32(g, "llama.rope.freq_base", (float)real(m, "rope_parameters.rope_theta"));
    CHECK_INT(qn_meta_get_str(m, "rope_parameters.rope_type", &type), 1);
    if (qn_str_is(type, "llama3"))
        put_divisors(g, m, Dh);
    if (qn_str_is(type, "linear")) {
        test_gguf_str(g, "llama.rope.scaling.type", "linear");
        test_gguf_f32(g, "llama.rope.scaling.factor", (float)real(m, "rope_parameters.factor"));
    }
}

static void put_keys(test_gguf *g, const qn_meta *m, int64_t Dh) {
    static const struct { const char *hf, *gguf; } keys[] = {
        {"num_hidden_layers", "llama.block_count"}, {"hidden_size", "llama.embedding_length"},
        {"intermediate_size", "llama.feed_forward_length"}, {"num_attention_heads", "llama.attention.head_count"},
        {"num_key_value_heads", "llama.attention.head_count_kv"}, {"max_position_embeddings", "llama.context_length"},
        {"vocab_size", "llama.vocab_size"},
    };
    test_gguf_str(g, "general.architecture", "llama");
    for (size_t i = 0; i < QN_LEN(keys); i++)
        test_gguf_u32(g, keys[i].gguf, (uint32_t)whole(m, keys[i].hf, 0));
    test_gguf_u32(g, "llama.attention.key_length", (uint32_t)Dh);
    if (whole(m, "sliding_window", 0) > 0)
        test_gguf_u32(g, "llama.attention.sliding_window", (uint32_t)whole(m, "sliding_window", 0));
    test_gguf_f32(g, "llama.attention.layer_norm_rms_epsilon", (float)real(m, "rms_norm_eps"));
    put_rope(g, m, Dh);
}

static const char *as_gguf(const fixture *f) {
    test_gguf g = {0};
    qn_meta *m;
    CHECK_OK(qn_meta_from_json(&m, f->config.s, f->config.n, "config.json"));
    const int64_t Dh = whole(m, "head_dim", whole(m, "hidden_size", 0) / whole(m, "num_attention_heads", 1));
    put_keys(&g, m, Dh);
    for (size_t i = 0; i < f->n_params; i++) {
        const parameter *p = &f->param[i];
        char name[96] = "";
        gguf_name(p->name, name);
        CHECK(name[0], "%s has no name in GGUF", p->name);
        float *v = values_of(p);
        if (strstr(name, "attn_q.") || strstr(name, "attn_k."))
            v = interleaved(v, p, Dh);
        test_gguf_tensor(&g, name, QN_F32, p->rank, p->dim, v);
        qn_free(v);
    }
    qn_buf bytes = test_gguf_bytes(&g);
    const char *path = qn_test_write("model.gguf", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_gguf_drop(&g);
    qn_meta_free(m);
    return path;
}

/* What quern convert makes of the directory and of the GGUF file. */
static void judge_converted(const fixture *f, const char *name, double *worst) {
    const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .force = true};
    qn_convert_result r;
    char gguf[1024], dir[1024], what[64];
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("converted.gguf"));
    snprintf(dir, sizeof dir, "%s", qn_test_temp("converted"));
    CHECK_OK(qn_convert(as_directory(f, &f->config), gguf, &o, &r), "%s", name);
    CHECK_INT(r.rounded, 0);
    snprintf(what, sizeof what, "%s, directory to GGUF", name);
    judge_model(f, gguf, what, worst);
    CHECK_OK(qn_convert(as_gguf(f), dir, &o, &r), "%s", name);
    CHECK_INT(r.rounded, 0);
    snprintf(what, sizeof what, "%s, GGUF to directory", name);
    judge_model(f, dir, what, worst);
}

static void judge_case(const char *name) {
    static fixture f;
    char file[64], what[3][64];
    double worst = 0;
    snprintf(file, sizeof file, "llama_%s.json", name);
    read_fixture(file, &f);
    snprintf(what[0], sizeof what[0], "%s as a directory", name);
    snprintf(what[1], sizeof what[1], "%s as a directory, old spelling", name);
    snprintf(what[2], sizeof what[2], "%s as GGUF", name);
    judge_model(&f, as_directory(&f, &f.config), what[0], &worst);
    judge_model(&f, as_directory(&f, &f.config_v4), what[1], &worst);
    judge_model(&f, as_gguf(&f), what[2], &worst);
    judge_converted(&f, name, &worst);
    print_message("%s: off by at most %.2f times what transformers' float32 is\n", name, worst);
    drop_fixture(&f);
}

TEST(heads_of_their_own_tied) { judge_case("mha"); }
TEST(grouped_heads_odd_widths) { judge_case("gqa"); }
TEST(llama3_frequencies) { judge_case("rope3"); }
TEST(sliding_window) { judge_case("window"); }
TEST(biases_and_linear_frequencies) { judge_case("bias"); }
