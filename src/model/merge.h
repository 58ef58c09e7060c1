/* model/merge.h — adapters into the weights of their model, which then needs none; whole models into one.
 *
 *     W' = W + Δ          of one adapter  Δ_i = s_i·B_i·A_i,  with magnitudes  Δ_i = g_i ⊙ (W + s_i·B_i·A_i) − W
 *                         of one model    Δ_i = X_i − W,      W the base's
 *
 *     linear    Δ = Σ w_i·Δ_i                       exactly what adapters do together at run time; of models, task
 *                                                   arithmetic (Ilharco et al. 2022). Of models without a base the
 *                                                   mean: W' = Σ w_i·X_i / Σ w_i
 *     ties      of each Δ_i only the largest `density` stays, by size; elements whose sign is not the elected one fall
 *               out; the mean over those that stayed               (Yadav et al. 2023)
 *                   adapters  sign of Σ Δ_i;  Δ = Σ w_i·Δ_i / (how many stayed)      as peft has it
 *                   models    sign of Σ w_i·Δ_i;  Δ = Σ w_i·Δ_i / Σ w_i of those     as mergekit has it
 *     dare      each element of Δ_i falls out with probability 1 − density, the others grow by 1/density; then
 *               linear                                                 (Yu et al. 2023)
 *     slerp     of two models, no base: along the great circle between each two weights, at w_2 / (w_1 + w_2)
 *
 *   merge.c         adapters: their products, row by row         merge_deltas.c    linear, DARE, TIES on any Δ
 *   merge_models.c  models: what must be alike, their rows       merge_slerp.c
 *
 * Of adapters all of that is done with the products, matrix by matrix, never with A and B apart: PEFT's "linear" mixes
 * A's with other adapters' B's, its "cat" and "svd" (of full rank) are our linear; `ties`, `dare` are its merge_utils
 * on Δ. Weights are the user's, as they are: none are normalized, but where a mean is asked for.
 *
 * Rows of tokens are whole at any weight but 0, as at run time: they take the place of stored ones, or make embedding
 * and head longer; tokenizer and template are then those that out.words says. The other rows stay as they are stored.
 *
 * The model is written as `quern convert` would write it (convert.h), in the form that the name says and the dtype that
 * is asked for: a matrix is decoded, changed as F32 and stored in its dtype again, so a quantized one is quantized
 * anew. One weight is in memory at a time (ties: and a Δ_i for each part). Results do not depend on threads; DARE's
 * draws on (seed, part, weight, element) alone. */
#ifndef QN_MODEL_MERGE_H
#define QN_MODEL_MERGE_H

#include "model/adapter.h"
#include "model/convert.h"

typedef enum { QN_MERGE_LINEAR, QN_MERGE_TIES, QN_MERGE_DARE, QN_MERGE_SLERP } qn_merge_method;
#define QN_MERGE_CHOICES "linear|ties|dare|slerp"   /* in that order */

typedef struct { const qn_adapter *a; double scale; } qn_merge_part;        /* scale: w above */

typedef struct {
    qn_merge_method method;
    double density;                 /* (0, 1]: ties, dare */
    uint64_t seed;                  /* dare */
    qn_convert_options out;         /* dtype, force, progress, words; `change` and `rows` are ours */
} qn_merge_options;

/* Merges n adapters, 1 to QN_ADAPTERS, into the model at `model` and writes it to `out`. The adapters were opened for
 * the family and numbers of that model (qn_adapter_open, qn_adapter_read). QN_EINVAL: options; QN_ESHAPE: an adapter of
 * another family or size; QN_EUNSUPPORTED: two of them have rows of tokens; QN_EFORMAT: a length of zero in DoRA; what
 * qn_convert says. */
int qn_merge(const char *model, const char *out, const qn_merge_part *part, size_t n, const qn_merge_options *o,
             qn_pool *pool, qn_convert_result *result);

/* n whole models, 2 to QN_ADAPTERS, into one, which is the first in all but the numbers: form, dtypes, configuration,
 * tokenizer, template. base: what they are taken to come from, or NULL; its own words are not looked at.
 *
 * Vectors are changed as matrices are. A weight that nothing is added to (weights of 0 all but the first's) stays as it
 * is stored, to the bit. QN_EINVAL: options, weights that sum to nothing; QN_ESHAPE, QN_EDIFFER: a model of another
 * family, other sizes or tokenizer, with the tensor or token named; QN_ENOTFOUND: a tensor is missing; what qn_convert
 * says. Nothing is written before all of them have been looked at. */
typedef struct { const char *path; double weight; } qn_merge_model;
int qn_merge_models(const qn_merge_model *model, size_t n, const char *base, const char *out, const qn_merge_options *o,
                    qn_pool *pool, qn_convert_result *result);
/* What weights of models become: shares of the mean, as they are beside a base. QN_EINVAL. */
int qn_merge_shares(const qn_merge_model *model, size_t n, const char *base, const qn_merge_options *o,
                    double share[QN_ADAPTERS]);

/* W' of one weight in place: w [rows,cols] holds W in the order of memory. For those who have it in other ways. */
int qn_merge_matrix(float *w, const qn_param *p, int64_t layer, const qn_merge_part *part, size_t n,
                    const qn_merge_options *o, qn_pool *pool);

#endif
