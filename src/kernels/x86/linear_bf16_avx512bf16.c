/* kernels/x86/linear_bf16_avx512bf16.c — BF16 weights and activations with the dot product of pairs: 12 rows × 32
 * columns. */
#include "kernels/x86/simd_avx512.h"

#define NAME qn_linear_bf16_avx512bf16
#define DTYPE QN_BF16
#define MOST 12
enum { STEP = 2, STEP_BYTES = QN_PANEL * 4 };

typedef ivec weights, values;
QN_INLINE weights weights_at(const uint8_t *w, int v) { return ivec_load(w + v * LANES * 4); }
QN_INLINE values values_at(const uint8_t *x) { return ivec_set1(*(const int32_t *)(const void *)x); }
QN_INLINE vec multiply_add(vec sum, weights w, values x) { return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)x); }

#include "kernels/x86/linear_float.inc"
