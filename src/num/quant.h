/* num/quant.h — what the block formats share: fields at unaligned places, and ggml's float to integer conversion. */
#ifndef QN_NUM_QUANT_H
#define QN_NUM_QUANT_H

#include "num/num.h"

static inline float qn_f16_load(const unsigned char *at) {
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return qn_f16_to_f32(h);
}

static inline void qn_f16_store(unsigned char *at, float x) {
    const uint16_t h = qn_f32_to_f16(x);
    memcpy(at, &h, sizeof h);
}

/* (int8_t)x as ggml's C gives it on x86: cut towards zero; NaN and what no int can hold give 0 (C leaves both
 * undefined). They arise only where a block's scale is not a useful number: denormal, infinite or NaN. */
static inline int qn_cut_i8(float x) {
    return x > -0x1p31f && x < 0x1p31f ? (int8_t)(int32_t)x : 0;
}

/* roundf: halves away from zero. Exact for every float; |x| <= 2^23 suffices here, larger floats are whole already. */
static inline float qn_round_half_away(float x) {
    const float a = x < 0 ? -x : x;
    if (!(a < 0x1p23f))
        return x;
    const float whole = (float)(int32_t)a;
    const float r = a - whole >= 0.5f ? whole + 1.0f : whole;
    return x < 0 ? -r : r;
}

#endif
