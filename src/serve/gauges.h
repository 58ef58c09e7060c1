/* serve/gauges.h — counters and histograms, as Prometheus reads them. Any thread; nothing waits. */
#ifndef QN_SERVE_GAUGES_H
#define QN_SERVE_GAUGES_H

#include <stdatomic.h>

#include "serve/scheduler.h"

enum { QN_METRIC_BUCKETS = 12, QN_METRIC_STATUSES = 16 };

/* Seconds; bucket i counts those up to its bound, the last all of them. */
typedef struct { _Atomic int64_t count[QN_METRIC_BUCKETS], microseconds; } qn_histogram;

typedef struct {
    _Atomic int64_t status[QN_METRIC_STATUSES];     /* answers by status: those of the table in gauges.c, then others */
    _Atomic int64_t gone;                           /* clients that went away before the end */
    _Atomic int64_t connections;                    /* open */
    _Atomic int64_t embedded;                       /* texts */
    _Atomic int64_t grammars_read, grammars_kept;   /* what answers were held to: read for it, or there already */
    qn_histogram first_token, whole;                /* of answers: from the request to the first token, to the end */
} qn_gauges;

void qn_gauges_status(qn_gauges *m, int status);
void qn_gauges_seconds(qn_histogram *h, double seconds);
/* The whole page. */
int qn_gauges_write(const qn_gauges *m, const qn_scheduler_stats *s, qn_buf *out);

#endif
