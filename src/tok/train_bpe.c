/* tok/train_bpe.c — the merges: again and again the most frequent pair of neighbours becomes one token.
 *
 * All distinct words lie one behind the other, a slot per byte; a token of n bytes owns n slots, of which the first
 * tells the token and first and last tell n, so that both neighbours are one step away and nothing ever moves:
 *
 *     word     END  t   h   e  END  ␣   t   h   i   s  END         len of the token "the": 3 · 3
 *     sym       −1  the ×   ×   −1  ␣   th  ×   i   s   −1          × = −2: inside a token
 *
 * A queue entry is (count, pair, positions where the pair was when the entry was made). Counts of pairs change with
 * every merge; an entry that comes to the top with an old count is put back with the new one, as in Hugging Face's
 * BpeTrainer. A pair has one entry in its life. For a token's bytes are merged alike wherever both its ends stay ends:
 * nothing inside looks across them, and runs are paired from the left. So every token is made of one pair, in one
 * merge, all over the text, and a pair of neighbours comes up only in the merge that makes the younger of the two.
 *
 * A merge (l, r) → z looks at each position once. Of a neighbour p on the left only the sum of counts is kept, since it
 * is what (p, l) loses and (p, z) gains; on the right (r, n) and (z, n) likewise. Counts are looked up at the end, once
 * per neighbour. */
#include "tok/train_internal.h"

#define END (-1)
#define INSIDE (-2)
#define PROGRESS_EVERY 64

typedef struct { int32_t sym; uint32_t len, word; } slot;
typedef struct { int64_t count; uint64_t pair, at; uint32_t n; } entry;         /* positions: pos[at … at + n) */

/* Counts by pair, open addressing. */
typedef struct { uint64_t pair; int64_t count; } pair_slot;
typedef struct { pair_slot *slot; size_t n, cap; } pair_map;
#define NO_PAIR UINT64_MAX

/* What one merge has seen of a neighbour on one side. */
typedef struct { int32_t sym; bool right; int64_t sum; uint64_t at; uint32_t n; } side_group;
typedef struct { uint32_t group, pos; } found_pos;

typedef struct {
    qn_train_vocab *v;
    slot *slot;             size_t n_slots;
    int64_t *count;         size_t n_words;         /* of a word */
    pair_map pairs;
    entry *heap;            size_t n_heap, cap_heap;
    uint32_t *pos;          size_t n_pos, cap_pos, dead_pos;
    int32_t *left, *right;                          /* [vocab] group of a neighbour; −1 */
    side_group *group;      size_t n_group, cap_group;
    found_pos *found;       size_t n_found, cap_found;
    size_t n_first;                                 /* tokens there before the first merge */
} trainer;

static uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

/* ---- vocabulary ------------------------------------------------------------------------------------------------- */

int qn_train_vocab_add(qn_train_vocab *v, const char *bytes, size_t n) {
    QN_TRY(QN_GROW(QN_MEM_TOK, v->text, v->cap_text, v->n_text + n + 1));
    QN_TRY(QN_GROW(QN_MEM_TOK, v->at, v->cap_at, v->n + 2));
    if (n)
        memcpy(v->text + v->n_text, bytes, n);
    v->at[v->n++] = v->n_text;
    v->n_text += n;
    v->at[v->n] = v->n_text;
    return 0;
}

void qn_train_vocab_drop(qn_train_vocab *v) {
    qn_free(v->text);
    qn_free(v->at);
    qn_free(v->merge);
    *v = (qn_train_vocab){0};
}

static qn_str token_bytes(const qn_train_vocab *v, int32_t id) {
    return (qn_str){v->text + v->at[id], v->at[id + 1] - v->at[id]};
}

/* The token of two joined: a new one, unless a special token happens to be spelled like it. */
static int join_tokens(trainer *t, int32_t left, int32_t right, int32_t *id) {
    qn_train_vocab *v = t->v;
    size_t n_left = token_bytes(v, left).n, n_right = token_bytes(v, right).n, n = n_left + n_right;
    QN_TRY(QN_GROW(QN_MEM_TOK, v->text, v->cap_text, v->n_text + n));
    char *text = v->text + v->n_text;               /* behind all tokens: becomes the new one, or is forgotten */
    memcpy(text, v->text + v->at[left], n_left);
    memcpy(text + n_left, v->text + v->at[right], n_right);
    for (*id = 0; (size_t)*id < t->n_first; ++*id)
        if (qn_str_eq(token_bytes(v, *id), (qn_str){text, n}))
            return 0;
    QN_TRY(QN_GROW(QN_MEM_TOK, v->at, v->cap_at, v->n + 2));
    *id = (int32_t)v->n++;
    v->n_text += n;
    v->at[v->n] = v->n_text;
    return 0;
}

/* ---- counts of pairs -------------------------------------------------------------------------------------------- */

static size_t pair_find(const pair_map *m, uint64_t pair) {
    uint64_t h = pair * 0x9E3779B97F4A7C15u;
    size_t at = (h ^ h >> 32) & (m->cap - 1);
    while (m->slot[at].pair != pair && m->slot[at].pair != NO_PAIR)
        at = (at + 1) & (m->cap - 1);
    return at;
}

static int pair_map_grow(pair_map *m) {
    pair_map big = {.n = m->n, .cap = m->cap ? 2 * m->cap : 1024};
    big.slot = qn_alloc(QN_MEM_TOK, big.cap * sizeof *big.slot);
    if (!big.slot)
        return QN_ENOMEM;
    for (size_t i = 0; i < big.cap; i++)
        big.slot[i] = (pair_slot){NO_PAIR, 0};
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].pair != NO_PAIR)
            big.slot[pair_find(&big, m->slot[i].pair)] = m->slot[i];
    qn_free(m->slot);
    *m = big;
    return 0;
}

/* The count of a pair, 0 if it is new; good until the next call. */
static int pair_enter(pair_map *m, uint64_t pair, int64_t **count) {
    if (m->n + 1 > m->cap / 4 * 3)
        QN_TRY(pair_map_grow(m));
    pair_slot *s = &m->slot[pair_find(m, pair)];
    if (s->pair == NO_PAIR) {
        *s = (pair_slot){pair, 0};
        m->n++;
    }
    *count = &s->count;
    return 0;
}

static int pair_change(pair_map *m, uint64_t pair, int64_t by) {
    int64_t *count;
    QN_TRY(pair_enter(m, pair, &count));
    *count += by;
    return 0;
}

/* ---- the queue -------------------------------------------------------------------------------------------------- */

static bool before(const entry *a, const entry *b) {
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

static void sift_down(trainer *t, size_t i) {
    entry moved = t->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->n_heap)
            break;
        if (child + 1 < t->n_heap && before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!before(&t->heap[child], &moved))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = moved;
}

static int push(trainer *t, const entry *e) {
    QN_TRY(QN_GROW(QN_MEM_TOK, t->heap, t->cap_heap, t->n_heap + 1));
    size_t i = t->n_heap++;
    for (; i > 0 && before(e, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = *e;
    return 0;
}

static entry pop(trainer *t) {
    entry top = t->heap[0];
    t->heap[0] = t->heap[--t->n_heap];
    if (t->n_heap)
        sift_down(t, 0);
    return top;
}

/* Room for n positions behind those in use; where most of them are dead, the living move together first. */
static int reserve_pos(trainer *t, size_t n) {
    if (t->n_pos + n > t->cap_pos && t->dead_pos > t->n_pos / 2) {
        size_t cap = t->n_pos - t->dead_pos + n, used = 0;
        uint32_t *pos = qn_alloc(QN_MEM_TOK, cap * sizeof *pos);
        if (!pos)
            return QN_ENOMEM;
        for (size_t i = 0; i < t->n_heap; i++) {
            entry *e = &t->heap[i];
            memcpy(pos + used, t->pos + e->at, e->n * sizeof *pos);
            e->at = used;
            used += e->n;
        }
        qn_free(t->pos);
        t->pos = pos;
        t->cap_pos = cap;
        t->n_pos = used;
        t->dead_pos = 0;
    }
    return QN_GROW(QN_MEM_TOK, t->pos, t->cap_pos, t->n_pos + n);
}

/* The entry of a pair whose positions stand at pos[at …); none where it was lost again in the same merge. */
static int push_pair(trainer *t, uint64_t pair, uint64_t at, uint32_t n) {
    int64_t count = t->pairs.slot[pair_find(&t->pairs, pair)].count;
    if (count <= 0) {
        t->dead_pos += n;
        return 0;
    }
    return push(t, &(entry){count, pair, at, n});
}

/* ---- words into slots ------------------------------------------------------------------------------------------- */

static int lay_out_words(trainer *t, const qn_words *w, const int32_t byte_id[256]) {
    size_t n = 1, words = 0;
    for (int s = 0; s < QN_WORD_SHARDS; s++) {
        n += w->shard[s].n_text + w->shard[s].n;
        words += w->shard[s].n;
    }
    if (n > UINT32_MAX)
        return qn_fail(QN_ELIMIT, "the different words have %zu bytes together, at most 4 GB can be learnt from; lower "
                       "--max-memory to give the rarest up", n);
    t->slot = qn_alloc(QN_MEM_TOK, n * sizeof *t->slot);
    t->count = qn_alloc(QN_MEM_TOK, words * sizeof *t->count);
    if (!t->slot || !t->count)
        return QN_ENOMEM;
    t->slot[t->n_slots++] = (slot){END, 1, 0};
    for (int s = 0; s < QN_WORD_SHARDS; s++) {
        const qn_word_table *table = &w->shard[s];
        for (size_t i = 0; i < table->n; i++) {
            const uint8_t *text = (const uint8_t *)table->text + table->word[i].at;
            for (uint32_t k = 0; k < table->word[i].n; k++)
                t->slot[t->n_slots++] = (slot){byte_id[text[k]], 1, (uint32_t)t->n_words};
            t->slot[t->n_slots++] = (slot){END, 1, (uint32_t)t->n_words};
            t->count[t->n_words++] = table->word[i].count;
        }
    }
    return 0;
}

/* All pairs of bytes: a table of ids² would be large with many special tokens, so bytes have numbers of their own. */
static int count_first_pairs(trainer *t, const int32_t byte_id[256]) {
    int rc = 0;
    int64_t *sum = qn_zalloc(QN_MEM_TOK, 65536, sizeof *sum);
    size_t *at = qn_zalloc(QN_MEM_TOK, 65537, sizeof *at);
    uint8_t *number = qn_zalloc(QN_MEM_TOK, t->v->n, 1);
    QN_TRY_OUT(sum && at && number ? 0 : QN_ENOMEM);
    for (int b = 0; b < 256; b++)
        number[byte_id[b]] = (uint8_t)b;
    for (size_t i = 1; i + 1 < t->n_slots; i++)
        if (t->slot[i].sym >= 0 && t->slot[i + 1].sym >= 0) {
            size_t p = (size_t)number[t->slot[i].sym] << 8 | number[t->slot[i + 1].sym];
            sum[p] += t->count[t->slot[i].word];
            at[p + 1]++;
        }
    for (size_t p = 0; p < 65536; p++)
        at[p + 1] += at[p];
    QN_TRY_OUT(reserve_pos(t, at[65536]));
    t->n_pos = at[65536];
    for (size_t i = 1; i + 1 < t->n_slots; i++)
        if (t->slot[i].sym >= 0 && t->slot[i + 1].sym >= 0)
            t->pos[at[(size_t)number[t->slot[i].sym] << 8 | number[t->slot[i + 1].sym]]++] = (uint32_t)i;
    for (size_t p = 0; p < 65536; p++) {            /* at[p] is now where p ends */
        size_t begin = p ? at[p - 1] : 0;
        if (at[p] == begin)
            continue;
        uint64_t pair = pair_of(byte_id[p >> 8], byte_id[p & 255]);
        QN_TRY_OUT(pair_change(&t->pairs, pair, sum[p]));
        QN_TRY_OUT(push_pair(t, pair, begin, (uint32_t)(at[p] - begin)));
    }
out:
    qn_free(sum);
    qn_free(at);
    qn_free(number);
    return rc;
}

/* ---- one merge -------------------------------------------------------------------------------------------------- */

static int group_of(trainer *t, int32_t sym, bool right, uint32_t *out) {
    int32_t *at = right ? &t->right[sym] : &t->left[sym];
    if (*at < 0) {
        QN_TRY(QN_GROW(QN_MEM_TOK, t->group, t->cap_group, t->n_group + 1));
        *at = (int32_t)t->n_group;
        t->group[t->n_group++] = (side_group){.sym = sym, .right = right};
    }
    *out = (uint32_t)*at;
    return 0;
}

static int note(trainer *t, int32_t sym, bool right, int64_t count, uint32_t pos) {
    uint32_t g;
    QN_TRY(group_of(t, sym, right, &g));
    t->group[g].sum += count;
    t->group[g].n++;
    QN_TRY(QN_GROW(QN_MEM_TOK, t->found, t->cap_found, t->n_found + 1));
    t->found[t->n_found++] = (found_pos){g, pos};
    return 0;
}

/* The token at slot i and the one behind it become one, if they still are the pair. */
static int merge_at(trainer *t, uint32_t i, const qn_train_merge *m) {
    slot *s = t->slot + i;
    if (s->sym != m->left)
        return 0;
    slot *r = s + s->len;
    if (r->sym != m->right)
        return 0;
    uint32_t before_it = i - s[-1].len, len = s->len + r->len;
    int32_t prev = t->slot[before_it].sym, next = s[len].sym;
    int64_t count = t->count[s->word];
    r->sym = INSIDE;
    s->sym = m->id;
    s->len = s[len - 1].len = len;
    if (prev >= 0)
        QN_TRY(note(t, prev, false, count, before_it));
    return next >= 0 ? note(t, next, true, count, i) : 0;
}

/* What the neighbours lost and gained, and entries for what is new. */
static int settle(trainer *t, const qn_train_merge *m) {
    int rc = 0;
    for (size_t g = 0; g < t->n_group && rc >= 0; g++) {
        const side_group *s = &t->group[g];
        uint64_t lost = s->right ? pair_of(m->right, s->sym) : pair_of(s->sym, m->left);
        uint64_t gained = s->right ? pair_of(m->id, s->sym) : pair_of(s->sym, m->id);
        rc = pair_change(&t->pairs, lost, -s->sum);
        if (rc >= 0)
            rc = pair_change(&t->pairs, gained, s->sum);
        *(s->right ? &t->right[s->sym] : &t->left[s->sym]) = -1;
    }
    if (rc >= 0)
        rc = reserve_pos(t, t->n_found);
    if (rc < 0)
        return rc;
    for (size_t g = 0; g < t->n_group; g++) {
        t->group[g].at = t->n_pos;
        t->n_pos += t->group[g].n;
    }
    for (size_t k = 0; k < t->n_found; k++)
        t->pos[t->group[t->found[k].group].at++] = t->found[k].pos;
    for (size_t g = 0; g < t->n_group; g++) {
        const side_group *s = &t->group[g];
        uint64_t pair = s->right ? pair_of(m->id, s->sym) : pair_of(s->sym, m->id);
        QN_TRY(push_pair(t, pair, s->at - s->n, s->n));
    }
    t->n_group = t->n_found = 0;
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static int learn(trainer *t, const qn_tok_train_options *o) {
    qn_train_vocab *v = t->v;
    while (v->n < (size_t)o->vocab && t->n_heap) {
        entry *top = t->heap;
        int64_t count = t->pairs.slot[pair_find(&t->pairs, top->pair)].count;
        if (top->count != count) {
            top->count = count;
            sift_down(t, 0);
            continue;
        }
        if (count < QN_MAX(o->min_count, 1))
            break;
        if (o->progress && v->n_merges % PROGRESS_EVERY == 0)
            QN_TRY(o->progress(o->progress_arg, (int64_t)(v->n - t->n_first), o->vocab - (int64_t)t->n_first));
        entry e = pop(t);
        qn_train_merge m = {(int32_t)(e.pair >> 32), (int32_t)(e.pair & UINT32_MAX), 0};
        QN_TRY(join_tokens(t, m.left, m.right, &m.id));
        QN_TRY(QN_GROW(QN_MEM_TOK, v->merge, v->cap_merge, v->n_merges + 1));
        v->merge[v->n_merges++] = m;
        v->least = count;
        for (uint32_t k = 0; k < e.n; k++)
            QN_TRY(merge_at(t, t->pos[e.at + k], &m));
        t->dead_pos += e.n;
        QN_TRY(settle(t, &m));
    }
    return 0;
}

int qn_train_merges(qn_train_vocab *v, const qn_words *w, const int32_t byte_id[256],
                    const qn_tok_train_options *o) {
    int rc = 0;
    trainer t = {.v = v, .n_first = v->n};
    qn_assert(w->finished && (size_t)o->vocab >= v->n && o->vocab <= QN_TOK_MAX_ID);
    t.left = qn_alloc(QN_MEM_TOK, (size_t)o->vocab * sizeof *t.left);
    t.right = qn_alloc(QN_MEM_TOK, (size_t)o->vocab * sizeof *t.right);
    QN_TRY_OUT(t.left && t.right ? 0 : QN_ENOMEM);
    memset(t.left, 0xff, (size_t)o->vocab * sizeof *t.left);
    memset(t.right, 0xff, (size_t)o->vocab * sizeof *t.right);
    QN_TRY_OUT(lay_out_words(&t, w, byte_id));
    QN_TRY_OUT(count_first_pairs(&t, byte_id));
    QN_TRY_OUT(learn(&t, o));
out:
    qn_free(t.slot);
    qn_free(t.count);
    qn_free(t.pairs.slot);
    qn_free(t.heap);
    qn_free(t.pos);
    qn_free(t.left);
    qn_free(t.right);
    qn_free(t.group);
    qn_free(t.found);
    return rc;
}
