/* kernels/selftest_rows.c — norms, softmax, activations and the other rows against the f64 judge.
 *
 * A family is a few lines: how it is called, and the bound on each result, from the judge's inputs. With u = 2⁻²⁴ and
 * S = (n/16 + 12)·u, the relative error of a sum over n by sixteen lanes, with some roundings after it:
 *
 *   rmsnorm        S·|y|
 *   rmsnorm_grad   dx: S·(|dx₀| + r·(|g·w| + |x|·r²·mean|g·w·x|))        dw: 4u·(|dw₀| + |g·x·r|)
 *   layernorm      |w|·rstd·(E + |x−mean|·(S + E·rstd)) + 4u·(|y| + |b|),   E = S·mean|x| + u·|x|
 *   softmax        |y|·(S + u·|x−m| + u·max over the visible |x−m|)
 *   logsumexp      S + u·(|x−m| averaged by softmax: at most ln n + 1)
 *   argmax         the judge's index
 *   act            by kind, see act_bound;  glu: |up| times that, and one rounding
 *   add, scale     u·|y|
 *   rope           3u·(|a·cos| + |b·sin|)
 *   act_grad       2u·(|dx₀| + |g·act′|) + |g|·slope_bound;  glu_grad: the same twice
 *   layernorm_grad dx: S·(|dx₀| + rstd·(|g·w| + mean|g·w| + |x̂|·mean|g·w·x̂|))        dw, db: 4u·(|y₀| + |g·x̂|)
 *   xent_grad      scale·p·(8u + u·(|x| + |lse|)) + 2u·scale for the target
 *   adamw          m: 4u·(2|m| + |g|)    v: 6u·v    w: 4u·(|w| + 3·|step|) + what m's error makes of the step
 *   sgd            m: 8u·(|m| + |g| + |w|)    w: 2u·|w| + rate·that    blend: 4u·(|g| + |m|)    axpby: 4u·(|y| + |a·x|)
 *   sum_squares    the judge's bits
 * and 2⁻¹²⁰ beside each, since results below the normal range need not be gradual. Where the judge leaves the range of
 * f32, only a value that is not finite, or is right, is asked for; where it is NaN, NaN.
 *
 * Arrays end at pages that must not be touched, so that odd lengths are misaligned as well. */
#include "kernels/selftest.h"

#include <float.h>
#include <math.h>

enum { MAX_IN = 4, MAX_OUT = 3, MAX_N = 1040 };
#define U 0x1p-24
#define FLOOR 0x1p-120

/* One call's operands, in float or in double. */
typedef struct {
    void *x[MAX_IN], *y[MAX_OUT];
    double result;                          /* what the function returns */
} operands;

typedef void any_fn(void);
typedef enum { RANDOM, ZEROS, EDGES, WIDE, HUGE_VALUES, ONE_NAN, KINDS } input;
static const char *const kind_names[KINDS] = {"random", "zeros", "edges", "wide", "max", "NaN"};

typedef struct {
    const char *name;
    int inputs, outputs, variants;
    bool huge;                              /* survives ±FLT_MAX as input: squares nothing that must not overflow */
    bool pointwise;                         /* y[i] depends on inputs [i] alone: cutting the row changes no bit */
    void (*call)(any_fn *fn, operands *o, int64_t n, int variant, size_t real);
    /* bound[k][i] for output k; *result for the returned number. `o` holds the judge's inputs and results. */
    void (*bound)(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result);
} family;

/* ---- families ---- */

static const double *X(const operands *o, int i) { return o->x[i]; }
static const double *Y(const operands *o, int i) { return o->y[i]; }
static double sum_error(int64_t n) { return ((double)n / 16 + 12) * U; }

static const double eps = 1e-5;

static void rmsnorm_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    o->result = ((qn_rmsnorm_fn *)fn)(o->y[0], o->x[0], o->x[1], n, eps);
}
static void rmsnorm_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)variant;
    for (int64_t i = 0; i < n; i++)
        bound[0][i] = sum_error(n) * fabs(Y(o, 0)[i]) + 0x1p-148 * fabs(X(o, 1)[i]);
    *result = sum_error(n) * o->result;
}

/* r belongs to x, as the forward kernel returned it. Inputs: g, x, w. */
static double rms_inverse(const double *x, int64_t n) {
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    return (double)(float)(1 / sqrt(squares / (double)n + eps));
}
static double element(const void *p, int64_t i, size_t real) {
    return real == sizeof(float) ? (double)((const float *)p)[i] : ((const double *)p)[i];
}
static void rmsnorm_grad_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    double x[MAX_N];
    (void)variant;
    for (int64_t i = 0; i < n; i++)
        x[i] = element(o->x[1], i, real);
    o->result = 0;
    ((qn_rmsnorm_grad_fn *)fn)(o->y[0], o->y[1], o->x[0], o->x[1], o->x[2], rms_inverse(x, n), n);
}
static void rmsnorm_grad_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT],
                               double *result) {
    const double *g = X(o, 0), *x = X(o, 1), *w = X(o, 2), r = rms_inverse(x, n);
    double mean = 0;
    (void)variant, (void)result;
    for (int64_t i = 0; i < n; i++)
        mean += fabs(g[i] * w[i] * x[i]) / (double)n;
    for (int64_t i = 0; i < n; i++) {       /* |y₀| ≤ |y| + |y − y₀| */
        const double dx = r * (fabs(g[i] * w[i]) + fabs(x[i]) * r * r * mean), dw = fabs(g[i] * x[i] * r);
        bound[0][i] = sum_error(n) * (fabs(Y(o, 0)[i]) + 2 * dx);
        bound[1][i] = 4 * U * (fabs(Y(o, 1)[i]) + 2 * dw);
    }
}

/* The returned number is rstd; the mean shows in y. Variant 1 has no bias. */
static void layernorm_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    double stat[2] = {0};
    ((qn_layernorm_fn *)fn)(o->y[0], o->x[0], o->x[1], variant ? NULL : o->x[2], n, eps, stat);
    o->result = element(stat, 1, real);
}
static void layernorm_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    const double *x = X(o, 0), *w = X(o, 1), *b = X(o, 2), S = sum_error(n), rstd = o->result;
    double mean = 0, reach = 0, widest = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += x[i] / (double)n;
        reach += fabs(x[i]) / (double)n;
        widest = fmax(widest, fabs(x[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs(x[i] - mean), e = S * reach + 2 * U * fabs(x[i]);
        bound[0][i] = fabs(w[i]) * rstd * (e + d * (S + (S * reach + 2 * U * widest) * rstd)) +
                      4 * U * (fabs(Y(o, 0)[i]) + (variant ? 0 : fabs(b[i])));
    }
    *result = rstd * (S + (S * reach + 2 * U * widest) * rstd);
}

static double max_of(const double *x, int64_t n) {
    double m = x[0];
    for (int64_t i = 1; i < n; i++)
        m = fmax(m, x[i]);
    return m;
}

static void softmax_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    ((qn_softmax_fn *)fn)(o->y[0], o->x[0], n);
}
static void softmax_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    const double m = max_of(X(o, 0), n);
    (void)variant, (void)result;
    for (int64_t i = 0; i < n; i++)         /* Σ y·|x−m| ≤ ln n + 1 bounds what the sum inherits from its exponents */
        bound[0][i] = Y(o, 0)[i] * (sum_error(n) + U * (m - X(o, 0)[i] + log((double)n) + 1));
}

static void logsumexp_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    o->result = ((qn_logsumexp_fn *)fn)(o->x[0], n);
}
static void logsumexp_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)variant, (void)bound;
    *result = sum_error(n) + U * (log((double)n) + 1) + 4 * DBL_EPSILON * fabs(o->result);
}

static void argmax_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    o->result = (double)((qn_argmax_fn *)fn)(o->x[0], n);
}
static void argmax_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)o, (void)n, (void)variant, (void)bound;
    *result = 0;
}

/* In u·|y|: ReLU exact, its square one rounding; sigmoid and tanh four to six; SiLU's exponent is exact. The exponent
 * of GELU's tanh form has three roundings of its own size; the exact form loses 1 + erf to cancellation. */
static double act_bound(double x, double y, qn_act kind) {
    switch (kind) {
    case QN_ACT_RELU: return 0;
    case QN_ACT_RELU2: return U * fabs(y);
    case QN_ACT_GELU: return 4 * U * fabs(x) * (fabs(x) < 4 || x > 0 ? 1 : 0.5);
    case QN_ACT_GELU_TANH: {
        const double t = fabs(2 * 0.7978845608 * (x + 0.044715 * x * x * x));
        return U * fabs(y) * (8 + 4 * fmin(t, 200)) + FLOOR;
    }
    default: return 8 * U * fabs(y) + FLOOR;
    }
}
static void act_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)real;
    ((qn_act_fn *)fn)(o->y[0], o->x[0], n, (qn_act)variant);
}
static void act_bounds(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)result;
    for (int64_t i = 0; i < n; i++)
        bound[0][i] = act_bound(X(o, 0)[i], Y(o, 0)[i], (qn_act)variant);
}
static void glu_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)real;
    ((qn_glu_fn *)fn)(o->y[0], o->x[0], o->x[1], n, (qn_act)variant);
}
static void glu_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double up = fabs(X(o, 1)[i]), y = fabs(Y(o, 0)[i]);
        const double act = up > 0 ? y / up : 0;
        bound[0][i] = act_bound(X(o, 0)[i], act, (qn_act)variant) * up + 2 * U * y + FLOOR;
    }
}

static void add_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    ((qn_add_fn *)fn)(o->y[0], o->x[0], o->x[1], n);
}
static void scale_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    static const double factor[] = {-0.3125, 0, 7};
    (void)real;
    ((qn_scale_fn *)fn)(o->y[0], o->x[0], factor[variant], n);
}
static void rounding_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)variant, (void)result;
    for (int64_t i = 0; i < n; i++)
        bound[0][i] = U * fabs(Y(o, 0)[i]);
}

/* Variants: one head, all of it; one head, half of it; three heads in place. */
static int64_t rope_shape(int64_t n, int variant, int64_t *heads, int64_t *rot) {
    *heads = variant == 2 ? 3 : 1;
    const int64_t Dh = n / *heads;
    *rot = variant == 1 ? Dh / 4 * 2 : Dh / 2 * 2;
    return Dh;
}
static void rope_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    int64_t heads, rot;
    const int64_t Dh = rope_shape(n, variant, &heads, &rot);
    if (variant == 2)
        memcpy(o->y[0], o->x[0], (size_t)n * real);
    ((qn_rope_fn *)fn)(o->y[0], variant == 2 ? o->y[0] : o->x[0], o->x[1], heads, Dh, rot);
}
static void rope_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    int64_t heads, rot;
    const int64_t Dh = rope_shape(n, variant, &heads, &rot), half = rot / 2;
    const double *cs = X(o, 1);
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const int64_t d = heads && Dh ? i % Dh : 0, pair = half ? d % half : 0;
        bound[0][i] = 0;
        if (d < rot && i < heads * Dh)
            bound[0][i] = 3 * U * (fabs(X(o, 0)[i] * cs[pair]) +
                                   fabs(X(o, 0)[d < half ? i + half : i - half] * cs[half + pair]));
    }
}

/* ---- gradients; outputs hold the sum of what was there and the gradient: |y₀| ≤ |y| + |y − y₀| ---- */

/* Error of act′(x): sigmoid's two roundings of its exponent, and the size of the exponent; GELU's parts add up. */
static double slope_bound(double x, qn_act kind) {
    const double a = fabs(x), cubic = 2 * 0.7978845608 * (a + 0.044715 * a * a * a);
    const double bell = exp(-fmin(a, 40) / 2);              /* above x·act″ and what goes with it */
    switch (kind) {
    case QN_ACT_RELU: return 0;
    case QN_ACT_RELU2: return U * 2 * a;
    case QN_ACT_GELU: return U * (4 + a * exp(-a * a / 2) * (8 + a * a));
    case QN_ACT_GELU_TANH: return U * (8 + 8 * fmin(cubic, 200) * a * (1 + 0.2 * a * a) * exp(-cubic));
    case QN_ACT_SILU: return U * 8 * ((x > 0 ? 1 : bell) + a * bell);
    default: return U * 16 * bell;
    }
}
static void act_grad_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)real;
    ((qn_act_grad_fn *)fn)(o->y[0], o->x[0], o->x[1], n, (qn_act)variant);
}
static double act_slope(double x, qn_act kind) {
    const double one = 1;
    double slope = 0;
    qn_kernels_judge()->act_grad(&slope, &one, &x, 1, kind);
    return slope;
}
static void act_grad_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double g = fabs(X(o, 0)[i]), x = X(o, 1)[i];
        bound[0][i] = 2 * U * (fabs(Y(o, 0)[i]) + 2 * g * fabs(act_slope(x, (qn_act)variant))) +
                      g * slope_bound(x, (qn_act)variant);
    }
}

/* Inputs: g, gate, up. */
static void glu_grad_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)real;
    ((qn_glu_grad_fn *)fn)(o->y[0], o->y[1], o->x[0], o->x[1], o->x[2], n, (qn_act)variant);
}
static void glu_grad_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    const qn_act kind = (qn_act)variant;
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double g = fabs(X(o, 0)[i]), gate = X(o, 1)[i], gu = g * fabs(X(o, 2)[i]);
        double act;
        qn_kernels_judge()->act(&act, &gate, 1, kind);
        bound[0][i] = 3 * U * (fabs(Y(o, 0)[i]) + 2 * gu * fabs(act_slope(gate, kind))) + gu * slope_bound(gate, kind) +
                      FLOOR * gu;
        bound[1][i] = 2 * U * (fabs(Y(o, 1)[i]) + 2 * g * fabs(act)) + g * act_bound(gate, act, kind);
    }
}

/* Inputs: g, x, w. stat belongs to x. Variant 1 has no bias. */
static void layernorm_stat(const double *x, int64_t n, double stat[2]) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    stat[0] = (double)(float)(sum / (double)n);
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - stat[0]) * (x[i] - stat[0]);
    stat[1] = (double)(float)(1 / sqrt(squares / (double)n + eps));
}
static void layernorm_grad_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    double x[MAX_N], stat[2];
    float narrow[2];
    for (int64_t i = 0; i < n; i++)
        x[i] = element(o->x[1], i, real);
    layernorm_stat(x, n, stat);
    narrow[0] = (float)stat[0];
    narrow[1] = (float)stat[1];
    ((qn_layernorm_grad_fn *)fn)(o->y[0], o->y[1], variant ? NULL : o->y[2], o->x[0], o->x[1], o->x[2],
                                 real == sizeof(float) ? (void *)narrow : stat, n);
}
static void layernorm_grad_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT],
                                 double *result) {
    const double *g = X(o, 0), *x = X(o, 1), *w = X(o, 2), S = sum_error(n);
    double stat[2], mean = 0, along = 0;
    (void)variant, (void)result;
    layernorm_stat(x, n, stat);
    for (int64_t i = 0; i < n; i++) {
        mean += fabs(g[i] * w[i]) / (double)n;
        along += fabs(g[i] * w[i] * (x[i] - stat[0]) * stat[1]) / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        const double unit = fabs((x[i] - stat[0]) * stat[1]);
        bound[0][i] = S * (fabs(Y(o, 0)[i]) + 2 * stat[1] * (fabs(g[i] * w[i]) + mean + unit * along));
        bound[1][i] = 4 * U * (fabs(Y(o, 1)[i]) + 2 * fabs(g[i]) * unit);
        bound[2][i] = U * fabs(Y(o, 2)[i]);
    }
}

/* The target is in the slice, or before it. */
static double xent_lse(const double *x, int64_t n) { return (double)(float)qn_kernels_judge()->logsumexp(x, n); }
static void xent_grad_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    double x[MAX_N];
    for (int64_t i = 0; i < n; i++)
        x[i] = element(o->x[0], i, real);
    ((qn_xent_grad_fn *)fn)(o->y[0], o->x[0], n, variant ? -1 : n / 2, xent_lse(x, n), 0.375);
}
static void xent_grad_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    const double lse = xent_lse(X(o, 0), n);
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double x = X(o, 0)[i], p = 0.375 * exp(x - lse);
        bound[0][i] = p * U * (8 + 2 * fabs(x - lse)) + (variant == 0 && i == n / 2 ? 2 * U : 0);
    }
}

/* ---- steps of optimizers; y[0] = w, y[1] and y[2] the moments, in place ---- */

/* v is no sum of squares unless it is positive. Variant 1 is a first step, with all of its corrections. */
static void adamw_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    const qn_adamw_args a = {.scale = 0.75, .beta1 = 0.9, .beta2 = 0.95, .keep = 0.999, .eps = 1e-8,
                             .step = variant ? 0.03 : 0.003, .inverse = variant ? 4.47213595499958 : 1.01};
    for (int64_t i = 0; i < n; i++)
        if (real == sizeof(float))
            ((float *)o->y[2])[i] = fabsf(((float *)o->y[2])[i]);
        else
            ((double *)o->y[2])[i] = fabs(((double *)o->y[2])[i]);
    ((qn_adamw_fn *)fn)(o->y[0], o->y[1], o->y[2], o->x[0], n, &a);
}
/* |x| before the step is at most twice what is there after it and what came in. */
static void adamw_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    const double step = variant ? 0.03 : 0.003, inverse = variant ? 4.47213595499958 : 1.01;
    (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double d = 0.75 * fabs(X(o, 0)[i]), m = fabs(Y(o, 1)[i]), v = Y(o, 2)[i];
        const double below = sqrt(v) * inverse + 1e-8, along = step * m / below;
        bound[1][i] = 4 * U * (2 * m + d);
        bound[2][i] = 6 * U * v + 0x1p-148;
        bound[0][i] = 4 * U * (fabs(Y(o, 0)[i]) + 3 * along) + step * bound[1][i] / below;
    }
}

/* Variants: plain, Nesterov. */
static void sgd_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    const qn_sgd_args a = {.scale = 0.75, .momentum = 0.9, .decay = 0.1, .rate = 0.01, .nesterov = variant == 1};
    (void)real;
    ((qn_sgd_fn *)fn)(o->y[0], o->y[1], o->x[0], n, &a);
}
static void sgd_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)variant, (void)result;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs(X(o, 0)[i]), w = fabs(Y(o, 0)[i]), m = fabs(Y(o, 1)[i]);
        bound[1][i] = 8 * U * (m + d + w);
        bound[0][i] = 2 * U * w + 0.02 * 8 * U * (m + d + w);
    }
}

static void blend_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    const qn_blend_args a = {.scale = 0.75, .momentum = 0.95, .nesterov = variant == 1};
    (void)real;
    ((qn_blend_fn *)fn)(o->y[0], o->y[1], o->x[0], n, &a);
}
static void blend_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)variant, (void)result;
    for (int64_t i = 0; i < n; i++)
        bound[0][i] = bound[1][i] = 4 * U * (fabs(X(o, 0)[i]) + fabs(Y(o, 1)[i]));
}

/* |b·y₀| ≤ |y| + |a·x| */
static void axpby_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)real;
    ((qn_axpby_fn *)fn)(o->y[0], o->x[0], variant ? 1 : -4.775, 0.75, n);
}
static void axpby_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT], double *result) {
    (void)result;
    for (int64_t i = 0; i < n; i++)
        bound[0][i] = 4 * U * (fabs(Y(o, 0)[i]) + (variant ? 1 : 4.775) * fabs(X(o, 0)[i]));
}

static void sum_squares_call(any_fn *fn, operands *o, int64_t n, int variant, size_t real) {
    (void)variant, (void)real;
    o->result = ((qn_sum_squares_fn *)fn)(o->x[0], n);
}
static void sum_squares_bound(const operands *o, int64_t n, int variant, double *const bound[MAX_OUT],
                              double *result) {
    (void)n, (void)variant, (void)bound;
    *result = 0 * o->result;                /* exact: the same sum of the same doubles */
}

static const family family_rmsnorm = {"rmsnorm", 2, 1, 1, false, false, rmsnorm_call, rmsnorm_bound};
static const family family_rmsnorm_grad = {
    "rmsnorm_grad", 3, 2, 1, false, false, rmsnorm_grad_call, rmsnorm_grad_bound};
static const family family_layernorm = {"layernorm", 3, 1, 2, false, false, layernorm_call, layernorm_bound};
static const family family_softmax = {"softmax", 1, 1, 1, true, false, softmax_call, softmax_bound};
static const family family_logsumexp = {"logsumexp", 1, 0, 1, true, false, logsumexp_call, logsumexp_bound};
static const family family_argmax = {"argmax", 1, 0, 1, true, false, argmax_call, argmax_bound};
static const family family_act = {"act", 1, 1, QN_ACTS, true, true, act_call, act_bounds};
static const family family_glu = {"glu", 2, 1, QN_ACTS, true, true, glu_call, glu_bound};
static const family family_add = {"add", 2, 1, 1, true, true, add_call, rounding_bound};
static const family family_scale = {"scale", 1, 1, 3, true, true, scale_call, rounding_bound};
static const family family_rope = {"rope", 2, 1, 3, false, false, rope_call, rope_bound};
static const family family_act_grad = {"act_grad", 2, 1, QN_ACTS, false, false, act_grad_call, act_grad_bound};
static const family family_glu_grad = {"glu_grad", 3, 2, QN_ACTS, false, false, glu_grad_call, glu_grad_bound};
static const family family_layernorm_grad = {
    "layernorm_grad", 3, 3, 2, false, false, layernorm_grad_call, layernorm_grad_bound};
static const family family_xent_grad = {"xent_grad", 1, 1, 2, false, false, xent_grad_call, xent_grad_bound};
static const family family_adamw = {"adamw", 1, 3, 2, false, false, adamw_call, adamw_bound};
static const family family_sgd = {"sgd", 1, 2, 2, false, false, sgd_call, sgd_bound};
static const family family_blend = {"blend", 1, 2, 2, false, false, blend_call, blend_bound};
static const family family_axpby = {"axpby", 1, 1, 2, false, false, axpby_call, axpby_bound};
static const family family_sum_squares = {"sum_squares", 1, 0, 1, true, false, sum_squares_call, sum_squares_bound};

/* ---- the walk ---- */

typedef struct {
    qn_selftest_report *report;
    const char *row;                        /* the family's name */
    double worst;
    int64_t cases;
    qn_guarded in[MAX_IN], out[MAX_OUT];    /* floats; arrays end where they end */
    double *ref;                            /* the judge's inputs, outputs, bounds: MAX_N each */
} bench;

static float draw(input how, uint32_t salt, int64_t i, int64_t n) {
    static const float edges[] = {0, -0.0f, 0x1p-149f, -0x1p-149f, 0x1p-127f, -0x1p-126f, 1, -1, 88.7f, -87.3f, -104,
                                  -103.9f, 0.625f, -0.624f, 4, -4, 9.5f, 0x1p-30f, -0x1.fffffep-1f, 20, -20, 1e4f,
                                  -1e4f};
    const float u = qn_fill_value(salt, (uint64_t)i, 1.0f);
    const uint32_t bits = qn_fill_salt("edge") ^ (uint32_t)(i * 2654435761u) ^ salt * 40503u;
    switch (how) {
    case ZEROS: return bits >> 16 & 1 ? -0.0f : 0.0f;
    case EDGES: return edges[(bits >> 8) % QN_LEN(edges)];
    case WIDE: return ldexpf(u, (int)qn_fill_value(salt + 1, (uint64_t)i, 30.0f));
    case HUGE_VALUES: return i % 5 == 4 ? u : u < 0 ? -FLT_MAX : FLT_MAX;
    case ONE_NAN: return i == n / 2 ? NAN : 3 * u;
    default: return 5 * u;
    }
}

static float *array_at(const qn_guarded *g, int64_t n) { return (float *)g->p + (MAX_N - n); }

/* Same inputs for both: the outputs too are filled, because some kernels add to them. NaN stays in the first input. */
static void fill(const bench *b, input how, int64_t n, operands *row, operands *judge) {
    double *next = b->ref;
    for (int k = 0; k < MAX_IN + MAX_OUT; k++, next += MAX_N) {
        const bool is_input = k < MAX_IN;
        float *x = array_at(is_input ? &b->in[k] : &b->out[k - MAX_IN], n);
        const input here = k == 0 || (how != ONE_NAN && is_input) ? how : RANDOM;
        for (int64_t i = 0; i < n; i++) {
            x[i] = draw(here, (uint32_t)(77 * k + 1000 * how) + (uint32_t)n, i, n);
            next[i] = (double)x[i];
        }
        *(is_input ? &row->x[k] : &row->y[k - MAX_IN]) = x;
        *(is_input ? &judge->x[k] : &judge->y[k - MAX_IN]) = next;
    }
    row->result = judge->result = 0;
}

/* The share of the bound that was used; above 1 is a failure. */
static double share(double got, double want, double bound) {
    if (isnan(want))
        return isnan(got) ? 0 : INFINITY;
    if (fabs(want) > FLT_MAX)
        return !isfinite(got) || fabs(got) == FLT_MAX || got == want ? 0 : INFINITY;
    if (got == want)
        return 0;
    return isnan(got) || isinf(got) ? INFINITY : fabs(got - want) / (bound + FLOOR);
}

static void report_case(bench *b, double used, const char *where, int64_t at, input how, int64_t n, int variant) {
    b->cases++;
    if (used <= 1 && used > b->worst)
        b->worst = used;
    qn_selftest_case(b->report, used <= 1, "%s: %s%lld of %lld (%s, variant %d) is %.3g times its bound off", b->row,
                     where, (long long)at, (long long)n, kind_names[how], variant, used);
}

static void against_judge(bench *b, const family *f, any_fn *fn, any_fn *judge_fn, input how, int64_t n, int variant) {
    operands row, judge;
    double *const after = b->ref + (MAX_IN + MAX_OUT) * MAX_N;
    double *const bounds[MAX_OUT] = {after, after + MAX_N, after + 2 * MAX_N};
    double result = 0;
    fill(b, how, n, &row, &judge);
    f->call(judge_fn, &judge, n, variant, sizeof(double));
    f->call(fn, &row, n, variant, sizeof(float));
    if (how == HUGE_VALUES && !f->huge)
        return;                             /* has run, and touched nothing it should not */
    f->bound(&judge, n, variant, bounds, &result);
    for (int k = 0; k < f->outputs; k++) {
        double worst = 0;
        int64_t at = 0;
        for (int64_t i = 0; i < n; i++) {
            const double used = share((double)((float *)row.y[k])[i], Y(&judge, k)[i], bounds[k][i]);
            if (used > worst)
                worst = used, at = i;
        }
        report_case(b, worst, "element ", at, how, n, variant);
    }
    report_case(b, share(row.result, judge.result, result), "the result for ", 1, how, n, variant);
}

/* A row cut in two at any place gives the bits of the whole row. */
static void against_itself(bench *b, const family *f, any_fn *fn, input how, int64_t n, int variant) {
    operands o, judge;
    float whole[MAX_N];
    fill(b, how, n, &o, &judge);
    f->call(fn, &o, n, variant, sizeof(float));
    memcpy(whole, o.y[0], (size_t)n * sizeof *whole);
    const int64_t cut = n / 3;
    const operands full = o;
    f->call(fn, &o, cut, variant, sizeof(float));
    for (int k = 0; k < MAX_IN; k++)
        o.x[k] = (float *)full.x[k] + cut;
    o.y[0] = (float *)full.y[0] + cut;
    f->call(fn, &o, n - cut, variant, sizeof(float));
    b->cases++;
    qn_selftest_case(b->report, memcmp(whole, full.y[0], (size_t)n * sizeof *whole) == 0,
                     "%s: %lld elements (%s, variant %d) differ when the row is cut at %lld", b->row, (long long)n,
                     kind_names[how], variant, (long long)cut);
}

static void row_test(bench *b, const family *f, qn_isa isa, any_fn *fn, any_fn *judge_fn) {
    const int64_t failures = b->report->failures;
    b->row = f->name;
    b->worst = 0;
    b->cases = 0;
    for (int64_t n = 1; n <= MAX_N; n = n < 70 ? n + 1 : n * 2 + 3)
        for (int how = 0; how < KINDS; how++)
            for (int variant = 0; variant < f->variants; variant++) {
                against_judge(b, f, fn, judge_fn, (input)how, n, variant);
                if (f->pointwise && how != ONE_NAN)
                    against_itself(b, f, fn, (input)how, n, variant);
            }
    b->report->worst = fmax(b->report->worst, b->worst);
    qn_selftest_row(b->report, failures == b->report->failures, "%s %s: %lld cases, worst %.2f of the bound", f->name,
                    qn_isa_name(isa), (long long)b->cases, b->worst);
}

/* A level that has no row of its own for a family shows the row of the level below: tested there. */
static void rows_walk(bench *b, qn_isa cap) {
    const qn_kernels *judge = qn_kernels_judge(), *below = NULL;
    for (int level = 0; level <= (int)cap; level++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)level);
        if (!qn_isa_has((qn_isa)level))
            continue;
#define WALK(name)                          \
    if (!below || k->name != below->name)   \
        row_test(b, &family_##name, (qn_isa)level, (any_fn *)k->name, (any_fn *)judge->name);
        WALK(rmsnorm) WALK(rmsnorm_grad) WALK(layernorm) WALK(softmax) WALK(logsumexp) WALK(argmax)
        WALK(act) WALK(glu) WALK(add) WALK(scale) WALK(rope)
        WALK(act_grad) WALK(glu_grad) WALK(layernorm_grad) WALK(xent_grad)
        WALK(adamw) WALK(sgd) WALK(blend) WALK(axpby) WALK(sum_squares)
#undef WALK
        below = k;
    }
}

int qn_selftest_rows(qn_isa cap, qn_selftest_report *r) {
    bench b = {.report = r};
    int rc = 0;
    const int64_t failures = r->failures;
    for (int k = 0; k < MAX_IN; k++)
        QN_TRY_OUT(qn_guarded_new(&b.in[k], MAX_N * sizeof(float), false));
    for (int k = 0; k < MAX_OUT; k++)
        QN_TRY_OUT(qn_guarded_new(&b.out[k], MAX_N * sizeof(float), false));
    b.ref = qn_zalloc(QN_MEM_TEST, (MAX_IN + 2 * MAX_OUT) * MAX_N, sizeof *b.ref);
    rc = b.ref ? 0 : QN_ENOMEM;
    if (rc < 0)
        goto out;
    rows_walk(&b, cap);
    rc = r->failures > failures ? QN_ETEST : 0;
out:
    for (int k = 0; k < MAX_IN; k++)
        qn_guarded_free(&b.in[k]);
    for (int k = 0; k < MAX_OUT; k++)
        qn_guarded_free(&b.out[k]);
    qn_free(b.ref);
    return rc;
}
