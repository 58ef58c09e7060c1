/* tests/unit/test_linear_grad.c — gradients of products in every stored dtype, at every level: against double sums of
 * the operands as they are rounded; a row alone, two micro-batches after each other, and any order of tiles, bit for
 * bit. Gradients in float and double are walked in test_ops.c. */
#include "test.h"

#include "base/pool.h"
#include "ops/ops.h"

/* Two slabs of rows and of columns, an odd tail of each; two weights of different height, one with a bias. */
enum { T = 531, N0 = 401, N1 = 37, K = 96, FIRST = 512 };

typedef struct {
    qn_dtype t;
    bool half;                                              /* dx through quantized blocks is a product of BF16 */
    const qn_kernels *k;
    qn_op_ctx c;
    qn_tensor dout[2], din[4];
    qn_linear_attr attr;
    char *panels[2], *acts, *scratch;
    float *w[2], *x, *dy[2], *dx, *dw[2], *db;              /* w: as stored, decoded */
} bench;

static const int64_t heights[2] = {N0, N1};

static float *reals(int64_t n, uint32_t salt) {
    float *p = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *p);
    CHECK(p != NULL);
    for (int64_t i = 0; i < n; i++)
        p[i] = qn_fill_value(salt, (uint64_t)i, 1.0f);
    return p;
}

static qn_tensor rows(float *data, int64_t n, int64_t wide) {
    return (qn_tensor){.dtype = QN_F32, .rank = 2, .dim = {n, wide}, .stride = wide, .data = data};
}

/* Rows [first, first + n) of the run; what is added to keeps what it has. */
static void bind(bench *b, int64_t first, int64_t n) {
    const qn_act_form form = qn_act_form_of(b->t);
    b->c.in[0] = rows(b->x + first * K, n, K);
    if (b->k->act_pack[form]) {
        b->c.in[0].dtype = form == QN_ACT_BF16 ? QN_BF16 : QN_Q8_0;
        b->c.in[0].layout = QN_LAYOUT_ACTS;
        b->c.in[0].data = b->acts + (size_t)first * qn_act_row_bytes(form, K);
    }
    b->din[0] = rows(b->dx + first * K, n, K);
    for (int i = 0; i < 2; i++)
        b->dout[i] = rows(b->dy[i] + first * heights[i], n, heights[i]);
}

static void start(bench *b) {
    float *const parts[] = {b->dx, b->dw[0], b->dw[1], b->db};
    const int64_t sizes[] = {T * K, N0 * K, N1 * K, N1};
    for (uint32_t p = 0; p < 4; p++)
        for (int64_t i = 0; i < sizes[p]; i++)
            parts[p][i] = qn_fill_value(20 + p, (uint64_t)i, 1.0f);
}

static void init(bench *b, const qn_kernels *k, qn_dtype t, bool half) {
    const qn_act_form form = qn_act_form_of(t);
    *b = (bench){.t = t, .half = half, .k = k, .attr = {2, half ? 2 | QN_LINEAR_HALF : 2}};
    b->c = (qn_op_ctx){.k = k, .attr = &b->attr, .n_in = 4, .n_out = 2, .din = b->din, .dout = b->dout};
    b->x = reals(T * K, 1);
    b->acts = qn_alloc(QN_MEM_TEST, T * qn_act_row_bytes(form, K));
    for (int r = 0; r < T && k->act_pack[form]; r++)
        k->act_pack[form](b->acts + (size_t)r * qn_act_row_bytes(form, K), b->x + r * K, K);
    b->dx = reals(T * K, 0);
    b->db = reals(N1, 0);
    for (int i = 0; i < 2; i++) {
        b->w[i] = reals(heights[i] * K, 2 + (uint32_t)i);
        b->dy[i] = reals(T * heights[i], 4 + (uint32_t)i);
        b->dw[i] = reals(heights[i] * K, 0);
        b->panels[i] = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(heights[i]) * qn_panel_bytes(t, K));
        if (!qn_dtype_get(t)->encode_row)                       /* any codes, in the place of numbers */
            qn_fill_row(t, b->w[i], heights[i] * K, 2 + (uint32_t)i, 0, 1.0f);
        const qn_dtype from = qn_dtype_get(t)->encode_row ? QN_F32 : t;
        qn_pack_panels(&(qn_pack_args){from, t, b->w[i], b->panels[i], 0, heights[i], K});
        qn_unpack_rows(b->w[i], t, b->panels[i], 0, heights[i], K);
        b->c.in[1 + i] = (qn_tensor){.dtype = t, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {heights[i], K},
                                     .stride = K, .data = b->panels[i]};
        if (qn_dtype_get(t)->block == 1)
            b->din[1 + i] = rows(b->dw[i], heights[i], K);
    }
    b->c.in[3] = b->din[3] = (qn_tensor){.dtype = QN_F32, .rank = 1, .dim = {N1}, .stride = 1, .data = b->db};
    bind(b, 0, T);
    start(b);
}

static void drop(bench *b) {
    void *const all[] = {b->x, b->acts, b->dx, b->db, b->w[0], b->w[1], b->dy[0], b->dy[1], b->dw[0], b->dw[1],
                         b->panels[0], b->panels[1]};
    for (size_t i = 0; i < QN_LEN(all); i++)
        qn_free(all[i]);
}

static void run_tile(void *arg, int64_t tile, int worker) {
    bench *b = ((void **)arg)[0];
    const qn_phase *p = ((void **)arg)[1];
    p->run(&b->c, p->tiles(&b->c) - 1 - tile, b->scratch + (size_t)worker * qn_op_linear.scratch(&b->c, true));
}

/* Tiles from the last to the first, on three threads. */
static void backward(bench *b) {
    qn_pool *pool;
    const size_t partials = qn_op_linear.partials(&b->c, true), scratch = 3 * qn_op_linear.scratch(&b->c, true);
    CHECK_OK(qn_pool_new(&pool, 3));
    b->c.partials = qn_alloc(QN_MEM_TEST, partials);
    b->scratch = qn_alloc(QN_MEM_TEST, scratch);
    memset(b->c.partials, 0xff, partials);
    memset(b->scratch, 0xff, scratch);
    for (int p = 0; p < QN_OP_PHASES && qn_op_linear.backward[p].run; p++)
        qn_parallel(pool, qn_op_linear.backward[p].tiles(&b->c), run_tile,
                    (void *[]){b, (void *)(uintptr_t)&qn_op_linear.backward[p]});
    qn_free(b->c.partials);
    qn_free(b->scratch);
    qn_pool_free(pool);
}

/* As the product rounds it. */
static double rounded(const bench *b, float v) {
    return b->t == QN_BF16 || b->half ? (double)qn_bf16_to_f32(qn_f32_to_bf16(v)) : (double)v;
}

static void near(const bench *b, const char *what, float got, double want, double reach, int64_t terms) {
    const double bound = 2 * (double)(terms + 1) * 0x1p-24 * reach + (double)terms * 0x1p-126;
    CHECK(fabs((double)got - want) <= bound, "%s through %s at %s: %.9g, expected %.9g, bound %g", what,
          qn_dtype_get(b->t)->name, qn_isa_name(b->k->isa), (double)got, want, bound);
}

static void check_dx(const bench *b) {
    for (int64_t t = 0; t < T; t += 23)
        for (int64_t j = 0; j < K; j++) {
            double want = (double)qn_fill_value(20, (uint64_t)(t * K + j), 1.0f), reach = fabs(want);
            for (int i = 0; i < 2; i++)
                for (int64_t n = 0; n < heights[i]; n++) {
                    const double term = rounded(b, b->dy[i][t * heights[i] + n]) * rounded(b, b->w[i][n * K + j]);
                    want += term;
                    reach += fabs(term);
                }
            near(b, "dx", b->dx[t * K + j], want, reach, N0 + N1);
        }
}

static void check_dw(const bench *b, int i) {
    for (int64_t n = 0; n < heights[i]; n += 7)
        for (int64_t j = 0; j < K; j++) {
            double want = (double)qn_fill_value(21 + (uint32_t)i, (uint64_t)(n * K + j), 1.0f), reach = fabs(want);
            for (int64_t t = 0; t < T; t++) {
                const double term = rounded(b, b->dy[i][t * heights[i] + n]) * rounded(b, b->x[t * K + j]);
                want += term;
                reach += fabs(term);
            }
            near(b, "dW", b->dw[i][n * K + j], want, reach, T);
        }
}

static void check_db(const bench *b) {
    for (int64_t n = 0; n < N1; n++) {
        double want = (double)qn_fill_value(23, (uint64_t)n, 1.0f), reach = fabs(want);
        for (int64_t t = 0; t < T; t++) {
            want += (double)b->dy[1][t * N1 + n];
            reach += fabs((double)b->dy[1][t * N1 + n]);
        }
        near(b, "db", b->db[n], want, reach, T);
    }
}

/* Two micro-batches, the second beginning where the first left dW; and one row alone. */
static void check_parts(const bench *want) {
    bench got;
    init(&got, want->k, want->t, want->half);
    bind(&got, 0, FIRST);
    backward(&got);
    bind(&got, FIRST, T - FIRST);
    backward(&got);
    const bool dx = memcmp(got.dx, want->dx, T * K * sizeof(float)) == 0;
    const bool db = memcmp(got.db, want->db, N1 * sizeof(float)) == 0;
    const bool dw = memcmp(got.dw[0], want->dw[0], N0 * K * sizeof(float)) == 0 &&
                    memcmp(got.dw[1], want->dw[1], N1 * K * sizeof(float)) == 0;
    CHECK(dx && db && dw, "%s at %s: two micro-batches give another %s", qn_dtype_get(got.t)->name,
          qn_isa_name(got.k->isa), !dx ? "dx" : dw ? "db" : "dW");
    start(&got);
    bind(&got, 100, 1);
    backward(&got);
    CHECK(memcmp(got.dx + 100 * K, want->dx + 100 * K, K * sizeof(float)) == 0, "%s at %s: a row alone",
          qn_dtype_get(got.t)->name, qn_isa_name(got.k->isa));
    drop(&got);
}

static void each(void (*visit)(bench *b)) {
    static const struct { qn_dtype t; bool half; } all[] = {
        {QN_F32, false}, {QN_F16, false}, {QN_BF16, false}, {QN_Q5_0, false}, {QN_MXFP4, false}, {QN_Q8_0, false},
        {QN_Q4_0, false}, {QN_Q4_1, false}, {QN_F32, true}, {QN_Q8_0, true}, {QN_Q4_0, true}, {QN_Q4_1, true}};
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        for (size_t i = 0; qn_isa_has((qn_isa)isa) && i < QN_LEN(all); i++) {
            bench b;
            init(&b, qn_kernels_at((qn_isa)isa), all[i].t, all[i].half);
            visit(&b);
            drop(&b);
        }
}

static void sums(bench *b) {
    backward(b);
    check_dx(b);
    check_db(b);
    for (int i = 0; i < 2 && b->din[1].data; i++)
        check_dw(b, i);
}

TEST(gradients_are_sums_of_rounded_operands) { each(sums); }

static void parts(bench *b) {
    backward(b);
    check_parts(b);
}

TEST(rows_and_micro_batches_give_the_bits_of_the_whole) { each(parts); }

/* A wrong sum is seen: one element of dy that the gradient did not have. */
static double error_of(const bench *b) {
    double worst = 0;
    for (int64_t j = 0; j < K; j++) {
        double want = (double)qn_fill_value(20, (uint64_t)j, 1.0f);
        for (int i = 0; i < 2; i++)
            for (int64_t n = 0; n < heights[i]; n++)
                want += rounded(b, b->dy[i][n]) * (double)b->w[i][n * K + j];
        worst = fmax(worst, fabs((double)b->dx[j] - want));
    }
    return worst;
}

TEST(a_missing_term_is_seen) {
    bench b;
    init(&b, qn_kernels_at(qn_isa_detect()), QN_Q4_0, false);
    backward(&b);
    const double right = error_of(&b);
    b.dy[0][N0 - 1] += 0.01f;
    CHECK(error_of(&b) > 20 * right && right > 0, "%g and %g", error_of(&b), right);
    drop(&b);
}
