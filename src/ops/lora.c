/* ops/lora.c — y′_i = y_i + s·(u_i · B_iᵀ), i < n ≤ 3: what an adapter adds to products (model/adapter.h).
 *
 *   y_i [T,N_i] products with the weights    u_i [T,R_i] x·A_iᵀ, of a linear node    B_i [N_i,R_i] F32 in panels
 *
 * s is the pair's scale times what the run says of the row's segment and this adapter (qn_batch). Rows where it says 0
 * are copied: switched off, an adapter leaves not a bit. In the others each output is one chain that begins at y, in
 * the arithmetic of linear's rows; so a row does not depend on its neighbours.
 *
 *   dL/dy_i += g_i      dL/du_i += s·(g_i · B_i)      dL/dB_i += g_iᵀ · (s·u_i)
 *
 * The latter two are the gradients of a linear node whose x is s·u: linear_grad.c works them out.
 *
 *   phase 1   dy; rows of s·u       phase 2, 3   linear's       phase 4   du: its rows times s */
#include "ops/lora_impl.h"

#include "ops/adapter_case.h"
#include "ops/attention.h"
#include "ops/linear_impl.h"

#include <string.h>

enum { IN_Y, IN_U, IN_B, EACH };        /* of weight i: input EACH·i + … */

/* ---- what dora.c uses too ---- */

double qn_lora_run_scale(const qn_op_ctx *c, int adapter, int64_t t) {
    const qn_batch *b = c->run;
    if (!b || !b->adapter_scale)
        return 1;
    return (double)b->adapter_scale[b->row_segment[t] * b->n_adapters + adapter];
}

int64_t qn_lora_until(const qn_op_ctx *c, int adapter, int64_t t, int64_t end, bool off) {
    while (t < end && (qn_lora_run_scale(c, adapter, t) == 0) != off)
        t++;
    return t;
}

static double scale_of(const qn_op_ctx *c, const qn_lora_term *m, int64_t t) {
    return m->scale * qn_lora_run_scale(c, m->adapter, t);
}

void qn_lora_multiply(const qn_op_ctx *c, const qn_lora_term *m, int64_t t, int64_t end, void *y, int64_t ldy,
                      bool more, void *scratch) {
    const int64_t R = m->b->dim[1], rows = end - t;
    const qn_linear_args a = {.y = y, .ldy = ldy, .x = scratch, .ldx = (size_t)R * c->k->real, .w = m->b->data,
                              .m = rows, .n = m->b->dim[0], .K = R, .more = more};
    for (int64_t i = 0; i < rows; i++)
        c->k->scale((char *)scratch + (size_t)(i * R) * c->k->real, qn_row(m->u, t + i), scale_of(c, m, t + i), R);
    qn_linear_pick(c->k, m->b->dtype, rows)(&a);
}

static qn_tensor rows_at(const qn_op_ctx *c, int64_t T, int64_t n, void *data) {
    return (qn_tensor){.dtype = c->k->real == sizeof(double) ? QN_F64 : QN_F32, .rank = 2, .dim = {T, n}, .stride = n,
                       .data = data};
}

static size_t rows_bytes(const qn_lora_grad *g) {
    return qn_round64((size_t)(g->c.in[X].dim[0] * g->c.in[X].dim[1]) * g->c.k->real);
}

void qn_lora_grad_init(qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, char *at, const qn_tensor *dy,
                       const qn_tensor *du, const qn_tensor *db) {
    static const qn_linear_attr plain = {1, 0}, half = {1, QN_LINEAR_HALF};
    const int64_t T = m->u->dim[0], R = m->b->dim[1];
    g->c.k = c->k;
    g->c.attr = m->half ? &half : &plain;
    g->c.n_in = 2;
    g->c.n_out = 1;
    g->c.in[X] = rows_at(c, T, R, at);
    g->c.in[W] = *m->b;
    g->c.dout = dy ? &g->dout : NULL;
    g->c.din = dy ? g->din : NULL;
    g->c.fresh = 1 << X;
    g->c.partials = at ? at + 2 * rows_bytes(g) : NULL;
    if (!dy)
        return;
    g->dout = *dy;
    g->din[X] = rows_at(c, T, R, du->data ? at + rows_bytes(g) : NULL);
    g->din[W] = *db;
}

size_t qn_lora_grad_partials(const qn_lora_grad *g) {
    return 2 * rows_bytes(g) + qn_round64(qn_linear_partials(&g->c, true));
}

void qn_lora_grad_scale(const qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, int64_t t) {
    c->k->scale(qn_row(&g->c.in[X], t), qn_row(m->u, t), scale_of(c, m, t), m->b->dim[1]);
}

void qn_lora_grad_u(const qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, const qn_tensor *du, bool born,
                    int64_t t, void *scratch) {
    const int64_t R = m->b->dim[1];
    c->k->scale(born ? qn_row(du, t) : scratch, qn_row(&g->din[X], t), scale_of(c, m, t), R);
    if (!born)
        c->k->add(qn_row(du, t), qn_row(du, t), scratch, R);
}

/* ---- shape ---- */

static const qn_lora_attr *attr(const qn_op_ctx *c) { return c->attr; }

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_lora_attr *at = a->attr;
    if (at->n < 1 || at->n > 3 || at->n != a->n_out || EACH * at->n != a->n_in)
        return qn_fail(QN_EINVAL, "lora: %d weights do not match %d inputs and %d outputs", at->n, a->n_in, a->n_out);
    for (int i = 0; i < at->n; i++) {
        const qn_shape *y = &a->in[EACH * i + IN_Y], *u = &a->in[EACH * i + IN_U], *b = &a->in[EACH * i + IN_B];
        if (a->layout[EACH * i + IN_B] != QN_LAYOUT_PANELS || qn_act_form_of(a->dtype[EACH * i + IN_B]) ==
            QN_ACT_BF16 || qn_act_form_of(a->dtype[EACH * i + IN_B]) == QN_ACT_Q8B32)
            return qn_fail(QN_EINVAL, "lora: B of weight %d must be numbers that multiply plain rows, in panels", i);
        if (y->rank != 2 || u->rank != 2 || b->rank != 2 || y->dim[0] != u->dim[0] || y->dim[1] != b->dim[0] ||
            u->dim[1] != b->dim[1])
            return qn_fail(QN_ESHAPE, "lora: weight %d: products are %s, B is [%lld,%lld]", i, qn_shape_text(y),
                           (long long)b->dim[0], (long long)b->dim[1]);
        out[i] = (qn_op_out){*y, a->dtype[EACH * i + IN_Y], QN_LAYOUT_ROWS};
    }
    return 0;
}

static qn_lora_term term(const qn_op_ctx *c, int i) {
    return (qn_lora_term){&c->in[EACH * i + IN_U], &c->in[EACH * i + IN_B], attr(c)->scale[i], attr(c)->adapter,
                          attr(c)->half};
}

/* ---- forward ---- */

static void forward(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    for (int i = 0; i < attr(c)->n; i++) {
        const qn_lora_term m = term(c, i);
        const qn_tensor *y = &c->in[EACH * i + IN_Y], *out = &c->out[i];
        const bool in_place = out->data == y->data;
        for (int64_t t = rows.begin; t < rows.end && !in_place; t++)
            memcpy(qn_row(out, t), qn_row(y, t), (size_t)out->dim[1] * c->k->real);
        for (int64_t t = rows.begin, end; t < rows.end; t = end) {
            t = qn_lora_until(c, m.adapter, t, rows.end, false);
            end = qn_lora_until(c, m.adapter, t, rows.end, true);
            if (t < end)
                qn_lora_multiply(c, &m, t, end, qn_row(out, t), out->stride, true, scratch);
        }
    }
}

/* ---- backward ---- */

/* Weight i as a linear node, with its place among the partials. */
static void grad_of(const qn_op_ctx *c, int i, qn_lora_grad *g) {
    char *at = c->partials;
    for (int j = 0; j <= i; j++) {
        const qn_lora_term m = term(c, j);
        const bool known = c->din != NULL;
        at += j ? qn_lora_grad_partials(g) : 0;
        qn_lora_grad_init(g, c, &m, at, known ? &c->dout[j] : NULL, known ? &c->din[EACH * j + IN_U] : NULL,
                          known ? &c->din[EACH * j + IN_B] : NULL);
    }
}

static void begin(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    qn_lora_grad g;
    for (int i = 0; i < attr(c)->n; i++) {
        const qn_lora_term m = term(c, i);
        const qn_tensor *dy = &c->din[EACH * i + IN_Y], *dout = &c->dout[i];
        grad_of(c, i, &g);
        for (int64_t t = rows.begin; t < rows.end; t++) {
            qn_lora_grad_scale(&g, c, &m, t);
            if (dy->data && qn_op_born(c, EACH * i + IN_Y))
                memcpy(qn_row(dy, t), qn_row(dout, t), (size_t)dout->dim[1] * c->k->real);
            else if (dy->data)
                c->k->add(qn_row(dy, t), qn_row(dy, t), qn_row(dout, t), dout->dim[1]);
        }
    }
}

static int64_t gather_tiles(const qn_op_ctx *c) {
    qn_lora_grad g;
    int64_t n = 0;
    for (int i = 0; i < attr(c)->n; i++) {
        grad_of(c, i, &g);
        n += qn_linear_gather_tiles(&g.c);
    }
    return n;
}

static void gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    qn_lora_grad g;
    int i = 0;
    for (grad_of(c, i, &g); tile >= qn_linear_gather_tiles(&g.c); grad_of(c, i, &g)) {
        tile -= qn_linear_gather_tiles(&g.c);
        i++;
    }
    qn_linear_gather(&g.c, tile, scratch);
}

static int64_t product_tiles(const qn_op_ctx *c) {
    qn_lora_grad g;
    int64_t n = 0;
    for (int i = 0; i < attr(c)->n; i++) {
        grad_of(c, i, &g);
        n += qn_linear_grad_tiles(&g.c);
    }
    return n;
}

static void product(const qn_op_ctx *c, int64_t tile, void *scratch) {
    qn_lora_grad g;
    int i = 0;
    for (grad_of(c, i, &g); tile >= qn_linear_grad_tiles(&g.c); grad_of(c, i, &g)) {
        tile -= qn_linear_grad_tiles(&g.c);
        i++;
    }
    qn_linear_grad(&g.c, tile, scratch);
}

static void finish(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[IN_Y].dim[0], QN_OP_ROWS, tile);
    qn_lora_grad g;
    for (int i = 0; i < attr(c)->n; i++) {
        const qn_lora_term m = term(c, i);
        const qn_tensor *du = &c->din[EACH * i + IN_U];
        grad_of(c, i, &g);
        for (int64_t t = rows.begin; du->data && t < rows.end; t++)
            qn_lora_grad_u(&g, c, &m, du, qn_op_born(c, EACH * i + IN_U), t, scratch);
    }
}

static size_t partials(const qn_op_ctx *c, bool backward) {
    qn_lora_grad g;
    size_t bytes = 0;
    for (int i = 0; backward && i < attr(c)->n; i++) {
        grad_of(c, i, &g);
        bytes += qn_lora_grad_partials(&g);
    }
    return bytes;
}

static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    qn_lora_grad g;
    size_t bytes = 0;
    for (int i = 0; i < attr(c)->n; i++) {
        const size_t rows = QN_OP_ROWS * (size_t)c->in[EACH * i + IN_B].dim[1] * c->k->real;
        grad_of(c, i, &g);
        bytes = QN_MAX(bytes, QN_MAX(rows, qn_linear_scratch(&g.c, backward)));
    }
    return bytes;
}

static int64_t flops(const qn_op_ctx *c) {
    int64_t n = 0;
    for (int i = 0; i < attr(c)->n; i++)
        n += 2 * c->in[IN_Y].dim[0] * c->in[EACH * i + IN_B].dim[0] * c->in[EACH * i + IN_B].dim[1];
    return n;
}

/* ---- cases ---- */

static void *segments(qn_op_ctx *c) { return qn_adapter_case(c, c->in[IN_Y].dim[0]); }

static const qn_lora_attr one = {.n = 1, .scale = {2}}, two = {.n = 2, .adapter = 1, .scale = {0.5, 1.5}},
                          three = {.n = 3, .adapter = 1, .scale = {1, 2, 0.25}};
static const qn_op_case cases[] = {
    {.n_in = 3, .in = {{2, {1, 1}}, {2, {1, 1}}, {2, {1, 1}}}, .attr = &one, .panels = 1 << IN_B},
    {.n_in = 3, .in = {{2, {70, 33}}, {2, {70, 5}}, {2, {33, 5}}}, .attr = &one, .panels = 1 << IN_B},
    {.n_in = 6,
     .in = {{2, {19, 6}}, {2, {19, 3}}, {2, {6, 3}}, {2, {19, 40}}, {2, {19, 35}}, {2, {40, 35}}},
     .attr = &two, .panels = 1 << IN_B | 1 << (EACH + IN_B), .prepare = segments},
    {.n_in = 9,
     .in = {{2, {5, 6}}, {2, {5, 2}}, {2, {6, 2}}, {2, {5, 4}}, {2, {5, 2}}, {2, {4, 2}}, {2, {5, 4}}, {2, {5, 1}},
            {2, {4, 1}}},
     .attr = &three, .panels = 1 << IN_B | 1 << (EACH + IN_B) | 1 << (2 * EACH + IN_B), .prepare = segments},
};

#define ALL(which) (1 << (which) | 1 << (EACH + (which)) | 1 << (2 * EACH + (which)))
const qn_op qn_op_lora = {
    .name = "lora", .n_in_min = EACH, .n_in_max = 3 * EACH, .attr_size = sizeof(qn_lora_attr), .takes_packed = true,
    .shape = shape,
    .forward = {{qn_op_row_tiles, forward}},
    .backward = {{qn_op_row_tiles, begin}, {gather_tiles, gather}, {product_tiles, product},
                 {qn_op_row_tiles, finish}},
    .partials = partials, .scratch = scratch_bytes, .by_rows = true, .adds_to = {1, EACH + 1, 2 * EACH + 1},
    .unread = ALL(IN_Y), .for_others = ALL(IN_U), .writes = ALL(IN_Y) | ALL(IN_U),
    .flops = flops, .cases = cases, .n_cases = QN_LEN(cases),
};
