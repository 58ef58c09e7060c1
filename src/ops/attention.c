/* ops/attention.c — attention over a paged KV cache, causal or both ways; grouped heads share a key head (Ainslie et
 * al. 2023).
 *
 *   q [T,H,Dh]   k, v [T,Hkv,Dh]   →   y [T,H,Dh]
 *   y_t,h = Σ_j softmax_j(scale · q_t,h · k_j) v_j   over the keys j that t sees
 *
 * Phase 1 stores k and v in the cache, rounded to its dtype (in several pages where texts branch: attention.h), and
 * rounds the queries, laid out [Hkv][T][G][Dh] so that the G = H/Hkv heads of a group are rows of one product.
 * Phase 2 walks each query tile over its chunks of 256 keys with the running softmax of Milakov & Gimelshein 2018 /
 * Dao et al. 2022. Where a run has few rows (decoding), the chunks themselves are the tiles: each leaves its (M, L, O),
 * and phase 3 merges them in ascending order — the same arithmetic as the serial walk, bit for bit.
 *
 * Saved for backward (attention_grad.c): lse = M + ln L of every row, [Hkv][T][G]. */
#include "num/math.h"
#include "ops/attention_impl.h"

#include <string.h>

int64_t qn_query_tiles(const qn_segment *segment, int64_t n, int64_t tokens, qn_query_tile *out, int64_t cap) {
    int64_t count = 0;
    for (int64_t s = 0; s < n; s++)
        for (int64_t first = 0; first < segment[s].n; first += tokens, count++)
            if (count < cap)
                out[count] = (qn_query_tile){(int32_t)s, (int32_t)first, (int32_t)QN_MIN(tokens, segment[s].n - first)};
    return count;
}

int64_t qn_segment_lend(const qn_segment *segment, int64_t s, qn_lent *out, int64_t n) {
    const qn_segment *to = &segment[s];
    for (int64_t p = to->pos / QN_KEY_BLOCK * QN_KEY_BLOCK; to->back && p < to->pos; p++) {
        const qn_segment *of = qn_segment_of(to, p);
        if (!of)
            continue;
        const int32_t row = (int32_t)(of->row + p - of->pos);
        if (n > 0 && out[n - 1].segment == s && out[n - 1].row + out[n - 1].n == row)
            out[n - 1].n++;
        else
            out[n++] = (qn_lent){row, 1, (int32_t)s};
    }
    return n;
}

bool qn_attention_sees(const qn_attention_attr *at, const dims *d, view *w, int64_t chunk) {
    const int64_t start = chunk * QN_KEY_CHUNK;
    bool any = false;
    for (int64_t r = 0; r < w->rows; r++) {
        const int64_t pos = w->pos + r / d->G, seen = first_seen(at, pos);
        w->lo[r] = (int32_t)QN_MIN(QN_MAX(seen - start, 0), QN_KEY_CHUNK);
        w->hi[r] = (int32_t)QN_MIN(QN_MAX(seen_end(at, w->segment, pos) - start, w->lo[r]), QN_KEY_CHUNK);
        any = any || w->lo[r] < w->hi[r];
    }
    return any;
}

void qn_attention_blocks(const qn_op_ctx *c, const view *w, int64_t chunk, int64_t last,
                         const void *k[QN_CHUNK_BLOCKS], const void *v[QN_CHUNK_BLOCKS]) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    for (int64_t i = 0; i < QN_CHUNK_BLOCKS && chunk * QN_KEY_CHUNK + i * QN_KEY_BLOCK <= last; i++) {
        const int32_t page = w->segment->page[chunk * QN_CHUNK_BLOCKS + i];
        k[i] = qn_kv_block(b->kv, page, at->layer, 0, w->head);
        v[i] = qn_kv_block(b->kv, page, at->layer, 1, w->head);
    }
}

/* ---- shapes and memory ---- */

static int shape(const qn_op_args *a, qn_op_out *out) {
    const qn_shape *q = &a->in[Q], *k = &a->in[K], *v = &a->in[V];
    const bool ranks = q->rank == 3 && k->rank == 3 && v->rank == 3;
    if (!ranks || k->dim[1] < 1 || q->dim[1] % k->dim[1] || q->dim[2] != k->dim[2])
        return qn_fail(QN_ESHAPE, "attention: queries are %s; keys need a divisor of its heads and the same width",
                       qn_shape_text(q));
    if (k->dim[1] != v->dim[1] || k->dim[2] != v->dim[2] || q->dim[2] % 2)
        return qn_fail(QN_ESHAPE, "attention: keys are %s, values differ, or the head width is odd", qn_shape_text(k));
    out[0] = (qn_op_out){*q, a->dtype[Q], QN_LAYOUT_ROWS};
    return 0;
}

static size_t query_row_bytes(const qn_op_ctx *c, const dims *d) {
    return rounds_query(c) ? (size_t)d->Dh * 2 : (size_t)d->Dh * c->k->real;
}
static size_t queries_bytes(const qn_op_ctx *c, const dims *d) {
    return qn_round64((size_t)(d->T * d->H) * query_row_bytes(c, d));
}

/* Running state of `rows` query rows: M[rows], L[rows], O[rows,Dh], in reals. */
static size_t state_reals(int64_t rows, int64_t Dh) { return (size_t)(rows * (Dh + 2)); }

/* One chunk leaves nothing to merge: it is walked, to the same bits, and without the third phase's barriers. */
static bool splits(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return c->in[Q].dim[0] <= QN_SPLIT_ROWS && b->chunks > 1;
}

/* queries, then, when split, one state per (row, chunk) */
static size_t partials(const qn_op_ctx *c, bool backward) {
    const qn_attention_attr *at = c->attr;
    const dims d = dims_of(c);
    const int64_t chunks = qn_tiles(at->max_context, QN_KEY_CHUNK);
    const size_t state = state_reals(QN_MIN(d.T, QN_SPLIT_ROWS) * d.H, d.Dh) * (size_t)chunks * c->k->real;
    return backward ? qn_attention_grad_partials(c) : queries_bytes(c, &d) + state;
}

/* per worker: lo, hi, merge flags; the running state; the kernel's scratch */
static size_t scratch_bytes(const qn_op_ctx *c, bool backward) {
    const dims d = dims_of(c);
    const int64_t rows = tile_rows(&d);
    const size_t reals = qn_round64(state_reals(rows, d.Dh) * c->k->real) + qn_attn_scratch(rows, d.Dh) * c->k->real;
    return backward ? qn_attention_grad_scratch(c) : flags_bytes(rows) + reals;
}

/* ---- phase 1: keys and values into the cache, queries rounded ---- */

/* k and v of row t into pages of a segment: its own, or a branch of that. */
static void put_keys(const qn_op_ctx *c, const dims *d, int64_t t, const qn_segment *to) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    const qn_segment *own = &b->segment[b->row_segment[t]];
    const int64_t pos = own->pos + t - own->row, slot = pos % QN_KEY_BLOCK;
    const int32_t page = to->page[pos / QN_KEY_BLOCK];
    const size_t head = (size_t)d->Dh * c->k->real;
    for (int64_t h = 0; h < d->Hkv; h++) {
        const char *k = (char *)qn_row(&c->in[K], t) + (size_t)h * head;
        const char *v = (char *)qn_row(&c->in[V], t) + (size_t)h * head;
        c->k->kv_store_k(qn_kv_block(b->kv, page, at->layer, 0, h), at->kv, slot, k, d->Dh);
        c->k->kv_store_v(qn_kv_block(b->kv, page, at->layer, 1, h), at->kv, slot, v, d->Dh);
    }
}

static void store(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    const size_t row_bytes = query_row_bytes(c, &d), head = (size_t)d.Dh * c->k->real;
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t i = 0; i < b->n_lent; i++) {
        const qn_lent *l = &b->lent[i];
        for (int64_t t = QN_MAX(rows.begin, l->row); t < QN_MIN(rows.end, l->row + l->n); t++)
            put_keys(c, &d, t, &b->segment[l->segment]);
    }
    for (int64_t t = rows.begin; t < rows.end; t++) {
        put_keys(c, &d, t, &b->segment[b->row_segment[t]]);
        for (int64_t h = 0; h < d.H; h++) {
            char *to = c->partials + (size_t)grouped(&d, h / d.G, t, h % d.G) * row_bytes;
            const char *from = (char *)qn_row(&c->in[Q], t) + (size_t)h * head;
            if (rounds_query(c))
                c->k->act_pack[QN_ACT_BF16](to, from, d.Dh);
            else
                memcpy(to, from, head);
        }
    }
}

/* ---- phase 2: query tiles against chunks ---- */

/* A query tile at work: what it sees, its running state. */
typedef struct { view at; char *M, *L, *O, *kernel_scratch; } work;

static work work_of(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const size_t real = c->k->real;
    work w = {.at = view_of(c, d, index / d->Hkv, index % d->Hkv, scratch)};
    w.M = (char *)scratch + flags_bytes(tile_rows(d));
    w.L = w.M + (size_t)w.at.rows * real;
    w.O = w.L + (size_t)w.at.rows * real;
    w.kernel_scratch = w.M + qn_round64(state_reals(tile_rows(d), d->Dh) * real);
    return w;
}

/* The keys that are read behind a chunk: those of the next one, or the next head's first. NULL: who knows. */
static const void *keys_behind(const qn_op_ctx *c, const dims *d, const view *v, int64_t chunk, int64_t end) {
    const qn_attention_attr *at = c->attr;
    const qn_batch *b = c->run;
    const bool last = ++chunk * QN_KEY_CHUNK >= end;
    const int64_t head = v->head + last, next = last ? first_seen(at, v->pos) / QN_KEY_CHUNK : chunk;
    return head < d->Hkv ? qn_kv_block(b->kv, v->segment->page[next * QN_CHUNK_BLOCKS], at->layer, 0, head) : NULL;
}

static void run_chunk(const qn_op_ctx *c, const dims *d, work *w, int64_t chunk) {
    const qn_attention_attr *at = c->attr;
    const view *v = &w->at;
    const int64_t end = seen_end(at, v->segment, v->pos + v->tile->n - 1);
    const size_t row_bytes = query_row_bytes(c, d);
    const int64_t first = grouped(d, v->head, v->segment->row + v->tile->first, 0);
    qn_attn_args a = {
        .q = c->partials + (size_t)first * row_bytes, .ldq = row_bytes, .lo = v->lo, .hi = v->hi,
        .M = w->M, .L = w->L, .O = w->O, .merge = v->merge, .scratch = w->kernel_scratch,
        .rows = v->rows, .Dh = d->Dh, .scale = at->scale, .cap = at->cap, .next = keys_behind(c, d, v, chunk, end),
    };
    qn_attention_blocks(c, v, chunk, end - 1, a.k, a.v);
    c->k->attn[at->kv](&a);
}

/* O/L to the row's place in y, and its lse. */
static void write_out(const qn_op_ctx *c, const dims *d, const view *v, int64_t r, const char *M, const char *L,
                      const char *O) {
    const double l = real_at(c, L, 0);
    const int64_t t = v->segment->row + v->tile->first + r / d->G, h = v->head * d->G + r % d->G;
    c->k->scale((char *)qn_row(&c->out[0], t) + (size_t)(h * d->Dh) * c->k->real, O, 1.0 / l, d->Dh);
    if (c->saved[0].data)
        real_put(c, c->saved[0].data, grouped(d, v->head, t, r % d->G),
                 real_at(c, M, 0) + (c->k->real == sizeof(double) ? qn_ln(l) : (double)qn_logf((float)l)));
}

static void walk(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const size_t real = c->k->real;
    work w = work_of(c, d, index, scratch);
    const int64_t first = first_seen(c->attr, w.at.pos) / QN_KEY_CHUNK;
    const int64_t last = (seen_end(c->attr, w.at.segment, w.at.pos + w.at.tile->n - 1) - 1) / QN_KEY_CHUNK;
    memset(w.at.merge, 0, (size_t)w.at.rows);
    for (int64_t chunk = first; chunk <= last; chunk++) {
        if (!qn_attention_sees(c->attr, d, &w.at, chunk))
            continue;
        run_chunk(c, d, &w, chunk);
        for (int64_t r = 0; r < w.at.rows; r++)
            w.at.merge[r] = w.at.merge[r] || w.at.lo[r] < w.at.hi[r];
    }
    for (int64_t r = 0; r < w.at.rows; r++)
        write_out(c, d, &w.at, r, w.M + (size_t)r * real, w.L + (size_t)r * real,
                  w.O + (size_t)(r * d->Dh) * real);
}

/* ---- split: one tile per (query tile, key head, chunk) ---- */

/* State of a chunk: M, L, O of the tile's rows, at the rows' place. */
static char *chunk_state(const qn_op_ctx *c, const dims *d, const work *w, int64_t chunk) {
    const int64_t row0 = grouped(d, w->at.head, w->at.segment->row + w->at.tile->first, 0);
    const size_t per_chunk = state_reals(d->T * d->H, d->Dh);
    return c->partials + queries_bytes(c, d) + ((size_t)chunk * per_chunk + state_reals(row0, d->Dh)) * c->k->real;
}

static void use_state(work *w, char *state, size_t real) {
    w->M = state;
    w->L = w->M + (size_t)w->at.rows * real;
    w->O = w->L + (size_t)w->at.rows * real;
}

static void split(const qn_op_ctx *c, const dims *d, int64_t index, void *scratch) {
    const qn_batch *b = c->run;
    const int64_t chunk = index % b->chunks;
    work w = work_of(c, d, index / b->chunks, scratch);
    use_state(&w, chunk_state(c, d, &w, chunk), c->k->real);
    memset(w.at.merge, 0, (size_t)w.at.rows);
    const int64_t end = seen_end(c->attr, w.at.segment, w.at.pos + w.at.tile->n - 1);
    if (chunk * QN_KEY_CHUNK < end && qn_attention_sees(c->attr, d, &w.at, chunk))
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
    const int64_t pos = w->at.pos + r / d->G, first = first_seen(c->attr, pos) / QN_KEY_CHUNK;
    work into = *w, from = *w;
    use_state(&into, chunk_state(c, d, w, first), real);
    char *M = into.M + (size_t)r * real, *L = into.L + (size_t)r * real, *O = into.O + (size_t)(r * d->Dh) * real;
    for (int64_t chunk = first + 1; chunk * QN_KEY_CHUNK < seen_end(c->attr, w->at.segment, pos); chunk++) {
        use_state(&from, chunk_state(c, d, w, chunk), real);
        c->k->attn_merge(M, L, O, from.M + (size_t)r * real, from.L + (size_t)r * real,
                         from.O + (size_t)(r * d->Dh) * real, d->Dh);
    }
    write_out(c, d, &w->at, r, M, L, O);
}

static void merge(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    const qn_span items = qn_tile_span(b->n_tiles * d.Hkv, QN_OP_ROWS, tile);
    for (int64_t i = items.begin; i < items.end; i++) {
        const work w = work_of(c, &d, i, scratch);
        for (int64_t r = 0; r < w.at.rows; r++)
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
            keys += seen_end(c->attr, &b->segment[s], b->segment[s].pos + i) -
                    first_seen(c->attr, b->segment[s].pos + i);
    return 4 * keys * d.H * d.Dh;
}

const qn_op qn_op_attention = {
    .name = "attention", .n_in_min = 3, .n_in_max = 3, .attr_size = sizeof(qn_attention_attr), .shape = shape,
    .forward = {{qn_op_row_tiles, store}, {attend_tiles, attend}, {merge_tiles, merge}},
    .backward = {{qn_op_row_tiles, qn_attention_gather}, {qn_attention_key_tiles, qn_attention_keys},
                 {qn_attention_query_tiles, qn_attention_queries, .beside = true},
                 {qn_attention_put_tiles, qn_attention_put}},
    .partials = partials, .scratch = scratch_bytes, .flops = flops, .by_rows = true,
    .saved_bytes = {1}, .saved_per_head = true, .reads_out = true, .unread = 1 << K | 1 << V,
    .writes = 1 << Q | 1 << K | 1 << V,
    .cases = qn_attention_cases, .n_cases = QN_ATTENTION_CASES,
};
