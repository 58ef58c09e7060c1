/* guide/json_tree.h — a small JSON document as nodes: a schema is looked into at many places, and refers to itself. */
#ifndef QN_GUIDE_JSON_TREE_H
#define QN_GUIDE_JSON_TREE_H

#include "base/base.h"
#include "base/json.h"

typedef struct {
    char kind;                      /* '{' '[' '"' '0' 't' 'f' 'n', as qn_json_peek says */
    int32_t parent, child, next;    /* −1: none; children in the order of the text */
    int32_t n;                      /* children */
    size_t key, key_n;              /* in `text`: of a member of an object */
    size_t at, at_n;                /* … the decoded string; a number as it is written */
    double number;
} qn_json_node;

typedef struct { qn_json_node *node; size_t n, cap; qn_buf text; } qn_json_tree;

/* Node 0 is the document. Errors as of base/json.h; a key that stands twice in one object is QN_EFORMAT. */
int qn_json_tree_read(qn_json_tree *t, qn_str text, const char *name);
void qn_json_tree_drop(qn_json_tree *t);
qn_str qn_json_tree_key(const qn_json_tree *t, int32_t node);
qn_str qn_json_tree_str(const qn_json_tree *t, int32_t node);
/* A member of an object; −1: none. */
int32_t qn_json_tree_get(const qn_json_tree *t, int32_t node, const char *key);
int32_t qn_json_tree_find(const qn_json_tree *t, int32_t node, qn_str key);
/* Equal as JSON: numbers by value, members in any order. */
bool qn_json_tree_same(const qn_json_tree *t, int32_t a, int32_t b);
/* "/properties/name": the place of a node as a JSON pointer from `root` on, which it lies in, appended. */
int qn_json_tree_place(const qn_json_tree *t, int32_t root, int32_t node, qn_buf *out);
/* The node that a JSON pointer names from `root` on ("" is the root itself), its ~0 ~1 and %XX undone; −1: there is
 * none. */
int32_t qn_json_tree_point(const qn_json_tree *t, int32_t root, qn_str pointer);
/* As JSON text without white space, appended. */
int qn_json_tree_write(const qn_json_tree *t, int32_t node, qn_buf *out);

#endif
