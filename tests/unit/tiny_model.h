/* tests/unit/tiny_model.h — small llama and gpt2 models of any shape and stored dtype, written as GGUF and loaded, for
 * tests that need a model but no reference.
 *
 *     tiny_spec spec = TINY;  spec.dtype = QN_Q8_0;
 *     qn_model *m = tiny_model(&spec, NULL);               // qn_model_free(m)
 *
 * Parameters hold the integer hash of tests/unit/make_model.h, matrices scaled so that activations stay near one. */
#ifndef QN_TESTS_UNIT_TINY_MODEL_H
#define QN_TESTS_UNIT_TINY_MODEL_H

#include "infer/session.h"
#include "make_model.h"
#include "test.h"

/* How a file differs from what its keys say; names as in GGUF, NULL: no difference. */
typedef struct {
    const char *without;            /* this tensor is left out */
    const char *wider;              /* this one has a column (vector: an element) more */
    const char *typed;              /* this one claims to be of another ggml type */
    uint32_t type;
    const char *stored[3];          /* tensors whose names end so are stored otherwise */
    qn_dtype as[3];
    const char *extra;              /* one tensor more */
} tiny_twist;

typedef struct {
    int64_t V, D, F, layers, heads, kv_heads, Dh, context, window;
    qn_dtype dtype;                 /* of all matrices */
    bool untied;                    /* a head of its own */
    const char *const *tokens;      /* [V] a vocabulary of single characters and words, or NULL: none */
    const int32_t *types;           /* [V] */
    int64_t rot;                    /* rotated elements per head; 0: all */
    int64_t claimed_layers;         /* what block_count says; 0: the truth */
    bool gpt2;                      /* of that family: heads of their own, D/heads wide; context rows of positions */
    tiny_twist twist;
} tiny_spec;

#define TINY                                                                                             \
    (tiny_spec){.V = 96, .D = 64, .F = 96, .layers = 2, .heads = 4, .kv_heads = 2, .Dh = 16, .context = 1024, \
                .dtype = QN_F32}

QN_UNUSED static bool tiny_is(const char *name, const char *which) { return which && strcmp(name, which) == 0; }

/* A tensor with the values [N,K], or [N] where K is 0, unless the twist says otherwise. */
QN_UNUSED static void tiny_tensor(test_gguf *g, const char *name, const tiny_spec *s, int64_t N, int64_t K, qn_dtype t,
                                  const float *values) {
    const int64_t dims[2] = {N, K};
    const int rank = K ? 2 : 1;
    for (size_t i = 0; i < QN_LEN(s->twist.stored) && s->twist.stored[i]; i++)
        if (qn_str_ends(qn_str_of(name), s->twist.stored[i]))
            t = s->twist.as[i];
    if (tiny_is(name, s->twist.without))
        return;
    qn_buf bytes = {0};
    test_put_values(&bytes, t, values, test_product(rank, dims));
    const uint32_t type = tiny_is(name, s->twist.typed) ? s->twist.type : (uint32_t)qn_dtype_get(t)->ggml_id;
    test_gguf_raw(g, name, type, rank, dims, bytes.s, bytes.n);
    qn_buf_drop(&bytes);
}

QN_UNUSED static void tiny_matrix(test_gguf *g, const char *name, const tiny_spec *s, int64_t N, int64_t K) {
    const float scale = strncmp(name, "token_embd", 10) == 0 ? 1 : 1.8f / sqrtf((float)K);
    K += tiny_is(name, s->twist.wider) ? qn_dtype_get(s->dtype)->block : 0;
    float *v = test_fill_values(name, N * K, scale);
    tiny_tensor(g, name, s, N, K, s->dtype, v);
    qn_free(v);
}

/* Norm weights lie around 1, biases around 0. */
QN_UNUSED static void tiny_vector(test_gguf *g, const char *name, const tiny_spec *s, int64_t n) {
    n += tiny_is(name, s->twist.wider);
    float *v = test_fill_values(name, n, 0.1f);
    for (int64_t i = 0; i < n && !qn_str_ends(qn_str_of(name), ".bias"); i++)
        v[i] += 1;
    tiny_tensor(g, name, s, n, 0, QN_F32, v);
    qn_free(v);
}

QN_UNUSED static void tiny_gpt2_keys(test_gguf *g, const tiny_spec *s) {
    test_gguf_str(g, "general.architecture", "gpt2");
    test_gguf_u32(g, "gpt2.block_count", (uint32_t)s->layers);
    test_gguf_u32(g, "gpt2.embedding_length", (uint32_t)s->D);
    test_gguf_u32(g, "gpt2.feed_forward_length", (uint32_t)s->F);
    test_gguf_u32(g, "gpt2.attention.head_count", (uint32_t)s->heads);
    test_gguf_u32(g, "gpt2.context_length", (uint32_t)s->context);
    test_gguf_u32(g, "gpt2.vocab_size", (uint32_t)s->V);
    test_gguf_f32(g, "gpt2.attention.layer_norm_epsilon", 1e-5f);
}

QN_UNUSED static void tiny_keys(test_gguf *g, const tiny_spec *s) {
    const struct { const char *key; int64_t v; } keys[] = {
        {"block_count", s->claimed_layers ? s->claimed_layers : s->layers},
        {"embedding_length", s->D}, {"feed_forward_length", s->F},
        {"attention.head_count", s->heads}, {"attention.head_count_kv", s->kv_heads}, {"attention.key_length", s->Dh},
        {"context_length", s->context}, {"vocab_size", s->V}, {"attention.sliding_window", s->window},
        {"rope.dimension_count", s->rot},
    };
    test_gguf_str(g, "general.architecture", "llama");
    for (size_t i = 0; i < QN_LEN(keys); i++) {
        char key[64];
        snprintf(key, sizeof key, "llama.%s", keys[i].key);
        if (keys[i].v > 0)
            test_gguf_u32(g, key, (uint32_t)keys[i].v);
    }
    test_gguf_f32(g, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    test_gguf_f32(g, "llama.rope.freq_base", 10000);
}

QN_UNUSED static void tiny_tokenizer(test_gguf *g, const tiny_spec *s) {
    test_gguf_str(g, "tokenizer.ggml.model", "gpt2");
    test_gguf_str(g, "tokenizer.ggml.pre", "gpt-2");
    test_gguf_strs(g, "tokenizer.ggml.tokens", s->tokens, (size_t)s->V);
    test_gguf_i32s(g, "tokenizer.ggml.token_type", s->types, (size_t)s->V);
    test_gguf_strs(g, "tokenizer.ggml.merges", NULL, 0);
    test_gguf_u32(g, "tokenizer.ggml.bos_token_id", 0);
    test_gguf_u32(g, "tokenizer.ggml.eos_token_id", 1);
    test_gguf_bool(g, "tokenizer.ggml.add_bos_token", false);
}

QN_UNUSED static void tiny_block(test_gguf *g, const tiny_spec *s, int64_t layer) {
    const int64_t D = s->D, F = s->F, Q = s->heads * s->Dh, KV = s->kv_heads * s->Dh;
    const struct { const char *name; int64_t N, K; } matrix[] = {
        {"attn_q", Q, D}, {"attn_k", KV, D}, {"attn_v", KV, D}, {"attn_output", D, Q}, {"ffn_gate", F, D},
        {"ffn_up", F, D}, {"ffn_down", D, F},
    };
    char name[64];
    for (size_t i = 0; i < QN_LEN(matrix); i++) {
        snprintf(name, sizeof name, "blk.%lld.%s.weight", (long long)layer, matrix[i].name);
        tiny_matrix(g, name, s, matrix[i].N, matrix[i].K);
    }
    snprintf(name, sizeof name, "blk.%lld.attn_norm.weight", (long long)layer);
    tiny_vector(g, name, s, D);
    snprintf(name, sizeof name, "blk.%lld.ffn_norm.weight", (long long)layer);
    tiny_vector(g, name, s, D);
}

QN_UNUSED static void tiny_gpt2_block(test_gguf *g, const tiny_spec *s, int64_t layer) {
    const struct { const char *name; int64_t N, K; } matrix[] = {
        {"attn_qkv", 3 * s->D, s->D}, {"attn_output", s->D, s->D}, {"ffn_up", s->F, s->D}, {"ffn_down", s->D, s->F},
    };
    static const char *const vector[] = {"attn_norm.weight", "attn_norm.bias", "ffn_norm.weight", "ffn_norm.bias"};
    char name[64];
    for (size_t i = 0; i < QN_LEN(matrix); i++) {
        snprintf(name, sizeof name, "blk.%lld.%s.weight", (long long)layer, matrix[i].name);
        tiny_matrix(g, name, s, matrix[i].N, matrix[i].K);
        snprintf(name, sizeof name, "blk.%lld.%s.bias", (long long)layer, matrix[i].name);
        tiny_vector(g, name, s, matrix[i].N);
    }
    for (size_t i = 0; i < QN_LEN(vector); i++) {
        snprintf(name, sizeof name, "blk.%lld.%s", (long long)layer, vector[i]);
        tiny_vector(g, name, s, s->D);
    }
}

/* Positions are as important as tokens here, so that a wrong one shows. */
QN_UNUSED static void tiny_positions(test_gguf *g, const tiny_spec *s) {
    float *v = test_fill_values("position_embd.weight", s->context * s->D, 1);
    tiny_tensor(g, "position_embd.weight", s, s->context, s->D, QN_F32, v);
    qn_free(v);
}

/* The file's bytes; the caller drops them. */
QN_UNUSED static qn_buf tiny_bytes(const tiny_spec *s) {
    test_gguf g = {0};
    (s->gpt2 ? tiny_gpt2_keys : tiny_keys)(&g, s);
    if (s->tokens)
        tiny_tokenizer(&g, s);
    tiny_matrix(&g, "token_embd.weight", s, s->V, s->D);
    for (int64_t layer = 0; layer < s->layers; layer++)
        (s->gpt2 ? tiny_gpt2_block : tiny_block)(&g, s, layer);
    tiny_vector(&g, "output_norm.weight", s, s->D);
    if (s->gpt2) {
        tiny_positions(&g, s);
        tiny_vector(&g, "output_norm.bias", s, s->D);
    }
    if (s->twist.extra)
        tiny_vector(&g, s->twist.extra, s, s->D);
    if (s->untied)
        tiny_matrix(&g, "output.weight", s, s->V, s->D);
    qn_buf bytes = test_gguf_bytes(&g);
    test_gguf_drop(&g);
    return bytes;
}

/* The path of the file in this program's directory, good until the next call of qn_test_write. */
QN_UNUSED static const char *tiny_file(const tiny_spec *s) {
    qn_buf bytes = tiny_bytes(s);
    const char *path = qn_test_write("tiny.gguf", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    return path;
}

/* Loads a model from a path; tok may be NULL. */
QN_UNUSED static qn_model *tiny_load(const char *path, qn_tok **tok) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS, .keep_pages = true};
    qn_source *s;
    qn_model *m;
    CHECK_OK(qn_source_open(&s, path));
    CHECK_OK(qn_model_load(&m, s, &o, NULL));
    if (tok)
        CHECK_OK(qn_source_tokenizer(s, tok));
    qn_source_close(s);
    return m;
}

QN_UNUSED static qn_model *tiny_model(const tiny_spec *s, qn_tok **tok) { return tiny_load(tiny_file(s), tok); }

/* Token ids that look like text to nobody. */
QN_UNUSED static void tiny_ids(int32_t *ids, int64_t n, int64_t V, uint32_t salt) {
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)((qn_rng_u64(salt, QN_RNG_TEST, 0, (uint64_t)i) >> 8) % (uint64_t)V);
}

#endif
