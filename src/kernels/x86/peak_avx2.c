/* kernels/x86/peak_avx2.c — peak loops, AVX2. */
#include "kernels/peak_loops.h"

#include "kernels/x86/intrinsics.h"

#include "kernels/x86/peak_unroll.h"

#define REG_CLASS "x"

#define PEAK_NAME qn_peak_f32_avx2
#define reg __m256
#define REG_ZERO _mm256_setzero_ps()
#define CHAINS 12
#define STEP(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#define STEP_OPS (8 * 2)
#include "kernels/x86/peak_chains.inc"
#undef reg
#undef REG_ZERO

/* The step that stands for a dot instruction: 32 products in three instructions. */
#define PEAK_NAME qn_peak_int8_avx2
#define reg __m256i
#define REG_ZERO _mm256_setzero_si256()
#define CHAINS 8
#define STEP(sum, a, b) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_xor_si256(b, sum)), _mm256_set1_epi16(1)))
#define STEP_OPS (32 * 2)
#include "kernels/x86/peak_chains.inc"

uint64_t qn_peak_read_avx2(const void *p, size_t bytes) {
    const __m256i *x = p;
    __m256i any[8];
    for (int k = 0; k < 8; k++)
        any[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < bytes / sizeof *x; i += 8) {
        PEAK_UNROLL
        for (int k = 0; k < 8; k++)
            any[k] = _mm256_or_si256(any[k], _mm256_load_si256(x + i + k));
    }
    for (int k = 1; k < 8; k++)
        any[0] = _mm256_or_si256(any[0], any[k]);
    return (uint64_t)_mm256_extract_epi64(any[0], 0) | (uint64_t)_mm256_extract_epi64(any[0], 3);
}
