/* tests/unit/json_valid.h — is a text one JSON value that a JSON Schema allows? By the words of the standard, for the
 * keywords that tests use, and in no way as src/guide does it. */
#ifndef QN_TESTS_UNIT_JSON_VALID_H
#define QN_TESTS_UNIT_JSON_VALID_H

#include "guide/json_tree.h"
#include "test.h"

typedef struct { qn_json_tree s, v; } json_case;

static bool json_ok(const json_case *c, int32_t schema, int32_t value, int depth);

/* Equal values of two documents. */
static bool json_same(const qn_json_tree *s, int32_t a, const qn_json_tree *v, int32_t b) {
    const qn_json_node *x = &s->node[a], *y = &v->node[b];
    if (x->kind != y->kind || x->n != y->n)
        return false;
    if (x->kind == '0')
        return x->number == y->number;
    if (x->kind == '"')
        return qn_str_eq(qn_json_tree_str(s, a), qn_json_tree_str(v, b));
    for (int32_t k = x->child, l = y->child; k >= 0; k = s->node[k].next, l = v->node[l].next) {
        const int32_t other = x->kind == '[' ? l : qn_json_tree_find(v, b, qn_json_tree_key(s, k));
        if (other < 0 || !json_same(s, k, v, other))
            return false;
    }
    return true;
}

static bool json_is_type(const qn_json_tree *v, int32_t value, qn_str type) {
    const qn_json_node *n = &v->node[value];
    return (qn_str_is(type, "null") && n->kind == 'n') ||
           (qn_str_is(type, "boolean") && (n->kind == 't' || n->kind == 'f')) ||
           (qn_str_is(type, "string") && n->kind == '"') || (qn_str_is(type, "array") && n->kind == '[') ||
           (qn_str_is(type, "object") && n->kind == '{') || (qn_str_is(type, "number") && n->kind == '0') ||
           (qn_str_is(type, "integer") && n->kind == '0' && n->number == floor(n->number));
}

static double json_length(qn_str s) {
    double n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.s[i] & 0xc0) != 0x80;
    return n;
}

static bool json_type_ok(const json_case *c, int32_t type, int32_t value) {
    if (c->s.node[type].kind == '"')
        return json_is_type(&c->v, value, qn_json_tree_str(&c->s, type));
    for (int32_t k = c->s.node[type].child; k >= 0; k = c->s.node[k].next)
        if (json_is_type(&c->v, value, qn_json_tree_str(&c->s, k)))
            return true;
    return false;
}

static bool json_number_ok(const json_case *c, int32_t schema, double v) {
    const int32_t lo = qn_json_tree_get(&c->s, schema, "minimum"), hi = qn_json_tree_get(&c->s, schema, "maximum");
    const int32_t above = qn_json_tree_get(&c->s, schema, "exclusiveMinimum");
    const int32_t below = qn_json_tree_get(&c->s, schema, "exclusiveMaximum");
    return (lo < 0 || v >= c->s.node[lo].number) && (hi < 0 || v <= c->s.node[hi].number) &&
           (above < 0 || v > c->s.node[above].number) && (below < 0 || v < c->s.node[below].number);
}

/* Within the numbers that two keywords give. */
static bool json_count_ok(const json_case *c, int32_t schema, const char *least, const char *most, double n) {
    const int32_t lo = qn_json_tree_get(&c->s, schema, least), hi = qn_json_tree_get(&c->s, schema, most);
    return (lo < 0 || n >= c->s.node[lo].number) && (hi < 0 || n <= c->s.node[hi].number);
}

static bool json_array_ok(const json_case *c, int32_t schema, int32_t value, int depth) {
    const int32_t first = qn_json_tree_get(&c->s, schema, "prefixItems");
    const int32_t items = qn_json_tree_get(&c->s, schema, "items");
    int32_t own = first >= 0 ? c->s.node[first].child : -1;
    for (int32_t k = c->v.node[value].child; k >= 0; k = c->v.node[k].next) {
        const int32_t says = own >= 0 ? own : items;
        if (says >= 0 && !json_ok(c, says, k, depth))
            return false;
        own = own >= 0 ? c->s.node[own].next : -1;
    }
    return json_count_ok(c, schema, "minItems", "maxItems", c->v.node[value].n);
}

static bool json_object_ok(const json_case *c, int32_t schema, int32_t value, int depth) {
    const int32_t list = qn_json_tree_get(&c->s, schema, "properties");
    const int32_t more = qn_json_tree_get(&c->s, schema, "additionalProperties");
    const int32_t required = qn_json_tree_get(&c->s, schema, "required");
    for (int32_t k = c->v.node[value].child; k >= 0; k = c->v.node[k].next) {
        const int32_t own = list >= 0 ? qn_json_tree_find(&c->s, list, qn_json_tree_key(&c->v, k)) : -1;
        const int32_t says = own >= 0 ? own : more;
        if (says >= 0 && !json_ok(c, says, k, depth))
            return false;
    }
    for (int32_t k = required >= 0 ? c->s.node[required].child : -1; k >= 0; k = c->s.node[k].next)
        if (qn_json_tree_find(&c->v, value, qn_json_tree_str(&c->s, k)) < 0)
            return false;
    return true;
}

/* How many of a list of schemas allow the value. */
static int json_allowing(const json_case *c, int32_t list, int32_t value, int depth) {
    int n = 0;
    for (int32_t k = c->s.node[list].child; k >= 0; k = c->s.node[k].next)
        n += json_ok(c, k, value, depth);
    return n;
}

static bool json_parts_ok(const json_case *c, int32_t schema, int32_t value, int depth) {
    const int32_t any = qn_json_tree_get(&c->s, schema, "anyOf"), all = qn_json_tree_get(&c->s, schema, "allOf");
    const int32_t one = qn_json_tree_get(&c->s, schema, "oneOf"), ref = qn_json_tree_get(&c->s, schema, "$ref");
    if (ref >= 0) {
        const qn_str to = qn_json_tree_str(&c->s, ref);
        if (!json_ok(c, qn_json_tree_point(&c->s, 0, (qn_str){to.s + 1, to.n - 1}), value, depth))
            return false;
    }
    return (any < 0 || json_allowing(c, any, value, depth) > 0) &&
           (one < 0 || json_allowing(c, one, value, depth) == 1) &&
           (all < 0 || json_allowing(c, all, value, depth) == c->s.node[all].n);
}

static bool json_listed(const json_case *c, int32_t schema, int32_t value) {
    const int32_t one = qn_json_tree_get(&c->s, schema, "const"), list = qn_json_tree_get(&c->s, schema, "enum");
    bool in = list < 0;
    for (int32_t k = list >= 0 ? c->s.node[list].child : -1; k >= 0; k = c->s.node[k].next)
        in = in || json_same(&c->s, k, &c->v, value);
    return in && (one < 0 || json_same(&c->s, one, &c->v, value));
}

static bool json_ok(const json_case *c, int32_t schema, int32_t value, int depth) {
    const char kind = c->s.node[schema].kind, what = c->v.node[value].kind;
    const int32_t type = qn_json_tree_get(&c->s, schema, "type");
    if (kind != '{')
        return kind == 't';
    CHECK(depth < 400, "it goes round in circles");
    if ((type >= 0 && !json_type_ok(c, type, value)) || !json_listed(c, schema, value) ||
        !json_parts_ok(c, schema, value, depth + 1))
        return false;
    return what == '0' ? json_number_ok(c, schema, c->v.node[value].number)
         : what == '"' ? json_count_ok(c, schema, "minLength", "maxLength", json_length(qn_json_tree_str(&c->v, value)))
         : what == '[' ? json_array_ok(c, schema, value, depth + 1)
         : what == '{' ? json_object_ok(c, schema, value, depth + 1) : true;
}

/* A key that stands twice, as one that is not named may, is not what is judged here. */
static bool json_valid(qn_str schema, qn_str value) {
    json_case c;
    CHECK_OK(qn_json_tree_read(&c.s, schema, "schema"));
    const int rc = qn_json_tree_read(&c.v, value, "value");
    const bool twice = rc < 0 && strstr(qn_error_message(), "stands twice");
    const bool ok = twice || (rc >= 0 && json_ok(&c, 0, 0, 0));
    qn_json_tree_drop(&c.s);
    qn_json_tree_drop(&c.v);
    return ok;
}

#endif
