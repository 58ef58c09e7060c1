/* report/report_facts.c — what the numbers say: least, median, first, last; and sentences out of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/report_impl.h"

/* ---- numbers as words -------------------------------------------------------------------------------------------- */

int qn_put_number(qn_buf *out, double v, int digits) {
    char text[QN_NUMBER_TEXT];
    return qn_buf_puts(out, qn_number(v, digits, text));
}

int qn_put_count(qn_buf *out, double n, const char *one, const char *many) {
    char text[QN_NUMBER_TEXT];
    qn_number(n, 3, text);
    if (qn_plots(n) && fabs(n) < 1e4)
        qn_place_text(n, text);
    return qn_buf_printf(out, "%s %s", text, n == 1 ? one : many);
}

int qn_put_duration(qn_buf *out, double s) {
    char text[QN_NUMBER_TEXT];
    if (!qn_plots(s) || s < 0)
        return qn_buf_puts(out, "–");
    if (s < 60)
        return qn_buf_printf(out, "%s s", qn_number(s, s < 10 ? 2 : 3, text));
    const int64_t m = (int64_t)(s / 60), h = m / 60, d = h / 24;
    const long long rest = (long long)s - (long long)m * 60;
    if (h == 0)
        return rest ? qn_buf_printf(out, "%lld min %lld s", (long long)m, rest)
                    : qn_buf_printf(out, "%lld min", (long long)m);
    if (d == 0)
        return qn_buf_printf(out, "%lld h %lld min", (long long)h, (long long)(m % 60));
    return qn_buf_printf(out, "%lld days %lld h", (long long)d, (long long)(h % 24));
}

int qn_put_bytes(qn_buf *out, double bytes) {
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    char text[QN_NUMBER_TEXT];
    size_t i = 0;
    if (!qn_plots(bytes) || bytes < 0)
        return qn_buf_puts(out, "–");
    while (bytes >= 999.5 && i + 1 < QN_LEN(unit)) {
        bytes /= 1000;
        i++;
    }
    return qn_buf_printf(out, "%s %s", qn_number(bytes, 3, text), unit[i]);
}

/* ---- summaries --------------------------------------------------------------------------------------------------- */

int qn_report_summarize(const double *v, size_t n, qn_report_summary *s) {
    double *room = qn_alloc(QN_MEM_BASE, (n + 1) * sizeof *room);
    *s = (qn_report_summary){.median = NAN};
    if (!room)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!qn_plots(v[i]))
            continue;
        if (s->n == 0)
            s->first = s->least = s->most = i;
        s->last = i;
        s->least = v[i] < v[s->least] ? i : s->least;
        s->most = v[i] > v[s->most] ? i : s->most;
        room[s->n++] = v[i];
    }
    if (s->n)
        s->median = qn_run_median(room, s->n);
    qn_free(room);
    return 0;
}

double qn_table_last(const qn_run_table *t, int column) {
    for (size_t i = t->n; i-- > 0;)
        if (qn_plots(t->column[column][i]))
            return t->column[column][i];
    return NAN;
}

double qn_report_last(const qn_report_run *run, int column) { return qn_table_last(&run->metrics, column); }

/* Each step took its tokens over its speed; evaluations, samples and checkpoints are not in it. */
double qn_report_seconds(const qn_report_run *run) {
    const qn_run_table *t = &run->metrics;
    double seconds = 0, seen = 0;
    size_t known = 0;
    for (size_t i = 0; i < t->n; i++) {
        const double tokens = t->column[QN_SEEN][i] - seen, speed = t->column[QN_SPEED][i];
        if (!qn_plots(tokens) || !(speed > 0))
            continue;
        seconds += tokens / speed;
        seen = t->column[QN_SEEN][i];
        known++;
    }
    return known ? seconds : NAN;
}

const qn_report_task *qn_report_headline(const qn_report_run *run) {
    static const char *const names[] = {"recall_transfer", "recall"};
    for (size_t k = 0; k < QN_LEN(names); k++)
        for (size_t i = 0; i < run->tasks; i++)
            if (strcmp(run->task[i].name, names[k]) == 0)
                return &run->task[i];
    return NULL;
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

static int put_model(qn_buf *out, const qn_report_run *run) {
    QN_TRY(qn_buf_puts(out, "A "));
    QN_TRY(qn_buf_puts(out, *run->arch ? run->arch : "language"));
    QN_TRY(qn_buf_puts(out, " model"));
    if (!isnan(run->parameters)) {
        QN_TRY(qn_buf_puts(out, " of "));
        QN_TRY(qn_put_count(out, run->parameters, "parameter", "parameters"));
    }
    if (isnan(run->layers) || isnan(run->width))
        return 0;
    QN_TRY(qn_buf_puts(out, " ("));
    QN_TRY(qn_put_count(out, run->layers, "layer", "layers"));
    QN_TRY(qn_buf_puts(out, ", width "));
    QN_TRY(qn_put_number(out, run->width, 6));
    return qn_buf_puts(out, ")");
}

static int put_work(qn_buf *out, const qn_report_run *run) {
    const double tokens = qn_report_last(run, QN_SEEN), seconds = qn_report_seconds(run);
    const double step = run->metrics.step[run->metrics.n - 1];
    char text[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_puts(out, ", trained for "));
    if (!isnan(tokens)) {
        QN_TRY(qn_put_count(out, tokens, "token", "tokens"));
        QN_TRY(qn_buf_puts(out, " in "));
    }
    QN_TRY(qn_buf_puts(out, qn_place_text(step, text)));
    if (run->steps > step)
        QN_TRY(qn_buf_printf(out, " of %s", qn_place_text(run->steps, text)));
    QN_TRY(qn_buf_puts(out, step == 1 && !(run->steps > 1) ? " step" : " steps"));
    if (isnan(seconds))
        return 0;
    QN_TRY(qn_buf_puts(out, ", "));
    return qn_put_duration(out, seconds);
}

int qn_report_sentence(qn_buf *out, const qn_report_run *run) {
    qn_report_summary s;
    const qn_run_table *t = &run->metrics;
    QN_TRY(put_model(out, run));
    if (t->n)
        QN_TRY(put_work(out, run));
    QN_TRY(qn_buf_puts(out, "."));
    QN_TRY(qn_report_summarize(t->column[QN_EVAL_LOSS], t->n, &s));
    if (s.n < 2)
        return 0;
    QN_TRY(qn_buf_puts(out, " Its validation loss went from "));
    QN_TRY(qn_put_number(out, t->column[QN_EVAL_LOSS][s.first], 3));
    QN_TRY(qn_buf_puts(out, " to "));
    QN_TRY(qn_put_number(out, t->column[QN_EVAL_LOSS][s.last], 3));
    return qn_buf_puts(out, ".");
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

static qn_report_tile *tile_new(qn_report_tile tile[QN_TILES], size_t *n, const char *label) {
    qn_report_tile *t = &tile[(*n)++];
    snprintf(t->label, sizeof t->label, "%s", label);
    return t;
}

static int tile_number(qn_report_tile *t, double v, int digits, const char *unit) {
    char text[QN_NUMBER_TEXT];
    const bool whole = v == round(v) && fabs(v) < 1e4;
    snprintf(t->value, sizeof t->value, "%s%s", whole ? qn_place_text(v, text) : qn_number(v, digits, text), unit);
    return 0;
}

static int tile_loss(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    const qn_run_table *m = &run->metrics;
    char text[QN_NUMBER_TEXT];
    qn_report_summary eval, bits;
    QN_TRY(qn_report_summarize(m->column[QN_EVAL_LOSS], m->n, &eval));
    QN_TRY(qn_report_summarize(m->column[QN_EVAL_BITS], m->n, &bits));
    const double loss = qn_report_last(run, QN_LOSS);
    const char *unit = run->judged.n ? run->loss_type : "nats a token";
    if (eval.n) {
        qn_report_tile *t = tile_new(tile, n, "validation loss");
        tile_number(t, m->column[QN_EVAL_LOSS][eval.least], 4, "");
        QN_TRY(qn_buf_printf(&t->note, "%s, at step %s", unit, qn_place_text(m->step[eval.least], text)));
    } else if (!isnan(loss)) {
        qn_report_tile *t = tile_new(tile, n, "training loss");
        tile_number(t, loss, 4, "");
        QN_TRY(qn_buf_printf(&t->note, "%s, at the end", unit));
    }
    if (bits.n) {
        qn_report_tile *t = tile_new(tile, n, "bits per byte");
        tile_number(t, m->column[QN_EVAL_BITS][bits.least], 4, "");
        QN_TRY(qn_buf_puts(&t->note, "of validation text"));
    }
    return 0;
}

static int tile_judged(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    const qn_run_table *m = &run->judged;
    if (m->n == 0)
        return 0;
    const bool held = !isnan(qn_table_last(m, QN_EVAL_MARGIN));
    const double margin = qn_table_last(m, held ? QN_EVAL_MARGIN : QN_MARGIN);
    const double right = qn_table_last(m, held ? QN_EVAL_ACCURACY : QN_ACCURACY);
    qn_report_tile *t = tile_new(tile, n, "margin of rewards");
    tile_number(t, margin, 3, "");
    if (!isnan(right)) {
        QN_TRY(qn_put_number(&t->note, 100 * right, 3));
        QN_TRY(qn_buf_puts(&t->note, " % of the pairs right, "));
    }
    return qn_buf_puts(&t->note, held ? "held out, at the end" : "at the last step");
}

static bool any_baseline(const qn_report_task *t) {
    return t->baselines > 0 || !isnan(t->chance) || !isnan(t->majority);
}

static int tile_recall(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    const qn_report_task *task = qn_report_headline(run);
    if (!task)
        return 0;
    qn_report_tile *t = tile_new(tile, n, strcmp(task->name, "recall") == 0 ? "recall" : "recall, new form");
    tile_number(t, 100 * task->bar.value, 3, " %");
    QN_TRY(qn_buf_puts(&t->note, any_baseline(task) ? "beside " : ""));
    const char *comma = "";
    for (size_t i = 0; i < task->baselines; i++) {
        QN_TRY(qn_buf_printf(&t->note, "%s%s ", comma, task->baseline[i].name));
        QN_TRY(qn_put_number(&t->note, 100 * task->baseline[i].bar.value, 3));
        QN_TRY(qn_buf_puts(&t->note, " %"));
        comma = ", ";
    }
    if (isnan(task->chance))
        return 0;
    QN_TRY(qn_buf_printf(&t->note, "%schance ", comma));
    QN_TRY(qn_put_number(&t->note, 100 * task->chance, 3));
    return qn_buf_puts(&t->note, " %");
}

static int tile_work(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    const double tokens = qn_report_last(run, QN_SEEN), epochs = qn_report_last(run, QN_EPOCH);
    const double seconds = qn_report_seconds(run);
    if (!isnan(tokens)) {
        qn_report_tile *t = tile_new(tile, n, "tokens");
        tile_number(t, tokens, 3, "");
        if (!isnan(epochs)) {
            QN_TRY(qn_put_number(&t->note, epochs, 2));
            QN_TRY(qn_buf_puts(&t->note, epochs == 1 ? " epoch" : " epochs"));
        }
    }
    if (!isnan(seconds)) {
        qn_report_tile *t = tile_new(tile, n, "time");
        qn_buf text = {0};
        int rc = qn_put_duration(&text, seconds);
        snprintf(t->value, sizeof t->value, "%s", rc < 0 ? "" : text.s);
        qn_buf_drop(&text);
        QN_TRY(rc);
        QN_TRY(qn_buf_puts(&t->note, "of steps alone"));
    }
    return 0;
}

static int tile_speed(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    qn_report_summary speed, flops;
    QN_TRY(qn_report_summarize(run->metrics.column[QN_SPEED], run->metrics.n, &speed));
    QN_TRY(qn_report_summarize(run->metrics.column[QN_FLOPS], run->metrics.n, &flops));
    if (speed.n) {
        qn_report_tile *t = tile_new(tile, n, "tokens a second");
        tile_number(t, speed.median, 3, "");
        const bool all = strcmp(run->what, "train pretrain") == 0;
        QN_TRY(qn_buf_puts(&t->note, all ? "median" : "median, of those that are taught"));
    }
    if (flops.n && run->peak > 0) {
        qn_report_tile *t = tile_new(tile, n, "share of peak");
        tile_number(t, 100 * flops.median / run->peak, 2, " %");
        QN_TRY(qn_put_number(&t->note, flops.median / 1e9, 3));
        QN_TRY(qn_buf_puts(&t->note, " of "));
        QN_TRY(qn_put_number(&t->note, run->peak / 1e9, 3));
        QN_TRY(qn_buf_puts(&t->note, " GFLOP/s"));
    }
    if (run->memory_planned > 0) {
        qn_report_tile *t = tile_new(tile, n, "memory");
        qn_buf text = {0};
        int rc = qn_put_bytes(&text, run->memory_planned);
        snprintf(t->value, sizeof t->value, "%s", rc < 0 ? "" : text.s);
        qn_buf_drop(&text);
        QN_TRY(rc);
        QN_TRY(qn_buf_puts(&t->note, "at most, as planned"));
    }
    return 0;
}

int qn_report_tiles(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n) {
    memset(tile, 0, QN_TILES * sizeof *tile);
    *n = 0;
    QN_TRY(tile_loss(run, tile, n));
    QN_TRY(tile_judged(run, tile, n));
    QN_TRY(tile_recall(run, tile, n));
    QN_TRY(tile_work(run, tile, n));
    return tile_speed(run, tile, n);
}

void qn_report_tiles_drop(qn_report_tile tile[QN_TILES]) {
    for (size_t i = 0; i < QN_TILES; i++)
        qn_buf_drop(&tile[i].note);
}
