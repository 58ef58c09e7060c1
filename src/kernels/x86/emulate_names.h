/* kernels/x86/emulate_names.h — emulate.h, last part: from here on the intrinsics' names mean ours. */
#ifndef QN_KERNELS_X86_EMULATE_NAMES_H
#define QN_KERNELS_X86_EMULATE_NAMES_H

/* Some compilers have macros of these names. */
#undef _mm512_setr_ps
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_extractf32x8_ps
#undef _mm512_cvtps_ph
#undef _mm512_cmp_ps_mask
#undef _mm512_ternarylogic_epi32
#undef _mm512_slli_epi32
#undef _mm512_srli_epi32
#undef _mm512_srai_epi32
#undef _mm512_cmplt_epi32_mask

#define _mm512_castps_si512(a) ((__m512i)(a))
#define _mm512_castsi512_ps(a) ((__m512)(a))
#define _mm512_castps512_ps256(a) emulated_extractf32x8_ps(a, 0)
#define _mm512_setzero_ps() emulated_set1_ps(0.0f)
#define _mm512_setzero_si512() emulated_set1_epi32(0)
#define _mm512_load_si512 emulated_loadu_si512
#define _mm512_cvtps_ph(a, nearest) emulated_cvtps_ph_nearest(a)
#define _mm512_cmp_ps_mask(a, b, how)                                                               \
    emulated_mask_of(_mm256_cmp_ps(((emulated){.f = (a)}).f8[0], ((emulated){.f = (b)}).f8[0], how), \
                     _mm256_cmp_ps(((emulated){.f = (a)}).f8[1], ((emulated){.f = (b)}).f8[1], how))
#define _mm512_loadu_si512 emulated_loadu_si512
#define _mm512_loadu_ps emulated_loadu_ps
#define _mm512_maskz_loadu_epi32 emulated_maskz_loadu_epi32
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_storeu_ps emulated_storeu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_set1_ps emulated_set1_ps
#define _mm512_setr_ps emulated_setr_ps
#define _mm512_abs_ps emulated_abs_ps
#define _mm512_sqrt_ps emulated_sqrt_ps
#define _mm512_add_ps emulated_add_ps
#define _mm512_sub_ps emulated_sub_ps
#define _mm512_mul_ps emulated_mul_ps
#define _mm512_div_ps emulated_div_ps
#define _mm512_max_ps emulated_max_ps
#define _mm512_min_ps emulated_min_ps
#define _mm512_fmadd_ps emulated_fmadd_ps
#define _mm512_fnmadd_ps emulated_fnmadd_ps
#define _mm512_scalef_ps emulated_scalef_ps
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_extractf32x8_ps emulated_extractf32x8_ps
#define _mm512_shuffle_ps emulated_shuffle_ps
#define _mm512_shuffle_f32x4 emulated_shuffle_f32x4
#define _mm512_set1_epi32 emulated_set1_epi32
#define _mm512_set1_epi16 emulated_set1_epi16
#define _mm512_broadcast_i32x4 emulated_broadcast_i32x4
#define _mm512_abs_epi8 emulated_abs_epi8
#define _mm512_and_si512 emulated_and_si512
#define _mm512_or_si512 emulated_or_si512
#define _mm512_xor_si512 emulated_xor_si512
#define _mm512_add_epi8 emulated_add_epi8
#define _mm512_add_epi16 emulated_add_epi16
#define _mm512_add_epi32 emulated_add_epi32
#define _mm512_sub_epi32 emulated_sub_epi32
#define _mm512_max_epu32 emulated_max_epu32
#define _mm512_mullo_epi16 emulated_mullo_epi16
#define _mm512_madd_epi16 emulated_madd_epi16
#define _mm512_maddubs_epi16 emulated_maddubs_epi16
#define _mm512_shuffle_epi8 emulated_shuffle_epi8
#define _mm512_sllv_epi32 emulated_sllv_epi32
#define _mm512_slli_epi32 emulated_slli_epi32
#define _mm512_srli_epi32 emulated_srli_epi32
#define _mm512_srai_epi32 emulated_srai_epi32
#define _mm512_ternarylogic_epi32 emulated_ternarylogic_epi32
#define _mm512_reduce_max_epu32 emulated_reduce_max_epu32
#define _mm512_reduce_add_epi32 emulated_reduce_add_epi32
#define _mm512_reduce_or_epi64 emulated_reduce_or_epi64
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvttps_epi32 emulated_cvttps_epi32
#define _mm512_maskz_cvtps_epi32 emulated_maskz_cvtps_epi32
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8
#define _mm512_cvtsepi32_epi8 emulated_cvtsepi32_epi8
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_cmplt_epi32_mask emulated_cmplt_epi32_mask
#define _mm512_movepi8_mask emulated_movepi8_mask
#define _mm512_mask_mov_epi32 emulated_mask_mov_epi32
#define _mm512_mask_blend_epi32 emulated_mask_blend_epi32
#define _mm512_mask_blend_ps emulated_mask_blend_ps
#define _mm512_mask_add_epi32 emulated_mask_add_epi32
#define _mm512_mask_sub_epi8 emulated_mask_sub_epi8
#define _mm512_dpbusd_epi32 emulated_dpbusd_epi32
#define _mm512_dpbf16_ps emulated_dpbf16_ps
#define _mm256_dpbf16_ps emulated_dpbf16_half_ps
#define _mm512_cvtneps_pbh emulated_cvtneps_pbh
#define _mm256_maskz_loadu_epi16 emulated_maskz_loadu_epi16
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd_avx_epi32

#endif
