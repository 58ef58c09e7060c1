/* guide/rule_tree.h — a grammar as expressions: what the readers make, and what an automaton is compiled from.
 *
 *     qn_rule_tree t;
 *     QN_TRY(qn_tree_init(&t));
 *     const int32_t digit = qn_tree_range(&t, '0', '9');
 *     t.rule[t.root].body = qn_tree_seq(&t, (int32_t[]){qn_tree_text(&t, QN_STR("-")), digit}, 2);
 *     QN_TRY(t.rc);
 *
 * An expression is a number; its parts are older than it is. The first failure (memory, QN_ELIMIT for the size) stays
 * in rc and silences the rest, which then is expression 0, the empty text. */
#ifndef QN_GUIDE_RULE_TREE_H
#define QN_GUIDE_RULE_TREE_H

#include "base/base.h"

enum {
    QN_TREE_MAX = 1 << 20,          /* expressions, their parts, ranges: each */
    QN_TREE_DEPTH = 128,            /* of expressions within one another: the readers keep to it */
    QN_TREE_UNROLL = 48             /* X{m,n} of no more positions than this is copied; else it is a counter */
};

typedef enum {
    QN_EXPR_TEXT,                   /* a, n: bytes of `text`; none is the empty text */
    QN_EXPR_CLASS,                  /* a, n: ranges of characters, ascending and apart; none is what never fits */
    QN_EXPR_SEQ, QN_EXPR_ALT,       /* a, n: parts */
    QN_EXPR_REPEAT,                 /* a: what; least … most times, most −1 without end */
    QN_EXPR_RULE                    /* a: which */
} qn_expr_kind;

typedef struct {
    qn_expr_kind kind;
    int32_t a, n, least, most;
    int32_t size;                   /* positions that it becomes, about; not more than QN_TREE_MAX */
    /* found out when all rules are there (rule_check.c) */
    bool nullable;                  /* the empty text fits */
    bool lives;                     /* some text fits */
} qn_expr;

typedef struct { uint32_t lo, hi; } qn_char_range;
typedef struct {
    int32_t body;                   /* −1: not yet said */
    qn_str name;                    /* for messages; borrowed */
    bool nullable, lives;
    bool small;                     /* stands where it is used: not recursive, nothing in it repeats for long */
} qn_tree_rule;

typedef struct {
    qn_expr *expr;          size_t n, cap;
    int32_t *part;          size_t n_parts, cap_parts;
    qn_char_range *range;   size_t n_ranges, cap_ranges;
    qn_tree_rule *rule;     size_t n_rules, cap_rules;
    qn_buf text;
    int32_t root;                   /* the rule that a whole text is: 0, until said otherwise */
    int64_t work;                   /* regular.c's, bounded for all that it makes of one tree */
    int rc;
} qn_rule_tree;

int qn_tree_init(qn_rule_tree *t);
void qn_tree_drop(qn_rule_tree *t);

int32_t qn_tree_rule_add(qn_rule_tree *t, qn_str name);             /* a rule without a body */
int32_t qn_tree_text(qn_rule_tree *t, qn_str bytes);
int32_t qn_tree_range(qn_rule_tree *t, uint32_t lo, uint32_t hi);
/* Ranges in any order; `not`: all other characters. Sorts the caller's array. */
int32_t qn_tree_class(qn_rule_tree *t, qn_char_range *r, size_t n, bool not);
int32_t qn_tree_seq(qn_rule_tree *t, const int32_t *part, size_t n);
int32_t qn_tree_alt(qn_rule_tree *t, const int32_t *part, size_t n);        /* of nothing: what never fits */
int32_t qn_tree_repeat(qn_rule_tree *t, int32_t what, int64_t least, int64_t most);
int32_t qn_tree_call(qn_rule_tree *t, int32_t rule);

/* rule_check.c: nullable, lives, small; refuses left recursion and a root that no text fits. `name` for messages. */
int qn_tree_check(qn_rule_tree *t, const char *name);

#endif
