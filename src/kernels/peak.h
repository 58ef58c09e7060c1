/* kernels/peak.h — what this machine can do at most: measured, with nothing but registers or nothing but reading.
 * Benchmarks state their figures as shares of these. */
#ifndef QN_KERNELS_PEAK_H
#define QN_KERNELS_PEAK_H

#include "base/pool.h"
#include "kernels/kernels.h"

/* All threads together; 10⁹ per second. A product and a sum are two operations. 0: no such instruction here. */
typedef struct {
    int threads;
    qn_isa isa;                      /* the level whose instructions were used */
    double f32, bf16, int8;          /* operations: f32 fused multiply-adds, bf16 and int8 dot products */
    double memory, l3, l2;           /* bytes read: from 256 MB, from 4 MB per thread, from 512 KB per thread */
} qn_peak;

/* Takes about a second and 256 MB. NULL pool: one thread. QN_ENOMEM. */
int qn_peak_measure(qn_pool *pool, qn_peak *out);
/* Operations only, in a few hundredths of a second; the rest is 0. */
int qn_peak_arithmetic(qn_pool *pool, qn_peak *out);
/* What training multiplies, f32 and bf16: half of that. */
int qn_peak_floats(qn_pool *pool, qn_peak *out);

#endif
