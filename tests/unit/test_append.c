/* tests/unit/test_append.c — files that grow, whole files in one call, folders. */
#include "test.h"

static const char *slurp(const char *path) {
    static qn_buf b;
    qn_buf_clear(&b);
    CHECK_OK(qn_read_file(&b, path, SIZE_MAX));
    return b.n ? b.s : "";
}

TEST(pieces_follow_one_another) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    const char *path = qn_test_temp("grows");
    qn_append_file f = {0};
    qn_append_close(&f);
    CHECK_OK(qn_append_open(&f, path));
    CHECK_OK(qn_append_write(&f, "one,", 4));
    CHECK_OK(qn_append_write(&f, "", 0));
    CHECK_OK(qn_append_sync(&f));
    qn_append_close(&f);
    CHECK_OK(qn_append_open(&f, path));
    CHECK_INT(f.size, 4);
    CHECK_OK(qn_append_write(&f, "two", 3));
    CHECK_INT(f.size, 7);
    qn_append_close(&f);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
    CHECK_STR(slurp(path), "one,two");
}

TEST(what_a_full_disk_took_is_cut_off) {
    const char *path = qn_test_temp("full");
    qn_append_file f;
    CHECK_OK(qn_append_open(&f, path));
    CHECK_OK(qn_append_write(&f, "one,", 4));
    qn_file_fail_after(0);
    CHECK_FAIL(qn_append_write(&f, "two,", 4), QN_EIO, "full: cannot write: No space left on device");
    CHECK_STR(slurp(path), "one,");
    CHECK_OK(qn_append_write(&f, "three", 5));
    CHECK_STR(slurp(path), "one,three");
    qn_append_close(&f);
}

TEST(what_cannot_be_appended_to_is_named) {
    qn_append_file f;
    CHECK_FAIL(qn_append_open(&f, qn_test_temp_dir()), QN_EIO, "Is a directory");
    CHECK_FAIL(qn_append_open(&f, qn_test_temp("no/file")), QN_ENOTFOUND, "no/file: cannot open for appending");
    const char *fifo = qn_test_temp("fifo");
    CHECK_INT(mkfifo(fifo, 0600), 0);
    CHECK_FAIL(qn_append_open(&f, fifo), QN_EIO, "fifo");
    CHECK_FAIL(qn_append_open(&f, "/dev/null"), QN_EIO, "only a regular file");
    qn_append_close(&f);
    qn_mem_fail_after(0);
    CHECK_FAIL(qn_append_open(&f, fifo), QN_ENOMEM, NULL);
}

TEST(a_file_is_written_whole_or_stays) {
    const char *path = qn_test_temp("whole");
    CHECK_OK(qn_write_file(path, "old", 3));
    for (int64_t n = 0; n < 2; n++) {
        qn_file_fail_after(n);
        CHECK_FAIL(qn_write_file(path, "newer", 5), QN_EIO, "No space left");
        CHECK_STR(slurp(path), "old");
    }
    CHECK_OK(qn_write_file(path, "newer", 5));
    CHECK_STR(slurp(path), "newer");
}

TEST(folders_are_made_from_the_top) {
    char path[1200];
    snprintf(path, sizeof path, "%s//a/b//c//", qn_test_temp_dir());
    CHECK_INT(qn_dir_make(path), 1);
    CHECK(qn_is_dir(path));
    CHECK_INT(qn_dir_make(path), 0);
    CHECK_INT(qn_dir_make("/"), 0);
    CHECK_INT(qn_dir_make("."), 0);
    CHECK_FAIL(qn_dir_make(""), QN_EIO, "empty");
    snprintf(path, sizeof path, "%s/x/y", qn_test_write("plain", "", 0));
    CHECK_FAIL(qn_dir_make(path), QN_EIO, "plain: cannot make this folder: Not a directory");
    CHECK_FAIL(qn_dir_make("/proc/x/y"), QN_EIO, "/proc/x: cannot make");
    snprintf(path, sizeof path, "%s/dangling", qn_test_temp_dir());
    CHECK_INT(symlink("nowhere", path), 0);
    CHECK_FAIL(qn_dir_make(path), QN_EIO, "dangling: cannot make this folder");
}
