/* format/jsonl.c — lines out of a file, a pipe or memory, each handed to the JSON parser. Read as a stream: standard
 * input and pipes cannot be mapped, and a file may be packed, or larger than memory. */
#include "format/jsonl.h"

#include <stdio.h>
#include <string.h>

#include "format/byte_stream.h"

enum { CHUNK = 1 << 16 };
#define LINE_MAX_DEFAULT ((size_t)64 << 20)

struct qn_jsonl {
    char *name;
    qn_jsonl_options o;
    qn_byte_stream *stream;     /* NULL: memory */
    qn_buf held;                /* bytes read and not yet given */
    const char *at, *end;       /* what is left of them, or of the memory */
    int64_t line, bad;
    qn_str text;                /* the last line */
    qn_json j;
    char place[160];            /* "train.jsonl:17", the parser's name for its document */
};

static int new_reader(qn_jsonl **out, const char *name, const qn_jsonl_options *o) {
    *out = NULL;
    qn_jsonl *r = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *r);
    if (!r)
        return QN_ENOMEM;
    r->o = *o;
    if (r->o.line_max == 0)
        r->o.line_max = LINE_MAX_DEFAULT;
    qn_json_init(&r->j, "", 0, "");
    r->name = qn_str_dup(QN_MEM_FORMAT, qn_str_of(name));
    if (!r->name) {
        qn_jsonl_close(r);
        return QN_ENOMEM;
    }
    *out = r;
    return 0;
}

int qn_jsonl_open(qn_jsonl **out, const char *path, const qn_jsonl_options *o) {
    qn_jsonl *r;
    *out = NULL;
    QN_TRY(new_reader(&r, strcmp(path, "-") == 0 ? "standard input" : path, o));
    const int rc = qn_byte_stream_open(&r->stream, path);
    if (rc < 0) {
        qn_jsonl_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

int qn_jsonl_open_memory(qn_jsonl **out, const char *text, size_t n, const qn_jsonl_options *o) {
    QN_TRY(new_reader(out, "memory", o));
    (*out)->at = text;
    (*out)->end = text + n;
    return 0;
}

void qn_jsonl_close(qn_jsonl *r) {
    if (!r)
        return;
    qn_byte_stream_close(r->stream);
    qn_json_drop(&r->j);
    qn_buf_drop(&r->held);
    qn_free(r->name);
    qn_free(r);
}

/* ---- lines ---- */

/* Reads one more chunk behind what is held. 1 more bytes, 0 the end. */
static int fill(qn_jsonl *r) {
    if (!r->stream)
        return 0;
    const size_t left = (size_t)(r->end - r->at);
    if (left > 0 && r->at != r->held.s)
        memmove(r->held.s, r->at, left);
    r->held.n = left;
    QN_TRY(qn_buf_reserve(&r->held, CHUNK));
    size_t got;
    const int rc = qn_byte_stream_read(r->stream, r->held.s + left, CHUNK, &got);
    if (rc < 0)
        return qn_fail_in(rc, "behind line %lld", (long long)r->line);
    r->held.n += got;
    r->at = r->held.s;
    r->end = r->held.s + r->held.n;
    return got > 0;
}

/* The next line without its LF: 1, or 0 at the end. A line that is too long is passed over whole and *too_long set. */
static int take_line(qn_jsonl *r, bool *too_long) {
    size_t scanned = 0;         /* bytes from `at` that hold no LF */
    *too_long = false;
    for (;;) {
        const size_t left = (size_t)(r->end - r->at);
        const char *lf = left > scanned ? memchr(r->at + scanned, '\n', left - scanned) : NULL;
        const size_t n = lf ? (size_t)(lf - r->at) : left;
        if (n > r->o.line_max)
            *too_long = true;
        if (lf) {
            r->text = (qn_str){r->at, n};
            r->at = lf + 1;
            return 1;
        }
        scanned = left;
        if (*too_long) {        /* what is behind the limit need not be kept */
            r->at = r->end;
            scanned = 0;
        }
        const int more = fill(r);
        QN_TRY(more);
        if (!more) {
            r->text = (qn_str){r->at, (size_t)(r->end - r->at)};
            r->at = r->end;
            return r->text.n > 0 || *too_long;
        }
    }
}

static bool is_blank(qn_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] != ' ' && s.s[i] != '\t' && s.s[i] != '\r')
            return false;
    return true;
}

/* Points the parser at the current line. The tail of a long path says more than its beginning. */
static void aim(qn_jsonl *r) {
    const size_t n = strlen(r->name), keep = 120;
    qn_json_drop(&r->j);
    snprintf(r->place, sizeof r->place, "%s%s:%lld", n > keep ? "…" : "", r->name + (n > keep ? n - keep : 0),
             (long long)r->line);
    qn_json_init(&r->j, r->text.s, r->text.n, r->place);
}

/* Whether the line is JSON from end to end. */
static int check_line(qn_jsonl *r) {
    aim(r);
    QN_TRY(qn_json_skip(&r->j));
    return qn_json_end(&r->j);
}

/* A line that cannot be used: passed over while the patience lasts, else the error it gave. */
static int bad_line(qn_jsonl *r, int rc) {
    if (r->bad < r->o.bad_max) {
        r->bad++;
        return 0;
    }
    return r->o.bad_max > 0 ? qn_fail_in(rc, "after %lld bad lines", (long long)r->bad) : rc;
}

int qn_jsonl_next(qn_jsonl *r, qn_json **line) {
    for (;;) {
        bool too_long;
        const int more = take_line(r, &too_long);
        if (more <= 0)
            return more;
        r->line++;
        if (r->line == 1 && qn_str_starts(r->text, "\xef\xbb\xbf"))
            r->text = (qn_str){r->text.s + 3, r->text.n - 3};
        if (r->text.n > 0 && r->text.s[r->text.n - 1] == '\r')
            r->text.n--;
        if (too_long) {
            QN_TRY(bad_line(r, qn_fail(QN_ELIMIT, "%s:%lld: a line of more than %zu bytes", r->name, (long long)r->line,
                                       r->o.line_max)));
            continue;
        }
        if (is_blank(r->text))
            continue;
        const int rc = r->o.bad_max > 0 ? check_line(r) : 0;
        if (rc < 0) {
            QN_TRY(bad_line(r, rc));
            continue;
        }
        aim(r);
        *line = &r->j;
        return 1;
    }
}

int64_t qn_jsonl_line(const qn_jsonl *r) {
    return r->line;
}

int64_t qn_jsonl_bad(const qn_jsonl *r) {
    return r->bad;
}

qn_str qn_jsonl_text(const qn_jsonl *r) {
    return r->text;
}
