/* chat/jinja_filters.c — filters on sequences; those on single values and on texts have files of their own.
 *
 * What Jinja gives as a generator (map, select, unique, items …) is an iterator here too: it is true, has no length and
 * can be walked once. */
#include "chat/jinja_run.h"

#include <string.h>

static int list_new(qn_jrun *r, qn_jkind kind, bool data, qn_jv *out) {
    QN_TRY(qn_jv_list(&r->arena, kind, 0, out));
    out->data = data;
    return 0;
}

/* ---- attribute paths: 'a.b.0' -------------------------------------------------------------------------------- */

static bool all_digits(const qn_jstr *s) {
    for (size_t i = 0; i < s->n; i++)
        if (s->s[i] < '0' || s->s[i] > '9')
            return false;
    return s->n > 0;
}

static int attr_get(qn_jrun *r, qn_jv attribute, qn_jv absent, qn_jv item, qn_jv *out) {
    *out = item;
    if (attribute.kind == QN_JMISSING || attribute.kind == QN_JNONE)
        return 0;
    if (attribute.kind != QN_JSTR)
        return qn_jitem(r, item, attribute, out);
    const qn_jstr *path = attribute.u.s;
    for (size_t at = 0; at <= path->n;) {
        size_t end = at;
        while (end < path->n && path->s[end] != '.')
            end++;
        qn_jstr part = qn_jstr_cut(path, at, end);
        qn_jv key;
        int64_t index;
        QN_TRY(qn_jv_str(&r->arena, part, &key));
        if (all_digits(&part) && qn_parse_i64(qn_jstr_view(&part), &index))
            key = qn_jv_int(index);
        QN_TRY(qn_jitem(r, *out, key, out));
        if (out->kind == QN_JUNDEFINED && absent.kind != QN_JMISSING && absent.kind != QN_JNONE)
            *out = absent;
        at = end + 1;
    }
    return 0;
}

static int fold_case(qn_jrun *r, bool case_sensitive, qn_jv *v) {
    qn_jsb b;
    if (case_sensitive || v->kind != QN_JSTR)
        return 0;
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jstr_case(&b, v->u.s, QN_JLOWER));
    return qn_jtext_value(r, &b, v);
}

/* ---- sorting ------------------------------------------------------------------------------------------------- */

typedef struct { qn_jv key, item; } keyed;

static int key_order(qn_jrun *r, qn_jv a, qn_jv b, int *out) {
    if (a.kind == QN_JUNDEFINED || b.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, a.kind == QN_JUNDEFINED ? a : b);
    r->steps--;
    QN_TRY(qn_jrun_charge(r, 0));
    return qn_jv_order(a, b, 0, out);
}

/* Stable merge sort of v[0, n); a comparison may fail. */
static int merge_sort(qn_jrun *r, keyed *v, keyed *temp, size_t n, bool reverse) {
    if (n < 2)
        return 0;
    size_t half = n / 2, i = 0, j = half, o = 0;
    QN_TRY(merge_sort(r, v, temp, half, reverse));
    QN_TRY(merge_sort(r, v + half, temp, n - half, reverse));
    while (i < half && j < n) {
        int order;
        QN_TRY(key_order(r, v[i].key, v[j].key, &order));
        bool right = reverse ? order < 0 : order > 0 && order != 2;
        temp[o++] = right ? v[j++] : v[i++];
    }
    memcpy(temp + o, v + i, (half - i) * sizeof *v);
    memcpy(v, temp, (o + half - i) * sizeof *v);
    return 0;
}

/* 'a,b.c' sorts by several attributes; one key per item, a list of them for several. */
static int sort_key(qn_jrun *r, qn_jv attribute, bool case_sensitive, qn_jv item, qn_jv *out) {
    if (attribute.kind != QN_JSTR || !memchr(attribute.u.s->s, ',', attribute.u.s->n)) {
        QN_TRY(attr_get(r, attribute, qn_jv_none(), item, out));
        return fold_case(r, case_sensitive, out);
    }
    const qn_jstr *s = attribute.u.s;
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 2, out));
    for (size_t at = 0; at <= s->n;) {
        size_t end = at;
        while (end < s->n && s->s[end] != ',')
            end++;
        qn_jv part, key;
        QN_TRY(qn_jv_str(&r->arena, qn_jstr_cut(s, at, end), &part));
        QN_TRY(attr_get(r, part, qn_jv_none(), item, &key));
        QN_TRY(fold_case(r, case_sensitive, &key));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, key));
        at = end + 1;
    }
    return 0;
}

static int sorted(qn_jrun *r, const qn_jlist *l, qn_jv attribute, bool case_sensitive, bool reverse, keyed **out) {
    keyed *temp;
    QN_TRY(QN_JNEW(&r->arena, *out, l->n + 1));
    QN_TRY(QN_JNEW(&r->arena, temp, l->n + 1));
    for (size_t i = 0; i < l->n; i++) {
        (*out)[i].item = l->v[i];
        QN_TRY(sort_key(r, attribute, case_sensitive, l->v[i], &(*out)[i].key));
    }
    return merge_sort(r, *out, temp, l->n, reverse);
}

static int f_sort(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    keyed *v;
    QN_TRY(qn_jitems(r, self, &l));
    QN_TRY(sorted(r, l, a->v[2], qn_jarg_bool(a, 1), qn_jarg_bool(a, 0), &v));
    QN_TRY(list_new(r, QN_JLIST, self.data, out));
    for (size_t i = 0; i < l->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, v[i].item));
    return 0;
}

static int add_pairs(qn_jrun *r, qn_jv dict, qn_jv *out) {
    for (size_t i = 0; i < dict.u.dict->n; i++) {
        qn_jv pair;
        QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, 2, &pair));
        pair.data = dict.data;
        QN_TRY(qn_jlist_add(&r->arena, pair.u.list, dict.u.dict->e[i].key));
        QN_TRY(qn_jlist_add(&r->arena, pair.u.list, dict.u.dict->e[i].value));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, pair));
    }
    return 0;
}

static int f_dictsort(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jv pairs, by = qn_jv_int(0);
    keyed *v;
    if (self.kind != QN_JDICT)
        return qn_jrun_fail(r, "dictsort needs a dict, not %s", qn_jv_type(self));
    if (qn_jarg_given(a, 1)) {
        if (a->v[1].kind != QN_JSTR || !(qn_jstr_is(a->v[1].u.s, "key") || qn_jstr_is(a->v[1].u.s, "value")))
            return qn_jrun_fail(r, "dictsort sorts by 'key' or by 'value'");
        by = qn_jv_int(qn_jstr_is(a->v[1].u.s, "value"));
    }
    QN_TRY(list_new(r, QN_JLIST, self.data, &pairs));
    QN_TRY(add_pairs(r, self, &pairs));
    QN_TRY(sorted(r, pairs.u.list, by, qn_jarg_bool(a, 0), qn_jarg_bool(a, 2), &v));
    QN_TRY(list_new(r, QN_JLIST, self.data, out));
    for (size_t i = 0; i < pairs.u.list->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, v[i].item));
    return 0;
}

static int f_groupby(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    keyed *v;
    qn_jv group = qn_jv_none(), key;
    QN_TRY(qn_jitems(r, self, &l));
    QN_TRY(sorted(r, l, a->v[0], qn_jarg_bool(a, 2), false, &v));
    QN_TRY(list_new(r, QN_JLIST, self.data, out));
    for (size_t i = 0; i < l->n; i++) {
        bool same = false;
        if (i)
            QN_TRY(qn_jv_equal(v[i].key, v[i - 1].key, 0, &same));
        if (!same) {
            qn_jv pair;
            QN_TRY(attr_get(r, a->v[0], a->v[1], v[i].item, &key));
            QN_TRY(list_new(r, QN_JLIST, self.data, &group));
            QN_TRY(list_new(r, QN_JTUPLE, self.data, &pair));
            pair.u.list->view = "group";
            QN_TRY(qn_jlist_add(&r->arena, pair.u.list, key));
            QN_TRY(qn_jlist_add(&r->arena, pair.u.list, group));
            QN_TRY(qn_jlist_add(&r->arena, out->u.list, pair));
        }
        QN_TRY(qn_jlist_add(&r->arena, group.u.list, v[i].item));
    }
    return 0;
}

static int fill_unique(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    qn_jv seen;
    QN_TRY(qn_jitems(r, self, &l));
    QN_TRY(qn_jv_dict(&r->arena, 0, &seen));
    for (size_t i = 0; i < l->n; i++) {
        qn_jv key;
        QN_TRY(sort_key(r, a->v[1], qn_jarg_bool(a, 0), l->v[i], &key));
        if (!qn_jv_hashable(key))
            return qn_jrun_fail(r, "unique: a %s cannot be a key", qn_jv_type(key));
        if (qn_jdict_get(seen.u.dict, key))
            continue;
        QN_TRY(qn_jdict_put(&r->arena, seen.u.dict, key, key));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, l->v[i]));
    }
    return 0;
}

static int extreme(qn_jrun *r, qn_jv self, const qn_jargs *a, int sign, qn_jv *out) {
    qn_jlist *l;
    qn_jv best = {0}, key;
    QN_TRY(qn_jitems(r, self, &l));
    if (l->n == 0)
        return qn_jv_undefined(&r->arena, NULL, NULL, "the sequence is empty: it has no extreme", out);
    for (size_t i = 0; i < l->n; i++) {
        int order = sign;
        QN_TRY(sort_key(r, a->v[1], qn_jarg_bool(a, 0), l->v[i], &key));
        if (i)
            QN_TRY(key_order(r, key, best, &order));
        if (i == 0 || order == sign) {
            best = key;
            *out = l->v[i];
        }
    }
    return 0;
}

static int f_min(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return extreme(r, self, a, -1, out); }
static int f_max(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return extreme(r, self, a, 1, out); }

/* ---- map, select and their kin ------------------------------------------------------------------------------- */

static const qn_jv *keyword(const qn_jargs *a, const char *name) {
    for (size_t k = 0; k < a->kws; k++)
        if (qn_jstr_is(a->kw[k].name, name))
            return &a->kw[k].v;
    return NULL;
}

/* The filter or test that is named by argument `at`. */
static int named(qn_jrun *r, const qn_jargs *a, size_t at, const char *what, const qn_jbuiltin **out) {
    if (a->v[at].kind != QN_JSTR)
        return qn_jrun_fail(r, "the name of a %s must be a string, not %s", what, qn_jv_type(a->v[at]));
    const qn_jstr *name = a->v[at].u.s;
    *out = strcmp(what, "filter") == 0 ? qn_jfilter_find(name) : qn_jtest_find(name);
    return *out ? 0 : qn_jrun_fail(r, "there is no %s named '%.*s'", what, QN_STR_ARG(qn_jstr_view(name)));
}

/* The arguments behind the first `skip`. */
static qn_jargs rest_of(const qn_jargs *a, size_t skip) {
    bool more = a->n > skip;
    return (qn_jargs){more ? a->v + skip : NULL, more ? a->n - skip : 0, a->kw, a->kws};
}

static int fill_map(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    const qn_jbuiltin *f = NULL;
    const qn_jv *attribute = keyword(a, "attribute"), *absent = keyword(a, "default");
    if (!qn_jv_truth(self))
        return 0;
    if (a->n)
        QN_TRY(named(r, a, 0, "filter", &f));
    else if (!attribute || a->kws > 1u + (absent != NULL))
        return qn_jrun_fail(r, "map needs the name of a filter or attribute=…");
    QN_TRY(qn_jitems(r, self, &l));
    qn_jargs rest = rest_of(a, a->n > 0);
    for (size_t i = 0; i < l->n; i++) {
        qn_jv v;
        r->steps--;
        if (f)
            QN_TRY(qn_jcall_builtin(r, f, l->v[i], &rest, &v));
        else
            QN_TRY(attr_get(r, *attribute, absent ? *absent : qn_jv_none(), l->v[i], &v));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, v));
    }
    return qn_jrun_charge(r, 0);
}

static int choose(qn_jrun *r, qn_jv self, const qn_jargs *a, bool by_attribute, bool keep, qn_jv *out) {
    qn_jlist *l;
    const qn_jbuiltin *test = NULL;
    size_t skip = by_attribute;
    if (!qn_jv_truth(self))
        return 0;
    if (by_attribute && a->n == 0)
        return qn_jrun_fail(r, "the name of an attribute is missing");
    if (a->n > skip)
        QN_TRY(named(r, a, skip++, "test", &test));
    QN_TRY(qn_jitems(r, self, &l));
    qn_jargs rest = rest_of(a, skip);
    for (size_t i = 0; i < l->n; i++) {
        qn_jv v = l->v[i], hit;
        r->steps--;
        if (by_attribute)
            QN_TRY(attr_get(r, a->v[0], qn_jv_none(), v, &v));
        hit = v;
        if (test)
            QN_TRY(qn_jcall_builtin(r, test, v, &rest, &hit));
        if (qn_jv_truth(hit) == keep)
            QN_TRY(qn_jlist_add(&r->arena, out->u.list, l->v[i]));
    }
    return qn_jrun_charge(r, 0);
}

#define CHOOSE(name, by_attribute, keep)                                                          \
    static int fill_##name(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {               \
        return choose(r, self, a, by_attribute, keep, out);                                       \
    }
CHOOSE(select, false, true)
CHOOSE(reject, false, false)
CHOOSE(selectattr, true, true)
CHOOSE(rejectattr, true, false)

/* ---- parts of sequences -------------------------------------------------------------------------------------- */

static int f_first(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    (void)a;
    if (self.kind == QN_JITER) {                 /* takes one item, the rest stays */
        l = self.u.list;
        if (l->at < l->n) {
            *out = l->v[l->at++];
            return 0;
        }
        if (l->error)
            return qn_jrun_fail(r, "%s", l->error);
    } else {
        QN_TRY(qn_jitems(r, self, &l));
        if (l->n) {
            *out = l->v[0];
            return 0;
        }
    }
    return qn_jv_undefined(&r->arena, NULL, NULL, "the sequence is empty: it has no first item", out);
}

static int f_last(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    (void)a;
    if (self.kind == QN_JITER)
        return qn_jrun_fail(r, "a generator has no last item: put |list before |last");
    QN_TRY(qn_jitems(r, self, &l));
    if (l->n == 0)
        return qn_jv_undefined(&r->arena, NULL, NULL, "the sequence is empty: it has no last item", out);
    *out = l->v[l->n - 1];
    return 0;
}

static int f_list(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    (void)a;
    QN_TRY(qn_jitems(r, self, &l));
    QN_TRY(list_new(r, QN_JLIST, self.data, out));
    out->u.list->v = l->v;                       /* shared: lists do not change; a full cap keeps additions away */
    out->u.list->n = out->u.list->cap = l->n;
    return 0;
}

static int f_length(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    int64_t n;
    switch ((qn_jkind)self.kind) {
    case QN_JUNDEFINED: n = 0; break;
    case QN_JSTR: n = qn_jstr_length(self.u.s); QN_TRY(qn_jrun_charge(r, self.u.s->n)); break;
    case QN_JLIST: case QN_JTUPLE: case QN_JRANGE: case QN_JVIEW: n = (int64_t)self.u.list->n; break;
    case QN_JDICT: n = (int64_t)self.u.dict->n; break;
    case QN_JLOOP: return qn_jloop_attr(r, self, &QN_JLIT("length"), out);
    default: return qn_jrun_fail(r, "a %s has no length", qn_jv_type(self));
    }
    *out = qn_jv_int(n);
    return 0;
}

static int f_reverse(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    qn_jv step[3] = {qn_jv_none(), qn_jv_none(), qn_jv_int(-1)};
    qn_jlist *l;
    if (self.kind == QN_JSTR)
        return qn_jslice(r, self, step, out);
    QN_TRY(qn_jitems(r, self, &l));
    QN_TRY(list_new(r, self.kind == QN_JITER ? QN_JLIST : QN_JITER, self.data, out));
    for (size_t i = l->n; i-- > 0;)
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, l->v[i]));
    return 0;
}

static int fill_batch(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    int64_t size;
    qn_jv row = qn_jv_none();
    QN_TRY(qn_jarg_int(r, a, 0, 0, &size));
    QN_TRY(qn_jitems(r, self, &l));
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || (int64_t)row.u.list->n == size) {
            QN_TRY(list_new(r, QN_JLIST, self.data, &row));
            QN_TRY(qn_jlist_add(&r->arena, out->u.list, row));
        }
        QN_TRY(qn_jlist_add(&r->arena, row.u.list, l->v[i]));
    }
    bool fill = l->n && qn_jarg_given(a, 1) && a->v[1].kind != QN_JNONE;
    while (fill && (int64_t)row.u.list->n < size) {
        QN_TRY(qn_jrun_charge(r, sizeof(qn_jv)));
        QN_TRY(qn_jlist_add(&r->arena, row.u.list, a->v[1]));
    }
    return 0;
}

static int fill_slice(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    int64_t slices, at = 0;
    QN_TRY(qn_jarg_int(r, a, 0, 0, &slices));
    QN_TRY(qn_jitems(r, self, &l));
    if (slices <= 0 || slices > 100000)
        return qn_jrun_fail(r, "slice needs a number of slices from 1 to 100000");
    for (int64_t i = 0; i < slices; i++) {
        qn_jv part;
        bool longer = i < (int64_t)l->n % slices;
        int64_t n = (int64_t)l->n / slices + longer;
        QN_TRY(list_new(r, QN_JLIST, self.data, &part));
        for (int64_t k = 0; k < n; k++)
            QN_TRY(qn_jlist_add(&r->arena, part.u.list, l->v[at++]));
        if (!longer && qn_jarg_given(a, 1) && a->v[1].kind != QN_JNONE)
            QN_TRY(qn_jlist_add(&r->arena, part.u.list, a->v[1]));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, part));
    }
    return 0;
}

static int fill_items(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    if (self.kind == QN_JUNDEFINED)
        return 0;
    return self.kind == QN_JDICT ? add_pairs(r, self, out)
                                 : qn_jrun_fail(r, "items needs a dict, not %s", qn_jv_type(self));
}

static int f_sum(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    QN_TRY(qn_jitems(r, self, &l));
    qn_jv total = qn_jarg_given(a, 1) ? a->v[1] : qn_jv_int(0);
    if (total.kind == QN_JSTR)
        return qn_jrun_fail(r, "sum does not add strings: use join");
    for (size_t i = 0; i < l->n; i++) {
        qn_jv v, next;
        QN_TRY(attr_get(r, a->v[0], qn_jv_none(), l->v[i], &v));
        QN_TRY(qn_jadd(r, total, v, &next));
        total = next;
    }
    *out = total;
    return 0;
}

/* The generators: an iterator, filled at once; an error waits in it until somebody walks that far. */
#define GENERATOR(name)                                                                           \
    static int f_##name(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {                  \
        QN_TRY(list_new(r, QN_JITER, self.data, out));                                            \
        return qn_jiter_defer(r, fill_##name(r, self, a, out), *out);                             \
    }
GENERATOR(batch)
GENERATOR(items)
GENERATOR(map)
GENERATOR(reject)
GENERATOR(rejectattr)
GENERATOR(select)
GENERATOR(selectattr)
GENERATOR(slice)
GENERATOR(unique)

static const qn_jbuiltin filters[] = {
    {"batch", f_batch, "linecount fill_with", 1},
    {"count", f_length, "", 0},
    {"dictsort", f_dictsort, "case_sensitive by reverse", 0},
    {"first", f_first, "", 0},
    {"groupby", f_groupby, "attribute default case_sensitive", 1},
    {"items", f_items, "", 0},
    {"last", f_last, "", 0},
    {"length", f_length, "", 0},
    {"list", f_list, "", 0},
    {"map", f_map, NULL, 0},
    {"max", f_max, "case_sensitive attribute", 0},
    {"min", f_min, "case_sensitive attribute", 0},
    {"reject", f_reject, NULL, 0},
    {"rejectattr", f_rejectattr, NULL, 0},
    {"reverse", f_reverse, "", 0},
    {"select", f_select, NULL, 0},
    {"selectattr", f_selectattr, NULL, 0},
    {"slice", f_slice, "slices fill_with", 1},
    {"sort", f_sort, "reverse case_sensitive attribute", 0},
    {"sum", f_sum, "attribute start", 0},
    {"unique", f_unique, "case_sensitive attribute", 0},
};

const qn_jbuiltin *qn_jfilter_find(const qn_jstr *name) {
    const qn_jbuiltin *f = qn_jbuiltin_find(filters, QN_LEN(filters), name);
    f = f ? f : qn_jfilter_value_find(name);
    return f ? f : qn_jfilter_text_find(name);
}
