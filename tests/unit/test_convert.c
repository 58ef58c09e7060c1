/* tests/unit/test_convert.c — models there and back again: every dtype to the bit, the rows of Q and K in the order of
 * each form, configuration, tokenizer and template; what is refused; and that a failure leaves nothing behind.
 * (test_llama.c holds converted models to transformers' logits.) */
#include "test.h"

#include <dirent.h>

#include "make_model.h"
#include "model/convert.h"
#include "model/save.h"
#include "tiny_model.h"

enum { V = 96 };

static const qn_convert_options keep = {.dtype = QN_DTYPE_KEEP}, forced = {.dtype = QN_DTYPE_KEEP, .force = true};

/* Paths in buffers of their own: the helpers of test.h give out one. */
typedef struct { char s[1024]; } path;
static path temp(const char *name) {
    path p;
    snprintf(p.s, sizeof p.s, "%s", qn_test_temp(name));
    return p;
}

static path tiny(const tiny_spec *s) {
    path p;
    snprintf(p.s, sizeof p.s, "%s", tiny_file(s));
    return p;
}

static qn_convert_result convert(const path *from, const path *to, qn_convert_options o) {
    qn_convert_result r;
    CHECK_OK(qn_convert(from->s, to->s, &o, &r), "%s to %s", from->s, to->s);
    return r;
}

static qn_source *open_model(const path *p) {
    qn_source *s;
    CHECK_OK(qn_source_open(&s, p->s));
    return s;
}

/* A tensor's values; to be freed. */
static float *values(const qn_source *s, const char *name, int64_t *n) {
    const qn_tensor_info *t;
    CHECK_OK(qn_tensor_need(qn_source_tensors(s), name, &t));
    *n = qn_tensor_elements(t);
    float *v = qn_alloc(QN_MEM_TEST, (size_t)*n * sizeof *v);
    qn_dtype_get((qn_dtype)t->dtype)->decode_row(v, t->data, *n);
    return v;
}

static void same_values(const path *a, const path *b, const char *what) {
    qn_source *x = open_model(a), *y = open_model(b);
    const qn_tensor_file *f = qn_source_tensors(x);
    CHECK_INT(qn_tensor_count(f), qn_tensor_count(qn_source_tensors(y)), "%s", what);
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        char name[128];
        int64_t n, m;
        snprintf(name, sizeof name, "%.*s", QN_STR_ARG(qn_tensor_at(f, i)->name));
        float *v = values(x, name, &n), *w = values(y, name, &m);
        CHECK(n == m && memcmp(v, w, (size_t)n * sizeof *v) == 0, "%s: %s", what, name);
        qn_free(v);
        qn_free(w);
    }
    qn_source_close(x);
    qn_source_close(y);
}

static int stored_dtype(const path *p, const char *name) {
    qn_source *s = open_model(p);
    const qn_tensor_info *t;
    CHECK_OK(qn_tensor_need(qn_source_tensors(s), name, &t));
    const int dtype = t->dtype;
    qn_source_close(s);
    return dtype;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

TEST(every_dtype_comes_back_to_the_bit) {
    static const qn_dtype dtypes[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1, QN_Q5_0, QN_IQ4_NL};
    const path dir = temp("there"), back = temp("back.gguf");
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        const char *name = qn_dtype_get(dtypes[i])->name;
        for (int untied = 0; untied < 2; untied++) {
            tiny_spec spec = TINY;
            spec.dtype = dtypes[i];
            spec.untied = untied;
            const path from = tiny(&spec);
            const qn_dtype plain = qn_dtype_get(dtypes[i])->block > 1 ? QN_F32 : dtypes[i];
            qn_convert_result r = convert(&from, &dir, forced);
            CHECK(r.dtype == plain && r.rounded == 0 && !r.is_gguf && r.matrices == 15 + untied, "%s", name);
            CHECK_INT(stored_dtype(&dir, "model.layers.1.mlp.up_proj.weight"), plain, "%s", name);
            r = convert(&dir, &back, forced);
            CHECK(r.dtype == plain && r.rounded == 0 && r.is_gguf && r.tensors == 20 + untied, "%s", name);
            CHECK_INT(stored_dtype(&back, "output_norm.weight"), QN_F32, "%s", name);
            same_values(&from, &back, name);
        }
    }
}

/* Row 2i + j of a head in GGUF is row i + j·Dh/2 in a directory. */
TEST(rows_of_q_and_k_change_places) {
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), dir = temp("rows");
    convert(&from, &dir, keep);
    qn_source *g = open_model(&from), *h = open_model(&dir);
    static const char *const names[][2] = {
        {"blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight"},
        {"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight"},
        {"blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight"},
    };
    for (size_t i = 0; i < QN_LEN(names); i++) {
        int64_t n, m;
        float *a = values(g, names[i][0], &n), *b = values(h, names[i][1], &m);
        CHECK_INT(n, m);
        for (int64_t r = 0; r < n / spec.D; r++) {
            const int64_t in_head = r % spec.Dh, half = spec.Dh / 2;
            const int64_t to = i == 2 ? r : r - in_head + in_head / 2 + in_head % 2 * half;
            CHECK(memcmp(a + r * spec.D, b + to * spec.D, (size_t)spec.D * sizeof *a) == 0, "%s, row %lld", names[i][0],
                  (long long)r);
        }
        qn_free(a);
        qn_free(b);
    }
    qn_source_close(g);
    qn_source_close(h);
}

/* Q, K and V are one tensor in both forms of GPT-2; products lie on their side in a directory. */
static void check_on_its_side(const path *gguf, const path *dir, const char *a, const char *b, const char *what) {
    qn_source *g = open_model(gguf), *h = open_model(dir);
    const qn_tensor_info *up, *side;
    int64_t n, m;
    CHECK_OK(qn_tensor_need(qn_source_tensors(g), a, &up));
    CHECK_OK(qn_tensor_need(qn_source_tensors(h), b, &side));
    CHECK(up->dims[0] == side->dims[1] && up->dims[1] == side->dims[0], "%s: %s", what, b);
    float *x = values(g, a, &n), *y = values(h, b, &m);
    for (int64_t r = 0; r < up->dims[0]; r++)
        for (int64_t k = 0; k < up->dims[1]; k++)
            CHECK(x[r * up->dims[1] + k] == y[k * up->dims[0] + r], "%s: %s [%lld,%lld]", what, b, (long long)k,
                  (long long)r);
    qn_free(x);
    qn_free(y);
    qn_source_close(g);
    qn_source_close(h);
}

TEST(gpt2_comes_back_to_the_bit) {
    static const qn_dtype dtypes[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1, QN_Q5_1};
    const path dir = temp("gpt2"), back = temp("gpt2.gguf");
    for (size_t i = 0; i < 2 * QN_LEN(dtypes); i++) {
        const qn_dtype dtype = dtypes[i / 2], plain = qn_dtype_get(dtype)->block > 1 ? QN_F32 : dtype;
        const char *name = qn_dtype_get(dtype)->name;
        tiny_spec spec = TINY;
        spec.gpt2 = true;
        spec.dtype = dtype;
        spec.untied = i % 2;
        spec.context = 32;                  /* the table of positions stays F32; it must not be most of the model */
        const path from = tiny(&spec);
        qn_convert_result r = convert(&from, &dir, forced);
        CHECK(r.dtype == plain && r.rounded == 0 && r.matrices == 10 + spec.untied, "%s", name);
        CHECK_INT(stored_dtype(&dir, "transformer.h.1.attn.c_attn.weight"), plain, "%s", name);
        check_on_its_side(&from, &dir, "blk.1.attn_qkv.weight", "transformer.h.1.attn.c_attn.weight", name);
        check_on_its_side(&from, &dir, "blk.0.ffn_down.weight", "transformer.h.0.mlp.c_proj.weight", name);
        r = convert(&dir, &back, forced);
        CHECK(r.dtype == plain && r.rounded == 0 && r.tensors == 28 + spec.untied, "%s", name);
        same_values(&from, &back, name);
    }
}

/* Odd widths: the last strip of 32 is not full. */
TEST(gpt2_of_odd_widths) {
    const path dir = temp("gpt2odd"), back = temp("gpt2odd.gguf");
    tiny_spec spec = TINY;
    spec.gpt2 = true;
    spec.D = 54;
    spec.heads = 9;
    spec.F = 77;
    const path from = tiny(&spec);
    convert(&from, &dir, keep);
    CHECK_INT(convert(&dir, &back, keep).rounded, 0);
    same_values(&from, &back, "odd");
}

/* What a directory becomes in quantized form is what its GGUF becomes; the table of positions is never quantized. */
TEST(gpt2_quantized_by_rounding) {
    static const qn_dtype dtypes[] = {QN_Q8_0, QN_Q4_0, QN_BF16};
    const path dir = temp("gpt2q"), a = temp("gpt2qa.gguf"), b = temp("gpt2qb.gguf");
    tiny_spec spec = TINY;
    spec.gpt2 = true;
    const path from = tiny(&spec);
    convert(&from, &dir, keep);
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        const qn_convert_options o = {.dtype = (int)dtypes[i], .force = true};
        const int blocks = qn_dtype_get(dtypes[i])->block > 1;
        const qn_convert_result r = convert(&dir, &a, o);
        CHECK(r.rounded == r.matrices - blocks && r.kept == 0, "%s", qn_dtype_get(dtypes[i])->name);
        convert(&from, &b, o);
        CHECK_INT(stored_dtype(&a, "blk.0.attn_qkv.weight"), dtypes[i]);
        CHECK_INT(stored_dtype(&a, "position_embd.weight"), blocks ? QN_F32 : dtypes[i]);
        same_values(&a, &b, qn_dtype_get(dtypes[i])->name);
    }
}

/* Encoded by the dtype's own encoder, vectors untouched; and it is said that numbers changed. */
TEST(another_dtype_is_that_dtypes_rounding) {
    static const qn_dtype dtypes[] = {QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), dir = temp("f32"), to = temp("rounded.gguf");
    convert(&from, &dir, keep);
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        const char *name = qn_dtype_get(dtypes[i])->name;
        int64_t n, m;
        const qn_convert_result r = convert(&dir, &to, (qn_convert_options){.dtype = (int)dtypes[i], .force = true});
        CHECK(r.dtype == dtypes[i] && r.rounded == r.matrices, "%s", name);
        qn_source *a = open_model(&from), *b = open_model(&to);
        float *x = values(a, "blk.0.attn_q.weight", &n), *y = values(b, "blk.0.attn_q.weight", &m), *want;
        void *packed = qn_alloc(QN_MEM_TEST, qn_dtype_row_bytes(dtypes[i], n));
        want = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *want);
        qn_dtype_get(dtypes[i])->encode_row(packed, x, n);
        qn_dtype_get(dtypes[i])->decode_row(want, packed, n);
        CHECK(n == m && memcmp(want, y, (size_t)n * sizeof *y) == 0, "%s", name);
        CHECK_INT(stored_dtype(&to, "blk.0.attn_norm.weight"), QN_F32, "%s", name);
        qn_free(x);
        qn_free(y);
        qn_free(want);
        qn_free(packed);
        qn_source_close(a);
        qn_source_close(b);
    }
}

/* What is only read goes along from GGUF to GGUF, becomes numbers in a directory, and what --dtype asks for; GPT-2's
 * matrices, which lie on their side there, are turned out of blocks that are longer than a strip. */
TEST(codes_are_read_only) {
    static const qn_dtype dtypes[] = {QN_Q4_K, QN_Q6_K, QN_IQ4_XS};
    const path dir = temp("codes"), to = temp("codes_to.gguf");
    for (size_t i = 0; i < 2 * QN_LEN(dtypes); i++) {
        tiny_spec spec = {.V = 64, .D = 256, .F = 256, .layers = 2, .heads = 4, .kv_heads = 4, .Dh = 64, .context = 32,
                          .gpt2 = i % 2, .dtype = dtypes[i / 2]};
        const char *name = qn_dtype_get(spec.dtype)->name;
        const char *matrix = spec.gpt2 ? "blk.1.attn_qkv.weight" : "blk.1.attn_q.weight";
        const path from = tiny(&spec);
        qn_convert_result r = convert(&from, &to, forced);
        CHECK(r.dtype == spec.dtype && r.rounded == 0, "%s", name);
        CHECK_INT(stored_dtype(&to, matrix), spec.dtype);
        same_values(&from, &to, name);
        r = convert(&from, &dir, forced);
        CHECK(r.dtype == QN_F32 && r.rounded == 0, "%s", name);
        convert(&dir, &to, forced);
        same_values(&from, &to, name);
        convert(&from, &to, (qn_convert_options){.dtype = QN_Q8_0, .force = true});
        CHECK_INT(stored_dtype(&to, matrix), QN_Q8_0);
        const qn_convert_options asked = {.dtype = (int)spec.dtype, .force = true};
        CHECK_FAIL(qn_convert(from.s, to.s, &asked, &r), QN_EINVAL, "can become f32, f16, bf16, q8_0, q4_0, q4_1");
    }
}

/* The norms of tiny models are F32 with all their digits: bf16 would round them, so they stay. */
TEST(vectors_are_never_rounded) {
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), half = temp("half"), back = temp("half.gguf");
    const qn_convert_result r = convert(&from, &half, (qn_convert_options){.dtype = QN_BF16});
    int64_t n, m;
    CHECK(r.dtype == QN_BF16 && r.rounded == r.matrices);
    CHECK_INT(stored_dtype(&half, "model.norm.weight"), QN_F32);
    CHECK_INT(stored_dtype(&half, "model.embed_tokens.weight"), QN_BF16);
    CHECK_INT(convert(&half, &back, keep).dtype, QN_BF16);
    qn_source *a = open_model(&from), *b = open_model(&back);
    float *x = values(a, "output_norm.weight", &n), *y = values(b, "output_norm.weight", &m);
    CHECK(n == m && memcmp(x, y, (size_t)n * sizeof *x) == 0);
    qn_free(x);
    qn_free(y);
    qn_source_close(a);
    qn_source_close(b);
}

/* A directory as published: everything BF16. Vectors become F32 in GGUF and BF16 again behind it. */
TEST(a_bf16_directory_comes_back_as_it_was) {
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), f32 = temp("plain"), gguf = temp("bf16.gguf"), again = temp("again");
    path published = temp("published");
    convert(&from, &f32, keep);
    test_st st = {0};
    qn_source *s = open_model(&f32);
    const qn_tensor_file *f = qn_source_tensors(s);
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        char name[128];
        int64_t n;
        snprintf(name, sizeof name, "%.*s", QN_STR_ARG(t->name));
        float *v = values(s, name, &n);
        test_st_tensor(&st, name, QN_BF16, t->rank, t->dims, v);
        qn_free(v);
    }
    qn_source_close(s);
    qn_buf bytes = test_st_bytes(&st), config = {0};
    CHECK(mkdir(published.s, 0700) == 0);
    qn_test_write("published/model.safetensors", bytes.s, bytes.n);
    char at[1100];
    snprintf(at, sizeof at, "%s/config.json", f32.s);
    CHECK_OK(qn_read_file(&config, at, 1 << 16));
    qn_test_write("published/config.json", config.s, config.n);
    CHECK_INT(convert(&published, &gguf, keep).rounded, 0);
    CHECK_INT(stored_dtype(&gguf, "blk.0.ffn_norm.weight"), QN_F32);
    CHECK_INT(convert(&gguf, &again, keep).rounded, 0);
    CHECK_INT(stored_dtype(&again, "model.norm.weight"), QN_BF16);
    same_values(&published, &again, "published");
    qn_buf_drop(&bytes);
    qn_buf_drop(&config);
    test_st_drop(&st);
}

/* Rows of 40 numbers: no whole blocks. They keep what they are, and it is said. */
TEST(matrices_without_whole_blocks_keep_their_dtype) {
    tiny_spec spec = TINY;
    spec.F = 40;
    const path from = tiny(&spec), to = temp("odd.gguf");
    const qn_convert_result r = convert(&from, &to, (qn_convert_options){.dtype = QN_Q8_0});
    CHECK_INT(r.kept, spec.layers);
    CHECK_INT(stored_dtype(&to, "blk.0.ffn_down.weight"), QN_F32);
    CHECK_INT(stored_dtype(&to, "blk.0.ffn_up.weight"), QN_Q8_0);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static void read_text(const path *dir, const char *name, qn_buf *out) {
    char at[1100];
    snprintf(at, sizeof at, "%s/%s", dir->s, name);
    qn_buf_clear(out);
    CHECK_OK(qn_read_file(out, at, 1 << 20));
}

TEST(config_json_says_what_the_keys_said) {
    tiny_spec spec = TINY;
    qn_buf text = {0};
    const path dir = temp("config");
    path from = tiny(&spec);
    convert(&from, &dir, keep);
    read_text(&dir, "config.json", &text);
    CHECK_CONTAINS(text.s, "\"LlamaForCausalLM\"");
    CHECK_CONTAINS(text.s, "\"rms_norm_eps\": 1e-5", "the f32 nearest to it, in its shortest spelling");
    CHECK_CONTAINS(text.s, "\"rope_theta\": 10000,");
    CHECK_CONTAINS(text.s, "\"head_dim\": 16");
    CHECK_CONTAINS(text.s, "\"num_key_value_heads\": 2");
    CHECK_CONTAINS(text.s, "\"tie_word_embeddings\": true");
    CHECK_CONTAINS(text.s, "\"torch_dtype\": \"float32\"");
    CHECK(!strstr(text.s, "sliding_window"));
    spec.window = 32;
    spec.untied = true;
    from = tiny(&spec);
    convert(&from, &dir, forced);
    read_text(&dir, "config.json", &text);
    CHECK_CONTAINS(text.s, "\"MistralForCausalLM\"", "Llama's class has no window");
    CHECK_CONTAINS(text.s, "\"sliding_window\": 32");
    CHECK_CONTAINS(text.s, "\"tie_word_embeddings\": false");
    qn_buf_drop(&text);
}

TEST(config_json_of_gpt2) {
    tiny_spec spec = TINY;
    qn_buf text = {0};
    const path dir = temp("gpt2config"), gguf = temp("gpt2config.gguf");
    spec.gpt2 = true;
    const path from = tiny(&spec);
    convert(&from, &dir, keep);
    read_text(&dir, "config.json", &text);
    CHECK_CONTAINS(text.s, "\"GPT2LMHeadModel\"");
    CHECK_CONTAINS(text.s, "\"n_positions\": 1024");
    CHECK_CONTAINS(text.s, "\"n_ctx\": 1024");
    CHECK_CONTAINS(text.s, "\"n_inner\": 96");
    CHECK_CONTAINS(text.s, "\"layer_norm_epsilon\": 1e-5");
    CHECK_CONTAINS(text.s, "\"activation_function\": \"gelu_pytorch_tanh\"");
    CHECK_CONTAINS(text.s, "\"tie_word_embeddings\": true");
    CHECK(!strstr(text.s, "rope") && !strstr(text.s, "hidden_act"));
    char *act = strstr(text.s, "gelu_pytorch_tanh");
    memcpy(act, "relu\"             ", 18);
    qn_test_write("gpt2config/config.json", text.s, text.n);
    qn_convert_result r;
    CHECK_FAIL(qn_convert(dir.s, gguf.s, &keep, &r), QN_EUNSUPPORTED, "tanh form");
    qn_buf_drop(&text);
}

/* A directory around tiny weights with the config.json's members given, its metadata as GGUF, and back. */
static void through_gguf(const char *members, qn_config *there, qn_config *back) {
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), dir = temp("through"), gguf = temp("through.gguf"), again = temp("through2");
    const qn_arch *arch;
    qn_buf text = {0}, config = {0};
    convert(&from, &dir, forced);
    read_text(&dir, "config.json", &text);
    char *end = strstr(text.s, "\"rope_scaling\"");
    CHECK(end != NULL);
    CHECK_OK(qn_buf_printf(&config, "%.*s%s%s", (int)(end - text.s), text.s, members, strchr(end, ',')));
    qn_test_write("through/config.json", config.s, config.n);
    qn_source *s = open_model(&dir);
    CHECK_OK(qn_source_config(s, &arch, there));
    qn_source_close(s);
    convert(&dir, &gguf, forced);
    convert(&gguf, &again, forced);
    s = open_model(&again);
    CHECK_OK(qn_source_config(s, &arch, back));
    qn_source_close(s);
    qn_buf_drop(&text);
    qn_buf_drop(&config);
}

static void same_frequencies(const qn_config *a, const qn_config *b, const char *what) {
    double f[QN_ROPE_PAIRS], g[QN_ROPE_PAIRS], x, y;
    qn_rope_frequencies(&a->rope, f, &x);
    qn_rope_frequencies(&b->rope, g, &y);
    CHECK_INT(a->rope.rot, b->rope.rot);
    for (int64_t i = 0; i < a->rope.rot / 2; i++)
        CHECK_NEAR(f[i], g[i], 1e-7 * f[i], "%s, pair %lld", what, (long long)i);
    CHECK_NEAR(x, y, 1e-6, "%s", what);
}

TEST(rope_scaling_goes_both_ways) {
    static const struct { const char *members; qn_rope_scaling scaling; } cases[] = {
        {"\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}", QN_ROPE_LINEAR},
        {"\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 1.0, "
         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192}", QN_ROPE_LLAMA3},
        {"\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, \"original_max_position_embeddings\": 256}",
         QN_ROPE_YARN},
        {"\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, \"original_max_position_embeddings\": 256, "
         "\"attention_factor\": 1.5, \"beta_fast\": 16, \"beta_slow\": 2}", QN_ROPE_YARN},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_config there, back;
        through_gguf(cases[i].members, &there, &back);
        CHECK_INT(there.rope.scaling, cases[i].scaling, "%s", cases[i].members);
        CHECK_INT(back.rope.scaling, cases[i].scaling, "%s", cases[i].members);
        CHECK_NEAR(back.rope.factor, there.rope.factor, 1e-6);
        CHECK_NEAR(back.rope.attention_factor, there.rope.attention_factor, 1e-6);
        same_frequencies(&there, &back, cases[i].members);
    }
}

/* What llama.cpp makes of YaRN's keys: the whole factor is (0.1·ln(factor) + 1) · attn_factor. */
TEST(yarns_factor_is_llama_cpps) {
    qn_config there, back;
    double attn = 0;
    through_gguf("\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, \"attention_factor\": 1.5, "
                 "\"original_max_position_embeddings\": 256}", &there, &back);
    const path gguf = temp("through.gguf");
    qn_source *s = open_model(&gguf);
    CHECK_INT(qn_meta_get_f64(qn_source_meta(s), "llama.rope.scaling.attn_factor", &attn), 1);
    CHECK_NEAR(attn * (0.1 * log(8) + 1), 1.5, 1e-6);
    qn_source_close(s);
}

TEST(divisors_of_no_rule_are_refused) {
    qn_rope_config r = {.base = 10000, .rot = 16, .original_context = 1024};
    for (int i = 0; i < 8; i++)
        r.divisor[i] = (float)(i + 1);
    CHECK_FAIL(qn_rope_from_divisors(&r), QN_EUNSUPPORTED, "rope_freqs.weight");
}

TEST(ids_that_end_an_answer_and_sampling_come_back) {
    static const char generation[] =
        "{\"eos_token_id\": [7, 5, 9], \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.95}";
    qn_config there, back;
    qn_sampling_defaults d;
    qn_buf text = {0};
    const path again = temp("through2");
    through_gguf("\"rope_scaling\": null", &there, &back);
    qn_test_write("through/generation_config.json", generation, sizeof generation - 1);
    const path dir = temp("through"), gguf = temp("through.gguf");
    convert(&dir, &gguf, forced);
    convert(&gguf, &again, forced);
    const qn_arch *arch;
    qn_source *s = open_model(&again);
    CHECK_OK(qn_source_config(s, &arch, &back));
    CHECK_INT(back.n_eos, 3);
    CHECK(back.eos[0] == 7 && back.eos[1] == 5 && back.eos[2] == 9);
    CHECK_OK(qn_source_sampling(s, &d));
    CHECK(d.temperature == 0.6 && d.top_k == 20 && d.top_p == 0.95 && isnan(d.min_p));
    read_text(&again, "generation_config.json", &text);
    CHECK_CONTAINS(text.s, "\"temperature\": 0.6,", "not 0.60000002");
    qn_source_close(s);
    qn_buf_drop(&text);
}

/* ---- tokenizer --------------------------------------------------------------------------------------------------- */

static char spelled[V][2];
static const char *tokens[V];
static int32_t types[V];

/* Two special tokens, then printable characters; the last row of the embedding has none. */
static tiny_spec with_tokens(void) {
    tiny_spec spec = TINY;
    for (int i = 0; i < V; i++) {
        spelled[i][0] = (char)('!' + i - 2);
        tokens[i] = i == 0 ? "<s>" : i == 1 ? "</s>" : i == V - 1 ? "[PAD95]" : spelled[i];
        types[i] = i < 2 ? QN_TOKEN_CONTROL : i == V - 1 ? QN_TOKEN_UNUSED : QN_TOKEN_NORMAL;
    }
    spec.tokens = tokens;
    spec.types = types;
    return spec;
}

static void check_ids(const path *p) {
    static const char text[] = "<s>Hello,world</s>[PAD95]";
    qn_tok *tok;
    qn_ids ids = {0};
    CHECK_OK(qn_model_tokenizer(&tok, p->s), "%s", p->s);
    CHECK_OK(qn_tok_encode(tok, text, sizeof text - 1, QN_TOK_DEFAULT, &ids));
    CHECK_INT(ids.n, 20, "%s", p->s);
    CHECK(ids.v[0] == 0 && ids.v[1] == 'H' - '!' + 2 && ids.v[12] == 1 && ids.v[13] == '[' - '!' + 2, "%s", p->s);
    CHECK_INT(qn_tok_bos(tok), 0, "%s", p->s);
    CHECK_INT(qn_tok_eos(tok), 1, "%s", p->s);
    qn_ids_drop(&ids);
    qn_tok_free(tok);
}

TEST(tokenizer_and_template_go_along) {
    const tiny_spec spec = with_tokens();
    const path from = tiny(&spec), dir = temp("words"), gguf = temp("words.gguf"), again = temp("words2");
    qn_buf json = {0}, carried = {0};
    qn_meta_array a;
    qn_str s;
    convert(&from, &dir, keep);
    check_ids(&dir);
    read_text(&dir, "tokenizer.json", &json);
    CHECK(!strstr(json.s, "PAD95"), "a row without a token is none in tokenizer.json");
    qn_test_write("words/chat_template.jinja", "{{ messages }}", 14);
    convert(&dir, &gguf, keep);
    check_ids(&gguf);
    qn_source *m = open_model(&gguf);
    CHECK_INT(qn_meta_get_str(qn_source_meta(m), "tokenizer.huggingface.json", &s), 1);
    CHECK(qn_str_eq(s, qn_buf_view(&json)), "whole, to the byte");
    CHECK_INT(qn_meta_get_str(qn_source_meta(m), "tokenizer.ggml.model", &s), 1);
    CHECK_VIEW(s, "gpt2");
    CHECK_INT(qn_meta_get_str(qn_source_meta(m), "tokenizer.ggml.pre", &s), 1);
    CHECK_VIEW(s, "gpt-2");
    CHECK_INT(qn_meta_get_array(qn_source_meta(m), "tokenizer.ggml.tokens", QN_META_STRING, &a), 1);
    CHECK_INT(a.count, V);
    CHECK_VIEW(qn_meta_array_str(&a, 0), "<s>");
    CHECK_VIEW(qn_meta_array_str(&a, V - 1), "[PAD95]");
    CHECK_INT(qn_meta_get_array(qn_source_meta(m), "tokenizer.ggml.token_type", QN_META_INT, &a), 1);
    CHECK(qn_meta_array_i64(&a, 1) == QN_TOKEN_CONTROL && qn_meta_array_i64(&a, 2) == QN_TOKEN_NORMAL &&
          qn_meta_array_i64(&a, V - 1) == QN_TOKEN_UNUSED);
    CHECK_INT(qn_source_chat_template(m, &s), 1);
    CHECK_VIEW(s, "{{ messages }}");
    qn_source_close(m);
    convert(&gguf, &again, keep);
    check_ids(&again);
    read_text(&again, "tokenizer.json", &carried);
    CHECK(qn_str_eq(qn_buf_view(&carried), qn_buf_view(&json)), "whole, to the byte");
    read_text(&again, "tokenizer_config.json", &carried);
    CHECK_CONTAINS(carried.s, "\"chat_template\": \"{{ messages }}\"");
    CHECK_CONTAINS(carried.s, "\"eos_token\": \"</s>\"");
    qn_buf_drop(&json);
    qn_buf_drop(&carried);
}

static void count_warnings(void *arg, qn_log_level level, const char *message) {
    if (level == QN_LOG_WARN && strstr(message, "llama.cpp"))
        ++*(int *)arg;
}

/* Without a name in llama.cpp its tables are left out, aloud: better no tokenizer than another one. */
TEST(a_pipeline_without_a_name_is_never_given_another) {
    const tiny_spec spec = with_tokens();
    const path from = tiny(&spec), dir = temp("strange"), gguf = temp("strange.gguf");
    qn_buf json = {0}, changed = {0};
    qn_str s;
    int said = 0;
    convert(&from, &dir, keep);
    read_text(&dir, "tokenizer.json", &json);
    char *at = strstr(json.s, "\"Isolated\"");
    CHECK(at != NULL);
    CHECK_OK(qn_buf_printf(&changed, "%.*s\"MergedWithNext\"%s", (int)(at - json.s), json.s, at + 10));
    qn_test_write("strange/tokenizer.json", changed.s, changed.n);
    qn_log_set(count_warnings, &said);
    convert(&dir, &gguf, keep);
    qn_log_set(NULL, NULL);
    CHECK_INT(said, 1);
    qn_source *m = open_model(&gguf);
    CHECK_INT(qn_meta_get_str(qn_source_meta(m), "tokenizer.ggml.model", &s), 1);
    CHECK_VIEW(s, "none");
    CHECK(!qn_meta_find(qn_source_meta(m), "tokenizer.ggml.tokens"));
    qn_source_close(m);
    check_ids(&gguf);
    qn_buf_drop(&json);
    qn_buf_drop(&changed);
}

static void keep_warning(void *arg, qn_log_level level, const char *message) {
    if (level == QN_LOG_WARN)
        CHECK_OK(qn_buf_puts(arg, message));
}

TEST(what_llama_cpp_cannot_do_and_what_is_left_out_is_said) {
    static const char several[] = "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}, "
                                  "{\"name\": \"rag\", \"template\": \"r\"}]}";
    tiny_spec spec = with_tokens();
    spec.window = 32;
    const path from = tiny(&spec), dir = temp("aloud"), gguf = temp("aloud.gguf");
    qn_buf json = {0}, changed = {0}, said = {0};
    qn_str s;
    convert(&from, &dir, keep);
    read_text(&dir, "tokenizer.json", &json);
    char *at = strstr(json.s, "\"normalizer\": null");
    CHECK(at != NULL);
    CHECK_OK(qn_buf_printf(&changed, "%.*s\"normalizer\": {\"type\": \"NFC\"}%s", (int)(at - json.s), json.s, at + 18));
    qn_test_write("aloud/tokenizer.json", changed.s, changed.n);
    qn_test_write("aloud/tokenizer_config.json", several, sizeof several - 1);
    qn_log_set(keep_warning, &said);
    convert(&dir, &gguf, keep);
    qn_log_set(NULL, NULL);
    CHECK_CONTAINS(said.s, "normalizes");
    CHECK_CONTAINS(said.s, "32 tokens only");
    CHECK_CONTAINS(said.s, "several chat templates");
    qn_source *m = open_model(&gguf);
    CHECK_INT(qn_source_chat_template(m, &s), 1);
    CHECK_VIEW(s, "d");
    qn_source_close(m);
    qn_buf_drop(&json);
    qn_buf_drop(&changed);
    qn_buf_drop(&said);
}

/* ---- the same form again ----------------------------------------------------------------------------------------- */

TEST(gguf_to_gguf_carries_every_key) {
    const tiny_spec spec = with_tokens();
    const path from = tiny(&spec), to = temp("q8.gguf");
    const qn_convert_result r = convert(&from, &to, (qn_convert_options){.dtype = QN_Q8_0});
    qn_source *a = open_model(&from), *b = open_model(&to);
    int64_t v = 0;
    CHECK(r.dtype == QN_Q8_0 && r.rounded == r.matrices);
    for (size_t i = 0; i < qn_meta_count(qn_source_meta(a)); i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", QN_STR_ARG(qn_meta_at(qn_source_meta(a), i)->key));
        CHECK(qn_meta_find(qn_source_meta(b), key) != NULL, "%s", key);
    }
    CHECK(qn_meta_get_i64(qn_source_meta(b), "general.file_type", &v) == 1 && v == 7);
    CHECK(qn_meta_get_i64(qn_source_meta(b), "general.quantization_version", &v) == 1 && v == 2);
    qn_source_close(a);
    qn_source_close(b);
    check_ids(&to);
}

TEST(directory_to_directory_changes_the_dtype_alone) {
    const tiny_spec spec = with_tokens();
    const path from = tiny(&spec), dir = temp("one"), to = temp("two");
    qn_buf a = {0}, b = {0};
    convert(&from, &dir, keep);
    read_text(&dir, "config.json", &a);
    a.s[a.n - 2] = 0;                                   /* the brace */
    CHECK_OK(qn_buf_printf(&b, "%s,\"unknown\":{\"to\":[\"us\",1.50]}}", a.s));
    qn_test_write("one/config.json", b.s, b.n);
    CHECK_INT(convert(&dir, &to, (qn_convert_options){.dtype = QN_F16}).dtype, QN_F16);
    read_text(&to, "config.json", &a);
    CHECK_CONTAINS(a.s, "\"torch_dtype\": \"float16\"");
    CHECK_CONTAINS(a.s, "\"unknown\": {\"to\":[\"us\",1.50]}");
    CHECK(!strstr(a.s, "float32"));
    read_text(&dir, "tokenizer.json", &a);
    read_text(&to, "tokenizer.json", &b);
    CHECK(qn_str_eq(qn_buf_view(&a), qn_buf_view(&b)));
    check_ids(&to);
    qn_buf_drop(&a);
    qn_buf_drop(&b);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refused(const path *from, const char *to, qn_convert_options o, int code, const char *says) {
    qn_convert_result r;
    CHECK_FAIL(qn_convert(from->s, to, &o, &r), code, says, "%s", to);
}

TEST(refuses_before_anything_is_touched) {
    const tiny_spec spec = TINY;
    const path from = tiny(&spec), dir = temp("full"), link = temp("link.gguf"), other = temp("other.gguf");
    CHECK(mkdir(dir.s, 0700) == 0);
    refused(&from, from.s, forced, QN_EINVAL, "the same");
    CHECK(symlink(from.s, link.s) == 0);
    refused(&from, link.s, forced, QN_EINVAL, "the same");
    refused(&from, "", keep, QN_EINVAL, "ends in .gguf");
    refused(&from, temp("model.safetensors").s, keep, QN_EINVAL, "ends in .gguf");
    refused(&from, dir.s, (qn_convert_options){.dtype = QN_Q8_0}, QN_EINVAL, "q8_0 needs a file");
    refused(&from, dir.s, (qn_convert_options){.dtype = QN_I32}, QN_EINVAL, "f32, f16, bf16");
    refused(&from, dir.s, (qn_convert_options){.dtype = 99}, QN_EINVAL, "f32, f16, bf16");
    qn_test_write("full/notes.txt", "mine", 4);
    refused(&from, dir.s, keep, QN_EINVAL, "is not empty");
    qn_test_write("other.gguf", "mine", 4);
    refused(&from, other.s, keep, QN_EINVAL, "is there already");
    refused(&from, qn_test_write("file", "mine", 4), keep, QN_EINVAL, "is a file");
    refused(&from, temp("no/such/place").s, keep, QN_EIO, "cannot make the directory");
    refused(&from, temp("no/such/place.gguf").s, keep, QN_ENOTFOUND, "cannot create");
    const path nothing = temp("nothing.gguf");
    refused(&nothing, temp("x").s, keep, QN_ENOTFOUND, "nothing.gguf");
    convert(&from, &dir, forced);
    qn_buf notes = {0};
    read_text(&dir, "notes.txt", &notes);
    CHECK_STR(notes.s, "mine", "what is not the model's stays");
    qn_buf_drop(&notes);
    if (geteuid() != 0) {
        CHECK(mkdir(temp("locked").s, 0500) == 0);
        refused(&from, temp("locked/x").s, keep, QN_EIO, "cannot make the directory");
        refused(&from, temp("locked/x.gguf").s, keep, QN_EIO, "cannot create");
    }
}

TEST(numbers_beyond_f16_are_refused) {
    tiny_spec spec = TINY;
    spec.untied = true;
    qn_buf bytes = tiny_bytes(&spec);
    const qn_tensor_info *t;
    const float big = -65520;
    qn_gguf *g;
    CHECK_OK(qn_gguf_open_memory(&g, bytes.s, bytes.n));
    CHECK_OK(qn_tensor_need(qn_gguf_tensors(g), "output.weight", &t));
    memcpy(bytes.s + (t->data - bytes.s) + 77 * sizeof big, &big, sizeof big);
    qn_gguf_close(g);
    path from;
    snprintf(from.s, sizeof from.s, "%s", qn_test_write("big.gguf", bytes.s, bytes.n));
    refused(&from, temp("big16.gguf").s, (qn_convert_options){.dtype = QN_F16}, QN_EUNSUPPORTED, "output.weight");
    CHECK(access(temp("big16.gguf").s, F_OK) != 0);
    refused(&from, temp("big16").s, (qn_convert_options){.dtype = QN_F16}, QN_EUNSUPPORTED, "-65520");
    CHECK(access(temp("big16").s, F_OK) != 0);
    const path bf16 = temp("big.bf16.gguf");
    convert(&from, &bf16, (qn_convert_options){.dtype = QN_BF16});
    qn_buf_drop(&bytes);
}

/* ---- failures in the middle -------------------------------------------------------------------------------------- */

static int count_files(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL, "%s", dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* Every write fails once; until the first file has its name, a fresh directory disappears again, and config.json,
 * without which there is no model, comes last. */
TEST(a_full_disk_leaves_no_model) {
    const tiny_spec spec = with_tokens();
    const path from = tiny(&spec), place = temp("disk"), dir = temp("disk/new"), file = temp("disk/new.gguf");
    const path *const outs[] = {&dir, &file};
    CHECK(mkdir(place.s, 0700) == 0);
    for (size_t i = 0; i < QN_LEN(outs); i++) {
        int64_t n = 0;
        for (;; n++) {
            qn_convert_result r;
            char config[1100];
            snprintf(config, sizeof config, "%s/config.json", dir.s);
            qn_file_fail_after(n);
            const int rc = qn_convert(from.s, outs[i]->s, &forced, &r);
            qn_file_fail_after(-1);
            if (rc >= 0)
                break;
            CHECK_INT(rc, QN_EIO, "write %lld", (long long)n);
            CHECK(access(i ? file.s : config, F_OK) != 0, "write %lld", (long long)n);
            if (i == 0 && access(dir.s, F_OK) == 0)             /* some file had its name already: it is whole */
                CHECK(count_files(dir.s) < 5, "write %lld", (long long)n);
        }
        CHECK(n >= 3);
    }
    CHECK_INT(count_files(dir.s), 5);
    CHECK_INT(count_files(place.s), 2, "no temporary file is left");
}

TEST(a_failed_replacement_leaves_the_old_model) {
    tiny_spec spec = with_tokens();
    path from = tiny(&spec);
    const path dir = temp("kept"), file = temp("kept.gguf"), same = temp("same.gguf");
    convert(&from, &dir, keep);
    convert(&from, &file, keep);
    convert(&from, &same, keep);
    spec.F = 64;
    from = tiny(&spec);
    for (int64_t n = 0; n < 3; n++) {
        qn_convert_result r;
        qn_file_fail_after(n);
        CHECK_INT(qn_convert(from.s, n ? dir.s : file.s, &forced, &r), QN_EIO);
        qn_file_fail_after(-1);
        same_values(&file, &same, "the file");
        CHECK_INT(count_files(dir.s), 5);
        check_ids(&dir);
    }
}

static int stop(void *arg, int64_t done, int64_t total) {
    CHECK(done > 0 && done <= total);
    ++*(int *)arg;
    return qn_fail(QN_ECANCEL, "enough");
}

TEST(can_be_cancelled) {
    tiny_spec spec = TINY;
    int calls = 0;
    spec.V = 20000;                                     /* more than one step of progress */
    const path from = tiny(&spec), to = temp("cancelled.gguf");
    const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .progress = stop, .arg = &calls};
    refused(&from, to.s, o, QN_ECANCEL, "enough");
    CHECK_INT(calls, 1);
    CHECK(access(to.s, F_OK) != 0);
}

TEST(every_failed_allocation_is_an_error) {
    tiny_spec spec = with_tokens();
    spec.layers = 1;
    const path from = tiny(&spec), dir = temp("memory"), file = temp("memory.gguf");
    const path *const ins[] = {&from, &dir}, *const outs[] = {&dir, &file};
    for (size_t i = 0; i < QN_LEN(outs); i++) {
        int64_t n = 0;
        for (int rc = -1; rc < 0; n++) {
            qn_convert_result r;
            int64_t live[QN_MEM_TAGS];
            for (int t = 0; t < QN_MEM_TAGS; t++)
                live[t] = qn_mem_stats_get((qn_mem_tag)t).live_bytes;
            qn_mem_fail_after(n);
            rc = qn_convert(ins[i]->s, outs[i]->s, &forced, &r);
            qn_mem_fail_after(-1);
            CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld", (long long)n);
            for (int t = 0; t < QN_MEM_TAGS; t++)
                CHECK_NO_LEAK((qn_mem_tag)t, live[t], "tag %d, allocation %lld", t, (long long)n);
        }
        CHECK(n > 50);
    }
}
