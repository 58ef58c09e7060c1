/* tests/unit/test_grad.c — the reverse walk over whole graphs: gradients of a small residual network against central
 * differences in double, whatever the number of threads; memory that a later step still reads is not given away. */
#include "base/pool.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "test.h"

enum { ROWS = 20, D = 12, PARAMS = 4 };

/* x → norm → linear → + x → norm → linear → rope(view) → flat: residuals, views, a value read twice. */
typedef struct {
    const qn_kernels *k;
    double w[PARAMS][D * D], dw[PARAMS][D * D], x[ROWS * D], table[ROWS * 4];
    char *panel[PARAMS];
    qn_graph *g;
    qn_exec *e;
    qn_ref out;
} net;

static const qn_shape param_shape[PARAMS] = {{1, {D}}, {2, {D, D}}, {1, {D}}, {2, {D, D}}};

static int64_t count(int p) { return param_shape[p].rank == 1 ? D : D * D; }

static void fill(double *v, int64_t n, uint64_t what) {
    for (int64_t i = 0; i < n; i++)
        v[i] = qn_rng_uniform(5, QN_RNG_TEST, what, (uint64_t)i) - 0.5;
}

static void pack(net *t, int p) {
    const qn_pack_args a = {.from = QN_F64, .to = QN_F64, .src = t->w[p], .dst = t->panel[p], .rows = D, .K = D};
    qn_pack_panels(&a);
}

static qn_ref param(net *t, int p, bool train) {
    char name[16];
    snprintf(name, sizeof name, "p%d", p);
    qn_tensor v = {.dtype = QN_F64,
                   .rank = param_shape[p].rank,
                   .dim = {D, D},
                   .stride = param_shape[p].rank == 1 ? 1 : D,
                   .data = t->w[p]};
    if (v.rank == 2) {
        pack(t, p);
        v.layout = QN_LAYOUT_PANELS;
        v.data = t->panel[p];
    }
    const qn_ref r = qn_graph_param(t->g, name, &v);
    v.layout = QN_LAYOUT_ROWS;
    v.data = t->dw[p];
    if (train)
        qn_graph_train(t->g, r, &v);
    return r;
}

static void build(net *t, int threads, bool train) {
    static const qn_rmsnorm_attr norm = {1e-5};
    static const qn_linear_attr plain = {1, 0};
    qn_ref p[PARAMS];
    CHECK_OK(qn_graph_new(&t->g));
    const qn_ref x = qn_graph_input(t->g, "x", QN_F64, (qn_shape){2, {QN_DIM_T, D}});
    const qn_ref table = qn_graph_input(t->g, "table", QN_F64, (qn_shape){2, {QN_DIM_T, 4}});
    for (int i = 0; i < PARAMS; i++)
        p[i] = param(t, i, train);
    const qn_ref a = qn_graph_node(t->g, &qn_op_rmsnorm, "a", (qn_ref[]){x, p[0]}, 2, 1, &norm);
    const qn_ref b = qn_graph_node(t->g, &qn_op_linear, "b", (qn_ref[]){a, p[1]}, 2, 1, &plain);
    const qn_ref c = qn_graph_node(t->g, &qn_op_add, "c", (qn_ref[]){b, a}, 2, 1, NULL);
    const qn_ref d = qn_graph_node(t->g, &qn_op_rmsnorm, "d", (qn_ref[]){c, p[2]}, 2, 1, &norm);
    const qn_ref e = qn_graph_node(t->g, &qn_op_linear, "e", (qn_ref[]){d, p[3]}, 2, 1, &plain);
    const qn_ref heads = qn_graph_view(t->g, "heads", e, (qn_shape){3, {QN_DIM_T, 3, 4}});
    const qn_ref turned = qn_graph_node(t->g, &qn_op_rope, "turned", (qn_ref[]){heads, table}, 2, 1, NULL);
    const qn_ref flat = qn_graph_view(t->g, "flat", turned, (qn_shape){2, {QN_DIM_T, D}});
    t->out = qn_graph_node(t->g, &qn_op_add, "out", (qn_ref[]){flat, c}, 2, 1, NULL);
    CHECK(t->out >= 0);
    qn_graph_keep(t->g, t->out);
    if (train)
        qn_graph_seed(t->g, t->out);
    const qn_exec_limits lim = {.max_t = ROWS, .workers = threads};
    CHECK_OK(qn_exec_new(&t->e, t->g, t->k, &lim));
    qn_exec_bind(t->e, x, t->x);
    qn_exec_bind(t->e, table, t->table);
}

static net *make(int threads, bool train) {
    net *t = qn_zalloc(QN_MEM_TEST, 1, sizeof *t);
    t->k = qn_kernels_judge();
    for (int i = 0; i < PARAMS; i++) {
        fill(t->w[i], count(i), (uint64_t)i);
        t->panel[i] = qn_zalloc(QN_MEM_TEST, 1, qn_panel_bytes(QN_F64, D));
    }
    fill(t->x, ROWS * D, 90);
    fill(t->table, ROWS * 4, 91);
    build(t, threads, train);
    return t;
}

static void drop(net *t) {
    qn_exec_free(t->e);
    qn_graph_free(t->g);
    for (int i = 0; i < PARAMS; i++)
        qn_free(t->panel[i]);
    qn_free(t);
}

/* Σ of all outputs: what a seed of ones differentiates. */
static double loss(net *t, qn_pool *pool) {
    double sum = 0;
    qn_exec_run(t->e, ROWS, 0, pool, NULL);
    const double *y = qn_exec_value(t->e, t->out)->data;
    for (int i = 0; i < ROWS * D; i++)
        sum += y[i];
    return sum;
}

static double difference(net *t, int p, int64_t i) {
    const double h = 1e-5, w = t->w[p][i];
    double side[2];
    for (int s = 0; s < 2; s++) {
        t->w[p][i] = w + (s ? h : -h);
        if (param_shape[p].rank == 2)
            pack(t, p);
        side[s] = loss(t, NULL);
    }
    t->w[p][i] = w;
    if (param_shape[p].rank == 2)
        pack(t, p);
    return (side[1] - side[0]) / (2 * h);
}

TEST(gradients_are_central_differences) {
    net *t = make(1, true), *plain = make(1, false);
    loss(t, NULL);
    qn_exec_run_backward(t->e);
    for (int p = 0; p < PARAMS; p++)
        for (int64_t i = 0; i < count(p); i++) {
            const double want = difference(plain, p, i);
            CHECK_NEAR(t->dw[p][i], want, 1e-7 * (1 + fabs(want)), "parameter %d, element %lld", p, (long long)i);
        }
    drop(t);
    drop(plain);
}

TEST(gradients_are_added_to_what_is_there) {
    net *t = make(1, true);
    loss(t, NULL);
    qn_exec_run_backward(t->e);
    const double once = t->dw[1][7];
    loss(t, NULL);
    qn_exec_run_backward(t->e);
    CHECK(once != 0);
    CHECK_NEAR(t->dw[1][7], 2 * once, 1e-12 * fabs(once));
    drop(t);
}

TEST(threads_do_not_change_a_bit_and_steps_allocate_nothing) {
    net *one = make(1, true);
    loss(one, NULL);
    qn_exec_run_backward(one->e);
    for (int threads = 2; threads <= 4; threads++) {
        qn_pool *pool;
        CHECK_OK(qn_pool_new(&pool, threads));
        net *many = make(threads, true);
        loss(many, pool);
        const int64_t calls = qn_mem_calls();
        qn_exec_run_backward(many->e);
        CHECK_INT(qn_mem_calls(), calls);
        CHECK(memcmp(one->dw, many->dw, sizeof one->dw) == 0, "%d threads", threads);
        drop(many);
        qn_pool_free(pool);
    }
    drop(one);
}

TEST(an_op_without_a_gradient_is_named_before_anything_runs) {
    static const qn_glu_attr silu = {QN_ACT_SILU};
    static const qn_linear_attr plain = {1, 0};
    static double w[D * D], dw[D * D];
    qn_graph *g;
    qn_exec *e = NULL;
    CHECK_OK(qn_graph_new(&g));
    const qn_tensor p = {.dtype = QN_F64, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {D, D}, .data = w};
    const qn_tensor grad = {.dtype = QN_F64, .rank = 2, .dim = {D, D}, .stride = D, .data = dw};
    const qn_ref x = qn_graph_input(g, "x", QN_F64, (qn_shape){2, {QN_DIM_T, D}});
    const qn_ref weight = qn_graph_param(g, "w", &p);
    qn_graph_train(g, weight, &grad);
    const qn_ref y = qn_graph_node(g, &qn_op_linear, "y", (qn_ref[]){x, weight}, 2, 1, &plain);
    qn_op blind = qn_op_glu;
    blind.no_grad = "this test says so";
    const qn_ref z = qn_graph_node(g, &blind, "blk.0.z", (qn_ref[]){y, y}, 2, 1, &silu);
    qn_graph_seed(g, z);
    const qn_exec_limits lim = {.max_t = 2, .workers = 1};
    CHECK_FAIL(qn_exec_new(&e, g, qn_kernels_judge(), &lim), QN_EUNSUPPORTED, "blk.0.z");
    qn_graph_free(g);
}

TEST(a_quantized_parameter_is_not_trained) {
    enum { Q = 32 };
    static char QN_ALIGNED(64) panel[Q * Q * 4];
    static float grad[Q * Q];
    qn_tensor w = {.dtype = QN_Q4_0, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {Q, Q}, .stride = Q, .data = panel};
    const qn_tensor dw = {.dtype = QN_F32, .rank = 2, .dim = {Q, Q}, .stride = Q, .data = grad};
    const qn_act_pack_attr form = {QN_Q4_0};
    const qn_linear_attr plain = {1, 0};
    const qn_exec_limits lim = {.max_t = 4, .workers = 1};
    qn_graph *g;
    qn_exec *e;
    CHECK_OK(qn_graph_new(&g));
    const qn_ref x = qn_graph_input(g, "x", QN_F32, (qn_shape){2, {QN_DIM_T, Q}});
    const qn_ref p = qn_graph_param(g, "blk.0.ffn_down.weight", &w);
    const qn_ref q = qn_graph_node(g, &qn_op_act_pack, "q", (qn_ref[]){x}, 1, 1, &form);
    const qn_ref y = qn_graph_node(g, &qn_op_linear, "y", (qn_ref[]){q, p}, 2, 1, &plain);
    qn_graph_train(g, p, &dw);
    qn_graph_seed(g, y);
    CHECK_FAIL(qn_exec_new(&e, g, qn_kernels_at(QN_ISA_SCALAR), &lim), QN_EUNSUPPORTED, "blk.0.ffn_down.weight is");
    qn_graph_free(g);
}

/* ---- x → norm → rounded as the weight asks → product: norm and, where it can be, weight are trained ---- */

enum { WIDE = 64, HIGH = 40 };
typedef struct { double norm[WIDE], dnorm[WIDE], w[HIGH * WIDE], dw[HIGH * WIDE], x[ROWS * WIDE]; } layer;

static qn_tensor reals(bool judged, int64_t rows, int64_t cols, void *data) {
    return (qn_tensor){.dtype = judged ? QN_F64 : QN_F32, .rank = rows > 1 ? 2 : 1,
                       .dim = {rows > 1 ? rows : cols, cols}, .stride = rows > 1 ? cols : 1, .data = data};
}

/* Gradients of the layer in its own place: doubles where the judge runs, else floats. */
static void layer_run(layer *l, qn_dtype t, const qn_kernels *k) {
    static const qn_rmsnorm_attr eps = {1e-5};
    static const qn_linear_attr plain = {1, 0};
    const bool judged = k->real == sizeof(double), rounds = k->act_pack[qn_act_form_of(t)] != NULL;
    const qn_act_pack_attr form = {t};
    const qn_exec_limits lim = {.max_t = ROWS, .workers = 1};
    char *panels = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(HIGH) * qn_panel_bytes(t, WIDE));
    const qn_tensor norm = reals(judged, 1, WIDE, l->norm), dnorm = reals(judged, 1, WIDE, l->dnorm);
    const qn_tensor dw = reals(judged, HIGH, WIDE, l->dw);
    qn_tensor w = reals(judged, HIGH, WIDE, panels);
    qn_graph *g;
    qn_exec *e;
    qn_pack_panels(&(qn_pack_args){judged ? QN_F64 : QN_F32, t, l->w, panels, 0, HIGH, WIDE});
    w.dtype = t;
    w.layout = QN_LAYOUT_PANELS;
    CHECK_OK(qn_graph_new(&g));
    const qn_ref x = qn_graph_input(g, "x", judged ? QN_F64 : QN_F32, (qn_shape){2, {QN_DIM_T, WIDE}});
    const qn_ref p[] = {qn_graph_param(g, "norm", &norm), qn_graph_param(g, "w", &w)};
    qn_ref y = qn_graph_node(g, &qn_op_rmsnorm, "a", (qn_ref[]){x, p[0]}, 2, 1, &eps);
    if (rounds)
        y = qn_graph_node(g, &qn_op_act_pack, "b", &y, 1, 1, &form);
    y = qn_graph_node(g, &qn_op_linear, "c", (qn_ref[]){y, p[1]}, 2, 1, &plain);
    qn_graph_train(g, p[0], &dnorm);
    if (qn_dtype_get(t)->block == 1)
        qn_graph_train(g, p[1], &dw);
    qn_graph_seed(g, y);
    CHECK_OK(qn_exec_new(&e, g, k, &lim));
    qn_exec_bind(e, x, l->x);
    qn_exec_run(e, ROWS, 0, NULL, NULL);
    qn_exec_run_backward(e);
    qn_exec_free(e);
    qn_graph_free(g);
    qn_free(panels);
}

/* In float the same numbers lie at half the distance. */
static void layer_fill(layer *l, qn_dtype t, bool judged) {
    static float w[HIGH * WIDE];
    static char stored[HIGH * WIDE * 4];
    memset(l, 0, sizeof *l);
    for (int i = 0; i < HIGH * WIDE; i++)
        w[i] = qn_fill_value(1, (uint64_t)i, 1);
    qn_dtype_get(t)->encode_row(stored, w, HIGH * WIDE);
    qn_dtype_get(t)->decode_row(w, stored, HIGH * WIDE);
    double *const to[] = {l->norm, l->w, l->x};
    const int n[] = {WIDE, HIGH * WIDE, ROWS * WIDE};
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < n[p]; i++) {
            const float v = p == 1 ? w[i] : qn_fill_value(2 + (uint32_t)p, (uint64_t)i, 1);
            if (judged)
                to[p][i] = (double)v;
            else
                ((float *)(void *)to[p])[i] = v;
        }
}

TEST(gradients_pass_through_every_rounding) {
    static const qn_dtype all[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    static layer got, want;
    for (size_t t = 0; t < QN_LEN(all); t++) {
        const double tolerance = all[t] == QN_BF16 ? 0x1p-7 : all[t] == QN_F32 || all[t] == QN_F16 ? 1e-5 : 1e-4;
        double error[2] = {0, 0}, size[2] = {0, 0};
        layer_fill(&want, all[t], true);
        layer_fill(&got, all[t], false);
        layer_run(&want, QN_F64, qn_kernels_judge());
        layer_run(&got, all[t], qn_kernels_at(qn_isa_detect()));
        for (int i = 0; i < HIGH * WIDE; i++) {
            const double g = (double)((float *)(void *)got.dw)[i];
            error[1] += (g - want.dw[i]) * (g - want.dw[i]);
            size[1] += want.dw[i] * want.dw[i];
        }
        for (int i = 0; i < WIDE; i++) {
            const double g = (double)((float *)(void *)got.dnorm)[i];
            error[0] += (g - want.dnorm[i]) * (g - want.dnorm[i]);
            size[0] += want.dnorm[i] * want.dnorm[i];
        }
        for (int p = 0; p < (qn_dtype_get(all[t])->block == 1 ? 2 : 1); p++)
            CHECK(size[p] > 1 && sqrt(error[p] / size[p]) < tolerance, "%s of a layer in %s: off by %g of %g",
                  p ? "dW" : "dnorm", qn_dtype_get(all[t])->name, sqrt(error[p]), sqrt(size[p]));
    }
}
