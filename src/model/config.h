/* model/config.h — what a model is made of, whichever file it comes from. */
#ifndef QN_MODEL_CONFIG_H
#define QN_MODEL_CONFIG_H

#include "format/meta.h"
#include "kernels/kernels.h"

enum { QN_ROPE_PAIRS = 128 };        /* most pairs rotated per head */

typedef enum { QN_ROPE_PLAIN, QN_ROPE_LINEAR, QN_ROPE_LLAMA3, QN_ROPE_YARN } qn_rope_scaling;

typedef struct {
    double base;                        /* theta */
    int64_t rot;                        /* rotated elements per head */
    qn_rope_scaling scaling;
    double factor;                      /* how much longer than the original context */
    double original_context;
    double low_freq_factor, high_freq_factor;       /* llama3 */
    double beta_fast, beta_slow, attention_factor;  /* YaRN; attention_factor 0 = 0.1·ln(factor) + 1 */
    float divisor[QN_ROPE_PAIRS];       /* GGUF's rope_freqs.weight: frequency i is divided by it; 0 = none given */
} qn_rope_config;

enum { QN_MAX_EOS = 8 };

typedef struct qn_config {
    int64_t V, D, F, layers, heads, kv_heads, Dh;
    int64_t context;                    /* trained length */
    int64_t window;                     /* sliding window; 0 = none */
    int64_t types;                      /* token types, of families that have them */
    double norm_eps;
    qn_rope_config rope;
    qn_act act;
    bool tied;                          /* the head is the embedding */
    int64_t bos, pad;                   /* -1: none */
    int64_t eos[QN_MAX_EOS];            /* any of them ends an answer */
    int64_t n_eos;
    int compute;                        /* qn_dtype that F32 matrices multiply in (docs/NUMERICS.md); −1: not said */
} qn_config;

/* A row of a family's key table: where a field of qn_config stands in GGUF metadata (after "<arch>.") and in
 * config.json; several spellings are separated by '|', the first that is there counts. A GGUF spelling that begins with
 * "tokenizer." is the whole key. */
typedef enum { QN_FIELD_I64, QN_FIELD_F64 } qn_field_kind;
typedef enum { QN_KEY_REQUIRED, QN_KEY_DEFAULT, QN_KEY_SAME_AS } qn_key_rule;
typedef struct {
    const char *field;                  /* for messages */
    size_t offset;
    qn_field_kind kind;
    const char *gguf, *hf;              /* NULL: not in that form */
    qn_key_rule rule;
    double value;                       /* QN_KEY_DEFAULT; QN_KEY_SAME_AS: so many times */
    size_t same;                        /* QN_KEY_SAME_AS: offset of the field, which stands above in the table */
} qn_key;
#define QN_CFG_I(f) #f, offsetof(qn_config, f), QN_FIELD_I64
#define QN_CFG_F(f) #f, offsetof(qn_config, f), QN_FIELD_F64
#define QN_REQUIRED QN_KEY_REQUIRED, 0, 0
#define QN_OR(v) QN_KEY_DEFAULT, (v), 0
#define QN_SAME_AS(f) QN_TIMES(1, f)
#define QN_TIMES(n, f) QN_KEY_SAME_AS, (n), offsetof(qn_config, f)

struct qn_arch;
/* Fills *c from the table's keys and what all families share (head width, RoPE scaling, tying, vocabulary), and
 * checks that the numbers fit together. is_gguf picks the spellings. The tensors' shapes are checked when they are
 * bound. */
int qn_config_read(qn_config *c, const struct qn_arch *arch, const qn_meta *m, bool is_gguf);

/* Inverse frequencies f_i, radians per position of pair i < rot/2, with the configured scaling; *factor multiplies
 * cos and sin. Su et al. 2021; linear: Chen et al. 2023; YaRN: Peng et al. 2023, eq. 13–17; llama3: as Meta publishes
 * it. */
void qn_rope_frequencies(const qn_rope_config *r, double *freq, double *factor);

#endif
