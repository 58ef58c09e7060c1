/* cli/within.c — a command inside another one. */
#include "cli/within.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int qn_command_add(qn_command *w, const char *word) {
    QN_TRY(QN_GROW(QN_MEM_CLI, w->word, w->cap, w->n + 1));
    w->word[w->n] = qn_str_dup(QN_MEM_CLI, qn_str_of(word));
    if (!w->word[w->n])
        return QN_ENOMEM;
    w->n++;
    return 0;
}

int qn_command_add_words(qn_command *w, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        return qn_fail(QN_EINVAL, "a command line of more than %zu bytes", sizeof text - 1);
    char *at = text;
    while (*at) {
        char *end = at + strcspn(at, " ");
        const bool last = !*end;
        *end = '\0';
        if (*at)
            QN_TRY(qn_command_add(w, at));
        at = last ? end : end + 1;
    }
    return 0;
}

int qn_put_quoted(qn_buf *b, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+,:@%-=";
    if (word[0] && !word[strspn(word, plain)])
        return qn_buf_puts(b, word);
    QN_TRY(qn_buf_putc(b, '\''));
    for (; *word; word++)
        QN_TRY(*word == '\'' ? qn_buf_puts(b, "'\\''") : qn_buf_putc(b, *word));
    return qn_buf_putc(b, '\'');
}

int qn_command_text(const qn_command *w, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "quern"));
    for (size_t i = 0; i < w->n; i++) {
        QN_TRY(qn_buf_putc(out, ' '));
        QN_TRY(qn_put_quoted(out, w->word[i]));
    }
    return 0;
}

void qn_command_drop(qn_command *w) {
    for (size_t i = 0; i < w->n; i++)
        qn_free(w->word[i]);
    qn_free(w->word);
    *w = (qn_command){0};
}

/* What the outer command was told for all of them. */
static int add_global(const qn_cli *c, qn_command *w) {
    if (qn_cli_given(c, "threads"))
        QN_TRY(qn_command_add_words(w, "--threads %lld", (long long)qn_cli_int(c, "threads")));
    if (qn_cli_flag(c, "pin"))
        QN_TRY(qn_command_add(w, "--pin"));
    if (qn_cli_given(c, "isa"))
        QN_TRY(qn_command_add_words(w, "--isa %s", qn_cli_str(c, "isa")));
    if (qn_cli_flag(c, "quiet"))
        QN_TRY(qn_command_add(w, "--quiet"));
    return qn_cli_flag(c, "verbose") ? qn_command_add(w, "--verbose") : 0;
}

static int run(qn_cli *inner, const qn_command *w, qn_buf *out) {
    QN_TRY(qn_cli_parse(inner, (int)w->n, (const char *const *)w->word));
    qn_log_set(qn_progress_log, inner);
    QN_TRY(inner->cmd->run(inner));
    if (out)
        return qn_buf_put(out, inner->out.s, inner->out.n);
    return qn_out_flush(inner);
}

int qn_within_run(qn_cli *c, const qn_command *w, qn_buf *out) {
    qn_cli inner;
    qn_command all = {0};
    int rc = 0;
    QN_TRY(qn_out_flush(c));                    /* what was said before comes before */
    qn_cli_init(&inner, c->env);
    inner.err_tty = c->err_tty;
    inner.out_kept = out != NULL;
    for (size_t i = 0; rc >= 0 && i < w->n; i++)
        rc = qn_command_add(&all, w->word[i]);
    if (rc >= 0)
        rc = add_global(c, &all);
    if (rc >= 0)
        rc = run(&inner, &all, out);
    c->out_closed = c->out_closed || inner.out_closed;
    qn_log_set(qn_progress_log, c);
    qn_cli_drop(&inner);
    qn_command_drop(&all);
    return rc;
}
