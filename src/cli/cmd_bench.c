/* cli/cmd_bench.c — `quern bench MODEL`: how fast a model runs here, beside what this machine allows. */
#include "base/json_fields.h"
#include "cli/bench_text.h"
#include "cli/open_model.h"
#include "cli/peaks.h"
#include "eval/speed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RUN_ROWS = 512, OPS = 32 };      /* tokens per run that a session takes by default */

static const qn_opt opts[] = {
    QN_OPT_INT("", "prompt", "512", 0, 16777216, "prefill N tokens"),
    QN_OPT_INT("", "gen", "64", 0, 16777216, "decode N tokens, one after the other"),
    QN_OPT_INT("", "depth", "0", 0, 16777216, "both behind N tokens that are in the KV cache already"),
    QN_OPT_INT("", "batch", "1", 1, 1024, "decode N sequences together"),
    QN_OPT_INT("r", "repeat", "5", 1, 1000, "time each N times; the median counts"),
    QN_OPT_FLAG("", "profile", "also say what each operation costs"),
    QN_OPTS_MODEL,
    QN_OPT_ENUM("", "kv", NULL, QN_KV_CHOICES, "store keys and values like this; without it what is fastest here"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern bench model.gguf",
    "quern bench model.gguf --depth 2048 --threads 2",
    "quern bench model/ --prompt 0 --gen 128 --batch 8 --weights q8_0",
    "quern bench model.gguf --profile",
    NULL
};

static const char notes[] =
    "The limit beside a figure is the least time that this machine needs for the bytes that must be read (memory "
    "bandwidth) or for the operations (its peaks), whichever is longer; the share is what was reached of it. Both are "
    "measured in the same run, with all threads and the instructions that --isa allows. A share above 100 % means that "
    "caches held what memory was charged for.";

/* What was measured of one regime. */
typedef struct {
    const char *name;               /* "prefill" */
    int64_t tokens, sequences;      /* each sequence's; how many together */
    qn_spread rate;
    qn_work work;                   /* of all these tokens */
    qn_bound bound;
    qn_op_time op[OPS];
    int ops;
} regime;

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_speed_options o;
    qn_speed_result r;
    regime prefill, decode;
    double session_seconds;
    int64_t peak_bytes;             /* of the process, before the machine's peaks were measured */
    qn_session_memory memory;
    qn_peak peak;
} job;

/* ---- measuring ---- */

static double total(const regime *g) { return (double)(g->tokens * g->sequences); }
static double limit(const regime *g) { return total(g) / g->bound.seconds; }
static double share(const regime *g) { return 100 * g->rate.median / limit(g); }

/* The work of all steps: prefill in one go, decoding token by token. */
static qn_work work_of(const job *j, const regime *g, bool decode) {
    if (!decode)
        return qn_speed_work(j->m.session, 1, j->o.depth, g->tokens, RUN_ROWS);
    qn_work sum = {0};
    for (int64_t i = 0; i < g->tokens; i++) {
        const qn_work w = qn_speed_work(j->m.session, g->sequences, j->o.depth + i, 1, RUN_ROWS);
        sum.weight_bytes += w.weight_bytes;
        sum.kv_bytes += w.kv_bytes;
        sum.run_bytes = w.run_bytes;
        for (int u = 0; u < QN_UNITS; u++)
            sum.ops[u] += w.ops[u];
    }
    return sum;
}

static int finish(job *j, regime *g, bool decode) {
    if (g->tokens == 0)
        return 0;
    g->rate = decode ? j->r.decode : j->r.prefill;
    g->work = work_of(j, g, decode);
    g->bound = qn_speed_bound(&g->work, &j->peak);
    if (qn_cli_flag(j->c, "profile"))
        g->ops = qn_speed_profile(j->m.session, &j->o, decode, g->op, OPS);
    for (int i = 0; i < g->ops; i++)        /* keys and values lie in pages, which the executor does not see */
        if (strcmp(g->op[i].op, "attention") == 0)
            g->op[i].bytes += (int64_t)g->work.kv_bytes;
    return QN_MIN(g->ops, 0);
}

static int measure(job *j) {
    const double start = qn_now();
    QN_TRY(qn_open_session_of(j->c, &j->m, j->o.batch, j->o.depth + QN_MAX(QN_MAX(j->o.prompt, j->o.gen), 1)));
    j->session_seconds = qn_now() - start;
    QN_TRY(qn_speed_measure(j->m.session, &j->o, &j->r));
    j->peak_bytes = qn_cli_peak_bytes();
    j->memory = qn_session_memory_get(j->m.session);
    QN_TRY(qn_peak_measure(j->m.pool, j->m.kernels->isa, &j->peak));
    QN_TRY(finish(j, &j->prefill, false));
    return finish(j, &j->decode, true);
}

/* ---- telling: text ---- */

static double mb(double bytes) { return bytes / 1e6; }
/* One thread by itself waits for nobody. */
static int barriers(const job *j) { return qn_pool_threads(j->m.pool) > 1 ? j->memory.barriers : 0; }
static double per_layer(const job *j) { return (double)barriers(j) / (double)j->m.model->cfg.layers; }
static double first_token_ms(const job *j) {
    return 1e3 * (j->m.load_seconds + j->session_seconds + j->r.first_seconds);
}

static int put_regime(const job *j, const regime *g) {
    char name[64], by[64];
    if (g->tokens == 0)
        return 0;
    snprintf(name, sizeof name, g->sequences > 1 ? "%s %lld × %lld" : "%s %lld", g->name, (long long)g->tokens,
             (long long)g->sequences);
    if (g->bound.by_memory)
        snprintf(by, sizeof by, "%.1f MB per token at %.1f GB/s",
                 mb(g->work.weight_bytes + g->work.kv_bytes) / total(g), g->bound.bandwidth);
    else
        snprintf(by, sizeof by, "%.3f G operations per token at %.0f G/s",
                 g->bound.compute_seconds * g->bound.ops_rate / total(g), g->bound.ops_rate);
    return qn_out_printf(j->c, "%-18s%10.1f%10.1f – %-10.1f%10.0f%6.0f %%   %s\n", name, g->rate.median, g->rate.least,
                         g->rate.most, limit(g), share(g), by);
}

static int put_op(const job *j, const regime *g, const qn_op_time *t, int64_t all_ns) {
    const double ns = (double)QN_MAX(t->ns, (int64_t)1), bytes = (double)t->bytes, flops = (double)t->flops;
    return qn_out_printf(j->c, "  %-14s%10.2f%7.1f %%%6.0f %%%11.3f%8.1f%11.3f%8.1f%9lld\n", t->op,
                         1e-3 * ns / total(g), 100 * ns / (double)all_ns, 100 * qn_op_wait(t), mb(bytes) / total(g),
                         bytes / ns, 1e-6 * flops / total(g), flops / ns, (long long)t->calls);
}

static int put_profile(const job *j, const regime *g) {
    const qn_op_time all = qn_op_sum(g->op, g->ops);
    if (g->ops == 0)
        return 0;
    QN_TRY(qn_out_printf(j->c, "\n%s, each operation by itself, all threads meeting behind it; per token:\n", g->name));
    QN_TRY(qn_out_printf(j->c, "  %-14s%11s%9s%8s%11s%8s%11s%8s%9s\n", "", "µs", "share", "wait", "MB", "GB/s", "M ops",
                         "G/s", "calls"));
    for (int i = 0; i < g->ops; i++)
        QN_TRY(put_op(j, g, &g->op[i], all.ns));
    return put_op(j, g, &all, all.ns);
}

static int put_costs(const job *j) {
    const double weights = j->m.load_seconds - j->m.open_seconds - j->m.tok_seconds;
    QN_TRY(qn_out_printf(j->c, "\nstart     %.1f ms: open %.1f, tokenizer %.1f, weights %.1f, session %.1f, "
                         "first token %.1f\n", first_token_ms(j),
                         1e3 * j->m.open_seconds, 1e3 * j->m.tok_seconds, 1e3 * weights,
                         1e3 * j->session_seconds, 1e3 * j->r.first_seconds));
    QN_TRY(qn_out_printf(j->c, "memory    peak %.1f MB: weights %.1f, KV %.1f, activations %.1f, scratch %.1f\n",
                         mb((double)j->peak_bytes), mb((double)j->memory.weights), mb((double)j->memory.kv_used),
                         mb((double)j->memory.activations), mb((double)j->memory.scratch)));
    QN_TRY(qn_out_printf(j->c, "per step  %d barriers, %.1f a layer, %.2f allocations\n", barriers(j), per_layer(j),
                         (double)j->r.decode_allocations / (double)QN_MAX(1, j->o.gen * (j->o.repeat + 1))));
    QN_TRY(qn_out_puts(j->c, "machine   "));
    QN_TRY(qn_put_peaks(j->c, &j->peak));
    return qn_out_printf(j->c, "; memory %.1f, L3 %.0f, L2 %.0f GB/s\n", j->peak.memory, j->peak.l3, j->peak.l2);
}

static int put_text(job *j) {
    qn_buf model = {0};
    int rc;
    QN_TRY_OUT(qn_opened_describe(&j->m, &model));
    QN_TRY_OUT(qn_out_printf(j->c, "%s\ndepth %lld, median of %d\n\n", model.s, (long long)j->o.depth, j->o.repeat));
    QN_TRY_OUT(qn_out_printf(j->c, "%-18s%10s%10s – %-10s%10s%8s   %s\n", "", "tokens/s", "least", "most", "limit",
                             "share", "set by"));
    QN_TRY_OUT(put_regime(j, &j->prefill));
    QN_TRY_OUT(put_regime(j, &j->decode));
    QN_TRY_OUT(put_costs(j));
    QN_TRY_OUT(put_profile(j, &j->prefill));
    QN_TRY_OUT(put_profile(j, &j->decode));
out:
    qn_buf_drop(&model);
    return rc;
}

/* ---- telling: JSON ---- */

static void json_profile(qn_jw *w, const regime *g) {
    qn_jw_key(w, "ops");
    qn_jw_open(w, '[');
    for (int i = 0; i < g->ops; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "op", g->op[i].op);
        qn_field_f64(w, "us_per_token", 1e-3 * (double)g->op[i].ns / total(g));
        qn_field_f64(w, "wait", qn_op_wait(&g->op[i]));
        qn_field_f64(w, "bytes_per_token", (double)g->op[i].bytes / total(g));
        qn_field_f64(w, "ops_per_token", (double)g->op[i].flops / total(g));
        qn_field_i64(w, "calls", g->op[i].calls);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static void json_regime(qn_jw *w, const regime *g) {
    if (g->tokens == 0)
        return;
    qn_jw_key(w, g->name);
    qn_jw_open(w, '{');
    qn_field_i64(w, "tokens", g->tokens);
    qn_field_i64(w, "sequences", g->sequences);
    qn_field_f64(w, "tokens_per_second", g->rate.median);
    qn_field_f64(w, "least", g->rate.least);
    qn_field_f64(w, "most", g->rate.most);
    qn_field_f64(w, "limit", limit(g));
    qn_field_str(w, "bound_by", g->bound.by_memory ? "memory" : "compute");
    qn_field_f64(w, "share", share(g) / 100);
    qn_field_f64(w, "bytes_per_token", (g->work.weight_bytes + g->work.kv_bytes) / total(g));
    qn_field_f64(w, "gops_per_token", g->bound.compute_seconds * g->bound.ops_rate / total(g));
    if (g->ops > 0)
        json_profile(w, g);
    qn_jw_close(w);
}

static void json_start(qn_jw *w, const job *j) {
    qn_jw_key(w, "start_ms");
    qn_jw_open(w, '{');
    qn_field_f64(w, "open", 1e3 * j->m.open_seconds);
    qn_field_f64(w, "tokenizer", 1e3 * j->m.tok_seconds);
    qn_field_f64(w, "weights", 1e3 * (j->m.load_seconds - j->m.open_seconds - j->m.tok_seconds));
    qn_field_f64(w, "session", 1e3 * j->session_seconds);
    qn_field_f64(w, "first_token", 1e3 * j->r.first_seconds);
    qn_field_f64(w, "total", first_token_ms(j));
    qn_jw_close(w);
}

static void json_memory(qn_jw *w, const job *j) {
    qn_jw_key(w, "bytes");
    qn_jw_open(w, '{');
    qn_field_i64(w, "peak", j->peak_bytes);
    qn_field_i64(w, "weights", (int64_t)j->memory.weights);
    qn_field_i64(w, "kv", (int64_t)j->memory.kv_used);
    qn_field_i64(w, "activations", (int64_t)j->memory.activations);
    qn_field_i64(w, "scratch", (int64_t)j->memory.scratch);
    qn_jw_close(w);
}

static int put_json(job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "model", j->m.model->identity);
    qn_field_str(w, "file", qn_source_path(j->m.source));
    qn_field_str(w, "weights", qn_cli_str(j->c, "weights"));
    qn_field_str(w, "kv", qn_dtype_get(qn_session_kv_dtype(j->m.session))->name);
    qn_field_str(w, "isa", qn_isa_name(j->m.kernels->isa));
    qn_field_i64(w, "threads", qn_pool_threads(j->m.pool));
    qn_field_i64(w, "depth", j->o.depth);
    qn_field_i64(w, "repeat", j->o.repeat);
    json_regime(w, &j->prefill);
    json_regime(w, &j->decode);
    json_start(w, j);
    json_memory(w, j);
    qn_field_i64(w, "barriers_per_step", barriers(j));
    qn_field_f64(w, "barriers_per_layer", per_layer(j));
    qn_field_i64(w, "decode_allocations", j->r.decode_allocations);
    qn_jw_key(w, "peak");
    qn_json_peak(w, &j->peak);
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

/* ---- what cannot be meant ---- */

/* `bench kernel` is no model of that name, where there is none: the second word of a command that was meant. */
static int check_name(const char *path) {
    static const char first[] = "bench ";
    const char *words[16];
    size_t n = 0;
    for (const qn_cmd *const *at = qn_commands; *at && n < QN_LEN(words); at++)
        if (strncmp((*at)->name, first, strlen(first)) == 0)
            words[n++] = (*at)->name + strlen(first);
    const char *near = access(path, F_OK) == 0 ? NULL : qn_nearest(path, words, n);
    return near ? qn_fail(QN_EUSAGE, "%s: there is no such model; did you mean `quern bench %s`?", path, near) : 0;
}

static int check(const qn_cli *c) {
    if (qn_cli_int(c, "prompt") == 0 && qn_cli_int(c, "gen") == 0)
        return qn_fail(QN_EUSAGE, "--prompt 0 --gen 0 leaves nothing to measure; one of them needs a number above 0");
    return check_name(qn_cli_arg(c, 0));
}

static int run(qn_cli *c) {
    job j = {.c = c};
    QN_TRY(check(c));
    j.o = (qn_speed_options){
        .prompt = qn_cli_int(c, "prompt"), .gen = qn_cli_int(c, "gen"), .depth = qn_cli_int(c, "depth"),
        .batch = qn_cli_int(c, "batch"), .repeat = (int)qn_cli_int(c, "repeat"),
    };
    j.prefill = (regime){.name = "prefill", .tokens = j.o.prompt, .sequences = 1};
    j.decode = (regime){.name = "decode", .tokens = j.o.gen, .sequences = j.o.batch};
    j.m.behind = true;
    int rc = qn_open_model(c, qn_cli_arg(c, 0), &j.m);
    if (rc >= 0)
        rc = measure(&j);
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
    qn_opened_drop(&j.m);
    return rc;
}

const qn_cmd qn_cmd_bench = {
    "bench", "MODEL", "speed, memory and start-up of a model, and the machine's limits", opts, examples, run, notes
};
