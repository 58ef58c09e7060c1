/* graph/plan.c — one arena for all activations: blocks that are never alive at the same time share memory.
 *
 * Largest first, each at the lowest offset where it overlaps no placed value whose life crosses its own. That greedy
 * order is within a few per cent of the lower bound (the largest sum alive at one node) on transformer graphs. */
#include "graph/graph_impl.h"

#include <stdlib.h>
#include <string.h>

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

/* The lowest offset for b among n placed blocks, which are in order of their offsets. */
static size_t lowest_offset(qn_block *const *placed, size_t n, const qn_block *b) {
    size_t at = 0;
    for (size_t i = 0; i < n && placed[i]->offset < at + b->bytes; i++)
        if (cross(placed[i], b))
            at = QN_MAX(at, placed[i]->offset + placed[i]->bytes);
    return at;
}

static void insert(qn_block **placed, size_t n, qn_block *b) {
    size_t i = n;
    for (; i > 0 && placed[i - 1]->offset > b->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
}

int qn_blocks_place(qn_block *block, size_t n, size_t *arena_bytes) {
    entry *e = qn_alloc(QN_MEM_GRAPH, (n + 1) * sizeof *e);
    qn_block **placed = qn_alloc(QN_MEM_GRAPH, (n + 1) * sizeof *placed);
    *arena_bytes = 0;
    for (size_t i = 0; i < n && e; i++)
        e[i] = (entry){&block[i], i};
    if (e)
        qsort(e, n, sizeof *e, by_size);
    for (size_t i = 0; i < n && e && placed; i++) {
        qn_block *b = e[i].b;
        b->offset = lowest_offset(placed, i, b);
        insert(placed, i, b);
        *arena_bytes = QN_MAX(*arena_bytes, b->offset + b->bytes);
    }
    const int rc = e && placed ? 0 : QN_ENOMEM;
    qn_free(e);
    qn_free(placed);
    return rc;
}

/* ---- looking ---- */

/* The most bytes of blocks of one kind that are alive at one step. */
static size_t most_alive(const qn_block *b, size_t n, qn_block_kind kind, int64_t *change, size_t steps) {
    int64_t alive = 0, most = 0;
    memset(change, 0, (steps + 2) * sizeof *change);
    for (size_t i = 0; i < n; i++)
        if (b[i].kind == kind) {
            change[b[i].first] += (int64_t)b[i].bytes;
            change[b[i].last + 1] -= (int64_t)b[i].bytes;
        }
    for (size_t i = 0; i <= steps; i++) {
        alive += change[i];
        most = QN_MAX(most, alive);
    }
    return (size_t)most;
}

static int count_bytes(qn_graph *g, const qn_block *b, size_t n) {
    int64_t *change = qn_alloc(QN_MEM_GRAPH, (g->n_steps + 2) * sizeof *change);
    if (!change)
        return QN_ENOMEM;
    for (int kind = 0; kind <= BLOCK_AGAIN; kind++)
        g->most[kind] = most_alive(b, n, kind, change, g->n_steps);
    g->kept_bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (b[i].first < (int)g->n_nodes && b[i].last >= (int)g->n_nodes && g->seed >= 0)
            g->kept_bytes += b[i].bytes;
    qn_free(change);
    return 0;
}

/* ---- the values of a graph, and what the reverse walk adds ---- */

static int last_use(const qn_graph *g, const qn_value *v) {
    const int ends = v->keep ? (int)g->n_steps : QN_MAX(v->last, v->first);
    return QN_MAX(ends, v->last_backward);
}

/* ---- steps that run tile by tile ---- */

static int64_t rows_of(const qn_graph *g, const qn_node *n) { return g->value[n->in[0]].shape.dim[0]; }

/* Whether step i needs of the step before no other rows than its own: no barrier stands between them then. */
static bool joins(const qn_graph *g, size_t i) {
    const qn_step *s = &g->step[i], *before = s - 1;
    const qn_node *n = &g->node[s->node], *m = &g->node[before->node];
    if (s->part == QN_PART_BACKWARD || s->part != before->part || rows_of(g, n) != rows_of(g, m))
        return false;
    for (int j = 0; j < m->n_out; j++)
        if (g->value[m->out + j].tap)
            return false;
    return n->op->by_rows && m->op->by_rows && !m->op->forward[1].run;
}

/* A run of few rows (one tile of them) has no work to share out in such a step. Where no gradient will be taken, every
 * worker does all of it for itself: the same numbers again, and nobody waits for somebody else's. An op by rows that
 * has one phase writes nothing but its outputs; one that has more may leave something for the others in its first. */
static bool is_own(const qn_graph *g, size_t i) {
    const qn_node *n = &g->node[g->step[i].node];
    for (int j = 0; j < n->n_out; j++)
        if (g->value[n->out + j].tap)
            return false;
    return g->seed < 0 && n->op->by_rows && !n->op->forward[1].run;
}

/* Tiles of steps that join run at different times: what one of them reads or writes is alive in all of them. And a
 * worker that is done with its own steps begins with the next one while others still read what these read. */
static void stretch(const qn_graph *g, qn_block *b) {
    while (b->first < (int)g->n_steps && g->step[b->first].joins)
        b->first--;
    while (b->last + 1 < (int)g->n_steps && g->step[b->last + 1].joins)
        b->last++;
    while (b->last + 1 < (int)g->n_steps && g->step[b->last].own)
        b->last++;
}

/* ---- outputs in the place of inputs ---- */

/* Nobody reads input j behind this node. */
static bool is_free(const qn_graph *g, int node, int j) {
    const qn_node *n = &g->node[node];
    const qn_value *v = &g->value[n->in[j]];
    for (int i = 0; i < n->n_in; i++)
        if (i != j && qn_value_home(g, n->in[i]) == v)
            return false;
    return v->kind == VALUE_NODE && v->last == node && v->last_backward == 0 && !v->keep && !v->tap;
}

/* In training only: where no gradient will be taken, workers may have outputs of their own. */
static void choose_places(qn_graph *g) {
    for (int node = 0; node < (int)g->n_nodes && g->seed >= 0; node++) {
        const qn_node *n = &g->node[node];
        for (int i = 0; i < n->n_out; i++) {
            const int j = n->op->adds_to[i] - 1;
            if (j >= 0 && is_free(g, node, j))
                g->value[n->out + i].place = n->in[j];
        }
    }
}

/* The value whose memory it is. */
static size_t place_of(const qn_graph *g, size_t i) {
    while (g->value[i].place >= 0)
        i = (size_t)g->value[i].place;
    return i;
}

/* ---- all blocks ---- */

/* Blocks of the values, then the walk's. */
static size_t collect(qn_graph *g, qn_block *b, const qn_plan_for *f) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        const qn_value *home = &g->value[place_of(g, i)];       /* an earlier one, or v */
        if (v->kind != VALUE_NODE)
            continue;
        v->bytes = qn_value_bytes(v, f->sym, f->real);
        v->block = home == v ? n++ : home->block;
        qn_block *at = &b[v->block];
        if (home == v)
            *at = (qn_block){.bytes = v->bytes, .first = v->first, .last = last_use(g, v), .kind = BLOCK_VALUE};
        qn_assert(v->bytes == at->bytes);
        at->last = QN_MAX(at->last, last_use(g, v));
    }
    for (size_t i = 0; i < g->n_blocks; i++)
        b[n++] = g->block[i];
    for (size_t i = 0; i < n; i++)
        stretch(g, &b[i]);
    return n;
}

static void hand_out(qn_graph *g, const qn_block *b, size_t n) {
    for (size_t i = 0; i < g->n_values; i++)
        if (g->value[i].kind == VALUE_NODE)
            g->value[i].offset = b[g->value[i].block].offset;
    for (size_t i = 0; i < g->n_blocks; i++)
        g->block[i].offset = b[n - g->n_blocks + i].offset;
}

/* A second, small plan: the values that each worker has for itself, with as many rows as one tile has. */
static int plan_own(qn_graph *g, qn_block *b, const qn_plan_for *f) {
    int64_t few[QN_DIM_SYMBOLS];
    size_t n = 0;
    for (int i = 0; i < QN_DIM_SYMBOLS; i++)
        few[i] = QN_MIN(f->sym[i], (int64_t)QN_FEW_ROWS);
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        v->own = v->kind == VALUE_NODE && g->step[v->first].own;
        if (v->own)
            b[n++] = (qn_block){.bytes = qn_round64(qn_value_bytes(v, few, f->real)), .first = v->first,
                                .last = last_use(g, v), .kind = BLOCK_VALUE};
    }
    QN_TRY(qn_blocks_place(b, n, &g->own_bytes));
    for (size_t i = 0; i < g->n_values; i++)
        if (g->value[i].own)
            g->value[i].own_offset = (b++)->offset;
    return 0;
}

/* What a plan that ran out of memory left behind. */
static void forget(qn_graph *g) {
    g->n_steps = g->n_blocks = 0;
    for (size_t i = 0; i < g->n_values; i++) {
        qn_value *v = &g->value[i];
        v->read_back = v->remade = false;
        v->last_backward = 0;
        v->again = v->grad = v->sum = v->place = -1;
    }
}

int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes) {
    const qn_plan_for f = {max_sym, real};
    forget(g);
    for (size_t i = 0; i < g->n_nodes; i++)
        QN_TRY(qn_graph_add_step(g, (qn_step){.part = QN_PART_FORWARD, .node = (int)i}));
    QN_TRY(qn_graph_plan_backward(g, &f));
    for (size_t i = 0; i < g->n_steps; i++) {
        g->step[i].joins = i > 0 && joins(g, i);
        g->step[i].own = is_own(g, i);
    }
    qn_block *b = qn_alloc(QN_MEM_GRAPH, (g->n_values + g->n_blocks + 1) * sizeof *b);
    if (!b)
        return QN_ENOMEM;
    choose_places(g);
    const size_t n = collect(g, b, &f);
    int rc = qn_blocks_place(b, n, arena_bytes);
    if (rc >= 0)
        rc = count_bytes(g, b, n);
    if (rc >= 0)
        hand_out(g, b, n);
    if (rc >= 0)
        rc = plan_own(g, b, &f);
    qn_free(b);
    g->planned = rc >= 0;
    return rc;
}
