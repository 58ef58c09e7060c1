/* tests/unit/test_stats.c — intervals and tests against cases whose answers are known exactly. */
#include "eval/stats.h"

#include "test.h"

enum { N = 400 };

TEST(an_interval_holds_what_it_should) {
    double num[N], den[N];
    qn_interval in, again, other;
    for (int i = 0; i < N; i++) {
        num[i] = i % 4 == 0;
        den[i] = 1;
    }
    /* A share of 1/4 among 400: standard deviation sqrt(3/16/400) = 0.02165, hence about 0.25 ± 0.0424. */
    CHECK_OK(qn_bootstrap(num, den, N, 1, 1000, &in));
    CHECK_NEAR(in.lo, 0.25 - 0.0424, 0.008);
    CHECK_NEAR(in.hi, 0.25 + 0.0424, 0.008);
    CHECK_OK(qn_bootstrap(num, den, N, 1, 1000, &again));
    CHECK_OK(qn_bootstrap(num, den, N, 2, 1000, &other));
    CHECK(in.lo == again.lo && in.hi == again.hi);
    CHECK(in.lo != other.lo || in.hi != other.hi);
    /* Twice the same series: no difference, ever. */
    CHECK_OK(qn_bootstrap_paired(num, den, num, den, N, 1, 1000, &in));
    CHECK(in.lo == 0 && in.hi == 0);
}

TEST(two_items_are_drawn_as_coins_fall) {
    /* 0, 1/2, 1 with chances 1/4, 1/2, 1/4: the middle 95 % reach from 0 to 1. Three items out of which the second
     * weighs nothing: the same. */
    const double num[] = {0, 0, 1}, den[] = {1, 0, 1}, pair[] = {0, 1}, ones[] = {1, 1};
    qn_interval in;
    CHECK_OK(qn_bootstrap(pair, ones, 2, 7, 1000, &in));
    CHECK(in.lo == 0 && in.hi == 1);
    CHECK_OK(qn_bootstrap(num, den, 3, 7, 1000, &in));
    CHECK(in.lo == 0 && in.hi == 1);
    /* Ratios of sums, not means of ratios: both items have 2, whatever is drawn. */
    const double bits[] = {2, 20}, bytes[] = {1, 10};
    CHECK_OK(qn_bootstrap(bits, bytes, 2, 7, 1000, &in));
    CHECK(in.lo == 2 && in.hi == 2);
}

TEST(a_share_of_all_or_nothing_has_an_exact_bound) {
    double num[20], den[20];
    qn_interval in;
    for (int i = 0; i < 20; i++) {
        num[i] = 1;
        den[i] = 1;
    }
    CHECK_OK(qn_bootstrap(num, den, 20, 1, 1000, &in));
    CHECK_NEAR(in.lo, 0.83157, 1e-5);          /* 0.025^(1/20), Clopper and Pearson */
    CHECK(in.hi == 1);
    memset(num, 0, sizeof num);
    CHECK_OK(qn_bootstrap(num, den, 20, 1, 1000, &in));
    CHECK_NEAR(in.hi, 0.16843, 1e-5);
    CHECK(in.lo == 0);
    CHECK_OK(qn_bootstrap(num, den, 0, 1, 1000, &in));
    CHECK(isnan(in.lo) && isnan(in.hi));
    memset(den, 0, sizeof den);
    CHECK_OK(qn_bootstrap(num, den, 20, 1, 1000, &in));
    CHECK(isnan(in.lo) && isnan(in.hi));
}

TEST(the_sign_test_counts_coins) {
    CHECK_NEAR(qn_sign_test(0, 0), 1, 0);
    CHECK_NEAR(qn_sign_test(5, 5), 1, 1e-12);
    CHECK_NEAR(qn_sign_test(0, 5), 2.0 / 32, 1e-12);
    CHECK_NEAR(qn_sign_test(8, 1), 2 * (1.0 + 9) / 512, 1e-12);
    CHECK_NEAR(qn_sign_test(1, 8), qn_sign_test(8, 1), 0);
    CHECK_NEAR(qn_sign_test(10, 20), 0.098737, 1e-6);       /* binomial, n = 30, k = 10, two-sided */
    CHECK(qn_sign_test(1000, 3000) < 1e-200 && qn_sign_test(1000, 3000) > 0);
}

TEST(auroc_counts_pairs_in_order) {
    const double score[] = {0.1, 0.4, 0.35, 0.8}, positive[] = {0, 0, 1, 1}, all[] = {1, 1, 1, 1};
    double a;
    qn_interval in;
    CHECK_OK(qn_auroc(score, positive, 4, 1, 1000, &a, &in));
    CHECK_NEAR(a, 0.75, 1e-15);                             /* 3 of 4 pairs */
    CHECK(in.lo >= 0 && in.lo <= 0.75 && in.hi == 1);
    const double same[] = {2, 2, 2, 2};
    CHECK_OK(qn_auroc(same, positive, 4, 1, 1000, &a, &in));
    CHECK_NEAR(a, 0.5, 0);
    CHECK(in.lo == 0.5 && in.hi == 0.5);
    CHECK_OK(qn_auroc(score, all, 4, 1, 1000, &a, &in));
    CHECK(isnan(a) && isnan(in.lo));
    CHECK_OK(qn_auroc(score, all, 0, 1, 1000, &a, &in));
    CHECK(isnan(a));
}

TEST(memory_may_fail) {
    const double num[] = {0, 1}, den[] = {1, 1};
    qn_interval in;
    double a;
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int k = 0; k < 3; k++) {
        qn_mem_fail_after(k);
        CHECK(qn_bootstrap(num, den, 2, 1, 10, &in) == (k < 2 ? QN_ENOMEM : 0));
        qn_mem_fail_after(k);
        CHECK(qn_auroc(num, num, 2, 1, 10, &a, &in) == QN_ENOMEM);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
}
