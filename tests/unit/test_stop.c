/* tests/unit/test_stop.c — stop strings: however a text is cut into pieces, what is given out ends before the first
 * stop string in it, and nothing is held back that cannot become one. */
#include "test.h"

#include "infer/stop.h"

typedef struct { const char *text; const char *stop[4]; } stop_case;

static const stop_case cases[] = {
    {"the end of it", {"end"}},
    {"the end of it", {"x"}},
    {"nothing stops this", {NULL}},
    {"aaab aab ab", {"aab"}},
    {"aaaaaaab", {"aaab", "aaaab"}},
    {"abababac and so on", {"abac"}},
    {"one\n\ntwo", {"\n\n", "\ntwo"}},
    {"User: hi\nUser: ho", {"\nUser:", "User:?"}},
    {"abcdef", {"abcdeg", "cd"}},               /* the longer one may begin first and come to nothing */
    {"abcdef", {"cd", "abcdef"}},               /* … or be complete: it began first */
    {"stop", {"stop"}},
    {"st", {"stop"}},
    {"stostostop.", {"stop", "", "."}},         /* an empty one never matches */
    {"caf\xc3\xa9 \xe2\x82\xac 5", {"\xe2\x82\xac", "\xc3"}},
    {"", {"a"}},
};

static int64_t stops_of(const stop_case *c, qn_str out[4]) {
    int64_t n = 0;
    for (; n < 4 && c->stop[n]; n++)
        out[n] = qn_str_of(c->stop[n]);
    return n;
}

/* Where the first stop string of a text begins, or the text's length. */
static size_t expected(const char *text, const qn_str *stop, int64_t n) {
    const size_t length = strlen(text);
    for (size_t at = 0; at < length; at++)
        for (int64_t i = 0; i < n; i++)
            if (stop[i].n > 0 && stop[i].n <= length - at && memcmp(text + at, stop[i].s, stop[i].n) == 0)
                return at;
    return length;
}

/* Is s a beginning of a stop string, but not a whole one? */
static bool may_become_one(qn_str s, const qn_str *stop, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (s.n < stop[i].n && memcmp(s.s, stop[i].s, s.n) == 0)
            return true;
    return false;
}

/* cuts: bit i set = a new piece begins at byte i + 1. */
static void push_in_pieces(const stop_case *c, uint64_t cuts) {
    qn_str stop[4];
    const int64_t n = stops_of(c, stop);
    const size_t length = strlen(c->text), end = expected(c->text, stop, n);
    qn_buf given = {0};
    qn_stopper s;
    size_t from = 0, ready = 0;
    int rc = 0;
    qn_stopper_init(&s, stop, n);
    while (from < length && rc == 0) {
        size_t to = from + 1;
        while (to < length && !(cuts >> (to - 1) & 1))
            to++;
        rc = qn_stopper_push(&s, (qn_str){c->text + from, to - from}, &ready);
        CHECK(rc >= 0);
        CHECK_OK(qn_buf_put(&given, s.held.s, ready));
        qn_stopper_give(&s, ready);
        if (rc == 0 && s.held.n > 0)
            CHECK(may_become_one(qn_buf_view(&s.held), stop, n), "\"%s\", cuts %llx: \"%s\" is held back for nothing",
                  c->text, (unsigned long long)cuts, s.held.s);
        from = to;
    }
    CHECK_INT(rc, end < length, "\"%s\", cuts %llx", c->text, (unsigned long long)cuts);
    if (rc == 0)
        CHECK_OK(qn_buf_put(&given, s.held.s, s.held.n));
    CHECK(given.n == end && memcmp(given.s ? given.s : "", c->text, end) == 0, "\"%s\", cuts %llx: gave \"%s\"",
          c->text, (unsigned long long)cuts, given.s);
    qn_buf_drop(&given);
    qn_stopper_drop(&s);
}

TEST(any_pieces_stop_at_the_same_place) {
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const size_t length = strlen(cases[i].text);
        const uint64_t all = (uint64_t)1 << (length ? QN_MIN(length - 1, 13) : 0); /* all cuts of the first bytes */
        for (uint64_t cuts = 0; cuts < all; cuts++)
            push_in_pieces(&cases[i], cuts);
        for (uint64_t r = 0; r < 2000; r++)
            push_in_pieces(&cases[i], qn_rng_u64(1, QN_RNG_TEST, i, r));
    }
}

TEST(where_a_stop_string_begins_is_said) {
    const qn_str stop[] = {QN_STR("STOP")};
    qn_stopper s;
    size_t ready = 99;
    qn_stopper_init(&s, stop, 1);
    CHECK_INT(qn_stopper_push(&s, QN_STR("abcST"), &ready), 0);
    CHECK_INT(ready, 3);
    qn_stopper_give(&s, 2);
    CHECK_INT(qn_stopper_push(&s, QN_STR(""), &ready), 0);
    CHECK_INT(ready, 1, "what was not taken is still ready");
    CHECK_INT(qn_stopper_push(&s, QN_STR("OPxyz"), &ready), 1);
    CHECK_INT(ready, 1);
    CHECK_VIEW(qn_buf_view(&s.held), "cSTOPxyz");
    qn_stopper_drop(&s);
}
