/* cli/cmd_merge.c — `quern merge`: adapters into the weights of their model, or whole models into one. */
#include <math.h>

#include "base/json_fields.h"
#include "cli/verify_args.h"
#include "model/adapter_file.h"
#include "model/merge.h"

#define DTYPE_CHOICES "as-is|f32|f16|bf16|q8_0|q4_0|q4_1"

/* Where logits are off by more than this share of their spread on average, a merge into F32 is not what the adapters
 * do. (Another order of sums makes 7e-6 in a model of 135 M parameters, 2e-4 in its worst logit of twelve million.) */
#define SHARE_MOST 1e-4

enum { TOKENS = 192, DRAWN = 2 };       /* enough to tell a wrong merge: two models as F32 take their time */

static const qn_opt opts[] = {
    QN_OPT_FILE("", "out", NULL, "write the merged model here: a file that ends in .gguf, or a directory"),
    QN_OPT_ENUM("", "method", "linear", QN_MERGE_CHOICES, "how several become one"),
    QN_OPT_STRING("", "base", NULL, "MODEL", "whole models: what they come from; what they changed is merged"),
    QN_OPT_FLOAT("", "density", "0.5", 0, 1, "ties, dare: the share of the changes of each that stays"),
    QN_OPT_INT("", "seed", "1", 0, QN_NO_LIMIT, "dare: what falls out"),
    QN_OPT_ENUM("", "dtype", "as-is", DTYPE_CHOICES, "store the matrices like this; q… only in GGUF"),
    QN_OPT_FLAG("", "force", "replace OUT: the file, or the model in the directory"),
    QN_OPT_FLAG("", "verify", "set the result beside MODEL (with its adapters), both as F32"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern merge model.gguf tuned/best --out merged.gguf --verify",
    "quern merge model/ adapter/ --out merged/ --dtype f32",
    "quern merge model/ helpful/:0.7 honest/:0.5 --out both.gguf --method ties --density 0.2",
    "quern merge sft/best dpo/best --out half",
    "quern merge sft/best:0.3 dpo/best:0.7 --out soup --method slerp",
    "quern merge helpful/best honest/best:0.5 --base base/ --out both --method ties --density 0.2",
    NULL
};

static const char notes[] =
    "PART is an adapter (a PEFT directory, a GGUF adapter, a run), or a whole model like MODEL; :X behind it is its\n"
    "weight, 1 where none is said.\n"
    "Adapters: linear adds what they add to each product, which is what they do at run time; ties keeps the largest\n"
    "changes of each and those that agree in sign; dare lets changes fall out at random and makes the others larger.\n"
    "All of that is done with the products of the pairs, one matrix after the other.\n"
    "Whole models: linear is their mean, MODEL (or MODEL:X) among them, weights divided by their sum; slerp goes from\n"
    "MODEL to a second one along the great circle of each weight. With --base, linear adds to the base what each\n"
    "changed, times its weight (task arithmetic); ties and dare are of these changes. Family, sizes and tokenizer\n"
    "must be one; all but the numbers is MODEL's: form, dtypes, tokenizer, template.\n"
    "A matrix keeps its dtype without --dtype: a quantized one is quantized anew. --verify then says what that loses:\n"
    "MODEL as F32 with its adapters beside OUT as F32, by the limits of `quern verify` for that dtype; where nothing\n"
    "was rounded logits may be off by 1/10000 of their spread on average. A small change may drown in the rounding:\n"
    "what the adapters do is measured as KL to MODEL without them, and half of it must be kept, which is to say that\n"
    "OUT is at most half as far from the sum as MODEL is. ties and dare have nothing at run time that\n"
    "they should equal, nor have whole models: the figures say how far from the sum, or from MODEL, OUT is. Exit code\n"
    "13: beyond the limits.\n"
    "JSON: file, format, architecture, method, adapters or models and base, changed (weights), dtype, tensors,\n"
    "parameters, bytes, rounded, seconds; with --verify also verify.";

typedef struct {
    qn_cli *c;
    const char *model, *out;
    qn_adapter *adapter[QN_ADAPTERS];
    qn_merge_part part[QN_ADAPTERS];
    size_t n;
    qn_source *words;                       /* beside an adapter that brings tokens; NULL: the model's own serve */
    const char *base;                       /* of whole models; NULL: none */
    char *path[QN_ADAPTERS];
    qn_merge_model whole[QN_ADAPTERS];
    double share[QN_ADAPTERS];
    size_t n_whole;                         /* 0: adapters are merged */
    qn_merge_options o;
    qn_convert_result r;
    double seconds;
} job;

/* ---- what goes in ---- */

/* A model with weights in it; what is none may be an adapter, or nothing. */
static int is_whole(const char *word, bool *whole) {
    qn_source *s = NULL;
    double scale;
    char *path;
    QN_TRY(qn_adapter_word(word, &path, &scale));
    const int form = qn_adapter_form_of(path, NULL);
    *whole = form == QN_ADAPTER_NONE && qn_source_open(&s, path) >= 0 && qn_source_tensors(s);
    qn_source_close(s);
    qn_free(path);
    return form < 0 ? form : 0;
}

/* All parts are of one kind; *whole: models. */
static int kind_of_parts(qn_cli *c, bool *whole) {
    *whole = false;
    for (size_t i = 1; i < c->n_args; i++) {
        bool is;
        QN_TRY(is_whole(qn_cli_arg(c, i), &is));
        if (i > 1 && is != *whole)
            return qn_fail(QN_EUSAGE, "%s is %s, %s is %s; merge one kind after the other", qn_cli_arg(c, i),
                           is ? "a whole model" : "none", qn_cli_arg(c, i - 1), is ? "none" : "a whole model");
        *whole = is;
    }
    return 0;
}

static int name_models(job *j) {
    j->base = qn_cli_str(j->c, "base");
    if (j->c->n_args > QN_ADAPTERS)
        return qn_fail(QN_EUSAGE, "%zu models; at most %d are possible", j->c->n_args, QN_ADAPTERS);
    for (; j->n_whole < j->c->n_args; j->n_whole++) {
        qn_merge_model *m = &j->whole[j->n_whole];
        QN_TRY(qn_adapter_word(qn_cli_arg(j->c, j->n_whole), &j->path[j->n_whole], &m->weight));
        m->path = j->path[j->n_whole];
    }
    j->model = j->path[0];
    return 0;
}

/* Of the last adapter. */
static int take_words(job *j, const char *path, int64_t V) {
    qn_source_close(j->words);
    return qn_adapter_words(&j->words, j->part[j->n - 1].a, path, V);
}

static int open_adapter(job *j, const char *word, const qn_source *s, const qn_arch *arch, const qn_config *c) {
    char *path;
    double scale;
    QN_TRY(qn_adapter_word(word, &path, &scale));
    int rc = qn_adapter_open(&j->adapter[j->n], path, arch, c);
    if (rc >= 0) {
        const qn_adapter *a = j->adapter[j->n];
        j->part[j->n++] = (qn_merge_part){a, scale};
        rc = qn_adapter_check_source(a, path, s);
        if (rc >= 0 && a->n_tokens && scale != 0)
            rc = take_words(j, path, c->V);
    }
    qn_free(path);
    return rc;
}

static int open_adapters(job *j) {
    const qn_arch *arch;
    qn_source *s;
    qn_config c;
    QN_TRY(qn_source_open(&s, j->model));
    int rc = qn_source_config(s, &arch, &c);
    if (rc >= 0 && j->c->n_args - 1 > QN_ADAPTERS)
        rc = qn_fail(QN_EUSAGE, "%zu adapters; at most %d are possible", j->c->n_args - 1, QN_ADAPTERS);
    for (size_t i = 1; i < j->c->n_args && rc >= 0; i++)
        rc = open_adapter(j, qn_cli_arg(j->c, i), s, arch, &c);
    qn_source_close(s);
    return rc;
}

static int on_bytes(void *arg, int64_t done, int64_t total) {
    return qn_progress_reach(arg, done >> 20, total >> 20);
}

static int merge(job *j) {
    const char *dtype = qn_cli_str(j->c, "dtype");
    const double start = qn_now();
    qn_progress bar;
    qn_pool *pool;
    bool whole;
    int rc;
    QN_TRY(qn_cli_pool(j->c, &pool));
    QN_TRY(kind_of_parts(j->c, &whole));
    if (!whole && qn_cli_given(j->c, "base"))
        return qn_fail(QN_EUSAGE, "--base belongs to whole models; of adapters MODEL is what they belong to");
    QN_TRY(whole ? name_models(j) : open_adapters(j));
    qn_progress_init(&bar, j->c, "merging", 0, "MB");
    j->o = (qn_merge_options){
        .method = (qn_merge_method)qn_cli_enum(j->c, "method"), .density = qn_cli_float(j->c, "density"),
        .seed = (uint64_t)qn_cli_int(j->c, "seed"),
        .out = {.dtype = qn_cli_enum(j->c, "dtype") == 0 ? QN_DTYPE_KEEP : qn_dtype_from_name(qn_str_of(dtype)),
                .force = qn_cli_flag(j->c, "force"), .progress = on_bytes, .arg = &bar, .words = j->words},
    };
    if (whole)
        rc = qn_merge_shares(j->whole, j->n_whole, j->base, &j->o, j->share);
    else
        rc = qn_merge(j->model, j->out, j->part, j->n, &j->o, pool, &j->r);
    if (rc >= 0 && whole)
        rc = qn_merge_models(j->whole, j->n_whole, j->base, j->out, &j->o, pool, &j->r);
    qn_progress_drop(&bar);
    j->seconds = qn_now() - start;
    return rc;
}

/* ---- what came of it, beside what it was made of ---- */

/* Where rounding was too much, what rounds less. Q8_0 is anew for the weights of other blocks, too. */
static int name_way_out(const job *j, int rc) {
    const bool blocks = qn_dtype_get(j->r.dtype)->block > 1;
    const char *finer = blocks ? ", bf16 little" : "";
    const char *q8 = blocks && j->r.dtype != QN_Q8_0 ? ", q8_0 perhaps enough less" : "";
    if (rc != QN_EDIFFER || j->r.rounded == 0)
        return rc;
    return qn_fail(rc, "%s. --dtype f32 rounds nothing%s%s; the adapter beside MODEL (--adapter) loses nothing",
                   qn_error_message(), finer, q8);
}

/* A merge without rounding has a limit of its own, which grows with the logits. */
static int check_share(const qn_verify_result *r) {
    if (r->mean_delta <= SHARE_MOST * r->spread)
        return 0;
    return qn_fail(QN_EDIFFER, "logits differ by %.3g on average, %.3g of their spread; other orders of sums make less "
                   "than %g", r->mean_delta, r->mean_delta / r->spread, SHARE_MOST);
}

static int verify(job *j, qn_jw *w) {
    const bool rounded = j->r.rounded > 0, same = j->o.method == QN_MERGE_LINEAR && j->n_whole == 0;
    const qn_dtype stored = rounded && j->r.dtype == QN_F32 ? QN_BF16 : j->r.dtype;
    qn_verify_limits limits = qn_verify_limits_of(QN_VERIFY_MERGE, QN_F32, rounded ? stored : QN_F32);
    limits.delta = INFINITY;                /* the worst logit grows with the model; check_share has the limit */
    qn_verify_job v = {.c = j->c, .weights = QN_F32, .kv = QN_F32, .word = {{.n_adapters = j->n}},
                       .o = {.relation = same ? QN_VERIFY_MERGE : QN_VERIFY_ANY, .tokens = TOKENS, .drawn = DRAWN,
                             .seed = 1}};
    for (size_t i = 0; i < j->n; i++)
        v.word[0].adapter[i] = qn_cli_arg(j->c, i + 1);
    v.o.limits = same ? &limits : NULL;
    int rc = qn_verify_job_run(&v, j->model, j->out);
    if (rc >= 0 && w) {
        qn_jw_key(w, "verify");
        qn_jw_open(w, '{');
        qn_verify_json(&v.r, w);
        qn_jw_close(w);
    } else if (rc >= 0) {
        rc = qn_verify_job_put_text(&v);
    }
    if (rc >= 0)
        rc = name_way_out(j, qn_verify_verdict(&v.r));
    if (rc >= 0 && same && !rounded)
        rc = check_share(&v.r);
    qn_verify_job_drop(&v);
    return rc;
}

static void put_parts(const job *j, qn_jw *w) {
    qn_field_open(w, j->n_whole ? "models" : "adapters", '[');
    for (size_t i = 0; i < j->n + j->n_whole; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "file", j->n_whole ? j->path[i] : j->adapter[i]->name);
        qn_field_f64(w, "weight", j->n_whole ? j->share[i] : j->part[i].scale);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    if (j->base)
        qn_field_str(w, "base", j->base);
}

static int put_json(job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    int rc = 0;
    qn_jw_open(w, '{');
    qn_field_str(w, "file", j->out);
    qn_field_str(w, "format", j->r.is_gguf ? "gguf" : "directory");
    qn_field_str(w, "architecture", j->r.arch);
    qn_field_str(w, "method", qn_cli_str(j->c, "method"));
    put_parts(j, w);
    qn_field_i64(w, "changed", j->r.changed);
    qn_field_str(w, "dtype", qn_dtype_get(j->r.dtype)->name);
    qn_field_i64(w, "tensors", j->r.tensors);
    qn_field_i64(w, "parameters", j->r.numbers);
    qn_field_i64(w, "bytes", (int64_t)j->r.bytes);
    qn_field_i64(w, "rounded", j->r.rounded);
    qn_field_f64(w, "seconds", j->seconds);
    if (qn_cli_flag(j->c, "verify"))
        rc = verify(j, w);
    if (rc < 0 && rc != QN_EDIFFER)
        return rc;
    qn_jw_close(w);
    const int ended = qn_out_json_end(j->c);
    return rc < 0 ? rc : ended;
}

/* "2 models (linear): 0.667 × sft/best, 0.333 × dpo/best" */
static int put_models(job *j) {
    QN_TRY(qn_out_printf(j->c, "%zu models%s%s (%s): ", j->n_whole, j->base ? " beside " : "", j->base ? j->base : "",
                         qn_cli_str(j->c, "method")));
    for (size_t i = 0; i < j->n_whole; i++)
        QN_TRY(qn_out_printf(j->c, "%s%.4g × %s", i ? ", " : "", j->share[i], j->path[i]));
    return qn_out_printf(j->c, "; %lld weights changed%s\n", (long long)j->r.changed,
                         j->r.rounded ? "" : ", none of them rounded");
}

static int put_text(job *j) {
    QN_TRY(qn_out_printf(j->c, "%s: %s, %.1f M parameters in %lld tensors, %s, %.1f MB, %.1f s\n", j->out, j->r.arch,
                         (double)j->r.numbers / 1e6, (long long)j->r.tensors, qn_dtype_get(j->r.dtype)->name,
                         (double)j->r.bytes / 1e6, j->seconds));
    if (j->n_whole)
        QN_TRY(put_models(j));
    else
        QN_TRY(qn_out_printf(j->c, "%zu adapter%s merged into %lld matrices (%s)%s\n", j->n, j->n == 1 ? "" : "s",
                             (long long)j->r.changed, qn_cli_str(j->c, "method"),
                             j->r.rounded ? "" : "; no number was rounded"));
    if (j->r.rounded)
        QN_TRY(qn_out_printf(j->c, "%lld of %lld matrices were rounded%s\n", (long long)j->r.rounded,
                             (long long)j->r.matrices, qn_cli_flag(j->c, "verify") || j->n_whole
                                 ? "" : ": a small change may drown in that; --verify measures what is kept of it"));
    return qn_cli_flag(j->c, "verify") ? verify(j, NULL) : 0;
}

static int run(qn_cli *c) {
    const int method = qn_cli_enum(c, "method");
    job j = {.c = c, .model = qn_cli_arg(c, 0), .out = qn_cli_str(c, "out")};
    if (!j.out)
        return qn_fail(QN_EUSAGE, "--out is missing: where the merged model goes");
    if (method != QN_MERGE_TIES && method != QN_MERGE_DARE && qn_cli_given(c, "density"))
        return qn_fail(QN_EUSAGE, "--density belongs to --method ties or dare");
    if (method != QN_MERGE_DARE && qn_cli_given(c, "seed"))
        return qn_fail(QN_EUSAGE, "--seed belongs to --method dare");
    int rc = merge(&j);
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
    for (size_t i = 0; i < j.n; i++)
        qn_adapter_free(j.adapter[i]);
    for (size_t i = 0; i < QN_ADAPTERS; i++)
        qn_free(j.path[i]);
    qn_source_close(j.words);
    return rc;
}

const qn_cmd qn_cmd_merge = {
    "merge", "MODEL PART...", "adapters into the weights of their model, or models into one", opts, examples, run, notes
};
