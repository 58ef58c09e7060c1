/* tests/unit/make_training.h — a training run small enough to be had a hundred times: data out of random letters, a
 * model of two layers, a trainer; everything that a run's bits show in, flat.
 *
 *     make_options o = MAKE;  o.kind = QN_OPTIMIZER_MUON;  o.threads = 3;
 *     made r = make(&o);                                   // made_drop(&r)
 *     qn_trainer_step(r.t, &report);
 *     float *bits = made_bits(&r, &n);                     // masters, then moments; qn_free(bits) */
#ifndef QN_TESTS_UNIT_MAKE_TRAINING_H
#define QN_TESTS_UNIT_MAKE_TRAINING_H

#include "data_make.h"
#include "train/dial.h"
#include "train/train_impl.h"

typedef struct {
    const char *arch;
    int compute;
    qn_optimizer_kind kind;
    int threads;
    int64_t context, batch, rows, shards, steps;
    int64_t every, samples, saves;      /* steps between evaluations, samples, checkpoints */
    double rate;
    const char *run;                    /* folder of its records; NULL: none */
    bool resumed;                       /* the folder is there */
    qn_train_hooks hooks;
    const qn_dataset *data;             /* NULL: the common one */
    const qn_examples *examples;        /* instead of data */
    double neftune, dropout;
    int recompute;
    qn_objective objective;             /* of examples that are judged: the reference is made at once */
} make_options;

/* Three heads of 16, one for keys where the family can; rows hold two to four documents. */
#define MAKE                                                                                                       \
    (make_options){.arch = "llama", .compute = QN_F32, .threads = 1, .context = 40, .batch = 4, .rows = 2, \
                   .shards = 1, .steps = 6, .rate = 1e-2, .recompute = QN_RECOMPUTE_CHEAP}

typedef struct {
    qn_pool *pool;
    const qn_kernels *k;
    qn_recipe recipe;
    qn_config cfg;
    const qn_arch *arch;
    qn_model *m;
    qn_params *p;                       /* stays where it is while `made` is copied */
    qn_run *run;
    qn_trainer *t;
} made;

static int64_t made_lengths(int64_t i) { return 3 + i * 7 % 23 + (i % 9 == 4 ? 50 : 0); }

/* Documents of 5 to 75 letters: some stand four in a row, some are cut. */
QN_UNUSED static const qn_dataset *made_data(void) {
    static qn_dataset *d;
    if (!d)
        d = data_open("letters", data_lines("letters.jsonl", 70, made_lengths), (qn_data_options){.validation = 0.1},
                      true);
    return d;
}

QN_UNUSED static qn_recipe made_recipe(const make_options *o) {
    qn_recipe r;
    qn_recipe_init(&r, o->kind);
    r.compute = o->compute;
    r.seed = 7;
    r.context = o->context;
    r.batch = o->batch;
    r.rows = o->rows;
    r.shards = o->shards;
    r.steps = r.schedule.steps = o->steps;
    r.schedule.kind = QN_LR_CONSTANT;
    r.schedule.peak = o->kind == QN_OPTIMIZER_SGD ? 10 * o->rate : o->rate;
    r.eval_every = o->every;
    r.neftune = o->neftune;
    r.dropout = o->dropout;
    r.recompute = o->recompute;
    r.objective = o->objective;
    r.sample_every = o->samples;
    r.checkpoint_every = o->saves;
    return r;
}

QN_UNUSED static void made_model(made *r, const make_options *o) {
    bool gated;
    r->arch = qn_arch_by_gguf(qn_str_of(o->arch));
    r->cfg = (qn_config){.V = 258, .D = 48, .F = 80, .layers = 2, .heads = 3, .kv_heads = 1, .Dh = 16, .bos = 1,
                         .eos = {0}, .n_eos = 1, .pad = -1, .tied = true, .compute = o->compute,
                         .context = QN_MAX(o->context, 64)};
    CHECK_OK(qn_dial_family(r->arch, &r->cfg, &gated));
    r->cfg.kv_heads = gated ? 1 : 3;
    r->cfg.rope.rot = r->cfg.Dh;
    r->cfg.rope.original_context = (double)r->cfg.context;
    CHECK_OK(qn_model_blank(&r->m, r->arch, &r->cfg, NULL, (qn_dtype)o->compute));
    r->p = qn_zalloc(QN_MEM_TEST, 1, sizeof *r->p);
    CHECK_OK(qn_params_init(r->p, r->m));
    CHECK_OK(qn_params_fresh(r->p, 7, 0.02, r->pool));
}

static int made_nothing(QN_UNUSED void *arg, QN_UNUSED qn_jw *w) { return 0; }

QN_UNUSED static void made_records(made *r, const make_options *o) {
    static const char *const argv[] = {"test"};
    const qn_run_work work = {"test", 1, argv, "here", o->threads};
    if (o->run && o->resumed)
        CHECK_OK(qn_run_open(&r->run, o->run));
    else if (o->run)
        CHECK_OK(qn_run_create(&r->run, o->run));
    if (o->run && !o->resumed)
        CHECK_OK(qn_run_manifest(r->run, &work, "running", made_nothing, NULL));
}

QN_UNUSED static made make(const make_options *o) {
    made r = {.k = qn_kernels_at(qn_test_isa()), .recipe = made_recipe(o)};
    if (o->threads > 1)
        CHECK_OK(qn_pool_new(&r.pool, o->threads));
    made_model(&r, o);
    made_records(&r, o);
    const qn_train_setup s = {.recipe = &r.recipe, .params = r.p, .examples = o->examples,
                              .data = o->examples ? NULL : o->data ? o->data : made_data(),
                              .kernels = r.k, .pool = r.pool, .run = r.run, .hooks = o->hooks};
    CHECK_OK(qn_trainer_new(&r.t, &s));
    if (qn_trainer_has_reference(r.t) && !o->resumed)
        CHECK_OK(qn_trainer_reference_make(r.t, NULL, NULL, ""));
    return r;
}

QN_UNUSED static void made_drop(made *r) {
    qn_trainer_free(r->t);
    qn_run_close(r->run);
    qn_params_drop(r->p);
    qn_free(r->p);
    qn_model_free(r->m);
    qn_pool_free(r->pool);
}

/* ---- what a run is ---- */

QN_UNUSED static void made_masters(const qn_params *p, float *out) {
    float *room = qn_alloc(QN_MEM_TEST, (size_t)p->widest * sizeof *room);
    for (int64_t tile = 0; tile < p->tiles; tile++) {
        int64_t row;
        const qn_slot *s = qn_params_tile(p, tile, &row);
        memcpy(out + s->at + row * s->cols, qn_params_take(p, s, row, room),
               (size_t)(qn_slot_tile_rows(s, row) * s->cols) * sizeof *out);
    }
    qn_free(room);
}

/* Masters, then moments, as flat arrays one behind the other. */
QN_UNUSED static float *made_bits(const made *r, size_t *n) {
    qn_optimizer_state state[2];
    const int states = qn_optimizer_states(r->t->optimizer, state);
    const size_t N = r->p->numbers;
    float *all = qn_zalloc(QN_MEM_TEST, N * (size_t)(1 + states), sizeof *all);
    CHECK(all != NULL);
    made_masters(r->p, all);
    for (int i = 0; i < states; i++)
        memcpy(all + N * (size_t)(i + 1), state[i].data, N * sizeof *all);
    *n = N * (size_t)(1 + states);
    return all;
}

QN_UNUSED static void made_same(const made *a, const made *b, const char *what) {
    size_t n, m;
    float *x = made_bits(a, &n), *y = made_bits(b, &m);
    CHECK_INT(n, m, "%s", what);
    for (size_t i = 0; i < n; i++)
        CHECK(memcmp(&x[i], &y[i], sizeof *x) == 0, "%s: number %zu of %zu (%zu parameters): %.9g, %.9g", what, i, n,
              a->p->numbers, (double)x[i], (double)y[i]);
    qn_free(x);
    qn_free(y);
}

/* Steps one after the other; the losses of all. */
QN_UNUSED static void made_steps(made *r, int64_t n, double *loss) {
    qn_step_report report;
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(qn_trainer_step(r->t, &report));
        CHECK(!report.skipped);
        if (loss)
            loss[i] = report.loss;
    }
}

/* A path in the test's folder that stays good. */
QN_UNUSED static const char *made_path(const char *name) {
    static char path[8][1024];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", qn_test_temp_dir(), name);
    return p;
}

#endif
