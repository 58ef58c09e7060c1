/* train/reference.h — what a preference is measured from: ln p of every answer under the model as it was before step 0.
 *
 * The weights that a run begins with are its reference, with the adapter that it goes on with (a fresh one changes
 * nothing yet), and answers do not change: so their sums are taken once, by the same engine that trains, and kept.
 * Before step 0 policy and reference are the same bits then, and DPO's loss is ln 2.
 * A key says what the sums hang on: weights and what is done with them (model.h), the adapter that goes on, examples
 * (ids, masks, cuts, the split), their context, how matrices multiply.
 *
 *      0  "QNREFERE"          8  u32 version 1      12  u32 0
 *     16  32 bytes: the key, hexadecimal digits     48  u64 training examples    56  u64 of the validation split
 *     64  u64 checksum of all that follows but this 72  two f64 each: Σ ln p of its parts; training first
 *
 * Little-endian; the checksum is of bytes 0 … 63 and 72 … */
#ifndef QN_TRAIN_REFERENCE_H
#define QN_TRAIN_REFERENCE_H

#include "data/examples.h"
#include "model/adapter.h"

enum { QN_REFERENCE_KEY = 33 };         /* 32 digits and the end */

typedef struct {
    double *sum[QN_SPLITS];             /* [examples][2]; NaN: of an example that the run never comes to */
    int64_t n[QN_SPLITS];
    char key[QN_REFERENCE_KEY];
} qn_reference;

/* The key of these weights, of the adapter that the run begins with (NULL: none, or a fresh one, which changes nothing
 * yet), examples and products. QN_ENOMEM. */
int qn_reference_key(const qn_model *m, const qn_adapter *begun, const qn_examples *e, qn_pool *pool,
                     char key[QN_REFERENCE_KEY]);
int qn_reference_init(qn_reference *r, const qn_examples *e, const char *key);      /* all NaN. QN_ENOMEM */
void qn_reference_drop(qn_reference *r);
int qn_reference_save(const qn_reference *r, const char *path);
/* QN_ENOTFOUND; QN_EFORMAT, QN_ETRUNC: damaged; QN_EINVAL: of another key, or of other examples. */
int qn_reference_open(qn_reference *r, const char *path, const qn_examples *e, const char *key);

#endif
