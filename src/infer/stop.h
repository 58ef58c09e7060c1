/* infer/stop.h — stop strings over streamed text: nothing is given out that may still become one. */
#ifndef QN_INFER_STOP_H
#define QN_INFER_STOP_H

#include "base/str.h"

typedef struct {
    const qn_str *stop;
    int64_t n;
    qn_buf held;            /* text not given out yet */
} qn_stopper;

/* stop [n] is borrowed, the strings too; empty ones never match. */
void qn_stopper_init(qn_stopper *s, const qn_str *stop, int64_t n);
void qn_stopper_drop(qn_stopper *s);
/* Takes more text; sets *ready to how many bytes at the start of s->held are safe to give out. 1: a stop string begins
 * at *ready; 0: none so far; QN_ENOMEM. */
int qn_stopper_push(qn_stopper *s, qn_str text, size_t *ready);
void qn_stopper_give(qn_stopper *s, size_t n);                          /* n bytes were given out */

#endif
