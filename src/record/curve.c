/* record/curve.c — the curves of a run: metrics.jsonl as columns of numbers, in one pass over the file. Only looks.
 *
 *     {"step":1,"loss":4}            step    1    2    3
 *     {"step":2,"loss":3.1}    ──►   loss    4  3.1  NaN        lines that are no whole object with a step are counted
 *     {"step":3,"loss":null}
 *
 * The file is read, not mapped: whoever works on the run may shorten it while we look. */
#include <math.h>
#include <string.h>

#include "record/run_file.h"

enum { KEYS = 16 };

static int add_row(qn_run_table *t, int64_t step, const double *value) {
    QN_TRY(QN_GROW(QN_MEM_BASE, t->step, t->step_cap, t->n + 1));
    for (size_t k = 0; k < t->keys; k++)
        QN_TRY(QN_GROW(QN_MEM_BASE, t->column[k], t->cap[k], t->n + 1));
    t->step[t->n] = (double)step;
    for (size_t k = 0; k < t->keys; k++)
        t->column[k][t->n] = value[k];
    t->n++;
    return 0;
}

static int take_rows(qn_run_table *t, qn_str text, const char *const *keys) {
    const char *name[KEYS + 1];
    memcpy(name, keys, t->keys * sizeof *name);
    name[t->keys] = "step";
    for (size_t at = 0; at < text.n;) {
        const char *newline = memchr(text.s + at, '\n', text.n - at);
        const size_t end = newline ? (size_t)(newline - text.s) : text.n;
        double value[KEYS + 1];
        int64_t step;
        if (newline && qn_run_line((qn_str){text.s + at, end - at}, name, t->keys + 1, value) &&
            qn_run_step(value[t->keys], &step))
            QN_TRY(add_row(t, step, value));
        else
            t->broken++;
        at = end + 1;
    }
    return 0;
}

int qn_run_table_read(qn_run_table *t, const char *dir, const char *const *keys, size_t n) {
    qn_buf path = {0}, text = {0};
    int rc;
    qn_assert(n <= KEYS);
    *t = (qn_run_table){.keys = n};
    QN_TRY_OUT(qn_path_join(&path, dir, QN_RUN_METRICS));
    if (qn_is_file(path.s)) {
        QN_TRY_OUT(qn_read_file(&text, path.s, SIZE_MAX >> 1));
        rc = take_rows(t, qn_buf_view(&text), keys);
    }
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    if (rc < 0)
        qn_run_table_drop(t);
    return rc;
}

void qn_run_table_drop(qn_run_table *t) {
    qn_free(t->step);
    for (size_t k = 0; k < t->keys; k++)
        qn_free(t->column[k]);
    *t = (qn_run_table){0};
}

/* ---- one of them ------------------------------------------------------------------------------------------------- */

static int add_point(qn_run_curve *c, int64_t step, double value) {
    QN_TRY(QN_GROW(QN_MEM_BASE, c->step, c->cap, c->n + 1));
    QN_TRY(QN_GROW(QN_MEM_BASE, c->value, c->value_cap, c->n + 1));
    c->step[c->n] = step;
    c->value[c->n++] = value;
    return 0;
}

int qn_run_curve_read(qn_run_curve *c, const char *dir, const char *key) {
    qn_run_table t;
    int rc = 0;
    *c = (qn_run_curve){0};
    QN_TRY(qn_run_table_read(&t, dir, &key, 1));
    for (size_t i = 0; i < t.n && rc >= 0; i++)
        if (!isnan(t.column[0][i]))
            rc = add_point(c, (int64_t)t.step[i], t.column[0][i]);
    qn_run_table_drop(&t);
    if (rc < 0)
        qn_run_curve_drop(c);
    return rc;
}

void qn_run_curve_drop(qn_run_curve *c) {
    qn_free(c->step);
    qn_free(c->value);
    *c = (qn_run_curve){0};
}

/* ---- medians ---- */

/* The k-th least of v, which is put into another order: Hoare's way, where sorting all would be most of the work. */
static double kth(double *v, size_t n, size_t k) {
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        const double pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;
        for (;; i++, j--) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            const double held = v[i];
            v[i] = v[j];
            v[j] = held;
        }
        if (k <= j)
            hi = j;
        else
            lo = j + 1;
    }
    return v[k];
}

double qn_run_median(double *v, size_t n) {
    return n ? (kth(v, n, (n - 1) / 2) + kth(v, n, n / 2)) / 2 : NAN;
}
