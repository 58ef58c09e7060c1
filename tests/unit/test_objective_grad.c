/* tests/unit/test_objective_grad.c — the engine in two halves, and what comes of it: gradients of masked imitation and
 * of every preference through a whole model against torch in double (tools/fixtures/objectives.py), compute f32, every
 * level of the machine. */
#include "fixture_model.h"

#include "make_adapter.h"

#include "train/engine.h"
#include "train/objective.h"

#define TOLERANCE 1e-5
enum { FEW = 12, OBJECTIVES = 8 };

/* An objective as the fixture has it; gradients in the order of the fixture's parameters. */
typedef struct {
    qn_objective o;
    double loss, norm[MAX_PARAMS], grad[MAX_PARAMS][FEW];
    int64_t entries[MAX_PARAMS];
    size_t n;
} wanted;

typedef struct {
    fixture f;
    double reference[MAX_DOCUMENTS], kl;
    bool good[MAX_DOCUMENTS];
    wanted want[OBJECTIVES];
    size_t n;
    qn_model *m;
    qn_params p;
} lesson;

/* ---- reading ---- */

static void read_gradient(qn_json *j, const fixture *f, wanted *w) {
    qn_str key;
    qn_buf name = {0};
    CHECK(w->n < f->n_params);
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "name"))
            CHECK_OK(qn_json_string(j, &name));
        else if (qn_str_is(key, "norm"))
            CHECK_OK(qn_json_f64(j, &w->norm[w->n]));
        else
            w->entries[w->n] = read_numbers(j, w->grad[w->n], FEW);
    CHECK_STR(name.s, f->param[w->n].name);
    w->n++;
    qn_buf_drop(&name);
}

static void read_kind(qn_json *j, qn_objective *o) {
    qn_buf name = {0};
    CHECK_OK(qn_json_string(j, &name));
    while (o->kind < QN_OBJECTIVES - 1 && !qn_str_is(qn_buf_view(&name), qn_objective_get(o->kind)->name))
        o->kind++;
    CHECK_STR(name.s, qn_objective_get(o->kind)->name);
    qn_buf_drop(&name);
}

static void read_objective(qn_json *j, const fixture *f, wanted *w) {
    const struct { const char *key; double *at; } numbers[] = {
        {"beta", &w->o.beta}, {"label_smoothing", &w->o.smoothing}, {"rpo_alpha", &w->o.anchor},
        {"simpo_gamma", &w->o.margin}, {"loss", &w->loss},
    };
    qn_str key;
    w->o.good = w->o.bad = 1;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0) {
        double *at = NULL;
        for (size_t i = 0; i < QN_LEN(numbers); i++)
            at = qn_str_is(key, numbers[i].key) ? numbers[i].at : at;
        if (at)
            CHECK_OK(qn_json_f64(j, at));
        else if (qn_str_is(key, "loss_type"))
            read_kind(j, &w->o);
        else
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;)
                read_gradient(j, f, w);
    }
}

static void read_rest(lesson *l, qn_json *j, qn_str key) {
    if (qn_str_is(key, "reference"))
        CHECK_INT(read_numbers(j, l->reference, MAX_DOCUMENTS), MAX_DOCUMENTS);
    else if (qn_str_is(key, "kl"))
        CHECK_OK(qn_json_f64(j, &l->kl));
    else if (qn_str_is(key, "good"))
        for (int i = (qn_json_enter(j, '['), 0); qn_json_item(j) > 0; i++)
            CHECK_OK(qn_json_bool(j, &l->good[i]));
    else if (qn_str_is(key, "objectives"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; l->n++) {
            CHECK(l->n < OBJECTIVES);
            read_objective(j, &l->f, &l->want[l->n]);
        }
    else
        CHECK_OK(qn_json_skip(j));
}

static lesson *open_lesson(void) {
    static const char file[] = "preferences_llama.json";
    lesson *l = qn_zalloc(QN_MEM_TEST, 1, sizeof *l);
    qn_buf text = {0};
    const qn_arch *arch;
    qn_config cfg;
    qn_source *s;
    qn_json j;
    qn_str key;
    read_fixture(file, &l->f);
    CHECK_OK(qn_read_file(&text, qn_test_fixture(file), 1 << 20));
    qn_json_init(&j, text.s, text.n, file);
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        read_rest(l, &j, key);
    CHECK_OK(qn_json_end(&j));
    qn_json_drop(&j);
    qn_buf_drop(&text);
    CHECK_INT(l->f.n_documents, MAX_DOCUMENTS);
    CHECK_OK(qn_source_open(&s, as_directory(&l->f, &l->f.config)));
    CHECK_OK(qn_source_config(s, &arch, &cfg));
    CHECK_OK(qn_model_blank(&l->m, arch, &cfg, NULL, QN_F32));
    CHECK_OK(qn_params_init(&l->p, l->m));
    CHECK_OK(qn_params_load(&l->p, s, NULL));
    qn_source_close(s);
    return l;
}

static void close_lesson(lesson *l) {
    qn_params_drop(&l->p);
    qn_model_free(l->m);
    drop_fixture(&l->f);
    qn_free(l);
}

/* ---- the engine ---- */

static qn_engine *engine_of(lesson *l, qn_isa isa, qn_recompute recompute) {
    qn_engine *e;
    const qn_engine_options o = {.context = MAX_IDS, .rows = 2, .max_pieces = MAX_DOCUMENTS, .longest = 24,
                                 .gradients = true, .recompute = recompute};
    CHECK_OK(qn_engine_new(&e, &l->p, qn_kernels_at(isa), NULL, &o));
    qn_engine_clear(e);
    return e;
}

/* The documents [from, to) as one row. */
static qn_row_data row_of(const lesson *l, qn_piece piece[MAX_DOCUMENTS], int64_t from, int64_t to) {
    int64_t at = 0;
    qn_row_data row = {.piece = piece};
    for (int64_t d = 0; d < to; at += l->f.length[d++]) {
        if (d < from)
            continue;
        if (d == from)
            row.ids = (int32_t *)(uintptr_t)l->f.ids + at, row.targets = (int32_t *)(uintptr_t)l->f.target + at;
        piece[row.pieces++] = (qn_piece){row.n, l->f.length[d]};
        row.n += l->f.length[d];
    }
    return row;
}

/* Element i of the gradient of a parameter by its name in directories; rows as they lie there. */
static const float *gradient(const lesson *l, qn_engine *e, const char *name) {
    qn_buf text = {0};
    const float *found = NULL;
    for (size_t i = 0; i < l->p.n && !found; i++) {
        qn_buf_clear(&text);
        CHECK_OK(qn_param_name(l->p.slot[i].p, false, l->p.slot[i].layer, &text));
        if (strcmp(text.s, name) == 0)
            found = qn_engine_grad(e) + l->p.slot[i].at;
    }
    CHECK(found != NULL, "%s", name);
    qn_buf_drop(&text);
    return found;
}

static double judge_parameter(const lesson *l, qn_engine *e, size_t i, double norm, const double *entry, int64_t n,
                              const char *what) {
    const parameter *p = &l->f.param[i];
    const float *g = gradient(l, e, p->name);
    const int64_t numbers = test_product(p->rank, p->dim);
    double got = 0, off = 0, scale = 0;
    for (int64_t k = 0; k < numbers; k++)
        got += (double)g[k] * (double)g[k];
    for (int64_t j = 0; j < n; j++) {
        const int64_t k = numbers <= ENTRIES ? j : (int64_t)((uint64_t)j * 2654435761u % (uint64_t)numbers);
        off += ((double)g[k] - entry[j]) * ((double)g[k] - entry[j]);
        scale += entry[j] * entry[j];
    }
    const double share = sqrt(scale) + norm * sqrt((double)n / (double)numbers);
    CHECK_NEAR(sqrt(got), norm, TOLERANCE * norm, "%s: %s, its norm", what, p->name);
    CHECK_NEAR(sqrt(off) / share, 0, TOLERANCE, "%s: %s, its entries", what, p->name);
    return fmax(sqrt(off) / share, fabs(sqrt(got) / norm - 1));
}

/* ---- imitation ---- */

/* Masked as examples are: through both ways into the engine. */
TEST(masked_imitation) {
    lesson *l = open_lesson();
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        for (int halves = 0; halves < 2 && qn_isa_has((qn_isa)isa); halves++) {
            qn_piece piece[MAX_DOCUMENTS];
            qn_engine *e = engine_of(l, (qn_isa)isa, QN_RECOMPUTE_CHEAP);
            const qn_row_data row = row_of(l, piece, 0, MAX_DOCUMENTS);
            double taught = 0, loss = 0;
            for (int64_t t = 0; t < row.n; t++)
                taught += row.targets[t] >= 0;
            if (halves) {
                qn_engine_forward(e, &row, 1, true);
                for (int64_t i = 0; i < qn_engine_pieces_get(e).n; i++) {
                    loss -= qn_engine_pieces_get(e).piece[i].logp / taught;
                    qn_engine_weigh(e, i, 1 / taught);
                }
                qn_engine_backward(e);
            } else {
                loss = qn_engine_run(e, &row, 1, 1 / taught, true);
            }
            CHECK_NEAR(loss, l->f.loss, 3e-6 * l->f.loss);
            for (size_t i = 0; i < l->f.n_params; i++)
                judge_parameter(l, e, i, l->f.param[i].grad_norm, l->f.param[i].grad, l->f.param[i].n_grad, "nll");
            qn_engine_free(e);
        }
    close_lesson(l);
}

static void same_gradients(const lesson *l, qn_engine *a, qn_engine *b, const char *what) {
    for (size_t i = 0; i < l->p.n; i++) {
        const qn_slot *s = &l->p.slot[i];
        const float *x = qn_engine_grad(a) + s->at, *y = qn_engine_grad(b) + s->at;
        CHECK(memcmp(x, y, (size_t)(s->rows * s->cols) * sizeof *x) == 0, "%s: %s", what, s->name);
    }
}

static void run_halves(qn_engine *e, const qn_row_data *row, bool follows, double weight, double next) {
    qn_engine_forward(e, row, 1, follows);
    for (int64_t i = 0; i < qn_engine_pieces_get(e).n; i++, weight *= next)
        qn_engine_weigh(e, i, weight);
    qn_engine_backward(e);
}

/* Rows in the walk that runs the head once, and in halves with weights of the same size: the same bits, of a model and
 * of adapters of it, whether the head of the first half works for the second or not. Weights that are powers of two
 * round nothing. */
static void both_ways(lesson *l, const char *what) {
    qn_piece piece[MAX_DOCUMENTS];
    const qn_row_data row = row_of(l, piece, 0, MAX_DOCUMENTS);
    qn_engine *whole = engine_of(l, qn_test_isa(), QN_RECOMPUTE_CHEAP);
    qn_engine *halves = engine_of(l, qn_test_isa(), QN_RECOMPUTE_LAYERS);
    qn_engine_run(whole, &row, 1, 1.0 / 64, true);
    run_halves(halves, &row, false, 1.0 / 64, 1);
    same_gradients(l, whole, halves, what);
    qn_engine_clear(halves);
    run_halves(halves, &row, true, 1.0 / 64, 1);
    same_gradients(l, whole, halves, what);
    qn_engine_clear(whole);
    qn_engine_clear(halves);
    run_halves(whole, &row, false, 1.0 / 4, -0.5);      /* for and against */
    run_halves(halves, &row, true, 1.0 / 4, -0.5);
    same_gradients(l, whole, halves, what);
    qn_engine_free(whole);
    qn_engine_free(halves);
}

TEST(halves_have_the_bits_of_the_whole) {
    lesson *l = open_lesson();
    both_ways(l, "a model");
    for (int dora = 0; dora < 2; dora++) {
        const qn_lora_options o = {.rank = 4, .alpha = 8, .dora = dora, .targets = "all-linear", .seed = 3};
        qn_adapter *a = make_adapter(l->m, &o, "lesson");
        qn_params_drop(&l->p);
        CHECK_OK(qn_params_of_adapter(&l->p, l->m, a, 1, 1));
        both_ways(l, dora ? "DoRA" : "LoRA");
        qn_params_drop(&l->p);
        qn_adapter_free(a);
        CHECK_OK(qn_params_init(&l->p, l->m));
    }
    close_lesson(l);
}

/* Off, an adapter leaves no bit in the sums: what a reference is. */
TEST(a_reference_is_the_model_without_its_adapter) {
    lesson *l = open_lesson();
    qn_piece piece[MAX_DOCUMENTS];
    double want[MAX_DOCUMENTS];
    const qn_row_data row = row_of(l, piece, 0, MAX_DOCUMENTS);
    qn_engine *e = engine_of(l, qn_test_isa(), QN_RECOMPUTE_CHEAP);
    qn_engine_forward(e, &row, 1, true);
    for (int d = 0; d < MAX_DOCUMENTS; d++)
        want[d] = qn_engine_pieces_get(e).piece[d].logp;
    qn_engine_free(e);
    const qn_lora_options o = {.rank = 4, .alpha = 8, .targets = "all-linear", .seed = 3};
    qn_adapter *a = make_adapter(l->m, &o, "lesson");
    qn_params_drop(&l->p);
    CHECK_OK(qn_params_of_adapter(&l->p, l->m, a, 1, 1));
    e = engine_of(l, qn_test_isa(), QN_RECOMPUTE_CHEAP);
    for (int off = 0; off < 2; off++) {
        qn_engine_adapter(e, !off);
        qn_engine_forward(e, &row, 1, true);
        for (int d = 0; d < MAX_DOCUMENTS; d++)
            CHECK((qn_engine_pieces_get(e).piece[d].logp == want[d]) == off, "document %d, off %d", d, off);
    }
    qn_engine_free(e);
    qn_params_drop(&l->p);
    qn_adapter_free(a);
    CHECK_OK(qn_params_init(&l->p, l->m));
    close_lesson(l);
}

/* ---- preferences ---- */

/* Answers [0, n) of a pass judged and weighed; their share of the mean loss. */
static double weigh(const lesson *l, qn_engine *e, const qn_objective *o, int64_t from) {
    const qn_engine_pieces p = qn_engine_pieces_get(e);
    const bool labels = o->kind == QN_OBJECTIVE_KTO;
    const double share = (labels ? 1.0 : 2.0) / MAX_DOCUMENTS;
    double loss = 0;
    for (int64_t i = 0; i < p.n; i += labels ? 1 : 2) {
        const qn_scored a = {p.piece[i].logp, l->reference[from + i], p.piece[i].n};
        qn_judgement j;
        if (labels) {
            qn_objective_label(o, &a, l->good[from + i], l->kl, &j);
        } else {
            const qn_scored b = {p.piece[i + 1].logp, l->reference[from + i + 1], p.piece[i + 1].n};
            qn_objective_pair(o, &a, &b, &j);
            qn_engine_weigh(e, i + 1, -share * j.slope[1]);
        }
        qn_engine_weigh(e, i, -share * j.slope[0]);
        loss += share * j.loss;
    }
    return loss;
}

/* All in one row; or a pair a pass, which adds up. */
static double judge_objective(lesson *l, const wanted *w, qn_isa isa, int64_t per_pass, qn_recompute recompute) {
    qn_engine *e = engine_of(l, isa, recompute);
    double loss = 0, worst = 0;
    char what[96];
    snprintf(what, sizeof what, "%s at %s, %d answers a pass", qn_objective_get(w->o.kind)->name, qn_isa_name(isa),
             (int)per_pass);
    for (int64_t d = 0; d < MAX_DOCUMENTS; d += per_pass) {
        qn_piece piece[MAX_DOCUMENTS];
        const qn_row_data row = row_of(l, piece, d, d + per_pass);
        qn_engine_forward(e, &row, 1, true);
        loss += weigh(l, e, &w->o, d);
        qn_engine_backward(e);
    }
    CHECK_NEAR(loss, w->loss, 1e-5 * w->loss, "%s", what);
    for (size_t i = 0; i < w->n; i++)
        worst = fmax(worst, judge_parameter(l, e, i, w->norm[i], w->grad[i], w->entries[i], what));
    qn_engine_free(e);
    return worst;
}

TEST(every_preference) {
    lesson *l = open_lesson();
    CHECK(l->n >= 7);
    for (size_t k = 0; k < l->n; k++) {
        double worst = 0;
        CHECK_INT(l->want[k].n, l->f.n_params);
        for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
            if (qn_isa_has((qn_isa)isa))
                worst = fmax(worst, judge_objective(l, &l->want[k], (qn_isa)isa, MAX_DOCUMENTS, QN_RECOMPUTE_CHEAP));
        worst = fmax(worst, judge_objective(l, &l->want[k], qn_test_isa(), 2, QN_RECOMPUTE_LAYERS));
        print_message("%s: off by at most %.1e of the norm\n", qn_objective_get(l->want[k].o.kind)->name, worst);
    }
    close_lesson(l);
}

/* ---- the halves ---- */

/* What stands beside an answer, and in which pass, changes no bit of its sum. */
TEST(a_sum_has_the_same_bits_in_any_company) {
    lesson *l = open_lesson();
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        qn_piece piece[2][MAX_DOCUMENTS];
        double together[MAX_DOCUMENTS];
        if (!qn_isa_has((qn_isa)isa))
            continue;
        qn_engine *e = engine_of(l, (qn_isa)isa, QN_RECOMPUTE_CHEAP);
        const qn_row_data both[] = {row_of(l, piece[0], 0, 1), row_of(l, piece[1], 1, MAX_DOCUMENTS)};
        qn_engine_forward(e, both, 2, true);
        CHECK_INT(qn_engine_pieces_get(e).n, MAX_DOCUMENTS);
        for (int64_t d = 0; d < MAX_DOCUMENTS; d++) {
            together[d] = qn_engine_pieces_get(e).piece[d].logp;
            CHECK_INT(qn_engine_pieces_get(e).piece[d].row, d > 0);
            CHECK_INT(qn_engine_pieces_get(e).piece[d].piece, d > 0 ? d - 1 : 0);
        }
        for (int64_t d = 0; d < MAX_DOCUMENTS; d++) {
            const qn_row_data alone = row_of(l, piece[0], d, d + 1);
            qn_engine_forward(e, &alone, 1, false);
            const qn_engine_piece *p = qn_engine_pieces_get(e).piece;
            CHECK(p->logp == together[d], "document %d at %s: %.17g, %.17g", (int)d, qn_isa_name((qn_isa)isa), p->logp,
                  together[d]);
            const qn_engine_losses losses = qn_engine_losses_get(e);
            CHECK_INT(losses.n, p->n);
            CHECK(together[d] < 0 && losses.loss[0] > 0);
        }
        qn_engine_free(e);
    }
    close_lesson(l);
}

/* Token by token, of which some weigh nothing and some less than that. */
TEST(weights_of_tokens_are_linear) {
    lesson *l = open_lesson();
    qn_piece piece[MAX_DOCUMENTS];
    const qn_row_data row = row_of(l, piece, 0, MAX_DOCUMENTS);
    qn_engine *e = engine_of(l, qn_test_isa(), QN_RECOMPUTE_CHEAP);
    double plus = 0, minus = 0;
    for (int side = -1; side <= 1; side += 2) {
        double sum = 0;
        qn_engine_clear(e);
        qn_engine_forward(e, &row, 1, true);
        const int64_t n = qn_engine_losses_get(e).n;
        for (int64_t k = 0; k < n; k++)
            qn_engine_weights(e)[k] = (float)(side * (k % 3 - 1));
        qn_engine_backward(e);
        for (size_t i = 0; i < l->p.numbers; i++)
            sum += (double)(1 + i % 7) * (double)qn_engine_grad(e)[i];
        *(side < 0 ? &minus : &plus) = sum;
    }
    CHECK(plus != 0);
    CHECK_NEAR(plus, -minus, 1e-6 * fabs(plus));
    qn_engine_clear(e);
    qn_engine_forward(e, &row, 1, true);
    qn_engine_backward(e);
    for (size_t i = 0; i < l->p.numbers; i++)
        CHECK(qn_engine_grad(e)[i] == 0, "nothing was weighed");
    qn_engine_free(e);
    close_lesson(l);
}
