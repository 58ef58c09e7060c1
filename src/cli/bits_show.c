/* cli/bits_show.c — bits by kind: rows, a table, JSON, the way of a run there. */
#include "cli/bits_show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_fields.h"
#include "record/record.h"

/* ---- rows ---- */

const char *qn_bits_row_name(int row) {
    static const char *const groups[QN_BITS_GROUPS] = {"fact head", "fact torso", "fact tail"};
    const char *name = row < QN_BITS_KINDS ? qn_bits_kind_name[row] : groups[row - QN_BITS_KINDS];
    return name ? name : "";
}

const qn_bits_sum *qn_bits_row(const qn_bits_result *r, int row) {
    return row < QN_BITS_KINDS ? &r->kind[row] : &r->group[row - QN_BITS_KINDS];
}

const char *qn_bits_row_key(int row, char out[48]) {
    snprintf(out, 48, "bits_%s", qn_bits_row_name(row));
    for (char *at = out; *at; at++)
        if (*at == ' ')
            *at = '_';
    return out;
}

static double each(double bits, const qn_bits_sum *s) { return s->bytes ? bits / (double)s->bytes : NAN; }

/* ---- along a run ---- */

void qn_bits_curve_drop(qn_bits_curve *c) {
    qn_free(c->step);
    *c = (qn_bits_curve){0};
}

static int add_step(qn_bits_curve *c, const qn_run_table *t, size_t i, const int *row, double seconds) {
    qn_bits_step step = {.step = (int64_t)t->step[i], .seconds = seconds};
    bool told = false;
    for (int k = 0; k < QN_BITS_ROWS; k++)
        step.bits[k] = NAN;
    for (size_t k = 2; k < t->keys; k++) {
        step.bits[row[k]] = t->column[k][i];
        told = told || !isnan(t->column[k][i]);
    }
    if (!told)
        return 0;
    QN_TRY(QN_GROW(QN_MEM_CLI, c->step, c->cap, c->n + 1));
    c->step[c->n++] = step;
    return 0;
}

/* Seconds are those of the steps alone: tokens through tokens per second. */
static int take_table(qn_bits_curve *c, const qn_run_table *t, const int *row) {
    double seconds = 0, seen = 0;
    for (size_t i = 0; i < t->n; i++) {
        const double rate = t->column[1][i], tokens = t->column[0][i] - seen;
        if (rate > 0 && tokens > 0)
            seconds += tokens / rate;
        seen = isnan(t->column[0][i]) ? seen : t->column[0][i];
        QN_TRY(add_step(c, t, i, row, seconds));
    }
    return 0;
}

int qn_bits_curve_read(qn_bits_curve *c, const char *run) {
    char name[QN_BITS_ROWS][48];
    const char *keys[16] = {"num_input_tokens_seen", "tokens_per_second"};
    int row[16] = {0};
    size_t n = 2;
    qn_run_table t = {0};
    for (int k = 0; k < QN_BITS_ROWS && n < QN_LEN(keys); k++)
        if (*qn_bits_row_name(k)) {
            row[n] = k;
            keys[n++] = qn_bits_row_key(k, name[k]);
        }
    int rc = qn_run_table_read(&t, run, keys, n);
    if (rc >= 0)
        rc = take_table(c, &t, row);
    qn_run_table_drop(&t);
    return rc;
}

/* ---- shown ---- */

static int put_row(qn_cli *c, const char *name, const qn_bits_sum *s) {
    return qn_out_printf(c, "%-12s %8lld %9lld %12.1f %12.1f   %9.4f %9.4f %9.4f\n", name, (long long)s->spans,
                         (long long)s->bytes, s->floor, s->model, each(s->floor, s), each(s->model, s),
                         qn_bits_excess(s));
}

int qn_bits_show(qn_cli *c, const qn_bits_result *r, const char *model) {
    QN_TRY(qn_out_clean(c, qn_str_of(model)));
    QN_TRY(qn_out_printf(c, ": %lld documents, %lld tokens\n\n", (long long)r->documents, (long long)r->tokens));
    QN_TRY(qn_out_puts(c, "                                     bits in all              bits for each byte\n"
                          "kind            spans     bytes        floor        model       floor     model    "
                          "excess\n"));
    for (int row = 0; row < QN_BITS_ROWS; row++)
        if (qn_bits_row(r, row)->bytes)
            QN_TRY(put_row(c, qn_bits_row_name(row), qn_bits_row(r, row)));
    QN_TRY(put_row(c, "all", &r->all));
    if (r->unseen.spans)
        QN_TRY(qn_out_printf(c, "\nleft out: %lld bytes (%.1f bits of the floor) that documents begin with, of which "
                             "this model says nothing\n", (long long)r->unseen.bytes, r->unseen.floor));
    return 0;
}

/* ---- JSON ---- */

static void put_each(qn_jw *w, const char *key, const qn_bits_result *r, bool floor) {
    qn_jw_key(w, key);
    qn_jw_open(w, '{');
    for (int row = 0; row < QN_BITS_ROWS; row++) {
        const qn_bits_sum *s = qn_bits_row(r, row);
        if (s->bytes)
            qn_field_f64(w, qn_bits_row_name(row), each(floor ? s->floor : s->model, s));
    }
    qn_field_f64(w, "all", each(floor ? r->all.floor : r->all.model, &r->all));
    qn_jw_close(w);
}

static void put_sum(qn_jw *w, const char *name, const qn_bits_sum *s) {
    qn_jw_key(w, name);
    qn_jw_open(w, '{');
    qn_field_i64(w, "spans", s->spans);
    qn_field_i64(w, "bytes", s->bytes);
    qn_field_f64(w, "floor_bits", s->floor);
    qn_field_f64(w, "model_bits", s->model);
    qn_field_f64(w, "excess_per_byte", qn_bits_excess(s));
    qn_jw_close(w);
}

static void put_step(qn_jw *w, const qn_bits_step *s) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "step", s->step);
    qn_field_f64(w, "seconds", s->seconds);
    qn_jw_key(w, "kinds");
    qn_jw_open(w, '{');
    for (int row = 0; row < QN_BITS_ROWS; row++)
        if (!isnan(s->bits[row]))
            qn_field_f64(w, qn_bits_row_name(row), s->bits[row]);
    qn_jw_close(w);
    qn_jw_close(w);
}

void qn_bits_put(const qn_bits_result *r, const qn_bits_curve *curve, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_field_str(w, "unit", "bits per byte");
    qn_field_i64(w, "documents", r->documents);
    qn_field_i64(w, "tokens", r->tokens);
    put_each(w, "floor", r, true);
    put_each(w, "model", r, false);
    qn_jw_key(w, "kinds");
    qn_jw_open(w, '{');
    for (int row = 0; row < QN_BITS_ROWS; row++)
        if (qn_bits_row(r, row)->bytes)
            put_sum(w, qn_bits_row_name(row), qn_bits_row(r, row));
    put_sum(w, "all", &r->all);
    if (r->unseen.spans)
        put_sum(w, "left out", &r->unseen);
    qn_jw_close(w);
    qn_jw_key(w, "steps");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < curve->n; i++)
        put_step(w, &curve->step[i]);
    qn_jw_close(w);
    qn_jw_close(w);
}
