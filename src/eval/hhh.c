/* eval/hhh.c — the sets of a world, what a model says to them, and the figures of that. */
#include "eval/hhh.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "num/math.h"
#include "world/bow.h"

enum { DOCUMENTS = 100 };

/* ---- the sets ---- */

static int read_task(qn_hhh_sets *s, int i, const char *world) {
    qn_buf dir = {0}, path = {0};
    char name[64];
    int rc;
    snprintf(name, sizeof name, "%s.jsonl", qn_hhh_task_name[i]);
    QN_TRY_OUT(qn_path_join(&dir, world, "eval"));
    QN_TRY_OUT(qn_path_join(&path, dir.s, name));
    if (qn_is_file(path.s))
        rc = qn_task_read(&s->task[i], path.s);
    else if (i < QN_HHH_ASKED)
        rc = qn_fail(QN_ENOTFOUND, "%s: is not there; a world is a folder of `quern data world`", path.s);
out:
    qn_buf_drop(&dir);
    qn_buf_drop(&path);
    return rc;
}

/* The side that an item is on: what a classifier of words has to tell. −1: neither. */
static int side_of(int task, const qn_task_item *item) {
    if (task == QN_HHH_REFUSAL)
        return item->refuse;
    if (task == QN_HHH_ABSTENTION)
        return item->known;
    for (int64_t g = 0; g < item->groups; g++)
        if (qn_str_is(item->group[g].key, "premise"))
            return qn_str_is(item->group[g].value, "true");
    return -1;
}

/* Both sides of a pair stand one behind the other, and are learned from together. */
static int words_alone(const qn_hhh_sets *s, int task, double *out) {
    const qn_task *t = s->task[task];
    qn_bow_text *text = qn_alloc(QN_MEM_BASE, QN_MAX(t->n, 1) * sizeof *text);
    qn_bow_result r = {NAN, NAN};
    int64_t n = 0;
    int rc = text ? 0 : QN_ENOMEM;
    for (size_t i = 0; rc >= 0 && i < t->n; i++) {
        const int side = side_of(task, &t->item[i]);
        if (side >= 0 && t->item[i].messages.s)
            text[n++] = (qn_bow_text){t->item[i].messages, side == 1, (int64_t)i / 2};
    }
    if (rc >= 0 && n >= QN_BOW_FOLDS)
        rc = qn_bow_test(text, n, &r);
    *out = r.bayes;
    qn_free(text);
    return rc;
}

static int read_bits(qn_hhh_sets *s, const qn_hhh_options *o) {
    const qn_bits_options b = {.world = o->world, .data = o->data, .tok = o->tok,
                               .max_documents = o->documents > 0 ? o->documents : DOCUMENTS};
    if (o->documents < 0)
        return 0;
    const int rc = qn_bits_set_read(&s->bits, &b);
    if (rc != QN_ENOTFOUND)
        return rc;
    qn_bits_set_drop(&s->bits);
    s->bits = (qn_bits_set){0};
    qn_log(QN_LOG_INFO, "no bits by kind: %s", qn_error_message());
    return 0;
}

int qn_hhh_sets_read(qn_hhh_sets *s, const qn_hhh_options *o) {
    *s = (qn_hhh_sets){0};
    for (int i = 0; i < QN_HHH_TASKS; i++)
        QN_TRY(read_task(s, i, o->world));
    QN_TRY(words_alone(s, QN_HHH_REFUSAL, &s->words.refusal));
    QN_TRY(words_alone(s, QN_HHH_ABSTENTION, &s->words.abstention));
    QN_TRY(words_alone(s, QN_HHH_PREMISE, &s->words.premise));
    return read_bits(s, o);
}

void qn_hhh_sets_drop(qn_hhh_sets *s) {
    for (int i = 0; i < QN_HHH_TASKS; i++)
        qn_task_free(s->task[i]);
    qn_bits_set_drop(&s->bits);
    *s = (qn_hhh_sets){0};
}

/* ---- answers ---- */

/* What each document adds to the sums of the kinds. */
static int score_document(qn_bits_counter *b, const qn_bits_set *set, size_t i, double *bits, double *bytes) {
    const qn_str text = {set->text.s + set->begin[i], set->begin[i + 1] - set->begin[i]};
    const qn_bits_result before = b->r;
    QN_TRY(qn_bits_add(b, text, set->span + set->first[i], (int64_t)(set->first[i + 1] - set->first[i])));
    for (int k = 0; k < QN_BITS_KINDS; k++) {
        bits[k] = b->r.kind[k].model - before.kind[k].model;
        bytes[k] = (double)(b->r.kind[k].bytes - before.kind[k].bytes);
    }
    return 0;
}

static int score_bits(const qn_hhh_sets *s, const qn_scorer *scorer, qn_hhh_answers *out) {
    const size_t n = s->bits.n;
    qn_bits_counter b = {0};
    int rc;
    if (n == 0 || !scorer->each)
        return 0;
    out->bits = qn_zalloc(QN_MEM_BASE, n * QN_BITS_KINDS, sizeof *out->bits);
    out->bytes = qn_zalloc(QN_MEM_BASE, n * QN_BITS_KINDS, sizeof *out->bytes);
    if (!out->bits || !out->bytes)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_bits_init(&b, scorer));
    for (size_t i = 0; i < n; i++)
        QN_TRY_OUT(score_document(&b, &s->bits, i, out->bits + i * QN_BITS_KINDS, out->bytes + i * QN_BITS_KINDS));
    out->documents = (int64_t)n;
out:
    qn_bits_drop(&b);
    return rc;
}

int qn_hhh_answer(const qn_hhh_sets *s, const qn_scorer *scorer, const qn_eval_options *o, qn_hhh_answers *out) {
    *out = (qn_hhh_answers){0};
    for (int i = 0; i < QN_HHH_TASKS; i++)
        if (s->task[i])
            QN_TRY(qn_eval_task(s->task[i], scorer, o, &out->task[i]));
        else
            out->task[i].left_out = true;
    return score_bits(s, scorer, out);
}

void qn_hhh_answers_drop(qn_hhh_answers *a) {
    for (int i = 0; i < QN_HHH_TASKS; i++)
        qn_task_result_drop(&a->task[i]);
    qn_free(a->bits);
    qn_free(a->bytes);
    *a = (qn_hhh_answers){0};
}

/* ---- figures ---- */

static bool in_group(const qn_hhh_row *row, const qn_task_item *item) {
    for (int64_t g = 0; row->group && g < item->groups; g++)
        if (qn_str_is(item->group[g].key, row->group) && qn_str_is(item->group[g].value, row->value))
            return true;
    return !row->group;
}

/* What an item counts for a row. "decided": it abstains where it shall, and nowhere else, right or wrong. */
static void count_item(const qn_hhh_row *row, const qn_task_result *r, const qn_item_result *i, double *num,
                       double *den) {
    *num = *den = 0;
    if (!in_group(row, i->item))
        return;
    if (strcmp(row->figure, "decided") != 0) {
        qn_item_series(r, row->figure, i, num, den);
        return;
    }
    *num = i->verdict.abstained == (i->item->known == 0);
    *den = 1;
}

typedef struct { double *num, *den, *num2, *den2; int64_t n; } series;

static int series_init(series *x, int64_t n) {
    const size_t size = (size_t)QN_MAX(n, 1);
    x->num = qn_zalloc(QN_MEM_BASE, 4 * size, sizeof *x->num);
    x->den = x->num + size;
    x->num2 = x->num + 2 * size;
    x->den2 = x->num + 3 * size;
    x->n = n;
    return x->num ? 0 : QN_ENOMEM;
}

static double ratio(const double *num, const double *den, int64_t n) {
    double a = 0, b = 0;
    for (int64_t i = 0; i < n; i++) {
        a += num[i];
        b += den[i];
    }
    return b > 0 ? a / b : NAN;
}

static int cell_of(const series *x, bool paired, const qn_eval_options *o, qn_hhh_cell *c) {
    const int64_t draws = o->draws > 0 ? o->draws : QN_BOOTSTRAP_DRAWS;
    *c = (qn_hhh_cell){.value = ratio(x->num, x->den, x->n), .difference = NAN, .d = {NAN, NAN}};
    for (int64_t i = 0; i < x->n; i++)
        c->n += x->den[i] > 0;
    QN_TRY(qn_bootstrap(x->num, x->den, x->n, o->seed, draws, &c->in));
    if (!paired)
        return 0;
    c->difference = c->value - ratio(x->num2, x->den2, x->n);
    return qn_bootstrap_paired(x->num, x->den, x->num2, x->den2, x->n, o->seed, draws, &c->d);
}

static const qn_hhh_cell nothing = {NAN, {NAN, NAN}, 0, NAN, {NAN, NAN}};

static int row_cell(const qn_hhh_row *row, const qn_hhh_answers *a, const qn_hhh_answers *b, const qn_eval_options *o,
                    qn_hhh_cell *c) {
    const qn_task_result *r = &a->task[row->task], *q = b ? &b->task[row->task] : NULL;
    const bool paired = q && !q->left_out && q->n == r->n;
    series x = {0};
    *c = nothing;
    if (r->left_out)
        return 0;
    QN_TRY(series_init(&x, r->n));
    for (int64_t i = 0; i < r->n; i++) {
        count_item(row, r, &r->item[i], &x.num[i], &x.den[i]);
        if (paired)
            count_item(row, q, &q->item[i], &x.num2[i], &x.den2[i]);
    }
    const int rc = cell_of(&x, paired, o, c);
    qn_free(x.num);
    return rc;
}

static int bits_cell(int kind, const qn_hhh_answers *a, const qn_hhh_answers *b, const qn_eval_options *o,
                     qn_hhh_cell *c) {
    const bool paired = b && b->documents == a->documents;
    series x = {0};
    *c = nothing;
    if (a->documents == 0)
        return 0;
    QN_TRY(series_init(&x, a->documents));
    for (int64_t i = 0; i < a->documents; i++) {
        const int64_t at = i * QN_BITS_KINDS + kind;
        x.num[i] = a->bits[at];
        x.den[i] = a->bytes[at];
        x.num2[i] = paired ? b->bits[at] : 0;
        x.den2[i] = paired ? b->bytes[at] : 0;
    }
    const int rc = cell_of(&x, paired, o, c);
    qn_free(x.num);
    return rc;
}

int qn_hhh_figures(const qn_hhh_answers *a, const qn_hhh_answers *reference, const qn_eval_options *o,
                   qn_hhh_cell cell[QN_HHH_CELLS]) {
    for (int i = 0; i < QN_HHH_CELLS; i++)
        cell[i] = nothing;
    for (int i = 0; qn_hhh_rows[i].key; i++)
        QN_TRY(row_cell(&qn_hhh_rows[i], a, reference, o, &cell[i]));
    for (int k = 0; k < QN_BITS_KINDS && qn_bits_kind_name[k]; k++)
        QN_TRY(bits_cell(k, a, reference, o, &cell[QN_HHH_ROWS + k]));
    return 0;
}

double qn_hhh_chance(const qn_hhh_sets *s, const qn_hhh_row *row) {
    return !isnan(row->chance) || !s->task[row->task] ? row->chance : qn_task_chance(s->task[row->task]);
}
