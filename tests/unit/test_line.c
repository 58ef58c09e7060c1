/* tests/unit/test_line.c — lines from a pipe (as scripts use `chat`) and from a terminal, where keys edit them. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "cli/line.h"

/* Runs with fd as stdin (and stdout, for a terminal); gives back what was there. */
typedef struct { int in, out; } streams;
static streams put_streams(int in, int out) {
    streams saved = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};
    fflush(stdout);
    dup2(in, STDIN_FILENO);
    if (out >= 0)
        dup2(out, STDOUT_FILENO);
    return saved;
}
static void restore_streams(streams saved) {
    fflush(stdout);
    dup2(saved.in, STDIN_FILENO);
    dup2(saved.out, STDOUT_FILENO);
    close(saved.in);
    close(saved.out);
}

TEST(lines_from_a_pipe) {
    int ends[2];
    qn_cli c;
    qn_line *l;
    qn_buf text = {0};
    static const char sent[] = "erste\r\n\nzweite Zeile\nohne Ende";
    CHECK(pipe(ends) == 0 && write(ends[1], sent, sizeof sent - 1) == sizeof sent - 1 && close(ends[1]) == 0);
    qn_cli_init(&c, (qn_cli_env){0});
    streams saved = put_streams(ends[0], -1);
    int rc = qn_line_open(&l, &c, "history");
    static const char *const want[] = {"erste", "", "zweite Zeile", "ohne Ende"};
    int got[QN_LEN(want) + 1];
    char lines[QN_LEN(want)][32];
    for (size_t i = 0; rc == 0 && i < QN_LEN(want); i++) {
        got[i] = qn_line_read(l, "> ", &text);
        snprintf(lines[i], sizeof lines[i], "%s", text.n ? text.s : "");
    }
    got[QN_LEN(want)] = rc == 0 ? qn_line_read(l, "> ", &text) : -1;
    restore_streams(saved);
    CHECK_OK(rc);
    for (size_t i = 0; i < QN_LEN(want); i++) {
        CHECK_INT(got[i], 1, "line %zu", i);
        CHECK_STR(lines[i], want[i]);
    }
    CHECK_INT(got[QN_LEN(want)], 0, "then the end");
    qn_line_close(l);
    qn_buf_drop(&text);
    close(ends[0]);
}

TEST(an_interrupt_ends_the_waiting) {
    int ends[2];
    qn_cli c;
    qn_line *l;
    qn_buf text = {0};
    CHECK(pipe(ends) == 0);
    qn_cli_init(&c, (qn_cli_env){0});
    streams saved = put_streams(ends[0], -1);
    int opened = qn_line_open(&l, &c, NULL);
    atomic_store(&qn_cancel_flag, true);
    int rc = qn_line_read(l, "> ", &text);
    qn_cancel_reset();
    restore_streams(saved);
    CHECK_OK(opened);
    CHECK_INT(rc, QN_ECANCEL);
    qn_line_close(l);
    qn_buf_drop(&text);
    close(ends[0]);
    close(ends[1]);
}

/* The other side of a terminal: our own end of a pseudo-terminal, into which "keys" are typed. */
static int open_terminal(int *keys) {
    *keys = posix_openpt(O_RDWR | O_NOCTTY);
    if (*keys < 0 || grantpt(*keys) != 0 || unlockpt(*keys) != 0)
        return -1;
    return open(ptsname(*keys), O_RDWR | O_NOCTTY);
}

static void type(int keys, const char *text) {
    CHECK(write(keys, text, strlen(text)) == (ssize_t)strlen(text));
}

TEST(keys_edit_and_history_stays) {
    int keys, terminal = open_terminal(&keys);
    if (terminal < 0)
        SKIP("no pseudo-terminal here");
    qn_cli c;
    qn_buf text = {0}, path = {0};
    char lines[4][64] = {{0}};
    int rc = 0;
    qn_cli_init(&c, (qn_cli_env){.state_home = qn_test_temp_dir()});
    streams saved = put_streams(terminal, terminal);
    for (int session = 0; session < 2 && rc >= 0; session++) {
        qn_line *l;
        rc = qn_line_open(&l, &c, "history");
        if (rc < 0)
            break;
        /* First a mended line; in the second session the line before it, fetched with the arrow key. */
        type(keys, session == 0 ? "Muhl\177\177\177ühle\r" : "\033[A!\r");
        rc = qn_line_read(l, "> ", &text);
        snprintf(lines[session], sizeof lines[session], "%s", text.n ? text.s : "");
        qn_line_close(l);
    }
    restore_streams(saved);
    close(keys);
    close(terminal);
    CHECK_INT(rc, 1);
    qn_buf_drop(&text);
#ifdef QN_HAVE_LIBEDIT
    CHECK_STR(lines[0], "Mühle");
    CHECK_STR(lines[1], "Mühle!");
    CHECK_OK(qn_cli_state_path(&c, "history", &path));
    CHECK(qn_is_file(path.s));
#else
    SKIP("built without libedit");
#endif
    qn_buf_drop(&path);
}
