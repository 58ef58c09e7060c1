/* tests/unit/test_engine.c — rows forward and back: a pack is its documents one by one, passes add up, what training
 * computes is what serving computes, to the bit; and a model learns. */
/* full: WHOLE=1 */
#include "make_training.h"

#include "infer/generate.h"

static const char *const families[] = {"llama", "gpt2"};
static const int computes[] = {QN_F32, QN_BF16};

/* ---- rows made by hand ---- */

enum { CONTEXT = 120, PIECES = 4 };

typedef struct { int32_t ids[CONTEXT], targets[CONTEXT]; qn_piece piece[PIECES]; qn_row_data row; } hand_row;

/* Documents of these lengths side by side. */
static void fill_row(hand_row *h, const int64_t *length, int64_t n, uint64_t seed) {
    h->row = (qn_row_data){.ids = h->ids, .targets = h->targets, .piece = h->piece, .pieces = n};
    for (int64_t i = 0; i < n; i++) {
        h->piece[i] = (qn_piece){h->row.n, length[i]};
        for (int64_t k = 0; k < length[i]; k++) {
            const int64_t t = h->row.n + k;
            h->ids[t] = (int32_t)(2 + qn_rng_u64(seed, QN_RNG_TEST, (uint64_t)i, (uint64_t)k) % 256);
            h->targets[t] = (int32_t)(2 + qn_rng_u64(seed, QN_RNG_TEST, (uint64_t)i, (uint64_t)k + 1) % 256);
        }
        h->row.n += length[i];
    }
}

static qn_engine *engine_of(const made *r, int64_t rows) {
    qn_engine *e;
    const qn_engine_options o = {.context = CONTEXT, .rows = rows, .max_pieces = PIECES, .gradients = true,
                                 .recompute = QN_RECOMPUTE_CHEAP};
    CHECK_OK(qn_engine_new(&e, r->p, r->k, r->pool, &o));
    return e;
}

/* A model that is not fresh any more. */
static made some_model(const char *arch, int compute) {
    make_options o = MAKE;
    o.arch = arch;
    o.compute = compute;
    o.context = CONTEXT;
    made r = make(&o);
    made_steps(&r, 3, NULL);
    return r;
}

static double distance(const float *a, const float *b, size_t n) {
    double off = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)a[i] * (double)a[i];
    }
    return sqrt(off / norm);
}

static float *copy_of(const float *a, size_t n) {
    float *b = qn_alloc(QN_MEM_TEST, n * sizeof *b);
    memcpy(b, a, n * sizeof *b);
    return b;
}

/* ---- packs ---- */

static const int64_t lengths[] = {17, 70, 1, 29};       /* the second one has more keys than a block */

static void pack_of(const char *arch, int compute) {
    made r = some_model(arch, compute);
    qn_engine *packed = engine_of(&r, 1), *alone = engine_of(&r, 1);
    hand_row h = {0};
    double sum = 0;
    fill_row(&h, lengths, QN_LEN(lengths), 5);
    qn_engine_clear(packed);
    qn_engine_clear(alone);
    const double whole = qn_engine_run(packed, &h.row, 1, 1.0 / 117, true);
    for (int64_t i = 0; i < h.row.pieces; i++) {
        const int64_t from = h.piece[i].start;
        qn_piece one = {0, h.piece[i].n};
        const qn_row_data row = {.ids = h.ids + from, .targets = h.targets + from, .piece = &one, .n = one.n,
                                 .pieces = 1};
        sum += qn_engine_run(alone, &row, 1, 1.0 / 117, true);
    }
    CHECK_NEAR(whole, sum, 1e-6 * sum, "%s", arch);
    CHECK_NEAR(distance(qn_engine_grad(packed), qn_engine_grad(alone), r.p->numbers), 0, 1e-5, "%s", arch);
    qn_engine_free(packed);
    qn_engine_free(alone);
    made_drop(&r);
}

TEST(a_pack_is_its_documents_one_by_one) {
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++)
            pack_of(families[f], computes[c]);
}

/* Another first document: not a bit of the others changes. */
TEST(neighbours_are_blind_to_one_another) {
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++) {
            made r = some_model(families[f], computes[c]);
            qn_engine *e = engine_of(&r, 1);
            hand_row h = {0};
            fill_row(&h, lengths, QN_LEN(lengths), 5);
            qn_engine_run(e, &h.row, 1, 1, false);
            const qn_engine_losses l = qn_engine_losses_get(e);
            CHECK_INT(l.n, 117);
            float *before = copy_of(l.loss, 117);
            for (int i = 0; i < 17; i++)
                h.ids[i] = 2 + (h.ids[i] + 91) % 256;
            qn_engine_run(e, &h.row, 1, 1, false);
            CHECK(memcmp(before, qn_engine_losses_get(e).loss, 17 * sizeof *before) != 0);
            CHECK(memcmp(before + 17, qn_engine_losses_get(e).loss + 17, 100 * sizeof *before) == 0, "%s", families[f]);
            qn_free(before);
            qn_engine_free(e);
            made_drop(&r);
        }
}

/* ---- passes ---- */

/* Eight ragged rows, one of them without a supervised token, as 1 × 8, 2 × 4, 3 + 3 + 2, 8 × 1. */
static void in_passes(const char *arch, int compute) {
    static const int64_t ragged[8][3] = {{40, 3}, {120}, {2, 2, 2}, {77}, {9, 99}, {1}, {50, 50, 20}, {64}};
    static const int64_t most[] = {8, 4, 3, 1};
    made r = some_model(arch, compute);
    hand_row h[8] = {0};
    qn_row_data row[8];
    int64_t supervised = 0;
    double want = 0;
    float *grad = NULL;
    for (int i = 0; i < 8; i++) {
        int64_t n = 1;
        while (n < 3 && ragged[i][n])
            n++;
        fill_row(&h[i], ragged[i], n, (uint64_t)i);
        for (int64_t t = 0; t < h[i].row.n; t++)
            h[i].targets[t] = i == 3 || t % 11 == 4 ? -1 : h[i].targets[t];
        for (int64_t t = 0; t < h[i].row.n; t++)
            supervised += h[i].targets[t] >= 0;
        row[i] = h[i].row;
    }
    for (size_t m = 0; m < QN_LEN(most); m++) {
        if (m > 0 && !qn_test_whole() && (m == 1) != (compute == QN_BF16))      /* 4, or 3 and 1 */
            continue;
        qn_engine *e = engine_of(&r, most[m]);
        double loss = 0;
        qn_engine_clear(e);
        for (int64_t i = 0; i < 8; i += most[m])
            loss += qn_engine_run(e, row + i, QN_MIN(most[m], 8 - i), 1.0 / (double)supervised, true);
        if (m == 0) {
            want = loss;
            grad = copy_of(qn_engine_grad(e), r.p->numbers);
        }
        CHECK(isfinite(loss) && loss > 0);
        CHECK_NEAR(loss, want, 1e-6 * want, "%s, passes of %d rows", arch, (int)most[m]);
        CHECK_NEAR(distance(grad, qn_engine_grad(e), r.p->numbers), 0, 1e-6, "%s, passes of %d rows", arch,
                   (int)most[m]);
        qn_engine_free(e);
    }
    qn_free(grad);
    made_drop(&r);
}

TEST(passes_add_up) {
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++)
            in_passes(families[f], computes[c]);
}

/* A batch that predicts nothing: no loss, no gradient, and an update that is no NaN. */
TEST(nothing_supervised_is_nothing_learned) {
    made r = some_model("llama", QN_F32);
    qn_engine *e = engine_of(&r, 1);
    hand_row h = {0};
    size_t n;
    fill_row(&h, lengths, 2, 5);
    qn_engine_clear(e);
    const double before = qn_engine_run(e, &h.row, 1, 1, true);
    for (int i = 0; i < CONTEXT; i++)
        h.targets[i] = -1;
    qn_engine_clear(e);
    CHECK(before > 0 && qn_engine_run(e, &h.row, 1, 0, true) == 0);
    CHECK_INT(qn_engine_losses_get(e).n, 0);
    CHECK(qn_optimizer_grad_norm(r.t->optimizer, qn_engine_grad(e), NULL) == 0);
    qn_optimizer_step(r.t->optimizer, qn_engine_grad(e), 1, 1e-2, 4, NULL);
    float *bits = made_bits(&r, &n);
    for (size_t i = 0; i < n; i++)
        CHECK(isfinite(bits[i]));
    qn_free(bits);
    CHECK(qn_engine_run(e, NULL, 0, 1, true) == 0, "no rows at all");
    qn_engine_free(e);
    made_drop(&r);
}

/* ---- serving ---- */

typedef struct { const made *r; const int32_t *target; float want[CONTEXT]; int64_t from; const char *what; } serving;

static int compare(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    const serving *s = arg;
    const float served = qn_logprob_of(s->r->k, logits, s->r->cfg.V, s->target[s->from + i]);
    CHECK(served == -s->want[s->from + i], "%s, token %d: served %.9g, trained %.9g", s->what, (int)(s->from + i),
          (double)served, (double)-s->want[s->from + i]);
    return 0;
}

/* The document, fed in pieces, to the model as a stranger would load it. */
static void serve(serving *s, const qn_model *m, const int32_t *ids, int64_t n, int64_t piece, qn_pool *pool) {
    const qn_session_options o = {.context = CONTEXT, .kv = -1};
    qn_session *session;
    CHECK_OK(qn_session_new(&session, m, s->r->k, pool, &o));
    for (s->from = 0; s->from < n; s->from += piece)
        CHECK_OK(qn_session_feed(session, &(qn_feed){0, ids + s->from, QN_MIN(piece, n - s->from), QN_LOGITS_ALL}, 1,
                                 compare, s));
    qn_session_free(session);
}

static qn_model *model_at(const char *dir) {
    const qn_model_options o = {.weights = QN_WEIGHTS_AS_IS};
    qn_source *src;
    qn_model *m;
    CHECK_OK(qn_source_open(&src, dir));
    CHECK_OK(qn_model_load(&m, src, &o, NULL));
    qn_source_close(src);
    return m;
}

static void served_as_trained(const char *arch, int compute) {
    static const int64_t documents[] = {9, 23, 81};
    static const int64_t pieces[] = {1, 7, CONTEXT};
    static int runs;
    made r = some_model(arch, compute);
    qn_engine *e = engine_of(&r, 1);
    hand_row h = {0};
    char name[64], what[64];
    qn_pool *pool;
    snprintf(name, sizeof name, "served-%d", runs++);
    CHECK_OK(qn_checkpoint_write(made_path(name), r.p, r.t->optimizer, &r.t->state, &(qn_checkpoint_texts){0}, false));
    snprintf(name + strlen(name), sizeof name - strlen(name), "/last");
    qn_model *m = model_at(made_path(name));
    CHECK_INT(m->main_dtype, compute);
    CHECK_OK(qn_pool_new(&pool, 2));
    fill_row(&h, documents, 3, 11);
    qn_engine_run(e, &h.row, 1, 1, false);
    const qn_engine_losses l = qn_engine_losses_get(e);
    for (int d = 0; d < 3; d++)
        for (size_t p = 0; p < QN_LEN(pieces); p++) {
            const int64_t from = h.piece[d].start, n = h.piece[d].n;
            serving s = {.r = &r, .target = h.targets + from, .what = what};
            snprintf(what, sizeof what, "%s, compute %s, document %d by %d", arch,
                     qn_dtype_get((qn_dtype)compute)->name, d, (int)pieces[p]);
            memcpy(s.want, l.loss + from, (size_t)n * sizeof *l.loss);
            serve(&s, m, h.ids + from, n, pieces[p], p == 1 ? pool : NULL);
        }
    qn_pool_free(pool);
    qn_model_free(m);
    qn_engine_free(e);
    made_drop(&r);
}

TEST(what_is_served_is_what_was_trained) {
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++)
            served_as_trained(families[f], computes[c]);
}

/* ---- learning ---- */

/* Counting rhymes: what follows is a matter of the last few letters. */
static const qn_dataset *rhymes(void) {
    static qn_dataset *d;
    static const char *const word[] = {"one", "two", "three", "four", "five", "six", "seven"};
    qn_buf text = {0};
    for (int i = 0; i < 120 && !d; i++) {
        CHECK_OK(qn_buf_printf(&text, "{\"text\": \"%d:", i));
        for (int k = 0; k < 6; k++)
            CHECK_OK(qn_buf_printf(&text, " %s", word[(i + k) % 7]));
        CHECK_OK(qn_buf_puts(&text, "\"}\n"));
    }
    if (!d)
        d = data_open("rhymes", qn_test_write("rhymes.jsonl", text.s, text.n), (qn_data_options){.validation = 0.1},
                      true);
    qn_buf_drop(&text);
    return d;
}

/* Steps with a rate that falls to nothing, so that where they end is no accident. */
static void train(made *r, int64_t steps) {
    r->t->recipe.schedule = (qn_schedule){.kind = QN_LR_LINEAR, .peak = 1e-2, .warmup = 10, .steps = steps};
    r->t->recipe.steps = steps;
    made_steps(r, steps, NULL);
}

static double learned(const char *arch, int compute) {
    make_options o = MAKE;
    qn_measured m;
    o.arch = arch;
    o.compute = compute;
    o.data = rhymes();
    o.batch = o.rows = 8;
    made r = make(&o);
    train(&r, 120);
    CHECK_OK(qn_trainer_measure(r.t, &m));
    made_drop(&r);
    return m.loss;
}

TEST(bf16_learns_what_f32_learns) {
    for (size_t f = 0; f < (qn_test_whole() ? QN_LEN(families) : 1); f++) {
        const double f32 = learned(families[f], QN_F32), bf16 = learned(families[f], QN_BF16);
        print_message("%s: validation loss %.4f in f32, %.4f in bf16\n", families[f], f32, bf16);
        CHECK(f32 < 0.45, "%s: from 5.5 to %g", families[f], f32);
        CHECK_NEAR(bf16, f32, 0.03, "%s", families[f]);
    }
}

/* ---- one document, learned by heart, and its end ---- */

static int gather(void *arg, const qn_token_event *e) { return qn_buf_put(arg, e->text.s, e->text.n); }

static void by_heart(const char *arch, int compute) {
    static const char text[] = "The stone turns the grain into flour.";
    make_options o = MAKE;
    qn_generate_options g = qn_generate_options_default();
    qn_ids prompt = {0}, held = {0};
    qn_buf said = {0};
    qn_generate_result result;
    qn_session *s;
    qn_tok *tok = data_tok(true);
    qn_dataset *d = data_open("heart", qn_test_write("heart.txt", text, sizeof text - 1),
                              (qn_data_options){.force = true}, true);
    o.arch = arch;
    o.compute = compute;
    o.data = d;
    o.batch = o.rows = 1;
    made r = make(&o);
    train(&r, 120);
    CHECK_OK(qn_session_new(&s, r.m, r.k, NULL, &(qn_session_options){.context = 64, .kv = -1}));
    CHECK_OK(qn_ids_push(&prompt, 1));
    CHECK_OK(qn_generate(s, tok, 0, &held, &prompt, &g, gather, &said, &result));
    CHECK_VIEW(qn_buf_view(&said), text, "%s", arch);
    CHECK_INT(result.reason, QN_STOP_EOS, "%s", arch);
    qn_session_free(s);
    qn_ids_drop(&prompt);
    qn_ids_drop(&held);
    qn_buf_drop(&said);
    made_drop(&r);
    qn_dataset_close(d);
    qn_tok_free(tok);
}

/* Each family with one of the products where time is short. */
TEST(learned_by_heart_it_is_said_to_its_end) {
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t c = 0; c < QN_LEN(computes); c++)
            if (c == f || qn_test_whole())
                by_heart(families[f], computes[c]);
}
