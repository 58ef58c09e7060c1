/* world/text_measure.c — sentences that come again, words that follow each other as never before. */
#include "world/text_measure.h"

#include <string.h>

#include "format/packed_size.h"

#define WORDS_LEAST 6

/* Hashes with the place where each was seen last; 0 is a free slot. */
typedef struct { uint64_t *key; int64_t *at; size_t n, cap; } seen;

static void seen_drop(seen *s) {
    qn_free(s->key);
    qn_free(s->at);
    *s = (seen){0};
}

static size_t slot_of(const seen *s, uint64_t key) {
    size_t i = key & (s->cap - 1);
    while (s->key[i] && s->key[i] != key)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static int grow(seen *s) {
    seen more = {.cap = s->cap ? s->cap * 2 : 1024, .n = s->n};
    more.key = qn_zalloc(QN_MEM_SCRATCH, more.cap, sizeof *more.key);
    more.at = qn_zalloc(QN_MEM_SCRATCH, more.cap, sizeof *more.at);
    if (!more.key || !more.at) {
        seen_drop(&more);
        return QN_ENOMEM;
    }
    for (size_t i = 0; i < s->cap; i++)
        if (s->key[i]) {
            const size_t j = slot_of(&more, s->key[i]);
            more.key[j] = s->key[i];
            more.at[j] = s->at[i];
        }
    seen_drop(s);
    *s = more;
    return 0;
}

/* Where it was seen before, -1: nowhere; from now on at `at`. */
static int put(seen *s, uint64_t key, int64_t at, int64_t *before) {
    if (2 * (s->n + 1) > s->cap)
        QN_TRY(grow(s));
    key += key == 0;
    const size_t i = slot_of(s, key);
    *before = s->key[i] ? s->at[i] : -1;
    s->n += !s->key[i];
    s->key[i] = key;
    s->at[i] = at;
    return 0;
}

static bool has(const seen *s, uint64_t key) { return s->cap && s->key[slot_of(s, key + (key == 0))]; }

static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* ---- sentences --------------------------------------------------------------------------------------------------- */

typedef struct { seen sentences, words; int64_t repeated, near; qn_text_measure *m; } counts;

static int count_words(counts *c, qn_str s, int64_t *words) {
    int64_t before;
    *words = 0;
    for (size_t i = 0; i < s.n;) {
        size_t n = 0;
        while (i + n < s.n && is_letter(s.s[i + n]))
            n++;
        if (n) {
            QN_TRY(put(&c->words, qn_hash_bytes(s.s + i, n, 1), 0, &before));
            c->m->types += before < 0;
            ++*words;
        }
        i += n + (n == 0);
    }
    return 0;
}

static int count_sentence(counts *c, qn_str s) {
    int64_t words, before;
    while (s.n && s.s[0] == ' ')
        s.s++, s.n--;
    QN_TRY(count_words(c, s, &words));
    c->m->words += words;
    if (words < WORDS_LEAST)
        return 0;
    const int64_t at = c->m->sentences++;
    QN_TRY(put(&c->sentences, qn_hash_bytes(s.s, s.n, 2), at, &before));
    c->repeated += before >= 0;
    c->near += before >= 0 && at - before <= QN_MEASURE_NEAR;
    return 0;
}

/* A sentence ends behind . ! or ?, with the quotation mark that follows, and with its line. */
static int count_line(counts *c, qn_str line) {
    size_t from = 0;
    for (size_t i = 0; i < line.n; i++) {
        if (!strchr(".!?", line.s[i]))
            continue;
        i += i + 1 < line.n && line.s[i + 1] == '"';
        QN_TRY(count_sentence(c, (qn_str){line.s + from, i + 1 - from}));
        from = i + 1;
    }
    return count_sentence(c, (qn_str){line.s + from, line.n - from});
}

static int count_text(counts *c, qn_str text, const char *separator) {
    while (text.n) {
        const char *end = memchr(text.s, '\n', text.n);
        const qn_str line = {text.s, end ? (size_t)(end - text.s) : text.n};
        if (!separator || !qn_str_is(line, separator))
            QN_TRY(count_line(c, line));
        const size_t skip = QN_MIN(line.n + 1, text.n);
        text = (qn_str){text.s + skip, text.n - skip};
    }
    return 0;
}

/* ---- words in a row ---------------------------------------------------------------------------------------------- */

static int word_hashes(qn_str text, uint64_t **out, size_t *n) {
    size_t cap = 0;
    *n = 0;
    for (size_t i = 0; i < text.n;) {
        size_t len = 0;
        while (i + len < text.n && (is_letter(text.s[i + len]) || text.s[i + len] == '\''))
            len++;
        if (len) {
            QN_TRY(QN_GROW(QN_MEM_SCRATCH, *out, cap, *n + 1));
            (*out)[(*n)++] = qn_hash_bytes(text.s + i, len, 3);
        }
        i += len + (len == 0);
    }
    return 0;
}

static int novelty(const uint64_t *word, size_t n, size_t gram, double *out) {
    seen first = {0};
    int64_t before, fresh = 0, all = 0;
    int rc = 0;
    for (size_t i = 0; i + gram <= n && rc == 0; i++) {
        const uint64_t key = qn_hash_bytes(word + i, gram * sizeof *word, 4);
        if (i + gram <= n / 2) {
            rc = put(&first, key, 0, &before);
        } else if (i >= n / 2) {
            all++;
            fresh += !has(&first, key);
        }
    }
    seen_drop(&first);
    *out = all ? (double)fresh / (double)all : 0;
    return rc;
}

int qn_measure_text(qn_str text, const char *separator, qn_text_measure *m) {
    const qn_str sample = {text.s, QN_MIN(text.n, QN_MEASURE_SAMPLE)};
    counts c = {.m = m};
    uint64_t *word = NULL;
    size_t n;
    int64_t packed;
    int rc;
    *m = (qn_text_measure){.bytes = (int64_t)text.n, .sample = (int64_t)sample.n};
    QN_TRY_OUT(count_text(&c, text, separator));
    m->repeated = m->sentences ? 1000.0 * (double)c.repeated / (double)m->sentences : 0;
    m->repeated_near = m->sentences ? 1000.0 * (double)c.near / (double)m->sentences : 0;
    QN_TRY_OUT(word_hashes(sample, &word, &n));
    QN_TRY_OUT(novelty(word, n, 3, &m->new_3));
    QN_TRY_OUT(novelty(word, n, 5, &m->new_5));
    QN_TRY_OUT(qn_packed_size(sample, &packed));
    m->packed = packed ? (double)sample.n / (double)packed : 0;
out:
    seen_drop(&c.sentences);
    seen_drop(&c.words);
    qn_free(word);
    return rc;
}
