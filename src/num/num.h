/* num/num.h — storey 1: how numbers are stored, and the elementary functions that are ours. Front door.
 *
 *   num.h     the dtypes, one table row each; exact conversions of f16 and bf16 as inline functions
 *   f32.c     F64, F32           bytes as they are
 *   f16.c     F16                IEEE binary16
 *   bf16.c    BF16               the upper half of an f32
 *   q8_0.c    Q8_0               32 × int8, one scale
 *   q4_0.c    Q4_0               32 × 4 bits, one scale, symmetric
 *   q4_1.c    Q4_1               32 × 4 bits, scale and minimum
 *   q5.c      Q5_0, Q5_1         the same with 5 bits
 *   q2_k.c q3_k.c q4_k.c q6_k.c  Q2_K … Q6_K: 256 × 2 to 6 bits, small scales of parts under a scale of the whole
 *   iq4.c     IQ4_NL, IQ4_XS     4 bits that stand for 16 values
 *   mxfp4.c   MXFP4              floats of 4 bits under a power of two
 *   codes.h   the last four lines taken apart: what decoding and packing share
 *   dtype.c   the table and the look-ups by name and by file format
 *   math.h    exp, ln, tanh, erf, pow (math.c), sin, cos (trig.c) and float versions (mathf.c): our own bits everywhere
 *   poly.h    the constants of the float functions, shared with the vector kernels
 *
 * A row is n elements that lie one after the other; n is a multiple of the dtype's block. Rows have no alignment: files
 * place them where they like. All multi-byte fields are little-endian, as is every machine that quern is built for.
 * Decoding gives the bits that ggml's own dequantizer gives; encoding follows ggml's reference quantizer. */
#ifndef QN_NUM_NUM_H
#define QN_NUM_NUM_H

#include "base/str.h"

#include <string.h>

typedef enum {
    QN_F64, QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1,
    QN_Q5_0, QN_Q5_1, QN_Q2_K, QN_Q3_K, QN_Q4_K, QN_Q5_K, QN_Q6_K, QN_IQ4_NL, QN_IQ4_XS, QN_MXFP4,
    QN_I32,                             /* token ids inside a graph; never a weight, in no file */
    QN_DTYPES
} qn_dtype;

typedef struct {
    const char *name;                   /* "q4_1" */
    const char *ggml_name;              /* "Q4_1" */
    const char *safetensors;            /* "BF16"; NULL where safetensors has no such type */
    int ggml_id;                        /* number of the type in a GGUF file; -1 where there is none */
    int block;                          /* elements per block; 1 for plain numbers */
    int bytes;                          /* bytes per block */
    /* n elements, n a multiple of block; dst and src do not overlap; the stored side needs no alignment. NULL for I32.
     * Encoding rounds as the dtype's file says; it takes any float, NaN and infinities too. It is NULL for what is
     * only read: everything from Q5_0 on. */
    void (*decode_row)(float *dst, const void *src, int64_t n);
    void (*encode_row)(void *dst, const float *src, int64_t n);
} qn_dtype_info;

const qn_dtype_info *qn_dtype_get(qn_dtype t);

/* A qn_dtype, or <0 for what is not known or not storable. No error message is set: the caller knows the tensor. */
int qn_dtype_from_ggml(int id);
int qn_dtype_from_safetensors(qn_str name);
int qn_dtype_from_name(qn_str name);    /* "q8_0", also "Q8_0" */

const char *qn_ggml_type_name(int id);  /* "Q4_K" … for every type ggml has or had, for messages; NULL if unknown */
const char *qn_dtypes_supported(void);  /* "F64, F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 …", for messages */
const char *qn_dtypes_written(void);    /* "f32, f16, bf16, q8_0, q4_0, q4_1": what weights can be turned into */

/* Bytes of a row of n elements. n >= 0 and a multiple of the block, and the product fits: the caller has checked. */
size_t qn_dtype_row_bytes(qn_dtype t, int64_t n);

/* Elements [from, from + n) of a stream of stored numbers between about ±magnitude, for those who measure and test:
 * encoded where the dtype can be, otherwise any codes under fitting scales. Both are multiples of the block. */
void qn_fill_row(qn_dtype t, void *dst, int64_t n, uint32_t salt, uint64_t from, float magnitude);

/* ---- exact bit conversions ---- */

static inline uint32_t qn_f32_bits(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
static inline float qn_f32_from_bits(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
static inline uint64_t qn_f64_bits(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
static inline double qn_f64_from_bits(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

/* F16 to f32, exact. A signalling NaN comes out quiet with its payload, as F16C has it.
 *
 *   f16  s eeeee mmmmmmmmmm                     value = (-1)^s · 2^(e-15) · 1.m
 *   f32  s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm     exponent bias 127
 *
 * Exponent and mantissa move up by 13 bits; then the bias grows by 112 = 127 − 15. A denormal has no leading one: give
 * it the smallest exponent that has one and subtract that one again, exactly. */
static inline float qn_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, em = (uint32_t)(h & 0x7fffu) << 13;
    if (em >= 0x7c00u << 13)                                    /* infinity, NaN */
        return qn_f32_from_bits(sign | 0x7f800000u | em | (em > 0x7c00u << 13 ? 0x00400000u : 0));
    if (em >= 0x0400u << 13)                                    /* normal */
        return qn_f32_from_bits(sign | (em + (112u << 23)));
    const float tiny = qn_f32_from_bits(em + (113u << 23)) - 0x1p-14f;
    return qn_f32_from_bits(sign | qn_f32_bits(tiny));
}

/* f32 to F16, nearest, ties to even; beyond 65520 infinity. NaN stays NaN, quiet, with the payload's upper bits. */
static inline uint16_t qn_f32_to_f16(float x) {
    const uint32_t u = qn_f32_bits(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x1ffu));
    if (a >= 0x477ff000u)                                       /* 65520: the tie to what would be 2^16 */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) {                                      /* below 2^-14: let the adder round at 2^-24 */
        const float aligned = qn_f32_from_bits(a) + 0.5f;
        return (uint16_t)(sign | (qn_f32_bits(aligned) - 0x3f000000u));
    }
    const uint32_t odd = (a >> 13) & 1u;
    return (uint16_t)(sign | ((a - (112u << 23) + 0x0fffu + odd) >> 13));
}

static inline float qn_bf16_to_f32(uint16_t h) { return qn_f32_from_bits((uint32_t)h << 16); }

/* f32 to BF16, nearest, ties to even. NaN is made quiet and cut, as ggml does: rounding up could turn it into zero. */
static inline uint16_t qn_f32_to_bf16(float x) {
    const uint32_t u = qn_f32_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x0040u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/* ---- the rows of the table, one file each ---- */

void qn_f64_decode(float *dst, const void *src, int64_t n);
void qn_f64_encode(void *dst, const float *src, int64_t n);
void qn_f32_decode(float *dst, const void *src, int64_t n);
void qn_f32_encode(void *dst, const float *src, int64_t n);
void qn_f16_decode(float *dst, const void *src, int64_t n);
void qn_f16_encode(void *dst, const float *src, int64_t n);
void qn_bf16_decode(float *dst, const void *src, int64_t n);
void qn_bf16_encode(void *dst, const float *src, int64_t n);
void qn_q8_0_decode(float *dst, const void *src, int64_t n);
void qn_q8_0_encode(void *dst, const float *src, int64_t n);
void qn_q4_0_decode(float *dst, const void *src, int64_t n);
void qn_q4_0_encode(void *dst, const float *src, int64_t n);
void qn_q4_1_decode(float *dst, const void *src, int64_t n);
void qn_q4_1_encode(void *dst, const float *src, int64_t n);
void qn_q5_0_decode(float *dst, const void *src, int64_t n);
void qn_q5_1_decode(float *dst, const void *src, int64_t n);
void qn_q2_k_decode(float *dst, const void *src, int64_t n);
void qn_q3_k_decode(float *dst, const void *src, int64_t n);
void qn_q4_k_decode(float *dst, const void *src, int64_t n);
void qn_q5_k_decode(float *dst, const void *src, int64_t n);
void qn_q6_k_decode(float *dst, const void *src, int64_t n);
void qn_iq4_nl_decode(float *dst, const void *src, int64_t n);
void qn_iq4_xs_decode(float *dst, const void *src, int64_t n);
void qn_mxfp4_decode(float *dst, const void *src, int64_t n);

#endif
