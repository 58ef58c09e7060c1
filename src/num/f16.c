/* num/f16.c — F16: IEEE binary16, little-endian.
 *
 *   2 bytes     s eeeee mmmmmmmmmm              1 + 5 + 10 bits, bias 15
 *
 *   largest 65504, smallest normal 2^-14, smallest denormal 2^-24
 *
 * The conversions stand in num.h. */
#include "num/num.h"

void qn_f16_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + i * 2, sizeof h);
        dst[i] = qn_f16_to_f32(h);
    }
}

void qn_f16_encode(void *dst, const float *src, int64_t n) {
    unsigned char *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        const uint16_t h = qn_f32_to_f16(src[i]);
        memcpy(bytes + i * 2, &h, sizeof h);
    }
}
