/* kernels/x86/v16_math.h — exp, tanh, erf and the activations on sixteen floats. Formulas and bounds: num/poly.h.
 *
 * Include after v16_avx512.h or v16_avx2.h. Steps are fused; with that both give the same bits. NaN gives NaN. */
#ifndef QN_KERNELS_V16_MATH_H
#define QN_KERNELS_V16_MATH_H

#include "num/poly.h"

/* x in [−105, 89] or NaN. Beyond QN_EXPF_MAX the scaling overflows to infinity, below QN_EXPF_ZERO it rounds to 0. */
QN_INLINE v16 v16_exp_bounded(v16 x) {
    const v16 magic = v16_all(QN_EXPF_MAGIC);
    const v16 n = v16_sub(v16_fma(x, v16_all(QN_EXPF_LOG2E), magic), magic);
    const v16 r = v16_fnma(n, v16_all(QN_EXPF_LN2_LO), v16_fnma(n, v16_all(QN_EXPF_LN2_HI), x));
    v16 p = v16_fma(v16_all(QN_EXPF_C6), r, v16_all(QN_EXPF_C5));
    p = v16_fma(p, r, v16_all(QN_EXPF_C4));
    p = v16_fma(p, r, v16_all(QN_EXPF_C3));
    p = v16_fma(p, r, v16_all(QN_EXPF_C2));
    const v16 e = v16_add(v16_all(1.0f), v16_fma(v16_mul(r, r), p, r));
    return v16_scale2(e, n);
}

QN_INLINE v16 v16_exp(v16 x) { return v16_exp_bounded(v16_min(v16_all(89.0f), v16_max(v16_all(-105.0f), x))); }
QN_INLINE v16 v16_exp_negative(v16 x) { return v16_exp_bounded(v16_max(v16_all(-105.0f), x)); }     /* x <= 0 */

QN_INLINE v16 v16_sigmoid(v16 x) {
    const v16 one = v16_all(1.0f);
    return v16_div(one, v16_add(one, v16_exp(v16_sub(v16_zero(), x))));
}

QN_INLINE v16 v16_tanh(v16 x) {
    const v16 a = v16_abs(x), z = v16_mul(a, a), one = v16_all(1.0f);
    v16 t = v16_fma(v16_all(QN_TANHF_T4), z, v16_all(QN_TANHF_T3));
    t = v16_fma(t, z, v16_all(QN_TANHF_T2));
    t = v16_fma(t, z, v16_all(QN_TANHF_T1));
    t = v16_fma(t, z, v16_all(QN_TANHF_T0));
    const v16 small = v16_fma(v16_mul(a, z), t, a);
    const v16 large = v16_sub(one, v16_div(v16_all(2.0f), v16_add(v16_exp(v16_add(a, a)), one)));
    return v16_sign(v16_pick(v16_lt(a, v16_all(QN_TANHF_SMALL)), small, large), x);
}

QN_INLINE v16 v16_erf(v16 x) {
    const v16 a = v16_abs(x), z = v16_mul(a, a), b = v16_min(v16_all(QN_ERFF_MAX), a);
    v16 s = v16_fma(v16_all(QN_ERFF_S6), z, v16_all(QN_ERFF_S5));
    s = v16_fma(s, z, v16_all(QN_ERFF_S4));
    s = v16_fma(s, z, v16_all(QN_ERFF_S3));
    s = v16_fma(s, z, v16_all(QN_ERFF_S2));
    s = v16_fma(s, z, v16_all(QN_ERFF_S1));
    s = v16_fma(s, z, v16_all(QN_ERFF_S0));
    v16 l = v16_fma(v16_all(QN_ERFF_L6), b, v16_all(QN_ERFF_L5));
    l = v16_fma(l, b, v16_all(QN_ERFF_L4));
    l = v16_fma(l, b, v16_all(QN_ERFF_L3));
    l = v16_fma(l, b, v16_all(QN_ERFF_L2));
    l = v16_fma(l, b, v16_all(QN_ERFF_L1));
    l = v16_fma(l, b, v16_all(QN_ERFF_L0));
    const v16 small = v16_fma(a, s, a), large = v16_sub(v16_all(1.0f), v16_exp(v16_sub(v16_zero(), l)));
    return v16_sign(v16_pick(v16_lt(a, v16_all(QN_ERFF_SMALL)), small, large), x);
}

/* `kind` is a constant where this is inlined. */
QN_INLINE v16 v16_act(v16 x, qn_act kind) {
    const v16 one = v16_all(1.0f), zero = v16_zero();
    switch (kind) {
    case QN_ACT_RELU: return v16_max(zero, x);
    case QN_ACT_RELU2: return v16_mul(v16_max(zero, x), v16_max(zero, x));
    case QN_ACT_GELU: {
        const v16 half = v16_mul(x, v16_all(0.5f));
        return v16_fma(half, v16_erf(v16_mul(x, v16_all(QN_GELU_SQRT_1_2))), half);
    }
    case QN_ACT_GELU_TANH: {
        const v16 cube = v16_mul(v16_mul(x, x), x), u = v16_fma(v16_all(QN_GELU_CUBIC), cube, x);
        return v16_div(x, v16_add(one, v16_exp(v16_mul(v16_all(-2.0f * QN_GELU_SQRT_2_PI), u))));
    }
    case QN_ACT_SILU: return v16_div(x, v16_add(one, v16_exp(v16_sub(zero, x))));
    case QN_ACT_TANH: return v16_tanh(x);
    default: return v16_sigmoid(x);
    }
}

#endif
