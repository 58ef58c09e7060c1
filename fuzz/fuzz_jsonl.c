/* fuzz/fuzz_jsonl.c — lines of any bytes, once with patience for bad ones and a short limit, once without. */
#include "format/jsonl.h"

#include <stdint.h>

/* A line that was checked beforehand must parse; one that was not may fail. */
static void read_all(const char *text, size_t n, const qn_jsonl_options *o) {
    qn_jsonl *r;
    qn_json *line;
    qn_assert(qn_jsonl_open_memory(&r, text, n, o) == 0);
    while (qn_jsonl_next(r, &line) > 0) {
        const int rc = qn_json_skip(line);
        qn_assert(rc == 0 || o->bad_max == 0);
        qn_assert(qn_jsonl_text(r).n <= o->line_max || o->line_max == 0);
    }
    qn_assert(qn_jsonl_bad(r) <= o->bad_max);
    qn_jsonl_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_all((const char *)data, size, &(qn_jsonl_options){.line_max = 64, .bad_max = 5});
    read_all((const char *)data, size, &(qn_jsonl_options){0});
    return 0;
}
