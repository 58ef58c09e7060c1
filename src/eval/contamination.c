/* eval/contamination.c — rolling hashes of 13 words: the items' in a table, the text's looked up in it.
 *
 *     H(w₁ … w₁₃) = Σ h(wᵢ)·B^(13−i)  mod 2⁶⁴          H' = (H − h(w₁)·B¹²)·B + h(w₁₄): one step per word */
#include "eval/contamination.h"

#include <string.h>

#include "data/corpus.h"

enum { WORDS = 13 };
#define BASE 0x9e3779b97f4a7c15u            /* odd */

typedef struct { uint64_t hash; int32_t task; int32_t next; int64_t item; } gram;

typedef struct {
    uint64_t word;                          /* hash of the word under construction */
    bool in_word;
    uint64_t last[WORDS], sum, leaving;     /* the last words; their hash; B^(WORDS−1) */
    int64_t words;                          /* since the beginning */
} roller;

typedef struct {
    gram *gram; size_t n, cap;
    int32_t *slot; size_t slots;            /* into gram + 1; a power of two; 0: free */
    qn_contaminated *out;
} table;

static void roller_start(roller *r) {
    *r = (roller){.leaving = 1};
    for (int i = 0; i < WORDS - 1; i++)
        r->leaving *= BASE;
}

/* A letter in small, a digit, a byte above ASCII; 0: no part of a word. */
static unsigned char word_byte(char c) {
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c + 32);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 ? (unsigned char)c : 0;
}

/* One byte; true: a word ended and 13 of them are in the sum. */
static bool roll(roller *r, char c) {
    const unsigned char b = word_byte(c);
    if (b) {
        r->word = ((r->in_word ? r->word : 0xcbf29ce484222325u) ^ b) * 0x100000001b3u;     /* FNV-1a */
        r->in_word = true;
        return false;
    }
    if (!r->in_word)
        return false;
    r->in_word = false;
    const int at = (int)(r->words % WORDS);
    r->sum = (r->sum - r->last[at] * r->leaving) * BASE + r->word;
    r->last[at] = r->word;
    return ++r->words >= WORDS;
}

/* ---- the items' ---- */

static size_t place(const table *t, uint64_t hash) { return (size_t)(hash * BASE >> 20) & (t->slots - 1); }

static int add(table *t, uint64_t hash, int32_t task, int64_t item) {
    if (t->n >= INT32_MAX)
        return qn_fail(QN_ELIMIT, "more than 2^31 runs of 13 words in the items");
    QN_TRY(QN_GROW(QN_MEM_BASE, t->gram, t->cap, t->n + 1));
    t->gram[t->n++] = (gram){hash, task, 0, item};
    return 0;
}

static int add_item(table *t, int32_t task, int64_t at, const qn_task_item *i) {
    roller r;
    const qn_str before = i->before ? i->before[i->answer] : i->messages.s ? i->messages : i->context;
    const qn_str answer = i->shown.s ? i->shown : i->choices > 0 ? i->choice[i->answer]
                          : i->targets > 0 ? i->target[0] : (qn_str){0};
    roller_start(&r);
    for (size_t k = 0; k < before.n; k++)
        if (roll(&r, before.s[k]))
            QN_TRY(add(t, r.sum, task, at));
    for (size_t k = 0; k < answer.n; k++)
        if (roll(&r, answer.s[k]))
            QN_TRY(add(t, r.sum, task, at));
    if (roll(&r, ' '))
        QN_TRY(add(t, r.sum, task, at));
    t->out[task].too_short += r.words < WORDS;
    return 0;
}

/* Chains of equal hashes hang on one slot. */
static int build(table *t) {
    for (t->slots = 64; t->slots < 2 * t->n; t->slots *= 2)
        ;
    t->slot = qn_zalloc(QN_MEM_BASE, t->slots, sizeof *t->slot);
    if (!t->slot)
        return QN_ENOMEM;
    for (size_t i = 0; i < t->n; i++) {
        size_t s = place(t, t->gram[i].hash);
        while (t->slot[s] && t->gram[t->slot[s] - 1].hash != t->gram[i].hash)
            s = (s + 1) & (t->slots - 1);
        t->gram[i].next = t->slot[s];
        t->slot[s] = (int32_t)i + 1;
    }
    return 0;
}

/* ---- the text ---- */

static void look_up(const table *t, uint64_t hash) {
    size_t s = place(t, hash);
    while (t->slot[s] && t->gram[t->slot[s] - 1].hash != hash)
        s = (s + 1) & (t->slots - 1);
    for (int32_t i = t->slot[s]; i; i = t->gram[i - 1].next) {
        qn_contaminated *c = &t->out[t->gram[i - 1].task];
        c->found += !c->hit[t->gram[i - 1].item];
        c->hit[t->gram[i - 1].item] = true;
    }
}

static int scan(const table *t, qn_corpus *corpus, int (*progress)(void *arg, int64_t bytes), void *arg) {
    qn_corpus_piece piece;
    roller r;
    int more;
    int64_t bytes = 0;
    roller_start(&r);
    while ((more = qn_corpus_next(corpus, &piece)) > 0) {
        for (size_t k = 0; k < piece.text.n; k++)
            if (roll(&r, piece.text.s[k]))
                look_up(t, r.sum);
        if (piece.ends) {
            if (roll(&r, ' '))
                look_up(t, r.sum);
            roller_start(&r);
        }
        bytes += (int64_t)piece.text.n;
        if (progress)
            QN_TRY(progress(arg, bytes));
    }
    return more;
}

static int prepare(table *t, const qn_task *const *tasks, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        t->out[k].items = (int64_t)tasks[k]->n;
        t->out[k].hit = qn_zalloc(QN_MEM_BASE, QN_MAX(tasks[k]->n, 1), sizeof *t->out[k].hit);
        if (!t->out[k].hit)
            return QN_ENOMEM;
        for (size_t i = 0; i < tasks[k]->n; i++)
            QN_TRY(add_item(t, (int32_t)k, (int64_t)i, &tasks[k]->item[i]));
    }
    return build(t);
}

int qn_contamination(const qn_task *const *tasks, int64_t n, const char *path, qn_contaminated *out,
                     int (*progress)(void *arg, int64_t bytes), void *arg) {
    table t = {.out = out};
    qn_corpus *corpus = NULL;
    memset(out, 0, (size_t)n * sizeof *out);
    int rc = qn_corpus_open(&corpus, &(qn_corpus_options){.path = &path, .n_paths = 1});
    if (rc >= 0)
        rc = prepare(&t, tasks, n);
    if (rc >= 0)
        rc = scan(&t, corpus, progress, arg);
    qn_corpus_close(corpus);
    qn_free(t.gram);
    qn_free(t.slot);
    return rc;
}

void qn_contaminated_drop(qn_contaminated *c) {
    qn_free(c->hit);
    *c = (qn_contaminated){0};
}
