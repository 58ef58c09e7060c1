/* model/arch_bert.c — BERT: an encoder. Every token sees all others of its text, norms stand behind the residual,
 * positions are learned, and each token has a type: the first text of a pair, which a text alone is, or the second.
 *
 * Directories name its tensors with and without "bert." in front, and old ones spell norms gamma and beta. What was
 * trained on top (the pooler, the guessing of masked words) is no part of the encoder. */
#include "model/arch.h"

/* clang-format off */
static const qn_key keys[] = {
    /*  field                GGUF, after "bert."                config.json                default */
    {QN_CFG_I(layers),    "block_count",                      "num_hidden_layers",       QN_REQUIRED},
    {QN_CFG_I(D),         "embedding_length",                 "hidden_size",             QN_REQUIRED},
    {QN_CFG_I(F),         "feed_forward_length",              "intermediate_size",       QN_REQUIRED},
    {QN_CFG_I(heads),     "attention.head_count",             "num_attention_heads",     QN_REQUIRED},
    {QN_CFG_I(kv_heads),  NULL,                               NULL,                      QN_SAME_AS(heads)},
    {QN_CFG_I(context),   "context_length",                   "max_position_embeddings", QN_OR(512)},
    {QN_CFG_F(norm_eps),  "attention.layer_norm_epsilon",     "layer_norm_eps",          QN_OR(1e-12)},
    {QN_CFG_I(types),     "tokenizer.ggml.token_type_count",  "type_vocab_size",         QN_OR(2)},
};

#define LAYER "encoder.layer.%d."
static const qn_param params[] = {
    /* id                   GGUF                              safetensors                               shape   flags */
    {QN_P_EMBED,           "token_embd.weight",              "embeddings.word_embeddings.weight",       "V D",  QN_EMBEDDING},
    {QN_P_TYPES,           "token_types.weight",             "embeddings.token_type_embeddings.weight", "Ty D", QN_NO_BLOCKS | QN_F32_IN_GGUF},
    {QN_P_POSITIONS,       "position_embd.weight",           "embeddings.position_embeddings.weight",   "C D",  QN_NO_BLOCKS | QN_F32_IN_GGUF},
    {QN_P_EMBED_NORM,      "token_embd_norm.weight",         "embeddings.LayerNorm.weight",             "D",    QN_NO_DECAY},
    {QN_P_EMBED_NORM_BIAS, "token_embd_norm.bias",           "embeddings.LayerNorm.bias",               "D",    QN_NO_DECAY},
    {QN_P_Q,               "blk.%d.attn_q.weight",           LAYER "attention.self.query.weight",       "D D",  0},
    {QN_P_Q_BIAS,          "blk.%d.attn_q.bias",             LAYER "attention.self.query.bias",         "D",    QN_NO_DECAY},
    {QN_P_K,               "blk.%d.attn_k.weight",           LAYER "attention.self.key.weight",         "D D",  0},
    {QN_P_K_BIAS,          "blk.%d.attn_k.bias",             LAYER "attention.self.key.bias",           "D",    QN_NO_DECAY},
    {QN_P_V,               "blk.%d.attn_v.weight",           LAYER "attention.self.value.weight",       "D D",  0},
    {QN_P_V_BIAS,          "blk.%d.attn_v.bias",             LAYER "attention.self.value.bias",         "D",    QN_NO_DECAY},
    {QN_P_O,               "blk.%d.attn_output.weight",      LAYER "attention.output.dense.weight",     "D D",  0},
    {QN_P_O_BIAS,          "blk.%d.attn_output.bias",        LAYER "attention.output.dense.bias",       "D",    QN_NO_DECAY},
    {QN_P_ATTN_NORM,       "blk.%d.attn_output_norm.weight", LAYER "attention.output.LayerNorm.weight", "D",    QN_NO_DECAY},
    {QN_P_ATTN_NORM_BIAS,  "blk.%d.attn_output_norm.bias",   LAYER "attention.output.LayerNorm.bias",   "D",    QN_NO_DECAY},
    {QN_P_UP,              "blk.%d.ffn_up.weight",           LAYER "intermediate.dense.weight",         "F D",  0},
    {QN_P_UP_BIAS,         "blk.%d.ffn_up.bias",             LAYER "intermediate.dense.bias",           "F",    QN_NO_DECAY},
    {QN_P_DOWN,            "blk.%d.ffn_down.weight",         LAYER "output.dense.weight",               "D F",  0},
    {QN_P_DOWN_BIAS,       "blk.%d.ffn_down.bias",           LAYER "output.dense.bias",                 "D",    QN_NO_DECAY},
    {QN_P_FFN_NORM,        "blk.%d.layer_output_norm.weight", LAYER "output.LayerNorm.weight",          "D",    QN_NO_DECAY},
    {QN_P_FFN_NORM_BIAS,   "blk.%d.layer_output_norm.bias",  LAYER "output.LayerNorm.bias",             "D",    QN_NO_DECAY},
};
/* clang-format on */

static void spec(const qn_config *c, qn_stack_spec *s) {
    *s = (qn_stack_spec){
        .norm = QN_NORM_LAYER, .norm_place = QN_NORM_POST, .position = QN_POS_LEARNED, .mask = QN_MASK_BOTH,
        .ffn = QN_FFN_PLAIN, .act = c->act,
    };
}

/* A member of config.json that must not be true. */
static int refuse(const qn_meta *m, const char *key) {
    bool on = false;
    QN_TRY(qn_meta_get_bool(m, key, &on));
    return on ? qn_fail(QN_EUNSUPPORTED, "%s: %s is true; bert is an encoder here, and only that", qn_meta_name(m), key)
              : 0;
}

static int check(const qn_config *c, const qn_meta *m, bool is_gguf) {
    qn_str kind = QN_STR("absolute");
    bool causal = false;
    if (c->types < 1)
        return qn_fail(QN_EFORMAT, "%s: %lld token types; at least one is expected", qn_meta_name(m),
                       (long long)c->types);
    if (is_gguf) {
        QN_TRY(qn_meta_get_bool(m, "bert.attention.causal", &causal));
        return causal ? qn_fail(QN_EUNSUPPORTED, "%s: bert.attention.causal is true; only false is supported",
                                qn_meta_name(m)) : 0;
    }
    QN_TRY(qn_meta_get_str(m, "position_embedding_type", &kind));
    if (!qn_str_is(kind, "absolute"))
        return qn_fail(QN_EUNSUPPORTED, "%s: position_embedding_type is \"%.*s\"; only \"absolute\" is supported",
                       qn_meta_name(m), QN_STR_ARG(kind));
    QN_TRY(refuse(m, "is_decoder"));
    return refuse(m, "add_cross_attention");
}

static int save_check(const qn_config *c, const bool *has, bool is_gguf) {
    (void)has;
    if (is_gguf && c->act != QN_ACT_GELU)
        return qn_fail(QN_EUNSUPPORTED, "a bert GGUF cannot say that the activation is not GELU");
    return 0;
}

static void save_hf(const qn_config *c, const bool *has, qn_jw *w) {
    (void)c;
    (void)has;
    qn_jw_key(w, "architectures");
    qn_jw_open(w, '[');
    qn_jw_str(w, qn_str_of(qn_arch_bert.hf_class[0]));
    qn_jw_close(w);
    qn_jw_key(w, "model_type");
    qn_jw_str(w, qn_str_of(qn_arch_bert.hf_type[0]));
    qn_jw_key(w, "position_embedding_type");
    qn_jw_str(w, QN_STR("absolute"));
}

const qn_arch qn_arch_bert = {
    .name = "bert",
    .hf_class = {"BertModel", "BertForMaskedLM", "BertForPreTraining"},
    .hf_type = {"bert"},
    .hf_prefix = "bert.",
    .alias = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}},
    .unused = {"position_ids", "pooler.dense.weight", "pooler.dense.bias", "cls.predictions.bias",
               "cls.predictions.decoder.weight", "cls.predictions.decoder.bias",
               "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
               "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
               "cls.predictions.transform.LayerNorm.gamma", "cls.predictions.transform.LayerNorm.beta",
               "cls.seq_relationship.weight", "cls.seq_relationship.bias"},
    .act_key = "hidden_act", .act = QN_ACT_GELU,
    .keys = keys, .n_keys = QN_LEN(keys), .params = params, .n_params = QN_LEN(params),
    .check = check, .spec = spec, .save_check = save_check, .save_hf = save_hf,
};
