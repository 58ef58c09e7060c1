/* tests/unit/data_make.h — prepared folders for tests: a tokenizer of bytes, documents out of random numbers. */
#ifndef QN_TESTS_UNIT_DATA_MAKE_H
#define QN_TESTS_UNIT_DATA_MAKE_H

#include "data/prepare.h"
#include "test.h"
#include "tok/train_tokenizer.h"

/* <eos> is 0, <bos> 1, byte tokens from 2 on; without `ends` neither of them does anything. */
QN_UNUSED static qn_tok *data_tok(bool ends) {
    static const qn_str special[] = {{"<eos>", 5}, {"<bos>", 5}};
    qn_words *w;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_tok *tok;
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_words_new(&w, &(qn_words_options){.pre = "gpt-2"}));
    CHECK_OK(qn_words_add(w, "a", 1));
    CHECK_OK(qn_words_end(w));
    CHECK_OK(qn_words_finish(w));
    CHECK_OK(qn_tok_train(&spec, w, &(qn_tok_train_options){.kind = QN_TRAIN_BYTE, .special = special, .n_special = 2},
                          &r));
    if (ends) {
        spec.eos = 0;
        spec.bos = 1;
        CHECK_OK(qn_tok_spec_prefix(&spec, 1));
    }
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
    return tok;
}

/* JSON lines: n documents of letters, of which document i has lengths(i) of them. */
QN_UNUSED static const char *data_lines(const char *name, int64_t n, int64_t (*length)(int64_t i)) {
    qn_buf text = {0};
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(qn_buf_printf(&text, "{\"text\": \"%lld ", (long long)i));
        for (int64_t k = 0; k < length(i); k++)
            CHECK_OK(qn_buf_putc(&text, (char)('a' + qn_rng_u64(1, QN_RNG_TEST, (uint64_t)i, (uint64_t)k) % 26)));
        CHECK_OK(qn_buf_puts(&text, "\"}\n"));
    }
    const char *path = qn_test_write(name, text.s, text.n);
    qn_buf_drop(&text);
    return path;
}

/* Prepares one path into a folder of this name; options that are not given here are the caller's. */
QN_UNUSED static int data_prepare(const char *out, const char *path, qn_data_options o, const qn_tok *tok,
                                  qn_pool *pool, qn_data_result *r) {
    static char folder[1100];
    char copy[1100];                    /* path may stand in the buffer that qn_test_temp uses again */
    snprintf(copy, sizeof copy, "%s", path);
    snprintf(folder, sizeof folder, "%s/%s", qn_test_temp_dir(), out);
    const char *paths[] = {copy};
    qn_data_source source = {.path = paths, .n_paths = 1};
    o.out = folder;
    if (!o.source) {
        o.source = &source;
        o.n_sources = 1;
    }
    return qn_data_prepare(&o, tok, pool, r);
}

/* The same, opened. */
QN_UNUSED static qn_dataset *data_open(const char *out, const char *path, qn_data_options o, bool ends) {
    char folder[1100];
    qn_dataset *d;
    qn_data_result r;
    qn_tok *tok = data_tok(ends);
    CHECK_OK(data_prepare(out, path, o, tok, NULL, &r));
    qn_data_result_drop(&r);
    qn_tok_free(tok);
    snprintf(folder, sizeof folder, "%s/%s", qn_test_temp_dir(), out);
    CHECK_OK(qn_dataset_open(&d, folder));
    CHECK_OK(qn_dataset_verify(d));
    return d;
}

#endif
