/* plot/scale.c — from values to places: ranges, logarithms, nice ticks; and numbers as a reader wants them.
 *
 *     values   1.93 … 7.61     scale 1.65 … 7.9      ticks 2, 4, 6
 *
 * A figure meets everything: one point, all points equal, nothing but NaN, numbers of 1e308. After qn_scale_fit the
 * scale is wide enough to divide by, always. */
#include "plot/plot.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AIR 0.04                    /* of the range, above and below */
#define LOG_MOST 1e150              /* of a logarithmic scale: hi / lo stays finite */

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

bool qn_plots(double v) { return v >= -QN_PLOT_HUGE && v <= QN_PLOT_HUGE; }      /* NaN compares to nothing */

/* The power of ten at or below |v| > 0, exact where the logarithm is a bit off. */
static int magnitude(double v) {
    int e = (int)floor(log10(fabs(v)));
    if (fabs(v) < pow(10, e))
        e--;
    return fabs(v) >= pow(10, e + 1) ? e + 1 : e;
}

/* v to `decimals` behind the point (negative: before it): a whole number over a power of ten is the nearest double. */
static double round_to(double v, int decimals) {
    if (decimals > 22 || decimals < -300)
        return v;
    const double unit = pow(10, abs(decimals));
    return decimals >= 0 ? round(v * unit) / unit : round(v / unit) * unit;
}

static const char *none(char out[QN_NUMBER_TEXT]) { return strcpy(out, "–"); }

/* The power of 1000 that |v| is told in: 0 up to 10000, so that years and steps stay whole. */
static int thousands(double v) { return fabs(v) < 1e4 ? 0 : QN_MIN(magnitude(v) / 3, 4); }

static const char *told_in(double v, int digits, int k, char out[QN_NUMBER_TEXT]) {
    static const char *const suffix[] = {"", "k", "M", "G", "T"};
    if (k)
        v = round_to(v / pow(1000, k), QN_MAX(digits - 1 - magnitude(v) + 3 * k, 0));
    const size_t n = qn_f64_text(v == 0 ? 0 : v, out);            /* no minus before nothing */
    strcpy(out + n, suffix[k]);
    return out;
}

/* "1.23e-30": by its mantissa, because powers of ten beyond 22 are no exact doubles. */
static const char *scientific(double v, int digits, char out[QN_NUMBER_TEXT]) {
    int e = magnitude(v);
    double m = round_to(e < -300 ? v * 1e300 / pow(10, e + 300) : v / pow(10, e), digits - 1);
    if (fabs(m) >= 10) {
        m /= 10;
        e++;
    }
    const size_t n = qn_f64_text(m, out);
    snprintf(out + n, QN_NUMBER_TEXT - n, "e%d", e);
    return out;
}

const char *qn_number(double v, int digits, char out[QN_NUMBER_TEXT]) {
    if (!qn_plots(v))
        return none(out);
    if (v != 0 && (fabs(v) < 1e-4 || fabs(v) >= 1e15))
        return scientific(v, digits, out);
    if (v != 0)
        v = round_to(v, digits - 1 - magnitude(v));
    return told_in(v, digits, thousands(v), out);
}

const char *qn_place_text(double v, char out[QN_NUMBER_TEXT]) {
    return qn_plots(v) && v == round(v) && fabs(v) < 1e9 ? qn_fixed(v, 0, out) : qn_number(v, 6, out);
}

const char *qn_tick_text(double v, const qn_scale *s, char out[QN_NUMBER_TEXT]) {
    const double widest = fmax(fabs(s->lo), fabs(s->hi));
    if (s->log || v == 0 || widest >= 1e15 || fabs(v) < 1e-4)
        return qn_number(v, 6, out);
    return told_in(round_to(v, 8 - magnitude(widest)), 9, thousands(widest), out);
}

const char *qn_fixed(double v, int decimals, char out[QN_NUMBER_TEXT]) {
    if (!qn_plots(v))
        return none(out);
    v = round_to(v, decimals);
    if (fabs(v) >= 1e9)
        return qn_number(v, 6, out);
    const int64_t unit = (int64_t)pow(10, decimals), whole = (int64_t)round(fabs(v) * (double)unit);
    char *at = out;
    char digits[24];
    int n = 0;
    for (int64_t left = whole; left || n <= decimals; left /= 10)
        digits[n++] = (char)('0' + left % 10);
    if (v < 0 && whole)
        *at++ = '-';
    while (n > 0) {
        if (n == decimals)
            *at++ = '.';
        *at++ = digits[--n];
    }
    *at = '\0';
    return out;
}

/* ---- scales ------------------------------------------------------------------------------------------------------ */

static qn_scale with_air(double lo, double hi, bool zero) {
    double air = (hi - lo) * AIR;
    if (!(air > fabs(hi) * 1e-12))                      /* one value, or as good as one */
        air = hi == 0 ? 1 : fabs(hi) * 0.05 + DBL_MIN;
    return (qn_scale){.lo = zero && lo >= 0 ? lo : lo - air, .hi = hi + air};
}

qn_scale qn_scale_fit(double lo, double hi, bool log, bool zero) {
    if (!qn_plots(lo) || !qn_plots(hi) || lo > hi)
        return (qn_scale){.lo = 0, .hi = 1};
    if (log && lo > 1 / LOG_MOST && hi < LOG_MOST) {
        const double air = fmax(pow(hi / lo, AIR), 1.05);
        return (qn_scale){.lo = lo / air, .hi = hi * air, .log = true};
    }
    if (zero) {
        lo = fmin(lo, 0);
        hi = fmax(hi, 0);
    }
    return with_air(lo, hi, zero);
}

double qn_scale_at(const qn_scale *s, double v) {
    if (!qn_plots(v) || (s->log && v <= 0))
        return NAN;
    return s->log ? log(v / s->lo) / log(s->hi / s->lo) : (v - s->lo) / (s->hi - s->lo);
}

/* ---- ticks ------------------------------------------------------------------------------------------------------- */

/* The next 1, 2, 5 or 10 times a power of ten that is not below v > 0. */
static double nice_above(double v) {
    const double unit = pow(10, magnitude(v)), share = v / unit;
    return unit * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

static size_t linear_ticks(const qn_scale *s, int about, double tick[QN_TICKS]) {
    const double step = nice_above((s->hi - s->lo) / about);
    const int digits = 1 - magnitude(step);
    const double first = ceil(s->lo / step - 1e-9);
    size_t n = 0;
    for (double k = first; n < QN_TICKS && k <= s->hi / step + 1e-9; k++)
        tick[n++] = round_to(k * step, digits);
    if (n == 0)                                         /* numbers so large that the step is lost in them */
        tick[n++] = s->lo;
    return n;
}

static size_t log_ticks(const qn_scale *s, int about, double tick[QN_TICKS]) {
    const int low = magnitude(s->lo), last = magnitude(s->hi), first = pow(10, low) < s->lo ? low + 1 : low;
    const int decades = last - first + 1;
    const int every = QN_MAX((decades + about - 1) / about, 1);
    static const double between[] = {1, 2, 5};
    const size_t most = decades <= 2 ? 3 : 1;
    size_t n = 0;
    for (int e = most > 1 ? low : first; e <= last; e += every)
        for (size_t i = 0; i < most && n < QN_TICKS; i++) {
            const double v = between[i] * pow(10, e);
            if (v >= s->lo && v <= s->hi)
                tick[n++] = round_to(v, 1 - e);
        }
    return n;
}

size_t qn_ticks(const qn_scale *s, int about, double tick[QN_TICKS]) {
    about = QN_MAX(2, QN_MIN(about, 12));
    const size_t n = s->log ? log_ticks(s, about, tick) : 0;
    return n >= 2 ? n : linear_ticks(s, about, tick);
}

/* ---- what figures span ------------------------------------------------------------------------------------------- */

static void widen(double *lo, double *hi, double v) {
    if (!qn_plots(v))
        return;
    *lo = isnan(*lo) ? v : fmin(*lo, v);
    *hi = isnan(*hi) ? v : fmax(*hi, v);
}

qn_span qn_lines_span(const qn_lines *p) {
    double x[2] = {NAN, NAN}, y[2] = {NAN, NAN};
    for (size_t k = 0; k < p->n; k++) {
        const qn_series *s = &p->series[k];
        for (size_t i = 0; i < s->n; i++) {
            widen(&x[0], &x[1], s->x[i]);
            widen(&y[0], &y[1], s->y[i]);
            if (s->lo)
                widen(&y[0], &y[1], s->lo[i]);
            if (s->hi)
                widen(&y[0], &y[1], s->hi[i]);
        }
    }
    for (size_t k = 0; k < p->n_levels; k++)
        widen(&y[0], &y[1], p->level[k].y);
    qn_span span = {.y = qn_scale_fit(y[0], y[1], p->log, p->zero)};
    if (x[1] > x[0])
        span.x = (qn_scale){.lo = x[0], .hi = x[1]};
    else if (fabs(x[0]) < 1e9)                          /* one step stands between its neighbours */
        span.x = (qn_scale){.lo = x[0] - 1, .hi = x[0] + 1};
    else
        span.x = qn_scale_fit(x[0], x[1], false, false);
    return span;
}

qn_scale qn_bars_span(const qn_bars *p) {
    double lo = 0, hi = 0;
    for (size_t r = 0; r < p->n; r++)
        for (size_t c = 0; c < p->columns; c++) {
            widen(&lo, &hi, p->row[r].bar[c].value);
            widen(&lo, &hi, p->row[r].bar[c].lo);
            widen(&lo, &hi, p->row[r].bar[c].hi);
        }
    if (p->most > 0 && lo >= 0 && hi <= p->most)
        return (qn_scale){.lo = 0, .hi = p->most};
    return qn_scale_fit(lo, hi, false, true);
}
