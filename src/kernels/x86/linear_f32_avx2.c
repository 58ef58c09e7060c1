/* kernels/x86/linear_f32_avx2.c — F32 weights: 6 rows × 16 columns, 12 sums. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_f32_avx2
#define DTYPE QN_F32
#define MOST 6
enum { STEP = 1, STEP_BYTES = QN_PANEL * 4 };

typedef vec weights, values;
QN_INLINE weights weights_at(const uint8_t *w, int v) { return vec_load(w + v * LANES * 4); }
QN_INLINE values values_at(const uint8_t *x) { return vec_set1(*(const float *)(const void *)x); }
QN_INLINE vec multiply_add(vec sum, weights w, values x) { return vec_fma(w, x, sum); }

#include "kernels/x86/linear_float.inc"
