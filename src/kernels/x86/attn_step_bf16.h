/* kernels/x86/attn_step_bf16.h — the step of attn_x86.inc for BF16 without the bf16 instruction: a pair of key
 * elements is widened and takes two fused multiply-adds, the lower first. Queries and softmax weights are bf16 values
 * kept as floats. */
#ifndef QN_KERNELS_ATTN_STEP_BF16_H
#define QN_KERNELS_ATTN_STEP_BF16_H

#include "kernels/attn_common.h"

enum { STEP_KEYS = 2, UNIT = 4, X_BYTES = 8, SCALED = 0 };
typedef struct { v16 low, high; } operand, factor;

QN_INLINE operand operand_split(v16 pairs) { return (operand){v16_pair_low(pairs), v16_pair_high(pairs)}; }
QN_INLINE operand operand_load(const char *p) { return operand_split(v16_load((const float *)(const void *)p)); }
QN_INLINE operand operand_load_n(const char *p, int64_t n) {
    return operand_split(v16_load_n((const float *)(const void *)p, n));
}
QN_INLINE factor factor_load(const char *x) {
    const float *f = (const float *)(const void *)x;
    return (factor){v16_all(f[0]), v16_all(f[1])};
}
QN_INLINE v16 mac(v16 sum, operand w, factor f) { return v16_fma(w.high, f.high, v16_fma(w.low, f.low, sum)); }

QN_INLINE const char *queries(const qn_attn_args *a, int64_t first, int rows, float *scratch, size_t *ldq) {
    const int64_t ld = qn_attn_pad(a->Dh);
    for (int r = 0; r < rows; r++) {
        const uint16_t *q = (const uint16_t *)(const void *)((const char *)a->q + (size_t)(first + r) * a->ldq);
        for (int64_t d = 0; d < a->Dh; d += 16) {
            const int64_t k = QN_MIN(a->Dh - d, 16);
            v16_store(scratch + r * ld + d, v16_from_bf16(k == 16 ? h16_load(q + d) : h16_load_n(q + d, k)));
        }
    }
    *ldq = (size_t)ld * sizeof(float);
    return (const char *)scratch;
}
QN_INLINE v16 weights_put(char *p, v16 e) {
    const v16 rounded = v16_from_bf16(v16_to_bf16(e));
    v16_store((float *)(void *)p, rounded);
    return rounded;
}

#endif
