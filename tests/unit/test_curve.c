/* tests/unit/test_curve.c — ten steps of training against torch: engine and AdamW as a run has them, on the documents
 * of tests/fixtures/gradients_*.json; the loss after each step is the fixture's curve. test_gradients.c judges the
 * gradients one by one. */
#include "fixture_model.h"

#include "train/engine.h"
#include "train/optimizer.h"

typedef struct { qn_model *m; qn_params p; qn_engine *e; qn_optimizer *o; } training;

/* The fixture's model, to be trained. */
static void open_model(training *t, const fixture *f, int compute) {
    const qn_arch *arch;
    qn_config c;
    qn_source *s;
    CHECK_OK(qn_source_open(&s, as_directory(f, &f->config)));
    CHECK_OK(qn_source_config(s, &arch, &c));
    bool has[QN_PARAMS] = {false};
    for (size_t i = 0; i < arch->n_params; i++) {
        qn_buf name = {0};
        CHECK_OK(qn_param_name(&arch->params[i], false, qn_param_per_layer(&arch->params[i]) ? 0 : -1, &name));
        has[arch->params[i].id] = qn_tensor_find(qn_source_tensors(s), name.s) != NULL;
        qn_buf_drop(&name);
    }
    CHECK_OK(qn_model_blank(&t->m, arch, &c, has, (qn_dtype)compute));
    CHECK_OK(qn_params_init(&t->p, t->m));
    CHECK_OK(qn_params_load(&t->p, s, NULL));
    qn_source_close(s);
}

static void open_training(training *t, const fixture *f, int compute) {
    const qn_kernels *k = qn_kernels_at(qn_test_isa());
    const qn_engine_options e = {.context = f->n_ids, .rows = 1, .max_pieces = MAX_DOCUMENTS, .gradients = true,
                                 .recompute = QN_RECOMPUTE_LAYERS};
    const qn_optimizer_options o = qn_optimizer_options_default(QN_OPTIMIZER_ADAMW);
    CHECK(o.beta1 == 0.9 && o.beta2 == 0.95 && o.eps == 1e-8 && o.weight_decay == 0.1, "the fixture's");
    open_model(t, f, compute);
    CHECK_OK(qn_engine_new(&t->e, &t->p, k, NULL, &e));
    CHECK_OK(qn_optimizer_new(&t->o, &t->p, k, &o, 1));
}

static void drop(training *t) {
    qn_optimizer_free(t->o);
    qn_engine_free(t->e);
    qn_params_drop(&t->p);
    qn_model_free(t->m);
}

static void walk(const char *file, int compute, double tolerance) {
    static fixture f;
    training t;
    qn_piece piece[MAX_DOCUMENTS];
    double worst = 0;
    int64_t supervised = 0, at = 0;
    read_fixture(file, &f);
    open_training(&t, &f, compute);
    for (int64_t d = 0; d < f.n_documents; at += f.length[d++])
        piece[d] = (qn_piece){at, f.length[d]};
    for (int64_t i = 0; i < f.n_ids; i++)
        supervised += f.target[i] >= 0;
    const qn_row_data row = {.ids = f.ids, .targets = f.target, .piece = piece, .n = f.n_ids, .pieces = f.n_documents};
    for (int step = 0; step < CURVE; step++) {
        qn_engine_clear(t.e);
        const double loss = qn_engine_run(t.e, &row, 1, 1.0 / (double)supervised, true);
        CHECK_NEAR(loss, f.curve[step], tolerance, "%s after %d steps", file, step);
        worst = fmax(worst, fabs(loss - f.curve[step]));
        qn_optimizer_step(t.o, qn_engine_grad(t.e), 1, 1e-3, step + 1, NULL);
    }
    print_message("%s: off by at most %.1e\n", file, worst);
    drop(&t);
    drop_fixture(&f);
}

TEST(ten_steps_of_llama_tied) { walk("gradients_llama_tied.json", QN_F32, 1e-4); }
TEST(ten_steps_of_llama_untied) { walk("gradients_llama_untied.json", QN_F32, 1e-4); }
TEST(ten_steps_of_gpt2) { walk("gradients_gpt2.json", QN_F32, 1e-4); }

/* Products of bf16 under masters of f32: near, and no nearer than that. */
TEST(ten_steps_in_bf16) {
    walk("gradients_llama_tied.json", QN_BF16, 3e-2);
    walk("gradients_gpt2.json", QN_BF16, 3e-2);
}
