/* guide/rule_check.c — what must be known of all rules before they become an automaton, and what is refused.
 *
 *   nullable   the empty text fits                            least fixed points: passes over all rules, until none
 *   lives      some text fits: what never fits is left out    of them changes
 *   small      stands where it is used
 *
 * Left recursion, a rule that can begin with itself before a byte is read, would push frames for ever. */
#include "guide/rule_tree.h"

#define SMALL 16                /* positions of a rule that is copied to where it is used */
#define WORK_MAX 20000000       /* expressions judged */

static void judge(const qn_rule_tree *t, qn_expr *e) {
    const int32_t *part = t->part + e->a;
    bool all_nullable = true, any_nullable = false, all_live = true, any_lives = false;
    switch (e->kind) {
    case QN_EXPR_TEXT: e->nullable = e->n == 0, e->lives = true; return;
    case QN_EXPR_CLASS: e->lives = e->n > 0; return;
    case QN_EXPR_RULE: e->nullable = t->rule[e->a].nullable, e->lives = t->rule[e->a].lives; return;
    case QN_EXPR_REPEAT:
        e->nullable = e->least == 0 || t->expr[e->a].nullable;
        e->lives = e->least == 0 || t->expr[e->a].lives;
        return;
    case QN_EXPR_SEQ: case QN_EXPR_ALT: break;
    }
    for (int32_t i = 0; i < e->n; i++) {
        const qn_expr *p = &t->expr[part[i]];
        all_nullable = all_nullable && p->nullable;
        any_nullable = any_nullable || p->nullable;
        all_live = all_live && p->lives;
        any_lives = any_lives || p->lives;
    }
    e->nullable = e->kind == QN_EXPR_SEQ ? all_nullable : any_nullable;
    e->lives = e->kind == QN_EXPR_SEQ ? all_live : any_lives;
}

static void judge_all(qn_rule_tree *t, int32_t e) {
    qn_expr *x = &t->expr[e];
    const int32_t n = x->kind == QN_EXPR_SEQ || x->kind == QN_EXPR_ALT ? x->n : 0;
    if (x->kind == QN_EXPR_REPEAT)
        judge_all(t, x->a);
    for (int32_t i = 0; i < n; i++)
        judge_all(t, t->part[x->a + i]);
    judge(t, x);
}

/* True where the rule changed. */
static bool settle(qn_rule_tree *t, qn_tree_rule *r) {
    judge_all(t, r->body);
    const qn_expr *body = &t->expr[r->body];
    const bool changed = r->nullable != body->nullable || r->lives != body->lives;
    r->nullable = body->nullable;
    r->lives = body->lives;
    return changed;
}

/* From the last rule to the first, for most are used before they stand there, and back. Who orders his rules so that
 * this takes for ever is told so. */
static int settle_rules(qn_rule_tree *t, const char *name) {
    int64_t work = 0;
    for (bool changed = true, back = true; changed; back = !back) {
        changed = false;
        for (size_t i = 0; i < t->n_rules; i++)
            changed = settle(t, &t->rule[back ? t->n_rules - 1 - i : i]) || changed;
        work += (int64_t)(t->n + t->n_parts);
        if (work > WORK_MAX)
            return qn_fail(QN_ELIMIT, "%s: %zu rules hang together in too tangled a way", name, t->n_rules);
    }
    return 0;
}

/* ---- rules within rules ---- */

/* Calls fn for every rule that e uses; `left`: only for those that can be entered before a byte is read. */
typedef void use_fn(void *arg, int32_t rule);
static void walk_uses(const qn_rule_tree *t, int32_t e, bool left, use_fn *fn, void *arg) {
    const qn_expr *x = &t->expr[e];
    if (x->kind == QN_EXPR_RULE)
        fn(arg, x->a);
    if (x->kind == QN_EXPR_REPEAT)
        walk_uses(t, x->a, left, fn, arg);
    if (x->kind != QN_EXPR_SEQ && x->kind != QN_EXPR_ALT)
        return;
    for (int32_t i = 0; i < x->n; i++) {
        walk_uses(t, t->part[x->a + i], left, fn, arg);
        if (left && x->kind == QN_EXPR_SEQ && !t->expr[t->part[x->a + i]].nullable)
            return;
    }
}

typedef struct { qn_rule_tree *t; bool small; int64_t size; } smallness;

static void see_use(void *arg, int32_t rule) {
    smallness *s = arg;
    s->small = s->small && s->t->rule[rule].small;
    s->size += s->small ? s->t->expr[s->t->rule[rule].body].size : 0;
}

static bool repeats_for_long(const qn_rule_tree *t, int32_t e) {
    const qn_expr *x = &t->expr[e];
    if (x->kind == QN_EXPR_REPEAT)
        return x->most < 0 || x->most > QN_TREE_UNROLL || repeats_for_long(t, x->a);
    for (int32_t i = 0; (x->kind == QN_EXPR_SEQ || x->kind == QN_EXPR_ALT) && i < x->n; i++)
        if (repeats_for_long(t, t->part[x->a + i]))
            return true;
    return false;
}

/* Small rules of small rules are found pass by pass; a few are enough, and recursive ones never come in. */
static void find_small(qn_rule_tree *t) {
    for (int pass = 0; pass < 4; pass++)
        for (size_t r = 0; r < t->n_rules; r++) {
            qn_tree_rule *rule = &t->rule[r];
            smallness s = {t, true, t->expr[rule->body].size};
            if (rule->small || s.size > SMALL || repeats_for_long(t, rule->body))
                continue;
            walk_uses(t, rule->body, false, see_use, &s);
            rule->small = s.small && s.size <= SMALL;
        }
}

/* ---- left recursion: rules are struck out that begin with none which is left ---- */

typedef struct { const qn_rule_tree *t; const bool *gone; int32_t next; } search;

static void see_left(void *arg, int32_t rule) {
    search *s = arg;
    if (!s->gone[rule] && s->t->rule[rule].lives)
        s->next = rule;
}

typedef struct { int32_t *of, *from; size_t n, cap; int32_t now; int rc; } edges;      /* `from` begins with `of` */

static void note_edge(void *arg, int32_t rule) {
    edges *e = arg;
    size_t cap = e->cap;
    if (e->rc == 0)
        e->rc = QN_GROW(QN_MEM_SESSION, e->of, cap, e->n + 1);
    if (e->rc == 0)
        e->rc = QN_GROW(QN_MEM_SESSION, e->from, e->cap, e->n + 1);
    if (e->rc < 0)
        return;
    e->of[e->n] = rule;
    e->from[e->n++] = e->now;
}

/* Strikes out, beginning with rules that begin with none: gone[r], in time linear in the edges. `waits` [rules] counts
 * what a rule still begins with, `first` [rules + 1] and `order` [edges] sort the edges by `of`. */
static void strike(const qn_rule_tree *t, const edges *e, int32_t *waits, int32_t *first, int32_t *order, int32_t *todo,
                   bool *gone) {
    const size_t R = t->n_rules;
    size_t n = 0, done = 0;
    for (size_t i = 0; i < e->n; i++) {
        waits[e->from[i]]++;
        first[e->of[i] + 1]++;
    }
    for (size_t r = 0; r < R; r++)
        first[r + 1] += first[r];
    for (size_t i = e->n; i-- > 0;)
        order[--first[e->of[i] + 1]] = (int32_t)i;      /* first[r + 1] is now where the edges to r begin */
    for (size_t r = 0; r < R; r++)
        if (waits[r] == 0)
            todo[n++] = (int32_t)r;
    while (done < n) {
        const int32_t r = todo[done++];
        gone[r] = true;
        const size_t end = (size_t)r + 2 <= R ? (size_t)first[r + 2] : e->n;
        for (size_t i = (size_t)first[r + 1]; i < end; i++)
            if (--waits[e->from[order[i]]] == 0)
                todo[n++] = e->from[order[i]];
    }
}

static int refuse_left(const qn_rule_tree *t, const bool *gone, const char *name) {
    search s = {t, gone, -1};
    for (size_t r = 0; r < t->n_rules && s.next < 0; r++)
        if (!gone[r])
            s.next = (int32_t)r;
    if (s.next < 0)
        return 0;
    for (size_t i = 0; i < t->n_rules; i++)             /* as many steps lead onto the circle */
        walk_uses(t, t->rule[s.next].body, true, see_left, &s);
    return qn_fail(QN_EFORMAT, "%s: the rule \"%.*s\" can begin with itself (left recursion); put what comes first in "
                   "front, as in  list ::= item (\",\" item)*", name, QN_STR_ARG(t->rule[s.next].name));
}

static int check_left(const qn_rule_tree *t, const char *name) {
    const size_t R = t->n_rules;
    edges e = {0};
    int rc = QN_ENOMEM;
    int32_t *numbers = NULL;
    bool *gone = qn_zalloc(QN_MEM_SESSION, R, sizeof *gone);
    if (!gone)
        goto out;
    for (size_t r = 0; r < R; r++) {
        e.now = (int32_t)r;
        if (t->rule[r].lives)
            walk_uses(t, t->rule[r].body, true, note_edge, &e);
    }
    QN_TRY_OUT(e.rc);
    numbers = qn_zalloc(QN_MEM_SESSION, 3 * R + 2 + e.n, sizeof *numbers);
    QN_TRY_OUT(numbers ? 0 : QN_ENOMEM);
    strike(t, &e, numbers, numbers + R, numbers + 3 * R + 2, numbers + 2 * R + 2, gone);
    rc = refuse_left(t, gone, name);
out:
    qn_free(gone);
    qn_free(numbers);
    qn_free(e.of);
    qn_free(e.from);
    return rc;
}

int qn_tree_check(qn_rule_tree *t, const char *name) {
    QN_TRY(t->rc);
    for (size_t r = 0; r < t->n_rules; r++)
        qn_assert(t->rule[r].body >= 0);
    QN_TRY(settle_rules(t, name));
    if (!t->rule[t->root].lives)
        return qn_fail(QN_EINVAL, "%s: no text fits: what it asks for has no end, or contradicts itself", name);
    find_small(t);
    return check_left(t, name);
}
