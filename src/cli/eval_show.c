/* cli/eval_show.c — results of evaluation as tables for people and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/eval_args.h"
#include "base/json_fields.h"
#include "eval/contamination.h"

/* A share as "81.3 %", anything else as a number; "–" for what means nothing. */
static const char *value_text(double v, bool share, char out[32]) {
    if (isnan(v))
        snprintf(out, 32, "–");
    else if (share)
        snprintf(out, 32, "%.1f %%", 100 * v);
    else
        snprintf(out, 32, "%.4g", v);
    return out;
}

static const char *interval_text(const qn_interval *in, bool share, char out[64]) {
    const double scale = share ? 100 : 1;
    if (isnan(in->lo))
        snprintf(out, 64, "–");
    else if (share)
        snprintf(out, 64, "%.1f – %.1f", scale * in->lo, scale * in->hi);
    else
        snprintf(out, 64, "%.4g – %.4g", in->lo, in->hi);
    return out;
}

static bool is_share(const char *figure) {
    return !strstr(figure, "ppl") && !strstr(figure, "bits") && !strstr(figure, "auroc");
}

/* printf counts bytes; a dash has three of them and one column. */
int qn_out_cell(qn_cli *c, const char *text, int width, bool left) {
    int columns = 0;
    for (const char *p = text; *p; p++)
        columns += ((unsigned char)*p & 0xc0) != 0x80;
    const int pad = width > columns ? width - columns : 0;
    QN_TRY(qn_out_printf(c, "%*s", left ? 0 : pad, ""));
    QN_TRY(qn_out_clean(c, qn_str_of(text)));
    return qn_out_printf(c, "%*s", left ? pad : 0, "");
}

static int name_cell(qn_cli *c, qn_str name, int width) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)QN_MIN(name.n, 40), name.s);
    return qn_out_cell(c, text, width, true);
}

static int name_width(const qn_eval_job *j) {
    size_t most = 4;
    for (int64_t t = 0; t < j->n_tasks; t++)
        most = QN_MAX(most, QN_MIN(j->tasks[t]->name.n, 40));
    return (int)most + 2;
}

/* ---- one line per task ---- */

/* Of a baseline's column, two blanks in front of its name among them: names are the user's. */
static int column_width(const qn_eval_job *j, int64_t s) {
    int columns = 0;
    for (const char *p = j->scorer[s]->name; *p; p++)
        columns += ((unsigned char)*p & 0xc0) != 0x80;
    return QN_MAX(10, columns + 2);
}

static int put_header(qn_eval_job *j, int width) {
    QN_TRY(qn_out_cell(j->c, "task", width, true));
    QN_TRY(qn_out_printf(j->c, "%6s  %-13s %8s  %-15s %8s %8s", "n", "figure", "value", "95 % interval", "chance",
                         "majority"));
    for (int64_t s = 1; s < j->n_scorers; s++)
        QN_TRY(qn_out_cell(j->c, j->scorer[s]->name, column_width(j, s), false));
    return qn_out_puts(j->c, "\n");
}

static int put_row(qn_eval_job *j, int64_t t, int width) {
    const qn_task_result *r = qn_suite_at(&j->suite, t, 0);
    char text[64];
    QN_TRY(name_cell(j->c, r->task->name, width));
    if (r->left_out)
        return qn_out_puts(j->c, "  left out: this model has no form for its items\n");
    const qn_figure *f = &r->figure[0];
    const bool share = is_share(f->name);
    QN_TRY(qn_out_printf(j->c, "%6lld  %-13s ", (long long)f->n, f->name));
    QN_TRY(qn_out_cell(j->c, value_text(f->value, share, text), 8, false));
    QN_TRY(qn_out_puts(j->c, "  "));
    QN_TRY(qn_out_cell(j->c, interval_text(&f->in, share, text), 15, true));
    QN_TRY(qn_out_cell(j->c, value_text(r->chance, true, text), 9, false));
    QN_TRY(qn_out_cell(j->c, value_text(r->majority, true, text), 9, false));
    for (int64_t s = 1; s < j->n_scorers; s++) {
        const qn_task_result *b = qn_suite_at(&j->suite, t, s);
        const char *shown = value_text(b->left_out ? NAN : b->figure[0].value, share, text);
        QN_TRY(qn_out_cell(j->c, shown, column_width(j, s), false));
    }
    return qn_out_puts(j->c, "\n");
}

/* ---- what else there is ---- */

static int put_figure(qn_cli *c, const char *name, const qn_figure *f) {
    char text[64];
    const bool share = is_share(f->name);
    QN_TRY(qn_out_puts(c, "  "));
    QN_TRY(qn_out_cell(c, name, 28, true));
    QN_TRY(qn_out_printf(c, "%6lld  ", (long long)f->n));
    QN_TRY(qn_out_cell(c, value_text(f->value, share, text), 8, false));
    QN_TRY(qn_out_puts(c, "  "));
    QN_TRY(qn_out_puts(c, interval_text(&f->in, share, text)));
    return qn_out_puts(c, "\n");
}

static int put_details(qn_eval_job *j, const qn_task_result *r) {
    char name[64];
    for (int i = 1; i < r->figures; i++)
        QN_TRY(put_figure(j->c, r->figure[i].name, &r->figure[i]));
    for (size_t g = 0; g < r->groups; g++) {
        snprintf(name, sizeof name, "%.*s %.*s", (int)QN_MIN(r->group[g].key.n, 20), r->group[g].key.s,
                 (int)QN_MIN(r->group[g].value.n, 30), r->group[g].value.s);
        QN_TRY(put_figure(j->c, name, &r->group[g].figure));
    }
    return 0;
}

/* "  reading: " */
static int task_line(qn_cli *c, qn_str name) {
    QN_TRY(qn_out_puts(c, "  "));
    QN_TRY(qn_out_clean(c, name));
    return qn_out_puts(c, ": ");
}

static int put_comparison(qn_eval_job *j, int64_t t) {
    const qn_task_result *a = qn_suite_at(&j->suite, t, 0), *b = qn_suite_at(&j->suite, t, 1);
    qn_comparison d;
    char text[64];
    if (a->left_out || b->left_out)
        return 0;
    const double scale = is_share(a->figure[0].name) ? 100 : 1;
    QN_TRY(qn_compare(a, b, &j->o, &d));
    snprintf(text, sizeof text, "%+.4g, 95 %% %+.4g to %+.4g", scale * d.difference, scale * d.in.lo, scale * d.in.hi);
    QN_TRY(task_line(j->c, a->task->name));
    return qn_out_printf(j->c, "model − vs %s; better on %lld items, worse on %lld, p = %.3g\n", text,
                         (long long)d.better, (long long)d.worse, d.p);
}

static int put_contamination(qn_eval_job *j, int64_t t) {
    const qn_contaminated *x = &j->contaminated[t];
    QN_TRY(task_line(j->c, j->tasks[t]->name));
    return qn_out_printf(j->c, "%lld of %lld items have 13 words in a row in that text (%lld are shorter)\n",
                         (long long)x->found, (long long)x->items, (long long)x->too_short);
}

/* "28 items were longer than the context: their beginning was cut (reading 20, two_hop 8)" */
static int put_cut(qn_eval_job *j, int64_t cut) {
    const char *between = " (";
    QN_TRY(qn_out_printf(j->c, "%lld item%s longer than the context: their beginning was cut", (long long)cut,
                         cut == 1 ? " was" : "s were"));
    for (int64_t t = 0; t < j->n_tasks; t++) {
        const qn_task_result *r = qn_suite_at(&j->suite, t, 0);
        if (r->cut == 0)
            continue;
        QN_TRY(qn_out_puts(j->c, between));
        QN_TRY(qn_out_clean(j->c, r->task->name));
        QN_TRY(qn_out_printf(j->c, " %lld", (long long)r->cut));
        between = ", ";
    }
    return qn_out_puts(j->c, ")\n");
}

/* Sums that a reader should know: what was cut, how fast it went. */
static int put_foot(qn_eval_job *j) {
    int64_t cut = 0, items = 0;
    qn_buf model = {0};
    for (int64_t t = 0; t < j->n_tasks; t++) {
        cut += qn_suite_at(&j->suite, t, 0)->cut;
        items += qn_suite_at(&j->suite, t, 0)->n;
    }
    int rc = qn_opened_describe(&j->model.m, &model);
    if (rc >= 0 && cut > 0)
        rc = put_cut(j, cut);
    double seconds = 0;
    for (int64_t t = 0; t < j->n_tasks; t++)
        seconds += qn_suite_at(&j->suite, t, 0)->seconds;
    if (rc >= 0)
        rc = qn_out_printf(j->c, "%s\n%lld items, %.1f s, %.1f items/s\n", model.s, (long long)items, seconds,
                           (double)items / QN_MAX(seconds, 1e-9));
    qn_buf_drop(&model);
    return rc;
}

int qn_eval_show(qn_eval_job *j) {
    const int width = name_width(j);
    QN_TRY(put_header(j, width));
    for (int64_t t = 0; t < j->n_tasks; t++) {
        QN_TRY(put_row(j, t, width));
        if (j->detailed)
            QN_TRY(put_details(j, qn_suite_at(&j->suite, t, 0)));
    }
    if (qn_cli_given(j->c, "vs"))
        QN_TRY(qn_out_puts(j->c, "comparison, item by item:\n"));
    for (int64_t t = 0; qn_cli_given(j->c, "vs") && t < j->n_tasks; t++)
        QN_TRY(put_comparison(j, t));
    if (j->contaminated)
        QN_TRY(qn_out_puts(j->c, "contamination:\n"));
    for (int64_t t = 0; j->contaminated && t < j->n_tasks; t++)
        QN_TRY(put_contamination(j, t));
    return put_foot(j);
}

/* ---- JSON ---- */

static int json_comparison(qn_eval_job *j, qn_jw *w) {
    qn_jw_key(w, "vs");
    qn_jw_open(w, '{');
    qn_field_str(w, "model", qn_cli_str(j->c, "vs"));
    qn_opened_put_adapters(&j->other.m, w);
    qn_jw_key(w, "tasks");
    qn_jw_open(w, '[');
    for (int64_t t = 0; t < j->n_tasks; t++) {
        const qn_task_result *a = qn_suite_at(&j->suite, t, 0), *b = qn_suite_at(&j->suite, t, 1);
        qn_comparison d;
        if (a->left_out || b->left_out)
            continue;
        QN_TRY(qn_compare(a, b, &j->o, &d));
        qn_jw_open(w, '{');
        qn_jw_key(w, "name");
        qn_jw_str(w, a->task->name);
        qn_field_f64(w, "difference", d.difference);
        qn_field_f64(w, "lo", d.in.lo);
        qn_field_f64(w, "hi", d.in.hi);
        qn_field_i64(w, "better", d.better);
        qn_field_i64(w, "worse", d.worse);
        qn_field_f64(w, "p", d.p);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
    return 0;
}

static void json_contamination(qn_eval_job *j, qn_jw *w) {
    qn_jw_key(w, "contamination");
    qn_jw_open(w, '{');
    for (int64_t t = 0; t < j->n_tasks; t++) {
        qn_jw_key_str(w, j->tasks[t]->name);
        qn_jw_open(w, '{');
        qn_field_i64(w, "items", j->contaminated[t].items);
        qn_field_i64(w, "found", j->contaminated[t].found);
        qn_field_i64(w, "too_short", j->contaminated[t].too_short);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

int qn_eval_put_json(qn_eval_job *j, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_field_str(w, "format", "quern-eval-1");
    qn_field_str(w, "model", j->model.m.model->identity);
    qn_field_str(w, "path", qn_source_path(j->model.m.source));
    qn_opened_put_adapters(&j->model.m, w);
    qn_field_str(w, "weights", qn_cli_str(j->c, "weights"));
    qn_field_str(w, "isa", qn_isa_name(j->model.m.kernels->isa));
    qn_field_i64(w, "context", qn_session_context(j->model.m.session));
    qn_field_i64(w, "seed", (int64_t)j->o.seed);
    qn_suite_json(w, &j->suite);
    if (qn_cli_given(j->c, "vs"))
        QN_TRY(json_comparison(j, w));
    if (j->contaminated)
        json_contamination(j, w);
    qn_field_f64(w, "seconds", j->suite.seconds);
    qn_jw_close(w);
    return 0;
}
