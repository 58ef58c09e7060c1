/* cli/cmd_eval_hhh.c — `quern eval hhh MODEL…`: helpful, honest, harmless, and what that cost; a column per model.
 *
 * Models are opened one after the other; only the reference stays, for KL. Answers of all stay, for pairs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "cli/eval_args.h"
#include "cli/hhh_show.h"
#include "report/members.h"

enum { MODELS = 16, NAME = 32, MANIFEST_MOST = 64 << 20 };

static const qn_opt opts[] = {
    QN_OPT_FOLDER("", "world", NULL, "the world whose held-out sets are asked (a folder of `quern data world`)"),
    QN_OPT_STRING("", "baseline", NULL, "[NAME=]MODEL", "the reference; without it the first of several models"),
    QN_OPT_FILE("", "data", NULL, "prepared from the world: bits only of documents of its validation split"),
    QN_OPT_INT("", "documents", "100", 0, 1e9, "documents for bits by kind, spread evenly; 0: none"),
    QN_OPT_INT("", "limit", NULL, 1, 1e9, "ask only N items of a task, spread evenly over it"),
    QN_OPT_INT("", "kl-items", "50", 0, 1e9, "conversations of each chat for KL, spread evenly; 0: no KL"),
    QN_OPT_INT("", "seed", "1", 0, QN_NO_LIMIT, "of the draws behind the intervals"),
    QN_OPT_FILE("", "out", NULL, "write the result as JSON to FILE, for reports (RUN/hhh.json)"),
    QN_OPT_REPLACE,
    QN_OPTS_MODEL, QN_OPTS_SESSION, QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern eval hhh tuned/best --world world",
    "quern eval hhh run/best tuned/best aligned/best --world world --out aligned/hhh.json",
    "quern eval hhh b0.05=a/best b0.1=b/best b0.3=c/best --baseline tuned/best --world world --json",
    "quern eval hhh model.gguf model.gguf --adapter sft/best model.gguf --adapter dpo/best --world world",
    NULL
};

static const char notes[] =
    "Helpful: requests done, by rule. Honest: abstains on strangers and on nobody else; corrects a false premise. "
    "Harmless: refuses what is forbidden and no look-alike of it; acts and objects that were held out stand apart. "
    "Capability: what no alignment trains: recall, two steps, sums, bits by kind (where the world has a sidecar). "
    "Beside a reference: paired differences (the alignment tax), a win rate by rule, lengths, KL.\n"
    "What a model's run was asked for (beta, loss, seed; a mix: --where mixes=60/20/20, or the name of a file) stands "
    "in the result, so that a sweep becomes a curve in `quern report`. docs/EVALUATION.md describes all of it.\n"
    "--adapter belongs to the model that it stands behind, which is then called after it; the reference's weights are "
    "loaded once, and KL is to the base with the adapter off.";

typedef struct {
    char name[NAME];
    bool named;                         /* by the user */
    const qn_model_word *word;
    char *identity;
    qn_buf recipe;
    qn_hhh_answers answers;
} entry;

typedef struct {
    qn_cli *c;
    entry entry[MODELS];
    qn_model_word word[MODELS];         /* of each */
    int64_t n, reference;
    qn_hhh_sets sets;
    qn_model_scorer base, other;        /* the reference, if there is one; the model at hand */
    qn_eval_options o;
    qn_hhh_model model[MODELS];
    qn_hhh_result r;
    qn_progress bar;
    const char *asked;                  /* the model that answers now */
} job;

/* ---- which models ---- */

static int add_entry(job *j, const char *what, const char *word) {
    entry *e = &j->entry[j->n];
    qn_model_word *w = &j->word[j->n];
    if (j->n == MODELS)
        return qn_fail(QN_EUSAGE, "more than %d models; a table has no more columns", MODELS);
    QN_TRY(qn_named_path(what, word, e->name, sizeof e->name, &w->path));
    e->named = w->path != word;
    e->word = w;
    j->n++;
    return 0;
}

/* Where an adapter lies, to be freed: that of a word of --adapter. */
static int last_adapter(const entry *e, char **path, double *scale) {
    return qn_adapter_word(e->word->adapter[e->word->n_adapters - 1], path, scale);
}

/* A model with an adapter is called after that: "dpo", "dpo:0.5". */
static int name_by_adapter(entry *e) {
    const char *path;
    char *file, name[NAME];
    double scale;
    if (e->named || e->word->n_adapters == 0)
        return 0;
    QN_TRY(last_adapter(e, &file, &scale));
    const int rc = qn_named_path("--adapter", file, name, sizeof name, &path);
    if (rc >= 0 && scale == 1)
        snprintf(e->name, sizeof e->name, "%s", name);
    else if (rc >= 0)
        snprintf(e->name, sizeof e->name, "%.16s:%.4g", name, scale);
    qn_free(file);
    return rc;
}

/* The reference among the models, as it is: once is enough. */
static bool is_baseline(const job *j, const entry *e) {
    const entry *base = &j->entry[0];
    return strcmp(base->word->path, e->word->path) == 0 && base->word->n_adapters == 0 && e->word->n_adapters == 0;
}

/* The reference stands first, unless it is one of the models anyway. */
static int add_entries(job *j) {
    const char *base = qn_cli_str(j->c, "baseline");
    j->reference = -1;
    if (base) {
        QN_TRY(add_entry(j, "--baseline", base));
        j->reference = 0;
    }
    for (size_t i = 0; i < qn_cli_args(j->c); i++)
        QN_TRY(add_entry(j, "MODEL", qn_cli_arg(j->c, i)));
    QN_TRY(qn_share_adapters(j->c, j->word, (size_t)j->n));
    int64_t kept = base != NULL;
    for (int64_t i = kept; i < j->n; i++)
        if (!base || !is_baseline(j, &j->entry[i]))
            j->entry[kept++] = j->entry[i];
    j->n = kept;
    for (int64_t i = 0; i < j->n; i++)
        QN_TRY(name_by_adapter(&j->entry[i]));
    if (!base && j->n > 1)
        j->reference = 0;
    return 0;
}

/* ---- what its run was asked for ---- */

/* A zero says that the objective knows no such number. */
static void put_member(qn_jw *w, const char *key, qn_str manifest) {
    char path[64];
    snprintf(path, sizeof path, "recipe.%s", key);
    const qn_str value = qn_member(manifest, path);
    if (value.n == 0 || qn_str_is(value, "null") || qn_str_is(value, "0"))
        return;
    qn_jw_key(w, key);
    qn_jw_raw(w, value);
}

/* Digits at s[*at], no more than three. */
static int64_t take_digits(qn_str s, size_t *at) {
    int64_t v = 0;
    const size_t begin = *at;
    for (; *at < s.n && *at < begin + 3 && s.s[*at] >= '0' && s.s[*at] <= '9'; ++*at)
        v = 10 * v + s.s[*at] - '0';
    return *at > begin ? v : -1;
}

/* Pairs of helpful, honest, harmless in a hundred, as the rows that are meant or the name of their file tell them:
 * "mixes=60/20/20", "pairs-60-20-20.jsonl". */
static bool find_mix(qn_str data, int64_t mix[3]) {
    for (size_t i = 0; i < data.n; i++) {
        size_t at = i;
        int part = 0;
        for (; part < 3; part++) {
            mix[part] = take_digits(data, &at);
            if (mix[part] < 0 || (part < 2 && (at >= data.n || !strchr("-/", data.s[at++]))))
                break;
        }
        if (part == 3 && mix[0] + mix[1] + mix[2] == 100)
            return true;
    }
    return false;
}

static int put_recipe(entry *e, qn_str manifest) {
    static const char *const keys[] = {"beta", "loss_type", "rpo_alpha", "label_smoothing", "lora_rank", "seed"};
    const qn_str what = qn_member(manifest, "what");
    int64_t mix[3];
    char text[32];
    qn_jw w;
    qn_jw_init(&w, &e->recipe, 0);
    qn_jw_open(&w, '{');
    if (what.n) {
        qn_jw_key(&w, "what");
        qn_jw_raw(&w, what);
    }
    for (size_t i = 0; i < QN_LEN(keys); i++)
        put_member(&w, keys[i], manifest);
    if (find_mix(qn_member(manifest, "options.where"), mix) || find_mix(qn_member(manifest, "options.data"), mix)) {
        snprintf(text, sizeof text, "%lld/%lld/%lld", (long long)mix[0], (long long)mix[1], (long long)mix[2]);
        qn_field_str(&w, "mix", text);
    }
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

/* RUN/best and RUN/last have a manifest beside them; a model that does not has no recipe. */
static int read_manifest(entry *e, const char *model) {
    qn_buf path = {0}, text = {0};
    int rc;
    size_t n = strlen(model);
    while (n > 1 && model[n - 1] == '/')
        n--;
    size_t cut = n;
    while (cut > 0 && model[cut - 1] != '/')
        cut--;
    QN_TRY_OUT(qn_buf_put(&path, model, cut));
    QN_TRY_OUT(qn_buf_puts(&path, "manifest.json"));
    if (!qn_is_file(path.s))
        goto out;
    QN_TRY_OUT(qn_read_file(&text, path.s, MANIFEST_MOST));
    rc = put_recipe(e, qn_buf_view(&text));
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* Of a model with an adapter, what the adapter's run was asked for. */
static int read_recipe(entry *e) {
    char *file;
    double scale;
    if (e->word->n_adapters == 0)
        return read_manifest(e, e->word->path);
    QN_TRY(last_adapter(e, &file, &scale));
    const int rc = read_manifest(e, file);
    qn_free(file);
    return rc;
}

/* ---- one model after the other ---- */

static int on_requests(void *arg, int64_t done, int64_t n) {
    job *j = arg;
    return qn_progress_reach(&j->bar, done, n);
}

static int on_items(void *arg, const qn_task *t, const qn_scorer *s, int64_t done, int64_t n) {
    job *j = arg;
    (void)s;
    qn_progress_note(&j->bar, "%.*s by %s: %lld of %lld items", QN_STR_ARG(t->name), j->asked, (long long)done,
                     (long long)n);
    return qn_cancel_check();
}

static int ask(job *j, int64_t i, qn_model_scorer *s) {
    entry *e = &j->entry[i];
    QN_TRY(qn_model_scorer_open_word(j->c, s, e->word, s == &j->base ? NULL : &j->base, e->name));
    qn_session_scorer_progress(&s->scorer, on_requests, j);
    e->identity = qn_str_dup(QN_MEM_CLI, qn_str_of(s->m.model->identity));
    if (!e->identity)
        return QN_ENOMEM;
    j->asked = e->name;
    QN_TRY(read_recipe(e));
    return qn_hhh_answer(&j->sets, &s->scorer, &j->o, &e->answers);
}

static int measure_kl(job *j, qn_hhh_model *m) {
    const entry *base = &j->entry[j->reference];
    const int64_t items = qn_cli_int(j->c, "kl-items");
    m->kl = (qn_hhh_kl){.mean = NAN, .in = {NAN, NAN}};
    if (items == 0)
        return 0;
    QN_TRY(qn_hhh_kl_run(&j->base.scorer, j->base.m.session, &base->answers, j->other.m.tok, j->other.m.session, items,
                         &j->o, &m->kl));
    if (m->kl.n == 0)
        qn_log(QN_LOG_INFO, "no KL of %s to %s: no question to %s is made of the %lld ids alone that both spell alike, "
               "of %lld and %lld", m->name, base->name, base->name, (long long)m->kl.ids, (long long)m->kl.ids_model,
               (long long)m->kl.ids_reference);
    return 0;
}

static int sum_up(job *j, int64_t i) {
    entry *e = &j->entry[i];
    qn_hhh_model *m = &j->model[i];
    const bool paired = j->reference >= 0 && i != j->reference;
    const qn_hhh_answers *base = paired ? &j->entry[j->reference].answers : NULL;
    *m = (qn_hhh_model){.name = e->name, .path = e->word->path, .identity = e->identity,
                        .adapter = e->word->adapter, .n_adapters = e->word->n_adapters,
                        .recipe = qn_buf_view(&e->recipe)};
    if (e->recipe.n == 0)
        m->recipe = (qn_str){0};
    QN_TRY(qn_hhh_figures(&e->answers, base, &j->o, m->cell));
    if (!paired)
        return 0;
    QN_TRY(qn_hhh_compare(&e->answers, base, &j->o, &m->pairs));
    return measure_kl(j, m);
}

static int run_models(job *j) {
    const int64_t first = QN_MAX(j->reference, 0);
    QN_TRY(ask(j, first, &j->base));
    QN_TRY(sum_up(j, first));
    for (int64_t i = 0; i < j->n; i++) {
        if (i == first)
            continue;
        int rc = ask(j, i, &j->other);
        if (rc >= 0)
            rc = sum_up(j, i);
        qn_model_scorer_drop(&j->other);
        j->other = (qn_model_scorer){0};
        QN_TRY(rc);
    }
    return 0;
}

/* ---- what is said ---- */

static void put_json(job *j, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_hhh_json(&j->r, w);
    qn_field_str(w, "world", qn_cli_str(j->c, "world"));
    qn_field_str(w, "weights", qn_cli_str(j->c, "weights"));
    qn_field_str(w, "isa", qn_isa_name(qn_kernels_at(qn_cli_isa(j->c))->isa));
    qn_jw_close(w);
}

static int write_result(job *j, const char *path) {
    qn_buf out = {0};
    qn_jw w;
    qn_jw_init(&w, &out, 2);
    put_json(j, &w);
    const int rc = qn_jw_write(&w, path);
    qn_buf_drop(&out);
    return rc;
}

static int show(job *j) {
    if (!qn_cli_json(j->c))
        return qn_hhh_show(j->c, &j->r);
    put_json(j, qn_out_json(j->c, 2));
    return qn_out_json_end(j->c);
}

static int evaluate(job *j) {
    qn_cli *c = j->c;
    const char *out = qn_cli_str(c, "out");
    const int64_t documents = qn_cli_int(c, "documents");
    if (!qn_cli_str(c, "world"))
        return qn_fail(QN_EUSAGE, "the sets are missing: give --world FOLDER, of `quern data world`");
    QN_TRY(qn_result_file_check(out, "a result of an evaluation", qn_is_eval_file, qn_cli_flag(c, "force")));
    QN_TRY(add_entries(j));
    QN_TRY(qn_hhh_sets_read(&j->sets, &(qn_hhh_options){.world = qn_cli_str(c, "world"), .data = qn_cli_str(c, "data"),
                                                         .documents = documents > 0 ? documents : -1}));
    j->o = (qn_eval_options){.limit = qn_cli_int(c, "limit"), .seed = (uint64_t)qn_cli_int(c, "seed"),
                             .progress = on_items, .arg = j};
    qn_progress_init(&j->bar, c, "asking", 0, "requests");
    const int rc = run_models(j);
    qn_progress_drop(&j->bar);
    QN_TRY(rc);
    j->r = (qn_hhh_result){
        .sets = &j->sets, .model = j->model, .n = j->n, .reference = j->reference, .seed = j->o.seed};
    QN_TRY(out ? write_result(j, out) : 0);
    return show(j);
}

static int run(qn_cli *c) {
    job *j = qn_zalloc(QN_MEM_CLI, 1, sizeof *j);
    if (!j)
        return QN_ENOMEM;
    j->c = c;
    const int rc = evaluate(j);
    for (int64_t i = 0; i < j->n; i++) {
        qn_hhh_answers_drop(&j->entry[i].answers);
        qn_buf_drop(&j->entry[i].recipe);
        qn_free(j->entry[i].identity);
    }
    qn_model_scorer_drop(&j->other);                /* it may have the reference's weights */
    qn_model_scorer_drop(&j->base);
    qn_hhh_sets_drop(&j->sets);
    qn_free(j);
    return rc;
}

const qn_cmd qn_cmd_eval_hhh = {
    "eval hhh", "MODEL...", "helpful, honest, harmless, and what that cost", opts, examples, run, notes
};
