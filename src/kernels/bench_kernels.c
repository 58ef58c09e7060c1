/* kernels/bench_kernels.c — products on the shapes of real models, from one row (decoding) to 512 (prefill).
 *
 * Decoding reads every weight once per token, so for few rows the weights lie in a ring of copies larger than the
 * caches; for many rows one copy is used again and again, as in prefill. The best of many short runs counts: the
 * machine may have other work. */
#include "kernels/bench_kernels.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { FEW = 4, MOST_ROWS = 512, RING_BYTES = 128 << 20 };

static const struct { const char *model; int64_t N, K, m_max; } shapes[] = {
    {"SmolLM2-135M", 576, 576, MOST_ROWS},
    {"SmolLM2-135M", 1536, 576, MOST_ROWS},
    {"SmolLM2-135M", 576, 1536, MOST_ROWS},
    {"SmolLM2-135M head", 49152, 576, 64},
    {"GPT-2", 3072, 768, MOST_ROWS},
    {"Llama 1.1B", 2048, 2048, MOST_ROWS},
    {"Llama 1.1B", 5632, 2048, MOST_ROWS},
};
static const int64_t row_counts[] = {1, 4, 12, 64, 512};

typedef struct {
    const qn_linear_row *row;
    int64_t m, N, K, panels_per_tile, copies;
    size_t panel_bytes, matrix_bytes, weight_bytes, x_bytes, y_bytes, ldx;
    uint8_t *weights, *x;        /* weights: `copies` matrices, one behind the other */
    float *y;
    const uint8_t *matrix;       /* the copy of this run */
} job;

static void run_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const int64_t panel = tile * j->panels_per_tile, column = panel * QN_PANEL;
    const int64_t n = QN_MIN(j->N - column, j->panels_per_tile * QN_PANEL);
    j->row->fn(&(qn_linear_args){
        j->y + column, j->N, j->x, j->ldx, j->matrix + (size_t)panel * j->panel_bytes, j->m, n, j->K, false});
}

static double best_run(qn_pool *pool, job *j, double seconds) {
    const int64_t tiles = (qn_panels(j->N) + j->panels_per_tile - 1) / j->panels_per_tile;
    const double end = qn_now() + seconds;
    double best = 1e30;
    for (int64_t run = 0; run <= j->copies || qn_now() < end; run++) {
        j->matrix = j->weights + (size_t)(run % j->copies) * j->matrix_bytes;
        const double begin = qn_now();
        qn_parallel(pool, tiles, run_tile, j);
        best = QN_MIN(best, qn_now() - begin);
    }
    return best;
}

static void job_drop(job *j) {
    if (j->weights)
        qn_arena_unmap(QN_MEM_SCRATCH, j->weights, j->weight_bytes);
    if (j->x)
        qn_arena_unmap(QN_MEM_SCRATCH, j->x, j->x_bytes);
    if (j->y)
        qn_arena_unmap(QN_MEM_SCRATCH, j->y, j->y_bytes);
}

/* One panel of numbers, repeated for all. */
static int fill_weights(job *j, qn_dtype weight) {
    uint8_t *stored = qn_alloc(QN_MEM_SCRATCH, QN_PANEL * qn_dtype_row_bytes(weight, j->K));
    if (!stored)
        return QN_ENOMEM;
    qn_fill_row(weight, stored, QN_PANEL * j->K, 1, 0, 1.0f);
    qn_pack_panels(&(qn_pack_args){weight, weight, stored, j->weights, 0, QN_PANEL, j->K});
    for (int64_t p = 1; p < qn_panels(j->N) * j->copies; p++)
        memcpy(j->weights + (size_t)p * j->panel_bytes, j->weights, j->panel_bytes);
    qn_free(stored);
    return 0;
}

static int fill_rows(job *j, const qn_kernels *k, qn_dtype weight, int64_t rows) {
    const qn_act_form form = qn_act_form_of(weight);
    float *values = qn_alloc(QN_MEM_SCRATCH, (size_t)j->K * sizeof *values);
    if (!values)
        return QN_ENOMEM;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < j->K; i++)
            values[i] = qn_fill_value(2, (uint64_t)(r * j->K + i), 1.0f);
        if (k->act_pack[form])
            k->act_pack[form](j->x + (size_t)r * j->ldx, values, j->K);
        else
            memcpy(j->x + (size_t)r * j->ldx, values, (size_t)j->K * sizeof *values);
    }
    qn_free(values);
    return 0;
}

static int job_init(job *j, const qn_kernels *k, qn_dtype weight, size_t shape, bool cold, int threads) {
    const int64_t rows = cold ? FEW : shapes[shape].m_max;
    const qn_act_form form = qn_act_form_of(weight);
    int rc;
    *j = (job){.N = shapes[shape].N, .K = shapes[shape].K};
    j->panel_bytes = qn_panel_bytes(weight, j->K);
    j->matrix_bytes = j->panel_bytes * (size_t)qn_panels(j->N);
    j->copies = cold ? RING_BYTES / (int64_t)j->matrix_bytes + 1 : 1;
    j->weight_bytes = j->matrix_bytes * (size_t)j->copies;
    j->ldx = form == QN_ACT_F32 ? (size_t)j->K * sizeof(float) : qn_act_row_bytes(form, j->K);    /* as graphs do */
    j->x_bytes = j->ldx * (size_t)rows;
    j->y_bytes = (size_t)(rows * j->N) * sizeof(float);
    j->panels_per_tile = QN_MAX(qn_panels(j->N) / (threads * 4), 1);
    j->weights = qn_arena_map(QN_MEM_SCRATCH, j->weight_bytes);
    j->x = qn_arena_map(QN_MEM_SCRATCH, j->x_bytes);
    j->y = qn_arena_map(QN_MEM_SCRATCH, j->y_bytes);
    if (!j->weights || !j->x || !j->y) {
        rc = QN_ENOMEM;
        goto out;
    }
    QN_TRY_OUT(fill_weights(j, weight));
    QN_TRY_OUT(fill_rows(j, k, weight, rows));
    return 0;
out:
    job_drop(j);
    return rc;
}

/* "352 x 128" begins with "352x128" too. */
static bool begins(const char *text, const char *word, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const bool x = tolower((unsigned char)word[i]) == 'x' && strncmp(text, " x ", 3) == 0;
        if (!x && tolower((unsigned char)*text) != tolower((unsigned char)word[i]))
            return false;
        text += x ? 3 : 1;
    }
    return true;
}

static bool holds(const char *text, const char *word, size_t n) {
    while (*text && !begins(text, word, n))
        text++;
    return *text != '\0';
}

bool qn_bench_wanted(const char *filter, const char *text) {
    for (const char *at = filter ? filter : ""; *at;) {
        const size_t n = strcspn(at, " ");
        if (n > 0 && !holds(text, at, n))
            return false;
        at += n + strspn(at + n, " ");
    }
    return true;
}

/* "q8_0 qn_linear_q8_0_avx2 SmolLM2-135M head 49152 x 576 576 x 49152": whoever thinks of x times W writes K first. */
static bool wanted(const qn_bench_options *o, qn_dtype weight, const qn_linear_row *row, size_t shape) {
    const long long N = shapes[shape].N, K = shapes[shape].K;
    char text[256];
    snprintf(text, sizeof text, "%s %s %s %lld x %lld %lld x %lld", qn_dtype_get(weight)->name, row->name,
             shapes[shape].model, N, K, K, N);
    return qn_bench_wanted(o->filter, text);
}

/* All row counts of one row that belong to the ring, or to the single copy. */
static int run_counts(qn_pool *pool, const qn_bench_options *o, job *j, const qn_linear_row *row, qn_dtype weight,
                      size_t shape, bool cold) {
    j->row = row;
    for (size_t i = 0; i < QN_LEN(row_counts); i++) {
        j->m = row_counts[i];
        if ((j->m <= FEW) != cold || j->m > shapes[shape].m_max || j->m < row->m_min || j->m > row->m_max)
            continue;
        const double s = best_run(pool, j, o->seconds > 0 ? o->seconds : 0.05);
        QN_TRY(o->figure(o->arg, &(qn_bench_figure){
            .model = shapes[shape].model, .row = row->name, .weight = weight, .isa = row->isa,
            .threads = qn_pool_threads(pool), .m = j->m, .N = j->N, .K = j->K, .cold = cold, .seconds = s,
            .gops = 2e-9 * (double)j->m * (double)j->N * (double)j->K / s,
            .gbytes = 1e-9 * (double)j->matrix_bytes / s}));
    }
    return 0;
}

static int run_table(qn_pool *pool, const qn_bench_options *o, qn_isa isa, qn_dtype weight, size_t shape, bool cold) {
    const qn_kernels *k = qn_kernels_at(isa);
    bool any = false;
    job j;
    int rc;
    if (shapes[shape].K % qn_dtype_get(weight)->block)
        return 0;
    for (int r = 0; r < QN_LINEAR_ROWS && k->linear[weight][r].fn; r++)
        any = any || wanted(o, weight, &k->linear[weight][r], shape);
    if (!any)
        return 0;
    QN_TRY(job_init(&j, k, weight, shape, cold, qn_pool_threads(pool)));
    for (int r = 0; r < QN_LINEAR_ROWS && k->linear[weight][r].fn; r++)
        if (wanted(o, weight, &k->linear[weight][r], shape))
            QN_TRY_OUT(run_counts(pool, o, &j, &k->linear[weight][r], weight, shape, cold));
    rc = 0;
out:
    job_drop(&j);
    return rc;
}

/* A level that has no row of its own for this dtype shows nothing new. */
static bool level_adds(qn_isa isa, qn_dtype weight) { return qn_kernels_at(isa)->linear[weight][0].isa == isa; }

int qn_bench_linear(qn_pool *pool, const qn_bench_options *o) {
    const int top = (int)qn_kernels_at(o->cap)->isa;
    for (int t = 0; t < QN_DTYPES; t++) {
        if (!qn_kernels_at(o->cap)->linear[t][0].fn || (o->weight >= 0 && o->weight != t))
            continue;
        const int used = (int)qn_kernels_at((qn_isa)top)->linear[t][0].isa;
        for (int isa = o->all_levels ? 0 : used; isa <= used; isa++) {
            if (!level_adds((qn_isa)isa, (qn_dtype)t))
                continue;
            for (size_t shape = 0; shape < QN_LEN(shapes); shape++) {
                QN_TRY(run_table(pool, o, (qn_isa)isa, (qn_dtype)t, shape, true));
                QN_TRY(run_table(pool, o, (qn_isa)isa, (qn_dtype)t, shape, false));
            }
        }
    }
    return 0;
}
