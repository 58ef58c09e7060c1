/* cli/cmd_train_resume.c — `quern train resume`: a run goes on from its last checkpoint, to the bits of one that never
 * stopped. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/data_args.h"
#include "cli/tuning.h"
#include "train/dial.h"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("", "data", NULL, "the prepared folder, where it is no longer where it was"),
    QN_OPT_STRING("", "from", NULL, "MODEL", "the model that an adapter sits on, where it is no longer where it was"),
    QN_OPT_FOLDER("", "replay", NULL, "the text that is read again, where it is no longer where it was"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {"quern train resume run", "quern train resume run --threads 1", NULL};

static const char notes[] =
    "Everything that decides the result is in the run's manifest; only --threads and --isa may be given anew. Threads "
    "change no bit; another instruction level may, and is warned of.";

/* What the manifest says that a run is made of, and where it stands; `found`: where its data are now. */
typedef struct {
    qn_str text, recipe, model;
    qn_buf path, data, fingerprint, replay, replay_print, from, base, begun, prompt, world, reference, isa, state;
    qn_buf found;
    double promised, taken;             /* seconds; NaN: not said */
    int32_t added[2]; int n_added;      /* tokens that an adapter got rows for */
    char **task; size_t n_tasks, task_cap;      /* paths of what is asked at evaluations */
    double task_items;
} manifest;

static void manifest_drop(manifest *m) {
    qn_buf_drop(&m->path);
    qn_buf_drop(&m->data);
    qn_buf_drop(&m->fingerprint);
    qn_buf_drop(&m->replay);
    qn_buf_drop(&m->replay_print);
    qn_buf_drop(&m->from);
    qn_buf_drop(&m->base);
    qn_buf_drop(&m->begun);
    qn_buf_drop(&m->prompt);
    qn_buf_drop(&m->world);
    qn_buf_drop(&m->reference);
    qn_buf_drop(&m->isa);
    qn_buf_drop(&m->state);
    qn_buf_drop(&m->found);
    for (size_t i = 0; i < m->n_tasks; i++)
        qn_free(m->task[i]);
    qn_free(m->task);
}

static int take_word(qn_json *j, qn_buf *out) {
    return qn_json_peek(j) == '"' ? qn_json_string(j, out) : qn_json_skip(j);
}

static int take_number(qn_json *j, double *out) {
    return qn_json_peek(j) == '0' ? qn_json_f64(j, out) : qn_json_skip(j);
}

static int take_tokens(qn_json *j, manifest *m) {
    int more;
    int64_t id;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        QN_TRY(qn_json_i64(j, &id));
        if (m->n_added == (int)QN_LEN(m->added) || id < 0 || id > INT32_MAX)
            return qn_json_fail(j, QN_EFORMAT, "new_tokens are one or two ids");
        m->added[m->n_added++] = (int32_t)id;
    }
    return more;
}

static int take_task(manifest *m, qn_json *j) {
    qn_buf path = {0};
    int rc = qn_json_string(j, &path);
    if (rc >= 0)
        rc = QN_GROW(QN_MEM_CLI, m->task, m->task_cap, m->n_tasks + 1);
    if (rc >= 0 && !(m->task[m->n_tasks++] = qn_str_dup(QN_MEM_CLI, qn_buf_view(&path))))
        rc = QN_ENOMEM;
    qn_buf_drop(&path);
    return rc;
}

static int take_tasks(qn_json *j, manifest *m) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(take_task(m, j));
    return more;
}

static int read_manifest(manifest *m, qn_json *j) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "recipe"))
            QN_TRY(qn_json_raw(j, &m->recipe));
        else if (qn_str_is(key, "model"))
            QN_TRY(qn_json_raw(j, &m->model));
        else if (qn_str_is(key, "data"))
            QN_TRY(take_word(j, &m->data));
        else if (qn_str_is(key, "data_fingerprint"))
            QN_TRY(take_word(j, &m->fingerprint));
        else if (qn_str_is(key, "replay"))
            QN_TRY(take_word(j, &m->replay));
        else if (qn_str_is(key, "replay_fingerprint"))
            QN_TRY(take_word(j, &m->replay_print));
        else if (qn_str_is(key, "from"))
            QN_TRY(take_word(j, &m->from));
        else if (qn_str_is(key, "from_fingerprint"))
            QN_TRY(take_word(j, &m->base));
        else if (qn_str_is(key, "adapter_fingerprint"))
            QN_TRY(take_word(j, &m->begun));
        else if (qn_str_is(key, "new_tokens"))
            QN_TRY(take_tokens(j, m));
        else if (qn_str_is(key, "tasks"))
            QN_TRY(take_tasks(j, m));
        else if (qn_str_is(key, "task_items"))
            QN_TRY(take_number(j, &m->task_items));
        else if (qn_str_is(key, "prompt"))
            QN_TRY(take_word(j, &m->prompt));
        else if (qn_str_is(key, "world"))
            QN_TRY(take_word(j, &m->world));
        else if (qn_str_is(key, "reference"))
            QN_TRY(take_word(j, &m->reference));
        else if (qn_str_is(key, "isa"))
            QN_TRY(take_word(j, &m->isa));
        else if (qn_str_is(key, "state"))
            QN_TRY(take_word(j, &m->state));
        else if (qn_str_is(key, "seconds_promised"))
            QN_TRY(take_number(j, &m->promised));
        else if (qn_str_is(key, "seconds_taken"))
            QN_TRY(take_number(j, &m->taken));
        else
            QN_TRY(qn_json_skip(j));
    }
    QN_TRY(more);
    if (!m->recipe.n || !m->model.n || !m->data.n)
        return qn_json_fail(j, QN_EFORMAT, "there is no recipe, model or data in it; it is no run of "
                            "`train pretrain`, `train sft` or `train dpo`");
    return 0;
}

/* Errors name the manifest, and the line there. */
static int take_recipe(qn_training *t, const manifest *m) {
    qn_json j;
    qn_json_init(&j, m->recipe.s, m->recipe.n, m->path.s);
    for (const char *at = m->text.s; at < m->recipe.s; at++)
        j.line += *at == '\n';
    const int rc = qn_recipe_take(&t->recipe, &j);
    qn_json_drop(&j);
    return rc;
}

/* What ends an answer: one id or several, as a config.json has them. */
static int take_ends(qn_config *c, const qn_meta *meta) {
    qn_meta_array a;
    int64_t id;
    int rc = qn_meta_get_array(meta, "eos_token_id", QN_META_INT, &a);
    c->n_eos = 0;
    if (rc > 0) {
        for (size_t i = 0; i < a.count && c->n_eos < QN_MAX_EOS; i++)
            c->eos[c->n_eos++] = qn_meta_array_i64(&a, i);
        return 0;
    }
    rc = qn_meta_get_i64(meta, "eos_token_id", &id);
    if (rc > 0)
        c->eos[c->n_eos++] = id;
    return rc < 0 ? rc : 0;
}

/* The shape of the model, as the manifest has it: a config.json. */
static int take_config(qn_training *t, const manifest *m) {
    qn_meta *meta = NULL;
    qn_str type = QN_STR("");
    qn_buf name = {0};
    bool gated;
    int rc;
    QN_TRY_OUT(qn_buf_printf(&name, "%s: model", m->path.s));
    QN_TRY_OUT(qn_meta_from_json(&meta, m->model.s, m->model.n, name.s));
    QN_TRY_OUT(qn_meta_get_str(meta, "model_type", &type));
    t->arch = qn_arch_by_hf(QN_STR(""), type);
    if (!t->arch) {
        rc = qn_fail(QN_EUNSUPPORTED, "%s: model_type is \"%.*s\", no family that is known", name.s, QN_STR_ARG(type));
        goto out;
    }
    QN_TRY_OUT(qn_config_read(&t->cfg, t->arch, meta, false));
    QN_TRY_OUT(take_ends(&t->cfg, meta));
    QN_TRY_OUT(qn_dial_family(t->arch, &(qn_config){0}, &gated));
    t->gated = gated;
out:
    qn_meta_free(meta);
    qn_buf_drop(&name);
    return rc;
}

static int keep(char **to, const qn_buf *from) {
    if (from->n && !(*to = qn_str_dup(QN_MEM_CLI, qn_buf_view(from))))
        return QN_ENOMEM;
    return 0;
}

static void warn_of_level(const qn_training *t, const manifest *m) {
    if (m->isa.n && !qn_str_is(qn_buf_view(&m->isa), qn_isa_name(t->kernels->isa)))
        qn_log(QN_LOG_WARN, "the run began at level %s and goes on at %s: results agree within tolerances, not to the "
               "bit (--isa %s, where this machine has it, keeps the bits)", m->isa.s, qn_isa_name(t->kernels->isa),
               m->isa.s);
}

/* What was prepared for the run lies in its folder and moves with it; else where the manifest says. */
static int find_data(const qn_training *t, const manifest *m, qn_buf *path) {
    if (qn_cli_given(t->c, "data"))
        return qn_buf_puts(path, qn_cli_str(t->c, "data"));
    QN_TRY(qn_path_join(path, qn_run_path(t->run), "data"));
    if (qn_data_args_is_prepared(path->s) || qn_training_has_examples(path->s))
        return 0;
    qn_buf_clear(path);
    QN_TRY(qn_buf_puts(path, m->data.s));
    return qn_data_args_is_prepared(path->s)
               ? 0 : qn_fail(QN_ENOTFOUND, "%s: the data of this run are no longer there; name the prepared folder "
                             "with --data", path->s);
}

static int open_all(qn_training *t, manifest *m, const char *data) {
    QN_TRY(take_recipe(t, m));
    QN_TRY(take_config(t, m));
    const qn_str elsewhere = qn_str_of(qn_cli_str(t->c, "from"));
    if (elsewhere.n && t->recipe.lora.rank == 0)
        return qn_fail(QN_EUSAGE, "--from: this run trains the model itself, which lies in its checkpoints");
    if (elsewhere.n) {
        qn_buf_clear(&m->from);
        QN_TRY(qn_buf_put(&m->from, elsewhere.s, elsewhere.n));
    }
    if (m->from.n && t->recipe.lora.rank > 0 && !qn_is_file(m->from.s) && !qn_is_dir(m->from.s))
        return qn_fail(QN_ENOTFOUND, "%s: the model that this run's adapter sits on is not there; name it "
                       "with --from", m->from.s);
    QN_TRY(keep(&t->from, &m->from));
    t->n_added = m->n_added;
    memcpy(t->added, m->added, sizeof t->added);
    if (m->begun.n) {
        const char *begun = qn_run_file(t->run, QN_BEGUN_FOLDER);
        if (!begun || !(t->begun = qn_str_dup(QN_MEM_CLI, qn_str_of(begun))))
            return QN_ENOMEM;
    }
    QN_TRY(keep(&t->prompt, &m->prompt));
    QN_TRY(keep(&t->world, &m->world));
    QN_TRY(qn_training_ask(t, (const char *const *)m->task, m->n_tasks, (int64_t)m->task_items, true));
    snprintf(t->reference, sizeof t->reference, "%s", m->reference.s ? m->reference.s : "");
    QN_TRY(qn_training_open_data(t, data));
    if (t->examples)                    /* the model may begin with fewer tokens than it is tuned with */
        qn_training_tuned(t, t->cfg.V, t->cfg.eos, t->cfg.n_eos);
    else
        qn_training_take_ids(t);
    if (m->fingerprint.n && !qn_str_is(qn_buf_view(&m->fingerprint), qn_training_fingerprint(t)))
        return qn_fail(QN_EINVAL, "%s: holds other tokens than those that this run began with; a run goes on with its "
                       "own data (or begin anew with --from %s/last)", data, qn_run_path(t->run));
    return 0;
}

/* The text that is read again must be there, and be what it was. */
static int open_replay(qn_training *t, const manifest *m) {
    const char *dir = qn_cli_given(t->c, "replay") ? qn_cli_str(t->c, "replay") : m->replay.s;
    if (t->recipe.replay_rows == 0)
        return 0;
    if (!dir || !qn_data_args_is_prepared(dir))
        return qn_fail(QN_ENOTFOUND, "%s: the text that this run reads again is no longer there; name the prepared "
                       "folder with --replay", dir ? dir : qn_run_path(t->run));
    QN_TRY(qn_training_open_replay(t, dir));
    if (m->replay_print.n && !qn_str_is(qn_buf_view(&m->replay_print), qn_dataset_fingerprint(t->replay)))
        return qn_fail(QN_EINVAL, "%s: holds other tokens than those that this run reads again", dir);
    return 0;
}

/* An adapter is nothing without the numbers that it was trained beside. */
static int check_base(const qn_training *t, const manifest *m) {
    if (t->begun && !qn_str_is(qn_buf_view(&m->begun), t->begun_print))
        return qn_fail(QN_EFORMAT, "%s: is not the adapter that this run began with (fingerprint %s, expected %s); it "
                       "is damaged", t->begun, t->begun_print, m->begun.s);
    if (!t->adapter || !m->base.n || qn_str_is(qn_buf_view(&m->base), t->base_print))
        return 0;
    return qn_fail(QN_EINVAL, "%s: holds other weights than those that this run's adapter was begun on (fingerprint "
                   "%s, expected %s); name the right model with --from", t->from, t->base_print, m->base.s);
}

/* A run that is over names its best checkpoint as the model to use: that one is read too, and not only the last. */
static int verify_best(qn_training *t) {
    const char *best = qn_run_file(t->run, "best");
    if (!best)
        return QN_ENOMEM;
    return qn_trainer_is_over(t->trainer) && qn_is_dir(best) ? qn_trainer_verify(t->trainer, best) : 0;
}

/* Killed before the first checkpoint: the beginning is a pure function of the manifest. */
static int take_up(qn_training *t, const manifest *m) {
    qn_buf dir = {0};
    int rc = qn_checkpoint_newest(qn_run_path(t->run), &dir);
    const bool found = rc > 0;
    if (rc >= 0)
        rc = qn_training_open_model(t, found && t->recipe.lora.rank == 0 ? dir.s : t->from);
    if (rc >= 0)
        rc = check_base(t, m);
    if (rc < 0 && found && t->recipe.lora.rank == 0)
        rc = qn_checkpoint_other(dir.s, rc);
    if (rc >= 0)
        rc = qn_training_build(t);
    if (rc >= 0)
        rc = qn_tuning_reference(t, found ? t->from : NULL);
    if (rc >= 0)
        rc = found ? qn_trainer_take_up(t->trainer, dir.s) : qn_run_rewind(t->run, 0);
    if (rc >= 0 && found)
        rc = verify_best(t);
    if (rc >= 0 && !qn_trainer_is_over(t->trainer))
        rc = qn_training_room(t, qn_run_path(t->run));
    qn_buf_drop(&dir);
    QN_TRY(rc);
    return qn_training_resumed(t);
}

static int resume(qn_training *t, manifest *m) {
    qn_json j;
    QN_TRY(qn_run_open(&t->run, qn_cli_arg(t->c, 0)));
    QN_TRY(qn_cli_pool(t->c, &t->pool));
    t->kernels = qn_kernels_at(qn_cli_isa(t->c));
    m->text = qn_run_manifest_text(t->run);
    QN_TRY(qn_path_join(&m->path, qn_run_path(t->run), "manifest.json"));
    qn_json_init(&j, m->text.s, m->text.n, m->path.s);
    int rc = read_manifest(m, &j);
    qn_json_drop(&j);
    QN_TRY(rc);
    warn_of_level(t, m);
    t->promised = m->promised;                  /* who was killed wrote down no time */
    t->before = qn_str_is(qn_buf_view(&m->state), "running") ? NAN : m->taken;
    QN_TRY(find_data(t, m, &m->found));
    QN_TRY(open_all(t, m, m->found.s));
    QN_TRY(open_replay(t, m));
    return take_up(t, m);
}

static int run(qn_cli *c) {
    qn_training t = {.c = c};
    manifest m = {.promised = NAN, .taken = NAN};
    int rc = resume(&t, &m);
    if (rc >= 0)
        rc = qn_training_go(&t);
    manifest_drop(&m);
    qn_training_drop(&t);
    return rc;
}

const qn_cmd qn_cmd_train_resume = {
    "train resume", "RUN", "go on with a run that was stopped", opts, examples, run, notes
};
