/* tests/unit/test_mem.c — counting, alignment, growth, and failures on demand. */
#include "test.h"

static int64_t live(void) {
    return qn_mem_stats_get(QN_MEM_TEST).live_bytes;
}

TEST(blocks_are_aligned_and_counted) {
    int64_t before = live(), calls = qn_mem_calls();
    void *p[5];
    size_t sizes[5] = {0, 1, 63, 64, 100000}, sum = 0;
    for (int i = 0; i < 5; i++) {
        p[i] = qn_alloc(QN_MEM_TEST, sizes[i]);
        sum += sizes[i];
        CHECK(p[i] != NULL);
        CHECK_INT((uintptr_t)p[i] % 64, 0, "%zu bytes", sizes[i]);
        memset(p[i], 0xee, sizes[i]);
    }
    CHECK_INT(live() - before, sum);
    CHECK_INT(qn_mem_calls() - calls, 5);
    CHECK(qn_mem_stats_get(QN_MEM_TEST).peak_bytes >= (int64_t)sum);
    for (int i = 0; i < 5; i++)
        qn_free(p[i]);
    qn_free(NULL);
    CHECK_INT(live(), before);
}

TEST(the_peak_stays) {
    void *p = qn_alloc(QN_MEM_TEST, 1 << 20);
    qn_free(p);
    CHECK(qn_mem_stats_get(QN_MEM_TEST).peak_bytes >= 1 << 20);
}

TEST(zalloc_clears_and_checks_the_product) {
    for (int round = 0; round < 2; round++) {            /* the second time, the memory has been used */
        unsigned char *p = qn_zalloc(QN_MEM_TEST, 100, 7);
        for (int i = 0; i < 700; i++)
            CHECK_INT(p[i], 0, "byte %d", i);
        memset(p, 0xff, 700);
        qn_free(p);
    }
    CHECK(qn_zalloc(QN_MEM_TEST, SIZE_MAX / 4, 8) == NULL);
    CHECK_CONTAINS(qn_error_message(), "out of memory");
}

TEST(absurd_sizes_fail_in_peace) {
    int64_t before = live();
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, (size_t)1 << 62};
    for (size_t i = 0; i < QN_LEN(sizes); i++) {
        CHECK(qn_alloc(QN_MEM_TEST, sizes[i]) == NULL, "%zu", sizes[i]);
        CHECK(qn_arena_map(QN_MEM_TEST, sizes[i]) == NULL, "%zu", sizes[i]);
        CHECK_CONTAINS(qn_error_message(), "for test");
    }
    CHECK_INT(live(), before);
}

TEST(realloc_keeps_contents) {
    int64_t before = live();
    unsigned char *p = qn_realloc(QN_MEM_TEST, NULL, 10);
    for (int i = 0; i < 10; i++)
        p[i] = (unsigned char)i;
    p = qn_realloc(QN_MEM_TEST, p, 5000);
    for (int i = 0; i < 10; i++)
        CHECK_INT(p[i], i);
    CHECK_INT(live() - before, 5000);
    p = qn_realloc(QN_MEM_TEST, p, 3);
    CHECK_INT(p[2], 2);
    CHECK_INT((uintptr_t)p % 64, 0);
    qn_free(p);
    CHECK_INT(live(), before);
}

TEST(the_nth_allocation_fails_once) {
    int64_t before = live();
    for (int n = 0; n < 4; n++) {
        qn_mem_fail_after(n);
        for (int i = 0; i < 6; i++) {
            void *p = qn_alloc(QN_MEM_TEST, 8);
            CHECK((p == NULL) == (i == n), "allocation %d of those that fail at %d", i, n);
            qn_free(p);
        }
    }
    qn_mem_fail_after(1);
    qn_mem_fail_after(-1);
    for (int i = 0; i < 3; i++) {
        void *p = qn_alloc(QN_MEM_TEST, 8);
        CHECK(p != NULL);
        qn_free(p);
    }
    CHECK_INT(live(), before);
}

TEST(a_failed_realloc_leaves_the_block) {
    char *p = qn_alloc(QN_MEM_TEST, 4);
    memcpy(p, "abc", 4);
    qn_mem_fail_after(0);
    CHECK(qn_realloc(QN_MEM_TEST, p, 100) == NULL);
    CHECK_STR(p, "abc");
    CHECK_CONTAINS(qn_error_message(), "out of memory: 100 bytes for test");
    qn_free(p);
}

TEST(arenas_are_zero_and_counted) {
    int64_t before = live();
    static const size_t sizes[] = {0, 1, 5000, (2 << 20) - 1, 2 << 20, (6 << 20) + 4097};
    for (size_t i = 0; i < QN_LEN(sizes); i++) {
        unsigned char *p = qn_arena_map(QN_MEM_TEST, sizes[i]);
        CHECK(p != NULL, "%zu", sizes[i]);
        CHECK_INT((uintptr_t)p % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), 0, "%zu", sizes[i]);
        const size_t unit = sizes[i] >= 2 << 20 ? 2 << 20 : 4096;
        CHECK_INT(live() - before, QN_MAX((sizes[i] + unit - 1) / unit * unit, unit), "the pages it may come to fill");
        for (size_t k = 0; k < sizes[i]; k += 997) {
            CHECK_INT(p[k], 0, "byte %zu of %zu", k, sizes[i]);
            p[k] = 1;
        }
        if (sizes[i])
            p[sizes[i] - 1] = 1;
        qn_arena_unmap(QN_MEM_TEST, p, sizes[i]);
    }
    qn_arena_unmap(QN_MEM_TEST, NULL, 10);
    CHECK_INT(live(), before);
    qn_mem_fail_after(0);
    CHECK(qn_arena_map(QN_MEM_TEST, 100) == NULL);
}

TEST(grow_doubles_and_keeps) {
    int64_t before = live();
    int32_t *items = NULL;
    size_t cap = 0, n = 0;
    int64_t calls = qn_mem_calls();
    for (; n < 10000; n++) {
        CHECK_OK(QN_GROW(QN_MEM_TEST, items, cap, n + 1));
        CHECK(cap > n);
        items[n] = (int32_t)n * 3;
    }
    CHECK(qn_mem_calls() - calls <= 14, "doubling needs few allocations");
    for (size_t i = 0; i < n; i++)
        CHECK_INT(items[i], i * 3);
    size_t cap_before = cap;
    qn_mem_fail_after(0);
    CHECK_FAIL(QN_GROW(QN_MEM_TEST, items, cap, cap + 1), QN_ENOMEM, "out of memory");
    qn_mem_fail_after(-1);
    CHECK_FAIL(QN_GROW(QN_MEM_TEST, items, cap, SIZE_MAX / 2), QN_ENOMEM, "out of memory");
    CHECK_INT(cap, cap_before);
    CHECK_INT(items[n - 1], (n - 1) * 3);
    qn_free(items);
    CHECK_INT(live(), before);
}

TEST(every_tag_has_a_name) {
    for (int t = 0; t < QN_MEM_TAGS; t++)
        CHECK(strlen(qn_mem_tag_name((qn_mem_tag)t)) > 1, "tag %d", t);
    CHECK_STR(qn_mem_tag_name(QN_MEM_KV), "kv");
    CHECK_STR(qn_mem_tag_name(QN_MEM_TEST), "test");
}
