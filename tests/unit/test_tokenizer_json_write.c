/* tests/unit/test_tokenizer_json_write.c — a tokenizer written and read again is the same; what no document can hold is
 * refused; and pipelines find the name they came from. (test_tokenizer_json.c holds every component that was written
 * again to Hugging Face's ids.) */
#include "format/tokenizer_json_write.h"
#include "tok_load.h"
#include "tok_strings.h"

static void same_ids(const qn_tok *a, const qn_tok *b, const char *name) {
    qn_ids x = {0}, y = {0};
    qn_buf text = {0}, s = {0}, t = {0};
    for (uint64_t i = 0; i < 300; i++) {
        qn_buf_clear(&text);
        tok_string(7, i, &text);
        qn_ids_clear(&x);
        qn_ids_clear(&y);
        CHECK_OK(qn_tok_encode(a, text.s, text.n, QN_TOK_DEFAULT, &x), "%s", name);
        CHECK_OK(qn_tok_encode(b, text.s, text.n, QN_TOK_DEFAULT, &y), "%s", name);
        CHECK_INT(x.n, y.n, "%s: string %llu", name, (unsigned long long)i);
        CHECK(x.n == 0 || memcmp(x.v, y.v, x.n * sizeof *x.v) == 0, "%s: string %llu", name, (unsigned long long)i);
        qn_buf_clear(&s);
        qn_buf_clear(&t);
        CHECK_OK(qn_tok_decode(a, x.v, x.n, 0, &s));
        CHECK_OK(qn_tok_decode(b, x.v, x.n, 0, &t));
        CHECK(qn_str_eq(qn_buf_view(&s), qn_buf_view(&t)), "%s: string %llu", name, (unsigned long long)i);
    }
    qn_ids_drop(&x);
    qn_ids_drop(&y);
    qn_buf_drop(&text);
    qn_buf_drop(&s);
    qn_buf_drop(&t);
}

/* Written, read, written: the same bytes; and the same tokenizer. */
static void there_and_back(const qn_str json, const char *name) {
    qn_tok_spec first, second;
    qn_buf once = {0}, twice = {0};
    qn_tok *a, *b;
    CHECK_OK(qn_tokenizer_json_parse(json.s, json.n, name, &first), "%s", name);
    CHECK_OK(qn_tokenizer_json_write(&first, &once), "%s", name);
    CHECK_OK(qn_tokenizer_json_parse(once.s, once.n, name, &second), "%s", name);
    CHECK_OK(qn_tokenizer_json_write(&second, &twice), "%s", name);
    CHECK_STR(once.s, twice.s, "%s", name);
    CHECK_OK(qn_tok_new(&a, &first), "%s", name);
    CHECK_OK(qn_tok_new(&b, &second), "%s", name);
    same_ids(a, b, name);
    qn_tok_free(a);
    qn_tok_free(b);
    qn_tok_spec_drop(&first);
    qn_tok_spec_drop(&second);
    qn_buf_drop(&once);
    qn_buf_drop(&twice);
}

TEST(whole_vocabularies_come_back) {
    static const char *const names[] = {"tok_bytelevel.json", "tok_metaspace.json", "tok_affixes.json"};
    for (size_t i = 0; i < QN_LEN(names); i++) {
        qn_buf json = {0};
        CHECK_OK(qn_read_file(&json, qn_test_fixture(names[i]), 65536));
        there_and_back(qn_buf_view(&json), names[i]);
        qn_buf_drop(&json);
    }
}

/* ---- tables that need care ---- */

static void add_tokens(qn_tok_spec *s, const char *const *texts, size_t n) {
    qn_tok_spec_init(s);
    s->model = QN_TOK_BPE;
    for (size_t i = 0; i < n; i++)
        CHECK_OK(qn_tok_spec_token(s, (int64_t)i, qn_str_of(texts[i]), QN_TOKEN_NORMAL));
}

TEST(merges_that_lack_tokens_are_left_out_or_refused) {
    qn_tok_spec s;
    qn_buf out = {0};
    add_tokens(&s, (const char *[]){"a", "b", "ab"}, 3);
    CHECK_OK(qn_tok_spec_merge(&s, QN_STR("a"), QN_STR("b")));
    CHECK_OK(qn_tok_spec_merge(&s, QN_STR("b"), QN_STR("a")));
    CHECK_FAIL(qn_tokenizer_json_write(&s, &out), QN_EFORMAT, "the merge of \"b\" and \"a\"");
    s.skip_bad_merges = true;
    qn_buf_clear(&out);
    CHECK_OK(qn_tokenizer_json_write(&s, &out));
    CHECK_CONTAINS(out.s, "\"a b\"");
    CHECK(!strstr(out.s, "\"b a\""));
    qn_tok_spec_drop(&s);
    qn_buf_drop(&out);
}

/* "x y" + "z" as one string would be three; and a first half "#version" would be taken for a comment. */
TEST(merges_with_blanks_are_pairs) {
    static const char *const left[] = {"x y", "#version"};
    for (size_t i = 0; i < QN_LEN(left); i++) {
        qn_tok_spec s, again;
        qn_buf out = {0}, whole = {0};
        CHECK_OK(qn_buf_printf(&whole, "%sz", left[i]));
        add_tokens(&s, (const char *[]){left[i], "z", whole.s}, 3);
        CHECK_OK(qn_tok_spec_merge(&s, qn_str_of(left[i]), QN_STR("z")));
        CHECK_OK(qn_tokenizer_json_write(&s, &out));
        CHECK_OK(qn_tokenizer_json_parse(out.s, out.n, "pairs", &again));
        CHECK_INT(again.n_merges, 1);
        CHECK_VIEW(again.merges[0].left, left[i]);
        CHECK_VIEW(again.merges[0].right, "z");
        qn_tok_spec_drop(&again);
        qn_tok_spec_drop(&s);
        qn_buf_drop(&out);
        qn_buf_drop(&whole);
    }
}

TEST(equal_texts_keep_the_lower_id_and_bad_ones_are_refused) {
    qn_tok_spec s, again;
    qn_buf out = {0};
    add_tokens(&s, (const char *[]){"a", "twin", "twin"}, 3);
    CHECK_OK(qn_tokenizer_json_write(&s, &out));
    CHECK_OK(qn_tokenizer_json_parse(out.s, out.n, "twins", &again));
    CHECK_INT(qn_tok_spec_find(&again, QN_STR("twin")), 1);
    CHECK_INT(again.n_vocab, 2);
    qn_tok_spec_drop(&again);
    CHECK_OK(qn_tok_spec_added(&s, &(qn_tok_added){.id = 0, .text = QN_STR("<s>")}));
    CHECK_FAIL(qn_tokenizer_json_write(&s, &out), QN_EFORMAT, "id 0 is \"a\"");
    s.n_added = 0;
    CHECK_OK(qn_tok_spec_token(&s, 3, QN_STR("\xff"), QN_TOKEN_NORMAL));
    CHECK_FAIL(qn_tokenizer_json_write(&s, &out), QN_EUTF8, "token 3");
    s.model = QN_TOK_MODEL_NONE;
    CHECK_FAIL(qn_tokenizer_json_write(&s, &out), QN_EUNSUPPORTED, "BPE");
    qn_tok_spec_drop(&s);
    qn_buf_drop(&out);
}

TEST(every_failed_allocation_is_an_error) {
    qn_buf json = {0};
    qn_tok_spec s;
    CHECK_OK(qn_read_file(&json, qn_test_fixture("tok_bytelevel.json"), 65536));
    CHECK_OK(qn_tokenizer_json_parse(json.s, json.n, "bytelevel", &s));
    int64_t n = 0;
    for (int rc = -1; rc < 0; n++) {
        qn_buf out = {0};
        qn_mem_fail_after(n);
        rc = qn_tokenizer_json_write(&s, &out);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld", (long long)n);
        qn_buf_drop(&out);
    }
    CHECK(n > 5);
    qn_tok_spec_drop(&s);
    qn_buf_drop(&json);
}

/* ---- names of pipelines ---- */

TEST(pipelines_find_their_names) {
    /* A name, and the first of the names that stand for the same. */
    static const struct { const char *name, *first; } names[] = {
        {"gpt-2", "gpt-2"}, {"mpt", "gpt-2"}, {"smollm", "smollm"}, {"starcoder", "smollm"}, {"llama-bpe", "llama3"},
        {"dbrx", "dbrx"}, {"qwen2", "qwen2"}, {"tekken", "tekken"}, {"default", "default"}, {"gpt-4o", "gpt-4o"},
        {"deepseek-llm", "deepseek-llm"}, {"bloom", "poro-chat"}, {"falcon", "falcon"},
    };
    for (size_t i = 0; i < QN_LEN(names); i++) {
        qn_tok_spec s;
        qn_tok_spec_init(&s);
        CHECK_OK(qn_tok_spec_pre_name(&s, qn_str_of(names[i].name)));
        CHECK_STR(qn_tok_spec_pre_find(&s), names[i].first, "%s", names[i].name);
        s.ignore_merges = !s.ignore_merges;
        const char *other = qn_tok_spec_pre_find(&s);
        CHECK(!other || strcmp(other, names[i].first) != 0, "%s: whole words are part of it", names[i].name);
        qn_tok_spec_drop(&s);
    }
}

/* As Hugging Face spells them: Digits, and byte level that brings its own pattern. */
TEST(other_spellings_of_a_pipeline_are_recognised_and_near_misses_are_not) {
    const qn_tok_pretok byte_level = {.kind = QN_PRETOK_BYTE_LEVEL, .use_regex = true};
    const qn_tok_pretok digits = {.kind = QN_PRETOK_DIGITS, .behavior = QN_SPLIT_ISOLATED};
    const qn_tok_pretok runs = {.kind = QN_PRETOK_DIGITS, .behavior = QN_SPLIT_CONTIGUOUS};
    const qn_tok_pretok spaced = {.kind = QN_PRETOK_BYTE_LEVEL, .use_regex = true, .add_prefix_space = true};
    const qn_tok_pretok bare = {.kind = QN_PRETOK_BYTE_LEVEL};
    const struct { const qn_tok_pretok *step[2]; const char *name; } cases[] = {
        {{&byte_level}, "gpt-2"}, {{&digits, &byte_level}, "smollm"}, {{&runs, &byte_level}, NULL}, {{&spaced}, NULL},
        {{&bare}, NULL}, {{&digits}, NULL}, {{&byte_level, &digits}, NULL}, {{&digits, &bare}, NULL},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_tok_spec s;
        qn_tok_spec_init(&s);
        for (size_t k = 0; k < 2 && cases[i].step[k]; k++)
            CHECK_OK(qn_tok_spec_pretok(&s, cases[i].step[k]));
        CHECK_STR(qn_tok_spec_pre_find(&s), cases[i].name, "case %zu", i);
        qn_tok_spec_drop(&s);
    }
}
