/* model/merge.h — adapters into the weights of their model, which then needs none.
 *
 *     W' = W + Δ          of one adapter  Δ_i = s_i·B_i·A_i,  with magnitudes  Δ_i = g_i ⊙ (W + s_i·B_i·A_i) − W
 *
 *     linear    Δ = Σ w_i·Δ_i                       exactly what the adapters do together at run time
 *     ties      of each Δ_i only the largest `density` stays, by size; elements whose sign is not that of Σ Δ_i fall
 *               out; Δ = Σ w_i·Δ_i / (how many stayed)                 (Yadav et al. 2023)
 *     dare      each element of Δ_i falls out with probability 1 − density, the others grow by 1/density; then
 *               linear                                                 (Yu et al. 2023)
 *
 * All of that is done with the products, matrix by matrix, never with A and B apart: PEFT's "linear" mixes A's with
 * other adapters' B's, its "cat" and "svd" (of full rank) are our linear; `ties` and `dare` are its merge_utils on Δ.
 * Weights are the user's, as they are: none are normalized.
 *
 * Rows of tokens are whole at any weight but 0, as at run time: they take the place of stored ones, or make embedding
 * and head longer; tokenizer and template are then those that out.words says. The other rows stay as they are stored.
 *
 * The model is written as `quern convert` would write it (convert.h), in the form that the name says and the dtype that
 * is asked for: a matrix is decoded, changed as F32 and stored in its dtype again, so a quantized one is quantized
 * anew. One matrix is in memory at a time (ties: and a Δ_i for each adapter). Results do not depend on threads; DARE's
 * draws on (seed, adapter, weight, element) alone. */
#ifndef QN_MODEL_MERGE_H
#define QN_MODEL_MERGE_H

#include "model/adapter.h"
#include "model/convert.h"

typedef enum { QN_MERGE_LINEAR, QN_MERGE_TIES, QN_MERGE_DARE } qn_merge_method;
#define QN_MERGE_CHOICES "linear|ties|dare"         /* in that order */

typedef struct { const qn_adapter *a; double scale; } qn_merge_part;        /* scale: w above */

typedef struct {
    qn_merge_method method;
    double density;                 /* (0, 1]: ties, dare */
    uint64_t seed;                  /* dare */
    qn_convert_options out;         /* dtype, force, progress, words; `change` and `rows` are ours */
} qn_merge_options;

/* Merges n adapters, 1 to QN_ADAPTERS, into the model at `model` and writes it to `out`. The adapters were opened for
 * the family and numbers of that model (qn_adapter_open, qn_adapter_read). QN_EINVAL: options; QN_ESHAPE: an adapter of
 * another family or size; QN_EFORMAT: a length of zero in DoRA; what qn_convert says. */
/* … QN_EUNSUPPORTED: two of them have rows of tokens. */
int qn_merge(const char *model, const char *out, const qn_merge_part *part, size_t n, const qn_merge_options *o,
             qn_pool *pool, qn_convert_result *result);

/* W' of one weight in place: w [rows,cols] holds W in the order of memory. For those who have it in other ways. */
int qn_merge_matrix(float *w, const qn_param *p, int64_t layer, const qn_merge_part *part, size_t n,
                    const qn_merge_options *o, qn_pool *pool);

#endif
