/* kernels/x86/linear_f32_avx512.c — F32 weights: 12 rows × 32 columns, 24 sums. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_f32_avx512
#define DTYPE QN_F32
#define MOST 12
enum { STEP = 1, STEP_BYTES = QN_PANEL * 4 };

typedef vec weights, values;
QN_INLINE weights weights_at(const uint8_t *w, int v) { return vec_load(w + v * LANES * 4); }
QN_INLINE values values_at(const uint8_t *x) { return vec_set1(*(const float *)(const void *)x); }
QN_INLINE vec multiply_add(vec sum, weights w, values x) { return vec_fma(w, x, sum); }

#include "kernels/x86/linear_float.inc"
