/* cli/demo_talk.c — the last lines of the demo: the model writes. */
#include <stdio.h>
#include <unistd.h>

#include "cli/demo.h"
#include "cli/line.h"

/* One beginning continued, on stdout. Greedy: the same words each time. */
static int go_on_with(qn_demo *d, const char *model, const char *beginning, const char *tokens) {
    qn_command w = {0};
    int rc;
    QN_TRY_OUT(qn_command_add(&w, "generate"));
    QN_TRY_OUT(qn_command_add(&w, model));
    QN_TRY_OUT(qn_command_add_words(&w, "--echo --temp 0 --repetition-penalty 1.1 --tokens %s --prompt", tokens));
    QN_TRY_OUT(qn_command_add(&w, beginning));
    QN_TRY_OUT(qn_command_add(&w, "--quiet"));
    rc = qn_within_run(d->c, &w, NULL);
out:
    qn_command_drop(&w);
    return rc;
}

static int talk(qn_demo *d, const char *model) {
    qn_line *line = NULL;
    qn_buf text = {0};
    int rc, more;
    QN_TRY(qn_demo_say(d, "\nNow you: write how a sentence begins, the model goes on with it. An empty line ends."));
    QN_TRY(qn_line_open(&line, d->c, NULL));
    while ((more = qn_line_read(line, "> ", &text)) != 0) {
        if (more == QN_ECANCEL)
            break;
        QN_TRY_OUT(more);
        if (text.n == 0)
            break;
        rc = go_on_with(d, model, text.s, "64");
        if (rc < 0 && rc != QN_ECANCEL)
            qn_log(QN_LOG_WARN, "%s", qn_error_message());
        qn_cancel_reset();
        QN_TRY_OUT(qn_cancel_check());          /* SIGTERM ends it all the same */
    }
    rc = 0;
out:
    qn_line_close(line);
    qn_buf_drop(&text);
    return rc;
}

int qn_demo_talk(qn_demo *d, const char *model, const char *const *beginnings, size_t n) {
    if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && !qn_cli_flag(d->c, "quiet"))
        return talk(d, model);
    QN_TRY(qn_demo_say(d, "\nSo it writes:"));
    for (size_t i = 0; i < n; i++) {
        QN_TRY(qn_cancel_check());
        QN_TRY(go_on_with(d, model, beginnings[i], "48"));
        QN_TRY(qn_demo_say(d, "%s", ""));
    }
    return 0;
}
