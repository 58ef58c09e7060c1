/* model/param_rows.h — where the rows of a parameter lie in a file, and what it becomes in memory.
 *
 * Everybody above this file knows a parameter by the order of rows in Hugging Face's files. A file may hold them in
 * another: GGUF interleaves the rows of each query and key head. This is the only place that knows:
 *
 *     qn_param_rows r;
 *     QN_TRY(qn_param_rows_bind(&r, source, cfg, param, info));    // type and shape checked
 *     qn_param_rows_f32(&r, r0, n, w);                             // rows [r0, r0+n) as floats: training
 *     src = qn_param_rows_stored(&r, r0, n, room);                 // the same as they are stored: packing
 *
 * A vector of N numbers is N rows of one number. Reading cannot fail: all was checked when the parameter was bound. */
#ifndef QN_MODEL_PARAM_ROWS_H
#define QN_MODEL_PARAM_ROWS_H

#include "model/model.h"

typedef struct {
    const qn_tensor_info *info;         /* borrowed from the source, which stays open */
    int64_t rows, cols;                 /* of the parameter */
    size_t row_bytes;                   /* of one row as it is stored */
    int64_t Dh, rot;                    /* rows come in heads of Dh, of which rot are interleaved; rot 0: they do not */
} qn_param_rows;

/* QN_EUNSUPPORTED (its type), QN_ESHAPE; the message names file and tensor. */
int qn_param_rows_bind(qn_param_rows *r, const qn_source *s, const qn_config *c, const qn_param *p,
                       const qn_tensor_info *info);
/* Rows [r0, r0+n), one after the other. to: [n, cols]; room: n·row_bytes, used where the file has them in another
 * order; what is returned is room or lies in the file. */
void qn_param_rows_f32(const qn_param_rows *r, int64_t r0, int64_t n, float *to);
const char *qn_param_rows_stored(const qn_param_rows *r, int64_t r0, int64_t n, char *room);

/* What the parameter is as a tensor of the model, without its data: a matrix in panels of `matrices`, a vector as rows
 * of F32; and the bytes that takes. */
qn_tensor qn_param_tensor(const qn_param *p, const qn_config *c, qn_dtype matrices);
size_t qn_param_bytes(const qn_tensor *t);

#endif
