/* fuzz/fuzz_schema.c — any bytes as a JSON Schema, and what it lets through, byte by byte. */
#include "guide/states.h"

#include <stdint.h>

static void look_at(const qn_syntax *g) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_syntax *g;
    if (qn_syntax_schema(&g, (qn_str){(const char *)data, size}, "fuzz", NULL) < 0)
        qn_assert(!g && *qn_error_message());
    else
        look_at(g);
    qn_syntax_free(g);
    return 0;
}
