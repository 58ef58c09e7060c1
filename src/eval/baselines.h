/* eval/baselines.h — what merely counts, as scorers: judged by the code that judges models.
 *
 *   ngram_scorer.c  an n-gram table that `quern train ngram` wrote
 *   cooc_scorer.c   which of the choices stands near the names of the context in the training text
 *   held_out.c      the loss of any scorer over the validation split of prepared data */
#ifndef QN_EVAL_BASELINES_H
#define QN_EVAL_BASELINES_H

#include "data/dataset.h"
#include "eval/scorer.h"
#include "ngram/cooc.h"
#include "ngram/ngram.h"

/* ---- n-grams ---- */

/* A folder of `quern train ngram`: model.ngram and the tokenizer whose ids it counts. {0} is empty and may be
 * dropped. */
#define QN_NGRAM_FILE "model.ngram"
typedef struct { qn_ngram *g; qn_tok *tok; } qn_ngram_model;
bool qn_ngram_model_is(const char *dir);                /* does model.ngram stand there? */
/* QN_ENOTFOUND, QN_EFORMAT (damaged, or a tokenizer of another size), QN_ENOMEM. */
int qn_ngram_model_open(qn_ngram_model *m, const char *dir);
void qn_ngram_model_drop(qn_ngram_model *m);

/* Borrows both. A text's first token follows the begin of a document; a BOS or EOS that stands in front of it only
 * because a scorer's prefix does, and not because the tokenizer puts it there, is left out. */
int qn_ngram_scorer_init(qn_scorer *out, const char *name, const qn_ngram *g, const qn_tok *tok);
void qn_ngram_scorer_drop(qn_scorer *s);                /* {0} is fine */

/* ---- co-occurrence ---- */

/* Reads the training split into memory (12 bytes a token, 24 on the way) and sorts it; afterwards the data may be
 * closed. tok, the data's own, is borrowed. The scorer ranks choices and nothing else: `generate` and `each` are NULL,
 * `greedy` is never true, and logprob is the logarithm of a score (cooc_scorer.c), not of a probability. */
int qn_cooc_scorer_init(qn_scorer *out, const char *name, const qn_dataset *d, const qn_tok *tok);
void qn_cooc_scorer_drop(qn_scorer *s);                 /* {0} is fine */

/* ---- loss over held-out tokens ---- */

typedef struct {
    double loss;                        /* mean −ln p of a token */
    double bits_per_byte;               /* of text; special tokens count on neither side. NaN: no text */
    int64_t tokens, bytes;
} qn_held_out;
/* Documents of a split one by one, each in windows of the scorer's context that overlap by half, so that a token has at
 * least half of it before it; the first token of a document counts where the scorer knows it (an n-gram does, a model
 * only behind its BOS). Up to about max_tokens (0: all). progress may be NULL. */
int qn_eval_held_out(const qn_scorer *s, const qn_dataset *d, qn_split split, int64_t max_tokens,
                     qn_scorer_progress_fn *progress, void *arg, qn_held_out *out);

#endif
