/* graph/graph_impl.h — the insides of a graph, shared by graph.c, plan.c and exec.c. */
#ifndef QN_GRAPH_GRAPH_IMPL_H
#define QN_GRAPH_GRAPH_IMPL_H

#include "graph/graph.h"

typedef enum { VALUE_INPUT, VALUE_PARAM, VALUE_NODE, VALUE_VIEW } qn_value_kind;

typedef struct {
    char *name;
    qn_value_kind kind;
    qn_dtype dtype;
    qn_layout layout;
    qn_shape shape;                 /* symbolic */
    int first, last;                /* node that makes it, last node that reads it (-1: nobody) */
    bool keep;                      /* lives to the end of the run */
    size_t offset, bytes;           /* in the arena, at the maxima (VALUE_NODE) */
    qn_tensor bound;                /* VALUE_PARAM: the parameter */
    qn_ref base;                    /* VALUE_VIEW: whose memory it is (never a view itself) */
    qn_tap_fn *tap;
    void *tap_arg;
} qn_value;

typedef struct {
    const qn_op *op;
    void *attr;
    qn_ref in[QN_OP_INS], out;      /* outputs are out, out+1 … */
    int n_in, n_out;
} qn_node;

struct qn_graph {
    qn_value *value;
    size_t n_values, cap_values;
    qn_node *node;
    size_t n_nodes, cap_nodes;
    qn_strmap names;
    bool planned;
};

/* Bytes of a value when T and S have these values; rounded up to 64. */
size_t qn_value_bytes(const qn_value *v, const int64_t sym[QN_DIM_SYMBOLS], size_t real);
/* Concrete dimension of a possibly symbolic one. */
QN_INLINE int64_t qn_dim_bind(int64_t d, const int64_t sym[QN_DIM_SYMBOLS]) { return d >= 0 ? d : sym[-d - 1]; }

/* Gives every node value an offset so that values alive at the same time do not overlap; returns the arena's size. */
int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes);

#endif
