/* infer/answer.h — one answer as it grows: logits to a token, tokens to text, and why it ends. Nothing is fed here:
 * generate.c feeds one sequence, the server many at once, and so both say the same.
 *
 *     logits ──► qn_answer_sample ──► token ──► qn_answer_take ──► listener: the text that became certain
 *                                                    └──► 1: that was the last, and `reason` says why
 *
 * One thread at a time. */
#ifndef QN_INFER_ANSWER_H
#define QN_INFER_ANSWER_H

#include "infer/generate.h"
#include "infer/stop.h"

/* A token that was sampled, and what its row of logits said of it. */
typedef struct {
    int32_t id;
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
} qn_answer;

/* Can this be answered by that session? QN_EINVAL: an empty prompt, ids outside the vocabulary, options; QN_ECONTEXT:
 * the prompt is longer than the context, with the numbers. */
int qn_answer_check(const qn_session *s, const qn_ids *prompt, const qn_generate_options *o);
/* For an answer by that session's model; *o is borrowed. Drop it all the same where this fails. */
int qn_answer_init(qn_answer *a, const qn_session *s, const qn_tok *tok, const qn_generate_options *o, qn_token_fn *fn,
                   void *arg);
void qn_answer_drop(qn_answer *a);
int qn_answer_prompt(qn_answer *a, const qn_ids *prompt);       /* its tokens count for the penalties */
/* The next token, of the row of logits behind all tokens so far. */
int qn_answer_sample(qn_answer *a, const float *logits, qn_sampled *t);
/* No more tokens are wanted: max_new have been taken. */
bool qn_answer_full(const qn_answer *a);
/* The token becomes part of the answer. 1: it was the last, and the reason is set. */
int qn_answer_take(qn_answer *a, const qn_sampled *t);
/* The end: gives out what was held back in case it became a stop string. */
int qn_answer_end(qn_answer *a);

#endif
