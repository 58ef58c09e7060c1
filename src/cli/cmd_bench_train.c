/* cli/cmd_bench_train.c — `quern bench train`: speed and memory of a training step on a shape, without any data. */
#include <stdlib.h>
#include <string.h>

#include "base/json_fields.h"
#include "cli/bench_text.h"
#include "cli/cli.h"
#include "cli/peaks.h"
#include "train/dial.h"
#include "train/engine.h"

static const qn_opt opts[] = {
    QN_OPT_ENUM("", "shape", "llama-1m", "llama-1m|llama-15m|gpt2-124m|smollm2-135m",
                "a shape; what is given beside it counts"),
    QN_OPT_INT("", "dim", NULL, 2, 32768, "width"),
    QN_OPT_INT("", "layers", NULL, 1, 1024, "layers"),
    QN_OPT_INT("", "heads", NULL, 1, 1024, "query heads"),
    QN_OPT_INT("", "ff", NULL, 1, 131072, "width of the feed-forward layer"),
    QN_OPT_INT("", "vocab", NULL, 2, 2097152, "vocabulary"),
    QN_OPT_INT("", "batch", NULL, 1, 65536, "rows of a step, all in one pass"),
    QN_OPT_INT("", "context", NULL, 2, 1048576, "tokens of a row"),
    QN_OPT_INT("", "window", "0", 0, 16777216, "look back over N tokens only; 0: over all"),
    QN_OPT_INT("", "documents", "1", 1, 65536, "documents of equal length that share a row"),
    QN_OPT_ENUM("", "compute", NULL, "f32|bf16", "how matrices multiply (without: bf16 where the CPU has its dots)"),
    QN_OPT_ENUM("", "recompute", "cheap", QN_RECOMPUTE_CHOICES, "what backward computes again rather than keep"),
    QN_OPT_ENUM("", "optimizer", "adamw", QN_OPTIMIZER_CHOICES, "rule of the update"),
    QN_OPT_INT("", "repeat", "5", 1, 1000, "measure N steps, after one that is not counted"),
    QN_OPT_FLAG("", "profile", "where the time goes, by operation"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern bench train --shape gpt2-124m",
    "quern bench train --dim 256 --layers 4 --batch 16 --context 256 --profile",
    NULL
};

static const char notes[] =
    "Forward, backward, norm of the gradient and update on random tokens. Operations are counted as 2 for each "
    "multiply and add of products and attention, nothing for the rest or for what is computed again; the share is of "
    "the peak of the format that multiplies, with the instructions that --isa allows.\n"
    "--profile runs one more step, in which all threads meet behind each operation. Its MB are what an operation "
    "cannot but read and write, once each; none stand beside attention, whose keys and values lie elsewhere, and the "
    "sum has none of it. What is computed again counts there.";

typedef struct { const char *arch; int64_t D, layers, heads, kv_heads, F, V, batch, context; } shape;
static const shape shapes[] = {
    {"llama", 128, 4, 4, 4, 352, 512, 32, 128},
    {"llama", 288, 6, 6, 6, 768, 32000, 8, 256},
    {"gpt2", 768, 12, 12, 12, 3072, 50257, 2, 512},
    {"llama", 576, 30, 9, 3, 1536, 49152, 4, 512},
};

enum { OPS = 48 };

typedef struct {
    qn_cli *c;
    qn_pool *pool;
    const qn_kernels *kernels;
    qn_peak peak;
    shape s;
    qn_dtype compute;
    qn_model *model;
    qn_params params;
    qn_engine *engine;
    qn_optimizer *optimizer;
    qn_row_data *row;
    int32_t *ids;
    qn_piece *piece;
    double *seconds, *update;           /* [repeat] of a step; of its update, norm and all */
    int64_t allocations;
    qn_op_time op[OPS];
    int ops;
} job;

/* ---- making ---- */

static void choose(job *j) {
    j->s = shapes[qn_cli_enum(j->c, "shape")];
    const struct { const char *name; int64_t *at; } given[] = {
        {"dim", &j->s.D}, {"layers", &j->s.layers}, {"heads", &j->s.heads}, {"ff", &j->s.F}, {"vocab", &j->s.V},
        {"batch", &j->s.batch}, {"context", &j->s.context},
    };
    for (size_t i = 0; i < QN_LEN(given); i++)
        if (qn_cli_given(j->c, given[i].name))
            *given[i].at = qn_cli_int(j->c, given[i].name);
    if (qn_cli_given(j->c, "heads"))
        j->s.kv_heads = j->s.heads;
    const int compute = qn_cli_enum(j->c, "compute");
    const bool dots = j->kernels->isa >= QN_ISA_AVX512BF16;
    j->compute = compute == 1 || (compute < 0 && dots) ? QN_BF16 : QN_F32;
}

static int make_model(job *j) {
    const qn_arch *arch = qn_arch_by_gguf(qn_str_of(j->s.arch));
    qn_config c = {.V = j->s.V, .bos = -1, .pad = -1, .tied = true, .compute = (int)j->compute};
    const qn_dial d = {.depth = -1, .params = -1, .dim = j->s.D, .layers = j->s.layers, .heads = j->s.heads,
                       .kv_heads = j->s.kv_heads, .ff = j->s.F, .context = j->s.context};
    bool gated;
    QN_TRY(qn_dial_family(arch, &c, &gated));
    c.window = gated ? qn_cli_int(j->c, "window") : 0;
    QN_TRY(qn_dial_shape(&d, gated, &c));
    QN_TRY(qn_model_blank(&j->model, arch, &c, NULL, j->compute));
    QN_TRY(qn_params_init(&j->params, j->model));
    return qn_params_fresh(&j->params, 1, 0, j->pool);
}

static int make_rows(job *j) {
    const int64_t T = j->s.context, documents = QN_MIN(qn_cli_int(j->c, "documents"), T);
    j->row = qn_zalloc(QN_MEM_CLI, (size_t)j->s.batch, sizeof *j->row);
    j->ids = qn_zalloc(QN_MEM_CLI, (size_t)(j->s.batch * T) * 2, sizeof *j->ids);
    j->piece = qn_zalloc(QN_MEM_CLI, (size_t)documents, sizeof *j->piece);
    j->seconds = qn_zalloc(QN_MEM_CLI, (size_t)qn_cli_int(j->c, "repeat"), sizeof *j->seconds);
    j->update = qn_zalloc(QN_MEM_CLI, (size_t)qn_cli_int(j->c, "repeat"), sizeof *j->update);
    if (!j->row || !j->ids || !j->piece || !j->seconds || !j->update)
        return QN_ENOMEM;
    for (int64_t i = 0; i < j->s.batch * T * 2; i++)
        j->ids[i] = (int32_t)(qn_rng_u64(1, QN_RNG_TEST, 0, (uint64_t)i) % (uint64_t)j->s.V);
    for (int64_t i = 0; i < documents; i++)
        j->piece[i] = (qn_piece){T * i / documents, T * (i + 1) / documents - T * i / documents};
    for (int64_t r = 0; r < j->s.batch; r++)
        j->row[r] = (qn_row_data){.ids = j->ids + 2 * r * T, .targets = j->ids + (2 * r + 1) * T, .piece = j->piece,
                                  .n = T, .pieces = documents};
    return 0;
}

static int make(job *j) {
    const qn_optimizer_options o = qn_optimizer_options_default((qn_optimizer_kind)qn_cli_enum(j->c, "optimizer"));
    QN_TRY(make_model(j));
    QN_TRY(make_rows(j));
    const qn_engine_options e = {.context = j->s.context, .rows = j->s.batch, .max_pieces = j->row[0].pieces,
                                 .recompute = (qn_recompute)qn_cli_enum(j->c, "recompute"), .gradients = true};
    QN_TRY(qn_engine_new(&j->engine, &j->params, j->kernels, j->pool, &e));
    return qn_optimizer_new(&j->optimizer, &j->params, j->kernels, &o, qn_pool_threads(j->pool));
}

/* ---- measuring ---- */

/* Step `i`; the seconds of its update go to `update`. */
static double step(job *j, int64_t i, double *update) {
    const double start = qn_now();
    qn_engine_clear(j->engine);
    qn_engine_run(j->engine, j->row, j->s.batch, 1.0 / (double)(j->s.batch * j->s.context), true);
    const double middle = qn_now();
    const double norm = qn_optimizer_grad_norm(j->optimizer, qn_engine_grad(j->engine), j->pool);
    qn_optimizer_step(j->optimizer, qn_engine_grad(j->engine), norm > 1 ? 1 / norm : 1, 1e-4, i + 1, j->pool);
    const double end = qn_now();
    *update = end - middle;
    return end - start;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_time(const void *a, const void *b) {
    const qn_op_time *x = a, *y = b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

/* Those that ran, to the front: the head's forward is done along with its backward. Keys and values lie in pages, which
 * the executor does not see: the bytes of attention are not known, 0. */
static int ran(qn_op_time *t, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(t[i].op, "attention") == 0)
            t[i].bytes = 0;
        if (t[i].calls > 0)
            t[kept++] = t[i];
    }
    return kept;
}

static int measure(job *j) {
    const int64_t repeat = qn_cli_int(j->c, "repeat");
    double uncounted;
    step(j, 0, &uncounted);
    const int64_t before = qn_mem_calls();
    for (int64_t i = 0; i < repeat; i++) {
        j->seconds[i] = step(j, i + 1, &j->update[i]);
        QN_TRY(qn_cancel_check());
    }
    j->allocations = qn_mem_calls() - before;
    if (qn_cli_flag(j->c, "profile")) {
        qn_engine_profile(j->engine, true);
        step(j, repeat + 1, &uncounted);
        j->ops = ran(j->op, qn_engine_times(j->engine, j->op, OPS));
        qsort(j->op, (size_t)j->ops, sizeof *j->op, by_time);
    }
    qsort(j->seconds, (size_t)repeat, sizeof *j->seconds, by_size);
    qsort(j->update, (size_t)repeat, sizeof *j->update, by_size);
    return 0;
}

/* ---- telling ---- */

static const char *const parts[] = {"forward", "again", "backward"};

/* Of [repeat] in order: the one in the middle, or the mean of the two there. */
static double middle(const job *j, const double *v) {
    const int64_t n = qn_cli_int(j->c, "repeat");
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static double tokens(const job *j) { return (double)(j->s.batch * j->s.context); }
static double median(const job *j) { return middle(j, j->seconds); }
static double update(const job *j) { return middle(j, j->update); }
static double peak(const job *j) { return j->compute == QN_BF16 && j->peak.bf16 > 0 ? j->peak.bf16 : j->peak.f32; }
static double gops(const job *j) { return (double)qn_engine_info_get(j->engine).flops / median(j) * 1e-9; }

/* An amount and what it is a second, of so many ns; nothing stands for 0. */
static int put_amount(qn_cli *c, double amount, double ns, double unit) {
    return amount > 0 ? qn_out_printf(c, "%11.3f%8.1f", amount / unit, amount / ns) : qn_out_printf(c, "%19s", "");
}

static int put_op(const job *j, const char *part, const qn_op_time *t, const qn_op_time *all) {
    const double ns = (double)QN_MAX(t->ns, (int64_t)1);
    QN_TRY(qn_out_printf(j->c, "  %-14s%-10s%9.2f%7.1f %%%6.0f %%", t->op, part, 1e-6 * ns,
                         100 * ns / (double)QN_MAX(all->ns, (int64_t)1), 100 * qn_op_wait(t)));
    QN_TRY(put_amount(j->c, (double)t->bytes, ns, 1e6));
    QN_TRY(put_amount(j->c, (double)t->flops, ns, 1e9));
    return qn_out_printf(j->c, "%9lld\n", (long long)t->calls);
}

static int put_profile(const job *j) {
    const qn_op_time all = qn_op_sum(j->op, j->ops);
    if (j->ops == 0)
        return 0;
    QN_TRY(qn_out_puts(j->c, "\neach operation by itself, all threads meeting behind it; of one step:\n"));
    QN_TRY(qn_out_printf(j->c, "  %-24s%9s%9s%8s%11s%8s%11s%8s%9s\n", "", "ms", "share", "wait", "MB", "GB/s", "G ops",
                         "G/s", "calls"));
    for (int i = 0; i < j->ops; i++)
        QN_TRY(put_op(j, parts[j->op[i].part], &j->op[i], &all));
    return put_op(j, "", &all, &all);
}

static int put_text(const job *j) {
    const int64_t repeat = qn_cli_int(j->c, "repeat");
    QN_TRY(qn_out_printf(j->c, "%s, %.2f M parameters, %lld rows of %lld tokens, compute %s; %s, %d threads\n",
                         j->s.arch, (double)j->model->n_params / 1e6, (long long)j->s.batch, (long long)j->s.context,
                         qn_dtype_get(j->compute)->name, qn_isa_name(j->kernels->isa), qn_pool_threads(j->pool)));
    QN_TRY(qn_out_printf(j->c, "tokens/s  %.0f (%.0f – %.0f), %.1f ms a step, %.1f of them the update\n",
                         tokens(j) / median(j), tokens(j) / j->seconds[repeat - 1], tokens(j) / j->seconds[0],
                         1e3 * median(j), 1e3 * update(j)));
    QN_TRY(qn_out_printf(j->c, "products  %.0f G operations/s, %.0f %% of the peak of %.0f\n", gops(j),
                         100 * gops(j) / peak(j), peak(j)));
    QN_TRY(qn_out_printf(j->c, "memory    peak %.0f MB; %lld allocations in %lld steps\n",
                         (double)qn_cli_peak_bytes() / 1e6, (long long)j->allocations, (long long)repeat));
    return put_profile(j);
}

static void json_shape(qn_jw *w, const job *j) {
    const qn_config *c = &j->model->cfg;
    qn_field_open(w, "shape", '{');
    qn_field_i64(w, "dim", c->D);
    qn_field_i64(w, "layers", c->layers);
    qn_field_i64(w, "heads", c->heads);
    qn_field_i64(w, "kv_heads", c->kv_heads);
    qn_field_i64(w, "ff", c->F);
    qn_field_i64(w, "vocab", c->V);
    qn_jw_close(w);
}

/* What is not known is left out. */
static void json_op(qn_jw *w, const qn_op_time *t) {
    qn_jw_open(w, '{');
    qn_field_str(w, "op", t->op);
    qn_field_str(w, "part", parts[t->part]);
    qn_field_f64(w, "ms", 1e-6 * (double)t->ns);
    qn_field_f64(w, "wait", qn_op_wait(t));
    if (t->bytes > 0)
        qn_field_f64(w, "bytes", (double)t->bytes);
    if (t->flops > 0)
        qn_field_i64(w, "operations", t->flops);
    qn_field_i64(w, "calls", t->calls);
    qn_jw_close(w);
}

static int put_json(const job *j) {
    const int64_t repeat = qn_cli_int(j->c, "repeat");
    qn_jw *w = qn_out_json(j->c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "architecture", j->s.arch);
    json_shape(w, j);
    qn_field_i64(w, "parameters", j->model->n_params);
    qn_field_i64(w, "batch", j->s.batch);
    qn_field_i64(w, "context", j->s.context);
    qn_field_str(w, "compute", qn_dtype_get(j->compute)->name);
    qn_field_str(w, "recompute", qn_cli_str(j->c, "recompute"));
    qn_field_str(w, "optimizer", qn_cli_str(j->c, "optimizer"));
    qn_field_str(w, "isa", qn_isa_name(j->kernels->isa));
    qn_field_i64(w, "threads", qn_pool_threads(j->pool));
    qn_field_i64(w, "repeat", repeat);
    qn_field_f64(w, "tokens_per_second", tokens(j) / median(j));
    qn_field_f64(w, "least", tokens(j) / j->seconds[repeat - 1]);
    qn_field_f64(w, "most", tokens(j) / j->seconds[0]);
    qn_field_f64(w, "step_ms", 1e3 * median(j));
    qn_field_f64(w, "update_ms", 1e3 * update(j));
    qn_field_f64(w, "least_update_ms", 1e3 * j->update[0]);
    qn_field_f64(w, "gops", gops(j));
    qn_field_f64(w, "share", gops(j) / peak(j));
    qn_field_i64(w, "peak_bytes", qn_cli_peak_bytes());
    qn_field_i64(w, "allocations", j->allocations);
    if (j->ops > 0) {
        qn_field_open(w, "ops", '[');
        for (int i = 0; i < j->ops; i++)
            json_op(w, &j->op[i]);
        qn_jw_close(w);
    }
    qn_jw_key(w, "peak");
    qn_json_peak(w, &j->peak);
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

static void drop(job *j) {
    qn_optimizer_free(j->optimizer);
    qn_engine_free(j->engine);
    qn_params_drop(&j->params);
    qn_model_free(j->model);
    qn_free(j->row);
    qn_free(j->ids);
    qn_free(j->piece);
    qn_free(j->seconds);
    qn_free(j->update);
}

static int run(qn_cli *c) {
    job j = {.c = c, .kernels = qn_kernels_at(qn_cli_isa(c))};
    int rc;
    QN_TRY_OUT(qn_cli_pool(c, &j.pool));
    QN_TRY_OUT(qn_peak_arithmetic(j.pool, j.kernels->isa, &j.peak));
    choose(&j);
    QN_TRY_OUT(make(&j));
    QN_TRY_OUT(measure(&j));
    rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
out:
    drop(&j);
    return rc;
}

const qn_cmd qn_cmd_bench_train = {
    "bench train", "", "speed and memory of a training step", opts, examples, run, notes
};
