/* chat/jinja_call.c — calls: arguments, macros, built-ins. */
#include "chat/jinja_run.h"

#include <stdio.h>
#include <string.h>

/* ---- arguments ----------------------------------------------------------------------------------------------- */

static int args_from_dict(qn_jrun *r, qn_jv v, qn_jargs *a) {
    if (v.kind != QN_JDICT)
        return qn_jrun_fail(r, "the value after ** must be a dict, not %s", qn_jv_type(v));
    for (size_t i = 0; i < v.u.dict->n; i++) {
        if (v.u.dict->e[i].key.kind != QN_JSTR)
            return qn_jrun_fail(r, "the keys of a dict after ** must be strings");
        a->kw[a->kws++] = (qn_jkw){v.u.dict->e[i].key.u.s, v.u.dict->e[i].value};
    }
    return 0;
}

int qn_jcall_args(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jargs *a) {
    qn_jlist *more = NULL;
    qn_jv v, dict = {.kind = QN_JMISSING};
    *a = (qn_jargs){0};
    if (n->b) {
        QN_TRY(qn_jexpr(r, sc, n->b, &v));
        QN_TRY(qn_jitems(r, v, &more));
    }
    if (n->c)
        QN_TRY(qn_jexpr(r, sc, n->c, &dict));
    size_t extra = dict.kind == QN_JDICT ? dict.u.dict->n : 0;
    size_t room = n->list.n + (more ? more->n : 0);
    if (room)
        QN_TRY(QN_JNEW(&r->arena, a->v, room));
    QN_TRY(QN_JNEW(&r->arena, a->kw, n->kw.n + extra + 1));         /* one more for `caller` */
    for (size_t i = 0; i < n->list.n; i++)
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &a->v[a->n++]));
    for (size_t i = 0; more && i < more->n; i++)
        a->v[a->n++] = more->v[i];
    for (size_t i = 0; i < n->kw.n; i++) {
        QN_TRY(qn_jexpr(r, sc, n->kw.v[i], &v));
        a->kw[a->kws++] = (qn_jkw){n->param[i].name, v};
    }
    r->pos = n->pos;
    return n->c ? args_from_dict(r, dict, a) : 0;
}

/* Binds `a` to the names in f->params; v has QN_JPARAMS places. */
static int bind(qn_jrun *r, const qn_jbuiltin *f, const qn_jargs *a, qn_jv *v, size_t *n) {
    size_t i = 0;
    bool used[64] = {false};
    if (a->kws > QN_LEN(used))
        return qn_jrun_fail(r, "%s: too many arguments", f->name);
    for (const char *p = f->params; *p; i++) {
        qn_assert(i < QN_JPARAMS);
        size_t len = strcspn(p, " ");
        bool positional = *p == '.';
        qn_str name = {p + positional, len - positional};
        v[i] = i < a->n ? a->v[i] : (qn_jv){.kind = QN_JMISSING};
        for (size_t k = 0; k < a->kws && !positional; k++) {
            if (!qn_str_eq(qn_jstr_view(a->kw[k].name), name))
                continue;
            if (v[i].kind != QN_JMISSING)
                return qn_jrun_fail(r, "%s: '%.*s' is given twice", f->name, QN_STR_ARG(name));
            v[i] = a->kw[k].v;
            used[k] = true;
        }
        if ((int)i < f->min && v[i].kind == QN_JMISSING)
            return qn_jrun_fail(r, "%s: the argument '%.*s' is missing", f->name, QN_STR_ARG(name));
        p += len;
        p += *p == ' ';
    }
    if (a->n > i)
        return qn_jrun_fail(r, "%s takes at most %zu arguments, not %zu", f->name, i, a->n);
    for (size_t k = 0; k < a->kws; k++)
        if (!used[k])
            return qn_jrun_fail(r, "%s has no argument named '%.*s'", f->name,
                                QN_STR_ARG(qn_jstr_view(a->kw[k].name)));
    *n = i;
    return 0;
}

int qn_jcall_builtin(qn_jrun *r, const qn_jbuiltin *f, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jv v[QN_JPARAMS];
    qn_jargs bound = {.v = v};
    if (!f->params)
        return f->fn(r, self, a, out);
    QN_TRY(bind(r, f, a, v, &bound.n));
    return f->fn(r, self, &bound, out);
}

const qn_jbuiltin *qn_jbuiltin_find(const qn_jbuiltin *table, size_t n, const qn_jstr *name) {
    for (size_t i = 0; i < n; i++)
        if (qn_jstr_is(name, table[i].name))
            return &table[i];
    return NULL;
}

/* ---- macros -------------------------------------------------------------------------------------------------- */

static const qn_jv *keyword_take(const qn_jargs *a, bool *used, const char *name, const qn_jstr *s) {
    for (size_t k = 0; k < a->kws; k++)
        if (!used[k] && (name ? qn_jstr_is(a->kw[k].name, name) : qn_jstr_same(a->kw[k].name, s))) {
            used[k] = true;
            return &a->kw[k].v;
        }
    return NULL;
}

static int put_name(qn_jrun *r, qn_jscope *sc, const char *name, qn_jv v) {
    int64_t id = qn_jprogram_name(r->p, name);
    return id < 0 ? 0 : qn_jscope_put(r, sc, (uint32_t)id, v);
}

/* `caller`, `kwargs` and `varargs`, where the body names them; anything left over is an error. */
static int bind_special(qn_jrun *r, qn_jscope *sc, const qn_jmacro *m, const qn_jargs *a, bool *used) {
    const qn_jnode *n = m->node;
    const char *name = m->name ? "macro" : "caller";
    qn_jv v;
    if (n->flag3) {
        const qn_jv *given = keyword_take(a, used, "caller", NULL);
        QN_TRY(qn_jv_undefined(&r->arena, NULL, NULL, "no caller was given", &v));
        QN_TRY(put_name(r, sc, "caller", given ? *given : v));
    }
    QN_TRY(qn_jv_dict(&r->arena, 0, &v));
    for (size_t k = 0; k < a->kws; k++) {
        qn_jv key;
        if (used[k])
            continue;
        if (!n->flag)
            return qn_jrun_fail(r, "the %s has no parameter named '%.*s'", name,
                                QN_STR_ARG(qn_jstr_view(a->kw[k].name)));
        QN_TRY(qn_jv_str(&r->arena, *a->kw[k].name, &key));
        QN_TRY(qn_jdict_put(&r->arena, v.u.dict, key, a->kw[k].v));
    }
    if (n->flag)
        QN_TRY(put_name(r, sc, "kwargs", v));
    if (!n->flag2)
        return a->n <= n->list.n ? 0 : qn_jrun_fail(r, "the %s takes at most %zu arguments, not %zu", name,
                                                    n->list.n, a->n);
    QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, 0, &v));
    for (size_t i = n->list.n; i < a->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, v.u.list, a->v[i]));
    return put_name(r, sc, "varargs", v);
}

static int bind_params(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, const qn_jargs *a, bool *used) {
    qn_jv none;
    bool *given;
    QN_TRY(QN_JNEW(&r->arena, given, n->list.n + 1));
    for (size_t i = 0; i < n->list.n; i++) {
        const qn_jv *v = i < a->n ? &a->v[i] : keyword_take(a, used, NULL, n->param[i].name);
        given[i] = v;
        QN_TRY(qn_jv_undefined(&r->arena, n->param[i].name, NULL, "a parameter was not given", &none));
        QN_TRY(qn_jscope_put(r, sc, n->param[i].id, v ? *v : none));
    }
    for (size_t i = 0; i < n->list.n; i++) {
        qn_jv v;
        if (given[i] || !n->list.v[i])
            continue;
        QN_TRY(qn_jexpr(r, sc, n->list.v[i], &v));
        QN_TRY(qn_jscope_put(r, sc, n->param[i].id, v));
    }
    return 0;
}

static int call_macro(qn_jrun *r, const qn_jmacro *m, const qn_jargs *a, qn_jv *out) {
    qn_jscope *sc;
    bool *used;
    QN_TRY(qn_jscope_new(r, m->scope, &sc));
    QN_TRY(QN_JNEW(&r->arena, used, a->kws + 1));
    memset(used, 0, a->kws + 1);
    QN_TRY(bind_params(r, sc, m->node, a, used));
    QN_TRY(bind_special(r, sc, m, a, used));
    return qn_jeval_capture(r, sc, &m->node->body, out);
}

static int call_joiner(qn_jrun *r, qn_jcycle *c, qn_jv *out) {
    *out = c->sep;
    if (c->used)
        return 0;
    c->used = true;
    return qn_jv_str(&r->arena, QN_JLIT(""), out);
}

int qn_jcall(qn_jrun *r, qn_jv callee, const qn_jargs *a, qn_jv *out) {
    QN_TRY(qn_jrun_enter(r));
    int rc;
    switch ((qn_jkind)callee.kind) {
    case QN_JUNDEFINED: rc = qn_jrun_undefined(r, callee); break;
    case QN_JMACRO: rc = call_macro(r, callee.u.macro, a, out); break;
    case QN_JFUNC: rc = qn_jcall_builtin(r, callee.u.func, (qn_jv){.kind = QN_JMISSING}, a, out); break;
    case QN_JMETHOD: rc = qn_jcall_builtin(r, callee.u.method->func, callee.u.method->self, a, out); break;
    case QN_JLOOP: rc = qn_jloop_call(r, callee.u.loop, a, out); break;
    case QN_JJOINER: rc = call_joiner(r, callee.u.cycle, out); break;
    default: rc = qn_jrun_fail(r, "a value of type %s cannot be called", qn_jv_type(callee));
    }
    qn_jrun_leave(r);
    return rc;
}

int qn_jcall_node(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, const qn_jv *caller, qn_jv *out) {
    static const qn_jstr caller_name = {"caller", 6, NULL, false};
    qn_jv callee;
    qn_jargs a;
    QN_TRY(qn_jexpr(r, sc, n->a, &callee));
    QN_TRY(qn_jcall_args(r, sc, n, &a));
    if (caller)
        a.kw[a.kws++] = (qn_jkw){&caller_name, *caller};
    r->pos = n->pos;
    return qn_jcall(r, callee, &a, out);
}

/* ---- what built-ins ask of their arguments ------------------------------------------------------------------- */

int qn_jarg_int(qn_jrun *r, const qn_jargs *a, size_t i, int64_t absent, int64_t *out) {
    *out = absent;
    if (!qn_jarg_given(a, i) || qn_jv_integral(a->v[i], out))
        return 0;
    if (a->v[i].kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, a->v[i]);
    return qn_jrun_fail(r, "expected an integer, found %s", qn_jv_type(a->v[i]));
}

int qn_jarg_str(qn_jrun *r, const qn_jargs *a, size_t i, qn_jstr *out) {
    if (a->v[i].kind != QN_JSTR)
        return qn_jrun_fail(r, "expected a string, found %s", qn_jv_type(a->v[i]));
    *out = *a->v[i].u.s;
    return 0;
}

bool qn_jarg_bool(const qn_jargs *a, size_t i) {
    return qn_jarg_given(a, i) && qn_jv_truth(a->v[i]);
}

int qn_jtext(qn_jrun *r, qn_jv v, qn_jstr *out) {
    qn_jsb b;
    if (v.kind == QN_JSTR) {
        *out = *v.u.s;
        return 0;
    }
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jv_print(&b, v, 0));
    *out = qn_jsb_done(&b);
    return 0;
}

int qn_jtext_value(qn_jrun *r, qn_jsb *b, qn_jv *out) {
    QN_TRY(qn_jrun_charge(r, b->n));
    return qn_jv_str(&r->arena, qn_jsb_done(b), out);
}
