/* infer/sampler.h — logits to a token.
 *
 *     bias ─► DRY ─► repetition, frequency, presence ─► grammar ─► temperature ─┐      what changes logits, or forbids
 *     ┌─────────────────────────────────────────────────────────────────────────┘
 *     └► top-k ─► typical ─► top-p ─► min-p ─► XTC ─► draw                               … or Mirostat ─► draw
 *
 * Temperature before the cuts is the order of Hugging Face and vLLM; the cuts among themselves follow llama.cpp, whose
 * temperature comes last. Temperature 0 is greedy: the greatest logit after bias, grammar and penalties, the lowest id
 * among equals. A draw depends on (seed, position in the answer), never on calls before; Mirostat and penalties also
 * depend on the tokens of the answer.
 *
 * Sources: Holtzman et al. 2020 (top-p, arXiv:1904.09751), Keskar et al. 2019 (repetition penalty, arXiv:1909.05858),
 * Nguyen et al. 2024 (min-p, arXiv:2407.01082), Meister et al. 2022 (locally typical, arXiv:2202.00666), Basu et al.
 * 2021 (Mirostat, arXiv:2007.14966). DRY and XTC have no paper: they are p-e-w's, of text-generation-webui (pull
 * requests 5677 and 6335), in the form that llama.cpp gave them. */
#ifndef QN_INFER_SAMPLER_H
#define QN_INFER_SAMPLER_H

#include "guide/guide.h"
#include "kernels/kernels.h"

/* The greatest seed that commands and requests take: a double, and so JSON, holds each up to it. */
#define QN_SEED_MAX 9000000000000000

typedef struct { int32_t id; float add; } qn_logit_bias;        /* −inf: never */

typedef struct {
    double temperature;             /* 0, or anything below 1e-5 = greedy */
    int64_t top_k;                  /* keep the k most probable; 0 = all */
    double typical;                 /* keep those whose information is nearest to what is expected, up to this mass;
                                     * 1 = all */
    double top_p;                   /* keep the smallest set with at least this mass; 1 = all */
    double min_p;                   /* keep what has at least this share of the best; 0 = all */
    /* XTC: with this probability all but the least of those at or above the threshold go; 0 = never. Above a threshold
     * of 1/2 it does nothing. */
    double xtc_probability, xtc_threshold;
    double repetition_penalty;      /* divides positive, multiplies negative logits of seen tokens; 1 = off */
    double frequency_penalty;       /* subtracted per occurrence */
    double presence_penalty;        /* subtracted once */
    int64_t penalty_last;           /* tokens looked back on; 0 = none, -1 = all */
    /* DRY: a token that would make the end of the text, `n` tokens of it, a repetition of n + 1 tokens loses
     * multiplier · base^(n − allowed), where n ≥ allowed; 0 = off. */
    double dry_multiplier, dry_base;
    int64_t dry_allowed, dry_last;  /* dry_last: tokens looked back on; -1 = all */
    const uint64_t *dry_breaks;     /* bit mask [V]: no repetition runs across these; NULL: none. Borrowed */
    int mirostat;                   /* 0, or version 1 or 2: instead of the cuts */
    double mirostat_tau, mirostat_eta;      /* the surprise aimed at, in bits; the rate of learning */
    const qn_logit_bias *bias;      /* added to logits. Borrowed */
    int64_t n_bias;
    qn_guide *guide;                /* what the answer may say; NULL: anything. Borrowed, and told what is drawn */
    uint64_t seed;
} qn_sampler_options;
qn_sampler_options qn_sampler_options_default(void);        /* greedy, no penalties */
int qn_sampler_options_check(const qn_sampler_options *o);  /* QN_EINVAL names the option and its range */

typedef struct qn_sampler qn_sampler;
/* V: length of the logits. Borrows k, copies *o; a guide is reset. One thread at a time. QN_EINVAL as
 * qn_sampler_options_check, or a bias for a token that is not there; QN_ENOMEM. */
int qn_sampler_new(qn_sampler **out, const qn_kernels *k, int64_t V, const qn_sampler_options *o);
void qn_sampler_free(qn_sampler *s);                        /* NULL is fine */
void qn_sampler_reset(qn_sampler *s);                       /* forgets the tokens seen and starts at draw 0 */
/* A token of prompt or answer, for the penalties. */
int qn_sampler_accept(qn_sampler *s, int32_t id);
/* The next token; logits [V] are not changed. QN_EFORMAT if they hold no finite number, or a NaN where one
 * is drawn; what the guide fails with. No allocation, but for states of a grammar that are met for the first time. The
 * token is the answer's: a guide has taken it. */
int qn_sampler_next(qn_sampler *s, const float *logits, int32_t *id);
/* The guide says that nothing can follow what was drawn: the answer is whole, no end of sequence need be drawn. */
bool qn_sampler_ended(const qn_sampler *s);
/* What qn_sampler_next would say of these logits, another model's perhaps, `ahead` draws later, penalties as they are
 * now. Nothing is counted: this is for guesses (infer/draft.h). Fails alike. A grammar is not asked, beyond the next
 * token: a guess that it forbids is a wrong one. */
int qn_sampler_guess(qn_sampler *s, const float *logits, int64_t ahead, int32_t *id);

/* Sets the bit of each token whose text holds one of the texts: dry_breaks [(V + 63) / 64]. Without texts: of what is
 * usual, line break, colon, quote and star. */
void qn_dry_breaks(const qn_tok *t, int64_t V, const qn_str *texts, int64_t n, uint64_t *bits);
/* … a mask of its own, for the caller to qn_free. QN_ENOMEM. */
int qn_dry_breaks_new(uint64_t **out, const qn_tok *t, int64_t V, const qn_str *texts, int64_t n);

/* Log-probabilities (natural) under the plain softmax of the logits [V], before penalties and temperature: of `id`, and
 * the `n` ≤ V best in descending order, written to out[n]. */
typedef struct { int32_t id; float logprob; } qn_logprob;
float qn_logprob_of(const qn_kernels *k, const float *logits, int64_t V, int32_t id);
void qn_logprobs_top(const qn_kernels *k, const float *logits, int64_t V, qn_logprob *out, int64_t n);

#endif
