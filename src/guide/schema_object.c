/* guide/schema_object.c — members in the order in which the schema names them; those that are not required may be left
 * out; others, where they are allowed, come behind.
 *
 *     all        ::= first(0) space                    n members; `tail(i)`: those from i on, each with its comma in
 * front     first(i)   ::= member(i) tail(i + 1) | first(i + 1) where member i may be left out
 *     tail(i)    ::= ("," space member(i)) tail(i + 1)    … or nothing in place of the parentheses
 *
 * tail(i) is a rule where first(i − 1) needs it too, so that what is written once is compiled once. */
#include "guide/pattern.h"
#include "guide/schema.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 4000 };

typedef struct { int32_t expr; bool required; } named_member;
typedef struct {
    qn_schema *s;
    const qn_schema_facts *f;
    qn_str *name;           size_t n, cap;      /* in order */
    qn_strmap index;
    bool *required;
    int32_t at;                                 /* a node, for messages */
    named_member *member;   size_t members, cap_members;
    int32_t more;                               /* a member that is not named; −1: none may come */
    bool never;
} object;

static int32_t keyword(const object *o, size_t entry, const char *key) {
    return qn_json_tree_get(&o->s->j, o->f->view->e[entry].node, key);
}

/* ---- which members ---- */

static int add_name(object *o, qn_str name, int32_t at) {
    int64_t known;
    if (qn_strmap_get(&o->index, name, &known))
        return 0;
    if (o->n >= MEMBERS_MAX)
        return qn_schema_fail(o->s, QN_ELIMIT, at, "an object with more than %d members", MEMBERS_MAX);
    QN_TRY(QN_GROW(QN_MEM_SESSION, o->name, o->cap, o->n + 1));
    o->name[o->n] = name;
    o->at = at;
    const int rc = qn_strmap_put(&o->index, name, (int64_t)o->n++);
    return QN_MIN(rc, 0);
}

static int find_names(object *o) {
    const qn_json_tree *j = &o->s->j;
    int64_t at;
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t list = keyword(o, e, "properties");
        for (int32_t k = list >= 0 ? j->node[list].child : -1; k >= 0; k = j->node[k].next)
            QN_TRY(add_name(o, qn_json_tree_key(j, k), k));
    }
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t list = keyword(o, e, "required");
        for (int32_t k = list >= 0 ? j->node[list].child : -1; k >= 0; k = j->node[k].next)
            QN_TRY(add_name(o, qn_json_tree_str(j, k), k));
    }
    o->required = qn_zalloc(QN_MEM_SESSION, o->n + 1, sizeof *o->required);
    if (!o->required)
        return QN_ENOMEM;
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t list = keyword(o, e, "required");
        for (int32_t k = list >= 0 ? j->node[list].child : -1; k >= 0; k = j->node[k].next)
            if (qn_strmap_get(&o->index, qn_json_tree_str(j, k), &at))
                o->required[at] = true;
        const qn_str sure = qn_schema_discriminator(o->s, o->f->view->e[e].node);
        if (sure.n > 0 && qn_strmap_get(&o->index, sure, &at))
            o->required[at] = true;
    }
    return 0;
}

/* What all entries say of the value of a member: by its name, or as one of those that are not named. */
static int view_of(const object *o, const qn_str *name, qn_schema_view *v, bool *never) {
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t list = keyword(o, e, "properties"), more = keyword(o, e, "additionalProperties");
        const int32_t own = name && list >= 0 ? qn_json_tree_find(&o->s->j, list, *name) : -1;
        const int32_t says = own >= 0 ? own : more;
        *never = *never || (says >= 0 && o->s->j.node[says].kind == 'f');
        if (says >= 0)
            QN_TRY(qn_view_add(v, says, 0));
    }
    return 0;
}

static int value_of(const object *o, const qn_str *name, int32_t *value, bool *never) {
    qn_schema_view v = {0};
    int rc = view_of(o, name, &v, never);
    if (rc >= 0 && !*never)
        rc = qn_schema_of(o->s, &v, value);
    qn_free(v.e);
    return rc;
}

/* "key": value */
static int32_t with_value(object *o, int32_t key, int32_t value) {
    const int32_t part[] = {key, qn_schema_literal(o->s, QN_STR(":")), qn_schema_space(o->s), value};
    return qn_tree_seq(&o->s->t, part, 4);
}

static int add_members(object *o) {
    qn_buf key = {0};
    int rc = 0;
    for (size_t i = 0; i < o->n && rc >= 0; i++) {
        bool never = false;
        int32_t value = 0;
        rc = value_of(o, &o->name[i], &value, &never);
        if (rc < 0 || (never && !o->required[i]))
            continue;
        o->never = o->never || never;
        qn_buf_clear(&key);
        rc = qn_json_quote(&key, o->name[i]);
        if (rc >= 0)
            rc = QN_GROW(QN_MEM_SESSION, o->member, o->cap_members, o->members + 1);
        if (rc >= 0)
            o->member[o->members++] = (named_member){with_value(o, qn_schema_literal(o->s, qn_buf_view(&key)), value),
                                               o->required[i]};
    }
    qn_buf_drop(&key);
    return rc;
}

/* ---- members that are not named ---- */

static int by_text(const void *a, const void *b) {
    const qn_str *x = a, *y = b;
    const int order = memcmp(x->s, y->s, QN_MIN(x->n, y->n));
    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

/* Characters that a key may have here, but for those in `out`: none that needs an escape, so that a key is spelled in
 * one way only and cannot be a name in disguise. */
static int32_t key_chars(object *o, qn_char_range *out, size_t n) {
    out[n++] = (qn_char_range){0, 31};
    out[n++] = (qn_char_range){'"', '"'};
    out[n++] = (qn_char_range){'\\', '\\'};
    out[n++] = (qn_char_range){127, 127};
    return qn_tree_class(&o->s->t, out, n, true);
}

/* What may follow the first `depth` bytes of names[0 … n), which they share, so that no name comes out; with its end.
 *     here ::= '"' if this is no name | [any other character] rest | c here(c), for each c that goes on */
static int other_keys(object *o, const qn_str *names, size_t n, size_t depth, int32_t rest, int32_t *out) {
    qn_rule_tree *t = &o->s->t;
    qn_ids way = {0};
    qn_char_range *taken = qn_alloc(QN_MEM_SESSION, (n + 4) * sizeof *taken);
    size_t i = 0, n_taken = 0;
    int rc = taken ? 0 : QN_ENOMEM;
    const int32_t quote = qn_schema_literal(o->s, QN_STR("\""));
    if (n > 0 && names[0].n == depth)
        i++;
    else if (rc >= 0)
        rc = qn_ids_push(&way, quote);
    while (i < n && rc >= 0) {
        uint32_t cp;
        int32_t below = 0;
        const size_t first = i;
        const int len = qn_utf8_decode(names[i].s + depth, names[i].n - depth, &cp);
        while (i < n && names[i].n >= depth + (size_t)len &&
               memcmp(names[i].s + depth, names[first].s + depth, (size_t)len) == 0)
            i++;
        taken[n_taken++] = (qn_char_range){cp, cp};
        if (cp < 32 || cp == '"' || cp == '\\' || cp == 127)
            continue;                           /* such a character comes in no key of these */
        rc = other_keys(o, names + first, i - first, depth + (size_t)len, rest, &below);
        const int32_t part[] = {qn_tree_range(t, cp, cp), below};
        if (rc >= 0)
            rc = qn_ids_push(&way, qn_tree_seq(t, part, 2));
    }
    if (rc >= 0) {
        const int32_t part[] = {key_chars(o, taken, n_taken), rest};
        rc = qn_ids_push(&way, qn_tree_seq(t, part, 2));
    }
    if (rc >= 0)
        *out = qn_tree_alt(t, way.v, way.n);
    qn_free(taken);
    qn_ids_drop(&way);
    return rc < 0 ? rc : t->rc;
}

static int other_key(object *o, int32_t *key) {
    qn_rule_tree *t = &o->s->t;
    qn_char_range none[4];
    const int32_t quote = qn_schema_literal(o->s, QN_STR("\""));
    int32_t part[2] = {quote, 0};
    if (o->n == 0) {
        *key = qn_schema_plain_string(o->s);
        return 0;
    }
    for (size_t i = 0; i < o->n; i++)
        if (o->name[i].n > 64)
            return qn_schema_fail(o->s, QN_ELIMIT, o->at, "other members are allowed beside a name of more than 64 "
                                  "bytes");
    qn_str *sorted = qn_alloc(QN_MEM_SESSION, o->n * sizeof *sorted);
    if (!sorted)
        return QN_ENOMEM;
    memcpy(sorted, o->name, o->n * sizeof *sorted);
    qsort(sorted, o->n, sizeof *sorted, by_text);
    const int32_t ends[] = {qn_tree_repeat(t, key_chars(o, none, 0), 0, -1), quote};
    const int32_t rest = qn_tree_rule_add(t, QN_STR("the rest of a key"));
    if (t->rc == 0)
        t->rule[rest].body = qn_tree_seq(t, ends, 2);
    const int rc = t->rc < 0 ? t->rc : other_keys(o, sorted, o->n, 0, qn_tree_call(t, rest), &part[1]);
    qn_free(sorted);
    *key = qn_tree_seq(t, part, 2);
    return rc;
}

/* Keys by one pattern, each with a value of the pattern's schema; with names beside it, or other patterns, a key might
 * have to be of several schemas. */
static int more_by_pattern(object *o, int32_t patterns) {
    const int32_t one = o->s->j.node[patterns].child;
    qn_schema_view v = {0};
    qn_pattern p;
    int32_t value = 0;
    if (o->s->j.node[patterns].n > 1 || o->n > 0)
        return qn_schema_fail(o->s, QN_EUNSUPPORTED, patterns, "is understood with one pattern, and without members "
                              "that are named beside it");
    if (o->s->j.node[one].kind == 'f')
        return 0;
    int rc = qn_pattern_read(&o->s->t, qn_json_tree_key(&o->s->j, one), QN_PATTERN_SEARCH | QN_PATTERN_QUOTED, &p);
    if (rc >= 0 && p.looks > 0)
        rc = qn_schema_fail(o->s, QN_EUNSUPPORTED, one, "a pattern of keys cannot look ahead");
    if (rc >= 0)
        rc = qn_view_add(&v, one, 0);
    if (rc >= 0)
        rc = qn_schema_of(o->s, &v, &value);
    qn_free(v.e);
    QN_TRY(rc);
    const int32_t quote = qn_schema_literal(o->s, QN_STR("\"")), key[] = {quote, p.expr, quote};
    o->more = with_value(o, qn_tree_seq(&o->s->t, key, 3), value);
    return 0;
}

/* Does this schema of names let any of them be? */
static bool is_any_name(const object *o, int32_t node) {
    static const char *const idle[] = {"title", "description", "$comment"};
    const qn_json_tree *j = &o->s->j;
    bool any = j->node[node].kind == 't' || j->node[node].kind == '{';
    for (int32_t k = j->node[node].kind == '{' ? j->node[node].child : -1; k >= 0; k = j->node[k].next) {
        bool says = !(qn_str_is(qn_json_tree_key(j, k), "type") && qn_str_is(qn_json_tree_str(j, k), "string"));
        for (size_t i = 0; i < QN_LEN(idle); i++)
            says = says && !qn_str_is(qn_json_tree_key(j, k), idle[i]);
        any = any && !says;
    }
    return any;
}

/* What is said of names. 0: nothing. */
static int view_of_names(const object *o, qn_schema_view *v) {
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t names = keyword(o, e, "propertyNames");
        if (names >= 0 && !is_any_name(o, names))
            QN_TRY(qn_view_add(v, names, 0));
    }
    return v->n > 0;
}

/* Members that are named anyway must be among the names that are listed, and are all that there are then. */
static int check_names(object *o, const qn_schema_view *v, const qn_ids *names) {
    for (size_t i = 0; i < o->n; i++) {
        bool in = false;
        for (size_t k = 0; k < names->n; k++)
            in = in || qn_str_eq(o->name[i], qn_json_tree_str(&o->s->j, names->v[k]));
        if (!in)
            return qn_schema_fail(o->s, QN_EUNSUPPORTED, v->e[0].node, "\"%.*s\" is a member; of names beside members "
                                  "only a list that they stand in is understood", QN_STR_ARG(o->name[i]));
    }
    return 0;
}

/* 1: names of other members are held to a schema, and *key is it, or −1 where there are none but those that are
 * named. */
static int held_key(object *o, int32_t *key) {
    qn_schema_view v = {0};
    qn_ids names = {0};
    int rc = view_of_names(o, &v);
    if (rc > 0)
        rc = qn_schema_keys(o->s, &v, &names, key);
    const bool held = v.n > 0;
    if (rc >= 0 && held && o->n > 0) {
        rc = check_names(o, &v, &names);
        *key = -1;
    }
    qn_ids_drop(&names);
    qn_free(v.e);
    return rc < 0 ? rc : held;
}

/* Where nothing is said of members, any may come; where some are named, others only if that is said. */
static int find_more(object *o) {
    bool said = false, closed = false, never = false;
    int32_t key = 0, value = 0, patterns = -1;
    for (size_t e = 0; e < o->f->view->n; e++) {
        const int32_t rest = keyword(o, e, "unevaluatedProperties"), p = keyword(o, e, "patternProperties");
        said = said || keyword(o, e, "additionalProperties") >= 0;
        closed = closed || (rest >= 0 && o->s->j.node[rest].kind == 'f');
        if (patterns >= 0 && p >= 0)
            return qn_schema_fail(o->s, QN_EUNSUPPORTED, p, "is understood once for one value");
        patterns = QN_MAX(patterns, p);
    }
    o->more = -1;
    const int held = held_key(o, &key);
    QN_TRY(held);
    if (patterns >= 0 && held)
        return qn_schema_fail(o->s, QN_EUNSUPPORTED, patterns, "is not understood beside propertyNames");
    if (patterns >= 0 && o->s->j.node[patterns].n > 0)
        return more_by_pattern(o, patterns);
    if (((o->f->named || closed) && !said) || key < 0)
        return 0;
    QN_TRY(value_of(o, NULL, &value, &never));
    if (never)
        return 0;
    if (!held)
        QN_TRY(other_key(o, &key));
    o->more = with_value(o, key, value);
    return 0;
}

/* ---- how many ---- */

static int check_counts(object *o, int64_t *least, int64_t *most) {
    int64_t required = 0;
    *least = 0;
    *most = -1;
    for (size_t i = 0; i < o->members; i++)
        required += o->member[i].required;
    for (size_t e = 0; e < o->f->view->n; e++)
        for (int high = 0; high < 2; high++) {
            const int32_t at = keyword(o, e, high ? "maxProperties" : "minProperties");
            const double v = at >= 0 ? o->s->j.node[at].number : 0;
            if (at < 0)
                continue;
            if (o->s->j.node[at].kind != '0' || v < 0 || v > QN_SYNTAX_COUNT_MAX)
                return qn_schema_fail(o->s, QN_EFORMAT, at, "expected a count");
            const bool free = o->members == 0 && o->more >= 0;      /* a key may come twice, and count once */
            const bool fine = high ? (o->more < 0 && v >= (double)o->members) || free
                                   : v <= (double)required || (free && v <= 1);
            if (!fine)
                return qn_schema_fail(o->s, QN_EUNSUPPORTED, at, "is understood where the members that are named and "
                                      "required fulfil it");
            if (free && high)
                *most = *most < 0 ? (int64_t)v : QN_MIN(*most, (int64_t)v);
            else if (free)
                *least = QN_MAX(*least, (int64_t)v);
        }
    return 0;
}

/* ---- in a row ---- */

static int32_t with_comma(object *o, int32_t expr) {
    const int32_t part[] = {qn_schema_literal(o->s, QN_STR(",")), qn_schema_space(o->s), expr};
    return qn_tree_seq(&o->s->t, part, 3);
}

/* Members from i on, each with its comma. */
static int32_t tail(object *o, size_t i) {
    qn_ids part = {0};
    int32_t all = 0;
    int rc = 0;
    for (; i < o->members && rc >= 0; i++)
        rc = qn_ids_push(&part, qn_tree_repeat(&o->s->t, with_comma(o, o->member[i].expr), o->member[i].required, 1));
    if (rc >= 0 && o->more >= 0)
        rc = qn_ids_push(&part, qn_tree_repeat(&o->s->t, with_comma(o, o->more), 0, -1));
    if (rc >= 0)
        all = part.n > 0 ? qn_tree_seq(&o->s->t, part.v, part.n) : 0;
    else
        o->s->t.rc = rc;
    qn_ids_drop(&part);
    return all;
}

static int32_t pair(object *o, int32_t a, int32_t b) {
    const int32_t part[] = {a, b};
    return qn_tree_seq(&o->s->t, part, 2);
}

/* Members that are not named and no others: one, up to `most` (−1: any number). */
static int32_t only_more(object *o, int64_t most) {
    if (o->more < 0 || most == 0)
        return qn_tree_alt(&o->s->t, NULL, 0);
    return pair(o, o->more, qn_tree_repeat(&o->s->t, with_comma(o, o->more), 0, most < 0 ? -1 : most - 1));
}

/* tail(i) of the members before the first required one, from the last to the first: each is a rule that calls the
 * next. */
static int32_t leading(object *o, size_t required) {
    qn_rule_tree *t = &o->s->t;
    int32_t behind = tail(o, QN_MIN(required + 1, o->members)), first;
    if (required < o->members)
        first = pair(o, o->member[required].expr, behind);
    else
        first = only_more(o, -1);
    for (size_t i = QN_MIN(required, o->members); i-- > 0;) {
        /* behind: tail(i + 2) as it is; made to tail(i + 1) */
        const size_t next = i + 1;
        const int32_t rule = qn_tree_rule_add(t, QN_STR("further members"));
        if (next < o->members)
            behind = pair(o, qn_tree_repeat(t, with_comma(o, o->member[next].expr), o->member[next].required, 1),
                          behind);
        if (t->rc < 0)
            return 0;
        t->rule[rule].body = behind;
        behind = qn_tree_call(t, rule);
        const int32_t ways[] = {pair(o, o->member[i].expr, behind), first};
        const int32_t either = qn_tree_rule_add(t, QN_STR("members"));
        if (t->rc < 0)
            return 0;
        t->rule[either].body = qn_tree_alt(t, ways, 2);
        first = qn_tree_call(t, either);
    }
    return first;
}

static int make(object *o, int32_t *expr) {
    qn_rule_tree *t = &o->s->t;
    int64_t least, most;
    size_t required = 0;
    QN_TRY(find_names(o));
    QN_TRY(add_members(o));
    QN_TRY(find_more(o));
    QN_TRY(check_counts(o, &least, &most));
    while (required < o->members && !o->member[required].required)
        required++;
    int32_t all = leading(o, required);
    if (o->members == 0)
        all = only_more(o, most);
    const bool empty = required == o->members && least == 0;
    const int32_t inner[] = {all, qn_schema_space(o->s)};
    const int32_t part[] = {qn_schema_literal(o->s, QN_STR("{")), qn_schema_space(o->s),
                            qn_tree_repeat(t, qn_tree_seq(t, inner, 2), !empty, 1),
                            qn_schema_literal(o->s, QN_STR("}"))};
    *expr = o->never ? qn_tree_alt(t, NULL, 0) : qn_tree_seq(t, part, 4);
    return t->rc;
}

int qn_schema_object(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    object o = {.s = s, .f = f};
    const int rc = make(&o, expr);
    qn_free(o.name);
    qn_free(o.required);
    qn_free(o.member);
    qn_strmap_drop(&o.index);
    return rc;
}
