/* kernels/x86/linear_walk.h — how a product's tile is walked: blocks of rows whose activations stay in the second
 * cache, all panels for each, and inside a panel register tiles of up to `most` rows. The order touches speed only:
 * each output is one chain over K whatever the walk. */
#ifndef QN_KERNELS_X86_LINEAR_WALK_H
#define QN_KERNELS_X86_LINEAR_WALK_H

#include "kernels/kernels.h"

#include <immintrin.h>

/* One register tile: R rows (R is the function's own) × one panel. */
typedef struct {
    float *y;                /* [R, ldy], written */
    int64_t ldy, columns;    /* columns to store, may be more than a panel has */
    const uint8_t *x;        /* activation rows, ldx bytes apart */
    size_t ldx;
    const uint8_t *w;        /* the panel */
    int64_t K;
} tile;
typedef void tile_fn(const tile *t);

/* Loops over rows and vectors must vanish so that sums live in registers. With a sanitizer's check at every access they
 * would not, and a compiler would take minutes over them: there the loops stay. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNROLL
#elif !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#elif __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define UNROLL
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif

/* Panels lie one behind the other, so the stream is prefetched straight across their borders; past the end is
 * harmless. */
enum { PREFETCH_AHEAD = 2048 };
QN_INLINE void prefetch(const uint8_t *at, int bytes) {
    UNROLL
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + PREFETCH_AHEAD + i, _MM_HINT_T0);
}

/* tiles[r] multiplies r rows, 1 <= r <= most. Rows are shared out evenly: 13 are 7 + 6 rather than 12 + 1. */
QN_INLINE void walk(const qn_linear_args *a, size_t panel_bytes, tile_fn *const *tiles, int64_t most) {
    const int64_t cached = 512 * 1024 / (int64_t)QN_MAX(a->ldx, 64);
    const int64_t block = QN_MAX(cached / most, 1) * most;
    for (int64_t row0 = 0; row0 < a->m; row0 += block) {
        const int64_t rows = QN_MIN(a->m - row0, block), parts = (rows + most - 1) / most;
        tile t = {.ldy = a->ldy, .ldx = a->ldx, .w = a->w, .K = a->K};
        for (int64_t column = 0; column < a->n; column += QN_PANEL, t.w += panel_bytes) {
            t.columns = a->n - column;
            for (int64_t p = 0; p < parts; p++) {
                const int64_t first = rows * p / parts, next = rows * (p + 1) / parts;
                t.y = (float *)a->y + (row0 + first) * a->ldy + column;
                t.x = (const uint8_t *)a->x + (size_t)(row0 + first) * a->ldx;
                tiles[next - first](&t);
            }
        }
    }
}

#endif
