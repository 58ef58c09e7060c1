/* kernels/x86/attn_step_float.h — the step of attn_x86.inc where keys and values are F32, or F16 widened on the way:
 * one key element against one float. The includer defines ATTN_HALF: 1 for F16. */
#ifndef QN_KERNELS_ATTN_STEP_FLOAT_H
#define QN_KERNELS_ATTN_STEP_FLOAT_H

enum { STEP_KEYS = 1, UNIT = ATTN_HALF ? 2 : 4, X_BYTES = 4, SCALED = 0 };
typedef v16 operand, factor;

QN_INLINE operand operand_load(const char *p) {
    return ATTN_HALF ? v16_from_f16(h16_load(p)) : v16_load((const float *)(const void *)p);
}
QN_INLINE operand operand_load_n(const char *p, int64_t n) {
    return ATTN_HALF ? v16_from_f16(h16_load_n(p, n)) : v16_load_n((const float *)(const void *)p, n);
}

#include "kernels/x86/attn_step_single.h"

#endif
