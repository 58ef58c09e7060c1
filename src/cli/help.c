/* cli/help.c — what `--help` says, out of the tables that parsing uses. */
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"

#define COLUMN 30               /* where the right column begins */

/* "-f, --file FILE" */
int qn_help_left(qn_buf *b, const qn_opt *o) {
    QN_TRY(o->brief[0] ? qn_buf_printf(b, "-%s, --%s", o->brief, o->name) : qn_buf_printf(b, "    --%s", o->name));
    return o->value ? qn_buf_printf(b, " %s", o->kind == QN_KIND_ENUM ? "WORD" : o->value) : 0;
}

/* "stop after N tokens (1 to 1000000, default 128)" */
int qn_help_right(qn_buf *b, const qn_opt *o) {
    qn_buf facts = {0};
    int rc;
    char lo[32], hi[32];
    const bool time = o->kind == QN_KIND_DURATION;
    const bool number = o->kind == QN_KIND_INT || o->kind == QN_KIND_FLOAT || o->kind == QN_KIND_COUNT || time;
    if (o->kind == QN_KIND_ENUM)
        QN_TRY_OUT(qn_buf_puts(&facts, o->value));
    else if (number && o->lo > -QN_NO_LIMIT && o->hi < QN_NO_LIMIT)
        QN_TRY_OUT(qn_buf_printf(&facts, "%s to %s%s", qn_opt_bound(o, o->lo, lo), qn_opt_bound(o, o->hi, hi),
                                 time ? " s" : ""));
    if (o->def)
        QN_TRY_OUT(qn_buf_printf(&facts, "%sdefault %s", facts.n ? "; " : "", o->def));
    if (o->kind == QN_KIND_LIST)
        QN_TRY_OUT(qn_buf_puts(&facts, "may be repeated"));
    QN_TRY_OUT(qn_buf_puts(b, o->help));
    rc = facts.n ? qn_buf_printf(b, " (%s)", facts.s) : 0;
out:
    qn_buf_drop(&facts);
    return rc;
}

/* Two columns; a left one that is too wide stands on a line of its own. */
static int put_columns(qn_buf *b, const qn_buf *left, const char *right) {
    QN_TRY(qn_buf_printf(b, "  %s", left->s));
    if (left->n + 4 > COLUMN)
        QN_TRY(qn_buf_printf(b, "\n%*s", COLUMN, ""));
    else
        QN_TRY(qn_buf_printf(b, "%*s", (int)(COLUMN - 2 - left->n), ""));
    return qn_buf_printf(b, "%s\n", right);
}

static int put_options(qn_buf *b, const char *title, const qn_opt *opts) {
    qn_buf left = {0}, right = {0};
    int rc = 0;
    if (opts && opts->kind != QN_KIND_NONE)
        QN_TRY_OUT(qn_buf_printf(b, "\n%s\n", title));
    for (const qn_opt *o = opts; o && o->kind != QN_KIND_NONE; o++) {
        qn_buf_clear(&left);
        qn_buf_clear(&right);
        QN_TRY_OUT(qn_help_left(&left, o));
        QN_TRY_OUT(qn_help_right(&right, o));
        QN_TRY_OUT(put_columns(b, &left, right.s));
    }
out:
    qn_buf_drop(&left);
    qn_buf_drop(&right);
    return rc;
}

/* The verbs, or those of two words that begin with `first`. */
static int put_commands(qn_buf *b, const char *first) {
    const size_t n = first ? strlen(first) : 0;
    qn_buf left = {0};
    int rc = 0;
    for (const qn_cmd *const *at = qn_commands; *at; at++) {
        if (first && (strncmp((*at)->name, first, n) != 0 || (*at)->name[n] != ' '))
            continue;
        qn_buf_clear(&left);
        QN_TRY_OUT(qn_buf_printf(&left, "%s %s", (*at)->name, (*at)->args));
        QN_TRY_OUT(put_columns(b, &left, (*at)->about));
    }
out:
    qn_buf_drop(&left);
    return rc;
}

int qn_help_overview(qn_buf *b) {
    QN_TRY(qn_buf_puts(b, "quern " QN_VERSION " — from raw text to a language model, and to a service\n\n"
                          "usage: quern COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands\n"));
    QN_TRY(put_commands(b, NULL));
    QN_TRY(put_options(b, "options of every command", qn_global_opts));
    return qn_buf_puts(b, "\nA MODEL is a GGUF file or a Hugging Face model directory. "
                          "`quern COMMAND --help` says more.\n");
}

int qn_help_group(qn_buf *b, const char *first) {
    QN_TRY(qn_buf_printf(b, "usage: quern %s COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands\n", first));
    QN_TRY(put_commands(b, first));
    return qn_buf_printf(b, "\n`quern %s COMMAND --help` says more.\n", first);
}

int qn_help_command(qn_buf *b, const qn_cmd *cmd) {
    QN_TRY(qn_buf_printf(b, "quern %s — %s\n\nusage: quern %s%s%s [OPTIONS]\n", cmd->name, cmd->about, cmd->name,
                         cmd->args[0] ? " " : "", cmd->args));
    QN_TRY(put_options(b, "options", cmd->opts));
    QN_TRY(put_options(b, "options of every command", qn_global_opts));
    if (cmd->examples && cmd->examples[0])
        QN_TRY(qn_buf_puts(b, "\nexamples\n"));
    for (const char *const *at = cmd->examples; at && *at; at++)
        QN_TRY(qn_buf_printf(b, "  %s\n", *at));
    return cmd->notes ? qn_buf_printf(b, "\n%s\n", cmd->notes) : 0;
}
