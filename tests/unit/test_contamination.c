/* tests/unit/test_contamination.c — items found in a text by 13 words in a row, whatever stands between the words. */
#include "eval/contamination.h"

#include "test.h"

static qn_task *task(const char *text) {
    qn_task *t;
    CHECK_OK(qn_task_read(&t, qn_test_write("task.jsonl", text, strlen(text))));
    return t;
}

#define TWELVE "one two three four five six seven eight nine ten eleven twelve"

TEST(finds_thirteen_words_in_a_row) {
    qn_task *t = task(
        "{\"task\":\"a\",\"kind\":\"choice\"}\n"
        "{\"context\":\"" TWELVE "\",\"choices\":[\" thirteen\",\" x\"],\"answer\":0}\n"
        "{\"context\":\"" TWELVE "\",\"choices\":[\" thirteen\",\" x\"],\"answer\":1}\n"
        "{\"context\":\"one two three four five\",\"choices\":[\" six\",\" x\"],\"answer\":0}\n"
        "{\"context\":\"Zero " TWELVE ", thirteen fourteen\",\"choices\":[\" y\",\" x\"],\"answer\":1}\n");
    qn_contaminated c;
    const char *text = "It began: ONE, two; three-four five\nsix (seven) eight... nine ten 'eleven' twelve thirteen!";
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_write("corpus.txt", text, strlen(text)));
    CHECK_OK(qn_contamination((const qn_task *const *)&t, 1, path, &c, NULL, NULL));
    CHECK_INT(c.items, 4);
    CHECK_INT(c.found, 2);
    CHECK_INT(c.too_short, 1);
    CHECK(c.hit[0] && !c.hit[1] && !c.hit[2] && c.hit[3]);
    qn_contaminated_drop(&c);
    /* A word between breaks the row; two documents make none together. */
    text = "one two three four five six and seven eight nine ten eleven twelve thirteen";
    snprintf(path, sizeof path, "%s", qn_test_write("corpus.txt", text, strlen(text)));
    CHECK_OK(qn_contamination((const qn_task *const *)&t, 1, path, &c, NULL, NULL));
    CHECK_INT(c.found, 0);
    qn_contaminated_drop(&c);
    text = "{\"text\":\"one two three four five six seven\"}\n{\"text\":\"eight nine ten eleven twelve thirteen\"}\n";
    snprintf(path, sizeof path, "%s", qn_test_write("corpus.jsonl", text, strlen(text)));
    CHECK_OK(qn_contamination((const qn_task *const *)&t, 1, path, &c, NULL, NULL));
    CHECK_INT(c.found, 0);
    qn_contaminated_drop(&c);
    qn_task_free(t);
}

static int stop(void *arg, QN_UNUSED int64_t bytes) {
    (void)arg;
    return qn_fail(QN_ECANCEL, "enough");
}

TEST(gives_all_memory_back) {
    qn_task *t = task("{\"task\":\"a\",\"kind\":\"text\"}\n{\"text\":\"" TWELVE " thirteen fourteen\"}\n");
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_write("corpus.txt", TWELVE " thirteen", sizeof TWELVE + 8));
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    qn_contaminated c;
    int rc = QN_ENOMEM;
    for (int64_t k = 0; rc < 0 && k < 200; k++) {
        qn_mem_fail_after(k);
        rc = qn_contamination((const qn_task *const *)&t, 1, path, &c, NULL, NULL);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM);
        CHECK(rc < 0 || c.found == 1);
        qn_contaminated_drop(&c);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
    CHECK_INT(rc, 0);
    CHECK_FAIL(qn_contamination((const qn_task *const *)&t, 1, path, &c, stop, NULL), QN_ECANCEL, "enough");
    qn_contaminated_drop(&c);
    CHECK_FAIL(qn_contamination((const qn_task *const *)&t, 1, qn_test_temp("absent"), &c, NULL, NULL), QN_ENOTFOUND,
               "absent");
    qn_task_free(t);
}
