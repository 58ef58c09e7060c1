/* kernels/x86/tile_product.h — what TDPBF16PS does, in plain C: the emulation, and what the machine is tried against.
 *
 *     C[rows, columns] += A[rows, 2·pairs] · B[2·pairs, columns]       words of A and B are pairs of bf16
 *
 * Intel's manual (SDM vol. 2, TDPBF16PS): of each output, the products of even elements are added up by fused
 * multiply-adds from zero, those of odd ones likewise; the two sums are added, and then their sum to C. Each step
 * rounds to nearest even. The manual lets denormals count as zero, and become zero: that is the caller's to see to. */
#ifndef QN_KERNELS_X86_TILE_PRODUCT_H
#define QN_KERNELS_X86_TILE_PRODUCT_H

#include "kernels/kernels.h"

enum {
    TILE_ROWS = 16, TILE_COLUMNS = 16,       /* of sums */
    TILE_DEEP = 32,                          /* elements of K that one product takes: 64 bytes of a row */
    TILE_LINE = 64                           /* bytes of a row of a tile */
};

/* Words between rows of a, b and c. */
typedef struct { const uint32_t *a, *b; float *c; int64_t lda, ldb, ldc; int rows, columns, pairs; } tile_product;

QN_INLINE float pair_even(uint32_t pair) { return qn_f32_from_bits(pair << 16); }
QN_INLINE float pair_odd(uint32_t pair) { return qn_f32_from_bits(pair & 0xffff0000u); }

QN_INLINE void tile_product_add(const tile_product *p) {
    for (int m = 0; m < p->rows; m++) {
        float even[TILE_COLUMNS] = {0}, odd[TILE_COLUMNS] = {0}, *c = p->c + m * p->ldc;
        for (int k = 0; k < p->pairs; k++) {
            const uint32_t x = p->a[m * p->lda + k], *w = p->b + k * p->ldb;
            for (int n = 0; n < p->columns; n++) {
                even[n] = __builtin_fmaf(pair_even(x), pair_even(w[n]), even[n]);
                odd[n] = __builtin_fmaf(pair_odd(x), pair_odd(w[n]), odd[n]);
            }
        }
        for (int n = 0; n < p->columns; n++)
            c[n] = c[n] + (even[n] + odd[n]);
    }
}

#endif
