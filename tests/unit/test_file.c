/* tests/unit/test_file.c — maps and reads, and writes that a full disk cannot leave half done. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>

/* ---- reading ---- */

TEST(maps_a_file) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    const char *path = qn_test_write("map.bin", "hello\0world", 11);
    qn_map_file m;
    CHECK_OK(qn_map_open(&m, path));
    CHECK_INT(m.n, 11);
    CHECK(memcmp(m.s, "hello\0world", 11) == 0);
    CHECK_STR(m.path, path);
    qn_map_close(&m);
    CHECK_INT(m.n, 0);
    qn_map_close(&m);
    qn_map_file empty = {0};
    qn_map_close(&empty);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(maps_an_empty_file) {
    qn_map_file m;
    CHECK_OK(qn_map_open(&m, qn_test_write("empty.bin", "", 0)));
    CHECK_INT(m.n, 0);
    CHECK(m.s != NULL);
    qn_map_drop_pages(&m, 0, 100);
    qn_map_close(&m);
}

TEST(dropped_pages_read_the_same_again) {
    enum { N = 5 * 4096 + 123 };
    static char bytes[N];
    for (int i = 0; i < N; i++)
        bytes[i] = (char)(i * 31 + i / 4096);
    qn_map_file m;
    CHECK_OK(qn_map_open(&m, qn_test_write("pages.bin", bytes, N)));
    static const struct { size_t offset, n; } ranges[] = {{0, N}, {1, 4096}, {4095, 8194}, {N - 1, 1}, {N, 1},
                                                          {N + 5000, 1}, {100, SIZE_MAX}, {0, 0}};
    for (size_t i = 0; i < QN_LEN(ranges); i++) {
        qn_map_drop_pages(&m, ranges[i].offset, ranges[i].n);
        CHECK(memcmp(m.s, bytes, N) == 0, "range %zu", i);
    }
    qn_map_close(&m);
}

TEST(what_cannot_be_mapped_is_named) {
    qn_map_file m;
    CHECK_FAIL(qn_map_open(&m, qn_test_temp("nothing")), QN_ENOTFOUND, "nothing: cannot open: No such file");
    CHECK_FAIL(qn_map_open(&m, qn_test_temp_dir()), QN_EIO, "is a directory");
    CHECK_CONTAINS(qn_error_message(), qn_test_temp_dir());
    const char *fifo = qn_test_temp("fifo");
    CHECK_INT(mkfifo(fifo, 0600), 0);
    CHECK_FAIL(qn_map_open(&m, fifo), QN_EIO, "is a pipe, socket or device");
    CHECK_FAIL(qn_map_open(&m, "/dev/null"), QN_EIO, "/dev/null");
    CHECK(m.s != NULL && m.n == 0);
    qn_mem_fail_after(0);
    CHECK_FAIL(qn_map_open(&m, qn_test_write("some", "x", 1)), QN_ENOMEM, "out of memory");
}

TEST(reads_whole_files_within_the_limit) {
    static char bytes[200000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i ^ i >> 8);
    static const size_t sizes[] = {0, 1, 55, 56, 57, 4096, 65536, 200000};
    for (size_t i = 0; i < QN_LEN(sizes); i++) {
        const char *path = qn_test_write("read.bin", bytes, sizes[i]);
        qn_buf b = {0};
        CHECK_OK(qn_buf_puts(&b, "in front"));
        CHECK_OK(qn_read_file(&b, path, sizes[i]), "%zu bytes, as many as allowed", sizes[i]);
        CHECK_INT(b.n, sizes[i] + 8);
        CHECK(memcmp(b.s + 8, bytes, sizes[i]) == 0);
        CHECK_INT(b.s[b.n], 0);
        if (sizes[i]) {
            CHECK_FAIL(qn_read_file(&b, path, sizes[i] - 1), QN_ELIMIT, "read.bin");
            CHECK_INT(b.n, sizes[i] + 8, "a failed read leaves the buffer");
        }
        qn_buf_drop(&b);
    }
    qn_buf b = {0};
    CHECK_FAIL(qn_read_file(&b, qn_test_temp("nothing"), 10), QN_ENOTFOUND, "nothing");
    CHECK_FAIL(qn_read_file(&b, qn_test_temp_dir(), 10), QN_EIO, "is a directory");
    CHECK_OK(qn_read_file(&b, "/proc/self/status", SIZE_MAX));      /* claims to be empty, and is not */
    CHECK_CONTAINS(b.s, "Threads:");
    qn_buf_drop(&b);
}

static void *feed(void *arg) {
    const int *fd = arg;
    char chunk[1000];
    memset(chunk, 'p', sizeof chunk);
    for (int i = 0; i < 100; i++)
        if (write(*fd, chunk, sizeof chunk) != sizeof chunk)
            break;
    close(*fd);
    return NULL;
}

TEST(reads_standard_input) {
    int ends[2], saved = dup(STDIN_FILENO);
    CHECK(pipe(ends) == 0 && dup2(ends[0], STDIN_FILENO) == 0);
    close(ends[0]);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, feed, &ends[1]) == 0);
    qn_buf b = {0};
    int rc = qn_read_file(&b, "-", 100000);
    pthread_join(t, NULL);
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    CHECK_OK(rc);
    CHECK_INT(b.n, 100000);
    CHECK(b.s[0] == 'p' && b.s[99999] == 'p');
    qn_buf_drop(&b);
}

/* A file whose size is not known beforehand, and a buffer with room for more than the limit. */
TEST(the_limit_holds_for_streams) {
    qn_buf b = {0};
    CHECK_OK(qn_buf_reserve(&b, 1000));
    CHECK_FAIL(qn_read_file(&b, "/proc/self/status", 10), QN_ELIMIT, "longer than the limit of 10 bytes");
    CHECK_INT(b.n, 0);
    CHECK_FAIL(qn_read_file(&b, "/dev/zero", 100000), QN_ELIMIT, "longer than the limit");
    qn_buf_drop(&b);
}

TEST(tells_files_from_directories) {
    const char *path = qn_test_write("plain", "x", 1);
    CHECK(qn_is_file(path) && !qn_is_dir(path));
    CHECK(!qn_is_file(qn_test_temp_dir()) && qn_is_dir(qn_test_temp_dir()));
    CHECK(!qn_is_file("/no/such/thing") && !qn_is_dir("/no/such/thing"));
}

TEST(joins_paths) {
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {".", "b.c", "./b.c"},
    };
    qn_buf b = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_OK(qn_path_join(&b, cases[i][0], cases[i][1]));
        CHECK_STR(b.s, cases[i][2]);
    }
    qn_buf_drop(&b);
}

/* ---- writing ---- */

static int count_files(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.' || (e->d_name[1] && strcmp(e->d_name, "..") != 0);
    closedir(d);
    return n;
}

static void check_contents(const char *path, const char *want) {
    qn_buf b = {0};
    CHECK_OK(qn_read_file(&b, path, 1000));
    CHECK_VIEW(qn_buf_view(&b), want);
    qn_buf_drop(&b);
}

/* A fresh directory with one file "target" in it that says "old". */
static const char *fresh_target(const char *name, char dir[256]) {
    static char path[300];
    CHECK(snprintf(dir, 256, "%s", qn_test_temp(name)) < 256);
    CHECK_INT(mkdir(dir, 0700), 0);
    snprintf(path, sizeof path, "%s/target", dir);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs("old", f) >= 0 && fclose(f) == 0);
    return path;
}

TEST(a_commit_replaces_the_target) {
    char dir[256];
    const char *path = fresh_target("replace", dir);
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    CHECK_INT(chmod(path, 0640), 0);
    qn_out_file f;
    CHECK_OK(qn_out_open(&f, path));
    CHECK_OK(qn_out_write(&f, "new ", 4));
    CHECK_OK(qn_out_write(&f, "", 0));
    CHECK_OK(qn_out_write(&f, "text", 4));
    CHECK_INT(f.written, 8);
    check_contents(path, "old");
    CHECK_OK(qn_out_commit(&f));
    check_contents(path, "new text");
    CHECK_INT(count_files(dir), 1);
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0640, "the mode stays");
    qn_out_drop(&f);
    check_contents(path, "new text");
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(a_new_file_follows_the_umask) {
    struct stat st;
    mode_t mask = umask(027);
    qn_out_file f;
    const char *path = qn_test_temp("fresh");
    int rc = qn_out_open(&f, path);
    umask(mask);
    CHECK_OK(rc);
    CHECK_OK(qn_out_commit(&f));
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0640);
    CHECK_INT(st.st_size, 0);
}

TEST(drop_leaves_the_target_and_no_trace) {
    char dir[256];
    const char *path = fresh_target("drop", dir);
    qn_out_file f;
    CHECK_OK(qn_out_open(&f, path));
    CHECK_OK(qn_out_write(&f, "half", 4));
    CHECK_INT(count_files(dir), 2);
    qn_out_drop(&f);
    check_contents(path, "old");
    CHECK_INT(count_files(dir), 1);
}

/* The disk fills at the first, second, … write, and at last in the commit. */
TEST(a_full_disk_leaves_the_target_and_no_trace) {
    char dir[256];
    const char *path = fresh_target("full", dir);
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int n = 0; n < 5; n++) {
        qn_out_file f;
        int rc = 0;
        qn_file_fail_after(n);
        CHECK_OK(qn_out_open(&f, path));
        for (int i = 0; i < 4 && rc == 0; i++) {
            rc = qn_out_write(&f, "0123456789", 10);
            CHECK_INT(rc, i == n ? QN_EIO : 0, "write %d of those that fail at %d", i, n);
        }
        if (rc < 0)
            CHECK_INT(f.written, 10 * n + 5, "half of the last write is on disk");
        else
            rc = qn_out_commit(&f);
        CHECK_INT(rc, QN_EIO, "failure at %d", n);
        CHECK_CONTAINS(qn_error_message(), "target: cannot write: No space left on device");
        qn_out_drop(&f);
        check_contents(path, "old");
        CHECK_INT(count_files(dir), 1, "failure at %d", n);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
    qn_file_fail_after(-1);
}

TEST(a_real_full_device_is_reported) {
    if (access("/dev/full", W_OK) != 0)
        SKIP("there is no /dev/full");
    qn_out_file f = {.fd = open("/dev/full", O_WRONLY), .path = qn_str_dup(QN_MEM_BASE, QN_STR("/dev/full"))};
    CHECK_FAIL(qn_out_write(&f, "x", 1), QN_EIO, "No space left on device");
    close(f.fd);
    qn_out_drop(&f);
}

TEST(without_memory_nothing_is_touched) {
    char dir[256];
    const char *path = fresh_target("nomem", dir);
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int n = 0; n < 2; n++) {
        qn_out_file f;
        qn_mem_fail_after(n);
        CHECK_FAIL(qn_out_open(&f, path), QN_ENOMEM, "out of memory", "allocation %d", n);
        CHECK_INT(count_files(dir), 1);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
}

TEST(symbolic_links_stay_links) {
    char dir[256], link[300];
    const char *path = fresh_target("link", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    CHECK_INT(symlink("target", link), 0);
    qn_out_file f;
    CHECK_OK(qn_out_open(&f, link));
    CHECK_OK(qn_out_write(&f, "through", 7));
    CHECK_OK(qn_out_commit(&f));
    check_contents(path, "through");
    struct stat st;
    CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
}

TEST(refuses_what_is_no_file) {
    qn_out_file f;
    CHECK_FAIL(qn_out_open(&f, qn_test_temp_dir()), QN_EIO, "is a directory");
    CHECK_FAIL(qn_out_open(&f, "/dev/null"), QN_EIO, "is a pipe, socket or device");
    CHECK_FAIL(qn_out_open(&f, qn_test_temp("no/such/dir")), QN_ENOTFOUND, "no/such/dir: cannot create");
    qn_out_drop(&f);
    qn_out_file zero = {0};
    qn_out_drop(&zero);
    CHECK(fcntl(STDERR_FILENO, F_GETFD) >= 0);
}
