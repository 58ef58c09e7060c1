/* ops/attention.h — what attention needs to know of a run: where keys lie, and which rows belong to which sequence.
 *
 * KV memory is a pool of pages; a page holds 64 positions of one sequence for all layers:
 *
 *   page p │ layer 0: K head 0 │ K head 1 … │ V head 0 │ V head 1 … │ layer 1: …    each a block of kernels.h
 *
 * A sequence is a list of pages; its positions start at 0, so blocks and chunks are aligned to its own start.
 * The infer/ room owns pools and page lists; this header only says how they look. */
#ifndef QN_OPS_ATTENTION_H
#define QN_OPS_ATTENTION_H

#include "kernels/kernels.h"

typedef struct {
    qn_dtype dtype;
    int64_t layers, heads, Dh;
    size_t block_bytes;                     /* qn_kv_block_bytes(dtype, Dh) */
    char *data;                             /* [pages][layers][K,V][heads] blocks */
} qn_kv_pool;

QN_INLINE size_t qn_kv_page_bytes(const qn_kv_pool *p) { return (size_t)(p->layers * 2 * p->heads) * p->block_bytes; }
QN_INLINE void *qn_kv_block(const qn_kv_pool *p, int32_t page, int64_t layer, int is_value, int64_t head) {
    const size_t block = ((size_t)layer * 2 + (size_t)is_value) * (size_t)p->heads + (size_t)head;
    return p->data + (size_t)page * qn_kv_page_bytes(p) + block * p->block_bytes;
}

/* Rows [row, row + n) of the run are positions pos … of one sequence, whose pages cover position pos + n − 1. What
 * stands before pos is from an earlier run; or, where two texts of a run begin alike, it is rows of the first:
 *
 *     rows    │ prompt chosen     │ rejected      │      the second segment is a branch of the first:
 *     pages   │ 0 │ 1 │ 2 │ 3 │   │ 0 │ 1′ │ 2′ │      whole pages before pos are those of the first; where only
 *                                                      a part of one is, its rows are stored in both (qn_lent)
 *
 * A branch may have branches. What a row sees, it sees at the same places as if its text stood alone. */
typedef struct {
    int64_t row, n, pos;
    const int32_t *page;
    int64_t seq;                            /* the owner's number for it */
    int64_t back;                           /* a branch of the segment so many before it; 0: of none */
} qn_segment;

/* The segment whose row is position p ≤ its last of s; NULL: it was in the cache before this run. */
QN_INLINE const qn_segment *qn_segment_of(const qn_segment *s, int64_t p) {
    while (p < s->pos && s->back)
        s -= s->back;
    return p < s->pos ? NULL : s;
}

/* Keys of rows [row, row + n) are stored in the pages of this branch, too. */
typedef struct { int32_t row, n, segment; } qn_lent;

/* Some rows of one segment that attend together: the unit of work, shared by all layers. */
typedef struct { int32_t segment, first, n; } qn_query_tile;

enum {
    QN_QUERY_ROWS = 96,                     /* per tile: tokens × heads of a group */
    QN_SPLIT_ROWS = 32                      /* a run of so many rows or fewer splits the keys */
};

/* What a session binds for each run (qn_exec_run's run data). */
typedef struct {
    const qn_kv_pool *kv;
    const qn_segment *segment;
    int64_t n_segments;
    const qn_query_tile *tile;
    int64_t n_tiles;
    const int32_t *row_segment;             /* [T] segment of each row */
    const qn_lent *lent;
    int64_t n_lent;
    int64_t chunks;                         /* chunks of 256 keys that the longest segment reaches */
    uint64_t seed, step;                    /* for what is drawn in a training run (ops/dropout.c) */
    bool noise;                             /* nodes that add noise do so in this run (ops/noise.c) */
    double dropout;                         /* 0: off in this run; else nodes drop with the p of their attribute */
    const int64_t *row_id;                  /* [T] the rows' numbers for those draws; NULL: 0, 1 … of this run */
    const float *adapter_scale;             /* [n_segments][n_adapters] times each one's own; NULL: 1 for all */
    int64_t n_adapters;
} qn_batch;

/* What has to be lent to segment s where it is a branch, behind n others; how many there are then. Fits where out has
 * room for as many as there are positions of all branches. */
int64_t qn_segment_lend(const qn_segment *segment, int64_t s, qn_lent *out, int64_t n);
/* Cuts the segments into tiles of at most `tokens` rows; returns how many, written to out[cap] as far as they fit. */
int64_t qn_query_tiles(const qn_segment *segment, int64_t n, int64_t tokens, qn_query_tile *out, int64_t cap);
QN_INLINE int64_t qn_query_tokens(int64_t group) { return QN_MAX(1, QN_QUERY_ROWS / group); }

typedef struct {
    int64_t layer;                          /* in the KV pool */
    int64_t window;                         /* a query sees its own and the window − 1 positions before; 0 = all */
    qn_dtype kv;                            /* dtype of the pool; also how the query is rounded */
    int64_t max_context;                    /* for planning */
    float scale;                            /* usually 1/sqrt(Dh) */
    float cap;                              /* soft cap of scores; 0 = none */
    bool both;                              /* a query sees all keys of its segment, its whole sequence (pos 0),
                                             * not only those up to its own */
} qn_attention_attr;

#endif
