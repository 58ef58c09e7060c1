/* num/q5.c — Q5_0 and Q5_1: Q4_0 and Q4_1 with a fifth bit for every element. 5.5 and 6 bits per weight.
 *
 *   byte   0     2            6            7                   22
 *   Q5_0   | d   | h (32 bit) | q16 : q0   | …     q31 : q15    |      d: f16; bit i of h is bit 4 of q_i
 *
 *   byte   0     2     4            8            9                   24
 *   Q5_1   | d   | m   | h (32 bit) | q16 : q0   | …     q31 : q15    |      d, m: f16
 *
 *   Q5_0   x_i = d · (q_i − 16)          Q5_1   x_i = d · q_i + m            q_i in 0…31 */
#include "num/codes.h"

enum { BLOCK = 32 };

static void take(qn_codes *c, const unsigned char *bits) {
    uint32_t h;
    memcpy(&h, bits, sizeof h);
    qn_take_nibbles(c->code, bits + sizeof h);
    for (int i = 0; i < BLOCK; i++)
        c->code[i] |= (uint8_t)((h >> i & 1) << 4);
}

static void take_q5_0(qn_codes *c, const unsigned char *block) {
    c->d = qn_u16_load(block);
    take(c, block + 2);
}

static void take_q5_1(qn_codes *c, const unsigned char *block) {
    c->d = qn_u16_load(block);
    c->m = qn_u16_load(block + 2);
    take(c, block + 4);
}

const qn_code_form qn_q5_0_codes = {
    .block = BLOCK, .bytes = 22, .take = take_q5_0, .offset = 16, .part = BLOCK, .d_at = 0, .reach = 16};
const qn_code_form qn_q5_1_codes = {
    .block = BLOCK, .bytes = 24, .take = take_q5_1, .part = BLOCK, .min = QN_MIN_ADDED, .d_at = 0, .m_at = 2,
    .reach = 31};

void qn_q5_0_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q5_0_codes, dst, src, n); }
void qn_q5_1_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q5_1_codes, dst, src, n); }
