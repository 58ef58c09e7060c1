/* guide/pattern.h — a regular expression as an expression of a grammar: what an automaton can read of ECMA-262.
 *
 * Literals, . [a-z] [^a-z] \d \w \s \D \W \S, escapes, groups of any name, | * + ? {m} {m,} {m,n}, and ^ $ at the ends
 * of the whole or of its outermost alternatives. Lazy repetitions are the same language. Refused by name: looking
 * around, back references, \b, \p{…}, flags. Where dialects differ (\d of other scripts) it takes what all of them
 * take. */
#ifndef QN_GUIDE_PATTERN_H
#define QN_GUIDE_PATTERN_H

#include "guide/rule_tree.h"

typedef enum {
    QN_PATTERN_SEARCH = 1,      /* it may match anywhere, as "pattern" does; else the whole text */
    QN_PATTERN_QUOTED = 2       /* characters are spelled as between the quotes of JSON: \n is two, " is \" */
} qn_pattern_how;

/* What it matches, and how many characters that has; most −1 without end. QN_EFORMAT, QN_EUNSUPPORTED, QN_ELIMIT, with
 * the place in the pattern. */
typedef struct { int32_t expr; int64_t least, most; } qn_pattern;
int qn_pattern_read(qn_rule_tree *t, qn_str pattern, unsigned how, qn_pattern *out);

#endif
