/* kernels/x86/peak_avx512.c — peak loops, AVX-512. */
#include "kernels/peak_loops.h"

#include "kernels/x86/intrinsics.h"

#include "kernels/x86/peak_unroll.h"

#define REG_CLASS PEAK_ZMM

#define PEAK_NAME qn_peak_f32_avx512
#define reg __m512
#define REG_ZERO _mm512_setzero_ps()
#define CHAINS 24
#define STEP(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#define STEP_OPS (16 * 2)
#include "kernels/x86/peak_chains.inc"
#undef reg
#undef REG_ZERO

/* The step that stands for a dot instruction: 64 products in three instructions. */
#define PEAK_NAME qn_peak_int8_avx512
#define reg __m512i
#define REG_ZERO _mm512_setzero_si512()
#define CHAINS 12
#define STEP(sum, a, b) \
    _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, _mm512_xor_si512(b, sum)), _mm512_set1_epi16(1)))
#define STEP_OPS (64 * 2)
#include "kernels/x86/peak_chains.inc"

uint64_t qn_peak_read_avx512(const void *p, size_t bytes) {
    const uint8_t *x = p;
    __m512i any[8];
    for (int k = 0; k < 8; k++)
        any[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += 512) {
        PEAK_UNROLL
        for (int k = 0; k < 8; k++)
            any[k] = _mm512_or_si512(any[k], _mm512_load_si512(x + i + 64 * k));
    }
    for (int k = 1; k < 8; k++)
        any[0] = _mm512_or_si512(any[0], any[k]);
    return (uint64_t)_mm512_reduce_or_epi64(any[0]);
}
