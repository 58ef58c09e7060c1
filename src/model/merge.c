/* model/merge.c — one weight at a time: the adapters' Δ, row by row, and how they become one.
 *
 * Linear and DARE need a row of W and as much room beside it; TIES looks at all of each Δ first. Sums are in double and
 * rounded once, into W. */
#include "model/merge.h"

#include <math.h>
#include <string.h>

enum { TILE = 32 };

/* One weight. */
typedef struct {
    const qn_merge_options *o;
    const qn_merge_part *part;          /* [n] */
    size_t n;
    const qn_lora *pair[QN_ADAPTERS];   /* NULL: that adapter leaves this weight alone */
    float *a[QN_ADAPTERS], *b[QN_ADAPTERS];
    float *delta[QN_ADAPTERS];          /* TIES: [rows,cols] */
    float *w;
    int64_t rows, cols;
    uint64_t weight;                    /* a number of its own for draws */
    double *room;                       /* [workers][2·cols] */
    _Atomic bool zero_length;
} matrix;

/* ---- Δ ---- */

static void add_row(double *y, const float *x, double f, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        y[k] += f * (double)x[k];
}

/* Row r of Δ_i, without the user's weight. */
static void delta_row(matrix *m, size_t i, int64_t r, double *d) {
    const qn_lora *l = m->pair[i];
    const float *w = m->w + r * m->cols;
    double square = 0;
    memset(d, 0, (size_t)m->cols * sizeof *d);
    for (int64_t k = 0; k < l->rank; k++)
        add_row(d, m->a[i] + k * m->cols, l->scale * (double)m->b[i][r * l->rank + k], m->cols);
    if (!l->magnitude)
        return;
    for (int64_t k = 0; k < m->cols; k++) {
        d[k] += (double)w[k];
        square += d[k] * d[k];
    }
    if (!(square > 0))
        m->zero_length = true;
    const double g = (double)l->magnitude[r] / sqrt(square);
    for (int64_t k = 0; k < m->cols; k++)
        d[k] = g * d[k] - (double)w[k];
}

/* DARE on a row of Δ_i: four elements share a draw. */
static void drop_some(const matrix *m, size_t i, int64_t r, double *d) {
    const double most = m->o->density * 0x1p32, grow = 1 / m->o->density;
    const int64_t blocks = (m->cols + 3) / 4;
    for (int64_t k = 0; k < m->cols; k += 4) {
        const qn_rng_block draw = qn_rng(m->o->seed, QN_RNG_MERGE, m->weight * QN_ADAPTERS + i,
                                         (uint64_t)(r * blocks + k / 4));
        for (int64_t e = k; e < QN_MIN(k + 4, m->cols); e++)
            d[e] = (double)draw.v[e - k] < most ? d[e] * grow : 0;
    }
}

/* ---- linear, DARE ---- */

static void sum_tile(void *arg, int64_t tile, int worker) {
    matrix *m = arg;
    const qn_span rows = qn_tile_span(m->rows, TILE, tile);
    double *sum = m->room + (size_t)worker * 2 * (size_t)m->cols, *d = sum + m->cols;
    for (int64_t r = rows.begin; r < rows.end; r++) {
        float *w = m->w + r * m->cols;
        for (int64_t k = 0; k < m->cols; k++)
            sum[k] = (double)w[k];
        for (size_t i = 0; i < m->n; i++) {
            if (!m->pair[i])
                continue;
            delta_row(m, i, r, d);
            if (m->o->method == QN_MERGE_DARE)
                drop_some(m, i, r, d);
            for (int64_t k = 0; k < m->cols; k++)
                sum[k] += m->part[i].scale * d[k];
        }
        for (int64_t k = 0; k < m->cols; k++)
            w[k] = (float)sum[k];
    }
}

/* ---- TIES ---- */

static void delta_tile(void *arg, int64_t tile, int worker) {
    matrix *m = arg;
    const qn_span rows = qn_tile_span(m->rows, TILE, tile);
    double *d = m->room + (size_t)worker * 2 * (size_t)m->cols;
    for (size_t i = 0; i < m->n; i++)
        for (int64_t r = rows.begin; r < rows.end && m->pair[i]; r++) {
            delta_row(m, i, r, d);
            for (int64_t k = 0; k < m->cols; k++)
                m->delta[i][r * m->cols + k] = (float)d[k];
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
    matrix *m = arg;
    const int64_t begin = tile * TILE * m->cols, end = QN_MIN(begin + TILE * m->cols, m->rows * m->cols);
    (void)worker;
    for (int64_t e = begin; e < end; e++) {
        double all = 0, sum = 0;
        int agree = 0;
        for (size_t i = 0; i < m->n; i++)
            all += m->pair[i] ? (double)m->delta[i][e] : 0;
        for (size_t i = 0; i < m->n; i++) {
            const double d = m->pair[i] ? (double)m->delta[i][e] : 0;
            if (all >= 0 ? d > 0 : d < 0) {
                sum += m->part[i].scale * d;
                agree++;
            }
        }
        m->w[e] = (float)((double)m->w[e] + sum / QN_MAX(agree, 1));
    }
}

static int ties(matrix *m, qn_pool *pool) {
    const int64_t n = m->rows * m->cols;
    int64_t *count = qn_alloc(QN_MEM_SCRATCH, sizeof *count << 16);
    int rc = count ? 0 : QN_ENOMEM;
    for (size_t i = 0; i < m->n && rc >= 0; i++)
        if (m->pair[i] && !(m->delta[i] = qn_alloc(QN_MEM_SCRATCH, (size_t)n * sizeof(float))))
            rc = QN_ENOMEM;
    if (rc >= 0)
        qn_parallel(pool, qn_tiles(m->rows, TILE), delta_tile, m);
    for (size_t i = 0; i < m->n && rc >= 0; i++)
        if (m->pair[i])
            trim(m->delta[i], n, m->o->density, count);
    if (rc >= 0)
        qn_parallel(pool, qn_tiles(m->rows, TILE), elect_tile, m);
    qn_free(count);
    return rc;
}

/* ---- one weight ---- */

static int open_matrix(matrix *m, const qn_param *p, int64_t layer, int workers) {
    for (size_t i = 0; i < m->n; i++) {
        const qn_lora *l = m->pair[i] = qn_adapter_find(m->part[i].a, p->id, layer);
        if (!l)
            continue;
        m->rows = l->rows;
        m->cols = l->cols;
        m->a[i] = qn_alloc(QN_MEM_SCRATCH, (size_t)(l->rank * l->cols) * sizeof(float));
        m->b[i] = qn_alloc(QN_MEM_SCRATCH, (size_t)(l->rows * l->rank) * sizeof(float));
        if (!m->a[i] || !m->b[i])
            return QN_ENOMEM;
        qn_lora_unpack(&l->a, m->a[i]);
        qn_lora_unpack(&l->b, m->b[i]);
    }
    m->room = qn_alloc(QN_MEM_SCRATCH, (size_t)workers * 2 * (size_t)m->cols * sizeof *m->room);
    return m->room ? 0 : QN_ENOMEM;
}

static void close_matrix(matrix *m) {
    for (size_t i = 0; i < m->n; i++) {
        qn_free(m->a[i]);
        qn_free(m->b[i]);
        qn_free(m->delta[i]);
    }
    qn_free(m->room);
}

int qn_merge_matrix(float *w, const qn_param *p, int64_t layer, const qn_merge_part *part, size_t n,
                    const qn_merge_options *o, qn_pool *pool) {
    matrix m = {.o = o, .part = part, .n = n, .w = w, .weight = (uint64_t)(layer * QN_PARAMS + p->id)};
    qn_assert(n <= QN_ADAPTERS);
    int rc = open_matrix(&m, p, layer, qn_pool_threads(pool));
    if (rc >= 0 && m.cols > 0 && o->method == QN_MERGE_TIES)
        rc = ties(&m, pool);
    else if (rc >= 0 && m.cols > 0)
        qn_parallel(pool, qn_tiles(m.rows, TILE), sum_tile, &m);
    if (rc >= 0 && m.zero_length)
        rc = qn_fail(QN_EFORMAT, "%s of layer %lld: a row of W + s·B·A is zero; DoRA cannot bring it to a length",
                     p->gguf, (long long)layer);
    close_matrix(&m);
    return rc;
}

/* ---- the model ---- */

typedef struct {
    const qn_merge_part *part;
    size_t n;
    const qn_merge_options *o;
    qn_pool *pool;
} merging;

static bool is_table(const qn_param *p) { return p->id == QN_P_EMBED || p->id == QN_P_HEAD; }

/* The adapter that has rows of tokens, where one is meant; NULL: none. */
static const qn_adapter *with_tokens(const qn_merge_part *part, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (part[i].a->n_tokens && part[i].scale != 0)
            return part[i].a;
    return NULL;
}

/* Its row for a token in the embedding, or in the head (of a model with a head apart); −1: none. */
static int64_t row_of(const qn_adapter *a, const qn_param *p, int64_t token) {
    for (int64_t j = 0; a && j < a->n_tokens && (p->id == QN_P_EMBED || a->head.rank); j++)
        if (a->token[j] == token)
            return j;
    return -1;
}

static bool touches(void *arg, const qn_param *p, int64_t row) {
    const merging *m = arg;
    return !is_table(p) || row_of(with_tokens(m->part, m->n), p, row) >= 0;
}

/* rows: with those that are new, which are zero until here. */
static int change_table(const qn_adapter *a, const qn_param *p, float *w, int64_t rows, int64_t cols) {
    const qn_tensor *from = p->id == QN_P_EMBED ? &a->embed : &a->head;
    if (cols != a->embed.dim[1])
        return qn_fail(QN_ESHAPE, "%s: its rows of tokens are %lld wide, the model's embedding %lld", a->name,
                       (long long)a->embed.dim[1], (long long)cols);
    if (p->id == QN_P_HEAD && !a->head.rank && a->token[a->n_tokens - 1] == rows - 1)
        return qn_fail(QN_ESHAPE, "%s: has rows of new tokens for the embedding, and none for the head, which this "
                       "model has apart", a->name);
    for (int64_t j = 0; j < a->n_tokens && from->rank; j++)
        if (a->token[j] < rows)
            qn_unpack_row(w + a->token[j] * cols, QN_F32, from->data, j, cols);
    return 0;
}

static bool wants(void *arg, const qn_param *p, int64_t layer) {
    const merging *m = arg;
    if (is_table(p))
        return with_tokens(m->part, m->n) != NULL;
    for (size_t i = 0; i < m->n; i++)
        if (qn_adapter_find(m->part[i].a, p->id, layer))
            return true;
    return false;
}

static int change(void *arg, const qn_param *p, int64_t layer, float *w, int64_t rows, int64_t cols) {
    const merging *m = arg;
    if (is_table(p))
        return change_table(with_tokens(m->part, m->n), p, w, rows, cols);
    for (size_t i = 0; i < m->n; i++) {
        const qn_lora *l = qn_adapter_find(m->part[i].a, p->id, layer);
        if (l && (l->rows != rows || l->cols != cols))
            return qn_fail(QN_ESHAPE, "%s: its pair for %s of layer %lld is for [%lld,%lld], the model's weight is "
                           "[%lld,%lld]", m->part[i].a->name, p->gguf, (long long)layer, (long long)l->rows,
                           (long long)l->cols, (long long)rows, (long long)cols);
    }
    return qn_merge_matrix(w, p, layer, m->part, m->n, m->o, m->pool);
}

/* One tokenizer, and a row for each of its tokens. */
static int check_tokens(const qn_merge_part *part, size_t n, int64_t V) {
    const qn_adapter *a = with_tokens(part, n);
    int64_t beyond = 0;
    for (size_t i = 0; i < n; i++)
        if (part[i].a->n_tokens && part[i].scale != 0 && part[i].a != a)
            return qn_fail(QN_EUNSUPPORTED, "%s and %s both have rows of tokens; merge one of them, and train the "
                           "other on what comes of it", a->name, part[i].a->name);
    for (int64_t j = 0; a && j < a->n_tokens; j++)
        beyond += a->token[j] >= V;
    if (a && a->rows > V && beyond != a->rows - V)
        return qn_fail(QN_ESHAPE, "%s: has a row for token %lld, and not for all between it and the model's %lld; it "
                       "was made for a larger vocabulary", a->name, (long long)a->rows - 1, (long long)V);
    return 0;
}

static int check(const qn_merge_part *part, size_t n, const qn_merge_options *o) {
    if (n == 0 || n > QN_ADAPTERS)
        return qn_fail(QN_EINVAL, "merge: %zu adapters; expected 1 to %d", n, QN_ADAPTERS);
    if (o->method != QN_MERGE_LINEAR && !(o->density > 0 && o->density <= 1))
        return qn_fail(QN_EINVAL, "merge: the density is %g; expected a share above 0, 1 at most", o->density);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(part[i].scale))
            return qn_fail(QN_EINVAL, "merge: the weight of %s is no number", part[i].a->name);
    return 0;
}

/* The model itself, before anything is written. */
static int check_model(const char *model, const qn_merge_part *part, size_t n) {
    const qn_arch *arch;
    qn_source *s;
    qn_config c;
    QN_TRY(qn_source_open(&s, model));
    int rc = qn_source_config(s, &arch, &c);
    for (size_t i = 0; i < n && rc >= 0; i++)
        if (part[i].a->arch != arch || part[i].a->layers != c.layers)
            rc = qn_fail(QN_ESHAPE, "%s: an adapter for a %s of %lld layers; %s is a %s of %lld", part[i].a->name,
                         part[i].a->arch->name, (long long)part[i].a->layers, model, arch->name, (long long)c.layers);
    if (rc >= 0)
        rc = check_tokens(part, n, c.V);
    qn_source_close(s);
    return rc;
}

int qn_merge(const char *model, const char *out, const qn_merge_part *part, size_t n, const qn_merge_options *o,
             qn_pool *pool, qn_convert_result *result) {
    merging m = {part, n, o, pool};
    const qn_convert_change ours = {.wants = wants, .change = change, .touches = touches, .arg = &m};
    qn_convert_options options = o->out;
    options.change = &ours;
    for (size_t i = 0; i < n; i++)
        options.rows = QN_MAX(options.rows, part[i].scale != 0 ? part[i].a->rows : 0);
    QN_TRY(check(part, n, o));
    QN_TRY(check_model(model, part, n));
    return qn_convert(model, out, &options, result);
}
