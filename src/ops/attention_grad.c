/* ops/attention_grad.c — attention, backward (Dao et al. 2022, algorithm 4), and the cases that prove both halves.
 *
 * Keys and values are read from the cache again, which must still hold them; the gradient of the roundings is one. With
 * lse saved by forward, D = Σ dO·O and dS as in kernels/kernels.h:
 *
 *   phase 1   rows by groups: q as rounded, dO; D; dq = 0
 *   phase 2   dk, dv of a chunk: its query tiles ascending          a tile: (tree, key head, chunk)
 *   phase 3   dq of a query tile: its chunks ascending              a tile: (query tile, key head)
 *   phase 4   dL/dq += dq
 *
 * A tree is a segment with its branches, which add to the gradients of keys that they share, one after the other.
 * Where there are trees and heads enough, phase 2 does (tree, key head) as one tile and dq with it, which saves two of
 * seven products; every output is the same chain of sums either way. Memory is linear in T. Keys that were in the cache
 * before this run are no inputs: their gradient ends there. */
#include "ops/attention_impl.h"

#include <string.h>

/* q, dO, dq [Hkv][T][G][Dh], then D [Hkv][T][G]. */
typedef struct { char *q, *dO, *dq, *D; } grouped_rows;

static size_t grouped_bytes(const qn_op_ctx *c, const dims *d) {
    return qn_round64((size_t)(d->T * d->H * d->Dh) * c->k->real);
}

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

size_t qn_attention_grad_partials(const qn_op_ctx *c) {
    const dims d = dims_of(c);
    return 3 * grouped_bytes(c, &d) + (size_t)(d.T * d.H) * c->k->real;
}

void qn_attention_gather(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    const size_t real = c->k->real, head = (size_t)d.Dh * real;
    const grouped_rows to = grouped_of(c, &d);
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    qn_assert(((const qn_attention_attr *)c->attr)->kv != QN_Q8_0);
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
        real_put(c, to.D, at, D);
    }
}

enum { WANT_Q = 1, WANT_KV = 2 };

/* dk and dv of the chunk at hand, and the kernel's scratch. */
typedef struct { char *dk, *dv, *kernel; bool gathered; } chunk_room;

/* Keys of the chunk that the segment has: no row of it sees others. */
static int64_t chunk_keys(const qn_segment *s, int64_t chunk) {
    return QN_MIN(QN_KEY_CHUNK, s->pos + s->n - chunk * QN_KEY_CHUNK);
}

static size_t chunk_bytes(const qn_op_ctx *c, const dims *d) { return (size_t)(QN_KEY_CHUNK * d->Dh) * c->k->real; }

/* A worker's scratch begins with the tile's flags, or one rounded query. */
static size_t head_bytes(const dims *d) { return QN_MAX(flags_bytes(tile_rows(d)), qn_round64((size_t)d->Dh * 2)); }

size_t qn_attention_grad_scratch(const qn_op_ctx *c) {
    const dims d = dims_of(c);
    return head_bytes(&d) + 2 * chunk_bytes(c, &d) + qn_attn_grad_scratch(d.Dh) * c->k->real;
}

static chunk_room room_of(const qn_op_ctx *c, const dims *d, void *scratch) {
    chunk_room m = {.dk = (char *)scratch + head_bytes(d)};
    m.dv = m.dk + chunk_bytes(c, d);
    m.kernel = m.dv + chunk_bytes(c, d);
    return m;
}

/* One query tile against one chunk. */
static void slope_chunk(const qn_op_ctx *c, const dims *d, view *w, chunk_room *m, int64_t chunk, int wants) {
    const qn_attention_attr *at = c->attr;
    const size_t real = c->k->real;
    const grouped_rows g = grouped_of(c, d);
    const size_t row = (size_t)grouped(d, w->head, w->segment->row + w->tile->first, 0), head = (size_t)d->Dh * real;
    const int64_t last = w->segment->pos + w->segment->n - 1;
    if (!qn_attention_sees(at, d, w, chunk))
        return;
    qn_attn_grad_args a = {
        .q = g.q + row * head, .dO = g.dO + row * head, .ldq = d->Dh, .lddo = d->Dh, .t = at->kv,
        .gathered = m->gathered, .lo = w->lo, .hi = w->hi, .lse = (char *)c->saved[0].data + row * real,
        .D = g.D + row * real, .dq = wants & WANT_Q ? g.dq + row * head : NULL, .lddq = d->Dh,
        .dk = wants & WANT_KV ? m->dk : NULL, .dv = wants & WANT_KV ? m->dv : NULL, .scratch = m->kernel,
        .rows = w->rows, .Dh = d->Dh, .scale = at->scale, .cap = at->cap,
    };
    qn_attention_blocks(c, w, chunk, last, a.k, a.v);
    c->k->attn_grad(&a);
    m->gathered = true;
}

static const qn_segment *root_of(const qn_segment *s) {
    while (s->back)
        s -= s->back;
    return s;
}

/* dk and dv of the chunk to those of its keys that are inputs of this run: rows of the segment; and of those that it is
 * a branch of, which were here before it. */
static void chunk_put(const qn_op_ctx *c, const dims *d, const chunk_room *m, const qn_segment *s, int64_t head,
                      int64_t chunk) {
    const int64_t start = chunk * QN_KEY_CHUNK;
    const int64_t begin = QN_MAX(start, root_of(s)->pos), end = start + chunk_keys(s, chunk);
    const char *const from[] = {m->dk, m->dv};
    for (int i = 0; i < 2; i++)
        for (int64_t p = begin; c->din[K + i].data && p < end; p++) {
            const qn_segment *of = qn_segment_of(s, p);
            char *to = (char *)qn_row(&c->din[K + i], of->row + p - of->pos) + (size_t)(head * d->Dh) * c->k->real;
            const char *dx = from[i] + (size_t)((p - start) * d->Dh) * c->k->real;
            if (qn_op_born(c, K + i) && of == s)
                memcpy(to, dx, (size_t)d->Dh * c->k->real);
            else
                c->k->add(to, to, dx, d->Dh);
        }
}

/* Some row of the tile sees some key of the chunk: told by its ends, since all pairs of tile and chunk are asked. */
static bool meets(const qn_attention_attr *at, const qn_segment *s, const qn_query_tile *t, int64_t chunk) {
    const int64_t pos = s->pos + t->first, start = chunk * QN_KEY_CHUNK;
    return seen_end(at, s, pos + t->n - 1) > start && first_seen(at, pos) < start + QN_KEY_CHUNK;
}

/* All query tiles of a segment against one chunk, ascending. */
static void slope_segment(const qn_op_ctx *c, const dims *d, int64_t segment, int64_t head, int64_t chunk, int wants,
                          void *scratch) {
    const qn_batch *b = c->run;
    const qn_segment *s = &b->segment[segment];
    chunk_room m = room_of(c, d, scratch);
    if ((chunk + 1) * QN_KEY_CHUNK <= root_of(s)->pos)  /* no key of this run: only queries can want it */
        wants &= WANT_Q;
    if (!wants)
        return;
    memset(m.dk, 0, (size_t)(chunk_keys(s, chunk) * d->Dh) * c->k->real);
    memset(m.dv, 0, (size_t)(chunk_keys(s, chunk) * d->Dh) * c->k->real);
    for (int64_t i = 0; i < b->n_tiles; i++)
        if (b->tile[i].segment == segment && meets(c->attr, s, &b->tile[i], chunk)) {
            view w = view_of(c, d, i, head, scratch);
            slope_chunk(c, d, &w, &m, chunk, wants);
        }
    if (wants & WANT_KV)
        chunk_put(c, d, &m, s, head, chunk);
}

static int wants_of(const qn_op_ctx *c) {
    return (c->din[Q].data ? WANT_Q : 0) | (c->din[K].data || c->din[V].data ? WANT_KV : 0);
}

enum { FUSED_TILES = 6 };               /* trees × key heads that are tiles enough */

static int64_t segment_chunks(const qn_segment *s) { return qn_tiles(s->pos + s->n, QN_KEY_CHUNK); }

static int64_t trees(const qn_batch *b) {
    int64_t n = 0;
    for (int64_t s = 0; s < b->n_segments; s++)
        n += !b->segment[s].back;
    return n;
}

static bool fused(const qn_op_ctx *c) { return trees(c->run) * c->in[K].dim[1] >= FUSED_TILES; }

/* Chunks of the longest text of the tree that begins with segment `root`; of any other segment 0. */
static int64_t tree_chunks(const qn_batch *b, int64_t root) {
    int64_t n = 0;
    for (int64_t s = root; s < b->n_segments; s++)
        if (root_of(&b->segment[s]) == &b->segment[root])
            n = QN_MAX(n, segment_chunks(&b->segment[s]));
    return n;
}

int64_t qn_attention_key_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    int64_t chunks = 0;
    if (fused(c))
        return trees(b) * c->in[K].dim[1];
    for (int64_t s = 0; s < b->n_segments; s++)
        chunks += tree_chunks(b, s);
    return wants_of(c) & WANT_KV ? chunks * c->in[K].dim[1] : 0;
}

/* Chunks [begin, end) of the segments of a tree, those that it has. */
static void slope_tree(const qn_op_ctx *c, int64_t root, int64_t head, qn_span chunks, int wants, void *scratch) {
    const qn_batch *b = c->run;
    const dims d = dims_of(c);
    for (int64_t s = root; s < b->n_segments; s++)
        if (root_of(&b->segment[s]) == &b->segment[root])
            for (int64_t i = chunks.begin; i < QN_MIN(chunks.end, segment_chunks(&b->segment[s])); i++)
                slope_segment(c, &d, s, head, i, wants, scratch);
}

void qn_attention_keys(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const qn_batch *b = c->run;
    const int64_t heads = c->in[K].dim[1];
    int64_t rest = tile / heads, s = 0;
    if (!fused(c)) {
        for (; rest >= tree_chunks(b, s); s++)
            rest -= tree_chunks(b, s);
        slope_tree(c, s, tile % heads, (qn_span){rest, rest + 1}, WANT_KV, scratch);
        return;
    }
    while (b->segment[s].back || rest-- > 0)
        s++;
    slope_tree(c, s, tile % heads, (qn_span){0, INT64_MAX}, wants_of(c), scratch);
}

int64_t qn_attention_query_tiles(const qn_op_ctx *c) {
    const qn_batch *b = c->run;
    return c->din[Q].data && !fused(c) ? b->n_tiles * c->in[K].dim[1] : 0;
}

void qn_attention_queries(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    view w = view_of(c, &d, tile / d.Hkv, tile % d.Hkv, scratch);
    chunk_room m = room_of(c, &d, scratch);
    const int64_t first = first_seen(c->attr, w.pos) / QN_KEY_CHUNK;
    const int64_t last = (seen_end(c->attr, w.segment, w.pos + w.tile->n - 1) - 1) / QN_KEY_CHUNK;
    for (int64_t chunk = first; chunk <= last; chunk++) {
        m.gathered = false;
        slope_chunk(c, &d, &w, &m, chunk, WANT_Q);
    }
}

int64_t qn_attention_put_tiles(const qn_op_ctx *c) { return c->din[Q].data ? qn_op_row_tiles(c) : 0; }

void qn_attention_put(const qn_op_ctx *c, int64_t tile, void *scratch) {
    const dims d = dims_of(c);
    const grouped_rows g = grouped_of(c, &d);
    const size_t head = (size_t)d.Dh * c->k->real;
    const qn_span rows = qn_tile_span(d.T, QN_OP_ROWS, tile);
    (void)scratch;
    for (int64_t i = rows.begin * d.H; i < rows.end * d.H; i++) {
        const int64_t t = i / d.H, h = i % d.H;
        char *to = (char *)qn_row(&c->din[Q], t) + (size_t)h * head;
        const char *dq = g.dq + (size_t)grouped(&d, h / d.G, t, h % d.G) * head;
        if (qn_op_born(c, Q))
            memcpy(to, dq, head);
        else
            c->k->add(to, to, dq, d.Dh);
    }
}

/* ---- cases: segments of a pack, some of which go on where an earlier run stopped ---- */

enum { CASE_SEGMENTS = 4, CASE_PAGES = 8, CASE_ROWS = 64, CASE_WIDTH = 8 };

typedef struct { qn_attention_attr attr; int n; struct { int64_t n, pos, back; } segment[CASE_SEGMENTS]; } case_setup;

typedef struct {
    qn_attention_attr attr;
    qn_batch batch;
    qn_kv_pool pool;
    qn_segment segment[CASE_SEGMENTS];
    qn_query_tile tile[CASE_ROWS];
    int32_t row_segment[CASE_ROWS], page[CASE_SEGMENTS][CASE_PAGES];
    qn_lent lent[CASE_ROWS];
    double blocks[];
} case_run;

/* Keys and values from before this run; branches have those of their root. */
static void fill_past(const qn_op_ctx *c, const case_run *r, const qn_segment *s, int64_t heads, int64_t Dh) {
    for (int64_t p = 0; p < root_of(s)->pos; p++)
        for (int64_t h = 0; h < heads; h++) {
            double wide[2][CASE_WIDTH];
            float narrow[2][CASE_WIDTH];
            for (int64_t i = 0; i < 2 * Dh; i++)
                wide[i / Dh][i % Dh] = narrow[i / Dh][i % Dh] =
                    qn_fill_value((uint32_t)(root_of(s)->seq + 50), (uint64_t)((p * heads + h) * 2 * Dh + i), 1.0f);
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
        const int64_t pos = setup->segment[s].pos, back = setup->segment[s].back;
        for (int p = 0; p < CASE_PAGES; p++)
            r->page[s][p] = back && p < pos / QN_KEY_BLOCK ? r->page[s - back][p]
                                                           : s * CASE_PAGES + (CASE_PAGES - 1 - p);
        r->segment[s] = (qn_segment){row, setup->segment[s].n, pos, r->page[s], s, back};
        r->batch.n_lent = qn_segment_lend(r->segment, s, r->lent, r->batch.n_lent);
        fill_past(c, r, &r->segment[s], d.Hkv, d.Dh);
        for (int64_t i = 0; i < r->segment[s].n; i++)
            r->row_segment[row++] = s;
        chunks = QN_MAX(chunks, segment_chunks(&r->segment[s]));
    }
    qn_assert(row == d.T);
    r->batch = (qn_batch){.kv = &r->pool, .segment = r->segment, .n_segments = setup->n, .tile = r->tile,
                          .row_segment = r->row_segment, .chunks = chunks, .lent = r->lent,
                          .n_lent = r->batch.n_lent};
    r->batch.n_tiles = qn_query_tiles(r->segment, setup->n, QN_MIN(7, qn_query_tokens(d.G)), r->tile, CASE_ROWS);
    c->attr = &r->attr;
    c->run = &r->batch;
    return r;
}

static const case_setup one = {{.max_context = 512, .scale = 0.5f}, 1, {{5, 0, 0}}};
static const case_setup windows = {{.max_context = 512, .scale = 0.7f, .window = 6}, 2, {{9, 0, 0}, {31, 2, 0}}};
static const case_setup capped = {{.max_context = 512, .scale = 1.0f, .cap = 1.5f}, 3,
                                  {{8, 0, 0}, {3, 255, 0}, {6, 0, 0}}};
static const case_setup crossing = {{.max_context = 512, .scale = 0.5f}, 2, {{33, 240, 0}, {4, 0, 0}}};
static const case_setup many = {{.max_context = 512, .scale = 0.5f}, 4,
                                {{9, 0, 0}, {1, 0, 0}, {12, 250, 0}, {11, 260, 0}}};
/* Branches in one page and two, one of them of a branch; over two chunks; two trees. */
static const case_setup branches = {{.max_context = 512, .scale = 0.5f}, 4,
                                    {{20, 50, 0}, {6, 66, 1}, {9, 60, 2}, {5, 67, 2}}};
static const case_setup over_chunks = {{.max_context = 512, .scale = 0.5f}, 3,
                                       {{33, 240, 0}, {5, 262, 1}, {12, 250, 2}}};
static const case_setup groves = {{.max_context = 512, .scale = 0.5f}, 4,
                                  {{12, 250, 0}, {9, 0, 0}, {6, 259, 2}, {7, 5, 2}}};
static const case_setup both = {{.max_context = 512, .scale = 0.5f, .both = true}, 3,
                                {{19, 0, 0}, {1, 0, 0}, {13, 0, 0}}};
const qn_op_case qn_attention_cases[QN_ATTENTION_CASES] = {
    {.n_in = 3, .in = {{3, {5, 1, 2}}, {3, {5, 1, 2}}, {3, {5, 1, 2}}}, .attr = &one, .prepare = prepare},
    {.n_in = 3, .in = {{3, {40, 2, 4}}, {3, {40, 1, 4}}, {3, {40, 1, 4}}}, .attr = &windows, .prepare = prepare},
    {.n_in = 3, .in = {{3, {17, 3, 2}}, {3, {17, 3, 2}}, {3, {17, 3, 2}}}, .attr = &capped, .prepare = prepare},
    {.n_in = 3, .in = {{3, {37, 2, 6}}, {3, {37, 1, 6}}, {3, {37, 1, 6}}}, .attr = &crossing, .prepare = prepare},
    {.n_in = 3, .in = {{3, {33, 4, 2}}, {3, {33, 2, 2}}, {3, {33, 2, 2}}}, .attr = &many, .prepare = prepare},
    {.n_in = 3, .in = {{3, {40, 2, 4}}, {3, {40, 1, 4}}, {3, {40, 1, 4}}}, .attr = &branches, .prepare = prepare},
    {.n_in = 3, .in = {{3, {50, 2, 4}}, {3, {50, 2, 4}}, {3, {50, 2, 4}}}, .attr = &over_chunks, .prepare = prepare},
    {.n_in = 3, .in = {{3, {34, 3, 2}}, {3, {34, 3, 2}}, {3, {34, 3, 2}}}, .attr = &groves, .prepare = prepare},
    {.n_in = 3, .in = {{3, {33, 2, 4}}, {3, {33, 1, 4}}, {3, {33, 1, 4}}}, .attr = &both, .prepare = prepare},
};
