/* graph/plan.c — one arena for all activations: blocks that are never alive at the same time share memory.
 *
 * Largest first, each at the lowest offset where it overlaps no placed value whose life crosses its own. That greedy
 * order is within a few per cent of the lower bound (the largest sum alive at one node) on transformer graphs. */
#include "graph/graph_impl.h"

#include <stdlib.h>

size_t qn_value_bytes(const qn_value *v, const int64_t sym[QN_DIM_SYMBOLS], size_t real) {
    int64_t rows = v->shape.rank ? qn_dim_bind(v->shape.dim[0], sym) : 1, row = 1;
    for (int i = 1; i < v->shape.rank; i++)
        row *= qn_dim_bind(v->shape.dim[i], sym);
    if (v->layout == QN_LAYOUT_ACTS)
        return (size_t)rows * qn_act_row_bytes(qn_act_form_of(v->dtype), row);
    const size_t size = v->dtype == QN_I32 ? 4 : real;
    return qn_round64((size_t)rows * (size_t)row * size);
}

/* ---- placing blocks ---- */

typedef struct { qn_block *b; size_t index; } entry;

static int by_size(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->b->bytes != y->b->bytes)
        return x->b->bytes < y->b->bytes ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static bool cross(const qn_block *a, const qn_block *b) { return a->first <= b->last && b->first <= a->last; }

/* The lowest offset for b among the n placed entries: moved up behind each neighbour that is in the way. */
static size_t lowest_offset(const entry *placed, size_t n, const qn_block *b) {
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            const qn_block *p = placed[i].b;
            if (at < p->offset + p->bytes && p->offset < at + b->bytes && cross(p, b)) {
                at = p->offset + p->bytes;
                moved = true;
            }
        }
    }
    return at;
}

int qn_blocks_place(qn_block *block, size_t n, size_t *arena_bytes) {
    entry *e = qn_alloc(QN_MEM_GRAPH, (n + 1) * sizeof *e);
    if (!e)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        e[i] = (entry){&block[i], i};
    qsort(e, n, sizeof *e, by_size);
    *arena_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        e[i].b->offset = lowest_offset(e, i, e[i].b);
        *arena_bytes = QN_MAX(*arena_bytes, e[i].b->offset + e[i].b->bytes);
    }
    qn_free(e);
    return 0;
}

/* ---- the values of a graph, and what the reverse walk adds ---- */

static int last_use(const qn_graph *g, const qn_value *v) {
    const int ends = v->keep ? (int)g->n_nodes : QN_MAX(v->last, v->first);
    return QN_MAX(ends, v->last_backward);
}

int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes) {
    size_t n = 0;
    QN_TRY(qn_graph_plan_backward(g, max_sym, real));
    qn_block *b = qn_alloc(QN_MEM_GRAPH, (g->n_values + g->n_blocks + 1) * sizeof *b);
    if (!b)
        return QN_ENOMEM;
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        if (v->kind != VALUE_NODE)
            continue;
        v->bytes = qn_value_bytes(v, max_sym, real);
        b[n++] = (qn_block){.bytes = v->bytes, .first = v->first, .last = last_use(g, v)};
    }
    for (size_t i = 0; i < g->n_blocks; i++)
        b[n++] = g->block[i];
    const int rc = qn_blocks_place(b, n, arena_bytes);
    n = 0;
    for (size_t i = 0; rc >= 0 && i < g->n_values; i++)
        if (g->value[i].kind == VALUE_NODE)
            g->value[i].offset = b[n++].offset;
    for (size_t i = 0; rc >= 0 && i < g->n_blocks; i++)
        g->block[i].offset = b[n++].offset;
    qn_free(b);
    g->planned = rc >= 0;
    return rc;
}
