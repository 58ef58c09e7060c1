/* kernels/selftest_attn.c — attention against the f64 judge, and against itself where not a bit may move.
 *
 * A case is up to 13 query rows over two chunks of keys, each row with its own window. What the row sees gives the
 * bound. With u = 2⁻²⁴, s the scores and E the error of a score,
 *
 *   E   = scale·(2·(Dh + 2)·u·Σ|q_d k_d| + Dh·2⁻¹²⁶) + 4u·(|s| + |slope·(j − rel)| + cap)       the worst key's
 *   e_j = 2E + u·|s_j − m| + 8u, and 2⁻⁸ where weights are rounded to bf16                       relative error of p_j
 *   W   = Σ p̂_j e_j,  p̂ = softmax(s)
 *   |O/L − ref| ≤ Σ p̂_j|v_j|·(e_j + W + 2·n·u) + 2⁻¹²⁰            |M + ln L − ref| ≤ 2E + W + n·u + u·|M|
 *
 * Bit for bit: a row alone is the row in its tile; what lies behind keys that a row does not see is nothing to it;
 * chunks attended apart and merged are the serial walk; a NaN reaches the rows that see it and no other, and of Q8_0
 * all numbers that share its scale. */
#include "kernels/attn_common.h"
#include "kernels/selftest.h"

#include <float.h>
#include <math.h>

enum { MAX_ROWS = 13, MAX_DH = 256, CHUNKS = 2, KEYS = CHUNKS * QN_KEY_CHUNK, BLOCKS = KEYS / QN_KEY_BLOCK };
#define U 0x1p-24

typedef enum { RANDOM, ZEROS, TINY, SHARP, INPUTS } input;
static const char *const input_names[INPUTS] = {"random", "zeros", "denormal", "sharp"};
typedef enum { FULL, CAUSAL, WINDOWS, VIEWS } view;
static const char *const view_names[VIEWS] = {"full", "causal", "windows"};

typedef struct {
    qn_selftest_report *report;
    const char *name;
    qn_attn_fn *fn, *judge;
    qn_attn_merge_fn *merge;
    qn_dtype t;
    double worst;
    int64_t cases;
    /* the case */
    int64_t Dh, rows;
    input how;
    view seen;
    float scale, cap;
    bool alibi;
    int64_t lo[MAX_ROWS], hi[MAX_ROWS];      /* visible keys of the row, over both chunks */
    float slope[MAX_ROWS];
    float *q, *k, *v;                        /* [rows][Dh], [KEYS][Dh] as the kernel sees them: rounded to t */
    qn_guarded query, keys, values, scratch; /* rows of queries; blocks */
    double *judge_scratch;
} bench;

/* State of all rows, as one allocation of float or double. */
typedef struct { void *M, *L, *O; size_t real; } state;

static int state_init(state *s, size_t real) {
    *s = (state){.real = real};
    s->M = qn_zalloc(QN_MEM_TEST, (size_t)MAX_ROWS * (MAX_DH + 2), real);
    if (!s->M)
        return QN_ENOMEM;
    s->L = (char *)s->M + MAX_ROWS * real;
    s->O = (char *)s->L + MAX_ROWS * real;
    return 0;
}

static size_t state_bytes(const state *s) { return (size_t)MAX_ROWS * (MAX_DH + 2) * s->real; }

static double number(const state *s, const void *p, int64_t i) {
    return s->real == sizeof(float) ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static bool same_row(const bench *b, const state *x, const state *y, int64_t r) {
    const size_t row = (size_t)b->Dh * sizeof(float);
    return memcmp((float *)x->M + r, (float *)y->M + r, sizeof(float)) == 0 &&
           memcmp((float *)x->L + r, (float *)y->L + r, sizeof(float)) == 0 &&
           memcmp((float *)x->O + r * b->Dh, (float *)y->O + r * b->Dh, row) == 0;
}

/* ---- a case ---- */

static float draw(input how, uint32_t salt, int64_t i) {
    const float x = qn_fill_value(salt, (uint64_t)i, 1.0f);
    switch (how) {
    case ZEROS: return i % 2 ? -0.0f : 0.0f;
    case TINY: return x * 0x1p-128f;
    case SHARP: return x * 8;
    default: return x;
    }
}

static size_t query_bytes(const bench *b) { return (size_t)b->Dh * (b->t == QN_BF16 ? 2 : sizeof(float)); }

/* The last one ends at the guard page. */
static char *block_at(const bench *b, const qn_guarded *g, int64_t block) {
    const size_t bytes = qn_kv_block_bytes(b->t, b->Dh);
    return (char *)g->p + (size_t)BLOCKS * (qn_kv_block_bytes(QN_F32, MAX_DH) - bytes) + (size_t)block * bytes;
}

static void key_put(const bench *b, int64_t j, const float *k, const float *v) {
    const int64_t block = j / QN_KEY_BLOCK, slot = j % QN_KEY_BLOCK;
    qn_kv_store_k_scalar(block_at(b, &b->keys, block), b->t, slot, k, b->Dh);
    qn_kv_store_v_scalar(block_at(b, &b->values, block), b->t, slot, v, b->Dh);
}

static void *query_at(const bench *b, int64_t r) {
    return (char *)b->query.p + (size_t)MAX_ROWS * MAX_DH * sizeof(float) - (size_t)(b->rows - r) * query_bytes(b);
}

static void query_put(const bench *b, int64_t r, const float *q) {
    if (b->t == QN_BF16)
        qn_bf16_encode(query_at(b, r), q, b->Dh);
    else
        memcpy(query_at(b, r), q, query_bytes(b));
}

static void windows_fill(bench *b, uint32_t salt) {
    for (int64_t r = 0; r < b->rows; r++) {
        const float x = qn_fill_value(salt, (uint64_t)r, 0.5f) + 0.5f;
        const float y = qn_fill_value(salt + 1, (uint64_t)r, 0.5f) + 0.5f;
        b->lo[r] = b->seen == WINDOWS ? (int64_t)(x * KEYS) : 0;
        b->hi[r] = b->seen == FULL ? KEYS : b->seen == CAUSAL ? 180 + 17 * r : b->lo[r] + (int64_t)(y * 90);
        b->hi[r] = QN_MIN(b->hi[r], KEYS);
        b->slope[r] = ldexpf(1, -(int)(r % 8) - 1);
    }
}

static void case_fill(bench *b, uint32_t salt) {
    const float spread = b->how == SHARP ? 4 : 1;
    for (int64_t r = 0; r < b->rows; r++) {
        float *q = b->q + r * b->Dh;
        for (int64_t d = 0; d < b->Dh; d++)
            q[d] = spread * draw(b->how == TINY ? RANDOM : b->how, salt, r * b->Dh + d);
        query_put(b, r, q);
        if (b->t == QN_BF16)
            qn_bf16_decode(q, query_at(b, r), b->Dh);
    }
    for (int64_t j = 0; j < KEYS; j++) {
        float *k = b->k + j * b->Dh, *v = b->v + j * b->Dh;
        for (int64_t d = 0; d < b->Dh; d++) {
            k[d] = draw(b->how, salt + 2, j * b->Dh + d);
            v[d] = draw(b->how, salt + 3, j * b->Dh + d);
        }
        key_put(b, j, k, v);
        qn_kv_load_k(k, block_at(b, &b->keys, j / QN_KEY_BLOCK), b->t, j % QN_KEY_BLOCK, b->Dh);
        qn_kv_load_v(v, block_at(b, &b->values, j / QN_KEY_BLOCK), b->t, j % QN_KEY_BLOCK, b->Dh);
    }
    windows_fill(b, salt + 4);
}

/* Attends rows [first, first + rows) to one chunk. Blocks that none of them sees are NULL. */
static void attend_chunk(const bench *b, qn_attn_fn *fn, const state *s, int64_t first, int64_t rows, int64_t chunk,
                         bool fresh) {
    int32_t lo[MAX_ROWS], hi[MAX_ROWS];
    float rel[MAX_ROWS];
    bool merge[MAX_ROWS];
    const int64_t start = chunk * QN_KEY_CHUNK;
    qn_attn_args a = {
        .q = query_at(b, first), .ldq = query_bytes(b), .lo = lo, .hi = hi, .merge = merge, .rows = rows, .Dh = b->Dh,
        .scale = b->scale, .cap = b->cap, .slope = b->alibi ? b->slope + first : NULL, .rel = b->alibi ? rel : NULL,
        .M = (char *)s->M + (size_t)first * s->real, .L = (char *)s->L + (size_t)first * s->real,
        .O = (char *)s->O + (size_t)(first * b->Dh) * s->real,
        .next = chunk % 2 ? block_at(b, &b->keys, 0) : NULL, .scratch = b->judge_scratch};
    if (s->real == sizeof(float))            /* ends at its guard page too */
        a.scratch = (float *)b->scratch.p + qn_attn_scratch(MAX_ROWS, MAX_DH) - qn_attn_scratch(rows, b->Dh);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t r = first + i, l = b->lo[r] - start, h = b->hi[r] - start;
        lo[i] = (int32_t)QN_MAX(0, QN_MIN(l, QN_KEY_CHUNK));
        hi[i] = (int32_t)QN_MAX(lo[i], QN_MIN(h, QN_KEY_CHUNK));
        rel[i] = (float)(b->hi[r] - 1 - start);
        merge[i] = !fresh && b->lo[r] < start;
        for (int block = 0; block < QN_CHUNK_BLOCKS; block++)
            if (lo[i] < hi[i] && lo[i] < (block + 1) * QN_KEY_BLOCK && hi[i] > block * QN_KEY_BLOCK) {
                a.k[block] = block_at(b, &b->keys, start / QN_KEY_BLOCK + block);
                a.v[block] = block_at(b, &b->values, start / QN_KEY_BLOCK + block);
            }
    }
    fn(&a);
}

static void attend(const bench *b, qn_attn_fn *fn, const state *s, int64_t first, int64_t rows) {
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        attend_chunk(b, fn, s, first, rows, chunk, false);
}

static void expect(bench *b, bool ok, const char *what, int64_t r) {
    b->cases++;
    qn_selftest_case(b->report, ok, "%s: Dh %lld, row %lld of %lld, %s, %s: %s", b->name, (long long)b->Dh,
                     (long long)r, (long long)b->rows, input_names[b->how], view_names[b->seen], what);
}

/* ---- against the judge ---- */

/* Scores of row r and the worst error of one. */
static double scores(const bench *b, int64_t r, double *s) {
    double worst = 0;
    for (int64_t j = b->lo[r]; j < b->hi[r]; j++) {
        double dot = 0, reach = 0;
        for (int64_t d = 0; d < b->Dh; d++) {
            const double term = (double)b->q[r * b->Dh + d] * (double)b->k[j * b->Dh + d];
            dot += term;
            reach += fabs(term);
        }
        const double raw = dot * (double)b->scale;
        const double bias = b->alibi ? (double)b->slope[r] * (double)(j - (b->hi[r] - 1)) : 0;
        s[j] = (b->cap > 0 ? (double)b->cap * tanh(raw / (double)b->cap) : raw) + bias;
        const double error = (double)b->scale * (2 * (double)(b->Dh + 2) * U * reach + (double)b->Dh * 0x1p-126) +
                             4 * U * (fabs(raw) + fabs(bias) + (double)b->cap);
        worst = fmax(worst, error);
    }
    return worst;
}

static double used(bench *b, double got, double want, double bound) {
    const double share = got == want ? 0 : isfinite(got) ? fabs(got - want) / bound : INFINITY;
    b->worst = share <= 1 ? fmax(b->worst, share) : b->worst;
    return share;
}

static void row_against_judge(bench *b, const state *got, const state *want, int64_t r) {
    double s[KEYS], e[KEYS], m = -INFINITY, sum = 0, W = 0, worst = 0;
    const int64_t lo = b->lo[r], hi = b->hi[r];
    const double E = scores(b, r, s), rounding = b->t == QN_BF16 ? 0x1p-8 : 0, n = (double)(hi - lo);
    for (int64_t j = lo; j < hi; j++)
        m = fmax(m, s[j]);
    for (int64_t j = lo; j < hi; j++)
        sum += exp(s[j] - m);
    for (int64_t j = lo; j < hi; j++) {
        e[j] = 2 * E + U * (m - s[j]) + 8 * U + rounding;
        s[j] = exp(s[j] - m) / sum;                         /* from here on its share */
        W += s[j] * e[j];
    }
    const double M = number(got, got->M, r), L = number(got, got->L, r), judge_L = number(want, want->L, r);
    worst = used(b, M + log(L), number(want, want->M, r) + log(judge_L), 2 * E + W + n * U + U * fabs(M));
    for (int64_t d = 0; d < b->Dh; d++) {
        double bound = 0x1p-120;
        for (int64_t j = lo; j < hi; j++)
            bound += s[j] * fabs((double)b->v[j * b->Dh + d]) * (e[j] + W + 2 * n * U) + 0x1p-126;
        const int64_t at = r * b->Dh + d;
        worst = fmax(worst, used(b, number(got, got->O, at) / L, number(want, want->O, at) / judge_L, bound));
    }
    expect(b, worst <= 1, "is outside its bound", r);
}

/* ---- against itself ---- */

static void rows_alone(bench *b, const state *together, const state *other) {
    memset(other->M, 0, state_bytes(other));
    for (int64_t r = 0; r < b->rows; r++) {
        attend(b, b->fn, other, r, 1);
        expect(b, same_row(b, together, other, r), "differs alone and in its tile", r);
    }
}

/* Finite rubbish where row r does not look; other rows may change. */
static void rubbish_unseen(bench *b, const state *clean, const state *other) {
    const int64_t r = b->rows / 2;
    float rubbish[MAX_DH];
    for (int64_t d = 0; d < b->Dh; d++)
        rubbish[d] = d % 2 ? -30000.0f : 20000.0f;
    for (int64_t j = 0; j < KEYS; j++)
        if (j < b->lo[r] || j >= b->hi[r])
            key_put(b, j, rubbish, rubbish);
    attend(b, b->fn, other, 0, b->rows);
    for (int64_t j = 0; j < KEYS; j++)
        key_put(b, j, b->k + j * b->Dh, b->v + j * b->Dh);
    expect(b, b->lo[r] == b->hi[r] || same_row(b, clean, other, r), "changes with keys that it does not see", r);
}

static void chunks_apart(bench *b, const state *serial, const state *first, const state *second) {
    attend_chunk(b, b->fn, first, 0, b->rows, 0, true);
    attend_chunk(b, b->fn, second, 0, b->rows, 1, true);
    for (int64_t r = 0; r < b->rows; r++) {
        const bool one = b->lo[r] < QN_MIN(b->hi[r], QN_KEY_CHUNK), two = QN_MAX(b->lo[r], QN_KEY_CHUNK) < b->hi[r];
        if (one && two)
            b->merge((float *)first->M + r, (float *)first->L + r, (float *)first->O + r * b->Dh,
                     (float *)second->M + r, (float *)second->L + r, (float *)second->O + r * b->Dh, b->Dh);
        if (one || two)
            expect(b, same_row(b, serial, one ? first : second, r), "differs when its chunks are attended apart", r);
    }
}

/* A NaN in one row's query, then in one value of a key. */
static void nan_spreads(bench *b, const state *clean, const state *other) {
    const int64_t r = b->rows - 1, j = (b->lo[0] + b->hi[0]) / 2;
    float *q = b->q + r * b->Dh, *v = b->v + j * b->Dh, keep = q[1];
    if (b->lo[r] == b->hi[r] || b->lo[0] == b->hi[0])
        return;
    q[1] = NAN;
    query_put(b, r, q);
    attend(b, b->fn, other, 0, b->rows);
    for (int64_t i = 0; i < b->rows; i++)
        if (b->lo[i] < b->hi[i])
            expect(b, i == r ? isnan(number(other, other->O, r * b->Dh)) : same_row(b, clean, other, i),
                   "a NaN in the last row's query", i);
    q[1] = keep;
    query_put(b, r, q);

    keep = v[0];
    v[0] = NAN;
    key_put(b, j, b->k + j * b->Dh, v);
    attend(b, b->fn, other, 0, b->rows);
    const int64_t group = b->t == QN_Q8_0 ? QN_KV_GROUP : 1;
    for (int64_t i = 0; i < b->rows; i++) {
        bool right = true;
        for (int64_t d = i * b->Dh; d < (i + 1) * b->Dh; d++)
            right = right && (d - i * b->Dh < group ? isnan(number(other, other->O, d))
                                                    : number(other, other->O, d) == number(clean, clean->O, d));
        if (b->lo[i] <= j && j < b->hi[i])
            expect(b, right, "a NaN in a value", i);
    }
    v[0] = keep;
    key_put(b, j, b->k + j * b->Dh, v);
}

static void case_run(bench *b, const state s[3], const state *judge) {
    static const float untouched = 12345;
    memset(s[0].M, 0, state_bytes(&s[0]));
    for (int64_t r = 0; r < b->rows; r++)
        ((float *)s[0].M)[r] = untouched;
    attend(b, b->fn, &s[0], 0, b->rows);
    attend(b, b->judge, judge, 0, b->rows);
    for (int64_t r = 0; r < b->rows; r++)
        if (b->lo[r] < b->hi[r])
            row_against_judge(b, &s[0], judge, r);
        else
            expect(b, ((float *)s[0].M)[r] == untouched, "sees nothing, but its state was written", r);
    for (int64_t r = 0; r < b->rows; r++)                   /* alone, such a row leaves its state as zeros */
        if (b->lo[r] == b->hi[r])
            ((float *)s[0].M)[r] = 0;
    rows_alone(b, &s[0], &s[1]);
    rubbish_unseen(b, &s[0], &s[1]);
    chunks_apart(b, &s[0], &s[1], &s[2]);
    if (b->how == RANDOM)
        nan_spreads(b, &s[0], &s[1]);
}

static void row_test(bench *b, const state s[3], const state *judge, qn_isa isa) {
    static const int64_t widths[] = {2, 6, 18, 32, 48, 64, 80, 96, 112, 128, 256};
    static const int64_t row_counts[] = {1, 2, 3, 4, 5, 7, 13};
    const int64_t failures = b->report->failures;
    uint32_t salt = 1;
    b->worst = 0;
    b->cases = 0;
    for (size_t w = 0; w < QN_LEN(widths); w++)
        for (size_t n = w % 3; n < QN_LEN(row_counts); n += 3)        /* a third of the pairs, each count often */
            for (int i = 0; i < INPUTS + VIEWS - 1; i++, salt += 16) {        /* every view; every input */
                if (b->report->brief && (i + w + n / 3) % 3 != 0)
                    continue;
                b->Dh = widths[w];
                b->rows = row_counts[n];
                b->how = i < VIEWS ? RANDOM : (input)(i - VIEWS + 1);
                b->seen = (view)(i % VIEWS);
                b->scale = 1 / sqrtf((float)b->Dh);
                b->cap = (n + w) % 3 == 1 ? 5 : 0;
                b->alibi = (n + w) % 4 == 2;
                case_fill(b, salt);
                case_run(b, s, judge);
            }
    b->report->worst = fmax(b->report->worst, b->worst);
    qn_selftest_row(b->report, failures == b->report->failures, "attn_%s %s %s: %lld cases, worst %.2f of the bound",
                    qn_dtype_get(b->t)->name, qn_isa_name(isa), b->name, (long long)b->cases, b->worst);
}

/* ---- merging, and storing keys and values ---- */

/* M′ = max(M, m), L and O by exp(M − M′) and exp(m − M′): each product has the error of its exponential. */
static void merge_test(bench *b, const state *s, const state *judge, qn_attn_merge_fn *fn, qn_isa isa) {
    const int64_t failures = b->report->failures;
    b->name = "attn_merge";
    b->worst = 0;
    b->cases = 0;
    b->rows = 1;
    for (b->Dh = 1; b->Dh <= 70; b->Dh++) {
        float m[2], l[2], o[MAX_DH];
        double md, ld, od[MAX_DH];
        const double gap = (double)qn_fill_value(9, (uint64_t)b->Dh, 30.0f);
        double worst = 0;
        m[0] = qn_fill_value(10, (uint64_t)b->Dh, 5.0f);
        m[1] = m[0] + (float)gap;
        l[0] = l[1] = 1 + fabsf(m[0]);
        *(float *)s->M = m[0], *(double *)judge->M = (double)m[0], md = (double)m[1];
        *(float *)s->L = l[0], *(double *)judge->L = (double)l[0], ld = (double)l[1];
        for (int64_t d = 0; d < b->Dh; d++) {
            o[d] = qn_fill_value(11, (uint64_t)d, 3.0f);
            ((float *)s->O)[d] = qn_fill_value(12, (uint64_t)d, 3.0f);
            ((double *)judge->O)[d] = (double)((float *)s->O)[d];
            od[d] = (double)o[d];
        }
        fn(s->M, s->L, s->O, &m[1], &l[1], o, b->Dh);
        qn_kernels_judge()->attn_merge(judge->M, judge->L, judge->O, &md, &ld, od, b->Dh);
        const double e = (fabs(gap) + 8) * U;
        worst = used(b, number(s, s->L, 0), number(judge, judge->L, 0), e * number(judge, judge->L, 0));
        for (int64_t d = 0; d < b->Dh; d++)
            worst = fmax(worst, used(b, number(s, s->O, d), number(judge, judge->O, d), e * 6));
        expect(b, worst <= 1 && number(s, s->M, 0) == (double)fmaxf(m[0], m[1]), "merges wrongly", 0);
    }
    qn_selftest_row(b->report, failures == b->report->failures, "attn_merge %s: %lld cases, worst %.2f of the bound",
                    qn_isa_name(isa), (long long)b->cases, b->worst);
}

/* Where kernels.h says that element d of `slot` lies. */
static int64_t place(qn_dtype t, bool key, int64_t slot, int64_t d, int64_t Dh) {
    if (t != QN_BF16)
        return key ? d * QN_KEY_BLOCK + slot : slot * Dh + d;
    return key ? (d / 2 * QN_KEY_BLOCK + slot) * 2 + d % 2 : (slot / 2 * Dh + d) * 2 + slot % 2;
}

/* A block of num/q8_0.c per group, laid out as kernels.h says. A scale that is no number takes its numbers along. */
static void expected_q8_0(uint8_t *block, bool key, int64_t slot, const float *src, int64_t Dh, float *back) {
    for (int64_t from = 0, n; from < Dh; from += n) {
        uint8_t coded[34];
        float x[32] = {0}, d = 0;
        uint16_t half;
        n = QN_MIN(32, Dh - from);
        memcpy(x, src + from, (size_t)n * sizeof *x);
        for (int64_t i = 0; i < n; i++)
            d += x[i] * 0;                                              /* 0, or NaN */
        qn_q8_0_encode(coded, x, 32);
        memcpy(&half, coded, sizeof half);
        half = isnan(d) || (half & 0x7fff) >= 0x7c00 ? 0x7e00 : half;
        memcpy(block + 64 * Dh + 2 * (from / 32 * 64 + slot), &half, sizeof half);
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = place(QN_Q8_0, key, slot, from + i, Dh);
            block[at] = half == 0x7e00 ? 0 : coded[2 + i];
            back[from + i] = (float)(int8_t)block[at] * qn_f16_to_f32(half);
        }
    }
}

static void expected_put(void *block, qn_dtype t, int64_t at, float x) {
    if (t == QN_F32)
        ((float *)block)[at] = x;
    else
        ((uint16_t *)block)[at] = t == QN_F16 ? qn_f32_to_f16(x) : qn_f32_to_bf16(x);
}

/* Every slot, exactly its own bytes, rounded as num rounds; and loaded back. */
static void store_case(bench *b, qn_kv_store_fn *fn, bool key, uint8_t *want) {
    static const float hostile[] = {0, -0.0f, 0x1p-149f, 0x1p-127f, FLT_MAX, -FLT_MAX,
                                    INFINITY, NAN, 65519, 65520, 6e-8f};
    const size_t bytes = qn_kv_block_bytes(b->t, b->Dh);
    char *block = block_at(b, &b->keys, BLOCKS - 1);
    memset(block, 0xa5, bytes);
    memset(want, 0xa5, bytes);
    for (int64_t i = 0; i < QN_KEY_BLOCK; i++) {
        const int64_t slot = i * 37 % QN_KEY_BLOCK;
        float src[MAX_DH], back[MAX_DH], stored[MAX_DH];
        for (int64_t d = 0; d < b->Dh; d++) {
            const bool ordinary = (d + i) % 5 || (b->t == QN_Q8_0 && i % 3);     /* one spoils its whole group */
            src[d] = ordinary ? qn_fill_value(21, (uint64_t)(d + 100 * i), 4.0f) : hostile[(d + i) % 11];
            if (b->t != QN_Q8_0)
                expected_put(want, b->t, place(b->t, key, slot, d, b->Dh), src[d]);
        }
        fn(block, b->t, slot, src, b->Dh);
        (key ? qn_kv_load_k : qn_kv_load_v)(back, block, b->t, slot, b->Dh);
        if (b->t == QN_Q8_0) {
            expected_q8_0(want, key, slot, src, b->Dh, stored);
            memcpy(src, stored, sizeof src);
        } else {
            qn_dtype_get(b->t)->encode_row(stored, src, b->Dh);
            qn_dtype_get(b->t)->decode_row(src, stored, b->Dh);
        }
        expect(b, memcmp(block, want, bytes) == 0, "stores other bytes", slot);
        expect(b, memcmp(src, back, (size_t)b->Dh * sizeof *src) == 0, "loads something else", slot);
    }
}

static void store_test(bench *b, uint8_t *want, qn_kv_store_fn *fn, bool key, qn_isa isa) {
    static const qn_dtype types[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0};
    static const int64_t widths[] = {2, 6, 18, 48, 64, 80, 256};
    const int64_t failures = b->report->failures;
    b->name = key ? "kv_store_k" : "kv_store_v";
    b->cases = 0;
    b->rows = QN_KEY_BLOCK;
    for (size_t t = 0; t < QN_LEN(types); t++)
        for (size_t w = 0; w < QN_LEN(widths); w++) {
            b->t = types[t];
            b->Dh = widths[w];
            store_case(b, fn, key, want);
        }
    qn_selftest_row(b->report, failures == b->report->failures, "%s %s: %lld cases", b->name, qn_isa_name(isa),
                    (long long)b->cases);
}

/* ---- the walk ---- */

/* A level that has no row of its own for a family shows the row of the level below: tested there. */
static void others_walk(bench *b, const state *s, const state *judge, uint8_t *want, qn_isa cap) {
    const qn_kernels *below = NULL;
    for (int level = 0; level <= (int)cap; level++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)level);
        if (!qn_isa_has((qn_isa)level))
            continue;
        if (!below || k->attn_merge != below->attn_merge)
            merge_test(b, s, judge, k->attn_merge, (qn_isa)level);
        if (!below || k->kv_store_k != below->kv_store_k)
            store_test(b, want, k->kv_store_k, true, (qn_isa)level);
        if (!below || k->kv_store_v != below->kv_store_v)
            store_test(b, want, k->kv_store_v, false, (qn_isa)level);
        below = k;
    }
}

static void attn_walk(bench *b, const state s[3], const state *judge, qn_isa cap) {
#define QN_LINEAR(weight, m_min, m_max, isa, f)
#define QN_STORED(weight, first, last, f)
#define QN_PACK(form, isa, f)
#define QN_KERNEL(family, isa, f)
#define QN_ATTN(kv, level, f)                                          \
    if (QN_ISA_##level <= cap && qn_isa_has(QN_ISA_##level)) {         \
        b->name = #f;                                                  \
        b->fn = f;                                                     \
        b->t = QN_##kv;                                                \
        b->judge = qn_kernels_judge()->attn[QN_##kv];                  \
        b->merge = qn_kernels_at(QN_ISA_##level)->attn_merge;          \
        row_test(b, s, judge, QN_ISA_##level);                         \
    }
#include "kernels/kernel_list.inc"
}

int qn_selftest_attn(qn_isa cap, qn_selftest_report *r) {
    bench b = {.report = r};
    state s[3] = {{0}}, judge = {0};
    const int64_t failures = r->failures;
    const size_t blocks = BLOCKS * qn_kv_block_bytes(QN_F32, MAX_DH), scratch = qn_attn_scratch(MAX_ROWS, MAX_DH);
    int rc = 0;
    QN_TRY_OUT(qn_guarded_new(&b.query, (size_t)MAX_ROWS * MAX_DH * sizeof(float), false));
    QN_TRY_OUT(qn_guarded_new(&b.keys, blocks, false));
    QN_TRY_OUT(qn_guarded_new(&b.values, blocks, false));
    QN_TRY_OUT(qn_guarded_new(&b.scratch, scratch * sizeof(float), false));
    for (int i = 0; i < 3; i++)
        QN_TRY_OUT(state_init(&s[i], sizeof(float)));
    QN_TRY_OUT(state_init(&judge, sizeof(double)));
    b.q = qn_zalloc(QN_MEM_TEST, (size_t)(MAX_ROWS + 2 * KEYS) * MAX_DH, sizeof(float));
    b.judge_scratch = qn_zalloc(QN_MEM_TEST, scratch, sizeof(double));
    rc = b.q && b.judge_scratch ? 0 : QN_ENOMEM;
    if (rc < 0)
        goto out;
    b.k = b.q + (size_t)MAX_ROWS * MAX_DH;
    b.v = b.k + (size_t)KEYS * MAX_DH;
    attn_walk(&b, s, &judge, cap);
    others_walk(&b, &s[0], &judge, (uint8_t *)b.k, cap);        /* b.k, done with, holds the expected block */
    QN_TRY_OUT(qn_selftest_attn_grad(cap, r));
    rc = r->failures > failures ? QN_ETEST : 0;
out:
    qn_guarded_free(&b.query);
    qn_guarded_free(&b.keys);
    qn_guarded_free(&b.values);
    qn_guarded_free(&b.scratch);
    for (int i = 0; i < 3; i++)
        qn_free(s[i].M);
    qn_free(judge.M);
    qn_free(b.q);
    qn_free(b.judge_scratch);
    return rc;
}
