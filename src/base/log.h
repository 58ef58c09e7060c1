/* base/log.h — the one sink for remarks. The library never prints: the command line installs a sink; without one,
 * nothing is said. And the clock. */
#ifndef QN_BASE_LOG_H
#define QN_BASE_LOG_H

#include "base/compiler.h"

typedef enum { QN_LOG_DEBUG, QN_LOG_INFO, QN_LOG_WARN } qn_log_level;
typedef void qn_log_fn(void *arg, qn_log_level level, const char *message);
void qn_log_set(qn_log_fn *fn, void *arg);              /* before threads start */
QN_PRINTF(2, 3) void qn_log(qn_log_level level, const char *fmt, ...);

double qn_now(void);                                    /* monotonic seconds */
/* Seconds since the Unix epoch; stands in records and templates, never in a schedule. */
double qn_wall(void);

#endif
