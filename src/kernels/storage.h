/* kernels/storage.h — weights as files have them: into panels and back out of them, or multiplied as they are. Part of
 * kernels.h, which draws the panels and the activation rows. */
#ifndef QN_KERNELS_STORAGE_H
#define QN_KERNELS_STORAGE_H

#include "base/base.h"
#include "num/num.h"

typedef void qn_real;

/* From storage to panels. src holds rows [n0, n0+rows) of W in `from`, row-major, K per row; they become columns n0…
 * of the packed matrix `dst` (panel 0 at dst). n0 is a multiple of 32. Conversion from ≠ to goes through f32. */
typedef struct { qn_dtype from, to; const void *src; void *dst; int64_t n0, rows, K; } qn_pack_args;
void qn_pack_panels(const qn_pack_args *a);
/* The same of rows that begin `apart` bytes from one another. */
void qn_pack_panels_apart(const qn_pack_args *a, size_t apart);
/* One row (output column n) of a packed matrix back to K floats, e.g. a tied embedding. */
void qn_unpack_row(float *dst, qn_dtype t, const void *packed, int64_t n, int64_t K);
/* Rows [n0, n0 + rows), n0 a multiple of 32, to [rows,K]: the same numbers, as fast as memory. */
void qn_unpack_rows(float *dst, qn_dtype t, const void *packed, int64_t n0, int64_t rows, int64_t K);

/* Products straight from storage: y[m,n] = x[m,K] · W[n,K]ᵀ with W as a file has it, row by row. The first tokens come
 * from them while packing goes on. An output's chain is that of the packed product of the same level, and so are its
 * bits: of blocks the integers are exact in any order; lanes are rows of W as they are columns of a panel there. */
typedef struct {
    qn_real *y;              /* [m, ldy] out */
    int64_t ldy;
    const void *x;           /* m activation rows, in the form that packed weights of the dtype ask for */
    size_t ldx;              /* bytes between them */
    const void *w;           /* row 0 of W as stored, anywhere */
    size_t ldw;              /* bytes between rows, at least those of one */
    int64_t m, n, K;
} qn_stored_args;
typedef void qn_stored_fn(const qn_stored_args *a);

#endif
