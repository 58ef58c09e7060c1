/* num/q4_k.c — Q4_K and Q5_K: 256 elements of 4 or 5 bits in parts of 32, each with a scale and a minimum of 6 bits.
 * 4.5 and 5.5 bits per weight.
 *
 *   byte   0     2     4           16                             144
 *   Q4_K   | d   | m   | s, m_p    | q (4 bits)                    |          d, m: f16
 *   Q5_K   | d   | m   | s, m_p    | h (1 bit)   | q (4 bits)      |          h ends at 48, q at 176
 *
 *   The low nibble of byte 32a + l of q belongs to element 64a + l, the high one to 64a + 32 + l; bit b of byte l of h
 *   is bit 4 of element 32b + l. Twelve bytes hold the eight s_p and the eight m_p:
 *
 *   byte 0…3    bits 0–5: s_0…s_3,  bits 6, 7: bits 4, 5 of s_4…s_7
 *   byte 4…7    bits 0–5: m_0…m_3,  bits 6, 7: bits 4, 5 of m_4…m_7
 *   byte 8…11   bits 0–3: those of s_4…s_7,  bits 4–7: those of m_4…m_7
 *
 *   x_i = d · s_p · q_i − m · m_p */
#include "num/codes.h"

enum { BLOCK = 256, PART = 32, HALF_PARTS = 4 };

static void take_scales(qn_codes *c, const unsigned char *block) {
    const unsigned char *s = block + 4;
    c->d = qn_u16_load(block);
    c->m = qn_u16_load(block + 2);
    for (int p = 0; p < HALF_PARTS; p++) {
        c->scale[p] = (int8_t)(s[p] & 63);
        c->min[p] = s[p + 4] & 63;
        c->scale[p + 4] = (int8_t)((s[p + 8] & 15) | s[p] >> 6 << 4);
        c->min[p + 4] = (uint8_t)(s[p + 8] >> 4 | s[p + 4] >> 6 << 4);
    }
}

static void take_nibbles(qn_codes *c, const unsigned char *q) {
    for (int a = 0; a < HALF_PARTS; a++, q += PART)
        for (int l = 0; l < PART; l++) {
            c->code[a * 64 + l] = q[l] & 15;
            c->code[a * 64 + 32 + l] = q[l] >> 4;
        }
}

static void take_q4_k(qn_codes *c, const unsigned char *block) {
    take_scales(c, block);
    take_nibbles(c, block + 16);
}

static void take_q5_k(qn_codes *c, const unsigned char *block) {
    const unsigned char *h = block + 16;
    take_scales(c, block);
    take_nibbles(c, block + 48);
    for (int b = 0; b < BLOCK / PART; b++)
        for (int l = 0; l < PART; l++)
            c->code[b * PART + l] |= (uint8_t)((h[l] >> b & 1) << 4);
}

const qn_code_form qn_q4_k_codes = {
    .block = BLOCK, .bytes = 144, .take = take_q4_k, .part = PART, .min = QN_MIN_SCALED, .d_at = 0, .m_at = 2,
    .reach = 63 * 15};
const qn_code_form qn_q5_k_codes = {
    .block = BLOCK, .bytes = 176, .take = take_q5_k, .part = PART, .min = QN_MIN_SCALED, .d_at = 0, .m_at = 2,
    .reach = 63 * 31};

void qn_q4_k_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q4_k_codes, dst, src, n); }
void qn_q5_k_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q5_k_codes, dst, src, n); }
