/* fuzz/fuzz_safetensors.c — the safetensors reader on any bytes; what opens is touched at both ends. */
#include "format/safetensors.h"

#include <stdint.h>

static volatile char sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_safetensors *st;
    if (qn_safetensors_open_memory(&st, data, size) < 0) {
        qn_assert(!st && *qn_error_message());
        return 0;
    }
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        qn_assert(t->data >= (const char *)data && t->data + t->bytes <= (const char *)data + size);
        qn_assert(qn_tensor_elements(t) > 0 || t->bytes == 0);
        if (t->bytes > 0)
            sink = (char)(t->data[0] ^ t->data[t->bytes - 1]);
    }
    qn_safetensors_close(st);
    return 0;
}
