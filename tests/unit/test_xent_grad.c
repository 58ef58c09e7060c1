/* tests/unit/test_xent_grad.c — gradients of head and cross entropy in every stored dtype, at every level, against
 * double; rows that are not supervised cost nothing and change nothing. Gradients in float and double are walked in
 * test_ops.c. */
#include "test.h"

#include "num/math.h"
#include "ops/ops.h"

/* Three blocks of rows of which two thirds have a slope; groups of two slices, an odd last panel. */
enum { T = 600, V = 1100, K = 64, ODD_K = 33 };

typedef struct {
    qn_dtype t;
    int64_t K;
    const qn_kernels *k;
    qn_xent_attr attr;                  /* half: dx through quantized blocks is a product of BF16 */
    qn_op_ctx c;
    qn_tensor dout, din[4];
    char *panels, *acts;
    float *w, *x, *dx, *dw;
    float weight[T], loss[T], dloss[T];
    int32_t target[T];
} head;

static float *reals(int64_t n, uint32_t salt, float scale) {
    float *p = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *p);
    CHECK(p != NULL);
    for (int64_t i = 0; i < n; i++)
        p[i] = qn_fill_value(salt, (uint64_t)i, scale);
    return p;
}

static qn_tensor tensor(qn_dtype t, int rank, int64_t a, int64_t b, void *data) {
    return (qn_tensor){.dtype = t, .rank = rank, .dim = {a, b}, .stride = b, .data = data};
}

/* What is added to; rows of x as the products see them: rounded where they are. */
static void init(head *h, const qn_kernels *k, qn_dtype t, int64_t depth, bool half) {
    const qn_act_form form = qn_act_form_of(t);
    const bool rounds = k->act_pack[form] != NULL;
    *h = (head){.t = t, .K = depth, .k = k, .attr = {.half = half},
                .c = {.k = k, .attr = &h->attr, .n_in = 4, .n_out = 1, .din = h->din, .dout = &h->dout}};
    h->x = reals(T * depth, 1, 2);
    h->w = reals(V * depth, 2, 1);
    h->dx = reals(T * depth, 3, 1);
    h->dw = reals(V * depth, 4, 1);
    h->acts = qn_alloc(QN_MEM_TEST, T * qn_act_row_bytes(form, depth));
    for (int r = 0; r < T; r++) {
        h->weight[r] = r % 3 == 1 ? 0 : 1 + (float)(r % 5);
        h->target[r] = r % 3 == 1 ? -100 : r * 7 % V;
        h->dloss[r] = r % 2 ? 1 : -0.5f;
        if (rounds)
            k->act_pack[form](h->acts + (size_t)r * qn_act_row_bytes(form, depth), h->x + r * depth, depth);
    }
    for (int64_t i = 0; t == QN_BF16 && i < T * depth; i++)
        h->x[i] = qn_bf16_to_f32(qn_f32_to_bf16(h->x[i]));
    h->panels = qn_alloc(QN_MEM_TEST, (size_t)qn_panels(V) * qn_panel_bytes(t, depth));
    qn_pack_panels(&(qn_pack_args){QN_F32, t, h->w, h->panels, 0, V, depth});
    qn_unpack_rows(h->w, t, h->panels, 0, V, depth);
    h->c.in[0] = tensor(rounds ? form == QN_ACT_BF16 ? QN_BF16 : QN_Q8_0 : QN_F32, 2, T, depth,
                        rounds ? (void *)h->acts : h->x);
    h->c.in[0].layout = rounds ? QN_LAYOUT_ACTS : QN_LAYOUT_ROWS;
    h->c.in[1] = tensor(t, 2, V, depth, h->panels);
    h->c.in[1].layout = QN_LAYOUT_PANELS;
    h->c.in[2] = tensor(QN_I32, 1, T, 1, h->target);
    h->c.in[3] = tensor(QN_F32, 1, T, 1, h->weight);
    h->c.out[0] = tensor(QN_F32, 1, T, 1, h->loss);
    h->dout = tensor(QN_F32, 1, T, 1, h->dloss);
    h->din[0] = tensor(QN_F32, 2, T, depth, h->dx);
    if (qn_dtype_get(t)->block == 1)
        h->din[1] = tensor(QN_F32, 2, V, depth, h->dw);
}

static void drop(head *h) {
    void *const all[] = {h->x, h->w, h->dx, h->dw, h->acts, h->panels};
    for (size_t i = 0; i < QN_LEN(all); i++)
        qn_free(all[i]);
}

/* Forward, then backward, which leaves the same losses. */
static void run(head *h) {
    float loss[T];
    for (int back = 0; back < 2; back++) {
        const qn_phase *phase = back ? qn_op_xent.backward : qn_op_xent.forward;
        const size_t partials = qn_op_xent.partials(&h->c, back), scratch = qn_op_xent.scratch(&h->c, back);
        char *room = qn_alloc(QN_MEM_TEST, scratch);
        h->c.partials = qn_alloc(QN_MEM_TEST, partials);
        CHECK(room && h->c.partials);
        memset(room, 0xff, scratch);
        memset(h->c.partials, 0xff, partials);
        const int64_t rounds = back ? qn_op_xent.rounds(&h->c) : 1;
        for (h->c.round = 0; h->c.round < rounds; h->c.round++)
            for (int p = 0; p < QN_OP_PHASES && phase[p].run; p++)
                for (int64_t i = phase[p].tiles(&h->c); i-- > 0;)
                    phase[p].run(&h->c, i, room);
        qn_free(room);
        qn_free(h->c.partials);
        if (!back) {
            memcpy(loss, h->loss, sizeof loss);
            memset(h->loss, 0xff, sizeof h->loss);
        }
    }
    CHECK(memcmp(loss, h->loss, sizeof loss) == 0, "backward leaves another loss than forward");
}

/* Slopes of row t, from logits in double of the numbers that multiplied; 8-bit rows as they decode. */
static void slopes(const head *h, int64_t t, double *g) {
    const double slope = (double)h->weight[t] * (double)h->dloss[t];
    double top = -1e300, sum = 0;
    const char *row = h->acts + (size_t)t * qn_act_row_bytes(qn_act_form_of(h->t), h->K);
    const float *scale = (const float *)(const void *)(row + h->K);
    const bool coded = qn_dtype_get(h->t)->block > 1;
    double x[K];
    for (int64_t i = 0; i < h->K; i++)
        x[i] = coded ? (double)((const int8_t *)row)[i] * (double)scale[i / 32] : (double)h->x[t * h->K + i];
    for (int64_t v = 0; v < V; v++) {
        g[v] = 0;
        for (int64_t i = 0; i < h->K; i++)
            g[v] += x[i] * (double)h->w[v * h->K + i];
        top = fmax(top, g[v]);
    }
    for (int64_t v = 0; v < V; v++)
        sum += qn_exp(g[v] - top);
    for (int64_t v = 0; v < V; v++)
        g[v] = slope * (qn_exp(g[v] - top) / sum - (v == h->target[t]));
}

/* Slopes are rounded to bf16, or carry the error of float logits. */
static double share(const head *h) { return h->t == QN_BF16 || h->attr.half ? 0x1p-8 : 3e-5; }

static void check(head *h) {
    double *g = qn_alloc(QN_MEM_TEST, (size_t)(T * V) * sizeof *g);
    CHECK(g != NULL);
    for (int64_t t = 0; t < T; t++)
        if (h->weight[t] != 0)
            slopes(h, t, g + t * V);
    for (int64_t t = 0; t < T; t += t % 3 == 1 ? 20 : 1)
        for (int64_t i = t % 5; i < h->K; i += 5) {
            double want = (double)qn_fill_value(3, (uint64_t)(t * h->K + i), 1), reach = 0;
            for (int64_t v = 0; v < V && h->weight[t] != 0; v++) {
                want += g[t * V + v] * (double)h->w[v * h->K + i];
                reach += fabs(g[t * V + v] * (double)h->w[v * h->K + i]);
            }
            CHECK_NEAR(h->dx[t * h->K + i], want, share(h) * reach + 1e-6, "dx %s %s row %d",
                       qn_dtype_get(h->t)->name, qn_isa_name(h->k->isa), (int)t);
        }
    for (int64_t v = 0; v < V && h->din[1].data; v += 3)
        for (int64_t i = 0; i < h->K; i += 7) {
            double want = (double)qn_fill_value(4, (uint64_t)(v * h->K + i), 1), reach = 0;
            for (int64_t t = 0; t < T; t++)
                if (h->weight[t] != 0) {
                    want += g[t * V + v] * (double)h->x[t * h->K + i];
                    reach += fabs(g[t * V + v] * (double)h->x[t * h->K + i]);
                }
            CHECK_NEAR(h->dw[v * h->K + i], want, share(h) * reach + 1e-5, "dW %s %s row %d",
                       qn_dtype_get(h->t)->name, qn_isa_name(h->k->isa), (int)v);
        }
    qn_free(g);
}

TEST(gradients_of_a_head_in_every_dtype) {
    static const qn_dtype all[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    static head h;
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        for (size_t t = 0; qn_isa_has((qn_isa)isa) && t < QN_LEN(all); t++) {
            const bool coded = qn_dtype_get(all[t])->block > 1;
            for (int half = 0; half <= coded; half++) {
                init(&h, qn_kernels_at((qn_isa)isa), all[t], coded ? K : ODD_K, half);
                run(&h);
                check(&h);
                drop(&h);
            }
        }
}

TEST(without_supervised_rows_nothing_changes) {
    static head h;
    init(&h, qn_kernels_at(qn_isa_detect()), QN_BF16, K, false);
    memset(h.weight, 0, sizeof h.weight);
    run(&h);
    for (int64_t i = 0; i < T * K; i++)
        CHECK(h.dx[i] == qn_fill_value(3, (uint64_t)i, 1), "dx %d", (int)i);
    for (int64_t i = 0; i < V * K; i++)
        CHECK(h.dw[i] == qn_fill_value(4, (uint64_t)i, 1), "dW %d", (int)i);
    drop(&h);
}
