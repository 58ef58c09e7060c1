/* tests/unit/test_scan.c — the pre-tokenizers written by hand split as their patterns do, and a text may be cut where
 * they say so.                                                                                       full: WHOLE=1 */
#include "base/pool.h"
#include "test.h"
#include "tok/tok_internal.h"
#include "tok_strings.h"

static const struct { const char *name; qn_scan_kind kind; } pipelines[] = {
    {"gpt-2", QN_SCAN_GPT2}, {"smollm", QN_SCAN_NUMBERS_GPT2}, {"llama-bpe", QN_SCAN_LLAMA3},
    {"qwen2", QN_SCAN_QWEN2},
    {"digits", QN_SCAN_DIGITS_GPT2},                /* no name of a GGUF file; a tokenizer.json says so for smollm */
};

static const qn_tok_pretok digits = {.kind = QN_PRETOK_DIGITS, .behavior = QN_SPLIT_ISOLATED};

/* A vocabulary of bytes, of pairs of letters, and of pairs of these. */
static void add_vocabulary(qn_tok_spec *spec) {
    char text[256][4], pair[8];
    qn_str byte[256];
    int64_t id = 0;
    spec->model = QN_TOK_BPE;
    for (int b = 0; b < 256; b++) {
        byte[b] = (qn_str){text[b], (size_t)qn_utf8_encode(qn_bytelevel_char((uint8_t)b), text[b])};
        CHECK_OK(qn_tok_spec_token(spec, id++, byte[b], QN_TOKEN_NORMAL));
    }
    for (int k = 0; k < 700; k++) {
        const int a = k % 26 + 'a', b = k / 26 + 'a' - 1;
        const qn_str left = k < 26 ? byte[' '] : byte[b], right = byte[a];
        const size_t n = (size_t)snprintf(pair, sizeof pair, "%.*s%.*s", QN_STR_ARG(left), QN_STR_ARG(right));
        CHECK_OK(qn_tok_spec_token(spec, id++, (qn_str){pair, n}, QN_TOKEN_NORMAL));
        CHECK_OK(qn_tok_spec_merge(spec, left, right));
    }
}

/* The pipeline by name; `judged`: by regular expressions, for which its patterns are spelled in another way. */
static qn_tok *make(size_t k, bool judged) {
    qn_tok_spec spec;
    qn_tok *t;
    qn_buf pattern = {0};
    const bool as_digits = pipelines[k].kind == QN_SCAN_DIGITS_GPT2;
    qn_tok_spec_init(&spec);
    add_vocabulary(&spec);
    CHECK_OK(qn_tok_spec_pre_name(&spec, qn_str_of(as_digits ? "smollm" : pipelines[k].name)));
    if (as_digits)
        spec.pretoks[0] = digits;
    qn_tok_pretok *last = &spec.pretoks[spec.n_pretoks - 2];
    CHECK_OK(qn_buf_printf(&pattern, "(?:%.*s)", (int)last->pattern.n, last->pattern.s));
    if (judged)
        last->pattern = qn_buf_view(&pattern);
    CHECK_OK(qn_tok_new(&t, &spec));
    CHECK_INT(t->scan, judged ? QN_SCAN_NONE : pipelines[k].kind);
    qn_tok_spec_drop(&spec);
    qn_buf_drop(&pattern);
    return t;
}

/* ---- words ---- */

static int take(void *arg, const char *s, size_t n) {
    QN_TRY(qn_buf_put(arg, s, n));
    return qn_buf_putc(arg, '\1');
}

typedef struct { qn_tok *scan, *judge; qn_buf got, want; } twins;

static void check_words(twins *w, const char *s, size_t n) {
    qn_buf_clear(&w->got);
    qn_buf_clear(&w->want);
    CHECK_OK(qn_tok_words(w->scan, s, n, false, take, &w->got));
    CHECK_OK(qn_tok_words(w->judge, s, n, false, take, &w->want));
    CHECK(qn_str_eq(qn_buf_view(&w->got), qn_buf_view(&w->want)), "scanned\n%.*s\nthe pattern\n%.*s", (int)w->got.n,
          w->got.s, (int)w->want.n, w->want.s);
}

/* What alternatives begin and end with, and characters on the edges of classes: long s, circled letters, numbers that
 * are no digits, spaces that are no ' ', marks, one that only some versions of Unicode call a number. */
static const char *const edges[] = {
    "'", "'", "'", "s", "t", "r", "e", "v", "m", "l", "d", "S", "L", "E", "a", "zz", "abcdefgh", "\xc5\xbf", " ", " ",
    " ", " ", "\t", "\n", "\n", "\r", "\r\n", "\v", "\xc2\x85", "\xc2\xa0", "\xe2\x80\xa8", "\xe3\x80\x80",
    "\xe2\x80\x8b", "1", "22", "\xc2\xb2", "\xe2\x85\xa7", "\xd9\xa3", "\xf0\x91\xbd\x90", "\xe6\x88\x91", "\xc3\xa9",
    "\xcc\x81", "\xe2\x93\x90", ".", "!", "_", "-",
    "\xf0\x9f\xa6\x99", "\xe2\x80\x8d", "\x7f", "@", "[", "`", "{", "/", ":",
};

TEST(words_are_those_of_the_pattern) {
    const uint64_t texts = qn_test_whole() ? 200000 : 6000;
    qn_buf text = {0};
    for (size_t k = 0; k < QN_LEN(pipelines); k++) {
        twins w = {make(k, false), make(k, true), {0}, {0}};
        check_words(&w, "", 0);
        for (uint64_t i = 0; i < texts; i++) {
            const uint64_t n = 1 + qn_rng_u64(3, QN_RNG_TEST, k, i) % 14;
            qn_buf_clear(&text);
            for (uint64_t j = 0; j < n; j++)
                CHECK_OK(qn_buf_puts(&text, edges[qn_rng_u64(4, QN_RNG_TEST, i, j) % QN_LEN(edges)]));
            check_words(&w, text.s, text.n);
            if (i % 10 == 0) {
                tok_string(11, i, &text);
                check_words(&w, text.s, text.n);
            }
        }
        qn_tok_free(w.scan);
        qn_tok_free(w.judge);
        qn_buf_drop(&w.got);
        qn_buf_drop(&w.want);
    }
    qn_buf_drop(&text);
}

/* Each code point between others of each class. */
TEST(every_code_point_has_the_class_of_the_pattern) {
    const uint32_t step = qn_test_whole() ? 1 : 61;
    qn_buf text = {0};
    for (size_t k = 0; k < QN_LEN(pipelines); k++) {
        twins w = {make(k, false), make(k, true), {0}, {0}};
        for (uint32_t c = 1; c < 0x110000; c += step) {
            if (c >= 0xd800 && c < 0xe000)
                continue;
            char s[4];
            const int n = qn_utf8_encode(c, s);
            CHECK_OK(qn_buf_printf(&text, "a%.*s b %.*s%.*s1%.*s.%.*s\n", n, s, n, s, n, s, n, s, n, s));
            if (text.n < 2000 && c + step < 0x110000)
                continue;
            check_words(&w, text.s, text.n);
            qn_buf_clear(&text);
        }
        qn_tok_free(w.scan);
        qn_tok_free(w.judge);
        qn_buf_drop(&w.got);
        qn_buf_drop(&w.want);
    }
    qn_buf_drop(&text);
}

/* ---- cuts ---- */

static bool same_ids(const qn_ids *a, const qn_ids *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof *a->v) == 0);
}

TEST(a_text_may_be_cut_where_it_says) {
    qn_buf text = {0};
    qn_ids whole = {0}, parts = {0};
    int64_t cuts = 0;
    for (size_t k = 0; k < QN_LEN(pipelines); k++) {
        qn_tok *t = make(k, false);
        for (uint64_t i = 0; i < 300; i++) {
            tok_string(12, i, &text);
            CHECK_OK(qn_buf_puts(&text, i % 2 ? " '\n a  b1 \r\n c 2 'll x' s" : "the  end "));
            qn_ids_clear(&whole);
            CHECK_OK(qn_tok_encode(t, text.s, text.n, QN_TOK_PLAIN, &whole));
            for (size_t at = 0; (at = qn_tok_cut(t, text.s, at + 1, text.n)) < text.n;) {
                qn_ids_clear(&parts);
                CHECK_OK(qn_tok_encode(t, text.s, at, QN_TOK_PLAIN, &parts));
                CHECK_OK(qn_tok_encode(t, text.s + at, text.n - at, QN_TOK_PLAIN, &parts));
                CHECK(same_ids(&whole, &parts), "%s, text %d, cut at %zu", pipelines[k].name, (int)i, at);
                cuts++;
            }
        }
        qn_tok_free(t);
    }
    CHECK(cuts > 3000, "%d cuts", (int)cuts);
    qn_ids_drop(&whole);
    qn_ids_drop(&parts);
    qn_buf_drop(&text);
}

/* Prose and scripts; few places to cut; none at all; a byte that is no UTF-8 in a later part. */
TEST(all_threads_together_give_the_same_ids) {
    qn_pool *pool;
    qn_buf text = {0}, part = {0};
    qn_ids whole = {0}, parts = {0};
    qn_tok *t = make(1, false);
    CHECK_OK(qn_pool_new(&pool, 3));
    for (int kind = 0; kind < 3; kind++) {
        qn_buf_clear(&text);
        for (uint64_t i = 0; text.n < 900000; i++) {
            tok_string(13, i, &part);
            CHECK_OK(kind == 0 ? qn_buf_put(&text, part.s, part.n) : qn_buf_puts(&text, kind == 1 ? "word" : "我们 "));
            if (kind == 1 && i == 100000)
                CHECK_OK(qn_buf_puts(&text, "  x 1 "));
        }
        qn_ids_clear(&whole);
        qn_ids_clear(&parts);
        CHECK_OK(qn_ids_push(&parts, 7));
        CHECK_OK(qn_ids_push(&whole, 7));
        CHECK_OK(qn_tok_encode(t, text.s, text.n, QN_TOK_DEFAULT, &whole));
        CHECK_OK(qn_tok_encode_parallel(t, pool, text.s, text.n, QN_TOK_DEFAULT, &parts));
        CHECK(same_ids(&whole, &parts), "text %d", kind);
    }
    const size_t had = parts.n;
    text.s[800001] = '\xff';
    CHECK_FAIL(qn_tok_encode_parallel(t, pool, text.s, text.n, QN_TOK_PLAIN, &parts), QN_EUTF8, "byte 80000");
    CHECK_INT(parts.n, had);
    qn_pool_free(pool);
    qn_ids_drop(&whole);
    qn_ids_drop(&parts);
    qn_buf_drop(&text);
    qn_buf_drop(&part);
    qn_tok_free(t);
}

/* An added token that holds a blank, or takes one with it, could lie across any cut. */
TEST(tokens_with_blanks_forbid_cuts) {
    static const qn_tok_added added[] = {
        {.id = 960, .text = {"<x y>", 5}, .special = true}, {.id = 960, .text = {"<x>", 3}, .rstrip = true},
        {.id = 960, .text = {"<x>", 3}, .special = true, .lstrip = true, .single_word = true},
    };
    for (size_t i = 0; i < QN_LEN(added); i++) {
        qn_tok_spec spec;
        qn_tok *t;
        qn_tok_spec_init(&spec);
        add_vocabulary(&spec);
        CHECK_OK(qn_tok_spec_pre_name(&spec, QN_STR("gpt-2")));
        CHECK_OK(qn_tok_spec_added(&spec, &added[i]));
        CHECK_OK(qn_tok_new(&t, &spec));
        CHECK_INT(qn_tok_cut(t, "one two", 1, 7), i == 2 ? 3 : 7);
        qn_tok_free(t);
        qn_tok_spec_drop(&spec);
    }
}

/* ---- memory ---- */

TEST(failures_while_classes_are_asked_for_leave_nothing_behind) {
    const char *const text = "caf\xc3\xa9 \xe6\x88\x91\xe4\xbb\xac 12";
    const int64_t before = qn_mem_stats_get(QN_MEM_TOK).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_tok *t = make(0, false);
        qn_ids ids = {0};
        qn_mem_fail_after(n);
        rc = qn_tok_encode(t, text, strlen(text), QN_TOK_PLAIN, &ids);
        qn_mem_fail_after(-1);
        if (rc < 0)
            CHECK_OK(qn_tok_encode(t, text, strlen(text), QN_TOK_PLAIN, &ids), "the next one works");
        qn_ids_drop(&ids);
        qn_tok_free(t);
        CHECK_NO_LEAK(QN_MEM_TOK, before, "failure %d", (int)n);
    }
    CHECK_INT(rc, 0);
}
