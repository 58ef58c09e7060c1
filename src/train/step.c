/* train/step.c — one step of training.
 *
 *     rows of the step ─► shards ─► passes: forward, backward ─► Σ ─► norm ─► guard ─► clip ─► update, repack
 *
 * Shards. The batch is cut into equal parts whose gradients are added pairwise, as in a tree over their numbers:
 *
 *     0 1 2 3 4 5        level 0     each the sum of its passes, in order
 *     ╰┬╯ ╰┬╯ ╰┬╯        level 1
 *      ╰─┬─╯   │         level 2
 *        ╰──┬──╯         what the optimizer sees
 *
 * Whoever computes which shard, the sum has the same bits; with one shard there is nothing to add. */
#include <math.h>
#include <string.h>

#include "train/train_impl.h"

enum { ADD_NUMBERS = 64 * 1024, STEPS_TIMED = 8 };

/* ---- the tree of shards ---- */

int qn_trainer_shards_new(qn_trainer *t) {
    for (int level = 0; (INT64_C(1) << level) < t->recipe.shards; level++) {
        t->sum[level] = qn_arena_map(QN_MEM_GRADS, t->s.params->numbers * sizeof(float));
        if (!t->sum[level])
            return QN_ENOMEM;
    }
    return 0;
}

void qn_trainer_shards_free(qn_trainer *t) {
    for (int level = 0; level < QN_SHARD_LEVELS; level++)
        qn_arena_unmap(QN_MEM_GRADS, t->sum[level], t->s.params->numbers * sizeof(float));
}

typedef struct { const qn_kernels *k; float *to; const float *left; size_t n; } addition;

static void add_tile(void *arg, int64_t tile, int worker) {
    const addition *a = arg;
    const size_t from = (size_t)tile * ADD_NUMBERS, n = QN_MIN((size_t)ADD_NUMBERS, a->n - from);
    (void)worker;
    a->k->add(a->to + from, a->left + from, a->to + from, (int64_t)n);
}

static void copy_tile(void *arg, int64_t tile, int worker) {
    const addition *a = arg;
    const size_t from = (size_t)tile * ADD_NUMBERS, n = QN_MIN((size_t)ADD_NUMBERS, a->n - from);
    (void)worker;
    memcpy(a->to + from, a->left + from, n * sizeof(float));
}

static void over_all(qn_trainer *t, qn_tile_fn *fn, float *to, const float *left) {
    addition a = {t->s.kernels, to, left, t->s.params->numbers};
    qn_parallel(t->s.pool, qn_tiles((int64_t)a.n, ADD_NUMBERS), fn, &a);
}

/* The gradient of shard `i` stands in the engine: it takes in every neighbour that waits for it. At the end what is
 * left of the tree is in the engine. */
static void shard_done(qn_trainer *t, int64_t i) {
    float *grad = qn_engine_grad(t->engine);
    int level = 0;
    for (; i >> level & 1; level++)
        over_all(t, add_tile, grad, t->sum[level]);
    if (i + 1 < t->recipe.shards) {
        over_all(t, copy_tile, t->sum[level], grad);
        return;
    }
    for (level++; level < QN_SHARD_LEVELS; level++)     /* an odd number of shards: older sums to the left */
        if (i >> level & 1)
            over_all(t, add_tile, grad, t->sum[level]);
}

/* ---- the batch ---- */

/* Fetches the rows of a step; how many tokens they have, and how many of them are supervised. */
static int fetch(qn_trainer *t, int64_t step, qn_step_report *report) {
    report->tokens = report->read = 0;
    for (int64_t i = 0; i < t->recipe.batch; i++) {
        QN_TRY(qn_trainer_row(t, t->rows, step * t->recipe.batch + i, i));
        report->tokens += qn_trainer_tokens(t, i);
        report->read += t->row[i].n;
    }
    return qn_replay_fetch(t, step);
}

/* One over what the loss of the batch is the mean of: supervised tokens, or answers that are judged. */
static double share_of(const qn_trainer *t, int64_t tokens) {
    int64_t n = t->judge.on ? 0 : tokens;
    for (int64_t i = 0; t->judge.on && i < t->recipe.batch; i++)
        n += qn_preference_answers(t, i);
    return n > 0 ? 1.0 / (double)n : 0;
}

/* What has to be known of the whole batch before its first pass; the operations that it takes. */
static int64_t begin(qn_trainer *t) {
    double moved = 0;
    int64_t answers = 0, flops = 0;
    for (int64_t r = 0; r < t->recipe.batch && t->judge.on && t->judge.kind->from == QN_LEARNS_LABELS; r += t->pass)
        moved += qn_preference_mismatch(t, QN_SPLIT_TRAIN, r, QN_MIN(t->pass, t->recipe.batch - r), &answers, &flops);
    qn_preference_begin(t, qn_objective_kl(moved, answers));
    return flops;
}

/* Rows [first, first + n) of the batch forward and back; their share of the loss. */
static double pass(qn_trainer *t, int64_t first, int64_t n, double share) {
    if (!t->judge.on) {
        qn_engine_drops(t->engine, t->state.step, first);
        return qn_engine_run(t->engine, t->row + first, n, share, true);
    }
    qn_preference_pass(t, QN_SPLIT_TRAIN, first, n, share);
    return 0;
}

/* Loss and gradients of the batch that was fetched. */
static double passes(qn_trainer *t, qn_step_report *report) {
    const int64_t per_shard = t->recipe.batch / t->recipe.shards;
    const double share = share_of(t, report->tokens);
    double loss = 0;
    report->flops = begin(t);
    for (int64_t shard = 0; shard < t->recipe.shards; shard++) {
        qn_engine_clear(t->engine);
        for (int64_t r = 0; r < per_shard; r += t->pass) {
            loss += pass(t, shard * per_shard + r, QN_MIN(t->pass, per_shard - r), share);
            report->flops += qn_engine_info_get(t->engine).flops;
        }
        if (shard + 1 == t->recipe.shards)
            report->replay_loss = qn_replay_passes(t, &report->flops);
        if (t->recipe.shards > 1)
            shard_done(t, shard);
    }
    if (!t->judge.on)
        return loss;
    report->judged = qn_preference_end(t);
    return report->judged.loss;
}

/* ---- the guard ---- */

/* A loss far above those of the last steps: so many deviations above their mean (as llm.c's detector). */
static bool is_spike(const qn_trainer *t, double loss) {
    const qn_train_state *s = &t->state;
    double mean = 0, square = 0;
    if (t->recipe.spike <= 0 || s->window_n < QN_LOSS_WINDOW)
        return false;
    for (int i = 0; i < QN_LOSS_WINDOW; i++)
        mean += s->window[i] / QN_LOSS_WINDOW;
    for (int i = 0; i < QN_LOSS_WINDOW; i++)
        square += (s->window[i] - mean) * (s->window[i] - mean) / QN_LOSS_WINDOW;
    return loss > mean + t->recipe.spike * sqrt(square) && loss > mean * 1.05;
}

static bool refused(const qn_trainer *t, double loss, double norm) {
    if (!isfinite(loss) || !isfinite(norm))
        return true;                    /* whatever the guard: such an update would be the end of the model */
    return t->recipe.guard != QN_GUARD_OFF && is_spike(t, loss);
}

static void remember(qn_train_state *s, double loss) { s->window[s->window_n++ % QN_LOSS_WINDOW] = loss; }

/* ---- the step ---- */

int qn_trainer_step(qn_trainer *t, qn_step_report *r) {
    const double start = qn_now();
    qn_train_state *s = &t->state;
    *r = (qn_step_report){.step = s->step + 1, .steps = t->recipe.steps};
    QN_TRY(fetch(t, s->step, r));
    r->loss = passes(t, r);
    r->rate = qn_schedule_rate(&t->recipe.schedule, s->step);
    r->grad_norm = qn_optimizer_grad_norm(t->optimizer, qn_engine_grad(t->engine), t->s.pool);
    r->skipped = refused(t, r->loss, r->grad_norm);
    s->step++;
    s->tokens += r->tokens;
    if (r->skipped) {
        s->skipped++;
        s->skipped_in_a_row++;
    } else {
        const double clip = t->recipe.clip;
        const double scale = clip > 0 && r->grad_norm > clip ? clip / r->grad_norm : 1;
        s->skipped_in_a_row = 0;
        remember(s, r->loss);
        qn_optimizer_step(t->optimizer, qn_engine_grad(t->engine), scale, r->rate, ++s->updates, t->s.pool);
        qn_params_changed(t->s.params, t->s.pool);
    }
    r->seconds = qn_now() - start;
    return 0;
}

/* The first step touches all memory; the others are what a run will see of this machine, so their mean is told. */
static int time_steps(qn_trainer *t, double most, double *seconds) {
    qn_step_report r;
    int n = 0;
    QN_TRY(qn_trainer_step(t, &r));
    const double start = qn_now();
    do
        QN_TRY(qn_trainer_step(t, &r));
    while (++n < STEPS_TIMED && qn_now() - start < most);
    *seconds = (qn_now() - start) / n;
    return 0;
}

int qn_trainer_time(qn_trainer *t, double most, qn_trial *out) {
    *out = (qn_trial){.held_rows = t->validation ? qn_rows_per_epoch(t->validation) : 0};
    QN_TRY(time_steps(t, most, &out->step));
    const double start = qn_now();
    qn_engine_run(t->engine, t->row, t->pass, 1, false);        /* rows of the last step */
    out->row = (qn_now() - start) / (double)t->pass;
    return 0;
}
