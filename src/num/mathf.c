/* num/mathf.c — exp, log, tanh, sigmoid and erf in float: the scalar versions of what the vector kernels compute.
 * Formulas and constants stand in poly.h; here they are in plain C, without fused operations. */
#include "num/math.h"
#include "num/num.h"
#include "num/poly.h"

_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE binary32 and binary64");

/* 2^n, −126 <= n <= 127 */
static float pow2(int n) { return qn_f32_from_bits((uint32_t)(n + 127) << 23); }

float qn_expf(float x) {
    if (!(x <= QN_EXPF_MAX))
        return x + qn_f32_from_bits(0x7f800000u);           /* infinity; NaN stays NaN */
    if (x < QN_EXPF_ZERO)
        return 0.0f;
    const float whole = (x * QN_EXPF_LOG2E + QN_EXPF_MAGIC) - QN_EXPF_MAGIC;
    const float r = (x - whole * QN_EXPF_LN2_HI) - whole * QN_EXPF_LN2_LO;
    float p = QN_EXPF_C6;
    p = p * r + QN_EXPF_C5;
    p = p * r + QN_EXPF_C4;
    p = p * r + QN_EXPF_C3;
    p = p * r + QN_EXPF_C2;
    const float e = 1.0f + (r + r * r * p);
    const int n = (int)whole, half = n / 2;
    return e * pow2(half) * pow2(n - half);                 /* at most one of the products rounds */
}

float qn_logf(float x) {
    const float inf = qn_f32_from_bits(0x7f800000u);
    if (!(x > 0))
        return x == 0 ? -inf : qn_f32_from_bits(0x7fc00000u);
    if (!(x < inf))
        return x;
    int n = 0;
    if (x < 0x1p-126f) {
        x *= 0x1p23f;
        n = -23;
    }
    /* Moves [√½, √2) to one exponent; what overflows into it is n. */
    const uint32_t u = qn_f32_bits(x) - QN_LOGF_SQRT_1_2_BITS + 0x3f800000u;
    n += (int)(u >> 23) - 127;
    const float f = qn_f32_from_bits((u & 0x007fffffu) + QN_LOGF_SQRT_1_2_BITS) - 1.0f;
    float p = QN_LOGF_P8;
    p = p * f + QN_LOGF_P7;
    p = p * f + QN_LOGF_P6;
    p = p * f + QN_LOGF_P5;
    p = p * f + QN_LOGF_P4;
    p = p * f + QN_LOGF_P3;
    p = p * f + QN_LOGF_P2;
    p = p * f + QN_LOGF_P1;
    p = p * f + QN_LOGF_P0;
    const float k = (float)n, z = f * f;
    const float low = f * z * p - 0.5f * z + k * QN_EXPF_LN2_LO;
    return k * QN_EXPF_LN2_HI + (f + low);
}

static float magnitude(float x) { return qn_f32_from_bits(qn_f32_bits(x) & 0x7fffffffu); }

/* a >= 0 with the sign of x; −0 keeps its own. */
static float with_sign(float a, float x) { return qn_f32_from_bits(qn_f32_bits(a) | (qn_f32_bits(x) & 0x80000000u)); }

float qn_tanhf(float x) {
    const float a = magnitude(x);
    if (a < QN_TANHF_SMALL) {
        const float z = a * a;
        float p = QN_TANHF_T4;
        p = p * z + QN_TANHF_T3;
        p = p * z + QN_TANHF_T2;
        p = p * z + QN_TANHF_T1;
        p = p * z + QN_TANHF_T0;
        return with_sign(a + a * (z * p), x);
    }
    return with_sign(1.0f - 2.0f / (qn_expf(2.0f * a) + 1.0f), x);
}

float qn_sigmoidf(float x) {
    return 1.0f / (1.0f + qn_expf(-x));
}

float qn_erff(float x) {
    const float a = magnitude(x);
    if (a < QN_ERFF_SMALL) {
        const float z = a * a;
        float p = QN_ERFF_S6;
        p = p * z + QN_ERFF_S5;
        p = p * z + QN_ERFF_S4;
        p = p * z + QN_ERFF_S3;
        p = p * z + QN_ERFF_S2;
        p = p * z + QN_ERFF_S1;
        p = p * z + QN_ERFF_S0;
        return with_sign(a + a * p, x);
    }
    const float b = a > QN_ERFF_MAX ? QN_ERFF_MAX : a;      /* NaN stays NaN */
    float p = QN_ERFF_L6;
    p = p * b + QN_ERFF_L5;
    p = p * b + QN_ERFF_L4;
    p = p * b + QN_ERFF_L3;
    p = p * b + QN_ERFF_L2;
    p = p * b + QN_ERFF_L1;
    p = p * b + QN_ERFF_L0;
    return with_sign(1.0f - qn_expf(-p), x);
}
