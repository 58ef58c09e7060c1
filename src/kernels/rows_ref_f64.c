/* kernels/rows_ref_f64.c — row and element kernels in double: the judge of all others. */
#include "kernels/kernels.h"
#include "num/math.h"

#include <math.h>

typedef double real;
#define REF(name) qn_##name##_judge
#define REF_EXP qn_exp
#define REF_TANH qn_tanh
#define REF_ERF qn_erf
#define REF_SQRT sqrt
#define REF_SQRT_1_2 0.70710678118654752440
#define REF_SQRT_2_PI 0.79788456080286535588
#define REF_INV_SQRT_2PI 0.39894228040143267794
#include "kernels/rows_ref.inc"
#include "kernels/rows_grad_ref.inc"
#include "kernels/update_ref.inc"
