/* kernels/attn_ref_f64.c — attention in double: the judge. It also knows KV blocks of doubles. */
#include "kernels/attn_common.h"
#include "num/math.h"

typedef double real;
#define REF(name) qn_##name##_judge
#define REF_EXP qn_exp
#define REF_TANH qn_tanh
#define ROUND_P 0
#include "kernels/attn_ref.inc"
#include "kernels/attn_grad_ref.inc"

void qn_attn_f64_judge(const qn_attn_args *a) { attend(a, QN_F64); }
