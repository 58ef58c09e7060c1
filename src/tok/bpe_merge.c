/* tok/bpe_merge.c — applies merges to the symbols of one word: always the pair of the lowest rank, of equals the
 * leftmost, until no neighbours merge (Sennrich, Haddow, Birch 2016, algorithm 1).
 *
 * Short words: a scan per merge over an array, which for a dozen symbols beats any cleverness. Long ones: a linked list
 * and a heap of (rank, position), O(n log n). Very long ones: the list and a bucket per rank, O(n + merges), so that
 * megabytes without a space cost no more per byte than prose. */
#include "tok/tok_internal.h"

#define SHORT_WORD 48           /* symbols; above, the heap … */
#define HUGE_WORD 8192          /* … and above this the buckets, all of which have to be looked at */
#define NO_RANK UINT32_MAX
#define NONE UINT32_MAX

/* ---- the table: (left id, right id) → rank ----------------------------------------------------------------------- */

/* One word a slot, for it is asked at random places: left id, right id, 1 + rank. As an arena it begins as zeros, which
 * are no merge, and lies in huge pages. */
#define RANK_BITS QN_BPE_RANK_BITS
#define RANK_MASK ((UINT64_C(1) << RANK_BITS) - 1)

static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << QN_BPE_ID_BITS | (uint32_t)right;
}

QN_INLINE size_t slot_of(const qn_bpe_merges *m, uint64_t pair) {
    return (size_t)(pair * UINT64_C(0x9E3779B97F4A7C15) >> m->shift);
}

int qn_bpe_merges_init(qn_bpe_merges *m, size_t n) {
    size_t cap = 16;
    m->shift = 60;
    for (; cap < 2 * n; cap *= 2)
        m->shift--;
    m->slot = qn_arena_map(QN_MEM_TOK, cap * sizeof *m->slot);
    if (!m->slot)
        return QN_ENOMEM;
    m->cap = cap;
    m->ranks = n;
    return 0;
}

void qn_bpe_merges_drop(qn_bpe_merges *m) {
    qn_arena_unmap(QN_MEM_TOK, m->slot, m->cap * sizeof *m->slot);
    qn_free(m->of_bytes);
}

void qn_bpe_merges_expect(const qn_bpe_merges *m, int32_t left, int32_t right) {
    QN_PREFETCH(&m->slot[slot_of(m, pair_of(left, right))]);
}

/* A pair listed twice keeps its later rank, as in Hugging Face's tokenizers. */
void qn_bpe_merges_put(qn_bpe_merges *m, int32_t left, int32_t right, uint32_t rank) {
    const uint64_t pair = pair_of(left, right);
    size_t i = slot_of(m, pair);
    while (m->slot[i] && m->slot[i] >> RANK_BITS != pair)
        i = (i + 1) & (m->cap - 1);
    m->slot[i] = pair << RANK_BITS | ((uint64_t)rank + 1);
}

/* An empty slot reads as pair 0, rank 0 − 1: NO_RANK, even where pair 0 is asked for. */
QN_INLINE uint32_t rank_of(const qn_bpe_merges *m, int32_t left, int32_t right) {
    const uint64_t pair = pair_of(left, right);
    size_t i = slot_of(m, pair);
    while (m->slot[i] >> RANK_BITS != pair) {
        if (m->slot[i] == 0)
            return NO_RANK;
        i = (i + 1) & (m->cap - 1);
    }
    return (uint32_t)(m->slot[i] & RANK_MASK) - 1;
}

/* ---- short words ------------------------------------------------------------------------------------------------- */

static void merge_short(const qn_bpe_merges *m, qn_bpe_symbols *s, const uint8_t *bytes) {
    uint32_t rank[SHORT_WORD];              /* rank[i]: of the pair (i, i+1) */
    int32_t *id = s->id;
    size_t n = s->n;
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = bytes ? m->of_bytes[bytes[i]][bytes[i + 1]] - 1 : rank_of(m, id[i], id[i + 1]);
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

/* ---- long words: a list and a heap ------------------------------------------------------------------------------- */

/* The rank of the pair that begins at `at`. */
QN_INLINE uint32_t rank_at(const qn_bpe_merges *m, const qn_bpe_link *link, uint32_t at) {
    const uint32_t next = link[at].next;
    return next == NONE ? NO_RANK : rank_of(m, link[at].id, link[next].id);
}

/* Applies the merge of the pair that begins at `at`. Its own rank and its left neighbour's are then out of date. */
QN_INLINE void merge_at(const qn_bpe_merges *m, qn_bpe_link *link, uint32_t at) {
    const uint32_t gone = link[at].next;
    link[at].id = m->result[link[at].rank];
    link[at].next = link[gone].next;
    link[gone].rank = NO_RANK;
    if (link[at].next != NONE)
        link[link[at].next].prev = at;
}

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

/* The pair that begins at `left`, as it is now: its rank, and its entry in the heap. */
static int heap_pair(const qn_bpe_merges *m, qn_bpe_symbols *s, uint32_t left) {
    if (left == NONE)
        return 0;
    uint32_t rank = s->link[left].rank = rank_at(m, s->link, left);
    return rank == NO_RANK ? 0 : heap_push(s, (uint64_t)rank << 32 | left);
}

static int merge_with_heap(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    s->n_heap = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->link[i].rank == NO_RANK)
            continue;
        QN_TRY(QN_GROW(QN_MEM_TOK, s->heap, s->cap_heap, s->n_heap + 1));
        s->heap[s->n_heap++] = (uint64_t)s->link[i].rank << 32 | i;
    }
    for (size_t i = s->n_heap / 4 + 1; i-- > 0;)
        if (i < s->n_heap)
            heap_down(s->heap, s->n_heap, i);
    while (s->n_heap) {
        uint64_t top = heap_pop(s);
        uint32_t rank = (uint32_t)(top >> 32), at = (uint32_t)top;
        if (s->link[at].rank != rank)           /* stale: another pair by now, or none */
            continue;
        merge_at(m, s->link, at);
        QN_TRY(heap_pair(m, s, s->link[at].prev));
        QN_TRY(heap_pair(m, s, at));
    }
    return 0;
}

/* ---- very long words: a bucket per rank -------------------------------------------------------------------------- */

/* A vocabulary that was learned merges a token only after it has made it: a merge never gives rise to a pair of a lower
 * rank, so one walk over the ranks will do, and no order is needed within one. Occurrences of one pair overlap in runs
 * of one symbol only (aaaa), and a run is merged from its left end as soon as any of it comes up. A vocabulary of
 * another kind betrays itself by a rank that has been passed; the heap then does the word.
 *
 *     last[rank] ──► block ──► block         positions, 14 to a cache line; blocks go round and round */
#define BLOCK_AT 14
#define GAVE_UP 1
typedef struct { uint32_t next, n, at[BLOCK_AT]; } block;
typedef struct {
    uint32_t *last;             /* [ranks] 0: none */
    block *block;               /* [n] block 0 stands for none */
    size_t n, cap;
    uint32_t free;
} buckets;

static int bucket_add(buckets *q, uint32_t rank, uint32_t at) {
    uint32_t i = q->last[rank];
    if (i == 0 || q->block[i].n == BLOCK_AT) {
        uint32_t fresh = q->free;
        if (fresh) {
            q->free = q->block[fresh].next;
        } else {
            QN_TRY(QN_GROW(QN_MEM_TOK, q->block, q->cap, q->n + 1));
            fresh = (uint32_t)q->n++;
        }
        q->block[fresh].next = i;
        q->block[fresh].n = 0;
        q->last[rank] = i = fresh;
    }
    q->block[i].at[q->block[i].n++] = at;
    return 0;
}

/* The pair that begins at `left`, as it is now, goes into a bucket behind that of rank `now`. */
static int bucket_pair(const qn_bpe_merges *m, qn_bpe_link *link, buckets *q, uint32_t left, uint32_t now) {
    if (left == NONE)
        return 0;
    uint32_t rank = link[left].rank = rank_at(m, link, left);
    if (rank == NO_RANK)
        return 0;
    return rank <= now ? GAVE_UP : bucket_add(q, rank, left);
}

/* Merges the run of pairs of this rank that `at` lies in. */
static int merge_run(const qn_bpe_merges *m, qn_bpe_link *link, buckets *q, uint32_t at, uint32_t rank) {
    int rc = 0;
    while (link[at].prev != NONE && link[link[at].prev].rank == rank)
        at = link[at].prev;
    for (; rc == 0 && at != NONE && link[at].rank == rank; at = link[at].next) {
        merge_at(m, link, at);
        rc = bucket_pair(m, link, q, link[at].prev, rank);
        if (rc == 0)
            rc = bucket_pair(m, link, q, at, rank);
    }
    return rc;
}

/* Takes the bucket's newest block and merges what it still says. */
static int merge_block(const qn_bpe_merges *m, qn_bpe_link *link, buckets *q, uint32_t rank) {
    const uint32_t i = q->last[rank];
    const block b = q->block[i];
    q->last[rank] = b.next;
    q->block[i].next = q->free;
    q->free = i;
    for (uint32_t k = 0; k < b.n; k++)
        QN_PREFETCH(&link[b.at[k]]);
    for (uint32_t k = 0; k < b.n; k++) {
        if (link[b.at[k]].rank != rank)
            continue;
        const int rc = merge_run(m, link, q, b.at[k], rank);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int merge_with_buckets(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    buckets q = {.n = 1, .last = qn_zalloc(QN_MEM_TOK, m->ranks, sizeof *q.last)};
    int rc = q.last ? QN_GROW(QN_MEM_TOK, q.block, q.cap, s->n / BLOCK_AT + 2) : QN_ENOMEM;
    for (size_t i = 0; rc == 0 && i < s->n; i++)
        if (s->link[i].rank != NO_RANK)
            rc = bucket_add(&q, s->link[i].rank, (uint32_t)i);
    for (uint32_t rank = 0; rank < m->ranks; rank++)
        while (rc == 0 && q.last[rank])
            rc = merge_block(m, s->link, &q, rank);
    qn_free(q.last);
    qn_free(q.block);
    return rc;
}

/* ---- long words -------------------------------------------------------------------------------------------------- */

static int link_symbols(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->link, s->cap_link, s->n));
    for (size_t i = 0; i < s->n; i++) {
        const uint32_t at = (uint32_t)i;
        const bool last = i + 1 == s->n;
        s->link[i] = (qn_bpe_link){s->id[i], i ? at - 1 : NONE, last ? NONE : at + 1,
                                   last ? NO_RANK : rank_of(m, s->id[i], s->id[i + 1])};
    }
    return 0;
}

static int merge_long(const qn_bpe_merges *m, qn_bpe_symbols *s) {
    int rc = GAVE_UP;
    if (s->n >= NONE)
        return qn_fail(QN_ELIMIT, "tokenizer: a word of %zu symbols; split the text", s->n);
    QN_TRY(link_symbols(m, s));
    if (s->n > HUGE_WORD) {
        QN_TRY(rc = merge_with_buckets(m, s));
        if (rc == GAVE_UP)
            QN_TRY(link_symbols(m, s));
    }
    if (rc == GAVE_UP)
        QN_TRY(merge_with_heap(m, s));
    size_t n = 0;
    for (uint32_t at = 0; at != NONE; at = s->link[at].next)
        s->id[n++] = s->link[at].id;
    s->n = n;
    return 0;
}

int qn_bpe_merge_all(const qn_bpe_merges *m, qn_bpe_symbols *s, const char *bytes) {
    if (s->n > SHORT_WORD)
        return merge_long(m, s);
    merge_short(m, s, (const uint8_t *)bytes);
    return 0;
}
