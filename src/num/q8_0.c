/* num/q8_0.c — Q8_0: blocks of 32 signed bytes with one scale. 8.5 bits per weight.
 *
 *   byte   0     2                                              34
 *          | d   | q0   q1   q2   …                        q31   |       d: f16, q: int8
 *
 *   x_i = d · q_i
 *
 * Encoding, as ggml's quantize_row_q8_0_ref: d = max|x| / 127 in f32; q = round(x · (1/d)), halves away from zero, with
 * d as it was before it is rounded to f16; 1/d is 0 where d is 0. */
#include "num/quant.h"

enum { BLOCK = 32, BYTES = 34 };

void qn_q8_0_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *block = src;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        const float d = qn_f16_load(block);
        for (int j = 0; j < BLOCK; j++)
            dst[i + j] = (float)(int8_t)block[2 + j] * d;
    }
}

void qn_q8_0_encode(void *dst, const float *src, int64_t n) {
    unsigned char *block = dst;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        float amax = 0;
        for (int j = 0; j < BLOCK; j++) {
            const float a = src[i + j] < 0 ? -src[i + j] : src[i + j];
            if (a > amax)
                amax = a;
        }
        const float d = amax / 127.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
        qn_f16_store(block, d);
        for (int j = 0; j < BLOCK; j++)
            block[2 + j] = (unsigned char)qn_cut_i8(qn_round_half_away(src[i + j] * inverse));
    }
}
