/* graph/op.h — what an operation is: shape, forward, backward, and the cases that prove them.
 *
 * Forward and backward are each one to six phases with a barrier in between. A phase says how many tiles it has and
 * does one; tiles depend on shapes only, never on the number of threads. An op declares
 *   - partials: bytes shared by its phases and tiles, owned by the executor, not cleared;
 *   - scratch:  bytes private to a worker;
 *   - saved:    values that forward leaves for backward (their data is NULL when no gradient will be taken).
 * It reaches its numbers through the kernel table: the same code runs in float, and in double as its own judge. */
#ifndef QN_GRAPH_OP_H
#define QN_GRAPH_OP_H

#include "graph/tensor.h"
#include "kernels/kernels.h"

enum { QN_OP_INS = 9, QN_OP_OUTS = 3, QN_OP_SAVED = 2, QN_OP_PHASES = 6 };

typedef struct qn_op_ctx {
    const qn_kernels *k;
    const void *attr;
    const void *run;                        /* what the caller bound for this run (qn_run_data), for ops that need it */
    int n_in, n_out;
    qn_tensor in[QN_OP_INS], out[QN_OP_OUTS];
    qn_tensor saved[QN_OP_SAVED];
    const qn_tensor *dout;                  /* backward: gradients of the outputs [n_out], read; NULL in forward */
    const qn_tensor *din;                   /* backward: gradients of inputs [n_in], added to; data NULL: unwanted */
    int fresh;                              /* backward: bit i: din[i] is born here and holds nothing: write, not add */
    char *partials;
    int64_t round;                          /* backward of an op with rounds: which */
} qn_op_ctx;

typedef struct {
    int64_t (*tiles)(const qn_op_ctx *c);
    void (*run)(const qn_op_ctx *c, int64_t tile, void *scratch);
    bool beside;                            /* needs nothing of the phase before: their tiles are shared out together */
} qn_phase;

typedef struct {
    int n_in, n_out;
    qn_shape in[QN_OP_INS];
    qn_dtype dtype[QN_OP_INS];
    qn_layout layout[QN_OP_INS];
    const void *attr;
} qn_op_args;

/* What shape() answers for each output. */
typedef struct { qn_shape shape; qn_dtype dtype; qn_layout layout; } qn_op_out;

/* One case of the registry walk: real inputs of the given shapes, drawn from [-hi, hi] away from zero by lo; some are
 * ids, some lie in panels. prepare completes a context that is otherwise ready — run data, an attribute that depends on
 * the table — and returns one block that the walk frees (qn_free); it asserts that memory is there. */
typedef struct {
    qn_shape in[QN_OP_INS];
    int n_in;
    const void *attr;
    double lo, hi;                          /* 0,0 = 0,1 */
    int32_t below[QN_OP_INS];               /* > 0: input i is i32, drawn from [0, below) */
    int panels;                             /* bit i: input i is packed */
    void *(*prepare)(qn_op_ctx *c);         /* or NULL */
} qn_op_case;

typedef struct qn_op {
    const char *name;
    int n_in_min, n_in_max;
    size_t attr_size;
    bool takes_packed;                      /* panels or activation forms may come in; shape() checks which where */
    int (*shape)(const qn_op_args *a, qn_op_out *out);      /* checks everything; kernels cannot fail afterwards */
    qn_phase forward[QN_OP_PHASES], backward[QN_OP_PHASES];
    int64_t (*rounds)(const qn_op_ctx *c);  /* backward runs its phases as many times; NULL: once */
    bool whole_backward;                    /* backward leaves the outputs too, as forward does: a walk that begins
                                             * here with ones needs no forward of it (qn_exec_run_walk) */
    size_t (*partials)(const qn_op_ctx *c, bool backward);  /* NULL: none. Monotone in T, S: planned for the maxima */
    size_t (*scratch)(const qn_op_ctx *c, bool backward);
    size_t saved_bytes[QN_OP_SAVED];        /* per row of the first input, in elements of the table's real type */
    bool saved_per_head;                    /* … times the heads of the first input, its second dimension */
    bool reads_out;                         /* backward reads the outputs: they are kept for it as the inputs are */
    const char *no_grad;                    /* why there is no backward half (NULL: there is one) */
    bool pass_through;                      /* the gradient of the output is that of the first input (rounding) */
    bool sum;                               /* the gradient of the output is that of both inputs: they may share it */
    int8_t adds_to[QN_OP_OUTS];             /* output i is input adds_to[i] − 1 and something more, row by row (0: is
                                             * not): their gradients are the same, and in training the output may lie
                                             * where the input does (out.data == in.data) */
    bool by_rows;                           /* forward's first phase: tiles are qn_op_row_tiles; a tile reads and writes
                                             * its own rows of inputs and outputs, and parameters */
    bool cheap;                             /* running forward again costs less than keeping what it made */
    int unread;                             /* bit i: backward does not look at input i: it need not be kept */
    int for_others;                         /* bit i: it looks at input i for gradients of other inputs only: where none
                                             * of them is asked for, input i need not be kept */
    int writes;                             /* bit i: backward knows ctx.fresh and then fills all of din[i]; where it
                                             * does not, the executor clears a gradient before the first that adds */
    int const_inputs;                       /* bit i: input i never gets a gradient (tables, indices) */
    int64_t (*flops)(const qn_op_ctx *c);   /* multiply and add count as two; NULL: negligible */
    const qn_op_case *cases;                /* NULL where inputs are not plain reals: the parity tests judge those */
    int n_cases;
} qn_op;

/* Every operation of the house (ops/op_list.inc), ended by NULL; the tests walk it. */
extern const qn_op *const qn_ops[];

#endif
