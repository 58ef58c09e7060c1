/* tests/unit/test_ops.c — a walk over the registry of operations. Every op with cases: forward at every level against
 * the judge in double; gradients against central differences in double, and in float against those; tiles in any order
 * and on any number of threads, bit for bit. Ops on other inputs than plain reals are held to their definitions one by
 * one. */
/* full: WHOLE=1 */
#include "test.h"

#include "base/pool.h"
#include "ops/ops.h"

/* ---- one op, one case, one table: all memory that a run needs ---- */

enum { WORKERS = 4, POISON = 0xff };                /* 0xff…: a NaN in float and in double */

typedef struct {
    const qn_op *op;
    qn_op_ctx c;
    qn_tensor dout[QN_OP_OUTS], din[QN_OP_INS];
    double *plain[QN_OP_INS];                       /* the inputs' values, [numel] */
    void *block[64];                                /* everything to free */
    int n_blocks;
    char *scratch;
    size_t scratch_bytes, partial_bytes;
} bench;

static void *block(bench *b, size_t bytes) {
    void *p = qn_alloc(QN_MEM_TEST, bytes + 64);
    CHECK(p != NULL && b->n_blocks < (int)QN_LEN(b->block));
    memset(p, POISON, bytes + 64);
    b->block[b->n_blocks++] = p;
    return p;
}

static void drop(bench *b) {
    while (b->n_blocks > 0)
        qn_free(b->block[--b->n_blocks]);
}

static double at(const qn_tensor *t, int64_t i) {
    return t->dtype == QN_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

static void put(const qn_tensor *t, int64_t i, double v) {
    if (t->dtype == QN_F64)
        ((double *)t->data)[i] = v;
    else
        ((float *)t->data)[i] = (float)v;
}

static qn_tensor tensor(bench *b, const qn_shape *s) {
    qn_tensor t = {.dtype = b->c.k->real == sizeof(double) ? QN_F64 : QN_F32, .rank = s->rank};
    memcpy(t.dim, s->dim, sizeof t.dim);
    t.stride = qn_tensor_row(&t);
    t.data = block(b, (size_t)qn_tensor_numel(&t) * b->c.k->real);
    return t;
}

/* plain[i] into the op's input: as rows, or as panels. */
static void store_input(bench *b, int i) {
    qn_tensor *t = &b->c.in[i];
    const int64_t n = qn_tensor_numel(t);
    if (t->layout == QN_LAYOUT_ROWS) {
        for (int64_t j = 0; j < n; j++)
            put(t, j, b->plain[i][j]);
        return;
    }
    char *rows = qn_alloc(QN_MEM_TEST, (size_t)n * b->c.k->real);
    const qn_tensor flat = {.dtype = t->dtype, .data = rows};
    for (int64_t j = 0; j < n; j++)
        put(&flat, j, b->plain[i][j]);
    const qn_pack_args a = {t->dtype, t->dtype, rows, t->data, 0, t->dim[0], t->dim[1]};
    qn_pack_panels(&a);
    qn_free(rows);
}

/* Floats, so that they are the same numbers in double. */
static double drawn(const qn_op_case *c, uint64_t stream, uint64_t i) {
    const double hi = c->hi > 0 ? c->hi : 1, u = 2 * qn_rng_uniform(7, QN_RNG_TEST, stream, i) - 1;
    return (double)(float)(u * (hi - c->lo) + (u < 0 ? -c->lo : c->lo));
}

static void draw_ids(qn_tensor *t, int32_t below, uint64_t stream) {
    t->dtype = QN_I32;
    for (int64_t j = 0; j < qn_tensor_numel(t); j++)
        ((int32_t *)t->data)[j] = (int32_t)(qn_rng_u64(7, QN_RNG_TEST, stream, (uint64_t)j) % (uint64_t)below);
}

static void make_inputs(bench *b, const qn_op_case *c) {
    for (int i = 0; i < c->n_in; i++) {
        b->c.in[i] = tensor(b, &c->in[i]);
        const int64_t n = qn_tensor_numel(&b->c.in[i]);
        if (c->below[i] > 0) {
            CHECK(b->op->const_inputs >> i & 1, "%s: ids have no gradient", b->op->name);
            draw_ids(&b->c.in[i], c->below[i], (uint64_t)i);
            continue;
        }
        if (c->panels >> i & 1) {
            b->c.in[i].layout = QN_LAYOUT_PANELS;
            b->c.in[i].data = block(b, (size_t)qn_panels(c->in[i].dim[0]) *
                                           qn_panel_bytes(b->c.in[i].dtype, c->in[i].dim[1]));
        }
        b->plain[i] = block(b, (size_t)n * sizeof(double));
        for (int64_t j = 0; j < n; j++)
            b->plain[i][j] = drawn(c, (uint64_t)i, (uint64_t)j);
        store_input(b, i);
    }
}

static void make_outputs(bench *b, const qn_op_case *c) {
    qn_op_args args = {.n_in = c->n_in, .n_out = b->c.n_out, .attr = c->attr};
    qn_op_out out[QN_OP_OUTS] = {0};
    for (int i = 0; i < c->n_in; i++) {
        args.in[i] = c->in[i];
        args.dtype[i] = b->c.in[i].dtype;
        args.layout[i] = b->c.in[i].layout;
    }
    CHECK_OK(b->op->shape(&args, out), "%s", b->op->name);
    for (int i = 0; i < b->c.n_out; i++) {
        b->c.out[i] = tensor(b, &out[i].shape);
        b->dout[i] = tensor(b, &out[i].shape);
        for (int64_t j = 0; j < qn_tensor_numel(&b->dout[i]); j++)
            put(&b->dout[i], j, drawn(&(qn_op_case){0}, 100 + (uint64_t)i, (uint64_t)j));
    }
    const int64_t rows = c->in[0].dim[0] * (b->op->saved_per_head ? c->in[0].dim[1] : 1);
    for (int i = 0; i < QN_OP_SAVED && b->op->saved_bytes[i]; i++)
        b->c.saved[i].data = block(b, (size_t)rows * b->op->saved_bytes[i] * b->c.k->real);
}

static void init(bench *b, const qn_op *op, const qn_op_case *c, const qn_kernels *k) {
    *b = (bench){.op = op, .c = {.k = k, .attr = c->attr, .n_in = c->n_in, .n_out = 1}};
    if (op == &qn_op_linear)
        b->c.n_out = ((const qn_linear_attr *)c->attr)->n;
    if (op == &qn_op_lora)
        b->c.n_out = ((const qn_lora_attr *)c->attr)->n;
    make_inputs(b, c);
    make_outputs(b, c);
    if (c->prepare)
        b->block[b->n_blocks++] = c->prepare(&b->c);
    for (int back = 0; back < 2; back++) {
        if (op->scratch)
            b->scratch_bytes = QN_MAX(b->scratch_bytes, (op->scratch(&b->c, back) + 63) & ~(size_t)63);
        if (op->partials)
            b->partial_bytes = QN_MAX(b->partial_bytes, op->partials(&b->c, back));
    }
    b->scratch = block(b, b->scratch_bytes * WORKERS);
    b->c.partials = block(b, b->partial_bytes);
}

/* Gradients of all inputs but the constant ones, starting from numbers that must still be in them at the end. */
static double gradient_start(int i, int64_t j) { return drawn(&(qn_op_case){0}, 200 + (uint64_t)i, (uint64_t)j); }

static void want_gradients(bench *b, const qn_op_case *c, int wanted) {
    for (int i = 0; i < c->n_in; i++) {
        b->din[i] = tensor(b, &c->in[i]);
        for (int64_t j = 0; j < qn_tensor_numel(&b->din[i]); j++)
            put(&b->din[i], j, gradient_start(i, j));
        if ((b->op->const_inputs | ~wanted) >> i & 1)
            b->din[i].data = NULL;
    }
}

/* ---- running phases ---- */

typedef struct { bench *b; const qn_phase *p; const int64_t *order; } share;

/* Tiles of phases beside each other are counted through. */
static void run_tile(void *arg, int64_t tile, int worker) {
    const share *s = arg;
    const qn_phase *p = s->p;
    for (tile = s->order[tile]; tile >= p->tiles(&s->b->c); p++)
        tile -= p->tiles(&s->b->c);
    p->run(&s->b->c, tile, s->b->scratch + (size_t)worker * s->b->scratch_bytes);
}

/* seed 0: tiles in order; else shuffled by it. pool NULL: on this thread. */
static void run_phases(bench *b, const qn_phase phases[QN_OP_PHASES], qn_pool *pool, uint64_t seed) {
    for (int p = 0, next; p < QN_OP_PHASES && phases[p].run; p = next) {
        int64_t order[256], n = phases[p].tiles(&b->c);
        for (next = p + 1; next < QN_OP_PHASES && phases[next].run && phases[next].beside; next++)
            n += phases[next].tiles(&b->c);
        CHECK(n <= (int64_t)QN_LEN(order), "%s has %lld tiles", b->op->name, (long long)n);
        for (int64_t i = 0; i < n; i++)
            order[i] = i;
        for (int64_t i = n; seed && i > 1; i--) {
            const int64_t j = (int64_t)(qn_rng_u64(seed, QN_RNG_TEST, (uint64_t)p, (uint64_t)i) % (uint64_t)i);
            const int64_t was = order[j];
            order[j] = order[i - 1];
            order[i - 1] = was;
        }
        memset(b->scratch, POISON, b->scratch_bytes * (pool ? WORKERS : 1));
        share s = {b, &phases[p], order};
        qn_parallel(pool, n, run_tile, &s);
    }
}

static void forward(bench *b, qn_pool *pool, uint64_t seed) {
    b->c.din = b->c.dout = NULL;
    memset(b->c.partials, POISON, b->partial_bytes);
    run_phases(b, b->op->forward, pool, seed);
}

static void backward(bench *b, qn_pool *pool, uint64_t seed) {
    b->c.din = b->din;
    b->c.dout = b->dout;
    memset(b->c.partials, POISON, b->partial_bytes);
    const int64_t rounds = b->op->rounds ? b->op->rounds(&b->c) : 1;
    for (b->c.round = 0; b->c.round < rounds; b->c.round++)
        run_phases(b, b->op->backward, pool, seed);
}

/* ---- what is measured ---- */

/* Largest |got − want| in units of 2⁻²⁴·(|want| + root mean square of want): float's rounding, many times over. */
static double float_error(const qn_tensor *got, const qn_tensor *want) {
    const int64_t n = qn_tensor_numel(want);
    double square = 0, worst = 0;
    for (int64_t i = 0; i < n; i++)
        square += at(want, i) * at(want, i);
    const double rms = sqrt(square / (double)n);
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs(at(got, i) - at(want, i)) / (0x1p-24 * (fabs(at(want, i)) + rms));
        worst = e > worst || isnan(e) ? e : worst;
        if (isnan(worst))
            return INFINITY;
    }
    return worst;
}

/* Sums of a few dozen terms and a norm or an exponential behind them. */
#define FLOAT_ERROR_MAX 32

/* d/dx Σ dout·out by x = plain[i][j], from four forwards; *noise is what their rounding may amount to. The differences
 * are taken output by output, so that outputs which do not depend on x add nothing.
 *
 *   f′(x) = (8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h + O(h⁴) */
static double central_difference(bench *b, int i, int64_t j, double *const diff[QN_OP_OUTS], double *noise) {
    static const struct { double at, weight; } point[] = {{1, 8}, {-1, -8}, {2, -1}, {-2, 1}};
    const double x = b->plain[i][j], h = exp2(rint(log2(1e-3 * fmax(fabs(x), 1e-3))));      /* x ± h is exact enough */
    double sum = 0;
    *noise = 0;
    for (size_t p = 0; p < QN_LEN(point); p++) {
        b->plain[i][j] = x + point[p].at * h;
        store_input(b, i);
        forward(b, NULL, 0);
        for (int o = 0; o < b->c.n_out; o++)
            for (int64_t e = 0; e < qn_tensor_numel(&b->c.out[o]); e++)
                diff[o][e] = (p ? diff[o][e] : 0) + point[p].weight * at(&b->c.out[o], e);
    }
    for (int o = 0; o < b->c.n_out; o++)
        for (int64_t e = 0; e < qn_tensor_numel(&b->c.out[o]); e++) {
            sum += at(&b->dout[o], e) * diff[o][e] / (12 * h);
            *noise += diff[o][e] != 0 ? fabs(at(&b->dout[o], e) * at(&b->c.out[o], e)) * 0x1p-51 / h : 0;
        }
    b->plain[i][j] = x;
    store_input(b, i);
    return sum;
}

/* Each takes four forwards: of a large input some, spread over it by an odd stride, its ends among them; all of them
 * where time does not matter. */
static int64_t stride_of(int64_t n) {
    enum { MOST = 24 };
    return n <= MOST || qn_test_whole() ? 1 : n / MOST | 1;
}

/* Largest difference between the op's gradient and the central difference beyond noise, relative to |it| + the
 * gradient's largest. */
static double gradient_error(const qn_op *op, const qn_op_case *c) {
    bench b;
    double worst = 0, noise, *diff[QN_OP_OUTS];
    init(&b, op, c, qn_kernels_judge());
    want_gradients(&b, c, ~0);
    for (int o = 0; o < b.c.n_out; o++)
        diff[o] = block(&b, (size_t)qn_tensor_numel(&b.c.out[o]) * sizeof(double));
    forward(&b, NULL, 0);
    backward(&b, NULL, 0);
    for (int i = 0; i < c->n_in; i++) {
        const int64_t n = b.din[i].data ? qn_tensor_numel(&b.c.in[i]) : 0;
        double largest = 1e-30;
        for (int64_t j = 0; j < n; j++)
            largest = fmax(largest, fabs(at(&b.din[i], j) - gradient_start(i, j)));
        for (int64_t j = 0; j < n; j = j < n - 1 ? QN_MIN(j + stride_of(n), n - 1) : n) {
            const double want = central_difference(&b, i, j, diff, &noise);
            /* start: ≤ 1 */
            const double off = fabs(at(&b.din[i], j) - gradient_start(i, j) - want) - noise - 0x1p-51;
            worst = isnan(off) ? INFINITY : fmax(worst, off / (fabs(want) + largest));
        }
    }
    drop(&b);
    return worst;
}

#define GRADIENT_ERROR_MAX 1e-9

static int walk(void (*visit)(const qn_op *op, const qn_op_case *c, int index)) {
    int n = 0;
    for (int i = 0; qn_ops[i]; i++)
        for (int c = 0; c < qn_ops[i]->n_cases; c++, n++)
            visit(qn_ops[i], &qn_ops[i]->cases[c], c);
    return n;
}

/* ---- the registry ---- */

static bool needs_no_cases(const qn_op *op) {
    static const qn_op *const others[] = {              /* other outputs than reals, other inputs than reals and ids */
        &qn_op_act_pack, &qn_op_rope_table,
    };
    for (size_t i = 0; i < QN_LEN(others); i++)
        if (op == others[i])
            return true;
    return false;
}

TEST(every_op_says_what_it_is) {
    for (int i = 0; qn_ops[i]; i++) {
        const qn_op *op = qn_ops[i];
        CHECK(op->name && op->shape && op->forward[0].run, "op %d", i);
        CHECK(op->n_in_min >= 1 && op->n_in_min <= op->n_in_max && op->n_in_max <= QN_OP_INS, "%s", op->name);
        CHECK((op->backward[0].run != NULL) == (op->no_grad == NULL), "%s: a backward half, or why there is none",
              op->name);
        CHECK(!op->no_grad || strlen(op->no_grad) > 10, "%s", op->name);
        CHECK((op->n_cases > 0) == !needs_no_cases(op), "%s: cases, or a place among those that cannot have any",
              op->name);
        for (int p = 0; p < QN_OP_PHASES; p++)
            CHECK(!op->forward[p].run == !op->forward[p].tiles && !op->backward[p].run == !op->backward[p].tiles, "%s",
                  op->name);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(op->name, qn_ops[j]->name) != 0, "two ops are named %s", op->name);
    }
}

/* ---- forward ---- */

static void forward_case(const qn_op *op, const qn_op_case *c, int index) {
    bench want;
    init(&want, op, c, qn_kernels_judge());
    forward(&want, NULL, 0);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        bench got;
        if (!qn_isa_has((qn_isa)isa))
            continue;
        init(&got, op, c, qn_kernels_at((qn_isa)isa));
        forward(&got, NULL, 0);
        for (int o = 0; o < got.c.n_out; o++) {
            const double e = float_error(&got.c.out[o], &want.c.out[o]);
            CHECK(e <= FLOAT_ERROR_MAX, "%s case %d output %d at %s: off by %g", op->name, index, o,
                  qn_isa_name((qn_isa)isa), e);
        }
        drop(&got);
    }
    drop(&want);
}

TEST(forward_in_float_is_forward_in_double) { CHECK(walk(forward_case) > 10); }

/* ---- backward ---- */

static void gradient_case(const qn_op *op, const qn_op_case *c, int index) {
    if (op->no_grad)
        return;
    const double e = gradient_error(op, c);
    CHECK(e <= GRADIENT_ERROR_MAX, "%s case %d: off by %g", op->name, index, e);
}

TEST(gradients_are_central_differences) { CHECK(walk(gradient_case) > 10); }

static void float_gradient_case(const qn_op *op, const qn_op_case *c, int index) {
    bench want;
    if (op->no_grad)
        return;
    init(&want, op, c, qn_kernels_judge());
    want_gradients(&want, c, ~0);
    forward(&want, NULL, 0);
    backward(&want, NULL, 0);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        bench got;
        if (!qn_isa_has((qn_isa)isa))
            continue;
        init(&got, op, c, qn_kernels_at((qn_isa)isa));
        want_gradients(&got, c, ~0);
        forward(&got, NULL, 0);
        backward(&got, NULL, 0);
        for (int i = 0; i < c->n_in; i++) {
            const double e = got.din[i].data ? float_error(&got.din[i], &want.din[i]) : 0;
            CHECK(e <= FLOAT_ERROR_MAX, "%s case %d input %d at %s: off by %g", op->name, index, i,
                  qn_isa_name((qn_isa)isa), e);
        }
        drop(&got);
    }
    drop(&want);
}

TEST(gradients_in_float_are_those_in_double) { CHECK(walk(float_gradient_case) > 10); }

/* A gradient that is wrong by a millionth, and one that is written instead of added. */
static void nearly_right(const qn_op_ctx *c, int64_t tile, void *scratch) {
    qn_op_add.backward[0].run(c, tile, scratch);
    for (int64_t i = 0; tile == 0 && i < qn_tensor_numel(&c->din[1]); i++)
        put(&c->din[1], i, at(&c->din[1], i) + 1e-6 * at(&c->dout[0], i));
}

static void written(const qn_op_ctx *c, QN_UNUSED int64_t tile, QN_UNUSED void *scratch) {
    for (int i = 0; i < 2; i++)
        memcpy(c->din[i].data, c->dout[0].data, (size_t)qn_tensor_numel(&c->din[i]) * c->k->real);
}

TEST(a_wrong_gradient_is_caught) {
    qn_op wrong = qn_op_add;
    CHECK(gradient_error(&wrong, &wrong.cases[0]) <= GRADIENT_ERROR_MAX);
    wrong.backward[0].run = nearly_right;
    CHECK(gradient_error(&wrong, &wrong.cases[0]) > GRADIENT_ERROR_MAX);
    wrong.backward[0].run = written;
    CHECK(gradient_error(&wrong, &wrong.cases[0]) > GRADIENT_ERROR_MAX);
}

/* ---- the same bits, whoever runs a tile and when ---- */

static void same_bytes(const qn_tensor *a, const qn_tensor *b, const bench *x, int index, const char *what) {
    CHECK(memcmp(a->data, b->data, (size_t)qn_tensor_numel(a) * x->c.k->real) == 0, "%s case %d: %s", x->op->name,
          index, what);
}

static void compare_runs(const qn_op *op, const qn_op_case *c, int index, const bench *want, qn_pool *pool,
                         uint64_t seed,
                         const char *what) {
    bench got;
    init(&got, op, c, want->c.k);
    want_gradients(&got, c, ~0);
    forward(&got, pool, seed);
    for (int o = 0; o < got.c.n_out; o++)
        same_bytes(&want->c.out[o], &got.c.out[o], want, index, what);
    if (!op->no_grad)
        backward(&got, pool, seed);
    for (int i = 0; i < c->n_in; i++)
        if (got.din[i].data)
            same_bytes(&want->din[i], &got.din[i], want, index, what);
    drop(&got);
}

/* Each gradient alone is what it is among the others. */
static void compare_alone(const qn_op *op, const qn_op_case *c, int index, const bench *want) {
    for (int i = 0; i < c->n_in && !op->no_grad; i++) {
        bench got;
        if (op->const_inputs >> i & 1)
            continue;
        init(&got, op, c, want->c.k);
        want_gradients(&got, c, 1 << i);
        forward(&got, NULL, 0);
        backward(&got, NULL, 0);
        same_bytes(&want->din[i], &got.din[i], want, index, "one gradient alone");
        drop(&got);
    }
}

static qn_pool *pools[WORKERS + 1];

static void same_bits_case(const qn_op *op, const qn_op_case *c, int index) {
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        bench want;
        if (!qn_isa_has((qn_isa)isa))
            continue;
        init(&want, op, c, qn_kernels_at((qn_isa)isa));
        want_gradients(&want, c, ~0);
        forward(&want, NULL, 0);
        if (!op->no_grad)
            backward(&want, NULL, 0);
        for (uint64_t seed = 1; seed <= (qn_test_whole() ? 3 : 1); seed++)
            compare_runs(op, c, index, &want, NULL, seed, "tiles shuffled");
        for (int threads = qn_test_whole() ? 1 : WORKERS - 1; threads <= WORKERS; threads++)
            compare_runs(op, c, index, &want, pools[threads], (uint64_t)threads, "tiles shuffled over threads");
        compare_alone(op, c, index, &want);
        drop(&want);
    }
}

TEST(same_bits_in_any_order_and_on_any_thread) {
    for (int threads = 1; threads <= WORKERS; threads++)
        CHECK_OK(qn_pool_new(&pools[threads], threads));
    CHECK(walk(same_bits_case) > 10);
    for (int threads = 1; threads <= WORKERS; threads++)
        qn_pool_free(pools[threads]);
}

/* ---- a gradient that is born here: nothing of what lay there before is read, and nothing is left out ---- */

static void born_case(const qn_op *op, const qn_op_case *c, int index) {
    bench want, got;
    if (!op->writes)
        return;
    CHECK(!(op->writes & op->const_inputs), "%s", op->name);
    init(&want, op, c, qn_kernels_at(qn_test_isa()));
    init(&got, op, c, want.c.k);
    want_gradients(&want, c, ~0);
    want_gradients(&got, c, ~0);
    got.c.fresh = op->writes;
    for (int i = 0; i < c->n_in; i++) {
        if (!(op->writes >> i & 1))
            continue;
        memset(want.din[i].data, 0, (size_t)qn_tensor_numel(&want.din[i]) * want.c.k->real);
        memset(got.din[i].data, POISON, (size_t)qn_tensor_numel(&got.din[i]) * got.c.k->real);
    }
    forward(&want, NULL, 0);
    forward(&got, NULL, 0);
    backward(&want, NULL, 0);
    backward(&got, NULL, 1);
    for (int i = 0; i < c->n_in; i++)
        for (int64_t j = 0; want.din[i].data && j < qn_tensor_numel(&want.din[i]); j++)
            CHECK(at(&want.din[i], j) == at(&got.din[i], j), "%s case %d, gradient %d, element %lld", op->name, index,
                  i, (long long)j);
    drop(&want);
    drop(&got);
}

TEST(gradients_born_at_an_op_need_no_clearing) { CHECK(walk(born_case) > 10); }

/* ---- products in every stored dtype: tiles of rows and panels give the bits of one row at a time ---- */

static void product_case(qn_dtype t, const qn_kernels *k) {
    /* two row tiles; more tiles than one along N; an odd last panel */
    enum { T = 100, N = 613, K = 64 };
    static float x[T * K], w[N * K], y[T * N], row[N];
    static char acts[T * 512], one[512];
    const qn_act_form form = qn_act_form_of(t);
    const bool plain = form == QN_ACT_F32;
    const size_t row_bytes = qn_act_row_bytes(form, K);
    const qn_linear_attr attr = {1, 0};
    const qn_act_pack_attr pack = {t};
    char *panels = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(N) * qn_panel_bytes(t, K));
    CHECK(panels != NULL && row_bytes <= sizeof one);
    for (int i = 0; i < T * K; i++)
        x[i] = qn_fill_value(1, (uint64_t)i, 2);
    for (int i = 0; i < N * K; i++)
        w[i] = qn_fill_value(2, (uint64_t)i, 1);
    const qn_pack_args p = {QN_F32, t, w, panels, 0, N, K};
    qn_pack_panels(&p);
    qn_op_ctx c = {.k = k, .attr = &pack, .n_in = 1, .n_out = 1};
    c.in[0] = (qn_tensor){.dtype = QN_F32, .rank = 2, .dim = {T, K}, .stride = K, .data = x};
    c.out[0] = (qn_tensor){.dtype = plain ? QN_F32 : t == QN_BF16 ? QN_BF16 : QN_Q8_0, .layout = QN_LAYOUT_ACTS,
                           .rank = 2,
                           .dim = {T, K}, .stride = K, .data = acts};
    for (int64_t i = 0; !plain && i < qn_op_act_pack.forward[0].tiles(&c); i++)
        qn_op_act_pack.forward[0].run(&c, i, NULL);
    c.attr = &attr;
    c.n_in = 2;
    if (!plain)
        c.in[0] = c.out[0];
    c.in[1] = (qn_tensor){.dtype = t, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {N, K}, .stride = K,
                          .data = panels};
    c.out[0] = (qn_tensor){.dtype = QN_F32, .rank = 2, .dim = {T, N}, .stride = N, .data = y};
    CHECK(qn_op_linear.forward[0].tiles(&c) > 4);
    for (int64_t i = qn_op_linear.forward[0].tiles(&c); i-- > 0;)
        qn_op_linear.forward[0].run(&c, i, NULL);
    for (int r = 0; r < T; r++) {
        if (!plain)
            k->act_pack[form](one, x + r * K, K);
        const qn_linear_args a = {.y = row, .ldy = N, .x = plain ? (const void *)(x + r * K) : one, .ldx = row_bytes,
                                  .w = panels,
                                  .m = 1, .n = N, .K = K};
        qn_linear_pick(k, t, 1)(&a);
        CHECK(memcmp(row, y + r * N, sizeof row) == 0, "%s at %s, row %d", qn_dtype_get(t)->name, qn_isa_name(k->isa),
              r);
    }
    qn_free(panels);
}

TEST(tiles_of_a_product_are_its_rows) {
    static const qn_dtype all[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        for (size_t t = 0; qn_isa_has((qn_isa)isa) && t < QN_LEN(all); t++)
            product_case(all[t], qn_kernels_at((qn_isa)isa));
}

/* ---- cross entropy: the logits and the logsumexp of a session, bit for bit ---- */

enum { XENT_T = 101, XENT_V = 333, XENT_K = 64 };
typedef struct {
    float x[XENT_T * XENT_K], w[XENT_V * XENT_K], weight[XENT_T], loss[XENT_T], logits[XENT_V];
    char acts[XENT_T * 512];
    int32_t target[XENT_T];
    char *panels, *room;
    size_t row_bytes;
} head;

static void head_fill(head *h, const qn_kernels *k, qn_dtype t) {
    const qn_act_form form = qn_act_form_of(t);
    h->row_bytes = qn_act_row_bytes(form, XENT_K);
    h->panels = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(XENT_V) * qn_panel_bytes(t, XENT_K));
    CHECK(h->panels != NULL);
    for (int i = 0; i < XENT_T * XENT_K; i++)
        h->x[i] = qn_fill_value(1, (uint64_t)i, 2);
    for (int i = 0; i < XENT_V * XENT_K; i++)
        h->w[i] = qn_fill_value(2, (uint64_t)i, 1);
    for (int r = 0; r < XENT_T; r++) {
        char *row = h->acts + (size_t)r * h->row_bytes;
        h->weight[r] = r % 5 != 1;
        h->target[r] = r % 5 != 1 ? r * 7 % XENT_V : -100;
        if (form == QN_ACT_F32)
            memcpy(row, h->x + r * XENT_K, XENT_K * sizeof *h->x);
        else
            k->act_pack[form](row, h->x + r * XENT_K, XENT_K);
    }
    qn_pack_panels(&(qn_pack_args){QN_F32, t, h->w, h->panels, 0, XENT_V, XENT_K});
}

static void head_run(head *h, const qn_kernels *k, qn_dtype t) {
    const bool plain = qn_act_form_of(t) == QN_ACT_F32;
    qn_op_ctx c = {.k = k, .n_in = 4, .n_out = 1};
    c.in[0] = (qn_tensor){.dtype = plain ? QN_F32 : t, .layout = plain ? QN_LAYOUT_ROWS : QN_LAYOUT_ACTS, .rank = 2,
                          .dim = {XENT_T, XENT_K}, .stride = XENT_K, .data = h->acts};
    c.in[1] = (qn_tensor){.dtype = t, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {XENT_V, XENT_K},
                          .stride = XENT_K, .data = h->panels};
    c.in[2] = (qn_tensor){.dtype = QN_I32, .rank = 1, .dim = {XENT_T}, .stride = 1, .data = h->target};
    c.in[3] = (qn_tensor){.dtype = QN_F32, .rank = 1, .dim = {XENT_T}, .stride = 1, .data = h->weight};
    c.out[0] = (qn_tensor){.dtype = QN_F32, .rank = 1, .dim = {XENT_T}, .stride = 1, .data = h->loss};
    h->room = qn_alloc(QN_MEM_TEST, qn_op_xent.scratch(&c, false));
    CHECK(h->room != NULL && qn_op_xent.forward[0].tiles(&c) > 1);
    for (int64_t i = qn_op_xent.forward[0].tiles(&c); i-- > 0;)
        qn_op_xent.forward[0].run(&c, i, h->room);
}

static void head_case(const qn_kernels *k, qn_dtype t) {
    static head h;
    head_fill(&h, k, t);
    head_run(&h, k, t);
    for (int r = 0; r < XENT_T; r++) {
        const qn_linear_args a = {h.logits, XENT_V, h.acts + (size_t)r * h.row_bytes, h.row_bytes, h.panels, 1, XENT_V,
                                  XENT_K, false};
        qn_linear_pick(k, t, 1)(&a);
        const double lse = k->logsumexp(h.logits, XENT_V);
        const float want = h.weight[r] != 0 ? (float)(lse - (double)h.logits[h.target[r]]) : 0;
        CHECK(h.loss[r] == want, "%s at %s, row %d: %.9g, expected %.9g", qn_dtype_get(t)->name, qn_isa_name(k->isa),
              r, (double)h.loss[r], (double)want);
    }
    qn_free(h.room);
    qn_free(h.panels);
}

TEST(cross_entropy_is_that_of_a_session) {
    static const qn_dtype all[] = {QN_F32, QN_BF16, QN_Q8_0};
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        for (size_t t = 0; qn_isa_has((qn_isa)isa) && t < QN_LEN(all); t++)
            head_case(qn_kernels_at((qn_isa)isa), all[t]);
}

/* ---- ops whose inputs are not plain reals ---- */

static void run_all(const qn_op *op, qn_op_ctx *c) {
    for (int p = 0; p < QN_OP_PHASES && op->forward[p].run; p++)
        for (int64_t i = op->forward[p].tiles(c); i-- > 0;)
            op->forward[p].run(c, i, NULL);
}

/* Angles up to 2^24 positions, in long double; the table is rounded once. Behind the first 18 rows positions come back,
 * in another order. */
TEST(rope_table_is_cosine_and_sine) {
    enum { T = 50 };
    static int32_t pos[T], partials[T + 128];
    const qn_rope_attr attr = {.rot = 4, .freq = {1, 0.0123456789}, .factor = 1.25};
    for (int r = 0; r < 2; r++) {
        const qn_kernels *k = r ? qn_kernels_judge() : qn_kernels_at(qn_isa_detect());
        double out[T * 4];
        qn_op_ctx c = {.k = k, .attr = &attr, .n_in = 1, .n_out = 1, .partials = (char *)partials};
        for (int t = 0; t < T; t++)
            pos[t] = t < 2 ? t : t < 18 ? (1 << (t + 6)) - 1 : pos[t * 7 % 18];
        c.in[0] = (qn_tensor){.dtype = QN_I32, .rank = 1, .dim = {T}, .stride = 1, .data = pos};
        c.out[0] = (qn_tensor){.dtype = r ? QN_F64 : QN_F32, .rank = 2, .dim = {T, 4}, .stride = 4, .data = out};
        CHECK(qn_op_rope_table.partials(&c, false) <= sizeof partials);
        run_all(&qn_op_rope_table, &c);
        for (int t = 0; t < T; t++)
            for (int i = 0; i < 2; i++) {
                const double angle = pos[t] * attr.freq[i], tolerance = r ? 1e-15 : 1e-7;
                CHECK_NEAR(at(&c.out[0], t * 4 + i), 1.25L * cosl((long double)angle), tolerance, "position %d",
                           pos[t]);
                CHECK_NEAR(at(&c.out[0], t * 4 + 2 + i), 1.25L * sinl((long double)angle), tolerance, "position %d",
                           pos[t]);
            }
    }
}

TEST(embed_and_rows_copy) {
    enum { V = 70, D = 5, T = 20 };
    static const int32_t ids[T] = {0, 69, 31, 32, 5, 5, 64, 63};
    for (int r = 0; r < 2; r++) {
        const qn_kernels *k = r ? qn_kernels_judge() : qn_kernels_at(qn_isa_detect());
        const qn_dtype real = r ? QN_F64 : QN_F32;
        float w[V * D];
        double out[T * D], picked[T * D];
        char *panels = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(V) * qn_panel_bytes(QN_F32, D));
        for (int i = 0; i < V * D; i++)
            w[i] = qn_fill_value(3, (uint64_t)i, 1);
        const qn_pack_args p = {QN_F32, QN_F32, w, panels, 0, V, D};
        qn_pack_panels(&p);
        qn_op_ctx c = {.k = k, .n_in = 2, .n_out = 1};
        c.in[0] = (qn_tensor){.dtype = QN_I32, .rank = 1, .dim = {T}, .stride = 1, .data = (void *)(uintptr_t)ids};
        c.in[1] = (qn_tensor){.dtype = QN_F32, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {V, D}, .stride = D,
                              .data = panels};
        c.out[0] = (qn_tensor){.dtype = real, .rank = 2, .dim = {T, D}, .stride = D, .data = out};
        const size_t scratch = qn_op_embed.scratch ? qn_op_embed.scratch(&c, false) : 0;
        char *room = qn_alloc(QN_MEM_TEST, scratch);
        for (int64_t i = 0; i < qn_op_embed.forward[0].tiles(&c); i++)
            qn_op_embed.forward[0].run(&c, i, room);
        for (int i = 0; i < T * D; i++)
            CHECK_NEAR(at(&c.out[0], i), w[ids[i / D] * D + i % D], 0, "element %d", i);
        static const int32_t index[3] = {19, 0, 7};
        qn_op_ctx s = {.k = k, .n_in = 2, .n_out = 1, .in = {c.out[0]}};
        s.in[1] = (qn_tensor){.dtype = QN_I32, .rank = 1, .dim = {3}, .stride = 1, .data = (void *)(uintptr_t)index};
        s.out[0] = (qn_tensor){.dtype = real, .rank = 2, .dim = {3, D}, .stride = D, .data = picked};
        run_all(&qn_op_rows, &s);
        for (int i = 0; i < 3 * D; i++)
            CHECK_NEAR(at(&s.out[0], i), at(&c.out[0], index[i / D] * D + i % D), 0, "element %d", i);
        qn_free(room);
        qn_free(panels);
    }
}
