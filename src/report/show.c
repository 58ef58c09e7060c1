/* report/show.c — a figure with its title and its sentence, into a page or onto a terminal. */
#include "report/report_impl.h"

static qn_str caption_of(const qn_buf *b) {
    size_t n = b ? b->n : 0;
    while (n > 0 && b->s[n - 1] == ' ')
        n--;
    return (qn_str){b ? b->s : NULL, n};
}

/* Words in lines of at most `width` columns, cut at blanks. */
static int put_wrapped(qn_buf *out, qn_str s, const qn_text_plot *t) {
    size_t column = 0;
    for (size_t i = 0; i < s.n;) {
        size_t end = i;
        while (end < s.n && s.s[end] != ' ')
            end++;
        if (column && column + 1 + (end - i) > (size_t)QN_MAX(t->width, 40)) {
            QN_TRY(qn_buf_putc(out, '\n'));
            column = 0;
        } else if (column) {
            QN_TRY(qn_buf_putc(out, ' '));
            column++;
        }
        const int n = qn_text_words(out, (qn_str){s.s + i, end - i}, 1000, t);
        QN_TRY(n);
        column += (size_t)n;
        i = end + 1;
    }
    return column ? qn_buf_putc(out, '\n') : 0;
}

static int begin(qn_sink *s, const char *title, bool wide) {
    QN_TRY(qn_buf_printf(s->out, "<figure%s>\n<h3>", wide ? " class=\"wide\"" : ""));
    QN_TRY(qn_xml_z(s->out, title));
    return qn_buf_puts(s->out, "</h3>\n");
}

static int end(qn_sink *s, const qn_buf *caption) {
    const qn_str words = caption_of(caption);
    if (s->text) {
        QN_TRY(put_wrapped(s->out, words, s->text));
        return qn_buf_putc(s->out, '\n');
    }
    QN_TRY(qn_buf_puts(s->out, "<figcaption>"));
    QN_TRY(qn_xml(s->out, words));
    return qn_buf_puts(s->out, "</figcaption>\n</figure>\n");
}

int qn_show_lines(qn_sink *s, const qn_lines *p, bool wide, const qn_buf *caption) {
    if (s->text) {
        QN_TRY(qn_lines_text(s->out, p, s->text));
        return end(s, caption);
    }
    qn_lines other = *p;
    QN_TRY(begin(s, p->title, wide));
    if (wide) {
        other.width = 1000;
        other.height = 340;
        other.css = "on-wide";
        QN_TRY(qn_lines_svg(s->out, &other));
        other = *p;
        other.css = "on-narrow";
    }
    QN_TRY(qn_lines_svg(s->out, &other));
    return end(s, caption);
}

int qn_show_bars(qn_sink *s, const qn_bars *p, bool wide, const qn_buf *caption) {
    if (s->text) {
        QN_TRY(qn_bars_text(s->out, p, s->text));
        return end(s, caption);
    }
    qn_bars other = *p;
    QN_TRY(begin(s, p->title, wide));
    if (wide) {
        other.width = 1000;
        other.css = "on-wide";
        QN_TRY(qn_bars_svg(s->out, &other));
        other = *p;
        other.css = "on-narrow";
    }
    QN_TRY(qn_bars_svg(s->out, &other));
    return end(s, caption);
}

int qn_show_heading(qn_sink *s, const char *title) {
    if (s->text)
        return 0;
    QN_TRY(qn_buf_puts(s->out, "<h2>"));
    QN_TRY(qn_xml_z(s->out, title));
    return qn_buf_puts(s->out, "</h2>\n");
}

int qn_show_grid(qn_sink *s, bool first) {
    return s->text ? 0 : qn_buf_puts(s->out, first ? "<div class=\"grid\">\n" : "</div>\n");
}
