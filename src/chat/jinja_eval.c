/* chat/jinja_eval.c — runs statements. A block returns how it ended (qn_jflow) or an error.
 *
 * Scopes: the template is one, and so is every turn of a loop, every macro call, every with, set, filter and call
 * block; `if` is none. An assignment stays in its scope; what must survive a loop goes into a namespace. */
#include "chat/jinja_run.h"

#include <stdarg.h>
#include <stdio.h>

int qn_jrun_fail(qn_jrun *r, const char *fmt, ...) {
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->placed = true;
    return qn_jprogram_fail(r->p, r->pos, QN_ETEMPLATE, "%s", text);
}

int qn_jrun_charge(qn_jrun *r, size_t bytes) {
    r->steps -= (int64_t)(bytes / 16);
    return r->steps < 0 ? qn_fail(QN_ELIMIT, "the template does too much work: it may loop without end") : 0;
}

int qn_jrun_enter(qn_jrun *r) {
    if (--r->depth < 0)
        return qn_fail(QN_ELIMIT, "the template is nested too deeply: a macro may call itself without end");
    r->steps--;
    return qn_jrun_charge(r, 0);
}

void qn_jrun_leave(qn_jrun *r) {
    r->depth++;
}

/* ---- scopes -------------------------------------------------------------------------------------------------- */

int qn_jscope_put(qn_jrun *r, qn_jscope *sc, uint32_t id, qn_jv v) {
    if (sc == &r->top) {
        r->root[id] = v;
        return 0;
    }
    for (size_t i = 0; i < sc->n; i++)
        if (sc->e[i].id == id) {
            sc->e[i].v = v;
            return 0;
        }
    if (sc->n == sc->cap) {
        size_t cap = sc->cap ? sc->cap * 2 : 4;
        void *e = qn_jarena_grow(&r->arena, sc->e, sc->cap * sizeof *sc->e, cap * sizeof *sc->e);
        if (!e)
            return r->arena.rc;
        sc->e = e;
        sc->cap = cap;
    }
    sc->e[sc->n].id = id;
    sc->e[sc->n++].v = v;
    return 0;
}

int qn_jscope_new(qn_jrun *r, qn_jscope *parent, qn_jscope **out) {
    QN_TRY(QN_JNEW(&r->arena, *out, 1));
    **out = (qn_jscope){.parent = parent};
    return 0;
}

const qn_jv *qn_jscope_find(const qn_jrun *r, const qn_jscope *sc, uint32_t id) {
    for (; sc != &r->top; sc = sc->parent)
        for (size_t i = 0; i < sc->n; i++)
            if (sc->e[i].id == id)
                return &sc->e[i].v;
    return r->root[id].kind == QN_JMISSING ? NULL : &r->root[id];
}

static int assign_namespace(qn_jrun *r, qn_jscope *sc, const qn_jnode *target, qn_jv v) {
    const qn_jv *ns = qn_jscope_find(r, sc, target->id);
    r->pos = target->pos;
    if (!ns || ns->kind != QN_JNAMESPACE)
        return qn_jrun_fail(r, "'%.*s' is no namespace: only namespace(…) objects have attributes that can be set",
                            QN_STR_ARG(qn_jstr_view(target->name)));
    if (target->v.u.s->s[0] == '_')
        return qn_jrun_fail(r, "attributes of a namespace must not begin with '_'");
    return qn_jdict_put(&r->arena, ns->u.dict, target->v, v);
}

int qn_jeval_assign(qn_jrun *r, qn_jscope *sc, const qn_jnode *target, qn_jv v) {
    if (target->kind == QN_NNAME)
        return qn_jscope_put(r, sc, target->id, v);
    if (target->kind == QN_NNSREF)
        return assign_namespace(r, sc, target, v);
    qn_jlist *items;
    r->pos = target->pos;
    QN_TRY(qn_jitems(r, v, &items));
    if (items->n != target->list.n)
        return qn_jrun_fail(r, "%zu values cannot be unpacked into %zu names", items->n, target->list.n);
    for (size_t i = 0; i < items->n; i++)
        QN_TRY(qn_jeval_assign(r, sc, target->list.v[i], items->v[i]));
    return 0;
}

/* ---- statements ---------------------------------------------------------------------------------------------- */

int qn_jeval_capture(qn_jrun *r, qn_jscope *sc, const qn_jnodes *body, qn_jv *out) {
    qn_jsb b, *before = r->out;
    qn_jsb_init(&b, &r->arena);
    r->out = &b;
    int flow = qn_jeval_block(r, sc, body);
    r->out = before;
    if (flow < 0)
        return flow;
    QN_TRY(qn_jtext_value(r, &b, out));
    return flow;
}

static int eval_print(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv v;
    size_t before = r->out->n;
    QN_TRY(qn_jexpr(r, sc, n->a, &v));
    r->pos = n->pos;
    QN_TRY(qn_jv_print(r->out, v, 0));
    return qn_jrun_charge(r, r->out->n - before);
}

static int eval_if(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv v;
    QN_TRY(qn_jexpr(r, sc, n->a, &v));
    return qn_jeval_block(r, sc, qn_jv_truth(v) ? &n->body : &n->other);
}

static int eval_for(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv v;
    QN_TRY(qn_jexpr(r, sc, n->a, &v));
    r->pos = n->a->pos;
    return qn_jloop_run(r, sc, n, v, 0);
}

static int eval_set(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv v;
    QN_TRY(qn_jexpr(r, sc, n->a, &v));
    return qn_jeval_assign(r, sc, n->list.v[0], v);
}

/* Sends a block's text through a chain of filters. */
static int eval_filtered(qn_jrun *r, qn_jscope *sc, const qn_jnode *filters, qn_jv *v) {
    const qn_jv *before = r->block_text;
    qn_jv text = *v;
    r->block_text = &text;
    QN_TRY(qn_jexpr(r, sc, filters, v));
    r->block_text = before;
    return 0;
}

static int eval_set_block(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jscope *inner;
    qn_jv v;
    QN_TRY(qn_jscope_new(r, sc, &inner));
    int flow = qn_jeval_capture(r, inner, &n->body, &v);
    if (flow != QN_JFLOW_NEXT)
        return flow;
    if (n->a)
        QN_TRY(eval_filtered(r, inner, n->a, &v));
    return qn_jeval_assign(r, sc, n->list.v[0], v);
}

static int eval_filter_block(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jscope *inner;
    qn_jv v;
    QN_TRY(qn_jscope_new(r, sc, &inner));
    int flow = qn_jeval_capture(r, inner, &n->body, &v);
    if (flow != QN_JFLOW_NEXT)
        return flow;
    QN_TRY(eval_filtered(r, inner, n->a, &v));
    return qn_jv_print(r->out, v, 0);
}

static int eval_with(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jscope *inner;
    qn_jv v;
    QN_TRY(qn_jscope_new(r, sc, &inner));
    for (size_t i = 0; i < n->list.n; i += 2) {
        QN_TRY(qn_jexpr(r, sc, n->list.v[i + 1], &v));
        QN_TRY(qn_jeval_assign(r, inner, n->list.v[i], v));
    }
    return qn_jeval_block(r, inner, &n->body);
}

static int macro_new(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv *out) {
    qn_jmacro *m;
    QN_TRY(QN_JNEW(&r->arena, m, 1));
    *m = (qn_jmacro){.node = n, .name = n->kind == QN_NMACRO ? n->name : NULL, .scope = sc};
    for (; sc; sc = sc->parent)
        sc->kept = true;
    *out = (qn_jv){.kind = QN_JMACRO, .u.macro = m};
    return 0;
}

static int eval_macro(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv m;
    QN_TRY(macro_new(r, sc, n, &m));
    return qn_jscope_put(r, sc, n->id, m);
}

static int eval_call_block(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jv caller, v;
    QN_TRY(macro_new(r, sc, n, &caller));
    QN_TRY(qn_jcall_node(r, sc, n->a, &caller, &v));
    return qn_jv_print(r->out, v, 0);
}

/* {% block %}: without inheritance it prints in place and sees the template's variables only. */
static int eval_named_block(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jscope *inner;
    QN_TRY(qn_jscope_new(r, n->flag ? sc : &r->top, &inner));
    return qn_jeval_block(r, inner, &n->body);
}

/* {% generation %}: what the assistant said. Its place is known only where it goes straight into the prompt. */
static int eval_generation(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    qn_jscope *inner;
    qn_chat_output *o = r->result;
    size_t begin = r->out->n;
    QN_TRY(qn_jscope_new(r, sc, &inner));
    QN_TRY(qn_jeval_block(r, inner, &n->body));
    if (r->out != &r->prompt)
        return 0;
    QN_TRY(QN_GROW(QN_MEM_CHAT, o->answer, o->answer_cap, o->answers + 1));
    o->answer[o->answers++] = (qn_chat_span){begin, r->out->n, false};
    return 0;
}

static int eval_statement(qn_jrun *r, qn_jscope *sc, const qn_jnode *n) {
    r->pos = n->pos;
    switch ((qn_jnode_kind)n->kind) {
    case QN_NDATA: return qn_jsb_str(r->out, n->v.u.s);
    case QN_NPRINT: return eval_print(r, sc, n);
    case QN_NIF: return eval_if(r, sc, n);
    case QN_NFOR: return eval_for(r, sc, n);
    case QN_NSET: return eval_set(r, sc, n);
    case QN_NSETBLOCK: return eval_set_block(r, sc, n);
    case QN_NWITH: return eval_with(r, sc, n);
    case QN_NMACRO: return eval_macro(r, sc, n);
    case QN_NCALL_BLOCK: return eval_call_block(r, sc, n);
    case QN_NFILTER_BLOCK: return eval_filter_block(r, sc, n);
    case QN_NBLOCK: return eval_named_block(r, sc, n);
    case QN_NGENERATION: return eval_generation(r, sc, n);
    case QN_NBREAK: return QN_JFLOW_BREAK;
    case QN_NCONTINUE: return QN_JFLOW_CONTINUE;
    default:
        return qn_jrun_fail(r, "'%.*s' reaches for another template: a chat template stands alone",
                            QN_STR_ARG(qn_jstr_view(n->name)));
    }
}

int qn_jeval_block(qn_jrun *r, qn_jscope *sc, const qn_jnodes *body) {
    int flow = QN_JFLOW_NEXT;
    QN_TRY(qn_jrun_enter(r));
    for (size_t i = 0; i < body->n && flow == QN_JFLOW_NEXT; i++) {
        r->steps--;
        flow = eval_statement(r, sc, body->v[i]);
    }
    qn_jrun_leave(r);
    return flow;
}
