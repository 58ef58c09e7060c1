/* plot/markup.c — strangers' words into XML, places into attributes. */
#include "plot/svg.h"

#include <math.h>
#include <string.h>

#define NO_CHARACTER "\xef\xbf\xbd"     /* U+FFFD */

/* XML 1.0, production [2]: what may stand in a document at all. C1 controls may, and nobody wants them. */
static bool is_character(uint32_t code) {
    if (code < 0x20)
        return code == '\t' || code == '\n';
    return !(code >= 0x7f && code < 0xa0) && code != 0xfffe && code != 0xffff;
}

static const char *escaped(uint32_t code) {
    switch (code) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

int qn_xml(qn_buf *out, qn_str s) {
    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        const int n = qn_utf8_decode(s.s + i, s.n - i, &code);
        const char *other = n == 0 || !is_character(code) ? NO_CHARACTER : escaped(code);
        QN_TRY(other ? qn_buf_puts(out, other) : qn_buf_put(out, s.s + i, (size_t)n));
        i += (size_t)QN_MAX(n, 1);
    }
    return 0;
}

int qn_xml_z(qn_buf *out, const char *z) { return qn_xml(out, qn_str_of(z)); }

int qn_xml_place(qn_buf *out, double v) {
    const double tenths = qn_plots(v) ? fmax(-1e7, fmin(round(v * 10), 1e7)) : 0;
    char text[QN_F64_TEXT];
    const size_t n = qn_f64_text(tenths == 0 ? 0 : tenths / 10, text);
    return qn_buf_put(out, text, n);
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

int qn_svg_attribute(qn_buf *out, const char *name, double v) {
    QN_TRY(qn_buf_printf(out, " %s=\"", name));
    QN_TRY(qn_xml_place(out, v));
    return qn_buf_putc(out, '"');
}

int qn_svg_text(qn_buf *out, double x, double y, const char *css, const char *text) {
    QN_TRY(qn_buf_puts(out, "<text"));
    QN_TRY(qn_svg_attribute(out, "x", x));
    QN_TRY(qn_svg_attribute(out, "y", y));
    QN_TRY(qn_buf_printf(out, " class=\"%s\">", css));
    QN_TRY(qn_xml_z(out, text));
    return qn_buf_puts(out, "</text>");
}

int qn_svg_line(qn_buf *out, double x0, double y0, double x1, double y1, const char *css) {
    QN_TRY(qn_buf_puts(out, "<path d=\"M"));
    QN_TRY(qn_xml_place(out, x0));
    QN_TRY(qn_buf_putc(out, ' '));
    QN_TRY(qn_xml_place(out, y0));
    QN_TRY(qn_buf_putc(out, 'L'));
    QN_TRY(qn_xml_place(out, x1));
    QN_TRY(qn_buf_putc(out, ' '));
    QN_TRY(qn_xml_place(out, y1));
    return qn_buf_printf(out, "\" class=\"%s\"/>", css);
}

double qn_svg_wide(const char *text) {
    enum { LETTER = 8 };
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return (double)n * LETTER;
}
