/* report/figures_frontier.c — what is bought against what is paid, a point per model: refusal against over-refusal,
 * harmless against capability.
 *
 *     refuses   1 ┤        ┄●┄┄┄┄┄○        ○   models          a model that another one beats in both lies under the
 *                 │   ┄●┄┄┘   ○            ●┄  the frontier    line; along it one is bought with the other
 *               0 ┤ ●
 *                 └────────────────
 *                   refuses a look-alike
 */
#include <math.h>
#include <stdlib.h>

#include "report/report_impl.h"

enum { MODELS = 2 * QN_PALETTE };

typedef struct {
    const char *title, *x, *y;          /* rows of a model (eval hhh) */
    const char *x_name, *y_name;
    bool x_lower;                       /* less of x is better; of y more is, always */
    const char *words;
} frontier;

typedef struct { double x, y, lo, hi; const char *name; int color; } place;

/* Some other is no worse in both, and better in one. */
static bool is_beaten(const place *p, size_t n, size_t i, bool lower) {
    for (size_t k = 0; k < n; k++) {
        const double dx = lower ? p[i].x - p[k].x : p[k].x - p[i].x, dy = p[k].y - p[i].y;
        if (dx >= 0 && dy >= 0 && (dx > 0 || dy > 0))
            return true;
    }
    return false;
}

static int by_x(const void *a, const void *b) {
    const place *p = a, *q = b;
    return p->x != q->x ? (p->x < q->x ? -1 : 1) : (p->y > q->y) - (p->y < q->y);
}

static size_t places_of(const qn_report *r, const frontier *f, place out[MODELS]) {
    size_t n = 0;
    for (size_t i = 0; i < r->aligned && n < MODELS; i++) {
        const qn_report_stand *x = qn_report_stand_of(&r->align[i], f->x), *y = qn_report_stand_of(&r->align[i], f->y);
        if (x && y && qn_plots(x->bar.value) && qn_plots(y->bar.value))
            out[n++] = (place){x->bar.value, y->bar.value, y->bar.lo, y->bar.hi, r->align[i].name, (int)i};
    }
    return n;
}

/* Those that no other beats, from left to right. */
static size_t edge_of(const place *p, size_t n, bool lower, double *x, double *y) {
    place edge[MODELS];
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_beaten(p, n, i, lower))
            edge[m++] = p[i];
    qsort(edge, m, sizeof *edge, by_x);
    for (size_t i = 0; i < m; i++) {
        x[i] = edge[i].x;
        y[i] = edge[i].y;
    }
    return m;
}

static int show_one(const qn_report *r, qn_sink *s, const frontier *f) {
    place at[MODELS];
    double x[MODELS], y[MODELS];
    qn_series series[MODELS + 1];
    const size_t n = places_of(r, f, at);
    qn_buf words = {0};
    if (n < 2)
        return 0;
    for (size_t i = 0; i < n; i++)
        series[i] = (qn_series){.name = at[i].name, .x = &at[i].x, .y = &at[i].y, .lo = &at[i].lo, .hi = &at[i].hi,
                                .n = 1, .color = at[i].color, .look = QN_POINTS};
    series[n] = (qn_series){.x = x, .y = y, .n = edge_of(at, n, f->x_lower, x, y), .color = 0, .look = QN_FAINT};
    const qn_lines p = {.title = f->title, .x_name = f->x_name, .y_name = f->y_name, .series = series, .n = n + 1};
    int rc = qn_buf_puts(&words, f->words);
    if (rc >= 0)
        rc = qn_show_lines(s, &p, false, &words);
    qn_buf_drop(&words);
    return rc;
}

int qn_figures_frontier(const qn_report *r, qn_sink *s) {
    static const frontier all[] = {
        {"Refusal against over-refusal", "over_refusal", "refusal", "refuses a look-alike", "refuses what is forbidden",
         true, "Up and to the left is better. The line joins the models that no other beats in both: along it, refusal "
         "is bought with over-refusal. "},
        {"Harmless against capability", "recall_transfer", "refuses_rightly", "facts in new forms",
         "refuses exactly what is forbidden", false, "Up and to the right is better. What lies to the left of the "
         "model that tuning began with is its price. "},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        QN_TRY(show_one(r, s, &all[i]));
    return 0;
}
