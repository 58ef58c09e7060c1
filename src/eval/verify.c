/* eval/verify.c — two models over the same tokens: rows (row_pair.c), greedy continuations, tasks. All sums are in
 * double, in the order of the tokens. */
#include "eval/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/row_pair.h"
#include "num/math.h"

enum { PROMPTS = 8, PROMPT_IDS = 16, CONTINUED = 32, SHOWN_IDS = 12 };

typedef struct {
    const qn_verify_side *a, *b;
    const qn_verify_options *o;
    qn_verify_result *r;
    qn_verify_ids ids;
    qn_row_pairs pairs;
    double *kl; size_t n_kl, kl_cap;        /* of each row of a text */
    double delta, spread, nll_a, nll_b;     /* sums */
    int64_t at_span, fed;
    int32_t next[2];                /* the likeliest of A, of B */
} verify;

static const qn_verify_span *span_of(const verify *v) { return &v->ids.span[v->at_span]; }

/* ---- sums ---- */

static int note_kl(verify *v, double kl, int64_t position) {
    QN_TRY(QN_GROW(QN_MEM_BASE, v->kl, v->kl_cap, v->n_kl + 1));
    v->kl[v->n_kl++] = kl;
    v->r->kl_mean += kl;
    if (kl > v->r->kl_worst) {
        v->r->kl_worst = kl;
        v->r->worst_sequence = v->at_span;
        v->r->worst_position = position;
    }
    return 0;
}

/* What the next token cost both. */
static void note_target(verify *v, const qn_row_pair *x, const float *a, const float *b, int64_t position) {
    const qn_verify_span *s = span_of(v);
    if (position + 1 >= s->n)
        return;
    const int32_t target = v->ids.ids.v[s->begin + position + 1];
    v->nll_a += x->lse_a - (double)a[target];
    v->nll_b += x->lse_b - (double)b[target];
    v->r->scored++;
    if (!qn_tok_is_special(v->a->tok, target))
        v->r->bytes += (int64_t)qn_tok_piece(v->a->tok, target).n;
}

static int on_rows(void *arg, int64_t position, const float *a, const float *b) {
    verify *v = arg;
    const int64_t V = v->pairs.V;
    const qn_kernels *ka = qn_session_kernels(v->a->session), *kb = qn_session_kernels(v->b->session);
    const qn_row_pair x = qn_row_pair_of(a, b, V);
    qn_verify_result *r = v->r;
    if (!x.numbers) {
        r->not_numbers++;
        return 0;
    }
    const double n = (double)V, mean = x.sum / n, variance = x.squares / n - mean * mean;
    r->rows++;
    r->same_rows += x.same;
    r->max_delta = QN_MAX(r->max_delta, x.max);
    v->delta += x.delta / n;
    v->spread += variance > 0 ? sqrt(variance) : 0;
    if (!span_of(v)->text)
        return 0;
    r->text_rows++;
    r->same_top += ka->argmax(a, V) == kb->argmax(b, V);
    note_target(v, &x, a, b, position);
    return note_kl(v, x.kl, position);
}

/* ---- both models over all tokens ---- */

static int in_side(const qn_verify_side *s, int rc) {
    return rc < 0 && rc != QN_ECANCEL && rc != QN_ENOMEM ? qn_fail_in(rc, "%s", s->name) : rc;
}

static int tell_progress(verify *v) {
    const int64_t total = (int64_t)v->ids.ids.n + (v->o->bare ? v->r->tokens : 0);
    v->fed += span_of(v)->n;
    return v->o->progress ? v->o->progress(v->o->arg, v->fed, total) : 0;
}

static int feed_all(verify *v) {
    for (v->at_span = 0; v->at_span < (int64_t)v->ids.n; v->at_span++) {
        const qn_verify_span *s = span_of(v);
        const int rc = qn_row_pairs_feed(&v->pairs, v->ids.ids.v + s->begin, s->n, 0, on_rows, v);
        QN_TRY(in_side(v->pairs.failed ? v->b : v->a, rc));
        QN_TRY(tell_progress(v));
    }
    return 0;
}

/* ---- what A's adapters do ---- */

typedef struct { qn_row_pairs pairs; double kl; int64_t rows; } yardstick;

static int on_bare_rows(void *arg, QN_UNUSED int64_t position, const float *a, const float *bare) {
    yardstick *y = arg;
    const qn_row_pair x = qn_row_pair_of(a, bare, y->pairs.V);
    y->kl += x.numbers ? x.kl : 0;
    y->rows += x.numbers;
    return 0;
}

/* Not so where an adapter brings tokens and a text has them. */
static bool bare_knows_all(const verify *v) {
    for (int64_t i = 0; i < v->r->tokens; i++)
        if (v->ids.ids.v[i] >= qn_session_vocabulary(v->o->bare->session))
            return false;
    return true;
}

/* The texts again: they stand before the ids that are drawn. */
static int measure_effect(verify *v) {
    yardstick y = {0};
    int rc;
    if (!v->o->bare || !bare_knows_all(v))
        return 0;
    QN_TRY_OUT(qn_row_pairs_init(&y.pairs, v->a->session, v->o->bare->session));
    for (v->at_span = 0; v->at_span < (int64_t)v->ids.n && span_of(v)->text; v->at_span++) {
        const qn_verify_span *s = span_of(v);
        rc = qn_row_pairs_feed(&y.pairs, v->ids.ids.v + s->begin, s->n, 0, on_bare_rows, &y);
        QN_TRY_OUT(in_side(y.pairs.failed ? v->o->bare : v->a, rc));
        QN_TRY_OUT(tell_progress(v));
    }
    v->r->effect = y.kl / (double)y.rows;
out:
    qn_row_pairs_drop(&y.pairs);
    return rc;
}

double qn_verify_kept(const qn_verify_result *r) { return r->effect > 0 ? 1 - r->kl_mean / r->effect : NAN; }

/* ---- summed up ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The text that ends with the token behind which both differ most. */
static int tell_worst(verify *v) {
    qn_verify_result *r = v->r;
    if (r->worst_sequence < 0)
        return 0;
    const qn_verify_span *s = &v->ids.span[r->worst_sequence];
    const int64_t end = r->worst_position + 1, from = QN_MAX(0, end - SHOWN_IDS);
    return qn_tok_decode(v->a->tok, v->ids.ids.v + s->begin + from, (size_t)(end - from), QN_TOK_PLAIN, &r->worst_text);
}

static int sum_up(verify *v) {
    qn_verify_result *r = v->r;
    const double rows = (double)r->rows, text = (double)r->text_rows, scored = (double)r->scored;
    r->mean_delta = v->delta / rows;
    r->spread = v->spread / rows;
    r->kl_mean /= text;
    r->top1 = (double)r->same_top / text;
    r->kl_p99 = NAN;
    if (v->n_kl > 0) {
        qsort(v->kl, v->n_kl, sizeof *v->kl, ascending);
        r->kl_p99 = v->kl[(v->n_kl * 99 + 99) / 100 - 1];
    }
    r->ppl_a = qn_exp(v->nll_a / scored);
    r->ppl_b = qn_exp(v->nll_b / scored);
    r->ppl_ratio = qn_exp((v->nll_b - v->nll_a) / scored);
    r->bits_a = v->nll_a / qn_ln(2) / (double)r->bytes;
    r->bits_b = v->nll_b / qn_ln(2) / (double)r->bytes;
    return tell_worst(v);
}

/* ---- greedy continuations ---- */

typedef struct { const verify *v; int32_t next; } likeliest;

static int take_next(void *arg, QN_UNUSED int64_t feed, QN_UNUSED int64_t i, const float *logits) {
    likeliest *l = arg;
    l->next = (int32_t)qn_session_kernels(l->v->a->session)->argmax(logits, l->v->pairs.V);
    return 0;
}

static int feed_both(verify *v, const int32_t *tokens, int64_t n) {
    const qn_feed feed = {.tokens = tokens, .n = n, .want = QN_LOGITS_LAST};
    const qn_verify_side *side[2] = {v->a, v->b};
    for (int i = 0; i < 2; i++) {
        likeliest l = {.v = v};
        QN_TRY(in_side(side[i], qn_session_feed(side[i]->session, &feed, 1, take_next, &l)));
        v->next[i] = l.next;
    }
    return 0;
}

static bool ends(const verify *v, int32_t id) {
    const qn_config *c = &qn_session_model(v->a->session)->cfg;
    for (int64_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == id)
            return true;
    return id == qn_tok_eos(v->a->tok);
}

/* How far both go the same way; *parted: they did part. */
static int continue_one(verify *v, const qn_verify_span *s, int64_t n, int64_t *shared, bool *parted) {
    qn_session_truncate(v->a->session, 0, 0);
    qn_session_truncate(v->b->session, 0, 0);
    QN_TRY(feed_both(v, v->ids.ids.v + s->begin, n));
    *shared = 0;
    *parted = false;
    while (*shared < v->r->length) {
        *parted = v->next[0] != v->next[1];
        if (*parted)
            return 0;
        ++*shared;
        if (ends(v, v->next[0]) || *shared == v->r->length)
            return 0;
        const int32_t token = v->next[0];
        QN_TRY(feed_both(v, &token, 1));
    }
    return 0;
}

/* The beginnings of the first texts are the prompts. */
static int continue_all(verify *v) {
    qn_verify_result *r = v->r;
    const int64_t context = QN_MIN(qn_session_context(v->a->session), qn_session_context(v->b->session));
    r->length = QN_MAX(1, QN_MIN(CONTINUED, context - PROMPT_IDS));
    r->shared_least = r->length;
    for (size_t i = 0; i < v->ids.n && r->prompts < PROMPTS; i++) {
        const qn_verify_span *s = &v->ids.span[i];
        int64_t shared;
        bool parted;
        if (!s->text)
            continue;
        QN_TRY(continue_one(v, s, QN_MIN(s->n, QN_MIN(PROMPT_IDS, QN_MAX(1, context - r->length))), &shared, &parted));
        r->prompts++;
        r->together += !parted;
        r->shared_mean += (double)shared;
        if (parted)
            r->shared_least = QN_MIN(r->shared_least, shared);
    }
    r->shared_mean /= (double)r->prompts;
    return 0;
}

/* ---- tasks ---- */

static int compare_tasks(verify *v, const qn_scorer *a, const qn_scorer *b) {
    const qn_eval_options o = {.limit = v->o->task_limit, .seed = v->o->seed};
    const qn_scorer *const both[2] = {a, b};
    qn_suite suite = {0};
    int rc;
    QN_TRY_OUT(qn_eval_suite(v->o->tasks, v->o->n_tasks, both, 2, &o, &suite));
    v->r->fact = qn_zalloc(QN_MEM_BASE, (size_t)v->o->n_tasks, sizeof *v->r->fact);
    rc = v->r->fact ? 0 : QN_ENOMEM;
    for (int64_t t = 0; rc >= 0 && t < v->o->n_tasks; t++) {
        const qn_task_result *x = qn_suite_at(&suite, t, 0), *y = qn_suite_at(&suite, t, 1);
        qn_verify_fact *f = &v->r->fact[v->r->facts];
        if (x->left_out || y->left_out)
            continue;
        *f = (qn_verify_fact){.name = x->task->name, .metric = x->figure[0].name, .n = x->figure[0].n,
                              .a = x->figure[0].value, .b = y->figure[0].value};
        rc = qn_compare(y, x, &o, &f->d);
        v->r->facts++;
    }
out:
    qn_suite_drop(&suite);
    return rc;
}

static int run_tasks(verify *v) {
    qn_scorer a = {0}, b = {0};
    int rc = 0;
    if (v->o->n_tasks == 0)
        return 0;
    if (!v->a->scorer)
        QN_TRY_OUT(qn_session_scorer_init(&a, "a", v->a->session, v->a->tok));
    if (!v->b->scorer)
        QN_TRY_OUT(qn_session_scorer_init(&b, "b", v->b->session, v->b->tok));
    rc = compare_tasks(v, v->a->scorer ? v->a->scorer : &a, v->b->scorer ? v->b->scorer : &b);
out:
    qn_session_scorer_drop(&a);
    qn_session_scorer_drop(&b);
    return rc;
}

/* ---- the whole ---- */

static void change_one(double *limit, double asked) { *limit = isnan(asked) ? *limit : asked; }

static void change_limits(qn_verify_limits *l, const qn_verify_limits *asked) {
    l->same_bits = l->same_bits || asked->same_bits;
    change_one(&l->delta, asked->delta);
    change_one(&l->kl, asked->kl);
    change_one(&l->top1, asked->top1);
    change_one(&l->ppl, asked->ppl);
    change_one(&l->facts, asked->facts);
    change_one(&l->kept, asked->kept);
}

static int start(verify *v) {
    const qn_model *a = qn_session_model(v->a->session), *b = qn_session_model(v->b->session);
    v->r->limits = qn_verify_limits_of(v->r->relation, qn_verify_coarsest(a), qn_verify_coarsest(b));
    if (v->o->limits)
        change_limits(&v->r->limits, v->o->limits);
    QN_TRY(qn_row_pairs_init(&v->pairs, v->a->session, v->b->session));
    v->r->V = v->pairs.V;
    return 0;
}

static int run_all(verify *v) {
    QN_TRY(qn_verify_tokenizers(v->a, v->b, v->r));
    QN_TRY(qn_verify_ids_make(&v->ids, v->a, v->b, v->o, v->r));
    QN_TRY(start(v));
    QN_TRY(feed_all(v));
    QN_TRY(measure_effect(v));
    QN_TRY(sum_up(v));
    QN_TRY(continue_all(v));
    QN_TRY(run_tasks(v));
    qn_verify_check_all(v->r);
    return 0;
}

int qn_verify_run(const qn_verify_side *a, const qn_verify_side *b, const qn_verify_options *o, qn_verify_result *r) {
    verify v = {.a = a, .b = b, .o = o, .r = r};
    const double begin = qn_now();
    *r = (qn_verify_result){.a = a->name, .b = b->name, .relation = o->relation, .worst_sequence = -1,
                            .worst_position = -1, .effect = NAN};
    const int rc = run_all(&v);
    qn_verify_ids_drop(&v.ids);
    qn_row_pairs_drop(&v.pairs);
    qn_free(v.kl);
    r->seconds = qn_now() - begin;
    return rc;
}

void qn_verify_drop(qn_verify_result *r) {
    qn_buf_drop(&r->worst_text);
    qn_free(r->fact);
    *r = (qn_verify_result){0};
}
