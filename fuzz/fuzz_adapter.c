/* fuzz/fuzz_adapter.c — any bytes as an adapter for two small models: a GGUF, or adapter_config.json up to the first
 * line feed and the safetensors behind it. What opens holds numbers only. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "model/adapter_impl.h"

/* As tests/unit/tiny_model.h has them. */
static void numbers_of(qn_config *c) {
    *c = (qn_config){.V = 96, .D = 32, .F = 32, .layers = 2, .heads = 4, .kv_heads = 2, .Dh = 8, .context = 64};
    c->rope.rot = 8;
}

static void look_at(const qn_adapter *a) {
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        float *b = qn_alloc(QN_MEM_TEST, (size_t)(l->rows * l->rank) * sizeof *b);
        qn_assert(b && l->rank > 0 && l->scale > 0 && isfinite(l->scale));
        qn_lora_unpack(&l->b, b);
        for (int64_t k = 0; k < l->rows * l->rank; k++)
            qn_assert(isfinite(b[k]));
        qn_free(b);
    }
}

static void pairs(const qn_adapter_said *said, const qn_arch *arch, const qn_config *c) {
    qn_adapter *a;
    if (qn_adapter_pairs(&a, said, "fuzz", arch, c) < 0) {
        qn_assert(!a && *qn_error_message());
        return;
    }
    look_at(a);
    qn_adapter_free(a);
}

static void as_gguf(const uint8_t *data, size_t size, const qn_arch *arch, const qn_config *c) {
    qn_adapter_said said = {.path = "fuzz.gguf", .is_gguf = true};
    qn_gguf *g;
    if (qn_gguf_open_memory(&g, data, size) < 0)
        return;
    said.tensors = qn_gguf_tensors(g);
    if (qn_adapter_gguf_said(&said, qn_gguf_meta(g), arch) >= 0)
        pairs(&said, arch, c);
    qn_gguf_close(g);
}

static void as_peft(const uint8_t *data, size_t size, const qn_arch *arch, const qn_config *c) {
    const uint8_t *end = memchr(data, '\n', size);
    const size_t n = end ? (size_t)(end - data) : size;
    qn_adapter_said said = {.path = "fuzz.safetensors"};
    qn_safetensors *st;
    qn_meta *m;
    if (qn_meta_from_json(&m, (const char *)data, n, "adapter_config.json") < 0)
        return;
    if (end && qn_adapter_peft_said(&said, m) >= 0 && qn_safetensors_open_memory(&st, end + 1, size - n - 1) >= 0) {
        said.tensors = qn_safetensors_tensors(st);
        pairs(&said, arch, c);
        qn_safetensors_close(st);
    }
    qn_meta_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const families[] = {"llama", "gpt2"};
    for (size_t i = 0; i < QN_LEN(families); i++) {
        const qn_arch *arch = qn_arch_by_gguf(qn_str_of(families[i]));
        qn_config c;
        numbers_of(&c);
        c.kv_heads = i ? c.heads : c.kv_heads;
        if (size >= 4 && memcmp(data, "GGUF", 4) == 0)
            as_gguf(data, size, arch, &c);
        else
            as_peft(data, size, arch, &c);
    }
    return 0;
}
