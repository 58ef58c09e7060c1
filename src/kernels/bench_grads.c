/* kernels/bench_grads.c — gradients of attention, timed as bench_rows.c times: the best of many. */
#include "kernels/bench_rows.h"

enum { TILE_ROWS = 96, DH = 64 };

typedef struct {
    const qn_bench_rows_options *o;
    const qn_kernels *k;
    float *rows, *keys, *scratch;    /* q, dO, dq [TILE_ROWS,DH], lse, D; blocks, dk, dv [256,DH] */
} bench;

/* Keys and values as blocks of t. */
static void store(bench *b, qn_dtype t) {
    const size_t block = qn_kv_block_bytes(t, DH);
    float x[DH];
    for (int64_t i = 0; i < DH; i++)
        x[i] = qn_fill_value(32, (uint64_t)i, 0.01f);
    for (int64_t j = 0; j < QN_KEY_CHUNK; j++) {
        char *k = (char *)b->keys + (size_t)(j / QN_KEY_BLOCK) * block;
        b->k->kv_store_k(k, t, j % QN_KEY_BLOCK, x, DH);
        b->k->kv_store_v(k + QN_CHUNK_BLOCKS * block, t, j % QN_KEY_BLOCK, x, DH);
    }
}

static void attention(bench *b, qn_dtype t, bool gathered) {
    int32_t lo[TILE_ROWS], hi[TILE_ROWS];
    const size_t block = qn_kv_block_bytes(t, DH);
    float *q = b->rows, *lse = q + 3 * TILE_ROWS * DH, *dk = b->keys + 2 * QN_KEY_CHUNK * DH;
    qn_attn_grad_args a = {.q = q, .dO = q + TILE_ROWS * DH, .ldq = DH, .lddo = DH, .t = t, .gathered = gathered,
                           .lo = lo, .hi = hi, .lse = lse, .D = lse + TILE_ROWS, .dq = q + 2 * TILE_ROWS * DH,
                           .lddq = DH, .dk = dk, .dv = dk + QN_KEY_CHUNK * DH, .scratch = b->scratch,
                           .rows = TILE_ROWS, .Dh = DH, .scale = 0.125f};
    for (int r = 0; r < TILE_ROWS; r++) {
        lo[r] = 0;
        hi[r] = QN_KEY_CHUNK;
        lse[r] = 6;
    }
    for (int i = 0; i < QN_CHUNK_BLOCKS; i++) {
        a.k[i] = (char *)b->keys + (size_t)i * block;
        a.v[i] = (char *)b->keys + (size_t)(QN_CHUNK_BLOCKS + i) * block;
    }
    b->k->attn_grad(&a);
}

static double best_of(bench *b, qn_dtype t, bool again) {
    const double budget = b->o->seconds > 0 ? b->o->seconds : 0.02, end = qn_now() + budget;
    double best = 1e30;
    for (int64_t runs = 0; runs < 2 || qn_now() < end; runs++) {
        const double begin = qn_now();
        attention(b, t, again);
        best = QN_MIN(best, qn_now() - begin);
    }
    return best;
}

static const struct { const char *family, *shape; qn_dtype t; bool again; } figures[] = {
    {"attn_grad_f32", "96 rows x 256 keys, head of 64", QN_F32, false},
    {"attn_grad_f32", "the same, keys gathered before", QN_F32, true},
    {"attn_grad_bf16", "96 rows x 256 keys, head of 64", QN_BF16, false},
    {"attn_grad_bf16", "the same, keys gathered before", QN_BF16, true},
};

static int level_run(bench *b) {
    for (size_t i = 0; i < QN_LEN(figures); i++) {
        qn_bench_row f = {.family = figures[i].family, .shape = figures[i].shape, .isa = b->k->isa,
                          .elements = TILE_ROWS * DH};
        if (!qn_bench_row_wanted(b->o, f.family, f.isa, f.shape))
            continue;
        store(b, figures[i].t);
        f.seconds = best_of(b, figures[i].t, figures[i].again);
        f.gops = 10.0 * TILE_ROWS * QN_KEY_CHUNK * DH / f.seconds * 1e-9;
        f.gbytes = (4.0 * (QN_KEY_CHUNK + TILE_ROWS) * DH * sizeof(float) +      /* what is added to, twice */
                    2.0 * (double)(QN_CHUNK_BLOCKS * qn_kv_block_bytes(figures[i].t, DH))) / f.seconds * 1e-9;
        QN_TRY(b->o->figure(b->o->arg, &f));
    }
    return 0;
}

int qn_bench_grads(const qn_bench_rows_options *o) {
    const size_t sizes[] = {TILE_ROWS * (3 * DH + 2), 4 * QN_KEY_CHUNK * DH, qn_attn_grad_scratch(DH)};
    bench b = {.o = o};
    float **const parts[] = {&b.rows, &b.keys, &b.scratch};
    const qn_isa cap = qn_kernels_at(o->cap)->isa;
    size_t all = 0;
    int rc = 0;
    for (size_t i = 0; i < QN_LEN(sizes); i++)
        all += sizes[i];
    float *room = qn_alloc(QN_MEM_SCRATCH, all * sizeof *room), *at = room;
    if (!room)
        return QN_ENOMEM;
    for (size_t i = 0; i < all; i++)
        room[i] = qn_fill_value(31, i, 0.01f);
    for (size_t i = 0; i < QN_LEN(sizes); at += sizes[i++])
        *parts[i] = at;
    for (int level = o->all_levels ? 0 : (int)cap; level <= (int)cap; level++) {
        b.k = qn_kernels_at((qn_isa)level);
        if (qn_isa_has((qn_isa)level))
            QN_TRY_OUT(level_run(&b));
    }
out:
    qn_free(room);
    return rc;
}
