/* ops/token_logits.c — the logits of a head, with those of tokens that have rows of an adapter's own (token_rows.c).
 *
 *   y [S,V] the head's logits      z [S,n] x·Eᵀ, of a linear node      index [S] i32: which rows of the run these are
 *   y′ [S,V′]     column id_j is z_j; a column that is nobody's is FAINT; the others are y's
 *
 * V′ is as wide as the widest adapter of the session. Where a row's segment has the adapter off, its columns below V
 * are y's to the bit, and those beyond are FAINT: a number, so that sums over a row stay numbers, and as good as
 * never. */
#include "ops/lora_impl.h"

#include <string.h>

#define FAINT -1e30

enum { Y, Z, INDEX };

static const qn_token_rows_attr *attr(const qn_op_ctx *c) { return c->attr; }

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_token_rows_attr *at = a->attr;
    const qn_shape *y = &a->in[Y], *z = &a->in[Z], *index = &a->in[INDEX];
    if (y->rank != 2 || z->rank != 2 || z->dim[0] != y->dim[0] || z->dim[1] != at->n)
        return qn_fail(QN_ESHAPE, "token_logits: logits are %s, those of %lld tokens %s", qn_shape_text(y),
                       (long long)at->n, qn_shape_text(z));
    if (index->rank != 1 || index->dim[0] != y->dim[0] || a->dtype[INDEX] != QN_I32)
        return qn_fail(QN_ESHAPE, "token_logits: needs one i32 index for each row, got %s", qn_shape_text(index));
    out[0] = (qn_op_out){{2, {y->dim[0], QN_MAX(y->dim[1], at->rows)}}, a->dtype[Y], QN_LAYOUT_ROWS};
    return 0;
}

static void put(const qn_op_ctx *c, void *row, int64_t i, double x) {
    if (c->k->real == sizeof(double))
        ((double *)row)[i] = x;
    else
        ((float *)row)[i] = (float)x;
}

static void forward(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_span rows = qn_tile_span(c->in[Y].dim[0], QN_OP_ROWS, tile);
    const int64_t V = c->in[Y].dim[1], wide = c->out[0].dim[1];
    for (int64_t s = rows.begin; s < rows.end; s++) {
        char *to = qn_row(&c->out[0], s);
        const char *z = qn_row(&c->in[Z], s);
        const bool on = qn_lora_run_scale(c, attr(c)->adapter, qn_i32(&c->in[INDEX])[s]) != 0;
        memcpy(to, qn_row(&c->in[Y], s), (size_t)V * c->k->real);
        for (int64_t v = V; v < wide; v++)
            put(c, to, v, FAINT);
        for (int64_t j = 0; on && j < attr(c)->n; j++)
            memcpy(to + (size_t)attr(c)->id[j] * c->k->real, z + (size_t)j * c->k->real, c->k->real);
    }
}

static const int32_t some[] = {1, 4, 5};
static const qn_token_rows_attr three = {some, 3, 6, 0};
static const qn_op_case cases[] = {
    {.n_in = 3, .in = {{2, {20, 4}}, {2, {20, 3}}, {1, {20}}}, .below = {[INDEX] = 20}, .attr = &three},
};

const qn_op qn_op_token_logits = {
    .name = "token_logits", .n_in_min = 3, .n_in_max = 3, .attr_size = sizeof(qn_token_rows_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .no_grad = "training takes its losses from xent, which has these rows itself", .const_inputs = 1 << INDEX,
    .by_rows = true, .cases = cases, .n_cases = QN_LEN(cases),
};
