/* test_sft.c — steps over examples: what is not taught has no part in the loss, batches are cut into passes of any
 * size, noise on the embedding belongs to training alone. Gradients of masked batches against torch:
 * test_gradients.c. */
#include "make_training.h"

/* Questions of many lengths with answers of other lengths: rows differ in what of them is taught. */
static const qn_examples *lessons(void) {
    static qn_examples *e;
    qn_prompter p = {0};
    qn_buf text = {0};
    if (e)
        return e;
    qn_tok *tok = data_tok(true);
    for (int i = 0; i < 60; i++)
        CHECK_OK(qn_buf_printf(&text, "{\"prompt\":\"%.*s\",\"completion\":\"%.*s\"}\n", 1 + i * 5 % 11, "abcdefghijkl",
                               1 + i * 3 % 7, "zyxwvuts"));
    const char *paths[] = {qn_test_write("lessons.jsonl", text.s, text.n)};
    static const char template[] = "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}>{% endif %}"
                                   "{% endfor %}";
    CHECK_OK(qn_prompter_init(&p, QN_STR(template), "test", tok));
    CHECK_OK(qn_examples_read(&e, &p, tok, &(qn_examples_options){.path = paths, .n_paths = 1, .validation = 0.2,
                                                                  .context = 40}));
    qn_prompter_drop(&p);
    qn_tok_free(tok);
    qn_buf_drop(&text);
    return e;
}

static make_options lesson(void) {
    make_options o = MAKE;
    o.examples = lessons();
    o.batch = 8;
    return o;
}

TEST(answers_are_learned) {
    make_options o = lesson();
    double loss[60];
    qn_measured before, after;
    o.steps = 60;
    made r = make(&o);
    CHECK_OK(qn_trainer_measure(r.t, &before));
    made_steps(&r, 60, loss);
    CHECK_OK(qn_trainer_measure(r.t, &after));
    CHECK(after.loss < 0.3 * before.loss, "from %g to %g", before.loss, after.loss);
    CHECK(before.tokens > 0 && isfinite(after.bits_per_byte));
    made_drop(&r);
}

/* Σ over the tokens of the whole batch, divided by their number, whatever a pass holds: the same gradient. */
TEST(a_batch_is_cut_into_passes_of_any_size) {
    const int64_t rows[] = {8, 4, 1}, shards[] = {1, 2, 8};
    make_options o = lesson();
    qn_step_report first, report;
    for (size_t i = 0; i < QN_LEN(rows); i++) {
        o.rows = rows[i];
        o.shards = shards[i];
        made r = make(&o);
        CHECK_OK(qn_trainer_step(r.t, &report));
        if (i == 0)
            first = report;
        CHECK_INT(report.tokens, first.tokens);
        CHECK_NEAR(report.loss, first.loss, 1e-6 * first.loss, "passes of %lld rows", (long long)rows[i]);
        CHECK_NEAR(report.grad_norm, first.grad_norm, 1e-5 * first.grad_norm);
        made_drop(&r);
    }
}

/* What stands behind no mask is only read: other targets there change nothing. The tokens counted are those taught. */
TEST(only_what_is_taught_counts) {
    make_options o = lesson();
    qn_step_report report;
    made r = make(&o);
    qn_examples_stats s;
    qn_examples_stats_get(lessons(), &s);
    CHECK_OK(qn_trainer_step(r.t, &report));
    int64_t taught = 0, read = 0;
    for (int64_t i = 0; i < o.batch; i++)
        for (int64_t t = 0; t < r.t->row[i].n; t++, read++)
            taught += r.t->row[i].targets[t] >= 0;
    CHECK_INT(report.tokens, taught);
    CHECK(taught < read && taught > read / 8, "%lld of %lld", (long long)taught, (long long)read);
    made_drop(&r);
}

TEST(noise_is_drawn_by_number_and_only_in_training) {
    make_options plain = lesson(), noisy = lesson();
    qn_step_report a, b, c;
    qn_measured m, n;
    noisy.neftune = 50;
    made p = make(&plain), q = make(&noisy);
    noisy.rows = 1;
    noisy.threads = 3;
    made s = make(&noisy);
    CHECK_OK(qn_trainer_measure(p.t, &m));
    CHECK_OK(qn_trainer_measure(q.t, &n));
    CHECK(m.loss == n.loss, "an evaluation knows no noise: %.9g, %.9g", m.loss, n.loss);
    CHECK_OK(qn_trainer_step(p.t, &a));
    CHECK_OK(qn_trainer_step(q.t, &b));
    CHECK_OK(qn_trainer_step(s.t, &c));
    CHECK(fabs(a.loss - b.loss) > 1e-4 * a.loss, "noise is there: %.9g, %.9g", a.loss, b.loss);
    CHECK_NEAR(b.loss, c.loss, 1e-6 * b.loss, "in passes of one row by three threads");
    made_drop(&p);
    made_drop(&q);
    made_drop(&s);
}

TEST(a_model_with_too_few_rows_is_refused) {
    make_options o = lesson();
    made r = make(&o);
    qn_trainer *t;
    r.m->cfg.V = 200;
    const qn_train_setup s = {.recipe = &r.recipe, .params = r.p, .examples = lessons(), .kernels = r.k};
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "its tokenizer has 258 ids");
    r.m->cfg.V = 258;
    made_drop(&r);
}
