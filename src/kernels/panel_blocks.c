/* kernels/panel_blocks.c — blocks of codes into panels and out of them (panel_blocks.h draws the bits). On the way out
 * each dtype has its own copy of the loops, in which its form is a constant. */
#include "kernels/panel_blocks.h"

/* ---- in ---- */

QN_INLINE uint32_t load_word(const uint8_t *p) {
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

QN_INLINE void put_word(uint8_t *words, int word, int64_t c, uint32_t u) {
    memcpy(words + word * QN_GROUP + c * 4, &u, sizeof u);
}

/* The bits of 32 codes, four codes at a time. */
static void put_part(uint8_t *words, qn_panel_form f, int64_t c, const uint8_t *code) {
    uint32_t low[2] = {0, 0}, high[2] = {0, 0};
    for (int g = 0; g < 4; g++) {
        const uint32_t a = load_word(code + 4 * g), b = load_word(code + 16 + 4 * g);
        if (f.low == 4)
            put_word(words, g, c, (a & 0x0f0f0f0fu) | (b & 0x0f0f0f0fu) << 4);
        low[0] |= (a & 0x03030303u) << 2 * g;
        low[1] |= (b & 0x03030303u) << 2 * g;
        if (f.high == 1)
            high[0] |= (a >> f.low & 0x01010101u) << g | (b >> f.low & 0x01010101u) << (4 + g);
        if (f.high == 2) {
            high[0] |= (a >> f.low & 0x03030303u) << 2 * g;
            high[1] |= (b >> f.low & 0x03030303u) << 2 * g;
        }
    }
    for (int h = 0; f.low == 2 && h < 2; h++)
        put_word(words, h, c, low[h]);
    for (int h = 0; h < f.high; h++)
        put_word(words, qn_part_low(f) / 4 + h, c, high[h]);
}

/* Small scales of 32 elements, the p-th part of a span. */
static void put_small(uint8_t *part, qn_dtype t, int64_t c, const qn_codes *code, int p) {
    if (t == QN_Q4_K || t == QN_Q5_K || t == QN_IQ4_XS)
        part[c] = (uint8_t)code->scale[p];
    if (t == QN_Q4_K || t == QN_Q5_K)
        part[QN_PANEL + c] = code->min[p];
    for (int h = 0; (t == QN_Q2_K || t == QN_Q3_K || t == QN_Q6_K) && h < 2; h++)
        part[h * QN_PANEL + c] = (uint8_t)(code->scale[2 * p + h] | (t == QN_Q2_K ? code->min[2 * p + h] << 4 : 0));
}

void qn_codes_put(uint8_t *at, qn_dtype t, int64_t c, const uint8_t *stored, int64_t n) {
    const qn_panel_form f = qn_panel_form_of(t);
    const qn_code_form *code = qn_code_form_of(t);
    qn_codes taken = {.m = 0};
    for (int64_t k = 0; k < n; k += QN_PART * f.per, stored += code->bytes) {
        code->take(&taken, stored);
        if (f.head == 1)
            at[c] = (uint8_t)taken.d;
        else
            memcpy(at + c * 2, &taken.d, sizeof taken.d);
        if (f.head == 4)
            memcpy(at + QN_PANEL * 2 + c * 2, &taken.m, sizeof taken.m);
        at += f.head * QN_PANEL;
        for (int p = 0; p < f.per; p++, at += qn_part_bytes(f) * QN_PANEL) {
            put_small(at, t, c, &taken, p);
            put_part(at + f.small * QN_PANEL, f, c, taken.code + p * QN_PART);
        }
    }
}

/* ---- out ---- */

QN_INLINE void get(float *dst, const qn_dtype t, const uint8_t *panel, int c, int64_t K) {
    const qn_panel_form f = qn_panel_form_of(t);
    for (int64_t k0 = 0; k0 < K; k0 += QN_PART) {
        const uint8_t *head = qn_head_at(f, panel, k0), *part = qn_part_at(f, head, k0);
        const float d = qn_head_scale(f, head, c), m = qn_head_min(f, head, c);
        for (int h = 0; h < 2; h++) {
            const float scale = f.small ? d * (float)qn_small_scale(t, part, h, c) : d;
            const float min = qn_small_min(t, part, m, h, c);
            for (int k = 16 * h; k < 16 * h + 16; k++) {
                const float x = scale * (float)qn_value_of(t, qn_code_at(f, part + f.small * QN_PANEL, k, c));
                dst[k0 + k] = qn_min_span(t) ? x + min : x;
            }
        }
    }
}

QN_INLINE void open_part(qn_panel_part *p, const qn_dtype t, const uint8_t *panel, int64_t k0) {
    const qn_panel_form f = qn_panel_form_of(t);
    const uint8_t *head = qn_head_at(f, panel, k0), *part = qn_part_at(f, head, k0);
    for (int c = 0; c < QN_PANEL; c++) {
        p->d[c] = qn_head_scale(f, head, c);
        for (int h = 0; h < 2; h++) {
            p->scale[h][c] = (int16_t)qn_small_scale(t, part, h, c);
            p->min[h][c] = qn_small_min(t, part, qn_head_min(f, head, c), h, c);
        }
    }
    for (int k = 0; k < QN_PART; k++)
        for (int c = 0; c < QN_PANEL; c++)
            p->value[k][c] = (int16_t)qn_value_of(t, qn_code_at(f, part + f.small * QN_PANEL, k, c));
}

void qn_codes_part(float x[QN_PART][QN_PANEL], qn_dtype t, const uint8_t *panel, int64_t k0) {
    qn_panel_part p;
    float scale[QN_PANEL];
    qn_codes_open(&p, t, panel, k0);
    for (int k = 0; k < QN_PART; k++) {
        for (int c = 0; c < QN_PANEL && k % 16 == 0; c++)
            scale[c] = p.d[c] * (float)p.scale[k / 16][c];
        for (int c = 0; c < QN_PANEL; c++)
            x[k][c] = scale[c] * (float)p.value[k][c];
        for (int c = 0; c < QN_PANEL && qn_min_span(t); c++)
            x[k][c] += p.min[k / 16][c];
    }
}

/* ---- the copies ---- */

void qn_codes_get(float *dst, qn_dtype t, const uint8_t *panel, int64_t c, int64_t K) {
    switch (t) {
#define GET(T, name) case T: get(dst, T, panel, (int)c, K); break;
    QN_EACH_CODE(GET)
#undef GET
    default: qn_assert(!"a dtype of codes");
    }
}

void qn_codes_open(qn_panel_part *p, qn_dtype t, const uint8_t *panel, int64_t k0) {
    switch (t) {
#define OPEN(T, name) case T: open_part(p, T, panel, k0); break;
    QN_EACH_CODE(OPEN)
#undef OPEN
    default: qn_assert(!"a dtype of codes");
    }
}
