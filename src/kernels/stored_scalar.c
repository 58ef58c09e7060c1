/* kernels/stored_scalar.c — products straight from storage in plain C: the arithmetic of linear_ref.inc, one output
 * after the other. */
#include "kernels/panel_blocks.h"

enum { BLOCK = 32 };

/* One output: a row of W as stored, and an activation row. */
typedef float row_fn(const uint8_t *w, const uint8_t *x, int64_t K);

QN_INLINE void product(const qn_stored_args *a, row_fn *row) {
    for (int64_t r = 0; r < a->m; r++) {
        const uint8_t *x = (const uint8_t *)a->x + (size_t)r * a->ldx, *w = a->w;
        float *y = (float *)a->y + r * a->ldy;
        for (int64_t n = 0; n < a->n; n++, w += a->ldw)
            y[n] = row(w, x, a->K);
    }
}

static inline float f32_at(const uint8_t *p) {
    float x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint16_t u16_at(const uint8_t *p) {
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static inline float f16_at(const uint8_t *p) { return qn_f16_to_f32(u16_at(p)); }
static inline float bf16_at(const uint8_t *p) { return qn_bf16_to_f32(u16_at(p)); }

/* ---- plain numbers ---- */

static float row_f32(const uint8_t *w, const uint8_t *x, int64_t K) {
    float sum = 0;
    for (int64_t k = 0; k < K; k++)
        sum += f32_at(w + k * 4) * f32_at(x + k * 4);
    return sum;
}

static float row_f16(const uint8_t *w, const uint8_t *x, int64_t K) {
    float sum = 0;
    for (int64_t k = 0; k < K; k++)
        sum += f16_at(w + k * 2) * f32_at(x + k * 4);
    return sum;
}

static float row_bf16(const uint8_t *w, const uint8_t *x, int64_t K) {
    float sum = 0;
    for (int64_t k = 0; k < K; k++)
        sum += bf16_at(w + k * 2) * bf16_at(x + k * 2);
    return sum;
}

void qn_stored_f32_scalar(const qn_stored_args *a) { product(a, row_f32); }
void qn_stored_f16_scalar(const qn_stored_args *a) { product(a, row_f16); }
void qn_stored_bf16_scalar(const qn_stored_args *a) { product(a, row_bf16); }

/* ---- blocks ---- */

static int32_t dot_bytes(const uint8_t *q, const int8_t *x) {
    int32_t sum = 0;
    for (int j = 0; j < BLOCK; j++)
        sum += (int8_t)q[j] * x[j];
    return sum;
}

static int32_t dot_nibbles(const uint8_t *q, const int8_t *x, int offset) {
    int32_t sum = 0;
    for (int j = 0; j < BLOCK / 2; j++)
        sum += ((q[j] & 15) - offset) * x[j] + ((q[j] >> 4) - offset) * x[j + BLOCK / 2];
    return sum;
}

QN_INLINE float row_blocks(const uint8_t *w, const uint8_t *x, int64_t K, qn_dtype t) {
    const uint8_t *d = x + K, *s = d + K / BLOCK * 4;
    const int head = t == QN_Q4_1 ? 4 : 2, bytes = head + (t == QN_Q8_0 ? BLOCK : BLOCK / 2);
    float sum = 0;
    for (int64_t b = 0; b < K / BLOCK; b++, w += bytes, x += BLOCK, d += 4, s += 4) {
        const int8_t *q = (const int8_t *)x;
        const int32_t dot = t == QN_Q8_0 ? dot_bytes(w + head, q) : dot_nibbles(w + head, q, t == QN_Q4_0 ? 8 : 0);
        sum += (float)dot * (f16_at(w) * f32_at(d));
        if (t == QN_Q4_1)
            sum += f16_at(w + 2) * (f32_at(d) * (float)((int16_t)u16_at(s) + (int16_t)u16_at(s + 2)));
    }
    return sum;
}

static float row_q8_0(const uint8_t *w, const uint8_t *x, int64_t K) { return row_blocks(w, x, K, QN_Q8_0); }
static float row_q4_0(const uint8_t *w, const uint8_t *x, int64_t K) { return row_blocks(w, x, K, QN_Q4_0); }
static float row_q4_1(const uint8_t *w, const uint8_t *x, int64_t K) { return row_blocks(w, x, K, QN_Q4_1); }

void qn_stored_q8_0_scalar(const qn_stored_args *a) { product(a, row_q8_0); }
void qn_stored_q4_0_scalar(const qn_stored_args *a) { product(a, row_q4_0); }
void qn_stored_q4_1_scalar(const qn_stored_args *a) { product(a, row_q4_1); }

/* ---- codes (num/codes.h), 32 elements at a time ---- */

/* Σ_h s_h·Σ v·q of part p of a block. */
static int32_t dot_codes(const qn_codes *c, const qn_code_form *f, int p, const int8_t *x) {
    int32_t sum = 0;
    for (int j = 0; j < BLOCK; j++) {
        const int code = c->code[p * BLOCK + j], at = (p * BLOCK + j) / f->part;
        const int value = f->values ? f->values[code] : code - f->offset;
        sum += (f->part == f->block ? 1 : c->scale[at]) * value * x[j];
    }
    return sum;
}

static float row_codes(const uint8_t *w, const uint8_t *x, int64_t K, qn_dtype t) {
    const qn_code_form *f = qn_code_form_of(t);
    const uint8_t *d_x = x + K, *s = d_x + K / BLOCK * 4;
    const int span = qn_min_span(t);
    float sum = 0;
    for (int64_t k = 0; k < K; k += f->block, w += f->bytes) {
        qn_codes c = {.m = 0};
        f->take(&c, w);
        const float d = f->exponent ? qn_e8m0_half(c.d) : qn_f16_to_f32(c.d), m = qn_f16_to_f32(c.m);
        for (int p = 0; p < f->block / BLOCK; p++, x += BLOCK, d_x += 4, s += 4) {
            const int16_t sums[2] = {(int16_t)u16_at(s), (int16_t)u16_at(s + 2)};
            sum += (float)dot_codes(&c, f, p, (const int8_t *)x) * (d * f32_at(d_x));
            for (int h = 0; span && h < BLOCK / span; h++) {
                const float min = f->min == QN_MIN_SCALED ? -(m * (float)c.min[p * BLOCK / f->part + h]) : m;
                sum += min * (f32_at(d_x) * (float)(span == 16 ? sums[h] : sums[0] + sums[1]));
            }
        }
    }
    return sum;
}

#define CODES(T, name)                                                                                       \
    static float row_##name(const uint8_t *w, const uint8_t *x, int64_t K) { return row_codes(w, x, K, T); } \
    void qn_stored_##name##_scalar(const qn_stored_args *a) { product(a, row_##name); }
QN_EACH_CODE(CODES)
