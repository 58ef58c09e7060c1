/* graph/graph.h — storey 3: a model as nodes, planned once, run many times.
 *
 *   tensor.h   typed, shaped, borrowed memory          op.h     what an operation is
 *   graph.c    values, nodes, names                    plan.c   liveness, one arena for all activations
 *   exec.c     phases over the thread pool             grad.c   the reverse walk: where it passes, what it needs
 *   again.c    what is not kept for the walk but made again
 *
 *     build:   x = qn_graph_input(g, "ids", QN_I32, shape);  y = qn_graph_node(g, &qn_op_rmsnorm, "blk.0.attn_norm", …)
 *     plan:    qn_exec_new(&e, g, kernels, max T, max S)     — allocates the arena, checks nothing is missing
 *     run:     qn_exec_bind(e, input, data); qn_exec_run(e, T, S, pool, run data)
 *     train:   qn_graph_train, qn_graph_seed before planning; qn_exec_run_walk(e, …) runs and walks back
 *
 * Dimensions may be symbols (T, S); the plan is made for their maxima and nothing is rebuilt per token. */
#ifndef QN_GRAPH_GRAPH_H
#define QN_GRAPH_GRAPH_H

#include "base/pool.h"
#include "graph/op.h"

typedef struct qn_graph qn_graph;
typedef int32_t qn_ref;                 /* a value of a graph; <0 is an error, forwarded by every builder function */

/* A graph is built, planned and run by one thread at a time. It owns names and attributes, never the memory of
 * parameters and inputs. The caller frees it, after the executors that borrow it. */
int qn_graph_new(qn_graph **out);                                     /* QN_ENOMEM */
void qn_graph_free(qn_graph *g);                                      /* NULL is fine */

/* Builder functions return the new value. Errors: QN_EINVAL (a name is taken, a wrong number of inputs, a packed value
 * where rows are asked for), QN_ESHAPE and others from the op's shape(), QN_ENOMEM; the message names the node. */

/* A value that the caller binds before each run: row-major, as many rows as the run's T or S says. */
qn_ref qn_graph_input(qn_graph *g, const char *name, qn_dtype dtype, qn_shape shape);
/* A parameter: bound once; *t is copied, its memory must outlive the graph. */
qn_ref qn_graph_param(qn_graph *g, const char *name, const qn_tensor *t);
/* One node. attr is copied (op->attr_size bytes). names is one name per output, separated by spaces:
 * "blk.0.attn.q blk.0.attn.k". Returns the first output; the others follow as ref + 1 …. */
qn_ref qn_graph_node(qn_graph *g, const qn_op *op, const char *names, const qn_ref *in, int n_in, int n_out,
                     const void *attr);
/* The same memory under another shape with as many elements per outermost row: [T,H·Dh] as [T,H,Dh]. */
qn_ref qn_graph_view(qn_graph *g, const char *name, qn_ref of, qn_shape shape);
/* The value keeps its memory to the end of the run, and of the reverse walk: results. Before planning. */
void qn_graph_keep(qn_graph *g, qn_ref v);

/* ---- training: before planning ---- */

/* The reverse walk adds this parameter's gradient to `grad`: the parameter's shape, real, row-major also where the
 * parameter is packed. The caller owns and clears it. */
void qn_graph_train(qn_graph *g, qn_ref param, const qn_tensor *grad);
/* The walk begins at v, whose gradient is one for every element: the loss, one number per row. */
void qn_graph_seed(qn_graph *g, qn_ref v);

/* What the walk reads is kept from forward or made again, right before the first step that reads it. Gradients are the
 * same bits under every policy (decision 009). */
typedef enum {
    QN_KEEP_ALL,                        /* nothing is made again */
    QN_RECOMPUTE_CHEAP,                 /* the default: norms, activations, packed forms; no product, no attention */
    QN_RECOMPUTE_LAYERS                 /* of a layer only its anchor is kept; the layer runs forward once more */
} qn_recompute;
void qn_graph_recompute(qn_graph *g, qn_recompute policy);
/* v begins a layer: the residual stream that it reads. What is made behind the last anchor is not run again as a
 * layer, because its backward comes first and its memory is there anyway. */
void qn_graph_anchor(qn_graph *g, qn_ref v);

qn_ref qn_graph_find(const qn_graph *g, const char *name);            /* <0: QN_ENOTFOUND */
const char *qn_graph_name(const qn_graph *g, qn_ref v);               /* borrowed; "?" for no value */
int qn_graph_nodes(const qn_graph *g);                                /* how many; views and inputs are none */

/* ---- running ---- */
typedef struct qn_exec qn_exec;
/* Most rows T and S of a run; workers: threads of the pool that will run it. */
typedef struct { int64_t max_t, max_s; int workers; } qn_exec_limits;

/* A tap sees a node's value after the node has run (on one thread) and may change it. Declared before planning, because
 * a tapped value keeps its memory to itself until the tap has run; what the reverse walk reads of it is what the tap
 * left. The pointer is valid during the call. */
typedef void qn_tap_fn(void *arg, const char *name, const qn_tensor *value);
/* QN_EINVAL: the graph is planned already, or v is no node's output (an input, a parameter, a view). */
int qn_graph_tap(qn_graph *g, qn_ref v, qn_tap_fn *fn, void *arg);

/* Plans g and allocates for the maxima. Borrows g and k until it is freed. QN_ENOMEM; with a seed also QN_EUNSUPPORTED
 * (the walk would pass an op without gradient, named) and QN_EINVAL (the seed depends on nothing that is trained). */
int qn_exec_new(qn_exec **out, qn_graph *g, const qn_kernels *k, const qn_exec_limits *lim);
void qn_exec_free(qn_exec *e);                                        /* NULL is fine */
void qn_exec_bind(qn_exec *e, qn_ref input, void *data);              /* borrowed until the next bind */
/* T rows, S wanted rows, both within the limits; run is handed to every op. The pool (NULL: this thread alone) has at
 * most `workers` threads and no other region. No allocation, cannot fail. */
void qn_exec_run(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run);
/* The reverse walk of the run before it, which must be the last one. No allocation, cannot fail. */
void qn_exec_run_backward(qn_exec *e);
/* Both, to the same bits. The seed's op, where it is the last and its backward leaves its outputs too, runs once. */
void qn_exec_run_walk(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run);
/* Both in two halves, cut behind the seed's op, where that runs once and only its first input wants a gradient (false:
 * it is not so, and nothing was run). *grad is that gradient, rows that the caller may scale: what the elements of the
 * seed weigh need not be known before they are. */
bool qn_exec_run_to_seed(qn_exec *e, int64_t T, int64_t S, qn_pool *pool, const void *run, qn_tensor *grad);
void qn_exec_run_from_seed(qn_exec *e);
const qn_tensor *qn_exec_value(const qn_exec *e, qn_ref v);           /* of a kept value, after a run, until the next */

/* scratch_bytes: of all workers together. flops: multiply and add count as two; ops that say none are not in it. */
typedef struct {
    size_t arena_bytes, scratch_bytes, partial_bytes;
    size_t kept_bytes;                  /* of the arena: what forward leaves for the walk, all alive when it begins */
    size_t grad_bytes, again_bytes;     /* gradients; values made again: the most that are alive at one time */
    int nodes, nodes_again;             /* nodes_again: how many the walk runs forward once more */
    int barriers, barriers_back;        /* of the last run, and of the last walk */
    int64_t flops, flops_back;          /* the same; back: for each operand of a product that wants a gradient once the
                                         * product's. What is made again is not counted: it is no progress */
} qn_exec_info;
qn_exec_info qn_exec_info_get(const qn_exec *e);

/* Costs per op and part, for --profile; off by default. All are accumulated over runs. Every step waits for all workers
 * then, also where it could have run with its neighbours. wait_ns: at barriers, of all workers together, of whose time
 * worker_ns is the sum. bytes: what a step reads and writes, once each, without the pages of attention; of backward the
 * values that it looks at, and gradients, one that is added to twice. flops: as in qn_exec_info, but what is made again
 * counts, and an op that runs once for both halves with both. */
typedef enum { QN_PART_FORWARD, QN_PART_AGAIN, QN_PART_BACKWARD } qn_op_part;
typedef struct {
    const char *op;
    int64_t ns, calls;
    qn_op_part part;
    int64_t worker_ns, wait_ns, bytes, flops;
} qn_op_time;
void qn_exec_profile(qn_exec *e, bool on);
int qn_exec_times(const qn_exec *e, qn_op_time *out, int cap);        /* how many were written */

#endif
