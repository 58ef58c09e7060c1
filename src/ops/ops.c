/* ops/ops.c — the registry, and what many ops share. */
#include "ops/ops.h"

const qn_op *const qn_ops[] = {
#define QN_OP(name) &qn_op_##name,
#include "ops/op_list.inc"
#undef QN_OP
    NULL,
};

int64_t qn_op_row_tiles(const qn_op_ctx *c) { return qn_tiles(c->in[0].dim[0], QN_OP_ROWS); }

enum { SCATTER_TILES = 32 };
int64_t qn_op_scatter_tiles(int64_t rows) { return QN_MIN(rows, SCATTER_TILES); }

void qn_op_scatter_add(const qn_op_ctx *c, const qn_tensor *to, const qn_tensor *from, const int32_t *index,
                       int64_t tile) {
    const int64_t rows = to->dim[0], tiles = qn_op_scatter_tiles(rows), width = qn_tensor_row(to);
    const int64_t begin = rows * tile / tiles, end = rows * (tile + 1) / tiles;
    for (int64_t i = 0; i < from->dim[0]; i++)
        if (begin <= index[i] && index[i] < end)
            c->k->add(qn_row(to, index[i]), qn_row(to, index[i]), qn_row(from, i), width);
}
