/* kernels/turn.c — operands of the gradients of products (kernels.h says which), out of panels and rows.
 *
 * Panels of W hold a block of 32 k × 32 n in one piece. The panel of Wᵀ wants the same block with n and k exchanged;
 * the panel of Xᵀ wants lines of X as they are; rows of dYᵀ are dY turned around. With BF16 a pair along the reduction
 * is one word: two rows are woven, words turn like those of F32.
 *
 *   panel of W      block (k0, n0) │ k0     n0 … n0+31 │             panel of Wᵀ   │ n0     k0 … k0+31 │
 *                                  │ k0+1   n0 … n0+31 │      →                    │ n0+1   k0 … k0+31 │
 *                                  │  ⋮                │                           │  ⋮                │ */
#include "kernels/pairs.h"
#include "kernels/panel_blocks.h"

enum { BLOCK = 32 };

qn_dtype qn_grad_dtype(qn_dtype weight) {
    return weight == QN_F64 || weight == QN_BF16 ? weight : QN_F32;
}

/* ---- a block of a panel, 32 k × 32 columns, to floats [k][column] ---- */

typedef float block[BLOCK][QN_PANEL];

static void scales(float d[QN_PANEL], const uint8_t *at) {
    uint16_t half[QN_PANEL];
    memcpy(half, at, sizeof half);
    for (int c = 0; c < QN_PANEL; c++)
        d[c] = qn_f16_to_f32(half[c]);
}

/* The numbers that qn_unpack_row gives: q·d, and with a minimum q·d + m, each rounded once. */
static void bytes_block(block b, const uint8_t *at) {
    float d[QN_PANEL];
    uint32_t q[BLOCK / 4][QN_PANEL];
    scales(d, at);
    memcpy(q, at + QN_PANEL * 2, sizeof q);
    for (int k = 0; k < BLOCK; k++)
        for (int c = 0; c < QN_PANEL; c++)
            b[k][c] = (float)((int32_t)(q[k / 4][c] >> k % 4 * 8 & 255) - 128) * d[c];
}

static void nibbles_block(block b, const uint8_t *at, int offset, const float *min) {
    float d[QN_PANEL];
    uint32_t q[BLOCK / 8][QN_PANEL];
    scales(d, at);
    memcpy(q, at + QN_PANEL * (min ? 4 : 2), sizeof q);
    for (int k = 0; k < BLOCK; k++)
        for (int c = 0; c < QN_PANEL; c++)
            b[k][c] = (float)((int32_t)(q[k % 16 / 4][c] >> (k % 4 * 8 + k / 16 * 4) & 15) - offset) * d[c];
    for (int k = 0; min && k < BLOCK; k++)
        for (int c = 0; c < QN_PANEL; c++)
            b[k][c] += min[c];
}

/* `lines` of a block of halves. A number without an exponent of its own is scaled exactly; see qn_f16_to_f32. */
static void f16_block(block b, const uint8_t *at, int64_t lines) {
    uint16_t half[QN_PANEL];
    for (int64_t k = 0; k < lines; k++) {
        memcpy(half, at + k * (int64_t)sizeof half, sizeof half);
        for (int c = 0; c < QN_PANEL; c++)
            b[k][c] = qn_f16_to_f32(half[c]);
    }
}

static void bf16_block(block b, const uint8_t *at, int64_t lines) {
    uint32_t pair[QN_PANEL];
    for (int64_t k = 0; k < lines; k++) {
        memcpy(pair, at + k / 2 * (int64_t)sizeof pair, sizeof pair);
        for (int c = 0; c < QN_PANEL; c++)
            b[k][c] = qn_f32_from_bits(k % 2 ? pair[c] & 0xffff0000u : pair[c] << 16);
    }
}

static void decode_block(block b, qn_dtype t, const uint8_t *panel, int64_t k0, int64_t lines) {
    const size_t at = (size_t)k0 / BLOCK;
    float min[QN_PANEL];
    switch (t) {
    case QN_F32: memcpy(b, panel + k0 * QN_PANEL * 4, (size_t)(lines * QN_PANEL) * sizeof(float)); break;
    case QN_BF16: bf16_block(b, panel + k0 * QN_PANEL * 2, lines); break;
    case QN_F16: f16_block(b, panel + k0 * QN_PANEL * 2, lines); break;
    case QN_Q8_0: bytes_block(b, panel + at * 1088); break;
    case QN_Q4_0: nibbles_block(b, panel + at * 576, 8, NULL); break;
    case QN_Q4_1:
        scales(min, panel + at * 640 + QN_PANEL * 2);
        nibbles_block(b, panel + at * 640, 0, min);
        break;
    default: qn_codes_part(b, t, panel, k0);
    }
}

/* ---- the judge's words ---- */

static void turn_64(double *dst, int64_t ldd, const double *src, int64_t lds, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            dst[j * ldd + i] = src[i * lds + j];
}

/* ---- pairs ---- */

typedef uint32_t words[QN_PANEL];

/* lines pairs along k of 32 columns n → pairs along n of 32 columns k: words turn, then two rows are woven. */
static void turn_pairs(const qn_kernels *k, uint32_t *dst, const uint32_t *src, int64_t lines, int64_t n, void *room) {
    uint16_t(*row)[QN_PANEL] = room;                            /* [n][32 k] */
    memset(row, 0, (size_t)(QN_PANEL * QN_PANEL) * sizeof **row);
    k->turn(row, QN_PANEL / 2, src, QN_PANEL, lines, n);
    for (int64_t i = 0; i < n; i += 2, dst += QN_PANEL)
        qn_pairs_weave(dst, row[i], row[i + 1], QN_PANEL);               /* rows behind the last are zero */
}

/* ---- Wᵀ ---- */

/* What qn_turn_panel_half needs: the block, and its lines as halves. */
typedef struct { block b; uint16_t line[BLOCK][QN_PANEL]; } half_room;

size_t qn_turn_room(void) { return sizeof(half_room); }

/* A line of halves has pairs of columns side by side, which are the words that the panel wants. */
void qn_turn_panel_half(const qn_kernels *k, void *dst, qn_dtype t, const void *w, int64_t K, int64_t k0, int64_t n0,
                        int64_t n, void *room) {
    const size_t stride = qn_panel_bytes(t, K);
    const int64_t lines = QN_MIN(K - k0, BLOCK);
    const uint8_t *panel = (const uint8_t *)w + (size_t)(n0 / QN_PANEL) * stride;
    half_room *r = room;
    uint32_t *to = dst;
    for (int64_t i = 0; i < n; i += QN_PANEL, panel += stride, to += BLOCK / 2 * QN_PANEL) {
        const int64_t columns = QN_MIN(n - i, QN_PANEL), pairs = (columns + 1) / 2;
        decode_block(r->b, t, panel, k0, lines);
        for (int64_t j = 0; columns % 2 && j < lines; j++)
            r->b[j][columns] = 0;
        k->act_pack[QN_ACT_BF16](r->line, r->b[0], lines * QN_PANEL);
        if (lines < BLOCK)
            memset(to, 0, (size_t)(pairs * QN_PANEL) * sizeof *to);
        k->turn(to, QN_PANEL, r->line, QN_PANEL / 2, lines, pairs);
    }
}

void qn_turn_panel(const qn_kernels *k, void *dst, qn_dtype t, const void *w, int64_t K, int64_t k0, int64_t n0,
                   int64_t n, void *room) {
    const size_t stride = qn_panel_bytes(t, K);
    const int64_t lines = QN_MIN(K - k0, BLOCK), missing = BLOCK - lines;
    const uint8_t *panel = (const uint8_t *)w + (size_t)(n0 / QN_PANEL) * stride;
    for (int64_t i = 0; i < n; i += QN_PANEL, panel += stride) {
        const int64_t columns = QN_MIN(n - i, QN_PANEL);
        if (t == QN_BF16) {
            turn_pairs(k, (uint32_t *)dst + i / 2 * QN_PANEL, (const uint32_t *)(const void *)panel + k0 / 2 * QN_PANEL,
                       (lines + 1) / 2, columns, room);
        } else if (t == QN_F64) {
            double *to = (double *)dst + i * QN_PANEL;
            memset(to, 0, missing ? (size_t)(columns * QN_PANEL) * sizeof *to : 0);
            turn_64(to, QN_PANEL, (const double *)(const void *)panel + k0 * QN_PANEL, QN_PANEL, lines, columns);
        } else {
            float *to = (float *)dst + i * QN_PANEL;
            const float *from = (const float *)(const void *)panel + k0 * QN_PANEL;
            if (t != QN_F32) {
                decode_block(room, t, panel, k0, lines);
                from = room;
            }
            memset(to, 0, missing ? (size_t)(columns * QN_PANEL) * sizeof *to : 0);
            k->turn(to, QN_PANEL, from, QN_PANEL, lines, columns);
        }
    }
}

/* ---- Xᵀ ---- */

void qn_rows_panel(void *dst, qn_act_form f, const void *x, size_t ldx, int64_t rows, int64_t k0, int64_t K) {
    const int64_t n = QN_MIN(K - k0, QN_PANEL);
    const size_t size = f == QN_ACT_F64 ? sizeof(double) : f == QN_ACT_BF16 ? sizeof(uint16_t) : sizeof(float);
    const uint8_t *from = (const uint8_t *)x + (size_t)k0 * size;
    uint8_t *to = dst;
    if (n < QN_PANEL)
        memset(dst, 0, (size_t)(f == QN_ACT_BF16 ? (rows + 1) & ~(int64_t)1 : rows) * QN_PANEL * size);
    if (f == QN_ACT_BF16) {
        for (int64_t r = 0; r < rows; r += 2, from += 2 * ldx, to += sizeof(words))
            qn_pairs_weave((uint32_t *)(void *)to, (const uint16_t *)(const void *)from,
                           r + 1 < rows ? (const uint16_t *)(const void *)(from + ldx) : NULL, n);
        return;
    }
    for (int64_t r = 0; r < rows; r++, from += ldx, to += QN_PANEL * size)
        memcpy(to, from, (size_t)n * size);
}

/* ---- dYᵀ ---- */

enum { AHEAD = 24, PAIRS = 16 };                /* so many pairs of rows are woven before their words turn */

static void turn_halves(const qn_kernels *k, void *dst, size_t ldd, const uint8_t *x, size_t ldx, int64_t rows,
                        int64_t n) {
    uint32_t woven[PAIRS][QN_TURN_ROWS];
    const int64_t pairs = (rows + 1) / 2;
    for (int64_t p = 0; p < pairs; p += PAIRS) {
        const int64_t lines = QN_MIN(pairs - p, PAIRS);
        for (int64_t i = 0; i < lines; i++) {
            const int64_t r = 2 * (p + i);
            const uint8_t *from = x + (size_t)r * ldx;
            for (int64_t ahead = 0; ahead < 2; ahead++)
                for (int64_t at = 0; at < n * 2; at += 64)
                    __builtin_prefetch(from + (size_t)(AHEAD + ahead) * ldx + at);
            qn_pairs_weave(woven[i], (const uint16_t *)(const void *)from,
                           r + 1 < rows ? (const uint16_t *)(const void *)(from + ldx) : NULL, n);
        }
        k->turn((uint32_t *)dst + p, (int64_t)(ldd / sizeof(uint32_t)), woven, QN_TURN_ROWS, lines, n);
    }
}

void qn_turn_rows(const qn_kernels *k, void *dst, size_t ldd, qn_act_form f, const void *x, size_t ldx, int64_t rows,
                  int64_t n0, int64_t n) {
    qn_assert(n <= QN_TURN_ROWS);
    if (f == QN_ACT_BF16)
        turn_halves(k, dst, ldd, (const uint8_t *)x + (size_t)n0 * sizeof(uint16_t), ldx, rows, n);
    else if (f == QN_ACT_F64)
        turn_64(dst, (int64_t)(ldd / sizeof(double)), (const double *)x + n0, (int64_t)(ldx / sizeof(double)), rows, n);
    else
        k->turn(dst, (int64_t)(ldd / sizeof(float)), (const float *)x + n0, (int64_t)(ldx / sizeof(float)), rows, n);
}

/* ---- rows back out of panels ---- */

static void unpack_panel(float *dst, qn_dtype t, const uint8_t *panel, int64_t columns, int64_t K) {
    const qn_kernels *k = qn_kernels_at(QN_ISA_AVX2);           /* words only move: the same bits at every level */
    block b;
    for (int64_t k0 = 0; k0 < K; k0 += BLOCK) {
        const int64_t lines = QN_MIN(K - k0, BLOCK);
        const float *from = (const float *)(const void *)panel + k0 * QN_PANEL;
        if (t != QN_F32) {
            decode_block(b, t, panel, k0, lines);
            from = &b[0][0];
        }
        k->turn(dst + k0, K, from, QN_PANEL, lines, columns);
    }
}

void qn_unpack_rows(float *dst, qn_dtype t, const void *packed, int64_t n0, int64_t rows, int64_t K) {
    const size_t stride = qn_panel_bytes(t, K);
    const uint8_t *panel = (const uint8_t *)packed + (size_t)(n0 / QN_PANEL) * stride;
    qn_assert(n0 % QN_PANEL == 0);
    for (int64_t r = 0; r < rows && t != QN_F64; r += QN_PANEL, panel += stride)
        unpack_panel(dst + r * K, t, panel, QN_MIN(rows - r, QN_PANEL), K);
    for (int64_t r = 0; r < rows && t == QN_F64; r++)
        qn_unpack_row(dst + r * K, t, packed, n0 + r, K);
}
