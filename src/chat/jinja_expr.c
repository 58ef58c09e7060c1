/* chat/jinja_expr.c — runs expressions: look-ups, operators, filters, tests.
 *
 * obj.name asks for an attribute first and an item second, obj['name'] the other way round; what is not there is
 * undefined, and only using an undefined value is an error. */
#include "chat/jinja_run.h"

int qn_jrun_undefined(qn_jrun *r, qn_jv v) {
    const qn_jundef *u = v.u.undef;
    qn_str name = u->name ? qn_jstr_view(u->name) : QN_STR("");
    if (u->unsafe)
        return qn_jrun_fail(r, "'%.*s' of a %s may not be used in a chat template", QN_STR_ARG(name), u->type);
    if (u->hint && !u->name)
        return qn_jrun_fail(r, "%s", u->hint);
    if (u->hint)
        return qn_jrun_fail(r, "'%.*s' is undefined: %s", QN_STR_ARG(name), u->hint);
    if (u->type)
        return qn_jrun_fail(r, "a %s has no attribute '%.*s'", u->type, QN_STR_ARG(name));
    return qn_jrun_fail(r, "'%.*s' is undefined", QN_STR_ARG(name));
}

/* ---- look-ups ------------------------------------------------------------------------------------------------ */

static int bind_method(qn_jrun *r, qn_jv self, const qn_jbuiltin *f, qn_jv *out) {
    qn_jmethod *m;
    QN_TRY(QN_JNEW(&r->arena, m, 1));
    *m = (qn_jmethod){self, f};
    *out = (qn_jv){.kind = QN_JMETHOD, .u.method = m};
    return 0;
}

/* Python's getattr: false in *found where it would raise AttributeError. */
static int attribute(qn_jrun *r, qn_jv obj, const qn_jstr *name, bool *found, qn_jv *out) {
    *found = true;
    if (obj.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, obj);
    if (obj.kind == QN_JLOOP)
        return qn_jloop_attr(r, obj, name, out);
    const qn_jbuiltin *f = qn_jmethod_find(obj, name);
    if (f)
        return bind_method(r, obj, f, out);
    if (qn_jmethod_changes(obj, name)) {
        QN_TRY(qn_jv_undefined(&r->arena, name, qn_jv_type(obj), NULL, out));
        out->u.undef->unsafe = true;
        return 0;
    }
    const qn_jv *v = obj.kind == QN_JNAMESPACE ? qn_jdict_find(obj.u.dict, qn_jstr_view(name)) : NULL;
    if (obj.kind == QN_JTUPLE && obj.u.list->view && obj.u.list->n == 2)        /* of groupby */
        v = qn_jstr_is(name, "grouper") ? &obj.u.list->v[0] : qn_jstr_is(name, "list") ? &obj.u.list->v[1] : v;
    if (obj.kind == QN_JCYCLER && qn_jstr_is(name, "current"))
        v = &obj.u.cycle->items->v[obj.u.cycle->at];
    if (obj.kind == QN_JMACRO && obj.u.macro->name && qn_jstr_is(name, "name"))
        return qn_jv_str(&r->arena, *obj.u.macro->name, out);
    if (v)
        *out = *v;
    *found = v != NULL;
    return 0;
}

static int nothing(qn_jrun *r, qn_jv obj, const qn_jstr *name, qn_jv *out) {
    return qn_jv_undefined(&r->arena, name, qn_jv_type(obj), NULL, out);
}

int qn_jattr(qn_jrun *r, qn_jv obj, const qn_jstr *name, qn_jv *out) {
    bool found;
    QN_TRY(attribute(r, obj, name, &found, out));
    if (found)
        return 0;
    const qn_jv *v = obj.kind == QN_JDICT ? qn_jdict_find(obj.u.dict, qn_jstr_view(name)) : NULL;
    if (!v)
        return nothing(r, obj, name, out);
    *out = *v;
    return 0;
}

/* obj[i] of a string: one character. */
static int char_at(qn_jrun *r, const qn_jstr *s, int64_t i, bool *found, qn_jv *out) {
    int64_t n = qn_jstr_length(s);
    QN_TRY(qn_jrun_charge(r, s->n));
    i = i < 0 ? i + n : i;
    *found = i >= 0 && i < n;
    if (!*found)
        return 0;
    size_t at = qn_jstr_offset(s, i);
    uint32_t c;
    return qn_jv_str(&r->arena, qn_jstr_cut(s, at, at + qn_jstr_char(s, at, &c)), out);
}

int qn_jitem(qn_jrun *r, qn_jv obj, qn_jv key, qn_jv *out) {
    int64_t i;
    bool found = false;
    if (obj.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, obj);
    if (obj.kind == QN_JDICT && qn_jv_hashable(key)) {
        const qn_jv *v = qn_jdict_get(obj.u.dict, key);
        found = v != NULL;
        *out = v ? *v : *out;
    } else if (qn_jv_sequence(obj) && qn_jv_integral(key, &i)) {
        const qn_jlist *l = obj.u.list;
        i = i < 0 ? i + (int64_t)l->n : i;
        found = i >= 0 && (size_t)i < l->n;
        *out = found ? l->v[i] : *out;
    } else if (obj.kind == QN_JSTR && qn_jv_integral(key, &i)) {
        QN_TRY(char_at(r, obj.u.s, i, &found, out));
    }
    if (!found && key.kind == QN_JSTR)
        QN_TRY(attribute(r, obj, key.u.s, &found, out));
    return found ? 0 : nothing(r, obj, key.kind == QN_JSTR ? key.u.s : NULL, out);
}

/* ---- comparisons --------------------------------------------------------------------------------------------- */

int qn_jcontains(qn_jrun *r, qn_jv item, qn_jv in, bool *out) {
    *out = false;
    if (in.kind == QN_JSTR) {
        if (item.kind != QN_JSTR)
            return qn_jrun_fail(r, "'in' a string needs a string on its left, not %s", qn_jv_type(item));
        *out = qn_jstr_find(in.u.s, item.u.s, 0, in.u.s->n) >= 0;
        return qn_jrun_charge(r, in.u.s->n);
    }
    if (in.kind == QN_JDICT) {
        if (!qn_jv_hashable(item))
            return qn_jrun_fail(r, "a %s cannot be a key", qn_jv_type(item));
        *out = qn_jdict_get(in.u.dict, item) != NULL;
        return 0;
    }
    if (in.kind == QN_JUNDEFINED)
        return 0;
    if (!qn_jv_iterable(in))
        return qn_jrun_fail(r, "'in' needs a string, list or dict on its right, not %s", qn_jv_type(in));
    qn_jlist *l;
    QN_TRY(qn_jitems(r, in, &l));
    QN_TRY(qn_jrun_charge(r, l->n * 16));
    for (size_t i = 0; i < l->n && !*out; i++)
        QN_TRY(qn_jv_equal(item, l->v[i], 0, out));
    return 0;
}

int qn_jcompare(qn_jrun *r, qn_jcmp how, qn_jv a, qn_jv b, bool *out) {
    int order;
    if (how == QN_CMP_IN || how == QN_CMP_NOT_IN) {
        QN_TRY(qn_jcontains(r, a, b, out));
        *out = *out == (how == QN_CMP_IN);
        return 0;
    }
    if (how == QN_CMP_EQ || how == QN_CMP_NE) {
        QN_TRY(qn_jv_equal(a, b, 0, out));
        *out = *out == (how == QN_CMP_EQ);
        return 0;
    }
    if (a.kind == QN_JUNDEFINED || b.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, a.kind == QN_JUNDEFINED ? a : b);
    QN_TRY(qn_jv_order(a, b, 0, &order));
    *out = order != 2 && (how == QN_CMP_LT ? order < 0 : how == QN_CMP_LE ? order <= 0
                                                     : how == QN_CMP_GT   ? order > 0
                                                                          : order >= 0);
    return 0;
}

static int eval_compare(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv left, right;
    bool ok = true;
    QN_TRY(qn_jexpr(r, sc, n->a, &left));
    for (size_t i = 0; i < n->list.n && ok; i++, left = right) {
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &right));
        r->pos = n->pos;
        QN_TRY(qn_jcompare(r, (qn_jcmp)n->op[i], left, right, &ok));
    }
    *out = qn_jv_bool(ok);
    return 0;
}

/* ---- the other nodes ----------------------------------------------------------------------------------------- */

static int eval_name(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    const qn_jv *v = qn_jscope_find(r, sc, n->id);
    if (!v)
        return qn_jv_undefined(&r->arena, n->name, NULL, NULL, out);
    *out = *v;
    return 0;
}

static int eval_list(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    QN_TRY(qn_jv_list(&r->arena, n->kind == QN_NLIST ? QN_JLIST : QN_JTUPLE, n->list.n, out));
    for (size_t i = 0; i < n->list.n; i++) {
        qn_jv v;
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &v));
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, v));
    }
    return 0;
}

static int eval_dict(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    QN_TRY(qn_jv_dict(&r->arena, n->list.n / 2, out));
    for (size_t i = 0; i < n->list.n; i += 2) {
        qn_jv key, value;
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &key));
        QN_TRY(qn_jexpr(r, sc, n->list.v[i + 1], &value));
        r->pos = n->pos;
        if (!qn_jv_hashable(key))
            return qn_jrun_fail(r, "a %s cannot be a key", qn_jv_type(key));
        QN_TRY(qn_jdict_put(&r->arena, out->u.dict, key, value));
    }
    return 0;
}

static int eval_slice(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv obj, at[3];
    QN_TRY(qn_jexpr(r, sc, n->a, &obj));
    for (int i = 0; i < 3; i++) {
        at[i] = qn_jv_none();
        if (n->list.v[i])
            QN_TRY(qn_jexpr(r, sc, n->list.v[i], &at[i]));
    }
    r->pos = n->pos;
    return qn_jslice(r, obj, at, out);
}

static int eval_lookup(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv obj, key;
    QN_TRY(qn_jexpr(r, sc, n->a, &obj));
    if (n->kind == QN_NATTR) {
        r->pos = n->pos;
        return qn_jattr(r, obj, n->name, out);
    }
    QN_TRY(qn_jexpr(r, sc, n->b, &key));
    r->pos = n->pos;
    return qn_jitem(r, obj, key, out);
}

static int eval_applied(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv operand;
    qn_jargs a;
    if (n->a)
        QN_TRY(qn_jexpr(r, sc, n->a, &operand));
    else
        operand = *r->block_text;
    QN_TRY(qn_jcall_args(r, sc, n, &a));
    r->pos = n->pos;
    if (!n->func)
        return qn_jrun_fail(r, "there is no %s named '%.*s'", n->kind == QN_NFILTER ? "filter" : "test",
                            QN_STR_ARG(qn_jstr_view(n->name)));
    return qn_jcall_builtin(r, n->func, operand, &a, out);
}

static int eval_concat(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv *v;
    qn_jsb b;
    QN_TRY(QN_JNEW(&r->arena, v, n->list.n));
    for (size_t i = 0; i < n->list.n; i++)
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &v[i]));
    r->pos = n->pos;
    qn_jsb_init(&b, &r->arena);
    for (size_t i = 0; i < n->list.n; i++)
        QN_TRY(qn_jv_print(&b, v[i], 0));
    return qn_jtext_value(r, &b, out);
}

static int eval_conditional(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv test;
    QN_TRY(qn_jexpr(r, sc, n->b, &test));
    if (qn_jv_truth(test))
        return qn_jexpr(r, sc, n->a, out);
    if (n->c)
        return qn_jexpr(r, sc, n->c, out);
    return qn_jv_undefined(&r->arena, NULL, NULL, "the condition is false and there is no else", out);
}

static int eval_logic(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    QN_TRY(qn_jexpr(r, sc, n->a, out));
    if (n->kind == QN_NNOT) {
        *out = qn_jv_bool(!qn_jv_truth(*out));
        return 0;
    }
    return qn_jv_truth(*out) == (n->kind == QN_NAND) ? qn_jexpr(r, sc, n->b, out) : 0;
}

static int eval_math(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jv a, b;
    QN_TRY(qn_jexpr(r, sc, n->a, &a));
    if (n->kind == QN_NNEG || n->kind == QN_NPOS) {
        r->pos = n->pos;
        return qn_jmath_sign(r, n->kind == QN_NNEG, a, out);
    }
    QN_TRY(qn_jexpr(r, sc, n->b, &b));
    r->pos = n->pos;
    return n->kind == QN_NADD ? qn_jadd(r, a, b, out) : qn_jmath(r, (qn_jnode_kind)n->kind, a, b, out);
}

static int eval(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    switch ((qn_jnode_kind)n->kind) {
    case QN_NCONST: *out = n->v; return 0;
    case QN_NNAME: return eval_name(r, sc, n, out);
    case QN_NLIST: case QN_NTUPLE: return eval_list(r, sc, n, out);
    case QN_NDICT: return eval_dict(r, sc, n, out);
    case QN_NATTR: case QN_NITEM: return eval_lookup(r, sc, n, out);
    case QN_NSLICE: return eval_slice(r, sc, n, out);
    case QN_NCALL: return qn_jcall_node(r, sc, n, NULL, out);
    case QN_NFILTER: case QN_NTEST: return eval_applied(r, sc, n, out);
    case QN_NNOT: case QN_NAND: case QN_NOR: return eval_logic(r, sc, n, out);
    case QN_NCONCAT: return eval_concat(r, sc, n, out);
    case QN_NCOMPARE: return eval_compare(r, sc, n, out);
    case QN_NIFELSE: return eval_conditional(r, sc, n, out);
    default: return eval_math(r, sc, n, out);
    }
}

int qn_jexpr(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    QN_TRY(qn_jrun_enter(r));
    r->pos = n->pos;
    *out = (qn_jv){.kind = QN_JNONE};
    QN_TRY(eval(r, sc, n, out));
    qn_jrun_leave(r);
    return 0;
}
