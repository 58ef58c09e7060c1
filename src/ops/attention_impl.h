/* ops/attention_impl.h — what attention's forward (attention.c) and backward (attention_grad.c) share: shapes, the
 * layout by groups, and query tiles as the kernels take them. */
#ifndef QN_OPS_ATTENTION_IMPL_H
#define QN_OPS_ATTENTION_IMPL_H

#include "ops/attention.h"
#include "ops/ops.h"

enum { Q, K, V };

typedef struct { int64_t T, H, Hkv, G, Dh; } dims;

QN_INLINE dims dims_of(const qn_op_ctx *c) {
    const qn_tensor *q = &c->in[Q];
    const int64_t Hkv = c->in[K].dim[1];
    return (dims){q->dim[0], q->dim[1], Hkv, q->dim[1] / Hkv, q->dim[2]};
}

QN_INLINE bool rounds_query(const qn_op_ctx *c) {
    return ((const qn_attention_attr *)c->attr)->kv == QN_BF16 && c->k->real == sizeof(float);
}

QN_INLINE double real_at(const qn_op_ctx *c, const void *p, int64_t i) {
    return c->k->real == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

QN_INLINE void real_put(const qn_op_ctx *c, void *p, int64_t i, double x) {
    if (c->k->real == sizeof(double))
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

/* Row t, head g of a group among [Hkv][T][G]. */
QN_INLINE int64_t grouped(const dims *d, int64_t head, int64_t t, int64_t g) { return (head * d->T + t) * d->G + g; }

/* Query rows of a tile; the bytes of their lo, hi and merge, with which a worker's scratch begins. */
QN_INLINE int64_t tile_rows(const dims *d) { return qn_query_tokens(d->G) * d->G; }
QN_INLINE size_t flags_bytes(int64_t rows) { return qn_round64((size_t)rows * (2 * sizeof(int32_t) + sizeof(bool))); }

typedef struct {
    const qn_query_tile *tile;
    const qn_segment *segment;
    int64_t head, rows, pos;            /* key head; rows = tokens × G; position of the first token */
    int32_t *lo, *hi;
    bool *merge;
} view;

QN_INLINE view view_of(const qn_op_ctx *c, const dims *d, int64_t tile, int64_t head, void *scratch) {
    const qn_batch *b = c->run;
    view w = {.tile = &b->tile[tile], .head = head};
    w.segment = &b->segment[w.tile->segment];
    w.rows = (int64_t)w.tile->n * d->G;
    w.pos = w.segment->pos + w.tile->first;
    w.lo = scratch;
    w.hi = w.lo + w.rows;
    w.merge = (bool *)(w.hi + w.rows);
    return w;
}

/* Position of the first key that position pos sees. */
QN_INLINE int64_t first_seen(const qn_attention_attr *at, int64_t pos) {
    return at->window && pos >= at->window ? pos - at->window + 1 : 0;
}

/* Position behind the last key that a row of the segment at position pos sees. */
QN_INLINE int64_t seen_end(const qn_attention_attr *at, const qn_segment *s, int64_t pos) {
    return at->both ? s->pos + s->n : pos + 1;
}

/* Fills lo and hi for a chunk; false if no row of the tile sees any of its keys. */
bool qn_attention_sees(const qn_attention_attr *at, const dims *d, view *w, int64_t chunk);

/* Keys and values of a chunk, up to position `last` of the segment; the other blocks stay NULL. */
void qn_attention_blocks(const qn_op_ctx *c, const view *w, int64_t chunk, int64_t last,
                         const void *k[QN_CHUNK_BLOCKS], const void *v[QN_CHUNK_BLOCKS]);

/* attention_grad.c */
int64_t qn_attention_key_tiles(const qn_op_ctx *c), qn_attention_query_tiles(const qn_op_ctx *c);
int64_t qn_attention_put_tiles(const qn_op_ctx *c);
void qn_attention_gather(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_attention_keys(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_attention_queries(const qn_op_ctx *c, int64_t tile, void *scratch);
void qn_attention_put(const qn_op_ctx *c, int64_t tile, void *scratch);
size_t qn_attention_grad_partials(const qn_op_ctx *c);
size_t qn_attention_grad_scratch(const qn_op_ctx *c);
enum { QN_ATTENTION_CASES = 9 };
extern const qn_op_case qn_attention_cases[QN_ATTENTION_CASES];

#endif
