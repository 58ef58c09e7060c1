/* infer/session.h — storey 6: a model at work. Front door.
 *   encoder.h .c texts read whole                       embedder.h .c  … and one vector of each
 *   session.c    sequences fed in pieces, logits out          kv.h .c     KV pages, sharing, copy on write
 *   sampler.h .c logits to a token: dry.c, sampler_cut.c      generate.h .c  prompt to text, stop rules
 *   reply.h .c   … token by token, whoever feeds              draft.h      guesses of tokens to come: draft_ngram.c,
 *   score.h .c   how probable a text is                                    draft_model.c
 *
 * A session is one mutable timeline of several sequences; it borrows model, kernel table and pool, and is used by one
 * thread at a time. The logits of a token depend on the tokens before it in its sequence and on nothing else: not on
 * the pieces it was fed in, its neighbours in a batch, the threads, or a shared prefix (docs/NUMERICS.md). */
#ifndef QN_INFER_SESSION_H
#define QN_INFER_SESSION_H

#include <stdatomic.h>

#include "infer/kv.h"
#include "model/adapter.h"

typedef struct qn_session qn_session;

typedef struct {
    int64_t context;            /* positions per sequence; 0: the model's */
    int64_t sequences;          /* 0: 1 */
    int64_t rows;               /* most tokens in one run; 0: 512 */
    int kv;                     /* qn_dtype of the cache, or -1: the attention product of this model and level */
    const atomic_bool *cancel;  /* looked at between runs; NULL: never */
    const qn_adapter *const *adapter;       /* [n_adapters], borrowed like the model; each sequence has its scales */
    int n_adapters;
} qn_session_options;

/* Borrows m, k and pool (NULL: the caller's thread alone) until it is freed. Builds and plans both graphs for `rows`
 * tokens and reserves the KV cache's address space. QN_EINVAL: a size out of range; QN_EUNSUPPORTED: the KV dtype;
 * QN_ENOMEM. */
int qn_session_new(qn_session **out, const qn_model *m, const qn_kernels *k, qn_pool *pool,
                   const qn_session_options *o);
void qn_session_free(qn_session *s);                    /* NULL is fine */

/* Some tokens that continue one sequence: tokens [n], borrowed for the call. Several feeds of one call may name the
 * same sequence; they follow one another. */
typedef enum { QN_LOGITS_NONE, QN_LOGITS_LAST, QN_LOGITS_ALL } qn_logits_want;
typedef struct { int64_t seq; const int32_t *tokens; int64_t n; qn_logits_want want; } qn_feed;

/* Called for every wanted row, in order of feeds and positions: logits [qn_session_vocabulary] of feed `feed` after its
 * token i. The pointer is valid during the call. A negative return ends the feeding with that error. */
typedef int qn_logits_fn(void *arg, int64_t feed, int64_t i, const float *logits);

/* Runs the feeds. Everything is checked first: ids within the vocabulary (QN_EINVAL), room in the context (QN_ECONTEXT,
 * with the numbers), the weights' epoch (QN_ESTALE); then nothing has changed. QN_ECANCEL, looked at between runs,
 * leaves the sequences where they got to. fn may be NULL where no feed wants logits. No allocation. */
int qn_session_feed(qn_session *s, const qn_feed *feeds, int64_t n, qn_logits_fn *fn, void *arg);

/* How much of each adapter is in what the sequence computes, scales [n_adapters]: 1 as it was made, which is how a
 * session begins (but for one that has rows for tokens which an adapter before it has, too); 0: off, to the bit. Rows
 * of tokens are whole at any other scale. QN_EINVAL: no such sequence; two adapters on that have rows for one token; it
 * holds positions, which were computed with other scales (truncate it first); a scale that is no number; one between
 * for an adapter with magnitudes, whose lengths belong to its own scale. */
int qn_session_adapt(qn_session *s, int64_t seq, const float *scales);

/* Below, seq is one of the session's sequences, 0 ≤ seq < qn_session_sequences: the caller has checked. */
int64_t qn_session_length(const qn_session *s, int64_t seq);        /* positions stored */
int64_t qn_session_context(const qn_session *s);                    /* positions that a sequence can have */
int64_t qn_session_sequences(const qn_session *s);
int64_t qn_session_rows(const qn_session *s);                       /* tokens of one run, at the most */
int qn_session_adapters(const qn_session *s);
int64_t qn_session_vocabulary(const qn_session *s);     /* the model's, or more where adapters bring tokens */
const qn_model *qn_session_model(const qn_session *s);
const qn_kernels *qn_session_kernels(const qn_session *s);
qn_dtype qn_session_kv_dtype(const qn_session *s);
/* Forgets what lies behind `length`, 0 ≤ length ≤ qn_session_length. */
void qn_session_truncate(qn_session *s, int64_t seq, int64_t length);
/* Sequence `to` starts over as the first n positions of `from`; the memory is shared, and a page is copied before one
 * of them writes to it. QN_EINVAL: the same sequence, none of the session's, more positions than it has, or other
 * scales of adapters: keys computed by one are not the other's. */
int qn_session_share(qn_session *s, int64_t from, int64_t to, int64_t n);
/* Packs what the model's weights still lack (qn_model_settle), where a run of so many rows would: for who times it. */
void qn_session_settle(qn_session *s, int64_t rows);
void qn_session_reset(qn_session *s);       /* all sequences, and the epoch */

/* Bytes. kv_used: of pages, at the most so far; kv_reserved: address space. scratch: of all workers, with partials.
 * barriers: of the last run of body and head. */
typedef struct { size_t weights, kv_used, kv_reserved, activations, scratch; int barriers; } qn_session_memory;
qn_session_memory qn_session_memory_get(const qn_session *s);
/* Time per op of body and head since profiling was switched on; the head's product goes by the name "head". Returns how
 * many were written to out[cap]. */
void qn_session_profile(qn_session *s, bool on);
int qn_session_times(const qn_session *s, qn_op_time *out, int cap);

#endif
