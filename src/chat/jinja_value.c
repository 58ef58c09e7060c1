/* chat/jinja_value.c — lists, dicts, truth, equality and order, as Python has them. */
#include "chat/jinja_value.h"

#include <math.h>
#include <string.h>

#define INDEX_FROM 9        /* a dict with fewer entries is searched from end to end */

int qn_jv_str(qn_jarena *a, qn_jstr s, qn_jv *out) {
    qn_jstr *p;
    QN_TRY(QN_JNEW(a, p, 1));
    *p = s;
    *out = (qn_jv){.kind = QN_JSTR, .data = s.data, .u.s = p};
    return 0;
}

int qn_jv_undefined(qn_jarena *a, const qn_jstr *name, const char *type, const char *hint, qn_jv *out) {
    qn_jundef *u;
    QN_TRY(QN_JNEW(a, u, 1));
    *u = (qn_jundef){.name = name, .hint = hint, .type = type};
    *out = (qn_jv){.kind = QN_JUNDEFINED, .u.undef = u};
    return 0;
}

int qn_jv_list(qn_jarena *a, qn_jkind kind, size_t room, qn_jv *out) {
    qn_jlist *l;
    QN_TRY(QN_JNEW(a, l, 1));
    *l = (qn_jlist){0};
    if (room) {
        QN_TRY(QN_JNEW(a, l->v, room));
        l->cap = room;
    }
    *out = (qn_jv){.kind = (uint8_t)kind, .u.list = l};
    return 0;
}

int qn_jlist_add(qn_jarena *a, qn_jlist *l, qn_jv v) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        qn_jv *p = qn_jarena_grow(a, l->v, l->cap * sizeof *p, cap * sizeof *p);
        if (!p)
            return a->rc;
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return 0;
}

bool qn_jv_truth(qn_jv v) {
    switch ((qn_jkind)v.kind) {
    case QN_JMISSING: case QN_JUNDEFINED: case QN_JNONE: return false;
    case QN_JBOOL: return v.u.b;
    case QN_JINT: return v.u.i != 0;
    case QN_JFLOAT: return v.u.f != 0;
    case QN_JSTR: return v.u.s->n != 0;
    case QN_JLIST: case QN_JTUPLE: case QN_JRANGE: case QN_JVIEW: return v.u.list->n != 0;
    case QN_JDICT: return v.u.dict->n != 0;
    default: return true;
    }
}

bool qn_jv_number(qn_jv v) {
    return v.kind == QN_JBOOL || v.kind == QN_JINT || v.kind == QN_JFLOAT || v.kind == QN_JBIG;
}

bool qn_jv_integral(qn_jv v, int64_t *i) {
    if (v.kind != QN_JINT && v.kind != QN_JBOOL)
        return false;
    *i = v.kind == QN_JINT ? v.u.i : v.u.b;
    return true;
}

double qn_jv_double(qn_jv v) {
    double f = 0;
    switch ((qn_jkind)v.kind) {
    case QN_JBOOL: return v.u.b;
    case QN_JINT: return (double)v.u.i;
    case QN_JBIG: return qn_parse_f64(qn_jstr_view(v.u.s), &f) ? f : v.u.s->s[0] == '-' ? -INFINITY : INFINITY;
    default: return v.u.f;
    }
}

bool qn_jv_sequence(qn_jv v) {
    return v.kind == QN_JLIST || v.kind == QN_JTUPLE || v.kind == QN_JRANGE;
}

bool qn_jv_iterable(qn_jv v) {
    return qn_jv_sequence(v) || v.kind == QN_JUNDEFINED || v.kind == QN_JSTR || v.kind == QN_JDICT ||
           v.kind == QN_JVIEW || v.kind == QN_JITER || v.kind == QN_JLOOP;
}

const char *qn_jv_type(qn_jv v) {
    switch ((qn_jkind)v.kind) {
    case QN_JMISSING: return "missing";
    case QN_JUNDEFINED: return "Undefined";
    case QN_JNONE: return "NoneType";
    case QN_JBOOL: return "bool";
    case QN_JINT: case QN_JBIG: return "int";
    case QN_JFLOAT: return "float";
    case QN_JSTR: return "str";
    case QN_JLIST: return "list";
    case QN_JTUPLE: return "tuple";
    case QN_JDICT: return "dict";
    case QN_JRANGE: return "range";
    case QN_JVIEW: return v.u.list->view;
    case QN_JITER: return "generator";
    case QN_JNAMESPACE: return "Namespace";
    case QN_JMACRO: return "Macro";
    case QN_JFUNC: return "function";
    case QN_JMETHOD: return "builtin_function_or_method";
    case QN_JLOOP: return "LoopContext";
    case QN_JCYCLER: return "Cycler";
    case QN_JJOINER: return "Joiner";
    }
    return "object";
}

/* -1, 0, 1; 2 with a NaN. An int64 and a double are compared exactly. */
static int number_order(qn_jv a, qn_jv b) {
    int64_t i, j;
    if (qn_jv_integral(a, &i) && qn_jv_integral(b, &j))
        return (i > j) - (i < j);
    if (a.kind == QN_JBIG && b.kind == QN_JBIG && qn_jstr_same(a.u.s, b.u.s))
        return 0;
    double x = qn_jv_double(a), y = qn_jv_double(b);
    if (isnan(x) || isnan(y))
        return 2;
    if (x != y || a.kind == QN_JBIG || b.kind == QN_JBIG || x >= 9.2e18 || x <= -9.2e18)
        return (x > y) - (x < y);
    /* Equal as doubles: the integer may still lie beside the double it was rounded to. */
    i = qn_jv_integral(a, &i) ? i : (int64_t)x;
    j = qn_jv_integral(b, &j) ? j : (int64_t)y;
    return (i > j) - (i < j);
}

static int list_equal(const qn_jlist *a, const qn_jlist *b, int depth, bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++)
        QN_TRY(qn_jv_equal(a->v[i], b->v[i], depth, out));
    return 0;
}

static int dict_equal(const qn_jdict *a, const qn_jdict *b, int depth, bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        const qn_jv *v = qn_jdict_get(b, a->e[i].key);
        if (!v)
            *out = false;
        else
            QN_TRY(qn_jv_equal(a->e[i].value, *v, depth, out));
    }
    return 0;
}

static int too_deep(void) {
    return qn_fail(QN_ELIMIT, "values nested more than %d deep", QN_JDEPTH);
}

int qn_jv_equal(qn_jv a, qn_jv b, int depth, bool *out) {
    if (depth > QN_JDEPTH)
        return too_deep();
    *out = false;
    if (qn_jv_number(a) && qn_jv_number(b)) {
        *out = number_order(a, b) == 0;
        return 0;
    }
    if (a.kind != b.kind)
        return 0;
    switch ((qn_jkind)a.kind) {
    case QN_JMISSING: case QN_JUNDEFINED: case QN_JNONE:
        *out = true;
        return 0;
    case QN_JSTR:
        *out = qn_jstr_same(a.u.s, b.u.s);
        return 0;
    case QN_JLIST: case QN_JTUPLE: case QN_JRANGE:
        return list_equal(a.u.list, b.u.list, depth + 1, out);
    case QN_JDICT:
        return dict_equal(a.u.dict, b.u.dict, depth + 1, out);
    case QN_JMETHOD:                         /* every look-up makes a new one, as in Python */
        return 0;
    default:
        *out = a.u.dict == b.u.dict;
        return 0;
    }
}

static int list_order(const qn_jlist *a, const qn_jlist *b, int depth, int *out) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        QN_TRY(qn_jv_equal(a->v[i], b->v[i], depth, &same));
        if (!same)
            return qn_jv_order(a->v[i], b->v[i], depth, out);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return 0;
}

int qn_jv_order(qn_jv a, qn_jv b, int depth, int *out) {
    if (depth > QN_JDEPTH)
        return too_deep();
    if (qn_jv_number(a) && qn_jv_number(b)) {
        *out = number_order(a, b);
        return 0;
    }
    if (a.kind == QN_JSTR && b.kind == QN_JSTR) {
        int d = qn_jstr_order(a.u.s, b.u.s);
        *out = (d > 0) - (d < 0);
        return 0;
    }
    if (a.kind == b.kind && (a.kind == QN_JLIST || a.kind == QN_JTUPLE))
        return list_order(a.u.list, b.u.list, depth + 1, out);
    return qn_fail(QN_ETEMPLATE, "'%s' and '%s' have no order: expected two numbers, two strings or two lists",
                   qn_jv_type(a), qn_jv_type(b));
}

static bool hashable(qn_jv v, int depth) {
    if (v.kind == QN_JLIST || v.kind == QN_JDICT || depth > QN_JDEPTH)
        return false;
    if (v.kind == QN_JTUPLE)
        for (size_t i = 0; i < v.u.list->n; i++)
            if (!hashable(v.u.list->v[i], depth + 1))
                return false;
    return true;
}

bool qn_jv_hashable(qn_jv v) {
    return hashable(v, 0);
}

/* Equal keys hash alike: 1, 1.0 and True are one key. */
static uint64_t key_hash(qn_jv v) {
    if (v.kind == QN_JSTR)
        return qn_hash_bytes(v.u.s->s, v.u.s->n, 0);
    if (qn_jv_number(v)) {
        double f = qn_jv_double(v);
        f = f == 0 ? 0 : f;
        return qn_hash_bytes(&f, sizeof f, 1);
    }
    uint64_t h = v.kind;
    if (v.kind == QN_JTUPLE)
        for (size_t i = 0; i < v.u.list->n; i++)
            h = h * 0x9E3779B97F4A7C15u + key_hash(v.u.list->v[i]);
    return h;
}

static bool key_equal(qn_jv a, qn_jv b) {
    bool same;
    return qn_jv_equal(a, b, 0, &same) == 0 && same;
}

int qn_jv_dict(qn_jarena *a, size_t room, qn_jv *out) {
    qn_jdict *d;
    QN_TRY(QN_JNEW(a, d, 1));
    *d = (qn_jdict){0};
    if (room) {
        QN_TRY(QN_JNEW(a, d->e, room));
        d->cap = room;
    }
    *out = (qn_jv){.kind = QN_JDICT, .u.dict = d};
    return 0;
}

static void index_put(qn_jdict *d, size_t entry) {
    size_t at = key_hash(d->e[entry].key) & (d->index_cap - 1);
    while (d->index[at])
        at = (at + 1) & (d->index_cap - 1);
    d->index[at] = (uint32_t)(entry + 1);
}

static int index_build(qn_jarena *a, qn_jdict *d) {
    d->index_cap = d->index_cap ? d->index_cap * 4 : 64;
    QN_TRY(QN_JNEW(a, d->index, d->index_cap));
    memset(d->index, 0, d->index_cap * sizeof *d->index);
    for (size_t i = 0; i < d->n; i++)
        index_put(d, i);
    return 0;
}

static int64_t entry_find(const qn_jdict *d, qn_jv key) {
    if (!d->index) {
        for (size_t i = 0; i < d->n; i++)
            if (key_equal(d->e[i].key, key))
                return (int64_t)i;
        return -1;
    }
    size_t at = key_hash(key) & (d->index_cap - 1);
    for (; d->index[at]; at = (at + 1) & (d->index_cap - 1))
        if (key_equal(d->e[d->index[at] - 1].key, key))
            return d->index[at] - 1;
    return -1;
}

const qn_jv *qn_jdict_get(const qn_jdict *d, qn_jv key) {
    int64_t at = entry_find(d, key);
    return at < 0 ? NULL : &d->e[at].value;
}

const qn_jv *qn_jdict_find(const qn_jdict *d, qn_str key) {
    qn_jstr s = {key.s, key.n, NULL, false};
    return qn_jdict_get(d, (qn_jv){.kind = QN_JSTR, .u.s = &s});
}

int qn_jdict_put(qn_jarena *a, qn_jdict *d, qn_jv key, qn_jv value) {
    int64_t at = entry_find(d, key);
    if (at >= 0) {
        d->e[at].value = value;
        return 0;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        qn_jpair *p = qn_jarena_grow(a, d->e, d->cap * sizeof *p, cap * sizeof *p);
        if (!p)
            return a->rc;
        d->e = p;
        d->cap = cap;
    }
    d->e[d->n++] = (qn_jpair){key, value};
    if (d->n < INDEX_FROM)
        return 0;
    if (!d->index || d->n * 2 > d->index_cap)
        return index_build(a, d);
    index_put(d, d->n - 1);
    return 0;
}
