/* tests/unit/test_gradients.c — the reverse walk through whole models against torch: the loss of a batch of documents
 * and the gradient of every parameter, for both families. Weights F32, KV F32, every level of the machine.
 *
 * tests/fixtures/gradients_*.json (gradients.py) also hold the losses of ten steps of AdamW on the same batch, f.curve:
 * rate 1e-3, betas 0.9 and 0.95, eps 1e-8, decay 0.1 of all matrices, no clipping; curve[i] is the loss after i steps.
 * Here the rule is written out over plain arrays, as a judge of the one in train/.
 * The fixtures of the families' logits (llama_*, gpt2_*) have gradients as well: there the target is the next token. */
#include "fixture_model.h"

#include "infer/kv.h"
#include "ops/attention.h"

/* Relative to the norm; torch's own float32 is off by 1e-6 of the largest entry. */
#define TOLERANCE 1e-5

typedef struct {
    const fixture *f;
    qn_model *m;
    float **grad;                           /* [layers + 1][QN_PARAMS], as qn_model.param */
    qn_graph *g;
    qn_exec *e;
    qn_loss_refs refs;
    qn_kv kv;
    qn_segment segment[MAX_DOCUMENTS];
    qn_query_tile tile[MAX_IDS];
    int32_t row_segment[MAX_IDS], positions[MAX_IDS], ids[MAX_IDS], index[MAX_IDS], target[MAX_IDS];
    float weight[MAX_IDS];
    int64_t S;
    qn_batch batch;
} training;

/* ---- the graph, with everything trained ---- */

static void train_param(training *t, const qn_param *p, int64_t layer) {
    const size_t at = (size_t)(layer + 1) * QN_PARAMS + (size_t)p->id;
    const qn_tensor *w = &t->m->param[at];
    qn_buf name = {0};
    if (w->rank == 0)
        return;
    t->grad[at] = qn_zalloc(QN_MEM_TEST, (size_t)(w->dim[0] * QN_MAX(1, w->dim[1])), sizeof(float));
    CHECK(t->grad[at] != NULL);
    qn_tensor grad = *w;
    grad.layout = QN_LAYOUT_ROWS;
    grad.data = t->grad[at];
    CHECK_OK(qn_param_name(p, true, layer, &name));
    const qn_ref ref = qn_graph_find(t->g, name.s);
    CHECK(ref >= 0, "%s is a value of the graph", name.s);
    qn_graph_train(t->g, ref, &grad);
    qn_buf_drop(&name);
}

static void train_all(training *t) {
    const qn_arch *a = t->m->arch;
    t->grad = qn_zalloc(QN_MEM_TEST, (size_t)(t->m->cfg.layers + 1) * QN_PARAMS, sizeof *t->grad);
    CHECK(t->grad != NULL);
    for (size_t i = 0; i < a->n_params; i++)
        for (int64_t layer = 0; layer < (qn_param_per_layer(&a->params[i]) ? t->m->cfg.layers : 1); layer++)
            train_param(t, &a->params[i], qn_param_per_layer(&a->params[i]) ? layer : -1);
}

static void build(training *t, qn_isa isa) {
    const qn_graph_options o = {.kv = QN_F32, .max_context = QN_MIN(MAX_IDS, t->m->cfg.context)};
    CHECK_OK(qn_graph_new(&t->g));
    CHECK_OK(qn_model_loss(t->m, t->g, &o, &t->refs));
    train_all(t);
    qn_graph_seed(t->g, t->refs.loss);
    CHECK_OK(qn_exec_new(&t->e, t->g, qn_kernels_at(isa), &(qn_exec_limits){t->f->n_ids, t->f->n_ids, 1}));
    qn_exec_bind(t->e, t->refs.ids, t->ids);
    qn_exec_bind(t->e, t->refs.positions, t->positions);
    qn_exec_bind(t->e, t->refs.index, t->index);
    qn_exec_bind(t->e, t->refs.target, t->target);
    qn_exec_bind(t->e, t->refs.weight, t->weight);
}

/* ---- the batch ---- */

/* Every third row that is not supervised is asked for with weight 0, the others are not asked for at all: both are the
 * same to the loss. */
static void choose_rows(training *t) {
    int64_t supervised = 0, asked = 0;
    for (int64_t r = 0; r < t->f->n_ids; r++) {
        const bool wanted = t->f->target[r] >= 0;
        supervised += wanted;
        if (!wanted && r % 3)
            continue;
        t->index[asked] = (int32_t)r;
        t->target[asked] = t->f->target[r];
        t->weight[asked++] = wanted;
    }
    for (int64_t s = 0; s < asked; s++)
        t->weight[s] /= (float)supervised;
    t->S = asked;
}

static void fill_batch(training *t) {
    const qn_config *c = &t->m->cfg;
    int64_t row = 0;
    CHECK_OK(qn_kv_init(&t->kv, QN_F32, c->layers, c->kv_heads, c->Dh, t->f->n_documents, MAX_IDS));
    for (int64_t d = 0; d < t->f->n_documents; row += t->f->length[d++]) {
        CHECK_OK(qn_kv_reserve(&t->kv, d, t->f->length[d]));
        t->segment[d] = (qn_segment){row, t->f->length[d], 0, t->kv.seq[d].page, d, 0};
        for (int64_t i = 0; i < t->f->length[d]; i++) {
            t->ids[row + i] = t->f->ids[row + i];
            t->positions[row + i] = (int32_t)i;
            t->row_segment[row + i] = (int32_t)d;
        }
    }
    t->batch = (qn_batch){.kv = &t->kv.pool, .segment = t->segment, .n_segments = t->f->n_documents, .tile = t->tile,
                          .row_segment = t->row_segment, .chunks = 1};
    t->batch.n_tiles = qn_query_tiles(t->segment, t->f->n_documents, qn_query_tokens(c->heads / c->kv_heads), t->tile,
                                      MAX_IDS);
    choose_rows(t);
}

static double run(training *t) {
    double loss = 0;
    qn_exec_run(t->e, t->f->n_ids, t->S, NULL, &t->batch);
    for (int64_t s = 0; s < t->S; s++)
        loss += (double)((const float *)qn_exec_value(t->e, t->refs.loss)->data)[s];
    qn_exec_run_backward(t->e);
    return loss;
}

static void drop(training *t) {
    for (int64_t i = 0; i < (t->m->cfg.layers + 1) * QN_PARAMS; i++)
        qn_free(t->grad[i]);
    qn_free(t->grad);
    qn_exec_free(t->e);
    qn_graph_free(t->g);
    qn_kv_drop(&t->kv);
}

/* ---- gradients under the names of the fixture ---- */

/* The gradients that a tensor of a directory is made of, and how it lies. */
typedef struct { const float *part[4]; int64_t rows[4], K; int parts; bool transposed; } gradient;

static gradient find(const training *t, const char *name) {
    const qn_arch *a = t->m->arch;
    gradient out = {.K = 1};
    qn_buf text = {0};
    for (int64_t layer = -1; layer < t->m->cfg.layers; layer++)
        for (size_t i = 0; i < a->n_params; i++) {
            const qn_param *p = &a->params[i];
            const size_t at = (size_t)(layer + 1) * QN_PARAMS + (size_t)p->id;
            CHECK_OK(qn_param_stored_name(a, p, false, layer, &text));
            if (!t->grad[at] || strcmp(text.s, name) != 0)
                continue;
            out.rows[out.parts] = t->m->param[at].dim[0];
            out.part[out.parts++] = t->grad[at];
            out.K = QN_MAX(1, t->m->param[at].dim[1]);
            out.transposed = (p->flags & QN_HF_TRANSPOSED) != 0;
        }
    CHECK(out.parts > 0, "%s", name);
    qn_buf_drop(&text);
    return out;
}

/* Element i of the tensor, row-major as it lies in a directory. */
static double element(const gradient *g, const parameter *p, int64_t i) {
    const int64_t columns = p->rank == 2 ? p->dim[1] : 1;
    int64_t row = g->transposed ? i % columns : i / columns, k = g->transposed ? i / columns : i % columns;
    int part = 0;
    while (row >= g->rows[part])
        row -= g->rows[part++];
    return (double)g->part[part][row * g->K + k];
}

static double judge_one(const training *t, const parameter *p, const char *what) {
    const gradient g = find(t, p->name);
    const int64_t n = test_product(p->rank, p->dim);
    double norm = 0, off = 0, scale = 0;
    for (int64_t i = 0; i < n; i++)
        norm += element(&g, p, i) * element(&g, p, i);
    norm = sqrt(norm);
    for (int64_t j = 0; j < p->n_grad; j++) {
        const int64_t i = n <= ENTRIES ? j : (int64_t)((uint64_t)j * 2654435761u % (uint64_t)n);
        const double d = element(&g, p, i) - p->grad[j];
        off += d * d;
        scale += p->grad[j] * p->grad[j];
    }
    CHECK(p->grad_norm > 0 && p->n_grad == QN_MIN(n, ENTRIES), "%s", p->name);
    CHECK_NEAR(norm, p->grad_norm, TOLERANCE * p->grad_norm, "%s: %s, its norm", what, p->name);
    /* The entries' share of the norm: as they are, or as they would be among equals. */
    const double share = sqrt(scale) + p->grad_norm * sqrt((double)p->n_grad / (double)n);
    CHECK_NEAR(sqrt(off) / share, 0, TOLERANCE, "%s: %s, its entries", what, p->name);
    return fmax(sqrt(off) / share, fabs(norm / p->grad_norm - 1));
}

static double gradients_at(const fixture *f, qn_model *m, qn_isa isa, const char *file) {
    static training t;
    char what[96];
    double worst = 0;
    snprintf(what, sizeof what, "%s at %s", file, qn_isa_name(isa));
    t = (training){.f = f, .m = m};
    fill_batch(&t);
    build(&t, isa);
    CHECK_NEAR(run(&t), f->loss, 3e-6 * f->loss, "%s", what);
    for (size_t i = 0; i < f->n_params; i++)
        worst = fmax(worst, judge_one(&t, &f->param[i], what));
    drop(&t);
    return worst;
}

/* ---- ten steps ---- */

/* One parameter in training: its values as rows, and the moments. */
typedef struct { float *w; double *m, *v; } moments;

/* Loshchilov & Hutter 2019, algorithm 2, as torch has it. */
static void adamw(const moments *x, float *grad, int64_t n, double decay, int step) {
    const double rate = 1e-3, beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)grad[i];
        x->m[i] = beta1 * x->m[i] + (1 - beta1) * g;
        x->v[i] = beta2 * x->v[i] + (1 - beta2) * g * g;
        const double m = x->m[i] / (1 - pow(beta1, step)), v = x->v[i] / (1 - pow(beta2, step));
        x->w[i] = (float)((double)x->w[i] * (1 - rate * decay) - rate * m / (sqrt(v) + eps));
        grad[i] = 0;
    }
}

/* Takes the parameter's rows out of the model, or puts them back. */
static void move_rows(const qn_tensor *t, float *rows, bool back) {
    const qn_pack_args a = {QN_F32, QN_F32, rows, t->data, 0, t->dim[0], t->dim[1]};
    if (t->rank == 1)
        memcpy(back ? t->data : (void *)rows, back ? (void *)rows : t->data, (size_t)t->dim[0] * sizeof *rows);
    else if (back)
        qn_pack_panels(&a);
    for (int64_t r = 0; t->rank == 2 && !back && r < t->dim[0]; r++)
        qn_unpack_row(rows + r * t->dim[1], t->dtype, t->data, r, t->dim[1]);
}

static void init_moments(const training *t, moments *x) {
    for (int64_t i = 0; i < (t->m->cfg.layers + 1) * QN_PARAMS; i++) {
        const qn_tensor *w = &t->m->param[i];
        const size_t n = (size_t)(w->dim[0] * QN_MAX(1, w->dim[1]));
        if (!t->grad[i])
            continue;
        x[i].w = qn_alloc(QN_MEM_TEST, n * sizeof *x->w);
        x[i].m = qn_zalloc(QN_MEM_TEST, 2 * n, sizeof *x->m);
        CHECK(x[i].w && x[i].m);
        x[i].v = x[i].m + n;
        move_rows(w, x[i].w, false);
    }
}

static void take_step(const training *t, const moments *x, int step) {
    for (int64_t i = 0; i < (t->m->cfg.layers + 1) * QN_PARAMS; i++) {
        const qn_tensor *w = &t->m->param[i];
        if (!t->grad[i])
            continue;
        adamw(&x[i], t->grad[i], w->dim[0] * QN_MAX(1, w->dim[1]), w->rank == 2 ? 0.1 : 0, step);
        move_rows(w, x[i].w, true);
    }
}

static qn_model *load_fixture(const fixture *f) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS};
    qn_source *s;
    qn_model *m;
    CHECK_OK(qn_source_open(&s, as_directory(f, &f->config)));
    CHECK_OK(qn_model_load(&m, s, &o, NULL));
    qn_source_close(s);
    return m;
}

static void walk_curve(const char *file) {
    static fixture f;
    static training t;
    read_fixture(file, &f);
    qn_model *m = load_fixture(&f);
    const size_t slots = (size_t)(m->cfg.layers + 1) * QN_PARAMS;
    moments *x = qn_zalloc(QN_MEM_TEST, slots, sizeof *x);
    CHECK(x != NULL);
    t = (training){.f = &f, .m = m};
    fill_batch(&t);
    build(&t, qn_test_isa());
    init_moments(&t, x);
    for (int step = 0; step < CURVE; step++) {
        CHECK_NEAR(run(&t), f.curve[step], 2e-5, "%s after %d steps", file, step);
        take_step(&t, x, step + 1);
    }
    for (size_t i = 0; i < slots; i++) {
        qn_free(x[i].w);
        qn_free(x[i].m);
    }
    qn_free(x);
    drop(&t);
    qn_model_free(m);
    drop_fixture(&f);
}

/* ---- the cases ---- */

/* A text that predicts itself, where the fixture has no documents. */
static void as_document(fixture *f) {
    if (f->n_documents > 0)
        return;
    f->n_documents = 1;
    f->length[0] = f->n_ids;
    for (int64_t i = 0; i < f->n_ids; i++)
        f->target[i] = i + 1 < f->n_ids ? f->ids[i + 1] : -1;
}

static void judge_gradients(const char *file) {
    static fixture f;
    double worst = 0;
    read_fixture(file, &f);
    as_document(&f);
    qn_model *m = load_fixture(&f);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        if (qn_isa_has((qn_isa)isa))
            worst = fmax(worst, gradients_at(&f, m, (qn_isa)isa, file));
    print_message("%s: off by at most %.1e of the norm\n", file, worst);
    qn_model_free(m);
    drop_fixture(&f);
}

TEST(llama_with_its_head_tied) { judge_gradients("gradients_llama_tied.json"); }
TEST(llama_with_biases_and_a_head_of_its_own) { judge_gradients("gradients_llama_untied.json"); }
TEST(gpt2) { judge_gradients("gradients_gpt2.json"); }
TEST(llama_grouped_heads_odd_widths) { judge_gradients("llama_gqa.json"); }
TEST(llama_frequencies_of_llama_3) { judge_gradients("llama_rope3.json"); }
TEST(llama_sliding_window) { judge_gradients("llama_window.json"); }
TEST(gpt2_odd_widths) { judge_gradients("gpt2_odd.json"); }

TEST(ten_steps_of_llama_tied) { walk_curve("gradients_llama_tied.json"); }
TEST(ten_steps_of_llama_untied) { walk_curve("gradients_llama_untied.json"); }
TEST(ten_steps_of_gpt2) { walk_curve("gradients_gpt2.json"); }
