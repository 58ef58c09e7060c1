/* graph/exec.c — runs a planned graph: every node's phases in order, all in one region of the pool.
 *
 * A phase with one tile is done by worker 0; a run of such phases needs no barrier inside. A barrier stands only where
 * data crosses threads: before and after every phase that is shared out. Tiles are claimed in ascending order.
 *
 *     node      rmsnorm   act_pack    linear ……   rope  rope     attention ………
 *     worker 0  |-------|---------|#|--tiles--|#|-----|-----|----|#|--tiles--|#|
 *     worker 1                    |#|--tiles--|#|                |#|--tiles--|#|       # = barrier */
#include "graph/graph_impl.h"

#include <string.h>

struct qn_exec {
    qn_graph *g;
    const qn_kernels *k;
    qn_exec_limits lim;
    char *arena, *partials, *scratch;
    size_t arena_bytes, partial_bytes, scratch_bytes;      /* scratch: per worker, rounded up to 64 */
    qn_tensor *value;               /* bound tensors, one per value */
    qn_op_ctx *ctx;                 /* one per node */
    qn_tensor *grad_in, *grad_out;  /* training: [nodes][QN_OP_INS] and [nodes][QN_OP_OUTS] that ctx points to */
    int64_t T, S;                   /* what value and ctx are bound for; -1 = nothing yet */
    /* the run under way */
    qn_pool *pool;
    int barriers;
    bool profile;
    qn_op_time *time;               /* one per node's op, merged when read */
};

/* ---- binding ---- */

static void bind_value(qn_exec *e, size_t i, const int64_t sym[QN_DIM_SYMBOLS]) {
    const qn_value *v = &e->g->value[i];
    qn_tensor *t = &e->value[i];
    if (v->kind == VALUE_PARAM) {
        *t = v->bound;
        return;
    }
    const qn_value *home = v->kind == VALUE_VIEW ? &e->g->value[v->base] : v;
    void *data = home->kind == VALUE_NODE ? e->arena + home->offset : e->value[home - e->g->value].data;
    const bool judged = v->dtype == QN_F32 && e->k->real == sizeof(double);     /* there, real values are double */
    *t = (qn_tensor){.dtype = judged ? QN_F64 : v->dtype, .layout = v->layout, .rank = v->shape.rank, .data = data};
    for (int d = 0; d < v->shape.rank; d++)
        t->dim[d] = qn_dim_bind(v->shape.dim[d], sym);
    t->stride = qn_tensor_row(t);
}

/* The gradient of a value: real rows of its shape. */
static qn_tensor bind_grad(const qn_exec *e, qn_ref r) {
    qn_tensor t = e->value[r];
    t.data = qn_grad_data(e->g, r, e->arena);
    t.dtype = e->k->real == sizeof(double) ? QN_F64 : QN_F32;
    t.layout = QN_LAYOUT_ROWS;
    t.stride = qn_tensor_row(&t);
    return t;
}

static void bind_backward(qn_exec *e) {
    for (size_t i = 0; i < e->g->n_nodes; i++) {
        const qn_node *n = &e->g->node[i];
        qn_op_ctx *c = &e->ctx[i];
        if (!n->active)
            continue;
        qn_tensor *din = e->grad_in + i * QN_OP_INS, *dout = e->grad_out + i * QN_OP_OUTS;
        for (int j = 0; j < n->n_in; j++) {
            din[j] = bind_grad(e, n->in[j]);
            if (n->op->const_inputs >> j & 1)
                din[j].data = NULL;
        }
        for (int j = 0; j < n->n_out; j++)
            dout[j] = bind_grad(e, n->out + j);
        for (int s = 0; s < QN_OP_SAVED; s++)
            c->saved[s].data = n->saved[s] >= 0 ? e->arena + e->g->block[n->saved[s]].offset : NULL;
        c->din = din;
        c->dout = dout;
    }
}

/* Symbols to numbers, for every value and node; a decode step after the first finds this done. */
static void bind_all(qn_exec *e, int64_t T, int64_t S) {
    const int64_t sym[QN_DIM_SYMBOLS] = {T, S};
    for (size_t i = 0; i < e->g->n_values; i++)
        bind_value(e, i, sym);
    for (size_t i = 0; i < e->g->n_nodes; i++) {
        const qn_node *n = &e->g->node[i];
        qn_op_ctx *c = &e->ctx[i];
        for (int j = 0; j < n->n_in; j++)
            c->in[j] = e->value[n->in[j]];
        for (int j = 0; j < n->n_out; j++)
            c->out[j] = e->value[n->out + j];
    }
    e->T = T;
    e->S = S;
    if (e->grad_in)
        bind_backward(e);
}

void qn_exec_bind(qn_exec *e, qn_ref input, void *data) {
    qn_assert(input >= 0 && (size_t)input < e->g->n_values && e->g->value[input].kind == VALUE_INPUT);
    if (e->value[input].data == data)
        return;
    e->value[input].data = data;
    e->T = -1;
}

/* ---- construction ---- */

/* Partials and scratch of every op at the maxima, before anything runs. */
static void measure(qn_exec *e) {
    for (size_t i = 0; i < e->g->n_nodes; i++) {
        const qn_op *op = e->g->node[i].op;
        const qn_op_ctx *c = &e->ctx[i];
        for (int backward = 0; backward <= e->g->node[i].active; backward++) {
            if (op->partials)
                e->partial_bytes = QN_MAX(e->partial_bytes, qn_round64(op->partials(c, backward)));
            if (op->scratch)
                e->scratch_bytes = QN_MAX(e->scratch_bytes, qn_round64(op->scratch(c, backward)));
        }
    }
}

static int allocate(qn_exec *e) {
    const qn_graph *g = e->g;
    e->value = qn_zalloc(QN_MEM_GRAPH, g->n_values + 1, sizeof *e->value);
    e->ctx = qn_zalloc(QN_MEM_GRAPH, g->n_nodes + 1, sizeof *e->ctx);
    e->time = qn_zalloc(QN_MEM_GRAPH, g->n_nodes + 1, sizeof *e->time);
    if (!e->value || !e->ctx || !e->time)
        return QN_ENOMEM;
    if (g->seed >= 0) {
        e->grad_in = qn_zalloc(QN_MEM_GRAPH, (g->n_nodes + 1) * QN_OP_INS, sizeof *e->grad_in);
        e->grad_out = qn_zalloc(QN_MEM_GRAPH, (g->n_nodes + 1) * QN_OP_OUTS, sizeof *e->grad_out);
        if (!e->grad_in || !e->grad_out)
            return QN_ENOMEM;
    }
    if (e->arena_bytes && !(e->arena = qn_arena_map(QN_MEM_ACTS, e->arena_bytes)))
        return QN_ENOMEM;
    for (size_t i = 0; i < g->n_nodes; i++) {
        qn_op_ctx *c = &e->ctx[i];
        c->k = e->k;
        c->attr = g->node[i].attr;
        c->n_in = g->node[i].n_in;
        c->n_out = g->node[i].n_out;
    }
    bind_all(e, e->lim.max_t, e->lim.max_s);
    measure(e);
    if (e->partial_bytes && !(e->partials = qn_arena_map(QN_MEM_SCRATCH, e->partial_bytes)))
        return QN_ENOMEM;
    if (e->scratch_bytes && !(e->scratch = qn_arena_map(QN_MEM_SCRATCH, e->scratch_bytes * (size_t)e->lim.workers)))
        return QN_ENOMEM;
    for (size_t i = 0; i < g->n_nodes; i++)
        e->ctx[i].partials = e->partials;
    return 0;
}

int qn_exec_new(qn_exec **out, qn_graph *g, const qn_kernels *k, const qn_exec_limits *lim) {
    *out = NULL;
    qn_exec *e = qn_zalloc(QN_MEM_GRAPH, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    e->g = g;
    e->k = k;
    e->lim = *lim;
    e->T = -1;
    const int64_t max_sym[QN_DIM_SYMBOLS] = {lim->max_t, lim->max_s};
    int rc = qn_graph_plan(g, max_sym, k->real, &e->arena_bytes);
    if (rc >= 0)
        rc = allocate(e);
    if (rc < 0) {
        qn_exec_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void qn_exec_free(qn_exec *e) {
    if (!e)
        return;
    qn_arena_unmap(QN_MEM_ACTS, e->arena, e->arena_bytes);
    qn_arena_unmap(QN_MEM_SCRATCH, e->partials, e->partial_bytes);
    qn_arena_unmap(QN_MEM_SCRATCH, e->scratch, e->scratch_bytes * (size_t)e->lim.workers);
    qn_free(e->value);
    qn_free(e->ctx);
    qn_free(e->grad_in);
    qn_free(e->grad_out);
    qn_free(e->time);
    qn_free(e);
}

/* ---- running ---- */

/* What a worker knows of the phases behind it since the last barrier. */
typedef enum { CLEAN, SERIAL, SHARED } pending;

static void barrier(qn_exec *e, int worker) {
    qn_pool_barrier(e->pool, worker);
    if (worker == 0)
        e->barriers++;
}

static pending run_phase(qn_exec *e, const qn_phase *p, const qn_op_ctx *c, int worker, pending before) {
    char *scratch = e->scratch + e->scratch_bytes * (size_t)worker;
    const int64_t tiles = p->tiles(c);
    if (tiles <= 1) {
        if (before == SHARED)
            barrier(e, worker);
        if (worker == 0 && tiles == 1)
            p->run(c, 0, scratch);
        return SERIAL;
    }
    if (before != CLEAN)
        barrier(e, worker);
    for (int64_t t = qn_pool_claim(e->pool); t < tiles; t = qn_pool_claim(e->pool))
        p->run(c, t, scratch);
    return SHARED;
}

/* Taps run on worker 0 while the others wait. */
static pending run_taps(qn_exec *e, const qn_node *n, int worker, pending before) {
    for (int j = 0; j < n->n_out; j++) {
        const qn_value *v = &e->g->value[n->out + j];
        if (!v->tap)
            continue;
        if (before == SHARED)
            barrier(e, worker);
        if (worker == 0)
            v->tap(v->tap_arg, v->name, &e->value[n->out + j]);
        before = SERIAL;
    }
    return before;
}

static void region(void *arg, int worker) {
    qn_exec *e = arg;
    pending state = CLEAN;
    double start = e->profile && worker == 0 ? qn_now() : 0;
    for (size_t i = 0; i < e->g->n_nodes; i++) {
        const qn_node *n = &e->g->node[i];
        for (int p = 0; p < QN_OP_PHASES && n->op->forward[p].run; p++)
            state = run_phase(e, &n->op->forward[p], &e->ctx[i], worker, state);
        state = run_taps(e, n, worker, state);
        if (e->profile) {           /* charge each op with its own wait */
            barrier(e, worker);
            state = CLEAN;
            if (worker == 0) {
                const double now = qn_now();
                e->time[i].ns += (int64_t)((now - start) * 1e9);
                e->time[i].calls++;
                start = now;
            }
        }
    }
}

void qn_exec_run(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run) {
    qn_assert(T >= 1 && T <= e->lim.max_t && S >= 0 && S <= e->lim.max_s && qn_pool_threads(pool) <= e->lim.workers);
    if (e->T != T || e->S != S)
        bind_all(e, T, S);
    for (size_t i = 0; i < e->g->n_nodes; i++)
        e->ctx[i].run = run;
    e->pool = pool;
    e->barriers = 0;
    qn_pool_run(pool, region, e);
}

/* ---- the reverse walk ---- */

enum { CLEAR_TILE = 64 * 1024 };        /* bytes */

/* Gradients born at this step start from zero, the seed's from one. */
static pending clear_born(qn_exec *e, int step, int worker, pending before) {
    for (size_t i = 0; i < e->g->n_values; i++) {
        const qn_value *v = &e->g->value[i];
        if (v->kind != VALUE_NODE || v->grad < 0 || e->g->block[v->grad].first != step)
            continue;
        const qn_block *b = &e->g->block[v->grad];
        if (before != CLEAN)
            barrier(e, worker);
        for (size_t t = (size_t)qn_pool_claim(e->pool); t * CLEAR_TILE < b->bytes; t = (size_t)qn_pool_claim(e->pool))
            memset(e->arena + b->offset + t * CLEAR_TILE, 0, QN_MIN((size_t)CLEAR_TILE, b->bytes - t * CLEAR_TILE));
        before = SHARED;
    }
    return before;
}

static pending fill_seed(qn_exec *e, int worker, pending before) {
    const qn_tensor ones = bind_grad(e, e->g->seed);
    if (before == SHARED)
        barrier(e, worker);
    if (worker == 0)
        for (int64_t i = 0; i < qn_tensor_numel(&ones); i++) {
            if (e->k->real == sizeof(double))
                ((double *)ones.data)[i] = 1;
            else
                ((float *)ones.data)[i] = 1;
        }
    return SERIAL;
}

static void backward_region(void *arg, int worker) {
    qn_exec *e = arg;
    const size_t n = e->g->n_nodes;
    pending state = clear_born(e, (int)n, worker, CLEAN);
    state = fill_seed(e, worker, state);
    for (size_t i = n; i-- > 0;) {
        const qn_node *node = &e->g->node[i];
        const int step = (int)(2 * n - 1 - i);
        if (!node->active || node->op->pass_through)
            continue;
        if (step > (int)n)                              /* those of step n are clear already */
            state = clear_born(e, step, worker, state);
        for (int p = 0; p < QN_OP_PHASES && node->op->backward[p].run; p++)
            state = run_phase(e, &node->op->backward[p], &e->ctx[i], worker, state);
    }
}

void qn_exec_run_backward(qn_exec *e) {
    qn_assert(e->grad_in && e->T >= 0);
    qn_pool_run(e->pool, backward_region, e);
}

const qn_tensor *qn_exec_value(const qn_exec *e, qn_ref v) {
    qn_assert(v >= 0 && (size_t)v < e->g->n_values);
    return &e->value[v];
}

/* ---- looking ---- */

qn_exec_info qn_exec_info_get(const qn_exec *e) {
    qn_exec_info info = {e->arena_bytes, e->scratch_bytes * (size_t)e->lim.workers, e->partial_bytes,
                         (int)e->g->n_nodes, e->barriers, 0};
    for (size_t i = 0; i < e->g->n_nodes; i++)
        if (e->g->node[i].op->flops)
            info.flops += e->g->node[i].op->flops(&e->ctx[i]);
    return info;
}

void qn_exec_profile(qn_exec *e, bool on) {
    e->profile = on;
    memset(e->time, 0, e->g->n_nodes * sizeof *e->time);
}

int qn_exec_times(const qn_exec *e, qn_op_time *out, int cap) {
    int n = 0;
    for (size_t i = 0; i < e->g->n_nodes; i++) {
        const char *op = e->g->node[i].op->name;
        int j = 0;
        while (j < n && strcmp(out[j].op, op) != 0)
            j++;
        if (j == n && n == cap)
            continue;
        if (j == n)
            out[n++] = (qn_op_time){.op = op};
        out[j].ns += e->time[i].ns;
        out[j].calls += e->time[i].calls;
    }
    return n;
}
