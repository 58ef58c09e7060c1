/* kernels/pack.c — weights from storage into panels of 32 columns, and one row back out of them (kernels.h draws the
 * layouts).
 *
 * Where storage and panel have the same dtype the stored bits move and nothing is computed: quantized blocks arrive
 * exactly as the file has them. Otherwise a row passes through f32 in chunks and the target dtype's own encoder
 * rounds it.
 *
 * A stored block of 32 elements fits a panel's block without touching a nibble: byte j of ggml's 4-bit blocks holds
 * element j low and element j + 16 high, and a panel wants the bytes of one column in groups of four:
 *
 *   stored   d m  b0 b1 b2 b3 | b4 b5 b6 b7 | b8 … b15          one row
 *   panel    d[32] m[32]  g0: { b0…b3 of column 0, b0…b3 of column 1, … }  g1: { b4…b7 of column 0, … }  …
 *
 * All further blocks are taken apart and put together again: panel_blocks.h. */
#include "kernels/panel_blocks.h"

/* A part of a panel is put together in FITS bytes, which stay in the first-level cache however its stores jump, and
 * goes to memory in one piece. CHUNK: elements of a row being rounded; BLOCK: elements of a quantized block. STAGE:
 * where a chunk begins as a block of CHUNK elements, it is all of it.
 * AHEAD: so many rows further on, the file's bytes are asked for, since its pages are too small and too scattered for
 * the machine to guess them. */
enum { AHEAD = 4, FITS = 16 * 1088, CHUNK = 256, BLOCK = 32, STAGE = CHUNK * QN_PANEL * 8 };

qn_act_form qn_act_form_of(qn_dtype weight) {
    switch (weight) {
    case QN_F64: return QN_ACT_F64;
    case QN_BF16: return QN_ACT_BF16;
    default: return qn_dtype_get(weight)->block > 1 ? QN_ACT_Q8B32 : QN_ACT_F32;
    }
}

static size_t numbers_bytes(qn_act_form f, size_t n) {
    switch (f) {
    case QN_ACT_F64: return n * sizeof(double);
    case QN_ACT_BF16: return (n + 1) / 2 * 4;
    case QN_ACT_Q8B32: return n + n / BLOCK * (sizeof(float) + sizeof(int32_t));
    case QN_ACT_F32: break;
    }
    return n * sizeof(float);
}

/* Rows 4096 bytes apart meet in one set of the first cache, which has room for eight of them: a line more, and a tile's
 * twelve lie apart. */
size_t qn_act_row_bytes(qn_act_form f, int64_t K) {
    const size_t bytes = qn_round64(numbers_bytes(f, (size_t)K));
    return bytes && bytes % 4096 == 0 ? bytes + 64 : bytes;
}

/* Bytes that `k` elements of each of the 32 columns take; k a multiple of the block, or of 2 for BF16. */
static size_t panel_offset(qn_dtype t, int64_t k) {
    const size_t n = (size_t)k;
    switch (t) {
    case QN_F64: return n * QN_PANEL * 8;
    case QN_F32: return n * QN_PANEL * 4;
    case QN_F16: case QN_BF16: return n * QN_PANEL * 2;
    case QN_Q8_0: return n / BLOCK * 1088;
    case QN_Q4_0: return n / BLOCK * 576;
    case QN_Q4_1: return n / BLOCK * 640;
    default: break;
    }
    const qn_panel_form f = qn_panel_form_of(t);
    qn_assert(f.per > 0);                                   /* a dtype that multiplies */
    return n / (size_t)(QN_PART * f.per) * (size_t)(qn_span_bytes(f) * QN_PANEL);
}

/* The same for any k: the last of an odd number of BF16 takes a pair's place. */
static size_t part_bytes(qn_dtype t, int64_t k) { return panel_offset(t, t == QN_BF16 ? (k + 1) & ~(int64_t)1 : k); }

size_t qn_panel_bytes(qn_dtype weight, int64_t K) { return qn_round64(part_bytes(weight, K)); }

/* ---- in: n stored elements of one row become column c of the panel's part that begins at `at` ---- */

typedef void put_fn(uint8_t *at, int64_t c, const uint8_t *src, int64_t n);

static void put_64(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        memcpy(at + (k * QN_PANEL + c) * 8, src + k * 8, 8);
}

static void put_32(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        memcpy(at + (k * QN_PANEL + c) * 4, src + k * 4, 4);
}

static void put_16(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        memcpy(at + (k * QN_PANEL + c) * 2, src + k * 2, 2);
}

/* A pair is one 32-bit word; the last of an odd K goes alone and its neighbour stays zero. */
static void put_pairs(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) {
    put_32(at, c, src, n / 2);
    if (n % 2)
        memcpy(at + (n / 2 * QN_PANEL + c) * 4, src + (n - 1) * 2, 2);
}

/* `groups` words of four bytes per block, `scales` f16 in front of them. Q8_0 turns two's complement into offset
 * 128. */
QN_INLINE void put_blocks(uint8_t *at, int64_t c, const uint8_t *src, int64_t n, int scales, int groups,
                          uint32_t flip) {
    for (int64_t b = 0; b < n / BLOCK; b++) {
        for (int i = 0; i < scales; i++)
            memcpy(at + (i * QN_PANEL + c) * 2, src + i * 2, 2);
        at += scales * QN_PANEL * 2;
        src += scales * 2;
        for (int g = 0; g < groups; g++) {
            uint32_t word;
            memcpy(&word, src + g * 4, 4);
            word ^= flip;
            memcpy(at + (g * QN_PANEL + c) * 4, &word, 4);
        }
        at += groups * QN_PANEL * 4;
        src += groups * 4;
    }
}

static void put_q8_0(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) {
    put_blocks(at, c, src, n, 1, 8, 0x80808080u);
}
static void put_q4_0(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) { put_blocks(at, c, src, n, 1, 4, 0); }
static void put_q4_1(uint8_t *at, int64_t c, const uint8_t *src, int64_t n) { put_blocks(at, c, src, n, 2, 4, 0); }

/* The same for two rows, which become columns c and c + 1: what they write lies side by side and is stored at once, so
 * that a weight that only moves costs half the stores. (F32 and pairs of BF16 are turned instead, see below.) */
typedef void put_two_fn(uint8_t *at, int64_t c, const uint8_t *a, const uint8_t *b, int64_t n);

QN_INLINE void store_two(uint8_t *at, uint32_t first, uint32_t second) {
    const uint64_t both = first | (uint64_t)second << 32;
    memcpy(at, &both, sizeof both);
}

QN_INLINE uint32_t load_word(const uint8_t *p) {
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

QN_INLINE void put_two_blocks(uint8_t *at, int64_t c, const uint8_t *a, const uint8_t *b, int64_t n, int scales,
                              int groups, uint32_t flip) {
    for (int64_t k = 0; k < n / BLOCK; k++) {
        for (int i = 0; i < scales; i++) {
            memcpy(at + (i * QN_PANEL + c) * 2, a + i * 2, 2);
            memcpy(at + (i * QN_PANEL + c + 1) * 2, b + i * 2, 2);
        }
        at += scales * QN_PANEL * 2;
        a += scales * 2;
        b += scales * 2;
        for (int g = 0; g < groups; g++)
            store_two(at + (g * QN_PANEL + c) * 4, load_word(a + g * 4) ^ flip, load_word(b + g * 4) ^ flip);
        at += groups * QN_PANEL * 4;
        a += groups * 4;
        b += groups * 4;
    }
}

static void put_two_q8_0(uint8_t *at, int64_t c, const uint8_t *a, const uint8_t *b, int64_t n) {
    put_two_blocks(at, c, a, b, n, 1, 8, 0x80808080u);
}
static void put_two_q4_0(uint8_t *at, int64_t c, const uint8_t *a, const uint8_t *b, int64_t n) {
    put_two_blocks(at, c, a, b, n, 1, 4, 0);
}
static void put_two_q4_1(uint8_t *at, int64_t c, const uint8_t *a, const uint8_t *b, int64_t n) {
    put_two_blocks(at, c, a, b, n, 2, 4, 0);
}

static put_two_fn *const puts_two_of[QN_DTYPES] = {
    [QN_Q8_0] = put_two_q8_0, [QN_Q4_0] = put_two_q4_0, [QN_Q4_1] = put_two_q4_1,
};

static put_fn *const puts_of[QN_DTYPES] = {
    [QN_F64] = put_64, [QN_F32] = put_32, [QN_F16] = put_16, [QN_BF16] = put_pairs,
    [QN_Q8_0] = put_q8_0, [QN_Q4_0] = put_q4_0, [QN_Q4_1] = put_q4_1,
};

/* n elements of each of `columns` rows that lie row_bytes apart, as they are stored. */
static void move_chunk(qn_dtype t, uint8_t *at, const uint8_t *src, size_t row_bytes, int64_t columns, int64_t n) {
    put_two_fn *put_two = puts_two_of[t];
    const size_t bytes = qn_dtype_row_bytes(t, n), ahead = AHEAD * row_bytes;
    int64_t c = 0;
    for (; put_two && c + 2 <= columns; c += 2, src += 2 * row_bytes) {
        for (size_t i = 0; c + AHEAD + 2 <= columns && i < bytes; i += 64) {
            QN_PREFETCH(src + ahead + i);
            QN_PREFETCH(src + ahead + row_bytes + i);
        }
        put_two(at, c, src, src + row_bytes, n);
    }
    for (; c < columns && puts_of[t]; c++, src += row_bytes)
        puts_of[t](at, c, src, n);
    for (; c < columns; c++, src += row_bytes)
        qn_codes_put(at, t, c, src, n);
}

/* The same, rounded to another dtype. */
static void pack_chunk(const qn_pack_args *a, uint8_t *at, const uint8_t *src, size_t row_bytes, int64_t columns,
                       int64_t n) {
    float values[CHUNK];
    uint8_t stored[CHUNK * sizeof(double)];
    put_fn *put = puts_of[a->to];
    for (int64_t c = 0; c < columns; c++, src += row_bytes) {
        qn_dtype_get(a->from)->decode_row(values, src, n);
        qn_dtype_get(a->to)->encode_row(stored, values, n);
        put(at, c, stored, n);
    }
}

/* ---- in, by the word: what training does with every weight after every step ---- */

static bool moves_words(const qn_pack_args *a) {
    return (a->from == QN_F32 && (a->to == QN_F32 || a->to == QN_BF16)) || (a->from == QN_BF16 && a->to == QN_BF16);
}

/* A panel is 32 rows turned around. Rows of BF16 are words of two; an odd last element goes alone. F32 that becomes
 * BF16 is rounded a chunk of each row at a time. */
static void pack_words(const qn_kernels *k, const qn_pack_args *a, uint8_t *panel, const uint8_t *rows,
                       size_t row_bytes, int64_t columns) {
    uint16_t QN_ALIGNED(64) halves[QN_PANEL][CHUNK];
    const int64_t chunk = a->to == QN_F32 ? a->K : CHUNK;
    for (int64_t k0 = 0; k0 < a->K; k0 += chunk) {
        const int64_t n = QN_MIN(a->K - k0, chunk), words = a->to == QN_F32 ? n : (n + 1) / 2;
        const uint8_t *from = rows + qn_dtype_row_bytes(a->from, k0);
        if (a->to == QN_F32) {
            k->turn(panel, QN_PANEL, from, (int64_t)(row_bytes / sizeof(float)), columns, n);
            return;
        }
        for (int64_t c = 0; c < columns; c++, from += row_bytes) {
            for (size_t i = 0; c + 1 < columns && i < qn_dtype_row_bytes(a->from, n); i += 64)
                QN_PREFETCH(from + row_bytes + i);
            if (n % 2)
                halves[c][n] = 0;
            if (a->from == QN_F32)
                k->act_pack[QN_ACT_BF16](halves[c], from, n);
            else
                memcpy(halves[c], from, (size_t)n * sizeof **halves);
        }
        k->turn(panel + panel_offset(QN_BF16, k0), QN_PANEL, halves, CHUNK / 2, columns, words);
    }
}

void qn_pack_panels(const qn_pack_args *a) { qn_pack_panels_apart(a, qn_dtype_row_bytes(a->from, a->K)); }

void qn_pack_panels_apart(const qn_pack_args *a, size_t row_bytes) {
    const size_t panel_bytes = qn_panel_bytes(a->to, a->K);
    const int64_t unit = QN_MAX(BLOCK, qn_dtype_get(a->to)->block), whole = qn_dtype_get(a->from)->block;
    const int64_t fits = QN_MAX(FITS / (int64_t)part_bytes(a->to, unit) * unit, whole);
    const int64_t chunk = a->from == a->to ? fits : QN_MIN(fits, CHUNK);
    const qn_kernels *words = qn_kernels_at(QN_ISA_AVX2);       /* the same bits at every level */
    uint8_t stage[STAGE];
    qn_assert(a->n0 % QN_PANEL == 0 && a->K % qn_dtype_get(a->to)->block == 0);
    for (int64_t r = 0; r < a->rows; r += QN_PANEL) {
        uint8_t *panel = (uint8_t *)a->dst + (size_t)((a->n0 + r) / QN_PANEL) * panel_bytes;
        const uint8_t *rows = (const uint8_t *)a->src + (size_t)r * row_bytes;
        const int64_t columns = QN_MIN(a->rows - r, QN_PANEL);
        if (columns < QN_PANEL)
            memset(panel, 0, panel_bytes);
        if (moves_words(a)) {
            pack_words(words, a, panel, rows, row_bytes, columns);
            continue;
        }
        for (int64_t k = 0; k < a->K; k += chunk) {
            const int64_t n = QN_MIN(a->K - k, chunk);
            const uint8_t *from = rows + qn_dtype_row_bytes(a->from, k);
            if (columns < QN_PANEL || n % 2)
                memset(stage, 0, part_bytes(a->to, n));
            if (a->from == a->to)
                move_chunk(a->to, stage, from, row_bytes, columns, n);
            else
                pack_chunk(a, stage, from, row_bytes, columns, n);
            memcpy(panel + panel_offset(a->to, k), stage, part_bytes(a->to, n));
        }
    }
}

/* ---- out: column c of a panel back to K floats ---- */

static uint16_t load_16(const uint8_t *p) {
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static float half_at(const uint8_t *p, int64_t i) { return qn_f16_to_f32(load_16(p + i * 2)); }

static void get_q8_0(float *dst, const uint8_t *at, int64_t c, int64_t K) {
    for (int64_t k = 0; k < K; k += BLOCK, at += 1088) {
        const uint8_t *q = at + QN_PANEL * 2 + c * 4;
        for (int64_t j = 0; j < BLOCK; j++)
            dst[k + j] = (float)(q[j / 4 * QN_PANEL * 4 + j % 4] - 128) * half_at(at, c);
    }
}

static void get_q4(float *dst, const uint8_t *at, int64_t c, int64_t K, bool with_min) {
    const int64_t head = QN_PANEL * (with_min ? 4 : 2), bytes = head + BLOCK / 2 * QN_PANEL;
    const int offset = with_min ? 0 : 8;
    for (int64_t k = 0; k < K; k += BLOCK, at += bytes) {
        const float d = half_at(at, c), min = with_min ? half_at(at, QN_PANEL + c) : 0;
        const uint8_t *q = at + head + c * 4;
        for (int64_t j = 0; j < BLOCK / 2; j++) {
            const uint8_t both = q[j / 4 * QN_PANEL * 4 + j % 4];
            const float low = (float)((both & 15) - offset) * d, high = (float)((both >> 4) - offset) * d;
            dst[k + j] = with_min ? low + min : low;
            dst[k + j + BLOCK / 2] = with_min ? high + min : high;
        }
    }
}

void qn_unpack_row(float *dst, qn_dtype t, const void *packed, int64_t n, int64_t K) {
    const uint8_t *panel = (const uint8_t *)packed + (size_t)(n / QN_PANEL) * qn_panel_bytes(t, K);
    const int64_t c = n % QN_PANEL;
    switch (t) {
    case QN_F64:
        for (int64_t k = 0; k < K; k++)
            dst[k] = (float)((const double *)panel)[k * QN_PANEL + c];
        break;
    case QN_F32:
        for (int64_t k = 0; k < K; k++)
            dst[k] = ((const float *)panel)[k * QN_PANEL + c];
        break;
    case QN_F16:
        for (int64_t k = 0; k < K; k++)
            dst[k] = half_at(panel, k * QN_PANEL + c);
        break;
    case QN_BF16:
        for (int64_t k = 0; k < K; k++)
            dst[k] = qn_bf16_to_f32(load_16(panel + ((k / 2 * QN_PANEL + c) * 2 + k % 2) * 2));
        break;
    case QN_Q8_0: get_q8_0(dst, panel, c, K); break;
    case QN_Q4_0: get_q4(dst, panel, c, K, false); break;
    case QN_Q4_1: get_q4(dst, panel, c, K, true); break;
    default: qn_codes_get(dst, t, panel, c, K);
    }
}
