/* infer/encoder.h — texts read whole: ids in, hidden states out.
 *
 *     qn_encoder *e;
 *     QN_TRY(qn_encoder_new(&e, model, kernels, pool, &(qn_encoder_options){.kv = -1}));
 *     QN_TRY(qn_encoder_run(e, texts, n, take, arg));          // take(arg, &h): h.hidden [rows,D] of some texts
 *
 * Texts of any lengths stand in a run one behind the other, nothing between them and nothing filled up, so that
 * products have many rows; attention keeps them apart. The hidden states of a text depend on its tokens and on nothing
 * else: not on its neighbours, their order, or the threads (docs/NUMERICS.md).
 *
 *     run   │ [CLS] a b [SEP] │ [CLS] c [SEP] │ [CLS] d e f g [SEP] │ …        segments; positions begin at 0 in each
 *
 * An encoder borrows model, kernel table and pool, and is used by one thread at a time. Models that write are read in
 * the same way, each token seeing those before it. What becomes of hidden states: embedder.h. */
#ifndef QN_INFER_ENCODER_H
#define QN_INFER_ENCODER_H

#include <stdatomic.h>

#include "model/model.h"
#include "ops/attention.h"

typedef struct qn_encoder qn_encoder;

typedef struct {
    int64_t max_tokens;         /* of a text; 0: the model's positions, at most QN_ENCODER_TOKENS */
    int64_t rows;               /* of a run; 0: what is fast. Never less than max_tokens */
    int kv;                     /* qn_dtype that keys and values are rounded to, or -1: the product's */
    const atomic_bool *cancel;  /* looked at between runs; NULL: never */
} qn_encoder_options;

enum { QN_ENCODER_TOKENS = 2048 };      /* memory grows with the longest text: a longer one has to be asked for */

/* QN_EINVAL: a size out of range; QN_ECONTEXT: more tokens than the model has learned positions; QN_EUNSUPPORTED: the
 * KV dtype; QN_ENOMEM. */
int qn_encoder_new(qn_encoder **out, const qn_model *m, const qn_kernels *k, qn_pool *pool,
                   const qn_encoder_options *o);
void qn_encoder_free(qn_encoder *e);                        /* NULL is fine */
int64_t qn_encoder_max_tokens(const qn_encoder *e);
const qn_model *qn_encoder_model(const qn_encoder *e);

typedef struct { const int32_t *ids; int64_t n; } qn_token_text;

/* Texts [first, first + n) of a call after their run: rows [row[i], row[i + 1]) of hidden [·,D] are text first + i. */
typedef struct { int64_t first, n, D; const int64_t *row; const float *hidden; } qn_hidden;
/* Called once per run, in order; valid during the call. A negative return ends the whole with that error. */
typedef int qn_hidden_fn(void *arg, const qn_hidden *h);

/* Checked first, then run: QN_EINVAL (a text without tokens, an id outside the vocabulary) and QN_ECONTEXT (longer than
 * max_tokens) name the text, counted from 0. QN_ECANCEL. No allocation. */
int qn_encoder_run(qn_encoder *e, const qn_token_text *texts, int64_t n, qn_hidden_fn *fn, void *arg);

#endif
