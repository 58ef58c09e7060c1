/* model/model.h — storey 5: published models as configuration, parameters and graphs. Front door.
 *
 *   source.c      a MODEL argument (GGUF file, model directory, tokenizer.json), opened and checked, nothing loaded
 *   tokenizer.c   its tokenizer
 *   config.h .c   its numbers, from either spelling      rope_freq.c
 *   arch.h .c     the families: arch_<name>.c, one table each of keys, parameters, wiring (arch_list.inc)
 *   stored.h .c   where a parameter lies in a file: alone or among others, as it is used or transposed
 *   load.c        names bound to tensors, shapes checked
 *   packing.h .c  weights packed for this machine: at once, or behind the first tokens
 *   adapter.h     low-rank adapters beside a model's weights
 *   fingerprint.c what a model in memory is, in sixteen digits
 *   blank.c       a model without a file      params.h .c   the parameters of a model that is trained
 *   stack.c       the shared stack: parameters and spec to a graph
 *   embedding.h .c  how a model's hidden states become one vector per text
 *   save.h        what stands beside the weights of a model that is written (save_*.c)
 *   convert.h     a whole model from one form to the other (convert*.c)
 *
 * A model is immutable and shared by any number of sessions; a session (infer/) is one mutable timeline. */
#ifndef QN_MODEL_MODEL_H
#define QN_MODEL_MODEL_H

#include "base/pool.h"
#include "format/format.h"
#include "graph/graph.h"
#include "model/arch.h"
#include "tok/tok.h"

/* ---- a model on disk ---- */

typedef struct qn_source qn_source;

/* Opens what a user names as MODEL: a GGUF file, a directory with config.json, or a tokenizer alone (tokenizer.json, or
 * a directory with that and no config.json). Weights are mapped, not read. QN_ENOTFOUND, QN_EFORMAT …; the message
 * names the file and what was expected. */
int qn_source_open(qn_source **out, const char *path);
void qn_source_close(qn_source *s);                             /* NULL is fine */
/* What these return is borrowed and lives as long as the source. A source may be read by several threads at once. */
const char *qn_source_path(const qn_source *s);                 /* as it was named */
bool qn_source_is_gguf(const qn_source *s);
const qn_meta *qn_source_meta(const qn_source *s);              /* GGUF metadata or config.json; NULL: neither */
const qn_tensor_file *qn_source_tensors(const qn_source *s);     /* NULL where there are no weights */

/* The family (static) and its numbers. QN_EUNSUPPORTED names the architecture and those that are known; QN_EFORMAT: a
 * key is missing or the numbers do not fit together; QN_EINVAL: the source is a tokenizer alone. */
int qn_source_config(const qn_source *s, const qn_arch **arch, qn_config *c);
/* The tokenizer, which borrows nothing of the source; the caller frees it. QN_ENOTFOUND: there is none;
 * QN_EUNSUPPORTED, QN_EFORMAT, QN_ELIMIT, QN_ENOMEM. */
int qn_source_tokenizer(const qn_source *s, qn_tok **out);
int qn_source_chat_template(const qn_source *s, qn_str *out);    /* 1 found, 0 none (use ChatML), <0 error */
/* The ids that end an answer, also of a tokenizer alone with generation_config.json beside it; *n is 0 where nobody
 * says. Errors as qn_source_config. */
int qn_source_ends(const qn_source *s, int64_t ends[QN_MAX_EOS], int64_t *n);

/* What the model's authors recommend for sampling (generation_config.json, general.sampling.* of GGUF); NaN = not
 * said. */
typedef struct { double temperature, top_p, top_k, min_p, repetition_penalty; } qn_sampling_defaults;
int qn_source_sampling(const qn_source *s, qn_sampling_defaults *d);     /* QN_EFORMAT: a value that is no number */

/* A tokenizer straight from a path; errors as qn_source_open and qn_source_tokenizer. */
int qn_model_tokenizer(qn_tok **out, const char *path);

/* ---- a model in memory ---- */

typedef struct {
    int weights;            /* a qn_dtype that all matrices are converted to, or -1: as they are stored */
    bool keep_pages;        /* do not give the mapped pages back after packing (several loads of one file) */
    bool behind;            /* matrices that can be multiplied as they are stored wait in the file: see below */
} qn_model_options;
enum { QN_WEIGHTS_AS_IS = -1 };

typedef struct qn_model {
    qn_config cfg;
    const qn_arch *arch;
    qn_stack_spec spec;
    qn_tensor *param;               /* [layers + 1][QN_PARAMS]; row 0: those that stand once; rank 0: absent */
    char *arena;                    /* all packed weights */
    size_t arena_bytes;
    int weights;                    /* as asked for */
    int64_t n_params;               /* numbers, tied ones once */
    qn_dtype main_dtype;            /* packed dtype that holds most numbers of the matrices */
    uint64_t epoch;                 /* grows when a trainer publishes new weights; sessions compare */
    struct qn_packing *packing;     /* of a model that was loaded with `behind`, else NULL */
    char *identity;                 /* "llama, 134.5 M parameters, q4_1+q8_0 as stored": what was evaluated */
} qn_model;

/* Binds, checks and packs; nothing large is allocated before everything has been checked. The pool (NULL: this thread
 * alone) shares out the packing. The source may be closed afterwards; its mapped pages have been given back.
 * QN_ENOTFOUND (a tensor, or all weights), QN_ESHAPE, QN_EUNSUPPORTED (its type), QN_EIO (the file has become shorter),
 * QN_EINVAL (the options), and what qn_source_config says; QN_ENOMEM. */
int qn_model_load(qn_model **out, const qn_source *s, const qn_model_options *o, qn_pool *pool);
/* A model loaded with `behind` is ready before its weights are packed. Until they are (settled), the source stays open,
 * and nobody but sessions may read the weights: these do, from whatever is there, with the same bits (decision 021).
 * Any thread may pack, also while sessions run. */
bool qn_model_settled(const qn_model *m);
bool qn_model_runs_unpacked(const qn_model *m, const qn_kernels *k);    /* false: with this table it must be settled */
void qn_model_settle(const qn_model *m, qn_pool *pool);         /* packs what is missing, and waits for others who do */
void qn_model_pack_on(const qn_model *m, qn_pool *pool);        /* a small part of what is missing: between two runs */
bool qn_model_pack_next(const qn_model *m);     /* a smaller one, on this thread; false: nothing is left to be begun */
bool qn_model_fetch_next(const qn_model *m);    /* the pages of as much of the file, ready for a first run */
/* A model without a file: every parameter of the family in its place, all of them zero; of the optional ones those that
 * has[id] names (NULL: none), and no head of its own where c->tied. Matrices in F32 or BF16 (QN_EINVAL: others). What
 * fills it: model/params.h. QN_ENOMEM. */
int qn_model_blank(qn_model **out, const qn_arch *arch, const qn_config *c, const bool *has, qn_dtype matrices);
/* 16 digits of every number that the model holds, of its shapes, and of what is done with them (heads, epsilon, RoPE):
 * the same on every machine and for any threads. */
int qn_model_fingerprint(const qn_model *m, qn_pool *pool, char out[17]);       /* QN_ENOMEM */
/* 16 digits of its vectors alone, norms and biases, which every form and dtype keeps to the bit: a model that was
 * quantized or converted has those of the one it was made of, any other training has others. */
void qn_model_pedigree(const qn_model *m, char out[17]);
void qn_model_free(qn_model *m);                /* NULL is fine; no session may borrow it any more */
/* The KV dtype that fits the model's product at the kernels' level (docs/NUMERICS.md): f32 where most weights are F32,
 * else bf16 with bf16 dots, f16 without. */
qn_dtype qn_default_kv(const qn_model *m, const qn_kernels *k);
/* The parameter, borrowed: a matrix [N,K] in panels, a vector as F32 rows; rank 0 where the model has none. layer, from
 * 0, is ignored for parameters that stand once. */
const qn_tensor *qn_model_param(const qn_model *m, qn_param_id id, int64_t layer);

/* ---- a model as a graph ---- */

struct qn_adapter;

typedef struct {
    qn_dtype kv;                    /* dtype of the KV cache */
    int64_t max_context;
    const struct qn_adapter *const *adapter;    /* [n_adapters] behind the products, in this order (adapter.h); checked
                                                 * against the model, and outliving the graph */
    int n_adapters;
    double lora_dropout;            /* > 0: of what A reads, in runs that ask for dropout */
    bool half_walk;                 /* gradients pass quantized weights and adapters as products of BF16 */
    double dropout;                 /* > 0: nodes that drop this share of what enters the residual stream, in runs that
                                     * ask for it (qn_batch.dropout) */
    double neftune;                 /* > 0: a node that adds noise of this size to the embedding, likewise */
} qn_graph_options;

/* The body: ids [T] i32, positions [T] i32 → the last residual [T,D]. Values are named blk.3.attn.out and the like
 * (docs/SHAPES.md). The run data of every run is a qn_batch. Parameters are borrowed: m outlives g. Errors as the
 * builder functions of graph.h. */
typedef struct { qn_ref ids, positions, types, residual; } qn_body_refs;   /* types [T] i32; −1: the family has none */
int qn_model_body(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_body_refs *refs);

/* The head, apart from the body because only some rows need it and a few at a time: residual [T,D], index [S] i32 →
 * hidden [S,D] (after the last norm), logits [S,V], as wide as the tokens of the adapters ask for. Of o only adapters
 * count here; the run data is that of the body's run. */
typedef struct { qn_ref residual, index, hidden, logits; } qn_head_refs;
int qn_model_head(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_head_refs *refs);

/* Texts read whole, each a segment of its own that begins at position 0 and lies in one run: ids, positions (and types)
 * → hidden [T,D], behind the last norm. No text is continued, so the KV pool of the run has one layer, which every
 * layer uses anew. Of families that write, too: each token then sees those before it. */
typedef struct { qn_ref ids, positions, types, hidden; } qn_encode_refs;
int qn_model_encode(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_encode_refs *refs);

/* Body, head and cross entropy in one graph, for training: ids, positions [T] i32; index, target [S] i32, weight [S]
 * real → loss [S], weight · −log p(target), kept; never all logits. The run data is a qn_batch. Parameters go by their
 * GGUF names (qn_param_name), a tied embedding once; the caller finds them with qn_graph_find, marks them with
 * qn_graph_train and seeds the loss. The residual after layer N is "blk.N.ffn.residual". */
typedef struct { qn_ref ids, positions, index, target, weight, loss; } qn_loss_refs;
int qn_model_loss(const qn_model *m, qn_graph *g, const qn_graph_options *o, qn_loss_refs *refs);

#endif
