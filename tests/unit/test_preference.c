/* tests/unit/test_preference.c — steps over answers that are judged: they begin at ln 2, batches are cut into passes of
 * any size, what is preferred becomes more probable, and a run is a pure function of model, data and recipe. The losses
 * alone: test_objective.c; gradients: test_objective_grad.c. */
/* full: WHOLE=1 */
#include "make_training.h"

#define LN2 0x1.62e42fefa39efp-1
enum { CONTEXT = 40 };

/* Questions of many lengths; good answers are of one kind of letters, the others of another. */
static const qn_examples *lessons(bool pairs) {
    static qn_examples *all[2];
    qn_prompter p = {0};
    qn_buf text = {0};
    if (all[pairs])
        return all[pairs];
    qn_tok *tok = data_tok(true);
    for (int i = 0; i < 60; i++) {
        const int question = 1 + i * 5 % 11, good = 1 + i * 3 % 7, bad = 1 + i * 5 % 8;
        CHECK_OK(qn_buf_printf(&text, "{\"prompt\":\"%.*s\",", question, "abcdefghijkl"));
        if (pairs)
            CHECK_OK(qn_buf_printf(&text, "\"chosen\":\"%.*s\",\"rejected\":\"%.*s\"}\n", good, "zyxwvuts", bad,
                                   "01234567"));
        else
            CHECK_OK(qn_buf_printf(&text, "\"completion\":\"%.*s\",\"label\":%s}\n", i % 2 ? good : bad,
                                   i % 2 ? "zyxwvuts" : "01234567", i % 2 ? "true" : "false"));
    }
    const char *paths[] = {qn_test_write(pairs ? "pairs.jsonl" : "labels.jsonl", text.s, text.n)};
    static const char template[] = "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}>{% endif %}"
                                   "{% endfor %}";
    CHECK_OK(qn_prompter_init(&p, QN_STR(template), "test", tok));
    CHECK_OK(qn_examples_read(&all[pairs], &p, tok, &(qn_examples_options){.path = paths, .n_paths = 1,
                                                                            .validation = 0.2, .context = CONTEXT}));
    qn_prompter_drop(&p);
    qn_tok_free(tok);
    qn_buf_drop(&text);
    return all[pairs];
}

static make_options lesson(int kind) {
    const qn_objective_info *info = qn_objective_get(kind);
    make_options o = MAKE;
    o.examples = lessons(info->from == QN_LEARNS_PAIRS);
    o.objective = (qn_objective){.kind = kind, .beta = info->beta, .margin = info->margin, .good = 1, .bad = 1};
    o.batch = 4;
    o.rate = 1e-3;
    return o;
}

/* ---- the beginning ---- */

static void begins(const make_options *o, const char *what) {
    qn_step_report report;
    qn_measured m;
    made r = make(o);
    CHECK_OK(qn_trainer_measure(r.t, &m));
    CHECK(m.loss == LN2, "%s: measured %.17g", what, m.loss);
    CHECK_OK(qn_trainer_step(r.t, &report));
    CHECK(report.loss == LN2, "%s: %.17g", what, report.loss);
    CHECK(report.judged.n > 4 && report.judged.margin == 0 && report.judged.reward[0] == 0, "%s", what);
    CHECK(report.judged.accuracy == 0 && report.judged.moved[0] == 0 && report.judged.logp[0] < 0, "%s", what);
    CHECK(report.grad_norm > 0, "%s", what);
    made_drop(&r);
}

/* To the bit, whatever stands side by side: the reference is made in passes of two rows. Sizes of passes take turns
 * where time is short. */
TEST(the_first_loss_is_ln_2) {
    static const char *const families[] = {"llama", "gpt2"};
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (int bf16 = 0; bf16 < 2; bf16++)
            for (int64_t rows = 1; rows <= 4; rows *= 2) {
                char what[64];
                if (!qn_test_whole() && rows != (int64_t)1 << ((int)f + bf16))
                    continue;
                make_options o = lesson(QN_OBJECTIVE_SIGMOID);
                o.arch = families[f];
                o.compute = bf16 ? QN_BF16 : QN_F32;
                o.rows = rows;
                o.threads = 1 + (int)rows % 3;
                snprintf(what, sizeof what, "%s, bf16 %d, %d rows a pass", o.arch, bf16, (int)rows);
                begins(&o, what);
            }
}

TEST(the_first_divergence_is_0) {
    make_options o = lesson(QN_OBJECTIVE_KTO);
    qn_step_report report;
    made r = make(&o);
    CHECK_OK(qn_trainer_step(r.t, &report));
    CHECK(report.judged.kl == 0 && report.loss == 0.5, "%.17g, %.17g", report.judged.kl, report.loss);
    CHECK(isnan(report.judged.accuracy));
    made_drop(&r);
}

/* ---- passes ---- */

TEST(a_batch_is_cut_into_passes_of_any_size) {
    const int64_t rows[] = {8, 4, 3, 1}, shards[] = {1, 2, 1, 8};
    for (int kind = 1; kind < QN_OBJECTIVES; kind++) {
        const char *name = qn_objective_get(kind)->name;
        qn_step_report first, report;
        for (size_t i = 0; i < QN_LEN(rows); i++) {
            make_options o = lesson(kind);
            if (i > 0 && !qn_test_whole() && i != 1 + (size_t)kind % 3)     /* cuts take turns */
                continue;
            o.batch = 8;
            o.rows = rows[i];
            o.shards = shards[i];
            made r = make(&o);
            CHECK_OK(qn_trainer_step(r.t, &report));        /* the second: then policy and reference differ */
            CHECK_OK(qn_trainer_step(r.t, &report));
            if (i == 0)
                first = report;
            CHECK_INT(report.tokens, first.tokens);
            CHECK_INT(report.judged.n, first.judged.n);
            CHECK_NEAR(report.loss, first.loss, 1e-5 * first.loss, "%s, passes of %d rows", name, (int)rows[i]);
            CHECK_NEAR(report.grad_norm, first.grad_norm, 1e-4 * first.grad_norm, "%s", name);
            made_drop(&r);
        }
    }
}

/* ---- learning ---- */

TEST(what_is_preferred_becomes_more_probable) {
    for (int kind = 1; kind < QN_OBJECTIVES; kind++) {
        make_options o = lesson(kind);
        qn_measured before, after;
        o.steps = 30;
        o.rate = 3e-3;
        made r = make(&o);
        CHECK_OK(qn_trainer_measure(r.t, &before));
        made_steps(&r, 30, NULL);
        CHECK_OK(qn_trainer_measure(r.t, &after));
        print_message("%s: loss %.4f to %.4f, margin %.4f to %.4f\n", qn_objective_get(kind)->name, before.loss,
                      after.loss, before.judged.margin, after.judged.margin);
        CHECK(after.loss < before.loss && after.judged.margin > before.judged.margin + 0.02, "%s",
              qn_objective_get(kind)->name);
        if (kind != QN_OBJECTIVE_KTO)
            CHECK(after.judged.accuracy >= 0.9, "%s: %g", qn_objective_get(kind)->name, after.judged.accuracy);
        else
            CHECK(after.judged.kl >= 0);
        made_drop(&r);
    }
}

/* An anchor holds what both rewards would lose. */
TEST(an_anchor_holds_the_chosen) {
    double moved[2];
    for (int anchored = 0; anchored < 2; anchored++) {
        make_options o = lesson(QN_OBJECTIVE_SIGMOID);
        qn_measured m;
        o.rate = 3e-3;
        o.steps = 30;
        o.objective.anchor = anchored;
        made r = make(&o);
        made_steps(&r, 30, NULL);
        CHECK_OK(qn_trainer_measure(r.t, &m));
        moved[anchored] = m.judged.moved[0];
        made_drop(&r);
    }
    CHECK(moved[1] > moved[0] && moved[1] > 0, "%g, %g", moved[0], moved[1]);
}

/* ---- the same bits ---- */

TEST(threads_change_no_bit) {
    for (int kind = 1; kind < QN_OBJECTIVES; kind++) {
        make_options o = lesson(kind);
        made a = make(&o);
        o.threads = 3;
        made b = make(&o);
        made_steps(&a, 3, NULL);
        made_steps(&b, 3, NULL);
        made_same(&a, &b, qn_objective_get(kind)->name);
        made_drop(&a);
        made_drop(&b);
    }
}

/* Stopped after two steps, its reference on disk, taken up by other threads. */
static void in_two_halves(int kind) {
    char dir[64], file[64], last[96];
    make_options o = lesson(kind);
    made whole = make(&o), first = make(&o);
    snprintf(dir, sizeof dir, "halves-%d", kind);
    snprintf(file, sizeof file, "reference-%d", kind);
    snprintf(last, sizeof last, "%s/last", dir);
    made_steps(&whole, 4, NULL);
    if (qn_trainer_has_reference(first.t))
        CHECK_OK(qn_trainer_reference_make(first.t, made_path(file), NULL, "0123456789abcdef0123456789abcdef"));
    made_steps(&first, 2, NULL);
    CHECK_OK(qn_checkpoint_write(made_path(dir), first.p, first.t->optimizer, &first.t->state,
                                 &(qn_checkpoint_texts){0}, false));
    made_drop(&first);
    o.threads = 2;
    o.resumed = true;
    made second = make(&o);
    if (qn_trainer_has_reference(second.t))
        CHECK_INT(qn_trainer_reference_open(second.t, made_path(file), "0123456789abcdef0123456789abcdef"), 1);
    CHECK_OK(qn_trainer_take_up(second.t, made_path(last)));
    made_steps(&second, 2, NULL);
    made_same(&whole, &second, qn_objective_get(kind)->name);
    made_drop(&whole);
    made_drop(&second);
}

TEST(halves_make_a_whole) {
    for (int kind = 1; kind < QN_OBJECTIVES; kind++)
        in_two_halves(kind);
}

/* ---- the reference on disk ---- */

static void damage(const char *path, long at) {
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, at, SEEK_SET) == 0);
    const int byte = fgetc(f);
    CHECK(fseek(f, at, SEEK_SET) == 0 && fputc(byte ^ 1, f) != EOF && fclose(f) == 0);
}

TEST(a_reference_is_kept_and_checked) {
    const make_options o = lesson(QN_OBJECTIVE_SIGMOID);
    const qn_examples *e = lessons(true);
    made r = make(&o);
    qn_reference back;
    char key[QN_REFERENCE_KEY], other[QN_REFERENCE_KEY];
    const char *path = made_path("kept");
    CHECK_OK(qn_reference_key(r.m, NULL, e, NULL, key));
    CHECK_OK(qn_trainer_reference_make(r.t, path, NULL, key));
    CHECK_OK(qn_reference_open(&back, path, e, key));
    for (int k = 0; k < QN_SPLITS; k++)
        CHECK(memcmp(back.sum[k], r.t->judge.reference.sum[k], (size_t)back.n[k] * 2 * sizeof(double)) == 0);
    qn_reference_drop(&back);
    made_steps(&r, 1, NULL);
    CHECK_OK(qn_reference_key(r.m, NULL, e, NULL, other));
    CHECK(strcmp(key, other) != 0, "other weights, another key");
    CHECK_FAIL(qn_reference_open(&back, path, e, other), QN_EINVAL, "of other weights or examples");
    CHECK_OK(qn_reference_key(r.m, NULL, lessons(false), NULL, other));
    CHECK_FAIL(qn_reference_open(&back, path, lessons(false), other), QN_EINVAL, "of other weights or examples");
    CHECK_FAIL(qn_reference_open(&back, made_path("nowhere"), e, key), QN_ENOTFOUND, "no such file");
    CHECK_INT(qn_trainer_reference_open(r.t, path, key), 1);
    damage(path, 100);
    CHECK_FAIL(qn_reference_open(&back, path, e, key), QN_EFORMAT, "is damaged");
    CHECK_INT(truncate(path, 90), 0);
    CHECK_FAIL(qn_reference_open(&back, path, e, key), QN_ETRUNC, "expected");
    damage(path, 0);
    CHECK_FAIL(qn_reference_open(&back, path, e, key), QN_EFORMAT, "holds no sums");
    made_drop(&r);
}

/* Weights and examples: above. What is done with the weights, how they multiply, the adapter that a run goes on with:
 * each makes another key. */
TEST(a_key_names_what_sums_hang_on) {
    const make_options o = lesson(QN_OBJECTIVE_SIGMOID);
    const qn_examples *e = lessons(true);
    made r = make(&o);
    qn_config *c = &r.m->cfg;
    const qn_config own = *c;
    char key[QN_REFERENCE_KEY], other[QN_REFERENCE_KEY], third[QN_REFERENCE_KEY];
    CHECK_OK(qn_reference_key(r.m, NULL, e, NULL, key));
    for (int what = 0; what < 7; what++) {
        c->norm_eps *= what == 0 ? 2 : 1;
        c->rope.base *= what == 1 ? 2 : 1;
        c->rope.scaling = what == 2 ? QN_ROPE_LINEAR : c->rope.scaling;
        c->rope.factor = what == 2 ? 2 : c->rope.factor;
        c->window += what == 3 ? 8 : 0;
        c->kv_heads += what == 4;
        c->compute = what == 5 ? QN_BF16 : c->compute;
        c->act = what == 6 ? (qn_act)!c->act : c->act;
        CHECK_OK(qn_reference_key(r.m, NULL, e, NULL, other));
        CHECK(strcmp(key, other) != 0, "number %d", what);
        *c = own;
    }
    CHECK_OK(qn_reference_key(r.m, NULL, e, NULL, other));
    CHECK_STR(other, key);
    for (uint64_t seed = 1; seed < 3; seed++) {
        const qn_lora_options lora = {.rank = 2, .alpha = 4, .seed = seed};
        qn_adapter *a;
        CHECK_OK(qn_adapter_fresh(&a, r.m, &lora, NULL));
        CHECK_OK(qn_reference_key(r.m, a, e, NULL, seed == 1 ? other : third));
        qn_adapter_free(a);
    }
    CHECK(strcmp(key, other) != 0 && strcmp(other, third) != 0 && strcmp(key, third) != 0);
    made_drop(&r);
}

/* ---- what does not go together ---- */

TEST(chats_and_texts_are_refused) {
    make_options o = MAKE;
    made r = make(&o);
    qn_trainer *t;
    r.recipe.objective = (qn_objective){.kind = QN_OBJECTIVE_SIGMOID, .beta = 0.1};
    const qn_train_setup s = {.recipe = &r.recipe, .params = r.p, .data = made_data(), .kernels = r.k};
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "learned from examples");
    made_drop(&r);
}

/* A step allocates nothing after the first. */
TEST(steps_allocate_nothing) {
    for (int kind = 1; kind < QN_OBJECTIVES; kind++) {
        const make_options o = lesson(kind);
        qn_step_report report;
        made r = make(&o);
        made_steps(&r, 1, NULL);
        const int64_t before = qn_mem_calls();
        CHECK_OK(qn_trainer_step(r.t, &report));
        CHECK_INT(qn_mem_calls(), before, "%s", qn_objective_get(kind)->name);
        made_drop(&r);
    }
}
