/* kernels/bench_rows.c — attention and row kernels, timed one call at a time; the best of many short runs counts: the
 * machine may have other work.
 *
 * Rows work in cache, as they do inside a model. Attention is shown three ways: a prefill tile over keys that are in
 * L2, one decoded token whose keys are in L2, and one whose keys come from memory: a walk over more keys than the
 * caches hold. */
#include "kernels/bench_rows.h"

#include <stdio.h>

#include "kernels/bench_kernels.h"

enum { ROWS_N = 49152, OPERANDS = 4, KV_BYTES = 64 << 20, TILE_ROWS = 96, MAX_DH = 128 };

typedef struct {
    const qn_bench_rows_options *o;
    const qn_kernels *k;
    float *x[OPERANDS];              /* ROWS_N each */
    char *kv;                        /* KV_BYTES of blocks, filled when the first is asked for */
    bool filled;
    void *q;                         /* [TILE_ROWS][MAX_DH] */
    float *state;                    /* M, L, O of a tile, then the scratch of attention */
    volatile double sink;
    /* attention under test */
    qn_dtype t;
    int64_t rows, Dh, chunks, chunk;
} bench;

typedef struct {
    const char *family, *shape;
    int64_t n;
    int variant;
    double operands;                 /* floats read and written per element */
    void (*run)(bench *b, int64_t n, int variant);
} row_case;

static void run_rmsnorm(bench *b, int64_t n, QN_UNUSED int variant) {
    b->sink = b->k->rmsnorm(b->x[0], b->x[1], b->x[2], n, 1e-5);
}
static void run_rmsnorm_grad(bench *b, int64_t n, QN_UNUSED int variant) {
    b->k->rmsnorm_grad(b->x[0], b->x[3], b->x[1], b->x[1], b->x[2], 1e-3, n);
}
static void run_layernorm(bench *b, int64_t n, QN_UNUSED int variant) {
    float stat[2];
    b->k->layernorm(b->x[0], b->x[1], b->x[2], b->x[3], n, 1e-5, stat);
}
static void run_softmax(bench *b, int64_t n, QN_UNUSED int variant) { b->k->softmax(b->x[0], b->x[1], n); }
static void run_logsumexp(bench *b, int64_t n, QN_UNUSED int variant) { b->sink = b->k->logsumexp(b->x[1], n); }
static void run_argmax(bench *b, int64_t n, QN_UNUSED int variant) { b->sink = (double)b->k->argmax(b->x[1], n); }
static void run_act(bench *b, int64_t n, int variant) { b->k->act(b->x[0], b->x[1], n, (qn_act)variant); }
static void run_glu(bench *b, int64_t n, int variant) { b->k->glu(b->x[0], b->x[1], b->x[2], n, (qn_act)variant); }
static void run_add(bench *b, int64_t n, QN_UNUSED int variant) { b->k->add(b->x[0], b->x[1], b->x[2], n); }
static void run_scale(bench *b, int64_t n, QN_UNUSED int variant) { b->k->scale(b->x[0], b->x[1], 0.5, n); }
static void run_rope(bench *b, int64_t n, QN_UNUSED int variant) {
    b->k->rope(b->x[0], b->x[1], b->x[2], n / 64, 64, 64);
}

static void run_adamw(bench *b, int64_t n, QN_UNUSED int variant) {
    const qn_adamw_args a = {.scale = 1, .beta1 = 0.9, .beta2 = 0.95, .keep = 1, .step = 1e-3, .inverse = 1, .eps = 1};
    b->k->adamw(b->x[0], b->x[3], b->x[2], b->x[1], n, &a);
}
static void run_sum_squares(bench *b, int64_t n, QN_UNUSED int variant) { b->sink = b->k->sum_squares(b->x[1], n); }

/* The widths of a 135M model: 576 wide, 1536 in the feed-forward, 9 heads of 64, 49152 tokens. */
static const row_case row_cases[] = {
    {"rmsnorm", "576 floats", 576, 0, 3, run_rmsnorm},
    {"rmsnorm", "4096 floats", 4096, 0, 3, run_rmsnorm},
    {"rmsnorm_grad", "576 floats", 576, 0, 7, run_rmsnorm_grad},
    {"layernorm", "768 floats", 768, 0, 4, run_layernorm},
    {"softmax", "49152 floats", 49152, 0, 2, run_softmax},
    {"logsumexp", "49152 floats", 49152, 0, 1, run_logsumexp},
    {"argmax", "49152 floats", 49152, 0, 1, run_argmax},
    {"act", "ReLU, 1536 floats", 1536, QN_ACT_RELU, 2, run_act},
    {"act", "SiLU, 1536 floats", 1536, QN_ACT_SILU, 2, run_act},
    {"act", "GELU, 1536 floats", 1536, QN_ACT_GELU, 2, run_act},
    {"act", "GELU tanh, 1536 floats", 1536, QN_ACT_GELU_TANH, 2, run_act},
    {"act", "tanh, 1536 floats", 1536, QN_ACT_TANH, 2, run_act},
    {"act", "sigmoid, 1536 floats", 1536, QN_ACT_SIGMOID, 2, run_act},
    {"glu", "SiLU, 1536 floats", 1536, QN_ACT_SILU, 3, run_glu},
    {"add", "576 floats", 576, 0, 3, run_add},
    {"scale", "576 floats", 576, 0, 2, run_scale},
    {"rope", "9 heads of 64", 576, 0, 2, run_rope},
    {"adamw", "32 rows of 576", 32 * 576, 0, 7, run_adamw},
    {"sum_squares", "32 rows of 576", 32 * 576, 0, 1, run_sum_squares},
};

/* ---- attention ---- */

static void run_attention(bench *b, QN_UNUSED int64_t n, QN_UNUSED int variant) {
    int32_t lo[TILE_ROWS], hi[TILE_ROWS];
    bool merge[TILE_ROWS];
    const size_t block = qn_kv_block_bytes(b->t, b->Dh);
    char *chunk = b->kv + (size_t)b->chunk * 2 * QN_CHUNK_BLOCKS * block;
    float *M = b->state, *L = M + TILE_ROWS, *O = L + TILE_ROWS;
    qn_attn_args a = {.q = b->q, .ldq = (size_t)b->Dh * (b->t == QN_BF16 ? 2 : 4), .lo = lo, .hi = hi,
                      .M = M, .L = L, .O = O, .merge = merge, .scratch = O + TILE_ROWS * MAX_DH,
                      .rows = b->rows, .Dh = b->Dh, .scale = 0.125f};
    for (int64_t r = 0; r < b->rows; r++) {
        lo[r] = 0;
        hi[r] = QN_KEY_CHUNK;
        merge[r] = true;
    }
    for (int i = 0; i < QN_CHUNK_BLOCKS; i++) {
        a.k[i] = chunk + (size_t)i * block;
        a.v[i] = chunk + (size_t)(QN_CHUNK_BLOCKS + i) * block;
    }
    b->k->attn[b->t](&a);
    b->chunk = (b->chunk + 1) % b->chunks;
}

/* ---- the clock ---- */

/* Runs are grouped so that one timing takes 20 µs at least. */
static double best_of(bench *b, void (*run)(bench *, int64_t, int), int64_t n, int variant, int64_t least) {
    const double budget = b->o->seconds > 0 ? b->o->seconds : 0.02, end = qn_now() + budget;
    double best = 1e30;
    int64_t calls = least;
    for (int64_t runs = 0; runs < 3 || qn_now() < end; runs++) {
        const double begin = qn_now();
        for (int64_t i = 0; i < calls; i++)
            run(b, n, variant);
        const double seconds = qn_now() - begin;
        best = QN_MIN(best, seconds / (double)calls);
        if (seconds < 20e-6)
            calls *= 2;
    }
    return best;
}

bool qn_bench_row_wanted(const qn_bench_rows_options *o, const char *family, qn_isa isa, const char *shape) {
    char text[200];
    snprintf(text, sizeof text, "%s %s %s", family, qn_isa_name(isa), shape);
    return qn_bench_wanted(o->filter, text);
}

/* What F32 blocks hold is read as halves too: any bits do, as long as none is NaN or denormal. */
static void fill_kv(bench *b) {
    uint16_t *halves = (uint16_t *)(void *)b->kv;
    for (int64_t j = 0; !b->filled && j < KV_BYTES / 2; j++)
        halves[j] = (uint16_t)(0x3a00u + (uint32_t)(j * 40503 % 0x300) + (j % 3 ? 0x8000u : 0));
    b->filled = true;
}

static int attention_figure(bench *b, const char *family, const char *shape, qn_dtype t, int64_t rows, bool cold) {
    const double bytes = 2 * QN_CHUNK_BLOCKS * (double)qn_kv_block_bytes(t, 64);
    if (!qn_bench_row_wanted(b->o, family, b->k->isa, shape))
        return 0;
    fill_kv(b);
    b->t = t;
    b->rows = rows;
    b->Dh = 64;
    b->chunk = 0;
    b->chunks = cold ? (int64_t)(KV_BYTES / bytes) : 4;
    qn_bench_row f = {.family = family, .shape = shape, .isa = b->k->isa, .elements = (double)(rows * b->Dh)};
    f.seconds = best_of(b, run_attention, 0, 0, b->chunks);
    f.gops = 4 * (double)(rows * QN_KEY_CHUNK * b->Dh) / f.seconds * 1e-9;
    f.gbytes = bytes / f.seconds * 1e-9;
    return b->o->figure(b->o->arg, &f);
}

static int level_run(bench *b) {
    static const struct { const char *family; qn_dtype t; } kv[] = {
        {"attn_f32", QN_F32}, {"attn_f16", QN_F16}, {"attn_bf16", QN_BF16}, {"attn_q8_0", QN_Q8_0}};
    for (size_t i = 0; i < QN_LEN(row_cases); i++) {
        const row_case *c = &row_cases[i];
        qn_bench_row f = {.family = c->family, .shape = c->shape, .isa = b->k->isa, .elements = (double)c->n};
        if (!qn_bench_row_wanted(b->o, f.family, f.isa, f.shape))
            continue;
        f.seconds = best_of(b, c->run, c->n, c->variant, 1);
        f.gbytes = (double)c->n * c->operands * sizeof(float) / f.seconds * 1e-9;
        QN_TRY(b->o->figure(b->o->arg, &f));
    }
    for (size_t i = 0; i < QN_LEN(kv); i++) {
        QN_TRY(attention_figure(b, kv[i].family, "96 rows x 256 keys, head of 64", kv[i].t, TILE_ROWS, false));
        QN_TRY(attention_figure(b, kv[i].family, "3 rows, keys in L2, head of 64", kv[i].t, 3, false));
        QN_TRY(attention_figure(b, kv[i].family, "3 rows, keys in memory, head of 64", kv[i].t, 3, true));
    }
    return 0;
}

/* Numbers of ordinary size. */
static void fill(bench *b) {
    for (int i = 0; i < OPERANDS; i++)
        for (int64_t j = 0; j < ROWS_N; j++)
            b->x[i][j] = qn_fill_value((uint32_t)i, (uint64_t)j, 2.0f);
    uint16_t *q = b->q;
    for (int64_t j = 0; j < TILE_ROWS * MAX_DH * 2; j++)
        q[j] = (uint16_t)(0x3c00u + (uint32_t)(j * 40503 % 0x300) + (j % 2 ? 0x8000u : 0));
}

int qn_bench_rows(const qn_bench_rows_options *o) {
    const size_t state = (size_t)TILE_ROWS * (MAX_DH + 2) + qn_attn_scratch(TILE_ROWS, MAX_DH);
    const qn_isa cap = qn_kernels_at(o->cap)->isa;
    bench b = {.o = o};
    int rc = 0;
    b.x[0] = qn_zalloc(QN_MEM_SCRATCH, (size_t)OPERANDS * ROWS_N, sizeof(float));
    b.q = qn_zalloc(QN_MEM_SCRATCH, (size_t)TILE_ROWS * MAX_DH, sizeof(float));
    b.state = qn_zalloc(QN_MEM_SCRATCH, state, sizeof(float));
    b.kv = qn_arena_map(QN_MEM_SCRATCH, KV_BYTES);
    if (!b.x[0] || !b.q || !b.state || !b.kv) {
        rc = QN_ENOMEM;
        goto out;
    }
    for (int i = 1; i < OPERANDS; i++)
        b.x[i] = b.x[0] + (size_t)i * ROWS_N;
    fill(&b);
    for (int level = o->all_levels ? 0 : (int)cap; level <= (int)cap; level++) {
        b.k = qn_kernels_at((qn_isa)level);
        if (qn_isa_has((qn_isa)level))
            QN_TRY_OUT(level_run(&b));
    }
    QN_TRY_OUT(qn_bench_grads(o));
out:
    qn_free(b.x[0]);
    qn_free(b.q);
    qn_free(b.state);
    if (b.kv)
        qn_arena_unmap(QN_MEM_SCRATCH, b.kv, KV_BYTES);
    return rc;
}
