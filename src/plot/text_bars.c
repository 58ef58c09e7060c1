/* plot/text_bars.c — rows of bars in characters, in eighths of a column where the terminal has them.
 *
 *     recall, other form  █████████████▍─┤        0.84 (0.81 to 0.87)
 *                         5-gram 0.4   chance 0.03 */
#include "plot/plot.h"

#include <math.h>

enum { LEAST_WIDE = 40, NAME_MOST = 28, VALUE = 22 };

static int blanks(qn_buf *out, int n) {
    for (int i = 0; i < n; i++)
        QN_TRY(qn_buf_putc(out, ' '));
    return 0;
}

static int name_width(const qn_bars *p, const qn_text_plot *t) {
    qn_buf name = {0};
    int widest = 0;
    for (size_t r = 0; r < p->n; r++) {
        qn_buf_clear(&name);
        const int n = qn_text_words(&name, qn_str_of(p->row[r].name), NAME_MOST, t);
        widest = QN_MAX(widest, n);
    }
    qn_buf_drop(&name);
    return widest;
}

/* The bar, and behind it what is left of its interval. */
static int bar(qn_buf *out, const qn_scale *x, const qn_bar *b, int wide, const qn_text_plot *t) {
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double full = qn_plots(b->value) ? fmax(0, fmin(qn_scale_at(x, b->value), 1)) * wide : 0;
    const int end = qn_plots(b->hi) ? (int)round(fmax(0, fmin(qn_scale_at(x, b->hi), 1)) * wide) : 0;
    const int eighths = (int)round(full * 8);
    int at = 0;
    for (; at < (t->utf8 ? eighths / 8 : (int)round(full)); at++)
        QN_TRY(qn_buf_puts(out, t->utf8 ? "█" : "#"));
    if (t->utf8 && eighths % 8) {
        QN_TRY(qn_buf_puts(out, part[eighths % 8]));
        at++;
    }
    for (; at < end; at++)
        QN_TRY(qn_buf_puts(out, at + 1 < end ? (t->utf8 ? "─" : "-") : t->utf8 ? "┤" : "|"));
    return blanks(out, wide - at);
}

static int value(qn_buf *out, const qn_bar *b) {
    char text[QN_NUMBER_TEXT], lo[QN_NUMBER_TEXT], hi[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_puts(out, qn_plots(b->value) ? qn_number(b->value, 3, text) : "-"));
    if (!qn_plots(b->lo) || !qn_plots(b->hi))
        return 0;
    return qn_buf_printf(out, " (%s to %s)", qn_number(b->lo, 3, lo), qn_number(b->hi, 3, hi));
}

static int words(qn_buf *out, const char *text, int width, const qn_text_plot *t) {
    const int n = qn_text_words(out, qn_str_of(text), width, t);
    QN_TRY(n);
    return blanks(out, width - n);
}

static int row(qn_buf *out, const qn_bars *p, const qn_bar_row *r, const qn_scale *x, const qn_text_plot *t) {
    const int name = name_width(p, t), wide = QN_MAX(QN_MIN(t->width, 120) - name - VALUE - 4, 10);
    for (size_t c = 0; c < p->bars; c++) {
        QN_TRY(words(out, c ? "" : r->name, name + 1, t));
        QN_TRY(bar(out, x, &r->bar[c], wide, t));
        QN_TRY(qn_buf_puts(out, "  "));
        QN_TRY(value(out, &r->bar[c]));
        if (p->bars > 1) {
            QN_TRY(qn_buf_puts(out, "  "));
            QN_TRY(qn_text_words(out, qn_str_of(p->column[c]), NAME_MOST, t));
        }
        QN_TRY(qn_buf_putc(out, '\n'));
    }
    char text[QN_NUMBER_TEXT];
    bool any = false;
    for (size_t c = p->bars; c < p->columns; c++) {
        if (!qn_plots(r->bar[c].value))
            continue;
        QN_TRY(any ? qn_buf_puts(out, "   ") : blanks(out, name + 1));
        QN_TRY(qn_text_words(out, qn_str_of(p->column[c]), NAME_MOST, t));
        QN_TRY(qn_buf_printf(out, " %s", qn_number(r->bar[c].value, 3, text)));
        any = true;
    }
    return any ? qn_buf_putc(out, '\n') : 0;
}

int qn_bars_text(qn_buf *out, const qn_bars *p, const qn_text_plot *t) {
    const qn_scale x = qn_bars_span(p);
    const qn_text_plot wide = {.width = QN_MAX(t->width, LEAST_WIDE), .utf8 = t->utf8, .color = t->color};
    QN_TRY(qn_text_words(out, qn_str_of(p->title), wide.width, t));
    if (p->x_name) {
        QN_TRY(qn_buf_puts(out, ", "));
        QN_TRY(qn_text_words(out, qn_str_of(p->x_name), wide.width, t));
    }
    QN_TRY(qn_buf_putc(out, '\n'));
    for (size_t r = 0; r < p->n; r++)
        QN_TRY(row(out, p, &p->row[r], &x, &wide));
    return 0;
}
