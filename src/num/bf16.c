/* num/bf16.c — BF16: the upper half of an F32, little-endian.
 *
 *   2 bytes     s eeeeeeee mmmmmmm              1 + 8 + 7 bits, bias 127: the range of F32, three decimal digits
 *
 * The conversions stand in num.h. */
#include "num/num.h"

void qn_bf16_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + i * 2, sizeof h);
        dst[i] = qn_bf16_to_f32(h);
    }
}

void qn_bf16_encode(void *dst, const float *src, int64_t n) {
    unsigned char *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        const uint16_t h = qn_f32_to_bf16(src[i]);
        memcpy(bytes + i * 2, &h, sizeof h);
    }
}
