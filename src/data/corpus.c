/* data/corpus.c — files of text: found first, all of them, then read one after the other. */
#include "data/corpus.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "format/byte_stream.h"
#include "format/json_array.h"
#include "format/jsonl.h"

#define BLOCK ((size_t)256 << 10)
#define LINE_MAX_BYTES ((size_t)1 << 30)        /* of JSON: a line, an item of an array */
#define DEPTH_MAX 64
enum { BAD_NAMED = 5 };                 /* lines passed over that a message names */
enum { BROKEN_FEW = 16, BROKEN_SHARE = 10 };    /* broken characters that any text may have; one in so many bytes */
#define FIELDS_MAX ((size_t)200)        /* bytes of names that a message holds */

typedef struct { char *path; int64_t size; bool named; } source;        /* named by the caller, or in a folder */

struct qn_corpus {
    source *source;     size_t n, cap;
    size_t at;                      /* the next file to open */
    qn_invalid invalid;
    char *field;
    char *separator;                /* or NULL: then the next four are of no use */
    qn_str rest;                    /* of the block in `clean`: not given yet */
    bool last, line, cut;           /* the file ends there; `rest` begins a line; the last document ended before it */
    qn_byte_stream *text;           /* the open file is one of these three … */
    qn_jsonl *lines;
    qn_json_array *items;
    bool fresh;                     /* … and nothing of it was given yet */
    int64_t offset;                 /* in it */
    qn_buf raw, clean, string, place;
    int64_t texts;                  /* JSON lines and items that had one */
    qn_buf first, fields;           /* of those without: the first one's place and its fields */
    bool skip_bad;
    qn_buf bad;                     /* where the first lines are that were passed over */
    qn_buf passed;                  /* remarks on what the search passed over: for whoever reads, not for each search */
    qn_corpus_stats stats;
};

/* ---- which files ------------------------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *end) {
    qn_str p = qn_str_of(path);
    p.n -= qn_str_ends(p, ".gz") ? 3 : qn_str_ends(p, ".zst") ? 4 : 0;
    return qn_str_ends(p, end);
}

static bool is_packed(const char *path) {
    return qn_str_ends(qn_str_of(path), ".gz") || qn_str_ends(qn_str_of(path), ".zst");
}

static bool is_jsonl(const char *path) { return ends_in(path, ".jsonl") || ends_in(path, ".ndjson"); }
static bool is_json(const char *path) { return ends_in(path, ".json"); }

static int add_source(qn_corpus *c, const char *path, int64_t size, bool named) {
    QN_TRY(QN_GROW(QN_MEM_BASE, c->source, c->cap, c->n + 1));
    char *copy = qn_str_dup(QN_MEM_BASE, qn_str_of(path));
    if (!copy)
        return QN_ENOMEM;
    c->source[c->n++] = (source){copy, size, named};
    return 0;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const source *)a)->path, ((const source *)b)->path);
}

static int skip(qn_corpus *c, const char *path, const char *why) {
    c->stats.skipped++;
    return qn_buf_printf(&c->passed, "%s is passed over: %s%c", path, why, '\0');
}

static void say_passed(qn_corpus *c) {
    for (size_t at = 0; at < c->passed.n; at += strlen(c->passed.s + at) + 1)
        qn_log(QN_LOG_WARN, "%s", c->passed.s + at);
    qn_buf_clear(&c->passed);
}

static int add_folder(qn_corpus *c, const char *path, int depth);

static int add_found(qn_corpus *c, const char *path, int depth) {
    struct stat st, link;
    if (stat(path, &st) < 0 || lstat(path, &link) < 0)
        return skip(c, path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return S_ISLNK(link.st_mode) ? 0 : add_folder(c, path, depth + 1);
    if (!S_ISREG(st.st_mode))
        return skip(c, path, "it is no file");
    return add_source(c, path, st.st_size, false);
}

static int add_folder(qn_corpus *c, const char *path, int depth) {
    int rc = 0;
    qn_buf name = {0};
    if (depth > DEPTH_MAX)
        return qn_fail(QN_ELIMIT, "%s: folders nested deeper than %d", path, DEPTH_MAX);
    DIR *dir = opendir(path);
    if (!dir)
        return qn_fail(QN_EIO, "%s: %s", path, strerror(errno));
    for (const struct dirent *e; (e = readdir(dir)) != NULL && rc >= 0;) {
        if (e->d_name[0] == '.')
            continue;
        rc = qn_path_join(&name, path, e->d_name);
        if (rc >= 0)
            rc = add_found(c, name.s, depth);
    }
    closedir(dir);
    qn_buf_drop(&name);
    return rc;
}

static int add_named(qn_corpus *c, const char *path) {
    struct stat st = {0};
    if (strcmp(path, "-") == 0)
        return add_source(c, path, 0, true);
    if (stat(path, &st) < 0)
        return qn_fail(errno == ENOENT ? QN_ENOTFOUND : QN_EIO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return add_source(c, path, st.st_size, true);
    size_t first = c->n;
    QN_TRY(add_folder(c, path, 0));
    if (c->n == first)
        return qn_fail(QN_EINVAL, "%s: the folder holds no files to read", path);
    qsort(c->source + first, c->n - first, sizeof *c->source, by_path);
    return 0;
}

static int check_separator(const char *line) {
    if (!*line || strpbrk(line, "\r\n"))
        return qn_fail(QN_EINVAL, "the separator of documents is a line: some letters, without a line break");
    return 0;
}

int qn_corpus_open(qn_corpus **out, const qn_corpus_options *o) {
    int rc = 0;
    *out = NULL;
    qn_corpus *c = qn_zalloc(QN_MEM_BASE, 1, sizeof *c);
    if (!c)
        return QN_ENOMEM;
    c->invalid = o->invalid;
    c->skip_bad = o->skip_bad;
    c->field = qn_str_dup(QN_MEM_BASE, qn_str_of(o->field ? o->field : "text"));
    QN_TRY_OUT(c->field ? 0 : QN_ENOMEM);
    if (o->separator) {
        QN_TRY_OUT(check_separator(o->separator));
        c->separator = qn_str_dup(QN_MEM_BASE, qn_str_of(o->separator));
        QN_TRY_OUT(c->separator ? 0 : QN_ENOMEM);
    }
    for (size_t i = 0; i < o->n_paths; i++)
        QN_TRY_OUT(add_named(c, o->path[i]));
    *out = c;
    c = NULL;
out:
    qn_corpus_close(c);
    return rc;
}

static void close_file(qn_corpus *c) {
    qn_byte_stream_close(c->text);
    qn_jsonl_close(c->lines);
    qn_json_array_close(c->items);
    c->text = NULL;
    c->lines = NULL;
    c->items = NULL;
}

void qn_corpus_close(qn_corpus *c) {
    if (!c)
        return;
    close_file(c);
    for (size_t i = 0; i < c->n; i++)
        qn_free(c->source[i].path);
    qn_free(c->source);
    qn_free(c->field);
    qn_free(c->separator);
    qn_buf_drop(&c->raw);
    qn_buf_drop(&c->clean);
    qn_buf_drop(&c->string);
    qn_buf_drop(&c->place);
    qn_buf_drop(&c->first);
    qn_buf_drop(&c->fields);
    qn_buf_drop(&c->bad);
    qn_buf_drop(&c->passed);
    qn_free(c);
}

void qn_corpus_stats_get(const qn_corpus *c, qn_corpus_stats *out) { *out = c->stats; }

int64_t qn_corpus_size(const qn_corpus *c) {
    int64_t size = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->source[i].path, "-") == 0 || is_packed(c->source[i].path))
            return 0;
        size += c->source[i].size;
    }
    return size;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static const source *open_source(const qn_corpus *c) { return &c->source[c->at - 1]; }

static int give(qn_corpus *c, qn_str text, bool ends, qn_corpus_piece *piece) {
    *piece = (qn_corpus_piece){text, ends, open_source(c)->path};
    c->stats.bytes += (int64_t)text.n;
    c->stats.documents += ends;
    return 1;
}

/* Broken characters at the start of a file. */
static int count_broken(qn_corpus *c, int64_t *n) {
    size_t at;
    qn_str clean;
    *n = 0;
    const size_t whole = c->raw.n - qn_utf8_pending(c->raw.s, c->raw.n);
    return qn_utf8_clean((qn_str){c->raw.s, whole}, QN_INVALID_DROP, &c->clean, &clean, n, &at);
}

/* The first block tells what cannot be text: a NUL byte stands in programs, images and UTF-16, and where one byte in
 * ten begins no character, the rest is not worth reading either: packed data, or letters in an encoding of one byte
 * each. A few accents in such an encoding are broken characters like others. 1: passed over. */
static int check_binary(qn_corpus *c, const char *name) {
    const char *nul = c->raw.n ? memchr(c->raw.s, '\0', c->raw.n) : NULL;
    int64_t broken = 0;
    if (!nul && c->invalid != QN_INVALID_REFUSE)        /* that names the first one */
        QN_TRY(count_broken(c, &broken));
    if (!nul && (broken <= BROKEN_FEW || broken < (int64_t)c->raw.n / BROKEN_SHARE))
        return 0;
    if (open_source(c)->named && nul)
        return qn_fail(QN_EFORMAT, "%s is no text: byte %zu is 0 (UTF-16 can be converted with iconv)", name,
                       (size_t)(nul - c->raw.s));
    if (open_source(c)->named)
        return qn_fail(QN_EFORMAT, "%s is no text in UTF-8: %lld broken characters in its first %zu bytes (other "
                       "encodings can be converted with iconv)", name, (long long)broken, c->raw.n);
    QN_TRY(skip(c, name, "it is no text"));
    c->stats.files--;
    close_file(c);
    return 1;
}

static int clean_text(qn_corpus *c, const char *name, qn_str in, qn_str *out) {
    size_t at;
    int rc = qn_utf8_clean(in, c->invalid, &c->clean, out, &c->stats.invalid, &at);
    if (rc == QN_EUTF8)
        return qn_fail(rc, "%s: byte %lld (0x%02x) is not UTF-8; convert it, or have such bytes replaced or dropped "
                       "(--invalid replace|drop)",
                       name, (long long)c->offset + (long long)at, (unsigned char)in.s[at]);
    return rc;
}

/* The first line of s that is the separator: where the text before it ends, and where the next begins. */
static bool find_separator(const qn_corpus *c, qn_str s, size_t *end, size_t *next) {
    const size_t n = strlen(c->separator);
    const char *stop = s.s + s.n;
    for (const char *at = s.s; (at = memmem(at, (size_t)(stop - at), c->separator, n)) != NULL; at++) {
        const char *after = at + n;
        after += after < stop && *after == '\r';
        const bool begins = at == s.s ? c->line : at[-1] == '\n';
        if (!begins || (after < stop && *after != '\n'))
            continue;
        *next = (size_t)(QN_MIN(after + 1, stop) - s.s);
        at -= at > s.s;
        at -= at > s.s && at[-1] == '\r';
        *end = (size_t)(at - s.s);
        return true;
    }
    return false;
}

/* The block's next document or the beginning of it. 1 a piece, 2 none. */
static int next_part(qn_corpus *c, qn_corpus_piece *piece) {
    size_t end, next;
    const bool found = find_separator(c, c->rest, &end, &next);
    const qn_str text = {c->rest.s, found ? end : c->rest.n};
    const bool ends = found || c->last, nothing = !found && text.n == 0 && (c->cut || !c->last);
    c->rest = found ? (qn_str){c->rest.s + next, c->rest.n - next} : (qn_str){0};
    c->last = c->last && found;
    c->line = found || (c->line && text.n == 0);
    c->cut = found;
    return nothing ? 2 : give(c, text, ends, piece);
}

/* Is the line that ends at `end` in the block a separator? */
static bool is_separator(const qn_corpus *c, const char *end) {
    const size_t n = strlen(c->separator);
    end -= end > c->raw.s && end[-1] == '\r';
    if ((size_t)(end - c->raw.s) < n || memcmp(end - n, c->separator, n) != 0)
        return false;
    return end - n == c->raw.s ? c->line : end[-(ptrdiff_t)n - 1] == '\n';
}

/* Bytes at the end of a block that may be the beginning of a separator, with the line break before it, unless that one
 * ends a separator itself. */
static size_t separator_pending(const qn_corpus *c) {
    const char *end = c->raw.s + c->raw.n, *line = c->raw.n ? memrchr(c->raw.s, '\n', c->raw.n) : NULL;
    if (!c->separator || !line)
        return 0;
    size_t n = (size_t)(end - line - 1);
    n -= n && end[-1] == '\r';
    if (n > strlen(c->separator) || memcmp(line + 1, c->separator, n) != 0)
        return 0;
    if (is_separator(c, line))
        return (size_t)(end - line - 1);
    line -= line > c->raw.s && line[-1] == '\r';
    return (size_t)(end - line);
}

/* A block of the open file. What may be the beginning of a character waits for the next one. 1 a piece, 2 none. */
static int next_block(qn_corpus *c, qn_corpus_piece *piece) {
    const char *name = qn_byte_stream_name(c->text);
    size_t got, held = c->raw.n;
    qn_str text;
    QN_TRY(qn_buf_reserve(&c->raw, BLOCK));
    QN_TRY(qn_byte_stream_read(c->text, c->raw.s + held, BLOCK, &got));
    bool ends = got < BLOCK, first = c->fresh;
    c->raw.n = held + got;
    c->fresh = false;
    if (first) {
        int rc = check_binary(c, name);
        if (rc != 0)
            return rc < 0 ? rc : 2;
    }
    size_t bom = first && qn_str_starts(qn_buf_view(&c->raw), "\xef\xbb\xbf") ? 3 : 0;
    size_t wait = ends ? 0 : QN_MAX(qn_utf8_pending(c->raw.s, c->raw.n), separator_pending(c));
    const size_t n = c->raw.n - wait;
    QN_TRY(clean_text(c, name, (qn_str){c->raw.s + bom, n - bom}, &text));
    if (text.s != c->clean.s) {                     /* nothing to clean: it moves, since the rest takes its place */
        qn_buf_clear(&c->clean);
        QN_TRY(qn_buf_put(&c->clean, text.s, text.n));
        text = qn_buf_view(&c->clean);
    }
    memmove(c->raw.s, c->raw.s + n, wait);
    c->raw.n = wait;
    c->offset += (int64_t)n;
    if (ends)
        close_file(c);
    if (!c->separator)
        return give(c, text, ends, piece);
    c->rest = text;
    c->last = ends;
    return next_part(c, piece);
}

/* {"text": "…", …} → the text: 1, or 0 where there is none. */
static int read_members(qn_corpus *c, qn_json *j) {
    qn_str key;
    int more;
    bool found = false;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (found || !qn_str_is(key, c->field) || qn_json_peek(j) != '"') {
            QN_TRY(qn_json_skip(j));
            continue;
        }
        found = true;
        qn_buf_clear(&c->string);
        QN_TRY(qn_json_string(j, &c->string));
    }
    QN_TRY(more);
    return found;
}

static int read_text(qn_corpus *c, qn_json *j) {
    qn_buf_clear(&c->string);
    QN_TRY(qn_json_string(j, &c->string));
    return 1;
}

/* A line or an item; of an array a bare text is one too. */
static int read_value(qn_corpus *c, qn_json *j) {
    const int kind = qn_json_peek(j);
    QN_TRY(kind);
    const int found = kind == '{' ? read_members(c, j) : kind == '"' && c->items ? read_text(c, j) : qn_json_skip(j);
    QN_TRY(found);
    QN_TRY(qn_json_end(j));
    c->stats.invalid += found ? j->n_lone : 0;
    return found;
}

/* "content", "id": what a value, which is known to be JSON, has instead. */
static int list_fields(qn_corpus *c, qn_json *j) {
    qn_str key;
    int more;
    if (qn_json_peek(j) != '{')
        return 0;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0 && c->fields.n < FIELDS_MAX) {
        QN_TRY(qn_buf_printf(&c->fields, "%s\"%.*s\"", c->fields.n ? ", " : "", QN_STR_ARG(key)));
        QN_TRY(qn_json_skip(j));
    }
    return QN_MIN(more, 0);
}

/* A value without a text: counted; the first one is remembered. */
static int leave_out(qn_corpus *c, qn_str value, const char *place) {
    qn_json j;
    if (c->stats.textless++ > 0)
        return 2;
    QN_TRY(qn_buf_puts(&c->first, place));
    qn_json_init(&j, value.s, value.n, place);
    j.lone = QN_LONE_REPLACE;
    const int rc = list_fields(c, &j);
    qn_json_drop(&j);
    return rc < 0 ? rc : 2;
}

/* A line that is no JSON: counted, and the first ones are remembered. */
static int pass_over(qn_corpus *c, const char *place) {
    const int64_t n = c->stats.bad++;
    if (n < BAD_NAMED)
        QN_TRY(qn_buf_printf(&c->bad, "%s%s", n ? ", " : "", place));
    return n == BAD_NAMED && qn_buf_puts(&c->bad, " …") < 0 ? QN_ENOMEM : 2;
}

/* A line that gave this error: 2 where it may be passed over. What `invalid` refuses in sound JSON stays an error. */
static int bad_line(qn_corpus *c, int rc, qn_str value, const char *place) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    if (rc == QN_ENOMEM || !c->lines || qn_json_is_whole(value))
        return rc;
    return c->skip_bad ? pass_over(c, place) : qn_fail(rc, "%s; --bad-lines skip passes over such lines", message);
}

/* The text of a value that stands at `place`. It is cleaned before it is parsed, since the parser takes nothing but
 * UTF-8. `name` and `line` are the parser's, for its errors. 1 a piece, 2 none. */
static int read_json(qn_corpus *c, qn_str raw, const char *place, const char *name, int64_t line,
                     qn_corpus_piece *piece) {
    static const qn_json_lone lone[] = {QN_LONE_REPLACE, QN_LONE_DROP, QN_LONE_REFUSE};     /* by qn_invalid */
    const int64_t invalid = c->stats.invalid;
    qn_json j;
    qn_str value;
    QN_TRY(clean_text(c, c->items ? open_source(c)->path : place, raw, &value));
    qn_json_init(&j, value.s, value.n, name);
    j.line = line;
    j.lone = lone[c->invalid];
    const int found = read_value(c, &j);
    qn_json_drop(&j);
    if (found < 0) {
        const int rc = bad_line(c, found, value, place);
        if (rc == 2)
            c->stats.invalid = invalid;         /* what was replaced in it is not there */
        return rc;
    }
    c->texts += found;
    return found ? give(c, qn_buf_view(&c->string), true, piece) : leave_out(c, value, place);
}

static int next_line(qn_corpus *c, qn_corpus_piece *piece) {
    const char *path = open_source(c)->path;
    const int64_t before = qn_jsonl_line(c->lines);
    qn_json *whole;
    const int more = qn_jsonl_next(c->lines, &whole);
    const int64_t line = qn_jsonl_line(c->lines);
    const bool too_long = more == QN_ELIMIT && line > before && c->skip_bad;
    if (more <= 0 && !too_long) {
        close_file(c);
        return more < 0 ? more : 2;
    }
    c->offset = 0;
    qn_buf_clear(&c->place);
    QN_TRY(qn_buf_printf(&c->place, "%s:%lld", path, (long long)line));
    if (too_long)
        return pass_over(c, c->place.s);
    return read_json(c, qn_jsonl_text(c->lines), c->place.s, path, line, piece);
}

/* Other JSON than arrays lies about in many folders; in an array nothing may be wrong. */
static int end_of_items(qn_corpus *c, int rc) {
    const source *s = open_source(c);
    const bool pass_over = rc == QN_EFORMAT && !s->named && !qn_json_array_begun(c->items);
    close_file(c);
    if (!pass_over)
        return rc < 0 ? rc : 2;
    c->stats.files--;
    QN_TRY(skip(c, s->path, "it is no array of texts or of objects"));
    return 2;
}

static int next_item(qn_corpus *c, qn_corpus_piece *piece) {
    qn_str item;
    const int more = qn_json_array_next(c->items, &item);
    if (more <= 0)
        return end_of_items(c, more);
    c->offset = qn_json_array_at(c->items);
    qn_buf_clear(&c->place);
    QN_TRY(qn_buf_printf(&c->place, "%s, item at byte %lld", open_source(c)->path, (long long)c->offset));
    return read_json(c, item, c->place.s, c->place.s, 1, piece);
}

/* Lines that were passed over are named, and an error where there were no others. */
static int bad_at_end(const qn_corpus *c) {
    const int64_t n = c->stats.bad;
    if (n == 0)
        return 0;
    if (c->texts == 0)
        return qn_fail(QN_EFORMAT, "%lld lines were passed over because they are no JSON, and there is no other text: "
                       "%s", (long long)n, c->bad.s);
    qn_log(QN_LOG_WARN, "%lld line%s passed over, no JSON: %s", (long long)n, n == 1 ? " was" : "s were", c->bad.s);
    return 0;
}

/* The corpus is read: values without a text are named, and an error where there were no others. */
static int at_end(const qn_corpus *c) {
    const int64_t n = c->stats.textless;
    QN_TRY(bad_at_end(c));
    if (n == 0)
        return 0;
    if (c->texts == 0)
        return qn_fail(QN_EFORMAT, "%s: none of %lld JSON values has a text as \"%s\"; --field names where it stands: "
                       "this one has %s", c->first.s, (long long)n, c->field, c->fields.n ? c->fields.s : "no fields");
    qn_log(QN_LOG_WARN, "%lld JSON values without a text as \"%s\" were left out, the first of them %s", (long long)n,
           c->field, c->first.s);
    return 0;
}

static int open_next(qn_corpus *c) {
    const char *path = c->source[c->at++].path;
    c->fresh = true;
    c->offset = 0;
    c->raw.n = 0;
    c->line = true;
    c->cut = false;
    c->stats.files++;
    if (is_jsonl(path))
        return qn_jsonl_open(&c->lines, path, &(qn_jsonl_options){.line_max = LINE_MAX_BYTES});
    if (is_json(path))
        return qn_json_array_open(&c->items, path, LINE_MAX_BYTES);
    return qn_byte_stream_open(&c->text, path);
}

static bool is_open(const qn_corpus *c) { return c->text || c->lines || c->items || c->rest.n || c->last; }

/* 1 a piece, 2 none: the open file has come to its end, or something was left out. */
static int next_piece(qn_corpus *c, qn_corpus_piece *piece) {
    if (c->rest.n || c->last)
        return next_part(c, piece);
    return c->lines ? next_line(c, piece) : c->items ? next_item(c, piece) : c->text ? next_block(c, piece) : 2;
}

int qn_corpus_next(qn_corpus *c, qn_corpus_piece *piece) {
    for (;;) {
        const int rc = next_piece(c, piece);
        say_passed(c);
        if (rc != 2)
            return rc;
        if (!is_open(c)) {
            if (c->at == c->n)
                return at_end(c);
            QN_TRY(open_next(c));
        }
    }
}
