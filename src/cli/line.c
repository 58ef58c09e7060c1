/* cli/line.c — line editing by libedit where it was built in and stdin is a terminal; otherwise bytes up to a newline.
 *
 * libedit's own reader swallows an interrupted read, so it gets ours: it waits in short steps and looks at the cancel
 * flag, which makes Ctrl-C at the prompt an ordinary outcome (QN_ECANCEL). */
#include "cli/line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#ifdef QN_HAVE_LIBEDIT
#include <histedit.h>
#include <locale.h>
#endif

#define HISTORY_LINES 1000
#define POLL_MS 100

struct qn_line {
    qn_buf history_path;        /* empty: not kept */
    const char *prompt;
    char pending[4096];         /* read from stdin, not handed out yet */
    size_t at, n;
    bool edits;
#ifdef QN_HAVE_LIBEDIT
    EditLine *edit;
    History *history;
#endif
};

/* The next byte of stdin: 1, 0 at the end, QN_ECANCEL, QN_EIO. */
static int next_byte(qn_line *l, char *byte) {
    while (l->at == l->n) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        QN_TRY(qn_cancel_check());
        if (poll(&in, 1, POLL_MS) <= 0)
            continue;
        ssize_t got = read(STDIN_FILENO, l->pending, sizeof l->pending);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return qn_fail(QN_EIO, "cannot read standard input: %s", strerror(errno));
        l->at = 0;
        l->n = got > 0 ? (size_t)got : 0;
    }
    *byte = l->pending[l->at++];
    return 1;
}

static int read_plain(qn_line *l, qn_buf *text) {
    char byte;
    int rc;
    qn_buf_clear(text);
    while ((rc = next_byte(l, &byte)) > 0 && byte != '\n')
        QN_TRY(qn_buf_putc(text, byte));
    if (text->n && text->s[text->n - 1] == '\r')
        text->s[--text->n] = '\0';
    return rc == 0 && text->n ? 1 : rc;
}

#ifdef QN_HAVE_LIBEDIT

static char *give_prompt(EditLine *edit) {
    qn_line *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return (char *)(uintptr_t)l->prompt;
}

/* libedit asks for one character: 1, 0 at the end, -1 to give the line up. What is not UTF-8 is left out. */
static int give_character(EditLine *edit, wchar_t *out) {
    qn_line *l = NULL;
    char bytes[4];
    size_t n = 0;
    uint32_t code = 0;
    el_get(edit, EL_CLIENTDATA, &l);
    for (;;) {
        int rc = next_byte(l, &bytes[n]);
        if (rc <= 0)
            return rc;
        n++;
        if (qn_utf8_decode(bytes, n, &code) > 0) {
            *out = (wchar_t)code;
            return 1;
        }
        if (n == sizeof bytes || qn_utf8_pending(bytes, n) != n)
            n = 0;
    }
}

static void start_editing(qn_line *l) {
    HistEvent event;
    /* A text is UTF-8 here, whatever the machine's locale is; only libedit asks. Numbers stay as in C. */
    setlocale(LC_CTYPE, "C.UTF-8");
    l->edit = el_init("quern", stdin, stdout, stderr);
    l->history = l->edit ? history_init() : NULL;
    if (!l->history) {
        if (l->edit)
            el_end(l->edit);
        l->edit = NULL;
        return;
    }
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, give_prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_SIGNAL, 0);
    el_set(l->edit, EL_GETCFN, give_character);
    el_set(l->edit, EL_HIST, history, l->history);
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    if (l->history_path.n)
        history(l->history, &event, H_LOAD, l->history_path.s);
    l->edits = true;
}

static int read_edited(qn_line *l, qn_buf *text) {
    int n = 0;
    HistEvent event;
    const char *line = el_gets(l->edit, &n);
    qn_buf_clear(text);
    if (qn_cancelled()) {
        fputc('\n', stdout);
        fflush(stdout);
        return qn_cancel_check();
    }
    if (!line || n <= 0)
        return 0;
    size_t length = strcspn(line, "\n");
    QN_TRY(qn_buf_put(text, line, length));
    if (length > 0)
        history(l->history, &event, H_ENTER, text->s);
    return 1;
}

static void stop_editing(qn_line *l) {
    HistEvent event;
    if (l->history_path.n)
        history(l->history, &event, H_SAVE, l->history_path.s);
    history_end(l->history);
    el_end(l->edit);
}

#else

static void start_editing(qn_line *l) { (void)l; }
static int read_edited(qn_line *l, qn_buf *text) { return read_plain(l, text); }
static void stop_editing(qn_line *l) { (void)l; }

#endif

int qn_line_open(qn_line **out, qn_cli *c, const char *history) {
    *out = NULL;
    qn_line *l = qn_zalloc(QN_MEM_CLI, 1, sizeof *l);
    if (!l)
        return QN_ENOMEM;
    bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    if (terminal && history && qn_cli_state_path(c, history, &l->history_path) < 0) {
        qn_log(QN_LOG_INFO, "the history is not kept: %s", qn_error_message());
        qn_buf_clear(&l->history_path);
    }
    if (terminal)
        start_editing(l);
    *out = l;
    return 0;
}

int qn_line_read(qn_line *l, const char *prompt, qn_buf *text) {
    l->prompt = prompt;
    if (l->edits)
        return read_edited(l, text);
    if (isatty(STDIN_FILENO) == 1) {
        fputs(prompt, stderr);
        fflush(stderr);
    }
    return read_plain(l, text);
}

void qn_line_close(qn_line *l) {
    if (!l)
        return;
    if (l->edits)
        stop_editing(l);
    qn_buf_drop(&l->history_path);
    qn_free(l);
}
