/* guide/regular.c — expressions to places with ways between them, those to states, and states to rules. */
#include "guide/regular.h"

#include <stdlib.h>
#include <string.h>

#include "guide/pattern.h"
#include "tok/tok.h"

enum { PLACES_MAX = 1 << 16, FACTORS_MAX = 16, WORK_MAX = 1 << 27 };
enum { SPLIT = -1, ACCEPT = -2 };

/* class: an expression of `from` that one character fits, and then `next`; SPLIT: next and other at once; −1:
 * nowhere. */
typedef struct { int32_t class, next, other; } place;
typedef struct { int32_t *at; size_t n; int32_t rule; } state;         /* places, ascending */
typedef struct { int32_t rule; qn_char_range r; } arc;

typedef struct {
    qn_rule_tree *to;
    const qn_rule_tree *from;
    const qn_regular *all;
    size_t n;
    int32_t first[FACTORS_MAX + 1];     /* the places of factor i: first[i] … first[i + 1]; its first one is ACCEPT */
    int32_t start[FACTORS_MAX];
    place *place;           size_t places, cap_places;
    uint32_t *mark, stamp;              /* [places] in the set that is being made */
    qn_ids set, todo, points;
    state *state;           size_t states, cap_states;
    qn_strmap known;                    /* a state's places, as bytes */
    arc *arc;               size_t arcs, cap_arcs;
    int64_t work;                       /* classes looked at */
    int rc;
} maker;

/* ---- places ---- */

static int32_t place_add(maker *m, int32_t class, int32_t next, int32_t other) {
    if (m->rc >= 0 && m->places >= PLACES_MAX)
        m->rc = qn_fail(QN_ELIMIT, "it explodes: its counts come to more than %d places", PLACES_MAX);
    if (m->rc >= 0)
        m->rc = QN_GROW(QN_MEM_SESSION, m->place, m->cap_places, m->places + 1);
    if (m->rc < 0)
        return 0;
    m->place[m->places] = (place){class, next, other};
    return (int32_t)m->places++;
}

static int32_t build(maker *m, int32_t expr, int32_t next);

/* Copies, from the last to the first: X{2,3} is X X (X | ), and X* goes back to where it is chosen. */
static int32_t build_repeat(maker *m, const qn_expr *e, int32_t next) {
    int32_t at = next;
    if (e->most < 0) {
        at = place_add(m, SPLIT, -1, next);
        const int32_t body = build(m, e->a, at);
        if (m->rc >= 0)
            m->place[at].next = body;
    }
    for (int64_t i = e->least; i < e->most && m->rc >= 0; i++)
        at = place_add(m, SPLIT, build(m, e->a, at), next);
    for (int64_t i = 0; i < e->least && m->rc >= 0; i++)
        at = build(m, e->a, at);
    return at;
}

/* Where what fits the expression begins, with `next` behind it. */
static int32_t build(maker *m, int32_t expr, int32_t next) {
    const qn_expr e = m->from->expr[expr];
    int32_t at = next;
    if (m->rc < 0)
        return 0;
    switch (e.kind) {
    case QN_EXPR_CLASS:
        return place_add(m, expr, next, -1);
    case QN_EXPR_SEQ:
        for (int32_t i = e.n; i-- > 0;)
            at = build(m, m->from->part[e.a + i], at);
        return at;
    case QN_EXPR_ALT:
        at = -1;
        for (int32_t i = e.n; i-- > 0;)
            at = place_add(m, SPLIT, build(m, m->from->part[e.a + i], next), at);
        return at;
    case QN_EXPR_REPEAT:
        return build_repeat(m, &e, next);
    case QN_EXPR_TEXT:
    case QN_EXPR_RULE:
        break;
    }
    qn_assert(e.kind == QN_EXPR_TEXT && e.n == 0);
    return next;
}

/* ---- sets of places ---- */

static void set_begin(maker *m) {
    m->stamp++;
    qn_ids_clear(&m->set);
}

static int set_put(maker *m, int32_t at) {
    QN_TRY(qn_ids_push(&m->todo, at));
    while (m->todo.n > 0) {
        at = m->todo.v[--m->todo.n];
        if (at < 0 || m->mark[at] == m->stamp)
            continue;
        m->mark[at] = m->stamp;
        const place p = m->place[at];
        if (p.class != SPLIT) {
            QN_TRY(qn_ids_push(&m->set, at));
            continue;
        }
        QN_TRY(qn_ids_push(&m->todo, p.next));
        QN_TRY(qn_ids_push(&m->todo, p.other));
    }
    return 0;
}

static int by_number(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Some factor that must fit stands nowhere any more. */
static bool set_is_dead(const maker *m) {
    bool lives[FACTORS_MAX] = {false};
    for (size_t k = 0; k < m->set.n; k++)
        for (size_t i = 0; i < m->n; i++)
            lives[i] = lives[i] || (m->set.v[k] >= m->first[i] && m->set.v[k] < m->first[i + 1]);
    for (size_t i = 0; i < m->n; i++)
        if (!lives[i] && !m->all[i].not)
            return true;
    return false;
}

/* The rule of the set, which becomes a state if it is none yet; −1: no text goes on from there. */
static int state_of(maker *m, int32_t *rule) {
    int64_t known;
    *rule = -1;
    if (set_is_dead(m))
        return 0;
    qsort(m->set.v, m->set.n, sizeof *m->set.v, by_number);
    const size_t bytes = m->set.n * sizeof *m->set.v;
    if (qn_strmap_get(&m->known, (qn_str){(const char *)m->set.v, bytes}, &known)) {
        *rule = m->state[known].rule;
        return 0;
    }
    if (m->states >= QN_REGULAR_STATES)
        return qn_fail(QN_ELIMIT, "it explodes: more than %d states", QN_REGULAR_STATES);
    QN_TRY(QN_GROW(QN_MEM_SESSION, m->state, m->cap_states, m->states + 1));
    state *s = &m->state[m->states];
    *s = (state){qn_alloc(QN_MEM_SESSION, bytes), m->set.n, qn_tree_rule_add(m->to, QN_STR("a text"))};
    if (!s->at)
        return QN_ENOMEM;
    memcpy(s->at, m->set.v, bytes);
    *rule = s->rule;
    const int rc = qn_strmap_put(&m->known, (qn_str){(const char *)s->at, bytes}, (int64_t)m->states++);
    return rc < 0 ? rc : m->to->rc;
}

/* ---- from state to state ---- */

static bool fits(const maker *m, int32_t class, uint32_t c) {
    const qn_expr *e = &m->from->expr[class];
    for (int32_t i = e->a; i < e->a + e->n; i++)
        if (c >= m->from->range[i].lo && c <= m->from->range[i].hi)
            return true;
    return false;
}

/* Where the classes of a state begin and end: between two points all characters are alike. */
static int find_points(maker *m, const state *s) {
    size_t n = 0;
    qn_ids_clear(&m->points);
    for (size_t i = 0; i < s->n; i++) {
        const int32_t class = m->place[s->at[i]].class;
        for (int32_t k = 0; class >= 0 && k < m->from->expr[class].n; k++) {
            const qn_char_range r = m->from->range[m->from->expr[class].a + k];
            QN_TRY(qn_ids_push(&m->points, (int32_t)r.lo));
            QN_TRY(qn_ids_push(&m->points, (int32_t)r.hi + 1));
        }
    }
    if (m->points.n > 0)
        qsort(m->points.v, m->points.n, sizeof *m->points.v, by_number);
    for (size_t i = 0; i < m->points.n; i++)
        if (n == 0 || m->points.v[n - 1] != m->points.v[i])
            m->points.v[n++] = m->points.v[i];
    m->points.n = n;
    return 0;
}

static int find_arcs(maker *m, size_t from) {
    m->arcs = 0;
    QN_TRY(find_points(m, &m->state[from]));
    for (size_t k = 0; k + 1 < m->points.n; k++) {
        const qn_char_range r = {(uint32_t)m->points.v[k], (uint32_t)m->points.v[k + 1] - 1};
        int32_t rule;
        set_begin(m);
        for (size_t i = 0; i < m->state[from].n; i++) {
            const place p = m->place[m->state[from].at[i]];
            m->work += p.class >= 0 ? 1 + m->from->expr[p.class].n : 0;
            if (p.class >= 0 && fits(m, p.class, r.lo))
                QN_TRY(set_put(m, p.next));
        }
        if (m->work > WORK_MAX)
            return qn_fail(QN_ELIMIT, "it explodes: too many classes of characters stand side by side");
        QN_TRY(state_of(m, &rule));
        if (rule < 0)
            continue;
        QN_TRY(QN_GROW(QN_MEM_SESSION, m->arc, m->cap_arcs, m->arcs + 1));
        m->arc[m->arcs++] = (arc){rule, r};
    }
    return 0;
}

static int by_rule(const void *a, const void *b) {
    const arc *x = a, *y = b;
    return x->rule != y->rule ? (x->rule > y->rule) - (x->rule < y->rule) : (x->r.lo > y->r.lo) - (x->r.lo < y->r.lo);
}

/* All that must fit is over here, and nothing that must not. */
static bool accepts(const maker *m, const state *s) {
    for (size_t i = 0; i < m->n; i++) {
        bool over = false;
        for (size_t k = 0; k < s->n && !over; k++)
            over = s->at[k] == m->first[i];
        if (over == m->all[i].not)
            return false;
    }
    return true;
}

/* a ::= [a-z] b | "." c | "" */
static int write_rule(maker *m, size_t from) {
    qn_ids way = {0};
    qn_char_range *r = qn_alloc(QN_MEM_SESSION, (m->arcs + 1) * sizeof *r);
    int rc = r ? 0 : QN_ENOMEM;
    if (rc >= 0 && accepts(m, &m->state[from]))
        rc = qn_ids_push(&way, 0);
    if (m->arcs > 0)
        qsort(m->arc, m->arcs, sizeof *m->arc, by_rule);
    for (size_t i = 0; i < m->arcs && rc >= 0;) {
        const int32_t rule = m->arc[i].rule;
        size_t n = 0;
        for (; i < m->arcs && m->arc[i].rule == rule; i++)
            r[n++] = m->arc[i].r;
        const int32_t part[] = {qn_pattern_quoted(m->to, r, n), qn_tree_call(m->to, rule)};
        rc = qn_ids_push(&way, qn_tree_seq(m->to, part, 2));
    }
    if (rc >= 0) {
        const int32_t body = qn_tree_alt(m->to, way.v, way.n);
        m->to->rule[m->state[from].rule].body = body;
    }
    qn_free(r);
    qn_ids_drop(&way);
    return rc < 0 ? rc : m->to->rc;
}

static int make(maker *m, int32_t *expr) {
    int32_t rule;
    for (size_t i = 0; i < m->n; i++) {
        m->first[i] = place_add(m, ACCEPT, -1, -1);
        m->start[i] = build(m, m->all[i].expr, m->first[i]);
    }
    QN_TRY(m->rc);
    m->first[m->n] = (int32_t)m->places;
    m->mark = qn_zalloc(QN_MEM_SESSION, m->places, sizeof *m->mark);
    if (!m->mark)
        return QN_ENOMEM;
    set_begin(m);
    for (size_t i = 0; i < m->n; i++)
        QN_TRY(set_put(m, m->start[i]));
    QN_TRY(state_of(m, &rule));
    *expr = rule < 0 ? qn_tree_alt(m->to, NULL, 0) : qn_tree_call(m->to, rule);
    for (size_t i = 0; i < m->states; i++) {
        QN_TRY(find_arcs(m, i));
        QN_TRY(write_rule(m, i));
    }
    return m->to->rc;
}

int qn_regular_all(qn_rule_tree *to, const qn_rule_tree *from, const qn_regular *all, size_t n, int32_t *expr) {
    maker m = {.to = to, .from = from, .all = all, .n = n};
    qn_assert(n <= FACTORS_MAX);
    const int rc = make(&m, expr);
    for (size_t i = 0; i < m.states; i++)
        qn_free(m.state[i].at);
    qn_free(m.state);
    qn_free(m.place);
    qn_free(m.mark);
    qn_free(m.arc);
    qn_ids_drop(&m.set);
    qn_ids_drop(&m.todo);
    qn_ids_drop(&m.points);
    qn_strmap_drop(&m.known);
    return rc;
}
