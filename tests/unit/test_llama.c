/* tests/unit/test_llama.c — the llama family against transformers: five tiny models of tests/fixtures (llama.py says
 * how they were made), each as a safetensors directory in both spellings of config.json and as a GGUF file with the
 * rows of Q and K interleaved; and what qn_convert makes of either. Weights F32, KV F32, every level of the machine. */
#include "test.h"

#include "infer/session.h"
#include "make_model.h"
#include "model/convert.h"

enum { MAX_IDS = 64, MAX_AT = 8, FIRST = 32, MAX_PARAMS = 64 };

typedef struct { int64_t pos, argmax; double lse, first[FIRST]; } expected;
typedef struct { char name[96]; int rank; int64_t dim[2]; double offset, scale; } parameter;
typedef struct {
    qn_buf config, config_v4;
    int32_t ids[MAX_IDS];
    int64_t n_ids;
    double f32_logits;
    expected at[MAX_AT];
    int64_t n_at;
    parameter param[MAX_PARAMS];
    size_t n_params;
} fixture;

/* ---- reading a fixture ---- */

static void read_expected(qn_json *j, expected *e) {
    qn_str key;
    int64_t n = 0;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "pos"))
            CHECK_OK(qn_json_i64(j, &e->pos));
        else if (qn_str_is(key, "argmax"))
            CHECK_OK(qn_json_i64(j, &e->argmax));
        else if (qn_str_is(key, "lse"))
            CHECK_OK(qn_json_f64(j, &e->lse));
        else if (qn_str_is(key, "first"))
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0 && n < FIRST;)
                CHECK_OK(qn_json_f64(j, &e->first[n++]));
        else
            CHECK_OK(qn_json_skip(j));
    CHECK_INT(n, FIRST);
}

static void read_parameter(qn_json *j, parameter *p) {
    qn_str key;
    qn_buf name = {0};
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "name"))
            CHECK_OK(qn_json_string(j, &name));
        else if (qn_str_is(key, "shape"))
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;)
                CHECK_OK(qn_json_i64(j, &p->dim[p->rank++]));
        else if (qn_str_is(key, "offset"))
            CHECK_OK(qn_json_f64(j, &p->offset));
        else if (qn_str_is(key, "scale"))
            CHECK_OK(qn_json_f64(j, &p->scale));
        else
            CHECK_OK(qn_json_skip(j));
    snprintf(p->name, sizeof p->name, "%s", name.s);
    qn_buf_drop(&name);
}

static void read_member(qn_json *j, qn_str key, fixture *f) {
    int64_t id;
    if (qn_str_is(key, "config"))
        CHECK_OK(qn_json_string(j, &f->config));
    else if (qn_str_is(key, "config_v4"))
        CHECK_OK(qn_json_string(j, &f->config_v4));
    else if (qn_str_is(key, "f32_logits"))
        CHECK_OK(qn_json_f64(j, &f->f32_logits));
    else if (qn_str_is(key, "ids"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; f->ids[f->n_ids++] = (int32_t)id)
            CHECK(f->n_ids < MAX_IDS && qn_json_i64(j, &id) == 0);
    else if (qn_str_is(key, "logits"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; f->n_at++)
            read_expected(j, &f->at[f->n_at]);
    else if (qn_str_is(key, "parameters"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; f->n_params++)
            read_parameter(j, &f->param[f->n_params]);
    else
        CHECK_OK(qn_json_skip(j));
}

static void read_fixture(const char *name, fixture *f) {
    char file[64];
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    memset(f, 0, sizeof *f);
    snprintf(file, sizeof file, "llama_%s.json", name);
    CHECK_OK(qn_read_file(&text, qn_test_fixture(file), 1 << 20));
    qn_json_init(&j, text.s, text.n, file);
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        read_member(&j, key, f);
    CHECK_OK(qn_json_end(&j), "%s", file);
    CHECK(f->n_ids > 0 && f->n_at > 0 && f->n_params > 0, "%s", file);
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

static void drop_fixture(fixture *f) {
    qn_buf_drop(&f->config);
    qn_buf_drop(&f->config_v4);
}

static float *values_of(const parameter *p) {
    const int64_t n = test_product(p->rank, p->dim);
    float *v = test_fill_values(p->name, n, (float)p->scale);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)p->offset + v[i];
    return v;
}

/* ---- as a directory ---- */

static const char *as_directory(const fixture *f, const qn_buf *config) {
    static char dir[1024];
    test_st st = {0};
    for (size_t i = 0; i < f->n_params; i++) {
        float *v = values_of(&f->param[i]);
        test_st_tensor(&st, f->param[i].name, QN_F32, f->param[i].rank, f->param[i].dim, v);
        qn_free(v);
    }
    qn_buf bytes = test_st_bytes(&st);
    snprintf(dir, sizeof dir, "%s", qn_test_temp("hf"));
    mkdir(dir, 0700);
    qn_test_write("hf/config.json", config->s, config->n);
    qn_test_write("hf/model.safetensors", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_st_drop(&st);
    return dir;
}

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

/* ---- judging ---- */

typedef struct { const fixture *f; const char *what; int64_t V, seen; double tolerance, worst; } judging;

static int judge(void *arg, QN_UNUSED int64_t feed, int64_t pos, const float *logits) {
    judging *g = arg;
    for (int64_t a = 0; a < g->f->n_at; a++) {
        const expected *e = &g->f->at[a];
        double sum = 0;
        int64_t best = 0;
        if (e->pos != pos)
            continue;
        for (int64_t i = 0; i < g->V; i++) {
            sum += exp((double)logits[i]);
            best = logits[i] > logits[best] ? i : best;
        }
        for (int64_t i = 0; i < FIRST; i++) {
            CHECK_NEAR(logits[i], e->first[i], g->tolerance, "%s, position %lld, logit %lld", g->what, (long long)pos,
                       (long long)i);
            g->worst = fmax(g->worst, fabs((double)logits[i] - e->first[i]));
        }
        CHECK_NEAR(log(sum), e->lse, g->tolerance, "%s, position %lld", g->what, (long long)pos);
        CHECK_INT(best, e->argmax, "%s, position %lld", g->what, (long long)pos);
        g->seen++;
    }
    return 0;
}

/* The float32 run of transformers is off by f32_logits; ours, in another order, may be off by a few times that. */
static void judge_level(const fixture *f, const qn_model *m, const char *what, qn_isa isa, double *worst) {
    const qn_session_options o = {.context = MAX_IDS, .kv = QN_F32};
    const qn_feed feed = {0, f->ids, f->n_ids, QN_LOGITS_ALL};
    qn_session *s;
    char label[160];
    snprintf(label, sizeof label, "%s at %s", what, qn_isa_name(isa));
    judging g = {.f = f, .what = label, .V = m->cfg.V, .tolerance = 4 * f->f32_logits + 1e-6};
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(isa), NULL, &o));
    CHECK_OK(qn_session_feed(s, &feed, 1, judge, &g));
    CHECK_INT(g.seen, f->n_at, "%s", label);
    *worst = fmax(*worst, g.worst / f->f32_logits);
    qn_session_free(s);
}

static void judge_model(const fixture *f, const char *path, const char *what, double *worst) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS};
    qn_source *s;
    qn_model *m;
    CHECK_OK(qn_source_open(&s, path), "%s", what);
    CHECK_OK(qn_model_load(&m, s, &o, NULL), "%s", what);
    qn_source_close(s);
    CHECK_INT(m->main_dtype, QN_F32);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        if (qn_isa_has((qn_isa)isa))
            judge_level(f, m, what, (qn_isa)isa, worst);
    qn_model_free(m);
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
    char what[3][64];
    double worst = 0;
    read_fixture(name, &f);
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
