/* kernels/x86/attn_step_dot.h — the step of attn_x86.inc for BF16 with vdpbf16ps: a pair of key elements against a
 * pair of bf16, sum + low·low + high·high in the instruction's own arithmetic (denormals count as zero). */
#ifndef QN_KERNELS_ATTN_STEP_DOT_H
#define QN_KERNELS_ATTN_STEP_DOT_H

enum { STEP_KEYS = 2, UNIT = 4, X_BYTES = 4, SCALED = 0 };
typedef __m512i operand, factor;

QN_INLINE operand operand_load(const char *p) { return _mm512_loadu_si512(p); }
QN_INLINE operand operand_load_n(const char *p, int64_t n) { return _mm512_maskz_loadu_epi32(m16_first(n), p); }
QN_INLINE factor factor_load(const char *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return _mm512_set1_epi32(pair);
}
QN_INLINE v16 mac(v16 sum, operand w, factor f) { return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)f); }

/* Queries are used where they lie. */
QN_INLINE const char *queries(const qn_attn_args *a, int64_t first, int rows, float *scratch, size_t *ldq) {
    (void)rows, (void)scratch;
    *ldq = a->ldq;
    return (const char *)a->q + (size_t)first * a->ldq;
}
QN_INLINE v16 weights_put(char *p, v16 e) {
    const h16 rounded = (h16)_mm512_cvtneps_pbh(e);
    h16_store(p, rounded);
    return v16_from_bf16(rounded);
}

#endif
