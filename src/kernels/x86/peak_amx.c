/* kernels/x86/peak_amx.c — peak loops, tiles: four tiles of sums, each the product of one of two tiles of rows and one
 * of two of columns, all of them full. */
#include "kernels/peak_loops.h"

#include "kernels/x86/tiles.h"

static void tiles_begin(void) {
    tiles_configure(2 * TILE_ROWS);
    tiles_zero(true);
    _tile_zero(TILE_A0);
    _tile_zero(TILE_A1);
    _tile_zero(TILE_B0);
    _tile_zero(TILE_B1);
}

/* deep: products that enter a sum. */
#define PEAK(NAME, PRODUCT, deep)                       \
    double NAME(int64_t rounds) {                       \
        tiles_begin();                                  \
        for (int64_t i = 0; i < rounds; i++) {          \
            PRODUCT(TILE_C00, TILE_A0, TILE_B0);        \
            PRODUCT(TILE_C01, TILE_A0, TILE_B1);        \
            PRODUCT(TILE_C10, TILE_A1, TILE_B0);        \
            PRODUCT(TILE_C11, TILE_A1, TILE_B1);        \
        }                                               \
        _tile_release();                                \
        return 4 * 2 * TILE_ROWS * TILE_COLUMNS * deep; \
    }
PEAK(qn_peak_bf16_amx, _tile_dpbf16ps, TILE_DEEP)
PEAK(qn_peak_int8_amx, _tile_dpbssd, TILE_LINE)
