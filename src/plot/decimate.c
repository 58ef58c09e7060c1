/* plot/decimate.c — as many points as can be seen, no fewer: a spike of one step in a million stays in the figure.
 *
 *     column   │ .   '        │    .
 *              │    .   ' .   │.       .     of each column the first, the last, the least, the greatest
 *              │ ▲         ▲  │                                                                            */
#include "plot/plot.h"

#include <math.h>

typedef struct { size_t first, last, least, most, gap; bool any, gapped; } column;

static int keep(qn_kept *k, size_t i) {
    QN_TRY(QN_GROW(QN_MEM_BASE, k->i, k->cap, k->n + 1));
    k->i[k->n++] = i;
    return 0;
}

/* The column's five in ascending order, each once. */
static int flush(qn_kept *kept, const column *c) {
    size_t i[5] = {c->first, c->least, c->most, c->last, c->gap}, from = c->any ? 0 : 4;
    const size_t n = c->gapped ? 5 : 4;
    for (size_t a = from + 1; a < n; a++)
        for (size_t b = a; b > from && i[b - 1] > i[b]; b--) {
            const size_t held = i[b];
            i[b] = i[b - 1];
            i[b - 1] = held;
        }
    for (size_t a = from; a < n; a++)
        if (a == from || i[a] != i[a - 1])
            QN_TRY(keep(kept, i[a]));
    return 0;
}

static void take(column *c, const double *y, size_t i) {
    if (!qn_plots(y[i])) {
        c->gap = c->gapped ? c->gap : i;
        c->gapped = true;
        return;
    }
    if (!c->any)
        c->first = c->least = c->most = i;
    c->any = true;
    c->last = i;
    c->least = y[i] < y[c->least] ? i : c->least;
    c->most = y[i] > y[c->most] ? i : c->most;
}

int qn_decimate(qn_kept *kept, const double *x, const double *y, size_t n, const qn_scale *over, int columns) {
    column c = {0};
    double at = NAN;                                    /* number of the column that c is about */
    if (n <= (size_t)QN_MAX(columns, 1)) {
        for (size_t i = 0; i < n; i++)
            QN_TRY(keep(kept, i));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const double place = floor(qn_scale_at(over, x[i]) * columns);
        if (isnan(place))
            continue;
        if (place != at) {
            if (c.any || c.gapped)
                QN_TRY(flush(kept, &c));
            c = (column){0};
            at = place;
        }
        take(&c, y, i);
    }
    return c.any || c.gapped ? flush(kept, &c) : 0;
}

void qn_kept_drop(qn_kept *k) {
    qn_free(k->i);
    *k = (qn_kept){0};
}
