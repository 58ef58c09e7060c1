/* graph/graph.c — building: values, nodes, names. Shapes are checked here, so that running cannot fail. */
#include "graph/graph_impl.h"

#include <string.h>

int qn_graph_new(qn_graph **out) {
    *out = qn_zalloc(QN_MEM_GRAPH, 1, sizeof **out);
    if (!*out)
        return QN_ENOMEM;
    (*out)->seed = -1;
    (*out)->recompute = QN_RECOMPUTE_CHEAP;
    return 0;
}

void qn_graph_free(qn_graph *g) {
    if (!g)
        return;
    for (size_t i = 0; i < g->n_values; i++)
        qn_free(g->value[i].name);
    for (size_t i = 0; i < g->n_nodes; i++)
        qn_free(g->node[i].attr);
    qn_free(g->value);
    qn_free(g->node);
    qn_free(g->step);
    qn_free(g->block);
    qn_strmap_drop(&g->names);
    qn_free(g);
}

/* A new value under the given name, which must be new too. */
static qn_ref add_value(qn_graph *g, qn_str name, qn_value v) {
    int64_t taken;
    qn_assert(!g->planned);
    if (qn_strmap_get(&g->names, name, &taken))
        return qn_fail(QN_EINVAL, "graph: two values are named %s", g->value[taken].name);
    QN_TRY(QN_GROW(QN_MEM_GRAPH, g->value, g->cap_values, g->n_values + 1));
    v.name = qn_str_dup(QN_MEM_GRAPH, name);
    if (!v.name)
        return QN_ENOMEM;
    const int rc = qn_strmap_put(&g->names, qn_str_of(v.name), (int64_t)g->n_values);
    if (rc < 0) {
        qn_free(v.name);
        return rc;
    }
    v.last = -1;
    v.again = v.grad = v.sum = v.place = -1;
    g->value[g->n_values] = v;
    return (qn_ref)g->n_values++;
}

/* The next of the names separated by spaces; moves *names behind it. */
static qn_str next_name(const char **names) {
    const char *start = *names + strspn(*names, " ");
    const size_t n = strcspn(start, " ");
    *names = start + n;
    return (qn_str){start, n};
}

qn_ref qn_graph_input(qn_graph *g, const char *name, qn_dtype dtype, qn_shape shape) {
    return add_value(g, qn_str_of(name), (qn_value){.kind = VALUE_INPUT, .dtype = dtype, .shape = shape, .first = -1});
}

qn_ref qn_graph_param(qn_graph *g, const char *name, const qn_tensor *t) {
    qn_value v = {.kind = VALUE_PARAM, .dtype = t->dtype, .layout = t->layout, .first = -1, .bound = *t};
    v.shape.rank = t->rank;
    memcpy(v.shape.dim, t->dim, sizeof v.shape.dim);
    return add_value(g, qn_str_of(name), v);
}

/* Gathers what shape() needs and lets the op check it. */
static int check_node(const qn_graph *g, const qn_op *op, const char *name, const qn_node *n, qn_op_out *out) {
    qn_op_args args = {.n_in = n->n_in, .n_out = n->n_out, .attr = n->attr};
    if (n->n_in < op->n_in_min || n->n_in > op->n_in_max)
        return qn_fail(QN_EINVAL, "%s: op %s takes %d to %d inputs, got %d", name, op->name, op->n_in_min, op->n_in_max,
                       n->n_in);
    for (int i = 0; i < n->n_in; i++) {
        const qn_ref r = n->in[i];
        if (r < 0)
            return r;
        qn_assert((size_t)r < g->n_values);
        args.in[i] = g->value[r].shape;
        args.dtype[i] = g->value[r].dtype;
        args.layout[i] = g->value[r].layout;
        if (args.layout[i] != QN_LAYOUT_ROWS && !op->takes_packed)
            return qn_fail(QN_EINVAL, "%s: op %s takes plain rows, %s is packed", name, op->name, g->value[r].name);
    }
    const int rc = op->shape(&args, out);
    return rc < 0 ? qn_fail_in(rc, "%s", name) : 0;
}

qn_ref qn_graph_node(qn_graph *g, const qn_op *op, const char *names, const qn_ref *in, int n_in, int n_out,
                     const void *attr) {
    qn_assert(n_in <= QN_OP_INS && n_out >= 1 && n_out <= QN_OP_OUTS);
    qn_node n = {.op = op, .n_in = n_in, .n_out = n_out, .saved = {-1, -1}};
    qn_op_out out[QN_OP_OUTS] = {0};
    memcpy(n.in, in, (size_t)n_in * sizeof *in);
    if (op->attr_size) {
        n.attr = qn_alloc(QN_MEM_GRAPH, op->attr_size);
        if (!n.attr)
            return QN_ENOMEM;
        memcpy(n.attr, attr, op->attr_size);
    }
    const char *rest = names;
    int rc = check_node(g, op, names, &n, out);
    if (rc >= 0)
        rc = QN_GROW(QN_MEM_GRAPH, g->node, g->cap_nodes, g->n_nodes + 1);
    for (int i = 0; i < n_out && rc >= 0; i++) {
        const qn_value v = {.kind = VALUE_NODE, .dtype = out[i].dtype, .layout = out[i].layout, .shape = out[i].shape,
                            .first = (int)g->n_nodes};
        rc = add_value(g, next_name(&rest), v);
        if (i == 0)
            n.out = rc;
    }
    if (rc < 0) {
        qn_free(n.attr);
        return rc;
    }
    for (int i = 0; i < n_in; i++)
        qn_value_home(g, n.in[i])->last = (int)g->n_nodes;
    g->node[g->n_nodes++] = n;
    return n.out;
}

qn_ref qn_graph_view(qn_graph *g, const char *name, qn_ref of, qn_shape shape) {
    if (of < 0)
        return of;
    const qn_value *v = &g->value[of];
    if (v->layout != QN_LAYOUT_ROWS || shape.dim[0] != v->shape.dim[0] ||
        qn_shape_row(&shape) != qn_shape_row(&v->shape))
        return qn_fail(QN_ESHAPE, "%s: %s has other rows than the view asks for", name, v->name);
    const qn_ref base = v->kind == VALUE_VIEW ? v->base : of;
    return add_value(g, qn_str_of(name), (qn_value){.kind = VALUE_VIEW, .dtype = v->dtype, .shape = shape,
                                                    .first = v->first, .base = base});
}

void qn_graph_keep(qn_graph *g, qn_ref v) {
    qn_assert(v >= 0 && (size_t)v < g->n_values && !g->planned);
    qn_value_home(g, v)->keep = true;
}

int qn_graph_tap(qn_graph *g, qn_ref v, qn_tap_fn *fn, void *arg) {
    if (g->planned)
        return qn_fail(QN_EINVAL, "tap on %s: taps are declared before the graph is planned", qn_graph_name(g, v));
    if (g->value[v].kind != VALUE_NODE)
        return qn_fail(QN_EINVAL, "tap on %s: only a node's value can be tapped", qn_graph_name(g, v));
    g->value[v].tap = fn;
    g->value[v].tap_arg = arg;
    return 0;
}

qn_ref qn_graph_find(const qn_graph *g, const char *name) {
    int64_t i;
    if (!qn_strmap_get(&g->names, qn_str_of(name), &i))
        return qn_fail(QN_ENOTFOUND, "graph: no value is named %s", name);
    return (qn_ref)i;
}

const char *qn_graph_name(const qn_graph *g, qn_ref v) {
    return v >= 0 && (size_t)v < g->n_values ? g->value[v].name : "?";
}

int qn_graph_nodes(const qn_graph *g) { return (int)g->n_nodes; }

void qn_graph_train(qn_graph *g, qn_ref param, const qn_tensor *grad) {
    qn_assert(!g->planned && param >= 0 && (size_t)param < g->n_values && g->value[param].kind == VALUE_PARAM);
    g->value[param].param_grad = *grad;
}

void qn_graph_seed(qn_graph *g, qn_ref v) {
    qn_assert(!g->planned && v >= 0 && (size_t)v < g->n_values && g->value[v].kind == VALUE_NODE);
    g->seed = v;
    g->value[v].keep = true;
}

void qn_graph_recompute(qn_graph *g, qn_recompute policy) {
    qn_assert(!g->planned);
    g->recompute = policy;
}

void qn_graph_anchor(qn_graph *g, qn_ref v) {
    qn_assert(!g->planned && v >= 0 && (size_t)v < g->n_values);
    qn_value_home(g, v)->anchor = true;
}
