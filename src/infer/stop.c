/* infer/stop.c — stop strings over streamed text. */
#include "infer/stop.h"

#include <string.h>

void qn_stopper_init(qn_stopper *s, const qn_str *stop, int64_t n) { *s = (qn_stopper){.stop = stop, .n = n}; }
void qn_stopper_drop(qn_stopper *s) { qn_buf_drop(&s->held); }

/* Does `stop` begin at text, as far as the text goes? */
static bool may_begin(qn_str text, qn_str stop) { return stop.n > 0 && memcmp(text.s, stop.s, QN_MIN(text.n,
                                                                                                     stop.n)) == 0; }

int qn_stopper_push(qn_stopper *s, qn_str text, size_t *ready) {
    *ready = 0;
    QN_TRY(qn_buf_put(&s->held, text.s, text.n));
    for (; *ready < s->held.n; ++*ready) {
        const qn_str rest = {s->held.s + *ready, s->held.n - *ready};
        bool open = false;
        for (int64_t i = 0; i < s->n; i++) {
            const bool begins = may_begin(rest, s->stop[i]);
            if (begins && rest.n >= s->stop[i].n)
                return 1;
            open = open || begins;
        }
        if (open)
            return 0;
    }
    return 0;
}

void qn_stopper_give(qn_stopper *s, size_t n) {
    memmove(s->held.s, s->held.s + n, s->held.n - n);
    s->held.n -= n;
}
