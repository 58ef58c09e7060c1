/* fuzz/fuzz_json_array.c — items of an array of any bytes, once with a short limit. */
#include "format/json_array.h"

#include <stdint.h>

/* Items lie one behind the other in the text, each within the limit. */
static void read_all(const char *text, size_t n, size_t item_max) {
    qn_json_array *r;
    qn_str item;
    const char *behind = text;
    qn_assert(qn_json_array_open_memory(&r, text, n, item_max) == 0);
    while (qn_json_array_next(r, &item) > 0) {
        qn_assert(item.s > behind && item.s + item.n <= text + n && item.s == text + qn_json_array_at(r));
        qn_assert(item.n >= 2 && (item.n <= item_max || item_max == 0));
        behind = item.s + item.n;
    }
    qn_json_array_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_all((const char *)data, size, 0);
    read_all((const char *)data, size, 24);
    return 0;
}
