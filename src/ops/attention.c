/* ops/attention.c — causal attention over a paged KV cache; grouped heads share a key head (Ainslie et al. 2023).
 *
 *   q [T,H,Dh]   k, v [T,Hkv,Dh]   →   y [T,H,Dh],   y_t,h = Σ_j softmax_j(scale · q_t,h · k_j) v_j   over the keys j that t sees
 *
 * Phase 1 stores k and v in the cache, rounded to its dtype, and rounds the queries, laid out [Hkv][T][G][Dh] so that the
 * G = H/Hkv heads of a group are rows of one product.
 * Phase 2 walks each query tile over its chunks of 256 keys with the running softmax of Milakov & Gimelshein 2018 / Dao
 * et al. 2022. Where a run has few rows (decoding), the chunks themselves are the tiles: each leaves its (M, L, O), and
 * phase 3 merges them in ascending order — the same arithmetic as the serial walk, bit for bit. */
#include "ops/attention.h"
#include "ops/ops.h"

#include <string.h>

enum { Q, K, V };

int64_t qn_query_tiles(const qn_segment *segment, int64_t n, int64_t tokens, qn_query_tile *out, int64_t cap) {
    int64_t count = 0;
    for (int64_t s = 0; s < n; s++)
        for (int64_t first = 0; first < segment[s].n; first += tokens, count++)
            if (count < cap)
                out[count] = (qn_query_tile){(int32_t)s, (int32_t)first, (int32_t)QN_MIN(tokens, segment[s].n - first)};
    return count;
}

/* ---- shapes and memory ---- */

typedef struct { int64_t T, H, Hkv, G, Dh; } dims;

static dims dims_of(const qn_op_ctx *c) {
    const qn_tensor *q = &c->in[Q];
    const int64_t Hkv = c->in[K].dim[1];
    return (dims){q->dim[0], q->dim[1], Hkv, q->dim[1] / Hkv, q->dim[2]};
}

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *q = &a->in[Q], *k = &a->in[K], *v = &a->in[V];
    if (q->rank != 3 || k->rank != 3 || v->rank != 3 || k->dim[1] < 1 || q->dim[1] % k->dim[1] || q->dim[2] != k->dim[2])
        return qn_fail(QN_ESHAPE, "attention: queries are %s; keys need a divisor of its heads and the same width", qn_shape_text(q));
    if (k->dim[1] != v->dim[1] || k->dim[2] != v->dim[2] || q->dim[2] % 2)
        return qn_fail(QN_ESHAPE, "attention: keys are %s, values differ, or the head width is odd", qn_shape_text(k));
    out[0] = (qn_op_out){*q, a->dtype[Q], QN_LAYOUT_ROWS};
    return 0;
}

static bool rounds_query(const qn_op_ctx *c) { return ((const qn_attention_attr *)c->attr)->kv == QN_BF16 && c->k->real == sizeof(float); }
static size_t query_row_bytes(const qn_op_ctx *c, const dims *d) {
    return rounds_query(c) ? (size_t)d->Dh * 2 : (size_t)d->Dh * c->k->real;
}
static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }
static size_t queries_bytes(const qn_op_ctx *c, const dims *d) { return round64((size_t)(d->T * d->H) * query_row_bytes(c, d)); }

/* Running state of `rows` query rows: M[rows], L[rows], O[rows,Dh], in reals. */
static size_t state_reals(int64_t rows, int64_t Dh) { return (size_t)(rows * (Dh + 2)); }

static bool splits(const qn_op_ctx *c) { return c->in[Q].dim[0] <= QN_SPLIT_ROWS; }

/* queries, then, when split, one state per (row, chunk) */
static size_t partials(const qn_op_ctx *c, bool backward) {
    const qn_attention_attr *at = c->attr;
    const dims d = dims_of(c);
    const int64_t chunks = qn_tiles(at->max_context, QN_KEY_CHUNK);
    const size_t state = state_reals(QN_MIN(d.T, QN_SPLIT_ROWS) * d.H, d.Dh) * (size_t)chunks * c->k->real;
    return backward ? 0 : queries_bytes(c, &d) + state;
}

/* per worker: lo, hi, merge flags; the running state; the kernel's scratch */
static int64_t tile_rows(const dims *d) { return qn_query_tokens(d->G) * d->G; }
static size_t flags_bytes(int64_t rows) { return round64((size_t)rows * (2 * sizeof(int32_t) + sizeof(bool))); }
static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const dims d = dims_of(c);
    const int64_t rows = tile_rows(&d);
    const size_t reals = round64(state_reals(rows, d.Dh) * c->k->real) + qn_attn_scratch(rows, d.Dh) * c->k->real;
    return backward ? 0 : flags_bytes(rows) + reals;
}

/* ---- phase 1: keys and values into the cache, queries rounded ---- */

static void store(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    const size_t real = c->k->real, row_bytes = query_row_bytes(c, &d), head = (size_t)d.Dh * real;
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t t = rows.begin; t < rows.end; t++) {
        const qn_segment *s = &b->segment[b->row_segment[t]];
        const int64_t pos = s->pos + t - s->row, slot = pos % QN_KEY_BLOCK;
        const int32_t page = s->page[pos / QN_KEY_BLOCK];
        for (int64_t h = 0; h < d.Hkv; h++) {
            c->k->kv_store_k(qn_kv_block(b->kv, page, at->layer, 0, h), at->kv, slot, (char *)qn_row(&c->in[K], t) + (size_t)h * head, d.Dh);
            c->k->kv_store_v(qn_kv_block(b->kv, page, at->layer, 1, h), at->kv, slot, (char *)qn_row(&c->in[V], t) + (size_t)h * head, d.Dh);
        }
        for (int64_t h = 0; h < d.H; h++) {
            char *to = c->partials + (size_t)(((h / d.G) * d.T + t) * d.G + h % d.G) * row_bytes;
            const char *from = (char *)qn_row(&c->in[Q], t) + (size_t)h * head;
            if (rounds_query(c))
                c->k->act_pack[QN_ACT_BF16](to, from, d.Dh);
            else
                memcpy(to, from, head);
        }
    }
}

/* ---- phase 2: query tiles against chunks ---- */

typedef struct {
    const qn_query_tile *tile;
    const qn_segment *segment;
    int64_t head, rows, pos;            /* key head; rows = tokens × G; position of the first token */
    int32_t *lo, *hi;
    bool *merge;
    char *M, *L, *O, *kernel_scratch;
} work;

static work work_of(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const qn_batch *b = c->run;
    const size_t real = c->k->real;
    work w = {.tile = &b->tile[index / d->Hkv], .head = index % d->Hkv};
    w.segment = &b->segment[w.tile->segment];
    w.rows = (int64_t)w.tile->n * d->G;
    w.pos = w.segment->pos + w.tile->first;
    w.lo = scratch;
    w.hi = w.lo + w.rows;
    w.merge = (bool *)(w.hi + w.rows);
    w.M = (char *)scratch + flags_bytes(tile_rows(d));
    w.L = w.M + (size_t)w.rows * real;
    w.O = w.L + (size_t)w.rows * real;
    w.kernel_scratch = w.M + round64(state_reals(tile_rows(d), d->Dh) * real);
    return w;
}

/* Position of the first key that position pos sees. */
static int64_t first_seen(const qn_attention_attr *at, int64_t pos) { return at->window && pos >= at->window ? pos - at->window + 1 : 0; }

/* Fills lo and hi for a chunk; false if no row of the tile sees any of its keys. merge[] must hold whether the row has state. */
static bool chunk_view(const qn_attention_attr *at, const dims *d, work *w, int64_t chunk) {
    const int64_t start = chunk * QN_KEY_CHUNK;
    bool any = false;
    for (int64_t r = 0; r < w->rows; r++) {
        const int64_t pos = w->pos + r / d->G, seen = first_seen(at, pos);
        w->lo[r] = (int32_t)QN_MIN(QN_MAX(seen - start, 0), QN_KEY_CHUNK);
        w->hi[r] = (int32_t)QN_MIN(QN_MAX(pos + 1 - start, w->lo[r]), QN_KEY_CHUNK);
        any = any || w->lo[r] < w->hi[r];
    }
    return any;
}

static void run_chunk(const qn_op_ctx *c, const dims *d, work *w, int64_t chunk) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    const size_t row_bytes = query_row_bytes(c, d);
    const int64_t last = w->pos + w->tile->n - 1, t0 = w->segment->row + w->tile->first;
    qn_attn_args a = {
        .q = c->partials + (size_t)((w->head * d->T + t0) * d->G) * row_bytes, .ldq = row_bytes, .lo = w->lo, .hi = w->hi,
        .M = w->M, .L = w->L, .O = w->O, .merge = w->merge, .scratch = w->kernel_scratch,
        .rows = w->rows, .Dh = d->Dh, .scale = at->scale, .cap = at->cap,
    };
    for (int64_t i = 0; i < QN_CHUNK_BLOCKS && chunk * QN_KEY_CHUNK + i * QN_KEY_BLOCK <= last; i++) {
        const int32_t page = w->segment->page[chunk * QN_CHUNK_BLOCKS + i];
        a.k[i] = qn_kv_block(b->kv, page, at->layer, 0, w->head);
        a.v[i] = qn_kv_block(b->kv, page, at->layer, 1, w->head);
    }
    c->k->attn[at->kv](&a);
}

/* O/L to the rows' places in y. */
static void write_out(const qn_op_ctx *c, const dims *d, const work *w, int64_t r, const char *L, const char *O) {
    const double l = c->k->real == sizeof(double) ? *(const double *)L : (double)*(const float *)L;
    const int64_t t = w->segment->row + w->tile->first + r / d->G, h = w->head * d->G + r % d->G;
    c->k->scale((char *)qn_row(&c->out[0], t) + (size_t)(h * d->Dh) * c->k->real, O, 1.0 / l, d->Dh);
}

static void walk(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const size_t real = c->k->real;
    work w = work_of(c, d, index, scratch);
    const int64_t first = first_seen(c->attr, w.pos) / QN_KEY_CHUNK, last = (w.pos + w.tile->n - 1) / QN_KEY_CHUNK;
    memset(w.merge, 0, (size_t)w.rows);
    for (int64_t chunk = first; chunk <= last; chunk++) {
        if (!chunk_view(c->attr, d, &w, chunk))
            continue;
        run_chunk(c, d, &w, chunk);
        for (int64_t r = 0; r < w.rows; r++)
            w.merge[r] = w.merge[r] || w.lo[r] < w.hi[r];
    }
    for (int64_t r = 0; r < w.rows; r++)
        write_out(c, d, &w, r, w.L + (size_t)r * real, w.O + (size_t)(r * d->Dh) * real);
}

/* ---- split: one tile per (query tile, key head, chunk) ---- */

/* State of a chunk: M, L, O of the tile's rows, at the rows' place. */
static char *chunk_state(const qn_op_ctx *c, const dims *d, const work *w, int64_t chunk) {
    const int64_t row0 = (w->head * d->T + w->segment->row + w->tile->first) * d->G;
    const size_t per_chunk = state_reals(d->T * d->H, d->Dh);
    return c->partials + queries_bytes(c, d) + ((size_t)chunk * per_chunk + state_reals(row0, d->Dh)) * c->k->real;
}

static void use_state(work *w, const dims *d, char *state, size_t real) {
    (void)d;
    w->M = state;
    w->L = w->M + (size_t)w->rows * real;
    w->O = w->L + (size_t)w->rows * real;
}

static void split(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const qn_batch *b = c->run;
    const int64_t chunk = index % b->chunks;
    work w = work_of(c, d, index / b->chunks, scratch);
    use_state(&w, d, chunk_state(c, d, &w, chunk), c->k->real);
    memset(w.merge, 0, (size_t)w.rows);
    if (chunk * QN_KEY_CHUNK < w.pos + w.tile->n && chunk_view(c->attr, d, &w, chunk))
        run_chunk(c, d, &w, chunk);
}

static int64_t attend_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return b->n_tiles * c->in[K].dim[1] * (splits(c) ? b->chunks : 1);
}

static void attend(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    if (splits(c))
        split(c, &d, tile, scratch);
    else
        walk(c, &d, tile, scratch);
}

/* ---- phase 3: chunks merged in ascending order, into the state of the row's first visible chunk ---- */

static int64_t merge_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return splits(c) ? qn_tiles(b->n_tiles * c->in[K].dim[1], QN_OP_ROWS) : 0;
}

static void merge_row(const qn_op_ctx *c, const dims *d, const work *w, int64_t r) {
    const size_t real = c->k->real;
    const int64_t pos = w->pos + r / d->G, first = first_seen(c->attr, pos) / QN_KEY_CHUNK;
    work into = *w, from = *w;
    use_state(&into, d, chunk_state(c, d, w, first), real);
    char *M = into.M + (size_t)r * real, *L = into.L + (size_t)r * real, *O = into.O + (size_t)(r * d->Dh) * real;
    for (int64_t chunk = first + 1; chunk * QN_KEY_CHUNK <= pos; chunk++) {
        use_state(&from, d, chunk_state(c, d, w, chunk), real);
        c->k->attn_merge(M, L, O, from.M + (size_t)r * real, from.L + (size_t)r * real, from.O + (size_t)(r * d->Dh) * real, d->Dh);
    }
    write_out(c, d, w, r, L, O);
}

static void merge(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    const qn_span items = qn_tile_span(b->n_tiles * d.Hkv, QN_OP_ROWS, tile);
    for (int64_t i = items.begin; i < items.end; i++) {
        const work w = work_of(c, &d, i, scratch);
        for (int64_t r = 0; r < w.rows; r++)
            merge_row(c, &d, &w, r);
    }
}

/* ---- the op ---- */

static int64_t flops(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    int64_t keys = 0;
    for (int64_t s = 0; b && s < b->n_segments; s++)
        for (int64_t i = 0; i < b->segment[s].n; i++)
            keys += b->segment[s].pos + i + 1 - first_seen(c->attr, b->segment[s].pos + i);
    return 4 * keys * d.H * d.Dh;
}

const qn_op qn_op_attention = {
    .name = "attention", .n_in_min = 3, .n_in_max = 3, .attr_size = sizeof(qn_attention_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, store}, {attend_tiles, attend}, {merge_tiles, merge}},
    .partials = partials, .scratch = scratch_bytes, .flops = flops,
    .no_grad = "not yet: the tiled backward comes with the training core",
};
