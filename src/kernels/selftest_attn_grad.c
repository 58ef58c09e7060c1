/* kernels/selftest_attn_grad.c — attention's gradient against the f64 judge, and against itself where not a bit may
 * move.
 *
 * A case is up to 61 query rows over one chunk, each with its own window. With u = 2⁻²⁴ and E the error of a score,
 *
 *   E       = scale·2·(Dh + 2)·u·Σ|q_d k_jd| + 4u·(|s| + cap)
 *   e_j     = 2E + 2u·|s_j − lse| + 8u                                     relative error of p_j
 *   f_j     = scale·p_j·(|dP_j − D|·(e_j + 8u + 4E/cap) + 2·(Dh + 2)·u·Σ|dO_d v_jd| + 2u·|D|)     error of dS_j
 *   |dq_d|  within Σ_j (f_j + n·u·|dS_j|)·|k_jd| + 2u·|dq|,   n the terms of the sum;   dk alike over rows;
 *   |dv_jd| within Σ_r p_j·(e_j + n·u)·|dO_d| + 2u·|dv|
 *
 * Where dots of BF16 round dO, p and dS, r = 2⁻⁸ of each is added: r·Σ|dO_d v_jd| to the error of dP_j, r to that of
 * dS_j in a sum, 2r to that of p_j·dO_d. Of BF16 keys q is BF16 too.
 *
 * Bit for bit: each gradient alone; rows in pieces (even ones, for pairs); with keys gathered by the call before. */
#include "kernels/selftest.h"

#include <float.h>
#include <math.h>

enum { ROWS = 61, DH = 80, KEYS = QN_KEY_CHUNK };
#define U 0x1p-24

/* Everything of one real type: inputs and the three gradients. */
typedef struct { char *q, *dO, *lse, *D, *dq, *dk, *dv, *scratch; size_t real; } operands;

typedef struct {
    qn_selftest_report *report;
    const qn_kernels *k;
    qn_dtype t;
    int64_t Dh, rows;
    float scale, cap;
    int32_t lo[ROWS], hi[ROWS];
    operands row, alone, judge;
    char *blocks;                            /* four of keys, four of values */
    float *keys, *values;                    /* [KEYS, Dh] as stored */
    double *bound;                           /* dq [ROWS, Dh], dk, dv [KEYS, Dh] */
    double worst;
    int64_t cases;
} bench;

static int operands_init(operands *o, size_t real) {
    const size_t sizes[] = {ROWS * DH, ROWS * DH, ROWS, ROWS, ROWS * DH, KEYS * DH, KEYS * DH, 0};
    char **const parts[] = {&o->q, &o->dO, &o->lse, &o->D, &o->dq, &o->dk, &o->dv, &o->scratch};
    size_t all = qn_attn_grad_scratch(DH);
    for (size_t i = 0; i < QN_LEN(sizes); i++)
        all += sizes[i];
    char *at = qn_zalloc(QN_MEM_TEST, all, real);
    if (!at)
        return QN_ENOMEM;
    for (size_t i = 0; i < QN_LEN(sizes); at += sizes[i++] * real)
        *parts[i] = at;
    o->real = real;
    return 0;
}

static double get(const operands *o, const char *p, int64_t i) {
    const void *any = p;
    return o->real == sizeof(float) ? (double)((const float *)any)[i] : ((const double *)any)[i];
}

static void put(const operands *o, char *p, int64_t i, double x) {
    if (o->real == sizeof(float))
        ((float *)(void *)p)[i] = (float)x;
    else
        ((double *)(void *)p)[i] = x;
}

/* ---- a case ---- */

static char *block_at(const bench *b, int64_t i) { return b->blocks + (size_t)i * qn_kv_block_bytes(QN_F32, DH); }

static void keys_fill(bench *b, uint32_t salt) {
    for (int64_t i = 0; i < KEYS * b->Dh; i++) {
        b->keys[i] = qn_fill_value(salt, (uint64_t)i, 1.0f);
        b->values[i] = qn_fill_value(salt + 1, (uint64_t)i, 1.0f);
    }
    for (int64_t j = 0; j < KEYS; j++) {
        char *k = block_at(b, j / QN_KEY_BLOCK), *v = block_at(b, QN_CHUNK_BLOCKS + j / QN_KEY_BLOCK);
        const int64_t slot = j % QN_KEY_BLOCK;
        qn_kv_store_k_scalar(k, b->t, slot, b->keys + j * b->Dh, b->Dh);
        qn_kv_store_v_scalar(v, b->t, slot, b->values + j * b->Dh, b->Dh);
        qn_kv_load_k(b->keys + j * b->Dh, k, b->t, slot, b->Dh);
        qn_kv_load_v(b->values + j * b->Dh, v, b->t, slot, b->Dh);
    }
}

static double score(const bench *b, int64_t r, int64_t j, double *reach) {
    double dot = 0;
    *reach = 0;
    for (int64_t d = 0; d < b->Dh; d++) {
        const double term = get(&b->judge, b->judge.q, r * b->Dh + d) * (double)b->keys[j * b->Dh + d];
        dot += term;
        *reach += fabs(term);
    }
    dot *= (double)b->scale;
    return b->cap > 0 ? (double)b->cap * tanh(dot / (double)b->cap) : dot;
}

/* lse over the chunk's visible keys, as if there were as many again elsewhere; rounded, as it is saved. */
static double lse_of(const bench *b, int64_t r) {
    double sum = 1e-30, reach;
    for (int64_t j = b->lo[r]; j < b->hi[r]; j++)
        sum += 2 * exp(score(b, r, j, &reach));
    return (double)(float)log(sum);
}

/* Rounding of what goes into dots of pairs. */
static bool rounds(const bench *b) { return b->t == QN_BF16 && b->k->isa >= QN_ISA_AVX512BF16; }

static void operands_fill(const bench *b, operands *o, uint32_t salt) {
    for (int64_t i = 0; i < b->rows * b->Dh; i++) {
        const float q = qn_fill_value(salt + 2, (uint64_t)i, 2.0f);
        put(o, o->q, i, (double)(b->t == QN_BF16 ? qn_bf16_to_f32(qn_f32_to_bf16(q)) : q));
        put(o, o->dO, i, (double)qn_fill_value(salt + 3, (uint64_t)i, 1.0f));
        put(o, o->dq, i, (double)qn_fill_value(salt + 4, (uint64_t)i, 1.0f));
    }
    for (int64_t i = 0; i < KEYS * b->Dh; i++) {
        put(o, o->dk, i, (double)qn_fill_value(salt + 5, (uint64_t)i, 1.0f));
        put(o, o->dv, i, (double)qn_fill_value(salt + 6, (uint64_t)i, 1.0f));
    }
    for (int64_t r = 0; r < b->rows; r++)
        put(o, o->D, r, (double)qn_fill_value(salt + 7, (uint64_t)r, 1.0f));
}

static void case_fill(bench *b, uint32_t salt) {
    operands *const all[] = {&b->judge, &b->row, &b->alone};
    keys_fill(b, salt);
    for (int64_t r = 0; r < b->rows; r++) {
        const float x = qn_fill_value(salt + 8, (uint64_t)r, 0.5f) + 0.5f;
        const float y = qn_fill_value(salt + 9, (uint64_t)r, 0.5f);
        b->lo[r] = salt % 3 == 0 ? 0 : (int32_t)(x * KEYS);
        b->hi[r] = salt % 3 == 0 ? (int32_t)(100 + 7 * r) : b->lo[r] + (int32_t)((y + 0.4f) * 100);    /* some: none */
        b->hi[r] = QN_MAX(b->lo[r], QN_MIN(b->hi[r], KEYS));
    }
    for (size_t i = 0; i < QN_LEN(all); i++) {
        operands_fill(b, all[i], salt);
        for (int64_t r = 0; r < b->rows; r++)
            put(all[i], all[i]->lse, r, lse_of(b, r));
    }
}

enum { DQ = 1, DK = 2, DV = 4, ALL = 7 };

/* Rows [first, first + rows). */
static void run(const bench *b, const operands *o, qn_attn_grad_fn *fn, int64_t first, int64_t rows, int wants,
                bool gathered) {
    const size_t at = (size_t)(first * b->Dh) * o->real;
    qn_attn_grad_args a = {
        .q = o->q + at, .dO = o->dO + at, .ldq = b->Dh, .lddo = b->Dh, .t = b->t, .gathered = gathered,
        .lo = b->lo + first, .hi = b->hi + first, .lse = o->lse + (size_t)first * o->real,
        .D = o->D + (size_t)first * o->real, .dq = wants & DQ ? o->dq + at : NULL, .lddq = b->Dh,
        .dk = wants & DK ? o->dk : NULL, .dv = wants & DV ? o->dv : NULL, .scratch = o->scratch, .rows = rows,
        .Dh = b->Dh, .scale = b->scale, .cap = b->cap};
    for (int i = 0; i < QN_CHUNK_BLOCKS; i++) {
        a.k[i] = block_at(b, i);
        a.v[i] = block_at(b, QN_CHUNK_BLOCKS + i);
    }
    fn(&a);
}

/* ---- against the judge ---- */

/* What one row and key add to the bounds of the three sums. */
static void bound_add(bench *b, int64_t r, int64_t j, double n_keys) {
    const operands *o = &b->judge;
    double reach, dp = 0, dp_reach = 0, *dq = b->bound, *dk = dq + ROWS * DH, *dv = dk + KEYS * DH;
    const double s = score(b, r, j, &reach), scale = (double)b->scale, cap = (double)b->cap, D = get(o, o->D, r);
    const double width = 2 * (double)(b->Dh + 2) * U, lse = get(o, o->lse, r), p = exp(s - lse);
    const double n_rows = (double)b->rows, round = rounds(b) ? 0x1p-8 : 0;
    for (int64_t d = 0; d < b->Dh; d++) {
        const double term = get(o, o->dO, r * b->Dh + d) * (double)b->values[j * b->Dh + d];
        dp += term;
        dp_reach += fabs(term);
    }
    const double E = scale * width * reach + 4 * U * (fabs(s) + cap), e = 2 * E + 2 * U * fabs(s - lse) + 8 * U;
    const double ds = scale * p * fabs(dp - D);
    const double f = ds * (e + 8 * U + (cap > 0 ? 4 * E / cap : 0) + round) +
                     scale * p * ((width + round) * (1 + round) * dp_reach + 2 * U * fabs(D));
    for (int64_t d = 0; d < b->Dh; d++) {
        dq[r * b->Dh + d] += (f + n_keys * U * ds) * fabs((double)b->keys[j * b->Dh + d]);
        dk[j * b->Dh + d] += (f + n_rows * U * ds) * fabs(get(o, o->q, r * b->Dh + d));
        dv[j * b->Dh + d] += p * (e + n_rows * U + 2 * round * (1 + e)) * fabs(get(o, o->dO, r * b->Dh + d));
    }
}

static double worst_share(const bench *b, const char *got, const char *want, const double *bound, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = get(&b->row, got, i), y = get(&b->judge, want, i);
        const double limit = bound[i] + (double)(b->rows + KEYS) * U * (fabs(y) + 1);      /* sums begin below 1 */
        worst = isfinite(x) ? fmax(worst, fabs(x - y) / limit) : INFINITY;
    }
    return worst;
}

static void expect(bench *b, bool ok, const char *what) {
    b->cases++;
    qn_selftest_case(b->report, ok, "attn_grad %s %s: Dh %lld, %lld rows, cap %g: %s", qn_dtype_get(b->t)->name,
                     qn_isa_name(b->k->isa), (long long)b->Dh, (long long)b->rows, (double)b->cap, what);
}

static void against_judge(bench *b) {
    memset(b->bound, 0, (ROWS + 2 * KEYS) * DH * sizeof *b->bound);
    run(b, &b->row, b->k->attn_grad, 0, b->rows, ALL, false);
    run(b, &b->judge, qn_kernels_judge()->attn_grad, 0, b->rows, ALL, false);
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t j = b->lo[r]; j < b->hi[r]; j++)
            bound_add(b, r, j, (double)(b->hi[r] - b->lo[r]));
    const double *dq = b->bound, *dk = dq + ROWS * DH, *dv = dk + KEYS * DH;
    double worst = worst_share(b, b->row.dq, b->judge.dq, dq, b->rows * b->Dh);
    worst = fmax(worst, worst_share(b, b->row.dk, b->judge.dk, dk, KEYS * b->Dh));
    worst = fmax(worst, worst_share(b, b->row.dv, b->judge.dv, dv, KEYS * b->Dh));
    b->worst = worst <= 1 ? fmax(b->worst, worst) : b->worst;
    expect(b, worst <= 1, "is outside its bound");
}

/* ---- against itself ---- */

static bool same(const bench *b) {
    const size_t row = (size_t)b->Dh * sizeof(float);
    return memcmp(b->row.dq, b->alone.dq, (size_t)b->rows * row) == 0 &&
           memcmp(b->row.dk, b->alone.dk, KEYS * row) == 0 && memcmp(b->row.dv, b->alone.dv, KEYS * row) == 0;
}

static void against_itself(bench *b, uint32_t salt) {
    const int64_t cut = rounds(b) ? b->rows / 3 / 2 * 2 : b->rows / 3;
    for (int wants = 1; wants < ALL; wants *= 2)
        run(b, &b->alone, b->k->attn_grad, 0, b->rows, wants, false);
    expect(b, same(b), "each gradient alone differs");
    operands_fill(b, &b->alone, salt);
    run(b, &b->alone, b->k->attn_grad, 0, cut, ALL, false);
    run(b, &b->alone, b->k->attn_grad, cut, b->rows - cut, ALL, true);
    expect(b, same(b), "rows in two pieces differ");
}

static void level_test(bench *b) {
    static const int64_t widths[] = {2, 6, 16, 18, 32, 64, 80}, row_counts[] = {1, 5, 24, 25, ROWS};
    static const qn_dtype types[] = {QN_F32, QN_F16, QN_BF16};
    uint32_t salt = 1;
    const int64_t failures = b->report->failures;
    b->worst = 0;
    b->cases = 0;
    for (size_t t = 0; t < QN_LEN(types); t++)
        for (size_t w = 0; w < QN_LEN(widths); w++)
            for (size_t n = w % 2; n < QN_LEN(row_counts); n += 2, salt++) {
                b->t = types[t];
                b->Dh = widths[w];
                b->rows = row_counts[n];
                b->scale = (float)(1 / sqrt((double)b->Dh));
                b->cap = salt % 4 == 1 ? 1.5f : 0;
                case_fill(b, salt * 16);
                against_judge(b);
                against_itself(b, salt * 16);
            }
    b->report->worst = fmax(b->report->worst, b->worst);
    qn_selftest_row(b->report, failures == b->report->failures, "attn_grad %s: %lld cases, worst %.2f of the bound",
                    qn_isa_name(b->k->isa), (long long)b->cases, b->worst);
}

int qn_selftest_attn_grad(qn_isa cap, qn_selftest_report *r) {
    bench b = {.report = r};
    const int64_t failures = r->failures;
    const qn_kernels *below = NULL;
    int rc;
    QN_TRY_OUT(operands_init(&b.row, sizeof(float)));
    QN_TRY_OUT(operands_init(&b.alone, sizeof(float)));
    QN_TRY_OUT(operands_init(&b.judge, sizeof(double)));
    b.blocks = qn_zalloc(QN_MEM_TEST, 2 * QN_CHUNK_BLOCKS, qn_kv_block_bytes(QN_F32, DH));
    b.keys = qn_zalloc(QN_MEM_TEST, 2 * KEYS * DH, sizeof *b.keys);
    b.bound = qn_zalloc(QN_MEM_TEST, (ROWS + 2 * KEYS) * DH, sizeof *b.bound);
    rc = b.blocks && b.keys && b.bound ? 0 : QN_ENOMEM;
    if (rc < 0)
        goto out;
    b.values = b.keys + KEYS * DH;
    for (int level = 0; level <= (int)cap; level++) {
        b.k = qn_kernels_at((qn_isa)level);
        if (qn_isa_has((qn_isa)level) && (!below || below->attn_grad != b.k->attn_grad))
            level_test(&b);
        below = b.k;
    }
    rc = r->failures > failures ? QN_ETEST : 0;
out:
    qn_free(b.row.q);
    qn_free(b.alone.q);
    qn_free(b.judge.q);
    qn_free(b.blocks);
    qn_free(b.keys);
    qn_free(b.bound);
    return rc;
}
