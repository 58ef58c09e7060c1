/* guide/regular.h — texts that several regular expressions hold of at once, or do not hold of, as one expression.
 *
 *     ^[a-z.]+$   and no ^\.   and at most 8 characters
 *
 * All of them are walked side by side, a character at a time; each set of places that they can stand at together is a
 * state (the subset construction: Rabin & Scott 1959), and each state is a rule, a ::= [a-z] b | "." c | "". So a
 * complement is as cheap as what it is of. */
#ifndef QN_GUIDE_REGULAR_H
#define QN_GUIDE_REGULAR_H

#include "guide/rule_tree.h"

enum { QN_REGULAR_STATES = 8192 };

/* An expression of classes, sequences, alternatives and repetitions. */
typedef struct { int32_t expr; bool not; } qn_regular;

/* Expressions of `from`, of which one at least is not a complement; the result is one of `to`, its characters spelled
 * as between the quotes of JSON. QN_ELIMIT: it explodes. */
int qn_regular_all(qn_rule_tree *to, const qn_rule_tree *from, const qn_regular *all, size_t n, int32_t *expr);

#endif
