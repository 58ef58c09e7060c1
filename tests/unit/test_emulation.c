/* tests/unit/test_emulation.c — the emulated instructions, which judge rows for other CPUs (kernels/x86/emulate.h,
 * tiles.h), against what the manual says of them, written out anew. It is compiled for AVX2 whatever the build. */
#include "test.h"

#include "kernels/kernels.h"

#include <math.h>

#if defined(QN_KERNELS_X86) && !defined(__clang__)
#include <immintrin.h>

#pragma GCC target("avx2,fma,f16c,bmi2")
#pragma GCC diagnostic ignored "-Wpsabi"
#define X86_EMULATED
#define X86_EMULATED_DOTS
#include "kernels/x86/intrinsics.h"

#include "kernels/x86/tiles.h"

#define NEEDS_AVX2                              \
    if (!qn_isa_has(QN_ISA_AVX2))               \
        SKIP("no AVX2 here")

static uint32_t pair(float even, float odd) { return qn_f32_to_bf16(even) | (uint32_t)qn_f32_to_bf16(odd) << 16; }

/* One lane of the dot of pairs; all lanes are the same. */
static float dot(float sum, uint32_t a, uint32_t b) {
    float y[16];
    _mm512_storeu_ps(y, _mm512_dpbf16_ps(_mm512_set1_ps(sum), (__m512bh)_mm512_set1_epi32((int32_t)a),
                                         (__m512bh)_mm512_set1_epi32((int32_t)b)));
    for (int i = 1; i < 16; i++)
        CHECK(memcmp(&y[i], &y[0], sizeof *y) == 0, "lane %d", i);
    return y[0];
}

TEST(the_dot_of_pairs_takes_the_odd_one_first_and_knows_no_denormals) {
    NEEDS_AVX2;
    CHECK(dot(1, pair(1, 0x1p24f), pair(1, 1)) == 0x1p24f, "1 + 2^24 is 2^24, twice");
    CHECK(dot(1, pair(0x1p24f, 1), pair(1, 1)) == 0x1p24f + 2, "1 + 1, then 2^24");
    CHECK(dot(0x1p-130f, 0, 0) == 0, "a denormal sum");
    CHECK(dot(0, pair(0x1p-130f, 0), pair(0x1p100f, 0)) == 0, "a denormal factor");
    CHECK(dot(0, pair(0x1p-70f, 0), pair(0x1p-70f, 0)) == 0, "a denormal product");
    CHECK(dot(0x1p-126f, pair(0, 0x1p-64f), pair(0, -0x1p-63f)) == 0, "what becomes denormal on the way");
    CHECK(dot(0x1p-126f, pair(0x1p-64f, 0), pair(0x1p-62f, 0)) == 0x1p-125f, "the smallest normal ones stay");
    CHECK(isnan(dot(0, pair(INFINITY, 0), pair(0, 0))));
    volatile float tiny = 0x1p-130f;                    /* our own arithmetic keeps its rule */
    CHECK(tiny * 0.5f == 0x1p-131f);
    for (uint64_t i = 0; i < 1000; i++) {               /* in range double is exact until it is rounded */
        const uint32_t a = pair(qn_fill_value(1, i, 4), qn_fill_value(2, i, 4));
        const uint32_t b = pair(qn_fill_value(3, i, 4), qn_fill_value(4, i, 4));
        const float sum = qn_fill_value(5, i, 4);
        const float once = (float)((double)sum + (double)pair_odd(a) * (double)pair_odd(b));
        CHECK(dot(sum, a, b) == (float)((double)once + (double)pair_even(a) * (double)pair_even(b)), "%d", (int)i);
    }
}

TEST(numbers_are_cut_to_bf16_as_the_instruction_does_it) {
    NEEDS_AVX2;
    const float cases[16] = {1.00390625f, 1.01171875f, -1.0f, 0x1p-127f, -0x1p-127f, 0x1p-126f, INFINITY, -INFINITY,
                             NAN, 0x1.ffp127f, 0, -0.0f, 3, 0x1.fep1f, 0x1.ffp1f, 1e-30f};
    const __m256bh got = _mm512_cvtneps_pbh(_mm512_loadu_ps(cases));
    uint16_t h[16];
    memcpy(h, &got, sizeof h);
    for (int i = 0; i < 16; i++) {
        const uint16_t usual = qn_f32_to_bf16(cases[i]);
        const bool denormal = cases[i] != 0 && fabsf(cases[i]) < 0x1p-126f;
        CHECK_INT(h[i], denormal ? usual & 0x8000 : usual, "%a", (double)cases[i]);
    }
}

TEST(bytes_meet_bytes) {
    NEEDS_AVX2;
    uint8_t a[64];
    int8_t b[64];
    int32_t got[16], half[8];
    for (int how = 0; how < 40; how++) {
        for (int i = 0; i < 64; i++) {
            const uint32_t r = (uint32_t)qn_rng_u64(7, QN_RNG_TEST, (uint64_t)how, (uint64_t)i);
            a[i] = how == 0 ? 255 : (uint8_t)r;
            b[i] = how == 0 ? (i / 4 % 2 ? 127 : -128) : (int8_t)(r >> 8);
        }
        const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), z = _mm512_set1_epi32(1000 * how);
        _mm512_storeu_ps(got, _mm512_castsi512_ps(_mm512_dpbusd_epi32(z, x, y)));
        const __m256i small = _mm256_dpbusd_avx_epi32(_mm256_set1_epi32(1000 * how),
                                                      _mm256_loadu_si256((const void *)a),
                                                      _mm256_loadu_si256((const void *)b));
        memcpy(half, &small, sizeof half);
        for (int i = 0; i < 16; i++) {
            int32_t want = 1000 * how;
            for (int j = 0; j < 4; j++)
                want += a[4 * i + j] * b[4 * i + j];
            CHECK_INT(got[i], want);
            if (i < 8)
                CHECK_INT(half[i], want);
        }
    }
}

TEST(powers_of_two_scale_with_one_rounding) {
    NEEDS_AVX2;
    static const float x[16] = {1, 0x1.fffffep0f, 0x1.000002p0f, 0x1p-140f, -3, 0, INFINITY, NAN, 1, 1.5f, 1, 0.7f, 1,
                                1, 1, 1};
    static const float n[16] = {-149, -126, -127, 140, 127, 5, -200, 1, 128, -150, NAN, 12.75f, -0.25f, -151, 0, 3};
    float got[16];
    _mm512_storeu_ps(got, _mm512_scalef_ps(_mm512_loadu_ps(x), _mm512_loadu_ps(n)));
    for (int i = 0; i < 16; i++) {
        const float want = n[i] != n[i] ? NAN : ldexpf(x[i], (int)floorf(n[i]));
        CHECK(memcmp(&got[i], &want, sizeof want) == 0 || (isnan(got[i]) && isnan(want)), "%a * 2^%g: %a, expected %a",
              (double)x[i], (double)n[i], (double)got[i], (double)want);
    }
}

TEST(masks_name_lanes) {
    NEEDS_AVX2;
    float x[16], y[16], *end;
    for (int i = 0; i < 16; i++)
        x[i] = (float)(i - 5);
    const __m512 v = _mm512_loadu_ps(x), zero = _mm512_setzero_ps();
    CHECK_INT(_mm512_cmp_ps_mask(v, zero, _CMP_LT_OQ), 0x001f);
    CHECK_INT(_mm512_cmp_ps_mask(v, zero, _CMP_GE_OQ), 0xffe0);
    for (int n = 0; n <= 16; n++) {
        const __mmask16 first = (__mmask16)((1u << n) - 1);
        memset(y, 0x5a, sizeof y);
        _mm512_mask_storeu_ps(y, first, v);
        CHECK(memcmp(y, x, (size_t)n * sizeof *x) == 0 && (n == 16 || memcmp(y + n, "ZZZZ", 4) == 0), "%d", n);
        _mm512_storeu_ps(y, _mm512_maskz_loadu_ps(first, x));
        for (int i = 0; i < 16; i++)
            CHECK(y[i] == (i < n ? x[i] : 0), "%d of %d", i, n);
        _mm512_storeu_ps(y, _mm512_mask_blend_ps(first, zero, v));
        CHECK(memcmp(y, x, (size_t)n * sizeof *x) == 0);
    }
    end = y;
    _mm512_storeu_ps(end, _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        _mm512_castps_si512(v), _mm512_castps_si512(_mm512_set1_ps(-1)), _mm512_set1_epi32(INT32_MIN), 0xd8)));
    for (int i = 0; i < 16; i++)
        CHECK(y[i] == -fabsf(x[i]), "the sign of the second, the rest of the first");
}

/* Tiles of fewer rows and columns; the reduction in one product: even and odd apart, then together, then to the sum. */
TEST(a_product_of_tiles) {
    NEEDS_AVX2;
    uint32_t a[3][2] = {{pair(1, 2), pair(3, 4)}, {pair(0x1p24f, 1), pair(1, 1)}, {pair(0x1p-70f, 0), 0}};
    uint32_t b[2][2] = {{pair(1, 1), pair(0x1p-70f, 1)}, {pair(1, 1), pair(-1, -1)}};
    float c[3][2] = {{100, 0x1p-130f}, {0, 0}, {0, 0}};
    tile_shapes s = {.palette = 1, .line = {[TILE_C00] = 8, [TILE_A0] = 8, [TILE_B0] = 8},
                     .rows = {[TILE_C00] = 3, [TILE_A0] = 3, [TILE_B0] = 2}};
    _tile_loadconfig(&s);
    _tile_loadd(TILE_C00, c, 8);
    _tile_loadd(TILE_A0, a, 8);
    _tile_loadd(TILE_B0, b, 8);
    _tile_dpbf16ps(TILE_C00, TILE_A0, TILE_B0);
    _tile_stored(TILE_C00, c, 8);
    _tile_release();
    CHECK(c[0][0] == 110, "1 + 3 and 2 + 4: %g", (double)c[0][0]);
    CHECK(c[0][1] == -3 + -2, "2^-70 is lost in -3; 2 - 4; a denormal sum counts as zero: %g", (double)c[0][1]);
    CHECK(c[1][0] == 0x1p24f + 2, "2^24 + 1 to even, + 2: %g", (double)c[1][0]);
    CHECK(c[2][1] == 0, "a denormal product: %g", (double)c[2][1]);
}
#else
TEST(other_compilers_and_machines) { SKIP("the emulation is for GCC on x86-64"); }
#endif
