/* cli/training_plan.c — what a run is going to be, before step 1: for a person on stderr, as JSON on stdout.
 *
 *     model   llama, 0.99 M parameters …      shape of the model
 *     data    data/: 1.20 M tokens …          what it is trained on
 *     run     120 steps of 32 rows …          steps, batch, rate
 *     memory  up to 61 MB …                   as it stands reserved, and what comes beside it (training_memory.c)
 *     disk    up to 48 MB …                   its checkpoints (training_disk.c)
 *     time    about 0:42 …                    measured, or a guess */
#include <math.h>
#include <stdio.h>

#include "base/json_fields.h"
#include "cli/training.h"
#include "train/dial.h"

static const char *const rules[] = {"adamw", "muon", "sgd"};
static const char *const curves[] = {"cosine", "linear", "constant", "wsd"};

const char *qn_count_text(double n, char out[32]) {
    snprintf(out, 32, n < 1e5 ? "%.0f" : "%.2f M", n < 1e5 ? n : n / 1e6);
    return out;
}

static double planned_tokens(const qn_training *t) {
    return (double)t->recipe.steps * (double)t->recipe.batch * (double)qn_recipe_row(&t->recipe);
}

/* Six operations for each number that multiplies a token, forward and back; attention left out, 60 % of the peak. */
static double guessed_seconds(qn_training *t) {
    const qn_config *c = &t->cfg;
    const double numbers = (double)qn_dial_numbers(c, t->gated) + (double)(c->V * c->D);
    return 6 * numbers * planned_tokens(t) / (0.6e9 * qn_training_peak(t));
}

double qn_training_seconds(qn_training *t) {
    return t->step_seconds > 0 ? t->step_seconds * (double)t->recipe.steps : guessed_seconds(t);
}

static void say_data(const qn_training *t) {
    const qn_split_info train = qn_dataset_info(t->data, QN_SPLIT_TRAIN);
    const qn_split_info check = qn_dataset_info(t->data, QN_SPLIT_VALIDATION);
    char a[32], b[32];
    qn_log(QN_LOG_INFO, "data    %s: %s tokens to train on, %s to validate, %.2f bytes per token", t->data_path,
           qn_count_text((double)train.tokens, a), qn_count_text((double)check.tokens, b),
           train.tokens ? (double)train.bytes / (double)train.tokens : 0);
}

/* Places of an epoch: tokens of documents; of examples those of their packed rows. */
static double epoch_tokens(const qn_training *t) {
    if (t->data)
        return (double)qn_dataset_info(t->data, QN_SPLIT_TRAIN).tokens;
    return (double)t->epoch_rows * (double)qn_recipe_row(&t->recipe);
}

static void say_objective(const qn_objective *o) {
    const qn_objective_info *k = qn_objective_get(o->kind);
    const struct { int use; const char *name; double v; } more[] = {
        {QN_USES_SMOOTHING, "label smoothing", o->smoothing}, {QN_USES_ANCHOR, "anchor", o->anchor},
        {QN_USES_MARGIN, "gamma", o->margin}, {QN_USES_WEIGHTS, "weight of good answers", o->good},
        {QN_USES_WEIGHTS, "of others", o->bad},
    };
    char text[160] = "";
    for (size_t i = 0, n = 0; i < QN_LEN(more) && n < sizeof text; i++)
        if (k->uses & more[i].use)
            n += (size_t)snprintf(text + n, sizeof text - n, ", %s %g", more[i].name, more[i].v);
    qn_log(QN_LOG_INFO, "loss    %s of %s: beta %g%s; measured from %s", k->name,
           k->from == QN_LEARNS_PAIRS ? "pairs" : "labelled answers", o->beta, text,
           k->reference ? "the model as it is now" : "no reference");
}

static void say_memory(const qn_training *t) {
    const qn_training_memory m = qn_training_memory_get(t);
    if (m.data < m.all / 50)
        qn_log(QN_LOG_INFO, "memory  up to %.0f MB", (double)m.all / 1e6);
    else
        qn_log(QN_LOG_INFO, "memory  up to %.0f MB, and %.0f MB of the data, which the system may take back",
               (double)(m.all - m.data) / 1e6, (double)m.data / 1e6);
}

void qn_training_plan(qn_training *t) {
    const qn_config *c = &t->cfg;
    const qn_recipe *r = &t->recipe;
    const int threads = qn_pool_threads(t->pool);
    const double tokens = planned_tokens(t), epoch = epoch_tokens(t);
    char text[32], all[32];
    qn_log(QN_LOG_INFO, "model   %s, %.2f M parameters, %.2f M of them outside the embedding: %lld layer%s, width "
           "%lld, %lld head%s of %lld, feed-forward %lld, vocabulary %lld", t->arch->name,
           (double)t->model->n_params / 1e6,
           (double)qn_dial_numbers(c, t->gated) / 1e6, (long long)c->layers, qn_plural(c->layers), (long long)c->D,
           (long long)c->heads, qn_plural(c->heads), (long long)c->Dh, (long long)c->F, (long long)c->V);
    if (t->adapter)
        qn_training_adapter_plan(t);
    if (t->data)
        say_data(t);
    if (qn_recipe_judges(r))
        say_objective(&r->objective);
    qn_log(QN_LOG_INFO, "run     %lld step%s of %lld row%s of %lld tokens: %s tokens, %.1f epochs; %s, rate %g %s, "
           "warm-up %lld; compute %s", (long long)r->steps, qn_plural(r->steps), (long long)r->batch,
           qn_plural(r->batch), (long long)qn_recipe_row(r), qn_count_text(tokens, all), epoch > 0 ? tokens / epoch : 0,
           rules[r->optimizer.kind], r->schedule.peak, curves[r->schedule.kind], (long long)r->schedule.warmup,
           qn_dtype_get((qn_dtype)r->compute)->name);
    if (t->replay)
        qn_log(QN_LOG_INFO, "replay  %lld row%s of %s beside each step, weight %g", (long long)r->replay_rows,
               qn_plural(r->replay_rows), qn_dataset_path(t->replay), r->replay_weight);
    qn_training_say_tasks(t);
    say_memory(t);
    qn_training_say_disk(t, qn_cli_str(t->c, "out"));
    qn_clock_text(qn_training_seconds(t), text);
    qn_log(QN_LOG_INFO, "time    about %s on this machine, %s (%s, %d thread%s)", text, t->step_seconds > 0
           ? "as a step was measured" : "a guess", qn_isa_name(t->kernels->isa), threads, qn_plural(threads));
}

/* ---- as JSON ---- */

static void put_shape(const qn_training *t, qn_jw *w) {
    const qn_config *c = &t->cfg;
    qn_jw_key(w, "model");
    qn_jw_open(w, '{');
    qn_field_str(w, "family", t->arch->name);
    qn_field_i64(w, "parameters", t->model->n_params);
    qn_field_i64(w, "outside_embedding", qn_dial_numbers(c, t->gated));
    qn_field_i64(w, "layers", c->layers);
    qn_field_i64(w, "dim", c->D);
    qn_field_i64(w, "heads", c->heads);
    qn_field_i64(w, "kv_heads", c->kv_heads);
    qn_field_i64(w, "ff", c->F);
    qn_field_i64(w, "context", c->context);
    qn_field_i64(w, "vocab", c->V);
    qn_jw_close(w);
}

static void put_data(const qn_training *t, qn_jw *w) {
    qn_jw_key(w, "data");
    if (!t->data) {
        qn_jw_null(w);                  /* examples, which have no tokens of their own before they are packed */
        return;
    }
    qn_jw_open(w, '{');
    qn_field_str(w, "path", t->data_path);
    qn_field_i64(w, "train_tokens", qn_dataset_info(t->data, QN_SPLIT_TRAIN).tokens);
    qn_field_i64(w, "validation_tokens", qn_dataset_info(t->data, QN_SPLIT_VALIDATION).tokens);
    qn_jw_close(w);
}

int qn_training_plan_json(qn_training *t) {
    const double tokens = planned_tokens(t), epoch = epoch_tokens(t);
    qn_jw *w = qn_out_json(t->c, 2);
    qn_jw_open(w, '{');
    put_shape(t, w);
    put_data(t, w);
    qn_field_i64(w, "tokens", (int64_t)tokens);
    qn_field_f64(w, "epochs", epoch > 0 ? tokens / epoch : NAN);
    qn_jw_key(w, "recipe");
    qn_jw_open(w, '{');
    qn_recipe_put(&t->recipe, w);
    qn_jw_close(w);
    qn_field_i64(w, "memory_bytes", qn_training_memory_get(t).all);
    qn_field_i64(w, "memory_of_data", qn_training_memory_get(t).data);
    qn_field_i64(w, "checkpoint_bytes", qn_trainer_checkpoint_bytes(t->trainer));
    qn_field_i64(w, "checkpoints", qn_training_checkpoints(t));
    qn_field_f64(w, "seconds", qn_training_seconds(t));
    qn_jw_key(w, "measured");
    qn_jw_bool(w, t->step_seconds > 0);
    qn_field_str(w, "isa", qn_isa_name(t->kernels->isa));
    qn_field_i64(w, "threads", qn_pool_threads(t->pool));
    qn_jw_close(w);
    return qn_out_json_end(t->c);
}
