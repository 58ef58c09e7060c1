/* tests/unit/test_recipe.c — a recipe through its JSON and back, what is missing or unknown in it; and the dial that
 * turns one number into a plan. */
#include "test.h"

#include "model/arch.h"
#include "train/dial.h"

static qn_recipe some_recipe(qn_optimizer_kind kind) {
    qn_recipe r;
    qn_recipe_init(&r, kind);
    r.context = 128;
    r.batch = 12;
    r.rows = 4;
    r.steps = r.schedule.steps = 1000;
    r.schedule.peak = 3e-3;
    return r;
}

static void put(const qn_recipe *r, qn_buf *text) {
    qn_jw w;
    qn_buf_clear(text);
    qn_jw_init(&w, text, 0);
    qn_jw_open(&w, '{');
    qn_recipe_put(r, &w);
    qn_jw_close(&w);
    CHECK_OK(qn_jw_end(&w));
}

static int take(qn_recipe *r, const char *text, size_t n) {
    qn_json j;
    qn_json_init(&j, text, n, "recipe");
    const int rc = qn_recipe_take(r, &j);
    qn_json_drop(&j);
    return rc;
}

/* ---- round trips ---- */

/* Every member with a value that is nobody's default. */
TEST(comes_back_member_by_member) {
    qn_recipe r = some_recipe(QN_OPTIMIZER_MUON), back;
    qn_buf text = {0};
    r.compute = QN_BF16;
    r.seed = 123456789012345;
    r.shards = 3;
    r.packing = QN_PACK_STREAM;
    r.recompute = 2;
    r.optimizer = (qn_optimizer_options){QN_OPTIMIZER_MUON, 0.81, 0.92, 1e-9, 0.07, 0.85, false, 0.3, false};
    r.schedule = (qn_schedule){QN_LR_WSD, 1.0 / 3, 0.05, 17, 90, 1000};
    r.clip = 0.7;
    r.dropout = 0.25;
    r.init_std = 0.03;
    r.guard = QN_GUARD_STOP;
    r.spike = 6.5;
    r.eval_every = 11, r.eval_rows = 12, r.checkpoint_every = 13, r.keep = 14, r.sample_every = 15, r.patience = 16;
    put(&r, &text);
    CHECK_OK(take(&back, text.s, text.n));
    CHECK(back.compute == r.compute && back.seed == r.seed && back.context == r.context && back.batch == r.batch);
    CHECK(back.rows == r.rows && back.shards == r.shards && back.packing == r.packing && back.steps == r.steps);
    CHECK(back.recompute == r.recompute && back.clip == r.clip && back.guard == r.guard && back.spike == r.spike);
    CHECK(back.dropout == 0.25);
    CHECK(back.init_std == 0.03);
    const qn_optimizer_options *a = &r.optimizer, *b = &back.optimizer;
    CHECK(a->kind == b->kind && a->beta1 == b->beta1 && a->beta2 == b->beta2 && a->eps == b->eps);
    CHECK(a->weight_decay == b->weight_decay && a->momentum == b->momentum && a->nesterov == b->nesterov);
    CHECK(a->muon_rate == b->muon_rate && a->muon_match_rms == b->muon_match_rms);
    CHECK(back.schedule.kind == QN_LR_WSD && back.schedule.peak == r.schedule.peak && back.schedule.floor == 0.05);
    CHECK(back.schedule.warmup == 17 && back.schedule.decay == 90 && back.schedule.steps == 1000);
    CHECK(back.eval_every == 11 && back.eval_rows == 12 && back.checkpoint_every == 13 && back.keep == 14);
    CHECK(back.sample_every == 15 && back.patience == 16);
    qn_buf_drop(&text);
}

/* Whatever a rule's defaults are, flags included, they survive. */
TEST(defaults_come_back) {
    for (int kind = QN_OPTIMIZER_ADAMW; kind <= QN_OPTIMIZER_SGD; kind++) {
        const qn_recipe r = some_recipe((qn_optimizer_kind)kind);
        qn_recipe back;
        qn_buf text = {0}, again = {0};
        put(&r, &text);
        CHECK_OK(take(&back, text.s, text.n));
        put(&back, &again);
        CHECK_VIEW(qn_buf_view(&again), text.s);
        CHECK_INT(back.optimizer.muon_match_rms, r.optimizer.muon_match_rms);
        CHECK_INT(back.optimizer.nesterov, r.optimizer.nesterov);
        qn_buf_drop(&text);
        qn_buf_drop(&again);
    }
}

/* The text without its member number i; false past the last. */
static bool without(const qn_buf *text, int member, qn_buf *out, char name[64]) {
    const char *at = strchr(text->s, '"');
    for (; at && member > 0; member--) {
        at = strstr(at, ",\"");
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return false;
    const char *end = strstr(at, ",\"");
    sscanf(at, "\"%63[^\"]", name);
    qn_buf_clear(out);
    CHECK_OK(qn_buf_put(out, text->s, (size_t)(at - text->s) - (end ? 0 : 1)));
    CHECK_OK(qn_buf_puts(out, end ? end + 1 : "}"));
    return true;
}

TEST(a_missing_member_is_named) {
    const qn_recipe r = some_recipe(QN_OPTIMIZER_ADAMW);
    qn_recipe back;
    qn_buf text = {0}, cut = {0};
    char name[64], want[96];
    bool later = false;
    int n = 0;
    put(&r, &text);
    for (; without(&text, n, &cut, name); n++) {
        snprintf(want, sizeof want, "lacks \"%s\"", name);
        if (later)                              /* manifests without it are of runs without it */
            CHECK_OK(take(&back, cut.s, cut.n));
        else
            CHECK_FAIL(take(&back, cut.s, cut.n), QN_EFORMAT, want);
        later = later || strcmp(name, "patience") == 0;
    }
    CHECK_INT(n, 51);
    qn_buf_drop(&text);
    qn_buf_drop(&cut);
}

/* The text with the first `from` replaced. */
static int take_with(const char *from, const char *to) {
    const qn_recipe r = some_recipe(QN_OPTIMIZER_ADAMW);
    qn_recipe back;
    qn_buf text = {0}, changed = {0};
    put(&r, &text);
    const char *at = strstr(text.s, from);
    CHECK(at != NULL, "%s in %s", from, text.s);
    CHECK_OK(qn_buf_put(&changed, text.s, (size_t)(at - text.s)));
    CHECK_OK(qn_buf_printf(&changed, "%s%s", to, at + strlen(from)));
    const int rc = take(&back, changed.s, changed.n);
    qn_buf_drop(&text);
    qn_buf_drop(&changed);
    return rc;
}

TEST(what_is_unknown_is_refused_or_left_aside) {
    CHECK_OK(take_with("{", "{\"of the future\": [1, {\"a\": 2}],"));
    CHECK_FAIL(take_with("\"best-fit\"", "\"worst-fit\""), QN_EFORMAT,
               "packing is \"worst-fit\"; expected one of best-fit|stream");
    CHECK_FAIL(take_with("\"adamw\"", "\"adam\""), QN_EFORMAT, "optimizer is \"adam\"; expected one of adamw|muon|sgd");
    CHECK_FAIL(take_with("\"adamw\"", "\"\""), QN_EFORMAT, "optimizer is \"\"");
    CHECK_FAIL(take_with("\"f32\"", "\"f16\""), QN_EFORMAT, "recipe: recipe: compute must be f32 or bf16");
    CHECK_FAIL(take_with("\"batch\":12", "\"batch\":0"), QN_EFORMAT, "recipe: recipe: batch is 0");
    CHECK_FAIL(take_with("\"batch\":12", "\"batch\":\"12\""), QN_EFORMAT, NULL);
    CHECK_FAIL(take_with("\"min_lr_ratio\":0.1", "\"min_lr_ratio\":1.5"), QN_EFORMAT,
               "recipe: recipe: min_lr_ratio is 1.5; expected 0 to 1");
    CHECK_FAIL(take_with("\"learning_rate\":0.003", "\"learning_rate\":null"), QN_EFORMAT, NULL);
    CHECK_FAIL(take_with("{", "["), QN_EFORMAT, NULL);
}

/* ---- the dial: shapes ---- */

static int shape(const qn_dial *d, const char *family, qn_config *c, bool *gated) {
    *c = (qn_config){.V = 8192, .tied = true};
    CHECK_OK(qn_dial_family(qn_arch_by_gguf(qn_str_of(family)), c, gated));
    return qn_dial_shape(d, *gated, c);
}

TEST(sizes_become_shapes) {
    static const char *const families[] = {"llama", "gpt2"};
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (double want = 1e5; want < 2e9; want *= 1.31) {
            qn_config c;
            qn_dial d;
            bool gated;
            qn_dial_init(&d);
            d.params = (int64_t)want;
            CHECK_OK(shape(&d, families[f], &c, &gated));
            const int64_t n = qn_dial_numbers(&c, gated);
            const int64_t step = n < 1000000 ? 64 : n < 3000000 ? 128 : 256;
            CHECK_INT(c.D % step, 0, "%s of %g: width %lld", families[f], want, (long long)c.D);
            CHECK(c.Dh == 64 && c.heads * 64 == c.D && c.kv_heads == c.heads, "%g", want);
            CHECK_INT(c.F, gated ? (c.D * 8 + 2) / 3 / 32 * 32 + ((c.D * 8 + 2) / 3 % 32 ? 32 : 0) : 4 * c.D);
            CHECK(fabs(log((double)n / want)) < 0.5, "%s: %lld numbers for %g", families[f], (long long)n, want);
            CHECK_INT(c.context, n < 3000000 ? 256 : n < 30000000 ? 512 : 1024);
        }
}

TEST(depth_is_a_size_too) {
    int64_t before = 0;
    for (int64_t depth = 1; depth <= 24; depth++) {
        qn_config c;
        qn_dial d;
        bool gated;
        qn_dial_init(&d);
        d.depth = depth;
        CHECK_OK(shape(&d, "llama", &c, &gated));
        CHECK_INT(c.layers, depth);
        CHECK(c.D >= 64 && labs((long)(c.D - 64 * depth)) <= 128, "%d layers: width %d", (int)depth, (int)c.D);
        CHECK(qn_dial_numbers(&c, gated) > before);
        before = qn_dial_numbers(&c, gated);
    }
}

TEST(what_is_given_counts) {
    qn_config c;
    qn_dial d;
    bool gated;
    qn_dial_init(&d);
    d.depth = 4;
    d.dim = 96, d.heads = 6, d.kv_heads = 2, d.ff = 100, d.context = 99;
    CHECK_OK(shape(&d, "llama", &c, &gated));
    CHECK(c.layers == 4 && c.D == 96 && c.heads == 6 && c.kv_heads == 2 && c.F == 100 && c.Dh == 16 && c.context == 99);
    qn_dial_init(&d);
    d.dim = 32;                                 /* narrower than a head */
    CHECK_OK(shape(&d, "llama", &c, &gated));
    CHECK(c.heads == 1 && c.Dh == 32);
}

TEST(what_does_not_fit_names_its_option) {
    static const struct { int64_t depth, params, dim, heads, kv_heads; const char *family, *want; } cases[] = {
        {4, 1000000, -1, -1, -1, "llama", "--depth and --params"},
        {-1, 1000000000000, -1, -1, -1, "llama", "--params: the dial ends at 256 layers of width 8192"},
        {-1, -1, 33, -1, -1, "llama", "--dim 33"},
        {-1, -1, 96, 5, -1, "llama", "--heads 5"},
        {-1, -1, 96, 32, -1, "llama", "--heads 32"},
        {-1, -1, 96, 6, 4, "llama", "--kv-heads 4"},
        {-1, -1, 96, 6, 12, "llama", "--kv-heads 12"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_config c;
        qn_dial d;
        bool gated;
        qn_dial_init(&d);
        d.depth = cases[i].depth, d.params = cases[i].params, d.dim = cases[i].dim, d.heads = cases[i].heads;
        d.kv_heads = cases[i].kv_heads;
        CHECK_FAIL(shape(&d, cases[i].family, &c, &gated), QN_EINVAL, cases[i].want, "case %zu", i);
    }
}

/* ---- the dial: runs ---- */

static qn_recipe run_of(const qn_dial *d, int64_t corpus, qn_config *c) {
    qn_recipe r;
    bool gated;
    qn_recipe_init(&r, QN_OPTIMIZER_ADAMW);
    r.eval_every = r.eval_rows = r.checkpoint_every = r.sample_every = -1;
    CHECK_OK(shape(d, "llama", c, &gated));
    CHECK_OK(qn_dial_run(d, c, gated, corpus, &r));
    CHECK_OK(qn_recipe_check(&r));
    return r;
}

TEST(four_times_over_the_data_is_the_most) {
    const qn_recipe r = {.batch = 4, .context = 32};
    CHECK_INT(qn_dial_most_steps(&r, 3200), 100);
    CHECK_INT(qn_dial_most_steps(&r, 3231), 100);
    CHECK_INT(qn_dial_most_steps(&r, 1), 1, "one step, whatever there is");
    CHECK(qn_dial_most_steps(&r, INT64_MAX / 2) > INT64_MAX / 512);
}

TEST(a_run_follows_from_its_model_and_data) {
    qn_config c;
    qn_dial d;
    qn_dial_init(&d);
    d.params = 3000000;
    qn_recipe r = run_of(&d, INT64_C(1000000000), &c);
    const double tokens = (double)(r.steps * r.batch * r.context);
    CHECK_NEAR(tokens / (20.0 * (double)qn_dial_numbers(&c, true)), 1, 0.05, "20 tokens for each number");
    CHECK_NEAR(r.schedule.peak, 3e-3 * pow(128.0 / (double)c.D, 0.75), 1e-9);
    CHECK(r.rows * r.context <= 4096 && r.rows <= r.batch && r.schedule.warmup >= 10);
    CHECK(r.eval_every > 0 && r.checkpoint_every > 0 && r.sample_every > 0 && r.eval_rows >= 32);
    r = run_of(&d, 500000, &c);
    CHECK(r.steps * r.batch * r.context <= 4 * 500000, "over the data four times at most");
}

/* A checkpoint takes as long as many steps of a tiny model, and as few of a large one. */
TEST(tiny_steps_are_not_saved_often) {
    qn_config c;
    qn_dial d;
    qn_dial_init(&d);
    d.layers = 1, d.dim = 32, d.context = 32, d.batch = 4, d.steps = 400;
    qn_recipe r = run_of(&d, 100000, &c);
    CHECK_INT(r.eval_every, 32, "32 rows are looked at, after 128 of training");
    CHECK_INT(r.eval_rows, 32);
    CHECK_INT(r.checkpoint_every, 400);
    d.steps = 50;
    r = run_of(&d, 100000, &c);
    CHECK_INT(r.eval_every, 13, "a short run is evaluated four times");
    d.steps = 1;
    r = run_of(&d, 100000, &c);
    CHECK_INT(r.eval_every, 1);
    d.steps = 4000;
    r = run_of(&d, 100000, &c);
    CHECK_INT(r.eval_every, 200, "a twentieth");
    CHECK_INT(r.eval_rows, 200);
    d.steps = 400000;
    r = run_of(&d, 100000, &c);
    CHECK_INT(r.checkpoint_every, 40000, "a tenth of a long run");
    qn_dial_init(&d);
    d.params = 3000000, d.steps = 40;
    r = run_of(&d, INT64_C(1000000000), &c);
    CHECK_INT(r.checkpoint_every, 4);
}

TEST(a_tiny_corpus_makes_a_run_all_the_same) {
    for (int64_t corpus = 1; corpus < 3000; corpus = corpus * 3 + 1) {
        qn_config c;
        qn_dial d;
        qn_dial_init(&d);
        const qn_recipe r = run_of(&d, corpus, &c);
        CHECK(r.steps >= 1 && r.batch >= 1 && r.rows >= 1 && r.schedule.warmup <= r.steps, "%d tokens", (int)corpus);
    }
}

TEST(what_is_given_of_a_run_counts) {
    qn_config c;
    qn_dial d;
    qn_dial_init(&d);
    d.context = 64, d.batch = 24, d.micro = 3, d.steps = 500, d.warmup = 7, d.rate = 0.5;
    qn_recipe r = run_of(&d, 100000, &c);
    CHECK(r.context == 64 && r.batch == 24 && r.rows == 3 && r.steps == 500);
    CHECK(r.schedule.warmup == 7 && r.schedule.peak == 0.5 && r.schedule.steps == 500);
    qn_dial_init(&d);
    d.tokens = 64000, d.context = 64, d.batch = 10;
    r = run_of(&d, 1000, &c);
    CHECK_INT(r.steps, 100);
    for (int64_t step = 0; step < 100; step++)
        CHECK(qn_schedule_rate(&r.schedule, step) >= 0);
}
