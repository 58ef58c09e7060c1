/* tests/unit/test_num_half.c — F16 and BF16 against definitions written down anew in double arithmetic. */
#include "test.h"

#include "num/num.h"

/* The value of a small float format straight from its definition. Exact: every value fits a double. */
static double value_of(uint32_t bits, int exp_bits, int man_bits) {
    const uint32_t man = bits & ((1u << man_bits) - 1), exp = (bits >> man_bits) & ((1u << exp_bits) - 1);
    const int bias = (1 << (exp_bits - 1)) - 1;
    const double sign = bits >> (exp_bits + man_bits) ? -1 : 1;
    if (exp == (1u << exp_bits) - 1)
        return man ? NAN : sign * INFINITY;
    if (exp == 0)
        return sign * ldexp((double)man, 1 - bias - man_bits);
    return sign * ldexp((double)man + (double)(1u << man_bits), (int)exp - bias - man_bits);
}

/* Nearest even by search: the bracketing values of the magnitude's bit pattern, compared in exact doubles. Infinity's
 * pattern stands for the first value that no longer fits, as the rounding rule wants it. */
static uint16_t nearest(float x, int exp_bits, int man_bits) {
    const uint32_t sign = signbit(x) ? 0x8000u : 0, inf = ((1u << exp_bits) - 1) << man_bits;
    const double a = fabs((double)x), limit = ldexp(1, 1 << (exp_bits - 1));
    uint32_t lo = 0, hi = inf;
    if (a >= limit)
        return (uint16_t)(sign | inf);
    while (hi - lo > 1) {
        const uint32_t mid = (lo + hi) / 2;
        if (value_of(mid, exp_bits, man_bits) <= a)
            lo = mid;
        else
            hi = mid;
    }
    const double below = a - value_of(lo, exp_bits, man_bits);
    const double above = (hi == inf ? limit : value_of(hi, exp_bits, man_bits)) - a;
    const uint32_t pick = below < above || (below == above && lo % 2 == 0) ? lo : hi;
    return (uint16_t)(sign | pick);
}

/* Equal with the sign of zero, or both NaN. */
static bool same(double a, double b) {
    return (a == b && !signbit(a) == !signbit(b)) || (a != a && b != b);
}

TEST(every_f16_decodes_to_its_value) {
    for (uint32_t h = 0; h < 65536; h++) {
        const float got = qn_f16_to_f32((uint16_t)h);
        const double want = value_of(h, 5, 10);
        if (want != want) {
            CHECK(got != got, "0x%04x", h);
            CHECK_INT(qn_f32_bits(got), (h & 0x8000u) << 16 | 0x7fc00000u | (h & 0x3ffu) << 13, "NaN 0x%04x", h);
        } else {
            CHECK(same((double)got, want), "0x%04x gave %a, is %a", h, (double)got, want);
        }
    }
}

TEST(every_f16_and_bf16_survives_the_round_trip) {
    for (uint32_t h = 0; h < 65536; h++) {
        const uint32_t f16_quiet = (h & 0x7fffu) > 0x7c00u ? 0x0200u : 0;
        const uint32_t bf16_quiet = (h & 0x7fffu) > 0x7f80u ? 0x0040u : 0;
        CHECK_INT(qn_f32_to_f16(qn_f16_to_f32((uint16_t)h)), h | f16_quiet);
        CHECK_INT(qn_f32_to_bf16(qn_bf16_to_f32((uint16_t)h)), h | bf16_quiet);
    }
}

TEST(every_bf16_decodes_to_its_value) {
    for (uint32_t h = 0; h < 65536; h++) {
        const float got = qn_bf16_to_f32((uint16_t)h);
        const double want = value_of(h, 8, 7);
        CHECK(same((double)got, want), "0x%04x gave %a, is %a", h, (double)got, want);
    }
}

static void check_float(uint32_t bits) {
    const float x = qn_f32_from_bits(bits);
    const uint16_t f16 = qn_f32_to_f16(x), bf16 = qn_f32_to_bf16(x);
    if (x != x) {
        CHECK((f16 & 0x7e00u) == 0x7e00u && (bf16 & 0x7fc0u) == 0x7fc0u, "NaN 0x%08x stays a quiet NaN", bits);
        CHECK_INT(f16 >> 15, bits >> 31);
        CHECK_INT(bf16, bits >> 16 | 0x40u);
        return;
    }
    CHECK_INT(f16, nearest(x, 5, 10), "f16 of %a (0x%08x)", (double)x, bits);
    CHECK_INT(bf16, nearest(x, 8, 7), "bf16 of %a (0x%08x)", (double)x, bits);
}

TEST(floats_round_to_the_nearest_even_half) {
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 4099)        /* a prime: all low bits occur */
        check_float((uint32_t)bits);
}

TEST(ties_and_their_neighbours) {
    for (uint32_t h = 0; h < 0x7c00u; h++) {        /* midpoints between consecutive f16, and one float to each side */
        const double mid = (value_of(h, 5, 10) + (h == 0x7bffu ? 65536 : value_of(h + 1, 5, 10))) / 2;
        const uint32_t bits = qn_f32_bits((float)mid);
        for (uint32_t d = 0; d < 3; d++) {
            check_float(bits - 1 + d);
            check_float((bits - 1 + d) | 0x80000000u);
        }
    }
    for (uint32_t h = 0; h < 0x7f80u; h += 3)       /* the same for bf16 */
        for (uint32_t d = 0; d < 3; d++)
            check_float((h << 16 | 0x8000u) - 1 + d);
}
