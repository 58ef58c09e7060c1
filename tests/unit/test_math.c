/* tests/unit/test_math.c — the double functions: special values, exact points from mpmath, and dense samples against
 * long double, which on x86 carries 11 bits more. Bounds are those that num/math.h and docs/NUMERICS.md state. */
#include "test.h"

#include <float.h>

#include "num/math.h"
#include "num/num.h"

typedef double fn1(double);
typedef long double ref1(long double);

/* One unit in the last place of the double nearest to `exact`. */
static long double ulp_of(long double exact) {
    const double a = fabs((double)exact);
    return a < DBL_MIN ? 0x1p-1074L : ldexpl(1, ilogb(a) - 52);
}

TEST(the_build_does_not_fuse) {
    volatile double a = 1 + 0x1p-30, b = 1 - 0x1p-30, c = -1;
    CHECK(a * b + c == 0, "a fused multiply-add was used: compile with -ffp-contract=off");
}

/* Bounds in ulp, a little above the measured maxima. */
static const struct { const char *name; fn1 *f; ref1 *ref; double low, high, bound; } dense[] = {
    {"exp", qn_exp, expl, -708, 709.7, 0.54},       {"exp", qn_exp, expl, -1, 1, 0.54},
    {"exp", qn_exp, expl, -745, -708, 0.80},        {"expm1", qn_expm1, expm1l, -45, 50, 0.65},
    {"expm1", qn_expm1, expm1l, -0.5, 0.5, 0.65},   {"ln", qn_ln, logl, 0, 3, 0.501},
    {"ln", qn_ln, logl, 0.9, 1.1, 0.501},           {"ln", qn_ln, logl, 0, 1e308, 0.501},
    {"log1p", qn_log1p, log1pl, -0.999, 3, 0.501},  {"tanh", qn_tanh, tanhl, -1, 1, 0.6},
    {"tanh", qn_tanh, tanhl, -21, 21, 0.6},         {"erf", qn_erf, erfl, -1, 1, 0.80},
    {"erf", qn_erf, erfl, -6.5, 6.5, 0.96},         {"sin", qn_sin, sinl, -0.8, 0.8, 0.80},
    {"sin", qn_sin, sinl, -1e4, 1e4, 0.80},         {"sin", qn_sin, sinl, -1e9, 1e9, 0.80},
    {"cos", qn_cos, cosl, -0.8, 0.8, 0.80},         {"cos", qn_cos, cosl, -1e4, 1e4, 0.80},
    {"cos", qn_cos, cosl, -1e9, 1e9, 0.80},
};

#ifndef DENSE_POINTS
#define DENSE_POINTS 60000
#endif

TEST(dense_samples_stay_within_their_bounds) {
    if (LDBL_MANT_DIG < 64)
        SKIP("long double is no wider than double here");
    for (size_t i = 0; i < QN_LEN(dense); i++) {
        double worst = 0, at = 0;
        for (uint64_t k = 0; k < DENSE_POINTS; k++) {
            const double u = qn_rng_uniform(1, QN_RNG_TEST, i, k);
            const double x = dense[i].low + (dense[i].high - dense[i].low) * u;
            const long double exact = dense[i].ref(x);
            const double off = (double)(fabsl(dense[i].f(x) - exact) / ulp_of(exact));
            if (!(off <= worst)) {
                worst = off;
                at = x;
            }
        }
        CHECK(worst <= dense[i].bound, "%s on [%g, %g]: %.4f ulp at %a, bound %g", dense[i].name, dense[i].low,
              dense[i].high, worst, at, dense[i].bound);
    }
}

TEST(powers_stay_within_their_bound) {
    if (LDBL_MANT_DIG < 64)
        SKIP("long double is no wider than double here");
    double worst = 0, worst_x = 0, worst_y = 0;
    for (uint64_t k = 0; k < 3 * DENSE_POINTS; k++) {
        const double u = qn_rng_uniform(2, QN_RNG_TEST, 0, k), v = qn_rng_uniform(2, QN_RNG_TEST, 1, k);
        const double x = k % 3 == 0 ? exp2(u * 60 - 30) : k % 3 == 1 ? 0.5 + u : 10000 * (1 + 100 * u);
        const double y = k % 3 == 0 ? v * 40 - 20 : k % 3 == 1 ? v * 400 - 200 : -v;
        const long double exact = powl(x, y);
        const double off = (double)(fabsl(qn_pow(x, y) - exact) / ulp_of(exact));
        if (!(off <= worst)) {
            worst = off;
            worst_x = x;
            worst_y = y;
        }
    }
    CHECK(worst <= 0.54, "pow: %.4f ulp at (%a, %a)", worst, worst_x, worst_y);
}

static const struct { const char *name; fn1 *f; double bound; } points[] = {
    {"exp", qn_exp, 0.54},  {"expm1", qn_expm1, 0.65}, {"ln", qn_ln, 0.501},  {"log1p", qn_log1p, 0.501},
    {"tanh", qn_tanh, 0.6}, {"erf", qn_erf, 0.96},     {"sin", qn_sin, 0.80}, {"cos", qn_cos, 0.80},
};

static double point_value(const char *name, double x, double y, double *bound) {
    *bound = 0.54;
    if (strcmp(name, "pow") == 0)
        return qn_pow(x, y);
    for (size_t i = 0; i < QN_LEN(points); i++)
        if (strcmp(name, points[i].name) == 0) {
            *bound = points[i].bound;
            return points[i].f(x);
        }
    CHECK(false, "the fixture names an unknown function: %s", name);
    return 0;
}

TEST(chosen_points_agree_with_mpmath) {
    qn_buf text = {0};
    CHECK_OK(qn_read_file(&text, qn_test_fixture("math_points.txt"), 1 << 20));
    int n = 0;
    for (const char *at = text.s; at < text.s + text.n; n++) {
        char name[16];
        double x, y, hi, lo, bound;
        int used = 0;
        CHECK_INT(sscanf(at, "%15s %la %la %la %la\n%n", name, &x, &y, &hi, &lo, &used), 5, "line %d", n + 1);
        at += used;
        const double got = point_value(name, x, y, &bound), unit = (double)ulp_of(hi);
        const double off = fabs((got - hi) - lo) / unit;       /* got − hi is exact: they are neighbours or equal */
        CHECK(off <= bound, "%s(%a, %a) = %a is off by %.4f ulp, bound %g", name, x, y, got, off, bound);
    }
    CHECK(n > 500, "%d lines", n);
    qn_buf_drop(&text);
}

static bool same(double a, double b) {
    return (a == b && !signbit(a) == !signbit(b)) || (a != a && b != b);
}

static const struct { const char *name; fn1 *f; double x, want; } special[] = {
    {"exp", qn_exp, 0, 1},                      {"exp", qn_exp, -0.0, 1},
    {"exp", qn_exp, INFINITY, INFINITY},        {"exp", qn_exp, -INFINITY, 0},
    {"exp", qn_exp, NAN, NAN},                  {"exp", qn_exp, 709.79, INFINITY},
    {"exp", qn_exp, 1e308, INFINITY},           {"exp", qn_exp, -746, 0},
    {"exp", qn_exp, -1e308, 0},                 {"exp", qn_exp, 5e-324, 1},
    {"exp", qn_exp, -745.13, 0x1p-1074},        {"exp", qn_exp, -745.14, 0},
    {"expm1", qn_expm1, -0.0, -0.0},            {"expm1", qn_expm1, 0, 0},
    {"expm1", qn_expm1, -INFINITY, -1},         {"expm1", qn_expm1, INFINITY, INFINITY},
    {"expm1", qn_expm1, NAN, NAN},              {"expm1", qn_expm1, 5e-324, 5e-324},
    {"ln", qn_ln, 1, 0},                        {"ln", qn_ln, 0, -INFINITY},
    {"ln", qn_ln, -0.0, -INFINITY},             {"ln", qn_ln, -1, NAN},
    {"ln", qn_ln, INFINITY, INFINITY},          {"ln", qn_ln, -INFINITY, NAN},
    {"ln", qn_ln, NAN, NAN},                    {"ln", qn_ln, 0x1p-1074, -0x1.74385446d71c3p9},
    {"log1p", qn_log1p, -0.0, -0.0},            {"log1p", qn_log1p, -1, -INFINITY},
    {"log1p", qn_log1p, -1.5, NAN},             {"log1p", qn_log1p, INFINITY, INFINITY},
    {"log1p", qn_log1p, -INFINITY, NAN},        {"log1p", qn_log1p, NAN, NAN},
    {"log1p", qn_log1p, 5e-324, 5e-324},        {"tanh", qn_tanh, -0.0, -0.0},
    {"tanh", qn_tanh, INFINITY, 1},             {"tanh", qn_tanh, -INFINITY, -1},
    {"tanh", qn_tanh, NAN, NAN},                {"tanh", qn_tanh, 5e-324, 5e-324},
    {"erf", qn_erf, -0.0, -0.0},                {"erf", qn_erf, INFINITY, 1},
    {"erf", qn_erf, -INFINITY, -1},             {"erf", qn_erf, NAN, NAN},
    {"erf", qn_erf, 1e300, 1},                  {"erf", qn_erf, 5e-324, 5e-324},
    {"sin", qn_sin, -0.0, -0.0},                {"sin", qn_sin, 0, 0},
    {"sin", qn_sin, INFINITY, NAN},             {"sin", qn_sin, -INFINITY, NAN},
    {"sin", qn_sin, NAN, NAN},                  {"sin", qn_sin, 5e-324, 5e-324},
    {"cos", qn_cos, 0, 1},                      {"cos", qn_cos, -0.0, 1},
    {"cos", qn_cos, INFINITY, NAN},             {"cos", qn_cos, NAN, NAN},
    {"cos", qn_cos, 5e-324, 1},
};

TEST(special_values) {
    for (size_t i = 0; i < QN_LEN(special); i++) {
        const double got = special[i].f(special[i].x);
        CHECK(same(got, special[i].want), "%s(%g) is %a, expected %a", special[i].name, special[i].x, got,
              special[i].want);
    }
}

/* C11 F.10.4.4, line by line. */
static const struct { double x, y, want; } powers[] = {
    {0, -1, INFINITY},          {-0.0, -1, -INFINITY},      {-0.0, -3, -INFINITY},      {0, -2, INFINITY},
    {-0.0, -2, INFINITY},       {-0.0, -2.5, INFINITY},     {0, -INFINITY, INFINITY},   {-0.0, -INFINITY, INFINITY},
    {0, 3, 0},                  {-0.0, 3, -0.0},            {-0.0, 2, 0},               {-0.0, 0.5, 0},
    {-1, INFINITY, 1},          {-1, -INFINITY, 1},         {1, NAN, 1},                {1, INFINITY, 1},
    {NAN, 0, 1},                {NAN, -0.0, 1},             {INFINITY, 0, 1},           {-2, 0.5, NAN},
    {0.5, -INFINITY, INFINITY}, {-2, -INFINITY, 0},         {0.5, INFINITY, 0},         {2, INFINITY, INFINITY},
    {-INFINITY, -3, -0.0},      {-INFINITY, -2, 0},         {-INFINITY, 3, -INFINITY},  {-INFINITY, 2, INFINITY},
    {INFINITY, -1, 0},          {INFINITY, 0.1, INFINITY},  {NAN, 1, NAN},              {2, NAN, NAN},
    {-INFINITY, 0.5, INFINITY}, {-8, 3, -512},              {-8, 2, 64},                {2, 10, 1024},
    {2, -1074, 0x1p-1074},      {2, 1024, INFINITY},        {2, -1076, 0},              {-2, 1025, -INFINITY},
    {1 + DBL_EPSILON, 1e300, INFINITY}, {1 - DBL_EPSILON, 1e300, 0}, {-1, 1e300, 1},    {3, 5e-324, 1},
    {-1, 0x1.fffffffffffffp52, -1},     {10, 22, 1e22},     {-2, -1077, -0.0},          {5e-324, -1, INFINITY},
};

TEST(special_powers) {
    for (size_t i = 0; i < QN_LEN(powers); i++) {
        const double got = qn_pow(powers[i].x, powers[i].y);
        CHECK(same(got, powers[i].want), "pow(%g, %g) is %a, expected %a", powers[i].x, powers[i].y, got,
              powers[i].want);
    }
}

TEST(whole_powers_are_exact) {
    for (int b = 2; b < 40; b++) {
        double exact = 1;
        for (int e = 1; exact * b < 0x1p53; e++) {
            exact *= b;
            CHECK(qn_pow(b, e) == exact, "%d^%d", b, e);
            CHECK(qn_pow(-b, e) == (e % 2 ? -exact : exact), "(-%d)^%d", b, e);
        }
    }
}

TEST(odd_and_even) {
    for (uint64_t k = 0; k < 20000; k++) {
        const double x = (qn_rng_uniform(3, QN_RNG_TEST, 0, k) - 0.5) * exp2((double)(k % 80) - 40);
        CHECK(qn_sin(-x) == -qn_sin(x) && qn_cos(-x) == qn_cos(x), "%a", x);
        CHECK(qn_tanh(-x) == -qn_tanh(x) && fabs(qn_tanh(x)) <= 1, "%a", x);
        CHECK(qn_erf(-x) == -qn_erf(x) && fabs(qn_erf(x)) <= 1, "%a", x);
        double s, c;
        qn_sincos(x, &s, &c);
        CHECK(s == qn_sin(x) && c == qn_cos(x) && fabs(s) <= 1 && fabs(c) <= 1, "%a", x);
    }
}
