/* model/config.c — metadata to qn_config: by the family's key table first, then what all families share. */
#include "model/config.h"
#include "model/arch.h"
#include "num/math.h"

#include <stdio.h>
#include <string.h>

/* Bounds that no real model reaches; they keep every later product of dimensions far from overflow. */
enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 20, MAX_HEADS = 4096, MAX_VOCAB = 1 << 24,
       MAX_TYPES = 65536 };

/* The first of the '|'-separated spellings that is there. 1 found, 0 absent, <0 wrong kind. */
static int find(const qn_meta *m, const char *prefix, const char *spellings, qn_field_kind kind, void *out) {
    while (spellings && *spellings) {
        const size_t n = strcspn(spellings, "|");
        char key[160];
        const bool whole = strncmp(spellings, "tokenizer.", 10) == 0;
        snprintf(key, sizeof key, "%s%.*s", whole ? "" : prefix, (int)n, spellings);
        const int rc = kind == QN_FIELD_I64 ? qn_meta_get_i64(m, key, out) : qn_meta_get_f64(m, key, out);
        if (rc != 0)
            return rc;
        spellings += n + (spellings[n] == '|');
    }
    return 0;
}

/* What is out of range stays so, and is refused later. */
static int64_t times(int64_t n, int64_t v) { return v > 0 && v <= INT32_MAX ? n * v : v; }

static int read_key(qn_config *c, const qn_key *k, const qn_meta *m, const char *prefix, bool is_gguf) {
    void *at = (char *)c + k->offset;
    const char *spellings = is_gguf ? k->gguf : k->hf;
    const int found = find(m, prefix, spellings, k->kind, at);
    if (found != 0)
        return found < 0 ? found : 0;
    if (k->rule == QN_KEY_REQUIRED)
        return qn_fail(QN_EFORMAT, "%s: %s%s is missing (%s)", qn_meta_name(m), prefix, spellings, k->field);
    if (k->rule == QN_KEY_SAME_AS)
        *(int64_t *)at = times((int64_t)k->value, *(const int64_t *)((const char *)c + k->same));
    else if (k->kind == QN_FIELD_I64)
        *(int64_t *)at = (int64_t)k->value;
    else
        *(double *)at = k->value;
    return 0;
}

/* ---- RoPE scaling ---- */

static int rope_number(const qn_meta *m, const char *prefix, bool is_gguf, const char *gguf, const char *hf,
                       double *out) {
    char keys[160];
    if (!is_gguf)
        snprintf(keys, sizeof keys, "rope_parameters.%s|rope_scaling.%s", hf, hf);
    const int rc = find(m, is_gguf ? prefix : "", is_gguf ? gguf : keys, QN_FIELD_F64, out);
    return rc < 0 ? rc : 0;
}

static int rope_type(const qn_meta *m, const char *prefix, bool is_gguf, qn_str *type) {
    static const char *const hf[] = {"rope_parameters.rope_type", "rope_scaling.rope_type", "rope_scaling.type"};
    char key[96];
    snprintf(key, sizeof key, "%srope.scaling.type", prefix);
    if (is_gguf)
        return qn_meta_get_str(m, key, type);
    for (size_t i = 0; i < QN_LEN(hf); i++) {
        const int rc = qn_meta_get_str(m, hf[i], type);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_rope(qn_config *c, const qn_meta *m, const char *prefix, bool is_gguf) {
    static const struct { const char *name; qn_rope_scaling scaling; } known[] = {
        {"default", QN_ROPE_PLAIN}, {"none", QN_ROPE_PLAIN}, {"", QN_ROPE_PLAIN}, {"linear", QN_ROPE_LINEAR},
        {"llama3", QN_ROPE_LLAMA3}, {"yarn", QN_ROPE_YARN},
    };
    qn_rope_config *r = &c->rope;
    qn_str type = QN_STR("");
    size_t i = 0;
    QN_TRY(rope_type(m, prefix, is_gguf, &type));
    while (i < QN_LEN(known) && !qn_str_is(type, known[i].name))
        i++;
    if (i == QN_LEN(known))
        return qn_fail(QN_EUNSUPPORTED,
                       "%s: RoPE scaling \"%.*s\" is not supported (default, linear, llama3, yarn are)",
                       qn_meta_name(m), QN_STR_ARG(type));
    r->scaling = known[i].scaling;
    r->factor = 1;
    r->original_context = (double)c->context;
    r->low_freq_factor = 1;
    r->high_freq_factor = 4;
    r->beta_fast = 32;
    r->beta_slow = 1;
    QN_TRY(rope_number(m, prefix, is_gguf, "rope.scaling.factor|rope.scale_linear", "factor", &r->factor));
    QN_TRY(rope_number(m, prefix, is_gguf, "rope.scaling.original_context_length", "original_max_position_embeddings",
                       &r->original_context));
    QN_TRY(rope_number(m, prefix, is_gguf, "rope.scaling.attn_factor", "attention_factor", &r->attention_factor));
    QN_TRY(rope_number(m, prefix, is_gguf, "rope.scaling.yarn_beta_fast", "beta_fast", &r->beta_fast));
    QN_TRY(rope_number(m, prefix, is_gguf, "rope.scaling.yarn_beta_slow", "beta_slow", &r->beta_slow));
    if (is_gguf && r->factor > 1)               /* it multiplies what YaRN has by itself; config.json has the whole */
        r->attention_factor *= 0.1 * qn_ln(r->factor) + 1;
    QN_TRY(rope_number(m, prefix, is_gguf, NULL, "low_freq_factor", &r->low_freq_factor));
    QN_TRY(rope_number(m, prefix, is_gguf, NULL, "high_freq_factor", &r->high_freq_factor));
    return 0;
}

/* ---- what all families share ---- */

static int read_vocabulary(qn_config *c, const qn_meta *m, const char *prefix, bool is_gguf) {
    qn_meta_array tokens;
    int rc = find(m, prefix, "vocab_size", QN_FIELD_I64, &c->V);
    const int known = is_gguf ? qn_meta_get_array(m, "tokenizer.ggml.tokens", QN_META_STRING, &tokens) : 0;
    if (rc < 0 || known < 0)
        return rc < 0 ? rc : known;
    if (rc > 0 && known > 0 && (int64_t)tokens.count > c->V)
        return qn_fail(QN_EFORMAT, "%s: the tokenizer has %zu tokens, the model (%svocab_size) only %lld",
                       qn_meta_name(m), tokens.count, prefix, (long long)c->V);
    if (rc == 0 && (rc = known) > 0)
        c->V = (int64_t)tokens.count;
    if (rc == 0)
        return qn_fail(QN_EFORMAT, "%s: neither %svocab_size nor a vocabulary is there", qn_meta_name(m), prefix);
    return rc < 0 ? rc : 0;
}

static int read_activation(qn_config *c, const qn_arch *arch, const qn_meta *m, bool is_gguf) {
    static const struct { const char *name; qn_act act; } known[] = {
        {"silu", QN_ACT_SILU}, {"swish", QN_ACT_SILU}, {"gelu", QN_ACT_GELU}, {"gelu_new", QN_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", QN_ACT_GELU_TANH}, {"relu", QN_ACT_RELU}, {"relu2", QN_ACT_RELU2},
    };
    qn_str name = QN_STR("");
    c->act = arch->act;
    const int rc = is_gguf ? 0 : qn_meta_get_str(m, arch->act_key, &name);
    if (rc <= 0)
        return rc;
    for (size_t i = 0; i < QN_LEN(known); i++)
        if (qn_str_is(name, known[i].name)) {
            c->act = known[i].act;
            return 0;
        }
    return qn_fail(QN_EUNSUPPORTED, "%s: %s \"%.*s\" is not supported (silu, gelu, gelu_new, relu, relu2 are)",
                   qn_meta_name(m), arch->act_key, QN_STR_ARG(name));
}

/* What the model was trained with, if it was trained here: masters are F32, products may be bf16. */
static int read_compute(qn_config *c, const qn_meta *m) {
    qn_str name;
    const int rc = qn_meta_get_str(m, "quern.compute", &name);
    if (rc <= 0)
        return rc;
    c->compute = qn_dtype_from_name(name);
    if (c->compute == QN_F32 || c->compute == QN_BF16)
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: quern.compute is \"%.*s\"; f32 and bf16 are known", qn_meta_name(m),
                   QN_STR_ARG(name));
}

static bool in_reach(double fast, double slow) { return fast > 1e-6 && fast < 1e9 && slow > 1e-6 && slow < 1e9; }

/* One sentence per rule that the numbers break. */
static int check(const qn_config *c, const char *file) {
    const struct { const char *name; int64_t v, max; } range[] = {
        {"layers", c->layers, MAX_LAYERS}, {"hidden size", c->D, MAX_WIDTH}, {"feed-forward size", c->F, MAX_WIDTH},
        {"heads", c->heads, MAX_HEADS}, {"key heads", c->kv_heads, MAX_HEADS}, {"head width", c->Dh, 1024},
        {"vocabulary", c->V, MAX_VOCAB}, {"context", c->context, INT32_MAX},
    };
    for (size_t i = 0; i < QN_LEN(range); i++)
        if (range[i].v < 1 || range[i].v > range[i].max)
            return qn_fail(QN_EFORMAT, "%s: %s is %lld; expected 1 to %lld", file, range[i].name, (long long)range[i].v,
                           (long long)range[i].max);
    if (c->heads % c->kv_heads)
        return qn_fail(QN_EFORMAT, "%s: %lld heads cannot share %lld key heads evenly", file, (long long)c->heads,
                       (long long)c->kv_heads);
    if (!(c->norm_eps >= 0 && c->norm_eps < 1))
        return qn_fail(QN_EFORMAT, "%s: norm eps %g is out of range", file, c->norm_eps);
    if (c->types < 0 || c->types > MAX_TYPES)
        return qn_fail(QN_EFORMAT, "%s: %lld token types; expected at most %d", file, (long long)c->types, MAX_TYPES);
    if (c->window < 0)
        return qn_fail(QN_EFORMAT, "%s: sliding window %lld is negative", file, (long long)c->window);
    return 0;
}

static int check_rope(const qn_config *c, const char *file) {
    if (c->rope.rot > 2 * QN_ROPE_PAIRS)
        return qn_fail(QN_EUNSUPPORTED, "%s: RoPE over %lld elements per head; up to %d are supported", file,
                       (long long)c->rope.rot, 2 * QN_ROPE_PAIRS);
    if (c->Dh % 2 || c->rope.rot % 2 || c->rope.rot > c->Dh || c->rope.rot < 2)
        return qn_fail(QN_EFORMAT,
                       "%s: RoPE rotates %lld of %lld elements per head; both must be even, the first not larger", file,
                       (long long)c->rope.rot, (long long)c->Dh);
    if (!(c->rope.base > 1 && c->rope.base < 1e30))
        return qn_fail(QN_EFORMAT, "%s: RoPE base %g is out of range", file, c->rope.base);
    if (!(c->rope.factor >= 1e-3 && c->rope.factor <= 1e6) || !(c->rope.original_context >= 1))
        return qn_fail(QN_EFORMAT, "%s: RoPE scaling factor %g or original context %g is out of range", file,
                       c->rope.factor, c->rope.original_context);
    if (c->rope.scaling == QN_ROPE_LLAMA3 && !(c->rope.high_freq_factor - c->rope.low_freq_factor > 0))
        return qn_fail(QN_EFORMAT, "%s: RoPE's high_freq_factor %g must be above its low_freq_factor %g", file,
                       c->rope.high_freq_factor, c->rope.low_freq_factor);
    if (c->rope.scaling == QN_ROPE_YARN && !in_reach(c->rope.beta_fast, c->rope.beta_slow))
        return qn_fail(QN_EFORMAT, "%s: YaRN's beta_fast %g or beta_slow %g is out of range", file, c->rope.beta_fast,
                       c->rope.beta_slow);
    if (!(c->rope.attention_factor >= 0 && c->rope.attention_factor <= 1e6))
        return qn_fail(QN_EFORMAT, "%s: RoPE attention factor %g is out of range", file, c->rope.attention_factor);
    return 0;
}

/* Families without RoPE have none of its numbers; attention takes pairs of elements all the same. */
static int check_positions(const qn_config *c, const qn_arch *arch, const char *file) {
    qn_stack_spec s;
    arch->spec(c, &s);
    if (s.position == QN_POS_ROPE)
        return check_rope(c, file);
    if (c->Dh % 2)
        return qn_fail(QN_EUNSUPPORTED, "%s: heads are %lld wide; only even widths are supported", file,
                       (long long)c->Dh);
    return 0;
}

int qn_config_read(qn_config *c, const qn_arch *arch, const qn_meta *m, bool is_gguf) {
    char prefix[64] = "";
    *c = (qn_config){.bos = -1, .pad = -1, .compute = -1};
    if (is_gguf)
        snprintf(prefix, sizeof prefix, "%s.", arch->name);
    for (size_t i = 0; i < arch->n_keys; i++)
        QN_TRY(read_key(c, &arch->keys[i], m, prefix, is_gguf));
    if (c->Dh == 0 && c->heads > 0 && c->D % c->heads)
        return qn_fail(QN_EFORMAT, "%s: hidden size %lld is no multiple of %lld heads, and no head width is given",
                       qn_meta_name(m), (long long)c->D, (long long)c->heads);
    if (c->Dh == 0 && c->heads > 0)
        c->Dh = c->D / c->heads;
    if (c->rope.rot == 0)
        c->rope.rot = c->Dh;
    QN_TRY(read_vocabulary(c, m, prefix, is_gguf));
    QN_TRY(read_activation(c, arch, m, is_gguf));
    QN_TRY(read_rope(c, m, prefix, is_gguf));
    QN_TRY(read_compute(c, m));
    c->tied = !is_gguf && arch->tied;
    if (!is_gguf)
        QN_TRY(qn_meta_get_bool(m, "tie_word_embeddings", &c->tied));
    QN_TRY(check(c, qn_meta_name(m)));
    QN_TRY(check_positions(c, arch, qn_meta_name(m)));
    return arch->check ? arch->check(c, m, is_gguf) : 0;
}
