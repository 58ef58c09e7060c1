/* tok/normalize_bert.c — BERT's normalizer, in the order of Hugging Face's:
 *
 *   clean        NUL, U+FFFD and control characters go; white space of any kind becomes a blank
 *   ideographs   a blank on each side of a CJK ideograph: each is a word of its own
 *   accents      NFD, then the marks that take no room go: é is e
 *   lowercase    character by character
 *
 * Prose is mostly ASCII, of which one pass suffices. */
#include "tok/tok_internal.h"

/* The ranges of the original code, its slip in the fifth of them included: models were trained with it. */
static bool is_ideograph(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_ascii(qn_str in) {
    unsigned char high = 0;
    for (size_t i = 0; i < in.n; i++)
        high |= (unsigned char)in.s[i];
    return high < 0x80;
}

static void ascii(qn_bert_norm b, qn_str in, qn_buf *out) {
    for (size_t i = 0; i < in.n; i++) {
        const char c = in.s[i];
        if (b.clean && c != '\t' && c != '\n' && c != '\r' && ((unsigned char)c < ' ' || c == 0x7f))
            continue;
        const bool blank = b.clean && (c == '\t' || c == '\n' || c == '\r');
        out->s[out->n++] = blank ? ' ' : b.lowercase && c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    out->s[out->n] = '\0';
}

static int clean(qn_bert_norm b, qn_str in, qn_buf *out) {
    for (size_t i = 0; i < in.n;) {
        uint32_t c;
        i += (size_t)qn_utf8_decode(in.s + i, in.n - i, &c);
        if (b.clean && (c == 0 || c == 0xfffd || qn_char_is_control(c)))
            continue;
        if (b.clean && qn_char_is_space(c))
            c = ' ';
        const bool apart = b.ideographs && is_ideograph(c);
        if (apart)
            QN_TRY(qn_buf_putc(out, ' '));
        QN_TRY(qn_buf_utf8(out, c));
        if (apart)
            QN_TRY(qn_buf_putc(out, ' '));
    }
    return 0;
}

static int lower(qn_bert_norm b, qn_str in, qn_buf *out) {
    for (size_t i = 0; i < in.n;) {
        uint32_t c, extra = 0;
        i += (size_t)qn_utf8_decode(in.s + i, in.n - i, &c);
        if (b.accents && qn_char_is_accent(c))
            continue;
        if (b.lowercase)
            c = qn_norm_lower(c, &extra);
        QN_TRY(qn_buf_utf8(out, c));
        if (extra)
            QN_TRY(qn_buf_utf8(out, extra));
    }
    return 0;
}

int qn_norm_bert(qn_bert_norm b, qn_norm_work *w, qn_str in, qn_buf *out) {
    QN_TRY(qn_buf_reserve(out, in.n + 1));
    if (is_ascii(in)) {
        ascii(b, in, out);
        return 0;
    }
    qn_buf_clear(&w->bert[0]);
    QN_TRY(clean(b, in, &w->bert[0]));
    qn_str text = qn_buf_view(&w->bert[0]);
    if (b.accents) {
        qn_buf_clear(&w->bert[1]);
        QN_TRY(qn_norm_form(QN_NORM_NFD, w, text, &w->bert[1]));
        text = qn_buf_view(&w->bert[1]);
    }
    return lower(b, text, out);
}
