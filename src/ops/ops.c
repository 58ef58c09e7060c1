/* ops/ops.c — the registry, and what many ops share. */
#include "ops/ops.h"

const qn_op *const qn_ops[] = {
#define QN_OP(name) &qn_op_##name,
#include "ops/op_list.inc"
#undef QN_OP
    NULL,
};

int64_t qn_op_row_tiles(const qn_op_ctx *c) { return qn_tiles(c->in[0].dim[0], QN_OP_ROWS); }
