/* model/adapter.h — low-rank adapters: what is added to a model's products while its weights stay as they are; and rows
 * of the embedding, and of the head, for tokens that the model does not know.
 *
 *     y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ          A [rank,K], B [N,rank]; s = alpha/rank, or alpha/√rank (rsLoRA)
 *
 * (Hu et al. 2021; Kalajdzievski 2023.) With magnitudes (DoRA, Liu et al. 2024) each row of the sum of W and s·B·A is
 * brought to a length of its own:  y = b + g ⊙ (x·Wᵀ + s·(x·Aᵀ)·Bᵀ), g = m / ‖W + s·B·A‖ row by row.
 *
 * A chat template may need tokens that the model has no rows for. Its embedding stays as it is stored; an adapter has
 * the rows of its own: token j of them is embedded as row j of `embed`, and its logit is x · row j of `head`, or, where
 * the head is the embedding (tied), of `embed`. They take the place of stored rows, or lie behind the last of them:
 *
 *     ids            0 … V−1  stored, but for those that are listed        V … rows−1  all listed
 *
 *   adapter.c        the list of pairs, fresh ones          adapter_file.h .c   PEFT directories, GGUF adapters
 *   adapter_tokens.c the rows of tokens                      ops/token_rows.c …  where they enter
 *   merge.h .c       several adapters into the weights       params.c            pairs as parameters to be trained
 *   stack.c          where they enter the graph              ops/lora.c          the second product and the sum
 *   fingerprint.c    what one is, in sixteen digits
 *
 * A model's weights stay what they are, quantized or not; A, B and rows of tokens are F32. Rows of B, and magnitudes,
 * are in the order of Hugging Face's files, as all weights in memory. Sessions only read an adapter and may share
 * it. */
#ifndef QN_MODEL_ADAPTER_H
#define QN_MODEL_ADAPTER_H

#include "model/model.h"

enum { QN_ADAPTERS = 8 };               /* most that one graph knows */

/* One pair. */
typedef struct {
    const qn_param *p;                  /* the weight that it belongs to; flags hold QN_LORA */
    int64_t layer;
    int64_t rank, rows, cols;           /* rows N, columns K of the weight */
    double alpha, scale;                /* scale: s above */
    qn_tensor a, b;                     /* [rank,cols], [rows,rank]: F32 in panels, in the adapter's arena */
    float *magnitude;                   /* [rows] or NULL: no DoRA */
    float *length;                      /* [rows] ‖W + s·B·A‖, made at load and behind each step; beside magnitude */
} qn_lora;

typedef struct qn_adapter {
    const qn_arch *arch;                /* of the model it was made for */
    int64_t layers;
    qn_lora *lora;                      /* [n]: layer by layer, in the order of the family's table */
    size_t n;
    int32_t *at;                        /* [layers][QN_PARAMS] index of a pair, −1: none */
    bool rslora, dora;
    char *arena;
    size_t arena_bytes;
    int32_t *token;                     /* [n_tokens] ascending: tokens with rows of their own */
    int64_t n_tokens;                   /* 0: none has */
    int64_t rows;                       /* the last of them, and one: so many rows it asks the embedding to have */
    qn_tensor embed, head;              /* [n_tokens,D] F32 in panels; head: rank 0 where it has none of its own */
    char *token_arena;
    size_t token_bytes;
    char *name;                         /* the path it was read from; "adapter" for a fresh one */
    char pedigree[17];                  /* of the model it was made on (model.h); "": its files do not say */
} qn_adapter;

/* What a fresh adapter is made of. */
typedef struct {
    int64_t rank;
    double alpha;
    bool rslora, dora;
    const char *targets;                /* "all-linear", or names of PEFT's or of ours with commas between them:
                                         * "q_proj,v_proj", "attn_q,ffn_down"; NULL: all-linear */
    uint64_t seed;
} qn_lora_options;

/* A fresh adapter for m: A uniform in ±1/√K (PEFT's Kaiming rule with a = √5), B zero, so that nothing changes yet;
 * magnitudes are the lengths of W's rows. Draws depend on (seed, pair, index). QN_EINVAL: a rank out of range, a target
 * that the family has not (named, with those it has); QN_ENOMEM. */
int qn_adapter_fresh(qn_adapter **out, const qn_model *m, const qn_lora_options *o, qn_pool *pool);
void qn_adapter_free(qn_adapter *a);                            /* NULL is fine */
const qn_lora *qn_adapter_find(const qn_adapter *a, qn_param_id id, int64_t layer);     /* NULL: no pair there */
/* Does it fit onto m: family, layers, shape of every pair? QN_ESHAPE names the adapter, the pair and both shapes. */
int qn_adapter_check(const qn_adapter *a, const qn_model *m);
/* 16 digits of all that an adapter is: which weights, at which scales, its numbers. */
void qn_adapter_fingerprint(const qn_adapter *a, char out[17]);
/* For the makers of adapters: lists `n` pairs (p, layer, rank, rows, cols, alpha, scale are set) in an arena, in the
 * family's order, all numbers zero. QN_EINVAL: none; QN_EFORMAT: two for one weight; QN_ENOMEM. */
int qn_adapter_new(qn_adapter **out, const qn_arch *arch, int64_t layers, const qn_lora *pairs, size_t n, bool dora);
/* For the makers of adapters: room for the rows of n tokens, ids in any order, all numbers zero; head: for those of the
 * head too. row[i] (NULL: nobody asks): which row id[i] has. QN_EFORMAT: a token twice, or an id below 0; QN_ENOMEM. */
int qn_adapter_add_tokens(qn_adapter *a, const int64_t *id, size_t n, int64_t D, bool head, int64_t *row);
/* The same, and their numbers: rows that m has as they are, others the mean of those that it has (Hewitt 2021): as
 * likely as all others taken together. Of the head too, where m has one apart. QN_ESHAPE: ids beyond m's rows that
 * leave a gap. */
int qn_adapter_fresh_tokens(qn_adapter *a, const qn_model *m, const int32_t *id, size_t n);
/* The rows that serve m's head: head, or embed where it is tied; NULL: there are none. */
const qn_tensor *qn_adapter_head(const qn_adapter *a, const qn_model *m);
/* "token_embd.weight.tokens", "output.weight.tokens": what the rows are called in a graph. */
int qn_tokens_name(const qn_adapter *a, bool head, qn_buf *out);
/* How many rows embedding and head have with the tokens of n adapters. */
int64_t qn_adapters_rows(const qn_model *m, const qn_adapter *const *a, int n);
/* "blk.3.attn_q.weight.lora_a": what a part of a pair is called in a graph; part: "lora_a", "lora_b", "lora_m". */
int qn_lora_name(const qn_lora *l, const char *part, qn_buf *out);
/* One matrix of a pair out of its panels and back: row-major [rows of it, columns of it]. */
void qn_lora_unpack(const qn_tensor *t, float *out);
void qn_lora_pack(const qn_tensor *t, const float *from);
/* DoRA: lengths anew from W (decoded tile by tile) and the pair. Does nothing without magnitudes. */
int qn_adapter_lengths(qn_adapter *a, const qn_model *m, qn_pool *pool);
/* The same in room of the caller's, so many floats for a pool of so many threads: no allocation. */
size_t qn_adapter_room(const qn_adapter *a, int workers);
void qn_adapter_lengths_in(qn_adapter *a, const qn_model *m, qn_pool *pool, float *room);

#endif
