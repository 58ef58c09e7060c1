/* graph/tensor.h — what an operation sees: typed, shaped, borrowed memory. */
#ifndef QN_GRAPH_TENSOR_H
#define QN_GRAPH_TENSOR_H

#include "base/base.h"
#include "num/num.h"

enum { QN_MAX_RANK = 4 };

/* Dimensions that change from run to run stand in a graph as symbols, bound when it runs. */
enum {
    QN_DIM_T = -1,      /* tokens (rows) of this run */
    QN_DIM_S = -2,      /* rows whose logits are wanted */
    QN_DIM_SYMBOLS = 2
};

typedef struct {
    int rank;
    int64_t dim[QN_MAX_RANK];       /* outermost first; may hold symbols before binding */
} qn_shape;

/* Where the bytes live. One space today; an op may have one implementation per space. */
typedef enum { QN_SPACE_HOST } qn_space;

/* QN_LAYOUT_ROWS: row-major. QN_LAYOUT_PANELS: a matrix packed for products (kernels/kernels.h); its shape is still
 * [N,K]. QN_LAYOUT_ACTS: rows of K values in an activation form; its shape is [T,K], its bytes per row
 * qn_act_row_bytes(form, K). */
typedef enum { QN_LAYOUT_ROWS, QN_LAYOUT_PANELS, QN_LAYOUT_ACTS } qn_layout;

typedef struct {
    qn_dtype dtype;
    qn_layout layout;
    qn_space space;
    int rank;
    int64_t dim[QN_MAX_RANK];
    int64_t stride;                 /* elements between outermost slices (QN_LAYOUT_ROWS), each contiguous */
    void *data;                     /* borrowed; NULL where the value does not exist in this run */
    const struct qn_unpacked *unpacked;     /* panels that may not be there yet (graph/unpacked.h); NULL: all are */
} qn_tensor;

/* Elements of the dimensions behind the first: what one row holds. No symbol may stand there. */
int64_t qn_shape_row(const qn_shape *s);
int64_t qn_tensor_row(const qn_tensor *t);
int64_t qn_tensor_numel(const qn_tensor *t);        /* of all dimensions; 0 where one is 0 */

/* Row t of a QN_LAYOUT_ROWS tensor of plain elements (F64, F32, I32). */
QN_INLINE void *qn_row(const qn_tensor *t, int64_t row) {
    const size_t size = t->dtype == QN_F64 ? 8 : 4;
    return (char *)t->data + (size_t)(row * t->stride) * size;
}
QN_INLINE const int32_t *qn_i32(const qn_tensor *t) { return t->data; }

/* "[T,576]" into a static thread-local buffer, for messages. */
const char *qn_shape_text(const qn_shape *s);

/* Fixed tiles: [begin, end) of tile i of n items in steps of size. */
typedef struct { int64_t begin, end; } qn_span;
QN_INLINE int64_t qn_tiles(int64_t n, int64_t size) { return (n + size - 1) / size; }
QN_INLINE qn_span qn_tile_span(int64_t n, int64_t size, int64_t i) {
    const int64_t b = i * size;
    return (qn_span){b, QN_MIN(b + size, n)};
}
/* Part i of n items in `parts` parts, as even as can be. */
QN_INLINE qn_span qn_part_span(int64_t n, int64_t parts, int64_t i) {
    return (qn_span){n * i / parts, n * (i + 1) / parts};
}

#endif
