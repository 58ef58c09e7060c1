/* eval/speed.h — how fast a session is, and the limit of the machine that binds it.
 *
 *   speed.c    timing prefill and decoding                    work.c   bytes and operations that they cannot avoid
 *
 * The least time of a run on a machine is the larger of
 *     bytes / bandwidth        every packed weight once per run, every visible key and value once
 *     Σ operations / peak      products by the unit that multiplies them, attention by the KV dtype's
 * and the share reached is that time over the measured one. */
#ifndef QN_EVAL_SPEED_H
#define QN_EVAL_SPEED_H

#include "infer/session.h"
#include "kernels/peak.h"

/* What multiplies: the peaks of kernels/peak.h. */
typedef enum { QN_UNIT_F32, QN_UNIT_BF16, QN_UNIT_INT8, QN_UNITS } qn_unit;

typedef struct {
    double weight_bytes, kv_bytes;
    double ops[QN_UNITS];           /* a product and a sum are two */
    double run_bytes;               /* what one run touches: whether caches could hold it */
} qn_work;

/* The work of n tokens that follow `depth` others, in each of `sequences` sequences together, with the logits of each
 * sequence's last one; in runs of at most `rows` tokens. */
qn_work qn_speed_work(const qn_session *s, int64_t sequences, int64_t depth, int64_t n, int64_t rows);

typedef struct {
    double memory_seconds, compute_seconds;
    double seconds;                 /* the larger */
    double bandwidth;               /* 10⁹ bytes per second: of memory, or of the cache that holds run_bytes */
    double ops_rate;                /* 10⁹ operations per second that the mix of units allows */
    bool by_memory;
} qn_bound;
qn_bound qn_speed_bound(const qn_work *w, const qn_peak *p);

typedef struct {
    int64_t prompt, gen, depth;     /* tokens */
    int64_t batch;                  /* sequences that decode together; the session has as many */
    int repeat;                     /* timed runs of each, after one that warms up */
} qn_speed_options;

typedef struct { double median, least, most; } qn_spread;

typedef struct {
    double first_seconds;           /* the first token of all, on the untouched session */
    qn_spread prefill;              /* tokens per second: `prompt` tokens of one sequence behind `depth` others */
    qn_spread decode;               /* … : `gen` steps, one greedy token for each of `batch` sequences */
    int64_t decode_allocations;     /* during the timed steps; 0 is the promise */
} qn_speed_result;

/* Resets the session first; its context must hold depth + the larger of prompt and gen. prompt or gen 0: not measured.
 * QN_EINVAL, QN_ECONTEXT, QN_ECANCEL, QN_ENOMEM. */
int qn_speed_measure(qn_session *s, const qn_speed_options *o, qn_speed_result *r);

/* One more prefill (or `gen` decoding steps) with time charged to each op: how many were written to out[cap]. The ops'
 * own waits make it slower than an unobserved run. */
int qn_speed_profile(qn_session *s, const qn_speed_options *o, bool decode, qn_op_time *out, int cap);

#endif
