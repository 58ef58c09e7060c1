/* report/figures_judged.c — figures of a run that learned from preferences: by how much chosen answers are rewarded
 * above rejected ones, how often, what became of the probability of either, and how long they are. Of several runs that
 * have such figures the first curve of each is drawn, in one colour each; the words are about the first of them. */
#include <math.h>

#include "report/report_impl.h"

typedef int words_fn(qn_buf *b, const qn_report_run *run);

/* Of one run: one or two curves of training, and what is held out; −1: none. */
typedef struct {
    const char *title, *y_name;
    struct { int column; const char *name; } curve[2];
    int held;
    bool zero;
    words_fn *words;
} figure;

static bool has(const qn_report_run *run, int column) {
    return column >= 0 && run->judged.n && !isnan(qn_table_last(&run->judged, column));
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

static int put(qn_buf *b, const char *before, double v, int digits, const char *behind) {
    QN_TRY(qn_buf_puts(b, before));
    QN_TRY(qn_put_number(b, v, digits));
    return qn_buf_puts(b, behind);
}

/* "Held out, it went from 0 to 0.35. " */
static int from_to(qn_buf *b, const qn_report_run *run, int column, double scale, const char *unit) {
    const qn_run_table *t = &run->judged;
    qn_report_summary s;
    QN_TRY(qn_report_summarize(t->column[column], t->n, &s));
    if (s.n == 0)
        return 0;
    QN_TRY(put(b, "Held out, it went from ", scale * t->column[column][s.first], 3, unit));
    return put(b, " to ", scale * t->column[column][s.last], 3, unit);
}

static int margin_words(qn_buf *b, const qn_report_run *run) {
    if (has(run, QN_EVAL_MARGIN)) {
        QN_TRY(from_to(b, run, QN_EVAL_MARGIN, 1, ""));
        QN_TRY(qn_buf_puts(b, ". "));
    }
    return qn_buf_puts(b, "The reward of chosen answers above that of rejected ones; 0 is what the run began with "
                       "where there is a reference. ");
}

static int right_words(qn_buf *b, const qn_report_run *run) {
    if (has(run, QN_EVAL_ACCURACY)) {
        QN_TRY(from_to(b, run, QN_EVAL_ACCURACY, 100, " %"));
        QN_TRY(qn_buf_puts(b, ". "));
    }
    return qn_buf_puts(b, "Pairs of which the chosen answer is rewarded above the other; at step 1 they are equal "
                       "where there is a reference, which counts as none. ");
}

static int reward_words(qn_buf *b, const qn_report_run *run) {
    const qn_run_table *t = &run->judged;
    QN_TRY(put(b, "At the last step chosen answers have ", qn_table_last(t, QN_REWARD_CHOSEN), 3, ", rejected ones "));
    QN_TRY(qn_put_number(b, qn_table_last(t, QN_REWARD_REJECTED), 3));
    return qn_buf_puts(b, ". ");
}

static int length_words(qn_buf *b, const qn_report_run *run) {
    const qn_run_table *t = &run->judged;
    QN_TRY(put(b, "At the last step chosen answers are ", qn_table_last(t, QN_LENGTH_CHOSEN), 3, ", rejected ones "));
    return put(b, "", qn_table_last(t, QN_LENGTH_REJECTED), 3, " tokens long, which is worth a look where the two "
               "differ: length is easily learned. ");
}

static int moved_words(qn_buf *b, const qn_report_run *run) {
    const int column = has(run, QN_EVAL_MOVED) ? QN_EVAL_MOVED : QN_MOVED_CHOSEN;
    const double moved = qn_table_last(&run->judged, column);
    QN_TRY(put(b, moved < 0 ? "Chosen answers have become less probable, by " : "Chosen answers have become more "
               "probable, by ", fabs(moved), 3, " nats an answer"));
    if (moved < 0)
        QN_TRY(qn_buf_puts(b, ": what is trained is a difference, which grows while both fall; an anchor (--rpo-alpha) "
                           "holds them"));
    return qn_buf_puts(b, ". Drawn is the mean of ln p less the reference's over given answers; the KL divergence is a "
                       "mean over what the model itself writes, and is no figure of these: `quern eval hhh` "
                       "measures it. ");
}

static int kl_words(qn_buf *b, const qn_report_run *run) {
    return put(b, "KTO's estimate, from answers to other prompts: ", qn_table_last(&run->judged, QN_KL), 3,
               " nats an answer at the last step. ");
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

static int add_one(qn_curves *c, const qn_report_run *run, const figure *f) {
    const bool held = has(run, f->held);
    for (int k = 0; k < 2 && f->curve[k].name; k++)
        QN_TRY(qn_curves_smoothed(c, &run->judged, f->curve[k].column, f->curve[k].name, k));
    return held ? qn_curves_measured(c, &run->judged, f->held, "held out", 2) : 0;
}

/* The first of the runs that have the figure, and how many have it; NULL: none. */
static const qn_report_run *first_with(const qn_report *r, const figure *f, size_t *n) {
    const qn_report_run *first = NULL;
    *n = 0;
    for (size_t i = 0; i < QN_MIN(r->n, (size_t)QN_RUNS_DRAWN); i++)
        if (has(&r->run[i], f->curve[0].column)) {
            first = first ? first : &r->run[i];
            ++*n;
        }
    return first;
}

static int add_all(qn_curves *c, const qn_report *r, const figure *f) {
    size_t n;
    const qn_report_run *first = first_with(r, f, &n);
    if (n == 1)
        return add_one(c, first, f);
    for (size_t i = 0; i < QN_MIN(r->n, (size_t)QN_RUNS_DRAWN); i++)
        if (has(&r->run[i], f->curve[0].column))
            QN_TRY(qn_curves_medians(c, &r->run[i].judged, f->curve[0].column, r->run[i].name, (int)i, QN_LINE));
    return 0;
}

/* Nothing where no run has it. */
static int show(const qn_report *r, qn_sink *s, const figure *f) {
    qn_curves c = {.median = NAN};
    qn_buf words = {0};
    size_t n;
    const qn_report_run *first = first_with(r, f, &n);
    int rc;
    if (!first)
        return 0;
    QN_TRY_OUT(add_all(&c, r, f));
    if (r->n > 1)
        QN_TRY_OUT(qn_buf_printf(&words, "%s: ", first->name));
    QN_TRY_OUT(f->words(&words, first));
    const qn_lines p = {.title = f->title, .x_name = "step", .y_name = f->y_name, .series = c.series, .n = c.n,
                        .zero = f->zero};
    rc = qn_show_lines(s, &p, false, &words);
out:
    qn_curves_drop(&c);
    qn_buf_drop(&words);
    return rc;
}

int qn_figures_judged(const qn_report *r, qn_sink *s) {
    static const figure all[] = {
        {"Margin", "reward, chosen − rejected", {{QN_MARGIN, "training"}}, QN_EVAL_MARGIN, false, margin_words},
        {"Right", "share of pairs", {{QN_ACCURACY, "training"}}, QN_EVAL_ACCURACY, true, right_words},
        {"Rewards", "reward", {{QN_REWARD_CHOSEN, "chosen"}, {QN_REWARD_REJECTED, "rejected"}}, -1, false,
         reward_words},
        {"Lengths", "tokens of an answer", {{QN_LENGTH_CHOSEN, "chosen"}, {QN_LENGTH_REJECTED, "rejected"}}, -1, true,
         length_words},
        {"Log-ratio to the reference", "nats an answer", {{QN_MOVED_CHOSEN, "chosen"},
         {QN_MOVED_REJECTED, "rejected"}}, -1, false, moved_words},
        {"Divergence", "nats an answer", {{QN_KL, "training"}}, -1, true, kl_words},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        QN_TRY(show(r, s, &all[i]));
    return 0;
}
