/* base/log.c — the sink for remarks, and the clocks. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static struct {
    qn_log_fn *fn;
    void *arg;
} sink;

void qn_log_set(qn_log_fn *fn, void *arg) {
    sink.fn = fn;
    sink.arg = arg;
}

void qn_log(qn_log_level level, const char *fmt, ...) {
    if (!sink.fn)
        return;
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n >= 0)
        sink.fn(sink.arg, level, text);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double qn_now(void) {
    return seconds(CLOCK_MONOTONIC);
}

double qn_wall(void) {
    return seconds(CLOCK_REALTIME);
}
