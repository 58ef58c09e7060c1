/* tests/unit/test_speed.c — what a speed test counts: bytes and operations against numbers worked out by hand, the
 * least time on a made-up machine, the positions that it leaves behind. How fast anything is, is not asserted. */
#include "eval/speed.h"

#include "tiny_model.h"

typedef struct { qn_model *m; qn_session *s; qn_pool *pool; } rig;

static rig rig_new(qn_dtype t, int64_t window, bool untied, int64_t sequences) {
    tiny_spec spec = TINY;
    spec.dtype = t;
    spec.window = window;
    spec.untied = untied;
    rig r = {.m = tiny_model(&spec, NULL)};
    const qn_session_options o = {.context = 300, .sequences = sequences, .kv = QN_F32};
    CHECK_OK(qn_pool_new(&r.pool, 2));
    CHECK_OK(qn_session_new(&r.s, r.m, qn_kernels_at(qn_test_isa()), r.pool, &o));
    return r;
}

static void rig_drop(rig *r) {
    qn_session_free(r->s);
    qn_model_free(r->m);
    qn_pool_free(r->pool);
}

/* TINY: V 96, D 64, F 96, 2 layers, 4 heads and 2 key heads of 16. */
enum {
    LAYER = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 96 * 64,      /* numbers in the matrices of a layer */
    HEAD = 96 * 64,
    KEY_BYTES = 2 * 2 * 2 * 16 * 4                              /* of one position: K and V, layers, heads, Dh, f32 */
};

static double ops(const qn_work *w) { return w->ops[QN_UNIT_F32] + w->ops[QN_UNIT_BF16] + w->ops[QN_UNIT_INT8]; }

TEST(counts_one_token) {
    rig r = rig_new(QN_F32, 0, false, 1);
    const qn_work w = qn_speed_work(r.s, 1, 10, 1, 512);
    CHECK_NEAR(w.weight_bytes, 4 * (2 * LAYER + HEAD), 0);
    CHECK_NEAR(w.kv_bytes, 11 * KEY_BYTES, 0);
    CHECK_NEAR(w.run_bytes, w.weight_bytes + w.kv_bytes, 0);
    CHECK_NEAR(w.ops[QN_UNIT_F32], 2.0 * (2 * LAYER + HEAD) + 4.0 * 2 * 4 * 16 * 11, 0);
    CHECK_NEAR(ops(&w), w.ops[QN_UNIT_F32], 0);
    rig_drop(&r);
}

/* Eight-bit keys and values: 16 numbers and a scale; their integers multiply as floats. */
TEST(counts_keys_in_q8_0) {
    rig r = rig_new(QN_F32, 0, false, 1);
    qn_session_free(r.s);
    CHECK_OK(qn_session_new(&r.s, r.m, qn_kernels_at(qn_test_isa()), r.pool,
                            &(qn_session_options){.context = 300, .kv = QN_Q8_0}));
    const qn_work w = qn_speed_work(r.s, 1, 10, 1, 512);
    CHECK_NEAR(w.kv_bytes, 11 * 2 * 2 * 2 * (16 + 2), 0);
    CHECK_NEAR(w.ops[QN_UNIT_F32], 2.0 * (2 * LAYER + HEAD) + 4.0 * 2 * 4 * 16 * 11, 0);
    CHECK_NEAR(ops(&w), w.ops[QN_UNIT_F32], 0);
    rig_drop(&r);
}

/* 100 tokens of three sequences in runs of 60: five runs, the head once, each query its own keys. */
TEST(counts_many_tokens) {
    rig r = rig_new(QN_F32, 0, true, 1);
    const qn_work w = qn_speed_work(r.s, 3, 7, 100, 60);
    CHECK_NEAR(w.weight_bytes, 4.0 * (5 * 2 * LAYER + HEAD), 0);
    CHECK_NEAR(w.kv_bytes, 3.0 * KEY_BYTES * (27 + 47 + 67 + 87 + 107), 0);
    CHECK_NEAR(ops(&w), 300.0 * 2 * 2 * LAYER + 3.0 * 2 * HEAD + 3 * 4.0 * 2 * 4 * 16 * (100 * 7 + 5050), 0);
    rig_drop(&r);
}

TEST(a_window_limits_the_keys) {
    rig r = rig_new(QN_F32, 20, false, 1);
    const qn_work one = qn_speed_work(r.s, 1, 10, 1, 512), far = qn_speed_work(r.s, 1, 200, 1, 512);
    CHECK_NEAR(one.kv_bytes, 11 * KEY_BYTES, 0);
    CHECK_NEAR(far.kv_bytes, 20 * KEY_BYTES, 0);
    CHECK_NEAR(ops(&far) - ops(&one), 4.0 * 2 * 4 * 16 * (20 - 11), 0);
    rig_drop(&r);
}

TEST(each_dtype_has_its_unit) {
    static const struct { qn_dtype t; qn_unit unit; double bytes; } cases[] = {
        {QN_F16, QN_UNIT_F32, 2}, {QN_BF16, QN_UNIT_BF16, 2}, {QN_Q8_0, QN_UNIT_INT8, 34 / 32.0},
        {QN_Q4_0, QN_UNIT_INT8, 18 / 32.0}, {QN_Q4_1, QN_UNIT_INT8, 20 / 32.0}, {QN_Q5_0, QN_UNIT_INT8, 22 / 32.0},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        rig r = rig_new(cases[i].t, 0, false, 1);
        const qn_work w = qn_speed_work(r.s, 1, 0, 1, 512);
        const double attention = 4.0 * 2 * 4 * 16, products = 2.0 * (2 * LAYER + HEAD);
        CHECK_NEAR(w.ops[cases[i].unit], products + (cases[i].unit == QN_UNIT_F32 ? attention : 0), 0, "case %zu", i);
        CHECK_NEAR(ops(&w), products + attention, 0, "case %zu", i);
        CHECK_NEAR(w.weight_bytes, cases[i].bytes * (2 * LAYER + HEAD), 0, "case %zu", i);
        rig_drop(&r);
    }
}

TEST(the_longer_time_binds) {
    const qn_peak machine = {.threads = 1, .f32 = 100, .int8 = 400, .memory = 10, .l3 = 40, .l2 = 80,
                             .l3_bytes = 4 << 20, .l2_bytes = 512 << 10};
    qn_work w = {.weight_bytes = 1e9, .kv_bytes = 1e9, .run_bytes = 2e9, .ops = {[QN_UNIT_F32] = 1e9}};
    qn_bound b = qn_speed_bound(&w, &machine);
    CHECK(b.by_memory);
    CHECK_NEAR(b.seconds, 0.2, 1e-12);
    CHECK_NEAR(b.bandwidth, 10, 0);
    w.ops[QN_UNIT_INT8] = 200e9;
    w.ops[QN_UNIT_BF16] = 10e9;         /* this machine has no bf16 dots: they run as f32 */
    b = qn_speed_bound(&w, &machine);
    CHECK(!b.by_memory);
    CHECK_NEAR(b.seconds, 0.01 + 0.1 + 0.5, 1e-12);
    CHECK_NEAR(b.ops_rate, 211 / b.seconds, 1e-9);
    w.run_bytes = 1 << 20;
    CHECK_NEAR(qn_speed_bound(&w, &machine).bandwidth, 40, 0);
    w.run_bytes = 1 << 18;
    CHECK_NEAR(qn_speed_bound(&w, &machine).bandwidth, 80, 0);
}

/* Each thread brings its part of the caches. */
TEST(the_smallest_cache_that_holds_a_run_binds) {
    qn_peak machine = {.threads = 2, .f32 = 100, .memory = 10, .l3 = 40, .l2 = 80, .l3_bytes = 3000, .l2_bytes = 1000};
    static const struct { double bytes, bandwidth; } cases[] = {{2000, 80}, {2001, 40}, {6000, 40}, {6001, 10}};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const qn_work w = {.weight_bytes = 1e9, .run_bytes = cases[i].bytes, .ops = {[QN_UNIT_F32] = 1}};
        CHECK_NEAR(qn_speed_bound(&w, &machine).bandwidth, cases[i].bandwidth, 0, "%g bytes", cases[i].bytes);
    }
}

TEST(measures_and_leaves_the_depth) {
    rig r = rig_new(QN_Q8_0, 0, false, 3);
    const qn_speed_options o = {.prompt = 40, .gen = 5, .depth = 70, .batch = 3, .repeat = 3};
    qn_speed_result x;
    CHECK_OK(qn_speed_measure(r.s, &o, &x));
    for (int64_t i = 0; i < 3; i++)
        CHECK_INT(qn_session_length(r.s, i), 70, "sequence %d", (int)i);
    CHECK(x.first_seconds > 0 && x.prefill.least > 0 && x.decode.least > 0);
    CHECK(x.prefill.least <= x.prefill.median && x.prefill.median <= x.prefill.most);
    CHECK(x.decode.least <= x.decode.median && x.decode.median <= x.decode.most);
    CHECK_INT(x.decode_allocations, 0);
    rig_drop(&r);
}

TEST(leaves_out_what_is_not_asked) {
    rig r = rig_new(QN_F32, 0, false, 1);
    qn_speed_result x;
    CHECK_OK(qn_speed_measure(r.s, &(qn_speed_options){.gen = 3, .batch = 1, .repeat = 1}, &x));
    CHECK(x.prefill.median == 0 && x.decode.median > 0);
    CHECK_OK(qn_speed_measure(r.s, &(qn_speed_options){.prompt = 3, .batch = 1, .repeat = 2}, &x));
    CHECK(x.prefill.median > 0 && x.decode.median == 0);
    rig_drop(&r);
}

TEST(charges_each_op_once) {
    rig r = rig_new(QN_Q8_0, 0, false, 1);
    const qn_speed_options o = {.prompt = 40, .gen = 5, .batch = 1, .repeat = 1};
    qn_op_time t[32];
    for (int decode = 0; decode < 2; decode++) {
        const int n = qn_speed_profile(r.s, &o, decode, t, 32);
        CHECK(n > 3 && n < 32);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < i; j++)
                CHECK(strcmp(t[i].op, t[j].op) != 0, "%s twice", t[i].op);
            if (strcmp(t[i].op, "attention") == 0)
                CHECK_INT(t[i].calls, 2 * (decode ? 5 : 1));
            if (strcmp(t[i].op, "rmsnorm") == 0)
                CHECK_INT(t[i].calls, 5 * (decode ? 5 : 1));
        }
    }
    rig_drop(&r);
}

TEST(says_what_does_not_fit) {
    rig r = rig_new(QN_F32, 0, false, 1);
    qn_speed_result x;
    CHECK_FAIL(qn_speed_measure(r.s, &(qn_speed_options){.prompt = 200, .depth = 101, .repeat = 1}, &x), QN_ECONTEXT,
               "301 positions");
    CHECK_FAIL(qn_speed_measure(r.s, &(qn_speed_options){.prompt = 1}, &x), QN_EINVAL, "repeats");
    CHECK_FAIL(qn_speed_measure(r.s, &(qn_speed_options){.prompt = -1, .repeat = 1}, &x), QN_EINVAL, "negative");
    const int64_t before = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    for (int k = 0; k < 4; k++) {
        qn_mem_fail_after(k);
        CHECK_INT(qn_speed_measure(r.s, &(qn_speed_options){.prompt = 2, .repeat = 1}, &x), QN_ENOMEM, "allocation %d",
                  k);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_SESSION, before);
    }
    rig_drop(&r);
}
