/* model/load.c — names bound to tensors, shapes checked, weights packed for this machine.
 *
 * Two passes: the first decides for every parameter where it lies in the file, what it becomes and where it goes, and
 * fails before anything large is allocated; the second (packing.c) packs tile by tile over the pool, or behind the
 * first tokens, and gives the mapped pages back, so that file and arena are never resident together. */
#include "base/log.h"
#include "model/packing.h"

#include <string.h>

typedef struct {
    qn_model *m;
    const qn_source *s;
    const qn_model_options *o;
    qn_binding *b;
    size_t n, cap;
    size_t arena;
    bool *used;                         /* [tensors of the file] */
    int64_t by_dtype[QN_DTYPES];        /* matrix numbers per packed dtype */
} loader;

/* Weights kept as they are stored may take this much more than in the file: padding, norms in float; and a sixteenth,
 * because small scales lie unpacked in panels. */
#define SLACK_BYTES ((uint64_t)64 << 20)

/* ---- pass 1: bind ---- */

/* What a matrix is packed as. Vectors are always F32. */
static int choose_dtype(const loader *l, qn_binding *b) {
    const qn_tensor_info *t = b->st.info;
    if (b->st.rank == 1 && qn_dtype_get((qn_dtype)t->dtype)->block > 1)
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s is a vector in %s; vectors must be F64, F32, F16 or BF16",
                       qn_source_path(l->s), QN_STR_ARG(t->name), t->type);
    if (b->st.rank == 1) {
        b->to = QN_F32;
        return 0;
    }
    const int stored = t->dtype == QN_F64 ? QN_F32 : t->dtype;
    const int own = stored == QN_F32 && l->m->cfg.compute >= 0 ? l->m->cfg.compute : stored;
    b->to = (qn_dtype)(l->o->weights == QN_WEIGHTS_AS_IS ? own : l->o->weights);
    if ((b->st.p->flags & QN_NO_BLOCKS) && qn_dtype_get(b->to)->block > 1)
        b->to = (qn_dtype)(qn_dtype_get((qn_dtype)stored)->block > 1 ? QN_F32 : stored);
    const int block = qn_dtype_get(b->to)->block;
    if (b->st.dim[1] % block)
        return qn_fail(QN_ESHAPE, "%s: tensor %.*s has rows of %lld numbers, which are no whole blocks of %d for %s; "
                       "choose another --weights", qn_source_path(l->s), QN_STR_ARG(t->name),
                       (long long)b->st.dim[1], block, qn_dtype_get(b->to)->name);
    return 0;
}

static int push_binding(loader *l, qn_binding b) {
    const int64_t *dim = b.st.dim;
    QN_TRY(qn_stored_check(&b.st, l->s));
    QN_TRY(choose_dtype(l, &b));
    b.bytes = b.st.rank == 1 ? qn_round64((size_t)dim[0] * sizeof(float))
                             : (size_t)qn_panels(dim[0]) * qn_panel_bytes(b.to, dim[1]);
    b.offset = l->arena;
    l->arena += b.bytes;
    l->m->n_params += dim[0] * dim[1];
    if (b.st.rank == 2)
        l->by_dtype[b.to] += dim[0] * dim[1];
    QN_TRY(QN_GROW(QN_MEM_MODEL, l->b, l->cap, l->n + 1));
    l->b[l->n++] = b;
    return 0;
}

static int bind_param(loader *l, const qn_param *p, int64_t layer) {
    qn_binding b = {0};
    QN_TRY(qn_stored_find(&b.st, l->s, l->m->arch, &l->m->cfg, p, layer));
    if (b.st.info)
        l->used[b.st.info - qn_tensor_at(qn_source_tensors(l->s), 0)] = true;
    if (p->flags & QN_TIED) {
        l->m->cfg.tied = l->m->cfg.tied || (!b.st.info && qn_source_is_gguf(l->s));
        if (l->m->cfg.tied)
            return 0;
    }
    if (!b.st.info && (p->flags & QN_OPTIONAL))
        return 0;
    return push_binding(l, b);
}

/* llama3's scaling travels in GGUF files as one divisor per pair. */
static int bind_rope_divisors(loader *l) {
    const qn_tensor_info *t = qn_tensor_find(qn_source_tensors(l->s), "rope_freqs.weight");
    qn_rope_config *r = &l->m->cfg.rope;
    if (!t || !qn_source_is_gguf(l->s))
        return 0;
    l->used[t - qn_tensor_at(qn_source_tensors(l->s), 0)] = true;
    if (t->dtype != QN_F32 || t->rank != 1 || t->dims[0] != r->rot / 2)
        return qn_fail(QN_ESHAPE, "%s: tensor rope_freqs.weight must hold %lld F32 numbers", qn_source_path(l->s),
                       (long long)(r->rot / 2));
    memcpy(r->divisor, t->data, (size_t)t->dims[0] * sizeof(float));
    return 0;
}

/* The layer that a tensor's name speaks of, by the family's own spelling ("blk.7.…"); -1: none. */
static int64_t layer_of(const loader *l, qn_str name) {
    const qn_arch *a = l->m->arch;
    const char *prefix = a->hf_prefix && !qn_source_is_gguf(l->s) ? a->hf_prefix : "";
    if (qn_str_starts(name, prefix))
        name = (qn_str){name.s + strlen(prefix), name.n - strlen(prefix)};
    for (size_t i = 0; i < a->n_params; i++) {
        const char *known = qn_source_is_gguf(l->s) ? a->params[i].gguf : a->params[i].hf;
        known += strncmp(known, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
        const char *d = strstr(known, "%d");
        const size_t before = d ? (size_t)(d - known) : 0;
        size_t end = before;
        int64_t layer;
        if (!d || name.n <= before || memcmp(name.s, known, before) != 0)
            continue;
        while (end < name.n && name.s[end] >= '0' && name.s[end] <= '9')
            end++;
        return qn_parse_i64((qn_str){name.s + before, end - before}, &layer) ? layer : -1;
    }
    return -1;
}

/* What the family has no use for is said once; layers that the configuration does not know of are a contradiction. */
static int check_leftovers(const loader *l) {
    const qn_tensor_file *f = qn_source_tensors(l->s);
    const qn_tensor_info *first = NULL;
    size_t left = 0;
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        if (l->used[i])
            continue;
        if (layer_of(l, t->name) >= l->m->cfg.layers)
            return qn_fail(QN_EFORMAT, "%s: tensor %.*s lies beyond the %lld layers that the configuration speaks of",
                           qn_source_path(l->s), QN_STR_ARG(t->name), (long long)l->m->cfg.layers);
        if (!qn_arch_leaves_out(l->m->arch, t->name))
            first = left++ ? first : t;
    }
    if (left > 0)
        qn_log(QN_LOG_WARN, "%s: %zu tensors are not used by the %s family; the first is %.*s", qn_source_path(l->s),
               left, l->m->arch->name, QN_STR_ARG(first->name));
    return 0;
}

/* Panels are 32 columns wide: a file of very narrow matrices would grow many times over. */
static int check_arena(const loader *l) {
    const uint64_t stored = qn_tensor_total_bytes(qn_source_tensors(l->s));
    if (l->o->weights != QN_WEIGHTS_AS_IS || l->arena <= stored + stored / 16 + SLACK_BYTES)
        return 0;
    return qn_fail(QN_EFORMAT, "%s: %llu bytes of weights would take %zu in memory: matrices with so few rows are no "
                   "model's", qn_source_path(l->s), (unsigned long long)stored, l->arena);
}

static int bind_all(loader *l) {
    const qn_arch *a = l->m->arch;
    if (!qn_source_tensors(l->s))
        return qn_fail(QN_ENOTFOUND, "%s: neither model.safetensors nor model.safetensors.index.json is there",
                       qn_source_path(l->s));
    QN_TRY(qn_tensor_check_size(qn_source_tensors(l->s)));
    l->used = qn_zalloc(QN_MEM_MODEL, qn_tensor_count(qn_source_tensors(l->s)), sizeof *l->used);
    if (!l->used)
        return QN_ENOMEM;
    for (size_t i = 0; i < a->n_params; i++) {
        const int64_t layers = qn_param_per_layer(&a->params[i]) ? l->m->cfg.layers : 1;
        for (int64_t layer = 0; layer < layers; layer++)
            QN_TRY(bind_param(l, &a->params[i], qn_param_per_layer(&a->params[i]) ? layer : -1));
    }
    QN_TRY(bind_rope_divisors(l));
    QN_TRY(check_leftovers(l));
    return check_arena(l);
}

/* ---- the model ---- */

static int describe(loader *l) {
    qn_model *m = l->m;
    int best = QN_F32;
    qn_buf text = {0};
    for (int t = 0; t < QN_DTYPES; t++)
        if (l->by_dtype[t] > l->by_dtype[best])
            best = t;
    m->main_dtype = (qn_dtype)best;
    const bool few = m->n_params < 100000;              /* "43 k": "0.0 M" says nothing */
    int rc = qn_buf_printf(&text, few ? "%s, %.0f k parameters, %s" : "%s, %.1f M parameters, %s", m->arch->name,
                           (double)m->n_params / (few ? 1e3 : 1e6), qn_dtype_get(m->main_dtype)->name);
    for (int t = 0; t < QN_DTYPES && rc >= 0; t++)
        if (t != best && l->by_dtype[t] > 0)
            rc = qn_buf_printf(&text, "+%s", qn_dtype_get((qn_dtype)t)->name);
    if (rc >= 0)
        rc = qn_buf_puts(&text, m->weights != QN_WEIGHTS_AS_IS                     ? " converted at load"
                                : m->cfg.compute == QN_BF16 && best == QN_BF16 ? " as trained" : " as stored");
    if (rc >= 0 && !(m->identity = qn_str_dup(QN_MEM_MODEL, qn_buf_view(&text))))
        rc = QN_ENOMEM;
    qn_buf_drop(&text);
    return rc;
}

static int load(loader *l, qn_pool *pool) {
    qn_model *m = l->m;
    QN_TRY(qn_source_config(l->s, &m->arch, &m->cfg));
    m->arch->spec(&m->cfg, &m->spec);
    QN_TRY(bind_all(l));
    m->param = qn_zalloc(QN_MEM_MODEL, (size_t)(m->cfg.layers + 1) * QN_PARAMS, sizeof *m->param);
    if (!m->param)
        return QN_ENOMEM;
    m->arena_bytes = l->arena;
    m->arena = qn_arena_map(QN_MEM_WEIGHTS, m->arena_bytes);
    if (!m->arena)
        return QN_ENOMEM;
    QN_TRY(qn_packing_new(&m->packing, m, l->s, l->b, l->n, l->o));
    QN_TRY(qn_packing_begin(m->packing, pool));
    if (qn_model_settled(m)) {
        qn_packing_free(m->packing);
        m->packing = NULL;
    }
    return describe(l);
}

int qn_model_load(qn_model **out, const qn_source *s, const qn_model_options *o, qn_pool *pool) {
    loader l = {.s = s, .o = o};
    *out = NULL;
    if (o->weights != QN_WEIGHTS_AS_IS && (o->weights < 0 || o->weights >= QN_DTYPES || o->weights == QN_F64 ||
                                           !qn_dtype_get((qn_dtype)o->weights)->encode_row))
        return qn_fail(QN_EINVAL, "model: weights can become %s", qn_dtypes_written());
    l.m = qn_zalloc(QN_MEM_MODEL, 1, sizeof *l.m);
    if (!l.m)
        return QN_ENOMEM;
    l.m->weights = o->weights;
    const int rc = load(&l, pool);
    qn_free(l.b);
    qn_free(l.used);
    if (rc < 0) {
        qn_model_free(l.m);
        return rc;
    }
    *out = l.m;
    return 0;
}

void qn_model_free(qn_model *m) {
    if (!m)
        return;
    qn_arena_unmap(QN_MEM_WEIGHTS, m->arena, m->arena_bytes);
    qn_packing_free(m->packing);
    qn_free(m->param);
    qn_free(m->identity);
    qn_free(m);
}

qn_dtype qn_default_kv(const qn_model *m, const qn_kernels *k) {
    if (m->main_dtype == QN_F32)
        return QN_F32;
    return k->isa >= QN_ISA_AVX512BF16 ? QN_BF16 : QN_F16;
}

const qn_tensor *qn_model_param(const qn_model *m, qn_param_id id, int64_t layer) {
    const qn_param *p = qn_arch_param(m->arch, id);
    return &m->param[(p && qn_param_per_layer(p) ? layer + 1 : 0) * QN_PARAMS + id];
}
