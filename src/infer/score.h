/* infer/score.h — how probable a text is, token by token: what `generate --logprobs` would have said of each. */
#ifndef QN_INFER_SCORE_H
#define QN_INFER_SCORE_H

#include "infer/sampler.h"
#include "infer/session.h"

/* A text as ids, borrowed, and where its figures go. Nothing is said of the first token, which follows nothing: NaN. */
typedef struct {
    const int32_t *ids; int64_t n;
    float *logprob;                 /* [n] natural logarithms under the plain softmax */
    qn_logprob *top;                /* [n, n_top] the likeliest at each place, best first; NULL: not wanted */
} qn_score_text;

/* Scores n texts at once, each in a sequence of its own (n ≤ the session's sequences), which are emptied first. The
 * bits are those of each text alone. QN_ECONTEXT: a text is longer than the context and one token, with the numbers:
 * nothing is cut; QN_EINVAL: an id outside the vocabulary; QN_EFORMAT: logits that are no numbers; QN_ECANCEL,
 * QN_ENOMEM. */
int qn_score(qn_session *s, const qn_score_text *text, int64_t n, int64_t n_top);

#endif
