/* num/dd.h — double-double arithmetic: a number as hi + lo, |lo| <= ulp(hi)/2, about 106 bits. For math.c, trig.c.
 *
 * The error-free sums are Knuth's and Dekker's, the product Dekker's with Veltkamp's splitting (T. J. Dekker, "A
 * floating-point technique for extending the available precision", Numer. Math. 18, 1971). No fused operation is used,
 * so that every machine gives the same bits; magnitudes stay far from overflow (2^±900), the callers see to it. */
#ifndef QN_NUM_DD_H
#define QN_NUM_DD_H

#include "base/compiler.h"

typedef struct { double hi, lo; } qn_dd;

/* a + b exactly, for |a| >= |b| or a = 0 */
static inline qn_dd qn_dd_fast_sum(double a, double b) {
    const double s = a + b;
    return (qn_dd){s, b - (s - a)};
}

/* a + b exactly */
static inline qn_dd qn_dd_sum(double a, double b) {
    const double s = a + b, t = s - a;
    return (qn_dd){s, (a - (s - t)) + (b - t)};
}

/* a · b exactly: halves of 26 bits, whose products are exact */
static inline qn_dd qn_dd_product(double a, double b) {
    const double split = 0x1p27 + 1, ta = a * split, tb = b * split;
    const double ah = ta - (ta - a), al = a - ah, bh = tb - (tb - b), bl = b - bh, p = a * b;
    return (qn_dd){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static inline qn_dd qn_dd_add(qn_dd a, qn_dd b) {
    const qn_dd s = qn_dd_sum(a.hi, b.hi);
    return qn_dd_fast_sum(s.hi, s.lo + (a.lo + b.lo));
}

static inline qn_dd qn_dd_mul(qn_dd a, qn_dd b) {
    const qn_dd p = qn_dd_product(a.hi, b.hi);
    return qn_dd_fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static inline qn_dd qn_dd_div(qn_dd a, qn_dd b) {
    const double q = a.hi / b.hi;
    const qn_dd p = qn_dd_product(q, b.hi);
    return qn_dd_fast_sum(q, ((a.hi - p.hi) - p.lo + a.lo - q * b.lo) / b.hi);
}

/* c[0] + c[1]·x + … + c[n−1]·x^(n−1), by Horner's rule, in double */
static inline double qn_polynomial(const double *c, size_t n, double x) {
    double y = c[n - 1];
    for (size_t i = n - 1; i-- > 0;)
        y = y * x + c[i];
    return y;
}
#define QN_POLYNOMIAL(c, x) qn_polynomial((c), QN_LEN(c), (x))

#endif
