/* ops/attention.c — causal attention over a paged KV cache; grouped heads share a key head (Ainslie et al. 2023).
 *
 *   q [T,H,Dh]   k, v [T,Hkv,Dh]   →   y [T,H,Dh],   y_t,h = Σ_j softmax_j(scale · q_t,h · k_j) v_j   over the keys j that t sees
 *
 * Phase 1 stores k and v in the cache, rounded to its dtype, and rounds the queries, laid out [Hkv][T][G][Dh] so that
 * the G = H/Hkv heads of a group are rows of one product.
 * Phase 2 walks each query tile over its chunks of 256 keys with the running softmax of Milakov & Gimelshein 2018 /
 * Dao et al. 2022. Where a run has few rows (decoding), the chunks themselves are the tiles: each leaves its (M, L, O),
 * and phase 3 merges them in ascending order — the same arithmetic as the serial walk, bit for bit.
 *
 * Saved: lse = M + ln L of every row, [Hkv][T][G]. Backward (Dao et al. 2022, algorithm 4) reads keys and values from
 * the cache again, which must still hold them, and takes the gradient of the roundings as one:
 *
 *   phase 1   rows by groups: q as rounded, dO; D = Σ dO·O; dq = 0
 *   phase 2   dk, dv of a chunk: its query tiles ascending          a tile: (segment, key head, chunk)
 *   phase 3   dq of a query tile: its chunks ascending              a tile: (query tile, key head)
 *   phase 4   dL/dq += dq
 *
 * Where there are segments and heads enough, phase 2 does (segment, key head) as one tile and dq with it, which saves
 * two of seven products; every output is the same chain of sums either way. Keys that were in the cache before this run
 * are no inputs: their gradient ends there. */
#include "num/math.h"
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

/* forward: queries, then, when split, one state per (row, chunk); backward: q, dO, dq [Hkv][T][G][Dh], D [Hkv][T][G] */
static size_t grouped_bytes(const qn_op_ctx *c, const dims *d) { return round64((size_t)(d->T * d->H * d->Dh) * c->k->real); }
static size_t partials(const qn_op_ctx *c, bool backward) {
    const qn_attention_attr *at = c->attr;
    const dims d = dims_of(c);
    const int64_t chunks = qn_tiles(at->max_context, QN_KEY_CHUNK);
    const size_t state = state_reals(QN_MIN(d.T, QN_SPLIT_ROWS) * d.H, d.Dh) * (size_t)chunks * c->k->real;
    if (backward)
        return 3 * grouped_bytes(c, &d) + (size_t)(d.T * d.H) * c->k->real;
    return queries_bytes(c, &d) + state;
}

/* per worker: lo, hi, merge flags; the running state, or dk and dv of a chunk; the kernel's scratch */
static int64_t tile_rows(const dims *d) { return qn_query_tokens(d->G) * d->G; }
static size_t flags_bytes(int64_t rows) { return round64((size_t)rows * (2 * sizeof(int32_t) + sizeof(bool))); }
static size_t chunk_bytes(const qn_op_ctx *c, const dims *d) { return (size_t)(QN_KEY_CHUNK * d->Dh) * c->k->real; }
static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const dims d = dims_of(c);
    const int64_t rows = tile_rows(&d);
    const size_t reals = round64(state_reals(rows, d.Dh) * c->k->real) + qn_attn_scratch(rows, d.Dh) * c->k->real;
    if (backward)
        return QN_MAX(flags_bytes(rows), (size_t)d.Dh * 2) + 2 * chunk_bytes(c, &d) + qn_attn_grad_scratch(d.Dh) * c->k->real;
    return flags_bytes(rows) + reals;
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

static double real_at(const qn_op_ctx *c, const char *p, int64_t i) {
    return c->k->real == sizeof(double) ? ((const double *)(const void *)p)[i] : (double)((const float *)(const void *)p)[i];
}

/* Row t, head g of a group among [Hkv][T][G]. */
static int64_t grouped(const dims *d, int64_t head, int64_t t, int64_t g) { return (head * d->T + t) * d->G + g; }

/* O/L to the row's place in y, and its lse. */
static void write_out(const qn_op_ctx *c, const dims *d, const work *w, int64_t r, const char *M, const char *L,
                      const char *O) {
    const double l = real_at(c, L, 0);
    const int64_t t = w->segment->row + w->tile->first + r / d->G, h = w->head * d->G + r % d->G;
    c->k->scale((char *)qn_row(&c->out[0], t) + (size_t)(h * d->Dh) * c->k->real, O, 1.0 / l, d->Dh);
    if (!c->saved[0].data)
        return;
    const int64_t at = grouped(d, w->head, t, r % d->G);
    if (c->k->real == sizeof(double))
        ((double *)c->saved[0].data)[at] = real_at(c, M, 0) + qn_ln(l);
    else
        ((float *)c->saved[0].data)[at] = (float)(real_at(c, M, 0) + qn_ln(l));
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
        write_out(c, d, &w, r, w.M + (size_t)r * real, w.L + (size_t)r * real, w.O + (size_t)(r * d->Dh) * real);
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
    write_out(c, d, w, r, M, L, O);
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

/* ---- backward ---- */

typedef struct { char *q, *dO, *dq, *D; } grouped_rows;

static grouped_rows grouped_of(const qn_op_ctx *c, const dims *d) {
    const size_t bytes = grouped_bytes(c, d);
    return (grouped_rows){c->partials, c->partials + bytes, c->partials + 2 * bytes, c->partials + 3 * bytes};
}

/* x, rounded as the forward rounds queries. */
static void round_query(const qn_op_ctx *c, const dims *d, char *to, const char *x, void *scratch) {
    if (rounds_query(c)) {
        c->k->act_pack[QN_ACT_BF16](scratch, x, d->Dh);
        qn_bf16_decode((float *)(void *)to, scratch, d->Dh);
    } else {
        memcpy(to, x, (size_t)d->Dh * c->k->real);
    }
}

static void gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    const size_t real = c->k->real, head = (size_t)d.Dh * real;
    const grouped_rows to = grouped_of(c, &d);
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    for (int64_t i = rows.begin * d.H; i < rows.end * d.H; i++) {
        const int64_t t = i / d.H, h = i % d.H, at = grouped(&d, h / d.G, t, h % d.G);
        const char *dO = (char *)qn_row(&c->dout[0], t) + (size_t)h * head;
        const char *O = (char *)qn_row(&c->out[0], t) + (size_t)h * head;
        double D = 0;
        for (int64_t e = 0; e < d.Dh; e++)
            D += real_at(c, dO, e) * real_at(c, O, e);
        round_query(c, &d, to.q + (size_t)at * head, (char *)qn_row(&c->in[Q], t) + (size_t)h * head, scratch);
        memcpy(to.dO + (size_t)at * head, dO, head);
        memset(to.dq + (size_t)at * head, 0, head);
        if (real == sizeof(double))
            ((double *)(void *)to.D)[at] = D;
        else
            ((float *)(void *)to.D)[at] = (float)D;
    }
}

enum { WANT_Q = 1, WANT_KV = 2 };

/* dk and dv of the chunk at hand, and the kernel's scratch. */
typedef struct { char *dk, *dv, *kernel; bool gathered; } chunk_room;

static chunk_room room_of(const qn_op_ctx *c, const dims *d, void *scratch) {
    chunk_room m = {.dk = (char *)scratch + QN_MAX(flags_bytes(tile_rows(d)), (size_t)d->Dh * 2)};
    m.dv = m.dk + chunk_bytes(c, d);
    m.kernel = m.dv + chunk_bytes(c, d);
    return m;
}

/* One query tile against one chunk. */
static void slope_chunk(const qn_op_ctx *c, const dims *d, work *w, chunk_room *m, int64_t chunk, int wants) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    const size_t real = c->k->real;
    const grouped_rows g = grouped_of(c, d);
    const size_t row = (size_t)grouped(d, w->head, w->segment->row + w->tile->first, 0), head = (size_t)d->Dh * real;
    const int64_t last = w->segment->pos + w->segment->n - 1;
    if (!chunk_view(at, d, w, chunk))
        return;
    qn_attn_grad_args a = {
        .q = g.q + row * head, .dO = g.dO + row * head, .ldq = d->Dh, .lddo = d->Dh, .t = at->kv,
        .gathered = m->gathered, .lo = w->lo, .hi = w->hi, .lse = (char *)c->saved[0].data + row * real,
        .D = g.D + row * real, .dq = wants & WANT_Q ? g.dq + row * head : NULL, .lddq = d->Dh,
        .dk = wants & WANT_KV ? m->dk : NULL, .dv = wants & WANT_KV ? m->dv : NULL, .scratch = m->kernel,
        .rows = w->rows, .Dh = d->Dh, .scale = at->scale, .cap = at->cap,
    };
    for (int64_t i = 0; i < QN_CHUNK_BLOCKS && chunk * QN_KEY_CHUNK + i * QN_KEY_BLOCK <= last; i++) {
        const int32_t page = w->segment->page[chunk * QN_CHUNK_BLOCKS + i];
        a.k[i] = qn_kv_block(b->kv, page, at->layer, 0, w->head);
        a.v[i] = qn_kv_block(b->kv, page, at->layer, 1, w->head);
    }
    c->k->attn_grad(&a);
    m->gathered = true;
}

/* dk and dv of the chunk to those of its keys that are inputs of this run. */
static void chunk_put(const qn_op_ctx *c, const dims *d, const chunk_room *m, const qn_segment *s, int64_t head,
                      int64_t chunk) {
    const int64_t start = chunk * QN_KEY_CHUNK;
    const int64_t begin = QN_MAX(start, s->pos), end = QN_MIN(start + QN_KEY_CHUNK, s->pos + s->n);
    const char *const from[] = {m->dk, m->dv};
    for (int i = 0; i < 2; i++)
        for (int64_t p = begin; c->din[K + i].data && p < end; p++) {
            char *to = (char *)qn_row(&c->din[K + i], s->row + p - s->pos) + (size_t)(head * d->Dh) * c->k->real;
            c->k->add(to, to, from[i] + (size_t)((p - start) * d->Dh) * c->k->real, d->Dh);
        }
}

/* All query tiles of a segment against one chunk, ascending. */
static void slope_segment(const qn_op_ctx *c, const dims *d, int64_t segment, int64_t head, int64_t chunk, int wants,
                          void *scratch) {
    const qn_batch *b = c->run;
    const qn_segment *s = &b->segment[segment];
    chunk_room m = room_of(c, d, scratch);
    if ((chunk + 1) * QN_KEY_CHUNK <= s->pos)           /* no key of this run: only queries can want it */
        wants &= WANT_Q;
    if (!wants)
        return;
    memset(m.dk, 0, 2 * chunk_bytes(c, d));
    for (int64_t i = 0; i < b->n_tiles; i++)
        if (b->tile[i].segment == segment) {
            work w = work_of(c, d, i * d->Hkv + head, scratch);
            slope_chunk(c, d, &w, &m, chunk, wants);
        }
    if (wants & WANT_KV)
        chunk_put(c, d, &m, s, head, chunk);
}

static int wants_of(const qn_op_ctx *c) {
    return (c->din[Q].data ? WANT_Q : 0) | (c->din[K].data || c->din[V].data ? WANT_KV : 0);
}

enum { FUSED_TILES = 8 };               /* segments × key heads that are tiles enough */

static bool fused(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return b->n_segments * c->in[K].dim[1] >= FUSED_TILES;
}

static int64_t segment_chunks(const qn_segment *s) { return qn_tiles(s->pos + s->n, QN_KEY_CHUNK); }

static int64_t key_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    int64_t chunks = 0;
    if (fused(c))
        return b->n_segments * c->in[K].dim[1];
    for (int64_t s = 0; s < b->n_segments; s++)
        chunks += segment_chunks(&b->segment[s]);
    return wants_of(c) & WANT_KV ? chunks * c->in[K].dim[1] : 0;
}

static void backward_keys(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    int64_t rest = tile / d.Hkv, s = 0;
    if (fused(c)) {
        for (int64_t chunk = 0; chunk < segment_chunks(&b->segment[rest]); chunk++)
            slope_segment(c, &d, rest, tile % d.Hkv, chunk, wants_of(c), scratch);
        return;
    }
    while (rest >= segment_chunks(&b->segment[s]))
        rest -= segment_chunks(&b->segment[s++]);
    slope_segment(c, &d, s, tile % d.Hkv, rest, WANT_KV, scratch);
}

static int64_t query_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return c->din[Q].data && !fused(c) ? b->n_tiles * c->in[K].dim[1] : 0;
}

static void backward_queries(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    work w = work_of(c, &d, tile, scratch);
    chunk_room m = room_of(c, &d, scratch);
    const int64_t first = first_seen(c->attr, w.pos) / QN_KEY_CHUNK, last = (w.pos + w.tile->n - 1) / QN_KEY_CHUNK;
    for (int64_t chunk = first; chunk <= last; chunk++) {
        m.gathered = false;
        slope_chunk(c, &d, &w, &m, chunk, WANT_Q);
    }
}

static int64_t put_tiles(const qn_op_ctx *c) { return c->din[Q].data ? qn_op_row_tiles(c) : 0; }

static void backward_put(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    const grouped_rows g = grouped_of(c, &d);
    const size_t head = (size_t)d.Dh * c->k->real;
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t i = rows.begin * d.H; i < rows.end * d.H; i++) {
        const int64_t t = i / d.H, h = i % d.H;
        char *to = (char *)qn_row(&c->din[Q], t) + (size_t)h * head;
        c->k->add(to, to, g.dq + (size_t)grouped(&d, h / d.G, t, h % d.G) * head, d.Dh);
    }
}

/* ---- cases: segments of a pack, some of which go on where an earlier run stopped ---- */

enum { CASE_SEGMENTS = 4, CASE_PAGES = 8, CASE_ROWS = 64, CASE_WIDTH = 8 };

typedef struct { qn_attention_attr attr; int n; struct { int64_t n, pos; } segment[CASE_SEGMENTS]; } case_setup;

typedef struct {
    qn_attention_attr attr;
    qn_batch batch;
    qn_kv_pool pool;
    qn_segment segment[CASE_SEGMENTS];
    qn_query_tile tile[CASE_ROWS];
    int32_t row_segment[CASE_ROWS], page[CASE_SEGMENTS][CASE_PAGES];
    double blocks[];
} case_run;

/* Keys and values from before this run. */
static void fill_past(const qn_op_ctx *c, const case_run *r, const qn_segment *s, int64_t heads, int64_t Dh) {
    for (int64_t p = 0; p < s->pos; p++)
        for (int64_t h = 0; h < heads; h++) {
            double wide[2][CASE_WIDTH];
            float narrow[2][CASE_WIDTH];
            for (int64_t i = 0; i < 2 * Dh; i++)
                wide[i / Dh][i % Dh] = narrow[i / Dh][i % Dh] =
                    qn_fill_value((uint32_t)(s->seq + 50), (uint64_t)((p * heads + h) * 2 * Dh + i), 1.0f);
            const int32_t page = s->page[p / QN_KEY_BLOCK];
            const bool judged = c->k->real == sizeof(double);
            c->k->kv_store_k(qn_kv_block(&r->pool, page, 0, 0, h), r->attr.kv, p % QN_KEY_BLOCK,
                             judged ? (void *)wide[0] : narrow[0], Dh);
            c->k->kv_store_v(qn_kv_block(&r->pool, page, 0, 1, h), r->attr.kv, p % QN_KEY_BLOCK,
                             judged ? (void *)wide[1] : narrow[1], Dh);
        }
}

static void *prepare(qn_op_ctx *c) {
    const case_setup *setup = c->attr;
    const dims d = dims_of(c);
    const size_t block = qn_kv_block_bytes(QN_F64, d.Dh), pages = (size_t)(setup->n * CASE_PAGES);
    case_run *r = qn_zalloc(QN_MEM_TEST, 1, sizeof *r + pages * 2 * (size_t)d.Hkv * block);
    int64_t row = 0, chunks = 0;
    qn_assert(r && d.T <= CASE_ROWS && d.Dh <= CASE_WIDTH);
    r->attr = setup->attr;
    r->attr.kv = c->k->real == sizeof(double) ? QN_F64 : QN_F32;
    r->pool = (qn_kv_pool){r->attr.kv, 1, d.Hkv, d.Dh, qn_kv_block_bytes(r->attr.kv, d.Dh), (char *)r->blocks};
    for (int s = 0; s < setup->n; s++) {
        for (int p = 0; p < CASE_PAGES; p++)
            r->page[s][p] = s * CASE_PAGES + (CASE_PAGES - 1 - p);
        r->segment[s] = (qn_segment){row, setup->segment[s].n, setup->segment[s].pos, r->page[s], s};
        fill_past(c, r, &r->segment[s], d.Hkv, d.Dh);
        for (int64_t i = 0; i < r->segment[s].n; i++)
            r->row_segment[row++] = s;
        chunks = QN_MAX(chunks, segment_chunks(&r->segment[s]));
    }
    qn_assert(row == d.T);
    r->batch = (qn_batch){&r->pool, r->segment, setup->n, r->tile, 0, r->row_segment, chunks};
    r->batch.n_tiles = qn_query_tiles(r->segment, setup->n, QN_MIN(7, qn_query_tokens(d.G)), r->tile, CASE_ROWS);
    c->attr = &r->attr;
    c->run = &r->batch;
    return r;
}

static const case_setup one = {{.max_context = 512, .scale = 0.5f}, 1, {{5, 0}}};
static const case_setup windows = {{.max_context = 512, .scale = 0.7f, .window = 6}, 2, {{9, 0}, {31, 2}}};
static const case_setup capped = {{.max_context = 512, .scale = 1.0f, .cap = 1.5f}, 3, {{8, 0}, {3, 255}, {6, 0}}};
static const case_setup crossing = {{.max_context = 512, .scale = 0.5f}, 2, {{33, 240}, {4, 0}}};
static const case_setup many = {{.max_context = 512, .scale = 0.5f}, 4, {{9, 0}, {1, 0}, {12, 250}, {11, 260}}};
static const qn_op_case cases[] = {
    {.n_in = 3, .in = {{3, {5, 1, 2}}, {3, {5, 1, 2}}, {3, {5, 1, 2}}}, .attr = &one, .prepare = prepare},
    {.n_in = 3, .in = {{3, {40, 2, 4}}, {3, {40, 1, 4}}, {3, {40, 1, 4}}}, .attr = &windows, .prepare = prepare},
    {.n_in = 3, .in = {{3, {17, 3, 2}}, {3, {17, 3, 2}}, {3, {17, 3, 2}}}, .attr = &capped, .prepare = prepare},
    {.n_in = 3, .in = {{3, {37, 2, 6}}, {3, {37, 1, 6}}, {3, {37, 1, 6}}}, .attr = &crossing, .prepare = prepare},
    {.n_in = 3, .in = {{3, {33, 4, 2}}, {3, {33, 2, 2}}, {3, {33, 2, 2}}}, .attr = &many, .prepare = prepare},
};

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
    .backward = {{qn_op_row_tiles, gather}, {key_tiles, backward_keys}, {query_tiles, backward_queries},
                 {put_tiles, backward_put}},
    .partials = partials, .scratch = scratch_bytes, .flops = flops,
    .saved_bytes = {1}, .saved_per_head = true, .reads_out = true, .unread = 1 << K | 1 << V,
    .cases = cases, .n_cases = QN_LEN(cases),
};
