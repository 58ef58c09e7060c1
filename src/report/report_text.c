/* report/report_text.c — the same in characters: what the run is, its first figures, loss, tasks, alignment, bits. */
#include <string.h>

#include "report/report_impl.h"

static int put_words(qn_sink *s, const char *words) {
    QN_TRY(qn_text_words(s->out, qn_str_of(words), 4000, s->text));
    return 0;
}

/* "  validation loss   4.91    nats a token, at step 200" */
static int put_tile(qn_sink *s, const qn_report_tile *t) {
    QN_TRY(qn_buf_printf(s->out, "  %-18s %-12s ", t->label, t->value));
    const int n = qn_text_words(s->out, qn_buf_view(&t->note), 200, s->text);
    QN_TRY(n);
    return qn_buf_putc(s->out, '\n');
}

static int put_tiles(qn_sink *s, const qn_report_run *run) {
    qn_report_tile tile[QN_TILES];
    size_t n;
    int rc = qn_report_tiles(run, tile, &n);
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = put_tile(s, &tile[i]);
    qn_report_tiles_drop(tile);
    return rc < 0 ? rc : qn_buf_putc(s->out, '\n');
}

static int put_run(qn_sink *s, const qn_report_run *run) {
    qn_buf words = {0};
    int rc;
    QN_TRY_OUT(put_words(s, run->name));
    QN_TRY_OUT(qn_buf_puts(s->out, ": "));
    QN_TRY_OUT(put_words(s, run->state));
    QN_TRY_OUT(qn_buf_puts(s->out, "\n"));
    QN_TRY_OUT(qn_report_sentence(&words, run));
    QN_TRY_OUT(put_words(s, words.s));
    QN_TRY_OUT(qn_buf_puts(s->out, "\n"));
    for (size_t i = 0; i < run->remarks; i++) {
        QN_TRY_OUT(qn_buf_puts(s->out, "! "));
        QN_TRY_OUT(put_words(s, run->remark[i]));
        QN_TRY_OUT(qn_buf_puts(s->out, "\n"));
    }
    QN_TRY_OUT(qn_buf_puts(s->out, "\n"));
    rc = put_tiles(s, run);
out:
    qn_buf_drop(&words);
    return rc;
}

/* The last thing that the model wrote, within three lines. */
static int put_sample(qn_sink *s, const qn_report_run *run) {
    if (run->samples == 0)
        return 0;
    const qn_report_sample *last = &run->sample[run->samples - 1];
    char text[QN_NUMBER_TEXT];
    QN_TRY(qn_buf_printf(s->out, "At step %s it wrote: ", qn_place_text((double)last->step, text)));
    const int width = QN_MAX(s->text->width, 40) * 3 - 32;
    qn_buf flat = {0};
    int rc = qn_buf_puts(&flat, last->prompt);
    if (rc >= 0)
        rc = qn_buf_puts(&flat, last->text);
    for (size_t i = 0; i < flat.n; i++)
        flat.s[i] = flat.s[i] == '\n' ? ' ' : flat.s[i];
    if (rc >= 0)
        rc = qn_text_words(s->out, qn_buf_view(&flat), width, s->text);
    qn_buf_drop(&flat);
    QN_TRY(rc);
    return qn_buf_puts(s->out, "\n");
}

int qn_report_text(const qn_report *r, qn_buf *out, const qn_text_plot *t) {
    qn_sink s = {.out = out, .text = t};
    qn_assert(r->n > 0);
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(put_run(&s, &r->run[i]));
    QN_TRY(qn_figure_loss(r, &s));
    QN_TRY(qn_figures_judged(r, &s));
    QN_TRY(qn_figure_asked(r, &s));
    QN_TRY(qn_figure_eval(r, &s));
    QN_TRY(qn_figure_align(r, &s));
    QN_TRY(qn_figure_sweep(r, &s));
    QN_TRY(qn_figures_frontier(r, &s));
    if (r->run[0].kinds)
        QN_TRY(qn_figures_bits(r, &s));
    return put_sample(&s, &r->run[0]);
}
