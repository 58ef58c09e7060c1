/* tests/unit/test_recompute.c — what is kept for the reverse walk and what is made again: gradients are the same bits
 * under every policy, in double and in float at every level, on any number of threads; memory shrinks; what a tap
 * changed stays changed. Sums share gradients on graphs of any shape. */
/* full: WHOLE=1 */
#include "test.h"

#include "base/pool.h"
#include "graph/graph_impl.h"
#include "ops/attention.h"
#include "ops/ops.h"

enum { POLICIES = 3, WORKERS = 4 };
static const qn_recompute policies[POLICIES] = {QN_KEEP_ALL, QN_RECOMPUTE_CHEAP, QN_RECOMPUTE_LAYERS};
static const char *const policy_name[POLICIES] = {"keep all", "cheap", "layers"};

/* ---- a toy of the llama family: six layers with the same parameters, three documents in a pack ---- */

enum { V = 37, D = 32, H = 4, HKV = 2, DH = 8, F = 80, T = 70, S = 40, LAYERS = 6, SEGMENTS = 3 };
enum { TABLE, ATTN_NORM, QUERY, KEY, VALUE, OUT, FFN_NORM, GATE, UP, DOWN, LAST_NORM, PARAMS };

static const struct { int64_t rows, columns; } param_shape[PARAMS] = {      /* columns 0: a vector */
    [TABLE] = {V, D}, [ATTN_NORM] = {D, 0}, [QUERY] = {H * DH, D}, [KEY] = {HKV * DH, D}, [VALUE] = {HKV * DH, D},
    [OUT] = {D, H * DH}, [FFN_NORM] = {D, 0}, [GATE] = {F, D}, [UP] = {F, D}, [DOWN] = {D, F}, [LAST_NORM] = {D, 0},
};
enum { LARGEST = F * D, PANEL = 96 * 96 };

typedef struct {
    const qn_kernels *k;
    double w[PARAMS][LARGEST], dw[PARAMS][LARGEST], panel[PARAMS][PANEL];   /* room for either real */
    double weight[S];
    int32_t ids[T], positions[T], index[S], target[S], row_segment[T], page[SEGMENTS];
    qn_kv_pool pool;
    qn_segment segment[SEGMENTS];
    qn_query_tile tile[T];
    double keys[SEGMENTS * LAYERS * 2 * HKV * 64 * DH];
    qn_batch batch;
    int frozen;                         /* bit p: nobody asks for the gradient of parameter p */
    qn_graph *g;
    qn_exec *e;
    qn_ref out, tapped;
} net;

static int64_t count(int p) { return param_shape[p].rows * QN_MAX(1, param_shape[p].columns); }
static qn_dtype real_of(const net *t) { return t->k->real == sizeof(double) ? QN_F64 : QN_F32; }

static void put(const net *t, void *to, int64_t i, double x) {
    if (t->k->real == sizeof(double))
        ((double *)to)[i] = x;
    else
        ((float *)to)[i] = (float)x;
}

static qn_ref param(net *t, int p) {
    const int64_t rows = param_shape[p].rows, columns = param_shape[p].columns;
    char name[16];
    snprintf(name, sizeof name, "p%d", p);
    for (int64_t i = 0; i < count(p); i++)
        put(t, t->w[p], i, (columns ? 0.8 : 2.0) * qn_rng_uniform(5, QN_RNG_TEST, (uint64_t)p, (uint64_t)i) - 0.3);
    qn_tensor v = {.dtype = real_of(t), .rank = columns ? 2 : 1, .dim = {rows, columns}, .stride = QN_MAX(1, columns),
                   .layout = columns ? QN_LAYOUT_PANELS : QN_LAYOUT_ROWS, .data = columns ? t->panel[p] : t->w[p]};
    if (columns)
        qn_pack_panels(&(qn_pack_args){real_of(t), real_of(t), t->w[p], t->panel[p], 0, rows, columns});
    const qn_ref r = qn_graph_param(t->g, name, &v);
    v.layout = QN_LAYOUT_ROWS;
    v.data = t->dw[p];
    if (!(t->frozen >> p & 1))
        qn_graph_train(t->g, r, &v);
    return r;
}

/* Names of a layer end in its number. */
static qn_ref nodes(net *t, int layer, const qn_op *op, const char *names, const qn_ref *in, int n_in, int n_out,
                    const void *attr) {
    char text[96] = "", name[16];
    for (int n = 0, used; sscanf(names, "%15s%n", name, &used) == 1 && n < n_out; n++, names += used)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s.%d ", name, layer);
    return qn_graph_node(t->g, op, text, in, n_in, n_out, attr);
}

static qn_ref node(net *t, int layer, const qn_op *op, const char *name, const qn_ref *in, int n_in, const void *attr) {
    return nodes(t, layer, op, name, in, n_in, 1, attr);
}

static qn_ref heads_of(net *t, int layer, const char *name, qn_ref of, int64_t heads) {
    char text[32];
    snprintf(text, sizeof text, "%s.%d", name, layer);
    return qn_graph_view(t->g, text, of, (qn_shape){3, {QN_DIM_T, heads, DH}});
}

static qn_ref attention(net *t, int layer, qn_ref x, qn_ref table, const qn_ref *p) {
    static const qn_linear_attr three = {3, 0}, one = {1, 0};
    const qn_attention_attr at = {.layer = layer, .kv = real_of(t), .max_context = 64, .scale = 0.3f};
    const qn_ref q = nodes(t, layer, &qn_op_linear, "q k v", (qn_ref[]){x, p[QUERY], p[KEY], p[VALUE]}, 4, 3, &three);
    const qn_ref heads[] = {heads_of(t, layer, "qh", q, H), heads_of(t, layer, "kh", q + 1, HKV),
                            heads_of(t, layer, "vh", q + 2, HKV)};
    const qn_ref in[] = {node(t, layer, &qn_op_rope, "qr", (qn_ref[]){heads[0], table}, 2, NULL),
                         node(t, layer, &qn_op_rope, "kr", (qn_ref[]){heads[1], table}, 2, NULL), heads[2]};
    const qn_ref a = node(t, layer, &qn_op_attention, "a", in, 3, &at);
    char flat[32];
    snprintf(flat, sizeof flat, "flat.%d", layer);
    const qn_ref rows = qn_graph_view(t->g, flat, a, (qn_shape){2, {QN_DIM_T, H * DH}});
    return node(t, layer, &qn_op_linear, "o", (qn_ref[]){rows, p[OUT]}, 2, &one);
}

static qn_ref feed_forward(net *t, int layer, qn_ref x, const qn_ref *p) {
    static const qn_linear_attr two = {2, 0}, one = {1, 0};
    static const qn_glu_attr silu = {QN_ACT_SILU};
    const qn_ref gate = nodes(t, layer, &qn_op_linear, "gate up", (qn_ref[]){x, p[GATE], p[UP]}, 3, 2, &two);
    const qn_ref hidden = node(t, layer, &qn_op_glu, "hidden", (qn_ref[]){gate, gate + 1}, 2, &silu);
    return node(t, layer, &qn_op_linear, "down", (qn_ref[]){hidden, p[DOWN]}, 2, &one);
}

static qn_ref layer_of(net *t, int layer, qn_ref x, qn_ref table, const qn_ref *p) {
    static const qn_rmsnorm_attr eps = {1e-5};
    qn_graph_anchor(t->g, x);
    const qn_ref n1 = node(t, layer, &qn_op_rmsnorm, "n1", (qn_ref[]){x, p[ATTN_NORM]}, 2, &eps);
    const qn_ref y = node(t, layer, &qn_op_add, "y", (qn_ref[]){x, attention(t, layer, n1, table, p)}, 2, NULL);
    const qn_ref n2 = node(t, layer, &qn_op_rmsnorm, "n2", (qn_ref[]){y, p[FFN_NORM]}, 2, &eps);
    if (layer == 2)
        t->tapped = n2;
    return node(t, layer, &qn_op_add, "z", (qn_ref[]){y, feed_forward(t, layer, n2, p)}, 2, NULL);
}

static void build(net *t) {
    static const qn_rmsnorm_attr eps = {1e-5};
    qn_rope_attr rope = {.rot = DH, .factor = 1};
    qn_ref p[PARAMS];
    for (int i = 0; i < DH / 2; i++)
        rope.freq[i] = 1.0 / (1 + 3 * i);
    CHECK_OK(qn_graph_new(&t->g));
    const qn_ref ids = qn_graph_input(t->g, "ids", QN_I32, (qn_shape){1, {QN_DIM_T}});
    const qn_ref positions = qn_graph_input(t->g, "positions", QN_I32, (qn_shape){1, {QN_DIM_T}});
    const qn_ref index = qn_graph_input(t->g, "index", QN_I32, (qn_shape){1, {QN_DIM_S}});
    const qn_ref target = qn_graph_input(t->g, "target", QN_I32, (qn_shape){1, {QN_DIM_S}});
    const qn_ref weight = qn_graph_input(t->g, "weight", real_of(t), (qn_shape){1, {QN_DIM_S}});
    for (int i = 0; i < PARAMS; i++)
        p[i] = param(t, i);
    const qn_ref table = node(t, 0, &qn_op_rope_table, "table", &positions, 1, &rope);
    qn_ref x = node(t, 0, &qn_op_embed, "x", (qn_ref[]){ids, p[TABLE]}, 2, NULL);
    for (int layer = 0; layer < LAYERS; layer++)
        x = layer_of(t, layer, x, table, p);
    const qn_ref wanted = node(t, 0, &qn_op_rows, "wanted", (qn_ref[]){x, index}, 2, NULL);
    const qn_ref last = node(t, 0, &qn_op_rmsnorm, "last", (qn_ref[]){wanted, p[LAST_NORM]}, 2, &eps);
    t->out = node(t, 0, &qn_op_xent, "loss", (qn_ref[]){last, p[TABLE], target, weight}, 4, &(qn_xent_attr){0});
    CHECK(t->out >= 0, "%s", qn_error_message());
    qn_graph_keep(t->g, t->out);
    qn_graph_seed(t->g, t->out);
}

static void bind(net *t) {
    static const char *const input[] = {"ids", "positions", "index", "target", "weight"};
    void *const data[] = {t->ids, t->positions, t->index, t->target, t->weight};
    for (size_t i = 0; i < QN_LEN(input); i++)
        qn_exec_bind(t->e, qn_graph_find(t->g, input[i]), data[i]);
}

static void plan(net *t, qn_recompute policy) {
    qn_graph_recompute(t->g, policy);
    CHECK_OK(qn_exec_new(&t->e, t->g, t->k, &(qn_exec_limits){T, S, WORKERS}));
    bind(t);
}

/* Built, not planned: documents of 33, 30 and 7 tokens. */
static net *make_frozen(const qn_kernels *k, int frozen) {
    static const int64_t length[SEGMENTS] = {33, 30, 7};
    net *t = qn_zalloc(QN_MEM_TEST, 1, sizeof *t);
    CHECK(t != NULL);
    t->k = k;
    t->frozen = frozen;
    for (int i = 0; i < S; i++) {
        t->index[i] = i + i / 2;
        t->target[i] = i * 3 % V;
        put(t, t->weight, i, i % 7 == 4 ? 0 : 0.125 * (1 + i % 2));
    }
    t->pool = (qn_kv_pool){real_of(t), LAYERS, HKV, DH, qn_kv_block_bytes(real_of(t), DH), (char *)t->keys};
    for (int s = 0, row = 0; s < SEGMENTS; s++) {
        t->page[s] = s;
        t->segment[s] = (qn_segment){row, length[s], 0, &t->page[s], s, 0};
        for (int i = 0; i < length[s]; i++, row++) {
            t->ids[row] = row * 5 % V;
            t->positions[row] = i;
            t->row_segment[row] = s;
        }
    }
    t->batch = (qn_batch){.kv = &t->pool, .segment = t->segment, .n_segments = SEGMENTS, .tile = t->tile,
                          .row_segment = t->row_segment, .chunks = 1};
    t->batch.n_tiles = qn_query_tiles(t->segment, SEGMENTS, 9, t->tile, T);
    build(t);
    return t;
}

static net *make(const qn_kernels *k) { return make_frozen(k, 0); }

static void drop(net *t) {
    qn_exec_free(t->e);
    qn_graph_free(t->g);
    qn_free(t);
}

static void step(net *t, qn_pool *pool) {
    memset(t->dw, 0, sizeof t->dw);
    qn_exec_run(t->e, T, S, pool, &t->batch);
    qn_exec_run_backward(t->e);
}

static void check_same(const net *t, const net *want, const char *what) {
    for (int p = 0; p < PARAMS; p++) {
        bool any = false;
        for (int64_t i = 0; i < count(p) * (int64_t)t->k->real; i++)
            any = any || ((const char *)want->dw[p])[i];
        CHECK(any, "parameter %d has a gradient", p);
        CHECK(memcmp(t->dw[p], want->dw[p], sizeof t->dw[p]) == 0, "parameter %d, %s", p, what);
    }
}

/* Every policy, on 1 to 4 threads, against keep all on one; twice, because a step leaves its traces in the arena. */
static void policies_at(const qn_kernels *k, qn_pool *const pools[WORKERS + 1], qn_tap_fn *tap) {
    net *want = make(k);
    if (tap)
        CHECK_OK(qn_graph_tap(want->g, want->tapped, tap, NULL));
    plan(want, QN_KEEP_ALL);
    step(want, NULL);
    for (int p = 0; p < POLICIES; p++) {
        net *t = make(k);
        if (tap)
            CHECK_OK(qn_graph_tap(t->g, t->tapped, tap, NULL));
        plan(t, policies[p]);
        for (int threads = 1; threads <= WORKERS; threads *= 2) {
            step(t, pools[threads]);
            check_same(t, want, policy_name[p]);
        }
        const int64_t calls = qn_mem_calls();
        step(t, pools[2]);
        CHECK_INT(qn_mem_calls(), calls, "a step allocates nothing");
        drop(t);
    }
    drop(want);
}

static void double_all(QN_UNUSED void *arg, QN_UNUSED const char *name, const qn_tensor *v) {
    for (int64_t i = 0; i < qn_tensor_numel(v); i++) {
        if (v->dtype == QN_F64)
            ((double *)v->data)[i] *= 2;
        else
            ((float *)v->data)[i] *= 2;
    }
}

static void with_pools(void (*run)(const qn_kernels *k, qn_pool *const pools[WORKERS + 1], qn_tap_fn *tap),
                       const qn_kernels *k, qn_tap_fn *tap) {
    qn_pool *pools[WORKERS + 1] = {NULL};
    for (int threads = 2; threads <= WORKERS; threads++)
        CHECK_OK(qn_pool_new(&pools[threads], threads));
    run(k, pools, tap);
    for (int threads = 2; threads <= WORKERS; threads++)
        qn_pool_free(pools[threads]);
}

TEST(gradients_are_the_same_bits_under_every_policy) {
    with_pools(policies_at, qn_kernels_judge(), NULL);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        if (qn_isa_has((qn_isa)isa))
            with_pools(policies_at, qn_kernels_at((qn_isa)isa), NULL);
}

/* A norm's output that a tap has doubled is not made again without it. */
TEST(what_a_tap_changed_stays_changed) {
    net *plain = make(qn_kernels_judge()), *tapped = make(qn_kernels_judge());
    CHECK_OK(qn_graph_tap(tapped->g, tapped->tapped, double_all, NULL));
    plan(plain, QN_KEEP_ALL);
    plan(tapped, QN_KEEP_ALL);
    step(plain, NULL);
    step(tapped, NULL);
    CHECK(memcmp(plain->dw, tapped->dw, sizeof plain->dw) != 0, "the tap matters");
    drop(plain);
    drop(tapped);
    with_pools(policies_at, qn_kernels_judge(), double_all);
}

TEST(memory_shrinks) {
    qn_exec_info info[POLICIES];
    for (int p = 0; p < POLICIES; p++) {
        net *t = make(qn_kernels_at(qn_test_isa()));
        plan(t, policies[p]);
        info[p] = qn_exec_info_get(t->e);
        CHECK(info[p].kept_bytes + info[p].grad_bytes > 0 && info[p].kept_bytes <= info[p].arena_bytes);
        CHECK((info[p].again_bytes > 0) == (p > 0) && (info[p].nodes_again > 0) == (p > 0), "%s", policy_name[p]);
        drop(t);
    }
    CHECK(info[1].kept_bytes * 4 < info[0].kept_bytes * 3, "kept: %zu, all %zu", info[1].kept_bytes,
          info[0].kept_bytes);
    CHECK(info[1].arena_bytes * 5 < info[0].arena_bytes * 4, "%zu, all %zu", info[1].arena_bytes, info[0].arena_bytes);
    CHECK(info[2].kept_bytes * 3 < info[1].kept_bytes, "kept: %zu, cheap %zu", info[2].kept_bytes, info[1].kept_bytes);
    CHECK(info[2].arena_bytes * 2 < info[1].arena_bytes, "%zu, cheap %zu", info[2].arena_bytes, info[1].arena_bytes);
}

static qn_exec_info planned(int frozen, qn_recompute policy) {
    net *t = make_frozen(qn_kernels_at(qn_test_isa()), frozen);
    plan(t, policy);
    const qn_exec_info info = qn_exec_info_get(t->e);
    drop(t);
    return info;
}

/* x of a product is kept for the gradient of its weights; of several, as long as one of them is trained. */
TEST(the_input_of_a_frozen_weight_is_not_kept) {
    const qn_exec_info all = planned(0, QN_KEEP_ALL), down = planned(1 << DOWN, QN_KEEP_ALL);
    CHECK_INT(all.kept_bytes - down.kept_bytes, (size_t)LAYERS * T * F * sizeof(float), "hidden");
    CHECK(down.arena_bytes < all.arena_bytes);
    CHECK_INT(planned(1 << GATE, QN_KEEP_ALL).kept_bytes, all.kept_bytes, "n2 is there for the other one");
    const qn_exec_info both = planned(1 << GATE | 1 << UP, QN_KEEP_ALL);
    CHECK_INT(all.kept_bytes - both.kept_bytes, (size_t)LAYERS * T * D * sizeof(float), "n2");
    const int again = planned(0, QN_RECOMPUTE_CHEAP).nodes_again;
    CHECK_INT(again - planned(1 << DOWN, QN_RECOMPUTE_CHEAP).nodes_again, LAYERS, "hidden is not made again either");
}

/* The memory that its input had is another's by then: gradients of the rest have the bits that they had. */
TEST(frozen_weights_change_no_other_gradient) {
    const int frozen = 1 << QUERY | 1 << KEY | 1 << VALUE | 1 << OUT | 1 << GATE | 1 << UP | 1 << DOWN;
    net *want = make(qn_kernels_at(qn_test_isa()));
    plan(want, QN_KEEP_ALL);
    step(want, NULL);
    for (int policy = 0; policy < POLICIES; policy++) {
        net *t = make_frozen(want->k, frozen);
        plan(t, policies[policy]);
        step(t, NULL);
        step(t, NULL);
        for (int p = 0; p < PARAMS; p++)
            if (!(frozen >> p & 1))
                CHECK(memcmp(t->dw[p], want->dw[p], sizeof t->dw[p]) == 0, "parameter %d, %s", p, policy_name[policy]);
        drop(t);
    }
    drop(want);
}

static const qn_value *value(const net *t, const char *name) {
    const qn_ref r = qn_graph_find(t->g, name);
    CHECK(r >= 0, "%s", name);
    return &t->g->value[r];
}

static bool run_again(const net *t, const qn_op *op) {
    for (size_t i = t->g->n_nodes; i < t->g->n_steps; i++)
        if (t->g->step[i].part == QN_PART_AGAIN && t->g->node[t->g->step[i].node].op == op)
            return true;
    return false;
}

TEST(cheap_runs_no_product_again_and_layers_spare_the_last) {
    net *t = make(qn_kernels_judge());
    plan(t, QN_RECOMPUTE_CHEAP);
    CHECK(!run_again(t, &qn_op_linear) && !run_again(t, &qn_op_attention) && run_again(t, &qn_op_rmsnorm));
    CHECK(value(t, "n1.3")->remade && value(t, "hidden.3")->remade, "their inputs are kept for backward anyway");
    CHECK(!value(t, "qr.3")->remade, "keeping the plain query instead would save nothing");
    CHECK(value(t, "x.0")->remade, "a look-up");
    drop(t);
    t = make(qn_kernels_judge());
    plan(t, QN_RECOMPUTE_LAYERS);
    CHECK(run_again(t, &qn_op_linear) && run_again(t, &qn_op_attention));
    CHECK(value(t, "q.4")->again >= 0 && value(t, "q.5")->again < 0, "backward of the last layer comes first");
    CHECK(value(t, "z.2")->again < 0, "an anchor");
    CHECK(value(t, "table.0")->again < 0, "all layers read it");
    drop(t);
}

/* Products of BF16 weights read packed rows: these go too, and the norm between for a moment only. */
TEST(packed_rows_are_made_again) {
    static float panels[2][32 * 32], dw[2][32 * 32], norm[32], dnorm[32];
    static const qn_rmsnorm_attr eps = {1e-5};
    static const qn_act_pack_attr bf16 = {QN_BF16};
    static const qn_linear_attr one = {1, 0};
    const qn_tensor vector = {.dtype = QN_F32, .rank = 1, .dim = {32}, .stride = 1, .data = norm};
    qn_tensor dvector = vector;
    qn_graph *g;
    qn_exec *e;
    dvector.data = dnorm;
    CHECK_OK(qn_graph_new(&g));
    qn_ref x = qn_graph_input(g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, 32}}), packed = -1, n = -1;
    for (int i = 0; i < 2; i++) {
        const qn_tensor w = {.dtype = QN_BF16, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {32, 32}, .stride = 32,
                             .data = panels[i]};
        const qn_tensor grad = {.dtype = QN_F32, .rank = 2, .dim = {32, 32}, .stride = 32, .data = dw[i]};
        const char *const names[][5] = {{"w0", "v0", "n0", "p0", "y0"}, {"w1", "v1", "n1", "p1", "y1"}};
        const qn_ref weight = qn_graph_param(g, names[i][0], &w), scale = qn_graph_param(g, names[i][1], &vector);
        qn_graph_train(g, weight, &grad);
        qn_graph_train(g, scale, &dvector);
        n = qn_graph_node(g, &qn_op_rmsnorm, names[i][2], (qn_ref[]){x, scale}, 2, 1, &eps);
        packed = qn_graph_node(g, &qn_op_act_pack, names[i][3], &n, 1, 1, &bf16);
        x = qn_graph_node(g, &qn_op_linear, names[i][4], (qn_ref[]){packed, weight}, 2, 1, &one);
    }
    qn_graph_seed(g, x);
    CHECK_OK(qn_exec_new(&e, g, qn_kernels_at(qn_test_isa()), &(qn_exec_limits){8, 0, 1}));
    CHECK(g->value[packed].remade && g->value[n].remade);
    const qn_block *b = &g->block[g->value[n].again];
    CHECK_INT(b->last - b->first, 1, "the norm's rows, until they are packed");
    qn_exec_free(e);
    qn_graph_free(g);
}

/* ---- sums that share gradients, on graphs of any shape ---- */

enum { WIDTH = 6, ROWS = 19, NODES = 24, SCALES = 4 };

typedef struct {
    double scale[SCALES][WIDTH], grad[SCALES][WIDTH], x[ROWS * WIDTH];
    qn_graph *g;
    qn_exec *e;
} web;

static uint64_t random_of(uint64_t seed, uint64_t i, uint64_t n) { return qn_rng_u64(seed, QN_RNG_TEST, 11, i) % n; }

/* Sums, norms and activations of what came before, mostly of what came last; some values begin layers. */
static qn_ref random_node(web *t, uint64_t seed, int i, const qn_ref *scale, const qn_ref *made, const qn_op *sum) {
    static const qn_rmsnorm_attr eps = {1e-3};
    static const qn_act_attr silu = {QN_ACT_SILU};
    const uint64_t draw = (uint64_t)i * 8;
    qn_ref in[2];
    char name[16];
    snprintf(name, sizeof name, "n%d", i);
    for (int j = 0; j < 2; j++) {
        const uint64_t back = random_of(seed, draw + 3 + (uint64_t)j, 2) ? 1 : 5;
        in[j] = made[i - 1 - (int)QN_MIN(random_of(seed, draw + (uint64_t)j, back + 1), (uint64_t)(i - 1))];
    }
    switch (random_of(seed, draw + 2, 5)) {
    case 0: in[1] = scale[random_of(seed, draw + 5, SCALES)];
            return qn_graph_node(t->g, &qn_op_rmsnorm, name, in, 2, 1, &eps);
    case 1: return qn_graph_node(t->g, &qn_op_act, name, in, 1, 1, &silu);
    default: return qn_graph_node(t->g, sum, name, in, 2, 1, NULL);
    }
}

static void make_web(web *t, uint64_t seed, const qn_op *sum, qn_recompute policy) {
    static const qn_rmsnorm_attr eps = {1e-3};
    qn_ref made[NODES + 1], scale[SCALES];
    memset(t, 0, sizeof *t);
    CHECK_OK(qn_graph_new(&t->g));
    for (int i = 0; i < ROWS * WIDTH; i++)
        t->x[i] = qn_rng_uniform(seed, QN_RNG_TEST, 12, (uint64_t)i) - 0.5;
    const qn_ref x = qn_graph_input(t->g, "x", QN_F64, (qn_shape){2, {QN_DIM_T, WIDTH}});
    for (int p = 0; p < SCALES; p++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", p);
        for (int i = 0; i < WIDTH; i++)
            t->scale[p][i] = qn_rng_uniform(seed, QN_RNG_TEST, 13, (uint64_t)(p * WIDTH + i)) + 0.5;
        qn_tensor v = {.dtype = QN_F64, .rank = 1, .dim = {WIDTH}, .stride = 1, .data = t->scale[p]};
        scale[p] = qn_graph_param(t->g, name, &v);
        v.data = t->grad[p];
        qn_graph_train(t->g, scale[p], &v);
    }
    made[0] = qn_graph_node(t->g, &qn_op_rmsnorm, "n0", (qn_ref[]){x, scale[0]}, 2, 1, &eps);
    for (int i = 1; i <= NODES; i++) {
        made[i] = random_node(t, seed, i, scale, made, sum);
        CHECK(made[i] >= 0, "%s", qn_error_message());
        if (random_of(seed, (uint64_t)i * 8 + 6, 6) == 0)
            qn_graph_anchor(t->g, made[i]);
    }
    qn_graph_seed(t->g, made[NODES]);
    qn_graph_recompute(t->g, policy);
    CHECK_OK(qn_exec_new(&t->e, t->g, qn_kernels_judge(), &(qn_exec_limits){ROWS, 0, 2}));
    qn_exec_bind(t->e, x, t->x);
}

static void run_web(web *t, qn_pool *pool) {
    qn_exec_run(t->e, ROWS, 0, pool, NULL);
    qn_exec_run_backward(t->e);
    qn_exec_free(t->e);
}

TEST(sums_share_gradients_where_nobody_is_hurt) {
    static web want, got;
    int shared = 0, sums = 0;
    qn_pool *pool;
    qn_op apart = qn_op_add;                        /* each term has a gradient of its own, cleared and added to */
    apart.sum = false;
    apart.writes = 0;
    CHECK_OK(qn_pool_new(&pool, 2));
    for (uint64_t seed = 1; seed <= (qn_test_whole() ? 400 : 80); seed++) {
        make_web(&want, seed, &apart, QN_KEEP_ALL);
        qn_exec_profile(want.e, true);              /* each node for itself, none tile by tile with the next */
        run_web(&want, NULL);
        for (int p = 0; p < POLICIES; p++) {
            make_web(&got, seed, &qn_op_add, policies[p]);
            run_web(&got, seed % 8 ? NULL : pool);      /* who shares with whom is planned, not raced for */
            CHECK(memcmp(got.grad, want.grad, sizeof got.grad) == 0, "seed %d, %s", (int)seed, policy_name[p]);
            for (size_t i = 0; i < got.g->n_values; i++)
                shared += got.g->value[i].sum >= 0;
            for (size_t i = 0; i < got.g->n_nodes; i++)
                sums += got.g->node[i].active && got.g->node[i].op->sum;
            qn_graph_free(got.g);
        }
        qn_graph_free(want.g);
    }
    CHECK(shared * 2 > sums, "%d terms of %d sums", shared, sums);
    qn_pool_free(pool);
}

/* The gradient of the residual stream lies in one place from the last layer to the first. */
TEST(a_residual_stream_has_one_gradient) {
    net *t = make(qn_kernels_judge());
    plan(t, QN_RECOMPUTE_CHEAP);
    const qn_ref home = qn_graph_find(t->g, "z.5");
    for (int layer = 0; layer < LAYERS; layer++) {
        static const char *const names[] = {"y", "z", "o", "down"};
        for (size_t i = 0; i < QN_LEN(names); i++) {
            char name[16];
            snprintf(name, sizeof name, "%s.%d", names[i], layer);
            CHECK_INT(qn_grad_home(t->g, qn_graph_find(t->g, name)), home, "%s", name);
        }
    }
    drop(t);
}

/* Wherever planning runs out of memory: said, nothing leaks, and the next attempt makes the whole plan. */
TEST(a_plan_that_ran_out_of_memory_can_be_made_again) {
    net *want = make(qn_kernels_judge()), *t = make(qn_kernels_judge());
    const qn_exec_limits lim = {T, S, WORKERS};
    int64_t n = 0;
    plan(want, QN_RECOMPUTE_LAYERS);
    qn_graph_recompute(t->g, QN_RECOMPUTE_LAYERS);
    for (;; n++) {
        qn_mem_fail_after(n);
        const int rc = qn_exec_new(&t->e, t->g, t->k, &lim);
        qn_mem_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK(rc == QN_ENOMEM && !t->e, "allocation %lld", (long long)n);
    }
    CHECK(n > 10, "%lld allocations", (long long)n);
    bind(t);
    CHECK_INT((int64_t)qn_exec_info_get(t->e).arena_bytes, (int64_t)qn_exec_info_get(want->e).arena_bytes);
    step(want, NULL);
    step(t, NULL);
    check_same(t, want, "planned again");
    drop(want);
    drop(t);
}

/* ---- looking ---- */

TEST(parts_are_counted_apart) {
    qn_op_time time[64];
    int64_t calls[3] = {0}, linear[3] = {0};
    net *t = make(qn_kernels_at(qn_test_isa()));
    plan(t, QN_RECOMPUTE_LAYERS);
    qn_exec_profile(t->e, true);
    step(t, NULL);
    const int n = qn_exec_times(t->e, time, 64);
    for (int i = 0; i < n; i++) {
        CHECK(time[i].ns >= 0 && time[i].calls > 0, "%s", time[i].op);
        calls[time[i].part] += time[i].calls;
        if (strcmp(time[i].op, "linear") == 0)
            linear[time[i].part] = time[i].calls;
    }
    const qn_exec_info info = qn_exec_info_get(t->e);
    CHECK_INT(calls[QN_PART_FORWARD], info.nodes);
    CHECK_INT(calls[QN_PART_AGAIN], info.nodes_again);
    CHECK_INT(linear[QN_PART_FORWARD], 4 * LAYERS);
    CHECK_INT(linear[QN_PART_BACKWARD], 4 * LAYERS);
    CHECK(linear[QN_PART_AGAIN] > 0 && linear[QN_PART_AGAIN] < 4 * LAYERS);
    CHECK(info.flops > 0);
    CHECK_INT(info.flops_back, 2 * info.flops, "every product's both operands want a gradient");
    drop(t);
}

static const qn_op_time *time_of(const qn_op_time *t, int n, const char *op, qn_op_part part) {
    for (int i = 0; i < n; i++)
        if (strcmp(t[i].op, op) == 0 && t[i].part == part && t[i].calls > 0)
            return &t[i];
    return NULL;
}

/* Of a product: its panels, x and the gradient of y are read; that of x is written where it is born, that of W is read
 * and written. */
static int64_t product_bytes(const net *t, int p) {
    const int64_t N = param_shape[p].rows, K = param_shape[p].columns, real = (int64_t)t->k->real;
    return qn_panels(N) * (int64_t)qn_panel_bytes(real_of(t), K) + (2 * N * K + T * N) * real;
}

TEST(the_walk_counts_what_it_reads_and_writes) {
    net *t = make(qn_kernels_judge());
    qn_op_time time[64];
    int64_t products = 0;
    plan(t, QN_KEEP_ALL);
    qn_exec_profile(t->e, true);
    step(t, NULL);
    const int n = qn_exec_times(t->e, time, 64);
    for (int p = QUERY; p <= DOWN; p++)
        products += p == FFN_NORM ? 0 : product_bytes(t, p);
    products += 2 * T * (D + H * DH + D + F) * (int64_t)sizeof(double);        /* x and dx of four nodes */
    CHECK_INT(time_of(time, n, "linear", QN_PART_BACKWARD)->bytes, LAYERS * products);
    CHECK_INT(time_of(time, n, "glu", QN_PART_BACKWARD)->bytes, LAYERS * 5 * T * F * (int64_t)sizeof(double));
    CHECK_INT(time_of(time, n, "add", QN_PART_BACKWARD)->bytes, 0, "sums share their gradient");
    CHECK_INT(time_of(time, n, "embed", QN_PART_BACKWARD)->bytes, T * 4 + (T + 2 * V) * D * (int64_t)sizeof(double));
    drop(t);
}

/* The loss that the walk leaves along with its gradients is charged with all three products. */
TEST(an_op_that_runs_once_is_charged_with_both_halves) {
    for (int once = 0; once < 2; once++) {
        net *t = make(qn_kernels_judge());
        qn_op_time time[64];
        plan(t, QN_KEEP_ALL);
        qn_exec_profile(t->e, true);
        if (once)
            qn_exec_run_walk(t->e, T, S, NULL, &t->batch);
        else
            step(t, NULL);
        const int n = qn_exec_times(t->e, time, 64);
        CHECK_INT(time_of(time, n, "xent", QN_PART_FORWARD) != NULL, !once);
        CHECK_INT(time_of(time, n, "xent", QN_PART_BACKWARD)->flops, (once ? 3 : 2) * 2 * S * V * D);
        drop(t);
    }
}

/* Only what is active counts: with the last norm alone in training, the head's rows and nothing else. */
TEST(flops_of_the_walk_are_those_of_what_is_active) {
    net *t = make(qn_kernels_judge());
    for (int p = 0; p < PARAMS; p++)
        if (p != LAST_NORM) {
            char name[16];
            snprintf(name, sizeof name, "p%d", p);
            qn_graph_train(t->g, qn_graph_find(t->g, name), &(qn_tensor){.data = NULL});
        }
    plan(t, QN_RECOMPUTE_CHEAP);
    step(t, NULL);
    CHECK_INT(qn_exec_info_get(t->e).flops_back, 2 * S * V * D);
    drop(t);
}
