/* kernels/x86/turn_avx2.c — matrices of 32-bit words turned around, 8 × 8 at a time; a line of the source (16 words) is
 * used up at once, however far apart its rows lie. */
#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

enum { AHEAD = 24 };                 /* rows: such as lie apart are more streams than a machine follows by itself */

/* Pairs of rows are woven by words, then by double words, then halves change places. */
static inline void turn_8x8(float *dst, int64_t ldd, const float *src, int64_t lds) {
    __m256 r[8], w[8], d[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(src + i * lds);
    for (int i = 0; i < 8; i += 2) {
        w[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        w[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        d[i] = _mm256_shuffle_ps(w[i], w[i + 2], 0x44);
        d[i + 1] = _mm256_shuffle_ps(w[i], w[i + 2], 0xee);
        d[i + 2] = _mm256_shuffle_ps(w[i + 1], w[i + 3], 0x44);
        d[i + 3] = _mm256_shuffle_ps(w[i + 1], w[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + i * ldd, _mm256_permute2f128_ps(d[i], d[i + 4], 0x20));
        _mm256_storeu_ps(dst + (i + 4) * ldd, _mm256_permute2f128_ps(d[i], d[i + 4], 0x31));
    }
}

static void turn_rest(float *dst, int64_t ldd, const float *src, int64_t lds, int64_t rows, int64_t columns) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++)
            memcpy(dst + j * ldd + i, src + i * lds + j, sizeof *dst);
}

void qn_turn_avx2(void *dst_, int64_t ldd, const void *src_, int64_t lds, int64_t rows, int64_t columns) {
    float *dst = dst_;
    const float *src = src_;
    const int64_t whole = rows & ~(int64_t)7;
    for (int64_t j = 0; j < columns; j += 16) {
        const int64_t wide = QN_MIN(columns - j, 16), eights = wide & ~(int64_t)7;
        for (int64_t i = 0; i < whole; i += 8) {
            const int64_t on = i + AHEAD - whole;               /* rows that come next, of these columns or the next */
            const float *next = on < 0 ? src + (i + AHEAD) * lds + j : src + on * lds + j + 16;
            for (int r = 0; r < 8; r++)
                _mm_prefetch((const char *)(next + r * lds), _MM_HINT_T0);
            for (int64_t v = 0; v < eights; v += 8)
                turn_8x8(dst + (j + v) * ldd + i, ldd, src + i * lds + j + v, lds);
            turn_rest(dst + (j + eights) * ldd + i, ldd, src + i * lds + j + eights, lds, 8, wide - eights);
        }
        turn_rest(dst + j * ldd + whole, ldd, src + whole * lds + j, lds, rows - whole, wide);
    }
}
