/* graph/exec.c — runs a planned graph: every step's phases in order, all in one region of the pool.
 *
 * Each worker goes through a run of tiles of its own, then takes what others have not begun. A phase with one tile is
 * done by worker 0; a run of such phases needs no barrier inside. A barrier stands only where data crosses threads:
 * before and after every phase that is shared out.
 * Steps that stay within their rows are shared out as one: who takes a tile runs it through all of them.
 *
 *     node      add rmsnorm act_pack    linear ……   rope rope attention ……………………………
 *     worker 0  |--tiles through all-|#|--tiles--|#|--tiles through all-|#|--tiles--|#|
 *     worker 1  |--tiles through all-|#|--tiles--|#|--tiles through all-|#|--tiles--|#|       # = barrier
 *
 * Few rows, as in decoding, are one tile. Then each worker runs such steps by itself, on values of its own in its part
 * of the scratch memory, and the barrier behind them falls away. What others read afterwards (keys and values that are
 * stored, by the last step of such a chain) is left to worker 0:
 *
 *     worker 0  add rmsnorm act_pack |--tiles--|#| rope rope attention' |#|--tiles--|#| …
 *     worker 1  add rmsnorm act_pack |--tiles--|#| rope rope            |#|--tiles--|#| …
 *
 * The reverse walk is a second region over the steps behind the forward ones. A gradient that is born at a step is
 * written by an op that knows how, and cleared before any other. */
#include "graph/graph_impl.h"

#include <stdatomic.h>
#include <string.h>

typedef struct { int64_t ns, calls, bytes, flops; _Atomic int64_t worker_ns, wait_ns; } step_time;

struct qn_exec {
    qn_graph *g;
    const qn_kernels *k;
    qn_exec_limits lim;
    char *arena, *partials, *scratch;
    size_t arena_bytes, partial_bytes, scratch_bytes;      /* scratch: per worker, rounded up to 64 … */
    size_t stride;                  /* … and behind it its own values: so many bytes from one worker's to the next's */
    bool few;                       /* some values are bound to each worker's own */
    qn_tensor *value;               /* bound tensors, one per value: where forward puts it */
    qn_op_ctx *ctx;                 /* one per step */
    qn_tensor *grad_in, *grad_out;  /* training: [nodes][QN_OP_INS] and [nodes][QN_OP_OUTS] that ctx points to */
    int64_t T, S;                   /* what value and ctx are bound for; -1 = nothing yet */
    /* the run under way */
    qn_pool *pool;
    int barriers[2];                /* forward, the walk */
    size_t forward;                 /* steps of it that run before the walk */
    qn_span walk;                   /* steps of the walk that run at once */
    bool walking, profile;
    step_time *time;                /* one per step, merged when read */
};

/* ---- binding ---- */

/* Where a node's value lies for this run: for worker 0, if it is each worker's own. */
static char *node_data(qn_exec *e, const qn_value *home, const int64_t sym[QN_DIM_SYMBOLS]) {
    if (!home->own || e->lim.workers < 2 || !e->scratch || qn_dim_bind(home->shape.dim[0], sym) > QN_FEW_ROWS)
        return e->arena + home->offset;
    e->few = true;
    return e->scratch + e->scratch_bytes + home->own_offset;
}

static void bind_value(qn_exec *e, size_t i, const int64_t sym[QN_DIM_SYMBOLS]) {
    const qn_value *v = &e->g->value[i];
    qn_tensor *t = &e->value[i];
    if (v->kind == VALUE_PARAM) {
        *t = v->bound;
        return;
    }
    const qn_value *home = v->kind == VALUE_VIEW ? &e->g->value[v->base] : v;
    void *data = home->kind == VALUE_NODE ? node_data(e, home, sym) : e->value[home - e->g->value].data;
    const bool judged = v->dtype == QN_F32 && e->k->real == sizeof(double);     /* there, real values are double */
    *t = (qn_tensor){.dtype = judged ? QN_F64 : v->dtype, .layout = v->layout, .rank = v->shape.rank, .data = data};
    for (int d = 0; d < v->shape.rank; d++)
        t->dim[d] = qn_dim_bind(v->shape.dim[d], sym);
    t->stride = qn_tensor_row(t);
}

/* A value as the walk reads it: where forward put it, or where it was made again. */
static qn_tensor bind_back(const qn_exec *e, qn_ref r) {
    const qn_value *home = qn_value_home(e->g, r);
    qn_tensor t = e->value[r];
    if (home->remade && home->again >= 0)
        t.data = e->arena + e->g->block[home->again].offset;
    return t;
}

/* The gradient of a value: real rows of its shape. */
static qn_tensor bind_grad(const qn_exec *e, qn_ref r, void *data) {
    qn_tensor t = e->value[r];
    t.data = data;
    t.dtype = e->k->real == sizeof(double) ? QN_F64 : QN_F32;
    t.layout = QN_LAYOUT_ROWS;
    t.stride = qn_tensor_row(&t);
    return t;
}

static void bind_gradients(qn_exec *e, const qn_step *s, qn_op_ctx *c) {
    const qn_node *n = &e->g->node[s->node];
    qn_tensor *din = e->grad_in + s->node * QN_OP_INS, *dout = e->grad_out + s->node * QN_OP_OUTS;
    for (int j = 0; j < n->n_in; j++)
        din[j] = bind_grad(e, n->in[j], qn_grad_input(e->g, n, j, e->arena));
    for (int j = 0; j < n->n_out; j++)
        dout[j] = bind_grad(e, n->out + j, qn_grad_data(e->g, n->out + j, e->arena));
    c->din = din;
    c->dout = dout;
    c->fresh = s->fresh;
}

static void bind_step(qn_exec *e, size_t i) {
    const qn_step *s = &e->g->step[i];
    const qn_node *n = &e->g->node[s->node];
    const bool forward = s->part == QN_PART_FORWARD;
    qn_op_ctx *c = &e->ctx[i];
    for (int j = 0; j < n->n_in; j++)
        c->in[j] = forward ? e->value[n->in[j]] : bind_back(e, n->in[j]);
    for (int j = 0; j < n->n_out; j++) {
        c->out[j] = forward ? e->value[n->out + j] : bind_back(e, n->out + j);
        if (s->part == QN_PART_AGAIN)
            c->out[j].data = e->arena + e->g->block[e->g->value[n->out + j].again].offset;
    }
    for (int j = 0; j < QN_OP_SAVED && n->active; j++)
        c->saved[j].data = n->saved[j] >= 0 ? e->arena + e->g->block[n->saved[j]].offset : NULL;
    if (s->part == QN_PART_BACKWARD)
        bind_gradients(e, s, c);
}

/* Symbols to numbers, for every value and step; a decode step after the first finds this done. */
static void bind_all(qn_exec *e, int64_t T, int64_t S) {
    const int64_t sym[QN_DIM_SYMBOLS] = {T, S};
    e->few = false;
    for (size_t i = 0; i < e->g->n_values; i++)
        bind_value(e, i, sym);
    for (size_t i = 0; i < e->g->n_steps; i++)
        bind_step(e, i);
    e->T = T;
    e->S = S;
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
    for (size_t i = 0; i < e->g->n_steps; i++) {
        const qn_op *op = e->g->node[e->g->step[i].node].op;
        const bool backward = e->g->step[i].part == QN_PART_BACKWARD;
        if (op->partials)
            e->partial_bytes = QN_MAX(e->partial_bytes, qn_round64(op->partials(&e->ctx[i], backward)));
        if (op->scratch)
            e->scratch_bytes = QN_MAX(e->scratch_bytes, qn_round64(op->scratch(&e->ctx[i], backward)));
    }
}

static int allocate(qn_exec *e) {
    const qn_graph *g = e->g;
    e->value = qn_zalloc(QN_MEM_GRAPH, g->n_values + 1, sizeof *e->value);
    e->ctx = qn_zalloc(QN_MEM_GRAPH, g->n_steps + 1, sizeof *e->ctx);
    e->time = qn_zalloc(QN_MEM_GRAPH, g->n_steps + 1, sizeof *e->time);
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
    for (size_t i = 0; i < g->n_steps; i++) {
        const qn_node *n = &g->node[g->step[i].node];
        e->ctx[i] = (qn_op_ctx){.k = e->k, .attr = n->attr, .n_in = n->n_in, .n_out = n->n_out};
    }
    bind_all(e, e->lim.max_t, e->lim.max_s);
    measure(e);
    if (e->partial_bytes && !(e->partials = qn_arena_map(QN_MEM_SCRATCH, e->partial_bytes)))
        return QN_ENOMEM;
    e->stride = e->scratch_bytes + (e->lim.workers > 1 ? g->own_bytes : 0);
    if (e->stride && !(e->scratch = qn_arena_map(QN_MEM_SCRATCH, e->stride * (size_t)e->lim.workers)))
        return QN_ENOMEM;
    e->T = -1;                                          /* bound so far without values of workers' own */
    for (size_t i = 0; i < g->n_steps; i++)
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
    qn_arena_unmap(QN_MEM_SCRATCH, e->scratch, e->stride * (size_t)e->lim.workers);
    qn_free(e->value);
    qn_free(e->ctx);
    qn_free(e->grad_in);
    qn_free(e->grad_out);
    qn_free(e->time);
    qn_free(e);
}

/* ---- running ---- */

/* What a worker knows of the phases behind it since the last barrier: none; each worker's own; one of worker 0 alone
 * while others may still be at their own; one of worker 0, and nobody else is at work; one that was shared out. */
typedef enum { CLEAN, OWN, BESIDE, SERIAL, SHARED } pending;

/* What this thread has waited since it last said so, when profiling. */
static _Thread_local int64_t waited;

static void barrier(qn_exec *e, int worker) {
    const double start = e->profile ? qn_now() : 0;
    qn_pool_barrier(e->pool, worker);
    if (e->profile)
        waited += (int64_t)((qn_now() - start) * 1e9);
    if (worker == 0)
        e->barriers[e->walking]++;
}

/* What is shared out between two barriers: phases of one step that are beside each other, or the first phases of steps
 * that join, of which a tile runs through all. */
typedef struct {
    const qn_phase *phase;
    const qn_op_ctx *ctx;
    int phases, steps;
    const qn_step *step;
    int64_t tiles[QN_OP_PHASES], all;
} share;

static char *scratch_of(const qn_exec *e, int worker) { return e->scratch + e->stride * (size_t)worker; }

/* A step's context as this worker sees it: what is its own lies in its own memory. */
static const qn_op_ctx *ctx_of(const qn_exec *e, const qn_op_ctx *c, int worker, qn_op_ctx *own) {
    if (worker == 0 || !e->few)
        return c;
    *own = *c;
    for (int j = 0; j < c->n_in + c->n_out; j++) {
        qn_tensor *t = j < c->n_in ? &own->in[j] : &own->out[j - c->n_in];
        if ((uintptr_t)t->data - (uintptr_t)e->scratch < e->stride)
            t->data = (char *)t->data + e->stride * (size_t)worker;
    }
    return own;
}

static void run_tile(const qn_exec *e, const share *s, int64_t tile, int worker) {
    char *scratch = scratch_of(e, worker);
    qn_op_ctx own;
    int p = 0;
    for (int i = 0; i < s->steps; i++)
        e->g->node[s->step[i].node].op->forward[0].run(ctx_of(e, &s->ctx[i], worker, &own), tile, scratch);
    if (s->steps)
        return;
    while (tile >= s->tiles[p])
        tile -= s->tiles[p++];
    s->phase[p].run(s->ctx, tile, scratch);
}

static pending run_share(qn_exec *e, const share *s, int worker, pending before) {
    if (s->all == 0)
        return before;
    if (s->all == 1) {
        if (before == SHARED || before == BESIDE)
            barrier(e, worker);
        if (worker == 0)
            run_tile(e, s, 0, worker);
        return before == OWN ? BESIDE : SERIAL;
    }
    if (before != CLEAN && before != OWN)
        barrier(e, worker);
    for (int64_t t = qn_pool_next(e->pool, worker, s->all); t < s->all; t = qn_pool_next(e->pool, worker, s->all))
        run_tile(e, s, t, worker);
    return SHARED;
}

/* Phase p and those beside it. */
static share phases_beside(const qn_phase *phase, int p, const qn_op_ctx *c) {
    share s = {.phase = phase + p, .ctx = c};
    do {
        s.tiles[s.phases] = s.phase[s.phases].tiles(c);
        s.all += s.tiles[s.phases++];
    } while (p + s.phases < QN_OP_PHASES && s.phase[s.phases].run && s.phase[s.phases].beside);
    return s;
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
        before = before == OWN || before == BESIDE ? BESIDE : SERIAL;
    }
    return before;
}

enum { CLEAR_TILE = 64 * 1024 };        /* bytes */

/* The next tiles of the claim counter that lie in this gradient; *first is the number of its first tile. */
static int64_t clear_some(const qn_exec *e, const qn_tensor *grad, int64_t *first, int64_t claimed) {
    const int64_t bytes = qn_tensor_numel(grad) * (int64_t)e->k->real, tiles = qn_tiles(bytes, CLEAR_TILE);
    for (; claimed < *first + tiles; claimed = qn_pool_claim(e->pool)) {
        const int64_t at = (claimed - *first) * CLEAR_TILE;
        memset((char *)grad->data + at, 0, (size_t)QN_MIN(CLEAR_TILE, bytes - at));
    }
    *first += tiles;
    return claimed;
}

/* Gradients born at this step that its op does not write start from zero. */
static pending clear_born(qn_exec *e, const qn_step *s, const qn_op_ctx *c, int worker, pending before) {
    int64_t first = 0;
    if (!(s->clear_in | s->clear_out))
        return before;
    if (before != CLEAN)
        barrier(e, worker);
    int64_t claimed = qn_pool_claim(e->pool);
    for (int j = 0; j < c->n_out; j++)
        if (s->clear_out >> j & 1)
            claimed = clear_some(e, &c->dout[j], &first, claimed);
    for (int j = 0; j < c->n_in; j++)
        if (s->clear_in >> j & 1)
            claimed = clear_some(e, &c->din[j], &first, claimed);
    return SHARED;
}

static pending run_phases(qn_exec *e, const qn_phase *phase, int p, const qn_op_ctx *c, int worker, pending state) {
    while (p < QN_OP_PHASES && phase[p].run) {
        const share beside = phases_beside(phase, p, c);
        state = run_share(e, &beside, worker, state);
        p += beside.phases;
    }
    return state;
}

static pending run_rounds(qn_exec *e, const qn_op *op, const qn_op_ctx *c, int worker, pending state) {
    qn_op_ctx own = *c;
    const int64_t rounds = op->rounds(c);
    for (own.round = 0; own.round < rounds; own.round++)
        state = run_phases(e, op->backward, 0, &own, worker, state);
    return state;
}

/* How many of these steps are each worker's own in this run. */
static size_t own_steps(const qn_exec *e, size_t begin, size_t end) {
    size_t n = 0;
    while (e->few && begin + n < end && e->g->step[begin + n].own &&
           e->value[e->g->node[e->g->step[begin + n].node].out].dim[0] <= QN_FEW_ROWS)
        n++;
    return n;
}

static pending run_own(qn_exec *e, size_t begin, size_t n, int worker, pending state) {
    qn_op_ctx own;
    if (state != CLEAN && state != OWN)
        barrier(e, worker);
    for (size_t i = begin; i < begin + n; i++) {
        const qn_phase *phase = e->g->node[e->g->step[i].node].op->forward;
        const int64_t tiles = phase->tiles(&e->ctx[i]);
        qn_assert(tiles <= 1);
        if (tiles)
            phase->run(ctx_of(e, &e->ctx[i], worker, &own), 0, scratch_of(e, worker));
    }
    return OWN;
}

/* Steps that join: each worker's own; the first phases of all others, then what else the last one has. */
static pending run_steps_together(qn_exec *e, size_t begin, size_t end, int worker, pending state) {
    const size_t own = own_steps(e, begin, end);
    if (own > 0)
        state = run_own(e, begin, own, worker, state);
    begin += own;
    if (begin == end)
        return state;
    const qn_step *s = &e->g->step[end - 1];
    const qn_node *n = &e->g->node[s->node];
    qn_op_ctx shifted;
    const qn_op_ctx *c = ctx_of(e, &e->ctx[end - 1], worker, &shifted);
    const qn_phase *phase = s->part == QN_PART_BACKWARD ? n->op->backward : n->op->forward;
    int p = 0;
    state = clear_born(e, s, c, worker, state);
    if (end - begin > 1) {
        const share rows = {.step = &e->g->step[begin], .ctx = &e->ctx[begin], .steps = (int)(end - begin),
                            .all = phase[p++].tiles(c)};
        state = run_share(e, &rows, worker, state);
    }
    if (s->part == QN_PART_BACKWARD && n->op->rounds)
        return run_rounds(e, n->op, c, worker, state);
    state = run_phases(e, phase, p, c, worker, state);
    if (s->part == QN_PART_FORWARD)
        state = run_taps(e, n, worker, state);
    if (state != OWN)
        return state;
    barrier(e, worker);                 /* nothing to do here, and the plan looks no further (plan.c, stretch) */
    return CLEAN;
}

/* An op whose forward the walk does along with its backward is charged with both. */
static int64_t flops_of(const qn_exec *e, const qn_step *s, const qn_op_ctx *c) {
    const qn_op *op = e->g->node[s->node].op;
    const bool both = s->part == QN_PART_BACKWARD && op->whole_backward && (size_t)s->node >= e->forward;
    return qn_step_flops(op, c, s->part) + (both ? qn_step_flops(op, c, QN_PART_FORWARD) : 0);
}

/* Charges step i with this worker's time since *start, and with what it waited of that. */
static void charge(qn_exec *e, size_t i, int worker, double *start) {
    const qn_step *s = &e->g->step[i];
    const qn_op_ctx *c = &e->ctx[i];
    step_time *t = &e->time[i];
    const int64_t ns = (int64_t)((qn_now() - *start) * 1e9);
    atomic_fetch_add_explicit(&t->worker_ns, ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->wait_ns, waited, memory_order_relaxed);
    waited = 0;
    *start = qn_now();
    if (worker != 0)
        return;
    t->ns += ns;
    t->calls++;
    t->flops += flops_of(e, s, c);
    t->bytes += qn_step_bytes(e->g, s, c);
}

static void run_steps(qn_exec *e, size_t begin, size_t end, int worker, pending state) {
    double start = e->profile ? qn_now() : 0;
    waited = 0;
    for (size_t i = begin, next; i < end; i = next) {
        for (next = i + 1; next < end && e->g->step[next].joins && !e->profile;)
            next++;
        state = run_steps_together(e, i, next, worker, state);
        if (!e->profile)
            continue;
        barrier(e, worker);             /* charge each op with its own wait */
        state = CLEAN;
        charge(e, i, worker, &start);
    }
}

static void region(void *arg, int worker) {
    qn_exec *e = arg;
    run_steps(e, 0, e->forward, worker, CLEAN);
}

static void run_forward(qn_exec *e, size_t steps, int64_t T, int64_t S, qn_pool *pool, const void *run) {
    qn_assert(T >= 1 && T <= e->lim.max_t && S >= 0 && S <= e->lim.max_s && qn_pool_threads(pool) <= e->lim.workers);
    if (e->T != T || e->S != S)
        bind_all(e, T, S);
    for (size_t i = 0; i < e->g->n_steps; i++)
        e->ctx[i].run = run;
    e->pool = pool;
    e->forward = steps;
    e->walking = false;
    e->barriers[0] = 0;
    qn_pool_share(pool, region, e);
}

void qn_exec_run(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run) {
    run_forward(e, e->g->n_nodes, T, S, pool, run);
}

/* ---- the reverse walk ---- */

/* The walk begins with ones. */
static void fill_seed(const qn_exec *e) {
    const qn_tensor ones = bind_grad(e, e->g->seed, qn_grad_data(e->g, e->g->seed, e->arena));
    for (int64_t i = 0; i < qn_tensor_numel(&ones); i++) {
        if (e->k->real == sizeof(double))
            ((double *)ones.data)[i] = 1;
        else
            ((float *)ones.data)[i] = 1;
    }
}

/* Behind the first step of the walk that is one: others make again what that reads. */
static size_t seed_end(const qn_graph *g) {
    size_t i = g->n_nodes;
    while (g->step[i].part != QN_PART_BACKWARD)
        i++;
    return i + 1;
}

static void backward_region(void *arg, int worker) {
    qn_exec *e = arg;
    if (worker == 0 && e->walk.begin == (int64_t)e->g->n_nodes)
        fill_seed(e);
    run_steps(e, (size_t)e->walk.begin, (size_t)e->walk.end, worker, SERIAL);
}

/* Steps [begin, end) of the walk. */
static void run_back(qn_exec *e, size_t begin, size_t end) {
    qn_assert(e->grad_in && e->T >= 0);
    e->walking = true;
    e->walk = (qn_span){(int64_t)begin, (int64_t)end};
    if (begin == e->g->n_nodes)
        e->barriers[1] = 0;
    qn_pool_share(e->pool, backward_region, e);
}

void qn_exec_run_backward(qn_exec *e) { run_back(e, e->g->n_nodes, e->g->n_steps); }

/* Whether the last node is the seed's and leaves in backward what it leaves in forward. A tap wants it in forward. */
static bool ends_in_walk(const qn_graph *g) {
    const qn_value *seed = &g->value[g->seed];
    return seed->kind == VALUE_NODE && (size_t)seed->first + 1 == g->n_nodes && !seed->tap &&
           g->node[seed->first].op->whole_backward;
}

void qn_exec_run_walk(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run) {
    run_forward(e, e->g->n_nodes - ends_in_walk(e->g), T, S, pool, run);
    qn_exec_run_backward(e);
}

bool qn_exec_run_to_seed(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run, qn_tensor *grad) {
    const qn_op_ctx *c = e->grad_in && ends_in_walk(e->g) ? &e->ctx[seed_end(e->g) - 1] : NULL;
    bool first_alone = c && c->din[0].data;
    for (int j = 1; first_alone && j < c->n_in; j++)
        first_alone = !c->din[j].data;
    if (!first_alone)
        return false;
    run_forward(e, e->g->n_nodes - 1, T, S, pool, run);
    run_back(e, e->g->n_nodes, seed_end(e->g));
    *grad = c->din[0];
    return true;
}

void qn_exec_run_from_seed(qn_exec *e) { run_back(e, seed_end(e->g), e->g->n_steps); }

const qn_tensor *qn_exec_value(const qn_exec *e, qn_ref v) {
    qn_assert(v >= 0 && (size_t)v < e->g->n_values);
    return &e->value[v];
}

/* ---- looking ---- */

qn_exec_info qn_exec_info_get(const qn_exec *e) {
    const qn_graph *g = e->g;
    qn_exec_info info = {
        .arena_bytes = e->arena_bytes, .scratch_bytes = e->stride * (size_t)e->lim.workers,
        .partial_bytes = e->partial_bytes, .kept_bytes = g->kept_bytes, .grad_bytes = g->most[BLOCK_GRAD],
        .again_bytes = g->most[BLOCK_AGAIN], .nodes = (int)g->n_nodes, .barriers = e->barriers[0],
        .barriers_back = e->barriers[1],
    };
    for (size_t i = 0; i < g->n_steps; i++) {
        const qn_op_part part = g->step[i].part;
        const qn_op *op = g->node[g->step[i].node].op;
        info.nodes_again += part == QN_PART_AGAIN;
        if (part == QN_PART_FORWARD)
            info.flops += qn_step_flops(op, &e->ctx[i], part);
        if (part == QN_PART_BACKWARD)
            info.flops_back += qn_step_flops(op, &e->ctx[i], part);
    }
    return info;
}

void qn_exec_profile(qn_exec *e, bool on) {
    e->profile = on;
    memset(e->time, 0, e->g->n_steps * sizeof *e->time);
}

int qn_exec_times(const qn_exec *e, qn_op_time *out, int cap) {
    int n = 0;
    for (size_t i = 0; i < e->g->n_steps; i++) {
        const qn_op_part part = e->g->step[i].part;
        const char *op = e->g->node[e->g->step[i].node].op->name;
        int j = 0;
        while (j < n && (strcmp(out[j].op, op) != 0 || out[j].part != part))
            j++;
        if (j == n && n == cap)
            continue;
        if (j == n)
            out[n++] = (qn_op_time){.op = op, .part = part};
        out[j].ns += e->time[i].ns;
        out[j].calls += e->time[i].calls;
        out[j].worker_ns += atomic_load(&e->time[i].worker_ns);
        out[j].wait_ns += atomic_load(&e->time[i].wait_ns);
        out[j].bytes += e->time[i].bytes;
        out[j].flops += e->time[i].flops;
    }
    return n;
}
