/* tests/unit/test_train_tokenizer.c — merges as Hugging Face's trainer makes them (tools/fixtures/bpe_trainer.py), with
 * any number of threads and however the text arrives; and what the other kinds, the limits and the report promise. */
/* full: WHOLE=1 */
#include "base/json.h"
#include "tok/train_tokenizer.h"
#include "tok_strings.h"

#define MB ((size_t)1 << 20)

/* ---- corpora made of integers: pool_text of bpe_trainer.py ------------------------------------------------------- */

static const char *const letters_a[] = {"a"}, *const letters_ab[] = {"a", "b"}, *const letters_aab[] = {"a", "a", "b"};
static const char *const letters_abc[] = {"a", "b", "c"};
static const char *const letters_words[] = {"e", "t", "a", "o", "i", "n", " ", "s", "h", "r", "d", "l", "u"};
static const char *const letters_wide[] = {"a", "é", "日", "😀"};
static const struct { const char *const *of; uint32_t n; } letters[] = {
    {letters_a, 1}, {letters_ab, 2}, {letters_aab, 3}, {letters_abc, 3}, {letters_words, 13}, {letters_wide, 4}};
static const char *const gaps[] = {" ", " ", " ", "  ", "\n", "\n\n", ", ", "'s ", "\t", "\r\n", " 42 ", "12345"};

static void pool_text(uint64_t seed, uint32_t set, uint32_t words, uint32_t longest, uint32_t count, qn_buf *out) {
    qn_buf *pool = qn_zalloc(QN_MEM_TEST, words, sizeof *pool);
    CHECK(pool != NULL);
    for (uint32_t i = 0; i < words; i++)
        for (uint32_t n = 1 + tok_below(&seed, longest); n > 0; n--)
            tok_put(&pool[i], letters[set].of[tok_below(&seed, letters[set].n)], 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = 1 + tok_below(&seed, words);
        tok_put(out, pool[tok_below(&seed, first)].s, 1);
        tok_put(out, TOK_OF(&seed, gaps), 1);
    }
    for (uint32_t i = 0; i < words; i++)
        qn_buf_drop(&pool[i]);
    qn_free(pool);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t seed, size, min_frequency, letters, words, longest, count, tokens;
    bool whole;
    qn_buf pre, text_hash, vocab_hash;
    qn_buf special[8];
    size_t n_special;
    qn_ids merges;
    qn_buf text;
    size_t *end, n_end, cap_end;            /* of documents */
} bpe_case;

static void read_list(qn_json *j, bpe_case *c, bool numbers) {
    int64_t v;
    CHECK_OK(qn_json_enter(j, '['));
    while (qn_json_item(j) > 0) {
        if (!numbers) {
            CHECK(c->n_special < QN_LEN(c->special));
            CHECK_OK(qn_json_string(j, &c->special[c->n_special++]));
            continue;
        }
        CHECK_OK(qn_json_i64(j, &v));
        CHECK_OK(qn_ids_push(&c->merges, (int32_t)v));
    }
}

static void read_case(qn_json *j, bpe_case *c) {
    const struct { const char *key; int64_t *at; } numbers[] = {
        {"seed", &c->seed}, {"size", &c->size}, {"min_frequency", &c->min_frequency}, {"letters", &c->letters},
        {"words", &c->words}, {"longest", &c->longest}, {"count", &c->count}, {"tokens", &c->tokens}};
    const struct { const char *key; qn_buf *at; } texts[] = {
        {"pre", &c->pre}, {"text", &c->text_hash}, {"vocab", &c->vocab_hash}};
    qn_str key;
    *c = (bpe_case){.letters = -1};
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0) {
        bool known = qn_str_is(key, "special") || qn_str_is(key, "merges");
        if (known)
            read_list(j, c, qn_str_is(key, "merges"));
        for (size_t i = 0; i < QN_LEN(numbers) && !known; i++)
            if ((known = qn_str_is(key, numbers[i].key)))
                CHECK_OK(qn_json_i64(j, numbers[i].at));
        for (size_t i = 0; i < QN_LEN(texts) && !known; i++)
            if ((known = qn_str_is(key, texts[i].key)))
                CHECK_OK(qn_json_string(j, texts[i].at));
        if (!known) {
            CHECK(qn_str_is(key, "whole"), "%.*s", QN_STR_ARG(key));
            CHECK_OK(qn_json_bool(j, &c->whole));
        }
    }
}

static void end_document(bpe_case *c) {
    CHECK_OK(QN_GROW(QN_MEM_TEST, c->end, c->cap_end, c->n_end + 1));
    c->end[c->n_end++] = c->text.n;
}

static void make_text(bpe_case *c) {
    uint64_t hash = TOK_HASH_START;
    qn_buf one = {0};
    char hex[20];
    if (c->letters >= 0) {
        pool_text((uint64_t)c->seed, (uint32_t)c->letters, (uint32_t)c->words, (uint32_t)c->longest,
                  (uint32_t)c->count, &c->text);
        hash = tok_hash_text(hash, &c->text);
        end_document(c);
    }
    for (int64_t i = 0; c->letters < 0 && i < c->count; i++) {
        tok_string((uint64_t)c->seed, (uint64_t)i, &one);
        tok_put(&one, "\n", 1);
        hash = tok_hash_text(hash, &one);
        CHECK_OK(qn_buf_put(&c->text, one.s, one.n));
        end_document(c);
    }
    qn_buf_drop(&one);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    CHECK_STR(hex, c->text_hash.s, "corpus of case %lld", (long long)c->seed);
}

static void drop_case(bpe_case *c) {
    qn_buf_drop(&c->pre);
    qn_buf_drop(&c->text_hash);
    qn_buf_drop(&c->vocab_hash);
    qn_buf_drop(&c->text);
    for (size_t i = 0; i < c->n_special; i++)
        qn_buf_drop(&c->special[i]);
    qn_ids_drop(&c->merges);
    qn_free(c->end);
}

/* Documents into w, in calls of at most `step` bytes. Where the case is one file, it is one document. */
static void add_case(qn_words *w, const bpe_case *c, size_t step) {
    size_t at = 0;
    for (size_t d = 0; d < c->n_end; d++) {
        for (size_t n; at < c->end[d]; at += n) {
            n = QN_MIN(step, c->end[d] - at);
            CHECK_OK(qn_words_add(w, c->text.s + at, n));
        }
        if (c->whole || d + 1 == c->n_end)
            CHECK_OK(qn_words_end(w));
    }
    CHECK_OK(qn_words_finish(w));
}

static void check_merges(const bpe_case *c, const qn_tok_spec *spec, const qn_tok_train_result *r) {
    uint64_t hash = TOK_HASH_START;
    char hex[20];
    CHECK_INT(r->vocab, c->tokens, "case %lld", (long long)c->seed);
    CHECK_INT(spec->n_vocab, c->tokens, "case %lld", (long long)c->seed);
    for (size_t i = 0; i < spec->n_merges && 2 * i < c->merges.n; i++) {
        qn_str left = spec->vocab[c->merges.v[2 * i]].text, right = spec->vocab[c->merges.v[2 * i + 1]].text;
        CHECK(qn_str_eq(spec->merges[i].left, left) && qn_str_eq(spec->merges[i].right, right),
              "case %lld, merge %zu: %.*s + %.*s instead of %.*s + %.*s", (long long)c->seed, i,
              QN_STR_ARG(spec->merges[i].left), QN_STR_ARG(spec->merges[i].right), QN_STR_ARG(left),
              QN_STR_ARG(right));
    }
    CHECK_INT(2 * spec->n_merges, c->merges.n, "case %lld", (long long)c->seed);
    for (size_t i = 0; i < spec->n_vocab; i++) {
        hash = tok_hash_bytes(hash, spec->vocab[i].text.s, spec->vocab[i].text.n);
        hash = tok_hash_bytes(hash, "\xff", 1);
    }
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    CHECK_STR(hex, c->vocab_hash.s, "case %lld", (long long)c->seed);
}

static void train_case(const bpe_case *c, qn_pool *pool, size_t step) {
    qn_words *w;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_str special[QN_LEN(c->special)];
    for (size_t i = 0; i < c->n_special; i++)
        special[i] = qn_buf_view(&c->special[i]);
    CHECK_OK(qn_words_new(&w, &(qn_words_options){.pre = c->pre.s, .whole = c->whole, .pool = pool}));
    add_case(w, c, step);
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_tok_train(&spec, w, &(qn_tok_train_options){.vocab = c->size, .min_count = c->min_frequency,
                                                            .special = special, .n_special = c->n_special}, &r));
    check_merges(c, &spec, &r);
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
}

TEST(makes_the_merges_of_hugging_face) {
    const int64_t before = qn_mem_stats_get(QN_MEM_TOK).live_bytes;
    qn_buf file = {0};
    qn_json j;
    qn_pool *pool;
    size_t n = 0;
    CHECK_OK(qn_pool_new(&pool, 3));
    CHECK_OK(qn_read_file(&file, qn_test_fixture("bpe_trainer.json"), MB));
    qn_json_init(&j, file.s, file.n, "bpe_trainer.json");
    CHECK_OK(qn_json_enter(&j, '['));
    for (bpe_case c; qn_json_item(&j) > 0; n++) {
        read_case(&j, &c);
        make_text(&c);
        train_case(&c, NULL, SIZE_MAX);
        train_case(&c, pool, 1 + (size_t)c.seed * 7);
        drop_case(&c);
    }
    CHECK_OK(qn_json_end(&j));
    CHECK(n >= 10);
    qn_json_drop(&j);
    qn_buf_drop(&file);
    qn_pool_free(pool);
    CHECK_NO_LEAK(QN_MEM_TOK, before);
}

/* ---- large texts ------------------------------------------------------------------------------------------------- */

typedef struct { qn_words_stats stats; qn_tok_train_result r; uint64_t hash; } outcome;

/* `times` copies of a text as one document, trained on. */
static void train_copies(const qn_buf *text, int times, const qn_words_options *o, outcome *out) {
    qn_words *w;
    qn_tok_spec spec;
    CHECK_OK(qn_words_new(&w, o));
    for (int i = 0; i < times; i++)
        CHECK_OK(qn_words_add(w, text->s, text->n));
    CHECK_OK(qn_words_end(w));
    CHECK_OK(qn_words_finish(w));
    qn_words_stats_get(w, &out->stats);
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_tok_train(&spec, w, &(qn_tok_train_options){.vocab = 600}, &out->r));
    out->hash = TOK_HASH_START;
    for (size_t i = 0; i < spec.n_merges; i++) {
        out->hash = tok_hash_bytes(out->hash, spec.merges[i].left.s, spec.merges[i].left.n);
        out->hash = tok_hash_bytes(tok_hash_bytes(out->hash, " ", 1), spec.merges[i].right.s, spec.merges[i].right.n);
    }
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
}

/* Copies change counts, never their order: where batches and tiles are cut inside of words, the merges change too. The
 * text begins with a letter and ends with a line, so that copies do not run into one another. Where time is short every
 * other way of cutting words is tried whole, the rest in parts. */
TEST(cuts_large_texts_between_words) {
    static const char *const pres[] = {"gpt-2", "llama-bpe", "qwen2", "smollm"};
    qn_buf text = {0};
    qn_pool *pool;
    tok_put(&text, "x ", 1);
    for (uint64_t i = 0; text.n < (qn_test_whole() ? MB / 2 : MB / 4); i++) {
        qn_buf one = {0};
        tok_string(99, i, &one);
        CHECK_OK(qn_buf_put(&text, one.s, one.n));
        qn_buf_drop(&one);
    }
    tok_put(&text, " x\n", 1);
    CHECK_OK(qn_pool_new(&pool, 3));
    for (size_t i = 0; i < 2 * QN_LEN(pres); i++) {
        outcome one, many;
        if (!qn_test_whole() && i % 2 != i / 2 % 2)
            continue;
        qn_words_options o = {.pre = pres[i / 2], .whole = i % 2 == 0, .max_memory = QN_WORDS_MIN_MEMORY};
        train_copies(&text, 1, &o, &one);
        o.pool = pool;
        train_copies(&text, 19, &o, &many);             /* batches of 4 MB */
        CHECK_INT(many.stats.distinct, one.stats.distinct, "%s", o.pre);
        CHECK_INT(many.stats.total, 19 * one.stats.total, "%s", o.pre);
        CHECK_INT(many.stats.bytes, 19 * one.stats.bytes, "%s", o.pre);
        CHECK_INT(many.r.least, 19 * one.r.least, "%s", o.pre);
        CHECK(many.hash == one.hash, "%s", o.pre);
        CHECK_INT(many.stats.cut + many.stats.pruned, 0, "%s", o.pre);
    }
    qn_pool_free(pool);
    qn_buf_drop(&text);
}

/* Cut in three at the borders of batches, of which two are more than may be held. */
TEST(goes_on_through_a_word_larger_than_a_batch) {
    qn_buf text = {0};
    outcome o;
    while (text.n < 9 * MB)
        tok_put(&text, "日本語", 1000);
    train_copies(&text, 1, &(qn_words_options){.max_memory = QN_WORDS_MIN_MEMORY}, &o);
    CHECK_INT(o.stats.cut, 2);
    CHECK_INT(o.stats.distinct + o.stats.pruned, 3);
    CHECK_INT(o.stats.bytes, text.n);
    CHECK(o.r.merges > 10);
    qn_buf_drop(&text);
}

TEST(gives_rare_words_up_within_the_memory_it_has) {
    outcome one, three;
    qn_buf text = {0};
    qn_pool *pool;
    uint64_t seed = 5;
    for (int i = 0; i < 400000; i++) {
        tok_ascii_word(&seed, &text);
        tok_put(&text, i % 10 ? " " : " frequent ", 1);
    }
    CHECK_OK(qn_pool_new(&pool, 3));
    train_copies(&text, 2, &(qn_words_options){.max_memory = QN_WORDS_MIN_MEMORY}, &one);
    train_copies(&text, 2, &(qn_words_options){.max_memory = QN_WORDS_MIN_MEMORY, .pool = pool}, &three);
    CHECK(one.stats.pruned > 10000, "%lld", (long long)one.stats.pruned);
    CHECK(one.stats.pruned_total >= one.stats.pruned);
    CHECK_INT(three.stats.pruned, one.stats.pruned);
    CHECK_INT(three.stats.total, one.stats.total);
    CHECK(three.hash == one.hash);
    qn_pool_free(pool);
    qn_buf_drop(&text);
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static qn_words *words_of(const char *text) {
    qn_words *w;
    CHECK_OK(qn_words_new(&w, &(qn_words_options){0}));
    CHECK_OK(qn_words_add(w, text, strlen(text)));
    CHECK_OK(qn_words_end(w));
    CHECK_OK(qn_words_finish(w));
    return w;
}

static qn_tok *train(const qn_words *w, const qn_tok_train_options *o, qn_tok_train_result *r) {
    qn_tok *tok;
    qn_tok_spec spec;
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_tok_train(&spec, w, o, r));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    return tok;
}

/* The text comes back, out of this many tokens. */
static void check_round_trip(const qn_tok *tok, const char *text, size_t tokens) {
    qn_ids ids = {0};
    qn_buf back = {0};
    CHECK_OK(qn_tok_encode(tok, text, strlen(text), QN_TOK_PLAIN, &ids), "%s", text);
    CHECK_OK(qn_tok_decode(tok, ids.v, ids.n, QN_TOK_PLAIN, &back), "%s", text);
    CHECK_VIEW(qn_buf_view(&back), text);
    CHECK_INT(ids.n, tokens, "%s", text);
    qn_ids_drop(&ids);
    qn_buf_drop(&back);
}

TEST(knows_every_byte) {
    qn_words *w = words_of("abc");
    qn_tok_train_result r;
    qn_str special[] = {QN_STR("<eos>")};
    qn_tok *tok = train(w, &(qn_tok_train_options){.kind = QN_TRAIN_BYTE, .special = special, .n_special = 1}, &r);
    CHECK_INT(r.vocab, 257);
    CHECK_INT(r.merges, 0);
    CHECK_INT(qn_tok_id(tok, special[0]), 0);
    CHECK(qn_tok_is_special(tok, 0));
    check_round_trip(tok, "Grüße, 日本\n", 16);
    qn_tok_free(tok);
    qn_words_free(w);
}

TEST(takes_characters_by_frequency_and_falls_back_to_bytes) {
    qn_words *w = words_of("aaa bb ü c\n");
    qn_tok_train_result r;
    qn_tok *tok = train(w, &(qn_tok_train_options){.kind = QN_TRAIN_CHAR, .vocab = 256 + 4}, &r);
    CHECK_INT(r.vocab, 260);
    CHECK_INT(r.left_out, 2);
    CHECK_VIEW(qn_tok_text(tok, 0), "<0x00>");
    CHECK_VIEW(qn_tok_text(tok, 256), "a", "of equals the smaller character");
    CHECK_VIEW(qn_tok_text(tok, 257), "▁");
    CHECK_VIEW(qn_tok_text(tok, 258), "b");
    check_round_trip(tok, "a b", 3);
    check_round_trip(tok, "  üü\nb ", 2 + 4 + 1 + 2);
    qn_tok_free(tok);
    qn_words_free(w);
}

TEST(takes_characters_with_an_unknown_token) {
    qn_words *w = words_of("aaa bb ü c\n");
    qn_tok_train_result r;
    qn_ids ids = {0};
    qn_tok *tok = train(w, &(qn_tok_train_options){.kind = QN_TRAIN_CHAR, .vocab = 100, .min_count = 2,
                                                   .fallback = QN_FALLBACK_UNK}, &r);
    CHECK_INT(r.vocab, 1 + 3);
    CHECK_INT(r.left_out, 3);
    CHECK_INT(r.least, 2);
    CHECK_INT(qn_tok_unk(tok), 0);
    CHECK_OK(qn_tok_encode(tok, "aü", 3, QN_TOK_PLAIN, &ids));
    CHECK_INT(ids.n, 2);
    CHECK_INT(ids.v[0], 1);
    CHECK_INT(ids.v[1], 0);
    qn_ids_drop(&ids);
    qn_tok_free(tok);
    qn_words_free(w);
}

/* ---- report, refusals, failures ---------------------------------------------------------------------------------- */

TEST(reports_bytes_per_token_over_parts) {
    qn_words *w = words_of("one one (two)\nдва 12\n日 α \t\n");
    qn_tok_train_result r;
    qn_tok_report report;
    qn_words_stats stats;
    qn_tok *tok = train(w, &(qn_tok_train_options){.vocab = 259}, &r);      /* on, one, ' one' */
    CHECK_OK(qn_tok_report_words(w, tok, &report));
    qn_words_stats_get(w, &stats);
    CHECK_INT(report.all.bytes, stats.bytes);
    CHECK_INT(report.all.words, stats.total);
    const struct { qn_part part; int64_t words, bytes, tokens; } want[] = {
        {QN_PART_LATIN, 3, 3 + 4 + 3, 1 + 2 + 3}, {QN_PART_CYRILLIC, 1, 6, 6}, {QN_PART_GREEK, 1, 3, 3},
        {QN_PART_CJK, 1, 3, 3}, {QN_PART_DIGITS, 1, 3, 3}, {QN_PART_PUNCTUATION, 2, 2 + 1, 2 + 1},
        {QN_PART_HEBREW_ARABIC, 0, 0, 0}};
    CHECK_INT(r.vocab, 259);
    for (size_t i = 0; i < QN_LEN(want); i++) {
        const char *name = qn_part_name(want[i].part);
        CHECK_INT(report.part[want[i].part].words, want[i].words, "%s", name);
        CHECK_INT(report.part[want[i].part].bytes, want[i].bytes, "%s", name);
    }
    CHECK_INT(report.part[QN_PART_CYRILLIC].tokens, 6);
    CHECK(report.part[QN_PART_LATIN].tokens < report.part[QN_PART_LATIN].bytes);
    qn_tok_free(tok);
    qn_words_free(w);
}

TEST(reaches_no_further_than_the_corpus) {
    qn_words *w = words_of("abab");
    qn_tok_train_result r;
    qn_tok *tok = train(w, &(qn_tok_train_options){.vocab = 5000}, &r);
    CHECK_INT(r.vocab, 258);
    CHECK_INT(r.merges, 2);
    CHECK_INT(r.least, 1);
    qn_tok_free(tok);
    qn_words_free(w);
}

TEST(refuses_what_cannot_be) {
    qn_words *w, *none;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_str twice[] = {QN_STR("<s>"), QN_STR("<s>")}, empty[] = {QN_STR("")}, bad[] = {QN_STR("\xff")};
    qn_tok_spec_init(&spec);
    CHECK_FAIL(qn_words_new(&w, &(qn_words_options){.max_memory = 1}), QN_EINVAL, "64 MB");
    CHECK_FAIL(qn_words_new(&w, &(qn_words_options){.pre = "gtp2"}), QN_EUNSUPPORTED, "gpt2");
    none = words_of("");
    w = words_of("text");
    CHECK_FAIL(qn_tok_train(&spec, none, &(qn_tok_train_options){.vocab = 300}, &r), QN_EINVAL, "no text");
    const struct { qn_tok_train_options o; int code; const char *says; } cases[] = {
        {{.vocab = 255}, QN_EINVAL, "at least 256"},
        {{.vocab = 256, .special = twice, .n_special = 1}, QN_EINVAL, "at least 257"},
        {{.kind = QN_TRAIN_CHAR, .vocab = 256}, QN_EINVAL, "at least 257"},
        {{.vocab = QN_TOK_MAX_ID + 1}, QN_EINVAL, "are possible"},
        {{.vocab = 300, .special = twice, .n_special = 2}, QN_EINVAL, "twice"},
        {{.vocab = 300, .special = empty, .n_special = 1}, QN_EINVAL, "0 bytes"},
        {{.vocab = 300, .special = bad, .n_special = 1}, QN_EUTF8, "UTF-8"}};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_FAIL(qn_tok_train(&spec, w, &cases[i].o, &r), cases[i].code, cases[i].says, "%zu", i);
        qn_tok_spec_drop(&spec);
    }
    qn_words_free(none);
    qn_words_free(w);
}

TEST(names_the_byte_that_is_no_utf8) {
    qn_words *w;
    CHECK_OK(qn_words_new(&w, &(qn_words_options){0}));
    CHECK_OK(qn_words_add(w, "fine\nbad \xff", 10));
    CHECK_FAIL(qn_words_finish(w), QN_EUTF8, "byte 9");
    qn_words_free(w);
}

static int stop_at(void *arg, int64_t done, int64_t total) {
    int64_t *limit = arg;
    return done > *limit || done > total ? qn_fail(QN_ECANCEL, "stopped") : 0;
}

TEST(stops_when_told) {
    qn_buf text = {0};
    qn_tok_spec spec;
    qn_tok_train_result r;
    int64_t limit = 100;
    pool_text(3, 4, 300, 9, 2000, &text);
    qn_words *w = words_of(text.s);
    qn_tok_spec_init(&spec);
    CHECK_FAIL(qn_tok_train(&spec, w, &(qn_tok_train_options){.vocab = 2000, .progress = stop_at,
                                                              .progress_arg = &limit}, &r), QN_ECANCEL, "stopped");
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
    qn_buf_drop(&text);
}

/* Counting and learning as one call, for the next test. */
static int count_and_learn(const qn_buf *text) {
    qn_words *w = NULL;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_tok_spec_init(&spec);
    int rc = qn_words_new(&w, &(qn_words_options){0});
    if (rc >= 0)
        rc = qn_words_add(w, text->s, text->n);
    if (rc >= 0)
        rc = qn_words_end(w);
    if (rc >= 0)
        rc = qn_words_finish(w);
    if (rc >= 0)
        rc = qn_tok_train(&spec, w, &(qn_tok_train_options){.vocab = 300}, &r);
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
    return rc;
}

TEST(survives_every_failed_allocation) {
    const int64_t before = qn_mem_stats_get(QN_MEM_TOK).live_bytes;
    qn_buf text = {0};
    int64_t calls, failed = 0;
    pool_text(4, 4, 40, 9, 100, &text);
    calls = qn_mem_calls();
    CHECK_OK(count_and_learn(&text));
    calls = qn_mem_calls() - calls;
    for (int64_t n = 0; n < calls; n++) {
        qn_mem_fail_after(n);
        int rc = count_and_learn(&text);                /* the regular expression can do without JIT */
        qn_mem_fail_after(-1);
        failed += rc < 0;
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        CHECK_NO_LEAK(QN_MEM_TOK, before, "allocation %lld", (long long)n);
    }
    CHECK(failed > 50, "%lld of %lld", (long long)failed, (long long)calls);
    qn_buf_drop(&text);
}
