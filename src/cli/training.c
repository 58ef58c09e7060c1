/* cli/training.c — a training run as a person sees it: opened, planned, shown, sampled, recorded. */
#include "cli/training.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "cli/tuning.h"
#include "cli/within.h"
#include "model/save.h"

#define TEXT_MAX ((size_t)256 << 20)

/* ---- opening ---- */

static int read_beside(const char *dir, const char *name, qn_buf *out) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, dir, name);
    if (rc >= 0 && qn_is_file(path.s))
        rc = qn_read_file(out, path.s, TEXT_MAX);
    qn_buf_drop(&path);
    return rc;
}

static bool is_there(const char *dir, const char *name) {
    qn_buf path = {0};
    const bool there = qn_path_join(&path, dir, name) >= 0 && qn_is_file(path.s);
    qn_buf_drop(&path);
    return there;
}

bool qn_training_has_examples(const char *dir) { return is_there(dir, QN_EXAMPLES_FILE); }

const char *qn_training_fingerprint(const qn_training *t) {
    return t->data ? qn_dataset_fingerprint(t->data) : qn_examples_fingerprint(t->examples);
}

static int write_beside(const char *dir, const char *name, const qn_buf *text) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, dir, name);
    if (rc >= 0)
        rc = qn_write_file(path.s, text->s ? text->s : "", text->n);
    qn_buf_drop(&path);
    return rc;
}

/* The examples come last: with them the folder is whole. */
int qn_training_save_examples(const qn_training *t, const char *dir) {
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_dir_make(dir));
    QN_TRY_OUT(write_beside(dir, "tokenizer.json", &t->tokenizer_json));
    QN_TRY_OUT(write_beside(dir, "tokenizer_config.json", &t->tokenizer_config_json));
    QN_TRY_OUT(qn_path_join(&path, dir, QN_EXAMPLES_FILE));
    rc = qn_examples_save(t->examples, path.s);
out:
    qn_buf_drop(&path);
    return rc < 0 ? rc : 0;
}

static int open_examples(qn_training *t, const char *dir) {
    qn_source *s = NULL;
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, QN_EXAMPLES_FILE));
    QN_TRY_OUT(qn_examples_open(&t->examples, path.s));
    QN_TRY_OUT(read_beside(dir, "tokenizer.json", &t->tokenizer_json));
    QN_TRY_OUT(read_beside(dir, "tokenizer_config.json", &t->tokenizer_config_json));
    QN_TRY_OUT(qn_source_open(&s, dir));
    QN_TRY_OUT(qn_chat_model_open(&t->chat, s));
    t->tok = t->chat.tok;
    t->chat.tok = NULL;
    if (!t->data_path && !(t->data_path = qn_str_dup(QN_MEM_CLI, qn_str_of(dir))))
        rc = QN_ENOMEM;
out:
    qn_source_close(s);
    qn_buf_drop(&path);
    return rc;
}

int qn_training_open_data(qn_training *t, const char *dir) {
    qn_buf path = {0};
    int rc;
    if (qn_training_has_examples(dir))
        return open_examples(t, dir);
    QN_TRY_OUT(qn_dataset_open(&t->data, dir));
    QN_TRY_OUT(read_beside(dir, "tokenizer.json", &t->tokenizer_json));
    QN_TRY_OUT(read_beside(dir, "tokenizer_config.json", &t->tokenizer_config_json));
    QN_TRY_OUT(qn_path_join(&path, dir, "tokenizer.json"));
    QN_TRY_OUT(qn_model_tokenizer(&t->tok, path.s));
    if (!t->data_path && !(t->data_path = qn_str_dup(QN_MEM_CLI, qn_str_of(dir))))
        rc = QN_ENOMEM;
out:
    qn_buf_drop(&path);
    return rc;
}

/* Its ids must mean what they mean to the model; the model may know more of them. */
static int check_replay(const qn_training *t, const char *dir, const qn_tok *tok) {
    const int32_t id = qn_tok_first_other(tok, t->tok, qn_tok_size(tok), false);
    if (id < 0)
        return 0;
    return qn_fail(QN_EINVAL, "%s: was prepared with another tokenizer: id %d is \"%.*s\" there, \"%.*s\" to the "
                   "model; prepare the text with the model's own", dir, (int)id, QN_STR_ARG(qn_tok_text(tok, id)),
                   QN_STR_ARG(qn_tok_text(t->tok, id)));
}

int qn_training_open_replay(qn_training *t, const char *dir) {
    qn_buf path = {0};
    qn_tok *tok = NULL;
    int rc;
    QN_TRY_OUT(qn_dataset_open(&t->replay, dir));
    QN_TRY_OUT(qn_path_join(&path, dir, "tokenizer.json"));
    QN_TRY_OUT(qn_model_tokenizer(&tok, path.s));
    rc = check_replay(t, dir, tok);
out:
    qn_tok_free(tok);
    qn_buf_drop(&path);
    return rc;
}

void qn_training_take_ids(qn_training *t) {
    t->cfg.bos = qn_tok_bos(t->tok);
    t->cfg.pad = -1;
    t->cfg.n_eos = qn_tok_eos(t->tok) >= 0;
    t->cfg.eos[0] = qn_tok_eos(t->tok);
}

void qn_training_tuned(qn_training *t, int64_t rows, const int64_t *eos, int64_t n_eos) {
    t->rows = rows;
    t->n_eos = n_eos;
    memcpy(t->eos, eos, sizeof t->eos);
}

/* Which of the optional parameters a model on disk has. */
static int parameters_of(const qn_source *s, const qn_arch *arch, bool has[QN_PARAMS]) {
    qn_buf name = {0};
    int rc = 0;
    for (size_t i = 0; i < arch->n_params; i++) {
        const qn_param *p = &arch->params[i];
        qn_buf_clear(&name);
        QN_TRY_OUT(qn_param_name(p, qn_source_is_gguf(s), qn_param_per_layer(p) ? 0 : -1, &name));
        has[p->id] = qn_tensor_find(qn_source_tensors(s), name.s) != NULL;
    }
out:
    qn_buf_drop(&name);
    return rc;
}

static int open_from(qn_training *t, const char *from, bool has[QN_PARAMS], qn_source **s) {
    QN_TRY(qn_source_open(s, from));
    QN_TRY(qn_source_config(*s, &t->arch, &t->cfg));
    QN_TRY(qn_arch_continues(t->arch, &t->cfg, from));
    if (!qn_source_tensors(*s))
        return qn_fail(QN_ENOTFOUND, "%s: has no weights to begin with", from);
    QN_TRY(parameters_of(*s, t->arch, has));
    t->cfg.tied = t->cfg.tied || (qn_source_is_gguf(*s) && !has[QN_P_HEAD]);     /* GGUF says so by leaving it out */
    if (t->compute_free && t->cfg.compute >= 0)
        t->recipe.compute = t->cfg.compute;
    if (t->examples && t->rows > 0) {           /* tokens of the template may be new to the model */
        t->cfg.V = QN_MAX(t->cfg.V, t->rows);
        t->cfg.n_eos = t->n_eos;
        memcpy(t->cfg.eos, t->eos, sizeof t->eos);
    }
    return 0;
}

int qn_training_look(qn_training *t, const char *from) {
    bool has[QN_PARAMS] = {false};
    qn_source *s = NULL;
    const int rc = open_from(t, from, has, &s);
    qn_source_close(s);
    return rc;
}

/* ---- what is shown on the way ---- */

double qn_training_peak(qn_training *t) {
    if (!t->peak.threads && qn_peak_floats(t->pool, qn_cli_isa(t->c), &t->peak) < 0)
        return INFINITY;                        /* no memory for a few numbers: shares of it are 0 */
    return t->recipe.compute == QN_BF16 && t->peak.bf16 > 0 ? t->peak.bf16 : t->peak.f32;
}

/* Looked up once a second: it stands in a file of the kernel's. */
static double peak_memory(qn_training *t) {
    if (!t->peak_bytes || qn_now() - t->looked > 1) {
        t->peak_bytes = qn_cli_peak_bytes();
        t->looked = qn_now();
    }
    return (double)t->peak_bytes / 1e6;
}

static void add_work(qn_training_work *to, const qn_training_work *w) {
    to->seconds += w->seconds;
    to->tokens += w->tokens;
    to->read += w->read;
    to->flops += w->flops;
    to->judged += w->judged;
}

/* The last steps together: one by itself says how busy the machine was at that moment. */
static qn_training_work last_work(const qn_training *t) {
    qn_training_work sum = {0};
    for (size_t i = 0; i < QN_LEN(t->recent); i++)
        add_work(&sum, &t->recent[i]);
    return sum;
}

const char *qn_training_speed_text(const qn_training *t, const qn_training_work *w, char out[64]) {
    const double seconds = w->seconds > 0 ? w->seconds : INFINITY;
    if (t->examples)
        snprintf(out, 64, "%.0f tokens/s, %.0f of them taught", w->read / seconds, w->tokens / seconds);
    else
        snprintf(out, 64, "%.0f tokens/s", w->tokens / seconds);
    return out;
}

/* What stands behind the bar: the last step, the last evaluation where there was one, and how fast steps were. */
static void put_note(qn_training *t, qn_training_work w) {
    const double share = w.seconds > 0 ? w.flops / w.seconds * 1e-9 / qn_training_peak(t) : 0;
    char eval[48] = "", judged[64], speed[64];
    if (t->measured.tokens)
        snprintf(eval, sizeof eval, ", eval %.4f", t->measured.loss);
    qn_judged_text(&t->last.judged, judged);
    qn_progress_note(&t->bar, "loss %.4f%s%s%s, %s, %.0f %% of peak, %.0f MB", t->last.loss,
                     *judged ? ", " : "", judged, eval, qn_training_speed_text(t, &w, speed), 100 * share,
                     peak_memory(t));
}

static int on_step(void *arg, const qn_step_report *r) {
    qn_training *t = arg;
    const qn_training_work w = {.seconds = r->seconds, .tokens = (double)r->tokens, .read = (double)r->read,
                                .flops = (double)r->flops, .judged = (double)r->judged.n};
    t->last = *r;
    t->recent[r->step % (int64_t)QN_LEN(t->recent)] = w;
    add_work(&t->work, &w);
    put_note(t, last_work(t));
    qn_progress_set(&t->bar, r->step);
    return 0;
}

static int on_measured(void *arg, int64_t step, const qn_measured *m, bool best) {
    qn_training *t = arg;
    char bits[48] = "", judged[64];
    t->measured = *m;
    t->spent.measuring += m->seconds;
    put_note(t, last_work(t));
    if (isfinite(m->bits_per_byte))
        snprintf(bits, sizeof bits, ", %.4f bits per byte", m->bits_per_byte);
    qn_judged_text(&m->judged, judged);
    qn_log(QN_LOG_INFO, "step %lld: validation loss %.4f%s%s%s%s", (long long)step, m->loss, bits,
           *judged ? ", " : "", judged, best ? ", the best so far" : "");
    return 0;
}

static int on_reference(void *arg, int64_t done, int64_t rows) {
    qn_training *t = arg;
    return qn_progress_reach(&t->bar, done, rows);
}

static int on_saved(void *arg, int64_t step, double seconds) {
    qn_training *t = arg;
    t->spent.saving += seconds;
    qn_log(QN_LOG_DEBUG, "step %lld: checkpoint written in %.2f s", (long long)step, seconds);
    return 0;
}

static int on_token(void *arg, const qn_token_event *e) {
    qn_training *t = arg;
    return qn_buf_put(&t->sample, e->text.s, e->text.n);
}

static int put_sample(qn_training *t, int64_t step) {
    qn_jw *w = qn_run_sample(t->run);
    qn_field_i64(w, "step", step);
    qn_jw_key(w, "prompt");
    qn_jw_str(w, qn_buf_view(&t->shown));
    qn_jw_key(w, "text");
    qn_jw_str(w, qn_buf_view(&t->sample));
    return qn_run_sample_end(t->run);
}

qn_session_options qn_training_session(const qn_training *t, int64_t context, int64_t sequences) {
    return (qn_session_options){.context = QN_MIN(t->cfg.context, context), .sequences = sequences, .kv = -1,
                                .adapter = (const qn_adapter *const *)&t->adapter, .n_adapters = t->adapter != NULL};
}

/* What the model as it is writes: a session of its own, gone afterwards. */
static int write_sample(qn_training *t, int64_t step, const qn_model *m) {
    const qn_session_options o = qn_training_session(t, (int64_t)t->prompt_ids.n + QN_TRAINING_SAMPLE, 1);
    qn_generate_options g = qn_generate_options_default();
    qn_generate_result r;
    qn_session *s = NULL;
    int rc;
    g.max_new = QN_TRAINING_SAMPLE;
    g.sampler.temperature = 0.8;
    g.sampler.seed = (uint64_t)step;
    qn_buf_clear(&t->sample);
    t->held.n = 0;
    if (t->prompt_ids.n == 0)
        return 0;
    QN_TRY(qn_session_new(&s, m, t->kernels, t->pool, &o));
    rc = qn_generate(s, t->tok, 0, &t->held, &t->prompt_ids, &g, on_token, t, &r);
    qn_session_free(s);
    QN_TRY(rc);
    qn_log(QN_LOG_INFO, "step %lld writes: %s%s", (long long)step, t->shown.s ? t->shown.s : "",
           t->sample.s ? t->sample.s : "");
    return put_sample(t, step);
}

static int on_sample(void *arg, int64_t step, const qn_model *m) {
    qn_training *t = arg;
    const double start = qn_now();
    const int rc = write_sample(t, step, m);
    t->spent.sampling += qn_now() - start;
    return rc;
}

/* A token has a byte at least; a question comes with what the template puts around it. */
int64_t qn_training_prompt_most(const qn_training *t) {
    const int64_t around = t->examples ? t->recipe.context : 1;
    return around + (t->prompt ? (int64_t)strlen(t->prompt) : 0);
}

/* A question as the chat template asks it; without one the first that is held out, or trained on. */
static int encode_question(qn_training *t) {
    const qn_split split = qn_examples_count(t->examples, QN_SPLIT_VALIDATION) ? QN_SPLIT_VALIDATION : QN_SPLIT_TRAIN;
    qn_chat_messages *m;
    qn_example e;
    if (!t->prompt) {
        qn_examples_get(t->examples, split, 0, &e);
        for (int64_t i = 0; i < e.part[0].prompt; i++)
            QN_TRY(qn_ids_push(&t->prompt_ids, e.part[0].ids[i]));
        return qn_tok_decode(t->tok, t->prompt_ids.v, t->prompt_ids.n, QN_TOK_SKIP_SPECIAL, &t->shown);
    }
    QN_TRY(qn_chat_messages_new(&m));
    int rc = qn_chat_messages_add(m, "user", qn_str_of(t->prompt));
    if (rc >= 0)
        rc = qn_prompter_render(&t->chat.prompter, m, true);
    if (rc >= 0)
        rc = qn_prompter_ids(&t->chat.prompter, t->tok, &t->prompt_ids);
    qn_chat_messages_free(m);
    QN_TRY(rc);
    return qn_buf_printf(&t->shown, "%s\n", t->prompt);
}

/* The prompt of the samples: what was asked for, after BOS where there is one; without either a line end. */
static int encode_prompt(qn_training *t) {
    const int32_t bos = qn_tok_bos(t->tok), eos = qn_tok_eos(t->tok);
    const char *text = t->prompt ? t->prompt : "";
    if (t->examples)
        return encode_question(t);
    QN_TRY(qn_buf_puts(&t->shown, text));
    QN_TRY(qn_tok_encode(t->tok, text, strlen(text), QN_TOK_DEFAULT, &t->prompt_ids));
    if (t->prompt_ids.n > 0)
        return 0;
    if (bos >= 0 || eos >= 0)
        return qn_ids_push(&t->prompt_ids, bos >= 0 ? bos : eos);
    return qn_tok_encode(t->tok, "\n", 1, QN_TOK_DEFAULT, &t->prompt_ids);
}

/* ---- building ---- */

int qn_training_open_model(qn_training *t, const char *from) {
    bool has[QN_PARAMS] = {false};
    qn_source *s = NULL;
    int rc = 0;
    if (t->recipe.lora.rank > 0) {
        rc = qn_training_open_adapter(t, from);
        goto out;
    }
    if (from)
        QN_TRY_OUT(open_from(t, from, has, &s));
    t->cfg.compute = t->recipe.compute;
    QN_TRY_OUT(qn_training_fits(t));
    QN_TRY_OUT(qn_model_blank(&t->model, t->arch, &t->cfg, from ? has : NULL, (qn_dtype)t->recipe.compute));
    QN_TRY_OUT(qn_params_init(&t->params, t->model));
    t->params.grow = t->examples != NULL;
    if (from)
        rc = qn_params_load(&t->params, s, t->pool);
    else
        rc = qn_params_fresh(&t->params, t->recipe.seed, t->recipe.init_std, t->pool);
out:
    qn_source_close(s);
    return rc == QN_ENOMEM ? qn_fail_in(rc, QN_TRAINING_DOES_NOT_FIT) : rc;
}

int qn_training_build(qn_training *t) {
    QN_TRY(qn_training_read_bits(t));
    const qn_train_setup setup = {
        .recipe = &t->recipe, .params = &t->params, .data = t->data,
        .examples = t->examples, .replay = t->replay, .kernels = t->kernels, .pool = t->pool,
        .run = t->run,
        .texts = {qn_buf_view(&t->tokenizer_json), qn_buf_view(&t->tokenizer_config_json), t->base},
        .hooks = {.step = on_step, .measured = on_measured, .saved = on_saved, .metrics = qn_training_metrics,
                  .sample = on_sample, .reference = on_reference, .arg = t,
                  .cancel = &qn_cancel_flag},
    };
    const int rc = qn_trainer_new(&t->trainer, &setup);
    if (rc == QN_ENOMEM)
        return qn_fail_in(rc, QN_TRAINING_DOES_NOT_FIT);
    QN_TRY(rc);
    return qn_training_weigh(t);                /* said now, not by the kernel at step 1 */
}

void qn_training_unbuild(qn_training *t) {
    qn_trainer_free(t->trainer);
    qn_params_drop(&t->params);
    qn_model_free(t->model);
    t->trainer = NULL;
    t->model = NULL;
}

/* ---- record ---- */

static int put_config(qn_training *t, qn_jw *w) {
    qn_save_model m = {.arch = t->arch, .cfg = &t->cfg, .dtype = QN_F32};
    qn_buf text = {0};
    for (int64_t i = 0; i < (t->model->cfg.layers + 1) * QN_PARAMS; i++)
        m.has[i % QN_PARAMS] |= t->model->param[i].rank > 0;
    const int rc = qn_save_config_json(&m, &text);
    qn_jw_key(w, "model");
    if (rc >= 0)
        qn_jw_raw(w, qn_buf_view(&text));
    qn_buf_drop(&text);
    return rc;
}

static void put_word(qn_jw *w, const char *key, const char *v) {
    qn_jw_key(w, key);
    if (v)
        qn_jw_str(w, qn_str_of(v));
    else
        qn_jw_null(w);
}

/* As it is found from any folder: a run is taken up from elsewhere too. */
static void put_path(qn_jw *w, const char *key, const char *path) {
    char real[PATH_MAX];
    put_word(w, key, path && realpath(path, real) ? real : path);
}

/* Those that the adapter got rows for when the run began. */
static void put_tokens(const qn_training *t, qn_jw *w) {
    if (!t->adapter || t->n_added == 0)
        return;
    qn_jw_key(w, "new_tokens");
    qn_jw_open(w, '[');
    for (int i = 0; i < t->n_added; i++)
        qn_jw_i64(w, t->added[i]);
    qn_jw_close(w);
}

static int fill_manifest(void *arg, qn_jw *w) {
    qn_training *t = arg;
    qn_field_i64(w, "steps", t->recipe.steps);
    qn_field_i64(w, "parameters", t->model->n_params);
    qn_field_i64(w, "memory_planned", qn_training_memory_get(t).all);
    qn_field_f64(w, "seconds_promised", t->step_seconds > 0 ? qn_training_seconds(t) : NAN);
    qn_field_f64(w, "peak_flops_per_second", 1e9 * qn_training_peak(t));
    qn_jw_key(w, "recipe");
    qn_jw_open(w, '{');
    qn_recipe_put(&t->recipe, w);
    qn_jw_close(w);
    put_path(w, "data", t->data_path);
    put_word(w, "data_fingerprint", qn_training_fingerprint(t));
    put_path(w, "replay", t->replay ? qn_dataset_path(t->replay) : NULL);
    put_word(w, "replay_fingerprint", t->replay ? qn_dataset_fingerprint(t->replay) : NULL);
    put_path(w, "from", t->from);
    if (t->adapter)
        put_word(w, "from_fingerprint", t->base_print);
    if (t->begun) {
        put_path(w, "adapter", qn_cli_str(t->c, "adapter"));
        put_word(w, "adapter_fingerprint", t->begun_print);
    }
    put_tokens(t, w);
    put_word(w, "prompt", t->prompt);
    put_path(w, "world", t->world);
    qn_training_put_tasks(t, w);
    put_word(w, "reference", *t->reference ? t->reference : NULL);
    qn_jw_key(w, "options");
    qn_jw_open(w, '{');
    QN_TRY(qn_cli_put_options(t->c, w));
    qn_jw_close(w);
    return put_config(t, w);
}

static qn_run_work work_of(const qn_training *t) {
    return (qn_run_work){.what = t->c->cmd->name, .argc = t->c->argc, .argv = t->c->argv,
                         .isa = qn_isa_name(t->kernels->isa), .threads = qn_pool_threads(t->pool)};
}

int qn_training_manifest(qn_training *t, const char *state) {
    const qn_run_work work = work_of(t);
    t->promised = t->step_seconds > 0 ? qn_training_seconds(t) : NAN;
    return qn_run_manifest(t->run, &work, state, fill_manifest, t);
}

/* Who asks for more gets the way: a run's length decided its schedule, so it ends where it was to end. */
static void say_done(const qn_training *t, int64_t step) {
    qn_buf last = {0};
    if (step == 1)
        qn_log(QN_LOG_INFO, "%s: its only step is done", qn_run_path(t->run));
    else
        qn_log(QN_LOG_INFO, "%s: all %lld steps are done", qn_run_path(t->run), (long long)step);
    if (t->data && qn_put_quoted(&last, qn_run_path(t->run)) >= 0)
        qn_log(QN_LOG_INFO, "`quern train pretrain --from %s/last` begins another run with its weights", last.s);
    qn_buf_drop(&last);
}

int qn_training_resumed(qn_training *t) {
    const qn_run_work work = work_of(t);
    const int64_t step = qn_trainer_state(t->trainer)->step;
    const int64_t worse = qn_trainer_state(t->trainer)->worse;
    if (step == t->recipe.steps)
        say_done(t, step);
    else if (t->recipe.patience > 0 && worse >= t->recipe.patience)
        qn_log(QN_LOG_INFO, "%s: ended early at step %lld of %lld, because %lld evaluations in a row were not better; "
               "there is nothing to go on with", qn_run_path(t->run), (long long)step, (long long)t->recipe.steps,
               (long long)worse);
    else
        qn_log(QN_LOG_INFO, "%s: goes on at step %lld of %lld", qn_run_path(t->run), (long long)step + 1,
               (long long)t->recipe.steps);
    return qn_run_resumed(t->run, &work, step);
}

/* ---- to the end ---- */

void qn_training_failed(qn_training *t, int rc) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    qn_run_ended(t->run, rc == QN_ECANCEL ? "stopped" : "failed", t->start > 0 ? qn_training_taken(t) : t->before);
    qn_fail(rc, "%s", message);
}

/* The disk was full, or gone: what was trained before that is there. */
static int add_way_on(const qn_training *t, int rc) {
    const char *run = qn_run_path(t->run);
    char message[1024];
    qn_buf last = {0}, quoted = {0};
    snprintf(message, sizeof message, "%s", qn_error_message());
    const bool found = qn_checkpoint_newest(run, &last) > 0;
    if (qn_put_quoted(&quoted, run) >= 0)
        qn_fail(rc, "%s; %s%s; `quern train resume %s` goes on there once this is mended", message,
                found ? last.s : "no checkpoint was written before", found ? " stands" : "", quoted.s);
    qn_buf_drop(&last);
    qn_buf_drop(&quoted);
    return rc;
}

int qn_training_go(qn_training *t) {
    qn_run_end end;
    t->start = qn_now();
    QN_TRY(encode_prompt(t));
    t->began_at = qn_trainer_state(t->trainer)->step;
    qn_progress_init(&t->bar, t->c, "training", t->recipe.steps, "steps");
    t->bar.from = t->began_at;
    int rc = qn_trainer_run(t->trainer, &end);
    if (t->work.seconds > 0)
        put_note(t, t->work);
    qn_progress_drop(&t->bar);
    if (rc >= 0)
        rc = qn_run_ended(t->run, end == QN_RUN_STOPPED ? "stopped" : "done", qn_training_taken(t));
    if (rc == QN_EIO)
        add_way_on(t, rc);
    if (rc < 0) {
        qn_training_failed(t, rc);
        return rc;
    }
    QN_TRY(qn_training_tell_end(t, end));
    return end == QN_RUN_STOPPED ? qn_cancel_check() : 0;
}

void qn_training_drop(qn_training *t) {
    qn_trainer_free(t->trainer);
    qn_params_drop(&t->params);
    qn_adapter_free(t->adapter);
    qn_adapter_free(t->first);
    qn_model_free(t->model);
    qn_run_close(t->run);
    qn_tok_free(t->tok);
    qn_dataset_close(t->data);
    qn_dataset_close(t->replay);
    qn_examples_free(t->examples);
    qn_chat_model_drop(&t->chat);
    qn_buf_drop(&t->shown);
    qn_buf_drop(&t->tokenizer_json);
    qn_buf_drop(&t->tokenizer_config_json);
    qn_ids_drop(&t->prompt_ids);
    qn_ids_drop(&t->held);
    qn_buf_drop(&t->sample);
    qn_free(t->data_path);
    qn_free(t->from);
    qn_free(t->base);
    qn_free(t->begun);
    qn_free(t->prompt);
    qn_free(t->world);
    qn_bits_set_drop(&t->bits);
    qn_training_tasks_drop(&t->asked);
}

/* What was prepared for a run that never began goes with it; the message stays. */
static void leave_nothing(qn_training *t, int rc) {
    char message[1024];
    qn_buf data = {0};
    snprintf(message, sizeof message, "%s", qn_error_message());
    if (qn_run_manifest_text(t->run).n == 0 && qn_path_join(&data, qn_run_path(t->run), "data") >= 0)
        qn_dir_remove(data.s);
    qn_fail(rc, "%s", message);
    qn_buf_drop(&data);
}

int qn_training_command(qn_cli *c, int (*start)(qn_training *t)) {
    qn_training t = {.c = c, .promised = NAN};
    const int rc = start(&t);
    if (rc < 0 && t.run)
        leave_nothing(&t, rc);
    qn_training_drop(&t);
    return rc;
}
