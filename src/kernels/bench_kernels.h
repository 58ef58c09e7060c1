/* kernels/bench_kernels.h — how fast the product rows run on the shapes of real models. The machine's limits, to set
 * the figures beside, come from peak.h. */
#ifndef QN_KERNELS_BENCH_KERNELS_H
#define QN_KERNELS_BENCH_KERNELS_H

#include "base/pool.h"
#include "kernels/kernels.h"

typedef struct {
    const char *model;       /* whose shape it is: "SmolLM2-135M" */
    const char *row;         /* the function: "qn_linear_q4_1_avx512vnni" */
    qn_dtype weight;
    qn_isa isa;              /* the row's level */
    int threads;
    int64_t m, N, K;
    bool cold;               /* weights come from memory (m <= 4), not from a cache that an earlier run has filled */
    double seconds;          /* the best of many runs */
    double gops;             /* 2·m·N·K in 10⁹ per second */
    double gbytes;           /* bytes of packed weights in 10⁹ per second */
} qn_bench_figure;

typedef struct {
    qn_isa cap;
    bool all_levels;         /* every row up to the cap, not only the rows that the cap's table uses */
    int weight;              /* one dtype alone, or -1 */
    const char *filter;      /* words that all stand in "dtype row model NxK KxN"; NULL: all. The rest is not run */
    double seconds;          /* spent on each figure; 0 = 0.05 */
    int (*figure)(void *arg, const qn_bench_figure *f);      /* each figure as it comes; <0 stops and is returned */
    void *arg;
} qn_bench_options;

/* Does the text hold every word of a filter, in letters of either case, "352 x 128" as "352x128" too? NULL and "" let
 * everything through. */
bool qn_bench_wanted(const char *filter, const char *text);

/* Runs all shapes and row counts on the pool's threads (NULL: one). Takes up to 300 MB. 0, QN_ENOMEM, or what `figure`
 * returned. */
int qn_bench_linear(qn_pool *pool, const qn_bench_options *o);

#endif
