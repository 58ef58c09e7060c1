/* tok/bpe.c — byte-pair encoding of one word: the word's first symbols, merges (bpe_merge.c), and a cache of words.
 *
 * Two alphabets. Byte level: the text's bytes are the symbols, looked up in a table of 256; the vocabulary's spelling
 * (bytelevel.c) is undone once, when the tokenizer is made. Otherwise a symbol is a character, looked up as the
 * vocabulary spells it; what it lacks falls back to bytes ("<0x0A>"), to the unknown token, or is lost, in this order.
 *
 * Most words are answered by the cache (word_cache.h). */
#include <stdio.h>

#include "tok/word_cache.h"

#define BATCH 32                /* merges looked up together while a vocabulary is loaded */

struct qn_bpe_work {
    qn_word_cache cache;
    qn_bpe_symbols symbols;
    qn_buf key;                     /* a symbol as spelled with prefix and suffix */
};

struct qn_bpe {
    const qn_idmap *ids;            /* of the tokenizer */
    const bool *special;
    int32_t n_ids;
    bool byte_level, byte_fallback, ignore_merges, fuse_unk;
    int32_t unk;                    /* −1: what cannot be spelled is lost */
    qn_str prefix, suffix;          /* of sub-words not first, and last; owned */
    char *affixes;
    int32_t byte_id[2][2][256];     /* byte level: [not first][last][byte] → id, −1 */
    int32_t fallback_id[256];       /* "<0xXX>" → id, −1 */
    qn_bpe_merges merges;
    int32_t *result;                /* [merges] rank → id */
};

/* ---- building ---------------------------------------------------------------------------------------------------- */

static int copy_affixes(qn_bpe *b, const qn_tok_spec *spec) {
    size_t n = spec->continuing_prefix.n, k = spec->end_suffix.n;
    b->affixes = qn_alloc(QN_MEM_TOK, n + k);
    if (!b->affixes)
        return QN_ENOMEM;
    if (n)
        memcpy(b->affixes, spec->continuing_prefix.s, n);
    if (k)
        memcpy(b->affixes + n, spec->end_suffix.s, k);
    b->prefix = (qn_str){b->affixes, n};
    b->suffix = (qn_str){b->affixes + n, k};
    return 0;
}

/* The id of a symbol with its affixes, or −1. */
static int symbol_id(const qn_bpe *b, qn_buf *key, qn_str symbol, bool not_first, bool last, int32_t *id) {
    bool prefixed = not_first && b->prefix.n, suffixed = last && b->suffix.n;
    if (prefixed || suffixed) {
        qn_buf_clear(key);
        if (prefixed)
            QN_TRY(qn_buf_put(key, b->prefix.s, b->prefix.n));
        QN_TRY(qn_buf_put(key, symbol.s, symbol.n));
        if (suffixed)
            QN_TRY(qn_buf_put(key, b->suffix.s, b->suffix.n));
        symbol = qn_buf_view(key);
    }
    *id = qn_idmap_get(b->ids, symbol);
    return 0;
}

static int build_byte_ids(qn_bpe *b, qn_buf *key) {
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int n = qn_utf8_encode(qn_bytelevel_char((uint8_t)byte), text);
        for (int not_first = 0; not_first < 2; not_first++)
            for (int last = 0; last < 2; last++)
                QN_TRY(symbol_id(b, key, (qn_str){text, (size_t)n}, not_first, last,
                                 &b->byte_id[not_first][last][byte]));
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        b->fallback_id[byte] = b->byte_fallback ? qn_idmap_get(b->ids, qn_str_of(text)) : -1;
    }
    return 0;
}

static int bad_merge(const qn_tok_spec *spec, size_t i, const char *what) {
    return qn_fail(QN_EFORMAT, "tokenizer: merge %zu, \"%.*s\" + \"%.*s\": %s is not in the vocabulary", i,
                   QN_STR_ARG(spec->merges[i].left), QN_STR_ARG(spec->merges[i].right), what);
}

/* The id of what a merge makes. Vocabularies list these in the order of the merges: mostly it is the next id, and no
 * search is needed. */
static int merged_id(const qn_bpe *b, const qn_tok_merge *m, int32_t expected, qn_buf *key, int32_t *id) {
    qn_str tail = m->right;
    if (b->prefix.n && tail.n >= b->prefix.n) {
        tail.s += b->prefix.n;
        tail.n -= b->prefix.n;
    }
    if (expected < b->n_ids) {
        qn_str next = b->ids->entry[expected].text;
        *id = expected;
        if (next.n == m->left.n + tail.n && qn_text_same(next.s, m->left.s, m->left.n) &&
            qn_text_same(next.s + m->left.n, tail.s, tail.n))
            return 0;
    }
    qn_buf_clear(key);
    QN_TRY(qn_buf_put(key, m->left.s, m->left.n));
    QN_TRY(qn_buf_put(key, tail.s, tail.n));
    *id = qn_idmap_get(b->ids, qn_buf_view(key));
    return 0;
}

/* Enters merges first … first + n − 1, n ≤ BATCH. */
static int build_batch(qn_bpe *b, const qn_tok_spec *spec, size_t first, size_t n, qn_buf *key, size_t *skipped) {
    qn_str text[2 * BATCH] = {{NULL, 0}};
    int32_t half[2 * BATCH], id = first ? b->result[first - 1] : -1;
    for (size_t k = 0; k < n; k++) {
        text[2 * k] = spec->merges[first + k].left;
        text[2 * k + 1] = spec->merges[first + k].right;
    }
    qn_idmap_get_many(b->ids, text, 2 * n, half);
    for (size_t k = 0; k < n; k++)
        qn_bpe_merges_expect(&b->merges, half[2 * k], half[2 * k + 1]);
    for (size_t k = 0; k < n; k++) {
        size_t i = first + k;
        QN_TRY(merged_id(b, &spec->merges[i], id + 1, key, &id));
        int32_t left = half[2 * k], right = half[2 * k + 1];
        const char *missing = left < 0 ? "the first" : right < 0 ? "the second" : id < 0 ? "what they make" : NULL;
        if (missing && !spec->skip_bad_merges)
            return bad_merge(spec, i, missing);
        b->result[i] = id;
        if (missing)
            ++*skipped;
        else
            qn_bpe_merges_put(&b->merges, left, right, (uint32_t)i, id);
    }
    return 0;
}

static int build_merges(qn_bpe *b, const qn_tok_spec *spec, qn_buf *key) {
    size_t skipped = 0;
    b->result = qn_zalloc(QN_MEM_TOK, spec->n_merges, sizeof *b->result);
    if (!b->result)
        return QN_ENOMEM;
    QN_TRY(qn_bpe_merges_init(&b->merges, spec->n_merges));
    b->merges.result = b->result;
    for (size_t i = 0; i < spec->n_merges; i += BATCH)
        QN_TRY(build_batch(b, spec, i, QN_MIN(spec->n_merges - i, (size_t)BATCH), key, &skipped));
    if (skipped)
        qn_log(QN_LOG_WARN, "tokenizer: %zu of %zu merges name tokens that are not in the vocabulary; left out",
               skipped, spec->n_merges);
    return 0;
}

int qn_bpe_new(qn_bpe **out, const qn_tok *t, const qn_tok_spec *spec, bool byte_level) {
    int rc = 0;
    qn_buf key = {0};
    qn_bpe *b = qn_zalloc(QN_MEM_TOK, 1, sizeof *b);
    if (!b)
        return QN_ENOMEM;
    b->ids = &t->ids;
    b->n_ids = t->n;
    b->special = t->special;
    b->byte_level = byte_level;
    b->byte_fallback = spec->byte_fallback;
    b->ignore_merges = spec->ignore_merges;
    b->fuse_unk = spec->fuse_unk;
    b->unk = spec->use_unk ? spec->unk : -1;
    if (spec->n_merges >= UINT32_MAX) {
        rc = qn_fail(QN_ELIMIT, "tokenizer: %zu merges", spec->n_merges);
        goto out;
    }
    QN_TRY_OUT(copy_affixes(b, spec));
    QN_TRY_OUT(build_byte_ids(b, &key));
    QN_TRY_OUT(build_merges(b, spec, &key));
    *out = b;
    b = NULL;
out:
    qn_buf_drop(&key);
    qn_bpe_free(b);
    return rc;
}

void qn_bpe_free(qn_bpe *b) {
    if (!b)
        return;
    qn_free(b->affixes);
    qn_bpe_merges_drop(&b->merges);
    qn_free(b->result);
    qn_free(b);
}

int qn_bpe_work_new(qn_bpe_work **out) {
    qn_bpe_work *w = qn_zalloc(QN_MEM_TOK, 1, sizeof *w);
    if (!w)
        return QN_ENOMEM;
    const int rc = qn_word_cache_init(&w->cache);
    if (rc < 0)
        qn_free(w);
    else
        *out = w;
    return rc;
}

void qn_bpe_work_free(qn_bpe_work *w) {
    if (!w)
        return;
    qn_word_cache_drop(&w->cache);
    qn_free(w->symbols.id);
    qn_free(w->symbols.link);
    qn_free(w->symbols.heap);
    qn_buf_drop(&w->key);
    qn_free(w);
}

/* ---- a word's first symbols -------------------------------------------------------------------------------------- */

static int push_symbol(qn_bpe_symbols *s, int32_t id) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->id, s->cap, s->n + 1));
    s->id[s->n++] = id;
    return 0;
}

/* A character that the vocabulary lacks: its bytes where all of them have tokens, else the unknown token. */
static int push_missing(const qn_bpe *b, qn_bpe_symbols *s, qn_str spelled, bool after_unk, bool *is_unk) {
    bool bytes = b->byte_fallback;
    for (size_t i = 0; i < spelled.n && bytes; i++)
        bytes = b->fallback_id[(uint8_t)spelled.s[i]] >= 0;
    for (size_t i = 0; i < spelled.n && bytes; i++)
        QN_TRY(push_symbol(s, b->fallback_id[(uint8_t)spelled.s[i]]));
    *is_unk = !bytes && b->unk >= 0;
    if (*is_unk && !(b->fuse_unk && after_unk))
        QN_TRY(push_symbol(s, b->unk));
    return 0;
}

static int first_symbols(const qn_bpe *b, qn_bpe_work *w, const char *s, size_t n) {
    bool after_unk = false;
    w->symbols.n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t len = b->byte_level ? 1 : (size_t)qn_utf8_decode(s + i, n - i, &c);
        bool not_first = i > 0, last = i + len == n, is_unk = false;
        int32_t id;
        if (b->byte_level)
            id = b->byte_id[not_first][last][(uint8_t)s[i]];
        else
            QN_TRY(symbol_id(b, &w->key, (qn_str){s + i, len}, not_first, last, &id));
        if (id >= 0) {
            QN_TRY(push_symbol(&w->symbols, id));
        } else {
            char text[4];
            qn_str missing = {s + i, len};
            if (b->byte_level)
                missing = (qn_str){text, (size_t)qn_utf8_encode(qn_bytelevel_char((uint8_t)s[i]), text)};
            QN_TRY(push_missing(b, &w->symbols, missing, after_unk, &is_unk));
        }
        after_unk = is_unk;
        i += len;
    }
    return 0;
}

/* ---- a word ------------------------------------------------------------------------------------------------------ */

/* ignore_merges: a word that is a token as it stands. Special tokens are no words. */
static int whole_word(const qn_bpe *b, qn_bpe_work *w, qn_str word, int32_t *id) {
    if (b->byte_level) {
        qn_buf_clear(&w->key);
        QN_TRY(qn_bytelevel_spell(&w->key, word));
        word = qn_buf_view(&w->key);
    }
    *id = qn_idmap_get(b->ids, word);
    if (*id >= 0 && b->special[*id])
        *id = -1;
    return 0;
}

static int encode(const qn_bpe *b, qn_bpe_work *w, const char *s, size_t n) {
    int32_t id = -1;
    w->symbols.n = 0;
    if (b->ignore_merges)
        QN_TRY(whole_word(b, w, (qn_str){s, n}, &id));
    if (id >= 0)
        return push_symbol(&w->symbols, id);
    QN_TRY(first_symbols(b, w, s, n));
    return qn_bpe_merge_all(&b->merges, &w->symbols);
}

int qn_bpe_word(const qn_bpe *b, qn_bpe_work *w, const char *s, size_t n, qn_ids *ids) {
    qn_cached_word *e = qn_word_cache_at(&w->cache, s, n);
    if (e && qn_cached_is(e, s, n))
        return qn_ids_append(ids, e->id, e->n_ids);
    QN_TRY(encode(b, w, s, n));
    if (e)
        qn_cached_put(e, s, n, w->symbols.id, w->symbols.n);
    return qn_ids_append(ids, w->symbols.id, w->symbols.n);
}
