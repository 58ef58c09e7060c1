/* plot/svg_bars.c — rows of bars with their intervals, and marks of what they are compared with.
 *
 *     ■ model   ◆ 5-gram   ● chance
 *     recall, other form                     0.84 ± 0.02
 *     ████████████████████████├─┤░░░░░░░░░░░░░░░░░░░░░░░      bar and whisker
 *      ●          ◆                                           marks, each at a height of its own
 *     ├────────┬────────┬────────┬────────┬────────┤
 *     0       0.2                                  1
 *
 * The name stands above its bar: so a long one needs no margin, and a phone shows the same figure. */
#include "plot/svg.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 480, EDGE = 10, NAME_HIGH = 19, BAR_HIGH = 13, MARK_HIGH = 5, GAP = 13, LINE_HIGH = 19, SHAPES = 6 };

typedef struct {
    qn_buf *out;
    const qn_bars *p;
    qn_scale x;
    double x0, x1, y;               /* the track; where the next row begins */
} drawing;

static double px(const drawing *d, double v) {
    return d->x0 + fmax(0, fmin(qn_scale_at(&d->x, v), 1)) * (d->x1 - d->x0);
}

static size_t marks(const qn_bars *p) { return p->columns - p->bars; }

/* Colour and shape of a mark: the same number never has both in common with another's. */
static int mark(qn_buf *out, size_t k, double x, double y) {
    static const char *const shape[SHAPES] = {"M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-5 0L0-5 5 0 0 5Z",
                                              "M-4 4L0-5 4 4Z", "M-3.5-3.5h7v7h-7Z", "M-4-4L0 5 4-4Z",
                                              "M-1.5-5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5Z"};
    QN_TRY(qn_buf_puts(out, "<path transform=\"translate("));
    QN_TRY(qn_xml_place(out, x));
    QN_TRY(qn_buf_putc(out, ' '));
    QN_TRY(qn_xml_place(out, y));
    return qn_buf_printf(out, ")\" d=\"%s\" class=\"o s%d\"/>", shape[k % SHAPES], (int)((k + 1) % QN_PALETTE));
}

static int rect(qn_buf *out, double x, double y, double width, double height, const char *css) {
    QN_TRY(qn_buf_puts(out, "<rect"));
    QN_TRY(qn_svg_attribute(out, "x", x));
    QN_TRY(qn_svg_attribute(out, "y", y));
    QN_TRY(qn_svg_attribute(out, "width", fmax(width, 0)));
    QN_TRY(qn_svg_attribute(out, "height", height));
    return qn_buf_printf(out, " class=\"%s\"/>", css);
}

/* ├─┤ */
static int whisker(drawing *d, const qn_bar *b, double y, double half, const char *css) {
    if (!qn_plots(b->lo) || !qn_plots(b->hi))
        return 0;
    const double lo = px(d, b->lo), hi = px(d, b->hi);
    QN_TRY(qn_svg_line(d->out, lo, y, hi, y, css));
    QN_TRY(qn_svg_line(d->out, lo, y - half, lo, y + half, css));
    return qn_svg_line(d->out, hi, y - half, hi, y + half, css);
}

static int legend(drawing *d) {
    double x = d->x0;
    if (d->p->columns < 2)
        return 0;
    d->y += 13;
    for (size_t c = 0; c < d->p->columns; c++) {
        const char *name = d->p->column[c];
        const double w = 18 + qn_svg_wide(name) + 10;
        if (x > d->x0 && x + w > d->x1 + EDGE) {
            x = d->x0;
            d->y += LINE_HIGH;
        }
        if (c < d->p->bars) {
            char css[8];
            snprintf(css, sizeof css, "k s%d", (int)(c % QN_PALETTE));
            QN_TRY(rect(d->out, x, d->y - 9, 10, 10, css));
        } else {
            QN_TRY(mark(d->out, c - 1, x + 5, d->y - 4));
        }
        QN_TRY(qn_svg_text(d->out, x + 18, d->y, "n", name));
        x += w;
    }
    d->y += 14;
    return 0;
}

static int put_value(qn_buf *out, const qn_bar *b) {
    char value[QN_NUMBER_TEXT], lo[QN_NUMBER_TEXT], hi[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_puts(out, qn_number(b->value, 3, value)));
    if (!qn_plots(b->lo) || !qn_plots(b->hi))
        return 0;
    return qn_buf_printf(out, " (%s to %s)", qn_number(b->lo, 3, lo), qn_number(b->hi, 3, hi));
}

static int row_title(drawing *d, const qn_bar_row *r) {
    QN_TRY(qn_buf_puts(d->out, "<title>"));
    QN_TRY(qn_xml_z(d->out, r->name));
    for (size_t c = 0; c < d->p->columns; c++) {
        if (!qn_plots(r->bar[c].value))
            continue;
        QN_TRY(qn_buf_putc(d->out, '\n'));
        QN_TRY(qn_xml_z(d->out, d->p->column[c]));
        QN_TRY(qn_buf_putc(d->out, ' '));
        QN_TRY(put_value(d->out, &r->bar[c]));
    }
    return qn_buf_puts(d->out, "</title>");
}

static int row_bars(drawing *d, const qn_bar_row *r, double track) {
    for (size_t c = 0; c < d->p->bars; c++) {
        const double y = d->y + (double)c * (BAR_HIGH + 2), x = px(d, fmax(d->x.lo, 0));
        char css[8];
        snprintf(css, sizeof css, "k s%d", (int)(c % QN_PALETTE));
        QN_TRY(rect(d->out, d->x0, y, d->x1 - d->x0, BAR_HIGH, "t"));
        if (!qn_plots(r->bar[c].value))
            continue;
        const double end = px(d, r->bar[c].value);
        QN_TRY(rect(d->out, fmin(x, end), y, fabs(end - x), BAR_HIGH, css));
        QN_TRY(whisker(d, &r->bar[c], y + BAR_HIGH / 2.0, 4, "w"));
    }
    for (size_t c = d->p->bars; c < d->p->columns; c++) {
        const double y = d->y + track + MARK_HIGH * (double)(c - d->p->bars) + 5;
        char css[8];
        snprintf(css, sizeof css, "i s%d", (int)(c % QN_PALETTE));
        if (!qn_plots(r->bar[c].value))
            continue;
        QN_TRY(whisker(d, &r->bar[c], y, 2, css));
        QN_TRY(mark(d->out, c - 1, px(d, r->bar[c].value), y));
    }
    return 0;
}

static int row(drawing *d, const qn_bar_row *r) {
    const double track = (double)d->p->bars * (BAR_HIGH + 2);
    const double high = track + (marks(d->p) ? 6 + MARK_HIGH * (double)marks(d->p) : 0);
    QN_TRY(qn_buf_puts(d->out, "<g class=\"z\">"));
    QN_TRY(rect(d->out, 0, d->y, d->x1 + EDGE, NAME_HIGH + high, "x"));
    QN_TRY(qn_svg_text(d->out, d->x0, d->y + 13, "n", r->name));
    if (r->note)
        QN_TRY(qn_svg_text(d->out, d->x1, d->y + 13, "v", r->note));
    d->y += NAME_HIGH;
    QN_TRY(row_title(d, r));
    QN_TRY(row_bars(d, r, track));
    d->y += high + GAP;
    return qn_buf_puts(d->out, "</g>");
}

static int axis(drawing *d) {
    double tick[QN_TICKS];
    char text[QN_NUMBER_TEXT];
    const size_t n = qn_ticks(&d->x, 6, tick);
    QN_TRY(qn_svg_line(d->out, d->x0, d->y, d->x1, d->y, "a"));
    for (size_t i = 0; i < n; i++) {
        const double x = px(d, tick[i]);
        const char *css = x - d->x0 < 8 ? "" : d->x1 - x < 8 ? "e" : "m";
        QN_TRY(qn_svg_line(d->out, x, d->y, x, d->y + 4, "a"));
        QN_TRY(qn_svg_text(d->out, x, d->y + 18, css, qn_tick_text(tick[i], &d->x, text)));
    }
    d->y += 22;
    if (!d->p->x_name)
        return 0;
    d->y += 15;
    return qn_svg_text(d->out, d->x1, d->y - 3, "e", d->p->x_name);
}

static int draw(drawing *d) {
    QN_TRY(legend(d));
    for (size_t r = 0; r < d->p->n; r++)
        QN_TRY(row(d, &d->p->row[r]));
    return axis(d);
}

/* The height is known when all is drawn, so the inside is drawn first. */
int qn_bars_svg(qn_buf *out, const qn_bars *p) {
    qn_buf inside = {0};
    const int width = p->width > 0 ? p->width : WIDTH;
    drawing d = {.out = &inside, .p = p, .x = qn_bars_span(p), .x0 = 2, .x1 = width - EDGE, .y = 4};
    int rc;
    QN_TRY_OUT(draw(&d));
    QN_TRY_OUT(qn_buf_printf(out, "<svg class=\"plot %s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                             p->css ? p->css : "", width, (int)ceil(d.y)));
    QN_TRY_OUT(qn_xml_z(out, p->title));
    QN_TRY_OUT(qn_buf_puts(out, "\">"));
    QN_TRY_OUT(qn_buf_put(out, inside.s, inside.n));
    rc = qn_buf_puts(out, "</svg>\n");
out:
    qn_buf_drop(&inside);
    return rc;
}
