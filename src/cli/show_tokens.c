/* cli/show_tokens.c — runs of tokens that look alike, each as escaped text between its marks. */
#include "cli/show_tokens.h"

typedef enum { PLAIN, SPECIAL, UNTAUGHT, UNTAUGHT_SPECIAL, LOOKS } look;

static const char *const colors[LOOKS][2] = {
    {"", ""}, {"\033[36m", "\033[0m"}, {"\033[2m", "\033[0m"}, {"\033[2;36m", "\033[0m"}};
static const char *const marks[LOOKS][2] = {{"", ""}, {"⟦", "⟧"}, {"‹", "›"}, {"‹⟦", "⟧›"}};

/* Characters without a look of their own, or that change the look of others: controls, zero widths, directions, line
 * ends of Unicode, tags. */
static bool is_hidden(uint32_t cp) {
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || (cp >= 0x200b && cp <= 0x200f) ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
           (cp >= 0xfff9 && cp <= 0xfffb) || (cp >= 0xe0000 && cp <= 0xe0fff);
}

static int put_escaped(qn_buf *out, qn_str text) {
    for (size_t i = 0; i < text.n;) {
        uint32_t cp = 0;
        int n = qn_utf8_decode(text.s + i, text.n - i, &cp);
        if (n == 0)
            QN_TRY(qn_buf_printf(out, "\\x%02x", (unsigned char)text.s[i]));
        else if (cp == '\n')
            QN_TRY(qn_buf_puts(out, "↵\n"));
        else if (cp == '\t')
            QN_TRY(qn_buf_puts(out, "\\t"));
        else if (is_hidden(cp))
            QN_TRY(qn_buf_printf(out, "\\u{%x}", cp));
        else
            QN_TRY(qn_buf_put(out, text.s + i, (size_t)n));
        i += (size_t)QN_MAX(n, 1);
    }
    return 0;
}

static look look_of(const qn_tok *tok, int32_t id, bool taught) {
    return qn_tok_is_special(tok, id) ? (taught ? SPECIAL : UNTAUGHT_SPECIAL) : (taught ? PLAIN : UNTAUGHT);
}

int qn_show_tokens(qn_buf *out, const qn_tok *tok, const int32_t *ids, const bool *taught, size_t n, bool color) {
    const char *const(*set)[2] = color ? colors : marks;
    qn_buf text = {0};
    int rc = 0;
    for (size_t i = 0, end; i < n; i = end) {
        look l = look_of(tok, ids[i], !taught || taught[i]);
        bool special = l == SPECIAL || l == UNTAUGHT_SPECIAL;
        end = i + 1;
        while (!special && end < n && look_of(tok, ids[end], !taught || taught[end]) == l)
            end++;
        qn_buf_clear(&text);
        if (special)
            QN_TRY_OUT(qn_buf_put(&text, qn_tok_text(tok, ids[i]).s, qn_tok_text(tok, ids[i]).n));
        else
            QN_TRY_OUT(qn_tok_decode(tok, ids + i, end - i, QN_TOK_RAW_BYTES, &text));
        QN_TRY_OUT(qn_buf_puts(out, set[l][0]));
        QN_TRY_OUT(put_escaped(out, qn_buf_view(&text)));
        QN_TRY_OUT(qn_buf_puts(out, set[l][1]));
    }
out:
    qn_buf_drop(&text);
    return rc < 0 ? rc : 0;
}
