/* kernels/x86/attn_merge.h — merging a later partial into a row's running softmax state, on v16: used inside attention
 * and as a kernel of its own, so that split-KV gives the bits of the serial walk. Include after v16_avx512.h or
 * v16_avx2.h. */
#ifndef QN_KERNELS_ATTN_MERGE_H
#define QN_KERNELS_ATTN_MERGE_H

#include "kernels/x86/v16_math.h"

/* M' = max(M, m),  a = exp(M − M'),  b = exp(m − M'):  L' = L·a + l·b,  O' = O·a + o·b.  −0 in o counts as 0. */
QN_INLINE void attn_merge(float *M, float *L, float *O, float m, float l, const float *o, int64_t Dh) {
    const float top = m > *M || m != m ? m : *M;
    const v16 a = v16_exp_negative(v16_all(*M - top)), b = v16_exp_negative(v16_all(m - top));
    *M = top;
    v16_store_n(L, v16_fma(v16_all(*L), a, v16_mul(v16_all(l), b)), 1);
    for (int64_t d = 0; d < Dh; d += 16) {
        const int64_t k = QN_MIN(Dh - d, 16);
        const v16 vo = v16_add(v16_load_n(o + d, k), v16_zero());
        v16_store_n(O + d, v16_fma(v16_load_n(O + d, k), a, v16_mul(vo, b)), k);
    }
}

#endif
