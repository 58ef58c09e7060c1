/* format/meta.c — the table behind meta.h: entries in file order, a map by key, memory that lives as long as both. */
#include "format/meta.h"

#include "format/cursor.h"

#include <stdio.h>
#include <string.h>

/* Interned bytes lie in chunks, so that views into them never move. */
typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    char bytes[];
} chunk;

struct qn_meta {
    char *name;
    qn_meta_value *entry;       /* [n] */
    size_t n, cap;
    qn_strmap by_key;           /* key → index in entry */
    chunk *chunks;              /* the one in use first */
};

enum { CHUNK_SIZE = 4096 };

static const char *const kind_names[] = {
    [QN_META_NULL] = "null",     [QN_META_BOOL] = "true or false", [QN_META_INT] = "an integer",
    [QN_META_UINT] = "an integer", [QN_META_FLOAT] = "a number",   [QN_META_STRING] = "a string",
    [QN_META_ARRAY] = "an array", [QN_META_MIXED] = "an array of mixed values",
};

const char *qn_meta_kind_name(qn_meta_kind kind) {
    return kind_names[kind];
}

int qn_meta_new(qn_meta **out, const char *name) {
    *out = NULL;
    qn_meta *m = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *m);
    if (!m)
        return QN_ENOMEM;
    m->name = qn_str_dup(QN_MEM_FORMAT, qn_str_of(name));
    if (!m->name) {
        qn_free(m);
        return QN_ENOMEM;
    }
    *out = m;
    return 0;
}

void qn_meta_free(qn_meta *m) {
    if (!m)
        return;
    for (chunk *c = m->chunks, *next; c; c = next) {
        next = c->next;
        qn_free(c);
    }
    qn_strmap_drop(&m->by_key);
    qn_free(m->entry);
    qn_free(m->name);
    qn_free(m);
}

int qn_meta_put(qn_meta *m, const qn_meta_value *v) {
    QN_TRY(QN_GROW(QN_MEM_FORMAT, m->entry, m->cap, m->n + 1));
    const int added = qn_strmap_put(&m->by_key, v->key, (int64_t)m->n);
    if (added < 0)
        return added;
    if (!added)
        return qn_fail(QN_EFORMAT, "%s: key \"%.*s\" is there twice", m->name, QN_STR_ARG(v->key));
    m->entry[m->n++] = *v;
    return 0;
}

void *qn_meta_alloc(qn_meta *m, size_t bytes) {
    size_t room, total;
    if (QN_ADD_OVERFLOW(bytes, (size_t)15, &room) || QN_ADD_OVERFLOW(room, sizeof(chunk), &total)) {
        qn_fail(QN_ENOMEM, "%s: a value of %zu bytes", m->name, bytes);
        return NULL;
    }
    room &= ~(size_t)15;
    chunk *c = m->chunks;
    if (!c || c->size - c->used < room) {
        const bool own = room > CHUNK_SIZE / 4;         /* large values get a chunk of their own size */
        const size_t size = own ? room : CHUNK_SIZE;
        chunk *fresh = qn_alloc(QN_MEM_FORMAT, sizeof *fresh + size);
        if (!fresh)
            return NULL;
        *fresh = (chunk){.size = size};
        if (own && c) {                                 /* behind the current one, which still has room */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            m->chunks = fresh;
        }
        c = fresh;
    }
    void *p = c->bytes + c->used;
    c->used += room;
    return p;
}

int qn_meta_intern(qn_meta *m, qn_str s, qn_str *out) {
    char *p = qn_meta_alloc(m, s.n);
    if (!p)
        return QN_ENOMEM;
    if (s.n > 0)
        memcpy(p, s.s, s.n);
    *out = (qn_str){p, s.n};
    return 0;
}

/* ---- the entries ---- */

size_t qn_meta_count(const qn_meta *m) {
    return m->n;
}

const qn_meta_value *qn_meta_at(const qn_meta *m, size_t i) {
    qn_assert(i < m->n);
    return &m->entry[i];
}

const char *qn_meta_name(const qn_meta *m) {
    return m->name;
}

const qn_meta_value *qn_meta_find(const qn_meta *m, const char *key) {
    int64_t i;
    return qn_strmap_get(&m->by_key, qn_str_of(key), &i) ? &m->entry[i] : NULL;
}

/* An entry that says something: null is as good as absent. */
static const qn_meta_value *find_set(const qn_meta *m, const char *key) {
    const qn_meta_value *v = qn_meta_find(m, key);
    return v && v->kind != QN_META_NULL ? v : NULL;
}

static int wrong_kind(const qn_meta *m, const qn_meta_value *v, const char *expected) {
    return qn_fail(QN_EFORMAT, "%s: key \"%.*s\" holds %s; expected %s", m->name, QN_STR_ARG(v->key),
                   kind_names[v->kind], expected);
}

/* ---- scalars ---- */

/* A whole number within ±2^53 is the same number as an int64_t. */
static bool whole_number(double f, int64_t *out) {
    if (!(f >= -0x1p53 && f <= 0x1p53))
        return false;
    *out = (int64_t)f;
    return (double)*out == f;
}

int qn_meta_get_i64(const qn_meta *m, const char *key, int64_t *out) {
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    switch (v->kind) {
    case QN_META_INT:
        *out = v->as.i;
        return 1;
    case QN_META_UINT:
        if (v->as.u > INT64_MAX)
            return qn_fail(QN_EFORMAT, "%s: key \"%s\" holds %llu, beyond 2^63 - 1", m->name, key,
                           (unsigned long long)v->as.u);
        *out = (int64_t)v->as.u;
        return 1;
    case QN_META_FLOAT:
        if (!whole_number(v->as.f, out))
            return qn_fail(QN_EFORMAT, "%s: key \"%s\" holds %g; expected an integer", m->name, key, v->as.f);
        return 1;
    default:
        return wrong_kind(m, v, "an integer");
    }
}

int qn_meta_get_f64(const qn_meta *m, const char *key, double *out) {
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    switch (v->kind) {
    case QN_META_INT:
        *out = (double)v->as.i;
        return 1;
    case QN_META_UINT:
        *out = (double)v->as.u;
        return 1;
    case QN_META_FLOAT:
        *out = v->as.f;
        return 1;
    default:
        return wrong_kind(m, v, "a number");
    }
}

int qn_meta_get_bool(const qn_meta *m, const char *key, bool *out) {
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    if (v->kind != QN_META_BOOL)
        return wrong_kind(m, v, "true or false");
    *out = v->as.b;
    return 1;
}

int qn_meta_get_str(const qn_meta *m, const char *key, qn_str *out) {
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    if (v->kind != QN_META_STRING)
        return wrong_kind(m, v, "a string");
    *out = v->as.s;
    return 1;
}

/* ---- arrays ---- */

/* Whether every element can be given out as `kind`. */
static bool array_serves(const qn_meta_array *a, qn_meta_kind kind) {
    if (a->count == 0 || a->kind == kind)
        return true;
    if (kind == QN_META_FLOAT)
        return a->kind == QN_META_INT || a->kind == QN_META_UINT;
    if (kind != QN_META_INT || a->kind != QN_META_UINT)
        return false;
    for (size_t i = 0; a->width == 8 && i < a->count; i++)
        if (qn_le_load(a->bytes + 8 * i, 8) > INT64_MAX)
            return false;
    return true;
}

int qn_meta_get_array(const qn_meta *m, const char *key, qn_meta_kind kind, qn_meta_array *out) {
    static const char *const expected[] = {
        [QN_META_BOOL] = "an array of true and false", [QN_META_INT] = "an array of integers",
        [QN_META_FLOAT] = "an array of numbers",       [QN_META_STRING] = "an array of strings",
    };
    qn_assert(kind == QN_META_BOOL || kind == QN_META_INT || kind == QN_META_FLOAT || kind == QN_META_STRING);
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    if (v->kind != QN_META_ARRAY)
        return wrong_kind(m, v, expected[kind]);
    if (!array_serves(&v->as.a, kind)) {
        const bool too_large = kind == QN_META_INT && v->as.a.kind == QN_META_UINT;
        return qn_fail(QN_EFORMAT, "%s: key \"%s\" is an array of which each element is %s%s; expected %s", m->name,
                       key, kind_names[v->as.a.kind], too_large ? ", some beyond 2^63 - 1" : "", expected[kind]);
    }
    *out = v->as.a;
    return 1;
}

int64_t qn_meta_array_i64(const qn_meta_array *a, size_t i) {
    qn_assert(i < a->count && (a->kind == QN_META_INT || a->kind == QN_META_UINT));
    const char *p = a->bytes + i * (size_t)a->width;
    return a->kind == QN_META_INT ? qn_le_load_signed(p, a->width) : (int64_t)qn_le_load(p, a->width);
}

double qn_meta_array_f64(const qn_meta_array *a, size_t i) {
    if (a->kind == QN_META_INT)
        return (double)qn_meta_array_i64(a, i);
    qn_assert(i < a->count && (a->kind == QN_META_FLOAT || a->kind == QN_META_UINT));
    const char *p = a->bytes + i * (size_t)a->width;
    return a->kind == QN_META_FLOAT ? qn_le_load_float(p, a->width) : (double)qn_le_load(p, a->width);
}

bool qn_meta_array_bool(const qn_meta_array *a, size_t i) {
    qn_assert(i < a->count && a->kind == QN_META_BOOL);
    return a->bytes[i] != 0;
}

/* The length comes from the offsets that were checked at the door, not from the mapped bytes: should the file change
 * under the map, a text can be wrong but never out of bounds. */
qn_str qn_meta_array_str(const qn_meta_array *a, size_t i) {
    qn_assert(i < a->count && a->kind == QN_META_STRING);
    const size_t from = a->offset[i] + (size_t)a->prefix;
    return (qn_str){a->bytes + from, a->offset[i + 1] - from};
}

int qn_meta_get_i64s(const qn_meta *m, const char *key, int64_t *out, size_t cap, size_t *n) {
    const qn_meta_value *v = find_set(m, key);
    if (!v)
        return 0;
    if (v->kind != QN_META_ARRAY && v->kind != QN_META_MIXED) {
        int64_t one;
        QN_TRY(qn_meta_get_i64(m, key, &one));
        if (cap == 0)
            return qn_fail(QN_ELIMIT, "%s: key \"%s\" holds a value; none was expected", m->name, key);
        out[0] = one;
        *n = 1;
        return 1;
    }
    qn_meta_array a;
    QN_TRY(qn_meta_get_array(m, key, QN_META_INT, &a));
    if (a.count > cap)
        return qn_fail(QN_ELIMIT, "%s: key \"%s\" holds %zu values; at most %zu are expected", m->name, key, a.count,
                       cap);
    for (size_t i = 0; i < a.count; i++)
        out[i] = qn_meta_array_i64(&a, i);
    *n = a.count;
    return 1;
}

/* ---- out again, as JSON ---- */

/* The writer knows int64_t; what lies beyond is written as the nearest double. */
static void write_uint(qn_jw *w, uint64_t u) {
    if (u <= INT64_MAX)
        qn_jw_i64(w, (int64_t)u);
    else
        qn_jw_f64(w, (double)u);
}

static void write_element(const qn_meta_array *a, size_t i, qn_jw *w) {
    switch (a->kind) {
    case QN_META_BOOL:
        qn_jw_bool(w, qn_meta_array_bool(a, i));
        break;
    case QN_META_INT:
        qn_jw_i64(w, qn_meta_array_i64(a, i));
        break;
    case QN_META_UINT:
        write_uint(w, qn_le_load(a->bytes + i * (size_t)a->width, a->width));
        break;
    case QN_META_FLOAT:
        qn_jw_f64(w, qn_meta_array_f64(a, i));
        break;
    default:
        qn_jw_str(w, qn_meta_array_str(a, i));
        break;
    }
}

static void write_more(size_t more, const char *what, qn_jw *w) {
    char text[64];
    const int n = snprintf(text, sizeof text, "… %zu %s", more, what);
    qn_jw_str(w, (qn_str){text, (size_t)n});
}

static void write_array(const qn_meta_array *a, size_t items, qn_jw *w) {
    qn_jw_open(w, '[');
    for (size_t i = 0; i < a->count && i < items; i++)
        write_element(a, i, w);
    if (a->count > items)
        write_more(a->count - items, "more", w);
    qn_jw_close(w);
}

void qn_meta_write(const qn_meta_value *v, size_t items, qn_jw *w) {
    switch (v->kind) {
    case QN_META_NULL:
        qn_jw_null(w);
        break;
    case QN_META_BOOL:
        qn_jw_bool(w, v->as.b);
        break;
    case QN_META_INT:
        qn_jw_i64(w, v->as.i);
        break;
    case QN_META_UINT:
        write_uint(w, v->as.u);
        break;
    case QN_META_FLOAT:
        qn_jw_f64(w, v->as.f);
        break;
    case QN_META_STRING:
        qn_jw_str(w, v->as.s);
        break;
    case QN_META_ARRAY:
        write_array(&v->as.a, items, w);
        break;
    case QN_META_MIXED:
        qn_jw_open(w, '[');
        write_more(v->as.a.count, "under this key and their number", w);
        qn_jw_close(w);
        break;
    }
}
