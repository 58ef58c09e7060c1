/* report/report_tables.c — tables of the page: runs side by side, tasks, samples, data, machine, recipe, how to make it
 * again. Cells are strangers' text, so all of it goes through qn_xml. */
#include <math.h>
#include <string.h>

#include "report/report_impl.h"

enum { SAMPLES_SHOWN = 6, SAMPLE_BYTES = 1500, DIFFERENT_MOST = 24, DIFFERENT_AT_ONCE = 8 };

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static int cell(qn_buf *out, const char *tag, const char *text) {
    QN_TRY(qn_buf_printf(out, "<%s>", tag));
    QN_TRY(qn_xml_z(out, text));
    return qn_buf_printf(out, "</%.2s>", tag);
}

static int number_cell(qn_buf *out, double v, int digits) {
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    QN_TRY(qn_put_number(out, v, digits));
    return qn_buf_puts(out, "</td>");
}

static int count_cell(qn_buf *out, double v) {
    char text[QN_NUMBER_TEXT];
    return qn_buf_printf(out, "<td class=\"num\">%s</td>", qn_plots(v) ? qn_place_text(v, text) : "–");
}

/* "0.84 (0.81 to 0.87)" */
static int bar_cell(qn_buf *out, qn_bar b) {
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    QN_TRY(qn_put_number(out, b.value, 3));
    if (qn_plots(b.lo) && qn_plots(b.hi)) {
        QN_TRY(qn_buf_puts(out, " <small>"));
        QN_TRY(qn_put_number(out, b.lo, 3));
        QN_TRY(qn_buf_puts(out, " to "));
        QN_TRY(qn_put_number(out, b.hi, 3));
        QN_TRY(qn_buf_puts(out, "</small>"));
    }
    return qn_buf_puts(out, "</td>");
}

static int table_begin(qn_buf *out, const char *const *head, size_t n) {
    QN_TRY(qn_buf_puts(out, "<div class=\"scroll\"><table>\n<thead><tr>"));
    for (size_t i = 0; i < n; i++)
        QN_TRY(cell(out, i ? "th class=\"num\"" : "th", head[i]));
    return qn_buf_puts(out, "</tr></thead>\n<tbody>\n");
}

static int table_end(qn_buf *out) { return qn_buf_puts(out, "</tbody></table></div>\n"); }

/* ---- runs side by side ------------------------------------------------------------------------------------------- */

static int run_row(qn_buf *out, const qn_report_run *run) {
    const qn_run_table *t = &run->metrics;
    qn_report_summary eval, bits, speed;
    QN_TRY(qn_report_summarize(t->column[QN_EVAL_LOSS], t->n, &eval));
    QN_TRY(qn_report_summarize(t->column[QN_EVAL_BITS], t->n, &bits));
    QN_TRY(qn_report_summarize(t->column[QN_SPEED], t->n, &speed));
    QN_TRY(qn_buf_puts(out, "<tr>"));
    QN_TRY(cell(out, "td", run->name));
    QN_TRY(cell(out, "td", run->state));
    QN_TRY(number_cell(out, run->parameters, 3));
    QN_TRY(count_cell(out, t->n ? t->step[t->n - 1] : 0));
    QN_TRY(number_cell(out, qn_report_last(run, QN_SEEN), 3));
    QN_TRY(number_cell(out, eval.n ? t->column[QN_EVAL_LOSS][eval.least] : NAN, 4));
    QN_TRY(number_cell(out, bits.n ? t->column[QN_EVAL_BITS][bits.least] : NAN, 4));
    QN_TRY(number_cell(out, speed.median, 3));
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    QN_TRY(qn_put_duration(out, qn_report_seconds(run)));
    return qn_buf_puts(out, "</td></tr>\n");
}

static const char *fact_of(const qn_report_run *run, const qn_report_fact *f) {
    for (size_t i = 0; i < run->facts; i++)
        if (strcmp(run->fact[i].group, f->group) == 0 && strcmp(run->fact[i].key, f->key) == 0)
            return run->fact[i].value;
    return "–";
}

static bool differs(const qn_report *r, const qn_report_fact *f) {
    for (size_t i = 1; i < r->n; i++)
        if (strcmp(fact_of(&r->run[i], f), f->value) != 0)
            return true;
    return false;
}

static size_t count_differences(const qn_report *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->run[0].facts; i++)
        n += differs(r, &r->run[0].fact[i]);
    return n;
}

/* What was asked of one run and not of the other: usually the whole point of a comparison. Runs of several kinds differ
 * in so much that it would stand before all else: there it is folded up. */
static int put_differences(const qn_report *r, qn_buf *out) {
    const qn_report_run *first = &r->run[0];
    const size_t all = count_differences(r);
    size_t shown = 0;
    if (all == 0)
        return 0;
    QN_TRY(qn_buf_printf(out, "<details%s>\n<summary>What differs</summary>\n<div class=\"scroll\"><table>\n<thead><tr>"
                              "<th></th>", all <= DIFFERENT_AT_ONCE ? " open" : ""));
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(cell(out, "th class=\"num\"", r->run[i].name));
    QN_TRY(qn_buf_puts(out, "</tr></thead>\n<tbody>\n"));
    for (size_t i = 0; i < first->facts && shown < DIFFERENT_MOST; i++) {
        if (!differs(r, &first->fact[i]))
            continue;
        shown++;
        QN_TRY(qn_buf_puts(out, "<tr>"));
        QN_TRY(cell(out, "th", first->fact[i].key));
        for (size_t k = 0; k < r->n; k++)
            QN_TRY(cell(out, "td class=\"num\"", fact_of(&r->run[k], &first->fact[i])));
        QN_TRY(qn_buf_puts(out, "</tr>\n"));
    }
    QN_TRY(table_end(out));
    return qn_buf_puts(out, "</details>\n");
}

int qn_table_runs(const qn_report *r, qn_buf *out) {
    static const char *const head[] = {"run", "state", "parameters", "steps", "tokens", "validation loss",
                                       "bits per byte", "tokens/s", "time"};
    if (r->n < 2)
        return 0;
    QN_TRY(qn_buf_puts(out, "<h2>Runs side by side</h2>\n"));
    QN_TRY(table_begin(out, head, QN_LEN(head)));
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(run_row(out, &r->run[i]));
    QN_TRY(table_end(out));
    return put_differences(r, out);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* What the baselines scored on the same items. */
static int group_baselines(qn_buf *out, const qn_report_task *t, const qn_report_score *of) {
    bool any = false;
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    for (size_t i = 0; i < t->groups; i++) {
        const qn_report_score *g = &t->group[i];
        if (!*g->who || strcmp(g->key, of->key) != 0 || strcmp(g->name, of->name) != 0)
            continue;
        QN_TRY(qn_buf_puts(out, any ? ", " : ""));
        QN_TRY(qn_xml_z(out, g->who));
        QN_TRY(qn_buf_puts(out, " "));
        QN_TRY(qn_put_number(out, g->bar.value, 3));
        any = true;
    }
    return qn_buf_puts(out, "</td>");
}

static int group_rows(qn_buf *out, const qn_report_task *t) {
    for (size_t i = 0; i < t->groups; i++) {
        const qn_report_score *g = &t->group[i];
        if (*g->who)
            continue;
        QN_TRY(qn_buf_puts(out, "<tr class=\"sub\"><td>"));
        QN_TRY(qn_xml_z(out, g->key));
        QN_TRY(qn_buf_puts(out, *g->key ? " " : ""));
        QN_TRY(qn_xml_z(out, g->name));
        QN_TRY(qn_buf_puts(out, "</td><td></td>"));
        QN_TRY(count_cell(out, g->n));
        QN_TRY(bar_cell(out, g->bar));
        QN_TRY(qn_buf_puts(out, "<td></td><td></td>"));
        QN_TRY(group_baselines(out, t, g));
        QN_TRY(qn_buf_puts(out, "</tr>\n"));
    }
    return 0;
}

static int task_row(qn_buf *out, const qn_report_task *t) {
    QN_TRY(qn_buf_puts(out, "<tr><td>"));
    QN_TRY(qn_xml_z(out, t->name));
    if (*t->description) {
        QN_TRY(qn_buf_puts(out, "<br><small>"));
        QN_TRY(qn_xml_z(out, t->description));
        QN_TRY(qn_buf_puts(out, "</small>"));
    }
    QN_TRY(qn_buf_puts(out, "</td>"));
    QN_TRY(cell(out, "td", t->metric));
    QN_TRY(count_cell(out, t->n));
    QN_TRY(bar_cell(out, t->bar));
    QN_TRY(number_cell(out, t->chance, 3));
    QN_TRY(number_cell(out, t->majority, 3));
    QN_TRY(qn_buf_puts(out, "<td class=\"num\">"));
    for (size_t i = 0; i < t->baselines; i++) {
        QN_TRY(qn_buf_puts(out, i ? ", " : ""));
        QN_TRY(qn_xml_z(out, t->baseline[i].name));
        QN_TRY(qn_buf_puts(out, " "));
        QN_TRY(qn_put_number(out, t->baseline[i].bar.value, 3));
    }
    QN_TRY(qn_buf_puts(out, "</td></tr>\n"));
    return group_rows(out, t);
}

int qn_table_eval(const qn_report *r, qn_buf *out) {
    static const char *const head[] = {"task", "figure", "items", "model", "chance", "majority", "baselines"};
    const qn_report_run *run = &r->run[0];
    if (run->tasks == 0)
        return 0;
    QN_TRY(qn_buf_puts(out, "<details>\n<summary>Every task in numbers, with its groups</summary>\n"));
    QN_TRY(table_begin(out, head, QN_LEN(head)));
    for (size_t i = 0; i < run->tasks; i++)
        QN_TRY(task_row(out, &run->task[i]));
    QN_TRY(table_end(out));
    return qn_buf_puts(out, "</details>\n");
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* At most SAMPLE_BYTES, cut between characters. */
static qn_str cut(const char *text) {
    size_t n = strlen(text);
    if (n > SAMPLE_BYTES) {
        n = SAMPLE_BYTES;
        n -= qn_utf8_pending(text, n);
    }
    return (qn_str){text, n};
}

static int put_sample(qn_buf *out, const qn_report_sample *s) {
    char text[QN_NUMBER_TEXT];
    const qn_str shown = cut(s->text);
    QN_TRY(qn_buf_printf(out, "<div class=\"sample\"><h3>step %s</h3><p>", qn_place_text((double)s->step, text)));
    if (*s->prompt) {
        QN_TRY(qn_buf_puts(out, "<b>"));
        QN_TRY(qn_xml(out, cut(s->prompt)));
        QN_TRY(qn_buf_puts(out, "</b>"));
    }
    QN_TRY(qn_xml(out, shown));
    QN_TRY(qn_buf_puts(out, s->text[shown.n] ? " …" : ""));
    return qn_buf_puts(out, "</p></div>\n");
}

/* The first, the last, and some between at equal distances. */
int qn_table_samples(const qn_report *r, qn_buf *out) {
    const qn_report_run *run = &r->run[0];
    const size_t n = QN_MIN(run->samples, (size_t)SAMPLES_SHOWN);
    if (n == 0)
        return 0;
    QN_TRY(qn_buf_puts(out, "<h2>What it wrote</h2>\n<p class=\"lead\">"));
    QN_TRY(qn_buf_puts(out, n < run->samples ? "Samples on the way, some of them" : "Samples on the way"));
    QN_TRY(qn_buf_puts(out, "; what the model was given is bold.</p>\n<div class=\"samples\">\n"));
    for (size_t i = 0; i < n; i++)
        QN_TRY(put_sample(out, &run->sample[n == 1 ? 0 : i * (run->samples - 1) / (n - 1)]));
    return qn_buf_puts(out, "</div>\n");
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

static int put_data_words(const qn_report_run *run, qn_buf *out) {
    double documents = 0, tokens = 0, dropped = 0;
    for (size_t i = 0; i < run->sources; i++) {
        documents += run->source[i].documents;
        tokens += run->source[i].train_tokens;
        dropped += run->source[i].duplicates + run->source[i].empty;
    }
    QN_TRY(qn_buf_puts(out, "<p class=\"lead\">"));
    QN_TRY(qn_put_count(out, documents, "document", "documents"));
    QN_TRY(qn_buf_puts(out, " gave "));
    QN_TRY(qn_put_count(out, tokens, "token", "tokens"));
    QN_TRY(qn_buf_puts(out, " to train on; "));
    if (dropped > 0) {
        QN_TRY(qn_put_count(out, dropped, "document was", "documents were"));
        QN_TRY(qn_buf_puts(out, " left out, as duplicates or empty"));
    } else {
        QN_TRY(qn_buf_puts(out, "none was a duplicate or empty"));
    }
    return qn_buf_puts(out, ".</p>\n");
}

int qn_table_data(const qn_report *r, qn_buf *out) {
    static const char *const head[] = {"source", "files", "documents", "duplicates", "empty", "broken characters",
                                       "bytes", "tokens to train on", "to validate"};
    const qn_report_run *run = &r->run[0];
    if (run->sources == 0)
        return 0;
    QN_TRY(qn_buf_puts(out, "<h2>Data</h2>\n"));
    QN_TRY(put_data_words(run, out));
    QN_TRY(table_begin(out, head, QN_LEN(head)));
    for (size_t i = 0; i < run->sources; i++) {
        const qn_report_source *s = &run->source[i];
        QN_TRY(qn_buf_puts(out, "<tr>"));
        QN_TRY(cell(out, "td", s->paths));
        QN_TRY(count_cell(out, s->files));
        QN_TRY(count_cell(out, s->documents));
        QN_TRY(count_cell(out, s->duplicates));
        QN_TRY(count_cell(out, s->empty));
        QN_TRY(count_cell(out, s->invalid));
        QN_TRY(number_cell(out, s->bytes, 3));
        QN_TRY(number_cell(out, s->train_tokens, 3));
        QN_TRY(number_cell(out, s->validation_tokens, 3));
        QN_TRY(qn_buf_puts(out, "</tr>\n"));
    }
    return table_end(out);
}

/* ---- machine, recipe, again -------------------------------------------------------------------------------------- */

static int put_fact(qn_buf *out, const char *name, const char *value) {
    QN_TRY(qn_buf_puts(out, "<dt>"));
    QN_TRY(qn_xml_z(out, name));
    QN_TRY(qn_buf_puts(out, "</dt><dd>"));
    QN_TRY(qn_xml_z(out, *value ? value : "–"));
    return qn_buf_puts(out, "</dd>\n");
}

int qn_table_machine(const qn_report *r, qn_buf *out) {
    const qn_report_run *run = &r->run[0];
    qn_buf text = {0};
    int rc;
    QN_TRY_OUT(qn_buf_puts(out, "<h2>Machine</h2>\n<dl>\n"));
    QN_TRY_OUT(put_fact(out, "CPU", run->cpu));
    QN_TRY_OUT(qn_put_count(&text, run->threads, "thread", "threads"));
    QN_TRY_OUT(qn_buf_puts(&text, " of "));
    QN_TRY_OUT(qn_put_count(&text, run->cores, "core", "cores"));
    QN_TRY_OUT(put_fact(out, "threads", text.s));
    qn_buf_clear(&text);
    QN_TRY_OUT(qn_put_bytes(&text, run->memory));
    QN_TRY_OUT(put_fact(out, "memory", text.s));
    QN_TRY_OUT(put_fact(out, "instructions", run->isa));
    QN_TRY_OUT(put_fact(out, "system", run->os));
    QN_TRY_OUT(put_fact(out, "quern", run->version));
    rc = qn_buf_puts(out, "</dl>\n");
out:
    qn_buf_drop(&text);
    return rc;
}

int qn_table_recipe(const qn_report *r, qn_buf *out) {
    const qn_report_run *run = &r->run[0];
    const char *group = "";
    if (run->facts == 0)
        return 0;
    QN_TRY(qn_buf_puts(out, "<details>\n<summary>The whole recipe, and the shape of the model</summary>\n"));
    for (size_t i = 0; i < run->facts; i++) {
        const qn_report_fact *f = &run->fact[i];
        if (strcmp(group, f->group) != 0) {
            QN_TRY(qn_buf_puts(out, *group ? "</dl>\n<h3>" : "<h3>"));
            QN_TRY(qn_xml_z(out, f->group));
            QN_TRY(qn_buf_puts(out, "</h3>\n<dl class=\"many\">\n"));
            group = f->group;
        }
        QN_TRY(put_fact(out, f->key, f->value));
    }
    return qn_buf_puts(out, "</dl>\n</details>\n");
}

int qn_table_again(const qn_report *r, qn_buf *out) {
    const qn_report_run *run = &r->run[0];
    char text[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_puts(out, "<h2>The same again</h2>\n<p class=\"lead\">quern "));
    QN_TRY(qn_xml_z(out, run->version));
    if (!isnan(run->seed))
        QN_TRY(qn_buf_printf(out, ", seed %s", qn_place_text(run->seed, text)));
    QN_TRY(qn_buf_puts(out, ", level "));
    QN_TRY(qn_xml_z(out, run->isa));
    QN_TRY(qn_buf_puts(out, ": the same command gives the same bits, with any number of threads.</p>\n<pre>"));
    QN_TRY(qn_xml_z(out, run->command));
    QN_TRY(qn_buf_puts(out, "</pre>\n"));
    if (run->resumes > 0) {
        QN_TRY(qn_buf_puts(out, "<p>It was taken up again "));
        QN_TRY(qn_put_count(out, (double)run->resumes, "time", "times"));
        QN_TRY(qn_buf_puts(out, " (<code>quern train resume</code>), which changes nothing.</p>\n"));
    }
    return 0;
}
