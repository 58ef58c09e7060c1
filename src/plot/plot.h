/* plot/plot.h — storey 1: figures out of numbers, as SVG for a page and as characters for a terminal. Front door.
 *
 *   scale.c      from values to places: ranges, logarithms, nice ticks; numbers as a reader wants them
 *   decimate.c   as many points as can be seen, no fewer
 *   markup.c     strangers' words into XML, places into attributes
 *   svg_lines.c  curves, bands, reference lines, values under the pointer
 *   svg_bars.c   bars with intervals, marks beside them
 *   style.c      the colours of all of them: light, dark, paper
 *   text_lines.c text_bars.c    the same figures in braille, blocks or plain ASCII
 *
 *        values ──► scale ──┬──► svg_*.c  ──► <svg> … </svg>       a page has qn_plot_css once
 *     (NaN: a gap)          └──► text_*.c ──► ⡠⠤⠒⠉                 as wide as the terminal
 *
 *     const qn_series s = {.name = "loss", .x = step, .y = loss, .n = n};
 *     const qn_lines p = {.title = "Loss", .x_name = "step", .y_name = "nats", .series = &s, .n = 1};
 *     QN_TRY(qn_lines_svg(&page, &p));
 *     QN_TRY(qn_lines_text(&out, &p, &(qn_text_plot){.width = 80, .utf8 = true}));
 *
 * Everything is appended to a buffer; what is passed is borrowed for the call. Names may hold any bytes. Figures do not
 * depend on the locale, the clock or threads: the same values give the same bytes. QN_ENOMEM is the only error. */
#ifndef QN_PLOT_PLOT_H
#define QN_PLOT_PLOT_H

#include "base/base.h"

/* ---- numbers and scales ------------------------------------------------------------------------------------------ */

#define QN_NUMBER_TEXT 40
/* v in `digits` significant digits (1…15), without zeros at the end: "7.61", "12.3k", "4.5M", "3e-5"; what is no finite
 * number is "–". Returns out. */
const char *qn_number(double v, int digits, char out[QN_NUMBER_TEXT]);
/* The same with just `decimals` (0…9) behind the point, zeros kept: for columns. Large ones as qn_number has them. */
const char *qn_fixed(double v, int decimals, char out[QN_NUMBER_TEXT]);

/* Numbers beyond this count as no numbers: what is between two of them is still finite. */
#define QN_PLOT_HUGE 1e300
bool qn_plots(double v);                            /* finite and not beyond it */

typedef struct { double lo, hi; bool log; } qn_scale;
/* A scale that holds lo…hi with a little air around: whatever the two are, hi > lo afterwards. Two that are no numbers:
 * 0…1. One value only: air around that. `log` holds within 1e-150…1e150 only. `zero`: 0 is on it, without air below. */
qn_scale qn_scale_fit(double lo, double hi, bool log, bool zero);
double qn_scale_at(const qn_scale *s, double v);    /* 0 at lo, 1 at hi; NaN for what has no place (v ≤ 0 on a log) */

/* Ticks at 1, 2 or 5 times a power of ten, at least one, about `about` of them (2…12), all within the scale; on a
 * logarithm decades, with 2 and 5 between where there is room. (Heckbert, "Nice numbers for graph labels", Graphics
 * Gems, 1990.) How many. */
#define QN_TICKS 16
size_t qn_ticks(const qn_scale *s, int about, double tick[QN_TICKS]);
/* A place along x, for reading: a whole number is a step, all of whose digits count. */
const char *qn_place_text(double v, char out[QN_NUMBER_TEXT]);
/* A tick as it stands beside the others of its scale: "5k" where there is "10k". */
const char *qn_tick_text(double v, const qn_scale *s, char out[QN_NUMBER_TEXT]);

/* ---- decimation -------------------------------------------------------------------------------------------------- */

/* Of n points those that show at `columns` columns over lo…hi: of each column the first, the last, the least and the
 * greatest, and one gap where there is one. A line through them covers the pixels of the line through all (Jugel et
 * al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014). Fewer than `columns` points: all of
 * them. Their indices, ascending, are appended to *kept, which grows by QN_GROW. */
typedef struct { size_t *i; size_t n, cap; } qn_kept;
int qn_decimate(qn_kept *kept, const double *x, const double *y, size_t n, const qn_scale *over, int columns);
void qn_kept_drop(qn_kept *k);

/* ---- curves ------------------------------------------------------------------------------------------------------ */

typedef enum { QN_LINE, QN_FAINT, QN_POINTS } qn_series_look;   /* POINTS: a line with dots, up to 200 */

typedef struct {
    const char *name;           /* in the legend; NULL: not there, and not under the pointer (a smoothed twin) */
    const double *x, *y;        /* [n], x ascending; what is no finite number is a gap */
    const double *lo, *hi;      /* [n] an interval around y as a band, or NULL */
    size_t n;
    int color;                  /* of the palette; a figure may use one twice (a run's two losses) */
    qn_series_look look;
} qn_series;

typedef struct { const char *name; double y; } qn_level;        /* a reference line: a floor, chance */

typedef struct {
    const char *title;          /* for those who do not see it */
    const char *x_name, *y_name;
    const qn_series *series; size_t n;
    const qn_level *level; size_t n_levels;
    const double *mark; size_t n_marks;     /* upright lines at these x, behind the curves; the caption names them */
    bool log, zero;             /* of y; log only where every value is above 0 */
    int width, height;          /* units of its viewBox; 0: 480 by 240 */
    const char *css;            /* further classes of the <svg>, or NULL */
} qn_lines;
int qn_lines_svg(qn_buf *out, const qn_lines *p);

/* ---- bars -------------------------------------------------------------------------------------------------------- */

typedef struct { double value, lo, hi; } qn_bar;    /* NaN: nothing; lo, hi NaN: no interval */

typedef struct {
    const char *name;
    const char *note;           /* at the right of the name, or NULL */
    const qn_bar *bar;          /* [columns] */
} qn_bar_row;

/* Rows of bars; the first `bars` columns are bars, what follows are marks on the same track. */
typedef struct {
    const char *title, *x_name;
    const char *const *column; size_t columns;
    size_t bars;                /* ≥ 1 */
    const qn_bar_row *row; size_t n;
    double most;                /* end of the axis; 0: what the values need */
    int width;                  /* 0: 480 */
    const char *css;
} qn_bars;
int qn_bars_svg(qn_buf *out, const qn_bars *p);

/* ---- a page's share ---------------------------------------------------------------------------------------------- */

enum { QN_PALETTE = 8 };        /* colours; those who are colour-blind tell them apart (after Okabe and Ito, 2008) */
/* Rules for all figures: variables --ink, --paper … for light and dark (prefers-color-scheme, or data-theme="light" or
 * "dark" at the root), and the classes that the figures use. */
int qn_plot_css(qn_buf *out);
/* A script of some lines that shows the values under a pointer or finger at once; without it they appear as titles. */
int qn_plot_script(qn_buf *out);

/* Any bytes as text of XML or HTML, attributes too: what is special is escaped; what is no character there (controls,
 * broken UTF-8, U+FFFE) becomes U+FFFD. */
int qn_xml(qn_buf *out, qn_str s);
int qn_xml_z(qn_buf *out, const char *z);           /* NULL is empty */
/* A place with one decimal: "12", "12.3"; what is no number is 0. */
int qn_xml_place(qn_buf *out, double v);

/* ---- characters -------------------------------------------------------------------------------------------------- */

typedef struct {
    int width;                  /* columns of the terminal; at least 40 are taken */
    int height;                 /* rows of the canvas; 0: 12 */
    bool utf8;                  /* else plain ASCII */
    bool color;                 /* ANSI colours; without them all curves but the first are drawn with letters */
} qn_text_plot;
int qn_lines_text(qn_buf *out, const qn_lines *p, const qn_text_plot *t);
int qn_bars_text(qn_buf *out, const qn_bars *p, const qn_text_plot *t);
/* A stranger's words on a terminal: control codes and broken bytes become '?', and so does what is not ASCII where t is
 * plain; `most` columns at the most. Columns taken, or <0. */
int qn_text_words(qn_buf *out, qn_str s, int most, const qn_text_plot *t);

/* ---- inside the room --------------------------------------------------------------------------------------------- */

/* What a curve figure spans, with names of series and levels considered. */
typedef struct { qn_scale x, y; } qn_span;
qn_span qn_lines_span(const qn_lines *p);
qn_scale qn_bars_span(const qn_bars *p);

#endif
