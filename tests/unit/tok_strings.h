/* tests/unit/tok_strings.h — the strings that the tokenizer tests share with their fixtures: it is
 * tools/fixtures/tok_strings.py in C, table by table and draw by draw. String i of a seed is 1 to 10 parts: words,
 * numbers, runs of spaces, scripts, emoji, combining marks, control characters, long repeats, spellings of special
 * tokens, code. */
#ifndef QN_TESTS_TOK_STRINGS_H
#define QN_TESTS_TOK_STRINGS_H

#include "test.h"
#include "tok/tok.h"

static const char *const tok_words[] = {
    "the", "of", "and", "to", "in", "was", "He", "that", "it", "his", "tokenizer", "Language", "model",
    "unbelievable", "antidisestablishment", "WiFi", "iPhone", "HTTPServer", "café", "naïve", "Straße", "don't",
    "I'll", "they've", "we're", "she'd", "it's", "I'm", "rock'n'roll", "O'Neill", "a", "I", "x", "NASA", "e.g.",
    "co-op",
};
static const char *const tok_spaces[] = {
    " ", "  ", "   ", "\012", "\012\012", "\011", "\015\012", "\015", "\013", "\014", "\302\240",
    "\343\200\200", "\342\200\203", "\302\205", "\342\200\250", "\342\200\213", "\341\240\216", "        ",
    " \012", "\012 ",
};
static const char *const tok_signs[] = {
    ".", ",", "!", "\?", ";", ":", "'", "\"", "(", ")", "[", "]", "{", "}", "<", ">", "/", "\\", "|", "@", "#",
    "$", "%", "^", "&", "*", "-", "_", "+", "=", "~", "`", "…", "—", "«", "€", "。", "、",
};
static const char *const tok_tails[] = {
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'x", "''", "'s's", " 's", "’s",
};
static const char *const tok_emoji[] = {
    "😀", "🚀", "👩\342\200\215👩\342\200\215👧\342\200\215👦", "👍\360\237\217\275", "🇩🇪", "❤\357\270\217",
    "🏳\357\270\217\342\200\215🌈", "✅", "🦙", "👨\360\237\217\277\342\200\215🚀", "🧑\342\200\215💻",
};
static const char *const tok_special[] = {
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<|im_", "start|>", "<|", "|>",
    "<|im_start|><|im_end|>", " <|im_end|> ", "<|endoftext|", "<filename>", "<gh_stars>", "<s>", "</s>",
    "<unk>", "[CLS]", "<pad>", "<extra>",
};
static const char *const tok_code[] = {
    "def f(x):\012    return x", "for (int i = 0; i < n; i++) {\012\011", "</div>", "\\n\\t\\0", "0x1F",
    "http://a.b/c\?d=e&f", "a->b", "x += 1", "// note", "/* */", "#include <stdio.h>\012",
    "\"key\": \"value\",", "SELECT * FROM t;", "===", "!==", "<<=", "::",
};
static const char *const tok_numbers[] = {
    "½", "²", "Ⅷ", "①", "٣", "५", "१२३", "３", "¾", "1,234.56", "3.14e-10", "192.168.0.1",
};
static const struct { uint32_t low, high; } tok_scripts[] = {
    {0xc0, 0xd6}, {0x100, 0x17e}, {0x391, 0x3a1}, {0x3b1, 0x3c9}, {0x410, 0x44f}, {0x5d0, 0x5ea},
    {0x621, 0x63a}, {0x905, 0x939}, {0xe01, 0xe2e}, {0xac00, 0xd7a3}, {0x3041, 0x3093}, {0x30a1, 0x30f6},
    {0x4e00, 0x9fa5}, {0x10d0, 0x10f0}, {0x20000, 0x2a6d6}, {0x1d400, 0x1d454}, {0xff21, 0xff5a},
    {0xe000, 0xe0ff},
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint32_t tok_below(uint64_t *s, uint32_t n) {
    uint64_t z = *s += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(((z ^ (z >> 31)) >> 16) % n);
}

#define TOK_OF(s, table) table[tok_below((s), QN_LEN(table))]

static void tok_put(qn_buf *b, const char *z, uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        CHECK_OK(qn_buf_puts(b, z));
}

static void tok_script_word(uint64_t *s, qn_buf *b) {
    uint32_t k = tok_below(s, QN_LEN(tok_scripts)), low = tok_scripts[k].low, n = 1 + tok_below(s, 8);
    for (uint32_t i = 0; i < n; i++)
        CHECK_OK(qn_buf_utf8(b, low + tok_below(s, tok_scripts[k].high - low + 1)));
}

static void tok_ascii_word(uint64_t *s, qn_buf *b) {
    uint32_t n = 1 + tok_below(s, 12);
    size_t at = b->n;
    for (uint32_t i = 0; i < n; i++)
        CHECK_OK(qn_buf_putc(b, (char)('a' + tok_below(s, 26))));
    if (tok_below(s, 8) == 0)
        for (; at < b->n; at++)
            b->s[at] = (char)(b->s[at] - 'a' + 'A');
}

static void tok_marks(uint64_t *s, qn_buf *b) {
    CHECK_OK(qn_buf_putc(b, (char)('a' + tok_below(s, 26))));
    uint32_t n = 1 + tok_below(s, 5);
    for (uint32_t i = 0; i < n; i++)
        CHECK_OK(qn_buf_utf8(b, 0x300 + tok_below(s, 0x45)));
}

static void tok_control(uint64_t *s, qn_buf *b) {
    uint32_t c = tok_below(s, 66);
    CHECK_OK(qn_buf_utf8(b, c < 32 ? c : c == 32 ? 0x7f : c < 65 ? 0x80 + c - 33 : 0xfffd));
}

static void tok_repeat(uint64_t *s, qn_buf *b) {
    const char *one = tok_below(s, 3) == 0 ? TOK_OF(s, tok_words)
                      : tok_below(s, 2)    ? TOK_OF(s, tok_spaces)
                                           : TOK_OF(s, tok_signs);
    tok_put(b, one, 10 + tok_below(s, 120));
}

static void tok_part(uint64_t *s, qn_buf *b) {
    uint32_t kind = tok_below(s, 16), n;
    bool space = tok_below(s, 2) != 0;
    if (space && (kind < 5 || kind == 6 || kind == 8 || kind == 9 || kind == 10 || kind == 15))
        tok_put(b, " ", 1);
    switch (kind) {
    case 0: case 1: case 2: tok_put(b, TOK_OF(s, tok_words), 1); break;
    case 3: tok_ascii_word(s, b); break;
    case 4:
        n = 1 + tok_below(s, 9);
        for (uint32_t i = 0; i < n; i++)
            CHECK_OK(qn_buf_putc(b, (char)('0' + tok_below(s, 10))));
        break;
    case 5: {
        const char *one = TOK_OF(s, tok_spaces);
        tok_put(b, one, 1 + tok_below(s, 4));
        break;
    }
    case 6:
        n = 1 + tok_below(s, 4);
        for (uint32_t i = 0; i < n; i++)
            tok_put(b, TOK_OF(s, tok_signs), 1);
        break;
    case 7: tok_put(b, TOK_OF(s, tok_tails), 1); break;
    case 8: tok_script_word(s, b); break;
    case 9: tok_put(b, TOK_OF(s, tok_emoji), 1); break;
    case 10: tok_marks(s, b); break;
    case 11: tok_control(s, b); break;
    case 12: tok_repeat(s, b); break;
    case 13: tok_put(b, TOK_OF(s, tok_special), 1); break;
    case 14: tok_put(b, TOK_OF(s, tok_code), 1); break;
    default: tok_put(b, TOK_OF(s, tok_numbers), 1); break;
    }
}

/* Clears b first. */
QN_UNUSED static void tok_string(uint64_t seed, uint64_t i, qn_buf *b) {
    uint64_t s = (seed << 32) + i;
    qn_buf_clear(b);
    uint32_t parts = 1 + tok_below(&s, 10);
    for (uint32_t k = 0; k < parts; k++)
        tok_part(&s, b);
}

/* FNV-1a, 64 bits. */
#define TOK_HASH_START 0xCBF29CE484222325u

static uint64_t tok_hash_bytes(uint64_t h, const void *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001B3u;
    return h;
}

QN_UNUSED static uint64_t tok_hash_ids(uint64_t h, const qn_ids *ids) {
    for (size_t i = 0; i <= ids->n; i++) {
        uint32_t v = i < ids->n ? (uint32_t)ids->v[i] : UINT32_MAX;
        for (int k = 0; k < 4; k++)
            h = tok_hash_bytes(h, &(unsigned char){(unsigned char)(v >> 8 * k)}, 1);
    }
    return h;
}

QN_UNUSED static uint64_t tok_hash_text(uint64_t h, const qn_buf *b) {
    return tok_hash_bytes(tok_hash_bytes(h, b->s, b->n), "\xff", 1);
}

#endif
