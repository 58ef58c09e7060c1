/* tests/cli/make_tiny.c — writes tiny models whose every word is known beforehand: make_tiny FOLDER.
 *
 * Embeddings are unit vectors, attention and feed-forward add nothing, and row j of the head is 1 at every token that j
 * follows. So the likeliest next token is next_of(last token), by far, at every ISA level and in every dtype:
 *
 *     a b c … z <|im_end|>        "abc" is continued by "defghijklmnopqrstuvwxyz"
 *     \n A B C … Z <|im_end|>     so does every answer of a chat begin, behind "assistant\n"
 *     0 c3 a9 <|im_end|>          é in two tokens          1 f0 9f 98 80 <|im_end|>    an emoji in four
 *     anything else: a
 *
 * What is written:  tiny.gguf, tiny/ (the same as a Hugging Face directory), bos.gguf (adds BOS, has no chat template);
 * bert/, an encoder, which writes nothing (tiny_bert.h); adapter/, with which c is taken for x ("abc" is continued by
 * "yz"); second/, the same by a second unit, whose weight stands beside that of the first one in its block; and for
 * errors alien.gguf (unknown architecture), unread.gguf (a type that is not supported), extra.gguf (more tokens than
 * rows), missing.gguf (a tensor less), swapped.gguf (y and z have changed places in the vocabulary). */
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "make_model.h"
#include "tiny_bert.h"

enum { EOT, BOS, EOS, BYTE0, THE = BYTE0 + 256 + 1, V = THE + 1 };
enum { D = 288, F = 256, HEADS = 9, KV_HEADS = 3, DH = 32, EXTRA = 3, IQ2_XXS = 16, IQ2_XXS_BYTES = 66 };

static const char chat_template[] =
    "{% for message in messages %}"
    "{% if message['content'] == 'refuse' %}{{ raise_exception('the template refuses') }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static const char *const merges[] = {"t h", "th e"};

/* ---- the language ------------------------------------------------------------------------------------------------ */

static int next_of(int id) {
    static const unsigned char e_acute[] = {'0', 0xc3, 0xa9}, emoji[] = {'1', 0xf0, 0x9f, 0x98, 0x80};
    const int byte = id - BYTE0;
    if (byte == '\n')
        return BYTE0 + 'A';
    if ((byte >= 'a' && byte < 'z') || (byte >= 'A' && byte < 'Z'))
        return id + 1;
    for (size_t i = 0; i + 1 < sizeof e_acute; i++)
        if (byte == e_acute[i])
            return BYTE0 + e_acute[i + 1];
    for (size_t i = 0; i + 1 < sizeof emoji; i++)
        if (byte == emoji[i])
            return BYTE0 + emoji[i + 1];
    return byte == 'z' || byte == 'Z' || byte == 0xa9 || byte == 0x80 ? EOS : BYTE0 + 'a';
}

/* A byte as GPT-2's alphabet spells it: printable characters stand for themselves, the others from U+0100 on. */
static uint32_t letter(int byte) {
    uint32_t n = 0;
    for (int b = 0; b <= byte; b++) {
        const bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        if (b == byte)
            return plain ? (uint32_t)b : 0x100 + n;
        n += !plain;
    }
    return 0;
}

static void spell(int id, char out[32]) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    if (id < BYTE0)
        snprintf(out, 32, "%s", special[id]);
    else if (id < BYTE0 + 256)
        out[qn_utf8_encode(letter(id - BYTE0), out)] = '\0';
    else if (id < V)
        snprintf(out, 32, "%s", id == THE ? "the" : "th");
    else
        snprintf(out, 32, "<extra_%d>", id);
}

/* ---- the weights ------------------------------------------------------------------------------------------------- */

typedef struct { const char *gguf, *hf; qn_dtype gguf_dtype, hf_dtype; int64_t rows, columns; } tensor;

static const tensor tensors[] = {
    {"token_embd.weight", "model.embed_tokens.weight", QN_F32, QN_BF16, V, D},
    {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", QN_F32, QN_F32, 0, D},
    {"blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", QN_Q8_0, QN_BF16, HEADS * DH, D},
    {"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", QN_Q4_0, QN_F16, KV_HEADS * DH, D},
    {"blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", QN_Q4_1, QN_F32, KV_HEADS * DH, D},
    {"blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", QN_F16, QN_BF16, D, HEADS * DH},
    {"blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", QN_F32, QN_F32, 0, D},
    {"blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", QN_BF16, QN_BF16, F, D},
    {"blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", QN_BF16, QN_BF16, F, D},
    {"blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", QN_F16, QN_BF16, D, F},
    {"output_norm.weight", "model.norm.weight", QN_F32, QN_F32, 0, D},
    {"output.weight", "lm_head.weight", QN_F32, QN_BF16, V, D},
};

static bool is(const tensor *t, const char *gguf) { return strcmp(t->gguf, gguf) == 0; }

/* To be freed with qn_free. */
static float *values_of(const tensor *t) {
    const int64_t n = (t->rows ? t->rows : 1) * t->columns;
    float *v = test_fill_values(t->hf, n, 0.1f);
    const bool zero = is(t, "blk.0.attn_output.weight") || is(t, "blk.0.ffn_down.weight");
    const bool table = is(t, "token_embd.weight") || is(t, "output.weight");
    for (int64_t i = 0; i < n; i++)
        v[i] = t->rows == 0 ? 1 : zero || table ? 0 : v[i];
    for (int id = 0; id < V && table; id++)
        v[(is(t, "output.weight") ? next_of(id) : id) * D + id] = 1;
    return v;
}

static void write_file(const char *folder, const char *name, const void *bytes, size_t n) {
    qn_buf path = {0};
    qn_out_file f = {0};
    TEST_MUST(qn_path_join(&path, folder, name));
    TEST_MUST(qn_out_open(&f, path.s));
    TEST_MUST(qn_out_write(&f, bytes, n));
    TEST_MUST(qn_out_commit(&f));
    qn_buf_drop(&path);
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------- */

typedef struct { const char *file, *arch, *without, *unread; int extra; bool bos, no_template, swapped; } variant;

static void gguf_config(test_gguf *g, const char *arch) {
    const struct { const char *key; uint32_t v; } numbers[] = {
        {"block_count", 1}, {"embedding_length", D}, {"feed_forward_length", F}, {"attention.head_count", HEADS},
        {"attention.head_count_kv", KV_HEADS}, {"context_length", 512}, {"vocab_size", V},
    };
    char key[64];
    test_gguf_str(g, "general.architecture", arch);
    test_gguf_str(g, "general.name", "Tiny");
    for (size_t i = 0; i < QN_LEN(numbers); i++) {
        snprintf(key, sizeof key, "%s.%s", arch, numbers[i].key);
        test_gguf_u32(g, key, numbers[i].v);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    test_gguf_f32(g, key, 1e-6f);
}

static void gguf_tokenizer(test_gguf *g, const variant *w) {
    static char text[V + EXTRA][32];
    static const char *list[V + EXTRA];
    int32_t types[V + EXTRA];
    const int n = V + w->extra;
    for (int id = 0; id < n; id++) {
        spell(id, text[id]);
        list[id] = text[id];
        types[id] = id < BYTE0 ? 3 : 1;             /* control, normal */
    }
    if (w->swapped) {
        list[BYTE0 + 'y'] = text[BYTE0 + 'z'];
        list[BYTE0 + 'z'] = text[BYTE0 + 'y'];
    }
    test_gguf_str(g, "tokenizer.ggml.model", "gpt2");
    test_gguf_str(g, "tokenizer.ggml.pre", "gpt-2");
    test_gguf_strs(g, "tokenizer.ggml.tokens", list, (size_t)n);
    test_gguf_i32s(g, "tokenizer.ggml.token_type", types, (size_t)n);
    test_gguf_strs(g, "tokenizer.ggml.merges", merges, QN_LEN(merges));
    test_gguf_u32(g, "tokenizer.ggml.bos_token_id", BOS);
    test_gguf_u32(g, "tokenizer.ggml.eos_token_id", EOS);
    test_gguf_bool(g, "tokenizer.ggml.add_bos_token", w->bos);
    if (!w->no_template)
        test_gguf_str(g, "tokenizer.chat_template", chat_template);
}

static void gguf_tensor(test_gguf *g, const tensor *t, bool unread) {
    const int64_t dims[] = {t->rows ? t->rows : t->columns, t->columns};
    static const char zeros[D * F / 256 * IQ2_XXS_BYTES];
    float *v = values_of(t);
    if (unread)
        test_gguf_raw(g, t->gguf, IQ2_XXS, 2, dims, zeros, sizeof zeros);
    else
        test_gguf_tensor(g, t->gguf, t->gguf_dtype, t->rows ? 2 : 1, dims, v);
    qn_free(v);
}

static void write_gguf(const char *folder, const variant *w) {
    test_gguf g = {0};
    gguf_config(&g, w->arch);
    gguf_tokenizer(&g, w);
    for (size_t i = 0; i < QN_LEN(tensors); i++)
        if (!w->without || !is(&tensors[i], w->without))
            gguf_tensor(&g, &tensors[i], w->unread && is(&tensors[i], w->unread));
    qn_buf bytes = test_gguf_bytes(&g);
    write_file(folder, w->file, bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_gguf_drop(&g);
}

/* ---- Hugging Face directory -------------------------------------------------------------------------------------- */

static void key_str(qn_jw *w, const char *key, const char *v) {
    qn_jw_key(w, key);
    qn_jw_str(w, qn_str_of(v));
}

static void tokenizer_model(qn_jw *w) {
    char text[32];
    qn_jw_key(w, "model");
    qn_jw_open(w, '{');
    key_str(w, "type", "BPE");
    qn_jw_key(w, "vocab");
    qn_jw_open(w, '{');
    for (int id = 0; id < V; id++) {
        spell(id, text);
        qn_jw_key(w, text);
        qn_jw_i64(w, id);
    }
    qn_jw_close(w);
    qn_jw_key(w, "merges");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < QN_LEN(merges); i++)
        qn_jw_str(w, qn_str_of(merges[i]));
    qn_jw_close(w);
    qn_jw_close(w);
}

static void byte_level(qn_jw *w, const char *key) {
    qn_jw_key(w, key);
    qn_jw_open(w, '{');
    key_str(w, "type", "ByteLevel");
    qn_jw_key(w, "add_prefix_space");
    qn_jw_bool(w, false);
    qn_jw_close(w);
}

static void write_tokenizer(const char *folder) {
    qn_buf b = {0};
    qn_jw w;
    char text[32];
    qn_jw_init(&w, &b, 1);
    qn_jw_open(&w, '{');
    key_str(&w, "version", "1.0");
    qn_jw_key(&w, "added_tokens");
    qn_jw_open(&w, '[');
    for (int id = 0; id < BYTE0; id++) {
        spell(id, text);
        qn_jw_open(&w, '{');
        qn_jw_key(&w, "id");
        qn_jw_i64(&w, id);
        key_str(&w, "content", text);
        qn_jw_key(&w, "special");
        qn_jw_bool(&w, true);
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    byte_level(&w, "pre_tokenizer");
    byte_level(&w, "decoder");
    tokenizer_model(&w);
    qn_jw_close(&w);
    TEST_MUST(qn_jw_end(&w));
    write_file(folder, "tokenizer.json", b.s, b.n);
    qn_buf_drop(&b);
}

static void write_configs(const char *folder) {
    qn_buf b = {0};
    qn_jw w;
    TEST_MUST(qn_buf_printf(&b, "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\","
                            " \"vocab_size\": %d, \"hidden_size\": %d, \"intermediate_size\": %d,"
                            " \"num_hidden_layers\": 1,"
                            " \"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"rms_norm_eps\": 1e-6,"
                            " \"max_position_embeddings\": 512, \"bos_token_id\": %d, \"eos_token_id\": [%d]}",
                            V, D, F, HEADS, KV_HEADS, BOS, EOS));
    write_file(folder, "config.json", b.s, b.n);
    qn_buf_clear(&b);
    TEST_MUST(qn_buf_puts(&b, "{\"do_sample\": true, \"temperature\": 0.5, \"top_k\": 3}"));
    write_file(folder, "generation_config.json", b.s, b.n);
    qn_buf_clear(&b);
    qn_jw_init(&w, &b, 1);
    qn_jw_open(&w, '{');
    key_str(&w, "bos_token", "<|im_start|>");
    key_str(&w, "eos_token", "<|im_end|>");
    key_str(&w, "chat_template", chat_template);
    qn_jw_close(&w);
    TEST_MUST(qn_jw_end(&w));
    write_file(folder, "tokenizer_config.json", b.s, b.n);
    qn_buf_drop(&b);
}

static void write_directory(const char *folder) {
    qn_buf path = {0};
    test_st s = {0};
    TEST_MUST(qn_path_join(&path, folder, "tiny"));
    mkdir(path.s, 0700);
    for (size_t i = 0; i < QN_LEN(tensors); i++) {
        const tensor *t = &tensors[i];
        float *v = values_of(t);
        const int64_t dims[] = {t->rows ? t->rows : t->columns, t->columns};
        test_st_tensor(&s, t->hf, t->hf_dtype, t->rows ? 2 : 1, dims, v);
        qn_free(v);
    }
    qn_buf bytes = test_st_bytes(&s);
    write_file(path.s, "model.safetensors", bytes.s, bytes.n);
    write_configs(path.s);
    write_tokenizer(path.s);
    qn_buf_drop(&bytes);
    qn_buf_drop(&path);
    test_st_drop(&s);
}

/* ---- adapters: a unit of the feed-forward layer hears c and says x ----------------------------------------------- */

static void one_pair(test_st *s, const char *module, int64_t rows, int64_t in, int64_t columns, int64_t out) {
    float *a = qn_zalloc(QN_MEM_TEST, (size_t)columns, sizeof *a), *b = qn_zalloc(QN_MEM_TEST, (size_t)rows, sizeof *b);
    char name[128];
    qn_assert(a && b);
    a[in] = b[out] = 1;
    snprintf(name, sizeof name, "base_model.model.model.layers.0.mlp.%s.lora_A.weight", module);
    test_st_tensor(s, name, QN_F32, 2, (int64_t[]){1, columns}, a);
    snprintf(name, sizeof name, "base_model.model.model.layers.0.mlp.%s.lora_B.weight", module);
    test_st_tensor(s, name, QN_F32, 2, (int64_t[]){rows, 1}, b);
    qn_free(a);
    qn_free(b);
}

static void write_adapter(const char *folder, const char *name, int64_t unit) {
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"base_model_name_or_path\": "
                                 "\"its/base\"}\n";
    qn_buf path = {0};
    test_st s = {0};
    TEST_MUST(qn_path_join(&path, folder, name));
    mkdir(path.s, 0700);
    one_pair(&s, "gate_proj", F, BYTE0 + 'c', D, unit);
    one_pair(&s, "up_proj", F, BYTE0 + 'c', D, unit);
    one_pair(&s, "down_proj", D, unit, F, BYTE0 + 'x');
    qn_buf bytes = test_st_bytes(&s);
    write_file(path.s, "adapter_model.safetensors", bytes.s, bytes.n);
    write_file(path.s, "adapter_config.json", config, sizeof config - 1);
    qn_buf_drop(&bytes);
    qn_buf_drop(&path);
    test_st_drop(&s);
}

int main(int argc, char **argv) {
    static const variant files[] = {
        {.file = "tiny.gguf", .arch = "llama"},
        {.file = "swapped.gguf", .arch = "llama", .swapped = true},
        {.file = "bos.gguf", .arch = "llama", .bos = true, .no_template = true},
        {.file = "alien.gguf", .arch = "alien"},
        {.file = "unread.gguf", .arch = "llama", .unread = "blk.0.ffn_down.weight"},
        {.file = "extra.gguf", .arch = "llama", .extra = EXTRA},
        {.file = "missing.gguf", .arch = "llama", .without = "blk.0.attn_q.weight"},
    };
    if (argc != 2)
        return 2;
    for (size_t i = 0; i < QN_LEN(files); i++)
        write_gguf(argv[1], &files[i]);
    write_directory(argv[1]);
    write_adapter(argv[1], "adapter", 0);
    write_adapter(argv[1], "second", 1);
    write_bert(argv[1]);
    return 0;
}
