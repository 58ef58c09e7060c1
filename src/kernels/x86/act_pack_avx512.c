/* kernels/x86/act_pack_avx512.c — activation rows, the bits of the scalar twins (linear_ref.inc tells the rules). */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

#include <string.h>

void qn_act_pack_bf16_avx512(void *dst, const qn_real *src, int64_t K) {
    uint16_t *h = dst, last[16];
    const float *x = src;
    int64_t k = 0;
    for (; k + 16 <= K; k += 16)
        h16_store(h + k, v16_to_bf16(v16_load(x + k)));
    if (k == K)
        return;
    h16_store(last, v16_to_bf16(v16_load_n(x + k, K - k)));
    memcpy(h + k, last, (size_t)((K - k + 1) / 2) * sizeof(uint32_t));      /* an odd tail takes its zero along */
}

void qn_act_pack_q8b32_avx512(void *dst, const qn_real *src, int64_t K) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    int8_t *q = dst;
    float *d = (float *)(void *)(q + K);
    int16_t *s = (int16_t *)(void *)(d + K / 32);
    for (int64_t b = 0; b < K / 32; b++, q += 32) {
        const float *x = (const float *)src + b * 32;
        const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
        const __m512i a0 = _mm512_and_si512(_mm512_castps_si512(x0), magnitude);
        const __m512i a1 = _mm512_and_si512(_mm512_castps_si512(x1), magnitude);
        const uint32_t amax = _mm512_reduce_max_epu32(_mm512_max_epu32(a0, a1));
        const bool finite = amax < 0x7f800000u;
        const float scale = qn_f32_from_bits(amax) / 127.0f;
        const bool zero = !finite || scale < 0x1p-126f;
        const __mmask16 keep = zero ? 0 : 0xffff;
        const __m512 divisor = _mm512_set1_ps(scale);
        const __m512i q0 = _mm512_maskz_cvtps_epi32(keep, _mm512_div_ps(x0, divisor));
        const __m512i q1 = _mm512_maskz_cvtps_epi32(keep, _mm512_div_ps(x1, divisor));
        _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtepi32_epi8(q0));
        _mm_storeu_si128((__m128i *)(void *)(q + 16), _mm512_cvtepi32_epi8(q1));
        d[b] = zero ? (finite ? 0.0f : qn_f32_from_bits(0x7fc00000u)) : scale;
        s[2 * b] = (int16_t)_mm512_reduce_add_epi32(q0);
        s[2 * b + 1] = (int16_t)_mm512_reduce_add_epi32(q1);
    }
}
