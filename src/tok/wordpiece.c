/* tok/wordpiece.c — WordPiece of one word: the longest piece that the vocabulary has, then the longest of what is left,
 * which the vocabulary spells with a prefix (Schuster & Nakajima 2012; greedy, as BERT does it):
 *
 *     unaffable  →  un ##aff ##able          one part that nothing spells: the whole word is [UNK]
 *
 * No piece is longer than the longest of the vocabulary, so a word costs at most its length times that. */
#include "tok/word_cache.h"

struct qn_wordpiece_work {
    qn_cached_word *cache;
    qn_buf key;                     /* the prefix, then the rest of the word */
    qn_ids pieces;
};

struct qn_wordpiece {
    const qn_idmap *ids;            /* of the tokenizer */
    char *affix;
    qn_str prefix;                  /* of pieces that are not first; owned */
    int32_t unk;
    size_t max_word;                /* characters of a word that is looked at */
    size_t longest;                 /* bytes of the longest token, prefix included */
};

int qn_wordpiece_new(qn_wordpiece **out, const qn_tok *t, const qn_tok_spec *spec) {
    if (spec->unk < 0)
        return qn_fail(QN_EFORMAT, "tokenizer: WordPiece needs a token for what it cannot spell ([UNK]), and the "
                       "vocabulary has none");
    qn_wordpiece *p = qn_zalloc(QN_MEM_TOK, 1, sizeof *p);
    if (!p)
        return QN_ENOMEM;
    p->affix = qn_str_dup(QN_MEM_TOK, spec->continuing_prefix);
    if (!p->affix) {
        qn_free(p);
        return QN_ENOMEM;
    }
    p->ids = &t->ids;
    p->prefix = (qn_str){p->affix, spec->continuing_prefix.n};
    p->unk = spec->unk;
    p->max_word = (size_t)QN_MAX(spec->max_word, 1);
    for (int32_t i = 0; i < t->n; i++)
        p->longest = QN_MAX(p->longest, t->vocab[i].text.n);
    *out = p;
    return 0;
}

void qn_wordpiece_free(qn_wordpiece *p) {
    if (p)
        qn_free(p->affix);
    qn_free(p);
}

int qn_wordpiece_work_new(qn_wordpiece_work **out) {
    qn_wordpiece_work *w = qn_zalloc(QN_MEM_TOK, 1, sizeof *w);
    if (!w)
        return QN_ENOMEM;
    w->cache = qn_arena_map(QN_MEM_TOK, QN_CACHED_WORDS * sizeof *w->cache);   /* pages only where a word has been */
    if (!w->cache) {
        qn_free(w);
        return QN_ENOMEM;
    }
    *out = w;
    return 0;
}

void qn_wordpiece_work_free(qn_wordpiece_work *w) {
    if (!w)
        return;
    qn_arena_unmap(QN_MEM_TOK, w->cache, QN_CACHED_WORDS * sizeof *w->cache);
    qn_buf_drop(&w->key);
    qn_ids_drop(&w->pieces);
    qn_free(w);
}

static bool goes_on(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* Looks no further than it must: a word of megabytes is told by its first bytes. */
static bool too_long(const qn_wordpiece *p, const char *s, size_t n) {
    size_t characters = 0;
    for (size_t i = 0; i < n && characters <= p->max_word; i++)
        characters += !goes_on(s[i]);
    return characters > p->max_word;
}

/* The longest piece that text, n bytes behind the first `before`, begins with: its id and bytes, or -1. */
static int32_t longest_piece(const qn_wordpiece *p, const char *text, size_t before, size_t n, size_t *bytes) {
    size_t end = QN_MIN(n, p->longest > before ? p->longest - before : 0);
    while (end > 0 && end < n && goes_on(text[before + end]))
        end--;
    while (end > 0) {
        const int32_t id = qn_idmap_get(p->ids, (qn_str){text, before + end});
        if (id >= 0) {
            *bytes = end;
            return id;
        }
        for (end--; end > 0 && goes_on(text[before + end]);)
            end--;
    }
    return -1;
}

static int encode(const qn_wordpiece *p, qn_wordpiece_work *w, const char *s, size_t n) {
    size_t bytes = 0;
    qn_ids_clear(&w->pieces);
    if (too_long(p, s, n))
        return qn_ids_push(&w->pieces, p->unk);
    for (size_t at = 0; at < n; at += bytes) {
        qn_str text = {s, n};
        if (at > 0) {
            qn_buf_clear(&w->key);
            QN_TRY(qn_buf_put(&w->key, p->prefix.s, p->prefix.n));
            QN_TRY(qn_buf_put(&w->key, s + at, n - at));
            text = qn_buf_view(&w->key);
        }
        const int32_t id = longest_piece(p, text.s, at > 0 ? p->prefix.n : 0, n - at, &bytes);
        if (id < 0) {
            qn_ids_clear(&w->pieces);
            return qn_ids_push(&w->pieces, p->unk);
        }
        QN_TRY(qn_ids_push(&w->pieces, id));
    }
    return 0;
}

int qn_wordpiece_word(const qn_wordpiece *p, qn_wordpiece_work *w, const char *s, size_t n, qn_ids *ids) {
    qn_cached_word *e = n > QN_CACHED_KEY ? NULL : qn_cached_at(w->cache, qn_cached_hash(s, n));
    if (e && qn_cached_is(e, s, n))
        return qn_ids_append(ids, e->id, e->n_ids);
    QN_TRY(encode(p, w, s, n));
    if (e)
        qn_cached_put(e, s, n, w->pieces.v, w->pieces.n);
    return qn_ids_append(ids, w->pieces.v, w->pieces.n);
}
