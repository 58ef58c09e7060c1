/* infer/sampler.h — logits to a token.
 *
 * Order: repetition, frequency and presence penalties over the last tokens; temperature; top-k; top-p; min-p; a draw.
 * That is the order of Hugging Face and vLLM. Temperature 0 is greedy: the greatest logit after penalties, the lowest
 * id among equals. A draw depends on (seed, position in the answer), never on calls before. Sources: Holtzman et al.
 * 2020 (top-p), Keskar et al. 2019 (repetition penalty), Nguyen et al. 2024 (min-p). */
#ifndef QN_INFER_SAMPLER_H
#define QN_INFER_SAMPLER_H

#include "kernels/kernels.h"

typedef struct {
    double temperature;             /* 0, or anything below 1e-5 = greedy */
    int64_t top_k;                  /* keep the k most probable; 0 = all */
    double top_p;                   /* keep the smallest set with at least this mass; 1 = all */
    double min_p;                   /* keep what has at least this share of the best; 0 = all */
    double repetition_penalty;      /* divides positive, multiplies negative logits of seen tokens; 1 = off */
    double frequency_penalty;       /* subtracted per occurrence */
    double presence_penalty;        /* subtracted once */
    int64_t penalty_last;           /* tokens looked back on; 0 = none, -1 = all */
    uint64_t seed;
} qn_sampler_options;
qn_sampler_options qn_sampler_options_default(void);        /* greedy, no penalties */
int qn_sampler_options_check(const qn_sampler_options *o);  /* QN_EINVAL names the option and its range */

typedef struct qn_sampler qn_sampler;
/* V: length of the logits. Borrows k, copies *o. One thread at a time. QN_EINVAL as qn_sampler_options_check,
 * QN_ENOMEM. */
int qn_sampler_new(qn_sampler **out, const qn_kernels *k, int64_t V, const qn_sampler_options *o);
void qn_sampler_free(qn_sampler *s);                        /* NULL is fine */
void qn_sampler_reset(qn_sampler *s);                       /* forgets the tokens seen and starts at draw 0 */
/* A token of prompt or answer, for the penalties. */
int qn_sampler_accept(qn_sampler *s, int32_t id);
/* The next token; logits [V] are not changed. QN_EFORMAT if they hold no finite number, or a NaN where one
 * is drawn. No allocation. */
int qn_sampler_next(qn_sampler *s, const float *logits, int32_t *id);
/* What qn_sampler_next would say of these logits, another model's perhaps, `ahead` draws later, penalties as they are
 * now. Nothing is counted: this is for guesses (infer/draft.h). Fails alike. */
int qn_sampler_guess(qn_sampler *s, const float *logits, int64_t ahead, int32_t *id);

/* Log-probabilities (natural) under the plain softmax of the logits [V], before penalties and temperature: of `id`, and
 * the `n` ≤ V best in descending order, written to out[n]. */
typedef struct { int32_t id; float logprob; } qn_logprob;
float qn_logprob_of(const qn_kernels *k, const float *logits, int64_t V, int32_t id);
void qn_logprobs_top(const qn_kernels *k, const float *logits, int64_t V, qn_logprob *out, int64_t n);

#endif
