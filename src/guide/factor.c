/* guide/factor.c — which expressions say the same, and alternations as sorted rows of atoms. */
#include "guide/factor.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 8                     /* rules taken apart within one another */
#define PASSES 8

/* ---- expressions that say the same ---- */

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static bool has_parts(const qn_expr *e) { return e->kind == QN_EXPR_SEQ || e->kind == QN_EXPR_ALT; }

static uint64_t hash_of(const qn_factor *f, const qn_expr *e) {
    const qn_rule_tree *t = f->t;
    uint64_t h = mix((uint64_t)e->kind + 1, (uint64_t)(uint32_t)e->n);
    for (int32_t i = 0; e->kind == QN_EXPR_TEXT && i < e->n; i++)
        h = mix(h, (uint8_t)t->text.s[e->a + i]);
    for (int32_t i = 0; e->kind == QN_EXPR_CLASS && i < e->n; i++)
        h = mix(h, (uint64_t)t->range[e->a + i].lo << 32 | t->range[e->a + i].hi);
    for (int32_t i = 0; has_parts(e) && i < e->n; i++)
        h = mix(h, (uint64_t)(uint32_t)f->same[t->part[e->a + i]]);
    if (e->kind == QN_EXPR_REPEAT)
        h = mix(mix(h, (uint64_t)(uint32_t)e->least << 32 | (uint32_t)e->most), (uint64_t)(uint32_t)f->same[e->a]);
    return e->kind == QN_EXPR_RULE ? mix(h, (uint64_t)(uint32_t)f->like[e->a]) : h;
}

static bool alike(const qn_factor *f, const qn_expr *x, const qn_expr *y) {
    const qn_rule_tree *t = f->t;
    if (x->kind != y->kind || x->n != y->n)
        return false;
    if (x->kind == QN_EXPR_TEXT)
        return x->n == 0 || memcmp(t->text.s + x->a, t->text.s + y->a, (size_t)x->n) == 0;
    if (x->kind == QN_EXPR_CLASS)
        return x->n == 0 || memcmp(t->range + x->a, t->range + y->a, (size_t)x->n * sizeof *t->range) == 0;
    if (x->kind == QN_EXPR_RULE)
        return f->like[x->a] == f->like[y->a];
    if (x->kind == QN_EXPR_REPEAT)
        return x->least == y->least && x->most == y->most && f->same[x->a] == f->same[y->a];
    for (int32_t i = 0; i < x->n; i++)
        if (f->same[t->part[x->a + i]] != f->same[t->part[y->a + i]])
            return false;
    return true;
}

/* Parts are older than what they are parts of, so theirs are known before. */
static int find_same(qn_factor *f) {
    const qn_rule_tree *t = f->t;
    size_t slots = 64;
    while (slots < 2 * t->n)
        slots *= 2;
    int32_t *slot = qn_zalloc(QN_MEM_SESSION, slots, sizeof *slot);     /* expression + 1; 0: empty */
    if (!slot)
        return QN_ENOMEM;
    for (size_t e = 0; e < t->n; e++) {
        size_t k = (size_t)hash_of(f, &t->expr[e]) & (slots - 1);
        while (slot[k] && !alike(f, &t->expr[slot[k] - 1], &t->expr[e]))
            k = (k + 1) & (slots - 1);
        if (!slot[k])
            slot[k] = (int32_t)e + 1;
        f->same[e] = slot[k] - 1;
    }
    qn_free(slot);
    return 0;
}

/* Rules whose bodies say the same are the same; true where that is news. */
static bool find_like(qn_factor *f, int32_t *first) {
    const qn_rule_tree *t = f->t;
    bool news = false;
    memset(first, 0xff, t->n * sizeof *first);
    for (size_t r = 0; r < t->n_rules; r++) {
        int32_t *of = &first[f->same[t->rule[r].body]];
        if (*of < 0)
            *of = (int32_t)r;
        news = news || f->like[r] != *of;
        f->like[r] = *of;
    }
    return news;
}

/* Rules of rules that say the same are found pass by pass; those that are missed are only not merged. */
static int find_alike(qn_factor *f) {
    int32_t *first = qn_alloc(QN_MEM_SESSION, f->t->n * sizeof *first);
    bool news = true;
    int rc = first ? 0 : QN_ENOMEM;
    for (size_t r = 0; r < f->t->n_rules; r++)
        f->like[r] = (int32_t)r;
    for (int pass = 0; pass < PASSES && news && rc == 0; pass++) {
        rc = find_same(f);
        news = rc == 0 && find_like(f, first);
    }
    if (rc == 0 && news)
        rc = find_same(f);
    qn_free(first);
    return rc;
}

/* ---- rules that are used once ---- */

static void add_times(uint8_t *times, int32_t at, int n) { times[at] = (uint8_t)QN_MIN(times[at] + n, 2); }

/* How often an expression is compiled: 0, 1, or 2 for more. From the youngest to the oldest: an expression may be part
 * of several, a repetition may be copied, a small rule stands wherever it is used. */
static void count_times(const qn_rule_tree *t, uint8_t *times, uint8_t *uses) {
    for (size_t r = 0; r < t->n_rules; r++)
        add_times(times, t->rule[r].body, t->rule[r].small ? 2 : 1);
    for (size_t e = t->n; e-- > 0;) {
        const qn_expr *x = &t->expr[e];
        const bool copied = x->kind == QN_EXPR_REPEAT && x->most != 1 && !(x->most < 0 && x->least < 2);
        if (x->kind == QN_EXPR_RULE)
            add_times(uses, x->a, times[e]);
        if (x->kind == QN_EXPR_REPEAT)
            add_times(times, x->a, times[e] * (copied ? 2 : 1));
        for (int32_t i = 0; has_parts(x) && i < x->n; i++)
            add_times(times, t->part[x->a + i], times[e]);
    }
    add_times(uses, t->root, 1);
}

int qn_factor_init(qn_factor *f, const qn_rule_tree *t) {
    *f = (qn_factor){t, qn_alloc(QN_MEM_SESSION, t->n * sizeof *f->same),
                     qn_alloc(QN_MEM_SESSION, t->n_rules * sizeof *f->like),
                     qn_zalloc(QN_MEM_SESSION, t->n_rules, sizeof *f->once)};
    uint8_t *times = qn_zalloc(QN_MEM_SESSION, t->n + t->n_rules, 1);
    int rc = f->same && f->like && f->once && times ? 0 : QN_ENOMEM;
    if (rc == 0)
        rc = find_alike(f);
    if (rc == 0) {
        count_times(t, times, times + t->n);
        for (size_t r = 0; r < t->n_rules; r++)
            f->once[r] = times[t->n + r] == 1;
    }
    qn_free(times);
    if (rc < 0)
        qn_factor_drop(f);
    return rc;
}

void qn_factor_drop(qn_factor *f) {
    qn_free(f->same);
    qn_free(f->like);
    qn_free(f->once);
    *f = (qn_factor){0};
}

/* ---- ways ---- */

/* Is the rule written where it is called? What is used once can be, and costs no more there; what it is called from
 * then shares its beginning with others. */
static bool opens(const qn_factor *f, int32_t rule, bool many, int depth) {
    return depth < DEPTH && (f->t->rule[rule].small || (many && f->once[rule]));
}

static int put_text(qn_ids *atoms, const char *s, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        QN_TRY(qn_ids_push(atoms, (uint8_t)s[i]));
    return 0;
}

static int put_atoms(const qn_factor *f, int32_t e, bool many, int depth, qn_ids *atoms) {
    const qn_rule_tree *t = f->t;
    const qn_expr *x = &t->expr[e];
    if (x->kind == QN_EXPR_TEXT)
        return put_text(atoms, t->text.s + x->a, x->n);
    if (x->kind == QN_EXPR_RULE && opens(f, x->a, many, depth))
        return put_atoms(f, t->rule[x->a].body, many, depth + 1, atoms);
    if (x->kind == QN_EXPR_CLASS && x->n == 1) {        /* of one character: patterns are made of them */
        const qn_char_range r = t->range[x->a];
        char bytes[4];
        if (r.lo == r.hi && (r.lo < 0xd800 || r.lo > 0xdfff))
            return put_text(atoms, bytes, qn_utf8_encode(r.lo, bytes));
    }
    if (x->kind != QN_EXPR_SEQ)
        return qn_ids_push(atoms, QN_ATOM_EXPR + f->same[e]);
    for (int32_t i = 0; i < x->n; i++)
        QN_TRY(put_atoms(f, t->part[x->a + i], many, depth, atoms));
    return 0;
}

/* What follows: parts of little weight, which may be written behind several ways. */
typedef struct rest { int32_t e; const struct rest *next; } rest;
enum { LIGHT = 8, FORKS = 16 };      /* positions of a rest; ways that one alternative becomes by its choices */

typedef struct {
    const qn_factor *f;
    qn_ways *out;
    qn_ids path;                    /* atoms of the way so far */
    bool many;
    int forks;                      /* choices within this alternative that are still taken apart */
} maker;

static int end_way(maker *m, const rest *r) {
    const size_t first = m->out->atoms.n;
    for (; r; r = r->next)
        QN_TRY(put_atoms(m->f, r->e, false, 0, &m->path));
    for (size_t i = 0; i < m->path.n; i++)
        QN_TRY(qn_ids_push(&m->out->atoms, m->path.v[i]));
    QN_TRY(QN_GROW(QN_MEM_SESSION, m->out->way, m->out->cap, m->out->n + 1));
    m->out->way[m->out->n++] = (qn_way){NULL, (int32_t)(m->out->atoms.n - first)};
    return 0;
}

static int put_ways(maker *m, int32_t e, int depth, const rest *behind);

/* Nothing to choose, or not here. */
static bool plain(const qn_factor *f, const qn_expr *x) {
    return x->kind == QN_EXPR_TEXT || x->kind == QN_EXPR_CLASS || (x->kind == QN_EXPR_RULE && !f->once[x->a]);
}

/* All parts but the last are atoms, or the last choice behind which little follows: {"kind": …} where kind may be
 * missing differs as early as one where it may not. */
static int put_row(maker *m, const qn_expr *x, int depth, const rest *behind) {
    const qn_rule_tree *t = m->f->t;
    const int32_t *part = t->part + x->a;
    rest link[LIGHT];
    int32_t weight = 0, at = x->n - 1;
    for (const rest *r = behind; r; r = r->next)
        weight += t->expr[r->e].size;
    for (; m->many && at > 0 && x->n - at < LIGHT && plain(m->f, &t->expr[part[at]]); at--) {
        weight += t->expr[part[at]].size;
        if (weight > LIGHT)
            break;
        link[x->n - 1 - at] = (rest){part[at], behind};
        behind = &link[x->n - 1 - at];
    }
    for (int32_t i = 0; i < at; i++)
        QN_TRY(put_atoms(m->f, part[i], m->many, depth, &m->path));
    return at < 0 ? end_way(m, behind) : put_ways(m, part[at], depth, behind);
}

/* Alternatives of an alternative are alternatives. */
static int put_choices(maker *m, const qn_expr *x, int depth, const rest *behind) {
    const size_t mark = m->path.n;
    const bool whole = mark == 0 && !behind;
    for (int32_t i = 0; i < x->n; i++) {
        m->forks = whole ? (m->many ? FORKS : 0) : m->forks;
        const int32_t part = m->f->t->part[x->a + i];
        QN_TRY(m->f->t->expr[part].lives ? put_ways(m, part, depth, behind) : 0);
        m->path.n = mark;
    }
    return 0;
}

static int put_ways(maker *m, int32_t e, int depth, const rest *behind) {
    const qn_rule_tree *t = m->f->t;
    const qn_expr *x = &t->expr[e];
    const bool whole = m->path.n == 0 && !behind;
    const size_t mark = m->path.n;
    if (x->kind == QN_EXPR_RULE && opens(m->f, x->a, m->many, depth))
        return put_ways(m, t->rule[x->a].body, depth + 1, behind);
    if (x->kind == QN_EXPR_ALT && (whole || x->n <= m->forks)) {
        m->forks -= whole ? 0 : x->n;
        return put_choices(m, x, depth, behind);
    }
    if (x->kind == QN_EXPR_SEQ)
        return put_row(m, x, depth, behind);
    if (x->kind == QN_EXPR_REPEAT && x->least == 0 && x->most == 1 && m->forks > 0) {
        m->forks--;
        QN_TRY(t->expr[x->a].lives ? put_ways(m, x->a, depth, behind) : 0);
        m->path.n = mark;
        return end_way(m, behind);
    }
    QN_TRY(put_atoms(m->f, e, m->many, depth, &m->path));
    return end_way(m, behind);
}

static int by_atoms(const void *a, const void *b) {
    const qn_way *x = a, *y = b;
    for (int32_t i = 0; i < x->n && i < y->n; i++)
        if (x->atom[i] != y->atom[i])
            return x->atom[i] < y->atom[i] ? -1 : 1;
    return x->n != y->n ? (x->n < y->n ? -1 : 1) : 0;
}

int qn_factor_ways(const qn_factor *f, int32_t alt, qn_ways *out) {
    size_t at = 0;
    maker m = {.f = f, .out = out, .many = f->t->expr[alt].n >= QN_FACTOR_MANY};
    *out = (qn_ways){0};
    const int rc = put_ways(&m, alt, 0, NULL);
    qn_ids_drop(&m.path);
    QN_TRY(rc);
    for (size_t i = 0; i < out->n; i++) {               /* atoms have stopped moving */
        out->way[i].atom = out->atoms.v + at;
        at += (size_t)out->way[i].n;
    }
    if (out->n > 1)
        qsort(out->way, out->n, sizeof *out->way, by_atoms);
    return 0;
}

void qn_ways_drop(qn_ways *w) {
    qn_free(w->way);
    qn_ids_drop(&w->atoms);
    *w = (qn_ways){0};
}
