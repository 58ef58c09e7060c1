/* graph/again.c — what the reverse walk does not find where forward put it: values that are made again.
 *
 *     kept:         made ═══════════════════════════════════════════ read        memory from forward to backward
 *     made again:   made ══ last reader                      made ══ read        memory twice, but shortly
 *
 * A value is made again right before the first step of the walk that reads it, from values that are kept or made again
 * themselves, and then stays until the last step that reads it. The same nodes run in the same order on the same bits,
 * so gradients do not depend on what is kept (docs/decisions/009).
 *
 * Cheap: a node whose op says so, if all it reads is there anyway. A norm's output goes (its input is kept for the
 * norm's own backward), its packed form with it; a rotated query stays, because nobody else needs the plain one.
 * Layers: everything, but anchors and what reaches across one (tables that all layers read). */
#include "graph/graph_impl.h"

/* Others than the walk rely on it, or a tap may have changed it: it is not made again. */
static bool pinned(const qn_value *v) { return v->keep || v->tap; }

/* There during the walk, whether we read it or not. */
static bool there_anyway(const qn_graph *g, qn_ref r) {
    const qn_value *v = qn_value_home(g, r);
    return v->kind != VALUE_NODE || v->remade || v->read_back || v->keep;
}

static bool worth_it(const qn_graph *g, const qn_node *n) {
    bool there = n->op->cheap;
    for (int j = 0; j < n->n_in && there; j++)
        there = there_anyway(g, n->in[j]);
    return there;
}

static bool makes_anchor(const qn_graph *g, int node) {
    for (int j = 0; j < g->node[node].n_out; j++)
        if (g->value[g->node[node].out + j].anchor)
            return true;
    return false;
}

/* Made before an anchor and read after it. */
static bool reaches_across(const qn_graph *g, const qn_value *v) {
    for (int i = v->first + 1; i < v->last; i++)
        if (makes_anchor(g, i))
            return true;
    return false;
}

/* Nodes before this one run again as layers. */
static int layers_end(const qn_graph *g) {
    int end = (int)g->n_nodes;
    if (g->recompute != QN_RECOMPUTE_LAYERS)
        return 0;
    while (end > 0 && !makes_anchor(g, end - 1))
        end--;
    return end > 0 ? end : (int)g->n_nodes;
}

/* A value of a layer that runs again. An anchor may go if it is cheap: the embedded tokens. */
static bool goes_with_layer(const qn_graph *g, const qn_value *v) {
    return (!v->anchor || worth_it(g, &g->node[v->first])) && !reaches_across(g, v);
}

void qn_graph_choose_again(qn_graph *g) {
    const int layers = layers_end(g);
    for (int i = 0; i < (int)g->n_nodes && g->recompute != QN_KEEP_ALL; i++) {
        const qn_node *n = &g->node[i];
        for (int j = 0; j < n->n_out; j++) {
            qn_value *v = &g->value[n->out + j];
            v->remade = !pinned(v) && (i < layers ? goes_with_layer(g, v) : worth_it(g, n));
        }
    }
}

void qn_graph_read_back(qn_graph *g, qn_ref r, int step) {
    qn_value *v = qn_value_home(g, r);
    if (v->kind != VALUE_NODE)
        return;
    if (v->remade)
        g->block[v->again].last = step;
    else
        v->last_backward = step;
}

/* Marks the node that has to run before r can be read. */
static void want(const qn_graph *g, qn_ref r, bool *need) {
    const qn_value *v = qn_value_home(g, r);
    if (v->remade && v->again < 0)
        need[v->first] = true;
}

/* All outputs of the node are made, also those that nobody reads again: to a place of their own, because forward's may
 * have been changed by a tap, or given away. */
static int add_again(qn_graph *g, int node, const qn_plan_for *f) {
    const qn_node *n = &g->node[node];
    const int step = qn_graph_add_step(g, (qn_step){.part = QN_PART_AGAIN, .node = node});
    QN_TRY(step);
    for (int j = 0; j < n->n_out; j++) {
        qn_value *v = &g->value[n->out + j];
        const size_t bytes = qn_value_bytes(v, f->sym, f->real);
        v->again = qn_graph_add_block(g, (qn_block){bytes, 0, step, step, BLOCK_AGAIN});
        QN_TRY(v->again);
    }
    for (int j = 0; j < n->n_in; j++)
        qn_graph_read_back(g, n->in[j], step);
    return 0;
}

int qn_graph_make_again(qn_graph *g, int node, bool *need, const qn_plan_for *f) {
    const qn_node *n = &g->node[node];
    int rc = 0;
    for (int j = 0; j < n->n_in; j++)
        if (qn_grad_reads(g, n, j))
            want(g, n->in[j], need);
    for (int j = 0; j < n->n_out && n->op->reads_out; j++)
        want(g, n->out + j, need);
    for (int i = node; i >= 0; i--)
        for (int j = 0; j < g->node[i].n_in && need[i]; j++)
            want(g, g->node[i].in[j], need);
    for (int i = 0; i <= node; i++) {
        if (need[i] && rc >= 0)
            rc = add_again(g, i, f);
        need[i] = false;
    }
    return rc;
}
