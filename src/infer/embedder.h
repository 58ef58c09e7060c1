/* infer/embedder.h — texts to vectors: tokenizer, encoder, pooling, length 1.
 *
 *     qn_embedding as;
 *     QN_TRY(qn_source_embedding(source, &as));                // how the model's files say it is done; may be changed
 *     QN_TRY(qn_embedder_new(&e, model, tok, &as, kernels, pool, &(qn_embed_options){.kv = -1}));
 *     QN_TRY(qn_embed(e, texts, n, out, told));                // out [n, qn_embedder_width(e)]
 *
 * A text's vector does not depend on the texts beside it, on their order, or on the threads: the same bits. Pooling and
 * length are reckoned in double and rounded once. */
#ifndef QN_INFER_EMBEDDER_H
#define QN_INFER_EMBEDDER_H

#include "infer/encoder.h"
#include "model/embedding.h"

typedef struct qn_embedder qn_embedder;

typedef struct {
    bool truncate;              /* a text that is too long is cut, and `told` says so; else it is an error */
    const char *cut_by;         /* what the caller's user says to have texts cut: that error names it; or NULL */
    bool parse_special;         /* "[SEP]" in a text is a token; else it is seven characters */
    int kv;                     /* as the encoder's */
    int64_t rows;
    const atomic_bool *cancel;
} qn_embed_options;

/* Borrows model, tokenizer, kernels and pool. QN_EINVAL: nobody says how this model pools (as->pooling is UNSAID), or
 * as->max_tokens has no room for a token of the text; what qn_encoder_new says. */
int qn_embedder_new(qn_embedder **out, const qn_model *m, const qn_tok *tok, const qn_embedding *as,
                    const qn_kernels *k, qn_pool *pool, const qn_embed_options *o);
void qn_embedder_free(qn_embedder *e);                      /* NULL is fine */
int64_t qn_embedder_width(const qn_embedder *e);            /* numbers of a vector */
int64_t qn_embedder_max_tokens(const qn_embedder *e);

typedef struct { int64_t tokens, had; } qn_embedded;        /* read, and those that the text has; more only where cut */

/* out [n, width]; told [n] or NULL. `number`: what the first text is called in messages, 1 for people. QN_ECONTEXT: a
 * text is too long, with the numbers; QN_EINVAL: one has no tokens at all; QN_EUTF8; QN_ECANCEL; QN_ENOMEM. */
int qn_embed(qn_embedder *e, const qn_str *texts, int64_t n, int64_t number, float *out, qn_embedded *told);
/* … with texts cut to `most` tokens, whatever the options say; 0: one that is too long is an error. */
int qn_embed_cut(qn_embedder *e, const qn_str *texts, int64_t n, int64_t number, int64_t most, float *out,
                 qn_embedded *told);
/* The same for ids that are there already, the ones around a text included. */
int qn_embed_ids(qn_embedder *e, const qn_token_text *texts, int64_t n, float *out);
/* Cuts the ids from `at` on to `most`; what a tokenizer puts behind a text stays behind it. How many are left. */
int64_t qn_embedder_cut(const qn_embedder *e, int64_t most, qn_ids *ids, size_t at);
/* Can a text of n tokens be read? The errors of qn_embed. */
int qn_embedder_check(const qn_embedder *e, int64_t n, int64_t number);

/* One text's hidden states [n,D] to its vector [D]; sum: room for D doubles. */
void qn_embed_pool(qn_pooling pooling, bool normalize, const float *hidden, int64_t n, int64_t D, double *sum,
                   float *out);

#endif
