/* tests/unit/test_schedule.c — the learning rate of every step: shapes, ends, what is refused. */
#include "test.h"

#include "train/schedule.h"

static const qn_schedule base = {QN_LR_COSINE, .peak = 3e-4, .floor = 0.1, .warmup = 10, .decay = 20, .steps = 100};

static qn_schedule of_kind(qn_lr_kind kind) {
    qn_schedule s = base;
    s.kind = kind;
    return s;
}

TEST(warm_up_is_linear_from_the_first_share_to_the_peak) {
    for (int kind = QN_LR_COSINE; kind <= QN_LR_WSD; kind++) {
        const qn_schedule s = of_kind((qn_lr_kind)kind);
        for (int64_t i = 0; i < s.warmup; i++)
            CHECK_NEAR(qn_schedule_rate(&s, i), s.peak * (double)(i + 1) / 10, 1e-18, "kind %d, step %d", kind, (int)i);
        CHECK(qn_schedule_rate(&s, 9) == s.peak, "kind %d", kind);
    }
}

static void walk(const qn_schedule *s) {
    CHECK_OK(qn_schedule_check(s));
    for (int64_t i = 0; i < s->steps + 5; i++) {
        const double now = qn_schedule_rate(s, i), next = qn_schedule_rate(s, i + 1);
        CHECK(now >= 0 && now <= s->peak, "kind %d, step %d", s->kind, (int)i);
        CHECK(i + 1 < s->warmup ? next > now : next <= now, "kind %d, step %d", s->kind, (int)i);
    }
}

TEST(it_never_rises_after_warm_up_and_is_never_negative) {
    for (int kind = QN_LR_COSINE; kind <= QN_LR_WSD; kind++)
        for (int64_t warmup = 0; warmup <= 40; warmup++)
            for (int64_t steps = 60; steps <= 63; steps++)
                walk(&(qn_schedule){(qn_lr_kind)kind, 1, 0, warmup, 20, steps});
}

TEST(all_but_constant_end_at_the_floor_and_stay_there) {
    for (int kind = QN_LR_COSINE; kind <= QN_LR_WSD; kind++) {
        const qn_schedule s = of_kind((qn_lr_kind)kind);
        const double end = kind == QN_LR_CONSTANT ? s.peak : s.peak * s.floor;
        CHECK_NEAR(qn_schedule_rate(&s, 99), end, 1e-18, "kind %d", kind);
        CHECK(qn_schedule_rate(&s, 100) == qn_schedule_rate(&s, 99), "kind %d", kind);
        CHECK(qn_schedule_rate(&s, INT64_MAX) == qn_schedule_rate(&s, 99), "kind %d", kind);
    }
}

TEST(cosine_and_linear_are_half_way_in_the_middle) {
    qn_schedule s = of_kind(QN_LR_COSINE);
    s.steps = 110;                                      /* 9 … 109: the middle is 59 */
    CHECK_NEAR(qn_schedule_rate(&s, 59), s.peak * 0.55, 1e-18);
    CHECK_NEAR(qn_schedule_rate(&s, 34), s.peak * (0.1 + 0.9 * (2 + sqrt(2)) / 4), 1e-18);
    s.kind = QN_LR_LINEAR;
    CHECK_NEAR(qn_schedule_rate(&s, 59), s.peak * 0.55, 1e-18);
    CHECK_NEAR(qn_schedule_rate(&s, 34), s.peak * (0.1 + 0.9 * 0.75), 1e-18);
}

TEST(wsd_keeps_the_peak_and_decays_by_one_minus_the_root) {
    const qn_schedule s = of_kind(QN_LR_WSD);
    for (int64_t i = 9; i <= 79; i++)
        CHECK(qn_schedule_rate(&s, i) == s.peak, "step %d", (int)i);
    CHECK(qn_schedule_rate(&s, 80) < s.peak);
    CHECK_NEAR(qn_schedule_rate(&s, 84), s.peak * (0.1 + 0.9 * 0.5), 1e-18);      /* a quarter of the way */
    CHECK_NEAR(qn_schedule_rate(&s, 99), s.peak * 0.1, 1e-18);
}

TEST(one_step_and_nothing_but_warm_up) {
    const qn_schedule one = {QN_LR_COSINE, 2, 0.5, 0, 0, 1}, one_warm = {QN_LR_LINEAR, 2, 0.5, 1, 0, 1};
    const qn_schedule all = {QN_LR_WSD, 2, 0, 8, 0, 8};
    CHECK_OK(qn_schedule_check(&one));
    CHECK_OK(qn_schedule_check(&all));
    CHECK(qn_schedule_rate(&one, 0) == 2 && qn_schedule_rate(&one_warm, 0) == 2);
    CHECK(qn_schedule_rate(&all, 7) == 2 && qn_schedule_rate(&all, 3) == 1);
}

TEST(what_is_refused) {
    const struct { qn_schedule s; const char *says; } bad[] = {
        {{QN_LR_COSINE, NAN, 0.1, 1, 0, 10}, "peak learning rate"},
        {{QN_LR_COSINE, INFINITY, 0.1, 1, 0, 10}, "peak learning rate"},
        {{QN_LR_COSINE, -1e-3, 0.1, 1, 0, 10}, "-0.001"},
        {{QN_LR_COSINE, 1, 1.5, 1, 0, 10}, "share of the peak"},
        {{QN_LR_COSINE, 1, NAN, 1, 0, 10}, "share of the peak"},
        {{QN_LR_COSINE, 1, 0.1, 0, 0, 0}, "at least one"},
        {{QN_LR_COSINE, 1, 0.1, -1, 0, 10}, "negative"},
        {{QN_LR_WSD, 1, 0.1, 1, -2, 10}, "negative"},
        {{QN_LR_COSINE, 1, 0.1, 11, 0, 10}, "11 steps of warm-up"},
        {{QN_LR_WSD, 1, 0.1, 6, 5, 10}, "longer than the run of 10"},
        {{(qn_lr_kind)7, 1, 0.1, 0, 0, 10}, QN_LR_CHOICES},
    };
    for (size_t i = 0; i < QN_LEN(bad); i++)
        CHECK_FAIL(qn_schedule_check(&bad[i].s), QN_EINVAL, bad[i].says, "%zu", i);
    CHECK_OK(qn_schedule_check(&(qn_schedule){QN_LR_COSINE, 1, 0.1, 10, 99, 10}));       /* decay is wsd's alone */
}
