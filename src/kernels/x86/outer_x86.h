/* kernels/x86/outer_x86.h — sums of outer products, the shape of every gradient of a matrix:
 *
 *     y[i][c] += Σ_s x[i·xi + s·xs] · b[s·ldb + c]        s ascending: one chain per output, begun at y, or at zero
 *                                                         where y holds nothing yet (fresh)
 *
 *              b_s   c0 … c63         one step: a line of b is loaded once, each row's factor is broadcast
 *     x_0s  ·  →  sum[0][…]           and multiplied into that row's sums
 *     x_1s  ·  →  sum[1][…]
 *
 * x and b are words of four bytes, which a step says how to multiply: operand, factor and mac of attn_step_float.h or
 * attn_step_dot.h. Include after one of them. The includer defines OUTER_R and OUTER_C, rows and vectors of a tile. */
#ifndef QN_KERNELS_OUTER_X86_H
#define QN_KERNELS_OUTER_X86_H

typedef struct {
    float *y;
    int64_t ldy;
    const void *x;
    int64_t xi, xs;                  /* words between rows, between steps */
    const void *b;
    int64_t ldb;
    int64_t rows, columns, steps;
    bool fresh;
} outer;

/* Loops over rows and vectors must vanish so that sums live in registers. */
#if !X86_UNROLLS
#define OUTER_UNROLL
#elif !defined(__clang__)
#define OUTER_UNROLL _Pragma("GCC unroll 16")
#else
#define OUTER_UNROLL _Pragma("clang loop unroll(full)")
#endif

/* Rows from `row`, C vectors from column `at`; `left` < 16 columns exist where it is a tail (then C is 1). A row that
 * does not exist repeats the last one and is dropped. */
QN_INLINE void outer_tile(const outer *o, int64_t row, const int C, int64_t at, int64_t left) {
    enum { WORD = 4 };
    v16 sum[OUTER_R][OUTER_C];
    const char *x[OUTER_R], *b = (const char *)o->b + at * WORD;
    float *y = o->y + row * o->ldy + at;
    const int rows = (int)QN_MIN(OUTER_R, o->rows - row);
    OUTER_UNROLL
    for (int r = 0; r < OUTER_R; r++) {
        x[r] = (const char *)o->x + (row + QN_MIN(r, rows - 1)) * o->xi * WORD;
        OUTER_UNROLL
        for (int c = 0; c < C; c++) {
            const float *from = y + QN_MIN(r, rows - 1) * o->ldy + c * 16;
            sum[r][c] = o->fresh ? v16_zero() : left < 16 ? v16_load_n(from, left) : v16_load(from);
        }
    }
    for (int64_t s = 0; s < o->steps; s++, b += o->ldb * WORD) {
        operand w[OUTER_C];
        OUTER_UNROLL
        for (int c = 0; c < C; c++)
            w[c] = left < 16 ? operand_load_n(b, left) : operand_load(b + c * 16 * WORD);
        OUTER_UNROLL
        for (int r = 0; r < OUTER_R; r++) {
            const factor f = factor_load(x[r] + s * o->xs * WORD);
            OUTER_UNROLL
            for (int c = 0; c < C; c++)
                sum[r][c] = mac(sum[r][c], w[c], f);
        }
    }
    OUTER_UNROLL
    for (int r = 0; r < OUTER_R; r++)
        OUTER_UNROLL
        for (int c = 0; c < C; c++)
            if (r < rows && left < 16)
                v16_store_n(y + r * o->ldy, sum[r][c], left);
            else if (r < rows)
                v16_store(y + r * o->ldy + c * 16, sum[r][c]);
}

enum { OUTER_HALF = OUTER_C > 1 ? OUTER_C / 2 : 1 };        /* heads of 32 */

static void outer_wide(const outer *o, int64_t row, int64_t at) { outer_tile(o, row, OUTER_C, at, 16); }
static void outer_half(const outer *o, int64_t row, int64_t at) { outer_tile(o, row, OUTER_HALF, at, 16); }
static void outer_one(const outer *o, int64_t row, int64_t at) { outer_tile(o, row, 1, at, 16); }
static void outer_tail(const outer *o, int64_t row, int64_t at) { outer_tile(o, row, 1, at, o->columns - at); }

static void outer_add(const outer *o) {
    for (int64_t row = 0; row < o->rows; row += OUTER_R) {
        int64_t at = 0;
        for (; at + OUTER_C * 16 <= o->columns; at += OUTER_C * 16)
            outer_wide(o, row, at);
        for (; at + OUTER_HALF * 16 <= o->columns; at += OUTER_HALF * 16)
            outer_half(o, row, at);
        for (; at + 16 <= o->columns; at += 16)
            outer_one(o, row, at);
        if (at < o->columns)
            outer_tail(o, row, at);
    }
}

#endif
