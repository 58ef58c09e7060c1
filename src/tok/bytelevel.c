/* tok/bytelevel.c — GPT-2's alphabet: each of the 256 bytes is spelled as one printable character, so that a vocabulary
 * file is plain text. A byte that is printable in Latin-1 stands for itself; the other 68 follow from U+0100 on:
 *
 *     '!'…'~', '¡'…'¬', '®'…'ÿ'   themselves
 *     0x00…0x20, 0x7F…0xA0, 0xAD  U+0100, U+0101, … in this order   (a space is 'Ġ', a newline 'Ċ')
 */
#include "tok/tok_internal.h"

static bool stands_for_itself(unsigned b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

uint32_t qn_bytelevel_char(uint8_t byte) {
    unsigned b = byte;
    if (stands_for_itself(b))
        return b;
    if (b <= 0x20)
        return 0x100 + b;
    return b == 0xad ? 0x143 : 0x121 + (b - 0x7f);
}

int qn_bytelevel_byte(uint32_t c) {
    if (c < 0x100)
        return stands_for_itself(c) ? (int)c : -1;
    if (c <= 0x120)
        return (int)(c - 0x100);
    if (c <= 0x142)
        return (int)(0x7f + (c - 0x121));
    return c == 0x143 ? 0xad : -1;
}

int qn_bytelevel_spell(qn_buf *out, qn_str bytes) {
    QN_TRY(qn_buf_reserve(out, bytes.n < SIZE_MAX / 2 ? 2 * bytes.n : bytes.n));
    for (size_t i = 0; i < bytes.n; i++)
        QN_TRY(qn_buf_utf8(out, qn_bytelevel_char((uint8_t)bytes.s[i])));
    return 0;
}

bool qn_bytelevel_unspell(qn_str text, char *out, size_t *n) {
    const uint8_t *s = (const uint8_t *)text.s, *end = s + text.n;
    size_t k = 0;
    while (s < end) {
        uint32_t c = *s++;                          /* the alphabet ends at U+0143: one byte or two */
        if (c >= 0x80) {
            if (c < 0xc2 || c > 0xc5 || s == end || (*s & 0xc0) != 0x80)
                return false;
            c = (c & 0x1f) << 6 | (*s++ & 0x3f);
        }
        int byte = c - 0x21 <= 0x7e - 0x21 ? (int)c : qn_bytelevel_byte(c);
        if (byte < 0)
            return false;
        out[k++] = (char)byte;
    }
    *n = k;
    return true;
}
