/* cli/cancel.c — Ctrl-C as a flag. Long work looks at it and stops in order; a second Ctrl-C does not wait. */
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

atomic_bool qn_cancel_flag;
static volatile sig_atomic_t terminated;        /* SIGTERM and SIGHUP end the command, a talk too */

static void on_interrupt(int number) {
    terminated = terminated || number == SIGTERM || number == SIGHUP;
    if (atomic_exchange(&qn_cancel_flag, true))
        _exit(128 + number);
}

void qn_cancel_install(void) {
    struct sigaction action = {.sa_handler = on_interrupt};     /* no SA_RESTART: a waiting read returns */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction was;                                       /* who started it with nohup wants it to live on */
    if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;                                /* a closed pipe is an error of write() */
    sigaction(SIGPIPE, &action, NULL);
}

bool qn_cancelled(void) { return atomic_load_explicit(&qn_cancel_flag, memory_order_relaxed); }

int qn_cancel_check(void) { return qn_cancelled() ? qn_fail(QN_ECANCEL, "interrupted") : 0; }

void qn_cancel_reset(void) {
    if (!terminated)
        atomic_store(&qn_cancel_flag, false);
}
