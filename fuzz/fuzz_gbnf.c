/* fuzz/fuzz_gbnf.c — any bytes as a grammar, and what it lets through, byte by byte. */
#include "look_at_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_syntax *g;
    if (qn_syntax_gbnf(&g, (qn_str){(const char *)data, size}, "fuzz") < 0)
        qn_assert(!g && *qn_error_message());
    else
        look_at_syntax(g);
    qn_syntax_free(g);
    return 0;
}
