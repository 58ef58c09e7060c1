/* kernels/x86/linear_walk.h — how a product's tile is walked. Many rows, K deep:
 *
 *     for each block of rows                 their activations of one slab of K stay in the second cache
 *         for each slab of K                 sums wait in y between slabs, which costs no bit
 *             for each panel                 its slab is read once from afar while the one before it is used
 *                 for each pass of a panel   as many of its columns as a tile has; their slab stays in the first cache
 *                     for each register tile     up to `most` rows of the block
 *
 * The order touches speed only: each output is one chain over K whatever the walk. Few rows stream panels whole. */
#ifndef QN_KERNELS_X86_LINEAR_WALK_H
#define QN_KERNELS_X86_LINEAR_WALK_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

/* One register tile: R rows (R is the function's own) × one panel × the slab [k0, k1) of K. */
typedef struct {
    float *y;                /* [R, ldy] */
    int64_t ldy, columns;    /* columns to store, may be more than a panel has */
    const uint8_t *x;        /* activation rows, ldx bytes apart */
    size_t ldx;
    const uint8_t *w;        /* the panel */
    int64_t K, k0, k1;       /* k0 a multiple of the walk's unit */
    int v0;                  /* the pass begins with this vector of columns */
    bool more;               /* sums go on from y */
    const uint8_t *ahead;    /* prefetched while this tile is computed … */
    int64_t shares;          /* … in this many tiles: the address moves on by 1/shares of a step per step */
} tile;
typedef void tile_fn(const tile *t);

/* The sums of row r and vector v of the panel: begun, or taken up where the slab before left them; and laid down. */
QN_INLINE vec sum_begin(const tile *t, int64_t r, int64_t v) {
    return t->more ? vec_load_n(t->y + r * t->ldy + v * LANES, t->columns - v * LANES) : vec_zero();
}
QN_INLINE void sum_end(const tile *t, int64_t r, int64_t v, vec sum) {
    vec_store_n(t->y + r * t->ldy + v * LANES, sum, t->columns - v * LANES);
}

/* Loops over rows and vectors must vanish so that sums live in registers. */
#if !X86_UNROLLS
#define UNROLL
#elif !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif

QN_INLINE void prefetch(const uint8_t *at, int bytes) {
    UNROLL
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* Four bytes of a row, broadcast. */
QN_INLINE ivec words_at(const uint8_t *x) { return ivec_set1(*(const int32_t *)(const void *)x); }

enum {
    STREAM_AHEAD = 8192,             /* bytes, where each panel is used once: 200 ns at 40 GB/s */
    ROWS_OF_A_SET = 8,
    ROWS_BYTES = 384 * 1024          /* of activations: with two slabs they fit a cache of half a megabyte */
};

/* Elements of K per slab, a multiple of `unit`. */
QN_INLINE int64_t slab_of(const qn_linear_args *a, size_t panel_bytes, int64_t most, int64_t unit) {
    if (a->m <= most || panel_bytes <= SLAB_MOST)
        return a->K;
    const int64_t slabs = (int64_t)(panel_bytes + SLAB_BYTES - 1) / SLAB_BYTES;
    return (a->K + slabs * unit - 1) / (slabs * unit) * unit;
}

/* All panels for one block of rows and one slab. Rows are shared out evenly: 13 are 7 + 6 rather than 12 + 1. What is
 * fetched ahead is the next panel's slab, a part with each tile; a panel that is used once is a stream that runs on
 * into the next. Past the end of the weights a prefetch is harmless. */
QN_INLINE void walk_panels(const qn_linear_args *a, size_t panel_bytes, tile_fn *const *tiles, int64_t most,
                           int64_t row0, int64_t rows, int64_t k0, int64_t k1) {
    const int64_t parts = (rows + most - 1) / most, passes = rows <= 2 ? 1 : QN_PANEL / LANES / VECS_OF(3);
    const size_t slab = panel_bytes * (size_t)k0 / (size_t)a->K;             /* where it begins in a panel */
    const size_t part = panel_bytes * (size_t)(k1 - k0) / (size_t)(a->K * parts * passes);
    tile t = {.ldy = a->ldy, .ldx = a->ldx, .w = a->w, .K = a->K, .k0 = k0, .k1 = k1, .more = a->more || k0 > 0,
              .shares = parts == 1 ? 1 : parts * passes};
    for (int64_t column = 0; column < a->n; column += QN_PANEL, t.w += panel_bytes) {
        t.columns = a->n - column;
        for (int64_t i = 0; i < parts * passes; i++) {
            const int64_t p = i % parts, first = rows * p / parts, next = rows * (p + 1) / parts;
            t.v0 = (int)(i / parts) * VECS_OF(3);
            t.y = (float *)a->y + (row0 + first) * a->ldy + column;
            t.x = (const uint8_t *)a->x + (size_t)(row0 + first) * a->ldx;
            t.ahead = parts == 1 ? t.w + slab + STREAM_AHEAD : t.w + panel_bytes + slab + (size_t)i * part;
            if (t.v0 * LANES < t.columns)
                tiles[next - first](&t);
        }
    }
}

/* tiles[r] multiplies r rows, 1 <= r <= largest; K can be cut at multiples of `unit`. Rows a multiple of 4096 bytes
 * apart, as plain ones may be, meet in one set of the first cache, which has room for eight to twelve lines: fewer rows
 * then. */
QN_INLINE void walk(const qn_linear_args *a, size_t panel_bytes, tile_fn *const *tiles, int64_t largest, int64_t unit) {
    const int64_t most = a->ldx % 4096 == 0 ? QN_MIN(largest, ROWS_OF_A_SET) : largest;
    const int64_t slab = slab_of(a, panel_bytes, most, unit), row_bytes = (int64_t)a->ldx * slab / a->K;
    const int64_t block = QN_MAX(ROWS_BYTES / QN_MAX(row_bytes, 1) / most, 1) * most;
    for (int64_t row = 0; row < a->m; row += block)
        for (int64_t k = 0; k < a->K; k += slab)
            walk_panels(a, panel_bytes, tiles, most, row, QN_MIN(a->m - row, block), k, QN_MIN(a->K, k + slab));
}

#endif
