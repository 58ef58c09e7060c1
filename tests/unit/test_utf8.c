/* tests/unit/test_utf8.c — every code point there and back; every way to be wrong. */
#include "test.h"

TEST(all_code_points_round_trip) {
    uint32_t last = 0;
    for (uint32_t cp = 0; cp < 0x120000; cp++) {
        char bytes[4];
        uint32_t back = 0xffffffff;
        int n = qn_utf8_encode(cp, bytes);
        bool valid = cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
        int want = !valid ? 0 : cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        CHECK_INT(n, want, "U+%04X", (unsigned)cp);
        if (n == 0)
            continue;
        CHECK_INT(qn_utf8_decode(bytes, (size_t)n, &back), n, "U+%04X", (unsigned)cp);
        CHECK_INT(back, cp);
        last = cp;
    }
    CHECK_INT(last, 0x10ffff);
    CHECK_INT(qn_utf8_encode(0xffffffff, (char[4]){0}), 0);
}

/* The definition, written plainly: shortest form, no surrogates, within Unicode. */
static int plain_decode(const unsigned char *u, size_t n, uint32_t *cp) {
    int len = u[0] < 0x80 ? 1 : (u[0] & 0xe0) == 0xc0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 : (u[0] & 0xf8) == 0xf0 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0 || n < (size_t)len)
        return 0;
    uint32_t v = len == 1 ? u[0] : u[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (u[i] & 0x3f);
    }
    *cp = v;
    return v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0 : len;
}

static const unsigned char tails[] = {0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe2, 0xff};

/* All that begins with these two bytes and goes on with one of the tails each. Returns how many were characters. */
static int check_beginning(unsigned a, unsigned b) {
    int valid = 0;
    for (size_t k = 0; k < QN_LEN(tails) * QN_LEN(tails) * 4; k++) {
        size_t n = k % 4 + 1, c = k / 4 % QN_LEN(tails), d = k / 4 / QN_LEN(tails);
        unsigned char u[4] = {(unsigned char)a, (unsigned char)b, tails[c], tails[d]};
        uint32_t got = 0, want = 0;
        int len = plain_decode(u, n, &want);
        CHECK_INT(qn_utf8_decode((char *)u, n, &got), len, "%02x %02x %02x %02x, %zu bytes", u[0], u[1], u[2], u[3], n);
        CHECK(len == 0 || got == want, "%02x %02x %02x %02x", u[0], u[1], u[2], u[3]);
        valid += len > 0;
    }
    return valid;
}

TEST(decodes_every_sequence_as_the_definition_says) {
    int valid = 0;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            valid += check_beginning(a, b);
    CHECK(valid > 100000);
}

TEST(check_names_the_first_bad_byte) {
    static const struct { const char *s; size_t n, bad; } cases[] = {
        {"", 0, QN_UTF8_OK},
        {"plain ASCII, longer than a word", 31, QN_UTF8_OK},
        {"Mühlbach €5 🜲", 19, QN_UTF8_OK},
        {"a\x80", 2, 1},
        {"12345678\xff", 9, 8},
        {"1234567\xff", 8, 7},
        {"ab\xc3", 3, 2},
        {"ab\xe2\x82", 4, 2},
        {"\xc0\x80", 2, 0},
        {"x\xed\xa0\x80", 4, 1},
        {"\xf4\x90\x80\x80", 4, 0},
        {"ok\xe2\x82\xac\xe2\x28\xa1", 8, 5},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_INT(qn_utf8_check(cases[i].s, cases[i].n), cases[i].bad, "case %zu", i);
    char line[64];
    for (size_t at = 0; at < 64; at++) {
        memset(line, 'x', sizeof line);
        CHECK(qn_utf8_check(line, at) == QN_UTF8_OK);
        line[at] = (char)0xbf;
        CHECK_INT(qn_utf8_check(line, sizeof line), at);
    }
}

/* Bytes are pending exactly if they are a strict prefix of some character and no shorter tail explains them. */
TEST(pending_is_what_may_still_become_a_character) {
    static const struct { const char *s; size_t n, want; } cases[] = {
        {"", 0, 0}, {"abc", 3, 0}, {"ab\xc3", 3, 1}, {"ab\xc3\xa4", 4, 0}, {"\xe2", 1, 1}, {"\xe2\x82", 2, 2},
        {"\xe2\x82\xac", 3, 0}, {"x\xf0", 2, 1}, {"x\xf0\x9f", 3, 2}, {"x\xf0\x9f\x98", 4, 3},
        {"x\xf0\x9f\x98\x80", 5, 0}, {"\x80", 1, 0}, {"\xff", 1, 0}, {"\xc0", 1, 0}, {"\xe0\x80", 2, 0},
        {"\xed\xa0", 2, 0}, {"\xf4\x90", 2, 0}, {"\xf0\x8f\xbf", 3, 0}, {"\xc3\xc3", 2, 1}, {"\xf5\x80", 2, 0},
        {"\x80\x80\x80\x80", 4, 0}, {"\xe0\xa0", 2, 2},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_INT(qn_utf8_pending(cases[i].s, cases[i].n), cases[i].want, "case %zu", i);
}

TEST(any_cut_of_good_text_is_good_text_and_pending_bytes) {
    static const char text[] = "aä€🜲é漢字🙂z";
    for (size_t n = 0; n < sizeof text; n++) {
        size_t pending = qn_utf8_pending(text, n);
        CHECK(qn_utf8_check(text, n - pending) == QN_UTF8_OK, "%zu bytes", n);
        CHECK(pending == 0 || qn_utf8_check(text, n) == n - pending, "%zu bytes", n);
    }
}
