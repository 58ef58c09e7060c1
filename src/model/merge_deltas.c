/* model/merge_deltas.c — what several parts add to one weight, made into one: linear, DARE, TIES.
 *
 * Linear and DARE need a few rows of W and as much room beside them; TIES looks at all of each Δ first. Sums are in
 * double and rounded once, into W. Nothing depends on threads: a tile is some rows, and elements do not meet. */
#include <string.h>

#include "model/merge_impl.h"

static double *room_of(const qn_merging *m, int worker) {
    return m->room + (size_t)worker * 2 * QN_MERGE_TILE * (size_t)m->cols;
}

/* ---- linear, DARE ---- */

/* DARE on a row of Δ_i: four elements share a draw. */
static void drop_some(const qn_merging *m, size_t i, int64_t r, double *d) {
    const double most = m->o->density * 0x1p32, grow = 1 / m->o->density;
    const int64_t blocks = (m->cols + 3) / 4;
    for (int64_t k = 0; k < m->cols; k += 4) {
        const qn_rng_block draw = qn_rng(m->o->seed, QN_RNG_MERGE, m->number * QN_ADAPTERS + i,
                                         (uint64_t)(r * blocks + k / 4));
        for (int64_t e = k; e < QN_MIN(k + 4, m->cols); e++)
            d[e] = (double)draw.v[e - k] < most ? d[e] * grow : 0;
    }
}

static void add_part(const qn_merging *m, size_t i, qn_span rows, int worker, double *sum) {
    const int64_t n = (rows.end - rows.begin) * m->cols;
    double *d = room_of(m, worker) + QN_MERGE_TILE * m->cols;
    m->delta(m->arg, i, rows, worker, d);
    for (int64_t r = rows.begin; r < rows.end && m->o->method == QN_MERGE_DARE; r++)
        drop_some(m, i, r, d + (r - rows.begin) * m->cols);
    for (int64_t k = 0; k < n; k++)
        sum[k] += m->weight[i] * d[k];
}

static void sum_tile(void *arg, int64_t tile, int worker) {
    const qn_merging *m = arg;
    const qn_span rows = qn_tile_span(m->rows, QN_MERGE_TILE, tile);
    const int64_t n = (rows.end - rows.begin) * m->cols;
    float *w = m->w + rows.begin * m->cols;
    double *sum = room_of(m, worker);
    for (int64_t k = 0; k < n; k++)
        sum[k] = (double)w[k];
    for (size_t i = 0; i < m->n; i++)
        if (m->has[i])
            add_part(m, i, rows, worker, sum);
    for (int64_t k = 0; k < n; k++)
        w[k] = (float)sum[k];
}

/* ---- TIES ---- */

static void keep_tile(void *arg, int64_t tile, int worker) {
    const qn_merging *m = arg;
    const qn_span rows = qn_tile_span(m->rows, QN_MERGE_TILE, tile);
    const int64_t n = (rows.end - rows.begin) * m->cols;
    double *d = room_of(m, worker);
    for (size_t i = 0; i < m->n; i++) {
        if (!m->has[i])
            continue;
        m->delta(m->arg, i, rows, worker, d);
        for (int64_t k = 0; k < n; k++)
            m->kept[i][rows.begin * m->cols + k] = (float)d[k];
    }
}

/* The size of a float as a number that grows with it. */
static uint32_t size_of(float x) { return qn_f32_bits(x) & 0x7fffffffu; }

/* How the k-th largest size is found: half of its bits at a time. */
static uint32_t kth_size(const float *x, int64_t n, int64_t k, int64_t *count, int64_t *above) {
    uint32_t high = 1u << 15, low = 1u << 16;
    *above = 0;
    memset(count, 0, sizeof *count << 16);
    for (int64_t i = 0; i < n; i++)
        count[size_of(x[i]) >> 16]++;
    while (*above + count[--high] < k)
        *above += count[high];
    memset(count, 0, sizeof *count << 16);
    for (int64_t i = 0; i < n; i++)
        if (size_of(x[i]) >> 16 == high)
            count[size_of(x[i]) & 0xffffu]++;
    while (*above + count[--low] < k)
        *above += count[low];
    return high << 16 | low;
}

/* Only the k largest stay; of equal ones the first. */
static void trim(float *x, int64_t n, double density, int64_t *count) {
    const int64_t k = QN_MAX((int64_t)(density * (double)n), 1);
    int64_t above;
    if (k >= n)
        return;
    const uint32_t least = kth_size(x, n, k, count, &above);
    for (int64_t i = 0, equal = k - above; i < n; i++)
        if (size_of(x[i]) < least || (size_of(x[i]) == least && equal-- <= 0))
            x[i] = 0;
}

/* The sign that most of the movement has is elected; the mean is over those that agree. */
static void elect_tile(void *arg, int64_t tile, int worker) {
    const qn_merging *m = arg;
    const int64_t begin = tile * QN_MERGE_TILE * m->cols;
    const int64_t end = QN_MIN(begin + QN_MERGE_TILE * m->cols, m->rows * m->cols);
    (void)worker;
    for (int64_t e = begin; e < end; e++) {
        double all = 0, sum = 0, share = 0;
        for (size_t i = 0; i < m->n; i++)
            all += m->has[i] ? (m->weighed ? m->weight[i] : 1) * (double)m->kept[i][e] : 0;
        for (size_t i = 0; i < m->n; i++) {
            const double d = m->has[i] ? (double)m->kept[i][e] : 0, vote = m->weighed ? m->weight[i] : 1;
            if (all >= 0 ? vote * d > 0 : vote * d < 0) {
                sum += m->weight[i] * d;
                share += vote;
            }
        }
        m->w[e] = (float)((double)m->w[e] + sum / (share == 0 ? 1 : share));
    }
}

static int ties(qn_merging *m, qn_pool *pool) {
    const int64_t n = m->rows * m->cols;
    int64_t *count = qn_alloc(QN_MEM_SCRATCH, sizeof *count << 16);
    int rc = count ? 0 : QN_ENOMEM;
    for (size_t i = 0; i < m->n && rc >= 0; i++)
        if (m->has[i] && !(m->kept[i] = qn_alloc(QN_MEM_SCRATCH, (size_t)n * sizeof(float))))
            rc = QN_ENOMEM;
    if (rc >= 0)
        qn_parallel(pool, qn_tiles(m->rows, QN_MERGE_TILE), keep_tile, m);
    for (size_t i = 0; i < m->n && rc >= 0; i++)
        if (m->has[i])
            trim(m->kept[i], n, m->o->density, count);
    if (rc >= 0)
        qn_parallel(pool, qn_tiles(m->rows, QN_MERGE_TILE), elect_tile, m);
    for (size_t i = 0; i < m->n; i++) {
        qn_free(m->kept[i]);
        m->kept[i] = NULL;
    }
    qn_free(count);
    return rc;
}

/* ---- one weight ---- */

int qn_merge_deltas(qn_merging *m, qn_pool *pool) {
    const size_t workers = (size_t)qn_pool_threads(pool);
    int rc = 0;
    m->room = qn_alloc(QN_MEM_SCRATCH, workers * 2 * QN_MERGE_TILE * (size_t)m->cols * sizeof *m->room);
    if (!m->room)
        return QN_ENOMEM;
    if (m->o->method == QN_MERGE_TIES)
        rc = ties(m, pool);
    else
        qn_parallel(pool, qn_tiles(m->rows, QN_MERGE_TILE), sum_tile, m);
    qn_free(m->room);
    m->room = NULL;
    return rc;
}
