/* guide/automaton.c — expressions to positions, from the end to the beginning: what comes next is known when an
 * expression is compiled, so nothing is patched but the way back of a loop. */
#include "guide/automaton.h"
#include "guide/factor.h"

#include <string.h>

#define POSITIONS_MAX (1 << 21)
#define BRANCHES_MAX 256            /* of alternatives, one behind the other or within one another */

typedef struct { uint8_t lo, hi; } byte_range;
typedef struct { byte_range b[4]; int n; } byte_seq;       /* characters of one length and one lead */

typedef struct {
    qn_syntax *g;
    const qn_rule_tree *t;
    const char *name;
    qn_factor factor;
    int branches;                   /* that are open */
    int32_t end;                    /* the position END, of all rules */
    int32_t *todo;                  /* [rules] those that are called and not compiled yet */
    size_t n_todo;
    int rc;
} compiler;

/* ---- positions; after a failure all are position 0 ---- */

static int32_t put_pos(compiler *c, qn_pos_kind kind, int32_t a, int32_t n) {
    qn_syntax *g = c->g;
    if (c->rc == 0 && g->n_pos >= POSITIONS_MAX)
        c->rc = qn_fail(QN_ELIMIT, "%s: the automaton has more than %d positions", c->name, POSITIONS_MAX);
    if (c->rc == 0)
        c->rc = QN_GROW(QN_MEM_SESSION, g->pos, g->cap_pos, g->n_pos + 1);
    if (c->rc < 0)
        return 0;
    g->pos[g->n_pos] = (qn_pos){kind, a, n};
    return (int32_t)g->n_pos++;
}

static void put_edge(compiler *c, byte_range r, int32_t to) {
    qn_syntax *g = c->g;
    if (c->rc == 0)
        c->rc = QN_GROW(QN_MEM_SESSION, g->edge, g->cap_edges, g->n_edges + 1);
    if (c->rc == 0)
        g->edge[g->n_edges++] = (qn_byte_edge){r.lo, r.hi, to};
}

static int32_t put_bytes(compiler *c, byte_range r, int32_t to) {
    const int32_t first = (int32_t)c->g->n_edges;
    put_edge(c, r, to);
    return put_pos(c, QN_POS_BYTES, first, 1);
}

/* n places at once, filled in by the caller: c->g->split[a + i]. */
static int32_t put_split(compiler *c, int32_t n) {
    qn_syntax *g = c->g;
    const int32_t first = (int32_t)g->n_splits;
    if (c->rc == 0)
        c->rc = QN_GROW(QN_MEM_SESSION, g->split, g->cap_splits, g->n_splits + (size_t)n);
    if (c->rc < 0)
        return 0;
    memset(g->split + first, 0, (size_t)n * sizeof *g->split);
    g->n_splits += (size_t)n;
    return put_pos(c, QN_POS_SPLIT, first, n);
}

static void set_split(compiler *c, int32_t split, int32_t i, int32_t to) {
    if (c->rc == 0)
        c->g->split[c->g->pos[split].a + i] = to;
}

static int32_t either(compiler *c, int32_t a, int32_t b) {
    const int32_t s = put_split(c, 2);
    set_split(c, s, 0, a);
    set_split(c, s, 1, b);
    return s;
}

/* ---- characters as bytes ---- */

static byte_seq spell(uint32_t lo, uint32_t hi) {
    char a[4], b[4];
    byte_seq s = {.n = qn_utf8_encode(lo, a)};
    qn_utf8_encode(hi, b);
    for (int i = 0; i < s.n; i++)
        s.b[i] = (byte_range){(uint8_t)a[i], (uint8_t)b[i]};
    return s;
}

/* The end of the longest run lo … that is one sequence of byte ranges: of one length, all or no surrogates, and where
 * the first bytes differ, the last ones run through all they can. */
static uint32_t run_end(uint32_t lo, uint32_t hi) {
    static const uint32_t length_end[] = {0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff, 0x10ffff};
    for (size_t i = 0; i < QN_LEN(length_end); i++)
        if (lo <= length_end[i]) {
            hi = QN_MIN(hi, length_end[i]);
            break;
        }
    for (int bits = 18; bits > 0 && hi >= 0x80; bits -= 6) {    /* of the tails, the longest first */
        const uint32_t mask = (1u << bits) - 1;
        if ((lo & ~mask) == (hi & ~mask))
            continue;                                   /* they differ in the tails only */
        if (lo & mask)
            hi = lo | mask;                             /* up to where the tails begin anew */
        else if ((hi & mask) != mask)
            hi = (hi & ~mask) - 1;                      /* all but the last incomplete one */
    }
    return hi;
}

/* What comes behind the first byte; equal endings of one class are one position. */
static int32_t tail(compiler *c, const byte_seq *s, int i, int32_t next, int32_t from) {
    if (i == s->n)
        return next;
    const int32_t to = tail(c, s, i + 1, next, from);
    for (int32_t p = from; c->rc == 0 && p < (int32_t)c->g->n_pos; p++) {
        const qn_byte_edge *e = &c->g->edge[c->g->pos[p].a];
        if (e->to == to && e->lo == s->b[i].lo && e->hi == s->b[i].hi)
            return p;
    }
    return put_bytes(c, s->b[i], to);
}

enum { SEQS = 64 };
static void put_seqs(compiler *c, const byte_seq *seq, const int32_t *to, int n) {
    for (int i = 0; i < n; i++)
        put_edge(c, seq[i].b[0], to[i]);
}

/* The tails of a few sequences are made, then their first bytes become edges of one position. */
static int32_t compile_class(compiler *c, const qn_expr *e, int32_t next) {
    byte_seq seq[SEQS];
    int32_t to[SEQS], part[2] = {-1, -1};
    int n = 0;
    for (int32_t i = 0; i < e->n && c->rc == 0; i++)
        for (uint32_t lo = c->t->range[e->a + i].lo, hi = c->t->range[e->a + i].hi; lo <= hi;) {
            const uint32_t end = run_end(lo, hi);
            if (lo < 0xd800 || lo > 0xdfff)
                seq[n++] = spell(lo, end);
            lo = end + 1;
            if (n < SEQS && (i + 1 < e->n || lo <= hi))
                continue;
            const int32_t from = (int32_t)c->g->n_pos;
            for (int k = 0; k < n; k++)
                to[k] = tail(c, &seq[k], 1, next, from);
            const int32_t first = (int32_t)c->g->n_edges;
            put_seqs(c, seq, to, n);
            part[1] = put_pos(c, QN_POS_BYTES, first, n);
            part[0] = part[0] < 0 ? part[1] : either(c, part[0], part[1]);
            n = 0;
        }
    return part[0] < 0 ? 0 : part[0];
}

/* ---- expressions ---- */

static int32_t compile(compiler *c, int32_t e, int32_t next);

static int32_t compile_text(compiler *c, const qn_expr *e, int32_t next) {
    for (int32_t i = e->n; i-- > 0;) {
        const uint8_t b = (uint8_t)c->t->text.s[e->a + i];
        next = put_bytes(c, (byte_range){b, b}, next);
    }
    return next;
}

/* ---- alternations, as trees of what their ways begin with (factor.h) ---- */

static int32_t compile_ways(compiler *c, const qn_way *w, size_t n, int32_t from, int32_t next);

/* How many of the ways, which are sorted, go on with the atom of the first one. */
static size_t go_on_alike(const qn_way *w, size_t n, int32_t at) {
    size_t i = 1;
    while (i < n && w[i].atom[at] == w[0].atom[at])
        i++;
    return i;
}

/* Where ways part: those that go on with a byte are edges of one position, any other one stands beside it. */
static int32_t fork_ways(compiler *c, const qn_way *w, size_t n, int32_t at, int32_t next) {
    qn_syntax *g = c->g;
    const bool ends = w[0].n == at;
    const int32_t first = (int32_t)g->n_edges;
    int32_t bytes = 0, places = ends, put = 0, edge = first;
    size_t begin = 0;
    while (begin < n && w[begin].n == at)
        begin++;
    for (size_t i = begin; i < n; i += go_on_alike(w + i, n - i, at)) {
        const bool byte = w[i].atom[at] < QN_ATOM_EXPR;
        places += !byte || bytes == 0;
        bytes += byte;
        if (byte)
            put_edge(c, (byte_range){(uint8_t)w[i].atom[at], (uint8_t)w[i].atom[at]}, 0);
    }
    const int32_t node = bytes > 0 ? put_pos(c, QN_POS_BYTES, first, bytes) : 0;
    const int32_t split = places > 1 ? put_split(c, places) : node;
    if (ends)
        set_split(c, split, put++, next);
    if (bytes > 0 && places > 1)
        set_split(c, split, put++, node);
    c->branches++;
    for (size_t i = begin, alike; i < n && c->rc == 0; i += alike) {
        alike = go_on_alike(w + i, n - i, at);
        const bool byte = w[i].atom[at] < QN_ATOM_EXPR;
        const int32_t to = compile_ways(c, w + i, alike, at + byte, next);
        if (c->rc == 0 && byte)
            g->edge[edge++].to = to;
        else
            set_split(c, split, put++, to);
    }
    c->branches--;
    return split;
}

/* Ways that branch again and again: beside one another, so that the stack of the thread does. */
static int32_t compile_side_by_side(compiler *c, const qn_way *w, size_t n, int32_t from, int32_t next) {
    const int32_t split = put_split(c, (int32_t)n);
    for (size_t i = 0; i < n && c->rc == 0; i++) {
        const int32_t to = compile_ways(c, w + i, 1, from, next);
        set_split(c, split, (int32_t)i, to);
    }
    return split;
}

/* Ways that agree up to `from`, from there on. */
static int32_t compile_ways(compiler *c, const qn_way *w, size_t n, int32_t from, int32_t next) {
    const qn_way *last = &w[n - 1];
    int32_t at = from;
    while (at < w[0].n && at < last->n && w[0].atom[at] == last->atom[at])      /* sorted: so all between them agree */
        at++;
    if (last->n > at)
        next = c->branches < BRANCHES_MAX ? fork_ways(c, w, n, at, next) : compile_side_by_side(c, w, n, at, next);
    while (at-- > from && c->rc == 0) {
        const int32_t atom = w[0].atom[at];
        next = atom < QN_ATOM_EXPR ? put_bytes(c, (byte_range){(uint8_t)atom, (uint8_t)atom}, next)
            : compile(c, atom - QN_ATOM_EXPR, next);
    }
    return next;
}

static int32_t compile_alt(compiler *c, int32_t alt, int32_t next) {
    qn_ways ways;
    int32_t at = 0;
    c->rc = qn_factor_ways(&c->factor, alt, &ways);
    if (c->rc == 0 && ways.n > 0)
        at = compile_ways(c, ways.way, ways.n, 0, next);
    qn_ways_drop(&ways);
    return at;
}

/* ---- repetitions, calls ---- */

static int32_t compile_star(compiler *c, int32_t what, int32_t next) {
    const int32_t s = put_split(c, 2), body = compile(c, what, s);
    set_split(c, s, 0, body);
    set_split(c, s, 1, next);
    return s;
}

static int32_t compile_plus(compiler *c, int32_t what, int32_t next) {
    const int32_t s = put_split(c, 2), body = compile(c, what, s);
    set_split(c, s, 0, body);
    set_split(c, s, 1, next);
    return body;
}

static int32_t compile_copies(compiler *c, const qn_expr *e, int32_t next) {
    int32_t at = next;
    if (e->most < 0)
        at = compile_star(c, e->a, next);
    for (int32_t i = e->least; i < e->most && c->rc == 0; i++)
        at = either(c, compile(c, e->a, at), next);
    for (int32_t i = 0; i < e->least && c->rc == 0; i++)
        at = compile(c, e->a, at);
    return at;
}

/* A text of several empty ones is empty: what can be empty need not be there at all, and an empty turn is none. */
static int32_t compile_loop(compiler *c, const qn_expr *e, int32_t next) {
    qn_syntax *g = c->g;
    const int32_t least = c->t->expr[e->a].nullable ? 0 : e->least;
    const int32_t body = compile(c, e->a, put_pos(c, QN_POS_AGAIN, 0, 0));
    if (c->rc == 0)
        c->rc = QN_GROW(QN_MEM_SESSION, g->loop, g->cap_loops, g->n_loops + 1);
    if (c->rc < 0)
        return 0;
    g->loop[g->n_loops] = (qn_loop){body, next, least, e->most};
    const int32_t at = put_pos(c, QN_POS_LOOP, (int32_t)g->n_loops++, 0);
    return least == 0 ? either(c, at, next) : at;
}

static int32_t compile_repeat(compiler *c, const qn_expr *e, int32_t next) {
    const qn_expr *what = &c->t->expr[e->a];
    const int64_t times = e->most < 0 ? (int64_t)e->least + 1 : e->most;
    if (!what->lives)
        return next;                                    /* none of it: e lives, so none is enough */
    if (e->least == 0 && e->most < 0)
        return compile_star(c, e->a, next);
    if (e->least == 1 && e->most < 0)
        return compile_plus(c, e->a, next);
    if (times <= QN_TREE_UNROLL && what->size * times <= QN_TREE_UNROLL)
        return compile_copies(c, e, next);
    return times == 1 ? either(c, compile(c, e->a, next), next) : compile_loop(c, e, next);
}

static int32_t compile_call(compiler *c, int32_t rule, int32_t next) {
    qn_syntax *g = c->g;
    if (c->t->rule[rule].small)
        return compile(c, c->t->rule[rule].body, next);
    if (g->entry[rule] < 0) {
        g->entry[rule] = 0;
        c->todo[c->n_todo++] = rule;
    }
    return put_pos(c, QN_POS_CALL, rule, next);
}

/* Where to begin, so that what e says is followed by what stands at `next`. */
static int32_t compile(compiler *c, int32_t e, int32_t next) {
    const qn_expr *x = &c->t->expr[e];
    if (c->rc < 0)
        return 0;
    switch (x->kind) {
    case QN_EXPR_TEXT: return compile_text(c, x, next);
    case QN_EXPR_CLASS: return compile_class(c, x, next);
    case QN_EXPR_ALT: return compile_alt(c, e, next);
    case QN_EXPR_REPEAT: return compile_repeat(c, x, next);
    case QN_EXPR_RULE: return compile_call(c, x->a, next);
    case QN_EXPR_SEQ: break;
    }
    for (int32_t i = x->n; i-- > 0;)
        next = compile(c, c->t->part[x->a + i], next);
    return next;
}

/* ---- the whole ---- */

static void find_classes(qn_syntax *g) {
    bool begins[257] = {true};
    for (size_t i = 0; i < g->n_edges; i++)
        begins[g->edge[i].lo] = begins[g->edge[i].hi + 1] = true;
    for (int b = 0; b < 256; b++) {
        g->n_classes += begins[b];
        g->class_of[b] = (uint8_t)(g->n_classes - 1);
    }
}

static int compile_rules(compiler *c) {
    qn_syntax *g = c->g;
    c->end = put_pos(c, QN_POS_END, 0, 0);
    g->start = compile(c, c->t->rule[c->t->root].body, c->end);
    while (c->n_todo > 0 && c->rc == 0) {
        const int32_t rule = c->todo[--c->n_todo];
        const int32_t at = compile(c, c->t->rule[rule].body, c->end);
        g->entry[rule] = at;
    }
    return c->rc;
}

int qn_syntax_compile(qn_syntax **out, const qn_rule_tree *t, const char *name) {
    *out = NULL;
    qn_syntax *g = qn_zalloc(QN_MEM_SESSION, 1, sizeof *g);
    compiler c = {.g = g, .t = t, .name = name, .todo = qn_alloc(QN_MEM_SESSION, t->n_rules * sizeof(int32_t))};
    int rc = QN_ENOMEM;
    if (!g || !c.todo)
        goto out;
    QN_TRY_OUT(qn_factor_init(&c.factor, t));
    g->name = qn_str_dup(QN_MEM_SESSION, qn_str_of(name));
    QN_TRY_OUT(g->name ? 0 : QN_ENOMEM);
    g->n_rules = t->n_rules;
    g->entry = qn_alloc(QN_MEM_SESSION, t->n_rules * sizeof *g->entry);
    QN_TRY_OUT(g->entry ? 0 : QN_ENOMEM);
    for (size_t i = 0; i < t->n_rules; i++)
        g->entry[i] = -1;
    QN_TRY_OUT(compile_rules(&c));
    find_classes(g);
    *out = g;
out:
    qn_free(c.todo);
    qn_factor_drop(&c.factor);
    if (rc < 0)
        qn_syntax_free(g);
    return rc;
}

void qn_syntax_free(qn_syntax *g) {
    if (!g)
        return;
    qn_free(g->name);
    qn_free(g->pos);
    qn_free(g->edge);
    qn_free(g->split);
    qn_free(g->loop);
    qn_free(g->entry);
    qn_free(g);
}
