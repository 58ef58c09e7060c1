/* train/loop.c — a run: steps, and between them what is measured, told, shown and saved.
 *
 *     step 1 … step n      evaluation every eval_every steps and after the last; a checkpoint every checkpoint_every,
 *                          after the last, when the run is stopped, and where an evaluation was the best so far (or,
 *                          of a run of tiny steps, with the next of the others: held.c)
 *
 * Order between two steps: evaluation, metrics, sample, checkpoint. A checkpoint comes last, so that a run taken up
 * there neither repeats nor misses anything. */
#include <math.h>
#include <stdio.h>

#include "train/train_impl.h"

enum { REFUSED_MOST = 10 };             /* steps in a row before the run gives up */
#define FILL_LEAST 0.8                  /* of the places of rows, before it is worth a warning */
#define VERIFY_MOST ((int64_t)512 << 20) /* bytes of shards that are verified before the first step */

/* ---- life ---- */

static int rows_of(qn_trainer *t, qn_split split, qn_rows **out) {
    const qn_rows_options o = {.split = split, .packing = t->recipe.packing, .context = qn_recipe_row(&t->recipe),
                               .seed = t->recipe.seed, .ordered = split == QN_SPLIT_VALIDATION,
                               .judged = qn_recipe_judges(&t->recipe)};
    return t->s.data ? qn_rows_new(out, t->s.data, &o) : qn_rows_of_examples(out, t->s.examples, &o);
}

int qn_trainer_rows_new(int64_t n, int64_t context, int64_t pieces, qn_row_data **row, int32_t **ids,
                        qn_piece **piece) {
    *row = qn_zalloc(QN_MEM_ACTS, (size_t)n, sizeof **row);
    *ids = qn_zalloc(QN_MEM_ACTS, (size_t)(n * context) * 2, sizeof **ids);
    *piece = qn_zalloc(QN_MEM_ACTS, (size_t)(n * pieces), sizeof **piece);
    if (!*row || !*ids || !*piece)
        return QN_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        (*row)[i] = (qn_row_data){.ids = *ids + 2 * i * context, .targets = *ids + (2 * i + 1) * context,
                                  .piece = *piece + i * pieces};
    return 0;
}

/* Memory for the rows of one step. */
static int batch_new(qn_trainer *t) {
    const int64_t batch = QN_MAX(t->recipe.batch, t->pass), context = qn_recipe_row(&t->recipe);
    const int64_t pieces = QN_MAX(qn_rows_max_pieces(t->rows), t->validation ? qn_rows_max_pieces(t->validation) : 0);
    QN_TRY(qn_trainer_rows_new(batch, context, pieces, &t->row, &t->ids, &t->piece));
    QN_TRY(qn_preference_new(t, batch, pieces));
    const qn_engine_options o = {.context = context, .rows = t->pass, .gradients = true,
                                 .max_pieces = QN_MAX(pieces, qn_replay_pieces(t)),
                                 .longest = t->recipe.context,
                                 .dropout = t->recipe.dropout, .neftune = t->recipe.neftune, .seed = t->recipe.seed,
                                 .lora_dropout = t->recipe.lora.dropout, .half_walk = t->recipe.compute == QN_BF16,
                                 .recompute = (qn_recompute)t->recipe.recompute};
    return qn_engine_new(&t->engine, t->s.params, t->s.kernels, t->s.pool, &o);
}

static int check(const qn_trainer *t) {
    const qn_config *c = &t->s.params->m->cfg;
    const int64_t vocab = t->s.data ? qn_dataset_vocab(t->s.data) : qn_examples_vocab(t->s.examples);
    if (vocab > qn_params_vocabulary(t->s.params))
        return qn_fail(QN_EINVAL, "%s: its tokenizer has %lld ids, the model's embedding %lld rows; prepare the data "
                       "with the model's own tokenizer", t->s.data ? qn_dataset_path(t->s.data) : "the examples",
                       (long long)vocab, (long long)qn_params_vocabulary(t->s.params));
    if (t->recipe.context > c->context)
        return qn_fail(QN_EINVAL, "rows of %lld tokens do not fit into the model's context of %lld",
                       (long long)t->recipe.context, (long long)c->context);
    if (qn_recipe_judges(&t->recipe) && !t->s.examples)
        return qn_fail(QN_EINVAL, "preferences are learned from examples, not from prepared text");
    return qn_recipe_check(&t->recipe);
}

/* Damage to a shard is found before step 1, where reading all of them takes no time to speak of. */
static int check_data(const qn_dataset *d) {
    const int64_t size = d ? qn_dataset_size(d) : 0;
    if (!d)
        return 0;
    if (size <= VERIFY_MOST)
        return qn_dataset_verify(d);
    qn_log(QN_LOG_DEBUG, "%s: %.1f GB are not read to verify their checksums; `quern data check` does that",
           qn_dataset_path(d), (double)size / 1e9);
    return 0;
}

/* Places of rows that stay free are computed all the same. */
static void warn_of_gaps(const qn_trainer *t) {
    qn_rows_stats s;
    qn_rows_stats_get(t->rows, &s);
    const int64_t most = qn_rows_max_pieces(t->rows);
    if (t->recipe.packing == QN_PACK_STREAM || !t->s.data || s.rows < 2 || s.fill >= FILL_LEAST)
        return;
    const bool many = (double)s.pieces > 0.9 * (double)most * (double)s.rows;
    qn_log(QN_LOG_WARN, "rows of %lld tokens are only %.0f %% full: %s; --packing stream fills them, %s", (long long)
           t->recipe.context, 100 * s.fill, many ? "documents are so short that a row holds the most pieces it can"
           : "few documents fit side by side", many ? "so does a shorter --context" : "so may another --context");
}

bool qn_train_has_validation(const qn_dataset *data, const qn_examples *examples) {
    return data ? qn_dataset_info(data, QN_SPLIT_VALIDATION).tokens > 1
                : qn_examples_count(examples, QN_SPLIT_VALIDATION) > 0;
}

static int init(qn_trainer *t) {
    QN_TRY(check(t));
    QN_TRY(check_data(t->s.data));
    QN_TRY(check_data(t->s.replay));
    t->pass = QN_MIN(t->recipe.rows, t->recipe.batch / t->recipe.shards);
    QN_TRY(rows_of(t, QN_SPLIT_TRAIN, &t->rows));
    warn_of_gaps(t);
    if (qn_train_has_validation(t->s.data, t->s.examples))
        QN_TRY(rows_of(t, QN_SPLIT_VALIDATION, &t->validation));
    QN_TRY(qn_replay_new(t));
    QN_TRY(batch_new(t));
    QN_TRY(qn_trainer_shards_new(t));
    QN_TRY(qn_optimizer_new(&t->optimizer, t->s.params, t->s.kernels, &t->recipe.optimizer,
                            qn_pool_threads(t->s.pool)));
    return qn_held_new(t);
}

int qn_trainer_new(qn_trainer **out, const qn_train_setup *s) {
    *out = NULL;
    qn_trainer *t = qn_zalloc(QN_MEM_ACTS, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    t->s = *s;
    t->recipe = *s->recipe;
    t->state.best_loss = NAN;
    const int rc = init(t);
    if (rc < 0) {
        qn_trainer_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void qn_trainer_free(qn_trainer *t) {
    if (!t)
        return;
    qn_trainer_shards_free(t);
    qn_preference_free(t);
    qn_replay_free(t);
    qn_held_free(t);
    qn_optimizer_free(t->optimizer);
    qn_engine_free(t->engine);
    qn_rows_free(t->rows);
    qn_rows_free(t->validation);
    qn_free(t->row);
    qn_free(t->ids);
    qn_free(t->piece);
    qn_free(t);
}

const qn_train_state *qn_trainer_state(const qn_trainer *t) { return &t->state; }
qn_engine *qn_trainer_engine(qn_trainer *t) { return t->engine; }

int64_t qn_trainer_checkpoint_bytes(const qn_trainer *t) {
    const qn_checkpoint_texts *texts = &t->s.texts;
    qn_optimizer_state state[2];
    const int64_t arrays = 1 + qn_optimizer_states(t->optimizer, state);
    return arrays * (int64_t)t->s.params->numbers * (int64_t)sizeof(float) +
           (int64_t)(texts->tokenizer_json.n + texts->tokenizer_config_json.n);
}

int qn_trainer_take_up(qn_trainer *t, const char *dir) {
    QN_TRY(qn_checkpoint_read(dir, t->s.params, t->optimizer, &t->state, t->s.pool));
    if (t->state.step > t->recipe.steps)
        return qn_fail(QN_EFORMAT, "%s: is at step %lld, the run has only %lld (recipe.steps of its manifest.json)",
                       dir, (long long)t->state.step, (long long)t->recipe.steps);
    qn_params_changed(t->s.params, t->s.pool);
    return t->s.run ? qn_run_rewind(t->s.run, t->state.step) : 0;
}

int qn_trainer_verify(qn_trainer *t, const char *dir) {
    qn_train_state other;
    return qn_checkpoint_read(dir, t->s.params, t->optimizer, &other, t->s.pool);
}

/* ---- records ---- */

typedef struct { const char *name; double v; bool there; } member;

static void put_members(qn_jw *w, const char *prefix, const member *m, size_t n) {
    char name[64];
    for (size_t i = 0; i < n; i++) {
        if (!m[i].there)
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, m[i].name);
        qn_jw_key(w, name);
        qn_jw_f64(w, m[i].v);
    }
}

/* The names are TRL's, where it has one. */
static void put_judged(qn_jw *w, const char *prefix, const qn_judged *j) {
    const bool pairs = !isnan(j->accuracy), referred = !isnan(j->moved[0]) || !isnan(j->moved[1]);
    const member members[] = {
        {"judged", (double)j->n, true},
        {"rewards/chosen", j->reward[0], true},
        {"rewards/rejected", j->reward[1], true},
        {"rewards/margins", j->margin, true},
        {"rewards/accuracies", j->accuracy, pairs},
        {"logps/chosen", j->logp[0], true},
        {"logps/rejected", j->logp[1], true},
        {"logps/chosen_moved", j->moved[0], referred},
        {"logps/rejected_moved", j->moved[1], referred},
        {"lengths/chosen", j->tokens[0], true},
        {"lengths/rejected", j->tokens[1], true},
        {"kl", j->kl, !isnan(j->kl)},
    };
    if (j->n > 0)
        put_members(w, prefix, members, QN_LEN(members));
}

static int record(qn_trainer *t, const qn_step_report *r, const qn_measured *m) {
    if (!t->s.run)
        return 0;
    const member members[] = {
        {"loss", r->loss, true},
        {"learning_rate", r->rate, true},
        {"grad_norm", r->grad_norm, true},
        {"tokens_per_second", r->seconds > 0 ? (double)r->tokens / r->seconds : NAN, true},
        {"flops_per_second", r->seconds > 0 ? (double)r->flops / r->seconds : NAN, true},
        {"num_input_tokens_seen", (double)t->state.tokens, true},
        {"step_tokens", (double)r->read, true},
        {"step_seconds", r->seconds, true},
        {"replay_loss", r->replay_loss, t->again.rows != NULL},
        {"epoch", (double)(t->state.step * t->recipe.batch) / (double)qn_rows_per_epoch(t->rows), true},
        {"eval_loss", m ? m->loss : 0, m != NULL},
        {"eval_bits_per_byte", m ? m->bits_per_byte : 0, m != NULL && m->judged.n == 0},
    };
    qn_jw *w = qn_run_metrics(t->s.run);
    qn_jw_key(w, "step");
    qn_jw_i64(w, r->step);
    put_members(w, "", members, QN_LEN(members));
    put_judged(w, "", &r->judged);
    if (m)
        put_judged(w, "eval_", &m->judged);
    if (r->skipped) {
        qn_jw_key(w, "skipped");
        qn_jw_bool(w, true);
    }
    if (m && t->s.hooks.metrics)
        QN_TRY(t->s.hooks.metrics(t->s.hooks.arg, r->step, t->s.params->m, w));
    return qn_run_metrics_end(t->s.run);
}

/* Every parameter and every moment is a number: a sum of squares shows where one is not. *lost names which are not, or
 * is NULL. A second moment is lost a step before its parameter: a gradient beyond 1.8e19 has an infinite square. */
static int check_finite(const qn_trainer *t, const char **lost) {
    const qn_params *p = t->s.params;
    qn_optimizer_state state[2];
    const int n = qn_optimizer_states(t->optimizer, state);
    float *room = qn_alloc(QN_MEM_SCRATCH, (size_t)p->widest * sizeof *room);
    *lost = NULL;
    if (!room)
        return QN_ENOMEM;
    for (int64_t tile = 0; tile < p->tiles && !*lost; tile++) {
        int64_t row;
        const qn_slot *slot = qn_params_tile(p, tile, &row);
        const int64_t numbers = qn_slot_tile_rows(slot, row) * slot->cols;
        if (!isfinite(t->s.kernels->sum_squares(qn_params_take(p, slot, row, room), numbers)))
            *lost = "parameters";
        for (int k = 0; k < n && !*lost; k++)
            if (!isfinite(t->s.kernels->sum_squares(state[k].data + slot->at + row * slot->cols, numbers)))
                *lost = "moments of the optimizer";
    }
    qn_free(room);
    return 0;
}

/* A model that is beyond help takes the place of no checkpoint that is not. */
static int refuse_to_save(const qn_trainer *t, const char *run, const char *lost) {
    qn_buf dir = {0};
    const int found = qn_checkpoint_newest(run, &dir);
    const int rc = qn_fail(QN_ELIMIT, "step %lld: the run has diverged: %s are no longer finite numbers, so no "
                           "checkpoint of them is written; %s%s; a run with a lower --lr, more --warmup or --clip 1 "
                           "may get by", (long long)t->state.step, lost,
                           found > 0 ? dir.s : "there is none before it", found > 0 ? " stands" : "");
    qn_buf_drop(&dir);
    return rc;
}

static int write(qn_trainer *t, bool best) {
    return qn_checkpoint_write(qn_run_path(t->s.run), t->s.params, t->optimizer, &t->state, &t->s.texts, best);
}

/* What waits is written, unless the model of now is better still. A run killed behind this goes on there. */
static int save_held(qn_trainer *t, bool best) {
    const char *lost;
    if (!t->held.waits || best) {
        t->held.waits = false;
        return 0;
    }
    qn_held_exchange(t);
    int rc = check_finite(t, &lost);
    if (rc >= 0 && !lost)
        rc = write(t, true);
    qn_held_exchange(t);
    t->held.waits = rc < 0;
    return rc;
}

static int save(qn_trainer *t, bool best) {
    const double start = qn_now();
    const char *lost;
    if (!t->s.run)
        return 0;
    QN_TRY(check_finite(t, &lost));
    QN_TRY(save_held(t, best && !lost));
    const char *run = qn_run_path(t->s.run);
    if (lost)
        return refuse_to_save(t, run, lost);
    QN_TRY(write(t, best));
    QN_TRY(qn_checkpoint_tidy(run, t->recipe.keep));
    return t->s.hooks.saved ? t->s.hooks.saved(t->s.hooks.arg, t->state.step, qn_now() - start) : 0;
}

/* ---- between two steps ---- */

static bool due(const qn_trainer *t, int64_t every) {
    return every > 0 && (t->state.step % every == 0 || t->state.step == t->recipe.steps);
}

static int measure(qn_trainer *t, qn_measured *m, bool *best) {
    qn_train_state *s = &t->state;
    const double start = qn_now();
    QN_TRY(qn_trainer_measure(t, m));
    m->seconds = qn_now() - start;
    *best = isnan(s->best_loss) ? isfinite(m->loss) : m->loss < s->best_loss;
    if (*best) {
        s->best_loss = m->loss;
        s->best_step = s->step;
        s->worse = 0;
    } else {
        s->worse++;
    }
    return 0;
}

/* printf's own word for a NaN has a sign that means nothing. */
static const char *figure(double v, char out[32]) {
    snprintf(out, 32, "%g", v);
    return isnan(v) ? "not a number" : out;
}

/* Told at the first of several in a row. */
static int refused_often(const qn_trainer *t, const qn_step_report *r) {
    char a[32], b[32];
    const char *loss = figure(r->loss, a), *norm = figure(r->grad_norm, b);
    if (!r->skipped)
        return 0;
    if (t->recipe.guard == QN_GUARD_STOP)
        return qn_fail(QN_ELIMIT, "step %lld: loss %s, gradient norm %s; the guard stops the run here (--guard skip "
                       "goes on, a lower --lr helps)", (long long)r->step, loss, norm);
    if (t->state.skipped_in_a_row == 1)
        qn_log(QN_LOG_WARN, "step %lld: loss %s, gradient norm %s: the update was left out", (long long)r->step, loss,
               norm);
    if (t->state.skipped_in_a_row >= REFUSED_MOST)
        return qn_fail(QN_ELIMIT, "%d steps in a row gave no usable gradient (loss %s, norm %s); a lower --lr or more "
                       "--warmup helps", REFUSED_MOST, loss, norm);
    return 0;
}

/* A margin grows while both rewards fall: it is the ratio that is trained, and what both lose goes to text that is
 * neither. Where chosen answers have lost as much as this, it is said, once. */
static void warn_of_fall(qn_trainer *t, const qn_judged *j) {
    const double nats = 2, per_token = 0.1, by = -j->moved[0];
    if (t->judge.fell || j->n == 0 || !(by > nats && by > per_token * j->tokens[0]))
        return;
    t->judge.fell = true;
    qn_log(QN_LOG_WARN, "step %lld: chosen answers have become less probable than they were, too: ln p fell by %.1f, "
           "from %.1f to %.1f. The margin can grow all the same. %sa lower --lr or a higher --beta holds them",
           (long long)t->state.step, by, j->logp[0] + by, j->logp[0],
           t->judge.kind->uses & QN_USES_ANCHOR ? "--rpo-alpha 1, " : "");
}

static bool cancelled(const qn_trainer *t) {
    return t->s.hooks.cancel && atomic_load_explicit(t->s.hooks.cancel, memory_order_relaxed);
}

static bool is_over(const qn_trainer *t, qn_run_end *end) {
    const bool done = t->state.step >= t->recipe.steps;
    *end = done ? QN_RUN_DONE : QN_RUN_EARLY;
    return done || (t->recipe.patience > 0 && t->state.worse >= t->recipe.patience);
}

bool qn_trainer_is_over(const qn_trainer *t) {
    qn_run_end end;
    return is_over(t, &end);
}

/* What is told of a step. */
static int tell(qn_trainer *t, const qn_step_report *r, const qn_measured *m, bool best) {
    const qn_train_hooks *h = &t->s.hooks;
    if (h->step)
        QN_TRY(h->step(h->arg, r));
    if (m && h->measured)
        QN_TRY(h->measured(h->arg, r->step, m, best));
    return h->sample && due(t, t->recipe.sample_every) ? h->sample(h->arg, r->step, t->s.params->m) : 0;
}

/* A run that ends with an error between two steps: the state is whole, so it is kept; why it is not, is said too. */
static int give_up(qn_trainer *t, int rc, bool best) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    if (save(t, best) >= 0)
        return qn_fail(rc, "%s", message);
    return qn_fail_in(rc, "%s", message);
}

/* What follows a step; *ended where the run ends here. */
static int after_step(qn_trainer *t, const qn_step_report *r, bool *ended, qn_run_end *end) {
    qn_measured m;
    const bool measured = t->validation && due(t, t->recipe.eval_every);
    bool best = false;
    if (measured)
        QN_TRY(measure(t, &m, &best));
    QN_TRY(record(t, r, measured ? &m : NULL));
    if (measured || !t->validation)
        warn_of_fall(t, measured ? &m.judged : &r->judged);
    int rc = tell(t, r, measured ? &m : NULL, best);
    if (rc >= 0)
        rc = refused_often(t, r);
    if (rc < 0)
        return give_up(t, rc, best);
    *ended = is_over(t, end);
    if (!*ended && cancelled(t)) {
        *ended = true;
        *end = QN_RUN_STOPPED;
    }
    if (*ended || due(t, t->recipe.checkpoint_every) || (best && !t->held.numbers))
        return save(t, best);
    if (best)
        qn_held_take(t);
    return 0;
}

/* What a kill may have left undone where the run is taken up: half of a checkpoint, and the link to the best one, which
 * is turned behind that to the last. */
static int mend(qn_trainer *t) {
    const char *run = qn_run_path(t->s.run);
    if (t->state.best_step == t->state.step)
        QN_TRY(qn_checkpoint_mark_best(run, t->state.step));
    return qn_checkpoint_tidy(run, t->recipe.keep);
}

/* The run ends with an error: what still waits is written, and where that fails too, the first error is told. */
static int leave(qn_trainer *t, int rc) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    save_held(t, false);
    return qn_fail(rc, "%s", message);
}

int qn_trainer_run(qn_trainer *t, qn_run_end *end) {
    bool ended = is_over(t, end);
    if (t->s.run && t->state.step > 0)
        QN_TRY(mend(t));
    while (!ended) {
        qn_step_report r;
        int rc = qn_trainer_step(t, &r);
        if (rc >= 0)
            rc = after_step(t, &r, &ended, end);
        if (rc < 0)
            return leave(t, rc);
    }
    return 0;
}
