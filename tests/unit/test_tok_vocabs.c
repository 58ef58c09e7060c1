/* tests/unit/test_tok_vocabs.c — published vocabularies give the ids that llama.cpp records for its test texts
 * (add_special false, parse_special false). */
#include "tok_load.h"

#define SEPARATOR "\n__ggml_vocab_test__\n"

static void read_shared(const char *name, qn_buf *out) {
    const char *path = qn_test_shared(name);
    CHECK(path != NULL, "%s", name);
    CHECK_OK(qn_read_file(out, path, 1 << 20), "%s", name);
}

/* One line of ids separated by spaces; moves *p behind it. */
static void parse_line(const char **p, const char *end, qn_ids *ids) {
    qn_ids_clear(ids);
    while (*p < end && **p != '\n') {
        char *after;
        if (**p == ' ') {
            ++*p;
            continue;
        }
        CHECK_OK(qn_ids_push(ids, (int32_t)strtol(*p, &after, 10)));
        CHECK(after > *p);
        *p = after;
    }
    ++*p;
}

static void check_ids(const qn_ids *got, const qn_ids *want, const char *name, size_t i) {
    for (size_t k = 0; k < got->n && k < want->n; k++)
        CHECK_INT(got->v[k], want->v[k], "%s, text %zu, token %zu", name, i, k);
    CHECK_INT(got->n, want->n, "%s, text %zu", name, i);
}

static size_t check_cases(const qn_tok *tok, const char *name, const qn_buf *inp, const qn_buf *out) {
    qn_ids got = {0}, want = {0};
    qn_buf text = {0};
    const char *line = out->s;
    size_t n = 0;
    for (size_t at = 0; at < inp->n; n++) {
        const char *sep = memmem(inp->s + at, inp->n - at, SEPARATOR, strlen(SEPARATOR));
        size_t end = sep ? (size_t)(sep - inp->s) : inp->n;
        parse_line(&line, out->s + out->n, &want);
        qn_ids_clear(&got);
        CHECK_OK(qn_tok_encode(tok, inp->s + at, end - at, QN_TOK_PLAIN, &got), "%s, text %zu", name, n);
        check_ids(&got, &want, name, n);
        qn_buf_clear(&text);
        CHECK_OK(qn_tok_decode(tok, got.v, got.n, 0, &text));
        const bool back = qn_str_eq(qn_buf_view(&text), (qn_str){inp->s + at, end - at});
        CHECK(back || qn_tok_model_of(tok) == QN_TOK_WORDPIECE, "%s, text %zu comes back", name, n);
        at = end + strlen(SEPARATOR);
    }
    qn_ids_drop(&got);
    qn_ids_drop(&want);
    qn_buf_drop(&text);
    return n;
}

static void check_vocabulary(const char *name) {
    char path[128];
    qn_buf inp = {0}, out = {0};
    snprintf(path, sizeof path, "tokenizer-cases/ggml-vocab-%s.gguf", name);
    if (!qn_test_shared(path))
        SKIP("no %s in the shared data", path);
    qn_tok *tok = tok_load_gguf(qn_test_shared(path));
    snprintf(path, sizeof path, "tokenizer-cases/ggml-vocab-%s.gguf.inp", name);
    read_shared(path, &inp);
    snprintf(path, sizeof path, "tokenizer-cases/ggml-vocab-%s.gguf.out", name);
    read_shared(path, &out);
    CHECK(check_cases(tok, name, &inp, &out) > 40, "%s: too few texts", name);
    qn_buf_drop(&inp);
    qn_buf_drop(&out);
    qn_tok_free(tok);
}

TEST(gpt_2) { check_vocabulary("gpt-2"); }
TEST(mpt) { check_vocabulary("mpt"); }
TEST(starcoder) { check_vocabulary("starcoder"); }
TEST(refact) { check_vocabulary("refact"); }
TEST(bert_bge) { check_vocabulary("bert-bge"); }        /* case and blanks do not come back */
TEST(deepseek_coder) { check_vocabulary("deepseek-coder"); }
