/* report/figures_align.c — helpful, honest, harmless: bars of what stands for each, a curve over a sweep's beta or mix,
 * a table of everything, and the tax: what changed of what no alignment trains. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/report_impl.h"

enum { BARS_MOST = 4, ROWS_MOST = 32, POINTS_MOST = 64, PARTS = 4 };

static const char *const parts[] = {"helpful", "honest", "harmless", "capability", "bits"};

static bool is_bits(const qn_report_stand *s) { return strcmp(s->part, "bits") == 0; }

/* ---- bars -------------------------------------------------------------------------------------------------------- */

/* Shown as bars: what stands for each part, and both sides of what can be had by always or never refusing. */
static bool is_shown(const qn_report_stand *s) {
    static const char *const also[] = {"true_abstention", "false_abstention", "false_premise", "refusal",
                                       "over_refusal"};
    for (size_t i = 0; i < QN_LEN(also); i++)
        if (strcmp(s->name, also[i]) == 0)
            return true;
    return s->headline;
}

static const char *without_indent(const char *about) { return about + strspn(about, " "); }

/* "over_refusal" as "over refusal": what stands in the table is too long here. */
static const char *spaced(const char *name, char out[32]) {
    size_t n = 0;
    for (; name[n] && n < 31; n++)
        out[n] = name[n] == '_' ? ' ' : name[n];
    out[n] = '\0';
    return out;
}

int qn_figure_align(const qn_report *r, qn_sink *s) {
    const size_t n = QN_MIN(r->aligned, (size_t)BARS_MOST);
    const char *column[BARS_MOST];
    qn_bar bar[ROWS_MOST][BARS_MOST];
    qn_bar_row row[ROWS_MOST];
    char name[ROWS_MOST][32];
    size_t rows = 0;
    qn_buf words = {0};
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        column[i] = r->align[i].name;
    for (size_t k = 0; k < r->align[0].rows && rows < ROWS_MOST; k++) {
        const qn_report_stand *first = &r->align[0].row[k];
        if (!is_shown(first) || is_bits(first))
            continue;
        for (size_t i = 0; i < n; i++) {
            const qn_report_stand *other = qn_report_stand_of(&r->align[i], first->name);
            bar[rows][i] = other ? other->bar : (qn_bar){NAN, NAN, NAN};
        }
        row[rows] = (qn_bar_row){.name = spaced(first->name, name[rows]), .bar = bar[rows]};
        rows++;
    }
    const qn_bars p = {.title = "Helpful, honest, harmless", .x_name = "share of items", .column = column,
                       .columns = n, .bars = n, .row = row, .n = rows, .most = 1};
    int rc = qn_buf_puts(&words, "Of abstention on people it could know, and of refusing look-alikes, less is better; "
                                 "of all else more. Whiskers are 95 % intervals. ");
    if (rc >= 0 && rows > 0)
        rc = qn_show_bars(s, &p, true, &words);
    qn_buf_drop(&words);
    return rc;
}

/* ---- a sweep ----------------------------------------------------------------------------------------------------- */

typedef struct { const qn_report_aligned *model; double at; } point;

static int by_place(const void *a, const void *b) {
    const point *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return strcmp(x->model->name, y->model->name);
}

/* Models along one member of their recipes; how many, 0 where fewer than two values are there. A run that learned from
 * no preferences has a beta of 0. */
static size_t place(const qn_report *r, bool beta, point out[POINTS_MOST]) {
    size_t n = 0;
    for (size_t i = 0; i < r->aligned && n < POINTS_MOST; i++) {
        const double at = beta ? r->align[i].beta : r->align[i].share;
        if (qn_plots(at) && (!beta || at > 0))
            out[n++] = (point){&r->align[i], at};
    }
    qsort(out, n, sizeof *out, by_place);
    return n > 1 && out[n - 1].at > out[0].at ? n : 0;
}

/* What stands for part number `part`, as a curve. */
static const char *curve_of(const point *at, size_t n, int part, double x[], double y[], double lo[], double hi[]) {
    const char *about = NULL;
    for (size_t i = 0; i < n; i++) {
        x[i] = at[i].at;
        y[i] = lo[i] = hi[i] = NAN;
        for (size_t k = 0; k < at[i].model->rows; k++) {
            const qn_report_stand *s = &at[i].model->row[k];
            if (!s->headline || strcmp(s->part, parts[part]) != 0)
                continue;
            about = s->about;
            y[i] = s->bar.value;
            lo[i] = s->bar.lo;
            hi[i] = s->bar.hi;
        }
    }
    return about;
}

int qn_figure_sweep(const qn_report *r, qn_sink *s) {
    double x[PARTS][POINTS_MOST], y[PARTS][POINTS_MOST], lo[PARTS][POINTS_MOST], hi[PARTS][POINTS_MOST];
    qn_series series[PARTS];
    point at[POINTS_MOST];
    bool beta = true;
    size_t n = place(r, true, at), curves = 0;
    qn_buf words = {0};
    if (n == 0) {
        beta = false;
        n = place(r, false, at);
    }
    if (n == 0)
        return 0;
    for (int p = 0; p < PARTS; p++) {
        const char *about = curve_of(at, n, p, x[p], y[p], lo[p], hi[p]);
        if (about)
            series[curves++] = (qn_series){.name = without_indent(about), .x = x[p], .y = y[p], .lo = lo[p],
                                           .hi = hi[p], .n = n, .color = p, .look = QN_POINTS};
    }
    const qn_lines p = {.title = beta ? "Over beta" : "Over the mix of preferences",
                        .x_name = beta ? "beta" : "honest and harmless pairs in a hundred", .y_name = "share of items",
                        .series = series, .n = curves, .zero = true};
    int rc = qn_buf_printf(&words, "%zu models, each at what its run was asked for. Where recall falls while the "
                           "others rise, that is the price. ", n);
    if (rc >= 0)
        rc = qn_show_lines(s, &p, true, &words);
    qn_buf_drop(&words);
    return rc;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* Shares in %, bits as they are; differences with their sign. */
static int put_bar(qn_buf *out, qn_bar b, bool share, bool sign) {
    const double scale = share ? 100 : 1;
    const int digits = share ? 1 : 3;
    const char *form = sign ? "%+.*f" : "%.*f";
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    if (!qn_plots(b.value))
        return qn_buf_puts(out, "–</td>");
    QN_TRY(qn_buf_printf(out, form, digits, scale * b.value));
    if (qn_plots(b.lo) && qn_plots(b.hi)) {
        QN_TRY(qn_buf_puts(out, " <small>"));
        QN_TRY(qn_buf_printf(out, form, digits, scale * b.lo));
        QN_TRY(qn_buf_puts(out, " to "));
        QN_TRY(qn_buf_printf(out, form, digits, scale * b.hi));
        QN_TRY(qn_buf_puts(out, "</small>"));
    }
    return qn_buf_puts(out, "</td>");
}

static int put_header(const qn_report *r, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "<div class=\"scroll\"><table>\n<thead><tr><th></th>"));
    for (size_t i = 0; i < r->aligned; i++) {
        QN_TRY(qn_buf_puts(out, "<th class=\"num\">"));
        QN_TRY(qn_xml_z(out, r->align[i].name));
        QN_TRY(qn_buf_puts(out, "</th>"));
    }
    return qn_buf_puts(out, "</tr></thead>\n<tbody>\n");
}

static int put_title(qn_buf *out, const qn_report_stand *s) {
    QN_TRY(qn_buf_puts(out, s->about[0] == ' ' ? "<tr class=\"sub\"><td>" : "<tr><td>"));
    QN_TRY(qn_xml_z(out, is_bits(s) ? s->name : without_indent(s->about)));
    return qn_buf_puts(out, s->lower ? " ↓</td>" : "</td>");
}

static int put_row(const qn_report *r, const qn_report_stand *s, bool tax, qn_buf *out) {
    QN_TRY(put_title(out, s));
    for (size_t i = 0; i < r->aligned; i++) {
        const qn_report_stand *x = qn_report_stand_of(&r->align[i], s->name);
        const qn_bar none = {NAN, NAN, NAN};
        QN_TRY(put_bar(out, !x ? none : tax ? x->tax : x->bar, !is_bits(s), tax));
    }
    return qn_buf_puts(out, "</tr>\n");
}

/* The rows of the model that has most of them: a world without a sidecar gives no bits. */
static const qn_report_aligned *longest(const qn_report *r) {
    const qn_report_aligned *most = &r->align[0];
    for (size_t i = 1; i < r->aligned; i++)
        if (r->align[i].rows > most->rows)
            most = &r->align[i];
    return most;
}

static int put_figures(const qn_report *r, qn_buf *out) {
    const qn_report_aligned *most = longest(r);
    const char *part = "";
    QN_TRY(put_header(r, out));
    for (size_t i = 0; i < most->rows; i++) {
        if (strcmp(part, most->row[i].part) != 0) {
            part = most->row[i].part;
            QN_TRY(qn_buf_puts(out, "<tr><th>"));
            QN_TRY(qn_xml_z(out, strcmp(part, "bits") == 0 ? "bits per byte, by kind of choice" : part));
            QN_TRY(qn_buf_puts(out, "</th></tr>\n"));
        }
        QN_TRY(put_row(r, &most->row[i], false, out));
    }
    return qn_buf_puts(out, "</tbody></table></div>\n");
}

static int put_one(const qn_report *r, const char *title, bool wins, qn_buf *out) {
    QN_TRY(qn_buf_printf(out, "<tr><td>%s</td>", title));
    for (size_t i = 0; i < r->aligned; i++)
        QN_TRY(put_bar(out, wins ? r->align[i].wins : r->align[i].kl, wins, false));
    return qn_buf_puts(out, "</tr>\n");
}

/* "41.2 (38.0)": the reference's behind it. */
static int put_lengths(const qn_report *r, qn_buf *out) {
    QN_TRY(qn_buf_puts(out, "<tr><td>bytes of an answer (of the reference's)</td>"));
    for (size_t i = 0; i < r->aligned; i++) {
        const qn_report_aligned *m = &r->align[i];
        if (qn_plots(m->bytes) && qn_plots(m->bytes_reference))
            QN_TRY(qn_buf_printf(out, "<td class=\"num\">%.1f <small>%.1f</small></td>", m->bytes, m->bytes_reference));
        else
            QN_TRY(qn_buf_puts(out, "<td class=\"num\">–</td>"));
    }
    return qn_buf_puts(out, "</tr>\n");
}

/* What stands for each part, and everything that no alignment trains. */
static int put_tax(const qn_report *r, qn_buf *out) {
    const qn_report_aligned *most = longest(r);
    QN_TRY(qn_buf_puts(out, "<h3>Alignment tax: difference to "));
    QN_TRY(qn_xml_z(out, r->reference));
    QN_TRY(qn_buf_puts(out, ", item by item</h3>\n"));
    QN_TRY(put_header(r, out));
    for (size_t i = 0; i < most->rows; i++)
        if (most->row[i].headline || strcmp(most->row[i].part, "capability") == 0 || is_bits(&most->row[i]))
            QN_TRY(put_row(r, &most->row[i], true, out));
    QN_TRY(put_one(r, "wins by rule, ties half", true, out));
    QN_TRY(put_lengths(r, out));
    QN_TRY(put_one(r, "KL to it, nats a token", false, out));
    return qn_buf_puts(out, "</tbody></table></div>\n");
}

int qn_table_align(const qn_report *r, qn_buf *out) {
    if (r->aligned == 0)
        return 0;
    QN_TRY(put_figures(r, out));
    QN_TRY(qn_buf_puts(out, "<p class=\"about\">In %, with 95 % intervals; ↓ lower is better.</p>\n"));
    return r->reference && r->aligned > 1 ? put_tax(r, out) : 0;
}
