/* fuzz/fuzz_gguf.c — the GGUF reader on any bytes; what opens is read from end to end. */
#include "format/gguf.h"

#include <stdint.h>
#include <string.h>

static volatile unsigned char sink;

static void read_arrays(const qn_meta *m) {
    for (size_t i = 0; i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        for (size_t k = 0; v->kind == QN_META_ARRAY && v->as.a.kind == QN_META_STRING && k < v->as.a.count; k++) {
            const qn_str s = qn_meta_array_str(&v->as.a, k);
            sink = s.n ? (unsigned char)s.s[s.n - 1] : 0;
        }
    }
}

static void write_values(const qn_meta *m) {
    qn_buf out = {0};
    qn_jw w;
    qn_jw_init(&w, &out, 0);
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < qn_meta_count(m); i++)
        qn_meta_write(qn_meta_at(m, i), 100, &w);
    qn_jw_close(&w);
    qn_assert(qn_jw_end(&w) == 0);
    qn_buf_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_gguf *g;
    if (qn_gguf_open_memory(&g, data, size) < 0) {
        qn_assert(!g && *qn_error_message());
        return 0;
    }
    read_arrays(qn_gguf_meta(g));
    write_values(qn_gguf_meta(g));
    const qn_tensor_file *f = qn_gguf_tensors(g);
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        qn_assert(t->data >= (const char *)data && t->bytes > 0 && t->data + t->bytes <= (const char *)data + size);
        qn_assert(qn_tensor_elements(t) > 0);
        sink = (unsigned char)(t->data[0] ^ t->data[t->bytes - 1]);
    }
    qn_gguf_close(g);
    return 0;
}
