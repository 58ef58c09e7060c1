/* tests/unit/test_bad_models.c — files that are not models, or no longer: each is refused with words that help, without
 * a crash, and without taking more memory than the file has bytes, and 64 MB. */
#include "base/log.h"
#include "tiny_model.h"

/* Opens, loads, feeds a few tokens; the first error. */
static int use_model(const qn_model *m) {
    static const int32_t ids[3] = {1, 2, 3};
    const qn_session_options o = {.context = 64, .rows = 4, .kv = -1};
    const qn_feed f = {0, ids, 3, QN_LOGITS_NONE};
    qn_session *s;
    QN_TRY(qn_session_new(&s, m, qn_kernels_at(qn_test_isa()), NULL, &o));
    const int rc = qn_session_feed(s, &f, 1, NULL, NULL);
    qn_session_free(s);
    return rc;
}

static int use(const char *path) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS, .keep_pages = true};
    qn_source *s;
    qn_model *m;
    QN_TRY(qn_source_open(&s, path));
    int rc = qn_model_load(&m, s, &o, NULL);
    qn_source_close(s);
    if (rc < 0)
        return rc;
    rc = use_model(m);
    qn_model_free(m);
    return rc;
}

static int use_spec(const tiny_spec *s) { return use(tiny_file(s)); }

/* ---- peaks: of all tags together, an upper bound ---- */

static int64_t peak(void) {
    int64_t n = 0;
    for (int t = 0; t < QN_MEM_TAGS; t++)
        n += t == QN_MEM_TEST || t == QN_MEM_BASE ? 0 : qn_mem_stats_get((qn_mem_tag)t).peak_bytes;
    return n;
}

static int64_t live(void) {
    int64_t n = 0;
    for (int t = 0; t < QN_MEM_TAGS; t++)
        n += qn_mem_stats_get((qn_mem_tag)t).live_bytes;
    return n;
}

/* ---- damaged files ---- */

static tiny_spec small(void) {
    tiny_spec s = TINY;
    static char text[32][4];
    static const char *tokens[32];
    static int32_t types[32];
    s.V = 32;
    s.D = 32;
    s.F = 32;
    s.layers = 1;
    s.heads = 2;
    s.kv_heads = 1;
    s.dtype = QN_Q8_0;
    for (int i = 0; i < 32; i++) {
        snprintf(text[i], sizeof text[i], "%c", 'A' + i);
        tokens[i] = text[i];
        types[i] = QN_TOKEN_NORMAL;
    }
    s.tokens = tokens;
    s.types = types;
    return s;
}

TEST(truncated_anywhere) {
    const tiny_spec s = small();
    qn_buf bytes = tiny_bytes(&s);
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_write("cut.gguf", bytes.s, bytes.n));
    CHECK_OK(use(path), "whole");
    for (size_t n = bytes.n; n-- > 0; n -= n > 2000 ? QN_MIN(n - 2000, 37) : 0) {
        CHECK_INT(truncate(path, (off_t)n), 0);
        const int rc = use(path);
        CHECK(rc == QN_ETRUNC || rc == QN_EFORMAT, "cut to %zu of %zu bytes: %s %s", n, bytes.n, qn_error_name(rc),
              qn_error_message());
        CHECK(strstr(qn_error_message(), "cut.gguf") != NULL, "cut to %zu bytes: %s", n, qn_error_message());
    }
    qn_buf_drop(&bytes);
}

/* Bytes of the header, the keys and the table, changed one to four at a time. What still loads must run. */
static void mutate(const tiny_spec *s, size_t reach) {
    qn_buf bytes = tiny_bytes(s);
    char path[1024];
    const int64_t live_before = live();
    int refused = 0, ran = 0;
    snprintf(path, sizeof path, "%s", qn_test_write("mutated.gguf", bytes.s, bytes.n));
    FILE *f = fopen(path, "r+b");
    CHECK(f != NULL);
    setvbuf(f, NULL, _IONBF, 0);
    for (uint64_t i = 0; i < 4000; i++) {
        const int n = 1 + (int)(i % 4);
        size_t at[4];
        for (int j = 0; j < n; j++) {
            const uint64_t r = qn_rng_u64(5, QN_RNG_TEST, i, (uint64_t)j);
            at[j] = (size_t)(r % QN_MIN(bytes.n, reach));
            const int flipped = bytes.s[at[j]] ^ 1 << (r >> 48 & 7);
            const unsigned char byte = (unsigned char)(r >> 40 & 1 ? (int)(r >> 48) : flipped);
            CHECK(fseek(f, (long)at[j], SEEK_SET) == 0 && fwrite(&byte, 1, 1, f) == 1);
        }
        const int rc = use(path);
        refused += rc < 0;
        ran += rc >= 0;
        CHECK(rc >= 0 || (rc != QN_ENOMEM && qn_error_message()[0]), "mutation %d: %s", (int)i, qn_error_message());
        CHECK_INT(live(), live_before, "mutation %d", (int)i);
        for (int j = 0; j < n; j++)
            CHECK(fseek(f, (long)at[j], SEEK_SET) == 0 && fwrite(bytes.s + at[j], 1, 1, f) == 1);
    }
    fclose(f);
    CHECK_OK(use(path), "restored");
    CHECK(refused > 400 && ran > 400, "%d refused, %d ran", refused, ran);
    CHECK(peak() <= (int64_t)bytes.n + ((int64_t)64 << 20), "peak %lld bytes for a file of %zu", (long long)peak(),
          bytes.n);
    qn_buf_drop(&bytes);
}

TEST(mutated_anywhere) {
    const tiny_spec s = small();
    mutate(&s, 2600);
}

TEST(mutated_anywhere_gpt2) {
    tiny_spec s = small();
    s.gpt2 = true;
    s.context = 64;
    mutate(&s, 2900);
}

TEST(no_models_at_all) {
    char path[1024];
    qn_source *s;
    snprintf(path, sizeof path, "%s/nothing.gguf", qn_test_temp_dir());
    CHECK_FAIL(qn_source_open(&s, path), QN_ENOTFOUND, "nothing.gguf");
    CHECK_FAIL(use(qn_test_write("empty.gguf", "", 0)), QN_ETRUNC, "empty.gguf");
    CHECK_FAIL(use(qn_test_write("letter.gguf", "Dear Sir or Madam, this is not a model.", 39)), QN_EFORMAT,
               "letter.gguf");
    CHECK_FAIL(use(qn_test_write("w.safetensors", "x", 1)), QN_EINVAL, "name the directory");
    snprintf(path, sizeof path, "%s/bare", qn_test_temp_dir());
    mkdir(path, 0700);
    CHECK_FAIL(qn_source_open(&s, path), QN_ENOTFOUND, "config.json");
    qn_test_write("bare/model.safetensors", "x", 1);
    CHECK_FAIL(qn_source_open(&s, path), QN_ENOTFOUND, "config.json");
    CHECK(s == NULL);
}

/* ---- tensors that do not fit the configuration ---- */

TEST(missing_tensors_are_named) {
    static const char *const names[] = {"token_embd.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
                                        "blk.1.ffn_down.weight", "output_norm.weight"};
    for (size_t i = 0; i < QN_LEN(names); i++) {
        tiny_spec s = TINY;
        s.twist.without = names[i];
        CHECK_FAIL(use_spec(&s), QN_ENOTFOUND, names[i]);
    }
    tiny_spec s = TINY;
    s.untied = true;
    s.twist.without = "output.weight";
    CHECK_OK(use_spec(&s), "a GGUF file without a head is tied");
}

TEST(wrong_shapes_are_named_with_both) {
    static const struct { const char *name, *says; } cases[] = {
        {"token_embd.weight", "is [96,65]; the configuration asks for [96,64]"},
        {"blk.1.attn_k.weight", "is [32,65]; the configuration asks for [32,64]"},
        {"blk.0.ffn_norm.weight", "is [65]; the configuration asks for [64]"},
        {"output_norm.weight", "is [65]"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        tiny_spec s = TINY;
        s.twist.wider = cases[i].name;
        CHECK_FAIL(use_spec(&s), QN_ESHAPE, cases[i].name);
        CHECK_CONTAINS(qn_error_message(), cases[i].says);
        CHECK_CONTAINS(qn_error_message(), "tiny.gguf");
    }
}

/* Several parameters in one tensor: the tensor is named, and what all of them together ask for. */
TEST(wrong_shapes_of_joint_tensors) {
    tiny_spec s = TINY;
    s.gpt2 = true;
    CHECK_OK(use_spec(&s));
    s.twist.wider = "blk.1.attn_qkv.weight";
    CHECK_FAIL(use_spec(&s), QN_ESHAPE, "blk.1.attn_qkv.weight is [192,65]; the configuration asks for [192,64]");
    s.twist.wider = "blk.0.attn_qkv.bias";
    CHECK_FAIL(use_spec(&s), QN_ESHAPE, "blk.0.attn_qkv.bias is [193]; the configuration asks for [192]");
    s.twist = (tiny_twist){.without = "blk.1.attn_qkv.weight"};
    CHECK_FAIL(use_spec(&s), QN_ENOTFOUND, "blk.1.attn_qkv.weight");
    s.twist = (tiny_twist){.stored = {"attn_qkv.bias"}, .as = {QN_Q8_0}};
    CHECK_FAIL(use_spec(&s), QN_EUNSUPPORTED, "blk.0.attn_qkv.bias is a vector in Q8_0");
}

TEST(types_that_are_not_supported_are_named) {
    tiny_spec s = TINY;
    s.twist.typed = "blk.1.ffn_up.weight";
    s.twist.type = 40;
    CHECK_FAIL(use_spec(&s), QN_EUNSUPPORTED, "\"blk.1.ffn_up.weight\" has type NVFP4");
    CHECK_CONTAINS(qn_error_message(), "F64, F32, F16, BF16, Q8_0, Q4_0, Q4_1");
    s.twist = (tiny_twist){.stored = {"attn_norm.weight"}, .as = {QN_Q8_0}};
    CHECK_FAIL(use_spec(&s), QN_EUNSUPPORTED, "blk.0.attn_norm.weight is a vector in Q8_0");
}

/* Codes may be any bytes, scales no numbers: such a model runs, and says nothing sensible; cut short it is refused. */
TEST(codes_of_any_bytes) {
    static const qn_dtype stored[] = {QN_Q5_1, QN_Q2_K, QN_Q4_K, QN_Q6_K, QN_IQ4_XS, QN_MXFP4};
    for (size_t i = 0; i < QN_LEN(stored); i++) {
        tiny_spec s = {.V = 32, .D = 256, .F = 256, .layers = 1, .heads = 4, .kv_heads = 4, .Dh = 64, .context = 64,
                       .dtype = stored[i]};
        qn_buf bytes = tiny_bytes(&s);
        memset(bytes.s + bytes.n / 2, 0xff, bytes.n / 2);
        CHECK_OK(use(qn_test_write("codes.gguf", bytes.s, bytes.n)), "%s", qn_dtype_get(stored[i])->name);
        CHECK_FAIL(use(qn_test_write("codes.gguf", bytes.s, bytes.n - 1000)), QN_ETRUNC, "codes.gguf");
        qn_buf_drop(&bytes);
    }
}

static char said[4096];
static int times;
static void note(QN_UNUSED void *arg, qn_log_level level, const char *message) {
    times += level == QN_LOG_WARN;
    snprintf(said, sizeof said, "%s", message);
}

TEST(more_or_fewer_layers_than_said) {
    tiny_spec s = TINY;
    s.claimed_layers = 3;
    CHECK_FAIL(use_spec(&s), QN_ENOTFOUND, "blk.2.");
    s.claimed_layers = 1;
    CHECK_FAIL(use_spec(&s), QN_EFORMAT, "tensor blk.1.attn_q.weight lies beyond the 1 layers");
    s.claimed_layers = 4096;
    CHECK_FAIL(use_spec(&s), QN_ENOTFOUND, "blk.2.");
    s.claimed_layers = 4097;
    CHECK_FAIL(use_spec(&s), QN_EFORMAT, "layers is 4097; expected 1 to 4096");
    s.claimed_layers = UINT32_MAX;
    CHECK_FAIL(use_spec(&s), QN_EFORMAT, "layers is 4294967295");
}

TEST(tensors_without_a_use_are_said_once) {
    tiny_spec s = TINY;
    static const char *const extra[] = {"blk.1.attn_rot_embd", "adapter.weight", "blk.x.weight", "blk..weight"};
    qn_log_set(note, NULL);
    CHECK_OK(use_spec(&s));
    CHECK_INT(times, 0);
    for (size_t i = 0; i < QN_LEN(extra); i++) {
        times = 0;
        s.twist.extra = extra[i];
        CHECK_OK(use_spec(&s), "%s", extra[i]);
        CHECK_INT(times, 1);
        CHECK_CONTAINS(said, extra[i]);
        CHECK_CONTAINS(said, "1 tensors are not used by the llama family");
    }
    s.twist.extra = "blk.2.surprise";
    CHECK_FAIL(use_spec(&s), QN_EFORMAT, "blk.2.surprise lies beyond the 2 layers");
    s.twist.extra = "blk.99999999999999999999.surprise";
    CHECK_OK(use_spec(&s), "no layer's number");
    qn_log_set(NULL, NULL);
}

/* One column of panels holds 32: matrices of one row would grow 32 times. */
TEST(narrow_matrices_do_not_swell) {
    tiny_spec s = {.V = 1, .D = 1 << 16, .F = 1, .layers = 8, .heads = 1, .kv_heads = 1, .Dh = 2, .context = 64,
                   .dtype = QN_F32};
    CHECK_FAIL(use_spec(&s), QN_EFORMAT, "few rows");
}

/* ---- numbers in the keys ---- */

typedef struct { const char *key; double f; int64_t u; const char *s, *says; int code; } bad_key;

static qn_buf with_key(const bad_key *b) {
    test_gguf g = {0};
    char key[80];
    snprintf(key, sizeof key, "llama.%s", b->key);
    tiny_spec s = TINY;
    test_gguf_str(&g, "general.architecture", "llama");
    const struct { const char *key; int64_t v; } keys[] = {
        {"block_count", s.layers}, {"embedding_length", s.D}, {"feed_forward_length", s.F},
        {"attention.head_count", s.heads}, {"attention.head_count_kv", s.kv_heads}, {"attention.key_length", s.Dh},
        {"vocab_size", s.V},
    };
    for (size_t i = 0; i < QN_LEN(keys); i++) {
        char name[80];
        snprintf(name, sizeof name, "llama.%s", keys[i].key);
        if (strcmp(keys[i].key, b->key) != 0)
            test_gguf_u32(&g, name, (uint32_t)keys[i].v);
    }
    if (strncmp(b->key, "rope.scaling.", 13) == 0 && !b->s)
        test_gguf_str(&g, "llama.rope.scaling.type", "yarn");
    if (b->s)
        test_gguf_str(&g, key, b->s);
    else if (b->u)
        test_gguf_i64(&g, key, b->u);
    else if (!isinf(b->f) || b->f > 0)                  /* −infinity: the key is left out */
        test_gguf_f64(&g, key, b->f);
    qn_buf bytes = test_gguf_bytes(&g);
    test_gguf_drop(&g);
    return bytes;
}

TEST(malformed_numbers_name_their_key) {
    static const bad_key cases[] = {
        {"block_count", -INFINITY, 0, NULL, "llama.block_count is missing", QN_EFORMAT},
        {"block_count", 0, -1, NULL, "layers is -1", QN_EFORMAT},
        {"block_count", 0, 0, "two", "llama.block_count", QN_EFORMAT},
        {"block_count", 2.5, 0, NULL, "llama.block_count", QN_EFORMAT},
        {"embedding_length", 0, (int64_t)1 << 40, NULL, "hidden size is 1099511627776", QN_EFORMAT},
        {"embedding_length", NAN, 0, NULL, "llama.embedding_length", QN_EFORMAT},
        {"feed_forward_length", 0, 0, NULL, "feed-forward size is 0", QN_EFORMAT},
        {"attention.head_count", 0, 0, NULL, "heads is 0", QN_EFORMAT},
        {"attention.head_count", 0, INT64_MIN, NULL, "heads is -9223372036854775808", QN_EFORMAT},
        {"attention.head_count_kv", 0, 3, NULL, "4 heads cannot share 3 key heads", QN_EFORMAT},
        {"attention.head_count_kv", 0, 0, NULL, "key heads is 0", QN_EFORMAT},
        {"attention.key_length", 0, 15, NULL, "must be even", QN_EFORMAT},
        {"attention.key_length", 0, -16, NULL, "head width is -16", QN_EFORMAT},
        {"attention.key_length", 0, 4096, NULL, "head width is 4096", QN_EFORMAT},
        {"attention.key_length", 0, 512, NULL, "up to 256 are supported", QN_EUNSUPPORTED},
        {"context_length", 0, -5, NULL, "context is -5", QN_EFORMAT},
        {"context_length", 0, (int64_t)1 << 33, NULL, "context is 8589934592", QN_EFORMAT},
        {"vocab_size", -INFINITY, 0, NULL, "neither llama.vocab_size nor a vocabulary", QN_EFORMAT},
        {"vocab_size", 0, 1 << 25, NULL, "vocabulary is 33554432", QN_EFORMAT},
        {"attention.sliding_window", 0, -1, NULL, "sliding window -1", QN_EFORMAT},
        {"attention.layer_norm_rms_epsilon", NAN, 0, NULL, "norm eps", QN_EFORMAT},
        {"attention.layer_norm_rms_epsilon", -1, 0, NULL, "norm eps -1", QN_EFORMAT},
        {"rope.freq_base", INFINITY, 0, NULL, "RoPE base inf", QN_EFORMAT},
        {"rope.freq_base", 0, 0, NULL, "RoPE base 0", QN_EFORMAT},
        {"rope.freq_base", 1, 0, NULL, "RoPE base 1", QN_EFORMAT},
        {"rope.freq_base", 0, 0, "ten", "llama.rope.freq_base", QN_EFORMAT},
        {"rope.dimension_count", 0, 7, NULL, "rotates 7 of 16", QN_EFORMAT},
        {"rope.dimension_count", 0, 18, NULL, "rotates 18 of 16", QN_EFORMAT},
        {"rope.dimension_count", 0, -2, NULL, "rotates -2 of 16", QN_EFORMAT},
        {"rope.scaling.type", 0, 0, "dynamite", "RoPE scaling \"dynamite\"", QN_EUNSUPPORTED},
        {"rope.scaling.factor", NAN, 0, NULL, "scaling factor nan", QN_EFORMAT},
        {"rope.scaling.factor", 0, 0, NULL, "scaling factor 0", QN_EFORMAT},
        {"rope.scaling.original_context_length", NAN, 0, NULL, "original context nan", QN_EFORMAT},
        {"rope.scaling.yarn_beta_fast", NAN, 0, NULL, "beta_fast nan", QN_EFORMAT},
        {"rope.scaling.yarn_beta_slow", 0, 0, NULL, "beta_slow 0", QN_EFORMAT},
        {"rope.scaling.attn_factor", NAN, 0, NULL, "attention factor nan", QN_EFORMAT},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_buf bytes = with_key(&cases[i]);
        const char *path = qn_test_write("keys.gguf", bytes.s, bytes.n);
        CHECK_FAIL(use(path), cases[i].code, cases[i].says, "%s", cases[i].key);
        CHECK_CONTAINS(qn_error_message(), "keys.gguf");
        qn_buf_drop(&bytes);
    }
}

TEST(unknown_architectures_name_the_known) {
    test_gguf g = {0};
    test_gguf_str(&g, "general.architecture", "perceptron");
    qn_buf bytes = test_gguf_bytes(&g);
    CHECK_FAIL(use(qn_test_write("a.gguf", bytes.s, bytes.n)), QN_EUNSUPPORTED, "\"perceptron\" is not known here");
    CHECK_CONTAINS(qn_error_message(), "llama");
    test_gguf_drop(&g);
    qn_buf_drop(&bytes);
    bytes = test_gguf_bytes(&g);
    CHECK_FAIL(use(qn_test_write("a.gguf", bytes.s, bytes.n)), QN_EFORMAT, "general.architecture is missing");
    qn_buf_drop(&bytes);
}

TEST(vocabulary_and_weights_disagree) {
    tiny_spec s = small();
    test_gguf g = {0};
    tiny_keys(&g, &s);
    s.V = 33;                                           /* one token more than vocab_size says */
    const char *tokens[33];
    int32_t types[33];
    for (int i = 0; i < 33; i++) {
        tokens[i] = i < 32 ? s.tokens[i] : "zz";
        types[i] = 1;
    }
    s.tokens = tokens;
    s.types = types;
    tiny_tokenizer(&g, &s);
    qn_buf bytes = test_gguf_bytes(&g);
    const char *path = qn_test_write("v.gguf", bytes.s, bytes.n);
    CHECK_FAIL(use(path), QN_EFORMAT, "the tokenizer has 33 tokens, the model (llama.vocab_size) only 32");
    test_gguf_drop(&g);
    qn_buf_drop(&bytes);
}

/* ---- directories ---- */

static const char GOOD[] =
    "\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,"
    "\"num_attention_heads\":2,\"vocab_size\":16,\"tie_word_embeddings\":true";

static int use_config(const char *more) {
    char text[1024];
    snprintf(text, sizeof text, "%s/hf", qn_test_temp_dir());
    mkdir(text, 0700);
    snprintf(text, sizeof text, more[0] == '{' ? "%s%s" : "{%2$s%1$s}", more, more[0] == '{' ? "" : GOOD);
    qn_test_write("hf/config.json", text, strlen(text));
    return use(qn_test_temp("hf"));
}

TEST(directories_that_are_no_models) {
    static const struct { const char *config, *says; int code;
    } cases[] = {
        {"", "model.safetensors", QN_ENOTFOUND},
        {",\"head_dim\":\"four\"", "head_dim", QN_EFORMAT},
        {",\"rope_theta\":\"big\"", "rope_theta", QN_EFORMAT},
        {",\"rms_norm_eps\":true", "rms_norm_eps", QN_EFORMAT},
        {",\"max_position_embeddings\":1.5", "max_position_embeddings", QN_EFORMAT},
        {",\"num_key_value_heads\":0", "key heads is 0", QN_EFORMAT},
        {",\"num_key_value_heads\":-1", "key heads is -1", QN_EFORMAT},
        {",\"eos_token_id\":16", "end-of-sequence id 16", QN_EFORMAT},
        {",\"eos_token_id\":[1,-7]", "end-of-sequence id -7", QN_EFORMAT},
        {",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]", "eos_token_id", QN_ELIMIT},
        {",\"eos_token_id\":\"end\"", "eos_token_id", QN_EFORMAT},
        {",\"bos_token_id\":16", "BOS id 16", QN_EFORMAT},
        {",\"hidden_act\":\"softmax\"", "hidden_act \"softmax\"", QN_EUNSUPPORTED},
        {",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}", "RoPE scaling \"dynamic\"", QN_EUNSUPPORTED},
        {",\"rope_scaling\":{\"rope_type\":\"llama3\",\"low_freq_factor\":4,\"high_freq_factor\":4}",
         "high_freq_factor", QN_EFORMAT},
        {",\"tie_word_embeddings\":1", "tie_word_embeddings", QN_EFORMAT},
        {"{\"architectures\":[\"GPT9ForCausalLM\"]}", "\"GPT9ForCausalLM\" is not known here", QN_EUNSUPPORTED},
        {"{\"model_type\":\"gpt9\"}", "\"gpt9\" is not known here", QN_EUNSUPPORTED},
        {"{\"architectures\":[]}", "neither architectures nor model_type", QN_EFORMAT},
        {"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":null}", "num_hidden_layers is missing", QN_EFORMAT},
        {"{\"architectures\":", "config.json", QN_EFORMAT},
        {"{} trailing", "config.json", QN_EFORMAT},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_FAIL(use_config(cases[i].config), cases[i].code, cases[i].says, "%s", cases[i].config);
    CHECK_FAIL(use_config(",\"hidden_size\":9"), QN_EFORMAT, "hidden_size", "twice");
}

/* Weights of a type that is for indices, a shape too few, a tensor too few. */
TEST(directories_with_wrong_weights) {
    static const int64_t dims[2] = {16, 8};
    static const char zeros[16 * 8 * 8];
    use_config("");
    for (int i = 0; i < 3; i++) {
        test_st st = {0};
        test_st_raw(&st, "model.embed_tokens.weight", i == 0 ? "I64" : "F64", i == 1 ? 1 : 2, dims, zeros,
                    i == 1 ? 128 : 1024);
        qn_buf bytes = test_st_bytes(&st);
        qn_test_write("hf/model.safetensors", bytes.s, bytes.n);
        const int rc = use(qn_test_temp("hf"));
        CHECK_INT(rc, i == 0 ? QN_EUNSUPPORTED : i == 1 ? QN_ESHAPE : QN_ENOTFOUND, "%s", qn_error_message());
        CHECK_CONTAINS(qn_error_message(), i == 2 ? "model.layers.0." : "model.embed_tokens.weight");
        qn_buf_drop(&bytes);
        test_st_drop(&st);
    }
    CHECK_INT(unlink(qn_test_temp("hf/model.safetensors")), 0);
}
