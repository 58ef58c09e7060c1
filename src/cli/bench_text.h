/* cli/bench_text.h — what the benchmarks print alike: the peaks of the units, waiting as a share. */
#ifndef QN_CLI_BENCH_TEXT_H
#define QN_CLI_BENCH_TEXT_H

#include "cli/cli.h"
#include "graph/graph.h"
#include "kernels/peak.h"

/* "f32 460, bf16 930, int8 1858 G operations/s"; "no bf16" where the level has no such instruction. */
static inline int qn_put_peaks(qn_cli *c, const qn_peak *p) {
    const struct { const char *unit; double rate; } peaks[] = {{"f32", p->f32}, {"bf16", p->bf16}, {"int8", p->int8}};
    for (size_t i = 0; i < QN_LEN(peaks); i++) {
        QN_TRY(qn_out_printf(c, "%s%s%s", i ? ", " : "", peaks[i].rate > 0 ? "" : "no ", peaks[i].unit));
        QN_TRY(peaks[i].rate > 0 ? qn_out_printf(c, " %.0f", peaks[i].rate) : 0);
    }
    return qn_out_puts(c, " G operations/s");
}

/* The part of all threads' time that they waited at barriers. */
static inline double qn_op_wait(const qn_op_time *t) {
    return (double)t->wait_ns / (double)QN_MAX(t->worker_ns, (int64_t)1);
}

/* What operations took together, under the name "all". */
static inline qn_op_time qn_op_sum(const qn_op_time *op, int n) {
    qn_op_time sum = {.op = "all"};
    for (int i = 0; i < n; i++) {
        sum.ns += op[i].ns;
        sum.worker_ns += op[i].worker_ns;
        sum.wait_ns += op[i].wait_ns;
        sum.bytes += op[i].bytes;
        sum.flops += op[i].flops;
        sum.calls += op[i].calls;
    }
    return sum;
}

#endif
