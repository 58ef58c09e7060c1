/* tests/unit/test_dropout.c — which elements are dropped: as often as asked for, told apart by seed, step, site and
 * row, and by nothing else. Values and gradients are walked in test_ops.c. */
#include "test.h"

#include "ops/attention.h"
#include "ops/ops.h"

enum { T = 64, D = 130 };

typedef struct { float x[T][D], y[T][D], room[D]; } rows;

static void run(rows *r, const qn_dropout_attr *at, const qn_batch *b, int64_t first, int64_t n) {
    qn_op_ctx c = {.k = qn_kernels_at(qn_isa_detect()), .attr = at, .run = b, .n_in = 1, .n_out = 1};
    c.in[0] = (qn_tensor){.dtype = QN_F32, .rank = 2, .dim = {n, D}, .stride = D, .data = r->x[first]};
    c.out[0] = c.in[0];
    c.out[0].data = r->y[first];
    for (int64_t i = qn_op_dropout.forward[0].tiles(&c); i-- > 0;)
        qn_op_dropout.forward[0].run(&c, i, r->room);
}

static void ones(rows *r) {
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++)
            r->x[t][i] = 1;
}

static int zeros(const rows *r) {
    int n = 0;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++)
            n += r->y[t][i] == 0;
    return n;
}

/* Five standard deviations of a binomial. */
TEST(as_many_are_dropped_as_p_says) {
    static rows r;
    static const double ps[] = {0.0, 0.1, 0.5, 0.9};
    const qn_batch b = {.seed = 1, .step = 2, .dropout = 1};
    ones(&r);
    for (size_t i = 0; i < QN_LEN(ps); i++) {
        const qn_dropout_attr at = {ps[i], 3};
        run(&r, &at, &b, 0, T);
        const double n = T * D, tolerance = 5 * sqrt(n * ps[i] * (1 - ps[i]));
        CHECK_NEAR(zeros(&r), n * ps[i], tolerance + 1e-9, "p %g", ps[i]);
        for (int j = 0; j < T * D; j++)
            CHECK(r.y[j / D][j % D] == 0 || r.y[j / D][j % D] == (float)(1 / (1 - ps[i])), "scale at p %g", ps[i]);
    }
}

/* How many elements two masks of half ones share: T·D/2 when they have nothing to do with each other. */
static void unlike(const rows *a, const rows *b, const char *what) {
    int same = 0;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++)
            same += a->y[t][i] == b->y[t][i];
    CHECK_NEAR(same, T * D / 2.0, 5 * sqrt(T * D / 4.0), "another %s", what);
}

TEST(seed_step_and_site_make_masks_of_their_own) {
    static rows a, b;
    static const struct { qn_batch run; qn_dropout_attr at; const char *what; } others[] = {
        {{.seed = 2, .step = 5, .dropout = 1}, {0.5, 3}, "seed"},
        {{.seed = 1, .step = 6, .dropout = 1}, {0.5, 3}, "step"},
        {{.seed = 1, .step = 5, .dropout = 1}, {0.5, 4}, "site"},
    };
    const qn_batch run_a = {.seed = 1, .step = 5, .dropout = 1};
    const qn_dropout_attr at = {0.5, 3};
    ones(&a);
    ones(&b);
    run(&a, &at, &run_a, 0, T);
    for (size_t i = 0; i < QN_LEN(others); i++) {
        run(&b, &others[i].at, &others[i].run, 0, T);
        unlike(&a, &b, others[i].what);
    }
    for (int t = 1; t < T; t++)
        CHECK(memcmp(a.y[t], a.y[0], sizeof a.y[0]) != 0, "rows 0 and %d are alike", t);
}

/* Two micro-batches that number their rows drop what one batch drops. */
TEST(numbered_rows_may_come_in_any_pieces) {
    static rows whole, parts;
    int64_t id[T];
    const qn_dropout_attr at = {0.3, 0};
    qn_batch b = {.seed = 1, .dropout = 1};
    ones(&whole);
    ones(&parts);
    run(&whole, &at, &b, 0, T);
    for (int t = 0; t < T; t++)
        id[t] = t;
    b.row_id = id;
    run(&parts, &at, &b, 0, 20);
    b.row_id = id + 20;
    run(&parts, &at, &b, 20, T - 20);
    CHECK(memcmp(whole.y, parts.y, sizeof whole.y) == 0);
}

TEST(without_a_run_that_asks_for_it_nothing_is_dropped) {
    static rows r;
    const qn_dropout_attr at = {0.9, 0};
    const qn_batch off = {.seed = 1};
    for (int i = 0; i < T * D; i++)
        r.x[i / D][i % D] = (float)i;
    run(&r, &at, NULL, 0, T);
    CHECK(memcmp(r.x, r.y, sizeof r.x) == 0);
    run(&r, &at, &off, 0, T);
    CHECK(memcmp(r.x, r.y, sizeof r.x) == 0);
}

TEST(impossible_attributes_are_refused) {
    static const struct { qn_dropout_attr at; const char *says; } bad[] = {
        {{1, 0}, "p is 1"}, {{-0.1, 0}, "p is -0.1"}, {{NAN, 0}, "p is"}, {{0.1, -1}, "site is -1"},
        {{0.1, 1 << 20}, "site is 1048576"},
    };
    qn_op_out out;
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        const qn_op_args a = {.n_in = 1, .n_out = 1, .in = {{2, {T, D}}}, .attr = &bad[i].at};
        CHECK_FAIL(qn_op_dropout.shape(&a, &out), QN_EINVAL, bad[i].says);
    }
}
