/* num/math.c — exp, expm1, ln, log1p, tanh, erf and pow in double, each within 1 ulp. (sin and cos: trig.c)
 *
 * One method throughout: reduce the argument in double-double (dd.h), evaluate the leading terms of the series there,
 * the small rest as a minimax polynomial in double (coefficients from tools/num_poly.py), and round once at the end.
 * Speed is secondary here: these fill tables, schedules and judges; what runs per element is float (mathf.c and the
 * kernels). */
#include "num/math.h"
#include "num/dd.h"
#include "num/num.h"

#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "double-double needs every operation rounded to double (x87 does not)");

#define INF qn_f64_from_bits(0x7ff0000000000000u)
#define QUIET_NAN qn_f64_from_bits(0x7ff8000000000000u)

#define LOG2E 0x1.71547652b82fep0
#define LN2_HI 0x1.62e42feep-1                  /* 32 bits: k·LN2_HI is exact for |k| < 2^21 */
#define LN2_LO 0x1.a39ef35793c76p-33

/* (e^r − 1 − r − r²/2) / r³,   |r| <= ln 2 / 2 */
static const double exp_tail[] = {
    0x1.5555555555555p-3, 0x1.5555555555557p-5, 0x1.1111111111113p-7, 0x1.6c16c16c156bdp-10,
    0x1.a01a01a0182e9p-13, 0x1.a01a01ab50ea5p-16, 0x1.71de3a603c1c9p-19, 0x1.27e4d0c1c9a21p-22,
    0x1.ae641623966fp-26, 0x1.1f84a89f7b5abp-29, 0x1.61e094b525cebp-33,
};

/* (atanh(s)/s − 1 − z/3 − z²/5) / z³,   z = s²,   |s| <= 3 − √8 */
static const double log_tail[] = {
    0x1.2492492492489p-3, 0x1.c71c71c71f245p-4, 0x1.745d174349159p-4, 0x1.3b13b28122da9p-4,
    0x1.1110b000d3f83p-4, 0x1.e20529cb85146p-5, 0x1.ab5210b1d645dp-5, 0x1.c062d5d863278p-5,
};

/* erf(x)/x − 1 in x²,   |x| <= 1 */
static const double erf_small[] = {
    0x1.06eba8214db69p-3, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b34p-4, -0x1.b82ce31284f38p-6,
    0x1.565bcd0dbd91ap-8, -0x1.c02db3db496fdp-11, 0x1.f9a321e4b8dd5p-14, -0x1.f4d1e434dbbb5p-17,
    0x1.b9df305f2e0fep-20, -0x1.5f1f4116dd77fp-23, 0x1.f7b99ee7127a6p-27, -0x1.38ac27943cc48p-30,
    0x1.062768c67f7dfp-34,
};

/* erfc(x) · exp(x²) · (1 + 2x) in (x − 2)/(x + 2),   1 <= x <= 6 */
static const double erfc_large[] = {
    0x1.46e80e2277953p0, -0x1.7bf5ec170062dp-4, -0x1.5407bebf32483p-3, 0x1.4ffa1e14e2534p-3,
    -0x1.bc2b95618e93fp-5, -0x1.07423403becd7p-7, 0x1.1dd2ec8677a8ep-7, 0x1.4d461c69edceep-10,
    -0x1.7de516991ebadp-10, -0x1.dc690dcde651dp-12, 0x1.b0c2ad70188cbp-13, 0x1.3cc19b63f9228p-13,
    -0x1.77ce570dcf87ep-20, -0x1.326aad19cf59ep-15, -0x1.d7b738abfe039p-17, 0x1.368db7433bf8ap-18,
    0x1.a57c33515d7bap-18, -0x1.543a375df4c56p-20,
};

/* 2^k, −1022 <= k <= 1023 */
static double pow2(int k) { return qn_f64_from_bits((uint64_t)(k + 1023) << 52); }

/* y · 2^k for y about 1, with one rounding at most: where the result is denormal. */
static double scale(double y, int k) {
    if (k > 1023)
        return y * 0x1p1023 * pow2(k - 1023);
    if (k < -1022)
        return y * pow2(k + 100) * 0x1p-100;
    return y * pow2(k);
}

/* e^(x.hi + x.lo) = 2^k · (1 + p):   k = round(x·log2 e),   r = x − k·ln 2,   p = r + r²/2 + r³·tail(r). |x| < 1100. */
static qn_dd exp_reduced(qn_dd x, int *k) {
    const double magic = 0x1.8p52, whole = (x.hi * LOG2E + magic) - magic;
    *k = (int)whole;
    const qn_dd d = qn_dd_sum(x.hi - whole * LN2_HI, -(whole * LN2_LO));
    const qn_dd rest = qn_dd_sum(d.hi, d.lo + x.lo);        /* x.lo goes with x, not with what is left of it */
    const double r = rest.hi, rl = rest.lo;
    const qn_dd square = qn_dd_product(r, r);
    const qn_dd p = qn_dd_fast_sum(r, 0.5 * square.hi);
    const double small = 0.5 * square.lo + rl * (1 + r) + r * square.hi * QN_POLYNOMIAL(exp_tail, r);
    return qn_dd_fast_sum(p.hi, p.lo + small);
}

/* e^x for a sum x, with overflow and underflow. */
static double exp_dd(qn_dd x) {
    if (x.hi > 710)
        return INF;
    if (x.hi < -746)
        return 0;
    int k;
    const qn_dd p = exp_reduced(x, &k);
    const qn_dd y = qn_dd_fast_sum(1, p.hi);
    return scale(y.hi + (y.lo + p.lo), k);
}

double qn_exp(double x) {
    return x == x ? exp_dd((qn_dd){x, 0}) : x;
}

double qn_expm1(double x) {
    const double a = x < 0 ? -x : x;
    if (!(a > 0x1p-54))                         /* also ±0; the next term would be below half an ulp */
        return x;
    if (!(x < 45))                              /* 1 is far below an ulp of e^x; also NaN */
        return qn_exp(x);
    if (x < -40)
        return -1;
    int k;
    const qn_dd p = exp_reduced((qn_dd){x, 0}, &k);
    if (k == 0)
        return p.hi + p.lo;
    const double power = pow2(k);
    const qn_dd whole = qn_dd_sum(power, -1);
    const qn_dd y = qn_dd_add(whole, (qn_dd){p.hi * power, p.lo * power});
    return y.hi + y.lo;
}

/* log(x.hi + x.lo), x.hi positive and finite, to about 2^-68 of itself.
 *
 *   x = 2^k · m,   m in [√½, √2);   s = (m − 1)/(m + 1),   z = s²
 *   log m = 2·atanh(s) = 2s·(1 + z/3 + z²/5 + z³·tail(z)) */
static qn_dd log_dd(qn_dd x) {
    int k = 0;
    if (x.hi < 0x1p-1022) {
        x.hi *= 0x1p54;
        k = -54;
    }
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu, one = 0x3ff0000000000000u;
    const uint64_t u = qn_f64_bits(x.hi) - sqrt_half + one;
    const int shift = (int)(u >> 52) - 1023;
    k += shift;
    const double m = qn_f64_from_bits((u & 0x000fffffffffffffu) + sqrt_half);
    const double ml = x.lo == 0 ? 0 : x.lo * pow2(-shift);
    const qn_dd f = qn_dd_fast_sum(m - 1, ml), below = qn_dd_sum(m, 1);
    const qn_dd s = qn_dd_div(f, (qn_dd){below.hi, below.lo + ml});
    const qn_dd z = qn_dd_mul(s, s);
    const qn_dd third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    const qn_dd fifth = {0x1.999999999999ap-3, -0x1.999999999999ap-57};
    qn_dd t = qn_dd_add(fifth, (qn_dd){z.hi * QN_POLYNOMIAL(log_tail, z.hi), 0});
    t = qn_dd_add(third, qn_dd_mul(z, t));
    t = qn_dd_add((qn_dd){1, 0}, qn_dd_mul(z, t));
    t = qn_dd_mul(s, t);
    return qn_dd_add(qn_dd_sum(k * LN2_HI, k * LN2_LO), (qn_dd){2 * t.hi, 2 * t.lo});
}

double qn_ln(double x) {
    if (!(x > 0))
        return x == 0 ? -INF : QUIET_NAN;
    if (x == INF)
        return x;
    const qn_dd y = log_dd((qn_dd){x, 0});
    return y.hi + y.lo;
}

double qn_log1p(double x) {
    const double a = x < 0 ? -x : x;
    if (!(a > 0x1p-54) || x == INF)
        return x;
    if (!(x > -1))
        return x == -1 ? -INF : QUIET_NAN;
    const qn_dd y = log_dd(qn_dd_sum(1, x));
    return y.hi + y.lo;
}

/* tanh a = t/(t + 2),   t = e^2a − 1 */
double qn_tanh(double x) {
    const double a = x < 0 ? -x : x;
    if (!(a > 0x1p-28))                         /* x³/3 is below half an ulp; also ±0 */
        return x;
    if (!(a < 20))                              /* 1 − tanh a < 2^-56; also NaN */
        return x == x ? (x < 0 ? -1 : 1) : x;
    int k;
    const qn_dd p = exp_reduced((qn_dd){2 * a, 0}, &k);
    const double power = pow2(k);
    const qn_dd t = qn_dd_add(qn_dd_sum(power, -1), (qn_dd){p.hi * power, p.lo * power});
    const qn_dd y = qn_dd_div(t, qn_dd_add(t, (qn_dd){2, 0}));
    return x < 0 ? -(y.hi + y.lo) : y.hi + y.lo;
}

/* x + x·small(x²), |x| < 1, the two lowest terms of the polynomial in double-double: they are large and of opposite
 * sign. */
static double erf_near_zero(double x) {
    const qn_dd z = qn_dd_product(x, x);
    const double rest = z.hi * qn_polynomial(erf_small + 2, QN_LEN(erf_small) - 2, z.hi);
    const qn_dd p = qn_dd_add((qn_dd){erf_small[0], 0}, qn_dd_mul(z, qn_dd_sum(erf_small[1], rest)));
    const qn_dd y = qn_dd_add((qn_dd){x, 0}, qn_dd_mul((qn_dd){x, 0}, p));
    return y.hi + y.lo;
}

/* Above 1: 1 − erfc, erfc(a) = exp(−a²)·large(t)/(1 + 2a),   t = (a − 2)/(a + 2), where a² must be known beyond double:
 * e^−a² repeats its absolute error as a relative one. */
double qn_erf(double x) {
    const double a = x < 0 ? -x : x;
    if (a < 0x1p-500)                           /* keep the small products out of the denormals */
        return (x * 0x1p100 + x * 0x1p100 * erf_small[0]) * 0x1p-100;
    if (a < 1)
        return erf_near_zero(x);
    if (!(a < 6))                               /* erfc(6) < 2^-55; also NaN */
        return x == x ? (x < 0 ? -1 : 1) : x;
    const qn_dd square = qn_dd_product(a, a);
    const double e = exp_dd((qn_dd){-square.hi, -square.lo});
    const double y = 1 - e * QN_POLYNOMIAL(erfc_large, (a - 2) / (a + 2)) / (1 + 2 * a);
    return x < 0 ? -y : y;
}

/* 0 not whole, 1 odd, 2 even. */
static int wholeness(double y) {
    const double a = y < 0 ? -y : y;
    if (a >= 0x1p53)
        return 2;
    const int64_t n = (int64_t)a;
    return (double)n != a ? 0 : n & 1 ? 1 : 2;
}

/* What C11 annex F wants where y, or x, is 0 or infinite. a = |x|. */
static double pow_special(double a, double y) {
    if (y == INF || y == -INF)
        return a == 1 ? 1 : (a > 1) == (y > 0) ? INF : 0;
    return (a == 0) == (y > 0) ? 0 : INF;
}

double qn_pow(double x, double y) {
    if (y == 0 || x == 1)
        return 1;
    if (x != x || y != y)
        return x + y;
    const int whole = wholeness(y);
    const double a = x < 0 ? -x : x;
    const bool negative = qn_f64_bits(x) >> 63 && whole == 1;
    double z;
    if (a == 0 || a == INF || y == INF || y == -INF) {
        z = pow_special(a, y);
    } else if (x < 0 && !whole) {
        return QUIET_NAN;
    } else if (y > 0x1p64 || y < -0x1p64) {     /* |log a| >= 2^-53 unless a is 1 */
        z = a == 1 ? 1 : (a > 1) == (y > 0) ? INF : 0;
    } else {
        z = exp_dd(qn_dd_mul(log_dd((qn_dd){a, 0}), (qn_dd){y, 0}));
    }
    return negative ? -z : z;
}
