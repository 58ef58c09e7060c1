/* cli/cmd_runs.c — `quern runs`: the runs below a folder, or one of them: what was asked for and how it went.
 *
 *     run      what            state        step       loss    eval loss  tokens/s  started
 *     runs/b   train pretrain  running      120/1000   3.1416  3.2012         5120  2026-11-27 07:45
 *     runs/a   train pretrain  interrupted  57/100     4.6692  -              4980  2026-11-26 18:02 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "base/json_fields.h"
#include "record/record.h"

static const qn_opt opts[] = {QN_OPT_JSON, QN_OPT_END};

static const char *const examples[] = {"quern runs", "quern runs experiments/ --json | jq '.runs[] | .eval_loss'",
                                       "quern runs experiments/first", NULL};

static const char notes[] =
    "DIR is looked through three levels deep, the newest run comes first. A run that says it is running, but whose "
    "process is gone, is shown as interrupted: `quern train resume RUN` goes on with it. Where DIR is a run itself, "
    "its manifest and its curves are shown.";

/* ---- all below a folder ------------------------------------------------------------------------------------------ */

/* A number, or "-" for none; in enough digits to tell runs apart. */
static const char *figure(double v, int digits, char out[32]) {
    snprintf(out, 32, "%.*f", digits, v);
    return isnan(v) ? "-" : out;
}

static const char *steps_text(const qn_run_row *r, char out[64]) {
    if (r->steps > 0)
        snprintf(out, 64, "%lld/%lld", (long long)r->step, (long long)r->steps);
    else
        snprintf(out, 64, "%lld", (long long)r->step);
    return out;
}

/* "2026-11-27T07:45:10Z" to "2026-11-27 07:45" */
static const char *minute(const char *started, char out[17]) {
    snprintf(out, 17, "%s", started);
    if (strlen(out) == 16)
        out[10] = ' ';
    return out;
}

static int column(qn_cli *c, const char *text, size_t width) {
    QN_TRY(qn_out_clean(c, qn_str_of(text)));
    for (size_t n = strlen(text); n < width + 2; n++)
        QN_TRY(qn_out_puts(c, " "));
    return 0;
}

static size_t widest(const qn_run_list *l, const char *title, size_t offset) {
    size_t width = strlen(title);
    for (size_t i = 0; i < l->n; i++) {
        const char *text;
        memcpy(&text, (const char *)&l->row[i] + offset, sizeof text);
        width = QN_MAX(width, strlen(text));
    }
    return width;
}

static int put_table(qn_cli *c, const qn_run_list *l) {
    const size_t path = widest(l, "run", offsetof(qn_run_row, path));
    const size_t what = widest(l, "what", offsetof(qn_run_row, what));
    QN_TRY(column(c, "run", path));
    QN_TRY(column(c, "what", what));
    QN_TRY(qn_out_printf(c, "%-11s  %13s  %8s  %9s  %9s  %s\n", "state", "step", "loss", "eval loss", "tokens/s",
                         "started (UTC)"));
    for (size_t i = 0; i < l->n; i++) {
        const qn_run_row *r = &l->row[i];
        char loss[32], eval[32], speed[32], steps[64], when[17];
        QN_TRY(column(c, r->path, path));
        QN_TRY(column(c, r->what, what));
        QN_TRY(column(c, r->state, 11));
        QN_TRY(qn_out_printf(c, "%13s  %8s  %9s  %9s  ", steps_text(r, steps), figure(r->loss, 4, loss),
                             figure(r->eval_loss, 4, eval), figure(r->tokens_per_second, 0, speed)));
        QN_TRY(qn_out_clean(c, qn_str_of(minute(r->started, when))));
        QN_TRY(qn_out_puts(c, "\n"));
    }
    return 0;
}

static void put_row(qn_jw *w, const qn_run_row *r) {
    qn_field_str(w, "path", r->path);
    qn_field_str(w, "what", r->what);
    qn_field_str(w, "state", r->state);
    qn_field_str(w, "started", r->started);
    qn_field_i64(w, "step", r->step);
    qn_field_i64(w, "steps", r->steps);
    qn_field_f64(w, "loss", r->loss);
    qn_field_f64(w, "eval_loss", r->eval_loss);
    qn_field_f64(w, "tokens_per_second", r->tokens_per_second);
}

static int put_list_json(qn_cli *c, const qn_run_list *l) {
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_jw_key(w, "runs");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < l->n; i++) {
        qn_jw_open(w, '{');
        put_row(w, &l->row[i]);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int show_all(qn_cli *c, const char *dir) {
    qn_run_list l;
    QN_TRY(qn_run_list_read(&l, dir));
    if (l.n == 0)
        qn_log(QN_LOG_INFO, "no runs in %s, three levels deep", dir);
    const int rc = qn_cli_json(c) ? put_list_json(c, &l) : l.n ? put_table(c, &l) : 0;
    qn_run_list_drop(&l);
    return rc;
}

/* ---- one run: its manifest --------------------------------------------------------------------------------------- */

/* "    name            value", nested members indented below their name; arrays on one line. */
static int put_member(qn_cli *c, qn_str key, qn_str value, int depth) {
    const int indent = 2 * depth;
    QN_TRY(qn_out_printf(c, "%*s", indent, ""));
    QN_TRY(qn_out_clean(c, key));
    for (size_t n = key.n + (size_t)indent; n < 20; n++)
        QN_TRY(qn_out_puts(c, " "));
    if (key.n + (size_t)indent >= 20)
        QN_TRY(qn_out_puts(c, "  "));
    return value.n ? qn_out_clean(c, value) : 0;
}

static int put_object(qn_cli *c, qn_json *j, int depth);

/* A scalar as it stands, a string without its quotes. */
static int put_scalar(qn_cli *c, qn_json *j) {
    qn_buf text = {0};
    qn_str raw;
    const int kind = qn_json_peek(j);
    QN_TRY(kind);
    if (kind != '"') {
        QN_TRY(qn_json_raw(j, &raw));
        return qn_out_clean(c, raw);
    }
    int rc = qn_json_string(j, &text);
    if (rc >= 0)
        rc = qn_out_clean(c, qn_buf_view(&text));
    qn_buf_drop(&text);
    return rc;
}

/* Items with a blank between them; objects in arrays are only counted (`resumed`). */
static int put_array(qn_cli *c, qn_json *j) {
    int more, objects = 0;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        const int kind = qn_json_peek(j);
        QN_TRY(kind);
        if (kind == '{' || kind == '[') {
            QN_TRY(qn_json_skip(j));
            objects++;
            continue;
        }
        QN_TRY(put_scalar(c, j));
        QN_TRY(qn_out_puts(c, " "));
    }
    QN_TRY(more);
    return objects ? qn_out_printf(c, "%d time%s", objects, objects == 1 ? "" : "s") : 0;
}

static int put_value(qn_cli *c, qn_json *j, qn_str key, int depth) {
    const int kind = qn_json_peek(j);
    QN_TRY(kind);
    QN_TRY(put_member(c, key, (qn_str){0}, depth));
    if (kind == '{') {
        QN_TRY(qn_out_puts(c, "\n"));
        return put_object(c, j, depth + 1);
    }
    QN_TRY(kind == '[' ? put_array(c, j) : put_scalar(c, j));
    return qn_out_puts(c, "\n");
}

static int put_object(qn_cli *c, qn_json *j, int depth) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (depth == 0 && qn_str_is(key, "format"))
            QN_TRY(qn_json_skip(j));
        else
            QN_TRY(put_value(c, j, key, depth));
    }
    return more;
}

/* ---- one run: its curves ----------------------------------------------------------------------------------------- */

enum { BARS = 48 };

/* Means of equal shares of the curve, as bars between its lowest and its highest mean. */
static int put_sparkline(qn_cli *c, const qn_run_curve *v) {
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double mean[BARS], low = INFINITY, high = -INFINITY;
    const size_t n = QN_MIN(v->n, (size_t)BARS);
    for (size_t i = 0; i < n; i++) {
        const size_t from = v->n * i / n, to = v->n * (i + 1) / n;
        mean[i] = 0;
        for (size_t k = from; k < to; k++)
            mean[i] += v->value[k] / (double)(to - from);
        low = fmin(low, mean[i]);
        high = fmax(high, mean[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const double height = high > low ? (mean[i] - low) / (high - low) : 0;
        QN_TRY(qn_out_puts(c, bars[QN_MIN((size_t)(height * 8), QN_LEN(bars) - 1)]));
    }
    return 0;
}

static int put_curve(qn_cli *c, const char *dir, const char *key, bool down) {
    qn_run_curve v;
    QN_TRY(qn_run_curve_read(&v, dir, key));
    size_t best = 0;
    for (size_t i = 1; i < v.n; i++)
        if (down ? v.value[i] < v.value[best] : v.value[i] > v.value[best])
            best = i;
    int rc = 0;
    if (v.n) {
        rc = qn_out_printf(c, "%-20s%.6g ", key, v.value[0]);
        if (rc >= 0)
            rc = put_sparkline(c, &v);
        if (rc >= 0)
            rc = qn_out_printf(c, " %.6g; %s %.6g at step %lld\n", v.value[v.n - 1], down ? "least" : "most",
                               v.value[best], (long long)v.step[best]);
    }
    qn_run_curve_drop(&v);
    return rc;
}

static int put_run(qn_cli *c, const qn_run_row *r, qn_str manifest) {
    static const struct { const char *key; bool down; } curves[] = {
        {"loss", true}, {"eval_loss", true}, {"learning_rate", false}, {"grad_norm", false},
        {"tokens_per_second", false}
    };
    char steps[64];
    qn_json j;
    QN_TRY(qn_out_clean(c, qn_str_of(r->path)));
    QN_TRY(qn_out_puts(c, ": "));
    QN_TRY(qn_out_clean(c, qn_str_of(r->state)));
    QN_TRY(qn_out_printf(c, ", step %s\n\n", steps_text(r, steps)));
    qn_json_init(&j, manifest.s, manifest.n, r->path);
    int rc = put_object(c, &j, 0);
    qn_json_drop(&j);
    if (rc >= 0)
        rc = qn_out_puts(c, "\n");
    for (size_t i = 0; i < QN_LEN(curves) && rc >= 0; i++)
        rc = put_curve(c, r->path, curves[i].key, curves[i].down);
    return rc;
}

static int put_run_json(qn_cli *c, const qn_run_row *r, qn_str manifest) {
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    put_row(w, r);
    qn_jw_key(w, "manifest");
    qn_jw_raw(w, manifest);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int show_one(qn_cli *c, const qn_run_row *r, qn_buf *manifest) {
    while (manifest->n && manifest->s[manifest->n - 1] == '\n')
        manifest->n--;
    return qn_cli_json(c) ? put_run_json(c, r, qn_buf_view(manifest)) : put_run(c, r, qn_buf_view(manifest));
}

/* A folder that is no run, somebody else's manifest in it included, is looked through. */
static int run(qn_cli *c) {
    const char *dir = qn_cli_args(c) ? qn_cli_arg(c, 0) : ".";
    qn_run_list l;
    qn_buf manifest = {0};
    int rc = qn_run_list_one(&l, dir, &manifest);
    if (rc >= 0)
        rc = show_one(c, &l.row[0], &manifest);
    else if (rc == QN_ENOTFOUND || rc == QN_EFORMAT || rc == QN_EUTF8)
        rc = show_all(c, dir);
    qn_run_list_drop(&l);
    qn_buf_drop(&manifest);
    return rc;
}

const qn_cmd qn_cmd_runs = {"runs", "[DIR]", "training runs: how far, how good, how fast", opts, examples, run, notes};
