/* report/report_json.c — the summary for programs: the same figures as in characters, whole numbers and no curves.
 *
 *     {"format": "quern-report-1", "runs": [{"name": …, "loss": {"first", "last", "least", "least_step"}, …}]}
 *
 * What nobody measured is null, so that every member is always there. */
#include <math.h>

#include "base/json_fields.h"
#include "report/report_impl.h"

/* A column from its first value to its last. */
static int put_column(qn_jw *w, const char *key, const qn_run_table *t, int column) {
    const double *v = t->column[column];
    qn_report_summary s;
    QN_TRY(qn_report_summarize(v, t->n, &s));
    qn_jw_key(w, key);
    qn_jw_open(w, '{');
    qn_field_f64(w, "first", s.n ? v[s.first] : NAN);
    qn_field_f64(w, "last", s.n ? v[s.last] : NAN);
    qn_field_f64(w, "least", s.n ? v[s.least] : NAN);
    qn_field_f64(w, "least_step", s.n ? t->step[s.least] : NAN);
    qn_field_f64(w, "median", s.median);
    qn_jw_close(w);
    return 0;
}

static int put_course(qn_jw *w, const qn_report_run *run) {
    static const struct { const char *key; int column; } all[] = {
        {"loss", QN_LOSS}, {"eval_loss", QN_EVAL_LOSS}, {"eval_bits_per_byte", QN_EVAL_BITS}, {"grad_norm", QN_NORM},
        {"tokens_per_second", QN_SPEED}, {"flops_per_second", QN_FLOPS},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        QN_TRY(put_column(w, all[i].key, &run->metrics, all[i].column));
    return 0;
}

/* null of a run that learned from no preferences. */
static int put_judged(qn_jw *w, const qn_report_run *run) {
    qn_jw_key(w, "preferences");
    if (run->judged.n == 0) {
        qn_jw_null(w);
        return 0;
    }
    qn_jw_open(w, '{');
    for (int k = 0; k < QN_JUDGED; k++)
        QN_TRY(put_column(w, qn_judged_keys[k], &run->judged, k));
    qn_jw_close(w);
    return 0;
}

static void put_bar(qn_jw *w, const qn_bar *b) {
    qn_field_f64(w, "value", b->value);
    qn_field_f64(w, "lo", b->lo);
    qn_field_f64(w, "hi", b->hi);
}

static void put_task(qn_jw *w, const qn_report_task *t) {
    qn_jw_open(w, '{');
    qn_field_str(w, "name", t->name);
    qn_field_str(w, "metric", t->metric);
    qn_field_f64(w, "n", t->n);
    put_bar(w, &t->bar);
    qn_field_f64(w, "chance", t->chance);
    qn_field_f64(w, "majority", t->majority);
    qn_jw_key(w, "baselines");
    qn_jw_open(w, '{');
    for (size_t i = 0; i < t->baselines; i++) {
        qn_jw_key_str(w, qn_str_of(t->baseline[i].name));
        qn_jw_open(w, '{');
        put_bar(w, &t->baseline[i].bar);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
}

static void put_bits(qn_jw *w, const qn_report_run *run) {
    qn_jw_key(w, "bits");
    qn_jw_open(w, '{');
    qn_field_str(w, "unit", run->bits_unit);
    qn_jw_key(w, "kinds");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < run->kinds; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "name", run->kind[i].name);
        qn_field_f64(w, "floor", run->kind[i].floor);
        qn_field_f64(w, "model", run->kind[i].model);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
}

static void put_texts(qn_jw *w, const qn_report_run *run) {
    qn_jw_key(w, "remarks");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < run->remarks; i++)
        qn_jw_str(w, qn_str_of(run->remark[i]));
    qn_jw_close(w);
    qn_jw_key(w, "sample");
    if (run->samples == 0) {
        qn_jw_null(w);
        return;
    }
    const qn_report_sample *last = &run->sample[run->samples - 1];
    qn_jw_open(w, '{');
    qn_field_i64(w, "step", last->step);
    qn_field_str(w, "prompt", last->prompt);
    qn_field_str(w, "text", last->text);
    qn_jw_close(w);
}

static void put_head(qn_jw *w, const qn_report_run *run) {
    const struct { const char *key, *text; } text[] = {
        {"name", run->name}, {"path", run->path}, {"state", run->state}, {"what", run->what},
        {"started", run->started}, {"isa", run->isa}, {"arch", run->arch},
    };
    const struct { const char *key; double v; } number[] = {
        {"parameters", run->parameters}, {"steps", run->steps},
        {"step", run->metrics.n ? run->metrics.step[run->metrics.n - 1] : NAN},
        {"tokens", qn_report_last(run, QN_SEEN)}, {"epochs", qn_report_last(run, QN_EPOCH)},
        {"seconds", qn_report_seconds(run)}, {"peak_flops_per_second", run->peak},
        {"memory_planned", run->memory_planned},
    };
    for (size_t i = 0; i < QN_LEN(text); i++)
        qn_field_str(w, text[i].key, text[i].text);
    for (size_t i = 0; i < QN_LEN(number); i++)
        qn_field_f64(w, number[i].key, number[i].v);
    qn_jw_key(w, "resumed_behind");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < run->resumes; i++)
        qn_jw_f64(w, run->resumed[i]);
    qn_jw_close(w);
}

/* The figures of every model, by name: what stands in its file, without what is said about it. */
static void put_alignment(qn_jw *w, const qn_report *r) {
    qn_jw_key(w, "alignment");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < r->aligned; i++) {
        const qn_report_aligned *m = &r->align[i];
        qn_jw_open(w, '{');
        qn_field_str(w, "name", m->name);
        qn_field_f64(w, "beta", m->beta);
        qn_field_str(w, "mix", m->mix);
        for (size_t k = 0; k < m->rows; k++) {
            qn_jw_key(w, m->row[k].name);
            qn_jw_open(w, '{');
            put_bar(w, &m->row[k].bar);
            qn_field_f64(w, "tax", m->row[k].tax.value);
            qn_jw_close(w);
        }
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static int put_run(qn_jw *w, const qn_report_run *run) {
    qn_jw_open(w, '{');
    put_head(w, run);
    QN_TRY(put_course(w, run));
    QN_TRY(put_judged(w, run));
    qn_jw_key(w, "tasks");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < run->tasks; i++)
        put_task(w, &run->task[i]);
    qn_jw_close(w);
    put_bits(w, run);
    put_texts(w, run);
    qn_jw_close(w);
    return 0;
}

int qn_report_json(const qn_report *r, qn_jw *w) {
    qn_assert(r->n > 0);
    qn_jw_open(w, '{');
    qn_field_str(w, "format", "quern-report-1");
    qn_jw_key(w, "runs");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(put_run(w, &r->run[i]));
    qn_jw_close(w);
    put_alignment(w, r);
    qn_jw_close(w);
    return 0;
}
