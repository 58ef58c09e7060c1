/* cli/demo_plan.c — the demo's ladder: one row for each time and level. To tune the demo is to edit this table.
 *
 * A row holds from its level upwards, until another one of the same time does. Steps are fixed, so that a demo has the
 * same bits on every machine of a level; the time is what two cores of today take. */
#include "cli/demo.h"

#include <math.h>

#define TINY "--dim 32 --layers 2 --heads 2 --ff 96 --context 64"
#define SMALL "--dim 128 --layers 4 --heads 4 --ff 352 --context 256"
#define MIDDLE "--dim 256 --layers 6 --heads 8 --ff 704 --context 256"

static const qn_demo_plan plans[] = {
    /* time  from level           world     vocabulary  shape   run */
    {"5s",   QN_ISA_SCALAR,       "small",  512,        TINY,   "--batch 4 --steps 40 --optimizer muon --lr 0.02"},
    {"1m",   QN_ISA_SCALAR,       "small",  1024,       TINY,   "--batch 16 --steps 200 --optimizer muon --lr 0.02"},
    {"1m",   QN_ISA_AVX2,         "small",  1024,       SMALL,  "--batch 8 --steps 200 --optimizer muon --lr 0.02"},
    {"1m",   QN_ISA_AVX512,       "small",  1024,       SMALL,  "--batch 8 --steps 400 --optimizer muon --lr 0.02"},
    {"3m",   QN_ISA_SCALAR,       "small",  1024,       TINY,   "--batch 16 --steps 800 --optimizer muon --lr 0.02"},
    {"3m",   QN_ISA_AVX2,         "small",  1024,       SMALL,  "--batch 8 --steps 800 --optimizer muon --lr 0.02"},
    {"3m",   QN_ISA_AVX512,       "small",  1024,       SMALL,  "--batch 8 --steps 1600 --optimizer muon --lr 0.02"},
    {"10m",  QN_ISA_SCALAR,       "small",  1024,       SMALL,  "--batch 8 --steps 400 --optimizer muon --lr 0.02"},
    {"10m",  QN_ISA_AVX2,         "small",  1024,       SMALL,  "--batch 16 --steps 1600 --optimizer muon --lr 0.02"},
    {"10m",  QN_ISA_AVX512,       "small",  1024,       SMALL,  "--batch 16 --steps 3200 --optimizer muon --lr 0.02"},
    {"1h",   QN_ISA_SCALAR,       "small",  1024,       SMALL,  "--batch 8 --steps 2400 --optimizer muon --lr 0.02"},
    {"1h",   QN_ISA_AVX2,         "medium", 2048,       MIDDLE, "--batch 16 --steps 2400 --optimizer muon --lr 0.02"},
    {"1h",   QN_ISA_AVX512,       "medium", 2048,       MIDDLE, "--batch 16 --steps 4800 --optimizer muon --lr 0.02"},
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
