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
    bool keep;                      /* lives to the end of the forward run */
    bool wants_grad;                /* the reverse walk carries a gradient to it */
    int last_backward;              /* last step of the reverse walk that reads it; 0 = none */
    int grad;                       /* block of its gradient, -1: none. Several values may share one (views) */
    qn_tensor param_grad;           /* VALUE_PARAM: where its gradient is added; data NULL = not trained */
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
    bool active;                    /* the reverse walk passes here */
    int saved[QN_OP_SAVED];         /* blocks of what forward leaves for backward, -1: none */
} qn_node;

/* A piece of the arena with a life. Time runs over the forward nodes 0 … n−1 and on through the reverse walk:
 * backward of node i is step 2n−1−i. */
typedef struct { size_t bytes, offset; int first, last; } qn_block;

struct qn_graph {
    qn_value *value;
    size_t n_values, cap_values;
    qn_node *node;
    size_t n_nodes, cap_nodes;
    qn_strmap names;
    bool planned;
    qn_ref seed;                    /* where the reverse walk begins; -1: there is none */
    qn_block *block;                /* gradients and saved values */
    size_t n_blocks, cap_blocks;
};

/* Bytes of a value when T and S have these values; rounded up to 64. */
size_t qn_value_bytes(const qn_value *v, const int64_t sym[QN_DIM_SYMBOLS], size_t real);
/* Concrete dimension of a possibly symbolic one. */
QN_INLINE int64_t qn_dim_bind(int64_t d, const int64_t sym[QN_DIM_SYMBOLS]) { return d >= 0 ? d : sym[-d - 1]; }

/* Places blocks so that such as are alive at the same time do not overlap. */
int qn_blocks_place(qn_block *block, size_t n, size_t *arena_bytes);
/* Decides where the reverse walk passes, what it needs for how long, and adds a block for every gradient and saved
 * value. Nothing to do without a seed. (grad.c) */
int qn_graph_plan_backward(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real);
/* Where the gradient of a value is added; NULL: it has none. */
void *qn_grad_data(const qn_graph *g, qn_ref r, char *arena);

/* Gives every node value an offset so that values alive at the same time do not overlap; returns the arena's size. */
int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes);

#endif
