/* base/utf8.c — strict UTF-8, after table 3-7 of the Unicode standard:
 *
 *     first     second    third     fourth       the second byte's narrower ranges shut out overlongs,
 *     00…7F                                      surrogates (D800…DFFF) and what lies beyond U+10FFFF
 *     C2…DF     80…BF
 *     E0        A0…BF     80…BF
 *     E1…EC     80…BF     80…BF
 *     ED        80…9F     80…BF
 *     EE…EF     80…BF     80…BF
 *     F0        90…BF     80…BF     80…BF
 *     F1…F3     80…BF     80…BF     80…BF
 *     F4        80…8F     80…BF     80…BF */
#include "base/str.h"

#include <string.h>

/* The length that a first byte announces, or 0 where none begins with it. */
static int length_of(unsigned char c) {
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

static bool second_fits(unsigned char first, unsigned char c) {
    unsigned lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return c >= lo && c <= hi;
}

static bool is_tail(unsigned char c) {
    return (c & 0xc0) == 0x80;
}

int qn_utf8_decode(const char *s, size_t n, uint32_t *cp) {
    const unsigned char *u = (const unsigned char *)s;
    int len = length_of(u[0]);
    if (len == 0 || (size_t)len > n)
        return 0;
    if (len == 1) {
        *cp = u[0];
        return 1;
    }
    if (!second_fits(u[0], u[1]))
        return 0;
    uint32_t v = u[0] & (0xffu >> (len + 1));
    v = v << 6 | (u[1] & 0x3f);
    for (int i = 2; i < len; i++) {
        if (!is_tail(u[i]))
            return 0;
        v = v << 6 | (u[i] & 0x3f);
    }
    *cp = v;
    return len;
}

int qn_utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp >= 0xd800 && cp <= 0xdfff)
        return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    if (cp > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t qn_utf8_check(const char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= 8 && (memcpy(&eight, s + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;                                       /* eight ASCII bytes at once */
            continue;
        }
        uint32_t cp;
        int len = qn_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return i;
        i += (size_t)len;
    }
    return QN_UTF8_OK;
}

size_t qn_utf8_pending(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char first = u[n - back];
        if (is_tail(first))
            continue;
        if ((size_t)length_of(first) <= back)
            return 0;                                     /* complete, or nothing begins with this byte */
        return back == 1 || second_fits(first, u[n - back + 1]) ? back : 0;
    }
    return 0;
}
