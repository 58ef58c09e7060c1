/* tests/unit/test_graph.c — graphs: names and shapes are checked when they are built; values alive together never share
 * memory; a run gives the same bits on any number of threads and with or without sharing; taps; no allocation. */
#include "test.h"

#include "base/pool.h"
#include "graph/graph_impl.h"
#include "ops/ops.h"

/* ---- an op of three phases with up to three outputs: what can go wrong in an executor shows in its bits ----
 *
 *   1, tiled:    out_o[t,j] = Σ_i in_i[t, j mod D_i] / (i + o + 2),  through scratch;   partial[tile] = Σ out_0
 *   2, one tile: total = Σ partial, in order
 *   3, tiled:    out_o[t,j] += total / 1024
 *
 * and one that does the first phase only and stays within its rows, so that its tiles run through its neighbours too */
typedef struct { int n_out; int64_t width[QN_OP_OUTS]; } mix_attr;

static int mix_shape(const qn_op_args *a, qn_op_out *out) {
    const mix_attr *at = a->attr;
    for (int i = 0; i < a->n_in; i++)
        if (a->in[i].rank < 2 || a->in[i].dim[0] != a->in[0].dim[0])
            return qn_fail(QN_ESHAPE, "mix: input %d is %s", i, qn_shape_text(&a->in[i]));
    for (int o = 0; o < at->n_out; o++)
        out[o] = (qn_op_out){{2, {a->in[0].dim[0], at->width[o]}}, QN_F32, QN_LAYOUT_ROWS};
    return 0;
}

static float *totals(const qn_op_ctx *c) { return (float *)c->partials; }

static float mix_rows(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    float sum = 0, *row = scratch;
    for (int64_t t = rows.begin; t < rows.end; t++)
        for (int o = 0; o < c->n_out; o++) {
            for (int64_t j = 0; j < c->out[o].dim[1]; j++)
                row[j] = 0;
            for (int i = 0; i < c->n_in; i++)
                for (int64_t j = 0; j < c->out[o].dim[1]; j++)
                    row[j] += ((float *)qn_row(&c->in[i], t))[j % qn_tensor_row(&c->in[i])] / (float)(i + o + 2);
            for (int64_t j = 0; j < c->out[o].dim[1]; j++)
                sum += ((float *)qn_row(&c->out[o], t))[j] = row[j];
        }
    return sum;
}

static void mix_tile(const qn_op_ctx *c, int64_t tile, void *scratch) {
    totals(c)[1 + tile] = mix_rows(c, tile, scratch);
}
static void mix_rows_only(const qn_op_ctx *c, int64_t tile, void *scratch) { (void)mix_rows(c, tile, scratch); }

static int64_t one_tile(QN_UNUSED const qn_op_ctx *c) { return 1; }

static void mix_total(const qn_op_ctx *c, QN_UNUSED int64_t tile, QN_UNUSED void *scratch) {
    totals(c)[0] = 0;
    for (int64_t i = 0; i < qn_op_row_tiles(c); i++)
        totals(c)[0] += totals(c)[1 + i];
}

static void mix_add(const qn_op_ctx *c, int64_t tile, QN_UNUSED void *scratch) {
    const qn_span rows = qn_tile_span(c->in[0].dim[0], QN_OP_ROWS, tile);
    for (int64_t t = rows.begin; t < rows.end; t++)
        for (int o = 0; o < c->n_out; o++)
            for (int64_t j = 0; j < c->out[o].dim[1]; j++)
                ((float *)qn_row(&c->out[o], t))[j] += totals(c)[0] / 1024;
}

static size_t mix_partials(const qn_op_ctx *c, QN_UNUSED bool backward) {
    return (size_t)(1 + qn_op_row_tiles(c)) * sizeof(float);
}
static size_t mix_scratch(const qn_op_ctx *c, QN_UNUSED bool backward) {
    int64_t n = 0;
    for (int o = 0; o < c->n_out; o++)
        n = QN_MAX(n, c->out[o].dim[1]);
    return (size_t)n * sizeof(float);
}
static int64_t mix_flops(const qn_op_ctx *c) { return c->in[0].dim[0]; }

static const qn_op mix = {
    .name = "mix", .n_in_min = 1, .n_in_max = 4, .attr_size = sizeof(mix_attr), .shape = mix_shape,
    .forward = {{qn_op_row_tiles, mix_tile}, {one_tile, mix_total}, {qn_op_row_tiles, mix_add}},
    .partials = mix_partials, .scratch = mix_scratch, .flops = mix_flops, .no_grad = "lives in a test",
};
static const qn_op mix_by_rows = {
    .name = "mix", .n_in_min = 1, .n_in_max = 4, .attr_size = sizeof(mix_attr), .shape = mix_shape,
    .forward = {{qn_op_row_tiles, mix_rows_only}}, .by_rows = true,
    .scratch = mix_scratch, .flops = mix_flops, .no_grad = "lives in a test",
};

/* ---- random graphs ---- */

enum { NODES = 40, VALUES = 1 + NODES * QN_OP_OUTS + NODES, MAX_T = 70, WIDTH = 24 };

/* What the test itself knows of each value: independent of the planner. */
typedef struct { int made, last; qn_ref base; bool keep; } life;

typedef struct {
    qn_graph *g;
    qn_ref value[VALUES];           /* in order of making; 0 is the input */
    life life[VALUES];              /* by qn_ref */
    int n;
    int nodes;
} random_graph;

static uint64_t random_of(uint64_t seed, uint64_t i, uint64_t n) { return qn_rng_u64(seed, QN_RNG_TEST, 9, i) % n; }

static void add_value(random_graph *r, qn_ref v, qn_ref base) {
    CHECK(v >= 0 && v < VALUES && r->n < VALUES);
    r->life[v] = (life){.made = r->nodes, .last = r->nodes, .base = base};
    r->value[r->n++] = v;
}

static void add_node(random_graph *r, uint64_t seed, int i) {
    mix_attr attr = {.n_out = 1 + (int)random_of(seed, (uint64_t)i * 16, QN_OP_OUTS)};
    char names[96] = "";
    qn_ref in[4];
    const int n_in = 1 + (int)random_of(seed, (uint64_t)i * 16 + 1, 4);
    for (int j = 0; j < n_in; j++) {                    /* mostly recent values, now and then an old one */
        const uint64_t back = random_of(seed, (uint64_t)(i * 16 + 2 + j), j ? 5 : (uint64_t)r->n);
        in[j] = r->value[r->n - 1 - (int)QN_MIN(back, (uint64_t)r->n - 1)];
        const qn_ref base = r->life[in[j]].base;
        r->life[base].last = r->nodes;
    }
    for (int o = 0; o < attr.n_out; o++) {
        attr.width[o] = 2 * (1 + (int64_t)random_of(seed, (uint64_t)(i * 16 + 8 + o), WIDTH / 2));
        snprintf(names + strlen(names), sizeof names - strlen(names), " n%d.%d", i, o);
    }
    const qn_op *op = random_of(seed, (uint64_t)i * 16 + 13, 4) ? &mix_by_rows : &mix;
    const qn_ref out = qn_graph_node(r->g, op, names, in, n_in, attr.n_out, &attr);
    for (int o = 0; o < attr.n_out; o++)
        add_value(r, out + o, out + o);
    if (random_of(seed, (uint64_t)(i * 16 + 12), 3) == 0) {
        char name[32];
        snprintf(name, sizeof name, "v%d", i);
        const qn_shape halves = {3, {QN_DIM_T, 2, attr.width[0] / 2}};
        add_value(r, qn_graph_view(r->g, name, out, halves), out);
    }
    r->nodes++;
}

/* The same seed gives the same graph; all: nothing shares memory. */
static void make_random(random_graph *r, uint64_t seed, bool all) {
    memset(r, 0, sizeof *r);
    CHECK_OK(qn_graph_new(&r->g));
    add_value(r, qn_graph_input(r->g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, WIDTH}}), 0);
    for (int i = 0; i < NODES; i++)
        add_node(r, seed, i);
    for (int i = 1; i < r->n; i++)
        if (all || i == r->n - 1 || random_of(seed, (uint64_t)(1000 + i), 12) == 0) {
            qn_graph_keep(r->g, r->value[i]);
            r->life[r->life[r->value[i]].base].keep = true;
        }
}

static bool alive_together(const life *a, const life *b, int nodes) {
    const int a_last = a->keep ? nodes : a->last, b_last = b->keep ? nodes : b->last;
    return a->made <= b_last && b->made <= a_last;
}

/* Value i of the graph against all before it. */
static void check_apart(const random_graph *r, int i, uint64_t seed) {
    const qn_value *a = &r->g->value[r->value[i]];
    for (int j = 1; j < i; j++) {
        const qn_value *b = &r->g->value[r->value[j]];
        const bool overlap = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
        if (b->kind == VALUE_NODE && overlap)
            CHECK(!alive_together(&r->life[r->value[i]], &r->life[r->value[j]], r->nodes), "seed %d: %s and %s overlap",
                  (int)seed, a->name, b->name);
    }
}

TEST(values_alive_together_never_overlap) {
    static random_graph r;
    size_t shared = 0, apart = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const int64_t sym[QN_DIM_SYMBOLS] = {MAX_T, 0};
        size_t arena;
        make_random(&r, seed, false);
        CHECK_OK(qn_graph_plan(r.g, sym, sizeof(float), &arena));
        for (int i = 1; i < r.n; i++) {
            const qn_value *v = &r.g->value[r.value[i]];
            const size_t bytes = (size_t)(MAX_T * qn_shape_row(&v->shape)) * sizeof(float);
            if (v->kind != VALUE_NODE)
                continue;
            CHECK(v->bytes >= bytes && v->offset % 64 == 0 && v->offset + v->bytes <= arena, "seed %d: %s", (int)seed,
                  v->name);
            check_apart(&r, i, seed);
            apart += v->bytes;
        }
        shared += arena;
        qn_graph_free(r.g);
    }
    CHECK(shared * 2 < apart, "%zu bytes with sharing, %zu without", shared, apart);
}

/* ---- running ---- */

static float input[MAX_T * WIDTH];

static void fill_input(uint32_t salt) {
    for (int i = 0; i < MAX_T * WIDTH; i++)
        input[i] = qn_fill_value(salt, (uint64_t)i, 1);
}

static qn_exec *exec_of(qn_graph *g, int workers) {
    const qn_exec_limits limits = {.max_t = MAX_T, .max_s = 3, .workers = workers};
    qn_exec *e;
    CHECK_OK(qn_exec_new(&e, g, qn_kernels_at(qn_test_isa()), &limits));
    return e;
}

/* Every kept value is, in each run, what it is where nothing shares memory. */
static void compare_kept(const random_graph *r, const qn_exec *e, const random_graph *all, const qn_exec *reference,
                         int T) {
    for (int i = 1; i < r->n; i++) {
        if (!r->life[r->life[r->value[i]].base].keep)
            continue;
        const qn_tensor *got = qn_exec_value(e, r->value[i]), *want = qn_exec_value(reference, all->value[i]);
        CHECK(got->dim[0] == T && qn_tensor_numel(got) == qn_tensor_numel(want));
        CHECK(memcmp(got->data, want->data, (size_t)qn_tensor_numel(got) * sizeof(float)) == 0, "%s, T %d",
              qn_graph_name(r->g, r->value[i]), T);
    }
}

TEST(same_bits_on_any_number_of_threads) {
    static random_graph r, all;
    static const int rows[] = {MAX_T, 1, 16, 17, 33, MAX_T};
    qn_pool *pool[5] = {NULL};
    for (int threads = 2; threads <= 4; threads++)
        CHECK_OK(qn_pool_new(&pool[threads], threads));
    for (uint64_t seed = 1; seed <= 6; seed++) {
        make_random(&r, seed, false);
        make_random(&all, seed, true);
        qn_exec *e = exec_of(r.g, 4), *reference = exec_of(all.g, 1);
        qn_exec_bind(e, r.value[0], input);
        qn_exec_bind(reference, all.value[0], input);
        for (size_t i = 0; i < QN_LEN(rows); i++) {
            fill_input((uint32_t)(seed * 10 + i));
            qn_exec_run(reference, rows[i], 0, NULL, NULL);
            for (int threads = 1; threads <= 4; threads++) {
                qn_exec_run(e, rows[i], 0, pool[threads], NULL);
                compare_kept(&r, e, &all, reference, rows[i]);
            }
        }
        qn_exec_free(e);
        qn_exec_free(reference);
        qn_graph_free(r.g);
        qn_graph_free(all.g);
    }
    for (int threads = 2; threads <= 4; threads++)
        qn_pool_free(pool[threads]);
}

TEST(runs_allocate_nothing) {
    static random_graph r;
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 2));
    make_random(&r, 5, false);
    qn_exec *e = exec_of(r.g, 2);
    const int64_t calls = qn_mem_calls();
    for (int i = 0; i < 20; i++) {
        qn_exec_bind(e, r.value[0], input + i % 2);
        qn_exec_run(e, 1 + i % 3, 0, pool, NULL);
    }
    CHECK_INT(qn_mem_calls() - calls, 0);
    qn_exec_free(e);
    qn_graph_free(r.g);
    qn_pool_free(pool);
}

/* ---- taps ---- */

typedef struct { char name[32]; float first; int64_t rows; int calls; float factor; } seen;

static void look(void *arg, const char *name, const qn_tensor *v) {
    seen *s = arg;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->first = *(float *)v->data;
    s->rows = v->dim[0];
    s->calls++;
    for (int64_t i = 0; i < qn_tensor_numel(v); i++)
        ((float *)v->data)[i] *= s->factor;
}

/* x → a = x + x → b = a + a → c = b + x */
static qn_graph *sums(qn_ref ref[4]) {
    qn_graph *g;
    CHECK_OK(qn_graph_new(&g));
    ref[0] = qn_graph_input(g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, 3}});
    ref[1] = qn_graph_node(g, &qn_op_add, "a", (qn_ref[]){ref[0], ref[0]}, 2, 1, NULL);
    ref[2] = qn_graph_node(g, &qn_op_add, "b", (qn_ref[]){ref[1], ref[1]}, 2, 1, NULL);
    ref[3] = qn_graph_node(g, &qn_op_add, "c", (qn_ref[]){ref[2], ref[0]}, 2, 1, NULL);
    CHECK(ref[3] >= 0);
    qn_graph_keep(g, ref[3]);
    return g;
}

TEST(a_tap_sees_and_changes_a_value) {
    qn_ref ref[4];
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 3));
    for (int workers = 1; workers <= 3; workers += 2) {
        for (int changed = 0; changed < 2; changed++) {
            qn_graph *g = sums(ref);
            seen a = {.factor = changed ? 10 : 1}, c = {.factor = 1};
            CHECK_OK(qn_graph_tap(g, ref[1], look, &a));
            CHECK_OK(qn_graph_tap(g, ref[3], look, &c));
            qn_exec *e = exec_of(g, 3);
            for (int i = 0; i < MAX_T * 3; i++)
                input[i] = 1;
            qn_exec_bind(e, ref[0], input);
            qn_exec_run(e, MAX_T, 0, workers == 1 ? NULL : pool, NULL);
            CHECK_STR(a.name, "a");
            CHECK_STR(c.name, "c");
            CHECK(a.calls == 1 && a.rows == MAX_T && a.first == 2, "x + x");
            CHECK_NEAR(c.first, changed ? 41 : 5, 0);
            const float *out = qn_exec_value(e, ref[3])->data;
            for (int i = 0; i < MAX_T * 3; i++)
                CHECK_NEAR(out[i], changed ? 41 : 5, 0, "element %d", i);
            CHECK_FAIL(qn_graph_tap(g, ref[2], look, &a), QN_EINVAL, "before the graph is planned");
            qn_exec_free(e);
            qn_graph_free(g);
        }
    }
    qn_pool_free(pool);
    qn_graph *g = sums(ref);
    CHECK_FAIL(qn_graph_tap(g, ref[0], look, NULL), QN_EINVAL, "tap on x");
    qn_graph_free(g);
}

/* What a tap sees is the value itself, although its memory is used again later. */
static void copy(void *arg, QN_UNUSED const char *name, const qn_tensor *v) {
    memcpy(arg, v->data, (size_t)qn_tensor_numel(v) * sizeof(float));
}

TEST(every_value_can_be_tapped) {
    static random_graph r, all;
    static float at[VALUES][MAX_T * WIDTH];
    make_random(&r, 3, false);
    make_random(&all, 3, true);
    for (int i = 1; i < r.n; i++)
        if (r.life[r.value[i]].base == r.value[i])
            CHECK_OK(qn_graph_tap(r.g, r.value[i], copy, at[r.value[i]]));
    qn_exec *e = exec_of(r.g, 1), *reference = exec_of(all.g, 1);
    fill_input(1);
    qn_exec_bind(e, r.value[0], input);
    qn_exec_bind(reference, all.value[0], input);
    qn_exec_run(e, MAX_T, 0, NULL, NULL);
    qn_exec_run(reference, MAX_T, 0, NULL, NULL);
    for (int i = 1; i < r.n; i++) {
        const qn_tensor *want = qn_exec_value(reference, all.value[i]);
        if (r.life[r.value[i]].base == r.value[i])
            CHECK(memcmp(at[r.value[i]], want->data, (size_t)qn_tensor_numel(want) * sizeof(float)) == 0, "%s",
                  qn_graph_name(r.g, r.value[i]));
    }
    qn_exec_free(e);
    qn_exec_free(reference);
    qn_graph_free(r.g);
    qn_graph_free(all.g);
}

/* ---- building: what is refused, and under which name ---- */

TEST(names_are_unique_and_found) {
    qn_graph *g;
    const qn_shape s = {2, {QN_DIM_T, 4}};
    CHECK_OK(qn_graph_new(&g));
    const qn_ref x = qn_graph_input(g, "x", QN_F32, s);
    CHECK_FAIL(qn_graph_input(g, "x", QN_F32, s), QN_EINVAL, "two values are named x");
    CHECK_FAIL(qn_graph_view(g, "x", x, s), QN_EINVAL, "two values are named x");
    CHECK_FAIL(qn_graph_node(g, &qn_op_add, "x", (qn_ref[]){x, x}, 2, 1, NULL), QN_EINVAL, "two values are named x");
    const mix_attr two = {2, {4, 6}};
    CHECK_FAIL(qn_graph_node(g, &mix, "y y", &x, 1, 2, &two), QN_EINVAL, "two values are named y");
    const qn_ref p = qn_graph_node(g, &mix, "  p   q ", &x, 1, 2, &two);
    CHECK_STR(qn_graph_name(g, p), "p");
    CHECK_STR(qn_graph_name(g, p + 1), "q");
    CHECK_INT(qn_graph_find(g, "q"), p + 1);
    CHECK_INT(qn_graph_find(g, "x"), x);
    CHECK_FAIL(qn_graph_find(g, "z"), QN_ENOTFOUND, "no value is named z");
    CHECK_INT(qn_graph_nodes(g), 1);
    qn_graph_free(g);
}

TEST(shape_errors_carry_the_name_of_the_node) {
    qn_graph *g;
    float w[32 * 4] = {0};
    const qn_tensor panels = {.dtype = QN_F32, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {32, 4}, .stride = 4,
                              .data = w};
    CHECK_OK(qn_graph_new(&g));
    const qn_ref x = qn_graph_input(g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, 4}});
    const qn_ref y = qn_graph_input(g, "y", QN_F32, (qn_shape){2, {QN_DIM_T, 5}});
    const qn_ref p = qn_graph_param(g, "w", &panels);
    const qn_linear_attr one = {1, 0};
    CHECK_FAIL(qn_graph_node(g, &qn_op_add, "blk.3.sum", (qn_ref[]){x, y}, 2, 1, NULL), QN_ESHAPE, "blk.3.sum: ");
    CHECK_FAIL(qn_graph_node(g, &qn_op_add, "s", (qn_ref[]){x, y}, 2, 1, NULL), QN_ESHAPE, "[T,4]");
    CHECK_FAIL(qn_graph_node(g, &qn_op_add, "one", &x, 1, 1, NULL), QN_EINVAL,
               "one: op add takes 2 to 2 inputs, got 1");
    CHECK_FAIL(qn_graph_node(g, &qn_op_add, "packed", (qn_ref[]){x, p}, 2, 1, NULL), QN_EINVAL,
               "packed: op add takes plain");
    CHECK_FAIL(qn_graph_node(g, &qn_op_linear, "head", (qn_ref[]){y, p}, 2, 1, &one), QN_ESHAPE, "head: ");
    CHECK_FAIL(qn_graph_node(g, &qn_op_linear, "rows", (qn_ref[]){x, y}, 2, 1, &one), QN_EINVAL, "rows: ");
    CHECK(qn_graph_node(g, &qn_op_linear, "good", (qn_ref[]){x, p}, 2, 1, &one) >= 0);
    CHECK_INT(qn_graph_nodes(g), 1, "what was refused is not there");
    CHECK_INT(qn_graph_node(g, &qn_op_add, "z", (qn_ref[]){x, QN_ENOTFOUND}, 2, 1, NULL), QN_ENOTFOUND, "passed on");
    CHECK_INT(qn_graph_view(g, "z", QN_ESHAPE, (qn_shape){2, {QN_DIM_T, 4}}), QN_ESHAPE, "passed on");
    CHECK_FAIL(qn_graph_view(g, "wide", x, (qn_shape){2, {QN_DIM_T, 5}}), QN_ESHAPE, "wide: x");
    CHECK_FAIL(qn_graph_view(g, "other", x, (qn_shape){2, {QN_DIM_S, 4}}), QN_ESHAPE, "other: x");
    CHECK_FAIL(qn_graph_view(g, "panels", p, (qn_shape){2, {32, 4}}), QN_ESHAPE, "panels: w");
    qn_graph_free(g);
}

/* ---- looking ---- */

TEST(counts_and_times) {
    static random_graph r;
    qn_op_time time[4];
    make_random(&r, 2, false);
    qn_exec *e = exec_of(r.g, 1);
    qn_exec_bind(e, r.value[0], input);
    qn_exec_run(e, 10, 0, NULL, NULL);
    CHECK_INT(qn_exec_info_get(e).nodes, NODES);
    CHECK_INT(qn_exec_info_get(e).flops, 10 * NODES, "of the last run");
    CHECK(qn_exec_info_get(e).arena_bytes > 0 && qn_exec_info_get(e).scratch_bytes >= 64);
    CHECK_INT(qn_exec_times(e, time, 4), 1);
    CHECK_INT(time[0].calls, 0, "off by default");
    qn_exec_profile(e, true);
    for (int i = 0; i < 3; i++)
        qn_exec_run(e, 10, 0, NULL, NULL);
    CHECK_INT(qn_exec_times(e, time, 4), 1);
    CHECK_STR(time[0].op, "mix");
    CHECK_INT(time[0].calls, 3 * NODES);
    CHECK(time[0].ns > 0);
    CHECK_INT(qn_exec_times(e, time, 0), 0);
    qn_exec_free(e);
    qn_graph_free(r.g);
}

/* One row needs no barrier but those around shared phases: none at all. */
TEST(one_row_on_many_threads_needs_no_barrier) {
    qn_ref ref[4];
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 2));
    qn_graph *g = sums(ref);
    qn_exec *e = exec_of(g, 2);
    qn_exec_bind(e, ref[0], input);
    qn_exec_run(e, 1, 0, pool, NULL);
    CHECK_INT(qn_exec_info_get(e).barriers, 0);
    qn_exec_run(e, MAX_T, 0, pool, NULL);
    CHECK_INT(qn_exec_info_get(e).barriers, 0, "tiles run through all three sums");
    qn_exec_profile(e, true);
    qn_exec_run(e, MAX_T, 0, pool, NULL);
    CHECK_INT(qn_exec_info_get(e).barriers, 3, "each sum is timed");
    qn_exec_free(e);
    qn_graph_free(g);
    qn_pool_free(pool);
}

/* Neighbours with other rows do not run tile by tile. */
TEST(steps_of_other_rows_do_not_join) {
    static float few[3 * 3];
    qn_graph *g;
    CHECK_OK(qn_graph_new(&g));
    const qn_ref x = qn_graph_input(g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, 3}});
    const qn_ref y = qn_graph_input(g, "y", QN_F32, (qn_shape){2, {QN_DIM_S, 3}});
    const qn_ref a = qn_graph_node(g, &qn_op_add, "a", (qn_ref[]){x, x}, 2, 1, NULL);
    const qn_ref b = qn_graph_node(g, &qn_op_add, "b", (qn_ref[]){y, y}, 2, 1, NULL);
    qn_graph_keep(g, a);
    qn_graph_keep(g, b);
    qn_exec *e = exec_of(g, 1);
    fill_input(1);
    qn_exec_bind(e, x, input);
    qn_exec_bind(e, y, few);
    qn_exec_run(e, MAX_T, 3, NULL, NULL);
    for (int i = 0; i < MAX_T * 3; i++)
        CHECK_NEAR(((float *)qn_exec_value(e, a)->data)[i], 2 * input[i], 0, "element %d", i);
    qn_exec_free(e);
    qn_graph_free(g);
}
