/* kernels/x86/linear_f16_avx2.c — F16 weights, widened on their way into the registers. */
#include "kernels/x86/simd_avx2.h"

#define NAME qn_linear_f16_avx2
#define DTYPE QN_F16
#define MOST 6
enum { STEP = 1, STEP_BYTES = QN_PANEL * 2 };

typedef vec weights, values;
QN_INLINE weights weights_at(const uint8_t *w, int v) { return vec_load_f16(w + v * LANES * 2); }
QN_INLINE values values_at(const uint8_t *x) { return vec_set1(*(const float *)(const void *)x); }
QN_INLINE vec multiply_add(vec sum, weights w, values x) { return vec_fma(w, x, sum); }

#include "kernels/x86/linear_float.inc"
