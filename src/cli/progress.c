/* cli/progress.c — stderr while a command works: the library's remarks, and how far the work is.
 *
 *     scoring  [##########··········]  51 %  1240 tokens/s  0:17 left  ppl 23.5          on a terminal, in place
 *     scoring: 51 %, 19456 of 38912 tokens, 1240 tokens/s, 0:17 left, ppl 23.5          elsewhere, every few seconds */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define BAR 20
#define REDRAW 0.1              /* seconds between two states of the bar */
#define RELINE 5.0              /* … between two lines */

static void wipe_bar(qn_cli *c) {
    if (c->bar)
        fputs("\r\033[K", stderr);
    c->bar = false;
}

/* Remarks may quote what strangers wrote, and what models did. */
static void put_remark(const char *kind, const char *message) {
    qn_buf b = {0};
    if (qn_clean(&b, qn_str_of(message), "\n\t") >= 0)
        fprintf(stderr, "%s%s\n", kind, b.n ? b.s : "");
    qn_buf_drop(&b);
}

void qn_progress_log(void *cli, qn_log_level level, const char *message) {
    qn_cli *c = cli;
    if (level == QN_LOG_DEBUG && !qn_cli_flag(c, "verbose"))
        return;
    if (level == QN_LOG_INFO && qn_cli_flag(c, "quiet"))
        return;
    wipe_bar(c);
    put_remark(level == QN_LOG_WARN ? "warning: " : "", message);
}

const char *qn_clock_text(double seconds, char out[32]) {
    const int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(out, 32, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return out;
}

/* What bar and line have in common. A failed allocation shortens the line; progress is no reason to stop. */
static void put_figures(qn_buf *b, const qn_progress *p, const char *between, bool over) {
    char clock[32];
    double spent = qn_now() - p->start, rate = spent > 0 ? (double)(p->done - p->from) / spent : 0;
    if (rate > 0)
        qn_buf_printf(b, "%s%.*f %s/s", between, rate < 10 ? 2 : 0, rate, p->unit);
    if (over || (rate > 0 && p->total > 0)) {
        qn_buf_puts(b, between);
        qn_buf_puts(b, qn_clock_text(over ? spent : (double)(p->total - p->done) / rate, clock));
        qn_buf_puts(b, over ? "" : " left");
    }
    if (p->note[0])
        qn_buf_printf(b, "%s%s", between, p->note);
}

static void put_bar(qn_buf *b, const qn_progress *p) {
    qn_buf_printf(b, "\r%s  ", p->what);
    if (p->total > 0) {
        int full = (int)(p->done * BAR / p->total);
        qn_buf_putc(b, '[');
        for (int i = 0; i < BAR; i++)
            qn_buf_puts(b, i < full ? "#" : "·");
        qn_buf_printf(b, "]  %3d %%", (int)(p->done * 100 / p->total));
    } else {
        qn_buf_printf(b, "%lld %s", (long long)p->done, p->unit);
    }
    put_figures(b, p, "  ", false);
    qn_buf_puts(b, "\033[K");
}

static void put_line(qn_buf *b, const qn_progress *p, bool over) {
    qn_buf_printf(b, "%s: ", p->what);
    if (p->total > 0 && !over)
        qn_buf_printf(b, "%d %%, %lld of ", (int)(p->done * 100 / p->total), (long long)p->done);
    qn_buf_printf(b, "%lld %s", (long long)(p->total > 0 && !over ? p->total : p->done), p->unit);
    put_figures(b, p, ", ", over);
    qn_buf_putc(b, '\n');
}

static void draw(qn_progress *p, bool over) {
    qn_buf b = {0};
    if (p->c->err_tty && !over) {
        put_bar(&b, p);
        p->c->bar = true;
    } else {
        put_line(&b, p, over);
    }
    fwrite(b.s, 1, b.n, stderr);
    fflush(stderr);
    qn_buf_drop(&b);
    p->shown = qn_now();
}

void qn_progress_init(qn_progress *p, qn_cli *c, const char *what, int64_t total, const char *unit) {
    double now = qn_now();
    *p = (qn_progress){.c = c, .what = what, .unit = unit, .total = total, .start = now, .shown = now};
}

void qn_progress_set(qn_progress *p, int64_t done) {
    p->done = p->total > 0 ? QN_MIN(done, p->total) : done;
    if (qn_cli_flag(p->c, "quiet") || qn_now() - p->shown < (p->c->err_tty ? REDRAW : RELINE))
        return;
    draw(p, false);
}

int qn_progress_reach(qn_progress *p, int64_t done, int64_t total) {
    p->total = total;
    qn_progress_set(p, done);
    return qn_cancel_check();
}

void qn_progress_note(qn_progress *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->note, sizeof p->note, fmt, args);
    va_end(args);
}

/* Work that was over before anything was shown stays silent. */
void qn_progress_drop(qn_progress *p) {
    bool shown = p->shown > p->start;
    wipe_bar(p->c);
    if (shown && !qn_cli_flag(p->c, "quiet"))
        draw(p, true);
}

/* From the kernel's own table: getrusage would count what a large parent had before exec. */
int64_t qn_cli_peak_bytes(void) {
    char line[256];
    long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return (int64_t)kib * 1024;
}
