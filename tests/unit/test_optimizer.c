/* tests/unit/test_optimizer.c — optimizers against PyTorch (tests/fixtures/optimizers.json says how), the same bits on
 * any number of threads, masters finer than what the model multiplies with. */
#include "test.h"

#include "base/json.h"
#include "train/optimizer.h"

/* ---- four tensors as a family of their own ---- */

/* NUMBERS: 37·19, 40·64, 33·24, 50, each rounded up to a multiple of 16. */
enum { STEPS = 10, ENTRIES = 8, TENSORS = 4, CASES = 7, NUMBERS = 704 + 2560 + 800 + 64 };

static const qn_param four[TENSORS] = {
    {QN_P_Q, "tall", "tall", "37 19", 0},
    {QN_P_K, "wide", "wide", "40 64", 0},
    {QN_P_EMBED, "table", "table", "33 24", QN_EMBEDDING},
    {QN_P_ATTN_NORM, "vector", "vector", "50", QN_NO_DECAY},
};

static void no_spec(QN_UNUSED const qn_config *c, QN_UNUSED qn_stack_spec *s) {}
static const qn_arch family = {.name = "four", .params = four, .n_params = TENSORS, .spec = no_spec};

typedef struct { qn_model *m; qn_params p; float *grad; } subject;

static void fill_slot(subject *s, size_t i) {
    const qn_slot *slot = &s->p.slot[i];
    const uint32_t salt = qn_fill_salt(slot->p->hf);
    float w[QN_SLOT_ROWS * 64];
    for (int64_t row = 0; row < slot->rows; row += QN_SLOT_ROWS) {
        for (int64_t k = 0; k < qn_slot_tile_rows(slot, row) * slot->cols; k++)
            w[k] = qn_fill_value(salt, (uint64_t)(row * slot->cols + k), 0.5f);
        qn_params_put(&s->p, slot, row, w);
    }
}

static subject make(qn_dtype compute) {
    subject s = {0};
    CHECK_OK(qn_model_blank(&s.m, &family, &(qn_config){.layers = 1}, NULL, compute));
    CHECK_OK(qn_params_init(&s.p, s.m));
    CHECK_INT(s.p.n, TENSORS);
    CHECK_INT(s.p.numbers, NUMBERS);
    s.grad = qn_zalloc(QN_MEM_TEST, s.p.numbers, sizeof *s.grad);
    for (size_t i = 0; i < s.p.n; i++)
        fill_slot(&s, i);
    return s;
}

static void drop(subject *s) {
    qn_free(s->grad);
    qn_params_drop(&s->p);
    qn_model_free(s->m);
}

static void fill_grad(subject *s, int step) {
    for (size_t i = 0; i < s->p.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.grad.%d", s->p.slot[i].p->hf, step);
        const uint32_t salt = qn_fill_salt(name);
        for (int64_t k = 0; k < s->p.slot[i].rows * s->p.slot[i].cols; k++)
            s->grad[s->p.slot[i].at + (size_t)k] = qn_fill_value(salt, (uint64_t)k, 1);
    }
}

static float master_at(const subject *s, const qn_slot *slot, int64_t i) {
    float room[QN_SLOT_ROWS * 64];
    const int64_t row = i / slot->cols / QN_SLOT_ROWS * QN_SLOT_ROWS;
    return qn_params_take(&s->p, slot, row, room)[i - row * slot->cols];
}

/* All masters, flat. */
static float *masters(const subject *s) {
    float *all = qn_zalloc(QN_MEM_TEST, s->p.numbers, sizeof *all), room[QN_SLOT_ROWS * 64];
    for (int64_t tile = 0; tile < s->p.tiles; tile++) {
        int64_t row;
        const qn_slot *slot = qn_params_tile(&s->p, tile, &row);
        memcpy(all + slot->at + row * slot->cols, qn_params_take(&s->p, slot, row, room),
               (size_t)(qn_slot_tile_rows(slot, row) * slot->cols) * sizeof *all);
    }
    return all;
}

/* ---- the fixture ---- */

typedef struct {
    qn_optimizer_options o;
    double want[TENSORS][STEPS][ENTRIES];
} fixture_case;

typedef struct { double rates[STEPS], scales[STEPS]; fixture_case c[CASES]; } fixture;

static int64_t read_numbers(qn_json *j, double *to, int64_t cap) {
    int64_t n = 0;
    for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; n++) {
        CHECK(n < cap);
        CHECK_OK(qn_json_f64(j, &to[n]));
    }
    return n;
}

static void read_tensors(qn_json *j, fixture_case *c) {
    qn_str key;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0) {
        int at = 0, step = 0;
        while (at < TENSORS && !qn_str_is(key, four[at].hf))
            at++;
        CHECK(at < TENSORS);
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; step++)
            CHECK_INT(read_numbers(j, c->want[at][step], ENTRIES), ENTRIES);
        CHECK_INT(step, STEPS);
    }
}

static void read_case(qn_json *j, fixture_case *c) {
    const struct { const char *name; double *to; } number[] = {
        {"beta1", &c->o.beta1}, {"beta2", &c->o.beta2}, {"eps", &c->o.eps}, {"weight_decay", &c->o.weight_decay},
        {"momentum", &c->o.momentum}, {"muon_rate", &c->o.muon_rate},
    };
    qn_buf kind = {0};
    qn_str key;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0) {
        size_t i = 0;
        while (i < QN_LEN(number) && !qn_str_is(key, number[i].name))
            i++;
        if (i < QN_LEN(number))
            CHECK_OK(qn_json_f64(j, number[i].to));
        else if (qn_str_is(key, "kind"))
            CHECK_OK(qn_json_string(j, &kind));
        else if (qn_str_is(key, "nesterov"))
            CHECK_OK(qn_json_bool(j, &c->o.nesterov));
        else if (qn_str_is(key, "match_rms"))
            CHECK_OK(qn_json_bool(j, &c->o.muon_match_rms));
        else
            read_tensors(j, c);
    }
    const qn_str k = qn_buf_view(&kind);
    c->o.kind = qn_str_is(k, "adamw") ? QN_OPTIMIZER_ADAMW : qn_str_is(k, "sgd") ? QN_OPTIMIZER_SGD : QN_OPTIMIZER_MUON;
    qn_buf_drop(&kind);
}

static const fixture *read_fixture(void) {
    static fixture f;
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    int n = 0;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("optimizers.json"), 1 << 20));
    qn_json_init(&j, text.s, text.n, "optimizers.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        if (qn_str_is(key, "rates"))
            CHECK_INT(read_numbers(&j, f.rates, STEPS), STEPS);
        else if (qn_str_is(key, "scales"))
            CHECK_INT(read_numbers(&j, f.scales, STEPS), STEPS);
        else
            for (CHECK_OK(qn_json_enter(&j, '[')); qn_json_item(&j) > 0;)
                read_case(&j, &f.c[n++]);
    CHECK_OK(qn_json_end(&j));
    CHECK_INT(n, CASES);
    qn_json_drop(&j);
    qn_buf_drop(&text);
    return &f;
}

/* ---- against PyTorch ---- */

static void compare(const subject *s, const fixture_case *c, int number, int step) {
    for (size_t i = 0; i < TENSORS; i++) {
        const qn_slot *slot = &s->p.slot[i];
        const bool muon = c->o.kind == QN_OPTIMIZER_MUON && i < 2;
        for (int64_t e = 0; e < ENTRIES; e++) {
            const double want = c->want[i][step][e];
            const double got = (double)master_at(s, slot, e * (slot->rows * slot->cols - 1) / (ENTRIES - 1));
            CHECK_NEAR(got, want, (muon ? 1e-4 : 1e-6) * (fabs(want) + 0.1), "case %d, %s, step %d, entry %d", number,
                       slot->p->hf, step, (int)e);
        }
    }
}

static void run_case(const fixture *f, int number, qn_isa isa) {
    const fixture_case *c = &f->c[number];
    subject s = make(QN_F32);
    qn_optimizer *o;
    CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(isa), &c->o, 1));
    for (int step = 0; step < STEPS; step++) {
        fill_grad(&s, step);
        qn_optimizer_step(o, s.grad, f->scales[step], f->rates[step], step + 1, NULL);
        compare(&s, c, number, step);
    }
    qn_optimizer_free(o);
    drop(&s);
}

TEST(ten_steps_as_pytorch) {
    const fixture *f = read_fixture();
    for (int level = 0; level <= (int)qn_test_isa(); level++)
        for (int i = 0; i < CASES; i++)
            if (qn_isa_has((qn_isa)level))
                run_case(f, i, (qn_isa)level);
}

/* ---- threads ---- */

static float *after_steps(qn_optimizer_kind kind, qn_dtype compute, int threads, double *norm) {
    const qn_optimizer_options options = qn_optimizer_options_default(kind);
    subject s = make(compute);
    qn_pool *pool;
    qn_optimizer *o;
    CHECK_OK(qn_pool_new(&pool, threads));
    CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, threads));
    const int64_t calls = qn_mem_calls();
    for (int step = 0; step < 3; step++) {
        fill_grad(&s, step);
        *norm = qn_optimizer_grad_norm(o, s.grad, pool);
        qn_optimizer_step(o, s.grad, 1 / *norm, 1e-2, step + 1, pool);
    }
    CHECK_INT(qn_mem_calls(), calls, "a step allocates nothing");
    float *all = masters(&s);
    qn_optimizer_free(o);
    qn_pool_free(pool);
    drop(&s);
    return all;
}

TEST(the_same_bits_on_any_number_of_threads) {
    for (int kind = QN_OPTIMIZER_ADAMW; kind <= QN_OPTIMIZER_SGD; kind++)
        for (int compute = 0; compute < 2; compute++) {
            double norm1, norm;
            float *one = after_steps((qn_optimizer_kind)kind, compute ? QN_BF16 : QN_F32, 1, &norm1);
            for (int threads = 2; threads <= 3; threads++) {
                float *more = after_steps((qn_optimizer_kind)kind, compute ? QN_BF16 : QN_F32, threads, &norm);
                CHECK(norm == norm1);
                CHECK(memcmp(one, more, NUMBERS * sizeof *one) == 0, "kind %d, %d threads", kind, threads);
                qn_free(more);
            }
            qn_free(one);
        }
}

/* ---- Muon over several blocks ---- */

/* Products of five by eight blocks of 32, none of the last whole; and of two by six of 96: a small matrix, and one
 * whose phases are shared out. */
enum { LONG = 230, SHORT = 130, LARGE = 530 };

static const qn_param some[] = {
    {QN_P_Q, "tall", "tall", "230 130", 0}, {QN_P_K, "wide", "wide", "130 230", 0},
    {QN_P_V, "taller", "taller", "530 130", 0}, {QN_P_O, "wider", "wider", "130 530", 0},
};
static const qn_arch larger = {.name = "some", .params = some, .n_params = QN_LEN(some), .spec = no_spec};

/* y[m,n] = a[m,k]·b[k,n]; b given as its transpose where bt. */
static void multiply(double *y, const double *a, const double *b, bool bt, int m, int k, int n) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += a[i * k + l] * (bt ? b[j * k + l] : b[l * n + j]);
            y[i * n + j] = sum;
        }
}

/* x[SHORT,n] by the definition. */
static void newton_schulz(double *x, int n) {
    static double a[SHORT * SHORT], aa[SHORT * SHORT], bx[SHORT * LARGE];
    double norm = 0;
    for (int i = 0; i < SHORT * n; i++)
        norm += x[i] * x[i];
    for (int i = 0; i < SHORT * n; i++)
        x[i] /= sqrt(norm);
    for (int step = 0; step < 5; step++) {
        multiply(a, x, x, true, SHORT, n, SHORT);
        multiply(aa, a, a, false, SHORT, SHORT, SHORT);
        for (int i = 0; i < SHORT * SHORT; i++)
            aa[i] = -4.7750 * a[i] + 2.0315 * aa[i];
        multiply(bx, aa, x, false, SHORT, SHORT, n);
        for (int i = 0; i < SHORT * n; i++)
            x[i] = 3.4445 * x[i] + bx[i];
    }
}

/* A gradient of full rank; or `poor`: three directions and a thousandth of everything, where squares of singular
 * values drown in what rounding leaves of the large ones. */
static float gradient_at(bool poor, int i, int k) {
    const float any = qn_fill_value(5, (uint64_t)(i * LARGE + k), 1);
    if (!poor)
        return any;
    float sum = 1e-3f * any;
    for (uint32_t d = 0; d < 3; d++)
        sum += qn_fill_value(6 + d, (uint64_t)i, 1) * qn_fill_value(9 + d, (uint64_t)k, 1);
    return sum;
}

/* One step from zero without decay leaves −rate·factor·X. A tall slot gets the gradient of the wide one behind it. */
static float *one_muon_step(int threads, bool poor) {
    qn_optimizer_options options = qn_optimizer_options_default(QN_OPTIMIZER_MUON);
    subject s = {0};
    qn_pool *pool;
    qn_optimizer *o;
    options.muon_match_rms = false;
    CHECK_OK(qn_model_blank(&s.m, &larger, &(qn_config){.layers = 1}, NULL, QN_BF16));
    CHECK_OK(qn_params_init(&s.p, s.m));
    CHECK_OK(qn_pool_new(&pool, threads));
    CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, threads));
    s.grad = qn_zalloc(QN_MEM_TEST, s.p.numbers, sizeof *s.grad);
    for (size_t pair = 0; pair < s.p.n; pair += 2) {
        float *tall = s.grad + s.p.slot[pair].at, *wide = s.grad + s.p.slot[pair + 1].at;
        const int n = (int)s.p.slot[pair].rows;
        for (int i = 0; i < SHORT; i++)
            for (int k = 0; k < n; k++)
                tall[k * SHORT + i] = wide[i * n + k] = gradient_at(poor, i, k);
    }
    qn_optimizer_step(o, s.grad, 1, 1, 1, pool);
    float *w = qn_alloc(QN_MEM_TEST, s.p.numbers * sizeof *w);
    memcpy(w, s.p.master, s.p.numbers * sizeof *w);
    qn_optimizer_free(o);
    qn_pool_free(pool);
    drop(&s);
    return w;
}

/* [n,SHORT] and [SHORT,n] behind it. */
static void check_pair(const float *tall, int n, bool poor) {
    static double x[SHORT * LARGE];
    const float *wide = tall + (SHORT * n + 15) / 16 * 16;
    const double near = poor ? 1e-4 : 1e-5;
    for (int i = 0; i < SHORT * n; i++)
        x[i] = (double)gradient_at(poor, i / n, i % n);
    newton_schulz(x, n);
    for (int i = 0; i < SHORT; i++)
        for (int k = 0; k < n; k++) {
            const double want = x[i * n + k], more = sqrt((double)n / SHORT);
            CHECK_NEAR(-(double)wide[i * n + k], want, near, "[%d,%d], %d %d", SHORT, n, i, k);
            CHECK_NEAR(-(double)tall[k * SHORT + i], want * more, near * more, "[%d,%d], %d %d", n, SHORT, k, i);
        }
}

static void check_step(bool poor) {
    const size_t small = 2 * ((SHORT * LONG + 15) / 16 * 16), large = 2 * ((SHORT * LARGE + 15) / 16 * 16);
    float *one = one_muon_step(1, poor), *three = one_muon_step(3, poor);
    check_pair(one, LONG, poor);
    check_pair(one + small, LARGE, poor);
    CHECK(memcmp(one, three, (small + large) * sizeof *one) == 0);
    qn_free(one);
    qn_free(three);
}

TEST(muon_over_several_blocks) { check_step(false); }
TEST(muon_where_most_singular_values_are_small) { check_step(true); }

/* ---- the norm ---- */

TEST(norm_of_the_gradient) {
    const qn_optimizer_options options = qn_optimizer_options_default(QN_OPTIMIZER_ADAMW);
    subject s = make(QN_F32);
    qn_optimizer *o;
    double sum = 0;
    CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, 1));
    CHECK(qn_optimizer_grad_norm(o, s.grad, NULL) == 0);
    fill_grad(&s, 0);
    for (size_t i = 0; i < s.p.numbers; i++)
        sum += (double)s.grad[i] * (double)s.grad[i];
    CHECK_NEAR(qn_optimizer_grad_norm(o, s.grad, NULL), sqrt(sum), 1e-12 * sqrt(sum));
    const qn_slot *last = &s.p.slot[TENSORS - 1];
    s.grad[last->at + 49] = 1e30f;                      /* its square is beyond f32 */
    CHECK_NEAR(qn_optimizer_grad_norm(o, s.grad, NULL), (double)1e30f, 1e18);
    s.grad[last->at + 49] = INFINITY;
    CHECK(isinf(qn_optimizer_grad_norm(o, s.grad, NULL)));
    s.grad[s.p.slot[0].at + 5] = NAN;
    CHECK(isnan(qn_optimizer_grad_norm(o, s.grad, NULL)));
    qn_optimizer_free(o);
    drop(&s);
}

/* ---- masters ---- */

/* 500 steps of 10⁻⁶: in bf16 every one of them would be rounded away from a number near 0.5, whose neighbours are
 * 2⁻⁹ apart. The panel stays until the master has come half way to the next. */
TEST(steps_below_a_bf16_step_add_up_in_the_masters) {
    const qn_optimizer_options options = {.kind = QN_OPTIMIZER_SGD, .eps = 1e-8};
    subject s = make(QN_BF16);
    qn_optimizer *o;
    const qn_slot *slot = &s.p.slot[0];
    float *w = qn_params_take(&s.p, slot, 0, NULL), before, after;
    w[0] = 0.5f;
    qn_params_put(&s.p, slot, 0, w);
    s.grad[slot->at] = -1;
    CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, 1));
    float row[19];
    for (int step = 1; step <= 4000; step++) {
        qn_unpack_row(row, QN_BF16, slot->packed.data, 0, slot->cols);
        before = row[0];
        qn_optimizer_step(o, s.grad, 1, 1e-6, step, NULL);
        qn_unpack_row(row, QN_BF16, slot->packed.data, 0, slot->cols);
        after = row[0];
        CHECK(after == qn_bf16_to_f32(qn_f32_to_bf16(w[0])), "step %d", step);
        CHECK(after == before || step > 1900, "step %d: the panel moves no earlier than half a bf16 step", step);
    }
    CHECK_NEAR((double)w[0], 0.504, 2e-4);
    CHECK((double)after == 0.50390625);
    qn_optimizer_free(o);
    drop(&s);
}

TEST(panels_equal_the_masters_packed_afresh) {
    for (int kind = QN_OPTIMIZER_ADAMW; kind <= QN_OPTIMIZER_SGD; kind++) {
        const qn_optimizer_options options = qn_optimizer_options_default((qn_optimizer_kind)kind);
        subject s = make(QN_BF16);
        qn_optimizer *o;
        CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, 1));
        for (int step = 0; step < 3; step++) {
            fill_grad(&s, step);
            qn_optimizer_step(o, s.grad, 1, 1e-3, step + 1, NULL);
        }
        for (size_t i = 0; i < 3; i++) {
            const qn_slot *slot = &s.p.slot[i];
            const size_t bytes = (size_t)qn_panels(slot->rows) * qn_panel_bytes(QN_BF16, slot->cols);
            char *fresh = qn_zalloc(QN_MEM_TEST, bytes, 1);
            qn_pack_panels(&(qn_pack_args){QN_F32, QN_BF16, s.p.master + slot->at, fresh, 0, slot->rows, slot->cols});
            CHECK(memcmp(fresh, slot->packed.data, bytes) == 0, "kind %d, %s", kind, slot->p->hf);
            qn_free(fresh);
        }
        qn_optimizer_free(o);
        drop(&s);
    }
}

/* ---- the rest ---- */

TEST(states_have_pytorchs_names) {
    const struct { qn_optimizer_kind kind; int n; const char *first; } want[] = {
        {QN_OPTIMIZER_ADAMW, 2, "exp_avg"}, {QN_OPTIMIZER_MUON, 2, "momentum_buffer"},
        {QN_OPTIMIZER_SGD, 1, "momentum_buffer"},
    };
    for (size_t i = 0; i < QN_LEN(want); i++) {
        const qn_optimizer_options options = qn_optimizer_options_default(want[i].kind);
        subject s = make(QN_F32);
        qn_optimizer_state states[2];
        qn_optimizer *o;
        CHECK_OK(qn_optimizer_new(&o, &s.p, qn_kernels_at(qn_test_isa()), &options, 1));
        CHECK_INT(qn_optimizer_states(o, states), want[i].n);
        CHECK_STR(states[0].name, want[i].first);
        fill_grad(&s, 0);
        qn_optimizer_step(o, s.grad, 1, 1e-3, 1, NULL);
        CHECK(states[0].data[s.p.slot[1].at + 7] != 0);
        qn_optimizer_free(o);
        drop(&s);
    }
}

TEST(what_is_refused) {
    const qn_optimizer_options good = qn_optimizer_options_default(QN_OPTIMIZER_ADAMW);
    qn_optimizer_options bad[8];
    const char *says[QN_LEN(bad)] = {"beta1 1", "beta2 -0.5", "momentum nan", "eps 0", "eps inf", "weight decay -1",
                                     QN_OPTIMIZER_CHOICES, "rate of Muon nan"};
    subject s = make(QN_F32);
    qn_optimizer *o;
    for (size_t i = 0; i < QN_LEN(bad); i++)
        bad[i] = good;
    bad[0].beta1 = 1;
    bad[1].beta2 = -0.5;
    bad[2].momentum = (double)NAN;
    bad[3].eps = 0;
    bad[4].eps = (double)INFINITY;
    bad[5].weight_decay = -1;
    bad[6].kind = (qn_optimizer_kind)9;
    bad[7].muon_rate = (double)NAN;
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        CHECK_FAIL(qn_optimizer_new(&o, &s.p, qn_kernels_at(QN_ISA_SCALAR), &bad[i], 1), QN_EINVAL, says[i], "%zu", i);
        CHECK(o == NULL);
    }
    drop(&s);
}

TEST(every_allocation_may_fail) {
    for (int kind = QN_OPTIMIZER_ADAMW; kind <= QN_OPTIMIZER_SGD; kind++) {
        const qn_optimizer_options options = qn_optimizer_options_default((qn_optimizer_kind)kind);
        subject s = make(QN_F32);
        qn_optimizer *o = NULL;
        for (int64_t i = 0; !o; i++) {
            qn_mem_fail_after(i);
            const int rc = qn_optimizer_new(&o, &s.p, qn_kernels_at(QN_ISA_SCALAR), &options, 2);
            qn_mem_fail_after(-1);
            CHECK(rc == (o ? 0 : QN_ENOMEM) && i < 50, "allocation %d", (int)i);
        }
        qn_optimizer_free(o);
        drop(&s);
    }
}
