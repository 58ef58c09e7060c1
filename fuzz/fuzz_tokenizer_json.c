/* fuzz/fuzz_tokenizer_json.c — tokenizer.json from any bytes. What is a tokenizer encodes a text that touches every
 * step and gives ids inside its vocabulary; what is none gives a message. */
#include "format/tokenizer_json.h"

#include <stdint.h>
#include <string.h>

static const char text[] =
    "  It's a <|im_start|>TEST: 1234.5 ünï\xcc\x88\xcc\xa3 Größe\n\t我们🚀 <s> [CLS] "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</s> don't the  ";

static void encode(const qn_tok *t, unsigned flags) {
    qn_ids ids = {0};
    qn_buf out = {0};
    const qn_tok_span trusted[] = {{2, 20}, {20, 30}};
    int rc = flags & QN_TOK_PARSE_SPECIAL ? qn_tok_encode(t, text, sizeof text - 1, flags, &ids)
                                          : qn_tok_encode_spans(t, text, sizeof text - 1, trusted, 2, flags, &ids);
    for (size_t i = 0; rc == 0 && i < ids.n; i++)
        qn_assert(ids.v[i] >= 0 && ids.v[i] < qn_tok_size(t));
    if (rc == 0)
        qn_assert(qn_tok_decode(t, ids.v, ids.n, 0, &out) == 0);
    qn_assert(rc == 0 || *qn_error_message());
    qn_assert(out.n == 0 || qn_utf8_check(out.s, out.n) == QN_UTF8_OK);
    qn_ids_drop(&ids);
    qn_buf_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qn_tok_spec spec;
    qn_tok *t = NULL;
    qn_error_clear();
    int rc = qn_tokenizer_json_parse((const char *)data, size, "fuzz", &spec);
    if (rc == 0)
        rc = qn_tok_new(&t, &spec);
    qn_tok_spec_drop(&spec);
    qn_assert(rc == 0 ? t != NULL : !t && *qn_error_message());
    if (rc == 0) {
        encode(t, QN_TOK_DEFAULT);
        encode(t, QN_TOK_ADD_SPECIAL);
    }
    qn_tok_free(t);
    return 0;
}
