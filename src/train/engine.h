/* train/engine.h — rows of tokens through the model, forward and back: losses, gradients.
 *
 * An engine is the training half of what a session is for inference: the same graph (model/stack.c), the same kernels,
 * keys and values in pages of the same cache. It owns the graph, its activations, the pages and one flat array of
 * gradients; it borrows the parameters. One pass takes up to `rows` rows of at most `context` tokens; pieces of a row
 * are segments of their own, so that nothing in a pack sees its neighbours. Where two pieces of a row begin alike (the
 * prompt of two answers, the system's message of a chat), the tokens that they share are computed once, and what is
 * learned from either meets there: the losses have the same bits, the gradients are the same sums in another order.
 *
 *     qn_engine_clear(e);
 *     for each pass of the batch:  loss += qn_engine_run(e, row, n, weight, true);       // gradients are added
 *
 * `weight` is one over the supervised tokens of the whole batch: however the batch is cut into passes, the sum is the
 * mean over its tokens, and so are the gradients.
 *
 * Where the weight of a token hangs on what the model makes of its answer, a pass comes in two halves:
 *
 *     qn_engine_forward(e, row, n, true);               // ln p of every supervised token, summed up piece by piece
 *     qn_engine_pieces_get(e) …  qn_engine_weigh(e, piece, w);    // ∂objective/∂(−Σ ln p) of each
 *     qn_engine_backward(e);                            // adds the gradients of Σ weight·(−ln p)
 *
 * The sum of a piece has the same bits whatever stands beside it and however rows are cut into passes. */
#ifndef QN_TRAIN_ENGINE_H
#define QN_TRAIN_ENGINE_H

#include "data/dataset.h"
#include "model/params.h"

typedef struct {
    int64_t context, rows;              /* tokens of a row, rows of a pass: at most */
    int64_t max_pieces;                 /* of a row */
    int64_t longest;                    /* tokens of a piece at most; 0: as many as a row has */
    qn_recompute recompute;             /* what backward makes again rather than keep */
    double dropout;                     /* share of what enters the residual stream that is dropped; 0: none */
    bool half_walk;                     /* gradients pass quantized weights as products of BF16 (model.h) */
    double lora_dropout;                /* of what the first matrices of an adapter read, likewise */
    double neftune;                     /* size of the noise on the embedding in passes with a backward half; 0: none */
    uint64_t seed;                      /* of what is dropped, and of the noise */
    bool gradients;                     /* false: losses only, and no memory for more */
} qn_engine_options;

typedef struct qn_engine qn_engine;
/* Plans and reserves; nothing is touched before the first pass. QN_ENOMEM, QN_EINVAL. */
int qn_engine_new(qn_engine **out, qn_params *p, const qn_kernels *k, qn_pool *pool, const qn_engine_options *o);
void qn_engine_free(qn_engine *e);                              /* NULL is fine */

/* Which step it is and which row of its batch the next pass begins with: what passes with a backward half drop depends
 * on it, so that a token drops the same elements however the batch is cut. Passes without one drop nothing. */
void qn_engine_drops(qn_engine *e, int64_t step, int64_t first_row);
/* Whether the adapter that is trained is in what the next passes compute (it is, to begin with): off, a pass without a
 * backward half gives the losses of the model by itself, to the bit. An adapter with rows of tokens stays on: without
 * it the model does not know them. */
void qn_engine_adapter(qn_engine *e, bool on);
float *qn_engine_grad(qn_engine *e);                            /* [params.numbers]; NULL without gradients */
void qn_engine_clear(qn_engine *e);                             /* gradients to zero */
/* Σ weight·(−ln p) over the supervised tokens of n ≤ rows rows, added in their order. Ids were checked against the
 * vocabulary. No allocation. */
double qn_engine_run(qn_engine *e, const qn_row_data *row, int64_t n, double weight, bool backward);

/* ---- in two halves ---- */

/* Tokens [first, first + n) of the supervised ones are those of a piece; n 0: none is. */
typedef struct { int64_t row, piece, first, n; double logp; } qn_engine_piece;  /* logp: Σ ln p, not above 0 */
typedef struct { int64_t n; const qn_engine_piece *piece; } qn_engine_pieces;

/* n ≤ rows rows forward. Nothing is dropped, no noise is added. No allocation. follows: the second half is likely to
 * (it may either way): a head that is not trained then multiplies for it, too, as long as the logits are there; what
 * comes of it is weighed later. */
void qn_engine_forward(qn_engine *e, const qn_row_data *row, int64_t n, bool follows);
qn_engine_pieces qn_engine_pieces_get(const qn_engine *e);      /* of that pass, in order; empty ones are left out */
/* Weighs −ln p of all tokens of its i-th piece; without, they weigh 0. Or token by token, [supervised tokens]. */
void qn_engine_weigh(qn_engine *e, int64_t i, double weight);
float *qn_engine_weights(qn_engine *e);
/* The reverse walk of that pass. Nothing that weighs anything: nothing is done. */
void qn_engine_backward(qn_engine *e);

/* The supervised tokens of the last pass, in order: their targets and weight·(−ln p); the latter only where there was
 * no backward half. */
typedef struct { int64_t n; const int32_t *target; const float *loss; } qn_engine_losses;
qn_engine_losses qn_engine_losses_get(const qn_engine *e);

/* flops: of the last pass, backward included. reserved: bytes of activations, gradients, pages, scratch. */
typedef struct { int64_t flops; size_t reserved; } qn_engine_info;
qn_engine_info qn_engine_info_get(const qn_engine *e);

/* Time per op since it was switched on; forward, made again and backward apart (graph.h). */
void qn_engine_profile(qn_engine *e, bool on);
int qn_engine_times(const qn_engine *e, qn_op_time *out, int cap);

#endif
