/* eval/stats.c — bootstrap, sign test, area under the ROC curve. */
#include "eval/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num/math.h"

/* ---- draws ---- */

/* counts[i]: how often item i is in draw number `draw`. */
static void draw_counts(uint32_t *counts, int64_t n, uint64_t seed, int64_t draw) {
    memset(counts, 0, (size_t)n * sizeof *counts);
    for (int64_t i = 0; i < n; i += 4) {
        const qn_rng_block b = qn_rng(seed, QN_RNG_SAMPLE, (uint64_t)draw, (uint64_t)i);
        for (int k = 0; k < 4 && i + k < n; k++)
            counts[((uint64_t)b.v[k] * (uint64_t)n) >> 32]++;
    }
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two values around the place, as numpy does. */
static double percentile(const double *sorted, int64_t n, double share) {
    const double at = share * (double)(n - 1);
    const int64_t i = (int64_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* What is drawn again and again: the figure with item i taken counts[i] times. NaN draws are left out. */
typedef double statistic_fn(const void *arg, const uint32_t *counts);

static int resample(statistic_fn *fn, const void *arg, int64_t n, uint64_t seed, int64_t draws, qn_interval *out) {
    uint32_t *counts = qn_alloc(QN_MEM_BASE, (size_t)QN_MAX(n, 1) * sizeof *counts);
    double *value = qn_alloc(QN_MEM_BASE, (size_t)QN_MAX(draws, 1) * sizeof *value);
    int64_t got = 0;
    *out = (qn_interval){NAN, NAN};
    for (int64_t d = 0; counts && value && n > 0 && d < draws; d++) {
        draw_counts(counts, n, seed, d);
        value[got] = fn(arg, counts);
        got += !isnan(value[got]);
    }
    if (got > 0) {
        qsort(value, (size_t)got, sizeof *value, ascending);
        *out = (qn_interval){percentile(value, got, 0.025), percentile(value, got, 0.975)};
    }
    const int rc = counts && value ? 0 : QN_ENOMEM;
    qn_free(counts);
    qn_free(value);
    return rc;
}

/* ---- ratios ---- */

typedef struct { const double *num, *den, *num2, *den2; int64_t n; } ratios;

static double ratio(const double *num, const double *den, int64_t n, const uint32_t *counts) {
    double a = 0, b = 0;
    for (int64_t i = 0; i < n; i++) {
        const double c = counts ? counts[i] : 1;
        a += c * num[i];
        b += c * den[i];
    }
    return b > 0 ? a / b : NAN;
}

static double one_ratio(const void *arg, const uint32_t *counts) {
    const ratios *r = arg;
    return ratio(r->num, r->den, r->n, counts);
}

static double difference(const void *arg, const uint32_t *counts) {
    const ratios *r = arg;
    return ratio(r->num, r->den, r->n, counts) - ratio(r->num2, r->den2, r->n, counts);
}

/* Is every item that counts the same, all 0 or all 1? Then how many there are. */
static int64_t unanimous(const double *num, const double *den, int64_t n, double *value) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (den[i] == 0)
            continue;
        if (den[i] != 1 || (num[i] != 0 && num[i] != 1) || (count > 0 && num[i] != *value))
            return 0;
        *value = num[i];
        count++;
    }
    return count;
}

int qn_bootstrap(const double *num, const double *den, int64_t n, uint64_t seed, int64_t draws, qn_interval *out) {
    const ratios r = {num, den, NULL, NULL, n};
    double value = 0;
    const int64_t same = unanimous(num, den, n, &value);
    if (same == 0)
        return resample(one_ratio, &r, n, seed, draws, out);
    const double bound = qn_pow(0.025, 1 / (double)same);
    *out = value == 1 ? (qn_interval){bound, 1} : (qn_interval){0, 1 - bound};
    return 0;
}

int qn_bootstrap_paired(const double *num, const double *den, const double *num2, const double *den2, int64_t n,
                        uint64_t seed, int64_t draws, qn_interval *out) {
    const ratios r = {num, den, num2, den2, n};
    return resample(difference, &r, n, seed, draws, out);
}

/* ---- the sign test ----   p = 2 · Σ_{k ≤ min} C(n,k) / 2ⁿ, at most 1 */

double qn_sign_test(int64_t better, int64_t worse) {
    const int64_t n = better + worse, least = QN_MIN(better, worse);
    double log_term = -(double)n * qn_ln(2), sum = 0;
    for (int64_t k = 0; k <= least; k++) {
        sum += qn_exp(log_term);
        log_term += qn_ln((double)(n - k)) - qn_ln((double)(k + 1));
    }
    return QN_MIN(1, 2 * sum);
}

/* ---- AUROC ----   items by score; pairs in order, counted with weights: O(n) a draw */

typedef struct { double score; bool positive; int64_t item; } ranked;
typedef struct { const ranked *by_score; int64_t n; } ranking;

static int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static double area(const void *arg, const uint32_t *counts) {
    const ranking *r = arg;
    double below = 0, positives = 0, area = 0;
    for (int64_t i = 0; i < r->n;) {
        double others = 0, here = 0;            /* of one score */
        const double score = r->by_score[i].score;
        for (; i < r->n && r->by_score[i].score == score; i++) {
            const double c = counts ? counts[r->by_score[i].item] : 1;
            *(r->by_score[i].positive ? &here : &others) += c;
        }
        area += here * (below + others / 2);
        below += others;
        positives += here;
    }
    return below > 0 && positives > 0 ? area / (below * positives) : NAN;
}

int qn_auroc(const double *score, const double *positive, int64_t n, uint64_t seed, int64_t draws, double *out,
             qn_interval *interval) {
    ranked *sorted = qn_alloc(QN_MEM_BASE, (size_t)QN_MAX(n, 1) * sizeof *sorted);
    if (!sorted)
        return QN_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (ranked){score[i], positive[i] > 0, i};
    if (n > 1)
        qsort(sorted, (size_t)n, sizeof *sorted, by_score);
    const ranking r = {sorted, n};
    *out = area(&r, NULL);
    const int rc = resample(area, &r, n, seed, draws, interval);
    qn_free(sorted);
    return rc;
}
