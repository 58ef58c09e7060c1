/* tests/unit/test_grad_block.c — the reverse walk through a whole small model: embedding tied to the head, layernorm
 * and rmsnorm, biased products, grouped attention over pages, a gated unit and a plain one, rows, cross entropy.
 * Gradients of every parameter against central differences in double; a pack against its documents apart. */
#include "test.h"

#include "base/pool.h"
#include "graph/graph.h"
#include "ops/attention.h"
#include "ops/ops.h"

enum { V = 11, D = 6, H = 6, DH = 2, F = 5, T = 13, S = 9, SEGMENTS = 2, PAGES = 2, LAYERS = 2 };
enum { TABLE, LN, LN_BIAS, QUERY, KEY, VALUE, QUERY_BIAS, OUT, RMS, GATE, UP, DOWN, PARAMS };

static const struct { int64_t rows, columns; } param_shape[PARAMS] = {      /* columns 0: a vector */
    [TABLE] = {V, D}, [LN] = {D, 0},       [LN_BIAS] = {D, 0}, [QUERY] = {H * DH, D}, [KEY] = {DH, D},
    [VALUE] = {DH, D}, [QUERY_BIAS] = {H * DH, 0}, [OUT] = {D, H * DH}, [RMS] = {D, 0},     [GATE] = {F, D},
    [UP] = {F, D},    [DOWN] = {D, F},
};
enum { LARGEST = H * DH * D, PANEL = 32 * H * DH };

typedef struct {
    double w[PARAMS][LARGEST], dw[PARAMS][LARGEST], panel[PARAMS][PANEL], weight[S];
    int32_t ids[T], index[S], target[S];
    qn_kv_pool pool;
    qn_segment segment[SEGMENTS];
    qn_query_tile tile[T];
    int32_t row_segment[T], page[SEGMENTS][PAGES];
    double keys[SEGMENTS * PAGES * LAYERS * 2 * 64 * DH];
    qn_batch batch;
    qn_graph *g;
    qn_exec *e;
    qn_ref out;
} net;

static int64_t count(int p) { return param_shape[p].rows * QN_MAX(1, param_shape[p].columns); }

static void pack(net *t, int p) {
    const qn_pack_args a = {QN_F64, QN_F64, t->w[p], t->panel[p], 0, param_shape[p].rows, param_shape[p].columns};
    if (a.K > 0)
        qn_pack_panels(&a);
}

static qn_ref param(net *t, int p) {
    const int64_t rows = param_shape[p].rows, columns = param_shape[p].columns;
    char name[16];
    snprintf(name, sizeof name, "p%d", p);
    qn_tensor v = {.dtype = QN_F64, .rank = columns ? 2 : 1, .dim = {rows, columns}, .stride = QN_MAX(1, columns),
                   .layout = columns ? QN_LAYOUT_PANELS : QN_LAYOUT_ROWS, .data = columns ? t->panel[p] : t->w[p]};
    pack(t, p);
    const qn_ref r = qn_graph_param(t->g, name, &v);
    v.layout = QN_LAYOUT_ROWS;
    v.data = t->dw[p];
    qn_graph_train(t->g, r, &v);
    return r;
}

/* Names of a layer end in its number. */
static const char *named(int layer, const char *name) {
    static char text[32];
    snprintf(text, sizeof text, "%s%d", name, layer);
    return text;
}

static qn_ref node(net *t, int layer, const qn_op *op, const char *name, const qn_ref *in, int n_in, const void *attr) {
    return qn_graph_node(t->g, op, named(layer, name), in, n_in, 1, attr);
}

static qn_ref heads_of(net *t, int layer, const char *name, qn_ref of, int64_t heads) {
    return qn_graph_view(t->g, named(layer, name), of, (qn_shape){3, {QN_DIM_T, heads, DH}});
}

static qn_ref attention(net *t, int layer, qn_ref x, const qn_ref *p) {
    static const qn_linear_attr query = {1, 1}, two = {2, 0}, one = {1, 0};
    const qn_attention_attr at = {.layer = layer, .kv = QN_F64, .max_context = PAGES * 64, .scale = 0.5f, .window = 5};
    const qn_ref q = node(t, layer, &qn_op_linear, "q", (qn_ref[]){x, p[QUERY], p[QUERY_BIAS]}, 3, &query);
    const qn_ref kv = qn_graph_node(t->g, &qn_op_linear, layer ? "k1 v1" : "k0 v0", (qn_ref[]){x, p[KEY], p[VALUE]}, 3,
                                    2, &two);
    const qn_ref in[] = {heads_of(t, layer, "qh", q, H), heads_of(t, layer, "kh", kv, 1),
                         heads_of(t, layer, "vh", kv + 1, 1)};
    const qn_ref a = node(t, layer, &qn_op_attention, "a", in, 3, &at);
    const qn_ref flat = qn_graph_view(t->g, named(layer, "flat"), a, (qn_shape){2, {QN_DIM_T, H * DH}});
    return node(t, layer, &qn_op_linear, "o", (qn_ref[]){flat, p[OUT]}, 2, &one);
}

static qn_ref feed_forward(net *t, int layer, qn_ref x, const qn_ref *p) {
    static const qn_linear_attr two = {2, 0}, one = {1, 0};
    static const qn_glu_attr silu = {QN_ACT_SILU};
    static const qn_act_attr gelu = {QN_ACT_GELU};
    const qn_ref gate = qn_graph_node(t->g, &qn_op_linear, layer ? "gate1 up1" : "gate0 up0",
                                      (qn_ref[]){x, p[GATE], p[UP]}, 3, 2, &two);
    const qn_ref glu = node(t, layer, &qn_op_glu, "glu", (qn_ref[]){gate, gate + 1}, 2, &silu);
    const qn_ref act = node(t, layer, &qn_op_act, "act", &glu, 1, &gelu);
    return node(t, layer, &qn_op_linear, "down", (qn_ref[]){act, p[DOWN]}, 2, &one);
}

/* Both layers have the same parameters. */
static qn_ref layer_of(net *t, int layer, qn_ref x, const qn_ref *p) {
    static const qn_layernorm_attr eps = {1e-5};
    const qn_ref n1 = node(t, layer, &qn_op_layernorm, "n1.", (qn_ref[]){x, p[LN], p[LN_BIAS]}, 3, &eps);
    const qn_ref y = node(t, layer, &qn_op_add, "y", (qn_ref[]){x, attention(t, layer, n1, p)}, 2, NULL);
    const qn_ref n2 = node(t, layer, &qn_op_rmsnorm, "n2.", (qn_ref[]){y, p[RMS]}, 2, &eps);
    return node(t, layer, &qn_op_add, "z", (qn_ref[]){y, feed_forward(t, layer, n2, p)}, 2, NULL);
}

static void build(net *t, int threads, qn_recompute policy) {
    qn_ref p[PARAMS];
    CHECK_OK(qn_graph_new(&t->g));
    const qn_ref ids = qn_graph_input(t->g, "ids", QN_I32, (qn_shape){1, {QN_DIM_T}});
    const qn_ref index = qn_graph_input(t->g, "index", QN_I32, (qn_shape){1, {QN_DIM_S}});
    const qn_ref target = qn_graph_input(t->g, "target", QN_I32, (qn_shape){1, {QN_DIM_S}});
    const qn_ref weight = qn_graph_input(t->g, "weight", QN_F64, (qn_shape){1, {QN_DIM_S}});
    for (int i = 0; i < PARAMS; i++)
        p[i] = param(t, i);
    qn_ref x = node(t, 0, &qn_op_embed, "x", (qn_ref[]){ids, p[TABLE]}, 2, NULL);
    for (int layer = 0; layer < LAYERS; layer++) {
        qn_graph_anchor(t->g, x);
        x = layer_of(t, layer, x, p);
    }
    const qn_ref wanted = node(t, 0, &qn_op_rows, "wanted", (qn_ref[]){x, index}, 2, NULL);
    t->out = node(t, 0, &qn_op_xent, "loss", (qn_ref[]){wanted, p[TABLE], target, weight}, 4, &(qn_xent_attr){0});
    CHECK(t->out >= 0, "%s", qn_error_message());
    qn_graph_keep(t->g, t->out);
    qn_graph_seed(t->g, t->out);
    qn_graph_recompute(t->g, policy);
    CHECK_OK(qn_exec_new(&t->e, t->g, qn_kernels_judge(), &(qn_exec_limits){T, S, threads}));
    qn_exec_bind(t->e, ids, t->ids);
    qn_exec_bind(t->e, index, t->index);
    qn_exec_bind(t->e, target, t->target);
    qn_exec_bind(t->e, weight, t->weight);
}

/* Two documents of 8 and 5 tokens. */
static net *make(int threads, qn_recompute policy) {
    net *t = qn_zalloc(QN_MEM_TEST, 1, sizeof *t);
    CHECK(t != NULL);
    for (int p = 0; p < PARAMS; p++)
        for (int64_t i = 0; i < count(p); i++)
            t->w[p][i] = 1.5 * qn_rng_uniform(5, QN_RNG_TEST, (uint64_t)p, (uint64_t)i) - 0.5;
    for (int i = 0; i < T; i++) {
        t->ids[i] = i * 5 % V;
        t->row_segment[i] = i >= 8;
    }
    for (int i = 0; i < S; i++) {
        t->index[i] = i + i / 2;
        t->target[i] = i * 3 % V;
        t->weight[i] = i == 4 ? 0 : 0.125 * (1 + i % 2);
    }
    t->pool = (qn_kv_pool){QN_F64, LAYERS, 1, DH, qn_kv_block_bytes(QN_F64, DH), (char *)t->keys};
    for (int s = 0; s < SEGMENTS; s++) {
        for (int i = 0; i < PAGES; i++)
            t->page[s][i] = s * PAGES + i;
        t->segment[s] = (qn_segment){s ? 8 : 0, s ? 5 : 8, 0, t->page[s], s, 0};
    }
    t->batch = (qn_batch){.kv = &t->pool, .segment = t->segment, .n_segments = SEGMENTS, .tile = t->tile,
                          .row_segment = t->row_segment, .chunks = 1};
    t->batch.n_tiles = qn_query_tiles(t->segment, SEGMENTS, 3, t->tile, T);
    build(t, threads, policy);
    return t;
}

static void drop(net *t) {
    qn_exec_free(t->e);
    qn_graph_free(t->g);
    qn_free(t);
}

static double loss(net *t, qn_pool *pool) {
    double sum = 0;
    qn_exec_run(t->e, T, S, pool, &t->batch);
    for (int i = 0; i < S; i++)
        sum += ((const double *)qn_exec_value(t->e, t->out)->data)[i];
    return sum;
}

static double difference(net *t, int p, int64_t i) {
    const double h = 0x1p-13, w = t->w[p][i], at[] = {1, -1, 2, -2}, weight[] = {8, -8, -1, 1};
    double sum = 0;
    for (int s = 0; s < 4; s++) {
        t->w[p][i] = w + at[s] * h;
        pack(t, p);
        sum += weight[s] * loss(t, NULL);
    }
    t->w[p][i] = w;
    pack(t, p);
    return sum / (12 * h);
}

TEST(gradients_of_a_whole_model_are_central_differences) {
    net *t = make(1, QN_RECOMPUTE_LAYERS), *other = make(1, QN_KEEP_ALL);
    CHECK(loss(t, NULL) > 0);
    qn_exec_run_backward(t->e);
    for (int p = 0; p < PARAMS; p++) {
        double largest = 0;
        for (int64_t i = 0; i < count(p); i++) {
            const double want = difference(other, p, i);
            largest = fmax(largest, fabs(want));
            CHECK_NEAR(t->dw[p][i], want, 1e-9 * (1 + fabs(want)), "parameter %d, element %lld", p, (long long)i);
        }
        CHECK(largest > 1e-4, "parameter %d has a gradient", p);
    }
    drop(t);
    drop(other);
}

/* Nor does what is kept and what is made again. */
TEST(threads_do_not_change_a_bit) {
    static const qn_recompute policy[] = {QN_RECOMPUTE_LAYERS, QN_RECOMPUTE_CHEAP, QN_KEEP_ALL};
    net *one = make(1, QN_KEEP_ALL);
    loss(one, NULL);
    qn_exec_run_backward(one->e);
    for (int threads = 2; threads <= 4; threads++) {
        qn_pool *pool;
        net *many = make(threads, policy[threads - 2]);
        CHECK_OK(qn_pool_new(&pool, threads));
        loss(many, pool);
        qn_exec_run_backward(many->e);
        CHECK(memcmp(one->dw, many->dw, sizeof one->dw) == 0, "%d threads", threads);
        memset(many->dw, 0, sizeof many->dw);
        memset(qn_exec_value(many->e, many->out)->data, 0, S * sizeof(double));
        qn_exec_run_walk(many->e, T, S, pool, &many->batch);
        CHECK(memcmp(one->dw, many->dw, sizeof one->dw) == 0, "%d threads, the last op once", threads);
        CHECK(memcmp(qn_exec_value(one->e, one->out)->data, qn_exec_value(many->e, many->out)->data,
                     S * sizeof(double)) == 0, "%d threads: another loss", threads);
        drop(many);
        qn_pool_free(pool);
    }
    drop(one);
}

/* The gradient of a pack is the sum of its documents': here each is silenced in turn. */
TEST(documents_of_a_pack_do_not_meet) {
    net *both = make(1, QN_RECOMPUTE_CHEAP), *part[SEGMENTS];
    loss(both, NULL);
    qn_exec_run_backward(both->e);
    for (int s = 0; s < SEGMENTS; s++) {
        part[s] = make(1, QN_RECOMPUTE_CHEAP);
        for (int i = 0; i < S; i++)
            if ((part[s]->index[i] >= 8) != s)
                part[s]->weight[i] = 0;
        for (int i = 0; i < T; i++)                     /* what the other document says is nothing to this one */
            if ((i >= 8) != s)
                part[s]->ids[i] = (part[s]->ids[i] + 1) % V;
        loss(part[s], NULL);
        qn_exec_run_backward(part[s]->e);
    }
    for (int p = 0; p < PARAMS; p++)
        for (int64_t i = 0; i < count(p); i++)
            CHECK_NEAR(both->dw[p][i], part[0]->dw[p][i] + part[1]->dw[p][i], 1e-13, "parameter %d, element %lld", p,
                       (long long)i);
    drop(both);
    for (int s = 0; s < SEGMENTS; s++)
        drop(part[s]);
}
