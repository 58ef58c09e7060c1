/* kernels/selftest.c — products and activation rows against the f64 judge, on random and on hostile inputs.
 *
 * A product y = x·Wᵀ of n terms passes when
 *
 *     |got − ref| ≤ 2·n·2⁻²⁴·Σ|aᵢbᵢ| + n·2⁻¹²⁶            (docs/NUMERICS.md; dot instructions flush denormals)
 *
 * n counts the roundings of one chain: K for plain numbers, one or two per 32-block for quantized ones. Where Σ|aᵢbᵢ|
 * leaves the range of f32, only a value that is not finite, or is right, is asked for. Buffers end at pages that must
 * not be touched. */
#include "kernels/panel_blocks.h"
#include "kernels/selftest.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the report ---- */

static void say(qn_selftest_report *r, bool ok, const char *fmt, va_list args) {
    char line[256];
    vsnprintf(line, sizeof line, fmt, args);
    if (!ok && r->failures == 0)
        qn_fail(QN_ETEST, "%s", line);
    if (!ok)
        r->failures++;
    if (r->say)
        r->say(r->arg, line, ok);
}

void qn_selftest_case(qn_selftest_report *r, bool ok, const char *fmt, ...) {
    r->cases++;
    if (ok)
        return;
    va_list args;
    va_start(args, fmt);
    say(r, false, fmt, args);
    va_end(args);
}

void qn_selftest_row(qn_selftest_report *r, bool ok, const char *fmt, ...) {
    r->rows++;
    va_list args;
    va_start(args, fmt);
    char line[256];
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (r->say)
        r->say(r->arg, line, ok);
}

/* ---- guard pages ---- */

int qn_guarded_new(qn_guarded *g, size_t bytes, bool before) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    *g = (qn_guarded){.map_bytes = body + 2 * page};
    uint8_t *map = mmap(NULL, g->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return qn_fail(QN_ENOMEM, "self-test: no address space for a guarded buffer of %zu bytes", bytes);
    g->map = map;
    if (mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0) {
        qn_guarded_free(g);
        return qn_fail(QN_ENOMEM, "self-test: no memory for a guarded buffer of %zu bytes", bytes);
    }
    g->p = before ? map + page : map + page + body - bytes;
    return 0;
}

void qn_guarded_free(qn_guarded *g) {
    if (g->map)
        munmap(g->map, g->map_bytes);
    *g = (qn_guarded){0};
}

/* ---- inputs ---- */

typedef enum { RANDOM, ZEROS, TINY, WIDE, HUGE_VALUES, FULL, KINDS } kind;
static const char *const kind_names[KINDS] = {"random", "zeros", "denormal", "wide", "max", "full bytes"};

/* Element i of a stream: activations (big = what the form survives) and weights. */
static float draw(kind how, uint32_t salt, int64_t i, float big) {
    const float u = qn_fill_value(salt, (uint64_t)i, 1.0f);
    const int shift = (int)(qn_fill_value(salt + 1, (uint64_t)i, 20.0f));
    switch (how) {
    case ZEROS: return i % 3 == 0 ? -0.0f : 0.0f;
    case TINY: return u * 0x1p-130f;
    case WIDE: return ldexpf(u, shift);
    case FULL: return big;
    case HUGE_VALUES: return i % 5 == 4 ? u : (u < 0 ? -big : big);
    default: return u;
    }
}

/* Weights: random beside zeros and denormals, so that the small side is the activations alone; some blocks of zeros. */
static float draw_weight(kind how, uint32_t salt, int64_t i, float big) {
    if (how == ZEROS && i / 32 % 3 == 0)
        return 0;
    return draw(how == WIDE || how == HUGE_VALUES ? how : RANDOM, salt, i, big);
}

/* The largest sums that a block can have: every byte at its end, as no encoder but any file may have it; all
 * activations are ±max, one sign per row. */
static void fill_bytes(qn_dtype t, uint8_t *row, int64_t K, bool odd) {
    const qn_dtype_info *info = qn_dtype_get(t);
    const qn_code_form *f = qn_code_form_of(t);
    const uint16_t one = 0x3c00, least = 0x8080;
    const int head = t == QN_Q4_1 ? 4 : 2;
    for (int64_t b = 0; b < K / info->block; b++, row += info->bytes) {
        if (!f) {
            memset(row + head, t == QN_Q8_0 ? (odd ? 0x7f : 0x80) : (odd ? 0x00 : 0xff), (size_t)(info->bytes - head));
            continue;
        }
        memset(row, t == QN_MXFP4 ? (odd ? 0x77 : 0xff) : (odd ? 0x00 : 0xff), (size_t)f->bytes);
        for (int i = 0; t == QN_Q6_K && odd && i < 16; i += 2)
            memcpy(row + 192 + i, &least, sizeof least);
        if (f->exponent)
            row[f->d_at] = 127;
        else
            memcpy(row + f->d_at, &one, sizeof one);
        if (f->min != QN_MIN_NONE)
            memcpy(row + f->m_at, &one, sizeof one);
    }
}

static float big_weight(qn_dtype t) {
    switch (t) {
    case QN_F32: return FLT_MAX;
    case QN_BF16: return 0x1.fep127f;
    case QN_F16: return 65504.0f;
    default: return 60000.0f;
    }
}

/* ---- one product ---- */

typedef struct {
    qn_dtype weight;
    kind how;
    int64_t m, n, K;
    bool before;                         /* where the guard pages lie that matter */
    size_t ldx;
    int64_t ldy;
    qn_guarded stored, panels, x, y, alone;
    double *ref, *reach;                 /* [m, n]: the judge's product, and Σ|aᵢbᵢ| */
    double *size, *sum;                  /* [K, m]: |aᵢ|; [m] */
    float *row, *min;                    /* [K] */
} bench;

static void bench_drop(bench *b) {
    qn_guarded_free(&b->stored);
    qn_guarded_free(&b->panels);
    qn_guarded_free(&b->x);
    qn_guarded_free(&b->y);
    qn_guarded_free(&b->alone);
    qn_free(b->ref);
    qn_free(b->reach);
    qn_free(b->size);
    qn_free(b->sum);
    qn_free(b->row);
    qn_free(b->min);
}

static bool quantized(qn_dtype t) { return qn_dtype_get(t)->block > 1; }

static const float *floats(const void *p) { return p; }

/* What activation k of a packed row is worth. */
static double x_value(const bench *b, int64_t r, int64_t k) {
    const uint8_t *row = (const uint8_t *)b->x.p + (size_t)r * b->ldx;
    switch (qn_act_form_of(b->weight)) {
    case QN_ACT_BF16: return qn_bf16_to_f32(((const uint16_t *)(const void *)row)[k]);
    case QN_ACT_Q8B32: return (double)((const int8_t *)row)[k] * floats(row + b->K)[k / 32];
    default: return floats(row)[k];
    }
}

/* Of each k the minimum that its block adds, 0 where there is none. */
static void read_minima(const bench *b, const uint8_t *stored) {
    const qn_dtype_info *info = qn_dtype_get(b->weight);
    const qn_code_form *f = qn_code_form_of(b->weight);
    qn_codes c = {.m = 0};
    for (int64_t k = 0; k < b->K && qn_min_span(b->weight); k++) {
        const uint8_t *block = stored + k / info->block * info->bytes;
        if (f && k % f->block == 0)
            f->take(&c, block);
        if (!f)
            memcpy(&c.m, block + 2, sizeof c.m);
        b->min[k] = qn_f16_to_f32(c.m) * (f && f->min == QN_MIN_SCALED ? (float)c.min[k % f->block / f->part] : 1.0f);
    }
}

/* Σ|aᵢbᵢ| as the terms enter the sum: codes and a minimum are two of them, and they cancel. All rows beside each other,
 * which is what makes it quick. */
static void fill_reach(bench *b) {
    const size_t bytes = qn_dtype_row_bytes(b->weight, b->K);
    for (int64_t r = 0; r < b->m; r++)
        for (int64_t k = 0; k < b->K; k++)
            b->size[k * b->m + r] = fabs(x_value(b, r, k));
    for (int64_t n = 0; n < b->n; n++) {
        const uint8_t *stored = (const uint8_t *)b->stored.p + (size_t)n * bytes;
        qn_dtype_get(b->weight)->decode_row(b->row, stored, b->K);
        read_minima(b, stored);
        memset(b->sum, 0, (size_t)b->m * sizeof *b->sum);
        for (int64_t k = 0; k < b->K; k++) {
            const double w = fabs((double)b->row[k]) + 2 * fabs((double)b->min[k]), *size = b->size + k * b->m;
            for (int64_t r = 0; r < b->m; r++)
                b->sum[r] += w * size[r];
        }
        for (int64_t r = 0; r < b->m; r++)
            b->reach[r * b->n + n] = b->sum[r];
    }
}

static float big_act(const bench *b, int64_t r) {
    if (b->how == FULL)
        return r % 2 ? -1.0f : 1.0f;
    return quantized(b->weight) ? 1e33f : FLT_MAX;
}

/* Row n of the weights; what nothing encodes has any codes, and the magnitude varies by rows. */
static void fill_row(bench *b, int64_t n, uint8_t *stored) {
    const qn_dtype_info *info = qn_dtype_get(b->weight);
    const float big = big_weight(b->weight);
    for (int64_t k = 0; k < b->K; k++)
        b->row[k] = draw_weight(b->how, 1, n * b->K + k, big);
    if (info->encode_row)
        info->encode_row(stored, b->row, b->K);
    else if (b->how == ZEROS && n % 3 == 0)
        memset(stored, 0, qn_dtype_row_bytes(b->weight, b->K));
    else
        qn_fill_row(b->weight, stored, b->K, 1, (uint64_t)(n * b->K),
                    b->how == WIDE ? ldexpf(1, (int)(n % 31) - 15) : b->how == HUGE_VALUES ? big : 1);
    if (b->how == FULL && quantized(b->weight))
        fill_bytes(b->weight, stored, b->K, n % 2);
}

static void fill(bench *b) {
    const size_t bytes = qn_dtype_row_bytes(b->weight, b->K);
    for (int64_t n = 0; n < b->n; n++)
        fill_row(b, n, (uint8_t *)b->stored.p + (size_t)n * bytes);
    memset(b->panels.p, 0xa5, qn_panel_bytes(b->weight, b->K) * (size_t)qn_panels(b->n));
    qn_pack_panels(&(qn_pack_args){b->weight, b->weight, b->stored.p, b->panels.p, 0, b->n, b->K});
    const qn_act_form form = qn_act_form_of(b->weight);
    qn_act_pack_fn *pack = qn_kernels_at(QN_ISA_SCALAR)->act_pack[form];
    for (int64_t r = 0; r < b->m; r++) {
        uint8_t *x = (uint8_t *)b->x.p + (size_t)r * b->ldx;
        for (int64_t k = 0; k < b->K; k++)
            b->row[k] = draw(b->how, 7, r * b->K + k, big_act(b, r));
        if (pack)
            pack(x, b->row, b->K);
        else
            memcpy(x, b->row, (size_t)b->K * sizeof(float));
    }
}

/* Rows as close together as the form allows: the last one ends where the forbidden page begins. */
static size_t tight_row(qn_dtype weight, int64_t K) {
    switch (qn_act_form_of(weight)) {
    case QN_ACT_BF16: return (size_t)(K + 1) / 2 * 4;
    case QN_ACT_Q8B32: return (size_t)(K + K / 32 * 8);
    default: return (size_t)K * sizeof(float);
    }
}

static int bench_init(bench *b) {
    const size_t m = (size_t)b->m, n = (size_t)b->n;
    int rc;
    b->ldx = b->before ? qn_act_row_bytes(qn_act_form_of(b->weight), b->K) : tight_row(b->weight, b->K);
    b->ldy = b->n + b->m % 3;
    const size_t y_bytes = ((m - 1) * (size_t)b->ldy + n) * sizeof(float);
    QN_TRY_OUT(qn_guarded_new(&b->stored, n * qn_dtype_row_bytes(b->weight, b->K), b->before));
    QN_TRY_OUT(qn_guarded_new(&b->panels, qn_panel_bytes(b->weight, b->K) * (size_t)qn_panels(b->n), b->before));
    QN_TRY_OUT(qn_guarded_new(&b->x, m * b->ldx, b->before));
    QN_TRY_OUT(qn_guarded_new(&b->y, y_bytes, b->before));
    QN_TRY_OUT(qn_guarded_new(&b->alone, y_bytes, b->before));
    b->ref = qn_zalloc(QN_MEM_TEST, m * n, sizeof *b->ref);
    b->reach = qn_zalloc(QN_MEM_TEST, m * n, sizeof *b->reach);
    b->size = qn_alloc(QN_MEM_TEST, m * (size_t)b->K * sizeof *b->size);
    b->sum = qn_alloc(QN_MEM_TEST, m * sizeof *b->sum);
    b->row = qn_zalloc(QN_MEM_TEST, (size_t)b->K, sizeof *b->row);
    b->min = qn_zalloc(QN_MEM_TEST, (size_t)b->K, sizeof *b->min);
    if (!b->ref || !b->reach || !b->size || !b->sum || !b->row || !b->min) {
        rc = QN_ENOMEM;
        goto out;
    }
    fill(b);
    fill_reach(b);
    qn_linear_pick(qn_kernels_judge(), b->weight, b->m)(
        &(qn_linear_args){b->ref, b->n, b->x.p, b->ldx, b->panels.p, b->m, b->n, b->K, false});
    return 0;
out:
    bench_drop(b);
    return rc;
}

/* The share of the bound that one output uses; more than 1 is a failure. */
static double share(const bench *b, float got, double ref, double reach) {
    const int span = qn_min_span(b->weight), terms = 1 + (span ? 32 / span : 0);
    const double n = quantized(b->weight) ? (double)(b->K / 32) * terms + 2 : (double)b->K;
    const double bound = 2 * n * 0x1p-24 * reach + (double)b->K * 0x1p-126, error = fabs((double)got - ref);
    if (!(reach <= (double)FLT_MAX) && !isfinite(got))     /* also where an F16 scale of the weights overflowed */
        return 0;
    return error <= bound ? error / bound : INFINITY;
}

/* Rows of this level are run: allowed, and this machine has it. */
static bool runs(qn_isa isa, qn_isa cap) { return isa <= cap && qn_isa_has(isa); }

typedef struct { qn_dtype weight; int64_t m_min, m_max; qn_isa isa; qn_linear_fn *fn; const char *name; } product;
#define QN_LINEAR(weight, m_min, m_max, level, f) {QN_##weight, m_min, m_max, QN_ISA_##level, f, #f},
#define QN_STORED(weight, first, last, f)
#define QN_ATTN(kv, level, f)
#define QN_PACK(form, level, f)
#define QN_KERNEL(family, level, f)
static const product products[] = {
#include "kernels/kernel_list.inc"
};
#undef QN_LINEAR
#undef QN_PACK

static bool same_bits(const float *a, const float *b, int64_t n) { return memcmp(a, b, (size_t)n * sizeof *a) == 0; }

/* A product of plain numbers that is cut along K and goes on from y: the bits of the whole. One of blocks, whose rows
 * cannot be cut, goes on from zeros. */
static void check_continued(const product *p, const bench *b, qn_selftest_report *report) {
    const float *y = b->y.p;
    float *sum = b->alone.p;
    const int64_t unit = qn_cut_unit(b->weight, p->isa), cut = b->K / 2 / unit * unit;
    const int64_t depth = quantized(b->weight) ? 0 : cut;
    const size_t x_step = b->weight == QN_BF16 ? 2 : 4, w_step = (b->weight == QN_F32 ? 4 : 2) * QN_PANEL;
    bool same = true;
    for (int64_t n = 0; n < b->n && depth; n += QN_PANEL) {             /* a panel at a time: its parts lie apart */
        const uint8_t *w = (const uint8_t *)b->panels.p + (size_t)(n / QN_PANEL) * qn_panel_bytes(b->weight, b->K);
        const int64_t columns = QN_MIN(b->n - n, QN_PANEL);
        p->fn(&(qn_linear_args){sum + n, b->ldy, b->x.p, b->ldx, w, b->m, columns, cut, false});
        p->fn(&(qn_linear_args){sum + n, b->ldy, (const uint8_t *)b->x.p + (size_t)cut * x_step, b->ldx,
                                w + (size_t)cut * w_step, b->m, columns, b->K - cut, true});
    }
    for (int64_t r = 0; r < b->m && !depth; r++)
        memset(sum + r * b->ldy, 0, (size_t)b->n * sizeof *sum);
    if (!depth)
        p->fn(&(qn_linear_args){sum, b->ldy, b->x.p, b->ldx, b->panels.p, b->m, b->n, b->K, true});
    for (int64_t r = 0; r < b->m; r++)
        same = same && same_bits(sum + r * b->ldy, y + r * b->ldy, b->n);
    qn_selftest_case(report, same, "%s: continued from y it differs: m %lld, N %lld, K %lld, %s", p->name,
                     (long long)b->m, (long long)b->n, (long long)b->K, kind_names[b->how]);
}

/* Every brother that takes one row must give row r the bits that it got among m rows; and so must a tile that begins
 * at the second panel. */
static void check_brothers(const product *p, const bench *b, qn_selftest_report *report) {
    const float *y = b->y.p;
    float *alone = b->alone.p;
    const size_t panel = qn_panel_bytes(b->weight, b->K);
    for (size_t i = 0; i < QN_LEN(products); i++) {
        const product *q = &products[i];
        if (q->weight != p->weight || q->isa != p->isa || q->m_min > 1)
            continue;
        bool same = true;
        for (int64_t r = 0; r < b->m; r++) {
            const uint8_t *x = (const uint8_t *)b->x.p + (size_t)r * b->ldx;
            q->fn(&(qn_linear_args){alone, b->ldy, x, b->ldx, b->panels.p, 1, b->n, b->K, false});
            same = same && same_bits(alone, y + r * b->ldy, b->n);
        }
        qn_selftest_case(report, same, "%s and %s differ: %lld rows at once, one by one, N %lld, K %lld, %s", p->name,
                         q->name, (long long)b->m, (long long)b->n, (long long)b->K, kind_names[b->how]);
    }
    check_continued(p, b, report);
    if (b->n <= QN_PANEL)
        return;
    p->fn(&(qn_linear_args){alone, b->ldy, b->x.p, b->ldx, (const uint8_t *)b->panels.p + panel, b->m,
                            b->n - QN_PANEL, b->K, false});
    bool same = true;
    for (int64_t r = 0; r < b->m; r++)
        same = same && same_bits(alone + r * b->ldy, y + r * b->ldy + QN_PANEL, b->n - QN_PANEL);
    qn_selftest_case(report, same, "%s: a tile from the second panel differs: m %lld, N %lld, K %lld, %s", p->name,
                     (long long)b->m, (long long)b->n, (long long)b->K, kind_names[b->how]);
}

/* The same product straight from storage, all rows at once: the packed one's bits. */
static void check_stored(const product *p, const bench *b, qn_selftest_report *report) {
    qn_stored_fn *fn = qn_kernels_at(p->isa)->stored[b->weight];
    const float *y = b->y.p;
    float *alone = b->alone.p;
    bool same = true;
    if (!fn)
        return;
    fn(&(qn_stored_args){alone, b->ldy, b->x.p, b->ldx, b->stored.p, qn_dtype_row_bytes(b->weight, b->K), b->m, b->n,
                         b->K});
    for (int64_t r = 0; r < b->m; r++)
        same = same && same_bits(alone + r * b->ldy, y + r * b->ldy, b->n);
    qn_selftest_case(report, same, "%s: straight from storage it differs: m %lld, N %lld, K %lld, %s", p->name,
                     (long long)b->m, (long long)b->n, (long long)b->K, kind_names[b->how]);
}

static double check_product(const product *p, const bench *b, qn_selftest_report *report) {
    const float untouched = 12345.0f;
    float *y = b->y.p;
    for (int64_t i = 0; i < (b->m - 1) * b->ldy + b->n; i++)
        y[i] = untouched;
    p->fn(&(qn_linear_args){y, b->ldy, b->x.p, b->ldx, b->panels.p, b->m, b->n, b->K, false});
    double worst = 0;
    bool kept = true;
    for (int64_t r = 0; r < b->m; r++) {
        for (int64_t n = 0; n < b->n; n++)
            worst = fmax(worst, share(b, y[r * b->ldy + n], b->ref[r * b->n + n], b->reach[r * b->n + n]));
        for (int64_t n = b->n; n < b->ldy && r + 1 < b->m; n++)
            kept = kept && y[r * b->ldy + n] == untouched;
    }
    qn_selftest_case(report, worst <= 1, "%s: outside the bound: m %lld, N %lld, K %lld, %s", p->name, (long long)b->m,
                     (long long)b->n, (long long)b->K, kind_names[b->how]);
    qn_selftest_case(report, kept, "%s: wrote between the rows of y: m %lld, N %lld, K %lld", p->name, (long long)b->m,
                     (long long)b->n, (long long)b->K);
    check_brothers(p, b, report);
    check_stored(p, b, report);
    return worst;
}

enum { USUAL_ROWS = 40, MANY_ROWS = 300 };

/* Many rows, and deep: K in slabs with an odd tail, rows in blocks. */
static void deep_shape(bench *b) {
    const int64_t block = qn_dtype_get(b->weight)->block, slabs = 104 << 10;       /* bytes of a panel */
    const int64_t bytes = (int64_t)qn_panel_bytes(b->weight, block);
    b->n = 33;
    b->K = block == 1 ? 1543 : block == 32 ? 32 * 101 : (slabs + bytes - 1) / bytes * block;
    b->m = block > 32 ? MANY_ROWS / 5 : MANY_ROWS;
}

/* One shape for each number of rows, so that odd tails of N and K meet every register tile. */
static void shape_of(bench *b, int64_t m) {
    static const int64_t columns[] = {1, 33, 32, 5, 64, 70, 31, 16, 17, 47}, depths[] = {1, 64, 7, 33, 2, 100, 257};
    static const int64_t blocks[] = {1, 2, 5, 3};
    const int64_t block = qn_dtype_get(b->weight)->block;
    b->m = m;
    b->n = columns[m % (int64_t)QN_LEN(columns)];
    b->K = block == 1 ? depths[m % (int64_t)QN_LEN(depths)] : block == 32 ? 32 * blocks[m % (int64_t)QN_LEN(blocks)]
                                                                          : block * (1 + m % 2);
    b->before = m % 4 == 3;
    if (m > USUAL_ROWS)
        deep_shape(b);
}

/* All rows of one weight dtype on one set of inputs. */
static int run_case(bench *b, qn_isa cap, double *worst, qn_selftest_report *report) {
    QN_TRY(bench_init(b));
    for (size_t i = 0; i < QN_LEN(products); i++) {
        const product *p = &products[i];
        if (p->weight == b->weight && runs(p->isa, cap) && p->m_min <= b->m && b->m <= p->m_max)
            worst[i] = fmax(worst[i], check_product(p, b, report));
    }
    bench_drop(b);
    return 0;
}

/* Whether this kind of inputs meets m rows: one row has all of them, the next counts take turns where time is short. */
static bool meets(const qn_selftest_report *report, int64_t m, int how) {
    return !report->brief || m == 1 || m > USUAL_ROWS || how == (m + m / KINDS) % KINDS;
}

static int run_products(qn_isa cap, qn_selftest_report *report) {
    double worst[QN_LEN(products)] = {0};
    for (int t = 0; t < QN_DTYPES; t++) {
        if (!qn_kernels_at(cap)->linear[t][0].fn)
            continue;
        for (int64_t m = 1; m <= USUAL_ROWS + 1; m++)
            for (int how = 0; how < (m > USUAL_ROWS ? 1 : KINDS); how++) {
                bench b = {.weight = (qn_dtype)t, .how = (kind)how};
                if (!meets(report, m, how))
                    continue;
                shape_of(&b, m > USUAL_ROWS ? MANY_ROWS : m);
                QN_TRY(run_case(&b, cap, worst, report));
            }
    }
    for (size_t i = 0; i < QN_LEN(products); i++)
        if (runs(products[i].isa, cap)) {
            report->worst = fmax(report->worst, worst[i]);
            qn_selftest_row(report, worst[i] <= 1, "%s: worst %.3f of the bound", products[i].name, worst[i]);
        }
    return 0;
}

/* ---- activation rows: the scalar twin's bytes, for whatever comes ---- */

typedef struct { qn_act_form form; qn_isa isa; qn_act_pack_fn *fn; const char *name; } packer;
#define QN_LINEAR(weight, m_min, m_max, level, f)
#define QN_PACK(form, level, f) {QN_ACT_##form, QN_ISA_##level, f, #f},
static const packer packers[] = {
#include "kernels/kernel_list.inc"
};
#undef QN_LINEAR
#undef QN_STORED
#undef QN_PACK
#undef QN_ATTN
#undef QN_KERNEL

/* Beyond the kinds of the products: infinities and NaN here and there; and halves, the ties of rounding, under amax =
 * 127. */
enum { BROKEN = KINDS, TIES, PACK_KINDS };

static float draw_act(int how, int64_t i) {
    const float broken[] = {INFINITY, -INFINITY, NAN, qn_f32_from_bits(0x7f800001u)};
    if (how == BROKEN)
        return i % 67 == 3 ? broken[i % 4] : draw(WIDE, 3, i, 1);
    if (how == TIES)
        return i % 32 == 0 ? 127.0f : (float)(i % 251) - 125.0f + 0.5f;
    return draw((kind)how, 3, i, FLT_MAX);
}

static int check_packer(const packer *p, int64_t K, int how, qn_selftest_report *report) {
    const size_t bytes = tight_row(p->form == QN_ACT_BF16 ? QN_BF16 : QN_Q8_0, K);
    qn_guarded x = {0}, got = {0}, want = {0};
    int rc;
    QN_TRY_OUT(qn_guarded_new(&x, (size_t)K * sizeof(float), K % 2));
    QN_TRY_OUT(qn_guarded_new(&got, bytes, false));
    QN_TRY_OUT(qn_guarded_new(&want, bytes, false));
    for (int64_t k = 0; k < K; k++)
        ((float *)x.p)[k] = draw_act(how, k);
    memset(got.p, 0x5a, bytes);
    p->fn(got.p, x.p, K);
    qn_kernels_at(QN_ISA_SCALAR)->act_pack[p->form](want.p, x.p, K);
    qn_selftest_case(report, memcmp(got.p, want.p, bytes) == 0, "%s: not the scalar twin's bytes, K %lld, inputs %d",
                     p->name, (long long)K, how);
    rc = 0;
out:
    qn_guarded_free(&x);
    qn_guarded_free(&got);
    qn_guarded_free(&want);
    return rc;
}

static int run_packers(qn_isa cap, qn_selftest_report *report) {
    static const int64_t any[] = {1, 2, 7, 16, 17, 31, 33, 255, 576}, blocks[] = {32, 64, 96, 320, 576};
    for (size_t i = 0; i < QN_LEN(packers); i++) {
        const packer *p = &packers[i];
        const bool plain = p->form == QN_ACT_BF16;
        const int64_t before = report->failures;
        if (!runs(p->isa, cap))
            continue;
        for (int how = 0; how < PACK_KINDS; how++)
            for (size_t k = 0; k < (plain ? QN_LEN(any) : QN_LEN(blocks)); k++)
                QN_TRY(check_packer(p, plain ? any[k] : blocks[k], how, report));
        qn_selftest_row(report, report->failures == before, "%s: the scalar twin's bytes", p->name);
    }
    return 0;
}

/* ---- words turned around: the scalar twin's, and nothing else is written ---- */

enum { TURN_ROWS = 45, TURN_COLUMNS = 51 };

static int check_turn(const qn_kernels *k, int64_t rows, int64_t columns, qn_selftest_report *report) {
    const int64_t lds = columns + rows % 4, ldd = rows + columns % 3;
    const size_t bytes = (size_t)((columns - 1) * ldd + rows) * sizeof(uint32_t);
    qn_guarded src = {0}, got = {0}, want = {0};
    int rc;
    QN_TRY_OUT(qn_guarded_new(&src, (size_t)((rows - 1) * lds + columns) * sizeof(uint32_t), rows % 2));
    QN_TRY_OUT(qn_guarded_new(&got, bytes, rows % 2));
    QN_TRY_OUT(qn_guarded_new(&want, bytes, false));
    for (int64_t i = 0; i < (rows - 1) * lds + columns; i++)
        ((uint32_t *)src.p)[i] = (uint32_t)i * 0x9e3779b9u;             /* NaN of every kind among them */
    memset(got.p, 0x5a, bytes);
    memset(want.p, 0x5a, bytes);
    k->turn(got.p, ldd, src.p, lds, rows, columns);
    qn_turn_scalar(want.p, ldd, src.p, lds, rows, columns);
    qn_selftest_case(report, memcmp(got.p, want.p, bytes) == 0, "turn at %s: not the scalar twin's words, %lld x %lld",
                     qn_isa_name(k->isa), (long long)rows, (long long)columns);
    rc = 0;
out:
    qn_guarded_free(&src);
    qn_guarded_free(&got);
    qn_guarded_free(&want);
    return rc;
}

static int run_turns(qn_isa cap, qn_selftest_report *report) {
    for (int isa = 0; isa <= (int)cap; isa++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)isa), *below = isa ? qn_kernels_at((qn_isa)(isa - 1)) : NULL;
        const int64_t before = report->failures;
        if (!qn_isa_has((qn_isa)isa) || (below && below->turn == k->turn))
            continue;
        for (int64_t rows = 1; rows <= TURN_ROWS; rows++)
            for (int64_t columns = 1 + rows % 5; columns <= TURN_COLUMNS; columns += 5)
                QN_TRY(check_turn(k, rows, columns, report));
        qn_selftest_row(report, report->failures == before, "turn at %s", qn_isa_name((qn_isa)isa));
    }
    return 0;
}

/* ---- dropout: the scalar twin's draws; past the end of the low word of the counter, too ---- */

enum { MASK_MOST = 131 };

static void check_mask(const qn_kernels *k, int64_t n, double p, uint64_t index, qn_selftest_report *report) {
    float got[MASK_MOST + 1], want[MASK_MOST];
    got[n] = 12345;
    k->drop_mask(got, n, p, 0x123456789abcdefu, 1ull << 33 | 5, index);
    qn_drop_mask_scalar(want, n, p, 0x123456789abcdefu, 1ull << 33 | 5, index);
    qn_selftest_case(report, same_bits(got, want, n) && got[n] == 12345,
                     "drop_mask at %s: not the scalar twin's, n %lld", qn_isa_name(k->isa), (long long)n);
}

static void run_masks(qn_isa cap, qn_selftest_report *report) {
    static const double ps[] = {0, 0.1, 0.5, 0.999};
    for (int isa = 0; isa <= (int)cap; isa++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)isa), *below = isa ? qn_kernels_at((qn_isa)(isa - 1)) : NULL;
        const int64_t before = report->failures;
        if (!qn_isa_has((qn_isa)isa) || (below && below->drop_mask == k->drop_mask))
            continue;
        for (int64_t n = 1; n <= MASK_MOST; n++)
            check_mask(k, n, ps[n % 4], (7ull << 40) + 0xfffffff8u + (uint64_t)(n % 16), report);
        qn_selftest_row(report, report->failures == before, "drop_mask at %s", qn_isa_name((qn_isa)isa));
    }
}

int qn_selftest_linear(qn_isa cap, qn_selftest_report *report) {
    const int64_t before = report->failures;
    QN_TRY(run_products(cap, report));
    QN_TRY(run_packers(cap, report));
    QN_TRY(run_turns(cap, report));
    run_masks(cap, report);
    return report->failures > before ? QN_ETEST : 0;
}
