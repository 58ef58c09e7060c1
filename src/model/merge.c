/* model/merge.c — adapters into one model: the Δ of each, row by row, and which weights have one. */
#include <math.h>
#include <string.h>

#include "model/merge_impl.h"

/* One weight. */
typedef struct {
    const qn_merge_part *part;          /* [n] */
    size_t n;
    const qn_lora *pair[QN_ADAPTERS];   /* NULL: that adapter leaves this weight alone */
    float *a[QN_ADAPTERS], *b[QN_ADAPTERS];
    const float *w;
    int64_t rows, cols;
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

static void delta_rows(void *arg, size_t i, qn_span rows, int worker, double *d) {
    matrix *m = arg;
    (void)worker;
    for (int64_t r = rows.begin; r < rows.end; r++)
        delta_row(m, i, r, d + (r - rows.begin) * m->cols);
}

/* ---- one weight ---- */

static int open_matrix(matrix *m, const qn_param *p, int64_t layer) {
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
    return 0;
}

static void close_matrix(matrix *m) {
    for (size_t i = 0; i < m->n; i++) {
        qn_free(m->a[i]);
        qn_free(m->b[i]);
    }
}

static int merge_all(matrix *m, const qn_merge_options *o, uint64_t number, float *w, qn_pool *pool) {
    qn_merging all = {.o = o, .n = m->n, .w = w, .rows = m->rows, .cols = m->cols, .number = number,
                      .delta = delta_rows, .arg = m};
    for (size_t i = 0; i < m->n; i++) {
        all.weight[i] = m->part[i].scale;
        all.has[i] = m->pair[i] != NULL;
    }
    return m->cols > 0 ? qn_merge_deltas(&all, pool) : 0;
}

int qn_merge_matrix(float *w, const qn_param *p, int64_t layer, const qn_merge_part *part, size_t n,
                    const qn_merge_options *o, qn_pool *pool) {
    matrix m = {.part = part, .n = n, .w = w};
    qn_assert(n <= QN_ADAPTERS);
    int rc = open_matrix(&m, p, layer);
    if (rc >= 0)
        rc = merge_all(&m, o, (uint64_t)(layer * QN_DRAWN_PARAMS + p->id), w, pool);
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

int qn_merge_check(const qn_merge_options *o) {
    const bool dense = o->method == QN_MERGE_LINEAR || o->method == QN_MERGE_SLERP;
    if (dense || (o->density > 0 && o->density <= 1))
        return 0;
    return qn_fail(QN_EINVAL, "the density is %g; expected a share above 0, 1 at most", o->density);
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
        return qn_fail(QN_EINVAL, "%zu adapters; expected 1 to %d", n, QN_ADAPTERS);
    if (o->method == QN_MERGE_SLERP)
        return qn_fail(QN_EINVAL, "slerp goes between two whole models; adapters have linear, ties, dare");
    QN_TRY(qn_merge_check(o));
    for (size_t i = 0; i < n; i++)
        if (!isfinite(part[i].scale))
            return qn_fail(QN_EINVAL, "the weight of %s is no number", part[i].a->name);
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
