/* world/ks.h — are two samples of small numbers drawn alike? The two-sample test of Kolmogorov and Smirnov.
 *
 *     D = max over x of |Fa(x) − Fb(x)|,   λ = √(na·nb / (na + nb)) · D
 *     p = 2 Σ_{k≥1} (−1)^{k−1} exp(−2 k² λ²)                 (Smirnov, "Table for estimating …", AMS 1948)
 *
 * The series is the limit for large samples; where values repeat, as token counts do, the true p is larger, so that a
 * pass is a pass. */
#ifndef QN_WORLD_KS_H
#define QN_WORLD_KS_H

#include "base/base.h"

typedef struct { double d, p; } qn_ks;
/* a[na], b[nb]: values ≥ 0, in any order; na, nb ≥ 1. QN_ENOMEM. */
int qn_ks_test(const int32_t *a, int64_t na, const int32_t *b, int64_t nb, qn_ks *out);
double qn_ks_series(double lambda);     /* p of λ ≥ 0; 1 at 0 */

#endif
