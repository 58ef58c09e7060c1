/* graph/grad.c — planning the reverse walk.
 *
 * A node is active if the seed depends on it and it depends on something trained. The walk passes the active nodes last
 * to first; what is not kept for a node is made again right before it (again.c):
 *
 *     step     0 … n−1          n …
 *              forward 0 … n−1  backward n−1, again i, again j, backward n−2, …
 *
 * What backward of a node reads lives until that step: its inputs (but those it says it does not read, and those it
 * reads for nobody: x of a product whose weights are frozen), what it saved. The gradient of a value is born at the
 * first step that adds to it — backward of its last active reader — and dies with backward of the node that made it. A
 * view, and the output of a rounding, share the gradient of what they come from; a term shares that of its sum, and so
 * does what an op adds to. */
#include "graph/graph_impl.h"

qn_ref qn_grad_source(const qn_graph *g, qn_ref r) {
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

qn_ref qn_grad_home(const qn_graph *g, qn_ref r) {
    r = qn_grad_source(g, r);
    while (g->value[r].sum >= 0)
        r = qn_grad_source(g, g->value[r].sum);
    return r;
}

static bool takes_grad(const qn_node *n, int i) { return !(n->op->const_inputs >> i & 1); }

bool qn_grad_reads(const qn_graph *g, const qn_node *n, int j) {
    bool asked = !(n->op->for_others >> j & 1);
    for (int i = 0; i < n->n_in && !asked; i++)
        asked = i != j && takes_grad(n, i) && g->value[n->in[i]].wants_grad;
    return asked && !(n->op->unread >> j & 1);
}

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

/* ---- sums ---- */

/* In y = a + b all three gradients begin as the same numbers, so one buffer can do for them: the residual stream's
 * gradient lies in one place through all layers. It must not be changed on behalf of one term while another is still
 * to be read. By node, where the walk goes down: */
typedef struct {
    int reader, next;               /* last active node that adds to the value's own gradient, the one before; -1 */
    int used;                       /* it is read, by the value and its terms, down to backward of this node */
    int changed;                    /* its terms' other readers change it from this node on down; -1: never */
} sharing;

static void note_reader(sharing *s, int node) {
    s->next = s->reader;
    s->reader = node;
}

/* The node where the walk first changes what the sum at `node` left in its term's gradient; `node` or one behind it if
 * the gradient is not born there. */
static int changed_by(const sharing *s, int node) {
    return QN_MAX(s->reader == node ? s->next : s->reader, s->changed);
}

static void share_terms(qn_graph *g, int node, sharing *s) {
    const qn_node *n = &g->node[node];
    const qn_ref term[2] = {qn_grad_source(g, n->in[0]), qn_grad_source(g, n->in[1])};
    bool share[2];
    for (int j = 0; j < 2; j++) {
        const qn_value *v = &g->value[term[j]];
        share[j] = v->kind == VALUE_NODE && v->wants_grad && changed_by(&s[term[j]], node) < node;
    }
    for (int j = 0; j < 2 && share[0] && share[1]; j++)
        share[1] = changed_by(&s[term[j]], node) < s[term[1 - j]].used;
    for (int j = 0; j < 2; j++)
        if (share[j]) {
            g->value[term[j]].sum = n->out;
            s[n->out].used = QN_MIN(s[n->out].used, s[term[j]].used);
            s[n->out].changed = QN_MAX(s[n->out].changed, changed_by(&s[term[j]], node));
        }
}

/* What nobody reads but an op that adds something to it: its gradient is born there, as the output's. */
static void share_added(qn_graph *g, int node, sharing *s) {
    const qn_node *n = &g->node[node];
    for (int i = 0; i < n->n_out; i++) {
        const qn_ref of = n->op->adds_to[i] ? qn_grad_source(g, n->in[n->op->adds_to[i] - 1]) : -1;
        if (of < 0 || g->value[of].kind != VALUE_NODE || !g->value[of].wants_grad || s[of].reader != node ||
            changed_by(&s[of], node) >= 0)
            continue;
        g->value[of].sum = n->out + i;
        s[n->out + i].used = QN_MIN(s[n->out + i].used, s[of].used);
    }
}

static int share_sums(qn_graph *g) {
    sharing *s = qn_alloc(QN_MEM_GRAPH, (g->n_values + 1) * sizeof *s);
    if (!s)
        return QN_ENOMEM;
    for (size_t i = 0; i < g->n_values; i++)
        s[i] = (sharing){-1, -1, g->value[i].first, -1};
    for (size_t i = 0; i < g->n_nodes; i++) {
        const qn_node *n = &g->node[i];
        for (int j = 0; j < n->n_in && n->active && !n->op->pass_through; j++)
            if (takes_grad(n, j))
                note_reader(&s[qn_grad_source(g, n->in[j])], (int)i);
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].active && g->node[i].op->sum)
            share_terms(g, (int)i, s);
        else if (g->node[i].active)
            share_added(g, (int)i, s);
    qn_free(s);
    return 0;
}

/* ---- blocks and steps ---- */

int qn_graph_add_block(qn_graph *g, qn_block b) {
    QN_TRY(QN_GROW(QN_MEM_GRAPH, g->block, g->cap_blocks, g->n_blocks + 1));
    g->block[g->n_blocks] = b;
    return (int)g->n_blocks++;
}

int qn_graph_add_step(qn_graph *g, qn_step s) {
    QN_TRY(QN_GROW(QN_MEM_GRAPH, g->step, g->cap_steps, g->n_steps + 1));
    g->step[g->n_steps] = s;
    return (int)g->n_steps++;
}

/* A gradient is real and has rows, whatever form its value is stored in. */
static size_t grad_bytes(const qn_value *v, const qn_plan_for *f) {
    qn_value rows = *v;
    rows.layout = QN_LAYOUT_ROWS;
    rows.dtype = QN_F32;
    return qn_value_bytes(&rows, f->sym, f->real);
}

/* The gradient block of r's home lives at `step` too; 1 if it is born there, 0 if not, or if r has no gradient. */
static int need_grad(qn_graph *g, qn_ref r, int step, const qn_plan_for *f) {
    qn_value *home = &g->value[qn_grad_home(g, r)];
    if (home->kind != VALUE_NODE || !home->wants_grad)
        return 0;
    if (home->grad >= 0) {
        g->block[home->grad].last = step;
        return 0;
    }
    const int b = qn_graph_add_block(g, (qn_block){grad_bytes(home, f), 0, step, step, BLOCK_GRAD});
    if (b < 0)
        return b;
    home->grad = b;
    return 1;
}

static int plan_saved(qn_graph *g, int node, int step, const qn_plan_for *f) {
    qn_node *n = &g->node[node];
    const qn_shape *x = &g->value[n->in[0]].shape;
    const int64_t rows = qn_dim_bind(x->dim[0], f->sym) * (n->op->saved_per_head ? x->dim[1] : 1);
    for (int s = 0; s < QN_OP_SAVED; s++) {
        n->saved[s] = -1;
        if (!n->op->saved_bytes[s])
            continue;
        const size_t bytes = qn_round64((size_t)rows * n->op->saved_bytes[s] * f->real);
        n->saved[s] = qn_graph_add_block(g, (qn_block){bytes, 0, node, step, BLOCK_SAVED});
        QN_TRY(n->saved[s]);
    }
    return 0;
}

/* Whether another input of the node has the gradient of input j. */
static bool added_twice(const qn_graph *g, const qn_node *n, int j) {
    for (int i = 0; i < n->n_in; i++)
        if (i != j && takes_grad(n, i) && qn_grad_home(g, n->in[i]) == qn_grad_home(g, n->in[j]))
            return true;
    return false;
}

/* The output that has the gradient of input j, if they share. */
static bool shares_sum(const qn_graph *g, const qn_node *n, int j) {
    qn_ref whole = n->op->sum ? n->out : -1;
    for (int i = 0; i < n->n_out; i++)
        whole = n->op->adds_to[i] == j + 1 ? n->out + i : whole;
    return whole >= 0 && g->value[qn_grad_source(g, n->in[j])].sum == whole;
}

static int plan_node(qn_graph *g, int node, const qn_plan_for *f) {
    const qn_node *n = &g->node[node];
    qn_step s = {.part = QN_PART_BACKWARD, .node = node};
    const int step = (int)g->n_steps;
    for (int j = 0; j < n->n_out; j++) {        /* an output that nobody reads still has a gradient: zero */
        const int born = need_grad(g, n->out + j, step, f);
        QN_TRY(born);
        s.clear_out |= born << j;
        if (n->op->reads_out)
            qn_graph_read_back(g, n->out + j, step);
    }
    for (int j = 0; j < n->n_in; j++) {
        if (qn_grad_reads(g, n, j))
            qn_graph_read_back(g, n->in[j], step);
        if (!takes_grad(n, j) || shares_sum(g, n, j))
            continue;
        const int born = need_grad(g, n->in[j], step, f);
        QN_TRY(born);
        if (n->op->writes >> j & 1 && !added_twice(g, n, j))
            s.fresh |= born << j;
        else
            s.clear_in |= born << j;
    }
    QN_TRY(plan_saved(g, node, step, f));
    return qn_graph_add_step(g, s);
}

static void mark_read(qn_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const qn_node *n = &g->node[i];
        if (!n->active || n->op->pass_through)
            continue;
        for (int j = 0; j < n->n_in; j++)
            if (qn_grad_reads(g, n, j))
                qn_value_home(g, n->in[j])->read_back = true;
        for (int j = 0; j < n->n_out && n->op->reads_out; j++)
            g->value[n->out + j].read_back = true;
    }
}

static int plan_walk(qn_graph *g, bool *need, const qn_plan_for *f) {
    QN_TRY(share_sums(g));
    mark_read(g);
    qn_graph_choose_again(g);
    QN_TRY(need_grad(g, g->seed, (int)g->n_steps, f));
    for (size_t i = g->n_nodes; i-- > 0;) {
        if (!g->node[i].active || g->node[i].op->pass_through)
            continue;
        QN_TRY(qn_graph_make_again(g, (int)i, need, f));
        QN_TRY(plan_node(g, (int)i, f));
    }
    return 0;
}

int qn_graph_plan_backward(qn_graph *g, const qn_plan_for *f) {
    if (g->seed < 0)
        return 0;
    QN_TRY(check_trained(g));
    bool *mark = qn_zalloc(QN_MEM_GRAPH, g->n_values + g->n_nodes, sizeof *mark);       /* by value; by node */
    if (!mark)
        return QN_ENOMEM;
    mark_wanted(g);
    int rc = mark_active(g, mark);
    if (rc >= 0 && !g->value[g->seed].wants_grad)
        rc = qn_fail(QN_EINVAL, "graph: %s does not depend on anything that is trained", g->value[g->seed].name);
    if (rc >= 0)
        rc = plan_walk(g, mark + g->n_values, f);
    qn_free(mark);
    return rc;
}

/* ---- binding, for exec.c ---- */

void *qn_grad_data(const qn_graph *g, qn_ref r, char *arena) {
    const qn_value *home = &g->value[qn_grad_home(g, r)];
    if (home->kind == VALUE_PARAM)
        return home->param_grad.data;
    return home->grad >= 0 ? arena + g->block[home->grad].offset : NULL;
}

void *qn_grad_input(const qn_graph *g, const qn_node *n, int j, char *arena) {
    return takes_grad(n, j) && !shares_sum(g, n, j) ? qn_grad_data(g, n->in[j], arena) : NULL;
}
