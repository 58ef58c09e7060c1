/* ops/ops.c — the registry, and what many ops share. */
#include "graph/unpacked.h"
#include "ops/ops.h"

#include <string.h>

const qn_op *const qn_ops[] = {
#define QN_OP(name) &qn_op_##name,
#include "ops/op_list.inc"
#undef QN_OP
    NULL,
};

int64_t qn_op_row_tiles(const qn_op_ctx *c) { return qn_tiles(c->in[0].dim[0], QN_OP_ROWS); }

void qn_op_born_rows(const qn_op_ctx *c, int i, qn_span rows) {
    const qn_tensor *d = &c->din[i];
    if (d->data && qn_op_born(c, i))
        memset(qn_row(d, rows.begin), 0, (size_t)((rows.end - rows.begin) * d->stride) * c->k->real);
}

enum { SCATTER_TILES = 32 };
int64_t qn_op_scatter_tiles(int64_t rows) { return QN_MIN(rows, SCATTER_TILES); }

qn_span qn_op_scatter_span(int64_t rows, int64_t tile) {
    const int64_t tiles = qn_op_scatter_tiles(rows);
    return (qn_span){rows * tile / tiles, rows * (tile + 1) / tiles};
}

void qn_op_scatter_add(const qn_op_ctx *c, const qn_tensor *to, const qn_tensor *from, const int32_t *index,
                       int64_t tile) {
    const int64_t width = qn_tensor_row(to);
    const qn_span own = qn_op_scatter_span(to->dim[0], tile);
    for (int64_t i = 0; i < from->dim[0]; i++)
        if (own.begin <= index[i] && index[i] < own.end)
            c->k->add(qn_row(to, index[i]), qn_row(to, index[i]), qn_row(from, i), width);
}

/* ---- a row out of panels ---- */

size_t qn_op_panel_scratch(const qn_op_ctx *c, const qn_tensor *w) {
    return c->k->real == sizeof(float) ? 0 : (size_t)w->dim[1] * sizeof(float);
}

/* The judge's row is widened, unless the matrix is in double itself. */
void qn_op_panel_row(const qn_op_ctx *c, const qn_tensor *w, int64_t row, void *out, void *scratch) {
    const int64_t K = w->dim[1];
    const bool judged = c->k->real == sizeof(double);
    if (w->dtype == QN_F64) {
        const double *panel = (const double *)w->data + row / QN_PANEL * QN_PANEL * K + row % QN_PANEL;
        for (int64_t i = 0; i < K; i++)
            ((double *)out)[i] = panel[i * QN_PANEL];
        return;
    }
    float *x = judged ? scratch : out;
    if (qn_all_packed(w->unpacked) || qn_panel_packed(w->unpacked, row / QN_PANEL)) {
        qn_unpack_row(x, w->dtype, w->data, row, K);
    } else {
        const struct qn_unpacked *u = w->unpacked;
        const int64_t stored = qn_interleaved_row(row, u->Dh, u->rot);
        qn_dtype_get(w->dtype)->decode_row(x, u->rows + (size_t)stored * u->row_bytes, K);
    }
    for (int64_t i = 0; judged && i < K; i++)
        ((double *)out)[i] = (double)x[i];
}

/* ---- tokens with rows of their own ---- */

int64_t qn_token_row(const qn_token_rows_attr *a, int32_t id) {
    int64_t low = 0, high = a->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (a->id[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->n && a->id[low] == id ? low : -1;
}
