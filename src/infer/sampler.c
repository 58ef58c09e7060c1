/* infer/sampler.c — penalties on a copy, probabilities by the level's softmax, candidates cut down, one draw. */
#include "infer/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Colder than this is greedy: dividing by it could overflow, and no second token would have a chance. */
#define COLDEST 1e-5

typedef struct { float p; int32_t id; } candidate;

struct qn_sampler {
    const qn_kernels *k;
    int64_t V;
    qn_sampler_options o;
    uint64_t drawn;                 /* answers' tokens so far: the counter of the draws */
    float *p;                       /* [V] logits with penalties, then probabilities */
    candidate *c;                   /* [V] */
    int32_t *seen;                  /* tokens of prompt and answer */
    size_t n_seen, cap_seen;
    int32_t *count;                 /* [V] occurrences inside the penalty window; kept as the window moves */
    size_t window_from;             /* seen[window_from … n_seen) is counted */
};

qn_sampler_options qn_sampler_options_default(void) {
    return (qn_sampler_options){.top_p = 1, .repetition_penalty = 1, .penalty_last = 64};
}

int qn_sampler_options_check(const qn_sampler_options *o) {
    const struct { const char *name; double v, lo, hi; } range[] = {
        {"temperature", o->temperature, 0, 100}, {"top-k", (double)o->top_k, 0, 1e9}, {"top-p", o->top_p, 0,
                                                                                       1}, {"min-p", o->min_p, 0, 1},
        {"repetition penalty", o->repetition_penalty, 0.01, 100}, {"frequency penalty", o->frequency_penalty, -100,
                                                                   100},
        {"presence penalty", o->presence_penalty, -100, 100}, {"penalty window", (double)o->penalty_last, -1, 1e9},
    };
    for (size_t i = 0; i < QN_LEN(range); i++)
        if (!(range[i].v >= range[i].lo && range[i].v <= range[i].hi))
            return qn_fail(QN_EINVAL, "%s is %g; expected %g to %g", range[i].name, range[i].v, range[i].lo,
                           range[i].hi);
    return 0;
}

int qn_sampler_new(qn_sampler **out, const qn_kernels *k, int64_t V, const qn_sampler_options *o) {
    *out = NULL;
    QN_TRY(qn_sampler_options_check(o));
    qn_sampler *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->k = k;
    s->V = V;
    s->o = *o;
    s->p = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *s->p);
    s->c = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *s->c);
    s->count = qn_zalloc(QN_MEM_SESSION, (size_t)V, sizeof *s->count);
    if (!s->p || !s->c || !s->count || QN_GROW(QN_MEM_SESSION, s->seen, s->cap_seen, 4096) < 0) {
        qn_sampler_free(s);
        return QN_ENOMEM;
    }
    *out = s;
    return 0;
}

void qn_sampler_free(qn_sampler *s) {
    if (!s)
        return;
    qn_free(s->p);
    qn_free(s->c);
    qn_free(s->count);
    qn_free(s->seen);
    qn_free(s);
}

void qn_sampler_reset(qn_sampler *s) {
    memset(s->count, 0, (size_t)s->V * sizeof *s->count);
    s->n_seen = s->window_from = 0;
    s->drawn = 0;
}

int qn_sampler_accept(qn_sampler *s, int32_t id) {
    qn_assert(id >= 0 && id < s->V);
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->seen, s->cap_seen, s->n_seen + 1));
    s->seen[s->n_seen++] = id;
    s->count[id]++;
    while (s->o.penalty_last >= 0 && s->n_seen - s->window_from > (size_t)s->o.penalty_last)
        s->count[s->seen[s->window_from++]]--;
    return 0;
}

/* ---- penalties and temperature ---- */

static float penalised(const qn_sampler_options *o, float logit, int32_t count) {
    const double repeated = logit > 0 ? logit / o->repetition_penalty : logit * o->repetition_penalty;
    return (float)(repeated - o->frequency_penalty * count - o->presence_penalty);
}

/* A token that occurs several times in the window is met several times: the copy is written from the original each
 * time. */
static void penalise(qn_sampler *s, const float *logits) {
    const qn_sampler_options *o = &s->o;
    memcpy(s->p, logits, (size_t)s->V * sizeof *s->p);
    if (o->repetition_penalty == 1 && o->frequency_penalty == 0 && o->presence_penalty == 0)
        return;
    for (size_t i = s->window_from; i < s->n_seen; i++)
        s->p[s->seen[i]] = penalised(o, logits[s->seen[i]], s->count[s->seen[i]]);
}

/* ---- candidates ---- */

static int by_probability(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static int64_t collect(qn_sampler *s, float least) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->V; i++)
        if (s->p[i] >= least)
            s->c[n++] = (candidate){s->p[i], (int32_t)i};
    return n;
}

static double mass(const candidate *c, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += c[i].p;
    return sum;
}

/* top-k and top-p want the candidates sorted. Sorting a whole vocabulary costs more than a decode step of a small
 * model, so first only those within 1/1024 of the best are taken, and all only where these do not decide. */
static int64_t sorted_candidates(qn_sampler *s, float best) {
    const double p = s->o.top_p;
    int64_t n = collect(s, best / 1024);
    if (s->o.top_k > 0 ? n < s->o.top_k : mass(s->c, n) < p * 1.0001)   /* top-p's share is of what top-k leaves */
        n = collect(s, 0);
    qsort(s->c, (size_t)n, sizeof *s->c, by_probability);
    return n;
}

/* The smallest prefix of the sorted candidates whose share of their own mass is at least p. */
static int64_t cut_top_p(const candidate *c, int64_t n, double p, double total) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((sum += c[i].p) >= p * total)
            return i + 1;
    return n;
}

static int64_t cut_candidates(qn_sampler *s, float best) {
    const qn_sampler_options *o = &s->o;
    const bool sorted = o->top_k > 0 || o->top_p < 1;
    int64_t n = sorted ? sorted_candidates(s, best) : collect(s, o->min_p > 0 ? (float)(o->min_p * (double)best) : 0);
    double total = 1;                           /* of the whole softmax */
    if (o->top_k > 0 && n > o->top_k)
        n = o->top_k;
    if (o->top_k > 0)
        total = mass(s->c, n);
    if (o->top_p < 1)
        n = cut_top_p(s->c, n, o->top_p, total);
    while (sorted && n > 1 && (double)s->c[n - 1].p < o->min_p * (double)best)
        n--;
    return n;
}

static int32_t draw(qn_sampler *s, uint64_t number, int64_t n) {
    const double u = qn_rng_uniform(s->o.seed, QN_RNG_SAMPLE, number, 0) * mass(s->c, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((sum += s->c[i].p) > u)
            return s->c[i].id;
    return s->c[n - 1].id;
}

int qn_sampler_guess(qn_sampler *s, const float *logits, int64_t ahead, int32_t *id) {
    penalise(s, logits);
    const int64_t best = s->k->argmax(s->p, s->V);
    const bool finite = isfinite(s->p[best]), drawn = s->o.temperature >= COLDEST;
    if (finite && drawn) {
        s->k->scale(s->p, s->p, 1 / s->o.temperature, s->V);
        s->k->softmax(s->p, s->p, s->V);
    }
    if (!finite || isnan(s->p[best]))                   /* one NaN makes every probability one */
        return qn_fail(QN_EFORMAT, "the logits are no numbers: the weights are damaged, or the arithmetic overflowed");
    *id = drawn ? draw(s, s->drawn + (uint64_t)ahead, cut_candidates(s, s->p[best])) : (int32_t)best;
    return 0;
}

int qn_sampler_next(qn_sampler *s, const float *logits, int32_t *id) {
    QN_TRY(qn_sampler_guess(s, logits, 0, id));
    s->drawn++;
    return 0;
}

/* ---- log-probabilities ---- */

float qn_logprob_of(const qn_kernels *k, const float *logits, int64_t V, int32_t id) {
    return (float)((double)logits[id] - k->logsumexp(logits, V));
}

void qn_logprobs_top(const qn_kernels *k, const float *logits, int64_t V, qn_logprob *out, int64_t n) {
    const double norm = k->logsumexp(logits, V);
    int64_t have = 0;
    for (int64_t i = 0; i < V; i++) {
        const float lp = (float)((double)logits[i] - norm);
        if (have == n && !(lp > out[n - 1].logprob))
            continue;
        int64_t at = have < n ? have++ : n - 1;
        for (; at > 0 && out[at - 1].logprob < lp; at--)
            out[at] = out[at - 1];
        out[at] = (qn_logprob){(int32_t)i, lp};
    }
}
