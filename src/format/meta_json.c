/* format/meta_json.c — a JSON object as a flat table: nested members get dotted keys, arrays of one kind of scalar
 * become one value, other arrays are taken apart element by element. Everything is copied; the text may go after. */
#include "format/meta.h"

#include <stdio.h>
#include <string.h>

enum {
    KEY_MAX = 4096,             /* bytes of a dotted key */
    ENTRY_COST = 320,           /* entry, map slot and their growth, at worst */
    MEMORY_FLOOR = 32 << 20
};

typedef struct {
    qn_json j;
    qn_meta *meta;
    qn_buf path;                /* the dotted key of where we are */
    qn_buf text;                /* a decoded string */
    size_t room;                /* memory that may still be taken */
} flattener;

static int take_value(flattener *f);

static int charge(flattener *f, size_t bytes) {
    if (bytes > f->room)
        return qn_json_fail(&f->j, QN_ELIMIT, "too many values: the table would take far more memory than the file");
    f->room -= bytes;
    return 0;
}

/* Enters `v` under the current path. */
static int put(flattener *f, qn_meta_value v) {
    QN_TRY(charge(f, ENTRY_COST + f->path.n));
    QN_TRY(qn_meta_intern(f->meta, qn_buf_view(&f->path), &v.key));
    return qn_meta_put(f->meta, &v);
}

/* Goes one step down: appends ".key" to the path, or "key" at the root. */
static int descend(flattener *f, qn_str key) {
    if (key.n > KEY_MAX || f->path.n + key.n + 1 > KEY_MAX)
        return qn_json_fail(&f->j, QN_ELIMIT, "a key of more than %d bytes", KEY_MAX);
    if (f->j.depth > 1)
        QN_TRY(qn_buf_putc(&f->path, '.'));
    return qn_buf_put(&f->path, key.s, key.n);
}

/* A number without point and exponent is an integer if it fits one: tokenizer configurations write
 * 1000000000000000019884624838656 for "no limit". */
static int number(flattener *f, qn_json *j, qn_meta_value *v) {
    qn_str raw;
    QN_TRY(qn_json_raw(j, &raw));
    const bool integer = !memchr(raw.s, '.', raw.n) && !memchr(raw.s, 'e', raw.n) && !memchr(raw.s, 'E', raw.n);
    if (integer && qn_parse_i64(raw, &v->as.i)) {
        v->kind = QN_META_INT;
        return 0;
    }
    v->kind = QN_META_FLOAT;
    if (!qn_parse_f64(raw, &v->as.f))
        return qn_json_fail(&f->j, QN_EFORMAT, "the number %.*s is out of range", QN_STR_ARG(raw));
    return 0;
}

/* ---- arrays ---- */

/* Kind of the whole array when one more element of kind `k` joins those of kind `so_far`. */
static qn_meta_kind join(qn_meta_kind so_far, qn_meta_kind k) {
    if (so_far == QN_META_NULL || so_far == k)
        return k;
    const bool numbers = (so_far == QN_META_INT || so_far == QN_META_FLOAT) && (k == QN_META_INT || k == QN_META_FLOAT);
    return numbers ? QN_META_FLOAT : QN_META_MIXED;
}

/* Reads ahead with a copy of the parser: kind of the elements, their count and the bytes of their text. Stops at the
 * first element that is no scalar, so that nested arrays are not read twice per level. */
static int survey(flattener *f, qn_meta_array *a, size_t *text_bytes) {
    qn_json ahead = f->j;
    ahead.key = (qn_buf){0};
    int rc = 0, more;
    *a = (qn_meta_array){0};
    *text_bytes = 0;
    QN_TRY_OUT(qn_json_enter(&ahead, '['));
    while (a->kind != QN_META_MIXED && (more = qn_json_item(&ahead)) != 0) {
        QN_TRY_OUT(more);
        const int next = qn_json_peek(&ahead);
        QN_TRY_OUT(next);
        qn_meta_value v = {.kind = QN_META_MIXED};
        qn_str raw = {0};
        if (next == '0') {
            QN_TRY_OUT(number(f, &ahead, &v));
        } else if (next == '"' || next == 't' || next == 'f') {
            QN_TRY_OUT(qn_json_raw(&ahead, &raw));
            v.kind = next == '"' ? QN_META_STRING : QN_META_BOOL;
        }
        *text_bytes += raw.n;
        a->kind = join(a->kind, v.kind);
        a->count++;
    }
out:
    qn_json_drop(&ahead);
    return rc;
}

static int fill_strings(flattener *f, qn_meta_array *a, size_t text_bytes) {
    QN_TRY(charge(f, text_bytes + (a->count + 1) * sizeof *a->offset));
    char *bytes = qn_meta_alloc(f->meta, text_bytes);
    size_t *offset = qn_meta_alloc(f->meta, (a->count + 1) * sizeof *offset);
    if (!bytes || !offset)
        return QN_ENOMEM;
    offset[0] = 0;
    for (size_t i = 0; i < a->count; i++) {
        QN_TRY(qn_json_item(&f->j));
        qn_buf_clear(&f->text);
        QN_TRY(qn_json_string(&f->j, &f->text));        /* never longer than its quoted form */
        if (f->text.n > 0)
            memcpy(bytes + offset[i], f->text.s, f->text.n);
        offset[i + 1] = offset[i] + f->text.n;
    }
    a->bytes = bytes;
    a->offset = offset;
    return 0;
}

static int fill_numbers(flattener *f, qn_meta_array *a) {
    a->width = a->kind == QN_META_BOOL ? 1 : 8;
    QN_TRY(charge(f, a->count * (size_t)a->width));
    char *bytes = qn_meta_alloc(f->meta, a->count * (size_t)a->width);
    if (!bytes)
        return QN_ENOMEM;
    for (size_t i = 0; i < a->count; i++) {
        char *p = bytes + i * (size_t)a->width;
        bool b;
        qn_meta_value v;
        QN_TRY(qn_json_item(&f->j));
        if (a->kind == QN_META_BOOL) {
            QN_TRY(qn_json_bool(&f->j, &b));
            p[0] = b;
            continue;
        }
        QN_TRY(number(f, &f->j, &v));
        if (a->kind == QN_META_FLOAT && v.kind == QN_META_INT)
            v.as.f = (double)v.as.i;
        memcpy(p, &v.as, 8);                            /* little-endian, as GGUF has it */
    }
    a->bytes = bytes;
    return 0;
}

/* Elements of several kinds, or arrays and objects: each under "key.INDEX". */
static int take_apart(flattener *f, size_t *count) {
    const size_t path = f->path.n;
    int more;
    for (*count = 0; (more = qn_json_item(&f->j)) > 0; ++*count) {
        char index[24];
        const int n = snprintf(index, sizeof index, "%zu", *count);
        QN_TRY(descend(f, (qn_str){index, (size_t)n}));
        QN_TRY(take_value(f));
        f->path.n = path;
    }
    return more;
}

static int take_array(flattener *f) {
    qn_meta_value v = {.kind = QN_META_ARRAY};
    size_t text_bytes;
    QN_TRY(survey(f, &v.as.a, &text_bytes));
    QN_TRY(qn_json_enter(&f->j, '['));
    if (v.as.a.kind == QN_META_MIXED) {
        QN_TRY(take_apart(f, &v.as.a.count));
        v.kind = QN_META_MIXED;
        return put(f, v);
    }
    QN_TRY(v.as.a.kind == QN_META_STRING ? fill_strings(f, &v.as.a, text_bytes) : fill_numbers(f, &v.as.a));
    QN_TRY(qn_json_item(&f->j));        /* closes the array */
    return put(f, v);
}

/* ---- values ---- */

static int take_object(flattener *f) {
    const size_t path = f->path.n;
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(&f->j, '{'));
    while ((more = qn_json_key(&f->j, &key)) > 0) {
        QN_TRY(descend(f, key));
        QN_TRY(take_value(f));
        f->path.n = path;
    }
    return more;
}

static int take_string(flattener *f) {
    qn_meta_value v = {.kind = QN_META_STRING};
    qn_buf_clear(&f->text);
    QN_TRY(qn_json_string(&f->j, &f->text));
    QN_TRY(charge(f, f->text.n));
    QN_TRY(qn_meta_intern(f->meta, qn_buf_view(&f->text), &v.as.s));
    return put(f, v);
}

/* Recursion is bounded by the parser's own depth limit. */
static int take_value(flattener *f) {
    qn_meta_value v = {.kind = QN_META_NULL};
    const int next = qn_json_peek(&f->j);
    QN_TRY(next);
    switch (next) {
    case '{':
        return take_object(f);
    case '[':
        return take_array(f);
    case '"':
        return take_string(f);
    case '0':
        QN_TRY(number(f, &f->j, &v));
        return put(f, v);
    case 'n':
        QN_TRY(qn_json_null(&f->j));
        return put(f, v);
    default:
        v.kind = QN_META_BOOL;
        QN_TRY(qn_json_bool(&f->j, &v.as.b));
        return put(f, v);
    }
}

int qn_meta_from_json(qn_meta **out, const char *text, size_t n, const char *name) {
    int rc;
    flattener f = {.room = n + MEMORY_FLOOR};
    *out = NULL;
    qn_json_init(&f.j, text, n, name);
    QN_TRY_OUT(qn_meta_new(&f.meta, name));
    QN_TRY_OUT(take_object(&f));
    QN_TRY_OUT(qn_json_end(&f.j));
    *out = f.meta;
    f.meta = NULL;
out:
    qn_json_drop(&f.j);
    qn_buf_drop(&f.path);
    qn_buf_drop(&f.text);
    qn_meta_free(f.meta);
    return rc;
}
