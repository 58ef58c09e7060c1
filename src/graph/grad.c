/* graph/grad.c — planning the reverse walk.
 *
 * A node is active if the seed depends on it and it depends on something trained. Backward of active node i is step
 * 2n−1−i:
 *
 *     step     0 … n−1          n … 2n−1
 *              forward 0 … n−1  backward n−1 … 0
 *
 * What backward of a node reads lives until that step: its inputs (but those it says it does not read), what it
 * saved. The gradient of a value is born at the first step that adds to it — backward of its last active reader — and
 * dies with backward of the node that made it. A view, and the output of a rounding, share the gradient of what they
 * come from. */
#include "graph/graph_impl.h"

/* The value whose gradient serves v. */
static qn_ref grad_home(const qn_graph *g, qn_ref r) {
    for (;;) {
        const qn_value *v = &g->value[r];
        if (v->kind == VALUE_VIEW)
            r = v->base;
        else if (v->kind == VALUE_NODE && g->node[v->first].op->pass_through)
            r = g->node[v->first].in[0];
        else
            return r;
    }
}

static bool takes_grad(const qn_node *n, int i) { return !(n->op->const_inputs >> i & 1); }

/* Blocks of quantized numbers have no gradient of their own; what passes through them has. */
static int check_trained(const qn_graph *g) {
    for (size_t i = 0; i < g->n_values; i++) {
        const qn_value *v = &g->value[i];
        if (v->kind == VALUE_PARAM && v->param_grad.data && qn_dtype_get(v->dtype)->block > 1)
            return qn_fail(QN_EUNSUPPORTED, "%s is stored as %s, which cannot be trained; load it as f32 or bf16",
                           v->name, qn_dtype_get(v->dtype)->name);
    }
    return 0;
}

/* Forward: what depends on a trained parameter. */
static void mark_wanted(qn_graph *g) {
    for (size_t i = 0; i < g->n_values; i++)
        g->value[i].wants_grad = g->value[i].kind == VALUE_PARAM && g->value[i].param_grad.data;
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        if (v->kind == VALUE_VIEW)
            v->wants_grad = g->value[v->base].wants_grad;
        if (v->kind != VALUE_NODE)
            continue;
        const qn_node *n = &g->node[v->first];
        for (int j = 0; j < n->n_in; j++)
            v->wants_grad = v->wants_grad || (takes_grad(n, j) && g->value[n->in[j]].wants_grad);
    }
}

/* Backward: of that, what the seed depends on. reached[] is by value. */
static int mark_active(qn_graph *g, bool *reached) {
    reached[g->seed] = true;
    for (size_t i = g->n_nodes; i-- > 0;) {
        qn_node *n = &g->node[i];
        n->active = false;
        for (int j = 0; j < n->n_out; j++)
            n->active = n->active || (reached[n->out + j] && g->value[n->out + j].wants_grad);
        if (!n->active)
            continue;
        if (n->op->no_grad && !n->op->pass_through)
            return qn_fail(QN_EUNSUPPORTED, "%s: op %s has no gradient (%s)", g->value[n->out].name, n->op->name,
                           n->op->no_grad);
        for (int j = 0; j < n->n_in; j++) {
            qn_ref r = n->in[j];
            reached[r] = true;
            if (g->value[r].kind == VALUE_VIEW)
                reached[g->value[r].base] = true;
        }
    }
    return 0;
}

static int add_block(qn_graph *g, size_t bytes, int first, int last) {
    QN_TRY(QN_GROW(QN_MEM_GRAPH, g->block, g->cap_blocks, g->n_blocks + 1));
    g->block[g->n_blocks] = (qn_block){.bytes = bytes, .first = first, .last = last};
    return (int)g->n_blocks++;
}

static int backward_step(const qn_graph *g, size_t node) { return (int)(2 * g->n_nodes - 1 - node); }

/* A gradient is real and has rows, whatever form its value is stored in. */
static size_t grad_bytes(const qn_value *v, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real) {
    qn_value rows = *v;
    rows.layout = QN_LAYOUT_ROWS;
    rows.dtype = QN_F32;
    return qn_value_bytes(&rows, max_sym, real);
}

/* The gradient block of a value's home, born at `step` unless it is there already. */
static int need_grad(qn_graph *g, qn_ref r, int step, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real) {
    qn_value *home = &g->value[grad_home(g, r)];
    if (home->kind != VALUE_NODE || !home->wants_grad || home->grad >= 0)
        return 0;
    const int b = add_block(g, grad_bytes(home, max_sym, real), step, backward_step(g, (size_t)home->first));
    if (b < 0)
        return b;
    home->grad = b;
    return 0;
}

static int plan_saved(qn_graph *g, size_t i, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real) {
    qn_node *n = &g->node[i];
    const qn_shape *x = &g->value[n->in[0]].shape;
    const int64_t rows = qn_dim_bind(x->dim[0], max_sym) * (n->op->saved_per_head ? x->dim[1] : 1);
    for (int s = 0; s < QN_OP_SAVED; s++) {
        n->saved[s] = -1;
        if (!n->op->saved_bytes[s])
            continue;
        const size_t bytes = qn_round64((size_t)rows * n->op->saved_bytes[s] * real);
        const int b = add_block(g, bytes, (int)i, backward_step(g, i));
        if (b < 0)
            return b;
        n->saved[s] = b;
    }
    return 0;
}

static int plan_node(qn_graph *g, size_t i, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real) {
    const qn_node *n = &g->node[i];
    const int step = backward_step(g, i);
    if (n->op->pass_through)
        return 0;
    for (int j = 0; j < n->n_out; j++)          /* an output that nobody reads still has a gradient: zero */
        QN_TRY(need_grad(g, n->out + j, step, max_sym, real));
    for (int j = 0; j < n->n_out && n->op->reads_out; j++)
        g->value[n->out + j].last_backward = QN_MAX(g->value[n->out + j].last_backward, step);
    for (int j = 0; j < n->n_in; j++) {
        qn_value *v = &g->value[n->in[j]];
        if (v->kind == VALUE_VIEW)
            v = &g->value[v->base];
        if (v->kind == VALUE_NODE && !(n->op->unread >> j & 1))
            v->last_backward = QN_MAX(v->last_backward, step);
        if (takes_grad(n, j))
            QN_TRY(need_grad(g, n->in[j], step, max_sym, real));
    }
    return plan_saved(g, i, max_sym, real);
}

int qn_graph_plan_backward(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real) {
    if (g->seed < 0)
        return 0;
    QN_TRY(check_trained(g));
    bool *reached = qn_zalloc(QN_MEM_GRAPH, g->n_values, sizeof *reached);
    if (!reached)
        return QN_ENOMEM;
    mark_wanted(g);
    int rc = mark_active(g, reached);
    if (rc >= 0 && !g->value[g->seed].wants_grad)
        rc = qn_fail(QN_EINVAL, "graph: %s does not depend on anything that is trained", g->value[g->seed].name);
    if (rc >= 0)
        rc = need_grad(g, g->seed, (int)g->n_nodes, max_sym, real);
    for (size_t i = g->n_nodes; i-- > 0 && rc >= 0;)
        if (g->node[i].active)
            rc = plan_node(g, i, max_sym, real);
    qn_free(reached);
    return rc;
}

/* ---- binding, for exec.c ---- */

void *qn_grad_data(const qn_graph *g, qn_ref r, char *arena) {
    const qn_value *home = &g->value[grad_home(g, r)];
    if (home->kind == VALUE_PARAM)
        return home->param_grad.data;
    return home->grad >= 0 ? arena + g->block[home->grad].offset : NULL;
}
