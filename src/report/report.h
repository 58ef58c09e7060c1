/* report/report.h — storey 8: one page that says how runs went, for a reader; and the same on a terminal. Front door.
 *
 *   members.h .c      members of JSON objects by name, forgiving
 *   report_run.c      a run's folder read: manifest, metrics, samples, what its data were
 *   report_eval.c     evaluation….json, bits….json beside them
 *   report_align.c    hhh….json: helpful, honest, harmless, of all models of all runs
 *   report_facts.c    what the numbers say: least, median, first, last; sentences out of them
 *   figures_run.c     figures of the run: loss, rate, gradient, speed, each with a sentence that says what to look at
 *   figures_judged.c  … of a run over preferences: margins, rewards, how far answers have moved
 *   figures_asked.c   … of tasks that were asked on the way
 *   figures_eval.c    figures of the model: tasks beside baselines, bits by kind against their floor
 *   figures_align.c   alignment: bars, a curve over a sweep, tables
 *   figures_frontier.c … what is bought against what is paid, a point per model
 *   report_tables.c   tables: runs side by side, samples, data, machine, recipe
 *   report_page.c     the HTML page           report_text.c     the summary in characters
 *                                             report_json.c     the summary for programs
 *
 *     RUN/ ──► qn_report_add ──► facts ──► figures ──┬──► qn_report_html    one file, no network, no script needed
 *                                                    ├──► qn_report_text
 *                                                    └──► qn_report_json    without figures
 *
 *     qn_report *r; QN_TRY(qn_report_new(&r));
 *     QN_TRY_OUT(qn_report_add(r, "runs/a"));
 *     QN_TRY_OUT(qn_report_html(r, &page));
 *     out: qn_report_free(r);
 *
 * Runs are only looked at, so a report may be made of one that is still going. What a run does not have is left out;
 * what cannot be read is passed over and said on the page. Text of runs is strangers' text. */
#ifndef QN_REPORT_REPORT_H
#define QN_REPORT_REPORT_H

#include "base/json.h"
#include "plot/plot.h"

typedef struct qn_report qn_report;

int qn_report_new(qn_report **out);
void qn_report_free(qn_report *r);                              /* NULL is fine */
/* Reads a run; the first one added is what the page is about, others are set beside it. QN_ENOTFOUND: no run there;
 * QN_EFORMAT: its manifest is broken, or of another version; QN_EIO. After an error the report is as it was. */
int qn_report_add(qn_report *r, const char *dir);
/* Appended to out. A report needs a run: adding none is our own bug. QN_ENOMEM. */
int qn_report_html(const qn_report *r, qn_buf *out);
int qn_report_text(const qn_report *r, qn_buf *out, const qn_text_plot *t);
/* One object, as docs/FORMATS.md has it. */
int qn_report_json(const qn_report *r, qn_jw *w);

#endif
