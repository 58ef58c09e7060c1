/* num/codes.h — blocks whose fields do not lie where anybody wants them, taken apart: codes in the order of their
 * elements, one byte each, and the small scales beside them. Decoding and packing both begin here.
 *
 *   x_i = d·scale_p · v_i                       v_i = code_i − offset, or values[code_i];  p = i / part
 *   x_i = d·v_i + m                             with a minimum of its own (QN_MIN_ADDED)
 *   x_i = d·scale_p · v_i − m·min_p             with small minima (QN_MIN_SCALED)
 *
 * d and m are f16, small scales integers of at most 8 bits, so d·scale_p and m·min_p are exact in f32; each further
 * product and the difference are rounded one by one. */
#ifndef QN_NUM_CODES_H
#define QN_NUM_CODES_H

#include "num/num.h"

enum { QN_CODES_MOST = 256, QN_PARTS_MOST = 16 };       /* of one block */

typedef struct {
    uint8_t code[QN_CODES_MOST];
    int8_t scale[QN_PARTS_MOST];
    uint8_t min[QN_PARTS_MOST];
    uint16_t d, m;                      /* bits of f16; MXFP4: its exponent */
} qn_codes;

typedef enum { QN_MIN_NONE, QN_MIN_ADDED, QN_MIN_SCALED } qn_min_kind;

typedef struct {
    int block, bytes;                   /* elements and bytes of a block */
    void (*take)(qn_codes *c, const unsigned char *block);
    const int8_t *values;               /* [16], or NULL: code − offset */
    int offset;
    int part;                           /* elements that share a small scale: 16, 32; the block: there are none */
    qn_min_kind min;
    bool exponent;                      /* the scale is a power of two, a byte */
    int d_at, m_at;                     /* where the block has d and m */
    int reach;                          /* the largest |scale·v| */
} qn_code_form;

extern const qn_code_form qn_q5_0_codes, qn_q5_1_codes, qn_q2_k_codes, qn_q3_k_codes, qn_q4_k_codes, qn_q5_k_codes,
    qn_q6_k_codes, qn_iq4_nl_codes, qn_iq4_xs_codes, qn_mxfp4_codes;
extern const int8_t qn_iq4_values[16], qn_mxfp4_values[16];

/* NULL: plain numbers, and the blocks that are simple enough for themselves (Q8_0, Q4_0, Q4_1). */
const qn_code_form *qn_code_form_of(qn_dtype t);
void qn_codes_decode(const qn_code_form *f, float *dst, const void *src, int64_t n);

/* d of a block: half of 2^(e − 127), because the values of MXFP4 are doubled; the two smallest are denormal. */
static inline float qn_e8m0_half(unsigned e) {
    return qn_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* The code of element i where a byte of `nibbles` holds i low and i + 16 high (Q5_0, Q5_1, IQ4_NL, MXFP4). */
static inline void qn_take_nibbles(uint8_t *code, const unsigned char *nibbles) {
    for (int i = 0; i < 16; i++) {
        code[i] = nibbles[i] & 15;
        code[i + 16] = nibbles[i] >> 4;
    }
}

static inline uint16_t qn_u16_load(const unsigned char *at) {
    uint16_t u;
    memcpy(&u, at, sizeof u);
    return u;
}

#endif
