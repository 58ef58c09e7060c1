/* base/json_write.c — the JSON writer: it knows where commas, line breaks and quotes belong. */
#include "base/json.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

/* ---- quoting ---- */

static int put_escape(qn_buf *out, unsigned char c) {
    static const char codes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *code = c ? strchr(codes, c) : NULL;
    if (!code)
        return qn_buf_printf(out, "\\u%04x", (unsigned)c);
    char pair[2] = {'\\', letters[code - codes]};
    return qn_buf_put(out, pair, 2);
}

/* Length of the run at s that can stand in quotes as it is. */
static size_t plain_run(const char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        uint32_t cp;
        int len = c < 0x80 ? 1 : qn_utf8_decode(s + i, n - i, &cp);
        if (len == 0 || c < 0x20 || c == '"' || c == '\\')
            break;
        i += (size_t)len;
    }
    return i;
}

int qn_json_quote(qn_buf *out, qn_str s) {
    QN_TRY(qn_buf_putc(out, '"'));
    while (s.n) {
        size_t run = plain_run(s.s, s.n);
        QN_TRY(qn_buf_put(out, s.s, run));
        s.s += run;
        s.n -= run;
        if (s.n == 0)
            break;
        unsigned char c = (unsigned char)*s.s;
        QN_TRY(c < 0x80 ? put_escape(out, c) : qn_buf_utf8(out, 0xfffd));
        s.s++;
        s.n--;
    }
    return qn_buf_putc(out, '"');
}

/* ---- structure ---- */

void qn_jw_init(qn_jw *w, qn_buf *out, int indent) {
    *w = (qn_jw){.out = out, .indent = indent};
}

static void put(qn_jw *w, const char *s, size_t n) {
    if (w->rc == 0)
        w->rc = qn_buf_put(w->out, s, n);
}

static void break_line(qn_jw *w) {
    if (w->indent <= 0)
        return;
    put(w, "\n", 1);
    for (int i = 0; i < w->depth * w->indent; i++)
        put(w, " ", 1);
}

/* What must stand before an item or a key: a comma if it follows another, and a new line. */
static void separate(qn_jw *w) {
    if (w->depth == 0)
        return;
    bool *comma = &w->comma[w->depth - 1];
    if (*comma)
        put(w, ",", 1);
    *comma = true;
    break_line(w);
}

static void begin_value(qn_jw *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    qn_assert(w->rc < 0 || w->depth == 0 || w->stack[w->depth - 1] == '[');      /* a value needs its key */
    separate(w);
}

void qn_jw_open(qn_jw *w, char open) {
    qn_assert(open == '{' || open == '[');
    begin_value(w);
    if (w->rc == 0 && w->depth == QN_JSON_DEPTH)
        w->rc = qn_fail(QN_ELIMIT, "JSON nested deeper than %d levels", QN_JSON_DEPTH);
    if (w->rc < 0)
        return;
    put(w, &open, 1);
    w->stack[w->depth] = open;
    w->comma[w->depth++] = false;
}

void qn_jw_close(qn_jw *w) {
    if (w->rc < 0)
        return;
    qn_assert(w->depth > 0 && !w->after_key);
    w->depth--;
    if (w->comma[w->depth])
        break_line(w);
    put(w, w->stack[w->depth] == '{' ? "}" : "]", 1);
}

void qn_jw_key(qn_jw *w, const char *key) {
    qn_jw_key_str(w, qn_str_of(key));
}

void qn_jw_key_str(qn_jw *w, qn_str key) {
    if (w->rc < 0)
        return;
    qn_assert(w->depth > 0 && w->stack[w->depth - 1] == '{' && !w->after_key);
    separate(w);
    if (w->rc == 0)
        w->rc = qn_json_quote(w->out, key);
    put(w, ": ", w->indent > 0 ? 2 : 1);
    w->after_key = true;
}

/* ---- values ---- */

void qn_jw_str(qn_jw *w, qn_str s) {
    begin_value(w);
    if (w->rc == 0)
        w->rc = qn_json_quote(w->out, s);
}

void qn_jw_i64(qn_jw *w, int64_t v) {
    begin_value(w);
    if (w->rc == 0)
        w->rc = qn_buf_printf(w->out, "%lld", (long long)v);
}

void qn_jw_f64(qn_jw *w, double v) {
    if (isnan(v) || isinf(v)) {
        qn_jw_null(w);
        return;
    }
    char text[QN_F64_TEXT];
    size_t n = qn_f64_text(v, text);
    begin_value(w);
    put(w, text, n);
}

void qn_jw_bool(qn_jw *w, bool v) {
    begin_value(w);
    put(w, v ? "true" : "false", v ? 4 : 5);
}

void qn_jw_null(qn_jw *w) {
    begin_value(w);
    put(w, "null", 4);
}

void qn_jw_raw(qn_jw *w, qn_str json) {
    begin_value(w);
    put(w, json.s, json.n);
}

int qn_jw_end(qn_jw *w) {
    qn_assert(w->rc < 0 || (w->depth == 0 && !w->after_key));
    return w->rc;
}

int qn_jw_write(qn_jw *w, const char *path) {
    QN_TRY(qn_jw_end(w));
    QN_TRY(qn_buf_putc(w->out, '\n'));
    return qn_write_file(path, w->out->s, w->out->n);
}
