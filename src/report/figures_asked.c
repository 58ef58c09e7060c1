/* report/figures_asked.c — tasks that a run was asked on the way (--task), from one evaluation to the next. Of several
 * runs those of the first: tasks have the colours. */
#include <math.h>

#include "report/report_impl.h"

/* "arithmetic went from 0.1 to 0.34" */
static int put_course(qn_buf *b, const qn_report_run *run, size_t k) {
    const double *v = run->asked.column[k];
    qn_report_summary s;
    QN_TRY(qn_report_summarize(v, run->asked.n, &s));
    if (s.n == 0)
        return 0;
    QN_TRY(qn_buf_printf(b, "%s%s went from ", b->n ? ", " : "", run->asked_name[k]));
    QN_TRY(qn_put_number(b, v[s.first], 3));
    QN_TRY(qn_buf_puts(b, " to "));
    return qn_put_number(b, v[s.last], 3);
}

static int put_words(qn_buf *b, const qn_report_run *run) {
    for (size_t k = 0; k < run->n_asked; k++)
        QN_TRY(put_course(b, run, k));
    return qn_buf_puts(b, ". Few items are asked while a run lasts: `quern eval` has the whole task, with intervals. ");
}

int qn_figure_asked(const qn_report *r, qn_sink *s) {
    const qn_report_run *run = &r->run[0];
    qn_curves c = {.median = NAN};
    qn_buf words = {0};
    int rc = 0;
    for (size_t k = 0; k < run->n_asked; k++)
        if (!isnan(qn_table_last(&run->asked, (int)k)))
            QN_TRY_OUT(qn_curves_measured(&c, &run->asked, (int)k, run->asked_name[k], (int)k));
    if (c.n == 0)
        goto out;
    QN_TRY_OUT(put_words(&words, run));
    const qn_lines p = {.title = "Tasks on the way", .x_name = "step", .y_name = "figure of the task",
                        .series = c.series, .n = c.n, .zero = true};
    rc = qn_show_lines(s, &p, false, &words);
out:
    qn_curves_drop(&c);
    qn_buf_drop(&words);
    return rc;
}
