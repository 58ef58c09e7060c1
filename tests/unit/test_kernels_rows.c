/* tests/unit/test_kernels_rows.c — norms, softmax and element-wise kernels: every row of the list against the judge,
 * and the judge against the plain formulas with libm. */
#include "test.h"

#include "kernels/selftest.h"

static void say(QN_UNUSED void *arg, const char *line, bool ok) {
    if (!ok)
        fprintf(stderr, "%s\n", line);
}

static void run_to(qn_isa cap) {
    qn_selftest_report r = {.say = say};
    CHECK_OK(qn_selftest_rows(cap, &r), "up to %s", qn_isa_name(cap));
    CHECK_INT(r.failures, 0);
    CHECK(r.rows >= 20 && r.cases > 10000, "%lld rows, %lld cases", (long long)r.rows, (long long)r.cases);
    CHECK(r.worst > 0 && r.worst <= 1, "%f", r.worst);
}

TEST(scalar) { run_to(QN_ISA_SCALAR); }
TEST(every_level) { run_to(qn_isa_detect()); }

/* ---- the judge ---- */

enum { N = 37 };

static void numbers(double *x, uint32_t salt, double scale) {
    for (int64_t i = 0; i < N; i++)
        x[i] = (double)qn_fill_value(salt, (uint64_t)i, 1.0f) * scale;
}

TEST(the_judge_normalises) {
    const qn_kernels *k = qn_kernels_judge();
    double x[N], w[N], b[N], y[N], stat[2], squares = 0, mean = 0, spread = 0;
    numbers(x, 1, 3);
    numbers(w, 2, 1);
    numbers(b, 3, 1);
    for (int i = 0; i < N; i++) {
        squares += x[i] * x[i] / N;
        mean += x[i] / N;
    }
    for (int i = 0; i < N; i++)
        spread += (x[i] - mean) * (x[i] - mean) / N;
    CHECK_NEAR(k->rmsnorm(y, x, w, N, 1e-5), 1 / sqrt(squares + 1e-5), 1e-14);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(y[i], x[i] * w[i] / sqrt(squares + 1e-5), 1e-14, "%d", i);
    k->layernorm(y, x, w, b, N, 1e-5, stat);
    CHECK_NEAR(stat[0], mean, 1e-14);
    CHECK_NEAR(stat[1], 1 / sqrt(spread + 1e-5), 1e-14);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(y[i], (x[i] - mean) / sqrt(spread + 1e-5) * w[i] + b[i], 1e-14, "%d", i);
}

/* Central differences of Σ g·rmsnorm(x). */
TEST(the_judge_differentiates_rmsnorm) {
    const qn_kernels *k = qn_kernels_judge();
    const double h = 1e-6;
    double x[N], w[N], g[N], y[N], dx[N] = {0}, dw[N] = {0};
    numbers(x, 4, 2);
    numbers(w, 5, 1);
    numbers(g, 6, 1);
    k->rmsnorm_grad(dx, dw, g, x, w, k->rmsnorm(y, x, w, N, 1e-5), N);
    for (int i = 0; i < N; i++)
        for (int which = 0; which < 2; which++) {
            double *p = which ? &w[i] : &x[i], keep = *p, up = 0, down = 0;
            *p = keep + h;
            k->rmsnorm(y, x, w, N, 1e-5);
            for (int j = 0; j < N; j++)
                up += g[j] * y[j];
            *p = keep - h;
            k->rmsnorm(y, x, w, N, 1e-5);
            for (int j = 0; j < N; j++)
                down += g[j] * y[j];
            *p = keep;
            CHECK_NEAR(which ? dw[i] : dx[i], (up - down) / (2 * h), 1e-8, "d%c[%d]", which ? 'w' : 'x', i);
        }
}

/* f′(x) by central differences, O(h⁴). */
#define DIFFERENCE(f, x, h) \
    ((8 * (f((x) + (h)) - f((x) - (h))) - (f((x) + 2 * (h)) - f((x) - 2 * (h)))) / (12 * (h)))

static qn_act difference_kind;
static double act_of(double x) {
    double y;
    qn_kernels_judge()->act(&y, &x, 1, difference_kind);
    return y;
}

TEST(the_judge_differentiates_activations) {
    const qn_kernels *k = qn_kernels_judge();
    const double g = -1.25, up = 0.75, h = 0x1p-9;
    for (int kind = 0; kind < QN_ACTS; kind++)
        for (double x = -9.2; x < 9; x += 0.37) {           /* not near ReLU's corner */
            double dx = 0.5, dgate = 0.25, dup = 0.125, want;
            difference_kind = (qn_act)kind;
            want = DIFFERENCE(act_of, x, h);
            k->act_grad(&dx, &g, &x, 1, (qn_act)kind);
            k->glu_grad(&dgate, &dup, &g, &x, &up, 1, (qn_act)kind);
            CHECK_NEAR(dx - 0.5, g * want, 1e-9, "kind %d at %g", kind, x);
            CHECK_NEAR(dgate - 0.25, g * up * want, 1e-9, "kind %d at %g", kind, x);
            CHECK_NEAR(dup - 0.125, g * act_of(x), 1e-14, "kind %d at %g", kind, x);
        }
}

/* Σ g·layernorm(x), by any of its arguments. */
static double x_ln[N], w_ln[N], b_ln[N], g_ln[N], *moved;
static int moved_at;
static double layernorm_of(double value) {
    double y[N], stat[2], sum = 0, keep = moved[moved_at];
    moved[moved_at] = value;
    qn_kernels_judge()->layernorm(y, x_ln, w_ln, b_ln, N, 1e-5, stat);
    moved[moved_at] = keep;
    for (int i = 0; i < N; i++)
        sum += g_ln[i] * y[i];
    return sum;
}

TEST(the_judge_differentiates_layernorm) {
    const qn_kernels *k = qn_kernels_judge();
    double y[N], stat[2], d[3][N] = {{0}}, *const of[3] = {x_ln, w_ln, b_ln};
    numbers(x_ln, 4, 2);
    numbers(w_ln, 5, 1);
    numbers(b_ln, 6, 1);
    numbers(g_ln, 7, 1);
    k->layernorm(y, x_ln, w_ln, b_ln, N, 1e-5, stat);
    k->layernorm_grad(d[0], d[1], d[2], g_ln, x_ln, w_ln, stat, N);
    for (int which = 0; which < 3; which++)
        for (moved_at = 0; moved_at < N; moved_at++) {
            moved = of[which];
            CHECK_NEAR(d[which][moved_at], DIFFERENCE(layernorm_of, moved[moved_at], 0x1p-9), 1e-9,
                       "argument %d, element %d", which, moved_at);
        }
}

/* loss = logsumexp(x) − x[target]; slices of a row give the gradient of the row. */
static double x_xent[N];
enum { TARGET = 21 };
static double xent_of(double value) {
    const double keep = x_xent[moved_at];
    x_xent[moved_at] = value;
    const double loss = qn_kernels_judge()->logsumexp(x_xent, N) - x_xent[TARGET];
    x_xent[moved_at] = keep;
    return loss;
}

TEST(the_judge_differentiates_cross_entropy) {
    const qn_kernels *k = qn_kernels_judge();
    double dx[N];
    numbers(x_xent, 8, 6);
    const double lse = k->logsumexp(x_xent, N), scale = 0.375;
    for (int cut = 0; cut <= N; cut += 9) {
        k->xent_grad(dx, x_xent, cut, TARGET, lse, scale);
        k->xent_grad(dx + cut, x_xent + cut, N - cut, TARGET - cut, lse, scale);
        for (moved_at = 0; moved_at < N; moved_at++)
            CHECK_NEAR(dx[moved_at], scale * DIFFERENCE(xent_of, x_xent[moved_at], 0x1p-9), 1e-10,
                       "cut at %d, element %d", cut, moved_at);
    }
}

TEST(the_judge_takes_softmax) {
    const qn_kernels *k = qn_kernels_judge();
    double x[N], y[N], sum = 0;
    numbers(x, 7, 20);
    for (int i = 0; i < N; i++)
        sum += exp(x[i]);
    k->softmax(y, x, N);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(y[i], exp(x[i]) / sum, 1e-14, "%d", i);
    CHECK_NEAR(k->logsumexp(x, N), log(sum), 1e-13);
}

TEST(the_judge_activates) {
    const qn_kernels *k = qn_kernels_judge();
    for (double x = -9.25; x < 9; x += 0.37) {
        const double want[QN_ACTS] = {
            [QN_ACT_RELU] = x > 0 ? x : 0, [QN_ACT_GELU] = x * 0.5 * erfc(-x * sqrt(0.5)),
            [QN_ACT_GELU_TANH] = 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))),
            [QN_ACT_SILU] = x / (1 + exp(-x)), [QN_ACT_RELU2] = x > 0 ? x * x : 0, [QN_ACT_TANH] = tanh(x),
            [QN_ACT_SIGMOID] = 1 / (1 + exp(-x))};
        for (int kind = 0; kind < QN_ACTS; kind++) {
            const double up = 1.75;
            double y, gated;
            k->act(&y, &x, 1, (qn_act)kind);
            k->glu(&gated, &x, &up, 1, (qn_act)kind);
            CHECK_NEAR(y, want[kind], 1e-14, "kind %d of %g", kind, x);
            CHECK_NEAR(gated, want[kind] * up, 2e-14, "kind %d of %g", kind, x);
        }
    }
}

/* A pair (i, i + rot/2) is a complex number, turned. */
TEST(the_judge_rotates) {
    enum { DH = 10, ROT = 6, HEADS = 2 };
    const qn_kernels *k = qn_kernels_judge();
    double x[HEADS * DH], y[HEADS * DH], cs[ROT];
    for (int i = 0; i < HEADS * DH; i++)
        x[i] = i - 7.5;
    for (int i = 0; i < ROT / 2; i++) {
        cs[i] = cos(0.3 * (i + 1));
        cs[ROT / 2 + i] = sin(0.3 * (i + 1));
    }
    k->rope(y, x, cs, HEADS, DH, ROT);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < DH; i++) {
            const double *v = x + h * DH;
            const int pair = i % (ROT / 2), a = pair, b = pair + ROT / 2;
            const double angle = atan2(v[b], v[a]) + 0.3 * (pair + 1), radius = hypot(v[a], v[b]);
            const double want = i >= ROT ? v[i] : i == a ? radius * cos(angle) : radius * sin(angle);
            CHECK_NEAR(y[h * DH + i], want, 1e-13, "head %d, element %d", h, i);
        }
}

/* ---- every level's table ---- */

TEST(argmax_takes_the_first_and_never_nan) {
    static const struct { float x[20]; int n, want; } cases[] = {
        {{1, 3, 2, 3}, 4, 1}, {{NAN, -INFINITY}, 2, 1}, {{NAN, NAN}, 2, 0}, {{-INFINITY, -INFINITY, NAN}, 3, 0},
        {{5, NAN, 6, INFINITY, INFINITY}, 5, 3}, {{-0.0f, 0.0f}, 2, 0}, {{0}, 0, 0},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7}, 20, 18},
        {{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -0.5f}, 18, 17},
    };
    for (int level = 0; level <= (int)qn_isa_detect(); level++)
        for (size_t i = 0; i < QN_LEN(cases); i++)
            CHECK_INT(qn_kernels_at((qn_isa)level)->argmax(cases[i].x, cases[i].n), cases[i].want, "%s, case %zu",
                      qn_isa_name((qn_isa)level), i);
}

TEST(empty_rows) {
    for (int level = 0; level <= (int)qn_isa_detect(); level++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)level);
        float none = 42;
        k->softmax(&none, &none, 0);
        k->act(&none, &none, 0, QN_ACT_RELU);
        CHECK(none == 42);
        CHECK(k->logsumexp(&none, 0) == -INFINITY);
    }
}

/* Rows in place: y is x. */
TEST(in_place) {
    for (int level = 0; level <= (int)qn_isa_detect(); level++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)level);
        float x[N], w[N], y[N];
        for (int i = 0; i < N; i++) {
            x[i] = qn_fill_value(1, (uint64_t)i, 2.0f);
            w[i] = qn_fill_value(2, (uint64_t)i, 2.0f);
        }
#define CHECK_IN_PLACE(fresh, placed)                              \
    do {                                                           \
        float keep[N];                                             \
        memcpy(keep, x, sizeof x);                                 \
        fresh;                                                     \
        placed;                                                    \
        CHECK(memcmp(x, y, sizeof x) == 0, "%s", #placed);         \
        memcpy(x, keep, sizeof x);                                 \
    } while (0)
        CHECK_IN_PLACE(k->rmsnorm(y, x, w, N, 1e-6), k->rmsnorm(x, x, w, N, 1e-6));
        CHECK_IN_PLACE(k->softmax(y, x, N), k->softmax(x, x, N));
        CHECK_IN_PLACE(k->act(y, x, N, QN_ACT_SILU), k->act(x, x, N, QN_ACT_SILU));
        CHECK_IN_PLACE(k->glu(y, x, w, N, QN_ACT_GELU), k->glu(x, x, w, N, QN_ACT_GELU));
        CHECK_IN_PLACE(k->add(y, x, w, N), k->add(x, x, w, N));
        CHECK_IN_PLACE(k->scale(y, x, 0.3, N), k->scale(x, x, 0.3, N));
    }
}
