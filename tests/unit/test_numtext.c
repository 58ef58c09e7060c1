/* tests/unit/test_numtext.c — numbers from and to text: exact, and the same in every locale. */
#include "base/numtext.h"
#include "test.h"

#include <float.h>
#include <locale.h>

TEST(integers) {
    static const struct { const char *s; bool ok; int64_t v; } cases[] = {
        {"0", true, 0}, {"-0", true, 0}, {"+7", true, 7}, {"007", true, 7}, {"-12", true, -12},
        {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0}, {"99999999999999999999", false, 0},
        {"", false, 0}, {"-", false, 0}, {"+", false, 0}, {"1x", false, 0}, {" 1", false, 0}, {"1 ", false, 0},
        {"0x10", false, 0}, {"1.0", false, 0}, {"--1", false, 0},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        int64_t v = 4711;
        CHECK(qn_parse_i64(qn_str_of(cases[i].s), &v) == cases[i].ok, "\"%s\"", cases[i].s);
        CHECK_INT(v, cases[i].ok ? cases[i].v : 4711, "\"%s\"", cases[i].s);
    }
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

TEST(doubles_agree_with_the_compiler) {
#define CASE(x) {#x, x}
    static const struct { const char *s; double v; } cases[] = {
        CASE(0), CASE(-0.0), CASE(1), CASE(-1.5), CASE(.5), CASE(5.), CASE(1e22), CASE(1e23), CASE(123456789012345678.),
        CASE(9007199254740993.), CASE(9007199254740992.9999999999999), CASE(1.7976931348623157e308),
        CASE(2.2250738585072014e-308), CASE(2.2250738585072011e-308), CASE(4.9406564584124654e-324), CASE(5e-324),
        CASE(3.141592653589793238462643383279502884197), CASE(0.1), CASE(6.631236846766476e-316),
        CASE(0.000000000000000000000000000000000000000000000000000000000000000000000000000000000001e84),
        CASE(1000000000000000000000000000000000000000000000000000000000000000000000000000000000e-80), CASE(1E+2),
        CASE(179769313486231580793728971405301e276), CASE(8.5e+09),
        {"1e-400", 0}, {"2.4703282292062327208828439643411068618252990e-324", 0},    /* just below half the least */
        {"2.4703282292062327208828439643411068618252991e-324", 0x1p-1074},           /* just above */
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        double v = -4711;
        CHECK(qn_parse_f64(qn_str_of(cases[i].s), &v), "\"%s\"", cases[i].s);
        CHECK(same_bits(v, cases[i].v), "\"%s\": %a, expected %a", cases[i].s, v, cases[i].v);
    }
}

TEST(what_is_no_double) {
    static const char *const cases[] = {"", "-", "+", ".", "e5", "1e", "1e+", "1e5x", "x", " 1", "1 ", "inf", "nan",
                                        "0x1p3", "1,5", "1.2.3", "1e400", "-1e309", "1.8e308",
                                        "1e99999999999999999999"};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        double v = 42;
        CHECK(!qn_parse_f64(qn_str_of(cases[i]), &v), "\"%s\"", cases[i]);
        CHECK(v == 42, "\"%s\" changed the value", cases[i]);
    }
    double v;
    CHECK(qn_parse_f64(QN_STR("1e-99999999999999999999"), &v) && v == 0);
    CHECK(qn_parse_f64(QN_STR("0e99999999999999999999"), &v) && v == 0);
}

/* A tie is broken by whatever follows it, however late. */
TEST(digits_far_behind_still_count) {
    static char text[3000];
    double v;
    snprintf(text, sizeof text, "%.1074f", 0x1p-1074);
    CHECK(qn_parse_f64(qn_str_of(text), &v) && v == 0x1p-1074);
    static const char half[] = "1.00000000000000011102230246251565404236316680908203125";      /* 1 + 2^-53 */
    CHECK(qn_parse_f64(qn_str_of(half), &v) && v == 1);
    strcpy(text, half);
    memset(text + sizeof half - 1, '0', 2000);
    size_t n = sizeof half - 1 + 2000;
    CHECK(qn_parse_f64((qn_str){text, n}, &v) && v == 1);
    text[n] = '1';
    CHECK(qn_parse_f64((qn_str){text, n + 1}, &v) && v == 1 + DBL_EPSILON);
    memset(text, '0', 2990);
    text[0] = '1';
    CHECK(!qn_parse_f64((qn_str){text, 2990}, &v));
    strcpy(text + 2000, "e-2000");
    CHECK(qn_parse_f64(qn_str_of(text), &v) && v == 0.1);
}

static void check_round_trip(double v) {
    char text[QN_F64_TEXT];
    double back = 0;
    size_t n = qn_f64_text(v, text);
    CHECK_INT(strlen(text), n);
    CHECK(n < QN_F64_TEXT);
    CHECK(qn_parse_f64((qn_str){text, n}, &back), "%a as %s", v, text);
    CHECK(same_bits(v, back), "%a as %s reads back as %a", v, text, back);
    CHECK(same_bits(v, strtod(text, NULL)), "%a as %s", v, text);
}

/* Every 1000th float and its neighbours in short decimals: read back by strtof, and as short as the samples say. */
TEST(any_float_reads_back) {
    static const struct { float v; const char *text; } samples[] = {
        {0.1f, "0.1"}, {-0.25f, "-0.25"}, {3, "3"}, {0.0419f, "0.0419"}, {1.0f / 3, "0.33333334"}, {1e-7f, "1e-7"},
        {16777216, "16777216"}, {0.99999994f, "0.99999994"}, {-0.0f, "-0"},
    };
    char text[QN_F64_TEXT];
    for (size_t i = 0; i < QN_LEN(samples); i++) {
        CHECK_INT(qn_f32_text(samples[i].v, text), strlen(samples[i].text));
        CHECK_STR(text, samples[i].text);
    }
    for (uint32_t i = 0; i < 0x7f800000u; i += 20011) {
        float v, back;
        memcpy(&v, &i, sizeof v);
        const size_t n = qn_f32_text(v, text);
        CHECK_INT(n, strlen(text));
        back = strtof(text, NULL);
        CHECK(memcmp(&v, &back, sizeof v) == 0, "%a as %s", (double)v, text);
    }
}

TEST(any_double_reads_back) {
    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t bits = qn_rng_u64(3, QN_RNG_TEST, 0, i);
        double v;
        if (i % 4 == 1)
            bits &= ~(0x7ffull << 52);                    /* subnormal */
        if (i % 4 == 2)
            bits &= ~0xffffffffull;                       /* few digits */
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            check_round_trip(v);
        check_round_trip((double)(int64_t)bits / 1000);
    }
    static const double edges[] = {0, -0.0, 1, 1e15, 1e16, 1e17, 1e21, 123456789012345680, 0.1, 1e-4, 1e-5, DBL_MAX,
    DBL_MIN,
                                   DBL_TRUE_MIN, -DBL_MAX, 9007199254740992, 0x1p63, 1e22, 1e23, 5e-324};
    for (size_t i = 0; i < QN_LEN(edges); i++)
        check_round_trip(edges[i]);
}

TEST(texts_are_short) {
    static const struct { double v; const char *want; } cases[] = {
        {0, "0"}, {-0.0, "-0"}, {1, "1"}, {-3, "-3"}, {0.1, "0.1"}, {0.5, "0.5"}, {1.0 / 3, "0.3333333333333333"},
        {100, "100"}, {12.25, "12.25"}, {1e-3, "0.001"}, {1e-7, "1e-7"}, {1.5e-10, "1.5e-10"}, {1e21, "1e21"},
        {1e300, "1e300"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e308"},
        {1e16, "10000000000000000"},
        {-0.000123, "-0.000123"}, {0.1 + 0.2, "0.30000000000000004"}, {9007199254740992, "9007199254740992"},
        {NAN, "nan"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}, {1e-310, "1e-310"}, {123456.789, "123456.789"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        char text[QN_F64_TEXT];
        qn_f64_text(cases[i].v, text);
        CHECK_STR(text, cases[i].want);
    }
}

TEST(the_locale_does_not_matter) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "ru_RU.UTF-8"};
    const char *found = NULL;
    for (size_t i = 0; i < QN_LEN(names) && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]);
    if (!found)
        SKIP("no locale with a decimal comma is installed");
    char printed[32], text[QN_F64_TEXT];
    snprintf(printed, sizeof printed, "%.1f", 1.5);
    qn_f64_text(1234.5678e-30, text);
    double a = 0, b = 0;
    bool ok = qn_parse_f64(QN_STR("1.5"), &a) && qn_parse_f64(QN_STR("1.2345678901234567890123"), &b);
    bool comma = qn_parse_f64(QN_STR("1,5"), &a);
    setlocale(LC_NUMERIC, "C");
    CHECK_STR(printed, "1,5");
    CHECK(ok && !comma && a == 1.5 && b == 1.2345678901234567890123);
    CHECK_STR(text, "1.2345678e-27");
}
