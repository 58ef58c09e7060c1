/* base/str.c — views and growing buffers, and the nearest of some names. */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- views ---- */

qn_str qn_str_of(const char *z) {
    return (qn_str){z ? z : "", z ? strlen(z) : 0};
}

bool qn_str_eq(qn_str a, qn_str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

bool qn_str_is(qn_str a, const char *z) {
    return qn_str_eq(a, qn_str_of(z));
}

bool qn_str_starts(qn_str a, const char *z) {
    size_t n = strlen(z);
    return a.n >= n && (n == 0 || memcmp(a.s, z, n) == 0);
}

bool qn_str_ends(qn_str a, const char *z) {
    size_t n = strlen(z);
    return a.n >= n && (n == 0 || memcmp(a.s + a.n - n, z, n) == 0);
}

bool qn_str_take_line(qn_str *rest, qn_str *line) {
    if (rest->n == 0)
        return false;
    const char *end = memchr(rest->s, '\n', rest->n);
    const size_t n = end ? (size_t)(end - rest->s) : rest->n, taken = n + (end != NULL);
    *line = (qn_str){rest->s, n > 0 && rest->s[n - 1] == '\r' ? n - 1 : n};
    *rest = (qn_str){rest->s + taken, rest->n - taken};
    return true;
}

char *qn_str_dup(qn_mem_tag tag, qn_str a) {
    size_t size;
    if (QN_ADD_OVERFLOW(a.n, (size_t)1, &size)) {
        qn_fail(QN_ENOMEM, "out of memory: a string of %zu bytes", a.n);
        return NULL;
    }
    char *z = qn_alloc(tag, size);
    if (!z)
        return NULL;
    if (a.n)
        memcpy(z, a.s, a.n);
    z[a.n] = 0;
    return z;
}

/* ---- buffers ---- */

int qn_buf_reserve(qn_buf *b, size_t more) {
    size_t need;
    if (QN_ADD_OVERFLOW(b->n, more, &need) || QN_ADD_OVERFLOW(need, (size_t)1, &need))
        return qn_fail(QN_ENOMEM, "out of memory: a buffer of %zu and %zu bytes", b->n, more);
    return need <= b->cap ? 0 : QN_GROW(QN_MEM_BASE, b->s, b->cap, QN_MAX(need, (size_t)56));
}

int qn_buf_put(qn_buf *b, const void *bytes, size_t n) {
    QN_TRY(qn_buf_reserve(b, n));
    if (n)
        memcpy(b->s + b->n, bytes, n);
    b->n += n;
    b->s[b->n] = 0;
    return 0;
}

int qn_buf_putc(qn_buf *b, char c) {
    return qn_buf_put(b, &c, 1);
}

int qn_buf_puts(qn_buf *b, const char *z) {
    return qn_buf_put(b, z, strlen(z));
}

int qn_buf_printf(qn_buf *b, const char *fmt, ...) {
    QN_TRY(qn_buf_reserve(b, 0));
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(b->s + b->n, b->cap - b->n, fmt, args), rc = 0;
    if (n < 0)
        rc = qn_fail(QN_EINVAL, "the text for \"%s\" cannot be formatted", fmt);
    else if ((size_t)n >= b->cap - b->n) {
        rc = qn_buf_reserve(b, (size_t)n);
        if (rc == 0)
            vsnprintf(b->s + b->n, b->cap - b->n, fmt, again);
    }
    if (rc == 0)
        b->n += (size_t)n;
    else
        b->s[b->n] = 0;
    va_end(again);
    va_end(args);
    return rc;
}

int qn_buf_utf8(qn_buf *b, uint32_t codepoint) {
    char bytes[4];
    int n = qn_utf8_encode(codepoint, bytes);
    if (n == 0)
        return qn_fail(QN_EUTF8, "U+%04X is not a character", (unsigned)codepoint);
    return qn_buf_put(b, bytes, (size_t)n);
}

qn_str qn_buf_view(const qn_buf *b) {
    return (qn_str){b->s ? b->s : "", b->n};
}

void qn_buf_clear(qn_buf *b) {
    b->n = 0;
    if (b->s)
        b->s[0] = 0;
}

void qn_buf_drop(qn_buf *b) {
    qn_free(b->s);
    *b = (qn_buf){0};
}

/* ---- did you mean ---- */

#define WORD_MAX 64

static size_t min3(size_t a, size_t b, size_t c) {
    return QN_MIN(QN_MIN(a, b), c);
}

/* Edits that turn a into b: insert, delete, replace, swap of neighbours (optimal string alignment). Both < WORD_MAX. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb) {
    size_t row[3][WORD_MAX];                              /* rows i-2, i-1, i of the table, in turn */
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = min3(up[j] + 1, now[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = QN_MIN(now[j], up2[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

/* Near means: at most a third of the letters differ (one letter in short words). */
const char *qn_nearest(const char *word, const char *const *names, size_t n) {
    size_t len = strlen(word), best = 0;
    const char *found = NULL;
    if (len == 0 || len >= WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        if (m == 0 || m >= WORD_MAX)
            continue;
        size_t d = distance(word, len, names[i], m), limit = QN_MAX(QN_MAX(len, m) / 3, (size_t)1);
        if (d <= limit && d < QN_MAX(len, m) && (!found || d < best)) {
            best = d;
            found = names[i];
        }
    }
    return found;
}
