/* cli/cmd_merge.c — `quern merge`: adapters into the weights of their model. */
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
    QN_OPT_ENUM("", "method", "linear", QN_MERGE_CHOICES, "how several adapters become one"),
    QN_OPT_FLOAT("", "density", "0.5", 0, 1, "ties, dare: the share of an adapter's changes that stays"),
    QN_OPT_INT("", "seed", "1", 0, QN_NO_LIMIT, "dare: what falls out"),
    QN_OPT_ENUM("", "dtype", "as-is", DTYPE_CHOICES, "store the matrices like this; q… only in GGUF"),
    QN_OPT_FLAG("", "force", "replace OUT: the file, or the model in the directory"),
    QN_OPT_FLAG("", "verify", "set the result beside MODEL with its adapters, both as F32"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern merge model.gguf tuned/best --out merged.gguf --verify",
    "quern merge model/ adapter/ --out merged/ --dtype f32",
    "quern merge model/ helpful/:0.7 honest/:0.5 --out both.gguf --method ties --density 0.2",
    NULL
};

static const char notes[] =
    "ADAPTER is a PEFT directory, a GGUF adapter or a run; :X behind it is its weight, 1 where none is said. linear\n"
    "adds what the adapters add to each product, which is what they do at run time; ties keeps the largest changes of\n"
    "each and those that agree in sign; dare lets changes fall out at random and makes the others larger. All of that\n"
    "is done with the products of the pairs, one matrix after the other.\n"
    "A matrix keeps its dtype without --dtype: a quantized one is quantized anew. --verify then says what that loses:\n"
    "MODEL as F32 with its adapters beside OUT as F32, by the limits of `quern verify` for that dtype; where nothing\n"
    "was rounded logits may be off by 1/10000 of their spread on average. ties and dare have nothing at run time that\n"
    "they should equal: the figures say how far from the sum they are. Exit code 13: beyond the limits.\n"
    "JSON: file, format, architecture, method, adapters, changed (matrices), dtype, tensors, parameters, bytes,\n"
    "rounded, seconds; with --verify also verify.";

typedef struct {
    qn_cli *c;
    const char *model, *out;
    qn_adapter *adapter[QN_ADAPTERS];
    qn_merge_part part[QN_ADAPTERS];
    size_t n;
    qn_source *words;                   /* beside an adapter that brings tokens; NULL: the model's own serve */
    qn_merge_options o;
    qn_convert_result r;
    double seconds;
} job;

/* ---- what goes in ---- */

/* Of the last adapter. */
static int take_words(job *j, const char *path, int64_t V) {
    qn_source_close(j->words);
    return qn_adapter_words(&j->words, j->part[j->n - 1].a, path, V);
}

static int open_adapters(job *j) {
    const qn_arch *arch;
    qn_source *s;
    qn_config c;
    QN_TRY(qn_source_open(&s, j->model));
    int rc = qn_source_config(s, &arch, &c);
    if (rc >= 0 && j->c->n_args - 1 > QN_ADAPTERS)
        rc = qn_fail(QN_EUSAGE, "merge: %zu adapters; at most %d are possible", j->c->n_args - 1, QN_ADAPTERS);
    for (size_t i = 1; i < j->c->n_args && rc >= 0; i++) {
        char *path = NULL;
        double scale;
        rc = qn_adapter_word(qn_cli_arg(j->c, i), &path, &scale);
        if (rc >= 0)
            rc = qn_adapter_open(&j->adapter[j->n], path, arch, &c);
        if (rc >= 0) {
            j->part[j->n] = (qn_merge_part){j->adapter[j->n], scale};
            j->n++;
        }
        if (rc >= 0 && j->part[j->n - 1].a->n_tokens && scale != 0)
            rc = take_words(j, path, c.V);
        qn_free(path);
    }
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
    QN_TRY(qn_cli_pool(j->c, &pool));
    QN_TRY(open_adapters(j));
    qn_progress_init(&bar, j->c, "merging", 0, "MB");
    j->o = (qn_merge_options){
        .method = (qn_merge_method)qn_cli_enum(j->c, "method"), .density = qn_cli_float(j->c, "density"),
        .seed = (uint64_t)qn_cli_int(j->c, "seed"),
        .out = {.dtype = qn_cli_enum(j->c, "dtype") == 0 ? QN_DTYPE_KEEP : qn_dtype_from_name(qn_str_of(dtype)),
                .force = qn_cli_flag(j->c, "force"), .progress = on_bytes, .arg = &bar, .words = j->words},
    };
    const int rc = qn_merge(j->model, j->out, j->part, j->n, &j->o, pool, &j->r);
    qn_progress_drop(&bar);
    j->seconds = qn_now() - start;
    return rc;
}

/* ---- what came of it, beside what it was made of ---- */

/* A merge without rounding has a limit of its own, which grows with the logits. */
static int check_share(const qn_verify_result *r) {
    if (r->mean_delta <= SHARE_MOST * r->spread)
        return 0;
    return qn_fail(QN_EDIFFER, "logits differ by %.3g on average, %.3g of their spread; other orders of sums make less "
                   "than %g", r->mean_delta, r->mean_delta / r->spread, SHARE_MOST);
}

static int verify(job *j, qn_jw *w) {
    const bool rounded = j->r.rounded > 0, same = j->o.method == QN_MERGE_LINEAR;
    const qn_dtype stored = rounded && j->r.dtype == QN_F32 ? QN_BF16 : j->r.dtype;
    qn_verify_limits limits = qn_verify_limits_of(QN_VERIFY_MERGE, QN_F32, rounded ? stored : QN_F32);
    if (isnan(limits.delta))                            /* not F32's, as which both are loaded */
        limits.delta = INFINITY;
    qn_verify_job v = {.c = j->c, .weights = QN_F32, .kv = QN_F32, .adapter = j->c->arg + 1,
                       .n_adapters = j->n, .o = {.relation = same ? QN_VERIFY_MERGE : QN_VERIFY_ANY, .tokens = TOKENS,
                                               .drawn = DRAWN, .seed = 1}};
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
        rc = qn_verify_verdict(&v.r);
    if (rc >= 0 && same && !rounded)
        rc = check_share(&v.r);
    qn_verify_job_drop(&v);
    return rc;
}

static int put_json(job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    int rc = 0;
    qn_jw_open(w, '{');
    qn_field_str(w, "file", j->out);
    qn_field_str(w, "format", j->r.is_gguf ? "gguf" : "directory");
    qn_field_str(w, "architecture", j->r.arch);
    qn_field_str(w, "method", qn_cli_str(j->c, "method"));
    qn_jw_key(w, "adapters");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < j->n; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "file", j->adapter[i]->name);
        qn_field_f64(w, "weight", j->part[i].scale);
        qn_jw_close(w);
    }
    qn_jw_close(w);
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

static int put_text(job *j) {
    QN_TRY(qn_out_printf(j->c, "%s: %s, %.1f M parameters in %lld tensors, %s, %.1f MB, %.1f s\n", j->out, j->r.arch,
                         (double)j->r.numbers / 1e6, (long long)j->r.tensors, qn_dtype_get(j->r.dtype)->name,
                         (double)j->r.bytes / 1e6, j->seconds));
    QN_TRY(qn_out_printf(j->c, "%zu adapter%s merged into %lld matrices (%s)%s\n", j->n, j->n == 1 ? "" : "s",
                         (long long)j->r.changed, qn_cli_str(j->c, "method"),
                         j->r.rounded ? "" : "; no number was rounded"));
    if (j->r.rounded)
        QN_TRY(qn_out_printf(j->c, "%lld of %lld matrices were rounded\n", (long long)j->r.rounded,
                             (long long)j->r.matrices));
    return qn_cli_flag(j->c, "verify") ? verify(j, NULL) : 0;
}

static int run(qn_cli *c) {
    job j = {.c = c, .model = qn_cli_arg(c, 0), .out = qn_cli_str(c, "out")};
    if (!j.out)
        return qn_fail(QN_EUSAGE, "--out is missing: where the merged model goes");
    if (qn_cli_enum(c, "method") == QN_MERGE_LINEAR && qn_cli_given(c, "density"))
        return qn_fail(QN_EUSAGE, "--density belongs to --method ties or dare");
    if (qn_cli_enum(c, "method") != QN_MERGE_DARE && qn_cli_given(c, "seed"))
        return qn_fail(QN_EUSAGE, "--seed belongs to --method dare");
    int rc = merge(&j);
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
    for (size_t i = 0; i < j.n; i++)
        qn_adapter_free(j.adapter[i]);
    qn_source_close(j.words);
    return rc;
}

const qn_cmd qn_cmd_merge = {
    "merge", "MODEL ADAPTER...", "adapters into the weights of their model", opts, examples, run, notes
};
