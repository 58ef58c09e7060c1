/* fuzz/look_at_syntax.h — walks what a grammar lets through, byte by byte. */
#ifndef QN_LOOK_AT_SYNTAX_H
#define QN_LOOK_AT_SYNTAX_H

#include "guide/states.h"

#include <stdint.h>

static inline void look_at_syntax(const qn_syntax *g) {
    qn_states s;
    if (qn_states_init(&s, g) < 0) {
        qn_assert(*qn_error_message());
        return;
    }
    uint32_t at = s.start;
    for (int step = 0; step < 200 && at != QN_STATE_DEAD && s.rc == 0; step++) {
        int first = -1;
        for (int b = 0; b < 256 && first < 0; b++)      /* the first byte that leads on, or another one now and then */
            if (qn_state_leads(&s.state[at], (uint8_t)(b + step * 37)))
                first = (uint8_t)(b + step * 37);
        qn_assert(first >= 0 || s.state[at].accept);
        at = first < 0 ? QN_STATE_DEAD : qn_states_next(&s, at, (uint8_t)first);
        qn_assert(first < 0 || at != QN_STATE_DEAD || s.rc < 0);
    }
    qn_states_drop(&s);
}

#endif
