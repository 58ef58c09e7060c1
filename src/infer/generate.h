/* infer/generate.h — from a prompt's ids to an answer: prefill, sample, detokenize, stop.
 *
 * With a drafter a decode pass checks guesses: it feeds the last token and k guesses behind it, and gets k + 1 rows of
 * logits. Row by row a token is sampled as ever; as long as it is the guess, the next row is the right one, too.
 *
 *     fed        t  g₁ g₂ g₃ g₄
 *     sampled    g₁ g₂ x                 three tokens out of one pass; the rows of g₃ and g₄ are forgotten again
 *
 * So the answer is that without a drafter, token for token, with any sampling: rows of a batch have the bits that they
 * have alone (docs/NUMERICS.md). The same holds for texts, log-probabilities, stops, and what the session holds. */
#ifndef QN_INFER_GENERATE_H
#define QN_INFER_GENERATE_H

#include "infer/draft.h"
#include "infer/sampler.h"
#include "infer/session.h"

typedef enum {
    QN_STOP_EOS,            /* the model ended its answer, or a grammar did: nothing can follow */
    QN_STOP_STRING,         /* a stop string appeared */
    QN_STOP_LENGTH,         /* max_new tokens */
    QN_STOP_CONTEXT,        /* the context is full */
    QN_STOP_CALLER          /* the callback or the cancel flag */
} qn_stop_reason;
const char *qn_stop_reason_name(qn_stop_reason r);      /* "eos", "stop", "length", "context", "cancelled" */

/* One token of the answer. `text` are the bytes that became certain with it: whole characters, nothing that may still
 * turn out to be a stop string. It may be empty. Valid during the call. */
typedef struct {
    int32_t id;
    qn_str text;
    float logprob;                      /* NaN unless asked for */
    const qn_logprob *top;              /* [n_top], best first */
    int64_t n_top;
} qn_token_event;
typedef int qn_token_fn(void *arg, const qn_token_event *e);        /* > 0: stop here; < 0: that error */

typedef struct {
    int64_t max_new;                    /* tokens; < 0: until the context is full */
    qn_sampler_options sampler;
    const qn_str *stop;                 /* stop strings; the answer ends before the first that appears */
    int64_t n_stop;
    bool ignore_eos;
    bool special;                       /* give out the text of special tokens too */
    bool logprobs;
    int64_t n_top;                      /* alternatives per token, with logprobs; at most QN_TOP_MAX */
    qn_drafter *drafter;                /* guesses ahead; NULL: none. Borrowed */
    int64_t guesses;                    /* with it: at most so many per pass, 1 … QN_DRAFT_MAX */
} qn_generate_options;
enum { QN_TOP_MAX = 64 };
qn_generate_options qn_generate_options_default(void);          /* greedy, 128 tokens, no stop strings */

typedef struct {
    qn_stop_reason reason;
    int64_t prompt_tokens, cached_tokens, new_tokens;   /* cached: prompt tokens that were in the session already */
    int64_t passes, guessed, kept;      /* decode passes; guesses that were fed in them, and that were right */
    double prefill_seconds, decode_seconds;
} qn_generate_result;

/* Continues sequence `seq`, which is made to hold exactly `prompt`: the common prefix of what it holds and the prompt
 * is reused, the rest is forgotten and fed. `held` are the ids that the sequence holds, kept up to date by this
 * function (the caller owns the list; empty at first, and after a reset). The end-of-sequence token is counted, but
 * neither fed nor given to fn; no answer's last token is fed. Cancelled before the first token: QN_ECANCEL; later, it
 * is a reason to stop. fn may be NULL.
 *
 * QN_ECONTEXT: the prompt is longer than the context (nothing is cut); QN_EINVAL: an empty prompt, ids outside the
 * vocabulary, options; QN_EFORMAT: the logits are no numbers; QN_ESTALE, QN_ENOMEM, and what fn returns. */
int qn_generate(qn_session *s, const qn_tok *tok, int64_t seq, qn_ids *held, const qn_ids *prompt,
                const qn_generate_options *o, qn_token_fn *fn, void *arg, qn_generate_result *r);

#endif
