/* tests/unit/test_strmap.c — the map from strings to numbers, and its hash. */
#include "test.h"

#define KEYS 5000

static char names[KEYS][16];

static qn_str key(int i) {
    snprintf(names[i], sizeof names[i], "key%d", i * 7);
    return qn_str_of(names[i]);
}

TEST(keeps_many_keys) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes, v = -1;
    qn_strmap m = {0};
    CHECK(!qn_strmap_get(&m, QN_STR("x"), &v));
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(qn_strmap_put(&m, key(i), i), 1, "key %d", i);
    CHECK_INT(m.n, KEYS);
    for (int i = 0; i < KEYS; i++) {
        CHECK(qn_strmap_get(&m, key(i), &v), "key %d", i);
        CHECK_INT(v, i);
    }
    CHECK(!qn_strmap_get(&m, QN_STR("key1"), &v));
    CHECK_INT(qn_strmap_put(&m, key(3), -77), 0);
    CHECK(qn_strmap_get(&m, key(3), &v));
    CHECK_INT(v, -77);
    CHECK_INT(m.n, KEYS);
    qn_strmap_drop(&m);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(odd_keys) {
    qn_strmap m = {0};
    int64_t v;
    CHECK_INT(qn_strmap_put(&m, (qn_str){NULL, 0}, 5), 1);
    CHECK_INT(qn_strmap_put(&m, QN_STR(""), 6), 0);
    CHECK_INT(qn_strmap_put(&m, QN_STR("a\0b"), 7), 1);
    CHECK_INT(qn_strmap_put(&m, QN_STR("a\0c"), 8), 1);
    CHECK_INT(qn_strmap_put(&m, QN_STR("a"), INT64_MIN), 1);
    CHECK(qn_strmap_get(&m, QN_STR(""), &v) && v == 6);
    CHECK(qn_strmap_get(&m, QN_STR("a\0b"), &v) && v == 7);
    CHECK(qn_strmap_get(&m, QN_STR("a\0c"), &v) && v == 8);
    CHECK(qn_strmap_get(&m, QN_STR("a"), &v) && v == INT64_MIN);
    qn_strmap_drop(&m);
}

TEST(reserved_room_needs_no_more_memory) {
    qn_strmap m = {0};
    CHECK_OK(qn_strmap_reserve(&m, KEYS));
    int64_t calls = qn_mem_calls();
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(qn_strmap_put(&m, key(i), i), 1);
    CHECK_INT(qn_mem_calls(), calls);
    CHECK_FAIL(qn_strmap_reserve(&m, SIZE_MAX), QN_ENOMEM, "out of memory");
    qn_strmap_drop(&m);
}

TEST(a_failed_growth_keeps_the_map) {
    qn_strmap m = {0};
    int64_t v;
    int n = 0;
    qn_mem_fail_after(0);
    CHECK_INT(qn_strmap_put(&m, key(0), 0), QN_ENOMEM);
    for (; n < 10; n++)
        CHECK_INT(qn_strmap_put(&m, key(n), n), 1);
    qn_mem_fail_after(0);
    int rc = 0;
    for (; n < KEYS && rc >= 0; n++)
        rc = qn_strmap_put(&m, key(n), n);
    CHECK_INT(rc, QN_ENOMEM);
    CHECK_INT(m.n, n - 1);
    for (int i = 0; i < n - 1; i++)
        CHECK(qn_strmap_get(&m, key(i), &v) && v == i, "key %d", i);
    qn_strmap_drop(&m);
}

/* Flipping any input bit flips about half of the output bits; every bit of the output is reached. */
TEST(the_hash_mixes) {
    unsigned char bytes[40];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37);
    static const size_t sizes[] = {1, 3, 7, 8, 9, 16, 23, 40};
    for (size_t s = 0; s < QN_LEN(sizes); s++) {
        uint64_t base = qn_hash_bytes(bytes, sizes[s], 1), reached = 0;
        CHECK(base != qn_hash_bytes(bytes, sizes[s], 2), "the seed counts");
        CHECK(base != qn_hash_bytes(bytes, sizes[s] - 1, 1), "the length counts");
        int flipped = 0, bits = (int)sizes[s] * 8;
        for (int bit = 0; bit < bits; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            uint64_t x = base ^ qn_hash_bytes(bytes, sizes[s], 1);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            reached |= x;
            for (; x; x &= x - 1)
                flipped++;
        }
        CHECK_NEAR((double)flipped / bits, 32, 5, "%zu bytes", sizes[s]);
        CHECK(bits < 56 || reached == UINT64_MAX, "%zu bytes", sizes[s]);
    }
}

/* Words are loaded bytewise, so neither the place nor the byte order counts. */
TEST(the_hash_does_not_depend_on_alignment) {
    char room[64];
    uint64_t want = qn_hash_bytes("the quick brown fox", 19, 9);
    for (size_t at = 0; at < 9; at++) {
        memcpy(room + at, "the quick brown fox", 19);
        CHECK(qn_hash_bytes(room + at, 19, 9) == want, "offset %zu", at);
    }
}
