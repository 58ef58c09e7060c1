/* cli/output.c — the result on stdout, as text or JSON; and reading a TEXT that a command is about. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

#define BUFFERED (64 << 10)
#define TEXT_MAX ((size_t)1 << 30)

/* ---- writing --------------------------------------------------------------------------------------------------- */

static int write_all(qn_cli *c, const char *s, size_t n) {
    while (n > 0) {
        ssize_t w = write(c->out_fd, s, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && errno == EPIPE) {
            /* `quern … | head`: the reader has what it wanted. Stop the work, quietly (see main.c). */
            c->out_closed = true;
            atomic_store(&qn_cancel_flag, true);
            return qn_fail(QN_ECANCEL, "nobody reads the output any more");
        }
        if (w < 0)
            return qn_fail(QN_EIO, "cannot write to standard output: %s", strerror(errno));
        s += w;
        n -= (size_t)w;
    }
    return 0;
}

int qn_out_flush(qn_cli *c) {
    if (c->out_kept)
        return 0;
    if (c->out_closed)
        return qn_fail(QN_ECANCEL, "nobody reads the output any more");
    int rc = write_all(c, c->out.s, c->out.n);
    qn_buf_clear(&c->out);
    return rc;
}

/* What does not fit into memory or onto the disk is reported by the call that meets it: so commands return what these
 * functions return. */
static int flush_when_full(qn_cli *c) { return c->out.n >= BUFFERED ? qn_out_flush(c) : 0; }

int qn_out_put(qn_cli *c, const char *bytes, size_t n) {
    QN_TRY(qn_buf_put(&c->out, bytes, n));
    return flush_when_full(c);
}

int qn_out_puts(qn_cli *c, const char *z) { return qn_out_put(c, z, strlen(z)); }

int qn_clean(qn_buf *out, qn_str s, const char *but) {
    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        const int n = qn_utf8_decode(s.s + i, s.n - i, &code);
        const bool kept = n == 1 && code > 0 && strchr(but, s.s[i]);
        const bool control = n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0);
        QN_TRY(control && !kept ? qn_buf_putc(out, '?') : qn_buf_put(out, s.s + i, (size_t)n));
        i += (size_t)QN_MAX(n, 1);
    }
    return 0;
}

int qn_out_clean(qn_cli *c, qn_str s) {
    QN_TRY(qn_clean(&c->out, s, ""));
    return flush_when_full(c);
}

int qn_out_printf(qn_cli *c, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0)
        return qn_fail(QN_EINVAL, "cannot format \"%s\"", fmt);
    if ((size_t)n < sizeof line)
        return qn_out_put(c, line, (size_t)n);
    QN_TRY(qn_buf_reserve(&c->out, (size_t)n + 1));
    va_start(args, fmt);
    vsnprintf(c->out.s + c->out.n, (size_t)n + 1, fmt, args);
    va_end(args);
    c->out.n += (size_t)n;
    return flush_when_full(c);
}

qn_jw *qn_out_json(qn_cli *c, int indent) {
    qn_buf_clear(&c->json);
    qn_jw_init(&c->jw, &c->json, indent);
    return &c->jw;
}

int qn_out_json_end(qn_cli *c) {
    QN_TRY(qn_jw_end(&c->jw));
    QN_TRY(qn_out_put(c, c->json.s, c->json.n));
    return qn_out_put(c, "\n", 1);
}

/* ---- a text ---------------------------------------------------------------------------------------------------- */

static int check_utf8(const qn_text *t, const char *from) {
    size_t at = qn_utf8_check(t->s, t->n);
    if (at == QN_UTF8_OK)
        return 0;
    return qn_fail(QN_EUTF8, "%s: byte %zu (0x%02x) is not UTF-8; convert the text, for instance with iconv", from, at,
                   (unsigned char)t->s[at]);
}

static int text_from(const char *inline_text, const char *what, const char *file, qn_text *t) {
    *t = (qn_text){0};
    if (inline_text && file)
        return qn_fail(QN_EUSAGE, "%s and --file are both given; which one?", what);
    if (!inline_text && !file)
        return qn_fail(QN_EUSAGE, "a text is missing: give %s or -f FILE (- for standard input)", what);
    if (inline_text && strcmp(inline_text, "-") != 0) {
        t->s = inline_text;
        t->n = strlen(inline_text);
        return check_utf8(t, what);
    }
    const char *path = inline_text ? "-" : file;
    int rc = qn_read_file(&t->own, path, TEXT_MAX);
    if (rc >= 0) {
        t->s = t->own.n ? t->own.s : "";
        t->n = t->own.n;
        rc = check_utf8(t, strcmp(path, "-") == 0 ? "standard input" : path);
    }
    if (rc < 0)
        qn_text_drop(t);
    return rc;
}

int qn_cli_text(const qn_cli *c, size_t i, qn_text *t) {
    return text_from(qn_cli_arg(c, i), "TEXT", qn_cli_str(c, "file"), t);
}

int qn_cli_text_opt(const qn_cli *c, const char *text_option, qn_text *t) {
    char what[64];
    snprintf(what, sizeof what, "--%s", text_option);
    return text_from(qn_cli_str(c, text_option), what, qn_cli_str(c, "file"), t);
}

int qn_cli_text_item(const qn_cli *c, const char *list_option, size_t i, qn_text *t) {
    char what[64];
    size_t n;
    const char *const *words = qn_cli_list(c, list_option, &n);
    snprintf(what, sizeof what, "--%s", list_option);
    return text_from(i < n ? words[i] : NULL, what, qn_cli_str(c, "file"), t);
}

void qn_text_drop(qn_text *t) {
    qn_buf_drop(&t->own);
    *t = (qn_text){0};
}
