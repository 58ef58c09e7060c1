/* model/arch_llama.c — Llama 1–3, Mistral, SmolLM: pre-norm decoder, RoPE, grouped heads, SwiGLU.
 *
 * Three tables say everything that is particular to the family; the wiring is the shared decoder stack. */
#include "model/arch.h"

/* clang-format off */
static const qn_key keys[] = {
    /*  field                GGUF, after "llama."               config.json                default */
    {QN_CFG_I(layers),    "block_count",                      "num_hidden_layers",       QN_REQUIRED},
    {QN_CFG_I(D),         "embedding_length",                 "hidden_size",             QN_REQUIRED},
    {QN_CFG_I(F),         "feed_forward_length",              "intermediate_size",       QN_REQUIRED},
    {QN_CFG_I(heads),     "attention.head_count",             "num_attention_heads",     QN_REQUIRED},
    {QN_CFG_I(kv_heads),  "attention.head_count_kv",          "num_key_value_heads",     QN_SAME_AS(heads)},
    {QN_CFG_I(Dh),        "attention.key_length",             "head_dim",                QN_OR(0)},
    {QN_CFG_I(context),   "context_length",                   "max_position_embeddings", QN_OR(2048)},
    {QN_CFG_I(window),    "attention.sliding_window",         "sliding_window",          QN_OR(0)},
    {QN_CFG_F(norm_eps),  "attention.layer_norm_rms_epsilon", "rms_norm_eps",            QN_OR(1e-6)},
    {QN_CFG_F(rope.base), "rope.freq_base",                   "rope_parameters.rope_theta|rope_theta", QN_OR(10000)},
    {QN_CFG_I(rope.rot),  "rope.dimension_count",             NULL,                      QN_OR(0)},
};

static const qn_param params[] = {
    /* id             GGUF                        safetensors                                       shape       flags */
    {QN_P_EMBED,      "token_embd.weight",        "model.embed_tokens.weight",                      "V D",      QN_EMBEDDING},
    {QN_P_ATTN_NORM,  "blk.%d.attn_norm.weight",  "model.layers.%d.input_layernorm.weight",         "D",        QN_NO_DECAY},
    {QN_P_Q,          "blk.%d.attn_q.weight",     "model.layers.%d.self_attn.q_proj.weight",        "H*Dh D",   QN_LORA | QN_ROPE_PERMUTED},
    {QN_P_K,          "blk.%d.attn_k.weight",     "model.layers.%d.self_attn.k_proj.weight",        "Hkv*Dh D", QN_LORA | QN_ROPE_PERMUTED},
    {QN_P_V,          "blk.%d.attn_v.weight",     "model.layers.%d.self_attn.v_proj.weight",        "Hkv*Dh D", QN_LORA},
    {QN_P_O,          "blk.%d.attn_output.weight", "model.layers.%d.self_attn.o_proj.weight",       "D H*Dh",   QN_LORA | QN_RESIDUAL_OUT},
    {QN_P_Q_BIAS,     "blk.%d.attn_q.bias",       "model.layers.%d.self_attn.q_proj.bias",          "H*Dh",     QN_NO_DECAY | QN_ROPE_PERMUTED | QN_OPTIONAL},
    {QN_P_K_BIAS,     "blk.%d.attn_k.bias",       "model.layers.%d.self_attn.k_proj.bias",          "Hkv*Dh",   QN_NO_DECAY | QN_ROPE_PERMUTED | QN_OPTIONAL},
    {QN_P_V_BIAS,     "blk.%d.attn_v.bias",       "model.layers.%d.self_attn.v_proj.bias",          "Hkv*Dh",   QN_NO_DECAY | QN_OPTIONAL},
    {QN_P_O_BIAS,     "blk.%d.attn_output.bias",  "model.layers.%d.self_attn.o_proj.bias",          "D",        QN_NO_DECAY | QN_OPTIONAL},
    {QN_P_FFN_NORM,   "blk.%d.ffn_norm.weight",   "model.layers.%d.post_attention_layernorm.weight", "D",       QN_NO_DECAY},
    {QN_P_GATE,       "blk.%d.ffn_gate.weight",   "model.layers.%d.mlp.gate_proj.weight",           "F D",      QN_LORA},
    {QN_P_UP,         "blk.%d.ffn_up.weight",     "model.layers.%d.mlp.up_proj.weight",             "F D",      QN_LORA},
    {QN_P_DOWN,       "blk.%d.ffn_down.weight",   "model.layers.%d.mlp.down_proj.weight",           "D F",      QN_LORA | QN_RESIDUAL_OUT},
    {QN_P_GATE_BIAS,  "blk.%d.ffn_gate.bias",     "model.layers.%d.mlp.gate_proj.bias",             "F",        QN_NO_DECAY | QN_OPTIONAL},
    {QN_P_UP_BIAS,    "blk.%d.ffn_up.bias",       "model.layers.%d.mlp.up_proj.bias",               "F",        QN_NO_DECAY | QN_OPTIONAL},
    {QN_P_DOWN_BIAS,  "blk.%d.ffn_down.bias",     "model.layers.%d.mlp.down_proj.bias",             "D",        QN_NO_DECAY | QN_OPTIONAL},
    {QN_P_OUT_NORM,   "output_norm.weight",       "model.norm.weight",                              "D",        QN_NO_DECAY},
    {QN_P_HEAD,       "output.weight",            "lm_head.weight",                                 "V D",      QN_TIED | QN_EMBEDDING},
};
/* clang-format on */

static void spec(const qn_config *c, qn_stack_spec *s) {
    *s = (qn_stack_spec){
        .norm = QN_NORM_RMS, .norm_place = QN_NORM_PRE, .position = QN_POS_ROPE, .mask = QN_MASK_CAUSAL,
        .ffn = QN_FFN_GATED, .act = c->act, .window = c->window,
    };
}

/* A window makes it Mistral's class: Llama's has none. */
static void save_hf(const qn_config *c, const bool *has, qn_jw *w) {
    const int family = c->window > 0;
    qn_jw_key(w, "architectures");
    qn_jw_open(w, '[');
    qn_jw_str(w, qn_str_of(qn_arch_llama.hf_class[family]));
    qn_jw_close(w);
    qn_jw_key(w, "model_type");
    qn_jw_str(w, qn_str_of(qn_arch_llama.hf_type[family]));
    if (family)
        return;
    qn_jw_key(w, "attention_bias");
    qn_jw_bool(w, has[QN_P_Q_BIAS]);
    qn_jw_key(w, "mlp_bias");
    qn_jw_bool(w, has[QN_P_UP_BIAS]);
}

static bool all_or_none(const bool *has, const qn_param_id *ids, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (has[ids[i]] != has[ids[0]])
            return false;
    return true;
}

static int save_check(const qn_config *c, const bool *has, bool is_gguf) {
    static const qn_param_id attention[] = {QN_P_Q_BIAS, QN_P_K_BIAS, QN_P_V_BIAS, QN_P_O_BIAS};
    static const qn_param_id mlp[] = {QN_P_GATE_BIAS, QN_P_UP_BIAS, QN_P_DOWN_BIAS};
    if (is_gguf && c->act != QN_ACT_SILU)
        return qn_fail(QN_EUNSUPPORTED, "a llama GGUF cannot say that the activation is not SiLU");
    if (is_gguf)
        return 0;
    if (c->rope.rot != c->Dh)
        return qn_fail(QN_EUNSUPPORTED, "config.json of a llama cannot say that RoPE turns only %lld of %lld elements",
                       (long long)c->rope.rot, (long long)c->Dh);
    if (!all_or_none(has, attention, QN_LEN(attention)) || !all_or_none(has, mlp, QN_LEN(mlp)))
        return qn_fail(QN_EUNSUPPORTED, "config.json of a llama can only say that all of q, k, v, o (gate, up, down) "
                       "have biases or none; this model has some");
    if (c->window > 0 && (has[QN_P_Q_BIAS] || has[QN_P_UP_BIAS]))
        return qn_fail(QN_EUNSUPPORTED, "transformers has no class of this family with both biases and a window");
    return 0;
}

const qn_arch qn_arch_llama = {
    .name = "llama",
    .hf_class = {"LlamaForCausalLM", "MistralForCausalLM"},
    .hf_type = {"llama", "mistral"},
    .unused = {".rotary_emb.inv_freq"},
    .act_key = "hidden_act", .act = QN_ACT_SILU,
    .keys = keys, .n_keys = QN_LEN(keys), .params = params, .n_params = QN_LEN(params),
    .spec = spec, .save_check = save_check, .save_hf = save_hf,
};
