/* guide/schema.c — views of a schema to rules.
 *
 * Each view is made into a rule once, from a list of those that are still to do: so recursion is a rule that calls
 * itself, and a schema that is used at many places costs as much as one. */
#include "guide/automaton.h"
#include "guide/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The document that a node belongs to: the nearest schema around it that has an "$id" of its own (a "schema resource"),
 * or all of it. So a schema that was written by itself can stand within another one, and its "#" is still its own
 * beginning. */
static int32_t home_of(const qn_schema *s, int32_t node, qn_str *id) {
    *id = (qn_str){0};
    for (; node > 0; node = s->j.node[node].parent) {
        const int32_t at = s->j.node[node].kind == '{' ? qn_json_tree_get(&s->j, node, "$id") : -1;
        if (at < 0 || s->j.node[at].kind != '"')
            continue;
        *id = qn_json_tree_str(&s->j, at);
        if (id->n > 0 && id->s[0] != '#')
            return node;
    }
    return 0;
}

/* What "#/$defs/name" means where it stands; −1: nothing. */
static int32_t target_of(const qn_schema *s, int32_t ref, qn_str to) {
    qn_str id;
    return qn_json_tree_point(&s->j, home_of(s, ref, &id), (qn_str){to.s + 1, to.n - 1});
}

struct qn_schema_rule { qn_schema_view view; int32_t rule; };

int qn_schema_fail(qn_schema *s, int code, int32_t node, const char *fmt, ...) {
    char message[500];
    qn_buf place = {0};
    qn_str id;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    const int32_t home = home_of(s, node, &id);
    if (qn_json_tree_place(&s->j, home, node, &place) < 0)
        code = QN_ENOMEM;
    else
        code = qn_fail(code, "%s%s%.*s#%s: %s", s->name, home > 0 ? ": " : "", QN_STR_ARG(home > 0 ? id : QN_STR("")),
                       place.s ? place.s : "", message);
    qn_buf_drop(&place);
    return code;
}

int qn_view_add(qn_schema_view *v, int32_t node, int32_t done) {
    for (size_t i = 0; i < v->n; i++)
        if (v->e[i].node == node && v->e[i].done == done)
            return 0;
    if (v->n >= QN_SCHEMA_ENTRIES)
        return qn_fail(QN_ELIMIT, "the schema explodes: more than %d parts hold of one value", QN_SCHEMA_ENTRIES);
    QN_TRY(QN_GROW(QN_MEM_SESSION, v->e, v->cap, v->n + 1));
    v->e[v->n++] = (qn_schema_entry){node, done};
    return 0;
}

static bool mentions(qn_str text, const char *word) {
    return text.n > 0 && memmem(text.s, text.n, word, strlen(word)) != NULL;
}

/* The first schema in the document that says the same, whatever its title: fields of one kind are one rule, and what is
 * found out about one of them while an answer is made is known of all. A reference says the same within one home
 * only. */
static int first_alike(qn_schema *s, int32_t node, int32_t *out) {
    static const char *const idle[] = {"title", "description", "default", "examples"};
    qn_buf text = {0};
    qn_str id;
    int64_t known = node;
    int rc = 0;
    *out = s->like[node];
    if (*out >= 0)
        return 0;
    const int32_t first = s->j.node[node].kind == '{' ? s->j.node[node].child : -1;
    for (int32_t k = first; k >= 0 && rc >= 0; k = s->j.node[k].next) {
        bool says = true;
        for (size_t i = 0; i < QN_LEN(idle); i++)
            says = says && !qn_str_is(qn_json_tree_key(&s->j, k), idle[i]);
        if (!says)
            continue;
        rc = qn_json_quote(&text, qn_json_tree_key(&s->j, k));
        if (rc >= 0)
            rc = qn_json_tree_write(&s->j, k, &text);
    }
    if (rc >= 0 && mentions(qn_buf_view(&text), "\"$ref\""))
        rc = qn_buf_printf(&text, "#%d", home_of(s, node, &id));
    if (rc >= 0 && text.n > 0 && !qn_strmap_get(&s->texts, qn_buf_view(&text), &known)) {
        rc = QN_GROW(QN_MEM_SESSION, s->kept, s->cap_kept, s->n_kept + 1);
        if (rc >= 0) {
            s->kept[s->n_kept++] = text.s;              /* the map borrows it */
            rc = qn_strmap_put(&s->texts, qn_buf_view(&text), node);
            text = (qn_buf){0};
        }
    }
    qn_buf_drop(&text);
    *out = s->like[node] = (int32_t)known;
    return QN_MIN(rc, 0);
}

static int rule_of(qn_schema *s, const qn_schema_view *v, int32_t *expr);

int qn_schema_of(qn_schema *s, const qn_schema_view *v, int32_t *expr) {
    qn_schema_view alike = {0};
    int rc = 0;
    for (size_t i = 0; i < v->n && rc >= 0; i++) {
        int32_t node;
        rc = first_alike(s, v->e[i].node, &node);
        if (rc >= 0)
            rc = qn_view_add(&alike, node, v->e[i].done);
    }
    if (rc >= 0)
        rc = rule_of(s, &alike, expr);
    qn_free(alike.e);
    return rc;
}

static int rule_of(qn_schema *s, const qn_schema_view *v, int32_t *expr) {
    const size_t bytes = v->n * sizeof *v->e;
    int64_t at;
    if (!qn_strmap_get(&s->known, (qn_str){bytes > 0 ? (const char *)v->e : "", bytes}, &at)) {
        if (s->n_rules >= QN_SCHEMA_RULES)
            return qn_fail(QN_ELIMIT, "%s: the schema explodes: it has more than %d different parts", s->name,
                           QN_SCHEMA_RULES);
        QN_TRY(QN_GROW(QN_MEM_SESSION, s->rule, s->cap_rules, s->n_rules + 1));
        struct qn_schema_rule *r = &s->rule[s->n_rules];
        *r = (struct qn_schema_rule){.rule = qn_tree_rule_add(&s->t, QN_STR("a value"))};
        r->view.e = qn_alloc(QN_MEM_SESSION, bytes);
        if (!r->view.e)
            return QN_ENOMEM;
        at = (int64_t)s->n_rules++;
        if (bytes > 0)
            memcpy(r->view.e, v->e, bytes);
        r->view.n = r->view.cap = v->n;
        const int rc = qn_strmap_put(&s->known, (qn_str){(const char *)r->view.e, bytes}, at);
        QN_TRY(rc);
    }
    *expr = qn_tree_call(&s->t, s->rule[at].rule);
    return s->t.rc;
}

/* ---- gathering: $ref and allOf ---- */

static int gather(qn_schema *s, int32_t node, qn_schema_view *out);

static int gather_ref(qn_schema *s, int32_t ref, qn_schema_view *out) {
    const qn_str to = qn_json_tree_str(&s->j, ref);
    if (s->j.node[ref].kind != '"')
        return qn_schema_fail(s, QN_EFORMAT, ref, "expected a string");
    if (to.n == 0 || to.s[0] != '#' || (to.n > 1 && to.s[1] != '/'))
        return qn_schema_fail(s, QN_EUNSUPPORTED, ref, "\"%.*s\": only places in this schema are understood, as in "
                              "\"#/$defs/name\"", QN_STR_ARG(to));
    const int32_t target = target_of(s, ref, to);
    if (target < 0)
        return qn_schema_fail(s, QN_EFORMAT, ref, "\"%.*s\": there is nothing at that place", QN_STR_ARG(to));
    return gather(s, target, out);
}

static int gather_all(qn_schema *s, int32_t all, qn_schema_view *out) {
    if (s->j.node[all].kind != '[' || s->j.node[all].n == 0)
        return qn_schema_fail(s, QN_EFORMAT, all, "expected an array of schemas");
    for (int32_t k = s->j.node[all].child; k >= 0; k = s->j.node[k].next)
        QN_TRY(gather(s, k, out));
    return 0;
}

enum { UNSEEN, OPEN, CLOSED };

static int gather_parts(qn_schema *s, int32_t node, qn_schema_view *out) {
    const int32_t ref = qn_json_tree_get(&s->j, node, "$ref"), all = qn_json_tree_get(&s->j, node, "allOf");
    if (ref >= 0)
        QN_TRY(gather_ref(s, ref, out));
    return all >= 0 ? gather_all(s, all, out) : 0;
}

/* A node, and all that it says must hold as well. */
static int gather(qn_schema *s, int32_t node, qn_schema_view *out) {
    const char kind = s->j.node[node].kind;
    if (kind != '{' && kind != 't' && kind != 'f')
        return qn_schema_fail(s, QN_EFORMAT, node, "a schema is an object, true or false");
    if (s->mark[node] == OPEN)
        return qn_schema_fail(s, QN_EINVAL, node, "refers to itself and to nothing else: no value can be told from it");
    if (s->mark[node] == CLOSED || kind == 't')
        return 0;
    s->mark[node] = OPEN;
    QN_TRY(qn_view_add(out, node, QN_DONE_PARTS));
    QN_TRY(gather_parts(s, node, out));
    s->mark[node] = CLOSED;
    return 0;
}

static int gather_view(qn_schema *s, const qn_schema_view *v, qn_schema_view *out) {
    memset(s->mark, UNSEEN, s->j.n);
    for (size_t i = 0; i < v->n; i++)
        if (v->e[i].done & QN_DONE_PARTS) {
            s->mark[v->e[i].node] = CLOSED;
            QN_TRY(qn_view_add(out, v->e[i].node, v->e[i].done));
        }
    for (size_t i = 0; i < v->n; i++)
        if (!(v->e[i].done & QN_DONE_PARTS))
            QN_TRY(gather(s, v->e[i].node, out));
    return 0;
}

/* ---- alternatives ---- */

/* Two schemas that no value fits both of, as far as that shows at once: other types, or other constants, of the values
 * themselves or of a member that both require. */
static bool apart(const qn_schema *s, int32_t a, int32_t b, qn_str sure, int depth);

static unsigned types_said(const qn_schema *s, int32_t node) {
    static const struct { const char *name; unsigned types; } names[] = {
        {"null", QN_IS_NULL}, {"boolean", QN_IS_BOOL}, {"integer", QN_IS_WHOLE},
        {"number", QN_IS_WHOLE | QN_IS_FRACTION}, {"string", QN_IS_STRING}, {"array", QN_IS_ARRAY},
        {"object", QN_IS_OBJECT},
    };
    const int32_t type = qn_json_tree_get(&s->j, node, "type");
    unsigned found = 0;
    if (type < 0)
        return QN_IS_ANY;
    const bool list = s->j.node[type].kind == '[';
    for (int32_t k = list ? s->j.node[type].child : type; k >= 0; k = list ? s->j.node[k].next : -1)
        for (size_t i = 0; i < QN_LEN(names); i++)
            if (qn_str_is(qn_json_tree_str(&s->j, k), names[i].name))
                found |= names[i].types;
    return found;
}

static int32_t resolve(const qn_schema *s, int32_t node) {
    for (int i = 0; i < 8; i++) {
        const int32_t ref = qn_json_tree_get(&s->j, node, "$ref");
        const qn_str to = ref >= 0 ? qn_json_tree_str(&s->j, ref) : (qn_str){0};
        if (to.n == 0 || to.s[0] != '#')
            return node;
        const int32_t target = target_of(s, ref, to);
        if (target < 0)
            return node;
        node = target;
    }
    return node;
}

static bool requires(const qn_schema *s, int32_t node, qn_str key) {
    const int32_t list = qn_json_tree_get(&s->j, node, "required");
    for (int32_t k = list >= 0 ? s->j.node[list].child : -1; k >= 0; k = s->j.node[k].next)
        if (qn_str_eq(qn_json_tree_str(&s->j, k), key))
            return true;
    return false;
}

static bool values_apart(const qn_schema *s, int32_t a, int32_t b) {
    int32_t list[2];
    for (int i = 0; i < 2; i++) {
        const int32_t node = i ? b : a, one = qn_json_tree_get(&s->j, node, "const");
        list[i] = one >= 0 ? one : qn_json_tree_get(&s->j, node, "enum");
        if (list[i] < 0)
            return false;
    }
    const bool many_a = qn_json_tree_get(&s->j, a, "const") < 0, many_b = qn_json_tree_get(&s->j, b, "const") < 0;
    if ((int64_t)QN_MAX(s->j.node[list[0]].n, 1) * QN_MAX(s->j.node[list[1]].n, 1) > 1000000)
        return false;
    for (int32_t k = many_a ? s->j.node[list[0]].child : list[0]; k >= 0; k = many_a ? s->j.node[k].next : -1)
        for (int32_t l = many_b ? s->j.node[list[1]].child : list[1]; l >= 0; l = many_b ? s->j.node[l].next : -1)
            if (qn_json_tree_same(&s->j, k, l))
                return false;
    return true;
}

/* sure: a member that is required whether that is said or not. */
static bool apart(const qn_schema *s, int32_t a, int32_t b, qn_str sure, int depth) {
    a = resolve(s, a);
    b = resolve(s, b);
    if (s->j.node[a].kind == 'f' || s->j.node[b].kind == 'f' || (types_said(s, a) & types_said(s, b)) == 0)
        return true;
    if (values_apart(s, a, b))
        return true;
    const int32_t p = qn_json_tree_get(&s->j, a, "properties"), q = qn_json_tree_get(&s->j, b, "properties");
    if (p < 0 || q < 0 || depth > 4 || types_said(s, a) != QN_IS_OBJECT)
        return false;
    for (int32_t k = s->j.node[p].child; k >= 0; k = s->j.node[k].next) {
        const qn_str key = qn_json_tree_key(&s->j, k);
        const int32_t other = qn_json_tree_find(&s->j, q, key);
        const bool both = (sure.n > 0 && qn_str_eq(key, sure)) || (requires(s, a, key) && requires(s, b, key));
        if (other >= 0 && both && apart(s, k, other, (qn_str){0}, depth + 1))
            return true;
    }
    return false;
}

qn_str qn_schema_discriminator(const qn_schema *s, int32_t node) {
    const int32_t d = qn_json_tree_get(&s->j, node, "discriminator");
    const int32_t name = d >= 0 ? qn_json_tree_get(&s->j, d, "propertyName") : -1;
    return name >= 0 && s->j.node[name].kind == '"' ? qn_json_tree_str(&s->j, name) : (qn_str){0};
}

static int check_one_of(qn_schema *s, int32_t one) {
    const qn_str sure = qn_schema_discriminator(s, s->j.node[one].parent);
    int i = 0;
    if (s->j.node[one].n > 256)
        return qn_schema_fail(s, QN_ELIMIT, one, "more than 256 alternatives of a oneOf");
    for (int32_t k = s->j.node[one].child; k >= 0; k = s->j.node[k].next, i++) {
        int n = i + 1;
        for (int32_t l = s->j.node[k].next; l >= 0; l = s->j.node[l].next, n++)
            if (!apart(s, k, l, sure, 0))
                return qn_schema_fail(s, QN_EUNSUPPORTED, one, "a value might fit the alternatives %d and %d, and "
                                      "oneOf allows one only; use anyOf, or give them different types or constants",
                                      i + 1, n + 1);
    }
    return 0;
}

/* The first anyOf or oneOf that is still to do becomes alternatives, each a view of its own. 1: there was one. */
static int alternatives(qn_schema *s, const qn_schema_view *v, int32_t *expr) {
    size_t at = 0;
    int32_t list = -1;
    qn_schema_done which = QN_DONE_ANY;
    for (; at < v->n && list < 0; at++) {
        which = QN_DONE_ANY;
        if (!(v->e[at].done & QN_DONE_ANY))
            list = qn_json_tree_get(&s->j, v->e[at].node, "anyOf");
        if (list >= 0 || (v->e[at].done & QN_DONE_ONE))
            continue;
        which = QN_DONE_ONE;
        list = qn_json_tree_get(&s->j, v->e[at].node, "oneOf");
    }
    if (list < 0)
        return 0;
    at--;
    if (s->j.node[list].kind != '[' || s->j.node[list].n == 0)
        return qn_schema_fail(s, QN_EFORMAT, list, "expected an array of schemas");
    if (which == QN_DONE_ONE)
        QN_TRY(check_one_of(s, list));
    qn_ids part = {0};
    int rc = 0;
    for (int32_t k = s->j.node[list].child; k >= 0 && rc >= 0; k = s->j.node[k].next) {
        qn_schema_view one = {0};
        int32_t e = 0;
        for (size_t i = 0; i < v->n && rc >= 0; i++)
            rc = qn_view_add(&one, v->e[i].node, v->e[i].done | (i == at ? (int32_t)which : 0));
        if (rc >= 0)
            rc = qn_view_add(&one, k, 0);
        if (rc >= 0)
            rc = qn_schema_of(s, &one, &e);
        if (rc >= 0)
            rc = qn_ids_push(&part, e);
        qn_free(one.e);
    }
    if (rc >= 0)
        *expr = qn_tree_alt(&s->t, part.v, part.n);
    qn_ids_drop(&part);
    return rc < 0 ? rc : 1;
}

/* ---- one view ---- */

/* Values that are listed and of a type that is wanted. */
static int write_values(qn_schema *s, const qn_schema_facts *f, qn_ids *part) {
    qn_buf text = {0};
    int rc = 0;
    for (size_t i = 0; i < f->values.n && rc >= 0; i++) {
        if (!qn_schema_fits(s, f->values.v[i], f))
            continue;
        qn_buf_clear(&text);
        rc = qn_json_tree_write(&s->j, f->values.v[i], &text);
        if (rc >= 0)
            rc = qn_ids_push(part, qn_tree_text(&s->t, qn_buf_view(&text)));
    }
    qn_buf_drop(&text);
    return rc;
}

static int listed(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    qn_ids part = {0};
    const int rc = write_values(s, f, &part);
    if (rc >= 0)
        *expr = qn_tree_alt(&s->t, part.v, part.n);
    qn_ids_drop(&part);
    return rc;
}

int qn_schema_values(qn_schema *s, const qn_schema_view *v, qn_ids *values) {
    qn_schema_view all = {0};
    qn_schema_facts f = {0};
    bool plain = true;
    int rc = gather_view(s, v, &all);
    for (size_t i = 0; i < all.n && rc >= 0; i++)
        plain = plain && qn_json_tree_get(&s->j, all.e[i].node, "anyOf") < 0 &&
                qn_json_tree_get(&s->j, all.e[i].node, "oneOf") < 0;
    if (rc >= 0 && plain)
        rc = qn_schema_gather_facts(s, &all, &f);
    if (rc >= 0 && f.listed && !f.never)
        rc = write_values(s, &f, values);
    qn_ids_drop(&f.values);
    qn_free(all.e);
    return rc;
}

static int by_types(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    int32_t part[8];
    size_t n = 0;
    if (f->types & QN_IS_OBJECT)
        QN_TRY(qn_schema_object(s, f, &part[n++]));
    if (f->types & QN_IS_ARRAY)
        QN_TRY(qn_schema_array(s, f, &part[n++]));
    if (f->types & QN_IS_STRING)
        QN_TRY(qn_schema_string(s, f, &part[n++]));
    if (f->types & (QN_IS_WHOLE | QN_IS_FRACTION))
        QN_TRY(qn_schema_number(s, f, &part[n++]));
    if (f->types & QN_IS_BOOL) {
        part[n++] = qn_tree_text(&s->t, QN_STR("true"));
        part[n++] = qn_tree_text(&s->t, QN_STR("false"));
    }
    if (f->types & QN_IS_NULL)
        part[n++] = qn_tree_text(&s->t, QN_STR("null"));
    *expr = qn_tree_alt(&s->t, part, n);
    return s->t.rc;
}

/* Keys are strings, whatever else the schema would take. */
int qn_schema_keys(qn_schema *s, const qn_schema_view *v, qn_ids *names, int32_t *expr) {
    qn_schema_view all = {0};
    qn_schema_facts f = {0};
    int rc = gather_view(s, v, &all);
    for (size_t i = 0; i < all.n && rc >= 0; i++)
        for (int one = 0; one < 2 && rc >= 0; one++) {
            const int32_t list = qn_json_tree_get(&s->j, all.e[i].node, one ? "oneOf" : "anyOf");
            if (list >= 0)
                rc = qn_schema_fail(s, QN_EUNSUPPORTED, list, "alternatives are not understood of names");
        }
    if (rc >= 0)
        rc = qn_schema_gather_facts(s, &all, &f);
    f.types &= QN_IS_STRING;
    for (size_t i = 0; i < f.values.n && rc >= 0; i++)
        if (qn_schema_fits(s, f.values.v[i], &f))
            rc = qn_ids_push(names, f.values.v[i]);
    if (rc >= 0)
        rc = f.never || !f.types ? 0 : f.listed ? listed(s, &f, expr) : qn_schema_string(s, &f, expr);
    if (rc >= 0 && (f.never || !f.types))
        *expr = qn_tree_alt(&s->t, NULL, 0);
    qn_ids_drop(&f.values);
    qn_free(all.e);
    return rc < 0 ? rc : f.listed;
}

static int make(qn_schema *s, const qn_schema_view *v, int32_t *expr) {
    qn_schema_view all = {0};
    qn_schema_facts f = {0};
    int rc = gather_view(s, v, &all);
    if (rc >= 0)
        rc = alternatives(s, &all, expr);
    if (rc == 0)
        rc = qn_schema_gather_facts(s, &all, &f);
    if (rc == 0)
        rc = f.never ? 0 : f.listed ? listed(s, &f, expr) : by_types(s, &f, expr);
    if (rc == 0 && f.never)
        *expr = qn_tree_alt(&s->t, NULL, 0);
    qn_ids_drop(&f.values);
    qn_free(all.e);
    return rc < 0 ? rc : s->t.rc;
}

/* ---- pieces ---- */

static int32_t text(qn_schema *s, const char *z) { return qn_tree_text(&s->t, qn_str_of(z)); }

int32_t qn_schema_literal(qn_schema *s, qn_str json) { return qn_tree_text(&s->t, json); }

/* Nothing, a blank, or a line break or two with an indentation: llama.cpp's rule. */
int32_t qn_schema_space(qn_schema *s) {
    qn_rule_tree *t = &s->t;
    if (s->compact)
        return 0;
    if (s->space < 0) {
        qn_char_range indent[] = {{' ', ' '}, {'\t', '\t'}};
        const int32_t lines[] = {qn_tree_repeat(t, text(s, "\n"), 1, 2),
                                 qn_tree_repeat(t, qn_tree_class(t, indent, 2, false), 0, 20)};
        const int32_t ways[] = {0, text(s, " "), qn_tree_seq(t, lines, 2)};
        s->space = qn_tree_rule_add(t, QN_STR("space"));
        t->rule[s->space].body = qn_tree_alt(t, ways, 3);
    }
    return qn_tree_call(t, s->space);
}

/* One character between quotes: itself, or an escape; half a pair of UTF-16 is none. */
int32_t qn_schema_char(qn_schema *s) {
    qn_rule_tree *t = &s->t;
    if (s->character < 0) {
        qn_char_range special[] = {{0, 31}, {'"', '"'}, {'\\', '\\'}, {127, 127}};
        qn_char_range hex[] = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}, d[] = {{'d', 'd'}, {'D', 'D'}};
        qn_char_range not_d[] = {{'0', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}};
        qn_char_range simple[] = {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'},
                                  {'t', 't'}};
        const int32_t digit = qn_tree_class(t, hex, 3, false);
        const int32_t usual[] = {qn_tree_class(t, not_d, 5, false), qn_tree_repeat(t, digit, 3, 3)};
        const int32_t low[] = {qn_tree_class(t, d, 2, false), qn_tree_range(t, '0', '7'),
                               qn_tree_repeat(t, digit, 2, 2)};
        const int32_t code[] = {qn_tree_seq(t, usual, 2), qn_tree_seq(t, low, 3)};
        const int32_t wide[] = {text(s, "u"), qn_tree_alt(t, code, 2)};
        const int32_t escaped[] = {qn_tree_class(t, simple, 8, false), qn_tree_seq(t, wide, 2)};
        const int32_t escape[] = {text(s, "\\"), qn_tree_alt(t, escaped, 2)};
        const int32_t ways[] = {qn_tree_class(t, special, 4, true), qn_tree_seq(t, escape, 2)};
        s->character = qn_tree_alt(t, ways, 2);
    }
    return s->character;
}

int32_t qn_schema_plain_string(qn_schema *s) {
    qn_rule_tree *t = &s->t;
    if (s->text < 0) {
        const int32_t part[] = {text(s, "\""), qn_tree_repeat(t, qn_schema_char(s), 0, -1), text(s, "\"")};
        s->text = qn_tree_rule_add(t, QN_STR("string"));
        t->rule[s->text].body = qn_tree_seq(t, part, 3);
    }
    return qn_tree_call(t, s->text);
}

/* ---- the whole ---- */

/* before value after (between before value after)… */
static int32_t framed(qn_schema *s, int32_t value, const qn_schema_options *o) {
    qn_rule_tree *t = &s->t;
    if (!o)
        return value;
    const bool one_only = o->least == 0 && o->most == 0;
    const int64_t least = one_only ? 1 : o->least, most = one_only ? 1 : o->most;
    const int32_t one[] = {qn_tree_text(t, o->before), value, qn_tree_text(t, o->after)};
    const int32_t framed_one = qn_tree_seq(t, one, 3);
    if (most == 1)
        return qn_tree_repeat(t, framed_one, least, 1);
    const int32_t next[] = {qn_tree_text(t, o->between), framed_one};
    const int32_t more = qn_tree_repeat(t, qn_tree_seq(t, next, 2), QN_MAX(least - 1, 0), most < 0 ? -1 : most - 1);
    const int32_t all[] = {framed_one, more};
    return qn_tree_repeat(t, qn_tree_seq(t, all, 2), least > 0, 1);
}

static int make_all(qn_schema *s, const qn_schema_options *o) {
    qn_schema_view root = {0};
    int32_t value = 0, body = 0;
    QN_TRY(qn_tree_init(&s->t));
    s->mark = qn_zalloc(QN_MEM_SESSION, s->j.n, 1);
    s->like = qn_alloc(QN_MEM_SESSION, s->j.n * sizeof *s->like);
    if (!s->mark || !s->like)
        return QN_ENOMEM;
    memset(s->like, 0xff, s->j.n * sizeof *s->like);
    int rc = qn_view_add(&root, 0, 0);
    if (rc >= 0)
        rc = qn_schema_of(s, &root, &value);
    qn_free(root.e);
    QN_TRY(rc);
    s->t.rule[0].body = framed(s, value, o);
    for (; s->done < s->n_rules; s->done++) {
        const qn_schema_view view = s->rule[s->done].view;      /* the list may move */
        QN_TRY(make(s, &view, &body));
        s->t.rule[s->rule[s->done].rule].body = body;
    }
    return s->t.rc;
}

int qn_syntax_schema(qn_syntax **out, qn_str json, const char *name, const qn_schema_options *o) {
    qn_schema s = {.name = name, .space = -1, .text = -1, .character = -1, .any_number = -1, .any_whole = -1,
                   .compact = o && o->compact};
    int rc;
    *out = NULL;
    if (json.n > QN_SYNTAX_TEXT_MAX)
        return qn_fail(QN_ELIMIT, "%s: %zu bytes; a schema has at most %d", name, json.n, QN_SYNTAX_TEXT_MAX);
    QN_TRY(qn_json_tree_read(&s.j, json, name));
    QN_TRY_OUT(make_all(&s, o));
    QN_TRY_OUT(qn_tree_check(&s.t, name));
    rc = qn_syntax_compile(out, &s.t, name);
out:
    for (size_t i = 0; i < s.n_rules; i++)
        qn_free(s.rule[i].view.e);
    for (size_t i = 0; i < s.n_kept; i++)
        qn_free(s.kept[i]);
    qn_free(s.kept);
    qn_strmap_drop(&s.texts);
    qn_free(s.rule);
    qn_free(s.mark);
    qn_free(s.like);
    qn_strmap_drop(&s.known);
    qn_tree_drop(&s.t);
    qn_json_tree_drop(&s.j);
    return rc;
}
