/* num/q6_k.c — Q6_K: 256 elements of 6 bits in parts of 16, each with a scale of 8 bits. 6.5625 bits per weight.
 *
 *   byte   0                  128            192           208   210
 *          | q (low 4 bits)   | h (2 bits)   | s (int8)    | d   |          d: f16
 *
 *   The low nibble of byte 64a + l of q belongs to element 128a + l, the high one to 128a + 64 + l; bits 2k, 2k + 1 of
 *   byte 32a + l of h are bits 4, 5 of element 128a + 32k + l.
 *
 *   x_i = d · s_p · (q_i − 32) */
#include "num/codes.h"

enum { BLOCK = 256, PART = 16 };

static void take(qn_codes *c, const unsigned char *block) {
    const unsigned char *h = block + 128;
    for (int a = 0; a < 2; a++)
        for (int k = 0; k < 4; k++)
            for (int l = 0; l < 32; l++) {
                const int low = block[a * 64 + k % 2 * 32 + l] >> k / 2 * 4 & 15, high = h[a * 32 + l] >> k * 2 & 3;
                c->code[a * 128 + k * 32 + l] = (uint8_t)(low | high << 4);
            }
    memcpy(c->scale, block + 192, BLOCK / PART);
    c->d = qn_u16_load(block + 208);
}

const qn_code_form qn_q6_k_codes = {
    .block = BLOCK, .bytes = 210, .take = take, .offset = 32, .part = PART, .d_at = 208, .reach = 128 * 32};

void qn_q6_k_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_q6_k_codes, dst, src, n); }
