/* kernels/x86/tiles.h — the eight tiles of AMX and what our rows keep in them; in a build that emulates, the tiles too.
 *
 *              B0  B1           sums of up to 32 rows × 32 columns in four tiles; A: 16 rows of activations each, B: 16
 *        A0   C00 C01           columns of a panel each. A tile is 16 rows of 64 bytes, or fewer rows.
 *        A1   C10 C11
 *
 * The shapes of tiles are a state of the thread. A kernel sets it (64 bytes, some dozens of cycles) and lets it go when
 * it is done: so it needs to know of no thread, whoever made it, a switch of threads has no 8 KB to save, and a library
 * that uses tiles too must set its own anyway (by the ABI they are lost in any call). */
#ifndef QN_KERNELS_X86_TILES_H
#define QN_KERNELS_X86_TILES_H

#include "kernels/x86/intrinsics.h"
#include "kernels/x86/tile_product.h"

#define TILE_C00 0
#define TILE_C01 1
#define TILE_C10 2
#define TILE_C11 3
#define TILE_A0 4
#define TILE_A1 5
#define TILE_B0 6
#define TILE_B1 7
enum { TILES = 8 };

typedef struct {
    uint8_t palette, start_row, unused[14];
    uint16_t line[16];               /* bytes of a row; 0: no such tile */
    uint8_t rows[16];
} tile_shapes;

#ifdef X86_EMULATED
/* ---- the instructions; what would be an invalid opcode is an assertion ---- */

static _Thread_local struct { tile_shapes shapes; uint32_t word[TILES][TILE_ROWS][TILE_LINE / 4]; } emulated_amx;

static void emulated_loadconfig(const void *shapes) {
    emulated_amx.shapes = *(const tile_shapes *)shapes;
    qn_assert(emulated_amx.shapes.palette == 1 && emulated_amx.shapes.start_row == 0);
    for (int i = 0; i < TILES; i++) {
        const int rows = emulated_amx.shapes.rows[i], line = emulated_amx.shapes.line[i];
        qn_assert(rows <= TILE_ROWS && line <= TILE_LINE && line % 4 == 0 && !rows == !line);
    }
    memset(emulated_amx.word, 0, sizeof emulated_amx.word);
}
static void emulated_tile_release(void) { memset(&emulated_amx, 0, sizeof emulated_amx); }
static void emulated_tile_zero(int t) {
    qn_assert(emulated_amx.shapes.rows[t]);
    memset(emulated_amx.word[t], 0, sizeof emulated_amx.word[t]);
}
QN_UNUSED static void emulated_tile_load(int t, const void *from, int64_t stride) {
    emulated_tile_zero(t);
    for (int r = 0; r < emulated_amx.shapes.rows[t]; r++)
        memcpy(emulated_amx.word[t][r], (const char *)from + r * stride, emulated_amx.shapes.line[t]);
}
QN_UNUSED static void emulated_tile_store(int t, void *to, int64_t stride) {
    qn_assert(emulated_amx.shapes.rows[t]);
    for (int r = 0; r < emulated_amx.shapes.rows[t]; r++)
        memcpy((char *)to + r * stride, emulated_amx.word[t][r], emulated_amx.shapes.line[t]);
}

/* A function of its own, so that no step of it leaves the place between the two changes of MXCSR. */
static __attribute__((noinline)) void emulated_product(const tile_product *p) { tile_product_add(p); }

QN_UNUSED static void emulated_tile_dpbf16ps(int c, int a, int b) {
    const tile_shapes *s = &emulated_amx.shapes;
    float sums[TILE_ROWS][TILE_COLUMNS];
    const tile_product p = {emulated_amx.word[a][0], emulated_amx.word[b][0], sums[0], TILE_LINE / 4, TILE_LINE / 4,
                            TILE_COLUMNS, s->rows[c], s->line[c] / 4, s->line[a] / 4};
    const uint32_t own = 0x9fc0;                    /* denormals to zero, in and out; nearest even; nothing is raised */
    uint32_t was;
    qn_assert(s->rows[c] && s->rows[c] == s->rows[a] && s->line[a] / 4 == s->rows[b] && s->line[b] == s->line[c]);
    memcpy(sums, emulated_amx.word[c], sizeof sums);
    __asm__ volatile("vstmxcsr %0\n\tvldmxcsr %1" : "=&m"(was) : "m"(own) : "memory");
    emulated_product(&p);
    __asm__ volatile("vldmxcsr %0" : : "m"(was) : "memory");
    memcpy(emulated_amx.word[c], sums, sizeof sums);
}

/* Words of a and b are four signed bytes. */
QN_UNUSED static void emulated_tile_dpbssd(int c, int a, int b) {
    const tile_shapes *s = &emulated_amx.shapes;
    qn_assert(s->rows[c] && s->rows[c] == s->rows[a] && s->line[a] / 4 == s->rows[b] && s->line[b] == s->line[c]);
    for (int m = 0; m < s->rows[c]; m++)
        for (int k = 0; k < s->line[a] / 4; k++)
            for (int n = 0; n < s->line[c] / 4; n++)
                for (int i = 0; i < 32; i += 8)
                    emulated_amx.word[c][m][n] += (uint32_t)((int8_t)(emulated_amx.word[a][m][k] >> i) *
                                                             (int8_t)(emulated_amx.word[b][k][n] >> i));
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#undef _tile_dpbssd
#define _tile_loadconfig emulated_loadconfig
#define _tile_release emulated_tile_release
#define _tile_zero emulated_tile_zero
#define _tile_loadd emulated_tile_load
#define _tile_stored emulated_tile_store
#define _tile_dpbf16ps emulated_tile_dpbf16ps
#define _tile_dpbssd emulated_tile_dpbssd
#endif

/* What was written to memory is there when tiles are loaded from it: some compilers' intrinsics do not say that they
 * read it. */
QN_INLINE void tiles_see_memory(void) { __asm__ volatile("" : : : "memory"); }

/* Shapes for `rows` rows, 1 to 32. */
QN_INLINE void tiles_configure(int rows) {
    const int first = QN_MIN(rows, TILE_ROWS), second = rows - first;
    tile_shapes s = {.palette = 1};
    for (int i = 0; i < TILES; i++) {
        const bool low = i == TILE_C10 || i == TILE_C11 || i == TILE_A1;
        s.rows[i] = (uint8_t)(i >= TILE_B0 ? TILE_ROWS : low ? second : first);
        s.line[i] = s.rows[i] ? TILE_LINE : 0;
    }
    tiles_see_memory();
    _tile_loadconfig(&s);
}

/* Shapes for sums of 16 rows × 16 columns in C00, of `deep` bytes (a multiple of 4) of rows in A0, of columns in B0. */
QN_INLINE void tiles_configure_bytes(int deep) {
    tile_shapes s = {.palette = 1};
    s.rows[TILE_C00] = s.rows[TILE_A0] = TILE_ROWS;
    s.rows[TILE_B0] = (uint8_t)(deep / 4);
    s.line[TILE_C00] = s.line[TILE_B0] = TILE_LINE;
    s.line[TILE_A0] = (uint16_t)deep;
    tiles_see_memory();
    _tile_loadconfig(&s);
}

QN_INLINE void tiles_zero(bool two) {
    _tile_zero(TILE_C00);
    _tile_zero(TILE_C01);
    if (two) {
        _tile_zero(TILE_C10);
        _tile_zero(TILE_C11);
    }
}

#endif
