/* model/params.h — the parameters of a model that is trained: what there is, in which order, where the masters lie.
 *
 * Gradients, moments and masters are flat arrays of floats in one common layout: slot after slot in the order of the
 * family's table, layer by layer, each row-major as in Hugging Face's files, each beginning at a multiple of 16.
 *
 *     flat      │ token_embd [V,D] │ blk.0.attn_norm [D] │ blk.0.attn_q [H·Dh,D] │ …
 *
 * The model reads its matrices out of panels (kernels/kernels.h) and its vectors as rows of F32.
 *   compute bf16   masters are a flat array of their own; panels hold them rounded
 *   compute f32    panels of F32 are the masters themselves: there is no second copy
 * Vectors are their own masters always. Who changes a parameter takes 32 rows at a time, changes them, puts them back:
 *
 *     float *w = qn_params_take(p, slot, row, room);      // [32,cols] row-major: the master itself, or room filled
 *     … change w …
 *     qn_params_put(p, slot, row, w);                     // repacks the panel
 *
 * Different tiles of 32 rows may be worked on by different threads.
 *
 * Of a model with an adapter only the adapter's numbers are listed: A, B and magnitudes, pair by pair, then the rows of
 * tokens. Its own weights stand still, in whatever dtype they are stored, and have no slots, no masters, no gradients,
 * no moments. */
#ifndef QN_MODEL_PARAMS_H
#define QN_MODEL_PARAMS_H

#include "model/adapter.h"

enum { QN_SLOT_ROWS = 32 };             /* a tile: the rows of one panel */

typedef struct {
    const qn_param *p;                  /* itself; of a part of a pair the weight that it belongs to */
    int64_t layer;                      /* −1: stands once */
    char *name;                         /* in graphs and in the state of a run: "blk.0.attn_q.weight" */
    int flags;                          /* of the family's table; none of them for parts of pairs, of rows of tokens
                                         * QN_EMBEDDING */
    double rate;                        /* its learning rate is the schedule's times this */
    int64_t rows, cols;                 /* a vector is one row */
    bool matrix;
    size_t at;                          /* its first number in the flat arrays */
    qn_tensor packed;                   /* what the model reads; borrowed from it */
    int64_t tile;                       /* its first tile among those of all slots */
} qn_slot;

typedef struct {
    qn_model *m;                        /* borrowed */
    qn_slot *slot;                      /* [n] */
    size_t n;
    size_t numbers;                     /* length of a flat array, gaps included */
    int64_t tiles;                      /* of all slots */
    int64_t widest;                     /* most numbers of a tile: what room must hold */
    float *master;                      /* [numbers] or NULL: the panels are the masters */
    qn_adapter *adapter;                /* what is trained in place of the model; borrowed; NULL: the model itself */
    float *room;                        /* DoRA: for the lengths, which change with every step */
    bool grow;                          /* the caller's: a file may have fewer tokens than the model (qn_params_load) */
} qn_params;

/* Lists the parameters of a model whose matrices are all F32, or all BF16 (then masters are allocated, zero, and are
 * to be filled: below). QN_EINVAL: other or mixed dtypes; QN_ENOMEM. */
int qn_params_init(qn_params *p, qn_model *m);
/* Those of an adapter of m; m itself is only read, whatever its dtypes. b_rate: the rate of B is that of A times this
 * (LoRA+, Hayou et al. 2024); `workers`: threads of the pool that works on them. QN_ESHAPE: it does not fit onto m;
 * QN_ENOMEM. */
int qn_params_of_adapter(qn_params *p, qn_model *m, qn_adapter *a, double b_rate, int workers);
void qn_params_drop(qn_params *p);
/* So many ids can be embedded: the model's, or more with an adapter that has rows of tokens. */
int64_t qn_params_vocabulary(const qn_params *p);
/* Behind any change of the numbers: what follows from them is made anew (DoRA's lengths), and the model's epoch grows.
 * No allocation. */
void qn_params_changed(qn_params *p, qn_pool *pool);

/* Which slot a tile belongs to, and its first row there. */
const qn_slot *qn_params_tile(const qn_params *p, int64_t tile, int64_t *row);
QN_INLINE int64_t qn_slot_tiles(const qn_slot *s) { return (s->rows + QN_SLOT_ROWS - 1) / QN_SLOT_ROWS; }
/* How many rows the tile that begins at `row` has. */
QN_INLINE int64_t qn_slot_tile_rows(const qn_slot *s, int64_t row) { return QN_MIN(QN_SLOT_ROWS, s->rows - row); }

/* See above; room: [widest] floats of the caller. row is a multiple of 32. */
float *qn_params_take(const qn_params *p, const qn_slot *s, int64_t row, float *room);
void qn_params_put(const qn_params *p, const qn_slot *s, int64_t row, const float *w);

/* ---- where numbers come from ---- */

/* Fresh ones: norms 1, biases 0, matrices normal with `deviation`, those that write into the residual stream
 * (QN_RESIDUAL_OUT) with deviation/√(2·layers). A deviation of 0 stands for √(2/(5·D)) (Nguyen & Salazar 2019), which
 * is GPT-2's 0.02 at a width of 1000; narrower models that begin so small take long to find what to attend to
 * (docs/LOG.md). A draw depends on (seed, slot, index), so not on threads. QN_ENOMEM. */
int qn_params_fresh(qn_params *p, uint64_t seed, double deviation, qn_pool *pool);
/* Those of a model on disk of the same family and shape, exactly, decoded from any stored dtype; where p->grow, rows of
 * embedding and head that the file has not begin as the mean of those it has. Nothing is changed
 * before all is checked: QN_ESHAPE (another family or shape, a parameter too many), QN_ENOTFOUND (one too few), what
 * qn_source_config says, QN_ENOMEM. */
int qn_params_load(qn_params *p, const qn_source *s, qn_pool *pool);

#endif
