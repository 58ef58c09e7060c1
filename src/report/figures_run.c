/* report/figures_run.c — figures of a run: loss, rate, gradient, speed; each with a sentence that says what to look at.
 *
 *     raw      ╱╲╱╲╱╲╱╲   every step, faint: its spread is a fact too
 *     median   ────────   of each 120th of the run, in the middle of it: what the eye should follow. One wild step does
 *                         not move it, as it would a mean
 *
 * One run shows both; of several, overlaid, each has its medians and its validation loss, in one colour. */
#include <math.h>
#include <string.h>
#include <stdio.h>

#include "report/report_impl.h"

enum { SMOOTH_FROM = 40, BUCKETS = 120, RUNS_MOST = QN_RUNS_DRAWN };

/* Steps that one point of the bold curve stands for. */
static size_t bucket_of(size_t n) { return n < SMOOTH_FROM ? 1 : QN_MAX((n + BUCKETS - 1) / BUCKETS, (size_t)3); }

/* ---- loss -------------------------------------------------------------------------------------------------------- */

void qn_curves_drop(qn_curves *c) {
    for (size_t i = 0; i < c->owns; i++)
        qn_free(c->owned[i]);
}

/* Two arrays of n numbers each that the figure owns. */
static int own(qn_curves *c, size_t n, double **x, double **y) {
    *x = c->owned[c->owns++] = qn_alloc(QN_MEM_BASE, (n + 1) * sizeof **x);
    *y = c->owned[c->owns++] = qn_alloc(QN_MEM_BASE, (n + 1) * sizeof **y);
    return *x && *y ? 0 : QN_ENOMEM;
}

/* The medians of a column's buckets. */
int qn_curves_medians(qn_curves *c, const qn_run_table *t, int column, const char *name, int color,
                      qn_series_look look) {
    const size_t bucket = bucket_of(t->n);
    double *x, *y;
    size_t n = 0;
    QN_TRY(own(c, t->n / bucket + 1, &x, &y));
    for (size_t i = 0; i < t->n; i += bucket, n++) {
        const size_t end = QN_MIN(i + bucket, t->n);
        qn_report_summary s;
        QN_TRY(qn_report_summarize(t->column[column] + i, end - i, &s));
        x[n] = (t->step[i] + t->step[end - 1]) / 2;
        y[n] = s.median;
    }
    c->median = n ? y[n - 1] : NAN;
    c->series[c->n++] = (qn_series){.name = name, .x = x, .y = y, .n = n, .color = color, .look = look};
    return 0;
}

/* A column as it is, and its medians where there are enough steps for them. */
int qn_curves_smoothed(qn_curves *c, const qn_run_table *t, int column, const char *name, int color) {
    const bool many = bucket_of(t->n) > 1;
    c->series[c->n++] = (qn_series){.name = name, .x = t->step, .y = t->column[column], .n = t->n,
                                    .color = color, .look = many ? QN_FAINT : QN_LINE};
    return many ? qn_curves_medians(c, t, column, NULL, color, QN_LINE) : 0;
}

/* What is measured now and then, without the steps between: so its line goes from one value to the next. */
int qn_curves_measured(qn_curves *c, const qn_run_table *t, int column, const char *name, int color) {
    const double *v = t->column[column];
    double *x, *y;
    size_t n = 0;
    QN_TRY(own(c, t->n, &x, &y));
    for (size_t i = 0; i < t->n; i++)
        if (qn_plots(v[i])) {
            x[n] = t->step[i];
            y[n++] = v[i];
        }
    c->series[c->n++] = (qn_series){.name = name, .x = x, .y = y, .n = n, .color = color, .look = QN_POINTS};
    return 0;
}

static bool has(const qn_report_run *run, int column) { return !isnan(qn_report_last(run, column)); }

static int add_run(qn_curves *c, const qn_report *r, size_t i) {
    const qn_report_run *run = &r->run[i];
    const bool alone = r->n == 1, measured = has(run, QN_EVAL_LOSS);
    if (has(run, QN_LOSS) && alone)
        QN_TRY(qn_curves_smoothed(c, &run->metrics, QN_LOSS, "training", 0));
    else if (has(run, QN_LOSS))
        QN_TRY(qn_curves_medians(c, &run->metrics, QN_LOSS, measured ? NULL : run->name, (int)i,
                                 measured ? QN_FAINT : QN_LINE));
    return measured ? qn_curves_measured(c, &run->metrics, QN_EVAL_LOSS, alone ? "validation" : run->name,
                                         alone ? 1 : (int)i) : 0;
}

/* "The validation loss fell from 6.2 to 2.1; the lowest, 2.05, was at step 1400." */
static int loss_words(qn_buf *b, const qn_report_run *run, int column, const char *what) {
    qn_report_summary s;
    char text[QN_NUMBER_TEXT];
    const double *v = run->metrics.column[column];
    QN_TRY(qn_report_summarize(v, run->metrics.n, &s));
    if (s.n == 0)
        return 0;
    QN_TRY(qn_buf_printf(b, "%s ", what));
    if (s.n == 1) {
        QN_TRY(qn_buf_printf(b, "was %s at step ", qn_number(v[s.first], 4, text)));
        return qn_buf_printf(b, "%s. ", qn_place_text(run->metrics.step[s.first], text));
    }
    QN_TRY(qn_buf_puts(b, v[s.last] < v[s.first] ? "fell from " : v[s.last] > v[s.first] ? "rose from "
                                                                                       : "went from "));
    QN_TRY(qn_buf_printf(b, "%s to ", qn_number(v[s.first], 3, text)));
    QN_TRY(qn_buf_puts(b, qn_number(v[s.last], 3, text)));
    if (s.least == s.last)
        return qn_buf_puts(b, ", its lowest. ");
    QN_TRY(qn_buf_printf(b, "; the lowest, %s, was at step ", qn_number(v[s.least], 3, text)));
    return qn_buf_printf(b, "%s. ", qn_place_text(run->metrics.step[s.least], text));
}

/* Far apart at the end: the model knows its training text better than others. */
static int gap_words(qn_buf *b, const qn_report_run *run, double train) {
    char text[QN_NUMBER_TEXT];
    const double gap = qn_report_last(run, QN_EVAL_LOSS) - train;
    if (!qn_plots(gap))
        return 0;
    return qn_buf_printf(b, "At the end it lies %s %s the training loss. ", qn_number(fabs(gap), 2, text),
                         gap >= 0 ? "above" : "below");
}

/* Where it was taken up, but for takings-up behind which no step came. */
static size_t resumed_at(const qn_report_run *run, double *at) {
    const double last = run->metrics.n ? run->metrics.step[run->metrics.n - 1] : 0;
    size_t n = 0;
    for (size_t i = 0; i < run->resumes; i++)
        if (run->resumed[i] < last && (n == 0 || run->resumed[i] != at[n - 1]))
            at[n++] = run->resumed[i];
    return n;
}

/* "Upright dotted lines stand where the run was taken up again, behind steps 120 and 300." */
static int resumed_words(qn_buf *b, const double *at, size_t n) {
    enum { MOST = 6 };
    char text[QN_NUMBER_TEXT];
    if (n == 0)
        return 0;
    if (n > MOST)
        return qn_buf_printf(b, "Upright dotted lines stand where the run was taken up again, %zu times. ", n);
    QN_TRY(qn_buf_puts(b, n == 1 ? "An upright dotted line stands where the run was taken up again, behind step "
                                 : "Upright dotted lines stand where the run was taken up again, behind steps "));
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_buf_printf(b, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", qn_place_text(at[i], text)));
    return qn_buf_puts(b, ". ");
}

static int one_run_words(qn_buf *b, const qn_report_run *run, const qn_curves *c, bool page) {
    char text[QN_NUMBER_TEXT];
    QN_TRY(loss_words(b, run, QN_EVAL_LOSS, "Validation loss"));
    if (!has(run, QN_EVAL_LOSS))
        QN_TRY(loss_words(b, run, QN_LOSS, "Training loss"));
    else
        QN_TRY(gap_words(b, run, c->median));
    if (bucket_of(run->metrics.n) > 1 && page)
        QN_TRY(qn_buf_printf(b, "The bold training curve is the median of each %s steps; the faint one is every step. ",
                             qn_number((double)bucket_of(run->metrics.n), 6, text)));
    return 0;
}

/* What a run's loss is, where answers are judged; "" of imitation. */
static const char *objective_of(const qn_report_run *run) { return run->judged.n ? run->loss_type : ""; }

static bool one_objective(const qn_report *r) {
    for (size_t i = 1; i < r->n; i++)
        if (strcmp(objective_of(&r->run[i]), objective_of(&r->run[0])) != 0)
            return false;
    return true;
}

/* The lowest of all runs: in bits per byte where all have them, which compare across tokenizers; nats per token do not
 * where vocabularies differ. */
static int several_words(qn_buf *b, const qn_report *r) {
    static const char dots[] = "Dots are validation, faint curves training loss, as medians. ";
    if (!one_objective(r)) {
        QN_TRY(qn_buf_puts(b, "The runs have other objectives, so their losses do not compare. "));
        return qn_buf_puts(b, dots);
    }
    const qn_report_run *best = NULL;
    bool bits = true, alike = true;
    double least = INFINITY;
    char text[QN_NUMBER_TEXT];
    for (size_t i = 0; i < r->n; i++) {
        bits = bits && has(&r->run[i], QN_EVAL_BITS);
        alike = alike && !(r->run[i].vocab < r->run[0].vocab) && !(r->run[i].vocab > r->run[0].vocab);
    }
    if (!bits && !alike) {
        QN_TRY(qn_buf_puts(b, "The runs have other tokenizers, so their losses per token do not compare. "));
        return qn_buf_puts(b, dots);
    }
    for (size_t i = 0; i < r->n; i++) {
        qn_report_summary s;
        const double *v = r->run[i].metrics.column[bits ? QN_EVAL_BITS : QN_EVAL_LOSS];
        QN_TRY(qn_report_summarize(v, r->run[i].metrics.n, &s));
        if (s.n && v[s.least] < least) {
            least = v[s.least];
            best = &r->run[i];
        }
    }
    if (!best)
        return qn_buf_puts(b, "Training loss of each run, as medians. ");
    QN_TRY(qn_buf_printf(b, "The lowest validation loss, %s%s, is that of ", qn_number(least, 4, text),
                         bits ? " bits per byte" : ""));
    QN_TRY(qn_buf_puts(b, best->name));
    QN_TRY(qn_buf_puts(b, ". "));
    return qn_buf_puts(b, dots);
}

int qn_figure_loss(const qn_report *r, qn_sink *s) {
    qn_curves c = {.median = NAN};
    qn_buf words = {0};
    double *at = qn_alloc(QN_MEM_BASE, (r->run[0].resumes + 1) * sizeof *at);
    size_t marks = 0;
    int rc = at ? 0 : QN_ENOMEM;
    QN_TRY_OUT(rc);
    for (size_t i = 0; i < QN_MIN(r->n, (size_t)RUNS_MOST); i++)
        QN_TRY_OUT(add_run(&c, r, i));
    if (c.n == 0)
        goto out;
    QN_TRY_OUT(r->n == 1 ? one_run_words(&words, &r->run[0], &c, !s->text) : several_words(&words, r));
    if (r->n > RUNS_MOST)
        QN_TRY_OUT(qn_buf_printf(&words, "Only the first %d runs are drawn. ", RUNS_MOST));
    if (r->n == 1) {
        marks = resumed_at(&r->run[0], at);
        QN_TRY_OUT(resumed_words(&words, at, marks));
    }
    const char *own = objective_of(&r->run[0]);
    const char *unit = !one_objective(r) ? "of each objective" : *own ? own : "nats per token";
    const qn_lines p = {.title = "Loss", .x_name = "step", .y_name = unit, .series = c.series, .n = c.n,
                        .mark = at, .n_marks = marks};
    rc = qn_show_lines(s, &p, true, &words);
out:
    qn_curves_drop(&c);
    qn_buf_drop(&words);
    qn_free(at);
    return rc;
}

/* ---- the course of it -------------------------------------------------------------------------------------------- */

static int rate_words(qn_buf *b, const qn_report_run *run, const qn_report_summary *s) {
    char a[QN_NUMBER_TEXT], z[QN_NUMBER_TEXT], at[QN_NUMBER_TEXT];
    const double *v = run->metrics.column[QN_RATE];
    QN_TRY(qn_buf_printf(b, "The largest rate, %s, was reached at step %s", qn_number(v[s->most], 3, a),
                         qn_place_text(run->metrics.step[s->most], at)));
    QN_TRY(qn_buf_printf(b, "; the last is %s", qn_number(v[s->last], 3, z)));
    if (*run->schedule)
        QN_TRY(qn_buf_printf(b, " (%s)", run->schedule));
    return qn_buf_puts(b, ". ");
}

static int norm_words(qn_buf *b, const qn_report_run *run, const qn_report_summary *s) {
    char a[QN_NUMBER_TEXT], z[QN_NUMBER_TEXT], at[QN_NUMBER_TEXT];
    const double *v = run->metrics.column[QN_NORM];
    double clipped = 0;
    for (size_t i = 0; i < run->metrics.n; i++)
        clipped += run->clip > 0 && v[i] > run->clip;
    QN_TRY(qn_buf_printf(b, "The median is %s, the largest %s at step %s", qn_number(s->median, 3, a),
                         qn_number(v[s->most], 3, z), qn_place_text(run->metrics.step[s->most], at)));
    if (run->clip > 0)
        QN_TRY(qn_buf_printf(b, "; %s %% of the steps were clipped to %s",
                             qn_number(100 * clipped / (double)s->n, 2, a), qn_number(run->clip, 3, z)));
    return qn_buf_puts(b, ". ");
}

static int speed_words(qn_buf *b, const qn_report_run *run, const qn_report_summary *s) {
    char a[QN_NUMBER_TEXT], lo[QN_NUMBER_TEXT], hi[QN_NUMBER_TEXT];
    const double *v = run->metrics.column[QN_SPEED];
    return qn_buf_printf(b, "The median is %s tokens a second; steps lie between %s and %s. ",
                         qn_number(s->median, 3, a), qn_number(v[s->least], 3, lo), qn_number(v[s->most], 3, hi));
}

static int share_words(qn_buf *b, const qn_report_run *run, const qn_report_summary *s) {
    char a[QN_NUMBER_TEXT], z[QN_NUMBER_TEXT];
    return qn_buf_printf(b, "The median is %s %% of the %s GFLOP/s that these threads reach with numbers "
                         "in registers. ", qn_number(s->median, 2, a), qn_number(run->peak / 1e9, 3, z));
}

typedef int words_fn(qn_buf *b, const qn_report_run *run, const qn_report_summary *s);
typedef struct {
    const char *title, *y_name;
    int column;
    bool smoothed, zero;
    words_fn *words;
} course;

/* Spikes would flatten the rest of the curve. */
static bool wants_log(const double *v, const qn_report_summary *s) {
    return v[s->least] > 0 && v[s->most] > 20 * s->median;
}

static int add_course(qn_curves *c, const qn_report *r, const course *f) {
    for (size_t i = 0; i < QN_MIN(r->n, (size_t)RUNS_MOST); i++) {
        const qn_report_run *run = &r->run[i];
        const qn_run_table *t = &run->metrics;
        if (!has(run, f->column))
            continue;
        if (f->smoothed && r->n == 1)
            QN_TRY(qn_curves_smoothed(c, t, f->column, f->title, 0));
        else if (f->smoothed)
            QN_TRY(qn_curves_medians(c, t, f->column, run->name, (int)i, QN_LINE));
        else
            c->series[c->n++] = (qn_series){.name = run->name, .x = t->step, .y = t->column[f->column], .n = t->n,
                                            .color = (int)i};
    }
    return 0;
}

static int show_course(const qn_report *r, qn_sink *s, const course *f) {
    qn_curves c = {.median = NAN};
    qn_buf words = {0};
    qn_report_summary sum;
    int rc;
    const double *v = r->run[0].metrics.column[f->column];
    QN_TRY_OUT(add_course(&c, r, f));
    QN_TRY_OUT(qn_report_summarize(v, r->run[0].metrics.n, &sum));
    if (c.n == 0)
        goto out;
    if (sum.n && r->n > 1)
        QN_TRY_OUT(qn_buf_printf(&words, "%s: ", r->run[0].name));
    if (sum.n)
        QN_TRY_OUT(f->words(&words, &r->run[0], &sum));
    const qn_lines p = {.title = f->title, .x_name = "step", .y_name = f->y_name, .series = c.series, .n = c.n,
                        .zero = f->zero, .log = sum.n && f->column == QN_NORM && wants_log(v, &sum)};
    rc = qn_show_lines(s, &p, false, &words);
out:
    qn_curves_drop(&c);
    qn_buf_drop(&words);
    return rc;
}

/* The same with operations a second as a share of the machine's peak: a column made here. */
static int show_share(const qn_report *r, qn_sink *s) {
    static const course f = {"Share of peak", "% of peak", QN_FLOPS, true, true, share_words};
    const qn_report_run *run = &r->run[0];
    const size_t n = run->metrics.n;
    int rc = 0;
    if (!(run->peak > 0) || !has(run, QN_FLOPS))
        return 0;
    double *share = qn_alloc(QN_MEM_BASE, (n + 1) * sizeof *share);
    if (!share)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        share[i] = 100 * run->metrics.column[QN_FLOPS][i] / run->peak;
    qn_report_run copy = *run;
    copy.metrics.column[QN_FLOPS] = share;
    const qn_report one = {.run = &copy, .n = 1};
    rc = show_course(&one, s, &f);
    qn_free(share);
    return rc;
}

int qn_figures_course(const qn_report *r, qn_sink *s) {
    static const course all[] = {
        {"Learning rate", "rate", QN_RATE, false, true, rate_words},
        {"Gradient norm", "norm, before clipping", QN_NORM, true, false, norm_words},
        {"Throughput", "tokens a second", QN_SPEED, true, true, speed_words},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        QN_TRY(show_course(r, s, &all[i]));
    return show_share(r, s);
}
