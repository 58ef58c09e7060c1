/* plot/svg_lines.c — curves as SVG: what is drawn, back to front.
 *
 *     legend    ── loss   ●─ validation
 *     y name    ┌──────────────────────────┐
 *          6 ───┤ ╲                        │     grid and ticks      axis()
 *               │  ╲▒▒                     │     bands, then lines   band(), line()
 *          4 ───┤    ╲▒▒──────             │     reference lines     levels(); upright ones     marks()
 *               │            ╌╌╌╌╌╌╌╌╌╌╌╌╌╌│floor
 *               └┬────────┬────────┬───────┘     zones: a column each, its values as <title>, shown under the pointer
 *                0       100      200   step
 *
 * Places have one decimal and paths are relative, which makes a thousand points some kilobytes. */
#include "plot/svg.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 480, HEIGHT = 240, RIGHT = 12, BOTTOM = 36, LINE_HIGH = 19, ZONES = 96, DOTS = 200 };

typedef struct {
    qn_buf *out;
    const qn_lines *p;
    qn_span span;
    double x0, y0, x1, y1;              /* corners of the canvas: y0 is its top */
    qn_kept kept;
} drawing;

static double px(const drawing *d, double v) { return d->x0 + qn_scale_at(&d->span.x, v) * (d->x1 - d->x0); }
static double py(const drawing *d, double v) { return d->y1 - qn_scale_at(&d->span.y, v) * (d->y1 - d->y0); }

/* ---- legend ------------------------------------------------------------------------------------------------------ */

/* Entries from left to right, line after line; with `draw` false it is only measured. The height taken. */
static int legend(drawing *d, bool draw, double *height) {
    double x = d->x0, y = 13;
    size_t named = 0;
    for (size_t k = 0; k < d->p->n; k++)
        named += d->p->series[k].name != NULL;
    *height = 0;
    if (named < 2)
        return 0;
    for (size_t k = 0; k < d->p->n; k++) {
        const qn_series *s = &d->p->series[k];
        const double w = s->name ? 26 + qn_svg_wide(s->name) + 10 : 0;
        if (!s->name)
            continue;
        if (x > d->x0 && x + w > d->x1 + RIGHT) {
            x = d->x0;
            y += LINE_HIGH;
        }
        if (draw) {
            char css[16];
            snprintf(css, sizeof css, "l s%d", s->color % QN_PALETTE);
            QN_TRY(qn_svg_line(d->out, x, y - 4, x + 20, y - 4, css));
            QN_TRY(qn_svg_text(d->out, x + 26, y, "n", s->name));
        }
        x += w;
    }
    *height = y + 4;
    return 0;
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

static int ticks_high(double height) { return (int)(height / 38); }

static int axis_y(drawing *d) {
    double tick[QN_TICKS];
    char text[QN_NUMBER_TEXT];
    const size_t n = qn_ticks(&d->span.y, ticks_high(d->y1 - d->y0), tick);
    for (size_t i = 0; i < n; i++) {
        const double y = py(d, tick[i]);
        QN_TRY(qn_svg_line(d->out, d->x0, y, d->x1, y, "g"));
        QN_TRY(qn_svg_text(d->out, d->x0 - 6, y + 4, "e", qn_tick_text(tick[i], &d->span.y, text)));
    }
    return d->p->y_name ? qn_svg_text(d->out, 2, d->y0 - 12, "n", d->p->y_name) : 0;
}

static int axis_x(drawing *d) {
    double tick[QN_TICKS];
    char text[QN_NUMBER_TEXT];
    const size_t n = qn_ticks(&d->span.x, (int)((d->x1 - d->x0) / 84), tick);
    for (size_t i = 0; i < n; i++) {
        const double x = px(d, tick[i]);
        QN_TRY(qn_svg_line(d->out, x, d->y1, x, d->y1 + 4, "a"));
        const char *css = d->x1 - x < 14 ? "e" : "m";
        QN_TRY(qn_svg_text(d->out, css[0] == 'e' ? d->x1 + RIGHT - 2 : x, d->y1 + 18, css,
                           qn_tick_text(tick[i], &d->span.x, text)));
    }
    QN_TRY(qn_svg_line(d->out, d->x0, d->y1, d->x1, d->y1, "a"));
    return d->p->x_name ? qn_svg_text(d->out, d->x1, d->y1 + 33, "e", d->p->x_name) : 0;
}

/* Upright lines, behind what is drawn over them. */
static int marks(drawing *d) {
    for (size_t k = 0; k < d->p->n_marks; k++) {
        const double x = px(d, d->p->mark[k]);
        if (!isnan(x) && x >= d->x0 && x <= d->x1)
            QN_TRY(qn_svg_line(d->out, x, d->y0, x, d->y1, "u"));
    }
    return 0;
}

/* Their names stand at the left: what falls towards a floor is far from it there. */
static int levels(drawing *d) {
    for (size_t k = 0; k < d->p->n_levels; k++) {
        const qn_level *v = &d->p->level[k];
        const double y = py(d, v->y);
        if (isnan(y))
            continue;
        QN_TRY(qn_svg_line(d->out, d->x0, y, d->x1, y, "r"));
        QN_TRY(qn_svg_text(d->out, d->x0 + 4, y < d->y0 + 18 ? y + 14 : y - 5, "q", v->name));
    }
    return 0;
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

/* Tenths of a unit: whole numbers, so that relative steps do not drift. */
static int64_t tenths(double v) { return (int64_t)round(v * 10); }

static int put_tenths(qn_buf *out, int64_t t, bool first) {
    if (!first && t >= 0)
        QN_TRY(qn_buf_putc(out, ' '));                  /* a minus separates by itself */
    return qn_xml_place(out, (double)t / 10);
}

/* M on the first point of a run, l from there on; a run of one point is a dot by its round ends. */
typedef struct { int64_t x, y; bool open; } pen;
static int pen_to(qn_buf *out, pen *at, double x, double y) {
    const int64_t tx = tenths(x), ty = tenths(y);
    const bool first = !at->open;
    QN_TRY(qn_buf_putc(out, first ? 'M' : 'l'));
    QN_TRY(put_tenths(out, first ? tx : tx - at->x, true));
    QN_TRY(put_tenths(out, first ? ty : ty - at->y, false));
    if (first)
        QN_TRY(qn_buf_puts(out, "h0"));
    *at = (pen){.x = tx, .y = ty, .open = true};
    return 0;
}

static int keep_of(drawing *d, const qn_series *s, const double *y) {
    d->kept.n = 0;
    return qn_decimate(&d->kept, s->x, y, s->n, &d->span.x, (int)(d->x1 - d->x0));
}

static int line(drawing *d, const qn_series *s) {
    pen at = {0};
    QN_TRY(keep_of(d, s, s->y));
    QN_TRY(qn_buf_printf(d->out, "<path class=\"%s s%d\" d=\"", s->look == QN_FAINT ? "l f" : "l",
                         s->color % QN_PALETTE));
    for (size_t k = 0; k < d->kept.n; k++) {
        const size_t i = d->kept.i[k];
        const double x = px(d, s->x[i]), y = py(d, s->y[i]);
        at.open = at.open && !isnan(x) && !isnan(y);
        if (!isnan(x) && !isnan(y))
            QN_TRY(pen_to(d->out, &at, x, y));
    }
    return qn_buf_puts(d->out, "\"/>");
}

static int dots(drawing *d, const qn_series *s) {
    for (size_t k = 0; k < d->kept.n; k++) {
        const double x = px(d, s->x[d->kept.i[k]]), y = py(d, s->y[d->kept.i[k]]);
        if (isnan(x) || isnan(y))
            continue;
        QN_TRY(qn_buf_printf(d->out, "<circle class=\"d s%d\" r=\"3\"", s->color % QN_PALETTE));
        QN_TRY(qn_svg_attribute(d->out, "cx", x));
        QN_TRY(qn_svg_attribute(d->out, "cy", y));
        QN_TRY(qn_buf_puts(d->out, "/>"));
    }
    return 0;
}

/* Along the upper side there, along the lower one back; points without an interval are passed over. */
static int band(drawing *d, const qn_series *s) {
    pen at = {0};
    QN_TRY(keep_of(d, s, s->hi));
    QN_TRY(qn_buf_printf(d->out, "<path class=\"b s%d\" d=\"", s->color % QN_PALETTE));
    for (size_t k = 0; k < 2 * d->kept.n; k++) {
        const bool back = k >= d->kept.n;
        const size_t i = d->kept.i[back ? 2 * d->kept.n - 1 - k : k];
        const double x = px(d, s->x[i]), lo = py(d, s->lo[i]), hi = py(d, s->hi[i]);
        if (!isnan(x) && !isnan(lo) && !isnan(hi))
            QN_TRY(pen_to(d->out, &at, x, back ? lo : hi));
    }
    return qn_buf_puts(d->out, "\"/>");
}

static int curves(drawing *d) {
    for (size_t k = 0; k < d->p->n; k++)
        if (d->p->series[k].lo && d->p->series[k].hi)
            QN_TRY(band(d, &d->p->series[k]));
    for (size_t k = 0; k < d->p->n; k++) {
        QN_TRY(line(d, &d->p->series[k]));
        if (d->p->series[k].look == QN_POINTS && d->p->series[k].n <= DOTS)
            QN_TRY(dots(d, &d->p->series[k]));
    }
    return 0;
}

/* ---- values under the pointer ------------------------------------------------------------------------------------ */

/* First index whose x is at or above v: by halves, x ascending. */
static size_t first_from(const qn_series *s, double v) {
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->x[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* A value of the series within from…to, the one nearest to the middle; false if there is none. */
static bool near(const qn_series *s, double from, double to, size_t *found) {
    const size_t a = first_from(s, from), mid = first_from(s, (from + to) / 2);
    for (size_t reach = 0; reach < s->n; reach++) {
        const size_t up = mid + reach, down = mid - reach - 1;          /* below 0 it wraps beyond n */
        const bool up_in = up < s->n && s->x[up] < to, down_in = down < s->n && down >= a;
        if (!up_in && !down_in)
            return false;
        if ((up_in && qn_plots(s->y[up])) || (down_in && qn_plots(s->y[down]))) {
            *found = up_in && qn_plots(s->y[up]) ? up : down;
            return true;
        }
    }
    return false;
}

static int zone_value(drawing *d, const qn_series *s, size_t i, double x) {
    char value[QN_NUMBER_TEXT], lo[QN_NUMBER_TEXT], hi[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_putc(d->out, '\n'));
    QN_TRY(qn_xml_z(d->out, s->name));
    QN_TRY(qn_buf_printf(d->out, " %s", qn_number(s->y[i], 5, value)));
    if (s->lo && s->hi && qn_plots(s->lo[i]) && qn_plots(s->hi[i]))
        QN_TRY(qn_buf_printf(d->out, " (%s to %s)", qn_number(s->lo[i], 4, lo), qn_number(s->hi[i], 4, hi)));
    return s->x[i] == x ? 0 : qn_buf_printf(d->out, " at %s", qn_place_text(s->x[i], value));
}

/* A column: invisible, with a line at its value's place that shows under the pointer. */
static int zone(drawing *d, double left, double right) {
    const double across = (d->span.x.hi - d->span.x.lo) / (d->x1 - d->x0);
    const double from = d->span.x.lo + (left - d->x0) * across;
    const double to = right >= d->x1 ? INFINITY : d->span.x.lo + (right - d->x0) * across;
    char text[QN_NUMBER_TEXT];
    double x = NAN;
    for (size_t k = 0; k < d->p->n; k++) {
        const qn_series *s = &d->p->series[k];
        size_t i;
        if (!s->name || !near(s, from, isinf(to) ? d->span.x.hi * (1 + 1e-9) + across : to, &i))
            continue;
        if (isnan(x)) {
            x = s->x[i];
            QN_TRY(qn_buf_puts(d->out, "<g class=\"z\"><rect class=\"x\""));
            QN_TRY(qn_svg_attribute(d->out, "x", left));
            QN_TRY(qn_svg_attribute(d->out, "y", d->y0));
            QN_TRY(qn_svg_attribute(d->out, "width", right - left));
            QN_TRY(qn_svg_attribute(d->out, "height", d->y1 - d->y0));
            QN_TRY(qn_buf_puts(d->out, "/>"));
            QN_TRY(qn_svg_line(d->out, px(d, x), d->y0, px(d, x), d->y1, "h"));
            QN_TRY(qn_buf_puts(d->out, "<title>"));
            QN_TRY(qn_xml_z(d->out, d->p->x_name ? d->p->x_name : "x"));
            QN_TRY(qn_buf_printf(d->out, " %s", qn_place_text(x, text)));
        }
        QN_TRY(zone_value(d, s, i, x));
    }
    return isnan(x) ? 0 : qn_buf_puts(d->out, "</title></g>");
}

static int zones(drawing *d) {
    const double width = (d->x1 - d->x0) / ZONES;
    for (int i = 0; i < ZONES; i++)
        QN_TRY(zone(d, d->x0 + i * width, i + 1 == ZONES ? d->x1 : d->x0 + (i + 1) * width));
    return 0;
}

/* ---- the figure -------------------------------------------------------------------------------------------------- */

static int draw(drawing *d) {
    double height;
    QN_TRY(qn_xml_z(d->out, d->p->title));
    QN_TRY(qn_buf_puts(d->out, "\">"));
    QN_TRY(legend(d, true, &height));
    QN_TRY(axis_y(d));
    QN_TRY(axis_x(d));
    QN_TRY(marks(d));
    QN_TRY(curves(d));
    QN_TRY(levels(d));
    QN_TRY(zones(d));
    return qn_buf_puts(d->out, "</svg>\n");
}

/* Room for the widest label of the y axis. */
static double left_margin(const qn_scale *y, double height) {
    double tick[QN_TICKS], most = 0;
    char text[QN_NUMBER_TEXT];
    const size_t n = qn_ticks(y, ticks_high(height), tick);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, qn_svg_wide(qn_tick_text(tick[i], y, text)));
    return most + 14;
}

int qn_lines_svg(qn_buf *out, const qn_lines *p) {
    drawing d = {.out = out, .p = p, .span = qn_lines_span(p)};
    const int width = p->width > 0 ? p->width : WIDTH, high = (p->height > 0 ? p->height : HEIGHT) - BOTTOM - 24;
    double height;
    d.x0 = left_margin(&d.span.y, high);
    d.x1 = width - RIGHT;
    QN_TRY(legend(&d, false, &height));
    d.y0 = height + (p->y_name ? 28 : 10);
    d.y1 = d.y0 + high;
    QN_TRY(qn_buf_printf(out, "<svg class=\"plot %s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                         p->css ? p->css : "", width, (int)d.y1 + (p->x_name ? BOTTOM : 22)));
    const int rc = draw(&d);
    qn_kept_drop(&d.kept);
    return rc;
}
