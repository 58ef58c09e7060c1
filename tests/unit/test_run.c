/* tests/unit/test_run.c — a run's folder: made, locked, described, taken up again; full disks and broken lines. */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

#include "record/record.h"

static const char *const argv[] = {"quern", "train", "pretrain", "--data", "d\xff"};
static const qn_run_work work = {"train pretrain", 5, argv, "avx2", 2};

static int put_steps(void *arg, qn_jw *w) {
    qn_jw_key(w, "steps");
    qn_jw_i64(w, *(int *)arg);
    qn_jw_key(w, "options");
    qn_jw_open(w, '{');
    qn_jw_key(w, "lr \"x\"");
    qn_jw_f64(w, 0.1);
    qn_jw_close(w);
    return 0;
}

static qn_run *begun(const char *dir, int steps) {
    qn_run *r;
    CHECK_OK(qn_run_create(&r, dir));
    CHECK_OK(qn_run_manifest(r, &work, "running", put_steps, &steps));
    return r;
}

static char *slurp(const char *path) {
    static qn_buf b;
    qn_buf_clear(&b);
    CHECK_OK(qn_read_file(&b, path, SIZE_MAX));
    return b.n ? b.s : (char *)"";
}

static void step_line(qn_run *r, int64_t step, double loss) {
    qn_jw *w = qn_run_metrics(r);
    qn_jw_key(w, "step");
    qn_jw_i64(w, step);
    qn_jw_key(w, "loss");
    qn_jw_f64(w, loss);
}

static void put_step(qn_run *r, int64_t step, double loss) {
    step_line(r, step, loss);
    CHECK_OK(qn_run_metrics_end(r), "step %lld", (long long)step);
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

TEST(makes_the_folder_and_those_above) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    char dir[1200];
    qn_run *r;
    snprintf(dir, sizeof dir, "%s/deep/er/run/", qn_test_temp_dir());
    CHECK_OK(qn_run_create(&r, dir));
    CHECK_STR(qn_run_path(r), dir);
    CHECK_INT(qn_run_manifest_text(r).n, 0);
    CHECK_CONTAINS(qn_run_file(r, "last"), "deep/er/run/last");
    qn_run_close(r);
    CHECK(!qn_is_dir(dir), "a run that never began leaves nothing");
    r = begun(dir, 7);
    qn_run_close(r);
    CHECK(qn_is_dir(dir));
    qn_run_close(NULL);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(a_folder_in_use_is_refused) {
    char dir[1200], inside[1300];
    qn_run *r;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("used"));
    qn_run_close(begun(dir, 1));
    CHECK_FAIL(qn_run_create(&r, dir), QN_EINVAL, "quern train resume");
    CHECK(r == NULL);
    snprintf(dir, sizeof dir, "%s", qn_test_temp("letters"));
    snprintf(inside, sizeof inside, "%s/love.txt", dir);
    CHECK_INT(mkdir(dir, 0777), 0);
    CHECK_OK(qn_write_file(inside, "x", 1));
    CHECK_FAIL(qn_run_create(&r, dir), QN_EINVAL, "is not empty (it holds love.txt)");
    CHECK_INT(unlink(inside), 0);
    CHECK_INT(rmdir(dir), 0, "no lock was left there");
}

TEST(places_where_no_run_can_be_are_named) {
    qn_run *r;
    char dir[1300];
    snprintf(dir, sizeof dir, "%s/run", qn_test_write("plain", "x", 1));
    CHECK_FAIL(qn_run_create(&r, dir), QN_EIO, "plain: cannot make this folder: Not a directory");
    CHECK_FAIL(qn_run_create(&r, qn_test_temp("plain")), QN_EIO, "Not a directory");
    CHECK_FAIL(qn_run_create(&r, ""), QN_EIO, "empty");
    CHECK_FAIL(qn_run_open(&r, qn_test_temp("none")), QN_ENOTFOUND, "none: no run there");
    CHECK_FAIL(qn_run_open(&r, qn_test_temp_dir()), QN_ENOTFOUND, "manifest.json is missing");
    CHECK_FAIL(qn_run_create(&r, "/proc/run"), QN_EIO, "/proc/run: cannot make this folder");
    if (geteuid() == 0)
        return;                                 /* to root every folder is writable */
    snprintf(dir, sizeof dir, "%s", qn_test_temp("locked"));
    CHECK_INT(mkdir(dir, 0555), 0);
    CHECK_FAIL(qn_run_create(&r, dir), QN_EIO, "locked/.lock: cannot open: Permission denied");
}

TEST(two_cannot_work_on_one_run) {
    char dir[1200];
    qn_run *r, *second;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("shared"));
    CHECK_OK(qn_run_create(&r, dir));
    CHECK_FAIL(qn_run_create(&second, dir), QN_EINVAL, "another process is working");
    CHECK_OK(qn_run_manifest(r, &work, "running", NULL, NULL), "the refused one left the lock alone");
    CHECK_FAIL(qn_run_open(&second, dir), QN_EINVAL, "another process is working");
    qn_run_close(r);
    CHECK_OK(qn_run_open(&second, dir));
    qn_run_close(second);
}

TEST(a_killed_process_frees_its_run) {
    char dir[1200], byte;
    int ready[2], status;
    qn_run *r;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("killed"));
    CHECK_INT(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = qn_run_create(&r, dir) >= 0 && qn_run_manifest(r, &work, "running", NULL, NULL) >= 0;
        ok = ok && write(ready[1], "x", 1) == 1;
        for (;;)
            pause();
    }
    CHECK_INT(read(ready[0], &byte, 1), 1);
    CHECK_FAIL(qn_run_open(&r, dir), QN_EINVAL, "another process");
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_OK(qn_run_open(&r, dir));
    qn_run_close(r);
}

/* ---- the manifest ------------------------------------------------------------------------------------------------ */

TEST(the_manifest_tells_who_and_what) {
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("told"));
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    qn_run *r = begun(dir, 30);
    const char *text = slurp(path);
    CHECK_VIEW(qn_run_manifest_text(r), text);
    static const char *const there[] = {
        "\"format\": \"quern run 1\"", "\"state\": \"running\"", "\"started\": \"20", "\"what\": \"train pretrain\"",
        "\"argv\": [", "\"d\xef\xbf\xbd\"", "\"version\": \"", "\"isa\": \"avx2\"", "\"threads\": 2", "\"cores\": ",
        "\"steps\": 30", "\"lr \\\"x\\\"\": 0.1", "\"resumed\": []"
    };
    for (size_t i = 0; i < QN_LEN(there); i++)
        CHECK_CONTAINS(text, there[i]);
    char host[256] = "";
    CHECK_INT(gethostname(host, sizeof host - 1), 0);
    if (strlen(host) > 5)
        CHECK(!strstr(text, host), "the host has no place in a record");
    qn_run_close(r);
}

TEST(a_state_changes_nothing_else) {
    char dir[1200], path[1300], before[4096];
    int steps = 31;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("states"));
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    qn_run *r = begun(dir, 30);
    snprintf(before, sizeof before, "%s", strstr(slurp(path), "\"what\""));
    CHECK_OK(qn_run_state(r, "stopped"));
    CHECK_CONTAINS(slurp(path), "\"state\": \"stopped\"");
    CHECK_STR(strstr(slurp(path), "\"what\""), before);
    CHECK_OK(qn_run_ended(r, "done", 3.5));
    CHECK_OK(qn_run_ended(r, "stopped", 4.25));
    CHECK_CONTAINS(slurp(path), "\"seconds_taken\": 4.25,");
    CHECK(!strstr(slurp(path), "3.5,"), "one figure, the last");
    CHECK_STR(strstr(slurp(path), "\"what\""), before);
    CHECK_OK(qn_run_state(r, "stopped"));
    CHECK_CONTAINS(slurp(path), "\"seconds_taken\": 4.25,");
    qn_run_close(r);
    CHECK_OK(qn_run_open(&r, dir));
    const qn_run_work other = {"train resume", 1, argv, "scalar", 64};
    CHECK_OK(qn_run_resumed(r, &other, 7));
    CHECK_OK(qn_run_resumed(r, &other, 7));
    const char *text = slurp(path);
    CHECK_CONTAINS(text, "\"state\": \"running\"");
    CHECK_CONTAINS(text, "\"what\": \"train pretrain\"");
    CHECK_CONTAINS(text, "\"threads\": 2,");
    CHECK_CONTAINS(text, "\"step\": 7,");
    const char *one = strstr(text, "\"threads\": 64"), *two = one ? strstr(one + 1, "\"threads\": 64") : NULL;
    CHECK(two && !strstr(two + 1, "\"threads\": 64"), "two rows of those who resumed:\n%s", text);
    CHECK_OK(qn_run_manifest(r, &work, "running", put_steps, &steps));
    text = slurp(path);
    CHECK_CONTAINS(text, "\"steps\": 31");
    CHECK_CONTAINS(text, "\"threads\": 64");
    CHECK(strstr(strstr(text, "\"steps\"") + 1, "\"steps\"") == NULL, "none twice:\n%s", text);
    qn_run_close(r);
}

TEST(manifests_of_others_are_refused) {
    static const struct { const char *text; int code; const char *says; } cases[] = {
        {"{\"name\": \"an app\"}", QN_EFORMAT, "is no manifest of a run"},
        {"{\"format\": \"quern run 2\"}", QN_EFORMAT, "is of another version (\"quern run 2\")"},
        {"{\"format\": \"quern run 1\"", QN_EFORMAT, "manifest.json:1:"},
        {"", QN_EFORMAT, "manifest.json"},
        {"[]", QN_EFORMAT, "manifest.json:1:1"},
        {"\xff\xfe", QN_EUTF8, "manifest.json:1:1"},
    };
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("foreign"));
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    CHECK_INT(mkdir(dir, 0777), 0);
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_run *r;
        CHECK_OK(qn_write_file(path, cases[i].text, strlen(cases[i].text)));
        CHECK_FAIL(qn_run_open(&r, dir), cases[i].code, cases[i].says, "%s", cases[i].text);
        CHECK_STR(slurp(path), cases[i].text, "it stays as it is");
        CHECK_FAIL(qn_run_create(&r, dir), QN_EINVAL, "holds a run already");
    }
}

TEST(a_full_disk_leaves_the_manifest_whole) {
    char dir[1200], path[1300], before[4096];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("full"));
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    qn_run *r = begun(dir, 30);
    snprintf(before, sizeof before, "%s", slurp(path));
    for (int64_t n = 0; n < 2; n++) {
        qn_file_fail_after(n);
        CHECK_FAIL(qn_run_state(r, "done"), QN_EIO, "No space left");
        qn_file_fail_after(-1);
        CHECK_STR(slurp(path), before);
        CHECK_VIEW(qn_run_manifest_text(r), before);
    }
    CHECK_OK(qn_run_state(r, "done"));
    qn_run_close(r);
}

/* Make, describe, finish, with the n-th allocation failing (-1: none). */
static int whole_run(const char *dir, int64_t n) {
    qn_run *r;
    int steps = 3;
    qn_mem_fail_after(n);
    int rc = qn_run_create(&r, dir);
    if (rc >= 0)
        rc = qn_run_manifest(r, &work, "running", put_steps, &steps);
    if (rc >= 0)
        rc = qn_run_state(r, "done");
    qn_mem_fail_after(-1);
    qn_run_close(r);
    char command[1400];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK_INT(system(command), 0);
    return rc;
}

TEST(memory_that_runs_out_breaks_nothing) {
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    char dir[1200];
    int failed = 0;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("scarce"));
    const int64_t calls = qn_mem_calls();
    CHECK_OK(whole_run(dir, -1));
    for (int64_t n = 0, all = qn_mem_calls() - calls; n < all; n++) {
        const int rc = whole_run(dir, n);           /* less may be found out about the machine: no reason to fail */
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        failed += rc < 0;
    }
    CHECK(failed > 5, "%d", failed);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

TEST(a_line_per_step_and_no_allocation) {
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("lines"));
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    qn_run *r = begun(dir, 30);
    put_step(r, 1, 2.5);
    const int64_t calls = qn_mem_calls();
    put_step(r, 2, NAN);
    put_step(r, 3, 0.125);
    CHECK_INT(qn_mem_calls(), calls);
    CHECK_STR(slurp(path), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":null}\n{\"step\":3,\"loss\":0.125}\n");
    qn_jw *w = qn_run_sample(r);
    qn_jw_key(w, "text");
    qn_jw_str(w, QN_STR("a\nb"));
    CHECK_OK(qn_run_sample_end(r));
    snprintf(path, sizeof path, "%s/samples.jsonl", dir);
    CHECK_STR(slurp(path), "{\"text\":\"a\\nb\"}\n");
    qn_run_close(r);
}

TEST(a_full_disk_costs_the_line_and_no_other) {
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("full_lines"));
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    qn_run *r = begun(dir, 30);
    put_step(r, 1, 1);
    qn_file_fail_after(0);
    step_line(r, 2, 2);
    CHECK_FAIL(qn_run_metrics_end(r), QN_EIO, "metrics.jsonl: cannot write: No space left");
    CHECK_STR(slurp(path), "{\"step\":1,\"loss\":1}\n");
    put_step(r, 2, 2);
    CHECK_STR(slurp(path), "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":2}\n");
    qn_run_close(r);
}

/* What stands in the file, and what is left of it after a rewind to step 2. */
static const struct { const char *before, *after; } rewinds[] = {
    {"", ""},
    {"{\"step\":1}\n{\"step\":2}\n", "{\"step\":1}\n{\"step\":2}\n"},
    {"{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n", "{\"step\":1}\n{\"step\":2}\n"},
    {"{\"step\":1}\n{\"step\":2}\n{\"step\":3,\"lo", "{\"step\":1}\n{\"step\":2}\n"},
    {"{\"step\":1}\n{\"step\":2}", "{\"step\":1}\n"},
    {"{\"step\":3}\n{\"step\":1}\n", "{\"step\":1}\n"},
    {"{\"step\":1}\n\n{\"loss\":2}\n{\"step\":-1}\n{\"step\":1.5}\n{\"step\":\"1\"}\n{\"step\":2}\n",
     "{\"step\":1}\n{\"step\":2}\n"},
    {"{\"step\":1} x\n[1]\nnull\n{\"step\":2e0}\n", "{\"step\":2e0}\n"},
    {"{\"step\":1,\"step", ""},
    {"{\"step\":1e300}\n{\"step\":2,\"x\":{\"step\":9}}\n", "{\"step\":2,\"x\":{\"step\":9}}\n"},
};

TEST(a_rewind_drops_what_came_later_and_what_is_broken) {
    char dir[1200], metrics[1300], samples[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("rewound"));
    snprintf(metrics, sizeof metrics, "%s/metrics.jsonl", dir);
    snprintf(samples, sizeof samples, "%s/samples.jsonl", dir);
    qn_run *r = begun(dir, 30);
    CHECK_OK(qn_run_rewind(r, 0), "no file yet");
    for (size_t i = 0; i < QN_LEN(rewinds); i++) {
        const char *before = rewinds[i].before;
        CHECK_OK(qn_write_file(metrics, before, strlen(before)));
        CHECK_OK(qn_write_file(samples, before, strlen(before)));
        CHECK_OK(qn_run_rewind(r, 2), "%s", before);
        CHECK_STR(slurp(metrics), rewinds[i].after, "%s", before);
        CHECK_STR(slurp(samples), rewinds[i].after, "%s", before);
    }
    CHECK_OK(qn_write_file(metrics, "\0\0\0\n{\"step\":1}\n\0\0", 18));
    CHECK_OK(qn_run_rewind(r, 2));
    CHECK_STR(slurp(metrics), "{\"step\":1}\n");
    put_step(r, 3, 1);
    CHECK_STR(slurp(metrics), "{\"step\":1}\n{\"step\":3,\"loss\":1}\n");
    CHECK_OK(qn_run_rewind(r, 1), "lines written by this very process too");
    put_step(r, 2, 1);
    CHECK_STR(slurp(metrics), "{\"step\":1}\n{\"step\":2,\"loss\":1}\n");
    qn_run_close(r);
}

TEST(a_rewind_on_a_full_disk_leaves_all_as_it_was) {
    static const char before[] = "{\"step\":1}\n{\"step\":9}\n{\"step\":2}\n";
    char dir[1200], path[1300];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("full_rewind"));
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    qn_run *r = begun(dir, 30);
    CHECK_OK(qn_write_file(path, before, strlen(before)));
    for (int64_t n = 0; n < 3; n++) {
        qn_file_fail_after(n);
        CHECK_FAIL(qn_run_rewind(r, 2), QN_EIO, "No space left", "write %lld", (long long)n);
        qn_file_fail_after(-1);
        CHECK_STR(slurp(path), before);
    }
    CHECK_OK(qn_run_rewind(r, 2));
    CHECK_STR(slurp(path), "{\"step\":1}\n{\"step\":2}\n");
    qn_run_close(r);
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

TEST(the_machine_is_described) {
    qn_machine m;
    qn_machine_get(&m);
    CHECK(m.cores >= 1 && m.cores <= 4096, "%d", m.cores);
    CHECK(m.memory > 1 << 20, "%lld", (long long)m.memory);
    CHECK_CONTAINS(m.os, "Linux ");
    CHECK(!strchr(m.cpu, '\n') && m.cpu[0] != ' ', "%s", m.cpu);
}
