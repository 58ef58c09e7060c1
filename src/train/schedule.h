/* train/schedule.h — the learning rate of a step, a pure function: no clock, no state.
 *
 *     rate │   ╭──────╮              warm-up: linear from 0 over `warmup` steps (step 0 has 1/warmup of the peak)
 *          │  ╱        ╲             cosine, linear: from the peak down to floor·peak at the last step
 *          │ ╱          ╲___         constant: the peak to the end
 *          └─────────────────step    wsd: the peak, then over the last `decay` steps down to floor·peak (1 − √t:
 *                                    Hägele et al. 2024)
 */
#ifndef QN_TRAIN_SCHEDULE_H
#define QN_TRAIN_SCHEDULE_H

#include "base/base.h"

typedef enum { QN_LR_COSINE, QN_LR_LINEAR, QN_LR_CONSTANT, QN_LR_WSD } qn_lr_kind;
#define QN_LR_CHOICES "cosine|linear|constant|wsd"

typedef struct {
    qn_lr_kind kind;
    double peak;
    double floor;               /* share of the peak that is left at the end */
    int64_t warmup, decay;      /* steps */
    int64_t steps;              /* of the whole run */
} qn_schedule;

/* QN_EINVAL: a peak that is not finite or below 0, warm-up and decay longer than the run, a floor outside [0,1]. */
int qn_schedule_check(const qn_schedule *s);
/* Rate of step 0 ≤ step; never negative, beyond the end that of the last step. */
double qn_schedule_rate(const qn_schedule *s, int64_t step);

#endif
