/* kernels/kernels.h — storey 2: the hot loops. One list of rows (kernel_list.inc), one dispatch, scalar twins.
 *
 *   isa.h, cpu.c    levels of instructions, and which of them this CPU and OS have
 *   dispatch.c      fills a qn_kernels table: of the rows that fit, the last whose ISA is allowed
 *   storage.h       weights as files have them: into panels and back (pack.c), multiplied as they are (stored_scalar.c)
 *   turn.c          the operands of a product's gradients, which are products too
 *   *_ref.inc       the scalar twins, compiled as float (…_ref_f32.c: portable) and as double (…_ref_f64.c: judge)
 *   x86/ (_avx2.c …)  specialisations; they include this header, num/poly.h, num/num.h and intrinsics only (x86/
 *                   intrinsics.h: in a build that emulates, the rows of every level run on any machine)
 *   selftest.c      every row against the judge; rows of one (dtype, ISA) against each other, bit for bit
 *   peak.c, bench_*.c   the machine's limits, and how near the rows come to them
 *
 * Kernels are single-threaded pure functions over a tile; they cannot fail: shapes were checked when the graph was
 * bound. A product's arithmetic belongs to the packed dtype and the ISA level, never to the number of rows
 * (docs/NUMERICS.md).
 *
 * `qn_real *` is an array of the table's real type: float in every product table, double in the judge's
 * (qn_kernels.real). */
#ifndef QN_KERNELS_KERNELS_H
#define QN_KERNELS_KERNELS_H

#include "kernels/isa.h"
#include "kernels/storage.h"

/* ---- products: y[M,N] = x[M,K] · W[N,K]ᵀ ---------------------------------------------------------------------------
 *
 * Weights are packed in panels of 32 output columns; K streams. All rows and ISA levels of a dtype share the layout:
 *
 *   F32, F16   panel = [K][32]                         element k of column c at k·32 + c          (F64 for the judge)
 *   BF16       panel = [ceil(K/2)][32][2]              pairs along K; odd K is padded with zero
 *   Q8_0       panel = [K/32] blocks of 1088 bytes     { f16 d[32]; u8 q[8][32][4] }   q = stored + 128, k = 4·g + i
 *   Q4_0       panel = [K/32] blocks of  576 bytes     { f16 d[32]; u8 q[4][32][4] }   low nibble: k = 4·g + i,
 *   Q4_1       panel = [K/32] blocks of  640 bytes     { f16 d[32]; f16 m[32]; u8 q[4][32][4] }   high: k = 16+4·g+i
 *   all other blocks                                   panel_blocks.h draws them
 *
 * Columns beyond N in the last panel are zero (scales 0). Panels are aligned to 64 bytes.
 *
 * Activations come in the form that the weight dtype asks for:
 *   F32 rows   float[K]                                                                        for F32, F16
 *   BF16 rows  bf16[K rounded up to 2], pad zero, nearest even                                 for BF16
 *   Q8B32 rows { int8 q[K]; float d[K/32]; int16 s[K/16] }                                     for all blocks
 *              d = amax/127, q = round-half-even(x/d), s = Σq of each 16; with a NaN or an infinity d = NaN, q = 0
 *
 * Arithmetic per output (all float; K ascending, one chain):
 *   F32, F16   y = fma(w_k, x_k, y)
 *   BF16       y = dot2(w_2k..2k+1, x_2k..2k+1, y);  without the instruction: y = fma(w_k, x_k, y), rounded values;
 *              by tiles (amx): y = y + (Σ_even w_k x_k + Σ_odd w_k x_k), chains of fma from zero, per 32 elements
 *   Q8_0       i = Σ (q_w)(q_x) exactly;  y = fma((float)i, d_w·d_x, y)                         per 32-block
 *   Q4_0       i = Σ (q_w − 8)(q_x);      y = fma((float)i, d_w·d_x, y)
 *   Q4_1       i = Σ q_w q_x;             y = fma((float)i, d_w·d_x, y);  y = fma(m_w, d_x·(float)s, y)
 *   the others i = Σ_h s_h·Σ v_w q_x;     y = fma((float)i, d_w·d_x, y);  y = fma(m_h, d_x·(float)s, y) per minimum
 * The scalar level writes mul and add where the others write fma (no hardware promise there); levels never
 * mix in a run. */
enum { QN_PANEL = 32 };
#define QN_ANY INT64_MAX

typedef enum { QN_ACT_F32, QN_ACT_BF16, QN_ACT_Q8B32, QN_ACT_F64 } qn_act_form;
qn_act_form qn_act_form_of(qn_dtype weight);
size_t qn_act_row_bytes(qn_act_form f, int64_t K);                 /* rounded up to 64 */
size_t qn_panel_bytes(qn_dtype weight, int64_t K);                 /* rounded up to 64 */
QN_INLINE int64_t qn_panels(int64_t N) { return (N + QN_PANEL - 1) / QN_PANEL; }

typedef struct {
    qn_real *y;              /* [m, ldy] out */
    int64_t ldy;             /* elements between rows of y */
    const void *x;           /* m activation rows */
    size_t ldx;              /* bytes between them */
    const void *w;           /* the first panel of this tile */
    int64_t m, n, K;         /* rows, columns to store (the tile covers ceil(n/32) panels), reduction length */
    bool more;               /* the chains begin at what stands in y, not at zero: of F32, F16 and BF16 a product cut
                                along K, at a multiple of qn_cut_unit, and taken up again has the bits of the whole */
} qn_linear_args;
typedef void qn_linear_fn(const qn_linear_args *a);
/* Elements of K that are added up together at this level: pairs of BF16, with tiles (amx) sixteen pairs. */
QN_INLINE int64_t qn_cut_unit(qn_dtype weight, qn_isa isa) {
    return weight != QN_BF16 ? 1 : isa == QN_ISA_AMX ? 32 : 2;
}

/* Activation rows: K floats to one row of the form. */
typedef void qn_act_pack_fn(void *dst, const qn_real *src, int64_t K);

/* ---- gradients of products are products -----------------------------------------------------------------------------
 *
 *     dX[T,K] += dY[T,N] · W[N,K]    rows dY, weights Wᵀ         dW[N,K] += dYᵀ[N,T] · X[T,K]    rows dYᵀ, weights Xᵀ
 *
 * Their weights are numbers of qn_grad_dtype: BF16 stays, everything else that is stored (F16, quantized blocks) counts
 * as the F32 that it decodes to, F64 is the judge's. The functions below (turn.c) lay operands out; the rows of that
 * dtype in the table then multiply, beginning at what stands in the gradient (qn_linear_args.more). */
qn_dtype qn_grad_dtype(qn_dtype weight);

/* dst[j][i] = src[i][j], i < rows, j < columns: words of 32 bits (F32, pairs of BF16), rows ldd and lds words apart. */
typedef void qn_turn_fn(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t columns);
typedef struct qn_kernels qn_kernels;
/* Columns [k0, k0 + 32) of Wᵀ as a panel whose reduction runs over rows [n0, n0 + n) of W [N,K]; columns beyond K are
 * zero. w: the panels of W, in dtype t; n0 a multiple of 32. room: qn_turn_room() bytes, aligned to 64. */
void qn_turn_panel(const qn_kernels *k, void *dst, qn_dtype t, const void *w, int64_t K, int64_t k0, int64_t n0,
                   int64_t n, void *room);
/* The same of quantized blocks or F32, rounded to BF16 (nearest even): a panel of BF16, for products that are asked to
 * take it in place of F32. */
void qn_turn_panel_half(const qn_kernels *k, void *dst, qn_dtype t, const void *w, int64_t K, int64_t k0, int64_t n0,
                        int64_t n, void *room);
size_t qn_turn_room(void);
/* Columns [k0, k0 + 32) of X, `rows` activation rows in a form that is BF16, F32 or F64, ldx bytes apart, as a part of
 * the panel of Xᵀ that begins at dst; columns beyond K are zero. Parts of an even number of rows may follow one
 * another. */
void qn_rows_panel(void *dst, qn_act_form f, const void *x, size_t ldx, int64_t rows, int64_t k0, int64_t K);
/* Columns [n0, n0 + n), n ≤ QN_TURN_ROWS, of the same, as n activation rows of `rows` elements, ldd bytes apart. */
enum { QN_TURN_ROWS = 256 };
void qn_turn_rows(const qn_kernels *k, void *dst, size_t ldd, qn_act_form f, const void *x, size_t ldx, int64_t rows,
                  int64_t n0, int64_t n);

/* ---- attention: one tile of query rows that share a key head, against one chunk of 256 keys -------------------------
 *
 * Keys lie across lanes in blocks of 64 (kv dtype t, head width Dh even):
 *   F32, F16   K block = [Dh][64]          V block = [64][Dh]
 *   BF16       K block = [Dh/2][64][2]     V block = [32][Dh][2]     pairs along the reduction of each product
 *   Q8_0       K block = int8 [Dh][64]     V block = int8 [64][Dh]   then f16 [ceil(Dh/32)][64]: scales of groups of d
 * Per row r: keys [lo[r], hi[r]) of the chunk are visible (0 ≤ lo ≤ hi ≤ 256; none: the row is skipped).
 *   s_j = scale · Σ_d q_d k_jd  (soft-capped: cap·tanh(s/cap) if cap > 0) (+ slope_r · (j − rel_r), ALiBi, if slopes)
 *   m = max s_j;  p_j = exp(s_j − m), rounded to bf16 where t is BF16;  l = Σ p_j;  o = Σ p_j v_j
 * With scales c (decision 017): Σ_d = Σ_g c_jg·(Σ_d∈g q_d k_jd), a chain each;  p_j v_j = (p_j·c_jg)·v_jd, d in group g
 * and the chunk's (m, l, o) is merged into the row's running state, chunks in ascending order:
 *   first chunk: state = (m, l, o)
 *   then         M = max(M₀, m), a = exp(M₀ − M), b = exp(m − M):  L = L₀a + l·b, O = O₀a + o·b
 * Sums over keys: 16 lane sums over j = lane, lane+16 …, then the tree (8,4,2,1). Blocks in which no row sees a
 * key are not read. The result of a row does not depend on the other rows of the tile. */
enum { QN_KEY_BLOCK = 64, QN_KEY_CHUNK = 256, QN_CHUNK_BLOCKS = QN_KEY_CHUNK / QN_KEY_BLOCK, QN_KV_GROUP = 32 };

typedef struct {
    const void *q;                            /* rows: float[Dh], or bf16[Dh] where t is BF16 */
    size_t ldq;                               /* bytes between query rows */
    const void *k[QN_CHUNK_BLOCKS], *v[QN_CHUNK_BLOCKS];   /* blocks of the chunk; NULL beyond the last visible key */
    const void *next;                         /* a block that is likely read behind these, or NULL */
    const int32_t *lo, *hi;                   /* [rows] */
    const float *slope, *rel;                 /* [rows] or NULL: ALiBi slope and query position relative to the chunk */
    qn_real *M, *L, *O;                       /* running state: [rows], [rows], [rows, Dh]; */
    const bool *merge;                        /* [rows]: false = the row's first chunk: state is written fresh */
    qn_real *scratch;                         /* qn_attn_scratch(rows, Dh) reals, aligned to 64 */
    int64_t rows, Dh;
    float scale, cap;
} qn_attn_args;
typedef void qn_attn_fn(const qn_attn_args *a);
size_t qn_attn_scratch(int64_t rows, int64_t Dh);                   /* in reals */
/* Merges a later partial (m, l, o[Dh]) into (M, L, O[Dh]) by the rule above: split-KV gives the bits of the serial
 * walk. */
typedef void qn_attn_merge_fn(qn_real *M, qn_real *L, qn_real *O, const qn_real *m, const qn_real *l, const qn_real *o,
                              int64_t Dh);

/* Gradients of attention, query rows of one key head against one chunk. With lse = M + ln L of the whole row,
 * D = Σ dO·O and the visible keys of the row as above:
 *   p_j = exp(s_j − lse)    dP_j = Σ_d dO_d v_jd    dS_j = scale·p_j·(dP_j − D)    (·(1 − tanh²) under a soft cap)
 *   dq += Σ_j dS_j k_j        dk_j += Σ_r dS_j q        dv_j += Σ_r p_j dO
 * Rounding of queries, keys, values and p passes gradients straight through. One chain per output: keys and rows
 * ascending, so rows may come in any pieces; where BF16 has dots of pairs, in pieces of even rows, and dO, p and dS are
 * rounded. Keys behind the last visible one of all rows are not looked at; of that one's pair, the other is finite. */
typedef struct {
    const qn_real *q, *dO;                    /* [rows, Dh]; q as the forward rounded it */
    int64_t ldq, lddo;                        /* elements between rows */
    const void *k[QN_CHUNK_BLOCKS], *v[QN_CHUNK_BLOCKS];
    qn_dtype t;                               /* of the blocks; not Q8_0 */
    bool gathered;                            /* scratch holds the chunk from the call before: same wants, blocks */
    const int32_t *lo, *hi;                   /* [rows] */
    const qn_real *lse, *D;                   /* [rows] */
    qn_real *dq;                              /* [rows, Dh] added to, lddq elements between rows; NULL: not wanted */
    int64_t lddq;
    qn_real *dk, *dv;                         /* [256, Dh] added to; NULL: not wanted */
    qn_real *scratch;                         /* qn_attn_grad_scratch(Dh) reals, aligned to 64 */
    int64_t rows, Dh;
    float scale, cap;
} qn_attn_grad_args;
typedef void qn_attn_grad_fn(const qn_attn_grad_args *a);
size_t qn_attn_grad_scratch(int64_t Dh);

size_t qn_kv_block_bytes(qn_dtype t, int64_t Dh);                   /* of one K or one V block of one head */
/* Stores one head's key (or value) vector, Dh numbers, at `slot` of a K (or V) block, rounded as num/ does it (a NaN in
 * a group of Q8_0: its scale is NaN). Writes the slot's own bytes only: other threads may be storing its neighbours. */
typedef void qn_kv_store_fn(void *block, qn_dtype t, int64_t slot, const qn_real *src, int64_t Dh);
typedef qn_kv_store_fn qn_kv_store_k_fn, qn_kv_store_v_fn;
void qn_kv_load_k(float *dst, const void *block, qn_dtype t, int64_t slot, int64_t Dh);      /* tests, traces */
void qn_kv_load_v(float *dst, const void *block, qn_dtype t, int64_t slot, int64_t Dh);

/* ---- rows and elements ----------------------------------------------------------------------------------------------
 * Reductions over a row of n: 16 lane sums (lane = index mod 16, indices ascending, fma where the level has it), then
 * the tree 8,4,2,1. Pointers need no alignment; y may equal x unless said otherwise; odd tails give the same bits as
 * full vectors. */
typedef enum {
    QN_ACT_RELU, QN_ACT_GELU, QN_ACT_GELU_TANH, QN_ACT_SILU, QN_ACT_RELU2, QN_ACT_TANH, QN_ACT_SIGMOID, QN_ACTS
} qn_act;

/* y = x·r·w, r = 1/sqrt(mean(x²)+eps), returned. */
typedef double qn_rmsnorm_fn(qn_real *y, const qn_real *x, const qn_real *w, int64_t n, double eps);
/* dx += r(g·w − x·r²·mean(g·w·x)), dw += g·x·r. */
typedef void qn_rmsnorm_grad_fn(qn_real *dx, qn_real *dw, const qn_real *g, const qn_real *x, const qn_real *w,
                                double r, int64_t n);
/* y = (x − mean)·rstd·w + b (b may be NULL); stat[0] = mean, stat[1] = rstd (stat has room for 2). */
typedef void qn_layernorm_fn(qn_real *y, const qn_real *x, const qn_real *w, const qn_real *b, int64_t n, double eps,
                             qn_real *stat);
typedef void qn_softmax_fn(qn_real *y, const qn_real *x, int64_t n);
typedef double qn_logsumexp_fn(const qn_real *x, int64_t n);
typedef int64_t qn_argmax_fn(const qn_real *x, int64_t n);           /* the first of equals; NaN never wins */
typedef void qn_act_fn(qn_real *y, const qn_real *x, int64_t n, qn_act kind);
typedef void qn_glu_fn(qn_real *y, const qn_real *gate, const qn_real *up, int64_t n, qn_act kind);  /* act(gate)·up */
typedef void qn_add_fn(qn_real *y, const qn_real *a, const qn_real *b, int64_t n);
typedef void qn_scale_fn(qn_real *y, const qn_real *x, double s, int64_t n);
/* Rotates pairs (i, i + rot/2), i < rot/2, of each of `heads` vectors [Dh]: cs = cos[rot/2] then sin[rot/2]; the rest
 * is copied.
 *   y_i = x_i·cos − x_{i+rot/2}·sin,  y_{i+rot/2} = x_{i+rot/2}·cos + x_i·sin   (Su et al. 2021; halves as GPT-NeoX) */
typedef void qn_rope_fn(qn_real *y, const qn_real *x, const qn_real *cs, int64_t heads, int64_t Dh, int64_t rot);

/* Factors of dropout, n reals: 0 with probability p, else 1/(1 − p). Four share a draw of QN_RNG_DROPOUT (base/rng.h):
 * f_i = 0 where word i mod 4 of draw index + i/4 lies below p·2³². */
typedef void qn_drop_mask_fn(qn_real *f, int64_t n, double p, uint64_t seed, uint64_t step, uint64_t index);

/* Gradients, added to what is there. */
/* dx += g·act′(x). */
typedef void qn_act_grad_fn(qn_real *dx, const qn_real *g, const qn_real *x, int64_t n, qn_act kind);
/* dgate += g·up·act′(gate), dup += g·act(gate); one of them may be NULL: not wanted. */
typedef void qn_glu_grad_fn(qn_real *dgate, qn_real *dup, const qn_real *g, const qn_real *gate, const qn_real *up,
                            int64_t n, qn_act kind);
/* With x̂ = (x − mean)·rstd and stat as layernorm left it:
 *   dx += rstd·(g·w − mean(g·w) − x̂·mean(g·w·x̂)),  dw += g·x̂,  db += g (NULL: no bias) */
typedef void qn_layernorm_grad_fn(qn_real *dx, qn_real *dw, qn_real *db, const qn_real *g, const qn_real *x,
                                  const qn_real *w, const qn_real *stat, int64_t n);
/* Cross entropy of a slice of a row of logits, lse = logsumexp of the whole row; loss = lse − x[target]:
 *   dx = scale·(exp(x − lse) − [i = target]), written, may be x. A target outside [0, n) lies in another slice. */
typedef void qn_xent_grad_fn(qn_real *dx, const qn_real *x, int64_t n, int64_t target, double lse, double scale);

/* ---- steps of optimizers: n parameters w, their gradients g, their moments; element by element, in place ------------
 * Factors are double so that the judge's are exact; the others round each of them once to float. g is read times
 * `scale`. A NaN or an infinity in g goes where it goes: callers look at the norm first. */
/* m += (1 − β₁)(g − m);  v += (1 − β₂)(g² − v);  w = w·keep − step·m / (√v·inverse + eps)
 * (Loshchilov & Hutter 2019, algorithm 2, as PyTorch writes it: keep = 1 − rate·decay, step = rate/(1 − β₁ᵗ),
 * inverse = 1/√(1 − β₂ᵗ)). */
typedef struct { double scale, beta1, beta2, keep, step, inverse, eps; } qn_adamw_args;
typedef void qn_adamw_fn(qn_real *w, qn_real *m, qn_real *v, const qn_real *g, int64_t n, const qn_adamw_args *a);
/* d = g + decay·w;  m = momentum·m + d;  w −= rate·(nesterov ? d + momentum·m : m)      (PyTorch's SGD) */
typedef struct { double scale, momentum, decay, rate; bool nesterov; } qn_sgd_args;
typedef void qn_sgd_fn(qn_real *w, qn_real *m, const qn_real *g, int64_t n, const qn_sgd_args *a);
/* m += (1 − momentum)(g − m);  u = nesterov ? g + momentum·(m − g) : m      what Muon makes orthogonal */
typedef struct { double scale, momentum; bool nesterov; } qn_blend_args;
typedef void qn_blend_fn(qn_real *u, qn_real *m, const qn_real *g, int64_t n, const qn_blend_args *a);
/* y = a·x + b·y */
typedef void qn_axpby_fn(qn_real *y, const qn_real *x, double a, double b, int64_t n);
/* Σx² in double: 16 lane sums of index mod 16, then the tree. */
typedef double qn_sum_squares_fn(const qn_real *x, int64_t n);

/* ---- the table -------------------------------------------------------------------------------------------------- */
#define QN_ROW_FAMILIES(F)                                                                                          \
    F(rmsnorm) F(rmsnorm_grad) F(layernorm) F(softmax) F(logsumexp) F(argmax) F(act) F(glu) F(add) F(scale) F(rope) \
    F(act_grad) F(glu_grad) F(layernorm_grad) F(xent_grad)                                                          \
    F(adamw) F(sgd) F(blend) F(axpby) F(sum_squares)                                                                \
    F(attn_merge) F(attn_grad) F(kv_store_k) F(kv_store_v) F(turn) F(drop_mask)

enum { QN_LINEAR_ROWS = 4 };       /* implementations of one dtype at one level, by row count */
typedef struct { qn_linear_fn *fn; int64_t m_min, m_max; const char *name; qn_isa isa; } qn_linear_row;

struct qn_kernels {
    qn_isa isa;                    /* the cap this table was made for, lowered to what the machine has */
    size_t real;                   /* sizeof(float) or, in the judge, sizeof(double) */
    qn_linear_row linear[QN_DTYPES][QN_LINEAR_ROWS];
    qn_stored_fn *stored[QN_DTYPES];           /* NULL: at this level such weights are multiplied packed only */
    qn_attn_fn *attn[QN_DTYPES];               /* by KV dtype: F32, F16, BF16, Q8_0 (judge: F64 too) */
    qn_act_pack_fn *act_pack[4];               /* by qn_act_form; NULL where rows are used as they are */
#define QN_TABLE_SLOT(family) qn_##family##_fn *family;
    QN_ROW_FAMILIES(QN_TABLE_SLOT)
#undef QN_TABLE_SLOT
};

/* Tables are immutable and made once; qn_kernels_at is thread-safe. */
const qn_kernels *qn_kernels_at(qn_isa cap);
const qn_kernels *qn_kernels_judge(void);      /* double */
/* The row for m activation rows; its fn is called with any number of rows in its range. */
qn_linear_fn *qn_linear_pick(const qn_kernels *k, qn_dtype weight, int64_t m);

/* Declarations of every row of the lists. */
#define QN_LINEAR(weight, m_min, m_max, isa, fn) qn_linear_fn fn;
#define QN_STORED(weight, first, last, fn) qn_stored_fn fn;
#define QN_ATTN(kv, isa, fn) qn_attn_fn fn;
#define QN_PACK(form, isa, fn) qn_act_pack_fn fn;
#define QN_KERNEL(family, isa, fn) qn_##family##_fn fn;
#include "kernels/kernel_list.inc"
#include "kernels/kernel_list_judge.inc"
#undef QN_LINEAR
#undef QN_STORED
#undef QN_ATTN
#undef QN_PACK
#undef QN_KERNEL

#endif
