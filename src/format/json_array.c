/* format/json_array.c — where each item of an array ends, found in a stream: brackets are counted outside of strings,
 * and a quote behind a backslash ends none. Whatever else is wrong with an item, its parser will say. */
#include "format/json_array.h"

#include <stdio.h>
#include <string.h>

#include "format/byte_stream.h"

enum { CHUNK = 1 << 16 };
#define ITEM_MAX_DEFAULT ((size_t)64 << 20)

struct qn_json_array {
    char *name;
    size_t item_max;
    qn_byte_stream *stream;     /* NULL: memory */
    qn_buf held;                /* bytes read and not yet given */
    const char *at, *end;       /* what is left of them, or of the memory */
    int64_t offset, item;       /* of `at` and of the last item, in the text */
    bool begun, further;        /* "[" was read; an item was given */
    bool any;                   /* items may be numbers, words, arrays */
};

static int new_reader(qn_json_array **out, const char *name, size_t item_max) {
    *out = NULL;
    qn_json_array *r = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *r);
    if (!r)
        return QN_ENOMEM;
    r->item_max = item_max ? item_max : ITEM_MAX_DEFAULT;
    r->name = qn_str_dup(QN_MEM_FORMAT, qn_str_of(name));
    if (!r->name) {
        qn_json_array_close(r);
        return QN_ENOMEM;
    }
    *out = r;
    return 0;
}

int qn_json_array_open(qn_json_array **out, const char *path, size_t item_max) {
    qn_json_array *r;
    *out = NULL;
    QN_TRY(new_reader(&r, strcmp(path, "-") == 0 ? "standard input" : path, item_max));
    const int rc = qn_byte_stream_open(&r->stream, path);
    if (rc < 0) {
        qn_json_array_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

int qn_json_array_open_memory(qn_json_array **out, const char *text, size_t n, size_t item_max) {
    QN_TRY(new_reader(out, "memory", item_max));
    (*out)->at = text;
    (*out)->end = text + n;
    return 0;
}

void qn_json_array_close(qn_json_array *r) {
    if (!r)
        return;
    qn_byte_stream_close(r->stream);
    qn_buf_drop(&r->held);
    qn_free(r->name);
    qn_free(r);
}

int64_t qn_json_array_at(const qn_json_array *r) { return r->item; }
void qn_json_array_take_any(qn_json_array *r) { r->any = true; }
bool qn_json_array_begun(const qn_json_array *r) { return r->begun; }

/* ---- bytes ---- */

static size_t left(const qn_json_array *r) { return (size_t)(r->end - r->at); }

/* Reads one more chunk behind what is held. 1 more bytes, 0 the end. */
static int fill(qn_json_array *r) {
    size_t got;
    if (!r->stream)
        return 0;
    const size_t n = left(r);
    if (n > 0 && r->at != r->held.s)
        memmove(r->held.s, r->at, n);
    r->held.n = n;
    QN_TRY(qn_buf_reserve(&r->held, CHUNK));
    const int rc = qn_byte_stream_read(r->stream, r->held.s + n, CHUNK, &got);
    if (rc < 0)
        return qn_fail_in(rc, "behind byte %lld", (long long)r->offset);
    r->held.n += got;
    r->at = r->held.s;
    r->end = r->held.s + r->held.n;
    return got > 0;
}

static void pass(qn_json_array *r, size_t n) {
    r->at += n;
    r->offset += (int64_t)n;
}

/* The next byte that is no white space, left where it is: 1, or 0 at the end. */
static int seek(qn_json_array *r) {
    for (;;) {
        while (left(r) > 0 && qn_is_json_space(*r->at))
            pass(r, 1);
        if (left(r) > 0)
            return 1;
        const int more = fill(r);
        if (more <= 0)
            return more;
    }
}

/* ---- errors ---- */

static int wrong(const qn_json_array *r, const char *expected) {
    const unsigned char c = (unsigned char)*r->at;
    char found[32];
    if (c > ' ' && c < 0x7f)
        snprintf(found, sizeof found, "'%c'", c);
    else
        snprintf(found, sizeof found, "the byte 0x%02x", c);
    return qn_fail(QN_EFORMAT, "%s: byte %lld: expected %s, found %s", r->name, (long long)r->offset, expected, found);
}

static int cut_off(const qn_json_array *r) {
    return qn_fail(QN_ETRUNC, "%s: byte %lld: the text ends here, inside its array; is the file whole?", r->name,
                   (long long)(r->offset + (int64_t)left(r)));
}

/* ---- items ---- */

/* "[" and what may stand before it. */
static int begin(qn_json_array *r) {
    while (left(r) < 3) {
        const int more = fill(r);
        QN_TRY(more);
        if (!more)
            break;
    }
    if (qn_str_starts((qn_str){r->at, left(r)}, "\xef\xbb\xbf"))
        pass(r, 3);
    const int more = seek(r);
    QN_TRY(more);
    if (!more)
        return qn_fail(QN_EFORMAT, "%s: byte %lld: expected an array of texts or of objects, but the file is empty",
                       r->name, (long long)r->offset);
    if (*r->at == '{')
        return wrong(r, "'[', an array of texts or of objects (a file with an object on each line is named .jsonl)");
    if (*r->at != '[')
        return wrong(r, "'[', an array of texts or of objects");
    pass(r, 1);
    r->begun = true;
    return 0;
}

/* Stands on the first byte of an item: 1; 0 behind the end of the array. */
static int next_begin(qn_json_array *r) {
    if (!r->begun)
        QN_TRY(begin(r));
    const int more = seek(r);
    if (more <= 0)
        return more < 0 ? more : cut_off(r);
    if (*r->at == ']') {
        pass(r, 1);
        const int behind = seek(r);
        return behind > 0 ? wrong(r, "nothing behind the array") : behind;
    }
    if (!r->further)
        return 1;
    if (*r->at != ',')
        return wrong(r, "',' or ']' behind an item");
    pass(r, 1);
    const int item = seek(r);
    return item == 0 ? cut_off(r) : item;
}

typedef struct { int64_t depth; bool string, escape; } scan;

/* Takes in one more byte; whether the item ends with it. */
static bool ends_with(scan *s, char c) {
    if (s->string) {
        const bool quote = c == '"' && !s->escape;
        s->escape = c == '\\' && !s->escape;
        s->string = !quote;
        return quote && s->depth == 0;
    }
    s->string = c == '"';
    s->depth += c == '{' || c == '[';
    s->depth -= c == '}' || c == ']';
    return !s->string && s->depth <= 0;
}

/* One more chunk for an item of which n bytes were seen. */
static int read_on(qn_json_array *r, size_t n) {
    if (n >= r->item_max)
        return qn_fail(QN_ELIMIT, "%s: byte %lld: an item of more than %zu bytes", r->name, (long long)r->offset,
                       r->item_max);
    const int bytes = fill(r);
    return bytes < 0 ? bytes : bytes > 0 ? 0 : cut_off(r);
}

static int give(qn_json_array *r, size_t n, qn_str *item) {
    *item = (qn_str){r->at, n};
    pass(r, n);
    r->further = true;
    return 1;
}

static bool parts(char c) { return c == ',' || c == ']' || qn_is_json_space(c); }

/* A number or a word: it ends before what parts it from the next. */
static int take_word(qn_json_array *r, qn_str *item) {
    for (size_t n = 0;;) {
        while (n < left(r) && n < r->item_max && !parts(r->at[n]))
            n++;
        if (n < left(r) && n < r->item_max)
            return give(r, n, item);
        QN_TRY(read_on(r, n));
    }
}

static int take_item(qn_json_array *r, qn_str *item) {
    scan s = {0};
    for (size_t n = 0;;) {
        while (n < left(r) && n < r->item_max)
            if (ends_with(&s, r->at[n++]))
                return give(r, n, item);
        QN_TRY(read_on(r, n));
    }
}

int qn_json_array_next(qn_json_array *r, qn_str *item) {
    const int more = next_begin(r);
    if (more <= 0)
        return more;
    const char c = *r->at;
    r->item = r->offset;
    if (c == '"' || c == '{' || (r->any && c == '['))
        return take_item(r, item);
    return r->any && !parts(c) ? take_word(r, item) : wrong(r, "a text or an object as the next item");
}
