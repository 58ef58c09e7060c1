/* num/poly.h — the constants of the float functions, for the scalar versions (mathf.c) and the vector kernels alike.
 *
 * The coefficients are minimax (Remez exchange, tools/num_poly.py), rounded to float. Polynomials go by Horner's
 * rule. Where a step below is written with a product and a sum, a kernel may fuse them: the stated bounds hold both
 * ways, the bits differ between levels. */
#ifndef QN_NUM_POLY_H
#define QN_NUM_POLY_H

/* exp(x) = 2^n · e^r,   n = round(x·log2 e),   r = x − n·ln 2,   |r| <= ln 2 / 2
 *
 *   t = x·LOG2E + MAGIC;  n = t − MAGIC          rounds to nearest even and leaves n in the low bits of t
 *   r = x − n·LN2_HI − n·LN2_LO                  LN2_HI has 15 bits, so n·LN2_HI and the first difference are exact
 *   p = (((C6·r + C5)·r + C4)·r + C3)·r + C2
 *   e^r = 1 + (r + (r·r)·p)                      relative error of the polynomial 2^-27.9
 *   exp = e^r · 2^n                              as two factors 2^(n/2) · 2^(n − n/2) where n can be 128 or below −126
 *
 * Gives exactly 1 for 0. x > MAX is infinity. Below MIN the result is denormal: the scalar version rounds it gradually
 * and is 0 below ZERO; a kernel may give 0 for every x < MIN. −inf gives 0, NaN gives NaN. */
#define QN_EXPF_LOG2E  0x1.715476p0f
#define QN_EXPF_MAGIC  0x1.8p23f
#define QN_EXPF_LN2_HI 0x1.62e4p-1f
#define QN_EXPF_LN2_LO 0x1.7f7d1cp-20f
#define QN_EXPF_C2     0x1.fffffcp-2f
#define QN_EXPF_C3     0x1.555492p-3f
#define QN_EXPF_C4     0x1.5558f2p-5f
#define QN_EXPF_C5     0x1.1239e2p-7f
#define QN_EXPF_C6     0x1.6a2464p-10f
#define QN_EXPF_MAX    0x1.62e42ep6f    /* 88.72283, the last x whose exp is finite */
#define QN_EXPF_MIN    -0x1.5d589ep6f   /* −87.33654, the last x whose exp is normal */
#define QN_EXPF_ZERO   -0x1.9fe368p6f   /* −103.97208, below it exp rounds to 0 */

/* sigmoid(x) = 1 / (1 + exp(−x));  silu(x) = x / (1 + exp(−x)).
 * GELU, tanh form:  x·½·(1 + tanh u) = x / (1 + exp(−2u)),  u = √(2/π)·(x + 0.044715·x³), which keeps its relative
 * accuracy for negative x, where 1 + tanh u would cancel. */
#define QN_GELU_SQRT_2_PI 0x1.988454p-1f    /* √(2/π) */
#define QN_GELU_CUBIC     0.044715f
#define QN_GELU_SQRT_1_2  0x1.6a09e6p-1f    /* √½: GELU, exact form: x·½·(1 + erf(x·√½)) */
#define QN_GELU_INV_SQRT_2PI 0x1.988454p-2f /* 1/√(2π): the normal density, in the exact form's derivative */

/* tanh, a = |x|, the sign put back at the end:
 *   a < SMALL   a + a·z·T(z),   T = T0 + T1·z + … + T4·z⁴,   z = a²
 *   else        1 − 2 / (exp(2a) + 1)            exp's infinity gives 1 */
#define QN_TANHF_SMALL 0.625f
#define QN_TANHF_T0    -0x1.555532p-2f
#define QN_TANHF_T1    0x1.1106f6p-3f
#define QN_TANHF_T2    -0x1.b835a2p-5f
#define QN_TANHF_T3    0x1.51f8bap-6f
#define QN_TANHF_T4    -0x1.750ef4p-8f

/* erf, a = |x|, the sign put back at the end:
 *   a < SMALL   a + a·S(z),         S = S0 + S1·z + … + S6·z⁶,   z = a²
 *   else        1 − exp(−L(b)),     L = L0 + L1·b + … + L6·b⁶,   b = min(a, MAX)
 * The second polynomial is −log(1 − erf a), fitted on [SMALL, MAX]; at MAX the result rounds to 1. */
#define QN_ERFF_SMALL 1.0f
#define QN_ERFF_MAX   4.0f
#define QN_ERFF_S0    0x1.06eba8p-3f
#define QN_ERFF_S1    -0x1.81273ep-2f
#define QN_ERFF_S2    0x1.ce2ce6p-4f
#define QN_ERFF_S3    -0x1.b7f71ap-6f
#define QN_ERFF_S4    0x1.53f224p-8f
#define QN_ERFF_S5    -0x1.a3515cp-11f
#define QN_ERFF_S6    0x1.477112p-14f
#define QN_ERFF_L0    0x1.72f1c2p-12f
#define QN_ERFF_L1    0x1.2085bp0f
#define QN_ERFF_L2    0x1.46c58ap-1f
#define QN_ERFF_L3    0x1.a60a54p-4f
#define QN_ERFF_L4    -0x1.65419cp-6f
#define QN_ERFF_L5    0x1.814b32p-9f
#define QN_ERFF_L6    -0x1.852932p-13f

/* log(x) = n·ln 2 + log(1 + f),   x = 2^n·(1 + f),   √½ <= 1 + f < √2
 *   log(1 + f) = f − f²/2 + f³·P(f),   P of degree 8; n·LN2_HI is exact (the split of exp) and is added last:
 *   log = n·LN2_HI + (f + (f·f²·P(f) − f²/2 + n·LN2_LO))
 * Zero gives −inf, a negative number NaN, inf inf. A denormal is first multiplied by 2^23; a kernel may do so too, or
 * treat it as zero. */
#define QN_LOGF_SQRT_1_2_BITS 0x3f3504f3u   /* the float √½ */
#define QN_LOGF_P0 0x1.555548p-2f
#define QN_LOGF_P1 -0x1.000006p-2f
#define QN_LOGF_P2 0x1.99a4b6p-3f
#define QN_LOGF_P3 -0x1.555c4ep-3f
#define QN_LOGF_P4 0x1.233766p-3f
#define QN_LOGF_P5 -0x1.fc21eap-4f
#define QN_LOGF_P6 0x1.e6f074p-4f
#define QN_LOGF_P7 -0x1.de3cap-4f
#define QN_LOGF_P8 0x1.14582p-4f

#endif
