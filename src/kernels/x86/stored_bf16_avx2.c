/* kernels/x86/stored_bf16_avx2.c — BF16 weights straight from storage: pairs in words, two fmas each, even first. */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/linear_pairs.h"
#include "kernels/x86/stored_rows.h"

#define NAME qn_stored_bf16_avx2
#define DTYPE QN_BF16

QN_INLINE ivec words_of(const uint8_t *w) { return ivec_load(w); }
QN_INLINE vec step(vec sum, ivec w, const uint8_t *x) { return multiply_add(sum, pair_split(w), values_at(x)); }

#include "kernels/x86/stored_numbers.inc"
