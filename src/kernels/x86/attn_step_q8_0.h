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
#include "kernels/x86/attn_step_single.h"

#endif
