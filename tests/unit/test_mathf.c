/* tests/unit/test_mathf.c — the float functions against the double ones (which test_math.c holds to within an ulp of a
 * double), over the whole range of floats at a prime stride: every exponent, all low bits. -DSTRIDE=1 takes every
 * float. */
#include "test.h"

#include <float.h>

#include "num/math.h"
#include "num/num.h"
#include "num/poly.h"

#ifndef STRIDE
#define STRIDE 1009
#endif

static double sigmoid(double x) { return 1 / (1 + qn_exp(-x)); }

/* Bounds in ulp, a little above the measured maxima. */
static const struct { const char *name; float (*f)(float); double (*ref)(double); float low, high; double bound; }
functions[] = {
    {"expf", qn_expf, qn_exp, -104.5f, 88.7228317f, 1.0},
    {"logf", qn_logf, qn_ln, 0x1p-149f, FLT_MAX, 0.9},
    {"tanhf", qn_tanhf, qn_tanh, -FLT_MAX, FLT_MAX, 1.5},
    {"sigmoidf", qn_sigmoidf, sigmoid, -87.3f, FLT_MAX, 3.0},
    {"erff", qn_erff, qn_erf, -FLT_MAX, FLT_MAX, 1.5},
};

static double ulps(float got, double exact) {
    const double a = fabs(exact), unit = a < FLT_MIN ? 0x1p-149 : ldexp(1, ilogb(a) - 23);
    return fabs((double)got - exact) / unit;
}

TEST(every_function_stays_within_its_bound) {
    for (size_t i = 0; i < QN_LEN(functions); i++) {
        double worst = 0;
        float at = 0;
        for (uint64_t bits = 0; bits < 1ull << 32; bits += STRIDE) {
            const float x = qn_f32_from_bits((uint32_t)bits);
            if (!(x >= functions[i].low && x <= functions[i].high))
                continue;
            const double off = ulps(functions[i].f(x), functions[i].ref((double)x));
            if (!(off <= worst)) {
                worst = off;
                at = x;
            }
        }
        CHECK(worst <= functions[i].bound, "%s: %.4f ulp at %a, bound %g", functions[i].name, worst, (double)at,
              functions[i].bound);
    }
}

static bool same(float a, float b) {
    return (a == b && !signbit(a) == !signbit(b)) || (a != a && b != b);
}

static const struct { const char *name; float (*f)(float); float x, want; } special[] = {
    {"expf", qn_expf, 0, 1},                            {"expf", qn_expf, -0.0f, 1},
    {"expf", qn_expf, INFINITY, INFINITY},              {"expf", qn_expf, -INFINITY, 0},
    {"expf", qn_expf, NAN, NAN},                        {"expf", qn_expf, FLT_MAX, INFINITY},
    {"expf", qn_expf, -FLT_MAX, 0},                     {"expf", qn_expf, 88.7228394f, INFINITY},
    {"expf", qn_expf, QN_EXPF_ZERO, 0x1p-149f},         {"expf", qn_expf, -103.9721f, 0},
    {"expf", qn_expf, 1e-45f, 1},                       {"logf", qn_logf, 1, 0},
    {"logf", qn_logf, 0, -INFINITY},                    {"logf", qn_logf, -0.0f, -INFINITY},
    {"logf", qn_logf, -1, NAN},                         {"logf", qn_logf, -1e-45f, NAN},
    {"logf", qn_logf, INFINITY, INFINITY},              {"logf", qn_logf, -INFINITY, NAN},
    {"logf", qn_logf, NAN, NAN},                        {"tanhf", qn_tanhf, -0.0f, -0.0f},
    {"tanhf", qn_tanhf, 0, 0},                          {"tanhf", qn_tanhf, INFINITY, 1},
    {"tanhf", qn_tanhf, -INFINITY, -1},                 {"tanhf", qn_tanhf, NAN, NAN},
    {"tanhf", qn_tanhf, 1e-45f, 1e-45f},                {"sigmoidf", qn_sigmoidf, 0, 0.5f},
    {"sigmoidf", qn_sigmoidf, INFINITY, 1},             {"sigmoidf", qn_sigmoidf, -INFINITY, 0},
    {"sigmoidf", qn_sigmoidf, NAN, NAN},                {"erff", qn_erff, -0.0f, -0.0f},
    {"erff", qn_erff, 0, 0},                            {"erff", qn_erff, INFINITY, 1},
    {"erff", qn_erff, -INFINITY, -1},                   {"erff", qn_erff, NAN, NAN},
    {"erff", qn_erff, 1e-45f, 1e-45f},
};

TEST(special_values_of_floats) {
    for (size_t i = 0; i < QN_LEN(special); i++) {
        const float got = special[i].f(special[i].x);
        CHECK(same(got, special[i].want), "%s(%g) is %a, expected %a", special[i].name, (double)special[i].x,
              (double)got, (double)special[i].want);
    }
    CHECK(isfinite(qn_expf(QN_EXPF_MAX)) && qn_expf(nextafterf(QN_EXPF_MAX, INFINITY)) == INFINITY);
    CHECK(qn_expf(QN_EXPF_MIN) >= FLT_MIN && qn_expf(nextafterf(QN_EXPF_MIN, -INFINITY)) < FLT_MIN);
}

TEST(odd_functions_are_odd_and_bounded) {
    for (uint64_t bits = 0; bits < 1ull << 31; bits += 65521) {
        const float x = qn_f32_from_bits((uint32_t)bits);
        if (x != x)
            continue;
        const float t = qn_tanhf(x), e = qn_erff(x);
        CHECK(qn_tanhf(-x) == -t && fabsf(t) <= 1, "tanh %a", (double)x);
        CHECK(qn_erff(-x) == -e && fabsf(e) <= 1, "erf %a", (double)x);
    }
}
