/* tests/unit/test_output.c — the result on a pipe that stands for stdout, and the texts that commands are about. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

static const qn_opt opts[] = {
    QN_OPT_STRING("p", "prompt", NULL, "TEXT", "the prompt"),
    QN_OPT_FILE("f", "file", NULL, "read the text from FILE"),
    QN_OPT_JSON,
    QN_OPT_END
};
static int no_run(qn_cli *c) { return (int)qn_cli_args(c); }
static const qn_cmd sample = {"sample", "[TEXT]", "a command of this test", opts, NULL, no_run, NULL};

static void start(qn_cli *c, int argc, const char *const *argv) {
    qn_cli_init(c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(c, &sample, argc, argv));
}
#define START(c, ...) start(c, (int)QN_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

/* Everything that the command wrote, read back from a file that stands for stdout. */
static int open_sink(void) {
    int fd = open(qn_test_temp("sink"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void check_sink(int fd, const char *want) {
    static char got[1 << 18];
    ssize_t n = pread(fd, got, sizeof got - 1, 0);
    CHECK(n >= 0);
    got[n] = '\0';
    CHECK_STR(got, want);
    close(fd);
}

TEST(text_is_buffered_until_flush) {
    qn_cli c;
    START(&c, "-q");
    c.out_fd = open_sink();
    CHECK_OK(qn_out_puts(&c, "one "));
    CHECK_OK(qn_out_printf(&c, "%d %s\n", 2, "three"));
    CHECK_INT(lseek(c.out_fd, 0, SEEK_END), 0, "nothing yet");
    CHECK_OK(qn_out_flush(&c));
    check_sink(c.out_fd, "one 2 three\n");
    qn_cli_drop(&c);
}

TEST(long_lines_are_whole) {
    qn_cli c;
    static char letters[100001], want[200003];
    memset(letters, 'x', sizeof letters - 1);
    START(&c, "-q");
    c.out_fd = open_sink();
    CHECK_OK(qn_out_printf(&c, "%s\n", letters));
    CHECK_OK(qn_out_printf(&c, "%s\n", letters));
    CHECK_OK(qn_out_flush(&c));
    snprintf(want, sizeof want, "%s\n%s\n", letters, letters);
    check_sink(c.out_fd, want);
    qn_cli_drop(&c);
}

TEST(json_lines) {
    qn_cli c;
    START(&c, "--json");
    CHECK(qn_cli_json(&c));
    c.out_fd = open_sink();
    for (int i = 1; i <= 2; i++) {
        qn_jw *w = qn_out_json(&c, 0);
        qn_jw_open(w, '{');
        qn_jw_key(w, "n");
        qn_jw_i64(w, i);
        qn_jw_close(w);
        CHECK_OK(qn_out_json_end(&c));
    }
    CHECK_OK(qn_out_flush(&c));
    check_sink(c.out_fd, "{\"n\":1}\n{\"n\":2}\n");
    qn_cli_drop(&c);
}

TEST(a_reader_that_left_cancels_the_work) {
    qn_cli c;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(ends) == 0);
    close(ends[0]);
    START(&c, "-q");
    c.out_fd = ends[1];
    CHECK_OK(qn_cancel_check());
    CHECK_OK(qn_out_puts(&c, "anybody?"));
    CHECK_INT(qn_out_flush(&c), QN_ECANCEL);
    CHECK(c.out_closed);
    CHECK_INT(qn_cancel_check(), QN_ECANCEL);
    CHECK_INT(qn_out_flush(&c), QN_ECANCEL, "and stays so");
    qn_cancel_reset();
    CHECK_OK(qn_cancel_check());
    close(ends[1]);
    qn_cli_drop(&c);
}

/* ---- texts ----------------------------------------------------------------------------------------------------- */

static void check_text(int rc, qn_text *t, const char *want) {
    CHECK_OK(rc);
    CHECK_VIEW(((qn_str){t->s, t->n}), want);
    qn_text_drop(t);
}

TEST(a_text_comes_from_one_place) {
    qn_cli c;
    qn_text t;
    const char *file = qn_test_write("text", "aus der Mühle\n", 15);
    START(&c, "grün");
    check_text(qn_cli_text(&c, 0, &t), &t, "grün");
    qn_cli_drop(&c);
    START(&c, "-p", "blau");
    check_text(qn_cli_text_opt(&c, "prompt", &t), &t, "blau");
    qn_cli_drop(&c);
    START(&c, "-f", file);
    check_text(qn_cli_text(&c, 0, &t), &t, "aus der Mühle\n");
    check_text(qn_cli_text_opt(&c, "prompt", &t), &t, "aus der Mühle\n");
    qn_cli_drop(&c);
    START(&c, "");
    check_text(qn_cli_text(&c, 0, &t), &t, "");
    qn_cli_drop(&c);
    START(&c, "-f", qn_test_write("empty", "", 0));
    check_text(qn_cli_text(&c, 0, &t), &t, "");
    qn_cli_drop(&c);
}

TEST(none_both_and_bad_texts_are_refused) {
    qn_cli c;
    qn_text t;
    START(&c, "-q");
    CHECK_FAIL(qn_cli_text(&c, 0, &t), QN_EUSAGE, "give TEXT or -f FILE");
    CHECK_FAIL(qn_cli_text_opt(&c, "prompt", &t), QN_EUSAGE, "give --prompt or -f FILE");
    qn_cli_drop(&c);
    START(&c, "text", "-f", "file");
    CHECK_FAIL(qn_cli_text(&c, 0, &t), QN_EUSAGE, "both given");
    qn_cli_drop(&c);
    START(&c, "ab\xff");
    CHECK_FAIL(qn_cli_text(&c, 0, &t), QN_EUTF8, "byte 2 (0xff) is not UTF-8");
    qn_cli_drop(&c);
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    const char *file = qn_test_write("latin1", "M\xfchle", 5);
    START(&c, "-f", file);
    CHECK_FAIL(qn_cli_text(&c, 0, &t), QN_EUTF8, file);
    qn_cli_drop(&c);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
    START(&c, "-f", qn_test_temp("nowhere"));
    CHECK_FAIL(qn_cli_text(&c, 0, &t), QN_ENOTFOUND, "nowhere");
    qn_cli_drop(&c);
}

TEST(state_lives_where_the_user_keeps_state) {
    qn_cli c;
    qn_buf path = {0};
    char xdg[600], home[600], want[700];
    snprintf(xdg, sizeof xdg, "%s/deep/state", qn_test_temp_dir());
    snprintf(home, sizeof home, "%s/home", qn_test_temp_dir());
    qn_cli_init(&c, (qn_cli_env){.state_home = xdg, .home = home});
    CHECK_OK(qn_cli_state_path(&c, "history", &path));
    snprintf(want, sizeof want, "%s/quern/history", xdg);
    CHECK_STR(path.s, want);
    c.env.state_home = "relative";
    CHECK_OK(qn_cli_state_path(&c, "history", &path));
    snprintf(want, sizeof want, "%s/.local/state/quern/history", home);
    CHECK_STR(path.s, want);
    c.env = (qn_cli_env){0};
    CHECK_FAIL(qn_cli_state_path(&c, "history", &path), QN_ENOTFOUND, "HOME");
    qn_buf_drop(&path);
}
