/* tests/unit/test_tok.c — the tokenizer's promises that no reference covers: trusted ranges, streaming, long words,
 * limits, errors, memory. Ids against references: test_tok_vocabs.c, test_tok_smollm2.c, test_tokenizer_json.c. */
#include <pthread.h>

#include "tok_load.h"
#include "tok_strings.h"

#define IM_START 1      /* ids in tok_bytelevel.json */
#define IM_END 2

static void encode(const qn_tok *t, const char *text, unsigned flags, qn_ids *ids) {
    qn_ids_clear(ids);
    CHECK_OK(qn_tok_encode(t, text, strlen(text), flags, ids), "%s", text);
}

static size_t count(const qn_ids *ids, int32_t id) {
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        n += ids->v[i] == id;
    return n;
}

static void check_same(const qn_ids *got, const qn_ids *want, const char *what) {
    CHECK_INT(got->n, want->n, "%s", what);
    for (size_t i = 0; i < want->n; i++)
        CHECK_INT(got->v[i], want->v[i], "%s, token %zu", what, i);
}

TEST(special_tokens_are_text_unless_asked_for) {
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0};
    encode(t, "a<|im_start|>b", QN_TOK_PLAIN, &ids);
    CHECK_INT(count(&ids, IM_START), 0);
    encode(t, "a<|im_start|>b", QN_TOK_PARSE_SPECIAL, &ids);
    CHECK_INT(count(&ids, IM_START), 1);
    CHECK_INT(ids.n, 3);
    qn_ids_drop(&ids);
    qn_tok_free(t);
}

/* Nothing runs across a cut, and nothing is put in front of what stands behind one. */
TEST(cuts_part_what_is_encoded) {
    static const char *const fixtures[] = {"tok_bytelevel.json", "tok_metaspace.json", "tok_affixes.json"};
    static const char text[] = "trying the token";
    for (size_t f = 0; f < QN_LEN(fixtures); f++) {
        qn_tok *t = tok_load_json(fixtures[f]);
        const size_t at[] = {0, 3, 3, 10, sizeof text - 1};
        size_t n[5];
        qn_ids ids = {0}, whole = {0}, head = {0};
        qn_buf back = {0};
        const qn_tok_cuts cuts = {at, 5, n};
        CHECK_OK(qn_tok_encode_cuts(t, text, sizeof text - 1, NULL, 0, &cuts, QN_TOK_PLAIN, &ids));
        encode(t, text, QN_TOK_PLAIN, &whole);
        encode(t, "try", QN_TOK_PLAIN, &head);
        CHECK(ids.n >= whole.n, "%s: a cut within a word makes no fewer tokens", fixtures[f]);
        CHECK_INT(n[0], 0);
        CHECK_INT(n[1], head.n, "%s", fixtures[f]);
        CHECK_INT(n[2], head.n);
        CHECK_INT(n[4], ids.n);
        CHECK_INT(memcmp(ids.v, head.v, head.n * sizeof *ids.v), 0, "%s", fixtures[f]);
        CHECK_OK(qn_tok_decode(t, ids.v, ids.n, QN_TOK_PLAIN, &back));
        if (f < 2)                              /* the third joins its words by a rule of its own */
            CHECK_STR(back.s, text, "%s", fixtures[f]);
        const size_t back_to_front[] = {3, 2}, beyond[] = {99};
        CHECK_FAIL(qn_tok_encode_cuts(t, text, sizeof text - 1, NULL, 0, &(qn_tok_cuts){back_to_front, 2, n}, 0, &ids),
                   QN_EINVAL, "cut 1");
        CHECK_FAIL(qn_tok_encode_cuts(t, text, sizeof text - 1, NULL, 0, &(qn_tok_cuts){beyond, 1, n}, 0, &ids),
                   QN_EINVAL, "cut 0");
        qn_buf_drop(&back);
        qn_ids_drop(&ids);
        qn_ids_drop(&whole);
        qn_ids_drop(&head);
        qn_tok_free(t);
    }
}

/* In `text` the trusted ranges stand between "{" and "}", which are taken out. */
static void encode_marked(const qn_tok *t, const char *text, qn_ids *ids, qn_buf *plain) {
    qn_tok_span span[8];
    size_t n = 0;
    qn_buf_clear(plain);
    for (const char *p = text; *p; p++) {
        if (*p == '{')
            span[n].begin = plain->n;
        else if (*p == '}')
            span[n++].end = plain->n;
        else
            CHECK_OK(qn_buf_putc(plain, *p));
    }
    qn_ids_clear(ids);
    CHECK_OK(qn_tok_encode_spans(t, plain->s, plain->n, span, n, 0, ids), "%s", text);
}

TEST(only_trusted_ranges_hold_special_tokens) {
    static const struct { const char *text; size_t starts, ends; } cases[] = {
        {"{<|im_start|>}user says <|im_end|>{<|im_end|>}", 1, 1},
        {"<|im_start|>", 0, 0},
        {"{<|im_}start|>", 0, 0},                       /* half of it is a stranger's */
        {"<|im_{start|>}", 0, 0},
        {"{<|im_}{start|>}", 1, 0},                     /* ranges that touch are one */
        {"{<|im_start|>}<|im_end|>{<|im_start|>}", 2, 0},
        {"<|im_start|{<|im_start|>}", 1, 0},
        {"{x<|im_start|>y}", 1, 0},
        {"<|im_start|><|im_start|>{<|im_end|><|im_end|>}", 0, 2},
    };
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0};
    qn_buf plain = {0}, back = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        encode_marked(t, cases[i].text, &ids, &plain);
        CHECK_INT(count(&ids, IM_START), cases[i].starts, "%s", cases[i].text);
        CHECK_INT(count(&ids, IM_END), cases[i].ends, "%s", cases[i].text);
        qn_buf_clear(&back);
        CHECK_OK(qn_tok_decode(t, ids.v, ids.n, 0, &back));
        CHECK(qn_str_eq(qn_buf_view(&back), qn_buf_view(&plain)), "%s", cases[i].text);
    }
    qn_buf_drop(&plain);
    qn_buf_drop(&back);
    qn_ids_drop(&ids);
    qn_tok_free(t);
}

TEST(the_border_of_a_range_splits_no_word) {
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0}, want = {0};
    qn_buf plain = {0};
    encode(t, "unbelievable tokenizer", QN_TOK_PLAIN, &want);
    encode_marked(t, "{unbel}ievable {token}izer", &ids, &plain);
    check_same(&ids, &want, "split by ranges");
    qn_buf_drop(&plain);
    qn_ids_drop(&ids);
    qn_ids_drop(&want);
    qn_tok_free(t);
}

TEST(ranges_out_of_order_are_refused) {
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0};
    const qn_tok_span back[] = {{3, 4}, {1, 2}}, beyond[] = {{0, 9}}, negative[] = {{3, 2}};
    CHECK_FAIL(qn_tok_encode_spans(t, "abcdef", 6, back, 2, 0, &ids), QN_EINVAL, "range 1");
    CHECK_FAIL(qn_tok_encode_spans(t, "abcdef", 6, beyond, 1, 0, &ids), QN_EINVAL, "0…9");
    CHECK_FAIL(qn_tok_encode_spans(t, "abcdef", 6, negative, 1, 0, &ids), QN_EINVAL, "3…2");
    qn_tok_free(t);
}

/* A special token that matches behind the normalizer is found in a trusted range beside a stranger's text. */
TEST(normalized_special_tokens_in_trusted_ranges) {
    qn_tok_spec spec;
    qn_tok *t;
    qn_ids ids = {0};
    qn_buf plain = {0};
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    for (int i = 0; i < 26; i++)
        CHECK_OK(qn_tok_spec_token(&spec, i, (qn_str){&"abcdefghijklmnopqrstuvwxyz"[i], 1}, QN_TOKEN_NORMAL));
    CHECK_OK(qn_tok_spec_norm(&spec, &(qn_tok_norm){.kind = QN_NORM_LOWERCASE}));
    const qn_tok_added end = {.id = 30, .text = QN_STR("End"), .special = true, .normalized = true};
    CHECK_OK(qn_tok_spec_added(&spec, &end));
    CHECK_OK(qn_tok_new(&t, &spec));
    encode(t, "xEND", QN_TOK_PARSE_SPECIAL, &ids);
    CHECK_INT(count(&ids, 30), 1, "in its normalized spelling");
    encode(t, "xEND", QN_TOK_PLAIN, &ids);
    CHECK_INT(count(&ids, 30), 0);
    encode_marked(t, "Xend{End}End", &ids, &plain);
    CHECK_INT(count(&ids, 30), 1, "the trusted one");
    CHECK_INT(ids.n, 4 + 1 + 3);
    CHECK_INT(ids.v[4], 30);
    qn_tok_spec_drop(&spec);
    qn_tok_free(t);
    qn_ids_drop(&ids);
    qn_buf_drop(&plain);
}

TEST(post_processor_puts_its_ids_around) {
    qn_tok_spec spec;
    qn_tok *t;
    qn_ids ids = {0};
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    spec.bos = 1;
    CHECK_OK(qn_tok_spec_token(&spec, 0, QN_STR("a"), QN_TOKEN_NORMAL));
    CHECK_OK(qn_tok_spec_token(&spec, 1, QN_STR("<s>"), QN_TOKEN_CONTROL));
    CHECK_OK(qn_tok_spec_token(&spec, 2, QN_STR("</s>"), QN_TOKEN_CONTROL));
    CHECK_OK(qn_tok_spec_prefix(&spec, 1));
    CHECK_OK(qn_tok_spec_suffix(&spec, 2));
    CHECK_OK(qn_tok_new(&t, &spec));
    encode(t, "aa", QN_TOK_ADD_SPECIAL, &ids);
    CHECK_INT(ids.n, 4);
    CHECK(ids.v[0] == 1 && ids.v[1] == 0 && ids.v[2] == 0 && ids.v[3] == 2);
    encode(t, "", QN_TOK_ADD_SPECIAL, &ids);
    CHECK_INT(ids.n, 2);
    CHECK(qn_tok_adds(t, 1) && qn_tok_adds(t, 2) && !qn_tok_adds(t, 0));
    CHECK(qn_tok_is_special(t, 1) && !qn_tok_is_special(t, 0));
    CHECK(!qn_tok_is_special(t, 99) && !qn_tok_is_special(t, -1));
    qn_tok_spec_drop(&spec);
    qn_tok_free(t);
    qn_ids_drop(&ids);
}

TEST(bad_utf8_is_named_by_its_offset) {
    static const struct { const char *text; size_t n; const char *says; } bad[] = {
        {"abc\xff", 4, "byte 3"}, {"\xc3", 1, "byte 0"}, {"ab\xe2\x82", 4, "byte 2"}, {"\xed\xa0\x80", 3, "byte 0"},
        {"x\xc0\x80", 3, "byte 1"},
    };
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0};
    encode(t, "kept", 0, &ids);
    size_t n = ids.n;
    for (size_t i = 0; i < QN_LEN(bad); i++)
        CHECK_FAIL(qn_tok_encode(t, bad[i].text, bad[i].n, QN_TOK_DEFAULT, &ids), QN_EUTF8, bad[i].says, "case %zu", i);
    CHECK_INT(ids.n, n, "what was there stays");
    CHECK_OK(qn_tok_encode(t, NULL, 0, 0, &ids));
    qn_ids_drop(&ids);
    qn_tok_free(t);
}

/* ---- decoding ---- */

TEST(streaming_gives_whole_characters_only) {
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_buf text = {0}, out = {0}, whole = {0};
    qn_ids ids = {0};
    for (uint64_t i = 0; i < 300; i++) {
        qn_detok d;
        tok_string(5, i, &text);
        qn_ids_clear(&ids);
        qn_buf_clear(&out);
        qn_buf_clear(&whole);
        CHECK_OK(qn_tok_encode(t, text.s, text.n, QN_TOK_PARSE_SPECIAL, &ids));
        qn_detok_init(&d, t, 0);
        for (size_t k = 0; k < ids.n; k++) {
            CHECK_OK(qn_detok_push(&d, ids.v[k], &out));
            CHECK(qn_utf8_check(out.s ? out.s : "", out.n) == QN_UTF8_OK, "string %d, token %zu", (int)i, k);
        }
        CHECK_OK(qn_detok_flush(&d, &out));
        CHECK(qn_str_eq(qn_buf_view(&out), qn_buf_view(&text)), "string %d", (int)i);
        CHECK_OK(qn_tok_decode(t, ids.v, ids.n, QN_TOK_RAW_BYTES, &whole));
        CHECK(qn_str_eq(qn_buf_view(&whole), qn_buf_view(&text)), "string %d, raw", (int)i);
    }
    qn_buf_drop(&text);
    qn_buf_drop(&out);
    qn_buf_drop(&whole);
    qn_ids_drop(&ids);
    qn_tok_free(t);
}

/* One token per byte: the detokenizer as a decoder of arbitrary bytes. */
static qn_tok *bytes_tokenizer(void) {
    qn_tok_spec spec;
    qn_tok *t;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    CHECK_OK(qn_tok_spec_bytes(&spec));
    CHECK_OK(qn_tok_spec_token(&spec, 256, QN_STR("<end>"), QN_TOKEN_CONTROL));
    CHECK_OK(qn_tok_spec_decoder(&spec, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_FALLBACK}));
    CHECK_OK(qn_tok_new(&t, &spec));
    qn_tok_spec_drop(&spec);
    return t;
}

TEST(what_is_no_utf8_becomes_replacement_characters) {
    /* Expected as by the Unicode Standard, table 3-8 and its neighbours: one U+FFFD per maximal part. */
    static const struct { const char *bytes, *text; } cases[] = {
        {"abc", "abc"},
        {"\xc3\xa9", "é"},
        {"\xc3", "\xef\xbf\xbd"},
        {"a\xc3z", "a\xef\xbf\xbdz"},
        {"\xf0\x9f\x9a\x80", "🚀"},
        {"\xf0\x9f\x9a", "\xef\xbf\xbd"},
        {"\xf0\x9f\x9a!", "\xef\xbf\xbd!"},
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x91\x92\x93", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff\x41\x80", "\xef\xbf\xbd\x41\xef\xbf\xbd"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x41"},
    };
    qn_tok *t = bytes_tokenizer();
    qn_buf out = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_detok d;
        qn_buf_clear(&out);
        qn_detok_init(&d, t, 0);
        for (const char *p = cases[i].bytes; *p; p++)
            CHECK_OK(qn_detok_push(&d, (unsigned char)*p, &out));
        CHECK_OK(qn_detok_flush(&d, &out));
        CHECK_VIEW(qn_buf_view(&out), cases[i].text, "case %zu", i);
    }
    qn_buf_drop(&out);
    qn_tok_free(t);
}

TEST(skipping_special_tokens_and_unknown_ids) {
    qn_tok *t = bytes_tokenizer();
    qn_buf out = {0};
    const int32_t ids[] = {'a', 256, -1, 99999, 'b'};
    CHECK_OK(qn_tok_decode(t, ids, QN_LEN(ids), QN_TOK_SKIP_SPECIAL, &out));
    CHECK_VIEW(qn_buf_view(&out), "ab");
    qn_buf_clear(&out);
    CHECK_OK(qn_tok_decode(t, ids, QN_LEN(ids), 0, &out));
    CHECK_VIEW(qn_buf_view(&out), "a<end>b");
    CHECK_INT(qn_tok_id(t, QN_STR("<end>")), 256);
    CHECK_INT(qn_tok_id(t, QN_STR("nothing")), -1);
    CHECK_VIEW(qn_tok_text(t, 65), "<0x41>");
    CHECK_VIEW(qn_tok_piece(t, 65), "A");
    CHECK_VIEW(qn_tok_piece(t, 12345), "");
    CHECK_INT(qn_tok_size(t), 257);
    qn_buf_drop(&out);
    qn_tok_free(t);
}

/* ---- long words ---- */

/* Tokens over a and b, and two orders of the same merges. "odd" makes later merges rarer and earlier ones possible
 * again; "learned" merges nothing before it has made it. */
enum { AB_TOKENS = 9, AB_MERGES = 8 };
static const char *const ab_token[AB_TOKENS] = {"a", "b", "ab", "ba", "aba", "bab", "abab", "aa", "aabab"};
typedef struct { int8_t left, right, whole; } ab_merge;
static const ab_merge ab_odd[AB_MERGES] = {{2, 2, 6}, {0, 1, 2}, {3, 1, 5}, {1, 0, 3},
                                           {0, 0, 7}, {2, 0, 4}, {7, 5, 8}, {0, 5, 6}};
static const ab_merge ab_learned[AB_MERGES] = {{0, 0, 7}, {0, 1, 2}, {1, 0, 3}, {2, 0, 4},
                                               {3, 1, 5}, {2, 2, 6}, {0, 5, 6}, {7, 5, 8}};

/* The definition itself: the lowest rank, of equals the leftmost, over plain arrays. */
static void merge_by_definition(const ab_merge *merge, qn_ids *ids) {
    int rank[AB_TOKENS][AB_TOKENS];
    for (int i = 0; i < AB_TOKENS * AB_TOKENS; i++)
        rank[i / AB_TOKENS][i % AB_TOKENS] = AB_MERGES;
    for (int r = 0; r < AB_MERGES; r++)
        rank[merge[r].left][merge[r].right] = r;
    for (;;) {
        int best = AB_MERGES;
        size_t at = 0;
        for (size_t i = 0; i + 1 < ids->n; i++)
            if (rank[ids->v[i]][ids->v[i + 1]] < best) {
                best = rank[ids->v[i]][ids->v[i + 1]];
                at = i;
            }
        if (best == AB_MERGES)
            return;
        ids->v[at] = merge[best].whole;
        memmove(ids->v + at + 1, ids->v + at + 2, (ids->n - at - 2) * sizeof *ids->v);
        ids->n--;
    }
}

static qn_tok *ab_tokenizer(const ab_merge *merge) {
    qn_tok_spec spec;
    qn_tok *t;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    for (int i = 0; i < AB_TOKENS; i++)
        CHECK_OK(qn_tok_spec_token(&spec, i, qn_str_of(ab_token[i]), QN_TOKEN_NORMAL));
    for (int i = 0; i < AB_MERGES; i++)
        CHECK_OK(qn_tok_spec_merge(&spec, qn_str_of(ab_token[merge[i].left]), qn_str_of(ab_token[merge[i].right])));
    CHECK_OK(qn_tok_new(&t, &spec));
    qn_tok_spec_drop(&spec);
    return t;
}

/* One word of n characters, of which one in `rare` is a b. */
static void check_ab_word(const qn_tok *t, const ab_merge *merge, size_t n, uint64_t seed, uint64_t rare) {
    char *text = qn_zalloc(QN_MEM_TEST, n, 1);
    qn_ids got = {0}, want = {0};
    for (size_t i = 0; i < n; i++) {
        text[i] = qn_rng_u64(seed, QN_RNG_TEST, 0, i) % rare ? 'a' : 'b';
        CHECK_OK(qn_ids_push(&want, text[i] - 'a'));
    }
    merge_by_definition(merge, &want);
    CHECK_OK(qn_tok_encode(t, text, n, 0, &got));
    check_same(&got, &want, "random a and b");
    qn_ids_drop(&got);
    qn_ids_drop(&want);
    qn_free(text);
}

TEST(words_of_any_length_merge_as_defined) {
    const ab_merge *const orders[] = {ab_odd, ab_learned};
    for (size_t k = 0; k < QN_LEN(orders); k++) {
        qn_tok *t = ab_tokenizer(orders[k]);
        for (uint64_t seed = 0; seed < 200; seed++)
            check_ab_word(t, orders[k], 1 + seed * 2, seed, 3);
        for (uint64_t rare = 2; rare <= 200; rare *= 10)            /* long runs of a at the end */
            check_ab_word(t, orders[k], 10000 + rare, rare, rare);
        qn_tok_free(t);
    }
}

/* A megabyte without a border: it passes (the limits of the regex engine are not met) and comes back. */
TEST(a_megabyte_of_one_character) {
    static const char *const unit[] = {"a", " ", "7", "🚀", "我", "\n", "!", "\xcc\x81\xcc\x96", "' s", " x"};
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_buf text = {0}, back = {0};
    qn_ids ids = {0};
    for (size_t i = 0; i < QN_LEN(unit); i++) {
        qn_buf_clear(&text);
        qn_buf_clear(&back);
        qn_ids_clear(&ids);
        while (text.n < 1000000)
            CHECK_OK(qn_buf_puts(&text, unit[i]));
        CHECK_OK(qn_tok_encode(t, text.s, text.n, QN_TOK_PARSE_SPECIAL, &ids), "\"%s\"", unit[i]);
        CHECK_OK(qn_tok_decode(t, ids.v, ids.n, 0, &back));
        CHECK(qn_str_eq(qn_buf_view(&back), qn_buf_view(&text)), "\"%s\"", unit[i]);
    }
    qn_buf_drop(&text);
    qn_buf_drop(&back);
    qn_ids_drop(&ids);
    qn_tok_free(t);
}

/* ---- names of pre-tokenizers ---- */

TEST(unknown_pre_tokenizer_names_are_refused) {
    qn_tok_spec spec;
    qn_tok_spec_init(&spec);
    CHECK_FAIL(qn_tok_spec_pre_name(&spec, QN_STR("smolm")), QN_EUNSUPPORTED, "smollm");
    CHECK_FAIL(qn_tok_spec_pre_name(&spec, QN_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff")), QN_EUNSUPPORTED,
               "not known");
    CHECK_OK(qn_tok_spec_pre_name(&spec, QN_STR("smollm")));
    CHECK_INT(spec.n_pretoks, 3);
    qn_tok_spec_drop(&spec);
}

static uint32_t gpt2_spelling(unsigned char c) {
    if (c <= 0x20)
        return 0x100u + c;
    return c >= 0x7f && c <= 0xa0 ? 0x121u + c - 0x7f : c == 0xad ? 0x143u : c;
}

/* What each set does to one line, worked out by hand from the published patterns. "|" marks the borders. */
TEST(named_pre_tokenizers_split_as_published) {
    static const struct { const char *name, *text, *words; } cases[] = {
        {"gpt-2", "Hello  World's 1234!\n x", "Hello| | World|'s| 1234|!|\n| x"},
        {"smollm", "a 1234", "a| |1|2|3|4"},
        {"llama-bpe", "Hello'S 12345 (x)\n\n y", "Hello|'S| |123|45| (|x|)\n\n| y"},
        {"qwen2", "12 ab.cd", "1|2| ab|.cd"},
        {"deepseek-v3", "a1234 我们x (ok)", "a|123|4| |我们|x| (|ok|)"},
        {"deepseek-llm", "ab cd1234我", "ab| cd|1234|我"},
        {"deepseek-coder", "if x == 10:\n", "if| x| == |1|0|:|\n"},
        {"falcon", "x+=12345", "x|+=|123|45"},
        {"tekken", "HelloWorld AB", "Hello|World| AB"},
        {"gpt-4o", "HelloWorld's ABc 1234", "Hello|World's| ABc| |123|4"},
        {"default", "ab, 1234", "ab|,| |123|4"},
        {"bloom", "ab, cd", "ab|,| cd"},
    };
    qn_ids ids = {0};
    qn_buf words = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_tok_spec spec;
        qn_tok *t;
        qn_tok_spec_init(&spec);
        spec.model = QN_TOK_BPE;
        /* Every word is a token: what is split is seen in the pieces. Single bytes for the rest. */
        char list[256];
        snprintf(list, sizeof list, "%s", cases[i].words);
        CHECK_OK(qn_tok_spec_pre_name(&spec, qn_str_of(cases[i].name)));
        spec.ignore_merges = true;
        int64_t id = 0;
        for (char *save = NULL, *w = strtok_r(list, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
            qn_buf spelled = {0};
            for (; *w; w++)
                CHECK_OK(qn_buf_utf8(&spelled, gpt2_spelling((unsigned char)*w)));
            CHECK_OK(qn_tok_spec_token(&spec, id++, qn_buf_view(&spelled), QN_TOKEN_NORMAL));
            qn_buf_drop(&spelled);
        }
        CHECK_OK(qn_tok_spec_decoder(&spec, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_LEVEL}));
        CHECK_OK(qn_tok_new(&t, &spec), "%s", cases[i].name);
        encode(t, cases[i].text, 0, &ids);
        qn_buf_clear(&words);
        for (size_t k = 0; k < ids.n; k++) {
            qn_str piece = qn_tok_piece(t, ids.v[k]);
            CHECK_OK(qn_buf_puts(&words, k ? "|" : ""));
            CHECK_OK(qn_buf_put(&words, piece.s, piece.n));
        }
        CHECK_VIEW(qn_buf_view(&words), cases[i].words, "%s", cases[i].name);
        qn_tok_spec_drop(&spec);
        qn_tok_free(t);
    }
    qn_buf_drop(&words);
    qn_ids_drop(&ids);
}

/* ---- specs that do not hold together ---- */

static void minimal(qn_tok_spec *s) {
    qn_tok_spec_init(s);
    s->model = QN_TOK_BPE;
    CHECK_OK(qn_tok_spec_token(s, 0, QN_STR("a"), QN_TOKEN_NORMAL));
    CHECK_OK(qn_tok_spec_token(s, 1, QN_STR("b"), QN_TOKEN_NORMAL));
}

#define CHECK_REFUSED(what, code, says)                    \
    do {                                                   \
        qn_tok_spec s;                                     \
        qn_tok *t = NULL;                                  \
        minimal(&s);                                       \
        what;                                              \
        CHECK_FAIL(qn_tok_new(&t, &s), code, says, #what); \
        CHECK(t == NULL);                                  \
        qn_tok_spec_drop(&s);                              \
    } while (0)

TEST(bad_specs_are_refused) {
    qn_tok_pretok class_in_class = {.kind = QN_PRETOK_SPLIT, .regex = true, .pattern = QN_STR("[a[b]]")};
    qn_tok_pretok intersection = {.kind = QN_PRETOK_SPLIT, .regex = true, .pattern = QN_STR("[\\p{L}&&\\p{Lu}]")};
    qn_tok_pretok broken = {.kind = QN_PRETOK_SPLIT, .regex = true, .pattern = QN_STR("(a")};
    qn_tok_pretok empty = {.kind = QN_PRETOK_SPLIT};
    qn_tok_norm nothing = {.kind = QN_NORM_REPLACE};
    CHECK_REFUSED(s.model = QN_TOK_MODEL_NONE, QN_EUNSUPPORTED, "BPE");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_merge(&s, QN_STR("a"), QN_STR("b"))), QN_EFORMAT, "what they make");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_merge(&s, QN_STR("x"), QN_STR("b"))), QN_EFORMAT, "the first");
    CHECK_REFUSED(s.eos = 7, QN_EFORMAT, "7");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_prefix(&s, 7)), QN_EFORMAT, "7");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_pretok(&s, &class_in_class)), QN_EUNSUPPORTED, "class inside a class");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_pretok(&s, &intersection)), QN_EUNSUPPORTED, "intersection");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_pretok(&s, &broken)), QN_EUNSUPPORTED, "(a");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_pretok(&s, &empty)), QN_EUNSUPPORTED, "empty");
    CHECK_REFUSED(CHECK_OK(qn_tok_spec_norm(&s, &nothing)), QN_EUNSUPPORTED, "empty");
}

TEST(ids_out_of_range_are_refused) {
    qn_tok_spec s;
    char longest[QN_TOK_MAX_ADDED + 1];
    memset(longest, 'x', sizeof longest);
    qn_tok_spec_init(&s);
    CHECK_FAIL(qn_tok_spec_token(&s, -1, QN_STR("a"), QN_TOKEN_NORMAL), QN_EFORMAT, "-1");
    CHECK_FAIL(qn_tok_spec_token(&s, QN_TOK_MAX_ID, QN_STR("a"), QN_TOKEN_NORMAL), QN_EFORMAT, "token id");
    const qn_tok_added too_long = {.id = 0, .text = {longest, sizeof longest}};
    CHECK_FAIL(qn_tok_spec_added(&s, &too_long), QN_EUNSUPPORTED, "1025");
    qn_tok_spec_drop(&s);
}

/* ---- threads and memory ---- */

typedef struct { const qn_tok *t; uint64_t hash; int rc; } job;

static void *encode_many(void *arg) {
    job *j = arg;
    qn_buf text = {0};
    qn_ids ids = {0};
    j->hash = TOK_HASH_START;
    for (uint64_t i = 0; i < 300 && j->rc == 0; i++) {
        tok_string(9, i, &text);
        qn_ids_clear(&ids);
        j->rc = qn_tok_encode(j->t, text.s, text.n, QN_TOK_DEFAULT, &ids);
        j->hash = tok_hash_ids(j->hash, &ids);
    }
    qn_buf_drop(&text);
    qn_ids_drop(&ids);
    return NULL;
}

TEST(threads_share_a_tokenizer) {
    enum { THREADS = 20 };              /* more than there are idle slots */
    pthread_t thread[THREADS];
    job jobs[THREADS] = {{0}};
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    for (int i = 0; i < THREADS; i++) {
        jobs[i].t = t;
        CHECK(pthread_create(&thread[i], NULL, encode_many, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(jobs[i].rc == 0 && jobs[i].hash == jobs[0].hash, "thread %d", i);
    qn_tok_free(t);
}

TEST(allocation_failures_leave_nothing_behind) {
    qn_buf file = {0};
    int64_t before = qn_mem_stats_get(QN_MEM_TOK).live_bytes;
    CHECK_OK(qn_read_file(&file, qn_test_fixture("tok_metaspace.json"), 65536));
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_tok_spec spec;
        qn_tok *t = NULL;
        qn_ids ids = {0};
        qn_mem_fail_after(n);
        rc = qn_tokenizer_json_parse(file.s, file.n, "tokenizer.json", &spec);
        if (rc == 0)
            rc = qn_tok_new(&t, &spec);
        if (rc == 0)
            rc = qn_tok_encode(t, "It is a TEST of memory", 22, QN_TOK_DEFAULT, &ids);
        qn_mem_fail_after(-1);
        qn_tok_spec_drop(&spec);
        qn_tok_free(t);
        qn_ids_drop(&ids);
        CHECK_NO_LEAK(QN_MEM_TOK, before, "failure %d", (int)n);
    }
    CHECK_INT(rc, 0);
    qn_buf_drop(&file);
}

TEST(encoding_again_allocates_nothing) {
    qn_tok *t = tok_load_json("tok_bytelevel.json");
    qn_ids ids = {0};
    const char *text = "It splits the text into words, and words into pieces: 1234 <|im_end|> café 🚀";
    encode(t, text, QN_TOK_DEFAULT, &ids);
    int64_t calls = qn_mem_calls();
    encode(t, text, QN_TOK_DEFAULT, &ids);
    CHECK_INT(qn_mem_calls(), calls);
    qn_ids_drop(&ids);
    qn_tok_free(t);
}
