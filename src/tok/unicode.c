/* tok/unicode.c — character classes, with the meaning that Hugging Face's components give them (Rust's char methods and
 * the regex crate), from utf8proc's property table. ASCII answers come from a table of bits. */
#include <utf8proc.h>

#include "tok/tok_internal.h"

enum { SPACE = 1, NUMBER = 2, PUNCT = 4, WORD = 8 };

/* Four characters a row: 0x09…0x0d and the space are SPACE; digits NUMBER and WORD; letters and '_' WORD; the rest of
 * 0x21…0x7e PUNCT ('_' both). */
static const uint8_t ascii[128] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE, [' '] = SPACE,
    ['!'] = PUNCT, ['"'] = PUNCT, ['#'] = PUNCT, ['$'] = PUNCT, ['%'] = PUNCT, ['&'] = PUNCT, ['\''] = PUNCT,
    ['('] = PUNCT, [')'] = PUNCT, ['*'] = PUNCT, ['+'] = PUNCT, [','] = PUNCT, ['-'] = PUNCT, ['.'] = PUNCT,
    ['/'] = PUNCT, [':'] = PUNCT, [';'] = PUNCT, ['<'] = PUNCT, ['='] = PUNCT, ['>'] = PUNCT, ['?'] = PUNCT,
    ['@'] = PUNCT, ['['] = PUNCT, ['\\'] = PUNCT, [']'] = PUNCT, ['^'] = PUNCT, ['_'] = PUNCT | WORD, ['`'] = PUNCT,
    ['{'] = PUNCT, ['|'] = PUNCT, ['}'] = PUNCT, ['~'] = PUNCT,
    ['0'] = NUMBER | WORD, ['1'] = NUMBER | WORD, ['2'] = NUMBER | WORD, ['3'] = NUMBER | WORD, ['4'] = NUMBER | WORD,
    ['5'] = NUMBER | WORD, ['6'] = NUMBER | WORD, ['7'] = NUMBER | WORD, ['8'] = NUMBER | WORD, ['9'] = NUMBER | WORD,
    ['A'] = WORD, ['B'] = WORD, ['C'] = WORD, ['D'] = WORD, ['E'] = WORD, ['F'] = WORD, ['G'] = WORD, ['H'] = WORD,
    ['I'] = WORD, ['J'] = WORD, ['K'] = WORD, ['L'] = WORD, ['M'] = WORD, ['N'] = WORD, ['O'] = WORD, ['P'] = WORD,
    ['Q'] = WORD, ['R'] = WORD, ['S'] = WORD, ['T'] = WORD, ['U'] = WORD, ['V'] = WORD, ['W'] = WORD, ['X'] = WORD,
    ['Y'] = WORD, ['Z'] = WORD,
    ['a'] = WORD, ['b'] = WORD, ['c'] = WORD, ['d'] = WORD, ['e'] = WORD, ['f'] = WORD, ['g'] = WORD, ['h'] = WORD,
    ['i'] = WORD, ['j'] = WORD, ['k'] = WORD, ['l'] = WORD, ['m'] = WORD, ['n'] = WORD, ['o'] = WORD, ['p'] = WORD,
    ['q'] = WORD, ['r'] = WORD, ['s'] = WORD, ['t'] = WORD, ['u'] = WORD, ['v'] = WORD, ['w'] = WORD, ['x'] = WORD,
    ['y'] = WORD, ['z'] = WORD,
};

static utf8proc_category_t category(uint32_t c) {
    return utf8proc_category((utf8proc_int32_t)c);
}

bool qn_char_is_space(uint32_t c) {
    if (c < 128)
        return ascii[c] & SPACE;
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool qn_char_is_number(uint32_t c) {
    if (c < 128)
        return ascii[c] & NUMBER;
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool qn_char_is_punctuation(uint32_t c) {
    if (c < 128)
        return ascii[c] & PUNCT;
    return qn_bert_class_of(c) == QN_BERT_SIGN;
}

bool qn_char_is_mark(uint32_t c) {
    utf8proc_category_t k = c < 128 ? UTF8PROC_CATEGORY_CN : category(c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

bool qn_char_is_accent(uint32_t c) { return c >= 0x300 && qn_bert_class_of(c) == QN_BERT_ACCENT; }

bool qn_char_is_control(uint32_t c) {
    if (c < 128)
        return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    return qn_bert_class_of(c) == QN_BERT_CONTROL;
}

bool qn_char_is_word(uint32_t c) {
    if (c < 128)
        return ascii[c] & WORD;
    utf8proc_category_t k = category(c);
    if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL)     /* L*, M*, Nd, Nl */
        return true;
    return k == UTF8PROC_CATEGORY_PC || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189) || c == 0x200c || c == 0x200d;
}
