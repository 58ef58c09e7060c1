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
#include "cli/bits_show.h"
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

double qn_training_peak(const qn_training *t) {
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

static double speed_of(const qn_training_work *w) { return w->seconds > 0 ? w->tokens / w->seconds : 0; }

/* What stands behind the bar: the last step, the last evaluation where there was one, and how fast steps were. */
static void put_note(qn_training *t, qn_training_work w) {
    const double share = w.seconds > 0 ? w.flops / w.seconds * 1e-9 / qn_training_peak(t) : 0;
    char eval[48] = "", judged[64];
    if (t->measured.tokens)
        snprintf(eval, sizeof eval, ", eval %.4f", t->measured.loss);
    qn_judged_text(&t->last.judged, judged);
    qn_progress_note(&t->bar, "loss %.4f%s%s%s, %.0f tokens/s, %.0f %% of peak, %.0f MB", t->last.loss,
                     *judged ? ", " : "", judged, eval, speed_of(&w), 100 * share, peak_memory(t));
}

static int on_step(void *arg, const qn_step_report *r) {
    qn_training *t = arg;
    const qn_training_work w = {r->seconds, (double)r->tokens, (double)r->flops, (double)r->judged.n};
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
    t->saving += seconds;
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
static int on_sample(void *arg, int64_t step, const qn_model *m) {
    qn_training *t = arg;
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

/* ---- bits by kind ---- */

enum { BITS_DOCUMENTS = 100 };

static int put_bits(qn_training *t, qn_session *s, qn_jw *w) {
    qn_scorer scorer;
    qn_bits_result r;
    char key[48];
    QN_TRY(qn_session_scorer_init(&scorer, "model", s, t->tok));
    const int rc = qn_bits_set_score(&t->bits, &scorer, NULL, NULL, &r);
    qn_session_scorer_drop(&scorer);
    QN_TRY(rc);
    for (int row = 0; row < QN_BITS_ROWS; row++) {
        const qn_bits_sum *sum = qn_bits_row(&r, row);
        if (sum->bytes)
            qn_field_f64(w, qn_bits_row_key(row, key), sum->model / (double)sum->bytes);
    }
    return 0;
}

/* A session of its own, as for samples. */
static int on_metrics(void *arg, int64_t step, const qn_model *m, qn_jw *w) {
    qn_training *t = arg;
    const qn_session_options o = qn_training_session(t, t->recipe.context, QN_TRAINING_BITS_SEQUENCES);
    qn_session *s = NULL;
    (void)step;
    if (!t->world)
        return 0;
    QN_TRY(qn_session_new(&s, m, t->kernels, t->pool, &o));
    const int rc = put_bits(t, s, w);
    qn_session_free(s);
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

/* Found out before step 1 that there is nothing to measure. */
static int read_bits(qn_training *t) {
    const qn_bits_options o = {.world = t->world, .data = t->data_path, .max_documents = BITS_DOCUMENTS,
                               .tok = t->tok};
    return t->world && t->bits.n == 0 ? qn_bits_set_read(&t->bits, &o) : 0;
}

int qn_training_build(qn_training *t) {
    QN_TRY(read_bits(t));
    const qn_train_setup setup = {
        .recipe = &t->recipe, .params = &t->params, .data = t->data,
        .examples = t->examples, .replay = t->replay, .kernels = t->kernels, .pool = t->pool,
        .run = t->run,
        .texts = {qn_buf_view(&t->tokenizer_json), qn_buf_view(&t->tokenizer_config_json), t->base},
        .hooks = {.step = on_step, .measured = on_measured, .saved = on_saved, .metrics = on_metrics,
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
    t->trainer = NULL;
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

int qn_training_resumed(qn_training *t) {
    const qn_run_work work = work_of(t);
    const int64_t step = qn_trainer_state(t->trainer)->step;
    const int64_t worse = qn_trainer_state(t->trainer)->worse;
    if (step == t->recipe.steps)
        qn_log(QN_LOG_INFO, "%s: all %lld steps are done", qn_run_path(t->run), (long long)step);
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

/* Seconds of all processes together; NaN: nobody knows. */
static double taken(const qn_training *t) { return t->before + (qn_now() - t->start); }

/* What --time promised, beside what it took. */
static int put_promise(const qn_training *t, qn_buf *b) {
    const double took = taken(t);
    char promise[32], fact[32];
    if (isnan(t->promised))
        return 0;
    qn_clock_text(t->promised, promise);
    if (isnan(took))
        return qn_buf_printf(b, "; --time promised %s, and how long it took nobody knows, because it was killed",
                             promise);
    const double more = 100 * (took / t->promised - 1);
    return qn_buf_printf(b, "; --time promised %s, it took %s (%.0f %% %s)", promise, qn_clock_text(took, fact),
                         fabs(more), more < 0 ? "less" : "more");
}

static int put_json(qn_training *t, qn_run_end end) {
    static const char *const ends[] = {"done", "stopped", "early"};
    const qn_train_state *s = qn_trainer_state(t->trainer);
    qn_jw *w = qn_out_json(t->c, 2);
    qn_jw_open(w, '{');
    put_word(w, "run", qn_run_path(t->run));
    put_word(w, "state", ends[end]);
    qn_field_i64(w, "step", s->step);
    qn_field_i64(w, "steps", t->recipe.steps);
    qn_field_f64(w, "eval_loss", t->measured.tokens ? t->measured.loss : NAN);
    qn_field_f64(w, "eval_bits_per_byte", t->measured.tokens ? t->measured.bits_per_byte : NAN);
    qn_field_f64(w, "best_eval_loss", s->best_loss);
    if (t->work.judged > 0)
        qn_field_f64(w, "judged_per_second", t->work.judged / t->work.seconds);
    if (t->measured.judged.n) {
        qn_field_f64(w, "eval_rewards/margins", t->measured.judged.margin);
        qn_field_f64(w, "eval_rewards/accuracies", t->measured.judged.accuracy);
    }
    qn_field_i64(w, "best_step", s->best_step);
    qn_field_i64(w, "tokens", s->tokens);
    qn_field_f64(w, "tokens_per_second", t->work.seconds > 0 ? speed_of(&t->work) : NAN);
    qn_field_i64(w, "skipped", s->skipped);
    qn_field_f64(w, "seconds", qn_now() - t->start);
    qn_field_f64(w, "seconds_taken", taken(t));
    qn_field_f64(w, "seconds_promised", t->promised);
    qn_field_i64(w, "peak_memory_bytes", qn_cli_peak_bytes());
    qn_jw_close(w);
    return qn_out_json_end(t->c);
}

/* "16 steps, 30720 tokens in 0:01, 41200 tokens/s, 12 MB at most"; of a run that was taken up, what this time took. */
static int put_work(const qn_training *t, qn_buf *b) {
    const qn_train_state *s = qn_trainer_state(t->trainer);
    char text[32], tokens[32];
    qn_clock_text(qn_now() - t->start, text);
    QN_TRY(qn_buf_printf(b, "%lld step%s, %s tokens", (long long)s->step, qn_plural(s->step),
                         qn_count_text((double)s->tokens, tokens)));
    if (t->began_at == 0)
        QN_TRY(qn_buf_printf(b, " in %s", text));
    else if (s->step > t->began_at)
        QN_TRY(qn_buf_printf(b, ", the last %lld now in %s", (long long)(s->step - t->began_at), text));
    if (t->work.seconds > 0)
        QN_TRY(qn_buf_printf(b, ", %.0f tokens/s", speed_of(&t->work)));
    const bool pairs = qn_objective_get(t->recipe.objective.kind)->from == QN_LEARNS_PAIRS;
    if (t->work.judged > 0)
        QN_TRY(qn_buf_printf(b, ", %.2f %s/s", t->work.judged / t->work.seconds, pairs ? "pairs" : "answers"));
    return qn_buf_printf(b, ", %.0f MB at most", (double)qn_cli_peak_bytes() / 1e6);
}

static int put_end(qn_training *t, qn_run_end end, qn_buf *b) {
    const qn_train_state *s = qn_trainer_state(t->trainer);
    char text[64];
    if (end == QN_RUN_STOPPED) {
        QN_TRY(qn_buf_printf(b, "stopped at step %lld of %lld; `quern train resume ", (long long)s->step,
                             (long long)t->recipe.steps));
        QN_TRY(qn_put_quoted(b, qn_run_path(t->run)));
        return qn_buf_puts(b, "` goes on");
    }
    QN_TRY(put_work(t, b));
    if (!isnan(s->best_loss))
        QN_TRY(qn_buf_printf(b, "; best validation loss %.4f at step %lld", s->best_loss, (long long)s->best_step));
    if (t->measured.judged.n)
        QN_TRY(qn_buf_printf(b, "; at the end %s", qn_judged_text(&t->measured.judged, text)));
    QN_TRY(qn_buf_puts(b, end == QN_RUN_EARLY ? "; ended early, because it no longer got better" : ""));
    if (end == QN_RUN_DONE && qn_trainer_state(t->trainer)->step > t->began_at)
        QN_TRY(put_promise(t, b));
    const char *best = qn_run_file(t->run, "best");
    const char *model = best && qn_is_dir(best) ? best : qn_run_file(t->run, "last");
    if (t->adapter)
        return qn_training_adapter_use(t, model ? model : "", b);
    QN_TRY(qn_buf_puts(b, t->examples ? "\n`quern chat " : "\n`quern generate "));
    QN_TRY(qn_put_quoted(b, model ? model : ""));
    return qn_buf_puts(b, t->examples ? "` talks with it" : " -p 'Once'` writes with it");
}

static int tell_end(qn_training *t, qn_run_end end) {
    qn_buf b = {0};
    if (qn_cli_json(t->c))
        return put_json(t, end);
    int rc = put_end(t, end, &b);
    if (rc >= 0)
        rc = qn_out_printf(t->c, "%s: %s\n", qn_run_path(t->run), b.s);
    qn_buf_drop(&b);
    return rc;
}

void qn_training_failed(qn_training *t, int rc) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    qn_run_ended(t->run, rc == QN_ECANCEL ? "stopped" : "failed", t->start > 0 ? taken(t) : t->before);
    qn_fail(rc, "%s", message);
}

int qn_training_go(qn_training *t) {
    qn_run_end end;
    t->start = qn_now();
    QN_TRY(encode_prompt(t));
    t->began_at = qn_trainer_state(t->trainer)->step;
    qn_progress_init(&t->bar, t->c, "training", t->recipe.steps, "steps");
    t->bar.from = t->began_at;
    const int rc = qn_trainer_run(t->trainer, &end);
    if (t->work.seconds > 0)
        put_note(t, t->work);
    qn_progress_drop(&t->bar);
    if (rc < 0) {
        qn_training_failed(t, rc);
        return rc;
    }
    QN_TRY(qn_run_ended(t->run, end == QN_RUN_STOPPED ? "stopped" : "done", taken(t)));
    QN_TRY(tell_end(t, end));
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
