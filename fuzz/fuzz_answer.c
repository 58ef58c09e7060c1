/* fuzz/fuzz_answer.c — any bytes as a model's answer, whole and in pieces: the parts are the same.
 *
 *   byte 0: the form, and whether the answer begins in thoughts     byte 1: how it is cut     then the answer */
#include "base/rng.h"
#include "chat/answer.h"

#include <stdint.h>
#include <string.h>

static bool same(const qn_buf *a, const qn_buf *b) { return qn_str_eq(qn_buf_view(a), qn_buf_view(b)); }

static void check_same(const qn_answer_parts *a, const qn_answer_parts *b, size_t n) {
    qn_assert(same(&a->content, &b->content) && same(&a->reasoning, &b->reasoning) && a->calls == b->calls);
    qn_assert(a->content.n + a->reasoning.n <= n);
    for (size_t i = 0; i < a->calls; i++) {
        qn_assert(same(&a->call[i].id, &b->call[i].id) && a->call[i].id.n == 9);
        qn_assert(same(&a->call[i].name, &b->call[i].name) && a->call[i].name.n > 0);
        qn_assert(same(&a->call[i].arguments, &b->call[i].arguments));
        qn_assert(a->call[i].arguments.n > 0 && a->call[i].arguments.s[0] == '{');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const forms[] = {"hermes", "llama3", "mistral", "deepseek", "granite", "cohere", "none"};
    qn_answer_parts whole = {0}, parts = {0};
    qn_answer_options o = {.calls = true, .take = qn_answer_collect, .to = &parts};
    qn_answer *a;
    if (size < 2)
        return 0;
    const qn_str text = {(const char *)data + 2, size - 2};
    const uint64_t step = 1 + data[1] % 16, seed = data[1];
    o.in_thought = data[0] % 16 >= 8;
    qn_assert(qn_answer_form_named(&o.form, forms[data[0] % 8 % QN_LEN(forms)]) == 0);
    if (qn_answer_parse(&o, text, &whole) < 0 || qn_answer_new(&a, &o) < 0)
        return 0;
    for (size_t i = 0, n; i < text.n; i += n) {
        n = QN_MIN(1 + (size_t)(qn_rng_u64(seed, QN_RNG_TEST, 0, i) % step), text.n - i);
        qn_assert(qn_answer_feed(a, (qn_str){text.s + i, n}) >= 0);
    }
    qn_assert(qn_answer_end(a) >= 0);
    check_same(&whole, &parts, text.n);
    qn_answer_free(a);
    qn_answer_parts_drop(&whole);
    qn_answer_parts_drop(&parts);
    return 0;
}
