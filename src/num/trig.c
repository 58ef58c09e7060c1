/* num/trig.c — sin and cos in double, within 1 ulp for every finite argument, however large.
 *
 * Reduction after Payne and Hanek ("Radian reduction for trigonometric functions", SIGNUM Newsletter 18, 1983): x·2/π
 * is formed in integers, with just those bits of 2/π that matter for x, so nothing cancels; there is no second path
 * that could disagree. The remainder in double-double goes into minimax polynomials on ±π/4
 * (tools/num_poly.py). */
#include "num/dd.h"
#include "num/math.h"
#include "num/num.h"

/* 2/π = 0.w₀w₁w₂… in 32-bit words; the largest double needs 38. */
static const uint32_t two_over_pi[] = {
    0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u,
    0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu, 0xb129a73eu, 0xe88235f5u, 0x2ebb4484u,
    0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u, 0x9c845f8bu, 0xbdf9283bu, 0x1ff897ffu, 0xde05980fu,
    0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu, 0x27cb09b7u, 0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu,
    0x3d0739f7u, 0x8a5292eau, 0x6bfb5fb1u, 0x1f8d5d08u, 0x56033046u, 0xfc7b6babu,
};

/* (sin r − r) / r³ in r² */
static const double sin_tail[] = {
    -0x1.5555555555555p-3, 0x1.1111111111067p-7, -0x1.a01a019ffdba5p-13, 0x1.71de3a32a9dafp-19,
    -0x1.ae642ad72dbp-26, 0x1.6108b4cd6601p-33, -0x1.9f71a457ba3f4p-41,
};

/* (cos r − 1 + r²/2) / r⁴ in r² */
static const double cos_tail[] = {
    0x1.5555555555555p-5, -0x1.6c16c16c16b2ap-10, 0x1.a01a019ffb553p-16, -0x1.27e4fb5838613p-22,
    0x1.1eed6d05dea4bp-29, -0x1.93713ee0dfcd9p-37, 0x1.9c35aad2c8affp-45,
};

enum {
    /* Words of 2/π used: 224 bits, of which up to 31 lie above the quadrant, 53 are blurred by what was left out, and
     * at most 62 cancel (no double is nearer to a multiple of π/2): 78 remain. */
    WINDOW = 7,
    PRODUCT = WINDOW + 2
};

/* p[0] (most significant) … = m · w[0…6], m < 2^53 */
static void multiply(uint32_t p[PRODUCT], uint64_t m, const uint32_t w[WINDOW]) {
    const uint64_t half[2] = {m & 0xffffffffu, m >> 32};
    memset(p, 0, PRODUCT * sizeof *p);
    for (int h = 0; h < 2; h++) {
        uint64_t carry = 0;
        for (int i = WINDOW - 1; i >= 0; i--) {
            const uint64_t t = half[h] * w[i] + p[i + 2 - h] + carry;      /* at most 2^64 − 1 */
            p[i + 2 - h] = (uint32_t)t;
            carry = t >> 32;
        }
        p[1 - h] = (uint32_t)carry;
    }
}

/* p <<= bits, what leaves at the top is dropped. 0 < bits < 32·PRODUCT */
static void shift_left(uint32_t p[PRODUCT], int bits) {
    const int words = bits / 32, rest = bits % 32;
    for (int i = 0; i < PRODUCT; i++) {
        const int from = i + words;
        const uint32_t a = from < PRODUCT ? p[from] : 0, b = from + 1 < PRODUCT ? p[from + 1] : 0;
        p[i] = rest ? a << rest | b >> (32 - rest) : a;
    }
}

/* x = (4j + q)·π/2 + r,   |r| <= π/4 (and a rounding); q in 0…3. x finite and > 0. */
static int reduce(double x, qn_dd *r) {
    const uint64_t u = qn_f64_bits(x);
    const int e = (int)(u >> 52) - 1075;                        /* x = m·2^e */
    const uint64_t m = (u & 0x000fffffffffffffu) | 0x0010000000000000u;
    /* Bits of 2/π of weight >= 2^(2−e) give multiples of 4: leave out the words that hold only such. */
    const int first = e > 2 ? (e - 2) / 32 : 0, top = e - 32 * first;
    uint32_t p[PRODUCT];
    multiply(p, m, two_over_pi + first);                        /* m·2/π·2^e = p·2^(top − 224), modulo 4 */
    shift_left(p, 62 + top);                                    /* now the quadrant is in the two upper bits */
    const int quadrant = (int)(p[0] >> 30);
    const bool upper = p[0] >> 29 & 1;                          /* fraction >= ½: one quadrant more, fraction − 1 */
    shift_left(p, 2);
    if (upper)                                                  /* 1 − fraction, but for the last of its bits */
        for (int i = 0; i < PRODUCT; i++)
            p[i] = ~p[i];
    double weight = 0x1p-32;
    qn_dd f = {0, 0};
    for (int i = 0; i < 6; i++, weight *= 0x1p-32) {
        const qn_dd s = qn_dd_sum(f.hi, p[i] * weight);
        f = qn_dd_fast_sum(s.hi, s.lo + f.lo);
    }
    if (upper)
        f = (qn_dd){-f.hi, -f.lo};
    *r = qn_dd_mul(f, (qn_dd){0x1.921fb54442d18p0, 0x1.1a62633145c07p-54});
    return (quadrant + upper) & 3;
}

/* sin(r + l) = r + (l·(1 − r²/2) + r³·tail) */
static double sin_reduced(qn_dd r) {
    const double z = r.hi * r.hi;
    return r.hi + (r.lo * (1 - 0.5 * z) + r.hi * z * QN_POLYNOMIAL(sin_tail, z));
}

/* cos(r + l) = 1 − r²/2 + (r⁴·tail − r·l),   with what 1 − r²/2 loses in rounding put back */
static double cos_reduced(qn_dd r) {
    const double z = r.hi * r.hi, half = 0.5 * z, w = 1 - half;
    return w + (((1 - w) - half) + (z * z * QN_POLYNOMIAL(cos_tail, z) - r.hi * r.lo));
}

void qn_sincos(double x, double *s, double *c) {
    const double a = x < 0 ? -x : x;
    if (!(a < qn_f64_from_bits(0x7ff0000000000000u))) {         /* infinite, NaN */
        *s = *c = x - x;
        return;
    }
    qn_dd r = {a, 0};
    const int quadrant = a <= 0x1.921fb54442d18p-1 ? 0 : reduce(a, &r);
    const double sine = a < 0x1p-27 ? a : sin_reduced(r), cosine = cos_reduced(r);
    const double ss = quadrant & 1 ? cosine : sine, cc = quadrant & 1 ? sine : cosine;
    const double positive = quadrant & 2 ? -ss : ss;
    *s = a == 0 ? x : x < 0 ? -positive : positive;             /* −0 stays −0 */
    *c = quadrant == 1 || quadrant == 2 ? -cc : cc;
}

double qn_sin(double x) {
    double s, c;
    qn_sincos(x, &s, &c);
    return s;
}

double qn_cos(double x) {
    double s, c;
    qn_sincos(x, &s, &c);
    return c;
}
