/* data/example_file.c — a file looked at, and handed over row by row as it streams (format/jsonl.h, json_array.h). What
 * it is its first character says; a name that ends in .txt or .md (.gz, .zst behind it) says that it is text. A pipe is
 * held whole, for it cannot be looked at and then read. */
#include "data/example_file.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "format/byte_stream.h"
#include "format/json_array.h"
#include "format/jsonl.h"

#define FILE_MAX ((size_t)8 << 30)
#define ROW_MAX ((size_t)1 << 30)
enum { CHUNK = 1 << 20 };

/* Unpacked, up to `most` bytes. */
static int read_beginning(const char *path, size_t most, qn_buf *out) {
    qn_byte_stream *b;
    size_t got;
    int rc;
    QN_TRY(qn_byte_stream_open(&b, path));
    do {
        QN_TRY_OUT(qn_buf_reserve(out, CHUNK));
        QN_TRY_OUT(qn_byte_stream_read(b, out->s + out->n, CHUNK, &got));
        out->n += got;
    } while (got > 0 && out->n < most);
out:
    qn_byte_stream_close(b);
    return rc;
}

static int read_all(const char *path, qn_buf *out) {
    QN_TRY(read_beginning(path, FILE_MAX, out));
    return out->n < FILE_MAX ? 0 : qn_fail(QN_ELIMIT, "%s: more than %zu GB; split it into several files", path,
                                           FILE_MAX >> 30);
}

/* "set.jsonl: row 17"; the tail of a long path says more than its beginning. */
static const char *place_of(char place[160], const char *path, int64_t row) {
    const size_t n = strlen(path), keep = 120;
    snprintf(place, 160, "%s%s: row %lld", n > keep ? "…" : "", path + (n > keep ? n - keep : 0), (long long)row);
    return place;
}

/* Rows out of the file as a stream; out of `held` where it cannot be read twice. */
static int read_array(const char *path, const qn_buf *held, qn_example_file_fn *fn, void *arg, int64_t *rows) {
    char place[160];
    qn_json_array *a = NULL;
    qn_str raw;
    int rc, more;
    QN_TRY_OUT(qn_is_file(path) ? qn_json_array_open(&a, path, ROW_MAX)
                                : qn_json_array_open_memory(&a, held->s, held->n, ROW_MAX));
    qn_json_array_take_any(a);
    while ((more = qn_json_array_next(a, &raw)) > 0) {
        ++*rows;
        QN_TRY_OUT(fn(arg, raw, *rows, place_of(place, path, *rows)));
    }
    rc = more < 0 ? qn_fail_in(more, "row %lld", (long long)*rows + 1) : 0;
out:
    qn_json_array_close(a);
    return rc;
}

static int read_lines(const char *path, const qn_buf *held, qn_example_file_fn *fn, void *arg, int64_t *rows) {
    const qn_jsonl_options o = {.line_max = ROW_MAX};
    char place[160];
    qn_jsonl *l = NULL;
    qn_json *whole;
    int rc, more;
    QN_TRY_OUT(qn_is_file(path) ? qn_jsonl_open(&l, path, &o) : qn_jsonl_open_memory(&l, held->s, held->n, &o));
    while ((more = qn_jsonl_next(l, &whole)) > 0) {
        const int64_t line = qn_jsonl_line(l);
        ++*rows;
        QN_TRY_OUT(fn(arg, qn_jsonl_text(l), line, place_of(place, path, line)));
    }
    rc = more;
out:
    qn_jsonl_close(l);
    return rc;
}

static bool is_text(const char *path) {
    qn_str name = qn_str_of(path);
    name.n -= qn_str_ends(name, ".gz") ? 3 : qn_str_ends(name, ".zst") ? 4 : 0;
    return qn_str_ends(name, ".txt") || qn_str_ends(name, ".md");
}

/* What stands behind a byte order mark and white space. */
static qn_str inside(qn_str text) {
    if (qn_str_starts(text, "\xef\xbb\xbf"))
        text = (qn_str){text.s + 3, text.n - 3};
    while (text.n && qn_is_json_space(text.s[0]))
        text = (qn_str){text.s + 1, text.n - 1};
    return text;
}

/* The words themselves keep the white space in front of them. */
static int read_text(const char *path, const qn_buf *held, qn_example_file_fn *fn, void *arg, int64_t *rows) {
    const size_t mark = qn_str_starts(qn_buf_view(held), "\xef\xbb\xbf") ? 3 : 0;
    *rows = inside(qn_buf_view(held)).n > 0;
    return *rows ? fn(arg, (qn_str){held->s + mark, held->n - mark}, 0, path) : 0;
}

/* One object that runs over several lines, as editors write it, is no JSON lines. */
static int check_first_object(const char *path, qn_str text) {
    qn_json j;
    qn_str raw;
    qn_json_init(&j, text.s, text.n, "");
    j.lone = QN_LONE_REPLACE;
    const bool spread = qn_json_raw(&j, &raw) >= 0 && memchr(raw.s, '\n', raw.n);
    qn_json_drop(&j);
    return !spread ? 0 : qn_fail(QN_EFORMAT, "%s: begins with '{' and so is read as JSON lines, a row in each line, "
                                 "but its first object runs over several lines; what is expected is one line for each "
                                 "object, or all of them in an array: [{…}, {…}]", path);
}

int qn_example_file(const char *path, qn_example_file_fn *fn, void *arg) {
    qn_buf held = {0};
    int64_t rows = 0;
    int rc;
    QN_TRY_OUT(is_text(path) || !qn_is_file(path) ? read_all(path, &held) : read_beginning(path, CHUNK, &held));
    const qn_str text = inside(qn_buf_view(&held));
    const char first = text.n ? text.s[0] : 0;
    if (is_text(path))
        rc = read_text(path, &held, fn, arg, &rows);
    else if (first == '[')
        rc = read_array(path, &held, fn, arg, &rows);
    else if (first == '{')
        rc = check_first_object(path, text) < 0 ? QN_EFORMAT : read_lines(path, &held, fn, arg, &rows);
    else if (first)
        rc = qn_fail(QN_EFORMAT, "%s: examples are a JSON array, JSON lines, or text named .txt; this begins with "
                     "'%c'", path, first < ' ' || first > '~' ? '?' : first);
    if (rc >= 0 && rows == 0)
        rc = qn_fail(QN_EFORMAT, "%s: there is no row in it", path);
out:
    qn_buf_drop(&held);
    return rc < 0 ? rc : 0;
}

/* ---- a look at the first row ---- */

static void look(qn_str text, qn_example_sniffed *found) {
    qn_example_row row = {0};
    qn_json j;
    qn_str raw;
    text = inside(text);
    qn_json_init(&j, text.s, text.n, "");
    j.lone = QN_LONE_REPLACE;
    const int what = qn_json_peek(&j);
    const bool there = what == '{' || (what == '[' && qn_json_enter(&j, '[') >= 0 && qn_json_item(&j) > 0);
    found->objects = there && qn_json_peek(&j) == '{';
    if (found->objects && qn_json_raw(&j, &raw) >= 0)
        qn_example_row_read(&row, raw, "", false);
    found->form = row.form;
    qn_json_drop(&j);
    qn_example_row_drop(&row);
}

int qn_example_sniff(const char *path, qn_example_sniffed *found) {
    enum { LOOK = 4 << 20 };
    qn_byte_stream *b;
    size_t got;
    *found = (qn_example_sniffed){0};
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
        look((qn_str){head, got}, found);
    qn_free(head);
    return rc < 0 ? rc : 0;
}
