/* cli/tuning.c — a run that begins with a model and learns from examples, up to its first step. */
#include "cli/tuning.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "train/dial.h"
#include "train/reference.h"

enum { CONTEXT_MOST = 1024, BATCH_MOST = 16, STEPS_LEAST = 10 };

static int check_names(const qn_cli *c) {
    size_t n;
    qn_cli_list(c, "data", &n);
    if (n == 0 || (!qn_cli_given(c, "out") && !qn_cli_flag(c, "dry-run")))
        return qn_fail(QN_EUSAGE, "needed: --data with a file of examples, and --out with a new folder");
    return 0;
}

/* Options that mean nothing without another. */
static int check_parts(const qn_cli *c, const char *const *part, size_t n, const char *of, const char *needs) {
    for (size_t i = 0; i < n; i++)
        if (qn_cli_given(c, part[i]))
            return qn_fail(QN_EUSAGE, "--%s is of %s: it needs %s", part[i], of, needs);
    return 0;
}

static int take_lora(const qn_cli *c, qn_recipe_lora *l) {
    static const char *const parts[] = {"rank", "alpha", "targets", "lora-dropout", "rslora", "dora", "lora-plus"};
    const char *targets = qn_cli_str(c, "targets");
    if (!qn_cli_flag(c, "lora") && !qn_cli_given(c, "adapter"))
        return check_parts(c, parts, QN_LEN(parts), "adapters", "--lora");
    if (qn_cli_enum(c, "weights") == 1)
        return qn_fail(QN_EUSAGE, "--weights f32: an adapter sits on the weights as they are; leave it out");
    if (strlen(targets) >= QN_TARGETS)
        return qn_fail(QN_EUSAGE, "--targets: %zu bytes of names; at most %d are expected", strlen(targets),
                       QN_TARGETS - 1);
    *l = (qn_recipe_lora){.rank = qn_cli_int(c, "rank"), .alpha = qn_cli_float(c, "alpha"),
                          .dropout = qn_cli_float(c, "lora-dropout"), .plus = qn_cli_float(c, "lora-plus"),
                          .rslora = qn_cli_flag(c, "rslora"), .dora = qn_cli_flag(c, "dora")};
    memcpy(l->targets, targets, strlen(targets) + 1);
    return 0;
}

/* Steps of a gradient are far below the steps of a quantized number: it would be trained in vain, or not be that model
 * any more. */
static int check_weights(const qn_cli *c, const qn_source *s) {
    const qn_tensor_file *f = qn_source_tensors(s);
    if (qn_cli_enum(c, "weights") == 1 || qn_cli_flag(c, "lora") || qn_cli_given(c, "adapter") || !f)
        return 0;
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        if (t->dtype >= 0 && qn_dtype_get((qn_dtype)t->dtype)->block == 1)
            continue;
        return qn_fail(QN_EINVAL, "%s: its weights are quantized (%.*s is %s), and full fine-tuning trains numbers: "
                       "--lora trains an adapter beside them, --weights f32 begins with what they stand for, or `quern "
                       "convert --dtype f32` makes such a model", qn_source_path(s), QN_STR_ARG(t->name), t->type);
    }
    return 0;
}

/* ---- examples ---- */

static int decide_context(qn_training *t) {
    const int64_t asked = qn_run_args_int(t->c, "context");
    t->recipe.context = asked > 0 ? asked : QN_MIN(t->cfg.context, (int64_t)CONTEXT_MOST);
    if (t->recipe.context > t->cfg.context)
        return qn_fail(QN_EINVAL, "rows of %lld tokens do not fit into the model's context of %lld; a smaller "
                       "--context does", (long long)t->recipe.context, (long long)t->cfg.context);
    return 0;
}

/* Tokenizer and template of the model, or of the adapter that goes on, where it brings tokens. */
static int open_chat(qn_training *t, const qn_source *s) {
    qn_source *words = NULL;
    QN_TRY(qn_training_adapter_words(t, &words));
    const int rc = qn_chat_model_open(&t->chat, words ? words : s);
    qn_source_close(words);
    QN_TRY(rc);
    if (words && t->chat.n_added)
        return qn_fail(QN_EUNSUPPORTED, "%s: brings tokens and no chat template, and those of ChatML would be new "
                       "beside them; put a tokenizer_config.json with its template there", t->first->name);
    QN_TRY(qn_training_check_words(t));
    t->n_added = t->chat.n_added;
    memcpy(t->added, t->chat.added, sizeof t->added);
    return 0;
}

static int read_examples(qn_training *t, const qn_source *s, const qn_tuning *how) {
    qn_example_args a;
    size_t n;
    const char *const *data = qn_cli_list(t->c, "data", &n);
    QN_TRY(open_chat(t, s));
    QN_TRY(qn_example_args_read(t->c, data, n, t->recipe.context, &a));
    a.o.teach.teach = how->teach;
    QN_TRY(qn_example_args_open(t->c, &a.o, &t->chat, &t->examples));
    qn_training_tuned(t, t->chat.rows, t->chat.eos, t->chat.n_eos);
    QN_TRY(qn_buf_put(&t->tokenizer_json, t->chat.json.s, t->chat.json.n));
    QN_TRY(qn_buf_put(&t->tokenizer_config_json, t->chat.config.s, t->chat.config.n));
    t->tok = t->chat.tok;
    t->chat.tok = NULL;
    return 0;
}

/* In RUN/data, for a resume. */
static int keep_examples(qn_training *t) {
    qn_buf dir = {0};
    int rc = qn_path_join(&dir, qn_run_path(t->run), "data");
    if (rc >= 0)
        rc = qn_training_save_examples(t, dir.s);
    if (rc >= 0 && !(t->data_path = qn_str_dup(QN_MEM_CLI, qn_buf_view(&dir))))
        rc = QN_ENOMEM;
    qn_buf_drop(&dir);
    return rc;
}

/* ---- the plan ---- */

static int count_rows(qn_training *t) {
    const qn_rows_options o = {.context = qn_recipe_row(&t->recipe), .seed = t->recipe.seed,
                               .judged = qn_recipe_judges(&t->recipe)};
    qn_rows *rows;
    QN_TRY(qn_rows_of_examples(&rows, t->examples, &o));
    t->epoch_rows = qn_rows_per_epoch(rows);
    qn_rows_free(rows);
    return 0;
}

/* Rows of a step: as many as leave an epoch some steps, a power of two, 16 at most. */
static int64_t batch_for(int64_t rows) {
    int64_t batch = 1;
    while (batch < BATCH_MOST && rows / (2 * batch) >= STEPS_LEAST)
        batch *= 2;
    return batch;
}

/* The rules of the dial for what is not said; a rate, a batch and steps of our own. */
static int plan_run(qn_training *t, const qn_tuning *how) {
    const qn_cli *c = t->c;
    qn_recipe *r = &t->recipe;
    qn_dial d;
    qn_dial_init(&d);
    d.context = r->context;
    d.batch = qn_run_args_int(c, "batch");
    d.micro = qn_run_args_int(c, "micro-batch");
    d.steps = qn_run_args_int(c, "steps");
    d.warmup = qn_run_args_int(c, "warmup");
    if (d.batch < 0)
        d.batch = (batch_for(t->epoch_rows) + r->shards - 1) / r->shards * r->shards;
    if (d.steps < 0)
        d.steps = QN_MAX(1, (int64_t)ceil(qn_cli_float(c, "epochs") * (double)t->epoch_rows / (double)d.batch));
    if (qn_cli_given(c, "lr"))
        d.rate = qn_cli_float(c, "lr");
    if (!qn_cli_given(c, "weight-decay"))
        r->optimizer.weight_decay = 0;
    qn_run_args_intervals(c, r);
    if (r->eval_every < 0)              /* what is held out is small: the dial's rule for little text is not needed */
        r->eval_every = QN_MAX(1, d.steps / 20);
    QN_TRY(qn_dial_run(&d, &t->cfg, t->gated, 1, r));
    if (!qn_cli_given(c, "lr"))
        r->schedule.peak = (how->rate > 0 ? how->rate : r->schedule.peak / 30) * (r->lora.rank > 0 ? 10 : 1);
    if (d.micro < 0 && qn_recipe_judges(r))     /* rows are twice as long */
        r->rows = QN_MAX(1, r->rows / 2);
    if (d.micro < 0 && r->lora.rank > 0)        /* activations are most of what an adapter's run holds */
        r->rows = QN_MAX(1, r->rows / 2);
    return qn_recipe_check(r);
}

/* Text that is read again: so many rows of it. */
static int plan_replay(qn_training *t) {
    const qn_cli *c = t->c;
    static const char *const parts[] = {"replay-rows", "replay-weight"};
    const char *dir = qn_cli_str(c, "replay");
    const int64_t rows = qn_run_args_int(c, "replay-rows");
    if (!dir)
        return check_parts(c, parts, QN_LEN(parts), "text that is read again", "--replay");
    t->recipe.replay_rows = rows > 0 ? rows : QN_MAX(1, t->recipe.batch / 2);
    t->recipe.replay_weight = qn_cli_float(c, "replay-weight");
    return qn_training_open_replay(t, dir);
}

static int keep_words(qn_training *t) {
    t->from = qn_str_dup(QN_MEM_CLI, qn_str_of(qn_cli_arg(t->c, 0)));
    return t->from ? qn_run_args_asks(t) : QN_ENOMEM;
}

static int reference_key(const qn_training *t, char key[QN_REFERENCE_KEY]) {
    return qn_reference_key(t->model, t->begun ? t->adapter : NULL, t->examples, t->pool, key);
}

static int begin(qn_training *t, const qn_source *s, const qn_tuning *how) {
    const char *model = qn_cli_arg(t->c, 0);
    QN_TRY(check_weights(t->c, s));
    QN_TRY(qn_training_look(t, model));
    QN_TRY(qn_training_take_adapter(t));
    QN_TRY(qn_dial_family(t->arch, &(qn_config){0}, &t->gated));
    QN_TRY(decide_context(t));
    QN_TRY(read_examples(t, s, how));
    QN_TRY(how->examples ? how->examples(t) : 0);
    QN_TRY(qn_run_args_evaluates(t));
    QN_TRY(count_rows(t));
    QN_TRY(plan_run(t, how));
    QN_TRY(plan_replay(t));
    if (!qn_cli_flag(t->c, "dry-run")) {
        QN_TRY(qn_run_create(&t->run, qn_cli_str(t->c, "out")));
        QN_TRY(qn_training_keep_adapter(t));
        QN_TRY(keep_examples(t));
    }
    QN_TRY(qn_training_open_model(t, model));
    QN_TRY(qn_training_build(t));
    return qn_trainer_has_reference(t->trainer) ? reference_key(t, t->reference) : 0;
}

int qn_tuning_start(qn_training *t, const qn_tuning *how) {
    qn_source *s = NULL;
    QN_TRY(check_names(t->c));
    QN_TRY(qn_run_args_check(t->c));
    QN_TRY(qn_cli_pool(t->c, &t->pool));
    t->kernels = qn_kernels_at(qn_cli_isa(t->c));
    qn_run_args_recipe(t);
    QN_TRY(take_lora(t->c, &t->recipe.lora));
    QN_TRY(how->recipe(t));
    QN_TRY(keep_words(t));
    QN_TRY(qn_source_open(&s, qn_cli_arg(t->c, 0)));
    const int rc = begin(t, s, how);
    qn_source_close(s);
    QN_TRY(rc);
    qn_training_plan(t);
    if (qn_cli_given(t->c, "out"))
        QN_TRY(qn_training_room(t, qn_cli_str(t->c, "out")));
    if (qn_cli_flag(t->c, "dry-run"))
        return qn_cli_json(t->c) ? qn_training_plan_json(t) : 0;
    QN_TRY(qn_training_manifest(t, "running"));
    const int referred = qn_tuning_reference(t, NULL);
    if (referred < 0)
        qn_training_failed(t, referred);
    QN_TRY(referred);
    return qn_training_go(t);
}

/* ---- the reference ---- */

/* The weights that the run began with, over those that are there. */
static int load_first(qn_training *t, const char *from) {
    qn_source *s = NULL;
    QN_TRY(qn_source_open(&s, from));
    const int rc = qn_params_load(&t->params, s, t->pool);
    qn_source_close(s);
    return rc;
}

static int make_reference(qn_training *t, const char *path, const char *from) {
    char key[QN_REFERENCE_KEY];
    if (from && !t->adapter)            /* an adapter sits on them still */
        QN_TRY(load_first(t, from));
    QN_TRY(reference_key(t, key));
    if (strcmp(key, t->reference) != 0)
        return qn_fail(QN_EINVAL, "%s: no longer has the weights that this run began with, and what it said of the "
                       "answers then is not in %s: nothing is left to measure preferences from; begin a new run",
                       t->from, path);
    qn_buf known = {0};
    if (t->reference_of)
        QN_TRY(qn_buf_printf(&known, "%s/data/%s", t->reference_of, QN_REFERENCE_FILE));
    qn_progress_init(&t->bar, t->c, "reference", 0, "rows");
    const int rc = qn_trainer_reference_make(t->trainer, path, known.s, key);
    qn_progress_drop(&t->bar);
    qn_buf_drop(&known);
    return rc;
}

int qn_tuning_reference(qn_training *t, const char *from) {
    qn_buf path = {0};
    int rc = 0;
    if (!qn_trainer_has_reference(t->trainer))
        return 0;
    QN_TRY_OUT(qn_path_join(&path, t->data_path, QN_REFERENCE_FILE));
    if (qn_is_file(path.s))
        rc = qn_trainer_reference_open(t->trainer, path.s, t->reference);
    if (rc == 0)
        rc = make_reference(t, path.s, from);
out:
    qn_buf_drop(&path);
    return rc < 0 ? rc : 0;
}

/* ---- what is shown ---- */

const char *qn_judged_text(const qn_judged *j, char out[64]) {
    const bool both = j->n && !isnan(j->margin);        /* labels may all be of one side */
    const int n = both ? snprintf(out, 64, "margin %.3f", j->margin) : 0;
    out[n] = 0;
    if (both && !isnan(j->accuracy))
        snprintf(out + n, 64 - (size_t)n, ", %.0f %% right", 100 * j->accuracy);
    return out;
}
