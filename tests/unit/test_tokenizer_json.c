/* tests/unit/test_tokenizer_json.c — tokenizer.json files with every supported component give the ids and texts of
 * Hugging Face's tokenizers (fixtures by tools/fixtures/tokenizer_configs.py); bad files give an error that helps. */
#include "base/json.h"
#include "format/tokenizer_json.h"
#include "format/tokenizer_json_write.h"
#include "tok_strings.h"

#define MAX_STRINGS 1000

/* ---- documents put together from a vocabulary file and the parts that a case overrides ---- */

typedef struct { qn_str key, raw; } member;
typedef struct { member m[32]; size_t n; } object;

/* The members of a JSON object, as they stand. Keys are copied into `keys`, which was reserved. */
static void read_object(qn_str text, object *o, qn_buf *keys) {
    qn_json j;
    qn_str key;
    int more;
    o->n = 0;
    qn_json_init(&j, text.s, text.n, "object");
    CHECK_OK(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        CHECK(o->n < QN_LEN(o->m) && keys->cap - keys->n > key.n);
        o->m[o->n].key = (qn_str){keys->s + keys->n, key.n};
        CHECK_OK(qn_buf_put(keys, key.s, key.n));
        CHECK_OK(qn_json_raw(&j, &o->m[o->n++].raw));
    }
    CHECK_OK(more);
    qn_json_drop(&j);
}

static qn_str *find(object *o, const char *key) {
    for (size_t i = 0; i < o->n; i++)
        if (qn_str_is(o->m[i].key, key))
            return &o->m[i].raw;
    return NULL;
}

static void put_object(qn_buf *out, const object *o) {
    for (size_t i = 0; i < o->n; i++) {
        CHECK_OK(qn_buf_puts(out, i ? ", " : "{"));
        CHECK_OK(qn_json_quote(out, o->m[i].key));
        CHECK_OK(qn_buf_puts(out, ": "));
        CHECK_OK(qn_buf_put(out, o->m[i].raw.s, o->m[i].raw.n));
    }
    CHECK_OK(qn_buf_puts(out, "}"));
}

/* base with the members of parts instead of its own. */
static void override(object *base, const object *parts) {
    for (size_t i = 0; i < parts->n; i++) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", QN_STR_ARG(parts->m[i].key));
        qn_str *at = find(base, key);
        if (at)
            *at = parts->m[i].raw;
        else
            base->m[base->n++] = parts->m[i];
    }
}

static void build_document(object *entry, qn_buf *doc) {
    object base, parts, model, model_parts;
    qn_buf file = {0}, keys = {0}, model_text = {0};
    char name[64];
    CHECK_OK(qn_buf_reserve(&keys, 4096));
    qn_str raw = *find(entry, "base");
    snprintf(name, sizeof name, "%.*s", (int)raw.n - 2, raw.s + 1);
    CHECK_OK(qn_read_file(&file, qn_test_fixture(name), 65536));
    read_object(qn_buf_view(&file), &base, &keys);
    read_object(*find(&base, "model"), &model, &keys);
    read_object(*find(entry, "model"), &model_parts, &keys);
    read_object(*find(entry, "parts"), &parts, &keys);
    override(&base, &parts);
    override(&model, &model_parts);
    put_object(&model_text, &model);
    *find(&base, "model") = qn_buf_view(&model_text);
    put_object(doc, &base);
    qn_buf_drop(&file);
    qn_buf_drop(&keys);
    qn_buf_drop(&model_text);
}

static uint64_t hash_of(object *entry, const char *key) {
    char hex[32];
    qn_str raw = *find(entry, key);
    snprintf(hex, sizeof hex, "%.*s", (int)raw.n - 2, raw.s + 1);
    return strtoull(hex, NULL, 16);
}

static void check_tokens(object *entry, const qn_tok *tok, uint64_t seed, uint64_t count) {
    qn_buf text = {0}, back = {0};
    qn_ids ids = {0};
    uint64_t all = TOK_HASH_START, plain = TOK_HASH_START, decoded = TOK_HASH_START;
    qn_str name = *find(entry, "name");
    for (uint64_t i = 0; i < count; i++) {
        tok_string(seed, i, &text);
        qn_ids_clear(&ids);
        CHECK_OK(qn_tok_encode(tok, text.s, text.n, QN_TOK_PLAIN, &ids));
        plain = tok_hash_ids(plain, &ids);
        qn_ids_clear(&ids);
        CHECK_OK(qn_tok_encode(tok, text.s, text.n, QN_TOK_DEFAULT, &ids));
        all = tok_hash_ids(all, &ids);
        qn_buf_clear(&back);
        CHECK_OK(qn_tok_decode(tok, ids.v, ids.n, 0, &back));
        decoded = tok_hash_text(decoded, &back);
    }
    CHECK(plain == hash_of(entry, "plain"), "%.*s: ids, special tokens as text", QN_STR_ARG(name));
    CHECK(all == hash_of(entry, "ids"), "%.*s: ids", QN_STR_ARG(name));
    CHECK(!find(entry, "decoded") || decoded == hash_of(entry, "decoded"), "%.*s: decoded", QN_STR_ARG(name));
    qn_buf_drop(&text);
    qn_buf_drop(&back);
    qn_ids_drop(&ids);
}

/* The document as Hugging Face wrote it, and as we write what we read of it. */
static void check_case(object *entry, uint64_t seed, uint64_t count) {
    qn_buf doc[2] = {{0}};
    qn_str name = *find(entry, "name");
    build_document(entry, &doc[0]);
    for (int again = 0; again < 2; again++) {
        qn_tok_spec spec;
        qn_tok *tok;
        CHECK_OK(qn_tokenizer_json_parse(doc[again].s, doc[again].n, "t.json", &spec), "%.*s", QN_STR_ARG(name));
        CHECK_OK(qn_tok_new(&tok, &spec), "%.*s", QN_STR_ARG(name));
        if (!again)
            CHECK_OK(qn_tokenizer_json_write(&spec, &doc[1]), "%.*s", QN_STR_ARG(name));
        qn_tok_spec_drop(&spec);
        check_tokens(entry, tok, seed, count);
        qn_tok_free(tok);
    }
    qn_buf_drop(&doc[0]);
    qn_buf_drop(&doc[1]);
}

TEST(components_match_hugging_face) {
    qn_buf file = {0}, keys = {0}, text = {0};
    object top, entry;
    qn_json j;
    int64_t seed, count, cases = 0;
    int more;
    uint64_t h = TOK_HASH_START;
    CHECK_OK(qn_buf_reserve(&keys, 4096));
    CHECK_OK(qn_read_file(&file, qn_test_fixture("tok_configs.json"), 65536));
    read_object(qn_buf_view(&file), &top, &keys);
    CHECK(qn_parse_i64(*find(&top, "seed"), &seed) && qn_parse_i64(*find(&top, "count"), &count));
    CHECK(count > 0 && count <= MAX_STRINGS);
    for (int64_t i = 0; i < count; i++) {
        tok_string((uint64_t)seed, (uint64_t)i, &text);
        h = tok_hash_text(h, &text);
    }
    CHECK(h == hash_of(&top, "text"), "the strings themselves differ");
    qn_str list = *find(&top, "configs"), raw;
    qn_json_init(&j, list.s, list.n, "configs");
    CHECK_OK(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0) {
        qn_buf_clear(&keys);
        CHECK_OK(qn_json_raw(&j, &raw));
        read_object(raw, &entry, &keys);
        check_case(&entry, (uint64_t)seed, (uint64_t)count);
        cases++;
    }
    CHECK_OK(more);
    CHECK(cases > 40);
    qn_json_drop(&j);
    qn_buf_drop(&text);
    qn_buf_drop(&keys);
    qn_buf_drop(&file);
}

/* ---- bad files ---- */

#define MODEL(vocab, merges) "\"model\": {\"type\": \"BPE\", \"vocab\": {" vocab "}, \"merges\": [" merges "]}"
#define DOC(member) "{" member ", " MODEL("\"a\": 0, \"b\": 1, \"ab\": 2", "\"a b\"") "}"

TEST(says_what_is_wrong) {
    static const struct { const char *text; int code; const char *says; } bad[] = {
        {"", QN_EFORMAT, "t.json"},
        {"{}", QN_EFORMAT, "no \"model\""},
        {"{\"model\": {\"type\": \"Unigram\"}}", QN_EUNSUPPORTED, "Unigram"},
        {"{\"model\": {\"vocab\": [[\"a\", 0]]}}", QN_EUNSUPPORTED, "list"},
        {"{\"model\": {\"vocab\": {}}}", QN_EUNSUPPORTED, "merges"},
        {"{" MODEL("\"a\": -1", "") "}", QN_EFORMAT, "-1"},
        {"{" MODEL("\"a\": 2000000", "") "}", QN_EFORMAT, "2000000"},
        {"{" MODEL("\"a\": 1.5", "") "}", QN_EFORMAT, "t.json:1"},
        {"{" MODEL("\"a\": 0", "\"ab\"") "}", QN_EFORMAT, "ab"},
        {"{" MODEL("\"a\": 0", "\"a b c\"") "}", QN_EFORMAT, "a b c"},
        {"{" MODEL("\"a\": 0", "[\"a\"]") "}", QN_EFORMAT, "1 tokens"},
        {"{" MODEL("\"a\": 0", "[\"a\", \"b\", \"c\"]") "}", QN_EFORMAT, "3 tokens"},
        {DOC("\"normalizer\": {\"type\": \"Precompiled\"}"), QN_EUNSUPPORTED, "normalizer \"Precompiled\""},
        {DOC("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}"), QN_EUNSUPPORTED, "\"UnicodeScripts\""},
        {DOC("\"pre_tokenizer\": {\"type\": \"Split\", \"pretokenizers\": []}"), QN_EFORMAT, "pretokenizers"},
        {DOC("\"pre_tokenizer\": {\"type\": \"Punctuation\", \"behavior\": \"Up\"}"), QN_EUNSUPPORTED, "Up"},
        {DOC("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"often\"}"), QN_EUNSUPPORTED, "often"},
        {DOC("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Glob\": \"*\"}}"), QN_EUNSUPPORTED, "Glob"},
        {DOC("\"decoder\": {\"type\": \"CTC\"}"), QN_EUNSUPPORTED, "decoder \"CTC\""},
        {DOC("\"decoder\": {\"type\": \"Strip\", \"content\": \"\", \"start\": 1, \"stop\": 0}"), QN_EFORMAT, "Strip"},
        {DOC("\"post_processor\": {\"type\": \"Magic\"}"), QN_EUNSUPPORTED, "Magic"},
        {DOC("\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 0]}"), QN_EFORMAT, "sep"},
        {DOC("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
             "[{\"SpecialToken\": {\"id\": \"x\"}}, {\"Sequence\": {\"id\": \"A\"}}]}"), QN_EFORMAT, "\"x\""},
        {DOC("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []}"), QN_EUNSUPPORTED,
         "without the text"},
        {DOC("\"added_tokens\": [{\"content\": \"x\"}]"), QN_EFORMAT, "without an id"},
        {DOC("\"added_tokens\": [{\"id\": 99999999, \"content\": \"x\"}]"), QN_EFORMAT, "99999999"},
    };
    int64_t before = qn_mem_stats_get(QN_MEM_TOK).live_bytes;
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        qn_tok_spec spec;
        CHECK_FAIL(qn_tokenizer_json_parse(bad[i].text, strlen(bad[i].text), "t.json", &spec), bad[i].code,
                   bad[i].says, "%s", bad[i].text);
        CHECK_NO_LEAK(QN_MEM_TOK, before, "%s", bad[i].text);
    }
}

/* Planes 0 to 2 and 14, each code point between two letters. With these four tokens a word is [UNK], so that the ids
 * say whether it went, stands apart, or is of the word. */
TEST(bert_takes_every_character_for_what_hugging_face_does) {
    static const char json[] =
        "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", "
        "\"max_input_chars_per_word\": 100, \"vocab\": {\"[UNK]\": 0, \"a\": 1, \"b\": 2, \"ab\": 3}}, "
        "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, "
        "\"strip_accents\": null, \"lowercase\": true}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}";
    qn_buf file = {0}, keys = {0}, text = {0}, hex = {0};
    qn_ids ids = {0};
    qn_tok_spec spec;
    qn_tok *tok;
    qn_json j;
    object top;
    int64_t block;
    uint32_t blocks = 0;
    CHECK_OK(qn_tokenizer_json_parse(json, sizeof json - 1, "t.json", &spec));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    CHECK_OK(qn_buf_reserve(&keys, 4096));
    CHECK_OK(qn_read_file(&file, qn_test_fixture("tok_bert_classes.json"), 65536));
    read_object(qn_buf_view(&file), &top, &keys);
    CHECK(qn_parse_i64(*find(&top, "block"), &block));
    const qn_str list = *find(&top, "ids");
    qn_json_init(&j, list.s, list.n, "ids");
    CHECK_OK(qn_json_enter(&j, '['));
    for (; qn_json_item(&j) > 0; blocks++) {
        const uint32_t first = (blocks < 0x30 ? blocks : blocks + 0xe0 - 0x30) * (uint32_t)block;
        uint64_t h = TOK_HASH_START;
        qn_buf_clear(&hex);
        CHECK_OK(qn_json_string(&j, &hex));
        for (uint32_t c = QN_MAX(first, 1); c < first + (uint32_t)block; c++) {
            if (c >= 0xd800 && c < 0xe000)
                continue;
            qn_buf_clear(&text);
            qn_ids_clear(&ids);
            CHECK_OK(qn_buf_putc(&text, 'a'));
            CHECK_OK(qn_buf_utf8(&text, c));
            CHECK_OK(qn_buf_putc(&text, 'b'));
            CHECK_OK(qn_tok_encode(tok, text.s, text.n, QN_TOK_PLAIN, &ids));
            h = tok_hash_ids(h, &ids);
        }
        CHECK(h == strtoull(hex.s, NULL, 16), "U+%X and what follows it", first);
    }
    CHECK_INT(blocks, 0x30 + 0x10);
    qn_json_drop(&j);
    qn_tok_free(tok);
    qn_ids_drop(&ids);
    qn_buf_drop(&file);
    qn_buf_drop(&keys);
    qn_buf_drop(&text);
    qn_buf_drop(&hex);
}

TEST(truncated_files_are_errors) {
    static const char doc[] = DOC("\"added_tokens\": [{\"id\": 3, \"content\": \"<x>\", \"special\": true}]");
    for (size_t n = 0; n + 1 < sizeof doc; n++) {
        qn_tok_spec spec;
        CHECK(qn_tokenizer_json_parse(doc, n, "t.json", &spec) < 0, "%zu bytes", n);
    }
    qn_tok_spec spec;
    CHECK_OK(qn_tokenizer_json_parse(doc, sizeof doc - 1, "t.json", &spec));
    CHECK_INT(qn_tok_spec_find(&spec, QN_STR("<x>")), 3);
    CHECK_INT(qn_tok_spec_find(&spec, QN_STR("ab")), 2);
    CHECK_INT(qn_tok_spec_find(&spec, QN_STR("c")), -1);
    qn_tok_spec_drop(&spec);
}

/* The order of keys is not given; a type may come last, the model first. */
TEST(keys_in_any_order) {
    static const char doc[] =
        "{" MODEL("\"ab\": 2, \"b\": 1, \"a\": 0, \"far\": 9", "[\"a\", \"b\"]") ", "
        "\"padding\": {\"length\": 128}, \"truncation\": {\"max_length\": 2}, "
        "\"pre_tokenizer\": {\"pretokenizers\": [{\"individual_digits\": true, \"type\": \"Digits\"}], "
        "\"type\": \"Sequence\"}}";
    qn_tok_spec spec;
    qn_tok *t;
    qn_ids ids = {0};
    CHECK_OK(qn_tokenizer_json_parse(doc, sizeof doc - 1, "t.json", &spec));
    CHECK_OK(qn_tok_new(&t, &spec));
    CHECK_OK(qn_tok_encode(t, "abbab", 5, QN_TOK_DEFAULT, &ids));
    CHECK(ids.n == 3 && ids.v[0] == 2 && ids.v[1] == 1 && ids.v[2] == 2, "neither padded nor truncated");
    CHECK_INT(qn_tok_size(t), 10);
    CHECK_INT(qn_tok_type(t, 5), QN_TOKEN_HOLE);
    CHECK_INT(qn_tok_id(t, QN_STR("far")), 9);
    qn_ids_drop(&ids);
    qn_tok_spec_drop(&spec);
    qn_tok_free(t);
}
