/* kernels/x86/emulate_words.h — emulate.h, first part: vectors as halves, their integers and masks. */
#ifndef QN_KERNELS_X86_EMULATE_WORDS_H
#define QN_KERNELS_X86_EMULATE_WORDS_H

#include "kernels/kernels.h"

typedef union {
    __m512 f;
    __m512i i;
    __m256 f8[2];
    __m256i i8[2];
    __m128 f4[4];
    __m128i i4[4];
    float lane[16];
    uint32_t word[16];
    int32_t whole[16];
    int8_t byte[64];
} emulated;

#define EMU(result, name) QN_INLINE result emulated_##name
#define EMU_HALVES(field, half, x, y) ((emulated){.half = {x, y}}).field

/* All bits of the lanes of half h that the mask names. */
QN_INLINE __m256i emulated_lanes(__mmask16 m, int h) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(m >> (8 * h)), bit), bit);
}

/* ---- integers ---- */

EMU(__m512i, set1_epi32)(int32_t x) { return EMU_HALVES(i, i8, _mm256_set1_epi32(x), _mm256_set1_epi32(x)); }
EMU(__m512i, set1_epi16)(int16_t x) { return EMU_HALVES(i, i8, _mm256_set1_epi16(x), _mm256_set1_epi16(x)); }
EMU(__m512i, broadcast_i32x4)(__m128i x) {
    return EMU_HALVES(i, i8, _mm256_broadcastsi128_si256(x), _mm256_broadcastsi128_si256(x));
}

#define EMU_INT_1(name, op)                                                                         \
    EMU(__m512i, name)(__m512i a) {                                                                 \
        const emulated x = {.i = a};                                                                \
        return EMU_HALVES(i, i8, op(x.i8[0]), op(x.i8[1]));                                         \
    }
#define EMU_INT_2(name, op)                                                                         \
    EMU(__m512i, name)(__m512i a, __m512i b) {                                                      \
        const emulated x = {.i = a}, y = {.i = b};                                                  \
        return EMU_HALVES(i, i8, op(x.i8[0], y.i8[0]), op(x.i8[1], y.i8[1]));                       \
    }
#define EMU_SHIFT(name, op)                                                                         \
    EMU(__m512i, name)(__m512i a, int n) {                                                          \
        const emulated x = {.i = a};                                                                \
        const __m128i by = _mm_cvtsi32_si128(n);                                                    \
        return EMU_HALVES(i, i8, op(x.i8[0], by), op(x.i8[1], by));                                 \
    }
EMU_INT_1(abs_epi8, _mm256_abs_epi8)
EMU_INT_2(and_si512, _mm256_and_si256)
EMU_INT_2(or_si512, _mm256_or_si256)
EMU_INT_2(xor_si512, _mm256_xor_si256)
EMU_INT_2(add_epi8, _mm256_add_epi8)
EMU_INT_2(add_epi16, _mm256_add_epi16)
EMU_INT_2(add_epi32, _mm256_add_epi32)
EMU_INT_2(sub_epi32, _mm256_sub_epi32)
EMU_INT_2(max_epu32, _mm256_max_epu32)
EMU_INT_2(mullo_epi16, _mm256_mullo_epi16)
EMU_INT_2(madd_epi16, _mm256_madd_epi16)
EMU_INT_2(maddubs_epi16, _mm256_maddubs_epi16)
EMU_INT_2(shuffle_epi8, _mm256_shuffle_epi8)
EMU_INT_2(sllv_epi32, _mm256_sllv_epi32)
EMU_SHIFT(slli_epi32, _mm256_sll_epi32)
EMU_SHIFT(srli_epi32, _mm256_srl_epi32)
EMU_SHIFT(srai_epi32, _mm256_sra_epi32)

/* Bit i of `table` is what the three bits i say. */
EMU(__m512i, ternarylogic_epi32)(__m512i a, __m512i b, __m512i c, int table) {
    __m512i any = a ^ a;
    for (int i = 0; i < 8; i++)
        if (table >> i & 1)
            any |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return any;
}

EMU(uint32_t, reduce_max_epu32)(__m512i a) {
    const emulated x = {.i = a};
    uint32_t most = 0;
    for (int i = 0; i < 16; i++)
        most = QN_MAX(most, x.word[i]);
    return most;
}
EMU(int32_t, reduce_add_epi32)(__m512i a) {
    const emulated x = {.i = a};
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += x.word[i];
    return (int32_t)sum;
}
EMU(int64_t, reduce_or_epi64)(__m512i a) { return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]; }

/* Widened: half by half. */
#define EMU_WIDEN(name, from, part, op)                                                             \
    EMU(__m512i, name)(from a) { return EMU_HALVES(i, i8, op(part##_LOW(a)), op(part##_HIGH(a))); }
#define EMU_BYTES_LOW(a) a
#define EMU_BYTES_HIGH(a) _mm_unpackhi_epi64(a, a)
#define EMU_SHORTS_LOW(a) _mm256_castsi256_si128(a)
#define EMU_SHORTS_HIGH(a) _mm256_extracti128_si256(a, 1)
EMU_WIDEN(cvtepi8_epi32, __m128i, EMU_BYTES, _mm256_cvtepi8_epi32)
EMU_WIDEN(cvtepu8_epi32, __m128i, EMU_BYTES, _mm256_cvtepu8_epi32)
EMU_WIDEN(cvtepu16_epi32, __m256i, EMU_SHORTS, _mm256_cvtepu16_epi32)

/* ---- masks ---- */

QN_INLINE __mmask16 emulated_mask_of(__m256 low, __m256 high) {
    return (__mmask16)(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}
EMU(__mmask16, cmplt_epi32_mask)(__m512i a, __m512i b) {
    const emulated x = {.i = a}, y = {.i = b};
    return emulated_mask_of(_mm256_castsi256_ps(_mm256_cmpgt_epi32(y.i8[0], x.i8[0])),
                            _mm256_castsi256_ps(_mm256_cmpgt_epi32(y.i8[1], x.i8[1])));
}
EMU(__mmask64, movepi8_mask)(__m512i a) {
    const emulated x = {.i = a};
    return (uint32_t)_mm256_movemask_epi8(x.i8[0]) | (__mmask64)(uint32_t)_mm256_movemask_epi8(x.i8[1]) << 32;
}
/* b where the mask is set, else a. */
EMU(__m512i, mask_mov_epi32)(__m512i a, __mmask16 m, __m512i b) {
    const emulated x = {.i = a}, y = {.i = b};
    return EMU_HALVES(i, i8, _mm256_blendv_epi8(x.i8[0], y.i8[0], emulated_lanes(m, 0)),
                      _mm256_blendv_epi8(x.i8[1], y.i8[1], emulated_lanes(m, 1)));
}
EMU(__m512i, mask_blend_epi32)(__mmask16 m, __m512i a, __m512i b) { return emulated_mask_mov_epi32(a, m, b); }
EMU(__m512, mask_blend_ps)(__mmask16 m, __m512 a, __m512 b) {
    return (__m512)emulated_mask_mov_epi32((__m512i)a, m, (__m512i)b);
}
EMU(__m512i, mask_add_epi32)(__m512i a, __mmask16 m, __m512i b, __m512i c) {
    return emulated_mask_mov_epi32(a, m, emulated_add_epi32(b, c));
}
EMU(__m512i, mask_sub_epi8)(__m512i a, __mmask64 m, __m512i b, __m512i c) {
    const emulated y = {.i = b}, z = {.i = c};
    emulated x = {.i = a};
    for (int i = 0; i < 64; i++)
        if (m >> i & 1)
            x.byte[i] = (int8_t)(y.byte[i] - z.byte[i]);
    return x.i;
}

#endif
