/* eval/stats.h — how sure a figure is: intervals by resampling items, tests of pairs.
 *
 * A figure is a ratio Σ num / Σ den over items: accuracy has den 1 everywhere, bits per byte the bytes of each text.
 * Sources: Efron 1979 (bootstrap, percentile intervals), McNemar 1947 in its exact form, Hanley and McNeil 1982 (AUROC
 * as the chance of a pair in order). */
#ifndef QN_EVAL_STATS_H
#define QN_EVAL_STATS_H

#include "base/base.h"

#define QN_BOOTSTRAP_DRAWS 1000

typedef struct { double lo, hi; } qn_interval;

/* 95 % of the draws lie between lo and hi: each draw takes n items with replacement. The draws depend on the seed and n
 * only, so two series over the same items are drawn alike. A share that is 0 or 1 (den 1, num all 0 or all 1) would
 * give no width at all; there the exact bound of the binomial stands on the open side: 1 − 0.025^(1/n), or
 * 0.025^(1/n). NaN both where Σ den is 0. QN_ENOMEM. */
int qn_bootstrap(const double *num, const double *den, int64_t n, uint64_t seed, int64_t draws, qn_interval *out);
/* The same of the difference Σ num / Σ den − Σ num2 / Σ den2, the same items drawn for both; no exact bounds. */
int qn_bootstrap_paired(const double *num, const double *den, const double *num2, const double *den2, int64_t n,
                        uint64_t seed, int64_t draws, qn_interval *out);

/* Two-sided sign test: `better` and `worse` of better + worse fair coins. 1 where nothing differs. */
double qn_sign_test(int64_t better, int64_t worse);

/* The chance that one of the positives has a higher score than one of the others, ties half; NaN where there are only
 * one kind. positive[i] > 0 counts as positive. */
int qn_auroc(const double *score, const double *positive, int64_t n, uint64_t seed, int64_t draws, double *out,
             qn_interval *interval);

#endif
