/* graph/plan.c — one arena for all activations: values that are never alive at the same time share memory.
 *
 * Largest first, each at the lowest offset where it overlaps no placed value whose life crosses its own. That greedy order
 * is within a few per cent of the lower bound (the largest sum alive at one node) on transformer graphs. */
#include "graph/graph_impl.h"

#include <stdlib.h>

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }

size_t qn_value_bytes(const qn_value *v, const int64_t sym[QN_DIM_SYMBOLS], size_t real) {
    int64_t rows = v->shape.rank ? qn_dim_bind(v->shape.dim[0], sym) : 1, row = 1;
    for (int i = 1; i < v->shape.rank; i++)
        row *= qn_dim_bind(v->shape.dim[i], sym);
    if (v->layout == QN_LAYOUT_ACTS)
        return (size_t)rows * qn_act_row_bytes(qn_act_form_of(v->dtype), row);
    const size_t size = v->dtype == QN_I32 ? 4 : real;
    return round64((size_t)rows * (size_t)row * size);
}

typedef struct { const qn_value *v; size_t index; } entry;

static int by_size(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->v->bytes != y->v->bytes)
        return x->v->bytes < y->v->bytes ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static int last_use(const qn_graph *g, const qn_value *v) {
    if (v->keep)
        return (int)g->n_nodes;
    return QN_MAX(v->last, v->first);
}

static bool cross(const qn_graph *g, const qn_value *a, const qn_value *b) {
    return a->first <= last_use(g, b) && b->first <= last_use(g, a);
}

/* The lowest offset for e among the n placed entries, which are sorted by nothing: try 0 and the end of each neighbour. */
static size_t lowest_offset(const qn_graph *g, const entry *placed, size_t n, const qn_value *v) {
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            const qn_value *p = placed[i].v;
            if (cross(g, p, v) && at < p->offset + p->bytes && p->offset < at + v->bytes) {
                at = p->offset + p->bytes;
                moved = true;
            }
        }
    }
    return at;
}

int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes) {
    entry *e = qn_alloc(QN_MEM_GRAPH, g->n_values * sizeof *e);
    size_t n = 0;
    if (!e)
        return QN_ENOMEM;
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        if (v->kind != VALUE_NODE)
            continue;
        v->bytes = qn_value_bytes(v, max_sym, real);
        e[n++] = (entry){v, i};
    }
    qsort(e, n, sizeof *e, by_size);
    *arena_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        qn_value *v = &g->value[e[i].index];
        v->offset = lowest_offset(g, e, i, v);
        *arena_bytes = QN_MAX(*arena_bytes, v->offset + v->bytes);
    }
    qn_free(e);
    g->planned = true;
    return 0;
}
