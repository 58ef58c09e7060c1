/* kernels/x86/codes_read.h — panels of codes (kernels/panel_blocks.h) as products take them: codes of four k's of each
 * column, a shift and a mask each, a look-up where codes stand for values; scales and minima of a part. Part of
 * linear_codes.inc and linear_bytes.inc, whose includer has included its simd_….h and defined DTYPE, a constant.
 * Q4_0 and Q4_1, nibbles behind a head, are codes in this sense. */
#ifndef QN_KERNELS_X86_CODES_READ_H
#define QN_KERNELS_X86_CODES_READ_H

#include "kernels/panel_blocks.h"
#include "kernels/x86/linear_walk.h"

enum {
    WIDTH = QN_PANEL / LANES,                                                   /* vectors of a panel's columns */
    LOW = DTYPE == QN_Q2_K || DTYPE == QN_Q3_K ? 2 : 4,
    HIGH = DTYPE == QN_Q6_K ? 2 : DTYPE == QN_Q5_0 || DTYPE == QN_Q5_1 || DTYPE == QN_Q5_K || DTYPE == QN_Q3_K,
    PARTS = DTYPE == QN_Q2_K || DTYPE == QN_Q3_K || DTYPE == QN_Q6_K ? 2        /* small scales of 32 k's */
          : DTYPE == QN_Q4_K || DTYPE == QN_Q5_K || DTYPE == QN_IQ4_XS,
    MINIMA = DTYPE == QN_Q2_K ? 2 : DTYPE == QN_Q4_1 || DTYPE == QN_Q5_1 || DTYPE == QN_Q4_K || DTYPE == QN_Q5_K,
    VALUES_SIGNED = DTYPE == QN_IQ4_NL || DTYPE == QN_IQ4_XS,                   /* bytes of any size */
    VALUES_OFFSET = DTYPE == QN_Q4_0 ? 8 : DTYPE == QN_Q5_0 ? 16 : DTYPE == QN_Q3_K ? 4 : DTYPE == QN_Q6_K ? 32
                  : DTYPE == QN_MXFP4 ? 12 : VALUES_SIGNED ? 128 : 0,
    STEPS = QN_PART / 4,                                                        /* groups of four k's */
    UNIT = PARTS ? 256 : 32
};

#if X86_DOTS
#include "kernels/x86/codes_vnni.h"
#else
#include "kernels/x86/codes_pairs.h"
#endif

/* What the small scales and minima of V vectors of columns are in one part. */
typedef struct { small scale[2][WIDTH]; offsets offset[WIDTH]; vec min[2][WIDTH]; } scales;

/* Shifts by constants, once loops are unrolled. */
QN_INLINE ivec move_left(ivec a, int n) {
    switch (n) {
    case 4: return ivec_shl(a, 4);
    case 3: return ivec_shl(a, 3);
    case 2: return ivec_shl(a, 2);
    case 1: return ivec_shl(a, 1);
    case -1: return ivec_shr(a, 1);
    case -2: return ivec_shr(a, 2);
    case -3: return ivec_shr(a, 3);
    case -4: return ivec_shr(a, 4);
    case -5: return ivec_shr(a, 5);
    case -6: return ivec_shr(a, 6);
    default: return a;
    }
}

/* Codes of the k's of one step, of one vector of columns; w: the part's words there. */
QN_INLINE ivec codes_at(const uint8_t *w, int step) {
    const int h = step / 4, g = step % 4, words = LOW == 4 ? 4 : 2;
    const ivec low = LOW == 4 ? move_left(ivec_load(w + g * QN_GROUP), -4 * h)
                              : move_left(ivec_load(w + h * QN_GROUP), -2 * g);
    ivec code = ivec_and(low, ivec_set1(LOW == 4 ? 0x0f0f0f0f : 0x03030303));
    if (HIGH == 1)
        code = ivec_xor(code, ivec_and(move_left(ivec_load(w + words * QN_GROUP), LOW - 4 * h - g),
                                       ivec_set1((1 << LOW) * 0x01010101)));
    if (HIGH == 2)
        code = ivec_xor(code, ivec_and(move_left(ivec_load(w + (words + h) * QN_GROUP), LOW - 2 * g),
                                       ivec_set1(0x30303030)));
    return code;
}

/* What codes stand for, above zero by the offset unless bytes may be signed. */
QN_INLINE ivec table_of(void) {
    const ivec values = ivec_load_16(DTYPE == QN_MXFP4 ? qn_mxfp4_values : qn_iq4_values);
    return SIGNED_CODES ? values : ivec_add8(values, ivec_set1((int32_t)((uint32_t)VALUES_OFFSET * 0x01010101u)));
}

/* Bytes that dots may take: codes, or what they stand for. */
QN_INLINE ivec values_at(const uint8_t *w, int step, ivec table) {
    const ivec code = codes_at(w, step);
    return VALUES_SIGNED || DTYPE == QN_MXFP4 ? ivec_lookup(table, code) : code;
}

/* The head of a span: d, and −m (K-quants) or m. */
QN_INLINE void head_at(vec *d, vec *m, const uint8_t *head, int v0, int V) {
    UNROLL
    for (int v = 0; v < V; v++) {
        const int at = (v0 + v) * LANES;
        d[v] = DTYPE == QN_MXFP4 ? vec_load_e8m0(head + at) : vec_load_f16(head + at * 2);
        if (MINIMA)
            m[v] = vec_load_f16(head + (QN_PANEL + at) * 2);
        if (MINIMA && PARTS)
            m[v] = vec_sub(vec_zero(), m[v]);
    }
}

QN_INLINE void scales_at(scales *s, const uint8_t *part, const vec *m, int v0, int V) {
    UNROLL
    for (int v = 0; v < V; v++) {
        const uint8_t *at = part + (v0 + v) * LANES;
        UNROLL
        for (int h = 0; h < 2; h++) {
            const ivec byte = PARTS ? ivec_load_i8(at + (PARTS == 2 ? h * QN_PANEL : 0)) : ivec_zero();
            s->scale[h][v] = !PARTS ? small_one() : small_of(MINIMA == 2 ? ivec_and(byte, ivec_set1(15)) : byte);
            if (MINIMA == 2)
                s->min[h][v] = vec_mul(m[v], vec_of_ints(ivec_and(ivec_shr(byte, 4), ivec_set1(15))));
            else if (MINIMA)
                s->min[h][v] = PARTS ? vec_mul(m[v], vec_of_ints(ivec_load_i8(at + QN_PANEL))) : m[v];
        }
        s->offset[v] = offsets_of(s->scale[0][v], s->scale[1][v]);
    }
}

#endif
