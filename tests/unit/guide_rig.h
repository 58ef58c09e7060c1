/* tests/unit/guide_rig.h — a grammar over a small vocabulary: all bytes as tokens, some words, some that cross from one
 * part of JSON into the next, half a character, and an end. */
#ifndef QN_TESTS_UNIT_GUIDE_RIG_H
#define QN_TESTS_UNIT_GUIDE_RIG_H

#include "guide/guide.h"
#include "test.h"

static const char *const rig_words[] = {
    "a", "b", "ab", "abc", "hello", " ", "  ", "\n", "\n  ", "\"", "{", "}", "[", "]", ",", ":", "{\"", "\":", "\": ",
    "\": \"", "\", \"", "\",\"", "\"}", "\"},", "]}", "}}", "null", "true", "false", "tr", "ue", "0", "1", "2", "12",
    "100", "-", "-1", ".5", "e", "id", "name", "age", "tags", "\"id", "\"name\":", "name\": \"", "date", "2024-", "-0",
    "T12", ":30", "Z", "é", "日", "日本", "\xe6\x97", "\xa5", "\\", "\\n", "\\u", "00e9", "\\\"", "red", "green", "blue",
};
enum { RIG_EOS = 256, RIG_FIRST = 257, RIG_V = RIG_FIRST + (int)QN_LEN(rig_words) };

/* The words as tokens of their own, behind <0x00> … <0xFF> and an end of sequence. */
QN_UNUSED static qn_tok *rig_tok(void) {
    static const qn_tok_decoder bytes = {.kind = QN_DECODE_BYTE_FALLBACK};
    qn_tok_spec spec;
    qn_tok *tok;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    CHECK_OK(qn_tok_spec_bytes(&spec));
    CHECK_OK(qn_tok_spec_token(&spec, RIG_EOS, QN_STR("</s>"), QN_TOKEN_CONTROL));
    for (size_t i = 0; i < QN_LEN(rig_words); i++)
        CHECK_OK(qn_tok_spec_token(&spec, RIG_FIRST + (int64_t)i, qn_str_of(rig_words[i]), QN_TOKEN_NORMAL));
    CHECK_OK(qn_tok_spec_decoder(&spec, &bytes));
    spec.eos = RIG_EOS;
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    return tok;
}

typedef struct { qn_syntax *g; qn_tok *tok; qn_token_trie *trie; qn_masks *masks; qn_guide guide; } rig;

QN_UNUSED static void rig_bind(rig *r, qn_syntax *g) {
    const int64_t eos = RIG_EOS;
    *r = (rig){.g = g, .tok = rig_tok()};
    CHECK_OK(qn_token_trie_new(&r->trie, r->tok, RIG_V));
    CHECK_OK(qn_masks_new(&r->masks, g, r->trie, &eos, 1));
    CHECK_OK(qn_guide_init(&r->guide, r->masks));
}

QN_UNUSED static void rig_drop(rig *r) {
    qn_guide_drop(&r->guide);
    qn_masks_free(r->masks);
    qn_token_trie_free(r->trie);
    qn_tok_free(r->tok);
    qn_syntax_free(r->g);
}

QN_UNUSED static void rig_gbnf(rig *r, const char *text) {
    qn_syntax *g;
    CHECK_OK(qn_syntax_gbnf(&g, qn_str_of(text), "g.gbnf"), "%s", text);
    rig_bind(r, g);
}

QN_UNUSED static void rig_schema(rig *r, const char *json) {
    qn_syntax *g;
    CHECK_OK(qn_syntax_schema(&g, qn_str_of(json), "s.json", NULL), "%s", json);
    rig_bind(r, g);
}

/* Is this a whole text of the grammar? The guide is where it was before. */
QN_UNUSED static bool rig_fits(rig *r, qn_str text) {
    qn_guide g;
    CHECK_OK(qn_guide_copy(&g, &r->guide));
    const int taken = qn_guide_take_text(&g, text);
    CHECK_OK(taken);
    const bool fits = taken > 0 && qn_guide_may_end(&g);
    qn_guide_drop(&g);
    return fits;
}

QN_UNUSED static void rig_check(rig *r, const char *text, bool want, const char *what) {
    CHECK(rig_fits(r, qn_str_of(text)) == want, "%s: '%s' %s", what, text, want ? "fits" : "does not fit");
}

/* The mask says of each token what the token's bytes say. Returns how many are allowed. */
QN_UNUSED static int rig_compare(rig *r, const char *what) {
    const uint64_t *bits;
    int n = 0;
    CHECK_OK(qn_guide_mask(&r->guide, &bits), "%s", what);
    for (int32_t id = 0; id < RIG_V; id++) {
        const int allowed = qn_guide_allows(&r->guide, id);
        CHECK_INT(bits[id / 64] >> (id % 64) & 1, allowed, "%s: token %d", what, id);
        n += allowed;
    }
    return n;
}

/* Words twice as often as bytes; once a text is long enough, mostly what closes something. */
QN_UNUSED static int rig_weight(int32_t id, bool closing) {
    static const char *const closers[] = {"\"", "}", "]", "\"}", "]}", "}}", "\")", "\",\""};
    for (size_t i = 0; closing && id >= RIG_FIRST && i < QN_LEN(closers); i++)
        if (strcmp(rig_words[id - RIG_FIRST], closers[i]) == 0)
            return 5000;
    return 1 + 15 * (id >= RIG_FIRST);
}

/* A random text of the grammar, token by token, to out; masks are compared on the way where `compare`. After `long_is`
 * tokens it is brought to its end. False: it did not end within thirty times as many. */
QN_UNUSED static bool rig_walk(rig *r, uint64_t seed, int long_is, bool compare, const char *what, qn_buf *out) {
    qn_buf_clear(out);
    qn_guide_reset(&r->guide);
    for (int step = 0; step < 30 * long_is; step++) {
        const uint64_t *bits;
        const bool closing = step >= long_is;
        int32_t id = -1;
        int64_t n = 0;
        if (compare)
            rig_compare(r, what);
        CHECK_OK(qn_guide_mask(&r->guide, &bits), "%s after %.*s", what, QN_STR_ARG(qn_buf_view(out)));
        if (closing && qn_guide_may_end(&r->guide))
            return true;
        for (int32_t i = 0; i < RIG_V; i++)
            n += bits[i / 64] >> (i % 64) & 1 ? rig_weight(i, closing) : 0;
        int64_t at = (int64_t)(qn_rng_u64(seed, QN_RNG_TEST, (uint64_t)step, 0) % (uint64_t)n);
        for (int32_t i = 0; i < RIG_V && at >= 0; i++)
            if (bits[i / 64] >> (i % 64) & 1) {
                at -= rig_weight(i, closing);
                id = i;
            }
        CHECK_OK(qn_guide_take(&r->guide, id), "%s", what);
        if (id == RIG_EOS)
            return true;
        const qn_str piece = qn_tok_piece(r->tok, id);
        CHECK_OK(qn_buf_put(out, piece.s, piece.n));
        if (qn_guide_must_end(&r->guide))
            return true;
    }
    return false;
}

#endif
