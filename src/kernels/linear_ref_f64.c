/* kernels/linear_ref_f64.c — the scalar twins in double: the judge. F64 panels and rows exist here alone. */
#include "kernels/panel_blocks.h"

typedef double real;
#define QN_TWIN(name) name##_judge
#include "kernels/linear_ref.inc"

static inline real x_f64(const void *row, int64_t k) { return ((const double *)row)[k]; }

static inline void slab_f64(real w[SLAB][QN_PANEL], const void *panel, int64_t k0, int64_t n) {
    memcpy(w, (const double *)panel + k0 * QN_PANEL, (size_t)n * QN_PANEL * sizeof(double));
}

void qn_linear_f64_judge(const qn_linear_args *a) { product(a, qn_panel_bytes(QN_F64, a->K), slab_f64, x_f64); }

void qn_act_pack_f32_judge(void *dst, const qn_real *src, int64_t K) {
    for (int64_t k = 0; k < K; k++)
        ((float *)dst)[k] = (float)((const double *)src)[k];
}
