/* tok/train_report.c — bytes per token over parts of the corpus: whom a vocabulary serves, and whom it does not. */
#include <utf8proc.h>

#include "tok/train_internal.h"

const char *qn_part_name(qn_part part) {
    static const char *const names[QN_PARTS] = {
        "latin", "greek", "cyrillic", "hebrew, arabic", "indic", "cjk", "other letters", "digits", "punctuation",
        "symbols", "blanks"
    };
    return names[part];
}

/* Blocks of Unicode, whole: enough to say which letters they are. */
static const struct { uint32_t low, high; qn_part part; } scripts[] = {
    {0x0041, 0x024f, QN_PART_LATIN}, {0x0250, 0x02af, QN_PART_LATIN}, {0x0370, 0x03ff, QN_PART_GREEK},
    {0x0400, 0x052f, QN_PART_CYRILLIC}, {0x0590, 0x077f, QN_PART_HEBREW_ARABIC},
    {0x08a0, 0x08ff, QN_PART_HEBREW_ARABIC}, {0x0900, 0x0dff, QN_PART_INDIC}, {0x1100, 0x11ff, QN_PART_CJK},
    {0x1e00, 0x1eff, QN_PART_LATIN}, {0x1f00, 0x1fff, QN_PART_GREEK}, {0x2c60, 0x2c7f, QN_PART_LATIN},
    {0x2de0, 0x2dff, QN_PART_CYRILLIC}, {0x2e80, 0x318f, QN_PART_CJK}, {0x31a0, 0x9fff, QN_PART_CJK},
    {0xa640, 0xa69f, QN_PART_CYRILLIC}, {0xa720, 0xa7ff, QN_PART_LATIN}, {0xac00, 0xd7ff, QN_PART_CJK},
    {0xf900, 0xfaff, QN_PART_CJK}, {0xfb00, 0xfb06, QN_PART_LATIN}, {0xfb1d, 0xfdff, QN_PART_HEBREW_ARABIC},
    {0xfe70, 0xfeff, QN_PART_HEBREW_ARABIC}, {0xff21, 0xff5a, QN_PART_LATIN}, {0xff66, 0xffdc, QN_PART_CJK},
    {0x20000, 0x3ffff, QN_PART_CJK},
};

static qn_part part_of_char(uint32_t c) {
    if (qn_char_is_space(c))
        return QN_PART_BLANKS;
    if (qn_char_is_number(c))
        return QN_PART_DIGITS;
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    if (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO)
        return QN_PART_PUNCTUATION;
    if (k < UTF8PROC_CATEGORY_LU || k > UTF8PROC_CATEGORY_ME)
        return QN_PART_SYMBOLS;
    for (size_t i = 0; i < QN_LEN(scripts); i++)
        if (c >= scripts[i].low && c <= scripts[i].high)
            return scripts[i].part;
    return QN_PART_OTHER_LETTERS;
}

static qn_part part_of_word(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += (size_t)qn_utf8_decode(s + i, n - i, &c);
        qn_part part = part_of_char(c);
        if (part != QN_PART_BLANKS)
            return part;
    }
    return QN_PART_BLANKS;
}

typedef struct {
    const qn_words *w;
    const qn_tok *tok;
    qn_tok_report shard[QN_WORD_SHARDS];
    int rc[QN_WORD_SHARDS];
} reporter;

static void add(qn_part_sum *sum, int64_t words, int64_t bytes, int64_t tokens) {
    sum->words += words;
    sum->bytes += bytes;
    sum->tokens += tokens;
}

static void report_shard(void *arg, int64_t shard, QN_UNUSED int worker) {
    reporter *r = arg;
    const qn_word_table *t = &r->w->shard[shard];
    qn_ids ids = {0};
    for (size_t i = 0; i < t->n && r->rc[shard] >= 0; i++) {
        const qn_word *word = &t->word[i];
        const char *text = t->text + word->at;
        qn_ids_clear(&ids);
        r->rc[shard] = qn_tok_encode(r->tok, text, word->n, QN_TOK_PLAIN, &ids);
        add(&r->shard[shard].part[part_of_word(text, word->n)], word->count, word->count * (int64_t)word->n,
            word->count * (int64_t)ids.n);
    }
    qn_ids_drop(&ids);
}

int qn_tok_report_words(const qn_words *w, const qn_tok *tok, qn_tok_report *out) {
    int rc = 0;
    qn_assert(w->finished);
    *out = (qn_tok_report){0};
    reporter *r = qn_zalloc(QN_MEM_TOK, 1, sizeof *r);
    if (!r)
        return QN_ENOMEM;
    r->w = w;
    r->tok = tok;
    qn_parallel(w->o.pool, QN_WORD_SHARDS, report_shard, r);
    for (int s = 0; s < QN_WORD_SHARDS; s++) {
        rc = r->rc[s] < 0 ? qn_fail(r->rc[s], "cannot encode the words that the tokenizer was made of") : rc;
        for (int p = 0; p < QN_PARTS; p++) {
            const qn_part_sum *sum = &r->shard[s].part[p];
            add(&out->part[p], sum->words, sum->bytes, sum->tokens);
            add(&out->all, sum->words, sum->bytes, sum->tokens);
        }
    }
    qn_free(r);
    return rc;
}
