/* model/packing.c — tiles of weights, taken by whoever comes, packed, and said to be there. */
#include "model/packing.h"

#include <sched.h>
#include <string.h>

/* TILE_BYTES: of the file, so that giving pages back and taking tiles costs little beside packing. PARTS: packing that
 * goes on between runs is done after so many of them. */
enum { TILE_BYTES = 256 * 1024, PARTS = 6 };

typedef struct {
    qn_binding b;
    bool waits;                         /* may be multiplied from the file meanwhile */
    int64_t first, tiles, per;          /* its tiles, and panels in each (a vector: one of one) */
    struct qn_unpacked unpacked;
} part;

struct qn_packing {
    const qn_source *s;
    char *arena;
    bool keep_pages;
    part *part;
    size_t n;
    int64_t tiles;
    _Atomic int64_t next, fetched;      /* tiles: the first that nobody was sent to, to pack it or to fetch its pages */
    _Atomic int64_t left;               /* how many are not packed */
    _Atomic uint8_t *taken;             /* [tiles] */
    _Atomic uint8_t *packed;            /* [panels] of all parts */
    char *gather;                       /* per worker: what qn_stored_rows fills; while the packing begins */
    size_t gather_bytes;
};

/* ---- one tile ---- */

static size_t part_of_tile(const qn_packing *p, int64_t tile) {
    size_t low = 0, high = p->n;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (p->part[middle].first <= tile)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void pack_panel(const qn_packing *p, const part *q, int64_t panel, char *room) {
    const qn_stored *st = &q->b.st;
    const int64_t n0 = panel * QN_PANEL, rows = QN_MIN(QN_PANEL, st->dim[0] - n0);
    qn_pack_args a = {.from = (qn_dtype)st->info->dtype, .to = q->b.to, .dst = p->arena + q->b.offset, .n0 = n0,
                      .rows = rows, .K = st->dim[1]};
    qn_panel_rows at;
    if (qn_stored_panel(st, panel, &at)) {
        a.src = at.first;
        qn_pack_panels_apart(&a, at.apart);
    } else {
        a.src = qn_stored_rows(st, n0, rows, room);
        qn_pack_panels(&a);
    }
}

static void unpack_vector(const qn_packing *p, const part *q, char *room) {
    const qn_stored *st = &q->b.st;
    const char *src = qn_stored_rows(st, 0, st->dim[0], room);
    qn_dtype_get((qn_dtype)st->info->dtype)->decode_row((float *)(p->arena + q->b.offset), src, st->dim[0]);
}

static qn_span panels_of_tile(const part *q, int64_t tile) {
    return qn_tile_span(q->b.st.rank == 2 ? qn_panels(q->b.st.dim[0]) : 1, q->per, tile - q->first);
}

/* Where the rows of some panels lie in the tensor. */
static qn_span bytes_of(const qn_stored *st, qn_span panels) {
    const int64_t bytes = (int64_t)qn_stored_row_bytes(st), end = QN_MIN(panels.end * QN_PANEL, st->dim[0]);
    return (qn_span){(st->first + panels.begin * QN_PANEL) * bytes, (st->first + end) * bytes};
}

/* The file's pages of what has been packed: of these panels, or of the whole tensor behind the last that shares it. Of
 * pages that neighbours share, those of the front: what is dropped too early is read again. */
static void drop_pages(const qn_packing *p, const part *q, qn_span panels, bool last) {
    const qn_stored *st = &q->b.st;
    const qn_tensor_file *f = qn_source_tensors(p->s);
    qn_panel_rows at;
    if (p->keep_pages)
        return;
    if (qn_stored_panel(st, 0, &at)) {
        const qn_span bytes = bytes_of(st, panels);
        qn_tensor_drop_part(f, st->info, (size_t)bytes.begin, (size_t)(bytes.end - bytes.begin));
    } else if (last && st->first + st->dim[0] == st->total) {
        qn_tensor_drop_pages(f, st->info);
    }
}

static void pack_tile(qn_packing *p, int64_t tile, char *room) {
    part *q = &p->part[part_of_tile(p, tile)];
    const bool matrix = q->b.st.rank == 2;
    const qn_span panels = panels_of_tile(q, tile);
    for (int64_t i = panels.begin; i < panels.end; i++) {
        if (matrix)
            pack_panel(p, q, i, room);
        else
            unpack_vector(p, q, room);
        atomic_store_explicit(&q->unpacked.packed[i], 1, memory_order_release);
    }
    const int64_t done = panels.end - panels.begin, before = atomic_fetch_sub(&q->unpacked.left, done);
    drop_pages(p, q, panels, before == done);
    atomic_fetch_sub(&p->left, 1);
}

int64_t qn_packing_tiles(const qn_packing *p) { return p->tiles; }

/* What needs room was packed when the packing began. */
void qn_packing_tile(qn_packing *p, int64_t tile) {
    if (!atomic_exchange(&p->taken[tile], 1))
        pack_tile(p, tile, NULL);
}

/* ---- many ---- */

typedef struct { qn_packing *p; int64_t first; } stretch;

static void stretch_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const stretch *s = arg;
    qn_packing_tile(s->p, s->first + tile);
}

static void pack_stretch(qn_packing *p, qn_pool *pool, int64_t first, int64_t n) {
    stretch s = {p, first};
    qn_parallel(pool, QN_MAX(QN_MIN(n, p->tiles - first), 0), stretch_tile, &s);
}

bool qn_model_settled(const qn_model *m) {
    return !m->packing || atomic_load_explicit(&m->packing->left, memory_order_acquire) == 0;
}

bool qn_model_runs_unpacked(const qn_model *m, const qn_kernels *k) {
    for (size_t i = 0; !qn_model_settled(m) && i < m->packing->n; i++)
        if (m->packing->part[i].waits && !k->stored[m->packing->part[i].b.to])
            return false;
    return true;
}

void qn_model_pack_on(const qn_model *m, qn_pool *pool) {
    if (qn_model_settled(m))
        return;
    const int64_t n = QN_MAX(m->packing->tiles / PARTS, qn_pool_threads(pool));
    pack_stretch(m->packing, pool, atomic_fetch_add(&m->packing->next, n), n);
}

bool qn_model_fetch_next(const qn_model *m) {
    if (qn_model_settled(m))
        return false;
    const int64_t tile = atomic_fetch_add(&m->packing->fetched, 1);
    if (tile >= m->packing->tiles)
        return false;
    const part *q = &m->packing->part[part_of_tile(m->packing, tile)];
    const qn_span bytes = bytes_of(&q->b.st, panels_of_tile(q, tile));
    if (q->waits)
        qn_tensor_fetch(qn_source_tensors(m->packing->s), q->b.st.info, (size_t)bytes.begin,
                        (size_t)(bytes.end - bytes.begin));
    return true;
}

bool qn_model_pack_next(const qn_model *m) {
    if (qn_model_settled(m))
        return false;
    const int64_t tile = atomic_fetch_add(&m->packing->next, 1);
    if (tile < m->packing->tiles)
        qn_packing_tile(m->packing, tile);
    return tile + 1 < m->packing->tiles;
}

void qn_model_settle(const qn_model *m, qn_pool *pool) {
    if (!qn_model_settled(m))
        pack_stretch(m->packing, pool, 0, m->packing->tiles);
    while (!qn_model_settled(m))                        /* another thread is at its last tiles */
        sched_yield();
}

static void urgent_tile(void *arg, int64_t tile, int worker) {
    qn_packing *p = arg;
    if (p->part[part_of_tile(p, tile)].waits)
        return;
    atomic_store(&p->taken[tile], 1);
    pack_tile(p, tile, p->gather + (size_t)worker * p->gather_bytes);
}

int qn_packing_begin(qn_packing *p, qn_pool *pool) {
    p->gather = qn_alloc(QN_MEM_SCRATCH, p->gather_bytes * (size_t)qn_pool_threads(pool));
    if (!p->gather)
        return QN_ENOMEM;
    qn_parallel(pool, p->tiles, urgent_tile, p);
    qn_free(p->gather);
    p->gather = NULL;
    return 0;
}

/* ---- life ---- */

/* The dtype stays, this machine multiplies it from storage, and the rows lie so that it can. */
static bool may_wait(const qn_binding *b, const qn_model_options *o) {
    const qn_kernels *k = qn_kernels_at(QN_ISA_LEVELS - 1);
    qn_panel_rows at;
    return o->behind && b->st.rank == 2 && (int)b->to == b->st.info->dtype && k->stored[b->to] &&
           qn_stored_panel(&b->st, 0, &at);
}

/* What qn_stored_rows may want to gather. */
static size_t room_bytes(const qn_binding *b) {
    return qn_round64((size_t)(b->st.rank == 2 ? QN_PANEL : b->st.dim[0]) * qn_stored_row_bytes(&b->st));
}

static void set_param(qn_model *m, const part *q) {
    const qn_stored *st = &q->b.st;
    const bool matrix = st->rank == 2;
    m->param[(st->layer + 1) * QN_PARAMS + st->p->id] = (qn_tensor){
        .dtype = q->b.to, .layout = matrix ? QN_LAYOUT_PANELS : QN_LAYOUT_ROWS, .rank = st->rank,
        .dim = {st->dim[0], matrix ? st->dim[1] : 0}, .stride = st->dim[1], .data = m->arena + q->b.offset,
        .unpacked = q->waits ? &q->unpacked : NULL};
}

/* Returns the panels, or 1 for a vector. */
static int64_t plan_part(qn_packing *p, part *q, const qn_binding *b, const qn_model_options *o) {
    const size_t row_bytes = qn_stored_row_bytes(&b->st);
    const int64_t panels = b->st.rank == 2 ? qn_panels(b->st.dim[0]) : 1;
    *q = (part){.b = *b, .waits = may_wait(b, o), .first = p->tiles,
                .per = QN_MAX(TILE_BYTES / (int64_t)(QN_PANEL * row_bytes), 1),
                .unpacked = {.rows = b->st.info->data + (size_t)b->st.first * row_bytes, .row_bytes = row_bytes,
                             .Dh = b->st.Dh, .rot = b->st.rot}};
    q->tiles = qn_tiles(panels, q->per);
    atomic_init(&q->unpacked.left, panels);
    p->tiles += q->tiles;
    p->gather_bytes = QN_MAX(p->gather_bytes, room_bytes(b));
    return panels;
}

int qn_packing_new(qn_packing **out, qn_model *m, const qn_source *s, const qn_binding *b, size_t n,
                   const qn_model_options *o) {
    int64_t panels = 0;
    *out = NULL;
    qn_packing *p = qn_zalloc(QN_MEM_MODEL, 1, sizeof *p);
    if (!p)
        return QN_ENOMEM;
    *p = (qn_packing){.s = s, .arena = m->arena, .keep_pages = o->keep_pages, .n = n};
    p->part = qn_alloc(QN_MEM_MODEL, n * sizeof *p->part);
    for (size_t i = 0; p->part && i < n; i++)
        panels += plan_part(p, &p->part[i], &b[i], o);
    p->taken = qn_zalloc(QN_MEM_MODEL, (size_t)p->tiles, sizeof *p->taken);
    p->packed = qn_zalloc(QN_MEM_MODEL, (size_t)panels, sizeof *p->packed);
    if (!p->part || !p->taken || !p->packed) {
        qn_packing_free(p);
        return QN_ENOMEM;
    }
    atomic_init(&p->left, p->tiles);
    _Atomic uint8_t *packed = p->packed;
    for (size_t i = 0; i < n; i++) {
        part *q = &p->part[i];
        q->unpacked.packed = packed;
        packed += atomic_load(&q->unpacked.left);
        set_param(m, q);
    }
    *out = p;
    return 0;
}

void qn_packing_free(qn_packing *p) {
    if (!p)
        return;
    qn_free(p->part);
    qn_free((void *)p->taken);
    qn_free((void *)p->packed);
    qn_free(p);
}
