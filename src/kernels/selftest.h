/* kernels/selftest.h — every row of the kernel list against the f64 judge, within the bounds of docs/NUMERICS.md, on
 * random and on hostile inputs; and every row of one (dtype, ISA) against its brothers, bit for bit.
 *
 *   selftest.c        products and activation rows (qn_selftest_linear); the report
 *   selftest_rows.c   norms, element-wise rows (qn_selftest_rows)
 *   selftest_attn.c   attention, its merging, keys and values (qn_selftest_attn)
 *   selftest_attn_grad.c   attention's gradient, as part of the same */
#ifndef QN_KERNELS_SELFTEST_H
#define QN_KERNELS_SELFTEST_H

#include "kernels/kernels.h"

typedef struct {
    /* One line per row of the list and one per failure; may be NULL. */
    void (*say)(void *arg, const char *line, bool ok);
    void *arg;
    bool brief;          /* each shape with one kind of inputs or two, each kind at many shapes: not all with all */
    int64_t rows;        /* rows of the list that were run */
    int64_t cases;       /* comparisons made */
    int64_t failures;    /* of them, outside the bound or unequal */
    double worst;        /* the largest share of a bound that was used, 0…1 when all is well */
} qn_selftest_report;

/* Each walks the rows that `cap` allows and this machine has, and adds to the report. 0, QN_ETEST (the message names
 * the first failure) or QN_ENOMEM. */
int qn_selftest_linear(qn_isa cap, qn_selftest_report *r);
int qn_selftest_rows(qn_isa cap, qn_selftest_report *r);
int qn_selftest_attn(qn_isa cap, qn_selftest_report *r);
int qn_selftest_attn_grad(qn_isa cap, qn_selftest_report *r);

/* For the files that test: counts one case; when `ok` is false, says the line and counts a failure. */
QN_PRINTF(3, 4) void qn_selftest_case(qn_selftest_report *r, bool ok, const char *fmt, ...);
/* The line of a finished row: "f32 avx512 qn_linear_f32_avx512: 240 cases, worst 0.12 of the bound". */
QN_PRINTF(3, 4) void qn_selftest_row(qn_selftest_report *r, bool ok, const char *fmt, ...);
/* A buffer of `bytes` that ends at a page which must not be touched (before == false) or begins after one (before ==
 * true). NULL with QN_ENOMEM. Dropped with qn_guarded_free. */
typedef struct { void *p; void *map; size_t map_bytes; } qn_guarded;
int qn_guarded_new(qn_guarded *g, size_t bytes, bool before);
void qn_guarded_free(qn_guarded *g);

#endif
