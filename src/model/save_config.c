/* model/save_config.c — qn_config into GGUF keys or config.json, by the family's key table. */
#include "model/save.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_fields.h"
#include "num/math.h"

/* ---- numbers ---- */

/* 10^n, exact up to 22. */
static double ten_to(int n) {
    double p = 1;
    for (; n > 0; n--)
        p *= 10;
    return p;
}

/* The shortest decimal that is the same f32, where v is one: GGUF holds 1e-5 as 9.99999974737875e-06. */
static double plain(double v) {
    const double a = v < 0 ? -v : v;
    int exponent = 0;
    if ((double)(float)v != v || !(a > 1e-13 && a < 1e9))
        return v;
    while (a * ten_to(-exponent) < 1)
        exponent--;
    while (a >= ten_to(exponent + 1))
        exponent++;
    for (int digits = 1; digits <= 9; digits++) {
        const int shift = digits - 1 - exponent;
        const double up = ten_to(QN_MAX(shift, 0)), down = ten_to(QN_MAX(-shift, 0));
        const double whole = (double)(int64_t)(v * up / down + (v < 0 ? -0.5 : 0.5)), x = whole * down / up;
        if ((float)x == (float)v)
            return x;
    }
    return v;
}

static bool is_said(const qn_key *k, const void *at) {
    return !(k->rule == QN_KEY_DEFAULT && k->value == 0 && k->kind == QN_FIELD_I64 && *(const int64_t *)at == 0);
}

/* The first of the '|'-separated spellings, or the last. */
static const char *spelling(const char *all, bool first, char out[96]) {
    const char *bar = first ? strchr(all, '|') : strrchr(all, '|');
    const char *from = first || !bar ? all : bar + 1;
    snprintf(out, 96, "%.*s", first && bar ? (int)(bar - all) : (int)strlen(from), from);
    return out;
}

/* ---- GGUF ---- */

/* The key "<arch>.<name>" in `out`; of the tokenizer as it stands. */
static const char *arch_key(const qn_save_model *m, const char *name, char out[160]) {
    const bool whole = strncmp(name, "tokenizer.", 10) == 0;
    snprintf(out, 160, "%s%s%s", whole ? "" : m->arch->name, whole ? "" : ".", name);
    return out;
}

static int put_gguf_key(const qn_save_model *m, const qn_key *k, qn_gguf_writer *w) {
    const void *at = (const char *)m->cfg + k->offset;
    char key[160], name[96];
    if (!k->gguf || !is_said(k, at))
        return 0;
    arch_key(m, spelling(k->gguf, true, name), key);
    if (k->kind == QN_FIELD_I64)
        return qn_gguf_put_u32(w, key, (uint32_t)*(const int64_t *)at);
    return qn_gguf_put_f32(w, key, (float)*(const double *)at);
}

static int put_gguf_rope(const qn_save_model *m, qn_gguf_writer *w) {
    const qn_rope_config *r = &m->cfg->rope;
    char key[160];
    if (r->scaling == QN_ROPE_PLAIN)
        return 0;
    if (r->scaling != QN_ROPE_LINEAR)
        QN_TRY(qn_gguf_put_u32(w, arch_key(m, "rope.scaling.original_context_length", key),
                               (uint32_t)r->original_context));
    if (r->scaling == QN_ROPE_LLAMA3)                   /* the rest is in the tensor rope_freqs.weight */
        return 0;
    const bool yarn = r->scaling == QN_ROPE_YARN;
    QN_TRY(qn_gguf_put_str(w, arch_key(m, "rope.scaling.type", key), yarn ? QN_STR("yarn") : QN_STR("linear")));
    QN_TRY(qn_gguf_put_f32(w, arch_key(m, "rope.scaling.factor", key), (float)r->factor));
    if (!yarn)
        return 0;
    QN_TRY(qn_gguf_put_f32(w, arch_key(m, "rope.scaling.yarn_beta_fast", key), (float)r->beta_fast));
    QN_TRY(qn_gguf_put_f32(w, arch_key(m, "rope.scaling.yarn_beta_slow", key), (float)r->beta_slow));
    if (r->attention_factor <= 0)
        return 0;
    /* config.json has the whole factor of cos and sin; llama.cpp multiplies its key with 0.1·ln(factor) + 1. */
    const double own = r->factor > 1 ? 0.1 * qn_ln(r->factor) + 1 : 1;
    return qn_gguf_put_f32(w, arch_key(m, "rope.scaling.attn_factor", key), (float)(r->attention_factor / own));
}

int qn_save_config_gguf(const qn_save_model *m, qn_gguf_writer *w) {
    char key[160];
    QN_TRY(qn_gguf_put_str(w, "general.architecture", qn_str_of(m->arch->name)));
    for (size_t i = 0; i < m->arch->n_keys; i++)
        QN_TRY(put_gguf_key(m, &m->arch->keys[i], w));
    arch_key(m, "attention.key_length", key);
    if (qn_gguf_has_key(w, qn_str_of(key)))         /* the family has head widths of its own: llama.cpp asks twice */
        QN_TRY(qn_gguf_put_u32(w, arch_key(m, "attention.value_length", key), (uint32_t)m->cfg->Dh));
    QN_TRY(qn_gguf_put_u32(w, arch_key(m, "vocab_size", key), (uint32_t)m->cfg->V));
    if (m->cfg->compute >= 0 && !qn_gguf_has_key(w, QN_STR("quern.compute")))
        QN_TRY(qn_gguf_put_str(w, "quern.compute", qn_str_of(qn_dtype_get((qn_dtype)m->cfg->compute)->name)));
    return put_gguf_rope(m, w);
}

int qn_save_sampling_gguf(const qn_sampling_defaults *d, qn_gguf_writer *w) {
    const struct { const char *key; double v; } keys[] = {
        {"general.sampling.temp", d->temperature}, {"general.sampling.top_p", d->top_p},
        {"general.sampling.min_p", d->min_p}, {"general.sampling.penalty_repeat", d->repetition_penalty},
    };
    for (size_t i = 0; i < QN_LEN(keys); i++)
        if (!isnan(keys[i].v) && !qn_gguf_has_key(w, qn_str_of(keys[i].key)))
            QN_TRY(qn_gguf_put_f32(w, keys[i].key, (float)keys[i].v));
    if (d->top_k >= 0 && d->top_k <= INT32_MAX && !qn_gguf_has_key(w, QN_STR("general.sampling.top_k")))
        QN_TRY(qn_gguf_put_i32(w, "general.sampling.top_k", (int32_t)d->top_k));
    return 0;
}

/* ---- config.json ---- */

static void put_real(qn_jw *w, const char *key, double v) { qn_field_f64(w, key, plain(v)); }

/* −1 is null. */
static void put_id(qn_jw *w, const char *key, int64_t id) {
    qn_jw_key(w, key);
    if (id < 0)
        qn_jw_null(w);
    else
        qn_jw_i64(w, id);
}

static void put_eos(qn_jw *w, const qn_config *c) {
    if (c->n_eos < 2) {
        put_id(w, "eos_token_id", c->n_eos ? c->eos[0] : -1);
        return;
    }
    qn_jw_key(w, "eos_token_id");
    qn_jw_open(w, '[');
    for (int64_t i = 0; i < c->n_eos; i++)
        qn_jw_i64(w, c->eos[i]);
    qn_jw_close(w);
}

/* The oldest spelling, which every version of transformers reads. */
static void put_hf_key(const qn_save_model *m, const qn_key *k, qn_jw *w) {
    const void *at = (const char *)m->cfg + k->offset;
    char name[96];
    if (!k->hf || !is_said(k, at))
        return;
    spelling(k->hf, false, name);
    if (k->kind == QN_FIELD_I64)
        qn_field_i64(w, name, *(const int64_t *)at);
    else
        put_real(w, name, *(const double *)at);
}

static void put_hf_rope(const qn_rope_config *r, qn_jw *w) {
    static const char *const types[] = {
        [QN_ROPE_LINEAR] = "linear", [QN_ROPE_LLAMA3] = "llama3", [QN_ROPE_YARN] = "yarn",
    };
    qn_jw_key(w, "rope_scaling");
    if (r->scaling == QN_ROPE_PLAIN) {
        qn_jw_null(w);
        return;
    }
    qn_jw_open(w, '{');
    qn_field_str(w, "rope_type", types[r->scaling]);
    if (r->scaling == QN_ROPE_LINEAR)
        qn_field_str(w, "type", types[r->scaling]);         /* the key's name before rope_type */
    put_real(w, "factor", r->factor);
    if (r->scaling != QN_ROPE_LINEAR)
        qn_field_i64(w, "original_max_position_embeddings", (int64_t)r->original_context);
    if (r->scaling == QN_ROPE_LLAMA3) {
        put_real(w, "low_freq_factor", r->low_freq_factor);
        put_real(w, "high_freq_factor", r->high_freq_factor);
    }
    if (r->scaling == QN_ROPE_YARN) {
        put_real(w, "beta_fast", r->beta_fast);
        put_real(w, "beta_slow", r->beta_slow);
        if (r->attention_factor > 0)
            put_real(w, "attention_factor", r->attention_factor);
    }
    qn_jw_close(w);
}

static const char *act_name(qn_act act) {
    static const struct { const char *name; qn_act act; } known[] = {
        {"silu", QN_ACT_SILU}, {"gelu", QN_ACT_GELU}, {"gelu_pytorch_tanh", QN_ACT_GELU_TANH}, {"relu", QN_ACT_RELU},
        {"relu2", QN_ACT_RELU2},
    };
    for (size_t i = 0; i < QN_LEN(known); i++)
        if (known[i].act == act)
            return known[i].name;
    return "silu";
}

static const char *torch_name(qn_dtype dtype) {
    return dtype == QN_F16 ? "float16" : dtype == QN_BF16 ? "bfloat16" : "float32";
}

int qn_save_config_json(const qn_save_model *m, qn_buf *out) {
    qn_stack_spec spec;
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    m->arch->save_hf(m->cfg, m->has, &w);
    for (size_t i = 0; i < m->arch->n_keys; i++)
        put_hf_key(m, &m->arch->keys[i], &w);
    m->arch->spec(m->cfg, &spec);
    if (spec.position == QN_POS_ROPE)
        put_hf_rope(&m->cfg->rope, &w);
    qn_field_i64(&w, "vocab_size", m->cfg->V);
    qn_field_str(&w, m->arch->act_key, act_name(m->cfg->act));
    qn_field_bool(&w, "tie_word_embeddings", m->cfg->tied);
    put_id(&w, "bos_token_id", m->cfg->bos);
    put_eos(&w, m->cfg);
    put_id(&w, "pad_token_id", m->cfg->pad);
    qn_field_str(&w, "torch_dtype", torch_name(m->dtype));
    if (m->cfg->compute >= 0) {
        qn_jw_key(&w, "quern");
        qn_jw_open(&w, '{');
        qn_field_str(&w, "compute", qn_dtype_get((qn_dtype)m->cfg->compute)->name);
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    QN_TRY(qn_jw_end(&w));
    return qn_buf_putc(out, '\n');
}

static int copy_member(qn_json *j, qn_str key, qn_dtype dtype, qn_jw *w) {
    qn_str value;
    qn_jw_key_str(w, key);
    QN_TRY(qn_json_raw(j, &value));
    if (qn_str_is(key, "dtype") || qn_str_is(key, "torch_dtype"))
        qn_jw_str(w, qn_str_of(torch_name(dtype)));
    else
        qn_jw_raw(w, value);
    return 0;
}

int qn_save_config_dtype(qn_str config, qn_dtype dtype, qn_buf *out) {
    qn_json j;
    qn_jw w;
    qn_str key;
    bool said = false;
    int rc, more;
    qn_json_init(&j, config.s, config.n, "config.json");
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        said = said || qn_str_is(key, "dtype") || qn_str_is(key, "torch_dtype");
        QN_TRY_OUT(copy_member(&j, key, dtype, &w));
    }
    QN_TRY_OUT(more);
    if (!said)
        qn_field_str(&w, "torch_dtype", torch_name(dtype));
    qn_jw_close(&w);
    QN_TRY_OUT(qn_jw_end(&w));
    rc = qn_buf_putc(out, '\n');
out:
    qn_json_drop(&j);
    return rc;
}

/* ---- generation_config.json ---- */

int qn_save_generation_json(const qn_config *c, const qn_sampling_defaults *d, qn_buf *out) {
    const struct { const char *key; double v; } numbers[] = {
        {"temperature", d->temperature}, {"top_p", d->top_p}, {"min_p", d->min_p},
        {"repetition_penalty", d->repetition_penalty},
    };
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    put_id(&w, "bos_token_id", c->bos);
    put_eos(&w, c);
    put_id(&w, "pad_token_id", c->pad);
    if (d->temperature > 0)                             /* without it transformers ignores the others */
        qn_field_bool(&w, "do_sample", true);
    for (size_t i = 0; i < QN_LEN(numbers); i++)
        if (!isnan(numbers[i].v))
            put_real(&w, numbers[i].key, numbers[i].v);
    if (d->top_k >= 0 && d->top_k <= INT32_MAX)
        qn_field_i64(&w, "top_k", (int64_t)d->top_k);
    qn_jw_close(&w);
    QN_TRY(qn_jw_end(&w));
    return qn_buf_putc(out, '\n');
}

int qn_save_check(const qn_save_model *m, bool is_gguf) {
    return m->arch->save_check(m->cfg, m->has, is_gguf);
}
