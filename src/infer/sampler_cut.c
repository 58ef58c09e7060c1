/* infer/sampler_cut.c — candidates: cut down, then drawn from.
 *
 * A cut that speaks of shares means shares of what the cuts before it left. */
#include "infer/sampler_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num/math.h"

#define LN2 0.69314718055994530942

/* The more probable first; of two alike the one with the smaller id. */
static inline bool before(const qn_candidate *x, const qn_candidate *y) {
    return x->p != y->p ? x->p > y->p : x->id < y->id;
}

static void swap(qn_candidate *a, qn_candidate *b) {
    const qn_candidate t = *a;
    *a = *b;
    *b = t;
}

/* Where the part begins that comes behind a pivot: the middle one of first, middle and last. */
static int64_t part(qn_candidate *c, int64_t n) {
    qn_candidate *a = c, *m = c + n / 2, *z = c + n - 1;
    if (before(m, a))
        swap(m, a);
    if (before(z, m))
        swap(z, m);
    if (before(m, a))
        swap(m, a);
    const qn_candidate pivot = *m;
    int64_t i = -1, k = n;
    for (;;) {
        do i++; while (before(&c[i], &pivot));
        do k--; while (before(&pivot, &c[k]));
        if (i >= k)
            return k + 1;
        swap(&c[i], &c[k]);
    }
}

/* qsort calls a function for each comparison: five times as long for some thousands. */
static void sort_by_probability(qn_candidate *c, int64_t n) {
    while (n > 16) {
        const int64_t at = part(c, n);
        if (at < n - at) {                      /* the shorter part by itself, so that the stack stays low */
            sort_by_probability(c, at);
            c += at;
            n -= at;
        } else {
            sort_by_probability(c + at, n - at);
            n = at;
        }
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = i; k > 0 && before(&c[k], &c[k - 1]); k--)
            swap(&c[k], &c[k - 1]);
}

static int by_key(const void *a, const void *b) {
    const qn_candidate *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* What is forbidden has probability 0, and is no candidate. */
static int64_t collect(qn_sampler *s, float least) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->V; i++)
        if (s->p[i] >= least && s->p[i] > 0)
            s->c[n++] = (qn_candidate){s->p[i], 0, (int32_t)i};
    return n;
}

static double mass(const qn_candidate *c, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += c[i].p;
    return sum;
}

/* ---- cuts ---- */

/* Eight steps to each power of two: the step of the least probable token that is needed for so many, or for so much of
 * the mass; its lower end. */
static float least_needed(const qn_sampler *s, int64_t count, double share) {
    enum { STEPS = 2048, STEP = 20 };           /* bits of a float below */
    double sum[STEPS] = {0};
    int64_t n[STEPS] = {0};
    uint32_t at = STEPS;
    for (int64_t i = 0; i < s->V; i++) {
        uint32_t bits;
        memcpy(&bits, &s->p[i], sizeof bits);
        if (s->p[i] > 0) {
            sum[bits >> STEP] += s->p[i];
            n[bits >> STEP]++;
        }
    }
    while (at > 0 && (count > 0 || share > 0)) {
        at--;
        count -= n[at];
        share -= sum[at];
    }
    at <<= STEP;
    float least;
    memcpy(&least, &at, sizeof least);
    return least;
}

/* top-k and top-p want the candidates sorted. Sorting a whole vocabulary costs more than a decode step of a small
 * model, so first only those within 1/1024 of the best are taken, and where these do not decide, as many as it takes.
 * What is sorted begins alike whatever comes behind. */
static int64_t sorted_candidates(qn_sampler *s, float best) {
    const double p = s->o.top_p * 1.0001;       /* sums of another order differ a little */
    int64_t n = collect(s, best / 1024);
    if (s->o.top_k > 0 ? n < s->o.top_k : mass(s->c, n) < p)            /* top-p's share is of what top-k leaves */
        n = collect(s, s->o.top_k > 0 ? least_needed(s, s->o.top_k, 0) : least_needed(s, 0, p));
    sort_by_probability(s->c, n);
    return n;
}

/* The smallest set, in the order of keys, that has at least this mass: to the front, in any order. Parts at a pivot and
 * looks into the part where the set ends. */
static int64_t lightest_keys(qn_candidate *c, int64_t n, double want) {
    int64_t from = 0, to = n;
    double before = 0;                          /* of c[0 … from) */
    while (to - from > 32) {
        int64_t end = from;
        double sum = 0;
        swap(&c[from + (to - from) / 2], &c[to - 1]);
        for (int64_t i = from; i < to - 1; i++)
            if (by_key(&c[i], &c[to - 1]) < 0) {
                sum += c[i].p;
                swap(&c[i], &c[end++]);
            }
        swap(&c[end], &c[to - 1]);              /* the pivot stands at `end` */
        if (before + sum >= want)
            to = end;
        else {
            before += sum + c[end].p;
            from = end + 1;
            if (before >= want)
                return from;
        }
    }
    qsort(c + from, (size_t)(to - from), sizeof *c, by_key);
    while (from < to && before < want)
        before += c[from++].p;
    return from;
}

/* Locally typical: the information of a token, −ln p, is near to what is expected, the entropy. */
static int64_t cut_typical(qn_sampler *s, int64_t n) {
    const double total = mass(s->c, n);
    double entropy = 0;
    for (int64_t i = 0; i < n; i++) {
        const double p = s->c[i].p / total, information = -qn_ln(p);
        entropy += p * information;
        s->c[i].key = (float)information;
    }
    for (int64_t i = 0; i < n; i++)
        s->c[i].key = fabsf(s->c[i].key - (float)entropy);
    return QN_MAX(lightest_keys(s->c, n, s->o.typical * total), 1);
}

/* The smallest prefix of the sorted candidates whose share of their own mass is at least p. */
static int64_t cut_top_p(const qn_candidate *c, int64_t n, double p, double total) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((sum += c[i].p) >= p * total)
            return i + 1;
    return n;
}

/* Exclude top choices: of those at or above the threshold only the least probable stays, now and then. */
static int64_t cut_xtc(qn_sampler *s, uint64_t number, int64_t n) {
    const qn_sampler_options *o = &s->o;
    const float least = (float)(o->xtc_threshold * mass(s->c, n));
    int64_t stays = -1, kept = 0;
    if (qn_rng_uniform(o->seed, QN_RNG_SAMPLE, number, 1) >= o->xtc_probability)
        return n;
    for (int64_t i = 0; i < n; i++)
        if (s->c[i].p >= least && (stays < 0 || before(&s->c[stays], &s->c[i])))
            stays = i;
    for (int64_t i = 0; i < n; i++)
        if (s->c[i].p < least || i == stays)
            s->c[kept++] = s->c[i];
    return kept;
}

static int64_t cut_candidates(qn_sampler *s, uint64_t number, float best) {
    const qn_sampler_options *o = &s->o;
    const bool typical = o->typical < 1, nucleus = o->top_p < 1;
    const bool sorted = o->top_k > 0 || (nucleus && !typical);
    const float least = !typical && o->min_p > 0 ? (float)(o->min_p * (double)best) : 0;
    int64_t n = sorted ? sorted_candidates(s, best) : collect(s, least);
    double total = 1;                           /* of the whole softmax */
    if (o->top_k > 0 && n > o->top_k)
        n = o->top_k;
    if (typical)
        n = cut_typical(s, n);
    if (o->top_k > 0 || typical)
        total = mass(s->c, n);
    if (typical && (nucleus || o->min_p > 0))
        sort_by_probability(s->c, n);
    if (nucleus)
        n = cut_top_p(s->c, n, o->top_p, total);
    while ((sorted || typical) && n > 1 && (double)s->c[n - 1].p < o->min_p * (double)s->c[0].p)
        n--;
    return o->xtc_probability > 0 ? cut_xtc(s, number, n) : n;
}

/* ---- Mirostat ----
 * What a token surprised by is measured under the whole distribution, as in the paper and its authors' code; llama.cpp
 * measures it among the tokens that were left. */

/* Version 1 takes the exponent of Zipf's law from the most probable tokens, and from that the number of tokens whose
 * expected surprise is mu (algorithm 1 of the paper). */
static int64_t cut_mirostat_1(qn_sampler *s) {
    enum { SEEN = 100 };
    double tb = 0, tt = 0;
    const int64_t n = collect(s, 0);
    sort_by_probability(s->c, n);
    for (int64_t i = 0; i < QN_MIN(n, SEEN) - 1; i++) {
        const double t = qn_ln((double)(i + 2) / (double)(i + 1)), b = qn_ln((double)s->c[i].p / (double)s->c[i + 1].p);
        tb += t * b;
        tt += t * t;
    }
    const double zipf = tt > 0 ? tb / tt : 0, excess = zipf - 1;
    const double k = qn_pow(excess * qn_pow(2, s->mu) / (1 - qn_pow((double)s->V, -excess)), 1 / zipf);
    return k >= 1 ? (int64_t)QN_MIN(k, (double)n) : k < 1 ? 1 : n;      /* no number: Zipf's law itself does not hold */
}

/* Version 2 takes what surprises less than mu. */
static int64_t cut_mirostat_2(qn_sampler *s, float best) {
    const double least = qn_pow(2, -s->mu);
    return collect(s, (float)QN_MIN(least, (double)best));
}

/* ---- the draw ---- */

static int64_t pick(const qn_sampler *s, uint64_t number, int64_t n, double total) {
    const double u = qn_rng_uniform(s->o.seed, QN_RNG_SAMPLE, number, 0) * total;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((sum += s->c[i].p) > u)
            return i;
    return n - 1;
}

int32_t qn_sampler_draw(qn_sampler *s, uint64_t number, float best) {
    const int version = s->o.mirostat;
    const int64_t n = version == 1 ? cut_mirostat_1(s) : version == 2 ? cut_mirostat_2(s, best)
                                                                      : cut_candidates(s, number, best);
    const double total = mass(s->c, n);
    const int64_t at = pick(s, number, n, total);
    if (version)
        s->surprise = -qn_ln((double)s->c[at].p) / LN2;
    return s->c[at].id;
}
