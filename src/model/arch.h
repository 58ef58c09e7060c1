/* model/arch.h — a model family as three tables and a spec: config keys, parameters, wiring.
 *
 * From the parameter table come loader, (later) saver, init, optimizer groups, LoRA targets, quantization policy and
 * `quern info`. Adding a family = one arch_<name>.c, one row of arch_list.inc, one fixture. */
#ifndef QN_MODEL_ARCH_H
#define QN_MODEL_ARCH_H

#include "model/config.h"

/* Roles that the shared stack knows. */
typedef enum {
    QN_P_EMBED, QN_P_POSITIONS,
    QN_P_ATTN_NORM, QN_P_ATTN_NORM_BIAS,
    QN_P_Q, QN_P_K, QN_P_V, QN_P_O, QN_P_Q_BIAS, QN_P_K_BIAS, QN_P_V_BIAS, QN_P_O_BIAS,
    QN_P_FFN_NORM, QN_P_FFN_NORM_BIAS,
    QN_P_GATE, QN_P_UP, QN_P_DOWN, QN_P_GATE_BIAS, QN_P_UP_BIAS, QN_P_DOWN_BIAS,
    QN_P_OUT_NORM, QN_P_OUT_NORM_BIAS, QN_P_HEAD,
    QN_P_TYPES, QN_P_EMBED_NORM, QN_P_EMBED_NORM_BIAS, QN_PARAMS
} qn_param_id;

/* Draws of adapters and merges number a weight by layer · this + id. It stays as it was when the first of them were
 * drawn: all that they are drawn for stands before it. */
enum { QN_DRAWN_PARAMS = QN_P_HEAD + 1 };

enum {
    QN_NO_DECAY = 1,            /* optimizers do not decay it */
    QN_LORA = 2,                /* adapters may sit here */
    QN_ROPE_PERMUTED = 4,       /* GGUF files hold the rows of each head interleaved: row 2i+j is half j, pair i */
    QN_OPTIONAL = 8,            /* absent in many models of the family */
    QN_TIED = 16,               /* absent when tied: the embedding serves */
    QN_EMBEDDING = 32,          /* quantization policies and optimizers treat it apart */
    QN_RESIDUAL_OUT = 64,       /* writes into the residual stream: fresh ones are smaller in deeper models */
    QN_HF_TRANSPOSED = 128,     /* directories hold [in,out] where the product reads [out,in] */
    QN_NO_BLOCKS = 256,         /* never block-quantized: a table that is only looked up, and small */
    QN_F32_IN_GGUF = 512           /* llama.cpp reads it as F32 and as nothing else */
};

typedef struct {
    qn_param_id id;
    const char *gguf, *hf;      /* names; %d is the layer. A name without it stands once */
    const char *shape;          /* "H*Dh D": symbols V D F H Hkv Dh C Ty, products, numbers */
    int flags;
} qn_param;

/* A tensor of files that holds several parameters, the rows of one below those of the other. They are as wide and have
 * the same flags; their own names stand in graphs and messages only. */
typedef struct {
    const char *gguf, *hf;
    qn_param_id part[4];
    int parts;
} qn_joint;

typedef enum { QN_NORM_RMS, QN_NORM_LAYER } qn_norm_type;
typedef enum { QN_NORM_PRE, QN_NORM_POST } qn_norm_place;      /* before a half of a block, or behind its residual */
typedef enum { QN_POS_ROPE, QN_POS_LEARNED } qn_position;
typedef enum { QN_MASK_CAUSAL, QN_MASK_BOTH } qn_mask;          /* a token sees those before it, or all of its text */
typedef enum { QN_FFN_GATED, QN_FFN_PLAIN } qn_ffn;

/* What the shared stack (stack.c) does differently for different families. */
typedef struct {
    qn_norm_type norm;
    qn_norm_place norm_place;
    qn_position position;
    qn_mask mask;
    qn_ffn ffn;
    qn_act act;
    int64_t window;             /* 0 = none */
    double score_scale;         /* 0 = 1/sqrt(Dh) */
    double score_cap;           /* 0 = none */
} qn_stack_spec;

typedef struct qn_arch {
    const char *name;                       /* general.architecture */
    const char *hf_class[4];                /* architectures[0] of config.json */
    const char *hf_type[4];                 /* model_type */
    const char *hf_prefix;                  /* of names in directories, where some have it and some not; else NULL.
                                             * The table says how names are written */
    const char *alias[4][2];                /* ends of names in directories, and how older ones spell them */
    const char *unused[16];                 /* ends of names that stand in files and mean nothing: old buffers */
    const qn_key *keys;
    size_t n_keys;
    const qn_param *params;
    size_t n_params;
    const qn_joint *joints;
    size_t n_joints;
    const char *act_key;                    /* member of config.json that names the activation */
    qn_act act;                             /* where nobody names it */
    bool tied;                              /* a config.json that says nothing of tying */
    int (*check)(const qn_config *c, const qn_meta *m, bool is_gguf);   /* refuses what is not done here; or NULL */
    void (*spec)(const qn_config *c, qn_stack_spec *s);
    /* Writing (save.h); `has`: [QN_PARAMS] which parameters the model has. Whether the form can say what the model is,
     * and the members of config.json that no key of the table covers: architectures, model_type … */
    int (*save_check)(const qn_config *c, const bool *has, bool is_gguf);
    void (*save_hf)(const qn_config *c, const bool *has, qn_jw *w);
} qn_arch;

#define QN_ARCH(name) extern const qn_arch qn_arch_##name;
#include "model/arch_list.inc"
#undef QN_ARCH

/* NULL where no family has that name; qn_arch_names lists the known ones for messages. */
const qn_arch *qn_arch_by_gguf(qn_str name);
const qn_arch *qn_arch_by_hf(qn_str class_name, qn_str model_type);
const char *qn_arch_names(void);

const qn_param *qn_arch_param(const qn_arch *a, qn_param_id id);       /* NULL: the family has none */
/* The shape of a parameter in numbers; rank 1 or 2. */
int qn_param_shape(const qn_param *p, const qn_config *c, int64_t dim[2]);
/* Its own name in one spelling, with the layer filled in; and that of the tensor which holds it in files. */
int qn_param_name(const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out);
int qn_param_stored_name(const qn_arch *a, const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out);
const qn_joint *qn_arch_joint(const qn_arch *a, qn_param_id id);      /* NULL: it has a tensor of its own */
bool qn_param_per_layer(const qn_param *p);
/* Reads texts whole and continues none. qn_arch_continues: QN_EUNSUPPORTED, with what to do, where that is so; `what`
 * is the model's file, or NULL. */
bool qn_arch_is_encoder(const qn_arch *a, const qn_config *c);
int qn_arch_continues(const qn_arch *a, const qn_config *c, const char *what);
/* A tensor that files of the family carry for nothing. */
bool qn_arch_leaves_out(const qn_arch *a, qn_str tensor);

#endif
