/* cli/demo_plan.c — the demo's ladder: one row for each time and level. To tune the demo is to edit this table.
 *
 * A row holds from its level upwards, until another one of the same time does. Steps are fixed, so that a demo has the
 * same bits on every machine of a level; the time is what two cores of today take. */
#include "cli/demo.h"

#include <math.h>

#define TINY "--dim 32 --layers 2 --heads 2 --ff 96 --context 64"
#define NARROW "--dim 96 --layers 3 --heads 4 --ff 256 --context 256"
#define SMALL "--dim 128 --layers 3 --heads 4 --ff 352 --context 256"
#define MIDDLE "--dim 256 --layers 6 --heads 8 --ff 704 --context 256"
#define MUON "--optimizer muon --lr 0.006"
#define MUON_9 "--optimizer muon --lr 0.009"     /* for steps of 2048 tokens and more */

/* Examples and preferences, and as many rows of the text in between, so that less of it is forgotten. Small steps: with
 * 2 rows instead of 8, and the same tokens, more is learned and less forgotten (docs/LOG.md). */
#define TUNE "--epochs 8 --batch 2 --replay-rows 2 --optimizer muon --lr 0.0012"
#define ALIGN "--epochs 1 --batch 2 --replay-rows 2 --optimizer muon --lr 0.0003 --rpo-alpha 1"
#define TUNE_SHORT "--epochs 2 --batch 2 --replay-rows 2 --optimizer muon --lr 0.0012"
#define TUNE_LITTLE "--steps 12 --batch 4 --replay-rows 2 --optimizer muon --lr 0.003"
#define ALIGN_LITTLE "--steps 6 --batch 2 --replay-rows 1 --optimizer muon --lr 0.001"

static const qn_demo_plan plans[] = {
    /* time  from level          world    vocab  shape  batch steps optimizer, items of a task (0: all), tuning */
    {"5s",  QN_ISA_SCALAR,       "small",   512,   TINY,    4,   40,    MUON, 24, TUNE_LITTLE, ALIGN_LITTLE},
    {"1m",  QN_ISA_SCALAR,       "small",   1024,  TINY,    16,  200,   MUON, 100, TUNE_SHORT, ALIGN},
    {"1m",  QN_ISA_AVX2,         "small",   2048,  NARROW,  8,   400,   MUON_9, 100, TUNE_SHORT, ALIGN},
    {"1m",  QN_ISA_AVX512,       "small",   2048,  NARROW,  8,   700,   MUON_9, 100, TUNE_SHORT, ALIGN},
    {"3m",  QN_ISA_SCALAR,       "small",   1024,  TINY,    16,  800,   MUON, 0, TUNE, ALIGN},
    {"3m",  QN_ISA_AVX2,         "small",   2048,  NARROW,  8,   2600,  MUON_9, 0, TUNE, ALIGN},
    {"3m",  QN_ISA_AVX512,       "small",   2048,  SMALL,   8,   2400,  MUON_9, 0, TUNE, ALIGN},
    {"3m",  QN_ISA_AVX512BF16,   "small",   2048,  SMALL,   8,   3600,  MUON_9, 0, TUNE, ALIGN},
    {"10m", QN_ISA_SCALAR,       "small",   2048,  NARROW,  8,   500,   MUON_9, 0, TUNE, ALIGN},
    {"10m", QN_ISA_AVX2,         "small",   2048,  SMALL,   8,   4000,  MUON_9, 0, TUNE, ALIGN},
    {"10m", QN_ISA_AVX512,       "small",   2048,  SMALL,   8,   9000,  MUON_9, 0, TUNE, ALIGN},
    {"1h",  QN_ISA_SCALAR,       "small",   2048,  SMALL,   8,   3200,  MUON_9, 0, TUNE, ALIGN},
    {"1h",  QN_ISA_AVX2,         "medium",  2048,  MIDDLE,  16,  2400,  MUON, 0, TUNE, ALIGN},
    {"1h",  QN_ISA_AVX512,       "medium",  2048,  MIDDLE,  16,  4800,  MUON, 0, TUNE, ALIGN},
};

double qn_demo_plan_seconds(const qn_demo_plan *p) {
    double number = 0;
    const char *at = p->time;
    for (; *at >= '0' && *at <= '9'; at++)
        number = 10 * number + (*at - '0');
    return number * (*at == 'h' ? 3600 : *at == 'm' ? 60 : 1);
}

/* How many times longer or shorter. */
static double distance(const qn_demo_plan *p, double seconds) {
    const double there = qn_demo_plan_seconds(p);
    return there > seconds ? there / seconds : seconds / there;
}

const qn_demo_plan *qn_demo_plan_for(double seconds, qn_isa isa) {
    const qn_demo_plan *best = NULL;
    for (size_t i = 0; i < QN_LEN(plans); i++) {
        const qn_demo_plan *p = &plans[i];
        if (p->isa > isa)
            continue;
        const double before = best ? distance(best, seconds) : INFINITY, now = distance(p, seconds);
        if (now < before || (now <= before && p->isa > best->isa))
            best = p;
    }
    return best;
}

int qn_demo_plan_ladder(qn_buf *out) {
    for (size_t i = 0; i < QN_LEN(plans); i++)
        if (i == 0 || qn_demo_plan_seconds(&plans[i]) > qn_demo_plan_seconds(&plans[i - 1]))
            QN_TRY(qn_buf_printf(out, "%s%s", i ? ", " : "", plans[i].time));
    return 0;
}
