/* num/q4_1.c — Q4_1: blocks of 32 nibbles with a scale and a minimum. 5 bits per weight.
 *
 *   byte   0     2     4            5                       20
 *          | d   | m   | q16 : q0   | q17 : q1   …   q31 : q15 |      d, m: f16
 *
 *   A byte holds high nibble : low nibble, so the lower half of the block lies in the low nibbles.
 *
 *   x_i = d · q_i + m,   q_i in 0…15;   product and sum rounded one by one
 *
 * Encoding, as ggml's quantize_row_q4_1_ref: m = min x, d = (max x − m) / 15 in f32;
 * q = min(15, cut((x − m)·(1/d) + 0.5)), with d and m as they were before they are rounded to f16; 1/d is 0 where d
 * is 0. */
#include "num/quant.h"

#include <float.h>

enum { BLOCK = 32, HALF = BLOCK / 2, BYTES = 20 };

void qn_q4_1_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *block = src;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        const float d = qn_f16_load(block), m = qn_f16_load(block + 2);
        for (int j = 0; j < HALF; j++) {
            dst[i + j] = (float)(block[4 + j] & 15) * d + m;
            dst[i + j + HALF] = (float)(block[4 + j] >> 4) * d + m;
        }
    }
}

static unsigned nibble(float x, float min, float inverse) {
    return (unsigned)QN_MIN(15, qn_cut_i8((x - min) * inverse + 0.5f)) & 15u;
}

void qn_q4_1_encode(void *dst, const float *src, int64_t n) {
    unsigned char *block = dst;
    for (int64_t i = 0; i < n; i += BLOCK, block += BYTES) {
        const float *x = src + i;
        float min = FLT_MAX, max = -FLT_MAX;
        for (int j = 0; j < BLOCK; j++) {
            if (x[j] < min)
                min = x[j];
            if (x[j] > max)
                max = x[j];
        }
        const float d = (max - min) / 15.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
        qn_f16_store(block, d);
        qn_f16_store(block + 2, min);
        for (int j = 0; j < HALF; j++)
            block[4 + j] = (unsigned char)(nibble(x[j], min, inverse) | nibble(x[j + HALF], min, inverse) << 4);
    }
}
