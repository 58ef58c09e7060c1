/* model/adapter_group.c — pairs into the tensors of files: several weights that lie in one tensor have one pair there.
 *
 *     A  [3r,K]     Aq          B  [3N,3r]    Bq  0   0            B·A  =  Bq·Aq
 *                   Ak                        0   Bk  0                    Bk·Ak
 *                   Av                        0   0   Bv                   Bv·Av
 */
#include <string.h>

#include "model/adapter_impl.h"

/* ---- names ---- */

int qn_adapter_module(const qn_arch *a, const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out) {
    QN_TRY(qn_param_stored_name(a, p, is_gguf, layer, out));
    if (!is_gguf && qn_str_ends(qn_buf_view(out), ".weight")) {
        out->n -= strlen(".weight");
        out->s[out->n] = 0;
    }
    return 0;
}

int qn_adapter_tensor_name(const char *module, bool is_gguf, qn_lora_tensor which, qn_buf *out) {
    static const char *const ends[2][QN_LORA_TENSORS] = {
        {".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"}, {".lora_a", ".lora_b", ".lora_magnitude"}};
    qn_buf_clear(out);
    return qn_buf_printf(out, "%s%s%s", is_gguf ? "" : QN_PEFT_PREFIX, module, ends[is_gguf][which]);
}

/* ---- groups ---- */

int qn_adapter_parts(const qn_arch *a, const qn_param *p, const qn_param *part[4]) {
    const qn_joint *j = qn_arch_joint(a, p->id);
    part[0] = p;
    for (int i = 0; j && i < j->parts; i++)
        part[i] = qn_arch_param(a, j->part[i]);
    return j ? j->parts : 1;
}

static size_t matrix_bytes(const qn_tensor *t) {
    return (size_t)qn_panels(t->dim[0]) * qn_panel_bytes(QN_F32, t->dim[1]);
}

static bool same_a(const qn_lora *x, const qn_lora *y) {
    return x && y && x->rank == y->rank && x->scale == y->scale && x->cols == y->cols &&
           memcmp(x->a.data, y->a.data, matrix_bytes(&x->a)) == 0;
}

/* The group that p begins in a layer; no pair of it: rank 0. */
static qn_adapter_group group_of(const qn_adapter *a, const qn_config *c, const qn_param *p, int64_t layer) {
    qn_adapter_group g = {.layer = layer};
    g.parts = qn_adapter_parts(a->arch, p, g.part);
    g.shared = true;
    for (int i = 0; i < g.parts; i++) {
        int64_t dim[2];
        qn_param_shape(g.part[i], c, dim);
        g.rows += dim[0];
        g.cols = dim[1];
        g.pair[i] = qn_adapter_find(a, g.part[i]->id, layer);
        g.shared = g.shared && same_a(g.pair[0], g.pair[i]);
        if (g.pair[i] && g.rank == 0)
            g.scale = g.pair[i]->scale;
        g.rank += g.pair[i] ? g.pair[i]->rank : 0;
    }
    if (g.shared && g.pair[0])
        g.rank = g.pair[0]->rank;
    return g;
}

size_t qn_adapter_groups(const qn_adapter *a, const qn_config *c, qn_adapter_group *out) {
    size_t n = 0;
    for (int64_t layer = 0; layer < a->layers; layer++)
        for (size_t i = 0; i < a->arch->n_params; i++) {
            const qn_param *p = &a->arch->params[i], *part[4];
            if (!(p->flags & QN_LORA) || !qn_param_per_layer(p) || !qn_adapter_parts(a->arch, p, part) || part[0] != p)
                continue;
            const qn_adapter_group g = group_of(a, c, p, layer);
            if (g.rank > 0)
                out[n++] = g;
        }
    return n;
}

/* ---- their numbers ---- */

void qn_adapter_group_a(const qn_adapter_group *g, float *a) {
    for (int i = 0; i < (g->shared ? 1 : g->parts); i++)
        if (g->pair[i]) {
            qn_lora_unpack(&g->pair[i]->a, a);
            a += g->pair[i]->rank * g->cols;
        }
}

/* The row of memory that becomes row r of a GGUF: 2i + j of a head is half j, pair i (stored.h). */
static int64_t row_in_memory(const qn_param *p, const qn_config *c, int64_t r) {
    const int64_t half = c->rope.rot / 2, in_head = r % c->Dh;
    if (!(p->flags & QN_ROPE_PERMUTED) || in_head >= c->rope.rot)
        return r;
    return r - in_head + in_head % 2 * half + in_head / 2;
}

static void put_rows(const qn_adapter_group *g, int i, const qn_config *c, bool to_gguf, double factor, float *b,
                     const float *from) {
    const qn_lora *l = g->pair[i];
    const float f = (float)(factor * (l->scale / g->scale));
    for (int64_t r = 0; r < l->rows; r++) {
        const float *row = from + (to_gguf ? row_in_memory(g->part[i], c, r) : r) * l->rank;
        for (int64_t k = 0; k < l->rank; k++)
            b[r * g->rank + k] = row[k] * f;
    }
}

void qn_adapter_group_b(const qn_adapter_group *g, const qn_config *c, double factor, bool to_gguf, float *b,
                        float *room) {
    int64_t first = 0, column = 0;
    memset(b, 0, (size_t)(g->rows * g->rank) * sizeof *b);
    for (int i = 0; i < g->parts; i++) {
        int64_t dim[2];
        qn_param_shape(g->part[i], c, dim);
        if (g->pair[i]) {
            qn_lora_unpack(&g->pair[i]->b, room);
            put_rows(g, i, c, to_gguf, factor, b + first * g->rank + column, room);
            column += g->shared ? 0 : g->pair[i]->rank;
        }
        first += dim[0];
    }
}

void qn_adapter_group_magnitude(const qn_adapter_group *g, float *m) {
    for (int i = 0; i < g->parts; i++) {
        memcpy(m, g->pair[i]->magnitude, (size_t)g->pair[i]->rows * sizeof *m);
        m += g->pair[i]->rows;
    }
}
