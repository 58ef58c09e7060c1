/* tok/bpe.c — byte-pair encoding of one word: the word's first symbols, merges (bpe_merge.c), and a cache of words.
 *
 * Two alphabets. Byte level: the text's bytes are the symbols, looked up in a table of 256; the vocabulary's spelling
 * (bytelevel.c) is undone once, when the tokenizer is made. Otherwise a symbol is a character, looked up as the
 * vocabulary spells it; what it lacks falls back to bytes ("<0x0A>"), to the unknown token, or is lost, in this order.
 *
 * Prose repeats its words: a cache of fixed entries answers most of them with one probe. */
#include <stdio.h>

#include "tok/word_cache.h"

#define BATCH 32                /* merges looked up together while a vocabulary is loaded */

/* Most words: 15 bytes and a length in two machine words, three ids; two of them to a cache line, the newer first. */
#define BRIEF_BITS 15
#define BRIEF_KEY 15
#define BRIEF_IDS 3
typedef struct { uint64_t key[2]; int32_t id[BRIEF_IDS]; uint32_t n_ids; } brief_entry;

typedef struct { brief_entry brief[1 << BRIEF_BITS][2]; qn_cached_word other[QN_CACHED_WORDS]; } word_cache;

struct qn_bpe_work {
    word_cache *cache;
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

/* Two bytes that merge are found without a search as well. */
static void put_merge(qn_bpe *b, const qn_tok_merge *m, int32_t left, int32_t right, uint32_t rank) {
    char l[2], r[2];
    size_t nl, nr;
    qn_bpe_merges_put(&b->merges, left, right, rank);
    if (!b->merges.of_bytes || m->left.n > 2 || m->right.n > 2)
        return;
    if (qn_bytelevel_unspell(m->left, l, &nl) && qn_bytelevel_unspell(m->right, r, &nr) && nl == 1 && nr == 1)
        b->merges.of_bytes[(uint8_t)l[0]][(uint8_t)r[0]] = rank + 1;
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
            put_merge(b, &spec->merges[i], left, right, (uint32_t)i);
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
    if (b->byte_level && !b->prefix.n && !b->suffix.n) {
        b->merges.of_bytes = qn_zalloc(QN_MEM_TOK, 256, sizeof *b->merges.of_bytes);
        if (!b->merges.of_bytes)
            return QN_ENOMEM;
    }
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
    if (spec->n_merges > QN_BPE_MERGES) {
        rc = qn_fail(QN_ELIMIT, "tokenizer: %zu merges; at most %d are supported", spec->n_merges, QN_BPE_MERGES);
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
    w->cache = qn_arena_map(QN_MEM_TOK, sizeof *w->cache);  /* zeros, and pages only where a word has been */
    if (!w->cache) {
        qn_free(w);
        return QN_ENOMEM;
    }
    *out = w;
    return 0;
}

void qn_bpe_work_free(qn_bpe_work *w) {
    if (!w)
        return;
    qn_arena_unmap(QN_MEM_TOK, w->cache, sizeof *w->cache);
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

/* Byte level without affixes: one symbol a byte. false: a byte is missing. */
static bool byte_symbols(const qn_bpe *b, qn_bpe_symbols *sym, const char *s, size_t n) {
    int32_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= sym->id[i] = b->byte_id[0][0][(uint8_t)s[i]];
    sym->n = n;
    return all >= 0;
}

static int first_symbols(const qn_bpe *b, qn_bpe_work *w, const char *s, size_t n, bool *bytes) {
    bool after_unk = false;
    QN_TRY(QN_GROW(QN_MEM_TOK, w->symbols.id, w->symbols.cap, n));
    *bytes = b->merges.of_bytes && byte_symbols(b, &w->symbols, s, n);
    if (*bytes)
        return 0;
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
    bool bytes;
    w->symbols.n = 0;
    if (b->ignore_merges)
        QN_TRY(whole_word(b, w, (qn_str){s, n}, &id));
    if (id >= 0)
        return push_symbol(&w->symbols, id);
    QN_TRY(first_symbols(b, w, s, n, &bytes));
    return qn_bpe_merge_all(&b->merges, &w->symbols, bytes ? s : NULL);
}

/* The bytes of a word and its length, n ≤ BRIEF_KEY. */
QN_INLINE void brief_key(const char *s, size_t n, size_t room, uint64_t key[2]) {
    if (QN_LIKELY(room >= 16)) {
        const uint64_t low = n >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * n) - 1;
        const uint64_t high = n <= 8 ? 0 : (UINT64_C(1) << 8 * (n - 8)) - 1;
        key[0] = qn_cached_load(s) & low;
        key[1] = qn_cached_load(s + 8) & high;
    } else {
        key[0] = key[1] = 0;
        memcpy(key, s, n);
    }
    key[1] |= (uint64_t)n << 56;
}

/* Any mixing will do here: whole keys are compared. */
QN_INLINE uint64_t hash_brief(const uint64_t key[2]) {
    uint64_t h = (key[0] ^ key[1] * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

/* A word that is too long to be brief, or too many ids; new: where it goes if it is brief after all. */
static QN_NOINLINE int other_word(const qn_bpe *b, qn_bpe_work *w, const char *s, size_t n, uint64_t hash,
                                  brief_entry *new, qn_ids *ids) {
    qn_cached_word *e = qn_cached_at(w->cache->other, hash);
    if (qn_cached_is(e, s, n))
        return qn_ids_append(ids, e->id, e->n_ids);
    QN_TRY(encode(b, w, s, n));
    if (new && w->symbols.n > 0 && w->symbols.n <= BRIEF_IDS) {
        new->n_ids = (uint32_t)w->symbols.n;
        memcpy(new->id, w->symbols.id, w->symbols.n * sizeof *new->id);
    } else {
        qn_cached_put(e, s, n, w->symbols.id, w->symbols.n);
    }
    return qn_ids_append(ids, w->symbols.id, w->symbols.n);
}

/* A word on its way through the cache. */
typedef struct { uint64_t key[2], hash; } lookup;

static int new_word(const qn_bpe *b, qn_bpe_work *w, qn_str word, const lookup *l, brief_entry *set, qn_ids *ids) {
    brief_entry new = {.key = {l->key[0], l->key[1]}};
    QN_TRY(other_word(b, w, word.s, word.n, l->hash, &new, ids));
    if (new.n_ids) {
        set[1] = set[0];
        set[0] = new;
    }
    return 0;
}

/* All of an entry's ids are written, however many count: no loop, no branch. */
QN_INLINE int append_brief(qn_ids *ids, const brief_entry *e) {
    if (QN_UNLIKELY(ids->cap - ids->n < BRIEF_IDS))
        QN_TRY(QN_GROW(QN_MEM_TOK, ids->v, ids->cap, ids->n + BRIEF_IDS));
    memcpy(ids->v + ids->n, e->id, sizeof e->id);
    ids->n += e->n_ids;
    return 0;
}

QN_INLINE void look_up(lookup *l, const qn_bpe_work *w, qn_str word, const char *end) {
    if (word.n > BRIEF_KEY) {
        l->hash = word.n > QN_CACHED_KEY ? 0 : qn_cached_hash_long(word.s, word.n);
        return;
    }
    brief_key(word.s, word.n, (size_t)(end - word.s), l->key);
    l->hash = hash_brief(l->key);
    QN_PREFETCH(w->cache->brief[l->hash >> (64 - BRIEF_BITS)]);
}

QN_INLINE int finish(const lookup *l, const qn_bpe *b, qn_bpe_work *w, qn_str word, qn_ids *ids) {
    if (QN_UNLIKELY(word.n > QN_CACHED_KEY)) {
        QN_TRY(encode(b, w, word.s, word.n));
        return qn_ids_append(ids, w->symbols.id, w->symbols.n);
    }
    if (word.n > BRIEF_KEY)
        return other_word(b, w, word.s, word.n, l->hash, NULL, ids);
    brief_entry *set = w->cache->brief[l->hash >> (64 - BRIEF_BITS)];
    if (QN_LIKELY(set[0].key[0] == l->key[0] && set[0].key[1] == l->key[1]))
        return append_brief(ids, &set[0]);
    if (set[1].key[0] == l->key[0] && set[1].key[1] == l->key[1])
        return append_brief(ids, &set[1]);
    return new_word(b, w, word, l, set, ids);
}

/* The entries of all words are asked for before the first is looked at: they arrive while the others are hashed. */
int qn_bpe_words(const qn_bpe *b, qn_bpe_work *w, const qn_str *word, size_t n, const char *end, qn_ids *ids) {
    lookup l[QN_BPE_WORDS];
    for (size_t i = 0; i < n; i++)
        look_up(&l[i], w, word[i], end);
    for (size_t i = 0; i < n; i++)
        QN_TRY(finish(&l[i], b, w, word[i], ids));
    return 0;
}
