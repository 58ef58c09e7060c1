/* graph/unpacked.h — a matrix in panels of which some still lie in the file only. Whoever multiplies with it takes each
 * panel as it is found; the bits are the same (kernels/storage.h), so it does not matter which has been packed when.
 *
 *     panels   │ packed │        │ packed │        │           file   rows of 0 │ rows of 1 │ rows of 2 │ rows of 3
 *     packed       1         0       1         0               left   2
 *
 * One thread packs a panel, then says so; from there on nobody looks at its rows. Who owns this: model/packing.h. */
#ifndef QN_GRAPH_UNPACKED_H
#define QN_GRAPH_UNPACKED_H

#include "graph/tensor.h"
#include "kernels/kernels.h"

#include <stdatomic.h>

struct qn_unpacked {
    _Atomic int64_t left;           /* panels that are not packed yet */
    _Atomic uint8_t *packed;        /* [panels] */
    const char *rows;               /* row 0 as the file has it, in the matrix's dtype */
    size_t row_bytes;
    int64_t Dh, rot;                /* rows of heads may be interleaved: qn_interleaved_row */
};

/* Where row r lies whose heads of Dh have their first `rot` rows stored as pairs: row 2i + j is half j of pair i. */
QN_INLINE int64_t qn_interleaved_row(int64_t r, int64_t Dh, int64_t rot) {
    const int64_t half = rot / 2, in_head = rot ? r % Dh : 0;
    if (in_head >= rot)
        return r;
    return r - in_head + 2 * (in_head % half) + in_head / half;
}

/* Whether the rows of every panel then lie equally far from one another: no panel has rows of two halves. */
QN_INLINE bool qn_interleaves_by_panels(int64_t Dh, int64_t rot) {
    return rot == 0 || (Dh % QN_PANEL == 0 && rot / 2 % QN_PANEL == 0);
}

/* The rows of a panel: the first one, and how far apart they are. */
typedef struct { const char *first; size_t apart; } qn_panel_rows;
QN_INLINE qn_panel_rows qn_panel_rows_at(const char *rows, size_t row_bytes, int64_t Dh, int64_t rot, int64_t panel) {
    const int64_t r = panel * QN_PANEL, first = qn_interleaved_row(r, Dh, rot);
    const bool pairs = rot && r % Dh < rot;
    return (qn_panel_rows){rows + (size_t)first * row_bytes, pairs ? 2 * row_bytes : row_bytes};
}

QN_INLINE bool qn_all_packed(const struct qn_unpacked *u) {
    return !u || atomic_load_explicit(&u->left, memory_order_acquire) == 0;
}
QN_INLINE bool qn_panel_packed(const struct qn_unpacked *u, int64_t panel) {
    return atomic_load_explicit(&u->packed[panel], memory_order_acquire);
}

#endif
