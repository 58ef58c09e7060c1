/* ops/bench_products.c — gradients of products, timed as operations on one thread: the best of some runs. */
#include "ops/bench_products.h"

#include <stdio.h>

#include "ops/ops.h"

static const struct { const char *model; int64_t T, N, K; } shapes[] = {
    {"GPT-2", 1024, 768, 768},        {"GPT-2", 1024, 3072, 768},       {"GPT-2", 1024, 768, 3072},
    {"15 M Llama", 2048, 288, 288},   {"15 M Llama", 2048, 768, 288},   {"0.9 M Llama", 4096, 352, 128},
};
static const struct { const char *model; int64_t T, N, K; } heads[] = {
    {"GPT-2, a part of V", 1024, 4096, 768},
    {"15 M Llama, a part of V", 2048, 4096, 288},
    {"0.9 M Llama", 4096, 512, 128},
};
static const qn_dtype weights[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1, QN_Q5_0, QN_Q4_K, QN_Q6_K};

enum { DX = 1, DW = 2 };                /* bits of the inputs whose gradients are wanted */

typedef struct {
    const qn_bench_rows_options *o;
    const qn_kernels *k;
    const qn_op *op;
    qn_op_ctx c;
    qn_tensor din[4], dout;
    char *room, *scratch;
} bench;

static char *take(char **at, size_t bytes) {
    char *p = *at;
    *at += qn_round64(bytes);
    return p;
}

static qn_tensor real_rows(int64_t n, int64_t wide, void *data) {
    return (qn_tensor){.dtype = QN_F32, .rank = wide > 1 ? 2 : 1, .dim = {n, wide}, .stride = wide, .data = data};
}

/* Small numbers of both signs in a mapping of zeros. */
static float *fill(char *p, int64_t n) {
    float *x = (float *)(void *)p;
    for (int64_t i = 0; i < n; i++)
        x[i] = qn_fill_value(31, (uint64_t)i, 0.01f);
    return x;
}

static void bind_x(bench *b, qn_dtype t, int64_t T, int64_t K, char **at) {
    const qn_act_form form = qn_act_form_of(t);
    const size_t row = qn_act_row_bytes(form, K);
    float *x = fill(take(at, (size_t)(T * K) * sizeof(float)), T * K);
    b->c.in[0] = real_rows(T, K, x);
    if (!b->k->act_pack[form])
        return;
    char *acts = take(at, (size_t)T * row);
    for (int64_t r = 0; r < T; r++)
        b->k->act_pack[form](acts + (size_t)r * row, x + r * K, K);
    b->c.in[0].dtype = form == QN_ACT_BF16 ? QN_BF16 : QN_Q8_0;
    b->c.in[0].layout = QN_LAYOUT_ACTS;
    b->c.in[0].data = acts;
}

static void bind_w(bench *b, qn_dtype t, int64_t N, int64_t K, char **at) {
    float *w = fill(take(at, (size_t)(N * K) * sizeof(float)), N * K);      /* then the place of its gradient */
    char *panels = take(at, (size_t)qn_panels(N) * qn_panel_bytes(t, K));
    const bool coded = !qn_dtype_get(t)->encode_row;                        /* such blocks cannot be made of floats */
    if (coded)
        qn_fill_row(t, w, N * K, 31, 0, 0.01f);
    qn_pack_panels(&(qn_pack_args){coded ? t : QN_F32, t, w, panels, 0, N, K});
    b->c.in[1] = (qn_tensor){.dtype = t, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {N, K}, .stride = K,
                             .data = panels};
    b->din[1] = real_rows(N, K, w);
}

/* What backward reads and leaves: targets, weights of rows and gradients of losses one; the losses. */
static void bind_loss(bench *b, int64_t T, int64_t V, char **at) {
    int32_t *target = (int32_t *)(void *)take(at, (size_t)T * sizeof *target);
    float *ones = (float *)(void *)take(at, (size_t)T * sizeof *ones);
    for (int64_t t = 0; t < T; t++) {
        target[t] = (int32_t)(t * 7 % V);
        ones[t] = 1;
    }
    b->c.in[2] = (qn_tensor){.dtype = QN_I32, .rank = 1, .dim = {T}, .stride = 1, .data = target};
    b->c.in[3] = b->dout = real_rows(T, 1, ones);
    b->c.out[0] = real_rows(T, 1, (float *)(void *)take(at, (size_t)T * sizeof(float)));
}

static size_t bind(bench *b, const qn_op *op, qn_dtype t, int64_t T, int64_t N, int64_t K, int wants) {
    static const qn_linear_attr plain = {1, 0};
    static const qn_xent_attr head = {0};
    char *at = b->room;
    b->op = op;
    b->c = (qn_op_ctx){.k = b->k, .attr = &plain, .n_in = 2, .n_out = 1, .din = b->din, .dout = &b->dout};
    if (op == &qn_op_xent)
        b->c.attr = &head;
    memset(b->din, 0, sizeof b->din);
    bind_x(b, t, T, K, &at);
    bind_w(b, t, N, K, &at);
    b->din[0] = real_rows(T, K, take(&at, (size_t)(T * K) * sizeof(float)));
    for (int i = 0; i < 2; i++)
        if (!(wants >> i & 1))
            b->din[i].data = NULL;
    if (op == &qn_op_xent)
        bind_loss(b, T, N, &at);
    else
        b->dout = real_rows(T, N, fill(take(&at, (size_t)(T * N) * sizeof(float)), T * N));
    b->c.partials = take(&at, op->partials(&b->c, true));
    b->scratch = take(&at, op->scratch(&b->c, true));
    return (size_t)(at - b->room);
}

static void run_backward(bench *b) {
    const int64_t rounds = b->op->rounds ? b->op->rounds(&b->c) : 1;
    for (b->c.round = 0; b->c.round < rounds; b->c.round++)
        for (int p = 0; p < QN_OP_PHASES && b->op->backward[p].run; p++)
            for (int64_t i = 0; i < b->op->backward[p].tiles(&b->c); i++)
                b->op->backward[p].run(&b->c, i, b->scratch);
}

static double best_of(bench *b) {
    const double end = qn_now() + (b->o->seconds > 0 ? b->o->seconds : 0.05);
    double best = 1e30;
    for (int runs = 0; runs < 2 || qn_now() < end; runs++) {
        const double begin = qn_now();
        run_backward(b);
        best = QN_MIN(best, qn_now() - begin);
    }
    return best;
}

/* Room for the largest of all: of a head, of a wide product in F32. */
enum { ROOM_BYTES = 96 << 20 };

static int figure(bench *b, const qn_op *op, qn_dtype t, const char *model, int64_t T, int64_t N, int64_t K,
                  int wants) {
    static const char *const names[] = {"", "linear_dx", "linear_dw", "linear_grad"};
    char family[32], shape[96];
    const int products = op == &qn_op_xent ? 3 : wants == (DX | DW) ? 2 : 1;
    snprintf(family, sizeof family, "%s_%s", op == &qn_op_xent ? "xent_grad" : names[wants], qn_dtype_get(t)->name);
    snprintf(shape, sizeof shape, "%lld rows, %lld x %lld, %s", (long long)T, (long long)N, (long long)K, model);
    if (!qn_bench_row_wanted(b->o, family, b->k->isa, shape))
        return 0;
    const size_t used = bind(b, op, t, T, N, K, wants);
    qn_assert(used <= ROOM_BYTES);
    qn_bench_row f = {.family = family, .shape = shape, .isa = b->k->isa,
                      .elements = (double)(wants & DW ? N : T) * (double)K};
    f.seconds = best_of(b);
    f.gops = products * 2e-9 * (double)T * (double)N * (double)K / f.seconds;
    f.gbytes = 1e-9 * (double)qn_panels(N) * (double)qn_panel_bytes(t, K) / f.seconds;
    return b->o->figure(b->o->arg, &f);
}

/* Quantized weights have no gradient themselves, and show themselves on one shape. */
static int level_run(bench *b) {
    for (size_t w = 0; w < QN_LEN(weights); w++) {
        const qn_dtype t = weights[w];
        const bool plain = t == QN_F32 || t == QN_BF16;
        for (size_t s = 0; s < (plain ? QN_LEN(shapes) : 1); s++)
            for (int wants = DX; wants <= (plain ? DX | DW : DX); wants++)
                QN_TRY(figure(b, &qn_op_linear, t, shapes[s].model, shapes[s].T, shapes[s].N, shapes[s].K, wants));
        for (size_t s = 0; s < (plain ? QN_LEN(heads) : 0); s++)
            QN_TRY(figure(b, &qn_op_xent, t, heads[s].model, heads[s].T, heads[s].N, heads[s].K, DX | DW));
    }
    return 0;
}

int qn_bench_products(const qn_bench_rows_options *o) {
    const int cap = (int)qn_kernels_at(o->cap)->isa;
    bench b = {.o = o, .room = qn_arena_map(QN_MEM_SCRATCH, ROOM_BYTES)};
    int rc = 0;
    if (!b.room)
        return QN_ENOMEM;
    for (int level = o->all_levels ? 0 : cap; level <= cap; level++) {
        b.k = qn_kernels_at((qn_isa)level);
        if (qn_isa_has((qn_isa)level))
            QN_TRY_OUT(level_run(&b));
    }
out:
    qn_arena_unmap(QN_MEM_SCRATCH, b.room, ROOM_BYTES);
    return rc;
}
