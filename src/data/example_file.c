/* data/example_file.c — a file unpacked, looked at, and handed over row by row. What it is its first character says; a
 * name that ends in .txt or .md (.gz, .zst behind it) says that it is text. */
#include "data/example_file.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "format/byte_stream.h"

#define FILE_MAX ((size_t)8 << 30)
enum { CHUNK = 1 << 20 };

static int read_all(const char *path, qn_buf *out) {
    qn_byte_stream *b;
    size_t got;
    int rc;
    QN_TRY(qn_byte_stream_open(&b, path));
    do {
        QN_TRY_OUT(qn_buf_reserve(out, CHUNK));
        QN_TRY_OUT(qn_byte_stream_read(b, out->s + out->n, CHUNK, &got));
        out->n += got;
        if (out->n > FILE_MAX)
            QN_TRY_OUT(qn_fail(QN_ELIMIT, "%s: more than %zu GB; split it into several files", path, FILE_MAX >> 30));
    } while (got > 0);
out:
    qn_byte_stream_close(b);
    return rc;
}

/* "set.jsonl:17"; the tail of a long path says more than its beginning. */
static const char *place_of(char place[160], const char *path, int64_t row) {
    const size_t n = strlen(path), keep = 120;
    snprintf(place, 160, "%s%s: row %lld", n > keep ? "…" : "", path + (n > keep ? n - keep : 0), (long long)row);
    return place;
}

static int read_array(qn_str text, const char *path, qn_example_file_fn *fn, void *arg, int64_t *rows) {
    char place[160];
    qn_json j;
    qn_str raw;
    int rc, more;
    qn_json_init(&j, text.s, text.n, path);
    j.lone = QN_LONE_REPLACE;
    QN_TRY_OUT(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0) {
        QN_TRY_OUT(qn_json_raw(&j, &raw));
        ++*rows;
        QN_TRY_OUT(fn(arg, raw, *rows, place_of(place, path, *rows)));
    }
    rc = more < 0 ? more : qn_json_end(&j);
out:
    qn_json_drop(&j);
    return rc;
}

static int read_lines(qn_str text, const char *path, qn_example_file_fn *fn, void *arg, int64_t *rows) {
    char place[160];
    for (int64_t line = 1; text.n > 0; line++) {
        const char *lf = memchr(text.s, '\n', text.n);
        qn_str one = {text.s, lf ? (size_t)(lf - text.s) : text.n};
        text = (qn_str){one.s + one.n + (lf != NULL), text.n - one.n - (lf != NULL)};
        while (one.n && qn_is_json_space(one.s[one.n - 1]))
            one.n--;
        if (one.n == 0)
            continue;
        ++*rows;
        QN_TRY(fn(arg, one, line, place_of(place, path, line)));
    }
    return 0;
}

static bool is_text(const char *path) {
    qn_str name = qn_str_of(path);
    name.n -= qn_str_ends(name, ".gz") ? 3 : qn_str_ends(name, ".zst") ? 4 : 0;
    return qn_str_ends(name, ".txt") || qn_str_ends(name, ".md");
}

int qn_example_file(const char *path, qn_example_file_fn *fn, void *arg) {
    qn_buf file = {0};
    int64_t rows = 0;
    int rc;
    QN_TRY_OUT(read_all(path, &file));
    qn_str text = qn_buf_view(&file);
    if (qn_str_starts(text, "\xef\xbb\xbf"))
        text = (qn_str){text.s + 3, text.n - 3};
    size_t at = 0;
    while (at < text.n && qn_is_json_space(text.s[at]))
        at++;
    const char first = at < text.n ? text.s[at] : 0;
    if (is_text(path)) {
        rows = at < text.n;
        rc = rows ? fn(arg, text, 0, path) : 0;
    } else if (first == '[') {
        rc = read_array(text, path, fn, arg, &rows);
    } else if (first == '{') {
        rc = read_lines(text, path, fn, arg, &rows);
    } else if (first) {
        rc = qn_fail(QN_EFORMAT, "%s: examples are a JSON array, JSON lines, or text named .txt; this begins with "
                     "'%c'", path, first < ' ' || first > '~' ? '?' : first);
    }
    if (rc >= 0 && rows == 0)
        rc = qn_fail(QN_EFORMAT, "%s: there is no row in it", path);
out:
    qn_buf_drop(&file);
    return rc < 0 ? rc : 0;
}

/* ---- a look at the first row ---- */

static void look(qn_str text, qn_example_form *form) {
    qn_example_row row = {0};
    qn_json j;
    qn_str raw;
    qn_json_init(&j, text.s, text.n, "");
    j.lone = QN_LONE_REPLACE;
    const int what = qn_json_peek(&j);
    bool there = what == '{' || (what == '[' && qn_json_enter(&j, '[') >= 0 && qn_json_item(&j) > 0);
    there = there && qn_json_raw(&j, &raw) >= 0 && raw.n > 0 && raw.s[0] == '{';
    if (there)
        qn_example_row_read(&row, raw, "", false);
    *form = row.form;
    qn_json_drop(&j);
    qn_example_row_drop(&row);
}

int qn_example_sniff(const char *path, qn_example_form *form) {
    enum { LOOK = 4 << 20 };
    qn_byte_stream *b;
    size_t got;
    *form = QN_FORM_NONE;
    if (is_text(path) || qn_is_dir(path) || strcmp(path, "-") == 0)
        return 0;
    char *head = qn_alloc(QN_MEM_FORMAT, LOOK);
    if (!head)
        return QN_ENOMEM;
    int rc = qn_byte_stream_open(&b, path);
    if (rc >= 0) {
        rc = qn_byte_stream_read(b, head, LOOK, &got);
        qn_byte_stream_close(b);
    }
    if (rc >= 0)
        look((qn_str){head, got}, form);
    qn_free(head);
    return rc < 0 ? rc : 0;
}
