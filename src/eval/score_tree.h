/* eval/score_tree.h — token sequences that begin alike, fed to a session once per beginning.
 *
 *   The few shots of a task, a question, its choices:          as nodes, each in a sequence of its own:
 *
 *     shots shots q1 A                                          [shots shots] ─┬─ [q1] ─┬─ [A]
 *     shots shots q1 B                                                         │        └─ [B]
 *     shots shots q2 A                                                         └─ [q2] ─┬─ [A]
 *     shots shots q2 B                                                                  └─ [B]
 *                                                               level 0           1          2
 *
 * Paths come sorted by their ids; a wave is as many of the next ones as the session has sequences for. All nodes of one
 * level are fed in one call, then shared with the nodes behind them (qn_session_share). The last path of a wave stays
 * for the next one to begin with. Since a session's logits depend on the tokens before and on nothing else, the tree
 * changes the time and no bit of the result. */
#ifndef QN_EVAL_SCORE_TREE_H
#define QN_EVAL_SCORE_TREE_H

#include "infer/session.h"

/* ids [n] to feed, n ≥ 1; logits are wanted from position `first` on, 0 ≤ first < n, and nothing from there on is
 * shared. `item` is the caller's. */
typedef struct { const int32_t *ids; int64_t n, first, item; } qn_tree_path;

/* Tokens [begin, end) of a path, behind those of its parent. */
typedef struct { int64_t path, parent, begin, end, seq; int level; } qn_tree_node;

typedef struct {
    qn_session *s;
    const qn_tree_path *path;       /* of this wave */
    qn_tree_node *node;             /* [most] */
    int64_t *leaf, *stack;          /* [most]: the last node of each path; nodes of the path under construction */
    struct qn_tree_want { int64_t path, from; } *want;      /* [2 · most], of each feed */
    qn_feed *feed;
    int64_t most, n_nodes, n_paths, depth, stacked;
    const qn_tree_path *kept;       /* the last path of the wave before; NULL: none */
    int64_t kept_seq, kept_n;       /* its sequence; how many of its positions the first path here begins with */
    qn_logits_fn *fn;
    void *arg;
} qn_score_tree;

/* Borrows s. QN_EINVAL: fewer than 2 sequences; QN_ENOMEM. On failure drop it all the same; {0} is fine. */
int qn_score_tree_init(qn_score_tree *t, qn_session *s);
void qn_score_tree_drop(qn_score_tree *t);
/* Begins anew: all sequences are emptied. */
void qn_score_tree_start(qn_score_tree *t);
void qn_tree_sort(qn_tree_path *path, int64_t n);
/* Plans a wave of the next paths [n], sorted, borrowed until the wave after; returns how many it takes, at least 1. */
int64_t qn_score_tree_plan(qn_score_tree *t, const qn_tree_path *path, int64_t n);
/* Feeds the wave. fn is called with the path's number in the wave, the position, and the logits behind it; positions of
 * one path ascend. Path i is then held by sequence qn_score_tree_seq(t, i). */
int qn_score_tree_feed(qn_score_tree *t, qn_logits_fn *fn, void *arg);
int64_t qn_score_tree_seq(const qn_score_tree *t, int64_t i);

#endif
