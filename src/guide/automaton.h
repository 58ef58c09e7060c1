/* guide/automaton.h — a compiled grammar: positions between bytes, and what leads from one to the next.
 *
 *     BYTES   edge[a … a + n)        one byte of a range, then there
 *     SPLIT   split[a … a + n)       several places at once
 *     CALL    rule a, then n         a frame with n goes onto the stack; where n is an END, none is needed
 *     LOOP    loop a                 a frame (loop, 0) goes onto the stack, then the loop's body
 *     AGAIN                          one time more: the frame's count goes up, and it is left, or repeated, or both
 *     END                            back to the frame's place; with an empty stack the text is whole
 *
 * Characters are their bytes in UTF-8 (the class [à-ÿ] is c3 followed by a0…bf), so that a token may end within one. */
#ifndef QN_GUIDE_AUTOMATON_H
#define QN_GUIDE_AUTOMATON_H

#include "guide/guide.h"
#include "guide/rule_tree.h"

typedef enum { QN_POS_BYTES, QN_POS_SPLIT, QN_POS_CALL, QN_POS_LOOP, QN_POS_AGAIN, QN_POS_END } qn_pos_kind;
typedef struct { qn_pos_kind kind; int32_t a, n; } qn_pos;
typedef struct { uint8_t lo, hi; int32_t to; } qn_byte_edge;
typedef struct { int32_t body, next, least, most; } qn_loop;        /* most −1: without end */

struct qn_syntax {
    char *name;             /* for messages: a file, a member of a request */
    qn_pos *pos;            size_t n_pos, cap_pos;
    qn_byte_edge *edge;     size_t n_edges, cap_edges;
    int32_t *split;         size_t n_splits, cap_splits;
    qn_loop *loop;          size_t n_loops, cap_loops;
    int32_t *entry;         /* per rule; −1 where it is never called */
    size_t n_rules;
    int32_t start;
    uint8_t class_of[256];  /* bytes that every edge takes together or not at all */
    int n_classes;
};

/* t: checked (qn_tree_check). */
int qn_syntax_compile(qn_syntax **out, const qn_rule_tree *t, const char *name);

#endif
