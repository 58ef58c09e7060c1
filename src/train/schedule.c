/* train/schedule.c — the learning rate of a step: warm-up, plateau, the way down. */
#include "train/schedule.h"

#include "num/math.h"

#include <math.h>

#define PI 3.14159265358979323846

static bool names_a_kind(const qn_schedule *s) { return s->kind >= QN_LR_COSINE && s->kind <= QN_LR_WSD; }

int qn_schedule_check(const qn_schedule *s) {
    const int64_t decay = s->kind == QN_LR_WSD ? s->decay : 0;
    if (!names_a_kind(s))
        return qn_fail(QN_EINVAL, "schedule: the kind must be one of " QN_LR_CHOICES);
    if (!isfinite(s->peak) || s->peak < 0)
        return qn_fail(QN_EINVAL, "schedule: the peak learning rate is %g; it must be a number from 0 up", s->peak);
    if (!(s->floor >= 0 && s->floor <= 1))
        return qn_fail(QN_EINVAL, "schedule: the floor is %g; it is a share of the peak, from 0 to 1", s->floor);
    if (s->steps < 1)
        return qn_fail(QN_EINVAL, "schedule: the run has %lld steps; it needs at least one", (long long)s->steps);
    if (s->warmup < 0 || s->decay < 0)
        return qn_fail(QN_EINVAL, "schedule: warm-up of %lld steps, decay of %lld; neither may be negative",
                       (long long)s->warmup, (long long)s->decay);
    if (s->warmup > s->steps || decay > s->steps - s->warmup)
        return qn_fail(QN_EINVAL, "schedule: %lld steps of warm-up and %lld of decay are longer than the run of %lld; "
                       "shorten them or train longer", (long long)s->warmup, (long long)decay, (long long)s->steps);
    return 0;
}

/* How much of the way from the peak to the floor is left at t of it, 0 ≤ t ≤ 1: from 1 to 0. */
static double left_at(qn_lr_kind kind, double t) {
    switch (kind) {
    case QN_LR_COSINE: return 0.5 * (1 + qn_cos(PI * t));
    case QN_LR_LINEAR: return 1 - t;
    case QN_LR_WSD: return 1 - sqrt(t);
    default: return 1;                                  /* QN_LR_CONSTANT */
    }
}

/* The last step of the run stands at the floor exactly, the last one of warm-up at the peak. */
double qn_schedule_rate(const qn_schedule *s, int64_t step) {
    const int64_t last = s->steps - 1, at = QN_MIN(QN_MAX(step, 0), last);
    const int64_t top = s->warmup > 0 ? s->warmup - 1 : 0;      /* the last step before the way down may begin */
    const int64_t from = s->kind == QN_LR_WSD ? QN_MAX(last - s->decay, top) : top;
    if (at < top)
        return s->peak * (double)(at + 1) / (double)s->warmup;
    if (at <= from)
        return s->peak;
    const double left = left_at(s->kind, (double)(at - from) / (double)(last - from));
    return s->peak * (s->floor + (1 - s->floor) * left);
}
