/* kernels/x86/stored_codes_avx2.c — codes (num/codes.h) straight from storage: the blocks of eight rows are taken
 * apart, then multiplied 32 elements at a time. Small scales multiply pairs of products on their way to 32 bits; the
 * rest is as packed (linear_codes.inc): one fma with d_w·d_x, and one for each minimum. */
#include "kernels/panel_blocks.h"
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/stored_fold.h"
#include "kernels/x86/stored_rows.h"

/* What eight blocks have in common: their form, and what codes stand for. */
typedef struct {
    const qn_code_form *f;
    ivec table, offset;
    int span;                           /* elements that share a minimum; 0: there are none */
} form;

typedef struct { float d[LANES], min[2][LANES]; } heads;

QN_INLINE ivec scales_of(const qn_codes *c, const qn_code_form *f, int p) {
    if (f->part == f->block)
        return _mm256_set1_epi16(1);
    if (f->part == QN_PART)
        return _mm256_set1_epi16(c->scale[p]);
    return _mm256_set_m128i(_mm_set1_epi16(c->scale[2 * p + 1]), _mm_set1_epi16(c->scale[2 * p]));
}

/* Part p of one row's block: 2·127·127 < 2¹⁵, the signs of the values move to the activations. */
QN_INLINE ivec part_dots(const qn_codes *c, const form *o, int p, ivec x) {
    const ivec code = ivec_load(c->code + p * QN_PART);
    const ivec v = o->f->values ? ivec_lookup(o->table, code) : _mm256_sub_epi8(code, o->offset);
    return ivec_madd(ivec_maddubs(ivec_abs8(v), ivec_sign8(x, v)), scales_of(c, o->f, p));
}

QN_INLINE ivec four_dots(const qn_codes *c, const form *o, int p, ivec x) {
    return fold_four(fold_two(part_dots(c, o, p, x), part_dots(c + 1, o, p, x), false),
                     fold_two(part_dots(c + 2, o, p, x), part_dots(c + 3, o, p, x), false), false);
}

/* (0 − m)·m_p of K-quants, m of the others. */
static void minima_of(heads *h, const qn_codes *c, const form *o, int p) {
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < QN_PART / o->span; j++) {
            const float m = qn_f16_to_f32(c[i].m);
            h->min[j][i] = o->f->min == QN_MIN_SCALED ? (0 - m) * (float)c[i].min[p * QN_PART / o->f->part + j] : m;
        }
}

/* One part enters the sums; dx and s are the activation row's of this part. */
QN_INLINE vec part_end(vec sum, ivec dot, const heads *h, const uint8_t *dx, const uint8_t *s, int span) {
    const vec d_x = vec_set1(*(const float *)(const void *)dx);
    const ivec both = ivec_set1(*(const int32_t *)(const void *)s);
    sum = vec_fma(vec_of_ints(dot), vec_mul(vec_load(h->d), d_x), sum);
    for (int j = 0; span && j < QN_PART / span; j++) {
        const ivec which = ivec_set1(span == QN_PART ? 0x10001 : j ? 0x10000 : 1);
        sum = vec_fma(vec_load(h->min[j]), vec_mul(d_x, vec_of_ints(ivec_madd(both, which))), sum);
    }
    return sum;
}

QN_INLINE vec sums_codes(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead,
                         qn_dtype t) {
    const qn_code_form *f = qn_code_form_of(t);
    const form o = {f, f->values ? ivec_load_16(f->values) : ivec_zero(), _mm256_set1_epi8((char)f->offset),
                    qn_min_span(t)};
    const uint8_t *dx = x + K, *s = dx + K / QN_PART * 4, *end = dx;
    vec sum = vec_zero();
    for (size_t at = 0; x < end; at += (size_t)f->bytes, ahead += LANES * f->bytes) {
        qn_codes c[LANES];
        heads h;
        prefetch_lines(ahead, LANES * f->bytes);
        for (int i = 0; i < LANES; i++) {
            f->take(&c[i], row[i] + at);
            h.d[i] = f->exponent ? qn_e8m0_half(c[i].d) : qn_f16_to_f32(c[i].d);
        }
        for (int p = 0; p < f->block / QN_PART; p++, x += QN_PART, dx += 4, s += 4) {
            const ivec here = ivec_load(x);
            if (o.span)
                minima_of(&h, c, &o, p);
            sum = part_end(sum, fold_eight(four_dots(c, &o, p, here), four_dots(c + 4, &o, p, here), false), &h, dx, s,
                           o.span);
        }
    }
    return sum;
}

#define CODES(T, name)                                                                                       \
    static vec sums_##name(const uint8_t *const row[LANES], const uint8_t *x, int64_t K, const uint8_t *ahead) { \
        return sums_codes(row, x, K, ahead, T);                                                              \
    }                                                                                                        \
    void qn_stored_##name##_avx2(const qn_stored_args *a) { walk_rows(a, sums_##name); }
QN_EACH_CODE(CODES)
