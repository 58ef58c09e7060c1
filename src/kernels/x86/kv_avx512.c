/* kernels/x86/kv_avx512.c — storing keys and values, merging attention partials, AVX-512. */
#include "kernels/kernels.h"

#include "kernels/x86/v16_avx512.h"

QN_INLINE void bytes_away(int8_t *p, v16 x) {
    const __m512i cut = _mm512_cvttps_epi32(x), sign = _mm512_srai_epi32(_mm512_castps_si512(x), 31);
    const __m512 rest = _mm512_abs_ps(_mm512_sub_ps(x, _mm512_cvtepi32_ps(cut)));
    const __mmask16 up = _mm512_cmp_ps_mask(rest, _mm512_set1_ps(0.5f), _CMP_GE_OQ);
    const __m512i one = _mm512_or_si512(sign, _mm512_set1_epi32(1));            /* 1 or −1 */
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtsepi32_epi8(_mm512_mask_add_epi32(cut, up, cut, one)));
}

#define X86(name) qn_##name##_avx512
#include "kernels/x86/kv_x86.inc"
