/* kernels/attn_ref_f32.c — attention in portable C, float; and one KV vector back to floats. */
#include "kernels/attn_common.h"
#include "num/math.h"

typedef float real;
#define REF(name) qn_##name##_scalar
#define REF_EXP qn_expf
#define REF_TANH qn_tanhf
#define ROUND_P 1
#include "kernels/attn_ref.inc"
#include "kernels/attn_grad_ref.inc"

void qn_kv_load_k(float *dst, const void *block, qn_dtype t, int64_t slot, int64_t Dh) {
    for (int64_t d = 0; d < Dh; d++)
        dst[d] = element(block, t, k_index(t, slot, d)) * group_scale(block, t, slot, d / QN_KV_GROUP, Dh);
}

void qn_kv_load_v(float *dst, const void *block, qn_dtype t, int64_t slot, int64_t Dh) {
    for (int64_t d = 0; d < Dh; d++)
        dst[d] = element(block, t, v_index(t, slot, d, Dh)) * group_scale(block, t, slot, d / QN_KV_GROUP, Dh);
}
