/* num/iq4.c — IQ4_NL and IQ4_XS: codes of 4 bits that stand for 16 values, which lie closer together near zero. 4.5
 * and 4.25 bits per weight.
 *
 *   byte   0     2            3                       18
 *   IQ4_NL | d   | q16 : q0   | q17 : q1   …   q31 : q15 |              32 elements; d: f16
 *
 *   byte   0     2             4                 8                136
 *   IQ4_XS | d   | sh (2 bits) | sl (4 bits)     | q (4 bits)     |     256 elements in parts of 32
 *
 *   Each 16 bytes of q in IQ4_XS are a part, laid out as in IQ4_NL. s_p has its low bits in nibble p of sl, its high
 *   ones in bits 2p, 2p + 1 of sh.
 *
 *   IQ4_NL   x_i = d · v[q_i]          IQ4_XS   x_i = d · (s_p − 32) · v[q_i] */
#include "num/codes.h"

enum { BLOCK = 256, PART = 32 };

const int8_t qn_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void take_iq4_nl(qn_codes *c, const unsigned char *block) {
    c->d = qn_u16_load(block);
    qn_take_nibbles(c->code, block + 2);
}

static void take_iq4_xs(qn_codes *c, const unsigned char *block) {
    const unsigned high = qn_u16_load(block + 2);
    c->d = qn_u16_load(block);
    for (int p = 0; p < BLOCK / PART; p++) {
        const int low = block[4 + p / 2] >> p % 2 * 4 & 15;
        c->scale[p] = (int8_t)((low | (int)(high >> 2 * p & 3) << 4) - 32);
        qn_take_nibbles(c->code + p * PART, block + 8 + p * PART / 2);
    }
}

const qn_code_form qn_iq4_nl_codes = {
    .block = PART, .bytes = 18, .take = take_iq4_nl, .values = qn_iq4_values, .part = PART, .d_at = 0, .reach = 127};
const qn_code_form qn_iq4_xs_codes = {
    .block = BLOCK, .bytes = 136, .take = take_iq4_xs, .values = qn_iq4_values, .part = PART, .d_at = 0,
    .reach = 32 * 127};

void qn_iq4_nl_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_iq4_nl_codes, dst, src, n); }
void qn_iq4_xs_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_iq4_xs_codes, dst, src, n); }
