/* base/mem.h — all memory goes through here: counted by tag, failure injectable by tests.
 *
 * Blocks are aligned to 64 bytes. A failed allocation records QN_ENOMEM with the size and the tag and returns NULL:
 * the caller returns QN_ENOMEM. Freeing NULL is fine. Thread-safe. */
#ifndef QN_BASE_MEM_H
#define QN_BASE_MEM_H

#include "base/err.h"

typedef enum {
    QN_MEM_BASE, QN_MEM_FORMAT, QN_MEM_TOK, QN_MEM_CHAT, QN_MEM_WEIGHTS, QN_MEM_GRADS, QN_MEM_ACTS, QN_MEM_KV,
    QN_MEM_SCRATCH, QN_MEM_GRAPH, QN_MEM_MODEL, QN_MEM_SESSION, QN_MEM_SERVE, QN_MEM_CLI, QN_MEM_TEST, QN_MEM_TAGS
} qn_mem_tag;

void *qn_alloc(qn_mem_tag tag, size_t bytes);                       /* not cleared; bytes 0 gives a valid block */
void *qn_zalloc(qn_mem_tag tag, size_t count, size_t size);         /* cleared; overflow of the product is checked */
void *qn_realloc(qn_mem_tag tag, void *p, size_t bytes);            /* on failure p stays valid */
void qn_free(void *p);

/* Large arenas (packed weights, KV pools, activations): anonymous mapping, zeroed, huge pages asked for. What counts is
 * whole pages, for a huge one at the end may lie in memory as a whole. */
void *qn_arena_map(qn_mem_tag tag, size_t bytes);
void qn_arena_unmap(qn_mem_tag tag, void *p, size_t bytes);

typedef struct { int64_t live_bytes, peak_bytes, calls; } qn_mem_stats;
qn_mem_stats qn_mem_stats_get(qn_mem_tag tag);
int64_t qn_mem_calls(void);           /* allocations of all tags since start: decode steps must not move it */
const char *qn_mem_tag_name(qn_mem_tag tag);

/* Tests: the n-th allocation from now fails (0 = the next), then all work again; -1 switches off. */
void qn_mem_fail_after(int64_t n);

/* Grows an array to hold `need` items: doubles, checks overflow, keeps contents. *cap is in items. */
int qn_grow(qn_mem_tag tag, void **p, size_t *cap, size_t need, size_t item_size);
#define QN_GROW(tag, p, cap, need) qn_grow((tag), (void **)&(p), &(cap), (need), sizeof *(p))

#endif
