/* kernels/peak.h — what this machine can do at most: measured, with nothing but registers or nothing but reading.
 * Benchmarks state their figures as shares of these, so they are measured at the level that the figures were. */
#ifndef QN_KERNELS_PEAK_H
#define QN_KERNELS_PEAK_H

#include "base/pool.h"
#include "kernels/kernels.h"

/* All threads together; 10⁹ per second. A product and a sum are two operations. 0: the level has no such
 * instruction. */
typedef struct {
    int threads;
    qn_isa isa;                      /* the level whose instructions were used */
    double f32, bf16, int8;          /* operations: f32 fused multiply-adds, bf16 and int8 dot products */
    double memory, l3, l2;           /* bytes read: from memory, from each thread's part of the L3, of the L2 … */
    int64_t l3_bytes, l2_bytes;      /* … which has so many */
} qn_peak;

/* What the instructions up to `cap` can reach. Takes about a second and 256 MB, more where the caches are larger. NULL
 * pool: one thread. QN_ENOMEM. */
int qn_peak_measure(qn_pool *pool, qn_isa cap, qn_peak *out);
/* Operations only, in a few hundredths of a second; the rest is 0. */
int qn_peak_arithmetic(qn_pool *pool, qn_isa cap, qn_peak *out);
/* What training multiplies, f32 and bf16: half of that. */
int qn_peak_floats(qn_pool *pool, qn_isa cap, qn_peak *out);

/* Where the kernel tells of the first CPU's caches, and one CPU's part of that of a level: its size, by the number of
 * CPUs that share it. 0: it is not told. QN_ENOMEM. */
#define QN_CACHE_FOLDER "/sys/devices/system/cpu/cpu0/cache"
int64_t qn_cache_part(const char *folder, int level);

#endif
