/* eval/scorer.h — whatever gives texts a probability: a model on a session, an n-gram table, a counter of words.
 *
 *     ids   0 1 2 … from−1 │ from … n−1          the request of one choice: context │ choice
 *           given            ln p of each, added up in f64; greedy: each was the likeliest
 *
 *   session_scorer.c  the scorer of a model          score_tree.h .c  requests that share a beginning, fed once
 *
 * Tasks know scorers only through this table, so that a baseline is judged by the very code that judges the model. What
 * a scorer says of a request depends on that request alone: not on its neighbours in the call, their order, or threads.
 * A scorer is used by one thread at a time. */
#ifndef QN_EVAL_SCORER_H
#define QN_EVAL_SCORER_H

#include "infer/session.h"
#include "tok/tok.h"

/* ids [n], 1 ≤ from < n ≤ context + 1: the last id is only predicted, never fed. Borrowed for the call. */
typedef struct { const int32_t *ids; int64_t n, from; } qn_score_request;
typedef struct {
    double logprob;         /* Σ ln p(ids[i] | ids[0…i)), from ≤ i < n in that order; −inf where one is impossible */
    bool greedy;            /* each of them was the likeliest; the lowest id among equals */
} qn_score;

/* A greedy continuation of ids [n], 1 ≤ n ≤ context. It ends before the first stop string that appears, at an end
 * token, after `max` tokens, or where the context is full. */
typedef struct {
    const int32_t *ids;
    int64_t n, max;
    const qn_str *stop;
    int64_t stops;
} qn_generate_request;
/* {0} is empty and ready; a scorer appends to text. */
typedef struct {
    qn_buf text;            /* whole characters, without the stop string and without special tokens */
    int64_t tokens;         /* chosen, an end token included */
    double logprob;         /* Σ ln p of them: how sure the scorer was */
    bool ended;             /* by an end token or a stop string, not by a limit */
} qn_generated;

typedef struct qn_scorer {
    const char *name;       /* for tables: "model", "5-gram" */
    const qn_tok *tok;
    int64_t context;        /* positions that can be fed: a request has at most one more */
    int32_t prefix;         /* what stands in front of a text that has nothing before it: BOS, else EOS; −1: nothing */
    void *self;
    /* All n at once, results in the order of the requests. QN_EINVAL, QN_ECONTEXT for requests out of range,
     * QN_EFORMAT where the model gives no finite numbers, QN_ECANCEL. */
    int (*score)(void *self, const qn_score_request *r, int64_t n, qn_score *out);
    /* NULL: this scorer writes no text; such tasks are left out of its column. */
    int (*generate)(void *self, const qn_generate_request *r, int64_t n, qn_generated *out);
    /* logprob[i] = ln p(ids[i] | ids[0…i)), 0 < i < n ≤ context + 1; logprob[0] = 0 where the scorer knows no text
     * beginning with nothing. NULL: its scores rank and are no probabilities; texts are left out of its column. */
    int (*each)(void *self, const int32_t *ids, int64_t n, double *logprob);
    /* A conversation (JSON, an array of messages) as a prompt that the answer follows. NULL: none, such items are left
     * out. `chat` is the first argument. */
    int (*render)(void *chat, qn_str messages, qn_ids *ids);
    void *chat;
} qn_scorer;

/* The scorer of a model. Borrows the session, which it uses and resets as it likes (2 sequences at least: QN_EINVAL; 64
 * let it feed much together), and the tokenizer. `out->self` is freed by qn_session_scorer_drop. name is borrowed;
 * render and chat may be set afterwards. */
int qn_session_scorer_init(qn_scorer *out, const char *name, qn_session *s, const qn_tok *tok);
void qn_session_scorer_drop(qn_scorer *scorer);         /* {0} is fine */
/* Called after every few requests of a call with how many are done; a negative return ends it with that error. */
typedef int qn_scorer_progress_fn(void *arg, int64_t done, int64_t n);
void qn_session_scorer_progress(qn_scorer *scorer, qn_scorer_progress_fn *fn, void *arg);

#endif
