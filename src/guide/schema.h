/* guide/schema.h — inside the reader of JSON Schemas.
 *
 *   schema.c           what holds of one value: $ref and allOf are gathered, anyOf becomes alternatives, each is a rule
 *   schema_facts.c     the keywords of all that was gathered, as one set of facts
 *   schema_object.c    members in their order, those that may be left out, those that are not named
 *   schema_array.c     first items, further items, how many
 *   schema_number.c    numbers, and those between bounds, digit by digit
 *   schema_string.c    strings by length, pattern and format      pattern.h .c   regular expressions
 *                                                                 regular.h .c   several of them at once
 *
 * A schema may be the sum of several: a view. Its entries are nodes of the schema's JSON, with the keywords that have
 * been dealt with already. */
#ifndef QN_GUIDE_SCHEMA_H
#define QN_GUIDE_SCHEMA_H

#include "guide/guide.h"
#include "guide/json_tree.h"
#include "guide/rule_tree.h"

enum {
    QN_SCHEMA_RULES = 20000,        /* rules, and … */
    QN_SCHEMA_ENTRIES = 512,        /* entries of a view: beyond, the schema explodes */
    QN_SCHEMA_DIGITS = 16           /* digits of a number before its point, where nothing bounds it */
};

/* Kinds of JSON values; "integer" is WHOLE, "number" both. */
typedef enum {
    QN_IS_NULL = 1, QN_IS_BOOL = 2, QN_IS_WHOLE = 4, QN_IS_FRACTION = 8, QN_IS_STRING = 16, QN_IS_ARRAY = 32,
    QN_IS_OBJECT = 64, QN_IS_ANY = 127
} qn_json_types;

/* Keywords of a node that a view has dealt with. */
typedef enum { QN_DONE_PARTS = 1, QN_DONE_ANY = 2, QN_DONE_ONE = 4 } qn_schema_done;
typedef struct { int32_t node, done; } qn_schema_entry;
typedef struct { qn_schema_entry *e; size_t n, cap; } qn_schema_view;

typedef struct { double at; bool is, open; } qn_schema_bound;       /* is: there is one; open: itself is out */

/* What all entries of a view ask for together. Nodes are −1 where there is none. */
typedef struct {
    const qn_schema_view *view;
    unsigned types;
    bool never;
    qn_ids values;                  /* of enum and const: nodes */
    bool listed;                    /* only those */
    int64_t min_length, max_length, min_items, max_items;      /* max −1: no bound */
    int32_t pattern, format;
    qn_schema_bound low, high;
    bool named;                     /* some entry has properties or additionalProperties */
    bool unique;                    /* items */
    int32_t bound_at, unique_at;    /* nodes of keywords, for messages */
} qn_schema_facts;

typedef struct {
    const char *name;
    qn_json_tree j;
    qn_rule_tree t;
    qn_strmap known;                /* views by their bytes, to rules */
    struct qn_schema_rule *rule;    /* those views */
    size_t n_rules, cap_rules, done;
    int32_t space, text, character, any_number, any_whole;      /* rules; −1: not yet */
    bool compact;
    uint8_t *mark;                  /* [nodes] of one gathering */
    int32_t *like;                  /* [nodes] the first schema that says the same; −1: not looked for yet */
    qn_strmap texts;                /* what schemas say, to the first of them */
    char **kept;            size_t n_kept, cap_kept;       /* those texts */
} qn_schema;

/* "schema.json#/properties/age: …" */
QN_PRINTF(4, 5) int qn_schema_fail(qn_schema *s, int code, int32_t node, const char *fmt, ...);
/* An expression for values that fit all entries, which are copied; one rule for all views that are alike. */
int qn_schema_of(qn_schema *s, const qn_schema_view *v, int32_t *expr);
int qn_view_add(qn_schema_view *v, int32_t node, int32_t done);
/* The values that fit, if they are listed, each as an expression; none if they are not. */
int qn_schema_values(qn_schema *s, const qn_schema_view *v, qn_ids *values);
/* What names of members may be, quotes and all. 1: they are listed, and `names` are their nodes. */
int qn_schema_keys(qn_schema *s, const qn_schema_view *v, qn_ids *names, int32_t *expr);

int qn_schema_gather_facts(qn_schema *s, const qn_schema_view *v, qn_schema_facts *f);
/* A listed value, by its type, and by counts and bounds. */
bool qn_schema_fits(const qn_schema *s, int32_t value, const qn_schema_facts *f);

/* OpenAPI's word for the member by which alternatives are told apart: it is always written then. Empty: there is
 * none. */
qn_str qn_schema_discriminator(const qn_schema *s, int32_t node);

int qn_schema_object(qn_schema *s, const qn_schema_facts *f, int32_t *expr);
int qn_schema_array(qn_schema *s, const qn_schema_facts *f, int32_t *expr);
int qn_schema_number(qn_schema *s, const qn_schema_facts *f, int32_t *expr);
int qn_schema_string(qn_schema *s, const qn_schema_facts *f, int32_t *expr);

/* Pieces: white space between parts; a character of a string; a key with its colon. */
int32_t qn_schema_space(qn_schema *s);
int32_t qn_schema_char(qn_schema *s);
int32_t qn_schema_plain_string(qn_schema *s);
int32_t qn_schema_literal(qn_schema *s, qn_str json);

#endif
