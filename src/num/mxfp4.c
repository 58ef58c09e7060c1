/* num/mxfp4.c — MXFP4 (OCP Microscaling Formats 1.0): blocks of 32 floats of 4 bits (E2M1) under a power of two. 4.25
 * bits per weight.
 *
 *   byte   0     1            2                       17
 *          | e   | q16 : q0   | q17 : q1   …   q31 : q15 |
 *
 *   x_i = 2^(e − 128) · v[q_i];   v are the numbers 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives, doubled; ggml has no
 *   NaN here: e = 255 is 2^127 too */
#include "num/codes.h"

enum { BLOCK = 32 };

const int8_t qn_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void take(qn_codes *c, const unsigned char *block) {
    c->d = block[0];
    qn_take_nibbles(c->code, block + 1);
}

const qn_code_form qn_mxfp4_codes = {
    .block = BLOCK, .bytes = 17, .take = take, .values = qn_mxfp4_values, .part = BLOCK, .exponent = true, .d_at = 0,
    .reach = 12};

void qn_mxfp4_decode(float *dst, const void *src, int64_t n) { qn_codes_decode(&qn_mxfp4_codes, dst, src, n); }
