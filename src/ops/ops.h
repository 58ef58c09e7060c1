/* ops/ops.h — storey 4: the operations, one file each, and their attributes.
 *
 *   embed      ids [T], W [V,D] (panels)                     → [T,D]      row ids[t] of W
 *   token_rows y [T,D], ids [T], E [n,D] (panels)            → [T,D]      rows of an adapter's own for some tokens
 *   rmsnorm    x [T,D], w [D]                                → [T,D]
 *   layernorm  x [T,D], w [D], b [D] or none                 → [T,D]
 *   act_pack   x [T,K]                                       → [T,K] in a weight dtype's activation form
 *   linear     x [T,K], W0…W2 [Ni,K] (panels), b0…           → [T,Ni] each: products that share x share the barrier
 *   lora       y0, u0, B0 … y2, u2, B2 [Ni,R] (panels)       → [T,Ni] each: the second product of adapters and the sum
 *   dora       y, u, B, magnitudes, lengths [N], b or none   → [T,N]      the same, rows of the weight at their lengths
 *   rope_table positions [T]                                 → [T,rot]    cos then sin
 *   rope       x [T,H,Dh], table [T,rot]                     → [T,H,Dh]
 *   attention  q [T,H,Dh], k, v [T,Hkv,Dh]                   → [T,H,Dh]   stores k and v, attends to all keys so far
 *   act        x [T,F]                                       → [T,F]      an activation by itself
 *   glu        gate, up [T,F]                                → [T,F]      act(gate)·up
 *   add        a, b [T,D]                                    → [T,D]
 *   noise      x [T,D]                                       → [T,D]      uniform noise added, in training runs
 *   dropout    x [T,D]                                       → [T,D]      some elements zero, in training runs
 *   rows       x [T,D], index [S]                            → [S,D]
 *   xent       x [T,K], W [V,K] (panels), target, weight [T] → [T]        head and cross entropy, never all logits
 *   token_logits y [S,V], z [S,n], index [S]                 → [S,V′]     logits with those of an adapter's own rows
 *
 * Values between ops are real: f32, or f64 where the judge runs. Weights of products are packed panels. */
#ifndef QN_OPS_OPS_H
#define QN_OPS_OPS_H

#include "graph/op.h"

#define QN_OP(name) extern const qn_op qn_op_##name;
#include "ops/op_list.inc"
#undef QN_OP

enum { QN_OP_ROWS = 16 };               /* rows per tile of ops that treat rows one by one */

/* Tiles of QN_OP_ROWS rows of the first input. */
int64_t qn_op_row_tiles(const qn_op_ctx *c);

/* Backward, for kernels that add: rows of input i's gradient start from zero where it is born here (op.h: writes): they
 * are on their way through the cache anyway. */
void qn_op_born_rows(const qn_op_ctx *c, int i, qn_span rows);
QN_INLINE bool qn_op_born(const qn_op_ctx *c, int i) { return c->fresh >> i & 1; }

/* Gradients of gathered rows: to[index[i]] += from[i], i ascending. Each tile owns a range of rows of `to`, looks
 * through all indices and adds what is its own: no two tiles write to one row, and the order of sums is fixed. */
int64_t qn_op_scatter_tiles(int64_t rows);
qn_span qn_op_scatter_span(int64_t rows, int64_t tile);
void qn_op_scatter_add(const qn_op_ctx *c, const qn_tensor *to, const qn_tensor *from, const int32_t *index,
                       int64_t tile);

/* Row `row` of a matrix in panels as reals. scratch: qn_op_panel_scratch bytes. */
void qn_op_panel_row(const qn_op_ctx *c, const qn_tensor *w, int64_t row, void *out, void *scratch);
size_t qn_op_panel_scratch(const qn_op_ctx *c, const qn_tensor *w);

/* Tokens with rows of an adapter's own: id [n], ascending, outlives the graph; rows: of embedding and head with them;
 * which adapter of the run it is. */
typedef struct { const int32_t *id; int64_t n, rows; int adapter; } qn_token_rows_attr;
int64_t qn_token_row(const qn_token_rows_attr *a, int32_t id);      /* which of them; −1: none */
/* half: dx through a quantized head is a product of BF16, as QN_LINEAR_HALF says of linear. */
typedef struct { qn_token_rows_attr tokens; bool half; } qn_xent_attr;

typedef struct { double eps; } qn_rmsnorm_attr, qn_layernorm_attr;
typedef struct { qn_dtype weight; } qn_act_pack_attr;      /* the packed dtype of the weights that will read it */
typedef struct { int n; int bias; } qn_linear_attr;        /* weights 1…3; bias: bit i = weight i has one */
enum { QN_LINEAR_HALF = 1 << 8 };       /* beside those bits: gradients of quantized and F32 weights multiply BF16 */
/* Weights 1…3; which adapter of the run; half: as QN_LINEAR_HALF. */
typedef struct { int n, adapter; double scale[3]; bool half; } qn_lora_attr;
typedef struct { int adapter; double scale; bool half; } qn_dora_attr;
typedef struct { qn_act kind; } qn_glu_attr, qn_act_attr;
typedef struct { double alpha; } qn_noise_attr;             /* ≥ 0: times what is divided by √(tokens · D) */
typedef struct { double p; int64_t site; } qn_dropout_attr;  /* 0 ≤ p < 1; a number of its own for each node, < 2²⁰ */

enum { QN_ROPE_MAX = 256 };             /* widest rotated part of a head */
typedef struct {
    int64_t rot;                        /* rotated elements per head, even */
    double freq[QN_ROPE_MAX / 2];       /* radians per position of pair i */
    double factor;                      /* multiplies cos and sin (YaRN's attention factor); 1 otherwise */
} qn_rope_attr;

#endif
