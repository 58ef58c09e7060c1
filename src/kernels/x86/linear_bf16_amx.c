/* kernels/x86/linear_bf16_amx.c — BF16 weights and activations by tiles: up to 32 rows × a panel (tiles.h draws it).
 *
 * A step is 32 elements of K. B is 16 lines of the panel as they lie, pairs along K, 16 columns in each tile; A is 64
 * bytes of each activation row, where they lie. To each output a step adds Σ_even + Σ_odd, made from zero
 * (tile_product.h): so steps begin at multiples of 32 of K in every regime, and a row alone goes the way of thirty-two.
 * Where K ends within a step, zeros stand for what is missing. A tile of fewer rows is a shape of its own; columns
 * beyond the product's are kept out of y by a detour.
 *
 *     for each slab of K                     its share of the panels' lines and of the rows stays in the second cache
 *         whole blocks of 32 rows            one shape
 *             for each panel, each block
 *         the rows that are left             another
 *             for each panel */
#include "kernels/x86/tiles.h"

enum {
    BLOCK_ROWS = 2 * TILE_ROWS, PANEL_LINE = QN_PANEL * 4, STEP_BYTES = TILE_DEEP / 2 * PANEL_LINE,
    SLAB = 1024,                     /* elements of K: 64 KB of a panel */
    AHEAD = 8192                     /* bytes, where each panel is used once (linear_walk.h) */
};

typedef struct {
    float *y;                        /* [rows, ldy] */
    int64_t ldy;
    int columns, rows;               /* 1…32 */
    const uint8_t *x;                /* activation rows at the slab, ldx bytes apart */
    int64_t ldx;
    const uint8_t *w;                /* the panel at the slab */
    int64_t deep;                    /* elements of K */
    bool more;                       /* sums go on from y */
    bool once;                       /* the panel will not be read again */
} block;

QN_INLINE void steps(const uint8_t *x, int64_t ldx, const uint8_t *w, int64_t n, bool two, bool once) {
    for (int64_t k = 0; k < n; k++, x += TILE_LINE, w += STEP_BYTES) {
        for (int i = 0; once && i < STEP_BYTES; i += 64)
            _mm_prefetch((const char *)w + AHEAD + i, _MM_HINT_T0);
        _tile_loadd(TILE_B0, w, PANEL_LINE);
        _tile_loadd(TILE_B1, w + TILE_LINE, PANEL_LINE);
        _tile_loadd(TILE_A0, x, ldx);
        _tile_dpbf16ps(TILE_C00, TILE_A0, TILE_B0);
        _tile_dpbf16ps(TILE_C01, TILE_A0, TILE_B1);
        if (!two)
            continue;
        _tile_loadd(TILE_A1, x + TILE_ROWS * ldx, ldx);
        _tile_dpbf16ps(TILE_C10, TILE_A1, TILE_B0);
        _tile_dpbf16ps(TILE_C11, TILE_A1, TILE_B1);
    }
}

/* The last elements of K, fewer than a step: copied, zeros behind them. */
static void last_step(const block *b, bool two) {
    uint8_t x[BLOCK_ROWS][TILE_LINE] = {{0}}, w[TILE_DEEP / 2][PANEL_LINE] = {{0}};
    const int64_t whole = b->deep / TILE_DEEP, pairs = (b->deep % TILE_DEEP + 1) / 2;
    for (int r = 0; r < b->rows; r++)
        memcpy(x[r], b->x + r * b->ldx + whole * TILE_LINE, (size_t)pairs * 4);
    memcpy(w, b->w + whole * STEP_BYTES, (size_t)pairs * PANEL_LINE);
    tiles_see_memory();
    steps(x[0], TILE_LINE, w[0], 1, two, false);
}

static void sums_load(const float *from, int64_t ld, bool two) {
    _tile_loadd(TILE_C00, from, ld * 4);
    _tile_loadd(TILE_C01, from + TILE_COLUMNS, ld * 4);
    if (two) {
        _tile_loadd(TILE_C10, from + TILE_ROWS * ld, ld * 4);
        _tile_loadd(TILE_C11, from + TILE_ROWS * ld + TILE_COLUMNS, ld * 4);
    }
}

static void sums_store(float *to, int64_t ld, bool two) {
    _tile_stored(TILE_C00, to, ld * 4);
    _tile_stored(TILE_C01, to + TILE_COLUMNS, ld * 4);
    if (two) {
        _tile_stored(TILE_C10, to + TILE_ROWS * ld, ld * 4);
        _tile_stored(TILE_C11, to + TILE_ROWS * ld + TILE_COLUMNS, ld * 4);
    }
}

static void block_run(const block *b) {
    float detour[BLOCK_ROWS][QN_PANEL];
    const bool two = b->rows > TILE_ROWS, narrow = b->columns < QN_PANEL;
    float *sums = narrow ? detour[0] : b->y;
    const int64_t ld = narrow ? QN_PANEL : b->ldy;
    const size_t line = (size_t)b->columns * sizeof(float);
    if (narrow && b->more) {
        memset(detour, 0, sizeof detour);
        for (int r = 0; r < b->rows; r++)
            memcpy(detour[r], b->y + r * b->ldy, line);
    }
    tiles_see_memory();
    if (b->more)
        sums_load(sums, ld, two);
    else
        tiles_zero(two);
    steps(b->x, b->ldx, b->w, b->deep / TILE_DEEP, two, b->once);
    if (b->deep % TILE_DEEP)
        last_step(b, two);
    sums_store(sums, ld, two);
    for (int r = 0; narrow && r < b->rows; r++)
        memcpy(b->y + r * b->ldy, detour[r], line);
}

/* Rows [row, end) of the slab [k, k + deep), `tall` at a time. */
static void slab_run(const qn_linear_args *a, int64_t row, int64_t end, int tall, int64_t k, int64_t deep) {
    const int64_t panel_bytes = (int64_t)qn_panel_bytes(QN_BF16, a->K);
    if (row == end)
        return;
    tiles_configure(tall);
    for (int64_t n = 0; n < a->n; n += QN_PANEL)
        for (int64_t r = row; r < end; r += tall)
            block_run(&(block){
                .y = (float *)a->y + r * a->ldy + n, .ldy = a->ldy, .columns = (int)QN_MIN(a->n - n, QN_PANEL),
                .rows = tall, .x = (const uint8_t *)a->x + r * (int64_t)a->ldx + k * 2, .ldx = (int64_t)a->ldx,
                .w = (const uint8_t *)a->w + n / QN_PANEL * panel_bytes + k / 2 * PANEL_LINE, .deep = deep,
                .more = a->more || k > 0, .once = a->m <= BLOCK_ROWS});
}

void qn_linear_bf16_amx(const qn_linear_args *a) {
    const int64_t whole = a->m / BLOCK_ROWS * BLOCK_ROWS;
    for (int64_t k = 0; k < a->K; k += SLAB) {
        const int64_t deep = QN_MIN(a->K - k, SLAB);
        slab_run(a, 0, whole, BLOCK_ROWS, k, deep);
        slab_run(a, whole, a->m, (int)(a->m - whole), k, deep);
    }
    _tile_release();
}
