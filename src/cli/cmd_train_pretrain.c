/* cli/cmd_train_pretrain.c — `quern train pretrain`: from text to a model. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/data_args.h"
#include "cli/run_args.h"
#include "train/dial.h"

#define TRIAL_SHARE 0.02            /* of --time, for trying out how long things take; one step and its like at least */

static const qn_opt opts[] = {
    QN_OPT_LIST("d", "data", "PATH", "a prepared folder, or texts, which are prepared into RUN/data first"),
    QN_OPT_FOLDER("o", "out", NULL, "the run's folder, new or empty"),
    QN_OPT_FILE("", "tokenizer", NULL, "tokenizer.json, a folder or a model that has one, for data that are texts"),
    QN_OPT_FILE("", "from", NULL, "begin with the weights of this model instead of fresh ones"),
    QN_OPT_ENUM("", "arch", "llama", "llama|gpt2", "family of a fresh model"),
    QN_OPT_INT("", "depth", NULL, 1, 256, "the one dial: N layers; width, tokens, batch and rate follow"),
    QN_OPT_COUNT("", "params", NULL, 1e4, 1e12, "the same by size: N numbers outside the embedding, as 3M"),
    QN_OPT_DURATION("", "time", NULL, 1, 1e8, "train for about this long on this machine: 90s, 15m, 2h"),
    QN_OPT_INT("", "dim", NULL, 2, 32768, "width"),
    QN_OPT_INT("", "layers", NULL, 1, 1024, "layers"),
    QN_OPT_INT("", "heads", NULL, 1, 1024, "query heads (without: 64 wide each)"),
    QN_OPT_INT("", "kv-heads", NULL, 1, 1024, "key heads (without: as many)"),
    QN_OPT_INT("", "ff", NULL, 1, 131072, "width of the feed-forward layer"),
    QN_OPT_INT("", "window", "0", 0, 16777216, "llama: look back over N tokens only; 0: over all"),
    QN_OPT_FLOAT("", "rope-theta", "10000", 2, 1e12, "llama: base of the rotations' wavelengths"),
    QN_OPT_INT("", "vocab", NULL, 2, 2097152, "rows of the embedding (without: as many as the tokenizer has ids)"),
    QN_OPT_FLAG("", "untied", "an output head of its own instead of the embedding"),
    QN_OPT_COUNT("", "tokens", NULL, 1, 1e15, "tokens in all; decides the steps where --steps does not"),
    QN_OPT_ENUM("", "packing", "best-fit", QN_PACKING_CHOICES,
                "rows of whole documents side by side, or windows of one long stream"),
    QN_OPT_FLOAT("", "init-std", "0", 0, 100, "deviation of fresh matrices; 0: sqrt(2/(5*dim)), which is 0.02 at 1000"),
    QN_OPTS_RUN,
    QN_OPTS_DATA,
    QN_OPT_FLAG("", "dry-run", "print the plan and stop; with --json, on stdout"),
    QN_OPT_CONFIG,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern train pretrain --data books/ --tokenizer my-tokenizer/ --depth 4 --out run",
    "quern train pretrain --data prepared/ --time 15m --out run",
    "quern train pretrain --data prepared/ --arch gpt2 --dim 768 --layers 12 --batch 16 --steps 2k --out run",
    "quern train pretrain --data prepared/ --from model.gguf --lr 1e-4 --tokens 10M --out run",
    NULL
};

static const char notes[] =
    "One dial decides the rest: from --depth, --params, --time or nothing (1 M) follow width, tokens (20 for each "
    "number outside the embedding, the data four times at most), batch and rate; docs/TRAINING.md has the rules. "
    "Whatever is given counts. The plan is printed before step 0.\n"
    "RUN holds manifest.json, metrics.jsonl, samples.jsonl, checkpoints/; RUN/last and RUN/best are model directories "
    "that every command and transformers open. Ctrl-C stops after the step with a checkpoint; `quern train resume RUN` "
    "goes on to the same bits, after a kill too, with any number of threads.";

/* ---- what was asked for ---- */

static void take_dial(const qn_cli *c, qn_dial *d) {
    qn_dial_init(d);
    const struct { const char *name; int64_t *at; } numbers[] = {
        {"depth", &d->depth}, {"params", &d->params}, {"dim", &d->dim}, {"layers", &d->layers}, {"heads", &d->heads},
        {"kv-heads", &d->kv_heads}, {"ff", &d->ff}, {"context", &d->context}, {"batch", &d->batch},
        {"micro-batch", &d->micro}, {"steps", &d->steps}, {"tokens", &d->tokens}, {"warmup", &d->warmup},
    };
    for (size_t i = 0; i < QN_LEN(numbers); i++)
        *numbers[i].at = qn_run_args_int(c, numbers[i].name);
    if (qn_cli_given(c, "lr"))
        d->rate = qn_cli_float(c, "lr");
}

static int check_names(const qn_cli *c) {
    static const char *const shapes[] = {"arch", "depth", "params", "dim", "layers", "heads", "kv-heads", "ff",
                                         "window", "rope-theta", "vocab", "untied", "init-std"};
    static const char *const dials[] = {"depth", "params"};
    const bool data = qn_cli_given(c, "data") || qn_cli_given(c, "source");
    if (!data || (!qn_cli_given(c, "out") && !qn_cli_flag(c, "dry-run")))
        return qn_fail(QN_EUSAGE, "needed: --data with texts or a prepared folder, and --out with a new folder");
    for (size_t i = 0; qn_cli_given(c, "from") && i < QN_LEN(shapes); i++)
        if (qn_cli_given(c, shapes[i]))
            return qn_fail(QN_EUSAGE, "--from brings its own shape: leave --%s out", shapes[i]);
    if (qn_cli_given(c, "time") && (qn_cli_given(c, "steps") || qn_cli_given(c, "tokens")))
        return qn_fail(QN_EUSAGE, "--time decides the steps; leave --steps and --tokens out");
    for (size_t i = 0; qn_cli_given(c, "layers") && qn_cli_given(c, "dim") && i < QN_LEN(dials); i++)
        if (qn_cli_given(c, dials[i]))
            return qn_fail(QN_EUSAGE, "--%s: --layers and --dim say the shape already; leave it or one of them out",
                           dials[i]);
    return 0;
}

/* ---- data ---- */

/* The tokenizer that turns texts into ids: --tokenizer, or that of --from. */
static int prepare(qn_training *t, const char *const *path, size_t n, const char *dir) {
    const char *tokenizer = qn_cli_str(t->c, "tokenizer");
    qn_data_args a = {0};
    qn_data_result r = {0};
    int rc;
    if (!tokenizer)
        tokenizer = qn_cli_str(t->c, "from");
    if (!tokenizer && n == 0)
        return qn_fail(QN_EUSAGE, "texts need a tokenizer: add --tokenizer (`quern train tokenizer` makes one)");
    if (!tokenizer)
        return qn_fail(QN_EUSAGE, "%s holds texts, which need a tokenizer: `quern train tokenizer %s --out tokenizer` "
                       "makes one, then add --tokenizer tokenizer", path[0], path[0]);
    QN_TRY_OUT(qn_data_args_read_paths(t->c, path, n, tokenizer, &a));
    a.o.force = true;                   /* what a run left there that was killed before it began */
    rc = qn_data_args_prepare(t->c, &a, dir, &r);
out:
    qn_data_args_drop(&a);
    qn_data_result_drop(&r);
    return rc;
}

/* One prepared folder, and nothing beside it. */
static bool is_ready(const qn_cli *c) {
    size_t n;
    const char *const *data = qn_cli_list(c, "data", &n);
    return n == 1 && qn_data_args_is_prepared(data[0]);
}

/* What is given fits together: a prepared folder by itself, or texts and how they are prepared. */
static int check_data(const qn_cli *c) {
    static const char *const of_texts[] = {"source", "tokenizer", "validation", "dedup", "field", "separator",
                                           "invalid", "bad-lines", "max-memory"};
    size_t n;
    const char *const *data = qn_cli_list(c, "data", &n);
    for (size_t i = 0; is_ready(c) && i < QN_LEN(of_texts); i++)
        if (qn_cli_given(c, of_texts[i]))
            return qn_fail(QN_EUSAGE, "--%s is for texts; %s is prepared already: leave one of them out", of_texts[i],
                           data[0]);
    if (is_ready(c))
        return 0;
    QN_TRY(qn_data_args_texts(data, n));
    if (qn_cli_flag(c, "dry-run"))
        return qn_fail(QN_EUSAGE, "--dry-run needs a prepared folder: `quern data prepare %s --out DIR`",
                       n ? data[0] : "--source …");
    return 0;
}

static int open_data(qn_training *t) {
    qn_buf dir = {0};
    size_t n;
    const char *const *data = qn_cli_list(t->c, "data", &n);
    int rc;
    if (is_ready(t->c))
        return qn_training_open_data(t, data[0]);
    QN_TRY_OUT(qn_path_join(&dir, qn_run_path(t->run), "data"));
    QN_TRY_OUT(prepare(t, data, n, dir.s));
    rc = qn_training_open_data(t, dir.s);
out:
    qn_buf_drop(&dir);
    return rc;
}

/* ---- the plan ---- */

/* Numbers that so much time is enough for at 20 tokens each, at a third of the peak. */
static int64_t numbers_for(double seconds, double peak) { return (int64_t)sqrt(seconds * peak * 0.33e9 / 120); }

static int shape(qn_training *t, qn_dial *d) {
    const qn_cli *c = t->c;
    const bool shaped = d->dim > 0 || d->layers > 0 || d->depth > 0 || d->params > 0;
    t->arch = qn_arch_by_gguf(qn_str_of(qn_cli_str(c, "arch")));
    if (!t->arch)
        return qn_fail(QN_EUNSUPPORTED, "the family %s is not known", qn_cli_str(c, "arch"));
    if (qn_cli_given(c, "time") && !shaped)
        d->params = QN_MAX(50000, numbers_for(qn_cli_float(c, "time"), qn_training_peak(t)));
    t->cfg = (qn_config){.V = qn_cli_int(c, "vocab"), .tied = !qn_cli_flag(c, "untied"), .compute = -1};
    if (t->data)
        qn_training_take_ids(t);
    if (t->data && !qn_cli_given(c, "vocab"))
        t->cfg.V = qn_dataset_vocab(t->data);
    QN_TRY(qn_dial_family(t->arch, &t->cfg, &t->gated));
    t->cfg.window = qn_cli_int(c, "window");
    if (t->cfg.window && !t->gated)
        return qn_fail(QN_EUSAGE, "--window: only the llama family can say that it looks back over so many tokens");
    if (qn_cli_given(c, "rope-theta") && !t->gated)
        return qn_fail(QN_EUSAGE, "--rope-theta: the family %s rotates nothing; leave it out", t->arch->name);
    t->cfg.rope.base = qn_cli_float(c, "rope-theta");
    QN_TRY(qn_dial_shape(d, t->gated, &t->cfg));
    if (!t->gated && t->cfg.kv_heads != t->cfg.heads)
        return qn_fail(QN_EUSAGE, "--kv-heads %lld: the family %s has as many key heads as query heads (%lld); leave "
                       "it out", (long long)t->cfg.kv_heads, t->arch->name, (long long)t->cfg.heads);
    return 0;
}

/* The text that an id stands for; "" for the name that GGUF gives to a row which no token has. */
static qn_str text_of(const qn_tok *tok, int32_t id) {
    char padding[32];
    const qn_str text = qn_tok_text(tok, id);
    snprintf(padding, sizeof padding, "[PAD%d]", (int)id);
    return qn_str_is(text, padding) ? QN_STR("") : text;
}

/* Ids mean to the model what its own tokenizer says; data of another one would teach it noise. */
static int check_ids(const qn_tok *tok, const char *name, const qn_tok *own, const char *from) {
    const int32_t n = QN_MAX(qn_tok_size(tok), qn_tok_size(own));
    for (int32_t id = 0; id < n; id++) {
        const qn_str there = text_of(tok, id), here = text_of(own, id);
        if (!qn_str_eq(there, here))
            return qn_fail(QN_EINVAL, "%s: another tokenizer than that of %s: id %d is \"%.*s\" there, \"%.*s\" to "
                           "the model; prepare the data with --tokenizer %s", name, from, (int)id, QN_STR_ARG(there),
                           QN_STR_ARG(here), from);
    }
    return 0;
}

/* `tok` of `name` against the model's own. */
static int check_tokenizer(const qn_tok *tok, const char *name, const char *from) {
    qn_source *s = NULL;
    qn_tok *own = NULL;
    int rc;
    QN_TRY_OUT(qn_source_open(&s, from));
    rc = qn_source_tokenizer(s, &own);
    if (rc == QN_ENOTFOUND) {
        qn_log(QN_LOG_WARN, "%s has no tokenizer: whether its ids are those of the data, nobody can say", from);
        rc = 0;
    }
    if (rc >= 0 && own)
        rc = check_ids(tok, name, own, from);
out:
    qn_tok_free(own);
    qn_source_close(s);
    return rc;
}

/* --from: the shape is the model's; a row is no longer than its context. */
static int adopt(qn_training *t, qn_dial *d) {
    if (d->context < 0)
        d->context = QN_MIN(t->cfg.context, 1024);
    if (d->context > t->cfg.context)
        return qn_fail(QN_EINVAL, "rows of %lld tokens do not fit into the model's context of %lld; a smaller "
                       "--context does", (long long)d->context, (long long)t->cfg.context);
    return qn_dial_family(t->arch, &(qn_config){0}, &t->gated);
}

/* Texts that are not prepared yet count as enough of them. */
static int plan_run(qn_training *t, const qn_dial *d) {
    const int64_t tokens = t->data ? qn_dataset_info(t->data, QN_SPLIT_TRAIN).tokens : INT64_MAX / 4;
    qn_run_args_intervals(t->c, &t->recipe);
    return qn_dial_run(d, &t->cfg, t->gated, tokens, &t->recipe);
}

/* Family, configuration, recipe. */
static int decide(qn_training *t, qn_dial *d) {
    const char *from = qn_cli_str(t->c, "from");
    take_dial(t->c, d);
    if (from) {
        QN_TRY(qn_training_look(t, from));
        QN_TRY(adopt(t, d));
    } else {
        QN_TRY(shape(t, d));
    }
    return plan_run(t, d);
}

/* What can be refused is refused at once, not after texts were prepared for an hour. */
static int foresee(qn_training *t) {
    const qn_recipe asked = t->recipe;
    const char *from = qn_cli_str(t->c, "from"), *tokenizer = qn_cli_str(t->c, "tokenizer");
    qn_tok *tok = NULL;
    qn_dial d;
    int rc;
    if (tokenizer)
        QN_TRY_OUT(qn_model_tokenizer(&tok, tokenizer));
    QN_TRY_OUT(decide(t, &d));
    QN_TRY_OUT(qn_recipe_check(&t->recipe));
    if (d.micro < 0)
        t->recipe.rows = 1;
    if (tok && t->cfg.V == 0)
        t->cfg.V = qn_tok_size(tok);
    QN_TRY_OUT(qn_training_fits(t));
    rc = tokenizer && from ? check_tokenizer(tok, tokenizer, from) : 0;
out:
    qn_tok_free(tok);
    t->recipe = asked;
    return rc;
}

/* Time that is left when all data were seen four times is given back: what more of the same text teaches is little. */
static int64_t cap_steps(const qn_training *t, int64_t steps) {
    const qn_recipe *r = &t->recipe;
    const int64_t tokens = qn_dataset_info(t->data, QN_SPLIT_TRAIN).tokens, most = qn_dial_most_steps(r, tokens);
    if (steps <= most)
        return steps;
    qn_log(QN_LOG_WARN, "--time is enough for %lld steps, %.1f epochs of these data; the run ends after %lld, which is "
           "4 epochs: more data help, --steps %lld in place of --time trains on", (long long)steps,
           (double)steps * (double)(r->batch * r->context) / (double)QN_MAX(tokens, 1), (long long)most,
           (long long)steps);
    return most;
}

/* So often does a run come by something: each time, and at its end. */
static double times(int64_t steps, int64_t every) { return every > 0 ? ceil((double)steps / (double)every) : 0; }

/* What the run of t->recipe takes by what was tried out. A token of a sample counts as four that are looked at side by
 * side; a checkpoint is reckoned as dial.h does. */
static double run_seconds(const qn_training *t, const qn_trial *m, int64_t checkpoint) {
    const qn_recipe *r = &t->recipe;
    const int64_t rows = r->eval_rows > 0 ? QN_MIN(r->eval_rows, m->held_rows) : m->held_rows;
    const double sample = 4 * QN_TRAINING_SAMPLE * m->row / (double)r->context;
    return (double)r->steps * m->step + times(r->steps, r->eval_every) * (double)rows * m->row +
           times(r->steps, r->sample_every) * sample +
           QN_MAX(1, times(r->steps, r->checkpoint_every)) * (0.1 + (double)checkpoint / 2e8);
}

/* So many steps that they and all that comes with them take that long. How often they are interrupted depends on how
 * many there are, so this draws near. */
static int steps_for(qn_training *t, qn_dial *d, double seconds, const qn_trial *m, int64_t checkpoint) {
    d->steps = QN_MAX(1, (int64_t)(seconds / m->step));
    for (int round = 0; round < 4; round++) {
        QN_TRY(plan_run(t, d));
        d->steps = QN_MAX(1, (int64_t)((double)d->steps * seconds / run_seconds(t, m, checkpoint)));
    }
    d->steps = cap_steps(t, d->steps);
    QN_TRY(plan_run(t, d));
    t->step_seconds = run_seconds(t, m, checkpoint) / (double)d->steps;
    return 0;
}

/* --time: steps out of how long they take here and now; from then on they are a number like any other. */
static int resolve_time(qn_training *t, qn_dial *d) {
    const double seconds = qn_cli_float(t->c, "time");
    qn_trial trial;
    if (!qn_cli_given(t->c, "time"))
        return 0;
    const int64_t checkpoint = qn_trainer_checkpoint_bytes(t->trainer);
    QN_TRY(qn_trainer_time(t->trainer, TRIAL_SHARE * seconds, &trial));
    qn_training_unbuild(t);
    QN_TRY(steps_for(t, d, seconds, &trial, checkpoint));
    QN_TRY(qn_training_open_model(t, t->from));         /* anew: the steps that were tried changed it */
    return qn_training_build(t);
}

static int build(qn_training *t) {
    const char *from = qn_cli_str(t->c, "from");
    qn_dial d;
    QN_TRY(decide(t, &d));
    if (from)
        QN_TRY(check_tokenizer(t->tok, t->data_path, from));
    QN_TRY(qn_training_open_model(t, from));
    QN_TRY(qn_training_build(t));
    return resolve_time(t, &d);
}

static int keep_words(qn_training *t) {
    const char *from = qn_cli_str(t->c, "from");
    if (from && !(t->from = qn_str_dup(QN_MEM_CLI, qn_str_of(from))))
        return QN_ENOMEM;
    return qn_run_args_asks(t);
}

static int pretrain(qn_training *t) {
    QN_TRY(check_names(t->c));
    QN_TRY(qn_run_args_check(t->c));
    QN_TRY(check_data(t->c));
    QN_TRY(qn_cli_pool(t->c, &t->pool));
    t->kernels = qn_kernels_at(qn_cli_isa(t->c));
    qn_run_args_recipe(t);
    t->recipe.init_std = qn_cli_float(t->c, "init-std");
    t->recipe.packing = (qn_packing)qn_cli_enum(t->c, "packing");
    QN_TRY(keep_words(t));
    QN_TRY(foresee(t));
    if (!qn_cli_flag(t->c, "dry-run"))
        QN_TRY(qn_run_create(&t->run, qn_cli_str(t->c, "out")));
    QN_TRY(open_data(t));
    QN_TRY(qn_run_args_evaluates(t));
    QN_TRY(build(t));
    qn_training_plan(t);
    if (qn_cli_given(t->c, "out"))
        QN_TRY(qn_training_room(t, qn_cli_str(t->c, "out")));
    if (qn_cli_flag(t->c, "dry-run"))
        return qn_cli_json(t->c) ? qn_training_plan_json(t) : 0;
    QN_TRY(qn_training_manifest(t, "running"));
    return qn_training_go(t);
}

static int run(qn_cli *c) { return qn_training_command(c, pretrain); }

const qn_cmd qn_cmd_train_pretrain = {
    "train pretrain", "", "a language model out of text", opts, examples, run, notes
};
