/* model/packing.h — a model's weights on their way from the file into panels: at once, or behind the first tokens.
 *
 *     file     │ embedding                │ q │ k │ v │ …       pages that were packed are given back
 *     tiles    │ 0 │ 1 │ 2 │ 3 │ … │      │ … │                 some panels each; a vector is one
 *     taken      1   1   0   1                                  by one thread each, in any order
 *     arena    │###│###│   │ ##│ …                              panels that are there say so: graph/unpacked.h
 *
 * Matrices that keep their dtype, and lie row by row, can be multiplied from the file (kernels/storage.h): they may
 * wait. What cannot is packed when the model is loaded. Sessions go on with it between runs
 * (qn_model_pack_on) or end it before a run of many rows (qn_model_settle); any number of threads may. */
#ifndef QN_MODEL_PACKING_H
#define QN_MODEL_PACKING_H

#include "model/stored.h"

/* A parameter: where it lies in the file, what it becomes, and where in the arena. */
typedef struct {
    qn_stored st;
    qn_dtype to;
    size_t offset, bytes;
} qn_binding;

typedef struct qn_packing qn_packing;

/* For m, whose arena is there; its parameters are set, their numbers still missing. s is borrowed until all is packed,
 * o until this returns. QN_ENOMEM. */
int qn_packing_new(qn_packing **out, qn_model *m, const qn_source *s, const qn_binding *b, size_t n,
                   const qn_model_options *o);
void qn_packing_free(qn_packing *p);            /* NULL is fine */
/* Packs what cannot wait. QN_ENOMEM. */
int qn_packing_begin(qn_packing *p, qn_pool *pool);

/* Tests: tiles one by one. */
int64_t qn_packing_tiles(const qn_packing *p);
void qn_packing_tile(qn_packing *p, int64_t tile);      /* nothing happens where it has been taken */

#endif
