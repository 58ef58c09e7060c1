/* cli/main.c — the first and the last lines of the process. The only place that reads the environment:
 *
 *     QUERN_CPU         caps the instruction level, as --isa does
 *     XDG_STATE_HOME    where the history of `chat` is kept (else ~/.local/state) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* Help that was asked for is a result and goes to stdout. */
static int show_help(qn_cli *c) {
    qn_buf b = {0};
    int rc = c->cmd ? qn_help_command(&b, c->cmd) : c->group ? qn_help_group(&b, c->group) : qn_help_overview(&b);
    if (rc >= 0)
        rc = qn_out_put(c, b.s, b.n);
    qn_buf_drop(&b);
    return rc;
}

static int run(qn_cli *c, int argc, const char *const *argv) {
    QN_TRY(qn_cli_parse(c, argc, argv));
    qn_log_set(qn_progress_log, c);
    if (c->help)
        return show_help(c);
    if (c->version)
        return qn_cmd_version.run(c);
    QN_TRY(qn_cli_config(c));
    return c->cmd->run(c);
}

/* What was printed before the failure is worth having, and comes first; flushing it must not cost us the message. */
static void report(qn_cli *c, int rc) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    if (!c->out_closed)
        qn_out_flush(c);
    if (c->out_closed)
        return;
    fprintf(stderr, "quern%s%s: %s\n", c->cmd ? " " : "", c->cmd ? c->cmd->name : "", message);
    if (rc == QN_EUSAGE)
        fprintf(stderr, "`quern%s%s --help` says how it is used.\n", c->cmd ? " " : "", c->cmd ? c->cmd->name : "");
}

int main(int argc, char **argv) {
    double start = qn_now();
    qn_cli c;
    qn_cancel_install();
    qn_cli_init(&c, (qn_cli_env){env("QUERN_CPU"), env("XDG_STATE_HOME"), env("HOME")});
    c.err_tty = isatty(STDERR_FILENO) == 1;
    int rc = run(&c, argc - 1, (const char *const *)argv + 1);
    if (rc >= 0)
        rc = qn_out_flush(&c);
    if (rc < 0)
        report(&c, rc);
    else if (c.global)
        qn_log(QN_LOG_DEBUG, "time %.2f s, peak memory %.1f MB", qn_now() - start, (double)qn_cli_peak_bytes() / 1e6);
    qn_log_set(NULL, NULL);
    qn_cli_drop(&c);
    return c.out_closed ? qn_error_exit(QN_EIO) : qn_error_exit(rc < 0 ? rc : 0);
}
