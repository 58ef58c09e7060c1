/* guide/pattern.h — a regular expression as an expression of a grammar: what an automaton can read of ECMA-262.
 *
 * Literals, . [a-z] [^a-z] \d \w \s \D \W \S, escapes, groups of any name, | * + ? {m} {m,} {m,n}, and ^ $ at the ends
 * of the whole or of its outermost alternatives. Lazy repetitions are the same language. (?=…) and (?!…) are understood
 * where a whole pattern without alternatives begins, behind ^: they say something of the whole text then. Refused by
 * name: looking around elsewhere, back references, \b, \p{…}, flags. Where dialects differ (\d of other scripts) it
 * takes what all of them take. */
#ifndef QN_GUIDE_PATTERN_H
#define QN_GUIDE_PATTERN_H

#include "guide/regular.h"
#include "guide/rule_tree.h"

typedef enum {
    QN_PATTERN_SEARCH = 1,      /* it may match anywhere, as "pattern" does; else the whole text */
    QN_PATTERN_QUOTED = 2       /* characters are spelled as between the quotes of JSON: \n is two, " is \" */
} qn_pattern_how;

/* What it matches, how many characters that has (most −1 without end), and what else has to hold of the text, which
 * expr does not say. QN_EFORMAT, QN_EUNSUPPORTED, QN_ELIMIT, with the place in the pattern. */
enum { QN_PATTERN_LOOKS = 8 };
typedef struct {
    int32_t expr;
    int64_t least, most;
    qn_regular look[QN_PATTERN_LOOKS];
    size_t looks;
} qn_pattern;
int qn_pattern_read(qn_rule_tree *t, qn_str pattern, unsigned how, qn_pattern *out);
/* A character of these ranges, spelled as between the quotes of JSON: what needs an escape as its escape, what has none
 * but \u is left out. */
int32_t qn_pattern_quoted(qn_rule_tree *t, const qn_char_range *r, size_t n);

#endif
