/* ops/act_pack.c — x [T,K] real to rows in the activation form that a weight dtype multiplies with (kernels/kernels.h):
 * BF16 rounds to nearest even; the quantized dtypes take int8 with a scale per 32-block. Norms feed several
 * products: the row is packed once and they all read it. */
#include "ops/ops.h"

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_act_pack_attr *at = a->attr;
    const qn_act_form form = qn_act_form_of(at->weight);
    const qn_shape *x = &a->in[0];
    if (x->rank != 2)
        return qn_fail(QN_ESHAPE, "act_pack: rows must be [T,K], got %s", qn_shape_text(x));
    if (form != QN_ACT_BF16 && form != QN_ACT_Q8B32)
        return qn_fail(QN_EINVAL, "act_pack: %s weights read plain rows", qn_dtype_get(at->weight)->name);
    if (form == QN_ACT_Q8B32 && x->dim[1] % 32)
        return qn_fail(QN_ESHAPE, "act_pack: rows of %lld elements are not whole blocks of 32", (long long)x->dim[1]);
    out[0] = (qn_op_out){*x, form == QN_ACT_BF16 ? QN_BF16 : QN_Q8_0, QN_LAYOUT_ACTS};
    return 0;
}

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const int64_t K = c->in[0].dim[1];
    const qn_act_form form = qn_act_form_of(c->out[0].dtype);
    const size_t row_bytes = qn_act_row_bytes(form, K);
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        c->k->act_pack[form]((char *)c->out[0].data + (size_t)t * row_bytes, qn_row(&c->in[0], t), K);
}

const qn_op qn_op_act_pack = {
    .name = "act_pack", .n_in_min = 1, .n_in_max = 1, .attr_size = sizeof(qn_act_pack_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .pass_through = true, .cheap = true,
    .no_grad = "rounding: the gradient goes straight through; the reverse walk passes dL/dy on",
};
