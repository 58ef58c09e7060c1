/* world/ks.c — the Kolmogorov–Smirnov test over small whole numbers: two histograms, walked side by side. */
#include "world/ks.h"

#include "num/math.h"

#include <math.h>

double qn_ks_series(double lambda) {
    /* Below 0.2 the value is 1 to all digits, and the series would need hundreds of terms to say so. */
    if (lambda < 0.2)
        return 1.0;
    double sum = 0, sign = 1;
    for (int k = 1; k <= 100; k++, sign = -sign) {
        double term = qn_exp(-2.0 * k * k * lambda * lambda);
        sum += sign * term;
        if (term < 1e-17)
            break;
    }
    return QN_MAX(0.0, QN_MIN(1.0, 2 * sum));
}

static int32_t greatest(const int32_t *v, int64_t n, int32_t so_far) {
    for (int64_t i = 0; i < n; i++)
        so_far = QN_MAX(so_far, v[i]);
    return so_far;
}

int qn_ks_test(const int32_t *a, int64_t na, const int32_t *b, int64_t nb, qn_ks *out) {
    qn_assert(na > 0 && nb > 0);
    int32_t top = greatest(b, nb, greatest(a, na, 0));
    int64_t *count = qn_zalloc(QN_MEM_SCRATCH, 2 * ((size_t)top + 1), sizeof *count);
    if (!count)
        return QN_ENOMEM;
    for (int64_t i = 0; i < na; i++)
        count[2 * a[i]]++;
    for (int64_t i = 0; i < nb; i++)
        count[2 * b[i] + 1]++;
    double d = 0;
    int64_t below_a = 0, below_b = 0;
    for (int32_t x = 0; x <= top; x++) {
        below_a += count[2 * x];
        below_b += count[2 * x + 1];
        d = QN_MAX(d, fabs((double)below_a / (double)na - (double)below_b / (double)nb));
    }
    qn_free(count);
    double n = (double)na * (double)nb / ((double)na + (double)nb);
    *out = (qn_ks){d, qn_ks_series(sqrt(n) * d)};
    return 0;
}
