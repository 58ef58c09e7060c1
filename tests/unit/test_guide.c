/* tests/unit/test_guide.c — grammars: which texts fit, that masks say of each token what its bytes say, and what is
 * refused with which words. */
/* full: WHOLE=1 */
#include "guide_rig.h"

#include "base/rng.h"
#include "guide/states.h"

/* ---- GBNF: what it means ---- */

typedef struct { const char *grammar, *fits[8], *not[6]; } language;

static const language gbnf[] = {
    {"root ::= \"ab\" | \"c\"", {"ab", "c"}, {"", "a", "abc", "abab"}},
    {"root ::= \"ab\"*", {"", "ab", "abab"}, {"a", "aba"}},
    {"root ::= [a-c]+ [^a-z\\n]?", {"a", "abc", "cA", "bé", "c日"}, {"", "d", "ab\n", "AA"}},
    {"root ::= .", {"x", "é", "日", "😀", "\n"}, {"", "xy", "\xe6"}},
    {"root ::= \"a\"{2}", {"aa"}, {"a", "aaa"}},
    {"root ::= \"a\"{2,}", {"aa", "aaaaaaa"}, {"", "a"}},
    {"root ::= \"a\"{0,3} \"b\"", {"b", "aaab"}, {"aaaab"}},
    {"root ::= \"a\"{0,3}{2}", {"", "aaaaaa"}, {"aaaaaaa"}},
    {"root ::= (\"a\" | \"b\" \"c\")+", {"abca", "bc"}, {"b", ""}},
    {"root ::= \"(\" root \")\" | \"x\"", {"x", "((x))"}, {"((x)", "()"}},
    {"# a comment\nroot ::= a # behind\n  | b\na ::= \"1\"\nb ::=\n   \"2\"\n", {"1", "2"}, {"12"}},
    {"root ::= (\n  \"x\"\n  \"y\" # inside\n)", {"xy"}, {"x"}},
    {"root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\\n\\[\\]\"", {"Aé😀\"\\\n[]"}, {"A"}},
    {"root ::= [\\]^-]+", {"]-^"}, {"\\"}},
    {"root ::= [+-]", {"+", "-"}, {","}},
    {"root ::= \"\"", {""}, {"x"}},
    {"root ::= | \"x\"", {"", "x"}, {"xx"}},
    {"root ::= (\"\" | \"a\")*", {"", "aaa"}, {"b"}},
    {"root ::= (\"a\"?){3}", {"", "a", "aaa"}, {"aaaa"}},
    {"root ::= (\"a\"?){3,}", {"", "aaaaaaaa"}, {"b"}},
    {"root ::= ([a-z]? \"1\"?){2,80} \"!\"", {"!", "a1b1!", "ab1!"}, {"!!"}},
    {"root ::= item (\",\" item)*\nitem ::= [0-9]+", {"1,22,333"}, {"1,", ",1"}},
    {"root ::= a b\na ::= \"x\"*\nb ::= \"x\"", {"x", "xxx"}, {""}},
    {"root ::= e\ne ::= t ((\"+\" | \"-\") t)*\nt ::= f (\"*\" f)*\nf ::= [0-9]+ | \"(\" e \")\"",
     {"1+2*3", "((1))-(2*(3+4))"}, {"1+", "(1", "1 + 2"}},
    {"root ::= [\xc2\x80-\xed\x9f\xbf]", {"\xc2\x80", "é", "日", "\xed\x9f\xbf"}, {"a", "\xee\x80\x80", "😀"}},
    {"root ::= [^\\x00-\\u20ac]", {"日", "😀", "\xe2\x82\xad"}, {"\xe2\x82\xac", "a", "é"}},
    {"root ::= never | \"x\"\nnever ::= \"(\" never \")\"", {"x"}, {"(", "(x)"}},
};

static void check_language(rig *r, const language *l) {
    for (size_t i = 0; i < QN_LEN(l->fits) && l->fits[i]; i++)
        rig_check(r, l->fits[i], true, l->grammar);
    for (size_t i = 0; i < QN_LEN(l->not) && l->not[i]; i++)
        rig_check(r, l->not[i], false, l->grammar);
}

TEST(gbnf_means_what_llama_cpp_says) {
    for (size_t i = 0; i < QN_LEN(gbnf); i++) {
        rig r;
        rig_gbnf(&r, gbnf[i].grammar);
        check_language(&r, &gbnf[i]);
        rig_drop(&r);
    }
}

/* ---- alternatives that begin alike are one tree ---- */

static const language alternatives[] = {
    {"root ::= \"ab\" | \"a\" | \"abc\" | \"b\" | \"ab\"", {"a", "ab", "abc", "b"}, {"", "abcc", "ac", "bb"}},
    {"root ::= (\"ab\" | \"\" | \"a\")*", {"", "aab", "abab"}, {"b", "abb"}},
    {"root ::= (\"a\" | \"ab\") \"c\" | \"a\" \"d\"", {"ac", "abc", "ad"}, {"abd", "a"}},
    {"root ::= \"a\" [b] \"c\" | [a] \"bd\" | \"日本\" | [日] | [a-b] \"x\"", {"abc", "abd", "日本", "日", "ax", "bx"},
     {"ab", "本", "abx"}},
    {"root ::= \"x\" n \"1\" | \"x\" n \"2\" | \"x\" | n\nn ::= [0-9]+ \",\" n | \";\"", {"x1,;1", "x;2", "x", "3,;"},
     {"x;", "x1;1", "1"}},
    {"root ::= \"a\" [0-9]* \"b\" | \"a\" [0-9]+ \"b\" | \"a\" [0-9]* \"c\"", {"ab", "a1b", "ac", "a22c"}, {"a", "1b"}},
    {"root ::= \"a\" [0-9]+ \"b\" | \"a\" [0-9]* \"c\" | [0-9]{2} \"d\" | [0-9]{1,2} \"e\" | [0-8]{2} \"f\"",
     {"a1b", "ac", "11d", "1e", "11f"}, {"ab", "1d", "91f"}},
    {"root ::= (\"a\" | \"b\")+ \"1\" | (\"a\" | \"c\")+ \"2\" | (\"a\" \"b\")+ \"3\"",
     {"ba1", "ca2", "abab3"}, {"ca1", "a3"}},
    {"root ::= (\"a\" \"b\"? \"c\") | \"a\" (\"d\" | \"e\" \"f\"?) \"c\" | \"ab\" | o\n"
     "o ::= \"a\" (\"g\" (\"h\" | \"\"))?", {"abc", "ac", "ab", "adc", "aec", "aefc", "a"}, {"af", "abb", "agc", "dc"}},
    {"root ::= never \"a\" | never \"b\" | \"a\" | never\nnever ::= \"a\" never", {"a"}, {"", "aa"}},
    {"root ::= \"a\" never | \"b\" never | \"ac\"\nnever ::= \"a\" never", {"ac"}, {"a", "b", "aa"}},
};

TEST(alternatives_that_begin_alike) {
    for (size_t i = 0; i < QN_LEN(alternatives); i++) {
        rig r;
        qn_buf text = {0};
        rig_gbnf(&r, alternatives[i].grammar);
        check_language(&r, &alternatives[i]);
        for (uint64_t seed = 0; seed < 3; seed++)
            rig_walk(&r, seed, 12, true, alternatives[i].grammar, &text);
        qn_buf_drop(&text);
        rig_drop(&r);
    }
}

/* The texts of up to six letters a and b that an expression means, by what its parts mean; text 1 is "", 2i
 * is text i with an a behind it, 2i + 1 with a b. */
enum { WORDS = 128, LETTERS = 6 };
typedef struct { bool of[WORDS]; } word_set;
typedef struct { qn_buf *text; uint64_t seed, at; const word_set *rule; int rules; } maker;

static int any_of(maker *m, int n) { return (int)(qn_rng_u64(m->seed, 1, 0, m->at++) % (uint64_t)n); }

static int letters(int w) {
    int n = 0;
    for (; w > 1; w /= 2)
        n++;
    return n;
}

static word_set joined(const word_set *a, const word_set *b) {
    word_set out = {{0}};
    for (int i = 1; i < WORDS; i++)
        for (int k = 1; a->of[i] && k < WORDS; k++)
            if (b->of[k] && letters(i) + letters(k) <= LETTERS)
                out.of[i << letters(k) | (k ^ 1 << letters(k))] = true;
    return out;
}

static word_set either(const word_set *a, const word_set *b) {
    word_set out = *a;
    for (int i = 0; i < WORDS; i++)
        out.of[i] = a->of[i] || b->of[i];
    return out;
}

static word_set make_letters(maker *m) {
    word_set w = {.of[1] = true};
    CHECK_OK(qn_buf_puts(m->text, "\""));
    for (int n = any_of(m, 4); n > 0; n--) {
        const int c = any_of(m, 2);
        const word_set one = {.of = {[2] = !c, [3] = c}};
        CHECK_OK(qn_buf_puts(m->text, c ? "b" : "a"));
        w = joined(&w, &one);
    }
    CHECK_OK(qn_buf_puts(m->text, "\""));
    return w;
}

static word_set make_repeat(maker *m, const word_set *one) {
    static const char *const sign[] = {"?", "*", "{1,2}"};
    const word_set none = {.of[1] = true};
    const int kind = any_of(m, 3);
    word_set w = kind == 2 ? *one : none;
    CHECK_OK(qn_buf_puts(m->text, sign[kind]));
    for (int n = 0; n < (kind == 1 ? LETTERS : 1); n++) {
        const word_set more = joined(&w, one);
        w = either(&w, &more);
    }
    return w;
}

static word_set make_any(maker *m, int depth, int parts) {
    const int kind = parts > 0 ? 0 : any_of(m, depth > 0 ? 7 : 4);
    if (kind == 1 || kind == 2)
        return make_letters(m);
    if (kind == 3) {
        const int rule = any_of(m, m->rules + 1);
        word_set set = {.of[2] = true, .of[3] = any_of(m, 2)};
        CHECK_OK(rule < m->rules ? qn_buf_printf(m->text, "r%d", rule)
                                 : qn_buf_puts(m->text, set.of[3] ? "[ab]" : "[a]"));
        return rule < m->rules ? m->rule[rule] : set;
    }
    CHECK_OK(qn_buf_puts(m->text, "("));
    word_set w = make_any(m, depth - 1, 0);
    for (int n = parts > 0 ? parts : 1 + any_of(m, 4); n > 0 && depth > 0; n--) {
        CHECK_OK(qn_buf_puts(m->text, kind < 5 ? " | " : " "));
        const word_set next = make_any(m, depth - 1, 0);
        w = kind < 5 ? either(&w, &next) : joined(&w, &next);
    }
    CHECK_OK(qn_buf_puts(m->text, ")"));
    return kind == 6 ? make_repeat(m, &w) : w;
}

TEST(grammars_mean_what_their_parts_mean) {
    for (uint64_t seed = 0; seed < (qn_test_whole() ? 3000 : 150); seed++) {
        qn_buf b = {0};
        word_set rule[40], all;
        const int rules = seed % 3 == 0 ? 40 : 6;           /* many plain ones, or a few made of those before them */
        maker m = {&b, seed, 0, rule, 0};
        for (int i = 0; i < rules; i++) {
            CHECK_OK(qn_buf_printf(&b, "r%d ::= ", i));
            m.rules = rules == 6 ? i : 0;
            rule[i] = make_any(&m, 2, 0);
            CHECK_OK(qn_buf_puts(&b, "\n"));
        }
        m.rules = rules;
        CHECK_OK(qn_buf_puts(&b, "root ::= "));
        all = make_any(&m, 3, seed % 2 ? 2 : 45);
        rig r;
        rig_gbnf(&r, b.s);
        for (int w = 1; w < WORDS; w++) {
            char text[LETTERS];
            const int n = letters(w);
            for (int i = 0; i < n; i++)
                text[i] = w >> (n - 1 - i) & 1 ? 'b' : 'a';
            CHECK(rig_fits(&r, (qn_str){text, (size_t)n}) == all.of[w], "\"%.*s\": %s", n, text, b.s);
        }
        rig_drop(&r);
        qn_buf_drop(&b);
    }
}

/* A rule of its own for each, which is used once and begins as all do; words that hold all that lies in front of them
 * within; and rules that need one another. */
TEST(many_alternatives_are_one_way) {
    rig r;
    qn_buf b = {0};
    CHECK_OK(qn_buf_puts(&b, "root ::= \"-\"? (r0"));
    for (int i = 1; i < 6000; i++)
        CHECK_OK(qn_buf_printf(&b, " | r%d", i));
    CHECK_OK(qn_buf_puts(&b, ")\nn ::= [a-z]+ | \"(\" root \")\"\n"));
    for (int i = 0; i < 6000; i++)
        CHECK_OK(qn_buf_printf(&b, "r%d ::= \"<\" n \":%d\" n\n", i, i));
    rig_gbnf(&r, b.s);
    rig_check(&r, "<ab:0x", true, "rules");
    rig_check(&r, "-<(<x:5999y):5998(-<z:17(<x:1y))", true, "rules");
    rig_check(&r, "<ab:6000x", false, "rules");
    rig_check(&r, "<ab:59990x", false, "rules");
    CHECK(qn_masks_stats_get(r.masks).bytes < 4 << 20, "%lld bytes", (long long)qn_masks_stats_get(r.masks).bytes);
    rig_drop(&r);
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "root ::= \"\""));
    for (int i = 1; i < 1200; i++) {                    /* they part 1200 times one behind the other */
        CHECK_OK(qn_buf_puts(&b, " | \""));
        for (int k = 0; k < i; k++)
            CHECK_OK(qn_buf_puts(&b, "a"));
        CHECK_OK(qn_buf_puts(&b, "\""));
    }
    rig_gbnf(&r, b.s);
    qn_buf_clear(&b);
    for (int i = 0; i <= 1200; i++) {
        if (i % 100 == 99 || i == 0 || i == 1200)
            CHECK(rig_fits(&r, (qn_str){b.s ? b.s : "", b.n}) == (i < 1200), "%d", i);
        CHECK_OK(qn_buf_puts(&b, "a"));
    }
    rig_drop(&r);
    qn_buf_drop(&b);
}

TEST(a_pattern_of_many_words) {
    rig r;
    qn_syntax *g;
    qn_buf b = {0};
    for (int i = 0; i < 20000; i++)
        CHECK_OK(qn_buf_printf(&b, "%sv%dé", i ? "|" : "", i));
    CHECK_OK(qn_syntax_pattern(&g, qn_buf_view(&b), "p"));
    rig_bind(&r, g);
    rig_check(&r, "v19999é", true, "words");
    rig_check(&r, "v0é", true, "words");
    rig_check(&r, "v20000é", false, "words");
    rig_check(&r, "v1", false, "words");
    rig_drop(&r);
    qn_buf_drop(&b);
}

/* ---- patterns ---- */

static const language patterns[] = {
    {"a|bc", {"a", "bc"}, {"ac", ""}},
    {"^[a-z]{2,3}$", {"ab", "abc"}, {"a", "abcd"}},
    {"\\d+(\\.\\d*)?", {"1", "1.5", "22."}, {".5", "a"}},
    {"(?:a(?<name>b)?)*?c", {"c", "abac"}, {"bc"}},
    {"\\w\\s\\S\\D", {"a\tbc", "_ !x"}, {"a\t1", "--  "}},
    {"[\\d\\-x]*", {"1-x"}, {"a"}},
    {"[^\\d]", {"a", " "}, {"1"}},
    {"a{,3}b{2}c{x", {"a{,3}bbc{x"}, {"abb"}},
    {"\\u00e9\\x41\\u{1F600}\\/\\.", {"éA😀/."}, {"e"}},
    {"", {""}, {"a"}},
    {"(a|)b?", {"", "a", "ab", "b"}, {"ba"}},
};

TEST(patterns_mean_what_they_say) {
    for (size_t i = 0; i < QN_LEN(patterns); i++) {
        qn_syntax *g;
        rig r;
        CHECK_OK(qn_syntax_pattern(&g, qn_str_of(patterns[i].grammar), "p"), "%s", patterns[i].grammar);
        rig_bind(&r, g);
        check_language(&r, &patterns[i]);
        rig_drop(&r);
    }
}

/* ---- counters ---- */

TEST(a_count_is_a_counter) {
    static char text[3000];
    rig r;
    memset(text, 'a', sizeof text);
    rig_gbnf(&r, "root ::= [a-z]{3,1000000000} | ([0-9] \",\"){2000}");
    for (int n = 0; n < 5; n++)
        CHECK(rig_fits(&r, (qn_str){text, (size_t)n}) == (n >= 3), "%d", n);
    CHECK(qn_masks_stats_get(r.masks).states < 20, "%lld states", (long long)qn_masks_stats_get(r.masks).states);
    CHECK(rig_fits(&r, (qn_str){text, sizeof text}));
    rig_drop(&r);
    rig_gbnf(&r, "root ::= [a-z]{1000,2000}");
    for (int n = 998; n < 2003; n++)
        CHECK(rig_fits(&r, (qn_str){text, (size_t)n}) == (n >= 1000 && n <= 2000), "%d", n);
    rig_drop(&r);
    rig_gbnf(&r, "root ::= (\"(\" [a-z]{0,100} \")\"){0,60}");
    for (int n = 0; n < 3; n++)
        CHECK(rig_fits(&r, qn_str_of(n == 0 ? "" : n == 1 ? "()(abc)" : "(a")) == (n < 2), "%d", n);
    rig_drop(&r);
}

/* ---- masks ---- */

static const char *const walked[] = {
    "root ::= \"abc\" | \"hello\" | \"日本\"",
    "root ::= [a-z]{0,40} (\"\\n  \" [0-9]{2,9})?",
    "root ::= \"\\\"\" ([^\"\\\\\\x00-\\x1f] | \"\\\\\" (\"n\" | \"u\" [0-9a-f]{4})){0,90} \"\\\"\"",
    "root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\" | \"1\" | \"12\" | \"\\\"\" [a-z日]* \"\\\"\"",
    "root ::= ([a-c]{1,3} \" \"?){2,70}",
    "root ::= (a | b) \"}\"\na ::= \"{\" a \"}\" | \"{\"\nb ::= \"{\" b | \"{\\\"\"",
    "root ::= x \"\\\"\"\nx ::= [^\\\"]*",
};

TEST(masks_say_what_the_bytes_say) {
    qn_buf text = {0};
    for (size_t i = 0; i < QN_LEN(walked); i++) {
        rig r;
        rig_gbnf(&r, walked[i]);
        for (uint64_t seed = 0; seed < 4; seed++)
            if (rig_walk(&r, seed, 12, true, walked[i], &text))
                CHECK(rig_fits(&r, (qn_str){"", 0}) || text.n > 0);
        rig_drop(&r);
    }
    qn_buf_drop(&text);
}

TEST(an_end_is_allowed_where_the_text_is_whole) {
    rig r;
    rig_gbnf(&r, "root ::= \"ab\" \"c\"?");
    CHECK(!qn_guide_may_end(&r.guide) && !qn_guide_allows(&r.guide, RIG_EOS));
    CHECK_FAIL(qn_guide_take(&r.guide, RIG_EOS), QN_EINVAL, "does not fit");
    CHECK_INT(qn_guide_take_text(&r.guide, QN_STR("ax")), 0);
    CHECK_INT(qn_guide_take_text(&r.guide, QN_STR("ab")), 1);
    CHECK(qn_guide_may_end(&r.guide) && !qn_guide_must_end(&r.guide) && qn_guide_allows(&r.guide, RIG_EOS));
    CHECK_INT(rig_compare(&r, "c or the end"), 2);
    CHECK_INT(qn_guide_take_text(&r.guide, QN_STR("c")), 1);
    CHECK(qn_guide_must_end(&r.guide));
    CHECK_INT(rig_compare(&r, "the end"), 1);
    CHECK_OK(qn_guide_take(&r.guide, RIG_EOS));
    const uint64_t *bits;
    CHECK_FAIL(qn_guide_mask(&r.guide, &bits), QN_EINVAL, "has ended");
    qn_guide_reset(&r.guide);
    CHECK(!qn_guide_may_end(&r.guide));
    rig_drop(&r);
}

/* SentencePiece's blank before the first word is not part of the text. */
TEST(a_first_token_may_stand_for_less) {
    static const char *const words[] = {"▁a", "a", "▁b", "b", "▁", "▁a▁b"};
    static const qn_tok_decoder mark = {
        .kind = QN_DECODE_METASPACE, .pattern = {"▁", 3}, .prepend = QN_PREPEND_ALWAYS,
    };
    qn_tok_spec spec;
    qn_tok *tok;
    qn_syntax *g;
    qn_token_trie *trie;
    qn_masks *masks;
    qn_guide guide;
    const uint64_t *bits;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    for (size_t i = 0; i < QN_LEN(words); i++)
        CHECK_OK(qn_tok_spec_token(&spec, (int64_t)i, qn_str_of(words[i]), QN_TOKEN_NORMAL));
    CHECK_OK(qn_tok_spec_decoder(&spec, &mark));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    CHECK_OK(qn_syntax_gbnf(&g, QN_STR("root ::= \"a b\" [ab ]*"), "g"));
    CHECK_OK(qn_token_trie_new(&trie, tok, 10));         /* more rows than tokens: none of those may come */
    CHECK_OK(qn_masks_new(&masks, g, trie, NULL, 0));
    CHECK_OK(qn_guide_init(&guide, masks));
    CHECK_OK(qn_guide_mask(&guide, &bits));
    CHECK_INT(bits[0], 1 << 0 | 1 << 1, "\"a\", with its blank or without");
    for (int32_t id = 0; id < 10; id++)
        CHECK_INT(qn_guide_allows(&guide, id), bits[0] >> id & 1, "token %d", id);
    CHECK_OK(qn_guide_take(&guide, 0));
    CHECK_OK(qn_guide_mask(&guide, &bits));
    CHECK_INT(bits[0], 1 << 2 | 1 << 4, "now the blank is one");
    CHECK_OK(qn_guide_take(&guide, 2));
    CHECK_OK(qn_guide_mask(&guide, &bits));
    CHECK_INT(bits[0], 63);
    qn_guide_drop(&guide);
    qn_masks_free(masks);
    qn_token_trie_free(trie);
    qn_syntax_free(g);
    qn_tok_free(tok);
}

TEST(states_are_forgotten_and_guides_stay) {
    qn_states s;
    qn_syntax *g;
    CHECK_OK(qn_syntax_gbnf(&g, QN_STR("root ::= \"(\" root \")\" [a-z]{0,90} | \"x\""), "g"));
    CHECK_OK(qn_states_init(&s, g));
    uint32_t at = s.start, other = s.start;
    const char *text = "((((((x)abc)";
    for (const char *p = text; *p; p++)
        at = qn_states_next(&s, at, (uint8_t)*p);
    uint32_t *live[] = {&at, &other};
    const size_t before = s.n_states;
    CHECK_OK(qn_states_compact(&s, live, 2));
    CHECK(s.n_states < before && other == s.start, "%zu of %zu states", s.n_states, before);
    for (const char *p = "z))))"; *p; p++)
        at = qn_states_next(&s, at, (uint8_t)*p);
    CHECK(s.state[at].accept && at != QN_STATE_DEAD);
    CHECK(qn_states_next(&s, at, ')') == QN_STATE_DEAD);
    qn_states_drop(&s);
    qn_syntax_free(g);
}

TEST(memory_is_bounded_by_forgetting) {
    static char text[1000];
    rig r;
    qn_guide other;
    const uint64_t *bits;
    memset(text, 'a', sizeof text);
    rig_gbnf(&r, "root ::= \"(\" ([a-z]{0,900000} \"!\"){1,3} \")\"");
    CHECK_OK(qn_guide_copy(&other, &r.guide));
    CHECK_INT(qn_guide_take_text(&r.guide, QN_STR("(")), 1);
    for (int i = 0; i < 700; i++) {
        CHECK_INT(qn_guide_take_text(&r.guide, (qn_str){text, sizeof text}), 1);
        CHECK_OK(qn_guide_mask(&r.guide, &bits));
        CHECK_OK(qn_guide_take(&r.guide, 'a'));
        CHECK(qn_masks_stats_get(r.masks).bytes < 100 << 20, "after %d thousand", i);
    }
    CHECK(qn_masks_stats_get(r.masks).states < 600000, "some were forgotten");
    rig_compare(&r, "behind all of it");
    CHECK_INT(qn_guide_take_text(&r.guide, QN_STR("!!!)")), 1);
    CHECK(qn_guide_must_end(&r.guide));
    CHECK_INT(qn_guide_take_text(&other, QN_STR("(ab!)")), 1, "the other one stands where it stood");
    qn_guide_drop(&other);
    rig_drop(&r);
}

/* ---- what is refused ---- */

static const struct { const char *grammar; int code; const char *says; } bad[] = {
    {"", QN_EFORMAT, "no rule \"root\""},
    {"x ::= \"a\"", QN_EFORMAT, "no rule \"root\""},
    {"root ::=", QN_EFORMAT, "g.gbnf:1:9: the rule \"root\" says nothing"},
    {"root ::= ", QN_EFORMAT, "g.gbnf:1:10: the rule \"root\" says nothing"},
    {"root ::= a\na ::= # b\n", QN_EFORMAT, "g.gbnf:3:1: the rule \"a\" says nothing"},
    {"root ::= )", QN_EFORMAT, "g.gbnf:1:10: the rule \"root\" says nothing: a text, a class or a name is expected, "
     "found ')'"},
    {"root ::= x", QN_EFORMAT, "g.gbnf:1:10: there is no rule \"x\""},
    {"root ::= \"a", QN_EFORMAT, "g.gbnf:1:10: a text that begins here is not ended"},
    {"root ::= [a-", QN_EFORMAT, "behind '-'"},
    {"root ::= [z-a]", QN_EFORMAT, "ends before it begins"},
    {"root ::= (\"a\"", QN_EFORMAT, "')' is expected, for the '(' in line 1; found the end"},
    {"root ::= \"a\")", QN_EFORMAT, "g.gbnf:1:13: something else is expected than ')'"},
    {"root ::= *", QN_EFORMAT, "'*' has nothing in front"},
    {"root ::= \"a\"{", QN_EFORMAT, "a number is expected, found the end"},
    {"root ::= \"a\"{3,2}", QN_EFORMAT, "at least more than at most"},
    {"root ::= \"a\"{99999999999}", QN_ELIMIT, "a count of more than"},
    {"root ::= \"\\q\"", QN_EFORMAT, "an escape is expected"},
    {"root ::= \"\\ud800\"", QN_EFORMAT, "U+D800 is no character"},
    {"root ::= \"\\x4\"", QN_EFORMAT, "2 hexadecimal digits"},
    {"root = \"a\"", QN_EFORMAT, "g.gbnf:1:6: '::=' is expected"},
    {"root ::= \"a\"\nroot ::= \"b\"", QN_EFORMAT, "g.gbnf:2:1: a second rule \"root\""},
    {"root ::= root \"a\" | \"b\"", QN_EFORMAT, "the rule \"root\" can begin with itself"},
    {"root ::= a\na ::= b* c \"x\"\nb ::= \"y\"\nc ::= \"z\"? a | \"w\"", QN_EFORMAT, "left recursion"},
    {"root ::= a\na ::= a", QN_EINVAL, "no text fits"},
    {"root ::= \"(\" root \")\"", QN_EINVAL, "no text fits"},
    {"root ::= <[12]>", QN_EUNSUPPORTED, "tokens by number"},
    {"root ::= \"a\" \xff", QN_EUTF8, "byte 13 is not UTF-8"},
};

TEST(bad_grammars_are_refused_with_their_place) {
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        qn_syntax *g;
        const int64_t live = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
        CHECK_FAIL(qn_syntax_gbnf(&g, qn_str_of(bad[i].grammar), "g.gbnf"), bad[i].code, bad[i].says, "%s",
                   bad[i].grammar);
        CHECK(g == NULL);
        CHECK_NO_LEAK(QN_MEM_SESSION, live, "%s", bad[i].grammar);
    }
}

static const struct { const char *pattern; int code; const char *says; } bad_patterns[] = {
    {"a(?=b)", QN_EUNSUPPORTED, "looking around"}, {"(a)\\1", QN_EUNSUPPORTED, "back reference"},
    {"\\bword", QN_EUNSUPPORTED, "\\b is not understood"}, {"\\p{L}", QN_EUNSUPPORTED, "\\p"},
    {"a^b", QN_EUNSUPPORTED, "'^' is understood at the ends"}, {"(a$)", QN_EUNSUPPORTED, "'$'"},
    {"a**", QN_EFORMAT, "a repetition of a repetition"}, {"(a", QN_EFORMAT, "not ended by ')'"},
    {"a)", QN_EFORMAT, "a ')' without '('"}, {"[a", QN_EFORMAT, "not ended by ']'"},
    {"[z-a]", QN_EFORMAT, "a range needs"}, {"a{3,2}", QN_EFORMAT, "at least 3"}, {"\\", QN_EFORMAT, "nothing stands"},
    {"+a", QN_EFORMAT, "nothing in front"}, {"[]", QN_EINVAL, "no text fits"}, {"\\ud800", QN_EFORMAT, "no character"},
};

TEST(bad_patterns_are_refused_by_name) {
    for (size_t i = 0; i < QN_LEN(bad_patterns); i++) {
        qn_syntax *g;
        CHECK_FAIL(qn_syntax_pattern(&g, qn_str_of(bad_patterns[i].pattern), "p"), bad_patterns[i].code,
                   bad_patterns[i].says, "%s", bad_patterns[i].pattern);
    }
}

/* ---- hostile ones take bounded time and memory ---- */

static void repeat(qn_buf *b, const char *text, int n) {
    for (int i = 0; i < n; i++)
        CHECK_OK(qn_buf_puts(b, text));
}

TEST(deep_wide_and_long_grammars) {
    qn_syntax *g;
    qn_buf b = {0};
    CHECK_OK(qn_buf_puts(&b, "root ::= "));
    repeat(&b, "(", 100000);
    CHECK_FAIL(qn_syntax_gbnf(&g, qn_buf_view(&b), "g"), QN_ELIMIT, "parentheses");
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "root ::= \"a\""));
    repeat(&b, "*", 1000);
    CHECK_FAIL(qn_syntax_gbnf(&g, qn_buf_view(&b), "g"), QN_ELIMIT, "repetitions of one thing");
    qn_buf_clear(&b);
    repeat(&b, "#", QN_SYNTAX_TEXT_MAX + 1);
    CHECK_FAIL(qn_syntax_gbnf(&g, qn_buf_view(&b), "g"), QN_ELIMIT, "a grammar has at most");
    qn_buf_clear(&b);
    CHECK_OK(qn_buf_puts(&b, "root ::= r0\n"));             /* each the next one's beginning: many places at once */
    for (int i = 0; i < 30; i++)
        CHECK_OK(qn_buf_printf(&b, "r%d ::= r%d+ \"x\" | r%d{1,60} \"y\"\n", i, i + 1, i + 1));
    CHECK_OK(qn_buf_puts(&b, "r30 ::= \"z\"\n"));
    CHECK_OK(qn_syntax_gbnf(&g, qn_buf_view(&b), "g"));
    qn_states s;
    CHECK_FAIL(qn_states_init(&s, g), QN_ELIMIT, "g: the grammar is too ambiguous");
    qn_syntax_free(g);
    qn_buf_drop(&b);
}

TEST(what_no_token_spells_is_an_error) {
    qn_syntax *g;
    rig r;
    const uint64_t *bits;
    const int64_t eos = RIG_EOS;
    rig_gbnf(&r, "root ::= \"a\" \"ω\"");
    qn_token_trie *few;
    qn_masks *masks;
    qn_guide guide;
    CHECK_OK(qn_token_trie_new(&few, r.tok, 200));          /* of the bytes, those below 200 */
    CHECK_OK(qn_masks_new(&masks, r.g, few, &eos, 1));
    CHECK_OK(qn_guide_init(&guide, masks));
    CHECK_OK(qn_guide_mask(&guide, &bits));
    CHECK_OK(qn_guide_take(&guide, 'a'));
    CHECK_FAIL(qn_guide_mask(&guide, &bits), QN_EINVAL, "g.gbnf: the grammar wants something that no token");
    qn_guide_drop(&guide);
    qn_masks_free(masks);
    qn_token_trie_free(few);
    rig_drop(&r);
    (void)g;
}

TEST(no_memory_is_an_error_and_nothing_leaks) {
    const int64_t live = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    for (int64_t n = 0; n < 400; n++) {
        qn_syntax *g = NULL;
        qn_mem_fail_after(n);
        const int rc = qn_syntax_gbnf(&g, QN_STR("root ::= [a-zé]{3,99} (x | \"\\n\")*\n"
                                                  "x ::= \"(\" x \")\" | \"y\""), "g");
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM);
        qn_syntax_free(g);
        CHECK_NO_LEAK(QN_MEM_SESSION, live, "allocation %lld", (long long)n);
        if (rc == 0)
            return;
    }
    CHECK(false, "it never had enough");
}
