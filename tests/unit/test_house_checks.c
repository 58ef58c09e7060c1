/* tests/unit/test_house_checks.c — the checks of `quern selftest all` hold here, look at something, and notice when
 * what they stand on fails. */
#include "cli/house_checks.h"

#include "test.h"

TEST(all_hold) {
    qn_pool *pool;
    int checks = 0;
    CHECK_OK(qn_pool_new(&pool, 2));
    for (const qn_house_check *c = qn_house_checks; c->name; c++, checks++) {
        qn_house_report r = {0};
        CHECK_OK(c->run(&r, pool), "%s", c->name);
        CHECK(r.cases > 0, "%s looks at nothing", c->name);
        CHECK_INT(r.failures, 0, "%s: %s", c->name, r.first);
        CHECK(c->about && c->about[0], "%s", c->name);
    }
    CHECK(checks >= 5);
    qn_pool_free(pool);
}

static const qn_house_check *find(const char *name) {
    for (const qn_house_check *c = qn_house_checks; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

TEST(a_full_disk_is_noticed) {
    qn_house_report r = {0};
    qn_file_fail_after(0);
    CHECK_FAIL(find("files")->run(&r, NULL), QN_EIO, NULL);
    qn_file_fail_after(-1);
}

TEST(no_memory_is_an_error) {
    static const char *const names[] = {"tokenizer", "files", "threads"};
    for (size_t i = 0; i < QN_LEN(names); i++) {
        qn_house_report r = {0};
        qn_mem_fail_after(0);
        CHECK_INT(find(names[i])->run(&r, NULL), QN_ENOMEM, "%s", names[i]);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_CLI, 0, "%s", names[i]);
    }
}
