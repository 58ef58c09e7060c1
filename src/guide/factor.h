/* guide/factor.h — alternatives by what they begin with, so that those that begin alike share their beginning.
 *
 *     "v10" | "v11" | "w"      v ─ 1 ┬ 0        a list of twenty thousand words is one tree, and a text stands at one
 *                                    └ 1        place of it; as many lists side by side would be as many places
 *                              w
 *
 * A way through an alternation is a row of atoms: bytes, and expressions that are not taken apart, by the number of the
 * first one that says the same. Sorted, those that share a beginning stand next to each other. */
#ifndef QN_GUIDE_FACTOR_H
#define QN_GUIDE_FACTOR_H

#include "guide/rule_tree.h"
#include "tok/tok.h"

enum {
    QN_ATOM_EXPR = 256,             /* an atom below it is a byte; else it is the expression atom − 256 */
    QN_FACTOR_MANY = 32             /* alternatives, from which on rules that are used once are taken apart, too */
};

typedef struct {
    const qn_rule_tree *t;
    int32_t *same;                  /* [expressions] the first one that says the same */
    int32_t *like;                  /* [rules] the first one that says the same */
    bool *once;                     /* [rules] it is used at one place only, which is compiled only once */
} qn_factor;

int qn_factor_init(qn_factor *f, const qn_rule_tree *t);
void qn_factor_drop(qn_factor *f);

typedef struct { const int32_t *atom; int32_t n; } qn_way;
typedef struct { qn_way *way; size_t n, cap; qn_ids atoms; } qn_ways;
/* The living ways of an alternation, sorted. To be dropped after a failure as well. */
int qn_factor_ways(const qn_factor *f, int32_t alt, qn_ways *out);
void qn_ways_drop(qn_ways *w);

#endif
