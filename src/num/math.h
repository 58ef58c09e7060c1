/* num/math.h — elementary functions with the same bits on every machine: no libm, no tables, no fused operations.
 *
 * They reach a model (RoPE tables), a schedule, a sampler, the judges of kernels; libm would choose its code by CPU.
 * Round to nearest is assumed. Bounds are in units in the last place of the exact result, for finite results;
 * docs/NUMERICS.md has the measured maxima. The floating-point exception flags are not part of the contract. */
#ifndef QN_NUM_MATH_H
#define QN_NUM_MATH_H

#include "base/compiler.h"

/* ---- double: < 1 ulp each, over the whole range ---- */

double qn_exp(double x);        /* inf above 709.78, gradual below −708.4, 0 below −745.13; exp(0) = 1 exactly */
double qn_expm1(double x);      /* exp(x) − 1; ±0 to itself, −inf to −1 */
double qn_ln(double x);         /* natural (qn_log is the log sink); 0 to −inf, negative to NaN, ln(1) = +0 */
double qn_log1p(double x);      /* log(1 + x); ±0 to itself, −1 to −inf, below −1 NaN */
double qn_tanh(double x);       /* ±0 to itself, ±inf to ±1 */
double qn_erf(double x);        /* ±0 to itself, ±inf to ±1 */
double qn_sin(double x);        /* radians, any finite x; infinities to NaN; ±0 to itself */
double qn_cos(double x);
void qn_sincos(double x, double *s, double *c);     /* the bits of both, for the price of one reduction */
/* x^y with the special cases of C11 annex F: pow(x, 0) = pow(1, y) = 1 even for NaN; a negative x needs a whole y. */
double qn_pow(double x, double y);

/* ---- float: what the vector kernels compute, one element at a time (constants and formulas in poly.h) ---- */

float qn_expf(float x);         /* <= 1 ulp; inf above 88.72, gradual below −87.33, 0 below −103.97; exp(0) = 1 */
float qn_logf(float x);         /* <= 1 ulp; special values as qn_ln */
float qn_tanhf(float x);        /* <= 1.5 ulp; odd, never beyond ±1 */
float qn_sigmoidf(float x);     /* <= 3 ulp where the result is normal; 1/2 at 0, 0 and 1 at the infinities */
float qn_erff(float x);         /* <= 1.5 ulp; odd, never beyond ±1 */

#endif
