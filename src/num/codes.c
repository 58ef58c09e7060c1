/* num/codes.c — what blocks of codes decode to, whatever their bits look like (codes.h has the formulas); and rows of
 * them for those who measure and test, since nothing here encodes such blocks. */
#include "base/base.h"
#include "num/codes.h"

const qn_code_form *qn_code_form_of(qn_dtype t) {
    switch (t) {
    case QN_Q5_0: return &qn_q5_0_codes;
    case QN_Q5_1: return &qn_q5_1_codes;
    case QN_Q2_K: return &qn_q2_k_codes;
    case QN_Q3_K: return &qn_q3_k_codes;
    case QN_Q4_K: return &qn_q4_k_codes;
    case QN_Q5_K: return &qn_q5_k_codes;
    case QN_Q6_K: return &qn_q6_k_codes;
    case QN_IQ4_NL: return &qn_iq4_nl_codes;
    case QN_IQ4_XS: return &qn_iq4_xs_codes;
    case QN_MXFP4: return &qn_mxfp4_codes;
    default: return NULL;
    }
}

static void decode_part(float *dst, const qn_code_form *f, const uint8_t *code, float scale, float min) {
    for (int i = 0; i < f->part; i++) {
        const int v = f->values ? f->values[code[i]] : code[i] - f->offset;
        dst[i] = scale * (float)v;
    }
    for (int i = 0; i < f->part && f->min != QN_MIN_NONE; i++)
        dst[i] += min;
}

void qn_codes_decode(const qn_code_form *f, float *dst, const void *src, int64_t n) {
    const unsigned char *block = src;
    for (int64_t i = 0; i < n; i += f->block, block += f->bytes) {
        qn_codes c = {.m = 0};
        f->take(&c, block);
        const float d = f->exponent ? qn_e8m0_half(c.d) : qn_f16_to_f32(c.d), m = qn_f16_to_f32(c.m);
        for (int p = 0; p < f->block / f->part; p++) {
            const bool whole = f->part == f->block;
            const float scale = whole ? d : d * (float)c.scale[p];
            const float min = f->min == QN_MIN_SCALED ? -(m * (float)c.min[p]) : m;
            decode_part(dst + i + p * f->part, f, c.code + p * f->part, scale, min);
        }
    }
}

/* ---- rows for benchmarks and self-tests ---- */

static void put_half(unsigned char *at, float x) {
    const uint16_t h = qn_f32_to_f16(x);
    memcpy(at, &h, sizeof h);
}

/* Any bytes are codes and small scales; scales of the block so that the largest numbers are near `magnitude`, minima
 * so that zero lies in the middle. */
static void fill_codes(const qn_code_form *f, unsigned char *block, uint32_t salt, uint64_t index, float magnitude) {
    const float u = qn_fill_value(salt, index * 512, 0.25f) + 0.75f, d = magnitude / (float)f->reach * u;
    for (int i = 0; i < f->bytes; i++)
        block[i] = (unsigned char)(int)(qn_fill_value(salt, index * 512 + 1 + (uint64_t)i, 128.0f) + 128.0f);
    if (f->exponent) {
        const int e = (int)(qn_f32_bits(d) >> 23 & 255) + 1;
        block[f->d_at] = (unsigned char)QN_MIN(e, 254);
        return;
    }
    put_half(block + f->d_at, f->min == QN_MIN_NONE && u < 0.6f ? -d : d);
    if (f->min == QN_MIN_ADDED)
        put_half(block + f->m_at, -d * (float)f->reach / 2);
    if (f->min == QN_MIN_SCALED)
        put_half(block + f->m_at, d * (float)(f->bytes == qn_q2_k_codes.bytes ? 1.5 : 7.5));
}

void qn_fill_row(qn_dtype t, void *dst, int64_t n, uint32_t salt, uint64_t from, float magnitude) {
    enum { SOME = 256 };
    const qn_dtype_info *info = qn_dtype_get(t);
    const qn_code_form *f = qn_code_form_of(t);
    unsigned char *at = dst;
    float x[SOME];
    for (int64_t i = 0; f && i < n; i += f->block, at += f->bytes)
        fill_codes(f, at, salt, (from + (uint64_t)i) / (uint64_t)f->block, magnitude);
    for (int64_t i = 0; !f && i < n; i += SOME) {
        const int64_t some = QN_MIN(SOME, n - i);
        for (int64_t j = 0; j < some; j++)
            x[j] = qn_fill_value(salt, from + (uint64_t)(i + j), magnitude);
        info->encode_row(at + qn_dtype_row_bytes(t, i), x, some);
    }
}
