/* kernels/x86/attn_slopes.h — what attention's gradients share whatever their products are: the softmax and its slope.
 * Include after v16_avx512.h or v16_avx2.h. */
#ifndef QN_KERNELS_ATTN_SLOPES_H
#define QN_KERNELS_ATTN_SLOPES_H

#include "kernels/kernels.h"

#include "kernels/x86/v16_math.h"

/* P of row r at keys j … j + 15, and dS, out of S and dP; zero where the row does not see. */
QN_INLINE v16 attn_slopes(const qn_attn_grad_args *a, int64_t r, v16 s, v16 dp, int j, v16 *ds) {
    const v16 lane = v16_iota(), one = v16_all(1.0f);
    const m16 in = m16_and(v16_ge(lane, v16_all((float)(a->lo[r] - j))), v16_lt(lane, v16_all((float)(a->hi[r] - j))));
    v16 slope = v16_all(a->scale);
    s = v16_mul(s, v16_all(a->scale));
    if (a->cap > 0) {
        const v16 u = v16_tanh(v16_div(s, v16_all(a->cap)));
        slope = v16_mul(slope, v16_fnma(u, u, one));
        s = v16_mul(v16_all(a->cap), u);
    }
    const v16 e = v16_exp_negative(v16_sub(s, v16_all(((const float *)a->lse)[r])));
    const v16 d = v16_mul(v16_mul(e, v16_sub(dp, v16_all(((const float *)a->D)[r]))), slope);
    *ds = v16_pick(in, d, v16_zero());
    return v16_pick(in, e, v16_zero());
}

/* The keys that rows [r, r + rows) together see: none where lo >= hi. */
typedef struct { int lo, hi; } attn_seen;

static attn_seen attn_seen_by(const qn_attn_grad_args *a, int64_t r, int64_t rows) {
    attn_seen seen = {QN_KEY_CHUNK, 0};
    for (int64_t i = r; i < r + rows; i++)
        if (a->lo[i] < a->hi[i]) {
            seen.lo = QN_MIN(seen.lo, a->lo[i]);
            seen.hi = QN_MAX(seen.hi, a->hi[i]);
        }
    return seen;
}

#endif
