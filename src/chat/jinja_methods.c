/* chat/jinja_methods.c — the methods of dicts, lists and cyclers; which methods the sandbox forbids. */
#include "chat/jinja_run.h"

typedef enum { KEYS, VALUES, ITEMS } view_of;

static int view(qn_jrun *r, qn_jv self, view_of what, const char *name, qn_jv *out) {
    const qn_jdict *d = self.u.dict;
    QN_TRY(qn_jv_list(&r->arena, QN_JVIEW, d->n, out));
    out->data = self.data;
    out->u.list->view = name;
    for (size_t i = 0; i < d->n; i++) {
        qn_jv v = what == KEYS ? d->e[i].key : d->e[i].value;
        if (what == ITEMS) {
            QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, 2, &v));
            v.data = self.data;
            QN_TRY(qn_jlist_add(&r->arena, v.u.list, d->e[i].key));
            QN_TRY(qn_jlist_add(&r->arena, v.u.list, d->e[i].value));
        }
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, v));
    }
    return 0;
}

static int d_keys(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return view(r, self, KEYS, "dict_keys", out);
}

static int d_values(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return view(r, self, VALUES, "dict_values", out);
}

static int d_items(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return view(r, self, ITEMS, "dict_items", out);
}

static int d_get(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    if (!qn_jv_hashable(a->v[0]))
        return qn_jrun_fail(r, "get: a %s cannot be a key", qn_jv_type(a->v[0]));
    const qn_jv *v = qn_jdict_get(self.u.dict, a->v[0]);
    *out = v ? *v : qn_jarg_given(a, 1) ? a->v[1] : qn_jv_none();
    return 0;
}

/* Nothing can change a list or a dict, so a copy is the thing itself. */
static int copy(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)r;
    (void)a;
    *out = self;
    return 0;
}

static int l_count(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    int64_t n = 0;
    QN_TRY(qn_jrun_charge(r, self.u.list->n * 16));
    for (size_t i = 0; i < self.u.list->n; i++) {
        bool same;
        QN_TRY(qn_jv_equal(self.u.list->v[i], a->v[0], 0, &same));
        n += same;
    }
    *out = qn_jv_int(n);
    return 0;
}

static int l_index(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    int64_t n = (int64_t)self.u.list->n, from, to;
    QN_TRY(qn_jarg_int(r, a, 1, 0, &from));
    QN_TRY(qn_jarg_int(r, a, 2, n, &to));
    QN_TRY(qn_jrun_charge(r, self.u.list->n * 16));
    from = from < 0 ? QN_MAX(from + n, 0) : from;
    to = to < 0 ? to + n : QN_MIN(to, n);
    for (int64_t i = from; i < to; i++) {
        bool same;
        QN_TRY(qn_jv_equal(self.u.list->v[i], a->v[0], 0, &same));
        if (same) {
            *out = qn_jv_int(i);
            return 0;
        }
    }
    return qn_jrun_fail(r, "index: the value is not in the list");
}

static int c_next(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jcycle *c = self.u.cycle;
    (void)r;
    (void)a;
    *out = c->items->v[c->at];
    c->at = (c->at + 1) % c->items->n;
    return 0;
}

static int c_reset(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)r;
    (void)a;
    self.u.cycle->at = 0;
    *out = qn_jv_none();
    return 0;
}

static int i_is_integer(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    double f = self.u.f;
    (void)r;
    (void)a;
    *out = qn_jv_bool(f - f == 0 && f == (double)(int64_t)QN_MAX(QN_MIN(f, 9e18), -9e18));
    return 0;
}

static const qn_jbuiltin dict_methods[] = {
    {"copy", copy, "", 0}, {"get", d_get, ".key .default", 1}, {"items", d_items, "", 0}, {"keys", d_keys, "", 0},
    {"values", d_values, "", 0},
};
static const qn_jbuiltin list_methods[] = {
    {"copy", copy, "", 0}, {"count", l_count, ".value", 1}, {"index", l_index, ".value .start .stop", 1},
};
static const qn_jbuiltin cycler_methods[] = {{"next", c_next, "", 0}, {"reset", c_reset, "", 0}};
static const qn_jbuiltin float_methods[] = {{"is_integer", i_is_integer, "", 0}};

const qn_jbuiltin *qn_jmethod_find(qn_jv self, const qn_jstr *name) {
    switch ((qn_jkind)self.kind) {
    case QN_JSTR: return qn_jstr_method_find(name);
    case QN_JDICT: return qn_jbuiltin_find(dict_methods, QN_LEN(dict_methods), name);
    case QN_JLIST: return qn_jbuiltin_find(list_methods, QN_LEN(list_methods), name);
    case QN_JTUPLE: case QN_JRANGE: return qn_jbuiltin_find(list_methods + 1, QN_LEN(list_methods) - 1, name);
    case QN_JCYCLER: return qn_jbuiltin_find(cycler_methods, QN_LEN(cycler_methods), name);
    case QN_JFLOAT: return qn_jbuiltin_find(float_methods, QN_LEN(float_methods), name);
    default: return NULL;
    }
}

bool qn_jmethod_changes(qn_jv self, const qn_jstr *name) {
    static const char *const lists[] = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
    static const char *const dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
    for (size_t i = 0; self.kind == QN_JLIST && i < QN_LEN(lists); i++)
        if (qn_jstr_is(name, lists[i]))
            return true;
    for (size_t i = 0; self.kind == QN_JDICT && i < QN_LEN(dicts); i++)
        if (qn_jstr_is(name, dicts[i]))
            return true;
    return false;
}
