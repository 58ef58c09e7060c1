/* cli/cmd_bench_kernels.c — `quern bench kernels`: products, attention and rows on the shapes of real models, beside
 * the machine's peaks. */
#include <stdio.h>
#include <string.h>

#include "cli/bench_text.h"
#include "cli/cli.h"
#include "cli/peaks.h"
#include "kernels/bench_kernels.h"
#include "kernels/bench_rows.h"
#include "ops/bench_products.h"

static const qn_opt opts[] = {
    QN_OPT_STRING("", "filter", NULL, "WORDS", "only what has all WORDS in its dtype, row, model or shape (5632x2048)"),
    QN_OPT_FLAG("", "all-levels", "also the rows of lower instruction levels"),
    QN_OPT_FLOAT("", "seconds", "0.05", 0.001, 60, "spend X seconds on each figure"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern bench kernels",
    "quern bench kernels --filter 'q8_0 head' --threads 1",
    "quern bench kernels --filter '1.1b 5632x2048' --isa avx2",
    "quern bench kernels --filter attn",
    "quern bench kernels --filter linear_grad --threads 1",
    "quern bench kernels --all-levels --seconds 0.2 --json",
    NULL
};

static const char notes[] =
    "m rows of x[m,K] times W[N,K]. Up to 4 rows the weights come from memory, and GB/s is what counts; beyond, one "
    "matrix is used again and again, as in prefill, and G operations/s are. Each share is of the peak that the first "
    "lines name, at the level that --isa allows: int8 for quantized weights, bf16 where there is such an instruction, "
    "f32 otherwise.\n"
    "Attention, rows and gradients run on one thread; their share is of one thread's part of the peak. linear_dx, "
    "linear_dw, linear_grad (both) and xent_grad (head and cross entropy) are the backward half of whole operations, "
    "laying out of operands included. Rows lie in the first cache, whose speed is not measured: no limit stands beside "
    "them, and what a result takes is what compares.";

typedef struct {
    qn_cli *c;
    qn_pool *pool;
    qn_jw *w;                       /* NULL: text, or nothing was said yet */
    bool begun;
    qn_peak peak;
    const char *filter;
    char row[64];                   /* what the last heading was about */
    bool rows_begun;
    int64_t shown;
} job;

static double peak_of(const qn_peak *p, qn_dtype weight) {
    const qn_act_form form = qn_act_form_of(weight);
    const double own = form == QN_ACT_Q8B32 ? p->int8 : form == QN_ACT_BF16 ? p->bf16 : p->f32;
    return own > 0 ? own : p->f32;
}

static void json_figure(qn_jw *w, const job *j, const qn_bench_figure *f) {
    qn_jw_open(w, '{');
    qn_field_str(w, "row", f->row);
    qn_field_str(w, "weight", qn_dtype_get(f->weight)->name);
    qn_field_str(w, "isa", qn_isa_name(f->isa));
    qn_field_str(w, "model", f->model);
    qn_field_i64(w, "m", f->m);
    qn_field_i64(w, "N", f->N);
    qn_field_i64(w, "K", f->K);
    qn_field_f64(w, "us", 1e6 * f->seconds);
    qn_field_f64(w, "gops", f->gops);
    qn_field_f64(w, "gops_share", f->gops / peak_of(&j->peak, f->weight));
    qn_field_f64(w, "gbytes", f->gbytes);
    if (f->cold)
        qn_field_f64(w, "gbytes_share", f->gbytes / j->peak.memory);
    qn_jw_close(w);
}

/* From memory the share is of the bandwidth, else of the unit's peak. */
static int text_figure(job *j, const qn_bench_figure *f) {
    qn_cli *c = j->c;
    if (strcmp(j->row, f->row) != 0) {
        snprintf(j->row, sizeof j->row, "%s", f->row);
        QN_TRY(qn_out_printf(c, "\n%s %s, %s\n%6s%7s%7s%12s%10s%8s%9s%8s\n", qn_dtype_get(f->weight)->name,
                             qn_isa_name(f->isa), f->row, "m", "N", "K", "µs", "G op/s", "share", "GB/s", "share"));
    }
    QN_TRY(qn_out_printf(c, "%6lld%7lld%7lld%11.1f%10.0f%6.0f %%", (long long)f->m, (long long)f->N, (long long)f->K,
                         1e6 * f->seconds, f->gops, 100 * f->gops / peak_of(&j->peak, f->weight)));
    if (f->cold)
        QN_TRY(qn_out_printf(c, "%9.1f%6.0f %%", f->gbytes, 100 * f->gbytes / j->peak.memory));
    QN_TRY(qn_out_printf(c, "%*s   %s\n", f->cold ? 0 : 17, "", f->model));
    return qn_out_flush(c);
}

/* In front of the first figure: a filter that matches nothing measures nothing. */
static int begin(job *j) {
    const qn_peak *p = &j->peak;
    if (j->begun)
        return 0;
    j->begun = true;
    QN_TRY(qn_peak_measure(j->pool, qn_cli_isa(j->c), &j->peak));
    if (!qn_cli_json(j->c)) {
        QN_TRY(qn_out_printf(j->c, "%s, %d thread%s: ", qn_isa_name(p->isa), p->threads, qn_plural(p->threads)));
        QN_TRY(qn_put_peaks(j->c, p));
        QN_TRY(qn_out_printf(j->c, "\nmemory %.1f, L3 %.0f, L2 %.0f GB/s\n", p->memory, p->l3, p->l2));
        return qn_out_flush(j->c);
    }
    j->w = qn_out_json(j->c, 2);
    qn_jw_open(j->w, '{');
    qn_jw_key(j->w, "peak");
    qn_json_peak(j->w, p);
    qn_jw_key(j->w, "products");
    qn_jw_open(j->w, '[');
    return 0;
}

static int on_figure(void *arg, const qn_bench_figure *f) {
    job *j = arg;
    QN_TRY(qn_cancel_check());
    QN_TRY(begin(j));
    j->shown++;
    if (!j->w)
        return text_figure(j, f);
    json_figure(j->w, j, f);
    return 0;
}

/* ---- attention and rows ---- */

static void json_row(qn_jw *w, const qn_bench_row *f) {
    qn_jw_open(w, '{');
    qn_field_str(w, "family", f->family);
    qn_field_str(w, "isa", qn_isa_name(f->isa));
    qn_field_str(w, "shape", f->shape);
    qn_field_f64(w, "us", 1e6 * f->seconds);
    qn_field_f64(w, "ns_per_result", 1e9 * f->seconds / f->elements);
    qn_field_f64(w, "gbytes", f->gbytes);
    if (f->gops > 0)
        qn_field_f64(w, "gops", f->gops);
    qn_jw_close(w);
}

static int text_row(job *j, const qn_bench_row *f) {
    const bool bf16 = strstr(f->family, "_bf16") && j->peak.bf16 > 0;
    const double peak = (bf16 ? j->peak.bf16 : j->peak.f32) / j->peak.threads;
    QN_TRY(qn_out_printf(j->c, "%-18s%-12s%11.2f%12.3f%9.1f", f->family, qn_isa_name(f->isa), 1e6 * f->seconds,
                         1e9 * f->seconds / f->elements, f->gbytes));
    if (f->gops > 0)
        QN_TRY(qn_out_printf(j->c, "%10.0f%6.0f %%", f->gops, 100 * f->gops / peak));
    QN_TRY(qn_out_printf(j->c, "%*s   %s\n", f->gops > 0 ? 0 : 18, "", f->shape));
    return qn_out_flush(j->c);
}

static int rows_begin(job *j) {
    QN_TRY(begin(j));
    if (j->rows_begun)
        return 0;
    j->rows_begun = true;
    if (!j->w)
        return qn_out_printf(j->c, "\n%-18s%-12s%12s%12s%9s%10s%8s\n", "one thread", "", "µs", "ns/result", "GB/s",
                             "G op/s", "share");
    qn_jw_close(j->w);
    qn_jw_key(j->w, "rows");
    qn_jw_open(j->w, '[');
    return 0;
}

static int on_row(void *arg, const qn_bench_row *f) {
    job *j = arg;
    QN_TRY(qn_cancel_check());
    QN_TRY(rows_begin(j));
    j->shown++;
    if (!j->w)
        return text_row(j, f);
    json_row(j->w, f);
    return 0;
}

/* ---- all of it ---- */

static int measure(job *j) {
    const double seconds = qn_cli_float(j->c, "seconds");
    const bool all = qn_cli_flag(j->c, "all-levels");
    const qn_isa cap = qn_cli_isa(j->c);
    QN_TRY(qn_bench_linear(j->pool, &(qn_bench_options){
        .cap = cap, .all_levels = all, .weight = -1, .filter = j->filter, .seconds = seconds, .figure = on_figure,
        .arg = j}));
    const qn_bench_rows_options rows = {.cap = cap, .all_levels = all, .seconds = seconds, .filter = j->filter,
                                        .figure = on_row, .arg = j};
    QN_TRY(qn_bench_rows(&rows));
    return qn_bench_products(&rows);
}

static int run(qn_cli *c) {
    job j = {.c = c, .filter = qn_cli_str(c, "filter")};
    QN_TRY(qn_cli_pool(c, &j.pool));
    QN_TRY(measure(&j));
    if (j.shown == 0)
        return qn_fail(QN_EUSAGE, "--filter %s matches nothing", j.filter ? j.filter : "");
    if (!j.w)
        return 0;
    QN_TRY(rows_begin(&j));
    qn_jw_close(j.w);
    qn_jw_close(j.w);
    return qn_out_json_end(c);
}

const qn_cmd qn_cmd_bench_kernels = {
    "bench kernels", "", "speed of the kernels, and the machine's peaks", opts, examples, run, notes
};
