/* num/q2_k.c — Q2_K: 256 elements of 2 bits in parts of 16, each with a scale and a minimum of 4 bits. 2.625 bits per
 * weight.
 *
 *   byte   0              16             80    82    84
 *          | m_p : s_p    | q (2 bits)   | d   | m   |        d, m: f16; p = 0…15
 *
 *   Bits 2s, 2s + 1 of byte 32h + l of q belong to element 128h + 32s + l.
 *
 *   x_i = d · s_p · q_i − m · m_p */
#include "num/codes.h"

enum { BLOCK = 256, PART = 16 };

static void take(qn_codes *c, const unsigned char *block) {
    const unsigned char *q = block + 16;
    for (int p = 0; p < BLOCK / PART; p++) {
        c->scale[p] = (int8_t)(block[p] & 15);
        c->min[p] = block[p] >> 4;
    }
    for (int s = 0; s < 8; s++)
        for (int l = 0; l < 32; l++)
            c->code[s * 32 + l] = q[s / 4 * 32 + l] >> s % 4 * 2 & 3;
    c->d = qn_u16_load(block + 80);
    c->m = qn_u16_load(block + 82);
}

const qn_code_form qn_q2_k_codes = {
    .block = BLOCK, .bytes = 84, .take = take, .part = PART, .min = QN_MIN_SCALED, .d_at = 80, .m_at = 82,
    .reach = 15 * 3};

void qn_q2_k_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q2_k_codes, dst, src, n); }
