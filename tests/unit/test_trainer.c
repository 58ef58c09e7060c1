/* tests/unit/test_trainer.c — a run is a pure function of model, data and recipe: not of threads, of where it was
 * stopped, of what was measured on the way. And what guards it. */
/* full: WHOLE=1 */
#include "make_training.h"

#include "base/dir.h"
#include "infer/session.h"

enum { HALF = 2, WHOLE = 2 * HALF };

static const char *const families[] = {"llama", "gpt2"};
static const qn_optimizer_kind kinds[] = {QN_OPTIMIZER_ADAMW, QN_OPTIMIZER_MUON, QN_OPTIMIZER_SGD};
static const int computes[] = {QN_F32, QN_BF16};

typedef void case_fn(make_options *o, const char *what);

/* Every family, rule and product. */
static void for_each_case(case_fn *fn) {
    char what[64];
    for (size_t f = 0; f < QN_LEN(families); f++)
        for (size_t k = 0; k < QN_LEN(kinds); k++)
            for (size_t c = 0; c < QN_LEN(computes); c++) {
                make_options o = MAKE;
                o.arch = families[f];
                o.kind = kinds[k];
                o.compute = computes[c];
                snprintf(what, sizeof what, "%s, rule %d, %s", o.arch, (int)o.kind,
                         qn_dtype_get((qn_dtype)o.compute)->name);
                fn(&o, what);
            }
}

/* ---- threads ---- */

static void on_threads(make_options *o, const char *what) {
    double want[HALF], got[HALF];
    made one = make(o);
    made_steps(&one, HALF, want);
    for (o->threads = qn_test_whole() ? 2 : 3; o->threads <= 3; o->threads++) {
        made more = make(o);
        made_steps(&more, HALF, got);
        CHECK(memcmp(want, got, sizeof want) == 0, "%s: losses on %d threads", what, o->threads);
        made_same(&one, &more, what);
        made_drop(&more);
    }
    made_drop(&one);
}

TEST(threads_change_no_bit) { for_each_case(on_threads); }

/* ---- stopped and taken up ---- */

/* N steps, a checkpoint, everything gone; N more in another process's place. */
static void in_two_halves(make_options *o, const char *what) {
    static int runs;
    double want[WHOLE], got[WHOLE];
    char name[32];
    snprintf(name, sizeof name, "halves-%d", runs++);
    const char *run = made_path(name), *last;
    made whole = make(o), first = make(o);
    made_steps(&whole, WHOLE, want);
    made_steps(&first, HALF, got);
    CHECK_OK(qn_checkpoint_write(run, first.p, first.t->optimizer, &first.t->state, &(qn_checkpoint_texts){0}, false));
    made_drop(&first);
    o->threads = 2;
    made second = make(o);
    snprintf(name + strlen(name), sizeof name - strlen(name), "/last");
    last = made_path(name);
    CHECK_OK(qn_trainer_take_up(second.t, last), "%s", what);
    CHECK_INT(qn_trainer_state(second.t)->step, HALF);
    made_steps(&second, HALF, got + HALF);
    CHECK(memcmp(want, got, sizeof want) == 0, "%s: losses", what);
    CHECK_INT(second.t->state.tokens, whole.t->state.tokens);
    CHECK(memcmp(second.t->state.window, whole.t->state.window, sizeof whole.t->state.window) == 0);
    made_same(&whole, &second, what);
    made_drop(&whole);
    made_drop(&second);
}

TEST(halves_make_a_whole) { for_each_case(in_two_halves); }

/* ---- shards ---- */

TEST(shards_give_the_same_bits_again) {
    for (int64_t shards = qn_test_whole() ? 1 : 2; shards <= 4; shards += qn_test_whole() ? 1 : 2) {
        make_options o = MAKE;
        o.batch = 12;
        o.rows = 2;
        o.shards = shards;
        made a = make(&o);
        o.threads = 3;
        made b = make(&o);
        made_steps(&a, HALF, NULL);
        made_steps(&b, HALF, NULL);
        made_same(&a, &b, "shards");
        made_drop(&a);
        made_drop(&b);
    }
}

/* The sum over passes and shards is the sum over the batch, up to rounding: per parameter, relative to its norm. (Keys'
 * biases of GPT-2 have none to speak of: softmax does not see them.) */
static void check_near(const qn_params *p, const float *a, const float *b, double tolerance, const char *what) {
    double all = 0;
    for (size_t i = 0; i < p->numbers; i++)
        all += (double)a[i] * (double)a[i];
    for (size_t i = 0; i < p->n; i++) {
        const qn_slot *s = &p->slot[i];
        double off = 0, norm = 1e-8 * all;
        for (size_t k = s->at; k < s->at + (size_t)(s->rows * s->cols); k++) {
            off += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
            norm += (double)a[k] * (double)a[k];
        }
        CHECK(norm > 0, "%s: %s", what, s->p->gguf);
        CHECK_NEAR(sqrt(off / norm), 0, tolerance, "%s: %s of layer %d", what, s->p->gguf, (int)s->layer);
    }
}

TEST(a_batch_is_the_sum_of_its_passes) {
    static const struct { int64_t rows, shards; } cut[] = {
        {4, 1}, {2, 1}, {3, 1}, {1, 1}, {8, 2}, {2, 2}, {1, 8}, {2, 4},
    };
    for (size_t f = 0; f < QN_LEN(families); f++) {
        make_options o = MAKE;
        qn_step_report want, got;
        o.arch = families[f];
        o.batch = o.rows = 8;
        made whole = make(&o);
        CHECK_OK(qn_trainer_step(whole.t, &want));
        for (size_t i = 0; i < QN_LEN(cut); i++) {
            if (!qn_test_whole() && i % 2 != f)             /* each cut in one of the families */
                continue;
            o.rows = cut[i].rows;
            o.shards = cut[i].shards;
            made parts = make(&o);
            CHECK_OK(qn_trainer_step(parts.t, &got));
            CHECK_INT(got.tokens, want.tokens);
            CHECK_NEAR(got.loss, want.loss, 1e-7 * want.loss, "%d rows, %d shards", (int)o.rows, (int)o.shards);
            CHECK_NEAR(got.grad_norm, want.grad_norm, 1e-6 * want.grad_norm);
            check_near(whole.p, qn_engine_grad(whole.t->engine), qn_engine_grad(parts.t->engine), 1e-6, o.arch);
            made_drop(&parts);
        }
        made_drop(&whole);
    }
}

/* ---- dropout ---- */

/* A mask is a function of seed, step and place: whatever is computed again on the way back, on however many threads, it
 * drops the same numbers; and passes of one row drop what a pass of all would have. */
TEST(what_is_dropped_stays_dropped_when_it_is_computed_again) {
    static const int again[] = {QN_KEEP_ALL, QN_RECOMPUTE_CHEAP, QN_RECOMPUTE_LAYERS};
    for (size_t f = 0; f < QN_LEN(families); f++) {
        qn_step_report want, got;
        make_options o = MAKE;
        o.arch = families[f];
        made undropped = make(&o);
        o.dropout = 0.2;
        o.rows = 4;
        made whole = make(&o);
        CHECK_OK(qn_trainer_step(undropped.t, &got));
        CHECK_OK(qn_trainer_step(whole.t, &want));
        CHECK(fabs(got.loss - want.loss) > 1e-4 * want.loss, "nothing was dropped");
        o.rows = 1;
        made rows = make(&o);
        CHECK_OK(qn_trainer_step(rows.t, &got));
        CHECK_NEAR(got.loss, want.loss, 1e-7 * want.loss);
        check_near(whole.p, qn_engine_grad(whole.t->engine), qn_engine_grad(rows.t->engine), 1e-6, o.arch);
        for (size_t i = 0; i < QN_LEN(again); i++) {
            o.rows = 4;
            o.recompute = again[i];
            o.threads = 1 + (int)i;
            made other = make(&o);
            CHECK_OK(qn_trainer_step(other.t, &got));
            CHECK(got.loss == want.loss, "%s, policy %d: %.9g, %.9g", o.arch, again[i], got.loss, want.loss);
            made_same(&whole, &other, o.arch);
            made_drop(&other);
        }
        made_drop(&rows);
        made_drop(&whole);
        made_drop(&undropped);
    }
}

/* ---- bits per byte ---- */

/* Of text alone. A fresh model gives every token ln V or nearly; ends of documents stand for no byte, so neither their
 * loss nor they count, and the bytes are those that the documents have in files. */
TEST(bits_per_byte_leave_out_what_is_no_text) {
    make_options o = MAKE;
    made r = make(&o);
    qn_measured m;
    r.t->recipe.eval_rows = 0;
    CHECK_OK(qn_trainer_measure(r.t, &m));
    const qn_split_info held = qn_dataset_info(made_data(), QN_SPLIT_VALIDATION);
    CHECK_INT(m.tokens, held.tokens - held.documents, "each token but the first of a document");
    const double of_text = m.bits_per_byte * (double)held.bytes * 0.69314718055994531;
    CHECK_NEAR(of_text / (m.loss * (double)(m.tokens - held.documents)), 1, 0.01);
    CHECK(of_text < 0.99 * m.loss * (double)m.tokens, "ends of documents were counted");
    made_drop(&r);
}

/* ---- a run with everything on the way ---- */

typedef struct { made *r; int64_t stop_at, measured, saved, sampled, steps; int fails; atomic_bool cancel; } watching;

static int on_step(void *arg, const qn_step_report *r) {
    watching *w = arg;
    w->steps++;
    CHECK_INT(r->step, w->r->t->state.step);
    if (r->step == w->stop_at)
        atomic_store(&w->cancel, true);
    return w->fails && r->step == w->fails ? qn_fail(QN_EIO, "the watcher has seen enough") : 0;
}

static int on_measured(void *arg, QN_UNUSED int64_t step, const qn_measured *m, QN_UNUSED bool best) {
    watching *w = arg;
    w->measured++;
    CHECK(m->loss > 0 && m->bits_per_byte > 0 && m->tokens > 0);
    return 0;
}

static int on_saved(void *arg, QN_UNUSED int64_t step, QN_UNUSED double seconds) {
    ((watching *)arg)->saved++;
    return 0;
}

static int on_sample(void *arg, QN_UNUSED int64_t step, const qn_model *m) {
    watching *w = arg;
    const int32_t ids[] = {1, 40, 50};
    const qn_session_options o = {.context = 32, .kv = -1};
    qn_session *s;
    CHECK_OK(qn_session_new(&s, m, w->r->k, w->r->pool, &o));
    CHECK_OK(qn_session_feed(s, &(qn_feed){0, ids, 3, QN_LOGITS_NONE}, 1, NULL, NULL));
    qn_session_free(s);
    w->sampled++;
    return 0;
}

static qn_train_hooks hooks_of(watching *w) {
    return (qn_train_hooks){.step = on_step, .measured = on_measured, .saved = on_saved, .sample = on_sample, .arg = w,
                            .cancel = &w->cancel};
}

/* To its end, or to step `stop`. */
static qn_run_end run_to(make_options *o, watching *w, int64_t stop, made *r) {
    qn_run_end end;
    *w = (watching){.r = r, .stop_at = stop, .fails = w->fails};
    o->hooks = hooks_of(w);
    *r = make(o);
    if (o->resumed)
        CHECK_OK(qn_trainer_take_up(r->t, made_path("watched/last")));
    CHECK_OK(qn_trainer_run(r->t, &end));
    return end;
}

static int64_t count_lines(const char *path) {
    qn_buf b = {0};
    int64_t n = 0;
    CHECK_OK(qn_read_file(&b, path, SIZE_MAX));
    for (size_t i = 0; i < b.n; i++)
        n += b.s[i] == '\n';
    qn_buf_drop(&b);
    return n;
}

/* Measured, sampled, saved, stopped twice: the bits are those of bare steps. */
TEST(looking_disturbs_nothing) {
    make_options bare = MAKE, o = MAKE;
    watching w = {0};
    made plain = make(&bare), r;
    made_steps(&plain, bare.steps, NULL);
    o.run = made_path("watched");
    o.every = o.samples = 1;
    o.threads = 2;
    CHECK_INT(run_to(&o, &w, 2, &r), QN_RUN_STOPPED);
    CHECK(w.steps == 2 && w.measured == 2 && w.saved == 2 && w.sampled == 2, "%d %d %d %d", (int)w.steps,
          (int)w.measured, (int)w.saved, (int)w.sampled);
    made_drop(&r);
    o.resumed = true;
    CHECK_INT(run_to(&o, &w, 5, &r), QN_RUN_STOPPED);
    CHECK_INT(w.steps, 3);
    made_drop(&r);
    CHECK_INT(run_to(&o, &w, -1, &r), QN_RUN_DONE);
    CHECK_INT(w.steps, 1);
    made_same(&plain, &r, "watched");
    made_drop(&r);
    CHECK_INT(count_lines(made_path("watched/metrics.jsonl")), bare.steps);
    CHECK_INT(run_to(&o, &w, -1, &r), QN_RUN_DONE);     /* nothing is left to do, and nothing is done */
    CHECK_INT(w.steps + w.saved, 0);
    made_same(&plain, &r, "done");
    made_drop(&r);
    made_drop(&plain);
}

/* By steps in earnest: of this trainer nothing is kept, and a row that is only looked at is less than its step. */
TEST(a_trial_tells_what_steps_and_rows_take) {
    make_options o = MAKE;
    qn_trial trial;
    made r = make(&o);
    CHECK_OK(qn_trainer_time(r.t, 0, &trial));
    CHECK(trial.step > 0 && trial.row > 0 && trial.held_rows > 0, "%g %g", trial.step, trial.row);
    CHECK_INT(qn_trainer_state(r.t)->step, 2);
    made_drop(&r);
}

/* A hook that fails ends the run, and the steps so far are not lost. */
TEST(a_failing_hook_leaves_a_checkpoint) {
    make_options o = MAKE;
    watching w = {.fails = 2};
    qn_run_end end;
    made r;
    w.r = &r;
    o.run = made_path("failing");
    o.hooks = hooks_of(&w);
    r = make(&o);
    CHECK_FAIL(qn_trainer_run(r.t, &end), QN_EIO, "seen enough");
    CHECK(qn_is_dir(made_path("failing/checkpoints/step-00000002")));
    CHECK(qn_is_file(made_path("failing/last/model.safetensors")));
    made_drop(&r);
}

/* ---- the best model waits ---- */

/* Whatever the losses are, the third evaluation is the best one. */
static int third_is_best(void *arg, int64_t step, QN_UNUSED const qn_measured *m, QN_UNUSED bool best) {
    watching *w = arg;
    if (step == 2 || step == 3)
        w->r->t->state.best_loss = step == 2 ? 1e9 : -1;
    w->measured++;
    return 0;
}

/* As a kill at step 4 leaves the run, before anything of that step is written. */
static int snapshot(void *arg, const qn_step_report *r) {
    char command[2300];
    snprintf(command, sizeof command, "cp -a '%s' '%s'", made_path("snapped"), made_path("killed"));
    return r->step == 4 && system(command) != 0 ? qn_fail(QN_EIO, "no copy") : ((watching *)arg)->fails;
}

static int metrics_fail(QN_UNUSED void *arg, int64_t step, QN_UNUSED const qn_model *m, QN_UNUSED qn_jw *w) {
    return step == 4 ? qn_fail(QN_EIO, "nothing more is written") : 0;
}

static made begin_holding(const char *name, watching *w, int64_t saves, bool resumed) {
    make_options o = MAKE;
    o.run = made_path(name);
    o.every = 1;
    o.saves = saves;
    o.resumed = resumed;
    o.compute = saves == 4 ? QN_BF16 : QN_F32;
    o.hooks = hooks_of(w);
    o.hooks.measured = third_is_best;
    made r = make(&o);
    CHECK(r.t->held.numbers != NULL, "steps so small are not worth a checkpoint each");
    return r;
}

static void leads_to(const char *link, int64_t step) {
    char target[256] = "", want[64];
    snprintf(want, sizeof want, "checkpoints/step-%08d", (int)step);
    CHECK(readlink(made_path(link), target, sizeof target - 1) > 0, "%s", link);
    CHECK_STR(target, want, "%s", link);
}

/* What lies at `link` are the bits of so many bare steps. */
static void holds_steps(const char *link, int compute, int64_t steps) {
    make_options o = MAKE;
    qn_train_state s;
    o.compute = compute;
    made plain = make(&o), there = make(&o);
    made_steps(&plain, steps, NULL);
    CHECK_OK(qn_checkpoint_read(made_path(link), there.p, there.t->optimizer, &s, NULL));
    CHECK_INT(s.step, steps);
    CHECK_INT(s.updates, steps);
    made_same(&plain, &there, link);
    made_drop(&plain);
    made_drop(&there);
}

TEST(the_best_model_waits_for_a_checkpoint) {
    watching w = {0};
    qn_run_end end;
    made r = begin_holding("held", &w, 4, false);
    w.r = &r;
    CHECK_OK(qn_trainer_run(r.t, &end));
    CHECK_INT(w.saved, 2, "not once for each of the evaluations that were the best");
    leads_to("held/best", 3);
    leads_to("held/last", 6);
    holds_steps("held/best", QN_BF16, 3);
    holds_steps("held/last", QN_BF16, 6);
    made_drop(&r);
}

TEST(a_kill_while_the_best_waits_loses_nothing) {
    watching w = {0};
    qn_run_end end;
    made r = begin_holding("snapped", &w, 2, false);
    r.t->s.hooks.step = snapshot;
    w.r = &r;
    CHECK_OK(qn_trainer_run(r.t, &end));
    made_drop(&r);
    leads_to("killed/last", 2);
    r = begin_holding("killed", &w, 2, true);
    CHECK_OK(qn_trainer_take_up(r.t, made_path("killed/last")));
    CHECK_OK(qn_trainer_run(r.t, &end));
    made_drop(&r);
    leads_to("killed/best", 3);
    holds_steps("killed/best", QN_F32, 3);
    holds_steps("killed/last", QN_F32, 6);
}

/* Ctrl-C, a hook that fails, a record that cannot be written. */
TEST(however_a_run_ends_the_best_is_written) {
    static const char *const names[] = {"held-stop", "held-fail", "held-record"};
    for (int i = 0; i < 3; i++) {
        watching w = {.fails = i == 1 ? 4 : 0, .stop_at = i == 0 ? 4 : 0};
        char link[64];
        qn_run_end end;
        made r = begin_holding(names[i], &w, 5, false);
        w.r = &r;
        if (i == 2)
            r.t->s.hooks.metrics = metrics_fail;
        CHECK_INT(qn_trainer_run(r.t, &end), i == 0 ? 0 : QN_EIO, "%s", names[i]);
        snprintf(link, sizeof link, "%s/best", names[i]);
        leads_to(link, 3);
        holds_steps(link, QN_F32, 3);
        snprintf(link, sizeof link, "%s/last", names[i]);
        leads_to(link, i == 2 ? 3 : 4);
        made_drop(&r);
    }
}

/* Long steps, or checkpoints only where they are the best: nothing waits. */
TEST(where_steps_are_long_nothing_waits) {
    make_options o = MAKE;
    o.run = made_path("at-once");
    o.every = 1;
    made r = make(&o);
    CHECK(!r.t->held.numbers, "no other checkpoint comes that it could wait for");
    made_drop(&r);
    qn_recipe recipe = made_recipe(&o);
    recipe.batch = 64, recipe.context = 512;
    CHECK_INT(qn_dial_worth_saving(&recipe, 1000000000), 1);
    CHECK(qn_dial_worth_saving(&recipe, 1000000) < 4, "%d", (int)qn_dial_worth_saving(&recipe, 1000000));
    CHECK(qn_dial_worth_saving(&recipe, 1000) > 500, "%d", (int)qn_dial_worth_saving(&recipe, 1000));
}

/* One bit of a shard: said before the first step, not trained on. */
TEST(damaged_data_are_refused) {
    const make_options o = MAKE;
    made r = make(&o);
    qn_trainer *t;
    qn_dataset *d = data_open("torn", data_lines("torn.jsonl", 70, made_lengths), (qn_data_options){0}, true);
    qn_dataset_close(d);
    FILE *f = fopen(made_path("torn/train-00000.tokens"), "r+b");
    CHECK(f && fseek(f, 200, SEEK_SET) == 0);
    const int byte = fgetc(f);
    CHECK(fseek(f, 200, SEEK_SET) == 0 && fputc(byte ^ 1, f) != EOF && fclose(f) == 0);
    CHECK_OK(qn_dataset_open(&d, made_path("torn")));
    const qn_train_setup s = {.recipe = &r.recipe, .params = r.p, .data = d, .kernels = r.k, .pool = r.pool};
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EFORMAT, "torn/train-00000.tokens: the checksum is");
    qn_dataset_close(d);
    made_drop(&r);
}

/* One parameter that is no number, as an update that went wrong leaves it. */
static void poison(made *r) {
    float *room = qn_zalloc(QN_MEM_TEST, (size_t)r->p->widest, sizeof *room);
    const qn_slot *s = &r->p->slot[0];
    float *w = qn_params_take(r->p, s, 0, room);
    for (int64_t i = 0; i < qn_slot_tile_rows(s, 0) * s->cols; i++)
        w[i] = NAN;
    qn_params_put(r->p, s, 0, w);
    r->m->epoch++;
    qn_free(room);
}

/* Whether a checkpoint is due or the run gives up: what `last` leads to is from before. */
TEST(a_dead_model_replaces_no_checkpoint) {
    for (int64_t every = 0; every <= 1; every++) {
        make_options o = MAKE;
        qn_run_end end;
        char name[32];
        snprintf(name, sizeof name, "dead-%d", (int)every);
        o.run = made_path(name);
        o.steps = 40;
        made r = make(&o);
        r.t->recipe.checkpoint_every = every;
        made_steps(&r, 1, NULL);
        CHECK_OK(qn_checkpoint_write(o.run, r.p, r.t->optimizer, &r.t->state, &(qn_checkpoint_texts){0}, false));
        poison(&r);
        CHECK_FAIL(qn_trainer_run(r.t, &end), QN_ELIMIT, "no longer finite numbers");
        CHECK_CONTAINS(qn_error_message(), "/last stands");
        if (every == 0)
            CHECK_CONTAINS(qn_error_message(), "10 steps in a row gave no usable gradient");
        snprintf(name, sizeof name, "dead-%d/last", (int)every);
        CHECK_OK(qn_trainer_take_up(r.t, made_path(name)));
        CHECK_INT(r.t->state.step, 1);
        made_steps(&r, 1, NULL);
        made_drop(&r);
    }
}

/* A second moment beyond f32, as the square of a large gradient leaves it, while the parameters are sound yet. */
static int spoil(void *arg, QN_UNUSED const qn_step_report *report) {
    *(float *)arg = INFINITY;
    return 0;
}

TEST(a_dead_moment_replaces_no_checkpoint) {
    make_options o = MAKE;
    qn_optimizer_state moment[2];
    qn_run_end end;
    o.run = made_path("moment");
    o.steps = 4;
    made r = make(&o);
    made_steps(&r, 1, NULL);
    CHECK_OK(qn_checkpoint_write(o.run, r.p, r.t->optimizer, &r.t->state, &(qn_checkpoint_texts){0}, false));
    CHECK_INT(qn_optimizer_states(r.t->optimizer, moment), 2);
    const qn_slot *last = &r.p->slot[r.p->n - 1];
    float *v = moment[1].data + last->at + last->rows * last->cols - 1;
    r.t->recipe.checkpoint_every = 1;
    r.t->s.hooks = (qn_train_hooks){.step = spoil, .arg = v};
    CHECK_FAIL(qn_trainer_run(r.t, &end), QN_ELIMIT, "step 2: the run has diverged: moments of the optimizer are no");
    CHECK_CONTAINS(qn_error_message(), "/last stands; a run with a lower --lr");
    CHECK_OK(qn_trainer_take_up(r.t, made_path("moment/last")));
    CHECK_INT(r.t->state.step, 1);
    CHECK(isfinite(*v));
    made_drop(&r);
}

typedef struct { int64_t first, last; } counting;

static int count_calls(void *arg, const qn_step_report *r) {
    counting *c = arg;
    if (r->step == 2)
        c->first = qn_mem_calls();
    c->last = qn_mem_calls();
    return 0;
}

/* From the second step on neither steps nor measurements allocate, into other epochs, with records too. */
TEST(steps_allocate_nothing) {
    for (int sharded = 0; sharded < 2; sharded++) {
        make_options o = MAKE;
        counting c = {0};
        qn_run_end end;
        o.shards = sharded ? 2 : 1;
        o.steps = (qn_test_whole() ? 3 : 1) * 15 + 2;
        o.every = 1;
        o.run = made_path(sharded ? "quiet-2" : "quiet-1");
        o.hooks = (qn_train_hooks){.step = count_calls, .arg = &c};
        made r = make(&o);
        CHECK(qn_rows_per_epoch(r.t->rows) < 15 * o.batch, "%d", (int)qn_rows_per_epoch(r.t->rows));
        r.t->state.best_loss = 0;               /* no checkpoint on the way */
        CHECK_OK(qn_trainer_run(r.t, &end));
        CHECK_INT(c.last, c.first);
        made_drop(&r);
    }
}

/* ---- guards ---- */

static char heard[4096];
static int remarks;
static void listen(QN_UNUSED void *arg, QN_UNUSED qn_log_level level, const char *message) {
    remarks++;
    snprintf(heard, sizeof heard, "%s", message);
}

static int64_t half_a_row(QN_UNUSED int64_t i) { return 21; }

/* Documents of which two do not fit side by side: said before the first step. */
TEST(rows_with_gaps_are_warned_of) {
    make_options o = MAKE;
    qn_dataset *d = data_open("gaps", data_lines("gaps.jsonl", 40, half_a_row), (qn_data_options){0}, true);
    o.data = d;
    remarks = 0;
    qn_log_set(listen, NULL);
    made r = make(&o);
    qn_log_set(NULL, NULL);
    CHECK_INT(remarks, 1);
    CHECK_CONTAINS(heard, "rows of 40 tokens are only 6");
    CHECK_CONTAINS(heard, "few documents fit side by side; --packing stream fills them");
    made_drop(&r);
    qn_dataset_close(d);
}

/* A number that stands alone: vectors are their own masters. */
static float *some_number(const made *r) {
    size_t i = 0;
    while (r->p->slot[i].matrix)
        i++;
    return qn_params_take(r->p, &r->p->slot[i], 0, NULL) + 3;
}

TEST(a_nan_is_left_out_and_ten_are_the_end) {
    make_options o = MAKE;
    qn_run_end end;
    o.steps = 30;
    o.run = made_path("nan");
    for (int guard = QN_GUARD_SKIP; guard <= QN_GUARD_OFF; guard++) {
        made r = make(&o);
        size_t n;
        r.t->recipe.guard = (qn_guard)guard;
        *some_number(&r) = NAN;
        float *before = made_bits(&r, &n), *after;
        remarks = 0;
        qn_log_set(listen, NULL);
        if (guard == QN_GUARD_STOP) {
            CHECK_FAIL(qn_trainer_run(r.t, &end), QN_ELIMIT, "the guard stops the run");
            CHECK_INT(remarks, 0);              /* the error says it */
        } else {
            CHECK_FAIL(qn_trainer_run(r.t, &end), QN_ELIMIT, "10 steps in a row");
            CHECK_INT(remarks, 1);
            CHECK_CONTAINS(heard, "the update was left out");
            CHECK_INT(qn_trainer_state(r.t)->step, 10);
        }
        qn_log_set(NULL, NULL);
        CHECK_CONTAINS(qn_error_message(), "loss not a number");
        CHECK_CONTAINS(qn_error_message(), "norm");
        CHECK_CONTAINS(qn_error_message(), "--lr");
        CHECK_INT(count_lines(made_path("nan/metrics.jsonl")), guard == QN_GUARD_STOP ? 1 : 10);
        CHECK_CONTAINS(qn_error_message(), "there is none before it");
        CHECK(!qn_is_dir(made_path("nan/last")), "such a model is not saved");
        after = made_bits(&r, &n);
        CHECK(memcmp(before, after, n * sizeof *after) == 0, "nothing moved");
        qn_free(before);
        qn_free(after);
        made_drop(&r);
        CHECK_OK(qn_dir_remove(o.run));
    }
}

/* A single poisoned step, then a good one, as if there had been none: no NaN is left behind in pages or scratch. */
static void poisoned_once(make_options *o, const char *what) {
    qn_step_report report, want;
    made r = make(o), clean = make(o);
    float *w = some_number(&r);
    const float was = *w;
    *w = NAN;
    CHECK_OK(qn_trainer_step(r.t, &report));
    CHECK(report.skipped && isnan(report.loss), "%s", what);
    CHECK_INT(r.t->state.skipped_in_a_row, 1);
    CHECK_INT(r.t->state.updates, 0);
    *w = was;
    r.t->state.step = 0;                        /* the same rows again */
    CHECK_OK(qn_trainer_step(r.t, &report));
    CHECK_OK(qn_trainer_step(clean.t, &want));
    CHECK(!report.skipped, "%s: loss %g, norm %g", what, report.loss, report.grad_norm);
    CHECK(report.loss == want.loss && report.grad_norm == want.grad_norm, "%s", what);
    CHECK_INT(r.t->state.skipped_in_a_row, 0);
    CHECK_INT(r.t->state.skipped, 1);
    CHECK_INT(r.t->state.updates, 1);
    made_same(&r, &clean, what);
    made_drop(&r);
    made_drop(&clean);
}

TEST(a_good_step_forgives) { for_each_case(poisoned_once); }

/* An evaluation that is no number is never the best one. */
TEST(nan_is_not_the_best_evaluation) {
    make_options o = MAKE;
    made r;
    watching w = {.r = &r};
    qn_run_end end;
    o.every = 1;
    o.steps = 2;
    o.hooks = (qn_train_hooks){.step = on_step, .arg = &w};
    r = make(&o);
    *some_number(&r) = NAN;
    CHECK_OK(qn_trainer_run(r.t, &end));
    CHECK(isnan(r.t->state.best_loss));
    CHECK_INT(r.t->state.best_step, 0);
    CHECK_INT(r.t->state.worse, 2);
    made_drop(&r);
}

TEST(patience_ends_a_run_and_its_resume) {
    make_options o = MAKE;
    made r;
    watching w = {.r = &r};
    qn_run_end end;
    o.run = made_path("patient");
    o.every = 1;
    o.steps = 50;
    o.rate = 0;                                 /* never better than the first time */
    o.hooks = (qn_train_hooks){.step = on_step, .arg = &w};
    r = make(&o);
    r.t->recipe.patience = 3;
    CHECK_OK(qn_trainer_run(r.t, &end));
    CHECK_INT(end, QN_RUN_EARLY);
    CHECK_INT(w.steps, 4);
    CHECK_INT(r.t->state.best_step, 1);
    made_drop(&r);
    o.resumed = true;
    r = make(&o);
    r.t->recipe.patience = 3;
    CHECK_OK(qn_trainer_take_up(r.t, made_path("patient/last")));
    CHECK_OK(qn_trainer_run(r.t, &end));
    CHECK_INT(end, QN_RUN_EARLY);
    CHECK_INT(w.steps, 4, "no step was added");
    made_drop(&r);
}

TEST(a_spike_is_one_by_the_last_128_losses) {
    static const struct { double low, high, spike; qn_guard guard; int64_t seen; bool refused; } cases[] = {
        {0.9, 1.1, 10, QN_GUARD_SKIP, 128, true},       /* deviation 0.1, mean 1: a loss of 5.5 is far above */
        {0.9, 1.1, 10, QN_GUARD_SKIP, 127, false},      /* not yet enough seen */
        {0.9, 1.1, 10, QN_GUARD_OFF, 128, false},
        {0.9, 1.1, 0, QN_GUARD_SKIP, 128, false},
        {0.9, 1.1, 100, QN_GUARD_SKIP, 128, false},
        {1, 9, 10, QN_GUARD_SKIP, 128, false},
        {5.5, 5.5, 10, QN_GUARD_STOP, 128, false},      /* no deviation at all: 5 % are no spike */
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        make_options o = MAKE;
        made r = make(&o);
        qn_step_report report;
        r.t->recipe.guard = cases[i].guard;
        r.t->recipe.spike = cases[i].spike;
        r.t->state.window_n = cases[i].seen;
        for (int k = 0; k < QN_LOSS_WINDOW; k++)
            r.t->state.window[k] = k % 2 ? cases[i].low : cases[i].high;
        CHECK_OK(qn_trainer_step(r.t, &report));
        CHECK_NEAR(report.loss, 5.55, 0.1);
        CHECK_INT(report.skipped, cases[i].refused, "case %zu", i);
        CHECK_INT(r.t->state.window_n, cases[i].seen + !cases[i].refused, "a spike is not remembered");
        made_drop(&r);
    }
}

/* ---- clipping ---- */

/* SGD without momentum and decay: w − rate·min(1, clip/‖g‖)·g, by hand. */
static void clipped_by(double clip) {
    make_options o = MAKE;
    qn_step_report report;
    double square = 0;
    o.kind = QN_OPTIMIZER_SGD;
    made r = make(&o);
    r.t->recipe.clip = clip;
    r.t->recipe.optimizer.momentum = 0;
    qn_optimizer_free(r.t->optimizer);
    CHECK_OK(qn_optimizer_new(&r.t->optimizer, r.p, r.k, &r.t->recipe.optimizer, 1));
    float *before = qn_zalloc(QN_MEM_TEST, 2 * r.p->numbers, sizeof *before), *after = before + r.p->numbers;
    made_masters(r.p, before);
    CHECK_OK(qn_trainer_step(r.t, &report));
    made_masters(r.p, after);
    const float *g = qn_engine_grad(r.t->engine);
    for (size_t i = 0; i < r.p->numbers; i++)
        square += (double)g[i] * (double)g[i];
    CHECK_NEAR(report.grad_norm, sqrt(square), 1e-9 * sqrt(square));
    CHECK(sqrt(square) > 0.2);
    const double scale = clip > 0 && sqrt(square) > clip ? clip / sqrt(square) : 1;
    double moved = 0;
    for (size_t i = 0; i < r.p->numbers; i++) {
        const double was = (double)before[i];
        CHECK_NEAR(after[i], was - report.rate * scale * (double)g[i], 2e-7 * fabs(was) + 1e-9, "number %zu", i);
        moved += ((double)after[i] - (double)before[i]) * ((double)after[i] - (double)before[i]);
    }
    if (clip > 0 && sqrt(square) > clip)
        CHECK_NEAR(sqrt(moved), report.rate * clip, 1e-4 * report.rate * clip, "its length");
    qn_free(before);
    made_drop(&r);
}

TEST(the_update_is_that_of_the_clipped_gradient) {
    clipped_by(0.1);
    clipped_by(1000);
    clipped_by(0);
}

/* ---- refusals ---- */

TEST(says_what_does_not_fit) {
    make_options o = MAKE;
    made r = make(&o);
    qn_train_setup s = r.t->s;
    qn_recipe recipe = r.recipe;
    qn_trainer *t;
    s.recipe = &recipe;
    recipe.context = 1000;
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "rows of 1000 tokens do not fit into the model's context of 64");
    recipe.context = 40;
    recipe.shards = 3;
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "cannot be cut into 3 equal shards");
    recipe.shards = 1;
    recipe.optimizer.beta2 = 1;
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "beta2 1");
    recipe.optimizer.beta2 = 0.9;
    r.m->cfg.V = 200;
    CHECK_FAIL(qn_trainer_new(&t, &s), QN_EINVAL, "258 ids, the model's embedding 200 rows");
    CHECK(t == NULL);
    r.m->cfg.V = 258;
    for (int64_t k = 0, rc = QN_ENOMEM; rc < 0; k++) {
        const int64_t live = qn_mem_stats_get(QN_MEM_ACTS).live_bytes;
        const int64_t grads = qn_mem_stats_get(QN_MEM_GRADS).live_bytes;
        qn_mem_fail_after(k);
        rc = qn_trainer_new(&t, &s);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "%d", (int)k);
        qn_trainer_free(t);
        CHECK_NO_LEAK(QN_MEM_ACTS, live);
        CHECK_NO_LEAK(QN_MEM_GRADS, grads);
        CHECK(k < 1000);
    }
    made_drop(&r);
}
