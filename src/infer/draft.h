/* infer/draft.h — guesses of the tokens to come; the model checks a row of them in one pass (generate.h).
 *
 *   draft_ngram.c   what followed where the text ended like this before  (prompt lookup: Saxena 2023, Yang et al. 2023)
 *   draft_model.c   what a smaller model with the same vocabulary would say  (Leviathan et al. 2023, Chen et al. 2023)
 *
 * Guesses change when a text comes, never what it says: the token at a place is what the model's own logits and that
 * place's own random number say, and a guess is kept where it is that token (docs/NUMERICS.md). So they may be bad, few
 * or none, and two drafters may be tried on the same seed. One thread at a time. */
#ifndef QN_INFER_DRAFT_H
#define QN_INFER_DRAFT_H

#include "infer/sampler.h"
#include "infer/session.h"
#include "tok/tok.h"

enum {
    QN_DRAFT_MAX = 31,          /* guesses in one pass, which has then 32 rows */
    QN_DRAFT_NGRAM_MAX = 64     /* tokens that a suffix is compared by */
};

typedef struct qn_drafter qn_drafter;
struct qn_drafter {
    /* Up to `most` ≤ QN_DRAFT_MAX guesses of what follows `text`, which is not empty, to out; returns how many, or what
     * went wrong. The sampler is the answer's: the next draw is that of the first guess. */
    int (*guess)(qn_drafter *d, const qn_ids *text, qn_sampler *sampler, int64_t most, int32_t *out);
    void (*drop)(qn_drafter *d);        /* NULL: nothing but its own memory */
};
void qn_drafter_free(qn_drafter *d);    /* NULL is fine */

/* Looks for the place where the text went on after the longest suffix in common with its end: up to `longest` tokens,
 * at least two of them (one, where `longest` is 1), the latest among equals. QN_EINVAL: not 1 … QN_DRAFT_NGRAM_MAX. */
int qn_draft_ngram_new(qn_drafter **out, int64_t longest);
/* Borrows a session of the smaller model, of which sequence 0 becomes the drafter's; V is the length of the logits of
 * the model that is drafted for. Guesses are drawn from the smaller model's logits with the answer's own sampling and
 * random numbers. It stops guessing where its own context ends. */
int qn_draft_model_new(qn_drafter **out, qn_session *s, int64_t V);

#endif
