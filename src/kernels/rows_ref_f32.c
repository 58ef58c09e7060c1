/* kernels/rows_ref_f32.c — row and element kernels in portable C, float: the fallback of every machine. */
#include "kernels/kernels.h"
#include "num/math.h"
#include "num/poly.h"

#include <math.h>

typedef float real;
#define REF(name) qn_##name##_scalar
#define REF_EXP qn_expf
#define REF_TANH qn_tanhf
#define REF_ERF qn_erff
#define REF_SQRT sqrtf
#define REF_SQRT_1_2 QN_GELU_SQRT_1_2
#define REF_SQRT_2_PI QN_GELU_SQRT_2_PI
#define REF_INV_SQRT_2PI QN_GELU_INV_SQRT_2PI
#include "kernels/rows_ref.inc"
#include "kernels/rows_grad_ref.inc"
#include "kernels/update_ref.inc"
