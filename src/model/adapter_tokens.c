/* model/adapter_tokens.c — rows of embedding and head for single tokens, beside an adapter's pairs (adapter.h).
 *
 *     arena     │ embed panels [n,D] │ head panels [n,D] │          the latter where the adapter has a head's own
 */
#include <string.h>

#include "model/adapter_impl.h"
#include "ops/ops.h"

/* ---- the list ---- */

static size_t panels_bytes(int64_t rows, int64_t cols) {
    return (size_t)qn_panels(rows) * qn_panel_bytes(QN_F32, cols);
}

static qn_tensor matrix(int64_t rows, int64_t cols, void *data) {
    return (qn_tensor){.dtype = QN_F32, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {rows, cols}, .stride = cols,
                       .data = data};
}

/* By insertion: they are few, and mostly in order. */
static int sort_in(qn_adapter *a, const int64_t *id, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (id[i] < 0 || id[i] >= INT32_MAX)
            return qn_fail(QN_EFORMAT, "%s: a row for token %lld; ids are whole numbers from 0", a->name,
                           (long long)id[i]);
        size_t at = i;
        while (at > 0 && a->token[at - 1] > id[i])
            at--;
        if (at > 0 && a->token[at - 1] == id[i])
            return qn_fail(QN_EFORMAT, "%s: two rows for token %lld", a->name, (long long)id[i]);
        memmove(a->token + at + 1, a->token + at, (i - at) * sizeof *a->token);
        a->token[at] = (int32_t)id[i];
    }
    return 0;
}

int qn_adapter_add_tokens(qn_adapter *a, const int64_t *id, size_t n, int64_t D, bool head, int64_t *row) {
    qn_assert(a->n_tokens == 0 && n > 0);
    a->token = qn_alloc(QN_MEM_MODEL, n * sizeof *a->token);
    if (!a->token)
        return QN_ENOMEM;
    QN_TRY(sort_in(a, id, n));
    const size_t bytes = panels_bytes((int64_t)n, D);
    a->token_bytes = bytes * (head ? 2 : 1);
    a->token_arena = qn_arena_map(QN_MEM_WEIGHTS, a->token_bytes);
    if (!a->token_arena)
        return QN_ENOMEM;
    a->n_tokens = (int64_t)n;
    a->rows = a->token[n - 1] + (int64_t)1;
    a->embed = matrix((int64_t)n, D, a->token_arena);
    if (head)
        a->head = matrix((int64_t)n, D, a->token_arena + bytes);
    const qn_token_rows_attr all = {a->token, a->n_tokens, a->rows, 0};
    for (size_t i = 0; row && i < n; i++)
        row[i] = qn_token_row(&all, (int32_t)id[i]);
    return 0;
}

int qn_tokens_name(const qn_adapter *a, bool head, qn_buf *out) {
    QN_TRY(qn_param_name(qn_arch_param(a->arch, head ? QN_P_HEAD : QN_P_EMBED), true, -1, out));
    return qn_buf_puts(out, ".tokens");
}

const qn_tensor *qn_adapter_head(const qn_adapter *a, const qn_model *m) {
    if (a->head.rank)
        return &a->head;
    return a->n_tokens && qn_model_param(m, QN_P_HEAD, -1)->rank == 0 ? &a->embed : NULL;
}

int64_t qn_adapters_rows(const qn_model *m, const qn_adapter *const *a, int n) {
    int64_t rows = m->cfg.V;
    for (int i = 0; i < n; i++)
        rows = QN_MAX(rows, a[i]->rows);
    return rows;
}

/* ---- does it fit ---- */

int qn_adapter_check_tokens(const qn_adapter *a, const qn_model *m) {
    const int64_t V = m->cfg.V;
    const bool apart = qn_model_param(m, QN_P_HEAD, -1)->rank > 0;
    int64_t beyond = 0;
    for (int64_t j = 0; j < a->n_tokens; j++)
        beyond += a->token[j] >= V;
    if (a->embed.dim[1] != m->cfg.D)
        return qn_fail(QN_ESHAPE, "%s: its rows of tokens are %lld wide, the model's embedding %lld; it was made for "
                       "another model", a->name, (long long)a->embed.dim[1], (long long)m->cfg.D);
    if (a->rows > V && beyond != a->rows - V)
        return qn_fail(QN_ESHAPE, "%s: has a row for token %lld, and not for all between it and the model's %lld; it "
                       "was made for a larger vocabulary", a->name, (long long)a->rows - 1, (long long)V);
    if (a->head.rank && !apart)
        return qn_fail(QN_ESHAPE, "%s: has rows for a head of its own; this model's is its embedding", a->name);
    if (apart && !a->head.rank && beyond)
        return qn_fail(QN_ESHAPE, "%s: has rows of new tokens for the embedding, and none for the head, which this "
                       "model has apart", a->name);
    return 0;
}

/* ---- fresh ones ---- */

/* Of a table [V,D] of the model: the rows of these tokens, or the mean. room: D floats. */
static void fill(const qn_adapter *a, const qn_tensor *table, const qn_tensor *to, float *rows, float *room,
                 double *mean) {
    const int64_t V = table->dim[0], D = table->dim[1];
    memset(mean, 0, (size_t)D * sizeof *mean);
    for (int64_t v = 0; v < V && a->rows > V; v++) {
        qn_unpack_row(room, table->dtype, table->data, v, D);
        for (int64_t k = 0; k < D; k++)
            mean[k] += (double)room[k];
    }
    for (int64_t j = 0; j < a->n_tokens; j++) {
        float *row = rows + j * D;
        if (a->token[j] < V)
            qn_unpack_row(row, table->dtype, table->data, a->token[j], D);
        for (int64_t k = 0; k < D && a->token[j] >= V; k++)
            row[k] = (float)(mean[k] / (double)V);
    }
    qn_lora_pack(to, rows);
}

int qn_adapter_fresh_tokens(qn_adapter *a, const qn_model *m, const int32_t *id, size_t n) {
    const qn_tensor *head = qn_model_param(m, QN_P_HEAD, -1);
    const int64_t D = m->cfg.D;
    qn_assert(qn_model_settled(m));
    int64_t *wide = qn_alloc(QN_MEM_SCRATCH, n * sizeof *wide);
    float *rows = qn_alloc(QN_MEM_SCRATCH, (n + 1) * (size_t)D * sizeof *rows);
    double *mean = qn_alloc(QN_MEM_SCRATCH, (size_t)D * sizeof *mean);
    int rc = wide && rows && mean ? 0 : QN_ENOMEM;
    for (size_t i = 0; i < n && rc >= 0; i++)
        wide[i] = id[i];
    if (rc >= 0)
        rc = qn_adapter_add_tokens(a, wide, n, D, head->rank > 0, NULL);
    if (rc >= 0)
        rc = qn_adapter_check_tokens(a, m);
    if (rc >= 0) {
        fill(a, qn_model_param(m, QN_P_EMBED, -1), &a->embed, rows, rows + n * (size_t)D, mean);
        if (head->rank)
            fill(a, head, &a->head, rows, rows + n * (size_t)D, mean);
    }
    qn_free(wide);
    qn_free(rows);
    qn_free(mean);
    return rc;
}
