/* format/cursor.h — bounded little-endian reads. A cursor never passes its end: each read tells whether the bytes were
 * there. Addresses need no alignment. */
#ifndef QN_FORMAT_CURSOR_H
#define QN_FORMAT_CURSOR_H

#include "base/compiler.h"

#include <string.h>

typedef struct { const char *start, *at, *end; } qn_cursor;

static inline size_t qn_cursor_left(const qn_cursor *c) { return (size_t)(c->end - c->at); }
static inline size_t qn_cursor_offset(const qn_cursor *c) { return (size_t)(c->at - c->start); }

/* The little-endian number of `width` (1, 2, 4 or 8) bytes at p, as is the machine. */
static inline uint64_t qn_le_load(const char *p, int width) {
    uint64_t v = 0;
    memcpy(&v, p, (size_t)width);
    return v;
}

/* The same as two's complement. */
static inline int64_t qn_le_load_signed(const char *p, int width) {
    const uint64_t sign = (uint64_t)1 << (8 * width - 1);
    return (int64_t)((qn_le_load(p, width) ^ sign) - sign);
}

/* An IEEE number of 4 or 8 bytes. */
static inline double qn_le_load_float(const char *p, int width) {
    const uint64_t v = qn_le_load(p, width);
    const uint32_t v32 = (uint32_t)v;
    float f;
    double d;
    memcpy(&f, &v32, sizeof f);
    memcpy(&d, &v, sizeof d);
    return width == 4 ? (double)f : d;
}

QN_MUST_USE static inline bool qn_cursor_u32(qn_cursor *c, uint32_t *out) {
    if (qn_cursor_left(c) < 4)
        return false;
    *out = (uint32_t)qn_le_load(c->at, 4);
    c->at += 4;
    return true;
}

QN_MUST_USE static inline bool qn_cursor_u64(qn_cursor *c, uint64_t *out) {
    if (qn_cursor_left(c) < 8)
        return false;
    *out = qn_le_load(c->at, 8);
    c->at += 8;
    return true;
}

QN_MUST_USE static inline bool qn_cursor_skip(qn_cursor *c, uint64_t n) {
    if (n > qn_cursor_left(c))
        return false;
    c->at += n;
    return true;
}

#endif
