/* train/dial.h — one number to a whole plan: shape, tokens, batch, rate. Every rule is here; every value can be given.
 *
 *   shape    layers L and width D with D ≈ 64·L and about N = 12·D²·L numbers outside the embedding. D is a multiple of
 *            64 below 1 M of them, of 128 below 3 M, of 256 from there on; heads are 64 wide; F is 8/3·D rounded up to
 *            a multiple of 32 where it is gated (Shazeer 2020), 4·D where it is not
 *   context  256 below 3 M, 512 below 30 M, 1024 from there on
 *   tokens   20 for each number outside the embedding (Hoffmann et al. 2022), over the data four times at most
 *            (Muennighoff et al. 2023: repeats beyond that are worth little)
 *   batch    the power of two next to 1.2·√tokens, 512 at least: about as many steps as tokens in a step
 *   rate     AdamW, Muon: 3e-3·(128/D)^¾; SGD twenty times that; warm-up over 2 % of the steps, 10 at least,
 *            but a tenth of them at most
 *   pass     4096 tokens up to width 512, 2048 up to 1024, else 1024
 */
#ifndef QN_TRAIN_DIAL_H
#define QN_TRAIN_DIAL_H

#include "train/recipe.h"

/* What the user said; −1 (rate: a NaN) where nothing. */
typedef struct {
    int64_t depth, params;              /* layers; numbers outside the embedding: one of them, or neither with shape */
    int64_t dim, layers, heads, kv_heads, ff;
    int64_t context, batch, micro, steps, tokens, warmup;
    double rate;
} qn_dial;
void qn_dial_init(qn_dial *d);          /* nothing said */

/* What a family's fresh model has beside its shape: eps, activation, RoPE. QN_EUNSUPPORTED: nothing is known of it. */
int qn_dial_family(const qn_arch *arch, qn_config *c, bool *gated);
/* Fills the configuration's shape: layers, D, F, heads, Dh, context; vocabulary and the family's constants are the
 * caller's. Without anything said: 1 M. QN_EINVAL where what was said does not fit together. */
int qn_dial_shape(const qn_dial *d, bool gated, qn_config *c);
/* Numbers outside embedding, head and norms. */
int64_t qn_dial_numbers(const qn_config *c, bool gated);

/* Fills steps, context, batch, rows, rate, warm-up and the intervals of r for a model of that shape and a corpus of so
 * many tokens. */
int qn_dial_run(const qn_dial *d, const qn_config *c, bool gated, int64_t corpus_tokens, qn_recipe *r);
/* How many steps of r go over a corpus of so many tokens four times; 1 at least. */
int64_t qn_dial_most_steps(const qn_recipe *r, int64_t corpus_tokens);
/* Steps that take twenty times as long as writing a checkpoint of so many parameters, 1 at least. Reckoned, for no
 * clock enters a recipe: 1e11 operations a second, a tenth of a second for each checkpoint and one for 200 MB of it. */
int64_t qn_dial_worth_saving(const qn_recipe *r, int64_t parameters);
/* The intervals of evaluations, checkpoints and samples that were not given (−1), and the schedule, for r->steps of a
 * model of so many parameters. eval_rows < 0: rows for a quarter of the tokens between two evaluations, 32 at least, so
 * that evaluating takes less than a tenth of the time; a run too short for that at each twentieth part is evaluated
 * less often, but four times. Checkpoints: every tenth part of the run, but none more often
 * than is worth it. */
void qn_dial_intervals(const qn_dial *d, int64_t parameters, qn_recipe *r);

#endif
