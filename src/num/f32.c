/* num/f32.c — F32 and F64: IEEE binary32 and binary64, little-endian, as they are.
 *
 *   F32, 4 bytes     s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm              1 + 8 + 23 bits
 *   F64, 8 bytes     s eeeeeeeeeee mmmmmmmmmm … mmmmmmmmmm           1 + 11 + 52 bits
 *
 * F64 is for references: decoding rounds to the nearest float. */
#include "num/num.h"

void qn_f32_decode(float *dst, const void *src, int64_t n) {
    if (n > 0)
        memcpy(dst, src, (size_t)n * sizeof *dst);
}

void qn_f32_encode(void *dst, const float *src, int64_t n) {
    if (n > 0)
        memcpy(dst, src, (size_t)n * sizeof *src);
}

void qn_f64_decode(float *dst, const void *src, int64_t n) {
    const unsigned char *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, bytes + i * 8, sizeof x);
        dst[i] = (float)x;
    }
}

void qn_f64_encode(void *dst, const float *src, int64_t n) {
    unsigned char *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        const double x = src[i];
        memcpy(bytes + i * 8, &x, sizeof x);
    }
}
