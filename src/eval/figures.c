/* eval/figures.c — figures out of item results: a table per kind of task says what each item counts for each figure. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/result.h"
#include "num/math.h"

/* num and den of one item; false: it does not count. */
typedef bool series_fn(const qn_item_result *i, double *num, double *den);
typedef struct { const char *name; series_fn *fn; bool exp; } series;      /* exp: the figure is e to the ratio */

static bool share(bool right, double *num, double *den) {
    *num = right;
    *den = 1;
    return true;
}

int64_t qn_choice_bytes(qn_str choice) {
    const size_t blank = choice.n > 0 && choice.s[0] == ' ';
    return QN_MAX(1, (int64_t)(choice.n - blank));
}

/* ---- choice, pair ---- */

static bool acc(const qn_item_result *i, double *num, double *den) {
    return share(i->pick == i->item->answer, num, den);
}
static bool acc_norm(const qn_item_result *i, double *num, double *den) {
    return share(i->pick_norm == i->item->answer, num, den);
}
static bool greedy(const qn_item_result *i, double *num, double *den) { return share(i->greedy, num, den); }

/* ---- generate ---- */

static bool right(const qn_item_result *i, double *num, double *den) { return share(i->verdict.right, num, den); }
static bool flexible(const qn_item_result *i, double *num, double *den) {
    return share(i->verdict.flexible, num, den);
}
static bool correct_known(const qn_item_result *i, double *num, double *den) {
    return i->item->known == 1 && share(i->verdict.right && !i->verdict.abstained, num, den);
}
static bool wrong_known(const qn_item_result *i, double *num, double *den) {
    return i->item->known == 1 && share(!i->verdict.right && !i->verdict.abstained, num, den);
}
static bool abstained_known(const qn_item_result *i, double *num, double *den) {
    return i->item->known == 1 && share(i->verdict.abstained, num, den);
}
static bool abstained_unknown(const qn_item_result *i, double *num, double *den) {
    return i->item->known == 0 && share(i->verdict.abstained, num, den);
}
static bool wrong_unknown(const qn_item_result *i, double *num, double *den) {
    return i->item->known == 0 && share(!i->verdict.abstained, num, den);
}
static bool refusal(const qn_item_result *i, double *num, double *den) {
    return i->item->refuse && share(i->verdict.refused, num, den);
}
static bool over_refusal(const qn_item_result *i, double *num, double *den) {
    return !i->item->refuse && share(i->verdict.refused, num, den);
}

/* ---- text ---- */

static bool bits(const qn_item_result *i, double *num, double *den) {
    *num = i->nats / 0x1.62e42fefa39efp-1;          /* ln 2 */
    *den = (double)i->item->context.n;
    return true;
}
static bool token_ppl(const qn_item_result *i, double *num, double *den) {
    *num = i->nats;
    *den = (double)i->tokens;
    return true;
}
static bool word_ppl(const qn_item_result *i, double *num, double *den) {
    const qn_str s = i->item->context;
    int64_t words = 0;
    for (size_t k = 0; k < s.n; k++) {
        const bool space = s.s[k] == ' ' || (s.s[k] >= '\t' && s.s[k] <= '\r');
        words += !space && (k == 0 || s.s[k - 1] == ' ' || (s.s[k - 1] >= '\t' && s.s[k - 1] <= '\r'));
    }
    *num = i->nats;
    *den = (double)words;
    return true;
}

/* ---- which figures a task has ---- */

static const series choice_series[] = {{"acc", acc, false}, {"acc_norm", acc_norm, false}, {"greedy", greedy, false},
                                       {NULL, NULL, false}};
static const series pair_series[] = {{"acc", acc, false}, {NULL, NULL, false}};
static const series answer_series[] = {{"acc", right, false}, {NULL, NULL, false}};
static const series gsm8k_series[] = {{"strict", right, false}, {"flexible", flexible, false}, {NULL, NULL, false}};
static const series abstain_series[] = {
    {"acc", right, false}, {"correct_known", correct_known, false}, {"wrong_known", wrong_known, false},
    {"abstained_known", abstained_known, false}, {"abstained_unknown", abstained_unknown, false},
    {"wrong_unknown", wrong_unknown, false}, {NULL, NULL, false}};
static const series refuse_series[] = {
    {"acc", right, false}, {"refusal", refusal, false}, {"over_refusal", over_refusal, false}, {NULL, NULL, false}};
static const series text_series[] = {
    {"bits_per_byte", bits, false}, {"token_ppl", token_ppl, true}, {"word_ppl", word_ppl, true}, {NULL, NULL, false}};

static const series *series_for(qn_task_kind kind, qn_judge judge) {
    switch (kind) {
    case QN_TASK_CHOICE:
        return choice_series;
    case QN_TASK_PAIR:
        return pair_series;
    case QN_TASK_TEXT:
        return text_series;
    case QN_TASK_GENERATE:
        break;
    }
    return judge == QN_JUDGE_ABSTAIN ? abstain_series : judge == QN_JUDGE_REFUSE ? refuse_series
           : judge == QN_JUDGE_GSM8K ? gsm8k_series : answer_series;
}

static const series *series_of(const qn_task *t) {
    return series_for(t->kind, t->n > 0 ? t->item[0].judge : QN_JUDGE_EXACT);
}

bool qn_task_has_metric(qn_task_kind kind, qn_judge judge, qn_str metric, qn_buf *all) {
    const series *s = series_for(kind, judge);
    bool has = false;
    for (int i = 0; s[i].name; i++) {
        has = has || qn_str_is(metric, s[i].name);
        if (all && qn_buf_printf(all, "%s%s", i ? ", " : "", s[i].name) < 0)
            break;
    }
    return has;
}

/* The series that stands for the task: the one its head names, else the first. */
static int main_of(const qn_task *t, const series *s) {
    for (int i = 0; s[i].name; i++)
        if (qn_str_is(t->metric, s[i].name))
            return i;
    return 0;
}

bool qn_item_series(const qn_task_result *r, const char *figure, const qn_item_result *i, double *num, double *den) {
    *num = *den = 0;
    for (const series *s = series_of(r->task); s->name; s++)
        if (strcmp(s->name, figure) == 0)
            return s->fn(i, num, den);
    return false;
}

void qn_main_series(const qn_task_result *r, const qn_item_result *i, double *num, double *den) {
    const series *s = series_of(r->task);
    *num = *den = 0;
    if (!s[main_of(r->task, s)].fn(i, num, den))
        *num = *den = 0;
}

bool qn_lower_is_better(const qn_task_result *r) { return r->task->kind == QN_TASK_TEXT; }

/* ---- one figure ---- */

typedef struct { double *num, *den; int64_t n; } columns;

static int figure_of(const series *s, const columns *c, const qn_eval_options *o, qn_figure *f) {
    double num = 0, den = 0;
    *f = (qn_figure){.name = s->name};
    for (int64_t i = 0; i < c->n; i++) {
        num += c->num[i];
        den += c->den[i];
        f->n += c->den[i] > 0;
    }
    f->value = den > 0 ? num / den : NAN;
    QN_TRY(qn_bootstrap(c->num, c->den, c->n, o->seed, o->draws > 0 ? o->draws : QN_BOOTSTRAP_DRAWS, &f->in));
    if (s->exp) {
        f->value = qn_exp(f->value);
        f->in = (qn_interval){qn_exp(f->in.lo), qn_exp(f->in.hi)};
    }
    return 0;
}

static int add_figure(qn_task_result *r, const series *s, columns *c, const qn_eval_options *o) {
    for (c->n = 0; c->n < r->n; c->n++) {
        c->num[c->n] = c->den[c->n] = 0;
        if (!s->fn(&r->item[c->n], &c->num[c->n], &c->den[c->n]))
            c->num[c->n] = c->den[c->n] = 0;
    }
    return figure_of(s, c, o, &r->figure[r->figures++]);
}

/* ---- how well confidence tells what is known, what is right ---- */

static int add_auroc(qn_task_result *r, const char *name, bool by_known, columns *c, const qn_eval_options *o) {
    qn_figure f = {.name = name};
    for (int64_t i = 0; i < r->n; i++) {
        const qn_item_result *x = &r->item[i];
        if (by_known && x->item->known < 0)
            continue;
        c->num[f.n] = x->confidence;
        c->den[f.n++] = by_known ? x->item->known == 1 : x->verdict.right;
    }
    QN_TRY(qn_auroc(c->num, c->den, f.n, o->seed, o->draws > 0 ? o->draws : QN_BOOTSTRAP_DRAWS, &f.value, &f.in));
    r->figure[r->figures++] = f;
    return 0;
}

/* ---- groups ---- */

static bool has_group(const qn_task_item *i, qn_str key, qn_str value) {
    for (int64_t g = 0; g < i->groups; g++)
        if (qn_str_eq(i->group[g].key, key) && qn_str_eq(i->group[g].value, value))
            return true;
    return false;
}

static bool group_known(const qn_task_result *r, qn_str key, qn_str value) {
    for (size_t g = 0; g < r->groups; g++)
        if (qn_str_eq(r->group[g].key, key) && qn_str_eq(r->group[g].value, value))
            return true;
    return false;
}

/* Numbers by their size (distance 32, 64, 128), and before words. */
static int by_number(qn_str x, qn_str y) {
    double p = 0, q = 0;
    const bool number = qn_parse_f64(x, &p), other = qn_parse_f64(y, &q);
    if (!number || !other)
        return other - number;
    return (p > q) - (p < q);
}

static int by_key(const void *a, const void *b) {
    const qn_group_figure *x = a, *y = b;
    const int order = qn_str_eq(x->key, y->key) ? by_number(x->value, y->value) : 0;
    if (order != 0)
        return order;
    const qn_str pairs[2][2] = {{x->key, y->key}, {x->value, y->value}};
    for (int i = 0; i < 2; i++) {
        const qn_str p = pairs[i][0], q = pairs[i][1];
        const int d = memcmp(p.s, q.s, QN_MIN(p.n, q.n));
        if (d != 0 || p.n != q.n)
            return d != 0 ? d : p.n < q.n ? -1 : 1;
    }
    return 0;
}

static int add_groups(qn_task_result *r, columns *c, const qn_eval_options *o) {
    const series *s = series_of(r->task);
    const series *first = &s[main_of(r->task, s)];
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t g = 0; g < r->item[i].item->groups; g++) {
            const qn_task_group *x = &r->item[i].item->group[g];
            if (group_known(r, x->key, x->value))
                continue;
            QN_TRY(QN_GROW(QN_MEM_BASE, r->group, r->group_cap, r->groups + 1));
            r->group[r->groups++] = (qn_group_figure){.key = x->key, .value = x->value};
        }
    if (r->groups > 1)
        qsort(r->group, r->groups, sizeof *r->group, by_key);
    for (size_t g = 0; g < r->groups; g++) {
        c->n = 0;
        for (int64_t i = 0; i < r->n; i++)
            if (has_group(r->item[i].item, r->group[g].key, r->group[g].value)) {
                qn_main_series(r, &r->item[i], &c->num[c->n], &c->den[c->n]);
                c->n++;
            }
        QN_TRY(figure_of(first, c, o, &r->group[g].figure));
    }
    return 0;
}

/* ---- all of them ---- */

static int add_all(qn_task_result *r, columns *c, const qn_eval_options *o) {
    const series *s = series_of(r->task);
    const int first = main_of(r->task, s);
    QN_TRY(add_figure(r, &s[first], c, o));
    for (int i = 0; s[i].name; i++)
        if (i != first)
            QN_TRY(add_figure(r, &s[i], c, o));
    if (s == abstain_series) {
        QN_TRY(add_auroc(r, "auroc_known", true, c, o));
        QN_TRY(add_auroc(r, "auroc_right", false, c, o));
    }
    return add_groups(r, c, o);
}

int qn_task_figures(qn_task_result *r, const qn_eval_options *o) {
    const size_t bytes = (size_t)QN_MAX(r->n, 1) * sizeof(double);
    columns c = {qn_alloc(QN_MEM_BASE, bytes), qn_alloc(QN_MEM_BASE, bytes), 0};
    const int rc = c.num && c.den ? add_all(r, &c, o) : QN_ENOMEM;
    qn_free(c.num);
    qn_free(c.den);
    return rc;
}

/* ---- two models ---- */

static int compare(const qn_task_result *a, const qn_task_result *b, const qn_eval_options *o, double *v[4],
                   qn_comparison *out) {
    const double sign = qn_lower_is_better(a) ? -1 : 1;
    for (int64_t i = 0; i < a->n; i++) {
        qn_main_series(a, &a->item[i], &v[0][i], &v[1][i]);
        qn_main_series(b, &b->item[i], &v[2][i], &v[3][i]);
        const double d = sign * (v[0][i] - v[2][i]);
        out->better += d > 0;
        out->worse += d < 0;
    }
    out->difference = a->figure[0].value - b->figure[0].value;
    out->p = qn_sign_test(out->better, out->worse);
    return qn_bootstrap_paired(v[0], v[1], v[2], v[3], a->n, o->seed, o->draws > 0 ? o->draws : QN_BOOTSTRAP_DRAWS,
                               &out->in);
}

int qn_compare(const qn_task_result *a, const qn_task_result *b, const qn_eval_options *o, qn_comparison *out) {
    double *v[4];
    bool all = true;
    *out = (qn_comparison){0};
    if (a->task != b->task || a->n != b->n || a->left_out || b->left_out)
        return qn_fail(QN_EINVAL, "only results of one task and the same items can be compared");
    for (int i = 0; i < 4; i++) {
        v[i] = qn_zalloc(QN_MEM_BASE, (size_t)QN_MAX(a->n, 1), sizeof *v[i]);
        all = all && v[i];
    }
    const int rc = all ? compare(a, b, o, v, out) : QN_ENOMEM;
    for (int i = 0; i < 4; i++)
        qn_free(v[i]);
    return rc;
}
