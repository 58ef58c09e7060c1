/* tests/unit/test_rng.c — Philox against its authors' vectors; uniform numbers; the parameter fill. */
#include "test.h"

/* Random123's kat_vectors, "philox4x32 10": counter, key, result. */
TEST(philox_known_answers) {
    static const struct { uint32_t counter[4], key[2], want[4]; } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const uint32_t *c = cases[i].counter, *k = cases[i].key;
        qn_rng_block b = qn_rng((uint64_t)k[1] << 32 | k[0], 0, (uint64_t)c[3] << 32 | c[2],
                                (uint64_t)c[1] << 32 | c[0]);
        for (int w = 0; w < 4; w++)
            CHECK_INT(b.v[w], cases[i].want[w], "case %zu, word %d", i, w);
    }
}

TEST(every_argument_counts) {
    uint64_t base = qn_rng_u64(1, QN_RNG_SAMPLE, 2, 3);
    CHECK(base == qn_rng_u64(1, QN_RNG_SAMPLE, 2, 3));
    CHECK(base != qn_rng_u64(2, QN_RNG_SAMPLE, 2, 3));
    CHECK(base != qn_rng_u64(1, QN_RNG_INIT, 2, 3));
    CHECK(base != qn_rng_u64(1, QN_RNG_SAMPLE, 3, 3));
    CHECK(base != qn_rng_u64(1, QN_RNG_SAMPLE, 2, 4));
    CHECK(base != qn_rng_u64(1, QN_RNG_SAMPLE, 3, 2));
    CHECK(base != qn_rng_u64(1 + (1ull << 32), QN_RNG_SAMPLE, 2, 3));
    CHECK(base != qn_rng_u64(1, QN_RNG_SAMPLE, 2 + (1ull << 32), 3));
    CHECK(base != qn_rng_u64(1, QN_RNG_SAMPLE, 2, 3 + (1ull << 32)));
}

TEST(uniform_fills_the_unit_interval) {
    enum { N = 100000, BINS = 20 };
    double sum = 0, squares = 0, least = 1, most = 0;
    int bins[BINS] = {0};
    for (uint64_t i = 0; i < N; i++) {
        double u = qn_rng_uniform(42, QN_RNG_TEST, 0, i);
        CHECK(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
        least = QN_MIN(least, u);
        most = QN_MAX(most, u);
        bins[(int)(u * BINS)]++;
    }
    CHECK_NEAR(sum / N, 0.5, 4 * 0.2887 / sqrt(N));
    CHECK_NEAR(squares / N, 1.0 / 3, 4 * 0.2981 / sqrt(N));
    CHECK(least < 1e-3 && most > 1 - 1e-3);
    for (int b = 0; b < BINS; b++)
        CHECK_NEAR(bins[b], N / BINS, 5 * sqrt(N / BINS), "bin %d", b);
}

/* FNV-1a 32 of the reference vectors of its authors' page. */
TEST(salt_is_fnv1a) {
    CHECK_INT(qn_fill_salt(""), 0x811c9dc5);
    CHECK_INT(qn_fill_salt("a"), 0xe40c292c);
    CHECK_INT(qn_fill_salt("foobar"), 0xbf9cf968);
}

/* The same formula in 64-bit integers and exact rationals. */
static double plain_fill(uint64_t salt, uint64_t i) {
    uint64_t m = 0xffffffff, h = (((i + 1) & m) * 0x9e3779b1u & m) ^ salt;
    h = (h ^ h >> 16) * 0x85ebca6bu & m;
    h = (h ^ h >> 13) * 0xc2b2ae35u & m;
    h ^= h >> 16;
    return ((double)(h >> 8) - 8388608.0) / 8388608.0;
}

TEST(fill_follows_the_formula) {
    uint32_t salt = qn_fill_salt("model.embed_tokens.weight");
    double sum = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        double v = plain_fill(salt, i);
        CHECK(qn_fill_value(salt, i, 1) == (float)v, "index %d", (int)i);
        CHECK(qn_fill_value(salt, i, 0.25f) == (float)(v / 4), "index %d", (int)i);
        CHECK(v >= -1 && v < 1);
        sum += v;
    }
    CHECK_NEAR(sum / 10000, 0, 0.03);
    CHECK(qn_fill_value(salt, 5 + (1ull << 32), 1) == qn_fill_value(salt, 5, 1), "the index counts modulo 2^32");
}
