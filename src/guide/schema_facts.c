/* guide/schema_facts.c — the keywords of a view, as one set of facts.
 *
 * A keyword says something of one kind of value only ("minLength" nothing of a number), and where no "type" is said,
 * JSON Schema lets all other kinds pass. Who writes "properties" means an object, though: without "type" the answer is
 * of a kind that its keywords speak of. That is less than what the schema allows, and so always valid. */
#include "guide/schema.h"

#include <string.h>

typedef struct { qn_schema *s; qn_schema_facts *f; unsigned implied; int32_t node; } reader;
typedef int keyword_fn(reader *r, int32_t at);

static int skip(reader *r, int32_t at) {
    (void)r, (void)at;
    return 0;
}

static int wrong(reader *r, int32_t at, const char *expected) {
    return qn_schema_fail(r->s, QN_EFORMAT, at, "expected %s", expected);
}

/* ---- of any value ---- */

static int one_type(reader *r, int32_t at, unsigned *types) {
    static const struct { const char *name; unsigned types; } names[] = {
        {"null", QN_IS_NULL}, {"boolean", QN_IS_BOOL}, {"integer", QN_IS_WHOLE},
        {"number", QN_IS_WHOLE | QN_IS_FRACTION}, {"string", QN_IS_STRING}, {"array", QN_IS_ARRAY},
        {"object", QN_IS_OBJECT},
    };
    for (size_t i = 0; r->s->j.node[at].kind == '"' && i < QN_LEN(names); i++)
        if (qn_str_is(qn_json_tree_str(&r->s->j, at), names[i].name)) {
            *types |= names[i].types;
            return 0;
        }
    return wrong(r, at, "null, boolean, integer, number, string, array, object, or several of them in an array");
}

static int read_type(reader *r, int32_t at) {
    unsigned types = 0;
    if (r->s->j.node[at].kind != '[')
        QN_TRY(one_type(r, at, &types));
    else
        for (int32_t k = r->s->j.node[at].child; k >= 0; k = r->s->j.node[k].next)
            QN_TRY(one_type(r, k, &types));
    const int32_t nullable = qn_json_tree_get(&r->s->j, r->node, "nullable");      /* OpenAPI's */
    if (nullable >= 0 && r->s->j.node[nullable].kind == 't')
        types |= QN_IS_NULL;
    r->f->types &= types;
    return 0;
}

/* Keeps of the values so far what is also among these. */
static int keep_values(reader *r, int32_t first, bool many) {
    const qn_json_tree *j = &r->s->j;
    qn_ids both = {0};
    int rc = 0;
    for (int32_t k = first; k >= 0 && rc >= 0; k = many ? j->node[k].next : -1) {
        bool in = !r->f->listed;
        for (size_t i = 0; i < r->f->values.n && !in; i++)
            in = qn_json_tree_same(j, k, r->f->values.v[i]);
        if (in)
            rc = qn_ids_push(&both, k);
    }
    qn_ids_drop(&r->f->values);
    r->f->values = both;
    r->f->listed = true;
    return rc;
}

static int read_enum(reader *r, int32_t at) {
    if (r->s->j.node[at].kind != '[')
        return wrong(r, at, "an array of values");
    if (r->f->listed && (int64_t)r->s->j.node[at].n * (int64_t)r->f->values.n > 10000000)
        return qn_schema_fail(r->s, QN_ELIMIT, at, "two lists of values that are too long to be compared");
    return keep_values(r, r->s->j.node[at].child, true);
}

static int read_const(reader *r, int32_t at) { return keep_values(r, at, false); }

/* {"not": {}} is how some write "nothing at all". */
static int read_not(reader *r, int32_t at) {
    const qn_json_node *n = &r->s->j.node[at];
    if (n->kind != 't' && (n->kind != '{' || n->n > 0))
        return qn_schema_fail(r->s, QN_EUNSUPPORTED, at, "\"not\" is understood of everything ({} or true) only");
    r->f->never = true;
    return 0;
}

/* ---- counts and bounds ---- */

static int read_count(reader *r, int32_t at, int64_t *out) {
    const qn_json_node *n = &r->s->j.node[at];
    if (n->kind != '0' || n->number < 0 || n->number != (double)(int64_t)n->number)
        return wrong(r, at, "a whole number that is not negative");
    if (n->number > QN_SYNTAX_COUNT_MAX)
        return qn_schema_fail(r->s, QN_ELIMIT, at, "more than %d", QN_SYNTAX_COUNT_MAX);
    *out = (int64_t)n->number;
    return 0;
}

static int at_least(reader *r, int32_t at, int64_t *of) {
    int64_t v = 0;
    QN_TRY(read_count(r, at, &v));
    *of = QN_MAX(*of, v);
    return 0;
}

/* What is more than can be counted bounds nothing. */
static int at_most(reader *r, int32_t at, int64_t *of) {
    const qn_json_node *n = &r->s->j.node[at];
    int64_t v = 0;
    if (n->kind == '0' && n->number > QN_SYNTAX_COUNT_MAX)
        return 0;
    QN_TRY(read_count(r, at, &v));
    *of = *of < 0 ? v : QN_MIN(*of, v);
    return 0;
}

static int read_min_length(reader *r, int32_t at) {
    r->implied |= QN_IS_STRING;
    return at_least(r, at, &r->f->min_length);
}

static int read_max_length(reader *r, int32_t at) {
    r->implied |= QN_IS_STRING;
    return at_most(r, at, &r->f->max_length);
}

static int read_min_items(reader *r, int32_t at) {
    r->implied |= QN_IS_ARRAY;
    return at_least(r, at, &r->f->min_items);
}

static int read_max_items(reader *r, int32_t at) {
    r->implied |= QN_IS_ARRAY;
    return at_most(r, at, &r->f->max_items);
}

static int read_bound(reader *r, int32_t at, qn_schema_bound *b, double sign, bool open) {
    const qn_json_node *n = &r->s->j.node[at];
    r->implied |= QN_IS_WHOLE | QN_IS_FRACTION;
    if (n->kind != '0')
        return wrong(r, at, "a number");
    r->f->bound_at = at;
    if (!b->is || sign * n->number > sign * b->at)
        *b = (qn_schema_bound){n->number, true, open};
    else if (n->number == b->at)
        b->open = b->open || open;
    return 0;
}

static int read_minimum(reader *r, int32_t at) { return read_bound(r, at, &r->f->low, 1, false); }
static int read_maximum(reader *r, int32_t at) { return read_bound(r, at, &r->f->high, -1, false); }
static int read_above(reader *r, int32_t at) { return read_bound(r, at, &r->f->low, 1, true); }
static int read_below(reader *r, int32_t at) { return read_bound(r, at, &r->f->high, -1, true); }

/* A multiple of 1 is a whole number; others would have to be divided digit by digit. */
static int read_multiple(reader *r, int32_t at) {
    r->implied |= QN_IS_WHOLE;
    if (r->s->j.node[at].kind != '0' || r->s->j.node[at].number != 1)
        return qn_schema_fail(r->s, QN_EUNSUPPORTED, at, "multipleOf is understood for 1 only");
    r->f->types &= ~(unsigned)QN_IS_FRACTION;
    return 0;
}

/* ---- of strings, arrays and objects ---- */

static int one_text(reader *r, int32_t at, int32_t *of, const char *what) {
    const qn_json_tree *j = &r->s->j;
    r->implied |= QN_IS_STRING;
    if (j->node[at].kind != '"')
        return wrong(r, at, "a string");
    if (*of >= 0 && !qn_str_eq(qn_json_tree_str(j, *of), qn_json_tree_str(j, at)))
        return qn_schema_fail(r->s, QN_EUNSUPPORTED, at, "a second %s for the same value", what);
    *of = at;
    return 0;
}

static int read_pattern(reader *r, int32_t at) { return one_text(r, at, &r->f->pattern, "pattern"); }
static int read_format(reader *r, int32_t at) { return one_text(r, at, &r->f->format, "format"); }

static int read_array(reader *r, int32_t at) {
    (void)at;
    r->implied |= QN_IS_ARRAY;
    return 0;
}

static int read_unique(reader *r, int32_t at) {
    const char kind = r->s->j.node[at].kind;
    r->implied |= QN_IS_ARRAY;
    r->f->unique = r->f->unique || kind == 't';
    r->f->unique_at = at;
    return kind == 't' || kind == 'f' ? 0 : wrong(r, at, "true or false");
}

static int read_object(reader *r, int32_t at) {
    (void)at;
    r->implied |= QN_IS_OBJECT;
    return 0;
}

/* Members that nothing speaks of come only where additionalProperties lets them: false asks for no more. */
static int read_unevaluated(reader *r, int32_t at) {
    const char kind = r->s->j.node[at].kind;
    r->implied |= QN_IS_OBJECT;
    return kind == 't' || kind == 'f' ? 0
        : qn_schema_fail(r->s, QN_EUNSUPPORTED, at, "is understood where it is true or false; additionalProperties "
                         "takes a schema");
}

static int read_named(reader *r, int32_t at) {
    r->f->named = true;
    return read_object(r, at);
}

static int read_properties(reader *r, int32_t at) {
    if (r->s->j.node[at].kind != '{')
        return wrong(r, at, "an object of schemas");
    return read_named(r, at);
}

static int read_patterns(reader *r, int32_t at) {
    return r->s->j.node[at].kind == '{' ? read_object(r, at) : wrong(r, at, "an object of schemas");
}

static int read_required(reader *r, int32_t at) {
    if (r->s->j.node[at].kind != '[')
        return wrong(r, at, "an array of names");
    for (int32_t k = r->s->j.node[at].child; k >= 0; k = r->s->j.node[k].next)
        if (r->s->j.node[k].kind != '"')
            return wrong(r, k, "a name");
    return read_object(r, at);
}

/* ---- the table ---- */

static const struct { const char *name; keyword_fn *fn; } keywords[] = {
    {"type", read_type}, {"enum", read_enum}, {"const", read_const}, {"not", read_not},
    {"$ref", skip}, {"allOf", skip}, {"anyOf", skip}, {"oneOf", skip},     /* dealt with where views are made */
    {"properties", read_properties}, {"required", read_required}, {"additionalProperties", read_named},
    {"propertyNames", read_object}, {"patternProperties", read_patterns}, {"unevaluatedProperties", read_unevaluated},
    {"minProperties", read_object}, {"maxProperties", read_object},
    {"items", read_array}, {"prefixItems", read_array}, {"additionalItems", read_array}, {"uniqueItems", read_unique},
    {"minItems", read_min_items}, {"maxItems", read_max_items},
    {"minLength", read_min_length}, {"maxLength", read_max_length}, {"pattern", read_pattern},
    {"format", read_format},
    {"minimum", read_minimum}, {"maximum", read_maximum}, {"exclusiveMinimum", read_above},
    {"exclusiveMaximum", read_below}, {"multipleOf", read_multiple},
    /* these say nothing of which values are valid */
    {"$schema", skip}, {"$id", skip}, {"$anchor", skip}, {"$comment", skip}, {"$defs", skip}, {"definitions", skip},
    {"title", skip}, {"description", skip}, {"default", skip}, {"example", skip}, {"examples", skip},
    {"deprecated", skip}, {"readOnly", skip}, {"writeOnly", skip}, {"contentEncoding", skip},
    {"contentMediaType", skip}, {"contentSchema", skip}, {"$vocabulary", skip}, {"$dynamicAnchor", skip}, {"id", skip},
    {"discriminator", skip}, {"nullable", skip}, {"externalDocs", skip}, {"xml", skip},        /* OpenAPI */
    {"strict", skip}, {"enumNames", skip}, {"enumDescriptions", skip}, {"markdownDescription", skip},  /* tools' own */
    {"deprecationMessage", skip}, {"errorMessage", skip}, {"propertyOrdering", skip},
};

static int read_keyword(reader *r, int32_t at) {
    const qn_str key = qn_json_tree_key(&r->s->j, at);
    for (size_t i = 0; i < QN_LEN(keywords); i++)
        if (qn_str_is(key, keywords[i].name))
            return keywords[i].fn(r, at);
    if (qn_str_starts(key, "x-"))
        return 0;
    return qn_schema_fail(r->s, QN_EUNSUPPORTED, at, "the keyword \"%.*s\" is not understood; to leave it out would "
                          "let invalid values pass (docs/SAMPLING.md lists those that are)", QN_STR_ARG(key));
}

/* Of what is listed anyway, types, counts and bounds are looked at; its format is taken for a remark. */
static int check_listed(qn_schema *s, const qn_schema_facts *f) {
    for (size_t i = 0; f->listed && f->pattern >= 0 && i < f->values.n; i++)
        if (s->j.node[f->values.v[i]].kind == '"')
            return qn_schema_fail(s, QN_EUNSUPPORTED, f->values.v[i], "values are listed, and a pattern besides says "
                                  "which of them are valid; list only those that are");
    return 0;
}

static int check_listed_parts(qn_schema *s, const qn_schema_facts *f) {
    QN_TRY(check_listed(s, f));
    for (size_t i = 0; f->listed && i < f->values.n; i++) {
        const char kind = s->j.node[f->values.v[i]].kind;
        if ((kind == '{' && (f->named || f->view->n > 4)) || (kind == '[' && (f->unique || f->view->n > 4)))
            return qn_schema_fail(s, QN_EUNSUPPORTED, f->values.v[i], "an object or array is listed, and keywords "
                                  "besides say something of its parts");
    }
    return 0;
}

static bool within(int64_t n, int64_t least, int64_t most) { return n >= least && (most < 0 || n <= most); }

static int64_t characters(qn_str s) {
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.s[i] & 0xc0) != 0x80;
    return n;
}

static bool in_bounds(double v, const qn_schema_facts *f) {
    return (!f->low.is || v > f->low.at || (v == f->low.at && !f->low.open)) &&
           (!f->high.is || v < f->high.at || (v == f->high.at && !f->high.open));
}

bool qn_schema_fits(const qn_schema *s, int32_t value, const qn_schema_facts *f) {
    const qn_json_node *n = &s->j.node[value];
    const bool whole = n->kind == '0' && n->number > -9e15 && n->number < 9e15 &&
                       n->number == (double)(int64_t)n->number;
    switch (n->kind) {
    case 'n': return f->types & QN_IS_NULL;
    case 't': case 'f': return f->types & QN_IS_BOOL;
    case '"':
        return (f->types & QN_IS_STRING) &&
               within(characters(qn_json_tree_str(&s->j, value)), f->min_length, f->max_length);
    case '[': return (f->types & QN_IS_ARRAY) && within(n->n, f->min_items, f->max_items);
    case '{': return f->types & QN_IS_OBJECT;
    default: return (f->types & (whole ? QN_IS_WHOLE : QN_IS_FRACTION)) && in_bounds(n->number, f);
    }
}

int qn_schema_gather_facts(qn_schema *s, const qn_schema_view *v, qn_schema_facts *f) {
    *f = (qn_schema_facts){.view = v, .types = QN_IS_ANY, .max_length = -1, .max_items = -1, .pattern = -1,
                           .format = -1, .bound_at = -1, .unique_at = -1};
    reader r = {.s = s, .f = f};
    for (size_t i = 0; i < v->n; i++) {
        r.node = v->e[i].node;
        f->never = f->never || s->j.node[r.node].kind == 'f';
        for (int32_t k = s->j.node[r.node].kind == '{' ? s->j.node[r.node].child : -1; k >= 0; k = s->j.node[k].next)
            QN_TRY(read_keyword(&r, k));
    }
    if (f->types == QN_IS_ANY && r.implied && !f->listed)
        f->types = r.implied;
    f->never = f->never || f->types == 0;
    return check_listed_parts(s, f);
}
