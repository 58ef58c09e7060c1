/* num/q4_0.c — Q4_0: blocks of 32 nibbles with one scale, symmetric about zero. 4.5 bits per weight.
 *
 *   byte   0     2            3                       18
 *          | d   | q16 : q0   | q17 : q1   …   q31 : q15 |      d: f16
 *
 *   A byte holds high nibble : low nibble, so the lower half of the block lies in the low nibbles.
 *
 *   x_i = d · (q_i − 8),   q_i in 0…15
 *
 * Encoding, as ggml's quantize_row_q4_0_ref: d = m / −8 in f32, m the element of largest magnitude (the first of
 * equals) with its sign, so that m itself falls on q = 0 exactly; q = min(15, cut(x·(1/d) + 8.5)), with d as it was
 * before it is rounded to f16; 1/d is 0 where d is 0. */
#include "num/quant.h"

enum { BLOCK = 32, HALF = BLOCK / 2, BYTES = 18 };

void qn_q4_0_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *block = src;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        const float d = qn_f16_load(block);
        for (int j = 0; j < HALF; j++) {
            dst[i + j] = (float)((block[2 + j] & 15) - 8) * d;
            dst[i + j + HALF] = (float)((block[2 + j] >> 4) - 8) * d;
        }
    }
}

static unsigned nibble(float x, float inverse) {
    return (unsigned)QN_MIN(15, qn_cut_i8(x * inverse + 8.5f)) & 15u;
}

void qn_q4_0_encode(void *dst, const float *src, int64_t n) {
    unsigned char *block = dst;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        const float *x = src + i;
        float amax = 0, m = 0;
        for (int j = 0; j < BLOCK; j++) {
            const float a = x[j] < 0 ? -x[j] : x[j];
            if (a > amax) {
                amax = a;
                m = x[j];
            }
        }
        const float d = m / -8.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
        qn_f16_store(block, d);
        for (int j = 0; j < HALF; j++)
            block[2 + j] = (unsigned char)(nibble(x[j], inverse) | nibble(x[j + HALF], inverse) << 4);
    }
}
