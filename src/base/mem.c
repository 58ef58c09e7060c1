/* base/mem.c — counted memory. Every block carries a header, so that freeing needs neither tag nor size:
 *
 *     | bytes | tag | magic | unused … |  the caller's bytes …
 *     ^ 64-byte aligned                ^ p, 64-byte aligned too
 *
 * The magic is turned over on free: a foreign pointer, a double free or a write in front of a block stops at once. */
#include "base/mem.h"
#include "base/inject.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN 64
#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 39)       /* one block beyond this is a mistake, not a wish; arenas may be larger */
#define MAGIC_LIVE 0x514e4c56u
#define MAGIC_DEAD 0x51444544u

typedef struct {
    size_t bytes;
    uint32_t tag, magic;
    char unused[ALIGN - sizeof(size_t) - 2 * sizeof(uint32_t)];
} head;
_Static_assert(sizeof(head) == ALIGN, "the header keeps the block aligned");

/* A cache line per tag: threads that allocate for different purposes do not disturb one another. */
typedef struct {
    QN_ALIGNED(ALIGN) _Atomic int64_t live;
    _Atomic int64_t peak, calls;
} counter;

static counter counters[QN_MEM_TAGS];
static _Atomic int64_t fail_after = -1;

static const char *const tag_names[QN_MEM_TAGS] = {
    "base", "format", "tokenizer", "chat", "weights", "gradients", "activations", "kv",
    "scratch", "graph", "model", "session", "server", "command", "test",
};

const char *qn_mem_tag_name(qn_mem_tag tag) {
    return (unsigned)tag < QN_MEM_TAGS ? tag_names[tag] : "?";
}

static void count_live(qn_mem_tag tag, int64_t delta) {
    counter *c = &counters[tag];
    int64_t live = atomic_fetch_add_explicit(&c->live, delta, memory_order_relaxed) + delta;
    int64_t peak = atomic_load_explicit(&c->peak, memory_order_relaxed);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&c->peak, &peak, live, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void count_call(qn_mem_tag tag) {
    atomic_fetch_add_explicit(&counters[tag].calls, 1, memory_order_relaxed);
}

qn_mem_stats qn_mem_stats_get(qn_mem_tag tag) {
    qn_assert((unsigned)tag < QN_MEM_TAGS);
    const counter *c = &counters[tag];
    return (qn_mem_stats){
        .live_bytes = atomic_load_explicit(&c->live, memory_order_relaxed),
        .peak_bytes = atomic_load_explicit(&c->peak, memory_order_relaxed),
        .calls = atomic_load_explicit(&c->calls, memory_order_relaxed),
    };
}

int64_t qn_mem_calls(void) {
    int64_t sum = 0;
    for (int t = 0; t < QN_MEM_TAGS; t++)
        sum += atomic_load_explicit(&counters[t].calls, memory_order_relaxed);
    return sum;
}

void qn_mem_fail_after(int64_t n) {
    atomic_store(&fail_after, n);
}

static void *no_memory(qn_mem_tag tag, size_t bytes) {
    qn_fail(QN_ENOMEM, "out of memory: %zu bytes for %s", bytes, qn_mem_tag_name(tag));
    return NULL;
}

static head *head_of(void *p) {
    head *h = (head *)p - 1;
    qn_assert(h->magic == MAGIC_LIVE);
    return h;
}

/* posix_memalign rather than aligned_alloc: the size stays exact, so the address sanitizer sees an overrun by one. */
void *qn_alloc(qn_mem_tag tag, size_t bytes) {
    qn_assert((unsigned)tag < QN_MEM_TAGS);
    void *raw = NULL;
    if (qn_inject_now(&fail_after) || bytes > BLOCK_MAX || posix_memalign(&raw, ALIGN, sizeof(head) + bytes) != 0)
        return no_memory(tag, bytes);
    head *h = raw;
    h->bytes = bytes;
    h->tag = (uint32_t)tag;
    h->magic = MAGIC_LIVE;
    count_call(tag);
    count_live(tag, (int64_t)bytes);
    return h + 1;
}

void *qn_zalloc(qn_mem_tag tag, size_t count, size_t size) {
    size_t bytes;
    if (QN_MUL_OVERFLOW(count, size, &bytes))
        return no_memory(tag, SIZE_MAX);
    void *p = qn_alloc(tag, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

/* A copy, because realloc would lose the alignment. Callers grow by doubling, so each byte moves about once. */
void *qn_realloc(qn_mem_tag tag, void *p, size_t bytes) {
    if (!p)
        return qn_alloc(tag, bytes);
    size_t old = head_of(p)->bytes;
    void *q = qn_alloc(tag, bytes);
    if (!q)
        return NULL;
    memcpy(q, p, QN_MIN(old, bytes));
    qn_free(p);
    return q;
}

void qn_free(void *p) {
    if (!p)
        return;
    head *h = head_of(p);
    h->magic = MAGIC_DEAD;
    count_live((qn_mem_tag)h->tag, -(int64_t)h->bytes);
    free(h);
}

/* Bytes that the kernel really maps for an arena: whole pages, and at least one; 0 if that overflows. */
static size_t arena_span(size_t bytes) {
    size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : PAGE, up;
    if (QN_ADD_OVERFLOW(QN_MAX(bytes, (size_t)1), unit - 1, &up) || up > PTRDIFF_MAX)
        return 0;
    return up & ~(unit - 1);
}

/* Large arenas are cut out of a larger map so that they begin on a huge page: only whole aligned ones can be huge. */
void *qn_arena_map(qn_mem_tag tag, size_t bytes) {
    qn_assert((unsigned)tag < QN_MEM_TAGS);
    size_t span = arena_span(bytes), slack = span >= HUGE_PAGE ? HUGE_PAGE : 0;
    if (qn_inject_now(&fail_after) || span == 0)
        return no_memory(tag, bytes);
    char *raw = mmap(NULL, span + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return no_memory(tag, bytes);
    size_t front = slack ? (HUGE_PAGE - ((uintptr_t)raw & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1) : 0;
    if (front)
        munmap(raw, front);
    if (slack > front)
        munmap(raw + front + span, slack - front);
    if (slack)
        madvise(raw + front, span, MADV_HUGEPAGE);       /* a wish; nothing is lost where it is not granted */
    count_call(tag);
    count_live(tag, (int64_t)span);                      /* as it may come to lie in memory: whole pages */
    return raw + front;
}

void qn_arena_unmap(qn_mem_tag tag, void *p, size_t bytes) {
    if (!p)
        return;
    const size_t span = arena_span(bytes);
    qn_assert(munmap(p, span) == 0);
    count_live(tag, -(int64_t)span);
}

int qn_grow(qn_mem_tag tag, void **p, size_t *cap, size_t need, size_t item_size) {
    if (need <= *cap)
        return 0;
    size_t doubled, bytes, want = need;
    if (!QN_MUL_OVERFLOW(*cap, (size_t)2, &doubled))
        want = QN_MAX(want, QN_MAX(doubled, (size_t)8));
    if (QN_MUL_OVERFLOW(want, item_size, &bytes))
        return qn_fail(QN_ENOMEM, "out of memory: %zu items of %zu bytes for %s", need, item_size,
                       qn_mem_tag_name(tag));
    void *old;
    memcpy(&old, p, sizeof old);          /* *p is the caller's pointer of another type: copied, never aliased */
    void *grown = qn_realloc(tag, old, bytes);
    if (!grown)
        return QN_ENOMEM;
    memcpy(p, &grown, sizeof grown);
    *cap = want;
    return 0;
}
