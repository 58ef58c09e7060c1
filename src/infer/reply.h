/* infer/reply.h — one answer as it grows: logits to a token, tokens to text, and why it ends. Nothing is fed here:
 * generate.c feeds one sequence, the server many at once, and so both say the same.
 *
 *     logits ──► qn_reply_sample ──► token ──► qn_reply_take ──► listener: the text that became certain
 *                                                    └──► 1: that was the last, and `reason` says why
 *
 * One thread at a time. */
#ifndef QN_INFER_REPLY_H
#define QN_INFER_REPLY_H

#include "infer/generate.h"
#include "infer/stop.h"

/* A token that was sampled, and what its row of logits said of it. */
typedef struct {
    int32_t id;
    bool whole;                 /* a grammar lets nothing follow it */
    float logprob;
    qn_logprob *top;            /* room for [n_top] where log-probabilities are asked for: the caller's */
} qn_sampled;

typedef struct {
    const qn_tok *tok;
    const qn_config *cfg;       /* which tokens end an answer */
    const qn_kernels *k;
    int64_t V;
    const qn_generate_options *o;
    qn_token_fn *fn;
    void *arg;
    qn_sampler *sampler;
    qn_detok detok;
    qn_stopper stopper;
    qn_buf text;
    bool silent;                /* the listener wants to hear no more */
    qn_stop_reason reason;
    int64_t tokens;             /* that were taken */
} qn_reply;

/* Can this be answered by that session? QN_EINVAL: an empty prompt, ids outside the vocabulary, options; QN_ECONTEXT:
 * the prompt is longer than the context, with the numbers. */
int qn_reply_check(const qn_session *s, const qn_ids *prompt, const qn_generate_options *o);
/* For an answer by that session's model; *o is borrowed. Drop it all the same where this fails. */
int qn_reply_init(qn_reply *a, const qn_session *s, const qn_tok *tok, const qn_generate_options *o, qn_token_fn *fn,
                   void *arg);
void qn_reply_drop(qn_reply *a);
int qn_reply_prompt(qn_reply *a, const qn_ids *prompt);       /* its tokens count for the penalties */
/* The next token, of the row of logits behind all tokens so far. */
int qn_reply_sample(qn_reply *a, const float *logits, qn_sampled *t);
/* No more tokens are wanted: max_new have been taken. */
bool qn_reply_full(const qn_reply *a);
/* The token becomes part of the answer. 1: it was the last, and the reason is set. */
int qn_reply_take(qn_reply *a, const qn_sampled *t);
/* The end: gives out what was held back in case it became a stop string. Bytes that begin a character, and no more of
 * it, are left out where the answer was cut, and become U+FFFD where the model ended it. */
int qn_reply_end(qn_reply *a);

#endif
