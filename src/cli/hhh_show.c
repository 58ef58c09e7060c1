/* cli/hhh_show.c — a column per model: figures with intervals; then what alignment gained and cost, paired; then who
 * wins, how long answers are, how far the distributions moved. */
#include "cli/hhh_show.h"

#include <math.h>
#include <stdio.h>

#include "cli/eval_args.h"

enum { TITLE = 44, CHANCE = 8, COLUMN = 28 };

/* "91.3 (88.0 – 94.0)" in %, or bits as they are; "+" in front of differences. */
static const char *figure_text(double v, const qn_interval *in, bool share, bool sign, char out[64]) {
    const double scale = share ? 100 : 1;
    const int digits = share ? 1 : 3;
    if (isnan(v))
        snprintf(out, 64, "–");
    else if (isnan(in->lo))
        snprintf(out, 64, sign ? "%+.*f" : "%.*f", digits, scale * v);
    else
        snprintf(out, 64, sign ? "%+.*f (%+.*f to %+.*f)" : "%.*f (%.*f – %.*f)", digits, scale * v, digits,
                 scale * in->lo, digits, scale * in->hi);
    return out;
}

static int put_names(qn_cli *c, const qn_hhh_result *r, const char *title, bool chance, bool all) {
    QN_TRY(qn_out_cell(c, title, TITLE, true));
    if (chance)
        QN_TRY(qn_out_cell(c, "chance", CHANCE, false));
    for (int64_t i = 0; i < r->n; i++)
        if (all || i != r->reference)
            QN_TRY(qn_out_cell(c, r->model[i].name, COLUMN, false));
    return qn_out_puts(c, "\n");
}

static bool has_row(const qn_hhh_result *r, int cell) {
    for (int64_t i = 0; i < r->n; i++)
        if (r->model[i].cell[cell].n > 0)
            return true;
    return false;
}

/* Values of all models, or the differences of all but the reference. */
static int put_cells(qn_cli *c, const qn_hhh_result *r, int cell, bool share, bool difference) {
    char text[64];
    for (int64_t i = 0; i < r->n; i++) {
        const qn_hhh_cell *x = &r->model[i].cell[cell];
        if (difference && i == r->reference)
            continue;
        figure_text(difference ? x->difference : x->value, difference ? &x->d : &x->in, share, difference, text);
        QN_TRY(qn_out_cell(c, text, COLUMN, false));
    }
    return qn_out_puts(c, "\n");
}

static int put_title(qn_cli *c, const char *title, bool lower) {
    char text[64];
    snprintf(text, sizeof text, "  %s%s", title, lower ? " ↓" : "");
    return qn_out_cell(c, text, TITLE, true);
}

/* ---- figures ---- */

static int put_rows(qn_cli *c, const qn_hhh_result *r) {
    char text[64];
    int part = -1;
    for (int i = 0; qn_hhh_rows[i].key; i++) {
        const qn_hhh_row *row = &qn_hhh_rows[i];
        if (!has_row(r, i))
            continue;
        if ((int)row->part != part)
            QN_TRY(qn_out_printf(c, "%s\n", qn_hhh_part_name(row->part)));
        part = (int)row->part;
        const qn_interval none = {NAN, NAN};
        QN_TRY(put_title(c, row->title, row->lower));
        QN_TRY(qn_out_cell(c, figure_text(qn_hhh_chance(r->sets, row), &none, true, false, text), CHANCE, false));
        QN_TRY(put_cells(c, r, i, true, false));
    }
    return 0;
}

static int put_bits(qn_cli *c, const qn_hhh_result *r, bool difference) {
    bool first = true;
    for (int k = 0; k < QN_BITS_KINDS && qn_bits_kind_name[k]; k++) {
        if (!has_row(r, QN_HHH_ROWS + k))
            continue;
        if (first)
            QN_TRY(qn_out_puts(c, "bits per byte, by kind of choice\n"));
        first = false;
        QN_TRY(put_title(c, qn_bits_kind_name[k], true));
        if (!difference)
            QN_TRY(qn_out_cell(c, "", CHANCE, false));
        QN_TRY(put_cells(c, r, QN_HHH_ROWS + k, false, difference));
    }
    return 0;
}

/* What it cost: the rows that nothing of alignment trains. */
static int put_tax(qn_cli *c, const qn_hhh_result *r) {
    char title[64];
    snprintf(title, sizeof title, "alignment tax: minus %.16s, paired", r->model[r->reference].name);
    QN_TRY(qn_out_puts(c, "\n"));
    QN_TRY(put_names(c, r, title, false, false));
    for (int i = 0; qn_hhh_rows[i].key; i++) {
        const qn_hhh_row *row = &qn_hhh_rows[i];
        if ((row->part != QN_HHH_CAPABILITY && !row->headline) || !has_row(r, i))
            continue;
        QN_TRY(put_title(c, row->title, row->lower));
        QN_TRY(put_cells(c, r, i, true, true));
    }
    return put_bits(c, r, true);
}

/* ---- pairs ---- */

typedef const qn_hhh_win *win_fn(const qn_hhh_pairs *p);

static int put_win(qn_cli *c, const qn_hhh_result *r, const char *title, win_fn *of) {
    char text[64];
    QN_TRY(put_title(c, title, false));
    for (int64_t i = 0; i < r->n; i++) {
        if (i == r->reference)
            continue;
        const qn_hhh_win *w = of(&r->model[i].pairs);
        QN_TRY(qn_out_cell(c, figure_text(w->rate, &w->in, true, false, text), COLUMN, false));
    }
    return qn_out_puts(c, "\n");
}

static const qn_hhh_win *win_all(const qn_hhh_pairs *p) { return &p->all; }
static const qn_hhh_win *win_alike(const qn_hhh_pairs *p) { return &p->alike; }
static const qn_hhh_win *win_helpful(const qn_hhh_pairs *p) { return &p->part[QN_HHH_HELPFUL]; }
static const qn_hhh_win *win_honest(const qn_hhh_pairs *p) { return &p->part[QN_HHH_HONEST]; }
static const qn_hhh_win *win_harmless(const qn_hhh_pairs *p) { return &p->part[QN_HHH_HARMLESS]; }

static int put_length(qn_cli *c, const qn_hhh_result *r) {
    char text[64];
    QN_TRY(put_title(c, "bytes of an answer (reference's)", false));
    for (int64_t i = 0; i < r->n; i++) {
        const qn_hhh_pairs *p = &r->model[i].pairs;
        if (i == r->reference)
            continue;
        snprintf(text, sizeof text, "%.1f (%.1f)", p->bytes, p->bytes_reference);
        QN_TRY(qn_out_cell(c, text, COLUMN, false));
    }
    QN_TRY(qn_out_puts(c, "\n"));
    QN_TRY(put_title(c, "KL to it, nats a token", false));
    for (int64_t i = 0; i < r->n; i++)
        if (i != r->reference)
            QN_TRY(qn_out_cell(c, figure_text(r->model[i].kl.mean, &r->model[i].kl.in, false, false, text), COLUMN,
                               false));
    return qn_out_puts(c, "\n");
}

static int put_pairs(qn_cli *c, const qn_hhh_result *r) {
    char title[64];
    snprintf(title, sizeof title, "beside %.24s, item by item", r->model[r->reference].name);
    QN_TRY(qn_out_puts(c, "\n"));
    QN_TRY(put_names(c, r, title, false, false));
    QN_TRY(put_win(c, r, "wins by rule, ties half", win_all));
    QN_TRY(put_win(c, r, "  helpful", win_helpful));
    QN_TRY(put_win(c, r, "  honest", win_honest));
    QN_TRY(put_win(c, r, "  harmless", win_harmless));
    QN_TRY(put_win(c, r, "  answers of like length", win_alike));
    return put_length(c, r);
}

/* Where a model has other tokens than the reference: over what its KL is, and what is not in it. */
static int put_vocabulary(qn_cli *c, const qn_hhh_model *m, const char *reference) {
    const qn_hhh_kl *k = &m->kl;
    if (k->n == 0 || k->ids == QN_MAX(k->ids_model, k->ids_reference))
        return 0;
    QN_TRY(qn_out_printf(c, "KL of %s: over the %lld ids that it shares with %s, of %lld and %lld; outside lie %.2g %% "
                         "of its probability,\n%.2g %% of %s's", m->name, (long long)k->ids, reference,
                         (long long)k->ids_model, (long long)k->ids_reference, 100 * k->outside,
                         100 * k->outside_reference, reference));
    if (k->left_out)
        QN_TRY(qn_out_printf(c, "; %lld conversations have ids that only one of them knows", (long long)k->left_out));
    return qn_out_puts(c, ".\n");
}

static int put_foot(qn_cli *c, const qn_hhh_result *r) {
    const qn_hhh_words *w = &r->sets->words;
    QN_TRY(qn_out_printf(c, "\nin %%, with 95 %% intervals; ↓ lower is better. Words alone tell forbidden requests "
                         "from look-alikes in %.1f %%,\nstrangers from people in %.1f %%, false premises from true "
                         "ones in %.1f %% of cases (naive Bayes, cross-validated).\n", 100 * w->refusal,
                         100 * w->abstention, 100 * w->premise));
    if (r->reference < 0)
        return qn_out_puts(c, "With another model, or --baseline, differences, win rates and KL stand here too.\n");
    QN_TRY(qn_out_puts(c, "KL is of whole distributions along the reference's own greedy answers.\n"));
    for (int64_t i = 0; i < r->n; i++)
        if (i != r->reference)
            QN_TRY(put_vocabulary(c, &r->model[i], r->model[r->reference].name));
    return 0;
}

int qn_hhh_show(qn_cli *c, const qn_hhh_result *r) {
    QN_TRY(put_names(c, r, "", true, true));
    QN_TRY(put_rows(c, r));
    QN_TRY(put_bits(c, r, false));
    if (r->reference >= 0 && r->n > 1) {
        QN_TRY(put_tax(c, r));
        QN_TRY(put_pairs(c, r));
    }
    return put_foot(c, r);
}
