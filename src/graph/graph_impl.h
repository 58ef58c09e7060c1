/* graph/graph_impl.h — the insides of a graph, shared by the files of this room. */
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
    bool keep;                      /* lives to the end of run and walk */
    bool anchor;                    /* begins a layer */
    bool wants_grad;                /* the reverse walk carries a gradient to it */
    bool read_back;                 /* some backward step reads it */
    bool remade;                    /* … not from where forward put it: it is made again */
    int last_backward;              /* last step of the walk that reads what forward made; 0 = none */
    int again;                      /* block of what was made again, -1: none */
    int grad;                       /* block of its gradient, -1: none. Several values may share one (views, sums) */
    qn_ref sum;                     /* its gradient is that of this sum; -1: no */
    qn_ref place;                   /* VALUE_NODE: it lies where this one does, which nobody reads any more; -1: no */
    qn_tensor param_grad;           /* VALUE_PARAM: where its gradient is added; data NULL = not trained */
    size_t block;                   /* VALUE_NODE: its number while blocks are placed */
    size_t offset, bytes;           /* in the arena, at the maxima (VALUE_NODE) */
    bool own;                       /* with few rows each worker has one of its own … */
    size_t own_offset;              /* … there in its memory */
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

/* "Few rows": so many are one tile of an op by rows (ops/ops.h says how many a tile has; the executor asserts it). */
enum { QN_FEW_ROWS = 16 };

/* Time is counted in steps: the forward nodes 0 … n−1, then the walk. Step i < n is node i. */
typedef struct {
    qn_op_part part;
    int node;
    bool joins;                     /* its first phase runs with that of the step before, tile by tile */
    bool own;                       /* with few rows each worker does it for itself */
    int fresh, clear_in, clear_out; /* backward: gradients of inputs and outputs that are born here */
} qn_step;

/* A piece of the arena and the steps of its life. */
typedef enum { BLOCK_VALUE, BLOCK_GRAD, BLOCK_SAVED, BLOCK_AGAIN } qn_block_kind;
typedef struct { size_t bytes, offset; int first, last; qn_block_kind kind; } qn_block;

struct qn_graph {
    qn_value *value;
    size_t n_values, cap_values;
    qn_node *node;
    size_t n_nodes, cap_nodes;
    qn_strmap names;
    bool planned;
    qn_ref seed;                    /* where the reverse walk begins; -1: there is none */
    qn_recompute recompute;
    qn_step *step;
    size_t n_steps, cap_steps;
    qn_block *block;                /* gradients, saved values, values made again */
    size_t n_blocks, cap_blocks;
    size_t kept_bytes, most[BLOCK_AGAIN + 1];       /* for looking: alive when the walk begins; at most, per kind */
    size_t own_bytes;                               /* of one worker's own values */
};

/* Bytes of a value when T and S have these values; rounded up to 64. */
size_t qn_value_bytes(const qn_value *v, const int64_t sym[QN_DIM_SYMBOLS], size_t real);
/* Concrete dimension of a possibly symbolic one. */
QN_INLINE int64_t qn_dim_bind(int64_t d, const int64_t sym[QN_DIM_SYMBOLS]) { return d >= 0 ? d : sym[-d - 1]; }

/* Places blocks so that such as are alive at the same time do not overlap. */
int qn_blocks_place(qn_block *block, size_t n, size_t *arena_bytes);

/* The maxima that a plan is made for. */
typedef struct { const int64_t *sym; size_t real; } qn_plan_for;

/* grad.c: appends the walk to the steps: where it passes, what it needs for how long, a block for every gradient and
 * saved value. Nothing to do without a seed. */
int qn_graph_plan_backward(qn_graph *g, const qn_plan_for *f);
/* Where the gradient of a value lies, and where node n adds that of its input j; NULL: there is none to add. */
void *qn_grad_data(const qn_graph *g, qn_ref r, char *arena);
void *qn_grad_input(const qn_graph *g, const qn_node *n, int j, char *arena);
/* The value whose gradient serves r; and, before it shares that of a sum, the value itself. */
qn_ref qn_grad_home(const qn_graph *g, qn_ref r);
qn_ref qn_grad_source(const qn_graph *g, qn_ref r);
/* Backward of the node looks at its input j. Known once it is known what wants a gradient. */
bool qn_grad_reads(const qn_graph *g, const qn_node *n, int j);

int qn_graph_add_step(qn_graph *g, qn_step s);                  /* its number */
int qn_graph_add_block(qn_graph *g, qn_block b);

/* again.c: which values are made again; and the steps that make again what backward of a node reads. need: [nodes],
 * all false, left so. */
void qn_graph_choose_again(qn_graph *g);
int qn_graph_make_again(qn_graph *g, int node, bool *need, const qn_plan_for *f);
/* Step `step` of the walk reads r. */
void qn_graph_read_back(qn_graph *g, qn_ref r, int step);
/* Whose memory r is. */
QN_INLINE qn_value *qn_value_home(const qn_graph *g, qn_ref r) {
    return &g->value[g->value[r].kind == VALUE_VIEW ? g->value[r].base : r];
}

/* cost.c: bytes that a step reads and writes; its operations, multiply and add as two. */
int64_t qn_step_bytes(const qn_graph *g, const qn_step *s, const qn_op_ctx *c);
int64_t qn_step_flops(const qn_op *op, const qn_op_ctx *c, qn_op_part part);

/* Gives every node value an offset so that values alive at the same time do not overlap; returns the arena's size. */
int qn_graph_plan(qn_graph *g, const int64_t max_sym[QN_DIM_SYMBOLS], size_t real, size_t *arena_bytes);

#endif
