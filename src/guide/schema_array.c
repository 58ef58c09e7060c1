/* guide/schema_array.c — first items, each with a schema of its own, then further ones that share one.
 *
 *     from(i)   ::= item(i) with its comma, from(i + 1)      … or nothing, where there are enough already
 *     further   ::= ("," space item){least, most}              a counter, however many
 *
 * Items that must differ are understood where they are listed: they come in the order of the list.
 *     some(i, n) ::= value(i) with its comma, some(i + 1, n + 1) | some(i + 1, n)        n there are already */
#include "guide/schema.h"

enum { FIRST_MAX = 4000, UNIQUE_MAX = 64 };

typedef struct {
    qn_schema *s;
    const qn_schema_facts *f;
    int64_t firsts;             /* items that have a schema of their own */
    int64_t least, most;        /* most −1: no bound */
    bool never;
} array;

static int32_t keyword(const array *a, size_t entry, const char *key) {
    return qn_json_tree_get(&a->s->j, a->f->view->e[entry].node, key);
}

/* The list of first items of one entry, and the schema of the others; −1: none. Before 2020-12 "items" may be the
 * list. */
static void lists_of(const array *a, size_t entry, int32_t *list, int32_t *others) {
    const int32_t items = keyword(a, entry, "items");
    const bool old = items >= 0 && a->s->j.node[items].kind == '[';
    *list = old ? items : keyword(a, entry, "prefixItems");
    *others = old ? keyword(a, entry, "additionalItems") : items;
}

/* What holds of item i; i −1: of those behind all first ones. */
static int view_of(const array *a, int64_t i, qn_schema_view *v, bool *never) {
    const qn_json_tree *j = &a->s->j;
    for (size_t e = 0; e < a->f->view->n; e++) {
        int32_t list, says;
        lists_of(a, e, &list, &says);
        if (i >= 0 && list >= 0 && i < j->node[list].n) {
            says = j->node[list].child;
            for (int64_t k = 0; k < i; k++)
                says = j->node[says].next;
        }
        *never = *never || (says >= 0 && j->node[says].kind == 'f');
        if (says >= 0)
            QN_TRY(qn_view_add(v, says, 0));
    }
    return 0;
}

static int item_of(const array *a, int64_t i, int32_t *expr, bool *never) {
    qn_schema_view v = {0};
    *expr = 0;
    *never = false;
    int rc = view_of(a, i, &v, never);
    if (rc >= 0 && !*never)
        rc = qn_schema_of(a->s, &v, expr);
    qn_free(v.e);
    return rc;
}

static int count_firsts(array *a) {
    for (size_t e = 0; e < a->f->view->n; e++) {
        int32_t list, others;
        lists_of(a, e, &list, &others);
        if (list >= 0 && a->s->j.node[list].kind != '[')
            return qn_schema_fail(a->s, QN_EFORMAT, list, "expected an array of schemas");
        if (list >= 0 && a->s->j.node[list].n > FIRST_MAX)
            return qn_schema_fail(a->s, QN_ELIMIT, list, "more than %d first items", FIRST_MAX);
        if (list >= 0)
            a->firsts = QN_MAX(a->firsts, a->s->j.node[list].n);
    }
    return 0;
}

static int32_t with_comma(array *a, int32_t item) {
    const int32_t part[] = {qn_schema_literal(a->s, QN_STR(",")), qn_schema_space(a->s), item};
    return qn_tree_seq(&a->s->t, part, 3);
}

/* Further items behind `before` others: the first of all has no comma. */
static int32_t further(array *a, int32_t item, int64_t before) {
    qn_rule_tree *t = &a->s->t;
    const int64_t least = QN_MAX(a->least - before, 0), most = a->most < 0 ? -1 : QN_MAX(a->most - before, 0);
    if (before > 0)
        return qn_tree_repeat(t, with_comma(a, item), least, most);
    if (most == 0)
        return 0;
    const int32_t part[] = {item, qn_tree_repeat(t, with_comma(a, item), QN_MAX(least - 1, 0),
                                                 most < 0 ? -1 : most - 1)};
    return qn_tree_repeat(t, qn_tree_seq(t, part, 2), least > 0, 1);
}

/* From the last first item to the first one: each is a rule, so that none is compiled twice. */
static int items(array *a, int32_t *expr) {
    qn_rule_tree *t = &a->s->t;
    const int64_t firsts = a->most >= 0 ? QN_MIN(a->firsts, a->most) : a->firsts;
    int32_t item = 0, from = 0;
    bool never;
    QN_TRY(item_of(a, -1, &item, &never));
    if (never)
        item = qn_tree_alt(t, NULL, 0);
    from = firsts == a->firsts ? further(a, item, firsts) : 0;
    for (int64_t i = firsts; i-- > 0;) {
        QN_TRY(item_of(a, i, &item, &never));
        if (never)
            item = qn_tree_alt(t, NULL, 0);
        const int32_t part[] = {i > 0 ? with_comma(a, item) : item, from};
        const int32_t rule = qn_tree_rule_add(t, QN_STR("items"));
        const int32_t body = qn_tree_repeat(t, qn_tree_seq(t, part, 2), i < a->least, 1);
        QN_TRY(t->rc);
        t->rule[rule].body = body;
        from = qn_tree_call(t, rule);
    }
    *expr = from;
    return t->rc;
}

/* ---- items that differ ---- */

/* Those from value i on, n before them, on the way from the last value to the first: `less` and `more` are those from
 * i + 1 on, with n and n + 1 before them. */
static int32_t some_from(array *a, int32_t value, int64_t n, int32_t less, int32_t more) {
    qn_rule_tree *t = &a->s->t;
    const int32_t with[] = {n > 0 ? with_comma(a, value) : value, more}, ways[] = {qn_tree_seq(t, with, 2), less};
    const int32_t rule = qn_tree_rule_add(t, QN_STR("items"));
    const bool full = a->most >= 0 && n >= a->most;
    const int32_t body = full ? less : qn_tree_alt(t, ways, 2);
    if (t->rc == 0)
        t->rule[rule].body = body;
    return qn_tree_call(t, rule);
}

static int each_once(array *a, const int32_t *value, size_t values, int32_t *expr) {
    qn_rule_tree *t = &a->s->t;
    int32_t from[UNIQUE_MAX + 1];
    for (size_t n = 0; n <= values; n++)                /* behind the last value: are there enough? */
        from[n] = (int64_t)n >= a->least ? 0 : qn_tree_alt(t, NULL, 0);
    for (size_t i = values; i-- > 0;)
        for (size_t n = 0; n <= i; n++)
            from[n] = some_from(a, value[i], (int64_t)n, from[n], from[n + 1]);
    *expr = from[0];
    return t->rc;
}

/* The values that items may have, each as an expression. */
static int list_values(array *a, qn_ids *values) {
    qn_schema_view v = {0};
    bool never = false;
    int rc = a->firsts > 0 ? 0 : view_of(a, -1, &v, &never);
    if (rc >= 0 && v.n > 0 && !never)
        rc = qn_schema_values(a->s, &v, values);
    qn_free(v.e);
    if (rc < 0 || (values->n > 0 && values->n <= UNIQUE_MAX))
        return rc;
    return qn_schema_fail(a->s, QN_EUNSUPPORTED, a->f->unique_at, "uniqueItems is understood of items that are listed "
                          "(an enum of up to %d): an automaton does not remember others", UNIQUE_MAX);
}

static int unique(array *a, int32_t *expr) {
    qn_ids values = {0};
    int rc = list_values(a, &values);
    if (rc >= 0)
        rc = each_once(a, values.v, values.n, expr);
    qn_ids_drop(&values);
    return rc;
}

int qn_schema_array(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    array a = {.s = s, .f = f, .least = f->min_items, .most = f->max_items};
    qn_rule_tree *t = &s->t;
    int32_t all = 0;
    if (a.most >= 0 && a.most < a.least) {
        *expr = qn_tree_alt(t, NULL, 0);
        return t->rc;
    }
    QN_TRY(count_firsts(&a));
    QN_TRY(f->unique && (a.most < 0 || a.most > 1) ? unique(&a, &all) : items(&a, &all));
    const int32_t some[] = {all, qn_schema_space(s)};
    const int32_t part[] = {qn_schema_literal(s, QN_STR("[")), qn_schema_space(s), qn_tree_seq(t, some, 2),
                            qn_schema_literal(s, QN_STR("]"))};
    *expr = qn_tree_seq(t, part, 4);
    return t->rc;
}
