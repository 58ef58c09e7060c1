/* report/figures_eval.c — figures of the model: tasks beside their baselines, bits by kind against their floor. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/report_impl.h"

enum { MARKS_MOST = 8, RUNS_MOST = 4, COLUMNS = RUNS_MOST + MARKS_MOST };

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* What is a share of items; bits and perplexities have no place on the same axis and stand in the table alone. */
static bool is_share(const qn_report_task *t) {
    static const char *const other[] = {"bits", "perplexity", "ppl", "nats", "loss"};
    for (size_t i = 0; i < QN_LEN(other); i++)
        if (strstr(t->metric, other[i]))
            return false;
    return t->bar.value >= 0 && t->bar.value <= 1;
}

typedef struct {
    const char *column[COLUMNS]; size_t columns, bars;
    qn_bar *bar;                        /* [rows][COLUMNS] */
    qn_bar_row *row; size_t rows;
    qn_buf names;                       /* of the rows, each with its NUL; `at` their places */
    qn_buf notes;
    size_t name_at[512], note_at[512];
} table;

static void add_column(table *t, const char *name) {
    for (size_t c = 0; c < t->columns; c++)
        if (strcmp(t->column[c], name) == 0)
            return;
    if (t->columns < COLUMNS)
        t->column[t->columns++] = name;
}

static void put_bar(table *t, size_t row, const char *name, qn_bar bar) {
    for (size_t c = t->bars; c < t->columns; c++)
        if (strcmp(t->column[c], name) == 0)
            t->bar[row * COLUMNS + c] = bar;
}

/* Bars are the runs that have an evaluation, marks whatever any of them was set beside. */
static void find_columns(table *t, const qn_report *r) {
    for (size_t i = 0; i < r->n && t->columns < RUNS_MOST; i++)
        if (r->run[i].tasks)
            t->column[t->columns++] = r->n == 1 ? "model" : r->run[i].name;
    t->bars = t->columns;
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->run[i].tasks; k++) {
            const qn_report_task *task = &r->run[i].task[k];
            for (size_t b = 0; is_share(task) && b < task->baselines; b++)
                add_column(t, task->baseline[b].name);
            if (is_share(task) && !isnan(task->majority))
                add_column(t, "majority");
            if (is_share(task) && !isnan(task->chance))
                add_column(t, "chance");
        }
}

static int add_name(table *t, const qn_report_task *task) {
    t->name_at[t->rows] = t->names.n;
    t->note_at[t->rows] = t->notes.n;
    for (const char *c = task->name; *c; c++)
        QN_TRY(qn_buf_putc(&t->names, *c == '_' ? ' ' : *c));
    QN_TRY(qn_buf_putc(&t->names, '\0'));
    char text[QN_NUMBER_TEXT], lo[QN_NUMBER_TEXT], hi[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_puts(&t->notes, qn_fixed(task->bar.value, 2, text)));
    if (qn_plots(task->bar.lo) && qn_plots(task->bar.hi))
        QN_TRY(qn_buf_printf(&t->notes, " (%s–%s)", qn_fixed(task->bar.lo, 2, lo), qn_fixed(task->bar.hi, 2, hi)));
    return qn_buf_putc(&t->notes, '\0');
}

static int add_row(table *t, const qn_report *r, const qn_report_task *task) {
    if (t->rows == QN_LEN(t->name_at))
        return 0;
    QN_TRY(add_name(t, task));
    const size_t row = t->rows++;
    for (size_t c = 0; c < COLUMNS; c++)
        t->bar[row * COLUMNS + c] = (qn_bar){NAN, NAN, NAN};
    size_t column = 0;
    for (size_t i = 0; i < r->n && column < t->bars; i++) {
        const qn_report_run *run = &r->run[i];
        for (size_t k = 0; k < run->tasks; k++)
            if (strcmp(run->task[k].name, task->name) == 0)
                t->bar[row * COLUMNS + column] = run->task[k].bar;
        column += run->tasks > 0;
    }
    for (size_t b = 0; b < task->baselines; b++)
        put_bar(t, row, task->baseline[b].name, task->baseline[b].bar);
    put_bar(t, row, "majority", (qn_bar){task->majority, NAN, NAN});
    put_bar(t, row, "chance", (qn_bar){task->chance, NAN, NAN});
    return 0;
}

/* Every task once: the headline first, the others in the order in which they are met. */
static bool met_before(const qn_report *r, size_t run, const char *name) {
    for (size_t i = 0; i < run; i++)
        for (size_t k = 0; k < r->run[i].tasks; k++)
            if (strcmp(r->run[i].task[k].name, name) == 0)
                return true;
    return false;
}

static int fill(table *t, const qn_report *r) {
    size_t most = 0;
    for (size_t i = 0; i < r->n; i++)
        most += r->run[i].tasks;
    t->bar = qn_zalloc(QN_MEM_BASE, most * COLUMNS + 1, sizeof *t->bar);
    t->row = qn_zalloc(QN_MEM_BASE, most + 1, sizeof *t->row);
    if (!t->bar || !t->row)
        return QN_ENOMEM;
    const qn_report_task *first = qn_report_headline(&r->run[0]);
    if (first && is_share(first))
        QN_TRY(add_row(t, r, first));
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->run[i].tasks; k++) {
            const qn_report_task *task = &r->run[i].task[k];
            if (is_share(task) && task != first && !met_before(r, i, task->name))
                QN_TRY(add_row(t, r, task));
        }
    for (size_t k = 0; k < t->rows; k++)
        t->row[k] = (qn_bar_row){.name = t->names.s + t->name_at[k], .bar = t->bar + k * COLUMNS,
                                 .note = t->bars == 1 ? t->notes.s + t->note_at[k] : NULL};
    return 0;
}

/* The best baseline of a task: its interval decides, where it has one. NULL: none. */
static const qn_report_score *best_of(const qn_report_task *t) {
    const qn_report_score *best = NULL;
    for (size_t b = 0; b < t->baselines; b++)
        if (!best || t->baseline[b].bar.value > best->bar.value)
            best = &t->baseline[b];
    return best;
}

/* "On 9 of 12 tasks the model lies above every baseline with intervals apart." */
static int eval_words(qn_buf *b, const qn_report_run *run) {
    size_t shares = 0, above = 0;
    for (size_t k = 0; k < run->tasks; k++) {
        const qn_report_task *t = &run->task[k];
        const qn_report_score *best = best_of(t);
        if (!is_share(t))
            continue;
        shares++;
        const double low = qn_plots(t->bar.lo) ? t->bar.lo : t->bar.value;
        double high = best ? (qn_plots(best->bar.hi) ? best->bar.hi : best->bar.value) : -INFINITY;
        high = fmax(high, fmax(isnan(t->chance) ? -INFINITY : t->chance, isnan(t->majority) ? -INFINITY : t->majority));
        above += low > high && high >= 0;
    }
    if (shares == 0)
        return 0;
    QN_TRY(qn_buf_printf(b, "On %zu of %zu %s %s lies above everything it is set beside, intervals apart. Whiskers are "
                         "95 %% intervals", above, shares, shares == 1 ? "task" : "tasks", "the model"));
    return qn_buf_puts(b, ". ");
}

int qn_figure_eval(const qn_report *r, qn_sink *s) {
    table *t = qn_zalloc(QN_MEM_BASE, 1, sizeof *t);
    qn_buf words = {0};
    int rc;
    if (!t)
        return QN_ENOMEM;
    find_columns(t, r);
    QN_TRY_OUT(fill(t, r));
    if (t->rows == 0)
        goto out;
    QN_TRY_OUT(eval_words(&words, &r->run[0]));
    const qn_bars p = {.title = "Evaluation", .x_name = "share of items right", .column = t->column,
                       .columns = t->columns, .bars = t->bars, .row = t->row, .n = t->rows, .most = 1};
    rc = qn_show_bars(s, &p, true, &words);
out:
    qn_free(t->bar);
    qn_free(t->row);
    qn_buf_drop(&t->names);
    qn_buf_drop(&t->notes);
    qn_free(t);
    qn_buf_drop(&words);
    return rc;
}

/* ---- bits by kind ------------------------------------------------------------------------------------------------ */

/* When nine tenths of the way from the first value to the floor were done; NaN: not yet. */
static double learned_at(const qn_report_kind *k) {
    size_t first = 0;
    while (first < k->n && !qn_plots(k->bits[first]))
        first++;
    if (first == k->n || !(k->bits[first] > k->floor))
        return NAN;
    const double goal = k->floor + 0.1 * (k->bits[first] - k->floor);
    for (size_t i = first; i < k->n; i++)
        if (k->bits[i] <= goal)
            return k->at[i];
    return NAN;
}

static int kind_words(qn_buf *b, const qn_report_run *run, const qn_report_kind *k) {
    char text[QN_NUMBER_TEXT];
    const double end = qn_plots(k->model) ? k->model : k->n ? k->bits[k->n - 1] : NAN, at = learned_at(k);
    const bool seconds = strcmp(run->bits_along, "seconds") == 0;
    if (!isnan(at) && seconds) {
        QN_TRY(qn_buf_puts(b, "Nine tenths of the way to the floor after "));
        QN_TRY(qn_put_duration(b, at));
        QN_TRY(qn_buf_puts(b, "; "));
    } else if (!isnan(at)) {
        QN_TRY(qn_buf_printf(b, "Nine tenths of the way to the floor at step %s; ", qn_place_text(at, text)));
    }
    if (!qn_plots(end) || !qn_plots(k->floor))
        return 0;
    QN_TRY(qn_buf_printf(b, "%s ends %s ", isnan(at) ? "It" : "it", qn_number(fabs(end - k->floor), 2, text)));
    return qn_buf_printf(b, "%s %s it. ", run->bits_unit, end >= k->floor ? "above" : "below");
}

static int show_kind(qn_sink *s, const qn_report *r, const qn_report_kind *k) {
    const qn_report_run *run = &r->run[0];
    qn_buf words = {0};
    int rc = 0;
    if (k->n == 0)
        return 0;
    const qn_series series = {.name = "model", .x = k->at, .y = k->bits, .n = k->n, .look = QN_POINTS};
    const qn_level level = {"floor", k->floor};
    const qn_lines p = {.title = k->name, .x_name = run->bits_along, .y_name = run->bits_unit, .series = &series,
                        .n = 1, .level = &level, .n_levels = qn_plots(k->floor), .zero = true, .height = 200};
    QN_TRY_OUT(kind_words(&words, run, k));
    rc = qn_show_lines(s, &p, false, &words);
out:
    qn_buf_drop(&words);
    return rc;
}

/* "grammar is 0.02 bits above its floor, facts 0.9." */
static int bits_words(qn_buf *b, const qn_report_run *run) {
    char text[QN_NUMBER_TEXT];
    const char *before = "Above the floor: ";
    for (size_t i = 0; i < run->kinds; i++) {
        const qn_report_kind *k = &run->kind[i];
        if (!qn_plots(k->model) || !qn_plots(k->floor))
            continue;
        QN_TRY(qn_buf_printf(b, "%s%s ", before, k->name));
        QN_TRY(qn_buf_puts(b, qn_number(k->model - k->floor, 2, text)));
        before = ", ";
    }
    return qn_buf_puts(b, *before == ',' ? ". The floor is what the generator itself had to choose. " : "");
}

static int show_bits(qn_sink *s, const qn_report_run *run) {
    static const char *const column[] = {"model", "floor"};
    qn_bar *bar = qn_zalloc(QN_MEM_BASE, 2 * run->kinds + 1, sizeof *bar);
    qn_bar_row *row = qn_zalloc(QN_MEM_BASE, run->kinds + 1, sizeof *row);
    qn_buf words = {0};
    int rc = QN_ENOMEM;
    if (!bar || !row)
        goto out;
    for (size_t i = 0; i < run->kinds; i++) {
        const qn_report_kind *k = &run->kind[i];
        bar[2 * i] = (qn_bar){k->model, NAN, NAN};
        bar[2 * i + 1] = (qn_bar){k->floor, NAN, NAN};
        row[i] = (qn_bar_row){.name = k->name, .bar = bar + 2 * i};
    }
    QN_TRY_OUT(bits_words(&words, run));
    const qn_bars p = {.title = "Bits by kind", .x_name = run->bits_unit, .column = column, .columns = 2, .bars = 2,
                       .row = row, .n = run->kinds};
    rc = qn_show_bars(s, &p, false, &words);
out:
    qn_free(bar);
    qn_free(row);
    qn_buf_drop(&words);
    return rc;
}

int qn_figures_bits(const qn_report *r, qn_sink *s) {
    const qn_report_run *run = &r->run[0];
    QN_TRY(show_bits(s, run));
    for (size_t i = 0; i < run->kinds && !s->text; i++)
        QN_TRY(show_kind(s, r, &run->kind[i]));
    return 0;
}
