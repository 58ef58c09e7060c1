/* tests/unit/test_list.c — runs are found, described and sorted; what is none, or cannot be read, is not. */
#include "test.h"

#include "record/record.h"

static const char *const argv[] = {"quern", "train", "pretrain"};
static const qn_run_work work = {"train pretrain", 3, argv, "avx2", 2};

static int put_steps(void *arg, qn_jw *w) {
    qn_jw_key(w, "steps");
    qn_jw_i64(w, *(int *)arg);
    return 0;
}

static qn_run *begin(const char *dir, const char *state) {
    qn_run *r;
    int steps = 100;
    CHECK_OK(qn_run_create(&r, dir));
    CHECK_OK(qn_run_manifest(r, &work, state, put_steps, &steps));
    return r;
}

static void file(const char *name, const char *text) {
    CHECK_OK(qn_write_file(qn_test_temp(name), text, strlen(text)));
}

/* Remarks, gathered. */
static char said[4096];
static void listen(void *arg, qn_log_level level, const char *message) {
    (void)arg;
    (void)level;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s\n", message);
}

static int list(qn_run_list *l, const char *dir) {
    said[0] = '\0';
    qn_log_set(listen, NULL);
    int rc = qn_run_list_read(l, dir);
    qn_log_set(NULL, NULL);
    return rc;
}

TEST(a_median_is_the_middle_or_between_the_two) {
    double v[5];
    CHECK(isnan(qn_run_median(v, 0)));
    for (int order = 0; order < 120; order++) {         /* 1 … 5 in every order, and 1 … 4 */
        bool used[5] = {false};
        for (int i = 0, rest = order; i < 5; i++) {
            int k = rest % (5 - i), at = 0;
            rest /= 5 - i;
            while (used[at] || k-- > 0)
                at++;
            used[at] = true;
            v[i] = at + 1;
        }
        double four[4];
        size_t n = 0;
        for (int i = 0; i < 5; i++)
            if (v[i] < 4.5)
                four[n++] = v[i];
        CHECK_NEAR(qn_run_median(four, n), 2.5, 0, "order %d", order);
        CHECK_NEAR(qn_run_median(v, 5), 3, 0, "order %d", order);
    }
}

TEST(finds_runs_three_levels_down_newest_first) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    char top[1200], path[1300];
    qn_run_list l;
    snprintf(top, sizeof top, "%s", qn_test_temp("three"));
    static const char *const names[] = {"a", "x/b", "x/y/c", "x/y/z/too_deep", ".hidden/d", "a/checkpoints/inside"};
    static const char *const began[] = {"2026-01-01", "2026-03-01", "2026-02-01", "2026-04-01", "2026-05-01",
                                        "2026-06-01"};
    for (size_t i = 0; i < QN_LEN(names); i++) {
        char name[64], text[200];
        snprintf(path, sizeof path, "%s/%s", top, names[i]);
        CHECK_OK(qn_dir_make(path));
        snprintf(name, sizeof name, "three/%s/manifest.json", names[i]);
        snprintf(text, sizeof text, "{\"format\": \"quern run 1\", \"started\": \"%s\", \"state\": \"done\"}",
                 began[i]);
        file(name, text);
    }
    snprintf(path, sizeof path, "%s/x/circle", top);
    CHECK_INT(symlink("..", path), 0);
    CHECK_OK(list(&l, top));
    CHECK_STR(said, "");
    CHECK_INT(l.n, 3);
    CHECK_CONTAINS(l.row[0].path, "three/x/b");
    CHECK_CONTAINS(l.row[1].path, "three/x/y/c");
    CHECK_CONTAINS(l.row[2].path, "three/a");
    CHECK_STR(l.row[0].what, "");
    CHECK(isnan(l.row[0].loss) && l.row[0].step == 0 && l.row[0].steps == 0);
    qn_run_list_drop(&l);
    CHECK_INT(l.n, 0);
    snprintf(path, sizeof path, "%s/a", top);
    CHECK_OK(list(&l, path), "a run itself");
    CHECK_INT(l.n, 1);
    qn_run_list_drop(&l);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(what_is_no_run_is_passed_over) {
    char top[1200];
    qn_run_list l;
    snprintf(top, sizeof top, "%s", qn_test_temp("others"));
    static const char *const folders[] = {"others/app", "others/broken", "others/run", "others/folder/manifest.json"};
    for (size_t i = 0; i < QN_LEN(folders); i++)
        CHECK_OK(qn_dir_make(qn_test_temp(folders[i])));
    file("others/app/manifest.json", "{\"name\": \"app\"}");
    file("others/broken/manifest.json", "{\"format\": \"quern run 1\",");
    file("others/run/manifest.json", "{\"format\":\"quern run 1\",\"state\":7,\"steps\":-1,\"what\":\"a\\u0000b\"}");
    file("others/notes.txt", "x");
    CHECK_OK(list(&l, top));
    CHECK_INT(l.n, 1);
    CHECK_STR(l.row[0].state, "");
    CHECK_INT(l.row[0].steps, 0);
    CHECK_CONTAINS(said, "passed over: ");
    CHECK_CONTAINS(said, "others/broken/manifest.json:1:");
    CHECK(!strstr(said, "app"), "%s", said);
    qn_run_list_drop(&l);
    CHECK_FAIL(list(&l, qn_test_temp("nowhere")), QN_ENOTFOUND, "nowhere: cannot look into this folder");
    CHECK_FAIL(list(&l, qn_test_temp("others/notes.txt")), QN_ENOTFOUND, "Not a directory");
    CHECK_FAIL(qn_run_list_one(&l, qn_test_temp("others/app"), NULL), QN_EFORMAT, "is no manifest of a run");
    CHECK_FAIL(qn_run_list_one(&l, top, NULL), QN_ENOTFOUND, "others: no run there");
    if (geteuid() == 0)
        return;                                 /* root may look everywhere */
    CHECK_INT(chmod(qn_test_temp("others/app"), 0), 0);
    CHECK_OK(list(&l, top));
    CHECK_INT(l.n, 1);
    CHECK_CONTAINS(said, "others/app: cannot look into this folder: Permission denied");
    CHECK_INT(chmod(qn_test_temp("others/app"), 0700), 0);
    qn_run_list_drop(&l);
}

TEST(a_run_whose_process_is_gone_is_interrupted) {
    char dir[1200];
    qn_run_list l;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("states"));
    qn_run *r = begin(dir, "running");
    CHECK_OK(qn_run_list_one(&l, dir, NULL));
    CHECK_STR(l.row[0].state, "running");
    CHECK_STR(l.row[0].what, "train pretrain");
    CHECK_INT(l.row[0].steps, 100);
    qn_run_list_drop(&l);
    qn_run_close(r);
    CHECK_OK(qn_run_list_one(&l, dir, NULL));
    CHECK_STR(l.row[0].state, "interrupted");
    qn_run_list_drop(&l);
    CHECK_OK(qn_run_open(&r, dir), "looking took no lock");
    CHECK_OK(qn_run_state(r, "done"));
    qn_run_close(r);
    CHECK_OK(qn_run_list_one(&l, dir, NULL));
    CHECK_STR(l.row[0].state, "done");
    qn_run_list_drop(&l);
}

TEST(the_last_figures_come_from_the_end) {
    static const struct { const char *text; int64_t step; double loss, eval, speed; } cases[] = {
        {"", 0, NAN, NAN, NAN},
        {"{\"step\":1,\"loss\":2}\n", 1, 2, NAN, NAN},
        {"{\"step\":1,\"loss\":2,\"eval_loss\":5}\n{\"step\":2,\"loss\":1,\"tokens_per_second\":7}\n", 2, 1, 5, 7},
        {"{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo", 1, 2, NAN, NAN},
        {"{\"step\":1,\"loss\":2,\"tokens_per_second\":900}\n{\"step\":2,\"loss\":2,\"tokens_per_second\":8}\n"
         "{\"step\":3,\"loss\":2,\"tokens_per_second\":10}\n", 3, 2, NAN, 10},
        {"{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\":null}\n", 2, 2, NAN, NAN},
        {"\n\nx\n{\"step\":1,\"loss\":2}\n[]\n\xff\n", 1, 2, NAN, NAN},
        {"{\"loss\":3}\n{\"step\":\"7\",\"loss\":2}\n", 0, 2, NAN, NAN},
        {"{\"step\":5", 0, NAN, NAN, NAN},
    };
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("last"));
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    qn_run_close(begin(dir, "done"));
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_run_list l;
        CHECK_OK(qn_write_file(path, cases[i].text, strlen(cases[i].text)));
        CHECK_OK(qn_run_list_one(&l, dir, NULL));
        const double got[] = {l.row[0].loss, l.row[0].eval_loss, l.row[0].tokens_per_second};
        const double want[] = {cases[i].loss, cases[i].eval, cases[i].speed};
        CHECK_INT(l.row[0].step, cases[i].step, "%s", cases[i].text);
        for (int k = 0; k < 3; k++)
            CHECK(isnan(want[k]) ? isnan(got[k]) : got[k] == want[k], "%s: figure %d is %g", cases[i].text, k, got[k]);
        qn_run_list_drop(&l);
    }
}

TEST(long_metrics_are_read_from_their_end_and_whole) {
    enum { LINES = 60000 };                     /* more than the tail that is looked at */
    char dir[1200], path[1300], line[160];
    qn_buf b = {0};
    qn_run_list l;
    qn_run_curve c;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("long"));
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    qn_run_close(begin(dir, "done"));
    for (int i = 1; i <= LINES; i++) {
        snprintf(line, sizeof line, "{\"step\":%d,\"loss\":%d.5,\"learning_rate\":0.0001,\"grad_norm\":1.25,%s"
                 "\"tokens_per_second\":5000}\n", i, LINES - i, i % 10000 == 0 ? "\"eval_loss\":1.5," : "");
        CHECK_OK(qn_buf_puts(&b, line));
    }
    CHECK_OK(qn_write_file(path, b.s, b.n));
    qn_buf_drop(&b);
    CHECK_OK(qn_run_list_one(&l, dir, NULL));
    CHECK_INT(l.row[0].step, LINES);
    CHECK_NEAR(l.row[0].loss, 0.5, 0);
    CHECK_NEAR(l.row[0].eval_loss, 1.5, 0);
    qn_run_list_drop(&l);
    CHECK_OK(qn_run_curve_read(&c, dir, "loss"));
    CHECK_INT(c.n, LINES);
    CHECK_INT(c.step[LINES - 1], LINES);
    CHECK_NEAR(c.value[0], LINES - 0.5, 0);
    qn_run_curve_drop(&c);
    CHECK_OK(qn_run_curve_read(&c, dir, "eval_loss"));
    CHECK_INT(c.n, LINES / 10000);
    qn_run_curve_drop(&c);
    CHECK_OK(qn_run_curve_read(&c, dir, "beauty"));
    CHECK_INT(c.n, 0);
    qn_run_curve_drop(&c);
}

TEST(metrics_are_read_as_columns) {
    static const char *const keys[] = {"loss", "skipped", "beauty"};
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    char dir[1200];
    qn_run_table t;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("columns"));
    qn_run_close(begin(dir, "done"));
    CHECK_OK(qn_run_table_read(&t, dir, keys, 3));
    CHECK(t.n == 0 && t.broken == 0, "no metrics yet");
    qn_run_table_drop(&t);
    file("columns/metrics.jsonl", "{\"step\":1,\"loss\":4,\"skipped\":true}\n{\"loss\":3}\n[]\n"
                                  "{\"step\":3,\"loss\":null,\"skipped\":false}\n{\"step\":4,\"loss\":2}");
    CHECK_OK(qn_run_table_read(&t, dir, keys, 3));
    CHECK_INT(t.n, 2);
    CHECK_INT(t.broken, 3, "one without a step, one that is no object, one without its end");
    CHECK(t.step[0] == 1 && t.step[1] == 3 && t.column[0][0] == 4 && isnan(t.column[0][1]));
    CHECK(t.column[1][0] == 1 && t.column[1][1] == 0 && isnan(t.column[2][0]));
    qn_run_table_drop(&t);
    for (int64_t after = 0; after < 6; after++) {
        qn_mem_fail_after(after);
        const int rc = qn_run_table_read(&t, dir, keys, 3);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM);
        qn_run_table_drop(&t);
    }
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(memory_that_runs_out_is_an_error) {
    char dir[1200];
    qn_run_list l;
    int rc = QN_ENOMEM;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("scarce"));
    qn_run_close(begin(dir, "running"));
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int64_t n = 0; rc < 0 && n < 500; n++) {
        qn_mem_fail_after(n);
        rc = qn_run_list_one(&l, dir, NULL);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        CHECK(rc == 0 || l.n == 0);
    }
    CHECK_STR(l.row[0].state, "interrupted");
    qn_run_list_drop(&l);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}
