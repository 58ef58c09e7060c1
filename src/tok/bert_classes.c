/* tok/bert_classes.c — signs, accents and control characters as BERT's components know them.
 *
 * Hugging Face's take them from the crate unicode_categories, whose tables are of Unicode 8: a character that came
 * later is none of the three there, whatever it is now, and stands in a word. utf8proc's are newer. Below are the
 * ranges within which a class other than utf8proc's counts, found by asking `tokenizers` for every code point of planes
 * 0 to 2 and 14 (tools/fixtures/bert_classes.py rows). A range is as long as its class is one and the same, over what
 * is unassigned so far, too: so it holds for many characters of Unicodes to come. */
#include <utf8proc.h>

#include "tok/tok_internal.h"

#define NONE QN_BERT_NONE
#define SIGN QN_BERT_SIGN
#define ACCENT QN_BERT_ACCENT
#define CONTROL QN_BERT_CONTROL

/* Ascending. */
static const struct { uint32_t low, high; qn_bert_class is; } ranges[] = {
    {0x61d, 0x61d, NONE}, {0x7fa, 0x815, NONE}, {0x85f, 0x8e2, NONE}, {0x9e4, 0xa00, NONE}, {0xa76, 0xa80, NONE},
    {0xaf1, 0xb00, NONE}, {0xb4e, 0xb55, NONE}, {0xc01, 0xc3d, NONE}, {0xc64, 0xc80, NONE}, {0xc82, 0xcbb, NONE},
    {0xce4, 0xd00, NONE}, {0xd02, 0xd40, NONE}, {0xd64, 0xdc9, NONE}, {0xeba, 0xeba, NONE}, {0xece, 0xf03, NONE},
    {0x166d, 0x166e, SIGN}, {0x1732, 0x1734, ACCENT}, {0x180f, 0x18a8, NONE}, {0x1abe, 0x1aff, NONE},
    {0x1b74, 0x1b7f, NONE}, {0x1df6, 0x1dfb, NONE}, {0x2e43, 0x3000, NONE}, {0xa827, 0xa873, NONE},
    {0xa8c5, 0xa8cd, NONE}, {0xa8fd, 0xa925, NONE}, {0xa9bd, 0xa9c0, NONE}, {0x10b9d, 0x11000, NONE},
    {0x1104e, 0x1107e, NONE}, {0x110c2, 0x110ff, NONE}, {0x111c5, 0x111c9, SIGN}, {0x111ce, 0x111da, NONE},
    {0x1123e, 0x112a8, NONE}, {0x11302, 0x1133b, NONE}, {0x11375, 0x114b2, NONE}, {0x11644, 0x116aa, NONE},
    {0x116b8, 0x1171c, NONE}, {0x1173f, 0x1246f, NONE}, {0x12475, 0x16a6d, NONE}, {0x16b45, 0x16f8e, NONE},
    {0x16f93, 0x1bc9c, NONE}, {0x1bca4, 0x1d166, NONE}, {0x1dab0, 0x1e8cf, NONE}, {0x1e8d7, 0x2ffff, NONE},
};

static qn_bert_class by_category(uint32_t c) {
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_PC: case UTF8PROC_CATEGORY_PD: case UTF8PROC_CATEGORY_PS: case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI: case UTF8PROC_CATEGORY_PF: case UTF8PROC_CATEGORY_PO:
        return QN_BERT_SIGN;
    case UTF8PROC_CATEGORY_MN: return QN_BERT_ACCENT;
    case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CO: return QN_BERT_CONTROL;
    default: return QN_BERT_NONE;
    }
}

qn_bert_class qn_bert_class_of(uint32_t c) {
    const qn_bert_class is = by_category(c);
    size_t low = 0, high = QN_LEN(ranges);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (c > ranges[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < QN_LEN(ranges) && c >= ranges[low].low ? ranges[low].is : is;
}
