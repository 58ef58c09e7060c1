/* kernels/x86/emulate.h — the intrinsics of AVX-512 and AVX-VNNI that our rows use, in AVX2 and plain C: a vector is
 * two halves of 256 bits, a mask its bits. Included by intrinsics.h in builds that emulate, and nowhere else.
 *
 * What is not defined here does not compile in such a build, so no row escapes. Arithmetic of single floats is the
 * machine's own, lane by lane, and so is that of bf16 dots: their rule for denormals is set around two of the machine's
 * fused multiply-adds (Intel SDM vol. 2, VDPBF16PS). Conversion to bf16 and scaling by powers of two are written out as
 * the manual has them (VCVTNEPS2BF16, VSCALEFPS).
 *
 *   emulate_words.h   vectors, integers, masks        emulate_names.h   the names */
#ifndef QN_KERNELS_X86_EMULATE_H
#define QN_KERNELS_X86_EMULATE_H

#include "kernels/x86/emulate_words.h"

/* ---- memory; what a mask leaves out is not touched ---- */

EMU(__m512i, loadu_si512)(const void *p) {
    const __m256i *h = p;
    return EMU_HALVES(i, i8, _mm256_loadu_si256(h), _mm256_loadu_si256(h + 1));
}
EMU(__m512, loadu_ps)(const void *p) { return (__m512)emulated_loadu_si512(p); }
EMU(__m512i, maskz_loadu_epi32)(__mmask16 m, const void *p) {
    const int *w = p;
    return EMU_HALVES(i, i8, _mm256_maskload_epi32(w, emulated_lanes(m, 0)),
                      _mm256_maskload_epi32(w + 8, emulated_lanes(m, 1)));
}
EMU(__m512, maskz_loadu_ps)(__mmask16 m, const void *p) { return (__m512)emulated_maskz_loadu_epi32(m, p); }
EMU(void, storeu_ps)(void *p, __m512 a) { memcpy(p, &a, sizeof a); }
EMU(void, mask_storeu_ps)(void *p, __mmask16 m, __m512 a) {
    const emulated x = {.f = a};
    _mm256_maskstore_ps((float *)p, emulated_lanes(m, 0), x.f8[0]);
    _mm256_maskstore_ps((float *)p + 8, emulated_lanes(m, 1), x.f8[1]);
}
EMU(__m256i, maskz_loadu_epi16)(__mmask16 m, const void *p) {
    uint16_t h[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            h[i] = ((const uint16_t *)p)[i];
    return _mm256_loadu_si256((const void *)h);
}

/* ---- floats ---- */

EMU(__m512, set1_ps)(float x) { return EMU_HALVES(f, f8, _mm256_set1_ps(x), _mm256_set1_ps(x)); }
EMU(__m512, setr_ps)(float a, float b, float c, float d, float e, float f, float g, float h, float i, float j, float k,
                     float l, float m, float n, float o, float p) {
    return EMU_HALVES(f, f8, _mm256_setr_ps(a, b, c, d, e, f, g, h), _mm256_setr_ps(i, j, k, l, m, n, o, p));
}

#define EMU_FLOAT_1(name, op)                                                                       \
    EMU(__m512, name)(__m512 a) {                                                                   \
        const emulated x = {.f = a};                                                                \
        return EMU_HALVES(f, f8, op(x.f8[0]), op(x.f8[1]));                                         \
    }
#define EMU_FLOAT_2(name, op)                                                                       \
    EMU(__m512, name)(__m512 a, __m512 b) {                                                         \
        const emulated x = {.f = a}, y = {.f = b};                                                  \
        return EMU_HALVES(f, f8, op(x.f8[0], y.f8[0]), op(x.f8[1], y.f8[1]));                       \
    }
#define EMU_FLOAT_3(name, op)                                                                       \
    EMU(__m512, name)(__m512 a, __m512 b, __m512 c) {                                               \
        const emulated x = {.f = a}, y = {.f = b}, z = {.f = c};                                    \
        return EMU_HALVES(f, f8, op(x.f8[0], y.f8[0], z.f8[0]), op(x.f8[1], y.f8[1], z.f8[1]));     \
    }
#define EMU_ABS(x) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x)
EMU_FLOAT_1(abs_ps, EMU_ABS)
EMU_FLOAT_1(sqrt_ps, _mm256_sqrt_ps)
EMU_FLOAT_2(add_ps, _mm256_add_ps)
EMU_FLOAT_2(sub_ps, _mm256_sub_ps)
EMU_FLOAT_2(mul_ps, _mm256_mul_ps)
EMU_FLOAT_2(div_ps, _mm256_div_ps)
EMU_FLOAT_2(max_ps, _mm256_max_ps)
EMU_FLOAT_2(min_ps, _mm256_min_ps)
EMU_FLOAT_3(fmadd_ps, _mm256_fmadd_ps)
EMU_FLOAT_3(fnmadd_ps, _mm256_fnmadd_ps)

/* a · 2^⌊n⌋, rounded once; n is a number or NaN. In double the product is exact. */
EMU(__m512, scalef_ps)(__m512 a, __m512 n) {
    const emulated x = {.f = a}, y = {.f = n};
    emulated z;
    for (int i = 0; i < 4; i++) {
        const __m256d by = _mm256_floor_pd(_mm256_cvtps_pd(y.f4[i]));
        const __m256d bound = _mm256_max_pd(_mm256_min_pd(by, _mm256_set1_pd(300)), _mm256_set1_pd(-300));
        const __m256i e = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(bound)), _mm256_set1_epi64x(1023));
        const __m256d power = _mm256_castsi256_pd(_mm256_slli_epi64(e, 52));
        const __m128 scaled = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_cvtps_pd(x.f4[i]), power));
        z.f4[i] = _mm_blendv_ps(scaled, y.f4[i], _mm_cmpunord_ps(y.f4[i], y.f4[i]));
    }
    return z.f;
}

EMU(__m512, cvtph_ps)(__m256i h) {
    const __m128i low = _mm256_castsi256_si128(h), high = _mm256_extracti128_si256(h, 1);
    return EMU_HALVES(f, f8, _mm256_cvtph_ps(low), _mm256_cvtph_ps(high));
}
EMU(__m256i, cvtps_ph_nearest)(__m512 a) {
    const emulated x = {.f = a};
    return _mm256_set_m128i(_mm256_cvtps_ph(x.f8[1], _MM_FROUND_TO_NEAREST_INT),
                            _mm256_cvtps_ph(x.f8[0], _MM_FROUND_TO_NEAREST_INT));
}
EMU(__m256, extractf32x8_ps)(__m512 a, int h) { return ((emulated){.f = a}).f8[h]; }

/* Selections of four of a group of four, the first two from a. */
EMU(__m512, shuffle_ps)(__m512 a, __m512 b, int how) {
    const emulated x = {.f = a}, y = {.f = b};
    emulated z;
    for (int i = 0; i < 16; i++)
        z.lane[i] = (i % 4 < 2 ? x : y).lane[i / 4 * 4 + (how >> (i % 4 * 2) & 3)];
    return z.f;
}
EMU(__m512, shuffle_f32x4)(__m512 a, __m512 b, int how) {
    const emulated x = {.f = a}, y = {.f = b};
    return ((emulated){.f4 = {x.f4[how & 3], x.f4[how >> 2 & 3], y.f4[how >> 4 & 3], y.f4[how >> 6 & 3]}}).f;
}

/* ---- between them ---- */

EMU(__m512, cvtepi32_ps)(__m512i a) {
    const emulated x = {.i = a};
    return EMU_HALVES(f, f8, _mm256_cvtepi32_ps(x.i8[0]), _mm256_cvtepi32_ps(x.i8[1]));
}
EMU(__m512i, cvttps_epi32)(__m512 a) {
    const emulated x = {.f = a};
    return EMU_HALVES(i, i8, _mm256_cvttps_epi32(x.f8[0]), _mm256_cvttps_epi32(x.f8[1]));
}
EMU(__m512i, maskz_cvtps_epi32)(__mmask16 m, __m512 a) {
    const emulated x = {.f = a};
    return EMU_HALVES(i, i8, _mm256_and_si256(emulated_lanes(m, 0), _mm256_cvtps_epi32(x.f8[0])),
                      _mm256_and_si256(emulated_lanes(m, 1), _mm256_cvtps_epi32(x.f8[1])));
}
/* Words cut to bytes and halves, or held to a byte's range. */
EMU(__m128i, cvtepi32_epi8)(__m512i a) {
    const emulated x = {.i = a};
    int8_t b[16];
    for (int i = 0; i < 16; i++)
        b[i] = (int8_t)x.word[i];
    return _mm_loadu_si128((const void *)b);
}
EMU(__m128i, cvtsepi32_epi8)(__m512i a) {
    const emulated x = {.i = a};
    int8_t b[16];
    for (int i = 0; i < 16; i++)
        b[i] = (int8_t)QN_MAX(QN_MIN(x.whole[i], 127), -128);
    return _mm_loadu_si128((const void *)b);
}
EMU(__m256i, cvtepi32_epi16)(__m512i a) {
    const emulated x = {.i = a};
    uint16_t h[16];
    for (int i = 0; i < 16; i++)
        h[i] = (uint16_t)x.word[i];
    return _mm256_loadu_si256((const void *)h);
}

/* ---- dots ---- */

/* sum + Σ a·b of four bytes, a unsigned, b signed. Pairs are summed in 32 bits: 16 would overflow. */
EMU(__m256i, dpbusd_avx_epi32)(__m256i sum, __m256i a, __m256i b) {
    const __m256i even = _mm256_set1_epi32(0x00ff00ff);
    const __m256i b0 = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b1 = _mm256_srai_epi16(b, 8);
    const __m256i low = _mm256_madd_epi16(_mm256_and_si256(a, even), b0);
    const __m256i high = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), b1);
    return _mm256_add_epi32(sum, _mm256_add_epi32(low, high));
}
EMU(__m512i, dpbusd_epi32)(__m512i sum, __m512i a, __m512i b) {
    const emulated s = {.i = sum}, x = {.i = a}, y = {.i = b};
    return EMU_HALVES(i, i8, emulated_dpbusd_avx_epi32(s.i8[0], x.i8[0], y.i8[0]),
                      emulated_dpbusd_avx_epi32(s.i8[1], x.i8[1], y.i8[1]));
}

/* sum += a₁·b₁, then sum += a₀·b₀ of each pair, rounded to nearest even each time; denormals count as zero, and become
 * zero, whatever MXCSR says: the two steps run under one of their own. */
EMU(__m512, dpbf16_ps)(__m512 sum, __m512bh a, __m512bh b) {
    const uint32_t own = 0x9fc0;                                /* denormals to zero, in and out; nothing is raised */
    const __m256i odd = _mm256_set1_epi32((int)0xffff0000u);
    const emulated x = {.i = (__m512i)a}, y = {.i = (__m512i)b};
    emulated s = {.f = sum};
    uint32_t was;
    const __m256i x1[2] = {_mm256_and_si256(x.i8[0], odd), _mm256_and_si256(x.i8[1], odd)};
    const __m256i y1[2] = {_mm256_and_si256(y.i8[0], odd), _mm256_and_si256(y.i8[1], odd)};
    const __m256i x0[2] = {_mm256_slli_epi32(x.i8[0], 16), _mm256_slli_epi32(x.i8[1], 16)};
    const __m256i y0[2] = {_mm256_slli_epi32(y.i8[0], 16), _mm256_slli_epi32(y.i8[1], 16)};
    __asm__("vstmxcsr %[was]\n\tvldmxcsr %[own]\n\t"
            "vfmadd231ps %[y10], %[x10], %[s0]\n\tvfmadd231ps %[y11], %[x11], %[s1]\n\t"
            "vfmadd231ps %[y00], %[x00], %[s0]\n\tvfmadd231ps %[y01], %[x01], %[s1]\n\t"
            "vldmxcsr %[was]"
            : [was] "=&m"(was), [s0] "+&x"(s.f8[0]), [s1] "+&x"(s.f8[1])
            : [own] "m"(own), [x10] "x"(x1[0]), [x11] "x"(x1[1]), [y10] "x"(y1[0]), [y11] "x"(y1[1]),
              [x00] "x"(x0[0]), [x01] "x"(x0[1]), [y00] "x"(y0[0]), [y01] "x"(y0[1]));
    return s.f;
}

/* Of half as many lanes. */
EMU(__m256, dpbf16_half_ps)(__m256 sum, __m256bh a, __m256bh b) {
    const emulated s = {.f8 = {sum}}, x = {.i8 = {(__m256i)a}}, y = {.i8 = {(__m256i)b}};
    return ((emulated){.f = emulated_dpbf16_ps(s.f, (__m512bh)x.i, (__m512bh)y.i)}).f8[0];
}

/* Nearest even; denormals to zero, a NaN cut and made quiet. */
EMU(__m256bh, cvtneps_pbh)(__m512 a) {
    const emulated x = {.f = a};
    uint16_t h[16];
    __m256bh result;
    for (int i = 0; i < 16; i++) {
        const uint32_t u = x.word[i], size = u & 0x7fffffffu;
        if (size > 0x7f800000u)
            h[i] = (uint16_t)(u >> 16 | 0x40);
        else if (size < 0x00800000u)
            h[i] = (uint16_t)(u >> 16 & 0x8000);
        else
            h[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    }
    memcpy(&result, h, sizeof result);
    return result;
}

#include "kernels/x86/emulate_names.h"

#endif
