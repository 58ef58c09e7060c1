/* cli/cmd_man.c — `quern man`: the manual page, written from the tables that parsing uses. */
#include "base/version.h"
#include "cli/cli.h"

static const char *const examples[] = {"quern man | man -l -", "quern man > quern.1", NULL};

/* Text as roff: dashes that can be copied, no escapes or requests out of ordinary text. */
static int put_text(qn_cli *c, const char *s) {
    for (bool line_start = true; *s; s++) {
        if (line_start && (*s == '.' || *s == '\''))
            QN_TRY(qn_out_puts(c, "\\&"));
        line_start = *s == '\n';
        if (*s == '-' || *s == '\\')
            QN_TRY(qn_out_puts(c, *s == '-' ? "\\-" : "\\e"));
        else
            QN_TRY(qn_out_put(c, s, 1));
    }
    return 0;
}

static int put_options(qn_cli *c, const qn_opt *opts) {
    qn_buf left = {0}, right = {0};
    int rc = 0;
    for (const qn_opt *o = opts; o && o->kind != QN_KIND_NONE; o++) {
        qn_buf_clear(&left);
        qn_buf_clear(&right);
        QN_TRY_OUT(qn_help_left(&left, o));
        QN_TRY_OUT(qn_help_right(&right, o));
        QN_TRY_OUT(qn_out_puts(c, ".TP\n\\fB"));
        QN_TRY_OUT(put_text(c, left.s + (o->brief[0] ? 0 : 4)));
        QN_TRY_OUT(qn_out_puts(c, "\\fR\n"));
        QN_TRY_OUT(put_text(c, right.s));
        QN_TRY_OUT(qn_out_puts(c, "\n"));
    }
out:
    qn_buf_drop(&left);
    qn_buf_drop(&right);
    return rc;
}

static int put_command(qn_cli *c, const qn_cmd *cmd) {
    QN_TRY(qn_out_printf(c, ".SS quern %s ", cmd->name));
    QN_TRY(put_text(c, cmd->args));
    QN_TRY(qn_out_puts(c, "\n"));
    QN_TRY(put_text(c, cmd->about));
    QN_TRY(qn_out_puts(c, ".\n"));
    QN_TRY(put_options(c, cmd->opts));
    if (cmd->notes) {
        QN_TRY(qn_out_puts(c, ".PP\n"));
        QN_TRY(put_text(c, cmd->notes));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    if (!cmd->examples || !cmd->examples[0])
        return 0;
    QN_TRY(qn_out_puts(c, ".PP\nExamples:\n.PP\n.nf\n.RS\n"));
    for (const char *const *at = cmd->examples; *at; at++) {
        QN_TRY(put_text(c, *at));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return qn_out_puts(c, ".RE\n.fi\n");
}

static int put_exit_status(qn_cli *c) {
#define ROW(name, code, exit_code, text) {exit_code, text},
    static const struct { int exit; const char *text; } rows[] = {QN_ERROR_LIST(ROW)};
#undef ROW
    QN_TRY(qn_out_puts(c, ".SH EXIT STATUS\n.TP\n.B 0\nsuccess\n"));
    for (size_t i = 0; i < QN_LEN(rows); i++) {
        QN_TRY(qn_out_printf(c, ".TP\n.B %d\n", rows[i].exit));
        QN_TRY(put_text(c, rows[i].text));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return 0;
}

static int run(qn_cli *c) {
    QN_TRY(qn_out_puts(c, ".TH QUERN 1 \"\" \"quern " QN_VERSION "\" \"User Commands\"\n"
                          ".SH NAME\nquern \\- from raw text to a language model, and to a service\n"
                          ".SH SYNOPSIS\n.B quern\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
                          ".SH DESCRIPTION\n"
                          "The result goes to standard output, remarks and progress to standard error.\n"
                          "A MODEL is a GGUF file or a Hugging Face model directory.\n"
                          ".SH OPTIONS OF EVERY COMMAND\n"));
    QN_TRY(put_options(c, qn_global_opts));
    QN_TRY(qn_out_puts(c, ".SH COMMANDS\n"));
    for (const qn_cmd *const *at = qn_commands; *at; at++)
        QN_TRY(put_command(c, *at));
    QN_TRY(put_exit_status(c));
    return qn_out_puts(c, ".SH ENVIRONMENT\n.TP\n.B QUERN_CPU\ncaps the instruction level as \\fB\\-\\-isa\\fR does\n"
                          ".TP\n.B XDG_STATE_HOME\n"
                          "where histories are kept, in the folder quern (else ~/.local/state)\n");
}

const qn_cmd qn_cmd_man = {
    "man", "", "the manual page, as roff", NULL, examples, run, NULL
};
