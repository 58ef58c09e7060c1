/* kernels/x86/attn_step_single.h — what the steps of attn_x86.inc share that take one key element and one float at a
 * time: queries are used where they lie, weights are floats. The includer has defined operand and factor. */
#ifndef QN_KERNELS_ATTN_STEP_SINGLE_H
#define QN_KERNELS_ATTN_STEP_SINGLE_H

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
