/* tests/unit/test_branches.c — pieces of a row that begin alike, of which the engine computes the beginning once: their
 * losses have the bits that each text has alone, gradients are those of the texts one by one. */
#include "make_training.h"

enum { CONTEXT = 880, PIECES = 6 };
static const char *const families[] = {"llama", "gpt2"};
static const int computes[] = {QN_F32, QN_BF16};

/* Each text begins with `alike` tokens of an earlier one: inside a page, over pages and chunks of keys, with those of a
 * branch, with too few to be worth it, and as the whole of one. */
static const struct { int64_t n, like, alike; } text[PIECES] = {
    {300, 0, 0}, {90, 0, 40}, {280, 0, 270}, {75, 1, 70}, {30, 0, 10}, {75, 3, 75},
};

typedef struct { int32_t ids[CONTEXT], targets[CONTEXT]; qn_piece piece[PIECES]; qn_row_data row; } hand_row;

static void fill_row(hand_row *h) {
    h->row = (qn_row_data){.ids = h->ids, .targets = h->targets, .piece = h->piece, .pieces = PIECES};
    for (int i = 0; i < PIECES; i++) {
        h->piece[i] = (qn_piece){h->row.n, text[i].n};
        for (int64_t k = 0; k < text[i].n; k++) {
            const uint64_t draw = qn_rng_u64(3, QN_RNG_TEST, (uint64_t)i, (uint64_t)k);
            const int64_t t = h->row.n + k;
            h->ids[t] = k < text[i].alike ? h->ids[h->piece[text[i].like].start + k] : (int32_t)(2 + draw % 256);
            h->targets[t] = k % 11 == 4 ? -1 : (int32_t)(2 + draw / 256 % 256);
        }
        h->row.n += text[i].n;
    }
}

/* Piece i by itself; `one` is its only one. */
static qn_row_data alone(const hand_row *h, int64_t i, qn_piece *one) {
    const int64_t from = h->piece[i].start;
    *one = (qn_piece){0, h->piece[i].n};
    return (qn_row_data){.ids = (int32_t *)(uintptr_t)h->ids + from, .targets = (int32_t *)(uintptr_t)h->targets + from,
                         .piece = one, .n = one->n, .pieces = 1};
}

static made some_model(const char *arch, int compute, int threads) {
    make_options o = MAKE;
    o.arch = arch;
    o.compute = compute;
    o.threads = threads;
    o.context = CONTEXT;
    return make(&o);
}

static qn_engine *engine_of(const made *r, double dropout) {
    qn_engine *e;
    const qn_engine_options o = {.context = CONTEXT, .rows = 2, .max_pieces = PIECES, .gradients = true,
                                 .recompute = QN_RECOMPUTE_CHEAP, .dropout = dropout};
    CHECK_OK(qn_engine_new(&e, r->p, r->k, r->pool, &o));
    qn_engine_clear(e);
    return e;
}

static double distance(const float *a, const float *b, size_t n) {
    double off = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)a[i] * (double)a[i];
    }
    return sqrt(off / norm);
}

static void same_losses(const made *r, const hand_row *h, const char *what) {
    qn_engine *e = engine_of(r, 0), *apart = engine_of(r, 0);
    int64_t at = 0;
    qn_engine_run(e, &h->row, 1, 1, false);
    const qn_engine_losses all = qn_engine_losses_get(e);
    for (int64_t i = 0; i < PIECES; i++) {
        qn_piece one;
        const qn_row_data row = alone(h, i, &one);
        qn_engine_run(apart, &row, 1, 1, false);
        const qn_engine_losses l = qn_engine_losses_get(apart);
        CHECK(at + l.n <= all.n && memcmp(l.loss, all.loss + at, (size_t)l.n * sizeof *l.loss) == 0, "%s: text %d",
              what, (int)i);
        CHECK(memcmp(l.target, all.target + at, (size_t)l.n * sizeof *l.target) == 0, "%s: text %d", what, (int)i);
        at += l.n;
    }
    CHECK_INT(at, all.n);
    qn_engine_free(e);
    qn_engine_free(apart);
}

static void same_gradients(const made *r, const hand_row *h, double tolerance, const char *what) {
    qn_engine *e = engine_of(r, 0), *halves = engine_of(r, 0), *apart = engine_of(r, 0);
    double sum = 0;
    const double whole = qn_engine_run(e, &h->row, 1, 1.0 / 512, true);
    const int64_t flops = qn_engine_info_get(e).flops;
    int64_t flops_apart = 0;
    qn_engine_forward(halves, &h->row, 1, true);
    for (int64_t i = 0; i < PIECES; i++) {
        qn_piece one;
        const qn_row_data row = alone(h, i, &one);
        const double loss = qn_engine_run(apart, &row, 1, 1.0 / 512, true);
        CHECK_NEAR(qn_engine_pieces_get(halves).piece[i].logp, -512 * loss, 1e-6 * 512 * loss, "%s: text %d", what,
                   (int)i);
        qn_engine_weigh(halves, i, 1.0 / 512);
        flops_apart += qn_engine_info_get(apart).flops;
        sum += loss;
    }
    qn_engine_backward(halves);
    CHECK_NEAR(whole, sum, 1e-6 * sum, "%s", what);
    CHECK_NEAR(distance(qn_engine_grad(apart), qn_engine_grad(e), r->p->numbers), 0, tolerance, "%s", what);
    CHECK(memcmp(qn_engine_grad(e), qn_engine_grad(halves), r->p->numbers * sizeof(float)) == 0, "%s", what);
    CHECK(flops < flops_apart * 3 / 4, "%s: %.3g of %.3g operations", what, (double)flops, (double)flops_apart);
    qn_engine_free(e);
    qn_engine_free(halves);
    qn_engine_free(apart);
}

TEST(what_is_alike_is_computed_once_to_the_same_bits) {
    static hand_row h;
    fill_row(&h);
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++) {
            char what[64];
            made r = some_model(families[f], computes[c], 1);
            snprintf(what, sizeof what, "%s, compute %s", families[f], qn_dtype_get((qn_dtype)computes[c])->name);
            same_losses(&r, &h, what);
            same_gradients(&r, &h, computes[c] == QN_F32 ? 1e-5 : 1e-2, what);
            made_drop(&r);
        }
}

/* Both ways of attention's backward: one row is one tree, two rows are two. */
TEST(threads_change_no_bit_of_branches) {
    static hand_row h;
    float *want = NULL;
    fill_row(&h);
    const qn_row_data twice[] = {h.row, h.row};
    for (int threads = 1; threads <= 3; threads++) {
        made r = some_model("gpt2", QN_F32, threads);
        qn_engine *e = engine_of(&r, 0), *one = engine_of(&r, 0);
        const size_t n = r.p->numbers;
        qn_engine_run(e, twice, 2, 1.0 / 512, true);
        if (!want)
            want = memcpy(qn_alloc(QN_MEM_TEST, n * sizeof *want), qn_engine_grad(e), n * sizeof *want);
        CHECK(memcmp(want, qn_engine_grad(e), n * sizeof *want) == 0, "%d threads", threads);
        for (int i = 0; i < 2; i++)
            qn_engine_run(one, &h.row, 1, 1.0 / 512, true);
        CHECK_NEAR(distance(want, qn_engine_grad(one), n), 0, 1e-6, "row by row");
        qn_engine_free(e);
        qn_engine_free(one);
        made_drop(&r);
    }
    qn_free(want);
}

/* What a text drops is its own: then nothing is shared. */
TEST(what_drops_is_computed_whole) {
    static hand_row h;
    int64_t apart = 0;
    fill_row(&h);
    made r = some_model("llama", QN_F32, 1);
    qn_engine *e = engine_of(&r, 0.1);
    qn_engine_run(e, &h.row, 1, 1, true);
    const int64_t whole = qn_engine_info_get(e).flops;
    for (int64_t i = 0; i < PIECES; i++) {
        qn_piece one;
        const qn_row_data row = alone(&h, i, &one);
        qn_engine_run(e, &row, 1, 1, true);
        apart += qn_engine_info_get(e).flops;
    }
    CHECK_INT(whole, apart);
    qn_engine_free(e);
    made_drop(&r);
}
