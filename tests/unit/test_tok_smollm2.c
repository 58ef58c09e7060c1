/* tests/unit/test_tok_smollm2.c — 10,000 strings give the ids of Hugging Face's tokenizers on SmolLM2's vocabulary. The
 * fixture holds a hash per hundred strings; tools/fixtures/tokenizer_hashes.py made it. */
#include "base/json.h"
#include "tok_load.h"
#include "tok_strings.h"

#define GROUPS 100

typedef struct {
    int64_t seed, group;
    uint64_t text[GROUPS], plain[GROUPS], special[GROUPS], decoded[GROUPS];
    size_t n;
} fixture;

static void read_hashes(qn_json *j, uint64_t *out, size_t *n) {
    qn_buf hex = {0};
    int more;
    *n = 0;
    CHECK_OK(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        CHECK(*n < GROUPS);
        qn_buf_clear(&hex);
        CHECK_OK(qn_json_string(j, &hex));
        out[(*n)++] = strtoull(hex.s, NULL, 16);
    }
    CHECK_OK(more);
    qn_buf_drop(&hex);
}

static void read_fixture(fixture *f) {
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    int more;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("smollm2_tok_hashes.json"), 65536));
    qn_json_init(&j, text.s, text.n, "smollm2_tok_hashes.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        if (qn_str_is(key, "seed"))
            CHECK_OK(qn_json_i64(&j, &f->seed));
        else if (qn_str_is(key, "group"))
            CHECK_OK(qn_json_i64(&j, &f->group));
        else
            read_hashes(&j, qn_str_is(key, "text")      ? f->text
                            : qn_str_is(key, "plain")   ? f->plain
                            : qn_str_is(key, "special") ? f->special
                                                        : f->decoded, &f->n);
    }
    CHECK_OK(more);
    CHECK_INT(f->n, GROUPS);
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

TEST(strings_match_hugging_face) {
    fixture f = {0};
    qn_buf text = {0}, back = {0};
    qn_ids ids = {0};
    const char *path = tok_find_smollm2();
    if (!path)
        SKIP("no SmolLM2-135M-Instruct.Q4_1.gguf in QUERN_MODELS or build/models");
    read_fixture(&f);
    qn_tok *tok = tok_load_gguf(path);
    for (size_t g = 0; g < GROUPS; g++) {
        uint64_t h = TOK_HASH_START, plain = TOK_HASH_START, special = TOK_HASH_START, decoded = TOK_HASH_START;
        for (int64_t i = 0; i < f.group; i++) {
            tok_string((uint64_t)f.seed, g * (uint64_t)f.group + (uint64_t)i, &text);
            h = tok_hash_text(h, &text);
            qn_ids_clear(&ids);
            qn_buf_clear(&back);
            CHECK_OK(qn_tok_encode(tok, text.s, text.n, QN_TOK_PLAIN, &ids));
            plain = tok_hash_ids(plain, &ids);
            qn_ids_clear(&ids);
            CHECK_OK(qn_tok_encode(tok, text.s, text.n, QN_TOK_PARSE_SPECIAL, &ids));
            special = tok_hash_ids(special, &ids);
            CHECK_OK(qn_tok_decode(tok, ids.v, ids.n, 0, &back));
            decoded = tok_hash_text(decoded, &back);
        }
        CHECK(h == f.text[g], "group %zu: the strings themselves differ", g);
        CHECK(plain == f.plain[g], "group %zu, special tokens as text", g);
        CHECK(special == f.special[g], "group %zu, special tokens parsed", g);
        CHECK(decoded == f.decoded[g], "group %zu, decoded again", g);
    }
    qn_ids_drop(&ids);
    qn_buf_drop(&back);
    qn_buf_drop(&text);
    qn_tok_free(tok);
}

TEST(smollm2_adds_nothing) {
    qn_ids ids = {0};
    const char *path = tok_find_smollm2();
    if (!path)
        SKIP("no SmolLM2-135M-Instruct.Q4_1.gguf in QUERN_MODELS or build/models");
    qn_tok *tok = tok_load_gguf(path);
    CHECK_INT(qn_tok_bos(tok), 1);
    CHECK_INT(qn_tok_eos(tok), 2);
    CHECK_INT(qn_tok_pad(tok), 2);
    CHECK_VIEW(qn_tok_piece(tok, 1), "<|im_start|>");
    CHECK_OK(qn_tok_encode(tok, "Hello", 5, QN_TOK_DEFAULT, &ids));
    CHECK_INT(ids.n, 1);
    CHECK(!qn_tok_adds(tok, 1), "add_bos_token is false");
    qn_ids_drop(&ids);
    qn_tok_free(tok);
}
