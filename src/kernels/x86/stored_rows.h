/* kernels/x86/stored_rows.h — how products straight from storage are walked: eight rows of W are the lanes of a vector.
 *
 *     row 0   k0 k1 k2 …           what is read along a row is turned around in registers: lane i is row i's
 *     row 1   k0 k1 k2 …
 *       ⋮                          y0 … y7 = one chain over K each
 *     row 7   k0 k1 k2 …
 *
 * The includer has included simd_avx2.h and defines  sums_fn  for each dtype: a file each for numbers and blocks. */
#ifndef QN_KERNELS_X86_STORED_ROWS_H
#define QN_KERNELS_X86_STORED_ROWS_H

#include "kernels/kernels.h"

#include "kernels/x86/intrinsics.h"

enum { STORED_AHEAD = 8192 };               /* bytes, as where a panel is used once (linear_walk.h) */

/* The sums of eight rows with one activation row. ahead moves on with what is read, and is prefetched. */
typedef vec sums_fn(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead);

/* Lines that begin in the next `bytes`. */
QN_INLINE void prefetch_lines(const uint8_t *at, int bytes) {
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* Where there are no eight rows any more the last one stands in for those that are missing; nobody stores theirs. What
 * is read ahead is whole groups of rows further on; beyond the end that is harmless. */
QN_INLINE void walk_rows(const qn_stored_args *a, sums_fn *sums) {
    const size_t group = LANES * a->ldw, apart = (STORED_AHEAD + group - 1) / group * group;
    for (int64_t n = 0; n < a->n; n += LANES) {
        const uint8_t *row[LANES];
        for (int64_t i = 0; i < LANES; i++)
            row[i] = (const uint8_t *)a->w + (size_t)QN_MIN(n + i, a->n - 1) * a->ldw;
        for (int64_t r = 0; r < a->m; r++)
            vec_store_n((float *)a->y + r * a->ldy + n,
                        sums(row, (const uint8_t *)a->x + (size_t)r * a->ldx, a->K, row[0] + apart), a->n - n);
    }
}

#endif
