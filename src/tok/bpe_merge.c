/* tok/bpe_merge.c — applies merges to the symbols of one word: always the pair of the lowest rank, of equals the
 * leftmost, until no neighbours merge (Sennrich, Haddow, Birch 2016, algorithm 1).
 *
 * Short words: a scan per merge over an array, which for a dozen symbols beats any cleverness. Long ones: a linked list
 * and a heap of (rank, position), O(n log n), so that a text without spaces costs no more per byte than prose. */
#include "tok/tok_internal.h"

#define SHORT_WORD 48           /* symbols; above, the heap */
#define NO_RANK UINT32_MAX
#define NONE UINT32_MAX
#define EMPTY 0

/* ---- the table: (left id, right id) → rank, merged id ------------------------------------------------------------ */

/* The table is asked at random places: as an arena it begins as zeros and lies in huge pages. Hence both ids count from
 * one, and no pair is EMPTY. */
static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)((uint32_t)left + 1) << 32 | ((uint32_t)right + 1);
}

static size_t slot_of(uint64_t pair, size_t cap) {
    uint64_t h = pair * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h >> 29) & (cap - 1);
}

int qn_bpe_merges_init(qn_bpe_merges *m, size_t n) {
    size_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    m->slot = qn_arena_map(QN_MEM_TOK, cap * sizeof *m->slot);
    if (!m->slot)
        return QN_ENOMEM;
    m->cap = cap;
    return 0;
}

void qn_bpe_merges_drop(qn_bpe_merges *m) {
    qn_arena_unmap(QN_MEM_TOK, m->slot, m->cap * sizeof *m->slot);
}

void qn_bpe_merges_expect(const qn_bpe_merges *m, int32_t left, int32_t right) {
    QN_PREFETCH(&m->slot[slot_of(pair_of(left, right), m->cap)]);
}

/* A pair listed twice keeps its later rank, as in Hugging Face's tokenizers. */
void qn_bpe_merges_put(qn_bpe_merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    uint64_t pair = pair_of(left, right);
    size_t i = slot_of(pair, m->cap);
    while (m->slot[i].pair != EMPTY && m->slot[i].pair != pair)
        i = (i + 1) & (m->cap - 1);
    m->slot[i] = (qn_bpe_slot){pair, rank, id};
}

QN_INLINE uint32_t rank_of(const qn_bpe_merges *m, int32_t left, int32_t right) {
    uint64_t pair = pair_of(left, right);
    size_t i = slot_of(pair, m->cap);
    while (m->slot[i].pair != pair) {
        if (m->slot[i].pair == EMPTY)
            return NO_RANK;
        i = (i + 1) & (m->cap - 1);
    }
    return m->slot[i].rank;
}

/* ---- short words ------------------------------------------------------------------------------------------------- */

static void merge_short(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    uint32_t rank[SHORT_WORD];              /* rank[i]: of the pair (i, i+1) */
    int32_t *id = s->id;
    size_t n = s->n;
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = rank_of(m, id[i], id[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = rank[i] < rank[best] ? i : best;
        if (rank[best] == NO_RANK)
            break;
        id[best] = m->result[rank[best]];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            id[i] = id[i + 1];
            rank[i - 1] = rank[i];
        }
        if (best + 1 < n)
            rank[best] = rank_of(m, id[best], id[best + 1]);
        if (best > 0)
            rank[best - 1] = rank_of(m, id[best - 1], id[best]);
    }
    s->n = n;
}

/* ---- long words -------------------------------------------------------------------------------------------------- */

/* A heap of four children per node over rank << 32 | position: half the levels, and siblings share a cache line. */
static void heap_down(uint64_t *h, size_t n, size_t i) {
    uint64_t v = h[i];
    for (;;) {
        size_t child = 4 * i + 1;
        if (child >= n)
            break;
        size_t last = QN_MIN(child + 4, n), least = child;
        for (size_t k = child + 1; k < last; k++)
            least = h[k] < h[least] ? k : least;
        if (h[least] >= v)
            break;
        h[i] = h[least];
        i = least;
    }
    h[i] = v;
}

static int heap_push(qn_bpe_symbols *s, uint64_t v) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->heap, s->cap_heap, s->n_heap + 1));
    size_t i = s->n_heap++;
    while (i > 0 && s->heap[(i - 1) / 4] > v) {
        s->heap[i] = s->heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    s->heap[i] = v;
    return 0;
}

static uint64_t heap_pop(qn_bpe_symbols *s) {
    uint64_t top = s->heap[0];
    s->heap[0] = s->heap[--s->n_heap];
    if (s->n_heap)
        heap_down(s->heap, s->n_heap, 0);
    return top;
}

static int push_pair(const qn_bpe_merges *m, qn_bpe_symbols *s, uint32_t left, uint32_t right) {
    if (left == NONE || right == NONE)
        return 0;
    uint32_t rank = rank_of(m, s->link[left].id, s->link[right].id);
    return rank == NO_RANK ? 0 : heap_push(s, (uint64_t)rank << 32 | left);
}

/* Fills the list and the heap from the array of symbols. */
static int link_symbols(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->link, s->cap_link, s->n));
    s->n_heap = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint32_t at = (uint32_t)i;
        s->link[i] = (qn_bpe_link){s->id[i], i ? at - 1 : NONE, i + 1 < s->n ? at + 1 : NONE};
        uint32_t rank = i + 1 < s->n ? rank_of(m, s->id[i], s->id[i + 1]) : NO_RANK;
        if (rank == NO_RANK)
            continue;
        QN_TRY(QN_GROW(QN_MEM_TOK, s->heap, s->cap_heap, s->n_heap + 1));
        s->heap[s->n_heap++] = (uint64_t)rank << 32 | at;
    }
    for (size_t i = s->n_heap / 4 + 1; i-- > 0;)
        if (i < s->n_heap)
            heap_down(s->heap, s->n_heap, i);
    return 0;
}

static int merge_long(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    if (s->n >= NONE)
        return qn_fail(QN_ELIMIT, "tokenizer: a word of %zu symbols; split the text", s->n);
    QN_TRY(link_symbols(m, s));
    qn_bpe_link *link = s->link;
    while (s->n_heap) {
        uint64_t top = heap_pop(s);
        uint32_t rank = (uint32_t)(top >> 32), at = (uint32_t)top, next = link[at].next;
        /* An entry is stale where its left symbol is gone (id −1) or the pair is another one by now. */
        if (link[at].id < 0 || next == NONE || rank_of(m, link[at].id, link[next].id) != rank)
            continue;
        link[at].id = m->result[rank];
        link[next].id = -1;
        link[at].next = link[next].next;
        if (link[at].next != NONE)
            link[link[at].next].prev = at;
        QN_TRY(push_pair(m, s, link[at].prev, at));
        QN_TRY(push_pair(m, s, at, link[at].next));
    }
    size_t n = 0;
    for (uint32_t at = 0; at != NONE; at = link[at].next)
        s->id[n++] = link[at].id;
    s->n = n;
    return 0;
}

int qn_bpe_merge_all(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    if (s->n > SHORT_WORD)
        return merge_long(m, s);
    merge_short(m, s);
    return 0;
}
