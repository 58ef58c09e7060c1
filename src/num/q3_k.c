/* num/q3_k.c — Q3_K: 256 elements of 3 bits in parts of 16, each with a scale of 6 bits. 3.4375 bits per weight.
 *
 *   byte   0              32             96             108   110
 *          | h (1 bit)    | q (2 bits)   | s (6 bits)   | d   |          d: f16
 *
 *   Bits 2s, 2s + 1 of byte 32h + l of q belong to element 128h + 32s + l; bit b of byte l of h is bit 2 of element
 *   32b + l. The low nibbles of the first eight bytes of s are the low bits of s_0…s_7, the high ones those of
 *   s_8…s_15; bits 2k, 2k + 1 of byte 8 + j are the high ones of s_(4k + j).
 *
 *   x_i = d · (s_p − 32) · (q_i − 4) */
#include "num/codes.h"

enum { BLOCK = 256, PART = 16 };

static void take(qn_codes *c, const unsigned char *block) {
    const unsigned char *q = block + 32, *s = block + 96;
    for (int p = 0; p < BLOCK / PART; p++) {
        const int low = s[p % 8] >> p / 8 * 4 & 15, high = s[8 + p % 4] >> p / 4 * 2 & 3;
        c->scale[p] = (int8_t)((low | high << 4) - 32);
    }
    for (int b = 0; b < 8; b++)
        for (int l = 0; l < 32; l++)
            c->code[b * 32 + l] = (uint8_t)((q[b / 4 * 32 + l] >> b % 4 * 2 & 3) | (block[l] >> b & 1) << 2);
    c->d = qn_u16_load(block + 108);
}

const qn_code_form qn_q3_k_codes = {
    .block = BLOCK, .bytes = 110, .take = take, .offset = 4, .part = PART, .d_at = 108, .reach = 32 * 4};

void qn_q3_k_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q3_k_codes, dst, src, n); }
