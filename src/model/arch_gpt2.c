/* model/arch_gpt2.c — GPT-2: pre-norm decoder, layernorm, learned positions, a plain feed-forward, biases everywhere.
 *
 * Its files keep Q, K and V in one tensor; in directories that and the other products lie on their side (Conv1D). */
#include "model/arch.h"

/* clang-format off */
static const qn_key keys[] = {
    /*  field                GGUF, after "gpt2."                config.json                default */
    {QN_CFG_I(layers),    "block_count",                      "n_layer",                 QN_REQUIRED},
    {QN_CFG_I(D),         "embedding_length",                 "n_embd",                  QN_REQUIRED},
    {QN_CFG_I(F),         "feed_forward_length",              "n_inner",                 QN_TIMES(4, D)},
    {QN_CFG_I(heads),     "attention.head_count",             "n_head",                  QN_REQUIRED},
    {QN_CFG_I(kv_heads),  NULL,                               NULL,                      QN_SAME_AS(heads)},
    {QN_CFG_I(context),   "context_length",                   "n_positions|n_ctx",       QN_OR(1024)},
    {QN_CFG_F(norm_eps),  "attention.layer_norm_epsilon",     "layer_norm_epsilon",      QN_OR(1e-5)},
};

static const qn_param params[] = {
    /* id                  GGUF                         safetensors                             shape    flags */
    {QN_P_EMBED,          "token_embd.weight",         "transformer.wte.weight",               "V D",   QN_EMBEDDING},
    {QN_P_POSITIONS,      "position_embd.weight",      "transformer.wpe.weight",               "C D",   QN_NO_BLOCKS},
    {QN_P_ATTN_NORM,      "blk.%d.attn_norm.weight",   "transformer.h.%d.ln_1.weight",         "D",     QN_NO_DECAY},
    {QN_P_ATTN_NORM_BIAS, "blk.%d.attn_norm.bias",     "transformer.h.%d.ln_1.bias",           "D",     QN_NO_DECAY},
    {QN_P_Q,              "blk.%d.attn_q.weight",      "transformer.h.%d.attn.q.weight",       "D D",   QN_LORA | QN_HF_TRANSPOSED},
    {QN_P_K,              "blk.%d.attn_k.weight",      "transformer.h.%d.attn.k.weight",       "D D",   QN_LORA | QN_HF_TRANSPOSED},
    {QN_P_V,              "blk.%d.attn_v.weight",      "transformer.h.%d.attn.v.weight",       "D D",   QN_LORA | QN_HF_TRANSPOSED},
    {QN_P_Q_BIAS,         "blk.%d.attn_q.bias",        "transformer.h.%d.attn.q.bias",         "D",     QN_NO_DECAY},
    {QN_P_K_BIAS,         "blk.%d.attn_k.bias",        "transformer.h.%d.attn.k.bias",         "D",     QN_NO_DECAY},
    {QN_P_V_BIAS,         "blk.%d.attn_v.bias",        "transformer.h.%d.attn.v.bias",         "D",     QN_NO_DECAY},
    {QN_P_O,              "blk.%d.attn_output.weight", "transformer.h.%d.attn.c_proj.weight",  "D D",   QN_LORA | QN_HF_TRANSPOSED | QN_RESIDUAL_OUT},
    {QN_P_O_BIAS,         "blk.%d.attn_output.bias",   "transformer.h.%d.attn.c_proj.bias",    "D",     QN_NO_DECAY},
    {QN_P_FFN_NORM,       "blk.%d.ffn_norm.weight",    "transformer.h.%d.ln_2.weight",         "D",     QN_NO_DECAY},
    {QN_P_FFN_NORM_BIAS,  "blk.%d.ffn_norm.bias",      "transformer.h.%d.ln_2.bias",           "D",     QN_NO_DECAY},
    {QN_P_UP,             "blk.%d.ffn_up.weight",      "transformer.h.%d.mlp.c_fc.weight",     "F D",   QN_LORA | QN_HF_TRANSPOSED},
    {QN_P_UP_BIAS,        "blk.%d.ffn_up.bias",        "transformer.h.%d.mlp.c_fc.bias",       "F",     QN_NO_DECAY},
    {QN_P_DOWN,           "blk.%d.ffn_down.weight",    "transformer.h.%d.mlp.c_proj.weight",   "D F",   QN_LORA | QN_HF_TRANSPOSED | QN_RESIDUAL_OUT},
    {QN_P_DOWN_BIAS,      "blk.%d.ffn_down.bias",      "transformer.h.%d.mlp.c_proj.bias",     "D",     QN_NO_DECAY},
    {QN_P_OUT_NORM,       "output_norm.weight",        "transformer.ln_f.weight",              "D",     QN_NO_DECAY},
    {QN_P_OUT_NORM_BIAS,  "output_norm.bias",          "transformer.ln_f.bias",                "D",     QN_NO_DECAY},
    {QN_P_HEAD,           "output.weight",             "lm_head.weight",                       "V D",   QN_TIED | QN_EMBEDDING},
};

static const qn_joint joints[] = {
    {"blk.%d.attn_qkv.weight", "transformer.h.%d.attn.c_attn.weight", {QN_P_Q, QN_P_K, QN_P_V}, 3},
    {"blk.%d.attn_qkv.bias",   "transformer.h.%d.attn.c_attn.bias",   {QN_P_Q_BIAS, QN_P_K_BIAS, QN_P_V_BIAS}, 3},
};
/* clang-format on */

static void spec(const qn_config *c, qn_stack_spec *s) {
    *s = (qn_stack_spec){
        .norm = QN_NORM_LAYER, .norm_place = QN_NORM_PRE, .position = QN_POS_LEARNED, .mask = QN_MASK_CAUSAL,
        .ffn = QN_FFN_PLAIN, .act = c->act,
    };
}

static int refuse(const qn_meta *m, const char *key, bool fine) {
    bool v = fine;
    QN_TRY(qn_meta_get_bool(m, key, &v));
    if (v == fine)
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: %s is %s; only %s is supported", qn_meta_name(m), key, v ? "true" : "false",
                   fine ? "true" : "false");
}

/* reorder_and_upcast_attn is no matter: it says how half precision computes the same thing. */
static int check(const qn_config *c, const qn_meta *m, bool is_gguf) {
    (void)c;
    if (is_gguf)
        return 0;
    QN_TRY(refuse(m, "scale_attn_weights", true));
    QN_TRY(refuse(m, "scale_attn_by_inverse_layer_idx", false));
    return refuse(m, "add_cross_attention", false);
}

static void save_hf(const qn_config *c, const bool *has, qn_jw *w) {
    (void)has;
    qn_jw_key(w, "architectures");
    qn_jw_open(w, '[');
    qn_jw_str(w, qn_str_of(qn_arch_gpt2.hf_class[0]));
    qn_jw_close(w);
    qn_jw_key(w, "model_type");
    qn_jw_str(w, qn_str_of(qn_arch_gpt2.hf_type[0]));
    qn_jw_key(w, "n_positions");                        /* what counts; the table writes its old name n_ctx */
    qn_jw_i64(w, c->context);
}

static int save_check(const qn_config *c, const bool *has, bool is_gguf) {
    (void)has;
    if (is_gguf && c->act != QN_ACT_GELU_TANH)
        return qn_fail(QN_EUNSUPPORTED, "a gpt2 GGUF cannot say that the activation is not GELU by its tanh form");
    return 0;
}

const qn_arch qn_arch_gpt2 = {
    .name = "gpt2",
    .hf_class = {"GPT2LMHeadModel"},
    .hf_type = {"gpt2"},
    .hf_prefix = "transformer.",
    .unused = {".attn.bias", ".attn.masked_bias"},
    .act_key = "activation_function", .act = QN_ACT_GELU_TANH, .tied = true,
    .keys = keys, .n_keys = QN_LEN(keys), .params = params, .n_params = QN_LEN(params),
    .joints = joints, .n_joints = QN_LEN(joints),
    .check = check, .spec = spec, .save_check = save_check, .save_hf = save_hf,
};
