/* kernels/bench_rows.h — how fast attention, the row kernels and the gradients run on the shapes of real models, on one
 * thread. */
#ifndef QN_KERNELS_BENCH_ROWS_H
#define QN_KERNELS_BENCH_ROWS_H

#include "kernels/kernels.h"

typedef struct {
    const char *family;      /* "rmsnorm", "attn_bf16" */
    const char *shape;       /* "576 floats", "96 rows x 256 keys, head of 64" */
    qn_isa isa;              /* the level of the table that was used */
    double seconds;          /* one call, the best of many */
    double elements;         /* results of one call: seconds / elements is the time of an exp, an activation … */
    double gops;             /* attention (4·rows·keys·Dh; gradient 10), products: 10⁹ per second; else 0 */
    double gbytes;           /* read and written, each operand once, in 10⁹ per second */
} qn_bench_row;

typedef struct {
    qn_isa cap;
    bool all_levels;         /* every level up to the cap, not the cap alone */
    double seconds;          /* spent on each figure; 0 = 0.02 */
    const char *filter;      /* only figures with all these words in family, level and shape ("352x128"); NULL: all */
    int (*figure)(void *arg, const qn_bench_row *f);     /* each figure as it comes; <0 stops and is returned */
    void *arg;
} qn_bench_rows_options;

bool qn_bench_row_wanted(const qn_bench_rows_options *o, const char *family, qn_isa isa, const char *shape);
/* 0, QN_ENOMEM, or what `figure` returned. Takes up to 100 MB. */
int qn_bench_rows(const qn_bench_rows_options *o);
/* The last of them: gradients of products and attention (bench_grads.c). */
int qn_bench_grads(const qn_bench_rows_options *o);

#endif
