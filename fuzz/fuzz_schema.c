/* fuzz/fuzz_schema.c — any bytes as a JSON Schema, and what it lets through, byte by byte. */
#include "look_at_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_syntax *g;
    if (qn_syntax_schema(&g, (qn_str){(const char *)data, size}, "fuzz", NULL) < 0)
        qn_assert(!g && *qn_error_message());
    else
        look_at_syntax(g);
    qn_syntax_free(g);
    return 0;
}
