/* kernels/panel_blocks.h — what a panel of codes (num/codes.h) is made of, for all who read or write one. Bits lie so
 * that a vector of columns, a word of four k's each, needs one shift and one mask:
 *
 *   span   one head, then `per` parts                        32 columns side by side in each of them
 *   head   f16 d[32], f16 m[32] where there are minima; MXFP4: u8 e[32]
 *   part   32 k's:  small scales, a byte each: s (Q4_K, Q5_K: s, m; 16-element parts: s_0, s_1; Q2_K: m_j : s_j)
 *                   low bits of the codes, then high bits, in words of a column:
 *
 *            word         byte i of it holds
 *   4 bits   g = 0…3      k = 4g + i low nibble, k = 16 + 4g + i high nibble
 *   2 bits   h = 0, 1     bits 2g, 2g + 1:  k = 16h + 4g + i
 *   1 bit    0            bit g:  k = 4g + i;  bit 4 + g:  k = 16 + 4g + i
 *
 * A span of K-quants is their block of 256, of the others 32. */
#ifndef QN_KERNELS_PANEL_BLOCKS_H
#define QN_KERNELS_PANEL_BLOCKS_H

#include "kernels/kernels.h"
#include "num/codes.h"

/* F(dtype, name) for each dtype of codes. */
#define QN_EACH_CODE(F)                                                                                   \
    F(QN_Q5_0, q5_0) F(QN_Q5_1, q5_1) F(QN_Q2_K, q2_k) F(QN_Q3_K, q3_k) F(QN_Q4_K, q4_k) F(QN_Q5_K, q5_k) \
    F(QN_Q6_K, q6_k) F(QN_IQ4_NL, iq4_nl) F(QN_IQ4_XS, iq4_xs) F(QN_MXFP4, mxfp4)

enum { QN_PART = 32, QN_GROUP = QN_PANEL * 4 };         /* k's of a part; bytes of a word of every column */

typedef struct {
    int per;             /* parts of a span */
    int head;            /* bytes of a column in the head */
    int small;           /* small scales of a part, bytes of a column */
    int low, high;       /* bits of a code that lie together */
} qn_panel_form;

/* A constant where t is one. Zeros: not a dtype of codes. */
QN_INLINE qn_panel_form qn_panel_form_of(qn_dtype t) {
    switch (t) {
    case QN_Q5_0: return (qn_panel_form){1, 2, 0, 4, 1};
    case QN_Q5_1: return (qn_panel_form){1, 4, 0, 4, 1};
    case QN_Q2_K: return (qn_panel_form){8, 4, 2, 2, 0};
    case QN_Q3_K: return (qn_panel_form){8, 2, 2, 2, 1};
    case QN_Q4_K: return (qn_panel_form){8, 4, 2, 4, 0};
    case QN_Q5_K: return (qn_panel_form){8, 4, 2, 4, 1};
    case QN_Q6_K: return (qn_panel_form){8, 2, 2, 4, 2};
    case QN_IQ4_NL: return (qn_panel_form){1, 2, 0, 4, 0};
    case QN_IQ4_XS: return (qn_panel_form){8, 2, 1, 4, 0};
    case QN_MXFP4: return (qn_panel_form){1, 1, 0, 4, 0};
    default: return (qn_panel_form){0, 0, 0, 0, 0};
    }
}

/* Bytes of one column. */
QN_INLINE int qn_part_low(qn_panel_form f) { return f.low == 4 ? 16 : 8; }
QN_INLINE int qn_part_bytes(qn_panel_form f) { return f.small + qn_part_low(f) + f.high * 4; }
QN_INLINE int qn_span_bytes(qn_panel_form f) { return f.head + f.per * qn_part_bytes(f); }

/* The part of 32 k's that begins at k0, and the head of its span. */
QN_INLINE const uint8_t *qn_head_at(qn_panel_form f, const uint8_t *panel, int64_t k0) {
    return panel + k0 / (QN_PART * f.per) * qn_span_bytes(f) * QN_PANEL;
}
QN_INLINE const uint8_t *qn_part_at(qn_panel_form f, const uint8_t *head, int64_t k0) {
    return head + (f.head + k0 / QN_PART % f.per * qn_part_bytes(f)) * QN_PANEL;
}

/* The code of element k of column c, and of every column. `words` is the part behind its small scales. */
QN_INLINE uint32_t qn_word_at(const uint8_t *words, int word, int c) {
    uint32_t u;
    memcpy(&u, words + word * QN_GROUP + c * 4, sizeof u);
    return u;
}
QN_INLINE int qn_code_at(qn_panel_form f, const uint8_t *words, int k, int c) {
    const int half = k / 16, g = k % 16 / 4, byte = k % 4 * 8, high = qn_part_low(f) / 4;
    uint32_t code;
    if (f.low == 4)
        code = qn_word_at(words, g, c) >> (byte + half * 4) & 15;
    else
        code = qn_word_at(words, half, c) >> (byte + g * 2) & 3;
    if (f.high == 1)
        code |= (qn_word_at(words, high, c) >> (byte + half * 4 + g) & 1) << f.low;
    if (f.high == 2)
        code |= (qn_word_at(words, high + half, c) >> (byte + g * 2) & 3) << f.low;
    return (int)code;
}

QN_INLINE int qn_value_of(qn_dtype t, int code) {
    switch (t) {
    case QN_Q5_0: return code - 16;
    case QN_Q3_K: return code - 4;
    case QN_Q6_K: return code - 32;
    case QN_IQ4_NL: case QN_IQ4_XS: return qn_iq4_values[code];
    case QN_MXFP4: return qn_mxfp4_values[code];
    default: return code;
    }
}

/* The scale of column c, of the head. */
QN_INLINE float qn_head_scale(qn_panel_form f, const uint8_t *head, int c) {
    uint16_t half;
    if (f.head == 1)
        return qn_e8m0_half(head[c]);
    memcpy(&half, head + c * 2, sizeof half);
    return qn_f16_to_f32(half);
}
QN_INLINE float qn_head_min(qn_panel_form f, const uint8_t *head, int c) {
    return f.head == 4 ? qn_head_scale(f, head + QN_PANEL * 2, c) : 0.0f;
}

/* Small scales of half h of a part; 1 where there are none. */
QN_INLINE int qn_small_scale(qn_dtype t, const uint8_t *part, int h, int c) {
    switch (t) {
    case QN_Q2_K: return part[h * QN_PANEL + c] & 15;
    case QN_Q3_K: case QN_Q6_K: return (int8_t)part[h * QN_PANEL + c];
    case QN_Q4_K: case QN_Q5_K: case QN_IQ4_XS: return (int8_t)part[c];
    default: return 1;
    }
}

/* What is added to x of half h: m, or −m·m_p. */
QN_INLINE float qn_small_min(qn_dtype t, const uint8_t *part, float m, int h, int c) {
    switch (t) {
    case QN_Q2_K: return -(m * (float)(part[h * QN_PANEL + c] >> 4));
    case QN_Q4_K: case QN_Q5_K: return -(m * (float)part[QN_PANEL + c]);
    default: return m;
    }
}

/* Minima enter a sum once for each so many k's; 0: there are none. */
QN_INLINE int qn_min_span(qn_dtype t) {
    switch (t) {
    case QN_Q2_K: return 16;
    case QN_Q4_1: case QN_Q5_1: case QN_Q4_K: case QN_Q5_K: return 32;
    default: return 0;
    }
}

/* A part of 32 k's as it enters products: x = (d·scale)·value + min, of the half that k lies in. */
typedef struct {
    int16_t value[QN_PART][QN_PANEL], scale[2][QN_PANEL];
    float d[QN_PANEL], min[2][QN_PANEL];
} qn_panel_part;
void qn_codes_open(qn_panel_part *p, qn_dtype t, const uint8_t *panel, int64_t k0);

/* One row's codes become column c of the span at `at`; and come back as numbers, or a part of all 32 columns. */
void qn_codes_put(uint8_t *at, qn_dtype t, int64_t c, const uint8_t *stored, int64_t n);
void qn_codes_get(float *dst, qn_dtype t, const uint8_t *panel, int64_t c, int64_t K);
void qn_codes_part(float part[QN_PART][QN_PANEL], qn_dtype t, const uint8_t *panel, int64_t k0);

#endif
