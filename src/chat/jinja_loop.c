/* chat/jinja_loop.c — {% for %} and the `loop` variable.
 *
 * Items are taken one at a time and one ahead at most (loop.last and loop.nextitem look), because the loop's `if` may
 * depend on what the body has done so far. `else` runs when no turn came to the end of its body, as in Jinja. */
#include "chat/jinja_run.h"

static const qn_jv missing = {.kind = QN_JMISSING};

/* The next item that passes the filter, or MISSING. */
static int loop_pull(qn_jrun *r, qn_jloop *l, qn_jv *out) {
    while (l->next < l->src->n) {
        qn_jv item = l->src->v[l->next++], keep;
        *out = item;
        if (!l->filter)
            return 0;
        qn_jscope *sc;
        QN_TRY(qn_jscope_new(r, l->scope, &sc));
        QN_TRY(qn_jeval_assign(r, sc, l->node->list.v[0], item));
        QN_TRY(qn_jexpr(r, sc, l->filter, &keep));
        if (qn_jv_truth(keep))
            return 0;
    }
    *out = missing;
    return 0;
}

static int loop_peek(qn_jrun *r, qn_jloop *l, qn_jv *out) {
    if (!l->has_after)
        QN_TRY(loop_pull(r, l, &l->after));
    l->has_after = true;
    *out = l->after;
    return 0;
}

static int loop_next(qn_jrun *r, qn_jloop *l, bool *more) {
    qn_jv item;
    QN_TRY(loop_peek(r, l, &item));
    *more = item.kind != QN_JMISSING;
    if (!*more)
        return 0;
    l->has_after = false;
    l->index0++;
    l->before = l->current;
    l->current = item;
    return 0;
}

/* How many turns there are. With a filter this asks it about all items that are left. */
static int loop_length(qn_jrun *r, qn_jloop *l, int64_t *out) {
    if (l->filter) {
        qn_jv rest, item;
        QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 0, &rest));
        for (;;) {
            QN_TRY(loop_pull(r, l, &item));
            if (item.kind == QN_JMISSING)
                break;
            QN_TRY(qn_jlist_add(&r->arena, rest.u.list, item));
        }
        l->src = rest.u.list;
        l->next = 0;
        l->filter = NULL;
    }
    bool waiting = l->has_after && l->after.kind != QN_JMISSING;
    *out = l->index0 + 1 + (int64_t)(l->src->n - l->next) + waiting;
    return 0;
}

static int turns(qn_jrun *r, qn_jloop *l, qn_jv self, int64_t id, bool *completed) {
    qn_jscope *sc = NULL;
    bool more;
    for (;;) {
        QN_TRY(loop_next(r, l, &more));
        if (!more)
            return 0;
        if (!sc || sc->kept)
            QN_TRY(qn_jscope_new(r, l->scope, &sc));
        sc->n = 0;
        if (id >= 0)
            QN_TRY(qn_jscope_put(r, sc, (uint32_t)id, self));
        QN_TRY(qn_jeval_assign(r, sc, l->node->list.v[0], l->current));
        int flow = qn_jeval_block(r, sc, &l->node->body);
        if (flow < 0 || flow == QN_JFLOW_BREAK)
            return flow < 0 ? flow : 0;
        *completed = *completed || flow == QN_JFLOW_NEXT;
    }
}

int qn_jloop_run(qn_jrun *r, qn_jscope *sc, const qn_jnode *n, qn_jv iterable, int64_t depth0) {
    qn_jloop *l;
    qn_jscope *inner;
    bool completed = false;
    QN_TRY(QN_JNEW(&r->arena, l, 1));
    *l = (qn_jloop){.node = n, .filter = n->b, .scope = sc, .index0 = -1, .depth0 = depth0};
    QN_TRY(qn_jitems(r, iterable, &l->src));
    qn_jv self = {.kind = QN_JLOOP, .u.loop = l};
    QN_TRY(turns(r, l, self, qn_jprogram_name(r->p, "loop"), &completed));
    if (completed || n->other.n == 0)
        return 0;
    QN_TRY(qn_jscope_new(r, sc, &inner));
    return qn_jeval_block(r, inner, &n->other);
}

static int neighbour(qn_jrun *r, qn_jv v, const char *hint, qn_jv *out) {
    *out = v;
    return v.kind == QN_JMISSING ? qn_jv_undefined(&r->arena, NULL, NULL, hint, out) : 0;
}

static int loop_cycle(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    if (a->n == 0)
        return qn_jrun_fail(r, "loop.cycle needs something to cycle through");
    *out = a->v[(size_t)self.u.loop->index0 % a->n];
    return 0;
}

static int loop_changed(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jv now;
    bool same = false;
    QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, a->n, &now));
    for (size_t i = 0; i < a->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, now.u.list, a->v[i]));
    QN_TRY(qn_jv_equal(self.u.loop->changed, now, 0, &same));
    self.u.loop->changed = now;
    *out = qn_jv_bool(!same);
    return 0;
}

static const qn_jbuiltin methods[] = {{"cycle", loop_cycle, NULL, 0}, {"changed", loop_changed, NULL, 0}};

static int loop_method(qn_jrun *r, qn_jv loop, const qn_jstr *name, qn_jv *out) {
    const qn_jbuiltin *f = qn_jbuiltin_find(methods, QN_LEN(methods), name);
    if (!f)
        return qn_jv_undefined(&r->arena, name, "LoopContext", NULL, out);
    qn_jmethod *m;
    QN_TRY(QN_JNEW(&r->arena, m, 1));
    *m = (qn_jmethod){loop, f};
    *out = (qn_jv){.kind = QN_JMETHOD, .u.method = m};
    return 0;
}

int qn_jloop_attr(qn_jrun *r, qn_jv loop, const qn_jstr *name, qn_jv *out) {
    qn_jloop *l = loop.u.loop;
    int64_t length = 0;
    qn_jv next;
    bool ahead = qn_jstr_is(name, "last") || qn_jstr_is(name, "nextitem");
    bool counted = qn_jstr_is(name, "length") || qn_jstr_is(name, "revindex") || qn_jstr_is(name, "revindex0");
    if (ahead)
        QN_TRY(loop_peek(r, l, &next));
    if (counted)
        QN_TRY(loop_length(r, l, &length));
    if (qn_jstr_is(name, "nextitem"))
        return neighbour(r, next, "there is no next item", out);
    if (qn_jstr_is(name, "previtem"))
        return neighbour(r, l->index0 == 0 ? missing : l->before, "there is no previous item", out);
    if (qn_jstr_is(name, "index"))
        *out = qn_jv_int(l->index0 + 1);
    else if (qn_jstr_is(name, "index0"))
        *out = qn_jv_int(l->index0);
    else if (qn_jstr_is(name, "first"))
        *out = qn_jv_bool(l->index0 == 0);
    else if (qn_jstr_is(name, "last"))
        *out = qn_jv_bool(next.kind == QN_JMISSING);
    else if (qn_jstr_is(name, "length"))
        *out = qn_jv_int(length);
    else if (qn_jstr_is(name, "revindex"))
        *out = qn_jv_int(length - l->index0);
    else if (qn_jstr_is(name, "revindex0"))
        *out = qn_jv_int(length - l->index0 - 1);
    else if (qn_jstr_is(name, "depth"))
        *out = qn_jv_int(l->depth0 + 1);
    else if (qn_jstr_is(name, "depth0"))
        *out = qn_jv_int(l->depth0);
    else
        return loop_method(r, loop, name, out);
    return 0;
}

int qn_jloop_call(qn_jrun *r, qn_jloop *l, const qn_jargs *a, qn_jv *out) {
    qn_jsb b, *before = r->out;
    if (!l->node->flag)
        return qn_jrun_fail(r, "loop(…) needs a loop marked 'recursive'");
    if (a->n != 1 || a->kws)
        return qn_jrun_fail(r, "loop(…) takes one iterable");
    qn_jsb_init(&b, &r->arena);
    r->out = &b;
    QN_TRY(qn_jrun_enter(r));
    QN_TRY(qn_jloop_run(r, l->scope, l->node, a->v[0], l->depth0 + 1));
    qn_jrun_leave(r);
    r->out = before;
    return qn_jtext_value(r, &b, out);
}
