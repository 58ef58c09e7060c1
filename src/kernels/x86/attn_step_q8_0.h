/* kernels/x86/attn_step_q8_0.h — the step of attn_x86.inc for Q8_0: one key element, a byte widened on the way, against
 * one float. Scales come in when a group of head dims is done (keys), and with the softmax weights (values). */
#ifndef QN_KERNELS_ATTN_STEP_Q8_0_H
#define QN_KERNELS_ATTN_STEP_Q8_0_H

enum { STEP_KEYS = 1, UNIT = 1, X_BYTES = 4, SCALED = 1 };
typedef v16 operand, factor;

QN_INLINE operand operand_load(const char *p) { return v16_from_i8(p); }
QN_INLINE operand operand_load_n(const char *p, int64_t n) {
    char padded[16] = {0};
    memcpy(padded, p, (size_t)n);
    return v16_from_i8(padded);
}
QN_INLINE factor factor_load(const char *x) { return v16_all(*(const float *)(const void *)x); }
QN_INLINE v16 mac(v16 sum, operand w, factor f) { return v16_fma(w, f, sum); }

/* Queries are used where they lie. */
QN_INLINE const char *queries(const qn_attn_args *a, int64_t first, int rows, float *scratch, size_t *ldq) {
    (void)rows, (void)scratch;
    *ldq = a->ldq;
    return (const char *)a->q + (size_t)first * a->ldq;
}
QN_INLINE v16 weights_put(char *p, v16 e) {
    v16_store((float *)(void *)p, e);
    return e;
}

#endif
